"""A learner's object, or bare functions with their parameters, as one thing to call, copy and look into.

Runs inside the sandbox.
"""

import copy
import functools
import inspect
import random
import re
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from clearhead.checking.binding import role_of
from clearhead.checking.recorder import Loaded

Path = tuple[Any, ...]
_NOT_PARAMETERS = re.compile(
    r"^(d|grad|g_|v_|vel|m_|mom|cache|delta|old|prev|best|opt|s_|history|adam|x$|y$|train|test)", re.I
)


class Subject:
    """What was found in a file, loaded: makes instances, and names its functions."""

    def __init__(self, loaded: Loaded, name: str, functions: list[str]) -> None:
        self.loaded, self.name = loaded, name
        self.type = loaded.names.get(name) if name else None
        if self.type is not None:
            self.functions = [
                key for key, value in _members(self.type, {"learner", *loaded.modules})
                if callable(value) and (not key.startswith("__") or key == "__call__")
            ]  # fmt: skip
            # Functions beside the class that take an instance first.
            self.beside = [key for key in functions if callable(loaded.names.get(key)) and key not in self.functions]
            self.functions += self.beside
        else:
            self.beside = []
            self.functions = [key for key in functions if callable(loaded.names.get(key))]

    def function(self, thing: Any, name: str) -> Any:
        """A function of the subject, bound where it is a method."""
        if name in self.beside:
            return functools.partial(self.loaded.names[name], thing)
        return getattr(thing, name) if self.type is not None else self.loaded.names[name]

    def make(self, *arguments: Any, **named: Any) -> Any:
        """A new instance, from the same random numbers each time; holds the parameters of bare functions."""
        seed_all()
        if self.type is None:
            return SimpleNamespace(params=None)
        return self.type(*arguments, **named)


def _members(kind: Any, modules: set[str]) -> Iterator[tuple[str, Any]]:
    """Attributes of a class that the learner wrote, those of its own bases first."""
    found: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        if base.__module__ not in modules:
            continue
        for key in base.__dict__:
            found[key] = inspect.getattr_static(kind, key)
    for key, value in found.items():
        if isinstance(value, staticmethod | classmethod) or inspect.isfunction(value):
            yield key, value.__func__ if isinstance(value, staticmethod | classmethod) else value


def seed_all(seed: int = 0) -> None:
    """Set every generator that code may draw from."""
    random.seed(seed)
    np.random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


def cloned(thing: Any) -> Any:
    """A copy that shares nothing; the thing itself where it cannot be copied."""
    try:
        return copy.deepcopy(thing)
    except Exception:
        return thing


class Configuration(SimpleNamespace):
    """Answers whatever a constructor asks of its configuration, by the name that it asks with."""

    def __init__(self, values: dict[str, Any], table: Any) -> None:
        super().__init__()
        self.__dict__["_values"], self.__dict__["_table"], self.__dict__["_asked"] = (
            dict(values),
            table,
            set(),
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        role = "reg" if re.fullmatch(r"l_?2\w*", name) else role_of(name, self.__dict__["_table"])
        return self.__dict__["_values"].get(role, 0)

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def get(self, name: str, default: Any = None) -> Any:
        """As of a dictionary; there is always something."""
        return getattr(self, name)

    def strengthen(self, reg: float) -> bool:
        """Give the strength of regularisation a value, whether or not anything asks for one."""
        self.__dict__["_values"]["reg"] = reg
        return True

    def __deepcopy__(self, memo: Any) -> Any:
        return self


def arrays_in(
    thing: Any, path: Path = (), seen: set[int] | None = None, depth: int = 0
) -> Iterator[tuple[Path, Any]]:
    """Each array in an object, a dictionary, a list or a tuple, with the way to it.

    >>> [path for path, _ in arrays_in({"W": [np.ones(2), np.ones(3)]})]
    [('W', 0), ('W', 1)]
    """
    seen = set() if seen is None else seen
    if isinstance(thing, np.ndarray):
        yield path, thing
        return
    if isinstance(thing, float) and not isinstance(thing, bool):
        yield path, thing
        return
    if depth > 5 or id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, dict):
        for key, value in list(thing.items()):
            yield from arrays_in(value, (*path, key), seen, depth + 1)
    elif isinstance(thing, list | tuple):
        for place, value in enumerate(thing[:64]):
            yield from arrays_in(value, (*path, place), seen, depth + 1)
    elif hasattr(thing, "__dict__") and not isinstance(thing, type) and not inspect.ismodule(thing):
        for key, value in list(vars(thing).items()):
            if not inspect.isroutine(value):
                yield from arrays_in(value, (*path, f".{key}"), seen, depth + 1)


def placed(thing: Any, path: Path, value: Any) -> Any:
    """The thing with a value at the end of a path; only tuples are made anew."""
    if not path:
        return value
    key, rest = path[0], path[1:]
    if isinstance(key, str) and key.startswith(".") and not isinstance(thing, dict):
        name = key[1:]
        setattr(thing, name, placed(getattr(thing, name), rest, value))
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


