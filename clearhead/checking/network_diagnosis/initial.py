"""A network's initial parameters: whether their shapes go together, and what they are drawn from."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.align import listed
from clearhead.checking.findings import Finding, Verdict
from clearhead.checking.network_diagnosis.answer import AXES, NetworkAnswer

CHECK = "initialize_parameters"
WEIGHTS, BIASES = ("W1", "W2"), ("b1", "b2")
Misshapen = tuple[str, list[int], list[int]]  # a parameter, the shape that it has, and that it should have
_RELU = r"relu|maximum\(\s*0|maximum\([^,]+,\s*0\.?0?\s*\)"
_ALIKE = r"zeros|ones|full"
_DRAWN = rf"{_ALIKE}|rand|normal|uniform"
MOST_NAMES = 4  # of one parameter that are looked for
_CANNOT_MULTIPLY = r"not aligned|mismatch in its core"


def judge_shapes(answer: NetworkAnswer, verdict: Verdict) -> None:
    """Parameters whose shapes do not go together, or are not those that were asked for."""
    role, shape, right = next(_misshapen(answer), ("", [], []))
    if not role:
        return
    finding = Finding("init_shape_wrong", role, variable=answer.path(role))
    finding.line = _lines(answer).get(role) or _drawn(answer, finding) or _first_line(answer)
    finding.yours, finding.expected = f"{role}: {tuple(shape)}", f"{role}: {tuple(right)}"
    finding.values = {"shape": str(tuple(shape)), "wanted": str(tuple(right))}
    verdict.add(CHECK, finding)


def _misshapen(answer: NetworkAnswer) -> Iterator[Misshapen]:
    fails = "forward" not in answer.functions or not answer.outs(probes.SEEDS[0])
    for role in answer.understood.get("turned", ()):
        shape = list(answer.shapes[role])
        yield role, shape, shape[::-1]
    yield from _other_sizes(answer)
    if fails:
        yield from _bias_of_other_size(answer)
    for role in BIASES:
        stored, turned = tuple(answer.shapes.get(role, ())), (answer.shape(role)[0], 1)
        turned = turned[::-1] if answer.understood.get("flipped") else turned
        if answer.shape(role) != (1,) and (
            (fails and stored == turned) or (stored == (1,) and _grows(answer, role))
        ):
            yield role, list(stored), list(answer.shape(role))
    if fails:
        yield from _exchanged(answer)


def _other_sizes(answer: NetworkAnswer) -> Iterator[Misshapen]:
    """Weights of other sizes than were asked for."""
    for role in WEIGHTS if answer.understood.get("misfit") else ():
        wanted = [probes.NETWORK[letter] for letter in AXES[role]]
        if list(answer.shape(role)) != wanted:
            yield role, list(answer.shapes[role]), wanted


def _bias_of_other_size(answer: NetworkAnswer) -> Iterator[Misshapen]:
    """What is named as a bias and is none, as it is as long as no layer."""
    missing = [role for role in BIASES if role not in answer.shapes]
    for path, shape in answer.understood.get("leftover", []) if missing else ():
        answer.understood["paths"].setdefault(missing[0], path)
        yield missing[0], shape, list(answer.shape(missing[0]))


def _grows(answer: NetworkAnswer, role: str) -> bool:
    """Whether a bias of one number is a longer one after an update."""
    updates = (a for d, a in answer.parts.get("observed", []) if d["kind"] in ("step", "once"))
    return any(f"after/{role}" in arrays and arrays[f"after/{role}"].size > 1 for arrays in updates)


def _exchanged(answer: NetworkAnswer) -> Iterator[Misshapen]:
    """Weights with their axes exchanged, which a product complains of."""
    crashes = answer.understood.get("crashes", {}).values()
    messages = [str(crash.get("message", "")) for crash in crashes if crash.get("sure")]
    if not any(re.search(_CANNOT_MULTIPLY, text) for text in messages):
        return
    for role in WEIGHTS:
        stored, shape = tuple(answer.shapes[role]), answer.shape(role)
        right = shape if answer.understood.get("flipped") else shape[::-1]
        if stored != right and any(f"({stored[0]},{stored[1]})" in text for text in messages):
            yield role, list(stored), list(right)


def judge_initial(answer: NetworkAnswer, verdict: Verdict) -> None:
    """What the weights and biases are drawn from."""
    data, arrays = answer.part("initial")
    if not data:
        verdict.check(CHECK, "not_checked", "absent")
        return
    for finding in (_weights(answer, data["sizes"], arrays), _random_biases(answer, arrays)):
        if finding is not None:
            line = _lines(answer).get(finding.step, 0)
            if line and finding.id == "init_zero_weights":  # One of several, in brackets.
                below = range(line, line + 4)
                line = next((n for n in below if re.search(_ALIKE, answer.lines.at(n))), line)
            finding.line = line or _drawn(answer, finding) or _first_line(answer)
            finding.variable = answer.path(finding.step)
            verdict.add(CHECK, finding)
    biases = [arrays[role] for role in BIASES if role in arrays]
    zero = biases and not any(bias.any() for bias in biases)
    is_he = _is_of_he(answer, data["sizes"], arrays)
    verdict.check(CHECK, "pass", "init_he" if is_he else "init_right" if zero else "init_right_bare")


def _first_line(answer: NetworkAnswer) -> int:
    made = answer.line_of_function(answer.understood["initialize"])
    return made or int(answer.found.get("where", {}).get(f"{answer.found.get('class')}.__init__", 0))


def _drawn(answer: NetworkAnswer, finding: Finding) -> int:
    """Where numbers are drawn, or made all alike, in the function that makes the parameters."""
    pattern = _ALIKE if finding.id == "init_zero_weights" else r"(rand\w*|normal|uniform|sample)\("
    if finding.id == "init_zero_weights":
        shape = answer.shape(finding.step)
        alike = (r for r in answer.records("once").all if r.value.shape in (shape, shape[::-1]))
        for record in alike:
            if not record.value.any():
                return record.site.line
    body = answer.lines.body(_first_line(answer)) if _first_line(answer) else ()
    return next((number for number, text in body if re.search(pattern, text)), 0)


def _weights(answer: NetworkAnswer, sizes: Any, arrays: Any) -> Finding | None:
    weights = {role: arrays[role] for role in WEIGHTS if role in arrays}
    constant = [role for role, value in weights.items() if value.size > 1 and np.ptp(value) == 0]
    if constant:
        values = {"names": listed(constant), "value": float(weights[constant[0]].flat[0])}
        return Finding("init_zero_weights", constant[0], values=values)
    fans = {role: [int(sizes[letter]) for letter in AXES[role]] for role in weights}
    odd = [role for role, value in weights.items() if value.any() and not _usual(value, *fans[role])]
    if _is_of_he(answer, sizes, weights):
        return None
    if not odd or not all(value.any() for value in weights.values()):
        return None
    role, total = odd[0], sum(fans[odd[0]])
    return Finding(
        "init_not_xavier", role, values={"names": listed(odd), "D": total},
        yours=f"std({role}) = {weights[role].std():.3g}", expected=f"std({role}) = {np.sqrt(2 / total):.3g}",
    )  # fmt: skip


def _random_biases(answer: NetworkAnswer, arrays: Any) -> Finding | None:
    random = [r for r in BIASES if r in arrays and arrays[r].size > 1 and np.ptp(arrays[r]) > 0]
    return Finding("init_random_biases", random[0], values={"names": listed(random)}) if random else None


def _lines(answer: NetworkAnswer) -> dict[str, int]:
    """Lines at which the parameters are first given a value, told from the text alone."""
    lines = {}
    for role, path in answer.understood.get("paths", {}).items():
        names = [path, *answer.understood.get("names", {}).get(role, [])[:MOST_NAMES]]
        found = [line for name in dict.fromkeys(names) if (line := _line(answer, role, name))]
        drawn = (line for line in found if re.search(_DRAWN, answer.lines.at(line)))
        if found:
            lines[role] = next(drawn, found[0])
    return lines


def _line(answer: NetworkAnswer, role: str, path: str) -> int:
    """Where a parameter is first given a value, under one of its names; 0 if nowhere."""
    words = [word for word in re.findall(r"[^\W\d]\w*", path) if word not in ("self", "params")]
    # Not another name makes it; what holds it is made before it.
    patterns = [rf"{each}(?!\s*\w+\s*$)" for word in words[::-1] for each in given(word)]
    patterns += [each for word in words[-1:] or [role, role.lower(), role.upper()] for each in given(word)]
    # Where the parameters are made, rather than taken from what holds them.
    body = list(answer.lines.body(_first_line(answer))) if _first_line(answer) else []
    own = [each for word in words[-1:] for each in given(word)]
    within = (number for each in own for number, text in body if re.search(each, text))
    return next(within, 0) or next(filter(None, map(answer.lines.first, patterns)), 0)


def given(word: str) -> Iterator[str]:
    """Patterns of how a name is given a value."""
    yield rf"(?<![\w.'\"])(self\.)?{word}\s*=(?!=|\s*(None\b|\[\]|list\(\)))"
    yield rf"(?<![\w.'\"])(self\.)?{word}\.append\("
    yield rf"['\"]{word}['\"]\]?\s*[:=](?!=|\s*None\b)"
    yield rf"\b{word}\b\s*=(?!=|\s*None\b)"


def _is_of_he(answer: NetworkAnswer, sizes: Any, weights: Mapping[str, Any]) -> bool:
    """Whether there is a ReLU, and the first weights are spread for what it takes away."""
    has_relu = any(re.search(_RELU, line, re.I) for line in answer.lines.all)
    if not has_relu or "W1" not in weights:
        return False
    first, fans = weights["W1"], [int(sizes[letter]) for letter in AXES["W1"]]
    return _usual(first / np.sqrt(2), *fans) and not _usual(first, *fans)


def _usual(weights: Any, fan_in: int, fan_out: int) -> bool:
    """Whether weights are spread as Xavier's or by their inputs, of either kind, about zero."""
    spread, count = float(weights.std()), weights.size
    if abs(weights.mean()) > 6 * spread / np.sqrt(count) + 1e-12:
        return False
    usual = np.sqrt(
        [2 / (fan_in + fan_out), 1 / fan_in, 1 / (3 * fan_in), 1 / (fan_in + fan_out)],
    )
    slack = 4 / np.sqrt(2 * count) + 0.02
    return any(abs(spread / value - 1) < slack for value in usual)
