"""The transformer against its steps, slow loops, PyTorch's own and laws."""

import copy
import pickle
import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from clearhead import attention as attention_steps
from clearhead import transformer as steps
from clearhead.transformer import Block, LanguageModel, SequenceClassifier

B, T, HEADS, HEAD_DIM = 2, 5, 3, 4
MODEL_DIM, WIDE = 12, 48
CLASSES, SYMBOLS = 6, 7
LIMIT = 1e-12
FLOATS = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
KEEPING = pytest.mark.parametrize("keeping", [False, True], ids=["fused", "keep"])
MASKS = {
    "no mask": {},
    "causal": {"causal": True},
    "padding": {"mask": torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]).bool()[:, None, None]},
    "both": {"mask": torch.tensor([1, 1, 0, 1, 1]).bool(), "causal": True},
}
MASKED = pytest.mark.parametrize("masks", MASKS.values(), ids=MASKS)


def drawn(module, dtype=torch.float64):
    """The module with every parameter drawn anew: gains, shifts and biases too."""
    generator = torch.Generator().manual_seed(0)
    module.to(dtype)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            numbers = torch.randn(parameter.shape, generator=generator, dtype=dtype)
            parameter.copy_(1 + 0.3 * numbers if "norm.weight" in name else 0.3 * numbers)
    return module


def block(dtype=torch.float64):
    return drawn(Block(HEADS, MODEL_DIM), dtype)


def classifier(dtype=torch.float64):
    """Images of 4 by 6 pixels with 2 channels, cut into 2 by 3 patches: 4 tokens of 12 numbers."""
    model = SequenceClassifier((4, 6, 2), CLASSES, patch=(2, 3), model_dim=9, num_heads=3, num_layers=2)
    return drawn(model, dtype)


def language_model(dtype=torch.float64):
    model = LanguageModel(SYMBOLS, context=T, model_dim=MODEL_DIM, num_heads=HEADS, num_layers=2)
    return drawn(model, dtype)


def numbers(*shape, seed=1, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def symbols(*shape, seed=1):
    return torch.randint(SYMBOLS, shape, generator=torch.Generator().manual_seed(seed))


INPUTS = {
    "block": (block, lambda dtype=torch.float64: numbers(B, T, MODEL_DIM, dtype=dtype)),
    "classifier": (classifier, lambda dtype=torch.float64: numbers(B, 4, 6, 2, dtype=dtype)),
    "language model": (language_model, lambda dtype=torch.float64: symbols(B, T - 1)),
}
EVERY_MODULE = pytest.mark.parametrize(("module", "inputs"), INPUTS.values(), ids=INPUTS)


def assert_exact(ours, theirs, name=None):
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0, msg=name)


def assert_norm_ratio(ours, theirs, limit, name):
    ratio = ((ours - theirs).norm() / theirs.norm()).item()
    assert ratio <= limit, f"{name}: {ratio:.2g}"


def gradients_of(module, output):
    """A gradient for every parameter, from an error without symmetries."""
    module.zero_grad()
    output.backward(numbers(*output.shape, seed=2, dtype=output.dtype))
    return {name: parameter.grad.clone() for name, parameter in module.named_parameters()}


# One definition: the modules run the steps


def block_by_steps(module, x, mask):
    """Every value of a block, attention's too, from the functions and the weights alone."""
    attention = module.attention
    (Wq, bq), (Wk, bk), (Wv, bv), (Wo, bo) = (
        projection.parameters() for projection in
        (attention.query_proj, attention.key_proj, attention.value_proj, attention.out_proj)
    )  # fmt: skip
    normed = steps.first_norm(x, *module.first_norm.parameters())
    queries = attention_steps.query_projection(normed, Wq, bq)
    keys = attention_steps.key_projection(normed, Wk, bk)
    values = attention_steps.value_projection(normed, Wv, bv)
    q = attention_steps.head_queries(queries, attention.num_heads)
    k = attention_steps.head_keys(keys, attention.num_heads)
    v = attention_steps.head_values(values, attention.num_heads)
    scores = attention_steps.attention_scores(q, k)
    weights = attention_steps.attention_weights(scores, mask)
    heads = attention_steps.head_outputs(weights, v)
    merged = attention_steps.merged_heads(heads)
    output = attention_steps.output_projection(merged, Wo, bo)
    inner = {
        "x": normed, "queries": queries, "keys": keys, "values": values, "q": q, "k": k, "v": v,
        "scores": scores, "mask": mask, "weights": weights, "heads": heads, "merged": merged,
        "output": output,
    }  # fmt: skip
    attended = steps.after_attention(x, output)
    normed_2 = steps.second_norm(attended, *module.second_norm.parameters())
    wide = steps.wide_values(normed_2, *module.widen.parameters())
    out = steps.block_output(attended, wide, *module.narrow.parameters())
    return {
        "x": x, "normed": normed, "attention": inner, "attended": attended, "normed_2": normed_2,
        "wide": wide, "out": out,
    }  # fmt: skip


