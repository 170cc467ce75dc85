"""Sums of products of numbers, as matrix products make them: where their order decides the result, it is left open.

Source: https://docs.pytorch.org/docs/stable/notes/numerical_accuracy.html
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import dtypes
from engine.dtypes import BOOL, FLOAT, dtype
from engine.precision import terms
from engine.results import Result
from engine.tensor import Tensor


def wide(t: Tensor) -> np.ndarray:
    """The elements in the dtype to compute in."""
    return t._array().astype(dtypes.opmath(t.dtype), copy=False)


def multiply(a: Tensor, b: Tensor, name: str) -> np.ndarray:
    """The matrix product in the computing dtype. Raises NotImplementedError for bools, unless there is nothing to add."""
    product = np.matmul(terms(wide(a)), wide(b))
    if a.dtype.category == BOOL and product.size and a._sizes[-1]:
        raise NotImplementedError(f"\"{name}\" not implemented for 'Bool'")
    return product


_LARGEST = [dtypes.finfo(d).max for d in (dtypes.float32, dtypes.float64)]


def undecided(a: np.ndarray, b: np.ndarray, d: dtype, times: Any = 1, added: Any = 0) -> np.ndarray | None:
    """Where the order of the sum `times * (a @ b) + added` decides whether it overflows; None where it does nowhere.

    So it is where the magnitudes add up to more than the dtype holds and not all terms have one sign.
    """
    if d.category < FLOAT:
        return None
    limit, scale = _LARGEST[d in (dtypes.float64, dtypes.complex128)], abs(times)
    # The norms bound every sum of products (Cauchy and Schwarz); they overflow, or are NaN, wherever it is worth looking closer.
    norms = [math.sqrt(abs(np.vdot(x, x))) for x in (a, b, added)]
    if max(scale, 1) * norms[0] * norms[1] + norms[2] <= limit:
        return None
    # Infinite terms are no overflow, but their sign counts.
    left, right, rest = (np.where(np.isfinite(x), np.abs(x), 0).astype(np.longdouble) for x in (a, b, added))
    products = np.matmul(left, right)
    overflows = max(scale, 1) * products + rest > limit
    if d.is_complex:
        return np.asarray(overflows)
    left, right, rest_sign = (np.sign(x) for x in (a, b, added))
    count = np.matmul(np.abs(left), np.abs(right)) + np.abs(rest_sign)
    one_sign = np.abs(np.sign(times) * np.matmul(left, right) + rest_sign) == count
    return np.asarray(overflows & ~(one_sign & (scale * products + rest > limit)))


def rounded(values: np.ndarray, d: dtype, left_open: np.ndarray | None) -> Any:
    """The result in its dtype. Which parts of a complex sum of products are NaN and which infinite is left open, since it
    depends on how the products are made of real ones."""
    made = values.astype(d.numpy, copy=False)
    if made.dtype.kind == "c" and not np.isfinite(made).all():
        left_open = ~np.isfinite(made) | (False if left_open is None else left_open)
    return made if left_open is None else Result(made, None, left_open)


def product_of(a: Tensor, b: Tensor, name: str, d: dtype) -> Any:
    return rounded(multiply(a, b, name), d, undecided(wide(a), wide(b), d))
