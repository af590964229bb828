"""The inputs that learners' code is run on, drawn so that every known mistake shows. All sizes differ.

Both sides draw them, from the same seed: the numbers are no secret, only what should come of them is.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]

NETWORK = {"N": 7, "D": 5, "H": 4, "C": 3}
LARGE = {"D": 60, "H": 300, "C": 40}  # where the initialisations that are used differ clearly
TRAINING = {"N": 11, "batch": 4, "epochs": 3}
ATTENTION = {"B": 2, "T": 5, "A": 3, "K": 4}
RATE = 0.37
PENALTY = 0.3
NO_RATE = 5e-324  # moves nothing, and is above 0 for code that asks
SEEDS = (20, 21)
HELD = 100  # further on, the seed of examples to validate with


def network(seed: int, D: int, H: int, C: int, N: int) -> Arrays:
    """Examples, labels and parameters of a network: nothing is zero, no two sums agree.

    >>> network(0, 5, 4, 3, 7)["W1"].shape
    (5, 4)
    """
    draw = np.random.default_rng([seed, D, H, C])
    labels = np.concatenate([np.arange(C), draw.integers(0, C, max(N - C, 0))])[:N]
    draw.shuffle(labels)
    values = {
        "X": _single(draw.normal(0, 1, (N, D))),
        "W1": draw.normal(0, 1.5 / np.sqrt(D), (D, H)),
        "b1": draw.normal(0, 0.5, H),
        "W2": draw.normal(0, 2 / np.sqrt(H), (H, C)),
        "b2": draw.normal(0, 0.5, C),
    }
    y = np.exp(draw.normal(0, 1, (N, C)))
    return {**values, "labels": labels, "Y": np.eye(C)[labels], "shares": y / y.sum(axis=1, keepdims=True)}


def training(seed: int, D: int, C: int, N: int = 0) -> Arrays:
    """Examples to train on, each of which is known by its numbers; so many as are asked for, if any."""
    draw = np.random.default_rng([seed, 1, D, C])
    N = N or max(TRAINING["N"], C + C % 2 + 1)  # Every label is there, and the last batch is not full.
    labels = np.concatenate([np.arange(C), draw.integers(0, C, max(N - C, 0))])[:N]
    draw.shuffle(labels)
    return {"X": _single(draw.normal(0, 1, (N, D))), "labels": labels, "Y": np.eye(C)[labels]}


def _single(values: NDArray[Any]) -> NDArray[Any]:
    """Numbers that single precision holds too: code that casts its inputs changes none."""
    return values.astype(np.float32).astype(float)


def direction(seed: int, place: int, shape: tuple[int, ...]) -> NDArray[Any]:
    """A direction in which one parameter of a network is moved, by its place among them.

    >>> direction(0, 1, (4,)).shape
    (4,)
    """
    return np.random.default_rng([seed, 9, place]).normal(0, 1, shape)


def tokens(seed: int, B: int, T: int, M: int) -> NDArray[Any]:
    """Token vectors (B,T,M).

    >>> tokens(0, 2, 5, 12).shape
    (2, 5, 12)
    """
    return np.random.default_rng([seed, 2, B, T, M]).normal(0, 1, (B, T, M))


def parameter(seed: int, place: int, shape: tuple[int, ...]) -> NDArray[Any]:
    """Numbers for one parameter of an attention, by its place among them."""
    spread = 1.2 / np.sqrt(shape[-1]) if len(shape) > 1 else 0.5
    return np.random.default_rng([seed, 3, place, *shape]).normal(0, spread, shape)


def mask(seed: int, B: int, T: int) -> NDArray[Any]:
    """Which query may attend to which key (B,T,T): some of each, the query itself always."""
    draw = np.random.default_rng([seed, 4, B, T])
    allowed = draw.random((B, T, T)) < 0.6
    allowed |= np.eye(T, dtype=bool)
    # Something is hidden from every query, and not from all the same.
    for row in range(T):
        allowed[:, row, (row + 2) % T] = False
    allowed[:, -1, 0] = True
    return allowed
