"""What is said of networks that are written in many ways, right and with a mistake."""

import os
import re

import pytest
from programs import NETWORK
from test_checking import errors, verdict_of

from clearhead.checking.wording import Wording


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


FIXED = """
import numpy as np

rows = np.loadtxt("digits.csv")
m, n = rows.shape


def init_params():
    W1 = np.random.randn(6, 30) / np.sqrt(30)
    b1 = np.zeros((6, 1))
    W2 = np.random.randn(6, 6) / np.sqrt(6)
    b2 = np.zeros((6, 1))
    return W1, b1, W2, b2


def softmax(Z):
    E = np.exp(Z - Z.max(axis=0))
    return E / E.sum(axis=0)


def forward_prop(W1, b1, W2, b2, X):
    Z1 = W1.dot(X) + b1
    A1 = 1 / (1 + np.exp(-Z1))
    Z2 = W2.dot(A1) + b2
    return Z1, A1, Z2, softmax(Z2)


def one_hot(Y):
    hot = np.zeros((Y.size, Y.max() + 1))
    hot[np.arange(Y.size), Y] = 1
    return hot.T


def back_prop(Z1, A1, Z2, A2, W2, X, Y):
    dZ2 = (A2 - one_hot(Y)) / Y.size
    dZ1 = W2.T.dot(dZ2) * A1 * (1 - A1)
    return dZ1.dot(X.T), dZ1.sum(1, keepdims=True), dZ2.dot(A1.T), dZ2.sum(1, keepdims=True)


def gradient_descent(X, Y, alpha, iterations):
    W1, b1, W2, b2 = init_params()
    for i in range(iterations):
        Z1, A1, Z2, A2 = forward_prop(W1, b1, W2, b2, X)
        dW1, db1, dW2, db2 = back_prop(Z1, A1, Z2, A2, W2, X, Y)
        W1, b1, W2, b2 = W1 - alpha * dW1, b1 - alpha * db1, W2 - alpha * dW2, b2 - alpha * db2
    return W1, b1, W2, b2
"""


def test_four_values_of_one_shape_and_a_square_matrix_are_told_apart():
    verdict = verdict_of(FIXED)
    assert errors(verdict) == []
    assert verdict.checks["backward"].status == "pass"
    wrong = FIXED.replace("W2.T.dot(dZ2) * A1 * (1 - A1)", "W2.T.dot(dZ2)")
    assert errors(verdict_of(wrong)) == ["slope_forgotten"]


def test_a_sum_over_everything_that_comes_to_nothing_is_one_number_too():
    step = """
    def train_step(self, X, Y, lr):
        dz2 = (self.forward(X) - Y) / len(X)
        dz1 = (dz2 @ self.W2.T) * self.h * (1 - self.h)
        self.W1 = self.W1 - lr * X.T @ dz1
        self.W2 = self.W2 - lr * self.h.T @ dz2
        db1 = np.sum(dz1)
        db2 = np.sum(dz2)
        self.b1 = self.b1 - lr * db1
        self.b2 = self.b2 - lr * db2
"""
    head, _, tail = NETWORK.partition("    def backward(")
    verdict = verdict_of(head + step.lstrip("\n") + "\n\n" + tail[tail.index("def sigmoid") :])
    assert {f.id for f in verdict.findings if f.severity == "error"} == {"bias_gradient_scalar"}
    assert sorted(f.step for f in verdict.findings if f.id == "bias_gradient_scalar") == ["db1", "db2"]


def test_weights_that_hold_the_biases_as_a_row_are_not_called_misshapen():
    text = NETWORK.replace("randn(n_in, ", "randn(n_in + 1, ").replace(
        "randn(n_hidden, ", "randn(n_hidden + 1, "
    )
    text = text.replace("X @ self.W1 + self.b1", "np.c_[X, np.ones(len(X))] @ self.W1")
    text = text.replace("self.h @ self.W2 + self.b2", "np.c_[self.h, np.ones(len(X))] @ self.W2")
    lines = [line for line in text.split("\n") if "self.b1 =" not in line and "self.b2 =" not in line]
    assert "init_shape_wrong" not in errors(verdict_of("\n".join(lines)))


def test_examples_that_come_one_at_a_time_are_no_softmax_over_the_batch():
    verdict = verdict_of("""
import numpy as np


class Net:
    def __init__(self, sizes):
        self.biases = [np.zeros((n, 1)) for n in sizes[1:]]
        self.weights = [np.random.randn(n, m) / np.sqrt(m) for m, n in zip(sizes, sizes[1:])]

    def feedforward(self, a):
        h = 1 / (1 + np.exp(-(self.weights[0] @ a + self.biases[0])))
        e = np.exp(self.weights[1] @ h + self.biases[1])
        return e / np.sum(e)

    def backprop(self, x, y):
        h = 1 / (1 + np.exp(-(self.weights[0] @ x + self.biases[0])))
        delta = self.feedforward(x) - y
        before = self.weights[1].T @ delta * h * (1 - h)
        return [before, delta], [before @ x.T, delta @ h.T]

    def accuracy(self, data):
        return 100 * sum(np.argmax(self.feedforward(x)) == np.argmax(y) for x, y in data) / len(data)
""")
    assert errors(verdict) == []
    assert verdict.ids() == ["softmax_overflow"]


def test_a_function_that_is_no_accuracy_is_not_called_a_wrong_one():
    make = (
        "\n\ndef xkcd(q, w=0):\n    return [(np.random.randn(a, b), np.zeros(b)) for a, b in zip(q, q[1:])]\n"
    )
    forward = """

def hjkl(p, x):
    for w, b in p[:-1]:
        x = 1 / (1 + np.exp(-(x @ w + b)))
    e = np.exp(x @ p[-1][0] + p[-1][1])
    return e / e.sum(axis=1, keepdims=True)
"""
    assert "accuracy_wrong_axis" not in verdict_of(f"import numpy as np\n{make}{forward}").ids()


