"""SciPy's special functions, which know float32 and float64 only.

Wide operands are computed in float64, which `engine.precision.accurate_to` then tells, or by mpmath where that is asked for
(`wide(multiprecision=True)`) and has the function.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import scipy.special

from engine.multiprecision import FUNCTIONS, OF_TWO, evaluated
from engine.precision import _Mode, lowered


@functools.cache
def _function(name: str) -> Any:
    function = getattr(scipy.special, name)

    def called(*operands: Any) -> Any:
        known = name in FUNCTIONS if len(operands) == 1 else name in OF_TWO
        if _Mode.multiprecision and known and operands[-1].dtype == np.longdouble:
            found = evaluated(name, *operands)
            if len(operands) == 1 or not np.isnan(found).any():
                return found
            return np.where(np.isnan(found), function(*map(lowered, operands)), found)
        return function(*(lowered(v) if isinstance(v, np.ndarray) else v for v in operands))

    return called


class _Special:
    def __getattr__(self, name: str) -> Any:
        return _function(name)


special = _Special()
