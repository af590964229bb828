"""`trace` runs a model once and gives every value of it, forwards and backwards, as a `Trace`.

Here too is what a trace is made of: `Step`, and the steps of a module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from clearhead.docstrings import Declared as Declared
from clearhead.docstrings import Step as Step
from clearhead.docstrings import declared as declared
from clearhead.docstrings import steps_of as steps_of
from clearhead.gradient_checks import Check, check_attention, check_network
from clearhead.recording import (
    LIMIT,
    Choice,
    TooLargeError,
    attention_lengths,
    bytes_of,
    model_lengths,
    record_attention,
    record_model,
    record_network,
)
from clearhead.traces import Receipt as Receipt
from clearhead.traces import Trace as Trace
from clearhead.two_layer_nn import TwoLayerNN


def trace(
    model: Any,
    X: Any,
    Y: Any = None,
    *,
    lr: float = 0.1,
    tokens: Sequence[str] | None = None,
    mask: Any = None,
    causal: bool = False,
    doutput: Any = None,
    names: Mapping[str, Sequence[str]] | None = None,
    image: Sequence[int] | None = None,
    layers: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
    steps: Sequence[str] | None = None,
    limit: int = LIMIT,
    check: bool = True,
    on_cost: Callable[[int], None] | None = None,
) -> Trace:
    """Run a model once on an input and keep every value, forwards and backwards.

    model: a TwoLayerNN, an attention module, a SequenceClassifier or a LanguageModel; X, Y as it takes
    them, scaled as in training: (N, D) and (N,) or one-hot, tokens (B, T, M) and no Y, examples and
    (B,) classes, symbols (B, T) and those that came next (B, T). Without Y the likeliest answer
    stands in. One example or one sequence needs no axis of its own.

    lr: of the one update that is shown of the network. tokens: names of the tokens (for attention
    also as third argument). mask, causal, doutput: as attention's `forward` and `gradients` take
    them. names: of an axis's places, {"C": labels}. image: shape of the image that an example of the
    network is. layers, heads, steps: keep only these. limit: bytes; more is refused beforehand.
    check: gradients beside central differences (network) or autograd (attention). on_cost: called
    with the bytes that will be kept, before anything runs; `trace_bytes` says the same.

    Raises ValueError where X does not fit or the recording would be over the limit, TypeError for
    another model.

    >>> from clearhead import TwoLayerNN
    >>> trace(TwoLayerNN(4, 3, 2, seed=0), np.eye(4), [0, 1, 1, 0]).receipt("z1", (2, 1)).symbols
    'Σ_d X[2,d] W1[d,1] + b1[1]'
    """
    runner = _Runner(model, Choice(layers, heads, steps), limit, check, on_cost)
    runner.refuse_arguments(
        tokens=tokens, mask=mask, causal=causal, doutput=doutput, layers=layers, heads=heads, image=image
    )
    if isinstance(model, TwoLayerNN):
        made = runner.network(X, Y, lr)
        made.recording.image = {"value": "X", "shape": list(image)} if image else None
    elif runner.is_attention():
        tokens = Y if tokens is None else tokens
        made = runner.attention(X, mask, causal, doutput)
    else:
        made = runner.model_of_blocks(X, Y)
    if tokens is not None:
        if len(tokens) != made.lengths["T"]:
            raise ValueError(
                f"tokens has {len(tokens)} names, but X has {made.lengths['T']} tokens; give one name each."
            )
        made.recording.names |= dict.fromkeys("TS", tuple(map(_printable, tokens)))
    for axis, given in (names or {}).items():
        if len(given) != made.lengths.get(axis):
            length = made.lengths.get(axis, "no axis here")
            raise ValueError(f"names[{axis!r}] has {len(given)} names, but {axis} is {length}.")
        made.recording.names[axis] = tuple(map(_printable, given))
    return made


def _printable(name: Any) -> str:
    """A name in which a terminal finds nothing to obey: control characters by their number."""
    letters = (one if one.isprintable() else one.encode("unicode_escape").decode() for one in str(name))
    return "".join(letters)


def trace_bytes(
    model: Any,
    X: Any,
    *,
    layers: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
    steps: Sequence[str] | None = None,
) -> int:
    """The bytes that `trace` would keep of a model and an input, without running anything.

    >>> from clearhead import TwoLayerNN
    >>> trace_bytes(TwoLayerNN(64, 32, 10), np.ones((1, 64))) < 40_000
    True
    """
    return _Runner(model, Choice(layers, heads, steps)).cost(X)


class _Runner:
    """Brings inputs to a model's form, refuses what is too large, records and checks."""

    def __init__(
        self,
        model: Any,
        choice: Choice,
        limit: int = LIMIT,
        check: bool = True,
        on_cost: Callable[[int], None] | None = None,
    ) -> None:
        self.model, self.choice, self.limit, self.check, self.on_cost = model, choice, limit, check, on_cost

    def is_attention(self) -> bool:
        if isinstance(self.model, TwoLayerNN):
            return False
        from clearhead import attention, transformer

        if isinstance(self.model, attention.MultiHeadAttention):
            return True
        if isinstance(self.model, transformer.SequenceClassifier | transformer.LanguageModel):
            return False
        raise TypeError(
            "trace takes a TwoLayerNN, CustomMultiHeadAttention, SequenceClassifier or LanguageModel; "
            f"got {type(self.model).__name__}."
        )

    def refuse_arguments(self, **given: Any) -> None:
        """Raise where an argument says nothing about this kind of model."""
        attention = self.is_attention()
        network = isinstance(self.model, TwoLayerNN)
        allowed = (
            {"image"}
            if network
            else {"tokens", "mask", "causal", "doutput", "heads"}
            if attention
            else ({"tokens", "layers", "heads"})
        )
        for name, value in given.items():
            if name not in allowed and value is not None and value is not False:
                raise ValueError(f"{name} says nothing about a {type(self.model).__name__}; leave it out.")

    def lengths(self, X: Any) -> dict[str, int]:
        if isinstance(self.model, TwoLayerNN):
            return dict(
                zip(
                    "NDHC",
                    (len(X), *self.model.params["W1"].shape, self.model.params["b2"].size),
                    strict=True,
                )
            )
        if self.is_attention():
            return attention_lengths(self.model, X)
        settings = self.model.settings
        num_tokens = X.shape[1] if "num_symbols" in settings else len(self.model.places)
        return model_lengths(self.model, len(X), num_tokens)

    def cost(self, X: Any) -> int:
        X = self.input(X)
        return bytes_of(self.model, self.lengths(X), self.itemsize(), self.choice)

    def itemsize(self) -> int:
        if isinstance(self.model, TwoLayerNN):
            return int(self.model.dtype.itemsize)
        dtype = next(self.model.parameters()).dtype
        return 4 if str(dtype) == "torch.bfloat16" else int(dtype.itemsize)

    def input(self, X: Any) -> Any:
        """With an axis for the examples, as the model takes it."""
        if isinstance(self.model, TwoLayerNN):
            X = np.asarray(X)
            return X[np.newaxis] if X.ndim == 1 else X
        import torch

        weight = next(self.model.parameters())
        settings = getattr(self.model, "settings", {})
        X = torch.as_tensor(X if isinstance(X, torch.Tensor) else np.asarray(X), device=weight.device)
        if "num_symbols" in settings:
            if X.is_floating_point():
                raise TypeError(f"X must be numbers of symbols, whole ones; got {X.dtype}.")
            return X.long()[None] if X.ndim == 1 else X.long()
        X = X.to(weight.dtype)
        one = (
            X.ndim == 2
            if self.is_attention()
            else tuple(X.shape) in (settings["input_shape"], (int(np.prod(settings["input_shape"])),))
        )
        return X[None] if one else X

    def refuse(self, X: Any) -> None:
        needed = self.cost(X)
        if self.on_cost is not None:
            self.on_cost(needed)
        if needed > self.limit:
            ask = (
                "steps=['z1', 'h'], say, or fewer examples"
                if isinstance(self.model, TwoLayerNN)
                else ("layers=[0], heads=[0] or steps=['weights'], say, or fewer tokens")
            )
            raise TooLargeError(
                f"this trace would keep {needed:,} bytes, over limit={self.limit:,}; "
                f"ask for {ask}, or raise limit."
            )

    def network(self, X: Any, Y: Any, lr: float) -> Trace:
        single = np.ndim(X) == 1
        X = self.model._examples(self.input(X))
        self.refuse(X)
        if Y is not None:
            Y = np.asarray(Y)
            Y = Y[np.newaxis] if single and (Y.ndim == 0 or len(Y) > 1) else np.atleast_1d(Y)
        recording = record_network(self.model, X, Y, lr, self.choice)
        made = Trace(recording)
        if self.check and made.differences is not None:
            found = check_network(self.model, made.differences)
            made.checks = {name: found[name] for name in found if name in made.values}
        return made

    def attention(self, x: Any, mask: Any, causal: bool, doutput: Any) -> Trace:
        x = self.input(x)
        self.model._check(x, mask)
        self.check_choice(1)
        self.refuse(x)
        recording = record_attention(
            self.model, x, mask, causal, None if doutput is None else self.input(doutput), self.choice
        )
        made = Trace(recording)
        if self.check:
            import torch

            error = torch.ones_like(x) if doutput is None else self.input(doutput)
            self.add(made, check_attention(self.model, x, mask, causal, error))
        return made

    def model_of_blocks(self, X: Any, Y: Any) -> Trace:
        import torch

        X = self.input(X)
        self.check_choice(len(self.model.blocks))
        self.refuse(X)
        if Y is not None:
            Y = torch.as_tensor(np.asarray(Y), device=X.device).long()
            Y = Y[None] if Y.ndim == (1 if X.dtype == torch.long else 0) else Y
        made = Trace(record_model(self.model, X, Y, self.choice))
        if self.check:
            causal = made.recording.kind == "language"
            for i, block in enumerate(self.model.blocks):
                prefix = f"blocks.{i}."
                x, error = (made.values.get(prefix + name) for name in ("normed", "doutput"))
                if x is not None and error is not None:
                    self.add(
                        made,
                        check_attention(
                            block.attention,
                            torch.as_tensor(x.numbers, device=X.device),
                            None,
                            causal,
                            torch.as_tensor(error.numbers, device=X.device),
                            prefix,
                        ),
                    )
        return made

    def add(self, made: Trace, checks: dict[str, Check]) -> None:
        made.checks |= {name: check for name, check in checks.items() if name in made.steps}

    def check_choice(self, num_layers: int) -> None:
        num_heads = (
            self.model.num_heads
            if num_layers == 1 and self.is_attention()
            else self.model.blocks[0].attention.num_heads
        )
        for what, asked, count in (
            ("layers", self.choice.layers, num_layers),
            ("heads", self.choice.heads, num_heads),
        ):
            if asked is not None and (not len(asked) or not all(0 <= i < count for i in asked)):
                raise ValueError(f"{what}={list(asked)} must be some of 0 to {count - 1}.")
