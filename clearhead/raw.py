"""What a file holds, before any split or scaling: examples, the names of their labels, text."""

from __future__ import annotations

import hashlib
import re
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
WHOLE_NUMBER = re.compile(r"(-?(?:0|[1-9][0-9]*))(?:\.0+)?")
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")


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
    """Labels (N,), (N, 1) or one-hot (N, C) as names; a whole number is written without a point.

    Text stays as it is wherever one value is more than a whole number: 01 and 1 are two names.
    """
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
    broken = _measured(values)[inverse]
    if broken.any():
        row = int(broken.argmax())
        raise ValueError(
            f"{what} holds {values[inverse[row]]} in {where(row)}; these models tell classes "
            "apart, so labels must be text or whole numbers."
        )
    if values.dtype.kind in "iuf":
        values = np.array([str(int(number)) for number in values])
    elif all(matches := [WHOLE_NUMBER.fullmatch(value) for value in values.astype(str)]):
        # By its digits: a long number would lose its last ones as a float64.
        values = np.array([match[1].replace("-0", "0") for match in matches if match])
    return values.astype(str)[inverse]


def _measured(values: Array) -> Array:
    """Which values are no class but a number such as 1.5; of text none, unless all of it is numbers."""
    numbers: Array = values
    if values.dtype.kind == "U":
        try:
            numbers = values.astype(np.float64)
        except ValueError:
            return np.zeros(len(values), bool)
        numbers[~np.isfinite(numbers)] = 0
    return np.asarray(~np.isfinite(numbers) | (numbers != np.rint(numbers)))


def decoded(content: bytes, name: str) -> str:
    """UTF-16 with its mark, UTF-8 with or without, else the Korean code page; line ends as `open`."""
    for encoding in ("utf-16",) if content.startswith(UTF_16_MARKS) else ("utf-8-sig", "cp949"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text.replace("\r\n", "\n").replace("\r", "\n")
    raise ValueError(f"{name} is of no kind known here; use {FORMATS} in UTF-8, UTF-16 or cp949.")


def listed(names: Iterable[str], most: int = 20) -> str:
    """Names as a sentence has them, the first `most` of them."""
    every = list(names)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more
