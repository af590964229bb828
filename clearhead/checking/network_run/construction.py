"""Finding out how an instance is made, and where its parameters lie."""

import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.allowance import Allowance
from clearhead.checking.binding import bindings
from clearhead.checking.contents import arrays_in, said_path, shape_of
from clearhead.checking.network_run.learner import LABELS, TRIES, Learner
from clearhead.checking.network_run.making import Making
from clearhead.checking.network_run.names import says
from clearhead.checking.slots import Slots, slots_of

PLAIN = ("D", "H", "C", "rng")  # what is tried of every function before anything else
POOL = ("D", "H", "C", "shape", "config", "made", "rng", "lr", "epochs", "batch", "reg", "seed", "log")
_SIZES = ("D", "H", "C", "shape")
OPTIONAL = ("D", "H", "C", "shape", "lr", "epochs", "batch", "reg", "log", "seed")


@dataclass(frozen=True)
class Built:
    """A way that makes instances, and the slots of what it makes; `misfit` if not of the sizes asked for."""

    making: Making
    slots: Slots
    misfit: bool = False

    @property
    def sizes(self) -> dict[str, int]:
        """The sizes of the network and the number of examples, which is none of them."""
        sizes = {letter: self.slots.sizes[letter] for letter in "DHC"}
        # At least as many as classes, so that each of these is the label of some example.
        counts = itertools.chain([probes.NETWORK["N"]], itertools.count(11, 2))
        fits = (count for count in counts if count >= sizes["C"] and count not in sizes.values())
        return {**sizes, "N": next(fits)}


def construct(learner: Learner) -> Built | None:
    """How the learner's network is made; None where that is not found out, and `crashes` says more."""
    search = _Search(learner)
    built = (
        search.of_wanted_sizes()
        or search.spare
        or search.of_default_sizes()
        or search.of_other_sizes()
        or search.by_training()
    )
    if built is not None:
        learner.crashes.pop("initialize", None)
    return built


