"""Scripts that train at their top level: a training is recorded as a whole, with examples of known values."""

import numpy as np
import pytest
from programs import NETWORK, rest_slow
from test_checking import FILES, errors, of_style, verdict_of

from clearhead.checking.network_run.script import Script
from clearhead.checking.network_run.whole import _has_trained
from clearhead.checking.recorder import Recorder
from clearhead.checking.source import read

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
    loss = -np.mean(np.log(p[np.arange(N), y] + 1e-12))
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
    rest_slow(3, [
        (" * h * (1 - h)", "", "slope_forgotten", 17),
        ("h @ W2 + b2", "h @ W2", "bias_missing", 11),
        ("    p /= N\n", "", "gradient_not_averaged", 15),
        ("-np.mean(", "-np.sum(", "loss_summed", 14),
        (" + 1e-12", "", "loss_log_of_zero", 14),
        ("1e-12", "1e-16", "", None),
        ("p[np.arange(N), y] + 1e-12", "np.maximum(p, 1e-9)[np.arange(N), y]", "", None),
        ("b1 -= rate", "b1 += rate", "update_ascends", 19),
        ("z2 - z2.max(axis=1, keepdims=True)", "z2", "softmax_overflow", 12),
        ("e.sum(axis=1, keepdims=True)", "e.sum(axis=0, keepdims=True)", "softmax_wrong_axis", 13),
        ("1 / (1 + np.exp(-(X @ W1 + b1)))", "X @ W1 + b1", "hidden_without_activation", 10),
        ("W1 = np.random.randn(6, 5) / np.sqrt(6)", "W1 = np.ones((6, 5))", "init_zero_weights", 4),
    ]),
)  # fmt: skip
def test_a_mistake_in_a_script_is_named(right, wrong, mistake, line):
    assert SCRIPT.count(right) == 1
    verdict = verdict_of(SCRIPT.replace(right, wrong))
    found = {finding.id: finding.line for finding in verdict.findings}
    assert found.get(mistake) == line
    assert {*errors(verdict)} <= {mistake}


def test_a_name_that_nothing_defines_is_told_at_the_top_level_too():
    findings = verdict_of(SCRIPT.replace("h @ W2 + b2", "h @ w2 + b2")).findings
    assert [(finding.id, finding.line, finding.values["near"]) for finding in findings] == [
        ("name_undefined", 11, "W2")
    ]


def test_labels_that_stay_are_told_where_the_examples_change_their_places():
    moved = "for i in range(1000):\n    places = np.random.permutation(N)\n    X = X[places]\n"
    findings = verdict_of(SCRIPT.replace("for i in range(1000):\n", moved)).findings
    assert [(f.id, f.line) for f in findings] == [("labels_not_shuffled_with_inputs", 11)]


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


def test_what_reaches_out_through_another_function_is_not_run(tmp_path):
    marker = tmp_path / "marker"
    text = f"""
def keep():
    open({str(marker)!r}, "w").write("here")

def prepare():
    keep()

class Net:
    def __init__(self):
        prepare()

prepare()
net = Net()
done = 1
"""
    script = Script(read("net.py", text.encode()), {})
    script.run(Recorder(), {})
    assert script.names["done"] == 1
    assert "net" not in script.names
    assert not marker.exists()


LOADED = SCRIPT.split("\n")[2]
MADE = {
    "drawn": """
X = np.random.randn(30, 6)
y = (X[:, 0] > 0).astype(int) + 2 * (X[:, 1] > 0)
""",
    "drawn with the labels of another form": """
data = np.random.randn(30, 6)
y = np.random.randint(0, 4, size=30)
y[:4] = range(4)
X = (data - data.mean(axis=0)) / data.std(axis=0)
""",
    "filled in a loop": """
X, y = np.zeros((40, 6)), np.zeros(40, dtype="uint8")
for k in range(4):
    rows = range(10 * k, 10 * (k + 1))
    X[rows] = np.random.randn(10, 6) + k
    y[rows] = k
""",
    "written down": """
X = np.array([[0, 0, 1, 0, 1, 0], [0, 1, 1, 1, 0, 0], [1, 0, 1, 0, 0, 1], [1, 1, 1, 1, 1, 0]])
y = np.array([0, 1, 3, 2])
""",
    "split": """
everything, answers = np.random.randn(50, 6), np.arange(50) % 4
order = np.random.permutation(50)
X, X_test = everything[order[:30]], everything[order[30:]]
y, y_test = answers[order[:30]], answers[order[30:]]
""",
    "in a function": """
def make_data(count):
    points = np.random.randn(count, 6)
    return points, np.arange(count) % 4
X, y = make_data(20)
""",
    "of another module": """
from some_module import load_digits_of_six
X, y = load_digits_of_six(return_X_y=True)
X = (X - X.mean(axis=0)) / (X.std(axis=0) + 1e-8)
""",
    "a data set that is scaled once it is split": """
from some_library.datasets import load_flowers
flowers = load_flowers()
X, X_test, y, y_test = flowers.data[:8], flowers.data[8:], flowers.target[:8], flowers["target"][8:]
X = (X - X.mean(axis=0)) / X.std(axis=0)
""",
}


