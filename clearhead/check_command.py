"""`clearhead check`: which mistakes a learner's own implementation makes."""

from __future__ import annotations

import itertools
import json
import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from clearhead.checking.classroom import as_csv, as_gradescope, by_student, summary
from clearhead.checking.layout import coloured
from clearhead.checking.report import Report
from clearhead.checking.run import Checker, cache_folder, without_helpers
from clearhead.checking.submissions import Submission, submissions_in
from clearhead.checking.wording import Wording
from clearhead.mistakes import LANGUAGES, TARGETS
from clearhead.options import COUNT, example, option, options

BETWEEN_LOOKS = 0.1  # Seconds; a save shows at once, and looking costs next to nothing.


@click.command(
    epilog=example(
        "clearhead check mynet.py",
        "clearhead check attention.ipynb --hint 1 --watch",
        "clearhead check submissions/ --format csv > class.csv",
    )
)
@options(
    click.argument("files", metavar="FILE...", nargs=-1, required=True),
    option("--target", type=click.Choice(TARGETS), help="Which of the two it is.  [default: found out]"),
    option("--only", default="", metavar="NAME", help="The class or function to check, of several."),
    option("--hint", type=click.IntRange(1, 3), default=3, help="1 says where, 2 what, 3 how to mend it."),
    option("--values", is_flag=True, help="Show the input, and expected and actual numbers."),
    option("--lang", "language", type=click.Choice(LANGUAGES), help="Language.  [default: the system's]"),
    option("--watch", is_flag=True, help="Check again at each save, until Ctrl-C."),
    option("--format", "form", type=click.Choice(["text", "json", "csv", "gradescope"]), default="text",
           help="Of the report; --json is --format json."),
    option("--out", metavar="FOLDER", help="A results.json for each student, of --format gradescope."),
    option("--json", "as_json", is_flag=True, help="Data for a program, in a versioned schema."),
    option("--jobs", type=COUNT, help="How many files at a time.  [default: one a core]"),
    option("--require-isolation", "require", is_flag=True,
           help="Run nothing without full isolation, which is Linux's: no network, no other files."),
    option("--fresh", is_flag=True, help="Of several files, check also those that have not changed."),
)  # fmt: skip
def check(
    files: tuple[str, ...],
    target: str | None,
    only: str,
    hint: int,
    values: bool,
    language: str | None,
    watch: bool,
    form: str,
    out: str | None,
    as_json: bool,
    jobs: int | None,
    require: bool,
    fresh: bool,
) -> None:
    """Which mistakes your own network or attention makes, and on which line.

    FILE is Python or a notebook with the two-layer network in NumPy, or multi-head attention in PyTorch; or a
    folder of them, with one folder a student. The code runs in a process of its own with limits on time and
    memory; of several files each is also isolated, where the system can. Exit code: 0 no errors, 1 errors
    found, 2 could not check.
    """
    if as_json and form not in ("text", "json"):
        raise ValueError(f"--json and --format {form} are two things to print; give one.")
    form = "json" if as_json else form
    if out and form != "gradescope":
        raise ValueError("--out FOLDER takes what Gradescope reads; add --format gradescope.")
    words = _wording(language, form)
    paths = [Path(file).expanduser() for file in files]
    submissions = list(submissions_in(paths))
    several = len(submissions) > 1 or any(path.is_dir() for path in paths)
    if watch and (form != "text" or several):
        raise ValueError("--watch shows one file as text; name one file, without --json and --format.")
    folder = cache_folder() if several and not fresh else None
    with Checker("full" if several else "limits", require=require, folder=folder) as checker:
        if watch:
            _watch(checker, paths[0], target or "", only, words, hint, values)
        said = several and form == "text"
        reports = _all(checker, submissions, target or "", only, jobs or _cores(), said)
        checker.tidy()
    for report in reports:
        report.language, report.hint, report.values = words.language, hint, values
    if several:
        reports = without_helpers(reports)
    targets = {report.target for report in reports} - {""}
    asked = target or (targets.pop() if len(targets) == 1 else "")
    if out:
        _write(reports, Path(out).expanduser(), asked)
    else:
        _print(reports, form, words, several, asked)
    codes = {report.exit_code for report in reports}
    click.get_current_context().exit(1 if 1 in codes else max(codes))


