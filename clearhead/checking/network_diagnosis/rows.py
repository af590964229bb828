"""Which of the examples an array holds, in which order."""

from typing import Any

import numpy as np

from clearhead.checking.align import Record, Records

Rows = tuple[int, ...]
_KNOWN = 1e-6  # single precision is enough to know an example by


def rows_of(value: Any, X: Any) -> Rows | None:
    """Which examples an array holds, if it holds nothing else.

    >>> rows_of(np.array([[5.0, 6.0], [1.0, 2.0]]), np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    (2, 0)
    """
    N, D = X.shape
    value = value[None] if value.shape == (D,) else value
    if value.ndim != 2 or value.dtype.kind != "f":
        return None
    value = value.T if value.shape[1] != D and value.shape[0] == D else value
    if value.shape[1] != D or not 0 < len(value) <= N:
        return None
    if not (np.abs(value[0] - X).max(axis=-1) < _KNOWN).any():
        return None  # As of most arrays, which hold something else.
    same = np.abs(value[:, None] - X).max(axis=-1) < _KNOWN
    if not (same.sum(axis=1) == 1).all():
        return None
    return tuple(int(row) for row in same.argmax(axis=1))


def in_order(records: Records, X: Any) -> Records:
    """Records of examples that were shuffled once, as they were before that.

    >>> X = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    >>> from clearhead.checking.align import Site
    >>> site = Site(1, 0, 1, 1, "X", "train", "net.py", "")
    >>> in_order(Records([Record(site, X[[2, 0, 1]], 0)]), X).all[0].value[0]
    array([1., 2.])
    """
    found = ((record.order, rows_of(record.value, X)) for record in records.all)
    mixed = ((n, rows) for n, rows in found if rows and sorted(rows) == [*range(len(X))] != [*rows])
    begin, rows = next(mixed, (len(records.all), ()))
    back = np.argsort(rows)
    return Records(
        [
            Record(r.site, _turned(r.value, back) if r.order >= begin else r.value, r.order)
            for r in records.all
        ]
    )


def _turned(value: Any, order: Any) -> Any:
    """A value with its examples, whichever axis they lie along, in an order."""
    for axis, length in enumerate(value.shape):
        if length == len(order):
            return value.take(order, axis)
    return value
