"""Pairs of normal values from pairs of uniform ones, rounded step by step as torch's CPU kernels round them.

torch has three forms. Blocks of 16 float32 values use single-precision polynomials (the Cephes `logf` and `sincosf`,
https://www.netlib.org/cephes/) with fused multiply-adds; blocks of 16 float64 values and the scalar form use the C
library's functions in double precision. The float32 block form is that of x86 processors with AVX2, where torch's
wheels always take it; elsewhere the last bits may differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

_SPLIT = 134217729.0  # 2**27 + 1 halves the 53 bits of a double (Veltkamp)
_TWO_PI = np.float32(2 * math.pi)
_SQRT_HALF = np.float32(math.sqrt(0.5))
_FOUR_OVER_PI = np.float32(4 / math.pi)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)  # their sum is ln 2

# Coefficients of Cephes' single-precision polynomials, highest power first.
_LOG = np.array(
    (
        7.0376836292e-2,
        -1.1514610310e-1,
        1.1676998740e-1,
        -1.2420140846e-1,
        1.4249322787e-1,
        -1.6668057665e-1,
        2.0000714765e-1,
        -2.4999993993e-1,
        3.3333331174e-1,
    ),
    np.float32,
)
_SIN = np.array((-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1), np.float32)
_COS = np.array((2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2), np.float32)
_QUARTER_PI = np.array((0.78515625, 2.4187564849853515625e-4, 3.77489497744594108e-8), np.float32)
"""Three parts whose sum is pi / 4, so that subtracting multiples loses nothing."""


def fused32(a: np.ndarray, b: np.ndarray | np.float32, c: np.ndarray | np.float32) -> np.ndarray:
    """`a * b + c` on float32 operands with one rounding: the product is exact in float64."""
    return (np.multiply(a, b, dtype=np.float64) + c).astype(np.float32)


def fused64(a: np.ndarray, b: float, c: float) -> np.ndarray:
    """`a * b + c` on float64 operands with one rounding, from error-free products and sums.

    Where the splitting overflows (operands above 1e300, infinities) it is the ordinary expression.
    """
    with np.errstate(all="ignore"):
        a_high = a * _SPLIT - (a * _SPLIT - a)
        b_high = b * _SPLIT - (b * _SPLIT - b)
        a_low, b_low = a - a_high, b - b_high
        product = a * b
        product_error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
        total = product + c
        part = total - product
        total_error = (product - (total - part)) + (c - part)
        fused = total + (total_error + product_error)
        return np.where(np.isfinite(fused), fused, total)


def libm(function: Callable[[float], float], values: np.ndarray) -> np.ndarray:
    """A function of the C library on every element.

    torch calls the C library here; NumPy has vector forms of its own on some processors, which round otherwise.
    """
    return np.fromiter(map(function, values.ravel().tolist()), np.float64, values.size).reshape(values.shape)


def scalar_pairs(u1: np.ndarray, u2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two standard normal float64 arrays from two uniform ones; of each pair the second value is cached."""
    radius = np.sqrt(-2.0 * libm(math.log1p, -u2))
    angle = 2.0 * math.pi * u1
    return radius * libm(math.cos, angle), radius * libm(math.sin, angle)


def block64(uniform: np.ndarray, mean: float, std: float) -> np.ndarray:
    """Normal float64 values in place of uniform ones, in blocks of 8 radii and 8 angles."""
    pairs = uniform.reshape(-1, 2, 8)
    radius = np.sqrt(-2.0 * libm(math.log, 1.0 - pairs[:, 0]))
    angle = 2.0 * math.pi * pairs[:, 1]
    values = np.stack([radius * libm(math.cos, angle), radius * libm(math.sin, angle)], axis=1)
    return fused64(values.reshape(-1), std, mean)


def block32(uniform: np.ndarray, mean: float, std: float) -> np.ndarray:
    """Normal float32 values in place of uniform ones, in blocks of 8 radii and 8 angles."""
    pairs = uniform.reshape(-1, 2, 8)
    with np.errstate(all="ignore"):
        radius = np.sqrt(np.float32(-2.0) * _log32(np.float32(1.0) - pairs[:, 0]))
        sine, cosine = _sincos32(_TWO_PI * pairs[:, 1])
        values = np.stack([radius * cosine, radius * sine], axis=1).reshape(-1)
        return fused32(values, np.float32(std), np.float32(mean))


def _log32(x: np.ndarray) -> np.ndarray:
    """Natural logarithm of positive normal float32 values, as Cephes computes it."""
    mantissa, exponent = np.frexp(x)
    small = mantissa < _SQRT_HALF
    e = (exponent - small).astype(np.float32)
    x = (mantissa - np.float32(1.0)) + np.where(small, mantissa, np.float32(0.0))
    square = x * x
    y = np.broadcast_to(_LOG[0], x.shape)
    for coefficient in _LOG[1:]:
        y = fused32(y, x, coefficient)
    y = fused32(y * x, square, e * _LN2_LOW)
    y = fused32(square, np.float32(-0.5), y)
    return fused32(e, _LN2_HIGH, x + y)


def _sincos32(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sine and cosine of float32 values in [0, 2 pi], as Cephes computes them on the distance to an octant."""
    octant = ((x * _FOUR_OVER_PI).astype(np.int32) + 1) & ~1
    for part in _QUARTER_PI:
        x = fused32(octant.astype(np.float32), -part, x)
    square = x * x
    cosine = fused32(fused32(_COS[0], square, _COS[1]), square, _COS[2]) * square
    cosine = fused32(cosine, square, square * np.float32(-0.5)) + np.float32(1.0)
    sine = fused32(fused32(_SIN[0], square, _SIN[1]), square, _SIN[2]) * square
    sine = fused32(sine, x, x)
    swapped = (octant & 2) != 0
    sine, cosine = np.where(swapped, cosine, sine), np.where(swapped, sine, cosine)
    return np.where(octant & 4, -sine, sine), np.where((octant - 2) & 4, cosine, -cosine)
