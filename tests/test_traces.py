"""Traces: every value that ran, with its step, its cost, its choice, its text and its JSON."""

import io
import json

import numpy as np
import pytest
import torch
from rich.console import Console
from sample_traces import cells_of, some_traces

from clearhead import (
    CustomMultiHeadAttention,
    LanguageModel,
    SequenceClassifier,
    TwoLayerNN,
    trace,
    trace_bytes,
)
from clearhead.trace_json import LARGEST_PAGE, document, fitted, unpacked


@pytest.fixture
def net():
    return TwoLayerNN(5, 4, 3, seed=0)


@pytest.fixture
def data():
    generator = np.random.default_rng(0)
    return generator.normal(size=(6, 5)), generator.integers(3, size=6)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return LanguageModel(7, 6, model_dim=8, num_heads=2, num_layers=3)


def test_the_values_are_those_of_the_networks_own_methods(net, data):
    X, Y = data
    seen = trace(net, X, Y, lr=0.25)
    y, ff_dict = net.forward(X)
    gradients = net.backward(X, Y, ff_dict)
    for name, value in {**ff_dict, **net.params, **gradients}.items():
        np.testing.assert_array_equal(seen[name], value)
    np.testing.assert_array_equal(seen["loss"], net.compute_loss(Y, y))
    before = net.params["W1"].copy()
    net.train_step(X, Y, 0.25)
    np.testing.assert_array_equal(seen["W1_next"], net.params["W1"])
    np.testing.assert_array_equal(seen["W1"], before)


def test_the_values_are_those_of_the_attention_modules_own_methods():
    torch.manual_seed(1)
    attention, x, error = CustomMultiHeadAttention(3, 7), torch.randn(2, 4, 7), torch.randn(2, 4, 7)
    seen = trace(attention, x, ["a", "b", "c", "d"], causal=True, doutput=error)
    keep = {}
    attention(x, causal=True, keep=keep)
    for name, value in {**keep, **attention.gradients(error, keep)}.items():
        np.testing.assert_array_equal(seen[name], value.detach().numpy())
    assert seen.recording.names["S"] == ("a", "b", "c", "d")


def test_every_value_of_a_model_that_a_step_makes_has_that_step(model):
    seen = trace(model, [1, 2, 3, 4])
    made = [name for name, value in seen.values.items() if value.origin == "step"]
    assert sorted(made) == sorted(seen.steps)
    for name in ("x", "blocks.0.normed", "blocks.2.weights", "blocks.1.out", "normed_3", "p", "loss"):
        assert name in seen.steps
    for traced in seen.steps.values():
        assert set(traced.reads.values()) <= set(seen.values)


def test_what_autograd_gave_is_called_so_and_is_autograds(model):
    symbols, following = torch.tensor([[1, 2, 3]]), torch.tensor([[2, 3, 5]])
    seen = trace(model, symbols, following)
    scores = model(symbols)
    torch.nn.functional.cross_entropy(scores[0], following[0]).backward()
    for name, parameter in {"dE": model.embedding.weight, "dWc": model.symbols.weight,
                            "blocks.1.dWf": model.blocks[1].widen.weight,
                            "blocks.0.dg1": model.blocks[0].first_norm.weight,
                            "blocks.2.dWq": model.blocks[2].attention.query_proj.weight}.items():  # fmt: skip
        np.testing.assert_allclose(seen[name], parameter.grad.numpy(), rtol=2e-4, atol=1e-7)
    assert seen.values["blocks.1.dWf"].origin == "autograd"
    assert seen.values["blocks.2.dWq"].origin == "step"
    assert "by autograd" in seen.receipt("dE", (0, 0)).meaning
    np.testing.assert_allclose(seen["dP"], model.places.grad[:3].numpy(), rtol=1e-4, atol=1e-7)


