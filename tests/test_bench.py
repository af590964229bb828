"""The race, and what it says: counted runs, resampling by enumeration, tables that fit."""

import io
import itertools
import os
import platform
import re

import numpy as np
import pytest
from rich.console import Console

from clearhead import bench, blas
from clearhead.bench import (
    AS_NUMPY_STARTS,
    Contest,
    Contestant,
    Timing,
    advice,
    markdown,
    race,
    ratio,
    table,
)
from clearhead.machine import KERNELS


def noting(name, log):
    """Work that writes its name."""

    def work():
        with open(log, "a") as file:
            file.write(name)

    return work


def telling(variable, log):
    def work():
        with open(log, "w") as file:
            file.write(str(os.environ.get(variable)))

    return work


def growing(megabytes, before=1):
    np.ones(before * 2**20, np.uint8)
    return lambda: len(np.ones(megabytes * 2**20, np.uint8))


def failing(way, after=0):
    runs = itertools.count()

    def work():
        if next(runs) < after:
            return
        if way == "exit":
            os._exit(3)
        raise ValueError("no such luck")

    return work


def contest(*everyone, rounds=4, number=3):
    return Contest("some work", everyone, rounds, number)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(bench, "PAUSE", 0)


def test_everyone_runs_in_turn_warmed_and_as_often_as_said(tmp_path):
    log = tmp_path / "log"
    names = "abc"
    timings, _ = race(contest(*(Contestant(name, noting, {"name": name, "log": str(log)}) for name in names)))
    assert [timing.name for timing in timings] == list(names)
    written = log.read_text()
    # Two runs each before the first round, in any order; one untimed run in each turn, then the timed ones.
    warm, turns = written[:6], [written[6 + 4 * i : 10 + 4 * i] for i in range(12)]
    assert sorted(warm) == sorted(names * 2)
    rounds = [turns[3 * i : 3 * i + 3] for i in range(4)]
    for turns in rounds:
        assert sorted(turns) == ["aaaa", "bbbb", "cccc"]
    assert len({tuple(turns) for turns in rounds}) > 1, "each round has an order of its own"
    for timing in timings:
        assert timing.seconds.shape == (4,)
        assert (timing.seconds > 0).all()


@pytest.mark.parametrize("lacking", ["VmRSS", "VmHWM"])
def test_a_system_that_does_not_tell_its_memory_is_timed_all_the_same(lacking, monkeypatch, tmp_path):
    lines = {"VmRSS": "VmRSS:\t 5 kB\n", "VmHWM": "VmHWM:\t 7 kB\n"}
    status = tmp_path / "status"
    status.write_text("".join(text for name, text in lines.items() if name != lacking))
    monkeypatch.setattr(bench, "Path", lambda name: status if name.endswith("status") else tmp_path / "other")
    assert bench._memory_at_rest() is None
    status.write_text("".join(lines.values()))
    assert bench._memory_at_rest() == 5 * 1024


def test_who_cannot_take_part_is_left_out_with_the_reason(monkeypatch, tmp_path):
    monkeypatch.setitem(bench.LIBRARIES, "no_such_library", "No Such Library")
    present = Contestant("a", noting, {"name": "a", "log": str(tmp_path / "log")})
    timings, left_out = race(contest(
        present, Contestant("b", noting, {}, "no_such_library"), Contestant("c", failing, {"way": "raise"}),
        Contestant("d", failing, {"way": "exit"}), Contestant("e", noting, {"wrong": 1}),
    ))  # fmt: skip
    assert [timing.name for timing in timings] == ["a"]
    assert left_out[:3] == [
        "b: No Such Library is not installed",
        "c: ValueError: no such luck",
        "d: its process ended",
    ]
    assert left_out[3].startswith("e: TypeError: noting() got an unexpected keyword argument")


@pytest.mark.parametrize("value", ["SkylakeX", None])
def test_a_contestant_has_surroundings_of_its_own(value, monkeypatch, tmp_path):
    monkeypatch.setenv("SOME_VARIABLE", "ours")
    log = tmp_path / "log"
    one = Contestant("a", telling, {"variable": "SOME_VARIABLE", "log": str(log)},
                     environment={"SOME_VARIABLE": value})  # fmt: skip
    race(contest(one, rounds=1))
    assert log.read_text() == str(value)
    assert os.environ["SOME_VARIABLE"] == "ours"


def test_the_kernels_of_each_are_told():
    everyone = (Contestant(name, growing, {"megabytes": 1}, environment={KERNELS: name})
                for name in ("Haswell", "Sandybridge"))  # fmt: skip
    kernels = [timing.kernel for timing in race(contest(*everyone, rounds=1))[0]]
    if platform.machine() not in ("x86_64", "AMD64") or blas.kernel() is None:
        pytest.skip("the names are those of x86 processors, in OpenBLAS")
    assert kernels == ["Haswell", "Sandybridge"]
    peer = Contestant("a", growing, {"megabytes": 1}, library="torch")
    assert race(contest(peer, rounds=1))[0][0].kernel is None


def test_what_a_process_grows_by_is_told():
    sizes = ((1, 1), (100, 1), (1, 200))  # What the preparation needed does not count.
    everyone = (
        Contestant(f"{size}, {before}", growing, {"megabytes": size, "before": before})
        for size, before in sizes
    )
    small, large, prepared = (timing.grown for timing in race(contest(*everyone, rounds=1))[0])
    if small is None:
        pytest.skip("this system does not tell")
    assert 90 * 2**20 < large - small < 110 * 2**20
    assert prepared < 20 * 2**20


