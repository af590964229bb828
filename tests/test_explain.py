"""`clearhead explain` as someone types it."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from test_cli import TINY, clearhead, succeed

from clearhead import load, load_data, trace


def child(*words, **environment):
    """The command in a process of its own, as a pipe sees it."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("FORCE_COLOR", "NO_COLOR", "COLUMNS")
    }
    return subprocess.run([sys.executable, "-m", "clearhead", *map(str, words)],
                          capture_output=True, encoding="utf-8", env=kept | environment)  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of each kind, trained by the command."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "book.txt").write_text("to be, or not to be: that is the question\n" * 30, "utf-8")
    rows = "\n".join(f"{i % 7},{i % 5},{'fig' if i % 3 else 'plum'}" for i in range(60))
    (folder / "table.csv").write_text(f"width,height,fruit\n{rows}\n", "utf-8")
    for name, *words in (
        ("network", "two-layer", "--epochs", "2", "--hiddens", "12"),
        ("table", "two-layer", "--epochs", "2", "--data", folder / "table.csv", "--target", "fruit"),
        ("attention", "attention", "--patch", "2", "2", "--epochs", "1", *TINY),
        ("language", "language", "--data", folder / "book.txt", "--steps", "3", "--context", "16", *TINY[:4],
         "--layers", "2"),
    ):  # fmt: skip
        done = child("train", *words, "--out", folder / name)
        assert done.returncode == 0, done.stderr
    return folder


def test_a_cell_has_its_receipt_beside_its_check(runs, capsys):
    out = succeed(capsys, "explain", runs / "network", "--sample", "17", "--step", "dW1", "--cell", "20,5")
    data, run = load_data("digits", seed=0), load(runs / "network")
    seen = trace(run.model, data.test.X[17], data.test.Y[17], lr=0.5)
    receipt = seen.receipt("dW1", (20, 5))
    assert receipt.shown in out
    assert "dW1[20,5] = Σ_n X[n,20] dz1[n,5]" in out
    assert re.search(r"analytic \S+   central differences \S+ ✓", out)
    assert out.splitlines()[0].startswith("recording ")
    assert f"example 17: {run.labels[data.test.Y[17]]}, called" in out


def test_what_it_says_it_records_is_what_it_records(runs, capsys):
    out = succeed(capsys, "explain", runs / "network", "--sample", "3", "--step", "y")
    data, run = load_data("digits", seed=0), load(runs / "network")
    assert (
        out.splitlines()[0] == f"recording {trace(run.model, data.test.X[3], data.test.Y[3]).nbytes:,} bytes"
    )


def test_the_overview_has_both_passes_and_the_update_of_the_runs_learning_rate(runs, capsys):
    out = succeed(capsys, "explain", runs / "network", "--sample", "0")
    for heading in ("GIVEN", "FORWARD", "BACKWARD", "ONE UPDATE"):
        assert f"\n{heading}\n" in out
    assert "lr[]\n    0.5000" in out
    assert "✗" not in out
    assert max(map(len, out.splitlines())) <= 80


def test_words_alone_have_no_formula_and_no_number(runs, capsys):
    out = succeed(capsys, "explain", runs / "network", "--words").split("FORWARD")[1]
    assert "How strongly each example drives each hidden unit." in out
    assert not re.search(r"=|[A-Za-z]\[|\d\.\d", out)


def test_a_text_is_read_and_a_head_shown_with_its_tokens(runs, capsys):
    out = succeed(capsys, "explain", runs / "language", "--text", "to be", "--head", "1")
    lines = out.splitlines()
    assert "blocks.1.weights" in out
    assert ["t", "o", "␣", "b", "e"] in [line.split() for line in lines]
    assert out.count("masked") == 10
    first = succeed(capsys, "explain", runs / "language", "--text", "to be", "--head", "1", "--layer", "0")
    assert "blocks.0.weights" in first


def test_a_cell_of_a_head_needs_only_query_and_key(runs, capsys):
    out = succeed(capsys, "explain", runs / "language", "--text", "to be", "--head", "1", "--cell", "3,1")
    assert "blocks.1.weights[0,1,3,1] = exp(scores[0,1,3,1]) / Σ_s exp(scores[0,1,3,s])" in out
    same = succeed(
        capsys, "explain", runs / "language", "--text", "to be", "--step", "weights", "--cell", "0,1,3,1"
    )
    assert same == out


