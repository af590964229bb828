"""What is said of attention that is written in many ways, right and with a mistake."""

import re

import pytest
from programs import rest_slow
from renaming import renamed
from test_checking import errors, verdict_of


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
    (note,) = [finding for finding in silent.findings if finding.id == "mask_inverted"]
    assert (note.severity, note.evidence, note.values["silent"]) == ("note", {}, True)
    assert silent.checks["mask"].status == "not_checked"
    agreed = verdict_of(attention(hides, "# 1 is masked, it is not to be seen"))
    assert agreed.ids("note") == ["mask_convention"]
    against = verdict_of(attention(hides, "# true: the query may attend to this key"))
    assert errors(against) == ["mask_inverted"]


@pytest.mark.parametrize(
    ("right", "wrong", "step", "evidence"),
    rest_slow(
        1,
        [
            ("sqrt(self.d_head)", "sqrt(self.d_head) + 0.3 * torch.arange(n)", "scores", "places"),
            (
                "scores.softmax(-1)",
                "scores.exp() / (1 + scores.exp().sum(-1, keepdim=True))",
                "weights",
                "weights",
            ),
        ],
    ),
)
def test_of_what_no_known_mistake_makes_a_law_that_it_breaks_is_said(right, wrong, step, evidence):
    text = attention("scores")
    assert text.count(right) == 1, text
    (finding,) = verdict_of(text.replace(right, wrong)).findings
    assert (finding.id, finding.step, [*finding.evidence]) == ("unknown", step, [evidence])


CAUSAL = """
import torch
from torch import nn

class CausalAttention(nn.Module):
    def __init__(self, width, heads, block_size):
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.register_buffer("mask", torch.tril(torch.ones(block_size, block_size)))

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = (y.view(B, T, self.heads, -1).transpose(1, 2) for y in self.qkv(x).chunk(3, dim=-1))
        scores = q @ k.transpose(-2, -1) / (C // self.heads) ** 0.5
        scores = scores.masked_fill(self.mask[:T, :T] == 0, -1e9)
        return self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(B, T, C))
"""


def test_a_triangle_of_all_tokens_that_is_laid_over_fewer_is_a_crash():
    assert errors(verdict_of(CAUSAL)) == []
    verdict = verdict_of(CAUSAL.replace("[:T, :T]", ""))
    (finding,) = verdict.findings
    assert (finding.id, finding.line, finding.values["shorter"]) == ("crash", 16, True)


@pytest.mark.parametrize(
    ("case", "mistakes"), [("[:, None, None, :]", []), ("[:, None, :, None]", ["mask_on_queries"])]
)
def test_each_form_of_a_mask_that_has_a_case_of_its_own_is_judged(case, mistakes):
    text = attention("scores.masked_fill(mask == 0, -1e9)")
    line = f"            mask = mask{case} if mask.ndim == 2 else mask[:, None]\n"
    assert errors(verdict_of(text.replace("            \n", line))) == mistakes


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


HEADS_LAST = [
    ("x.view(x.shape[0], x.shape[1], self.h, self.d).transpose(1, 2)", "x.view(x.shape[0], x.shape[1], self.d, self.h).permute(0, 3, 1, 2)"),
    ("(weights @ v).transpose(1, 2)", "(weights @ v).permute(0, 2, 3, 1)"),
]  # fmt: skip


KEYS_TURNED = [
    ("self.split(k), self.split(v)", "k.view(B, T, self.h, self.d).permute(0, 2, 3, 1), self.split(v)"),
    ("q @ k.transpose(-2, -1)", "q @ k"),
]


WAYS = {
    "keys turned": KEYS_TURNED, "globals": GLOBALS, "fields": UNKNOWN_FIELDS, "context": OPTIONAL_CONTEXT, "tokens first": TOKENS_FIRST,
    "width": FIXED_WIDTH, "einops": EINOPS, "heads first": HEADS_FIRST, "heads last": HEADS_LAST,
}  # fmt: skip


@pytest.mark.parametrize("way", rest_slow(3, WAYS))
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
    rest_slow(2, [
        ("tokens first", (".transpose(0, 1).reshape(T, B, -1)", ".reshape(T, B, -1)"), "merge_without_transpose"),
        ("tokens first", ("x.reshape(x.shape[0], -1, self.d).transpose(0, 1)", "x.reshape(-1, x.shape[0], self.d)"), "split_without_transpose"),
        ("heads first", ("torch.cat((weights @ v).chunk(self.h, dim=0), dim=2)", "(weights @ v).reshape(B, T, -1)"), "merge_without_transpose"),
        ("heads first", ("q @ k.transpose(-2, -1)", "k @ q.transpose(-2, -1)"), "query_key_swapped"),
        ("keys turned", ("k.view(B, T, self.h, self.d).permute(0, 2, 3, 1)", "k.reshape(B, self.h, self.d, T)"), "split_without_transpose"),
        ("heads last", ("(weights @ v).permute(0, 2, 3, 1).reshape", "(weights @ v).reshape"), "merge_without_transpose"),
    ]),
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


@pytest.mark.parametrize("lost", ["scores.masked_fill(mask == 0, -1e9)", "scores + (mask == 0) * -1e9"])
def test_what_is_masked_and_not_kept_is_found_at_its_line(lost):
    text = own(("scores = scores.masked_fill(mask == 0, -1e9)", lost))
    finding = next(f for f in verdict_of(text).findings if f.id == "mask_discarded")
    assert text.split("\n")[finding.line - 1].strip() == lost