def assert_same(kept, made):
    """Equal bit for bit, name for name, dictionaries and lists of them too."""
    assert set(kept) == set(made)
    for name, value in made.items():
        if isinstance(value, dict):
            assert_same(kept[name], value)
        elif isinstance(value, list):
            assert len(kept[name]) == len(value)
            for ours, theirs in zip(kept[name], value, strict=True):
                assert_same(ours, theirs)
        else:
            assert_exact(kept[name], value, name)


def written_out(tokens, heads=HEADS, mask=None, causal=False):
    table = torch.ones(B, heads, tokens, tokens, dtype=torch.bool)
    if causal:
        table = table.tril()
    return table if mask is None else table & mask


@FLOATS
@MASKED
def test_the_values_of_a_block_equal_the_steps_one_by_one_bit_for_bit(masks, dtype):
    module, x, keep = block(dtype), numbers(B, T, MODEL_DIM, dtype=dtype), {}
    out = module(x, keep=keep, **masks)
    assert_same(keep, block_by_steps(module, x, written_out(T, **masks)))
    assert_exact(keep["out"], out)


@FLOATS
def test_the_values_of_the_classifier_equal_the_steps_one_by_one_bit_for_bit(dtype):
    model, X, keep = classifier(dtype), numbers(B, 4, 6, 2, dtype=dtype), {}
    scores = model(X, keep=keep)
    tokens = model.tokens(X)
    x = steps.embedded(tokens, model.embedding.weight.T, model.places)
    first = block_by_steps(model.blocks[0], x, written_out(4))
    second = block_by_steps(model.blocks[1], first["out"], written_out(4))
    normed_3 = steps.last_norm(second["out"], *model.last_norm.parameters())
    pooled = steps.mean_token(normed_3)
    y = steps.class_probabilities(pooled, *model.classes.parameters())
    assert_same(keep, {"tokens": tokens, "x": x, "blocks": [first, second], "normed_3": normed_3,
                       "pooled": pooled, "y": y})  # fmt: skip
    assert_exact(scores.softmax(dim=-1), y)


@FLOATS
@pytest.mark.parametrize("length", [T, T - 1, 1])
def test_the_values_of_the_language_model_equal_the_steps_one_by_one_bit_for_bit(length, dtype):
    model, given, keep = language_model(dtype), symbols(B, length), {}
    scores = model(given, keep=keep)
    tokens = torch.eye(SYMBOLS, dtype=dtype)[given]
    x = steps.embedded(tokens, model.embedding.weight, model.places[:length])
    first = block_by_steps(model.blocks[0], x, written_out(length, causal=True))
    second = block_by_steps(model.blocks[1], first["out"], written_out(length, causal=True))
    normed_3 = steps.last_norm(second["out"], *model.last_norm.parameters())
    p = steps.next_probabilities(normed_3, model.symbols.weight)
    assert_same(keep, {"tokens": tokens, "x": x, "blocks": [first, second], "normed_3": normed_3,
                       "p": p})  # fmt: skip
    assert_exact(scores.softmax(dim=-1), p)


@EVERY_MODULE
def test_keeping_the_values_changes_neither_output_nor_gradients(module, inputs):
    made, x = module(), inputs()
    fused, kept = made(x), made(x, keep={})
    assert_norm_ratio(kept, fused, LIMIT, "output")
    expected, gradients = gradients_of(made, fused), gradients_of(made, kept)
    for name, gradient in gradients.items():
        if name.endswith("key_proj.bias"):
            torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-13)
        else:
            assert_norm_ratio(gradient, expected[name], LIMIT, name)


