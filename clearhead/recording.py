"""Running a model once and keeping every value by name, with the step that made it.

Each recorder runs the model's own `forward` and `backward` and pairs what they return with the
steps of its module. Inside a block names begin with it: blocks.0.q.
"""

from __future__ import annotations

import copy
import functools
import importlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from clearhead import two_layer_nn
from clearhead.docstrings import Step, declared, steps_of
from clearhead.evaluation import Array
from clearhead.formula import AXES, Axes
from clearhead.two_layer_nn import TwoLayerNN

if TYPE_CHECKING:
    import torch

    from clearhead.attention import CustomMultiHeadAttention
    from clearhead.transformer import LanguageModel, SequenceClassifier

LIMIT = 2**28  # Bytes; a quarter of a gigabyte.
FORWARD, BACKWARD, UPDATE = "forward", "backward", "update"
MODULES = ("two_layer_nn", "attention", "transformer")
NO_LABEL = "No label was given: the likeliest class stands in for it."
NO_SYMBOL = "Nothing follows the last symbol: the likeliest one stands in for it."
BY_AUTOGRAD = "the error that reached {}, by autograd."
# Inside a block attention's tokens are the block's normed ones.
IN_BLOCK = {"x": "normed", "dx": "dnormed"} | {
    f"dx_{role}": f"dnormed_{role}" for role in ("query", "key", "value")
}
PROJECTIONS = {"q": "query_proj", "k": "key_proj", "v": "value_proj", "o": "out_proj"}
BLOCK_PARAMETERS = {
    "g1": "first_norm.weight",
    "c1": "first_norm.bias",
    "g2": "second_norm.weight",
    "c2": "second_norm.bias",
    "Wf": "widen.weight",
    "bf": "widen.bias",
    "Wn": "narrow.weight",
    "bn": "narrow.bias",
}


class Value(NamedTuple):
    """A recorded value. `origin`: given, step or autograd; `heads` those kept of axis A, None for all."""

    axes: Axes
    numbers: Array
    meaning: str
    origin: str
    heads: tuple[int, ...] | None = None


class Traced(NamedTuple):
    """A step that ran: the name of what it made, and of what it read, by its inputs' names.

    `part` is forward, backward or update.
    """

    name: str
    step: Step
    reads: Mapping[str, str]
    part: str


@dataclass(eq=False)
class Recording:
    """What a model did with its input: values by name, the steps that made them, axes' lengths and names."""

    kind: str
    lengths: dict[str, int]
    values: dict[str, Value] = field(default_factory=dict)
    steps: list[Traced] = field(default_factory=list)
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    image: dict[str, Any] | None = None  # value, shape, patch: which value's numbers are an image.
    epsilon: float = float(np.finfo(np.float32).eps)  # Of the model's own dtype, and its least normal number.
    tiny: float = float(np.finfo(np.float32).tiny)
    base: dict[str, Array] = field(default_factory=dict)  # Of the network what its loss comes from.
    target: tuple[str, ...] = ("loss",)  # What is differentiated: the loss, or the sum of output ⊙ doutput.


class TooLargeError(ValueError):
    """A recording that would be over its limit."""


class Choice(NamedTuple):
    """What to keep: layers and heads by number, steps by the names of their values; None for all."""

    layers: Sequence[int] | None = None
    heads: Sequence[int] | None = None
    steps: Sequence[str] | None = None


@functools.cache
def known_of(module: str) -> tuple[tuple[Step, ...], dict[str, tuple[Axes, str]]]:
    """The steps of a mathematics module, and axes and meaning of every value that it names."""
    loaded = importlib.import_module(f"clearhead.{module}")
    steps = list(steps_of(loaded))
    if loaded is two_layer_nn:
        steps += [
            Step.of(two_layer_nn.updated, value=name, gradient=f"d{name}")
            for name in ("W1", "b1", "W2", "b2")
        ]
    given = {value.name: (value.shape, value.meaning) for value in declared(loaded)}
    return tuple(steps), given | {step.name: (step.shape, step.meaning) for step in steps}


