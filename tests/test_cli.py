"""The commands as someone types them: what they print, write and refuse."""
# ruff: noqa: E501 (a sentence a line)

import csv
import gzip
import io
import json
import os
import re
import shlex
import signal
import struct
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from rich.console import Console

from clearhead import bench, cli, load, load_data
from clearhead import contests as clearhead_contests
from clearhead.cli import main
from clearhead.data import Data, Examples, Scaling
from clearhead.scores import Scores
from clearhead.train import fit
from clearhead.two_layer_nn import TwoLayerNN

LABELS = ("apple, red", "[bold]fig[/x]", "감")
TINY = ("--model-dim", "8", "--heads", "2", "--layers", "1", "--batch-size", "7")
NETWORK = ("train", "two-layer", "--epochs", "2")
COMMANDS = ((), ("train",), ("train", "two-layer"), ("train", "attention"), ("train", "language"),
            ("evaluate",), ("predict",), ("sample",), ("bench",), ("explain",), ("check",))  # fmt: skip


def clearhead(capsys, *arguments):
    """Exit code, standard output, standard error."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return (stop.value.code or 0, *capsys.readouterr())


def succeed(capsys, *arguments):
    code, out, error = clearhead(capsys, *arguments)
    assert (code, error) == (0, "")
    return out


def child(*arguments, **more):
    hidden = (
        "FORCE_COLOR",
        "NO_COLOR",
        "TTY_COMPATIBLE",
        "COLUMNS",
        "PYTHONIOENCODING",
        "CLEARHEAD_TRACEBACK",
    )
    environment = {k: v for k, v in os.environ.items() if k not in hidden} | more.pop("env", {})
    return subprocess.Popen([sys.executable, *arguments], stdout=more.pop("stdout", subprocess.PIPE),
                            stderr=subprocess.PIPE, env=environment, **more)  # fmt: skip


def everything(folder):
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}


def write_table(path, rows=47, header="height,width,kind", strange=None):
    generator = np.random.default_rng(0)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header.split(","))
        for i in range(rows):
            height = strange if i == 5 and strange else f"{10 * (i % 3) + generator.normal():.3f}"
            writer.writerow([height, f"{generator.normal():.3f}", LABELS[i % 3]])


def write_idx(folder):
    folder.mkdir()
    for part, count in (("train", 41), ("t10k", 13)):
        labels = (np.arange(count) % 3).astype("u1")
        images = np.random.default_rng(count).integers(0, 99, (count, 3, 2)).astype("u1")
        images += 50 * labels[:, None, None]
        header = bytes([0, 0, 8, 3]) + struct.pack(">III", count, 3, 2)
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + images.tobytes()))
        header = bytes([0, 0, 8, 1]) + struct.pack(">I", count)
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(header + labels.tobytes())


@pytest.fixture(scope="module")
def place(one_thread, tmp_path_factory):
    """A folder with data of every kind and a run of every model."""
    folder = tmp_path_factory.mktemp("place")
    write_table(folder / "fruit.csv")
    write_table(folder / "changed.csv")
    write_table(folder / "holes.csv", strange="NaN")
    write_table(folder / "words.csv", strange="tall")
    write_table(folder / "lacking.csv", header="height,breadth,kind")
    write_idx(folder / "images")
    X, Y = np.random.default_rng(0).normal(size=(41, 3, 2)), np.arange(41) % 3
    np.savez(folder / "images.npz", X=X + Y[:, None, None], Y=Y)
    np.savez(folder / "unlabelled.npz", X=X)
    (folder / "story.txt").write_text("the cat sat on the mat\n" * 20)
    (folder / "other.txt").write_text("the mat sat on a cat\n" * 3)
    (folder / "strange.txt").write_text("the cät\n")
    (folder / "one.txt").write_text("t")
    (folder / "full").mkdir()
    (folder / "full" / "thesis.tex").write_text("years of work")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for arguments in (
            (*NETWORK, "--out", "net"),
            (*NETWORK, "--data", "fruit.csv", "--target", "kind", "--out", "table"),
            (*NETWORK, "--data", "changed.csv", "--target", "kind", "--out", "changed"),
            ("train", "attention", "--data", "images.npz", "--epochs", "2", *TINY, "--out", "attention"),
            ("train", "language", "--data", "story.txt", "--steps", "9", "--epochs", "3", "--context", "5",
             *TINY, "--out", "language"),
            ("train", "language", "--data", "story.txt", "--steps", "2", "--epochs", "1", "--context", "5",
             *TINY, "--out", "blind", "--validation", "0"),
        ):  # fmt: skip
            with pytest.raises(SystemExit) as stop:
                main(list(arguments))
            assert not stop.value.code
        write_table(folder / "changed.csv", rows=48)
        parts = [Examples(X.reshape(41, 6)[rows].astype(np.float32), Y[rows])
                 for rows in (slice(30), slice(30, 37), slice(37, 41))]  # fmt: skip
        data = Data(*parts, ("0", "1", "2"), Scaling(np.zeros(6), np.ones(6)), (3, 2))
        fit(TwoLayerNN(6, 4, 3, seed=0), data, epochs=1, lr=0.1, batch_size=7).save("python")
    return folder


@pytest.fixture
def here(place, monkeypatch):
    monkeypatch.chdir(place)
    return place


# Every command, end to end.


def test_a_network_is_trained_evaluated_and_used_on_the_digits(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    out = succeed(
        capsys, "train", "two-layer", "--epochs", "12", "--hiddens", "24", "--seed", "3"
    ).splitlines()
    assert out[0] == "digits: 1,257 examples to train, 270 to validate, 270 to test; 10 labels"
    assert out[1] == f"two-layer: {64 * 24 + 24 + 24 * 10 + 10:,} parameters"
    assert out[2] == "epoch  train loss  accuracy %  validation loss  accuracy %  seconds"
    assert [int(line.split()[0]) for line in out[3:-3]] == list(range(1, 13))
    assert out[-3:] == [
        "a report to open in a browser: runs/two-layer-digits/report.html",
        "written to runs/two-layer-digits; next:",
        "  clearhead evaluate runs/two-layer-digits",
    ]

    run = load("runs/two-layer-digits")
    for i, line in enumerate(out[3:-3]):
        shown = [float(cell) for cell in line.split()[1:5]]
        kept = [run.history[name][i] for name in list(cli.COLUMNS)[1:5]]
        np.testing.assert_allclose(shown, kept, atol=0.00501)

    data = load_data("digits", seed=3)
    guessed = run.model.forward(data.test.X)[0].argmax(axis=1)
    out = succeed(capsys, "evaluate", "runs/two-layer-digits")
    assert f"accuracy {100 * (guessed == data.test.Y).mean():.2f} %" in out
    assert out.startswith("test set of digits: 270 examples\n")
    rows = re.findall(r"^ +(\d) ((?: +(?:\d+|\.)){10}) *$", out, re.MULTILINE)
    shown = [[0 if cell == "." else int(cell) for cell in cells.split()] for _, cells in rows]
    confusion = np.zeros((10, 10), int)
    for true, guess in zip(data.test.Y, guessed, strict=True):
        confusion[true, guess] += 1
    np.testing.assert_array_equal(shown, confusion)


def test_training_is_the_same_as_in_python(here, capsys):
    data = load_data("fruit.csv", 4, target="kind", validation=0.2)
    run = fit(TwoLayerNN(2, 5, 3, seed=4), data, epochs=3, lr=0.3, batch_size=9, schedule="cosine",
              patience=2, seed=4)  # fmt: skip
    succeed(capsys, "train", "two-layer", "--data", "fruit.csv", "--target", "kind", "--hiddens", 5, "--epochs", 3,
            "--lr", 0.3, "--batch-size", 9, "--schedule", "cosine", "--patience", 2, "--validation", 0.2,
            "--seed", 4, "--out", "same")  # fmt: skip
    other = load("same")
    for name, value in run.model.params.items():
        np.testing.assert_array_equal(other.model.params[name], value)
    assert other.config["training"] == run.config["training"]


def test_attention_is_trained_on_patches_and_evaluated(here, capsys):
    out = succeed(
        capsys,
        "train",
        "attention",
        "--data",
        "images",
        "--patch",
        3,
        1,
        "--epochs",
        2,
        *TINY,
        "--out",
        "idx",
    )
    assert out.startswith("images: 37 examples to train, 4 to validate, 13 to test; 3 labels\nattention: ")
    assert load("idx").model.settings["patch"] == (3, 1)
    out = succeed(capsys, "evaluate", "idx")
    assert out.startswith(f"test set of {here / 'images'}: 13 examples\n")
    # Images of the same shape from another file, with the same names of the labels.
    assert succeed(capsys, "evaluate", "idx", "--data", "images.npz").startswith(
        "all of images.npz: 41 examples\n"
    )
    assert succeed(capsys, "evaluate", "attention", "--data", "images").startswith("test set of images: 13 ")


def test_a_language_model_is_trained_evaluated_and_goes_on_from_a_prompt(here, capsys):
    out = succeed(capsys, "evaluate", "language")
    loss, perplexity = re.search(
        r"loss (\S+) a character \(perplexity (\S+)\), accuracy \S+ %$", out.strip()
    ).groups()
    run = load("language")
    np.testing.assert_allclose(float(loss), run.history["validation_loss"][-1], atol=1e-4)
    np.testing.assert_allclose(float(perplexity), np.exp(float(loss)), rtol=1e-3)
    assert out.startswith(f"validation set of {here / 'story.txt'}: 45 characters\n")
    assert succeed(capsys, "evaluate", "language", "--data", "other.txt").startswith(
        "all of other.txt: 62 characters\n"
    )
    text = succeed(capsys, "sample", "language", "--prompt", "the", "--length", 30, "--seed", 5)
    assert text == run.sample("the", 30, temperature=0.8, seed=5) + "\n"
    assert succeed(capsys, "sample", "language").startswith("\n")
    assert run.config["training"]["steps"] == 9


def test_epochs_are_shown_about_ten_times_the_first_and_last_always(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "fruit.csv")
    out = succeed(capsys, "train", "two-layer", "--data", "fruit.csv", "--target", "kind", "--epochs", 35)
    shown = [int(line.split()[0]) for line in out.splitlines()[3:-3]]
    assert shown == [1, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 33, 35]


def test_early_stopping_is_said(here, capsys):
    out = succeed(capsys, "train", "two-layer", "--data", "fruit.csv", "--target", "kind", "--epochs", 500, "--lr", 5,
                  "--patience", 1, "--out", "early")  # fmt: skip
    best = load("early").config["training"]["best_epoch"]
    assert f"\nstopped early: the best weights, those of epoch {best}, are kept\n" in out


def test_fewer_steps_than_epochs_make_an_epoch_a_step(here, capsys):
    succeed(capsys, "train", "language", "--data", "story.txt", "--steps", 3, "--context", 5, *TINY,
            "--out", "brief")  # fmt: skip
    assert load("brief").history["epoch"] == [1, 2, 3]


def test_a_loss_above_that_of_guessing_gets_a_hint(here, capsys):
    hint = "the loss is far above 1.10, which mere guessing has; try a lower --lr\n"
    table = ("train", "two-layer", "--data", "fruit.csv", "--target", "kind",
             "--schedule", "constant")  # fmt: skip
    assert hint in succeed(capsys, *table, "--epochs", 1, "--lr", 900, "--out", "high")
    assert "guessing" not in succeed(capsys, *table, "--epochs", 9, "--lr", 0.5, "--out", "low")


def test_the_next_command_can_be_typed_for_a_folder_with_a_space(here, capsys):
    out = succeed(capsys, *NETWORK, "--out", "my run")
    assert out.endswith("written to my run; next:\n  clearhead evaluate 'my run'\n")
    succeed(capsys, *shlex.split(out.rpartition("clearhead ")[2]))


def test_without_a_new_line_in_the_text_a_sample_begins_with_its_first_symbol(here, tmp_path, capsys):
    (tmp_path / "line.txt").write_text("the cat sat on the mat " * 20)
    succeed(capsys, "train", "language", "--data", tmp_path / "line.txt", "--steps", 2, "--context", 5, *TINY,
            "--out", "line")  # fmt: skip
    out = succeed(capsys, "sample", "line", "--length", 7)
    assert out == load("line").sample(" ", 7, temperature=0.8, seed=0) + "\n"


def test_without_validation_a_dash_stands_for_its_numbers(here, capsys):
    out = succeed(capsys, *NETWORK, "--validation", 0, "--out", "all")
    assert re.search(r"^ +1 +\S+ +\S+ {16}- {11}- +\S+$", out, re.MULTILINE)


def test_a_long_training_is_saved_on_the_way(here, capsys, monkeypatch):
    seen = []
    monkeypatch.setattr(cli, "SECONDS_BETWEEN_SAVES", -1)
    save = cli.Run.save
    monkeypatch.setattr(
        cli.Run, "save", lambda run, folder: seen.append(len(run.history["epoch"])) or save(run, folder)
    )
    succeed(capsys, *NETWORK, "--out", "often")
    assert seen == [1, 2, 2]
    seen.clear()
    monkeypatch.setattr(cli, "SECONDS_BETWEEN_SAVES", 1e9)
    succeed(capsys, *NETWORK, "--out", "seldom")
    assert seen == [2]


def test_new_runs_get_numbers_and_none_is_written_over(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    first = succeed(capsys, *NETWORK)
    before = everything(tmp_path / "runs")
    second, third = succeed(capsys, *NETWORK, "--seed", 1), succeed(capsys, *NETWORK, "--seed", 2)
    names = [re.search(r"written to (\S+);", out)[1] for out in (first, second, third)]
    assert names == [f"runs/two-layer-digits{number}" for number in ("", "-2", "-3")]
    assert everything(tmp_path / "runs").items() >= before.items()
    assert [load(name).config["training"]["seed"] for name in names] == [0, 1, 2]


def test_a_run_is_evaluated_from_any_folder(place, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    out = succeed(capsys, "evaluate", place / "table")
    assert out.startswith(f"test set of {place / 'fruit.csv'}: 7 examples\n")
    assert succeed(capsys, "evaluate", place / "table", "--data", place / "fruit.csv") == out


def test_a_copy_of_the_training_file_is_split_as_the_run_was(here, tmp_path, capsys):
    for name, file in (("table", "fruit.csv"), ("language", "story.txt")):
        (tmp_path / file).write_bytes((here / file).read_bytes())
        out = succeed(capsys, "evaluate", name, "--data", tmp_path / file)
        assert out == succeed(capsys, "evaluate", name).replace(str(here / file), str(tmp_path / file))


def test_a_run_whose_data_are_gone_asks_for_them(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "fruit.csv")
    succeed(capsys, *NETWORK, "--data", "fruit.csv", "--target", "kind", "--out", "run")
    held = succeed(capsys, "evaluate", "run").partition("\n")[2]
    (tmp_path / "fruit.csv").rename(tmp_path / "moved.csv")
    code, out, error = clearhead(capsys, "evaluate", "run")
    message = f"the run was trained on {tmp_path / 'fruit.csv'}, which is not there now; name it with --data."
    assert (code, out, error) == (2, "", f"clearhead: {message}\n")
    assert succeed(capsys, "evaluate", "run", "--data", "moved.csv").partition("\n")[2] == held


# Prediction.


def test_predictions_are_a_table_with_labels_and_probabilities_that_sum_to_one(here, capsys):
    out = succeed(capsys, "predict", "table", "fruit.csv", "--out", "answers.csv")
    assert out == "47 labels written to answers.csv\n"
    rows = list(csv.reader(io.StringIO(Path("answers.csv").read_text("utf-8"))))
    # Names are sorted as text.
    names = sorted(LABELS)
    assert rows[0] == ["label", *(f"p_{name}" for name in names)]
    given = list(csv.DictReader(io.StringIO(Path("fruit.csv").read_text("utf-8"))))
    X = np.array([[float(row["height"]), float(row["width"])] for row in given])
    labels, probabilities = load("table").predict(X)
    assert [row[0] for row in rows[1:]] == labels.tolist()
    shown = np.array([[float(cell) for cell in row[1:]] for row in rows[1:]])
    np.testing.assert_allclose(shown, probabilities, rtol=1e-5)
    np.testing.assert_allclose(shown.sum(axis=1), 1, atol=1e-5)
    assert [row[0] for row in rows[1:]] == [names[i] for i in shown.argmax(axis=1)]
    assert succeed(capsys, "predict", "table", "fruit.csv") == Path("answers.csv").read_text("utf-8")


def test_columns_may_come_in_any_order_and_without_labels(here, capsys):
    given = list(csv.DictReader(io.StringIO(Path("fruit.csv").read_text("utf-8"))))
    lines = ["id,width,height", *(f"{i},{row['width']},{row['height']}" for i, row in enumerate(given))]
    Path("turned.csv").write_text("\n".join(lines))
    assert succeed(capsys, "predict", "table", "turned.csv") == succeed(
        capsys, "predict", "table", "fruit.csv"
    )


def test_images_are_predicted_from_npz_and_idx_of_a_folder_its_test_set(here, capsys):
    for file, count in (("unlabelled.npz", 41), ("images", 13), ("images/t10k-images-idx3-ubyte.gz", 13)):
        rows = list(csv.reader(io.StringIO(succeed(capsys, "predict", "attention", file))))
        assert rows[0] == ["label", "p_0", "p_1", "p_2"]
        assert len(rows) == count + 1


def test_predictions_can_go_to_a_device_which_stays_one(here, capsys, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    succeed(capsys, "predict", "table", "fruit.csv", "--out", tmp_path / "pipe")
    assert os.read(reader, 65536).decode() == succeed(capsys, "predict", "table", "fruit.csv")
    os.close(reader)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


# Help.


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example_that_can_be_typed(command, capsys, monkeypatch):
    out = succeed(capsys, *command, "--help")
    assert out == succeed(capsys, *command, "-h")
    examples = re.search(r"Example:\n((?:    \S.*\n?)+)\Z", out)[1].splitlines()
    seen = []
    for leaf in leaves(cli.cli):
        monkeypatch.setattr(leaf, "callback", lambda leaf=leaf, **values: seen.append((leaf.name, values)))
    for line in examples:
        name, *arguments = shlex.split(line)
        assert name == "clearhead"
        succeed(capsys, *arguments)
        assert arguments[: len(command)] == list(command)
    assert len(seen) == len(examples)
    assert max(map(len, out.splitlines())) <= 80
    assert "\x1b" not in out


def leaves(command):
    if isinstance(command, click.Group):
        return [leaf for part in command.commands.values() for leaf in leaves(part)]
    return [command]


def test_every_option_says_what_it_is(capsys):
    for leaf in leaves(cli.cli):
        assert leaf.help
        for parameter in leaf.params:
            assert isinstance(parameter, click.Argument) or parameter.help, parameter.name


def test_no_arguments_show_the_help(capsys):
    assert succeed(capsys) == succeed(capsys, "--help")


# Bad input: one line, exit code 2, nothing written.

BAD = [
    (("train",), r"Missing command\. See clearhead train --help\."),
    (("nonsense",), r"No such command 'nonsense'\. See clearhead --help\."),
    (("train", "two-layer", "extra"), r"Got unexpected extra argument \(extra\)\. See clearhead train two-layer --help"),
    (("train", "language"), r"Missing option '--data'\. See clearhead train language --help\."),
    (("bench", "everything"), r"Invalid value for '\[\[?two-layer\|attention\|language\]\]?': 'everything' is not one of .*See clearhead bench --help\."),
    (("evaluate",), r"Missing argument 'RUN'\. See clearhead evaluate --help\."),
    ((*NETWORK, "--foo"), r"No such option:? '?--foo'?.* See clearhead train two-layer --help\."),
    ((*NETWORK, "--lr", "fast"), r"Invalid value for '--lr': 'fast' is not a valid float( range)?\. See clearhead train two-layer "),
    ((*NETWORK, "--schedule", "linear"), r"Invalid value for '--schedule': 'linear' is not one of 'constant', 'cosine'\."),
    ((*NETWORK, "--data", "digit"), r"digit is neither a name \(digits, mnist\) nor a file or folder\. Did you mean digits\?"),
    ((*NETWORK, "--data", "fruit.csv"), r"fruit.csv is a table, so target \(--target\) must name its label column, one of: height, "),
    ((*NETWORK, "--data", "fruit.csv", "--target", "kin"), r"target='kin' is not a column of fruit.csv; choose one of"),
    ((*NETWORK, "--data", "holes.csv", "--target", "kind"), r"column 'height' is missing in row 6 \(line 7\) of holes.csv"),
    ((*NETWORK, "--data", "words.csv", "--target", "kind"), r"column 'height' holds 'tall' in row 6 \(line 7\) of words.csv"),
    ((*NETWORK, "--data", "unlabelled.npz"), r"unlabelled.npz has examples but not their labels; training needs both\."),
    ((*NETWORK, "--target", "kind"), r"target='kind' names columns, and digits has none; leave it out\."),
    ((*NETWORK, "--data", "story.txt"), r"story.txt is a text; two-layer learns from examples with labels: use train language\."),
    ((*NETWORK, "--data", "full"), r"full must hold the IDX files of one data set"),
    (("train", "attention", "--data", "story.txt"), r"story.txt is a text; attention learns from examples with labels"),
    (("train", "language", "--data", "digits"), r"--data digits is no text; use train two-layer or train attention\."),
    ((*NETWORK, "--epochs", 0), r"Invalid value for '--epochs': 0 is not in the range x>=1\."),
    ((*NETWORK, "--batch-size", 0), r"Invalid value for '--batch-size': 0 is not in the range x>=1\."),
    ((*NETWORK, "--patience", 0), r"Invalid value for '--patience': 0 is not in the range x>=1\."),
    ((*NETWORK, "--patience", 1, "--validation", 0), r"patience=1 needs validation data; load it with a validation share"),
    ((*NETWORK, "--lr", -1), r"Invalid value for '--lr': -1\.0 is not in the range x>0\."),
    ((*NETWORK, "--lr", "nan"), r"lr=nan must be above 0"),
    ((*NETWORK, "--lr", 1e300), r"training diverged in epoch 1, step \d+: \w+ is no longer finite; use a lower lr than 1e\+300"),
    ((*NETWORK, "--hiddens", 0), r"Invalid value for '--hiddens': 0 is not in the range x>=1\."),
    ((*NETWORK, "--hiddens", 10**13), r"Unable to allocate"),
    ((*NETWORK, "--seed", -1), r"Invalid value for '--seed': -1 is not in the range x>=0\."),
    ((*NETWORK, "--validation", 1.5), r"Invalid value for '--validation': 1\.5 is not in the range 0<=x<1\."),
    ((*NETWORK, "--out", "story.txt"), r"story.txt is a file; a run is a folder: choose another name\."),
    ((*NETWORK, "--out", "story.txt/run"), r"\[Errno 20\] Not a directory: 'story.txt/run'"),
    ((*NETWORK, "--out", "/proc/nothing/run"), r"\[Errno \d+\] .*: '/proc/nothing"),
    ((*NETWORK, "--out", "full"), r"full holds other files and no run; choose a new or empty folder\."),
    (("train", "attention", "--patch", 3, 3), r"patch=\(3, 3\) must divide an example of 8 by 8; without a patch each row is a token\."),
    (("train", "attention", "--patch", 2), r"Option '--patch' requires 2 arguments\. See clearhead train attention --help\."),
    (("train", "attention", "--heads", 0), r"Invalid value for '--heads': 0 is not in the range x>=1\."),
    (("train", "attention", "--heads", 99), r"model_dim=64 is too small for num_heads=99; use a model_dim of at least 99, or at most 64 heads\."),
    (("train", "attention", "--layers", 0), r"Invalid value for '--layers': 0 is not in the range x>=1\."),
    (("train", "attention", "--model-dim", -1), r"Invalid value for '--model-dim': -1 is not in the range x>=1\."),
    (("train", "attention", "--model-dim", 0), r"Invalid value for '--model-dim': 0 is not in the range x>=1\."),
    (("train", "attention", "--model-dim", 10**9), r".*(allocate|overflow|memory)"),
    (("train", "language", "--data", "story.txt", "--context", 0), r"Invalid value for '--context': 0 is not in the range x>=1"),
    (("train", "language", "--data", "story.txt", "--context", 999, *TINY), r"context=999 is too long for 413 symbols; use at most 207\."),
    (("train", "language", "--data", "fruit.csv"), r"--data fruit.csv is no text; use train two-layer or train attention\."),
    (("train", "language", "--data", "one.txt"), r"one.txt has 1 characters, 1 distinct; to predict the next one"),
    (("evaluate", "nothing"), r"nothing is no run: config.json is missing; pass a folder that clearhead train wrote\."),
    (("evaluate", "full"), r"full is no run: config.json is missing"),
    (("evaluate", "changed"), r"\S+changed.csv or its --target has changed since the run was trained, and its split with it; train again, or name"),
    (("evaluate", "net", "--data", "images.npz"), r"X must be \(examples, 8, 8\) as in training; got \(41, 3, 2\)\."),
    (("evaluate", "attention", "--data", "unlabelled.npz"), r"unlabelled.npz has no labels to compare with; pass a table and --target, or"),
    (("evaluate", "attention", "--data", "story.txt"), r"story.txt has no labels to compare with; pass a table and --target, or"),
    (("evaluate", "language", "--data", "strange.txt"), r"symbol 'ä' is not among the \d+ symbols that were learnt: "),
    (("evaluate", "language", "--data", "one.txt"), r"one.txt is no text of at least 2 characters; a language model needs one\."),
    (("evaluate", "language", "--data", "images"), r"images is no text of at least 2 characters; a language model needs one\."),
    (("evaluate", "blind"), r"the run of \S+story.txt has no validation text; name other data with --data\."),
    (("evaluate", "python"), r"the run was trained on data made in Python; name data with --data\."),
    (("predict", "table"), r"Missing argument 'FILE'\. See clearhead predict --help\."),
    (("predict", "table", "nothing.csv"), r"nothing.csv is neither a name \(digits, mnist\) nor a file or folder\."),
    (("predict", "table", "lacking.csv"), r"lacking.csv lacks columns that the model was trained on: 'width'; it has height, breadth"),
    (("predict", "table", "holes.csv"), r"column 'height' is missing in row 6 \(line 7\) of holes.csv"),
    (("predict", "attention", "digits"), r"X must be \(examples, 3, 2\) as in training; got \(1797, 8, 8\)\."),
    (("predict", "attention", "story.txt"), r"story.txt is a text; this run needs examples such as it was trained on\."),
    (("predict", "language", "story.txt"), r"predict is for classifiers, and this run is a language model; use sample\."),
    (("predict", "table", "fruit.csv", "--out", "no/such/a.csv"), r"no/such is no folder; create it or name another with --out\."),
    (("predict", "table", "fruit.csv", "--out", "full"), r"full is a folder; name a file with --out\."),
    (("sample", "net"), r"sample is for language models, and this run is a classifier; use predict\."),
    (("sample", "language", "--prompt", "the cät"), r"prompt has 'ä', which the text of this run never had; leave it out\."),
    (("sample", "language", "--prompt", ""), r"prompt is empty; give at least one character to go on from\."),
    (("sample", "language", "--length", -1), r"Invalid value for '--length': -1 is not in the range x>=0\."),
    (("sample", "language", "--temperature", "nan"), r"temperature=nan must be 0 or more"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[" ".join(map(str, words)) for words, _ in BAD])
def test_bad_input_gets_one_line_and_leaves_everything_as_it_was(arguments, message, here, capsys):
    before = everything(here)
    code, _, error = clearhead(capsys, *arguments)
    assert code == 2
    assert error.count("\n") == 1
    assert re.match(f"clearhead: {message}", error), error
    assert everything(here) == before


def test_other_data_evaluates_a_run_made_in_python(here, capsys):
    assert succeed(capsys, "evaluate", "python", "--data", "images.npz").startswith(
        "all of images.npz: 41 examples"
    )


def test_a_traceback_is_there_for_who_asks_for_it(here, capsys, monkeypatch):
    monkeypatch.setenv("CLEARHEAD_TRACEBACK", "1")
    with pytest.raises(FileNotFoundError, match="nothing is no run"):
        main(["evaluate", "nothing"])


def test_a_training_that_fails_leaves_a_run_that_was_there(here, capsys):
    succeed(capsys, *NETWORK, "--out", "good")
    before = everything(here)
    assert clearhead(capsys, *NETWORK, "--lr", 1e300, "--out", "good")[0] == 2
    assert everything(here) == before


def test_an_error_without_words_names_its_kind(here, capsys, monkeypatch):
    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr(cli, "load", fail)
    assert clearhead(capsys, "evaluate", "net") == (2, "", "clearhead: MemoryError\n")


# Ctrl-C, pipes and encodings.


@pytest.mark.usefixtures("interruptible")
def test_a_real_ctrl_c_writes_what_was_learnt_and_exits_with_130(tmp_path):
    arguments = ("-m", "clearhead", "train", "two-layer", "--hiddens", "4", "--epochs", "1000000")
    with child(*arguments, cwd=tmp_path) as process:
        for line in process.stdout:
            if line.split()[0] == b"1":
                break
        process.send_signal(signal.SIGINT)
        try:
            out, error = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    said = re.fullmatch(
        r"stopped by Ctrl-C in epoch (\d+); what was learnt until then is kept\n", error.decode()
    )
    folder = re.fullmatch(r"written to (\S+); next:\n  clearhead evaluate \1\n", out.decode())[1]
    run = load(tmp_path / folder)
    assert 1 <= len(run.history["epoch"]) <= int(said[1]) <= len(run.history["epoch"]) + 1
    assert run.config["training"]["interrupted"] is True
    before = TwoLayerNN(64, 4, 10, seed=0)
    assert (run.model.params["W1"] != before.params["W1"]).any()


UNTIL_TOLD = """
import sys
from clearhead import cli
save = cli.Run.save

