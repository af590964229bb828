"""Whether an attention's mask hides what it says, and which mistake it is where it does not."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.align import Record, Records
from clearhead.checking.attention_diagnosis.answer import STEPS, AttentionAnswer, Reading, Values, masked
from clearhead.checking.attention_diagnosis.fills import ENOUGH, accuse_infinity, fill_of
from clearhead.checking.attention_diagnosis.forms import any_same
from clearhead.checking.attention_diagnosis.laws import is_mask, judge_by_laws
from clearhead.checking.attention_diagnosis.meanings import ALLOWED, HIDDEN, Meaning, meaning_of
from clearhead.checking.attention_diagnosis.orders import reordered_mistakes
from clearhead.checking.attention_diagnosis.places import (
    dropped,
    is_filled,
    is_shaped,
    mask_line,
    placed,
    turned_line,
)
from clearhead.checking.findings import Finding, Verdict
from clearhead.checking.mask_forms import LENGTHS, shaped, spread
from clearhead.checking.search import Explanation, explanations
from clearhead.mistakes import Mistake, mistakes_of

FILLS = (-1.0, -10.0, -100.0, 1e-9, -1e-9, -2.0, -5.0, -20.0, -50.0, -0.5, 1.0, -1e-8, -1e-6)
# Of several mistakes that give the same numbers, the likelier first.
LIKELY = (
    "mask_discarded", "causal_mask_reversed", "mask_inverted", "mask_on_queries", "mask_after_softmax",
    "mask_multiplied_before_softmax",
    "mask_hides_diagonal", "mask_fill_too_small",
)  # fmt: skip
# Two of them that are one convention, not a mistake, where nothing says what true stands for.
_CONVENTION = "mask_inverted"

QUERIES = "mask_on_queries"
_CASES = r"\bndim\b|\.dim\(\)|len\(\w*mask\w*\.(shape|size\(\))\)"  # a mask is told by its axes
_OF_QUERIES = r"quer|^q_|tgt|target"  # a mask that is there to hide queries

Outs = Sequence[Sequence[Any]]


@dataclass
class Account:
    """What explains the outputs under a mask of one form, where true means what `meaning` says."""

    form: str
    meaning: str
    found: list[Explanation]
    outs: Outs

    @property
    def right(self) -> bool:
        """Whether no mistake is needed."""
        return not self.found[0].mistakes


def judge_masks(answer: AttentionAnswer, reading: Reading | None, verdict: Verdict) -> None:
    """Say how each mask stands: it is right if it is in one of the forms that the code takes."""
    for name in answer.mask_names:
        if reading is None:
            judge_by_laws(answer, verdict, name)
        else:
            _judge(answer, reading, verdict, name)


def _judge(answer: AttentionAnswer, reading: Reading, verdict: Verdict, name: str) -> None:
    taken = [
        (kind, data["form"])
        for kind in ("masked", "added")
        for data, _ in answer.observed(kind, probes.SEEDS[0], argument=name)
    ]
    if not taken:
        if is_mask(name):
            _not_taken(answer, verdict)
        return
    accounts: list[Account] = []
    unexplained: list[Outs] = []
    for kind, form in taken:
        if kind == "added" and any(account.right for account in accounts):
            break
        outs = answer.outs(kind, form=form, argument=name)
        if not all(outs):
            continue
        # Numbers that are added are one of two conventions, and prove nothing wrong.
        made = [
            account
            for meaning in ((ALLOWED, HIDDEN) if kind == "masked" else (ALLOWED,))
            for account in _accounts(answer, reading, outs, form, meaning, name)
            if account.right or kind == "masked"
        ]
        if kind == "added" and made and not _numbers_of(answer, form, name, HIDDEN):
            verdict.check("mask", "pass", "mask_right", {"name": name})
            return
        accounts += made if kind == "masked" else []
        unexplained += [] if made or kind == "added" else [outs]
    right = [account for account in accounts if account.right]
    are_lengths = {account.form for account in right or accounts} == {LENGTHS}
    meaning = Meaning(ALLOWED, True) if are_lengths else meaning_of(answer.lines, name)
    if right:
        _say_right(answer, reading, verdict, name, right, meaning)
        turned = _of_another_form(answer, accounts, right)
        if turned is not None:
            _accuse(answer, reading, verdict, name, turned)
    elif accounts:
        likely = [account for account in accounts if account.meaning == (meaning.true or ALLOWED)]
        account = (likely or accounts)[0]
        if is_mask(name) or meaning.sure or _is_masking(answer, account, name):
            _accuse(answer, reading, verdict, name, account)
        else:
            verdict.check("mask", "not_checked", "mask_not_taken")
    elif unexplained:
        finite = all(np.isfinite(out).all() for out in unexplained[0][0])
        if not finite and accuse_infinity(answer, verdict, "mask"):
            return
        verdict.check("mask", "not_checked", "not_understood" if finite else "mask_not_finite")


def _of_another_form(
    answer: AttentionAnswer, accounts: Sequence[Account], right: Sequence[Account]
) -> Account | None:
    """A form for which the code has a case of its own, and hides queries where it is to hide keys."""
    if not answer.lines.first_own(_CASES):
        return None
    forms = {account.form for account in right}
    others = (account for account in accounts if account.form not in forms)
    return next((a for a in others if {id_of(e) for e in a.found} == {QUERIES}), None)


def _numbers_of(answer: AttentionAnswer, form: str, name: str, true: str) -> int:
    """The line where the code makes numbers below zero of a mask, where `true` is so; 0 if nowhere."""
    mask = probes.mask(probes.SEEDS[0], answer.sizes["B"], answer.sizes["T"])
    where = shaped(mask if true == ALLOWED else ~mask, form, answer.sizes["A"]).astype(float)
    records = answer.records("masked", form=form, argument=name).all
    numbers = [Record(r.site, r.value.astype(float), r.order) for r in records if r.value.dtype.kind in "if"]
    found = Records(numbers).matches(where, scaled=True, parts=False)
    return next((match.record.site.line for match in found if match.factor < 0), 0)


def _laid_along_queries(answer: AttentionAnswer, form: str, name: str) -> int:
    """The line where a mask got a last axis of length 1, under whatever name; 0 if nowhere."""
    mask = probes.mask(probes.SEEDS[0], answer.sizes["B"], answer.sizes["T"])
    where = np.squeeze(shaped(mask, form, answer.sizes["A"]))
    for record in answer.records("masked", form=form, argument=name).all:
        if record.value.ndim > where.ndim and record.value.shape[-1] == 1 < record.value.size:
            laid = record.squeezed.astype(bool)
            if laid.shape == where.shape and len(np.unique(laid == where)) == 1:
                return record.site.line
    return 0


def _say_right(
    answer: AttentionAnswer,
    reading: Reading,
    verdict: Verdict,
    name: str,
    right: Sequence[Account],
    meaning: Meaning,
) -> None:
    """The mask hides what it says, if the file means by true what the code makes of it."""
    meanings = [account.meaning for account in right]
    if meaning.true in meanings or (ALLOWED in meanings and not meaning.sure):
        verdict.check("mask", "pass", "mask_right", {"name": name})
        if ALLOWED not in meanings:
            line = mask_line(answer, reading.explanation, name)
            verdict.add("mask", Finding("mask_convention", "mask", line=line, variable=name))
        return
    account = right[0]
    inverted = next(mistake for mistake in mistakes_of("attention") if mistake.id == _CONVENTION)
    found = Explanation({"weights": inverted}, account.found[0].values)
    finding = placed(answer, inverted, "weights", found, "masked", form=account.form, argument=name)
    if reading.causal:  # What is masked first is what comes after.
        finding.line = mask_line(answer, reading.explanation, name)
    made = _numbers_of(answer, account.form, name, ALLOWED)
    finding.line = made or turned_line(answer, finding.line)
    _show(answer, reading, finding, account)
    if not meaning.true:  # Both conventions are in use: without a word on it neither is wrong.
        finding.level, finding.evidence, finding.values = "note", {}, {**finding.values, "silent": True}
        verdict.check("mask", "not_checked", "mask_meaning", {"name": name})
    verdict.add("mask", finding)


def _not_taken(answer: AttentionAnswer, verdict: Verdict) -> None:
    messages = [data["message"] for data, _ in answer.parts.get("failed", []) if data["kind"] == "masked"]
    if messages:
        verdict.check("mask", "not_checked", "crashes", {"message": messages[0]})
    else:
        verdict.check("mask", "not_checked", "mask_not_taken")


def _accounts(
    answer: AttentionAnswer, reading: Reading, outs: Outs, form: str, meaning: str, name: str
) -> list[Account]:
    """What explains the outputs with a mask of one form, if anything does."""
    values = []
    for probe, seed in enumerate(probes.SEEDS):
        given = probes.mask(seed, answer.sizes["B"], answer.sizes["T"])
        allowed = spread(given, form, reading.layout.A)
        allowed = allowed if meaning == ALLOWED else 1 - allowed
        values.append(under(answer, reading, allowed, probe))
    known = (*mistakes_of("attention"), *reordered_mistakes())
    wrong = [m for m in known if m.id.startswith("mask_") and m.id != _CONVENTION]
    records = answer.records("masked", form=form, argument=name)
    found = explained_under(answer, reading, outs, values, wrong, records)
    if reading.explanation.mistakes and (not found or found[0].mistakes):
        # What is wrong without a mask may be right with one.
        other = replace(reading, explanation=Explanation())
        found = explained_under(answer, other, outs, values, [], records) or found
    if reading.causal and not found:
        found = _unmasked(answer, reading, outs)
    if form == LENGTHS and any(each.mistakes and id_of(each) == "mask_discarded" for each in found):
        return []  # Numbers may pass as a mask that hides nothing.
    return [Account(form, meaning, found, outs)] if found else []


def _unmasked(answer: AttentionAnswer, reading: Reading, outs: Outs) -> list[Explanation]:
    """What explains the outputs where the causal mask stays, and the other one is left out."""
    B, T = answer.sizes["B"], answer.sizes["T"]
    everything = np.ones((B, reading.layout.A, T, T))
    values = [under(answer, reading, everything, probe) for probe in range(len(outs))]
    found = explained_under(answer, reading, outs, values, [], Records([]))
    discarded = next(mistake for mistake in mistakes_of("attention") if mistake.id == "mask_discarded")
    return [Explanation({"weights": discarded}, found[0].values)] if found else []


def under(answer: AttentionAnswer, reading: Reading, allowed: Any, probe: int, kind: str = "self") -> Values:
    """What the first steps are made from, under a mask (B,A,T,S)."""
    known = answer.values(reading.layout, reading.causal, probe, kind)
    turned = allowed.swapaxes(-1, -2)
    return {
        **known, **masked(allowed * known["mask"]), "turned": turned * known["mask"],
        "turned_alone": turned, "before": known["mask"],
    }  # fmt: skip


def explained_under(
    answer: AttentionAnswer,
    reading: Reading,
    outs: Outs,
    values: Sequence[Values],
    wrong: Sequence[Mistake],
    records: Records,
) -> list[Explanation]:
    """What explains the outputs with a mask, beside what is known already; likelier ones first."""
    mistakes = reading.explanation.mistakes
    right = {name: mistakes[name].step if name in mistakes else step for name, step in answer.right.items()}

    def fits(name: str, made: Mapping[str, Any], probe: int) -> bool | None:
        return any_same(outs[probe], made["output"], made["mask"]) if name == "output" else None

    fill = fill_of(records, values[0], right)
    turned = fill_of(records, {**values[0], "mask": values[0]["turned"]}, right) is not None
    for value in FILLS if fill is None else (fill,):
        filled = [{**known, "fill": np.float64(value)} for known in values]
        found = explanations(STEPS, right, wrong, filled, fits, 1)
        if found and not found[0].mistakes:
            return found[:1]
        found = [e for e in found if value > ENOUGH or id_of(e) != "mask_fill_too_small"]
        if not np.isfinite(outs[0][0]).all():  # Then something is hidden.
            found = [e for e in found if id_of(e) != "mask_discarded"]
        if found:
            seen = bool(fill) or (fill == 0 and is_filled(answer))
            return sorted(found, key=lambda e: (not (turned and id_of(e) == QUERIES), _rank(id_of(e), seen)))
    return []


def id_of(explanation: Explanation) -> str:
    """The id of the one mistake that explains something."""
    return next(iter(explanation.mistakes.values())).id


def _rank(identity: str, is_filled: bool) -> int:
    """How unlikely a mistake is; where a fill was seen that is no nothing, it is that."""
    if is_filled and identity == "mask_fill_too_small":
        return -1
    return LIKELY.index(identity) if identity in LIKELY else len(LIKELY)


def _accuse(
    answer: AttentionAnswer, reading: Reading, verdict: Verdict, argument: str, account: Account
) -> None:
    """Say which mistake explains the outputs under a mask."""
    best = account.found[0]
    name, mistake = next(iter(best.mistakes.items()))
    if mistake.id == QUERIES and re.search(_OF_QUERIES, argument, re.I):
        return
    finding = placed(answer, mistake, name, best, "masked", form=account.form, argument=argument)
    if mistake.id in ("mask_discarded", "mask_on_queries"):
        finding.line = mask_line(answer, reading.explanation, argument, mistake.id) or finding.line
        if mistake.id == QUERIES and not is_shaped(answer.lines.at(finding.line)):
            finding.line = _laid_along_queries(answer, account.form, argument) or finding.line
        finding.variable = argument
        if mistake.id == "mask_discarded":
            finding.yours = f"{name} = softmax_S(scores)"
            finding.values["forgotten"] = finding.line in answer.understood.get("left_out", ())
    elif mistake.id == "mask_fill_too_small":
        finding.line = _numbers_of(answer, account.form, argument, HIDDEN) or finding.line
    finding.alternatives = sorted({id_of(other) for other in account.found} - {mistake.id})
    _show(answer, reading, finding, account)
    verdict.add("mask", finding)


def _is_masking(answer: AttentionAnswer, account: Account, name: str) -> bool:
    """Whether what came of an argument under any name is a mistake with a mask, and not another use of it."""
    identity = id_of(account.found[0])
    if identity == "mask_discarded":
        return bool(dropped(answer))
    if identity == "mask_fill_too_small":
        return is_filled(answer) or bool(_numbers_of(answer, account.form, name, HIDDEN))
    # What is multiplied may be a gate or a temperature.
    return identity not in ("mask_after_softmax", "mask_multiplied_before_softmax")


def _show(answer: AttentionAnswer, reading: Reading, finding: Finding, account: Account) -> None:
    expected = answer.complete(answer.values(reading.layout, reading.causal, 0))["output"]
    values = account.found[0].values[0]
    answer.show(finding, account.outs[0], expected, values["x"], values["output"])