# The block


def pytorch_layer(module):
    """nn.TransformerEncoderLayer with our weights loaded."""
    theirs = nn.TransformerEncoderLayer(
        MODEL_DIM, HEADS, WIDE, dropout=0, activation="gelu", batch_first=True, norm_first=True,
        dtype=torch.float64,
    )  # fmt: skip
    attention = module.attention
    inputs = (attention.query_proj, attention.key_proj, attention.value_proj)
    theirs.load_state_dict({
        "self_attn.in_proj_weight": torch.cat([projection.weight for projection in inputs]),
        "self_attn.in_proj_bias": torch.cat([projection.bias for projection in inputs]),
        "self_attn.out_proj.weight": attention.out_proj.weight,
        "self_attn.out_proj.bias": attention.out_proj.bias,
        "linear1.weight": module.widen.weight, "linear1.bias": module.widen.bias,
        "linear2.weight": module.narrow.weight, "linear2.bias": module.narrow.bias,
        "norm1.weight": module.first_norm.weight, "norm1.bias": module.first_norm.bias,
        "norm2.weight": module.second_norm.weight, "norm2.bias": module.second_norm.bias,
    })  # fmt: skip
    return theirs


@KEEPING
@MASKED
def test_a_block_equals_the_encoder_layer_of_pytorch(masks, keeping):
    module = block()
    theirs = pytorch_layer(module)
    x, other = (numbers(B, T, MODEL_DIM).requires_grad_() for _ in range(2))
    out = module(x, keep={} if keeping else None, **masks)
    forbidden = ~written_out(T, **masks).flatten(0, 1)
    expected = theirs(other, src_mask=forbidden)
    assert_norm_ratio(out, expected, LIMIT, "out")
    ours, found = gradients_of(module, out), gradients_of(theirs, expected)
    assert_norm_ratio(x.grad, other.grad, LIMIT, "dx")
    pairs = {
        "widen": "linear1", "narrow": "linear2", "first_norm": "norm1", "second_norm": "norm2",
        "attention.out_proj": "self_attn.out_proj",
    }  # fmt: skip
    for name, library in pairs.items():
        for kind in ("weight", "bias"):
            assert_norm_ratio(ours[f"{name}.{kind}"], found[f"{library}.{kind}"], LIMIT, name)
    joined = torch.cat([ours[f"attention.{name}_proj.weight"] for name in ("query", "key", "value")])
    assert_norm_ratio(joined, found["self_attn.in_proj_weight"], LIMIT, "in_proj")


def test_a_block_of_which_nothing_is_added_passes_the_tokens_on():
    module, x = block(), numbers(B, T, MODEL_DIM)
    for linear in (module.attention.out_proj, module.narrow):
        nn.init.zeros_(linear.weight)
        nn.init.zeros_(linear.bias)
    assert_exact(module(x), x)


def test_a_norm_brings_each_token_to_mean_zero_and_spread_one_before_it_stretches():
    x, g, c = numbers(B, T, MODEL_DIM) * 50 + 3, numbers(MODEL_DIM, seed=2), numbers(MODEL_DIM, seed=3)
    for norm in (steps.first_norm, steps.second_norm, steps.last_norm):
        made = norm(x, g, c)
        for b, t in np.ndindex(B, T):
            token = x[b, t].numpy()
            spread = np.sqrt(((token - token.mean()) ** 2).mean() + 1e-5)
            expected = (token - token.mean()) / spread * g.numpy() + c.numpy()
            np.testing.assert_allclose(made[b, t], expected, rtol=1e-11)


def test_the_wide_layer_weighs_each_number_by_its_chance_to_be_above_a_normal_one():
    """gelu(z) = z Φ(z), exactly: not by the approximation with tanh."""
    z = numbers(B, T, 1) * 3
    one, zero = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    expected = z * torch.distributions.Normal(0.0, 1.0).cdf(z)
    torch.testing.assert_close(steps.wide_values(z, one, zero), expected, rtol=1e-9, atol=1e-12)


def test_the_wide_layer_is_four_times_as_wide():
    module = Block(HEADS, MODEL_DIM)
    assert module.widen.weight.shape == (WIDE, MODEL_DIM)
    assert module.narrow.weight.shape == (MODEL_DIM, WIDE)


