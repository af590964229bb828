"""A network's accuracy: in percent, of the examples whose likeliest class is right."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.align import Site
from clearhead.checking.findings import Finding, Verdict
from clearhead.checking.network_diagnosis.answer import NetworkAnswer, Reading, Values
from clearhead.checking.network_diagnosis.places import at
from clearhead.docstrings import Step

Call = tuple[
    list[list[float]], list[Values]
]  # the numbers that were returned of each probe, and their inputs
_WHERE = {"accuracy_wrong_axis": r"argmax", "accuracy_as_fraction": r"mean|sum|/|return"}


def judge_accuracy(answer: NetworkAnswer, reading: Reading, verdict: Verdict) -> None:
    """Say how the accuracy is counted."""
    calls = _calls(answer, reading, ("y", "guess"))
    if "accuracy" not in answer.functions or reading.other or not calls:
        return
    right = answer.right["accuracy"]
    wrong = next(m.step for m in answer.wrong if m.id == "accuracy_wrong_axis")
    share = answer.sizes["C"] / answer.sizes["N"]
    if _fits(right, 1.0, calls) or _fits(right, answer.sizes["N"] / 100, calls):  # In percent, or how many.
        verdict.check("evaluate", "pass", "accuracy_right")
    elif _fits(right, 0.01, calls):
        verdict.add("evaluate", _finding(answer, "accuracy_as_fraction"))
        verdict.check("evaluate", "pass", "accuracy_right")
    elif _is_told(answer, calls) and any(
        _fits(wrong, scale, _calls(answer, reading, ("y",))) for scale in (1.0, 0.01, share, 0.01 * share)
    ):
        finding = _finding(answer, "accuracy_wrong_axis")
        finding.yours = "accuracy = 100 mean_C([argmax_N(y) = argmax_N(Y)])"
        verdict.add("evaluate", finding)
    elif (site := _of_columns(answer, reading)) is not None:
        finding = at(_finding(answer, "accuracy_wrong_axis"), site)
        finding.yours = "accuracy = 100 mean_C([argmax_N(y) = argmax_N(Y)])"
        verdict.add("evaluate", finding)
    else:  # Without labels among what it takes it may count something else.
        verdict.check("evaluate", "not_checked", "not_understood")


def _of_columns(answer: NetworkAnswer, reading: Reading) -> Site | None:
    """Where the likeliest example of each class was taken, and nowhere the likeliest class of an example."""
    outputs = [values["shares"] for values in answer.values[:1]]
    outputs += [reading.forward.values[0]["y"]] if reading.forward is not None else []
    records = [r for r in answer.records("accuracy").all if r.value.dtype.kind in "iu"]
    for y in outputs:
        rows, columns = (
            [r.site for r in records if np.array_equal(r.squeezed, y.argmax(axis=axis))] for axis in (1, 0)
        )
        if columns and not rows:
            return columns[0]
    return None


def _is_told(answer: NetworkAnswer, calls: Sequence[Call]) -> bool:
    """Whether a name says that it is an accuracy, or its numbers do, which are not always the same."""
    return answer.sure("accuracy") or all(len({*map(tuple, numbers)}) > 1 for numbers, _ in calls)


def _calls(answer: NetworkAnswer, reading: Reading, given: Sequence[str]) -> list[Call]:
    """Each way in which it was called that is known: with predictions of some kinds, or with examples."""

    def is_known(data: Any) -> bool:
        made = {"y", "guess"} & {*data["roles"].values()}
        return bool(made & {*given}) if made else reading.forward is not None

    seen = [
        [part for part in answer.observed("accuracy", seed) if is_known(part[0])] for seed in probes.SEEDS
    ]
    return [
        (
            [_numbers(data, arrays) for data, arrays in pair],
            [_inputs(answer, reading, probe, data) for probe, (data, _) in enumerate(pair)],
        )
        for pair in zip(*seen, strict=False)
    ]


def _numbers(data: Any, arrays: Any) -> list[float]:
    made = (arrays.get(f"returned{number}") for number in range(len(data["returned"])))
    return [float(value.reshape(-1)[0]) for value in made if value is not None and value.size == 1]


def _inputs(answer: NetworkAnswer, reading: Reading, probe: int, data: Any) -> Values:
    values = answer.values[probe]
    if reading.forward is None or {"y", "guess"} & {*data["roles"].values()}:
        y = values["shares"]
    else:
        y = reading.forward.values[probe]["y"]
    return {"y": y, "Y": values["Y"]}


def _fits(step: Step, scale: float, calls: Sequence[Call]) -> bool:
    """Whether some way of calling returned a step's value, times a scale, of every probe."""
    return any(
        all(
            any(abs(number - scale * float(step.evaluate(known))) < 1e-4 * scale for number in made)
            for made, known in zip(numbers, inputs, strict=True)
        )
        for numbers, inputs in calls
    )


def _finding(answer: NetworkAnswer, identity: str) -> Finding:
    """A finding where the axis is named, or where the last number is made."""
    begin, lines = answer.line_of("accuracy"), answer.lines.all
    finding = Finding(
        identity, "accuracy", line=begin, expected=f"accuracy = {answer.right['accuracy'].formula}"
    )
    sites = [r.site for r in answer.records("accuracy").all if r.site.kind != "argument"]
    sites = [s for s in sites if s.line <= len(lines) and re.search(_WHERE[identity], lines[s.line - 1])]
    if begin and (identity == "accuracy_as_fraction" or any(site.line > begin for site in sites)):
        sites = [site for site in sites if site.line > begin]  # Rather than in what it calls.
    if sites:
        at(finding, sites[0 if identity == "accuracy_wrong_axis" else -1])
    return finding