def _wording(language: str | None, form: str) -> Wording:
    """The reader's language, in the letters that the stream has."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    words = Wording(language or "", encoding)
    if language is None and form == "text" and not words.can_write():
        words = Wording("en", encoding)
    return words


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _all(
    checker: Checker, submissions: Sequence[Submission], target: str, only: str, jobs: int, said: bool
) -> list[Report]:
    """All reports; on a terminal with a count of those that are done."""
    status = Console(stderr=True)
    if not (said and status.is_terminal):
        return checker.check_all(submissions, target, only, jobs)
    from rich.progress import Progress

    with Progress(console=status, transient=True) as progress:
        task = progress.add_task("checking", total=len(submissions))
        return checker.check_all(submissions, target, only, jobs, lambda _: progress.advance(task))


def _write(reports: Sequence[Report], folder: Path, target: str) -> None:
    """A folder for each student with a results.json."""
    for student, own in by_student(reports).items():
        path = folder / student / "results.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_json(as_gradescope(own, target), unicode=True), "utf-8")
        click.echo(path)


def _print(reports: Sequence[Report], form: str, words: Wording, several: bool, target: str) -> None:
    if form == "json":
        data: Any = [report.to_json() for report in reports]
        _echo_json(data if several else data[0], words)
    elif form == "gradescope":
        students = len({report.student for report in reports})
        if students > 1:
            told = f"One results.json for {students} students; --out FOLDER writes one for each."
            click.echo(told, err=True)
        _echo_json(as_gradescope(reports, target), words)
    elif form == "csv":
        # Without the mark Excel reads no UTF-8.
        mark = "\ufeff" if _is_unicode(words) and not sys.stdout.isatty() else ""
        click.echo(mark + as_csv(reports, words, target), nl=False)
    elif several:
        summary(reports, words, _screen(), target)
    else:
        _show(reports[0], words)


def _echo_json(data: Any, words: Wording) -> None:
    click.echo(_json(data, unicode=_is_unicode(words)), nl=False)


def _json(data: Any, *, unicode: bool) -> str:
    text = json.dumps(data, indent=1, allow_nan=False, ensure_ascii=not unicode) + "\n"
    # What JSON may hold as it is, and a terminal may follow.
    return re.sub(r"[\x7f-\x9f\u2028-\u202e\u2066-\u2069]", lambda each: f"\\u{ord(each[0]):04x}", text)


def _is_unicode(words: Wording) -> bool:
    return words.encoding.lower().startswith("utf")


def _screen() -> Console:
    screen = Console(highlight=False)
    return screen if screen.is_terminal else Console(highlight=False, width=80)


def _show(report: Report, words: Wording) -> None:
    text = report.to_text(encoding=words.encoding)
    Console(highlight=False, soft_wrap=True).print(coloured(text, words))


def _watch(
    checker: Checker, path: Path, target: str, only: str, words: Wording, hint: int, values: bool
) -> None:
    """Check a file again whenever it or a module beside it is saved; ends by Ctrl-C alone."""
    before: Any = None
    for count in itertools.count():
        submission = Submission.read(path)
        now = submission.key()
        # While an editor puts a new file in the old one's place there is none for a moment.
        if now == before or (submission.reason in ("unreadable", "empty") and count):
            time.sleep(BETWEEN_LOOKS)
            continue
        if before is not None:
            print()
        before = now
        report = checker.check(submission, target, only)
        report.language, report.hint, report.values = words.language, hint, values
        _show(report, words)
        print(f"{time.strftime('%H:%M:%S')} {words.word('watching')}", flush=True)
