"""What a learner's training loop did: which examples it saw, in which order, with which labels."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.align import Record, Records, listed
from clearhead.checking.findings import Finding

Rows = tuple[int, ...]


def judge_training(diagnosis: Any, data: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    """Add to the verdict what the examples that were seen say of the loop."""
    drawn = probes.training(data["seed"], diagnosis.sizes["D"], diagnosis.sizes["C"])
    records = Records.of(data["records"], diagnosis.understood["sites"], arrays)
    verdict, line = diagnosis.verdict, diagnosis.line_of("train")
    seen = _seen(records.all, drawn["X"])
    N, batch, epochs = len(drawn["X"]), data["batch"], data["epochs"]
    if data.get("spoiled"):
        verdict.add(
            "train", Finding("input_changed", "X", line=line, values={"names": listed(data["spoiled"])})
        )
    if not seen:
        verdict.check("train", "not_checked", "not_seen")
        return
    batches = _batches(seen, batch)
    # Batches may be cut by a function of their own.
    cut = [
        record.site.function.rpartition(".")[2]
        for record, rows in seen
        if len(rows) <= batch and record.site.kind != "argument"
    ]
    diagnosis.batching = cut[0] if cut and cut[0] not in diagnosis.functions.values() else ""
    wrong = _wrong_labels(records.all, seen, drawn)
    if wrong is not None:
        verdict.add(
            "train",
            Finding(
                "labels_not_shuffled_with_inputs",
                "Y",
                line=_shuffle_line(diagnosis, wrong.site.line),
                variable=wrong.site.target,
            ),
        )
    total = sum(len(rows) for rows in batches)
    takes = set(data["roles"])
    early = "epochs" in takes and 0 < total <= N
    if "batch" not in takes and not any(len(rows) == min(batch, N) for rows in batches):
        # Everything at once, or one by one: nothing is said of batches.
        verdict.check("train", "pass", "train_seen")
        if early and len(batches) <= 1:
            verdict.add("train", _returns_early(diagnosis, total, N * epochs))
        return
    if early:
        verdict.add("train", _returns_early(diagnosis, total, N * epochs))
        return
    per_epoch = [batches[i : i + N // batch] for i in range(0, len(batches), max(N // batch, 1))]
    whole = (N // batch) * batch
    distinct = all(len({row for rows in part for row in rows}) == whole for part in per_epoch)
    if N % batch and total == epochs * whole and distinct and all(len(rows) == batch for rows in batches):
        verdict.add(
            "train",
            Finding(
                "last_batch_dropped",
                "train",
                line=_loop_line(diagnosis),
                values={"seen": whole, "all": N, "batch": batch},
            ),
        )
    order = [row for rows in batches for row in rows]
    natural = list(range(whole)) if total == epochs * whole else list(range(N))
    if order == natural * epochs:
        verdict.add("train", Finding("train_without_shuffling", "train", line=_order_line(diagnosis)))
    verdict.check("train", "pass", "train_seen")


def _returns_early(diagnosis: Any, seen: int, wanted: int) -> Finding:
    values = {"seen": seen, "wanted": wanted}
    return Finding("train_returns_early", "train", line=_return_line(diagnosis), values=values)


def _rows(value: Any, X: Any) -> Rows | None:
    """Which examples an array holds, if it holds nothing else."""
    if value.ndim != 2 or value.dtype.kind != "f":
        return None
    D = X.shape[1]
    if value.shape[1] != D and value.shape[0] == D:
        value = value.T
    if value.shape[1] != D or not 0 < len(value) <= len(X):
        return None
    found = []
    for row in value:
        # Single precision is enough to know an example by.
        same = np.flatnonzero(np.abs(X - row).max(axis=1) < 1e-6)
        if len(same) != 1:
            return None
        found.append(int(same[0]))
    return tuple(found)


def _seen(records: Sequence[Record], X: Any) -> list[tuple[Record, Rows]]:
    pairs = ((record, _rows(record.value, X)) for record in records)
    return [(record, rows) for record, rows in pairs if rows is not None]


def _batches(seen: Sequence[tuple[Record, Rows]], batch: int) -> list[Rows]:
    """The batches in order, from the place where most of them were taken; a place outside `train` is as good."""
    places: dict[tuple[int, int, str], list[Rows]] = {}
    for record, rows in seen:
        if len(rows) <= batch:
            places.setdefault((record.site.line, record.site.column, record.site.target), []).append(rows)
    if not places:
        whole: dict[tuple[int, int, str], list[Rows]] = {}
        for record, rows in seen:
            whole.setdefault((record.site.line, record.site.column, record.site.target), []).append(rows)
        return max(whole.values(), key=len)
    best = max(places.values(), key=len)
    most = max(len(rows) for rows in best)
    return best if most > 1 or batch == 1 else max(places.values(), key=lambda found: sum(map(len, found)))


def _wrong_labels(
    records: Sequence[Record], seen: Sequence[tuple[Record, Rows]], drawn: Mapping[str, Any]
) -> Record | None:
    """The first labels that belong to other examples than those they go with."""
    Y, labels = drawn["Y"], drawn["labels"]

    def fits(value: Any, rows: Rows) -> bool | None:
        """Whether labels are those of examples; None where it is no array of so many labels."""
        count, C = len(rows), Y.shape[1]
        if value.shape in ((count, C), (C, count)) and (value.shape[0] != value.shape[1]):
            hot = value if value.shape == (count, C) else value.T
            if not (np.isin(hot, (0, 1)).all() and (hot.sum(axis=1) == 1).all()):
                return None
            return bool((hot == Y[list(rows)]).all())
        flat = np.squeeze(value)
        if value.dtype.kind in "iu" and flat.shape == (count,) and np.isin(flat, range(C)).all():
            return bool((flat == labels[list(rows)]).all())
        return None

    starts = [(record.order, rows) for record, rows in seen]
    bad: list[Record] = []
    good = 0
    for place, (order, rows) in enumerate(starts):
        if len(set(rows)) < 3:
            continue
        # Up to the next examples of as many rows, and from the last ones before, as labels may come first.
        after = next((o for o, other in starts[place + 1 :] if other != rows), len(records))
        before = max((o for o, other in starts[:place] if other != rows), default=-1)
        near = [
            r
            for r in records
            if before < r.order < after and not r.site.target.lower().endswith(("pred", "hat"))
        ]
        judged = [(fits(r.value, rows), r) for r in near]
        if any(good_one is True for good_one, _ in judged):
            good += 1
            continue
        found = [r for verdict, r in judged if verdict is False and r.order > order]
        bad += found[:1]
    return bad[0] if bad and len(bad) > good else None


def _lines(diagnosis: Any) -> list[tuple[int, str]]:
    """The lines of the training function and of what follows in its body."""
    lines = diagnosis.found.get("lines", [])
    name = getattr(diagnosis, "batching", "")
    made = [n for n, text in enumerate(lines, 1) if name and re.match(rf"\s*def {re.escape(name)}\b", text)]
    begin = made[0] if made else diagnosis.line_of("train")
    if not begin:
        return []
    depth = len(lines[begin - 1]) - len(lines[begin - 1].lstrip())
    body: list[tuple[int, str]] = []
    for number in range(begin, len(lines)):
        text = lines[number]
        if (
            text.strip()
            and len(text) - len(text.lstrip()) <= depth
            and not text.lstrip().startswith((")", "#"))
        ):
            break
        body.append((number + 1, text))
    return body


def _return_line(diagnosis: Any) -> int:
    lines = _lines(diagnosis)
    leave = [
        (len(text) - len(text.lstrip()), number)
        for number, text in lines
        if re.match(r"\s*(return|break)\b", text)
    ]
    return max(leave)[1] if leave else diagnosis.line_of("train")


def _loop_line(diagnosis: Any) -> int:
    lines = _lines(diagnosis)
    for pattern in (r"batch", r"range\("):
        at = next(
            (number for number, text in lines if re.match(r"\s*for\b", text) and re.search(pattern, text)), 0
        )
        if at:
            return at
    return int(diagnosis.line_of("train"))


def _order_line(diagnosis: Any) -> int:
    """Where the order of the examples is made, or the loop over the epochs, in which it should have been."""
    lines = _lines(diagnosis)
    at = next(
        (
            number
            for number, text in lines
            if re.search(r"\b(perm\w*|order|idx|ind\w*|shuffled?)\s*=|arange", text)
        ),
        0,
    )
    return at or next(
        (number for number, text in lines if re.match(r"\s*(for|while)\b", text)), diagnosis.line_of("train")
    )


def _shuffle_line(diagnosis: Any, default: int) -> int:
    lines = _lines(diagnosis)
    at = next(
        (
            number
            for number, text in lines
            if re.search(r"permut|shuffle|choice|\[(perm|idx|ind|order|p)\w*\]", text)
        ),
        0,
    )
    return default or at
