"""What a check has to say: findings, and one line for each thing that was looked at."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from clearhead.mistakes import severity


@dataclass
class Finding:
    """A mistake that was found: which, where, and the numbers that show it.

    `values` fills the places of the mistake's texts; `alternatives` are ids that give the same numbers.

    >>> Finding("slope_forgotten", "dz1", line=41).severity
    'error'
    """

    id: str
    step: str = ""
    line: int = 0
    variable: str = ""
    yours: str = ""
    expected: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)
    alternatives: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    file: str = ""
    shown: dict[str, Any] = field(
        default_factory=dict
    )  # input, expected and actual numbers, for those who ask
    level: str = ""
    check: str = ""  # the name of the check that it belongs to

    @property
    def severity(self) -> str:
        """`error`, `warning` or `note`."""
        return self.level or severity(self.id)


@dataclass
class Check:
    """One thing that was looked at, and how it stands; `detail` is a text's id with what fills it."""

    name: str
    status: str
    detail: str = ""
    values: dict[str, Any] = field(default_factory=dict)


class Verdict:
    """Checks and findings, collected: a finding counts once, and makes its check fail.

    >>> verdict = Verdict()
    >>> verdict.add("backward", Finding("slope_forgotten", "dz1"))
    >>> verdict.checks["backward"].status
    'fail'
    """

    def __init__(self) -> None:
        self.checks: dict[str, Check] = {}
        self.findings: list[Finding] = []

    def check(
        self, name: str, status: str, detail: str = "", values: Mapping[str, Any] | None = None
    ) -> None:
        """Say how one thing stands; a failure stays one."""
        before = self.checks.get(name)
        if before is None or before.status in ("not_checked", "pass") or status == "fail":
            self.checks[name] = Check(name, status, detail, dict(values or {}))

    def add(self, name: str, finding: Finding) -> None:
        """Add a finding, and let it show in the line of what it concerns."""
        for known in self.findings:
            if known.id == finding.id and (known.line == finding.line or known.step == finding.step):
                return
        finding.check = finding.check or name
        self.findings.append(finding)
        status = {"error": "fail", "warning": "warning", "note": "pass"}[finding.severity]
        if status != "pass" or name not in self.checks:
            self.check(name, status, f"finding.{finding.id}", finding.values)

    def withdraw(
        self, findings: Sequence[Finding], reason: str, values: Mapping[str, Any] | None = None
    ) -> None:
        """Take findings back, and say why what they concern was not checked."""
        self.findings = [finding for finding in self.findings if finding not in findings]
        details = {f"finding.{finding.id}" for finding in findings}
        emptied = {finding.check for finding in findings} - {finding.check for finding in self.findings}
        for name, check in self.checks.items():
            if check.detail in details or (check.status == "fail" and name in emptied):
                self.checks[name] = Check(name, "not_checked", reason, dict(values or {}))

    def ids(self, level: str = "") -> list[str]:
        """The ids that were found, of one severity or of all."""
        return [finding.id for finding in self.findings if level in ("", finding.severity)]


def grouped(parts: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> dict[str, list[tuple[Any, Any]]]:
    """The parts of an answer by what they are."""
    made: dict[str, list[tuple[Any, Any]]] = {}
    for data, arrays in parts:
        made.setdefault(str(data.get("part", "")), []).append((data, arrays))
    return made


def first(parts: Sequence[tuple[Any, Any]]) -> tuple[Any, Any]:
    """The first part of a kind; an empty one if there is none."""
    return parts[0] if parts else ({}, {})