QUICK = ("drawn", "of another module", "a data set that is scaled once it is split")


@pytest.mark.parametrize(
    "made", [pytest.param(way, marks=() if way in QUICK else pytest.mark.slow) for way in MADE]
)
def test_a_script_that_makes_its_own_data_is_checked(made):
    text = SCRIPT.replace(LOADED, MADE[made].strip())
    verdict = verdict_of(text)
    assert verdict.findings == []
    right = ("initialize_parameters", "forward", "compute_loss", "backward", "train")
    assert {verdict.checks[name].status for name in right} == {"pass"}
    wrong = text.replace(" * h * (1 - h)", "")
    found = verdict_of(wrong).findings
    assert [finding.id for finding in found] == ["slope_forgotten"]
    assert "dz1 = " in wrong.split("\n")[found[0].line - 1]


@pytest.mark.parametrize(
    "hot",
    rest_slow(1, ["Y = np.eye(4)[y]", "Y = np.zeros((len(X), 4)); Y[np.arange(len(X)), y] = 1"]),
    ids=["eye", "zeros"],
)
def test_numbers_that_stand_for_the_count_of_examples_hold(hot):
    text = SCRIPT.replace(LOADED, f"{MADE['drawn'].strip()}\n{hot}").replace("N = 0.5, len(X)", "N = 0.5, 30")
    text = text.replace("np.log(p[np.arange(N), y] + 1e-12)", "np.sum(Y * np.log(p + 1e-12), axis=1)")
    text = text.replace("    p[np.arange(N), y] -= 1\n    p /= N\n", "    p = (p - Y) / 30\n")
    assert verdict_of(text).findings == []
    summed = verdict_of(text.replace("(p - Y) / 30", "p - Y"))
    assert [finding.id for finding in summed.findings] == ["gradient_not_averaged"]


def test_examples_may_have_a_column_of_ones_or_lie_in_columns():
    ones = SCRIPT.replace(
        LOADED, "X = np.hstack([np.random.randn(30, 6), np.ones((30, 1))])\ny = np.arange(30) % 4"
    )
    ones = ones.replace("(6, 5)", "(7, 5)").replace("b1 = np.zeros(5)\n", "").replace(" + b1)", ")")
    ones = ones.replace("    b1 -= rate * dz1.sum(axis=0)\n", "")
    assert verdict_of(ones).checks["backward"].status == "pass"
    wrong = verdict_of(ones.replace(" * h * (1 - h)", ""))
    assert errors(wrong) == ["slope_forgotten"]


def test_places_of_the_examples_are_no_labels():
    text = SCRIPT.replace(LOADED, MADE["drawn"].strip() + "\nplaces = np.arange(30)")
    text = text.replace("np.arange(N), y", "places, y")
    assert verdict_of(text).findings == []
    assert errors(verdict_of(text.replace(" * h * (1 - h)", ""))) == ["slope_forgotten"]


def test_an_update_before_its_use_is_placed_where_it_is():
    text = SCRIPT.replace(LOADED, MADE["drawn"].strip())
    late = text.replace("    W2 -= rate * h.T @ p\n", "").replace(
        "    dz1 = ", "    W2 -= rate * h.T @ p\n    dz1 = "
    )
    (finding,) = verdict_of(late).findings
    assert (finding.id, late.split("\n")[finding.line - 1]) == (
        "update_before_use",
        "    W2 -= rate * h.T @ p",
    )


