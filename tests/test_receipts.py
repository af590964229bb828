"""Receipts: what is written for a cell comes to it, exactly where copied, within its digits where shown."""

import math
import re

import numpy as np
import pytest
from sample_traces import cells_of, some_traces

from clearhead.evaluation import Evaluation
from clearhead.formula import parse
from clearhead.receipts import Piece, Writing, at_cell, typed, value_of

NUMBER = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?(?:e[-−]?\d+)?|inf|nan)(?![\w.])")


class Range:
    """A number known to lie between two; arithmetic gives where the result can lie."""

    def __init__(self, low, high=None):
        self.low, self.high = low, low if high is None else high

    @classmethod
    def of(cls, other):
        return other if isinstance(other, Range) else Range(float(other))

    def ends(self, other, operation):
        other = Range.of(other)
        corners = [operation(a, b) for a in (self.low, self.high) for b in (other.low, other.high)]
        return Range(min(corners), max(corners))

    def __add__(self, other):
        return self.ends(other, lambda a, b: a + b)

    def __radd__(self, other):
        return self + other

    def __sub__(self, other):
        return self.ends(other, lambda a, b: a - b)

    def __rsub__(self, other):
        return Range.of(other) - self

    def __mul__(self, other):
        return self.ends(other, lambda a, b: a * b)

    def __rmul__(self, other):
        return self * other

    def __truediv__(self, other):
        return self.ends(other, lambda a, b: a / b)

    def __neg__(self):
        return Range(-self.high, -self.low)

    def map(self, function):
        values = [function(self.low), function(self.high)]
        return Range(min(values), max(values))

    def square(self):
        low, high = sorted([abs(self.low), abs(self.high)])
        return Range(0 if self.low <= 0 <= self.high else low**2, high**2)


def digits(found):
    """A number as shown stands for itself ± half its last digit; a whole one for itself."""
    text = found[1].replace("−", "-")
    mantissa, _, power = text.partition("e")
    if "." not in mantissa:
        return f"Range({text})"
    half = 0.5 * 10.0 ** (int(power or 0) - len(mantissa.partition(".")[2])) * (1 + 1e-9)
    return f"Range({text} - {half}, {text} + {half})"


def gelu(z):
    return 0.5 * z * (1 + math.erf(z / math.sqrt(2)))


WORDS = {
    "Range": Range,
    "sigma": lambda z: Range.of(z).map(lambda x: 0.5 * math.tanh(0.5 * x) + 0.5),
    "exp": lambda z: Range.of(z).map(math.exp),
    "tanh": lambda z: Range.of(z).map(math.tanh),
    "log": lambda z: Range.of(z).map(lambda x: math.log(max(x, 1e-300))),
    "root": lambda z: Range.of(z).map(lambda x: math.sqrt(max(x, 0))),
    # It falls, then rises: between the ends the least may lie.
    "gelu": lambda z: z.map(gelu) if z.low > -0.7 else Range(-0.17, max(gelu(z.low), gelu(z.high))),
    "same": lambda a, b: Range(int(a.low == b.low)),
    "square": lambda z: Range.of(z).square(),
}


def as_ranges(text):
    """What a shown receipt says, by interval arithmetic."""
    elided = []

    def keep(found):
        elided.append(float(found[1]))
        return f"left{len(elided) - 1}_"

    text = re.sub(r"⟨([^⟩]*)⟩", keep, text)
    text = re.sub(r"\[(\d+) = (\d+)\]", r"same(\1, \2)", text)
    text = re.sub(r"√\(", "root(", text)
    text = re.sub(r"√(\d+)", r"root(\1)", text)
    text = NUMBER.sub(digits, text)
    text = text.replace("masked", "Range(0)").replace("σ", "sigma").replace("·", "*").replace("−", "-")
    words = WORDS | {f"left{i}_": Range(number) for i, number in enumerate(elided)}
    made = eval(text, words)
    return Range.of(made)


