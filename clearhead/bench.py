"""How fast: contestants that do the same work, each in a process of its own, timed in turn."""

from __future__ import annotations

import multiprocessing
import os
import platform
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from clearhead import blas
from clearhead.machine import KERNELS, processor
from clearhead.raw import Array

LIBRARIES = {"numpy": "NumPy", "torch": "PyTorch", "sklearn": "scikit-learn", "jax": "JAX"}
AS_NUMPY_STARTS = "clearhead, NumPy's choice"
PAUSE = 0.1  # Seconds; the threads of whoever ran before go on spinning for a while.
Work = Callable[[], object]
Prepare = Callable[..., Work]


@dataclass(frozen=True)
class Contestant:
    """One that takes part: a function that prepares the work, its arguments, and the library that it needs.

    environment: variables that its process has; None takes one away.
    """

    name: str
    prepare: Prepare
    settings: dict[str, Any] = field(default_factory=dict)
    library: str = "numpy"
    environment: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Contest:
    """Contestants that do the same, clearhead first, in each round once or `number` times in a row."""

    title: str
    contestants: tuple[Contestant, ...]
    rounds: int
    number: int = 1

    def absent(self) -> list[str]:
        """The libraries that are not installed; who needs one takes no part."""
        return sorted({LIBRARIES[one.library] for one in self.contestants if not find_spec(one.library)})


@dataclass(frozen=True, eq=False)
class Timing:
    """What one took: seconds (rounds,); the bytes that its process grew by at most while it ran (Linux alone
    tells); the kernels that its OpenBLAS ran.
    """

    name: str
    seconds: Array
    grown: int | None = None
    kernel: str | None = None

    @property
    def median(self) -> float:
        """In seconds."""
        return float(np.median(self.seconds))


def ratio(ours: Timing, theirs: Timing, samples: int = 2000) -> tuple[float, float, float]:
    """ours / theirs, of medians, and where the middle 95 % of it lie if rounds are drawn anew (Efron 1979).

    >>> one, two = Timing("one", np.full(9, 1.0)), Timing("two", np.full(9, 2.0))
    >>> ratio(one, two)
    (0.5, 0.5, 0.5)
    """
    rounds = len(ours.seconds)
    drawn = np.random.default_rng(0).integers(rounds, size=(samples, rounds))
    ratios = np.median(ours.seconds[drawn], axis=1) / np.median(theirs.seconds[drawn], axis=1)
    low, high = np.percentile(ratios, (2.5, 97.5))
    return ours.median / theirs.median, float(low), float(high)


def race(contest: Contest) -> list[Timing]:
    """Time all whose library is installed, warmed, round by round, each round in an order of its own.

    Raises RuntimeError where one fails.
    """
    present = [one for one in contest.contestants if find_spec(one.library)]
    seconds, grown = np.empty((contest.rounds, len(present))), np.empty(len(present), object)
    orders = np.random.default_rng(0)
    with ExitStack() as stack:
        lines = [stack.enter_context(_process(one, contest.number)) for one in present]
        kernels = [_answer(line, one) for line, one in zip(lines, present, strict=True)]
        for row in seconds:
            for i in orders.permutation(len(present)):
                time.sleep(PAUSE)
                lines[i].send("again")
                row[i], grown[i] = _answer(lines[i], present[i])
    return [Timing(one.name, seconds[:, i], grown[i], kernels[i]) for i, one in enumerate(present)]


@contextmanager
def _process(one: Contestant, number: int) -> Iterator[Connection]:
    """A process that prepares, and runs whenever it is told to, until the line is closed."""
    before = {name: os.environ.get(name) for name in one.environment}
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=_serve, args=(theirs, one.prepare, one.settings, number), daemon=True)
    _surround(one.environment)
    try:
        child.start()
    finally:
        _surround(before)
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        child.join()


def _surround(environment: dict[str, str | None]) -> None:
    for name, value in environment.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _answer(line: Connection, one: Contestant) -> Any:
    try:
        answer = line.recv()
    except EOFError:
        answer = RuntimeError("its process ended")
    if isinstance(answer, Exception):
        raise RuntimeError(f"{one.name} could not be timed: {answer}")
    return answer


