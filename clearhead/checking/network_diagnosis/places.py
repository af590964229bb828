"""Where in a learner's source the values of its network were made."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clearhead.checking.align import Site
from clearhead.checking.findings import Finding
from clearhead.checking.network_diagnosis.answer import NetworkAnswer, Reading
from clearhead.checking.network_diagnosis.gradients import right_gradients
from clearhead.docstrings import Step
from clearhead.mistakes import Mistake


def at(finding: Finding, site: Site | None, line: int = 0) -> Finding:
    """A finding at a place; without one, at a line."""
    finding.line = site.line if site else line
    if site is not None:
        finding.variable, finding.file = "" if site.target == "return" else site.target, site.file
    return finding


def made_at(
    answer: NetworkAnswer, value: Any, kinds: Sequence[str], *, scaled: bool = False, passed_on: bool = False
) -> Site | None:
    """Where a value was made in some phases."""
    match = answer.records(*kinds).made(value, scaled=scaled, passed_on=passed_on)
    return match.record.site if match else None


def placed(
    answer: NetworkAnswer, reading: Reading, mistake: Mistake, value: Any, kinds: Sequence[str], *,
    scaled: bool = False, right: Mapping[str, Step] | None = None,
) -> Finding:  # fmt: skip
    """A wrong step with its place and its formulas; the first of the kinds is the function that holds it.

    `right` are the steps that are expected, if they are not those of our own network.
    """
    name = mistake.step.name
    # Of a single example the gradient of the biases is the error, which is handed on too.
    is_single = answer.one_by_one or answer.sizes["N"] == 1
    passed_on = mistake.step.formula in mistake.step.inputs and not is_single
    site = made_at(answer, value, kinds[:1], scaled=scaled, passed_on=True) if passed_on else None
    site = site or made_at(answer, value, kinds, scaled=scaled, passed_on=passed_on)
    if name == "y":  # Probabilities may be made of their logarithms.
        site = made_at(answer, _logarithm(value), kinds[:1]) or site
    if mistake.id == "hidden_without_activation":
        site = _used(answer, reading, kinds) or site
    finding = at(Finding(mistake.id, name), site, answer.line_of(kinds[0]))
    own = site.target if site is not None else ""
    finding.yours, finding.expected = (
        f"{name} = {_written(answer, reading, step.formula, kinds, own)}"
        for step in (mistake.step, (right or answer.right)[name])
    )
    return finding


def _used(answer: NetworkAnswer, reading: Reading, kinds: Sequence[str]) -> Site | None:
    """Where the next layer goes on with the sums, although the hidden layer was made of them."""
    assert reading.forward is not None
    known = reading.forward.values[0]
    if answer.records(kinds[0]).find(answer.right["h"].evaluate(known)) is None:
        return None
    product = known["z1"] @ known["W2"]
    return made_at(answer, product, kinds[:1]) or made_at(answer, known["z2"], kinds[:1])


def _logarithm(value: Any) -> Any:
    with np.errstate(all="ignore"):
        return np.log(np.where(np.asarray(value) > 0, value, np.nan))


def _written(answer: NetworkAnswer, reading: Reading, formula: str, kinds: Sequence[str], own: str) -> str:
    """A formula in which a value with no variable, or the step's `own`, is written out."""
    records = answer.records(*kinds, "forward")
    known = right_gradients(answer, reading) if reading.forward is not None else {}
    for name in ("dh", "dz2", "z1", "z2"):
        if name not in known or not re.search(rf"\b{name}\b", formula):
            continue
        match = records.find(known[name], scaled=True)
        if match is not None and match.record.site.target in ("", "return", own):
            inner = answer.right[name].formula
            formula = re.sub(rf"\({name}\)|\b{name}\b", inner if formula == name else f"({inner})", formula)
    return formula
