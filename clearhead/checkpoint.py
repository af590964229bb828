"""A run: what training made, and everything needed to use it again or to repeat it, as a folder.

config.json         the model's sizes, the data and its split, the settings, label names, input scaling
history.jsonl       a line an epoch
model.safetensors   the parameters by name
report.html         what the command line adds: a page about the run
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as tensors_of
from safetensors.numpy import save as bytes_of

from clearhead.data import Examples, Scaling, class_indices, load_data, symbol_numbers
from clearhead.formats import NAMES, read
from clearhead.models import build, kind_of, parameters, probabilities_of, restore
from clearhead.raw import Array

if TYPE_CHECKING:
    from clearhead.models import Model

FORMAT = 1
FILES = ("config.json", "history.jsonl", "model.safetensors")
HISTORY = ("epoch", "lr", "train_loss", "train_accuracy",
           "validation_loss", "validation_accuracy", "seconds")  # fmt: skip


class Prediction(NamedTuple):
    """Of N examples: the likeliest label's name, labels (N,), and probabilities (N, C)."""

    labels: Array
    probabilities: Array


@dataclass
class Run:
    """A trained model with what belongs to it.

    Attributes
    ----------
    model : TwoLayerNN, SequenceClassifier or LanguageModel
    labels : tuple of str
        The name of each class in order; of a language model, its symbols.
    scaling : Scaling, optional
        What brings raw inputs to the model's scale; None for text.
    history : dict
        A list each with a number an epoch: epoch, lr, train_loss, train_accuracy,
        validation_loss and validation_accuracy (empty without a validation set), seconds.
    config : dict
        Everything needed to repeat the run: model, data, training, seed, versions.

    Examples
    --------
    >>> from clearhead import TwoLayerNN, fit, load_data
    >>> run = fit(TwoLayerNN(64, 8, 10, seed=0), load_data("digits"), epochs=1, lr=0.5, batch_size=64)
    >>> labels, probabilities = run.predict(np.zeros((3, 64)))
    >>> probabilities.shape
    (3, 10)
    """

    model: Model
    labels: tuple[str, ...]
    scaling: Scaling | None
    history: dict[str, list[float]] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """two-layer, attention or language: what `clearhead train` calls the model."""
        return kind_of(self.model)

    def predict(self, X: Any) -> Prediction:
        """Label names and probabilities for raw inputs X, (N, D) or (N, *shape of an example).

        Raises ValueError where X does not fit the model, TypeError for a language model.
        """
        probabilities = probabilities_of(self.model, self.scaled(X))
        return Prediction(np.array(self.labels)[probabilities.argmax(axis=1)], probabilities)

    def scaled(self, X: Any) -> NDArray[np.float32]:
        """What the model sees of raw inputs X, as `predict` takes them: (N, D)."""
        if self.kind == "language":
            raise TypeError("predict is for classifiers, and this run is a language model; use sample.")
        X = np.asarray(X)
        if X.dtype.kind not in "buif":
            raise TypeError(f"X must hold numbers; got {X.dtype}. Convert it with X.astype(float).")
        shape = tuple(self.config["data"]["shape"])
        size = int(np.prod(shape))
        if X.ndim < 2 or X.shape[1:] not in (shape, (size,)):
            one = (
                f" For one example of {size} numbers, pass X[np.newaxis]."
                if X.shape in (shape, (size,))
                else ""
            )
            raise ValueError(
                f"X must be (examples, {', '.join(map(str, shape))}) as in training; got {X.shape}.{one}"
            )
        if not np.isfinite(X).all():
            row = int(np.isfinite(X.reshape(len(X), size)).all(axis=1).argmin())
            raise ValueError(
                f"X[{row}] holds a number that is not finite; replace it or leave that example out."
            )
        flat = X.reshape(len(X), size)
        with np.errstate(over="ignore"):  # What becomes infinite is named below.
            scaled = self.scaling(flat) if self.scaling else flat.astype(np.float32)
        if not np.isfinite(scaled).all():
            row = int(np.isfinite(scaled).all(axis=1).argmin())
            raise ValueError(f"X[{row}] holds a number too large for this run; replace it or leave it out.")
        return scaled

    def sample(self, prompt: str, length: int, *, temperature: float = 1.0, seed: int = 0) -> str:
        """The prompt and `length` more characters, drawn by a language model; the same for the same seed.

        Raises ValueError for an empty prompt or a character that the training text lacks.
        """
        import torch

        from clearhead.transformer import LanguageModel

        if not isinstance(self.model, LanguageModel):
            raise TypeError("sample is for language models, and this run is a classifier; use predict.")
        numbers = {symbol: number for number, symbol in enumerate(self.labels)}
        if unknown := sorted(set(prompt) - set(numbers)):
            raise ValueError(
                f"prompt has {unknown[0]!r}, which the text of this run never had; leave it out."
            )
        if not prompt:
            raise ValueError("prompt is empty; give at least one character to go on from.")
        if not temperature >= 0:
            raise ValueError(f"temperature={temperature} must be 0 or more; 0 takes the likeliest.")
        generator = torch.Generator(self.model.places.device).manual_seed(seed)
        symbols = self.model.generate([numbers[symbol] for symbol in prompt], length,
                                      temperature=temperature, generator=generator)  # fmt: skip
        return "".join(self.labels[number] for number in symbols.tolist())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the folder `path`. A crash leaves each file as it was or as it should be.

        Raises OSError where the folder cannot be written, FileExistsError where it holds other things.
        """
        folder = check_folder(path)
        folder.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps(record) for record in records(self.history)]
        config = {"format": FORMAT, **self.config, "labels": self.labels,
                  "scaling": self.scaling and self.scaling.to_json()}  # fmt: skip
        text = json.dumps(config, indent=2, ensure_ascii=False, default=np.generic.item)
        replace({
            folder / "model.safetensors": bytes_of(parameters(self.model)),
            folder / "history.jsonl": "".join(line + "\n" for line in lines).encode(),
            folder / "config.json": f"{text}\n".encode(),
        })  # fmt: skip


def load(path: str | os.PathLike[str]) -> Run:
    """The run in the folder `path`, as `Run.save` and `clearhead train` write it.

    Raises FileNotFoundError where it is no run, ValueError where a file of it is damaged.
    """
    folder = Path(path).expanduser()
    for name in FILES:
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{folder} is no run: {name} is missing; pass a folder that clearhead train wrote."
            )
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        if config.pop("format") != FORMAT:
            maker = config["versions"]["clearhead"]
        else:
            lines = [json.loads(line) for line in (folder / "history.jsonl").read_text("utf-8").splitlines()]
            history = {name: [line[name] for line in lines if name in {**line}] for name in HISTORY}
            labels, scaling = tuple(config.pop("labels")), config.pop("scaling")
            model = build(config["model"]["kind"], config["model"]["settings"])
            restore(model, tensors_of((folder / "model.safetensors").read_bytes()))
            run = Run(model, labels, scaling and Scaling.from_json(scaling), history, config)
            _check_parts(run)
            return run
    except (AttributeError, KeyError, RuntimeError, SafetensorError, TypeError, ValueError) as error:
        raise ValueError(f"{folder} is damaged ({type(error).__name__}: {error}); train it again.") from error
    raise ValueError(f"{folder} is in another format; read it with clearhead {maker}.")


def _check_parts(run: Run) -> None:
    """Raise where the files do not belong together, so that `predict` would fail later."""
    for name, value in parameters(run.model).items():
        if not np.isfinite(value).all():
            raise ValueError(f"{name} is not finite")
    settings, data = run.config["model"]["settings"], run.config["data"]
    size, columns = int(np.prod(data["shape"])), data["columns"]
    if len(run.labels) != settings["num_symbols" if run.kind == "language" else "num_classes"]:
        raise ValueError(f"{len(run.labels)} labels are not the model's")
    if run.scaling is not None and run.kind == "language":
        raise ValueError("scaling is for classifiers")
    if run.scaling is not None and not {run.scaling.mean.size, run.scaling.spread.size} <= {1, size}:
        raise ValueError(f"scaling is not of {size} numbers")
    if columns and len(columns) != size:
        raise ValueError(f"{len(columns)} columns are not {size} numbers")


def examples_of(run: Run, name: str | None, target: str | None) -> tuple[Examples, str]:
    """What a run is evaluated on, scaled as it was trained, and what that is.

    Without a name, what was held out of its own data: test set, or of a text the validation part;
    else the own test set of the data named, or all of it. Raises what `load_data` raises.
    """
    source = run.config["data"]
    asked = source.get("name_or_path") if name is None else name
    if asked is None:
        raise ValueError("the run was trained on data made in Python; name data with --data.")
    # The digits and MNIST are no tables, whatever the run was trained on.
    columns = {} if asked in NAMES else {"columns": source["columns"] or None}
    try:
        raw = read(asked, target=target or (columns and source.get("target")) or None, **columns)
    except FileNotFoundError:
        if name is not None:
            raise
        raise FileNotFoundError(
            f"the run was trained on {asked}, which is not there now; name it with --data."
        ) from None
    # The same content, wherever it lies now, is split as it was, so that no training example counts.
    if raw.sha256() == source.get("sha256"):
        data = load_data(asked, source["seed"], target=source["target"], validation=source["validation"])
        part = "test" if len(data.test.X) else "validation"
        examples: Examples = getattr(data, part)
        if not len(examples.X):
            raise ValueError(f"the run of {asked} has no validation text; name other data with --data.")
        return examples, f"{part} set of {asked}"
    if name is None:
        raise ValueError(
            f"{asked} or its --target has changed since the run was trained, and its split with it; "
            "train again, or name other data with --data."
        )
    raw, what = (raw.test, f"test set of {name}") if raw.test else (raw, f"all of {name}")
    if run.kind == "language":
        if raw.X.ndim != 1 or len(raw.X) < 2:
            raise ValueError(f"{name} is no text of at least 2 characters; a language model needs one.")
        numbers = symbol_numbers(raw.X, run.labels)
        return Examples(numbers[:-1], numbers[1:]), what
    if raw.Y is None:
        raise ValueError(
            f"{name} has no labels to compare with; pass a table and --target, or IDX files with labels."
        )
    return Examples(run.scaled(raw.X), class_indices(raw.Y, run.labels)), what


def check_folder(path: str | os.PathLike[str]) -> Path:
    """The path, if a run may be written there. Raises FileExistsError where other things are."""
    folder = Path(path).expanduser()
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file; a run is a folder: choose another name.")
    found = {entry.name for entry in folder.iterdir()} if folder.exists() else set()
    # A crash in the first save leaves some of a run's files; they may be written again.
    if found - set(FILES) and not found >= set(FILES):
        raise FileExistsError(f"{folder} holds other files and no run; choose a new or empty folder.")
    return folder


def records(history: dict[str, list[float]]) -> Iterator[dict[str, float]]:
    """The history an epoch at a time, each with the names that have a number then."""
    for i in range(len(history.get("epoch", []))):
        yield {name: numbers[i] for name, numbers in history.items() if numbers}


def versions() -> dict[str, str]:
    """What a run was made with, to be kept beside it."""
    found = {name: version(name) for name in ("clearhead", "numpy", "torch") if find_spec(name)}
    return {"python": platform.python_version(), **found}


def replace(files: dict[Path, bytes]) -> None:
    """Write files so that a crash leaves each old or new, never half of it.

    All are on the disk before the first takes its place, so that they hardly ever differ in age.
    """
    new = {path: path.with_name(f".{path.name}.{os.getpid()}") for path in files}
    try:
        for path, content in files.items():
            with new[path].open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for path in files:
            os.replace(new[path], path)
    finally:
        for path in files:
            new[path].unlink(missing_ok=True)
