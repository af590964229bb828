"""Every parameter of a learner's module, also those that the module does not know of.

Runs inside the sandbox.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

DEEPEST = 3
_HIDDEN = ("_parameters", "_modules", "_buffers")


@dataclass
class Parameter:
    """A parameter, the kind of module that owns it, and whether the whole module knows of it."""

    name: str
    tensor: Any
    owner: str
    known: bool

    def row(self) -> list[Any]:
        """What the parent is told of it."""
        return [self.name, list(self.tensor.shape), self.owner, self.known]


def parameters_of(module: Any, model_dim: int, num_tokens: int) -> list[Parameter]:
    """The parameters that a module knows, then those in its lists and plain tensors; none of norms."""
    owners = {id(p): kind for owner in module.modules() for p, kind in _own(owner)}
    seen = {id(p) for norm in norms_of(module).values() for p in norm.parameters()}
    found = [
        Parameter(name, p, owners.get(id(p), ""), True)
        for name, p in module.named_parameters() if id(p) not in seen
    ]  # fmt: skip
    seen |= {id(parameter.tensor) for parameter in found}
    for parameter in _inside(module, "", 0, model_dim, num_tokens):
        if id(parameter.tensor) not in seen:
            seen.add(id(parameter.tensor))
            found.append(parameter)
    return found


def norms_of(module: Any) -> dict[str, Any]:
    """The layers that normalise tokens, by name: attention is looked at without them."""
    norm = sys.modules["torch"].nn.LayerNorm
    return {name: part for name, part in module.named_modules() if isinstance(part, norm)}


def repeated(module: Any) -> list[str]:
    """Names under which a parameter is known that has another name already."""
    seen: set[int] = set()
    made = []
    for name, p in module.named_parameters(remove_duplicate=False):
        if id(p) in seen:
            made.append(name)
        seen.add(id(p))
    return made


def _own(module: Any) -> list[tuple[Any, str]]:
    # A class of the learner's own may have the same name, and hold its weights the other way round.
    kind = "Linear" if isinstance(module, sys.modules["torch"].nn.Linear) else "module"
    return [(p, kind) for p in module._parameters.values() if p is not None]


def _inside(thing: Any, path: str, depth: int, model_dim: int, num_tokens: int) -> Iterator[Parameter]:
    """The parameters that hang from an object, with the way to each."""
    if depth > DEEPEST:
        return
    torch = sys.modules["torch"]
    if isinstance(thing, torch.nn.Module):
        owners = {id(p): kind for owner in thing.modules() for p, kind in _own(owner)}
        for name, p in thing.named_parameters():
            yield Parameter(f"{path}.{name}", p, owners[id(p)], False)
    elif isinstance(thing, torch.Tensor) and thing.is_floating_point() and thing.dim() >= 1:
        # A table of tokens by tokens is a mask, not a parameter.
        wide = thing.dim() >= 2 and model_dim in thing.shape and thing.shape[-1] != num_tokens
        if thing.requires_grad or wide:
            yield Parameter(path, thing, "", False)
    for name, part in _parts(thing):
        yield from _inside(part, f"{path}.{name}".lstrip("."), depth + 1, model_dim, num_tokens)


def _parts(thing: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(thing, sys.modules["torch"].nn.Module):
        for name, part in vars(thing).items():
            if name not in _HIDDEN and not name.startswith("__"):
                yield name, part
        yield from thing._modules.items()
    elif isinstance(thing, list | tuple):
        yield from enumerate(thing)
    elif isinstance(thing, dict):
        yield from thing.items()
    elif type(thing).__module__ == "learner":  # A layer of the learner's own, which is no module of torch's.
        yield from vars(thing).items()
