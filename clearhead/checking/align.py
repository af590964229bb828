"""What a learner's code made on its way, and which of the known values each of these is."""

import ast
import functools
import math
import re
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearhead.docstrings import Step, steps_of

Array = NDArray[Any]
CLOSE = 1e-11


@functools.cache
def right_steps(module: str) -> Mapping[str, Step]:
    """The steps of a mathematics module by value, without importing what it imports.

    >>> right_steps("attention")["weights"].formula
    'softmax_S(scores where mask)'
    """
    spec = find_spec("clearhead")
    assert spec is not None
    assert spec.submodule_search_locations
    path = Path(next(iter(spec.submodule_search_locations))) / f"{module}.py"
    tree = ast.parse(path.read_text("utf-8"))
    # Their docstrings and parameters are all that is read here.
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            node.body = node.body[:1]
    tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.Expr)]
    made = types.ModuleType(f"clearhead.{module}.steps")
    exec(compile(tree, str(path), "exec"), made.__dict__)
    return {step.name: step for step in steps_of(made)}


@dataclass(frozen=True)
class Site:
    """A place in the learner's source."""

    line: int
    column: int
    end_line: int
    end_column: int
    target: str
    function: str
    file: str
    kind: str


@dataclass
class Record:
    """One value, and where it was made; `order` counts through a run."""

    site: Site
    value: Array
    order: int

    def __post_init__(self) -> None:
        self.squeezed = np.squeeze(self.value)


@dataclass(frozen=True)
class Match:
    """A record that is a known value: times `factor`, and whether only a part of it."""

    record: Record
    factor: float
    part: bool = False


