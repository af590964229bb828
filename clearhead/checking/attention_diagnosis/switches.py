"""Whether several masks at once each count, and whether what is switched on does what it should."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.align import Records
from clearhead.checking.attention_diagnosis.answer import AttentionAnswer, Reading
from clearhead.checking.attention_diagnosis.laws import is_mask
from clearhead.checking.attention_diagnosis.masks import Outs, explained_under, id_of, under
from clearhead.checking.attention_diagnosis.meanings import ALLOWED, HIDDEN
from clearhead.checking.attention_diagnosis.output import CAUSAL
from clearhead.checking.attention_diagnosis.places import TRIANGLE, mask_line, placed
from clearhead.checking.findings import Finding, Verdict, first
from clearhead.checking.mask_forms import spread
from clearhead.mistakes import mistakes_of


def judge_several(answer: AttentionAnswer, reading: Reading | None, verdict: Verdict) -> None:
    """Whether of several masks that are given at once each counts."""
    data, _ = first(answer.observed("all masks", probes.SEEDS[0]))
    outs = answer.outs("all masks")
    if (
        reading is None
        or not data
        or not all(outs)
        or "mask" not in verdict.checks
        or verdict.checks["mask"].status == "fail"
    ):
        return
    taken = data["taken"]
    for meanings in itertools.product((ALLOWED, HIDDEN), repeat=len(taken)):
        given = [
            [_spread(answer, reading, row, seed, m) for row, m in zip(taken, meanings, strict=True)]
            for seed in probes.SEEDS
        ]
        if _is_explained(answer, reading, outs, [np.prod(each, axis=0) for each in given]):
            return
        for place, row in enumerate(taken if all(is_mask(row[0]) for row in taken) else ()):
            rest = [np.prod(each[:place] + each[place + 1 :], axis=0) for each in given]
            if _is_explained(answer, reading, outs, rest):
                lines = answer.lines
                line = lines.first_own(r"mask\w* *= *(?!None)\w+ *$") or mask_line(
                    answer, reading.explanation, row[0]
                )
                finding = Finding("mask_discarded", "weights", line=line, variable=row[0])
                finding.expected = answer.formula("weights")
                verdict.add("mask", finding)
                return


def _spread(answer: AttentionAnswer, reading: Reading, row: Sequence[Any], seed: int, meaning: str) -> Any:
    """One of several masks as (B,A,T,S): a row has its argument, its form and its place among them."""
    _, form, place = row
    given = probes.mask(seed + place, answer.sizes["B"], answer.sizes["T"])
    allowed = spread(given, form, reading.layout.A)
    return allowed if meaning == ALLOWED else 1 - allowed


def _is_explained(answer: AttentionAnswer, reading: Reading, outs: Outs, allowed: Sequence[Any]) -> bool:
    values = [under(answer, reading, mask, probe) for probe, mask in enumerate(allowed)]
    return bool(explained_under(answer, reading, outs, values, [], Records([])))


def judge_flags(answer: AttentionAnswer, reading: Reading | None, verdict: Verdict) -> None:
    """Whether what is switched on, such as a causal mask, does what it should."""
    flags = dict.fromkeys(data["flag"] for data, _ in answer.parts.get("observed", []) if "flag" in data)
    for flag in flags:
        outs = answer.outs("flagged", flag=flag)
        if reading is not None and all(outs):
            _judge_flag(answer, reading, verdict, flag, outs)


def _judge_flag(answer: AttentionAnswer, reading: Reading, verdict: Verdict, flag: str, outs: Outs) -> None:
    B, T = answer.sizes["B"], answer.sizes["T"]
    causal = np.broadcast_to(np.tri(T), (B, reading.layout.A, T, T))
    if _is_explained(answer, reading, outs, [np.ones_like(causal)] * len(outs)):
        return  # It has nothing to do with masks.
    values = [under(answer, reading, causal, probe) for probe in range(len(outs))]
    wrong = [mistake for mistake in mistakes_of("attention") if mistake.id in CAUSAL]
    found = explained_under(answer, reading, outs, values, wrong, answer.records("flagged", flag=flag))
    if not found:
        return
    if not found[0].mistakes:
        verdict.check("causal", "pass", "mask_right", {"name": flag})
        return
    name, mistake = next(iter(found[0].mistakes.items()))
    finding = placed(answer, mistake, name, found[0], "flagged", flag=flag)
    if mistake.id in ("causal_mask_reversed", "mask_hides_diagonal"):
        finding.line = answer.lines.first_own(TRIANGLE) or finding.line
    finding.alternatives = sorted({id_of(other) for other in found} - {mistake.id})
    answer.show(finding, outs[0], answer.complete(values[0])["output"], values[0]["x"])
    verdict.add("causal", finding)
