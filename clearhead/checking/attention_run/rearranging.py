"""What `einops` does, where it is not installed: axes by name, taken apart, moved and run together.

Runs inside the sandbox.
"""

import math
import re
import string
import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from clearhead.checking.stubs import Stub

Groups = list[list[str]]
_DOTS = ("...", "…")


def rearrange(tensor: Any, pattern: str, **lengths: int) -> Any:
    """The tensor with its axes as the right side of a pattern has them.

    >>> import torch
    >>> rearrange(torch.zeros(2, 5, 12), "b n (h d) -> b h n d", h=3).shape
    torch.Size([2, 3, 5, 4])
    >>> rearrange(torch.zeros(2, 1, 5), "b ... -> (b h) (...)", h=3).shape
    torch.Size([6, 5])
    """
    if isinstance(tensor, list | tuple):
        tensor = sys.modules["torch"].stack(list(tensor))
    sides = [re.findall(r"\([^)]*\)|[^\s()]+", side) for side in pattern.split("->")]
    others = [f".{place}" for place in range(tensor.dim() - len(sides[0]) + 1)]
    left, right = (_groups(side, others) for side in sides)
    lengths = _lengths(left, tensor.shape, lengths)
    names, wanted = ([name for group in side for name in group] for side in (left, right))
    apart = tensor.reshape([lengths[name] for name in names])
    for name in (name for name in wanted if name not in names):  # Of a repetition.
        apart, names = apart.unsqueeze(-1).expand(*apart.shape, lengths[name]), [*names, name]
    moved = apart.permute([names.index(name) for name in wanted])
    return moved.reshape([math.prod(lengths[name] for name in group) for group in right])


def einsum(*arguments: Any) -> Any:
    """A sum of products whose axes have names; the pattern comes last."""
    *tensors, pattern = arguments
    letters = dict(zip(dict.fromkeys(re.findall(r"\w+", pattern)), string.ascii_letters, strict=False))
    short = re.sub(r"\w+", lambda found: letters[found[0]], pattern).replace(" ", "")
    return sys.modules["torch"].einsum(short, *tensors)


def _groups(side: Sequence[str], others: Sequence[str]) -> Groups:
    """The axes of one side, those in parentheses together; dots stand for all `others`."""
    made: Groups = []
    for part in side:
        if part in _DOTS:
            made += [[name] for name in others]
        else:
            names = part.strip("()").split()
            made.append([n for name in names for n in (others if name in _DOTS else [name]) if n != "1"])
    return made


def _lengths(groups: Groups, shape: Any, known: dict[str, int]) -> dict[str, int]:
    made = dict(known)
    for group, length in zip(groups, shape, strict=True):
        unknown = [name for name in group if name not in made]
        if unknown:
            made[unknown[0]] = length // math.prod(made[name] for name in group if name in made)
    return made


FUNCTIONS = {"rearrange": rearrange, "repeat": rearrange, "einsum": einsum}


def stand_in(names: dict[str, Any], missing: list[str]) -> None:
    """Put these functions in the place of those that could not be imported."""
    for name, value in names.items():
        if isinstance(value, Stub) and value.__missed__ == "einops":
            names[name] = FUNCTIONS.get(value.__name__, SimpleNamespace(**FUNCTIONS))
    missing[:] = [module for module in missing if module != "einops"]
