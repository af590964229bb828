"""Functions of a network that are not there, not written yet, or end in an exception."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from clearhead.checking import probes
from clearhead.checking.align import listed
from clearhead.checking.findings import Check, Finding, Verdict
from clearhead.checking.network_diagnosis.answer import NetworkAnswer
from clearhead.checking.network_diagnosis.initial import given

CHECKS = {
    "forward": "forward", "loss": "compute_loss", "backward": "backward", "step": "train_step",
    "train": "train", "accuracy": "evaluate",
}  # fmt: skip
NAMES = {
    "forward": "forw|feed|predict", "loss": "loss|cost|entropy", "backward": "back|grad",
    "step": "step|update|sgd|descen|optimi", "train": "train|fit", "accuracy": "acc|eval|score",
}  # fmt: skip
# What makes later functions fail, so that nothing more is said of those.
EXPLAIN = frozenset(
    ("syntax_error", "name_undefined", "method_misspelt", "init_shape_wrong", "crash",
     "bias_gradient_wrong_axis", "bias_gradient_scalar", "gradient_transposed", "cache_aliases_parameters",
     "accuracy_wrong_axis")
)  # fmt: skip
OMISSIONS = frozenset(("parameter_never_updated", "train_returns_early", "last_batch_dropped", "crash"))
CLOSE = 0.8  # how near a name comes to the one that is meant
_MAKES = r"init|param|weight|model|net|build|create|make"
_CALLED_WRONGLY = (
    r"^KeyError|has no attribute|positional argument|unexpected keyword"
    r"|be broadcast|not aligned|core dimension"
)
_FORM = r"indices|integer|Stub|iterable|unpack"  # labels in another form than was tried


def say_crash(answer: NetworkAnswer, verdict: Verdict) -> None:
    """No network could be made: say why, where it is sure that the code is to blame."""
    crash, _ = answer.part("crash")
    for path, line in answer.found.get("unwritten", {}).items():
        function = path.rpartition(".")[2]
        checks = (CHECKS[kind] for kind, pattern in NAMES.items() if re.search(pattern, function, re.I))
        check = next(checks, "initialize_parameters")
        verdict.check(check, "not_written", "not_written", {"function": function, "line": line})
    if verdict.checks:
        return
    fallen, _ = answer.part("fallen")
    if fallen:  # The file's own script, on examples like its own.
        if not EXPLAIN & {*verdict.ids()}:
            verdict.add("train", _crash(answer, int(fallen["line"]), fallen["message"], "training"))
        return
    name, message = "initialize_parameters", crash.get("message", "")
    if crash and EXPLAIN & {*verdict.ids()}:
        verdict.check(name, "fail", "crashes", {"message": message})
    elif message and not crash.get("sure"):
        # A function that may only be guessed to make the parameters was given what it never takes.
        told = not crash.get("function") or re.search(_MAKES, crash["function"], re.I)
        detail = "not_understood_crash" if told else "not_understood"
        verdict.check(name, "not_checked", detail, {"message": message})
    elif message:
        verdict.add(name, _crash(answer, crash["line"], message, crash.get("function", "")))
    elif _are_of_asked_sizes(crash.get("shapes", ())):
        weights = [(str(path), tuple(shape)) for path, shape in crash["shapes"] if _is_weight(shape)]
        # Of the two that do not fit the one that lies otherwise than is usual.
        lies_right = tuple(probes.NETWORK[letter] for letter in "DH") == weights[0][1]
        path, shape = weights[int(lies_right)]
        values = {"shape": str(shape), "wanted": str(shape[::-1])}
        finding = Finding("init_shape_wrong", f"W{1 + lies_right}", variable=path, values=values)
        names = re.findall(r"'([^']+)'\]$", finding.variable) or re.findall(r"[^\W\d]\w*", finding.variable)
        patterns = given(re.escape("".join(names[-1:])))
        finding.line = next(filter(None, map(answer.lines.first, patterns)), 0)
        verdict.add(name, finding)
    elif crash:
        verdict.check(name, "not_checked", "not_understood")


def say_fallen(answer: NetworkAnswer, verdict: Verdict) -> None:
    """A loop at the top level that does not call what is there as it is to be called."""
    fallen, _ = answer.part("fallen")
    if fallen and re.search(_CALLED_WRONGLY, fallen["message"]) and not EXPLAIN & {*verdict.ids()}:
        # A key is missed where it is asked for; of what is handed over wrongly the call tells.
        line = fallen["line" if fallen["message"].startswith("KeyError") else "call"]
        verdict.add("train", _crash(answer, int(line), fallen["message"], "training"))


def fits_only_where_sizes_are_alike(answer: NetworkAnswer) -> bool:
    """Whether weights of the sizes asked for do not fit, and training ran only with sizes that are alike."""
    sizes = answer.part("whole")[0].get("sizes", {})
    shapes = answer.part("crash")[0].get("shapes", ())
    return len({sizes.get(letter) for letter in "DHC"}) < len("DHC") and _are_of_asked_sizes(shapes)


def _are_of_asked_sizes(shapes: Iterable[Any]) -> bool:
    """Whether there are two weights of sizes that were asked for; they do not fit, as no network was seen."""
    weights = [shape for _, shape in shapes if _is_weight(shape)]
    asked = {probes.NETWORK[letter] for letter in "DHC"}
    return len(weights) == 2 and all(set(shape) <= asked for shape in weights) and not _fit(*weights)


def _is_weight(shape: Sequence[int]) -> bool:
    return len(shape) == 2 and min(shape) > 1


def _fit(first: Sequence[int], second: Sequence[int]) -> bool:
    """Whether weights can follow each other, as (in, out) or as (out, in)."""
    return first[1] == second[0] or first[0] == second[1]


def judge_failures(answer: NetworkAnswer, verdict: Verdict) -> None:
    """Say of each function that was not found why, and of each that was whether it fell."""
    for kind in CHECKS:
        known = verdict.checks.get(CHECKS[kind])
        if kind not in answer.functions and (known is None or known.status == "not_checked"):
            _say_missing(answer, verdict, kind)
    for data, _ in answer.parts.get("failed", []):
        if data["seed"] == probes.SEEDS[0] and (data["kind"] in CHECKS or data["kind"] == "once"):
            _say_fallen(answer, verdict, CHECKS.get(data["kind"], "train"), data)
    for data, _ in answer.parts.get("trained", []):
        if data["message"]:
            _say_fallen(answer, verdict, "train", data)
    _excuse_what_waits(verdict)


def _excuse_what_waits(verdict: Verdict) -> None:
    """What needs a function that is not written yet, or cannot be read, is no mistake and no riddle."""
    waiting = [check.name for check in verdict.checks.values() if check.status == "not_written"]
    if waiting:
        reason, values = "waits", {"names": listed(waiting)}
        crashes = [f for f in verdict.findings if f.id == "crash" and f.check not in waiting]
        verdict.withdraw(crashes, reason, values)
    elif "syntax_error" in verdict.ids():
        reason, values = "unread", {}
    else:
        return
    for check in list(verdict.checks.values()):
        if check.detail in ("not_understood_crash", "crashes") or (check.detail, reason) == (
            "absent",
            "unread",
        ):
            verdict.checks[check.name] = Check(check.name, "not_checked", reason, values)


def _say_missing(answer: NetworkAnswer, verdict: Verdict, kind: str) -> None:
    name, unwritten = CHECKS[kind], answer.understood.get("unwritten", ())
    candidates = answer.understood.get("candidates", {}).get(kind, [])
    waiting = next((candidate for candidate in candidates if candidate in unwritten), "")
    crash = answer.understood.get("crashes", {}).get(kind, {})
    message, function = crash.get("message", ""), crash.get("function", "")
    if waiting:
        values = {"function": waiting, "line": answer.line_of_function(waiting)}
        verdict.check(name, "not_written", "not_written", values)
    elif not (crash.get("line") and re.search(NAMES[kind], function, re.I)) or _is_step(kind, function):
        verdict.check(name, "not_checked", "absent")
    elif not crash.get("certain") and (
        not crash.get("sure")
        or (kind == "step" and not crash["whole"])
        or (kind != "forward" and _is_guessed(answer, verdict))
    ):
        verdict.check(name, "not_checked", "not_understood_crash", {"message": message})
    elif EXPLAIN & {*verdict.ids()}:
        verdict.check(name, "fail", "crashes", {"message": message})
    else:
        verdict.add(name, _crash(answer, crash["line"], message, function))


def _is_step(kind: str, function: str) -> bool:
    """Whether what was tried as a training is one step of it, as its name says: `train_step`."""
    return kind == "train" and re.search(NAMES["step"], function, re.I) is not None


def _crash(answer: NetworkAnswer, line: int, message: str, function: str) -> Finding:
    """What an exception tells: of a method that one of the file's classes does not have, which is meant."""
    missed = re.search(r"'(\w+)' object has no attribute '(\w+)'", message)
    methods = [key.rpartition(".") for key in answer.found.get("where", {})]
    if missed and missed[1] in (owner for owner, *_ in methods):
        known = [name for owner, _, name in methods if owner]
        for meant in difflib.get_close_matches(missed[2], known, 1, CLOSE):
            return Finding("method_misspelt", line=line, values={"name": missed[2], "meant": meant})
    return Finding("crash", line=line, values={"message": message, "function": function})


