"""How well a classifier does: accuracy, precision and recall of each class, and what it confuses."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from clearhead.raw import Array

MOST_LABELS, LONGEST_HEADING = 12, 4


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

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield "each class, in percent"
        yield self._classes()
        if len(self.labels) <= MOST_LABELS:
            yield "rows: what it is; columns: what it was called"
            yield self._matrix()
        if errors := self.most_confused():
            line = ", ".join(f"{label} called {guess} ({count})" for count, label, guess in errors)
            yield Text(textwrap.fill(f"most confused: {line}", 79, subsequent_indent=" " * 15))

    def _classes(self) -> Table:
        table = Table(box=box.SIMPLE_HEAD)
        for heading in ("label", "precision", "recall", "F1", "examples"):
            table.add_column(heading, justify="left" if heading == "label" else "right")
        columns = (self.precision, self.recall, self.f1)
        for i, label in enumerate(self.labels):
            shares = ("-" if math.isnan(values[i]) else f"{values[i]:.1f}" for values in columns)
            table.add_row(escape(label), *shares, str(self.confusion[i].sum()))
        return table

    def _matrix(self) -> Table:
        # Long labels are numbered, so that a column needs the width of its counts alone.
        short = max(map(len, self.labels)) <= LONGEST_HEADING
        heads = self.labels if short else [str(i + 1) for i in range(len(self.labels))]
        rows = self.labels if short else [f"{i + 1} {label}" for i, label in enumerate(self.labels)]
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1 if len(heads) < 10 else 0, 0, 1))
        table.add_column("", style="bold", no_wrap=True, min_width=min(16, max(map(len, rows))))
        for head in heads:
            table.add_column(escape(head), justify="right", no_wrap=True)
        for i, label in enumerate(rows):
            cells = (
                Text(str(count or "."), "bold" if i == j else "") for j, count in enumerate(self.confusion[i])
            )
            table.add_row(escape(label), *cells)
        return table

    def _shares(self, of: Array) -> NDArray[np.float64]:
        shares = np.full(len(of), np.nan)
        np.divide(100 * self.confusion.diagonal(), of, out=shares, where=of > 0)
        return shares