@pytest.mark.parametrize("kind", ["network", "table", "attention", "language"])
def test_every_kind_of_run_can_be_written_as_a_page(runs, capsys, tmp_path, kind):
    out = succeed(capsys, "explain", runs / kind, "--html", tmp_path / "out.html")
    assert f"written to {tmp_path / 'out.html'}" in " ".join(out.split())
    assert '"format":"clearhead trace"' in (tmp_path / "out.html").read_text("utf-8")


def test_a_table_names_its_columns_and_classes(runs, capsys):
    out = succeed(capsys, "explain", runs / "table", "--step", "X")
    assert ["width", "height"] in [line.split() for line in out.splitlines()]
    assert ["fig", "plum"] in [
        line.split() for line in succeed(capsys, "explain", runs / "table", "--step", "y").splitlines()
    ]


@pytest.mark.parametrize(("kind", "words", "says"), [
    ("network", ["--sample", "9999"], "--sample 9999 is none of the 270 there; use 0 to 269."),
    ("network", ["--step", "dZ1"], "--step: no value is called dZ1 here; there are X, Y, W1"),
    ("network", ["--step", "dW1", "--cell", "3"], "--cell: cell 3 is none of dW1[D,H], which is 64 × 12; count from 0."),
    ("network", ["--step", "dW1", "--cell", "3,x"], "--cell 3,x must be whole numbers from 0 with commas between"),
    ("network", ["--cell", "3,1"], "--cell 3,1 needs the value that it is in; add --step"),
    ("network", ["--head", "1"], "--head is for attention, and this run is a two-layer network"),
    ("network", ["--text", "to"], "--text is for a language model, and this run is of kind two-layer; use --sample."),
    ("attention", ["--head", "2"], "--head 2 is none of the 2 there; use 0 to 1."),
    ("language", ["--layer", "5"], "--layer 5 is none of the 2 there; use 0 to 1."),
    ("language", ["--text", "Zzz"], "--text has 'Z', which the text of this run never had"),
    ("language", ["--text", "to be or not to be"], "--text has 18 characters; this model sees 1 to 16."),
    ("language", ["--text", ""], "--text has 0 characters"),
    ("language", ["--text", "to", "--sample", "1"], "--text and --sample are two things to look at; give one."),
    ("network", ["--html", "."], ". is a folder; name a file with --html."),
    ("network", ["--html", "no/where.html"], "no is no folder; create it or name another with --html."),
])  # fmt: skip
def test_what_cannot_be_explained_is_said_in_one_line(runs, capsys, kind, words, says, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    code, _, error = clearhead(capsys, "explain", runs / kind, *words)
    assert code == 2
    assert error.startswith("clearhead: ")
    assert says in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_and_a_pipe_show_the_same_digits(runs):
    plain = child("explain", runs / "network", "--step", "z2").stdout
    coloured = child("explain", runs / "network", "--step", "z2", FORCE_COLOR="1").stdout
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == plain
    assert np.isfinite(float(plain.splitlines()[-1].split()[0].replace("−", "-")))


def test_a_head_is_put_only_into_cells_that_have_one(runs, capsys):
    out = succeed(
        capsys,
        "explain",
        runs / "language",
        "--text",
        "to be",
        "--step",
        "out",
        "--head",
        "1",
        "--cell",
        "0,2,3",
    )
    assert "blocks.1.out[0,2,3] = " in out
    code, _, error = clearhead(
        capsys,
        "explain",
        runs / "language",
        "--text",
        "to be",
        "--step",
        "out",
        "--head",
        "1",
        "--cell",
        "2,3",
    )
    assert (code, "cell 2,3 is none of blocks.1.out[B,T,M]" in error) == (2, True)


def test_of_many_blocks_one_is_shown_and_the_others_named(runs, capsys):
    out = succeed(capsys, "explain", runs / "language", "--text", "to be")
    assert "block 1 of 0 to 1; --layer picks another" in out
    assert "blocks.0." not in out.split("FORWARD")[1].replace("blocks.0.x", "")


def test_one_row_is_shown_to_its_end(runs, capsys):
    out = succeed(capsys, "explain", runs / "network", "--sample", "0", "--step", "X")
    numbers = re.findall(r"(?<=\s)−?\d\.\d+(?=\s|$)", out.split("1 × 64")[1])
    assert len(numbers) == 64
    assert "[63]" in out
