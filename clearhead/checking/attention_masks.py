"""Whether an attention's mask hides what it says, and which mistake it is where it does not."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.align import Records
from clearhead.checking.attention_answer import STEPS, AttentionAnswer, Reading, Values, masked
from clearhead.checking.attention_forms import any_same, score_layouts
from clearhead.checking.attention_places import has_size_of_scores, mask_line, placed
from clearhead.checking.findings import Finding, Verdict
from clearhead.checking.mask_forms import spread
from clearhead.checking.search import Explanation, explanations
from clearhead.docstrings import Step
from clearhead.mistakes import mistakes_of

FILLS = (-1.0, -10.0, -100.0, 1e-9, -1e-9, -2.0, -5.0, -20.0, -50.0, -0.5, 1.0, -1e-8, -1e-6)
ENOUGH = -600.0  # what fills a masked score so that it counts for nothing
# Of several mistakes that give the same numbers, the likelier first.
LIKELY = (
    "mask_discarded", "mask_inverted", "mask_on_queries", "mask_after_softmax",
    "mask_multiplied_before_softmax",
    "mask_hides_diagonal", "mask_fill_too_small",
)  # fmt: skip
_TRUE_HIDES = (
    r"(true|1)\b[^.\n]{0,30}"
    r"(ignor|masked|hidden|hide|block|pad|not (allowed|attend)|가려|가리|무시|막|遮|屏蔽|掩)"
)
_TRUE_ALLOWS = r"(true|1)\b[^.\n]{0,30}(may|attend|allow|keep|kept|visible|see|볼 수|참고|허용|可见|保留)"


def judge_masks(answer: AttentionAnswer, reading: Reading | None, verdict: Verdict) -> None:
    """Say how the mask stands: it is right if it is in one of the forms that the code takes."""
    if not answer.mask_name:
        return
    if reading is None or answer.tokens_first:
        verdict.check("mask", "not_checked", "not_understood")
        return
    taken = [
        (kind, data["form"])
        for kind in ("masked", "added")
        for data, _ in answer.observed(kind, probes.SEEDS[0])
    ]
    if not taken:
        _not_taken(answer, verdict)
        return
    outs, found = [], []
    for kind, form in taken:
        made = answer.outs(kind, form=form)
        if not all(made):
            continue
        best = _explanations(answer, reading, made, form)
        if best and not best[0].mistakes:
            verdict.check("mask", "pass", "mask_right", {"name": answer.mask_name})
            return
        # Numbers that are added are one of two conventions, and prove nothing wrong.
        if kind == "masked":
            outs.append(made)
            if best:
                found.append((form, best, made))
    if found:
        _accuse(answer, reading, verdict, *found[0])
    elif outs:
        finite = all(np.isfinite(out).all() for out in outs[0][0])
        verdict.check("mask", "not_checked", "not_understood" if finite else "mask_not_finite")


def _not_taken(answer: AttentionAnswer, verdict: Verdict) -> None:
    messages = [data["message"] for data, _ in answer.parts.get("failed", []) if data["kind"] == "masked"]
    if messages:
        verdict.check("mask", "not_checked", "crashes", {"message": messages[0]})
    else:
        verdict.check("mask", "not_checked", "mask_not_taken")


def _explanations(
    answer: AttentionAnswer, reading: Reading, outs: Sequence[Sequence[Any]], form: str
) -> list[Explanation]:
    """What explains the outputs with a mask, beside what is known already; likelier ones first."""
    mistakes = reading.explanation.mistakes
    right = {name: mistakes[name].step if name in mistakes else step for name, step in answer.right.items()}
    values = []
    for probe, seed in enumerate(probes.SEEDS):
        known = answer.values(reading.layout, reading.causal, probe, "self")
        allowed = spread(probes.mask(seed, answer.sizes["B"], answer.sizes["T"]), form, reading.layout.A)
        values.append({**known, **masked(allowed * known["mask"])})
    wrong = [mistake for mistake in mistakes_of("attention") if mistake.id.startswith("mask_")]

    def fits(name: str, made: Mapping[str, Any], probe: int) -> bool | None:
        return any_same(outs[probe], made["output"], made["mask"]) if name == "output" else None

    fill = fill_of(answer.records("masked", form=form), values[0], right)
    for value in FILLS if fill is None else (fill,):
        filled = [{**known, "fill": np.float64(value)} for known in values]
        found = explanations(STEPS, right, wrong, filled, fits, 1)
        if found and not found[0].mistakes:
            return found[:1]
        found = [e for e in found if value > ENOUGH or _id(e) != "mask_fill_too_small"]
        if found:
            return sorted(found, key=lambda e: _rank(_id(e), fill))
    return []


def _id(explanation: Explanation) -> str:
    return next(iter(explanation.mistakes.values())).id


def _rank(identity: str, fill: float | None) -> int:
    """How unlikely a mistake is; where a fill was seen that is no nothing, it is that."""
    return -1 if fill and identity == LIKELY[-1] else LIKELY.index(identity)


def fill_of(records: Records, values: Values, right: Mapping[str, Step]) -> float | None:
    """What stands in place of masked scores: a constant, or one that was added; None where none is seen."""
    made = dict(values)
    for name in STEPS[: STEPS.index("scores") + 1]:
        made[name] = right[name].evaluate(made)
    scores = made["scores"]
    hidden = np.broadcast_to(made["mask"], scores.shape) == 0
    for record in records.all:
        if has_size_of_scores(record, scores):
            for known, out in score_layouts(scores, hidden):
                fill = _fill_in(record.value, known, out)
                if fill is not None:
                    return fill
    return None


def _fill_in(value: Any, scores: Any, hidden: Any) -> float | None:
    """The constant that is in the hidden places of scores, or was added there."""
    if np.squeeze(scores).shape != np.squeeze(value).shape:
        return None
    value = value.reshape(scores.shape)
    if not np.allclose(value[~hidden], scores[~hidden], rtol=1e-9) or np.allclose(value, scores):
        return None
    below, added = value[hidden], (value - scores)[hidden]
    if not np.isfinite(below).all():
        return -np.inf
    for constant, tolerance in ((below, 1e-9), (added, 1e-6)):
        if np.ptp(constant) <= tolerance * max(1, abs(constant[0])):
            return float(constant[0])
    return None


def _accuse(
    answer: AttentionAnswer,
    reading: Reading,
    verdict: Verdict,
    form: str,
    found: Sequence[Explanation],
    outs: Sequence[Sequence[Any]],
) -> None:
    best = found[0]
    name, mistake = next(iter(best.mistakes.items()))
    line = mask_line(answer, reading.explanation)
    meant = _meaning(answer) if mistake.id == "mask_inverted" else "allowed"
    if meant == "hidden":
        verdict.add("mask", Finding("mask_convention", "mask", line=line, variable=answer.mask_name))
        verdict.check("mask", "pass", "mask_right", {"name": answer.mask_name})
        return
    finding = placed(answer, mistake, name, best, "masked", form=form)
    if mistake.id == "mask_discarded":
        finding.line, finding.variable = line or finding.line, answer.mask_name
    finding.alternatives = sorted({_id(other) for other in found} - {mistake.id})
    expected = answer.complete(answer.values(reading.layout, reading.causal, 0))["output"]
    answer.show(finding, outs[0], expected, best.values[0]["x"], best.values[0]["output"])
    if not meant:  # Both conventions are in use: without a word on it neither is wrong.
        finding.level = "note"
        verdict.check("mask", "not_checked", "mask_meaning", {"name": answer.mask_name})
    verdict.add("mask", finding)


def _meaning(answer: AttentionAnswer) -> str:
    """What true in a mask stands for, "hidden" or "allowed", if the learner's file tells; else ""."""
    remarks, text = list(answer.lines.remarks()), answer.lines.text

    def said(pattern: str) -> bool:
        return any(re.search(pattern, remark, re.I) for remark in remarks)

    upper, lower = (re.search(rf"\b{word}\b", text) for word in ("triu", "tril"))
    turned = upper and re.search(r"== *0\b|~|1 *- ", text)  # What comes after is cut out, and the rest kept.
    if "padding" in answer.mask_name or said(_TRUE_HIDES) or (upper and not lower and not turned):
        return "hidden"
    return "allowed" if said(_TRUE_ALLOWS) or lower or turned else ""
