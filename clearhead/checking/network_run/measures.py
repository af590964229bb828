"""Finding the loss and the accuracy: functions that make one number of labels and what was predicted."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from clearhead.checking import probes
from clearhead.checking.contents import flat
from clearhead.checking.network_run.attempts import Attempt, Wanted, attempts, several
from clearhead.checking.network_run.learner import LABELS, Learner, Way
from clearhead.checking.network_run.names import says
from clearhead.checking.network_run.network import Network

LOSS = ("Y", "y", "X", "z2", "cache", "params", "W1", "W2", "reg", "b1", "b2", "N", "batch")
ACCURACY = ("Y", "y", "X", "params", "W1", "b1", "W2", "b2")


def find_loss(network: Network) -> None:
    """Ways of a function that returns a real number first."""
    learner = network.learner
    beside = [name for name in learner.subject.helpers if says(name, "loss")]
    names = [*learner.ways("loss"), *beside]
    forward = network.plan.way("forward")
    if forward is not None and "Y" in forward.roles and forward.name not in names:
        names.append(forward.name)
    _find(network, Wanted("loss", LOSS, ("reg", "params", "Y"), LABELS), names)


def find_accuracy(network: Network) -> None:
    """Ways of a function that returns a number, and does nothing else that is known."""
    taken = {network.making.function, *network.plan.names("forward", "backward", "step", "train", "loss")}
    learner = network.learner
    # One that predicts, and is given labels, may tell how many it got right.
    judging = (
        name for name in learner.subject.functions if says(name, "forward") and _takes_labels(learner, name)
    )
    names = [name for name in (*learner.ways("accuracy"), *judging) if name not in taken]
    _find(network, Wanted("accuracy", ACCURACY, ("params",), network.labels()), names)


def _takes_labels(learner: Learner, name: str) -> bool:
    return any(argument.role in ("Y", "amb") and argument.required for argument in learner.arguments(name))


def _find(network: Network, wanted: Wanted, names: list[str]) -> None:
    thing, values = network.after("forward", probes.SEEDS[0])
    # Shares that have nothing to do with the labels tell more than a trained network's.
    given = {**values, "y": values["shares"]}
    found = several(
        attempts(network, wanted, names, thing, given),
        lambda attempt: _FITS[wanted.kind](attempt) and _only_counts(network, thing, attempt),
    )
    if found:
        guessing = _guessing(network, found) if wanted.kind == "accuracy" else []
        network.plan.ways[wanted.kind] = [*found, *guessing]


def _guessing(network: Network, found: Sequence[Way]) -> list[Way]:
    """Ways of a function that is handed the likeliest classes, and not how likely each is."""
    ways = []
    for way in found:
        roles = {name: "guess" if role == "y" else role for name, role in way.binding.items()}
        thing, values = network.after("forward", probes.SEEDS[0])
        other, given = replace(way, binding=roles), {**values, "Y": values[way.labels]}
        with contextlib.suppress(Exception):
            if roles != way.binding and any(
                value.size == 1 for _, value in flat(network.call(thing, other, given))
            ):
                ways.append(other)
    return ways


def _is_loss(attempt: Attempt) -> bool:
    numbers = [value for _, value in flat(attempt.made)][:1]
    return "Y" in attempt.roles and any(value.size == 1 and value.dtype.kind == "f" for value in numbers)


def _is_accuracy(attempt: Attempt) -> bool:
    judged = "Y" in attempt.roles and attempt.roles & {"X", "y"}
    return bool(judged) and any(value.size == 1 for _, value in flat(attempt.made))


def _only_counts(network: Network, before: Any, attempt: Attempt) -> bool:
    """Whether a call left the parameters alone, unless its name says that it may make gradients too."""
    named = says(attempt.way.name, "loss") or says(attempt.way.name, "accuracy")
    return named or not network.moved(before, attempt.thing)


_FITS = {"loss": _is_loss, "accuracy": _is_accuracy}
