"""A class that is no module of torch's, or is called otherwise than by forward, made one that is.

Runs inside the sandbox, where torch is loaded already.
"""

import inspect
import sys
from typing import Any


def as_known(kind: type) -> type:
    """The class itself where it is a module with a forward; else one that is, and does the same.

    >>> import torch
    >>> class Own:
    ...     def __init__(self): self.layer = torch.nn.Linear(3, 2)
    ...     def __call__(self, x): return self.layer(x)
    >>> made = as_known(Own)()
    >>> len(list(made.parameters())), made(torch.ones(4, 3)).shape
    (2, torch.Size([4, 2]))
    """
    module = sys.modules["torch"].nn.Module
    if issubclass(kind, module) and "__call__" not in vars(kind):
        return kind

    def begin(self: Any, *given: Any, **named: Any) -> None:
        module.__init__(self)
        kind.__init__(self, *given, **named)  # type: ignore[misc]  # No other class is it made from.

    itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = [itself, *inspect.signature(kind).parameters.values()]
    vars(begin)["__signature__"] = inspect.Signature(parameters)
    called = vars(kind).get("__call__")
    own = {"forward": called, "__call__": module.__call__} if called and "forward" not in vars(kind) else {}
    bases = (kind,) if issubclass(kind, module) else (kind, module)
    return type(kind.__name__, bases, {"__init__": begin, **own})
