"""Where the parameters of a network lie in a learner's object, told from their shapes.

Runs inside the sandbox.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clearhead.checking.contents import Path, arrays_in, placed

Found = Sequence[tuple[Path, Any]]
_NOT_PARAMETERS = re.compile(
    r"^(d_?(w|b|z|a|h|o|x|y|l|weights?|bias(es)?|theta|out|output|hidden|inputs?|params?)_?\w?\d*$|grad|g_|v_|vel|m_|mom|cache|delta|old|prev|best|opt|s_|history|adam|x$|y$|inputs?$|data$|labels?$|targets?$|train|test)",
    re.I,
)
_BIAS = r"\.?_*((\w+_)?b_?[a-z]?_?\d?(_\w+)?|[a-z]?_?b_?\d?|\w*bias\w*)"


@dataclass
class Slots:
    """By role, the paths that hold each parameter, and how it lies there.

    >>> slots = slots_of({"W1": np.ones((5, 4)), "W2": np.ones((4, 3))}, None)
    >>> slots.sizes, slots.paths["W2"]
    ({'D': 5, 'H': 4, 'C': 3}, [('W2',)])
    """

    sizes: dict[str, int]
    flipped: bool  # weights are (out, in)
    paths: dict[str, list[Path]] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    floats: set[str] = field(default_factory=set)  # roles that are numbers of Python's, not arrays
    matrices: set[str] = field(default_factory=set)  # roles that are of np.matrix, of which * is the product
    turned: set[str] = field(default_factory=set)  # weights that are wanted with their axes exchanged

    def raw(self, role: str, value: Any) -> Any:
        """A parameter, given as (in, out) or (out,), in the learner's own layout."""
        made = self._laid(role, value)
        return np.asmatrix(made) if role in self.matrices else made

    def _laid(self, role: str, value: Any) -> Any:
        shape = self.shapes[role]
        if role.startswith("W"):
            return np.ascontiguousarray(value.T if self.flipped != (role in self.turned) else value)
        if self.single(role, value):
            return float(value[0]) if role in self.floats else np.full(shape, value[0])
        return value.reshape(shape).copy()

    def single(self, role: str, value: Any) -> bool:
        """Whether the learner has one number where there should be several."""
        return bool(np.prod(self.shapes[role], dtype=int) == 1 and value.size > 1)

    def fill(self, thing: Any, values: Mapping[str, Any]) -> None:
        """Give the parameters of a thing new values."""
        for role, paths in self.paths.items():
            made = self.raw(role, values[role])
            for path in paths:
                placed(thing, path, made)

    def get(self, thing: Any) -> dict[str, Any]:
        """The parameters of a thing, as they lie in it."""
        found = dict(arrays_in(thing))
        return {role: found.get(paths[0]) for role, paths in self.paths.items() if paths[0] in found}

    def own(self) -> set[Path]:
        """Every path at which there is a parameter."""
        return {path for paths in self.paths.values() for path in paths}

    def in_order(self, found: Found) -> bool:
        """Whether the biases come one after the other, by their numbers or as they were made."""
        biases = [self.paths[role][0] for role in ("b1", "b2") if role in self.paths]
        places = [path for path, _ in found]
        order = [_number(path) for path in biases]
        return order == sorted(order) if all(order) else biases == sorted(biases, key=places.index)

    def _take(self, role: str, path: Path, value: Any, found: Found) -> None:
        """Let a role be at a path, and wherever else the same array or an equal one is."""
        self.paths[role] = [path, *(other for other, same in found if other != path and _same(same, value))]
        self.shapes[role] = np.shape(value)
        if isinstance(value, float):
            self.floats.add(role)
        if isinstance(value, np.matrix):
            self.matrices.add(role)


