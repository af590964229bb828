"""The same work by clearhead and by what one would use instead, each as its own documentation does it best.

The functions prepare it, and return what is timed; each loads the library that it needs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from clearhead.bench import Work
from clearhead.raw import Array

LR = 0.1
HIDDENS, CLASSES = 256, 10


def images(data: str | None = None) -> tuple[Array, Array]:
    """Examples (N, 784) and class indices (N,): MNIST's training set from a folder, or drawn in its sizes."""
    if data is not None:
        from clearhead.data import load_data

        X, Y = load_data(data, validation=0).train
        return X, Y
    generator = np.random.default_rng(0)
    return generator.random((20_000, 784), np.float32), generator.integers(CLASSES, size=20_000)


# The two-layer network: an epoch of plain gradient descent, every example once, in a new order.


def clearhead_epoch(batch_size: int, data: str | None = None) -> Work:
    """TwoLayerNN.train."""
    from clearhead.two_layer_nn import TwoLayerNN

    X, labels = images(data)
    Y = np.eye(CLASSES, dtype=np.float32)[labels]
    net = TwoLayerNN(X.shape[1], HIDDENS, CLASSES, seed=0)
    return lambda: net.train(X, Y, X[:1], Y[:1], LR, n_epochs=1, batch_size=batch_size, log_interval=0)


def numpy_epoch(batch_size: int, data: str | None = None) -> Work:
    """The formulas as a textbook has them."""
    X, labels = images(data)
    Y = np.eye(CLASSES, dtype=np.float32)[labels]
    generator = np.random.default_rng(0)
    W1 = 0.05 * generator.standard_normal((X.shape[1], HIDDENS), np.float32)
    W2 = 0.1 * generator.standard_normal((HIDDENS, CLASSES), np.float32)
    b1, b2 = np.zeros(HIDDENS, np.float32), np.zeros(CLASSES, np.float32)

    def epoch() -> None:
        nonlocal W1, b1, W2, b2
        order = generator.permutation(len(X))
        for start in range(0, len(X), batch_size):
            rows = order[start : start + batch_size]
            x, y = X[rows], Y[rows]
            h = 1 / (1 + np.exp(-(x @ W1 + b1)))
            powers = np.exp(h @ W2 + b2)
            error = (powers / powers.sum(axis=1, keepdims=True) - y) / len(rows)
            hidden = error @ W2.T * h * (1 - h)
            W2, b2 = W2 - LR * (h.T @ error), b2 - LR * error.sum(axis=0)
            W1, b1 = W1 - LR * (x.T @ hidden), b1 - LR * hidden.sum(axis=0)

    return epoch


def sklearn_epoch(batch_size: int, data: str | None = None) -> Work:
    """MLPClassifier, one epoch of its own `fit`."""
    from sklearn.neural_network import MLPClassifier

    X, labels = images(data)
    warnings.simplefilter("ignore")  # It says after an epoch that it would go on.
    model = MLPClassifier(
        (HIDDENS,), activation="logistic", solver="sgd", learning_rate_init=LR, momentum=0,
        nesterovs_momentum=False, alpha=0, batch_size=batch_size, max_iter=1, random_state=0,
    )  # fmt: skip
    return lambda: model.fit(X, labels)


def torch_epoch(batch_size: int, fused: bool, compiled: bool = False, data: str | None = None) -> Work:
    """nn.Sequential, CrossEntropyLoss and SGD over shuffled rows of one tensor."""
    import torch
    from torch import nn

    X, labels = (torch.from_numpy(values) for values in images(data))
    model = nn.Sequential(nn.Linear(X.shape[1], HIDDENS), nn.Sigmoid(), nn.Linear(HIDDENS, CLASSES))
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, fused=fused)
    scores, loss_of = torch.compile(model) if compiled else model, nn.CrossEntropyLoss()

    def epoch() -> None:
        for rows in torch.randperm(len(X)).split(batch_size):
            optimizer.zero_grad()
            loss_of(scores(X[rows]), labels[rows]).backward()
            optimizer.step()

    return epoch


