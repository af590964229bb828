"""How a network's parameters move: along all of their gradients, and where in the source."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearhead.checking.align import Site, listed, ratio
from clearhead.checking.findings import Finding, Verdict
from clearhead.checking.network_diagnosis.answer import ROLES, NetworkAnswer, any_of
from clearhead.checking.network_diagnosis.gradients import Gradients, moved_along
from clearhead.checking.network_diagnosis.places import made_at
from clearhead.checking.search import Explanation


@dataclass
class Made:
    """What explains the gradients, those of each probe that were returned and moved along, and the phases."""

    kind: str  # of the update
    kinds: Sequence[str]
    explanation: Explanation
    by_return: Sequence[Gradients]
    by_move: Sequence[Gradients]

    @property
    def update(self) -> str:
        """The check of the update."""
        return "train_step" if self.kind == "step" else "train"

    def frozen(self) -> list[str]:
        """The parameters that stayed where they were although they have a gradient."""
        known = self.explanation.values[0]
        moved = self.by_move[0] if self.by_move else {}
        return [r for r in ROLES if r in moved and not any_of(moved[r]) and any_of(known[f"d{r}"])]

    def replaced(self, answer: NetworkAnswer) -> list[str]:
        """The parameters that are a multiple of their gradient after the update, and were none before it."""
        known, before = self.explanation.values[0], answer.values[0]
        moved = self.by_move[0] if self.by_move else {}

        def is_step(role: str, value: Any) -> bool:
            return not any_of(value) or ratio(value, known[f"d{role}"]) is not None

        steps = {role: step for role, step in moved.items() if any_of(step) and any_of(known[f"d{role}"])}
        after = {role: before[role] - answer.rate * step for role, step in steps.items()}
        return [role for role in after if is_step(role, after[role]) and not is_step(role, before[role])]


def judge_replaced(answer: NetworkAnswer, verdict: Verdict, made: Made, replaced: Sequence[str]) -> None:
    """Say in whose place the update puts a step."""
    if replaced:
        line = update_line(answer, made, replaced)
        finding = Finding("update_replaces", replaced[0], line=line, variable=answer.path(replaced[0]))
        finding.values = {"names": listed(replaced), "name": replaced[0]}
        verdict.add(made.update, finding)


def judge_frozen(answer: NetworkAnswer, verdict: Verdict, made: Made, frozen: Sequence[str]) -> None:
    """Say which parameters are never updated, where the forward pass runs at all."""
    if not frozen or ("forward" not in answer.functions and "name_undefined" in verdict.ids()):
        return
    finding = Finding("parameter_never_updated", frozen[0])
    if len(frozen) == len(made.by_move[0]) and "step" not in answer.functions:
        finding.step, finding.line = "W1", _made_new(answer, made) or answer.line_of("train")
        finding.values = {"names": listed(ROLES)}
    else:
        finding.line, finding.variable = update_line(answer, made), answer.path(frozen[0])
        finding.values = {"names": listed(frozen)}
        finding.alternatives = ["bias_gradient_scalar"] if list(frozen) == ["b2"] else []
    verdict.add(made.update, finding)


def judge_update(answer: NetworkAnswer, verdict: Verdict, made: Made) -> None:
    """Whether the update is plain descent; momentum and the like are called neither wrong nor right."""
    if not made.by_move:
        return
    known, right = made.explanation.values[0], verdict.checks["backward"].status == "pass"
    steps = {role: step for role, step in made.by_move[0].items() if any_of(step)}
    follows = all(moved_along(answer, known, role, step) is not None for role, step in steps.items())
    if made.by_return and right and not follows:
        if steps and all(_climbs(step, known[f"d{role}"]) for role, step in steps.items()):
            finding = Finding("update_ascends", "W1", line=update_line(answer, made))
            finding.values = {"names": listed(steps)}
            verdict.add(made.update, finding)
        verdict.check(made.update, "not_checked", "not_understood")
    elif not {"update_ascends", "update_replaces", "parameter_never_updated"} & {*verdict.ids()}:
        verdict.check(made.update, "pass", "update_right")


def _climbs(step: Any, gradient: Any) -> bool:
    """Whether each number moved up its slope, by whatever amount, as the first step of Adam does.

    >>> _climbs(np.array([-1.0, 1.0]), np.array([0.2, -3.0]))
    True
    """
    return bool(np.all(np.sign(step) == -np.sign(gradient)))


def update_site(answer: NetworkAnswer, kinds: Sequence[str], new: Any) -> Site | None:
    """Where W2 is given its new value, if that is seen, or else a value by its own name."""
    site = made_at(answer, new, kinds)
    if site is not None:
        return site
    path = answer.path("W2")
    for record in answer.records(*kinds).all if "W2" in answer.shapes else ():
        target = record.site.target
        if (
            target
            and path in (target, target.replace('"', "'"))
            and answer.laid(record.value, "W2") is not None
        ):
            return record.site
    return None


def update_line(answer: NetworkAnswer, made: Made, wanted: Sequence[str] = ROLES) -> int:
    """Where parameters are given their new values, or should have been."""
    line = _made_new(answer, made, wanted)
    if line:
        return line
    paths = [answer.path(role).replace('"', "'") for role in ROLES]
    records = answer.records(made.kind).all
    named = (r.site for r in records if r.site.target and r.site.kind != "argument")
    lines = (site.line for site in named if site.target.replace('"', "'") in paths)
    return next(lines, answer.line_of(made.kind) or answer.line_of("train"))


def _made_new(answer: NetworkAnswer, made: Made, wanted: Sequence[str] = ROLES) -> int:
    """Where new values of the parameters are made; 0 if nowhere."""
    records, known = answer.records(made.kind), made.explanation.values[0]
    moved = made.by_move[0] if made.by_move else {}
    for role in (role for role in ROLES if role in answer.shapes and role in wanted):
        steps = [moved[role]] if role in moved and any_of(moved[role]) else []
        for step in [*steps, known[f"d{role}"]]:
            match = records.made(answer.values[0][role] - answer.rate * step)
            if match is not None:
                return match.record.site.line
    return _moved_elsewhere(answer, made)


def _moved_elsewhere(answer: NetworkAnswer, made: Made) -> int:
    """Where what lies along a gradient from a parameter is kept, be it of an unknown rate; 0 if nowhere."""
    records, known = answer.records(made.kind), made.explanation.values[0]
    for role in (role for role in ("W1", "W2") if role in answer.shapes):
        before, gradient = answer.values[0][role], known[f"d{role}"]
        for record in records.shaped(before.shape):
            value = answer.laid(record.value, role)
            if value is not None and record.site.target and ratio(value - before, gradient) is not None:
                return record.site.line
    return 0
