"""How each model learns: its batches, one step of it, and what it scores. `train.py` has the loop."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from clearhead.data import Data, Examples
from clearhead.models import probabilities_of
from clearhead.raw import Array
from clearhead.two_layer_nn import TwoLayerNN, accuracy, cross_entropy

if TYPE_CHECKING:
    import torch

    from clearhead.models import Model

WARM_UP = 0.05
EXAMPLES_AT_ONCE = 256


class Learner(Protocol):
    """What the loop needs of a model. A step raises FloatingPointError(name of a parameter)."""

    def check(self, data: Data) -> None:
        """Raise ValueError where the data does not fit the model."""

    def count(self, examples: Examples) -> int:
        """How many examples (of a text: windows) a pass visits."""

    def order(self, examples: Examples, generator: np.random.Generator) -> Array:
        """Where each of them begins, in a new order."""

    def batch(self, examples: Examples, rows: Array) -> tuple[Any, Any]:
        """Inputs and labels of some of them."""

    def begin_epoch(self) -> None:
        """Leave what was learnt so far to whoever holds it."""

    def step(self, X: Any, Y: Any, lr: float) -> tuple[float, float]:
        """Learn from a batch; loss and accuracy before."""

    def evaluate(self, examples: Examples) -> tuple[float, float]:
        """Loss and accuracy."""

    def warmth(self, share: float) -> float:
        """The part of the learning rate that is used at this share of all steps."""


def learner_of(model: Model) -> Learner:
    """How `model` learns."""
    if isinstance(model, TwoLayerNN):
        return NetworkLearner(model)
    learner: Learner = (LanguageLearner if "context" in model.settings else ClassifierLearner)(model)
    return learner


class NetworkLearner:
    """A TwoLayerNN learns by plain gradient descent."""

    def __init__(self, model: TwoLayerNN) -> None:
        self.model, self.num_classes = model, model.params["b2"].size
        self.one_hot = np.eye(self.num_classes, dtype=model.dtype)

    def check(self, data: Data) -> None:
        num_features = self.model.params["W1"].shape[0]
        _check_sizes(data, "input_dim", num_features, self.num_classes)

    def count(self, examples: Examples) -> int:
        return len(examples.X)

    def order(self, examples: Examples, generator: np.random.Generator) -> Array:
        return generator.permutation(len(examples.X))

    def batch(self, examples: Examples, rows: Array) -> tuple[Array, Array]:
        return examples.X.take(rows, axis=0), self.one_hot[examples.Y[rows]]

    def begin_epoch(self) -> None:
        self.model.own_parameters()  # An update is in place.

    def step(self, X: Array, Y: Array, lr: float) -> tuple[float, float]:
        y = self.model.update(X, Y, lr)
        for name in ("W2", "b2", "W1", "b1"):
            value = self.model.params[name]
            # The sum of squares is quick, and not finite wherever the value is not.
            if not math.isfinite(np.vdot(value, value)) and not np.isfinite(value).all():
                raise FloatingPointError(name)
        return float(cross_entropy(y, Y)), float(accuracy(y, Y))

    def evaluate(self, examples: Examples) -> tuple[float, float]:
        y = probabilities_of(self.model, examples.X)
        return float(self.model.compute_loss(examples.Y, y)), float(self.model.evaluate(examples.Y, y))

    def warmth(self, share: float) -> float:
        return 1.0


class ClassifierLearner:
    """A SequenceClassifier learns by AdamW (Loshchilov & Hutter 2019), its learning rate rising at first."""

    def __init__(self, model: Any) -> None:
        import torch

        self.torch, self.model, self.device = torch, model.train(), model.places.device
        values = list(model.parameters())
        groups = [{"params": [value for value in values if value.ndim > 1], "weight_decay": 0.1},
                  {"params": [value for value in values if value.ndim < 2], "weight_decay": 0.0}]  # fmt: skip
        fused = self.device.type in ("cpu", "cuda")
        self.optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99), fused=fused)

    def check(self, data: Data) -> None:
        settings = self.model.settings
        _check_sizes(data, "input_shape", math.prod(settings["input_shape"]), settings["num_classes"])

    def count(self, examples: Examples) -> int:
        return len(examples.X)

    def order(self, examples: Examples, generator: np.random.Generator) -> Array:
        return generator.permutation(len(examples.X))

    def batch(self, examples: Examples, rows: Array) -> tuple[torch.Tensor, torch.Tensor]:
        X, Y = (self.torch.from_numpy(values[rows]).to(self.device) for values in examples)
        return X.to(self.model.places.dtype) if X.is_floating_point() else X, Y

    def begin_epoch(self) -> None:
        """An optimizer works on the tensors that it was given."""

    def step(self, X: torch.Tensor, Y: torch.Tensor, lr: float) -> tuple[float, float]:
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        loss, accuracy = self._scored(X, Y)
        self.optimizer.zero_grad()
        loss.backward()
        try:
            # Refused before it scales, which would spread one NaN over every gradient.
            self.torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0, error_if_nonfinite=True)
        except RuntimeError:
            raise FloatingPointError(self._first_not_finite()) from None
        if not math.isfinite(loss.item()):
            raise FloatingPointError(self._first_not_finite())
        self.optimizer.step()
        return loss.item(), accuracy

    def evaluate(self, examples: Examples) -> tuple[float, float]:
        seen = np.zeros(3)
        with self.torch.inference_mode():
            for rows in self.in_order(examples):
                X, Y = self.batch(examples, rows)
                loss, accuracy = self._scored(X, Y)
                seen += Y.numel(), Y.numel() * loss.item(), Y.numel() * accuracy
        return float(seen[1] / seen[0]), float(seen[2] / seen[0])

    def in_order(self, examples: Examples) -> Iterator[Array]:
        for start in range(0, len(examples.X), EXAMPLES_AT_ONCE):
            yield np.arange(start, min(start + EXAMPLES_AT_ONCE, len(examples.X)))

    def warmth(self, share: float) -> float:
        return min(1.0, share / WARM_UP)

    def _scored(self, X: torch.Tensor, Y: torch.Tensor) -> tuple[torch.Tensor, float]:
        scores = self.model(X).flatten(0, -2)
        right = (scores.argmax(dim=-1) == Y.flatten()).float().mean()
        return self.torch.nn.functional.cross_entropy(scores, Y.flatten()), 100 * right.item()

    def _first_not_finite(self) -> str:
        """The parameter, from the output back, or else its gradient, or the loss, that is not finite."""
        backwards = list(self.model.named_parameters())[::-1]
        for values in ([v for _, v in backwards], [v.grad for _, v in backwards]):
            for (name, _), value in zip(backwards, values, strict=True):
                if value is not None and not value.isfinite().all():
                    return str(name)
        return "the loss"


class LanguageLearner(ClassifierLearner):
    """A LanguageModel learns the same way, from windows of a text, each as long as its context."""

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self.context: int = model.settings["context"]

    def check(self, data: Data) -> None:
        num_symbols = self.model.settings["num_symbols"]
        if data.train.X.ndim != 1:
            raise ValueError(
                "data is a table or images, and a LanguageModel learns from a text; use a SequenceClassifier."
            )
        if num_symbols != len(data.labels):
            raise ValueError(
                f"num_symbols={num_symbols} must be {len(data.labels)}, as many as the text has."
            )
        if self.count(data.train) < 1:
            length = len(data.train.X)
            raise ValueError(
                f"context={self.context} is too long for {length} symbols; use at most {(length + 1) // 2}."
            )

    def count(self, examples: Examples) -> int:
        return (len(examples.X) + 1) // self.context - 1

    def order(self, examples: Examples, generator: np.random.Generator) -> Array:
        """Windows side by side, from another beginning in each pass."""
        order = self.context * generator.permutation(self.count(examples))
        return order + generator.integers(self.context)

    def batch(self, examples: Examples, rows: Array) -> tuple[torch.Tensor, torch.Tensor]:
        length = min(self.context, len(examples.X) - rows[-1])
        return super().batch(examples, rows[:, np.newaxis] + np.arange(length))

    def in_order(self, examples: Examples) -> Iterator[Array]:
        """Windows side by side from the first symbol on; the last one may be shorter."""
        whole = len(examples.X) // self.context * self.context
        starts = np.arange(0, whole, self.context)
        for first in range(0, len(starts), EXAMPLES_AT_ONCE):
            yield starts[first : first + EXAMPLES_AT_ONCE]
        if whole < len(examples.X):
            yield np.array([whole])


def _check_sizes(data: Data, name: str, num_features: int, num_classes: int) -> None:
    if data.train.X.ndim == 1:
        raise ValueError(
            "data is a text, and this model learns from examples with labels; use a LanguageModel."
        )
    found = data.train.X.shape[1]
    if num_features != found:
        raise ValueError(
            f"{name} makes {num_features} numbers, but an example has {found}; build the model for {found}."
        )
    if num_classes != len(data.labels):
        raise ValueError(
            f"num_classes={num_classes}, but the data has {len(data.labels)} labels; use {len(data.labels)}."
        )
    for part in (data.train, data.validation):
        if len(part.Y) and not 0 <= part.Y.min() <= part.Y.max() < num_classes:
            raise ValueError(
                f"Y must be class indices from 0 to {num_classes - 1}; got {part.Y.min()} to {part.Y.max()}."
            )
