"""A network read from one recorded training: what was multiplied with the examples, and what became of it.

Weights are what the examples are multiplied with, in one update and in the next; so nothing need be known of
functions and of names.
"""

import bisect
import itertools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from clearhead.checking import probes
from clearhead.checking.align import Array, Record, Records, laid, norm
from clearhead.checking.findings import first, grouped
from clearhead.checking.network_diagnosis.answer import NetworkAnswer, any_of
from clearhead.checking.network_diagnosis.rows import Rows
from clearhead.checking.network_diagnosis.training import seen_rows

NEAR = 8  # records behind a product among which its sum with a bias is
REACH = 160  # records behind a product among which the rest of the pass is
ENOUGH = 3  # sets of parameters
CLOSE = 1e-10
LATEST = 1 << 40
HUGE = 1e100
RESTING = 0.5  # σ(0)
MOST_BATCHES, MOST_HIDDEN, MOST_OUTS, MOST_USES = 8, 12, 16, 24

Part = tuple[dict[str, Any], dict[str, Any]]


class Use(NamedTuple):
    """A layer at work: weights (in, out) and a bias, zero if none, used on inputs, and where in the run."""

    order: int
    weights: Array
    bias: Array
    output: Array


class Pass(NamedTuple):
    """A forward pass: of which examples, with which parameters, and what may be its output."""

    order: int
    rows: Rows
    parameters: dict[str, Array]
    outs: list[Array]


def answer_of_whole(
    parts: Sequence[tuple[Any, Any]], roles: Collection[str] = (), part: str = "whole"
) -> NetworkAnswer | None:
    """What code whose functions cannot be called answers by one recorded training; None if nothing.

    `roles` are parameters that it is known to have; of others a bias that is always zero is none. Another
    `part` is the training with a penalty.
    """
    kinds = grouped(parts)
    wholes = {data["seed"]: (data, arrays) for data, arrays in kinds.get(part, [])}
    updates = [_update(*wholes[seed], roles) if seed in wholes else None for seed in probes.SEEDS]
    known = [update for update in updates if update is not None]
    if len(known) < len(updates) or len({_sizes(update) for update in known}) > 1:
        return None
    found, last = first(kinds["found"])[0], wholes[probes.SEEDS[-1]][0]  # whose places hold all others
    lines = found.get("lines", [])
    made: list[Part] = [({"part": "found", **found}, {}), (_understood(known[0], last, found), {})]
    for seed, update in zip(probes.SEEDS, known, strict=True):
        data, arrays = wholes[seed]
        made += _observed(seed, update, [] if "lr" in data["roles"] else _rates(lines))
        made.append(({**data, "part": "records", "kind": "once", "out": [], "as_seen": True}, arrays))
    made.append(_trained(*wholes[probes.SEEDS[0]]))
    answer = NetworkAnswer(made)
    for values, (data, _), update in zip(answer.values, wholes.values(), known, strict=True):
        drawn, rows = _drawn(data), list(update.before.rows)
        values |= {name: drawn[name][rows] for name in ("X", "Y", "labels")} | update.before.parameters
    return answer


def has_one_output(parts: Sequence[tuple[Any, Any]]) -> bool:
    """Whether a recorded training is that of a network with a single output, as for yes and no."""
    for data, arrays in grouped(parts).get("whole", [])[:1]:
        records, drawn = Records.of(data["records"], data["sites"], arrays), _drawn(data)
        several, one = (_passes(records, drawn["X"], width) for width in (drawn["Y"].shape[1], 1))
        return bool(one and not several)
    return False


class Update(NamedTuple):
    """One update: the pass before it and the one after it, and the very first; what parameters are called.

    There is none after it where there is no more than one pass.
    """

    before: Pass
    after: Pass | None
    start: Pass
    names: dict[str, str]


def _drawn(data: Mapping[str, Any]) -> dict[str, Any]:
    sizes = data["sizes"]
    return probes.training(data["seed"], int(sizes["D"]), int(sizes["C"]), int(data["examples"]))


