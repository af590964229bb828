"""What a widely read book on deep learning from scratch keeps in its folder `common`, for files that lack it.

Runs inside the sandbox.
"""

from collections.abc import Callable
from typing import Any

import numpy as np


def identity_function(x: Any) -> Any:
    """The scores as they are."""
    return x


def sigmoid(x: Any) -> Any:
    """σ of each number."""
    return 1 / (1 + np.exp(-x))


def sigmoid_grad(x: Any) -> Any:
    """The slope of σ at a sum."""
    return (1.0 - sigmoid(x)) * sigmoid(x)


def relu(x: Any) -> Any:
    """Each number, or zero where it is below."""
    return np.maximum(0, x)


def relu_grad(x: Any) -> Any:
    """The slope of ReLU at a sum."""
    return (np.asarray(x) >= 0).astype(float)


def softmax(x: Any) -> Any:
    """Shares of the last axis.

    >>> softmax(np.zeros((1, 2)))
    array([[0.5, 0.5]])
    """
    powers = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return powers / np.sum(powers, axis=-1, keepdims=True)


def mean_squared_error(y: Any, t: Any) -> Any:
    """Half of the sum of the squares."""
    return 0.5 * np.sum((y - t) ** 2)


def cross_entropy_error(y: Any, t: Any) -> Any:
    """The mean over the examples; labels one-hot or whole numbers."""
    y, t = np.atleast_2d(y), np.asarray(t)
    labels = t.reshape(y.shape).argmax(axis=1) if t.size == y.size else t.reshape(-1)
    return -np.sum(np.log(y[np.arange(len(y)), labels] + 1e-7)) / len(y)


def softmax_loss(X: Any, t: Any) -> Any:
    """The cross-entropy of scores."""
    return cross_entropy_error(softmax(X), t)


def numerical_gradient(f: Callable[[Any], Any], x: Any) -> Any:
    """Central differences, along each number of an array."""
    made, step = np.zeros_like(x), 1e-4
    for place in np.ndindex(x.shape):
        kept = x[place]
        ends = []
        for sign in (1, -1):
            x[place] = kept + sign * step
            ends.append(f(x))
        made[place], x[place] = (ends[0] - ends[1]) / (2 * step), kept
    return made


class Relu:
    """ReLU as a layer."""

    def forward(self, x: Any) -> Any:
        """The numbers above zero."""
        self.mask = x <= 0
        return np.where(self.mask, 0, x)

    def backward(self, dout: Any) -> Any:
        """The errors of these."""
        return np.where(self.mask, 0, dout)


class Sigmoid:
    """σ as a layer."""

    def forward(self, x: Any) -> Any:
        """σ of each number."""
        self.out = sigmoid(x)
        return self.out

    def backward(self, dout: Any) -> Any:
        """The errors times the slope."""
        return dout * (1.0 - self.out) * self.out


class Affine:
    """A product and a sum as a layer."""

    def __init__(self, W: Any, b: Any) -> None:
        self.W, self.b = W, b
        self.x: Any = None
        self.dW: Any = None
        self.db: Any = None

    def forward(self, x: Any) -> Any:
        """x W + b."""
        self.x = x
        return np.dot(x, self.W) + self.b

    def backward(self, dout: Any) -> Any:
        """The errors of the input; those of the parameters are kept."""
        self.dW, self.db = np.dot(np.transpose(self.x), dout), np.sum(dout, axis=0)
        return np.dot(dout, self.W.T)


class SoftmaxWithLoss:
    """Softmax and cross-entropy as one layer."""

    def forward(self, x: Any, t: Any) -> Any:
        """The loss."""
        self.t, self.y = t, softmax(x)
        self.loss = cross_entropy_error(self.y, t)
        return self.loss

    def backward(self, dout: Any = 1) -> Any:
        """The errors of the scores."""
        hot = self.t if self.t.size == self.y.size else np.eye(self.y.shape[1])[self.t.reshape(-1)]
        return dout * (self.y - hot) / len(self.y)


_NAMES = {
    "functions": (
        identity_function, sigmoid, sigmoid_grad, relu, relu_grad, softmax, mean_squared_error,
        cross_entropy_error, softmax_loss,
    ),
    "gradient": (numerical_gradient,),
    "layers": (Relu, Sigmoid, Affine, SoftmaxWithLoss, softmax, cross_entropy_error),
}  # fmt: skip


def module(name: str) -> dict[str, Any]:
    """The names of a module of the book's; empty for any other module.

    >>> sorted(module("common.gradient"))
    ['np', 'numerical_gradient']
    """
    folder, _, stem = name.rpartition(".")
    if folder.rpartition(".")[2] != "common" or stem not in _NAMES:
        return {}
    return {"np": np, **{each.__name__: each for each in _NAMES[stem]}}
