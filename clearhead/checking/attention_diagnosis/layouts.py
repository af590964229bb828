"""How a learner's attention holds its parameters: ways to read them as Wq, bq, Wk and the others."""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.attention_diagnosis.pairs import pair_of, parted
from clearhead.checking.attention_diagnosis.weights import Row, Weight, weights_of

Arrays = dict[str, Any]
ROLES = "qkv"
_SPLITS = ("3AK", "A3K", "AK3", "KA3", "3KA", "K3A")  # of a fused projection's rows, the slowest index first


@dataclass
class Layout:
    """One way to read the parameters; `shared` names a projection that serves all heads."""

    roles: dict[str, str]  # the parameter's name by its role
    named: bool  # whether names told the roles
    shared: str
    values: list[Arrays]  # of each probe
    A: int

    @property
    def K(self) -> int:
        """The length of a head."""
        return len(self.values[0]["Wq"]) // self.A


def layouts(parameters: Sequence[Row], sizes: Mapping[str, int], names: str = "") -> Iterator[Layout]:
    """Every way to read the parameters, likelier ones first; `names`: the order in a fused one.

    >>> rows = [(f"{role}.weight", [12, 12], "Linear", True) for role in ("q", "k", "v", "out")]
    >>> next(layouts(rows, {"A": 3, "M": 12})).roles
    {'q': 'q.weight', 'k': 'k.weight', 'v': 'v.weight', 'o': 'out.weight'}
    """
    A, M = sizes["A"], sizes["M"]
    found = weights_of(parameters, A, M)
    pair = pair_of(found, M)
    if pair is not None:
        for place, weights in enumerate(parted(found, pair, A, M, names)):
            for layout in _apart(weights, A, M):
                yield replace(layout, named=len(names) == 2 and not place)
        return
    fused = next((weight for weight in found if _is_fused(weight, M)), None)
    if fused is not None and len(found) < 4 and sum(weight.role in ("", *ROLES) for weight in found) < 3:
        yield from _fused(fused, [weight for weight in found if weight is not fused], A, M, names)
    elif len(found) >= 3:
        yield from _apart(found, A, M)
    elif len(found) == 2:
        yield from _separate([found[0], *_absent(found[0], len(parameters))], found[1], A, M, False)


def _apart(found: Sequence[Weight], A: int, M: int) -> Iterator[Layout]:
    """Projections of their own: by name, else the first three in all orders; the output is the last."""
    by_role = {role: next((w for w in found if w.role == role), None) for role in (*ROLES, "o")}
    named = [weight for role in ROLES if (weight := by_role[role]) is not None]
    if len(named) == len(ROLES):
        rest = [weight for weight in found if weight not in named]
        out = by_role["o"] or (rest[-1] if rest else None)
        yield from _separate(named, out, A, M, True)
        if any(len(weight.places) > 1 for weight in named):
            # Of several projections one serves all heads.
            yield from _separate([_first_of(weight) for weight in named], out, A, M, True)
        return
    out = found[-1] if len(found) > 3 else None
    for order in itertools.permutations([weight for weight in found if weight is not out][:3]):
        yield from _separate(order, out, A, M, False)


def _first_of(weight: Weight) -> Weight:
    return replace(
        weight, places=weight.places[:1] * len(weight.places), bias=weight.bias[:1] * len(weight.bias)
    )


def _absent(present: Weight, after: int) -> list[Weight]:
    """Two projections like the one that is there, so that what takes their place can be told."""
    return [replace(present, name="", places=[after + shift], bias=[]) for shift in range(2)]


def _separate(order: Sequence[Weight], out: Weight | None, A: int, M: int, named: bool) -> Iterator[Layout]:
    """Readings of three projections and the output, as they are or turned where no nn.Linear says how."""
    projections = dict(zip(ROLES, order, strict=True))
    ways = itertools.product(
        (False, True) if not all(weight.linear for weight in order) else (False,),
        (False, True) if out is not None and not out.linear else (False,),
        (False, True) if A > 1 else (False,),
    )
    roles = {role: weight.name for role, weight in projections.items()} | {"o": out.name if out else ""}
    rows = max(len(weight.places) * int(np.prod(weight.shape)) for weight in order) // M
    K = rows // A if rows > M // A or A == 1 else M // A  # unless each of them serves all heads
    for turned, turned_out, strided in ways:
        values: list[Arrays] = []
        shared = ""
        for seed in probes.SEEDS:
            made: Arrays = {}
            for role, weight in projections.items():
                read = _projection(weight, seed, A, K, M, turned and not weight.linear)
                if read is None:
                    return
                made[f"W{role}"], made[f"b{role}"], shared_by_heads = read
                shared = shared or (weight.name if shared_by_heads else "")
            if len({len(made[f"W{role}"]) for role in ROLES}) > 1:
                return
            whole = _with_output(made, out, seed, A, M, turned_out)
            if whole is not None:
                values.append(_strided(whole, A) if strided else whole)
        if len(values) == len(probes.SEEDS):
            yield Layout(roles, named, shared, values, A)


