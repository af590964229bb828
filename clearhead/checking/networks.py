"""A learner's two-layer network in NumPy: understood by trying, and run on the probes.

Runs inside the sandbox. It knows no right value: it hands on what the code was given and what it made.
"""

import ast
import contextlib
import dataclasses
import functools
import io
import itertools
import re
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.binding import NETWORK, arguments_of, bindings, call, role_of
from clearhead.checking.find import Program
from clearhead.checking.recorder import Loaded, Recorder, Stub, line_of, said
from clearhead.checking.source import Source
from clearhead.checking.subject import (
    Configuration,
    Path,
    Slots,
    Subject,
    arrays_in,
    cloned,
    flat,
    placed,
    said_path,
    seed_all,
    shape_of,
    slots_of,
)

Send = Callable[[dict[str, Any], dict[str, Any]], None]

NAMES = {
    "initialize": (r"init(ial\w*)?(_?(params?|parameters|weights?|network|model))?", r".*(init|reset|build|create|xavier).*"),
    "forward": (
        r"forward\w*|feed_?forward\w*|__call__", r".*(forward|feedforward|fwd).*", r"predict_prob\w*|prob\w*",
        r"predict\w*|activate|think|inference|propagate|model|hypothesis|compute_output|output|run|net\w*",
    ),
    "loss": (r"(compute|calc\w*|get)?_?(loss|cost)(_?fn|_function)?", r".*(loss|cost|cross_?ent|objective|nll|likelihood).*", r"j|ce|.*error.*"),
    "backward": (r"back_?(ward|prop)\w*", r".*(backward|backprop|back_prop).*", r"(compute_|calc\w*_|get_)?(gradients?|grads?)", r".*(gradient|grads?|deriv).*"),
    "step": (
        r"train_?(step|batch|on_batch|once|one_batch|one_step)", r".*(train|fit|learn)_?(step|batch|once).*", r"partial_fit",
        r"step|update\w*|optimi[sz]e\w*|apply\w*", r".*(update|gradient_descent|descent|descend|sgd).*",
    ),
    "train": (r"train|fit|learn|training", r"(train|fit|learn)\w*|.*(train|fit).*", r"sgd|run|optimi[sz]e|model|nn_model|gradient_descent|main|loop"),
    "accuracy": (r"(compute_|calc\w*_|get_)?accuracy\w*|evaluate\w*", r".*(acc|evaluat|scor|metric|correct).*", r"test\w*"),
}  # fmt: skip
AVOID = re.compile(
    r".*(numeric|num_grad|check|plot|save|load|print|show|draw|display|summary|visual|repr|str|copy|get_params|set_params).*",
    re.I,
)
LABELS = ("one-hot", "index", "column")
TRIES = 4.0  # seconds for finding out what one function wants


class Unwritten(Exception):
    """A function that the learner has not written yet."""


