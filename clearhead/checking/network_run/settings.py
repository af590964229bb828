"""Numbers that an instance keeps for itself, such as its learning rate, and the probe's in their place."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from clearhead.checking.binding import names_rate, role_of, strengths
from clearhead.checking.subject import Configuration

_NAMES = {
    "reg": r"_*(\w*_)?(reg\w*|lambda\w*|lambd|lamb?da|lam|lmbda|l_?2\w*|weight_?decay\w*|wd)",
    "epochs": r"_*(n|num|max)?_?(epochs?|iter\w*)",
    "batch": r"_*(mini_?)?batch(_?size)?|bs",
}


def set_numbers(thing: Any, kept: Mapping[str, str], **numbers: float) -> bool:
    """Give an instance's own numbers, by their roles, other values; whether it has any.

    Attributes are known by the role that they are `kept` for, or by their names; a name that says the rate is
    believed, as a rate that is added once looks like the strength of a penalty.

    >>> from types import SimpleNamespace
    >>> thing = SimpleNamespace(learning_rate=0.1, layers=2)
    >>> set_numbers(thing, {}, lr=0.5), thing
    (True, namespace(learning_rate=0.5, layers=2))
    """
    found = False
    held = dict(getattr(thing, "__dict__", {}))
    pulling = strengths(held)
    for key, value in held.items():
        known = "reg" if key in pulling else "lr" if names_rate(key) else kept.get(key)
        for role, number in numbers.items():
            if isinstance(value, Configuration) and role == "reg":
                value.strengthen(number)
                found = True
            elif dataclasses.is_dataclass(value):
                found |= set_numbers(value, kept, **{role: number})
            elif _is_number(value, role) and (known == role if known else _says(key, role)):
                object.__setattr__(thing, key, number)  # It may be frozen.
                found = True
    return found


def _is_number(value: Any, role: str) -> bool:
    kinds = int if role in ("epochs", "batch") else float | int
    return isinstance(value, kinds) and not isinstance(value, bool)


def _says(name: str, role: str) -> bool:
    return bool(re.fullmatch(_NAMES[role], name, re.I)) if role in _NAMES else role_of(name) == role
