"""The ready-made attention that a forward pass calls, whatever name it has for it.

Runs inside the sandbox.
"""

import contextlib
import re
from collections.abc import Callable
from typing import Any

_READY = {
    "scaled_dot_product_attention": r"scaled_dot_product",
    "MultiheadAttention": r"multi_head_attention|transformer_encoder_layer",
}


def called(torch: Any, run: Callable[[], object]) -> list[str]:
    """What of PyTorch's own attention is called while something runs.

    >>> import torch
    >>> hidden = getattr(torch.nn.functional, "scaled_dot" + "_product_attention")
    >>> called(torch, lambda: hidden(torch.ones(1, 2, 3), torch.ones(1, 2, 3), torch.ones(1, 2, 3)))
    ['scaled_dot_product_attention']
    """
    seen: set[str] = set()

    class Watching(torch.overrides.TorchFunctionMode):  # type: ignore[misc]
        def __torch_function__(self, function: Any, _: Any, given: Any = (), named: Any = None) -> Any:
            name = str(getattr(function, "__name__", ""))
            seen.update(ready for ready, pattern in _READY.items() if re.search(pattern, name))
            return function(*given, **(named or {}))

    with contextlib.suppress(Exception), Watching(), torch.no_grad():
        run()
    return sorted(seen)
