"""The command line: train, evaluate, predict, sample. Bad input gets one line and exit code 2."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from rich.console import Console

from clearhead.checkpoint import (
    Run,
    check_folder,
    load,
    replace,
)
from clearhead.data import Data, Examples, class_indices, full_name, load_data, symbol_numbers
from clearhead.formats import read
from clearhead.learners import learner_of
from clearhead.models import kind_of, parameters, probabilities_of
from clearhead.scores import Scores
from clearhead.train import SCHEDULES, fit

if TYPE_CHECKING:
    from clearhead.models import Model

SECONDS_BETWEEN_SAVES = 10
COLUMNS = {"epoch": "5.0f", "train_loss": "10.4f", "train_accuracy": "10.2f",
           "validation_loss": "15.4f", "validation_accuracy": "10.2f", "seconds": "7.2f"}  # fmt: skip


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
        command = error.ctx.command_path if error.ctx else "clearhead"
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


def _fail(message: str) -> NoReturn:
    print("clearhead:", " ".join(message.split()), file=sys.stderr)
    sys.exit(2)


def _example(*lines: str) -> str:
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


def _options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Several options as one decorator, in the order in which they are shown."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _learning(epochs: int, lr: float, batch_size: int, schedule: str) -> Callable[[Any], Any]:
    return _options(
        click.option("--epochs", default=epochs, show_default=True, help="Passes over the training set."),
        click.option("--lr", default=lr, show_default=True, help="Learning rate."),
        click.option("--batch-size", default=batch_size, show_default=True, help="Examples a step."),
        click.option("--schedule", default=schedule, show_default=True, type=click.Choice(list(SCHEDULES)),
                     help="Of the learning rate; cosine falls to zero."),
        click.option("--patience", type=int, help="Stop after so many epochs that do not better validation."),
        click.option("--validation", type=float, help="Share held out for validation; 0 trains on all."),
        click.option("--seed", default=0, show_default=True, help="Of the split, the weights and the order."),
        click.option("--out", metavar="RUN", help="Folder of the run.  [default: a new one in runs/]"),
    )  # fmt: skip


DATA = click.option("--data", default="digits", show_default=True,
                    help="digits, mnist, a folder of IDX files, or a CSV, Parquet or NPZ file.")  # fmt: skip
TARGET = click.option("--target", metavar="COLUMN", help="The label column of a table.")


def _sizes(model_dim: int, heads: int, layers: int) -> Callable[[Any], Any]:
    return _options(
        click.option("--model-dim", default=model_dim, show_default=True, type=click.IntRange(1),
                     help="Numbers a token."),
        click.option("--heads", "num_heads", default=heads, show_default=True, help="Heads a layer."),
        click.option("--layers", "num_layers", default=layers, show_default=True, help="Blocks."),
    )  # fmt: skip


@click.group(
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    epilog=_example("clearhead train two-layer", "clearhead evaluate runs/two-layer-digits"),
)
@click.version_option(package_name="clearhead")
def cli() -> None:
    """Train a two-layer network or multi-head attention, on your machine alone."""


@cli.group(no_args_is_help=False, epilog=_example("clearhead train attention --data mnist --epochs 5"))
def train() -> None:
    """Train a model, and write the run: a folder with all that repeats it."""


@train.command("two-layer", epilog=_example("clearhead train two-layer --data iris.csv --target species"))
@_options(DATA, TARGET, click.option("--hiddens", default=128, show_default=True, help="Hidden units."))
@_learning(epochs=30, lr=0.5, batch_size=16, schedule="constant")
def train_two_layer(data: str, target: str | None, hiddens: int, **learning: Any) -> None:
    """The network softmax(σ(X W1 + b1) W2 + b2), by gradient descent."""
    from clearhead.two_layer_nn import TwoLayerNN

    def build(loaded: Data) -> Model:
        num_features, num_classes = loaded.train.X.shape[1], len(loaded.labels)
        return TwoLayerNN(num_features, hiddens, num_classes, seed=learning["seed"])

    _train(data, target, build, **learning)


@train.command(
    "attention",
    epilog=_example(
        "clearhead train attention --patch 2 2",
        "clearhead train attention --data mnist --patch 7 7 --epochs 10",
    ),
)
@_options(DATA, TARGET, click.option("--patch", type=int, nargs=2, metavar="HEIGHT WIDTH",
                                     help="Cut images into patches.  [default: rows]"))  # fmt: skip
@_sizes(model_dim=64, heads=8, layers=1)
@_learning(epochs=80, lr=1e-3, batch_size=64, schedule="cosine")
def train_attention(data: str, target: str | None, patch: tuple[int, int] | None, model_dim: int,
                    num_heads: int, num_layers: int, **learning: Any) -> None:  # fmt: skip
    """Self-attention between rows or patches of an image, to classes."""

    def build(loaded: Data) -> Model:
        import torch

        from clearhead.transformer import SequenceClassifier

        torch.manual_seed(learning["seed"])
        return SequenceClassifier(loaded.shape, len(loaded.labels), patch=patch, model_dim=model_dim,
                                  num_heads=num_heads, num_layers=num_layers)  # fmt: skip

    _train(data, target, build, **learning)


@train.command("language", epilog=_example("clearhead train language --data shakespeare.txt --steps 500"))
@_options(click.option("--data", required=True, metavar="FILE", help="A text; nine tenths of it train."),
          click.option("--context", default=64, show_default=True, type=click.IntRange(1),
                       help="Characters that it looks back."),
          click.option("--steps", default=2000, show_default=True, help="Updates in all."))  # fmt: skip
@_sizes(model_dim=128, heads=4, layers=4)
@_learning(epochs=8, lr=2e-3, batch_size=12, schedule="cosine")
def train_language(
    data: str, context: int, model_dim: int, num_heads: int, num_layers: int, **learning: Any
) -> None:
    """Causal self-attention between characters, to the next one.

    An epoch is an equal part of the steps here.
    """

    def build(loaded: Data) -> Model:
        import torch

        from clearhead.transformer import LanguageModel

        torch.manual_seed(learning["seed"])
        return LanguageModel(len(loaded.labels), context, model_dim=model_dim,
                             num_heads=num_heads, num_layers=num_layers)  # fmt: skip

    _train(data, None, build, **learning)


def _train(name: str, target: str | None, build: Callable[[Data], Model], *, out: str | None,
           validation: float | None, seed: int, **learning: Any) -> None:  # fmt: skip
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
    print(f"{name}: {len(data.train.X):,} {what} to train, {len(data.validation.X):,} to validate, "
          f"{len(data.test.X):,} to test; {len(data.labels)} labels")  # fmt: skip
    print(f"{kind_of(model)}: {sum(value.size for value in parameters(model).values()):,} parameters")
    print("epoch  train loss  accuracy %  validation loss  accuracy %  seconds")
    saved = time.monotonic()

    def on_epoch(run: Run) -> None:
        nonlocal saved
        epoch, epochs = len(run.history["epoch"]), learning["epochs"]
        if epoch % max(1, epochs // 10) == 0 or epoch in (1, epochs):
            print(_line(run), flush=True)
        if time.monotonic() - saved > SECONDS_BETWEEN_SAVES:
            run.save(folder)
            saved = time.monotonic()

    run = fit(model, data, seed=seed, on_epoch=on_epoch, **learning)
    run.save(folder)
    training = run.config["training"]
    if "best_epoch" in training:
        print(f"the best weights, those of epoch {training['best_epoch']}, are kept")
    if training.get("interrupted"):
        print(f"stopped by Ctrl-C after {len(run.history['epoch'])} epochs; what was learnt is in {folder}")
        sys.exit(130)
    follow = "sample" if run.scaling is None else "evaluate"
    print(f"written to {folder}; next: clearhead {follow} {folder}")


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


@cli.command(epilog=_example("clearhead evaluate runs/two-layer-digits"))
@_options(
    RUN,
    TARGET,
    click.option("--data", help="Other data: its own test set, or all of it.  [default: the run's test set]"),
)
def evaluate(run: str, data: str | None, target: str | None) -> None:
    """Accuracy, each class and the confusion matrix, on the test set."""
    loaded = load(run)
    examples, what = _examples(loaded, data, target)
    loss, accuracy = learner_of(loaded.model).evaluate(examples)
    if loaded.scaling is None:
        print(f"{what}: {len(examples.X):,} characters")
        print(f"loss {loss:.4f} a character (perplexity {math.exp(loss):.3f}), accuracy {accuracy:.2f} %")
        return
    guessed = probabilities_of(loaded.model, examples.X).argmax(axis=1)
    print(f"{what}: {len(examples.X):,} examples")
    print(f"accuracy {accuracy:.2f} %, loss {loss:.4f}")
    Console(highlight=False).print(Scores.of(examples.Y, guessed, loaded.labels))


def _examples(run: Run, name: str | None, target: str | None) -> tuple[Examples, str]:
    """What a run is evaluated on, scaled as it was trained, and what that is."""
    source = run.config["data"]
    given = {key: source.get(key) for key in ("name_or_path", "seed", "target", "validation")}
    if name is None and given["name_or_path"] is None:
        raise ValueError("the run was trained on data made in Python; name data with --data.")
    if name is None or full_name(name) == given["name_or_path"]:
        data = load_data(**given)
        if data.source["sha256"] != source["sha256"]:
            raise ValueError(
                f"{given['name_or_path']} has changed since the run was trained, and its split with it; "
                "train again, or name other data with --data."
            )
        part = "test" if len(data.test.X) else "validation"
        examples: Examples = getattr(data, part)
        if not len(examples.X):
            raise ValueError(
                f"the run of {given['name_or_path']} has no validation text; name other data with --data."
            )
        return examples, f"{part} set of {given['name_or_path']}"
    raw = read(name, target=target or given["target"], columns=source["columns"] or None)
    raw, what = (raw.test, f"test set of {name}") if raw.test else (raw, f"all of {name}")
    if run.scaling is None:
        if raw.X.ndim != 1 or len(raw.X) < 2:
            raise ValueError(f"{name} is no text of at least 2 characters; a language model needs one.")
        numbers = symbol_numbers(raw.X, run.labels)
        return Examples(numbers[:-1], numbers[1:]), what
    if raw.Y is None:
        raise ValueError(
            f"{name} has no labels to compare with; pass a table and --target, or IDX files with labels."
        )
    return Examples(run.scaled(raw.X), class_indices(raw.Y, run.labels)), what


@cli.command(epilog=_example("clearhead predict runs/two-layer-iris new.csv --out answers.csv"))
@_options(
    RUN,
    click.argument("file"),
    click.option("--out", metavar="FILE.csv", help="Where to write.  [default: the screen]"),
)
def predict(run: str, file: str, out: str | None) -> None:
    """The label of each example in FILE, with probabilities, as CSV."""
    loaded = load(run)
    labels, probabilities = loaded.predict(read(file, columns=loaded.config["data"]["columns"] or None).X)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["label", *(f"p_{label}" for label in loaded.labels)])
    for label, row in zip(labels, probabilities, strict=True):
        writer.writerow([label, *(f"{share:.6g}" for share in row)])
    if out is None:
        click.echo(text.getvalue(), nl=False)
    elif not Path(out).parent.is_dir():
        raise FileNotFoundError(f"{Path(out).parent} is no folder; create it or name another with --out.")
    else:
        # A device such as /dev/null is written to, not replaced by a file.
        write = Path.write_bytes if Path(out).exists() and not Path(out).is_file() else replace
        write(Path(out), text.getvalue().encode("utf-8"))
        print(f"{len(labels):,} labels written to {out}")


@cli.command(epilog=_example('clearhead sample runs/language-shakespeare --prompt "ROMEO:" --length 500'))
@_options(RUN, click.option("--prompt", default="\n", help="What to go on from.  [default: a new line]"),
          click.option("--length", default=500, show_default=True, help="How many characters to add."),
          click.option("--temperature", default=0.8, show_default=True, help="0: always the likeliest."),
          click.option("--seed", default=0, show_default=True, help="For the same text."))  # fmt: skip
def sample(run: str, prompt: str, length: int, temperature: float, seed: int) -> None:
    """Text that goes on from a prompt, by a language model."""
    click.echo(load(run).sample(prompt, length, temperature=temperature, seed=seed))
