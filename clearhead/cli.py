"""The command line: train, evaluate, predict, sample, bench. Bad input gets one line and exit code 2."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import math
import os
import shlex
import signal
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
import numpy as np
from rich.console import Console

from clearhead.check_command import check
from clearhead.checkpoint import (
    Run,
    check_folder,
    examples_of,
    load,
    replace,
)
from clearhead.data import Data, load_data
from clearhead.explain import explain
from clearhead.formats import NAMES, TABLE_SUFFIXES, read
from clearhead.learners import learner_of
from clearhead.models import kind_of, parameters, probabilities_of
from clearhead.options import COUNT, DATA, TARGET, example, learning_options, option, options, size_options
from clearhead.scores import Scores
from clearhead.train import fit
from clearhead.two_layer_nn import cross_entropy

if TYPE_CHECKING:
    from clearhead.models import Model

SECONDS_BETWEEN_SAVES = 10
COLUMNS = {
    "epoch": "5.0f",
    "train_loss": "10.4f",
    "train_accuracy": "10.2f",
    "validation_loss": "15.4f",
    "validation_accuracy": "10.2f",
    "seconds": "7.2f",
}


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 done, 2 for what the user can mend, 130 for Ctrl-C."""
    try:
        if isinstance(sys.stdout, io.TextIOWrapper):
            # A label or a text may hold what the terminal's encoding lacks.
            sys.stdout.reconfigure(errors="backslashreplace")
        arguments = sys.argv[1:] if arguments is None else arguments
        code = cli.main(arguments or ["--help"], prog_name="clearhead", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
        sys.exit(code)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else _command_path(arguments or [])
        message = error.format_message()
        _fail(f"{message}{'' if message.endswith(('.', '?')) else '.'} See {command} --help.")
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:  # Whoever read our output has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except (
        click.ClickException,
        ArithmeticError,
        ImportError,
        MemoryError,
        OSError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        if os.environ.get("CLEARHEAD_TRACEBACK"):
            raise
        message = error.format_message() if isinstance(error, click.ClickException) else str(error)
        _fail(message or type(error).__name__)


def _command_path(arguments: list[str]) -> str:
    """The command that the first words name, for an error that does not know where it is."""
    command: Any = cli
    path = "clearhead"
    for word in arguments:
        if word not in getattr(command, "commands", {}):
            break
        command, path = command.commands[word], f"{path} {word}"
    return path


def _say(line: str) -> None:
    """Print what a training does; a reader that has gone away does not end it."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str) -> NoReturn:
    print("clearhead:", " ".join(message.split()), file=sys.stderr)
    sys.exit(2)


@click.group(
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    epilog=example("clearhead train two-layer", "clearhead evaluate runs/two-layer-digits"),
)
@click.version_option(package_name="clearhead")
def cli() -> None:
    """Train a two-layer network or multi-head attention, on your machine alone."""


@cli.group(no_args_is_help=False, epilog=example("clearhead train attention --data mnist --epochs 5"))
def train() -> None:
    """Train a model, and write the run: a folder that repeats it."""


@train.command("two-layer", epilog=example("clearhead train two-layer --data iris.csv --target species"))
@options(DATA, TARGET, option("--hiddens", default=128, type=COUNT, help="Hidden units."))
@learning_options(epochs=30, lr=0.5, batch_size=4, schedule="cosine")
def train_two_layer(data: str, target: str | None, hiddens: int, **learning: Any) -> None:
    """The network softmax(σ(X W1 + b1) W2 + b2), by gradient descent."""
    from clearhead.two_layer_nn import TwoLayerNN

    def build(loaded: Data) -> Model:
        num_features, num_classes = loaded.train.X.shape[1], len(loaded.labels)
        return TwoLayerNN(num_features, hiddens, num_classes, seed=learning["seed"])

    _train(data, target, build, **learning)


@train.command(
    "attention",
    epilog=example(
        "clearhead train attention --patch 2 2",
        "clearhead train attention --data mnist --patch 7 7 --epochs 10",
    ),
)
@options(
    DATA,
    TARGET,
    option(
        "--patch", type=int, nargs=2, metavar="HEIGHT WIDTH", help="Cut images into patches.  [default: rows]"
    ),
)
@size_options(model_dim=64, heads=8, layers=1)
@learning_options(epochs=80, lr=1e-3, batch_size=64, schedule="cosine")
def train_attention(
    data: str,
    target: str | None,
    patch: tuple[int, int] | None,
    model_dim: int,
    num_heads: int,
    num_layers: int,
    **learning: Any,
) -> None:
    """Self-attention between rows or patches of an image, to classes."""

    def build(loaded: Data) -> Model:
        import torch

        from clearhead.transformer import SequenceClassifier

        torch.manual_seed(learning["seed"])
        return SequenceClassifier(
            loaded.shape,
            len(loaded.labels),
            patch=patch,
            model_dim=model_dim,
            num_heads=num_heads,
            num_layers=num_layers,
        )

    _train(data, target, build, **learning)


@train.command("language", epilog=example("clearhead train language --data shakespeare.txt --steps 500"))
@options(
    option("--data", required=True, metavar="FILE", help="A text; nine tenths of it train."),
    option("--context", default=64, type=COUNT, help="Characters that it looks back."),
    option("--steps", default=2000, type=COUNT, help="Updates in all."),
)
@size_options(model_dim=128, heads=4, layers=4)
@learning_options(
    epochs=8,
    lr=2e-3,
    batch_size=12,
    schedule="cosine",
    help_of_epochs="Parts that the steps are shared out among, each with a line.",
)
def train_language(
    data: str, context: int, model_dim: int, num_heads: int, num_layers: int, **learning: Any
) -> None:
    """Causal self-attention between characters, to the next one."""
    if Path(data).suffix.lower() in (*TABLE_SUFFIXES, ".parquet", ".npz") or data in NAMES:
        raise ValueError(f"--data {data} is no text; use train two-layer or train attention.")
    learning["epochs"] = min(learning["epochs"], learning["steps"])

    def build(loaded: Data) -> Model:
        import torch

        from clearhead.transformer import LanguageModel

        torch.manual_seed(learning["seed"])
        return LanguageModel(
            len(loaded.labels), context, model_dim=model_dim, num_heads=num_heads, num_layers=num_layers
        )

    _train(data, None, build, **learning)


def _train(
    name: str,
    target: str | None,
    build: Callable[[Data], Model],
    *,
    out: str | None,
    validation: float | None,
    seed: int,
    **learning: Any,
) -> None:
    data = load_data(name, seed, target=target, validation=validation)
    command = click.get_current_context().info_name
    if data.scaling is None and command != "language":
        raise ValueError(f"{name} is a text; {command} learns from examples with labels: use train language.")
    if data.scaling is not None and command == "language":
        raise ValueError(f"{name} is no text; use train two-layer or train attention.")
    model = build(data)
    folder = check_folder(out or _new_folder(kind_of(model), name))
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    # Now, so that a folder that cannot be written does not cost a training.
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _train_into(folder, model, data, name, seed, learning)
    finally:
        with contextlib.suppress(OSError):  # Only empty ones go.
            for path in missing:
                path.rmdir()


def _train_into(
    folder: Path, model: Model, data: Data, name: str, seed: int, learning: dict[str, Any]
) -> None:
    what = "characters" if data.scaling is None else "examples"
    _say(
        f"{name}: {len(data.train.X):,} {what} to train, {len(data.validation.X):,} to validate, "
        f"{len(data.test.X):,} to test; {len(data.labels)} labels"
    )
    _say(f"{kind_of(model)}: {sum(value.size for value in parameters(model).values()):,} parameters")
    _say("epoch  train loss  accuracy %  validation loss  accuracy %  seconds")
    saved = time.monotonic()

    def on_epoch(run: Run) -> None:
        nonlocal saved
        epoch, epochs = len(run.history["epoch"]), learning["epochs"]
        if epoch % max(1, epochs // 10) == 0 or epoch in (1, epochs):
            _say(_line(run))
        if time.monotonic() - saved > SECONDS_BETWEEN_SAVES:
            run.save(folder)
            saved = time.monotonic()

    with _one_interrupt():
        run = fit(model, data, seed=seed, on_epoch=on_epoch, **learning)
        run.save(folder)
    training = run.config["training"]
    past, loss = len(run.history["epoch"]), math.log(len(run.labels))
    if "best_epoch" in training:
        early = "stopped early: " if past < learning["epochs"] and not training.get("interrupted") else ""
        _say(f"{early}the best weights, those of epoch {training['best_epoch']}, are kept")
    # A young model is a little above; far above means steps that overshoot.
    if past and run.history["train_loss"][-1] > 2 * loss:
        _say(f"the loss is far above {loss:.2f}, which mere guessing has; try a lower --lr")
    if past and not training.get("interrupted"):
        _report(folder, run, data)
    follow = "sample" if run.kind == "language" else "evaluate"
    _say(f"written to {folder}; next:\n  clearhead {follow} {shlex.quote(str(folder))}")
    if training.get("interrupted"):
        sys.exit(130)


def _report(folder: Path, run: Run, data: Data) -> None:
    """Write report.html into the run, which is safe by now: no trouble here ends the command."""
    from clearhead.report import report

    try:
        replace({folder / "report.html": report(run, data).encode()})
    except Exception as error:
        _say(f"report.html could not be written: {' '.join(str(error).split())}")
    else:
        _say(f"a report to open in a browser: {folder / 'report.html'}")


@contextlib.contextmanager
def _one_interrupt() -> Iterator[None]:
    """The first Ctrl-C ends the training; what follows cannot stop it from being saved."""

    def interrupt(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _line(run: Run) -> str:
    cells = []
    for name, form in COLUMNS.items():
        numbers = run.history[name]
        cells.append(f"{numbers[-1]:{form}}" if numbers else "-".rjust(int(form.split(".")[0])))
    return "  ".join(cells)


def _new_folder(kind: str, name: str) -> Path:
    stem = Path("runs") / f"{kind}-{Path(name).stem or 'data'}"
    numbered = (stem.with_name(f"{stem.name}-{number}") for number in itertools.count(2))
    return next(folder for folder in itertools.chain([stem], numbered) if not folder.exists())


RUN = click.argument("run", metavar="RUN")


@cli.command(epilog=example("clearhead evaluate runs/two-layer-digits"))
@options(
    RUN,
    TARGET,
    option("--data", help="Other data; its test set if it has one, else all.  [default: that of the run]"),
)
def evaluate(run: str, data: str | None, target: str | None) -> None:
    """Accuracy, each class and the confusion matrix, on the test set."""
    loaded = load(run)
    examples, what = examples_of(loaded, data, target)
    if loaded.kind == "language":
        loss, accuracy = learner_of(loaded.model).evaluate(examples)
        print(f"{what}: {len(examples.X):,} characters")
        print(f"loss {loss:.4f} a character (perplexity {math.exp(loss):.3f}), accuracy {accuracy:.2f} %")
        return
    y = probabilities_of(loaded.model, examples.X)
    scores = Scores.of(examples.Y, y.argmax(axis=1), loaded.labels)
    loss = cross_entropy(y, np.eye(len(loaded.labels))[examples.Y])
    print(f"{what}: {len(examples.X):,} examples")
    print(f"accuracy {scores.accuracy:.2f} %, loss {loss:.4f}")
    Console(highlight=False).print(scores)


@cli.command(epilog=example("clearhead predict runs/two-layer-iris new.csv --out answers.csv"))
@options(
    RUN,
    click.argument("file"),
    option("--out", metavar="FILE.csv", help="Where to write.  [default: the screen]"),
)
def predict(run: str, file: str, out: str | None) -> None:
    """The label of each example in FILE, with probabilities, as CSV."""
    loaded = load(run)
    raw = read(file, columns=loaded.config["data"]["columns"] or None)
    raw = raw.test or raw  # As `evaluate` does: what was trained on needs no answer.
    if raw.X.ndim == 1 and loaded.kind != "language":
        raise ValueError(f"{file} is a text; this run needs examples such as it was trained on.")
    labels, probabilities = loaded.predict(raw.X)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["label", *(f"p_{label}" for label in loaded.labels)])
    for label, row in zip(labels, probabilities, strict=True):
        writer.writerow([label, *(f"{share:.6g}" for share in row)])
    if out is None:
        click.echo(text.getvalue(), nl=False)
    elif not Path(out).parent.is_dir():
        raise FileNotFoundError(f"{Path(out).parent} is no folder; create it or name another with --out.")
    elif Path(out).is_dir():
        raise IsADirectoryError(f"{out} is a folder; name a file with --out.")
    else:
        path, content = Path(out), text.getvalue().encode("utf-8")
        # A device such as /dev/null is written to, not replaced by a file.
        if path.exists() and not path.is_file():
            path.write_bytes(content)
        else:
            replace({path: content})
        print(f"{len(labels):,} labels written to {out}")


@cli.command(epilog=example('clearhead sample runs/language-shakespeare --prompt "ROMEO:" --length 500'))
@options(
    RUN,
    option("--prompt", help="What to go on from.  [default: a new line]"),
    option("--length", default=500, type=click.IntRange(0), help="How many characters to add."),
    option(
        "--temperature",
        default=0.8,
        type=click.FloatRange(0, 10),
        help="Below 1 the likelier characters get likelier; 0 takes the likeliest.",
    ),
    option(
        "--seed",
        default=0,
        type=click.IntRange(0, 2**63 - 1),
        help="The same seed gives the same text.",
    ),
)
def sample(run: str, prompt: str | None, length: int, temperature: float, seed: int) -> None:
    """Text that goes on from a prompt, by a language model."""
    loaded = load(run)
    if prompt is None:
        prompt = "\n" if "\n" in loaded.labels else loaded.labels[0]
    click.echo(loaded.sample(prompt, length, temperature=temperature, seed=seed))


@cli.command(epilog=example("clearhead bench two-layer"))
@click.argument("what", type=click.Choice(["two-layer", "attention", "language"]), required=False)
def bench(what: str | None) -> None:
    """How fast, beside what one would use instead, on this machine."""
    from clearhead.bench import advice, conditions, race, table
    from clearhead.contests import SHORT

    print(textwrap.fill(conditions(), 79))
    screen, status = Console(highlight=False), Console(stderr=True)
    hints: list[str] = []
    for contest in SHORT[what] if what else itertools.chain(*SHORT.values()):
        print(f"\n{contest.title}", flush=True)
        with status.status("timing ..."):
            timings, left_out = race(contest)
        screen.print(table(timings), end="")
        for reason in left_out:
            print(textwrap.fill(f"left out: {reason}", 79))
        hints += filter(None, [advice(timings)])
    if hints:
        print(f"\n{textwrap.fill(hints[0], 79)}")


cli.add_command(explain)
cli.add_command(check)
