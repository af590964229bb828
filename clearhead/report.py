"""The report that a training leaves in its run: curves, what is confused with what, one sample traced."""

from __future__ import annotations

from typing import Any

import numpy as np

from clearhead import trace_json, views
from clearhead.checkpoint import Run
from clearhead.data import Data, Examples
from clearhead.explain import traced_sample
from clearhead.models import probabilities_of
from clearhead.recording import TooLargeError
from clearhead.scores import Scores
from clearhead.two_layer_nn import TwoLayerNN, cross_entropy

CONFUSED, UNITS, MOST_LABELS = 8, 256, 30
LARGEST_TRACE = 2**25  # Bytes; of a model above it the report has no traced sample.


def report(run: Run, data: Data) -> str:
    """One HTML file about a run, judged on its validation set, or where it has none on what it learnt.

    >>> from clearhead import TwoLayerNN, fit, load_data
    >>> data = load_data("digits", seed=0)
    >>> run = fit(TwoLayerNN(64, 8, 10, seed=0), data, epochs=1, lr=0.5, batch_size=64)
    >>> "clearhead report" in report(run, data)
    True
    """
    return views.page(document(run, data), title=f"{run.kind} · clearhead")


def document(run: Run, data: Data) -> dict[str, Any]:
    """What the page shows. format and version; kind; history, a list a name; set, the name of the
    examples that were judged; for a classifier scores (labels, confusion, accuracy, loss) and samples
    (the surest errors); units, the hidden weights of each unit where inputs are images; trace, and sample,
    which one is traced.
    """
    name, examples = ("validation", data.validation) if len(data.validation.X) else ("training", data.train)
    made: dict[str, Any] = {"format": "clearhead report", "version": 1, "kind": run.kind, "set": name,
                            "history": run.history, "scores": None, "samples": [], "units": None}  # fmt: skip
    index = 0
    shape = data.shape if len(data.shape) > 1 else None
    if run.kind != "language":
        y = probabilities_of(run.model, examples.X)
        made["scores"] = _scores(examples, y, run.labels)
        wrong = np.flatnonzero(y.argmax(axis=1) != examples.Y)
        surest = wrong[np.argsort(-y[wrong].max(axis=1), kind="stable")][:CONFUSED]
        made["samples"] = [_sample(run, examples, y, int(i), shape) for i in surest]
        index = int(surest[0]) if len(surest) else 0
    if isinstance(run.model, TwoLayerNN) and shape:
        made["units"] = {"shape": list(shape), **trace_json.packed(run.model.params["W1"][:, :UNITS].T)}
    last = None if isinstance(run.model, TwoLayerNN) else [len(run.model.blocks) - 1]
    try:
        traced = traced_sample(run, examples, index, layers=last, limit=LARGEST_TRACE)
    except TooLargeError:
        return made | {"trace": None, "sample": None}
    sample = None if run.kind == "language" else _sample(run, examples, y, index, None)
    return made | {"trace": trace_json.fitted(traced, 0), "sample": sample}


def _scores(examples: Examples, y: Any, labels: tuple[str, ...]) -> dict[str, Any]:
    scores = Scores.of(examples.Y, y.argmax(axis=1), labels)
    loss = float(cross_entropy(y, np.eye(len(labels), dtype=y.dtype)[examples.Y]))
    few = len(labels) <= MOST_LABELS
    return {"labels": labels if few else [], "confusion": scores.confusion.tolist() if few else [],
            "accuracy": scores.accuracy, "loss": loss, "count": len(examples.X)}  # fmt: skip


def _sample(
    run: Run, examples: Examples, y: Any, index: int, shape: tuple[int, ...] | None
) -> dict[str, Any]:
    guess = int(y[index].argmax())
    image = {"shape": list(shape), **trace_json.packed(examples.X[index])} if shape else None
    return {"index": index, "label": run.labels[int(examples.Y[index])], "guess": run.labels[guess],
            "share": 100 * float(y[index, guess]), "image": image}  # fmt: skip
