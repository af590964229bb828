"""The contests: who takes part, in what; the short ones are what the command runs."""

from __future__ import annotations

import math
import os

from clearhead.bench import AS_NUMPY_STARTS, Contest, Contestant
from clearhead.contestants import (
    FORMS,
    attention_layer,
    clearhead_epoch,
    clearhead_rows,
    clearhead_steps,
    jax_epoch,
    numpy_epoch,
    sklearn_epoch,
    sklearn_rows,
    torch_epoch,
    torch_rows,
    torch_steps,
)
from clearhead.machine import KERNELS


def two_layer(
    batch_size: int, *, data: str | None = None, compiled: bool = False, rounds: int = 9
) -> Contest:
    """An epoch of training: on drawn images, or on those in a folder."""
    settings = {"batch_size": batch_size, "data": data}
    everyone = [
        Contestant("clearhead", clearhead_epoch, settings),
        Contestant("JAX, one scan an epoch", jax_epoch, settings, "jax"),
        Contestant("PyTorch, fused SGD", torch_epoch, {**settings, "fused": True}, "torch"),
        Contestant("PyTorch, SGD", torch_epoch, {**settings, "fused": False}, "torch"),
        Contestant("scikit-learn", sklearn_epoch, settings, "sklearn"),
        Contestant("NumPy by the book", numpy_epoch, settings),
    ]
    if KERNELS in os.environ:
        everyone.insert(
            1, Contestant(AS_NUMPY_STARTS, clearhead_epoch, settings, environment={KERNELS: None})
        )
    if compiled:
        fully = {**settings, "fused": True, "compiled": True}
        everyone.append(Contestant("PyTorch, compiled", torch_epoch, fully, "torch"))
    return Contest(f"two-layer: an epoch of training, batch {batch_size}", tuple(everyone), rounds)


def rows(count: int, *, rounds: int = 15) -> Contest:
    """The probabilities of so many examples."""
    settings = {"rows": count}
    everyone = (
        Contestant("clearhead", clearhead_rows, settings),
        Contestant("scikit-learn", sklearn_rows, settings, "sklearn"),
        Contestant("PyTorch", torch_rows, settings, "torch"),
    )
    what = f"{count:,} examples" if count > 1 else "one example"
    return Contest(f"two-layer: the probabilities of {what}", everyone, rounds, number=max(1, 1000 // count))


def attention(shape: tuple[int, int, int], *, backward: bool, heads: int = 8, rounds: int = 9) -> Contest:
    """One layer of attention on tokens (B,T,M)."""
    settings = {"shape": shape, "heads": heads, "backward": backward}
    everyone = tuple(Contestant(form, attention_layer, {"form": form, **settings}, "torch") for form in FORMS)
    way = "forwards and backwards" if backward else "forwards"
    number = max(1, 2**23 // math.prod(shape))
    return Contest(
        f"attention: {' x '.join(map(str, shape))}, {heads} heads, {way}", everyone, rounds, number
    )


def language(*, steps: int = 10, rounds: int = 9) -> Contest:
    """Steps of training a language model."""
    settings = {"steps": steps}
    everyone = (
        Contestant("clearhead", clearhead_steps, settings, "torch"),
        Contestant("PyTorch, a plain loop", torch_steps, settings, "torch"),
    )
    return Contest(f"language: {steps} steps of training, nanoGPT's small sizes", everyone, rounds)


SHORT = {
    "two-layer": (two_layer(64), two_layer(256), rows(10_000), rows(1)),
    "attention": tuple(
        attention(shape, backward=backward)
        for shape in ((32, 128, 256), (8, 512, 512))
        for backward in (False, True)
    ),
    "language": (language(),),
}
