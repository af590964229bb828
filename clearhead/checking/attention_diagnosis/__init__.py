"""What is right and wrong in a learner's attention, from what its code made of the probes."""

import re
from collections.abc import Sequence
from typing import Any

from clearhead.checking.attention_diagnosis.answer import AttentionAnswer
from clearhead.checking.attention_diagnosis.edges import judge_edges, judge_parameters, true_hides
from clearhead.checking.attention_diagnosis.masks import judge_masks
from clearhead.checking.attention_diagnosis.output import explain_output
from clearhead.checking.attention_diagnosis.switches import judge_flags, judge_several
from clearhead.checking.attention_diagnosis.triangles import judge_triangles
from clearhead.checking.attention_diagnosis.weights import role_of
from clearhead.checking.findings import Finding, Verdict

_SIZES = r"Expected size|must match|cannot be multiplied"  # what is said of lengths that do not fit
_PRODUCT = (
    r"\b([^\W\d]\w*) *@ *([^\W\d]\w*)\b(\.(?:transpose|permute|swapaxes)\([^()]*\)|(?![.(\[]))",
    r"(?:matmul|bmm)\( *(\w+) *, *(\w+)(\.(?:transpose|permute|swapaxes)\([^()]*\))? *\)",
)
_NEVER_RUN = ("syntax_error", "name_undefined", "method_misspelt")  # said already, and why it crashes


def diagnose_attention(parts: Sequence[tuple[Any, Any]], verdict: Verdict) -> None:
    """Look at each thing in turn, and fill a verdict."""
    answer = AttentionAnswer(parts)
    if not answer.understood:
        _say_crash(answer, verdict)
        return
    judge_parameters(answer, verdict)
    reading = explain_output(answer, verdict)
    judge_masks(answer, reading, verdict)
    judge_several(answer, reading, verdict)
    judge_flags(answer, reading, verdict)
    judge_edges(answer, reading, verdict)
    judge_triangles(answer, verdict, true_hides(answer, verdict))


def _say_crash(answer: AttentionAnswer, verdict: Verdict) -> None:
    """Nothing came out for vectors: say why, where it is sure that the code is to blame."""
    crash, _ = answer.part("crash")
    if not crash:
        return
    message, unwritten = crash.get("message", ""), answer.found.get("unwritten", {})
    if any(finding.id in _NEVER_RUN for finding in verdict.findings):
        verdict.check("forward", "fail", "crashes", {"message": message})
    elif unwritten:
        for path, line in unwritten.items():
            function = path.rpartition(".")[2]
            check = {"__init__": "parameters", "split_heads": "split_heads"}.get(function, "output")
            verdict.check(check, "not_written", "not_written", {"function": function, "line": line})
    elif message and not crash.get("sure"):
        verdict.check("forward", "not_checked", "not_understood_crash", {"message": message})
    elif message:
        line = int(crash.get("line", 0))
        product = _turned_product(answer.lines.at(line), message)
        values = {"message": message, "function": "forward", "turned": bool(product), "product": product}
        verdict.add("forward", Finding("crash", line=line, values=values))
    elif crash.get("shape"):
        values = {"shape": str(tuple(crash["shape"][0]))}
        line = answer.forward_line
        verdict.add("forward", Finding("output_shape", "output", line=line, values=values))


def _turned_product(text: str, message: str) -> str:
    """How queries and keys are multiplied, if lengths do not fit where they are; else nothing.

    >>> _turned_product("s = q @ k / 2", "Expected size"), _turned_product("y = w @ v", "Expected size")
    ('q @ k.transpose(-2, -1)', '')
    """
    found = next((each for pattern in _PRODUCT if (each := re.search(pattern, text))), None)
    if found is None or not re.search(_SIZES, message) or [*map(role_of, found.groups()[:2])] != ["q", "k"]:
        return ""
    return f"{found[1]} @ {found[2]}.transpose(-2, -1)"
