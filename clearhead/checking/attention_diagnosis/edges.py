"""What an attention does at the edges: missed parameters, chance in use, one sequence alone, empty rows."""

import re

import numpy as np

from clearhead.checking import probes
from clearhead.checking.align import listed
from clearhead.checking.attention_diagnosis.answer import AttentionAnswer, Reading
from clearhead.checking.attention_diagnosis.meanings import HIDDEN, meaning_of
from clearhead.checking.attention_diagnosis.places import TRIANGLE, mask_line
from clearhead.checking.attention_diagnosis.weights import role_of
from clearhead.checking.findings import Finding, Verdict

CLOSE = 1e-8
_COPIED = r"\[\s*\w+ for _ in range|\] \* "  # [layer for _ in range(3)], [layer] * 3


_FILLS = r"\binf\b|finfo"
# A layer that is made where it is applied: nn.Linear(4, 4)(x).
_MADE_IN_PASSING = r"\bnn\.(Linear|Conv1d|LayerNorm|Embedding)\([^()]*(\([^()]*\)[^()]*)*\)\("


def judge_parameters(answer: AttentionAnswer, verdict: Verdict) -> None:
    """Whether the module knows each of its parameters, once."""
    parameters = answer.understood["parameters"]
    is_bare = answer.understood.get("bare")  # Nothing registers the weights of functions.
    hidden = [name for name, _, _, known in parameters if not known and not is_bare]
    repeated = answer.understood.get("repeated", [])
    applied = answer.lines.first_own(_MADE_IN_PASSING)
    if applied and not hidden:
        layer = re.search(_MADE_IN_PASSING, answer.lines.own[applied - 1])
        names = f"nn.{layer[1]}" if layer else ""
        finding = Finding("parameters_unregistered", line=applied, values={"names": names})
        verdict.add("parameters", finding)
        return
    if not hidden and not repeated:
        idle = [name for name, reached in answer.understood["gradient"].items() if not reached]
        count = len(parameters) + sum(answer.understood.get("norms", {}).values())
        values = {"count": count, "names": listed(idle)}
        if is_bare:
            detail = "weights_idle" if idle else "weights_right"
        elif idle and all(role_of(name) == "k" and name.endswith("bias") for name in idle):
            detail = "parameters_shifted"  # The same number for all keys is nothing to a softmax.
        else:
            detail = "parameters_idle" if idle else "parameters_right"
        verdict.check("parameters", "pass", detail, values)
        return
    stem, lost = _stem((hidden or repeated)[0]), sorted(set(map(_stem, hidden)))
    plain = [name for name, _, owner, known in parameters if not known and not owner]
    leaf = plain[0].rpartition(".")[2] if plain else ""
    if leaf and answer.lines.assigned(leaf):  # Whatever has it may be known; the tensor is not.
        stem, lost = leaf, hidden
    finding = Finding("", line=answer.lines.assigned(stem), variable=f"self.{stem}")
    if hidden:
        finding.id = "parameters_unregistered"
        finding.values = {"names": listed(lost)}
    elif _is_of_heads(repeated):
        finding.id, finding.step = "projection_shared_by_heads", "queries"
    else:
        finding.id, finding.step = "projection_reused", "queries"
        finding.line = answer.lines.first(_COPIED) or finding.line
        finding.values = {"names": listed(repeated[:4])}
    verdict.add("parameters", finding)


def _stem(name: str) -> str:
    return name.partition(".")[0]


def _is_of_heads(repeated: list[str]) -> bool:
    """Whether what is there twice is so for several heads, each with its projections, not for several roles.

    >>> _is_of_heads(["a.1.b.weight", "a.1.c.weight", "a.1.d.weight"]), _is_of_heads(["a.1.weight"])
    (True, False)
    """
    parts = {re.sub(r"^.*?\.\d+\.", "", name) for name in repeated}
    return len(parts) >= 3 or all("head" in name or role_of(name) in ("q", "k", "v") for name in repeated)


