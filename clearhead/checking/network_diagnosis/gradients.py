"""The gradients that a network made: those returned or kept, and those that its parameters moved along."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.align import ratio
from clearhead.checking.findings import first
from clearhead.checking.network_diagnosis.answer import (
    BACKWARD,
    ROLES,
    NetworkAnswer,
    Reading,
    Values,
    any_of,
)
from clearhead.checking.search import Explanation, explanations
from clearhead.docstrings import Step
from clearhead.mistakes import Mistake

Gradients = dict[str, Any]  # by the parameter that each belongs to
Pairs = list[tuple[str, Any]]

EXACT = 1e-8
LAYERS = (["b1"], ["b2"], ["W1"], ["W2"], ["W1", "b1"], ["W2", "b2"])  # what may be beyond what is known
# Where parameters are returned beside gradients, the names of gradients begin with d or hold grad.
_OF_A_GRADIENT = r"(self)?.*?\b_?(d|grad|g_|nabla|delta)"
_OF_TANH = ("slope_of_activated_value__tanh", "slope_applied_twice__tanh")  # where tanh is the activation
_DIFFERENCE = 1e-5  # how near central differences come


# What was made


def returned(answer: NetworkAnswer, kind: str, seed: int) -> Gradients:
    """The gradients that a function returned or kept."""
    for data, arrays in answer.observed(kind, seed)[:1]:
        for name in ("returned", "changed"):
            pairs = [(path, arrays.get(f"{name}{number}")) for number, path in enumerate(data[name])]
            made = _by_role(answer, [(path, np.asarray(v, float)) for path, v in pairs if v is not None])
            if len(made) > 1 or name == "changed":
                return made
    return {}


def transposed(answer: NetworkAnswer, made: Gradients, seed: int) -> list[str]:
    """The weights whose gradient was returned with its axes exchanged: it cannot be subtracted from them."""
    _, arrays = first(answer.observed("backward", seed))
    values = [value for name, value in arrays.items() if re.match("returned|changed", name)]
    found = []
    for role in {"W1", "W2"} & {*made} & {*answer.shapes}:
        own = tuple(answer.shapes[role])
        shapes = {value.shape for value in values if np.array_equal(answer.laid(value, role), made[role])}
        if shapes == {own[::-1]} and own != own[::-1]:
            found.append(role)
    return sorted(found)


def moved(answer: NetworkAnswer, kind: str, seed: int) -> Gradients:
    """How the parameters moved in one update, divided by the rate: what the update took for the gradients."""
    for _, arrays in answer.observed(kind, seed)[:1]:
        before = answer.values[probes.SEEDS.index(seed)] | answer.by_role("before", arrays)
        after = answer.by_role("after", arrays)
        return {role: (before[role] - after[role]) / answer.rate for role in after if role in answer.shapes}
    return {}


def _by_role(answer: NetworkAnswer, pairs: Pairs) -> Gradients:
    made: Gradients = {}
    taken: set[str] = set()
    named = [(p, v) for p, v in pairs if re.match(_OF_A_GRADIENT, re.sub(r"^.*[/.\[]['\"]?", "", p), re.I)]
    for chosen in (named, pairs):
        for role in ROLES:
            if role not in made and role in answer.shapes:
                fits = [(path, answer.laid(value, role)) for path, value in chosen]
                fits = [(path, v) for path, v in fits if v is not None and path not in taken]
                fits.sort(key=lambda each: re.search(rf"{role[1]}\D*$", each[0]) is None)
                if fits:
                    made[role] = fits[0][1]
                    taken.add(fits[0][0])
    for role in ("b1", "b2"):
        if role in answer.shapes and role not in made and f"W{role[1]}" in made:
            found = _misshapen(answer, pairs, role)
            if found:
                made[role] = found[0]
    return made


def _misshapen(answer: NetworkAnswer, pairs: Pairs, role: str) -> list[Any]:
    """A bias gradient of a wrong shape: by its name, behind its weight's, or the only one."""

    def may_be(value: Any) -> bool:
        return value.size in (1, answer.sizes["N"])

    named = [value for path, value in pairs if re.search(rf"b(ias\w*)?_?{role[1]}\D*$", path, re.I)]
    other = [_holder(path) for path, v in pairs if answer.laid(v, "b1b2".replace(role, "")) is not None]
    beside = [v for path, v in pairs if may_be(v) and _holder(path) and _holder(path) in other]
    weights = [n for n, (_, v) in enumerate(pairs) if answer.laid(v, f"W{role[1]}") is not None]
    behind = [value for n in weights[:1] for _, value in pairs[n + 1 : n + 2] if may_be(value)]
    left = [v for path, v in pairs if may_be(v) and v.ndim <= 2 and not re.search("loss|cost", path, re.I)]
    return named or beside or behind or (left if len(left) == 1 else [])


