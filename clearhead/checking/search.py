"""The fewest mistakes that together give a learner's numbers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from clearhead.checking.align import evaluated
from clearhead.docstrings import Step
from clearhead.mistakes import Mistake

Values = dict[str, Any]
Known = dict[tuple[int, ...], tuple[Any, tuple[Any, ...]]]  # values of steps by their inputs, which go along
MOST = 2


@dataclass
class Explanation:
    """Steps as a learner made them: the mistakes among them by value, and all values of each probe."""

    mistakes: dict[str, Mistake] = field(default_factory=dict)
    values: list[Values] = field(default_factory=list)


# Steps that are one mistake only together.
TOGETHER = {
    "query_key_swapped": (
        ("queries", "keys"),
        ("inputs_of_queries", "inputs_of_keys"),
        ("both_queries", "both_keys"),
    ),
    "key_value_swapped": (
        ("keys", "values"),
        ("inputs_of_keys", "inputs_of_values"),
        ("both_keys", "both_values"),
    ),
}


def explanations(
    names: Sequence[str],
    right: Mapping[str, Step],
    wrong: Sequence[Mistake],
    values: Sequence[Values],
    fits: Callable[[str, Values, int], bool | None],
    most: int = MOST,
) -> list[Explanation]:
    """All smallest sets of mistakes, of at most `most` ids, with which the numbers of every probe come out.

    `names` are the steps in order; `fits(name, values, probe)` says of a value that was just made
    whether it may be the learner's: None where it cannot be told. The first probe finds, the others confirm.
    """
    known: Known = {}
    by_name: dict[str, list[Mistake]] = {name: [] for name in names}
    for mistake in wrong:
        if mistake.step.name in by_name:
            by_name[mistake.step.name].append(mistake)

    def grow(
        place: int, made: Values, chosen: dict[str, Mistake], left: int, probe: int
    ) -> Iterator[Explanation]:
        if place == len(names):
            if left == 0 and _whole(chosen):
                yield Explanation(chosen, [made])
            return
        name = names[place]
        candidates: list[tuple[Step, Mistake | None]] = [(right[name], None)]
        candidates += [(mistake.step, mistake) for mistake in by_name[name]]
        ids = {mistake.id for mistake in chosen.values()}
        for step, mistake in candidates:
            # What has no id is right in another way.
            cost = 0 if mistake is None or mistake.id in ids or not mistake.id else 1
            if cost > left:
                continue
            after = with_value(step, name, made, known)
            if after is None or fits(name, after, probe) is False:
                continue
            more = chosen if mistake is None else {**chosen, name: mistake}
            yield from grow(place + 1, after, more, left - cost, probe)

    def confirmed(found: Explanation) -> bool:
        for probe in range(1, len(values)):
            made: Values | None = dict(values[probe])
            for name in names:
                step = found.mistakes[name].step if name in found.mistakes else right[name]
                made = with_value(step, name, made) if made is not None else None
                if made is None or fits(name, made, probe) is False:
                    return False
            assert made is not None
            found.values.append(made)
        found.mistakes = {name: mistake for name, mistake in found.mistakes.items() if mistake.id}
        return True

    for count in range(most + 1):
        found = [each for each in grow(0, dict(values[0]), {}, count, 0) if confirmed(each)]
        if found:
            return found
    return []


def with_value(step: Step, name: str, made: Values, known: Known | None = None) -> Values | None:
    """The values with one more, if the step can be made of them; `known` are those of the same inputs."""
    inputs = tuple(made.get(value) for value in step.inputs)
    key = (id(step), *map(id, inputs))
    known = {} if known is None else known
    if key not in known:
        known[key] = _value(step, made), inputs  # These are kept, so that their ids stay theirs.
    value, _ = known[key]
    if value is None:
        return None
    after = {**made, name: value}
    if name == "z2":  # Less the largest of its row, as a careful softmax has it.
        after["shifted"] = after[name] - after[name].max(axis=1, keepdims=True)
    return after


def _value(step: Step, made: Values) -> Any:
    """What a step makes of values; None if it cannot be made of them."""
    if any(value not in made and len(value) > 1 for value in step.inputs):
        return None
    try:
        return evaluated(step, made)
    except ValueError:
        return None


def _whole(chosen: Mapping[str, Mistake]) -> bool:
    """Whether mistakes that are several steps are there with all of them."""
    for identity, sets in TOGETHER.items():
        parts = {m.step.function.__name__.partition("__")[2] for m in chosen.values() if m.id == identity}
        if parts and not any(parts == set(whole) for whole in sets):
            return False
    return True


def close(made: Any, known: Any, tolerance: float = 1e-9) -> bool:
    """Whether two values agree to rounding, as a whole.

    >>> close(np.ones(3), np.ones(3) + 1e-14)
    True
    """
    made, known = np.asarray(made, float), np.asarray(known, float)
    if made.shape != known.shape:
        return False
    with np.errstate(all="ignore"):
        if not np.isfinite(made).all():
            return False
        return bool(np.linalg.norm(made - known) <= tolerance * max(float(np.linalg.norm(known)), 1e-300))
