"""What stands for False where a check does not pass, so that an assertion has the report as its message."""

from __future__ import annotations

import dis
import sys
from typing import Any

NAMED = {"LOAD_ASSERTION_ERROR": "AssertionError"}
SILENT = ("CACHE", "NOT_TAKEN", "COPY", "EXTENDED_ARG")  # Instructions that come between those that count.


class NotPassed(int):
    """A false value, equal to False, that carries a report.

    `if`, `not`, `==` and `sum` take it for False. An `assert` that has no message of its own raises
    AssertionError with the whole report, as Python itself would show none, and pytest the beginning.

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

    That is what `assert x` compiles to, and what pytest makes of it; where an interpreter compiles it
    otherwise the message is lost, and no more.
    """
    code = [each for each in dis.get_instructions(frame.f_code) if each.opname not in SILENT]
    at = next((place for place, each in enumerate(code) if each.offset >= frame.f_lasti), len(code))
    # Where the question is an instruction of its own, the next one jumps.
    at += at < len(code) and code[at].opname == "TO_BOOL"
    if at >= len(code) or not ("JUMP" in code[at].opname and "TRUE" in code[at].opname):
        return False
    skipped = [each for each in code[at + 1 :] if each.offset < code[at].argval]
    # What another branch ends with may stand between.
    end = next((n for n, each in enumerate(skipped, 1) if each.opname == "RAISE_VARARGS"), 0)
    skipped = skipped[:end]
    if not any("AssertionError" in f"{each.argrepr} {NAMED.get(each.opname, '')}" for each in skipped):
        return False
    by_pytest = any(str(each.argval).startswith("@py_assert") for each in code[max(at - 2, 0) : at])
    return by_pytest or len(skipped) == 2
