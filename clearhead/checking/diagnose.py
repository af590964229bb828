"""From what the sandbox sent to a verdict: which kind it is, what could not run, then each thing in turn."""

from collections.abc import Sequence
from typing import Any

from clearhead.checking.findings import Finding, Verdict, first, grouped
from clearhead.checking.network_diagnosis import NetworkDiagnosis


def diagnosed(parts: Sequence[tuple[Any, Any]]) -> Verdict:
    """The verdict on one file, from the parts of its answer."""
    verdict = Verdict()
    found, _ = first(grouped(parts).get("found", []))
    names = {
        "syntax_error": "source",
        "name_undefined": "source",
        "method_misspelt": "source",
        "defined_twice": "source",
    }
    for item in found.get("findings", []):
        values = {key: value for key, value in item.items() if key not in ("id", "line")}
        if item["id"] in names:
            verdict.add("source", Finding(item["id"], line=int(item["line"]), values=values))
    if found.get("target") == "two-layer":
        NetworkDiagnosis(parts, verdict).run()
    elif found.get("target") == "attention":
        from clearhead.checking.attention_diagnosis import AttentionDiagnosis

        AttentionDiagnosis(parts, verdict).run()
    return verdict