class Keeper:
    """Fills a recording in the order in which values are made, and only with what was asked for."""

    def __init__(self, recording: Recording, choice: Choice) -> None:
        self.recording, self.choice = recording, choice
        self.wanted = wanted(choice, MODULES[:1] if recording.kind == "two-layer" else MODULES[1:])

    def value(self, name: str, axes: Axes, meaning: str, numbers: Any, origin: str) -> None:
        """Keep one value, or of one with heads the chosen ones, if it was asked for."""
        if self.wanted is not None and name.rpartition(".")[2] not in self.wanted:
            return
        array, heads = _array(numbers), None
        if self.choice.heads is not None and "A" in axes:
            heads = tuple(self.choice.heads)
            array = array.take(heads, axis=axes.index("A"))
        self.recording.values[name] = Value(axes, array, meaning, origin, heads)

    def module(
        self,
        module: str,
        values: Mapping[str, Any],
        prefix: str = "",
        rename: Mapping[str, str] | None = None,
        links: Mapping[str, str] | None = None,
    ) -> None:
        """Keep values of a mathematics module and their steps; `links` says which values lie elsewhere."""
        rename, links = rename or {}, links or {}
        steps, known = known_of(module)
        made = {step.name for step in steps}
        for name, (axes, meaning) in known.items():
            new = rename.get(name, name)
            if name in values and new not in links:
                self.value(prefix + new, axes, meaning, values[name], "step" if name in made else "given")
        traced = {step.name for step in self.recording.steps}
        for step in steps:
            step = step.renamed(rename)
            name = prefix + step.name
            if name in self.recording.values and name not in traced:
                reads = {
                    value: links.get(value, prefix + value) for value in step.inputs if value not in AXES
                }
                self.recording.steps.append(Traced(name, step, reads, _part(step.name)))


def wanted(choice: Choice, modules: Sequence[str]) -> set[str] | None:
    """The values of the chosen steps and those that they read; None for all."""
    if choice.steps is None:
        return None
    steps = [step for module in modules for step in known_of(module)[0]]
    chosen = set(choice.steps)
    if unknown := chosen - {step.name for step in steps} - set(IN_BLOCK.values()):
        raise ValueError(
            f"steps has {min(unknown)!r}, which no step makes; choose from "
            f"{', '.join(dict.fromkeys(step.name for step in steps))}."
        )
    read = {value for step in steps if step.name in chosen for value in step.inputs}
    return chosen | read | {IN_BLOCK[name] for name in IN_BLOCK.keys() & (chosen | read)}


def _part(name: str) -> str:
    return UPDATE if name.endswith("_next") else BACKWARD if name.startswith("d") else FORWARD


def _array(numbers: Any) -> Array:
    if hasattr(numbers, "detach"):
        numbers = numbers.detach().cpu()
        # NumPy has no bfloat16; float32 holds it exactly.
        made: Array = (numbers.float() if str(numbers.dtype) == "torch.bfloat16" else numbers).numpy()
        return made.copy()
    return np.array(numbers)


def bytes_of(model: Any, lengths: Mapping[str, int], itemsize: int, choice: Choice) -> int:
    """What a recording of the model with these lengths will hold, before it is made."""
    keeps = wanted(choice, MODULES[:1] if isinstance(model, TwoLayerNN) else MODULES[1:])
    kept = dict(lengths)
    if choice.heads is not None:
        kept["A"] = len(choice.heads)

    def size(name: str, axes: Axes) -> int:
        if keeps is not None and name not in keeps and IN_BLOCK.get(name) not in keeps:
            return 0
        return math.prod(kept[axis] for axis in axes) * (1 if name == "mask" else itemsize)

    if isinstance(model, TwoLayerNN):
        return sum(size(name, axes) for name, (axes, _) in known_of("two_layer_nn")[1].items())
    once = sum(size(name, axes) for name, (axes, _) in known_of("attention")[1].items())
    if not hasattr(model, "blocks"):
        return once
    # What a module of attention has as x, output and doutput is normed and the rest of a block.
    absent = {"normed", "output"} | (
        {"pooled", "y", "Wy", "by", "target", "class_loss"} if "C" not in kept else {"p", "Wc", "Y", "loss"}
    )
    rest = {name: axes for name, (axes, _) in known_of("transformer")[1].items() if name not in absent}
    inside = {name: rest.pop(name) for name in (*BLOCK_PARAMETERS, "attended", "normed_2", "wide", "out")}
    alone = ("tokens", "Y", "target", "loss", "class_loss")  # These have no error of their own.

    def twice(values: Mapping[str, Axes]) -> int:
        return sum(
            size(name, axes) + (0 if name in alone else size(f"d{name}", axes))
            for name, axes in values.items()
        )

    num_layers = len(model.blocks if choice.layers is None else choice.layers)
    return num_layers * (once + twice(inside)) + twice(rest)


