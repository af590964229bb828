"""A learner's class of attention: makes modules of it and calls them, once it is known with what.

Runs inside the sandbox, where torch is loaded already. It knows no right value.
"""

import contextlib
import copy
import importlib
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from clearhead.checking import probes
from clearhead.checking.attention_arguments import SIZES, Roles
from clearhead.checking.attention_parameters import Parameter, parameters_of
from clearhead.checking.binding import Argument, arguments_of, role_of
from clearhead.checking.mask_forms import FORMS, shaped
from clearhead.checking.recorder import Loaded
from clearhead.checking.subject import quiet, seed_all

Given = dict[str, Any]


class AttentionSubject:
    """A class by its name: its sizes, what it is made with, and the roles of forward's arguments."""

    def __init__(self, name: str) -> None:
        self.name, self.torch = name, importlib.import_module("torch")
        self.sizes = {**probes.ATTENTION, "M": probes.ATTENTION["A"] * probes.ATTENTION["K"]}
        self.named: dict[str, Any] = {}
        self.inputs: Roles = []

    @property
    def mask_argument(self) -> str | None:
        """The argument of forward that takes a mask."""
        return next((name for role, name in self.inputs if role == "mask"), None)

    def of_batch(self, size: int) -> "AttentionSubject":
        """The same for batches of another size."""
        other = copy.copy(self)
        other.sizes = {**self.sizes, "B": size}
        return other

    # Construction

    def arguments(self, loaded: Loaded) -> list[Argument]:
        """The arguments of the constructor."""
        return arguments_of(loaded.names[self.name])

    def make(self, loaded: Loaded) -> Any:
        """A module in double precision, as it is in use."""
        seed_all()
        with quiet():
            module = loaded.names[self.name](**self.named).double().eval()
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

    def read_sizes(self, module: Any) -> None:
        """Take over the sizes that the code fixes, from its parameters and its own numbers."""
        widths = [p.shape[1] for p in module.parameters() if p.dim() == 2]
        if widths:
            numbers = {key: value for key, value in vars(module).items() if type(value) is int}
            heads = [value for key, value in numbers.items() if role_of(key, SIZES) == "A"]
            lists = [len(part) for part in module.children() if isinstance(part, self.torch.nn.ModuleList)]
            A = [*heads, *lists, 1][0]
            self.sizes.update(M=widths[0], A=A, K=max(widths[0] // max(A, 1), 1))
        tables = [b.shape[-1] for b in module.buffers() if b.dim() >= 2 and b.shape[-1] == b.shape[-2]]
        self.sizes["T"] = min([*tables[:1], self.sizes["T"]])

    # Forward

    def given(self, kind: str, seed: int) -> Given:
        """Tokens by the role that takes them; of "cross" those of the keys and values are others."""
        B, T, M = (self.sizes[letter] for letter in "BTM")
        x = self.torch.tensor(probes.tokens(seed, B, T, M))
        if kind != "cross":
            return {"x": x, "q": x, "k": x, "v": x, "context": x}
        k, v = (self.torch.tensor(probes.tokens(seed + shift, B, T, M)) for shift in (100, 200))
        return {"x": x, "q": x, "k": k, "v": v, "context": k}

    def mask(self, allowed: Any, form: str, values: str) -> Any:
        """A mask (B,T,T) in a form and of a kind of values that a learner's code may take."""
        mask = self.torch.tensor(np.ascontiguousarray(shaped(allowed, form, self.sizes["A"])))
        if values == "added":
            return self.torch.zeros(mask.shape, dtype=self.torch.float64).masked_fill(~mask, -1e9)
        return mask.to({"bool": self.torch.bool, "int": self.torch.long, "float": self.torch.float64}[values])

    def call(self, module: Any, given: Given, mask: Any = None) -> Any:
        """What forward returns, with nothing dropped out."""
        named = self.passed(module, given, mask)
        seed_all()
        with quiet(), self._without_dropout():
            try:
                return module(**named)
            except Exception:
                if mask is not None or self.mask_argument is None:
                    raise
                # Code that cannot do without a mask is given one that hides nothing.
                for form, values in itertools.product(FORMS, ("bool", "int")):
                    with contextlib.suppress(Exception):
                        return module(**named | {self.mask_argument: self._open_mask(form, values)})
                raise

    def passed(self, module: Any, given: Given, mask: Any = None) -> dict[str, Any]:
        """The arguments of a call by name: no mask is one only where there must be one."""
        required = {argument.name for argument in arguments_of(module.forward) if argument.required}
        named: dict[str, Any] = {}
        for role, name in self.inputs:
            if role != "mask":
                named[name] = False if role == "flag" else given[role]
            elif mask is not None or name in required:
                named[name] = mask
        return named

    def _open_mask(self, form: str, values: str) -> Any:
        B, T = self.sizes["B"], self.sizes["T"]
        return self.mask(np.ones((B, T, T), bool), form, values)

    @contextlib.contextmanager
    def _without_dropout(self) -> Iterator[None]:
        functional = self.torch.nn.functional
        kept = functional.dropout
        functional.dropout = lambda value, *_, **__: value
        try:
            yield
        finally:
            functional.dropout = kept

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