# Tokens


def made_tokens(input_shape, patch=None):
    model = SequenceClassifier(input_shape, CLASSES, patch=patch, model_dim=9, num_heads=3)
    X = numbers(B, *input_shape, dtype=torch.float32)
    tokens = model.tokens(X)
    assert_exact(model.tokens(X.flatten(1)), tokens)
    assert tokens.shape[1] == len(model.places)
    assert tokens.shape[2] == model.embedding.in_features
    return X, tokens


def test_a_sequence_is_its_own_tokens():
    X, tokens = made_tokens((5, 4))
    assert_exact(tokens, X)


def test_the_rows_of_an_image_with_channels_are_its_tokens():
    X, tokens = made_tokens((5, 4, 3))
    assert tokens.shape == (B, 5, 12)
    for b, row, column, channel in np.ndindex(B, 5, 4, 3):
        assert tokens[b, row, column * 3 + channel] == X[b, row, column, channel]


@pytest.mark.parametrize("channels", [(), (5,)], ids=["grey", "channels"])
@pytest.mark.parametrize("patch", [(2, 3), (4, 1), (1, 6), (4, 6), (1, 1), (2, 6)])
def test_the_patches_of_an_image_are_its_tokens_row_by_row(patch, channels):
    X, tokens = made_tokens((4, 6, *channels), patch)
    height, width = patch
    expected = [
        [X[b, top : top + height, left : left + width].tolist()
         for top in range(0, 4, height) for left in range(0, 6, width)]
        for b in range(B)
    ]  # fmt: skip
    expected = torch.tensor(expected).reshape(B, (4 // height) * (6 // width), -1)
    assert_exact(tokens, expected)


def test_one_number_is_a_shape_and_a_square_patch():
    row = SequenceClassifier(5, CLASSES)
    assert row.settings == SequenceClassifier((5,), CLASSES).settings
    assert row.tokens(numbers(B, 5)).shape == (B, 5, 1)
    square = SequenceClassifier((4, 6), CLASSES, patch=2)
    assert square.settings == SequenceClassifier((4, 6), CLASSES, patch=(2, 2)).settings
    assert square.tokens(numbers(B, 4, 6)).shape == (B, 6, 4)
    refused("patch=(0, 0) must divide an example of 4 by 6; without a patch each row is a token.",
            SequenceClassifier, (4, 6), CLASSES, patch=0)  # fmt: skip


def test_each_feature_of_a_table_row_is_a_token():
    X, tokens = made_tokens((5,))
    assert tokens.shape == (B, 5, 1)
    for b, feature in np.ndindex(B, 5):
        assert tokens[b, feature, 0] == X[b, feature]


# The classifier


def test_flattened_images_get_the_same_scores():
    model, X = classifier(), numbers(B, 4, 6, 2)
    assert_exact(model(X.flatten(1)), model(X))


def test_permuting_the_examples_permutes_the_scores():
    model, X = classifier(), numbers(5, 4, 6, 2)
    order = torch.tensor([3, 0, 4, 2, 1])
    torch.testing.assert_close(model(X[order]), model(X)[order])


def test_without_places_the_order_of_the_tokens_is_lost_and_with_them_it_counts():
    model = drawn(SequenceClassifier((5, 4), CLASSES, model_dim=9, num_heads=3))
    X, order = numbers(B, 5, 4), torch.tensor([3, 0, 4, 2, 1])
    assert (abs(model(X[:, order]) - model(X)) > 1e-6).all()
    nn.init.zeros_(model.places)
    torch.testing.assert_close(model(X[:, order]), model(X))


def test_the_pooled_token_is_the_mean_over_the_tokens_of_a_sequence():
    x = torch.tensor([[[1.0, 10.0], [3.0, 30.0], [5.0, 20.0]]])
    np.testing.assert_array_equal(steps.mean_token(x), [[3.0, 20.0]])


# The language model


@KEEPING
def test_editing_a_symbol_changes_no_score_before_it_and_every_score_from_it_on(keeping):
    model, given = language_model(), symbols(B, T)
    before = model(given, keep={} if keeping else None)
    for t in range(T):
        edited = given.clone()
        edited[:, t] = (edited[:, t] + 1) % SYMBOLS
        after = model(edited, keep={} if keeping else None)
        torch.testing.assert_close(after[:, :t], before[:, :t], rtol=1e-12, atol=1e-12)
        assert (abs(after[:, t:] - before[:, t:]) > 1e-9).any(dim=-1).all()


def test_the_same_symbol_scores_differently_at_another_place():
    model = language_model()
    scores = model(torch.full((1, T), 3))
    assert (abs(scores[0, 1:] - scores[0, :-1]) > 1e-9).any(dim=-1).all()


def test_a_text_keeps_its_prompt_and_has_the_length_asked_for():
    model = language_model()
    for prompt in ([3], [1, 2, 3], torch.tensor([6, 0, 6, 0])):
        for length in (0, 1, 4):
            text = model.generate(prompt, length)
            assert text.shape == (len(prompt) + length,)
            assert text.dtype == torch.int64
            assert text[: len(prompt)].tolist() == list(prompt)
            assert ((text >= 0) & (text < SYMBOLS)).all()
            assert not text.requires_grad


def test_temperature_zero_takes_the_likeliest_symbol_each_time_far_past_the_context():
    model = language_model()
    expected = [1, 2]
    for _ in range(3 * T):
        window = expected[-T:]  # what the model can see
        scores = model(torch.tensor([window]))[0, len(window) - 1].tolist()
        expected.append(max(range(SYMBOLS), key=lambda symbol, scores=scores: scores[symbol]))
    assert model.generate([1, 2], 3 * T, temperature=0).tolist() == expected
    assert len(set(expected)) > 2, "a text of one symbol would prove little"


def test_a_prompt_longer_than_the_context_is_kept_whole_and_seen_from_its_end():
    model = language_model()
    prompt = symbols(3 * T).tolist()
    text = model.generate(prompt, 4, temperature=0).tolist()
    assert text[: 3 * T] == prompt
    assert text[3 * T :] == model.generate(prompt[-T:], 4, temperature=0).tolist()[T:]


def test_a_seeded_generator_repeats_the_text_and_another_seed_gives_another():
    model = language_model()
    first, again, other = (
        model.generate([1], 40, generator=torch.Generator().manual_seed(seed)).tolist() for seed in (5, 5, 6)
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_symbols_are_drawn_by_their_chances_at_that_temperature(temperature):
    model = LanguageModel(4, context=1, model_dim=2, num_heads=1, num_layers=1)
    with torch.no_grad():  # the scores are the same whatever was read
        model.last_norm.weight[:], model.last_norm.bias[:] = 0, 1
        model.symbols.weight[:] = torch.log(torch.tensor([1.0, 2, 3, 4]))[:, None] / 2
    text = model.generate([0], 800, temperature=temperature,
                          generator=torch.Generator().manual_seed(0))[1:]  # fmt: skip
    chances = np.array([1, 2, 3, 4]) ** (1 / temperature)
    chances /= chances.sum()
    shares = np.bincount(text, minlength=4) / 800
    # Four standard errors; at a wrong temperature some share is further off.
    np.testing.assert_array_less(abs(shares - chances), 4 * np.sqrt(chances * (1 - chances) / 800))


def test_generating_leaves_the_mode_and_the_parameters_alone():
    model = language_model().train()
    before = copy.deepcopy(model.state_dict())
    model.generate([1], 3)
    assert model.training
    assert_same(model.state_dict(), before)


# Losses


def test_the_loss_of_the_next_symbols_is_pytorchs_cross_entropy():
    model, given, following = language_model(), symbols(B, T), symbols(B, T, seed=3)
    keep = {}
    scores = model(given, keep=keep)
    p = steps.next_probabilities(keep["normed_3"], model.symbols.weight)
    loss = steps.next_loss(p, F.one_hot(following, SYMBOLS).double())
    expected = F.cross_entropy(scores.flatten(0, 1), following.flatten())
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=0)
    (ours,) = torch.autograd.grad(loss, model.symbols.weight, retain_graph=True)
    (theirs,) = torch.autograd.grad(expected, model.symbols.weight)
    assert_norm_ratio(ours, theirs, LIMIT, "dWc")


def test_the_loss_of_the_classes_is_pytorchs_cross_entropy():
    model, X, labels = classifier(), numbers(B, 4, 6, 2), torch.tensor([5, 2])
    keep = {}
    scores = model(X, keep=keep)
    loss = steps.class_loss(keep["y"], F.one_hot(labels, CLASSES).double())
    torch.testing.assert_close(loss, F.cross_entropy(scores, labels), rtol=1e-12, atol=0)


def test_losses_have_the_values_that_paper_gives():
    p = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]], dtype=torch.float64)
    Y = torch.tensor([[0, 1, 0], [1, 0, 0]])
    expected = (np.log(4) + np.log(10)) / 2
    np.testing.assert_allclose(steps.class_loss(p, Y), expected, rtol=1e-14)
    np.testing.assert_allclose(steps.next_loss(p[None], Y[None]), expected, rtol=1e-14)


