"""What forward and backward passes returned, by the roles that later functions may ask for."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from clearhead.checking.contents import flat, shape_of


def values_of(made: Any, sizes: Mapping[str, int]) -> dict[str, Any]:
    """Roles of what a forward pass returned, told from shapes.

    >>> sizes = {"N": 7, "H": 4, "C": 3}
    >>> sorted(values_of((np.ones((7, 3)), {"h": np.ones((7, 4))}), sizes))
    ['cache', 'cache_all', 'h', 'y', 'z1', 'z2']
    """
    pool: dict[str, Any] = {}
    examples, hidden_units, classes = sizes["N"], sizes["H"], sizes["C"]
    hidden = [value for _, value in flat(made) if _is(value, examples, hidden_units)]
    scores = [v for _, v in flat(made) if _is(v, examples, classes) and v.dtype.kind == "f"]
    if hidden:
        pool["h"], pool["z1"] = hidden[-1], hidden[0]
    if scores:
        leading = made[0] if isinstance(made, tuple | list) and made else made
        pool["z2"], pool["y"] = scores[0], leading if _is(leading, examples, classes) else scores[-1]
    return {**pool, **_caches(made, pool.get("y"))}


def _is(value: Any, rows: int, columns: int) -> bool:
    return shape_of(value) in ((rows, columns), (columns, rows))


def _caches(made: Any, output: Any) -> dict[str, Any]:
    """What may be handed on to backward as one thing."""
    if isinstance(made, tuple) and len(made) > 1:
        rest = [part for part in made if not (isinstance(part, np.ndarray) and part is output)]
        containers = [part for part in rest if isinstance(part, dict | list | tuple)]
        whole = rest[0] if len(rest) == 1 else tuple(rest)
        return {"cache": containers[0] if containers else whole, "cache_all": made}
    return {} if made is None or isinstance(made, np.ndarray) else {"cache": made}


def gradients_of(made: Any, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Gradients by their names where these have a digit, else by their shapes.

    >>> list(gradients_of({"dW1": np.ones((5, 4)), "db1": np.ones(4)}, {}))
    ['dW1', 'db1']
    """
    found: dict[str, Any] = {}
    for name, value in [*_by_digit(made), *_by_shape(made, shapes)]:
        found.setdefault(name, value)
    return found


def _by_digit(made: Any) -> Iterator[tuple[str, Any]]:
    for path, value in flat(made):
        digit = next((digit for digit in "12" if digit in path.rpartition("/")[2]), "")
        if digit and value.size > 1:
            matrix = value.ndim == 2 and min(value.shape) > 1
            yield f"d{'W' if matrix else 'b'}{digit}", value


def _by_shape(made: Any, shapes: Mapping[str, tuple[int, ...]]) -> Iterator[tuple[str, Any]]:
    for part in made if isinstance(made, tuple | list) else ():
        for role, shape in shapes.items():
            if shape_of(part) == shape:
                yield f"d{role}", part
