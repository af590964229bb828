"""How an instance of a learner's network comes to be, of sizes that are asked for."""

import contextlib
import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.binding import NETWORK, Argument, call
from clearhead.checking.network_run.learner import Learner
from clearhead.checking.network_run.settings import set_numbers
from clearhead.checking.slots import slots_of
from clearhead.checking.subject import Configuration, quiet, seed_all

_SETTINGS = ("lr", "reg", "seed", "epochs", "batch", "log")  # beside the sizes of layers


@dataclasses.dataclass(frozen=True)
class Making:
    """What a class wants, and then its initialising function; `late` where only training makes parameters.

    `late` is the form in which that training takes its labels.
    """

    function: str = ""
    binding: dict[str, str] = dataclasses.field(default_factory=dict)
    constructor: dict[str, str] = dataclasses.field(default_factory=dict)
    late: str = ""
    whole: bool = False  # trained as a whole, which bare functions have their parameters from

    @property
    def asked(self) -> set[str]:
        """All that is handed over."""
        return {*self.binding.values(), *self.constructor.values()}

    def make(self, learner: Learner, sizes: Mapping[str, int], examples: int) -> Any:
        """An instance of the given sizes."""
        values = values_to_make(learner, sizes, examples)
        seed_all()
        with quiet():
            thing = learner.subject.make(**{name: values[role] for name, role in self.constructor.items()})
            if learner.bare:
                thing.params = self._initialise(
                    learner, thing, {**values, "Y": values[self.late or "one-hot"]}
                )
            elif self.late:
                set_numbers(thing, learner.kept, lr=probes.NO_RATE)
                self._initialise(learner, thing, {**values, "lr": probes.NO_RATE, "Y": values[self.late]})
                set_numbers(thing, learner.kept, lr=probes.RATE)
            elif self.function:
                made = self._initialise(learner, thing, values)
                if made is not None and slots_of(thing, None) is None:
                    # Returned, not kept: keep it as the learner's own code does where it says so.
                    thing.params = made
        return thing

    def _initialise(self, learner: Learner, thing: Any, values: Mapping[str, Any]) -> Any:
        return call(learner.subject.function(thing, self.function), self.binding, dict(values))


def values_to_make(learner: Learner, sizes: Mapping[str, int], examples: int) -> dict[str, Any]:
    """What a constructor or an initialising function may ask for, by the roles of arguments."""
    layers = [sizes[letter] for letter in "DHC"]
    D, H, C = layers
    draw = probes.network(probes.SEEDS[0], D, H, C, max(examples, C))
    values = {
        **forms_of_labels(draw), **sizes, "shape": layers, "lr": probes.RATE, "reg": 0.0, "seed": 0,
        "epochs": 1, "batch": examples, "log": 1, "X": draw["X"], "Y": draw["Y"],
        "rng": np.random.default_rng(0),
    }  # fmt: skip
    made = _configured(learner, values)
    config = Configuration(values, NETWORK) if made is None else made
    return {**values, "config": config, "made": made}


def forms_of_labels(draw: Mapping[str, Any], columns: bool = False) -> dict[str, Any]:
    """Labels in each form that learners have them in; examples are rows, or `columns`."""
    return {
        "one-hot": turned(draw["Y"], columns),
        "index": draw["labels"].copy(),
        "column": draw["labels"].reshape((1, -1) if columns else (-1, 1)),
    }


def pairs(values: Mapping[str, Any], columns: bool) -> dict[str, Any]:
    """Examples with their labels, as one pair and as many, by roles; optional ones are to validate with.

    >>> made = pairs({"X": np.ones((7, 5)), "Y": np.ones(7)}, columns=False)
    >>> len(made["pairs"]), made["pairs_val"]
    (7, [])
    """
    made: dict[str, Any] = {
        "pair": (values.get("X"), values.get("Y")), "pair_val": (values.get("X_val"), values.get("Y_val"))
    }  # fmt: skip
    for role, names in (("pairs", ("X", "Y")), ("pairs_val", ("X_val", "Y_val"))):
        parts = [
            [value[:, [place]] for place in range(value.shape[1])]
            if columns and value.ndim == 2
            else list(value)
            for value in (np.atleast_1d(values.get(name, ())) for name in names)
        ]
        made[role] = list(zip(*parts, strict=False))
    return made


def turned(matrix: Any, columns: bool) -> Any:
    """A copy of a matrix in the learner's own layout.

    >>> turned(np.ones((7, 5)), columns=True).shape
    (5, 7)
    """
    return np.ascontiguousarray(matrix.T) if columns else matrix.copy()


def _configured(learner: Learner, values: Mapping[str, Any]) -> Any:
    """An instance of the learner's own dataclass of settings, whose fields get what their names ask for.

    Where these do not tell the sizes, the first whole numbers are.
    """
    for kind in learner.subject.loaded.names.values():
        if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            fields = dataclasses.fields(kind)
            told = {field.name: Argument(field.name, False, False, 0, NETWORK).role for field in fields}
            whole = [field.name for field in fields if field.type in (int, "int")]
            if not set("DHC") <= set(told.values()):
                told |= dict(zip(whole, "DHC", strict=False))
            if len(whole) >= len("DHC"):
                given = {name: values[role] for name, role in told.items() if role in (*"DHC", *_SETTINGS)}
                with contextlib.suppress(Exception):
                    return kind(**given)
    return None