class Told(Writing):
    """Writes beside each … what it stands for, from the data: the first of a sum has all of it."""

    def sum(self, parts, env):
        pieces, level = super().sum(parts, env)
        if not any(piece.text == "…" for piece in pieces):
            return pieces, level
        letters, lengths, body = parts
        while body.word == "Σ":
            letters, lengths, body = letters + body.parts[0], lengths + body.parts[1], body.parts[2]
        places = [dict(zip(letters, place, strict=True)) for place in np.ndindex(*lengths)]
        inner = [{**env, **place} for place in places]
        shown = set(self.chosen(body, inner))
        rest = sum(value_of(body, self.read, one) for i, one in enumerate(inner) if i not in shown)
        numbers = iter([rest])
        return [Piece(f"⟨{next(numbers, 0.0)!r}⟩") if p.text == "…" else p for p in pieces], level


def rounding(seen, name, cell):
    """n·ε·Σ|terms| of the value's dtype: what each number of the receipt may be off, taken together."""
    dtype = seen[name].dtype
    epsilon = float(np.finfo(dtype if dtype.kind == "f" else np.float32).eps)
    receipt = seen.receipt(name, cell)
    text = receipt.exact
    count = len(NUMBER.findall(text)) + 8
    # The same arithmetic with every number's size and every difference a sum: no term cancels another.
    sizes = re.sub(r"(?<=[\d)]) - |(?<![e(,*/] )(?<!e)-(?=[\d(])", " + ", text)
    try:
        most = abs(eval(sizes, dict(vars(math))))
    except (SyntaxError, OverflowError, ZeroDivisionError, ValueError):
        most = 1.0
    return epsilon * count * max(most, abs(receipt.value), 1e-3)


def test_a_copied_receipt_comes_to_the_recorded_number():
    count = 0
    for seen in some_traces():
        for name, cell in cells_of(seen, 6):
            receipt = seen.receipt(name, cell)
            came = eval(receipt.exact, dict(vars(math)))
            assert abs(came - receipt.value) <= rounding(seen, name, cell), (name, cell, receipt.exact)
            count += 1
    assert count >= 1000


def test_a_shown_receipt_comes_to_the_recorded_number_within_its_digits():
    narrow = 0
    for seen in some_traces():
        for name, cell in cells_of(seen, 6):
            traced = seen.steps[name]
            expression = at_cell(seen.tree(name), traced.step.shape, cell, seen.lengths, seen.tiny)

            def read(short, place, traced=traced, seen=seen):
                return seen.read(traced.reads[short], place)

            def hidden(short, place, traced=traced, seen=seen):
                return seen.is_masked(traced.reads[short], place)

            receipt = seen.receipt(name, cell)
            told = "".join(piece.text for piece in Told("shown", read, hidden).pieces(expression))
            assert re.sub("⟨[^⟩]*⟩", "…", told) == receipt.shown
            range_ = as_ranges(told)
            slack = rounding(seen, name, cell)
            assert range_.low - slack <= receipt.value <= range_.high + slack, (name, cell, receipt.shown)
            narrow += range_.high - range_.low < 0.05 * max(1, abs(receipt.value))
    assert narrow > 800  # The ranges say something.


@pytest.fixture(scope="module")
def network():
    return next(iter(some_traces()))


def test_the_formula_at_a_cell_has_its_places_and_letters(network):
    assert network.receipt("z1", (2, 1)).symbols == "Σ_d X[2,d] W1[d,1] + b1[1]"
    assert network.receipt("dz1", (0, 3)).symbols == "dh[0,3] h[0,3] (1 − h[0,3])"
    assert network.receipt("y", (1, 0)).symbols == "exp(z2[1,0]) / Σ_c exp(z2[1,c])"
    assert network.receipt("loss").symbols == "−(Σ_n Σ_c Y[n,c] log(y[n,c])) / N"
    assert network.receipt("W1_next", (2, 1)).symbols == "W1[2,1] − lr dW1[2,1]"


def test_a_receipt_links_to_the_cells_that_it_names_and_to_what_uses_it(network):
    receipt = network.receipt("dz1", (0, 3))
    assert receipt.inputs == (("dh", (0, 3)), ("h", (0, 3)))
    assert receipt.used_in == ("dW1", "db1")
    for name, cell in receipt.inputs:
        assert network.receipt(name, cell).value == network[name][cell]
    assert next(piece.text for piece in receipt.pieces if piece.name) == network_text(network, "dh", (0, 3))


def network_text(seen, name, cell):
    from clearhead.numerals import shown

    return shown(float(seen[name][cell]))


