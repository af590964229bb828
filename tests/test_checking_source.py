"""What is read of a learner's file, whatever its encoding, and what of it is taken."""

import ast
import json

import pytest
from test_checking import errors, verdict_of

from clearhead.checking.find import find
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


OWN = """\
import math
import torch
import torch.nn as nn


class MultiHeadAttention(nn.Module):
    def __init__(self, d_model, num_heads):
        super().__init__()
        self.h, self.d = num_heads, d_model // num_heads
        self.q_proj = nn.Linear(d_model, d_model)
        self.k_proj = nn.Linear(d_model, d_model)
        self.v_proj = nn.Linear(d_model, d_model)
        self.out_proj = nn.Linear(d_model, d_model)

    def split(self, x):
        return x.view(x.shape[0], x.shape[1], self.h, self.d).transpose(1, 2)

    def forward(self, query, key, value, mask=None):
        B, T, _ = query.shape
        q, k, v = self.q_proj(query), self.k_proj(key), self.v_proj(value)
        q, k, v = self.split(q), self.split(k), self.split(v)
        scores = q @ k.transpose(-2, -1) / math.sqrt(self.d)
        if mask is not None:
            scores = scores.masked_fill(mask == 0, -1e9)
        weights = scores.softmax(dim=-1)
        out = (weights @ v).transpose(1, 2).reshape(B, T, self.h * self.d)
        return self.out_proj(out)
"""


def own(*edits):
    """An attention with pieces replaced, each of which is there."""
    text = OWN
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return text


GLOBALS = [
    ("class Multi", "width, heads = 24, 3\n\n\nclass Multi"),
    ("self, d_model, num_heads", "self"),
    ("num_heads, d_model // num_heads", "heads, width // heads"),
    ("d_model", "width"),
]
UNKNOWN_FIELDS = [
    ("self, d_model, num_heads):", "self, stuff):\n        d_model, num_heads = stuff.wdt, stuff.cnt"),
]
OPTIONAL_CONTEXT = [
    ("self, query, key, value", "self, x, context=None"),
    ("        B, T, _ =", "        query = x\n        key = value = x if context is None else context\n        B, T, _ ="),
]  # fmt: skip
TOKENS_FIRST = [
    ("        return x.view(x.shape[0], x.shape[1], self.h, self.d).transpose(1, 2)",
     "        return x.reshape(x.shape[0], -1, self.d).transpose(0, 1)"),
    ("        B, T, _ = query.shape", "        T, B, _ = query.shape"),
    ("            scores = scores.masked", "            mask = mask.repeat_interleave(self.h, 0)\n            scores = scores.masked"),
    ("(weights @ v).transpose(1, 2).reshape(B, T, self.h * self.d)", "(weights @ v).transpose(0, 1).reshape(T, B, -1)"),
]  # fmt: skip
FIXED_WIDTH = [("class Multi", "width = 20\n\n\nclass Multi"), ("Linear(d_model", "Linear(width"),
               ("self.out_proj = nn.Linear(width, d_model)", "self.out_proj = nn.Linear(d_model, width)")]  # fmt: skip