@FLOATS
@pytest.mark.parametrize("loss", [steps.next_loss, steps.class_loss])
def test_a_right_answer_of_probability_zero_costs_much_and_its_gradient_is_finite(loss, dtype):
    scores = torch.tensor([[1e4, 0, -1e4], [0, 1, 2]], dtype=dtype)[None].requires_grad_()
    Y = torch.tensor([[0, 0, 1], [1, 0, 0]], dtype=dtype)[None]
    shape = scores.shape if loss is steps.next_loss else (2, 3)
    p = scores.softmax(dim=-1)
    assert p[0, 0, 2] == 0
    made = loss(p.reshape(shape), Y.reshape(shape))
    floor = -np.log(torch.finfo(dtype).tiny)
    ordinary = np.log(1 + np.e + np.e**2)
    np.testing.assert_allclose(made.item(), (floor + ordinary) / 2, rtol=1e-6)
    (gradient,) = torch.autograd.grad(made, scores)
    assert gradient.isfinite().all()
    expected = (np.exp([0, 1, 2]) / np.exp([0, 1, 2]).sum() - [1, 0, 0]) / 2
    np.testing.assert_allclose(gradient[0, 1], expected, rtol=1e-5)


def test_a_few_steps_of_training_lower_the_losses():
    torch.manual_seed(0)
    model = LanguageModel(SYMBOLS, context=T, model_dim=MODEL_DIM, num_heads=HEADS, num_layers=1)
    other = SequenceClassifier((T, 4), CLASSES, model_dim=MODEL_DIM, num_heads=HEADS, num_layers=1)
    given, following, X, labels = (symbols(8, T), symbols(8, T, seed=3),
                                   numbers(8, T, 4, dtype=torch.float32), symbols(8) % CLASSES)  # fmt: skip
    optimizer = torch.optim.Adam([*model.parameters(), *other.parameters()], lr=0.02)
    losses = []
    for _ in range(40):
        parts = (F.cross_entropy(model(given).flatten(0, 1), following.flatten()),
                 F.cross_entropy(other(X), labels))  # fmt: skip
        optimizer.zero_grad()
        sum(parts).backward()
        optimizer.step()
        losses.append([part.item() for part in parts])
    np.testing.assert_array_less(losses[-1], [1.0, 0.5])
    np.testing.assert_allclose(losses[0], [np.log(SYMBOLS), np.log(CLASSES)], rtol=0.05)


