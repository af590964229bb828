"""What explains an attention's output without a mask: a way to read it, and the fewest mistakes."""

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.align import Record, Records, Site, listed
from clearhead.checking.attention_diagnosis.answer import STEPS, AttentionAnswer, Reading, Values
from clearhead.checking.attention_diagnosis.fills import ENOUGH, accuse_infinity, fill_of
from clearhead.checking.attention_diagnosis.forms import any_same, nearest
from clearhead.checking.attention_diagnosis.heads import accuse_across, attends_across
from clearhead.checking.attention_diagnosis.layouts import Layout
from clearhead.checking.attention_diagnosis.mixtures import mixture
from clearhead.checking.attention_diagnosis.orders import reordered_mistakes
from clearhead.checking.attention_diagnosis.places import (
    MASKS,
    TRIANGLE,
    Places,
    fill_line,
    is_filled,
    placed,
)
from clearhead.checking.attention_diagnosis.products import SWAPPED, told_apart
from clearhead.checking.attention_diagnosis.weights import role_of, weights_of
from clearhead.checking.findings import Finding, Verdict
from clearhead.checking.search import Explanation, explanations
from clearhead.mistakes import Mistake, mistakes_of

# Mistakes with masks that a causal attention without a mask can make.
CAUSAL = frozenset(
    ("causal_mask_reversed", "mask_inverted", "mask_hides_diagonal", "mask_after_softmax",
     "mask_multiplied_before_softmax", "mask_fill_too_small")
)  # fmt: skip
SWAPS = frozenset(("query_key_swapped", "key_value_swapped"))
# What code has in it that hides something from somebody.
_HIDES = r"tri[lu]|causal|mask|future|inf\b|arange|1e|finfo"
FAR_BELOW = -1e9
_RESIDUAL = "residual_added"
_ADDED = r"resid|shortcut|skip|\+ *(x|q|inputs?)\b|\b(x|q|inputs?) *\+"
# Functions of what is more than attention: positions that turn, norms, gates.
_MORE = r"\b(cos|sin|polar|view_as_complex|norm|normalize|layer_norm|sigmoid|tanh|relu|gelu)(?=\()"
# How many layouts are tried: with one mistake and with two, heads within a token, unknown.
ONE, TWO, ACROSS, UNKNOWN = 14, 2, 8, 12

Found = tuple[Layout, bool, list[Explanation]]


def explain_output(answer: AttentionAnswer, verdict: Verdict) -> Reading | None:
    """Find the simplest explanation, and say what it means; None where there is none to build on."""
    if not all(answer.outs()):
        verdict.check("output", "not_checked", "no_output")
        return None
    choices = answer.layouts()
    if not choices:
        verdict.check("output", "not_checked", "not_understood")
        return None
    named = [layout for layout in choices if layout.named]
    found = (
        _explained(answer, named, 0)
        or (_explained(answer, named[:ONE], 1, SWAPS) if named and not choices[-1].named else None)
        or _explained(answer, choices, 0)
    )
    if found is None:
        across = attends_across(answer, choices[:ACROSS])
        if across is not None:
            accuse_across(answer, verdict, *across)
            return None
        found = (
            _explained(answer, choices[:ONE], 1)
            or (_explained(answer, choices[:ONE], 1, begin=_RESIDUAL) if _may_add_input(answer) else None)
            or _explained(answer, named[:TWO], 2)
        )
    if found is None:
        chance = answer.part("edges")[0].get("wavers") or "parameters_unregistered" in verdict.ids()
        more = _more_than_attention(answer, choices[0])
        if more:
            verdict.check("output", "not_checked", "more_than_attention", {"name": more})
        elif choices[0].named and not chance:
            _say_unknown(answer, verdict, choices[:UNKNOWN])
        else:  # Which projection is whose was guessed, and may have been guessed wrongly.
            verdict.check("output", "not_checked", "not_understood")
        return None
    layout, causal, several = found
    reading = Reading(layout, causal, max(several, key=lambda explanation: _rank(answer, explanation)))
    _say(answer, verdict, reading, several)
    return reading


