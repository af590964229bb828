"""What is sent of a call: the numbers of what it returned, kept and moved, each by a name."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from clearhead.checking.contents import flat

Send = Callable[[dict[str, Any], dict[str, Any]], None]
MOST = 64  # arrays that are sent of what a call returned, and of what it kept
FORMS_OF_INPUTS = ("X", "one-hot", "index", "column")


def parameters(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as they are sent.

    >>> parameters("after", {"b1": np.ones(2)})
    {'after/b1': array([1., 1.])}
    """
    return {f"{name}/{role}": np.asarray(value, float) for role, value in values.items()}


def outcome(made: Any, changes: Sequence[tuple[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a call returned and what it changed: ways by number, and arrays by names with these numbers."""
    data: dict[str, Any] = {}
    arrays: dict[str, Any] = {}
    for name, pairs in (("returned", list(flat(made))[:MOST]), ("changed", list(changes)[:MOST])):
        data[name] = [path for path, _ in pairs]
        arrays |= {f"{name}{number}": np.asarray(value) for number, (_, value) in enumerate(pairs)}
    return data, arrays


def digest(made: Any) -> list[float]:
    """Two sums of what was returned, by which a rewritten run is held to the original.

    >>> digest((np.array([1.0, -2.0]), 3))
    [2.0, 6.0]
    """
    numbers = [np.asarray(value, float).ravel() for _, value in flat(made)]
    if not numbers:
        return []
    everything = np.concatenate(numbers)
    everything = everything[np.isfinite(everything)]
    return [float(everything.sum()), float(np.abs(everything).sum())]


def copies(values: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs as they are before a call."""
    return {role: np.array(values[role]) for role in FORMS_OF_INPUTS}


def spoiled(before: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    """The inputs that a call has changed."""
    return [role for role, value in before.items() if not np.array_equal(value, values[role])]
