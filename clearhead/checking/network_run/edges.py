"""Large scores, a probability of zero, a second batch: where right code and fragile code part."""

import contextlib
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.contents import arrays_in, flat
from clearhead.checking.network_run.learner import Way
from clearhead.checking.network_run.network import Network
from clearhead.checking.network_run.sending import Send
from clearhead.checking.subject import cloned

LARGE = 3000  # times the weights, and the exponential of the scores is beyond all numbers


def edges(network: Network, send: Send) -> None:
    """Send what becomes of them."""
    data: dict[str, Any] = {}
    arrays: dict[str, Any] = {}
    if "forward" in network.plan.ways:
        with contextlib.suppress(Exception):
            arrays["overflow"] = _overflow(network)
        with contextlib.suppress(Exception):
            data = _aliases(network)
    for number, way in enumerate(network.plan.ways.get("loss", ())):
        with contextlib.suppress(Exception):
            arrays |= _loss_of_zero(network, way, number)
    send({"part": "edges", **data}, arrays)


def _large(network: Network) -> tuple[Any, dict[str, Any]]:
    """An instance whose scores are large."""
    seed = probes.SEEDS[0]
    return network.ready(seed, W2=network.drawn(seed)["W2"] * LARGE)


def _overflow(network: Network) -> Any:
    """Whether each output is finite; an exception that says it is not is as good."""
    thing, values = _large(network)
    try:
        made = network.forward(thing, values)
    except (ArithmeticError, ValueError):
        return np.zeros(1)
    outputs = network.outputs_of(made) or network.outputs_in(thing)
    return np.array([float(np.isfinite(value).all()) for value in outputs[:4]])


def _loss_of_zero(network: Network, way: Way, number: int) -> dict[str, Any]:
    """The loss where a label has no probability, and the probabilities where they are made on the way."""
    roles = way.roles
    if roles & {"X", "cache"} or not roles & {"y", "z2"}:
        thing, values = _large(network)
        if "forward" in network.plan.ways:
            network.forward(thing, values)
        made = {"shares_large": np.asarray(values.get("y", np.zeros(0)), float)}
    else:
        thing, values = network.after("forward", probes.SEEDS[0])
        values["y"], made = _without_label(network, values), {}
    values = network.given(thing, {**values, "Y": values[way.labels]})
    if _overflows(network, way, *cloned((thing, values))):
        made[f"loss_overflows{number}"] = np.ones(1)
    try:
        loss = next(value for _, value in flat(network.call(thing, way, values)))
    except (ArithmeticError, ValueError):
        loss = np.array(np.inf)
    except StopIteration:
        return made
    return {**made, f"loss_of_zero{number}": np.asarray(loss, float).reshape(-1)[:1]}


def _overflows(network: Network, way: Way, thing: Any, values: dict[str, Any]) -> bool:
    """Whether a number becomes too large on the way."""
    try:
        network.call(thing, way, values, over="raise")
    except FloatingPointError:
        return True
    except Exception:
        return False
    return False


def _without_label(network: Network, values: dict[str, Any]) -> Any:
    """Shares of which the first example has all in a class that is not its own."""
    shares = values["shares"].copy()
    rows = shares.T if network.plan.columns else shares
    rows[0] = np.eye(len(rows[0]))[(values["index"][0] + 1) % len(rows[0])]
    return shares


def _aliases(network: Network) -> dict[str, Any]:
    """Whether a later forward pass changes what an earlier one returned, or a parameter."""
    way = network.plan.ways["forward"][0]
    thing, values = network.ready(probes.SEEDS[0])
    _, others = network.ready(probes.SEEDS[1])
    before, containers = {path for path, _ in arrays_in(thing)}, _containers(network, thing)
    first = network.call(thing, way, values)
    kept = [np.array(value) for _, value in flat(first)]
    parts = first if isinstance(first, tuple) else (first,)
    shared = any(part is container for part in parts for container in containers)
    grown = _is_shared(network, thing) and {path for path, _ in arrays_in(thing)} != before
    network.call(thing, way, network.given(thing, {**values, "X": others["X"]}))
    pairs = zip(flat(first), kept, strict=False)
    changed = [path for (path, value), old in pairs if not np.array_equal(value, old, equal_nan=True)]
    return {"alias_changed": changed, "alias_same": shared or grown}


def _is_shared(network: Network, thing: Any) -> bool:
    """Whether what holds the parameters is the caller's, or is an attribute under two names."""
    holder = network.slots.paths["W1"][0][:-1]
    kept = list(getattr(thing, "__dict__", {}).items())
    named = [value for key, value in kept if holder == (f".{key}",) and isinstance(value, dict)]
    return network.learner.bare or any(sum(value is each for _, value in kept) > 1 for each in named)


def _containers(network: Network, thing: Any) -> list[Any]:
    """What an instance, or the caller of bare functions, keeps parameters in."""
    if network.learner.bare:
        return [thing.params]
    return [value for value in getattr(thing, "__dict__", {}).values() if isinstance(value, dict | list)]
