"""What stands for False where a check does not pass, so that an assertion has the report as its message."""

from __future__ import annotations

import dis
import sys
from typing import Any


class NotPassed(int):
    """A false value, equal to False, that carries a report.

    `if`, `not`, `==` and `sum` take it for False. An `assert` that has no message of its own raises
    AssertionError with the whole report, as Python itself would show none; pytest shows it as its repr.

    >>> passed = NotPassed("mynet.py: dW1 is wrong")
    >>> passed == False, bool(passed), not passed
    (True, False, True)
    >>> assert passed
    Traceback (most recent call last):
    ...
    AssertionError: mynet.py: dW1 is wrong
    """

    report: Any

    def __new__(cls, report: Any) -> NotPassed:
        """False, for a report or a text."""
        made = super().__new__(cls, 0)
        made.report = report
        return made

    def __repr__(self) -> str:
        return str(self.report)

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __bool__(self) -> bool:
        if _asserted(sys._getframe(1)):
            raise AssertionError(str(self.report))
        return False

    def __reduce__(self) -> tuple[Any, ...]:
        return NotPassed, (self.report,)


def _asserted(frame: Any) -> bool:
    """Whether a frame, if what it asks for is false, is about to raise AssertionError without a message.

    That is what `assert x` compiles to; where an interpreter compiles it otherwise the message is lost,
    and no more.
    """
    code = [each for each in dis.get_instructions(frame.f_code) if each.offset >= frame.f_lasti]
    following = [each for each in code[:8] if each.opname not in ("CACHE", "NOT_TAKEN", "TO_BOOL", "COPY")]
    if len(following) < 3:
        return False
    jump, load, leave = following[:3]
    return (
        "JUMP" in jump.opname
        and "TRUE" in jump.opname
        and (load.opname == "LOAD_ASSERTION_ERROR" or "AssertionError" in str(load.argrepr))
        and leave.opname == "RAISE_VARARGS"
    )