def slots_of(thing: Any, wanted: Mapping[str, int] | None) -> Slots | None:
    """The parameters of a network: of wanted sizes, or of those that the code fixes."""
    every = [(p, v) for p, v in arrays_in(thing) if isinstance(v, float) or v.dtype.kind in "fiu"]
    found = [
        (path, value) for path, value in every
        if not any(_NOT_PARAMETERS.match(str(key).lstrip(".")) for key in path)
    ]  # fmt: skip
    return _slots_in(found, wanted) or _slots_in(every, wanted)


def _slots_in(found: Found, wanted: Mapping[str, int] | None) -> Slots | None:
    """The first two matrices that fit each other, with what goes with them.

    They may be made in any order; where no sizes are wanted, their numbers or the biases tell which is first.
    """
    matrices = [pair for pair in found if _is_matrix(pair[1])]
    if all(_number(path) for path, _ in matrices):
        matrices.sort(key=lambda pair: _number(pair[0]))
    pairs = itertools.permutations(matrices, 2) if wanted else itertools.combinations(matrices, 2)
    made: list[Slots] = []
    for (first, second), flipped in itertools.product(pairs, (False, True)):
        sizes = _sizes(first[1], second[1], flipped)
        if sizes is not None and (wanted is None or all(sizes[k] == wanted[k] for k in "DHC")):
            made.append(_filled(Slots(sizes, flipped), found, first, second))
            if wanted or len(made) > 1:
                break
    return min(made, key=lambda slots: not slots.in_order(found), default=None)


def _number(path: Path) -> str:
    """The number in the name at the end of a path; "" if there is none.

    >>> _number((".W2",)), _number(("weights", 0))
    ('2', '')
    """
    digits = re.findall(r"\d+", path[-1]) if path and isinstance(path[-1], str) else []
    return digits[-1] if digits else ""


def _is_matrix(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 2 and min(value.shape) > 1


def _sizes(W1: Any, W2: Any, flipped: bool) -> dict[str, int] | None:
    D, H = W1.shape[::-1] if flipped else W1.shape
    inner, C = W2.shape[::-1] if flipped else W2.shape
    return {"D": D, "H": H, "C": C} if inner == H else None


def _same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    if not isinstance(one, np.ndarray) or not isinstance(other, np.ndarray):
        return False
    return one.shape == other.shape and bool(other.any()) and np.array_equal(one, other)


def _filled(slots: Slots, found: Found, W1: tuple[Path, Any], W2: tuple[Path, Any]) -> Slots:
    """The slots of two weights, with the biases that go with them."""
    last = {id(value): path for path, value in found}
    for role, (_, value) in (("W1", W1), ("W2", W2)):
        slots._take(role, last[id(value)], value, found)
    for role, letter in (("b1", "H"), ("b2", "C")):
        free = [pair for pair in found if pair[0] not in slots.own()]
        fits = _biases(free, slots.sizes[letter]) or _single_biases(free, role[1])
        if fits:
            named = [pair for pair in fits if role[1] in str(pair[0][-1])]
            path, value = (named or fits)[0]
            slots._take(role, path, value, found)
    return slots


def _biases(free: Found, size: int) -> list[tuple[Path, Any]]:
    """Arrays of as many numbers as there are units; whole numbers only where the name says bias."""
    fits = [
        (path, value) for path, value in free
        if np.size(value) == size and np.ndim(value) <= 2 and (isinstance(value, np.ndarray) or size == 1)
    ]  # fmt: skip
    real = [pair for pair in fits if isinstance(pair[1], float) or pair[1].dtype.kind == "f"]
    return real or [pair for pair in fits if re.search(r"b", str(pair[0][-1]), re.I)]


def _single_biases(free: Found, digit: str) -> list[tuple[Path, Any]]:
    """A single number for all units; its name must say that it is one."""
    fits = [
        (path, value) for path, value in free
        if np.size(value) == 1 and re.fullmatch(_BIAS, str(path[-1]), re.I)
    ]  # fmt: skip
    return [pair for pair in fits if digit in str(pair[0][-1])] or fits