OF_HEADS = """\
import torch
from torch import nn


class Linear(nn.Module):
    def __init__(self, rows, columns):
        super().__init__()
        self.table = nn.Parameter(torch.randn(rows, columns))

    def forward(self, x):
        return x @ self.table


class Attention(nn.Module):
    def __init__(self, d_model, num_heads):
        super().__init__()
        self.size = d_model // num_heads
        self.q, self.k, self.v, self.out = (Linear(d_model, d_model) for _ in range(4))

    def attend(self, q, k, v):
        rows = []
        for i in range(q.shape[1]):
            seen = range(i + 1)
            scores = torch.stack([(q[:, i] * k[:, j]).sum(-1) for j in seen], dim=-1) / self.size**0.5
            weights = torch.exp(scores) / torch.exp(scores).sum(-1, keepdim=True)
            rows.append(sum(weights[:, j : j + 1] * v[:, j] for j in seen))
        return torch.stack(rows, dim=1)

    def forward(self, x):
        parts = (layer(x).split(self.size, dim=-1) for layer in (self.q, self.k, self.v))
        return self.out(torch.cat([self.attend(*heads) for heads in zip(*parts)], dim=-1))
"""


def test_what_is_hidden_without_a_word_that_says_so_is_seen():
    verdict = verdict_of(OF_HEADS)
    assert errors(verdict) == []
    assert verdict.checks["output"].detail == "output_right_causal"
    wrong = OF_HEADS.replace(" / self.size**0.5", "")
    (finding,) = verdict_of(wrong).findings
    assert (finding.id, wrong.split("\n")[finding.line - 1].strip()[:12]) == ("scale_missing", "scores = tor")


def test_a_tensor_that_a_layer_does_not_register_is_named_where_it_is_made():
    text = OF_HEADS.replace("nn.Parameter(torch.randn(rows, columns))", "torch.randn(rows, columns)")
    finding = next(f for f in verdict_of(text).findings if f.id == "parameters_unregistered")
    assert (finding.line, finding.variable) == (8, "self.table")


def test_a_bias_that_three_projections_share_is_read():
    text = own(
        ("        self.out_proj", "        self.in_proj_bias = nn.Parameter(torch.zeros(3 * d_model))\n        self.out_proj"),
        ("(d_model, d_model)\n        self.k", "(d_model, d_model, bias=False)\n        self.k"),
        ("self.k_proj = nn.Linear(d_model, d_model)", "self.k_proj = nn.Linear(d_model, d_model, bias=False)"),
        ("self.v_proj = nn.Linear(d_model, d_model)", "self.v_proj = nn.Linear(d_model, d_model, bias=False)"),
        ("        q, k, v = self.split", "        q, k, v = (x + b for x, b in zip((q, k, v), self.in_proj_bias.chunk(3)))\n        q, k, v = self.split"),
    )  # fmt: skip
    assert verdict_of(text).checks["output"].status == "pass"


def test_scores_that_are_masked_before_they_are_scaled_are_found():
    text = own(
        (" / math.sqrt(self.d)", ""),
        ("        if mask is not None:\n            scores = scores.masked_fill(mask == 0, -1e9)\n",
         "        T = scores.shape[-1]\n        scores = scores.masked_fill(torch.ones(T, T).triu(1) == 1, -torch.inf)\n"),
        ("scores.softmax", "(scores / self.d).softmax"),
    )  # fmt: skip
    finding = next(f for f in verdict_of(text).findings if f.id == "scale_without_root")
    assert "(scores / self.d)" in text.split("\n")[finding.line - 1]


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


def named(mask, *edits):
    """An attention whose mask has another name, or the like of one."""
    text = own(*edits)
    return re.sub(r"\bmask\b", mask, text)


@pytest.mark.parametrize("mask", rest_slow(1, ["keep", "valid", "which"]))
def test_a_mask_of_any_name_is_looked_at(mask):
    right = verdict_of(named(mask))
    assert errors(right) == []
    assert right.checks["mask"].status == "pass"
    queries = ("mask == 0", "mask.mT == 0")
    assert errors(verdict_of(named(mask, queries))) == ["mask_on_queries"]
    late = ("softmax(dim=-1)\n", "softmax(dim=-1) * (1 if mask is None else mask)\n")
    filled = ("scores = scores.masked_fill(mask == 0, -1e9)", "pass")
    # Under a name that tells nothing it may be a gate.
    named_late = errors(verdict_of(named(mask, filled, late)))
    assert named_late == ([] if mask == "which" else ["mask_after_softmax"])


@pytest.mark.parametrize("used", rest_slow(1, ["scores * gate", "scores + gate", "scores - gate"]))
def test_an_argument_that_is_no_mask_is_not_judged_as_one(used):
    text = named("gate", ("scores.masked_fill(mask == 0, -1e9)", used.replace("gate", "mask")))
    assert errors(verdict_of(text)) == []


def test_masks_of_heads_and_of_queries_are_none_of_keys():
    heads = own(
        ("mask=None", "mask=None, head_mask=None"),
        (
            "        out =",
            "        weights = weights if head_mask is None else weights * head_mask\n        out =",
        ),
    )
    queries = own(
        ("mask=None", "mask=None, query_mask=None"),
        (
            "return self.out_proj(out)",
            "return self.out_proj(out) * (1 if query_mask is None else query_mask[:, :, None])",
        ),
    )
    assert errors(verdict_of(heads)) == errors(verdict_of(queries)) == []


def test_keys_and_values_without_projections_are_another_kind_of_attention():
    text = own(
        ("self.k_proj(key), self.v_proj(value)", "key, value"),
        (
            "        self.k_proj = nn.Linear(d_model, d_model)\n        self.v_proj = nn.Linear(d_model, d_model)\n",
            "",
        ),
    )
    assert errors(verdict_of(text)) == []


def test_what_is_masked_and_thrown_away_is_found_whatever_the_mask_is_called():
    lost = ("scores = scores.masked_fill(", "scores.masked_fill(")
    assert errors(verdict_of(named("which", lost))) == ["mask_discarded"]


def test_a_name_of_what_may_be_seen_says_what_true_means():
    turned = ("mask == 0", "mask != 0")
    assert errors(verdict_of(named("valid", turned))) == ["mask_inverted"]
    # A name and what the file makes of masks may disagree.
    assert errors(verdict_of("SEEN = torch.tril\n" + named("pad_mask", turned))) == []


