"""The formula language: a line of mathematics that people read and programs run.

The grammar, which stands here and nowhere else:

    docstring = value "[" axes "]" " = " formula ": " meaning
    axes      = [ axis { "," axis } ] | "..."
    axis      = N | D | H | C | B | T | S | M | A | K | AK | F | V
    formula   = sum [ "where" sum ]
    sum       = [ "-" ] term { ( "+" | "-" ) term }
    term      = product { ( "⊙" | "/" ) product }
    product   = factor { factor }
    factor    = atom { "ᵀ" | "²" }
    atom      = number | value | axis | "√" factor | "(" formula ")"
              | "[" sum ( ">" | "=" ) sum "]"
              | word "(" formula ")" | over "_" axis { axis } "(" formula ")"
    word      = σ | exp | log | tanh | gelu | split | merge | reshape
    over      = Σ | mean | argmax | softmax | norm

axes      None for a scalar, never one twice; `...` are those of the function's first parameter.
          AK is one axis, A·K long, K fastest: two of A, K and AK give the third.
where     Where the second is 0 a cell takes no part: it becomes -∞.
sum, term Cell by cell, left to right. Axes meet by name, a missing one is repeated; one side must
          have all axes of the other, and gives their order.
product   Side by side: the last axis of the left with the last but one of the right; axes before
          those meet by name. Plain multiplication if either side has no axes.
ᵀ         Swaps the last two axes.
axis      A letter alone is its length: from the inputs' shapes, or a parameter of that name.
[a > b]   1 or 0.
log       Of at least the dtype's smallest normal number.
gelu      The exact form, with the error function.
split     The last two axes T,AK become A,T,K; merge goes back. S may stand in T's place.
reshape   To the value's shape, in reading order; only as the whole formula.
over      Along the named axes; softmax and norm keep them. AK is the one axis where the operand
          has it, else A and K. argmax counts in reading order of the axes as named. softmax of
          -∞ alone is 0. norm: mean 0, population variance 1, which has 1e-5 added.

A formula's axes are those of its value, in order. S and T may stand for each other there (one of
them, not swapped) and where they meet in a product, because keys are tokens; nowhere else.
A formula names all parameters of its function and besides only axes; a parameter that is an axis
is a length and need not be named. Names of values are ASCII, and neither axes nor words.
"""

import re
from typing import Any, NoReturn

Tree = tuple[Any, ...]
Axes = tuple[str, ...]

AXES: Axes = ("N", "D", "H", "C", "B", "T", "S", "M", "A", "K", "AK", "F", "V")
WORDS = ("σ", "exp", "log", "tanh", "gelu", "split", "merge", "reshape")
OVER = ("Σ", "mean", "argmax", "softmax", "norm")
RESERVED = frozenset({*AXES, *WORDS, *OVER, "where"})


class FormulaError(ValueError):
    """A formula that is not in the language, or whose axes do not meet.

    >>> parse("X @ W1")
    Traceback (most recent call last):
    clearhead.formula.FormulaError: 'X @ W1', character 3: '@' is not in the language; \
write a product side by side (X W1), cell by cell with ⊙ or /.
    """


_TOKEN = re.compile(
    rf"(?P<number>\d+(?:\.\d+)?)|(?P<over>(?:{'|'.join(OVER)})_\w+)"
    r"|(?P<name>[A-Za-z]\w*|[σΣ])|(?P<sign>[-+⊙/ᵀ²√()\[\]>=])|(?P<gap>\s+)",
    re.ASCII,
)


def parse(text: str) -> Tree:
    """The tree of a formula: nested plain tuples, the operation first, as JSON can carry them.

    Raises FormulaError, naming the character, where the text is not in the language.

    >>> parse("X W1 + b1")
    ('+', ('product', ('value', 'X'), ('value', 'W1')), ('value', 'b1'))
    >>> parse("-mean_N(h²) / √K")
    ('neg', ('/', ('mean', 'N', ('²', ('value', 'h'))), ('√', ('axis', 'K'))))
    """
    reader = _Reader(text)
    tree = reader.formula()
    if reader.word:
        reader.wrong("expected the end", f"take {reader.word!r} away or put a sign before it")
    places = [start for _, word, start in reader.tokens if word == "reshape"]
    for start in places[1:] if tree[0] == "reshape" else places:
        reader.wrong("reshape is not alone", "make the rest a step of its own", start)
    return tree