def record_network(net: TwoLayerNN, X: Any, Y: Any, lr: float, choice: Choice) -> Recording:
    """Forward, backward and one update of the two-layer network."""
    y, ff_dict = net.forward(X)
    X = ff_dict["X"]
    recording = Recording("two-layer", dict(zip("NDHC", (*X.shape, *net.params["W2"].shape), strict=True)))
    if Y is None:
        Y = y.argmax(axis=1)
        recording.notes.append(NO_LABEL)
    Y = net._one_hot(Y, *y.shape)
    gradients = net.backward(X, Y, ff_dict)
    values = {
        "X": X,
        "Y": Y,
        **net.params,
        "lr": np.asarray(lr, net.dtype),
        **ff_dict,
        "loss": net.compute_loss(Y, y),
        "accuracy": np.asarray(net.evaluate(Y, y), y.dtype),
        **gradients,
    }
    for name, number in net.params.items():
        values[f"{name}_next"] = two_layer_nn.updated(number, gradients[f"d{name}"], lr)
    Keeper(recording, choice).module("two_layer_nn", values)
    recording.base = {name: values[name] for name in ("X", "Y", *net.params)}
    recording.epsilon, recording.tiny = float(np.finfo(y.dtype).eps), float(np.finfo(y.dtype).tiny)
    return recording


def weights_of(attention: CustomMultiHeadAttention) -> dict[str, torch.Tensor]:
    """The parameters by the names that the formulas give them: Wq, bq, ... bo."""
    named: dict[str, torch.Tensor] = {}
    for letter, projection in PROJECTIONS.items():
        layer = getattr(attention, projection)
        named |= {f"W{letter}": layer.weight, f"b{letter}": layer.bias}
    return named


def record_attention(
    attention: CustomMultiHeadAttention,
    x: torch.Tensor,
    mask: torch.Tensor | None,
    causal: bool,
    doutput: torch.Tensor | None,
    choice: Choice,
) -> Recording:
    """Forward and backward of the attention module, from the error `doutput` (ones if None)."""
    import torch

    keep: dict[str, Any] = {}
    with torch.no_grad():
        output = attention(x, mask, causal, keep)
    recording = Recording("attention-module", attention_lengths(attention, x), target=("output", "doutput"))
    if doutput is None:
        doutput = torch.ones_like(output)
        recording.notes.append(
            "No error was given: the loss is the sum of the output, so doutput is 1 everywhere."
        )
    _measure(recording, output.dtype)
    values = {**keep, **weights_of(attention), "doutput": doutput, **attention.gradients(doutput, keep)}
    Keeper(recording, choice).module("attention", values)
    return recording


def _measure(recording: Recording, dtype: torch.dtype) -> None:
    import torch

    recording.epsilon, recording.tiny = torch.finfo(dtype).eps, torch.finfo(dtype).tiny


def attention_lengths(attention: CustomMultiHeadAttention, x: torch.Tensor) -> dict[str, int]:
    """The length of each axis of the attention module."""
    return {
        "B": x.shape[0],
        "T": x.shape[1],
        "S": x.shape[1],
        "M": attention.model_dim,
        "A": attention.num_heads,
        "K": attention.head_dim,
        "AK": attention.all_heads_dim,
    }


def model_lengths(
    model: SequenceClassifier | LanguageModel, num_sequences: int, num_tokens: int
) -> dict[str, int]:
    """The length of each axis of a classifier or a language model."""
    attention = model.blocks[0].attention
    lengths = {
        "B": num_sequences,
        "T": num_tokens,
        "S": num_tokens,
        "M": attention.model_dim,
        "A": attention.num_heads,
        "K": attention.head_dim,
        "AK": attention.all_heads_dim,
        "F": model.blocks[0].widen.out_features,
    }
    settings = model.settings
    if "num_symbols" in settings:
        return lengths | {"V": settings["num_symbols"]}
    return lengths | {"V": model.embedding.in_features, "C": settings["num_classes"]}


