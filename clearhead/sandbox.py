"""Another process that runs code which is not trusted, and sends back numbers only.

A `Worker` is that process's parent. All that comes from a job is hostile: it is read within limits and
checked before it is believed, and whatever a job does is in its outcome.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from clearhead import job_folder, keeper
from clearhead.confinement import Limits
from clearhead.messages import FINISHED, JOB, Answer, Arrays, Part, packed, size

__all__ = ["Limits", "Outcome", "Part", "Worker"]

# Not on Windows: there each job has a fresh process, and only its time is limited.
FORKS = hasattr(os, "fork")
NO_FORK = "Full isolation needs Linux; here time alone is limited, and memory is not."
SHOWN = 64 << 10  # How much of what a job printed is kept.
LOOKS = 0.2  # Seconds between looks at how much a job has written.
GRACE = 10.0  # How long a keeper may take to end all that a job has started.
DEFAULTS = Limits()
NONE: Mapping[str, Any] = types.MappingProxyType({})


@dataclass(frozen=True)
class Outcome:
    """What a job sent, in order, and what stopped it.

    `stopped` is None if its function returned; else "time", "cpu", "memory", "disk", "output", "answer",
    "signal", "exit" (it ended before its function returned) or "error" (its function raised). `detail` is a
    sentence, `output` the beginning of what it printed, and `level` the isolation that it had: "full" or
    "limits".
    """

    parts: list[Part]
    stopped: str | None
    detail: str
    output: str
    level: str


@dataclass
class _Watch:
    """A job that runs, as its parent sees it."""

    limits: Limits
    answer: Answer
    job: memoryview = field(default_factory=lambda: memoryview(b""))  # What is still to be sent.
    printed: bytearray = field(default_factory=bytearray)
    count: int = 0  # Of bytes printed.
    reason: str = ""
    report: bytes = b""

    def messages(self, file: socket.socket, events: int) -> bool:
        """Send and receive what can be without waiting; False once there is no more to receive."""
        if events & selectors.EVENT_WRITE and self.job:
            try:
                self.job = self.job[file.send(self.job[: 1 << 20]) :]
            except OSError:
                self.job = self.job[:0]
        return not events & selectors.EVENT_READ or self._received(file.fileno(), self.answer.feed)

    def output(self, file: IO[bytes], _: int) -> bool:
        """Read what was printed."""
        return self._received(file.fileno(), self.print)

    def reported(self, file: socket.socket, _: int) -> bool:
        """Read what the keeper says."""

        def take(received: bytes) -> None:
            self.report += received

        return self._received(file.fileno(), take)

    def _received(self, file: int, take: Callable[[bytes], None]) -> bool:
        for _ in range(64):  # Then the others have their turn.
            try:
                received = os.read(file, 1 << 20)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not received:
                return False
            take(received)
            if self.due():
                return True
        return True

    def print(self, received: bytes) -> None:
        """Keep the beginning of what is printed."""
        self.count += len(received)
        self.printed += received[: SHOWN - len(self.printed)]

    def due(self) -> str:
        """Why the job is to end now; empty if it is not."""
        return self.excess() or self.reason

    def excess(self) -> str:
        """Why it is to be stopped now, if it is."""
        if self.answer.trouble:
            return "answer"
        if self.count > self.limits.output:
            return "output"
        return "ended" if self.answer.ended else ""

    def outcome(self, level: str) -> Outcome:
        stopped, detail = self._stopped()
        return Outcome(self.answer.parts, stopped, detail, self.printed.decode("utf-8", "replace"), level)

    def _stopped(self) -> tuple[str | None, str]:
        limits, reason = self.limits, self.due()
        if reason == "answer":
            return reason, self.answer.trouble
        if reason == "output":
            return reason, f"It printed more than the {size(limits.output)} that are allowed."
        if reason == "ended":
            if self.answer.ended == FINISHED:
                return None, "It finished."
            memory = self.answer.text.startswith("MemoryError")
            return "memory" if memory else "error", self.answer.text
        if reason == "disk":
            most = f"{size(limits.folder_size)} in {limits.folder_files} files"
            return reason, f"It wrote more than the {most} that are allowed."
        if reason == "time":
            return reason, f"It ran longer than the {limits.wall_seconds:g} seconds that are allowed."
        if len(self.report) < 1 + keeper.ENDED.size:
            return "signal", "The process that kept it was ended."
        status, seconds, most = keeper.ENDED.unpack_from(self.report, 1)
        code = os.waitstatus_to_exitcode(status)
        if code >= 0:
            return "exit", f"It ended with exit status {code} before its function returned."
        xcpu, kill, abort = (getattr(signal, name, None) for name in ("SIGXCPU", "SIGKILL", "SIGABRT"))
        if -code == xcpu or (-code == kill and seconds >= limits.cpu_seconds):
            return "cpu", f"It used more than the {limits.cpu_seconds} seconds of processor that are allowed."
        if (-code == kill and most > limits.memory / 2) or (-code == abort and b"bad_alloc" in self.printed):
            return "memory", f"It needed more memory than the {size(limits.memory)} that are allowed."
        return "signal", f"It was ended by signal {-code} ({signal.strsignal(-code)})."


class Worker:
    """A process that has imported what submissions need, and forks one locked child for each job.

    `entry` is "package.module:function", called in the child as `function(job, arrays, send)`; its module
    and `imports` are loaded before. `isolation` "full" asks for no reading, writing, network or processes
    outside the job's folder; `level` says what a job gets, and `why` what was missing.

    >>> import numpy as np
    >>> with Worker("clearhead.keeper:echo") as worker:
    ...     outcome = worker.run({"n": 1}, {"x": np.arange(3.0)})
    >>> outcome.stopped, outcome.parts
    (None, [({'n': 1}, {'x': array([0., 1., 2.])})])
    """

    _path: Sequence[str] = ()  # Where else the worker looks for modules; for tests.

    def __init__(self, entry: str, imports: Sequence[str] = ("numpy",), isolation: str = "limits") -> None:
        if isolation not in ("full", "limits"):
            raise ValueError(f'isolation must be "full" or "limits", got {isolation!r}; name one of them.')
        if not re.fullmatch(r"[\w.]+:\w+", entry):
            raise ValueError(f'entry must be "package.module:function", got {entry!r}; name it so.')
        self.level, self.why = "limits", ""
        self._asked = {"entry": entry, "imports": [*imports], "isolation": isolation, "forks": FORKS,
                       "path": [*self._path]}  # fmt: skip
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        if FORKS:
            self._start()
        elif isolation == "full":
            self.why = NO_FORK

    def _start(self) -> None:
        self._stop()
        ours, theirs = socket.socketpair()
        with theirs, tempfile.TemporaryFile() as errors:
            self._process = subprocess.Popen(
                self._command(), stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=errors,
                env=_environment(tempfile.gettempdir()), start_new_session=True,
            )  # fmt: skip
            self._control = ours
            theirs.close()
            with ours.makefile("rb") as lines:
                said = json.loads(lines.readline() or "{}")
            if "level" not in said:
                errors.seek(0)
                reason = said.get("error") or errors.read()[-2000:].decode("utf-8", "replace").strip()
                self._stop()
                raise RuntimeError(
                    f"The worker for {self._asked['entry']} did not start: {reason}\n"
                    f"Try: {sys.executable} -c 'import clearhead.sandbox'; install what is missing there."
                )
        self.level, self.why = said["level"], said["why"]

    def _command(self) -> list[str]:
        # As -I, except that PYTHONHASHSEED holds; the environment is ours anyway.
        return [sys.executable, "-s", "-P", "-m", "clearhead.sandbox", json.dumps(self._asked)]

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            try:
                self._process.wait(GRACE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._control = self._process = None

    def close(self) -> None:
        """End the process; jobs that run in other threads end too when their parent does."""
        with self._lock:
            self._stop()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def run(
        self,
        job: dict[str, Any],
        arrays: Arrays = NONE,
        files: Mapping[str, bytes] = NONE,
        limits: Limits = DEFAULTS,
    ) -> Outcome:
        """Run one job in a folder that has these files, and say what came of it; threads may call it at once.

        Raises ValueError for a file outside the folder, and RuntimeError if the worker died and does not
        start again; whatever the job does is in the outcome.
        """
        message = packed(JOB, job, arrays)
        folder = tempfile.mkdtemp(prefix="clearhead-")
        try:
            job_folder.write(Path(folder), files)
            if not FORKS:
                return self._run_fresh(message, folder, limits)
            for _ in range(2):
                watch = self._attend(message, folder, limits)
                if watch.report:
                    return watch.outcome(self.level)
            raise RuntimeError("The worker cannot start a process; look for a limit on processes or memory.")
        finally:
            job_folder.remove(folder)

    def _hand_over(self, files: Sequence[int]) -> None:
        """Give the worker these files of a new job, and start it again if it has died."""
        with self._lock:
            if self._control is None:
                raise RuntimeError("The worker is closed; make a new one.")
            try:
                socket.send_fds(self._control, [b"j"], files)
            except OSError:
                self._start()
                socket.send_fds(self._control, [b"j"], files)

    def _attend(self, message: bytes, folder: str, limits: Limits) -> _Watch:
        """Start a job and read what comes from it until all of it has ended."""
        (messages, child), (report, theirs) = socket.socketpair(), socket.socketpair()
        read, write = os.pipe()
        with messages, child, report, theirs, open(read, "rb", 0) as output, open(write, "wb", 0) as end:
            self._hand_over([child.fileno(), end.fileno(), theirs.fileno()])
            for given in (child, end, theirs):
                given.close()
            watch = _Watch(limits, Answer(limits.answer), memoryview(message))
            with contextlib.suppress(OSError):
                report.sendall(json.dumps({"folder": folder, "limits": asdict(limits)}).encode() + b"\n")
            for file in (messages, report, output):
                os.set_blocking(file.fileno(), False)
            with selectors.DefaultSelector() as selector:
                both = selectors.EVENT_READ | selectors.EVENT_WRITE
                selector.register(messages, both, watch.messages)
                selector.register(output, selectors.EVENT_READ, watch.output)
                selector.register(report, selectors.EVENT_READ, watch.reported)
                _follow(selector, watch, report, folder)
        return watch

    def _run_fresh(self, message: bytes, folder: str, limits: Limits) -> Outcome:
        """A process for this job alone, where there is no fork."""
        watch = _Watch(limits, Answer(limits.answer))
        process = subprocess.Popen(
            self._command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            cwd=folder, env=_environment(folder),
        )  # fmt: skip
        with process:
            try:
                sent, printed = process.communicate(message, limits.wall_seconds)
            except subprocess.TimeoutExpired:
                watch.reason = "time"
                process.kill()
                sent, printed = process.communicate()
        watch.answer.feed(sent)
        watch.print(printed)
        code = process.returncode
        watch.report = b"s" + keeper.ENDED.pack(-code if code < 0 else (code & 0xFF) << 8, 0.0, 0)
        return watch.outcome(self.level)


def _follow(selector: selectors.BaseSelector, watch: _Watch, report: socket.socket, folder: str) -> None:
    """Read all that comes until nobody can send more, and have the keeper end the job when that is due."""
    look = time.monotonic()
    deadline = look + watch.limits.wall_seconds
    asked = False
    while selector.get_map():
        now = time.monotonic()
        if now >= deadline:
            if asked:
                return
            watch.reason = "time"
        if now >= look and not asked:
            if job_folder.holds_too_much(folder, watch.limits):
                watch.reason = "disk"
            # Where looking takes long, less often.
            look = time.monotonic() + max(LOOKS, 4 * (time.monotonic() - now))
        if watch.due() and not asked:
            asked, deadline = True, time.monotonic() + GRACE
            with contextlib.suppress(OSError):
                report.send(b"k")
        until = deadline if asked else min(deadline, look)
        for key, events in selector.select(max(0.0, until - time.monotonic())):
            if not key.data(key.fileobj, events):
                selector.unregister(key.fileobj)
            elif key.data == watch.messages and not watch.job and key.events != selectors.EVENT_READ:
                selector.modify(key.fileobj, selectors.EVENT_READ, key.data)


def _environment(folder: str) -> dict[str, str]:
    """All that a worker and its jobs have of one: nothing that could be secret."""
    fixed = {
        "HOME": folder,
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "LOGNAME": "learner",
        "MPLBACKEND": "Agg",
        "MKL_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PATH": os.defpath,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONIOENCODING": "utf-8:backslashreplace",
        "TMPDIR": folder,
    }
    # Where libraries lie: Python itself may need it to start.
    needed = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "OPENBLAS_CORETYPE")
    return fixed | {name: os.environ[name] for name in needed if name in os.environ}


if __name__ == "__main__":
    keeper.main(json.loads(sys.argv[1]))
