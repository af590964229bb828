"""Attention against closed forms, a slow loop, PyTorch's own, autograd and laws."""

import copy
import pickle
import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from clearhead import attention as steps
from clearhead.attention import CustomMultiHeadAttention, MultiHeadAttention

B, T, HEADS, HEAD_DIM = 2, 5, 3, 4
MODEL_DIM = HEADS * HEAD_DIM
NOT_A_MULTIPLE = MODEL_DIM + 2
PROJECTIONS = {
    "q": "query_proj", "k": "key_proj", "v": "value_proj", "o": "out_proj",
}  # fmt: skip
LIMITS = {torch.float32: 5e-6, torch.float64: 1e-12}
ZERO = {torch.float32: 1e-5, torch.float64: 1e-13}
FLOATS = pytest.mark.parametrize("dtype", LIMITS, ids=["float32", "float64"])
KEEPING = pytest.mark.parametrize("keeping", [False, True], ids=["fused", "keep"])


def drawn(dtype=torch.float64, model_dim=MODEL_DIM, heads=HEADS, tokens=T, sequences=B):
    """Attention with biases that are not zero, tokens, and an error for its output."""
    torch.manual_seed(0)
    attention = MultiHeadAttention(heads, model_dim).to(dtype)
    for projection in PROJECTIONS.values():
        nn.init.normal_(getattr(attention, projection).bias)
    x, doutput = torch.randn(2, sequences, tokens, model_dim, dtype=dtype)
    return attention, x.requires_grad_(), doutput


def random_mask():
    """Half of it True; for the second sequence, the third query may attend to nothing at all,
    and for the first, its last query has one head without a key."""
    mask = torch.rand(B, HEADS, T, T, generator=torch.Generator().manual_seed(1)) < 0.5
    mask |= torch.eye(T, dtype=torch.bool)
    mask[1, :, 2] = False
    mask[0, 1, 4] = False
    return mask


def padding():
    """(B,1,1,S): the first sequence has three tokens only."""
    return torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], dtype=torch.bool)[:, None, None]


MASKS = {
    "no mask": {},
    "causal": {"causal": True},
    "padding": {"mask": padding()},
    "random": {"mask": random_mask()},
    "padding and causal": {"mask": padding(), "causal": True},
    "random and causal": {"mask": random_mask(), "causal": True},
    "nothing at all": {"mask": torch.zeros(1, dtype=torch.bool)},
}
MASKED = pytest.mark.parametrize("masks", MASKS.values(), ids=MASKS)


def allowed(mask=None, causal=False, sizes=(B, HEADS, T, T)):
    """True or False for every pair, asked one at a time."""
    table = torch.ones(sizes, dtype=torch.bool)
    given = table if mask is None else mask.expand(sizes)
    for index in np.ndindex(*sizes):
        later = index[3] > index[2]
        table[index] = bool(given[index]) and not (causal and later)
    return table


def weights_of(attention):
    """Wq, bq, … as tensors of their own in float64, that gradients can be asked for."""
    return {
        f"{kind}{letter}": getattr(getattr(attention, projection), name)
        .detach().double().clone().requires_grad_()
        for letter, projection in PROJECTIONS.items()
        for kind, name in (("W", "weight"), ("b", "bias"))
    }  # fmt: skip


def slow_loop(attention, x, table):
    """A query, a head and a sequence at a time, in float64; output, its tokens, its weights."""
    p, A, K = weights_of(attention), attention.num_heads, attention.head_dim
    x = x.detach().double().clone().requires_grad_()
    sequences = []
    for b in range(x.shape[0]):
        queries, keys, values = (
            [p[f"W{letter}"] @ token + p[f"b{letter}"] for token in x[b]] for letter in "qkv"
        )
        tokens = []
        for t in range(x.shape[1]):
            heads = []
            for a in range(A):
                part = slice(a * K, (a + 1) * K)
                powers = {
                    s: torch.exp((queries[t][part] * keys[s][part]).sum() / np.sqrt(K))
                    for s in range(x.shape[1]) if table[b, a, t, s]
                }  # fmt: skip
                total = sum(powers.values())
                head = torch.zeros(K, dtype=torch.float64)
                for s, power in powers.items():
                    head = head + power / total * values[s][part]
                heads.append(head)
            tokens.append(p["Wo"] @ torch.cat(heads) + p["bo"])
        sequences.append(torch.stack(tokens))
    return torch.stack(sequences), x, p


