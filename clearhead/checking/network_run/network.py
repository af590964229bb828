"""A learner's network that can be made, given a probe's numbers, and called."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.binding import NETWORK, arguments_of, bindings, call
from clearhead.checking.contents import arrays_in, flat, parts_of, said_path, shape_of
from clearhead.checking.flows import Origin
from clearhead.checking.network_run.construction import Built
from clearhead.checking.network_run.learner import LABELS, MADE, Learner, Way
from clearhead.checking.network_run.making import forms_of_labels, pairs, turned
from clearhead.checking.network_run.pool import gradients_of, values_of
from clearhead.checking.slots import slots_of
from clearhead.checking.subject import Configuration, quiet

HANDED_ON = ("X", "Y", "params", "W1", "b1", "W2", "b2")  # roles that a value keeps wherever it goes
VALUES = ("y", "h", "z1", "z2")
_NO_PAIRS = ("params", "grads", "shape")  # what lists of pairs are where names say it
COMPANION = ("params", "lr", "X", "Y", "batch", "reg", "epochs")  # what an instance beside a network may want


@dataclass
class Plan:
    """What is known of how a learner's functions are called: ways by kind, the likeliest first."""

    ways: dict[str, list[Way]] = field(default_factory=dict)
    columns: bool = False  # examples lie in columns
    labels: str = ""  # the form that backward takes
    moves: bool = False  # backward moves the parameters itself

    def way(self, kind: str) -> Way | None:
        """The likeliest way to call a function of a kind."""
        return next(iter(self.ways.get(kind, ())), None)

    def names(self, *kinds: str) -> set[str]:
        """The functions that are of these kinds."""
        return {way.name for kind in kinds for way in self.ways.get(kind, ())[:1]}