def record_model(
    model: SequenceClassifier | LanguageModel, X: torch.Tensor, Y: torch.Tensor | None, choice: Choice
) -> Recording:
    """A classifier or a language model; backward by hand in attention, elsewhere by autograd."""
    import torch
    from torch.nn.functional import one_hot

    from clearhead import transformer

    language = isinstance(model, transformer.LanguageModel)
    chosen = range(len(model.blocks)) if choice.layers is None else choice.layers
    keep: dict[str, Any] = {"blocks": [{} if i in chosen else None for i in range(len(model.blocks))]}
    with torch.inference_mode(mode=False), torch.enable_grad():
        if not all(parameter.requires_grad for parameter in model.parameters()):
            model = copy.deepcopy(model).requires_grad_(requires_grad=True)
        scores = model(X.clone(), keep=keep)
        num_tokens = keep["tokens"].shape[1]
        recording = Recording(
            "language" if language else "attention", model_lengths(model, len(X), num_tokens)
        )
        if Y is None:
            Y = scores.argmax(dim=-1)
            Y = torch.cat([X[:, 1:], Y[:, -1:]], dim=1) if language else Y
            recording.notes.append(NO_SYMBOL if language else NO_LABEL)
        shares = keep["p" if language else "y"]
        target = one_hot(Y, scores.shape[-1]).to(shares.dtype)
        loss = transformer.next_loss(shares, target) if language else transformer.class_loss(shares, target)
        values: dict[tuple[str, str], torch.Tensor] = {}
        last: Any = model.symbols if language else model.classes
        outside = {
            "E": model.embedding.weight,
            "P": model.places,
            "g3": model.last_norm.weight,
            "c3": model.last_norm.bias,
            "Wc" if language else "Wy": last.weight,
            "by": last.bias,
        }
        outside |= {name: keep[name] for name in ("x", "normed_3", "pooled", "y", "p") if name in keep}
        values |= {("", name): value for name, value in outside.items() if value is not None}
        for i in chosen:
            inner = keep["blocks"][i]
            named = {name: model.blocks[i].get_parameter(path) for name, path in BLOCK_PARAMETERS.items()}
            named |= {name: inner[name] for name in ("attended", "normed_2", "wide", "out")}
            named["output"] = inner["attention"]["output"]
            values |= {(f"blocks.{i}.", name): value for name, value in named.items()}
        found = torch.autograd.grad(loss, list(values.values()), allow_unused=True)
    errors = {where: error for where, error in zip(values, found, strict=True) if error is not None}
    for where in (
        values,
        errors,
    ):  # As the formulas have them: of a classifier E is (V,M), P is of the tokens there.
        where["", "P"] = where["", "P"][:num_tokens]
        if not language:
            where["", "E"] = where["", "E"].mT

    keeper, known = Keeper(recording, choice), known_of("transformer")[1]
    own = {name: value for (prefix, name), value in values.items() if not prefix}
    keeper.module("transformer", {"tokens": keep["tokens"], **{name: own[name] for name in ("E", "P", "x")}})
    before = "x"
    for i, block in enumerate(model.blocks):
        prefix, inner = f"blocks.{i}.", keep["blocks"][i]
        if inner is None:
            before = f"{prefix}out"
            continue
        if before not in recording.values and before != "x":
            before = f"{prefix}x"
            keeper.value(before, known["x"][0], "what the block before gave.", inner["x"], "given")
        named = {name: value for (where, name), value in values.items() if where == prefix}
        first = {"normed": inner["normed"], **{name: named.pop(name) for name in ("g1", "c1")}}
        doutput = errors[prefix, "output"]
        attention = {
            **inner["attention"],
            **weights_of(block.attention),
            "doutput": doutput,
            **block.attention.gradients(doutput, inner["attention"]),
        }
        keeper.module("transformer", first, prefix, links={"x": before})
        keeper.module("attention", attention, prefix, IN_BLOCK, {"normed": f"{prefix}normed"})
        keeper.module("transformer", named, prefix, links={"x": before, "output": f"{prefix}output"})
        before = f"{prefix}out"
    ends = {name: own[name] for name in own if name not in ("E", "P", "x")}
    ends |= {"Y": target, "loss": loss} if language else {"target": target, "class_loss": loss}
    keeper.module("transformer", ends, links={"out": before})
    for (prefix, name), error in errors.items():
        gradient = f"{prefix}d{name}"
        recording.values.pop(gradient, None)
        keeper.value(gradient, known[name][0], BY_AUTOGRAD.format(name), error, "autograd")
    _measure(recording, model.places.dtype)
    recording.target = ("loss",) if language else ("class_loss",)
    shape, patch = model.settings.get("input_shape", ()), model.settings.get("patch")
    if patch:
        recording.image = {"value": "tokens", "shape": list(shape), "patch": list(patch)}
    return recording