def _serve(line: Connection, prepare: Prepare, settings: dict[str, Any], number: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, and closes the line.
    try:
        work = prepare(**settings)
        at_rest = _memory_at_rest()
        for _ in range(2):
            work()
        line.send(blas.kernel())
        while line.recv():
            work()  # Its threads are awake then, and its memory is near.
            began = time.perf_counter()
            for _ in range(number):
                work()
            took = (time.perf_counter() - began) / number
            line.send((took, None if at_rest is None else _memory("VmHWM") - at_rest))
    except EOFError:
        pass
    except Exception as error:
        line.send(RuntimeError(f"{type(error).__name__}: {error}"))


def _memory_at_rest() -> int | None:
    """The bytes of this process now, from where its most is counted on; None where Linux does not tell."""
    try:
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): the most becomes what it is now.
        return _memory("VmRSS")
    except OSError:
        return None


def _memory(name: str) -> int:
    """The bytes of this process: VmRSS now, VmHWM at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))


def table(timings: list[Timing]) -> Table:
    """A line each: median and least time, what clearhead, the first, takes of it, and a bar as long."""
    longest = max(timing.median for timing in timings)
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    shown.add_column("")
    for heading in ("median", "least", "clearhead takes"):
        shown.add_column(heading, justify="right", no_wrap=True)
    shown.add_column("", width=10)
    for timing in timings:
        style = "bar.finished" if timing is timings[0] else "bar.complete"
        bar = ProgressBar(longest, timing.median, complete_style=style, finished_style=style)
        shown.add_row(*map(escape, _cells(timing, timings[0])), bar)
    return shown


def markdown(timings: list[Timing]) -> str:
    """The same as a table of Markdown, with the kernels that each ran and the memory that it grew by."""
    lines = ["| | median | least | clearhead takes | kernels | grew by |", "|---|---|---|---|---|---|"]
    for timing in timings:
        grown = "" if timing.grown is None else f"{timing.grown / 1e6:.0f} MB"
        cells = (*_cells(timing, timings[0]), timing.kernel or "", grown)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _cells(timing: Timing, ours: Timing) -> tuple[str, str, str, str]:
    share = "" if timing is ours else "{:.2f} × ({:.2f} to {:.2f})".format(*ratio(ours, timing))
    return timing.name, _time(timing.median), _time(float(timing.seconds.min())), share


def _time(seconds: float) -> str:
    unit, size = next(
        pair for pair in (("s", 1), ("ms", 1e-3), ("us", 1e-6), ("ns", 0)) if seconds >= pair[1]
    )
    return f"{seconds / (size or 1e-9):.3g} {unit}"


def advice(timings: list[Timing]) -> str | None:
    """What another choice of OpenBLAS's kernels would change for a program of the user's own, if anything."""
    ours = timings[0]
    own = next((timing for timing in timings if timing.name == AS_NUMPY_STARTS), ours)
    if own.kernel == ours.kernel:
        return None
    chosen, share = f"{KERNELS}={os.environ.get(KERNELS)}", own.median / ours.median
    if share > 1:
        return (
            f"NumPy's own choice here, {own.kernel}, takes {share:.2f} times as long: set {chosen} "
            "before your own programs start."
        )
    return f"{chosen} is set; without it NumPy runs {own.kernel}, and this takes {share:.2f} times as long."


def machine() -> str:
    """The processor, the libraries with their versions, and the kernels that NumPy's BLAS runs here."""
    packages = {name: "scikit-learn" if name == "sklearn" else name for name in LIBRARIES if find_spec(name)}
    named = [f"{LIBRARIES[name]} {version(package)}" for name, package in packages.items()]
    named[0] += f" ({blas.kernel() or 'no OpenBLAS'} kernels)"
    libraries = ", ".join((f"Python {platform.python_version()}", *named))
    return f"{processor()}, {os.cpu_count()} cores; {libraries}"
