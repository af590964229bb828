"""Finding what makes gradients, what updates the parameters with them, and what trains."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.contents import flat
from clearhead.checking.network_run.attempts import Attempt, Wanted, attempts
from clearhead.checking.network_run.learner import LABELS, Way
from clearhead.checking.network_run.names import CALLED, says
from clearhead.checking.network_run.network import Network
from clearhead.checking.network_run.training import examples

BACKWARD = (
    "X",
    "Y",
    "cache",
    "y",
    "h",
    "lr",
    "params",
    "W1",
    "W2",
    "b1",
    "b2",
    "z1",
    "z2",
    "reg",
    "N",
    "batch",
)
STEP = {
    "new": ("X", "Y", "lr", "params", "reg"),
    "backward": (
        "grads", "lr", "params", "X", "Y", "cache", "dW1", "db1", "dW2", "db2", "W1", "b1", "W2", "b2",
        "y", "reg",
    ),
}  # fmt: skip
TRAIN = ("X", "Y", "X_val", "Y_val", "lr", "epochs", "batch", "H", "log", "params", "D", "C", "shape", "reg")
GIVEN_TO_TRAIN = ("lr", "epochs", "batch", "X_val", "Y_val", "log", "H", "D", "C", "shape", "reg")


def find_backward(network: Network) -> None:
    """The function that makes gradients, be it of what only the loss has kept."""
    _find_backward(network, "forward")
    if "backward" not in network.plan.ways and "loss" in network.plan.ways:
        _find_backward(network, "loss")


def _find_backward(network: Network, before: str) -> None:
    """The function that returns gradients, or else keeps them, or else moves the parameters."""
    learner, plan = network.learner, network.plan
    loss = plan.way("loss")
    labels = tuple(dict.fromkeys([loss.labels, *LABELS])) if loss is not None else LABELS
    wanted = Wanted("backward", BACKWARD, ("lr", "reg", "Y"), labels, before)
    thing, values = network.after(before, probes.SEEDS[0])
    best = 0
    for attempt in attempts(network, wanted, learner.ways("backward", "loss", "step"), thing, values):
        moved = network.moved(thing, attempt.thing)
        score, sure = _score(network, thing, attempt), learner.sure("backward", attempt.way.name)
        fed = attempt.roles & {"Y", "y", "cache"} or _is_handed("forward", attempt)
        if not score or not (fed or sure):
            continue  # Drawing new parameters moves them too.
        if score > best:
            best = score
            plan.ways["backward"], plan.labels = [attempt.way], attempt.way.labels
            left = _kept_for_later(network, thing, attempt, {"W1", "W2"} - moved)
            later = left or _named_steps(network, attempt.way.name)
            plan.moves = {"W1", "W2"} <= moved or bool(moved and not later)
        if best == RETURNED or sure:
            return


def _named_steps(network: Network, backward: str) -> list[str]:
    """Functions whose names say that they update, besides the one that makes gradients."""
    return [name for name in network.learner.ways("step") if says(name, "step") and name != backward]


def _kept_for_later(network: Network, before: Any, attempt: Attempt, weights: set[str]) -> bool:
    """Whether a call kept something of the shape of weights that it did not move."""
    kept = {np.shape(value) for _, value in network.changes(before, attempt.thing)}
    return any(network.slots.shapes[role] in kept for role in weights & network.slots.shapes.keys())


MOVED, KEPT, RETURNED = 1, 2, 3


def _score(network: Network, before: Any, attempt: Attempt) -> int:
    """Gradients that are returned rather than parameters that moved, where names leave it open."""
    own, named = network.slots.get(before), says(attempt.way.name, "backward")
    weights = [own[role] for role in ("W1", "W2") if role in own]
    returned = [
        v for _, v in flat(attempt.made) if not any(np.array_equal(v, weight) for weight in weights)
    ]  # fmt: skip
    if _like_weights(network, returned) and (named or any(map(np.any, returned))):
        return RETURNED
    if network.moved(before, attempt.thing):
        return MOVED
    kept = [value for _, value in network.changes(before, attempt.thing)]
    return KEPT if _like_weights(network, kept) and (named or any(map(np.any, kept))) else 0


def _is_handed(kind: str, attempt: Attempt) -> bool:
    """Whether a function was handed what one of a kind returned, as the learner's own code does."""
    return any(role.startswith(f"{kind}(") for role in attempt.roles)


