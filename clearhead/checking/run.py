"""Has workers run submissions, makes reports of what comes back, keeps those of what has not changed."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from clearhead.checking.findings import Finding, Verdict
from clearhead.checking.patience import TookLong, within
from clearhead.checking.report import Report
from clearhead.checking.submissions import Submission
from clearhead.checking.telling import base
from clearhead.checking.wording import Wording
from clearhead.sandbox import Limits, Outcome, Worker

ENTRY = "clearhead.checking.inside:answer"
LIMITS = Limits(cpu_seconds=20, wall_seconds=30.0, answer=128 << 20)
PATIENCE = 20.0  # Seconds in which an answer is judged; an honest one takes less than one.
BY_CHANCE = {"stopped_time", "stopped_signal"}  # What a busy machine may be to blame for.
MOST_KEPT = 5000  # Reports in the cache.


class Checker:
    """Workers that are kept warm, and what they found before; threads may check with one at once.

    `isolation` "full" asks for all that there is; with `require` nothing runs in less. `folder` holds the
    reports of files that have not changed since; without one all run.

    >>> with Checker() as checker:
    ...     report = checker.check(Submission("empty.py", b"x = 1\\n"))
    >>> report.passed == False, report.exit_code
    (True, 2)
    """

    def __init__(
        self, isolation: str = "limits", *, require: bool = False, folder: Path | None = None
    ) -> None:
        self.isolation, self.require, self.folder = "full" if require else isolation, require, folder
        self._workers: dict[bool, Worker] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Checker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers."""
        for worker in self._workers.values():
            worker.close()
        self._workers.clear()

    def _worker(self, torch: bool) -> Worker:
        with self._lock:
            if torch not in self._workers:
                imports = ("numpy", "torch") if torch else ("numpy",)
                self._workers[torch] = Worker(ENTRY, imports, self.isolation)
            return self._workers[torch]

    def check(self, submission: Submission, target: str = "", only: str = "") -> Report:
        """The report of one submission; whatever its code does, this returns one."""
        if submission.reason:
            return _failed(submission, submission.reason, **submission.values)
        key = submission.key(target, only, self.isolation)
        report = self._kept(key)
        if report is None:
            report = self._run(submission, target, only)
            if not report.reason and not BY_CHANCE & {finding.id for finding in report.findings}:
                self._keep(key, report)
        return report

    def _run(self, submission: Submission, target: str, only: str) -> Report:
        torch = submission.uses_torch() or target == "attention"
        if torch and importlib.util.find_spec("torch") is None:
            return _failed(submission, "no_torch")
        try:
            worker = self._worker(torch)
        except (OSError, RuntimeError) as error:
            return _failed(submission, "no_worker", detail=_one_line(error))
        if self.require and worker.level != "full":
            return _failed(submission, "no_isolation", why=worker.why.rstrip("."))
        job = {"name": submission.name, "modules": sorted(submission.modules), "target": target, "only": only}
        arrays = {"content": np.frombuffer(submission.content, np.uint8)}
        arrays |= {
            f"module/{stem}": np.frombuffer(text, np.uint8) for stem, text in submission.modules.items()
        }
        try:
            outcome = worker.run(job, arrays, limits=LIMITS)
        except (OSError, RuntimeError) as error:
            return _failed(submission, "no_worker", detail=_one_line(error))
        report = report_of(submission, outcome, worker.why)
        if report.reason == "no_name":
            report.reason_values = {"name": only}
        return report

    def check_all(
        self, submissions: Sequence[Submission], target: str = "", only: str = "", jobs: int = 2,
        on_report: Callable[[Report], None] = lambda _: None,
    ) -> list[Report]:  # fmt: skip
        """The reports of several, in their order, `jobs` at a time."""

        def one(submission: Submission) -> Report:
            report = self.check(submission, target, only)
            on_report(report)
            return report

        threads = ThreadPoolExecutor(max(1, jobs))
        try:
            return list(threads.map(one, submissions))
        finally:  # At an interrupt nobody waits for what has not begun.
            threads.shutdown(wait=False, cancel_futures=True)

    # What was found before

    def _kept(self, key: str) -> Report | None:
        if self.folder is None:
            return None
        try:
            return Report.of(json.loads((self.folder / f"{key}.json").read_text("utf-8")))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def _keep(self, key: str, report: Report) -> None:
        """Put a report beside the others, whole or not at all; a cache that cannot be written is none."""
        if self.folder is None:
            return
        with contextlib.suppress(OSError, TypeError, ValueError):
            self.folder.mkdir(parents=True, exist_ok=True)
            text = json.dumps(report.kept()).encode()
            number, temporary = tempfile.mkstemp(dir=self.folder, suffix=".part")
            try:
                with os.fdopen(number, "wb") as file:
                    file.write(text)
                os.replace(temporary, self.folder / f"{key}.json")
            except OSError:
                os.unlink(temporary)

    def tidy(self) -> None:
        """Keep the cache from growing for ever: the oldest go."""
        if self.folder is None or not self.folder.is_dir():
            return
        with contextlib.suppress(OSError):
            ages = sorted((path.stat().st_mtime, path) for path in self.folder.iterdir() if path.is_file())
            for _, path in ages[: max(0, len(ages) - MOST_KEPT)]:
                path.unlink(missing_ok=True)