class NetworkRun:
    """One learner's network: what its functions want, and what they make of the probes."""

    def __init__(self, program: Program, source: Source, modules: dict[str, Source], send: Send) -> None:
        Stub.touched.clear()
        self.program, self.source, self.send = program, source, send
        self.recorder = Recorder()
        self.plain = Subject(Loaded(program, source, modules, None), program.name, program.functions)
        self.recorded = Subject(
            Loaded(program, source, modules, self.recorder), program.name, program.functions
        )
        self.subject = self.plain
        self.plan: dict[str, Any] = {}
        self.unwritten = {name.rpartition(".")[2] for name in program.unwritten}
        self.crashes: dict[str, dict[str, Any]] = {}
        self.sizes = dict(probes.NETWORK)
        self.make_with: tuple[Any, dict[str, str]] = (None, {})
        self.slots: Slots | None = None
        self.late = ""  # the labels' form, where only training makes the parameters
        self.ran: set[str] = set()
        self.misfit = False  # sizes were asked for, and others came

    def run(self) -> None:
        """Find out, then observe; each part is sent as soon as it is there."""
        if self.plain.loaded.failed:
            line, message = self.plain.loaded.failed[0]
            self.send({"part": "crash", "phase": "definition", "line": line, "message": message}, {})
            if self.plain.name and self.plain.type is None:
                return
        if not self._construct():
            self.send(
                {
                    "part": "crash",
                    "phase": "initialize",
                    **self.crashes.get("initialize", {"line": 0, "message": ""}),
                },
                {},
            )
            return
        self._understand()
        self.send(self._understood(), {})
        for seed in probes.SEEDS:
            self._observe(seed)
        self._large()
        self._edges()
        self._differences(0.0)
        self._regularised()
        self._training()
        self.send({"part": "end", "missed": sorted(Stub.touched)}, {})

    # Construction

    def _ways(self, kind: str, *others: str) -> list[str]:
        """Names of the functions that may be of a kind, likelier ones first; then those of others that may do it too."""
        names = self._named_ways(kind)
        for other in others:
            names += [name for name in self._named_ways(other) if name not in names]
        return names

    def _named_ways(self, kind: str) -> list[str]:
        patterns = NAMES[kind]
        ranked = []
        for place, name in enumerate(self.subject.functions):
            if AVOID.fullmatch(name) or name.startswith("__") and name != "__call__":
                continue
            rank = next(
                (
                    i
                    for i, pattern in enumerate(patterns)
                    if re.fullmatch(pattern, name.strip("_") or name, re.I)
                ),
                None,
            )
            if rank is None:
                # A name that says something else is no candidate; one that says nothing is the last.
                if any(re.fullmatch(p, name.strip("_"), re.I) for other in NAMES.values() for p in other):
                    continue
                rank = len(patterns)
            ranked.append((rank, name.startswith("_"), place, name))
        return [name for *_, name in sorted(ranked)]

    def _build(self, way: tuple[Any, dict[str, str]], sizes: dict[str, int]) -> Any:
        """An instance of the given sizes; `way` names its initialising function, and what that and the class want."""
        name, binding, ctor = way[0], way[1], way[2] if len(way) > 2 else {}
        values = self._size_values(sizes)
        seed_all()
        with quiet():
            if self.subject.type is None:
                holder = self.subject.make()
                holder.params = call(self.subject.function(holder, name), binding, values)
                return holder
            thing = self.subject.make(**{argument: values[role] for argument, role in ctor.items()})
            if self.late:
                _set_lr(thing, 0.0)
                call(self.subject.function(thing, name), binding, {**values, "lr": 0.0, "Y": values[self.late]})
                _set_lr(thing, probes.RATE)
            elif name:
                made = call(self.subject.function(thing, name), binding, values)
                if made is not None and slots_of(thing, None) is None:
                    # Returned, not kept: keep it as the learner's own code does where it says so.
                    thing.params = made
            return thing

    def _size_values(self, sizes: dict[str, int]) -> dict[str, Any]:
        count = max(self.sizes["N"], sizes["C"])
        draw = probes.network(probes.SEEDS[0], sizes["D"], sizes["H"], sizes["C"], count)
        values = {
            "one-hot": draw["Y"], "index": draw["labels"], "column": draw["labels"].reshape(-1, 1),
            **sizes, "shape": [sizes["D"], sizes["H"], sizes["C"]], "lr": probes.RATE, "reg": 0.0, "seed": 0,
            "epochs": 1, "batch": self.sizes["N"], "log": 1, "X": draw["X"], "Y": draw["Y"], "rng": np.random.default_rng(0),
        }  # fmt: skip
        return {**values, "config": Configuration(values, NETWORK), "made": self._configured(sizes)}

    def _configured(self, sizes: dict[str, int]) -> Any:
        """An instance of the learner's own dataclass of settings, whose first whole numbers are the sizes."""
        for kind in self.subject.loaded.names.values():
            if isinstance(kind, type) and dataclasses.is_dataclass(kind):
                fields = [f for f in dataclasses.fields(kind) if f.type in (int, "int")]
                if len(fields) >= 3:
                    with contextlib.suppress(Exception):
                        return kind(**dict(zip([f.name for f in fields], [sizes["D"], sizes["H"], sizes["C"]], strict=False)))
        return None

    def _construct(self) -> bool:
        """Find how an instance is made, and where its parameters lie."""
        wanted = {letter: self.sizes[letter] for letter in "DHC"}
        fallback = spare = None
        pool = ["D", "H", "C", "shape", "config", "made", "rng", "lr", "epochs", "batch", "reg", "seed", "log"]
        optional = ("D", "H", "C", "shape", "lr", "epochs", "batch", "reg", "log", "seed")
        ctors: Iterator[dict[str, str]] = iter([{}])
        if self.subject.type is not None:
            ctors = bindings(arguments_of(self.subject.type), [*pool, "X", "Y"], optional, 400)
        deadline = time.monotonic() + TRIES
        for ctor in ctors:
            if time.monotonic() > deadline:
                break
            names = self._ways("initialize")
            if self.subject.type is not None and arguments_of(self.subject.type):
                names = [
                    name
                    for name in names
                    if any(re.fullmatch(p, name.strip("_"), re.I) for p in NAMES["initialize"])
                ]
            for name in ([""] if self.subject.type is not None else []) + names:
                if name in self.unwritten:
                    continue
                ways = (
                    iter([{}])
                    if not name
                    else bindings(arguments_of(self._function(name)), pool, optional, 400)
                )
                for binding in ways:
                    try:
                        thing = self._build((name, binding, ctor), wanted)
                    except Exception as error:
                        self._crashed(
                            "initialize", error, name, self._function(name) if name else self.subject.type
                        )
                        continue
                    slots = slots_of(thing, wanted)
                    if slots is not None and name and not np.any(slots.get(thing)["W1"]) and spare is None:
                        spare = (name, binding, ctor), slots  # Another one may draw them at random.
                        break
                    if slots is not None:
                        self.make_with, self.slots = (name, binding, ctor), slots  # type: ignore[assignment]
                        self.crashes.pop("initialize", None)
                        return True
                    slots = slots_of(thing, None)
                    if fallback is None and slots is not None:
                        fallback = (name, binding, ctor), slots
                    elif fallback is None and not name and slots is None and "initialize" not in self.crashes:
                        self.crashes["initialize"] = {
                            "line": 0,
                            "message": "",
                            "sure": True,
                            "shapes": _shapes(thing),
                        }
                    if not name and (slots is None or fallback is None):
                        break
                if (
                    fallback is None
                    and not name
                    and self.subject.type is not None
                    and "initialize" in self.crashes
                    and self.crashes["initialize"]["line"]
                ):
                    break
        if spare is not None:
            self.make_with, self.slots = spare  # type: ignore[assignment]
            self.crashes.pop("initialize", None)
            return True
        if fallback is None:
            return self._construct_late(wanted)
        self.make_with, self.slots = fallback  # type: ignore[assignment]
        asked = {
            *self.make_with[1].values(),
            *(self.make_with[2] if len(self.make_with) > 2 else {}).values(),
        }
        self.misfit = bool(asked & {"shape"} or {"D", "H", "C"} <= asked)
        self.sizes.update(self.slots.sizes)
        self.sizes["N"] = next(N for N in (7, 11, 13, 17) if N not in self.slots.sizes.values())
        self.crashes.pop("initialize", None)
        return True

    def _construct_late(self, wanted: dict[str, int]) -> bool:
        """Parameters that only training makes, as scikit-learn has it: train at a rate of nothing."""
        if self.subject.type is None:
            return False
        pool = ["D", "H", "C", "config", "rng", "lr", "epochs", "batch", "reg", "seed", "log"]
        for ctor in bindings(arguments_of(self.subject.type), pool, ("H", "lr", "epochs", "batch", "reg", "seed"), 20):
            for name in self._ways("train"):
                for binding in bindings(arguments_of(self._function(name)), ["X", "Y", "epochs", "batch"], ("epochs", "batch", "lr"), 4):
                    for variant in LABELS:
                        self.late = variant
                        try:
                            thing = self._build((name, binding, ctor), wanted)
                        except Exception:
                            continue
                        slots = slots_of(thing, wanted)
                        if slots is not None:
                            self.make_with, self.slots = (name, binding, ctor), slots
                            self.plan["train"] = (name, binding, variant)
                            self.crashes.pop("initialize", None)
                            return True
        self.late = ""
        return False

    def _function(self, name: str) -> Any:
        if name in self.subject.beside:
            return functools.partial(self.subject.loaded.names[name], None)
        if self.subject.type is None:
            return self.subject.loaded.names[name]
        found = getattr(self.subject.type, name)
        static = self.subject.type.__dict__.get(name)
        if isinstance(static, staticmethod | classmethod):
            return found
        return found.__get__(object(), object) if hasattr(found, "__get__") else found

    def _crashed(self, kind: str, error: BaseException, name: str = "", called: Any = None) -> None:
        """Keep the first exception of a kind: that of the likeliest way to call it.

        It is `sure` where the names of all arguments tell what they want, and nothing else is to blame.
        """
        if isinstance(error, NotImplementedError):
            self.unwritten.add(name)
        message = said(error)
        named = called is not None and all(a.role for a in arguments_of(called) if a.required)
        named = named and (
            not name or any(re.fullmatch(p, name.strip("_"), re.I) for p in NAMES.get(kind, ()))
        )
        blamed = (
            re.search(r"'?(Stub|Configuration)'?|ModuleNotFoundError|FileNotFoundError", message)
            or self.plain.loaded.missing
        )
        integers = re.search(
            r"indices|integer|iterable|subscriptable|out of range", message
        )  # Labels or sizes in another form.
        self.crashes.setdefault(
            kind,
            {
                "line": line_of(error, self.source.name),
                "message": message,
                "function": name,
                "sure": named and not blamed and not integers,
            },
        )

    def _ready(self, seed: int) -> tuple[Any, dict[str, Any]]:
        """An instance that holds the probe's parameters, and the probe in the learner's own layout."""
        assert self.slots is not None
        sizes = {letter: self.sizes[letter] for letter in "DHC"}
        thing = self._build(self.make_with, sizes)
        drawn = probes.network(seed, **sizes, N=self.sizes["N"])
        self.slots.set(thing, drawn)
        return thing, self._values(drawn, thing)

    def _values(self, drawn: dict[str, Any], thing: Any) -> dict[str, Any]:
        assert self.slots is not None
        columns = self.plan.get("columns", False)

        def turned(matrix: Any) -> Any:
            return np.ascontiguousarray(matrix.T) if columns else matrix.copy()

        values = {
            "X": turned(drawn["X"]), "one-hot": turned(drawn["Y"]), "index": drawn["labels"].copy(),
            "column": drawn["labels"].reshape(1, -1) if columns else drawn["labels"].reshape(-1, 1),
            "lr": probes.RATE, "reg": 0.0, "epochs": 1, "batch": len(drawn["X"]), "log": 1, "seed": 0, "rng": np.random.default_rng(0),
            "H": self.sizes["H"], "C": self.sizes["C"], "D": self.sizes["D"],
            "shape": [self.sizes[letter] for letter in "DHC"],
        }  # fmt: skip
        if "shares" in drawn:
            values["shares"] = turned(drawn["shares"])
        values["Y"] = values[self.plan.get("labels", "one-hot")]
        values["config"] = Configuration(values, NETWORK)
        if self.subject.type is None:
            values["params"] = thing.params
        for role, value in self.slots.get(thing).items():
            values[role] = value
        return values

    # Understanding

    def _understand(self) -> None:
        thing, values = self._ready(probes.SEEDS[0])
        self._find_forward(thing, values)
        self._find_biases()
        after, values = self._after("forward", probes.SEEDS[0])
        self._find_loss(after, values)
        self._find_backward(after, values)
        self._find_step()
        if not self.late:
            self._find_train()
        self._find_accuracy(after, values)

    def _attempts(
        self, kind: str, make: Callable[[], Any], values: dict[str, Any], pool: list[str], optional: tuple[str, ...],
        labels: tuple[str, ...] = ("one-hot",), only: list[str] | None = None,
    ) -> Iterator[tuple[str, dict[str, str], str, Any, Any, dict[str, Any]]]:  # fmt: skip
        """Each call of a function of a kind that does not fail: name, binding, labels, thing, what it returned."""
        deadline = time.monotonic() + TRIES
        also = {"forward": ("loss",), "backward": ("loss", "step")}.get(kind, ())
        for name in only if only is not None else self._ways(kind, *also):
            if name in self.unwritten:
                continue
            pools = [role for role in pool if role in values or role == "Y"]
            for binding in bindings(arguments_of(self._function(name)), pools, optional, 40):
                for variant in labels if "Y" in binding.values() else labels[:1]:
                    if time.monotonic() > deadline:
                        return
                    thing = make()
                    # Parameters that are handed over are those of this copy.
                    given = {**values, "Y": values[variant], **self._own(thing)}
                    given = {
                        key: np.array(value) if isinstance(value, np.ndarray) else value
                        for key, value in given.items()
                    }
                    if self.subject.type is None:
                        given["params"] = thing.params
                    try:
                        with quiet():
                            seed_all()
                            made = call(self.subject.function(thing, name), binding, given)
                    except Exception as error:
                        self._crashed(kind, error, name, self._function(name))
                        continue
                    self.ran.add(kind)
                    yield name, binding, variant, thing, made, given

    def _own(self, thing: Any) -> dict[str, Any]:
        assert self.slots is not None
        return self.slots.get(thing) if self.subject.type is None else {}

    def _find_forward(self, thing: Any, values: dict[str, Any]) -> None:
        before = {said_path(path) for path, _ in arrays_in(thing)}
        sizes = (self.sizes["N"], self.sizes["C"])
        kept = None
        for columns in (False, True):
            self.plan["columns"] = columns
            drawn = probes.network(
                probes.SEEDS[0], self.sizes["D"], self.sizes["H"], self.sizes["C"], self.sizes["N"]
            )
            given = self._values(drawn, thing)
            pool = ["X", "params", "W1", "b1", "W2", "b2", "reg"]
            for name, binding, _, after, made, _ in self._attempts(
                "forward", lambda: cloned(thing), given, pool, ()
            ):
                if "X" not in binding.values():
                    continue
                out = [
                    pair
                    for pair in flat(made)
                    if pair[1].shape in (sizes, sizes[::-1]) and pair[1].dtype.kind == "f"
                ]
                state = [
                    said_path(path) for path, value in arrays_in(after)
                    if shape_of(value) in (sizes, sizes[::-1]) and said_path(path) not in before
                ]  # fmt: skip
                if out or (made is None and state):
                    self.plan["forward"] = (name, binding)
                    return
                vague = [pair for pair in flat(made) if pair[1].ndim == 2 and sizes[0] in pair[1].shape]
                if kept is None and vague:
                    kept = columns, (name, binding)
        self.plan["columns"] = False
        if kept is not None:
            self.plan["columns"], self.plan["forward"] = kept

    def _find_biases(self) -> None:
        """Of several arrays that may be a bias, the one that the output follows."""
        if "forward" not in self.plan or self.slots is None or self.subject.type is None:
            return
        name, binding = self.plan["forward"]

        def output(change: Path | None) -> Any:
            thing, values = self._ready(probes.SEEDS[0])
            if change is not None:
                placed(thing, change, dict(arrays_in(thing))[change] + 0.5)
            with quiet():
                made = call(self.subject.function(thing, name), binding, values)
            return [value for _, value in flat(made)] or [np.array(v) for _, v in arrays_in(thing)]

        def same(one: list[Any], other: list[Any]) -> bool:
            return len(one) == len(other) and all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one, other, strict=True))

        with contextlib.suppress(Exception):
            before = output(None)
            thing, _ = self._ready(probes.SEEDS[0])
            own = {path for paths in self.slots.paths.values() for path in paths}
            for role in ("b1", "b2"):
                if role not in self.slots.paths or not same(before, output(self.slots.paths[role][0])):
                    continue
                size = self.sizes["H" if role == "b1" else "C"]
                for path, value in arrays_in(thing):
                    fits = isinstance(value, np.ndarray) and value.size == size and value.ndim <= 2 and path not in own
                    if fits and value.dtype.kind == "f" and not same(before, output(path)):
                        self.slots.paths[role], self.slots.shapes[role] = [path], value.shape
                        break

    def _after(self, kind: str, seed: int) -> tuple[Any, dict[str, Any]]:
        """An instance after its forward pass (and its backward one), with what these returned in the pool."""
        thing, values = self._ready(seed)
        if "forward" in self.plan:
            name, binding = self.plan["forward"]
            given = {**values, **self._own(thing)}
            with quiet():
                try:
                    made = call(self.subject.function(thing, name), binding, given)
                except Exception:
                    return thing, values
            values.update(self._pool_of(made))
        if kind == "backward" and "backward" in self.plan:
            name, binding, variant = self.plan["backward"]
            with quiet():
                try:
                    made = call(self.subject.function(thing, name), binding, {**values, "Y": values[variant]})
                except Exception:
                    return thing, values
            values["grads"] = made
            for path, value in flat(made):
                digit = [d for d in "12" if d in path.rpartition("/")[2]]
                if digit and np.size(value) > 1:
                    matrix = np.ndim(value) == 2 and min(shape_of(value)) > 1
                    values.setdefault(f"d{'W' if matrix else 'b'}{digit[0]}", value)
            if isinstance(made, tuple | list):
                assert self.slots is not None
                for part in made:
                    for role, shape in self.slots.shapes.items():
                        if shape_of(part) == shape:
                            values.setdefault(f"d{role}", part)
        return thing, values

    def _pool_of(self, made: Any) -> dict[str, Any]:
        """What a forward pass returned, by the roles that later functions may ask for."""
        N, H, C = self.sizes["N"], self.sizes["H"], self.sizes["C"]
        pool: dict[str, Any] = {}
        hidden = [value for _, value in flat(made) if value.shape in ((N, H), (H, N))]
        scores = [
            value for _, value in flat(made) if value.shape in ((N, C), (C, N)) and value.dtype.kind == "f"
        ]
        if hidden:
            pool["h"] = hidden[-1]
            pool["z1"] = hidden[0]
        if scores:
            pool["z2"] = scores[0] if len(scores) > 1 else scores[0]
            first = made[0] if isinstance(made, tuple | list) and made else made
            pool["y"] = first if shape_of(first) in ((N, C), (C, N)) else scores[-1]
        if isinstance(made, tuple) and len(made) > 1:
            rest = [part for part in made if not (isinstance(part, np.ndarray) and part is pool.get("y"))]
            containers = [part for part in rest if isinstance(part, dict | list | tuple)]
            pool["cache"] = containers[0] if containers else rest[0] if len(rest) == 1 else tuple(rest)
            pool["cache_all"] = made
        elif made is not None and not isinstance(made, np.ndarray):
            pool["cache"] = made
        return pool

    def _find_loss(self, after: Any, values: dict[str, Any]) -> None:
        found: list[tuple[str, dict[str, str], str]] = []
        given = {**values, "y": values.get("shares", values.get("y"))}
        pool = ["Y", "y", "X", "z2", "cache", "params", "W1", "W2", "reg", "b1", "b2"]
        for name, binding, variant, _, made, _ in self._attempts(
            "loss", lambda: cloned(after), given, pool, ("reg", "params", "Y"), LABELS
        ):
            if found and name != found[0][0]:
                break
            numbers = [value for _, value in flat(made)]
            if "Y" not in binding.values() or not numbers:
                continue
            scalar = numbers[0].size == 1 if not isinstance(made, np.ndarray) else made.size == 1
            if scalar and numbers[0].dtype.kind == "f":
                found.append((name, binding, variant))
                if len(found) >= 6:
                    break
        if found:
            self.plan["loss"] = found

    def _find_backward(self, after: Any, values: dict[str, Any]) -> None:
        assert self.slots is not None
        labels = tuple(dict.fromkeys([self.plan["loss"][0][2], *LABELS])) if "loss" in self.plan else LABELS
        pool = ["X", "Y", "cache", "y", "h", "lr", "params", "W1", "W2", "b1", "b2", "z1", "z2", "reg"]
        best = 0
        for name, binding, variant, thing, made, _ in self._attempts(
            "backward", lambda: cloned(after), values, pool, ("lr", "reg", "Y"), labels
        ):
            moved = self._moved(after, thing)
            given = self._gradients_in(made, after)
            if not given and not self._new_gradients(after, thing) and not moved:
                continue
            if not set(binding.values()) & {"Y", "y", "cache"} and not self._sure("backward", name):
                continue  # Drawing new parameters moves them too.
            # Gradients that are returned rather than parameters that moved, where names leave it open.
            score = 3 if given else 1 if moved else 2
            if score > best:
                best = score
                self.plan["backward"] = (name, binding, variant)
                self.plan["labels"] = variant
                self.plan["moves"] = "all" if moved and len(moved) == len(self.slots.paths) else bool(moved)
            if best == 3 or self._sure("backward", name):
                return

    def _sure(self, kind: str, name: str) -> bool:
        """Whether the names of a function and of all that it must be given say what they are."""
        named = any(re.fullmatch(pattern, name.strip("_") or name, re.I) for pattern in NAMES[kind])
        if kind == "backward":
            named = named or any(re.fullmatch(pattern, name, re.I) for pattern in NAMES["loss"])
        return named and all(argument.role for argument in arguments_of(self._function(name)) if argument.required)

    def _rated(self, binding: dict[str, str]) -> bool:
        """Whether the probe's learning rate is known to have been given."""
        ctor = self.make_with[2] if len(self.make_with) > 2 else {}
        return "lr" in binding.values() or "lr" in dict(ctor).values() or "config" in dict(ctor).values()

    def _rates(self, thing: Any) -> list[float]:
        """Numbers that may be a learning rate which no name tells: defaults and the instance's own."""
        found = [value for value in getattr(thing, "__dict__", {}).values() if isinstance(value, float)]
        for function in [self.subject.type, *(self._function(name) for name in self.subject.functions)]:
            if function is not None:
                found += [a.default for a in arguments_of(function) if isinstance(a.default, float)]
        return sorted({value for value in found if 1e-6 < value < 20})

    def _gradients_in(self, made: Any, thing: Any = None) -> bool:
        assert self.slots is not None
        own = self.slots.get(thing) if thing is not None else {}
        weights = [own[role] for role in ("W1", "W2") if role in own]
        shapes = [value.shape for _, value in flat(made) if not any(np.array_equal(value, mine) for mine in weights)]
        W1, W2 = self.slots.shapes["W1"], self.slots.shapes["W2"]
        return any(s in (W1, W1[::-1]) for s in shapes) and any(s in (W2, W2[::-1]) for s in shapes)

    def _new_gradients(self, before: Any, after: Any) -> bool:
        return self._gradients_in([value for _, value in self._changes(before, after)])

    def _changes(self, before: Any, after: Any) -> list[tuple[str, Any]]:
        """Arrays of a thing that are new or other than before, but for its parameters."""
        assert self.slots is not None
        old = {path: value for path, value in arrays_in(before)}
        own = {path for paths in self.slots.paths.values() for path in paths}
        return [
            (said_path(path), np.array(value)) for path, value in arrays_in(after)
            if path not in own and (path not in old or shape_of(old[path]) != shape_of(value) or not np.array_equal(old[path], value, equal_nan=True))
        ]  # fmt: skip

    def _moved(self, before: Any, after: Any) -> list[str]:
        assert self.slots is not None
        old, new = self.slots.get(before), self.slots.get(after)
        return [role for role in old if role in new and not np.array_equal(old[role], new[role])]

    def _returned_parameters(self, made: Any, values: dict[str, Any]) -> bool:
        """Whether a bare function returned parameters that differ from those it was given."""
        slots = slots_of(SimpleHolder(made), {letter: self.sizes[letter] for letter in "DHC"})
        if slots is None:
            return False
        new = slots.get(SimpleHolder(made))
        return any(role in values and not np.array_equal(new[role], values[role]) for role in ("W1", "W2"))

    def _find_step(self) -> None:
        """How one update is made: by a function for it, or by training once over everything."""
        if self.plan.get("moves") == "all":
            name, binding, variant = self.plan["backward"]
            self.plan["step"] = (name, binding, variant, "forward")
            return
        backward = self.plan.get("backward", ("",))[0]
        fresh = lambda: self._ready(probes.SEEDS[0])  # noqa: E731
        pool = ["X", "Y", "lr", "params", "reg"]
        late = [
            "grads",
            "lr",
            "params",
            "X",
            "Y",
            "cache",
            "dW1",
            "db1",
            "dW2",
            "db2",
            "W1",
            "b1",
            "W2",
            "b2",
            "y",
            "reg",
        ]
        labels = tuple(dict.fromkeys([self.plan.get("labels", "one-hot"), *LABELS]))
        names = [name for name in self._ways("step") if name != backward]
        for name in names:
            for state, roles in (("new", pool), ("backward", late)):
                if state == "backward" and "backward" not in self.plan:
                    continue
                thing, values = fresh() if state == "new" else self._after("backward", probes.SEEDS[0])
                make = lambda thing=thing: cloned(thing)  # noqa: E731
                for _, binding, variant, after, made, given in self._attempts(
                    "step", make, values, roles, ("lr",), labels, [name]
                ):
                    if not set(binding.values()) & {"Y", "grads", "dW1", "lr"} and not self._sure("step", name):
                        continue
                    if self._moved(thing, after) or (
                        self.subject.type is None and self._returned_parameters(made, given)
                    ):
                        self.plan["step"] = (name, binding, variant, state)
                        return

    def _find_train(self) -> None:
        thing, values = self._ready(probes.SEEDS[0])
        values = {**values, **self._training_values(probes.SEEDS[0], 1, probes.TRAINING["N"])}
        pool = [
            "X",
            "Y",
            "X_val",
            "Y_val",
            "lr",
            "epochs",
            "batch",
            "log",
            "params",
            "H",
            "D",
            "C",
            "shape",
            "reg",
        ]
        optional = ("lr", "epochs", "batch", "X_val", "Y_val", "log", "H", "D", "C", "shape", "reg")
        labels = tuple(dict.fromkeys([self.plan.get("labels", "one-hot"), *LABELS]))
        step = self.plan.get("step", ("",))[0]
        names = [name for name in self._ways("train") if name != step and name not in ("forward", "backward")]
        names = [
            name
            for name in names
            if name != self.plan.get("backward", ("",))[0] and name != self.plan.get("forward", ("",))[0]
        ]
        kept = None
        for name, binding, variant, after, made, given in self._attempts(
            "train", lambda: cloned(thing), values, pool, optional, labels, names
        ):
            if not {"X", "Y"} & set(binding.values()):
                continue
            found = (name, binding, variant)
            if self._moved(thing, after) or self._returned_parameters(made, given):
                self.plan["train"] = found
                return
            looks = re.match(r"train|fit|learn", name, re.I)
            kept = kept or (found if looks else None)
        if kept:
            self.plan["train"] = kept

    def _training_values(self, seed: int, epochs: int, batch: int) -> dict[str, Any]:
        drawn = probes.training(seed, self.sizes["D"], self.sizes["C"])
        held = probes.training(seed + 100, self.sizes["D"], self.sizes["C"])
        columns = self.plan.get("columns", False)
        turned = (lambda m: np.ascontiguousarray(m.T)) if columns else (lambda m: m.copy())
        made = {"X": turned(drawn["X"]), "one-hot": turned(drawn["Y"]), "index": drawn["labels"].copy()}
        made["column"] = drawn["labels"].reshape(1, -1) if columns else drawn["labels"].reshape(-1, 1)
        made["X_val"] = turned(held["X"])
        made["Y_val"] = {"one-hot": turned(held["Y"]), "index": held["labels"]}.get(
            self.plan.get("labels", "one-hot"), held["labels"]
        )
        return {**made, "epochs": epochs, "batch": batch, "log": 1}

    def _find_accuracy(self, after: Any, values: dict[str, Any]) -> None:
        found: list[tuple[str, dict[str, str], str]] = []
        labels = tuple(dict.fromkeys([self.plan.get("labels", "one-hot"), *LABELS]))
        given = {**values, "y": values.get("shares", values.get("y"))}
        taken = {self.plan[kind][0] for kind in ("forward", "backward", "step", "train") if kind in self.plan}
        taken |= {self.plan["loss"][0][0]} if "loss" in self.plan else set()
        names = [name for name in self._ways("accuracy") if name not in taken]
        for name, binding, variant, _, made, _ in self._attempts(
            "accuracy",
            lambda: cloned(after),
            given,
            ["Y", "y", "X", "params", "W1", "b1", "W2", "b2"],
            ("params",),
            labels,
            names,
        ):
            if found and name != found[0][0]:
                break
            numbers = [value for _, value in flat(made)]
            if "Y" in binding.values() and numbers and any(value.size == 1 for value in numbers):
                found.append((name, binding, variant))
                if len(found) >= 6:
                    break
        if found:
            self.plan["accuracy"] = found

    def _understood(self) -> dict[str, Any]:
        assert self.slots is not None
        functions = {
            kind: self.plan[kind][0] for kind in ("forward", "backward", "step", "train") if kind in self.plan
        }
        functions |= {kind: self.plan[kind][0][0] for kind in ("loss", "accuracy") if kind in self.plan}
        prefix = f"{self.program.name}." if self.program.name else ""
        return {
            "part": "understood", "sizes": self.sizes, "columns": self.plan.get("columns", False), "functions": functions,
            "lines": {name: self.program.lines.get(prefix + name, self.program.lines.get(name, 0)) for name in self.subject.functions},
            "initialize": self.make_with[0] or "", "shapes": {role: list(shape) for role, shape in self.slots.shapes.items()},
            "flipped": self.slots.flipped["W1"], "paths": {role: said_path(paths[0]) for role, paths in self.slots.paths.items()},
            "labels": self.plan.get("labels", ""), "crashes": {k: v for k, v in self.crashes.items() if k not in self.plan and k not in self.ran},
            "moves": self.plan.get("moves") == "all", "unwritten": sorted(self.unwritten), "missing": self.plain.loaded.missing,
            "misfit": self.misfit, "sure": {kind: self._sure(kind, name) for kind, name in functions.items()}, "late": bool(self.late), "text": self._hints(), "leftover": self._leftover(), "sites": [site.row() for site in self.recorder.sites], "candidates": {kind: self._ways(kind)[:3] for kind in NAMES},
        }  # fmt: skip

    def _hints(self) -> list[str]:
        """Words of the program that tell what it was meant to be."""
        text = "\n".join(ast.unparse(node) for node in self.program.body)
        return [word for word in ("softmax", "outer") if word in text.lower()]

    def _leftover(self) -> list[list[Any]]:
        """Arrays beside the parameters that look like ones, with their shapes."""
        assert self.slots is not None
        own = {path for paths in self.slots.paths.values() for path in paths}
        thing = self._build(self.make_with, {letter: self.sizes[letter] for letter in "DHC"})
        return [
            [said_path(path), list(shape_of(value))] for path, value in arrays_in(thing)
            if path not in own and isinstance(value, np.ndarray) and re.search(r"b(ias\w*)?_?\d?$", said_path(path).strip("'])"), re.I)
        ][:8]  # fmt: skip

    # Observing

    def _observe(self, seed: int) -> None:
        for subject in (self.plain, self.recorded):
            self.subject = subject
            recorded = subject is self.recorded
            for kind in ("forward", "loss", "backward", "step", "once", "accuracy"):
                self.recorder.clear()
                try:
                    self._one(kind, seed, recorded)
                except Exception as error:
                    if not recorded:
                        sure = not re.search(r"indices|integer|iterable|Stub|Configuration", said(error))
                        self.send(
                            {
                                "part": "failed",
                                "kind": kind,
                                "seed": seed,
                                "line": line_of(error, self.source.name),
                                "message": said(error),
                                "sure": sure,
                            },
                            {},
                        )
        self.subject = self.plain

    def _one(self, kind: str, seed: int, recorded: bool) -> None:
        """Run a function of a kind on a probe, and send what it made, or the values on its way."""
        if kind == "once" and ("train" not in self.plan or "batch" not in self._train_roles() and False):
            return
        plan = self.plan.get("train" if kind == "once" else kind)
        if plan is None:
            return
        many = plan if isinstance(plan, list) else [plan]
        for place, (name, binding, *rest) in enumerate(many[:1] if recorded else many):
            state = rest[1] if len(rest) > 1 else {"forward": "new", "once": "new"}.get(kind, "forward")
            thing, values = self._ready(seed) if state == "new" else self._after(state, seed)
            if kind in ("loss", "accuracy") and "shares" in values:
                values["y"] = values["shares"]
            if rest:
                values["Y"] = values[rest[0]]
            if kind == "once":
                held = probes.network(seed + 50, **{letter: self.sizes[letter] for letter in "DHCN"})
                other = self._values(held, thing)
                values.update(X_val=other["X"], Y_val=other[rest[0]])
                _set_rates(thing, 1, self.sizes["N"])
            if self.subject.type is None:
                values = {**values, **self._own(thing), "params": thing.params}
            begun: dict[str, Any] = {}
            if self.late and kind == "once" and self.slots is not None:
                # From the same random numbers, at a rate of nothing and at the probe's.
                seed_all(seed)
                _set_lr(thing, 0.0)
                with quiet():
                    call(self.subject.function(thing, name), binding, {**values, "lr": 0.0})
                begun = {role: np.array(value, float) for role, value in self.slots.get(thing).items()}
                _set_lr(thing, probes.RATE)
            before = cloned(thing)
            given = {role: np.array(value) for role, value in values.items() if isinstance(value, np.ndarray)}
            printed = io.StringIO()
            seed_all(seed)
            self.recorder.on = recorded
            try:
                with quiet(printed):
                    made = call(self.subject.function(thing, name), binding, values)
            finally:
                self.recorder.on = False
            header = {"seed": seed, "kind": kind, "variant": place}
            if recorded:
                meta, arrays = self.recorder.answer()
                self.send({"part": "records", **header, **meta, "out": _digest(made)}, arrays)
                continue
            returned = list(flat(made))
            changed = self._changes(before, thing)
            after = self.slots.get(thing) if self.slots else {}
            if self.subject.type is None and kind in ("step", "once"):
                sizes = {letter: self.sizes[letter] for letter in "DHC"}
                slots = slots_of(SimpleHolder(made), sizes)
                if slots is not None:
                    after = slots.get(SimpleHolder(made))
            arrays = {f"returned{i}": value for i, (_, value) in enumerate(returned[:64])}
            arrays |= {f"changed{i}": np.asarray(value) for i, (_, value) in enumerate(changed[:64])}
            arrays |= {f"after/{role}": np.asarray(value, float) for role, value in after.items()}
            arrays |= {f"before/{role}": value for role, value in begun.items()}
            spoiled = [
                role for role in given
                if role in ("X", "one-hot", "index", "column") and not np.array_equal(given[role], values[role])
            ]  # fmt: skip
            self.send(
                {
                    "part": "observed", **header, "returned": [path for path, _ in returned[:64]],
                    "changed": [path for path, _ in changed[:64]], "roles": binding, "labels": rest[0] if rest else "",
                    "spoiled": spoiled, "out": _digest(made), "none": made is None, "state": state,
                    "rates": [] if self._rated(binding) else self._rates(thing),
                },
                arrays,
            )  # fmt: skip

    def _train_roles(self) -> set[str]:
        return set(self.plan["train"][1].values()) if "train" in self.plan else set()

    def _large(self) -> None:
        """Initial parameters of sizes at which one initialisation is told from another."""
        try:
            thing = self._build(self.make_with, probes.LARGE)
            slots = slots_of(thing, probes.LARGE)
        except Exception:
            slots = None
        if slots is None:
            thing = self._build(self.make_with, {letter: self.sizes[letter] for letter in "DHC"})
            slots = slots_of(thing, None)
        if slots is not None:
            values = {role: np.asarray(value, float) for role, value in slots.get(thing).items()}
            self.send({"part": "initial", "sizes": slots.sizes, "flipped": slots.flipped["W1"]}, values)

    def _edges(self) -> None:
        """Large scores, a probability of zero, a second batch: where right code and fragile code part."""
        made: dict[str, Any] = {"part": "edges"}
        arrays = {}
        assert self.slots is not None
        seed = probes.SEEDS[0]
        if "forward" in self.plan:
            name, binding = self.plan["forward"]
            with contextlib.suppress(Exception):
                thing, values = self._ready(seed)
                drawn = probes.network(seed, **{letter: self.sizes[letter] for letter in "DHCN"})
                drawn["W2"] = drawn["W2"] * 3000
                self.slots.set(thing, drawn)
                values.update(self._own(thing))
                try:
                    with quiet():
                        out = call(
                            self.subject.function(thing, name),
                            binding,
                            {**values, **({"params": thing.params} if self.subject.type is None else {})},
                        )
                except (ArithmeticError, ValueError):
                    arrays["overflow"] = np.zeros(1)
                    raise
                shapes = [(self.sizes["N"], self.sizes["C"])]
                numbers = [v for _, v in flat(out) if v.shape in (shapes[0], shapes[0][::-1])] or [
                    np.asarray(v) for _, v in arrays_in(thing) if shape_of(v) in (shapes[0], shapes[0][::-1])
                ]
                arrays["overflow"] = np.array([float(np.isfinite(v).all()) for v in numbers[:4]])
            with contextlib.suppress(Exception):
                made.update(self._aliases(name, binding))
        if "loss" in self.plan:
            for place, (name, binding, variant) in enumerate(self.plan["loss"]):
                with contextlib.suppress(Exception):
                    thing, values = self._after("forward", seed)
                    roles = set(binding.values())
                    if roles & {"X", "cache"} or not roles & {"y", "z2"}:
                        drawn = probes.network(seed, **{letter: self.sizes[letter] for letter in "DHCN"})
                        drawn["W2"] = drawn["W2"] * 3000
                        thing, values = self._ready(seed)
                        self.slots.set(thing, drawn)
                        values.update(self._own(thing))
                        if "forward" in self.plan:
                            with quiet():
                                out = call(
                                    self.subject.function(thing, self.plan["forward"][0]),
                                    self.plan["forward"][1],
                                    values,
                                )
                            values.update(self._pool_of(out))
                            arrays["shares_large"] = np.asarray(values.get("y", np.zeros(0)), float)
                    else:
                        shares = values["shares"].copy()
                        rows = shares.T if self.plan["columns"] else shares
                        labels = values["index"]
                        rows[0] = np.eye(len(rows[0]))[(labels[0] + 1) % len(rows[0])]
                        values["y"] = shares
                    values["Y"] = values[variant]
                    if self.subject.type is None:
                        values["params"] = thing.params
                    try:
                        with quiet():
                            numbers = [
                                v for _, v in flat(call(self.subject.function(thing, name), binding, values))
                            ]
                    except (ArithmeticError, ValueError):
                        numbers = [np.array(np.inf)]
                    arrays[f"loss_of_zero{place}"] = np.asarray(numbers[0], float).reshape(-1)[:1]
        self.send(made, arrays)

    def _aliases(self, name: str, binding: dict[str, str]) -> dict[str, Any]:
        """Whether a later forward pass changes what an earlier one returned, or a parameter."""
        thing, values = self._ready(probes.SEEDS[0])
        _, others = self._ready(probes.SEEDS[1])
        parameters = [id(value) for _, value in arrays_in(thing)]
        holders = (
            {id(value) for value in vars(thing).values() if isinstance(value, dict | list)}
            if hasattr(thing, "__dict__")
            else set()
        )
        before = {path for path, _ in arrays_in(thing)}
        with quiet():
            first = call(self.subject.function(thing, name), binding, {**values, **self._own(thing)})
            kept = [np.array(value) for _, value in flat(first)]
            pool = self._pool_of(first)
            same = any(
                id(part) in holders
                for part in (first if isinstance(first, tuple) else (first,))
                if isinstance(part, dict | list)
            )
            if self.subject.type is None:
                same = any(part is thing.params for part in (first if isinstance(first, tuple) else (first,)))
            grown = self.subject.type is None and {path for path, _ in arrays_in(thing)} != before
            del parameters, pool
            call(
                self.subject.function(thing, name), binding, {**values, **self._own(thing), "X": others["X"]}
            )
        changed = [
            path
            for (path, value), old in zip(flat(first), kept, strict=False)
            if not np.array_equal(value, old, equal_nan=True)
        ]
        return {
            "alias_changed": changed,
            "alias_same": bool(same or grown),
            "keeps": self._keeps_parameters(first, thing),
        }

    def _keeps_parameters(self, first: Any, thing: Any) -> bool:
        """Whether returned values share memory with parameters that are no parameter's own entry."""
        assert self.slots is not None
        own = [value for value in self.slots.get(thing).values() if isinstance(value, np.ndarray)]
        return any(
            np.shares_memory(value, mine) and not np.array_equal(value, mine)
            for _, value in flat(first)
            for mine in own
        )

    def _differences(self, reg: float) -> None:
        """The learner's own loss on both sides of the parameters, along one random direction a tensor."""
        if "loss" not in self.plan or "forward" not in self.plan or self.slots is None:
            return
        seed = probes.SEEDS[0]
        rows: dict[str, list[float]] = {}
        drawn = probes.network(seed, **{letter: self.sizes[letter] for letter in "DHCN"})
        step = 1e-5
        for place, (name, binding, variant) in enumerate(self.plan["loss"][:2]):
            for index, role in enumerate(self.slots.paths):
                direction = np.random.default_rng([seed, 9, index]).normal(0, 1, drawn[role].shape)
                if self.slots.kinds[role] == "float" or (
                    drawn[role].size > 1 and np.prod(self.slots.shapes[role]) == 1
                ):
                    continue
                ends = []
                for sign in (1, -1):
                    try:
                        ends.append(
                            self._loss_at(
                                {**drawn, role: drawn[role] + sign * step * direction},
                                seed,
                                name,
                                binding,
                                variant,
                                reg,
                            )
                        )
                    except Exception:
                        return
                rows[f"{place}/{role}"] = [(ends[0] - ends[1]) / (2 * step)]
        self.send(
            {"part": "differences", "reg": reg, "step": step, "order": list(self.slots.paths)},
            {k: np.array(v) for k, v in rows.items()},
        )

    def _loss_at(
        self, drawn: dict[str, Any], seed: int, name: str, binding: dict[str, str], variant: str, reg: float
    ) -> float:
        thing, values = self._ready(seed)
        assert self.slots is not None
        self.slots.set(thing, drawn)
        self._set_reg(thing, reg)
        values.update(self._own(thing), reg=reg)
        if self.subject.type is None:
            values["params"] = thing.params
        forward, roles = self.plan["forward"]
        with quiet():
            values.update(self._pool_of(call(self.subject.function(thing, forward), roles, values)))
            values["Y"] = values[variant]
            if "y" not in values:
                found = [
                    v
                    for _, v in arrays_in(thing)
                    if shape_of(v) in ((self.sizes["N"], self.sizes["C"]), (self.sizes["C"], self.sizes["N"]))
                ]
                if found:
                    values["y"] = found[-1]
            return float(
                next(flat(call(self.subject.function(thing, name), binding, values)))[1].reshape(-1)[0]
            )

    def _set_reg(self, thing: Any, reg: float) -> bool:
        """Give an instance's own strength of regularisation a value; whether there is one."""
        found = False
        for value in list(getattr(thing, "__dict__", {}).values()):
            if isinstance(value, Configuration):
                found = value.strengthen(reg) or found
        for key, value in list(getattr(thing, "__dict__", {}).items()):
            if (
                isinstance(value, float | int)
                and not isinstance(value, bool)
                and re.fullmatch(r"_*(reg\w*|lambda\w*|lambd|lamb?da|l_?2\w*|weight_?decay\w*|wd)", key, re.I)
            ):
                setattr(thing, key, reg)
                found = True
        return found

    def _regularised(self) -> None:
        """The same once more with a penalty on the weights, where the code has one."""
        if "backward" not in self.plan or self.slots is None:
            return
        seed, reg = probes.SEEDS[0], 0.3
        name, binding, variant = self.plan["backward"]
        thing, _ = self._ready(seed)
        arguments = {argument.name: argument.role for argument in arguments_of(self._function(name))}
        takes = [argument for argument, role in arguments.items() if role == "reg"]
        if not self._set_reg(thing, reg) and not takes:
            return
        with contextlib.suppress(Exception):
            thing, values = self._after("forward", seed)
            self._set_reg(thing, reg)
            before = cloned(thing)
            with quiet():
                values.update(reg=reg, Y=values[variant])
                made = call(
                    self.subject.function(thing, name),
                    {**binding, **{argument: "reg" for argument in takes}},
                    values,
                )
            returned, changed = list(flat(made))[:64], self._changes(before, thing)[:64]
            arrays = {f"returned{i}": value for i, (_, value) in enumerate(returned)}
            arrays |= {f"changed{i}": np.asarray(value) for i, (_, value) in enumerate(changed)}
            arrays |= {
                f"after/{role}": np.asarray(value, float) for role, value in self.slots.get(thing).items()
            }
            self.send(
                {"part": "observed", "kind": "regularised", "seed": seed, "variant": 0, "reg": reg, "returned": [p for p, _ in returned],
                 "changed": [p for p, _ in changed], "roles": binding, "labels": variant, "spoiled": [], "out": "", "none": made is None, "state": "forward"},
                arrays,
            )  # fmt: skip
        self._differences(reg)

    def _training(self) -> None:
        """Training for a few epochs in batches: which examples were seen, in which order, and what moved."""
        if "train" not in self.plan:
            return
        name, binding, variant = self.plan["train"]
        seed = probes.SEEDS[0]
        for subject in (self.recorded,):
            self.subject = subject
            thing, values = self._ready(seed)
            epochs, batch = probes.TRAINING["epochs"], probes.TRAINING["batch"]
            values.update(self._training_values(seed, epochs, batch))
            values["Y"] = values[variant]
            _set_rates(thing, epochs, batch)
            if self.subject.type is None:
                values = {**values, **self._own(thing), "params": thing.params}
            before = self.slots.get(cloned(thing)) if self.slots else {}
            self.recorder.clear()
            self.recorder.left *= 2
            self.recorder.on = True
            message, line, made = "", 0, None
            given = {role: np.array(values[role]) for role in ("X", "Y")}
            started = time.monotonic()
            try:
                with quiet():
                    made = call(self.subject.function(thing, name), binding, values)
            except Exception as error:
                message, line = said(error), line_of(error, self.source.name)
            finally:
                self.recorder.on = False
            meta, arrays = self.recorder.answer()
            after = self.slots.get(thing) if self.slots else {}
            if self.subject.type is None and made is not None:
                slots = slots_of(SimpleHolder(made), {letter: self.sizes[letter] for letter in "DHC"})
                after = slots.get(SimpleHolder(made)) if slots else after
            arrays |= {f"before/{role}": np.asarray(value, float) for role, value in before.items()}
            arrays |= {f"after/{role}": np.asarray(value, float) for role, value in after.items()}
            spoiled = [role for role in given if not np.array_equal(given[role], values[role])]
            roles = sorted(set(binding.values()))
            self.send(
                {"part": "trained", "seed": seed, "epochs": epochs, "batch": batch, "roles": roles, "labels": variant, **meta,
                 "message": message, "line": line, "seconds": time.monotonic() - started, "spoiled": spoiled}, arrays,
            )  # fmt: skip
        self.subject = self.plain


