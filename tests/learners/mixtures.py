"""Implementations put together at random from ways of writing each step, right ones and known mistakes."""

import random
from itertools import combinations

NETWORK = """\
import numpy as np


def activation(t):
    return {sigmoid}


class {name}:
    def __init__(self, {sizes}):
        rng = np.random.RandomState(0)
        self.{W1} = rng.randn({shape1}) * {spread}
        self.{b1} = np.zeros({bias1})
        self.{W2} = rng.randn({shape2}) * {spread2}
        self.{b2} = np.zeros({bias2})

    def forward(self, X):
        z1 = {z1}
        a1 = {h}
        z2 = {z2}
        y = {y}
        self.saved = (X, z1, a1, y)
        return y

    def {loss_name}(self, Y, y):
        return {loss}

    def backward(self, X, Y):
        X, z1, a1, y = self.saved
        d2 = {dz2}
        gW2 = {dW2}
        gb2 = {db2}
        back = {dh}
        d1 = {dz1}
        gW1 = {dW1}
        gb1 = {db1}
        return {{"W1": gW1, "b1": gb1, "W2": gW2, "b2": gb2}}

    def step(self, X, Y, lr):
        self.forward(X)
        g = self.backward(X, Y)
        self.{W1} {minus} lr * g["W1"]{average}
        self.{b1} {minus} lr * g["b1"]{average}
        self.{W2} {minus} lr * g["W2"]{average}
        self.{b2} {minus} lr * g["b2"]{average}
"""

# What each blank may hold, all of them right; rows of examples, or columns.
RIGHT = {
    "sigmoid": ("1 / (1 + np.exp(-t))", "0.5 * np.tanh(0.5 * t) + 0.5", "np.where(t > 0, 1 / (1 + np.exp(-np.abs(t))), np.exp(-np.abs(t)) / (1 + np.exp(-np.abs(t))))"),
    "name": ("Net", "TwoLayerNet", "MLP", "NeuralNetwork"),
    "sizes": ("n_in, n_hidden, n_out", "input_dim, hidden_dim, num_classes"),
    "W1": ("W1", "w1", "weights_hidden"),
    "b1": ("b1", "bias_hidden"),
    "W2": ("W2", "w2", "weights_output"),
    "b2": ("b2", "bias_output"),
    "spread": ("np.sqrt(2 / ({D} + {H}))", "1 / np.sqrt({D})"),
    "spread2": ("np.sqrt(2 / ({H} + {C}))", "1 / np.sqrt({H})"),
    "loss_name": ("loss", "compute_loss", "cross_entropy"),
}  # fmt: skip
ROWS = {
    "shape1": ("{D}, {H}",),
    "shape2": ("{H}, {C}",),
    "bias1": ("{H}", "(1, {H})"),
    "bias2": ("{C}", "(1, {C})"),
    "z1": ("X @ self.{W1} + self.{b1}", "np.dot(X, self.{W1}) + self.{b1}", "X.dot(self.{W1}) + self.{b1}"),
    "h": ("activation(z1)",),
    "z2": ("a1 @ self.{W2} + self.{b2}", "np.matmul(a1, self.{W2}) + self.{b2}"),
    "y": (
        "np.exp(z2 - z2.max(axis=1, keepdims=True)) / np.exp(z2 - z2.max(axis=1, keepdims=True)).sum(axis=1, keepdims=True)",
        "(lambda e: e / e.sum(1)[:, None])(np.exp(z2 - np.max(z2, axis=1)[:, np.newaxis]))",
    ),
    "loss": (
        "-np.sum(Y * np.log(y + 1e-12)) / len(Y)",
        "-np.mean(np.sum(Y * np.log(np.clip(y, 1e-12, 1)), axis=1))",
    ),
    "dz2": ("(y - Y) / len(X)", "(y - Y) / X.shape[0]"),
    "dW2": ("a1.T @ d2", "np.dot(a1.T, d2)", "np.einsum('nh,nc->hc', a1, d2)"),
    "db2": (
        "d2.sum(axis=0)",
        "np.sum(d2, axis=0, keepdims=True).reshape(self.{b2}.shape)",
        "np.ones(len(d2)) @ d2",
    ),
    "dh": ("d2 @ self.{W2}.T", "np.dot(d2, self.{W2}.T)"),
    "dz1": ("back * a1 * (1 - a1)", "back * (a1 - a1**2)", "back * activation(z1) * (1 - activation(z1))"),
    "dW1": ("X.T @ d1", "np.dot(d1.T, X).T"),
    "db1": ("d1.sum(axis=0)", "np.sum(d1, 0)"),
}
COLUMNS = {
    "shape1": ("{H}, {D}",),
    "shape2": ("{C}, {H}",),
    "bias1": ("({H}, 1)",),
    "bias2": ("({C}, 1)",),
    "z1": ("self.{W1} @ X + self.{b1}", "np.dot(self.{W1}, X) + self.{b1}"),
    "h": ("activation(z1)",),
    "z2": ("self.{W2} @ a1 + self.{b2}",),
    "y": ("np.exp(z2 - z2.max(axis=0)) / np.exp(z2 - z2.max(axis=0)).sum(axis=0)",),
    "loss": ("-np.sum(Y * np.log(y + 1e-12)) / Y.shape[1]", "-np.sum(Y * np.log(np.maximum(y, 1e-15)), axis=0).mean()"),
    "dz2": ("(y - Y) / X.shape[1]",),
    "dW2": ("d2 @ a1.T", "np.dot(d2, a1.T)"),
    "db2": ("d2.sum(axis=1, keepdims=True)", "np.sum(d2, axis=1).reshape(-1, 1)"),
    "dh": ("self.{W2}.T @ d2",),
    "dz1": ("back * a1 * (1 - a1)", "np.multiply(back, a1 - np.power(a1, 2))"),
    "dW1": ("d1 @ X.T",),
    "db1": ("d1.sum(axis=1, keepdims=True)",),
}  # fmt: skip