def _is_guessed(answer: NetworkAnswer, verdict: Verdict) -> bool:
    """Whether no forward pass of many examples is known, so that others may have been called wrongly."""
    if answer.one_by_one:
        return True
    forward = verdict.checks.get("forward")
    return forward is not None and forward.status == "not_checked"


def _say_fallen(answer: NetworkAnswer, verdict: Verdict, name: str, data: Mapping[str, Any]) -> None:
    message = data["message"]
    if not data.get("certain") and (
        not data.get("sure", True)
        or re.search(_FORM, message)
        or (name != "forward" and _is_guessed(answer, verdict))
    ):
        verdict.check(name, "not_checked", "not_understood_crash", {"message": message})
    elif not EXPLAIN & {*verdict.ids()}:
        kind = next(kind for kind, check in CHECKS.items() if check == name)
        function = answer.functions.get(kind, name)
        verdict.add(name, _crash(answer, data["line"], message, function))


def excuse_missing_modules(answer: NetworkAnswer, verdict: Verdict) -> None:
    """What a module that is not here would have done is not the learner's omission."""
    missed = answer.part("end")[0].get("missed", [])
    gone = [f for f in verdict.findings if f.id in OMISSIONS] if missed else []
    verdict.withdraw(gone, "module_missing", {"name": listed(missed)})