def _may_add_input(answer: AttentionAnswer) -> bool:
    """Whether the input may be added to the output, so that another mistake is one more."""
    return bool(answer.understood.get("norms") or answer.lines.first_own(_ADDED))


def _explained(
    answer: AttentionAnswer,
    choices: Sequence[Layout],
    most: int,
    only: frozenset[str] = frozenset(),
    begin: str = "",
) -> Found | None:
    """The first layout, causal or not, with which so many mistakes at most, `only` these, explain it.

    The mistake `begin` is there beside them.
    """
    may_be_causal = answer.understood.get("hides") or re.search(_HIDES, answer.lines.text)
    for layout, causal in itertools.product(choices, (False, True) if may_be_causal else (False,)):
        found = _explanations(answer, layout, causal, most, only, begin)
        if found:
            return layout, causal, found
    return None


def _explanations(
    answer: AttentionAnswer, layout: Layout, causal: bool, most: int, only: frozenset[str], begin: str
) -> list[Explanation]:
    outs = answer.outs()
    values = [answer.values(layout, causal, probe) for probe in range(len(probes.SEEDS))]

    def fits(name: str, made: Mapping[str, Any], probe: int) -> bool | None:
        return any_same(outs[probe], made["output"], made["mask"]) if name == "output" else None

    if causal and most:
        fill = fill_of(answer.records(), values[0], answer.right)
        for known in values:
            is_seen = fill is not None and fill > ENOUGH and (fill != 0 or is_filled(answer))
            known["fill"] = np.float64(fill if is_seen else FAR_BELOW)
    wrong = [
        mistake
        for mistake in (*mistakes_of("attention"), *(reordered_mistakes() if most < 2 else ()))
        if _is_possible(answer, mistake, layout, causal) and (not only or mistake.id in only)
    ]  # fmt: skip
    there = {m.step.name: m for m in mistakes_of("attention") if m.id == begin}
    right = {**answer.right, **{name: mistake.step for name, mistake in there.items()}}
    found = explanations(STEPS, right, wrong, values, fits, most)
    for explanation in found:
        explanation.mistakes |= there
    found = [e for e in found if not _is_turned_twice(e)]
    if most == 1 and not layout.named and answer.kind == "self":
        # Without names a swap is no more than another reading.
        return [e for e in found if not SWAPS & _ids(e)] or found
    return found


def _is_possible(answer: AttentionAnswer, mistake: Mistake, layout: Layout, causal: bool) -> bool:
    """Whether a mistake can be told here at all."""
    if mistake.id.startswith(MASKS):
        return causal and mistake.id in CAUSAL
    if not layout.roles["k"]:  # There is but one projection.
        return mistake.id == "projection_reused"
    if mistake.id == "output_projection_missing":
        return bool(layout.roles["o"])
    among_inputs = re.search("inputs_of|both_", mistake.step.function.__name__)
    return answer.kind == "cross" or not (among_inputs or mistake.id == "argument_ignored")


def _ids(explanation: Explanation) -> set[str]:
    return {mistake.id for mistake in explanation.mistakes.values()}


def _rank(answer: AttentionAnswer, explanation: Explanation) -> tuple[int, int, int]:
    """How likely an explanation is, then how much of it is seen among the records, then how short it is."""
    ids, upper = _ids(explanation), "triu" in answer.lines.text
    likely = int(bool(ids & SWAPS))
    likely += 2 * ("mask_fill_too_small" in ids)
    likely += ("causal_mask_reversed" if upper else "mask_inverted") in ids
    records, values = answer.records(), explanation.values[0]
    seen = sum(records.made(values[name]) is not None for name in explanation.mistakes)
    return likely, seen, -len(explanation.mistakes)


