"""How well a classifier does: accuracy, precision and recall of each class, and what it confuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearhead.raw import Array


@dataclass(frozen=True, eq=False)
class Scores:
    """Counted from a confusion matrix (C, C): a row for each true class, a column for each guess.

    precision (C,): of the examples called so, the share that is so; recall (C,): of those that are
    so, the share called so; f1 (C,): their harmonic mean. All in percent; nan where there are none.

    >>> scores = Scores.of(np.array([0, 0, 1]), np.array([0, 1, 1]), ("cat", "dog"))
    >>> round(scores.accuracy, 1), scores.recall.tolist(), scores.confusion.tolist()
    (66.7, [50.0, 100.0], [[1, 1], [0, 1]])
    """

    labels: tuple[str, ...]
    confusion: NDArray[np.int64]

    @classmethod
    def of(cls, true: Array, guessed: Array, labels: Sequence[str]) -> Scores:
        """From class indices, true (N,) and guessed (N,)."""
        confusion = np.zeros((len(labels), len(labels)), np.int64)
        np.add.at(confusion, (true, guessed), 1)
        return cls(tuple(labels), confusion)

    @property
    def accuracy(self) -> float:
        """The percentage of examples called what they are."""
        return float(100 * self.confusion.trace() / self.confusion.sum())

    @property
    def precision(self) -> Array:
        """In percent, (C,)."""
        return self._shares(self.confusion.sum(axis=0))

    @property
    def recall(self) -> Array:
        """In percent, (C,)."""
        return self._shares(self.confusion.sum(axis=1))

    @property
    def f1(self) -> Array:
        """In percent, (C,)."""
        return self._shares((self.confusion.sum(axis=0) + self.confusion.sum(axis=1)) / 2)

    def most_confused(self, most: int = 5) -> list[tuple[int, str, str]]:
        """The commonest errors: how often, what it is, what it was called."""
        errors = self.confusion - np.diag(self.confusion.diagonal())
        ordered = np.argsort(-errors, axis=None, kind="stable")[:most]
        pairs = zip(*np.unravel_index(ordered, errors.shape), strict=True)
        return [(int(errors[i, j]), self.labels[i], self.labels[j]) for i, j in pairs if errors[i, j]]

    def _shares(self, of: Array) -> NDArray[np.float64]:
        shares = np.full(len(of), np.nan)
        np.divide(100 * self.confusion.diagonal(), of, out=shares, where=of > 0)
        return shares