def _sizes(update: Update) -> tuple[int, ...]:
    parameters = update.before.parameters
    return (*parameters["W1"].shape, parameters["W2"].shape[1], len(update.before.rows), *sorted(parameters))


def _understood(update: Update, data: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    shapes = {role: list(value.shape) for role, value in update.before.parameters.items()}
    name, text = data["function"], "\n".join(found.get("lines", []))
    line = next((at for key, at in found.get("where", {}).items() if key.rpartition(".")[2] == name), 0)
    return {
        "part": "understood", "sizes": dict(zip("DHCN", _sizes(update), strict=False)), "shapes": shapes,
        "functions": dict.fromkeys(("forward", "backward", "train"), name), "lines": {name: line},
        "sites": data["sites"], "paths": update.names, "initialize": name,
        "text": ["softmax"] if "softmax" in text.lower() else [],
    }  # fmt: skip


def _observed(seed: int, update: Update, rates: Sequence[float]) -> Iterator[Part]:
    """What the functions would have answered."""
    header = {"part": "observed", "seed": seed, "variant": 0, "changed": [], "roles": {}, "out": []}
    outs = {f"returned{number}": value for number, value in enumerate(update.before.outs)}
    yield {**header, "kind": "forward", "returned": list(outs)}, outs
    if update.after is not None:
        moves = {f"before/{role}": value for role, value in update.before.parameters.items()}
        moves |= {f"after/{role}": value for role, value in update.after.parameters.items()}
        yield {**header, "kind": "once", "returned": [], "rates": list(rates)}, moves
    if seed == probes.SEEDS[0]:
        sizes = dict(zip("DHCN", _sizes(update), strict=False))
        yield {"part": "initial", "sizes": sizes}, update.start.parameters


def _trained(data: Mapping[str, Any], arrays: Mapping[str, Any]) -> Part:
    settings = {"batch": probes.TRAINING["batch"], "epochs": probes.TRAINING["epochs"], "message": ""}
    return {**data, "part": "trained", **settings}, dict(arrays)


def _rates(lines: Sequence[str]) -> list[float]:
    """Numbers of a source that may be its learning rate."""
    numbers = {float(text) for line in lines for text in re.findall(r"(?<![\w.])\d*\.?\d+(?:e-?\d+)?", line)}
    return sorted(number for number in numbers if 1e-6 < number < 20)


# What was made of the examples


def _update(data: Mapping[str, Any], arrays: Mapping[str, Any], roles: Collection[str]) -> Update | None:
    """Two passes with an update between them: the second, if there is one, as biases begin with zero."""
    records, drawn = Records.of(data["records"], data["sites"], arrays), _drawn(data)
    passes = _passes(records, drawn["X"], drawn["Y"].shape[1])
    versions = [_joined(list(group)) for _, group in itertools.groupby(passes, _version)]
    if not versions:
        return None
    biases = [
        role for role in ("b1", "b2") if role in roles or any(any_of(v.parameters[role]) for v in versions)
    ]
    versions = [_with(each, biases) for each in versions]
    start, before = versions[0], versions[min(1, max(len(versions) - 2, 0))]
    after = versions[min(2, len(versions) - 1)]
    if len(versions) == 1 and len({each.rows for each in passes}) < 2:
        return Update(before, None, start, dict(_names(records, start)))
    return Update(before, after, _from_nothing(records, start), dict(_names(records, start)))


def _from_nothing(records: Records, start: Pass) -> Pass:
    """The first pass with the weights that were nothing before it, when all hidden values were σ(0)."""
    earlier = [r.value for r in records.all if r.order < start.order and r.value.ndim == 2]
    H = start.parameters["W2"].shape[0]
    if not any(H in value.shape and (value == RESTING).all() for value in earlier):
        return start
    nothing = [value.shape for value in earlier if not value.any()]
    shapes = {role: start.parameters[role].shape for role in ("W1", "W2")}
    made = {role: np.zeros(shape) for role, shape in shapes.items() if {shape, shape[::-1]} & {*nothing}}
    biases = {
        role: np.zeros_like(value) for role, value in start.parameters.items() if role[0] == "b" and made
    }
    return start._replace(parameters={**start.parameters, **made, **biases})


def _names(records: Records, start: Pass) -> Iterator[tuple[str, str]]:
    """The names under which parameters are first known."""
    for role, value in start.parameters.items():
        named = [
            m.record
            for m in records.matches(value, parts=False)
            if m.record.site.target not in ("", "return")
        ]
        if named:
            yield role, min(named, key=lambda record: record.order).site.target


def _with(each: Pass, biases: Sequence[str]) -> Pass:
    """A pass with the biases that there are."""
    return each._replace(parameters={role: each.parameters[role] for role in ("W1", "W2", *biases)})


def _version(each: Pass) -> bytes:
    return each.parameters["W1"].tobytes() + each.parameters["W2"].tobytes()


def _joined(passes: Sequence[Pass]) -> Pass:
    """Passes with the same parameters as one: of single examples all, else the last before the update."""
    single = [each for each in passes if len(each.rows) == 1]
    if len(single) < 2 or len(single) < len(passes):
        return passes[-1]
    rows = tuple(row for each in single for row in each.rows)
    outs = [np.concatenate(values) for values in zip(*(each.outs for each in single), strict=False)]
    return single[-1]._replace(rows=rows, outs=outs)


def _passes(records: Records, X: Array, classes: int) -> list[Pass]:
    """The forward passes that were recorded, in their order, until there are enough updates."""
    index = _Index(records, min(classes, 2))
    batches = dict.fromkeys([tuple(range(len(X))), *(rows for _, rows in seen_rows(records.all, X))])
    uses = [
        (use, rows) for rows in itertools.islice(batches, MOST_BATCHES) for use in index.uses(X[list(rows)])
    ]  # fmt: skip
    found: list[Pass] = []
    for use, rows in sorted(uses, key=lambda each: each[0].order):
        found += _completed(index, use, rows, classes)
        if len(set(map(_version, found))) > ENOUGH:
            break
    return found


def _completed(index: "_Index", use: Use, rows: Rows, classes: int) -> list[Pass]:
    """The pass that a use of the first weights begins: something of its shape is multiplied once more."""
    near = [r for r in index.records.all if use.order <= r.order <= use.order + REACH]
    values = (laid(r.value, use.output.shape) for r in near if r.value.dtype.kind == "f")
    hidden = {value.tobytes(): np.ascontiguousarray(value) for value in values if value is not None}
    for value in itertools.islice(hidden.values(), MOST_HIDDEN):
        for last in index.uses(value, classes, use.order, use.order + REACH):
            parameters = {"W1": use.weights, "b1": use.bias, "W2": last.weights, "b2": last.bias}
            return [Pass(use.order, rows, parameters, list(_outs(near, last)))]
    return []


def _outs(near: Sequence[Record], last: Use) -> Iterator[Array]:
    """What may be the output: of its shape, and made after the scores, but for the scores themselves."""
    scores = last.output
    values = (laid(r.value, scores.shape) for r in near if r.order > last.order and r.value.dtype.kind == "f")
    fits = (np.asarray(value, float) for value in values if value is not None)
    largest = scores.max(axis=1, keepdims=True)
    others = (v for v in fits if not any(np.allclose(v, s, atol=1e-12) for s in (scores, scores - largest)))
    made = list(itertools.islice(others, MOST_OUTS))
    yield from made or [scores]


class _Index:
    """Records by shape and norm, to look many products up in; weights have a least number of columns."""

    def __init__(self, records: Records, least: int) -> None:
        self.records, self.sites = records, {record.order: record.site for record in records.all}
        self.found: dict[tuple[int, ...], list[tuple[float, int, Array]]] = {}
        # By their rows, then by their columns; as they are and transposed.
        matrices: dict[int, dict[int, dict[bytes, Array]]] = {}
        for record in records.all:
            value = record.value[None] if record.value.ndim == 1 else record.value
            if value.dtype.kind != "f" or value.ndim != 2 or not np.abs(value).max(initial=0) < HUGE:
                continue
            if record.site.kind != "argument":
                entry = (norm(value), record.order, value)
                self.found.setdefault(tuple(sorted(value.shape)), []).append(entry)
            for each in (value, value.T) if min(value.shape) >= least else ():
                rows, columns = each.shape
                same = matrices.setdefault(rows, {}).setdefault(columns, {})
                same.setdefault(each.tobytes(), each)
        self.matrices = {
            rows: {columns: np.stack([*same.values()]) for columns, same in every.items()}
            for rows, every in matrices.items()
        }
        for entries in self.found.values():
            entries.sort(key=lambda entry: entry[0])
        self.norms = {
            shape: np.array([size for size, *_ in entries]) for shape, entries in self.found.items()
        }

    def uses(self, inputs: Array, width: int = 0, begin: int = 0, end: int = LATEST) -> list[Use]:
        """Where inputs were multiplied with weights, in the order of the run; a row may be the bias."""
        ones = np.ones((len(inputs), 1))
        found = []
        for whole, at in ((inputs, None), (np.hstack([ones, inputs]), 0), (np.hstack([inputs, ones]), -1)):
            for weights, product in self._products(whole, width):
                for order in self._orders(product, begin, end):
                    if at is None:
                        found.append(Use(order, weights, *_with_bias(self.records, product, order)))
                    else:
                        found.append(Use(order, np.delete(weights, at, axis=0), weights[at], product))
        return sorted(found, key=lambda use: use.order)

    def _products(self, inputs: Array, width: int) -> Iterator[tuple[Array, Array]]:
        """Weights, of a width if one is given, and their product with inputs if it is as long as a record."""
        known = self.matrices.get(inputs.shape[1], {})
        for columns, weights in known.items():
            norms = self.norms.get(tuple(sorted((len(inputs), columns))))
            if norms is None or width not in (0, columns):
                continue
            products = inputs @ weights
            sizes = np.sqrt(np.square(products).sum(axis=(1, 2)))
            low, high = (norms.searchsorted(sizes * (1 + each * CLOSE)) for each in (-2, 2))
            for place in np.flatnonzero((low < high) & (sizes > 0)):
                yield weights[place], products[place]

    def _orders(self, value: Array, begin: int, end: int) -> Iterator[int]:
        """Where a part of the run makes a value first, and there again; also negative, or transposed."""
        entries = self.found.get(tuple(sorted(value.shape)), [])
        size = norm(value)
        low = bisect.bisect_left(entries, size * (1 - CLOSE), key=lambda entry: entry[0])
        orders = []
        for known, order, made in itertools.islice(entries, low, None):
            if known > size * (1 + CLOSE):
                break
            alike = (each for each in (made, made.T, -made, -made.T) if each.shape == value.shape)
            if begin <= order <= end and any(np.abs(each - value).max() <= CLOSE * size for each in alike):
                orders.append(order)
        sites = {order: self.sites[order] for order in sorted(orders)}
        again = [order for order, site in sites.items() if site == sites[min(sites)]]
        yield from again[:MOST_USES]


def _with_bias(records: Records, product: Array, order: int) -> tuple[Array, Array]:
    """The bias that was added to a product, and the sum; zero where nothing was added."""
    for record in records.all[order + 1 : order + NEAR + 1]:
        value = laid(record.value, product.shape) if record.value.dtype.kind == "f" else None
        added = value - product if value is not None else np.zeros(1)
        if added.any() and np.abs(added - added[0]).max() <= 1e-9 * max(1.0, np.abs(product).max()):
            return added[0], product + added
    return np.zeros(product.shape[1]), product
