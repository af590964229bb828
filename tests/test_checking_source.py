"""What is read of a learner's file, whatever its encoding, and what of it is taken."""

import ast
import json

import pytest
from test_checking import errors, verdict_of

from clearhead.checking.find import find
from clearhead.checking.flows import Origin, calls_in
from clearhead.checking.source import read

NETWORK = '''\
import numpy as np


class Net:
    """다층 신경망"""

    def __init__(self, n_in, n_hidden, n_out):
        self.W1 = np.random.randn(n_in, n_hidden) / np.sqrt(n_in)
        self.b1 = np.zeros(n_hidden)
        self.W2 = np.random.randn(n_hidden, n_out) / np.sqrt(n_hidden)
        self.b2 = np.zeros(n_out)

    def forward(self, X):
        self.h = sigmoid(X @ self.W1 + self.b1)
        scores = self.h @ self.W2 + self.b2
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    def backward(self, X, Y, y):
        d2 = (y - Y) / len(X)
        d1 = d2 @ self.W2.T * self.h * (1 - self.h)
        return {"W1": X.T @ d1, "b1": d1.sum(0), "W2": self.h.T @ d2, "b2": d2.sum(0)}


def sigmoid(z):
    return 1 / (1 + np.exp(-z))
'''


def found(text, name="net.py", **asked):
    return find(read(name, text if isinstance(text, bytes) else text.encode()), **asked)


def notebook(*cells):
    made = [{"cell_type": kind, "source": text, "metadata": {}} for kind, text in cells]
    return json.dumps({"cells": made, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}).encode()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16"])
def test_a_file_is_read_in_the_encodings_that_editors_write(encoding):
    source = read("net.py", NETWORK.encode(encoding))
    assert "다층 신경망" in source.text
    assert source.broken == []
    assert bool(source.notes) == (encoding == "cp949")


def test_a_declared_encoding_is_believed():
    assert "É" in read("a.py", b"# coding: latin-1\nx = '\xc9'\n").text


def test_a_notebook_is_one_program_and_its_lines_have_cells():
    cells = [
        ("markdown", "# Net"),
        ("code", "%matplotlib inline\n!pip install x\nimport numpy as np"),
        ("code", "def f(x):\n    return np.exp(x)"),
    ]
    source = read("a.ipynb", notebook(*cells))
    line = source.text.split("\n").index("    return np.exp(x)") + 1
    assert source.place(line) == "cell 3, line 2"
    assert [type(node).__name__ for node in source.tree.body] == ["Import", "FunctionDef"]


@pytest.mark.parametrize(
    ("cell", "left"),
    [
        ("%time x = 1", "x = 1"),
        ("%%time\nx = 1", "x = 1"),
        ("%%bash\nls -l", ""),
        ("y = !ls", "y = None"),
        ("x?", ""),
        ("z = 7 \\\n  % 3", "z = 7 % 3"),
    ],
)
def test_magics_are_dropped_and_python_stays(cell, left):
    assert ast.dump(read("a.ipynb", notebook(("code", cell))).tree) == ast.dump(ast.parse(left))


def test_a_syntax_error_takes_only_its_function_with_it():
    text = NETWORK.replace("return 1 / (1 + np.exp(-z))", "return 1 / (1 + np.exp(-z)") + "\nlast = 1\n"
    source = read("net.py", text.encode())
    assert len(source.broken) == 1
    assert "class Net" in ast.unparse(source.tree)
    verdict = verdict_of(text)
    assert errors(verdict) == ["syntax_error"]
    assert verdict.findings[0].line == 26


def test_two_syntax_errors_are_both_found():
    text = "def f(:\n    pass\n\nx = 1\n\ndef g(a b):\n    return 1\n"
    assert [broken.line for broken in read("a.py", text.encode()).broken] == [1, 6]


def test_training_and_plots_at_the_top_level_are_not_taken():
    text = NETWORK + "\nimport matplotlib.pyplot as plt\nnet = Net(1, 2, 3)\nplt.show()\nraise SystemExit\n"
    taken = [ast.unparse(node).split("\n")[0] for node in found(text).body]
    assert taken == ["import numpy as np", "class Net:", "def sigmoid(z):"]


def test_constants_and_helpers_that_are_needed_go_along():
    text = (
        NETWORK.replace("1 / (1 + np.exp(-z))", "ONE / (ONE + exp(-z))")
        + "\nONE = 1.0\nfrom numpy import exp\nOTHER = 2\n"
    )
    taken = "\n".join(ast.unparse(node) for node in found(text).body)
    assert "ONE = 1.0" in taken
    assert "from numpy import exp" in taken
    assert "OTHER" not in taken
    assert errors(verdict_of(text)) == []


