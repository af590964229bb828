"""A trace: every value of a model's run by name, each with the step that made it and its receipt.

From a step's parsed formula comes the receipt of any cell: in symbols, with the numbers, with its
inputs, each of which has a receipt of its own.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console, ConsoleOptions, RenderResult

from clearhead import portrayal, trace_json
from clearhead.evaluation import Array, Evaluation
from clearhead.formula import Tree
from clearhead.gradient_checks import ABSOLUTE, RELATIVE, Check, Differences, Slope
from clearhead.receipts import Cell, Piece, Writing, at_cell, typed, value_of
from clearhead.recording import Recording

HIDDEN = ("weights", "dscores")  # What a mask leaves without a number.


@dataclass(frozen=True)
class Receipt:
    """How one cell came about.

    `value` is what was recorded; `symbols` the formula at this cell; `shown` the same with numbers
    of four digits, of a long sum the three largest terms; `exact` all of it in Python, for
    `from math import *` (made when asked for: ValueError where it has over 20,000 numbers).
    `inputs` are the cells that are written out in `shown`, (name, cell) each, and `used_in` the names
    of what this value helps to make. `check`: what the gradient is by other means, and whether it
    agrees; None where there is nothing to check.
    """

    name: str
    cell: Cell
    value: float
    meaning: str
    symbols: str
    shown: str
    pieces: tuple[Piece, ...]
    inputs: tuple[tuple[str, Cell], ...]
    used_in: tuple[str, ...]
    check: tuple[str, float, bool] | None
    writing: Callable[[], list[Piece]]
    masked: bool = False

    @property
    def exact(self) -> str:
        """The arithmetic in full: `eval(receipt.exact, vars(math))` gives the value, but for rounding."""
        return "".join(piece.text for piece in self.writing())

    def __str__(self) -> str:
        return portrayal.receipt_text(self)


class Trace:
    """Every value of one run of a model, by name, with the step that made it.

    `trace["z1"]` is the array; inside a block the name begins with it, `trace["blocks.0.q"]`, which
    may be left out where only one block has been kept. `checks` has, for each gradient that was
    checked, whether it passed.

    >>> from clearhead import TwoLayerNN, trace
    >>> seen = trace(TwoLayerNN(4, 3, 2, seed=0), np.eye(4), [0, 1, 1, 0])
    >>> seen["dW1"].shape, seen.receipt("db2", (1,)).symbols
    ((4, 3), 'Σ_n dz2[n,1]')
    """

    def __init__(self, recording: Recording, checks: Mapping[str, Check] | None = None) -> None:
        self.recording = recording
        self.checks = dict(checks or {})
        self.values, self.lengths = recording.values, recording.lengths
        self.steps = {traced.name: traced for traced in recording.steps}
        self.tiny, self.epsilon = recording.tiny, recording.epsilon
        self.trees: dict[str, Tree] = {}

    def __getitem__(self, name: str) -> Array:
        return self.values[self.full_name(name)].numbers

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)

    def __len__(self) -> int:
        return len(self.values)

    def full_name(self, name: str) -> str:
        """The name with its block's. Raises KeyError where no value, or more than one, is called so."""
        if name in self.values:
            return name
        found = [full for full in self.values if full.rpartition(".")[2] == name]
        if len(found) == 1:
            return found[0]
        if found:
            raise KeyError(f"{name} is in {len(found)} blocks; say {' or '.join(found[:3])}.")
        known = ", ".join(dict.fromkeys(full.rpartition(".")[2] for full in self.values))
        raise KeyError(f"no value is called {name} here; there are {known}.")

    @property
    def nbytes(self) -> int:
        """Bytes of all values."""
        return sum(value.numbers.nbytes for value in self.values.values())

    def read(self, name: str, cell: Cell) -> float:
        """One cell as float64. Raises KeyError where it was not kept."""
        value = self.values.get(name)
        if value is None:
            raise KeyError(f"{name} was not kept; trace with steps or layers that include it.")
        if value.heads is not None:
            at = value.axes.index("A")
            if cell[at] not in value.heads:
                raise KeyError(f"head {cell[at]} of {name} was not kept; trace with heads that include it.")
            cell = (*cell[:at], value.heads.index(cell[at]), *cell[at + 1 :])
        return float(value.numbers[cell])

    def shape(self, name: str) -> tuple[int, ...]:
        """The whole shape of a value, also where only some heads of it were kept."""
        return tuple(self.lengths[axis] for axis in self.values[name].axes)

    def tree(self, name: str) -> Tree:
        """The typed tree of the step that made a value."""
        if name not in self.trees:
            step = self.steps[name].step
            ones = {value: np.ones([1] * len(axes)) for value, axes in step.axes.items()}
            self.trees[name] = typed(step.tree, Evaluation(ones, step.axes))
        return self.trees[name]

    def used_in(self, name: str) -> tuple[str, ...]:
        """What a value helps to make."""
        return tuple(traced.name for traced in self.steps.values() if name in traced.reads.values())

    def receipt(self, name: str, cell: Sequence[int] = ()) -> Receipt:
        """How one cell of a value came about.

        Raises KeyError for a value that is not there or was not kept, IndexError for no cell of it.

        >>> from clearhead import TwoLayerNN, trace
        >>> seen = trace(TwoLayerNN(2, 3, 2, seed=0), np.eye(2), [0, 1])
        >>> print(seen.receipt("z1", (1, 2)).symbols)
        Σ_d X[1,d] W1[d,2] + b1[2]
        """
        name = self.full_name(name)
        value, place, shape = self.values[name], tuple(int(i) for i in cell), self.shape(name)
        if len(place) != len(shape) or any(
            not 0 <= i < length for i, length in zip(place, shape, strict=False)
        ):
            axes = ",".join(value.axes)
            raise IndexError(
                f"cell {','.join(map(str, place)) or '()'} is none of {name}[{axes}], which is "
                f"{' × '.join(map(str, shape)) or 'one number'}; count from 0."
            )
        number = self.read(name, place)
        if name not in self.steps:
            by = "" if value.origin == "given" else value.origin
            return Receipt(name, place, number, value.meaning, by, "", (), (), self.used_in(name), None, list)
        traced = self.steps[name]
        expression = at_cell(self.tree(name), traced.step.shape, place, self.lengths, self.tiny)

        def read(short: str, cell: Cell) -> float:
            return self.read(traced.reads[short], cell)

        def hidden(short: str, cell: Cell) -> bool:
            return self.is_masked(traced.reads[short], cell)

        pieces = tuple(
            piece._replace(name=traced.reads.get(piece.name, ""))
            for piece in Writing("shown", read, hidden).pieces(expression)
        )
        inputs = tuple(dict.fromkeys((piece.name, piece.place) for piece in pieces if piece.name))
        symbols = "".join(piece.text for piece in Writing("symbols", read).pieces(expression))
        return Receipt(
            name,
            place,
            number,
            value.meaning,
            symbols,
            "".join(piece.text for piece in pieces),
            pieces,
            inputs,
            self.used_in(name),
            self.check_at(name, place),
            lambda: Writing("exact", read).pieces(expression),
            self.is_masked(name, place),
        )

    def recomputed(self, name: str, cell: Sequence[int]) -> float:
        """What the formula gives in float64 for one cell, from the recorded inputs."""
        traced = self.steps[name]
        expression = at_cell(self.tree(name), traced.step.shape, tuple(cell), self.lengths, self.tiny)
        return value_of(expression, lambda short, place: self.read(traced.reads[short], place), {})

    @functools.cached_property
    def differences(self) -> Differences | None:
        """Central differences of the network's loss; None for other models."""
        return Differences(self.recording.base) if self.recording.base else None

    def check_at(self, name: str, cell: Cell) -> tuple[str, float, bool] | None:
        """By what other means a gradient's cell is known, what it is by them, and whether they agree."""
        check = self.checks.get(name)
        if check is None:
            return None
        place = int(np.ravel_multi_index(cell, self.shape(name))) if cell else 0
        if check.reference is not None:
            return check.by, float(check.reference[cell]), place not in check.wrong
        assert self.differences is not None
        other = self.differences.at(name[1:], cell)
        return check.by, other.value, bool(place not in check.wrong and self.near(name, cell, other))

    def near(self, name: str, cell: Cell, other: Slope) -> bool:
        """Whether a recorded cell is another number but for the rounding of the model's own dtype."""
        relative = max(RELATIVE, min(0.05, 1e4 * self.epsilon))
        # Sums that cancel are off by the rounding of their terms.
        around = [name, *self.steps[name].reads.values()] if name in self.steps else [name]
        most = max(float(np.abs(self.values[one].numbers).max()) for one in around if one in self.values)
        slack = ABSOLUTE + other.noise + relative * abs(other.value) + 20 * self.epsilon * most
        return abs(self.read(name, cell) - other.value) <= slack

    def is_masked(self, name: str, cell: Cell) -> bool:
        """Whether a share, or the error of a score, is none because its mask forbids it."""
        prefix, _, short = name.rpartition(".")
        mask = self.values.get(f"{prefix}.mask" if prefix else "mask")
        return (
            short in HIDDEN
            and mask is not None
            and self.read(f"{prefix}.mask" if prefix else "mask", cell) == 0
        )

    def to_text(
        self,
        step: str | None = None,
        cell: Sequence[int] | None = None,
        *,
        words: bool = False,
        head: int | None = None,
    ) -> str:
        """The trace as lines of at most 80 columns: all of it, one step, or one cell's receipt.

        words: the meanings alone, without formulas and numbers. head: of a step's heads this one.

        >>> from clearhead import TwoLayerNN, trace
        >>> print(trace(TwoLayerNN(4, 3, 2, seed=0), np.eye(4), [0, 1, 1, 0]).to_text("y", words=True))
        y: Scores turned into shares of one.
        """
        return portrayal.text(self, step, cell, words=words, head=head)

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        return f"<Trace of {self.recording.kind}: {len(self)} values, {self.nbytes:,} bytes>"

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield portrayal.coloured(self.to_text())

    def to_json(self) -> str:
        """The trace as JSON, which the page reads: schema in `trace_json`."""
        return json.dumps(trace_json.document(self), ensure_ascii=False)

    def to_html(
        self, path: str | os.PathLike[str] | None = None, *, language: str | None = None, head: int = 0
    ) -> str:
        """One HTML file that shows the trace, offline; written to `path` if given, and returned.

        A value of many heads is exact for `head`, the others are thumbnails, where the file would
        be over 8 MB. language: en or ko; None leaves it to the browser.
        """
        from clearhead import views

        page = views.page(trace_json.fitted(self, head), language)
        if path is not None:
            Path(path).write_text(page, "utf-8")
        return page

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from clearhead import views

        return {
            "text/plain": self.to_text(),
            "text/html": views.in_notebook(portrayal.table(self), self.to_html()),
        }
