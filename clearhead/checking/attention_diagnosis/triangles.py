"""Whether a function beside attention makes a causal mask the wrong way round."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from clearhead.checking.attention_diagnosis.answer import AttentionAnswer
from clearhead.checking.attention_diagnosis.places import TRIANGLE
from clearhead.checking.findings import Finding, Verdict

FAR = -100.0  # what is added below this hides
_TURNED = (
    r"~|== *(0|False)\b|\b1(\.0?)? *-|logical_not|\bnot\b"  # a mask that is turned round by who asks for it
)


def judge_triangles(answer: AttentionAnswer, verdict: Verdict, hides: bool) -> None:
    """Look at each such function; `hides` is what true means to the attention that takes its mask."""
    for data, arrays in answer.parts.get("triangle", []):
        name, table = str(data["name"]), arrays["table"]
        begin = int(data["line"])
        if _is_turned(answer, name, begin) or table.ndim != 2:
            continue
        identity = _mistake(table, hides)
        if identity:
            lines = (n for n, text in answer.lines.body(begin) if re.search(TRIANGLE, text))
            finding = Finding(identity, "mask", line=next(lines, begin), variable=name)
            verdict.add("mask", finding)


def _is_turned(answer: AttentionAnswer, name: str, begin: int) -> bool:
    """Whether somewhere outside of it its mask is turned round."""
    inside = {number for number, _ in answer.lines.body(begin)}
    outside = (text for n, text in enumerate(answer.lines.all, 1) if n not in inside and n != begin)
    beside = (text for text in outside if text not in answer.lines.own)
    return any(re.search(rf"mask|{re.escape(name)}", text) and re.search(_TURNED, text) for text in beside)


def _mistake(table: Any, hides: bool) -> str:
    """Which mistake a triangle is, whatever true means; one that is right for one meaning is none.

    >>> _mistake(np.triu(np.ones((3, 3))), False), _mistake(np.tril(np.ones((3, 3)), -1), False)
    ('causal_mask_reversed', 'mask_hides_diagonal')
    >>> _mistake(np.triu(np.ones((3, 3)), 1), False), _mistake(np.tril(np.full((3, 3), -1e9), -1), True)
    ('', 'causal_mask_reversed')
    """
    is_added = bool((table < FAR).any()) and set(np.unique(table > FAR)) == {False, True}
    marked = table < FAR if is_added else table != 0

    def same(triangle: Callable[..., Any], diagonal: int) -> bool:
        return bool((marked == triangle(np.ones_like(marked), diagonal)).all())

    if is_added:
        hides = True
        if same(np.tril, 0):
            return "causal_mask_reversed"
    if same(np.triu, 0):
        return "mask_hides_diagonal" if hides else "causal_mask_reversed"
    if same(np.tril, -1):
        return "causal_mask_reversed" if hides else "mask_hides_diagonal"
    return ""