class _Search:
    """Tries the class with what it may want, and then each initialising function."""

    def __init__(self, learner: Learner) -> None:
        self.learner = learner
        self.wanted = {letter: probes.NETWORK[letter] for letter in "DHC"}
        self.spare: Built | None = None  # weights of nothing but zeros
        self.other: Built | None = None  # of other sizes
        self.fails = False  # whether the class itself cannot be made
        self.allowance = Allowance(TRIES)

    def of_wanted_sizes(self) -> Built | None:
        for constructor in self._constructors():
            for pool, function in itertools.product((PLAIN, POOL), self._functions()):
                built = self._by(function, constructor, pool)
                if built is not None:
                    return built
                if (self.fails and self.other is None) or self.allowance.over:
                    break
        return None

    def of_default_sizes(self) -> Built | None:
        """Of the wanted sizes, where those that came are defaults: their arguments are the sizes."""
        if self.other is None or self.learner.bare:
            return None
        making, letters = self.other.making, {size: letter for letter, size in self.other.slots.sizes.items()}
        sized = {a.name: letters[a.default] for a in self.learner.arguments() if _is_one(a.default, letters)}
        again = replace(making, constructor={**making.constructor, **sized})
        try:
            thing = again.make(self.learner, self.wanted, probes.NETWORK["N"])
        except Exception:
            return None
        slots = slots_of(thing, self.wanted)
        return Built(again, slots) if slots is not None else None

    def of_other_sizes(self) -> Built | None:
        if self.other is None:
            return None
        asked, sizes = self.other.making.asked, self.other.slots.sizes
        # A list of sizes may be in an order of its own.
        others = "shape" in asked and sorted(sizes.values()) != sorted(self.wanted.values())
        told = self._told()
        if "D" in asked and told and sizes["D"] == self.wanted["D"] + 1:  # A bias is among the weights.
            return None
        misfit = (others or {"D", "H", "C"} <= asked) and told
        return Built(self.other.making, self.other.slots, misfit)

    def _told(self) -> bool:
        """Whether it is the names of the arguments that say which sizes were asked for."""
        assert self.other is not None
        making = self.other.making
        given = [(making.constructor, ""), (making.binding, making.function)]
        roles = {a.name: a.role for binding, name in given if binding for a in self.learner.arguments(name)}
        sized = {**making.constructor, **making.binding}
        return all(roles.get(name) == role for name, role in sized.items() if role in _SIZES)

    def by_training(self) -> Built | None:
        """Parameters that only training makes, as scikit-learn has it: train at a rate of nothing."""
        for making in self._trainings() if not self.learner.bare else ():
            try:
                thing = making.make(self.learner, self.wanted, probes.NETWORK["N"])
            except Exception:
                continue
            slots = slots_of(thing, self.wanted)
            if slots is not None:
                return Built(making, slots)
        return None

    def _constructors(self) -> Iterator[dict[str, str]]:
        if self.learner.bare:
            return iter([{}])
        return self._bindings("", (*POOL, "X", "Y"))

    def _functions(self) -> list[str]:
        """Initialising functions; "" is the class alone, whose arguments leave only what is named so."""
        named = self.learner.ways("initialize")
        if self.learner.bare:
            return named
        if any(argument.required for argument in self.learner.arguments()):
            named = [name for name in named if says(name, "initialize")]
        return ["", *named]

    def _by(self, function: str, constructor: dict[str, str], pool: Sequence[str]) -> Built | None:
        """What one function makes that is of the wanted sizes; anything else is kept for later."""
        for binding in self._bindings(function, pool) if function else ({},):
            if self.allowance.over:
                return None
            making = Making(function, binding, constructor)
            self.fails = False
            try:
                thing = making.make(self.learner, self.wanted, probes.NETWORK["N"])
            except Exception as error:
                self.learner.crashed("initialize", error, function, binding if function else constructor)
                self.fails = not function
                continue
            slots = slots_of(thing, self.wanted)
            if slots is None:
                self._keep(making, thing)
            elif function and self.spare is None and not np.any(slots.get(thing)["W1"]):
                self.spare = Built(making, slots)  # Another one may draw them at random.
                return None
            else:
                return Built(making, slots)
        return None

    def _bindings(self, function: str, pool: Sequence[str]) -> Iterator[dict[str, str]]:
        """Ways to call a function or the class; a plain pool is for functions whose names tell nothing."""
        if pool is PLAIN and any(argument.role for argument in self.learner.arguments(function)):
            return iter(())
        return bindings(self.learner.arguments(function), pool, OPTIONAL, 400)

    def _keep(self, making: Making, thing: Any) -> None:
        """Keep the first network of other sizes, or say what shapes there are in something that is none."""
        if self.other is not None:
            return
        slots = slots_of(thing, None)
        if slots is not None:
            self.other = Built(making, slots)
        elif not making.function:
            none = {"line": 0, "message": "", "sure": True, "shapes": _shapes(thing)}
            self.learner.crashes.setdefault("initialize", none)

    def _trainings(self) -> Iterator[Making]:
        pool = ("D", "H", "C", "config", "rng", "lr", "epochs", "batch", "reg", "seed", "log")
        optional = ("H", "lr", "epochs", "batch", "reg", "seed")
        for constructor in bindings(self.learner.arguments(), pool, optional, 20):
            for name in self.learner.ways("train"):
                arguments = self.learner.arguments(name)
                ways = bindings(arguments, ("X", "Y", "epochs", "batch"), ("epochs", "batch", "lr"), 4)
                for binding, labels in itertools.product(ways, LABELS):
                    yield Making(name, binding, constructor, labels)


def _is_one(default: Any, sizes: Collection[int]) -> bool:
    return type(default) is int and default in sizes


def _shapes(thing: Any) -> list[list[Any]]:
    found = itertools.islice(arrays_in(thing), 20)
    return [[said_path(path), list(shape_of(value))] for path, value in found]