BY_HEAD = """\
import torch
from torch import nn

n = 48


class One(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.a = nn.Linear(n, size, bias=False)
        self.b = nn.Linear(n, size, bias=False)
        self.c = nn.Linear(n, size, bias=False)

    def forward(self, x):
        a, b, c = self.a(x), self.b(x), self.c(x)
        weights = torch.softmax(a @ b.transpose(-2, -1) / a.shape[-1] ** 0.5, dim=-1)
        return weights @ c


class Several(nn.Module):
    def __init__(self, count, size):
        super().__init__()
        self.ones = nn.ModuleList([One(size) for _ in range(count)])
        self.last = nn.Linear(count * size, n)

    def forward(self, x):
        return self.last(torch.cat([one(x) for one in self.ones], dim=-1))
"""


def test_a_width_that_the_file_fixes_is_found_without_names():
    assert verdict_of(BY_HEAD).checks["output"].status == "pass"
    assert errors(verdict_of(BY_HEAD.replace("** 0.5", "** 1"))) == ["scale_without_root"]
    text = BY_HEAD.replace("count, size", "num_heads, head_size").replace(
        "count * size", "num_heads * head_size"
    )
    lost = text.replace("nn.ModuleList(", "list(").replace(
        "One(size) for _ in range(count)", "One(head_size) for _ in range(num_heads)"
    )
    assert errors(verdict_of(lost)) == ["parameters_unregistered"]


def test_one_head_for_all_is_told_from_one_projection_for_all():
    same = verdict_of(BY_HEAD.replace("[One(size) for _ in range(count)]", "[One(size)] * count"))
    assert [finding.id for finding in same.findings] == ["projection_shared_by_heads"]


def test_a_number_of_heads_that_has_a_default_and_no_telling_name_is_tried():
    text = own(("d_model, num_heads", "total, apart=8"), ("num_heads", "apart"), ("d_model", "total"))
    assert errors(verdict_of(text)) == []
    assert verdict_of(text).checks["output"].status == "pass"


def test_a_projection_that_serves_all_heads_beside_others_is_noted_at_its_line():
    one = own(
        ("self.k_proj = nn.Linear(d_model, d_model)", "self.k_proj = nn.Linear(d_model, self.d)"),
        ("self.split(k)", "k[:, None].expand(-1, self.h, -1, -1)"),
    )
    (note,) = verdict_of(one).findings
    assert (note.id, note.severity) == ("projection_shared_by_heads", "note")
    assert "self.k_proj = " in one.split("\n")[note.line - 1]
    wide = one.replace("num_heads):", "num_heads, head_dim):").replace("d_model // num_heads", "head_dim")
    wide = re.sub(r"(q_proj|v_proj) = .*", r"\1 = nn.Linear(d_model, num_heads * head_dim)", wide)
    wide = wide.replace(
        "self.out_proj = nn.Linear(d_model,", "self.out_proj = nn.Linear(num_heads * head_dim,"
    )
    assert [finding.id for finding in verdict_of(wide).findings] == ["projection_shared_by_heads"]


def test_one_projection_for_queries_keys_and_values_is_named():
    text = own(
        (
            "self.q_proj(query), self.k_proj(key), self.v_proj(value)",
            "self.q_proj(query), self.q_proj(key), self.q_proj(value)",
        ),
        (
            "        self.k_proj = nn.Linear(d_model, d_model)\n        self.v_proj = nn.Linear(d_model, d_model)\n",
            "",
        ),
    )
    assert errors(verdict_of(text)) == ["projection_reused"]


def test_a_function_of_the_file_under_a_ready_made_name_is_the_learners_own():
    text = own(
        ("self.split(", "self.multi_head_attention_forward("),
        ("def split(", "def multi_head_attention_forward("),
    )
    assert verdict_of(text).findings == []


ADDED = [
    ("            scores = scores.masked_fill(mask == 0, -1e9)\n",
     "            hidden = 1 - mask[:, None, None, :].to(scores.dtype)\n"
     "            hidden = hidden * -10000.0\n"
     "            scores = scores + hidden\n"),
]  # fmt: skip


@pytest.mark.parametrize("mask", rest_slow(1, ["mask", "which"]))
def test_a_mask_that_is_turned_into_numbers_is_none_that_is_added_as_it_is(mask):
    assert errors(verdict_of(named(mask, *ADDED))) == []
    small = named(mask, *ADDED, ("-10000.0", "-2.0"))
    (finding,) = verdict_of(small).findings
    assert (finding.id, small.split("\n")[finding.line - 1].strip()) == (
        "mask_fill_too_small",
        "hidden = hidden * -2.0",
    )
    told = ("hidden = 1 - ", "hidden = ")
    turned = named(
        mask, *ADDED, ("import math", "# true: the query may attend to this key\nimport math"), told
    )
    (finding,) = verdict_of(turned).findings
    assert (finding.id, turned.split("\n")[finding.line - 1].strip()) == (
        "mask_inverted",
        "hidden = hidden * -10000.0",
    )


@pytest.mark.parametrize("mask", ["mask", "which"])
def test_rows_of_queries_that_are_lowered_as_a_whole_are_told_from_no_mask_at_all(mask):
    rows = named(mask, *ADDED, ("mask[:, None, None, :]", "mask[:, None, :, None]"))
    (finding,) = verdict_of(rows).findings
    assert (finding.id, finding.alternatives) == ("mask_on_queries", ["mask_discarded"])


@pytest.mark.parametrize(
    ("made", "mistake"),
    [
        ("scores.masked_fill(mask == 0, 0.0)", "mask_fill_too_small"),
        ("scores * mask", "mask_multiplied_before_softmax"),
    ],
)
def test_scores_of_nought_are_filled_or_multiplied_as_the_code_has_it(made, mistake):
    given = named("keep", ("scores.masked_fill(mask == 0, -1e9)", made))
    assert errors(verdict_of(given)) == [mistake]
    always = ("        if mask is not None:\n    ", "        mask = torch.tril(torch.ones(T, T))\n")
    causal = own((", mask=None", ""), always, ("scores.masked_fill(mask == 0, -1e9)", made))
    assert errors(verdict_of(causal)) == [mistake]