def _is_turned_twice(explanation: Explanation) -> bool:
    """Whether scores and weights are transposed: that is a softmax over the queries."""
    turned = [m for m in explanation.mistakes.values() if m.id == "attention_transposed"]
    return len(turned) > 1


# What is said


def _say(answer: AttentionAnswer, verdict: Verdict, reading: Reading, found: Sequence[Explanation]) -> None:
    said = _ids(reading.explanation)
    alternatives = {identity for explanation in found for identity in _ids(explanation)} - said
    if said & SWAPS:  # Each of two is used for the other one, and neither twice.
        alternatives.discard("projection_reused")
    _say_mistakes(answer, verdict, reading, sorted(alternatives))
    if not reading.layout.roles["o"] and "output_projection_missing" not in said:
        verdict.add("output", _no_output_projection(answer, reading))
    triangle = answer.lines.always(TRIANGLE)  # Under an `if` it may be meant to be off.
    in_vain = answer.understood.get("in_vain", [])
    if (triangle or in_vain) and not reading.causal and not answer.mask_names:
        line = int(in_vain[0]) if in_vain else fill_line(answer) or triangle
        formula = answer.formula("weights")
        finding = Finding("mask_discarded", "weights", line=line, values={"name": "mask"}, expected=formula)
        verdict.add("output", finding)
    if reading.layout.shared:
        stem = reading.layout.shared.partition(".")[0]
        line = answer.lines.assigned(stem)
        finding = Finding("projection_shared_by_heads", "queries", line=line, variable=f"self.{stem}")
        verdict.add("parameters", finding)
    for norm in answer.understood.get("norms", {}):
        verdict.check(norm, "not_checked", "set_aside")
    detail = "output_right_causal" if reading.causal else "output_right"
    verdict.check("output", "pass", detail, {"error": f"{_error(answer, reading):.0e}"})


def _say_mistakes(
    answer: AttentionAnswer, verdict: Verdict, reading: Reading, alternatives: list[str]
) -> None:
    values = reading.explanation.values[0]
    expected = answer.complete(answer.values(reading.layout, reading.causal, 0))["output"]
    said: set[str] = set()
    for name, mistake in reading.explanation.mistakes.items():
        if mistake.id in said:
            continue
        said.add(mistake.id)
        finding = placed(answer, mistake, name, reading.explanation)
        finding.alternatives = list(alternatives)
        if mistake.id == SWAPPED and answer.kind == "self":
            finding = told_apart(answer, reading, finding)
        answer.show(finding, answer.outs()[0], expected, values["x"], values["output"])
        if mistake.id in SWAPS and not reading.layout.named and answer.kind == "self":
            finding.level = "note"
        verdict.add("output", finding)


def _no_output_projection(answer: AttentionAnswer, reading: Reading) -> Finding:
    places = Places(answer, answer.records(), reading.explanation.values[0])
    last = places.last("merged")
    match = places.made(reading.explanation.values[0]["merged"])
    line = last.site.line if last else match.record.site.line if match else answer.forward_line
    finding = Finding("output_projection_missing", "output", line=line, yours="output = reshape(merged)")
    finding.expected = answer.formula("output")
    finding.level = "note"  # It may be done by whoever takes what is returned, as in BERT.
    return finding


def _error(answer: AttentionAnswer, reading: Reading) -> float:
    known = reading.explanation.values[0]["output"]
    with np.errstate(all="ignore"):
        return max(float(np.nanmax(np.abs(nearest(answer.outs()[0], known) - known))), 1e-16)


def _more_than_attention(answer: AttentionAnswer, layout: Layout) -> str:
    """A parameter that is none of attention's, or a function that it has no use for; "" if there is none."""
    rows = answer.understood["parameters"]
    weights = weights_of(rows, answer.sizes["A"], answer.sizes["M"])
    used = {n for w in weights if w.name in layout.roles.values() for n in (*w.places, *w.bias)}
    others = [name for place, (name, *_) in enumerate(rows) if place not in used]
    if others:
        return str(others[0].partition(".")[0])
    aside = {name.rpartition(".")[2] for name in answer.understood.get("norms", {})}
    found = (name for text in answer.lines.own for name in re.findall(_MORE, text) if name not in aside)
    return next(found, "")


