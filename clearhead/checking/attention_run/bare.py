"""Attention that is written as functions, given its weights as arguments: made the module that it stands for.

Runs inside the sandbox, where torch is loaded already.
"""

import inspect
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from types import MappingProxyType
from typing import Any

from clearhead.checking.attention_run.arguments import INPUTS, SIZES, constructor_ways
from clearhead.checking.binding import arguments_of, role_of
from clearhead.checking.choosing import ALL_WEIGHTS, ONE_WEIGHT
from clearhead.checking.probes import ATTENTION
from clearhead.checking.subject import quiet

_SIZES = ("A", "M", "K")
_BIAS = r"b|b_?[qkvo]\w*|\w+_b|\w*bias\w*"


def as_module(function: Any, makers: Sequence[Any], used: Mapping[str, str] = MappingProxyType({})) -> type:
    """A class whose instances hold the weights, drawn or made by one of `makers`, and call the function.

    `used` are roles of arguments by their uses, for names that tell nothing.

    >>> import torch
    >>> made = as_module(lambda x, W_q, b_q, num_heads: x @ W_q + b_q, [])(12, 3)
    >>> [(name, list(p.shape)) for name, p in made.named_parameters()], made(x=torch.ones(2, 5, 12)).shape
    ([('W_q', [12, 12]), ('b_q', [12])], torch.Size([2, 5, 12]))
    """
    torch = sys.modules["torch"]
    roles = {**used, **_roles([argument.name for argument in arguments_of(function)])}

    def begin(self: Any, d_model: int, num_heads: int) -> None:
        torch.nn.Module.__init__(self)
        sizes = {**ATTENTION, "A": num_heads, "M": d_model, "K": d_model // num_heads}
        self.given = {name: sizes[role] for name, role in roles.items() if role in _SIZES}
        for name, role in roles.items():
            if role in ("weight", "bias"):
                shape = (d_model,) if role == "bias" else _shape(name, d_model)
                self.given[name] = _registered(self, name, torch.randn(shape))
            elif role == "weights":
                self.given[name] = _registered(self, "", _made(makers, sizes))

    def forward(self: Any, **tokens: Any) -> Any:
        return function(**tokens, **self.given)

    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    rest = [p for name, p in inspect.signature(function).parameters.items() if name not in roles]
    vars(forward)["__signature__"] = inspect.Signature([own, *rest])
    return type(function.__name__, (torch.nn.Module,), {"__init__": begin, "forward": forward})


def _roles(names: Sequence[str]) -> dict[str, str]:
    """What arguments hold that are no tokens: one weight, all weights or a size.

    >>> _roles(["x", "w", "h", "mask"]), _roles(["q", "k", "v", "W_q", "num_heads"])
    ({'w': 'weights', 'h': 'A'}, {'W_q': 'weight', 'num_heads': 'A'})
    """
    made: dict[str, str] = {}
    for place, name in enumerate(names):
        size = role_of(name, SIZES)
        if re.fullmatch(ONE_WEIGHT, name, re.I):
            made[name] = "weight"
        elif re.fullmatch(ALL_WEIGHTS, name, re.I):
            made[name] = "weights"
        elif size in _SIZES and (not role_of(name, INPUTS) or (size == "A" and place)):
            made[name] = size
    return made


def _shape(name: str, M: int) -> tuple[int, ...]:
    count = 3 if "qkv" in name.lower() else 1
    return (count * M,) if re.fullmatch(_BIAS, name, re.I) else (M, count * M)


def _made(makers: Sequence[Any], sizes: Mapping[str, int]) -> Any:
    """The weights as one of the learner's own functions makes them."""
    for maker in makers:
        for named in constructor_ways(arguments_of(maker), sizes, {}, lambda: True):
            try:
                with quiet():
                    made = maker(**named)
            except Exception:  # There are other ways.
                continue
            if any(sizes["M"] in tensor.shape for tensor in _tensors(made)):
                return made
    raise ValueError("nothing in the file makes the weights")


def _tensors(held: Any) -> Iterator[Any]:
    if isinstance(held, sys.modules["torch"].Tensor):
        yield held
    elif isinstance(held, dict | list | tuple):
        for part in held.values() if isinstance(held, dict) else held:
            yield from _tensors(part)
    elif is_dataclass(held):
        yield from _tensors(vars(held))


def _registered(module: Any, path: str, held: Any) -> Any:
    """The same with parameters of the module in the place of tensors."""
    torch = sys.modules["torch"]
    if isinstance(held, torch.Tensor):
        parameter = torch.nn.Parameter(held.detach().clone())
        module.register_parameter(path.replace(".", "_"), parameter)
        return parameter
    if isinstance(held, dict):
        return {key: _registered(module, f"{path}.{key}".strip("."), part) for key, part in held.items()}
    if isinstance(held, list | tuple):
        parts = [_registered(module, f"{path}.{n}".strip("."), part) for n, part in enumerate(held)]
        return type(held)(*parts) if hasattr(held, "_fields") else parts
    if is_dataclass(held) and not isinstance(held, type):
        return type(held)(**_registered(module, path, vars(held)))
    return held