OTHER_WAY_ROUND = [
    ("query, key, value, mask", "one, two, three, mask"), ("query.shape", "one.shape"),
    ("self.q_proj(query), self.k_proj(key), self.v_proj(value)", "self.q_proj(three), self.k_proj(two), self.v_proj(one)"),
]  # fmt: skip


@pytest.mark.slow
def test_which_argument_asks_is_found_by_trying_where_no_name_tells():
    assert errors(verdict_of(own(*OTHER_WAY_ROUND))) == []
    assert verdict_of(own(*OTHER_WAY_ROUND)).checks["output"].status == "pass"
    multiplied = own(*OTHER_WAY_ROUND, ("/ math.sqrt", "* math.sqrt"))
    assert errors(verdict_of(multiplied)) == ["scale_multiplied"]
    # Then keys cannot be told from values.
    unshared = own(*OTHER_WAY_ROUND, ("scores.softmax(dim=-1)", "scores"))
    assert errors(verdict_of(unshared)) == ["softmax_missing"]
    # Any other order than the two that are in use is a mistake.
    silent = [("q_proj", "first"), ("k_proj", "second"), ("v_proj", "third")]
    for edits, mistake in (
        ([("q @ k", "k @ q")], "query_key_swapped"),
        ([("q @ k", "q @ v"), ("weights @ v", "weights @ k")], "key_value_swapped"),
    ):
        assert errors(verdict_of(own(*OTHER_WAY_ROUND, *edits, *silent))) == [mistake]


def test_an_attention_without_a_softmax_is_known_by_its_root():
    text = BY_HEAD.replace("torch.softmax(a @", "(a @").replace("** 0.5, dim=-1)", "** 0.5)")
    assert errors(verdict_of(text)) == ["softmax_missing"]


IN_PLACE = [
    ("            scores = scores.masked_fill(mask == 0, -1e9)\n",
     "            seen = torch.arange(key.shape[1])[None, :] < mask[:, None]\n"
     "            seen = seen[:, None, None].expand_as(scores)\n"
     "            scores[~seen] = -1e6\n"),
]  # fmt: skip


@pytest.mark.parametrize("name", rest_slow(1, ["valid_lens", "which"]))
def test_numbers_of_tokens_that_may_be_seen_are_a_mask(name):
    right = verdict_of(named(name, *IN_PLACE))
    assert errors(right) == []
    assert right.checks["mask"].status == "pass"
    for edit, mistake in ((("[~seen]", "[seen]"), "mask_inverted"), (("-1e6", "-1"), "mask_fill_too_small")):
        text = named(name, *IN_PLACE, edit)
        (finding,) = verdict_of(text).findings
        assert finding.id == mistake
        # It is said where the scores are written over.
        assert "seen] = " in text.split("\n")[finding.line - 1]


TURNED = """\
        def turned(x):
            angle = torch.arange(T)[:, None] * 0.1
            a, b = x.chunk(2, -1)
            return torch.cat([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()], -1)

        q, k = turned(q), turned(k)
        scores = q @"""


MORE = {
    "positions": [("        scores = q @", TURNED)],
    "norm": [("        scores = q @", "        q, k = q / q.norm(dim=-1, keepdim=True), k / k.norm(dim=-1, keepdim=True)\n        scores = q @")],
    "gate": [("self.out_proj(out)", "self.out_proj(out) * self.gate(query)"),
             ("        self.out_proj =", "        self.gate = nn.Linear(d_model, d_model)\n        self.out_proj =")],
    "temperature": [("/ math.sqrt(self.d)", "/ self.heat"),
                    ("        self.out_proj =", "        self.heat = nn.Parameter(torch.ones(1))\n        self.out_proj =")],
}  # fmt: skip


@pytest.mark.parametrize("more", rest_slow(1, MORE))
def test_what_is_more_than_attention_is_not_called_wrong(more):
    verdict = verdict_of(own(*MORE[more]))
    assert errors(verdict) == []
    assert verdict.checks["output"].detail == "more_than_attention"


@pytest.mark.slow
def test_what_is_unknown_and_nothing_but_attention_is_said():
    assert errors(verdict_of(own(("weights @ v", "weights @ v.flip(2)")))) == ["unknown"]
    text = own(("self.q_proj(query)", "self.q_proj(query * 1.1 + 0.3)"))
    (finding,) = (f for f in verdict_of(text).findings if f.id == "unknown")
    assert "self.q_proj(query * 1.1" in text.split("\n")[finding.line - 1]


def test_as_many_layers_in_a_list_as_there_are_heads_are_no_heads():
    made = "".join(f"        self.{role}_proj = nn.Linear(d_model, d_model)\n" for role in "qkv")
    text = own(
        (made, "        self.three = nn.ModuleList(nn.Linear(d_model, d_model) for _ in range(3))\n"),
        (
            "self.q_proj(query), self.k_proj(key), self.v_proj(value)",
            "[f(x) for f, x in zip(self.three, (query, key, value))]",
        ),
    )
    assert verdict_of(text).checks["output"].status == "pass"
    assert errors(verdict_of(text.replace("/ math", "* math"))) == ["scale_multiplied"]


def test_an_order_that_a_remark_tells_is_believed_where_a_mistake_hides_it():
    lost = ("transpose(0, 1).reshape(T, B, -1)", "reshape(T, B, -1)")
    told = ("import math", "# x is (time, batch, channels)\nimport math")
    assert errors(verdict_of(own(*WAYS["tokens first"], lost, told, ("T, B", "one, two")))) == [
        "merge_without_transpose"
    ]


def test_heads_that_meet_within_a_token_are_told_whatever_the_order_of_arguments():
    across = own(
        *OTHER_WAY_ROUND,
        ("self.h, self.d).transpose(1, 2)", "self.h, self.d)"),
        ("(weights @ v).transpose(1, 2)", "(weights @ v)"),
    )
    assert errors(verdict_of(across)) == ["attends_across_heads"]