def _holder(path: str) -> str:
    """What a part of something returned lies in: "" if it was returned by itself."""
    return path.rpartition("/")[0]


def same(answer: NetworkAnswer, made: Any, known: Any, weights: Any = None) -> float | None:
    """What a gradient that was made is times a known one; None if it is none of it.

    With `weights`, a multiple of these may have been added to it, as a penalty on them does.
    """
    made = np.asarray(made, float)
    # Least squares of what is not finite raises, after LAPACK itself has printed.
    if made.shape != np.shape(known) or not np.isfinite(made).all():
        return None
    if weights is not None:
        _, strength = pull(made, known, weights)
        if abs(strength) > EXACT:
            made = made - strength * weights
    factor = ratio(made, np.asarray(known), close=max(EXACT, answer.tolerance))
    if factor is None and made.size == 1 and known.size == 1 and known.flat[0]:
        return float(made.flat[0] / known.flat[0])
    return factor


def pull(made: Any, known: Any, weights: Any) -> tuple[float, float]:
    """How much of a known gradient, and of the weights, a gradient that was made comes nearest to."""
    both = np.stack([np.ravel(known), np.ravel(weights)], axis=1)
    (factor, strength), *_ = np.linalg.lstsq(both, np.ravel(made), rcond=None)
    return float(factor), float(strength)


def _weights(values: Mapping[str, Any], role: str, is_moved: bool) -> Any:
    """The weights that an update may shrink beside following their gradient; biases stay."""
    return values[role] if is_moved and role.startswith("W") else None


def moved_along(answer: NetworkAnswer, values: Mapping[str, Any], role: str, step: Any) -> float | None:
    """What a move is times the gradient, apart from a penalty's pull; None if it is none of it."""
    return same(answer, step, values[f"d{role}"], _weights(values, role, True))


def learn_rate(answer: NetworkAnswer, reading: Reading, kind: str) -> None:
    """Where no name tells the rate, take that of the code's own numbers with which the update is plain."""
    data, _ = first(answer.observed(kind, probes.SEEDS[0]))
    rates = data.get("rates", [])
    if not rates:
        answer.is_rated = bool(data.get("rated", True))
        return
    right, N = right_gradients(answer, reading), answer.sizes["N"]
    steps = moved(answer, kind, probes.SEEDS[0])
    factors = [factor for role in steps if (factor := moved_along(answer, right, role, steps[role]))]
    for wanted in (1.0, N, 1 / N):
        for rate in rates:
            if any(abs(abs(factor) * probes.RATE / rate / wanted - 1) < 1e-6 for factor in factors):
                answer.rate = rate
                return
    answer.is_rated = False


# What explains them


def slopes(answer: NetworkAnswer, reading: Reading) -> tuple[dict[str, Step], list[Mistake]]:
    """Right and wrong steps, with the slope that belongs to the learner's own activation."""
    right = dict(answer.right)
    assert reading.forward is not None
    other = reading.forward.mistakes.get("h")
    is_tanh = other is not None and other.step.function.__name__ == "another_activation__tanh"
    wrong = [m for m in answer.wrong if is_tanh or m.step.function.__name__ not in _OF_TANH]
    if other is None:
        return right, wrong
    if other.id == "another_activation":
        kind = other.step.function.__name__.rpartition("__")[2]
        prefix = f"slope_of_another_activation__{kind}"
        own = [mistake for mistake in wrong if mistake.step.function.__name__.startswith(prefix)]
        wrong = [mistake for mistake in wrong if mistake not in own]
        wrong += [Mistake("", mistake.step) for mistake in own[1:]]
        wrong.append(Mistake("slope_of_another_activation", right["dz1"]))
        right["dz1"] = own[0].step
        return right, wrong
    # Without an activation, any slope at z1, or none at all, is not a mistake of its own.
    free = ("slope_forgotten", "slope_of_activated_value", "slope_of_another_activation")
    return right, [Mistake("", m.step) if m.id in free and m.step.name == "dz1" else m for m in wrong]


