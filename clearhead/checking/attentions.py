"""A learner's multi-head attention in PyTorch: understood by trying, and run on the probes.

Runs inside the sandbox, where torch is loaded already. It knows no right value.
"""

import contextlib
import itertools
import re
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.binding import Argument, arguments_of, role_of
from clearhead.checking.find import Program
from clearhead.checking.networks import quiet
from clearhead.checking.recorder import Loaded, Recorder, line_of, said
from clearhead.checking.source import Source
from clearhead.checking.subject import Configuration, seed_all

Send = Callable[[dict[str, Any], dict[str, Any]], None]

SIZES = [
    ("A", r"(n|num|no|number_of)?_?(attention_)?heads?|h|nheads?|nh|num_attention_heads|a"),
    ("K", r"d_?[kvq]|head_?(dim|size)|dim_?(per_)?head|depth|(key|value|query|qkv|k|v)_?(dim|size)|d_head|size_per_head"),
    ("T", r"block_?size|context_?(length|size|len)|max_?\w*len\w*|(max_)?seq_?len\w*|n_?ctx|max_positions|t|context|sequence_length|num_tokens"),
    ("dropout", r".*drop.*|p|dp"),
    ("bias", r".*bias.*"),
    ("config", r"config|cfg|args|conf|opt|hparams|params|c|hp"),
    ("M", r"d_?model|(model|embed\w*|emb|hidden|input|in|out|output|feature|token|n)_?(dim|size|d|embd|features|channels|units)?s?|dim\w*|d|d_(in|out|embed|emb|hidden)|n_?embd|n_?state|width|channels|units|e|m"),
]  # fmt: skip
INPUTS = [
    ("mask", r".*mask.*|m"),
    ("q", r"x?_?q(uery|ueries|s)?(_?\w{0,6})?"),
    ("k", r"x?_?k(ey|eys|s)?(_?\w{0,6})?"),
    ("v", r"x?_?v(alue|alues|s)?(_?\w{0,6})?"),
    ("flag", r"(return|need|output|use|with|get)_\w+|is_causal|causal|average\w*|verbose|training"),
    ("context", r"context|memory|enc\w*|kv|y|source"),
    ("x", r"x\w*|inputs?|hidden_?states?|emb\w*|tokens?|src|seq\w*|h|data|input_tensor|features?|t|inp"),
]  # fmt: skip


