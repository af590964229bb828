"""Checks of a learner's own implementation: which mistake it makes, and on which line."""

from __future__ import annotations

import atexit
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clearhead.checking.report import Report
    from clearhead.checking.run import Checker

# Workers stay warm between calls, by the isolation that was asked for.
_checkers: dict[str, Checker] = {}


def check(
    what: Any,
    *,
    target: str = "",
    only: str = "",
    isolation: str = "limits",
    language: str = "",
    lang: str = "",
    hint: int = 3,
    values: bool = False,
) -> Report:
    """Check an implementation of the two-layer network (NumPy) or of multi-head attention (PyTorch).

    `what` is a class, a function, or the path of a Python file or notebook. Of a class in a notebook the
    cells that define it and what it needs are taken. The code runs in a process of its own; an object whose
    source is nowhere runs in this one, without limits, and the report says so.

    target: "two-layer" or "attention"; "" finds out. only: the class or function of a file to check.
    isolation: "limits" (on time and memory), "full" (also no network and no other files, on Linux), "none"
    (in this process, an object alone). language, or lang for short: "en" or "ko"; "" is the system's. hint:
    1 says where, 2 also what, 3 also how. values: show the input, and expected and actual numbers.

    In a test write `assert check(MyNet).passed`: where it fails, the report is the message.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "mynet.py")
    ...     _ = file.write_text("class Net:\\n    def forward(self, X):\\n        return X @ W1")
    ...     report = check(file, target="two-layer", language="en")
    >>> report.passed == False, report.exit_code
    (True, 2)
    """
    from clearhead.checking.objects import in_this_process, submission_of
    from clearhead.checking.run import report_of
    from clearhead.checking.submissions import Submission
    from clearhead.mistakes import LANGUAGES, TARGETS

    language = language or lang
    for name, given, known in (
        ("target", target, ("", *TARGETS)),
        ("isolation", isolation, ("limits", "full", "none")),
        ("language", language, ("", *LANGUAGES)),
        ("hint", hint, (1, 2, 3)),
    ):
        if given not in known:
            allowed = ", ".join(map(repr, filter(None, known)))
            raise ValueError(f"{name} must be one of {allowed}, got {given!r}; name one of them.")
    if isinstance(what, str | os.PathLike):
        if isolation == "none":
            raise ValueError('isolation "none" is for an object of this process, got a file; pass "limits".')
        submission = Submission.read(_file(what))
    else:
        submission, only = submission_of(what, only)
    if isolation == "none" or (not submission.content and not submission.reason):
        report = report_of(submission, in_this_process(what, target), isolation="none")
    else:
        report = _checker(isolation).check(submission, target, only)
    report.language, report.hint, report.values = language, hint, values
    return report


def _file(what: str | os.PathLike[str]) -> Any:
    from pathlib import Path

    path = Path(what).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there; name a file .py or .ipynb, or pass the class itself.")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; name a file in it, or use the command clearhead check.")
    return path


def _checker(isolation: str) -> Checker:
    from clearhead.checking.run import Checker

    if isolation not in _checkers:
        _checkers[isolation] = Checker(isolation)
        atexit.register(_checkers[isolation].close)
    return _checkers[isolation]
