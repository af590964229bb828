"""How a learner's attention holds its parameters: which is whose, and how they become Wq, bq, Wk and the others."""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clearhead.checking import probes

Arrays = dict[str, Any]
ROLES = "qkv"


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

    def matrices(self, seed: int) -> list[Any]:
        """What the probe put in."""
        return [probes.parameter(seed, place, self.shape) for place in self.places]

    def biases(self, seed: int) -> list[Any]:
        """The same of the bias; none where there is none."""
        return [probes.parameter(seed, place, self.bias_shape) for place in self.bias]


@dataclass
class Layout:
    """One way to read the parameters; `shared` where one projection serves all heads."""

    roles: dict[str, str]
    named: bool
    shared: bool
    values: list[Arrays]
    A: int
    K: int
    order: str = ""


def role_of(name: str) -> str:
    """The role that a parameter's name tells: q, k, v, o, `fused`, or nothing.

    >>> [role_of(name) for name in ("W_q.weight", "to_qkv.weight", "key_proj.bias", "linears.0.weight", "out_proj.weight")]
    ['q', 'fused', 'k', '', 'o']
    """
    plain = re.sub(r"(^|[._])(weight|bias|w|b)$", "", re.sub(r"\.\d+", "", name))
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", plain or name).lower()
    if re.search(r"qkv|kqv|vqk|qvk|kvq|vkq|c_attn|in_proj", plain):
        return "fused"
    for role, word in (("q", "quer"), ("k", "key"), ("v", "val")):
        if word in plain:
            return role
    for token in re.split(r"[._]|\d+", plain):
        bare = re.sub(
            r"^(w|fc|to|lin|linear|proj|b|in|mat|weight|attn|head)?([qkvo])(s|proj|lin|linear|w|net|map|out|m)?$",
            r"\2",
            token,
        )
        if bare in ("q", "k", "v", "o"):
            return bare
    if re.search(r"out|unif|dense|concat|final|merge|combine|proj|^fc|_fc|linear$", plain):
        return "o"
    return ""


def weights_of(parameters: Sequence[Sequence[Any]], A: int, M: int) -> list[Weight]:
    """The matrices among parameters, those of several heads together, each with its bias."""
    lists: dict[tuple[str, tuple[int, ...]], list[int]] = {}
    for place, (name, shape, _, _) in enumerate(parameters):
        key = re.sub(r"\.\d+(?=\.|$)", ".#", name, count=1) if re.search(r"\.\d+(\.|$)", name) else name
        lists.setdefault((key, tuple(shape)), []).append(place)
    made: list[Weight] = []
    biases: list[tuple[str, list[int], tuple[int, ...]]] = []
    for (key, shape), places in lists.items():
        # Four linear layers in a list are not four heads, unless there are four heads and each is small.
        several = (
            len(places) == A
            and A > 1
            and ".#" in key
            and (re.search("head", key) or len(shape) < 2 or shape[0] * A == M or shape[-1] * A == M)
        )
        for group in [places] if several else [[place] for place in places]:
            name = parameters[group[0]][0] if not several else key
            if len(shape) >= 2:
                made.append(Weight(name, group, shape, parameters[group[0]][2] == "Linear", role_of(name)))
            else:
                biases.append((name, group, shape))
    made.sort(key=lambda weight: weight.places[0])
    for name, group, shape in biases:
        stem = re.sub(r"[._]?(bias|b)$", "", name)
        owner = next(
            (
                w
                for w in made
                if not w.bias
                and re.sub(r"[._]?(weight|W|w)$", "", w.name) == stem
                and len(w.places) == len(group)
            ),
            None,
        )
        if owner is None:
            role = role_of(name)
            owner = next((w for w in made if not w.bias and role and w.role == role), None)
        if owner is None:
            owner = next(
                (w for w in made if not w.bias and not w.linear and len(w.places) == len(group)), None
            )
        if owner is not None:
            owner.bias, owner.bias_shape = group, shape
    return made