def by_hand(attention, x, table):
    """The library's fused function between matrix products, in float64."""
    p = weights_of(attention)
    x = x.detach().double().clone().requires_grad_()
    q, k, v = (
        torch.stack((x @ p[f"W{letter}"].T + p[f"b{letter}"]).chunk(attention.num_heads, -1), 1)
        for letter in "qkv"
    )
    heads = F.scaled_dot_product_attention(q, k, v, attn_mask=table)
    return torch.cat(heads.unbind(1), -1) @ p["Wo"].T + p["bo"], x, p


def pytorch_module(attention, x, table):
    """nn.MultiheadAttention with our weights loaded, in float64."""
    p = weights_of(attention)
    x = x.detach().double().clone().requires_grad_()
    theirs = nn.MultiheadAttention(
        attention.model_dim, attention.num_heads, batch_first=True, dtype=torch.float64
    )
    loaded = {
        "in_proj_weight": torch.cat([p["Wq"], p["Wk"], p["Wv"]]),
        "in_proj_bias": torch.cat([p["bq"], p["bk"], p["bv"]]),
        "out_proj.weight": p["Wo"],
        "out_proj.bias": p["bo"],
    }
    forbidden = ~table.flatten(0, 1)
    output, _ = torch.func.functional_call(
        theirs, loaded, (x, x, x), {"attn_mask": forbidden, "need_weights": False}
    )
    return output, x, p


def made_by(attention, x, doutput, **arguments):
    """Output and every gradient of ours, by name."""
    attention.zero_grad()
    x = x.detach().clone().requires_grad_()
    output = attention(x, **arguments)
    output.backward(doutput)
    named = {
        f"d{kind}{letter}": getattr(getattr(attention, projection), name).grad.clone()
        for letter, projection in PROJECTIONS.items()
        for kind, name in (("W", "weight"), ("b", "bias"))
    }
    return {"output": output.detach(), "dx": x.grad} | named


def made_with(reference, attention, x, doutput, table):
    output, x, p = reference(attention, x, table)
    grads = torch.autograd.grad(output, [x, *p.values()], doutput.double(), materialize_grads=True)
    names = ["dx", *(f"d{name}" for name in p)]
    return {"output": output.detach()} | dict(zip(names, grads, strict=True))


def assert_norm_ratios(ours, theirs, dtype):
    assert set(ours) == set(theirs)
    for name, value in ours.items():
        assert value.dtype == dtype, name
        assert value.shape == theirs[name].shape, name
        expected = theirs[name].double()
        if name == "dbk" or not expected.any():
            torch.testing.assert_close(value, torch.zeros_like(value), rtol=0, atol=ZERO[dtype], msg=name)
            continue
        ratio = ((value.double() - expected).norm() / expected.norm()).item()
        assert ratio <= LIMITS[dtype], f"{name}: {ratio:.2g}"


def assert_exact(ours, theirs, name=None):
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0, msg=name)


# Closed forms


def identity(tokens_dim, heads=1):
    """Attention whose four projections change nothing."""
    attention = MultiHeadAttention(heads, tokens_dim).double()
    for projection in PROJECTIONS.values():
        nn.init.eye_(getattr(attention, projection).weight)
        nn.init.zeros_(getattr(attention, projection).bias)
    return attention


@KEEPING
def test_two_tokens_of_one_number_are_worked_out_by_hand(keeping):
    x = torch.tensor([[[0.0], [np.log(3)]]], dtype=torch.float64)
    # The first query fits both alike: 1/2. The second's scores are 0 and log² 3.
    second = np.exp(np.log(3) ** 2) / (1 + np.exp(np.log(3) ** 2))
    expected = [[[np.log(3) / 2], [np.log(3) * second]]]
    output = identity(1)(x, keep={} if keeping else None)
    np.testing.assert_allclose(output.detach(), expected, rtol=1e-14)


def test_scores_are_divided_by_the_root_of_head_dim():
    q = torch.ones(1, 1, 1, 16)
    np.testing.assert_array_equal(steps.attention_scores(q, q), [[[[4.0]]]])


def test_weights_are_shares_of_the_allowed_keys():
    scores = torch.log(torch.tensor([[1.0, 2, 5], [1, 2, 5], [1, 2, 5]]))
    mask = torch.tensor([[1, 1, 1], [1, 1, 0], [0, 0, 0]]).bool()
    expected = [[1 / 8, 2 / 8, 5 / 8], [1 / 3, 2 / 3, 0], [0, 0, 0]]
    np.testing.assert_allclose(steps.attention_weights(scores, mask), expected, rtol=1e-6)


@KEEPING
def test_tokens_that_are_all_alike_get_their_own_value_back(keeping):
    x = torch.randn(1, 1, 4, dtype=torch.float64).expand(2, 5, 4)
    torch.testing.assert_close(identity(4, heads=2)(x, keep={} if keeping else None), x)


