"""What a report says, piece by piece, in a language, to a level of hints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from clearhead.checking.cures import cure_of
from clearhead.checking.findings import Check, Finding
from clearhead.checking.layout import Row, laid_out, tables
from clearhead.checking.wording import Wording

if TYPE_CHECKING:
    from clearhead.checking.report import Report

# What is asked for of each target; a network's in the order in which one writes the code.
ASKED = {
    "two-layer": (
        "initialize_parameters", "forward", "compute_loss", "backward", "train_step", "train", "evaluate",
    ),
    "attention": ("parameters", "output", "mask", "eval", "batch"),
}  # fmt: skip
ORDER = ("source", "run", *ASKED["two-layer"])  # Other checks follow in their own.
NEVER_CHECKED = ("speed", "style")
EVIDENCE = ("value", "ratio_of", "ratio", "cosine", "rows", "weights", "places", "unused", "finite")
FEWEST_DIGITS = 6  # With which a value is said to equal another.


def base(file: str) -> str:
    """A file's name without its folder.

    >>> base("hw/net.py")
    'net.py'
    """
    return file.replace("\\", "/").rpartition("/")[2]


class Telling:
    """A report in words: `hint` 1 says where a mistake is, 2 also what it is, 3 also how to mend it."""

    def __init__(self, report: Report, words: Wording, hint: int = 3, values: bool = False) -> None:
        self.report, self.words, self.hint, self.values = report, words, hint, values

    def rows(self) -> Iterator[Row]:
        """All of it."""
        report, words = self.report, self.words
        if report.reason and not report.checks:
            yield Row("title", self.failure())
            return
        file, name = words.plain(report.file), words.plain(report.name or words.word("network"))
        yield Row("title", f"{file}: {name}" if report.target and name != file else file)
        for note in self.notes():
            yield Row("note", note)
        known = {check.name for check in report.checks}
        for check in sorted(report.checks, key=_place):
            yield from self.check(check)
        for finding in report.findings:
            if finding.check not in known:
                yield from self.finding(finding)
        yield Row("last", self.failure() if report.reason else self.last())

    def failure(self) -> str:
        """That a file could not be checked, and why."""
        return self.words.word("could_not", file=self.report.file, reason=self.reason())

    def reason(self) -> str:
        """Why it could not be checked; empty if it could."""
        report = self.report
        return self.words.line("reason", report.reason, report.reason_values) if report.reason else ""

    def notes(self) -> Iterator[str]:
        """What is to be known about how it was read and run."""
        if self.report.isolation == "none":
            yield self.words.word("isolation_none")
        if self.report.others:
            yield self.words.word("others", names=self.report.others, name=self.report.others[0])
        for note in self.report.notes:
            key = self.words.english("note", note)
            yield self.words.line("note", key, {}) if key else self.words.plain(note)

    def check(self, check: Check) -> Iterator[Row]:
        """One thing that was looked at, and what was found there."""
        yield Row("check", self.detail(check), self.words.plain(check.name), check.status)
        line = None
        for finding in self._own(check):
            for row in self.finding(finding, check):
                if row != line:  # Of two mistakes in one line it stands once.
                    yield row
                line = row if row.kind == "line" else line

    def part(self, check: Check) -> str:
        """The lines of one check alone."""
        return "\n".join(line[2:] for line in laid_out(self.check(check), self.words))

    def _own(self, check: Check) -> list[Finding]:
        return [finding for finding in self.report.findings if finding.check == check.name]

    def detail(self, check: Check) -> str:
        """What the line of a check says."""
        group, _, identity = check.detail.rpartition(".")
        if group != "finding":
            return self.words.line("check", check.detail, self._placed(check.values, check.name))
        finding = next((each for each in self._own(check) if each.id == identity), None)
        if finding is None:
            finding = Finding(identity, check.name, check=check.name, values=check.values)
        where = self._level(finding, "where")
        if finding.severity != "warning" or self.hint < 3:
            return where
        how = self._level(finding, "how").rstrip(".")
        return f"{where}: {_lowered(how)}" if self.words.language == "en" else f"{where}. {how}."

    def finding(self, finding: Finding, check: Check | None = None) -> Iterator[Row]:
        """A mistake: its line, its sentence, the formulas, the evidence; numbers if asked for."""
        words = self.words
        if finding.line:
            place = words.plain(self._where(finding.line, finding.file))
            yield Row("line", words.plain(self.report.source_line(finding.line, finding.file)), place)
        in_row = check is not None and check.detail == f"finding.{finding.id}"
        # The row of a warning has said all of it, and at the first level that of each finding.
        if not in_row or (finding.severity != "warning" and self.hint > 1):
            lead = words.word("note_lead") if finding.severity == "note" else ""
            yield Row("sentence", lead + self.message(finding))
        if finding.yours and self.hint >= 2:
            yield Row("formula", words.plain(finding.yours), words.word("yours"))
        if finding.expected and self.hint >= 3:
            yield Row("formula", words.plain(finding.expected), words.word("expected"))
        if self.hint >= 2:
            others = (self._level(Finding(other, finding.step), "what") for other in finding.alternatives)
            sentences = [self.evidence(finding), *(words.word("or", mistake=o.rstrip(".")) for o in others)]
            yield from (Row("sentence", sentence) for sentence in sentences if sentence)
        if self.values and finding.shown:
            yield from tables(finding.shown, words)

    def message(self, finding: Finding) -> str:
        """What is said of a finding: where, what, or what and how."""
        if self.hint <= 1:
            return self.words.sentence(self._identity(finding), "where", self._filling(finding))
        what, how = self._level(finding, "what"), self._level(finding, "how")
        if self.hint == 2 or not how:
            return what
        if self.words.language == "en" and how[:1].isupper() and how[1:2].islower():
            return f"{what.rstrip('.')}; {_lowered(how)}"
        return f"{what} {how}"

    def evidence(self, finding: Finding) -> str:
        """The number that shows a finding, in a sentence; empty if there is none."""
        known = finding.evidence
        for key in EVIDENCE:
            if key in known and not (key == "value" and known.get("digits", 0) < FEWEST_DIGITS):
                special = f"{key}.{finding.id}"
                chosen = special if self.words.has("evidence", special) else key
                return self.words.line("evidence", chosen, self._filling(finding))
        return ""

    def last(self) -> str:
        """How many checks pass, and what was not looked at."""
        counts, words = self.report.counted(), self.words
        of_all = counts["pass"] + counts["fail"] + counts["warning"]
        sentences = [words.word("passes", passed=counts["pass"], all=of_all)]
        unwritten = self._names("not_written")
        if unwritten:
            sentences.append(words.word("not_written", names=", ".join(unwritten)))
        return " ".join([*sentences, self.not_checked()])

    def not_checked(self) -> str:
        """What was not looked at."""
        never = [self.words.word(name) for name in NEVER_CHECKED]
        return self.words.word("not_checked", names=", ".join([*self._names("not_checked"), *never]))

    def _names(self, status: str) -> list[str]:
        checks = sorted(self.report.checks, key=_place)
        return [self.words.plain(check.name) for check in checks if check.status == status]

    def _level(self, finding: Finding, level: str) -> str:
        identity, values = self._identity(finding), self._filling(finding)
        if (identity, level) == ("crash", "how"):
            cure, name = cure_of(str(values.get("message", "")))
            if cure:
                return self.words.line("cures", cure, values | {"name": name})
        return self.words.level(identity, level, values)

    def _identity(self, finding: Finding) -> str:
        """The key of its texts: others where more is known, as a name that may be meant."""
        keys = (
            f"{finding.id}_{known}"
            for known in ("near", "silent", "wanted", "shorter", "uneven", "forgotten", "turned", "part")
            if finding.values.get(known)
        )
        return next(filter(self.words.knows, keys), finding.id)

    def _filling(self, finding: Finding) -> dict[str, Any]:
        """What fills the places of a finding's texts."""
        step = finding.step or finding.check
        known = {"name": step, "names": step, "function": finding.check, "variable": finding.variable or step}
        return self._placed(
            {**known, "line": finding.line, **finding.evidence, **finding.values}, finding.check, finding.file
        )

    def _placed(self, values: Mapping[str, Any], name: str, file: str = "") -> dict[str, Any]:
        """Values for a text, with lines as a reader finds them, and what to write next."""
        words = self.words
        made = {**values, "next": words.line("next", name, {}) if words.has("next", name) else name}
        for key in ("line", "lines"):
            lines = made.get(key)
            if isinstance(lines, int):
                made[key] = self._where(lines, file)
            elif isinstance(lines, list) and all(isinstance(line, int) for line in lines):
                made[key] = [self._where(line, file) for line in lines]
        return made

    def _where(self, line: int, file: str) -> str:
        """Where a reader finds a line: in its cell, or in another file."""
        words, report = self.words, self.report
        if file and base(file) != base(report.file):
            return words.word("place_in_file", file=base(file), number=line)
        inside: Sequence[tuple[int, int]] = [pair for pair in report.cells if pair[0] <= line]
        if inside:
            first, cell = inside[-1]
            return words.word("place_in_cell", cell=cell, number=line - first + 1)
        return words.word("place", number=line)

    def place(self, finding: Finding) -> str:
        """Where a reader finds a finding; empty where no line is known."""
        return self._where(finding.line, finding.file) if finding.line else ""


def _place(check: Check) -> int:
    return ORDER.index(check.name) if check.name in ORDER else len(ORDER)


def _lowered(sentence: str) -> str:
    """A sentence that goes on after a colon: its first word small."""
    return sentence[:1].lower() + sentence[1:]