def test_an_attention_over_images_that_is_given_tokens_is_not_blamed():
    text = own(("        B, T, _ = query.shape", "        B, T, _, _ = query.shape"))
    assert errors(verdict_of(text)) == []


WEIGHTS_GIVEN = """\
import torch.nn.functional as F


def attention(Q, K, V, mask=None):
    s = Q @ K.transpose(-2, -1) / Q.size(-1) ** 0.5
    if mask is not None:
        s = s.masked_fill(mask == 0, -1e9)
    return F.softmax(s, dim=-1) @ V


def multihead(q, k, v, W_q, W_k, W_v, W_o, num_heads, mask=None):
    def split(x):
        return x.view(len(x), -1, num_heads, x.shape[-1] // num_heads).transpose(1, 2)

    out = attention(split(q @ W_q), split(k @ W_k), split(v @ W_v), mask)
    return out.transpose(1, 2).flatten(2) @ W_o
"""


WEIGHTS_MADE = (
    WEIGHTS_GIVEN.replace("W_q, W_k, W_v, W_o,", "weights,").replace("k @ W_k", 'k @ weights["k"]')
    .replace("q @ W_q", 'q @ weights["q"]').replace("v @ W_v", 'v @ weights["v"]')
    .replace("@ W_o", '@ weights["out"]').replace("import torch.nn", "import torch\nimport torch.nn", 1)
    + "\n\ndef init_weights(d_model):\n"
    "    return {name: torch.randn(d_model, d_model) for name in ('q', 'k', 'v', 'out')}\n"
)  # fmt: skip


@pytest.mark.parametrize("text", rest_slow(1, [WEIGHTS_GIVEN, WEIGHTS_MADE]), ids=["given", "made"])
def test_an_attention_of_functions_is_checked(text):
    right = verdict_of(text)
    assert right.findings == []
    assert {right.checks[name].status for name in ("parameters", "output", "mask")} == {"pass"}
    assert errors(verdict_of(text.replace(" / Q.size(-1) ** 0.5", ""))) == ["scale_missing"]
    assert errors(verdict_of(text.replace("s = s.masked", "s.masked"))) == ["mask_discarded"]


OWN_LENGTH = """
import torch
from torch import nn

class Attention(nn.Module):
    def __init__(self, dim, heads=3, dim_head=4):
        super().__init__()
        inner = heads * dim_head
        self.heads, self.scale = heads, dim_head**-0.5
        self.qkv, self.out = nn.Linear(dim, 3 * inner), nn.Linear(inner, dim)

    def forward(self, x):
        B, T, _ = x.shape
        q, k, v = (y.view(B, T, self.heads, -1).transpose(1, 2) for y in self.qkv(x).chunk(3, dim=-1))
        weights = (q @ k.transpose(-2, -1) * self.scale).softmax(-1)
        return self.out((weights @ v).transpose(1, 2).reshape(B, T, -1))
"""


def test_an_output_projection_that_fits_only_one_length_of_a_head_is_a_crash():
    assert errors(verdict_of(OWN_LENGTH)) == []
    verdict = verdict_of(OWN_LENGTH.replace("nn.Linear(inner, dim)", "nn.Linear(dim, dim)"))
    (finding,) = verdict.findings
    assert (finding.id, finding.line, finding.values["uneven"]) == ("crash", 16, True)


BESIDE = """
import torch
from torch import nn

class DotProduct(nn.Module):
    def forward(self, q, k, v):
        weights = torch.softmax(q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5, dim=-1)
        return weights @ v

class MultiHeadAttention(nn.Module):
    def __init__(self, d_model, heads):
        super().__init__()
        self.heads, self.attend = heads, DotProduct()
        self.wq, self.wk, self.wv = (nn.Linear(d_model, d_model) for _ in range(3))
        self.fc, self.norm = nn.Linear(d_model, d_model), nn.LayerNorm(d_model)

    def forward(self, x):
        B, T, M = x.shape
        q, k, v = (w(x).view(B, T, self.heads, -1).transpose(1, 2) for w in (self.wq, self.wk, self.wv))
        joined = self.attend(q, k, v).transpose(1, 2).reshape(B, T, M)
        return self.norm(x + self.fc(joined))
"""


def test_a_norm_beside_attention_is_set_aside_and_the_part_without_projections_is_not_the_whole():
    verdict = verdict_of(BESIDE.replace("MultiHeadAttention", "Whole").replace("DotProduct", "Inner"))
    assert (verdict.ids(), errors(verdict)) == (["residual_added"], [])
    assert (verdict.checks["norm"].detail, verdict.checks["parameters"].values["count"]) == ("set_aside", 10)
    for old, mistake in (
        (" / q.shape[-1] ** 0.5", "scale_missing"),
        (".transpose(1, 2).reshape(B, T, M)", ""),
    ):
        text = BESIDE.replace(old, "" if mistake else ".reshape(B, T, M)")
        wrong = verdict_of(text)
        assert (errors(wrong), wrong.ids("note")) == (
            [mistake or "merge_without_transpose"],
            ["residual_added"],
        )


PAIRED = """
import torch
from torch import nn
from einops import rearrange

class CrossAttention(nn.Module):
    def __init__(self, dim, heads, dim_head):
        super().__init__()
        self.heads, self.scale = heads, dim_head**-0.5
        self.to_q, self.to_kv = nn.Linear(dim, heads * dim_head), nn.Linear(dim, 2 * heads * dim_head)
        self.to_out = nn.Linear(heads * dim_head, dim)

    def forward(self, x, context=None):
        q = rearrange(self.to_q(x), "b n (h d) -> b h n d", h=self.heads)
        both = self.to_kv(x if context is None else context)
        k, v = rearrange(both, "b n (c h d) -> c b h n d", c=2, h=self.heads)
        weights = (q @ k.transpose(-2, -1) * self.scale).softmax(dim=-1)
        return self.to_out(rearrange(weights @ v, "b h ... d -> b ... (h d)"))
"""


