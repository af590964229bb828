"""What is wrong in a network's gradients: in which step, by which factor, and in the update."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.align import Site, digits, listed, ratio
from clearhead.checking.findings import Finding, Verdict
from clearhead.checking.network_diagnosis.answer import (
    AXES,
    BACKWARD,
    FORWARD,
    ROLES,
    SLOPES,
    NetworkAnswer,
    Reading,
    any_of,
)
from clearhead.checking.network_diagnosis.factors import judge_factors
from clearhead.checking.network_diagnosis.gradients import (
    Gradients,
    consistent,
    explain_gradients,
    learn_rate,
    moved,
    returned,
    right_gradients,
    same,
    slopes,
    transposed,
)  # fmt: skip
from clearhead.checking.network_diagnosis.penalty import penalty_finding
from clearhead.checking.network_diagnosis.places import at, made_at, placed
from clearhead.checking.network_diagnosis.updates import (
    Made,
    judge_frozen,
    judge_replaced,
    judge_update,
    update_site,
)
from clearhead.checking.search import Explanation, with_value

REACH = {
    "dz2": "W1 b1 W2 b2", "dW2": "W2", "db2": "b2", "dh": "W1 b1", "dz1": "W1 b1", "dW1": "W1", "db1": "b1",
}  # fmt: skip
OF_UPDATES = ("update_ascends", "update_replaces", "parameter_never_updated", "gradient_averaged_twice")
_OF_A_SLOPE = (
    "slope_forgotten",
    "slope_of_activated_value",
    "slope_applied_twice",
    "bias_gradient_before_slope",
)
CHAINS = {
    "W2": ("dz2", "dW2"), "b2": ("dz2", "db2"),
    "W1": ("dz2", "dh", "dz1", "dW1"), "b1": ("dz2", "dh", "dz1", "db1"),
}  # fmt: skip


def judge_backward(answer: NetworkAnswer, reading: Reading, verdict: Verdict) -> None:
    """Judge what was returned and what the parameters moved along, together where both are there."""
    if reading.forward is None:
        return
    kind = "step" if "step" in answer.functions or answer.understood.get("moves") else "once"
    by_return = [returned(answer, "backward", seed) for seed in probes.SEEDS]
    if "backward" not in answer.functions or any(len(made) < 2 for made in by_return):
        by_return = []
    if kind == "once" and any(
        answer.by_role("before", arrays) for _, arrays in answer.observed(kind, probes.SEEDS[0])
    ):
        _judge_from_its_beginning(answer, reading, verdict, by_return)
        return
    learn_rate(answer, reading, kind)
    by_move = _moves(answer, kind)
    judges = [(by_return, by_move)] if by_return or by_move else []
    if by_return and by_move:  # What is handed over to make gradients may have been guessed wrongly.
        judges.append(([], by_move))
    any(_Judge(answer, reading, verdict, kind, *made).judge() for made in judges)


def judge_autograd(answer: NetworkAnswer, verdict: Verdict) -> None:
    """Whether a library made the gradients that were to be written."""
    line = int(answer.found.get("autograd", 0))
    loaded = answer.part("end")[0].get("loaded", [])
    if "backward" in verdict.checks and (line or loaded):
        line = line or answer.line_of("backward")
        verdict.add("backward", Finding("gradient_by_autograd", line=line, values={"name": "backward"}))


def _moves(answer: NetworkAnswer, kind: str) -> list[Gradients]:
    by_move = [moved(answer, kind, seed) for seed in probes.SEEDS]
    return by_move if all(by_move) else []


def _judge_from_its_beginning(
    answer: NetworkAnswer, reading: Reading, verdict: Verdict, by_return: list[Gradients]
) -> None:
    """Training makes the parameters itself: judge its update from those that it began with."""
    assert reading.forward is not None
    if by_return:
        _Judge(answer, reading, verdict, "once", by_return, []).judge()
        if verdict.checks["backward"].status != "pass":
            return
    drawn = answer.values
    answer.values = [dict(values) for values in drawn]
    for values, seed in zip(answer.values, probes.SEEDS, strict=True):
        for _, arrays in answer.observed("once", seed):
            values |= answer.by_role("before", arrays)
        for name in FORWARD:
            mistake = reading.forward.mistakes.get(name)
            values |= with_value(mistake.step if mistake else answer.right[name], name, values) or {}
    own = Reading(Explanation(reading.forward.mistakes, [dict(values) for values in answer.values]))
    learn_rate(answer, own, "once")
    by_move = _moves(answer, "once")
    if by_move:
        moves = Verdict()
        _Judge(answer, own, moves, "once", [], by_move).judge()
        for finding in moves.findings:
            # Of gradients that are right in themselves only the update may be wrong.
            if not by_return or finding.id in OF_UPDATES:
                verdict.add(finding.check, finding)
        if not by_return:
            for name, check in moves.checks.items():
                verdict.check(name, check.status, check.detail, check.values)
    answer.values = drawn


@dataclass
class _Judge:
    """Gradients of each probe: those returned, and those moved along; either may be empty."""

    answer: NetworkAnswer
    reading: Reading
    verdict: Verdict
    kind: str
    by_return: list[Gradients]
    by_move: list[Gradients]

    def judge(self) -> bool:
        """Whether they were understood."""
        answer, verdict = self.answer, self.verdict
        self.kinds = ("backward", self.kind) if "backward" in answer.functions else (self.kind,)
        self.seen = [dict(made) for made in self.by_return or self.by_move]
        self.misshapen = list(self._say_misshapen())
        found, lost = self._explained()
        self.explanation = max(found, key=self._rank)
        as_its_loss = consistent(answer, self.seen[0])
        if lost and answer.one_by_one:  # Each of the examples may have moved the parameters.
            return False
        if lost and not answer.sure("backward", self.kind, "train") and not as_its_loss:
            # What its arguments mean was guessed, and may have been guessed wrongly.
            if not self.by_return and self._has_made_gradients():
                verdict.check("backward", "pass", "gradients_right")
                return True
            verdict.check("backward", "not_checked", "not_understood")
            return False
        if self.by_return and as_its_loss:  # Right for the learner's own loss, which may be another one.
            self.explanation.mistakes.clear()
            lost = []
        for name in self.explanation.mistakes:
            verdict.add("backward", self._mistake(name, found))
        # What moves them rightly may turn it first, and of weights that lie wrongly it is right.
        if self.by_return and not self.by_move and "init_shape_wrong" not in verdict.ids():
            for role in transposed(answer, self.seen[0], probes.SEEDS[0]):
                verdict.add("backward", self._transposed(role))
        self.pulled: list[str] = []
        if lost and all(map(self._is_pulled, lost)):
            if as_its_loss is False:
                own = self.seen[0]
                self.pulled = [role for role in own if consistent(answer, {role: own[role]}) is False]
                verdict.add("backward", penalty_finding(answer, own, self.pulled))
            lost = []
        for role in lost:
            verdict.add("backward", self._unknown(role))
        made = Made(self.kind, self.kinds, self.explanation, self.by_return, self.by_move)
        frozen = [role for role in made.frozen() if role not in self.misshapen]
        replaced = made.replaced(answer)
        if self.by_move or not as_its_loss:
            judge_factors(answer, verdict, made, {*lost, *frozen, *replaced, *self.misshapen})
        judge_replaced(answer, verdict, made, replaced)
        judge_frozen(answer, verdict, made, frozen)
        self._sum_up()
        judge_update(answer, verdict, made)
        return True

    def _has_made_gradients(self) -> bool:
        """Whether each right gradient was made, be it that more goes into the update, as a momentum."""
        known, records = right_gradients(self.answer, self.reading), self.answer.records(*self.kinds)
        return all(records.find(known[f"d{role}"], parts=False) is not None for role in self.seen[0])

    def _explained(self) -> tuple[list[Explanation], list[str]]:
        """What explains them: also with a hidden layer that is made, and then not used by the next one."""
        answer, moved_only = self.answer, not self.by_return
        found, lost = explain_gradients(answer, self.reading, self.seen, moved_only=moved_only)
        unused = _with_unused_layer(answer, self.reading)
        if unused is None or not (lost or found[0].mistakes):
            return found, lost
        others, missing = explain_gradients(answer, unused, self.seen, moved_only=moved_only)
        if (len(missing), len(others[0].mistakes)) < (len(lost), len(found[0].mistakes)):
            self.reading = unused
            return others, missing
        return found, lost

    def _is_pulled(self, role: str) -> bool:
        """Whether a gradient is the right one and a multiple of its parameter, as a penalty has it."""
        known = self.explanation.values[0]
        return same(self.answer, self.seen[0][role], known[f"d{role}"], known[role]) is not None

    def _rank(self, explanation: Explanation) -> tuple[int, int, int]:
        """One step that is wrong rather than two that it would spoil; then the one seen; then the first."""
        records, known = self.answer.records(*self.kinds), explanation.values[0]
        seen = sum(records.find(known[name], scaled=True) is not None for name in explanation.mistakes)
        first = min(map(BACKWARD.index, explanation.mistakes), default=0)
        return seen - 2 * len(explanation.mistakes), seen, -first

    def _say_misshapen(self) -> Iterator[str]:
        """Bias gradients that were summed over the wrong axis, or over everything: seen by their shape."""
        values = right_gradients(self.answer, self.reading)
        for role, name in (("b2", "dz2"), ("b1", "dz1")):
            made = np.squeeze(np.asarray(self.seen[0].get(role, values[f"d{role}"])))
            is_odd = not _is_one_number(values[f"d{role}"])  # Of units that are all alike, that is right.
            if not self.by_return and (
                (is_odd and _is_one_number(made)) or (role == "b2" and self._sums_to_nothing(made))
            ):
                made = made[0]
            if made.shape != self.answer.shape(role):
                self.verdict.add("backward", self._misshapen(role, name, made, values[name]))
                for each in self.seen:
                    each.pop(role, None)
                yield role

    def _sums_to_nothing(self, made: Any) -> bool:
        """Whether a sum of all errors, which is zero for the output layer, was taken as in the other one."""
        return not any_of(made) and made.size > 1 and _is_one_number(np.asarray(self.seen[0].get("b1", 0.0)))

    def _made_either_way(self, made: Any) -> Site | None:
        """Where a value was made, be it that it was added where another one is subtracted."""
        return made_at(self.answer, made, self.kinds) or made_at(self.answer, -made, self.kinds)

    def _nothing_named(self, role: str, size: int) -> Site | None:
        """Where what is as good as zero, of a size, is named as the gradient of a parameter."""
        records = self.answer.records(*self.kinds).all
        nothing = (r for r in records if r.value.size == size and r.value.ndim < 3 and not any_of(r.value))
        named = [r for r in nothing if r.site.kind != "argument"]
        sites = [r.site for r in named]
        for pattern in (rf"{role[0]}\w*{role[1]}", role[0]):
            for record in named:
                if re.search(pattern, record.site.target, re.I):  # It may have had another name before.
                    same = (r for r in named if r.site.target and np.array_equal(r.squeezed, record.squeezed))
                    return next(same).site
        backward = self.answer.functions.get("backward", "")
        within = [site for site in sites if site.function.rpartition(".")[2] == backward]
        return next(iter((within or sites)[::-1]), None)

    def _misshapen(self, role: str, name: str, made: Any, error: Any) -> Finding:
        identity = "bias_gradient_scalar" if made.size == 1 else "bias_gradient_wrong_axis"
        finding = at(
            Finding(identity, f"d{role}"),
            self._made_either_way(made) if any_of(made) else self._nothing_named(role, made.size),
            self.answer.line_of("backward"),
        )
        units = AXES[role]
        finding.yours = f"d{role} = Σ_{f'N{units}' if made.size == 1 else units}({name})"
        finding.expected = f"d{role} = Σ_N({name})"
        shape = list(np.shape(self.seen[0][role]))
        finding.values = {"shape": shape, "wanted": list(self.answer.shape(role)), "name": f"d{role}"}
        sums = error.sum(axis=1)
        factor = ratio(made.reshape(-1), sums) if made.size > 1 else None
        if factor is not None:
            finding.evidence = {"value": f"d{role}", "digits": digits(made.reshape(-1), factor * sums)}
        return finding

    def _transposed(self, role: str) -> Finding:
        answer, name, made = self.answer, f"d{role}", self.seen[0][role]
        own = tuple(answer.shapes[role])
        values = {"name": name, "shape": str(own[::-1]), "wanted": str(own)}
        finding = Finding("gradient_transposed", name, values=values)
        site = made_at(answer, made, self.kinds) or made_at(answer, made.T, self.kinds)
        return at(finding, site, answer.line_of("backward"))

    def _mistake(self, name: str, found: Sequence[Explanation]) -> Finding:
        answer, values = self.answer, self.explanation.values[0]
        mistake = self.explanation.mistakes[name]
        finding = placed(
            answer,
            self.reading,
            mistake,
            values[name],
            self.kinds,
            scaled=True,
            right=slopes(answer, self.reading)[0],
        )
        role = next(
            (
                role
                for role in ("W1", "b1", "W2", "b2")
                if role in REACH[name].split() and role in self.seen[0]
            ),
            "",
        )
        if role:
            made, known = self.seen[0][role], values[f"d{role}"]
            agrees = digits(made, (same(answer, made, known) or 1) * known)
            finding.evidence = {"value": f"d{role}", "digits": agrees}
            finding.shown = self._shown(role, made)
        others = {e.mistakes[name].id for e in found if name in e.mistakes}
        line = self._slope_of_relu(finding.line) if finding.id == "slope_forgotten" else 0
        if line:
            others.add(finding.id)  # What σ gives is never below zero, so the slope of ReLU is one.
            finding.id, finding.line = "slope_of_another_activation", line
        finding.alternatives = sorted(others - {finding.id})
        activation = self.reading.activation
        if finding.id in _OF_A_SLOPE and activation:
            finding.values |= {"activation": activation, "slope": SLOPES[activation]}
        if mistake.id == "update_before_use":
            site = update_site(answer, self.kinds, values["W2_next"])
            finding = at(finding, site) if site is not None else finding
        return finding

    def _slope_of_relu(self, line: int) -> int:
        """The line that takes the slope of ReLU: a finding's, or one that sets to 0 what is not above."""
        lines = self.answer.lines
        if 0 < line <= len(lines.all) and re.search(r">=?\s*0", lines.all[line - 1]):
            return line
        below = list(enumerate(lines.all[line - 1 :][:3], line)) if line else []
        body = [*below, *lines.body(self.answer.line_of("backward"))]
        return next((number for number, text in body if re.search(r"<=?\s*0\.?\]\s*=\s*0", text)), 0)

    def _shown(self, role: str, made: Any) -> dict[str, Any]:
        expected = right_gradients(self.answer, self.reading)[f"d{role}"]
        return {"name": f"d{role}", "expected": expected, "actual": made, "input": self.answer.values[0]["X"]}

    def _unknown(self, role: str) -> Finding:
        """A gradient that nothing known makes: say the first step before it that is nowhere to be seen."""
        answer, values = self.answer, self.explanation.values[0]
        records, made = answer.records(*self.kinds), np.asarray(self.seen[0][role], float)
        unseen = (name for name in CHAINS[role] if records.find(values[name], scaled=True) is None)
        step = next(unseen, f"d{role}")
        near = [r for r in records.shaped(np.shape(values[step])) if r.site.kind != "argument"]
        site = near[-1].site if near and step != f"d{role}" else made_at(answer, made, self.kinds)
        finding = at(Finding("unknown", step, values={"name": f"d{role}"}), site, answer.line_of("backward"))
        finding.expected = f"{step} = {answer.right[step].formula}"
        cosine = _cosine(made, values[f"d{role}"])
        finding.evidence = {"cosine": cosine} if np.isfinite(cosine) else {}
        finding.shown = {**self._shown(role, made), "expected": values[f"d{role}"]}
        return finding

    def _sum_up(self) -> None:
        """Which gradients are wrong, and which are right."""
        failed = [f for f in self.verdict.findings if f.severity == "error" and f.step in REACH]
        reached = {role for finding in failed for role in REACH[finding.step].split()}
        reached |= {*self.misshapen, *self.pulled}
        roles = [role for role in ROLES if role in self.seen[0] or role in self.misshapen]
        bad, good = ([r for r in roles if (r in reached) is wrong] for wrong in (True, False))
        if not failed:
            self.verdict.check("backward", "pass", "gradients_right")
            return
        values = {"wrong": listed(f"d{role}" for role in bad), "right": listed(f"d{role}" for role in good)}
        self.verdict.check("backward", "fail", "gradients_wrong" if good else "gradients_all_wrong", values)


def _with_unused_layer(answer: NetworkAnswer, reading: Reading) -> Reading | None:
    """The reading in which the hidden layer has its σ, where the forward pass goes on without it."""
    assert reading.forward is not None
    mistakes = reading.forward.mistakes
    if "h" not in mistakes or mistakes["h"].id != "hidden_without_activation":
        return None
    values = [{**known, "h": answer.right["h"].evaluate(known)} for known in reading.forward.values]
    return Reading(Explanation({name: m for name, m in mistakes.items() if name != "h"}, values))


def _is_one_number(made: Any) -> bool:
    """Whether all parts of a bias moved alike."""
    return made.size > 1 and any_of(made) and bool(np.ptp(made) <= 1e-9 * np.abs(made).max())


def _cosine(made: Any, known: Any) -> float:
    if made.shape != known.shape:
        return 0.0
    with np.errstate(all="ignore"):
        return float(np.vdot(made, known) / (np.linalg.norm(made) * np.linalg.norm(known)))
