"""Programs of learners that several tests begin with, and which cases of a test are slow."""

import pytest

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


def rest_slow(quick, cases):
    """Cases for `parametrize`: the first so many as they are, and those after them among the slow tests."""
    cases = list(cases)
    others = (case if isinstance(case, tuple) else (case,) for case in cases[quick:])
    return [*cases[:quick], *(pytest.param(*case, marks=pytest.mark.slow) for case in others)]
