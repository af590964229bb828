"""What is right and wrong in a learner's two-layer network, from what its code made of the probes."""

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from clearhead.checking.findings import Verdict
from clearhead.checking.network_diagnosis.accuracy import judge_accuracy
from clearhead.checking.network_diagnosis.answer import NetworkAnswer
from clearhead.checking.network_diagnosis.backward import OF_UPDATES, judge_autograd, judge_backward
from clearhead.checking.network_diagnosis.edges import judge_edges, judge_logarithm
from clearhead.checking.network_diagnosis.failures import (
    excuse_missing_modules,
    fits_only_where_sizes_are_alike,
    judge_failures,
    say_crash,
    say_fallen,
)
from clearhead.checking.network_diagnosis.forward import explain_forward
from clearhead.checking.network_diagnosis.initial import judge_initial, judge_shapes
from clearhead.checking.network_diagnosis.loss import judge_loss
from clearhead.checking.network_diagnosis.penalty import judge_penalty, judge_recorded_penalty
from clearhead.checking.network_diagnosis.recorded import judge_recorded
from clearhead.checking.network_diagnosis.training import judge_training
from clearhead.checking.network_diagnosis.whole import answer_of_whole, has_one_output


def diagnose_network(parts: Sequence[tuple[Any, Any]], verdict: Verdict) -> None:
    """Look at each thing in turn, and fill a verdict."""
    answer = NetworkAnswer(parts)
    if not answer.understood:
        if fits_only_where_sizes_are_alike(answer) or not _diagnose_whole(parts, verdict):
            say_crash(answer, verdict)
        return
    judge_shapes(answer, verdict)
    judge_initial(answer, verdict)
    reading = explain_forward(answer, verdict)
    judge_loss(answer, reading, verdict)
    judge_backward(answer, reading, verdict)
    if "backward" not in verdict.checks:
        _diagnose_whole(parts, verdict, is_made="initial" in answer.parts)
    elif not {"step", "train"} & {*answer.functions}:
        say_fallen(answer, verdict)
        _diagnose_script(parts, verdict, answer.shapes)
    else:
        _diagnose_beside(parts, verdict, answer)
    judge_autograd(answer, verdict)
    judge_penalty(answer, verdict)
    judge_training(answer, verdict)
    judge_accuracy(answer, reading, verdict)
    judge_edges(answer, reading, verdict)
    judge_logarithm(answer, reading, verdict)
    judge_failures(answer, verdict)
    excuse_missing_modules(answer, verdict)


def _diagnose_whole(
    parts: Sequence[tuple[Any, Any]], verdict: Verdict, *, is_made: bool = False, roles: Collection[str] = ()
) -> bool:
    """Look at a training as a whole, if it tells anything.

    `is_made`: its beginning is judged already; `roles`: parameters that it is known to have.
    """
    answer = answer_of_whole(parts, roles)
    if answer is None:
        is_other = has_one_output(parts)
        if is_other:
            verdict.check("forward", "not_checked", "another_model")
        return is_other
    if not is_made:
        judge_initial(answer, verdict)
    reading = explain_forward(answer, verdict)
    judge_recorded(answer, reading, verdict)
    judge_logarithm(answer, reading, verdict)
    judge_backward(answer, reading, verdict)
    judge_recorded_penalty(answer, reading, verdict)
    if "train" not in verdict.checks:
        judge_training(answer, verdict)
    penalised = answer_of_whole(parts, roles, "penalised")
    if penalised is not None:
        judge_recorded_penalty(penalised, explain_forward(penalised, Verdict()), verdict)
    return True


def _diagnose_script(parts: Sequence[tuple[Any, Any]], verdict: Verdict, roles: Collection[str]) -> None:
    """Of a script that trains what is checked already: how it moves the parameters."""
    made = Verdict()
    if _diagnose_whole(parts, made, roles=roles) and "train" in made.checks:
        check = made.checks["train"]
        verdict.check("train", check.status, check.detail, check.values)
        for finding in made.findings:
            if finding.check == "train" or finding.id in OF_UPDATES:
                verdict.add("train", replace(finding, check=""))


def _diagnose_beside(parts: Sequence[tuple[Any, Any]], verdict: Verdict, answer: NetworkAnswer) -> None:
    """Of a loop at the top level, beside what is checked already: where it fell, or what it moves how."""
    made = Verdict()
    say_fallen(answer, verdict)
    if "whole" in answer.parts and _diagnose_whole(parts, made, is_made=True, roles=answer.shapes):
        for finding in made.findings:
            is_of_loop = finding.check == "train" or finding.id in OF_UPDATES
            if is_of_loop and finding.severity == "error" and finding.id not in verdict.ids():
                line = _call_beside(answer) if verdict.checks["backward"].status == "pass" else 0
                verdict.add("train", replace(finding, check="", line=line or finding.line))


def _call_beside(answer: NetworkAnswer) -> int:
    """Where the top level has the update made, or the gradients, told from the text; 0 if nowhere."""
    begins = answer.found.get("where", {}).values()
    inside = {number for begin in begins for number, _ in answer.lines.body(begin)}
    outside = [(n, text) for n, text in enumerate(answer.lines.code, 1) if n not in inside]
    names = [answer.functions.get(kind, "") for kind in ("step", "backward")]
    calls = (n for name in filter(None, names) for n, text in outside if re.search(rf"\.{name}\b", text))
    return next(calls, 0)
