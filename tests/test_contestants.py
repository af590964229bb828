"""Contestants do the same work: as many parameters, the same outputs, a loss that falls."""

import numpy as np
import pytest
import torch

from clearhead import contestants
from clearhead.transformer import LanguageModel


@pytest.fixture
def few(monkeypatch):
    """Few images, of two kinds that anything can learn to part; returns what was drawn."""
    generator = np.random.default_rng(0)
    labels = generator.integers(2, size=70)
    X = (labels[:, np.newaxis] + 0.1 * generator.normal(size=(70, 784))).astype(np.float32)
    monkeypatch.setattr(contestants, "images", lambda data=None: (X, labels))
    return X, labels


EPOCHS = {
    "clearhead": (contestants.clearhead_epoch, {}),
    "numpy": (contestants.numpy_epoch, {}),
    "sklearn": (contestants.sklearn_epoch, {}),
    "torch": (contestants.torch_epoch, {"fused": False}),
    "torch fused": (contestants.torch_epoch, {"fused": True}),
    "jax": (contestants.jax_epoch, {}),
}


def cells(work):
    return dict(
        zip(work.__code__.co_freevars, (cell.cell_contents for cell in work.__closure__), strict=True)
    )


def parameters(work):
    """The weights that an epoch trains, first layer first."""
    held = cells(work)
    if "net" in held:
        return list(held["net"].params.values())
    if "params" in held:
        return [np.asarray(held["params"][name]) for name in ("W1", "b1", "W2", "b2")]
    if "W1" in held:
        return [held[name] for name in ("W1", "b1", "W2", "b2")]
    if "optimizer" in held:
        return [value.detach().numpy().T for value in held["optimizer"].param_groups[0]["params"]]
    (W1, W2), (b1, b2) = held["model"].coefs_, held["model"].intercepts_
    return [W1, b1, W2, b2]


def accuracy(work, X, labels):
    W1, b1, W2, b2 = parameters(work)
    scores = 1 / (1 + np.exp(-(X @ W1 + b1))) @ W2 + b2
    return (scores.argmax(axis=1) == labels).mean()


@pytest.mark.parametrize("name", EPOCHS)
def test_an_epoch_of_each_trains_the_same_network_on_every_example(name, few):
    if name == "jax":
        pytest.importorskip("jax")
    make, settings = EPOCHS[name]
    work = make(batch_size=32, **settings)
    for _ in range(1 if name == "sklearn" else 30):
        work()
    sizes = [np.shape(value) for value in parameters(work)]
    classes = 1 if name == "sklearn" else 10  # Two classes are one logistic unit to it.
    assert sizes == [(784, 256), (256,), (256, classes), (classes,)]
    if name != "sklearn":
        assert accuracy(work, *few) > 0.95


def test_sklearn_trains_plainly(few):
    work = contestants.sklearn_epoch(batch_size=32)
    work()
    model = cells(work)["model"]
    settings = ("activation", "solver", "alpha", "batch_size", "max_iter", "momentum", "learning_rate_init")
    assert [getattr(model, name) for name in settings] == ["logistic", "sgd", 0, 32, 1, 0, contestants.LR]


def test_one_epoch_by_the_book_is_one_of_clearhead(few, monkeypatch):
    ours, book = contestants.clearhead_epoch(batch_size=32), contestants.numpy_epoch(batch_size=32)
    net, start = cells(ours)["net"], parameters(book)
    net.params = dict(zip(("W1", "b1", "W2", "b2"), [value.copy() for value in start], strict=True))
    # The same order for both.
    net.shuffler = np.random.default_rng(5)
    generator = cells(book)["generator"]
    generator.bit_generator.state = np.random.default_rng(5).bit_generator.state
    ours()
    book()
    for one, other in zip(parameters(ours), parameters(book), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "make", [contestants.clearhead_rows, contestants.sklearn_rows, contestants.torch_rows]
)
def test_probabilities_have_a_row_for_each_example(make, monkeypatch):
    generator = np.random.default_rng(0)
    images = generator.random((60, 784), np.float32), np.arange(60) % 10
    monkeypatch.setattr(contestants, "images", lambda: images)
    y = np.asarray(make(rows=7)())
    assert y.shape == (7, 10)
    np.testing.assert_allclose(y.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("form", contestants.FORMS)
def test_every_form_of_attention_is_attention(form):
    torch.manual_seed(0)
    layer, ours = contestants.FORMS[form](2, 6), contestants.FORMS["clearhead"](2, 6)
    count = sum(value.numel() for value in layer.parameters())
    assert count == sum(value.numel() for value in ours.parameters()) == 4 * (36 + 6)
    x = torch.randn(3, 5, 6)
    weights = [ours.query_proj, ours.key_proj, ours.value_proj]
    state = {
        "weight": torch.cat([each.weight for each in weights]),
        "bias": torch.cat([each.bias for each in weights]),
    }
    with torch.no_grad():
        if form.startswith("nn."):
            layer.layer.in_proj_weight.copy_(state["weight"])
            layer.layer.in_proj_bias.copy_(state["bias"])
            layer.layer.out_proj.load_state_dict(ours.out_proj.state_dict())
        elif form != "clearhead":
            parts = len(layer.inwards)
            for i, inwards in enumerate(layer.inwards):
                inwards.weight.copy_(state["weight"].chunk(parts)[i])
                inwards.bias.copy_(state["bias"].chunk(parts)[i])
            layer.outwards.load_state_dict(ours.out_proj.state_dict())
        else:
            layer.load_state_dict(ours.state_dict())
        torch.testing.assert_close(layer(x), ours(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("backward", [True, False])
def test_attention_is_run_forwards_or_both_ways(backward):
    work = contestants.attention_layer("clearhead", (2, 3, 4), 2, backward)
    work()
    held = cells(work)
    gradients = [value.grad is not None for value in (held["x"], *held["layer"].parameters())]
    assert gradients == [backward] * 9


def test_both_language_models_have_the_same_sizes_and_learn():
    model, step = contestants.torch_learner(65)
    sizes = {
        "model_dim": contestants.MODEL_DIM,
        "num_heads": contestants.HEADS,
        "num_layers": contestants.LAYERS,
    }
    ours = LanguageModel(65, contestants.CONTEXT, **sizes)
    assert sum(v.numel() for v in model.parameters()) == sum(v.numel() for v in ours.parameters())
    symbols = torch.arange(12 * 65).reshape(12, 65) % 7
    losses = [step(symbols[:, :-1], symbols[:, 1:], 3e-3) for _ in range(20)]
    assert losses[-1] < 1 < 3.5 < losses[0]


@pytest.mark.parametrize("make", [contestants.clearhead_steps, contestants.torch_steps])
def test_some_steps_are_so_many(make, monkeypatch):
    taken = []
    true = torch.optim.AdamW.step
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda *a, **k: taken.append(1) or true(*a, **k))
    make(steps=3)()
    assert len(taken) == 3


def test_drawn_images_have_mnists_sizes_and_a_folder_is_loaded(tmp_path):
    X, labels = contestants.images()
    assert X.shape == (20_000, 784)
    assert X.dtype == np.float32
    assert set(labels) == set(range(10))
    path = tmp_path / "own.npz"
    np.savez(path, X=np.arange(24.0).reshape(6, 4), Y=np.array([0, 1, 0, 1, 0, 1]))
    own, labels = contestants.images(str(path))
    assert own.shape[1] == 4
    assert len(own) == len(labels) > 0
