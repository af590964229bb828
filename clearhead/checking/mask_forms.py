"""The forms in which code takes a mask: their axes (batch, heads and tokens) and their values."""

from typing import Any

import numpy as np

LENGTHS = "B"  # the number of tokens at the beginning of each sequence that may be seen
FORMS = ("B1TT", "BTT", "TT", "BATT", "B11T", "BT", LENGTHS)
_OF_KEYS = ("B11T", "BT", LENGTHS)  # forms that hide a key from all queries


def values_of(form: str) -> tuple[str, ...]:
    """The kinds of values that a mask of a form may have."""
    return ("int",) if form == LENGTHS else ("bool", "int", "float")


def shaped(allowed: Any, form: str, num_heads: int) -> Any:
    """A mask (B,T,T) in one of the forms.

    >>> shaped(np.ones((2, 5, 5), bool), "B11T", 3).shape
    (2, 1, 1, 5)
    """
    if form == "B11T":
        return allowed[:, -1, None, None, :]
    if form == "BT":
        return allowed[:, -1, :]
    if form == LENGTHS:
        return allowed[:, -1, :].sum(axis=-1)
    if form == "TT":
        return allowed[0]
    if form == "B1TT":
        return allowed[:, None]
    return np.repeat(allowed[:, None], num_heads, axis=1) if form == "BATT" else allowed


def spread(allowed: Any, form: str, num_heads: int) -> Any:
    """What a mask (B,T,T) means (B,A,T,T) to code that was given it in one of the forms.

    >>> spread(np.tri(5)[np.newaxis], "BT", 3)[0, 0, 0]
    array([1., 1., 1., 1., 1.])
    """
    if form == LENGTHS:
        lengths, T = shaped(allowed, form, num_heads), allowed.shape[-1]
        allowed = np.broadcast_to(np.arange(T) < lengths[:, None, None], allowed.shape)
    elif form in _OF_KEYS:
        allowed = np.broadcast_to(allowed[:, -1:, :], allowed.shape)
    elif form == "TT":
        allowed = np.broadcast_to(allowed[0], allowed.shape)
    return np.repeat(allowed[:, None].astype(float), num_heads, axis=1)


def blocking(allowed: Any, form: str) -> Any:
    """The mask with one query of the first sequence that may attend to nothing, in what the form can say.

    >>> blocking(np.ones((2, 5, 5), bool), "TT")[0, 2].any()
    np.False_
    """
    blocked = allowed.copy()
    blocked[0, [2, -1] if form in _OF_KEYS else 2] = False
    return blocked
