"""Numbers that are right and lie wrongly, in an order that is no known mistake: whose they are tells why."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from clearhead.checking.align import Record
from clearhead.checking.attention_diagnosis.answer import AttentionAnswer
from clearhead.checking.attention_diagnosis.layouts import Layout
from clearhead.checking.attention_diagnosis.places import Places
from clearhead.checking.attention_diagnosis.weights import role_of
from clearhead.checking.findings import Finding

PROJECTIONS = {"q": "queries", "k": "keys", "v": "values"}


def mixture(answer: AttentionAnswer, choices: Sequence[Layout]) -> Finding | None:
    """What is made of another projection, or cut across tokens; None if neither is seen."""
    for layout in choices:
        right = answer.complete(answer.values(layout, False, 0), (*PROJECTIONS.values(),))
        places = Places(answer, answer.records(), right)
        if all(places.made(right[name]) for name in PROJECTIONS.values()):
            found = _of_another(answer, right)
            if found is not None:
                return found
    return _cut_across(answer)


def _of_another(answer: AttentionAnswer, right: dict[str, Any]) -> Finding | None:
    """Keys, say, that have the numbers of the queries."""
    known = {role: np.sort(right[name], axis=None) for role, name in PROJECTIONS.items()}
    for record in answer.records().all:
        role = role_of(record.site.target)
        if role not in known or record.value.size != known[role].size:
            continue
        made = np.sort(record.value, axis=None)
        whose = [other for other, value in known.items() if np.allclose(made, value, atol=1e-9)]
        if whose and role not in whose:
            name = PROJECTIONS[role]
            finding = Finding("projection_reused", name, record.site.line, record.site.target)
            finding.expected = answer.formula(name)
            return finding
    return None


def _cut_across(answer: AttentionAnswer) -> Finding | None:
    """Where what was made of each token is read on as something else than sequences and tokens."""
    whole: list[Record] = []
    for record in answer.records().all:
        if record.value.ndim == 3 and _is_by_token(answer, record.value.shape):
            whole.append(record)
        elif record.value.ndim >= 3 and not _is_by_token(answer, record.value.shape):
            flat = record.value.reshape(-1)
            if any(np.array_equal(flat, other.value.reshape(-1)) for other in whole):
                finding = Finding("split_without_transpose", "q", record.site.line, record.site.target)
                finding.expected = answer.formula("q")
                return finding
    return None


def _is_by_token(answer: AttentionAnswer, shape: tuple[int, ...]) -> bool:
    B, T = answer.sizes["B"], answer.sizes["T"]
    return shape[:2] in ((B, T), (T, B)) or shape[0] == B * T
