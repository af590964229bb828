"""From what the sandbox sent to a verdict: which kind it is, what could not run, then each thing in turn."""

from collections.abc import Sequence
from typing import Any

from clearhead.checking.attention_diagnosis import diagnose_attention
from clearhead.checking.findings import Finding, Verdict, first, grouped
from clearhead.checking.network_diagnosis import diagnose_network

FOUND_IN_SOURCE = ("syntax_error", "name_undefined", "method_misspelt", "defined_twice")


def diagnosed(parts: Sequence[tuple[Any, Any]]) -> Verdict:
    """The verdict on one file, from the parts of its answer.

    >>> broken = {"id": "syntax_error", "line": 2, "detail": "invalid syntax"}
    >>> diagnosed([({"part": "found", "findings": [broken]}, {})]).ids()
    ['syntax_error']
    """
    verdict = Verdict()
    found, _ = first(grouped(parts).get("found", []))
    for item in found.get("findings", []):
        if item["id"] in FOUND_IN_SOURCE:
            values = {key: value for key, value in item.items() if key not in ("id", "line")}
            verdict.add("source", Finding(item["id"], line=int(item["line"]), values=values))
    if found.get("target") == "two-layer":
        for name, line in found.get("uses", [])[:1]:
            verdict.add("source", Finding("ready_made", line=int(line), values={"name": name}))
        diagnose_network(parts, verdict)
    elif found.get("target") == "attention":
        diagnose_attention(parts, verdict)
    left, _ = first(grouped(parts).get("left", []))
    if left:
        name = "stopped_exit" if left["name"] == "exit" else "stopped_raise"
        verdict.add("run", Finding(name, line=int(left["line"]), values={"name": str(left["name"])}))
    return verdict
