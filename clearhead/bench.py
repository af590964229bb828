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
STANDING_ON_NUMPY = ("numpy", "sklearn")
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


def race(contest: Contest) -> tuple[list[Timing], list[str]]:
    """Time all, warmed, round by round, each round in an order of its own.

    Returns the timings, and why whoever is not among them could not take part. Raises RuntimeError
    where clearhead cannot, or where somebody fails who could at first.
    """
    with ExitStack() as stack:
        lines: dict[str, Connection] = {}
        kernels, left_out = {}, []
        for one in contest.contestants:
            try:
                if not find_spec(one.library):
                    raise RuntimeError(f"{one.name}: {LIBRARIES[one.library]} is not installed")
                line = stack.enter_context(_process(one, contest.number))
                kernels[one.name] = _ask(line, one.name)
                lines[one.name] = line
            except RuntimeError as reason:
                if one is contest.contestants[0]:
                    raise
                left_out.append(str(reason))
        seconds: dict[str, list[float]] = {name: [] for name in lines}
        grown, orders = {}, np.random.default_rng(0)
        for _ in range(contest.rounds):
            for name in orders.permutation(list(lines)):
                time.sleep(PAUSE)
                took, grown[name] = _ask(lines[name], name)
                seconds[name].append(took)
    return [Timing(name, np.array(seconds[name]), grown[name], kernels[name]) for name in lines], left_out


@contextmanager
def _process(one: Contestant, number: int) -> Iterator[Connection]:
    """A process that prepares, and runs whenever it is asked to, until the line is closed."""
    before = {name: os.environ.get(name) for name in one.environment}
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=_serve, args=(theirs, one, number), daemon=True)
    interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is ours; the child inherits this.
    _surround(one.environment)
    try:
        child.start()
    finally:
        _surround(before)
        signal.signal(signal.SIGINT, interrupt)
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


def _ask(line: Connection, name: str) -> Any:
    """Let it do what comes next, and take its answer."""
    try:
        line.send("go on")
        answer = line.recv()
    except (EOFError, OSError):
        answer = RuntimeError("its process ended")
    if isinstance(answer, Exception):
        raise RuntimeError(f"{name}: {answer}")
    return answer


def _serve(line: Connection, one: Contestant, number: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Windows inherits nothing.
    answers = _answers(one, number)
    try:
        while line.recv():
            try:
                answer = next(answers)
            except Exception as error:
                answer = RuntimeError(f"{type(error).__name__}: {' '.join(str(error).split())}")
            line.send(answer)
    except (EOFError, OSError):  # The parent has seen enough.
        pass


def _answers(one: Contestant, number: int) -> Iterator[Any]:
    """First, prepared and warm, the kernels that it runs; then, each time, the seconds and the bytes."""
    work = one.prepare(**one.settings)
    at_rest = _memory_at_rest()
    for _ in range(2):
        work()
    yield blas.kernel() if one.library in STANDING_ON_NUMPY else None
    while True:
        work()  # Its threads are awake then, and its memory is near.
        began = time.perf_counter()
        for _ in range(number):
            work()
        took = (time.perf_counter() - began) / number
        yield took, None if at_rest is None else _memory("VmHWM") - at_rest


def _memory_at_rest() -> int | None:
    """The bytes of this process now, from where its most is counted on; None where Linux does not tell."""
    try:
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): the most becomes what it is now.
        _memory("VmHWM")
        return _memory("VmRSS")
    except (OSError, StopIteration):
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
    """What NumPy's own choice of kernels would change, if it would for certain."""
    ours = timings[0]
    own = next((timing for timing in timings if timing.name == AS_NUMPY_STARTS), ours)
    share, low, high = ratio(own, ours)
    chosen = f"{KERNELS}={os.environ.get(KERNELS)}"
    if own.kernel == ours.kernel or low <= 1 <= high:
        return None
    said = f"NumPy's own choice of kernels, {own.kernel}, takes {share:.2f} times as long as {chosen}"
    return f"{said}: set that before your own programs start." if share > 1 else f"{said}: leave it unset."


def conditions() -> str:
    """The processor, the libraries with their versions, and the kernels that NumPy's BLAS runs here."""
    packages = {name: "scikit-learn" if name == "sklearn" else name for name in LIBRARIES if find_spec(name)}
    named = [f"{LIBRARIES[name]} {version(package)}" for name, package in packages.items()]
    named[0] += f" ({blas.kernel() or 'no OpenBLAS'} kernels)"
    libraries = ", ".join((f"Python {platform.python_version()}", *named))
    return f"{processor()}, {os.cpu_count()} cores; {libraries}"