def layouts(parameters: Sequence[Sequence[Any]], sizes: dict[str, int], names: str = "") -> Iterator[Layout]:
    """Every way to read the parameters, likelier ones first; `names` is the order in which a fused one was taken apart."""
    A, M = sizes["A"], sizes["M"]
    found = weights_of(parameters, A, M)
    fused = [
        w for w in found if len(w.places) == 1 and len(w.shape) == 2 and w.role != "o" and _is_fused(w, M)
    ]
    if fused and len([w for w in found if w.role in ROLES]) < 3 and len(found) < 4:
        yield from _fused(fused[0], [w for w in found if w is not fused[0]], sizes, names)
        return
    if len(found) < 3:
        return
    # Projections first, the output last, whatever else there is.
    named = {role: next((w for w in found if w.role == role), None) for role in "qkvo"}
    clear = all(named[role] is not None for role in ROLES)
    rest = [w for w in found if w not in [named[r] for r in ROLES]] if clear else found[3:]
    out = (
        named["o"]
        if clear and named["o"] not in (None, *[named[r] for r in ROLES])
        else (rest[-1] if rest else None)
    )
    orders: list[tuple[Any, ...]]
    if clear:
        orders = [tuple(named[role] for role in ROLES)]
    else:
        body = [w for w in found if w is not out][:3]
        if len(body) < 3:
            body, out = found[:3], (found[3] if len(found) > 3 else None)
        orders = list(itertools.permutations(body))
    for order in orders:
        yield from _separate(dict(zip(ROLES, order, strict=True)), out, sizes, clear)


def _is_fused(weight: Weight, M: int) -> bool:
    rows, columns = weight.shape
    if weight.role == "fused" and rows != columns:
        return True
    return (columns == M and rows % 3 == 0 and rows > M) or (rows == M and columns % 3 == 0 and columns > M)


def _separate(
    order: dict[str, Weight], out: Weight | None, sizes: dict[str, int], named: bool
) -> Iterator[Layout]:
    A, M = sizes["A"], sizes["M"]
    raw = any(not weight.linear for weight in order.values())
    raw_out = out is not None and not out.linear
    for turned, turned_out in itertools.product(
        (False, True) if raw else (False,), (False, True) if raw_out else (False,)
    ):
        for strided in (False, True):
            values, shared = [], False
            for seed in probes.SEEDS:
                made: Arrays = {}
                for role, weight in order.items():
                    pair = _projection(weight, seed, A, M, turned and not weight.linear)
                    if pair is None:
                        break
                    made[f"W{role}"], made[f"b{role}"], one = pair
                    shared = shared or one
                if len(made) < 6:
                    break
                AK = len(made["Wq"])
                K = AK // A
                if not _with_output(made, out, seed, A, K, M, turned_out):
                    break
                if strided:
                    _strided(made, A, K)
                values.append(made)
            if len(values) == len(probes.SEEDS):
                roles = {role: weight.name for role, weight in order.items()}
                yield Layout(
                    {**roles, "o": out.name if out else ""},
                    named,
                    shared,
                    values,
                    A,
                    len(values[0]["Wq"]) // A,
                )
            if A == 1:
                break


def _projection(weight: Weight, seed: int, A: int, M: int, turned: bool) -> tuple[Any, Any, bool] | None:
    """A projection as (AK,M) with its bias (AK,), and whether one stands for all heads."""
    matrices, biases = weight.matrices(seed), weight.biases(seed)
    shared = False
    if len(matrices) > 1:
        parts = [m.T if (turned or m.shape[1] != M) and m.shape[0] == M else m for m in matrices]
        if any(part.shape[1] != M for part in parts):
            return None
        whole = np.concatenate(parts)
        bias = np.concatenate([b.reshape(-1) for b in biases]) if biases else np.zeros(len(whole))
        return whole, bias, False
    matrix = matrices[0]
    if matrix.ndim == 3:
        if M not in matrix.shape or A not in matrix.shape:
            return None
        axes = (
            matrix.shape.index(A),
            next(
                i
                for i, n in enumerate(matrix.shape)
                if i not in (matrix.shape.index(A), matrix.shape.index(M))
            ),
            matrix.shape.index(M),
        )
        whole = matrix.transpose(axes).reshape(-1, M)
    elif matrix.ndim == 2:
        whole = matrix.T if turned else matrix
        if whole.shape[1] != M and whole.shape[0] == M:
            whole = whole.T
        K = M // A
        if whole.shape == (K, K) and K != M:
            shared = True
            bias = biases[0].reshape(-1) if biases else np.zeros(K)
            return np.kron(np.eye(A), whole), np.tile(bias, A), True
        if whole.shape[1] != M:
            return None
        if whole.shape[0] == K and A > 1:
            bias = biases[0].reshape(-1) if biases else np.zeros(K)
            return np.tile(whole, (A, 1)), np.tile(bias, A), True
    else:
        return None
    bias = biases[0].reshape(-1) if biases and biases[0].size == len(whole) else np.zeros(len(whole))
    if len(whole) % A:
        return None
    return whole, bias, shared


