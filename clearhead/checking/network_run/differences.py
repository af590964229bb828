"""The learner's own loss on both sides of the parameters, and gradients with a penalty on the weights."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.contents import flat
from clearhead.checking.network_run.learner import Way
from clearhead.checking.network_run.network import Network
from clearhead.checking.network_run.sending import Send, outcome, parameters
from clearhead.checking.network_run.settings import set_numbers
from clearhead.checking.subject import cloned

STEP = 1e-5


def differences(network: Network, send: Send, reg: float = 0.0) -> None:
    """Send central differences of the loss, along one random direction for each parameter."""
    if not {"loss", "forward"} <= network.plan.ways.keys():
        return
    if reg and network.plan.names("loss") & {*network.learner.subject.helpers}:
        return  # It knows of no penalty, which is added elsewhere.
    try:
        slopes = {
            f"{number}/{role}": np.array([slope])
            for number, way in enumerate(network.plan.ways["loss"][:2])
            for role, slope in _slopes(network, way, reg)
        }
    except Exception:
        return
    send({"part": "differences", "reg": reg, "order": list(network.slots.paths)}, slopes)


def _slopes(network: Network, way: Way, reg: float) -> Iterator[tuple[str, float]]:
    """The slope of the loss along each parameter that can be moved freely."""
    drawn = network.drawn(probes.SEEDS[0])
    for index, role in enumerate(network.slots.paths):
        value = drawn[role]
        if role in network.slots.floats or network.slots.single(role, value):
            continue
        direction = STEP * probes.direction(probes.SEEDS[0], index, value.shape)
        ends = [_loss_at(network, way, reg, **{role: value + sign * direction}) for sign in (1, -1)]
        yield role, (ends[0] - ends[1]) / (2 * STEP)


def _loss_at(network: Network, way: Way, reg: float, **moved: Any) -> float:
    thing, values = network.ready(probes.SEEDS[0], **moved)
    set_numbers(thing, network.learner.kept, reg=reg)
    values["reg"] = reg
    network.forward(thing, values)
    values["Y"] = values[way.labels]
    kept = network.outputs_in(thing)
    if "y" not in values and kept:
        values["y"] = kept[-1]
    return float(next(flat(network.call(thing, way, values)))[1].reshape(-1)[0])


def regularised(network: Network, send: Send) -> None:
    """Backward and the differences once more with a penalty on the weights, where the code has one."""
    way = network.plan.way("backward")
    if way is None:
        return
    takes = [argument.name for argument in network.learner.arguments(way.name) if argument.role == "reg"]
    thing, _ = network.ready(probes.SEEDS[0])
    if not set_numbers(thing, network.learner.kept, reg=probes.PENALTY) and not takes:
        return
    with contextlib.suppress(Exception):
        _penalised(network, send, replace(way, binding={**way.binding, **dict.fromkeys(takes, "reg")}))
    differences(network, send, probes.PENALTY)


def _penalised(network: Network, send: Send, way: Way) -> None:
    thing, values = network.after(way.before, probes.SEEDS[0])
    set_numbers(thing, network.learner.kept, reg=probes.PENALTY)
    before = cloned(thing)
    made = network.call(thing, way, {**values, "reg": probes.PENALTY, "Y": values[way.labels]})
    data, arrays = outcome(made, network.changes(before, thing))
    arrays |= parameters("after", network.slots.get(thing))
    header = {"kind": "regularised", "seed": probes.SEEDS[0], "reg": probes.PENALTY, "roles": way.binding}
    send({"part": "observed", **header, **data}, arrays)
