"""Where in a learner's source the values of its attention were made."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from clearhead.checking.align import Match, Record, Records, Site
from clearhead.checking.attention_diagnosis.answer import AttentionAnswer
from clearhead.checking.attention_diagnosis.forms import forms, score_forms, split_forms
from clearhead.checking.attention_diagnosis.weights import role_of
from clearhead.checking.findings import Finding
from clearhead.checking.search import Explanation
from clearhead.mistakes import Mistake

MASKS = ("mask_", "causal_mask")  # how the ids of mistakes with masks begin
TRIANGLE = r"\b(tril|triu)\b"
# More than a diagonal, which a transposed value has in common.
PART_IN_COMMON = 0.3
SINGLE = 1e-6  # how near values are of which some were in single precision


class Places:
    """Finds a mistake's place among the records of one run, by the values that the mistake leads to."""

    def __init__(self, answer: AttentionAnswer, records: Records, values: Mapping[str, Any]) -> None:
        self.answer, self.records, self.values = answer, records, values

    def of(self, mistake: Mistake, name: str) -> Site | None:
        """Where a mistake in the step of this name was made."""
        if name in ("queries", "keys", "values"):
            return self._of_projection(name, mistake.id)
        if mistake.id == "output_projection_missing":
            return self._of_output(name)
        if mistake.id in ("causal_mask_reversed", "mask_hides_diagonal") and not self.answer.mask_names:
            line = self.answer.lines.first_own(TRIANGLE)
            if line:
                return _at(line)
        if mistake.id == "attention_transposed" and name == "scores":
            product = self.made(self.values["k"] @ self.values["q"].swapaxes(-1, -2))
            return product.record.site if product else None
        if mistake.id.startswith("scale_") and (scaled := self._scaled()):
            return scaled
        if mistake.id.startswith(MASKS) and mistake.id != "mask_after_softmax":
            record = self._masking()
            if record is not None:
                line = written_line(self.answer)
                return _at(line) if line else record.site
            looped = self._made_for_one_query(self.values["q"] @ self.values["k"].swapaxes(-1, -2))
            if looped is not None:
                return looped.record.site
        match = self.made(self.values[name], passed_on=mistake.id == "softmax_missing")
        if match is None and mistake.id == "split_without_transpose":
            match = self.made(self.values["k"]) or self.made(self.values["v"])
        if match is None and name == "scores" and (masked := self._masking()):
            return masked.site  # They were masked first.
        target = match.record.site.target if match else ""
        is_kept = target.startswith("self.")  # to be looked at later: what goes on is another one
        if mistake.id == "softmax_missing" and match and (is_kept or target == self._target("scores")):
            function = match.record.site.function
            alike = self.all(self.values[name])
            named = [
                r for r in alike
                if r.site.target and not r.site.target.startswith("self.") and r.site.function == function
            ]  # fmt: skip
            last = max(named, key=lambda record: record.order, default=match.record)
            if last.site.line != match.record.site.line:
                return last.site
            match = self.made(self.values["heads"]) or match
        return match.record.site if match else None

    def _target(self, name: str) -> str:
        """What a value was called where it was made."""
        match = self.made(self.values[name])
        return match.record.site.target if match else ""

    def _scaled(self) -> Site | None:
        """Where the queries or the keys were scaled, if they were before their product."""
        scores = self.values["q"] @ self.values["k"].swapaxes(-1, -2)
        with np.errstate(all="ignore"):
            whole = np.nanmedian(self.values["scores"] / scores)
        for name in ("q", "k"):
            for form in split_forms(self._side_by_side(name), int(self.values["A"])):
                for match in self.records.matches(form, scaled=True, parts=False):
                    if any(np.isclose(match.factor, share) and share != 1 for share in (whole, whole**0.5)):
                        return match.record.site
        return None

    def _side_by_side(self, name: str) -> Any:
        B, A, T, K = self.values[name].shape
        return self.values[name].swapaxes(1, 2).reshape(B, T, A * K)

    def made(self, value: Any, passed_on: bool = False) -> Match | None:
        """The record at which a value was made, in whatever form."""
        found = [self.records.made(form, passed_on=passed_on) for form in forms(value)]
        exact = [match for match in found if match is not None]
        if passed_on and exact:
            return exact[0]
        roughly = (match for form in forms(value) for match in self.records.matches(form, close=SINGLE))
        first = min(exact or roughly, key=lambda match: match.record.order, default=None)
        return first or self._made_for_one_query(value, passed_on)

    def _made_for_one_query(self, value: Any, passed_on: bool = False) -> Match | None:
        """The record at which a loop over queries made the last one's value, or the first one's."""
        if value.ndim != 4:
            return None
        rows = [each for query in (-1, 0) for each in (value[:, :, query], value[0, 0, query])]
        made = (self.records.made(row, passed_on=passed_on) for row in rows if np.count_nonzero(row) > 1)
        return next((match for match in made if match is not None), None)

    def last(self, name: str) -> Record | None:
        """The last record of a value."""
        return max(self.all(self.values[name]), key=lambda record: record.order, default=None)

    def all(self, value: Any) -> list[Record]:
        """The records of a value, in whatever form."""
        return [match.record for form in forms(value) for match in self.records.matches(form, parts=False)]

    def _of_output(self, name: str) -> Site | None:
        """Where what should have been projected is last named as an output, or is there at all."""
        records = self.all(self.values[name])
        named = [r for r in records if role_of(r.site.target) == "o" or r.site.target in ("y", "result")]
        ended = [r for r in records if r.site.target == "return" and "(" not in self._text(r.site)]
        last = named[-1] if named else ended[-1] if ended else self.last(name)
        return last.site if last else None

    def _text(self, site: Site) -> str:
        return str(self.answer.lines.all[site.line - 1].partition("#")[0])

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

    def _of_projection(self, name: str, identity: str) -> Site | None:
        """Where a role got what belongs to another: where its own name was given it, or where it is used."""
        by_order = {
            match.record.order: match.record
            for form in split_forms(self.values[name], int(self.values["A"]))
            for match in self.records.matches(form, parts=False)
        }
        found = [record for _, record in sorted(by_order.items())]
        roles = [role_of(record.site.target) for record in found]
        first = roles[0] if roles else ""
        if identity == "projection_reused" and self.answer.kind == "cross" and first in ("", name[0]):
            return found[0].site if found else None
        if name[0] in roles:
            return self._handed_over(found[roles.index(name[0])].site)
        lines = list(dict.fromkeys(record.site.line for record in found))
        if {*roles} & {"q", "k", "v"}:
            used = self._first_use(name)
            if used is not None:
                return used.record.site
        elif len(lines) > 1:
            return next(record.site for record in found if record.site.line == lines[1])
        return found[-1].site if found else None

    def _first_use(self, name: str) -> Match | None:
        """Where a projection took part in a product."""
        if name == "values":
            return self.made(self.values["heads"])
        product = self.values["q"] @ self.values["k"].swapaxes(-1, -2)
        return self.made(product) or self.made(self.values["scores"])

    def _handed_over(self, site: Site) -> Site:
        """Where a function was given the same twice, if that is why it made this."""
        call = rf"\b{re.escape(site.function.rpartition('.')[2])}\(.*\b(\w+), *\1\b"
        line = self.answer.lines.first_own(call) if site.function else 0
        return _at(line) if line and line != site.line else site


