"""Finding the forward pass, and the biases that it follows."""

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.binding import role_of
from clearhead.checking.contents import Path, arrays_in, flat, placed, said_path
from clearhead.checking.network_run.attempts import Attempt, Wanted, attempts
from clearhead.checking.network_run.learner import LABELS
from clearhead.checking.network_run.network import Network
from clearhead.checking.subject import seed_all

POOL = ("X", "params", "W1", "b1", "W2", "b2", "reg")
WANTED = Wanted("forward", POOL, before="new")
WITH_LABELS = Wanted("forward", ("X", "Y", *POOL[1:]), labels=LABELS, before="new")  # It makes the loss too.


def find_forward(network: Network) -> None:
    """The forward pass, if need be with weights whose axes are exchanged."""
    sizes = network.sizes
    if _find_forward(network):
        return
    vague = network.plan.ways.get("forward")
    alike = len({*sizes.values()}) < len(sizes)  # Then it is open how the weights lie.
    for roles in () if alike else ({"W1", "W2"}, {"W1"}, {"W2"}):
        network.slots.turned = roles
        if _find_forward(network, vague=False):
            return
    network.slots.turned = set()
    if network.learner.crashes.get("forward", {}).get("sure"):
        network.plan.ways.pop("forward", None)  # What gives but rows is none: one is there, and falls.
        vague = None
    if vague is not None:
        network.plan.ways["forward"] = vague
    elif "forward" in network.learner.crashes and _takes_one(network):
        network.learner.one_by_one = True
        network.learner.crashes["forward"]["sure"] = False


def _find_forward(network: Network, vague: bool = True) -> bool:
    """Find a function that makes a row for each example and a column for each class, or at least a row."""
    thing, _ = network.ready(probes.SEEDS[0])
    before = {said_path(path) for path, _ in arrays_in(thing)}
    rows = None
    for columns in (False, True):
        network.plan.columns = columns
        for attempt in _attempts(network, thing):
            output = _has_output(network, attempt, before)
            if output and _follows_parameters(network, attempt):
                inner = _inner(network, attempt)
                fits = (each for each in inner if _has_output(network, each, before))
                network.plan.ways["forward"] = [next(fits, attempt).way]
                return True
            if vague and rows is None and (output or _has_rows(network, attempt.made)):
                rows = columns, attempt.way
    network.plan.columns = False
    if rows is not None:
        network.plan.columns, network.plan.ways["forward"] = rows[0], [rows[1]]
    return False


def _takes_one(network: Network) -> bool:
    """Whether some function makes an output of one example, as a row by itself or as a column."""
    thing, values = network.ready(probes.SEEDS[0])
    ways = (_attempts(network, thing, X=x) for x in (values["X"][0], values["X"][:1].T))
    made = (flat(attempt.made) for attempt in itertools.chain(*ways))
    return any(value.size == network.sizes["C"] for parts in made for _, value in parts)


def _inner(network: Network, outer: Attempt) -> Iterator[Attempt]:
    """Calls of what a function calls, where it is that one's result which is handed on, and not its own."""
    calls = network.learner.calls
    handed = {origin.function for call in calls for origin in call.origins.values()}
    own = outer.way.name
    names = {call.function for call in calls if call.caller == own} & handed - {own}
    if own in handed or not names:
        return iter(())
    thing, _ = network.ready(probes.SEEDS[0])
    return _attempts(network, thing, sorted(names))


def _attempts(network: Network, thing: Any, names: Sequence[str] = (), **other: Any) -> Iterator[Attempt]:
    given = {**network.values(network.drawn(probes.SEEDS[0]), thing), **other}
    names = names or network.learner.ways("forward", "loss")
    # An instance has its parameters: what else there is are labels.
    kinds = (WANTED, WITH_LABELS) if network.learner.bare else (WITH_LABELS,)
    ways = (attempts(network, wanted, names, thing, given) for wanted in kinds)
    return (each for each in itertools.chain(*ways) if "X" in each.roles and _agrees(each.way.binding))


def _agrees(binding: Mapping[str, str]) -> bool:
    """Whether what is named as the examples is given them.

    >>> _agrees({"X": "W2", "Y": "X"}), _agrees({"a": "W2", "b": "X"})
    (False, True)
    """
    return all(role == "X" for name, role in binding.items() if role_of(name) == "X")


def _has_output(network: Network, attempt: Attempt, before: set[str]) -> bool:
    """Whether a call returned an output, or a number at most and kept one where there was none before."""
    # Labels that are handed on are none.
    made = [v for v in network.outputs_of(attempt.made) if not np.isin(v, (0, 1)).all()]
    if any(value.dtype.kind == "f" for value in made):
        return True
    kept = (path for path, value in arrays_in(attempt.thing) if network.is_output(value))
    numbers = attempt.made is None or all(value.size == 1 for _, value in flat(attempt.made))
    return numbers and any(said_path(path) not in before for path in kept)


def _follows_parameters(network: Network, attempt: Attempt) -> bool:
    """Whether a call makes something else of other parameters: what only hands on its arguments does not."""
    others = network.drawn(probes.SEEDS[1])
    thing, values = network.ready(probes.SEEDS[0], **{role: others[role] for role in network.slots.paths})
    try:
        seed_all()
        made = network.call(thing, attempt.way, {**values, "Y": values[attempt.way.labels]})
    except Exception:
        return False
    return not _same(_made(attempt.made, attempt.thing), _made(made, thing))


def _has_rows(network: Network, made: Any) -> bool:
    return any(value.ndim == 2 and network.sizes["N"] in value.shape for _, value in flat(made))


def find_biases(network: Network) -> None:
    """Of several arrays that may be a bias, the one that the output follows."""
    if "forward" in network.plan.ways and not network.learner.bare:
        with contextlib.suppress(Exception):
            for role, letter in (("b1", "H"), ("b2", "C")):
                _find_bias(network, role, network.sizes[letter])


def _find_bias(network: Network, role: str, size: int) -> None:
    slots, before = network.slots, _output(network)
    if role not in slots.paths or not _same(before, _output(network, slots.paths[role][0])):
        return
    own = slots.own()
    for path, value in arrays_in(network.ready(probes.SEEDS[0])[0]):
        may_be = isinstance(value, np.ndarray) and value.size == size and value.ndim <= 2
        if (
            may_be
            and path not in own
            and value.dtype.kind == "f"
            and not _same(before, _output(network, path))
        ):
            slots.paths[role], slots.shapes[role] = [path], value.shape
            return


def _output(network: Network, change: Path | None = None) -> list[Any]:
    """All that the forward pass makes, with one array changed."""
    thing, values = network.ready(probes.SEEDS[0])
    if change is not None:
        placed(thing, change, dict(arrays_in(thing))[change] + 0.5)
    made = network.call(thing, network.plan.ways["forward"][0], values)
    return _made(made, thing)


def _made(made: Any, thing: Any) -> list[Any]:
    """The arrays that a call returned, or else all that there are in the instance after it."""
    return [value for _, value in flat(made)] or [np.array(value) for _, value in arrays_in(thing)]


def _same(one: Sequence[Any], other: Sequence[Any]) -> bool:
    return len(one) == len(other) and all(
        np.array_equal(a, b, equal_nan=True) for a, b in zip(one, other, strict=True)
    )