class Slots:
    """Where the parameters of a network lie: by role, the paths that hold each, and the layout."""

    def __init__(self, sizes: dict[str, int]) -> None:
        self.sizes = sizes
        self.paths: dict[str, list[Path]] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.flipped: dict[str, bool] = {}
        self.kinds: dict[str, str] = {}

    def raw(self, role: str, value: Any) -> Any:
        """A parameter, given as (in, out) or (out,), in the learner's own layout."""
        shape = self.shapes[role]
        if role.startswith("W"):
            return np.ascontiguousarray(value.T if self.flipped[role] else value)
        if np.prod(shape, dtype=int) == 1 and value.size > 1:
            return float(value[0]) if self.kinds[role] == "float" else np.full(shape, value[0])
        return value.reshape(shape).copy()

    def set(self, thing: Any, values: dict[str, Any]) -> None:
        """Give the parameters of a thing new values."""
        for role, paths in self.paths.items():
            made = self.raw(role, values[role])
            for path in paths:
                placed(thing, path, made)

    def get(self, thing: Any) -> dict[str, Any]:
        """The parameters of a thing, as they lie in it."""
        found = dict(arrays_in(thing))
        return {role: found.get(paths[0]) for role, paths in self.paths.items() if paths[0] in found}


def slots_of(thing: Any, wanted: dict[str, int] | None) -> Slots | None:
    """The parameters of a network, told from their shapes: of wanted sizes, or of those that the code fixes."""
    found = [
        (path, value) for path, value in arrays_in(thing)
        if not any(_NOT_PARAMETERS.match(str(key).lstrip(".")) for key in path)
        and (isinstance(value, float) or value.dtype.kind in "fiu")
    ]  # fmt: skip
    if not any(_is_matrix(value) for _, value in found):
        found = [
            (path, value)
            for path, value in arrays_in(thing)
            if isinstance(value, float) or value.dtype.kind in "fiu"
        ]
    matrices = [(path, value) for path, value in found if _is_matrix(value)]
    for first, (_, W1) in enumerate(matrices):
        for _, W2 in matrices[first + 1 :]:
            for flipped in (False, True):
                D, H = W1.shape[::-1] if flipped else W1.shape
                inner, C = W2.shape[::-1] if flipped else W2.shape
                if H == inner and (wanted is None or (D, H, C) == (wanted["D"], wanted["H"], wanted["C"])):
                    return _filled({"D": D, "H": H, "C": C}, found, W1, W2, flipped)
    return None


def _is_matrix(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 2 and min(value.shape) > 1


def _filled(sizes: dict[str, int], found: Any, W1: Any, W2: Any, flipped: bool) -> Slots:
    slots = Slots(sizes)

    def take(role: str, path: Path, value: Any) -> None:
        slots.paths[role] = [path]
        slots.shapes[role] = np.shape(value)
        slots.flipped[role] = flipped
        slots.kinds[role] = "float" if isinstance(value, float) else "array"
        for other, same in found:
            if other != path and (
                same is value or (isinstance(same, np.ndarray) and isinstance(value, np.ndarray)
                                  and same.shape == value.shape and value.any() and np.array_equal(same, value))
            ):  # fmt: skip
                slots.paths[role].append(other)

    place = {id(value): (index, path) for index, (path, value) in enumerate(found)}
    take("W1", place[id(W1)][1], W1)
    take("W2", place[id(W2)][1], W2)
    taken = set(slots.paths["W1"] + slots.paths["W2"])
    for role, size in (("b1", sizes["H"]), ("b2", sizes["C"])):
        fits = [
            (path, value) for path, value in found
            if path not in taken and np.size(value) == size and np.ndim(value) <= 2
            and (isinstance(value, np.ndarray) or size == 1)
        ]  # fmt: skip
        fits = [pair for pair in fits if isinstance(pair[1], float) or pair[1].dtype.kind == "f"] or [
            pair for pair in fits if re.search(r"b", str(pair[0][-1]), re.I)
        ]  # fmt: skip
        if not fits:  # A single number for all units; its name must say that it is one.
            fits = [
                (path, value) for path, value in found
                if path not in taken and np.size(value) == 1 and re.search(r"b(ias)?_?\d?", str(path[-1]), re.I)
                and not re.search(r"lr|rate|reg|eps|alpha|momentum|lambda|decay|batch|beta|scale|std", str(path[-1]), re.I)
            ]  # fmt: skip
            digit = role[1]
            fits = [pair for pair in fits if digit in str(pair[0][-1])] or fits
        if fits:
            named = [pair for pair in fits if role[1] in str(pair[0][-1])]
            path, value = (named if sizes["H"] == sizes["C"] and named else fits)[0]
            take(role, path, value)
            taken.update(slots.paths[role])
    return slots


def flat(value: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """The arrays and real numbers in what a function returned, each with its way.

    >>> [path for path, _ in flat(({"dW1": np.ones(2)}, 0.5))]
    ['0/dW1', '1']
    """
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "fbiu":
        yield path, np.asarray(value)
    elif isinstance(value, bool | int | float):
        yield path, np.asarray(value)
    elif isinstance(value, dict) and depth < 4:
        for key, part in value.items():
            yield from flat(part, f"{path}/{key}".lstrip("/"), depth + 1)
    elif isinstance(value, list | tuple) and depth < 4:
        for place, part in enumerate(value[:512]):
            yield from flat(part, f"{path}/{place}".lstrip("/"), depth + 1)
    elif depth < 3 and hasattr(value, "__dict__") and not callable(value) and not inspect.ismodule(value):
        for key, part in vars(value).items():
            yield from flat(part, f"{path}/{key}".lstrip("/"), depth + 1)
    elif "torch" in sys.modules and isinstance(value, sys.modules["torch"].Tensor):
        yield path, value.detach().cpu().numpy().copy()
