"""What is read of a learner's file, whatever its encoding, and what of it is taken."""

import ast
import json

import pytest
from programs import NETWORK
from test_checking import errors, verdict_of

from clearhead.checking.find import find
from clearhead.checking.flows import Origin, calls_in
from clearhead.checking.source import read


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


def test_what_python_2_had_is_no_undefined_name():
    assert found(NETWORK.replace("self.h = ", "rows = xrange(len(X))\n        self.h = ")).findings == []


def test_a_name_that_a_function_makes_global_is_defined_for_others():
    made = "def forward(x):\n    global h\n    h = np.exp(x @ w)\n    return h\n\n\n"
    assert found(f"import numpy as np\nw = 1\n{made}def backward(y): return h - y\n").findings == []


def test_a_name_that_a_function_has_for_itself_is_not_looked_for_outside():
    text = f"{NETWORK}\n\nif __name__ == '__main__':\n    import tensorflow as tf\n    X, Y = tf.data()\n"
    assert found(text).name == "Net"


ATTENTION_IN_NUMPY = """
import numpy as np

class Mixer:
    def __init__(self, d, h):
        self.h, self.Wq, self.Wk, self.Wv = h, *(np.random.randn(d, d) for _ in range(3))

    def forward(self, x):
        B, T, D = x.shape
        q, k, v = ((x @ w).reshape(B, T, self.h, -1).transpose(0, 2, 1, 3) for w in (self.Wq, self.Wk, self.Wv))
        e = np.exp(q @ k.transpose(0, 1, 3, 2) / np.sqrt(D // self.h))
        return (e / e.sum(-1, keepdims=True) @ v).transpose(0, 2, 1, 3).reshape(B, T, D)
"""


def test_attention_of_given_queries_keys_and_values_is_no_network():
    text = "import torch\n\ndef attend(Q, K, V):\n    return (Q @ K.transpose(-2, -1)).softmax(-1) @ V\n"
    assert "attention without projections is not checked yet" in found(text).refusal


def test_attention_in_numpy_is_told_from_a_network_without_a_word():
    assert "attention in NumPy is not checked yet" in found(ATTENTION_IN_NUMPY).refusal


def test_a_place_counted_from_the_end_is_no_axis():
    net = "import numpy as np\nclass Net:\n  def f(self, x): return np.exp(self.w[-2].transpose() @ x)\n"
    assert found(net).target == "two-layer"


def test_of_a_class_that_leaves_a_method_to_others_one_of_those_is_checked():
    left = (
        NETWORK.replace("class Net:", "class Base:")
        .replace("self.h = sigmoid(", "self.h = self.activate(")
        .replace(
            "\n\ndef sigmoid",
            "\n    def activate(self, z):\n        raise NotImplementedError\n\n\ndef sigmoid",
            1,
        )
    )
    heir = "\n\nclass Net(Base):\n    def activate(self, z):\n        return sigmoid(z)\n"
    assert {check.status for check in verdict_of(left + heir).checks.values()} == {"pass", "not_checked"}
    assert errors(verdict_of((left + heir).replace("return sigmoid(z)", "return z"))) == [
        "hidden_without_activation"
    ]
