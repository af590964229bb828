"""What explains a network's probabilities: the fewest mistakes, or another model than ours."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.align import digits, laid
from clearhead.checking.findings import Finding, Verdict
from clearhead.checking.network_diagnosis.answer import FORWARD, NetworkAnswer, Reading, Values
from clearhead.checking.network_diagnosis.gradients import moved, returned
from clearhead.checking.network_diagnosis.places import at, made_at, placed
from clearhead.checking.search import Explanation, close, explanations

KINDS = ("forward", "loss", "backward", "step", "once")  # where the values of a forward pass may be made
ACTIVATIONS = {"tanh": "tanh", "relu": "ReLU"}
_ONE_AT_A_TIME = "softmax_over_batch"  # over all that it is given, where that is one example


def explain_forward(answer: NetworkAnswer, verdict: Verdict) -> Reading:
    """Find the simplest explanation, and say what it means."""
    if "forward" not in answer.functions:
        answer.one_by_one = "one by one" in answer.understood.get("text", [])
        return Reading(explanations(FORWARD, answer.right, [], answer.values, lambda *_: None)[0])
    outs = [answer.outs(seed) for seed in probes.SEEDS]
    if not all(outs):
        return _not_checked(verdict, "no_output", other=False)
    found = _found(answer, outs)
    if not found:
        if "softmax" not in answer.understood.get("text", []) and not _sums_to_one(outs[0]):
            return _not_checked(verdict, "another_model")
        if not answer.sure("forward"):
            return _not_checked(verdict, "not_understood")
        return _unknown(answer, verdict, outs)
    explanation = max(found, key=lambda each: _seen(answer, each))
    why = _another_model(answer, explanation)
    if why:
        return _not_checked(verdict, why)
    if _last(explanation) == _ONE_AT_A_TIME and _keeps_examples_apart(answer):
        answer.one_by_one = True
        explanation = _of_each(answer, explanation)
        found, outs[0] = [explanation], [explanation.values[0]["y"]]
    reading = Reading(explanation)
    _say(answer, reading, verdict, found, outs[0])
    return reading


def _not_checked(verdict: Verdict, why: str, *, other: bool = True) -> Reading:
    verdict.check("forward", "not_checked", why)
    return Reading(other=other)


def _found(answer: NetworkAnswer, outs: Sequence[Sequence[Any]]) -> list[Explanation]:
    def fits(name: str, values: Mapping[str, Any], probe: int) -> bool | None:
        if name != "y":
            return None
        return any(close(out, values["y"], answer.tolerance) for out in outs[probe])

    found = explanations(FORWARD, answer.right, answer.wrong, answer.values, fits)
    scores = [e for e in found if _last(e) == "softmax_missing"]
    if scores and all(e.mistakes for e in found):
        return _softmax_elsewhere(answer, scores) or found
    return found


def _last(explanation: Explanation) -> str:
    mistake = explanation.mistakes.get("y")
    return mistake.id if mistake is not None else ""


def _softmax_elsewhere(answer: NetworkAnswer, found: Sequence[Explanation]) -> list[Explanation]:
    """Scores are returned where the softmax stands in the loss, or in what makes predictions."""
    records = answer.records(*KINDS, "accuracy")
    wrong = [m for m in answer.wrong if m.id.startswith("softmax_") and m.step.name == "y"]
    ways = [(None, answer.right["y"]), *((m, m.step) for m in wrong if m.id != "softmax_missing")]
    for explanation in found:
        rest = {name: m for name, m in explanation.mistakes.items() if name != "y"}
        known = [dict(v, shifted=v["z2"] - v["z2"].max(axis=1, keepdims=True)) for v in explanation.values]
        for mistake, step in ways:
            made = [dict(values, y=step.evaluate(values)) for values in known]
            if records.find(made[0]["y"]) is not None:
                return [Explanation(rest if mistake is None else {**rest, "y": mistake}, made)]
    return []


def _seen(answer: NetworkAnswer, explanation: Explanation) -> int:
    """How many of the wrong values were seen on the way."""
    records = answer.records("forward")
    return sum(records.find(explanation.values[0][name]) is not None for name in explanation.mistakes)


def _another_model(answer: NetworkAnswer, explanation: Explanation) -> str:
    """Why the network is none of softmax and cross-entropy on a batch; "" if it is one."""
    words, last = answer.understood.get("text", []), _last(explanation)
    learns = {"loss", "backward", "step"} & answer.functions.keys()
    if last in ("output_sigmoid", "softmax_missing") and ("softmax" not in words or not learns):
        return "another_model"
    if last == "softmax_missing" and "softmax()" in words:
        return "no_output"  # It is called somewhere, where nothing was seen.
    return ""


def _of_each(answer: NetworkAnswer, explanation: Explanation) -> Explanation:
    """The same, with the shares of each example as they are where it comes alone."""
    mistakes = {name: mistake for name, mistake in explanation.mistakes.items() if name != "y"}
    values = [{**known, "y": answer.right["y"].evaluate(known)} for known in explanation.values]
    return Explanation(mistakes, values)


def _keeps_examples_apart(answer: NetworkAnswer) -> bool:
    """Whether examples are handed over one by one, or gradients of biases are made for each of them."""
    parts = [data for data, _ in answer.parts.get("observed", [])]
    told = {"outer", "one by one"} & {*answer.understood.get("text", [])}
    if told or any("pairs" in data["roles"].values() for data in parts):
        return True
    kind = next((kind for kind in ("backward", "step", "once") if answer.observed(kind, probes.SEEDS[0])), "")
    made = returned(answer, kind, probes.SEEDS[0]) or moved(answer, kind, probes.SEEDS[0])
    return "b2" in answer.shapes and "W2" in made and "b2" not in made


def _sums_to_one(outs: Sequence[Any]) -> bool:
    return any(np.allclose(out.sum(axis=1), 1, atol=1e-6) for out in outs)


# What is said


def _say(
    answer: NetworkAnswer,
    reading: Reading,
    verdict: Verdict,
    found: Sequence[Explanation],
    outs: Sequence[Any],
) -> None:
    assert reading.forward is not None
    known, mistakes = reading.forward.values[0], reading.forward.mistakes
    alternatives = {m.id for e in found for m in e.mistakes.values()} - {m.id for m in mistakes.values()}
    for name, mistake in mistakes.items():
        finding = placed(answer, reading, mistake, known[name], KINDS)
        finding.alternatives = sorted(alternatives)
        finding.evidence = {"value": "y", "digits": digits(outs[0], known["y"])}
        _show(answer, finding, outs[-1])
        verdict.add("forward", finding)
    errors = [float(np.abs(out - known[name]).max()) for out in outs for name in ("y", "z2")]
    other = mistakes["h"].step.function.__name__ if "h" in mistakes else ""
    activation = ACTIVATIONS.get(other.partition("another_activation__")[2], "σ")
    values = {"activation": activation, "error": f"{max(min(errors), 1e-16):.0e}"}
    verdict.check("forward", "pass", "forward_right", values)


def _show(answer: NetworkAnswer, finding: Finding, actual: Any) -> None:
    values = _right_values(answer, 0)
    finding.shown = {"input": values["X"], "name": "y", "expected": values["y"], "actual": actual}


def _right_values(answer: NetworkAnswer, probe: int) -> Values:
    values = dict(answer.values[probe])
    for name in FORWARD:
        values[name] = answer.right[name].evaluate(values)
    return values


def _unknown(answer: NetworkAnswer, verdict: Verdict, outs: Sequence[Sequence[Any]]) -> Reading:
    """No known mistake gives these probabilities: say the first step that is nowhere among the values."""
    records, values = answer.records("forward"), [dict(v) for v in answer.values]
    finding = Finding("unknown", "y")
    for name in FORWARD:
        for known in values:
            known[name] = answer.right[name].evaluate(known)
        near = records.shaped(values[0][name].shape)
        if name == "y" or finding.step != "y" or not near or records.find(values[0][name]) is not None:
            continue
        finding.step = name
        at(finding, (near[0] if name == "z1" else near[-1]).site)
        _go_on(answer, values, name)
    if finding.step == "y":
        at(finding, made_at(answer, outs[0][-1], ["forward"]), answer.line_of("forward"))
    finding.values = {"name": finding.step}
    finding.expected = f"{finding.step} = {answer.right[finding.step].formula}"
    if not _sums_to_one(outs[0][-1:]):
        finding.evidence = {"rows": float(outs[0][-1].sum(axis=1)[0])}
    _show(answer, finding, outs[0][-1])
    verdict.add("forward", finding)
    return Reading(Explanation({}, [dict(v, y=out[-1]) for v, out in zip(values, outs, strict=True)]))


def _go_on(answer: NetworkAnswer, values: Sequence[Values], name: str) -> None:
    """Let the learner's own value of a step stand for ours."""
    for known, seed in zip(values, probes.SEEDS, strict=True):
        near = answer.records("forward", seed=seed).shaped(known[name].shape)
        own = laid(near[-1].value, known[name].shape) if near else None
        if own is not None:
            known[name] = own
