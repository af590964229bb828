"""What a file holds, before any split or scaling: examples, the names of their labels, text."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Where = Callable[[int], str]

FORMATS = (
    "a CSV, TSV or Parquet table, an NPZ file, a folder of IDX files (as MNIST comes), "
    "an IDX images file, or a text"
)


@dataclass(frozen=True, eq=False)
class Raw:
    """What a file holds, before any split or scaling.

    X is (N, D) for a table, (N, H, W) or (N, H, W, channels) for images, and for a text its
    Unicode code points (L,). Y (N,) are the labels' names, or None where the file has none.
    """

    X: Array
    Y: NDArray[np.str_] | None = None
    columns: tuple[str, ...] = ()
    test: Raw | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one example."""
        return self.X.shape[1:]

    def sha256(self) -> str:
        """A checksum of the examples and their labels, the own test set included."""
        digest = hashlib.sha256(repr((self.X.shape, self.X.dtype.str, self.columns)).encode())
        digest.update(np.ascontiguousarray(self.X).data)
        digest.update("\0".join([] if self.Y is None else self.Y.tolist()).encode())
        digest.update(self.test.sha256().encode() if self.test else b"")
        return digest.hexdigest()


def label_names(Y: Array, what: str, where: Where) -> NDArray[np.str_]:
    """Labels (N,), (N, 1) or one-hot (N, C) as names; a whole number is written without a point."""
    if Y.ndim == 2 and Y.shape[1] > 1 and Y.dtype.kind in "biuf":
        if not (np.isin(Y, (0, 1)).all() and (Y.sum(axis=1) == 1).all()):
            raise ValueError(f"{what} is {Y.shape} but not one-hot: a single 1 in each row.")
        Y = Y.argmax(axis=1)
    if Y.size != len(Y) or Y.dtype.kind not in "biufU":
        raise ValueError(
            f"{what} must be whole numbers or text, (examples,) or one-hot (examples, classes); "
            f"got {Y.dtype} {Y.shape}."
        )
    values, inverse = np.unique(Y.reshape(-1), return_inverse=True)
    numbers = _as_numbers(values)
    if numbers is not None:
        broken = ~(np.isfinite(numbers) & (numbers == np.rint(numbers)))[inverse]
        if broken.any():
            row = int(broken.argmax())
            raise ValueError(
                f"{what} holds {values[inverse[row]]} in {where(row)}; these models tell classes "
                "apart, so labels must be text or whole numbers."
            )
        values = np.array([str(int(number)) for number in numbers])
    return values.astype(str)[inverse]


def _as_numbers(values: Array) -> Array | None:
    if values.dtype.kind in "iuf":
        return values
    for dtype in (np.int64, np.float64) if values.dtype.kind == "U" else ():
        try:
            return values.astype(dtype)
        except (ValueError, OverflowError):
            continue
    return None


def decoded(content: bytes, name: str) -> str:
    """UTF-8, with or without its mark, else the Korean code page; line ends as Python's `open`."""
    for encoding in ("utf-8-sig", "cp949"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text.replace("\r\n", "\n").replace("\r", "\n")
    raise ValueError(f"{name} is of no kind known here; use {FORMATS} in UTF-8 or cp949.")


def listed(names: Iterable[str], most: int = 20) -> str:
    """Names as a sentence has them, the first `most` of them."""
    every = list(names)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more