def _at(line: int) -> Site:
    return Site(line, 0, line, 0, "", "", "", "")


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
        finding.line, finding.file = _within(answer, mistake, site), site.file
        finding.variable = "" if site.target == "return" else site.target
    return finding


# What a line has in it that makes a kind of mistake, where an expression goes over several lines.
_SAYS = {"scale_": r"scale|alpha|sqrt|\*\*|/", "mask_": r"mask"}


def _within(answer: AttentionAnswer, mistake: Mistake, site: Site) -> int:
    """The line of a longer expression that speaks of what is wrong; else its first."""
    pattern = next((says for begin, says in _SAYS.items() if mistake.id.startswith(begin)), "")
    for line in range(site.line, site.end_line + 1) if pattern else ():
        begin = site.column if line == site.line else 0
        if line <= len(answer.lines.all) and re.search(pattern, answer.lines.all[line - 1][begin:]):
            return line
    return site.line


def fill_line(answer: AttentionAnswer) -> int:
    """Where masked scores are filled."""
    return answer.lines.first_own(r"masked_fill|where\(|inf\b")


def is_filled(answer: AttentionAnswer) -> bool:
    """Whether something is put in the place of masked scores, which else are multiplied."""
    return bool(answer.lines.first_own(_FILL) or written_line(answer))


def written_line(answer: AttentionAnswer) -> int:
    """Where masked scores are written over in place, if nothing else fills them."""
    return 0 if answer.lines.first_own(_FILL) else answer.lines.first_own(_WRITTEN)


_FILL = r"masked_fill|where\("
_WRITTEN = r"^\s*\w+\[[^:\]\"']+\] *= *-?[\w.]+(\(.*\))?\s*(#.*)?$"  # x[~mask] = -1e9
_SHAPED = r"unsqueeze\(|\[[^\]]*None|\.(view|reshape)\(|transpose|permute|\.m?T\b"
_TURNED = rf"{_FILL}|~|== *(0|1|False|True)\b|!=|eq\(|1(\.0?)? *-|logical_not|bool\(\)|mask *\*"


def dropped(answer: AttentionAnswer) -> list[int]:
    """Where what is made of a mask is thrown away, then where a call leaves a mask out."""
    return [int(line) for key in ("dropped", "left_out") for line in answer.understood.get(key, ())]


def is_shaped(text: str) -> bool:
    """Whether a line gives a mask other axes."""
    return bool(re.search(_SHAPED, text))


def mask_line(answer: AttentionAnswer, explanation: Explanation, name: str = "", identity: str = "") -> int:
    """Where forward uses its mask, or should have: where that is thrown away, shaped or turned round."""
    lines = answer.lines
    word = rf"\b{name}\b" if name else "mask"
    if identity == "mask_discarded" and (lost := dropped(answer)):
        return lost[0]
    if identity == "mask_on_queries":
        for each in (word, "mask"):
            if shaped := lines.first_own(rf"(?=.*{each}).*({_SHAPED})"):
                return shaped
    used = [
        n for n, text in enumerate(lines.own, 1)
        if n > answer.forward_line and not text.lstrip().startswith("#")
        and re.search(rf"{word}|{_FILL}", text)
    ]  # fmt: skip
    strong = [n for n in used if re.search(rf"{_FILL}|\+|\*", lines.all[n - 1])]
    if used:
        return (strong or used)[0]
    values = explanation.values[0]
    match = Places(answer, answer.records(), values).made(values["scores"])
    return match.record.site.line if match else answer.forward_line


def turned_line(answer: AttentionAnswer, line: int) -> int:
    """Where a mask is turned round: a line that only adds it has it from another."""
    lines = answer.lines
    if itself := lines.first_own(rf"^\s*(\w*mask\w*) *= *(?=.*\b\1\b).*({_TURNED})"):
        return itself
    if 0 < line <= len(lines.all) and re.search(_TURNED, lines.all[line - 1]):
        return line
    return lines.first_own(rf"(?=.*mask).*({_FILL}|masked_fill_)") or line
