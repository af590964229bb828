"""Whether gradients are right: central differences for the network, autograd for attention.

Both run a copy of the model in float64, so that what differs is wrong and not rounded.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from clearhead.docstrings import Step
from clearhead.evaluation import Array
from clearhead.recording import IN_BLOCK, known_of, weights_of
from clearhead.two_layer_nn import TwoLayerNN

if TYPE_CHECKING:
    import torch

    from clearhead.attention import CustomMultiHeadAttention

DIFFERENCES, AUTOGRAD = "central differences", "autograd"
STEP = 1e-3  # Of a difference; with half of it once more, the error left is of its fourth power.
RELATIVE, ABSOLUTE = 1e-5, 1e-9
EVERY_CELL, MOST_LOCATED = 64, 4096


class Check(NamedTuple):
    """How a gradient stands beside what else gives it.

    `wrong` holds the cells (places in reading order) that differ, empty where it passed; `reference`
    the other numbers, or None where only the whole was tried, along random directions.
    """

    by: str
    passed: bool
    wrong: Array
    reference: Array | None = None


class Slope(NamedTuple):
    """A central difference, and by how much rounding of the loss may have it off."""

    value: float
    noise: float


class Differences:
    """Central differences of the loss of a two-layer network, by its forward steps in float64.

    `values` needs X, Y and the parameters.
    """

    def __init__(self, values: Mapping[str, Array]) -> None:
        self.values = {
            name: np.asarray(values[name], np.float64) for name in ("X", "Y", "W1", "b1", "W2", "b2")
        }
        self.steps: list[Step] = []
        for step in known_of("two_layer_nn")[0]:
            if step.name in ("z1", "h", "z2", "y", "loss"):
                self.steps.append(step)
                self.values[step.name] = step.function(*(self.values[name] for name in step.inputs))

    def run(self, name: str, numbers: Array) -> dict[str, Array]:
        """Every value if one had other numbers: the steps after it run again."""
        values, changed = {**self.values, name: numbers}, {name}
        for step in self.steps:
            if step.name != name and changed & set(step.inputs):
                values[step.name] = step.function(*(values[value] for value in step.inputs))
                changed.add(step.name)
        return values

    def loss(self, name: str, numbers: Array) -> float:
        """The loss if one value had other numbers."""
        return float(self.run(name, numbers)["loss"])

    def along(self, name: str, direction: Array) -> Slope:
        """The loss's slope along a direction, by central differences (Richardson's, of two step sizes).

        The step is shorter where it moves what follows by more than itself, as large inputs do.
        """
        start = self.values[name]
        near = self.run(name, start + 1e-6 * direction)
        moved = max(float(np.abs(near[one] - self.values[one]).max()) for one in ("z1", "h", "z2"))
        longest = STEP / max(1.0, moved / 1e-6)

        def slope(step: float) -> float:
            return (self.loss(name, start + step * direction) - self.loss(name, start - step * direction)) / (
                2 * step
            )

        noise = 1e-14 * max(1.0, abs(float(self.values["loss"]))) / longest
        return Slope((4 * slope(longest / 2) - slope(longest)) / 3, noise)

    def at(self, name: str, cell: tuple[int, ...]) -> Slope:
        """The slope along one cell."""
        direction = np.zeros_like(self.values[name])
        direction[cell] = 1
        return self.along(name, direction)

    def check(self, name: str, gradient: Array) -> Check:
        """Whether it is the gradient by the value `name`: cell by cell, or of many cells along three
        random directions, which no wrong cell leaves alone, and if one differs at evenly spaced cells.
        """
        count = max(1, gradient.size)
        if count > EVERY_CELL:
            generator = np.random.default_rng(0)
            length = float(np.linalg.norm(gradient)) / np.sqrt(count)
            for _ in range(3):
                direction = generator.normal(0, 1 / np.sqrt(count), gradient.shape)
                slope = self.along(name, direction)
                off = abs(slope.value - float((gradient * direction).sum()))
                if not off <= ABSOLUTE / 10 + slope.noise + RELATIVE / 10 * length:
                    break
            else:
                return Check(DIFFERENCES, True, np.array([], int))
        places = np.unique(np.linspace(0, gradient.size - 1, min(gradient.size, MOST_LOCATED)).astype(int))
        cells = [tuple(map(int, np.unravel_index(place, gradient.shape))) for place in places]
        slopes = [self.at(name, cell) for cell in cells]
        found, noise = (np.array(column) for column in zip(*slopes, strict=True))
        off = np.abs(gradient.reshape(-1)[places] - found)
        wrong = places[~(off <= ABSOLUTE + noise + RELATIVE * np.abs(found))]
        return Check(DIFFERENCES, count <= EVERY_CELL and not wrong.size, wrong)


def check_network(net: TwoLayerNN, differences: Differences) -> dict[str, Check]:
    """Every gradient that the network's own `backward` gives, in float64."""
    twin = copy.deepcopy(net)
    twin.dtype = np.dtype(np.float64)
    twin.params = {name: np.asarray(value, np.float64) for name, value in net.params.items()}
    X, Y = differences.values["X"], differences.values["Y"]
    gradients = twin.backward(X, Y, twin.forward(X)[1])
    return {
        name: differences.check(name[1:], np.asarray(gradient, np.float64))
        for name, gradient in gradients.items()
        if name[1:] in differences.values
    }


def check_attention(
    attention: CustomMultiHeadAttention,
    x: torch.Tensor,
    mask: torch.Tensor | None,
    causal: bool,
    doutput: torch.Tensor,
    prefix: str = "",
) -> dict[str, Check]:
    """Every gradient that the module's own `gradients` gives, in float64, cell by cell."""
    import torch

    keep: dict[str, Any] = {}
    with torch.inference_mode(mode=False), torch.enable_grad():
        twin = copy.deepcopy(attention).double().requires_grad_(requires_grad=True)
        doutput = doutput.clone().double()
        x = x.clone().detach().double().requires_grad_()
        output = twin(x, mask, causal, keep)
        asked = {
            name: keep[name]
            for name in ("merged", "heads", "weights", "v", "scores", "q", "k", "queries", "keys", "values")
        }
        asked |= {**weights_of(twin), "x": x}
        found = torch.autograd.grad((output * doutput).sum(), list(asked.values()), retain_graph=True)
        right = {f"d{name}": gradient for name, gradient in zip(asked, found, strict=True)}
        for role, name in (("query", "queries"), ("key", "keys"), ("value", "values")):
            (right[f"dx_{role}"],) = torch.autograd.grad(keep[name], x, right[f"d{name}"], retain_graph=True)
    by_hand = twin.gradients(doutput, {name: value.detach() for name, value in keep.items()})
    checks = {}
    for name in right.keys() & by_hand.keys():
        reference, analytic = right[name].cpu().numpy(), by_hand[name].cpu().numpy()
        # Sums that cancel, as those of dbk do, leave rounding of the size of what was summed.
        slack = 1e-12 * max(
            1.0,
            float(np.abs(reference).max(initial=0)),
            float(doutput.abs().max()) if doutput.numel() else 0.0,
        )
        wrong = np.flatnonzero(~(np.abs(analytic - reference) <= slack + 1e-8 * np.abs(reference)))
        label = f"{prefix}{IN_BLOCK.get(name, name) if prefix else name}"
        checks[label] = Check(AUTOGRAD, not wrong.size, wrong, reference)
    return checks
