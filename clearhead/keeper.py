"""Inside the sandbox: the worker that has imported what is needed, the keeper of a job, and its child.

The worker forks a keeper for each job, and the keeper forks the child that runs it: locked, in its folder,
with nothing open but a socket for its answers and a pipe for what it prints. The keeper adopts whatever the
child starts, ends all of it, and says how the child ended.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.abc
import json
import os
import select
import signal
import socket
import struct
import sys
import tempfile
import threading
import types
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from numpy.typing import NDArray

from clearhead import confinement
from clearhead.confinement import Limits
from clearhead.messages import (
    FINISHED,
    HEADER,
    PART,
    RAISED,
    Arrays,
    packed,
    read_exactly,
    unpacked,
    write_all,
)

Send = Callable[[dict[str, Any], Arrays], None]
Function = Callable[[dict[str, Any], dict[str, NDArray[Any]], Send], object]

# The status of a child that ended, its seconds of processor, its memory in bytes.
ENDED = struct.Struct("<idQ")


class _Hidden(importlib.abc.MetaPathFinder):
    """Answers for clearhead, so that nobody hands in what it already has."""

    def find_spec(self, name: str, *_: object) -> None:
        if name.partition(".")[0] == "clearhead":
            raise ImportError("clearhead cannot be imported here, as a submission is your own work; "
                              "write it with what the task allows.")  # fmt: skip


def echo(job: dict[str, Any], arrays: dict[str, NDArray[Any]], send: Send) -> None:
    """An entry that sends its job back."""
    send(job, arrays)


def _entry(asked: Mapping[str, Any]) -> Function:
    sys.path[:0] = asked["path"]
    for name in asked["imports"]:
        importlib.import_module(name)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    module, _, name = asked["entry"].partition(":")
    function: Function = getattr(importlib.import_module(module), name)
    return function


def _play(function: Function, read: int, write: int) -> NoReturn:
    """Run the job that comes, in a process that ends with it."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "clearhead"]:
        del sys.modules[name]
    sys.modules["__main__"] = types.ModuleType("__main__")
    sys.meta_path.insert(0, _Hidden())
    sys.argv = ["submission"]
    no_memory = packed(RAISED, {"text": "MemoryError: it needed more memory than is allowed."}, {})
    lock = threading.Lock()

    def send(data: dict[str, Any], arrays: Arrays) -> None:
        message = packed(PART, data, arrays)
        with lock:
            write_all(write, message)

    try:
        _, text, body = HEADER.unpack(read_exactly(read, HEADER.size))
        job, arrays = unpacked(read_exactly(read, text), read_exactly(read, body))
        function(job, arrays, send)
        last = packed(FINISHED, {}, {})
    except SystemExit as error:
        _flush()
        os._exit(error.code & 0xFF if isinstance(error.code, int) else error.code is not None)
    except MemoryError:
        last = no_memory
    except BaseException as error:
        last = packed(RAISED, {"text": _said(error)}, {})
    _flush()
    with contextlib.suppress(OSError):
        write_all(write, last)
    os._exit(0)


def _flush() -> None:
    with contextlib.suppress(BaseException):
        sys.stdout.flush()
        sys.stderr.flush()


