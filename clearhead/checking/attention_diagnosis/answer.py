"""What the sandbox sent of an attention, and the values that the probes give to the right steps."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.align import Record, Records, digits, right_steps
from clearhead.checking.answer import Answer
from clearhead.checking.attention_diagnosis.forms import NEGLIGIBLE, nearest
from clearhead.checking.attention_diagnosis.layouts import Layout, layouts
from clearhead.checking.attention_diagnosis.weights import role_of
from clearhead.checking.findings import Finding, first
from clearhead.checking.search import Explanation
from clearhead.docstrings import Step

STEPS = ("queries", "keys", "values", "q", "k", "v", "scores", "weights", "heads", "merged", "output")
MOST_LAYOUTS = 60
MOST_OUTPUTS = 3

Parts = list[tuple[Any, Any]]
Values = dict[str, Any]

# What code has in it that counts its heads.
_SEVERAL = r"heads|n_?head\b|num_?head"


@dataclass
class Reading:
    """How an attention is read: its parameters, whether it is causal, and what explains its output."""

    layout: Layout
    causal: bool
    explanation: Explanation


class AttentionAnswer(Answer):
    """The parts of an answer by what they are; `kind` is the probe that tells most: "cross" or "self"."""

    def __init__(self, parts: Sequence[tuple[Any, Any]]) -> None:
        super().__init__(parts)
        self._records: dict[str, Records] = {}
        self.kind = "cross" if self.observed("cross", probes.SEEDS[0]) else "self"
        self.right: dict[str, Step] = dict(right_steps("attention"))
        self.right["keys"] = self.right["keys"].renamed({"x": "xk"})
        self.right["values"] = self.right["values"].renamed({"x": "xv"})
        self._count_heads()

    # What was sent

    def observed(self, kind: str, seed: int, **header: Any) -> Parts:
        """What the code made of a probe."""
        return self._of("observed", kind, seed, header)

    def _of(self, part: str, kind: str, seed: int, header: Mapping[str, Any]) -> Parts:
        wanted = {"kind": kind, "seed": seed, **header}
        return [
            (data, arrays) for data, arrays in self.parts.get(part, [])
            if all(data.get(key) == value for key, value in wanted.items())
        ]  # fmt: skip

    def records(self, kind: str = "", **header: Any) -> Records:
        """What was recorded of the first probe, where the rewritten code did the same."""
        kind = kind or self.kind
        key = f"{kind} {header}"
        if key not in self._records:
            self._records[key] = self._recorded(kind, header)
        return self._records[key]

    def _recorded(self, kind: str, header: Mapping[str, Any]) -> Records:
        data, arrays = first(self._of("records", kind, probes.SEEDS[0], header))
        plain, _ = first(self._of("observed", kind, probes.SEEDS[0], header))
        if not data:
            return Records([])
        for before, after in zip(plain.get("out", ()), data["out"], strict=False):
            if abs(before - after) > NEGLIGIBLE * max(1.0, abs(before)):
                return Records([])
        found = Records.of(data["records"], self.understood["sites"], arrays)
        return Records([record for record in found.all if not self._is_empty(record)])

    def _is_empty(self, record: Record) -> bool:
        """Whether a record is memory that nothing was written to yet, which may hold anything."""
        line, column = record.site.line, record.site.column
        text = self.lines.all[line - 1] if 0 < line <= len(self.lines.all) else ""
        return "empty(" in text[column : column + 12]

    def outs(self, kind: str = "", **header: Any) -> list[list[Any]]:
        """Outputs (B,T,M) of each probe."""
        return [
            [
                self._batch_first(arrays[f"out{place}"])
                for _, arrays in self.observed(kind or self.kind, seed, **header)
                for place in range(MOST_OUTPUTS)
                if f"out{place}" in arrays and arrays[f"out{place}"].ndim == 3
            ]
            for seed in probes.SEEDS
        ]

    def _batch_first(self, out: Any) -> Any:
        B, T = self.sizes["B"], self.sizes["T"]
        return out.swapaxes(0, 1) if out.shape[:2] == (T, B) and B != T else out

    # What is known of it

    def _count_heads(self) -> None:
        """Read off the number of heads from what was recorded in the shape of scores."""
        if not self.understood or self.understood.get("alone"):
            return
        B, T = self.sizes["B"], self.sizes["T"]
        shapes = [record.squeezed.shape for record in self.records().all if record.squeezed.dtype.kind == "f"]
        fours = [sorted(shape) for shape in shapes if len(shape) == 4]
        threes = [shape for shape in shapes if len(shape) == 3 and shape[1:] == (T, T)]
        counts = [A for A in range(2, 9) for four in fours if four == sorted((B, A, T, T))]
        counts += [shape[0] // B for shape in threes if shape[0] % B == 0 and shape[0] > B]
        widths = {size for _, shape, *_ in self.understood["parameters"] for size in shape}
        if counts and any(width % counts[0] == 0 for width in {*widths, self.sizes["M"]}):
            self.sizes["A"] = counts[0]
        elif threes and not counts and self._has_one_head():
            self.sizes.update(A=1, K=min(widths))

    def _has_one_head(self) -> bool:
        """Whether nothing speaks of several heads: no number of them, no scores made twice."""
        T = self.sizes["T"]
        sites = [record.site for record in self.records().all if record.value.shape[1:] == (T, T)]
        is_once = len({*map(astuple, sites)}) == len(sites)
        return is_once and not re.search(_SEVERAL, "\n".join(self.lines.own), re.I)

    @property
    def mask_names(self) -> list[str]:
        """The arguments of forward that take a mask."""
        return [name for role, name in self.understood["inputs"] if role == "mask"]

    @property
    def forward_line(self) -> int:
        """Where forward is defined."""
        lines = self.understood.get("lines", self.found.get("where", {}))
        name = self.found.get("class", "")
        return int(lines.get(f"{name}.forward", 0) or lines.get(name, 0))

    def layouts(self) -> list[Layout]:
        """The ways to read the parameters, likelier ones first."""
        found = layouts(self.understood["parameters"], self.sizes, self._unpacked())
        return list(itertools.islice(found, MOST_LAYOUTS))

    def _unpacked(self) -> str:
        """The order in which a fused projection is named when it is taken apart, from the source's text."""
        name = r"(?:self\.)?(\w+)\s*"
        for names, text in itertools.product(([name] * 3, [name] * 2), self.lines.own):
            if found := re.match(r"\s*" + r",\s*".join(names) + "=", text):
                roles = [role_of(part) for part in found.groups()]
                if {*roles} in ({"q", "k", "v"}, {"k", "v"}, {"q", "k"}):
                    return "".join(roles)
        return ""

    # What the probes give

    def values(self, layout: Layout, causal: bool, probe: int, kind: str = "") -> Values:
        """What the first steps are made from."""
        B, T, A = self.sizes["B"], self.sizes["T"], layout.A
        x, xk, xv = self._tokens(kind or self.kind, probes.SEEDS[probe])
        allowed = np.tril(np.ones((T, T))) if causal else np.ones((T, T))
        return {
            **layout.values[probe], "x": x, "xk": xk, "xv": xv,
            **masked(np.broadcast_to(allowed, (B, A, T, T))),
            "A": float(A), "K": float(layout.K), "M": float(self.sizes["M"]), "T": float(T),
            "AK": float(A * layout.K),
        }  # fmt: skip

    def _tokens(self, kind: str, seed: int) -> tuple[Any, Any, Any]:
        """The tokens that ask, are found and hand over."""
        x = self._drawn(seed)
        if kind != "cross":
            return x, x, x
        roles = {role for role, _ in self.understood["inputs"]}
        found = self._drawn(seed + 100) if roles & {"k", "context"} else x
        return x, found, self._drawn(seed + 200) if "v" in roles else found

    def _drawn(self, seed: int) -> Any:
        return probes.tokens(seed, *(self.sizes[letter] for letter in "BTM"))

    def complete(self, values: Values, names: Sequence[str] = STEPS) -> Values:
        """The values with those of the right steps that are not there yet."""
        made = dict(values)
        for name in names:
            if name not in made:
                made[name] = self.right[name].evaluate(made)
        return made

    # What is shown of it

    def formula(self, name: str) -> str:
        """A right step as it is shown."""
        return f"{name} = {self.right[name].formula}"

    def show(
        self, finding: Finding, outs: Sequence[Any], expected: Any, given: Any, like: Any = None
    ) -> None:
        """Give a finding its numbers: the output beside the expected one, and how near it is to `like`."""
        finding.shown = {"name": "output", "expected": expected, "actual": outs[0], "input": given}
        if like is not None:
            finding.evidence = {"value": "output", "digits": digits(nearest(outs, like), like)}


def masked(allowed: Any) -> Values:
    """A mask (B,A,T,S) as the wrong steps know it, too."""
    allowed = np.asarray(allowed, float)
    return {"mask": allowed, "turned": allowed.swapaxes(-1, -2), "itself": np.eye(allowed.shape[-1])}