def _projection(
    weight: Weight, seed: int, A: int, K: int, M: int, turned: bool
) -> tuple[Any, Any, bool] | None:
    """A projection as (AK,M) with its bias (AK,), and whether one stands for all heads."""
    matrices, biases = [_without_axes(matrix) for matrix in weight.matrices(seed)], weight.biases(seed)
    shared = False
    whole: Any = None
    if len(matrices) > 1:
        shared = len({*weight.places}) == 1
        parts = [m.T if (turned or m.shape[1] != M) and m.shape[0] == M else m for m in matrices]
        whole = np.concatenate(parts) if all(part.shape[1] == M for part in parts) else None
        biases = [np.concatenate([bias.reshape(-1) for bias in biases])] if biases else []
    elif matrices[0].ndim == 3:
        whole = _heads_first(matrices[0], A, M)
    elif matrices[0].ndim == 2:
        whole = matrices[0].T if turned else matrices[0]
        if whole.shape[1] != M and whole.shape[0] == M:
            whole = whole.T
        if whole.shape == (K, K) and K != M:
            whole, shared = np.kron(np.eye(A), whole), True
        elif whole.shape == (K, M) and A > 1:
            whole, shared = np.tile(whole, (A, 1)), True
        biases = [np.tile(bias.reshape(-1), A) for bias in biases] if shared else biases
    if whole is None or whole.shape[1] != M or len(whole) % A:
        return None
    return whole, _bias(biases, len(whole)), shared


def _without_axes(matrix: Any) -> Any:
    return matrix.squeeze(axis=0) if matrix.ndim == 3 and len(matrix) == 1 else matrix


def _heads_first(matrix: Any, A: int, M: int) -> Any:
    """A table of heads, their numbers and tokens' numbers, in any order of axes, as (AK,M)."""
    if len({A, M} & {*matrix.shape}) < 2:
        return None
    heads, tokens = matrix.shape.index(A), matrix.shape.index(M)
    return matrix.transpose(heads, 3 - heads - tokens, tokens).reshape(-1, M)


def _bias(biases: Sequence[Any], length: int) -> Any:
    return biases[0].reshape(-1) if biases and biases[0].size == length else np.zeros(length)


