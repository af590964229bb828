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
    same,
)
from clearhead.checking.network_diagnosis.places import at, made_at

_STRENGTH = r"reg|lambd|lamb?da|l2|decay|alpha"
_NOT_A_GRADIENT = r"def |loss|cost"
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
    """The same of a recorded training, in which the loss that has a penalty was made."""
    if reading.forward is None or any(f.severity == "error" for f in verdict.findings):
        return
    in_loss, step = _recorded_strengths(answer, reading), moved(answer, "once", probes.SEEDS[0])
    right = right_gradients(answer, reading)
    wrong = []
    for role in ("W1", "W2") if in_loss else ():
        if same(answer, step[role], right[f"d{role}"], right[role]) is None:
            return  # More than its gradient moves it, such as a momentum.
        factor, strength = pull(step[role], right[f"d{role}"], right[role])
        if not any(abs(strength - 2 * each * factor) <= NEAR * 2 * each * factor for each in in_loss):
            wrong.append(role)
    if wrong:
        finding = penalty_finding(answer, step, wrong)
        verdict.add(
            "backward", at(finding, made_at(answer, step[wrong[0]], ["once"], scaled=True), finding.line)
        )


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
        if re.search(_STRENGTH, text, re.I) and re.search(r"[-+]", text)
        if not re.search(_NOT_A_GRADIENT, text) and (number in ran or not ran)
    ]
    match = answer.records("backward").made(gradient, scaled=True) if gradient is not None else None
    own = [number for number, text in added if re.search(rf"{role}\b|{role[0]}\w*{role[1]}\b", text, re.I)]
    target = match.record.site.target if match is not None else ""
    if match is not None and added and not own and target not in ("", "return"):
        named = [number for number, text in added if target in text.replace('"', "'")]
        return next(iter(named), match.record.site.line)  # Else it is added to others.
    return next(iter(own or [number for number, _ in added]), match.record.site.line if match else begin)