@pytest.mark.parametrize("role", rest_slow(2, ["W1", "b1", "W2", "b2"]))
def test_what_a_script_never_moves_is_named(role):
    text = SCRIPT.replace(LOADED, MADE["drawn"].strip())
    (line,) = [line for line in text.split("\n") if line.strip().startswith(f"{role} -= ")]
    gradients = text.replace(f"{line}\n", f"    d = {line.partition('rate * ')[2]}\n")
    (finding,) = verdict_of(gradients).findings
    assert (finding.id, finding.values["names"]) == ("parameter_never_updated", role)


def test_what_is_used_after_its_update_may_be_updated_once_more():
    text = SCRIPT.replace(LOADED, MADE["drawn"].strip())
    twice = text.replace("    dz1 = ", "    W2 -= rate * h.T @ p\n    dz1 = ")
    assert [finding.id for finding in verdict_of(twice).findings] == ["update_before_use"]


def test_a_script_with_momentum_has_right_gradients():
    text = SCRIPT.replace(LOADED, MADE["drawn"].strip()).replace("rate, N", "v = {}\nrate, N")
    for role in ("W1", "b1", "W2", "b2"):
        (line,) = [line for line in text.split("\n") if line.strip().startswith(f"{role} -= ")]
        made = f"    d{role} = {line.partition('rate * ')[2]}\n"
        made += f"    v['{role}'] = 0.9 * v.get('{role}', 0) - rate * d{role}\n    {role} += v['{role}']\n"
        text = text.replace(f"{line}\n", made)
    verdict = verdict_of(text)
    assert verdict.findings == []
    assert verdict.checks["backward"].status == "pass"


def test_a_script_that_stops_on_its_own_data_is_told_where():
    text = SCRIPT.replace(LOADED, MADE["drawn"].strip()).replace(
        "W2 -= rate * h.T @ p", "W2 -= rate * p.T @ h"
    )
    (finding,) = verdict_of(text).findings
    assert (finding.id, finding.check) == ("crash", "train")
    assert "p.T @ h" in text.split("\n")[finding.line - 1]
    assert verdict_of(text.replace(MADE["drawn"].strip(), LOADED)).findings == []  # Data may be to blame.


ONE_OUTPUT = """import numpy as np

X = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]])
y = np.array([[0], [1], [1], [0]])
first = 2 * np.random.random((3, 5)) - 1
second = 2 * np.random.random((5, 1)) - 1
for i in range(60000):
    h = 1 / (1 + np.exp(-X @ first))
    out = 1 / (1 + np.exp(-h @ second))
    delta = (y - out) * out * (1 - out)
    hidden = delta @ second.T * h * (1 - h)
    second += h.T @ delta
    first += X.T @ hidden
"""


def test_a_script_with_one_output_is_told_to_be_another_model():
    verdict = verdict_of(ONE_OUTPUT)
    assert verdict.findings == []
    assert verdict.checks["forward"].detail == "another_model"


@pytest.mark.parametrize(
    ("activation", "slope", "name"),
    rest_slow(1, [("np.maximum(0, z1)", "(h > 0)", "ReLU"), ("np.tanh(z1)", "(1 - h**2)", "tanh")]),
)
def test_the_slope_that_is_missing_is_that_of_the_activation(activation, slope, name):
    text = SCRIPT.replace("h = 1 / (1 + np.exp(-(X @ W1 + b1)))", f"z1 = X @ W1 + b1\n    h = {activation}")
    text = text.replace("* h * (1 - h)", f"* {slope}")
    assert errors(verdict_of(text)) == []
    verdict = verdict_of(text.replace(f" * {slope}", ""))
    assert errors(verdict) == ["slope_forgotten"]
    assert next(f for f in verdict.findings if f.id == "slope_forgotten").values["activation"] == name


UPDATED_OUTSIDE = (
    NETWORK
    + """
X = np.random.randn(90, 6)
Y = np.eye(3)[np.arange(90) % 3]
net = Net(6, 16, 3)
for epoch in range(500):
    grads = net.backward(X, Y, net.forward(X))
    net.W1 -= 0.1 * grads["W1"]
    net.b1 -= 0.1 * grads["b1"]
    net.W2 -= 0.1 * grads["W2"]
    net.b2 -= 0.1 * grads["b2"]
"""
)


