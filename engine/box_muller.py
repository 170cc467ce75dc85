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
_SQRT_HALF = float(np.float32(math.sqrt(0.5)))
_TWO_PI, _FOUR_OVER_PI = float(np.float32(2 * math.pi)), float(np.float32(4 / math.pi))


def _singles(*coefficients: float) -> list[float]:
    """Float32 constants, held in Python's floats."""
    return np.array(coefficients, np.float32).astype(np.float64).tolist()


# The constants of Cephes' single-precision functions; coefficients of polynomials, highest power first.
_LN2_HIGH, _LN2_LOW = _singles(0.693359375, -2.12194440e-4)  # their sum is ln 2
_QUARTER_PI = _singles(0.78515625, 2.4187564849853515625e-4, 3.77489497744594108e-8)  # their sum is pi / 4
_SIN = _singles(-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
_COS = _singles(2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
_LOG = _singles(
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
    -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
)  # fmt: skip


def fused32(a: np.ndarray, b: np.ndarray | np.float32, c: np.ndarray | np.float32) -> np.ndarray:
    """`a * b + c` on float32 operands with one rounding: the product is exact in float64."""
    return (np.multiply(a, b, dtype=np.float64) + c).astype(np.float32)


def fused64(a: np.ndarray, b: float, c: float) -> np.ndarray:
    """`a * b + c` on float64 operands with one rounding, from error-free products and sums.

    Where the splitting overflows (operands above 1e300, infinities) it is the ordinary expression.
    """
    if b == 1.0 and c == 0.0:
        return a + 0.0
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


def scalar_pairs(uniform: list[float]) -> list[float]:
    """Pairs of standard normal values in place of pairs of uniform ones; of the last pair the second value may be cached."""
    values: list[float] = []
    for u1, u2 in zip(uniform[0::2], uniform[1::2], strict=True):
        radius = math.sqrt(-2.0 * math.log1p(-u2))
        angle = 2.0 * math.pi * u1
        values += (radius * math.cos(angle), radius * math.sin(angle))
    return values


def block64(uniform: np.ndarray, mean: float, std: float) -> np.ndarray:
    """Normal float64 values in place of uniform ones, in blocks of 8 radii and 8 angles."""
    pairs = uniform.reshape(-1, 2, 8)
    radius = np.sqrt(-2.0 * libm(math.log, 1.0 - pairs[:, 0]))
    angle = 2.0 * math.pi * pairs[:, 1]
    values = np.stack([radius * libm(math.cos, angle), radius * libm(math.sin, angle)], axis=1)
    return fused64(values.reshape(-1), std, mean)


def block32(uniform: np.ndarray, mean: float, std: float) -> np.ndarray:
    """Normal float32 values in place of uniform ones, in blocks of 8 radii and 8 angles."""
    pairs = uniform.astype(np.float64).reshape(-1, 2, 8)
    with np.errstate(all="ignore"):
        radius = _round(np.sqrt(-2.0 * _log32(1.0 - pairs[:, 0])))
        sine, cosine = _sincos32(_round(_TWO_PI * pairs[:, 1]))
        values = _round(np.stack([radius * cosine, radius * sine], axis=1)).reshape(-1)
        return (values * float(np.float32(std)) + float(np.float32(mean))).astype(np.float32)


# Below, float32 values are held in float64 arrays. Then a product is exact and `_round(a * b + c)` is a fused
# multiply-add; a single + - * or sqrt that is rounded to 53 bits and then to 24 is rounded as if at once.


def _round(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float32).astype(np.float64)


def _log32(x: np.ndarray) -> np.ndarray:
    """Natural logarithm of positive normal float32 values, as Cephes computes it."""
    mantissa, exponent = np.frexp(x)
    small = mantissa < _SQRT_HALF
    e = exponent - small
    x = np.where(small, 2.0 * mantissa, mantissa) - 1.0
    square = _round(x * x)
    y = _polynomial(x, _LOG)
    y = _round(_round(y * x) * square + _round(e * _LN2_LOW))
    y = _round(y - 0.5 * square)
    return _round(e * _LN2_HIGH + _round(x + y))


def _sincos32(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sine and cosine of float32 values in [0, 2 pi], as Cephes computes them on the distance to an octant."""
    octant = (_round(x * _FOUR_OVER_PI).astype(np.int32) + 1) & ~1
    for part in _QUARTER_PI:
        x = _round(x - octant * part)
    square = _round(x * x)
    cosine = _round(_round(_polynomial(square, _COS) * square) * square - 0.5 * square)
    cosine = _round(cosine + 1.0)
    sine = _round(_round(_polynomial(square, _SIN) * square) * x + x)
    swapped = (octant & 2) != 0
    sine, cosine = np.where(swapped, cosine, sine), np.where(swapped, sine, cosine)
    return np.where(octant & 4, -sine, sine), np.where((octant - 2) & 4, cosine, -cosine)


def _polynomial(x: np.ndarray, coefficients: list[float]) -> np.ndarray:
    """Horner's rule with fused multiply-adds."""
    y = _round(coefficients[0] * x + coefficients[1])
    for coefficient in coefficients[2:]:
        y = _round(y * x + coefficient)
    return y