def _say_unknown(answer: AttentionAnswer, verdict: Verdict, choices: Sequence[Layout]) -> None:
    """No known mistake gives this output: say the first step that is nowhere among the values."""
    finite = all(np.isfinite(out).all() for out in answer.outs()[0])
    if not finite and accuse_infinity(answer, verdict, "output"):
        return
    known = mixture(answer, choices)
    if known is not None:
        verdict.add("output", known)
        return
    records = answer.records()
    best: tuple[int, dict[str, Any]] = (-1, {})
    for layout, causal in itertools.product(choices, (False, True)):
        values = answer.complete(answer.values(layout, causal, 0))
        place = _first_unseen(Places(answer, records, values))
        if place > best[0]:
            best = place, values
    place, values = best
    outs = answer.outs()[0]
    went_on = _gone_on_with(records, values, STEPS[place - 1]) if place else None
    name = STEPS[place - 1] if went_on else STEPS[place]
    site = went_on.site if went_on else _likeliest_site(records, name, values)
    finding = Finding("unknown", name, line=site.line if site else answer.forward_line, values={"name": name})
    finding.variable = site.target if site and site.target != "return" else ""
    finding.expected = answer.formula(name)
    answer.show(finding, outs, values["output"], values["x"])
    reached = answer.understood.get("gradient", {})
    unused = [key for key, does in reached.items() if not does and key.endswith("weight")]
    if unused:
        finding.evidence = {"unused": listed(unused)}
    elif not finite:
        finding.evidence = {"finite": False}
    elif name == "weights" and (sums := _sums(records, values)) is not None:
        finding.evidence = {"weights": sums}
    elif _depends_on_places(answer, outs):
        finding.evidence = {"places": True}
    verdict.add("output", finding)


def _gone_on_with(records: Records, values: Values, name: str) -> Record | None:
    """What a right value became, which something was done to before it was given its name."""
    made = records.made(values[name])
    if made is None or made.record.site.target or name not in ("scores", "weights", "heads", "merged"):
        return None
    later = (r for r in records.shaped(values[name].shape) if r.order > made.record.order)
    return next((record for record in later if record.site.target not in ("", "return")), None)


def _depends_on_places(answer: AttentionAnswer, outs: Sequence[Any]) -> bool:
    """Whether tokens in reverse give other outputs, as nothing that hides what comes after has to."""
    turned = answer.part("edges")[1].get("reversed")
    if turned is None or re.search(rf"{TRIANGLE}|causal|future", answer.lines.text):
        return False
    return not any(out.shape == turned.shape and np.allclose(out[:, ::-1], turned, atol=1e-8) for out in outs)


def _sums(records: Records, values: Values) -> float | None:
    """What the weights of the first query sum to, if it is not one."""
    near = records.shaped(values["weights"].shape)
    sums = near[-1].value.sum(axis=-1) if near else np.ones(1)
    return None if np.allclose(sums, 1) else float(sums.flat[0])


def _likeliest_site(records: Records, name: str, values: Mapping[str, Any]) -> Site | None:
    """Where a step's value was made, by its name and its shape: the output last, all others first."""
    near = [record.site for record in records.shaped(values[name].shape) if record.site.kind != "argument"]
    if name in ("queries", "keys", "values"):
        near = [site for site in near if role_of(site.target) == name[0]] or near
    return next(iter(near[::-1] if name == "output" else near), None)


def _first_unseen(places: Places) -> int:
    """Which step is the first that was not recorded; those that only reshape do not count."""
    for place, name in enumerate(STEPS):
        if name not in ("q", "k", "v", "merged") and places.made(places.values[name]) is None:
            return place
    return len(STEPS) - 1
