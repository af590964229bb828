"""Scores that are transposed, and queries and keys that are exchanged: the same numbers in self-attention."""

import re
from typing import Any

from clearhead.checking.attention_diagnosis.answer import AttentionAnswer, Reading
from clearhead.checking.attention_diagnosis.places import Places
from clearhead.checking.findings import Finding

SWAPPED, TURNED = "query_key_swapped", "attention_transposed"


def told_apart(answer: AttentionAnswer, reading: Reading, finding: Finding) -> Finding:
    """The finding of exchanged queries and keys; of transposed scores where a line names both in order."""
    right = answer.complete(answer.values(reading.layout, reading.causal, 0))
    places = Places(answer, answer.records(), right)
    product = places.made(right["k"] @ right["q"].swapaxes(-1, -2)) or places.made(
        reading.explanation.values[0]["scores"]
    )
    if product is None:
        return finding
    site = product.record.site
    names = [_name(places, right[name], site.function) for name in ("q", "k")]
    finding.alternatives = [TURNED]
    if all(names) and re.search(
        r"(?<!\w){}\b.*\b{}\b".format(*names), answer.lines.at(site.line)[site.column :]
    ):
        finding.id, finding.step, finding.line, finding.variable = TURNED, "scores", site.line, site.target
        finding.yours, finding.expected = "scores = k qᵀ / √K", answer.formula("scores")
        finding.alternatives = [SWAPPED]
    return finding


def _name(places: Places, value: Any, function: str) -> str:
    """The name that a value has in a function."""
    named = [record.site for record in places.all(value) if record.site.function == function]
    return next((re.escape(site.target) for site in named[::-1] if site.target not in ("", "return")), "")