@pytest.mark.parametrize(
    ("old", "new", "mistakes"),
    [
        ("k, v =", "k, v =", []),
        ("(c h d)", "(h d c)", []),
        (" * self.scale", "", ["scale_missing"]),
        ("k, v =", "v, k =", []),
        ("k.transpose", "v.transpose", ["projection_reused"]),
        ("context is None else context", "context is None else x", ["argument_ignored"]),
    ],
)
def test_keys_and_values_may_be_made_by_one_projection(old, new, mistakes):
    assert PAIRED.count(old) == 1
    assert errors(verdict_of(PAIRED.replace(old, new))) == mistakes


HELD = """
import math
import torch
from dataclasses import dataclass

@dataclass
class Params:
    wq: torch.Tensor
    wk: torch.Tensor
    wv: torch.Tensor
    wo: torch.Tensor
    num_heads: int

def init_params(d_model, num_heads):
    return Params(*(torch.randn(d_model, d_model) for _ in range(4)), num_heads)

def split(x, n):
    return x.view(*x.shape[:2], n, -1).transpose(1, 2)

def softmax(x):
    return x.exp() / x.exp().sum(-1, keepdim=True)

def attention(params, x):
    q, k, v = (split(x @ w, params.num_heads) for w in (params.wq, params.wk, params.wv))
    s = q @ k.mT / math.sqrt(q.shape[-1])
    s = s.masked_fill(torch.arange(x.shape[1]) > torch.arange(x.shape[1])[:, None], -1e9)
    return (softmax(s) @ v).transpose(1, 2).flatten(2) @ params.wo
"""


@pytest.mark.parametrize(
    ("old", "new", "mistakes"),
    [
        ("(q.shape[-1])", "(q.shape[-1])", []),
        ("math.sqrt(q.shape[-1])", "q.shape[-1]", ["scale_without_root"]),
        ("softmax(s) @ v", "s @ v", ["softmax_missing"]),
        ("s = s.masked_fill", "s.masked_fill", ["mask_discarded"]),
    ],
)
@pytest.mark.parametrize("kind", ["dataclass", "tuple"])
def test_functions_may_be_given_all_weights_and_the_heads_in_one_object(kind, old, new, mistakes):
    text = HELD.replace("@dataclass\n", "").replace("Params:", "Params(NamedTuple):")
    text = HELD if kind == "dataclass" else text.replace("dataclasses import dataclass", "typing import *")
    assert text.count(old) == 1
    assert errors(verdict_of(text.replace(old, new))) == mistakes


@pytest.mark.parametrize(
    ("product", "message"), [("q @ k", "first two dimensions"), ("q @ k.transpose(1, 2)", "must match")]
)
def test_of_keys_that_do_not_fit_the_product_is_told_how_to_write_it(product, message):
    text = attention("scores").replace("q @ k.transpose(-2, -1)", product)
    (finding,) = verdict_of(text).findings
    assert (finding.id, finding.values["product"]) == ("crash", "q @ k.transpose(-2, -1)")
    assert message in finding.values["message"]


def test_a_mask_that_is_multiplied_by_infinity_makes_nan_of_what_it_shows():
    (finding,) = verdict_of(attention('scores + (1 - 1.0 * mask) * float("-inf")')).findings
    assert (finding.id, finding.severity) == ("mask_times_infinity", "error")
    assert errors(verdict_of(attention("scores + (1 - 1.0 * mask) * -1e9"))) == []


ATTEND = """
def shares(scores, mask=None):
    scores = scores if mask is None else scores.masked_fill(mask == 0, -1e9)
    return scores.softmax(-1)

"""


@pytest.mark.parametrize("call", ["shares(scores)", "shares(scores, None)"])
def test_a_call_that_leaves_the_mask_out_is_the_place_where_it_is_lost(call):
    text = attention("scores").replace("scores.softmax(-1)", call).replace("class ", ATTEND + "class ", 1)
    (finding,) = verdict_of(text).findings
    line = next(n for n, part in enumerate(text.split("\n"), 1) if call in part and "def" not in part)
    assert (finding.id, finding.line, finding.values["forgotten"]) == ("mask_discarded", line, True)


@pytest.mark.parametrize(
    ("made", "mistakes"),
    rest_slow(2, [
        ("torch.ones(n, n).tril().bool()", []),
        ("torch.ones(n, n).triu().bool()", ["causal_mask_reversed"]),
        ("torch.arange(n)[None] < torch.arange(n)[:, None]", ["mask_hides_diagonal"]),
        ("torch.ones(n, n).triu(1).bool()", []),  # Right where true hides, as whoever asks for it may know.
        ("torch.full((n, n), -1e9).tril(-1)", ["causal_mask_reversed"]),
    ]),
)  # fmt: skip
def test_a_function_that_makes_causal_masks_is_looked_at_beside_attention(made, mistakes):
    text = attention("scores.masked_fill(mask == 0, -1e9)")
    text += f"\n\ndef causal_mask(n):\n    return {made}\n"
    verdict = verdict_of(text)
    assert errors(verdict) == mistakes
    assert all("causal_mask" in verdict.findings[0].variable for _ in mistakes)
    assert errors(verdict_of(text + "\nmask = ~causal_mask(5)\n")) == []


@pytest.mark.parametrize(
    ("product", "mistake", "other"),
    [
        ("torch.einsum('bhid,bhjd->bhji', q, k)", "attention_transposed", "query_key_swapped"),
        ("(q @ k.transpose(-2, -1)).transpose(-2, -1)", "attention_transposed", "query_key_swapped"),
        ("k @ q.transpose(-2, -1)", "query_key_swapped", "attention_transposed"),
    ],
)
def test_transposed_scores_are_told_from_exchanged_projections_by_their_line(product, mistake, other):
    text = CAUSAL.replace("q @ k.transpose(-2, -1)", product)
    (finding,) = verdict_of(text).findings
    assert (finding.id, finding.line, finding.alternatives) == (mistake, 15, [other])


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    rest_slow(1, [
        ("scores = q @", "k = q.reshape(B, T, self.heads, -1).transpose(1, 2)\n        scores = q @", "projection_reused"),
        ("y.view(B, T, self.heads, -1).transpose(1, 2) for y in self.qkv(x).chunk(3, dim=-1)",
         "y for y in self.qkv(x).view(B, 3, self.heads, T, -1).unbind(1)", "split_without_transpose"),
    ]),
)  # fmt: skip
def test_right_numbers_in_no_known_order_tell_whose_they_are(old, new, mistake):
    assert CAUSAL.count(old) == 1
    (finding,) = verdict_of(CAUSAL.replace(old, new)).findings
    assert (finding.id, finding.line) == (mistake, 15 if mistake == "projection_reused" else 14)