def test_a_number_that_is_tried_for_a_name_opens_no_descriptor():
    before = sorted(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else []
    save = "\n\n    def keep(self, place):\n        with open(place, 'w') as file:\n            file.write('w')\n"
    assert errors(verdict_of(NETWORK.replace("\n\n\ndef sigmoid", f"{save}\n\ndef sigmoid"))) == []
    after = sorted(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else []
    assert before == after


def test_sizes_that_are_defaults_are_given_too():
    text = FIXED.replace("def init_params():", "def init_params(x=30, h=6, y=4):")
    text = text.replace("randn(6, 30)", "randn(h, x)").replace("randn(6, 6)", "randn(y, h)")
    text = text.replace("zeros((6, 1))", "zeros((h, 1))", 1).replace("zeros((6, 1))", "zeros((y, 1))")
    verdict = verdict_of(text.replace("A1 * (1 - A1)", "Z1 * (1 - Z1)"))
    assert errors(verdict) == ["slope_of_sum"]


TRAINED = NETWORK.replace("\n\n\ndef sigmoid", """

    def training(self, X, Y, lr=0.1):
        gradients = self.backward(X, Y, self.forward(X))
        for name in gradients:
            setattr(self, name, getattr(self, name) - lr * gradients[name])

    def fit(self, X, Y, epochs, batch_size, lr):
        self.classes = Y.shape[1]
        for epoch in range(epochs):
            order = np.random.permutation(len(X))
            for start in range(0, len(X), batch_size):
                batch = order[start : start + batch_size]
                self.training(X[batch], Y[batch], lr)
                self.loss = np.mean((self.forward(X[batch]) - Y[batch]) ** 2)

    def score(self, X, Y):
        return 100 * np.mean(np.argmax(self.forward(X), axis=1) == np.argmax(Y, axis=1)) + 0 * self.classes


def sigmoid""")  # fmt: skip


def test_what_training_calls_for_each_batch_is_an_update_whatever_it_is_called():
    verdict = verdict_of(TRAINED.replace("- lr * gradients", "+ lr * gradients"))
    assert errors(verdict) == ["update_ascends"]
    assert verdict_of(TRAINED).checks["train_step"].status == "pass"


def test_a_batch_that_is_seen_twice_is_one_batch():
    text = TRAINED.replace("gradients = self.backward", "self.forward(X)\n        gradients = self.backward")
    early = text.replace("\n\n    def score", "\n            return self\n\n    def score")
    assert errors(verdict_of(early)) == ["train_returns_early"]
    assert errors(verdict_of(text)) == []


def test_labels_of_other_examples_are_seen_although_all_are_looked_at_after_each_epoch():
    wrong = TRAINED.replace("Y[batch]", "Y[start : start + len(batch)]")
    wrong = wrong.replace("\n\n    def score", "\n            self.score(X, Y)\n\n    def score")
    assert errors(verdict_of(wrong)) == ["labels_not_shuffled_with_inputs"]


def test_a_crash_is_of_its_own_function_and_no_other_excuses_it():
    verdict = verdict_of(TRAINED.replace("d2 @ self.W2.T", "self.W2.T @ d2"))
    crash = next(finding for finding in verdict.findings if finding.id == "crash")
    assert crash.line == 21
    assert verdict.checks["evaluate"].status == "not_checked"


def test_a_dictionary_of_two_names_that_forward_writes_into_is_shared():
    text = NETWORK.replace("self.W1 = np", 'self.p = self.kept = {}\n        self.p["W1"] = np')
    for name in ("b1", "W2", "b2"):
        text = text.replace(f"self.{name} = np", f'self.p["{name}"] = np')
    for name in ("W1", "b1", "W2", "b2"):
        text = text.replace(f"self.{name}", f'self.p["{name}"]')
    text = text.replace("self.h", 'self.kept["h"]')
    assert errors(verdict_of(text)) == ["cache_aliases_parameters"]


LAYERS = """
import numpy as np


class Layer:
    def __init__(self, fan_in, fan_out):
        self.weights = np.sqrt(2 / (fan_in + fan_out)) * np.random.randn(fan_in, fan_out)
        self.biases = np.zeros((1, fan_out))

    def forward(self, inputs):
        self.inputs = inputs
        self.output = inputs @ self.weights + self.biases

    def backward(self, error):
        self.dweights = self.inputs.T @ error
        self.dbiases = error.sum(axis=0, keepdims=True)
        self.dinputs = error @ self.weights.T


class Model:
    def __init__(self, n_inputs, n_hidden, n_classes):
        self.first, self.second = Layer(n_inputs, n_hidden), Layer(n_hidden, n_classes)

    def forward(self, X, y):
        self.first.forward(X)
        self.h = 1 / (1 + np.exp(-self.first.output))
        self.second.forward(self.h)
        scores = self.second.output - self.second.output.max(axis=1, keepdims=True)
        self.output = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        return -np.mean(np.log(self.output[np.arange(len(X)), y] + 1e-12))

    def backward(self, y):
        error = self.output.copy()
        error[np.arange(len(y)), y] -= 1
        self.second.backward(error / len(y))
        self.first.backward(self.second.dinputs * self.h * (1 - self.h))


class Loader:
    def __init__(self, x, y, batch_size):
        self.x, self.y, self.batch_size = x, y, batch_size

    def __iter__(self):
        order = np.random.permutation(len(self.x))
        for start in range(0, len(self.x), self.batch_size):
            yield self.x[order[start : start + self.batch_size]], self.y[order[start : start + self.batch_size]]


class Descent:
    def __init__(self, learning_rate):
        self.learning_rate = learning_rate

    def update(self, layer):
        layer.weights -= self.learning_rate * layer.dweights
        layer.biases -= self.learning_rate * layer.dbiases


def train(model, loader, optimizer, epochs=3):
    for epoch in range(epochs):
        for X, y in loader:
            model.forward(X, y)
            model.backward(y)
            optimizer.update(model.first)
            optimizer.update(model.second)
"""


def test_a_forward_pass_that_returns_the_loss_alone_is_one():
    verdict = verdict_of(LAYERS)
    assert errors(verdict) == []
    kinds = ("forward", "compute_loss", "backward", "train")
    assert {verdict.checks[kind].status for kind in kinds} == {"pass"}
    assert errors(verdict_of(LAYERS.replace("-np.mean(np", "-np.sum(np"))) == ["loss_summed"]
    assert errors(verdict_of(LAYERS.replace("dinputs * self.h * (1 - self.h)", "dinputs"))) == [
        "slope_forgotten"
    ]


def test_classes_beside_the_network_are_made_for_its_training():
    assert errors(verdict_of(LAYERS.replace("layer.weights -=", "layer.weights +="))) == ["update_ascends"]
    verdict = verdict_of(LAYERS.replace("range(0, len(self.x), ", "range(0, len(self.x) // 4 * 4, "))
    assert "last_batch_dropped" in verdict.ids()


def test_examples_and_labels_that_come_as_one_argument_are_told_apart():
    text = FIXED.replace("def back_prop(Z1, A1, Z2, A2, W2, X, Y):", "def back_prop(W1, b1, W2, b2, batch):")
    text = text.replace(
        "    dZ2 = (A2",
        "    X, Y = batch\n    Z1, A1, Z2, A2 = forward_prop(W1, b1, W2, b2, X)\n    dZ2 = (A2",
    )
    text = text.replace("back_prop(Z1, A1, Z2, A2, W2, X, Y)", "back_prop(W1, b1, W2, b2, (X, Y))")
    assert verdict_of(text).checks["backward"].status == "pass"
    assert errors(verdict_of(text.replace("A1 * (1 - A1)", "1"))) == ["slope_forgotten"]


def test_the_common_folder_of_the_book_need_not_be_there():
    head, _ = NETWORK.split("\n\n\ndef sigmoid")
    text = head.replace("import numpy as np", "from common.functions import *")
    loss = "\n\n    def loss(self, X, Y):\n        return cross_entropy_error(self.forward(X), Y)\n"
    verdict = verdict_of(text + loss)
    assert errors(verdict) == []
    assert [verdict.checks[name].status for name in ("forward", "compute_loss", "backward")] == ["pass"] * 3


def test_weights_with_their_axes_exchanged_are_misshapen_and_the_rest_goes_on():
    text = NETWORK.replace("randn(n_in, n_hidden)", "randn(n_hidden, n_in)")
    text = text.replace("randn(n_hidden, n_out)", "randn(n_out, n_hidden)").replace("X @ d1", "X @ d1 / 1")
    verdict = verdict_of(text.replace("* self.h * (1 - self.h)", ""))
    assert set(errors(verdict)) == {"init_shape_wrong", "slope_forgotten"}


def test_a_hidden_layer_that_is_made_and_not_used_is_no_mistake_of_the_backward_pass():
    text = NETWORK.replace("sigmoid(X @ self.W1 + self.b1)", "sigmoid(self.z)")
    text = text.replace("        self.h = ", "        self.z = X @ self.W1 + self.b1\n        self.h = ")
    verdict = verdict_of(text.replace("self.h @ self.W2", "self.z @ self.W2"))
    assert [(finding.id, finding.line) for finding in verdict.findings] == [("hidden_without_activation", 16)]


def test_a_loss_that_stands_beside_the_class_is_checked():
    loss = "\n\ndef cross_entropy(y, Y):\n    return -np.mean(np.sum(Y * np.log(y + 1e-12), axis=1))\n"
    text = NETWORK.replace("(y - Y) / len(X)", "(y - Y) / len(X) + 0 * cross_entropy(y, Y)") + loss
    assert verdict_of(text).checks["compute_loss"].status == "pass"
    assert errors(verdict_of(text.replace("-np.mean", "np.mean"))) == ["loss_sign"]


RESTARTED = """
import numpy as np


class Classifier:
    def __init__(self, hidden=8, seed=0):
        self.hidden, self.rng = hidden, np.random.RandomState(seed)

    def init_weights(self, n_in, n_out):
        self.W1 = self.rng.randn(n_in, self.hidden) / np.sqrt(n_in)
        self.b1 = np.zeros(self.hidden)
        self.W2 = self.rng.randn(self.hidden, n_out) / np.sqrt(self.hidden)
        self.b2 = np.zeros(n_out)

    def forward(self, X):
        self.h = 1 / (1 + np.exp(-(X @ self.W1 + self.b1)))
        powers = np.exp(self.h @ self.W2 + self.b2 - np.max(self.h @ self.W2 + self.b2, axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    def gradients(self, X, Y):
        d2 = (self.forward(X) - Y) / len(X)
        d1 = d2 @ self.W2.T * self.h * (1 - self.h)
        return {"W1": X.T @ d1, "b1": d1.sum(axis=0), "W2": self.h.T @ d2, "b2": d2.sum(axis=0)}

    def fit(self, X, Y, epochs=10, lr=0.1):
        self.init_weights(X.shape[1], Y.shape[1])
        for epoch in range(epochs):
            order = self.rng.permutation(len(X))
            for name, gradient in self.gradients(X[order], Y[order]).items():
                setattr(self, name, getattr(self, name) - lr * gradient)
"""


def test_training_that_draws_its_own_parameters_is_judged_from_these():
    assert errors(verdict_of(RESTARTED)) == []
    assert errors(verdict_of(RESTARTED.replace("- lr * gradient", "+ lr * gradient"))) == ["update_ascends"]


def test_an_accuracy_of_classes_is_given_classes():
    accuracy = "\n\ndef get_accuracy(predictions, Y):\n    return 100 * np.sum(predictions == Y) / Y.size\n"
    assert verdict_of(FIXED + accuracy).checks["evaluate"].status == "pass"


def test_a_dropped_batch_is_said_of_the_generator_that_drops_it():
    batches = "\n\ndef batches(n, size):\n    for start in range(0, n - n % size, size):\n        yield slice(start, start + size)\n"
    text = TRAINED.replace(
        "for start in range(0, len(X), batch_size):", "for rows in batches(len(X), batch_size):"
    )
    text = text.replace("batch = order[start : start + batch_size]", "batch = order[rows]") + batches
    dropped = next(f for f in verdict_of(text).findings if f.id == "last_batch_dropped")
    assert "range(0, n - n % size, size)" in text.split("\n")[dropped.line - 1]


def test_sizes_are_wrong_only_if_names_say_that_they_were_asked_for():
    text = NETWORK.replace("n_in, n_hidden, n_out", "p, q, r").replace("n_hidden", "(q + 1)")
    text = text.replace("n_in", "(p + 1)").replace("n_out", "r")
    assert "init_shape_wrong" not in errors(verdict_of(text))


def test_what_training_that_begins_anew_learns_from_is_not_a_mistake_of_the_gradients():
    over = RESTARTED.replace("powers.sum(axis=1, keepdims=True)", "powers.sum()")
    assert errors(verdict_of(over)) == ["softmax_over_batch"]
    mixed = RESTARTED.replace("self.gradients(X[order], Y[order])", "self.gradients(X[order], Y)")
    assert errors(verdict_of(mixed)) == ["labels_not_shuffled_with_inputs"]


def test_annotations_are_not_evaluated():
    text = NETWORK.replace("def backward(self, X, Y, y):", "def backward(self, X, Y, y) -> Net | None:")
    text = "from __future__ import annotations\n" + text.replace(
        '    """다층 신경망"""\n', "    rate: Later = 1\n"
    )
    verdict = verdict_of(text + "\nclass Later: pass\n")
    assert errors(verdict) == []
    assert verdict.checks["backward"].status == "pass"


LISTED = """\
import numpy as np


class Net:
    def __init__(self, n_in, n_hidden, n_out, alpha=0.5, learning_rate_init=0.1):
        self.alpha, self.learning_rate_init = alpha, learning_rate_init
        self.coefs = []
        self.intercepts = []
        for rows, columns in ((n_in, n_hidden), (n_hidden, n_out)):
            self.coefs.append(np.random.randn(rows, columns) / np.sqrt(rows))
            self.intercepts.append(np.zeros(columns))

    def forward(self, X):
        h = 1 / (1 + np.exp(-(X @ self.coefs[0] + self.intercepts[0])))
        scores = h @ self.coefs[1] + self.intercepts[1]
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return h, powers / powers.sum(axis=1, keepdims=True)

    def loss(self, y, Y):
        return -np.sum(Y * np.log(y + 1e-12)) / len(Y) + self.alpha / 2 * sum((w**2).sum() for w in self.coefs)

    def backward(self, X, Y):
        h, y = self.forward(X)
        coef_grads, intercept_grads = [None, None], [None, None]
        delta = y - Y
        coef_grads[1] = h.T @ delta / len(X) + self.alpha * self.coefs[1]
        intercept_grads[1] = np.mean(delta, axis=0)
        delta = delta @ self.coefs[1].T * h * (1 - h)
        coef_grads[0] = X.T @ delta / len(X) + self.alpha * self.coefs[0]
        intercept_grads[0] = np.mean(delta, axis=0)
        return self.loss(y, Y), coef_grads, intercept_grads

    def step(self, X, Y):
        loss, coef_grads, intercept_grads = self.backward(X, Y)
        for i in range(2):
            self.coefs[i] -= self.learning_rate_init * coef_grads[i]
            self.intercepts[i] -= self.learning_rate_init * intercept_grads[i]
        return loss
"""


def test_alpha_beside_a_learning_rate_is_the_strength_of_a_penalty():
    verdict = verdict_of(LISTED)
    assert errors(verdict) == []
    assert {verdict.checks[name].status for name in ("compute_loss", "backward", "train_step")} == {"pass"}
    twice = verdict_of(LISTED.replace("+ self.alpha * self", "+ 2 * self.alpha * self"))
    assert errors(twice) == ["regularisation_gradient"]


def test_parameters_that_are_appended_to_a_list_are_made_where_they_are():
    text = LISTED.replace("/ np.sqrt(rows)", "/ rows")
    finding = next(f for f in verdict_of(text).findings if f.id == "init_not_xavier")
    assert "self.coefs.append(" in text.split("\n")[finding.line - 1]


def test_one_number_among_the_gradients_of_biases_is_a_scalar_one():
    text = LISTED.replace(
        "intercept_grads[1] = np.mean(delta, axis=0)", "intercept_grads[1] = np.mean(delta)"
    )
    verdict = verdict_of(text)
    assert errors(verdict) == ["bias_gradient_scalar"]
    assert "np.mean(delta)" in text.split("\n")[verdict.findings[0].line - 1]


UNTOLD = """\
import numpy as np


class Gk:
    def __init__(self, pa, pb, pc):
        self.u = np.random.randn(pa, pb) / np.sqrt(pa)
        self.v = np.zeros(pb)
        self.s = np.random.randn(pb, pc) / np.sqrt(pb)
        self.t = np.zeros(pc)

    def fk(self, za, zb=None):
        '''Scores, or with labels the softmax loss and its gradients.'''
        zc = 1 / (1 + np.exp(-(za @ self.u + self.v)))
        zd = zc @ self.s + self.t
        if zb is None:
            return zd
        ze = np.exp(zd - zd.max(axis=1, keepdims=True))
        zf = ze / ze.sum(axis=1, keepdims=True)
        zg = -np.mean(np.log(zf[np.arange(len(za)), zb] + 1e-12))
        zf[np.arange(len(za)), zb] -= 1
        zf /= len(za)
        zh = zf @ self.s.T * zc * (1 - zc)
        return zg, [za.T @ zh, zh.sum(0), zc.T @ zf, zf.sum(0)]

    def gk(self, za, zb, zi=5, zj=50):
        for _ in range(zi):
            zk = np.random.permutation(len(za))
            for zl in range(0, len(za), zj):
                zm = zk[zl:zl + zj]
                zg, zn = self.fk(za[zm], zb[zm])
                for zo, zp in zip((self.u, self.v, self.s, self.t), zn):
                    zo -= 0.1 * zp
        return zg
"""


def test_a_softmax_is_seen_where_an_update_shuffles_its_examples():
    assert errors(verdict_of(UNTOLD)) == []


ALONE = """\
import numpy as np


class Net:
    def __init__(self, n_in, n_hidden, n_out):
        self.W1 = np.random.randn(n_in, n_hidden) / np.sqrt(n_in)
        self.b1 = np.zeros(n_hidden)
        self.W2 = np.random.randn(n_hidden, n_out) / np.sqrt(n_hidden)
        self.b2 = np.zeros(n_out)

    def forward(self, x):
        h = 1 / (1 + np.exp(-(x @ self.W1 + self.b1)))
        e = np.exp(h @ self.W2 + self.b2 - np.max(h @ self.W2 + self.b2))
        return h, e / np.sum(e)

    def loss(self, y, t):
        return -np.sum(t * np.log(y + 1e-12))

    def backward(self, x, t):
        h, y = self.forward(x)
        d2 = y - t
        d1 = (self.W2 @ d2) * h * (1 - h)
        return np.outer(x, d1), d1, np.outer(h, d2), d2

    def total(self, data):
        return sum(self.loss(self.forward(x)[1], t) for x, t in data) / len(data)

    def count_correct(self, data):
        return sum(int(np.argmax(self.forward(x)[1]) == np.argmax(t)) for x, t in data)
"""


IN_LISTS = """
    def train_batch(self, batch, lr):
        sums = [np.zeros_like(p) for p in (self.W1, self.b1, self.W2, self.b2)]
        for x, t in batch:
            sums = [s + g for s, g in zip(sums, self.backward(x, t))]
        for p, s in zip((self.W1, self.b1, self.W2, self.b2), sums):
            p -= lr / len(batch) * s

    def train(self, data, epochs, lr, batch_size, test_data=None):
        data = list(data)
        for epoch in range(epochs):
            np.random.shuffle(data)
            batches = [data[k:k + batch_size] for k in range(0, len(data), batch_size)]
            for batch in batches:
                self.train_batch(batch, lr)
            if test_data:
                print(self.count_correct(test_data), len(test_data))
"""


ONE_STEP_EACH = """
    def train(self, X, Y, epochs=10, lr=0.1):
        for epoch in range(epochs):
            for i in np.random.permutation(len(X)):
                dW1, db1, dW2, db2 = self.backward(X[i], Y[i])
                self.W1 -= lr * dW1
                self.b1 -= lr * db1
                self.W2 -= lr * dW2
                self.b2 -= lr * db2
"""


@pytest.mark.parametrize("training", [IN_LISTS, ONE_STEP_EACH], ids=["in-lists", "one-step-each"])
def test_a_network_of_one_example_at_a_time_is_judged_by_what_it_does_with_each(training):
    right = verdict_of(ALONE + training)
    assert errors(right) == []
    assert {right.checks[name].status for name in ("forward", "backward", "train")} == {"pass"}
    for old, new, identity in (
        (" * h * (1 - h)", "", "slope_forgotten"),
        ("d2 = y - t", "d2 = t - y", "gradient_sign"),
        ("1 / (1 + np.exp(-(x @ self.W1 + self.b1)))", "x @ self.W1 + self.b1", "hidden_without_activation"),
    ):
        verdict = verdict_of(ALONE.replace(old, new) + training)
        assert errors(verdict) == [identity]
        assert new in ALONE.replace(old, new).split("\n")[verdict.findings[0].line - 1]


def test_lists_of_examples_with_their_labels_are_handed_to_what_goes_through_them():
    right = verdict_of(ALONE + IN_LISTS)
    assert {right.checks[name].status for name in ("compute_loss", "train_step", "evaluate")} == {"pass"}
    assert errors(verdict_of(ALONE.replace("return -np", "return np") + IN_LISTS)) == ["loss_sign"]
    ordered = verdict_of(ALONE + IN_LISTS.replace("            np.random.shuffle(data)\n", ""))
    assert "train_without_shuffling" in ordered.ids("note")
    last = verdict_of(
        ALONE + IN_LISTS.replace("len(data), batch_size)]", "len(data) - batch_size + 1, batch_size)]")
    )
    assert "last_batch_dropped" in last.ids("note")


LAYERED = """\
import numpy as np


class Linear:
    def __init__(self, rows, columns):
        self.weight = np.random.randn(rows, columns) / np.sqrt(rows)
        self.bias_terms = np.zeros(columns)

    def forward(self, x):
        self.x = x
        return x @ self.weight + self.bias_terms

    def backward(self, grad):
        self.grad_weight = self.x.T @ grad
        self.grad_bias = grad.sum(axis=0)
        return grad @ self.weight.T


class Sigmoid:
    def forward(self, x):
        self.out = 1 / (1 + np.exp(-x))
        return self.out

    def backward(self, grad):
        return grad * self.out * (1 - self.out)


class SoftmaxLoss:
    def forward(self, scores, targets):
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        self.probs, self.targets = powers / powers.sum(axis=1, keepdims=True), targets
        return -np.sum(targets * np.log(self.probs + 1e-12)) / len(targets)

    def backward(self):
        return (self.probs - self.targets) / len(self.targets)


class Net:
    def __init__(self, n_in, n_hidden, n_out):
        self.layers = [Linear(n_in, n_hidden), Sigmoid(), Linear(n_hidden, n_out)]
        self.criterion = SoftmaxLoss()

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def loss(self, x, y):
        return self.criterion.forward(self.forward(x), y)

    def backward(self):
        grad = self.criterion.backward()
        for layer in reversed(self.layers):
            grad = layer.backward(grad)
"""


def test_a_method_that_a_class_of_the_file_nearly_has_is_misspelt():
    text = LAYERED.replace("grad = self.criterion.backward()", "grad = self.criterion.backwrad()")
    verdict = verdict_of(text)
    assert errors(verdict) == ["method_misspelt"]
    assert "backwrad" in text.split("\n")[verdict.findings[0].line - 1]
    assert verdict.findings[0].values["meant"] == "backward"


def test_a_bias_of_another_length_is_known_by_how_its_name_begins():
    text = NETWORK.replace("self.b1", "self.b_hidden").replace("np.zeros(n_hidden)", "np.zeros(n_in)")
    verdict = verdict_of(text)
    assert errors(verdict) == ["init_shape_wrong"]
    assert "np.zeros(n_in)" in text.split("\n")[verdict.findings[0].line - 1]


@pytest.mark.parametrize(("right", "wrong"), [("X.T @ d1", "d1.T @ X"), ("self.h.T @ d2", "d2.T @ self.h")])
def test_a_gradient_has_the_axes_of_its_weights(right, wrong):
    verdict = verdict_of(NETWORK.replace(right, wrong))
    assert errors(verdict) == ["gradient_transposed"]
    assert verdict.checks["backward"].status == "fail"
    turned = "\n    def step(self, X, Y, lr):\n        g = self.backward(X, Y, self.forward(X))\n"
    turned += "".join(f"        self.{p} -= lr * g['{p}']\n" for p in ("W1", "b1", "W2", "b2"))
    for name in ("W1", "W2"):
        if f'"{name}": {right}' in NETWORK:
            turned = turned.replace(f"g['{name}']", f"g['{name}'].T")
    stepping = NETWORK.replace("\n\ndef sigmoid", f"{turned}\n\ndef sigmoid")
    assert errors(verdict_of(stepping.replace(right, wrong))) == []


def test_of_two_weights_that_do_not_fit_the_one_that_lies_otherwise_is_blamed():
    for right, wrong in (("(n_hidden, n_out)", "W2"), ("(n_in, n_hidden)", "W1")):
        first, _, second = right.strip("()").partition(", ")
        text = NETWORK.replace(f"randn{right}", f"randn({second}, {first})")
        (finding,) = verdict_of(text).findings
        assert (finding.id, finding.variable[-2:]) == ("init_shape_wrong", wrong)


def test_a_bias_is_known_by_its_number_where_two_are_of_one_length():
    verdict = verdict_of(NETWORK.replace("b1 = np.zeros(n_hidden)", "b1 = np.zeros(n_out)"))
    (finding,) = verdict.findings
    assert (finding.id, finding.variable[-2:], finding.line) == ("init_shape_wrong", "b1", 9)


RETURNING_TWO = NETWORK.replace("keepdims=True)\n\n", "keepdims=True), self.h\n\n").replace(
    "Y, y):\n", "Y):\n        y, h = self.forward(X)\n"
)


@pytest.mark.parametrize(
    ("right", "wrong", "line"),
    [
        ("y, h = self.forward(X)", "y, h, z = self.forward(X)", 20),
        ("y, h = self.forward(X)", "y, (h, z) = self.forward(X)", 0),  # What h is, the code does not say.
        ("keepdims=True), self.h", "keepdims=True), self.h, scores", 20),
    ],
)
def test_what_cannot_be_taken_apart_is_a_crash_whatever_it_was_called_with(right, wrong, line):
    assert errors(verdict_of(RETURNING_TWO)) == []
    found = verdict_of(RETURNING_TWO.replace(right, wrong)).findings
    assert [(finding.id, finding.line) for finding in found] == ([("crash", line)] if line else [])


def test_a_sign_that_is_turned_in_the_activation_is_named_where_it_is():
    text = NETWORK.replace("np.exp(-z)", "np.exp(z)")
    (finding,) = verdict_of(text).findings
    assert (finding.id, text.split("\n")[finding.line - 1].strip()) == (
        "activation_sign",
        "return 1 / (1 + np.exp(z))",
    )


WAITING = NETWORK.replace(
    "\n\ndef sigmoid",
    """
    def train(self, X, Y, epochs, lr):
        for _ in range(epochs):
            gradients = self.backward(X, Y, self.forward(X))
            for name in gradients:
                setattr(self, name, getattr(self, name) - lr * gradients[name])


def sigmoid""",
)
BODY = WAITING[WAITING.index("        d2 = (y - Y)") : WAITING.index("    def train")]


@pytest.mark.parametrize(
    ("body", "mistakes", "detail"),
    [("        pass  # TODO\n\n", [], "waits"), (f"        d = (y - Y\n{BODY}", ["syntax_error"], "unread")],
)
def test_what_needs_a_function_that_is_not_there_yet_is_no_crash(body, mistakes, detail):
    assert verdict_of(WAITING).checks["train"].status == "pass"
    verdict = verdict_of(WAITING.replace(BODY, body))
    assert errors(verdict) == mistakes
    assert (verdict.checks["train"].status, verdict.checks["train"].detail) == ("not_checked", detail)


def test_a_slope_at_the_output_is_named():
    verdict = verdict_of(NETWORK.replace("d2 = (y - Y) / len(X)", "d2 = (y - Y) * y * (1 - y) / len(X)"))
    assert [(finding.id, finding.step) for finding in verdict.findings] == [("slope_at_output", "dz2")]


def test_gradients_are_made_of_what_the_loss_has_kept():
    assert verdict_of(LAYERED).checks["backward"].status == "pass"
    wrong = verdict_of(LAYERED.replace("grad.sum(axis=0)", "grad.sum(axis=1)"))
    assert errors(wrong) == ["bias_gradient_wrong_axis"]
    assert wrong.checks["backward"].values["wrong"] == "db1 and db2"


def test_weights_that_do_not_follow_each_other_are_said_at_the_first_one():
    text = NETWORK.replace("randn(n_in, n_hidden)", "randn(n_hidden, n_in)")
    finding = next(f for f in verdict_of(text).findings if f.id == "init_shape_wrong")
    assert (finding.variable, finding.line) == ("self.W1", 8)


def test_a_remark_that_names_the_penalty_is_not_where_it_is_added():
    text = LISTED.replace("+ self.alpha * self", "+ 2 * self.alpha * self").replace(
        "        h, y = self.forward(X)\n",
        '        """Gradients - with the penalty alpha."""\n        h, y = self.forward(X)\n',
    )
    finding = next(f for f in verdict_of(text).findings if f.id == "regularisation_gradient")
    assert "2 * self.alpha" in text.split("\n")[finding.line - 1]


def test_epochs_that_an_instance_keeps_are_what_training_should_see():
    text = (
        LISTED.replace("alpha=0.5,", "alpha=0.5, max_iter=7, batch_size=3,").replace(
            "        self.coefs = []",
            "        self.max_iter, self.batch_size = max_iter, batch_size\n        self.coefs = []",
        )
        + """
    def fit(self, X, Y):
        for _ in range(self.max_iter):
            order = np.random.permutation(len(X))
            for start in range(0, len(X), self.batch_size):
                rows = order[start:start + self.batch_size]
                self.step(X[rows], Y[rows])
        return self
"""
    )
    assert errors(verdict_of(text)) == []
    early = verdict_of(text.replace("        return self\n", "            return self\n"))
    assert errors(early) == ["train_returns_early"]


BRANCHING = """\
import numpy as np


class Net:
    def __init__(self, D, H, C):
        self.params = {"W1": np.random.randn(D, H) / np.sqrt(D)}
        self.params["b1"] = np.zeros(H)
        self.params["W2"] = np.random.randn(H, C) / np.sqrt(H)
        self.params["b2"] = np.zeros(C)

    def loss(self, X, y=None):
        W1, b1 = self.params["W1"], self.params["b1"]
        W2, b2 = self.params["W2"], self.params["b2"]
        h = 1 / (1 + np.exp(-(X @ W1 + b1)))
        scores = h @ W2 + b2
        if y is None:
            return scores
        logits = scores - scores.max(axis=1, keepdims=True)
        probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        loss = -np.mean(np.log(probs[np.arange(len(X)), y] + 1e-12))
        d2 = probs.copy()
        d2[np.arange(len(X)), y] -= 1
        d2 /= len(X)
        d1 = d2 @ W2.T
        d1 *= h * (1 - h)
        return loss, {"W1": X.T @ d1, "b1": d1.sum(0), "W2": h.T @ d2, "b2": d2.sum(0)}
"""


def test_a_softmax_in_the_loss_that_overflows_is_no_logarithm_of_zero():
    assert verdict_of(BRANCHING).ids("warning") == []
    verdict = verdict_of(BRANCHING.replace("scores - scores.max(axis=1, keepdims=True)", "scores"))
    assert verdict.ids("warning") == ["softmax_overflow"]
    unguarded = BRANCHING.replace(" + 1e-12", "")
    finding = next(f for f in verdict_of(unguarded).findings if f.id == "loss_log_of_zero")
    assert "np.log(" in unguarded.split("\n")[finding.line - 1]


def test_a_slope_that_a_layer_passes_through_is_said_there():
    text = LAYERED.replace("return grad * self.out * (1 - self.out)", "return grad")
    verdict = verdict_of(text)
    assert errors(verdict) == ["slope_forgotten"]
    assert text.split("\n")[verdict.findings[0].line - 1].strip() == "return grad"


def test_a_missing_activation_is_said_in_forward_whatever_its_value_is_called_later():
    text = LISTED.replace(
        "1 / (1 + np.exp(-(X @ self.coefs[0] + self.intercepts[0])))",
        "X @ self.coefs[0] + self.intercepts[0]",
    )
    text = text.replace("h, y = self.forward(X)", "hidden, y = self.forward(X)").replace(
        "h.T @", "hidden.T @"
    )
    text = text.replace("* h * (1 - h)", "* hidden * (1 - hidden)")
    finding = next(f for f in verdict_of(text).findings if f.id == "hidden_without_activation")
    assert "h = X @" in text.split("\n")[finding.line - 1]


def test_parameters_are_made_where_an_instance_is_and_not_where_they_are_taken():
    text = BRANCHING.replace('self.params["b1"] = np.zeros(H)', 'self.params["b1"] = np.random.randn(H)')
    finding = next(f for f in verdict_of(text).findings if f.id == "init_random_biases")
    assert finding.line == 7


def test_what_is_divided_twice_is_said_where_that_is_first():
    text = LISTED.replace("delta = y - Y\n", "delta = (y - Y) / len(X)\n")
    verdict = verdict_of(text)
    assert errors(verdict) == ["gradient_averaged_twice"]
    assert "coef_grads[1] = " in text.split("\n")[verdict.findings[0].line - 1]


def test_a_mask_at_zero_is_the_slope_of_relu():
    text = BRANCHING.replace("d1 *= h * (1 - h)", "d1[h <= 0] = 0")
    verdict = verdict_of(text)
    assert errors(verdict) == ["slope_of_another_activation"]
    assert "d1[h <= 0]" in text.split("\n")[verdict.findings[0].line - 1]


def test_one_number_that_is_added_to_biases_is_said_at_its_line():
    text = NETWORK.replace(
        '        return {"W1": X.T @ d1, "b1": d1.sum(0), "W2": self.h.T @ d2, "b2": d2.sum(0)}',
        "        self.W2 -= 0.37 * self.h.T @ d2\n        self.b2 -= 0.37 * d2.sum(0)\n"
        "        self.W1 -= 0.37 * X.T @ d1\n        self.b1 += np.sum(-d1) * lr",
    ).replace("(self, X, Y, y)", "(self, X, Y, y, lr)").replace("0.37", "lr")  # fmt: skip
    verdict = verdict_of(text)
    assert errors(verdict) == ["bias_gradient_scalar"]
    assert "np.sum(-d1)" in text.split("\n")[verdict.findings[0].line - 1]


HANDING = """
from collections import namedtuple

import numpy as np

Pass = namedtuple("Pass", "h y")


class Net:
    def __init__(self, n_in, n_hidden, n_out):
        self.W1 = np.random.randn(n_in, n_hidden) / np.sqrt(n_in)
        self.b1 = np.zeros(n_hidden)
        self.W2 = np.random.randn(n_hidden, n_out) / np.sqrt(n_hidden)
        self.b2 = np.zeros(n_out)

    def passed(self, X):
        h = 1 / (1 + np.exp(-(X @ self.W1 + self.b1)))
        scores = h @ self.W2 + self.b2
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return Pass(h, powers / powers.sum(axis=1, keepdims=True))

    def predict_proba(self, X):
        return self.passed(X).y

    def backward(self, X, Y, kept):
        d2 = (kept.y - Y) / len(X)
        d1 = d2 @ self.W2.T * kept.h * (1 - kept.h)
        return X.T @ d1, d1.sum(0), kept.h.T @ d2, d2.sum(0)

    def fit(self, X, Y, lr=0.1):
        kept = self.passed(X)
        dW1, db1, dW2, db2 = self.backward(X, Y, kept)
        self.W1, self.b1 = self.W1 - lr * dW1, self.b1 - lr * db1
        self.W2, self.b2 = self.W2 - lr * dW2, self.b2 - lr * db2
"""


def test_the_pass_whose_result_is_handed_on_is_the_forward_one():
    assert verdict_of(HANDING).checks["backward"].detail == "gradients_right"
    assert errors(verdict_of(HANDING.replace("d1.sum(0)", "d1.sum(1)"))) == ["bias_gradient_wrong_axis"]


def test_a_rate_that_is_written_as_a_number_is_the_rate():
    text = HANDING.replace("Y, lr=0.1", "Y").replace("lr *", "0.03 *")
    verdict = verdict_of(text)
    assert errors(verdict) == []
    assert {verdict.checks[name].status for name in ("backward", "train")} == {"pass"}
    frozen = verdict_of(text.replace("self.b2 - 0.03 * db2", "self.b2"))
    assert errors(frozen) == ["parameter_never_updated"]
    computed = verdict_of(text.replace("0.03 *", "np.sqrt(0.0009) *"))
    assert errors(computed) == []


QUERIED = """\
import numpy as np


class Net:
    def __init__(self, n_in, n_hidden, n_out, lr):
        self.wih = np.random.normal(0, n_in ** -0.5, (n_hidden, n_in))
        self.who = np.random.normal(0, n_hidden ** -0.5, (n_out, n_hidden))
        self.lr = lr

    def query(self, listed):
        x = np.array(listed, ndmin=2).T
        e = np.exp(self.who @ (1 / (1 + np.exp(-(self.wih @ x)))))
        return e / e.sum()

    def train(self, listed, targets):
        x, t = np.array(listed, ndmin=2).T, np.array(targets, ndmin=2).T
        h = 1 / (1 + np.exp(-(self.wih @ x)))
        e = np.exp(self.who @ h - (self.who @ h).max())
        errors = t - e / e.sum()
        before = self.who.T @ errors * h * (1 - h)
        self.who += self.lr * errors @ h.T
        self.wih += self.lr * before @ x.T


def fit(net, X, Y, epochs=5):
    for _ in range(epochs):
        for i in np.random.permutation(len(X)):
            net.train(X[i], Y[i])
"""


@pytest.mark.parametrize(
    "loop",
    [
        "for i in np.random.permutation(len(X)):\n            net.train(X[i], Y[i])",
        "for x, t in zip(X, Y):\n            net.train(x, t)",
    ],
)
def test_a_loop_that_hands_over_one_example_tells_that_functions_are_for_one(loop):
    text = QUERIED.replace("for i in np.random.permutation(len(X)):\n            net.train(X[i], Y[i])", loop)
    assert errors(verdict_of(text)) == []


def test_a_forward_pass_of_one_example_does_not_crash():
    text = ALONE.replace(
        "h = 1 / (1 + np.exp(-(x @ self.W1 + self.b1)))",
        "h = np.array([1 / (1 + np.exp(-(self.W1[:, j].dot(x) + self.b1[j]))) for j in range(len(self.b1))])",
    )
    assert errors(verdict_of(text)) == []


SETTLED = """\
from dataclasses import dataclass


@dataclass
class Settings:
    inputs: int
    hidden: int
    outputs: int
    lr0: float = 0.1
    batch: int = 7
    patience: int = 5


""" + NETWORK.replace("n_in, n_hidden, n_out):", "settings: Settings):").replace(
    "        self.W1 =",
    """        self.settings = settings
        n_in, n_hidden, n_out = settings.inputs, settings.hidden, settings.outputs
        self.W1 =""",
).replace("\n\ndef sigmoid", '''
    def step(self, X, Y, rate):
        gradients = self.backward(X, Y, self.forward(X))
        for name in gradients:
            setattr(self, name, getattr(self, name) - rate * gradients[name])

    def fit(self, X, Y, X_val, Y_val, epochs):
        best, waited = np.inf, 0
        for epoch in range(epochs):
            order = np.random.permutation(len(X))
            for start in range(0, len(X), self.settings.batch):
                rows = order[start:start + self.settings.batch]
                self.step(X[rows], Y[rows], self.settings.lr0 / (1 + epoch))
            loss = -np.mean(np.sum(Y_val * np.log(self.forward(X_val) + 1e-9), axis=1))
            waited = 0 if loss < best else waited + 1
            best = min(best, loss)
            if waited >= self.settings.patience:
                break


def sigmoid''')  # fmt: skip


def test_settings_in_a_dataclass_of_the_file_are_its_own_with_our_numbers():
    assert errors(verdict_of(SETTLED)) == []
    natural = verdict_of(SETTLED.replace("np.random.permutation(len(X))", "np.arange(len(X))"))
    assert [finding.id for finding in natural.findings] == ["train_without_shuffling"]


def test_a_batch_size_that_is_fixed_in_the_code_does_not_shorten_training():
    fixed = SETTLED.replace("self.settings.batch", "7").replace(
        "waited >= self.settings.patience", "epoch == 1"
    )
    assert errors(verdict_of(fixed)) == []


SQUASHED = NETWORK.replace("self.h = sigmoid(", "self.h = np.tanh(").replace(
    "self.h * (1 - self.h)", "(1 - self.h**2)"
)


@pytest.mark.parametrize(
    ("slope", "mistake"),
    [
        ("(1 - np.tanh(self.h)**2)", "slope_of_activated_value"),
        ("(1 - self.h**2) ** 2", "slope_applied_twice"),
        ("1", "slope_forgotten"),
    ],
)
def test_a_wrong_slope_of_tanh_is_named_and_cured_as_one_of_tanh(slope, mistake):
    verdict = verdict_of(SQUASHED.replace("(1 - self.h**2)", slope))
    finding = next(finding for finding in verdict.findings if finding.severity == "error")
    assert errors(verdict) == [mistake]
    said = [Wording("en").level(mistake, level, finding.values) for level in ("what", "how")]
    assert "1 - h²" in said[1]
    assert "σ" not in "".join(said)


def test_a_slope_of_a_missing_activation_is_no_mistake_of_its_own():
    verdict = verdict_of(SQUASHED.replace("np.tanh(X @ self.W1 + self.b1)", "X @ self.W1 + self.b1"))
    assert errors(verdict) == ["hidden_without_activation"]


def test_a_step_that_is_written_out_has_no_second_brackets():
    finding = next(f for f in verdict_of(SQUASHED).findings if f.id == "another_activation")
    assert (finding.yours, finding.expected) == ("h = tanh(X W1 + b1)", "h = σ(X W1 + b1)")


BASED = NETWORK.replace("class Net:", '''\
class Trained:
    def __init__(self, learning_rate=0.1, momentum=0.9, max_iter=50):
        self.learning_rate, self.momentum, self.max_iter = learning_rate, momentum, max_iter

    def fit(self, X, Y):
        self.build(X.shape[1], Y.shape[1])
        velocity = {name: 0 for name in ("W1", "b1", "W2", "b2")}
        for _ in range(self.max_iter):
            gradients = self.backward(X, Y, self.forward(X))
            for name in velocity:
                velocity[name] = self.momentum * velocity[name] - self.learning_rate * gradients[name]
                setattr(self, name, getattr(self, name) + velocity[name])


class Net(Trained):''').replace(
    "def __init__(self, n_in, n_hidden, n_out):",
    """def __init__(self, n_hidden, **settings):
        super().__init__(**settings)
        self.n_hidden = n_hidden

    def build(self, n_in, n_out):
        n_hidden = self.n_hidden""",
)  # fmt: skip


def test_a_rate_that_a_base_class_keeps_is_ours():
    assert errors(verdict_of(BASED)) == []
    up = BASED.replace("- self.learning_rate * gradients", "+ self.learning_rate * gradients")
    assert errors(verdict_of(up)) == ["update_ascends"]


OPTIMIZED = NETWORK.replace("\n\ndef sigmoid", '''
def optimize(net, X, Y, max_steps=1000, batch_size=32):
    losses = []
    for i in range(max_steps):
        rows = np.random.permutation(len(X))[:batch_size]
        y = net.forward(X[rows])
        losses.append(-np.mean(np.log(y[Y[rows] == 1])))
        gradients = net.backward(X[rows], Y[rows], y)
        lr = 0.1 if i < max_steps * 0.75 else 0.01
        for name in gradients:
            setattr(net, name, getattr(net, name) - lr * gradients[name])
    return losses


def sigmoid''')  # fmt: skip


def test_what_is_told_how_many_steps_to_make_trains_whatever_it_is_called():
    assert verdict_of(OPTIMIZED).checks["train"].status == "pass"
    early = OPTIMIZED.replace("    return losses", "        return losses")
    assert errors(verdict_of(early)) == ["train_returns_early"]


STEPPING = NETWORK.replace("\n\ndef sigmoid", '''
    def train_step(self, X, Y, lr):
        y = self.forward(X)
        loss = cost_of(y, Y)
        gradients = self.backward(X, Y, y)
        for name in gradients:
            setattr(self, name, getattr(self, name) - lr * gradients[name])
        return loss


class Cost:
    def __call__(self, y, Y):
        return -np.mean(np.sum(Y * np.log(y + 1e-9), axis=1))


cost_of = Cost()


def sigmoid''')  # fmt: skip


def test_the_loss_that_an_update_returns_is_judged_where_nothing_else_makes_it():
    assert verdict_of(STEPPING).checks["compute_loss"].status == "pass"
    assert errors(verdict_of(STEPPING.replace("-np.mean(np.sum(", "np.mean(np.sum("))) == ["loss_sign"]
    # Whoever sums here may divide later.
    assert errors(verdict_of(STEPPING.replace("-np.mean(np.sum(", "-np.sum(np.sum("))) == []


COLUMNS = '''\
import numpy as np


class Net:
    def __init__(self, n_in, n_hidden, n_out):
        self.W1 = np.random.randn(n_hidden, n_in) / np.sqrt(n_in)
        self.b1 = np.zeros((n_hidden, 1))
        self.W2 = np.random.randn(n_out, n_hidden) / np.sqrt(n_hidden)
        self.b2 = np.zeros((n_out, 1))

    @staticmethod
    def cost(A, Y):
        """Averaged."""
        return -np.mean(Y * np.log(A + 1e-8))

    def forward(self, X):
        h = np.maximum(0, self.W1 @ X + self.b1)
        z2 = self.W2 @ h + self.b2
        powers = np.exp(z2 - z2.max(axis=0))
        return powers / powers.sum(axis=0), h

    def backward(self, X, Y):
        A, h = self.forward(X)
        d2 = (A - Y) / X.shape[1]
        d1 = self.W2.T @ d2 * (h > 0)
        return d1 @ X.T, d1.sum(axis=1, keepdims=True), d2 @ h.T, d2.sum(axis=1, keepdims=True)

    def train(self, X, Y, epochs, lr):
        for _ in range(epochs):
            A, h = self.forward(X)
            print(self.cost(A, Y))
            dW1, db1, dW2, db2 = self.backward(X, Y)
            self.W1, self.b1 = self.W1 - lr * dW1, self.b1 - lr * db1
            self.W2, self.b2 = self.W2 - lr * dW2, self.b2 - lr * db2
'''


def test_a_wrong_loss_is_said_at_its_line_whatever_it_was_called_with_first():
    finding = next(f for f in verdict_of(COLUMNS).findings if f.severity == "error")
    assert (finding.id, finding.line) == ("loss_averaged_over_classes", 14)


FLIPPED = NETWORK.replace("randn(n_in, n_hidden)", "randn(n_hidden, n_in)").replace(
    "randn(n_hidden, n_out)", "randn(n_out, n_hidden)"
).replace(
    "self.h = sigmoid(X @ self.W1 + self.b1)", "z1 = X @ self.W1.T + self.b1\n        self.h = sigmoid(z1)"
).replace("self.W2 + self.b2", "self.W2.T + self.b2").replace(
    "d2 @ self.W2.T", "d2 @ self.W2"
).replace('"W1": X.T @ d1', '"W1": d1.T @ X').replace('"W2": self.h.T @ d2', '"W2": d2.T @ self.h').replace(
    "\n\ndef sigmoid", '''
def train(model, X, Y, epochs=20, batch_size=4, lr=0.1):
    for _ in range(epochs):
        for start in range(0, len(X), batch_size):
            rows = np.random.permutation(len(X))[:batch_size]
            gradients = model.backward(X[rows], Y[rows], model.forward(X[rows]))
            for name in gradients:
                setattr(model, name, getattr(model, name) - lr * gradients[name])


def sigmoid''')  # fmt: skip


def test_weights_that_fit_only_where_all_sizes_are_alike_have_a_wrong_shape():
    assert errors(verdict_of(FLIPPED)) == []
    verdict = verdict_of(FLIPPED.replace("randn(n_out, n_hidden)", "randn(n_hidden, n_out)"))
    assert [(finding.id, finding.line) for finding in verdict.findings] == [("init_shape_wrong", 8)]


def test_a_weight_in_a_dictionary_is_where_its_key_is():
    held = re.sub(r"self\.(W\d)\b", r'self.p["layer.\1"]', FLIPPED).replace(
        '        self.p["layer.W1"] =', '        self.p = {}\n        self.p["layer.W1"] ='
    )
    verdict = verdict_of(held.replace("randn(n_out, n_hidden)", "randn(n_hidden, n_out)"))
    assert [(finding.id, finding.line) for finding in verdict.findings] == [("init_shape_wrong", 9)]


ADDED_IN_PLACE = NETWORK.replace("        d2 = (y - Y) / len(X)", """\
        d2 = y.copy()
        np.add.at(d2, (np.arange(len(X)), Y.argmax(axis=1)), -1)""")  # fmt: skip


def test_a_gradient_that_is_not_averaged_is_said_where_it_is_made():
    finding = next(f for f in verdict_of(ADDED_IN_PLACE).findings if f.id == "gradient_not_averaged")
    lines = ADDED_IN_PLACE.splitlines()
    assert "self.h.T @ d2" in lines[finding.line - 1]


ADAPTIVE = NETWORK.replace("\n\ndef sigmoid", '''
    def train(self, X, Y, epochs, lr):
        mean, square = {}, {}
        for step in range(1, epochs + 1):
            gradients = self.backward(X, Y, self.forward(X))
            for name, gradient in gradients.items():
                mean[name] = 0.9 * mean.get(name, 0) + 0.1 * gradient
                square[name] = 0.999 * square.get(name, 0) + 0.001 * gradient**2
                scaled = mean[name] / (1 - 0.9**step) / (np.sqrt(square[name] / (1 - 0.999**step)) + 1e-8)
                setattr(self, name, getattr(self, name) - lr * scaled)


def sigmoid''')  # fmt: skip


def test_an_update_by_adam_that_climbs_is_seen_by_its_signs():
    assert errors(verdict_of(ADAPTIVE)) == []
    assert errors(verdict_of(ADAPTIVE.replace("- lr * scaled", "+ lr * scaled"))) == ["update_ascends"]


def test_samples_of_more_examples_than_there_are_do_not_shorten_training():
    sampled = OPTIMIZED.replace("batch_size=32", "many=32").replace(
        "np.random.permutation(len(X))[:batch_size]", "np.random.randint(0, len(X), many)"
    )
    assert errors(verdict_of(sampled)) == []


@pytest.mark.parametrize("default", ["rate=RATE", "rate=2 * RATE"])
def test_a_default_may_be_a_name_of_the_class(default):
    text = NETWORK.replace(
        "    def __init__(self, ",
        f"    RATE = 0.5\n\n    def tune(self, {default}):\n        return rate\n\n    def __init__(self, ",
        1,
    )
    assert "RATE" in text
    assert errors(verdict_of(text)) == []
    assert errors(verdict_of(text.replace("return rate", "return RATE"))) == ["name_undefined"]


CONFIGURED = """
import numpy as np

def init_model(cfg, d, k, rng):
    return dict(
        w1=rng.normal(scale=d**-0.5, size=(d, cfg.hidden)), b1=np.zeros(cfg.hidden),
        w2=rng.normal(scale=cfg.hidden**-0.5, size=(cfg.hidden, k)), b2=np.zeros(k),
    )

def forward(model, x):
    h = 1 / (1 + np.exp(-(x @ model["w1"] + model["b1"])))
    z = h @ model["w2"] + model["b2"]
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return h, e / e.sum(axis=1, keepdims=True)

def backward(model, x, y, h, p):
    dz = p.copy()
    dz[np.arange(len(x)), y] -= 1
    dz /= len(x)
    da = dz @ model["w2"].T * h * (1 - h)
    return dict(w1=x.T @ da, b1=da.sum(axis=0), w2=h.T @ dz, b2=dz.sum(axis=0))

def train_epoch(model, cfg, x, y, rng):
    order = rng.permutation(len(x))
    for i in range(0, len(x), cfg.batch_size):
        rows = order[i : i + cfg.batch_size]
        grads = backward(model, x[rows], y[rows], *forward(model, x[rows]))
        for key in model:
            model[key] -= cfg.lr * grads[key]
"""


def test_a_configuration_is_handed_to_whatever_asks_for_one():
    verdict = verdict_of(CONFIGURED)
    assert errors(verdict) == []
    assert [verdict.checks[name].status for name in ("initialize_parameters", "backward", "train")] == [
        "pass"
    ] * 3
    assert errors(verdict_of(CONFIGURED.replace("-= cfg.lr", "+= cfg.lr"))) == ["update_ascends"]


FITTED = NETWORK.replace(
    "\n\ndef sigmoid",
    """
    def fit(self, X, Y, epochs=10, batch_size=32, lr=0.5, validation_data=None):
        for _ in range(epochs):
            order = np.random.permutation(len(X))
            for i in range(0, len(X), batch_size):
                rows = order[i : i + batch_size]
                grads = self.backward(X[rows], Y[rows], self.forward(X[rows]))
                for name in grads:
                    setattr(self, name, getattr(self, name) - lr * grads[name])
            if validation_data is not None:
                print(self.evaluate(*validation_data))

    def evaluate(self, X, Y):
        return 100 * np.mean(self.forward(X).argmax(axis=1) == Y.argmax(axis=1))


def sigmoid""",
)


@pytest.mark.parametrize("handed", ["*validation_data", "validation_data[0], validation_data[1]"])
def test_data_to_validate_with_may_be_handed_on_as_a_pair(handed):
    verdict = verdict_of(FITTED.replace("*validation_data", handed))
    assert errors(verdict) == []
    assert verdict.checks["train"].status == "pass"
    assert errors(verdict_of(FITTED.replace(") - lr *", ") + lr *"))) == ["update_ascends"]


MATRICES = """
import numpy as np

def new(inputs, units, classes):
    draw = np.random.RandomState(0).randn
    return {
        "IW": np.matrix(draw(units, inputs) / np.sqrt(inputs)), "b1": np.matrix(np.zeros((units, 1))),
        "LW": np.matrix(draw(classes, units) / np.sqrt(units)), "b2": np.matrix(np.zeros((classes, 1))),
    }

def sim(net, P):
    a1 = 1 / (1 + np.exp(-(net["IW"] * P + net["b1"])))
    e = np.exp(net["LW"] * a1 + net["b2"])
    return a1, e / e.sum(axis=0)

def gradients(net, P, T):
    a1, a2 = sim(net, P)
    s2 = (a2 - T) / P.shape[1]
    s1 = np.multiply(net["LW"].T * s2, np.multiply(a1, 1 - a1))
    return {"IW": s1 * P.T, "b1": s1.sum(axis=1), "LW": s2 * a1.T, "b2": s2.sum(axis=1)}
"""


def test_the_products_of_matrices_may_be_written_with_a_star():
    verdict = verdict_of(MATRICES)
    assert errors(verdict) == []
    assert verdict.checks["backward"].status == "pass"
    assert errors(verdict_of(MATRICES.replace("np.multiply(a1, 1 - a1)", "a1"))) == [
        "slope_of_another_activation"
    ]


LOSS = """
    def compute_loss(self, X, Y):
        return -np.mean(np.sum(Y * np.log(self.forward(X) + 1e-12), axis=1))
"""
STEPS = """
    def step(self, X, Y, lr):
        grads = self.backward(X, Y, self.forward(X))
        for name in grads:
            setattr(self, name, getattr(self, name) - lr * grads[name])

    def train(self, X, Y, epochs, batch_size, lr):
        for _ in range(epochs):
            order = np.random.permutation(len(X))
            for first in range(0, len(X), batch_size):
                batch = order[first : first + batch_size]
                self.step(X[batch], Y[batch], lr)
"""
WITH_LOSS = NETWORK.replace("\n\ndef sigmoid", f"{LOSS}\n\ndef sigmoid")
WITH_STEPS = NETWORK.replace("\n\ndef sigmoid", f"{STEPS}\n\ndef sigmoid")


def test_a_training_that_leaves_all_as_it_was_is_named_where_it_should_update():
    assert verdict_of(WITH_STEPS).findings == []
    lazy = WITH_STEPS.replace("self.step(X[batch], Y[batch], lr)", "self.forward(X[batch])")
    assert errors(verdict_of(lazy)) == ["parameter_never_updated"]
    alone = WITH_STEPS.replace("setattr(self, name, ", "print(")
    assert errors(verdict_of(alone)) == ["parameter_never_updated"]


def test_a_penalty_in_no_loss_is_told_of_all_gradients_that_have_it():
    pulled = re.sub(r"(d1|d2), ", r"\1 + 0.1 * self.W\1, ", WITH_LOSS).replace("Wd", "W")
    verdict = verdict_of(pulled)
    assert errors(verdict) == ["regularisation_gradient"]
    assert verdict.checks["backward"].values == {"wrong": "dW1 and dW2", "right": "db1 and db2"}


def test_a_penalty_that_one_gradient_lacks_is_told_at_that_gradient():
    penalty = "0.05 * sum((w ** 2).sum() for w in (self.W1, self.W2)) - np.mean("
    lacks = WITH_LOSS.replace("-np.mean(", penalty).replace(
        '        return {"W1": X.T @ d1, "b1": d1.sum(0), "W2": self.h.T @ d2, "b2": d2.sum(0)}',
        '        g = {}\n        g["Wo"] = self.h.T @ d2 + 0.1 * self.W2  # with its decay\n        g["Wh"] = X.T @ d1\n'
        '        return {**g, "bh": d1.sum(0), "bo": d2.sum(0)}',
    )
    found = verdict_of(lacks).findings
    assert [(f.id, f.values["names"]) for f in found] == [("regularisation_gradient", "dW1")]
    assert 'g["Wh"]' in lacks.split("\n")[found[0].line - 1]
    split = WITH_LOSS.replace("-np.mean(", penalty).replace(
        '{"W1": X.T @ d1, "b1": d1.sum(0), "W2": self.h.T @ d2,',
        '{"dw": X.T @ d1,\n"b1": d1.sum(0),\n"du": self.h.T @ d2 + 0.1 * self.W2,  # decay\n',
    )
    line = next(f.line for f in verdict_of(split).findings if f.id == "regularisation_gradient")
    assert '"dw"' in split.split("\n")[line - 1]


TRAINER = """
class Trainer:
    def __init__(self, network, x_train, t_train, epochs=5, batch_size=2, lr=0.1):
        self.network, self.epochs, self.size, self.lr = network, epochs, batch_size, lr
        self.net = network
        self.x, self.t = x_train, t_train

    def train(self):
        for _ in range(self.epochs):
            order = np.random.permutation(len(self.x))
            for first in range(0, len(order), self.size):
                batch = order[first : first + self.size]
                self.net.step(self.x[batch], self.t[batch], self.lr)
"""


def test_a_class_that_trains_a_network_it_is_handed_is_its_training():
    network, _ = WITH_STEPS.split("    def train(self")
    text = f"{network}\n{TRAINER}\n\ndef sigmoid(z):\n    return 1 / (1 + np.exp(-z))\n"
    assert verdict_of(text).findings == []
    assert verdict_of(text).checks["train"].status == "pass"
    dropped = verdict_of(text.replace("range(0, len(order), ", "range(0, len(order) - self.size + 1, "))
    assert [(f.id, f.severity) for f in dropped.findings] == [("last_batch_dropped", "note")]


def test_a_start_is_told_where_it_is_drawn_and_not_in_a_remark():
    drawn = "self.W1 = np.random.randn(n_in, n_hidden) / np.sqrt(n_in)"
    text = NETWORK.replace(drawn, "# self.W1 = np.random.rand(n_in, n_hidden)\n        " + drawn)
    finding = verdict_of(text.replace(" / np.sqrt(n_in)", "")).findings[0]
    assert (finding.id, finding.line) == ("init_not_xavier", 9)


FROZEN = """
import numpy as np
from dataclasses import dataclass

@dataclass(frozen=True)
class Weights:
    hidden: np.ndarray
    out: np.ndarray

def init(n_in, n_hid, n_out):
    return Weights(np.random.normal(0, 0.5, (n_in + 1, n_hid)), np.random.normal(0, 0.5, (n_hid, n_out)))

def apply(weights, X):
    ones = np.hstack([np.ones((len(X), 1)), X])
    h = 1 / (1 + np.exp(-(ones @ weights.hidden)))
    e = np.exp(h @ weights.out)
    return ones, h, e / e.sum(axis=1, keepdims=True)

def gradients(weights, X, Y):
    ones, h, y = apply(weights, X)
    d = (y - Y) / len(X)
    return Weights(ones.T @ (d @ weights.out.T * h * (1 - h)), h.T @ d)

def descend(X, Y, n_hid=8, lr=0.5, epochs=60):
    weights = init(X.shape[1], n_hid, Y.shape[1])
    for _ in range(epochs):
        grads = gradients(weights, X, Y)
        weights = Weights(weights.hidden - lr * grads.hidden, weights.out - lr * grads.out)
    return weights
"""


@pytest.mark.parametrize("bias", [True, False])
def test_weights_may_be_frozen_and_have_the_bias_in_them_and_be_applied(bias):
    text = (
        FROZEN
        if bias
        else FROZEN.replace("n_in + 1", "n_in").replace("= np.hstack([np.ones((len(X), 1)), X])", "= X")
    )
    assert errors(verdict_of(text)) == []
    assert verdict_of(text).checks["backward"].status == "pass"
    assert errors(verdict_of(text.replace(" * h * (1 - h)", ""))) == ["slope_forgotten"]


def test_a_step_in_the_place_of_a_parameter_is_no_step_up():
    text = WITH_STEPS.replace("getattr(self, name) - lr * grads[name])", "lr * grads[name])")
    found = [f for f in verdict_of(text).findings if f.severity == "error"]
    assert [(f.id, f.values["names"]) for f in found] == [("update_replaces", "W1, b1, W2 and b2")]
    assert "setattr" in text.split("\n")[found[0].line - 1]


def test_labels_inside_of_the_logarithm_are_another_loss():
    text = WITH_LOSS.replace("Y * np.log(self.forward(X) + 1e-12)", "self.forward(X) * np.log(Y + 1e-9)")
    found = verdict_of(text).findings
    assert [f.id for f in found] == ["loss_not_the_one_differentiated"]
    assert "np.log" in text.split("\n")[found[0].line - 1]


def test_the_second_layer_may_be_made_before_the_first():
    W1, b1, W2, b2 = (line for line in NETWORK.split("\n") if re.match(r" +self\.[Wb]\d = ", line))
    turned = NETWORK.replace("\n".join((W1, b1, W2, b2)), "\n".join((W2, b2, W1, b1)))
    assert turned != NETWORK
    assert verdict_of(turned).findings == []
    assert errors(verdict_of(turned.replace(" * self.h * (1 - self.h)", ""))) == ["slope_forgotten"]
    fixed = turned.replace("self, n_in, n_hidden, n_out", "self").replace("n_in", "3").replace("n_out", "3")
    assert errors(verdict_of(fixed.replace("n_hidden", "4"))) == []


@pytest.mark.parametrize("name", ["n", "T", "epochs"])
def test_a_number_of_rounds_may_be_called_by_a_letter(name):
    text = FITTED.replace("epochs=10", f"{name}=1000").replace("range(epochs)", f"range({name})")
    assert errors(verdict_of(text)) == []
    assert errors(verdict_of(text.replace(") - lr *", ") + lr *"))) == ["update_ascends"]


def test_one_gradient_that_lacks_the_division_of_the_others_is_told_as_such():
    text = WITH_LOSS.replace("(y - Y) / len(X)", "y - Y").replace("self.h.T @ d2", "self.h.T @ d2 / len(X)")
    text = text.replace("d1.sum(0)", "d1.mean(0)").replace("d2.sum(0)", "d2.mean(0)")
    (finding,) = verdict_of(text).findings
    assert (finding.id, finding.values["names"], finding.values["part"]) == (
        "gradient_not_averaged",
        "dW1",
        True,
    )
    assert "X.T @ d1" in text.split("\n")[finding.line - 1]


def test_what_waits_for_another_function_in_the_place_of_none_is_no_crash():
    text = NETWORK.replace(
        "self.b2 = np.zeros(n_out)", "self.b2 = np.zeros(n_out)\n        self.h = self.y = None", 1
    )
    text = text.replace("def forward(self, X)", "def predict(self, X)").replace(
        "backward(self, X, Y, y)", "backward(self)"
    )
    text = text.replace(
        "\n\ndef sigmoid",
        """
    def forward(self, X, Y):
        self.X, self.Y, self.y = X, Y, self.predict(X)
        return -np.mean(np.sum(Y * np.log(self.y + 1e-12), axis=1))


def sigmoid""",
        1,
    )
    text = text.replace("(y - Y) / len(X)", "(self.y - self.Y) / self.y.shape[0]").replace(
        "X.T @ d1", "self.X.T @ d1"
    )
    assert errors(verdict_of(text)) == []