def right_gradients(answer: NetworkAnswer, reading: Reading) -> Values:
    """The values of the right backward pass, on the learner's own forward one."""
    assert reading.forward is not None
    values, (right, _) = dict(reading.forward.values[0]), slopes(answer, reading)
    for name in BACKWARD:
        values[name] = right[name].evaluate(values)
    return values


def explain_gradients(
    answer: NetworkAnswer, reading: Reading, seen: Sequence[Gradients], *, moved_only: bool
) -> tuple[list[Explanation], list[str]]:
    """The fewest mistakes that make the gradients, up to a factor each; and those that none makes."""
    assert reading.forward is not None
    values = [dict(known) for known in reading.forward.values]
    for known, steps, seed in zip(values, seen, probes.SEEDS, strict=True):
        if moved_only and "W2" in steps:
            known["W2_next"] = known["W2"] - answer.rate * steps["W2"]
        elif not moved_only:
            _, arrays = first(answer.observed("backward", seed))
            known["W2_next"] = answer.by_role("after", arrays).get("W2", known["W2"])
    right, wrong = slopes(answer, reading)
    roles = [role for role in ROLES if all(role in made for made in seen)]
    if moved_only:  # What does not move at all is not a wrong gradient, but a missing update.
        roles = [role for role in roles if any_of(seen[0][role])]

    def search(roles: Iterable[str], most: int) -> list[Explanation]:
        roles = set(roles)

        def fits(name: str, made: Mapping[str, Any], probe: int) -> bool | None:
            if name[0] != "d" or name[1:] not in roles:
                return None
            return (
                same(answer, seen[probe][name[1:]], made[name], _weights(made, name[1:], moved_only))
                is not None
            )

        return explanations(BACKWARD, right, wrong, values, fits, most)

    found = search(roles, 2)
    if not found and moved_only and "W2" in roles:  # What is used before may be moved once more after that.
        right_ones = right_gradients(answer, reading)
        times = moved_along(answer, right_ones, "W2", seen[0]["W2"]) or 1.0
        for known, steps in zip(values, seen, strict=True):
            known["W2_next"] = known["W2"] - answer.rate * steps["W2"] / times
        found = search(roles, 2) if abs(times - 1) > EXACT else []
    if found:
        return found, []
    for lost in LAYERS:  # One layer may be beyond what is known, and the other not.
        rest = [role for role in roles if role not in lost]
        if rest and len(rest) < len(roles) and (found := search(rest, 1)):
            return found, [role for role in lost if role in roles]
    return search([], 0), roles


def consistent(answer: NetworkAnswer, made: Gradients, reg: float = 0.0) -> bool | None:
    """Whether gradients equal central differences of the learner's own loss; None where it has none."""
    for data, arrays in answer.parts.get("differences", []):
        if data["reg"] == reg:
            return any(_agree(answer, made, data["order"], place, arrays) for place in (0, 1))
    return None


def _agree(
    answer: NetworkAnswer, made: Gradients, order: Sequence[str], place: int, arrays: Mapping[str, Any]
) -> bool:
    """Whether gradients, along the directions that were gone, are the slopes of one returned number."""
    good = []
    for number, role in enumerate(order):
        if f"{place}/{role}" in arrays and np.shape(made.get(role, 0)) == answer.shape(role):
            slope = float(arrays[f"{place}/{role}"][0])
            along = float((made[role] * probes.direction(probes.SEEDS[0], number, answer.shape(role))).sum())
            good.append(abs(along - slope) <= _DIFFERENCE * max(abs(slope), abs(along), 1e-3))
    return bool(good) and all(good)