# One blank filled wrongly, rows of examples.
WRONG = {
    "bias_missing": ("z1", "X @ self.{W1}"),
    "hidden_without_activation": ("h", "z1"),
    "softmax_wrong_axis": ("y", "np.exp(z2) / np.exp(z2).sum(axis=0, keepdims=True)"),
    "softmax_over_batch": ("y", "np.exp(z2 - z2.max()) / np.exp(z2 - z2.max()).sum()"),
    "loss_summed": ("loss", "-np.sum(Y * np.log(y + 1e-12))"),
    "loss_averaged_over_classes": ("loss", "-np.mean(Y * np.log(y + 1e-12))"),
    "loss_sign": ("loss", "np.sum(Y * np.log(y + 1e-12)) / len(Y)"),
    "loss_not_the_one_differentiated": ("loss", "np.mean((y - Y) ** 2)"),
    "gradient_not_averaged": ("dz2", "y - Y"),
    "gradient_averaged_twice": ("dW1", "X.T @ d1 / len(X)"),
    "slope_forgotten": ("dz1", "back"),
    "slope_of_activated_value": ("dz1", "back * activation(a1) * (1 - activation(a1))"),
    "slope_applied_twice": ("dz1", "back * (a1 * (1 - a1)) ** 2"),
    "slope_of_another_activation": ("dz1", "back * (1 - a1**2)"),
    "bias_gradient_scalar": ("db1", "np.sum(d1)"),
    "bias_gradient_wrong_axis": ("db2", "d2.sum(axis=1)"),
    "bias_gradient_before_slope": ("db1", "back.sum(axis=0)"),
    "gradient_sign": ("dz2", "(Y - y) / len(X)"),
    "update_ascends": ("minus", "+="),
    "init_zero_weights": ("spread", "0"),
}

