"""A bound on how long something takes in this process, whichever thread it runs in."""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")

TOLD = 3  # How often it is told to end, in case that something takes the first time for its own error.


class TookLong(BaseException):
    """It took longer than it may; nobody but who asked for the bound is to catch it."""


def within(seconds: float, function: Callable[..., Result], *arguments: Any) -> Result:
    """What a function returns; TookLong where it takes longer. A single call of compiled code is not cut.

    >>> within(60, sum, (1, 2))
    3
    >>> try:
    ...     within(0.01, lambda: [0 for _ in iter(int, 1)])
    ... except TookLong:
    ...     print("enough")
    enough
    """
    over, lock, thread = threading.Event(), threading.Lock(), threading.get_ident()

    def watch() -> None:
        for wait in [seconds] + [1.0] * (TOLD - 1):
            if over.wait(wait):
                return
            with lock:
                if not over.is_set():
                    _tell(thread, ctypes.py_object(TookLong))

    threading.Thread(target=watch, daemon=True).start()
    try:
        return function(*arguments)
    finally:
        while not over.is_set():
            with contextlib.suppress(TookLong), lock:
                over.set()
        _tell(thread, None)  # What was still on its way is no longer.


def _tell(thread: int, exception: Any) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), exception)
