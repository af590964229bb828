"""The options that commands share, and the example that each shows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import click

from clearhead.train import SCHEDULES

option = partial(click.option, show_default=True)
COUNT = click.IntRange(1)


def example(*lines: str) -> str:
    """The end of a command's help: what one would type."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


def options(*each: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Several options as one decorator, in the order in which they are shown."""

    def decorate(command: Any) -> Any:
        for option in reversed(each):
            command = option(command)
        return command

    return decorate


def learning_options(
    epochs: int,
    lr: float,
    batch_size: int,
    schedule: str,
    help_of_epochs: str = "Passes over the training set.",
) -> Callable[[Any], Any]:
    """Those of the training loop, with a command's own defaults."""
    return options(
        option("--epochs", default=epochs, type=COUNT, help=help_of_epochs),
        option(
            "--lr",
            default=lr,
            type=click.FloatRange(0, min_open=True),
            help="Learning rate.",
        ),
        option("--batch-size", default=batch_size, type=COUNT, help="Examples a step."),
        option(
            "--schedule",
            default=schedule,
            type=click.Choice(list(SCHEDULES)),
            help="Of the learning rate; cosine falls to zero.",
        ),
        option(
            "--patience",
            type=COUNT,
            help="Stop after so many epochs without a lower validation loss, and go back to the best.",
        ),
        option(
            "--validation",
            type=click.FloatRange(0, 1, max_open=True),
            help="Share held out for validation; 0 trains on all.  [default: by the data]",
        ),
        option(
            "--seed",
            default=0,
            type=click.IntRange(0),
            help="Of the split, the weights and the order.",
        ),
        option("--out", metavar="RUN", help="Folder of the run.  [default: a new one in runs/]"),
    )


DATA = option(
    "--data",
    default="digits",
    help="digits, mnist, a folder of IDX files, or a CSV, TSV, Parquet or NPZ file.",
)
TARGET = option("--target", metavar="COLUMN", help="The label column of a table.")


def size_options(model_dim: int, heads: int, layers: int) -> Callable[[Any], Any]:
    """Those of a model of attention."""
    return options(
        option("--model-dim", default=model_dim, type=COUNT, help="Numbers a token."),
        option("--heads", "num_heads", default=heads, type=COUNT, help="Heads a layer."),
        option("--layers", "num_layers", default=layers, type=COUNT, help="Blocks."),
    )