class SimpleHolder:
    """Something that holds what a function returned, so that it can be looked into like an object."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _shapes(thing: Any) -> list[list[Any]]:
    return [
        [said_path(path), list(shape_of(value))] for path, value in itertools.islice(arrays_in(thing), 20)
    ]


def _set_lr(thing: Any, rate: float) -> None:
    """Give an instance that keeps its learning rate another one."""
    for key, value in list(getattr(thing, "__dict__", {}).items()):
        if isinstance(value, float | int) and not isinstance(value, bool) and role_of(key) == "lr":
            setattr(thing, key, rate)


def _set_rates(thing: Any, epochs: int, batch: int) -> None:
    """Give an instance that keeps these for itself the numbers that the probe wants."""
    for key, value in list(getattr(thing, "__dict__", {}).items()):
        if isinstance(value, int) and not isinstance(value, bool):
            if re.fullmatch(r"_*(n|num|max)?_?(epochs?|iter\w*)", key, re.I):
                setattr(thing, key, epochs)
            elif re.fullmatch(r"_*(mini_?)?batch_?size", key, re.I):
                setattr(thing, key, batch)


def _digest(made: Any) -> list[float]:
    """Two sums of what was returned, by which a rewritten run is held to the original."""
    numbers = [np.asarray(value, float).ravel() for _, value in flat(made)]
    if not numbers:
        return []
    everything = np.concatenate(numbers)
    everything = everything[np.isfinite(everything)]
    return [float(everything.sum()), float(np.abs(everything).sum())]


@contextlib.contextmanager
def quiet(stream: Any = None) -> Iterator[None]:
    """Run without warnings, and without showing what is printed."""
    with (
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
        contextlib.redirect_stdout(stream or io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield


__all__ = ["NetworkRun", "placed"]