# Beginnings


def test_the_weights_begin_as_in_gpt_2():
    torch.manual_seed(0)
    layers = 8
    model = LanguageModel(500, context=100, model_dim=64, num_heads=4, num_layers=layers)
    for name, parameter in model.named_parameters():
        if "norm.weight" in name:
            assert_exact(parameter.detach(), torch.ones(64), name)
        elif name.endswith("bias"):
            assert_exact(parameter.detach(), torch.zeros_like(parameter), name)
        else:
            adds = name.endswith(("attention.out_proj.weight", "narrow.weight"))
            spread = 0.02 / (2 * layers) ** 0.5 if adds else 0.02
            few = 5 / (2 * parameter.numel()) ** 0.5  # five standard errors
            np.testing.assert_allclose(parameter.std().item(), spread, rtol=few, err_msg=name)
            assert abs(parameter.mean()) < 5 * spread / parameter.numel() ** 0.5, name


def test_the_same_seed_of_torch_gives_the_same_model():
    models = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        models.append(SequenceClassifier((5, 4), CLASSES, model_dim=9, num_heads=3))
    assert_same(models[0].state_dict(), models[1].state_dict())
    assert (models[0].places != models[2].places).all()


def test_the_settings_rebuild_the_model():
    for model in (classifier(), language_model()):
        other = type(model)(**model.settings).double()
        other.load_state_dict(model.state_dict(), strict=True)
        assert other.settings == model.settings
        x = numbers(B, 4, 6, 2) if isinstance(model, SequenceClassifier) else symbols(B, T)
        assert_exact(other(x), model(x))