@pytest.mark.parametrize(
    ("way", "reason"), [("raise", "ValueError: no such luck"), ("exit", "its process ended")]
)
def test_clearhead_itself_cannot_be_left_out(way, reason):
    with pytest.raises(RuntimeError, match=f"^clearhead: {reason}$"):
        race(contest(Contestant("clearhead", failing, {"way": way})))


@pytest.mark.parametrize(
    ("way", "reason"), [("raise", "ValueError: no such luck"), ("exit", "its process ended")]
)
def test_who_fails_later_ends_the_race_with_a_reason(way, reason, tmp_path, capfd):
    log = str(tmp_path / "log")
    everyone = (Contestant("a", noting, {"name": "a", "log": log}),
                Contestant("the unlucky", failing, {"way": way, "after": 4}))  # fmt: skip
    with pytest.raises(RuntimeError, match=f"^the unlucky: {reason}$"):
        race(contest(*everyone))
    assert capfd.readouterr().err == ""


def test_a_ratio_is_of_medians_and_its_interval_that_of_all_resamplings():
    ours, theirs = np.array([1.0, 2.0, 4.0, 3.0]), np.array([2.0, 5.0, 3.0, 4.0])
    every = [np.median(ours[list(rows)]) / np.median(theirs[list(rows)])
             for rows in itertools.product(range(4), repeat=4)]  # fmt: skip
    share, low, high = ratio(Timing("a", ours), Timing("b", theirs), samples=20_000)
    assert share == 2.5 / 3.5
    np.testing.assert_allclose((low, high), np.percentile(every, (2.5, 97.5)), rtol=0.05)
    assert ratio(Timing("a", 3 * ours), Timing("b", theirs))[0] == pytest.approx(3 * share)


def timings(kernels=("Haswell", "Haswell"), names=("clearhead", AS_NUMPY_STARTS), shares=(1.0, 2.0)):
    return [Timing(name, share * np.array([0.1, 0.2, 0.3]), 5_000_000, kernel)
            for name, share, kernel in zip(names, shares, kernels, strict=True)]  # fmt: skip


def test_a_table_fits_a_terminal_and_a_pipe():
    names = ("clearhead", "a name that is as long as names of contestants get", "[red]not markup[/red]")
    for width in (72, 80):
        console = Console(file=io.StringIO(), width=width)
        console.print(table(timings(names=names, kernels=(None,) * 3, shares=(1, 2, 0.5))))
        text = console.file.getvalue()
        assert max(map(len, text.splitlines())) <= width
        assert "200 ms" in text
        assert "0.50 × (0.50 to 0.50)" in text
        assert "2.00 × (2.00 to 2.00)" in text
        assert "[red]not" in text


def test_a_bar_is_as_long_as_it_takes():
    console = Console(file=io.StringIO(), width=80)
    console.print(table(timings(shares=(1, 4))))
    ours, theirs = (
        line.count("━") for line in console.file.getvalue().splitlines() if "ms" in line or " s" in line
    )
    assert theirs == 10
    assert 2 <= ours <= 3


def test_markdown_has_a_line_each():
    head, rule, ours, theirs = markdown(timings()).splitlines()
    assert head.count("|") == rule.count("|") == ours.count("|") == theirs.count("|") == 7
    assert theirs == f"| {AS_NUMPY_STARTS} | 400 ms | 200 ms | 0.50 × (0.50 to 0.50) | Haswell | 5 MB |"


@pytest.mark.parametrize(
    ("seconds", "written"), [(12.34, "12.3 s"), (0.5, "500 ms"), (1.5e-5, "15 us"), (3e-8, "30 ns")]
)
def test_a_time_is_written_in_its_own_unit(seconds, written):
    assert bench._time(seconds) == written


def test_better_kernels_are_pointed_out_once_it_is_certain(monkeypatch):
    monkeypatch.setenv(KERNELS, "SkylakeX")
    assert advice(timings(kernels=("SkylakeX", "Haswell"))) == (
        "NumPy's own choice of kernels, Haswell, takes 2.00 times as long as OPENBLAS_CORETYPE=SkylakeX: "
        "set that before your own programs start."
    )
    monkeypatch.setenv(KERNELS, "Haswell")
    assert advice(timings(kernels=("Haswell", "SkylakeX"), shares=(1, 0.6))) == (
        "NumPy's own choice of kernels, SkylakeX, takes 0.60 times as long as OPENBLAS_CORETYPE=Haswell: "
        "leave it unset."
    )
    assert advice(timings(kernels=("SkylakeX", "SkylakeX"))) is None
    assert advice(timings(kernels=("SkylakeX", "Haswell"), names=("clearhead", "a peer"))) is None
    ours, own = timings(kernels=("SkylakeX", "Haswell"), shares=(1, 1))
    own.seconds[:] = [0.19, 0.21, 0.2]
    ours.seconds[:] = [0.2, 0.19, 0.21]
    assert advice([ours, own]) is None


def test_the_machine_is_named_with_its_libraries():
    said = bench.conditions()
    for part in (
        r" cores; Python 3\.",
        r"NumPy \d.* \(\w+( OpenBLAS)? kernels\)",
        r"PyTorch \d",
        r"scikit-learn \d",
    ):
        assert re.search(part, said), part
