"""Special functions: SciPy's, which know float32 and float64 only, and better ones where SciPy loses digits.

Wide operands are computed in float64, which `engine.precision.accurate_to` then tells, or by mpmath where that is asked for
(`wide(multiprecision=True)`) and has the function.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import scipy.special

from engine.multiprecision import FUNCTIONS, OF_TWO, SIZES, evaluated
from engine.precision import _Mode, lowered


@functools.cache
def _function(name: str) -> Any:
    function = _OWN.get(name) or getattr(scipy.special, name)

    def called(*operands: Any) -> Any:
        known = name in FUNCTIONS if len(operands) == 1 else name in OF_TWO
        if not (_Mode.multiprecision and known and operands[-1].dtype == np.longdouble):
            return function(*map(_lowered, operands))
        found = evaluated(name, *operands)
        if name in SIZES and np.isnan(found).any():
            return np.where(np.isnan(found), function(*map(_lowered, operands)), found)
        return found

    return called


def _lowered(operand: Any) -> Any:
    return lowered(operand) if isinstance(operand, np.ndarray) else operand


class _Special:
    def __getattr__(self, name: str) -> Any:
        return _function(name)


special = _Special()


# ----------------------------------------------------------------------------------------------- better than SciPy's


_erfc = np.vectorize(math.erfc, otypes=[np.float64])
"""Of the C library, which has more right digits of small values."""


def _log_gamma(x: np.ndarray) -> np.ndarray:
    """The logarithm of |gamma|; `loggamma` keeps digits near its roots 1 and 2, `gammaln` near those below 0."""
    wide = x.astype(np.float64)
    positive = scipy.special.loggamma(np.abs(wide))
    return np.where(wide > 0, positive, scipy.special.gammaln(wide)).astype(x.dtype)


def _trigamma(x: np.ndarray) -> np.ndarray:
    """The derivative of digamma: a zeta function, reflected below 1/2. Source: https://dlmf.nist.gov/5.15"""
    wide = x.astype(np.float64)
    low = wide < 0.5
    at = np.where(low, 1 - wide, wide)
    total = np.where(np.isposinf(at), 0, scipy.special.zeta(2.0, at))
    sine = np.sin(math.pi * (wide - np.round(wide)))  # the whole turns are taken off while that is exact
    return np.where(low, (math.pi / sine) ** 2 - total, total).astype(x.dtype)


_OWN = {"gammaln": _log_gamma, "trigamma": _trigamma, "erfc": lambda x: _erfc(x).astype(x.dtype)}