def test_a_name_that_nothing_defines_is_said_with_its_line():
    verdict = verdict_of(NETWORK.replace("d2.sum(0)}", "d3.sum(0)}"))
    assert [(f.id, f.line, f.values["name"]) for f in verdict.findings] == [("name_undefined", 22, "d3")]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [("def forward(", "def forwad(", 13), ("def backward(", "def backwrad(", 19)],
)
def test_a_method_that_is_misspelt_is_said(old, new, line):
    text = NETWORK.replace(old, new)
    verdict = verdict_of(text)
    assert [(f.id, f.line) for f in verdict.findings if f.severity == "error"] == [("method_misspelt", line)]


def test_a_call_of_a_misspelt_method_is_said_and_the_rest_goes_on():
    text = NETWORK.replace("self.h = sigmoid(", "self.h = self.sigmiod(") .replace(
        "def sigmoid(z):\n    return", "    def sigmoid(self, z):\n        return"
    )  # fmt: skip
    lines = text.split("\n")
    start = lines.index("    def sigmoid(self, z):")
    verdict = verdict_of("\n".join(lines[: start - 2] + lines[start:]))
    assert errors(verdict) == ["method_misspelt"]
    assert verdict.checks["forward"].status == "pass"


def test_of_two_classes_of_one_name_the_last_counts():
    broken = NETWORK.replace("* self.h * (1 - self.h)", "")
    verdict = verdict_of(broken.replace("def sigmoid", "def old_sigmoid") + "\n\n" + NETWORK)
    assert errors(verdict) == []
    assert "defined_twice" in verdict.ids()


SKELETON = """\
import numpy as np


class TwoLayerNN:
    def __init__(self, input_dim, num_hiddens, num_classes):
        self.params = self.initialize_parameters(input_dim, num_hiddens, num_classes)

    def initialize_parameters(self, input_dim, num_hiddens, num_classes):
        return {
            "W1": np.random.randn(input_dim, num_hiddens) * np.sqrt(1 / input_dim),
            "b1": np.zeros(num_hiddens),
            "W2": np.random.randn(num_hiddens, num_classes) * np.sqrt(1 / num_hiddens),
            "b2": np.zeros(num_classes),
        }

    def forward(self, X):
        z1 = X @ self.params["W1"] + self.params["b1"]
        h = 1 / (1 + np.exp(-z1))
        z2 = h @ self.params["W2"] + self.params["b2"]
        e = np.exp(z2 - z2.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True), {"h": h}

    def backward(self, X, Y, cache):
        {body}
"""


@pytest.mark.parametrize(
    "body",
    ["pass", "...", "raise NotImplementedError", "# TODO: your code\n        dW1 = None\n        return dW1"],
)
def test_what_is_not_written_yet_is_no_error(body):
    verdict = verdict_of(SKELETON.replace("{body}", body))
    assert errors(verdict) == []
    assert verdict.checks["backward"].status == "not_written"
    assert verdict.checks["forward"].status == "pass"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import torch.nn as nn\nclass Net(nn.Module):\n    def __init__(self):\n        self.a = nn.Linear(4, 3)\n    def forward(self, x):\n        return self.a(x).relu()\n", "a network in PyTorch is not checked yet"),
        ("import numpy as np\nclass MultiHeadAttention:\n    def forward(self, q, k, v):\n        s = q @ k.T\n        return np.exp(s) @ v\n", "attention in NumPy is not checked yet"),
        ("import tensorflow as tf\nmodel = tf.keras.Sequential()\ndef f(x):\n    return tf.nn.softmax(x)\n", "written for another framework"),
        ("x = 1\n", "no class and no function"),
    ],
)  # fmt: skip
def test_what_is_not_checked_is_said_in_one_sentence(text, words):
    program = found(text)
    assert program.target == ""
    assert words in program.refusal


def test_a_module_of_the_same_folder_goes_along():
    head, tail = NETWORK.split("\n\ndef sigmoid")
    text = head.replace("import numpy as np", "import numpy as np\nfrom helpers import sigmoid")
    assert errors(verdict_of(text, modules={"helpers": "import numpy as np\ndef sigmoid" + tail})) == []


def test_a_mistake_in_a_module_of_the_same_folder_is_found_there():
    head, _ = NETWORK.split("\n\ndef sigmoid")
    text = head.replace("import numpy as np", "import numpy as np\nfrom helpers import sigmoid")
    verdict = verdict_of(text, modules={"helpers": "import numpy as np\n\n\ndef sigmoid(z):\n    return z\n"})
    finding = next(f for f in verdict.findings if f.id == "hidden_without_activation")
    assert (finding.file, finding.line) == ("helpers.py", 5)


