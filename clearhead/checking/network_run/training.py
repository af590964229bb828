"""Training for a few epochs in batches: which examples were seen, in which order, and what moved."""

from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.network_run.making import forms_of_labels, turned
from clearhead.checking.network_run.network import Network
from clearhead.checking.network_run.sending import Send, parameters
from clearhead.checking.network_run.settings import set_numbers
from clearhead.checking.recorder import line_of, said
from clearhead.checking.subject import cloned


def examples(network: Network, seed: int, epochs: int, batch: int) -> dict[str, Any]:
    """What there is to train on, and to validate with, in the learner's layout."""
    columns, labels = network.plan.columns, network.plan.labels or "one-hot"
    drawn, held = (
        probes.training(each, network.sizes["D"], network.sizes["C"]) for each in (seed, seed + probes.HELD)
    )
    validation = {**forms_of_labels(held, columns), "column": held["labels"]}
    return {
        "X": turned(drawn["X"], columns), **forms_of_labels(drawn, columns),
        "X_val": turned(held["X"], columns), "Y_val": validation[labels],
        "epochs": epochs, "batch": batch, "log": 1,
    }  # fmt: skip


def train(network: Network, send: Send) -> None:
    """Train the rewritten code, and send what it recorded and where the parameters ended."""
    way = network.plan.way("train")
    if way is None:
        return
    seed, recorder = probes.SEEDS[0], network.learner.recorder
    epochs, batch = probes.TRAINING["epochs"], probes.TRAINING["batch"]
    with network.learner.recording():
        thing, values = network.ready(seed)
        values |= examples(network, seed, epochs, batch)
        values["Y"] = values[way.labels]
        amounts = {"epochs": epochs, "batch": batch}
        kept = {role for role, n in amounts.items() if set_numbers(thing, network.learner.kept, **{role: n})}
        before = network.slots.get(cloned(thing))
        given = {role: np.array(values[role]) for role in ("X", "Y")}
        recorder.clear()
        recorder.left *= 2
        recorder.on = True
        message, line, made = "", 0, None
        try:
            made = network.call(thing, way, values)
        except Exception as error:
            message, line = said(error), line_of(error, network.learner.source.name)
        finally:
            recorder.on = False
    meta, arrays = recorder.answer()
    arrays |= parameters("before", before)
    arrays |= parameters("after", network.updated(thing, made))
    spoiled = [role for role in given if not np.array_equal(given[role], values[role])]
    data = {"epochs": epochs, "batch": batch, "message": message, "line": line, "spoiled": spoiled}
    data["holds"] = not network.learner.bare or bool(network.returned_parameters(made))
    roles = sorted({*way.binding.values()} | kept)
    send({"part": "trained", "seed": seed, "roles": roles, **data, **meta}, arrays)