class Records:
    """All that was recorded in a run, to look values up in.

    >>> made = Records.of([], [], {})
    >>> made.find(np.ones(3)) is None
    True
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self.all = list(records)
        self.by_size: dict[int, list[Record]] = {}
        for record in self.all:
            if record.value.dtype.kind == "f" and record.site.kind != "argument":
                self.by_size.setdefault(record.squeezed.size, []).append(record)

    @classmethod
    def of(
        cls, places: Sequence[int], sites: Sequence[Sequence[Any]], arrays: Mapping[str, Array]
    ) -> "Records":
        """The records of a part of an answer."""
        return cls(
            [
                Record(Site(*sites[place]), arrays[f"r{number}"], number)
                for number, place in enumerate(places)
                if f"r{number}" in arrays and 0 <= place < len(sites)
            ]
        )

    def __add__(self, other: "Records") -> "Records":
        base = len(self.all)
        return Records(self.all + [Record(r.site, r.value, base + r.order) for r in other.all])

    def matches(
        self, value: Array, *, scaled: bool = False, parts: bool = True, close: float = CLOSE
    ) -> Iterator[Match]:
        """Every record that is this value: also transposed, scaled if asked, or one row of it."""
        squeezed = np.squeeze(np.asarray(value))
        whole = list(_forms(squeezed))
        for record in self.by_size.get(squeezed.size, ()):
            factor = _factor(record, whole, scaled, close)
            if factor is not None:
                yield Match(record, factor)
        for axis in range(squeezed.ndim if parts and squeezed.ndim >= 2 else 0):
            rows = np.moveaxis(squeezed, axis, 0)
            if rows[0].size < 2 or len(rows) < 2:
                continue
            records = self.by_size.get(rows[0].size, [])
            for record, places in zip(records, _likely(records, rows, close), strict=True):
                for row in rows[places]:
                    factor = _factor(record, _forms(row), scaled, close)
                    if factor is not None:
                        yield Match(record, factor, True)

    def find(
        self, value: Array, *, scaled: bool = False, parts: bool = True, close: float = CLOSE
    ) -> Match | None:
        """The last record that is this value; whole ones before parts."""
        found = sorted(
            self.matches(value, scaled=scaled, parts=parts, close=close),
            key=lambda match: (not match.part, abs(match.factor - 1) < 1e-9, match.record.order),
        )
        return found[-1] if found else None

    def made(
        self, value: Array, *, scaled: bool = False, passed_on: bool = False, close: float = CLOSE
    ) -> Match | None:
        """The record at which a value was made: the first; of one that was only passed on, its last name."""
        found = sorted(self.matches(value, scaled=scaled, close=close), key=lambda match: match.record.order)
        if passed_on and found:
            return self._passed_through(found) or _handed_on(found)
        exact = [match for match in found if abs(match.factor - 1) < 1e-9] or found
        return next(iter(exact), None)

    def _passed_through(self, found: Sequence[Match]) -> Match | None:
        """The record at which a function names what it was given, to return it as it is; else the return."""
        given = [record for record in self.all if record.site.kind == "argument"]
        for match in found:
            site, value = match.record.site, match.record.squeezed
            own = (r for r in given if r.site.function == site.function and r.order < match.record.order)
            if site.target == "return" and any(np.array_equal(r.squeezed, value) for r in own):
                named = (m for m in found if m.record.site.function == site.function and m.record.site.target)
                return next((m for m in named if m.record.order < match.record.order), match)
        return None

    def shaped(self, shape: Sequence[int]) -> list[Record]:
        """Records of a shape, also transposed."""
        size = int(np.prod(shape))
        squeezed = tuple(length for length in shape if length != 1)
        return [
            record for record in self.by_size.get(size, ())
            if sorted(record.squeezed.shape) == sorted(squeezed) and record.squeezed.ndim == len(squeezed)
        ]  # fmt: skip


def _handed_on(found: Sequence[Match]) -> Match:
    """Of a value that one step made and another took for its own, the record of the other."""
    origin = found[0].record.site
    words = re.findall(r"\w+", origin.target)[-1:]

    def another(match: Match) -> bool:
        site = match.record.site
        if site.target == "return":
            return site.function != origin.function
        return bool(site.target) and not (words and re.search(rf"\b{words[0]}\b", site.target))

    # The name that it had at first is that of the step before; what is like one row of it is no name of it.
    later = [match for match in found[1 if words else 0 :] if match.part == found[0].part]
    return next(filter(another, later), found[0])


def _likely(records: Sequence[Record], rows: Array, close: float) -> Iterator[Any]:
    """For each record the rows that it may be a multiple of, among many: all where they are matrices."""
    if rows.ndim > 2 or not records:
        yield from ([*range(len(rows))] for _ in records)
        return
    with np.errstate(all="ignore"):
        made, known = (
            values / np.linalg.norm(values, axis=1, keepdims=True)
            for values in (np.stack([record.squeezed.ravel() for record in records]), rows)
        )
        alike = np.abs(made @ known.T) > 1 - max(close**2, 1e-8)
    nothing = np.isnan(made).any(axis=1)[:, None] & np.isnan(known).any(axis=1)
    yield from (np.flatnonzero(likely) for likely in alike | nothing)


def _factor(record: Record, forms: Iterable[Array], scaled: bool, close: float) -> float | None:
    """What a record is times the first of several forms that it is; None if it is none of them."""
    alike = (form for form in forms if form.shape == record.squeezed.shape)
    factors = (ratio(record.squeezed, form, scaled=scaled, close=close) for form in alike)
    return next((factor for factor in factors if factor is not None), None)


def _forms(value: Array) -> Iterator[Array]:
    """A value and what it is with axes exchanged."""
    yield value
    if value.ndim == 2:
        yield value.T
    elif value.ndim == 3:
        yield from (
            value.transpose(order) for order in ((0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
        )
    elif value.ndim == 4:
        yield value.transpose(0, 2, 1, 3)
        yield value.transpose(0, 1, 3, 2)
        yield value.transpose(1, 0, 2, 3)
        yield value.transpose(0, 2, 3, 1)


def ratio(made: Array, known: Array, *, scaled: bool = True, close: float = CLOSE) -> float | None:
    """The number that turns a known value into a made one; None if there is none. Exactly 1 unless scaled.

    >>> round(ratio(np.array([2.0, 4.0]), np.array([1.0, 2.0])), 12)
    2.0
    """
    if made.shape != known.shape or made.size == 0:
        return None
    with np.errstate(all="ignore"):
        size = norm(known)
        if not np.isfinite(size) or not np.isfinite(made).all():
            return None
        if size == 0:
            return 1.0 if not made.any() else None
        if norm(made - known) <= close * size:
            return 1.0
        if not scaled or made.size < 2:
            return None
        factor = inner(known, made) / size**2
        if factor == 0 or norm(made - factor * known) > close * abs(factor) * size:
            return None
    return factor


def inner(one: Array, other: Array) -> float:
    """The sum of products, on one thread: values are many and small."""
    return float(np.einsum("i,i", np.ravel(one), np.ravel(other)))


def norm(value: Array) -> float:
    """The root of the sum of squares.

    >>> norm(np.array([[3.0, 4.0]]))
    5.0
    """
    return math.sqrt(inner(value, value))


def laid(value: Array, shape: Sequence[int]) -> Array | None:
    """A learner's array brought to a shape of ours: as it is, transposed, or with axes of length 1 gone.

    >>> laid(np.ones((3, 5)), (5, 3)).shape, laid(np.ones((1, 4)), (4,)).shape
    ((5, 3), (4,))
    """
    shape = tuple(shape)
    if value.shape == shape:
        return value
    if value.ndim == 2 and value.shape[::-1] == shape:
        return value.T
    squeezed = np.squeeze(value)
    wanted = tuple(length for length in shape if length != 1)
    if squeezed.shape == wanted:
        return squeezed.reshape(shape)
    if squeezed.ndim == 2 and squeezed.shape[::-1] == wanted:
        return squeezed.T.reshape(shape)
    return None


def digits(made: Array, known: Array) -> int:
    """To how many decimal digits two values agree, at most 15.

    >>> digits(np.array([1.0]), np.array([1.0 + 1e-12]))
    11
    """
    size = float(np.linalg.norm(known))
    error = float(np.linalg.norm(np.asarray(made) - known)) / size if size else 1.0
    return 15 if error < 1e-15 else max(0, int(-np.log10(error))) if np.isfinite(error) else 0


def evaluated(step: Step, values: Mapping[str, Any]) -> Array:
    """What a step makes of values, without warnings."""
    with np.errstate(all="ignore"):
        return step.evaluate(values)


def listed(names: Iterable[str]) -> str:
    """Names in a sentence.

    >>> listed(["dW1", "db1", "dW2"])
    'dW1, db1 and dW2'
    """
    made = list(names)
    return made[0] if len(made) == 1 else f"{', '.join(made[:-1])} and {made[-1]}" if made else ""
