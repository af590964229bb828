"""The formula language, run with NumPy: what `formula` parsed, evaluated on arrays with named axes."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clearhead.formula import AXES, Axes, FormulaError, Tree

Array = NDArray[Any]


class Cells(NamedTuple):
    """An array and the names of its axes."""

    axes: Axes
    numbers: Array


def _softmax(z: Array) -> Array:
    top = z.max(axis=-1, keepdims=True, initial=-np.inf)
    powers = np.exp(z - np.where(top == -np.inf, 0, top))
    total = powers.sum(axis=-1, keepdims=True)
    shares: Array = powers / np.where(total == 0, 1, total)
    return shares


def _norm(z: Array) -> Array:
    centred = z - z.mean(axis=-1, keepdims=True)
    made: Array = centred / np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + 1e-5)
    return made


CELL: dict[str, Callable[[Array], Array]] = {
    "neg": np.negative,
    "²": np.square,
    "√": np.sqrt,
    "σ": lambda z: 0.5 * np.tanh(0.5 * z) + 0.5,
    "exp": np.exp,
    "log": lambda z: np.log(np.maximum(z, np.finfo(z.dtype).tiny)),
    "tanh": np.tanh,
    "gelu": lambda z: 0.5 * z * (1 + np.vectorize(math.erf, [float])(z / math.sqrt(2))),
}
PAIR: dict[str, Callable[[Array, Array], Array]] = {
    "+": np.add,
    "-": np.subtract,
    "⊙": np.multiply,
    "/": np.divide,
    ">": np.greater,
    "=": np.equal,
    "where": lambda z, allowed: np.where(allowed == 0, -np.inf, z),
}
OVER: dict[str, Callable[[Array], Array]] = {
    "Σ": lambda z: z.sum(axis=-1),
    "mean": lambda z: z.mean(axis=-1),
    "argmax": lambda z: z.argmax(axis=-1),
    "softmax": _softmax,
    "norm": _norm,
}


class Evaluation:
    """A formula's inputs, ready to give the numbers of its tree or the cells of any part of it.

    `axes` has the axes of each input, and `values` what `np.asarray` takes for it; an input whose
    name is an axis is that axis's length. The dtype is the inputs' common float dtype, in which a
    Python number has no say; float64 if there is none.

    Raises ValueError where an input has the wrong number of axes or two lengths disagree, and
    TypeError where one holds no numbers.

    >>> from clearhead.formula import parse
    >>> inputs = Evaluation({"X": [[0.0, 1], [1, 2]]}, {"X": ("N", "D")})
    >>> inputs.result(parse("mean_N(X) where [Σ_N(X) > 1]"), ("D",))
    array([-inf,  1.5])
    >>> inputs.cells(parse("Xᵀ")).axes
    ('D', 'N')
    """

    def __init__(self, values: Mapping[str, Any], axes: Mapping[str, Axes]) -> None:
        arrays = {name: np.asarray(values[name]) for name in axes}
        self.lengths: dict[str, int] = {}
        floats = []
        for name, array in arrays.items():
            if array.dtype.kind not in "buif":
                raise TypeError(f"{name} must hold numbers, got {array.dtype}; convert it first.")
            if array.ndim != len(axes[name]):
                raise ValueError(f"{name} must have the axes {_show(axes[name])}, got the shape "
                                 f"{array.shape}; give it one axis a letter.")  # fmt: skip
            if array.dtype.kind == "f" and type(values[name]) is not float:
                floats.append(array.dtype)
            if name in AXES and (array < 1 or array % 1):
                raise ValueError(f"{name} = {array} is a length; use a whole number from 1 on.")
            self._measure(name, axes[name], array.shape)
            if name in AXES:
                self._measure(name, (name,), (int(array),))
        known = self.lengths
        for one, other in ("AK", "KA"):
            if "AK" in known and known.get(one):
                known.setdefault(other, known["AK"] // known[one])
        if "A" in known and "K" in known:
            self._measure("A·K", ("AK",), (known["A"] * known["K"],))
        self.dtype = np.result_type(*floats) if floats else np.dtype(float)
        self.inputs = {
            name: Cells(axes[name], array.astype(self.dtype, copy=False)) for name, array in arrays.items()
        }

    def result(self, tree: Tree, shape: Axes) -> Array:
        """The numbers of a whole formula; FormulaError unless its axes are those of the value."""
        if tree[0] == "reshape":
            numbers = self.cells(tree[1]).numbers
            try:
                return numbers.reshape([self.lengths.get(axis, -1) for axis in shape])
            except ValueError:
                raise FormulaError(f"the shape {numbers.shape} cannot be read as {_show(shape)}; "
                                   "give missing lengths as parameters.") from None  # fmt: skip
        axes, numbers = self.cells(tree)
        # Two places that differ would be T,S for S,T: a forgotten ᵀ, which must not pass.
        differ = [{one, other} for one, other in zip(axes, shape, strict=False) if one != other]
        if len(axes) != len(shape) or differ not in ([], [{"S", "T"}]):
            raise FormulaError(f"the formula's axes are {_show(axes)}, but its value's are "
                               f"{_show(shape)}; change the one that is wrong.")  # fmt: skip
        self._measure("the result", shape, numbers.shape)
        return numbers

    def cells(self, tree: Tree) -> Cells:
        """The cells of a part of the formula; FormulaError where axes do not meet."""
        word, *parts = tree
        if word == "value":
            return self.inputs[parts[0]]
        if word in ("number", "axis"):
            number = self._length(parts[0]) if word == "axis" else parts[0]
            return Cells((), np.asarray(number, self.dtype))
        if word in OVER:
            axes, numbers = _over(word, parts[0], self.cells(parts[1]))
        elif word in PAIR:
            axes, numbers = _pair(PAIR[word], *map(self.cells, parts))
        elif word == "product":
            axes, numbers = _product(*map(self.cells, parts))
        else:
            axes, numbers = self._one(word, *self.cells(parts[0]))
        return Cells(_once(axes), np.asarray(numbers, self.dtype))

    def _one(self, word: str, axes: Axes, z: Array) -> Cells:
        if word in CELL:
            return Cells(axes, CELL[word](z))
        if word == "ᵀ" and len(axes) > 1:
            return Cells((*axes[:-2], axes[-1], axes[-2]), z.swapaxes(-1, -2))
        if word == "split" and axes[-1:] == ("AK",) and axes[-2:-1] in (("T",), ("S",)):
            heads = z.reshape(*z.shape[:-1], self._length("A"), self._length("K"))
            return Cells((*axes[:-2], "A", axes[-2], "K"), heads.swapaxes(-2, -3))
        if word == "merge" and axes[-3:] in (("A", "T", "K"), ("A", "S", "K")):
            rows = z.swapaxes(-2, -3)
            size = rows.shape[-2] * rows.shape[-1]
            return Cells((*axes[:-3], axes[-2], "AK"), rows.reshape(*rows.shape[:-2], size))
        wanted = {"ᵀ": "two axes or more", "split": "T,AK last", "merge": "A,T,K last"}[word]
        raise FormulaError(f"{word} needs {wanted}, got {_show(axes)}; use it on such a value.")

    def _measure(self, name: str, axes: Axes, shape: tuple[int, ...]) -> None:
        for axis, length in zip(axes, shape, strict=True):
            before = self.lengths.setdefault(axis, length)
            if before != length:
                raise ValueError(f"{name} has {axis} = {length}, but the inputs before have "
                                 f"{axis} = {before}; pass values of one run.")  # fmt: skip

    def _length(self, axis: str) -> int:
        if axis not in self.lengths:
            raise FormulaError(f"the length of {axis} is not known, as no input has that axis; "
                               f"give the function a parameter {axis}.")  # fmt: skip
        return self.lengths[axis]


def _show(axes: Axes) -> str:
    return f"[{','.join(axes)}]"


def _once(axes: Axes) -> Axes:
    if len(set(axes)) < len(axes):
        raise FormulaError(f"the axes {_show(axes)} have one twice; swap sides, or one with ᵀ.")
    return axes


def _meet(left: Axes, right: Axes) -> Axes:
    more, fewer = (left, right) if len(left) >= len(right) else (right, left)
    if not set(fewer) <= set(more) or (len(fewer) == len(more) and fewer != more):
        raise FormulaError(f"{_show(left)} and {_show(right)} do not meet: one side must have all "
                           "axes of the other, in order; use ᵀ, or sum one away.")  # fmt: skip
    return more


def _spread(cells: Cells, axes: Axes) -> Array:
    """The numbers with their axes in this order, and one of length 1 for each that they lack."""
    if cells.axes == axes:
        return cells.numbers
    present = [cells.axes.index(axis) for axis in axes if axis in cells.axes]
    missing = [place for place, axis in enumerate(axes) if axis not in cells.axes]
    return np.expand_dims(cells.numbers.transpose(present), tuple(missing))


def _pair(operation: Callable[[Array, Array], Array], left: Cells, right: Cells) -> Cells:
    axes = _meet(left.axes, right.axes)
    return Cells(axes, operation(_spread(left, axes), _spread(right, axes)))


def _product(left: Cells, right: Cells) -> Cells:
    if not (left.axes and right.axes):
        return _pair(np.multiply, left, right)
    inner = {left.axes[-1], *right.axes[-2:-1]}
    if len(right.axes) < 2 or (len(inner) > 1 and inner != {"S", "T"}):
        raise FormulaError(f"side by side, the last axis of {_show(left.axes)} must be the last "
                           f"but one of {_show(right.axes)}; use ᵀ, or ⊙.")  # fmt: skip
    if left.numbers.shape[-1] != right.numbers.shape[-2]:
        lengths = f"{left.numbers.shape[-1]} and {right.numbers.shape[-2]}"
        raise ValueError(f"S and T meet in a product, got {lengths}; pass as many keys as queries.")
    lead = _meet(left.axes[:-2], right.axes[:-2])
    axes = _once((*lead, *left.axes[-2:-1], right.axes[-1]))
    rows = _spread(left, (*lead, *left.axes[-2:])) if len(left.axes) > 1 else left.numbers
    return Cells(axes, rows @ _spread(right, (*lead, *right.axes[-2:])))


def named_axes(letters: str, axes: Axes) -> Axes:
    """The axes that the letters after Σ_ and its like name: AK is one where the operand has it.

    >>> named_axes("BAK", ("B", "T", "AK")), named_axes("AK", ("A", "K"))
    (('B', 'AK'), ('A', 'K'))
    """
    return tuple(re.findall("AK|." if "AK" in axes else ".", letters))


def _over(word: str, letters: str, cells: Cells) -> Cells:
    named = named_axes(letters, cells.axes)
    if not set(named) <= set(cells.axes):
        raise FormulaError(f"{word}_{letters} goes over {_show(named)}, but is given "
                           f"{_show(cells.axes)}; name axes of those.")  # fmt: skip
    kept = tuple(axis for axis in cells.axes if axis not in named)
    moved = _spread(cells, kept + named)
    # The last length is worked out, as -1 would fail where an axis has no cells.
    sizes = moved.shape[: len(kept)]
    made = OVER[word](moved.reshape(*sizes, math.prod(moved.shape[len(kept) :])))
    if word not in ("softmax", "norm"):
        return Cells(kept, made)
    return Cells(cells.axes, _spread(Cells(kept + named, made.reshape(moved.shape)), cells.axes))