@KEEPING
def test_causal_attention_gives_the_first_token_itself(keeping):
    attention, x, _ = drawn()
    output = attention(x, causal=True, keep={} if keeping else None)
    alone = attention.out_proj(attention.value_proj(x[:, 0]))
    torch.testing.assert_close(output[:, 0], alone)


@KEEPING
def test_the_first_head_is_the_first_stretch_of_numbers(keeping):
    """Only the first head's part of value_proj is left: only that part of merged is not zero."""
    attention, x, _ = drawn()
    nn.init.eye_(attention.out_proj.weight)
    nn.init.zeros_(attention.out_proj.bias)
    with torch.no_grad():
        attention.value_proj.weight[HEAD_DIM:] = 0
        attention.value_proj.bias[HEAD_DIM:] = 0
    output = attention(x, keep={} if keeping else None)
    assert (output[..., :HEAD_DIM] != 0).all()
    assert (output[..., HEAD_DIM:] == 0).all()


# The slow loop and the libraries


@FLOATS
@MASKED
@pytest.mark.parametrize("model_dim", [MODEL_DIM, NOT_A_MULTIPLE])
def test_output_and_gradients_equal_a_slow_loop(model_dim, masks, dtype):
    attention, x, doutput = drawn(dtype, model_dim)
    theirs = made_with(slow_loop, attention, x, doutput, allowed(**masks))
    assert_norm_ratios(made_by(attention, x, doutput, **masks), theirs, dtype)
    assert_norm_ratios(made_by(attention, x, doutput, keep={}, **masks), theirs, dtype)


@FLOATS
@MASKED
@pytest.mark.parametrize("reference", [by_hand, pytorch_module])
def test_output_and_gradients_equal_the_libraries(reference, masks, dtype):
    attention, x, doutput = drawn(dtype)
    table = allowed(**masks)
    # A query without a key is nan in the libraries, or not, by version: it gets every key there,
    # no error comes to it, and its output is not compared. The slow loop covers it.
    seen = table.any(dim=-1)
    doutput = doutput * seen.all(dim=1)[..., None]
    theirs = made_with(reference, attention, x, doutput, table | ~seen[..., None])
    for keep in (None, {}):
        ours = made_by(attention, x, doutput, keep=keep, **masks)
        theirs["output"] = torch.where(seen.all(dim=1)[..., None], theirs["output"], ours["output"].double())
        assert_norm_ratios(ours, theirs, dtype)


@FLOATS
@MASKED
@pytest.mark.parametrize("model_dim", [MODEL_DIM, NOT_A_MULTIPLE])
def test_keeping_the_values_changes_neither_output_nor_gradients(model_dim, masks, dtype):
    attention, x, doutput = drawn(dtype, model_dim)
    fused = made_by(attention, x, doutput, **masks)
    assert_norm_ratios(made_by(attention, x, doutput, keep={}, **masks), fused, dtype)


@pytest.mark.parametrize("heads", [1, 2, 8])
def test_any_number_of_heads_equals_the_library(heads):
    attention, x, doutput = drawn(model_dim=24, heads=heads, tokens=7)
    table = allowed(sizes=(B, heads, 7, 7))
    theirs = made_with(pytorch_module, attention, x, doutput, table)
    assert_norm_ratios(made_by(attention, x, doutput), theirs, torch.float64)
    assert_norm_ratios(made_by(attention, x, doutput, keep={}), theirs, torch.float64)


# What is kept


KEPT = {
    "x": (B, T, NOT_A_MULTIPLE),
    **dict.fromkeys(("queries", "keys", "values", "merged"), (B, T, MODEL_DIM)),
    **dict.fromkeys(("q", "k", "v", "heads"), (B, HEADS, T, HEAD_DIM)),
    **dict.fromkeys(("scores", "mask", "weights"), (B, HEADS, T, T)),
    "output": (B, T, NOT_A_MULTIPLE),
}


@MASKED
def test_an_empty_dictionary_is_filled_with_every_value_in_its_shape(masks):
    attention, x, _ = drawn(model_dim=NOT_A_MULTIPLE)
    keep = {}
    output = attention(x, keep=keep, **masks)
    assert {name: tuple(value.shape) for name, value in keep.items()} == KEPT
    assert_exact(keep["output"], output)
    assert_exact(keep["x"], x)
    assert_exact(keep["mask"], allowed(**masks))


def test_without_a_mask_every_pair_is_kept_as_allowed():
    attention, x, _ = drawn()
    keep = {}
    attention(x, keep=keep)
    assert keep["mask"].dtype == torch.bool
    assert keep["mask"].all()


def test_what_the_dictionary_held_before_stays_and_a_second_run_replaces_the_values():
    attention, x, _ = drawn()
    keep = {"note": "mine"}
    attention(x, keep=keep)
    attention(2 * x, keep=keep)
    assert keep["note"] == "mine"
    assert_exact(keep["x"], 2 * x)