class _Reader:
    """A method for each rule of the grammar; each reads from the current token on."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.tokens: list[tuple[str, str, int]] = []
        start = 0
        while start < len(text):
            found = _TOKEN.match(text, start)
            if found is None:
                fix = "write a product side by side (X W1), cell by cell with ⊙ or /"
                self.wrong(f"{text[start]!r} is not in the language", fix, start)
            if found.lastgroup != "gap":
                self.tokens.append((str(found.lastgroup), found[0], start))
            start = found.end()
        self.tokens.append(("end", "", len(text)))

    @property
    def word(self) -> str:
        return self.tokens[self.at][1]

    def wrong(self, what: str, fix: str, start: int | None = None) -> NoReturn:
        place = self.tokens[self.at][2] if start is None else start
        raise FormulaError(f"{self.text!r}, character {place + 1}: {what}; {fix}.")

    def take(self, *wanted: str) -> str:
        """Pass the current token if it is a wanted one; else return nothing."""
        word = self.word
        if word not in wanted:
            return ""
        self.at += 1
        return word

    def need(self, *wanted: str) -> str:
        choice = " or ".join(wanted)
        what = f"expected {choice}, got {self.word or 'the end'}"
        return self.take(*wanted) or self.wrong(what, f"put {choice} here")

    def formula(self) -> Tree:
        tree = self.sum()
        return ("where", tree, self.sum()) if self.take("where") else tree

    def sum(self) -> Tree:
        tree = ("neg", self.term()) if self.take("-") else self.term()
        while sign := self.take("+", "-"):
            tree = (sign, tree, self.term())
        return tree

    def term(self) -> Tree:
        tree = self.product()
        while sign := self.take("⊙", "/"):
            tree = (sign, tree, self.product())
        return tree

    def product(self) -> Tree:
        tree = self.factor()
        while self.begins_factor():
            tree = ("product", tree, self.factor())
        return tree

    def begins_factor(self) -> bool:
        kind, word, _ = self.tokens[self.at]
        return (kind in ("number", "over", "name") and word != "where") or word in ("√", "(", "[")

    def factor(self) -> Tree:
        tree = self.atom()
        while sign := self.take("ᵀ", "²"):
            tree = (sign, tree)
        return tree

    def atom(self) -> Tree:
        if not self.begins_factor():
            what = f"expected a value, a number, an axis or a word, got {self.word or 'the end'}"
            self.wrong(what, "put one here")
        if self.take("√"):
            return ("√", self.factor())
        if self.word == "(":
            return self.bracketed()
        if self.take("["):
            left = self.sum()
            tree = (self.need(">", "="), left, self.sum())
            self.need("]")
            return tree
        kind, word, start = self.tokens[self.at]
        self.at += 1
        if kind == "number":
            return ("number", float(word))
        if kind == "over":
            over, letters = word.split("_", 1)
            if not set(letters) <= set(AXES) or len(set(letters)) < len(letters):
                what = f"{letters!r} is not a row of axes, each once, for {over} to go over"
                self.wrong(what, f"choose from {' '.join(AXES)}", start + len(over) + 1)
            return (over, letters, self.bracketed())
        if word in WORDS:
            return (word, self.bracketed())
        if word in OVER:
            self.wrong(f"{word} lacks the axes to go over", f"write {word}_N(...), say", start)
        if self.text.startswith("(", start + len(word)):
            fix = f"use one of {' '.join(WORDS)}, or for a product put a space before the bracket"
            self.wrong(f"{word!r} is not a word of the language", fix, start)
        return ("axis", word) if word in AXES else ("value", word)

    def bracketed(self) -> Tree:
        self.need("(")
        tree = self.formula()
        self.need(")")
        return tree


def values_in(tree: Tree) -> set[str]:
    """The names of the values that a tree reads.

    >>> sorted(values_in(parse("(y - Y) / N")))
    ['Y', 'y']
    """
    if tree[0] == "value":
        return {tree[1]}
    return set().union(*(values_in(part) for part in tree if isinstance(part, tuple)))
