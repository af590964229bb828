"""Heads that meet within a token: no transpose at all, so that every head attends to the other heads."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.attention_diagnosis.answer import AttentionAnswer
from clearhead.checking.attention_diagnosis.forms import any_same
from clearhead.checking.attention_diagnosis.layouts import Layout
from clearhead.checking.findings import Finding, Verdict


def attends_across(answer: AttentionAnswer, choices: Sequence[Layout]) -> tuple[Layout, Any] | None:
    """The layout with which this explains the output, and the output of the first probe."""
    outs = answer.outs()
    for layout in choices:
        made = [_outputs(answer, layout, probe) for probe in range(len(probes.SEEDS))]
        for way in zip(*made, strict=True):
            if all(map(any_same, outs, way)):
                return layout, way[0]
    return None


def _outputs(answer: AttentionAnswer, layout: Layout, probe: int) -> list[Any]:
    """Such outputs: projected or not, with the heads as they are or read on across them."""
    values = answer.complete(answer.values(layout, False, probe), ("queries", "keys", "values"))
    q, k, v = (_split(values[name], layout.A) for name in ("queries", "keys", "values"))
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(layout.K)
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    heads = powers / powers.sum(axis=-1, keepdims=True) @ v
    merged = [each.reshape(values["queries"].shape) for each in (heads, heads.swapaxes(1, 2))]
    return [each @ values["Wo"].T + values["bo"] for each in merged] + merged


def _split(value: Any, A: int) -> Any:
    B, T, AK = value.shape
    return value.reshape(B, T, A, AK // A)


def accuse_across(answer: AttentionAnswer, verdict: Verdict, layout: Layout, made: Any) -> None:
    """Say where the scores of heads with heads are."""
    values = answer.complete(answer.values(layout, False, 0))
    scores = _split(values["queries"], layout.A) @ _split(values["keys"], layout.A).swapaxes(-1, -2)
    matches = (answer.records().made(each) for each in (scores, scores / np.sqrt(layout.K)))
    site = next((match.record.site for match in matches if match is not None), None)
    finding = Finding("attends_across_heads", "scores", line=site.line if site else answer.forward_line)
    finding.variable = site.target if site else ""
    finding.expected = answer.formula("scores")
    answer.show(finding, answer.outs()[0], values["output"], values["x"], made)
    verdict.add("output", finding)
