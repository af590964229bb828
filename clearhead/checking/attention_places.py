"""Where in a learner's source the values of its attention were made."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from clearhead.checking.align import Match, Record, Records, Site
from clearhead.checking.attention_answer import AttentionAnswer
from clearhead.checking.attention_forms import forms, score_forms, split_forms
from clearhead.checking.attention_weights import role_of
from clearhead.checking.findings import Finding
from clearhead.checking.search import Explanation
from clearhead.mistakes import Mistake

MASKS = ("mask_", "causal_mask")  # how the ids of mistakes with masks begin
TRIANGLE = r"\b(tril|triu)\b"
# More than a diagonal, which a transposed value has in common.
PART_IN_COMMON = 0.3


class Places:
    """Finds a mistake's place among the records of one run, by the values that the mistake leads to."""

    def __init__(self, answer: AttentionAnswer, records: Records, values: Mapping[str, Any]) -> None:
        self.answer, self.records, self.values = answer, records, values

    def of(self, mistake: Mistake, name: str) -> Site | None:
        """Where a mistake in the step of this name was made."""
        if name in ("queries", "keys", "values"):
            return self._of_projection(name)
        if mistake.id == "output_projection_missing":
            return self._of_output(name)
        if mistake.id in ("causal_mask_reversed", "mask_hides_diagonal") and not self.answer.mask_names:
            line = self.answer.lines.first_own(TRIANGLE)
            if line:
                return Site(line, 0, line, 0, "", "", "", "")
        if mistake.id.startswith(MASKS) and mistake.id != "mask_after_softmax":
            record = self._masking()
            if record is not None:
                return record.site
        match = self.made(self.values[name], passed_on=mistake.id == "softmax_missing")
        return match.record.site if match else None

    def made(self, value: Any, passed_on: bool = False) -> Match | None:
        """The record at which a value was made, in whatever form."""
        found = (self.records.made(form, passed_on=passed_on) for form in forms(value))
        return next((match for match in found if match is not None), None)

    def last(self, name: str) -> Record | None:
        """The last record of a value."""
        return max(self._all(self.values[name]), key=lambda record: record.order, default=None)

    def _all(self, value: Any) -> list[Record]:
        return [match.record for form in forms(value) for match in self.records.matches(form, parts=False)]

    def _of_output(self, name: str) -> Site | None:
        """Where what should have been projected is last named as an output, or is there at all."""
        records = self._all(self.values[name])
        named = [r for r in records if role_of(r.site.target) == "o" or r.site.target in ("y", "result")]
        last = named[-1] if named else self.last(name)
        return last.site if last else None

    def _masking(self) -> Record | None:
        """The first record that is the scores, but for some of them."""
        scores = self.values["scores"]
        for record in self.records.all:
            if record.site.kind == "argument" or not has_size_of_scores(record, scores):
                continue
            parts = [
                np.isclose(record.squeezed, form, rtol=1e-9, atol=0)
                for form in score_forms(scores)
                if form.shape == record.squeezed.shape
            ]
            whole = any(common.all() for common in parts)
            if not whole and any(common.mean() > PART_IN_COMMON for common in parts):
                return record
        return None

    def _of_projection(self, name: str) -> Site | None:
        """Where a role got what belongs to another: where its own name was given it, or where it is used."""
        by_order = {
            match.record.order: match.record
            for form in split_forms(self.values[name], int(self.values["A"]))
            for match in self.records.matches(form, parts=False)
        }
        found = [record for _, record in sorted(by_order.items())]
        roles = [role_of(record.site.target) for record in found]
        if name[0] in roles:
            return found[roles.index(name[0])].site
        lines = list(dict.fromkeys(record.site.line for record in found))
        if {*roles} & {"q", "k", "v"}:
            used = self.made(self.values["heads" if name == "values" else "scores"])
            if used is not None:
                return used.record.site
        elif len(lines) > 1:
            return next(record.site for record in found if record.site.line == lines[1])
        return found[-1].site if found else None


def has_size_of_scores(record: Record, scores: Any) -> bool:
    """Whether a record may be the scores of all heads or of one."""
    return record.value.dtype.kind == "f" and record.value.size in (scores.size, scores[:, 0].size)


def placed(
    answer: AttentionAnswer,
    mistake: Mistake,
    name: str,
    explanation: Explanation,
    kind: str = "",
    **header: Any,
) -> Finding:
    """A finding with its place and its formulas."""
    site = Places(answer, answer.records(kind, **header), explanation.values[0]).of(mistake, name)
    finding = Finding(
        mistake.id, name, yours=f"{name} = {mistake.step.formula}", expected=answer.formula(name)
    )
    if site is None:
        # A ready-made part hides its steps.
        finding.line = next((int(line) for _, line in answer.found.get("uses", [])), answer.forward_line)
    else:
        finding.line, finding.file = site.line, site.file
        finding.variable = "" if site.target == "return" else site.target
    return finding


def fill_line(answer: AttentionAnswer) -> int:
    """Where masked scores are filled."""
    return answer.lines.first_own(r"masked_fill|where\(|inf\b")


def mask_line(answer: AttentionAnswer, explanation: Explanation, name: str = "") -> int:
    """Where forward should have used its mask."""
    lines = answer.lines.all
    word = name or "mask"
    used = [
        n for n, text in enumerate(lines, 1)
        if n > answer.forward_line and not text.lstrip().startswith("#")
        and re.search(rf"\b{word}\b|masked_fill|where\(", text)
    ]  # fmt: skip
    strong = [n for n in used if re.search(r"masked_fill|where\(|\+|\*", lines[n - 1])]
    if used:
        return (strong or used)[0]
    values = explanation.values[0]
    match = Places(answer, answer.records(), values).made(values["scores"])
    return match.record.site.line if match else answer.forward_line
