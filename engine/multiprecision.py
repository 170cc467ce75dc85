"""Functions of one variable to any precision, by mpmath, for the few elements where float64 is not enough.

Source: https://mpmath.org/doc/current/
"""

from __future__ import annotations

from typing import Any

import numpy as np

DIGITS = 30
"""Decimal digits to compute in; longdouble holds 19."""

FUNCTIONS = {
    "exp": "exp", "expm1": "expm1", "log": "log", "log1p": "log1p", "log2": "log2", "log10": "log10", "sqrt": "sqrt",
    "sin": "sin", "cos": "cos", "tan": "tan", "arcsin": "asin", "arccos": "acos", "arctan": "atan", "sinh": "sinh",
    "cosh": "cosh", "tanh": "tanh", "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh", "erf": "erf", "erfc": "erfc",
    "erfinv": "erfinv", "gammaln": "loggamma", "digamma": "digamma", "i0": "i0", "ndtr": "ncdf",
}  # fmt: skip
"""What NumPy and SciPy call a function -> what mpmath calls it."""


def evaluated(name: str, values: np.ndarray) -> np.ndarray:
    """The function at each element of a real array, as longdouble. Raises ModuleNotFoundError without mpmath.

    What has no value, or a complex one, is NaN; at infinities and NaN the caller has to know better.
    """
    out = np.empty(values.shape, np.longdouble)
    for place in np.ndindex(values.shape):
        out[place] = _at(name, np.longdouble(values[place]))
    return out


def _at(name: str, x: np.longdouble) -> np.longdouble:
    import mpmath

    if not np.isfinite(x):
        return np.longdouble(np.nan)
    with mpmath.workdps(DIGITS):
        high = float(x)
        try:
            y: Any = _function(mpmath, name)(mpmath.mpf(high) + mpmath.mpf(float(x - np.longdouble(high))))
        except (ValueError, ZeroDivisionError):
            return np.longdouble(np.nan)
        if isinstance(
            y, mpmath.mpc
        ):  # the logarithm of a negative gamma has the imaginary part that |gamma| has not
            y = y.real if name == "gammaln" else mpmath.nan
        return np.longdouble(mpmath.nstr(y, DIGITS))


def _function(mpmath: Any, name: str) -> Any:
    if name == "log2":
        return lambda x: mpmath.log(x, 2)
    if name == "i0":
        return lambda x: mpmath.besseli(0, x)
    return getattr(mpmath, FUNCTIONS[name])
