"""What `clearhead check` costs, and how many planted mistakes it names.

python benchmarks/check.py                 times: one file cold, a hundred at once
python benchmarks/check.py --mistakes      planted mistakes, pairs, mixtures
python benchmarks/check.py --files FOLDER  what is said of other people's files (kept elsewhere)
"""

import argparse
import contextlib
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent.parent
LEARNERS = HERE / "tests" / "learners"
COMMAND = [str(Path(sys.executable).parent / "clearhead"), "check"]


def cold(file, repeats):
    """Seconds of the whole command on one file, from nothing, repeated."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run([*COMMAND, str(file), "--json"], capture_output=True, check=False)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken), min(taken), max(taken)


def hundred(folder):
    """A hundred different files: each style with a comment that makes it another file."""
    styles = [
        path for path in sorted(LEARNERS.glob("*_*.py")) if path.stem.startswith(("network_", "attention_"))
    ]
    files = []
    for number in range(100):
        source = styles[number % len(styles)]
        file = folder / f"student_{number:03}" / source.name
        file.parent.mkdir()
        file.write_text(f"{source.read_text('utf-8')}\n# {number}\n", "utf-8")
        files.append(file)
    return files


def times():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print("| what | median s | least | most |\n|---|---|---|---|")
        for what, style in (
            ("one NumPy file, cold", "network_hangul"),
            ("one torch file, cold", "attention_plain"),
        ):
            seconds = cold(LEARNERS / f"{style}.py", 7)
            print(f"| {what} | " + " | ".join(f"{value:.2f}" for value in seconds) + " |")
        files = hundred(folder)
        single, together = [], []
        # In turn: the same ten one by one, then all hundred at once.
        for turn in range(3):
            start = time.perf_counter()
            for file in files[turn * 10 : turn * 10 + 10]:
                subprocess.run([*COMMAND, str(file), "--json"], capture_output=True, check=False)
            single.append((time.perf_counter() - start) * 10)
            start = time.perf_counter()
            subprocess.run([*COMMAND, str(folder), "--json", "--fresh"], capture_output=True, check=False)
            together.append(time.perf_counter() - start)
        print(f"\na hundred one by one (from tens) {statistics.median(single):.1f} s, at once "
              f"{statistics.median(together):.1f} s: {statistics.median(single) / statistics.median(together):.1f} times faster")  # fmt: skip


def mistakes():
    """What is said of planted mistakes; what the learners' code prints is none of it."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        table = "\n".join(_mistakes())
    print(table)


def _mistakes():
    sys.path[:0] = [str(LEARNERS), str(LEARNERS.parent)]
    import mixtures
    import test_checking as tests

    yield "| planted mistakes | of | named | at their line | nothing else called an error |\n|---|---|---|---|---|"
    for kind in ("network", "attention"):
        plants = [plant for plant in tests.PLANTS if plant.style.startswith(kind)]
        named = placed = alone = 0
        for plant in plants:
            verdict = tests.of_style(plant.style, tests.planted(plant))
            found = [finding for finding in verdict.findings if finding.id == plant.mistake]
            named += plant.mistake in tests.ids(verdict)
            placed += bool(found) and (
                tests.FILES[plant.style].suffix == ".ipynb" or found[0].line in tests.lines(plant)
            )
            alone += not [identity for identity in tests.errors(verdict) if identity != plant.mistake]
        yield f"| {kind} | {len(plants)} | {named} | {placed} | {alone} |"
    yield "\n| pairs | of | both named |\n|---|---|---|"
    for make, wrong in ((mixtures.network, mixtures.WRONG), (mixtures.attention, mixtures.ATTENTION_WRONG)):
        pairs = mixtures.pairs(wrong)
        both = sum(
            {*pair} <= tests.ids(tests.verdict_of(make(seed, pair))) for seed, pair in enumerate(pairs)
        )
        yield f"| {make.__name__} | {len(pairs)} | {both} ({100 * both / len(pairs):.0f} %) |"
    accused = 0
    for seed in range(100):
        for make in (mixtures.network, mixtures.attention):
            verdict = tests.verdict_of(make(seed))
            accused += any(finding.severity != "note" for finding in verdict.findings)
    yield f"\n200 mixtures of right ways: {accused} accused"


def other_files(folder):
    files = sorted(path for path in Path(folder).rglob("*") if path.suffix in (".py", ".ipynb"))
    ran = subprocess.run(
        [*COMMAND, *map(str, files), "--json", "--fresh"], capture_output=True, text=True, check=False
    )
    reports = json.loads(ran.stdout)
    print("| file | class | pass | errors and warnings |\n|---|---|---|---|")
    for report in reports:
        found = [f"{f['id']} (line {f['line']})" for f in report["findings"] if f["severity"] != "note"]
        print(
            f"| {Path(report['file']).name} | {report['class'] or '-'} | {report['passed']} | {', '.join(found) or 'none'} |"
        )
    counts = np.array(
        [(bool(r["passed"]), any(f["severity"] == "error" for f in r["findings"])) for r in reports]
    )
    print(f"\n{len(reports)} files: {counts[:, 0].sum()} understood, {counts[:, 1].sum()} with an error")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mistakes", action="store_true")
    parser.add_argument("--files", metavar="FOLDER")
    asked = parser.parse_args()
    if asked.files:
        other_files(asked.files)
    elif asked.mistakes:
        mistakes()
    else:
        times()
