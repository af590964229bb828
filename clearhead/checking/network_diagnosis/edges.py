"""What a network does at the edges: large scores, a probability of zero, what it keeps and changes."""

import re
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.align import listed
from clearhead.checking.findings import Finding, Verdict
from clearhead.checking.network_diagnosis.answer import NetworkAnswer, Reading
from clearhead.checking.search import close

CHECKS = {"forward": "forward", "loss": "compute_loss", "backward": "backward", "step": "train_step"}
_PASSES_ON = r"=\s*(self\.)?\w*(params|parameters|weights|theta|model)\w*\s*$|\.update\(|\*\*"
_TWO_NAMES = r"self\.\w+\s*=\s*self\.\w+\s*=(?!=)"
# On the line that makes a probability, what keeps it from being zero.
_GUARD = r"e-\d|eps|tiny|delta|clip|maximum|fmax|(?<![\w.])max\(|where\(|\[[^\]]*[<=]=?[^\]]*\]\s*="
EXACT = 1e-14  # nearer than what is added before a logarithm
_BODY = 40  # lines in which forward keeps what it keeps


def judge_edges(answer: NetworkAnswer, reading: Reading, verdict: Verdict) -> None:
    """Look at each edge in turn."""
    data, arrays = answer.part("edges")
    if not data or reading.other:
        return
    # Over the other axis, a class may come to nothing in every example.
    is_across = bool({"softmax_wrong_axis", "softmax_over_batch"} & {*verdict.ids()})
    is_across = is_across and re.search(r"\bmax\(|amax\(", answer.lines.text) is not None
    overflows = np.size(arrays.get("overflow", ())) and not arrays["overflow"].all() and not is_across
    if reading.forward is not None and (overflows or "loss_overflows0" in arrays):
        line = _exp_line(answer, reading) or answer.line_of("forward")
        verdict.add("forward", Finding("softmax_overflow", "y", line=line))
    if _is_infinite(answer, arrays, "softmax_overflow" in verdict.ids()):
        line = _log_line(answer) or answer.line_of("loss")
        verdict.add("compute_loss", Finding("loss_log_of_zero", "loss", line=line))
    if data.get("alias_same") or data.get("alias_changed"):
        values = {"names": listed(data.get("alias_changed", [])[:4])}
        line = _alias_line(answer) or answer.line_of("forward")
        verdict.add("forward", Finding("cache_aliases_parameters", "h", line=line, values=values))
    for kind, name in CHECKS.items():
        for observed, _ in answer.observed(kind, probes.SEEDS[0])[:1]:
            spoiled = ["X" if role == "X" else "Y" for role in observed.get("spoiled", ())]
            if spoiled:
                values = {"names": listed(sorted(set(spoiled)))}
                verdict.add(
                    name, Finding("input_changed", spoiled[0], line=answer.line_of(kind), values=values)
                )


def judge_logarithm(answer: NetworkAnswer, reading: Reading, verdict: Verdict) -> None:
    """Whether a training, whose loss cannot be called by itself, takes the logarithm of what may be zero."""
    if reading.forward is None or "loss" in answer.functions:
        return
    y, labels = (reading.forward.values[0][name] for name in ("y", "labels"))
    picked = y[np.arange(len(y)), labels]
    for kind in ("step", "once"):
        records = [r for r in answer.records(kind).all if r.value.dtype.kind == "f" and r.squeezed.ndim]
        made = [
            r
            for r in records
            if _are_probabilities(r.squeezed, y.shape[1]) or close(r.squeezed, picked, EXACT)
        ]
        if any(re.search(_GUARD, answer.lines.at(record.site.line)) for record in made):
            return
        known = {np.log(record.squeezed).tobytes() for record in made}
        for record in records:
            # To the last bit: nothing was added before.
            if record.squeezed.tobytes() in known and "log" in answer.lines.at(record.site.line):
                verdict.add("compute_loss", Finding("loss_log_of_zero", "loss", line=record.site.line))
                return


def _are_probabilities(value: Any, classes: int) -> bool:
    """Whether these are shares of so many classes, for more than one example."""
    if value.ndim != 2 or classes not in value.shape or min(value.shape) < 2 or not (value > 0).all():
        return False
    axis = 1 if value.shape[1] == classes else 0
    return bool(np.allclose(value.sum(axis=axis), 1, rtol=0, atol=EXACT))


def _is_infinite(answer: NetworkAnswer, arrays: dict[str, np.ndarray], overflows: bool) -> bool:
    """Whether the loss of a probability of zero is infinite, and not because the scores overflow."""
    calls = enumerate(answer.observed("loss", probes.SEEDS[0]))
    place, roles = next(
        ((n, d["roles"].values()) for n, (d, _) in calls if f"loss_of_zero{n}" in arrays), (0, ())
    )
    loss, shares = arrays.get(f"loss_of_zero{place}"), arrays.get("shares_large")
    if loss is None or np.isfinite(loss).all():
        return False
    return (shares is None or bool(np.isfinite(shares).all())) and (not overflows or "y" in roles)


def _alias_line(answer: NetworkAnswer) -> int:
    begin = answer.line_of("forward")
    line = answer.lines.first(_PASSES_ON, after=begin)
    return line if 0 < line <= begin + _BODY else answer.lines.first(_TWO_NAMES)


def _exp_line(answer: NetworkAnswer, reading: Reading) -> int:
    """The line of the softmax's exponential: the last call of exp on scores."""
    scores = reading.forward.values[0].get("z2") if reading.forward is not None else None
    if scores is None:
        return 0
    match = answer.records("forward", "loss", "backward").find(np.exp(scores), parts=True)
    return match.record.site.line if match else 0


def _log_line(answer: NetworkAnswer) -> int:
    lines = answer.lines.all
    sites = (record.site for record in answer.records("loss").all)
    return next(
        (s.line for s in sites if s.line <= len(lines) and re.search(r"\blog\w*\(", lines[s.line - 1])), 0
    )
