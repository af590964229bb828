"""What a check found of several files: a table, the commonest mistakes, CSV, what Gradescope reads."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from clearhead.checking.layout import WIDTH
from clearhead.checking.marking import marks, points
from clearhead.checking.report import Report
from clearhead.checking.telling import NEVER_CHECKED, Telling
from clearhead.checking.wording import Wording, wrapped

COLUMNS = (
    "student", "file", "class", "target", "isolation", "score", "max_score", "passed", "failed", "warned",
    "not_checked", "not_written", "ok", "errors", "warnings", "notes", "lines", "reason",
)  # fmt: skip
COMMONEST = 10


def summary(reports: Sequence[Report], words: Wording, screen: Console, target: str = "") -> None:
    """Print how each file stands, and what they have in common."""
    checked = [report for report in reports if report.checks]
    if checked:
        screen.print(_table(checked, words, target))
    for line in (*_commonest(checked, words), *_unchecked(reports, words), *_counts(reports, words)):
        screen.print(Text(line))


def _table(reports: Sequence[Report], words: Wording, target: str) -> Table:
    students = any(report.student for report in reports)
    unicode = words.encoding.lower().startswith("utf")
    table = Table(box=box.SIMPLE_HEAD if unicode else box.ASCII_DOUBLE_HEAD, pad_edge=False, show_edge=False)
    for name in ("student", "file", "points", "mistakes")[0 if students else 1 :]:
        table.add_column(words.word(name), overflow="fold", no_wrap=name == "points")
    for report in reports:
        file = report.file.removeprefix(f"{report.student}/") if report.student else report.file
        got, most = points(marks(report, target))
        cells = [
            words.plain(file),
            words.word("of", passed=got, all=most),
            "\n".join(_mistakes(report, words)),
        ]
        table.add_row(*map(Text, [words.plain(report.student), *cells] if students else cells))
    return table


def _mistakes(report: Report, words: Wording) -> list[str]:
    """Each error and warning by its id, with its place; what is not written yet."""
    telling = Telling(report, words)
    made = []
    for finding in _serious(report):
        place = telling.place(finding)
        made.append(words.plain(f"{finding.id} ({place})" if place else finding.id))
    unwritten = [check.name for check in report.checks if check.status == "not_written"]
    if unwritten:
        made.append(words.word("not_written", names=", ".join(unwritten)))
    return made or [words.plain("–") if report.exit_code == 2 else words.word("none")]


def _serious(report: Report) -> list[Any]:
    return [finding for finding in report.findings if finding.severity != "note"]


def common(reports: Sequence[Report]) -> list[tuple[str, int]]:
    """Errors and warnings, and in how many files each was found, the commonest first.

    >>> from clearhead.checking.findings import Finding
    >>> common([Report("a.py", findings=[Finding("loss_sign"), Finding("loss_sign", "loss", 9)])])
    [('loss_sign', 1)]
    """
    found = Counter(identity for report in reports for identity in {f.id for f in _serious(report)})
    return sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))


def _commonest(reports: Sequence[Report], words: Wording) -> Iterator[str]:
    found = common(reports)
    if found:
        yield ""
        yield words.word("commonest")
    for identity, count in found[:COMMONEST]:
        finding, report = next((f, made) for made in reports for f in _serious(made) if f.id == identity)
        # A sentence with names or numbers in it is that of one file.
        key = "as_in" if words.varies(identity) else "is"
        mistake = Telling(report, words, 2).message(finding)
        lead = f"  {count:>{len(str(found[0][1]))}}  "
        sentence = words.word(key, id=identity, file=report.file, mistake=mistake)
        yield from wrapped(sentence, WIDTH, lead, " " * len(lead))


def _unchecked(reports: Sequence[Report], words: Wording) -> Iterator[str]:
    failed = [report for report in reports if report.reason or report.exit_code == 2]
    if failed:
        yield ""
        yield words.word("not_checked_files")
    for report in failed:
        telling = Telling(report, words)
        line = f"{words.plain(report.file)}: {telling.reason() or telling.not_checked()}"
        yield from wrapped(line, WIDTH, "  ", "    ")


def _counts(reports: Sequence[Report], words: Wording) -> Iterator[str]:
    codes = Counter(report.exit_code for report in reports)
    sentences = [
        words.word("summary", files=len(reports), clean=codes[0], wrong=codes[1], failed=codes[2]),
        words.word("not_checked", names=", ".join(map(words.word, NEVER_CHECKED))),
    ]
    yield ""
    yield from wrapped(" ".join(sentences), WIDTH)
    levels = {report.isolation for report in reports if report.isolation}
    if levels == {"full"}:
        yield from wrapped(words.word("isolation_full"), WIDTH)
    elif levels:
        why = next((report.why for report in reports if report.isolation != "full" and report.why), "")
        yield from wrapped(words.word("isolation_limits", why=why).rstrip(), WIDTH)
    yield from wrapped(words.word("details"), WIDTH)


def as_csv(reports: Sequence[Report], words: Wording, target: str = "") -> str:
    """A row for each file, for a spreadsheet; score and max_score are the points that Gradescope gets."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for report in reports:
        data = report.to_json()
        data["score"], data["max_score"] = points(marks(report, target))
        for level in ("error", "warning", "note"):
            data[f"{level}s"] = "; ".join(f.id for f in report.findings if f.severity == level)
        places = [f["place"] for f in data["findings"] if f["severity"] == "error"]
        data["lines"] = "; ".join(filter(None, places))
        writer.writerow([_cell(data[column], words) for column in COLUMNS])
    return text.getvalue()


def _cell(value: Any, words: Wording) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    if not isinstance(value, str):
        return int(value)
    value = words.plain(value)
    return f"'{value}" if value.startswith(("=", "+", "-", "@")) else value


def as_gradescope(reports: Sequence[Report], target: str = "") -> dict[str, Any]:
    """What Gradescope reads as results.json, of one submission: its tests are the marks, a point each.

    `target` is that of files of which it is not known. The tests, and so the sum of max_score, are the same
    for each submission with one implementation of a target: 7 of a network, 5 of an attention. Files without
    one, such as helpers, have no tests beside it.

    >>> made = as_gradescope([Report("net.py", reason="empty", language="en")], "two-layer")
    >>> made["tests"][0]["output"], sum(test["max_score"] for test in made["tests"])
    ('net.py could not be checked: it is empty.', 7)
    """
    held = [report for report in reports if report.target] or reports[:1]
    tests = [
        {
            "name": f"{report.file}: {mark.name}" if len(held) > 1 else mark.name,
            "status": "passed" if mark.most and mark.got == mark.most else "failed",
            "score": mark.got,
            "max_score": mark.most,
            "output": mark.why,
            "output_format": "text",
            "visibility": "visible",
        }
        for report in held
        for mark in marks(report, target)
    ]
    return {
        "output": "\n\n".join(map(str, reports)),
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
    }


def by_student(reports: Sequence[Report]) -> dict[str, list[Report]]:
    """The reports of each student; a file that is in nobody's folder is somebody's, by its path.

    >>> sorted(by_student([Report("ann/net.py", student="ann"), Report("../x/bob.py")]))
    ['ann', 'x-bob']
    """
    made: dict[str, list[Report]] = {}
    for report in reports:
        path = PurePath(report.file).with_suffix("")
        parts = (part for part in path.parts if part not in (path.anchor, ".."))
        made.setdefault(report.student or "-".join(parts), []).append(report)
    return made
