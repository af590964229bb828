"""total += factor · left right in one pass over the memory, by the library that NumPy multiplies with.

NumPy makes a product first and adds it afterwards. For a matrix of weights that is slow: each core has
written its part of the product, and the one that adds has to fetch the others'. BLAS's gemm (Dongarra et
al. 1990) adds while it multiplies; NumPy never asks it to, but has it loaded. Where it cannot be found, or
gives a wrong answer when it is tried at first use, NumPy's own two operations do the same.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import itertools
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from clearhead.machine import keep_freed_memory

keep_freed_memory()  # Arrays of many megabytes come and go with every pass.
# What NumPy's wheels and other builds call the functions, and the kind of their whole numbers.
SPELLINGS = (("scipy_", "64_", ctypes.c_int64), ("", "64_", ctypes.c_int64), ("", "", ctypes.c_int))
REALS: dict[str, tuple[str, Any]] = {"f": ("s", ctypes.c_float), "d": ("d", ctypes.c_double)}
ROW_MAJOR, AS_IT_IS, TRANSPOSED = 101, 111, 112  # cblas.h
SMALL = 2**15  # Below so many numbers NumPy's two operations take less time than finding the addresses.
Matrix = np.ndarray[Any, Any]
ORDERS: tuple[Literal["C", "F"], ...] = ("C", "F")


def add_product(total: Matrix, left: Matrix, right: Matrix, factor: float = 1.0) -> None:
    """total (I,K) += factor · left (I,J) right (J,K), in place; total shares no memory with the others.

    >>> total = np.ones((2, 2))
    >>> add_product(total, np.eye(2), np.eye(2), -0.5)
    >>> total
    array([[0.5, 1. ],
           [1. , 0.5]])
    """
    gemm = _gemm(total.dtype.char) if total.size >= SMALL else None
    if gemm is None or not _fits(total, left, right):
        total += factor * (left @ right)
    else:
        gemm(total, left, right, factor)


def kernel() -> str | None:
    """The processor whose kernels OpenBLAS runs, such as SkylakeX; None where NumPy's is not found.

    >>> isinstance(kernel(), str | None)
    True
    """
    for prefix, suffix, _ in SPELLINGS:
        name = _function(f"{prefix}openblas_get_corename{suffix}")
        if name is not None:
            name.restype = ctypes.c_char_p
            return str(name().decode())
    return None


def _fits(total: Matrix, left: Matrix, right: Matrix) -> bool:
    """Whether gemm can take the three as they lie; what does not fit together at all is NumPy's to refuse."""
    return (
        total.ndim == left.ndim == right.ndim == 2
        and (left.shape[0], left.shape[1], right.shape[1]) == (total.shape[0], right.shape[0], total.shape[1])
        and left.dtype == right.dtype == total.dtype == total.dtype.newbyteorder("=")
        and total.flags.carray
        and all(matrix.flags.forc and matrix.flags.aligned for matrix in (left, right))
        and min(left.shape + right.shape) > 0
        and max(left.shape + right.shape) < 2**31  # Some libraries count no further.
    )


@functools.cache
def _gemm(char: str) -> Callable[[Matrix, Matrix, Matrix, float], None] | None:
    """BLAS's gemm for a NumPy type character, tried once; None where there is none."""
    letter, real = REALS.get(char, ("", None))
    for prefix, suffix, whole in SPELLINGS:
        function = _function(f"{prefix}cblas_{letter}gemm{suffix}") if letter else None
        if function is not None:
            function.restype = None
            function.argtypes = [*[ctypes.c_int] * 3, *[whole] * 3, real, *[ctypes.c_void_p, whole] * 2, real,
                                 ctypes.c_void_p, whole]  # fmt: skip
            gemm = functools.partial(_call, function)
            return gemm if _is_right(gemm, char) else None
    return None


def _function(name: str) -> Any:
    """A function of a library that NumPy has loaded; None where no such name is known."""
    try:
        numpys_own = importlib.import_module("numpy._core._multiarray_umath").__file__
        return getattr(ctypes.CDLL(numpys_own), name)
    except (ImportError, AttributeError, OSError):
        return None


def _call(gemm: Any, total: Matrix, left: Matrix, right: Matrix, factor: float) -> None:
    (rows, inner), columns = left.shape, right.shape[1]
    (left_order, left_step), (right_order, right_step) = _layout(left), _layout(right)
    addresses = [matrix.ctypes.data for matrix in (left, right, total)]
    gemm(ROW_MAJOR, left_order, right_order, rows, columns, inner, factor,
         addresses[0], left_step, addresses[1], right_step, 1.0, addresses[2], columns)  # fmt: skip


def _layout(matrix: Matrix) -> tuple[int, int]:
    """How gemm is to read it, and how many numbers lie between two rows (or columns) of it."""
    return (AS_IT_IS, matrix.shape[1]) if matrix.flags.c_contiguous else (TRANSPOSED, matrix.shape[0])


def _is_right(gemm: Callable[[Matrix, Matrix, Matrix, float], None], char: str) -> bool:
    """Whole numbers, which every kind of real number adds exactly, in all four layouts, few and many."""
    sizes = ((2, 3, 5), (230, 20, 150))
    for (rows, inner, columns), left_order, right_order in itertools.product(sizes, ORDERS, ORDERS):
        left, right = _numbers(rows, inner, char, left_order), _numbers(inner, columns, char, right_order)
        total = _numbers(rows, columns, char, "C")
        expected = total - 2 * (left @ right)
        gemm(total, left, right, -2.0)
        if not np.array_equal(total, expected):
            return False
    return True


def _numbers(rows: int, columns: int, char: str, order: Literal["C", "F"]) -> Matrix:
    return (np.arange(rows * columns).reshape(rows, columns) % 7 - 3).astype(char, order)