@pytest.mark.parametrize(
    ("right", "wrong", "mistake", "text"),
    rest_slow(
        1,
        [
            ("net.W2 -=", "net.W2 +=", "update_ascends", "net.W2 +="),
            ('    net.b1 -= 0.1 * grads["b1"]\n', "", "parameter_never_updated", "net.W1 -="),
            (" * self.h * (1 - self.h)", "", "slope_forgotten", "d1 = "),
        ],
    ),
)
def test_an_update_outside_of_the_class_is_judged_with_it(right, wrong, mistake, text):
    verdict = verdict_of(UPDATED_OUTSIDE)
    assert verdict.findings == []
    assert verdict.checks["train"].status == "pass"
    changed = UPDATED_OUTSIDE.replace(right, wrong)
    (finding,) = verdict_of(changed).findings
    assert (finding.id, finding.alternatives) == (mistake, [])
    assert text in changed.split("\n")[finding.line - 1]


def test_weights_that_start_at_zero_are_told_though_their_first_pass_shows_none():
    text = SCRIPT.replace("np.random.randn(6, 5) / np.sqrt(6)", "np.zeros((6, 5))")
    text = text.replace("np.random.randn(5, 4) / np.sqrt(5)", "np.zeros((5, 4))")
    found = [(finding.id, finding.line) for finding in verdict_of(text).findings]
    assert found == [("init_zero_weights", 4)]


TRAINED_ELSEWHERE = UPDATED_OUTSIDE.replace("""    net.W1 -= 0.1 * grads["W1"]
    net.b1 -= 0.1 * grads["b1"]
    net.W2 -= 0.1 * grads["W2"]
    net.b2 -= 0.1 * grads["b2"]
""", """    kept["W1"] = kept["W1"] - 0.1 * grads["W1"]
""").replace("for epoch in range(500):\n", """kept = {"W1": net.W1}
for epoch in range(500):
    order = np.random.permutation(90)
    X, Y = X[order], Y[order]
""")  # fmt: skip


def test_what_is_updated_beside_the_parameters_leaves_them_as_they_are():
    (finding,) = verdict_of(TRAINED_ELSEWHERE).findings
    assert finding.id == "parameter_never_updated"
    assert 'kept["W1"] = kept' in TRAINED_ELSEWHERE.split("\n")[finding.line - 1]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("Theta1_grad[:, 1:] += lambda_ / m * Theta1[:, 1:]", "Theta1_grad += lambda_ / m * Theta1", "+="),
        ("lambda_ / (2 * m) * (np", "lambda_ / m * (np", "+="),
        ("    Theta1_grad[:, 1:] += lambda_ / m * Theta1[:, 1:]\n", "", "= d2.T"),
    ],
)
def test_in_a_training_as_a_whole_the_penalty_of_the_loss_is_that_of_the_gradients(old, new, line):
    text = FILES["network_octave"].read_text()
    verdict = of_style("network_octave", text.replace(old, new))
    (finding,) = (f for f in verdict.findings if f.severity == "error")
    assert (finding.id, finding.step) == ("regularisation_gradient", "db1" if "+= l" in new else "dW1")
    assert line in text.split("\n")[finding.line - 1]


def test_sums_of_batches_that_are_added_up_are_no_sum_for_a_mean():
    text = SCRIPT.replace("rate, N = 0.5, len(X)", "rate, N, total = 0.5, len(X), 0.0")
    text = text.replace(
        "loss = -np.mean(np.log(p[np.arange(N), y] + 1e-12))", "total += -np.log(p[np.arange(N), y]).sum()"
    )
    assert errors(verdict_of(text)) == []
    assert errors(verdict_of(text.replace("total +=", "loss ="))) == ["loss_summed"]


def test_what_hands_out_batches_does_not_train():
    recorder, values = Recorder(), {"X": np.arange(6.0).reshape(3, 2)}
    for value in (values["X"][:2], values["X"][1:], np.eye(3)[:2], np.eye(3)[1:]):
        recorder.on = True
        recorder(len(value.T), value)
    assert not _has_trained(recorder, {"D": 5}, values)
    recorder(2, values["X"][:2] / 3)
    assert _has_trained(recorder, {"D": 5}, values)


