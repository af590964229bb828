"""A learner's class, or bare functions with their parameters, as one thing to make and to call.

Runs inside the sandbox.
"""

import contextlib
import copy
import functools
import inspect
import io
import random
import re
import sys
import time
import warnings
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from clearhead.checking.binding import SIZED, role_of
from clearhead.checking.recorder import Loaded


class Subject:
    """What was found in a file, loaded: makes instances, and names its functions."""

    def __init__(self, loaded: Loaded, name: str, functions: list[str]) -> None:
        self.loaded, self.name = loaded, name
        self.type = loaded.names.get(name) if name else None
        written = [key for key in functions if callable(loaded.names.get(key))]
        own = [] if self.type is None else _methods(self.type, {"learner", *loaded.modules})
        # Functions beside the class that take an instance first.
        self.beside = [] if self.type is None else [key for key in written if key not in own]
        self.functions = written if self.type is None else own + self.beside
        # Functions beside the class that take no instance, such as a loss.
        self.helpers = (
            [] if self.type is None else [key for key in loaded.defined if key not in self.functions]
        )

    def function(self, thing: Any, name: str) -> Any:
        """A function of the subject, bound where it is a method."""
        if name in self.beside:
            return functools.partial(self.loaded.names[name], thing)
        return self.loaded.names[name] if self._is_free(name) else getattr(thing, name)

    def unbound(self, name: str) -> Any:
        """A function as it is called, without `self`, to ask for its arguments."""
        if self._is_free(name) or name in self.beside:
            found = self.loaded.names[name]
            return functools.partial(found, None) if name in self.beside else found
        found = getattr(self.type, name)
        if isinstance(self.type.__dict__.get(name), staticmethod | classmethod):
            return found
        return found.__get__(object(), object) if hasattr(found, "__get__") else found

    def _is_free(self, name: str) -> bool:
        """Whether a function is called by itself, without an instance."""
        return self.type is None or name in self.helpers

    def make(self, *arguments: Any, **named: Any) -> Any:
        """A new instance, from the same random numbers each time; holds the parameters of bare functions."""
        seed_all()
        if self.type is None:
            return SimpleNamespace(params=None)
        return self.type(*arguments, **named)


def _methods(kind: Any, modules: set[str]) -> list[str]:
    """The methods of a class that the learner wrote, those of its own bases first."""
    keys = [key for base in reversed(kind.__mro__) if base.__module__ in modules for key in base.__dict__]
    found = {key: inspect.getattr_static(kind, key) for key in keys}
    return [
        key for key, value in found.items()
        if (isinstance(value, staticmethod | classmethod) or inspect.isfunction(value))
        and (not key.startswith("__") or key == "__call__")
    ]  # fmt: skip


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


@contextlib.contextmanager
def quiet(**errors: Any) -> Iterator[None]:
    """Run without warnings, waits, and anything shown; some `errors` of numbers may count."""
    kept, time.sleep = time.sleep, lambda seconds: None
    try:
        with _quietly(**errors):
            yield
    finally:
        time.sleep = kept


@contextlib.contextmanager
def _quietly(**errors: Any) -> Iterator[None]:
    with (
        warnings.catch_warnings(),
        np.errstate(**{"all": "ignore", **errors}),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield


class Configuration(SimpleNamespace):
    """Answers whatever a constructor asks of its configuration, by the name that it asks with.

    >>> Configuration({"lr": 0.5}, [("lr", "learning_rate")]).learning_rate
    0.5
    """

    def __init__(self, values: dict[str, Any], table: Any) -> None:
        super().__init__()
        self.__dict__["_values"], self.__dict__["_table"] = dict(values), table

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        values = self.__dict__["_values"]
        role = "reg" if re.fullmatch(r"l_?2\w*", name) else role_of(name, self.__dict__["_table"])
        return values.get(SIZED.get(role, role), 0)

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def get(self, name: str, default: Any = None) -> Any:
        """As of a dictionary; there is always something."""
        return getattr(self, name)

    def strengthen(self, reg: float) -> None:
        """Give the strength of regularisation a value, whether or not anything asks for one."""
        self.__dict__["_values"]["reg"] = reg

    def __deepcopy__(self, memo: Any) -> Any:
        return self
