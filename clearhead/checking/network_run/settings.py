"""Numbers that an instance keeps for itself, such as its learning rate, and the probe's in their place."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from clearhead.checking.binding import role_of, strengths
from clearhead.checking.subject import Configuration

_REG = re.compile(r"_*(\w*_)?(reg\w*|lambda\w*|lambd|lamb?da|lam|lmbda|l_?2\w*|weight_?decay\w*|wd)", re.I)
_EPOCHS = re.compile(r"_*(n|num|max)?_?(epochs?|iter\w*)", re.I)
_BATCH = re.compile(r"_*(mini_?)?batch_?size", re.I)


def set_rate(thing: Any, rate: float) -> None:
    """Give an instance that keeps its learning rate another one.

    >>> from types import SimpleNamespace
    >>> thing = SimpleNamespace(learning_rate=0.1, layers=2)
    >>> set_rate(thing, 0.5)
    >>> thing
    namespace(learning_rate=0.5, layers=2)
    """
    pulling = strengths(_held(thing))
    for key in _numbers(thing, lambda name: role_of(name) == "lr" and name not in pulling):
        setattr(thing, key, rate)


def set_amounts(thing: Any, epochs: int, batch: int) -> set[str]:
    """Give an instance the number of epochs and the size of a batch that the probe wants; those it has."""
    known = set()
    for role, pattern, amount in (("epochs", _EPOCHS, epochs), ("batch", _BATCH, batch)):
        for key in _numbers(thing, pattern.fullmatch, int):
            setattr(thing, key, amount)
            known.add(role)
    return known


def set_strength(thing: Any, reg: float) -> bool:
    """Give an instance's own strength of regularisation a value; whether there is one."""
    configurations = [value for value in _held(thing).values() if isinstance(value, Configuration)]
    for configuration in configurations:
        configuration.strengthen(reg)
    pulling = strengths(_held(thing))
    keys = list(_numbers(thing, lambda name: name in pulling or _REG.fullmatch(name)))
    for key in keys:
        setattr(thing, key, reg)
    return bool(configurations or keys)


def _held(thing: Any) -> dict[str, Any]:
    return dict(getattr(thing, "__dict__", {}))


def _numbers(thing: Any, named: Callable[[str], Any], kinds: Any = float | int) -> Iterator[str]:
    for key, value in _held(thing).items():
        if isinstance(value, kinds) and not isinstance(value, bool) and named(key):
            yield key