def test_tracing_leaves_a_model_as_it_was(model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trace(model, [1, 2, 3])
    assert all(parameter.grad is None for parameter in model.parameters())
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


@pytest.mark.parametrize("number", range(len(some_traces())))
def test_a_formula_recomputes_what_was_recorded(number):
    seen = some_traces()[number]
    for name, cell in cells_of(seen, 3):
        np.testing.assert_allclose(seen.recomputed(name, cell), seen.read(name, cell), rtol=2e-3, atol=2e-5)


def test_a_cell_without_a_step_says_who_made_it(net, data):
    seen = trace(net, *data)
    receipt = seen.receipt("X", (2, 1))
    assert (receipt.shown, receipt.inputs, receipt.used_in) == ("", (), ("z1", "dW1"))
    assert receipt.value == seen["X"][2, 1]


@pytest.mark.parametrize(("name", "cell", "says"), [
    ("z1", (6, 0), r"cell 6,0 is none of z1\[N,H\], which is 6 × 4; count from 0"),
    ("z1", (0,), r"cell 0 is none of z1"),
    ("loss", (0,), r"which is one number"),
])  # fmt: skip
def test_a_cell_that_is_not_there_is_refused(net, data, name, cell, says):
    with pytest.raises(IndexError, match=says):
        trace(net, *data).receipt(name, cell)


def test_a_value_that_is_not_there_is_answered_with_those_that_are(net, data, model):
    with pytest.raises(KeyError, match="no value is called z3 here; there are X, Y, W1"):
        trace(net, *data)["z3"]
    seen = trace(model, [1, 2])
    with pytest.raises(KeyError, match=r"q is in 3 blocks; say blocks\.0\.q or blocks\.1\.q"):
        seen["q"]
    assert trace(model, [1, 2], layers=[1])["q"].shape == (1, 2, 2, 4)


def test_without_an_answer_the_likeliest_stands_in_and_a_note_says_so(net, data, model):
    seen = trace(net, data[0])
    np.testing.assert_array_equal(seen["Y"].argmax(axis=1), seen["y"].argmax(axis=1))
    assert "likeliest class" in seen.recording.notes[0]
    seen = trace(model, [1, 2, 3])
    assert seen["Y"][0].argmax(axis=1).tolist() == [2, 3, int(seen["p"][0, 2].argmax())]


def sizes():
    torch.manual_seed(0)
    yield TwoLayerNN(5, 4, 3), np.ones((6, 5)), {}
    yield CustomMultiHeadAttention(3, 7), torch.ones(2, 4, 7), {}
    yield CustomMultiHeadAttention(3, 7).double(), torch.ones(2, 4, 7), {"heads": [1, 2]}
    yield LanguageModel(7, 6, model_dim=8, num_heads=2, num_layers=3), [1, 2, 3], {}
    yield LanguageModel(7, 6, model_dim=8, num_heads=2, num_layers=3), [1, 2, 3], {"heads": [1]}
    yield SequenceClassifier((4, 6), 5, patch=(2, 3), model_dim=8, num_heads=2), np.ones((3, 24)), {}
    yield SequenceClassifier((4, 6), 5, model_dim=8, num_heads=2), np.ones((4, 6)), {"heads": [0]}


@pytest.mark.parametrize("case", range(7))
def test_the_cost_is_known_before_anything_runs(case):
    model, X, choice = list(sizes())[case]
    said = []
    seen = trace(model, X, **choice, on_cost=said.append)
    assert said == [trace_bytes(model, X, **choice)] == [seen.nbytes]


def test_a_recording_over_the_limit_is_refused_with_what_to_ask_for(net, data, model):
    with pytest.raises(ValueError, match=r"would keep [\d,]+ bytes, over limit=100; ask for steps="):
        trace(net, *data, limit=100)
    with pytest.raises(ValueError, match=r"over limit=100; ask for layers=\[0\], heads=\[0\]"):
        trace(model, [1, 2], limit=100)
    big = CustomMultiHeadAttention(8, 64)
    with pytest.raises(ValueError, match="over limit=268,435,456"):
        trace(big, torch.empty(1, 4096, 64).zero_())


def test_only_chosen_layers_heads_and_steps_are_kept(model):
    whole = trace(model, [1, 2, 3])
    one = trace(model, [1, 2, 3], layers=[1], heads=[1])
    assert not any(name.startswith(("blocks.0", "blocks.2")) for name in one)
    np.testing.assert_allclose(one["weights"], whole["blocks.1.weights"][:, [1]], rtol=1e-4, atol=1e-6)
    assert one.receipt("scores", (0, 1, 2, 0)).value == one["scores"][0, 0, 2, 0]
    with pytest.raises(KeyError, match=r"head 0 of blocks\.1\.weights was not kept"):
        one.receipt("weights", (0, 0, 1, 0))
    few = trace(model, [1, 2, 3], layers=[1], steps=["weights"])
    assert list(few) == ["blocks.1.mask", "blocks.1.scores", "blocks.1.weights"]
    assert few.receipt("weights", (0, 0, 2, 1)).shown.startswith("exp(")
    with pytest.raises(KeyError, match=r"blocks\.1\.q was not kept"):
        few.receipt("scores", (0, 0, 2, 1))


@pytest.mark.parametrize(("choice", "says"), [
    ({"layers": [3]}, r"layers=\[3\] must be some of 0 to 2"),
    ({"heads": [2]}, r"heads=\[2\] must be some of 0 to 1"),
    ({"heads": []}, r"heads=\[\] must be some of"),
    ({"steps": ["zz"]}, r"steps has 'zz', which no step makes; choose from queries"),
    ({"tokens": ["a"]}, r"tokens has 1 names, but X has 3 tokens"),
    ({"names": {"V": ["a"]}}, r"names\['V'\] has 1 names, but V is 7"),
])  # fmt: skip
def test_a_choice_that_is_not_there_is_refused(model, choice, says):
    with pytest.raises(ValueError, match=says):
        trace(model, [1, 2, 3], **choice)


def test_other_models_and_inputs_are_refused(net, model):
    with pytest.raises(TypeError, match=r"trace takes a TwoLayerNN, .*; got Linear"):
        trace(torch.nn.Linear(2, 2), torch.ones(1, 2))
    with pytest.raises(ValueError, match=r"X must be \(examples, 5\)"):
        trace(net, np.ones((2, 4)))
    with pytest.raises(TypeError, match="X must be numbers of symbols"):
        trace(model, [0.5, 1.5])


def test_the_text_fits_80_columns_and_puts_words_before_formulas():
    for seen in some_traces():
        lines = seen.to_text().splitlines()
        assert max(map(len, lines)) <= 80
    text = some_traces()[0].to_text()
    assert text.index("How strongly each example") < text.index("z1[N,H] = X W1 + b1")
    assert "✓ central differences" in text
    words = some_traces()[0].to_text(words=True)
    assert "How strongly" in words
    assert "=" not in words.split("\n", 1)[1]


def test_the_text_of_a_cell_is_its_receipt(net, data):
    seen = trace(net, *data)
    lines = seen.to_text("dW1", (3, 2)).splitlines()
    assert lines[1].startswith("dW1[3,2] = Σ_n X[n,3] dz1[n,2]")
    assert any("analytic" in line and "central differences" in line and line.endswith("✓") for line in lines)
    assert str(seen.receipt("dW1", (3, 2))) == "\n".join(lines)


def test_rich_shows_the_same_text(net, data):
    seen = trace(net, *data)
    console = Console(width=80, record=True, file=io.StringIO(), color_system=None)
    console.print(seen)
    shown = [line.rstrip() for line in console.export_text().splitlines()]
    assert shown == [line.rstrip() for line in seen.to_text().splitlines()]


def test_the_text_names_tokens_and_masked_cells():
    torch.manual_seed(0)
    seen = trace(CustomMultiHeadAttention(2, 4), torch.randn(1, 3, 4), ["To", "be", "or"], causal=True)
    lines = seen.to_text("weights", head=1).splitlines()
    assert lines[3].split() == ["To", "be", "or"]
    assert lines[4].split() == ["To", "1", "masked", "masked"]


def test_json_carries_every_array_in_its_own_dtype():
    for seen in some_traces():
        made = json.loads(seen.to_json())
        assert (made["format"], made["version"]) == ("clearhead trace", 1)
        for value in made["values"]:
            back = unpacked(value, seen[value["name"]].shape)
            assert back.dtype == seen[value["name"]].dtype.newbyteorder("<")
            np.testing.assert_array_equal(back, seen[value["name"]])
        assert [step["name"] for step in made["steps"]] == list(seen.steps)


def test_a_page_that_would_be_too_large_keeps_one_head_exact_and_says_what_it_left_out():
    torch.manual_seed(0)
    seen = trace(CustomMultiHeadAttention(12, 384), torch.randn(1, 256, 384), check=False)
    assert len(json.dumps(document(seen))) > LARGEST_PAGE
    made = fitted(seen, 5)
    assert len(json.dumps(made)) < 8_000_000
    values = {value["name"]: value for value in made["values"]}
    np.testing.assert_array_equal(unpacked(values["weights"], (256, 256)), seen["weights"][0, 5])
    small = unpacked(values["weights"]["thumbnails"], (12, 128, 128))
    pooled = seen["weights"][0].reshape(12, 128, 2, 128, 2).max(axis=(2, 4))
    np.testing.assert_allclose(small / 255, pooled, atol=0.5 / 255 + 1e-6)
    assert any(note.startswith("Left out, as the file would be over 8 MB: ") for note in made["notes"])
    with pytest.raises(ValueError, match="head=12 must be one of 0, 1, 2"):
        seen.to_html(head=12)


def test_a_notebook_gets_text_and_a_table_before_the_view(net, data):
    bundle = trace(net, *data)._repr_mimebundle_()
    assert sorted(bundle) == ["text/html", "text/plain"]
    html = bundle["text/html"]
    assert html.index("<table>") < html.index('<iframe sandbox="allow-scripts"')
    assert "dz2 W2ᵀ" in html[: html.index("<iframe")]


def test_a_frozen_model_is_traced_as_any_other_and_stays_frozen(model):
    before = trace(model, [1, 2, 3])
    model.requires_grad_(requires_grad=False)
    with torch.inference_mode():
        seen = trace(model, [1, 2, 3])
    np.testing.assert_array_equal(seen["blocks.0.dWf"], before["blocks.0.dWf"])
    assert not any(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_dtypes_cost_what_is_said_and_carry_their_own_limits(dtype):
    attention, said = CustomMultiHeadAttention(2, 6).to(dtype), []
    seen = trace(attention, torch.randn(1, 4, 6), on_cost=said.append)
    assert said == [seen.nbytes]
    assert (seen.tiny, seen.epsilon) == (torch.finfo(dtype).tiny, torch.finfo(dtype).eps)
    assert all(check.passed for check in seen.checks.values())


def test_a_cut_page_keeps_the_dtypes_limits_and_its_thumbnails_know_their_heads(monkeypatch):
    monkeypatch.setattr("clearhead.trace_json.LARGEST_PAGE", 40_000)
    seen = trace(CustomMultiHeadAttention(4, 8), torch.randn(1, 40, 8), heads=[1, 3], check=False)
    made = fitted(seen, 3)
    values = {value["name"]: value for value in made["values"]}
    assert made["tiny"] == seen.tiny
    assert (values["weights"]["heads"], values["weights"]["thumbnails"]["heads"]) == ((3,), (1, 3))
    small = unpacked(values["weights"]["thumbnails"], (2, 40, 40))
    np.testing.assert_allclose(small / 255, seen["weights"][0], atol=0.6 / 255)
    with pytest.raises(ValueError, match="head=0 must be one of 1, 3"):
        fitted(seen, 0)


def test_names_hold_nothing_that_a_terminal_obeys():
    seen = trace(CustomMultiHeadAttention(2, 4), torch.randn(1, 3, 4), ["\x1b[31m", "a\rb", "안"])
    assert seen.recording.names["T"] == ("\\x1b[31m", "a\\rb", "안")
    lines = seen.to_text("weights", head=0).splitlines()
    from rich.cells import cell_len

    assert len({cell_len(line) for line in lines[3:7]}) == 1


@pytest.mark.parametrize(("kind", "words", "says"), [
    ("net", {"tokens": ["a"]}, "tokens says nothing about a TwoLayerNN; leave it out"),
    ("net", {"heads": [0]}, "heads says nothing about a TwoLayerNN"),
    ("net", {"causal": True}, "causal says nothing about a TwoLayerNN"),
    ("model", {"mask": True}, "mask says nothing about a LanguageModel"),
    ("net", {"steps": ["weights"]}, "steps has 'weights', which no step makes; choose from z1"),
])  # fmt: skip
def test_an_argument_that_says_nothing_is_refused(kind, words, says, net, data, model):
    with pytest.raises(ValueError, match=says):
        trace(*((net, *data) if kind == "net" else (model, [1, 2])), **words)


def test_one_example_may_come_with_its_label_or_its_row(net, data):
    for label in (2, [2], [0, 0, 1]):
        np.testing.assert_array_equal(trace(net, data[0][0], label)["Y"], [[0, 0, 1]])


def test_a_chosen_gradient_keeps_its_check(net, data):
    assert sorted(trace(net, *data, steps=["dW1"]).checks) == ["dW1", "dz1"]


def test_a_cut_page_of_a_network_speaks_of_no_heads(net, data, monkeypatch):
    monkeypatch.setattr("clearhead.trace_json.LARGEST_PAGE", 3_000)
    made = fitted(trace(net, *data), 0)
    assert [note[:8] for note in made["notes"]] == ["Left out"]
    left = made["notes"][0].partition(": ")[2].rstrip(".").split(", ")
    assert {value["name"] for value in made["values"]} == set(trace(net, *data).values) - set(left)
