"""What is right and wrong in a learner's two-layer network, from what its code made of the probes."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.align import Records, Site, digits, laid, listed, ratio, right_steps
from clearhead.checking.findings import Finding, Verdict, first, grouped
from clearhead.checking.search import Explanation, close, explanations
from clearhead.mistakes import Mistake, mistakes_of

ROLES = ("W1", "b1", "W2", "b2")
FORWARD = ("z1", "h", "z2", "y")
BACKWARD = ("dz2", "dW2", "db2", "dh", "dz1", "dW1", "db1")
# What makes later functions fail, so that nothing more is said of those.
EXPLAIN = (
    "syntax_error", "name_undefined", "method_misspelt", "init_shape_wrong", "crash", "bias_gradient_wrong_axis",
    "bias_gradient_scalar", "cache_aliases_parameters",
)  # fmt: skip
LOOSE = 1e-5  # for a loss, whose logarithm may be guarded by a small number


class NetworkDiagnosis:
    """Reads the parts of an answer, and fills a verdict."""

    def __init__(self, parts: Sequence[tuple[Any, Any]], verdict: Verdict) -> None:
        self.parts, self.verdict = grouped(parts), verdict
        self.understood = first(self.parts.get("understood", []))[0]
        self.found = first(self.parts.get("found", []))[0]
        self.sizes = {letter: int(size) for letter, size in self.understood.get("sizes", {}).items()}
        self.functions = self.understood.get("functions", {})
        self.shapes = self.understood.get("shapes", {})
        self.right = right_steps("two_layer_nn")
        self.wrong = mistakes_of("two-layer")
        self.values = [self._drawn(seed) for seed in probes.SEEDS] if self.sizes else []
        self.forward: Explanation | None = None
        self.tolerance = 1e-9

    def _drawn(self, seed: int) -> dict[str, Any]:
        drawn = probes.network(seed, **{letter: self.sizes[letter] for letter in "DHCN"})
        for role in ("b1", "b2"):
            if role not in self.shapes:
                drawn[role] = np.zeros_like(drawn[role])
            elif np.prod(self.shapes[role], dtype=int) == 1:
                drawn[role] = np.full_like(drawn[role], drawn[role][0])
        return drawn

    def run(self) -> None:
        """Look at each thing in turn."""
        if not self.understood:
            self._crashed()
            return
        self._look()
        missed = first(self.parts.get("end", []))[0].get("missed", [])
        if missed:
            # What a module that is not here would have done is not the learner's omission.
            doubtful = ("parameter_never_updated", "train_returns_early", "last_batch_dropped", "crash")
            gone = [f for f in self.verdict.findings if f.id in doubtful]
            self.verdict.findings = [f for f in self.verdict.findings if f not in gone]
            for name, check in self.verdict.checks.items():
                if gone and check.detail in {f"finding.{finding.id}" for finding in gone}:
                    self.verdict.checks[name] = type(check)(
                        name, "not_checked", "module_missing", {"name": listed(missed)}
                    )

    def _look(self) -> None:
        kinds = {
            arrays[name].dtype
            for _, arrays in self.observed("forward", probes.SEEDS[0])
            for name in arrays
            if name.startswith(("returned", "changed"))
        }
        if np.dtype(np.float32) in kinds:  # Where the code turns everything into single precision.
            self.tolerance = 2e-4
        self._shapes()
        self._initial()
        self._forward()
        self._loss()
        self._backward()
        self._regularised()
        self._training()
        self._accuracy()
        self._edges()
        self._failures()

    # Where things are

    def observed(self, kind: str, seed: int) -> list[tuple[Any, Any]]:
        """What functions of a kind made of a probe, one entry for each way in which they were called."""
        return [(d, a) for d, a in self.parts.get("observed", []) if d["kind"] == kind and d["seed"] == seed]

    def records(self, seed: int, *kinds: str) -> Records:
        """What was recorded in phases, one after the other, where the rewritten code did the same."""
        made = Records([])
        for kind in kinds:
            for data, arrays in self.parts.get("records", []):
                if data["kind"] != kind or data["seed"] != seed:
                    continue
                outs = [d["out"] for d, _ in self.observed(kind, seed)][:1]
                if outs and _differ(outs[0], data["out"]):
                    continue
                made = made + Records.of(data["records"], self.understood["sites"], arrays)
        return made

    def line_of(self, kind: str) -> int:
        """Where a function of a kind begins."""
        name = self.functions.get(kind, "")
        return int(self.understood.get("lines", {}).get(name, 0))

    def place(
        self, value: Any, kinds: Sequence[str], *, scaled: bool = False, passed_on: bool = False
    ) -> Site | None:
        """Where a value was made last in some phases."""
        match = self.records(probes.SEEDS[0], *kinds).made(value, scaled=scaled, passed_on=passed_on)
        return match.record.site if match else None

    def finding(
        self, identity: str, step: str, kind: str, value: Any = None, kinds: Sequence[str] = (), *,
        site: Site | None = None, mistake: Mistake | None = None, scaled: bool = False, **values: Any,
    ) -> Finding:  # fmt: skip
        """A finding at the place where its value was made."""
        if site is None and value is not None:
            site = self.place(
                value,
                kinds or (kind,),
                scaled=scaled,
                passed_on=mistake is not None and mistake.step.formula in mistake.step.inputs,
            )
        made = Finding(identity, step, values=values)
        made.line = site.line if site else self.line_of(kind)
        if site is not None:
            made.variable, made.file = ("" if site.target == "return" else site.target), site.file
        if mistake is not None:
            made.yours = f"{step} = {self._written(mistake.step.formula, kinds or (kind,))}"
            made.expected = f"{step} = {self._written(self.right[step].formula, kinds or (kind,))}"
        return made

    def _written(self, formula: str, kinds: Sequence[str]) -> str:
        """A formula in which a value that the learner has no variable for is written out."""
        records = self.records(probes.SEEDS[0], *kinds, "forward")
        if self.forward is None:
            return formula
        known = self.forward.values[0]
        for name in ("dh", "dz2", "z1", "z2"):
            if re.search(rf"\b{name}\b", formula) and name in known and name in self.right:
                match = records.find(known[name], scaled=True)
                if match is not None and match.record.site.target in ("", "return"):
                    inner = self.right[name].formula
                    formula = re.sub(rf"\b{name}\b", inner if formula == name else f"({inner})", formula)
        return formula

    # What cannot run

    def _crashed(self) -> None:
        data, _ = first(self.parts.get("crash", []))
        if not data:
            return
        shapes = data.get("shapes")
        if any(f.id in EXPLAIN for f in self.verdict.findings):
            self.verdict.check(
                "initialize_parameters", "fail", "crashes", {"message": data.get("message", "")}
            )
        elif data["message"] and not data.get("sure"):
            self.verdict.check(
                "initialize_parameters", "not_checked", "not_understood_crash", {"message": data["message"]}
            )
        elif data["message"]:
            self.verdict.add(
                "initialize_parameters",
                Finding(
                    "crash",
                    line=data["line"],
                    values={"message": data["message"], "function": data.get("function", "")},
                ),
            )
        elif shapes is not None and any(len(shape) == 2 for _, shape in shapes):
            self.verdict.add(
                "initialize_parameters", Finding("init_shape_wrong", "W1", values={"shapes": shapes})
            )

    def _failures(self) -> None:
        """Functions that end in an exception, whichever way they are called."""
        names = {
            "forward": "forward",
            "loss": "compute_loss",
            "backward": "backward",
            "step": "train_step",
            "train": "train",
            "accuracy": "evaluate",
        }
        unwritten = set(self.understood.get("unwritten", ()))
        crashes = dict(self.understood.get("crashes", {}))
        for kind, name in names.items():
            candidates = self.understood.get("candidates", {}).get(kind, [])
            if kind in self.functions:
                continue
            waiting = [candidate for candidate in candidates if candidate in unwritten]
            if waiting:
                line = int(self.understood["lines"].get(waiting[0], 0))
                self.verdict.check(name, "not_written", "not_written", {"function": waiting[0], "line": line})
            elif (
                kind in crashes
                and crashes[kind].get("line")
                and _named(kind, crashes[kind].get("function", ""))
            ):
                crash = crashes[kind]
                blind = kind in ("backward", "loss") and "forward" not in self.functions
                if not crash.get("sure") or blind or kind == "step":
                    self.verdict.check(
                        name, "not_checked", "not_understood_crash", {"message": crash["message"]}
                    )
                elif not any(f.id in EXPLAIN for f in self.verdict.findings):
                    self.verdict.add(
                        name,
                        Finding(
                            "crash",
                            line=crash["line"],
                            values={"message": crash["message"], "function": crash["function"]},
                        ),
                    )
                else:
                    self.verdict.check(name, "fail", "crashes", {"message": crash["message"]})
            else:
                self.verdict.check(name, "not_checked", "absent")
        for data, _ in self.parts.get("failed", []):
            if data["kind"] in names and data["seed"] == probes.SEEDS[0]:
                self._fell(names[data["kind"]], data)
            elif data["kind"] == "once" and data["seed"] == probes.SEEDS[0]:
                self._fell("train", data)
        for data, _ in self.parts.get("trained", []):
            if data["message"]:
                self._fell("train", data)

    def _fell(self, name: str, data: Mapping[str, Any]) -> None:
        if not data.get("sure", True) or re.search(r"indices|integer|Stub|iterable", data["message"]):
            self.verdict.check(name, "not_checked", "not_understood_crash", {"message": data["message"]})
        elif not any(finding.id in EXPLAIN for finding in self.verdict.findings):
            self.verdict.add(
                name,
                Finding("crash", line=data["line"], values={"message": data["message"], "function": name}),
            )

    # Initial parameters

    def _shapes(self) -> None:
        """Parameters whose shapes do not go together, or are not those that were asked for."""
        sizes = self.sizes
        wanted = probes.NETWORK
        failing = "forward" not in self.functions
        name, role, shape, right = "initialize_parameters", "", [], []
        if self.understood.get("misfit"):
            fans = {"W1": ("D", "H"), "W2": ("H", "C")}
            for each, letters in fans.items():
                if role == "" and any(sizes[letter] != wanted[letter] for letter in letters):
                    role, shape = each, list(self.shapes[each])
                    right = [wanted[letter] for letter in letters]
        for path, found in self.understood.get("leftover", []):
            if role == "" and failing and ("b1" not in self.shapes or "b2" not in self.shapes):
                role = "b1" if "b1" not in self.shapes else "b2"
                shape, right = found, [sizes["H" if role == "b1" else "C"]]
                self.understood["paths"].setdefault(role, path)
        for each, letter in (("b1", "H"), ("b2", "C")):
            stored = tuple(self.shapes.get(each, ()))
            turned = (1, sizes[letter]) if self.understood.get("flipped") else (sizes[letter], 1)
            grown = any(
                data["kind"] in ("step", "once") and f"after/{each}" in arrays and arrays[f"after/{each}"].size > 1
                for data, arrays in self.parts.get("observed", [])
            )  # fmt: skip
            if (
                role == ""
                and sizes[letter] > 1
                and ((failing and stored == turned) or (stored == (1,) and grown))
            ):
                role, shape, right = each, list(stored), [sizes[letter]]
        messages = [str(crash.get("message", "")) for crash in self.understood.get("crashes", {}).values()]
        if (
            role == ""
            and failing
            and "H" in sizes
            and any("not aligned" in text or "mismatch in its core" in text for text in messages)
        ):
            for each, axes in (("W1", "DH"), ("W2", "HC")):
                stored = tuple(self.shapes[each])
                exchanged = tuple(
                    sizes[letter] for letter in (axes if self.understood.get("flipped") else axes[::-1])
                )
                if (
                    role == ""
                    and stored != exchanged
                    and any(f"({stored[0]},{stored[1]})" in text for text in messages)
                ):
                    role, shape, right = each, list(stored), list(exchanged)
        if role:
            line = self._initial_lines().get(role, 0)
            finding = Finding(
                "init_shape_wrong", role, line=line, variable=self.understood["paths"].get(role, "")
            )
            finding.yours, finding.expected = f"{role}: {tuple(shape)}", f"{role}: {tuple(right)}"
            finding.values = {"shape": str(tuple(shape)), "wanted": str(tuple(right))}
            self.verdict.add(name, finding)

    def _initial(self) -> None:
        data, arrays = first(self.parts.get("initial", []))
        name = "initialize_parameters"
        if not data:
            self.verdict.check(name, "not_checked", "absent")
            return
        sizes = {letter: int(size) for letter, size in data["sizes"].items()}
        fans = {"W1": (sizes["D"], sizes["H"]), "W2": (sizes["H"], sizes["C"])}
        line = int(
            self.understood["lines"].get(self.understood["initialize"], 0)
            or self.understood["lines"].get("__init__", 0)
        )
        zero = [role for role in fans if role in arrays and not arrays[role].any()]
        constant = [
            role for role in fans if role in arrays and arrays[role].size > 1 and np.ptp(arrays[role]) == 0
        ]
        lines = self._initial_lines()
        if constant:
            role = constant[0]
            self.verdict.add(
                name,
                Finding(
                    "init_zero_weights",
                    role,
                    line=lines.get(role, line),
                    variable=self.understood["paths"].get(role, ""),
                    values={"names": listed(constant), "value": float(arrays[role].flat[0])},
                ),
            )
        elif not zero:
            odd = {
                role: float(arrays[role].std())
                for role, fan in fans.items()
                if role in arrays and not _usual(arrays[role], *fan)
            }
            if odd:
                role = next(iter(odd))
                expected = float(np.sqrt(2 / sum(fans[role])))
                self.verdict.add(
                    name, Finding("init_not_xavier", role, line=lines.get(role, line), variable=self.understood["paths"].get(role, ""),
                                  yours=f"std({role}) = {odd[role]:.3g}", expected=f"std({role}) = {expected:.3g}", values={"names": listed(odd), "D": sum(fans[role])}),
                )  # fmt: skip
        random = [
            role
            for role in ("b1", "b2")
            if role in arrays and arrays[role].size > 1 and np.ptp(arrays[role]) > 0
        ]
        if random:
            self.verdict.add(
                name,
                Finding(
                    "init_random_biases",
                    random[0],
                    line=lines.get(random[0], line),
                    variable=self.understood["paths"].get(random[0], ""),
                    values={"names": listed(random)},
                ),
            )
        biases = [role for role in ("b1", "b2") if role in arrays]
        kind = (
            "init_right" if biases and not any(arrays[role].any() for role in biases) else "init_right_bare"
        )
        self.verdict.check(name, "pass", kind)

    def _initial_lines(self) -> dict[str, int]:
        """Lines at which the parameters are first given a value, told from the text alone."""
        lines: dict[str, int] = {}
        for role, path in self.understood.get("paths", {}).items():
            words = [
                word
                for word in re.findall(r"\w+", path)
                if not word.isdigit() and word not in ("self", "params")
            ]
            words = [words[-1]] if words else [role, role.lower()]
            patterns = [
                p
                for word in words
                for p in (
                    rf"(?<![\w.'\"])(self\.)?{word}\s*=(?!=)",
                    rf"['\"]{word}['\"]\]?\s*[:=](?!=)",
                    rf"\b{word}\b\s*=(?!=)",
                )
            ]
            for pattern in patterns:
                at = next(
                    (n for n, text in enumerate(self.found.get("lines", []), 1) if re.search(pattern, text)),
                    0,
                )
                if at:
                    lines[role] = at
                    break
        return lines

    # Forward

    def outs(self, seed: int) -> list[Any]:
        """What forward returned (or kept) that has a row for each example and a column for each class."""
        made = []
        for data, arrays in self.observed("forward", seed):
            shape = (self.sizes["N"], self.sizes["C"])
            returned = [arrays.get(f"returned{i}") for i in range(len(data["returned"]))]
            fits = [laid(value, shape) for value in returned if value is not None and value.ndim == 2]
            if not [fit for fit in fits if fit is not None]:
                fits = [
                    laid(arrays[f"changed{i}"], shape)
                    for i in range(len(data["changed"]))
                    if arrays.get(f"changed{i}") is not None and arrays[f"changed{i}"].ndim == 2
                ]
            made += [np.asarray(fit, float) for fit in fits if fit is not None]
        # Log-probabilities are as good as probabilities.
        with np.errstate(all="ignore"):
            return made + [np.exp(value) for value in made if (value <= 1e-12).all()]

    def _variants(self) -> list[Mistake]:
        """Wrong steps that may occur: a missing bias only where there is one."""
        return [
            mistake for mistake in self.wrong
            if not (mistake.id == "bias_missing" and ("b1" if mistake.step.name == "z1" else "b2") not in self.shapes)
        ]  # fmt: skip

    def _forward(self) -> None:
        if "forward" not in self.functions:
            self.forward = explanations(FORWARD, self.right, [], self.values, lambda *_: None)[0]
            return
        outs = [self.outs(seed) for seed in probes.SEEDS]
        if not all(outs):
            self.forward = None
            self.verdict.check("forward", "not_checked", "no_output")
            return

        def fits(name: str, values: Mapping[str, Any], probe: int) -> bool | None:
            return (
                any(close(out, values["y"], self.tolerance) for out in outs[probe]) if name == "y" else None
            )

        found = explanations(FORWARD, self.right, self._variants(), self.values, fits)
        plain = [e for e in found if not e.mistakes]
        if found and not plain and {m.id for e in found for m in e.mistakes.values()} & {"softmax_missing"}:
            # Scores are returned where the softmax stands in the loss, or in what makes predictions.
            kept = self.records(probes.SEEDS[0], "forward", "loss", "backward", "step", "once", "accuracy")
            plain = [e for e in found if e.mistakes.get("y") and e.mistakes["y"].id == "softmax_missing"]
            for explanation in plain:
                rest = {k: m for k, m in explanation.mistakes.items() if k != "y"}
                ways = [
                    (None, self.right["y"]),
                    *(
                        (m, m.step)
                        for m in self.wrong
                        if m.step.name == "y" and m.id.startswith("softmax_") and m.id != "softmax_missing"
                    ),
                ]
                for mistake, step in ways:
                    known = [
                        dict(v, shifted=v["z2"] - v["z2"].max(axis=1, keepdims=True))
                        for v in explanation.values
                    ]
                    y = [dict(v, y=step.evaluate(v)) for v in known]
                    if kept.find(y[0]["y"]) is not None:
                        found = [Explanation(rest if mistake is None else {**rest, "y": mistake}, y)]
                        break
        if not found and "softmax" not in self.understood.get("text", []) and not self._sums_to_one(outs):
            self._another_model()
            return
        if not found and not self.understood.get("sure", {}).get("forward"):
            self.verdict.check("forward", "not_checked", "not_understood")
            self.other = True
            return
        if not found:
            self._forward_unknown(outs)
            return
        self.forward = self._preferred(found, "forward")
        last = self.forward.mistakes.get("y")
        hints = self.understood.get("text", [])
        seen = [kind for kind in ("loss", "backward", "step") if kind in self.functions]
        if (
            last is not None
            and last.id in ("output_sigmoid", "softmax_missing")
            and ("softmax" not in hints or not seen)
        ):
            self._another_model()
            return
        if last is not None and last.id == "softmax_over_batch" and "outer" in hints:
            self._another_model("one_at_a_time")
            return
        for name, mistake in self.forward.mistakes.items():
            finding = self.finding(
                mistake.id,
                name,
                "forward",
                self.forward.values[0][name],
                ("forward", "loss", "backward", "step", "once"),
                mistake=mistake,
            )
            finding.alternatives = sorted(
                {m.id for e in found for m in e.mistakes.values()}
                - {m.id for m in self.forward.mistakes.values()}
            )
            best = min(digits(out, self.forward.values[0]["y"]) for out in outs[0][:1])
            finding.evidence = {"value": "y", "digits": best}
            self._shown(finding, outs[0][-1], "y")
            self.verdict.add("forward", finding)
        known = [self.forward.values[0][name] for name in ("y", "z2")]
        error = min(float(np.abs(out - value).max()) for out in outs[0] for value in known)
        self.verdict.check("forward", "pass", "forward_right", {"error": f"{max(error, 1e-16):.0e}"})

    def _preferred(self, found: Sequence[Explanation], *kinds: str) -> Explanation:
        """Of explanations that fit alike, the one most of whose values were seen on the way."""
        records = self.records(probes.SEEDS[0], *kinds)

        def seen(explanation: Explanation) -> int:
            return sum(records.find(explanation.values[0][name]) is not None for name in explanation.mistakes)

        return max(found, key=seen)

    def _shown(self, finding: Finding, actual: Any, name: str) -> None:
        right = self._right_values()[name]
        finding.shown = {"input": self.values[0]["X"], "name": name, "expected": right, "actual": actual}

    def _right_values(self) -> dict[str, Any]:
        values = dict(self.values[0])
        for name in FORWARD:
            values[name] = self.right[name].evaluate(values)
        return values

    def _sums_to_one(self, outs: Sequence[Sequence[Any]]) -> bool:
        return any(np.allclose(out.sum(axis=1), 1, atol=1e-6) for out in outs[0])

    def _another_model(self, why: str = "another_model") -> None:
        """The network is none of softmax and cross-entropy: nothing is said of what follows."""
        self.forward = None
        self.verdict.check("forward", "not_checked", why)
        self.other = True

    other = False

    def _forward_unknown(self, outs: Sequence[Sequence[Any]]) -> None:
        """No known mistake gives these probabilities: say the first step that is nowhere among the values."""
        records = self.records(probes.SEEDS[0], "forward")
        values = [dict(v) for v in self.values]
        missing = ""
        for name in FORWARD:
            for known in values:
                known[name] = self.right[name].evaluate(known)
            if name != "y" and not missing and records.find(values[0][name]) is None:
                near = records.shaped(values[0][name].shape)
                if near:
                    missing = name
                    site = near[-1].site if name != "z1" else near[0].site
                    for probe, seed in enumerate(probes.SEEDS):
                        other = self.records(seed, "forward").shaped(values[probe][name].shape)
                        if other:
                            own = laid(other[-1].value, values[probe][name].shape)
                            if own is not None:
                                values[probe][name] = own
        name = missing or "y"
        # Going on with the learner's own values.
        for probe, known in enumerate(values):
            known["y"] = outs[probe][-1]
        self.forward = Explanation({}, values)
        if missing:
            finding = self.finding("unknown", name, "forward", site=site)
        else:
            finding = self.finding("unknown", "y", "forward", outs[0][-1])
        finding.expected = f"{name} = {self.right[name].formula}"
        finding.values = {"name": name}
        rows = outs[0][-1].sum(axis=1)
        if not np.allclose(rows, 1, atol=1e-6):
            finding.evidence = {"rows": float(rows[0])}
        self._shown(finding, outs[0][-1], "y")
        self.verdict.add("forward", finding)

    # Loss

    def _loss(self) -> None:
        if "loss" not in self.functions or self.other:
            return
        seen = [self.observed("loss", seed) for seed in probes.SEEDS]
        if not all(seen):
            return
        variants = [_scalars(entry) for entry in zip(*seen, strict=False)]
        results = []
        for place, (pair, numbers) in enumerate(zip(zip(*seen, strict=False), variants, strict=False)):
            if any(number is None for number in numbers):
                continue
            inputs = []
            for probe, (data, _) in enumerate(pair):
                values = self.values[probe]
                roles = set(data["roles"].values())
                own = self.forward.values[probe]["y"] if self.forward is not None else values["shares"]
                scores = "z2" in roles and "y" not in roles
                if scores and self.forward is not None:
                    own = self.right["y"].evaluate({"z2": self.forward.values[probe]["z2"]})
                given = values["shares"] if "y" in roles else own
                inputs.append({"y": given, "Y": values["Y"], **values, "own": own})
            results.append((place, numbers, inputs))
        if not results:
            return

        def fits(step: Any, numbers: Sequence[Any], inputs: Sequence[Any]) -> bool:
            with np.errstate(all="ignore"):
                known = [float(step.evaluate({"y": v["y"], "Y": v["Y"]})) for v in inputs]
            return all(
                abs(made - value) <= LOOSE * max(abs(value), 1e-3)
                for made, value in zip(numbers, known, strict=True)
            )

        if any(fits(self.right["loss"], numbers, inputs) for _, numbers, inputs in results):
            self.verdict.check("compute_loss", "pass", "loss_right")
            return
        for _, numbers, inputs in results:
            for mistake in self.wrong:
                if mistake.step.name == "loss" and fits(mistake.step, numbers, inputs):
                    finding = self.finding(
                        mistake.id, "loss", "loss", np.asarray(numbers[0]), mistake=mistake
                    )
                    site = self._loss_site(numbers[0])
                    if site is not None:
                        finding.line, finding.variable, finding.file = (
                            site.line,
                            "" if site.target == "return" else site.target,
                            site.file,
                        )
                    finding.yours, finding.expected = (
                        f"loss = {mistake.step.formula}",
                        f"loss = {self.right['loss'].formula}",
                    )
                    finding.evidence = {
                        "value": "loss",
                        "digits": digits(np.asarray(numbers[0]), mistake.step.evaluate(inputs[0])),
                    }
                    finding.shown = {
                        "name": "loss",
                        "expected": float(
                            self.right["loss"].evaluate({"y": inputs[0]["y"], "Y": inputs[0]["Y"]})
                        ),
                        "actual": numbers[0],
                        "input": inputs[0]["y"],
                    }
                    self.verdict.add("compute_loss", finding)
                    return
        # A penalty or another loss may be meant; nobody is accused of it.
        self.verdict.check("compute_loss", "not_checked", "not_understood")

    def _loss_site(self, number: Any) -> Site | None:
        found = [
            r
            for r in self.records(probes.SEEDS[0], "loss").all
            if r.value.ndim == 0 and abs(float(r.value) - number) <= 1e-12 * abs(number)
        ]
        return found[0].site if found else None

    # Gradients

    def gradients(self, kind: str, seed: int) -> dict[str, Any]:
        """The gradients that a function returned or kept, by the parameter that each belongs to."""
        for data, arrays in self.observed(kind, seed):
            pairs = [(path, arrays.get(f"returned{i}")) for i, path in enumerate(data["returned"])]
            made = self._by_role(pairs)
            if len(made) < 2:
                made = self._by_role(
                    [(path, arrays.get(f"changed{i}")) for i, path in enumerate(data["changed"])]
                )
            return made
        return {}

    def _shape(self, role: str) -> tuple[int, ...]:
        sizes = self.sizes
        return {
            "W1": (sizes["D"], sizes["H"]),
            "b1": (sizes["H"],),
            "W2": (sizes["H"], sizes["C"]),
            "b2": (sizes["C"],),
        }[role]

    def _by_role(self, pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        pairs = [(path, np.asarray(value, float)) for path, value in pairs if value is not None]
        # Where parameters are returned beside gradients, the names of gradients begin with d or hold grad.
        named = [
            (p, v)
            for p, v in pairs
            if re.match(r"(self)?.*?\b_?(d|grad|g_|nabla|delta)", re.sub(r"^.*[/.\[]['\"]?", "", p), re.I)
        ]
        made: dict[str, Any] = {}
        for chosen in (named, pairs):
            for role in ROLES:
                if role in made or role not in self.shapes:
                    continue
                shape = self._shape(role)
                layer = "12".index(role[1])
                fits = [
                    (p, laid(v, shape))
                    for p, v in chosen
                    if v.size == np.prod(shape) and laid(v, shape) is not None
                ]
                fits = [(p, v) for p, v in fits if not any(v is m for m in made.values())]
                if not fits:
                    continue
                digit = [v for p, v in fits if re.search(rf"{layer + 1}\D*$", p)]
                made[role] = (digit or [v for _, v in fits])[0]
        # A bias gradient of a wrong shape still stands beside its weight's.
        for role in ("b1", "b2"):
            if role in self.shapes and role not in made and f"W{role[1]}" in made:
                named_b = [v for p, v in pairs if re.search(rf"b(ias\w*)?_?{role[1]}\D*$", p, re.I)]
                left = [
                    v
                    for p, v in pairs
                    if v.size in (1, self.sizes["N"]) and v.ndim <= 2 and not re.search("loss|cost", p, re.I)
                ]
                places = [
                    i for i, (_, v) in enumerate(pairs) if laid(v, self._shape(f"W{role[1]}")) is not None
                ]
                after = [
                    pairs[i + 1][1]
                    for i in places[:1]
                    if i + 1 < len(pairs) and pairs[i + 1][1].size in (1, self.sizes["N"])
                ]
                if named_b or after or len(left) == 1:
                    made[role] = (named_b or after or left)[0]
        return made

    def moves(self, kind: str, seed: int) -> dict[str, Any]:
        """How the parameters moved in one update, divided by the learning rate: what the update took for the gradient."""
        rate = self.rate or probes.RATE
        for _, arrays in self.observed(kind, seed):
            drawn = dict(self.values[probes.SEEDS.index(seed)])
            for role in ROLES:
                if f"before/{role}" in arrays:
                    drawn[role] = laid(np.asarray(arrays[f"before/{role}"], float), self._shape(role))
            made = {}
            for role in ROLES:
                if f"after/{role}" in arrays and role in self.shapes:
                    after = laid(np.asarray(arrays[f"after/{role}"], float), self._shape(role))
                    if after is None and arrays[f"after/{role}"].size == 1:
                        continue
                    if after is not None:
                        made[role] = (drawn[role] - after) / rate
            return made
        return {}

    rate = 0.0  # the learner's own, where the probe's could not be given

    def _own_rate(self, kind: str) -> None:
        """Where no name tells the learning rate, take that of the code's own numbers with which the update is plain."""
        seen = self.observed(kind, probes.SEEDS[0])
        rates = seen[0][0].get("rates", []) if seen else []
        if not rates or self.forward is None:
            return
        right = self._right_gradients()
        moved = self.moves(kind, probes.SEEDS[0])
        N = self.sizes["N"]
        factors = [
            f
            for role in ROLES
            if role in moved and (f := self._same(moved[role], right[f"d{role}"], role, {}))
        ]
        for wanted in (1.0, N, 1 / N):
            for rate in rates:
                if any(abs(abs(factor) * probes.RATE / rate / wanted - 1) < 1e-6 for factor in factors):
                    self.rate = rate
                    return

    def _explained(
        self, seen: Sequence[Mapping[str, Any]], moved: bool
    ) -> tuple[list[Explanation], list[str]]:
        """The fewest mistakes that make observed gradients, up to a factor each; and those that none makes."""
        assert self.forward is not None
        values = [dict(v) for v in self.forward.values]
        if moved and "W2" in seen[0]:
            for known, probe_moved in zip(values, seen, strict=True):
                known["W2_next"] = known["W2"] - (self.rate or probes.RATE) * probe_moved["W2"]
        right, wrong = self._slopes()
        roles = [role for role in ROLES if all(role in probe for probe in seen) and _any(seen[0][role])]

        def search(names: Sequence[str], roles: Sequence[str], most: int = 2) -> list[Explanation]:
            def fits(name: str, made: Mapping[str, Any], probe: int) -> bool | None:
                role = name[1:]
                if name in ("dW1", "db1", "dW2", "db2") and role in roles:
                    return self._same(seen[probe][role], made[name], role, made) is not None
                return None

            return explanations(names, right, wrong, values, fits, most)

        found = search(BACKWARD, roles)
        if found:
            return found, []
        # One layer may be beyond what is known, and the other not.
        for lost in (["b1"], ["b2"], ["W1"], ["W2"], ["W1", "b1"], ["W2", "b2"]):
            rest = [role for role in roles if role not in lost]
            if len(rest) == len(roles) or not rest:
                continue
            found = search(BACKWARD, rest, 1)
            if found:
                return found, [role for role in lost if role in roles]
        return search(BACKWARD, [], 0), roles

    def _same(self, made: Any, known: Any, role: str, values: Mapping[str, Any]) -> float | None:
        made = np.asarray(made, float)
        if made.shape == np.shape(known):
            factor = ratio(made, np.asarray(known), close=max(1e-8, self.tolerance))
            if factor is None and made.size == 1 and known.size == 1 and known.flat[0]:
                return float(made.flat[0] / known.flat[0])
            return factor
        return None

    def _slopes(self) -> tuple[dict[str, Any], list[Mistake]]:
        """Right and wrong steps, with the slope that belongs to the learner's own activation."""
        assert self.forward is not None
        right, wrong = dict(self.right), list(self._variants())
        other = self.forward.mistakes.get("h")
        if other is not None and other.id == "another_activation":
            kind = other.step.function.__name__.rpartition("__")[2]
            own = [
                m
                for m in wrong
                if m.step.function.__name__.startswith(f"slope_of_another_activation__{kind}")
            ]
            wrong = [m for m in wrong if m not in own] + [Mistake("", m.step) for m in own[1:]]
            wrong.append(Mistake("slope_of_another_activation", self.right["dz1"]))
            right["dz1"] = own[0].step
        elif other is not None:
            # Without σ, its slope at z1, or none at all, is not a mistake of its own.
            free = ("slope_forgotten", "slope_of_activated_value")
            wrong = [Mistake("", m.step) if m.id in free and m.step.name == "dz1" else m for m in wrong]
        return right, wrong

    def _backward(self) -> None:
        if self.forward is None:
            return
        if self.understood.get("late"):
            self._start_later()
        returned = (
            [self.gradients("backward", seed) for seed in probes.SEEDS]
            if "backward" in self.functions
            else [{}, {}]
        )
        kind = "step" if "step" in self.functions else "once"
        if self.understood.get("moves"):
            kind = "step"
        self._own_rate(kind)
        moved = [self.moves(kind, seed) for seed in probes.SEEDS]
        has_returned, has_moved = all(len(r) >= 2 for r in returned), all(moved)
        if not has_returned and not has_moved:
            return
        self._judge(returned if has_returned else None, moved if has_moved else None, kind)

    def _start_later(self) -> None:
        """Training makes the parameters itself: go on from those that it began with."""
        assert self.forward is not None
        made = []
        for probe, seed in enumerate(probes.SEEDS):
            values = dict(self.values[probe])
            for _, arrays in self.observed("once", seed):
                for role in ROLES:
                    if f"before/{role}" in arrays:
                        values[role] = laid(np.asarray(arrays[f"before/{role}"], float), self._shape(role))
            for name in FORWARD:
                mistake = self.forward.mistakes.get(name)
                values[name] = (mistake.step if mistake else self.right[name]).evaluate(values)
            made.append(values)
        self.values = [dict(values) for values in made]
        self.forward = Explanation(self.forward.mistakes, made)

    def _judge(self, returned: Any, moved: Any, kind: str) -> None:
        """Name what is wrong in gradients, and in the update as a whole."""
        kinds = ("backward", kind) if "backward" in self.functions else (kind,)
        seen = returned or moved
        seen = [dict(probe) for probe in seen]
        self._wrong_axes(seen, kinds)
        found, lost = self._explained(seen, returned is None)
        wrong: list[str] = []
        explanation = self._preferred_backward(found, kinds)
        self.backward = explanation
        sure = self.understood.get("sure", {})
        if (
            lost
            and not sure.get("backward", sure.get(kind, sure.get("train", False)))
            and not self._consistent(seen)
        ):
            # What its arguments mean was guessed, and may have been guessed wrongly.
            self.backward = None
            self.verdict.check("backward", "not_checked", "not_understood")
            return
        consistent = self._consistent(seen) if returned else None
        if consistent and (explanation.mistakes or lost):
            # Right for the learner's own loss, which is another one.
            explanation.mistakes.clear()
            lost = []
        for name, mistake in explanation.mistakes.items():
            finding = self.finding(
                mistake.id,
                name,
                "backward" if "backward" in self.functions else kind,
                explanation.values[0][name],
                kinds,
                mistake=mistake,
                scaled=True,
            )
            shown = next(
                (role for role in ("W1", "b1", "W2", "b2") if _reaches(name, role) and role in seen[0]), ""
            )
            if shown:
                factor = self._same(
                    seen[0][shown], explanation.values[0]["d" + shown], shown, explanation.values[0]
                )
                finding.evidence = {
                    "value": f"d{shown}",
                    "digits": digits(seen[0][shown], (factor or 1) * explanation.values[0]["d" + shown]),
                }
                finding.shown = {
                    "name": f"d{shown}",
                    "expected": self._right_gradients()[f"d{shown}"],
                    "actual": seen[0][shown],
                    "input": self.values[0]["X"],
                }
            others = {m.id for e in found for n, m in e.mistakes.items() if n == name} - {mistake.id}
            finding.alternatives = sorted(others)
            if name == "dh" and mistake.id == "update_before_use":
                site = self._update_site(kinds)
                if site is not None:
                    finding.line, finding.variable = site.line, site.target
            roles = [role for role in ROLES if _reaches(name, role) and role in seen[0]]
            wrong += [role for role in roles if role not in wrong]
            self.verdict.add("backward", finding)
        settled = {
            f.step[1:]
            for f in self.verdict.findings
            if f.id in ("bias_gradient_scalar", "bias_gradient_wrong_axis")
        }
        for role in lost:
            wrong.append(role)
            self._unknown_gradient(role, seen, explanation, kinds)
        frozen = (
            []
            if not moved
            else [
                role
                for role in ROLES
                if role in moved[0]
                and role not in settled
                and not _any(moved[0][role])
                and _any(explanation.values[0][f"d{role}"])
            ]
        )
        self._factors(explanation, returned, moved, kinds, kind, [*lost, *frozen, *settled], consistent)
        if frozen and len(frozen) < len(moved[0]) + 1:
            name = "train_step" if kind == "step" else "train"
            if (
                len(frozen) == len([role for role in ROLES if role in moved[0]])
                and "step" not in self.functions
            ):
                self._nothing_moves(name)
            else:
                self.verdict.add(
                    name,
                    Finding(
                        "parameter_never_updated",
                        frozen[0],
                        line=self._update_line(kind),
                        variable=self.understood["paths"].get(frozen[0], ""),
                        values={"names": listed(frozen)},
                        alternatives=["bias_gradient_scalar"] if frozen == ["b2"] else [],
                    ),
                )
        failed = [
            finding
            for finding in self.verdict.findings
            if finding.severity == "error" and finding.step.startswith("d")
        ]
        if failed:
            for finding in failed:
                wrong += [
                    role
                    for role in ROLES
                    if _reaches(finding.step, role) and role not in wrong and role in seen[0]
                ]
            good = [f"d{role}" for role in ROLES if role in seen[0] and role not in wrong]
            bad = [f"d{role}" for role in ROLES if role in wrong]
            self.verdict.check(
                "backward",
                "fail",
                "gradients_wrong" if good else "gradients_all_wrong",
                {"wrong": listed(bad), "right": listed(good)},
            )
        else:
            self.verdict.check("backward", "pass", "gradients_right")
        if returned and moved and not failed and not self._follows(explanation, moved):
            # Momentum and the like are none of ours: not called wrong, and not right either.
            self.verdict.check("train_step" if kind == "step" else "train", "not_checked", "not_understood")
        elif moved and not any(
            f.id in ("update_ascends", "parameter_never_updated") for f in self.verdict.findings
        ):
            name = "train_step" if kind == "step" else "train"
            self.verdict.check(name, "pass", "update_right")

    backward: Explanation | None = None

    def _nothing_moves(self, name: str) -> None:
        self.verdict.add(
            name,
            Finding(
                "parameter_never_updated", "W1", line=self.line_of("train"), values={"names": listed(ROLES)}
            ),
        )

    def _preferred_backward(self, found: Sequence[Explanation], kinds: Sequence[str]) -> Explanation:
        records = self.records(probes.SEEDS[0], *kinds)

        def seen(explanation: Explanation) -> int:
            return sum(
                records.find(explanation.values[0][name], scaled=True) is not None
                for name in explanation.mistakes
            )

        # One step that is wrong rather than the two that it would spoil.
        return max(
            found,
            key=lambda explanation: (seen(explanation) - 2 * len(explanation.mistakes), seen(explanation)),
        )

    def _right_gradients(self) -> dict[str, Any]:
        assert self.forward is not None
        values = dict(self.forward.values[0])
        right, _ = self._slopes()
        for name in BACKWARD:
            values[name] = right[name].evaluate(values)
        return values

    def _wrong_axes(self, seen: list[dict[str, Any]], kinds: Sequence[str]) -> None:
        """Bias gradients that were summed over the wrong axis, or over everything: seen by their shape."""
        assert self.forward is not None
        values = self._right_gradients()
        for role, name in (("b2", "dz2"), ("b1", "dz1")):
            if role not in seen[0]:
                continue
            made = np.squeeze(np.asarray(seen[0][role]))
            shape = self._shape(role)
            if made.shape == shape:
                continue
            identity = "bias_gradient_scalar" if made.size == 1 else "bias_gradient_wrong_axis"
            factor = ratio(made.reshape(-1), values[name].sum(axis=1)) if made.size > 1 else None
            site = self.place(made, kinds, scaled=False)
            finding = self.finding(identity, f"d{role}", "backward", made, kinds, site=site)
            axes = "NH" if role == "b1" else "NC"
            finding.yours = f"d{role} = Σ_{axes if made.size == 1 else axes[1]}({name})"
            finding.expected = f"d{role} = Σ_N({name})"
            finding.values = {
                "shape": list(np.shape(seen[0][role])),
                "wanted": list(shape),
                "name": f"d{role}",
            }
            if factor is not None:
                finding.evidence = {
                    "value": f"d{role}",
                    "digits": digits(made.reshape(-1), factor * values[name].sum(axis=1)),
                }
            self.verdict.add("backward", finding)
            for probe in seen:
                probe.pop(role, None)

    def _unknown_gradient(
        self, role: str, seen: Sequence[Mapping[str, Any]], explanation: Explanation, kinds: Sequence[str]
    ) -> None:
        right = explanation.values[0][f"d{role}"]
        made = np.asarray(seen[0][role], float)
        chain = {
            "W2": ("dz2", "dW2"),
            "b2": ("dz2", "db2"),
            "W1": ("dz2", "dh", "dz1", "dW1"),
            "b1": ("dz2", "dh", "dz1", "db1"),
        }[role]
        records = self.records(probes.SEEDS[0], *kinds)
        step = next(
            (name for name in chain if records.find(explanation.values[0][name], scaled=True) is None),
            f"d{role}",
        )
        near = [
            record
            for record in records.shaped(np.shape(explanation.values[0][step]))
            if record.site.kind != "argument"
        ]
        finding = self.finding(
            "unknown",
            step,
            "backward",
            made,
            kinds,
            site=near[-1].site if near and step != f"d{role}" else None,
        )
        finding.values = {"name": f"d{role}"}
        finding.expected = f"{step} = {self.right[step].formula}"
        with np.errstate(all="ignore"):
            cosine = (
                float(np.vdot(made, right) / (np.linalg.norm(made) * np.linalg.norm(right)))
                if made.shape == right.shape
                else 0.0
            )
        finding.evidence = {"cosine": cosine}
        finding.shown = {"name": f"d{role}", "expected": right, "actual": made, "input": self.values[0]["X"]}
        self.verdict.add("backward", finding)

    def _consistent(self, seen: Sequence[Mapping[str, Any]], reg: float = 0.0) -> bool | None:
        """Whether gradients equal central differences of the learner's own loss; None where it has none."""
        for data, arrays in self.parts.get("differences", []):
            if data["reg"] != reg:
                continue
            for place in (0, 1):
                slopes = {
                    role: float(arrays[f"{place}/{role}"][0])
                    for role in data["order"]
                    if f"{place}/{role}" in arrays
                }
                if not slopes:
                    continue
                good = []
                for role, slope in slopes.items():
                    if role not in seen[0] or np.shape(seen[0][role]) != self._shape(role):
                        continue
                    index = data["order"].index(role)
                    direction = np.random.default_rng([probes.SEEDS[0], 9, index]).normal(
                        0, 1, self._shape(role)
                    )
                    along = float((seen[0][role] * direction).sum())
                    good.append(abs(along - slope) <= 1e-5 * max(abs(slope), abs(along), 1e-3))
                if good and all(good):
                    return True
            return False
        return None

    def _factors(
        self,
        explanation: Explanation,
        returned: Any,
        moved: Any,
        kinds: Sequence[str],
        kind: str,
        lost: Sequence[str],
        consistent: bool | None,
    ) -> None:
        """What the gradients are multiplied with, all in all: averaged once, and down the slope."""
        N = self.sizes["N"]

        def factors(seen: Any) -> dict[str, float]:
            made = {}
            for role in ROLES:
                if seen and role in seen[0] and role not in lost and _any(seen[0][role]):
                    factor = self._same(seen[0][role], explanation.values[0][f"d{role}"], role, {})
                    if factor is not None:
                        made[role] = factor
            return made

        by_return, by_move = factors(returned), factors(moved)
        final = {**by_return, **by_move}
        if not moved and consistent:
            return
        odd = {role: factor for role, factor in final.items() if abs(factor - 1) > 1e-6}
        if not odd:
            return
        ascending = [role for role, factor in odd.items() if factor < 0]
        if ascending:
            by_update = bool(by_return) and all(by_return.get(role, -1) > 0 for role in ascending)
            records = self.records(probes.SEEDS[0], *kinds)
            error = explanation.values[0]["dz2"]
            turned = [match for match in records.matches(error, scaled=True) if match.factor < 0]
            if by_return:
                identity = "update_ascends" if by_update else "gradient_sign"
            else:
                identity = "gradient_sign" if turned else "update_ascends"
            tie = [] if by_return else [{"gradient_sign": "update_ascends"}.get(identity, "gradient_sign")]
            if identity == "gradient_sign":
                site = min(turned, key=lambda match: match.record.order).record.site if turned else None
                finding = self.finding(identity, "dz2", "backward", site=site)
                finding.yours, finding.expected = "dz2 = (Y - y) / N", f"dz2 = {self.right['dz2'].formula}"
                finding.alternatives = tie
                self.verdict.add("backward", finding)
            else:
                finding = Finding(
                    identity, "W1", line=self._update_line(kind), values={"names": listed(ascending)}
                )
                finding.yours, finding.expected = "W1_next = W1 + lr dW1", "W1_next = W1 - lr dW1"
                finding.alternatives = tie
                self.verdict.add("train_step" if kind == "step" else "train", finding)
        for identity, wanted in (("gradient_not_averaged", N), ("gradient_averaged_twice", 1 / N)):
            roles = [role for role, factor in odd.items() if abs(abs(factor) / wanted - 1) < 1e-6]
            if not roles:
                continue
            in_update = bool(by_return) and all(
                abs(abs(by_return.get(role, wanted)) - 1) < 1e-6 for role in roles
            )
            self._averages(identity, roles, wanted, explanation, kinds, kind, in_update, final)
            odd = {role: factor for role, factor in odd.items() if role not in roles}
        rest = {role: factor for role, factor in odd.items() if abs(abs(factor) - 1) > 1e-6}
        sure = self.understood.get("sure", {})
        if rest and (
            rest.keys() & by_return.keys() - {r for r in by_return if abs(by_return[r] - 1) < 1e-6}
            or sure.get(kind, sure.get("train", False))
        ):
            role, factor = next(iter(rest.items()))
            finding = self.finding(
                "gradient_scaled",
                f"d{role}",
                "backward",
                explanation.values[0][f"d{role}"],
                kinds,
                scaled=True,
            )
            finding.values = {"names": listed(f"d{r}" for r in rest), "factor": _factor(factor, self.sizes)}
            self.verdict.add("backward", finding)

    def _averages(
        self,
        identity: str,
        roles: list[str],
        wanted: float,
        explanation: Explanation,
        kinds: Sequence[str],
        kind: str,
        in_update: bool,
        final: Mapping[str, float],
    ) -> None:
        records = self.records(probes.SEEDS[0], *kinds)
        values = explanation.values[0]
        weights = [role for role in roles if role.startswith("W")]
        whole = len(roles) == len(final)
        chain = ["dz2", "dh", "dz1"] if whole else ["dz1"] if set(roles) == {"W1", "b1"} else []
        names = [*chain, *(f"d{role}" for role in roles)]
        if identity == "gradient_not_averaged" and whole:
            names = ["dz2"]
        site = None
        for name in names:
            found = [
                m
                for m in records.matches(values[name], scaled=True)
                if abs(abs(m.factor) / wanted - 1) < 1e-8
            ]
            if found:
                # A factor too many: where it first is. One that is missing: where the value is last without it.
                first_one = identity == "gradient_averaged_twice"
                site = (min if first_one or whole else max)(found, key=lambda m: m.record.order).record.site
                break
        if site is None and in_update:
            site = None
        step = f"d{(weights or roles)[0]}" if not whole else "dz2"
        finding = self.finding(
            identity, step, "backward" if "backward" in self.functions and not in_update else kind, site=site
        )
        if site is None and in_update:
            finding.line = self._update_line(kind)
        finding.values = {"names": listed(f"d{role}" for role in roles), "N": self.sizes["N"]}
        if identity == "gradient_not_averaged" and not in_update and not self.parts.get("differences"):
            finding.level = "note"  # With a loss that is a sum, which is not seen, it would be right.
        role = roles[0]
        finding.evidence = {"ratio_of": f"d{role}", "ratio": "N" if wanted > 1 else "1/N"}
        if whole:
            finding.expected = f"dz2 = {self.right['dz2'].formula}"
            finding.yours = "dz2 = y - Y" if wanted > 1 else "dz2 = (y - Y) / N, and divided by N once more"
        self.verdict.add("backward", finding)

    def _follows(self, explanation: Explanation, moved: Any) -> bool:
        """Whether every parameter that moved did so along its gradient, as plain descent has it."""
        known = explanation.values[0]
        return all(
            self._same(step, known[f"d{role}"], role, {}) is not None
            for role, step in moved[0].items()
            if _any(step)
        )

    def _update_site(self, kinds: Sequence[str]) -> Site | None:
        assert self.forward is not None
        records = self.records(probes.SEEDS[0], *kinds)
        for record in records.all:
            if (
                record.site.target
                and laid(record.value, self._shape("W2")) is not None
                and "W2" in self.shapes
            ):
                path = self.understood["paths"].get("W2", "")
                if record.site.target == path or record.site.target.replace('"', "'") == path:
                    return record.site
        return None

    def _update_line(self, kind: str) -> int:
        """Where the parameters are given their new values, or should have been."""
        records = self.records(probes.SEEDS[0], kind)
        moved = self.moves(kind, probes.SEEDS[0])
        known = self.backward.values[0] if self.backward is not None else {}
        for role in ROLES:
            if role not in self.shapes:
                continue
            wanted = [(self.rate or probes.RATE) * moved[role]] if role in moved and _any(moved[role]) else []
            wanted += [(self.rate or probes.RATE) * known[f"d{role}"]] if f"d{role}" in known else []
            for step in wanted:
                match = records.made(self.values[0][role] - step)
                if match is not None:
                    return match.record.site.line
        for record in records.all:
            path = [self.understood["paths"].get(role, "").replace('"', "'") for role in ROLES]
            if (
                record.site.target
                and record.site.target.replace('"', "'") in path
                and record.site.kind != "argument"
            ):
                return record.site.line
        return self.line_of(kind if kind in self.functions else "train")

    # Regularisation

    def _regularised(self) -> None:
        """Gradients with a penalty on the weights, against central differences of the learner's own loss."""
        seen = self.observed("regularised", probes.SEEDS[0])
        plain = next((d for d, _ in self.parts.get("differences", []) if d["reg"] == 0.0), None)
        if (
            not seen
            or plain is None
            or any(f.severity == "error" and f.step.startswith(("d", "loss")) for f in self.verdict.findings)
        ):
            return
        data, arrays = seen[0]
        made = self.gradients("regularised", probes.SEEDS[0])
        if len(made) < 2:
            made = {}
            for role in ROLES:
                after = (
                    laid(np.asarray(arrays[f"after/{role}"], float), self._shape(role))
                    if f"after/{role}" in arrays and role in self.shapes
                    else None
                )
                if after is not None:
                    made[role] = (self.values[0][role] - after) / probes.RATE
        before = self.gradients("backward", probes.SEEDS[0])
        if (
            len(made) < 2
            or self._consistent([made], data["reg"]) is not False
            or self._consistent([before], 0.0) is False
        ):
            return
        if (
            all(role in before and np.allclose(made[role], before[role]) for role in made)
            and not self._penalised()
        ):
            return
        wrong = [
            role
            for role in ROLES
            if role in made and self._consistent([{role: made[role]}], data["reg"]) is False
        ]
        role = wrong[0] if wrong else "W1"
        lines = self.found.get("lines", [])
        pattern = r"reg|lambd|lamb?da|l2|decay|alpha"
        match = (
            self.records(probes.SEEDS[0], "backward").made(before.get(role, np.zeros(0)), scaled=True)
            if before
            else None
        )
        begin, line = self.line_of("backward"), 0
        for number in range(begin, len(lines)):
            if (
                re.search(pattern, lines[number], re.I)
                and re.search(r"[-+]", lines[number])
                and not re.search(r"def |loss|cost", lines[number])
            ):
                line = number + 1
                break
        finding = Finding(
            "regularisation_gradient",
            f"d{role}",
            line=line or (match.record.site.line if match else begin),
            values={"names": listed(f"d{r}" for r in wrong)},
        )
        finding.shown = {
            "name": f"d{role}",
            "expected": np.zeros(1),
            "actual": made[role],
            "input": self.values[0]["X"],
        }
        self.verdict.add("backward", finding)

    def _penalised(self) -> bool:
        """Whether the strength of regularisation changes the learner's loss along any weight."""
        slopes: dict[float, dict[str, float]] = {}
        for data, arrays in self.parts.get("differences", []):
            slopes[data["reg"]] = {key: float(value[0]) for key, value in arrays.items()}
        if len(slopes) < 2:
            return False
        none, some = slopes[0.0], slopes[max(slopes)]
        return any(abs(none[key] - some[key]) > 1e-6 for key in none if key in some)

    # Training

    def _training(self) -> None:
        data, arrays = first(self.parts.get("trained", []))
        if not data or data["message"]:
            return
        from clearhead.checking.training import judge_training

        judge_training(self, data, arrays)

    def _accuracy(self) -> None:
        if "accuracy" not in self.functions or self.other:
            return
        seen = [self.observed("accuracy", seed) for seed in probes.SEEDS]
        if not all(seen):
            return
        choices = []
        for pair in zip(*seen, strict=False):
            numbers = [
                [
                    float(a[f"returned{i}"].reshape(-1)[0])
                    for i in range(len(d["returned"]))
                    if f"returned{i}" in a and a[f"returned{i}"].size == 1
                ]
                for d, a in pair
            ]
            inputs = []
            for probe, (data, _) in enumerate(pair):
                values = self.values[probe]
                own = self.forward.values[probe]["y"] if self.forward is not None else values["shares"]
                inputs.append(
                    {
                        "y": values["shares"] if "y" in set(data["roles"].values()) else own,
                        "Y": values["Y"],
                        "C": self.sizes["C"],
                        "N": self.sizes["N"],
                    }
                )
            choices.append((numbers, inputs))

        def fits(step: Any, scale: float) -> bool:
            return any(
                all(
                    any(abs(number - scale * float(step.evaluate(known))) < 1e-4 * scale for number in made)
                    for made, known in zip(numbers, inputs, strict=True)
                )
                for numbers, inputs in choices
            )

        right = self.right["accuracy"]
        if fits(right, 1.0):
            self.verdict.check("evaluate", "pass", "accuracy_right")
        elif fits(right, 0.01):
            self.verdict.add("evaluate", self._accuracy_finding("accuracy_as_fraction"))
            self.verdict.check("evaluate", "pass", "accuracy_right")
        else:
            wrong = next(m for m in self.wrong if m.id == "accuracy_wrong_axis")
            N, C = self.sizes["N"], self.sizes["C"]
            if any(fits(wrong.step, scale) for scale in (1.0, 0.01, C / N, 0.01 * C / N)):
                self.verdict.add("evaluate", self._accuracy_finding("accuracy_wrong_axis"))
            elif choices:
                # Without labels among what it takes it may count something else.
                self.verdict.check("evaluate", "not_checked", "not_understood")

    def _accuracy_finding(self, identity: str) -> Finding:
        records = self.records(probes.SEEDS[0], "accuracy")
        finding = Finding(identity, "accuracy", line=self.line_of("accuracy"))
        lines = self.found.get("lines", [])
        begin = finding.line
        for record in records.all:
            if record.site.kind != "argument" and begin and record.site.line > begin:
                text = lines[record.site.line - 1] if record.site.line <= len(lines) else ""
                wanted = r"argmax" if identity == "accuracy_wrong_axis" else r"mean|sum|/|return"
                if re.search(wanted, text):
                    finding.line = record.site.line
                    finding.variable = "" if record.site.target == "return" else record.site.target
                    if identity != "accuracy_as_fraction":
                        break
        finding.expected = f"accuracy = {self.right['accuracy'].formula}"
        if identity == "accuracy_wrong_axis":
            finding.yours = "accuracy = 100 mean_C([argmax_N(y) = argmax_N(Y)])"
        return finding

    # Edges

    def _edges(self) -> None:
        data, arrays = first(self.parts.get("edges", []))
        if not data or self.other:
            return
        if (
            "overflow" in arrays
            and len(arrays["overflow"])
            and not arrays["overflow"].all()
            and self.forward is not None
        ):
            line = self._exp_line()
            self.verdict.add(
                "forward", Finding("softmax_overflow", "y", line=line or self.line_of("forward"))
            )
        for place, (observed, _) in enumerate(self.observed("loss", probes.SEEDS[0])):
            number = arrays.get(f"loss_of_zero{place}")
            if number is None:
                continue
            large = arrays.get("shares_large")
            if not np.isfinite(number).all() and (large is None or np.isfinite(large).all()):
                twice = "softmax_overflow" in self.verdict.ids()
                if not twice or "y" in observed["roles"].values():
                    self.verdict.add(
                        "compute_loss",
                        Finding("loss_log_of_zero", "loss", line=self._log_line() or self.line_of("loss")),
                    )
            break
        if data.get("alias_same") or data.get("alias_changed"):
            self.verdict.add(
                "forward",
                Finding(
                    "cache_aliases_parameters",
                    "h",
                    line=self._alias_line() or self.line_of("forward"),
                    values={"names": listed(data.get("alias_changed", [])[:4])},
                ),
            )
        for kind, name in (
            ("forward", "forward"),
            ("loss", "compute_loss"),
            ("backward", "backward"),
            ("step", "train_step"),
        ):
            for observed, _ in self.observed(kind, probes.SEEDS[0])[:1]:
                if observed.get("spoiled"):
                    names = ["X" if role == "X" else "Y" for role in observed["spoiled"]]
                    self.verdict.add(
                        name,
                        Finding(
                            "input_changed",
                            names[0],
                            line=self.line_of(kind),
                            values={"names": listed(sorted(set(names)))},
                        ),
                    )

    def _alias_line(self) -> int:
        lines = self.found.get("lines", [])
        begin = self.line_of("forward")
        for number in range(begin, min(begin + 40, len(lines))):
            if re.search(
                r"=\s*(self\.)?\w*(params|parameters|weights|theta|model)\w*\s*$|\.update\(|\*\*",
                lines[number],
            ):
                return number + 1
        return 0

    def _exp_line(self) -> int:
        """The line of the softmax's exponential: the last call of exp on scores."""
        assert self.forward is not None
        records = self.records(probes.SEEDS[0], "forward", "loss", "backward")
        z2 = self.forward.values[0].get("z2")
        if z2 is None:
            return 0
        match = records.find(np.exp(z2), parts=True)
        return match.record.site.line if match else 0

    def _log_line(self) -> int:
        records = self.records(probes.SEEDS[0], "loss")
        lines = self.found.get("lines", [])
        for record in records.all:
            if record.site.line <= len(lines) and re.search(r"\blog", lines[record.site.line - 1]):
                return record.site.line
        return 0