class Network:
    """A learner, how its network is made, and how its functions are called."""

    def __init__(self, learner: Learner, built: Built) -> None:
        self.learner, self.making, self.slots, self.misfit = learner, built.making, built.slots, built.misfit
        self.sizes = built.sizes
        self.plan = Plan()

    # Making

    def make(self, sizes: Mapping[str, int] | None = None) -> Any:
        """An instance with its own initial parameters."""
        return self.making.make(self.learner, sizes or self.sizes, self.sizes["N"])

    def ready(self, seed: int, **other: Any) -> tuple[Any, dict[str, Any]]:
        """An instance that holds a probe's parameters, or `other` ones, and the probe in its layout."""
        thing = self.make()
        drawn = {**self.drawn(seed), **other}
        self.slots.fill(thing, drawn)
        return thing, self.values(drawn, thing)

    def after(self, kind: str, seed: int) -> tuple[Any, dict[str, Any]]:
        """An instance after its forward pass, its loss and its backward pass, up to one kind of these.

        With it what they returned; "new" is before all of them.
        """
        thing, values = self.ready(seed)
        way = self.plan.way("backward") if kind == "backward" else None
        try:
            if kind != "new" and "forward" in self.plan.ways:
                self.forward(thing, values)
            if "loss" in (kind, way.before if way else "") and (loss := self.plan.way("loss")):
                self.call(thing, loss, {**values, "Y": values[loss.labels]})
            if way:
                made = self.call(thing, way, {**values, "Y": values[way.labels]})
                gradients = {**gradients_of(made, self.slots.shapes), **_by_path("backward", made)}
                values = {**gradients, **values, "grads": made}
        except Exception:  # What it made before that is all there is.
            pass
        return thing, values

    # Values

    def drawn(self, seed: int) -> dict[str, Any]:
        """The numbers of a probe in our layout."""
        return probes.network(seed, **self.sizes)

    def values(self, drawn: Mapping[str, Any], thing: Any) -> dict[str, Any]:
        """The numbers of a probe in the learner's layout, by the roles of arguments."""
        columns, count = self.plan.columns, len(drawn["X"])
        values = {
            "X": turned(drawn["X"], columns), **forms_of_labels(drawn, columns),
            "shares": turned(drawn["shares"], columns), "guess": drawn["shares"].argmax(axis=1),
            "lr": probes.RATE, "reg": 0.0, "epochs": 1, "batch": count, "N": count, "log": 1, "seed": 0,
            "rng": np.random.default_rng(0),
            **{letter: self.sizes[letter] for letter in "DHC"},
            "shape": [self.sizes[letter] for letter in "DHC"],
        }  # fmt: skip
        values["Y"] = values[self.plan.labels or "one-hot"]
        if self.learner.bare:
            values["params"] = thing.params
        return {**values, **self.slots.get(thing)}

    def given(self, thing: Any, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values with an instance's parameters as they are now, for functions that are handed theirs."""
        if not self.learner.bare:
            return dict(values)
        return {**values, **self.slots.get(thing), "params": thing.params}

    def labels(self) -> tuple[str, ...]:
        """The forms of labels to try, that of what is known before the others."""
        return tuple(dict.fromkeys([self.plan.labels or "one-hot", *LABELS]))

    # Calling

    def call(self, thing: Any, way: Way, values: Mapping[str, Any], **errors: Any) -> Any:
        """What a function makes of values, called in one of its ways; `errors` of numbers that count."""
        with quiet(**errors):
            known = {
                **values,
                **pairs(values, self.plan.columns),
                "config": Configuration({**values}, NETWORK),
            }
            for role in way.binding.values():
                if role.startswith(MADE):
                    known[role] = self._companion(role.removeprefix(MADE), thing, known)
            return call(self.learner.subject.function(thing, way.name), way.binding, known)

    def _companion(self, kind: str, thing: Any, values: Mapping[str, Any]) -> Any:
        """An instance of one of the learner's own classes that works with a network."""
        parameters = getattr(thing, "parameters", None)
        known = {**values, "params": parameters() if callable(parameters) else thing}
        made = self.learner.subject.loaded.names[kind]
        for binding in bindings(arguments_of(made), COMPANION, COMPANION, 20):
            with contextlib.suppress(Exception):
                return call(made, binding, known)
        return None

    def rated(self, way: Way) -> bool:
        """Whether something that a function is handed knows the learning rate."""
        kinds = [role.removeprefix(MADE) for role in way.binding.values() if role.startswith(MADE)]
        classes = [self.learner.subject.loaded.names[kind] for kind in kinds]
        return any(argument.role == "lr" for each in classes for argument in arguments_of(each))

    def forward(self, thing: Any, values: dict[str, Any]) -> Any:
        """What the forward pass returns; the values get from it what later functions may ask for."""
        made = self.call(thing, self.plan.ways["forward"][0], values)
        values.update({**values_of(made, self.sizes), **_by_path("forward", made)})
        return made

    def handed(self, name: str) -> dict[str, str]:
        """The roles of what the learner's own code hands to a function, by the first call that tells."""
        taken_apart = self.learner.pairs.get(name, {})
        held_out = {own.name for own in self.learner.arguments(name) if not own.required}
        known = {
            argument: "pair_val" if argument in held_out else "pair"
            for argument, role in taken_apart.items() if role == "pair"
        }  # fmt: skip
        for argument, kind in self.learner.program.companions.get(name, {}).items():
            known[argument] = f"{MADE}{kind}"
        for call_ in self.learner.calls:
            for argument, origin in call_.origins.items() if call_.function == name else ():
                role = self._role(origin, call_.scope)
                if role:
                    known.setdefault(argument, role)
        for each in self.learner.arguments(name):  # What it hands on is what it was handed.
            is_open = each.role in ("", *VALUES)  # A name may seem to say that it is a value: P, a1.
            role = self._role_of_variable(each.name, caller=name) if is_open else ""
            if role and role not in known.values():
                known.setdefault(each.name, role)
        for own in self.learner.arguments(name):
            if taken_apart.get(own.name) == "pairs" and own.role not in _NO_PAIRS:
                known.setdefault(own.name, "pairs" if own.required else "pairs_val")
        return known

    def _role(self, origin: Origin, scope: int) -> str:
        """The role of a value of the learner's own code; "" if none is known."""
        kinds = {way.name: kind for kind in ("forward", "backward", "step") if (way := self.plan.way(kind))}
        if not origin.function:
            return self._role_of_variable(origin.variable, scope=scope)
        kind = "new" if origin.function == self.making.function else kinds.get(origin.function, "")
        if kind in ("forward", "backward"):
            return f"{kind}{origin.path}"
        if not self.learner.bare or kind not in ("new", "step"):
            return ""
        path = (".params", *origin.path)
        known = (role for role, paths in self.slots.paths.items() if path in paths)
        return next(known, "" if origin.path else "params")

    def _role_of_variable(self, variable: str, **where: Any) -> str:
        """What a variable of a scope, or of a caller, is where it is handed to a function that is known."""
        ways = {ways[0].name: ways[0] for ways in reversed(self.plan.ways.values())}
        for call_ in self.learner.calls:
            if call_.function in ways and where.items() <= call_._asdict().items():
                for argument, origin in call_.origins.items():
                    role = ways[call_.function].binding.get(argument, "")
                    if origin.variable == variable and role in HANDED_ON:
                        return role
        return ""

    # Changes

    def changes(self, before: Any, after: Any) -> list[tuple[str, Any]]:
        """Arrays of a thing that are new or other than before, but for its parameters."""
        old, own = dict(arrays_in(before)), self.slots.own()
        return [
            (said_path(path), np.array(value)) for path, value in arrays_in(after)
            if path not in own and not (path in old and _equal(old[path], value))
        ]  # fmt: skip

    def moved(self, before: Any, after: Any) -> set[str]:
        """The parameters that are other numbers than before."""
        old, new = self.slots.get(before), self.slots.get(after)
        return {
            role for role in old
            if role in new and not np.array_equal(old[role], new[role]) and np.isfinite(new[role]).all()
        }  # fmt: skip

    def returned_parameters(self, made: Any) -> dict[str, Any]:
        """Parameters in what a function returned, by role; none where they are not whole."""
        holder = SimpleNamespace(value=made)
        slots = slots_of(holder, self.sizes)
        return slots.get(holder) if slots is not None else {}

    def updated(self, thing: Any, made: Any) -> dict[str, Any]:
        """The parameters after an update: those that a bare function returned, or what the instance holds."""
        returned = self.returned_parameters(made) if self.learner.bare else {}
        return returned or self.slots.get(thing)

    def outputs_in(self, thing: Any) -> list[Any]:
        """What an instance keeps that has a row for each example and a column for each class."""
        return [value for _, value in arrays_in(thing) if self.is_output(value)]

    def outputs_of(self, made: Any) -> list[Any]:
        """What a function returned that has a row for each example and a column for each class."""
        return [value for _, value in flat(made) if self.is_output(value)]

    def is_output(self, value: Any) -> bool:
        """Whether an array has a row for each example and a column for each class, or the other way round."""
        return tuple(sorted(shape_of(value))) == tuple(sorted((self.sizes["N"], self.sizes["C"])))


def _by_path(kind: str, made: Any) -> dict[str, Any]:
    """What a function of a kind returned, and its parts, each by a role of its own."""
    return {f"{kind}{path}": part for path, part in parts_of(made)}


def _equal(one: Any, other: Any) -> bool:
    return shape_of(one) == shape_of(other) and np.array_equal(one, other, equal_nan=True)
