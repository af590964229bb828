"""Data to train on: read, split once, stratified, and scaled by its training part."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clearhead.formats import NAMES, read_as
from clearhead.raw import Array, Raw, listed

HELD_OUT, HELD_OUT_BESIDE_A_TEST_SET, HELD_OUT_OF_A_TEXT = 0.15, 0.1, 0.1


class Examples(NamedTuple):
    """X (N, D) float32, scaled, and Y (N,) int64 class indices; of a text, X (L,) and Y (L,) are
    int64 symbol numbers, and Y[i] is the symbol that came after X[i]."""

    X: Array
    Y: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Scaling:
    """(X - mean) / spread, so that what a model sees has mean 0 and standard deviation 1.

    mean and spread are float64: one number each for images, which keeps the pixels' proportions,
    and (D,) for a table, whose columns have units of their own. Spread 0 marks a constant column;
    it becomes exactly 0, also for values that the training part never had.

    >>> scaling = Scaling.of(np.array([[1.0, 7.0], [3.0, 7.0]]))
    >>> scaling(np.array([[5.0, 8.0]])).tolist()
    [[3.0, 0.0]]
    """

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]

    @classmethod
    def of(cls, X: Array) -> Scaling:
        """The scaling of X: (N, D) column by column, images (N, H, W, ...) all pixels as one."""
        axis = 0 if X.ndim == 2 else None
        with np.errstate(over="ignore", invalid="ignore"):
            span = X.max(axis=axis).astype(np.float64) - X.min(axis=axis)
            mean = X.mean(axis=axis, dtype=np.float64)
            broken = ~(np.isfinite(span) & np.isfinite(mean))
        if broken.any():
            column = np.flatnonzero(broken)[0] + 1
            raise ValueError(f"X holds numbers too large to add up in column {column}; use a larger unit.")
        # Squared as they are, tiny numbers become 0 and huge ones infinite. Over the power of 2 that
        # the span begins with they cannot, and that division rounds nothing.
        unit = np.ldexp(0.5, np.frexp(span)[1])
        squares = sum(
            np.square(np.subtract(X[rows], mean, dtype=np.float64) / unit).sum(axis=axis)
            for rows in _blocks(X)
        )
        # A constant's rounded mean is not always that constant: only the span tells.
        spread = np.where(span == 0, 0.0, unit * np.sqrt(squares / (X.size / mean.size)))
        return cls(np.asarray(mean), spread)

    def __call__(self, X: Array) -> NDArray[np.float32]:
        """Scale X (N, D) or (N, H, W, ...) to (N, D) float32. ValueError where D is another.

        What lies too far off for float32 becomes infinite, silently: the caller knows its name.
        """
        flat = X.reshape(len(X), math.prod(X.shape[1:]))
        if self.mean.ndim and flat.shape[1:] != self.mean.shape:
            raise ValueError(
                f"X must be (examples, {self.mean.size}) because that is what was scaled; got {X.shape}."
            )
        divisor = np.where(self.spread == 0, np.inf, self.spread)
        scaled = np.empty(flat.shape, np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            for rows in _blocks(flat):
                scaled[rows] = np.subtract(flat[rows], self.mean, dtype=np.float64) / divisor
        return scaled

    def to_json(self) -> dict[str, Any]:
        """mean and spread as plain numbers or lists, exactly."""
        return {"mean": self.mean.tolist(), "spread": self.spread.tolist()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Scaling:
        """The scaling that `to_json` wrote."""
        return cls(*(np.asarray(values[key], np.float64) for key in ("mean", "spread")))


def _blocks(X: Array) -> Iterator[slice]:
    """Rows that fit a processor's cache as float64: faster, and no second copy of all images."""
    step = max(1, 2**16 // max(1, math.prod(X.shape[1:])))
    return (slice(start, start + step) for start in range(0, len(X), step))


@dataclass(frozen=True, eq=False)
class Data:
    """What `load_data` returns: three parts, and what is needed to read, show and reload them.

    labels are the classes' names in the order of their indices (a text's symbols); shape is that
    of one example as it came, (8, 8) for an image and () for a text; source holds the arguments
    of `load_data` and the sha256 of the raw examples, so that a changed file can be noticed.
    """

    train: Examples
    validation: Examples
    test: Examples
    labels: tuple[str, ...]
    scaling: Scaling | None
    shape: tuple[int, ...] = ()
    columns: tuple[str, ...] = ()
    source: dict[str, Any] = field(default_factory=dict)


def load_data(
    name_or_path: str | os.PathLike[str],
    seed: int = 0,
    *,
    target: str | None = None,
    validation: float | None = None,
) -> Data:
    """Load, split and scale data to train on.

    name_or_path: `digits` (1797 images of 8 x 8, in the package), `mnist` (downloaded once), or a
        path: CSV, TSV, Parquet, NPZ, a folder of IDX files, or a text.
    seed: the same seed gives the same split everywhere.
    target: the label column of a table.
    validation: the share held out for validation, 0 <= share < 1. Without it 70 / 15 / 15 % train,
        validate and test; with a test set of the data's own, a tenth of the rest validates; of a
        text, the last tenth does. Every class keeps at least one training example.

    Raises FileNotFoundError where nothing is there, another OSError where `mnist` cannot be had,
    ValueError where the content cannot be used. Digits: Alpaydin and Kaynak, UCI optdigits, 1998.

    >>> data = load_data("digits")
    >>> data.train.X.shape, data.validation.X.shape, data.test.X.shape, data.shape
    ((1257, 64), (270, 64), (270, 64), (8, 8))
    >>> data.labels
    ('0', '1', '2', '3', '4', '5', '6', '7', '8', '9')
    """
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed={seed!r} must be a whole number, 0 or more.")
    if validation is not None and not 0 <= validation < 1:
        raise ValueError(
            f"validation={validation!r} must be a share from 0 up to, not including, 1; "
            "0.1 holds out a tenth."
        )
    raw = read_as(name_or_path, target, None, labelled=True)
    source = {
        "name_or_path": full_name(name_or_path),
        "seed": int(seed),
        "target": target,
        "validation": validation,
    }
    source["sha256"] = raw.sha256()
    arrange = _text_data if raw.X.ndim == 1 else _labelled_data
    return arrange(raw, os.fspath(name_or_path), source)


def full_name(name_or_path: str | os.PathLike[str]) -> str:
    """A name as it is, a path from the root, so that it can be found from any folder.

    >>> full_name("digits")
    'digits'
    """
    if name_or_path in NAMES:
        return str(name_or_path)
    return str(Path(os.path.expanduser(name_or_path)).resolve())


def class_indices(Y: NDArray[np.str_], labels: Sequence[str]) -> NDArray[np.int64]:
    """The index of every name of Y (N,) in labels. ValueError names one that is not there.

    >>> class_indices(np.array(["b", "a"]), ("a", "b")).tolist()
    [1, 0]
    """
    return _positions(Y, np.array(labels, dtype=str), "label", repr)


def symbol_numbers(X: Array, labels: Sequence[str]) -> NDArray[np.int64]:
    """The number of every symbol of a text, X (L,) code points, in labels (sorted characters).

    >>> symbol_numbers(np.array([98, 97]), ("a", "b")).tolist()
    [1, 0]
    """
    known = np.array([ord(symbol) for symbol in labels], X.dtype)
    return _positions(X, known, "symbol", lambda point: repr(chr(int(point))))


def _positions(values: Array, known: Array, word: str, show: Callable[[Any], str]) -> NDArray[np.int64]:
    order = np.argsort(known)
    # One search for each distinct value: comparing strings one by one is what would take long.
    distinct, inverse = np.unique(values, return_inverse=True)
    found = order[np.searchsorted(known, distinct, sorter=order).clip(max=len(known) - 1)]
    strange = distinct[known[found] != distinct]
    if len(strange):
        raise ValueError(
            f"{word} {show(strange[0].item())} is not among the {len(known)} {word}s that were "
            f"learnt: {listed(show(one.item()) for one in known)}."
        )
    return np.asarray(found[inverse], np.int64)


def _labelled_data(raw: Raw, name: str, source: dict[str, Any]) -> Data:
    if raw.Y is None or (raw.test and raw.test.Y is None):
        raise ValueError(f"{name} has examples but not their labels; training needs both.")
    labels = _ordered(set(raw.Y.tolist()))
    if len(labels) == 1:
        raise ValueError(f"{name} has one class only, {labels[0]!r}; there is nothing to learn.")
    Y = class_indices(raw.Y, labels)
    parts = _split(Y, source["seed"], source["validation"], raw.test is not None, name)
    # An index array copies: once is enough for all training images.
    chosen = raw.X[parts[0]]
    scaling = Scaling.of(chosen)
    train = Examples(scaling(chosen), Y[parts[0]])
    validation, test = (Examples(scaling(raw.X[part]), Y[part]) for part in parts[1:])
    if raw.test and raw.test.Y is not None:
        test = Examples(scaling(raw.test.X), class_indices(raw.test.Y, labels))
    return Data(train, validation, test, labels, scaling, raw.shape, raw.columns, source)


def _ordered(names: set[str]) -> tuple[str, ...]:
    try:
        return tuple(sorted(sorted(names), key=int))
    except ValueError:
        return tuple(sorted(names))


def _split(
    Y: NDArray[np.int64], seed: int, validation: float | None, has_test: bool, name: str
) -> list[NDArray[np.int64]]:
    """Indices of train, validation and test, each in a shuffled order.

    Shuffled, then ordered by class, every k-th example is held out: totals come out exact and
    each class gets its share to one or so. The first of each class never leaves training.
    """
    if validation is None:
        validation = HELD_OUT_BESIDE_A_TEST_SET if has_test else HELD_OUT
    num_validation = round(validation * len(Y))
    num_test = 0 if has_test else round(HELD_OUT * len(Y))
    shuffled = np.random.default_rng(seed).permutation(len(Y))
    by_class = shuffled[np.argsort(Y[shuffled], kind="stable")]
    firsts = np.unique(Y[by_class], return_index=True)[1]
    rest = np.delete(by_class, firsts)
    num_held = num_validation + num_test
    enough = num_validation >= (validation > 0) and num_test >= (not has_test)
    if not enough or num_held > len(rest):
        raise ValueError(
            f"{name} has {len(Y)} examples of {len(firsts)} classes; to keep one of each for "
            f"training and hold out {validation:.0%}{'' if has_test else ' and 15% for the test'} "
            "it needs more examples or a lower validation."
        )
    held = rest[_every(len(rest), num_held)]
    part = np.zeros(len(Y), np.int8)
    part[held] = 1
    part[held[_every(num_held, num_test)]] = 2
    return [shuffled[part[shuffled] == number] for number in range(3)]


def _every(length: int, count: int) -> NDArray[np.bool_]:
    """A mask of `length` with `count` set, as evenly as whole numbers allow."""
    steps = np.arange(length + 1) * count // max(1, length)
    return steps[1:] > steps[:-1]


def _text_data(raw: Raw, name: str, source: dict[str, Any]) -> Data:
    labels = tuple(chr(point) for point in np.unique(raw.X))
    share = HELD_OUT_OF_A_TEXT if source["validation"] is None else source["validation"]
    numbers = symbol_numbers(raw.X, labels)
    end = int((1 - share) * len(numbers))
    if len(labels) < 2 or end < 2 or (share and len(numbers) - end < 2):
        raise ValueError(
            f"{name} has {len(numbers)} characters, {len(labels)} distinct; to predict the next "
            f"one and hold out {share:.0%}, each part needs 2 or more and the text 2 distinct."
        )
    train, held, none = (
        Examples(part[:-1], part[1:]) for part in (numbers[:end], numbers[end:], numbers[:0])
    )
    return Data(train, held, none, labels, scaling=None, source=source)
