"""Calling functions in every way that their arguments' names allow, to see which does not fail."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from clearhead.checking.allowance import Allowance
from clearhead.checking.binding import bindings
from clearhead.checking.network_run.learner import MADE, PAIRS, TRIES, Way
from clearhead.checking.network_run.network import Network
from clearhead.checking.subject import cloned, seed_all

SEVERAL = 6  # ways of one function that are kept


@dataclass(frozen=True)
class Attempt:
    """A call that did not fail: how, on what, with what, and what it returned."""

    way: Way
    thing: Any
    given: Mapping[str, Any]
    made: Any

    @property
    def roles(self) -> set[str]:
        """What the function was given."""
        return self.way.roles


@dataclass(frozen=True)
class Wanted:
    """What functions of a kind may want; arguments with a default are given the optional roles alone."""

    kind: str
    pool: Sequence[str]
    optional: Sequence[str] = ()
    labels: Sequence[str] = ("one-hot",)
    before: str = "forward"  # what is called before it


def attempts(
    network: Network, wanted: Wanted, names: Sequence[str], thing: Any, values: Mapping[str, Any]
) -> Iterator[Attempt]:
    """Each call of the named functions that does not fail, on copies of a thing, while there is time."""
    allowance = Allowance(TRIES)
    learner = network.learner
    for way in _ways(network, wanted, names, values):
        if allowance.over:
            return
        copy = cloned(thing)
        # Parameters that are handed over are those of this copy.
        given = network.given(copy, {**values, "Y": values[way.labels]})
        given = {key: np.array(v) if isinstance(v, np.ndarray) else v for key, v in given.items()}
        try:
            seed_all()
            made = network.call(copy, way, given)
        except Exception as error:
            learner.crashed(wanted.kind, error, way.name, way.binding)
            continue
        learner.ran.add((wanted.kind, way.name))
        yield Attempt(way, copy, given, made)


def _ways(network: Network, wanted: Wanted, names: Sequence[str], values: Mapping[str, Any]) -> Iterator[Way]:
    learner = network.learner
    pool = [role for role in wanted.pool if role in values or role == "Y"]
    for name in names:
        if name in learner.unwritten:
            continue
        arguments = learner.arguments(name)
        named = {a.name: (a.role, "grads") for a in arguments}
        handed = _handed(network.handed(name), named, values)
        for binding in bindings(arguments, pool, wanted.optional, 40, handed):
            way = Way(name, binding, wanted.labels[0], wanted.before)
            for labels in wanted.labels if "Y" in way.roles else wanted.labels[:1]:
                yield replace(way, labels=labels)


def _handed(
    handed: Mapping[str, str], known: Mapping[str, Sequence[str]], values: Mapping[str, Any]
) -> dict[str, str]:
    """The roles that the learner's own code gives to arguments; of one value the first `known` role."""
    found = {
        name: role
        for name, role in handed.items()
        if role in values or role in ("Y", *PAIRS) or role.startswith(MADE)
    }
    return {
        name: next((each for each in known.get(name, ()) if values.get(each) is values.get(role, name)), role)
        for name, role in found.items()
    }


def several(found: Iterator[Attempt], fits: Callable[[Attempt], bool]) -> list[Way]:
    """The first ways of one function whose attempts fit."""
    ways: list[Way] = []
    for attempt in found:
        if ways and attempt.way.name != ways[0].name:
            break
        if fits(attempt):
            ways.append(attempt.way)
        if len(ways) >= SEVERAL:
            break
    return ways