@pytest.mark.parametrize(
    ("masked", "mistake"),
    [
        ("scores + (1 - mask) * -1", "mask_fill_too_small"),
        ("scores * mask", "mask_multiplied_before_softmax"),
        ("scores + (1 - mask) * -1e9", ""),
    ],
)
def test_a_mask_of_whole_numbers_is_seen_and_a_comment_fills_nothing(masked, mistake):
    verdict = verdict_of(attention(masked, "# scores = scores.masked_fill(mask == 0, -1e9)"))
    assert errors(verdict) == [mistake][: bool(mistake)]


def test_a_softmax_that_is_there_under_a_mask_alone_is_the_only_mistake():
    text = attention("(scores + (1 - 1.0 * mask) * -1e9).softmax(-1)").replace(
        "= scores.softmax(-1)", "= scores"
    )
    assert errors(verdict_of(text)) == ["softmax_missing"]


QUERIES_HIDDEN = (
    attention("scores")
    .replace("                \n", "")
    .replace("scores.softmax(-1)", "hidden(scores, mask).softmax(-1)")
    + """

def hidden(s, m):
    return s if m is None else s + (1 - 1.0 * m[:, None].unsqueeze(-1)) * -1e9
"""
)


def test_a_mask_on_queries_is_placed_where_it_got_that_shape_under_another_name():
    (finding,) = verdict_of(QUERIES_HIDDEN).findings
    assert (finding.id, ".unsqueeze" in QUERIES_HIDDEN.split("\n")[finding.line - 1]) == (
        "mask_on_queries",
        True,
    )


NARROW = """
import torch
from torch import nn

WIDTH = 48

class Part(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.a, self.b, self.c = (nn.Linear(WIDTH, n, bias=False) for _ in range(3))

    def forward(self, x):
        return (self.b(x) @ self.a(x).mT / self.a.out_features**0.5).softmax(-1) @ self.c(x)

class Whole(nn.Module):
    def __init__(self, first, second):
        super().__init__()
        self.parts = nn.ModuleList([Part(second) for _ in range(first)])
        self.last = nn.Linear(first * second, WIDTH)

    def forward(self, x):
        return self.last(torch.cat([part(x) for part in self.parts], dim=-1))
"""


def test_heads_in_a_list_may_be_narrower_than_a_part_of_the_tokens():
    verdict = verdict_of(NARROW)
    assert (errors(verdict), verdict.checks["output"].detail) == ([], "output_right")


@pytest.mark.parametrize(
    ("masked", "status", "detail"),
    rest_slow(2, [
        ("scores.masked_fill(mask == 0, -1e9)", "pass", "mask_keeps"),
        ("scores * mask", "fail", "mask_leaks"),
        ("scores + (1 - 1.0 * mask) * -1e9", "pass", "mask_keeps"),
        ("scores + mask", "pass", "mask_keeps"),  # Of numbers that are added.
        ("scores.masked_fill(mask.mT == 0, -1e9)", "fail", "mask_leaks"),
        ("scores", "fail", "mask_leaks"),
    ]),
)  # fmt: skip
def test_the_laws_of_a_mask_are_looked_at_where_nothing_else_is_understood(masked, status, detail):
    text = attention(masked).replace("return self.to_out(merged)", "return self.to_out(merged.tanh())")
    verdict = verdict_of(text)
    assert (verdict.checks["output"].status, errors(verdict)) == ("not_checked", [])
    assert (verdict.checks["mask"].status, verdict.checks["mask"].detail) == (status, detail)


APART = """
import torch

def cut(t, n):
    return t.view(t.shape[0], t.shape[1], n, t.shape[-1] // n).transpose(1, 2)

def multi_head_attention(x, Wq, Wk, Wv, Wo, b, heads, mask=None):
    q, k, v = cut(x @ Wq, heads), cut(x @ Wk, heads), cut(x @ Wv, heads)
    s = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
    s = s if mask is None else s.masked_fill(mask == 0, -1e9)
    return (s.softmax(-1) @ v).transpose(1, 2).flatten(2) @ Wo + b
"""


ONE_BY_ONE = ", ".join(f"split(x @ params.{name}, params.num_heads)" for name in ("wq", "wk", "wv"))


@pytest.mark.parametrize("text", rest_slow(1, [APART, re.sub(r"\(split.*\)\)", ONE_BY_ONE, HELD)]))
def test_functions_whose_names_tell_nothing_are_known_by_what_they_do_with_arguments(text):
    assert errors(verdict_of(renamed(text))) == []
    assert verdict_of(renamed(text)).checks["output"].status == "pass"
    assert errors(verdict_of(renamed(text.replace("q.shape[-1]", "x.shape[-1]")))) == ["scale_by_model_dim"]


SHARED_BIAS = """
import torch
from torch import nn
import torch.nn.functional as F

class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.wq, self.wk, self.wv = (nn.Parameter(torch.randn(dim, dim)) for _ in range(3))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * dim))
        self.out = nn.Linear(dim, dim)

    def forward(self, x):
        pairs = zip((self.wq, self.wk, self.wv), self.in_proj_bias.chunk(3))
        q, k, v = (F.linear(x, w, b).unflatten(-1, (self.heads, -1)).transpose(1, 2) for w, b in pairs)
        weights = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1)
        return self.out((weights @ v).transpose(1, 2).flatten(2))
"""


def test_three_projections_share_a_bias_whatever_they_are_called():
    assert verdict_of(renamed(SHARED_BIAS)).checks["output"].status == "pass"