def _named(kind: str, function: str) -> bool:
    """Whether a function's name says that it is of a kind."""
    patterns = {
        "forward": "forw|feed|predict", "loss": "loss|cost|entropy", "backward": "back|grad", "step": "step|update",
        "train": "train|fit", "accuracy": "acc|eval|score",
    }  # fmt: skip
    return bool(re.search(patterns[kind], function, re.I))


def _differ(one: Sequence[float], other: Sequence[float]) -> bool:
    return len(one) != len(other) or any(
        abs(a - b) > 1e-9 * max(abs(a), abs(b), 1) for a, b in zip(one, other, strict=True)
    )


def _any(value: Any) -> bool:
    return bool(np.any(np.abs(value) > 1e-13))


def _reaches(step: str, role: str) -> bool:
    """Whether a step's value goes into a parameter's gradient."""
    reach = {
        "dz2": "W1 b1 W2 b2", "dW2": "W2", "db2": "b2", "dh": "W1 b1", "dz1": "W1 b1", "dW1": "W1", "db1": "b1",
    }  # fmt: skip
    return role in reach.get(step, "").split()


def _factor(factor: float, sizes: Mapping[str, int]) -> str:
    """A factor as a learner would write it: 2, 1/2, N, 1/C ...

    >>> _factor(7.0, {"N": 7}), _factor(0.5, {"N": 7})
    ('N', '1/2')
    """
    for letter in "NCHD":
        if letter in sizes:
            for value, text in ((sizes[letter], letter), (1 / sizes[letter], f"1/{letter}")):
                if abs(factor - value) < 1e-9:
                    return text
    for whole in range(2, 13):
        for value, text in ((whole, f"{whole}"), (1 / whole, f"1/{whole}")):
            if abs(factor - value) < 1e-9:
                return text
    return f"{factor:.4g}"


def _usual(weights: Any, fan_in: int, fan_out: int) -> bool:
    """Whether weights are spread as Xavier's or by their inputs, of either kind, about zero."""
    spread, count = float(weights.std()), weights.size
    if abs(weights.mean()) > 6 * spread / np.sqrt(count) + 1e-12:
        return False
    usual = [
        np.sqrt(2 / (fan_in + fan_out)),
        np.sqrt(1 / fan_in),
        np.sqrt(1 / (3 * fan_in)),
        np.sqrt(1 / (fan_in + fan_out)),
    ]
    slack = 4 / np.sqrt(2 * count) + 0.02
    return any(abs(spread / value - 1) < slack for value in usual)


def _scalars(pair: Sequence[tuple[Any, Any]]) -> list[float | None]:
    """The number that each call of a loss returned."""
    made: list[float | None] = []
    for data, arrays in pair:
        numbers = [arrays[f"returned{i}"] for i in range(len(data["returned"])) if f"returned{i}" in arrays]
        scalars = [
            float(value.reshape(-1)[0]) for value in numbers if value.size == 1 and value.dtype.kind == "f"
        ]
        made.append(scalars[0] if scalars else None)
    return made
