"""Functions of one or two variables to any precision, by mpmath, for the few elements where float64 is not enough.

Source: https://mpmath.org/doc/current/
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

DIGITS = 30
"""Decimal digits to compute in; longdouble holds 19."""

FUNCTIONS = {
    "exp": "exp", "expm1": "expm1", "log": "log", "log1p": "log1p", "log2": "log2", "log10": "log10", "sqrt": "sqrt",
    "sin": "sin", "cos": "cos", "tan": "tan", "arcsin": "asin", "arccos": "acos", "arctan": "atan", "sinh": "sinh",
    "cosh": "cosh", "tanh": "tanh", "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh", "erf": "erf", "erfc": "erfc",
    "erfinv": "erfinv", "gammaln": "loggamma", "digamma": "digamma", "trigamma": "trigamma", "i0": "i0", "i1": "i1",
    "ndtr": "ncdf",
}  # fmt: skip
"""What NumPy and SciPy call a function -> what mpmath calls it."""


OF_TWO = {
    "gammainc": lambda mp, a, x: mp.gammainc(a, 0, x, regularized=True),
    "gammaincc": lambda mp, a, x: mp.gammainc(a, x, mp.inf, regularized=True),
    "polygamma": lambda mp, n, x: mp.polygamma(int(n), x),
}
SIZES = {
    **dict.fromkeys(("gammainc", "gammaincc", "i0", "i1"), (1e-20, 1e4)),
    **dict.fromkeys(("polygamma", "trigamma"), (1e-20, 1e3)),
}
"""The sizes of operands, 0 apart, between which a series takes a reasonable time."""
UNSIGNED = frozenset(("gammainc", "gammaincc"))
"""What is not defined for negative operands, where a series may go on for ever."""


_LEAST, _MOST = np.finfo(np.longdouble).minexp, np.finfo(np.longdouble).maxexp
"""Between these are the exponents of normal numbers."""


def evaluated(name: str, *operands: np.ndarray) -> np.ndarray:
    """The function at each element of real arrays, as longdouble. Raises ModuleNotFoundError without mpmath.

    What has no value, a complex one, or one that takes too long is NaN; at infinities and NaN the caller has to know better.
    """
    operands = np.broadcast_arrays(*operands)
    out = np.empty(operands[0].shape, np.longdouble)
    for place in np.ndindex(out.shape):
        out[place] = _at(name, *(np.longdouble(values[place]) for values in operands))
    return out


def _at(name: str, *at: np.longdouble) -> np.longdouble:
    import mpmath

    least, most = SIZES.get(name, (0, np.inf))
    if name in UNSIGNED and min(at) < 0:
        return np.longdouble(np.nan)
    if not all(np.isfinite(x) and (x == 0 or least <= abs(x) <= most) for x in at):
        return np.longdouble(np.nan)
    with mpmath.workdps(DIGITS):
        exact = [mpmath.mpf(float(x)) + mpmath.mpf(float(x - np.longdouble(float(x)))) for x in at]
        try:
            y: Any = _function(mpmath, name)(*exact)
        except (ValueError, ZeroDivisionError, mpmath.libmp.NoConvergence):
            return np.longdouble(np.nan)
        if isinstance(
            y, mpmath.mpc
        ):  # the logarithm of a negative gamma has the imaginary part that |gamma| has not
            y = y.real if name == "gammaln" else mpmath.nan
        power = mpmath.mag(y) if y and mpmath.isfinite(y) else 0
        if not _LEAST < power < _MOST:
            return np.longdouble(0 if power < 0 else float(mpmath.sign(y)) * np.inf)
        return np.longdouble(mpmath.nstr(y, DIGITS))


def _function(mpmath: Any, name: str) -> Any:
    if name in OF_TWO:
        return functools.partial(OF_TWO[name], mpmath)
    if name == "log2":
        return lambda x: mpmath.log(x, 2)
    if name in ("i0", "i1"):
        return lambda x: mpmath.besseli(int(name[1]), x)
    if name == "trigamma":
        return lambda x: mpmath.psi(1, x)
    return getattr(mpmath, FUNCTIONS[name])
