"""What a check found of one file: prints itself, shows itself in a notebook, and is JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from clearhead.checking.findings import Check, Finding
from clearhead.checking.layout import MARKS, WIDTH, as_html, laid_out, listed
from clearhead.checking.passing import NotPassed
from clearhead.checking.telling import Telling, base
from clearhead.checking.wording import Wording, default_language

VERSION = 1  # Of the JSON; a key that goes or changes its meaning counts it up.
# Without these checks too little is known of an implementation, whatever else passes.
ESSENTIAL = {"two-layer": ("forward", "backward"), "attention": ("output",)}


@dataclass(repr=False)
class Report:
    """All that a check has to say of one file; prints itself, and shows itself in a notebook.

    `checks` has a line for each thing that was looked at, `findings` the mistakes; `reason` says why a
    file could not be checked. `isolation` is what the code ran in: "full", "limits", "none", or "" where
    nothing ran; `why` what was missing for full isolation. `language`, `hint` (1 where, 2 what, 3 how) and
    `values` are how it prints itself.

    >>> backward = Check("backward", "fail", "gradients_all_wrong", {"wrong": "dW1"})
    >>> forgotten = Finding("slope_forgotten", "dz1", 41, "dz1", check="backward")
    >>> print(Report("mynet.py", "two-layer", "Net", checks=[backward], findings=[forgotten], language="en"))
    mynet.py: Net
      ✗ backward   dW1 is wrong
          line 41
          The slope of σ is missing; multiply by h ⊙ (1 - h).
    0 of 1 checks pass. Not checked: speed, style.
    """

    file: str
    target: str = ""
    name: str = ""
    isolation: str = ""
    why: str = ""
    checks: list[Check] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)  # Classes that may be meant as well.
    reason: str = ""  # A key of the texts, with what fills it.
    reason_values: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, dict[int, str]] = field(default_factory=dict)  # Lines that are spoken of, by file.
    cells: list[tuple[int, int]] = field(default_factory=list)  # Of a notebook: first line, number.
    student: str = ""
    language: str = ""
    hint: int = 3
    values: bool = False

    # How it stands

    @property
    def passed(self) -> bool | NotPassed:
        """True if no error was found and what matters was seen to be right; else false, with the report.

        What matters is the output, and of a network the gradients too, which are what it is about.

        `assert check(MyNet).passed` then fails with the report as its message.
        """
        return True if self._passes() else NotPassed(self)

    def _passes(self) -> bool:
        right = {check.name for check in self.checks if check.status in ("pass", "warning")}
        essential = ESSENTIAL.get(self.target, ())
        return bool(essential) and right.issuperset(essential) and not self.reason and not self._has_errors()

    def _has_errors(self) -> bool:
        wrong = any(finding.severity == "error" for finding in self.findings)
        return wrong or any(check.status == "fail" for check in self.checks)

    @property
    def exit_code(self) -> int:
        """0 if no error was found, 1 if some were, 2 if it, or what matters of it, could not be checked."""
        if self._has_errors():
            return 1
        looked_at = {check.name for check in self.checks if check.status != "not_checked"}
        essential = ESSENTIAL.get(self.target, ())
        return 0 if looked_at and looked_at.issuperset(essential) and not self.reason else 2

    def counted(self) -> dict[str, int]:
        """How many checks have each status."""
        return {status: sum(check.status == status for check in self.checks) for status in MARKS}

    def source_line(self, line: int, file: str = "") -> str:
        """The learner's own line, without its indentation; empty if it is not known."""
        key = "" if base(file) in ("", base(self.file)) else base(file)
        return self.sources.get(key, {}).get(line, "").strip()

    # As text

    def __str__(self) -> str:
        return self.to_text()

    __repr__ = __str__

    def to_text(self, *, encoding: str = "utf-8", width: int = WIDTH) -> str:
        """The report in lines of at most `width` columns, in letters that the encoding has."""
        return "\n".join(laid_out(self.telling(encoding).rows(), self._words(encoding), width))

    def telling(self, encoding: str = "utf-8") -> Telling:
        """Its parts in words."""
        return Telling(self, self._words(encoding), self.hint, self.values)

    def _words(self, encoding: str = "utf-8") -> Wording:
        return Wording(self.language or default_language(), encoding)

    def _repr_html_(self) -> str:
        return as_html(self.telling().rows())

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": self.to_text(), "text/html": self._repr_html_()}

    # As data

    def to_json(self) -> dict[str, Any]:
        """The report as data, for `json.dumps`. Version 1 has these keys.

        - version: 1. file. student: the folder it was in, where a folder of folders was given.
        - target: "two-layer", "attention" or "". class: "" for bare functions.
        - isolation: "full", "limits", "none", or "" where nothing ran. why: what full isolation lacked.
        - checks: a list of name, status ("pass", "fail", "warning", "not_checked", "not_written"), detail.
        - findings: a list of id, severity ("error", "warning", "note"), check, step, file, line (a number,
          0 if none), place ("cell 7, line 3"), source (that line), variable, message, yours, expected,
          evidence (a sentence), alternatives (ids that give the same numbers); on request also values:
          name, input, expected and actual. At hint 1 what would say what the mistake is, is empty; at
          hint 2 only expected is.
        - passed, failed, warned, not_checked, not_written: how many checks have that status.
        - ok: whether it passed. exit_code: 0, 1 or 2, as of the command. reason: why it could not be
          checked, or "". notes: a list of sentences.
        """
        telling, counts = self.telling(), self.counted()
        return {
            "version": VERSION,
            "file": self.file,
            "student": self.student,
            "target": self.target,
            "class": self.name,
            "isolation": self.isolation,
            "why": self.why,
            "checks": [
                {"name": check.name, "status": check.status, "detail": telling.detail(check)}
                for check in self.checks
            ],
            "findings": [self._finding_json(finding, telling) for finding in self.findings],
            "passed": counts["pass"],
            "failed": counts["fail"],
            "warned": counts["warning"],
            "not_checked": counts["not_checked"],
            "not_written": counts["not_written"],
            "ok": self._passes(),
            "exit_code": self.exit_code,
            "reason": telling.reason(),
            "notes": list(telling.notes()),
        }

    def _finding_json(self, finding: Finding, telling: Telling) -> dict[str, Any]:
        what, how = self.hint >= 2, self.hint >= 3
        made = {
            "id": finding.id if what else "",
            "severity": finding.severity,
            "check": finding.check,
            "step": finding.step,
            "file": base(finding.file or self.file),
            "line": finding.line,
            "place": telling.place(finding),
            "source": self.source_line(finding.line, finding.file),
            "variable": finding.variable,
            "message": telling.message(finding),
            "yours": finding.yours if what else "",
            "expected": finding.expected if how else "",
            "evidence": telling.evidence(finding) if what else "",
            "alternatives": [*finding.alternatives] if what else [],
        }
        if self.values and finding.shown:
            made["values"] = {key: listed(value) for key, value in finding.shown.items()}
        return made

    def kept(self) -> dict[str, Any]:
        """All of it as data, for a cache; `of` reads it back.

        >>> Report.of(Report("net.py", cells=[(1, 2)]).kept()).cells
        [(1, 2)]
        """
        made = {key: value for key, value in vars(self).items() if key not in ("language", "hint", "values")}
        made["checks"] = [asdict(check) for check in self.checks]
        made["findings"] = [
            {**vars(finding), "shown": {key: listed(value) for key, value in finding.shown.items()}}
            for finding in self.findings
        ]
        return made

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Report:
        """The report that `kept` made, also after it was JSON."""
        made = cls(**{**kept, "checks": [], "findings": []})
        made.checks = [Check(**check) for check in kept["checks"]]
        made.findings = [Finding(**finding) for finding in kept["findings"]]
        made.sources = {
            file: {int(number): text for number, text in lines.items()}
            for file, lines in kept["sources"].items()
        }
        made.cells = [(int(first), int(cell)) for first, cell in kept["cells"]]
        return made
