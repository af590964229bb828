"""Two projections in one matrix, such as keys' and values' beside that of the queries: its halves."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clearhead.checking.attention_diagnosis.weights import Weight

_SPLITS = ("2AK", "A2K", "AK2", "2KA")  # of the rows, the slowest index first
ROLES = "qkv"


@dataclass
class Half(Weight):
    """One of two projections that a matrix holds: the first or the second, as `split` lays out its rows."""

    second: bool = False
    split: str = _SPLITS[0]
    A: int = 1
    turned: bool = False  # whether its rows are tokens' numbers

    def matrices(self, seed: int) -> list[Any]:
        """The rows that are its own."""
        (whole,) = super().matrices(seed)
        return [self._own(whole.T if self.turned else whole)]

    def biases(self, seed: int) -> list[Any]:
        """The same of the bias."""
        return [self._own(bias.reshape(-1)) for bias in super().biases(seed)]

    def _own(self, rows: Any) -> Any:
        lengths = {"2": 2, "A": self.A, "K": len(rows) // (2 * self.A)}
        table = rows.reshape([lengths[letter] for letter in self.split] + [*rows.shape[1:]])
        half = table.take(int(self.second), axis=self.split.index("2"))
        half = half.swapaxes(0, 1) if self.split.endswith("KA") else half
        return half.reshape(-1, *rows.shape[1:])


def pair_of(found: Sequence[Weight], M: int) -> Weight | None:
    """The matrix that is as large as two others of the projections together.

    >>> q, kv = (Weight(name, [0], (rows, 12), True) for name, rows in (("q", 12), ("kv", 24)))
    >>> pair_of([q, kv], 12).name, pair_of([q, q], 12)
    ('kv', None)
    """
    plain = [w for w in found if len(w.shape) == 2 and len(w.places) == 1 and M in w.shape]
    if len(found) not in (2, 3) or len(plain) < 2:
        return None
    sizes = [int(np.prod(weight.shape)) for weight in plain]
    large = max(sizes)
    return plain[sizes.index(large)] if {*sizes} == {large, large // 2} and sizes.count(large) == 1 else None


def parted(found: Sequence[Weight], pair: Weight, A: int, M: int, names: str) -> Iterator[list[Weight]]:
    """All weights, a pair as its halves: in the order `names`, else in both, in each way to lie."""
    known = {weight.role for weight in found if weight is not pair}
    roles = names if len(names) == 2 else "qk" if "v" in known else "kv"
    turned = not pair.linear and pair.shape[0] == M
    rows = int(np.prod(pair.shape)) // M
    for order, split in itertools.product((roles, roles[::-1]), _SPLITS if rows % (2 * A) == 0 else ()):
        halves = [
            Half(
                pair.name, pair.places, pair.shape, pair.linear, role, pair.bias, pair.bias_shape,
                None, role == order[1], split, A, turned,
            )
            for role in order
        ]  # fmt: skip
        rest = [weight for weight in found if weight is not pair]
        asks = next((weight for weight in rest if weight.role in (*ROLES,)), rest[0])
        asks.role = next(role for role in ROLES if role not in order)
        yield [asks, *halves, *(weight for weight in rest if weight is not asks)]