@MASKED
def test_the_kept_weights_are_shares_and_give_nothing_where_nothing_is_allowed(masks):
    attention, x, _ = drawn()
    keep = {}
    attention(x, keep=keep, **masks)
    table = allowed(**masks)
    assert (keep["weights"][~table] == 0).all()
    assert (keep["weights"][table] > 0).all()
    torch.testing.assert_close(keep["weights"].sum(dim=-1), table.any(dim=-1).double())


@FLOATS
@MASKED
@pytest.mark.parametrize("model_dim", [MODEL_DIM, NOT_A_MULTIPLE])
def test_the_values_of_the_class_equal_the_steps_one_by_one_bit_for_bit(model_dim, masks, dtype):
    attention, x, doutput = drawn(dtype, model_dim)
    keep, A = {}, HEADS
    attention(x, keep=keep, **masks)
    (Wq, bq), (Wk, bk), (Wv, bv), (Wo, bo) = (
        getattr(attention, projection).parameters() for projection in PROJECTIONS.values()
    )
    mask = allowed(**masks)
    queries = steps.query_projection(x, Wq, bq)
    keys = steps.key_projection(x, Wk, bk)
    values = steps.value_projection(x, Wv, bv)
    q, k = steps.head_queries(queries, A), steps.head_keys(keys, A)
    v = steps.head_values(values, A)
    scores = steps.attention_scores(q, k)
    weights = steps.attention_weights(scores, mask)
    heads = steps.head_outputs(weights, v)
    merged = steps.merged_heads(heads)
    output = steps.output_projection(merged, Wo, bo)
    made = {
        "x": x, "queries": queries, "keys": keys, "values": values, "q": q, "k": k, "v": v,
        "scores": scores, "mask": mask, "weights": weights, "heads": heads, "merged": merged,
        "output": output,
    }  # fmt: skip
    assert set(keep) == set(made)
    for name, value in made.items():
        assert_exact(keep[name], value, name)

    dmerged = steps.merged_error(doutput, Wo)
    dheads = steps.heads_error(dmerged, A)
    dweights = steps.weights_error(dheads, v)
    dv = steps.value_error(weights, dheads)
    dscores = steps.scores_error(weights, dweights)
    dq, dk = steps.query_error(dscores, k), steps.key_error(dscores, q)
    dqueries, dkeys = steps.queries_error(dq), steps.keys_error(dk)
    dvalues = steps.values_error(dv)
    dx_query = steps.error_as_query(dqueries, Wq)
    dx_key = steps.error_as_key(dkeys, Wk)
    dx_value = steps.error_as_value(dvalues, Wv)
    made = {
        "dmerged": dmerged, "dheads": dheads, "dweights": dweights, "dv": dv, "dscores": dscores,
        "dq": dq, "dk": dk, "dqueries": dqueries, "dkeys": dkeys, "dvalues": dvalues,
        "dWq": steps.query_weight_gradient(dqueries, x), "dbq": steps.query_bias_gradient(dqueries),
        "dWk": steps.key_weight_gradient(dkeys, x), "dbk": steps.key_bias_gradient(dkeys),
        "dWv": steps.value_weight_gradient(dvalues, x), "dbv": steps.value_bias_gradient(dvalues),
        "dWo": steps.out_weight_gradient(doutput, merged), "dbo": steps.out_bias_gradient(doutput),
        "dx_query": dx_query, "dx_key": dx_key, "dx_value": dx_value,
        "dx": steps.token_error(dx_query, dx_key, dx_value),
    }  # fmt: skip
    gradients = attention.gradients(doutput, keep)
    assert set(gradients) == set(made)
    for name, value in made.items():
        assert_exact(gradients[name], value, name)


# The chain rule by hand


@MASKED
@pytest.mark.parametrize("model_dim", [MODEL_DIM, NOT_A_MULTIPLE])
def test_the_gradients_by_hand_equal_autograd_for_every_name(model_dim, masks):
    attention, x, doutput = drawn(model_dim=model_dim)
    keep = {}
    output = attention(x, keep=keep, **masks)
    ours = attention.gradients(doutput, keep)

    leaves = {f"d{name}": keep[name] for name in (
        "merged", "heads", "weights", "v", "scores", "q", "k", "queries", "keys", "values", "x")}  # fmt: skip
    for letter, projection in PROJECTIONS.items():
        leaves[f"dW{letter}"], leaves[f"db{letter}"] = getattr(attention, projection).parameters()
    grads = torch.autograd.grad(output, list(leaves.values()), doutput, retain_graph=True)
    theirs = dict(zip(leaves, grads, strict=True))
    for path, made in (("query", "queries"), ("key", "keys"), ("value", "values")):
        (theirs[f"dx_{path}"],) = torch.autograd.grad(keep[made], x, theirs[f"d{made}"], retain_graph=True)
    assert not any(gradient.requires_grad for gradient in ours.values())
    assert_norm_ratios(ours, theirs, torch.float64)