def test_the_sizes_are_those_asked_for():
    model = classifier()
    shapes = {name: tuple(value.shape) for name, value in model.named_parameters()}
    assert shapes["embedding.weight"] == (9, 12)
    assert shapes["places"] == (4, 9)
    assert shapes["classes.weight"] == (CLASSES, 9)
    assert "embedding.bias" not in shapes
    assert len(model.blocks) == 2
    model = language_model()
    shapes = {name: tuple(value.shape) for name, value in model.named_parameters()}
    assert shapes["embedding.weight"] == shapes["symbols.weight"] == (SYMBOLS, MODEL_DIM)
    assert shapes["places"] == (T, MODEL_DIM)
    assert "symbols.bias" not in shapes


def test_the_defaults_have_eight_heads_where_they_can():
    model = SequenceClassifier((8, 8), 10)
    assert model.blocks[0].attention.num_heads == 8
    assert (len(model.blocks), model.places.shape) == (2, (8, 64))
    assert LanguageModel(65).settings == {
        "num_symbols": 65, "context": 64, "model_dim": 128, "num_heads": 4, "num_layers": 4}  # fmt: skip


# The modules


@EVERY_MODULE
@pytest.mark.parametrize(
    "twin", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))],
    ids=["deepcopy", "pickle"],
)  # fmt: skip
def test_a_copy_gives_the_same_output_and_has_parameters_of_its_own(twin, module, inputs):
    made, x = module(), inputs()
    made(x).sum().backward()
    other = twin(made)
    expected = made(x).detach()
    assert_exact(other(x).detach(), expected)
    for parameter in made.parameters():
        nn.init.zeros_(parameter)
    assert_exact(other(x).detach(), expected)


@EVERY_MODULE
def test_the_state_travels_to_another_module(module, inputs):
    made, x = module(), inputs()
    other = copy.deepcopy(made)
    for parameter in other.parameters():
        nn.init.normal_(parameter)
    assert (other(x) != made(x)).any()
    other.load_state_dict(made.state_dict(), strict=True)
    assert_exact(other(x), made(x))


def test_the_state_of_a_block_has_these_names():
    linear = ("first_norm", "attention.query_proj", "attention.key_proj", "attention.value_proj",
              "attention.out_proj", "second_norm", "widen", "narrow")  # fmt: skip
    expected = {f"{name}.{kind}" for name in linear for kind in ("weight", "bias")}
    assert set(block().state_dict()) == expected
    blocks = {f"blocks.{index}.{name}" for index in range(2) for name in expected}
    shared = {"embedding.weight", "places", "last_norm.weight", "last_norm.bias"} | blocks
    assert set(classifier().state_dict()) == shared | {"classes.weight", "classes.bias"}
    assert set(language_model().state_dict()) == shared | {"symbols.weight"}


@EVERY_MODULE
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["half", "bfloat16"])
def test_half_precision_stays_near_full_precision(dtype, module, inputs):
    made, x = module(), inputs()
    expected = made(x)
    output = made.to(dtype)(x.to(dtype) if x.is_floating_point() else x)
    assert output.dtype == dtype
    near = 0.1 * expected.abs().max().item()
    torch.testing.assert_close(output.double(), expected, rtol=0, atol=near)


# Errors


def refused(message, function, *arguments, **named):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        function(*arguments, **named)


def test_a_model_without_a_block_is_refused():
    message = "num_layers=0 leaves no block; use at least 1."
    refused(message, LanguageModel, SYMBOLS, num_layers=0)
    refused(message, SequenceClassifier, (5, 4), CLASSES, num_layers=0)


