"""What the values of a recorded training tell beside gradients: a bias left out, the loss, overflow."""

import re

import numpy as np

from clearhead.checking import probes
from clearhead.checking.align import Match, Site
from clearhead.checking.findings import Finding, Verdict
from clearhead.checking.network_diagnosis.answer import NetworkAnswer, Reading, any_of
from clearhead.checking.network_diagnosis.gradients import right_gradients
from clearhead.checking.network_diagnosis.places import at
from clearhead.docstrings import Step

LOOSE = 1e-6  # for a loss, whose logarithm may be guarded by a small number


def judge_recorded(answer: NetworkAnswer, reading: Reading, verdict: Verdict) -> None:
    """Look for known values among all that were recorded."""
    if reading.forward is None:
        return
    _judge_biases(answer, reading, verdict)
    _judge_loss(answer, reading, verdict)
    values, records = reading.forward.values[0], answer.records("once")
    careful = records.find(np.exp(values["z2"] - values["z2"].max(axis=1, keepdims=True)))
    plain = records.made(np.exp(values["z2"]))
    if plain is not None and careful is None:
        verdict.add("forward", at(Finding("softmax_overflow", "y"), plain.record.site))


def _judge_biases(answer: NetworkAnswer, reading: Reading, verdict: Verdict) -> None:
    """A bias that gets its gradient, and is never added."""
    assert reading.forward is not None
    records, values = answer.records("once"), right_gradients(answer, reading)
    for role, name in (("b1", "z1"), ("b2", "z2")):
        match = records.made(values[name])
        if role in answer.shapes or match is None or records.find(values[f"d{role}"], scaled=True) is None:
            continue
        frozen = _never_moved(answer, np.shape(values[f"d{role}"])[0])
        if frozen is not None:
            finding = Finding("parameter_never_updated", role, line=frozen.line, variable=frozen.target)
            finding.values = {"names": role}
            verdict.add("train", finding)
            continue
        finding = at(Finding("bias_missing", name), match.record.site)
        finding.yours = f"{name} = {'x W1' if name == 'z1' else 'h W2'}"
        finding.expected = f"{name} = {answer.right[name].formula}"
        verdict.add("forward", finding)


def _never_moved(answer: NetworkAnswer, size: int) -> Site | None:
    """Where a bias of so many units is named that is zero, if none of that size is anything else later."""
    named = [
        r
        for r in answer.records("once").all
        if r.value.dtype.kind == "f" and r.squeezed.shape == (size,) and r.site.target not in ("", "return")
    ]
    zeros = [record for record in named if not any_of(record.value)]
    moved = {record.site.target for record in named if any_of(record.value)}
    return next((record.site for record in zeros if record.site.target not in moved), None)


def _judge_loss(answer: NetworkAnswer, reading: Reading, verdict: Verdict) -> None:
    """The loss, right or wrong, is a number that was recorded in both runs."""
    if _made(answer, reading, answer.right["loss"]) is not None:
        verdict.check("compute_loss", "pass", "loss_right")
        return
    for mistake in answer.wrong:
        match = _made(answer, reading, mistake.step) if mistake.step.name == "loss" else None
        # What goes into more has its sign there, as where a penalty stands before the minus.
        if (
            match is None
            or (mistake.id == "loss_summed" and _is_added_up(answer, match.record.site))
            or (mistake.id == "loss_sign" and not match.record.site.target)
        ):
            continue
        finding = at(Finding(mistake.id, "loss"), match.record.site)
        finding.yours = f"loss = {mistake.step.formula}"
        finding.expected = f"loss = {answer.right['loss'].formula}"
        verdict.add("compute_loss", finding)
        return


def _is_added_up(answer: NetworkAnswer, site: Site) -> bool:
    """Whether the sums of batches go into one sum, to be divided at the end of an epoch."""
    name = re.search(r"\w+$", site.target)
    added = rf"[-+]=.*\b{name[0]}\b" if name else "^$"
    return bool(re.search("[-+]=", answer.lines.at(site.line)) or answer.lines.first(added))


def _made(answer: NetworkAnswer, reading: Reading, step: Step) -> Match | None:
    """Where a step's value was made in the first run, if it was made in the other one too."""
    assert reading.forward is not None
    found = []
    for seed, values in zip(probes.SEEDS, reading.forward.values, strict=True):
        with np.errstate(all="ignore"):
            value = np.asarray(step.evaluate(values))
        found.append(answer.records("once", seed=seed).made(value, close=LOOSE))
    return found[0] if all(found) else None