def judge_edges(answer: AttentionAnswer, reading: Reading | None, verdict: Verdict) -> None:
    """Look at each edge in turn."""
    _judge_chance(answer, verdict)
    _judge_empty_rows(answer, reading, verdict)
    _judge_batch(answer, verdict)
    _judge_shorter(answer, reading, verdict)
    _judge_uneven(answer, verdict)
    for observed, _ in answer.observed("self", probes.SEEDS[0])[:1]:
        if observed.get("spoiled"):
            finding = Finding("input_changed", "x", line=answer.forward_line, values={"names": "x"})
            verdict.add("output", finding)
    _judge_ready_made(answer, verdict)


def _judge_ready_made(answer: AttentionAnswer, verdict: Verdict) -> None:
    """What stands for the learner's own work: by its name in the source, or as it was called."""
    named = answer.found.get("uses", [])
    lines = {name: int(line) for name, line in reversed(named)}
    for name in answer.understood.get("called", []):
        lines.setdefault(name, answer.forward_line)
    levels = {name: "note" if name == "scaled_dot_product_attention" else "error" for name in lines}
    for name in sorted(lines, key=lambda name: levels[name])[:1]:
        finding = Finding("ready_made", line=lines[name], values={"name": name}, level=levels[name])
        verdict.add("source", finding)


def _judge_chance(answer: AttentionAnswer, verdict: Verdict) -> None:
    """Whether something is dropped out when the module is in use."""
    edges, _ = answer.part("edges")
    if edges.get("wavers") and "parameters_unregistered" not in verdict.ids():
        called = answer.lines.first(r"F\.dropout|functional\.dropout|torch\.dropout")
        line = called or answer.lines.first("ropout", after=answer.forward_line) or answer.forward_line
        verdict.add("eval", Finding("dropout_in_eval", "weights", line=line))
    elif edges:
        verdict.check("eval", "pass", "eval_right")


def _judge_shorter(answer: AttentionAnswer, reading: Reading | None, verdict: Verdict) -> None:
    """Whether a triangle of all tokens is laid over fewer: it is to be cut to those that there are."""
    shorter = answer.part("edges")[0].get("shorter", {})
    if reading is None or not reading.causal or not re.search("size of tensor", shorter.get("message", "")):
        return
    if answer.lines.first_own(TRIANGLE):
        values = {"message": shorter["message"], "function": "forward", "shorter": True}
        verdict.add("output", Finding("crash", "weights", line=int(shorter["line"]), values=values))


def _judge_uneven(answer: AttentionAnswer, verdict: Verdict) -> None:
    """Whether heads of a length of their own make what the output projection does not take."""
    uneven = answer.understood.get("uneven")
    if uneven and not verdict.ids("error"):
        values = {"message": uneven["message"], "function": "forward", "uneven": True}
        verdict.add("output", Finding("crash", "output", line=int(uneven["line"]), values=values))


def true_hides(answer: AttentionAnswer, verdict: Verdict) -> bool:
    """Whether true in a mask hides, as far as it was told."""
    if "mask_convention" in verdict.ids() or "mask_inverted" in verdict.ids():
        return True
    return any(meaning_of(answer.lines, name).true == HIDDEN for name in answer.mask_names[:1])


def _judge_empty_rows(answer: AttentionAnswer, reading: Reading | None, verdict: Verdict) -> None:
    """Whether a query that may attend to nothing becomes nan."""
    if not answer.mask_names or "mask_times_infinity" in verdict.ids():
        return
    name = answer.mask_names[0]
    nothing = answer.part("edges")[1].get("nothing hidden" if true_hides(answer, verdict) else "nothing")
    if nothing is None or np.isfinite(nothing).all():
        return
    filled = answer.lines.first_own(_FILLS) or answer.lines.first(_FILLS)
    line = filled or (mask_line(answer, reading.explanation, name) if reading else answer.forward_line)
    verdict.add("masked_row", Finding("fully_masked_row_nan", "weights", line=line))


def _judge_batch(answer: AttentionAnswer, verdict: Verdict) -> None:
    """Whether a sequence alone gets what it got among others."""
    alone = answer.part("edges")[1].get("alone")
    outs = answer.outs("self")[0]
    if alone is None or not outs or alone.shape[1:] != outs[0].shape[1:]:
        return
    if np.isfinite(alone).all() and not np.allclose(alone[0], outs[0][0], atol=CLOSE):
        verdict.check("batch", "fail", "batch_leaks")
    else:
        verdict.check("batch", "pass", "batch_right")