def test_the_gradients_by_hand_equal_central_differences():
    attention, x, doutput = drawn(model_dim=NOT_A_MULTIPLE)
    keep, masks = {}, MASKS["random and causal"]
    attention(x, keep=keep, **masks)
    ours = attention.gradients(doutput, keep)
    generator, width = torch.Generator().manual_seed(2), 1e-4
    places = {f"dW{letter}": getattr(attention, projection).weight
              for letter, projection in PROJECTIONS.items()} | {"dx": x}  # fmt: skip
    with torch.no_grad():
        for name, place in places.items():
            way = torch.randn(place.shape, dtype=torch.float64, generator=generator)
            losses = []
            for sign in (1, -1):
                place += sign * width * way
                losses.append((attention(x, **masks) * doutput).sum())
                place -= sign * width * way
            slope = (losses[0] - losses[1]) / (2 * width)
            torch.testing.assert_close((ours[name] * way).sum(), slope, rtol=1e-6, atol=1e-7)


# A query that may attend to nothing


@FLOATS
@KEEPING
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_a_query_without_a_key_gets_the_bias_and_finite_gradients(training, keeping, dtype):
    attention, x, doutput = drawn(dtype)
    attention.train(training)
    mask = random_mask()
    made = made_by(attention, x, doutput, mask=mask, keep={} if keeping else None)
    assert_exact(made["output"][1, 2], attention.out_proj.bias.detach())
    for name, value in made.items():
        assert value.isfinite().all(), name
    with torch.no_grad():
        output = attention(x, mask=mask, keep={} if keeping else None)
    assert output.isfinite().all()
    assert_exact(output[1, 2], attention.out_proj.bias)
    torch.testing.assert_close(output, made["output"])


@KEEPING
def test_where_no_query_has_a_key_only_the_output_bias_learns(keeping):
    attention, x, doutput = drawn()
    nothing = torch.zeros(T, T, dtype=torch.bool)
    made = made_by(attention, x, doutput, mask=nothing, keep={} if keeping else None)
    assert_exact(made.pop("output"), attention.out_proj.bias.detach().expand(B, T, -1))
    torch.testing.assert_close(made.pop("dbo"), doutput.sum(dim=(0, 1)))
    for name, gradient in made.items():
        assert_exact(gradient, torch.zeros_like(gradient), name)


def sliding_window(tokens=640, width=16):
    """Each query sees itself and what came just before; two queries see nothing."""
    far = torch.arange(tokens)[:, None] - torch.arange(tokens)
    mask = (far >= 0) & (far < width)
    mask[[7, 600]] = False
    return mask


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_a_long_sequence_with_a_sliding_window_stays_finite_and_right(training):
    """Fused kernels go through the keys in blocks: late queries see a first block of nothing."""
    attention, x, doutput = drawn(torch.float32, model_dim=8, heads=2, tokens=640)
    attention.train(training)
    mask = sliding_window()
    fused = made_by(attention, x, doutput, mask=mask)
    kept = made_by(attention, x, doutput, mask=mask, keep={})
    with torch.no_grad():
        fused["without gradients"] = attention(x, mask=mask)
        kept["without gradients"] = attention(x, mask=mask, keep={})
    for name, value in fused.items():
        assert value.isfinite().all(), name
        assert kept[name].isfinite().all(), name
    assert_norm_ratios(fused, kept, torch.float32)
    for output in (fused["output"], fused["without gradients"], kept["output"]):
        assert_exact(output[:, [7, 600]], attention.out_proj.bias.detach().expand(B, 2, -1))


# Laws


def test_permuting_the_tokens_permutes_the_outputs():
    attention, x, _ = drawn()
    order = torch.tensor([3, 0, 4, 2, 1])
    torch.testing.assert_close(attention(x[:, order]), attention(x)[:, order])


@KEEPING
def test_a_token_that_nobody_may_attend_to_does_not_leak(keeping):
    attention, x, _ = drawn()
    mask = torch.tensor([True, True, False, True, True])
    changed = x.detach().clone()
    changed[:, 2] = 1e3 * torch.randn(B, MODEL_DIM, dtype=x.dtype)
    before, after = (attention(tokens, mask=mask, keep={} if keeping else None) for tokens in (x, changed))
    others = [0, 1, 3, 4]
    torch.testing.assert_close(after[:, others], before[:, others], rtol=1e-13, atol=1e-13)
    (gradient,) = torch.autograd.grad(before[:, others].sum(), x)
    assert_exact(gradient[:, 2], torch.zeros(B, MODEL_DIM, dtype=x.dtype))