@pytest.mark.parametrize("size", [0, -2])
def test_a_size_below_one_is_refused(size):
    refused(f"num_classes={size} must be at least 1.", SequenceClassifier, (5, 4), size)
    refused(f"num_symbols={size} must be at least 1.", LanguageModel, size)
    refused(f"context={size} must be at least 1.", LanguageModel, SYMBOLS, size)
    refused(f"model_dim={size} must be at least 1.", LanguageModel, SYMBOLS, model_dim=size)
    refused(f"model_dim={size} must be at least 1.", SequenceClassifier, (5, 4), CLASSES, model_dim=size)


@pytest.mark.parametrize("size", [2.0, "2", None])
def test_a_size_that_is_no_whole_number_is_refused(size):
    for name, make, arguments in (
        ("num_classes", SequenceClassifier, {"input_shape": (5, 4)}),
        ("num_layers", SequenceClassifier, {"input_shape": (5, 4), "num_classes": CLASSES}),
        ("model_dim", SequenceClassifier, {"input_shape": (5, 4), "num_classes": CLASSES}),
        ("num_symbols", LanguageModel, {}),
        ("context", LanguageModel, {"num_symbols": SYMBOLS}),
    ):
        with pytest.raises(TypeError, match=f"^{name}={re.escape(repr(size))} must be a whole number\\.$"):
            make(**arguments, **{name: size})


def test_heads_that_do_not_fit_are_refused_by_attention():
    refused("num_heads=0 leaves nothing to attend with; use at least 1.", Block, 0, 12)
    refused("model_dim=2 is too small for num_heads=3; use a model_dim of at least 3, or at most 2 heads.",
            LanguageModel, SYMBOLS, model_dim=2, num_heads=3)  # fmt: skip


@pytest.mark.parametrize("shape", [(), (5, 4, 3, 2), (5, 0), [-1]])
def test_an_input_shape_of_no_known_kind_is_refused(shape):
    message = (f"input_shape={tuple(shape)} must be (tokens, numbers), (height, width), "
               "(height, width, channels) or (features,), each at least 1.")  # fmt: skip
    refused(message, SequenceClassifier, shape, CLASSES)


@pytest.mark.parametrize("patch", [(3, 2), (2, 4), (0, 2), (8, 6), [2, -3]])
def test_a_patch_that_does_not_divide_the_image_is_refused(patch):
    message = f"patch={tuple(patch)} must divide an example of 4 by 6; without a patch each row is a token."
    refused(message, SequenceClassifier, (4, 6), CLASSES, patch=patch)


@pytest.mark.parametrize("shape", [(B, 6, 4, 2), (B, 4, 6), (B, 47), (48,), (4, 6, 2)])
def test_examples_of_the_wrong_shape_are_refused(shape):
    message = f"X must be (examples, 4, 6, 2) or that flattened; got {shape}."
    model = classifier()
    refused(message, model, torch.ones(shape))
    refused(message, model.tokens, torch.ones(shape))


@pytest.mark.parametrize("shape", [(T,), (B, T + 1), (B, 0), (B, T, SYMBOLS)])
def test_symbols_of_the_wrong_shape_are_refused(shape):
    message = ("symbols must be (sequences, 1 to 5 symbols) because context is 5; "
               f"got {shape}.")  # fmt: skip
    refused(message, language_model(), torch.zeros(shape, dtype=torch.long))


@pytest.mark.parametrize(
    ("prompt", "length", "temperature"), [([], 5, 1.0), ([1], -1, 1.0), ([1, 2], 5, -0.5)]
)
def test_a_text_that_cannot_be_written_is_refused(prompt, length, temperature):
    message = (f"prompt of {len(prompt)} symbols, length={length}, temperature={temperature}: "
               "give at least 1 symbol, a length and a temperature of at least 0.")  # fmt: skip
    refused(message, language_model().generate, prompt, length, temperature=temperature)


@KEEPING
def test_a_block_refuses_what_its_attention_refuses(keeping):
    message = ("mask must broadcast to (sequences, heads, queries, keys) = (2, 3, 5, 5); got (2, 5). "
               "For padding of (sequences, keys), pass mask[:, None, None, :].")  # fmt: skip
    mask = torch.ones(B, T, dtype=torch.bool)
    x = numbers(B, T, MODEL_DIM)
    refused(message, block(), x, mask=mask, keep={} if keeping else None)