def save_when_told(run, folder):
    print("saving", flush=True)
    sys.stdin.readline()
    save(run, folder)

cli.Run.save = save_when_told
cli.main(sys.argv[1:])
"""


@pytest.mark.usefixtures("interruptible")
def test_two_ctrl_c_at_once_and_one_while_saving_still_leave_a_whole_run(tmp_path):
    arguments = ("train", "two-layer", "--hiddens", "4", "--epochs", "1000000", "--out", "run")
    with child("-c", UNTIL_TOLD, *arguments, cwd=tmp_path, stdin=subprocess.PIPE) as process:
        try:
            for line in process.stdout:
                if line.split()[0] == b"1":
                    process.send_signal(signal.SIGINT)
                    process.send_signal(signal.SIGINT)
                if line == b"saving\n":
                    break
            process.send_signal(signal.SIGINT)
            out, error = process.communicate(b"\n", timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert error.startswith(b"stopped by Ctrl-C in epoch ")
    assert error.count(b"\n") == 1
    assert out == b"written to run; next:\n  clearhead evaluate run\n"
    assert load(tmp_path / "run").config["training"]["interrupted"] is True


def test_ctrl_c_before_training_exits_with_130_and_writes_nothing(here, capsys, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    before = everything(here)
    monkeypatch.setattr(cli, "load_data", interrupt)
    code, out, error = clearhead(capsys, *NETWORK)
    assert (code, out, error.strip()) == (130, "", "")
    assert everything(here) == before


def test_piped_output_has_no_escape_codes_and_fits_80_columns(place, tmp_path):
    code = ("import sys; from clearhead.cli import main\ntry: main(sys.argv[1:])\n"
            "finally: assert 'torch' not in sys.modules")  # fmt: skip
    for arguments in (NETWORK, ("evaluate", "runs/two-layer-digits")):
        with child("-c", code, *arguments, cwd=tmp_path) as process:
            out, error = process.communicate()
        assert (process.returncode, error) == (0, b"")
        assert b"\x1b" not in out
        assert max(map(len, out.decode().splitlines())) <= 80


@pytest.mark.parametrize(("labels", "width"), [(2, 60), (12, 2), (12, 30), (13, 30)])
def test_a_table_of_any_labels_fits_80_columns(labels, width, monkeypatch, capsys):
    monkeypatch.delenv("COLUMNS", raising=False)
    names = [f"{i}".rjust(width, "x") for i in range(labels)]
    generator = np.random.default_rng(0)
    true, guessed = generator.integers(0, labels, (2, 900))
    Console(highlight=False).print(Scores.of(true, guessed, names))
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert ("rows: what it is" in out) == (labels <= 12)


def test_twelve_labels_of_14_letters_keep_their_names_in_the_confusion_matrix(monkeypatch, capsys):
    monkeypatch.delenv("COLUMNS", raising=False)
    names = [f"{'abcdefghijkl'[i]}{'x' * 12}{i % 10}" for i in range(12)]
    true, guessed = np.random.default_rng(0).integers(0, 12, (2, 90000))
    Console(highlight=False).print(Scores.of(true, guessed, names))
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    matrix = out.partition("rows: what it is")[2].partition("most confused")[0]
    for number, name in enumerate(names, start=1):
        assert re.search(rf"^ *{number} {name}( +\d+){{12}} *$", matrix, re.MULTILINE), matrix


def test_labels_that_look_like_markup_are_shown_as_they_are(here, capsys):
    out = succeed(capsys, "evaluate", "table")
    assert out.count("[bold]fig[/x]") >= 1
    assert out.count("감") >= 2


@pytest.mark.parametrize("encoding", ["ascii", "cp949", "latin-1"])
@pytest.mark.parametrize(
    "arguments",
    [
        *((*command, "--help") for command in COMMANDS),
        ("evaluate", "net"),
        ("evaluate", "table"),
        ("evaluate", "language"),
        ("predict", "table", "fruit.csv"),
        ("sample", "language", "--length", "9"),
        (*NETWORK, "--out", "남"),
    ],
    ids=" ".join,
)
def test_a_stream_that_cannot_show_every_letter_does_not_stop_a_command(
    encoding, arguments, here, capsys, monkeypatch
):
    stream = io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    code, _, error = clearhead(capsys, *arguments)
    assert (code, error) == (0, "")
    assert stream.buffer.getvalue()


@pytest.mark.parametrize("encoding", ["ascii", "cp949"])
def test_a_whole_process_in_another_encoding_does_not_crash(encoding, place):
    with child(
        "-m", "clearhead", "evaluate", "table", cwd=place, env={"PYTHONIOENCODING": encoding}
    ) as process:
        out, error = process.communicate()
    assert (process.returncode, error) == (0, b"")
    assert ("감" in out.decode(encoding)) == (encoding == "cp949")


def test_head_takes_the_first_line_and_nothing_crashes(place):
    command = f"{shlex.quote(sys.executable)} -m clearhead predict net digits | head -1"
    found = subprocess.run(command, shell=True, cwd=place, capture_output=True, text=True)
    assert (found.stdout[:10], found.stderr, found.returncode) == ("label,p_0,", "", 0)


@pytest.mark.parametrize(
    "arguments", [("evaluate", "net"), ("predict", "net", "digits"), ("--help",), NETWORK]
)
def test_a_reader_that_has_gone_is_no_error_to_shout_about(arguments, place, tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    (tmp_path / "net").symlink_to(place / "net")
    with child("-m", "clearhead", *arguments, cwd=tmp_path, stdout=writer) as process:
        os.close(writer)
        _, error = process.communicate()
    assert error == b""
    assert process.returncode in (0, 1)
    if arguments == NETWORK:
        assert load(tmp_path / "runs" / "two-layer-digits").history["epoch"] == [1, 2]


def made(answer):
    return lambda: answer


def test_bench_names_the_machine_and_who_takes_how_long(capsys, monkeypatch):
    everyone = tuple(bench.Contestant(name, made, {"answer": name}) for name in ("clearhead", "a peer"))
    absent = bench.Contestant("another peer", made, {}, "no_such_library")
    monkeypatch.setitem(bench.LIBRARIES, "no_such_library", "No Such Library")
    contests = [bench.Contest(f"some work, {number}", (*everyone, absent), rounds=2) for number in (1, 2)]
    monkeypatch.setattr(clearhead_contests, "SHORT", {"two-layer": contests[:1], "attention": contests[1:]})
    out = succeed(capsys, "bench")
    assert out.startswith(bench.conditions()[:40])
    assert max(map(len, out.splitlines())) <= 80
    assert out.index("some work, 1") < out.index("some work, 2")
    assert out.count("a peer") == 2
    assert out.count("\nleft out: another peer: No Such Library is not installed\n") == 2
    assert re.search(r"a peer .* [nu]s .* [nu]s .*\d\.\d\d × \(\d+\.\d\d to \d+\.\d\d\)", out)
    assert "some work, 1" not in succeed(capsys, "bench", "attention")


def test_the_module_is_the_command(place):
    with child("-m", "clearhead", "--version") as process:
        out, error = process.communicate()
    assert (process.returncode, error) == (0, b"")
    assert re.fullmatch(rb"clearhead, version \d+\.\d+\.\d+\s*", out)
    with child("-m", "clearhead", "evaluate", "nothing", cwd=place) as process:
        out, error = process.communicate()
    assert (process.returncode, out) == (2, b"")
    assert error.startswith(b"clearhead: nothing is no run")
    assert error.count(b"\n") == 1


def test_config_json_of_the_command_repeats_its_run(here):
    for name, given in (("table", "kind"), ("attention", None), ("language", None)):
        config = json.loads(Path(name, "config.json").read_text("utf-8"))
        assert config["data"]["target"] == given
        assert Path(config["data"]["name_or_path"]).is_absolute()
        assert config["training"]["seed"] == config["data"]["seed"] == 0
