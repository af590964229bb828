"""What is understood of a network where names tell nothing: by calls, by uses, by what moves what."""

import ast

import numpy as np
import pytest
from programs import NETWORK, rest_slow
from renaming import renamed, renamed_notebook
from test_checking import CORE, FILES, PLANTS, errors, ids, of_style, planted, verdict_of

from clearhead import check
from clearhead.checking.factories import as_classes
from clearhead.checking.flows import calls_in
from clearhead.checking.network_run.uses import uses_in
from clearhead.checking.slots import slots_of

SAID_BY_NAMES = {"syntax_error", "method_misspelt", "crash"}  # nothing but names makes these sure


def without_names(style, text):
    return (renamed_notebook if FILES[style].suffix == ".ipynb" else renamed)(text)


@pytest.mark.parametrize(
    "style",
    rest_slow(2, ["attention_lucid", "attention_raschka", "network_coursera", "network_octave", "network_hangul"]),
)  # fmt: skip
def test_all_is_understood_without_names(style):
    verdict = of_style(style, without_names(style, FILES[style].read_text("utf-8")))
    assert errors(verdict) == []
    assert {check.status for check in verdict.checks.values()} == {"pass"}


def test_sizes_that_one_size_leads_to_are_tried_once_each():
    (plant,) = [each for each in PLANTS if (each.style, each.mistake) == ("attention_slow", "crash")]
    verdict = of_style(plant.style, without_names(plant.style, planted(plant)))
    assert verdict.checks["forward"].detail == "not_understood_crash"


@pytest.mark.slow
@pytest.mark.parametrize("style", FILES)
def test_random_names_accuse_nobody(style):
    text = FILES[style].read_text("utf-8")
    other = without_names(style, text)
    assert other != text
    verdict = of_style(style, other)
    assert errors(verdict) == []
    core = CORE[style.partition("_")[0]]
    assert all(name in verdict.checks and verdict.checks[name].status == "pass" for name in core)


@pytest.mark.slow
@pytest.mark.parametrize(("target", "least"), [("network", 0.88), ("attention", 0.75)])
def test_random_names_hide_few_mistakes(target, least):
    plants = [p for p in PLANTS if p.style.startswith(target) and p.mistake not in SAID_BY_NAMES]
    named = alone = 0
    for plant in plants:
        verdict = of_style(plant.style, without_names(plant.style, planted(plant)))
        named += plant.mistake in ids(verdict)
        alone += not {*errors(verdict)} - {plant.mistake}
    assert named >= least * len(plants)
    assert alone >= 0.97 * len(plants)


@pytest.mark.parametrize(
    ("code", "roles"),
    [
        ("def f(w, g, a): w -= a * g", {"a": "lr"}),
        ("def f(w, v, g, a): return w - a * g, v - a * g", {"a": "lr"}),
        ("def f(w, g, a): return [p - a * q for p, q in zip(w, g)]", {"a": "lr"}),
        ("def f(w, g, a): return g + a * w", {"a": "reg"}),
        ("def f(w, l, a): return l + a * (w ** 2).sum() + a * (w ** 2).sum() + a * 1 + a * 2", {"a": "reg"}),
        ("def f(w, l, a):\n  c = a * (w * w).sum()\n  return l + c", {"a": "reg"}),
        ("def f(h, y, a): return h - y / 3, h - y / 4", {}),
        ("def f(a, b, c):\n for e in range(a):\n  for i in range(0, 9, b): g(x[i:i + b])\n  if e % c: h()",
         {"a": "epochs", "b": "batch", "c": "log"}),
        ("def f(a, x):\n for i in range(a): x[i] = 0", {}),
        ("def f(a): return np.random.default_rng(a)", {"a": "seed"}),
        ("def f(p, X): return X @ p['W1']", {"p": "params"}),
        ("def f(p, g):\n for k in p: p[k] += g[k]", {"p": "params"}),
        ("def f(p, g, a):\n for k in p: p[k] = p[k] + a * g[k]", {"p": "params"}),
        ("def f(a, n): return a.permutation(n)", {"a": "rng"}),
        ("def f(w, g, a):\n  w -= a * g\n  return x[0:0 + a]", {}),  # As two things: neither.
    ],
)  # fmt: skip
def test_numbers_are_told_by_their_uses(code, roles):
    assert uses_in(ast.parse(code), [])[0].get("f", {}) == roles