def _with_output(made: Arrays, out: Weight | None, seed: int, A: int, M: int, turned: bool) -> Arrays | None:
    """The values with Wo (M,AK) and bo, which leave all as it is where there is no such projection."""
    AK = len(made["Wq"])
    if out is None:
        return {**made, "Wo": np.eye(AK), "bo": np.zeros(AK)}
    matrices = out.matrices(seed)
    matrix = matrices[0]
    if len(matrices) > 1:
        matrix = np.concatenate(matrices, axis=-1 if matrix.shape[0] == M else 0)
    if matrix.ndim == 3:
        lengths = (M, A, AK // A)
        if sorted(matrix.shape) != sorted(lengths):
            return None
        matrix = matrix.transpose([matrix.shape.index(length) for length in lengths]).reshape(M, AK)
    matrix = matrix.T if turned else matrix
    if matrix.shape != (M, AK):
        matrix = matrix.T
    return {**made, "Wo": matrix, "bo": _bias(out.biases(seed), M)} if matrix.shape == (M, AK) else None


def _strided(made: Arrays, A: int) -> Arrays:
    """The same rows where the head is the faster index: those of one head are A apart."""
    AK = len(made["Wq"])
    order = np.arange(AK).reshape(AK // A, A).T.reshape(-1)
    return {name: value[:, order] if name == "Wo" else value if name == "bo" else value[order]
            for name, value in made.items()}  # fmt: skip


def _is_fused(weight: Weight, M: int) -> bool:
    """Whether a matrix holds three projections."""
    if len(weight.places) > 1 or weight.role == "o":
        return False
    if len(weight.shape) > 2:
        return weight.role == "fused" or (len(weight.shape) == 4 and M in weight.shape)
    rows, columns = weight.shape
    if weight.role == "fused" and rows != columns:
        return True
    return (columns == M and rows % 3 == 0 and rows > M) or (rows == M and columns % 3 == 0 and columns > M)


def _fused(weight: Weight, others: Sequence[Weight], A: int, M: int, names: str) -> Iterator[Layout]:
    """Readings of one matrix as three, in every order and every interleaving of roles, heads and numbers."""
    out = next((w for w in others if w.role == "o"), others[-1] if others else None)
    hint = re.search(r"[qkv]{3}", weight.name.lower())
    first = (names if len(names) == 3 else "") or (hint[0] if hint and len(set(hint[0])) == 3 else ROLES)
    orders = dict.fromkeys([first, ROLES, *map("".join, itertools.permutations(ROLES))])
    roles = {**dict.fromkeys(ROLES, weight.name), "o": out.name if out else ""}
    turns = (False, True) if out is not None and not out.linear else (False,)
    splits = _SPLITS if len(weight.shape) == 2 else list(_axes(weight.shape, A, M))
    for order, split, turned_out in itertools.product(orders, splits, turns):
        values = []
        for seed in probes.SEEDS:
            made = _taken_apart(weight, seed, A, M, order, split)
            whole = _with_output(made, out, seed, A, M, turned_out) if made is not None else None
            if whole is not None:
                values.append(whole)
        if len(values) == len(probes.SEEDS):
            yield Layout(roles, order == names, "", values, A)


def _axes(shape: Sequence[int], A: int, M: int) -> Iterator[str]:
    """The letters that the axes of three projections in one may stand for, slowest first.

    >>> list(_axes((3, 3, 12, 4), 3, 12))
    ['3AMK', 'A3MK']
    """
    K = int(np.prod(shape)) // (3 * A * M)
    for letters in map("".join, itertools.permutations("3AKM")):
        lengths = [{"3": 3, "A": A, "K": K, "M": M}[letter] for letter in letters]
        if _is_run_together(lengths, shape):
            yield letters


def _is_run_together(lengths: Sequence[int], shape: Sequence[int]) -> bool:
    """Whether axes of some lengths have this shape, where some of them are one axis with the next."""
    ends = {int(np.prod(lengths[:count])) for count in range(len(lengths) + 1)}
    wanted = {int(np.prod(shape[:count])) for count in range(len(shape) + 1)}
    return wanted <= ends and int(np.prod(shape)) == int(np.prod(lengths))


def _taken_apart(weight: Weight, seed: int, A: int, M: int, order: str, split: str) -> Arrays | None:
    if len(split) == 4:
        return _taken_from_table(weight, seed, A, M, order, split)
    rows = weight.matrices(seed)[0]
    if not weight.linear and len(rows) % 3 == 0 and rows.shape[1] != M:
        rows = rows.T
    if rows.shape[1] != M or len(rows) % (3 * A):
        return None
    K = len(rows) // (3 * A)
    shape = [{"3": 3, "A": A, "K": K}[letter] for letter in split]
    axes = [split.index(letter) for letter in "3AK"]
    parts = rows.reshape(*shape, M).transpose(*axes, 3).reshape(3, A * K, M)
    shifts = _bias(weight.biases(seed), len(rows)).reshape(shape).transpose(axes).reshape(3, A * K)
    return {f"W{role}": part for role, part in zip(order, parts, strict=True)} | {
        f"b{role}": shift for role, shift in zip(order, shifts, strict=True)
    }


def _taken_from_table(weight: Weight, seed: int, A: int, M: int, order: str, split: str) -> Arrays:
    K = int(np.prod(weight.shape)) // (3 * A * M)
    lengths = {"3": 3, "A": A, "K": K, "M": M}
    table = weight.matrices(seed)[0].reshape([lengths[letter] for letter in split])
    parts = table.transpose([split.index(letter) for letter in "3AKM"]).reshape(3, A * K, M)
    rest = split.replace("M", "")
    shifts = _bias(weight.biases(seed), 3 * A * K).reshape([lengths[letter] for letter in rest])
    shifts = shifts.transpose([rest.index(letter) for letter in "3AK"]).reshape(3, A * K)
    return {f"W{role}": part for role, part in zip(order, parts, strict=True)} | {
        f"b{role}": shift for role, shift in zip(order, shifts, strict=True)
    }