def jax_epoch(batch_size: int, data: str | None = None) -> Work:
    """The whole epoch as one compiled scan, the parameters' memory given back to it."""
    import jax
    from jax import numpy as jnp

    X, labels = map(jnp.asarray, images(data))
    Y = jax.nn.one_hot(labels, CLASSES)
    first, second = jax.random.split(jax.random.key(0))
    params = {
        "W1": 0.05 * jax.random.normal(first, (X.shape[1], HIDDENS)), "b1": jnp.zeros(HIDDENS),
        "W2": 0.1 * jax.random.normal(second, (HIDDENS, CLASSES)), "b2": jnp.zeros(CLASSES),
    }  # fmt: skip

    def loss_of(params: Any, x: Any, y: Any) -> Any:
        h = jax.nn.sigmoid(x @ params["W1"] + params["b1"])
        return -(y * jax.nn.log_softmax(h @ params["W2"] + params["b2"])).sum(axis=1).mean()

    def epoch_of(params: Any, X: Any, Y: Any, order: Any) -> Any:
        def step(params: Any, rows: Any) -> Any:
            loss, slopes = jax.value_and_grad(loss_of)(params, X[rows], Y[rows])
            return jax.tree.map(lambda value, slope: value - LR * slope, params, slopes), loss

        whole = len(order) // batch_size * batch_size
        params, losses = jax.lax.scan(step, params, order[:whole].reshape(-1, batch_size))
        if whole < len(order):
            params, _ = step(params, order[whole:])
        return params, losses.mean()

    compiled, generator = jax.jit(epoch_of, donate_argnums=0), np.random.default_rng(0)

    def epoch() -> None:
        nonlocal params
        order = generator.permutation(len(X)).astype(np.int32)
        params, _ = jax.block_until_ready(compiled(params, X, Y, order))

    return epoch


# The two-layer network: the probabilities of some rows.


def clearhead_rows(rows: int) -> Work:
    """TwoLayerNN.forward, which keeps every value."""
    from clearhead.two_layer_nn import TwoLayerNN

    X = images()[0][:rows].copy()
    net = TwoLayerNN(X.shape[1], HIDDENS, CLASSES, seed=0)
    return lambda: net.forward(X)[0]


def sklearn_rows(rows: int) -> Work:
    """MLPClassifier.predict_proba."""
    from sklearn.neural_network import MLPClassifier

    X, labels = images()
    warnings.simplefilter("ignore")
    model = MLPClassifier((HIDDENS,), activation="logistic", solver="sgd", max_iter=1, random_state=0)
    model.fit(X[:2000], labels[:2000])
    X = X[:rows].copy()
    return lambda: model.predict_proba(X)


def torch_rows(rows: int) -> Work:
    """nn.Sequential and a softmax, in inference mode."""
    import torch
    from torch import nn

    X = torch.from_numpy(images()[0][:rows].copy())
    model = nn.Sequential(
        nn.Linear(X.shape[1], HIDDENS), nn.Sigmoid(), nn.Linear(HIDDENS, CLASSES), nn.Softmax(1)
    )

    @torch.inference_mode()
    def run() -> object:
        return model(X)

    return run


# Attention.


def attention_layer(form: str, shape: tuple[int, int, int], heads: int, backward: bool) -> Work:
    """One layer of it, in one of the forms that FORMS names, on tokens (B,T,M)."""
    import torch

    torch.manual_seed(0)
    x = torch.randn(*shape, requires_grad=backward)
    layer = FORMS[form](heads, shape[2])

    def run() -> None:
        if not backward:
            with torch.no_grad():
                layer(x)
            return
        layer.zero_grad()
        x.grad = None
        output = layer(x)
        output.backward(torch.ones_like(output))

    return run


def _ours(heads: int, model_dim: int) -> Any:
    from clearhead.attention import MultiHeadAttention

    return MultiHeadAttention(heads, model_dim)


