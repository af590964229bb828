"""What lies in a learner's object or in what a function returned: its arrays, and the way to each.

Runs inside the sandbox.
"""

import inspect
import itertools
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

Path = tuple[Any, ...]
DEEPEST = 5  # of things in things that are looked into
LONGEST = 64  # of a list whose elements are


def arrays_in(
    thing: Any, path: Path = (), seen: set[int] | None = None, depth: int = 0
) -> Iterator[tuple[Path, Any]]:
    """Each array and real number in an object, a dictionary, a list or a tuple, with the way to it.

    >>> [path for path, _ in arrays_in({"W": [np.ones(2), np.ones(3)]})]
    [('W', 0), ('W', 1)]
    """
    seen = set() if seen is None else seen
    if isinstance(thing, np.ndarray | float):
        yield path, thing
    elif depth <= DEEPEST and id(thing) not in seen:
        seen.add(id(thing))
        for key, value in _parts(thing):
            yield from arrays_in(value, (*path, key), seen, depth + 1)


def _parts(thing: Any) -> Iterable[tuple[Any, Any]]:
    """What a thing holds, by its keys, places or attributes; these begin with a dot."""
    if isinstance(thing, dict):
        return list(thing.items())
    if isinstance(thing, list | tuple):
        return enumerate(thing[:LONGEST])
    if not hasattr(thing, "__dict__") or isinstance(thing, type) or inspect.ismodule(thing):
        return ()
    return [(f".{key}", value) for key, value in vars(thing).items() if not inspect.isroutine(value)]


def placed(thing: Any, path: Path, value: Any) -> Any:
    """The thing with a value at the end of a path; only tuples are made anew.

    >>> placed({"W": (1, 2)}, ("W", 0), 7)
    {'W': (7, 2)}
    """
    if not path:
        return value
    key, rest = path[0], path[1:]
    if isinstance(key, str) and key.startswith(".") and not isinstance(thing, dict):
        name = key[1:]
        object.__setattr__(thing, name, placed(getattr(thing, name), rest, value))  # It may be frozen.
        return thing
    if isinstance(thing, tuple):
        parts = list(thing)
        parts[key] = placed(parts[key], rest, value)
        return type(thing)(*parts) if hasattr(thing, "_fields") else tuple(parts)
    thing[key] = placed(thing[key], rest, value)
    return thing


def shape_of(value: Any) -> tuple[int, ...]:
    """The shape of an array or a number; that of anything else fits nothing.

    >>> shape_of([np.ones(2), np.ones(3)])
    (-1,)
    """
    return tuple(value.shape) if hasattr(value, "shape") else () if isinstance(value, float | int) else (-1,)


def said_path(path: Path) -> str:
    """A path as a learner would write it.

    >>> said_path((".params", "W1"))
    "self.params['W1']"
    """
    text = ""
    for key in path:
        text += key if isinstance(key, str) and key.startswith(".") else f"[{key!r}]"
    return f"self{text}" if text.startswith(".") else text.lstrip()


def flat(value: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """The arrays and numbers in what a function returned, each with its way.

    >>> [path for path, _ in flat(({"dW1": np.ones(2)}, 0.5))]
    ['0/dW1', '1']
    """
    if _is_number(value) or isinstance(value, bool | int | float):
        yield path, np.asarray(value)
    elif "torch" in sys.modules and isinstance(value, sys.modules["torch"].Tensor):
        yield path, value.detach().cpu().numpy().copy()
    else:
        for key, part in _returned(value, depth):
            yield from flat(part, f"{path}/{key}".lstrip("/"), depth + 1)


def parts_of(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """What a function returned, and each part of what is a container, with the way to it.

    >>> [path for path, _ in parts_of((1, {"a": 2}))]
    [(), (0,), (1,), (1, 'a')]
    """
    yield path, value
    if isinstance(value, dict | list | tuple) and len(path) < 3:
        for key, part in itertools.islice(_parts(value), LONGEST):
            yield from parts_of(part, (*path, key))


def _is_number(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "fbiu"


def _returned(value: Any, depth: int) -> Any:
    """What a returned value holds; objects are not looked into as deeply as containers."""
    if isinstance(value, dict | list | tuple):
        if depth >= 4:
            return ()
        return value.items() if isinstance(value, dict) else enumerate(value[:512])
    if depth < 3 and hasattr(value, "__dict__") and not callable(value) and not inspect.ismodule(value):
        return vars(value).items()
    return ()