def cache_folder() -> Path:
    """Where reports of files that have not changed are kept, in the user's cache."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("clearhead")) / "checks"


def _one_line(error: BaseException) -> str:
    return _one_line_of(str(error)) or type(error).__name__


def _one_line_of(text: str) -> str:
    return " ".join(text.split())[:300].rstrip(".")


def _failed(submission: Submission, reason: str, **values: Any) -> Report:
    return Report(submission.file, reason=reason, reason_values=values, student=submission.student)


def report_of(submission: Submission, outcome: Outcome, why: str = "", isolation: str = "") -> Report:
    """The report on what a worker sent back. All of that is hostile: whatever it is, a report comes of it."""
    report = Report(
        submission.file, isolation=isolation or outcome.level, why=why, student=submission.student
    )
    verdict, found = Verdict(), _found(outcome)
    try:
        report.target, report.name = _text(found.get("target")), _text(found.get("class"))
        report.notes = [_text(note) for note in found.get("notes", [])]
        report.others = [_text(name) for name in found.get("others", [])]
        report.cells = [(int(first), int(cell)) for first, cell in found.get("cells", [])]
        if found:
            verdict = within(PATIENCE, _verdict, outcome)
    except TookLong:
        report.reason, report.reason_values = "took_long", {"seconds": f"{PATIENCE:g}"}
    except Exception as error:
        if os.environ.get("CLEARHEAD_TRACEBACK"):
            raise
        report.reason = "garbled"
        report.reason_values = {"detail": f"{type(error).__name__}: {_one_line(error)}"}
    refusal = _text(found.get("refusal"))
    if refusal:
        key = Wording("en").english("reason", refusal)
        report.reason, report.reason_values = (key, {}) if key else ("refused", {"text": refusal})
    elif outcome.stopped == "error":
        unread = not found and submission.name.lower().endswith(".ipynb")
        report.reason = "notebook" if unread else "ended"
        report.reason_values = {"detail": _one_line_of(outcome.detail)}
    elif outcome.stopped:
        line = _stuck(outcome) if outcome.stopped == "cpu" else 0
        verdict.add("run", Finding(f"stopped_{outcome.stopped}", line=line, values=_limits(outcome)))
    elif not found:
        report.reason = "nothing"
    report.checks, report.findings = list(verdict.checks.values()), verdict.findings
    if not report.reason and all(check.status == "not_checked" for check in report.checks):
        report.reason = "nothing_ran"
    report.sources = _cited(report, found)
    return report


def _found(outcome: Outcome) -> dict[str, Any]:
    """What was found in the file: the first part, which is sent before any of the submission runs."""
    first = outcome.parts[0][0] if outcome.parts else {}
    return first if first.get("part") == "found" else {}


def _stuck(outcome: Outcome) -> int:
    """The line of the file that ran when its time was over; 0 if it is not known."""
    told = [data.get("line") for data, _ in outcome.parts if data.get("part") == "stuck"]
    return next((line for line in told if type(line) is int), 0)


def _verdict(outcome: Outcome) -> Verdict:
    """The diagnosis, held to its types: one of garbage may have let some of it through."""
    from clearhead.checking.diagnose import diagnosed

    with np.errstate(all="ignore"):
        verdict = diagnosed(outcome.parts)
    for finding in verdict.findings:
        finding.line = int(finding.line)
        texts = (finding.id, finding.step, finding.variable, finding.yours, finding.expected, finding.file)
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("a finding has no proper texts")
    for check in verdict.checks.values():
        if not (isinstance(check.name, str) and isinstance(check.detail, str)):
            raise TypeError("a check has no proper texts")
    return verdict


def _limits(outcome: Outcome) -> dict[str, Any]:
    return {
        "detail": _one_line_of(outcome.detail), "seconds": f"{LIMITS.wall_seconds:g}",
        "cpu": LIMITS.cpu_seconds, "memory": f"{LIMITS.memory >> 30} GB",
        "output": f"{LIMITS.output >> 20} MB", "disk": f"{LIMITS.folder_size >> 20} MB",
    }  # fmt: skip


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _cited(report: Report, found: Mapping[str, Any]) -> dict[str, dict[int, str]]:
    """The lines that the report speaks of, by file; "" is the checked one."""
    texts = {"": found.get("lines", [])}
    texts |= {f"{stem}.py": lines for stem, lines in found.get("modules", {}).items()}
    cited: dict[str, dict[int, str]] = {}
    for finding in report.findings:
        file = base(finding.file)
        file = "" if file == base(report.file) else file
        lines = texts.get(file, [])
        if 0 < finding.line <= len(lines):
            cited.setdefault(file, {})[finding.line] = _text(lines[finding.line - 1])[:500]
    return cited


def without_helpers(reports: Sequence[Report]) -> list[Report]:
    """The reports, less those of a student's files without an implementation where another one has it."""
    holds = {report.student for report in reports if report.target}
    return [report for report in reports if not (report.student in holds and _holds_nothing(report))]


def _holds_nothing(report: Report) -> bool:
    return bool(report.student and report.reason and not report.target)