EINOPS = [
    ("import torch\n", "import torch\nfrom einops import rearrange\n"),
    ("x.view(x.shape[0], x.shape[1], self.h, self.d).transpose(1, 2)", "rearrange(x, 'b t (h d) -> b h t d', h=self.h)"),
    ("(weights @ v).transpose(1, 2).reshape(B, T, self.h * self.d)", "rearrange(weights @ v, 'b h t d -> b t (h d)')"),
]  # fmt: skip
HEADS_FIRST = [
    ("x.view(x.shape[0], x.shape[1], self.h, self.d).transpose(1, 2)", "torch.cat(x.chunk(self.h, dim=2), dim=0)"),
    ("            scores = scores.masked", "            mask = mask.repeat(self.h, 1, 1)\n            scores = scores.masked"),
    ("(weights @ v).transpose(1, 2).reshape(B, T, self.h * self.d)", "torch.cat((weights @ v).chunk(self.h, dim=0), dim=2)"),
]  # fmt: skip
WAYS = {
    "globals": GLOBALS, "fields": UNKNOWN_FIELDS, "context": OPTIONAL_CONTEXT, "tokens first": TOKENS_FIRST,
    "width": FIXED_WIDTH, "einops": EINOPS, "heads first": HEADS_FIRST,
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_an_attention_written_in_another_way_is_right_and_its_mistake_is_named(way):
    right = verdict_of(own(*WAYS[way]))
    assert errors(right) == []
    assert {right.checks[name].status for name in ("output", "mask")} == {"pass"}
    wrong = verdict_of(own(*WAYS[way], (" / math.sqrt(self.d)", " / self.d")))
    assert errors(wrong) == ["scale_without_root"]


STACKED = """\
import torch
from torch import nn


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.qkv = nn.Parameter(torch.randn(heads, 3, dim // heads, dim))
        self.shift = nn.Parameter(torch.randn(heads, 3, 1, dim // heads))
        self.out = nn.Linear(dim, dim)

    def forward(self, x):
        q, k, v = (torch.einsum("btm,hcdm->cbhtd", x, self.qkv) + self.shift.transpose(0, 1)[:, None]).unbind(0)
        weights = (q @ k.mT / k.shape[-1] ** 0.5).softmax(-1)
        return self.out((weights @ v).transpose(1, 2).flatten(2))
"""


def test_three_projections_in_one_table_are_read():
    assert verdict_of(STACKED).checks["output"].status == "pass"
    assert errors(verdict_of(STACKED.replace(" / k.shape[-1] ** 0.5", ""))) == ["scale_missing"]


@pytest.mark.parametrize(
    ("way", "edit", "mistake"),
    [
        ("tokens first", (".transpose(0, 1).reshape(T, B, -1)", ".reshape(T, B, -1)"), "merge_without_transpose"),
        ("tokens first", ("x.reshape(x.shape[0], -1, self.d).transpose(0, 1)", "x.reshape(-1, x.shape[0], self.d)"), "split_without_transpose"),
        ("heads first", ("torch.cat((weights @ v).chunk(self.h, dim=0), dim=2)", "(weights @ v).reshape(B, T, -1)"), "merge_without_transpose"),
        ("heads first", ("q @ k.transpose(-2, -1)", "k @ q.transpose(-2, -1)"), "query_key_swapped"),
    ],
)  # fmt: skip
def test_a_reshape_is_told_where_values_lie_in_another_order(way, edit, mistake):
    text = own(*WAYS[way], ("        T, B, _ =", "        tgt_len, bsz, _ = query.shape\n        T, B, _ =") if way == "tokens first" else ("", ""), edit)  # fmt: skip
    assert errors(verdict_of(text)) == [mistake]


TWO_MASKS = [
    ("mask=None)", "key_padding_mask=None, attn_mask=None)"),
    ("        if mask is not None:\n            scores = scores.masked_fill(mask == 0, -1e9)\n",
     "        # True = not allowed to attend\n"
     "        hidden = None\n"
     "        if attn_mask is not None:\n            hidden = attn_mask.bool()[None, None]\n"
     "        if key_padding_mask is not None:\n"
     "            pad = key_padding_mask.bool()[:, None, None, :]\n"
     "            hidden = pad if hidden is None else hidden | pad\n"
     "        if hidden is not None:\n            scores = scores.masked_fill(hidden, -1e9)\n"),
]  # fmt: skip


def test_each_of_two_masks_is_looked_at_and_both_together():
    assert errors(verdict_of(own(*TWO_MASKS))) == []
    queries = own(
        *TWO_MASKS, ("key_padding_mask.bool()[:, None, None, :]", "key_padding_mask.bool()[:, None, :, None]")
    )
    assert errors(verdict_of(queries)) == ["mask_on_queries"]
    lost = own(*TWO_MASKS, ("hidden = pad if hidden is None else hidden | pad", "hidden = pad"))
    assert errors(verdict_of(lost)) == ["mask_discarded"]


def test_a_causal_mask_that_is_switched_on_at_construction_is_looked_at():
    switched = [
        ("d_model, num_heads):", "d_model, num_heads, causal=False):\n        self.causal = causal"),
        ("        weights = ", "        if self.causal:\n            ones = torch.ones(T, T).tril()\n"
         "            scores = scores.masked_fill(ones == 0, -1e9)\n        weights = "),
    ]  # fmt: skip
    switched[0] = (switched[0][0], "d_model, num_heads, causal=False):")
    switched.append(
        ("        super().__init__()", "        super().__init__()\n        self.causal = causal")
    )
    assert verdict_of(own(*switched)).checks["causal"].status == "pass"
    wrong = verdict_of(own(*switched, (".tril()", ".triu()")))
    assert errors(wrong) == ["causal_mask_reversed"]


def test_a_mask_whose_meaning_is_said_is_wrong_where_it_is_read_the_other_way():
    said = ("        B, T, _ =", "        # mask: True at padding, which is ignored\n        B, T, _ =")
    assert errors(verdict_of(own(said))) == ["mask_inverted"]
    agreed = verdict_of(own(said, ("mask == 0", "mask == 1")))
    assert agreed.ids("note") == ["mask_convention"]
    turned = own(said, ("scores.masked_fill(mask == 0, -1e9)", "scores * (1 - mask)"))
    assert errors(verdict_of(turned)) == ["mask_multiplied_before_softmax"]


def test_a_mask_that_must_be_given_and_hides_where_it_is_true_is_tried_both_ways():
    text = own(("mask=None", "mask"), ("mask == 0, -1e9", "mask == 1, float('-inf')"))
    assert verdict_of(text).checks["output"].status == "pass"


def test_what_is_masked_and_not_kept_is_found_at_its_line():
    text = own(("scores = scores.masked_fill", "scores.masked_fill"))
    finding = next(f for f in verdict_of(text).findings if f.id == "mask_discarded")
    assert text.split("\n")[finding.line - 1].strip().startswith("scores.masked_fill")


def test_a_layer_that_is_made_where_it_is_applied_is_never_trained():
    text = own(
        ("        self.out_proj = nn.Linear(d_model, d_model)\n", "        self.m = d_model\n"),
        ("self.out_proj(out)", "nn.Linear(self.m, self.m)(out)"),
    )
    assert errors(verdict_of(text)) == ["parameters_unregistered"]


def test_an_attention_without_any_output_layer_gets_a_note():
    text = own(("        self.out_proj = nn.Linear(d_model, d_model)\n", ""), ("self.out_proj(out)", "out"))
    verdict = verdict_of(text)
    assert errors(verdict) == []
    assert "output_projection_missing" in verdict.ids("note")


def test_what_a_torch_module_has_by_itself_is_not_misspelt():
    text = own(
        ("        self.h,", '        self.register_parameter("extra", None)\n        self.reset_parameters()\n        self.h,'),
        ("    def split", "    def reset_parameters(self):\n        pass\n\n    def split"),
    )  # fmt: skip
    assert errors(verdict_of(text)) == []


def test_a_layer_of_a_length_that_tokens_do_not_have_is_no_crash_of_the_code():
    text = own(("nn.Linear(d_model, d_model)", "nn.Linear(17, 17)"), ("mask=None", "some_thing, mask=None"))
    assert errors(verdict_of(text)) == []


def test_queries_that_are_scaled_before_their_product_are_named_where_they_are():
    text = own(
        (" / math.sqrt(self.d)", ""),
        ("        scores =", "        q = q * self.d ** 0.5\n        scores ="),
    )
    finding = next(f for f in verdict_of(text).findings if f.id == "scale_multiplied")
    assert "q = q * self.d" in text.split("\n")[finding.line - 1]


def test_an_argument_that_does_nothing_is_no_mask_that_is_thrown_away():
    text = own(("mask=None", "memory_bank=None"), ("        if mask is not None:\n            scores = scores.masked_fill(mask == 0, -1e9)\n", ""))  # fmt: skip
    verdict = verdict_of(text)
    assert errors(verdict) == []
    assert verdict.checks["output"].status == "pass"


def test_an_attention_over_images_that_is_given_tokens_is_not_blamed():
    text = own(("        B, T, _ = query.shape", "        B, T, _, _ = query.shape"))
    assert errors(verdict_of(text)) == []
