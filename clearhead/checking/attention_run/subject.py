"""A learner's class of attention: makes modules of it and calls them, once it is known with what.

Runs inside the sandbox, where torch is loaded already. It knows no right value.
"""

import contextlib
import copy
import importlib
import itertools
import re
import statistics
from collections.abc import Iterator
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.attention_run.arguments import SIZES, Roles, flags_of
from clearhead.checking.attention_run.parameters import Parameter, norms_of, parameters_of
from clearhead.checking.binding import Argument, arguments_of, role_of
from clearhead.checking.mask_forms import FORMS, shaped
from clearhead.checking.recorder import Loaded
from clearhead.checking.subject import quiet, seed_all

Given = dict[str, Any]
# A shape that is taken apart, or told, with the number of tokens before that of sequences.
_TOKENS_FIRST = (
    r"\b(\w*len\w*|[tls]|seq\w*|time\w*|src|tgt) *, *(bsz|[bn]|bs|batch\w*)\b[^=\n]*= *\w+\.(size\(\)|shape)"
    r"|\((seq\w*|time|tokens|[TL]|\w+_len) *, *(batch\w*|[BN]|bsz) *,[^()\n]*\)"
)


class AttentionSubject:
    """A class by its name: its sizes, what it is made with, and the roles of forward's arguments."""

    def __init__(self, name: str) -> None:
        self.name, self.torch = name, importlib.import_module("torch")
        self.sizes = {**probes.ATTENTION, "M": probes.ATTENTION["A"] * probes.ATTENTION["K"]}
        self.named: dict[str, Any] = {}
        self.inputs: Roles = []
        self.flags: dict[str, bool] = {}  # of forward's arguments
        self.open_mask: tuple[str, str, bool] | None = None  # the kind that hides nothing
        self.tokens_first = False  # tokens, then the sequences of a batch, as in older code
        self.alone = False  # one sequence at a time, without a batch
        self.hides = False  # some token from some other, without a mask being given

    @property
    def mask_arguments(self) -> list[str]:
        """The arguments of forward that take a mask."""
        return [name for role, name in self.inputs if role == "mask"]

    def of_batch(self, size: int) -> "AttentionSubject":
        """The same for batches of another size."""
        other = copy.copy(self)
        other.sizes = {**self.sizes, "B": size}
        return other

    def flagged(self, loaded: Loaded) -> Iterator["AttentionSubject"]:
        """The same with something turned on that is off: at construction, or in each call."""
        for name in flags_of(self.arguments(loaded)):
            if name in self.named:
                continue
            other = copy.copy(self)
            other.named = {**self.named, name: True}
            yield other
        for name in flags_of(arguments_of(loaded.names[self.name].forward)):
            other = copy.copy(self)
            other.flags = {name: True}
            yield other

    # Construction

    def arguments(self, loaded: Loaded) -> list[Argument]:
        """The arguments of the constructor."""
        return arguments_of(loaded.names[self.name])

    def make(self, loaded: Loaded) -> Any:
        """A module in double precision, as it is in use, and with its norms set aside."""
        seed_all()
        with quiet():
            module = loaded.names[self.name](**self.named)
            for lazy in [part for part in module.modules() if isinstance(part, self.torch.nn.LazyLinear)]:
                lazy(self.torch.zeros(1, self.sizes["M"]))
            module = module.double().eval()
            for norm in norms_of(module).values():
                norm.forward = lambda value: value
            for parameter in self.parameters(module):
                if not parameter.known:
                    parameter.tensor.data = parameter.tensor.data.double()
            return module

    def ready(self, loaded: Loaded, seed: int) -> Any:
        """A module all of whose parameters are drawn anew."""
        module = self.make(loaded)
        with self.torch.no_grad():
            for place, parameter in enumerate(self.parameters(module)):
                shape = tuple(parameter.tensor.shape)
                parameter.tensor.data = self.torch.tensor(probes.parameter(seed, place, shape))
        return module

    def parameters(self, module: Any) -> list[Parameter]:
        """Every parameter of a module, also those that it does not know of."""
        return parameters_of(module, self.sizes["M"], self.sizes["T"])

    def fits(self, module: Any) -> bool:
        """Whether a module takes tokens as long as ours, as far as most of its projections tell."""
        M, K = self.sizes["M"], self.sizes["M"] // self.sizes["A"]
        parameters = [p for p in self.parameters(module) if p.tensor.dim() >= 2]
        linear = [tuple(p.tensor.shape) for p in parameters if p.owner == "Linear"]
        if linear:
            return statistics.mode(shape[1] for shape in linear) == M or (K, K) in linear
        return not parameters or M in parameters[0].tensor.shape

    def read_sizes(self, module: Any, loaded: Loaded) -> None:
        """Take over the sizes that the code fixes, from its parameters and its own numbers."""
        widths = [p.tensor.shape[1] for p in self.parameters(module) if p.tensor.dim() == 2]
        if widths:
            M = statistics.mode(widths)  # the one that most projections take
            numbers = {**loaded.names, **vars(module)}
            heads = [v for key, v in numbers.items() if type(v) is int and role_of(key, SIZES) == "A"]
            parts = [*module.children(), *vars(module).values()]
            lists = [len(part) for part in parts if isinstance(part, self.torch.nn.ModuleList | list)]
            A = [*heads[::-1], *lists, 1][0]
            self.sizes.update(M=M, A=A, K=max(M // max(A, 1), 1))
        tables = [b.shape[-1] for b in module.buffers() if b.dim() >= 2 and b.shape[-1] == b.shape[-2]]
        self.sizes["T"] = min([*tables[:1], self.sizes["T"]])

    # Forward

    def given(self, kind: str, seed: int) -> Given:
        """Tokens by the role that takes them; of "cross" those of the keys and values are others."""
        x = self._drawn(seed)
        if kind != "cross":
            return {"x": x, "q": x, "k": x, "v": x, "context": x}
        k, v = (self._drawn(seed + shift) for shift in (100, 200))
        return {"x": x, "q": x, "k": k, "v": v, "context": k}

    def _drawn(self, seed: int) -> Any:
        tokens = self.torch.tensor(probes.tokens(seed, *(self.sizes[letter] for letter in "BTM")))
        return tokens.transpose(0, 1).contiguous() if self.tokens_first else tokens

    def mask(self, allowed: Any, form: str, values: str) -> Any:
        """A mask (B,T,T) in a form and of a kind of values that a learner's code may take."""
        mask = self.torch.tensor(np.ascontiguousarray(shaped(allowed, form, self.sizes["A"])))
        if values == "added":
            return self.torch.zeros(mask.shape, dtype=self.torch.float64).masked_fill(~mask, -1e9)
        return mask.to({"bool": self.torch.bool, "int": self.torch.long, "float": self.torch.float64}[values])

    def call(self, module: Any, given: Given, masks: Given | None = None) -> Any:
        """What forward returns, with nothing dropped out."""
        named = self.passed(module, given, masks)
        seed_all()
        with quiet(), self._without_dropout():
            try:
                if self.open_mask is None or masks:  # Else it is known to want one.
                    return self.run(module, named)
            except Exception as error:
                if masks or not self.mask_arguments:
                    raise
                # What has nothing to do with a mask that is left out goes wrong with any.
                if isinstance(error, RuntimeError) and not set(named) & {*self.mask_arguments}:
                    raise
            return self._called_with_open_masks(module, named)

    def run(self, module: Any, named: Given) -> Any:
        """What forward returns; of sequences one at a time the outputs side by side."""
        if not self.alone:
            return module(**named)
        B, tensor = self.sizes["B"], self.torch.Tensor
        outs = [
            module(**{
                name: value[row] if isinstance(value, tensor) and len(value) == B else value
                for name, value in named.items()
            })
            for row in range(B)
        ]  # fmt: skip
        return [self.torch.stack(each) for each in zip(*map(self.tensors, outs), strict=True)]

    def _called_with_open_masks(self, module: Any, named: dict[str, Any]) -> Any:
        """What code returns that cannot do without a mask, when that hides nothing."""
        ways = itertools.product(("bool", "int"), FORMS, (False, True))
        for way in [self.open_mask] if self.open_mask else ways:
            with contextlib.suppress(Exception):
                open_ = dict.fromkeys(self.mask_arguments, self._hiding_nothing(*way))
                out = self.run(module, named | open_)
                outputs = self.outputs(out)
                if outputs and not self._is_blind(outputs[0]):
                    self.open_mask = way
                    return out
        raise ValueError("no mask is taken that hides nothing")

    def _is_blind(self, out: Any) -> bool:
        """Whether all tokens got the same, as where everything is hidden from them."""
        first = out.narrow(0, 0, 1) if self.tokens_first else out.narrow(1, 0, 1)
        return not bool(self.torch.isfinite(out).all()) or self.torch.allclose(out, first.expand_as(out))

    def passed(self, module: Any, given: Given, masks: Given | None = None) -> dict[str, Any]:
        """The arguments of a call by name: no mask is one only where there must be one."""
        required = {argument.name for argument in arguments_of(module.forward) if argument.required}
        named: dict[str, Any] = {}
        for role, name in self.inputs:
            if role != "mask":
                named[name] = False if role == "flag" else given[role]
            elif name in required or name in (masks or {}):
                named[name] = (masks or {}).get(name)
        return named | self.flags

    def _hiding_nothing(self, values: str, form: str, true_hides: bool) -> Any:
        B, T = self.sizes["B"], self.sizes["T"]
        return self.mask(np.full((B, T, T), not true_hides), form, values)

    @contextlib.contextmanager
    def in_double(self) -> Iterator[None]:
        """What is made without a precision is made in double precision."""
        kept = self.torch.get_default_dtype()
        self.torch.set_default_dtype(self.torch.float64)
        try:
            yield
        finally:
            self.torch.set_default_dtype(kept)

    @contextlib.contextmanager
    def _without_dropout(self) -> Iterator[None]:
        functional = self.torch.nn.functional
        kept = functional.dropout
        functional.dropout = lambda value, *_, **__: value
        try:
            yield
        finally:
            functional.dropout = kept

    def find_order(self, loaded: Loaded) -> None:
        """Find out which vectors a token reaches: whether tokens come first, whether some are hidden."""
        module, given = self.ready(loaded, probes.SEEDS[0]), self.given("self", probes.SEEDS[0])
        within = across = whole = False
        reached: list[tuple[int, int]] = []  # how many vectors, in the row and in the column
        for row, column in ((0, 0), (-1, -1)):
            other = {role: x.clone() for role, x in given.items()}
            for x in other.values():
                x[row, column] += 1
            with self.torch.no_grad():
                before, after = (self.outputs(self.call(module, each))[0] for each in (given, other))
            changed = (self.torch.nan_to_num(after - before).abs() > 1e-9).any(dim=-1)
            changed[row, column] = False
            rest = changed[row, :-1] if column else changed[row, 1:]
            within, whole = within or bool(rest.any()), whole or bool(rest.all())
            across = across or bool(changed[:, column].any())
            reached.append((int(changed[row].sum()), int(changed[:, column].sum())))
        if across == within or not (across or whole):
            self.tokens_first = bool(re.search(_TOKENS_FIRST, loaded.source.text))
        else:
            self.tokens_first = across
        self.hides = any(counts[self.tokens_first] < self.sizes["T"] - 1 for counts in reached)

    # What comes out

    def tensors(self, out: Any) -> Iterator[Any]:
        """The tensors in what forward returned."""
        if isinstance(out, self.torch.Tensor):
            yield out
        elif isinstance(out, dict | tuple | list):
            for part in out.values() if isinstance(out, dict) else out:
                yield from self.tensors(part)

    def outputs(self, out: Any) -> list[Any]:
        """Tensors with a vector for each token: batches, tokens, model_dim, or tokens first."""
        B, T, M = (self.sizes[letter] for letter in "BTM")
        tensors = list(self.tensors(out))
        right = [t for t in tensors if tuple(t.shape) == (B, T, M)]
        turned = [t for t in tensors if tuple(t.shape) == (T, B, M)]
        return right or turned or [t for t in tensors[:1] if t.dim() == 3 and tuple(t.shape[:2]) == (B, T)]
