"""The receipt of a cell: a parsed formula at one place, with letters, with numbers, to copy.

A tree is first given the axes of its parts (`typed`), then an index for each axis (`at_cell`),
which leaves plain arithmetic over cells: that is what is written and evaluated. The page does the
same from the typed tree (views/receipts.js), and tests hold the two to the same digits.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from clearhead.evaluation import CELL, PAIR, Evaluation, named_axes
from clearhead.formula import OVER, Axes, Tree
from clearhead.numerals import exact, shown

Cell = tuple[int, ...]
Env = Mapping[str, int]
Read = Callable[[str, Cell], float]
TERMS_SHOWN = 5  # Of a sum: all of so many, else the three largest.
MOST_TO_COPY = 20_000  # Numbers in one expression.
SHIFT_FROM = 80.0  # float32 has no exp of 89: softmax of such scores is written less their largest.


def typed(tree: Tree, inputs: Evaluation) -> Tree:
    """The tree with the axes of every part after its word: (word, axes, parts...).

    >>> from clearhead.formula import parse
    >>> inputs = Evaluation({"X": [[1.0]], "b": [1.0]}, {"X": ("N", "D"), "b": ("D",)})
    >>> typed(parse("Σ_N(X) + b"), inputs)
    ('+', ('D',), ('Σ', ('D',), ('N',), ('value', ('N', 'D'), 'X')), ('value', ('D',), 'b'))
    """
    word, *parts = tree
    if word == "reshape":
        return (word, (), typed(parts[0], inputs))
    axes = () if word in ("number", "axis") else inputs.cells(tree).axes
    if word in OVER:
        child = typed(parts[1], inputs)
        return (word, axes, named_axes(parts[0], child[1]), child)
    return (word, axes, *(typed(part, inputs) if isinstance(part, tuple) else part for part in parts))


class Index(NamedTuple):
    """Where along an axis: what is written, and the number once every letter of a sum has one."""

    text: str
    at: Callable[[Env], int]


def _fixed(place: int) -> Index:
    return Index(str(place), lambda env: place)


class Expression(NamedTuple):
    """Arithmetic over cells. `parts` by the word:

    cell (name, indices), number (text, value), call (word, body), pair (sign, left, right),
    where (body, condition), floor (body, least), known (text, body: written as what it comes to),
    Σ and argmax (letters, lengths, body), softmax (letters, lengths, body, body at this cell).
    """

    word: str
    parts: tuple[Any, ...]


def at_cell(tree: Tree, shape: Axes, cell: Cell, lengths: Mapping[str, int], tiny: float) -> Expression:
    """A whole formula, typed, at one cell of its value, whose axes are `shape`.

    `tiny` is the smallest normal number of the values' dtype, below which no logarithm goes.
    """
    axes = tree[1]
    if tree[0] == "reshape":
        tree, axes = tree[2], tree[2][1]
        place = np.ravel_multi_index(cell, [lengths[axis] for axis in shape])
        cell = tuple(map(int, np.unravel_index(int(place), [lengths[axis] for axis in axes])))
    return _Walk(lengths, tiny).at(tree, dict(zip(axes, map(_fixed, cell), strict=True)))


class _Walk:
    def __init__(self, lengths: Mapping[str, int], tiny: float) -> None:
        self.lengths, self.tiny = lengths, tiny
        self.letters: set[str] = set()

    def at(self, tree: Tree, index: Mapping[str, Index]) -> Expression:
        word, axes, *parts = tree
        if word == "value":
            return Expression("cell", (parts[0], tuple(index[axis] for axis in axes)))
        if word == "number":
            return _number(f"{parts[0]:g}", parts[0])
        if word == "axis":
            return _number(parts[0], self.lengths[parts[0]])
        if word in OVER:
            return self.over(word, parts[0], parts[1], index)
        if word == "product" and parts[0][1] and parts[1][1]:
            return self.product(parts[0], parts[1], index)
        if word in ("split", "merge"):
            return self.at(parts[0], self.regrouped(word, index))
        inside = [self.at(part, index) for part in parts]
        if word == "ᵀ":
            return inside[0]
        if word == "where":
            return Expression(word, tuple(inside))
        if word == "log":
            inside = [Expression("floor", (inside[0], self.tiny))]
        if len(inside) == 1:
            return Expression("call", (word, *inside))
        return _pair("⊙" if word == "product" else word, *inside)

    def product(self, left: Tree, right: Tree, index: Mapping[str, Index]) -> Expression:
        # The axis that goes may be S on one side and T on the other: each side has its own index.
        letters = self.bind(left[1][-1:])
        mine = {**index, left[1][-1]: letters[0]}
        other = {**index, right[1][-2]: letters[0]}
        return self.bound("Σ", letters, left[1][-1:], _pair("⊙", self.at(left, mine), self.at(right, other)))

    def over(self, word: str, named: Axes, child: Tree, index: Mapping[str, Index]) -> Expression:
        letters = self.bind(named)
        body, here = self.at(child, {**index, **dict(zip(named, letters, strict=True))}), None
        if word in ("Σ", "argmax"):
            return self.bound(word, letters, named, body)
        if word == "softmax":
            return self.bound(word, letters, named, body, self.at(child, index))
        size = _number("·".join(named), math.prod(self.lengths[axis] for axis in named))
        mean = _pair("/", self.bound("Σ", letters, named, body), size)
        if word == "mean":
            return mean
        here, mean = self.at(child, index), Expression("known", ("mean", mean))
        squares = Expression("call", ("²", _pair("-", body, mean)))
        variance = Expression(
            "known", ("variance", _pair("/", self.bound("Σ", letters, named, squares), size))
        )
        root = Expression("call", ("√", _pair("+", variance, _number("0.00001", 1e-5))))
        return _pair("/", _pair("-", here, mean), root)

    def bind(self, named: Axes) -> list[Index]:
        return [self.letter("j" if axis == "AK" else axis.lower()) for axis in named]

    def letter(self, text: str) -> Index:
        while text in self.letters:
            text += "′"
        self.letters.add(text)
        return Index(text, lambda env: env[text])

    def bound(self, word: str, letters: list[Index], named: Axes, *parts: Expression) -> Expression:
        names = tuple(letter.text for letter in letters)
        self.letters -= set(names)
        return Expression(word, (names, tuple(self.lengths[axis] for axis in named), *parts))

    def regrouped(self, word: str, index: Mapping[str, Index]) -> dict[str, Index]:
        size = self.lengths["K"]
        if word == "split":
            head, place = index["A"], index["K"]
            if head.text.isdigit() and place.text.isdigit():
                return {**index, "AK": _fixed(head.at({}) * size + place.at({}))}
            return {
                **index,
                "AK": Index(
                    f"{head.text}·{size}+{place.text}", lambda env: head.at(env) * size + place.at(env)
                ),
            }
        both = index["AK"]
        if both.text.isdigit():
            return {**index, "A": _fixed(both.at({}) // size), "K": _fixed(both.at({}) % size)}
        return {
            **index,
            "A": Index(f"⌊{both.text}/{size}⌋", lambda env: both.at(env) // size),
            "K": Index(f"{both.text} mod {size}", lambda env: both.at(env) % size),
        }


def _number(text: str, value: float) -> Expression:
    return Expression("number", (text, float(value)))


def _pair(sign: str, left: Expression, right: Expression) -> Expression:
    return Expression("pair", (sign, left, right))


def value_of(expression: Expression, read: Read, env: Env) -> float:
    """What it comes to in float64; `read` gives a value's cell, `env` the letters' numbers."""
    word, parts = expression
    if word == "cell":
        return read(parts[0], tuple(index.at(env) for index in parts[1]))
    if word == "number":
        return float(parts[1])
    if word == "known":
        return value_of(parts[1], read, env)
    if word == "floor":
        return max(value_of(parts[0], read, env), float(parts[1]))
    if word == "call":
        return float(CELL[parts[0]](np.asarray(value_of(parts[1], read, env))))
    if word == "pair":
        return float(PAIR[parts[0]](*(np.asarray(value_of(part, read, env)) for part in parts[1:])))
    if word == "where":
        return value_of(parts[0], read, env) if value_of(parts[1], read, env) else -math.inf
    numbers = [value_of(parts[2], read, inner) for inner in _environments(parts, env)]
    if word == "Σ":
        return float(sum(numbers))
    if word == "argmax":
        return float(np.argmax(numbers))
    top = max(numbers)
    if top == -math.inf:
        return 0.0
    return math.exp(value_of(parts[3], read, env) - top) / sum(math.exp(z - top) for z in numbers)


def _environments(parts: tuple[Any, ...], env: Env) -> list[dict[str, int]]:
    return [
        {**env, **dict(zip(parts[0], places, strict=True))}
        for places in itertools.product(*map(range, parts[1]))
    ]


class Piece(NamedTuple):
    """A part of a written receipt: its text, and the cell (name, place) whose number it is, if one."""

    text: str
    name: str = ""
    place: Cell = ()


ADD, DIVIDE, MULTIPLY, TIGHT, ATOM = 1, 2, 3, 4, 5  # How tightly what is written holds together.
Written = tuple[list[Piece], int]
_LEVEL = {"+": ADD, "-": ADD, "⊙": MULTIPLY, "/": DIVIDE, ">": 0, "=": 0}
_EXACT = {
    "√": ("sqrt(", ")"),
    "exp": ("exp(", ")"),
    "tanh": ("tanh(", ")"),
    "log": ("log(", ")"),
    "σ": ("(0.5*tanh(0.5*(", ")) + 0.5)"),
    "gelu": ("(lambda z: 0.5*z*(1 + erf(z/sqrt(2))))(", ")"),
}
_SIGNS = {
    "symbols": {"⊙": " ", "/": " / ", "+": " + ", "-": " − ", ">": " > ", "=": " = "},
    "shown": {"⊙": "·", "/": " / ", "+": " + ", "-": " − ", ">": " > ", "=": " = "},
    "exact": {"⊙": "*", "/": " / ", "+": " + ", "-": " - ", ">": " > ", "=": " == "},
}


class Writing:
    """One way to write an expression: in symbols, as shown (four digits, long sums cut), or exact.

    `hidden` says which cells a mask leaves without a number. A sum inside a term of another sum is
    written as the number that it comes to. Exact is what copying gives: Python, with
    `from math import *`.
    """

    def __init__(self, style: str, read: Read, hidden: Callable[[str, Cell], bool] | None = None) -> None:
        self.style, self.read, self.signs, self.hidden = style, read, _SIGNS[style], hidden
        self.minus = "-" if style == "exact" else "−"
        self.budget = MOST_TO_COPY

    def pieces(self, expression: Expression) -> list[Piece]:
        """The whole, in pieces. Raises ValueError where an exact one has over 20,000 numbers."""
        return self.write(expression, {}, False)[0]

    def write(self, expression: Expression, env: Env, within: bool) -> Written:
        """One part, with how tightly it holds together; `within`: as a term of a sum."""
        word, parts = expression
        if word == "call":
            return self.call(parts[0], self.write(parts[1], env, within))
        if word == "pair":
            return self.pair(parts[0], *(self.write(part, env, within) for part in parts[1:]))
        if self.style == "symbols":
            return self.symbols(word, parts)
        if word == "cell":
            place = tuple(index.at(env) for index in parts[1])
            return self.number(self.read(parts[0], place), parts[0], place)
        if word == "floor" and value_of(parts[0], self.read, env) > parts[1]:
            return self.write(parts[0], env, within)
        if word == "where" and value_of(parts[1], self.read, env):
            return self.write(parts[0], env, within)
        if word in ("Σ", "softmax") and not within:
            return self.sum(parts, env) if word == "Σ" else self.softmax(parts, env)
        return self.number(value_of(expression, self.read, env))

    def number(self, number: float, name: str = "", place: Cell = ()) -> Written:
        """A number, and the cell that it is of."""
        self.budget -= 1
        if self.style == "exact" and self.budget < 0:
            raise ValueError(f"this receipt has over {MOST_TO_COPY:,} numbers; copy those of its inputs.")
        masked = number == -math.inf or (name and self.hidden and self.hidden(name, place))
        text = exact(number) if self.style == "exact" else "masked" if masked else shown(number)
        return [Piece(text, name, place)], TIGHT if text[0] == self.minus else ATOM

    def symbols(self, word: str, parts: tuple[Any, ...]) -> Written:
        """A part by its name or sign, without numbers."""
        if word == "cell":
            places = ",".join(index.text for index in parts[1])
            return [Piece(f"{parts[0]}[{places}]" if parts[1] else parts[0], parts[0])], ATOM
        if word in ("number", "known"):
            return [Piece(parts[0])], MULTIPLY if "·" in parts[0] else ATOM
        if word in ("where", "floor"):
            return self.write(parts[0], {}, False)
        letters = ",".join(parts[0])
        body, level = self.write(parts[2], {}, False)
        if word == "softmax":
            here, _ = self.write(parts[3], {}, False)
            return [Piece("exp("), *here, Piece(f") / Σ_{letters} exp("), *body, Piece(")")], DIVIDE
        if word == "argmax":
            return [Piece(f"argmax_{letters}("), *body, Piece(")")], ATOM
        return [Piece(f"Σ_{letters} "), *(body if level > ADD or body[0].text[0] == "Σ" else _in(body))], ADD

    def sum(self, parts: tuple[Any, ...], env: Env) -> Written:
        """The terms, of a long sum only some."""
        letters, lengths, body = parts
        while body.word == "Σ":  # A sum straight within a sum is one.
            letters, lengths, body = letters + body.parts[0], lengths + body.parts[1], body.parts[2]
        inner = _environments((letters, lengths), env)
        pieces: list[Piece] = []
        before = -1
        for place in [*self.chosen(body, inner), len(inner)]:
            if place > before + 1:
                pieces = self.plus(pieces, [Piece("…")])
            if place < len(inner):
                written, level = self.write(body, inner[place], True)
                pieces = self.plus(pieces, written if level > ADD else _in(written))
            before = place
        return pieces, ADD if len(inner) > 1 else MULTIPLY

    def chosen(self, body: Expression, inner: list[dict[str, int]]) -> list[int]:
        """Which terms are written, in their order: all, or of a long sum the three largest."""
        if self.style == "exact" or len(inner) <= TERMS_SHOWN:
            return list(range(len(inner)))
        numbers = [value_of(body, self.read, env) for env in inner]
        sizes = [abs(number) if math.isfinite(number) else -1.0 for number in numbers]
        return sorted(sorted(range(len(inner)), key=lambda place: (-sizes[place], place))[:3])

    def plus(self, pieces: list[Piece], more: list[Piece]) -> list[Piece]:
        """What stands, and one term more."""
        if not pieces:
            return more
        if more[0].text[0] == self.minus:
            return [*pieces, Piece(self.signs["-"]), more[0]._replace(text=more[0].text[1:]), *more[1:]]
        return [*pieces, Piece(" + "), *more]

    def softmax(self, parts: tuple[Any, ...], env: Env) -> Written:
        """One share: e to its score, over the sum of all."""
        letters, lengths, *scores = parts
        top = max(value_of(scores[0], self.read, inner) for inner in _environments(parts, env))
        if top == -math.inf:
            return self.number(0.0)
        if self.style == "exact" or abs(top) > SHIFT_FROM:
            scores = [_pair("-", score, _number("", top)) for score in scores]
        body, here = (Expression("call", ("exp", score)) for score in scores)
        return self.pair("/", self.write(here, env, False), self.sum((letters, lengths, body), env))

    def call(self, word: str, written: Written) -> Written:
        """A word of one number around what it is given."""
        pieces, level = written
        if word == "neg":
            inside = pieces if level > ADD and pieces[0].text[0] != self.minus else _in(pieces)
            return [Piece(self.minus), *inside], MULTIPLY
        if word == "²":
            square = Piece("**2" if self.style == "exact" else "²")
            return [*(pieces if level == ATOM else _in(pieces)), square], TIGHT
        if self.style == "exact":
            opening, closing = _EXACT[word]
            return [Piece(opening), *pieces, Piece(closing)], ATOM
        if pieces == [Piece("masked")]:
            return written
        return [Piece(word), *(pieces if word == "√" and level == ATOM else _in(pieces))], ATOM

    def pair(self, sign: str, left: Written, right: Written) -> Written:
        """A sign between two, with the brackets that it needs."""
        level = _LEVEL[sign]
        one = left[0] if left[1] >= level else _in(left[0])
        if sign == "+":
            return self.plus(one, right[0]), ADD
        needed = MULTIPLY if level == DIVIDE else level
        other = right[0] if right[1] > needed and right[0][0].text[0] != self.minus else _in(right[0])
        pieces = [*one, Piece(self.signs[sign]), *other]
        if level:
            return pieces, level
        return [
            Piece("int(" if self.style == "exact" else "["),
            *pieces,
            Piece(")" if self.style == "exact" else "]"),
        ], ATOM


def _in(pieces: list[Piece]) -> list[Piece]:
    return [Piece("("), *pieces, Piece(")")]