class AttentionRun:
    """One learner's attention: what its constructor and its forward want, and what comes of the probes."""

    def __init__(self, program: Program, source: Source, modules: dict[str, Source], send: Send) -> None:
        self.program, self.source, self.send = program, source, send
        self.torch = sys.modules.get("torch") or __import__("torch")
        self.recorder = Recorder()
        self.plain = Loaded(program, source, modules, None)
        self.recorded = Loaded(program, source, modules, self.recorder)
        self.sizes = {**probes.ATTENTION, "M": probes.ATTENTION["A"] * probes.ATTENTION["K"]}
        self.named: dict[str, Any] = {}
        self.crash: dict[str, Any] = {}
        self.inputs: list[tuple[str, str]] = []
        self.masks: list[str] = []

    def run(self) -> None:
        """Find out, then observe; each part is sent as soon as it is there."""
        if self.plain.failed and self.program.name not in self.plain.names:
            line, message = self.plain.failed[0]
            self.send({"part": "crash", "phase": "definition", "line": line, "message": message}, {})
            return
        if not self._understand():
            self.send({"part": "crash", "phase": "forward", **self.crash}, {})
            return
        module = self._make(self.plain)
        parameters = self._parameters(module)
        self.send(
            {
                "part": "understood", "sizes": dict(self.sizes), "inputs": self.inputs, "parameters": parameters,
                "sites": [site.row() for site in self.recorder.sites], "lines": self.program.lines,
                "missing": self.plain.missing, "repeated": self._repeated(module), "gradient": self._gradients(module), "optional": self._mask_argument() is not None,
            }, {},
        )  # fmt: skip
        for seed in probes.SEEDS:
            self._observe("self", seed)
            if len([role for role, _ in self.inputs if role in "qkv" or role == "context"]) > 1:
                self._observe("cross", seed)
            self._masked(seed)
        self._edges()

    # Construction

    def _type(self, loaded: Loaded) -> Any:
        return loaded.names[self.program.name]

    def _ways(self) -> Iterator[dict[str, Any]]:
        """Arguments for the constructor, likelier ones first."""
        arguments = [
            a
            for a in arguments_of(self._type(self.plain))
            if a.name not in ("args", "kwargs", "device", "dtype")
        ]
        values = {
            **self.sizes,
            "dropout": 0.1,
            "bias": True,
            "config": Configuration({**self.sizes, "dropout": 0.1, "bias": True}, SIZES),
        }
        known: dict[str, Any] = {}
        unknown: list[Argument] = []
        for argument in arguments:
            role = role_of(argument.name, SIZES)
            if role in ("A", "M", "T", "K") and (
                argument.required or isinstance(argument.default, int) or argument.default is None
            ):
                if role == "K" and not argument.required and argument.default is None:
                    continue
                known[argument.name] = values[role]
            elif role == "config" and argument.required:
                known[argument.name] = values[role]
            elif role and argument.required:
                known[argument.name] = values[role]
            elif argument.required:
                unknown.append(argument)
        roles_known = [role_of(name, SIZES) for name in known]
        if not unknown and {"A", "M", "K"} <= set(roles_known):
            # Where the length of a head is free, one with which the heads together are no token's length.
            yield {name: 5 if role_of(name, SIZES) == "K" else value for name, value in known.items()}
        pool = ["A", "M", "T", "K", "dropout"]
        for roles in itertools.islice(itertools.permutations(pool, len(unknown)), 30):
            yield {
                **known,
                **{argument.name: values[role] for argument, role in zip(unknown, roles, strict=True)},
            }
        if not unknown and self.crash.get("sure"):
            return  # All was given by name.
        # A name may mean something else here.
        required = [argument for argument in arguments if argument.required]
        if 0 < len(required) <= 4:
            for roles in itertools.islice(itertools.product(["A", "M", "T", "K"], repeat=len(required)), 80):
                yield {argument.name: values[role] for argument, role in zip(required, roles, strict=True)}
        yield {}

    def _make(self, loaded: Loaded) -> Any:
        seed_all()
        with quiet():
            module = self._type(loaded)(**self.named).double().eval()
            for _, p, _, known in self._all(module):
                if not known:
                    p.data = p.data.double()
            return module

    def _understand(self) -> bool:
        """Find a constructor's and a forward's arguments with which vectors come out for vectors."""
        deadline = time.monotonic() + 8
        for named in self._ways():
            if time.monotonic() > deadline:
                break
            try:
                self.named = named
                module = self._make(self.plain)
            except Exception as error:
                self._crashed(error)
                continue
            sizes = dict(self.sizes)
            if not named:
                self._fixed_sizes(module)
            for inputs in self._input_ways(module):
                try:
                    self.inputs = inputs
                    out = self._call(module, self._given("self", probes.SEEDS[0]))
                except Exception as error:
                    self._crashed(error)
                    continue
                if self._outputs(out):
                    return True
                self.crash.setdefault("shape", [list(value.shape) for value in self._tensors(out)][:3])
            self.sizes = sizes
        return False

    def _fixed_sizes(self, module: Any) -> None:
        """Sizes that the code fixes, from its parameters and its own numbers."""
        weights = [p for _, p in module.named_parameters() if p.dim() == 2]
        if weights:
            M = weights[0].shape[1]
            found = {
                key: value
                for key, value in vars(module).items()
                if isinstance(value, int) and not isinstance(value, bool)
            }
            heads = [value for key, value in found.items() if role_of(key, SIZES) == "A"]
            lists = [len(part) for part in module.children() if isinstance(part, self.torch.nn.ModuleList)]
            A = (heads or lists or [1])[0]
            self.sizes.update(M=M, A=A, K=max(M // max(A, 1), 1))
        buffers = [b for b in module.buffers() if b.dim() >= 2 and b.shape[-1] == b.shape[-2]]
        if buffers and buffers[0].shape[-1] < self.sizes["T"]:
            self.sizes["T"] = buffers[0].shape[-1]

    def _crashed(self, error: BaseException) -> None:
        line, message = line_of(error, self.source.name), said(error)
        arguments = [a for a in arguments_of(self._type(self.plain)) if a.required]
        named = all(role_of(a.name, SIZES) for a in arguments)
        blamed = (
            re.search(
                r"Stub|Configuration|ModuleNotFoundError|missing \d+ required|unexpected keyword", message
            )
            or self.plain.missing
        )
        if "message" not in self.crash or (line and not self.crash.get("line")):
            self.crash.update(line=line, message=message, sure=bool(named and line and not blamed))

    # Forward

    def _arguments(self, module: Any) -> list[Argument]:
        return arguments_of(module.forward)

    def _mask_argument(self) -> str | None:
        return next((name for role, name in self.inputs if role == "mask"), None)

    def _input_ways(self, module: Any) -> Iterator[list[tuple[str, str]]]:
        """Roles for the arguments of forward, likelier ones first."""
        arguments = self._arguments(module)
        roles = [role_of(argument.name, INPUTS) for argument in arguments]
        wanted = [place for place, argument in enumerate(arguments) if argument.required]
        named = [
            (role, arguments[place].name)
            for place, role in enumerate(roles)
            if role and (place in wanted or role in ("mask", "q", "k", "v", "context"))
        ]
        required_known = all(roles[place] for place in wanted)
        optional_mask = [("mask", a.name) for a, role in zip(arguments, roles, strict=True) if role == "mask"]
        if required_known and named:
            yield named
            if any(role == "context" for role, _ in named):
                yield [pair for pair in named if pair[0] != "context"]
        names = [arguments[place].name for place in wanted]
        options = [
            name for place, name in enumerate(a.name for a in arguments)
            if place not in wanted and roles[place] == "" and arguments[place].default is None
        ]  # fmt: skip
        guesses = {
            1: [("x",)],
            2: [("x", "mask"), ("q", "k")],
            3: [("q", "k", "v"), ("x", "mask", "flag")],
            4: [("q", "k", "v", "mask")],
        }
        for guess in guesses.get(len(names), []):
            made = list(zip(guess, names, strict=True))
            extra = optional_mask or ([("mask", options[0])] if options and "mask" not in guess else [])
            yield made + [pair for pair in extra if pair not in made and pair[0] not in guess]
            yield made

    def _given(self, kind: str, seed: int) -> dict[str, Any]:
        B, T, M = (self.sizes[letter] for letter in "BTM")
        x = self.torch.tensor(probes.tokens(seed, B, T, M))
        if kind == "self":
            return {"x": x, "q": x, "k": x, "v": x, "context": x}
        other = [self.torch.tensor(probes.tokens(seed + shift, B, T, M)) for shift in (100, 200)]
        return {"x": x, "q": x, "k": other[0], "v": other[1], "context": other[0]}

    def _call(self, module: Any, given: dict[str, Any], mask: Any = None) -> Any:
        named = {}
        for role, name in self.inputs:
            if role == "mask":
                named[name] = mask
            elif role == "flag":
                named[name] = False
            else:
                named[name] = given[role]
        if mask is None and "mask" in (role for role, _ in self.inputs):
            required = {argument.name for argument in self._arguments(module) if argument.required}
            for role, name in self.inputs:
                if role == "mask":
                    if name in required:
                        named[name] = None
                    else:
                        del named[name]
        seed_all()
        with quiet(), self._without_dropout():
            try:
                return module(**named)
            except Exception:
                # Code that cannot do without a mask is given one that hides nothing.
                name = self._mask_argument()
                if mask is not None or name is None:
                    raise
                for form in ("BTT", "B1TT", "TT", "BT", "B11T", "BATT"):
                    for kind in ("bool", "int"):
                        with contextlib.suppress(Exception):
                            ones = np.ones((self.sizes["B"], self.sizes["T"], self.sizes["T"]), bool)
                            return module(**{**named, name: self._mask(ones, form, kind)})
                raise

    @contextlib.contextmanager
    def _without_dropout(self) -> Iterator[None]:
        functional = self.torch.nn.functional
        kept = functional.dropout
        functional.dropout = lambda input, *_, **__: input
        try:
            yield
        finally:
            functional.dropout = kept

    def _tensors(self, out: Any) -> Iterator[Any]:
        if isinstance(out, self.torch.Tensor):
            yield out
        elif isinstance(out, dict):
            for part in out.values():
                yield from self._tensors(part)
        elif isinstance(out, tuple | list):
            for part in out:
                yield from self._tensors(part)

    def _outputs(self, out: Any) -> list[Any]:
        """Tensors with a vector for each token: batches, tokens and model_dim, in this order or tokens first."""
        B, T, M = (self.sizes[letter] for letter in "BTM")
        tensors = list(self._tensors(out))
        return [t for t in tensors if tuple(t.shape) == (B, T, M)] or [t for t in tensors if tuple(t.shape) in ((T, B, M),)] or [
            t for t in tensors[:1] if t.dim() == 3 and tuple(t.shape[:2]) == (B, T)
        ]  # fmt: skip

    # Parameters

    def _all(self, module: Any) -> list[tuple[str, Any, str, bool]]:
        """Every parameter with its name, its owner's kind, and whether the module knows of it."""
        torch = self.torch
        kinds = {
            id(p): type(owner).__name__
            for owner in module.modules()
            for p in owner._parameters.values()
            if p is not None
        }
        found = [(name, p, kinds.get(id(p), ""), True) for name, p in module.named_parameters()]
        seen = {id(p) for _, p, _, _ in found}

        def look(thing: Any, path: str, depth: int) -> None:
            if depth > 3:
                return
            if isinstance(thing, torch.nn.Module):
                for name, p in thing.named_parameters():
                    if id(p) not in seen:
                        seen.add(id(p))
                        owner = next(
                            type(o).__name__
                            for o in thing.modules()
                            if any(p is q for q in o._parameters.values())
                        )
                        found.append((f"{path}.{name}", p, owner, False))
                for name, part in vars(thing).items():
                    if name not in ("_parameters", "_modules", "_buffers") and not name.startswith("__"):
                        look(part, f"{path}.{name}".lstrip("."), depth + 1)
                for name, part in thing._modules.items():
                    look(part, f"{path}.{name}".lstrip("."), depth + 1)
            elif isinstance(thing, list | tuple):
                for place, part in enumerate(thing):
                    look(part, f"{path}.{place}", depth + 1)
            elif isinstance(thing, dict):
                for name, part in thing.items():
                    look(part, f"{path}.{name}", depth + 1)
            elif (
                isinstance(thing, torch.Tensor)
                and thing.is_floating_point()
                and thing.dim() >= 1
                and id(thing) not in seen
            ):
                M = self.sizes["M"]
                if thing.requires_grad or (
                    thing.dim() >= 2 and M in thing.shape and thing.shape[-1] != self.sizes["T"]
                ):
                    seen.add(id(thing))
                    found.append((path, thing, "", False))

        look(module, "", 0)
        return found

    def _repeated(self, module: Any) -> list[str]:
        """Names under which a parameter is known that has another name already."""
        seen: set[int] = set()
        made = []
        for name, p in module.named_parameters(remove_duplicate=False):
            if id(p) in seen:
                made.append(name)
            seen.add(id(p))
        return made

    def _parameters(self, module: Any) -> list[list[Any]]:
        return [[name, list(p.shape), kind, known] for name, p, kind, known in self._all(module)]

    def _ready(self, loaded: Loaded, seed: int) -> Any:
        """A module in double precision, all of whose parameters are drawn anew."""
        torch = self.torch
        module = self._make(loaded)
        with torch.no_grad():
            for place, (_, p, _, _) in enumerate(self._all(module)):
                p.data = torch.tensor(probes.parameter(seed, place, tuple(p.shape)))
        return module

    def _gradients(self, module: Any) -> dict[str, bool]:
        """Which parameters a loss of the output reaches."""
        try:
            module = self._ready(self.plain, probes.SEEDS[0])
            out = self._outputs(self._call(module, self._given("self", probes.SEEDS[0])))[0]
            if not out.requires_grad:
                return {name: False for name, *_ in self._all(module)}
            (out * out).sum().backward()
            return {
                name: p.grad is not None and bool(p.grad.abs().max() > 1e-12)
                for name, p, _, known in self._all(module) if known
            }  # fmt: skip
        except Exception:
            return {}

    # Observing

    def _mask(self, allowed: Any, form: str, kind: str) -> Any:
        """A mask in the shape and kind that a learner's code may take."""
        torch = self.torch
        if form in ("BT", "B11T", "1T"):
            allowed = allowed[:, -1, :]
            allowed = allowed if form != "B11T" else allowed[:, None, None, :]
        elif form == "TT":
            allowed = allowed[0]
        elif form == "B1TT":
            allowed = allowed[:, None]
        elif form == "BATT":
            allowed = np.repeat(allowed[:, None], self.sizes["A"], axis=1)
        mask = torch.tensor(np.ascontiguousarray(allowed))
        if kind == "int":
            return mask.long()
        if kind == "float":
            return mask.double()
        if kind == "added":
            return torch.zeros(mask.shape, dtype=torch.float64).masked_fill(~mask, -1e9)
        return mask

    def _observe(self, kind: str, seed: int, mask: Any = None, **header: Any) -> bool:
        done = False
        for loaded in (self.plain, self.recorded):
            recorded = loaded is self.recorded
            self.recorder.clear()
            try:
                module = self._ready(loaded, seed)
                given = self._given("cross" if kind == "cross" else "self", seed)
                before = {role: tensor.clone() for role, tensor in given.items()}
                with self.torch.no_grad():
                    self.recorder.on = recorded
                    try:
                        out = self._call(module, given, mask)
                    finally:
                        self.recorder.on = False
            except Exception as error:
                if not recorded:
                    self.send(
                        {
                            "part": "failed",
                            "kind": kind,
                            "seed": seed,
                            "line": line_of(error, self.source.name),
                            "message": said(error),
                            **header,
                        },
                        {},
                    )
                return False
            outs = [tensor.detach().double().numpy().copy() for tensor in self._outputs(out)][:3]
            digest = [float(np.nan_to_num(outs[0]).sum())] if outs else []
            if recorded:
                meta, arrays = self.recorder.answer()
                self.send(
                    {"part": "records", "kind": kind, "seed": seed, **meta, "out": digest, **header}, arrays
                )
            else:
                spoiled = [
                    role for role, tensor in given.items() if not self.torch.equal(tensor, before[role])
                ]
                self.send(
                    {"part": "observed", "kind": kind, "seed": seed, "out": digest, "spoiled": spoiled, "single": not isinstance(out, tuple | list | dict), **header},
                    {f"out{place}": value for place, value in enumerate(outs)},
                )  # fmt: skip
                done = bool(outs)
        return done

    def _masked(self, seed: int) -> None:
        """The forms of a mask that the code takes, and what comes of each."""
        if self._mask_argument() is None:
            return
        allowed = probes.mask(seed, self.sizes["B"], self.sizes["T"])
        for form in ("B1TT", "BTT", "TT", "B11T", "BT", "BATT"):
            for kind in ("bool", "int", "float"):
                module = self._ready(self.plain, seed)
                try:
                    with self.torch.no_grad():
                        out = self._call(module, self._given("self", seed), self._mask(allowed, form, kind))
                    if not self._outputs(out):
                        continue
                except Exception:
                    continue
                self._observe("masked", seed, self._mask(allowed, form, kind), form=form, values=kind)
                break
            with contextlib.suppress(Exception):
                module = self._ready(self.plain, seed)
                with self.torch.no_grad():
                    out = self._outputs(
                        self._call(module, self._given("self", seed), self._mask(allowed, form, "added"))
                    )
                if out:
                    self.send(
                        {
                            "part": "observed",
                            "kind": "added",
                            "seed": seed,
                            "form": form,
                            "values": "added",
                            "out": [],
                        },
                        {"out0": out[0].numpy().copy()},
                    )

    def _edges(self) -> None:
        """Nothing allowed, everything allowed, one of a batch alone, tokens in another order, twice the same."""
        torch, seed = self.torch, probes.SEEDS[0]
        arrays: dict[str, Any] = {}
        made: dict[str, Any] = {"part": "edges"}
        B, T = self.sizes["B"], self.sizes["T"]
        with contextlib.suppress(Exception):
            module = self._ready(self.plain, seed)
            given = self._given("self", seed)
            order = torch.arange(T - 1, -1, -1)
            kept = dict(self.sizes)
            with torch.no_grad():
                arrays["reversed"] = (
                    self._outputs(self._call(module, {role: x[:, order] for role, x in given.items()}))[0]
                    .numpy()
                    .copy()
                )
                self.sizes["B"] = 1
                arrays["alone"] = (
                    self._outputs(self._call(module, {role: x[:1] for role, x in given.items()}))[0]
                    .numpy()
                    .copy()
                )
            self.sizes = kept
        self.sizes["B"] = B
        with contextlib.suppress(Exception):
            module = self._ready(self.plain, seed)
            named = {
                name: self._given("self", seed)[role]
                for role, name in self.inputs
                if role not in ("mask", "flag")
            }
            if any(
                role == "mask" and any(a.name == name and a.required for a in self._arguments(module))
                for role, name in self.inputs
            ):
                named[self._mask_argument() or ""] = None
            for role, name in self.inputs:
                if role == "flag":
                    named[name] = False
            with torch.no_grad(), quiet():
                torch.manual_seed(1)
                one = self._outputs(module(**named))[0]
                torch.manual_seed(2)
                two = self._outputs(module(**named))[0]
            made["wavers"] = not torch.equal(torch.nan_to_num(one), torch.nan_to_num(two))
        if self._mask_argument() is not None:
            nothing = probes.mask(seed, B, T)
            nothing[0, 2] = False
            for form in ("B1TT", "BTT", "TT", "BATT", "B11T", "BT"):
                blocked = nothing.copy()
                if form in ("B11T", "BT"):
                    blocked[0, -1] = False
                done = False
                for kind in ("bool", "int", "float"):
                    with contextlib.suppress(Exception):
                        module = self._ready(self.plain, seed)
                        with torch.no_grad():
                            out = self._outputs(
                                self._call(module, self._given("self", seed), self._mask(blocked, form, kind))
                            )
                        if out:
                            arrays["nothing"] = out[0].numpy().copy()
                            made["nothing_form"], done = form, True
                            break
                if done:
                    break
        self.send(made, arrays)
