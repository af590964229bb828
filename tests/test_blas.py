"""Adding a product in one pass: slow loops, NumPy's own operations, and what it does where BLAS fails it."""

import sys
import tracemalloc

import numpy as np
import pytest

from clearhead import blas
from clearhead.blas import add_product

FLOATS = pytest.mark.parametrize(("dtype", "rounding"), [(np.float32, 2e-6), (np.float64, 5e-15)])
ROWS, INNER, COLUMNS = 220, 7, 190  # More numbers than SMALL, and no two sizes alike.


def drawn(dtype, rows=ROWS, inner=INNER, columns=COLUMNS):
    generator = np.random.default_rng(0)
    shapes = ((rows, columns), (rows, inner), (inner, columns))
    return [generator.normal(size=shape).astype(dtype) for shape in shapes]


def slow(total, left, right, factor):
    """One number at a time, in float64."""
    made = total.astype(np.float64)
    for i in range(total.shape[0]):
        for k in range(total.shape[1]):
            made[i, k] += factor * sum(float(left[i, j]) * float(right[j, k]) for j in range(len(right)))
    return made


def without_gemm(monkeypatch):
    monkeypatch.setattr(blas, "_gemm", lambda char: None)


@FLOATS
@pytest.mark.parametrize("left_order", "CF")
@pytest.mark.parametrize("right_order", "CF")
def test_a_product_is_added_as_a_slow_loop_adds_it(dtype, rounding, left_order, right_order):
    total, left, right = drawn(dtype)
    assert total.size >= blas.SMALL
    expected = slow(total, left, right, -0.3)
    before = left.copy(), right.copy()
    add_product(total, left.copy(left_order), right.copy(right_order), -0.3)
    np.testing.assert_allclose(total, expected, rtol=rounding, atol=rounding)
    np.testing.assert_array_equal(left, before[0])
    np.testing.assert_array_equal(right, before[1])


def test_numpys_wheels_have_the_function_that_adds_as_it_multiplies():
    # Where NumPy stands on another BLAS there may be none, and nothing is lost but time.
    if blas.kernel() is None:
        pytest.skip("this NumPy does not stand on OpenBLAS")
    assert blas._gemm("f") is not None
    assert blas._gemm("d") is not None
    assert blas._gemm("e") is None


@FLOATS
def test_the_product_is_never_held(dtype, rounding):
    if blas._gemm(np.dtype(dtype).char) is None:
        pytest.skip("this NumPy's BLAS is not found")
    total, left, right = drawn(dtype)
    tracemalloc.start()
    try:
        add_product(total, left, right)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < total.nbytes / 10


@FLOATS
@pytest.mark.parametrize("sizes", [(1, 3, 40000), (40000, 2, 1), (200, 1, 180), (33000, 1, 1)])
def test_sizes_of_one_are_no_special_case(dtype, rounding, sizes):
    total, left, right = drawn(dtype, *sizes)
    for made in (left, np.asfortranarray(left)):
        for other in (right, np.asfortranarray(right)):
            sum_ = total.copy()
            add_product(sum_, made, other, 2.0)
            np.testing.assert_allclose(sum_, total + 2 * (left @ right), rtol=rounding, atol=rounding)


@pytest.mark.parametrize(
    "way",
    [
        "small",
        "strided",
        "bytes the other way round",
        "misaligned",
        "mixed",
        "transposed total",
        "empty",
        "no gemm",
    ],
)
def test_what_blas_cannot_take_is_left_to_numpy_bit_for_bit(way, monkeypatch):
    total, left, right = drawn(np.float32)
    if way == "small":
        total, left, right = drawn(np.float32, 5, 4, 3)
    if way == "strided":
        left, right = np.repeat(left, 2, axis=1)[:, ::2], np.repeat(right, 3, axis=0)[::3]
        assert not left.flags.forc
    if way == "bytes the other way round":
        total, left, right = (
            matrix.astype(">f4" if sys.byteorder == "little" else "<f4") for matrix in (total, left, right)
        )
    if way == "misaligned":
        room = np.empty(left.nbytes + 1, np.uint8)[1:]
        left, _ = (
            room.view(np.float32).reshape(left.shape),
            room.data.__setitem__(slice(None), left.tobytes()),
        )
        assert not left.flags.aligned
    if way == "mixed":
        left = left.astype(np.float64)
    if way == "transposed total":
        total = np.asfortranarray(total)
    if way == "empty":
        left, right = left[:, :0], right[:0]
    if way == "no gemm":
        without_gemm(monkeypatch)
    expected = total.copy(order="K")
    expected += 0.7 * (left @ right)
    add_product(total, left, right, 0.7)
    np.testing.assert_array_equal(total, expected)


def test_shapes_that_do_not_fit_are_refused_and_nothing_is_written():
    total, left, right = drawn(np.float32)
    before = total.copy()
    for wrong_left, wrong_right in ((left[:, 1:], right), (left[1:], right), (left, right[:, 1:])):
        with pytest.raises(ValueError, match=r"shape|mismatch|dimension"):
            add_product(total, wrong_left, wrong_right)
    np.testing.assert_array_equal(total, before)


def test_a_total_that_may_not_be_written_is_refused():
    total, left, right = drawn(np.float32)
    before = total.copy()
    total.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        add_product(total, left, right)
    np.testing.assert_array_equal(total, before)


@pytest.mark.parametrize("fault", ["nothing added", "left read down", "factor forgotten", "absent"])
def test_a_function_that_answers_wrongly_is_not_used(fault, monkeypatch):
    true = blas._call

    def wrong(function, total, left, right, factor):
        if fault == "left read down":
            total += factor * (left.ravel("K").reshape(left.shape[::-1]).T @ right)
        if fault == "factor forgotten":
            true(function, total, left, right, 1.0)

    monkeypatch.setattr(blas, "_call", wrong)
    if fault == "absent":
        monkeypatch.setattr(blas, "_function", lambda name: None)
    monkeypatch.setattr(blas, "_gemm", blas._gemm.__wrapped__)
    assert blas._gemm("f") is None
    total, left, right = drawn(np.float32)
    expected = total + 0.5 * (left @ right)
    add_product(total, left, right, 0.5)
    np.testing.assert_array_equal(total, expected)


def test_the_name_of_a_missing_function_is_answered_with_none():
    assert blas._function("cblas_no_such_gemm") is None