def test_an_update_that_is_no_plain_descent_is_called_neither_right_nor_wrong():
    step = """
    def train_step(self, X, Y, lr):
        gradients = self.backward(X, Y, self.forward(X))
        self.W1 = self.W1 - lr * np.sign(gradients["W1"])
        self.b1 = self.b1 - lr * gradients["b1"]
        self.W2 = self.W2 - lr * np.sign(gradients["W2"])
        self.b2 = self.b2 - lr * gradients["b2"]
"""
    verdict = verdict_of(NETWORK.replace("\n\ndef sigmoid", f"{step}\n\ndef sigmoid"))
    assert errors(verdict) == []
    assert verdict.checks["backward"].status == "pass"
    assert verdict.checks["train_step"].status == "not_checked"


def test_leaving_by_exit_is_a_crash_with_its_line():
    verdict = verdict_of(
        NETWORK.replace("        self.h = sigmoid(", "        raise SystemExit\n        self.h = sigmoid(")
    )
    crash = next(finding for finding in verdict.findings if finding.id == "crash")
    assert crash.line == 14


def attention(masked, comment=""):
    """A right attention, whose mask is used as given; the comment may say what true means."""
    from mixtures import attention as mixed

    lines = mixed(7).split("\n")
    at = next(n for n, line in enumerate(lines) if line.startswith("            scores = "))
    lines[at] = f"            {comment}\n            scores = {masked}"
    return "\n".join(lines)


def test_a_mask_that_hides_where_it_is_true_is_wrong_only_against_what_the_file_says():
    hides = "scores.masked_fill(mask == 1, -1e9)"
    silent = verdict_of(attention(hides))
    assert errors(silent) == []
    assert "mask_inverted" in silent.ids("note")
    assert silent.checks["mask"].status == "not_checked"
    agreed = verdict_of(attention(hides, "# 1 is masked, it is not to be seen"))
    assert agreed.ids("note") == ["mask_convention"]
    against = verdict_of(attention(hides, "# true: the query may attend to this key"))
    assert errors(against) == ["mask_inverted"]


def test_a_causal_mask_that_is_switched_off_is_not_called_unused():
    text = attention("scores.masked_fill(mask == 0, -1e9)")
    text = text.replace("mask=None):", "mask=None, causal=False):")
    switch = (
        "        if causal:\n            scores = scores.masked_fill(torch.ones(n, n).triu(1) == 1, -1e9)\n"
    )
    assert errors(verdict_of(text.replace("        weights = ", f"{switch}        weights = "))) == []


SCRIPT = """import numpy as np

X, y = np.load("x.npy"), np.load("y.npy")
W1 = np.random.randn(6, 5) / np.sqrt(6)
b1 = np.zeros(5)
W2 = np.random.randn(5, 4) / np.sqrt(5)
b2 = np.zeros(4)
rate, N = 0.5, len(X)
for i in range(1000):
    h = 1 / (1 + np.exp(-(X @ W1 + b1)))
    z2 = h @ W2 + b2
    e = np.exp(z2 - z2.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    loss = -np.mean(np.log(p[np.arange(N), y]))
    p[np.arange(N), y] -= 1
    p /= N
    dz1 = p @ W2.T * h * (1 - h)
    W1 -= rate * X.T @ dz1
    b1 -= rate * dz1.sum(axis=0)
    W2 -= rate * h.T @ p
    b2 -= rate * p.sum(axis=0)
"""


def test_a_script_without_functions_is_checked():
    verdict = verdict_of(SCRIPT)
    assert verdict.findings == []
    right = ("initialize_parameters", "forward", "compute_loss", "backward", "train")
    assert {verdict.checks[name].status for name in right} == {"pass"}