def _said(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"[:2000].encode("utf-8", "replace").decode()
    except BaseException:
        return f"{type(error).__name__}, which cannot be shown"


def _play_fresh(asked: Mapping[str, Any]) -> NoReturn:
    """The job comes on stdin and its answer goes to stdout; what it prints goes to stderr."""
    read, write = os.dup(0), os.dup(1)
    if sys.platform == "win32":
        import msvcrt

        for file in (read, write):
            msvcrt.setmode(file, os.O_BINARY)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    _play(_entry(asked), read, write)


def _serve(asked: Mapping[str, Any]) -> None:
    """The worker: import, say so, then fork a keeper for each job that comes."""
    control = socket.socket(fileno=os.dup(0))
    try:
        function = _entry(asked)
        why = confinement.missing() if asked["isolation"] == "full" else ""
    except BaseException as error:
        control.sendall(json.dumps({"error": _said(error)}).encode() + b"\n")
        return
    full = asked["isolation"] == "full" and not why
    _flush()
    nothing = os.open(os.devnull, os.O_RDWR)
    for file in (0, 1, 2):
        os.dup2(nothing, file)
    os.close(nothing)
    confinement.adopt_orphans()
    gc.collect()
    gc.freeze()  # The children share what was imported.
    keepers: set[int] = set()
    woken = _woken_by_children()
    control.sendall(json.dumps({"level": "full" if full else "limits", "why": why}).encode() + b"\n")
    while True:
        ready = select.select([control.fileno(), woken], [], [])[0]
        if woken in ready:
            os.read(woken, 1 << 16)
            _reap(keepers)
        if control.fileno() not in ready:
            continue
        asked_for, files, _, _ = socket.recv_fds(control, 1, 3)
        if not asked_for:
            return
        with contextlib.suppress(OSError):  # No process: the parent sees that no keeper answers.
            keeper = os.fork()
            if keeper == 0:
                os.close(control.detach())
                _keep(function, full, *files)
            keepers.add(keeper)
        for file in files:
            os.close(file)


def _woken_by_children() -> int:
    """A file that can be read whenever a child has ended."""
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return woken


def _reap(keepers: set[int]) -> None:
    """Take leave of keepers that ended; one that was killed leaves a job, which is ended too."""
    with contextlib.suppress(ChildProcessError):
        while True:
            ended, status = os.waitpid(-1, os.WNOHANG)
            if not ended:
                return
            if ended not in keepers or status:
                for orphan in confinement.descendants(os.getpid(), keepers):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(orphan, signal.SIGKILL)
            keepers.discard(ended)


def _keep(function: Function, full: bool, messages: int, output: int, reports: int) -> NoReturn:
    """The keeper of one job: fork its child, wait, end all that is left of it, and report."""
    code = 1  # Then the worker ends what is left.
    try:
        confinement.adopt_orphans()
        with socket.socket(fileno=reports) as report, report.makefile("rb", 0) as lines:
            setup = json.loads(lines.readline())
            woken = _woken_by_children()
            child = os.fork()
            if child == 0:
                _begin(function, full, messages, output, setup["folder"], Limits(**setup["limits"]))
            os.close(messages)
            os.close(output)
            try:
                report.sendall(b"s")
                over, ready = None, [woken]
                while over is None and report.fileno() not in ready:
                    ready = select.select([report.fileno(), woken], [], [])[0]
                    if woken in ready:
                        os.read(woken, 1 << 16)
                    over = os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            finally:
                ended = _end(child)
            report.sendall(ENDED.pack(*ended))
        code = 0
    finally:
        os._exit(code)


def _end(child: int) -> tuple[int, float, int]:
    """End the child and all that it started; the child's status, seconds and memory."""
    with contextlib.suppress(OSError):
        os.killpg(child, signal.SIGKILL)
    status, seconds, most, alive = 0, 0.0, 0, [child]
    with contextlib.suppress(ChildProcessError):
        while True:
            for each in alive + confinement.descendants(os.getpid()):
                with contextlib.suppress(OSError):
                    os.kill(each, signal.SIGKILL)
            flags = 0  # Wait for one; then take all that have ended as well.
            while (ended := os.wait4(-1, flags))[0]:
                flags = os.WNOHANG
                if ended[0] == child:
                    status, usage = ended[1:]
                    seconds, most = usage.ru_utime + usage.ru_stime, usage.ru_maxrss << 10
                    alive = []
    return status, seconds, most


def _begin(
    function: Function, full: bool, messages: int, output: int, folder: str, limits: Limits
) -> NoReturn:
    """The child: lose all that it does not need, lock up, and only then take the job."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        os.setsid()
        os.dup2(output, 1)
        os.dup2(output, 2)
        if messages != 3:
            messages = os.dup2(messages, 3, inheritable=False)
        os.closerange(4, os.sysconf("SC_OPEN_MAX"))
        os.chdir(folder)
        os.environ.update(HOME=folder, TMPDIR=folder)
        tempfile.tempdir = folder
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        confinement.lock(folder, full, limits)
    except BaseException as error:
        with contextlib.suppress(OSError):
            write_all(messages, packed(RAISED, {"text": f"It could not be locked: {_said(error)}"}, {}))
        os._exit(1)
    _play(function, messages, messages)


def main(asked: Mapping[str, Any]) -> None:
    """What the process that a `Worker` starts does: serve jobs, or play the one that comes."""
    if asked["forks"]:
        _serve(asked)
    else:
        _play_fresh(asked)
