"""Gradients of a network with a penalty on the weights, against central differences of its own loss."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.align import listed
from clearhead.checking.findings import Finding, Verdict
from clearhead.checking.network_diagnosis.answer import ROLES, NetworkAnswer, Reading
from clearhead.checking.network_diagnosis.gradients import (
    EXACT,
    consistent,
    moved,
    pull,
    returned,
    right_gradients,
)

_STRENGTH = r"reg|lambd|lamb?da|l2|decay|alpha"
_PRODUCT = r"@|\b(dot|matmul|einsum)\("
_NOT_A_GRADIENT = r"def |loss|cost"
_GRADIENT = r"grad|^d_?[A-Zw]|delta"
NEAR = 1e-5  # how near strengths of a penalty come that are told from a loss
Gradients = dict[str, Any]


def judge_penalty(answer: NetworkAnswer, verdict: Verdict) -> None:
    """Say which gradients do not have the penalty that the loss has."""
    if any(f.severity == "error" and f.step.startswith(("d", "loss")) for f in verdict.findings):
        return
    data = next((data for data, _ in answer.observed("regularised", probes.SEEDS[0])), None)
    if data is None or not any(d["reg"] == 0.0 for d, _ in answer.parts.get("differences", [])):
        return
    before = returned(answer, "backward", probes.SEEDS[0])
    made = returned(answer, "regularised", probes.SEEDS[0])
    if len(made) < 2:
        made = moved(answer, "regularised", probes.SEEDS[0])
    if (
        len(made) < 2
        or consistent(answer, before) is False
        or consistent(answer, made, data["reg"]) is not False
    ):
        return
    if _is_the_same(made, before) and not _has_penalty(answer):
        return
    wrong = [role for role in made if consistent(answer, {role: made[role]}, data["reg"]) is False]
    verdict.add("backward", penalty_finding(answer, before, wrong))


def judge_recorded_penalty(answer: NetworkAnswer, reading: Reading, verdict: Verdict) -> None:
    """The same of a recorded training, in which the loss that has a penalty on the weights was made."""
    if reading.forward is None or verdict.ids("error"):
        return
    values, moves = right_gradients(answer, reading), moved(answer, "once", probes.SEEDS[0])
    pulls = {role: _pull(move, values[f"d{role}"], values[role]) for role, move in moves.items()}
    known = {role: strength for role, strength in pulls.items() if strength is not None}
    asked = [2 * each for each in _recorded_strengths(answer, reading)]
    if not asked or not {"W1", "W2"} <= known.keys():
        return  # More than its gradient moves it, such as a momentum.
    wrong = [
        role for role, strength in known.items()
        if not any(abs(strength - each) <= NEAR for each in (asked if role[0] == "W" else [0.0]))
    ]  # fmt: skip
    if wrong:
        finding = penalty_finding(answer, moves, wrong)
        finding.line = _recorded_line(answer, finding.step[-1]) or finding.line
        verdict.add("backward", finding)


def _recorded_line(answer: NetworkAnswer, layer: str) -> int:
    """Where a penalty is added to the gradient of a layer's weights, or where that gradient is made.

    The bias may be a row or a column of the weights.
    """
    inputs, units = answer.shape(f"W{layer}")
    shapes = [sorted(shape) for shape in ((inputs, units), (inputs + 1, units))]
    near = [r.site for r in answer.records("once").all if sorted(r.value.shape) in shapes and r.site.target]
    of_gradients = [site for site in near if re.search(_GRADIENT, site.target)]
    added = (site.line for site in of_gradients if _adds_penalty(answer.lines.at(site.line)))
    return next(added, 0) or next((site.line for site in of_gradients), 0)


def _adds_penalty(text: str) -> bool:
    adds = re.search(_STRENGTH, text, re.I) and re.search(r"[-+]", text)
    return bool(adds) and not re.search(_NOT_A_GRADIENT, text)


def _pull(move: Any, gradient: Any, value: Any) -> float | None:
    """How strongly a move pulls at a parameter beside following its gradient; None if it does neither."""
    if not np.any(value) or not np.isfinite(move).all():
        return None
    factor, strength = pull(move, gradient, value)
    explained = np.allclose(factor * gradient + strength * value, move, rtol=0, atol=EXACT)
    return strength / factor if explained and abs(factor) > EXACT else None


def _recorded_strengths(answer: NetworkAnswer, reading: Reading) -> list[float]:
    """How strong a penalty on all weights is, in numbers that were made in both runs at one place."""
    assert reading.forward is not None
    found: list[dict[tuple[int, int], list[float]]] = []
    for seed, values in zip(probes.SEEDS, reading.forward.values, strict=True):
        loss = float(answer.right["loss"].evaluate(values))
        one, other = (float((values[role] ** 2).sum()) for role in ("W1", "W2"))
        squares, records = one + other, answer.records("once", seed=seed)
        parts = (one, np.sqrt(one), squares)
        if not any(records.find(np.asarray(part), parts=False) is not None for part in parts):
            return []
        numbers = [r for r in records.all if r.value.size == 1]
        places: dict[tuple[int, int], list[float]] = {}
        for record in numbers:
            beyond = (float(record.squeezed) - loss) / squares
            if beyond > EXACT:
                places.setdefault((record.site.line, record.site.column), []).append(beyond)
        found.append(places)
    first, second = found
    return [
        each
        for place in first.keys() & second.keys()
        for each in first[place]
        if any(abs(each - again) <= NEAR * each for again in second[place])
    ]


def penalty_finding(answer: NetworkAnswer, gradients: Gradients, wrong: Sequence[str]) -> Finding:
    """Which gradients do not belong to the penalty of the loss, at the line that adds it."""
    role = next((role for role in ROLES if role in wrong), "W1")
    finding = Finding("regularisation_gradient", f"d{role}", line=_line(answer, gradients.get(role), role))
    finding.values = {"names": listed(f"d{name}" for name in ROLES if name in wrong)}
    return finding


def _is_the_same(made: Gradients, before: Gradients) -> bool:
    return all(role in before and np.allclose(made[role], before[role]) for role in made)


def _has_penalty(answer: NetworkAnswer) -> bool:
    """Whether the strength of regularisation changes the learner's loss along any weight."""
    slopes = {
        data["reg"]: {key: float(value[0]) for key, value in arrays.items()}
        for data, arrays in answer.parts.get("differences", [])
    }
    if len(slopes) < 2:
        return False
    none, some = slopes[0.0], slopes[max(slopes)]
    return any(abs(none[key] - some[key]) > 1e-6 for key in none if key in some)


def _line(answer: NetworkAnswer, gradient: Any, role: str) -> int:
    """Where the penalty is added, or the gradient is made that it should have been added to."""
    begin = answer.line_of("backward")
    ran = {record.site.line for record in answer.records("backward").all}  # rather than a remark
    added = [
        (number, text)
        for number, text in answer.lines.body(begin)
        if _adds_penalty(text) and (number in ran or not ran)
    ]
    match = answer.records("backward").made(gradient, scaled=True) if gradient is not None else None
    own = [number for number, text in added if re.search(rf"{role}\b|{role[0]}\w*{role[1]}\b", text, re.I)]
    target = match.record.site.target if match is not None else ""
    if match is not None and added and not own and target not in ("", "return"):
        named = [number for number, text in added if target in text.replace('"', "'")]
        return next(iter(named), match.record.site.line)  # Else it is added to others.
    if match is not None and added and not own and all(re.search(_PRODUCT, text) for _, text in added):
        return match.record.site.line  # It is added where others are made.
    return next(iter(own or [number for number, _ in added]), match.record.site.line if match else begin)