def test_a_use_is_followed_through_calls_and_attributes():
    code = "def f(w, g, a): w -= a * g\ndef train(w, g, rate): f(w, g, rate)"
    tree = ast.parse(code)
    calls = calls_in(tree, {"f": ["w", "g", "a"], "train": ["w", "g", "rate"]})
    assert uses_in(tree, calls)[0]["train"] == {"rate": "lr"}
    kept = "class Net:\n  def __init__(self, a): self.b = a\n  def step(self, g): self.w -= self.b * g"
    assert uses_in(ast.parse(kept), []) == ({"Net": {"a": "lr"}}, {"b": "lr"})


def test_sizes_that_are_defaults_without_names_are_asked_for():
    text = renamed(NETWORK.replace("n_in, n_hidden, n_out)", "n_in=64, n_hidden=25, n_out=10)"))
    verdict = verdict_of(text)
    assert verdict.checks["backward"].status == "pass"
    assert verdict.checks["initialize_parameters"].detail == "init_right"


def test_a_network_of_the_sizes_of_mnist_fits_into_one_answer(tmp_path):
    text = FILES["network_hangul"].read_text("utf-8")
    signature = "def __init__(self, input_dim=784, num_hiddens=256, num_classes=10):"
    assert signature in text
    sizes = "def __init__(self):\n        input_dim, num_hiddens, num_classes = 784, 256, 10"
    path = tmp_path / "mnist.py"
    path.write_text(text.replace(signature, sizes), "utf-8")
    report = check(path)
    assert report.passed
    assert {each["status"] for each in report.to_json()["checks"]} == {"pass"}


def test_layers_may_be_called_dense_and_gradients_are_no_parameters():
    layer = {"dense1": np.ones((5, 4)), "dW1": np.ones((5, 4)), "dense2": np.ones((4, 3)), "db1": np.ones(4)}
    slots = slots_of(layer, None)
    assert slots.paths == {"W1": [("dense1",)], "W2": [("dense2",)]}


def test_a_rate_is_no_bias_however_it_is_called():
    slots = slots_of({"a": np.ones((5, 4)), "mcldbt": 0.1, "b": np.ones((4, 3)), "hidden_b": 0.5}, None)
    assert slots.paths["b1"] == [("hidden_b",)]


FACTORY = """\
import numpy as np

def make(n_in, n_hidden, n_out, rate=0.5):
    W1 = np.random.randn(n_in, n_hidden) / np.sqrt(n_in)
    b1 = np.zeros(n_hidden)
    W2 = np.random.randn(n_hidden, n_out) / np.sqrt(n_hidden)
    b2 = np.zeros(n_out)
    steps = 0

    def forward(X):
        h = 1 / (1 + np.exp(-(X @ W1 + b1)))
        e = np.exp(h @ W2 + b2 - (h @ W2 + b2).max(axis=1, keepdims=True))
        return h, e / e.sum(axis=1, keepdims=True)

    def step(X, Y):
        nonlocal W1, b1, W2, b2, steps
        h, y = forward(X)
        d2 = (y - Y) / len(X)
        d1 = d2 @ W2.T * h * (1 - h)
        W1, b1 = W1 - rate * X.T @ d1, b1 - rate * d1.sum(0)
        W2, b2 = W2 - rate * h.T @ d2, b2 - rate * d2.sum(0)
        steps += 1

    return {"forward": forward, "step": step}
"""


def test_functions_that_a_function_returns_are_checked_at_their_lines():
    verdict = verdict_of(FACTORY)
    assert [verdict.checks[name].status for name in ("forward", "backward")] == ["pass", "pass"]
    finding = verdict_of(FACTORY.replace(" * h * (1 - h)", "")).findings[0]
    assert (finding.id, finding.line) == ("slope_forgotten", 19)


