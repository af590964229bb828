"""What an implementation is worth to a teacher: a point for each thing asked for, the same for all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from clearhead.checking.findings import Check
from clearhead.checking.report import Report
from clearhead.checking.telling import ASKED

RIGHT = ("pass", "warning")
# A mask that is not there, or of which either meaning is in use, is no omission.
FREE = ("mask_not_taken", "mask_meaning")
# What the name of a function that is misspelt would have been for.
MEANT = {
    "initialize_parameters": "init|param", "forward": "forw|feed|predict", "compute_loss": "loss|cost",
    "backward": "back|grad", "train_step": "step|update", "train": "train$|fit", "evaluate": "acc|eval|score",
    "output": "forward|head|attention",
}  # fmt: skip


@dataclass(frozen=True)
class Mark:
    """A point that was got or not, and why; `most` is 0 for what is told beside what is asked for."""

    name: str
    got: int
    most: int
    why: str


def marks(report: Report, target: str = "") -> list[Mark]:
    """The marks of a report, the same names for each of its target: `target` where it has none.

    What was not checked or is not written yet gets no point, and what does not apply, such as a mask for
    an attention that takes none, does not cost one. An update that is part of `train` counts there and
    for `train_step`. Nothing counts where something ready-made does the work, nor what has a misspelt name.

    >>> empty = Report("net.py", reason="empty", language="en")
    >>> [(mark.name, mark.got, mark.why[-12:]) for mark in marks(empty, "attention")][0]
    ('parameters', 0, 'it is empty.')
    """
    asked = ASKED.get(report.target or target, ("check",))
    return [*_beside(report, asked), *(_mark(report, name) for name in asked)]


def points(made: Sequence[Mark]) -> tuple[int, int]:
    """The sum of the marks, and what it could have been."""
    return sum(mark.got for mark in made), sum(mark.most for mark in made)


def _beside(report: Report, asked: Sequence[str]) -> Iterator[Mark]:
    """What is wrong apart from what is asked for: a line that Python cannot read, time that ran out."""
    for check in report.checks:
        if check.name not in asked and check.status == "fail":
            yield Mark(check.name, 0, 0, report.telling().part(check))


def _mark(report: Report, name: str) -> Mark:
    telling, known = report.telling(), {check.name: check for check in report.checks}
    check = known.get(name)
    if name == "train_step" and (check is None or check.detail == "absent"):
        check = known.get("train", check)
    if report.reason and (check is None or check.status == "not_checked"):
        return Mark(name, 0, 1, telling.failure())
    output = known.get("output")
    if check is None and output is not None and output.status != "not_checked":
        check = Check(name, "not_checked", "mask_not_taken" if name == "mask" else "not_applicable")
    check = check or Check(name, "not_checked", "absent")
    misspelt = [each for each in report.findings if each.id == "method_misspelt"]
    for finding in misspelt:
        if re.search(MEANT.get(name, "$^"), str(finding.values.get("meant", "")), re.I):
            return Mark(name, 0, 1, telling.message(finding))
    is_right = check.status in RIGHT or check.detail in (*FREE, "not_applicable")
    is_own = not any(each.id == "ready_made" and each.severity == "error" for each in report.findings)
    return Mark(name, int(is_right and is_own), 1, telling.part(check))