@KEEPING
def test_causal_attention_hides_the_future_whatever_the_mask_says(keeping):
    attention, x, _ = drawn()
    for mask in (None, torch.ones(T, T, dtype=torch.bool)):
        for t in range(T):
            changed = x.detach().clone()
            changed[:, t] += 1
            before, after = (
                attention(tokens, mask=mask, causal=True, keep={} if keeping else None)
                for tokens in (x, changed)
            )
            torch.testing.assert_close(after[:, :t], before[:, :t], rtol=1e-13, atol=1e-13)
            assert (after[:, t:] != before[:, t:]).any(dim=-1).all()


@KEEPING
@MASKED
def test_the_sequences_of_a_batch_know_nothing_of_one_another(masks, keeping):
    attention, x, _ = drawn()
    together = attention(x, keep={} if keeping else None, **masks)
    for b in range(B):
        table = allowed(**masks)[b : b + 1]
        alone = attention(x[b : b + 1], mask=table, keep={} if keeping else None)
        torch.testing.assert_close(together[b : b + 1], alone)


@KEEPING
@pytest.mark.parametrize(
    "shape", [(), (T,), (T, T), (T, 1), (HEADS, 1, 1), (HEADS, T, T), (B, 1, 1, T), (B, 1, T, T),
              (1, HEADS, 1, T), (B, HEADS, T, 1), (B, HEADS, T, T)],
)  # fmt: skip
def test_every_mask_that_broadcasts_means_what_it_means_written_out(shape, keeping):
    attention, x, _ = drawn()
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(3)) < 0.6
    written_out = mask.expand(B, HEADS, T, T).clone()
    torch.testing.assert_close(
        attention(x, mask=mask, keep={} if keeping else None),
        attention(x, mask=written_out, keep={} if keeping else None),
    )


def test_a_mask_is_not_changed():
    attention, x, _ = drawn()
    mask = random_mask()
    attention(x, mask=mask, causal=True)
    attention(x, mask=mask, causal=True, keep={})
    assert_exact(mask, random_mask())


def test_one_token_attends_to_itself():
    attention, x, _ = drawn(tokens=1)
    torch.testing.assert_close(attention(x), attention.out_proj(attention.value_proj(x)))


def test_scores_far_out_stay_finite():
    attention, x, doutput = drawn(torch.float32)
    for keep in (None, {}):
        for name, value in made_by(attention, 1e3 * x, doutput, keep=keep).items():
            assert value.isfinite().all(), name


# The module


def test_both_names_are_one_class():
    assert MultiHeadAttention is CustomMultiHeadAttention


@pytest.mark.parametrize(("model_dim", "head_dim", "all_heads_dim"), [(12, 4, 12), (14, 4, 12)])
def test_the_sizes_are_attributes(model_dim, head_dim, all_heads_dim):
    attention = CustomMultiHeadAttention(num_heads=3, model_dim=model_dim)
    assert attention.num_heads == 3
    assert attention.model_dim == model_dim
    assert attention.head_dim == head_dim
    assert attention.all_heads_dim == all_heads_dim
    shapes = {name: tuple(value.shape) for name, value in attention.named_parameters()}
    assert shapes == {
        **{f"{name}.weight": (12, model_dim) for name in ("query_proj", "key_proj", "value_proj")},
        **{f"{name}.bias": (12,) for name in ("query_proj", "key_proj", "value_proj")},
        "out_proj.weight": (model_dim, 12), "out_proj.bias": (model_dim,),
    }  # fmt: skip
    for projection in PROJECTIONS.values():
        assert type(getattr(attention, projection)) is nn.Linear


def test_splitting_heads_moves_each_number_to_its_place():
    attention, _, _ = drawn()
    tensor = torch.arange(B * T * MODEL_DIM).reshape(B, T, MODEL_DIM)
    split = attention.split_heads(tensor)
    assert split.shape == (B, HEADS, T, HEAD_DIM)
    for b, a, t, d in np.ndindex(B, HEADS, T, HEAD_DIM):
        assert split[b, a, t, d] == tensor[b, t, a * HEAD_DIM + d]
    assert_exact(steps.merged_heads(split), tensor)


def test_the_state_has_eight_names_and_travels_to_another_module():
    attention, x, _ = drawn()
    assert set(attention.state_dict()) == {
        f"{projection}.{name}" for projection in PROJECTIONS.values() for name in ("weight", "bias")
    }
    other = MultiHeadAttention(HEADS, MODEL_DIM).double()
    assert (other(x) != attention(x)).any()
    other.load_state_dict(attention.state_dict(), strict=True)
    assert_exact(other(x), attention(x))