def _with_output(made: Arrays, out: Weight | None, seed: int, A: int, K: int, M: int, turned: bool) -> bool:
    AK = A * K
    if out is None:
        made["Wo"], made["bo"] = (np.eye(M, AK), np.zeros(M))
        return True
    matrices, biases = out.matrices(seed), out.biases(seed)
    if len(matrices) > 1:
        matrices = [np.concatenate(matrices, axis=-1 if matrices[0].shape[0] == M else 0)]
    matrix = matrices[0]
    if matrix.ndim == 3:
        if sorted(matrix.shape) != sorted((A, K, M)):
            return False
        matrix = matrix.transpose(
            matrix.shape.index(M), matrix.shape.index(A), matrix.shape.index(K)
        ).reshape(M, AK)
    matrix = matrix.T if turned else matrix
    if matrix.shape != (M, AK) and matrix.T.shape == (M, AK):
        matrix = matrix.T
    if matrix.shape != (M, AK):
        return False
    made["Wo"] = matrix
    made["bo"] = biases[0].reshape(-1) if biases and biases[0].size == M else np.zeros(M)
    return True


def _strided(made: Arrays, A: int, K: int) -> None:
    """The same rows where the head is the faster index: those of one head are A apart."""
    order = np.arange(A * K).reshape(K, A).T.reshape(-1)
    for role in ROLES:
        made[f"W{role}"], made[f"b{role}"] = made[f"W{role}"][order], made[f"b{role}"][order]
    made["Wo"] = made["Wo"][:, order]


def _fused(weight: Weight, others: list[Weight], sizes: dict[str, int], names: str) -> Iterator[Layout]:
    A, M = sizes["A"], sizes["M"]
    out = next((w for w in others if w.role == "o"), others[-1] if others else None)
    matrices = [weight.matrices(seed)[0] for seed in probes.SEEDS]
    flips = (False,) if weight.linear or matrices[0].shape[0] % 3 or matrices[0].shape[1] == M else (True,)
    hint = re.search(r"[qkv]{3}", weight.name.lower())
    first = names or (hint[0] if hint and len(set(hint[0])) == 3 else "qkv")
    orders = dict.fromkeys([first, "qkv", *("".join(order) for order in itertools.permutations("qkv"))])
    for flip, order, layout in itertools.product(flips, orders, ("3AK", "A3K", "AK3", "KA3", "3KA", "K3A")):
        for turned_out in (False, True) if out is not None and not out.linear else (False,):
            values = []
            for seed, matrix in zip(probes.SEEDS, matrices, strict=True):
                rows = matrix.T if flip else matrix
                if rows.shape[1] != M or len(rows) % (3 * A):
                    break
                K = len(rows) // (3 * A)
                lengths = {"3": 3, "A": A, "K": K}
                shape = [lengths[letter] for letter in layout]
                axes = [layout.index(letter) for letter in "3AK"]
                biases = weight.biases(seed)
                bias = biases[0].reshape(-1) if biases else np.zeros(len(rows))
                parts = rows.reshape(*shape, M).transpose(*axes, 3).reshape(3, A * K, M)
                shifts = bias.reshape(shape).transpose(axes).reshape(3, A * K)
                made: Arrays = {}
                for place, role in enumerate(order):
                    made[f"W{role}"], made[f"b{role}"] = parts[place], shifts[place]
                if not _with_output(made, out, seed, A, K, M, turned_out):
                    break
                values.append(made)
            if len(values) == len(probes.SEEDS):
                yield Layout(
                    {role: weight.name for role in ROLES} | {"o": out.name if out else ""},
                    bool(names),
                    False,
                    values,
                    A,
                    len(values[0]["Wq"]) // A,
                    order,
                )