def _like_weights(network: Network, values: Sequence[Any]) -> bool:
    """Whether there is something of the shape of each of the weights."""
    shapes = {shape for value in values for shape in (value.shape, value.shape[::-1])}
    return all(network.slots.shapes[role] in shapes for role in ("W1", "W2"))


def find_step(network: Network) -> None:
    """How one update is made: by backward itself, or by a function on new examples or after backward."""
    plan, learner = network.plan, network.learner
    backward = plan.way("backward")
    if plan.moves and backward is not None:
        plan.ways["step"] = [backward]
        return
    within = learner.called_within(learner.ways("train"))
    for name in [*learner.ways("step"), *within]:
        if "epochs" in {argument.role for argument in learner.arguments(name)}:
            continue  # It makes many.
        late = any(role.startswith("backward(") for role in network.handed(name).values())
        for before, pool in STEP.items():
            if name in plan.names("backward") or (backward is None if before == "backward" else late):
                continue
            way = _step(network, name, Wanted("step", pool, ("lr",), network.labels(), before))
            if way is not None:
                plan.ways["step"] = [way]
                return


def _step(network: Network, name: str, wanted: Wanted) -> Way | None:
    thing, values = network.after(wanted.before, probes.SEEDS[0])
    for attempt in attempts(network, wanted, [name], thing, values):
        told = attempt.roles & {"Y", "grads", "dW1", "lr"} or _is_handed("backward", attempt)
        told = (
            told
            or network.learner.sure("step", name)
            or (_is_alone(network, name) and wanted.before == "backward")
        )
        handed = network.learner.bare and attempt.roles & {"params", *network.slots.paths}
        if told and _moves(network, thing, attempt, returned=bool(handed)):
            return attempt.way
    return None


def _is_alone(network: Network, name: str) -> bool:
    """Whether a function wants nothing and draws nothing: what it moves parameters with, it finds."""
    learner = network.learner
    return not learner.arguments(name) and CALLED["initialize"].isdisjoint(learner.called.get(name, ()))


def _moves(network: Network, before: Any, attempt: Attempt, returned: bool = True) -> bool:
    """Whether a call moved parameters, or returned other ones than it was given."""
    if network.moved(before, attempt.thing):
        return True
    made = network.returned_parameters(attempt.made) if returned else {}
    weights = [role for role in ("W1", "W2") if role in made and role in attempt.given]
    return any(not np.array_equal(made[role], attempt.given[role]) for role in weights)


def find_train(network: Network) -> None:
    """The function that trains: one that moves the parameters, or whose name says so."""
    plan = network.plan
    taken = {"forward", "backward", *plan.names("forward", "backward", "step")}
    names = [name for name in network.learner.ways("train") if name not in taken]
    thing, values = network.ready(probes.SEEDS[0])
    values |= examples(network, probes.SEEDS[0], 1, probes.TRAINING["N"])
    wanted = Wanted("train", TRAIN, GIVEN_TO_TRAIN, network.labels(), "new")
    for attempt in attempts(network, wanted, names, thing, values):
        if not attempt.roles & {"X", "Y"}:
            continue
        if _moves(network, thing, attempt):
            plan.ways["train"] = [attempt.way]
            return
        told = network.learner.told(attempt.way.name, attempt.way.binding) & {"epochs", "batch"}
        if told or re.match(r"train|fit|learn", attempt.way.name, re.I):
            plan.ways.setdefault("train", [attempt.way])
