"""What a network's training loop did: which examples it saw, in which order, with which labels."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.align import Record, Records, listed
from clearhead.checking.findings import Finding, Verdict
from clearhead.checking.network_diagnosis.answer import ROLES, NetworkAnswer, any_of
from clearhead.checking.network_diagnosis.gradients import moved
from clearhead.checking.network_diagnosis.rows import Rows, rows_of

Seen = list[tuple[Record, Rows]]
_ORDER = r"\b(perm\w*|order|idx|ind\w*|shuffled?)\s*=|arange"
_TAKEN = r"\[(perm|idx|ind|order|shuf)\w*\]"
_SHUFFLE = r"permut|shuffle|choice|\[(perm|idx|ind|order|p)\w*\]"


def judge_training(answer: NetworkAnswer, verdict: Verdict) -> None:
    """Say what the examples that were seen tell of the loop."""
    data, arrays = answer.part("trained")
    if not data or data["message"]:
        return
    sizes = answer.sizes
    drawn, held = (
        probes.training(seed, sizes["D"], sizes["C"], int(data.get("examples", 0)))
        for seed in (data["seed"], data["seed"] + probes.HELD)
    )
    records = Records.of(data["records"], answer.understood["sites"], arrays).all
    if data.get("spoiled"):
        values = {"names": listed(data["spoiled"])}
        verdict.add("train", Finding("input_changed", "X", line=answer.line_of("train"), values=values))
    seen = list(seen_rows(records, drawn["X"]))
    if len(seen) < 2 and all(record.site.kind == "argument" for record, _ in seen):
        # Nothing beside what it was handed: samples of more than there are, say, are not known.
        verdict.check("train", "not_checked", "not_seen")
        return
    loop = _Loop(answer, data["batch"], seen)
    wrong = _wrong_labels(records, seen, drawn)
    if (
        wrong is not None
        and _wrong_labels(records, seen, {**drawn, "Y": held["Y"], "labels": held["labels"]}) is None
    ):
        wrong = None  # We handed over the labels of those to validate with.
    if wrong is not None:
        line = wrong.site.line or loop.line(_SHUFFLE)
        if not wrong.site.target:  # What is cut where it is handed on has been exchanged before.
            line = _exchanged(seen, wrong.order, len(drawn["X"])) or loop.line(_TAKEN) or line
        finding = Finding("labels_not_shuffled_with_inputs", "Y", line=line, variable=wrong.site.target)
        verdict.add("train", finding)
        if "backward" not in answer.functions:  # Gradients that only training shows are of other labels too.
            verdict.withdraw([f for f in verdict.findings if f.id == "unknown"], "not_understood")
    for finding in _findings(loop, data, len(drawn["X"])):
        verdict.add("train", finding)
    if not {"train_returns_early", "parameter_never_updated"} & {*verdict.ids()}:
        if data.get("holds") and _leaves_all(answer, arrays):
            values = {"names": listed(ROLES)}
            verdict.add("train", Finding("parameter_never_updated", "W1", line=loop.update(), values=values))
            return
        verdict.check("train", "pass", "train_seen")


def _leaves_all(answer: NetworkAnswer, arrays: Mapping[str, Any]) -> bool:
    """Whether parameters, which one update moves, are after all of them what they were before."""
    before, after = (answer.by_role(name, arrays) for name in ("before", "after"))
    moves = (moved(answer, kind, probes.SEEDS[0]) for kind in ("step", "once") if kind in answer.functions)
    is_moved = any(any_of(step) for steps in moves for step in steps.values())
    return (
        is_moved
        and before.keys() == after.keys()
        and all(map(np.array_equal, before.values(), after.values()))
    )


def _findings(loop: "_Loop", data: Mapping[str, Any], N: int) -> Iterator[Finding]:
    """What the batches tell, of which there should be some in each of several epochs."""
    takes, batch, epochs = set(data["roles"]), data["batch"], data["epochs"]
    batches = _batches_of(loop, N, batch)
    total = sum(map(len, batches))
    at_once = "batch" not in takes and not any(len(rows) == min(batch, N) for rows in batches)
    if "epochs" in takes and 0 < total <= N and not (at_once and len(batches) > 1):
        yield Finding(
            "train_returns_early", "train", line=loop.exit(), values={"seen": total, "wanted": N * epochs}
        )
        return
    if at_once:  # Everything at once, or one by one: nothing is said of batches.
        return
    whole = (N // batch) * batch
    order = [row for rows in batches for row in rows]
    per_epoch = [order[first : first + whole] for first in range(0, total, max(whole, 1))]
    distinct = all(len(set(rows)) == whole for rows in per_epoch)
    full = len({len(rows) for rows in batches}) == 1 and len(batches[0]) in (1, batch)
    if N % batch and total == epochs * whole and distinct and full:
        values = {"seen": whole, "all": N, "batch": batch}
        yield Finding("last_batch_dropped", "train", line=loop.over_batches(), values=values)
    natural = list(range(whole if total == epochs * whole else N))
    if order == natural * epochs:
        yield Finding("train_without_shuffling", "train", line=loop.ordering())


# What was seen


def seen_rows(records: Sequence[Record], X: Any) -> Iterator[tuple[Record, Rows]]:
    """The records that hold examples and nothing else, and which."""
    for record in records:
        rows = rows_of(record.value, X)
        if rows is not None:
            yield record, rows


def _batches_of(loop: "_Loop", N: int, batch: int) -> list[Rows]:
    """The batches that training takes; where these are lists of single examples, all those that are seen."""
    batches = _batches(loop.in_train(N) or loop.seen, N, batch)
    if max(map(len, batches)) > 1:
        return batches
    return max(batches, _batches(loop.seen, N, batch), key=lambda found: sum(map(len, found)))


def _batches(seen: Seen, N: int, batch: int) -> list[Rows]:
    """The batches in order, from the place where most of them were taken, in whichever function."""
    places = _by_place(seen)
    small = [
        _once([rows for rows in found if len(rows) <= batch])
        for found in places
        if not any(batch < len(rows) < N for rows in found)  # Of another size than was asked for.
    ]
    small = [found for found in small if found]
    if not small:
        return max(places, key=len)
    best = max(small, key=len)
    if batch == 1 or max(map(len, best)) > 1:
        return best
    return max(small, key=lambda found: sum(map(len, found)))


def _by_place(seen: Seen) -> list[list[Rows]]:
    places: dict[tuple[int, int, str], list[Rows]] = {}
    for record, rows in seen:
        site = record.site
        places.setdefault((site.line, site.column, site.target), []).append(rows)
    return list(places.values())


def _once(found: list[Rows]) -> list[Rows]:
    """Batches, where one that is seen again at once, such as by the loss, counts once."""
    return [rows for n, rows in enumerate(found) if n == 0 or found[n - 1] != rows or len(rows) == 1]


def _wrong_labels(records: Sequence[Record], seen: Seen, drawn: Mapping[str, Any]) -> Record | None:
    """The first labels that belong to other examples than those they go with."""
    bad: list[Record] = []
    good = 0
    whole = tuple(range(len(drawn["X"])))
    for place, (record, rows) in enumerate(seen):
        again = place > 0 and seen[place - 1][1] == rows
        if len(set(rows)) < 3 or rows == whole or again:
            continue
        # Up to the next examples of as many rows, and from the last ones before, as labels may come first.
        after = next((r.order for r, other in seen[place + 1 :] if other != rows), len(records))
        before = max((r.order for r, other in seen[:place] if other != rows), default=-1)
        near = (r for r in records if before < r.order < after)
        judged = [(_fit(r.value, rows, drawn), r) for r in near if not _is_predicted(r)]
        if any(fits is True for fits, _ in judged):
            good += 1
        else:
            bad += [r for fits, r in judged if fits is False and r.order > record.order][:1]
    return bad[0] if bad and len(bad) > good else None


def _exchanged(seen: Seen, end: int, N: int) -> int:
    """The last line before a place in the run that gave all examples, or so, another order; 0 if none."""
    named = ((r.site.line, rows) for r, rows in seen if r.order < end and r.site.target and len(rows) > N / 2)
    return next((line for line, rows in reversed([*named]) if [*rows] != sorted(rows)), 0)


def _is_predicted(record: Record) -> bool:
    return record.site.target.lower().endswith(("pred", "hat"))


def _fit(value: Any, rows: Rows, drawn: Mapping[str, Any]) -> bool | None:
    """Whether labels are those of examples; None where it is no array of so many labels."""
    Y, labels, count = drawn["Y"], drawn["labels"], len(rows)
    classes = Y.shape[1]
    if value.shape in ((count, classes), (classes, count)) and count != classes:
        hot = value if len(value) == count else value.T
        is_hot = np.isin(hot, (0, 1)).all() and (hot.sum(axis=1) == 1).all()
        return bool((hot == Y[list(rows)]).all()) if is_hot else None
    flat = np.squeeze(value)
    if value.dtype.kind in "iu" and flat.shape == (count,) and np.isin(flat, range(classes)).all():
        return bool((flat == labels[list(rows)]).all())
    return None


# Where it is in the source


def _depth(line: tuple[int, str]) -> int:
    """How far a numbered line is indented."""
    return len(line[1]) - len(line[1].lstrip())


class _Loop:
    """The lines of the training function, or of the function that cuts the batches for it."""

    def __init__(self, answer: NetworkAnswer, batch: int, seen: Seen) -> None:
        self.answer, self.seen, self.begin = answer, seen, answer.line_of("train")
        sites = [
            record.site for record, rows in seen if len(rows) <= batch and record.site.kind != "argument"
        ]
        cut = sites[0].function.rpartition(".")[2] if sites else ""
        begin = (
            answer.lines.first(rf"^\s*def {re.escape(cut)}\b")
            if cut not in ("", *answer.functions.values())
            else 0
        )
        self.lines = list(answer.lines.body(begin or self.begin))

    def in_train(self, N: int) -> Seen:
        """What the training function itself takes from the examples, but for all of them."""
        name = self.answer.functions.get("train", "")
        own = (each for each in self.seen if each[0].site.function.rpartition(".")[2] == name)
        return [each for each in own if len(each[1]) < N and each[0].site.kind != "argument"]

    def line(self, pattern: str) -> int:
        """The first line that has a pattern; 0 if none."""
        return next((number for number, text in self.lines if re.search(pattern, text)), 0)

    def exit(self) -> int:
        """The last way out of the innermost block."""
        ways = [
            (len(text) - len(text.lstrip()), n)
            for n, text in [*self.lines, *self.answer.lines.body(self.begin)]
            if re.match(r"\s*(return|break)\b", text)
        ]
        return max(ways)[1] if ways else self.begin

    def update(self) -> int:
        """Where the training calls what updates, or makes gradients."""
        names = (self.answer.functions.get(kind, "") for kind in ("step", "backward"))
        calls = (self.line(rf"\b{re.escape(name)}\(") for name in names if name)
        return next(filter(None, calls), self.begin)

    def over_batches(self) -> int:
        """The loop over the batches, or that of the generator which makes them."""
        loops = [(number, text) for number, text in self.lines if re.match(r"\s*(for|while)\b", text)]
        named = [each for each in loops if re.search(r"batch", each[1])]
        counted = [each for each in loops if re.search(r"range\(|while\b", each[1])]
        inner = max(counted, key=_depth, default=(self.begin, ""))
        number, text = named[0] if named else inner
        made = re.search(r"\bin (?:\w+\.)*(\w+)\(", text)
        begin = self.answer.lines.first(rf"^\s*def {made[1]}\b") if made else 0
        within = ((n, line) for n, line in self.answer.lines.body(begin)) if begin else ()
        return next((n for n, line in within if re.match(r"\s*for\b.*range\(", line)), number)

    def ordering(self) -> int:
        """Where the order of the examples is made, or the loop over the epochs, where it should have been."""
        return self.line(_ORDER) or self.line(r"^\s*(for|while)\b") or self.begin
