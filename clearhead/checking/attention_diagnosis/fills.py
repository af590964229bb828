"""What stands in the place of masked scores."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from clearhead.checking.align import Records
from clearhead.checking.attention_diagnosis.answer import STEPS, AttentionAnswer, Values
from clearhead.checking.attention_diagnosis.forms import score_layouts
from clearhead.checking.attention_diagnosis.places import has_size_of_scores
from clearhead.checking.findings import Finding, Verdict
from clearhead.docstrings import Step

ENOUGH = -600.0  # what fills a masked score so that it counts for nothing

_INFINITY = r"""(float\(\s*["'][-+]?inf(inity)?["']\s*\)|\b(np|numpy|torch|math)\.(inf|Inf)\b)"""
_TIMES_INFINITY = rf"\*\s*\(?\s*-?{_INFINITY}|{_INFINITY}\)?\s*\*(?!\*)"


def accuse_infinity(answer: AttentionAnswer, verdict: Verdict, name: str) -> bool:
    """Whether a mask is multiplied by infinity, which makes nan of every 0; then say so."""
    line = answer.lines.first_own(_TIMES_INFINITY)
    if line:
        verdict.add(name, Finding("mask_times_infinity", "weights", line=line))
    return bool(line)


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
    if not np.allclose(value[~hidden], scores[~hidden], rtol=1e-9):
        return None
    if np.allclose(value, scores, rtol=1e-13, atol=1e-13):
        return None
    below, added = value[hidden], (value - scores)[hidden]
    if not np.isfinite(below).all():
        return -np.inf
    for constant, tolerance in ((below, 1e-9), (added, 1e-6)):
        if np.ptp(constant) <= tolerance * max(1, abs(constant[0])):
            return float(constant[0])
    return None