SHARED = """\
import numpy as np

D, H, C, rate = 6, 5, 4, 0.5
W1 = np.random.randn(D, H) / np.sqrt(D)
W2 = np.random.randn(H, C) / np.sqrt(H)

def forward(X):
    global h, y
    h = 1 / (1 + np.exp(-X @ W1))
    e = np.exp(h @ W2 - (h @ W2).max(axis=1, keepdims=True))
    y = e / e.sum(axis=1, keepdims=True)

def update(X, Y):
    global W1, W2
    d2 = (y - Y) / len(X)
    d1 = d2 @ W2.T * h * (1 - h)
    W1, W2 = W1 - rate * X.T @ d1, W2 - rate * h.T @ d2

if __name__ == "__main__":
    forward(np.load("x.npy"))
"""


def test_functions_that_share_global_variables_are_checked_at_their_lines():
    verdict = verdict_of(SHARED)
    assert [verdict.checks[name].status for name in ("forward", "backward")] == ["pass", "pass"]
    finding = verdict_of(SHARED.replace(" * h * (1 - h)", "")).findings[0]
    assert (finding.id, finding.line) == ("slope_forgotten", 16)


def test_functions_that_the_top_level_calls_stay_functions():
    tree = ast.parse("w = 1\ndef f():\n    global w\n    w = 2\ndef g():\n    f()\ng()")
    assert ast.dump(as_classes(tree)) == ast.dump(tree)


def test_a_function_that_returns_one_of_its_own_stays_one():
    tree = ast.parse("def decorate(f):\n    def g(x):\n        return f(x)\n    return g")
    assert ast.dump(as_classes(tree)) == ast.dump(tree)


# What learners hand in that is not yet, or not only, what is asked for


FORM = """\
import numpy as np

class TwoLayerNN:
    def __init__(self, D, H, C):
        self.D, self.H, self.C = D, H, C

    def initialize_parameters(self):
        pass

    def forward(self, X):
        raise NotImplementedError

    def backward(self, X, Y):
        ...  # TODO
"""
HEADS = """\
import torch.nn as nn

class Attention(nn.Module):
    def __init__(self, num_heads, model_dim):
        super().__init__()
        raise NotImplementedError

    def forward(self, x):
        raise NotImplementedError
"""


@pytest.mark.parametrize(
    ("text", "unwritten"),
    [(FORM, {"initialize_parameters", "forward", "backward"}), (HEADS, {"parameters", "output"}),
     ("def forward(X, W):\n    pass\n\ndef backward(X, Y):\n    pass\n", {"forward", "backward"})],
)  # fmt: skip
def test_a_form_is_told_what_to_write_next_and_not_refused(text, unwritten):
    verdict = verdict_of(text)
    assert verdict.findings == []
    assert {name for name, check in verdict.checks.items() if check.status == "not_written"} == unwritten


def test_a_class_of_which_one_method_does_not_parse_is_checked_on():
    broken = NETWORK.replace("def forward(self, X):", "def forward(self, X)")
    verdict = verdict_of(broken)
    assert errors(verdict) == ["syntax_error"]
    assert verdict.checks["initialize_parameters"].status == "pass"


STEP = """
    def update(self, X, Y, lr):
        grads = self.backward(X, Y, self.forward(X))
        self.W1 = self.W1 - lr * grads["W1"]
        self.b1 = self.b1 - lr * grads["b1"]
        self.W2 = self.W2 - lr * grads["W2"]
        self.b2 = self.b2 - lr * grads["b2"]

    def fit(self, X, Y, lr=0.1, epochs=3):
        if lr <= 0:
            raise ValueError("lr must be positive")
        for _ in range(epochs):
            self.update(X, Y, lr)
"""


def network_with(code, *edits):
    """The network with more methods, and other texts in place of some."""
    text = NETWORK.replace("\n\n\ndef sigmoid", code + "\n\ndef sigmoid")
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return text


def test_code_that_refuses_a_rate_of_zero_is_right():
    assert errors(verdict_of(network_with(STEP))) == []


def test_inputs_that_are_cast_to_single_precision_are_right():
    cast = ("self.h = sigmoid(X @", "X = X.astype(np.float32)\n        self.h = sigmoid(X @")
    verdict = verdict_of(network_with(STEP, cast))
    assert errors(verdict) == []
    assert verdict.checks["forward"].status == "pass"