def written(formula, shape, cell, style="shown", **inputs):
    values = {name: numbers for name, (_, numbers) in inputs.items()}
    axes = {name: tuple(letters) for name, (letters, _) in inputs.items()}
    ready = Evaluation(values, axes)
    tree = typed(parse(formula), ready)
    expression = at_cell(tree, tuple(shape), cell, ready.lengths, np.finfo(float).tiny)
    writing = Writing(style, lambda name, at: float(ready.inputs[name].numbers[at]))
    return "".join(piece.text for piece in writing.pieces(expression))


def test_of_a_long_sum_the_three_largest_terms_are_shown_in_their_order():
    row = [0.5, -9.0, 0.25, 3.0, 0.125, 2.5, -0.5]
    assert written("Σ_D(x)", "", (), x=("D", row)) == "… − 9 + … + 3 + … + 2.500 + …"
    assert written("Σ_D(x)", "", (), x=("D", row[:5])) == "0.5000 − 9 + 0.2500 + 3 + 0.1250"


def test_a_masked_cell_is_called_masked_and_never_zero():
    scores, mask = [1.0, 2.0, 0.5], [1.0, 0.0, 1.0]
    text = written("softmax_S(x where m)", "S", (0,), x=("S", scores), m=("S", mask))
    assert text == "exp(1) / (exp(1) + masked + exp(0.5000))"
    assert written("softmax_S(x where m)", "S", (1,), x=("S", scores), m=("S", mask)).startswith("masked / ")
    assert written("softmax_S(x where m)", "S", (1,), x=("S", scores), m=("S", [0.0, 0.0, 0.0])) == "0"


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        ("a - (b - c)", "1.500 − (−2 − 0.2500)"),
        ("a / (b ⊙ c)", "1.500 / (−2·0.2500)"),
        ("a / b ⊙ c", "(1.500 / (−2))·0.2500"),
        ("-(a + b)", "−(1.500 − 2)"),
        ("-b²", "−(−2)²"),
        ("a b c", "1.500·(−2)·0.2500"),
        ("[a > b] c", "[1.500 > (−2)]·0.2500"),
        ("√(a + c)", "√(1.500 + 0.2500)"),
        ("c - b", "0.2500 − (−2)"),
    ],
)
def test_brackets_stand_where_they_are_needed(formula, text):
    assert written(formula, "", (), a=("", 1.5), b=("", -2.0), c=("", 0.25)) == text


def test_the_places_of_heads_side_by_side_are_worked_out():
    heads = np.arange(24.0).reshape(2, 3, 4)
    text = written("merge(h)", ("T", "AK"), (1, 7), "symbols", h=("ATK", heads))
    assert text == "h[1,1,3]"
    rows = np.arange(24.0).reshape(3, 8)
    made = Evaluation({"r": rows, "h": heads}, {"r": ("T", "AK"), "h": ("A", "T", "K")})
    tree = typed(parse("split(r)"), made)
    expression = at_cell(tree, ("A", "T", "K"), (1, 2, 3), made.lengths, 0.0)
    assert value_of(expression, lambda n, at: float(rows[at]), {}) == rows[2, 7]


def test_letters_of_nested_sums_differ():
    x = np.arange(6.0).reshape(2, 3)
    text = written("Σ_D(x ⊙ (x - Σ_D(x)))", "N", (0,), "symbols", x=("ND", x))
    assert text == "Σ_d x[0,d] (x[0,d] − (Σ_d′ x[0,d′]))"


def test_a_receipt_of_too_many_numbers_says_so():
    with pytest.raises(ValueError, match="over 20,000 numbers"):
        written("Σ_D(x)", "", (), "exact", x=("D", np.ones(20_001)))


def test_a_masked_share_is_called_so_wherever_it_is_read():
    seen = next(seen for seen in some_traces() if "mask" in seen.values and not seen["mask"].all())
    cell = tuple(int(i) for i in np.argwhere(~seen["mask"])[0])
    assert str(seen.receipt("weights", cell)).splitlines()[3].endswith("= masked")
    assert "masked·" in seen.receipt("heads", (*cell[:3], 0)).shown
    assert (
        "masked" not in str(seen.receipt("scores", cell)).splitlines()[2]
    )  # It has a number before the mask.