@pytest.mark.parametrize(
    "twin", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))],
    ids=["deepcopy", "pickle"],
)  # fmt: skip
def test_a_copy_gives_the_same_output_and_has_parameters_of_its_own(twin):
    attention, x, _ = drawn()
    attention(x).sum().backward()
    other = twin(attention)
    expected = attention(x).detach()
    assert_exact(other(x).detach(), expected)
    nn.init.zeros_(attention.out_proj.weight)
    assert_exact(other(x).detach(), expected)


@KEEPING
def test_on_the_meta_device_only_the_shapes_are_worked_out(keeping):
    attention = MultiHeadAttention(HEADS, NOT_A_MULTIPLE).to("meta")
    x = torch.empty(B, T, NOT_A_MULTIPLE, device="meta")
    for masks in ({}, {"causal": True}, {"mask": padding().to("meta"), "causal": True}):
        keep = {} if keeping else None
        output = attention(x, keep=keep, **masks)
        assert output.device.type == "meta"
        assert output.shape == x.shape
        if keeping:
            assert {name: tuple(value.shape) for name, value in keep.items()} == KEPT
            assert {value.device.type for value in keep.values()} == {"meta"}


@KEEPING
@MASKED
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["half", "bfloat16"])
def test_half_precision_stays_near_full_precision(dtype, masks, keeping):
    attention, x, doutput = drawn(torch.float32)
    full = made_by(attention, x, doutput, **masks)
    keep = {} if keeping else None
    half = made_by(attention.to(dtype), x.to(dtype), doutput.to(dtype), keep=keep, **masks)
    for name, value in half.items():
        assert value.dtype == dtype, name
        near = 0.05 * full[name].abs().max().item() + 0.05
        torch.testing.assert_close(value.float(), full[name], rtol=0, atol=near, msg=name)
    if keeping:
        assert {value.dtype for name, value in keep.items() if name != "mask"} == {dtype}


def test_large_numbers_in_half_precision_are_finite_and_alike_with_and_without_keep():
    x = 50 * drawn(model_dim=64, heads=1)[1].detach()
    attention, x = identity(64).half(), x.half()
    fused, kept = attention(x), attention(x, keep={})
    assert fused.isfinite().all()
    torch.testing.assert_close(kept, fused, rtol=0.01, atol=0.1)


def test_the_gradients_after_a_forward_under_autocast_are_full_precision_and_near():
    attention, x, doutput = drawn(torch.float32)
    x, masks, full, half = x.detach(), MASKS["random and causal"], {}, {}
    attention(x, keep=full, **masks)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        attention(x, keep=half, **masks)
    expected = attention.gradients(doutput, full)
    for error in (doutput, doutput.bfloat16()):
        for name, value in attention.gradients(error, half).items():
            assert value.dtype == torch.float32, name
            near = 0.05 * expected[name].abs().max().item() + 0.05
            torch.testing.assert_close(value, expected[name], rtol=0, atol=near, msg=name)


@KEEPING
@MASKED
def test_under_autocast_the_output_is_bfloat16_and_near(masks, keeping):
    attention, x, _ = drawn(torch.float32)
    full = attention(x, **masks)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = attention(x, keep={} if keeping else None, **masks)
    assert output.dtype == torch.bfloat16
    torch.testing.assert_close(output.float(), full, rtol=0.05, atol=0.05)
    output.sum().backward()
    for name, parameter in attention.named_parameters():
        assert parameter.grad.dtype == torch.float32
        assert parameter.grad.isfinite().all(), name