def test_a_key_that_the_own_gradients_do_not_have_is_a_crash_of_the_update():
    verdict = verdict_of(network_with(STEP, ('lr * grads["W1"]', 'lr * grads["dW1"]')))
    assert errors(verdict) == ["crash"]


def test_a_p_of_which_weights_are_taken_is_no_probability():
    text = (FILES["network_coursera"].read_text("utf-8")).replace("parameters", "p")
    verdict = verdict_of(text)
    assert {check.status for check in verdict.checks.values()} == {"pass"}


def test_a_running_mean_of_right_gradients_is_no_mistake():
    mean = (
        'self.W1 = self.W1 - lr * grads["W1"]',
        "self.means = {k: 0.9 * getattr(self, 'means', {}).get(k, 0) + 0.1 * g for k, g in grads.items()}\n"
        '        grads = self.means\n        self.W1 = self.W1 - lr * grads["W1"]',
    )
    verdict = verdict_of(network_with(STEP, mean))
    assert errors(verdict) == []
    assert verdict.checks["backward"].status == "pass"


ONE_HEAD = """\
import math
import torch
import torch.nn as nn

class SelfAttention(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(d, d, bias=False) for _ in range(3))

    def forward(self, x):
        s = self.q(x) @ self.k(x).transpose(1, 2) / math.sqrt(x.shape[2])
        return torch.softmax(s, -1) @ self.v(x)
"""


def test_attention_where_nothing_speaks_of_heads_has_one():
    verdict = verdict_of(ONE_HEAD)
    assert errors(verdict) == []
    assert verdict.checks["output"].status == "pass"
    unscaled = ONE_HEAD.replace(" / math.sqrt(x.shape[2])", "")
    assert errors(verdict_of(unscaled)) == ["scale_missing"]


def test_a_function_is_checked_with_the_functions_beside_it_and_no_class(tmp_path, monkeypatch):
    bare = """
def start(D, H, C):
    return {"W1": np.random.randn(D, H), "b1": np.zeros(H), "W2": np.random.randn(H, C), "b2": np.zeros(C)}

def forward(X, p):
    return sigmoid(X @ p["W1"]) @ p["W2"]
"""
    (tmp_path / "both_of_them.py").write_text(NETWORK + bare, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    import both_of_them

    assert check(both_of_them.forward).to_json()["class"] != "Net"
    assert check(both_of_them.Net).to_json()["class"] == "Net"


def test_a_parameter_that_no_gradient_reaches_is_said_to_get_none():
    idle = ONE_HEAD.replace("        self.q,", "        self.idle = nn.Linear(d, d)\n        self.q,")
    detail = verdict_of(idle).checks["parameters"]
    assert (detail.detail, detail.values["names"]) == ("parameters_idle", "idle.weight and idle.bias")


def test_the_start_of_he_is_right_for_relu_and_no_other():
    he = [
        (
            "np.random.randn(n_in, n_hidden) / np.sqrt(n_in)",
            "np.random.randn(n_in, n_hidden) * np.sqrt(2 / n_in)",
        ),
    ]
    assert "init_not_xavier" in verdict_of(network_with("", *he)).ids()
    relu = ("return 1 / (1 + np.exp(-z))", "return np.maximum(0, z)")
    verdict = verdict_of(network_with("", *he, relu, (" * self.h * (1 - self.h)", " * (self.h > 0)")))
    assert verdict.checks["initialize_parameters"].detail == "init_he"
    assert verdict.checks["forward"].values["activation"] == "ReLU"
    assert errors(verdict) == []


def test_names_in_hangul_are_renamed_wherever_they_are():
    text = renamed("import numpy as np\ndef 합(값): return np.dot(값, 값) * np.sqrt(값)\n")
    assert not {"합", "값"} & set(text)


def test_examples_that_are_kept_are_no_weights():
    kept = {"inputs": np.ones((7, 5)), "w_first": np.ones((5, 7)), "w_last": np.ones((10, 5))}
    slots = slots_of(kept, None)
    assert slots is not None
    assert slots.paths == {"W1": [("w_first",)], "W2": [("w_last",)]}