def _library(heads: int, model_dim: int, weights: bool) -> Any:
    from torch import nn

    class OfItself(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.MultiheadAttention(model_dim, heads, batch_first=True)

        def forward(self, x: Any) -> Any:
            return self.layer(x, x, x, need_weights=weights)[0]

    return OfItself()


def _by_hand(heads: int, model_dim: int, one_projection: bool, kernel: bool) -> Any:
    from torch import nn
    from torch.nn import functional

    class ByHand(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            sizes = [3 * model_dim] if one_projection else [model_dim] * 3
            self.inwards = nn.ModuleList(nn.Linear(model_dim, size) for size in sizes)
            self.outwards = nn.Linear(model_dim, model_dim)

        def forward(self, x: Any) -> Any:
            projected = [part for layer in self.inwards for part in layer(x).split(model_dim, dim=-1)]
            q, k, v = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in projected)
            if kernel:
                mixed = functional.scaled_dot_product_attention(q, k, v)
            else:
                mixed = (q @ k.mT / q.shape[-1] ** 0.5).softmax(dim=-1) @ v
            return self.outwards(mixed.transpose(1, 2).flatten(2))

    return ByHand()


FORMS: dict[str, Callable[[int, int], Any]] = {
    "clearhead": _ours,
    "the plain formula": lambda A, M: _by_hand(A, M, one_projection=False, kernel=False),
    "nn.MultiheadAttention with weights": lambda A, M: _library(A, M, weights=True),
    "nn.MultiheadAttention without": lambda A, M: _library(A, M, weights=False),
    "separate projections, fused kernel": lambda A, M: _by_hand(A, M, one_projection=False, kernel=True),
    "one projection, fused kernel": lambda A, M: _by_hand(A, M, one_projection=True, kernel=True),
}


# The language model: some steps of nanoGPT's small settings.

CONTEXT, BATCH, MODEL_DIM, HEADS, LAYERS, RATE, SYMBOLS = 64, 12, 128, 4, 4, 1e-3, 65


def clearhead_steps(steps: int) -> Work:
    """LanguageModel, by the learner that `fit` uses."""
    import torch

    from clearhead.data import Examples
    from clearhead.learners import learner_of
    from clearhead.transformer import LanguageModel

    torch.manual_seed(0)
    learner = learner_of(
        LanguageModel(SYMBOLS, CONTEXT, model_dim=MODEL_DIM, num_heads=HEADS, num_layers=LAYERS)
    )
    text = np.random.default_rng(0).integers(SYMBOLS, size=100_000)
    examples, starts = Examples(text[:-1], text[1:]), np.random.default_rng(1)

    def run() -> None:
        for _ in range(steps):
            rows = starts.integers(len(text) - CONTEXT - 1, size=BATCH)
            learner.step(*learner.batch(examples, rows), RATE)

    return run


def torch_steps(steps: int) -> Work:
    """A plain loop with PyTorch's own layers, its fused attention and its fused AdamW."""
    import torch

    text = torch.from_numpy(np.random.default_rng(0).integers(SYMBOLS, size=100_000))
    _, step = torch_learner(SYMBOLS)

    def run() -> None:
        for _ in range(steps):
            starts = torch.randint(len(text) - CONTEXT - 1, (BATCH, 1))
            rows = starts + torch.arange(CONTEXT)
            step(text[rows], text[rows + 1], RATE)

    return run


def torch_learner(num_symbols: int) -> tuple[Any, Callable[[Any, Any, float], float]]:
    """A model of symbols in PyTorch's own words, in nanoGPT's small sizes, and one step of it: its loss."""
    import torch
    from torch import nn
    from torch.nn import functional

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inwards, self.outwards = nn.Linear(MODEL_DIM, 3 * MODEL_DIM), nn.Linear(MODEL_DIM, MODEL_DIM)

        def forward(self, x: Any) -> Any:
            split = self.inwards(x).unflatten(-1, (3, HEADS, -1))
            q, k, v = split.permute(2, 0, 3, 1, 4)
            mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            return self.outwards(mixed.transpose(1, 2).flatten(2))

    class Added(nn.Module):
        def __init__(self, *layers: nn.Module) -> None:
            super().__init__()
            self.inner = nn.Sequential(*layers)

        def forward(self, x: Any) -> Any:
            return x + self.inner(x)

    class Places(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.places = nn.Parameter(0.02 * torch.randn(CONTEXT, MODEL_DIM))

        def forward(self, x: Any) -> Any:
            return x + self.places[: x.shape[1]]

    wide = 4 * MODEL_DIM
    blocks = [
        part
        for _ in range(LAYERS)
        for part in (
            Added(nn.LayerNorm(MODEL_DIM), Attention()),
            Added(nn.LayerNorm(MODEL_DIM), nn.Linear(MODEL_DIM, wide), nn.GELU(), nn.Linear(wide, MODEL_DIM)),
        )
    ]
    model = nn.Sequential(nn.Embedding(num_symbols, MODEL_DIM), Places(), *blocks, nn.LayerNorm(MODEL_DIM),
                          nn.Linear(MODEL_DIM, num_symbols, bias=False))  # fmt: skip
    for name, value in model.named_parameters():
        if value.ndim > 1:
            adds = name.endswith(("outwards.weight", ".3.weight"))
            nn.init.normal_(value, std=0.02 / (2 * LAYERS) ** 0.5 if adds else 0.02)
        elif name.endswith("bias"):
            nn.init.zeros_(value)
    flat, deep = ([value for value in model.parameters() if (value.ndim > 1) is is_deep]
                  for is_deep in (False, True))  # fmt: skip
    groups = [{"params": deep, "weight_decay": 0.1}, {"params": flat, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99), fused=True)

    def step(X: Any, Y: Any, lr: float) -> float:
        for group in optimizer.param_groups:
            group["lr"] = lr
        loss = functional.cross_entropy(model(X).flatten(0, 1), Y.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    return model, step
