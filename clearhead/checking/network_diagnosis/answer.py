"""What the sandbox sent of a network, and the values that the probes give to the right steps."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.align import Records, laid, right_steps
from clearhead.checking.answer import Answer
from clearhead.checking.findings import first
from clearhead.checking.network_diagnosis.rows import in_order
from clearhead.checking.search import Explanation
from clearhead.docstrings import Step
from clearhead.mistakes import Mistake, mistakes_of

ROLES = ("W1", "b1", "W2", "b2")
AXES = {"W1": "DH", "b1": "H", "W2": "HC", "b2": "C"}
FORWARD = ("z1", "h", "z2", "y")
BACKWARD = ("dz2", "dW2", "db2", "dh", "dz1", "dW1", "db1")
ACTIVATIONS = {"tanh": "tanh", "relu": "ReLU"}
SLOPES = {"tanh": "1 - h²", "ReLU": "[z1 > 0]"}
SINGLE = 2e-4  # how near values in single precision come
DOUBLE = 1e-9
SAME = 1e-9  # how near two runs of the same code come

_OF_ONE = ("backward", "regularised")  # what may be made of one example

Parts = list[tuple[Any, Any]]
Values = dict[str, Any]


@dataclass
class Reading:
    """How a network is read: what explains its forward pass; `other`: that it is another model."""

    forward: Explanation | None = None
    other: bool = False

    @property
    def activation(self) -> str:
        """The hidden activation, if it is another one than σ."""
        mistake = self.forward.mistakes.get("h") if self.forward is not None else None
        name = mistake.step.function.__name__ if mistake is not None else ""
        return ACTIVATIONS.get(name.partition("another_activation__")[2], "")


class NetworkAnswer(Answer):
    """The parts of an answer by what they are; `rate` is the learning rate that updates are made with."""

    def __init__(self, parts: Sequence[tuple[Any, Any]]) -> None:
        super().__init__(parts)
        self.one_by_one = False  # whether its functions are for one example at a time
        self.functions: dict[str, str] = self.understood.get("functions", {})
        self.shapes: dict[str, Sequence[int]] = self.understood.get("shapes", {})
        self.right: dict[str, Step] = dict(right_steps("two_layer_nn"))
        self.wrong = [mistake for mistake in mistakes_of("two-layer") if self._is_possible(mistake)]
        self.values = [self._drawn(seed) for seed in probes.SEEDS] if self.sizes else []
        self.tolerance = SINGLE if self._is_single() else DOUBLE
        self.rate = probes.RATE
        self.is_rated = True  # whether that rate is known to be theirs
        self._records: dict[tuple[Any, ...], Records] = {}

    def _is_possible(self, mistake: Mistake) -> bool:
        """A bias can be missing only where there is one."""
        return mistake.id != "bias_missing" or f"b{mistake.step.name[-1]}" in self.shapes

    def _is_single(self) -> bool:
        """Whether the code turns everything into single precision."""
        made = (arrays for _, arrays in self.observed("forward", probes.SEEDS[0]))
        kinds = {value.dtype for arrays in made for name, value in arrays.items() if _is_made(name)}
        return np.dtype(np.float32) in kinds

    def _drawn(self, seed: int) -> Values:
        drawn: Values = probes.network(seed, **{letter: self.sizes[letter] for letter in "DHCN"})
        for role in ("b1", "b2"):
            if role not in self.shapes:
                drawn[role] = np.zeros_like(drawn[role])
            elif np.prod(self.shapes[role], dtype=int) == 1:
                drawn[role] = np.full_like(drawn[role], drawn[role][0])
        return drawn

    # What was sent

    def observed(self, kind: str, seed: int) -> Parts:
        """What functions of a kind made of a probe, one entry for each way in which they were called.

        What a function for one example at a time makes of many together tells nothing.
        """
        parts = self.parts.get("observed", [])
        made = [(data, arrays) for data, arrays in parts if (data["kind"], data["seed"]) == (kind, seed)]
        if not self.one_by_one or kind not in _OF_ONE:
            return made
        return [(data, arrays) for data, arrays in made if "pairs" in data["roles"].values()]

    def records(self, *kinds: str, seed: int = probes.SEEDS[0]) -> Records:
        """What was recorded in phases, one after the other, where the rewritten code did the same."""
        key = (seed, *kinds)
        if key not in self._records:
            made = Records([])
            for kind in kinds:
                for each in self._recorded(kind, seed):
                    made = made + each
            self._records[key] = made
        return self._records[key]

    def _recorded(self, kind: str, seed: int) -> Iterator[Records]:
        plain, _ = first(self.observed(kind, seed))
        for data, arrays in self.parts.get("records", []):
            if (data["kind"], data["seed"]) == (kind, seed) and _agree(plain.get("out"), data["out"]):
                records = Records.of(data["records"], self.understood["sites"], arrays)
                known = self.values[probes.SEEDS.index(seed)]["X"]
                is_training = kind in ("step", "once") and not data.get("as_seen")
                yield in_order(records, known) if is_training else records

    def by_role(self, name: str, arrays: Mapping[str, Any]) -> Values:
        """The parameters among arrays that were sent under a name, in our layout."""
        found = {
            role: np.asarray(arrays[f"{name}/{role}"], float) for role in ROLES if f"{name}/{role}" in arrays
        }
        brought = {role: self.laid(value, role) for role, value in found.items()}
        return {role: value for role, value in brought.items() if value is not None}

    # What is known of it

    def shape(self, role: str) -> tuple[int, ...]:
        """The shape of a parameter in our layout."""
        return tuple(self.sizes[letter] for letter in AXES[role])

    def laid(self, value: Any, role: str) -> Any:
        """What belongs to a parameter, in our layout; a square matrix lies as all weights do."""
        shape = self.shape(role)
        if self.understood.get("flipped") and value.shape == shape and len(shape) == 2:
            return value.T if shape[0] == shape[1] else value
        return laid(value, shape)

    def line_of(self, kind: str) -> int:
        """Where a function of a kind begins."""
        return self.line_of_function(self.functions.get(kind, ""))

    def line_of_function(self, name: str) -> int:
        """Where a function begins; 0 if it is not known."""
        return int(self.understood.get("lines", {}).get(name, 0))

    def path(self, role: str) -> str:
        """What the learner calls a parameter."""
        return str(self.understood.get("paths", {}).get(role, ""))

    def sure(self, *kinds: str) -> bool:
        """Whether names say what the first of these functions that is there is, and what it takes."""
        told = self.understood.get("sure", {})
        return bool(next((told[kind] for kind in kinds if kind in told), False))

    def outs(self, seed: int) -> list[Any]:
        """What forward returned (or kept) that has a row for each example and a column for each class."""
        shape = (self.sizes["N"], self.sizes["C"])
        made: list[Any] = []
        for data, arrays in self.observed("forward", seed):
            for name in ("returned", "changed"):
                values = [arrays.get(f"{name}{number}") for number in range(len(data[name]))]
                fits = [laid(value, shape) for value in values if value is not None and value.ndim == 2]
                fits = [np.asarray(fit, float) for fit in fits if fit is not None]
                if fits:
                    made += fits
                    break
        with np.errstate(all="ignore"):  # Log-probabilities are as good as probabilities.
            return made + [np.exp(value) for value in made if (value <= 1e-12).all()]


def _is_made(name: str) -> bool:
    return re.match("returned|changed", name) is not None


def _agree(one: Sequence[float] | None, other: Sequence[float]) -> bool:
    """Whether two runs returned the same; where nothing is known of one of them, they may have."""
    if one is None:
        return True
    return len(one) == len(other) and all(
        abs(a - b) <= SAME * max(abs(a), abs(b), 1) for a, b in zip(one, other, strict=True)
    )


def any_of(value: Any) -> bool:
    """Whether anything of a gradient is there at all; nan is something.

    >>> any_of(np.zeros(2)), any_of(np.array([0.0, np.nan]))
    (False, True)
    """
    return not np.all(np.abs(value) <= 1e-13)
