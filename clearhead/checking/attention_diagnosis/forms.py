"""The forms that learners' code gives to values of attention, and whether a value is a known one."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

NEGLIGIBLE = 1e-7
_SCORE_ORDERS = ((0, 1, 2, 3), (0, 1, 3, 2), (0, 2, 1, 3), (1, 0, 2, 3), (0, 2, 3, 1), (2, 3, 0, 1))


def forms(value: Any) -> Iterator[Any]:
    """A value of ours with heads among the batch, after the tokens or side by side.

    >>> [form.shape for form in forms(np.zeros((2, 3, 5, 4)))]
    [(2, 3, 5, 4), (6, 5, 4), (2, 5, 3, 4), (2, 5, 12), (6, 5, 4), (5, 2, 3, 4)]
    """
    yield value
    if value.ndim == 4:
        B, A, T, K = value.shape
        yield value.reshape(B * A, T, K)
        yield value.swapaxes(1, 2)
        yield value.swapaxes(1, 2).reshape(B, T, A * K)
        yield value.swapaxes(0, 1).reshape(A * B, T, K)
        yield value.transpose(2, 0, 1, 3)
    elif value.ndim == 3:
        yield value.reshape(-1, value.shape[-1])


def split_forms(value: Any, A: int) -> Iterator[Any]:
    """A projection (B,T,AK) in the forms that it has before and after it is split into heads."""
    B, T, AK = value.shape
    heads = value.reshape(B, T, A, AK // A)
    yield from forms(value)
    yield from forms(heads.swapaxes(1, 2))
    yield from (heads[:, :, head] for head in range(A))
    yield from forms(value.reshape(B, T, AK // A, A).transpose(0, 3, 1, 2))


def score_forms(scores: Any) -> Iterator[Any]:
    """Scores (B,A,T,S) without axes of length 1: in other orders, heads among the batch, head by head."""
    B, A, T, S = scores.shape
    yield from (np.squeeze(scores.transpose(order)) for order in _SCORE_ORDERS)
    yield scores.reshape(B * A, T, S)
    yield scores.swapaxes(0, 1).reshape(A * B, T, S)
    yield from (np.squeeze(scores[:, head]) for head in range(A))


def score_layouts(scores: Any, hidden: Any) -> Iterator[tuple[Any, Any]]:
    """Scores and what is hidden of them: every order of axes, heads among the batch, and head by head."""
    B, A, T, S = scores.shape
    for order in itertools.permutations(range(4)):
        yield scores.transpose(order), hidden.transpose(order)
    yield scores.reshape(B * A, T, S), hidden.reshape(B * A, T, S)
    yield tuple(value.swapaxes(0, 1).reshape(A * B, T, S) for value in (scores, hidden))
    yield from ((scores[:, head], hidden[:, head]) for head in range(A))


def same(out: Any, known: Any, mask: Any = None) -> bool:
    """Whether an output is a known one, to rounding; rows of queries that may attend to nothing do not count.

    >>> same(np.ones((2, 5, 12)), np.ones((2, 5, 12)) + 1e-12)
    True
    """
    if out.shape != np.shape(known):
        return False
    rows: Any = np.ones(out.shape[:2], bool)
    if mask is not None:
        attends: Any = np.asarray(mask).any(axis=-1)
        rows = attends.all(axis=1) & np.isfinite(out).all(axis=-1)
        if not rows.any():
            return False
    made, wanted = out[rows], known[rows]
    if not np.isfinite(made).all():
        return False
    return bool(np.linalg.norm(made - wanted) <= NEGLIGIBLE * max(float(np.linalg.norm(wanted)), 1e-300))


def any_same(outs: Iterable[Any], known: Any, mask: Any = None) -> bool:
    """Whether one of several outputs is a known one."""
    return any(same(out, known, mask) for out in outs)


def nearest(outs: Sequence[Any], known: Any) -> Any:
    """Of outputs in the known one's shape the nearest; the known one where there is none.

    >>> nearest([np.zeros(2), np.ones(2)], np.array([0.9, 1.0]))
    array([1., 1.])
    """
    fits = [out for out in outs if out.shape == known.shape]
    return min(fits, key=lambda out: float(np.nansum(np.abs(out - known))), default=known)