@pytest.mark.parametrize(("strength", "mistakes"), [("0.2", []), ("0.1", ["regularisation_gradient"])])
def test_the_penalty_of_a_script_is_held_to_that_of_its_loss(strength, mistakes):
    penalty = "loss = 0.1 * (np.sum(W1 ** 2) + np.sum(W2 ** 2)) - "
    text = SCRIPT.replace("loss = -", penalty)
    text = text.replace("X.T @ dz1", f"(X.T @ dz1 + {strength} * W1)")
    text = text.replace("h.T @ p", f"(h.T @ p + {strength} * W2)")
    assert errors(verdict_of(text)) == mistakes


LOOP = """

X = np.random.randn(30, 6)
labels = np.argmax(X[:, :3], axis=1)
Y = np.eye(3)[labels]
net = Net(6, 5, 3)
for i in range(100):
    rows = np.random.choice(30, 8)
    net.step(X[rows], Y[rows], 0.5)
"""
STEP = """
    def step(self, X, Y, lr):
        for name, grad in self.backward(X, Y, self.forward(X)).items():
            setattr(self, name, getattr(self, name) - lr * grad)
"""
BESIDE = NETWORK.replace("\n\ndef sigmoid", f"{STEP}\n\ndef sigmoid") + LOOP


@pytest.mark.parametrize(
    ("wrong", "mistake"),
    [
        ("net.step(X[rows], Y[rows], 0.5)", ""),
        ("net.step(X[rows], Y[rows], -0.5)", "update_ascends"),
        ("net.step(X[rows], Y, 0.5)", "crash"),
        ("net.step(X[rows], Y[rows])", "crash"),
        ("net.steps(X[rows], Y[rows], 0.5)", "method_misspelt"),
        ("net.step, net.backward(X[rows], Y[rows], net.forward(X[rows]))", "parameter_never_updated"),
    ],
)
def test_a_loop_at_the_top_level_is_checked_beside_a_class(wrong, mistake):
    text = BESIDE.replace("net.step(X[rows], Y[rows], 0.5)", wrong)
    found = [(f.id, f.line) for f in verdict_of(text).findings]
    line = text.split("\n").index(f"    {wrong}") + 1
    assert found == ([(mistake, line)] if mistake else [])


FUNCTIONS = """import numpy as np

def init(n_in, n_hid, n_out):
    W1, W2 = np.random.randn(n_in, n_hid) / np.sqrt(n_in), np.random.randn(n_hid, n_out) / np.sqrt(n_hid)
    return {"W1": W1, "b1": np.zeros(n_hid), "W2": W2, "b2": np.zeros(n_out)}

def forward(params, X):
    h = 1 / (1 + np.exp(-(X @ params["W1"] + params["b1"])))
    e = np.exp(h @ params["W2"] + params["b2"] - (h @ params["W2"] + params["b2"]).max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True), h

def backward(params, X, Y, P, h):
    d2 = (P - Y) / len(X)
    d1 = d2 @ params["W2"].T * h * (1 - h)
    return {"w2": h.T @ d2, "b2": d2.sum(0), "W1": X.T @ d1, "b1": d1.sum(0)}

def sgd(params, grads, lr):
    for k in params:
        params[k] = params[k] - lr * grads[k]
    return params

X, Y = np.random.randn(30, 6), np.eye(3)[np.arange(30) % 3]
params = init(6, 5, 3)
for i in range(50):
    P, h = forward(params, X)
    params = sgd(params, backward(params, X, Y, P, h), 0.5)
"""


def test_a_key_that_gradients_do_not_have_is_told_where_a_script_asks_for_it():
    assert errors(verdict_of(FUNCTIONS.replace('"w2"', '"W2"'))) == []
    findings = [f for f in verdict_of(FUNCTIONS).findings if f.severity == "error"]
    assert [(f.id, f.line) for f in findings] == [("crash", 19)]


def test_a_bias_that_moves_by_rounding_alone_never_moves():
    verdict = verdict_of(
        SCRIPT.replace("b1 -= rate * dz1.sum(axis=0)", "db1 = dz1.sum(axis=0); b1 -= rate * p.sum()")
    )
    assert errors(verdict) == ["parameter_never_updated"]
