"""How numbers are written: digits that Decimal gives, half away from zero, the same on the page."""

import math
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pytest

from clearhead.numerals import exact, shown

TIES = [0.125, 0.0625, -0.0625, 1.0625, -1.0625, 2.00050048828125, 0.00010001659393310547, 1000.5, 31.1875]


def numbers():
    generator = np.random.default_rng(0)
    spread = generator.normal(size=3000) * 10.0 ** generator.integers(-12, 12, 3000)
    halves = (generator.integers(-9999, 9999, 2000) + 0.5) / 2.0 ** generator.integers(0, 14, 2000)
    edges = [0.0, -0.0, 1.0, -7.0, 999999.0, 999999.5, 1e6, 9.9995, 9.99949, 9.9996e-5, 1e-4, 1e300, 5e-324]
    return [
        *TIES,
        *edges,
        *spread.tolist(),
        *halves.tolist(),
        *np.float32(spread[:500]).astype(float).tolist(),
    ]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.125, "0.1250"),
        (1.0625, "1.063"),
        (-1.0625, "−1.063"),
        (0.99996, "1.000"),
        (1000.5, "1001"),
        (-0.0, "0"),
        (12, "12"),
        (1.5e6, "1.500e6"),
        (-2.5e-7, "−2.500e−7"),
        (math.inf, "∞"),
        (math.nan, "nan"),
    ],
)
def test_a_number_has_four_digits_that_count(number, text):
    assert shown(number) == text


def test_every_number_is_within_half_its_last_digit_and_ties_go_away_from_zero():
    for number in numbers():
        text = shown(number).replace("−", "-")
        digits, _, power = text.partition("e")
        unit = Decimal(1).scaleb(int(power or 0) - len(digits.partition(".")[2]))
        if "." not in digits and number == int(number):
            assert Decimal(text) == Decimal(number) + 0
            continue
        assert Decimal(text) == (Decimal(number) / unit).quantize(Decimal(1), rounding=ROUND_HALF_UP) * unit


def test_an_exact_number_comes_back():
    for number in numbers():
        assert float(exact(number)) == number


def test_the_page_writes_the_same_digits(inside):
    texts = inside.evaluate("numbers => numbers.map(inside.shown)", numbers())
    assert texts == [shown(number) for number in numbers()]
    back = inside.evaluate("numbers => numbers.map(inside.exact)", numbers())
    assert back == [exact(number) for number in numbers()]
