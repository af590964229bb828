"""What is right and wrong in a learner's attention, from what its code made of the probes."""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.align import Match, Record, Records, Site, digits, listed, right_steps
from clearhead.checking.findings import Finding, Verdict, first, grouped
from clearhead.checking.layouts import Layout, layouts, role_of
from clearhead.checking.search import Explanation, explanations
from clearhead.mistakes import Mistake, mistakes_of

STEPS = ("queries", "keys", "values", "q", "k", "v", "scores", "weights", "heads", "merged", "output")
MASK = ("mask_", "causal_mask")
FILLS = (-1.0, -10.0, -100.0, 1e-9, -1e-9, -2.0, -5.0, -20.0, -50.0, -0.5, 1.0, -1e-8, -1e-6)
ENOUGH = 60.0  # how far below the others a masked score must lie to count for nothing
NEGLIGIBLE = 1e-7


class AttentionDiagnosis:
    """Reads the parts of an answer, and fills a verdict."""

    def __init__(self, parts: Sequence[tuple[Any, Any]], verdict: Verdict) -> None:
        self.parts, self.verdict = grouped(parts), verdict
        self.understood = first(self.parts.get("understood", []))[0]
        self.found = first(self.parts.get("found", []))[0]
        self.sizes = {letter: int(size) for letter, size in self.understood.get("sizes", {}).items()}
        self.wrong = mistakes_of("attention")
        self.layout: Layout | None = None
        self.base: Explanation | None = None
        self.causal = False
        self.kind = "self"
        right = dict(right_steps("attention"))
        right["keys"] = right["keys"].renamed({"x": "xk"})
        right["values"] = right["values"].renamed({"x": "xv"})
        self.right = right

    def run(self) -> None:
        """Look at each thing in turn."""
        if not self.understood:
            self._crashed()
            return
        self.kind = "cross" if self.observed("cross", probes.SEEDS[0]) else "self"
        self._registered()
        self._explain()
        self._masks()
        self._edges()

    def observed(self, kind: str, seed: int, **header: Any) -> list[tuple[Any, Any]]:
        """What the code made of a probe."""
        return [
            (d, a) for d, a in self.parts.get("observed", [])
            if d["kind"] == kind and d["seed"] == seed and all(d.get(key) == value for key, value in header.items())
        ]  # fmt: skip

    def records(self, kind: str, seed: int, **header: Any) -> Records:
        """What was recorded of one run, where the rewritten code did the same."""
        for data, arrays in self.parts.get("records", []):
            if (
                data["kind"] == kind
                and data["seed"] == seed
                and all(data.get(key) == value for key, value in header.items())
            ):
                outs = [d["out"] for d, _ in self.observed(kind, seed, **header)]
                if (
                    outs
                    and outs[0]
                    and data["out"]
                    and abs(outs[0][0] - data["out"][0]) > 1e-7 * max(1.0, abs(outs[0][0]))
                ):
                    return Records([])
                return Records.of(data["records"], self.understood["sites"], arrays)
        return Records([])

    def _crashed(self) -> None:
        data, _ = first(self.parts.get("crash", []))
        if not data:
            return
        if any(f.id in ("syntax_error", "name_undefined", "method_misspelt") for f in self.verdict.findings):
            self.verdict.check("forward", "fail", "crashes", {"message": data.get("message", "")})
            return
        waiting = self.found.get("unwritten", {})
        if waiting:
            name, line = next(iter(waiting.items()))
            self.verdict.check(
                "forward", "not_written", "not_written", {"function": name.rpartition(".")[2], "line": line}
            )
            return
        if data.get("message") and not data.get("sure"):
            self.verdict.check("forward", "not_checked", "not_understood_crash", {"message": data["message"]})
        elif data.get("message"):
            finding = Finding(
                "crash",
                line=int(data.get("line", 0)),
                values={"message": data["message"], "function": "forward"},
            )
            self.verdict.add("forward", finding)
        elif data.get("shape"):
            self.verdict.add(
                "forward",
                Finding(
                    "output_shape",
                    "output",
                    line=self._forward_line(),
                    values={"shape": str(tuple(data["shape"][0]))},
                ),
            )

    def _forward_line(self) -> int:
        name = f"{self.found.get('class', '')}.forward"
        lines = self.understood.get("lines", self.found.get("where", {}))
        return int(lines.get(name, 0))

    # Parameters

    def _registered(self) -> None:
        hidden = [name for name, _, _, known in self.understood["parameters"] if not known]
        if hidden:
            stem = hidden[0].partition(".")[0]
            line = self._assigned(stem)
            names = sorted({name.partition(".")[0] for name in hidden})
            finding = Finding(
                "parameters_unregistered",
                "",
                line=line,
                variable=f"self.{stem}",
                values={"names": listed(names)},
            )
            self.verdict.add("parameters", finding)
        elif self.understood.get("repeated") and self._shared_by_heads():
            stem = self.understood["repeated"][0].partition(".")[0]
            self.verdict.add(
                "parameters",
                Finding(
                    "projection_shared_by_heads",
                    "queries",
                    line=self._assigned(stem),
                    variable=f"self.{stem}",
                ),
            )
        elif self.understood.get("repeated"):
            stem = self.understood["repeated"][0].partition(".")[0]
            copied = next(
                (
                    n
                    for n, text in enumerate(self.found.get("lines", []), 1)
                    if re.search(r"\[\s*\w+ for _ in range|\] \* ", text)
                ),
                0,
            )
            finding = Finding(
                "projection_reused", "queries", line=copied or self._assigned(stem), variable=f"self.{stem}"
            )
            finding.values = {"names": listed(self.understood["repeated"][:4])}
            self.verdict.add("parameters", finding)
        else:
            self.verdict.check(
                "parameters", "pass", "parameters_right", {"count": len(self.understood["parameters"])}
            )

    def _shared_by_heads(self) -> bool:
        """Whether what is there twice is there for several heads, not for several roles."""
        return all(
            re.search("head", name) or role_of(name) in ("q", "k", "v")
            for name in self.understood["repeated"]
        )

    def _assigned(self, attribute: str) -> int:
        """Where an attribute is given its value."""
        pattern = rf"self\.{re.escape(attribute)}\s*(=(?!=)|:)|setattr\(.*{re.escape(attribute)}|register_\w+\(.{re.escape(attribute)}"
        return next(
            (n for n, text in enumerate(self.found.get("lines", []), 1) if re.search(pattern, text)), 0
        )

    # The output without a mask

    def _values(self, layout: Layout, causal: bool, kind: str, probe: int) -> dict[str, Any]:
        B, T, M, A = self.sizes["B"], self.sizes["T"], self.sizes["M"], layout.A
        seed = probes.SEEDS[probe]
        x = self._tokens(seed)
        roles = {role for role, _ in self.understood["inputs"]}
        xk, xv = x, x
        if kind == "cross":
            xk, xv = self._tokens(seed + 100), self._tokens(seed + 200)
            if "k" not in roles:
                xk = xk if "context" in roles else x
            if "v" not in roles:
                xv = xk
        allowed = np.tril(np.ones((T, T))) if causal else np.ones((T, T))
        return {
            **layout.values[probe], "x": x, "xk": xk, "xv": xv, **self._masked(np.broadcast_to(allowed, (B, A, T, T))),
            "A": float(A), "K": float(layout.K), "M": float(M), "T": float(T), "AK": float(A * layout.K),
        }  # fmt: skip

    turned = False  # tokens first, then the sequences of a batch

    def _tokens(self, seed: int) -> Any:
        B, T, M = (self.sizes[letter] for letter in "BTM")
        drawn = probes.tokens(seed, *((T, B) if self.turned else (B, T)), M)
        return drawn.swapaxes(0, 1) if self.turned else drawn

    def _masked(self, allowed: Any) -> dict[str, Any]:
        T = allowed.shape[-1]
        allowed = np.asarray(allowed, float)
        return {"mask": allowed, "turned": allowed.swapaxes(-1, -2), "itself": np.eye(T)}

    def _outs(self, kind: str, **header: Any) -> list[list[Any]]:
        """Outputs of each probe as (B,T,M)."""
        B, T = self.sizes["B"], self.sizes["T"]
        made = []
        for seed in probes.SEEDS:
            outs: list[Any] = []
            for _, arrays in self.observed(kind, seed, **header):
                for place in range(3):
                    value = arrays.get(f"out{place}")
                    if value is not None and value.ndim == 3 and self.turned:
                        outs.append(value.swapaxes(0, 1))
                    elif value is not None and value.ndim == 3:
                        outs.append(
                            value.transpose(1, 0, 2) if value.shape[:2] == (T, B) and B != T else value
                        )
            made.append(outs)
        return made

    def _search(
        self, layout: Layout, causal: bool, outs: Sequence[Sequence[Any]], kind: str, most: int
    ) -> list[Explanation]:
        wrong = [
            m
            for m in self.wrong
            if not m.id.startswith(MASK)
            or (
                causal
                and m.id
                in (
                    "causal_mask_reversed",
                    "mask_inverted",
                    "mask_hides_diagonal",
                    "mask_after_softmax",
                    "mask_multiplied_before_softmax",
                    "mask_fill_too_small",
                )
            )
        ]
        if kind == "self":
            wrong = [
                m
                for m in wrong
                if m.id != "argument_ignored" and not re.search("inputs_of|both_", m.step.function.__name__)
            ]
        if not layout.roles.get("o"):
            wrong = [m for m in wrong if m.id != "output_projection_missing"]
        values = [self._values(layout, causal, kind, probe) for probe in range(len(probes.SEEDS))]

        def fits(name: str, made: Mapping[str, Any], probe: int) -> bool | None:
            if name != "output":
                return None
            return any(_same(out, made["output"], made) for out in outs[probe])

        if causal and most:
            fill = self._fill(self.records(kind, probes.SEEDS[0]), values[0], self.right)
            for known in values:
                known["fill"] = np.float64(fill if fill and fill > -ENOUGH * 10 else -1e9)
        return explanations(STEPS, self.right, wrong, values, fits, most)

    def _layouts(self) -> list[Layout]:
        names = self._taken_apart()
        return list(itertools.islice(layouts(self.understood["parameters"], self.sizes, names), 60))

    def _taken_apart(self) -> str:
        """The order in which a fused projection is named when it is taken apart, from the source's text."""
        for text in self.found.get("lines", []):
            found = re.match(r"\s*(?:self\.)?(\w+)\s*,\s*(?:self\.)?(\w+)\s*,\s*(?:self\.)?(\w+)\s*=", text)
            if found:
                roles = [role_of(name) for name in found.groups()]
                if sorted(roles) == ["k", "q", "v"]:
                    return "".join(roles)
        return ""

    def _explain(self) -> None:
        outs = self._outs(self.kind)
        if not all(outs):
            self.verdict.check("output", "not_checked", "no_output")
            return
        choices = self._layouts()
        if not choices:
            self.verdict.check("output", "not_checked", "not_understood")
            return
        for most in (0, 1):
            for layout, causal in itertools.product(choices if most == 0 else choices[:14], (False, True)):
                found = self._search(layout, causal, outs, self.kind, most)
                found = [e for e in found if len({m.id for m in e.mistakes.values()}) == most]
                # Without names a swap is no more than another reading.
                if found and most == 1 and not layout.named and self.kind == "self":
                    found = [
                        e
                        for e in found
                        if not {m.id for m in e.mistakes.values()}
                        & {"query_key_swapped", "key_value_swapped"}
                    ] or found
                if found:
                    self._accept(layout, causal, found, outs)
                    return
            if most == 0:
                across = self._across(choices[:8], outs)
                if across is not None:
                    self._accept_across(*across, outs)
                    return
            if most == 0 and not self.turned and self._sequence_first(choices):
                return
        for layout, causal in itertools.product(choices[:2], (False, True)):
            found = self._search(layout, causal, outs, self.kind, 2)
            if found:
                self._accept(layout, causal, found, outs)
                return
        self._unknown(choices[0], outs)

    def _sequence_first(self, choices: Sequence[Layout]) -> bool:
        """Whether tokens come before sequences, as in older code: then everything is read so."""
        self.turned = True
        self.sizes["B"], self.sizes["T"] = self.sizes["T"], self.sizes["B"]
        outs = self._outs(self.kind)
        for layout, causal in itertools.product(choices[:6], (False, True)):
            found = self._search(layout, causal, outs, self.kind, 0)
            if found:
                self._accept(layout, causal, found, outs)
                return True
        self.turned = False
        self.sizes["B"], self.sizes["T"] = self.sizes["T"], self.sizes["B"]
        return False

    def _accept(
        self, layout: Layout, causal: bool, found: Sequence[Explanation], outs: Sequence[Sequence[Any]]
    ) -> None:
        self.layout, self.causal = layout, causal
        explanation = self._preferred(found)
        self.base = explanation
        said: set[str] = set()
        for name, mistake in explanation.mistakes.items():
            if mistake.id in said:
                continue
            said.add(mistake.id)
            finding = self._finding(mistake, name, explanation)
            finding.alternatives = sorted(
                {m.id for e in found for m in e.mistakes.values()}
                - {m.id for m in explanation.mistakes.values()}
            )
            finding.evidence = {
                "value": "output",
                "digits": digits(
                    _nearest(outs[0], explanation.values[0]["output"]), explanation.values[0]["output"]
                ),
            }
            finding.shown = {
                "name": "output",
                "expected": self._expected(),
                "actual": outs[0][0],
                "input": explanation.values[0]["x"],
            }
            if (
                mistake.id in ("query_key_swapped", "key_value_swapped")
                and not layout.named
                and self.kind == "self"
            ):
                finding.level = "note"
            self.verdict.add("output", finding)
        if not layout.roles.get("o") and "output_projection_missing" not in said:
            finding = Finding("output_projection_missing", "output", line=self._return_line())
            finding.yours, finding.expected = (
                "output = reshape(merged)",
                f"output = {self.right['output'].formula}",
            )
            self.verdict.add("output", finding)
        takes = any(role == "mask" for role, _ in self.understood["inputs"])
        triangle = [n for n, text in enumerate(self._own_lines(), 1) if re.search(r"\b(tril|triu)\b", text)]
        if triangle and not causal and not takes:
            finding = Finding(
                "mask_discarded", "weights", line=self._fill_line() or triangle[0], values={"name": "mask"}
            )
            finding.expected = f"weights = {self.right['weights'].formula}"
            self.verdict.add("output", finding)
        if layout.shared:
            self.verdict.add(
                "parameters",
                Finding(
                    "projection_shared_by_heads",
                    "queries",
                    line=self._assigned(_stem(layout.roles["q"])),
                    variable=f"self.{_stem(layout.roles['q'])}",
                ),
            )
        with np.errstate(all="ignore"):
            error = self._error(outs, explanation)
        self.verdict.check(
            "output", "pass", "output_right_causal" if causal else "output_right", {"error": f"{error:.0e}"}
        )

    def _own_lines(self) -> list[str]:
        """The lines of the file, those of functions that take no part left empty."""
        lines = self.found.get("lines", [])
        own, inside, made = set(self.found.get("where", {}).values()), False, []
        for number, text in enumerate(lines, 1):
            if re.match(r"\s*(async\s+)?def\b", text):
                inside = number in own
            elif re.match(r"\S", text):
                inside = False
            made.append(text if inside else "")
        return made

    def _fill_line(self) -> int:
        """Where masked scores are filled."""
        return next(
            (
                n
                for n, text in enumerate(self._own_lines(), 1)
                if re.search(r"masked_fill|where\(|inf\b", text)
            ),
            0,
        )

    def _return_line(self) -> int:
        match = (
            self._match(self.records(self.kind, probes.SEEDS[0]), self.base.values[0]["merged"], False)
            if self.base
            else None
        )
        records = self.records(self.kind, probes.SEEDS[0])
        merged = self.base.values[0]["merged"] if self.base else None
        found = (
            [m.record for form in _forms(merged) for m in records.matches(form, parts=False)]
            if merged is not None
            else []
        )
        last = max(found, key=lambda record: record.order, default=None)
        return last.site.line if last else match.record.site.line if match else self._forward_line()

    def _error(self, outs: Sequence[Sequence[Any]], explanation: Explanation) -> float:
        error = max(
            float(
                np.nanmax(
                    np.abs(
                        _nearest(outs[0], explanation.values[0]["output"]) - explanation.values[0]["output"]
                    )
                )
            ),
            1e-16,
        )
        return error

    def _expected(self) -> Any:
        assert self.layout is not None
        values = self._values(self.layout, self.causal, self.kind, 0)
        for name in STEPS:
            values[name] = self.right[name].evaluate(values)
        return values["output"]

    def _preferred(self, found: Sequence[Explanation]) -> Explanation:
        text = "\n".join(self.found.get("lines", []))

        def rank(explanation: Explanation) -> tuple[int, int, int]:
            ids = {mistake.id for mistake in explanation.mistakes.values()}
            likely = int("query_key_swapped" in ids or "key_value_swapped" in ids)
            likely += 2 * int("mask_fill_too_small" in ids)
            likely += int("causal_mask_reversed" in ids and "triu" in text) + int(
                "mask_inverted" in ids and "triu" not in text
            )
            records = self.records(self.kind, probes.SEEDS[0])
            seen = sum(records.made(explanation.values[0][name]) is not None for name in explanation.mistakes)
            return (likely, seen, -len(explanation.mistakes))

        return max(found, key=rank)

    # Where

    def _finding(
        self, mistake: Mistake, name: str, explanation: Explanation, kind: str = "", **header: Any
    ) -> Finding:
        records = self.records(kind or self.kind, probes.SEEDS[0], **header)
        values = explanation.values[0]
        site = self._site(mistake, name, values, records)
        # A ready-made part hides its steps.
        line = (
            site.line
            if site
            else next((int(at) for _, at in self.found.get("uses", [])), self._forward_line())
        )
        finding = Finding(mistake.id, name, line=line)
        if site is not None:
            finding.variable, finding.file = "" if site.target == "return" else site.target, site.file
        finding.yours = f"{name} = {mistake.step.formula}"
        finding.expected = f"{name} = {self.right[name].formula}"
        return finding

    def _site(self, mistake: Mistake, name: str, values: Mapping[str, Any], records: Records) -> Site | None:
        if name in ("queries", "keys", "values"):
            return self._taken(name, values[name], records, values)
        if mistake.id == "output_projection_missing":
            found = [m.record for form in _forms(values[name]) for m in records.matches(form, parts=False)]
            last = max(found, key=lambda record: record.order, default=None)
            named = [
                record
                for record in found
                if role_of(record.site.target) == "o" or record.site.target in ("y", "result")
            ]
            return named[-1].site if named else last.site if last else None
        passed_on = mistake.id == "softmax_missing"
        match = self._match(records, values[name], passed_on)
        if mistake.id in ("causal_mask_reversed", "mask_hides_diagonal") and not self._mask_named():
            made = [n for n, text in enumerate(self._own_lines(), 1) if re.search(r"\b(tril|triu)\b", text)]
            if made:
                return Site(made[0], 0, made[0], 0, "", "", "", "")
        if mistake.id.startswith(MASK):
            masked = self._masking(records, values)
            if masked is not None and mistake.id not in ("mask_after_softmax",):
                return masked.site
        return match.record.site if match else None

    def _match(self, records: Records, value: Any, passed_on: bool) -> Match | None:
        for form in _forms(value):
            match = records.made(form, passed_on=passed_on)
            if match is not None:
                return match
        return None

    def _mask_named(self) -> bool:
        return any(role == "mask" for role, _ in self.understood["inputs"])

    def _masking(self, records: Records, values: Mapping[str, Any]) -> Record | None:
        """The first record that is the scores, but for some of them."""
        scores = values["scores"]
        for record in records.all:
            if (
                record.value.dtype.kind != "f"
                or record.value.size not in (scores.size, scores[:, 0].size)
                or record.site.kind == "argument"
            ):
                continue
            parts = [
                np.isclose(record.squeezed, form, rtol=1e-9, atol=0) for form in _score_forms(scores) if form.shape == record.squeezed.shape
            ]  # fmt: skip
            # More than a diagonal, which a transposed value has in common.
            if parts and not any(same.all() for same in parts) and any(same.mean() > 0.3 for same in parts):
                return record
        return None

    def _taken(self, name: str, value: Any, records: Records, values: Mapping[str, Any]) -> Site | None:
        """Where a role got what belongs to another: where its own name was given it, or where it is used."""
        role = name[0]
        found = sorted(
            {
                match.record.order: match.record
                for form in self._split_forms(value)
                for match in records.matches(form, parts=False)
            }.values(),
            key=lambda record: record.order,
        )
        own = [record for record in found if role_of(record.site.target) == role]
        if own:
            return own[0].site
        others = [
            record for record in found if role_of(record.site.target) in "qkv" and role_of(record.site.target)
        ]
        lines = list(dict.fromkeys(record.site.line for record in found))
        if not others and len(lines) > 1:
            return next(record.site for record in found if record.site.line == lines[1])
        used = self._match(records, values["heads" if role == "v" else "scores"], False)
        if others and used is not None:
            return used.record.site
        return found[-1].site if found else None

    def _split_forms(self, value: Any) -> Iterator[Any]:
        """A projection in the shapes that it has before and after it is split into heads."""
        assert self.layout is not None
        yield from _forms(value)
        B, T, AK = value.shape
        heads = value.reshape(B, T, self.layout.A, AK // self.layout.A)
        yield from _forms(heads.swapaxes(1, 2))
        for head in range(self.layout.A):
            yield heads[:, :, head]
        yield from _forms(value.reshape(B, T, AK // self.layout.A, self.layout.A).transpose(0, 3, 1, 2))

    # Heads that meet within a token

    def _across(self, choices: Sequence[Layout], outs: Sequence[Sequence[Any]]) -> tuple[Layout, Any] | None:
        """No transpose at all: within each token every head attends to the other heads."""
        for layout in choices:
            for way in range(4):
                if all(
                    any(_same(out, self._crossed(layout, probe, way), {}) for out in outs[probe])
                    for probe in range(len(probes.SEEDS))
                ):
                    return layout, way
        return None

    def _crossed(self, layout: Layout, probe: int, way: int) -> Any:
        values = self._values(layout, False, self.kind, probe)
        A, K = layout.A, layout.K
        B, T = values["x"].shape[:2]
        parts = {
            role: (values[source] @ values[f"W{role}"].T + values[f"b{role}"]).reshape(B, T, A, K)
            for role, source in (("q", "x"), ("k", "xk"), ("v", "xv"))
        }
        scores = parts["q"] @ parts["k"].swapaxes(-1, -2) / np.sqrt(K)
        powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
        heads = powers / powers.sum(axis=-1, keepdims=True) @ parts["v"]
        merged = heads.swapaxes(1, 2).reshape(B, T, A * K) if way % 2 else heads.reshape(B, T, A * K)
        return merged @ values["Wo"].T + values["bo"] if way < 2 else merged

    def _accept_across(self, layout: Layout, way: int, outs: Sequence[Sequence[Any]]) -> None:
        self.layout = layout
        records = self.records(self.kind, probes.SEEDS[0])
        values = self._values(layout, False, self.kind, 0)
        queries = self.right["queries"].evaluate(values)
        B, T, A, K = self.sizes["B"], self.sizes["T"], layout.A, layout.K
        keys = self.right["keys"].evaluate(values).reshape(B, T, A, K)
        scores = queries.reshape(B, T, A, K) @ keys.swapaxes(-1, -2)
        made = next(
            (m for m in (records.made(scores), records.made(scores / np.sqrt(K))) if m is not None), None
        )
        record = made.record if made else None
        finding = Finding(
            "attends_across_heads",
            "scores",
            line=record.site.line if record else self._forward_line(),
            variable=record.site.target if record else "",
        )
        finding.expected = f"scores = {self.right['scores'].formula}"
        finding.evidence = {
            "value": "output",
            "digits": digits(_nearest(outs[0], self._crossed(layout, 0, way)), self._crossed(layout, 0, way)),
        }
        finding.shown = {
            "name": "output",
            "expected": self._expected(),
            "actual": outs[0][0],
            "input": values["x"],
        }
        self.verdict.add("output", finding)

    def _unknown(self, layout: Layout, outs: Sequence[Sequence[Any]]) -> None:
        """No known mistake gives this output: say the first step that is nowhere among the values."""
        records = self.records(self.kind, probes.SEEDS[0])
        best: tuple[int, str, dict[str, Any]] | None = None
        for choice, causal in itertools.product(self._layouts()[:12], (False, True)):
            values = self._values(choice, causal, self.kind, 0)
            for place, name in enumerate(STEPS):
                values[name] = self.right[name].evaluate(values)
                if name in ("q", "k", "v", "merged"):
                    continue
                if self._match(records, values[name], False) is None:
                    break
            else:
                place, name = len(STEPS) - 1, "output"
            if best is None or place > best[0]:
                best = (place, name, values)
        if best is None:
            return
        _, name, values = best
        finite = all(np.isfinite(out).all() for out in outs[0])
        near = records.shaped(values[name].shape) if name in values else []
        finding = Finding(
            "unknown", name, line=near[-1].site.line if near else self._forward_line(), values={"name": name}
        )
        finding.variable = near[-1].site.target if near and near[-1].site.target != "return" else ""
        finding.expected = f"{name} = {self.right[name].formula}"
        finding.shown = {
            "name": "output",
            "expected": self._final(values),
            "actual": outs[0][0],
            "input": values["x"],
        }
        unused = [
            key
            for key, reached in self.understood.get("gradient", {}).items()
            if not reached and key.endswith("weight")
        ]
        if not finite:
            finding.evidence = {"finite": False}
        if unused:
            finding.evidence = {"unused": listed(unused)}
        self.verdict.add("output", finding)

    def _final(self, values: dict[str, Any]) -> Any:
        for name in STEPS:
            values.setdefault(name, self.right[name].evaluate(values))
        return values["output"]

    # Masks

    def _masks(self) -> None:
        names = [name for role, name in self.understood["inputs"] if role == "mask"]
        if not names:
            return
        if self.layout is None or self.base is None or self.turned:
            self.verdict.check("mask", "not_checked", "not_understood")
            return
        forms = [(d["form"], d.get("values", "")) for d, _ in self.observed("masked", probes.SEEDS[0])]
        forms += [(d["form"], "added") for d, _ in self.observed("added", probes.SEEDS[0])]
        if not forms:
            failed = [d for d, _ in self.parts.get("failed", []) if d["kind"] == "masked"]
            self.verdict.check(
                "mask",
                "not_checked",
                "mask_not_taken" if not failed else "crashes",
                {"message": failed[0]["message"]} if failed else {},
            )
            return
        results = []
        for form, kind in forms:
            outs = self._outs("added" if kind == "added" else "masked", form=form)
            if not all(outs):
                continue
            found = self._mask_search(outs, form, kind)
            if found and not found[0].mistakes_of_mask:
                self.verdict.check("mask", "pass", "mask_right", {"name": names[0]})
                return
            results.append((form, kind, found, outs))
        plain = [(form, kind, found, outs) for form, kind, found, outs in results if kind != "added"]
        known = [result for result in plain if result[2]]
        if not known:
            if plain:
                form, kind, _, outs = plain[0]
                finding = Finding(
                    "unknown",
                    "weights",
                    line=self._mask_line(),
                    values={"name": "weights"},
                    expected=f"weights = {self.right['weights'].formula}",
                )
                finding.shown = {
                    "name": "output",
                    "expected": np.zeros(1),
                    "actual": outs[0][0],
                    "input": np.zeros(1),
                }
                self.doubt = finding
                if all(np.isfinite(out).all() for out in outs[0]):
                    self.verdict.check("mask", "not_checked", "not_understood")
                else:
                    self.verdict.check("mask", "not_checked", "mask_not_finite")
            return
        form, _, found, outs = known[0]
        best = found[0]
        name, mistake = next(iter(best.mistakes_of_mask.items()))
        if mistake.id == "mask_inverted" and self._other_convention(names[0]):
            self.verdict.add(
                "mask", Finding("mask_convention", "mask", line=self._mask_line(), variable=names[0])
            )
            self.verdict.check("mask", "pass", "mask_right", {"name": names[0]})
            return
        finding = self._finding(mistake, name, best.explanation, "masked", form=form)
        if mistake.id in ("mask_discarded",):
            finding.line = self._mask_line() or finding.line
            finding.variable = names[0]
        finding.alternatives = sorted(
            {m.id for other in found for m in other.mistakes_of_mask.values()} - {mistake.id}
        )
        finding.evidence = {
            "value": "output",
            "digits": digits(
                _nearest(outs[0], best.explanation.values[0]["output"]), best.explanation.values[0]["output"]
            ),
        }
        finding.shown = {
            "name": "output",
            "expected": self._expected(),
            "actual": outs[0][0],
            "input": best.explanation.values[0]["x"],
        }
        self.verdict.add("mask", finding)

    doubt: Finding | None = None

    def _other_convention(self, name: str) -> bool:
        """Whether the learner says that true means hidden, as `nn.MultiheadAttention` does."""
        lines = self.found.get("lines", [])
        said = [line.partition("#")[2] for line in lines if "#" in line]
        said += re.findall(r'"""(.*?)"""', "\n".join(lines), re.S)
        hidden = r"(true|1)\b[^.\n]{0,30}(ignor|masked|hidden|hide|block|pad|not (allowed|attend)|가려|가리|무시|막)"
        return any(re.search(hidden, text, re.I) for text in said) or "padding" in name

    def _mask_line(self) -> int:
        """Where forward should have used its mask."""
        begin = self._forward_line()
        lines = self.found.get("lines", [])
        names = [name for role, name in self.understood["inputs"] if role == "mask"]
        word = names[0] if names else "mask"
        used = [
            n
            for n in range(begin + 1, len(lines) + 1)
            if re.search(rf"\b{word}\b|masked_fill|where\(", lines[n - 1])
            and not lines[n - 1].lstrip().startswith("#")
        ]
        strong = [n for n in used if re.search(r"masked_fill|where\(|\+|\*", lines[n - 1])]
        if strong or used:
            return (strong or used)[0]
        assert self.base is not None
        match = self._match(self.records(self.kind, probes.SEEDS[0]), self.base.values[0]["scores"], False)
        return match.record.site.line if match else begin

    def _mask_search(self, outs: Sequence[Sequence[Any]], form: str, kind: str) -> list["_MaskResult"]:
        assert self.layout is not None and self.base is not None
        right = {
            name: (self.base.mistakes[name].step if name in self.base.mistakes else step)
            for name, step in self.right.items()
        }
        values = []
        for probe, seed in enumerate(probes.SEEDS):
            known = self._values(self.layout, self.causal, "self", probe)
            allowed = _spread_mask(probes.mask(seed, self.sizes["B"], self.sizes["T"]), form, self.layout.A)
            known.update(self._masked(allowed * known["mask"]))
            values.append(known)
        wrong = [m for m in self.wrong if m.id.startswith("mask_")]
        fills = [0.0]
        fill = self._fill(self.records("masked", probes.SEEDS[0], form=form), values[0], right)
        if fill is not None:
            fills = [fill]
        results: list[_MaskResult] = []

        def fits(name: str, made: Mapping[str, Any], probe: int) -> bool | None:
            return any(_same(out, made["output"], made) for out in outs[probe]) if name == "output" else None

        for value in fills if fill is not None else FILLS:
            for known in values:
                known["fill"] = np.float64(value)
            found = explanations(STEPS, right, wrong, values, fits, 1)
            if found and not found[0].mistakes:
                return [_MaskResult({}, found[0])]
            keep = [
                e
                for e in found
                if not (e.mistakes["weights"].id == "mask_fill_too_small" and value <= -ENOUGH * 10)
            ]
            results += [_MaskResult(e.mistakes, e) for e in keep]
            if results:
                break
        order = (
            "mask_discarded",
            "mask_inverted",
            "mask_on_queries",
            "mask_after_softmax",
            "mask_multiplied_before_softmax",
            "mask_hides_diagonal",
            "mask_fill_too_small",
        )
        if fill:
            order = ("mask_fill_too_small", *order)
        return sorted(
            results, key=lambda result: order.index(next(iter(result.mistakes_of_mask.values())).id)
        )

    def _fill(self, records: Records, values: Mapping[str, Any], right: Mapping[str, Any]) -> float | None:
        """What stands in place of masked scores: a constant, or one that was added."""
        made = dict(values)
        for name in STEPS[:7]:
            made[name] = right[name].evaluate(made)
        scores, mask = made["scores"], np.broadcast_to(made["mask"], made["scores"].shape)
        for record in records.all:
            if record.value.dtype.kind != "f" or record.value.size not in (scores.size, scores[:, 0].size):
                continue
            for axes, hidden in _laid_out(scores, mask == 0):
                if axes.shape != record.value.shape and np.squeeze(axes).shape != record.squeezed.shape:
                    continue
                value = record.value.reshape(axes.shape)
                if not np.allclose(value[~hidden], axes[~hidden], rtol=1e-9) or np.allclose(value, axes):
                    continue
                below, added = value[hidden], (value - axes)[hidden]
                if not np.isfinite(below).all():
                    return -np.inf
                if np.ptp(below) <= 1e-9 * max(1, abs(below[0])):
                    return float(below[0])
                if np.ptp(added) <= 1e-6 * max(1, abs(added[0])):
                    return float(added[0])
        return None

    # Edges

    def _edges(self) -> None:
        data, arrays = first(self.parts.get("edges", []))
        if data.get("wavers") and "parameters_unregistered" not in self.verdict.ids():
            line = next(
                (
                    n
                    for n, text in enumerate(self.found.get("lines", []), 1)
                    if re.search(r"F\.dropout|functional\.dropout|torch\.dropout", text)
                ),
                0,
            )
            line = line or next(
                (
                    n
                    for n, text in enumerate(self.found.get("lines", []), 1)
                    if "ropout" in text and n > self._forward_line()
                ),
                0,
            )
            self.verdict.add("eval", Finding("dropout_in_eval", "weights", line=line or self._forward_line()))
        elif data:
            self.verdict.check("eval", "pass", "eval_right")
        if "nothing" in arrays and not np.isfinite(arrays["nothing"]).all():
            self.verdict.add(
                "masked_row", Finding("fully_masked_row_nan", "weights", line=self._softmax_line())
            )
        outs = self._outs("self")
        if (
            "alone" in arrays
            and not self.turned
            and outs
            and outs[0]
            and arrays["alone"].shape[1:] == outs[0][0].shape[1:]
        ):
            if np.isfinite(arrays["alone"]).all() and not np.allclose(
                arrays["alone"][0], outs[0][0][0], atol=1e-8
            ):
                self.verdict.check("batch", "fail", "batch_leaks")
            else:
                self.verdict.check("batch", "pass", "batch_right")
        for observed, _ in self.observed("self", probes.SEEDS[0])[:1]:
            if observed.get("spoiled"):
                self.verdict.add(
                    "output", Finding("input_changed", "x", line=self._forward_line(), values={"names": "x"})
                )
        if self.found.get("uses"):
            name, line = self.found["uses"][0]
            level = "note" if name == "scaled_dot_product_attention" else "error"
            self.verdict.add(
                "source", Finding("ready_made", "", line=int(line), values={"name": name}, level=level)
            )

    def _softmax_line(self) -> int:
        """Where masked scores become weights, or are filled."""
        lines = self.found.get("lines", [])
        return (
            next((n for n, text in enumerate(lines, 1) if re.search(r"-?\s*inf\b|finfo", text) and n), 0)
            or self._mask_line()
        )


class _MaskResult:
    def __init__(self, mistakes: Mapping[str, Mistake], explanation: Explanation) -> None:
        self.mistakes_of_mask, self.explanation = dict(mistakes), explanation


def _stem(name: str) -> str:
    return name.partition(".")[0]


def _spread_mask(allowed: Any, form: str, A: int) -> Any:
    """A mask (B,T,T) as the forms that it was given in mean it: (B,A,T,T)."""
    if form in ("BT", "B11T"):
        allowed = np.broadcast_to(allowed[:, -1][:, None, :], allowed.shape)
    elif form == "TT":
        allowed = np.broadcast_to(allowed[0], allowed.shape)
    return np.repeat(allowed[:, None].astype(float), A, axis=1)


def _same(out: Any, known: Any, values: Mapping[str, Any]) -> bool:
    """Whether an output is a known one, to rounding; rows of queries that may attend to nothing do not count."""
    if out.shape != np.shape(known):
        return False
    rows = np.ones(out.shape[:2], bool)
    if "mask" in values:
        rows = np.asarray(values["mask"]).any(axis=-1).all(axis=1)
        rows &= np.isfinite(out).all(axis=-1)
        if not rows.any():
            return False
    made, wanted = out[rows], known[rows]
    if not np.isfinite(made).all():
        return False
    return bool(np.linalg.norm(made - wanted) <= NEGLIGIBLE * max(float(np.linalg.norm(wanted)), 1e-300))


def _nearest(outs: Sequence[Any], known: Any) -> Any:
    fits = [out for out in outs if out.shape == known.shape]
    return min(fits, key=lambda out: float(np.nansum(np.abs(out - known)))) if fits else known


def _forms(value: Any) -> Iterator[Any]:
    """A value of ours in the shapes that learners' code gives it."""
    yield value
    if value.ndim == 4:
        B, A, T, K = value.shape
        yield value.reshape(B * A, T, K)
        yield value.swapaxes(1, 2)
        yield value.swapaxes(1, 2).reshape(B, T, A * K)
        yield value.swapaxes(0, 1).reshape(A * B, T, K)
    elif value.ndim == 3:
        yield value.reshape(-1, value.shape[-1])


def _laid_out(scores: Any, hidden: Any) -> Iterator[tuple[Any, Any]]:
    """Scores and what is hidden of them in every order of axes, with heads among the batch, and head by head."""
    for order in itertools.permutations(range(4)):
        yield scores.transpose(order), hidden.transpose(order)
    B, A, T, S = scores.shape
    yield scores.reshape(B * A, T, S), hidden.reshape(B * A, T, S)
    for head in range(A):
        yield scores[:, head], hidden[:, head]


def _score_forms(scores: Any) -> Iterator[Any]:
    yield np.squeeze(scores)
    for order in ((0, 1, 3, 2), (0, 2, 1, 3), (1, 0, 2, 3), (0, 2, 3, 1), (2, 3, 0, 1)):
        yield np.squeeze(scores.transpose(order))
    B, A, T, S = scores.shape
    yield scores.reshape(B * A, T, S)
    for head in range(A):
        yield np.squeeze(scores[:, head])