SINGLE = """
import torch
from torch import nn

class Head(nn.Module):
    \"\"\"One head of self-attention.\"\"\"

    def __init__(self, dim, head_size):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(dim, head_size, bias=False) for _ in range(3))

    def forward(self, x, mask):
        scores = self.query(x) @ self.key(x).transpose(-2, -1) / self.key.out_features**0.5
        return scores.masked_fill(mask == 0, -1e9).softmax(-1) @ self.value(x)
"""


@pytest.mark.parametrize("size", rest_slow(1, ["head_size", "dim"]))
def test_one_head_may_be_called_one(size):
    text = SINGLE.replace("dim, head_size", f"dim{', head_size' * (size != 'dim')}").replace(
        "nn.Linear(dim,", f"nn.Linear(dim, {size}," if size == "dim" else "nn.Linear(dim,"
    )
    assert errors(verdict_of(text)) == []
    assert verdict_of(text).checks["output"].status == "pass"
    assert errors(verdict_of(text.replace(" / self.key.out_features**0.5", ""))) == ["scale_missing"]


TAKEN_APART = [
    (
        "self, query, key, value, mask=None):",
        "self, inputs):\n        query, key, value, mask = inputs['query'], inputs['key'], inputs['value'], inputs.get('mask')",
    ),
]


def test_inputs_may_come_in_one_dictionary():
    verdict = verdict_of(own(*TAKEN_APART))
    assert errors(verdict) == []
    assert [verdict.checks[name].status for name in ("output", "mask")] == ["pass", "pass"]
    swapped = own(
        *TAKEN_APART, ("self.k_proj(key), self.v_proj(value)", "self.k_proj(value), self.v_proj(key)")
    )
    assert errors(verdict_of(swapped)) == ["key_value_swapped"]


def test_a_tuple_of_inputs_that_is_not_understood_is_no_crash():
    packed = (
        "self, query, key, value, mask=None):",
        "self, inputs):\n        query, key, value, mask = inputs",
    )
    assert errors(verdict_of(own(packed))) == []


def test_lazy_layers_are_layers():
    lazy = own(*((f"self.{role}_proj = nn.Linear(d_model, d_model)", f"self.{role}_proj = nn.LazyLinear(d_model)")
                 for role in ("q", "k", "v", "out")))  # fmt: skip
    assert verdict_of(lazy).checks["output"].status == "pass"


def test_a_scale_that_is_off_by_default_is_turned_on():
    off = ("self, d_model, num_heads):", "self, d_model, num_heads, scale=False):")
    root = own(off, ("/ math.sqrt(self.d)", "/ (math.sqrt(self.d) if scale else 1)"))
    kept = root.replace("super().__init__()", "super().__init__()\n        self.scale = scale")
    assert errors(verdict_of(kept.replace("if scale", "if self.scale"))) == []
    assert errors(verdict_of(kept.replace("math.sqrt(self.d) if scale", "self.d if self.scale"))) == [
        "scale_without_root"
    ]


@pytest.mark.parametrize(
    "said", rest_slow(1, ["마스크는 1이 가려지는 위치(패딩), 0이 보이는 위치입니다.", "1은 가린다, 0은 본다"])
)
def test_what_one_in_a_mask_means_may_be_said_in_korean(said):
    hides = attention("scores.masked_fill(mask == 1, -1e9)", f"# {said}")
    assert errors(verdict_of(hides)) == []
    assert errors(verdict_of(hides.replace("mask == 1", "mask == 0"))) == ["mask_inverted"]
    shows = attention("scores.masked_fill(mask == 0, -1e9)", "# 마스크는 1이면 볼 수 있고 0이면 볼 수 없음")
    assert errors(verdict_of(shows)) == []
    assert errors(verdict_of(shows.replace("mask == 0", "mask == 1"))) == ["mask_inverted"]


@pytest.mark.parametrize("arguments", rest_slow(2, ["d, n", "N, d", "n, d", "d, t", "d, p"]))
def test_the_number_of_heads_may_be_called_by_a_letter(arguments):
    width, heads = sorted(arguments.split(", "), key=lambda name: name != "d")
    text = own(("self, d_model, num_heads", f"self, {arguments}"))
    text = text.replace("num_heads", heads).replace("d_model", width)
    assert verdict_of(text).checks["output"].status == "pass"
    assert errors(verdict_of(text.replace("/ math.sqrt(self.d)", ""))) == ["scale_missing"]


@pytest.mark.parametrize(
    ("called", "base"), rest_slow(1, [("__call__", ""), ("forward", ""), ("__call__", "(nn.Module)")])
)
def test_a_class_need_not_be_a_module_nor_have_a_forward(called, base):
    text = own(("(nn.Module)", base), ("def forward", f"def {called}"))
    text = text if base else text.replace("        super().__init__()\n", "")
    verdict = verdict_of(text)
    assert errors(verdict) == []
    assert verdict.checks["output"].status == "pass"
    assert errors(verdict_of(text.replace("/ math.sqrt(self.d)", ""))) == ["scale_missing"]


ALONE = """
import torch
from torch import nn

class SelfAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.size, self.heads = width // heads, heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x):
        n, width = x.shape  # one sentence
        found = []
        for a in range(0, width, self.size):
            q, k, v = (layer(x)[:, a : a + self.size] for layer in (self.query, self.key, self.value))
            found.append(torch.mm((torch.mm(q, k.t()) / self.size**0.5).softmax(dim=1), v))
        return self.out(torch.cat(found, dim=1))
"""


def test_one_sequence_may_come_without_a_batch():
    verdict = verdict_of(ALONE)
    assert errors(verdict) == []
    assert verdict.checks["output"].status == "pass"
    assert errors(verdict_of(ALONE.replace("softmax(dim=1)", "softmax(dim=0)"))) == ["softmax_over_queries"]
    assert errors(verdict_of(ALONE.replace("/ self.size**0.5", "/ self.size"))) == ["scale_without_root"]