ATTENTION = """\
import math

import torch
import torch.nn.functional as F
from torch import nn


class {name}(nn.Module):
    def __init__(self, {sizes}):
        super().__init__()
        self.heads = {A}
        self.d_head = {M} // {A}
        self.{Wq} = nn.Linear({M}, {M}, bias={bias})
        self.{Wk} = nn.Linear({M}, {M}, bias={bias})
        self.{Wv} = nn.Linear({M}, {M}, bias={bias})
        self.{Wo} = nn.Linear({M}, {M})

    def split(self, t):
        b, n, _ = t.shape
        return {split}

    def forward(self, x, mask=None):
        b, n, m = x.shape
        q = self.split({queries})
        k = self.split({keys})
        v = self.split({values})
        scores = {scores}
        if mask is not None:
            scores = {masked}
        weights = {weights}
        mixed = {mixed}
        merged = {merged}
        return {output}
"""
ATTENTION_RIGHT = {
    "name": ("MultiHeadAttention", "SelfAttention", "MHA"),
    "sizes": ("num_heads, model_dim", "d_model, n_heads", "embed_dim, num_heads"),
    "bias": ("True", "False"),
    "Wq": ("query_proj", "wq", "to_q", "q_linear"),
    "Wk": ("key_proj", "wk", "to_k", "k_linear"),
    "Wv": ("value_proj", "wv", "to_v", "v_linear"),
    "Wo": ("out_proj", "wo", "to_out", "fc_out"),
    "split": (
        "t.view(b, n, self.heads, self.d_head).transpose(1, 2)",
        "t.reshape(b, n, self.heads, -1).permute(0, 2, 1, 3)",
        "torch.stack(t.split(self.d_head, dim=-1), dim=1)",
    ),
    "queries": ("self.{Wq}(x)",),
    "keys": ("self.{Wk}(x)",),
    "values": ("self.{Wv}(x)",),
    "scores": (
        "q @ k.transpose(-2, -1) / math.sqrt(self.d_head)",
        "torch.matmul(q, k.transpose(2, 3)) * self.d_head**-0.5",
        "torch.einsum('bhid,bhjd->bhij', q, k) / self.d_head**0.5",
        "(q / math.sqrt(self.d_head)) @ k.mT",
    ),
    "masked": ("scores.masked_fill(mask == 0, -1e9)", "torch.where(mask.bool(), scores, torch.tensor(-1e9, dtype=scores.dtype))"),
    "weights": ("F.softmax(scores, dim=-1)", "scores.softmax(-1)", "torch.softmax(scores, dim=3)"),
    "mixed": ("weights @ v", "torch.matmul(weights, v)", "torch.einsum('bhij,bhjd->bhid', weights, v)"),
    "merged": (
        "mixed.transpose(1, 2).reshape(b, n, m)",
        "mixed.permute(0, 2, 1, 3).contiguous().view(b, n, m)",
        "torch.cat(mixed.unbind(1), dim=-1)",
    ),
    "output": ("self.{Wo}(merged)",),
}  # fmt: skip
ATTENTION_WRONG = {
    "scale_missing": ("scores", "q @ k.transpose(-2, -1)"),
    "scale_by_model_dim": ("scores", "q @ k.transpose(-2, -1) / math.sqrt(m)"),
    "scale_without_root": ("scores", "q @ k.transpose(-2, -1) / self.d_head"),
    "scale_multiplied": ("scores", "q @ k.transpose(-2, -1) * math.sqrt(self.d_head)"),
    "split_without_transpose": ("split", "t.reshape(b, self.heads, n, self.d_head)"),
    "merge_without_transpose": ("merged", "mixed.reshape(b, n, m)"),
    "softmax_over_queries": ("weights", "scores.softmax(dim=-2)"),
    "softmax_over_heads": ("weights", "scores.softmax(dim=1)"),
    "softmax_missing": ("weights", "scores"),
    "output_projection_missing": ("output", "merged"),
    "attention_transposed": ("mixed", "weights.transpose(-2, -1) @ v"),
    "projection_unused": ("values", "x"),
    "projection_reused": ("values", "self.{Wk}(x)"),
    "mask_inverted": ("masked", "scores.masked_fill(mask == 1, -1e9)"),
    "mask_fill_too_small": ("masked", "scores.masked_fill(mask == 0, -2.0)"),
    "mask_discarded": ("masked", "scores + 0.0 * 1"),
    "mask_multiplied_before_softmax": ("masked", "scores * mask"),
    "residual_added": ("output", "self.{Wo}(merged) + x"),
}


def _filled(template, blanks, draw):
    chosen = {key: draw.choice(ways) for key, ways in blanks.items()}
    sizes = [name.strip() for name in chosen["sizes"].split(",")]
    if "Wq" in chosen:
        heads = next(name for name in sizes if "head" in name)
        names = {"A": heads, "M": next(name for name in sizes if name != heads)}
    else:
        names = dict(zip("DHC", sizes, strict=True))
    names |= {key: chosen[key] for key in ("W1", "b1", "W2", "b2", "Wq", "Wk", "Wv", "Wo") if key in chosen}
    return template.format(**{key: way.format(**names) for key, way in chosen.items()}, **{
        key: value for key, value in names.items() if key not in chosen
    })  # fmt: skip


def network(seed, mistakes=()):
    """A network; where mistakes are asked for, with those, in rows of examples."""
    draw = random.Random(seed)
    columns = not mistakes and draw.random() < 0.4
    late = not mistakes and draw.random() < 0.3  # summed in backward, divided in the step
    blanks = {**RIGHT, **(COLUMNS if columns else ROWS), "minus": ("-=",), "average": ("",)}
    if late:
        blanks["dz2"] = ("y - Y",)
        blanks["average"] = (" / X.shape[1]",) if columns else (" / len(X)",)
    elif not mistakes and draw.random() < 0.3:
        blanks["dz2"], blanks["minus"] = (
            (("(Y - y) / X.shape[1]",) if columns else ("(Y - y) / len(X)",)),
            ("+=",),
        )
    for mistake in mistakes:
        blank, way = WRONG[mistake]
        blanks[blank] = (way,)
    return _filled(NETWORK, blanks, draw)


def attention(seed, mistakes=()):
    """An attention; where mistakes are asked for, with those."""
    draw = random.Random(seed)
    blanks = dict(ATTENTION_RIGHT)
    for mistake in mistakes:
        blank, way = ATTENTION_WRONG[mistake]
        blanks[blank] = (way,)
    return _filled(ATTENTION, blanks, draw)


def pairs(wrong):
    """Every two mistakes that do not stand in the same blank."""
    return [(one, two) for one, two in combinations(wrong, 2) if wrong[one][0] != wrong[two][0]]
