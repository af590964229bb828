"""How a number is written: one rule for terminal, notebook, page and text, and one to copy exactly."""

import math
from decimal import ROUND_HALF_UP, Context, Decimal

_FOUR = Context(prec=4, rounding=ROUND_HALF_UP)


def shown(number: float) -> str:
    """Four digits that count, rounded half away from zero on the exact binary value.

    A whole number below a million has no point and is exact; from a million on and below 0.0001
    there is an exponent. The page's `shown` (views/numerals.js) writes the same.

    >>> [shown(x) for x in (0.125, -1.23456, 3.0, 12345.6, 0.00001234, 2e6)]
    ['0.1250', '−1.235', '3', '12346', '1.234e−5', '2.000e6']
    >>> shown(1.0625), shown(-math.inf)
    ('1.063', '−∞')
    """
    number = float(number)
    if math.isnan(number):
        return "nan"
    sign, size = "−" if number < 0 else "", abs(number)
    if math.isinf(size):
        return f"{sign}∞"
    if size < 1e6 and size == int(size):
        return f"{sign}{int(size)}"
    exact = Decimal(size)
    exponent = _FOUR.create_decimal(exact).adjusted()
    if -4 <= exponent < 6:
        decimals = max(0, 3 - exponent)
        return f"{sign}{exact.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP):f}"
    digits = _FOUR.create_decimal(exact).scaleb(-exponent)
    return f"{sign}{digits.quantize(Decimal('0.001')):f}e{exponent}".replace("e-", "e−")


def exact(number: float) -> str:
    """The number so that Python, read as float64, gives it back; `inf` and `nan` by name.

    >>> exact(0.1), exact(-2.0), exact(-math.inf)
    ('0.1', '-2.0', '-inf')
    """
    return repr(float(number))
