"""The training loop for all models: epochs, validation, early stopping, learning rates, progress."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from clearhead.checkpoint import (
    HISTORY,
    Run,
    versions,
)
from clearhead.data import Data, Examples
from clearhead.learners import Learner, learner_of
from clearhead.models import kind_of, parameters, restore, settings_of
from clearhead.raw import Array

if TYPE_CHECKING:
    from clearhead.models import Model

SECONDS_BETWEEN_DRAWINGS = 0.1


def fit(
    model: Model,
    data: Data,
    *,
    epochs: int,
    lr: float,
    batch_size: int,
    schedule: Literal["constant", "cosine"] = "constant",
    patience: int | None = None,
    seed: int = 0,
    on_epoch: Callable[[Run], object] | None = None,
    steps: int | None = None,
) -> Run:
    """Train a model on data.train, and return the run.

    A TwoLayerNN learns by plain gradient descent; the models of attention by AdamW (Loshchilov &
    Hutter 2019; weight decay 0.1 on matrices, gradients clipped to norm 1), the learning rate
    rising over the first twentieth of the steps. Ctrl-C ends the training and keeps what was learnt.

    Parameters
    ----------
    model : TwoLayerNN, SequenceClassifier or LanguageModel
        Trained in place, on the device where it is.
    data : Data
        From load_data.
    epochs : int
        How often every training example (or the whole text) is visited, in a new order each time.
    lr : float
        The learning rate, the highest one where it changes.
    batch_size : int
        Examples (for text: windows of model.context symbols) a step.
    schedule : "constant" or "cosine"
        cosine: down to zero along half a cosine (Loshchilov & Hutter 2017), step by step.
    patience : int, optional
        Stop after so many epochs without a lower validation loss, and go back to the best.
    seed : int
        Fixes the order of the examples.
    on_epoch : callable, optional
        Called with the run so far after each epoch.
    steps : int, optional
        So many steps in all, shared out among the epochs, instead of whole passes.

    Raises
    ------
    ValueError, TypeError
        Where an argument does not fit.
    FloatingPointError
        Where the loss is no longer finite: names epoch, step and the parameter that went first.

    Examples
    --------
    >>> from clearhead import TwoLayerNN, load_data
    >>> data = load_data("digits", seed=0)
    >>> run = fit(TwoLayerNN(64, 16, 10, seed=0), data, epochs=2, lr=0.5, batch_size=64)
    >>> run.history["epoch"]
    [1, 2]
    """
    _check(data, epochs, lr, batch_size, schedule, patience, seed, steps)
    kind = kind_of(model)
    learner = learner_of(model)
    learner.check(data)
    total = steps or epochs * math.ceil(learner.count(data.train) / batch_size)
    ends = np.linspace(0, total, epochs + 1).round().astype(int)
    run = Run(model, data.labels, data.scaling, {name: [] for name in HISTORY}, {
        "model": {"kind": kind, "settings": settings_of(model)},
        "data": {**data.source, "shape": data.shape or data.train.X.shape[1:], "columns": data.columns},
        "training": {"epochs": epochs, "lr": lr, "batch_size": batch_size, "schedule": schedule,
                     "patience": patience, "seed": seed, "steps": steps},
        "versions": versions(),
    })  # fmt: skip
    batches = _batches(learner, data.train, batch_size, np.random.default_rng(seed))
    best_loss, best, best_epoch, epoch = math.inf, parameters(model), 0, 1

    def rate_at(step: int) -> float:
        return lr * learner.warmth((step + 1) / total) * SCHEDULES[schedule](step / total)

    try:
        with _Bar(epochs, total) as bar, np.errstate(over="ignore", invalid="ignore"):
            for epoch in range(1, epochs + 1):
                began, seen = time.perf_counter(), np.zeros(3)
                learner.begin_epoch()
                for step in range(ends[epoch - 1], ends[epoch]):
                    X, Y = next(batches)
                    try:
                        loss, accuracy = learner.step(X, Y, rate_at(step))
                    except FloatingPointError as first:
                        raise FloatingPointError(
                            f"training diverged in epoch {epoch}, step {step + 1 - ends[epoch - 1]}: {first} "
                            f"is no longer finite; use a lower lr than {lr:g}.") from None  # fmt: skip
                    seen += len(X), len(X) * loss, len(X) * accuracy
                    bar.draw(epoch, step + 1, time.perf_counter() - began, seen)
                record = {"epoch": epoch, "lr": float(rate_at(step))}
                record |= {
                    "train_loss": float(seen[1] / seen[0]),
                    "train_accuracy": float(seen[2] / seen[0]),
                }
                if len(data.validation.X):
                    loss, accuracy = learner.evaluate(data.validation)
                    record |= {"validation_loss": loss, "validation_accuracy": accuracy}
                name, size = _largest(model)
                if not math.isfinite(size + record.get("validation_loss", 0)):
                    raise FloatingPointError(
                        f"training diverged in epoch {epoch}, step {step + 1 - ends[epoch - 1]}: {name} "
                        f"has grown to {size:.1g}; use a lower lr than {lr:g}.")  # fmt: skip
                record["seconds"] = time.perf_counter() - began
                # One assignment, so that Ctrl-C leaves every list of the same length.
                run.history = {name: [*numbers, record[name]] if name in record else numbers
                               for name, numbers in run.history.items()}  # fmt: skip
                if patience is not None and record["validation_loss"] < best_loss:
                    best_loss, best, best_epoch = record["validation_loss"], parameters(model), epoch
                if on_epoch is not None:
                    on_epoch(run)
                if patience is not None and epoch - best_epoch >= patience:
                    break
    except KeyboardInterrupt:
        run.config["training"]["interrupted"] = True
        print(f"stopped by Ctrl-C in epoch {epoch}; what was learnt until then is kept", file=sys.stderr)
    if best_epoch:
        restore(model, best)
        run.config["training"]["best_epoch"] = best_epoch
    return run


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda share: 1.0,
    "cosine": lambda share: 0.5 * (1 + math.cos(math.pi * share)),
}


def _check(data: Data, epochs: int, lr: float, batch_size: int, schedule: str,
           patience: int | None, seed: int, steps: int | None) -> None:  # fmt: skip
    if not isinstance(data, Data):
        raise TypeError(f"data must be what load_data returns; got {type(data).__name__}.")
    for name, number, least in (
        ("epochs", epochs, 1),
        ("batch_size", batch_size, 1),
        ("patience", patience, 1),
        ("seed", seed, 0),
        ("steps", steps, 1),
    ):
        if number is None and name in ("patience", "steps"):
            continue
        if not isinstance(number, int | np.integer):
            raise TypeError(f"{name}={number!r} must be a whole number.")
        if number < least:
            raise ValueError(f"{name}={number} must be at least {least}.")
    if not isinstance(lr, Real):
        raise TypeError(f"lr={lr!r} must be a number.")
    if not (math.isfinite(lr) and lr > 0):
        raise ValueError(f"lr={lr} must be above 0: a step goes against the gradient.")
    if steps is not None and steps < epochs:
        raise ValueError(
            f"steps={steps} leaves some of the epochs={epochs} without a step; use fewer epochs."
        )
    if schedule not in SCHEDULES:
        raise ValueError(f"schedule={schedule!r} must be one of {', '.join(SCHEDULES)}.")
    if patience is not None and not len(data.validation.X):
        raise ValueError(f"patience={patience} needs validation data; load it with a "
                         "validation share above 0, or leave patience out.")  # fmt: skip
    if not len(data.train.X):
        raise ValueError("data.train has no examples; there is nothing to learn from.")
    for part, examples in (("train", data.train), ("validation", data.validation)):
        if not np.isfinite(examples.X).all():
            raise ValueError(
                f"data.{part}.X holds a number that is not finite; replace or leave out those examples."
            )


def _largest(model: Model) -> tuple[str, float]:
    """The parameter with the largest number in it, and that number; not finite before all others."""
    sizes = {name: float(np.nan_to_num(np.abs(value), nan=np.inf, posinf=np.inf).max())
             for name, value in parameters(model).items()}  # fmt: skip
    name = max(sizes, key=sizes.__getitem__)
    return name, sizes[name]


def _batches(learner: Learner, examples: Examples, batch_size: int,
             generator: np.random.Generator) -> Iterator[tuple[Any, Any]]:  # fmt: skip
    """Batches for ever: every example once, in a new order each time, the last batch however small."""
    while True:
        order = learner.order(examples, generator)
        for start in range(0, len(order), batch_size):
            yield learner.batch(examples, order[start : start + batch_size])


class _Bar:
    """A progress bar on a terminal or in a notebook; nothing elsewhere."""

    def __init__(self, epochs: int, total: int) -> None:
        console = Console(stderr=True)
        columns = (TextColumn("epoch {task.fields[epoch]}"), BarColumn(bar_width=None),
                   TextColumn("{task.fields[rate]} examples/s  loss {task.fields[loss]}"),
                   TimeRemainingColumn())  # fmt: skip
        # What is printed meanwhile goes above the bar, but only where both are on the screen.
        self.progress = Progress(*columns, console=console, transient=True,
                                 redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
                                 disable=not (console.is_terminal or console.is_jupyter))  # fmt: skip
        self.task = self.progress.add_task("", total=total, epoch="", rate="", loss="")
        self.epochs, self.drawn = epochs, time.perf_counter()

    def __enter__(self) -> _Bar:
        if not self.progress.disable:
            self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if not self.progress.disable:
            self.progress.stop()

    def draw(self, epoch: int, step: int, seconds: float, seen: Array) -> None:
        if time.perf_counter() - self.drawn < SECONDS_BETWEEN_DRAWINGS:
            return
        self.drawn = time.perf_counter()
        self.progress.update(self.task, completed=step, epoch=f"{epoch}/{self.epochs}",
                             rate=f"{seen[0] / seconds:,.0f}", loss=f"{seen[1] / seen[0]:.4f}")  # fmt: skip