@pytest.mark.parametrize(
    ("right", "wrong", "mistake", "line"),
    [
        (" * h * (1 - h)", "", "slope_forgotten", 17),
        ("h @ W2 + b2", "h @ W2", "bias_missing", 11),
        ("    p /= N\n", "", "gradient_not_averaged", 15),
        ("-np.mean(", "-np.sum(", "loss_summed", 14),
        ("b1 -= rate", "b1 += rate", "update_ascends", 18),
        ("z2 - z2.max(axis=1, keepdims=True)", "z2", "softmax_overflow", 12),
        ("e.sum(axis=1, keepdims=True)", "e.sum(axis=0, keepdims=True)", "softmax_wrong_axis", 13),
        ("1 / (1 + np.exp(-(X @ W1 + b1)))", "X @ W1 + b1", "hidden_without_activation", 10),
        ("W1 = np.random.randn(6, 5) / np.sqrt(6)", "W1 = np.ones((6, 5))", "init_zero_weights", 4),
    ],
)
def test_a_mistake_in_a_script_is_named(right, wrong, mistake, line):
    assert SCRIPT.count(right) == 1
    verdict = verdict_of(SCRIPT.replace(right, wrong))
    found = {finding.id: finding.line for finding in verdict.findings}
    assert found.get(mistake) == line
    assert {*errors(verdict)} <= {mistake}


def test_of_a_script_nothing_runs_that_reaches_out(tmp_path):
    marker = tmp_path / "marker"
    reaching = f"""
with open({str(marker)!r}, "w") as file:
    file.write(str(W1))
np.savetxt({str(marker)!r}, W1)
__import__("pathlib").Path({str(marker)!r}).touch()
"""
    assert verdict_of(SCRIPT + reaching).checks["backward"].status == "pass"
    assert not marker.exists()


def test_a_function_that_trains_from_beginning_to_end_is_checked():
    body = SCRIPT.split("\n", 3)[3]
    whole = "import numpy as np\n\ndef build(X, y, rate, N=11):\n" + "".join(
        f"    {line}\n" for line in body.replace("rate, N = 0.5, len(X)\n", "").split("\n")
    )
    verdict = verdict_of(whole)
    assert errors(verdict) == []
    assert [verdict.checks[name].status for name in ("forward", "backward", "train")] == ["pass"] * 3
    wrong = verdict_of(
        whole.replace("dz1 = p @ W2.T * h * (1 - h)", "dz1 = p @ W2.T * h * (1 - h) * h * (1 - h)")
    )
    assert errors(wrong) == ["slope_applied_twice"]


def test_results_are_followed_to_the_arguments_that_they_are_handed_to():
    code = """
def step(a, labels):
    first, (second, kept) = pass_on(a)
    return go_back(kept, kind=second, other=labels)

made = pass_on(numbers)
go_back(made[1]["h"], first=made[0], other=step(numbers, 3))
"""
    names = {"pass_on": ["x"], "go_back": ["cache", "kind", "other"], "step": ["a", "labels"]}
    calls = [(call.function, call.origins) for call in calls_in(ast.parse(code), names)]
    top = next(origins for name, origins in calls if name == "go_back")
    inner = [origins for name, origins in calls if name == "go_back"][1]
    assert top["cache"] == Origin("pass_on", (1, "h"))
    assert top["first"] == Origin("pass_on", (0,))
    assert top["other"] == Origin("step")
    assert inner["cache"] == Origin("pass_on", (1, 1))
    assert inner["kind"] == Origin("pass_on", (1, 0))
    assert inner["other"] == Origin("", variable="labels")


def test_values_of_one_shape_are_not_exchanged():
    # Ten units and ten classes: only the call says which of the four results is which.
    code = """import numpy as np

def start():
    return np.random.randn(10, 6) / 3, np.zeros((10, 1)), np.random.randn(10, 10) / 3, np.zeros((10, 1))

def ahead(W1, b1, W2, b2, X):
    s = W1 @ X + b1
    t = 1 / (1 + np.exp(-s))
    u = W2 @ t + b2
    e = np.exp(u - u.max(axis=0))
    return s, t, u, e / e.sum(axis=0)

def backward(s, t, u, v, W2, X, Y):
    d = (v - np.eye(10)[Y].T) / Y.size
    g = W2.T @ d * t * (1 - t)
    return g @ X.T, g.sum(axis=1, keepdims=True), d @ t.T, d.sum(axis=1, keepdims=True)

def train(X, Y, rate, steps):
    W1, b1, W2, b2 = start()
    for _ in range(steps):
        s, t, u, v = ahead(W1, b1, W2, b2, X)
        dW1, db1, dW2, db2 = backward(s, t, u, v, W2, X, Y)
        W1, b1, W2, b2 = W1 - rate * dW1, b1 - rate * db1, W2 - rate * dW2, b2 - rate * db2
    return W1, b1, W2, b2
"""
    verdict = verdict_of(code)
    assert errors(verdict) == []
    assert [verdict.checks[name].status for name in ("forward", "backward")] == ["pass"] * 2
    assert errors(verdict_of(code.replace(" * t * (1 - t)", ""))) == ["slope_forgotten"]