def compiled_equals_eager(backend):
    torch._dynamo.reset()
    attention, x, doutput = drawn(torch.float32, NOT_A_MULTIPLE)
    compiled = torch.compile(attention, fullgraph=True, backend=backend)
    for masks in (MASKS["no mask"], MASKS["random and causal"]):
        eager = made_by(attention, x, doutput, **masks)
        for keep in (None, {}):
            attention.zero_grad()
            tokens = x.detach().clone().requires_grad_()
            output = compiled(tokens, keep=keep, **masks)
            output.backward(doutput)
            torch.testing.assert_close(output, eager["output"])
            torch.testing.assert_close(tokens.grad, eager["dx"], rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(attention.query_proj.weight.grad, eager["dWq"], rtol=1e-4, atol=1e-5)
            if keep is not None:
                assert {name: tuple(value.shape) for name, value in keep.items()} == KEPT
                torch.testing.assert_close(keep["output"], eager["output"])
    torch._dynamo.reset()


def test_it_compiles_as_one_graph():
    compiled_equals_eager("aot_eager")


@pytest.mark.slow
@pytest.mark.filterwarnings(r"ignore:.torch\.jit\.script_method. is deprecated:DeprecationWarning")
def test_it_compiles_as_one_graph_to_machine_code():
    compiled_equals_eager("inductor")


# Errors


def refused(error, message, function, *arguments, **named):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        function(*arguments, **named)


@pytest.mark.parametrize("size", [2.0, "8", None])
def test_a_size_that_is_no_whole_number_is_refused(size):
    for heads, model_dim, name in ((size, 8, "num_heads"), (2, size, "model_dim")):
        refused(
            TypeError, f"{name}={size!r} must be a whole number.", CustomMultiHeadAttention, heads, model_dim
        )


@pytest.mark.parametrize("num_heads", [0, -1])
def test_no_heads_are_refused(num_heads):
    refused(ValueError, f"num_heads={num_heads} leaves nothing to attend with; use at least 1.",
            MultiHeadAttention, num_heads, 12)  # fmt: skip


def test_more_heads_than_dimensions_are_refused():
    refused(ValueError, "model_dim=2 is too small for num_heads=3; use a model_dim of at least 3, "
            "or at most 2 heads.", MultiHeadAttention, 3, 2)  # fmt: skip
    assert MultiHeadAttention(3, 3).head_dim == 1


@pytest.mark.parametrize(
    ("shape", "hint"),
    [((T, 12), " For one sequence, pass x[None]."), ((B, T, 11), ""), ((12,), ""), ((1, B, T, 12), "")],
)  # fmt: skip
@KEEPING
def test_tokens_of_the_wrong_shape_are_refused(shape, hint, keeping):
    attention = MultiHeadAttention(HEADS, 12)
    message = (f"x must be (sequences, tokens, 12) because model_dim is 12; got {shape}.{hint}")  # fmt: skip
    refused(ValueError, message, attention, torch.ones(shape), keep={} if keeping else None)


def test_symbols_in_place_of_vectors_are_refused():
    refused(TypeError, "x must hold vectors of real numbers; got torch.int64. Embed symbols first.",
            MultiHeadAttention(HEADS, 12), torch.ones(B, T, 12, dtype=torch.long))  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64])
@KEEPING
def test_a_mask_of_numbers_is_refused(dtype, keeping):
    attention, x, _ = drawn()
    message = (f"mask must be boolean, True where a query may attend; got {dtype}. Pass mask == 0 "
               "for a mask that is added, mask != 0 for one of ones and zeros.")  # fmt: skip
    mask = torch.ones(T, T, dtype=dtype)
    refused(TypeError, message, attention, x, mask=mask, keep={} if keeping else None)


@pytest.mark.parametrize(
    "shape", [(B, T), (T, 4), (B, T, T), (HEADS, HEADS, T, T), (1, B, HEADS, T, T), (0, T)]
)
@KEEPING
def test_a_mask_that_does_not_broadcast_is_refused(shape, keeping):
    attention, x, _ = drawn()
    message = ("mask must broadcast to (sequences, heads, queries, keys) = (2, 3, 5, 5); got "
               f"{shape}. For padding of (sequences, keys), pass mask[:, None, None, :].")  # fmt: skip
    mask = torch.ones(shape, dtype=torch.bool)
    refused(ValueError, message, attention, x, mask=mask, keep={} if keeping else None)


@KEEPING
def test_what_is_no_tensor_is_refused(keeping):
    attention, x, _ = drawn()
    keep = {} if keeping else None
    for given, kind in ((np.ones((B, T, MODEL_DIM)), "ndarray"), ([[1.0]], "list"), (None, "NoneType")):
        message = f"x must be a torch tensor; got {kind}. Pass torch.as_tensor(x)."
        refused(TypeError, message, attention, given, keep=keep)
    for given, kind in ((np.ones((T, T), bool), "ndarray"), ([[True]], "list"), (True, "bool")):
        message = f"mask must be a torch tensor; got {kind}. Pass torch.as_tensor(mask)."
        refused(TypeError, message, attention, x, mask=given, keep=keep)


def test_values_that_were_never_kept_are_asked_for():
    attention, _, doutput = drawn()
    refused(ValueError, "keep holds no values; fill it first: attention(x, keep=keep).",
            attention.gradients, doutput, {})  # fmt: skip


def test_an_error_without_the_shape_of_the_output_is_refused():
    attention, x, doutput = drawn()
    keep = {}
    attention(x, keep=keep)
    refused(ValueError, "doutput must have the output's shape (2, 5, 12); got (2, 4, 12).",
            attention.gradients, doutput[:, 1:], keep)  # fmt: skip
