"""Running each function on the probes: what it was given, what it made, and the values on its way."""

import ast
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.binding import arguments_of
from clearhead.checking.certain import certain
from clearhead.checking.network_run.learner import Way
from clearhead.checking.network_run.network import Network
from clearhead.checking.network_run.sending import Send, copies, digest, outcome, parameters, spoiled
from clearhead.checking.network_run.settings import set_numbers
from clearhead.checking.recorder import line_of, said
from clearhead.checking.slots import slots_of
from clearhead.checking.subject import cloned, seed_all

GIVEN = {"params", "W1", "W2"}
OBSERVED = ("forward", "loss", "backward", "step", "once", "accuracy")  # once: training for one update


def observe(network: Network, send: Send, seed: int) -> None:
    """Run every function on a probe, as it is and then so that it records; each part is sent at once."""
    learner = network.learner
    for recorded in (False, True):
        with learner.recording(recorded):
            for kind in OBSERVED:
                learner.recorder.clear()
                try:
                    for number, way in enumerate(_ways(network, kind)[: 1 if recorded else None]):
                        _Call(network, kind, way, seed).run(send, number, recorded)
                except Exception as error:
                    if not recorded:
                        send({"part": "failed", "kind": kind, "seed": seed, **_failure(network, error)}, {})


def _ways(network: Network, kind: str) -> list[Way]:
    return network.plan.ways.get("train" if kind == "once" else kind, [])


def _failure(network: Network, error: BaseException) -> dict[str, Any]:
    message, line = said(error), line_of(error, network.learner.source.name)
    unsure = re.search(r"indices|integer|iterable|unpack|Stub|Configuration", message)
    is_certain = certain(network.learner.source.tree, line, message)
    return {"line": line, "message": message, "sure": is_certain or not unsure, "certain": is_certain}


_MOVE = ("backward", "step", "once")  # kinds of functions that may move the parameters


class _Call:
    """One call of a function on a probe, prepared."""

    def __init__(self, network: Network, kind: str, way: Way, seed: int) -> None:
        self.network, self.kind, self.way, self.seed = network, kind, way, seed
        self.thing, values = network.after(way.before, seed)
        if kind in ("loss", "accuracy"):
            values["y"] = values["shares"]
        if way.labels:
            values["Y"] = values[way.labels]
        if kind == "once":
            values |= self._validation()
            set_numbers(self.thing, network.learner.kept, epochs=1, batch=network.sizes["N"])
        self.values = network.given(self.thing, values)
        self.is_rated = _rated(network, way)
        # An instance's own rate may be set, which does not say that the update takes it.
        self.sets_rate = set_numbers(self.thing, network.learner.kept, lr=probes.RATE)

    def _validation(self) -> dict[str, Any]:
        other = self.network.values(self.network.drawn(self.seed + 50), self.thing)
        return {"X_val": other["X"], "Y_val": other[self.way.labels]}

    def run(self, send: Send, number: int, recorded: bool) -> None:
        """Make the call, and send what it made, or the values on its way."""
        begun = self._begun() if self.kind == "once" else {}
        before, inputs = cloned(self.thing), copies(self.values)
        made = self._made(recorded)
        header = {"seed": self.seed, "kind": self.kind, "variant": number, "out": digest(made)}
        if recorded:
            meta, arrays = self.network.learner.recorder.answer()
            send({"part": "records", **header, **meta}, arrays)
            return
        data, arrays = outcome(made, self.network.changes(before, self.thing))
        if self.kind in _MOVE and (begun or not self._makes_its_own()):
            arrays |= parameters("after", self._after(made))
        arrays |= parameters("before", begun)
        rates = [] if self.is_rated else _rates(self.network, self.thing)
        data |= {"roles": self.way.binding, "spoiled": spoiled(inputs, self.values)}
        data |= {"rated": self.is_rated, "rates": rates}
        send({"part": "observed", **header, **data}, arrays)

    def _made(self, recorded: bool) -> Any:
        seed_all(self.seed)
        self.network.learner.recorder.on = recorded
        try:
            return self.network.call(self.thing, self.way, self.values)
        finally:
            self.network.learner.recorder.on = False

    def _makes_its_own(self) -> bool:
        """Whether it trains parameters that it was not handed."""
        handed = GIVEN & {*self.way.binding.values()}
        return self.kind == "once" and self.network.learner.bare and not handed

    def _begun(self) -> Mapping[str, Any]:
        """The parameters that training makes itself, whichever there were before; none if it makes none."""
        network = self.network
        if not (network.making.late or self.is_rated or self.sets_rate):
            return {}
        begun = self._at_no_rate(cloned(self.thing))
        other = cloned(self.thing)
        network.slots.fill(other, network.drawn(self.seed + 50))
        again = self._at_no_rate(other)
        return begun if all(np.array_equal(begun[role], again[role]) for role in begun) else {}

    def _at_no_rate(self, thing: Any) -> dict[str, Any]:
        """The parameters of an instance after training at a rate of nothing, from the same random numbers."""
        network = self.network
        seed_all(self.seed)
        set_numbers(thing, network.learner.kept, lr=probes.NO_RATE)
        made = network.call(thing, self.way, {**network.given(thing, self.values), "lr": probes.NO_RATE})
        return {role: np.array(value, float) for role, value in network.updated(thing, made).items()}

    def _after(self, made: Any) -> Mapping[str, Any]:
        if self.kind in ("step", "once"):
            return self.network.updated(self.thing, made)
        return self.network.slots.get(self.thing)


def _rated(network: Network, way: Way) -> bool:
    """Whether the probe's learning rate is known to have been given."""
    asked = set(network.making.constructor.values())
    named = "lr" in network.learner.told(way.name, way.binding)
    return named or bool(asked & {"lr", "config"}) or network.rated(way)


def _rates(network: Network, thing: Any) -> list[float]:
    """Numbers that may be a learning rate which no name tells: defaults, an instance's own, those written."""
    learner = network.learner
    found = list(getattr(thing, "__dict__", {}).values())
    arguments = [] if learner.bare else arguments_of(learner.subject.type)
    for name in learner.subject.functions:
        arguments += learner.arguments(name)
    found += [argument.default for argument in arguments]
    found += [getattr(part, "value", None) for node in learner.program.body for part in ast.walk(node)]
    return sorted({value for value in found if isinstance(value, float) and 1e-6 < value < 20})


def initial(network: Network, send: Send) -> None:
    """Initial parameters, of sizes at which initialisations differ clearly if these can be asked for."""
    try:
        thing = network.make(probes.LARGE)
        slots = slots_of(thing, probes.LARGE)
    except Exception:
        slots = None
    if slots is None:
        thing = network.make()
        slots = slots_of(thing, None)
    if slots is not None:
        values = {role: np.asarray(value, float) for role, value in slots.get(thing).items()}
        send({"part": "initial", "sizes": slots.sizes}, values)
