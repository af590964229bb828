"""The matrices among an attention's parameters, each with its bias, and whose they are by their names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clearhead.checking import probes

Row = Sequence[Any]  # of a parameter: its name, shape, the kind of its owner, and whether the module knows it

_FUSED = r"qkv|kqv|vqk|qvk|kvq|vkq|c_attn|in_proj"
_WORDS = {"q": "quer|쿼리|질의", "k": "key|키", "v": "val|밸류|값"}
_LETTER = (
    r"^(w|fc|to|lin|linear|proj|b|in|mat|weight|attn|head)?([qkvo])(s|proj|lin|linear|w|net|map|out|m)?$"
)
_OUTPUT = r"out|unif|dense|concat|final|merge|combine|proj|^fc|_fc|linear$"


@dataclass
class Weight:
    """A matrix, or one for each head, with the bias that goes with it."""

    name: str
    places: list[int]  # among all parameters, one for each head where there are several
    shape: tuple[int, ...]
    linear: bool
    role: str = ""
    bias: list[int] = field(default_factory=list)
    bias_shape: tuple[int, ...] = ()
    third: int | None = None  # which one of a bias that three projections share

    def matrices(self, seed: int) -> list[Any]:
        """What the probe put in."""
        return [probes.parameter(seed, place, self.shape) for place in self.places]

    def biases(self, seed: int) -> list[Any]:
        """The same of the bias; none where there is none."""
        whole = [probes.parameter(seed, place, self.bias_shape) for place in self.bias]
        return whole if self.third is None else [np.split(bias, 3)[self.third] for bias in whole]


def role_of(name: str) -> str:
    """The role that a parameter's name tells: q, k, v, o, `fused`, or nothing.

    >>> [role_of(name) for name in ("W_q.weight", "qkv.weight", "k_proj.bias", "linears.0.weight", "o.bias")]
    ['q', 'fused', 'k', '', 'o']
    >>> [role_of(name) for name in ("쿼리층.weight", "키", "밸류")]
    ['q', 'k', 'v']
    """
    plain = re.sub(r"(^|[._])(weight|bias|w|b)$", "", re.sub(r"\.\d+", "", name))
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", plain or name).lower()
    if re.search(_FUSED, plain):
        return "fused"
    for role, word in _WORDS.items():
        if re.search(word, plain):
            return role
    for token in re.split(r"[._]|\d+", plain):
        if found := re.match(_LETTER, token):
            return found[2]
    return "o" if re.search(_OUTPUT, plain) else ""


def weights_of(parameters: Sequence[Row], A: int, M: int) -> list[Weight]:
    """The matrices among parameters, those of several heads together, each with its bias.

    >>> rows = [("q.weight", [12, 12], "Linear", True), ("q.bias", [12], "Linear", True)]
    >>> [(weight.name, weight.bias) for weight in weights_of(rows, 3, 12)]
    [('q.weight', [1])]
    """
    weights: list[Weight] = []
    biases: list[tuple[str, list[int], tuple[int, ...]]] = []
    for name, places, shape in _grouped(parameters, A, M):
        if not _is_bias(parameters[places[0]], M):
            linear = parameters[places[0]][2] == "Linear"
            weights.append(Weight(name, places, shape, linear, role_of(name)))
        else:
            biases.append((name, places, shape))
    weights.sort(key=lambda weight: weight.places[0])
    for name, places, shape in biases:
        # One alone goes with what stands before it; several go in order.
        owner = _owner(name, places, weights[::-1] if len(biases) == 1 else weights)
        if role_of(name) in ("", "fused") and len(sharing := _sharing(shape, weights)) == len(_WORDS):
            for third, weight in enumerate(sharing):
                weight.bias, weight.bias_shape, weight.third = places, shape, third
        elif owner is not None:
            owner.bias, owner.bias_shape = places, shape
    return weights


def _sharing(shape: tuple[int, ...], weights: Sequence[Weight]) -> list[Weight]:
    """The projections of queries, keys and values that may have a third each of a bias of some shape."""
    by_role = {weight.role: weight for weight in weights if not weight.bias}
    is_of_one = any(weight.shape[0] == shape[0] for weight in weights)
    if {*by_role} == {""} and not is_of_one:  # No name tells: the first three.
        by_role = dict(zip(_WORDS, weights, strict=False))
    found = [by_role[role] for role in _WORDS if role in by_role]
    return [weight for weight in found if len(shape) == 1 and 3 * weight.shape[0] == shape[0]]


def _is_bias(parameter: Row, M: int) -> bool:
    """Whether it is no matrix: a row of numbers, whatever axes of length 1 or of heads it has besides."""
    shape = [length for length in parameter[1] if length > 1]
    is_square = len(shape) == 2 and shape[0] == shape[1]
    own = parameter[2] != "Linear" and M not in shape and not is_square
    return len(shape) < 2 or len(parameter[1]) < 2 or own


def _grouped(parameters: Sequence[Row], A: int, M: int) -> list[tuple[str, list[int], tuple[int, ...]]]:
    """Parameters by name, place and shape; the same of all heads as one."""
    alike: dict[tuple[str, tuple[int, ...]], list[int]] = {}
    for place, (name, shape, *_) in enumerate(parameters):
        alike.setdefault((re.sub(r"\.\d+(?=\.|$)", ".#", name, count=1), tuple(shape)), []).append(place)
    matrices = {name.rpartition(".")[0]: (name, shape) for name, shape in alike if len(shape) >= 2}
    made = []
    for (name, shape), places in alike.items():
        # A bias goes with its matrix.
        like = matrices.get(name.rpartition(".")[0], (name, shape))
        if ".#" in name and len(places) == A > 1 and _is_of_a_head(*like, A, M):
            made.append((name, places, shape))
        else:
            made += [(parameters[place][0], [place], shape) for place in places]
    return made


def _is_of_a_head(name: str, shape: tuple[int, ...], A: int, M: int) -> bool:
    """Four linear layers in a list are not four heads, unless there are four heads and each is small."""
    is_narrow = len(shape) == 2 and M in shape and min(shape) < M
    return "head" in name or len(shape) < 2 or is_narrow or M in (shape[0] * A, shape[-1] * A)


def _owner(name: str, places: list[int], weights: Sequence[Weight]) -> Weight | None:
    """The matrix that a bias goes with: by name, by role, or the next one that is not nn.Linear's."""
    stem, role = re.sub(r"[._]?(bias|b)$", "", name), role_of(name)
    free = [weight for weight in weights if not weight.bias]
    alike = [weight for weight in free if len(weight.places) == len(places)]
    candidates = (
        *(weight for weight in alike if re.sub(r"[._]?(weight|W|w)$", "", weight.name) == stem),
        *(weight for weight in free if role and weight.role == role),
        *(weight for weight in alike if not weight.linear),
    )
    return next(iter(candidates), None)
