"""A network's loss: whether it is the mean cross-entropy, or a known mistake."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.align import digits
from clearhead.checking.findings import Finding, Verdict
from clearhead.checking.network_diagnosis.answer import NetworkAnswer, Reading, Values
from clearhead.checking.network_diagnosis.places import at
from clearhead.docstrings import Step
from clearhead.mistakes import Mistake

LOOSE = 1e-5  # for a loss, whose logarithm may be guarded by a small number
LEAST_LOGARITHM = 5.0  # of a small number, less its sign
Call = tuple[list[float], list[Values]]  # the losses of each probe, and what they were made from


def judge_loss(answer: NetworkAnswer, reading: Reading, verdict: Verdict) -> None:
    """Say what the loss is; of another one, such as one with a penalty, nobody is accused.

    Where no function of the network makes it, it is the number that an update returns.
    """
    kind = "loss" if "loss" in answer.functions else "step"
    calls = _calls(answer, reading, kind)
    if kind not in answer.functions or reading.other or not calls:
        return
    if any(_fits(answer.right["loss"], *call) for call in calls):
        verdict.check("compute_loss", "pass", "loss_right")
        return
    wrong = [mistake for mistake in answer.wrong if mistake.step.name == "loss"]
    for numbers, inputs in calls:
        for mistake in wrong:
            # What an update returns may be a sum, which is divided later.
            may_be = kind == "loss" or mistake.id != "loss_summed"
            if may_be and _fits(mistake.step, numbers, inputs):
                verdict.add("compute_loss", _finding(answer, mistake, kind, numbers[0], inputs[0]))
                return
    for numbers, inputs in calls if kind == "loss" else ():
        if _takes_logarithm_of_labels(numbers, inputs):
            finding = Finding("loss_not_the_one_differentiated", "loss", line=_log_line(answer))
            finding.yours = "loss = -mean_N(Σ_C(y ⊙ log(Y)))"
            finding.expected = f"loss = {answer.right['loss'].formula}"
            verdict.add("compute_loss", finding)
            return
    if kind == "loss":
        verdict.check("compute_loss", "not_checked", "not_understood")


def _takes_logarithm_of_labels(numbers: Sequence[float], inputs: Sequence[Values]) -> bool:
    """Whether probabilities and labels are exchanged, with a small number added to the labels.

    What remains is the share that is not given to the own class, times that number's logarithm.
    """
    missed = [float((values["y"] * (1 - values["Y"])).sum(axis=1).mean()) for values in inputs]
    one, other = (number / share for number, share in zip(numbers, missed, strict=True))
    return bool(LEAST_LOGARITHM < one < np.inf and abs(one / other - 1) < LOOSE)


def _log_line(answer: NetworkAnswer) -> int:
    """Where the loss takes a logarithm."""
    begin = answer.line_of("loss")
    return next((n for n, text in answer.lines.body(begin) if re.search(r"\blog\w*\(", text)), begin)


def _calls(answer: NetworkAnswer, reading: Reading, kind: str) -> list[Call]:
    """Each way in which a function that makes the loss made a number of every probe."""
    seen = [answer.observed(kind, seed) for seed in probes.SEEDS]
    calls = []
    for pair in zip(*seen, strict=False):
        numbers = [_number(data, arrays) for data, arrays in pair]
        inputs = [
            _inputs(answer, reading, probe, set(d["roles"].values())) for probe, (d, _) in enumerate(pair)
        ]
        # That of one example sums over all that it is given.
        single = answer.one_by_one and all("pairs" not in d["roles"].values() for d, _ in pair)
        count = answer.sizes["N"] if single else 1
        known = [number / count for number in numbers if number is not None]
        if len(known) == len(numbers):
            calls.append((known, inputs))
    return calls


def _number(data: Any, arrays: Any) -> float | None:
    """The number that a loss returned."""
    made = [arrays[f"returned{i}"] for i in range(len(data["returned"])) if f"returned{i}" in arrays]
    return next((float(v.reshape(-1)[0]) for v in made if v.size == 1 and v.dtype.kind == "f"), None)


def _inputs(answer: NetworkAnswer, reading: Reading, probe: int, roles: set[str]) -> Values:
    values = answer.values[probe]
    if "y" in roles or reading.forward is None:
        y = values["shares"]
    elif "z2" in roles:
        y = answer.right["y"].evaluate({"z2": reading.forward.values[probe]["z2"]})
    else:
        y = reading.forward.values[probe]["y"]
    return {"y": y, "Y": values["Y"]}


def _fits(step: Step, numbers: Sequence[float], inputs: Sequence[Values]) -> bool:
    with np.errstate(all="ignore"):
        known = [float(step.evaluate(values)) for values in inputs]
    return all(
        abs(number - value) <= LOOSE * max(abs(value), 1e-3)
        for number, value in zip(numbers, known, strict=True)
    )


def _finding(answer: NetworkAnswer, mistake: Mistake, kind: str, number: float, inputs: Values) -> Finding:
    right, wrong = answer.right["loss"], mistake.step
    # What was recorded is the first way in which it was called, which may have made another number.
    recorded = _number(*answer.observed(kind, probes.SEEDS[0])[0])
    scalars = [r for r in answer.records(kind).all if r.value.ndim == 0]
    made = next(
        (r.site for n in (number, recorded) if n is not None for r in scalars if _equal(float(r.value), n)),
        None,
    )
    finding = at(Finding(mistake.id, "loss"), made, answer.line_of(kind))
    finding.yours, finding.expected = f"loss = {wrong.formula}", f"loss = {right.formula}"
    finding.evidence = {"value": "loss", "digits": digits(np.asarray(number), wrong.evaluate(inputs))}
    expected = float(right.evaluate(inputs))
    finding.shown = {"name": "loss", "expected": expected, "actual": number, "input": inputs["y"]}
    return finding


def _equal(one: float, other: float) -> bool:
    return abs(one - other) <= 1e-12 * abs(other)
