"""SciPy's special functions, which know float32 and float64 only.

Wide operands are computed in float64, which `engine.precision.accurate_to` then tells, or by mpmath where that is asked for
(`wide(multiprecision=True)`) and has the function.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import scipy.special

from engine.multiprecision import FUNCTIONS, evaluated
from engine.precision import _Mode, lowered


@functools.cache
def _function(name: str) -> Any:
    function = getattr(scipy.special, name)

    def called(*operands: Any) -> Any:
        x = operands[-1]
        if _Mode.multiprecision and len(operands) == 1 and name in FUNCTIONS and x.dtype == np.longdouble:
            return evaluated(name, x)
        return function(*(lowered(v) if isinstance(v, np.ndarray) else v for v in operands))

    return called


class _Special:
    def __getattr__(self, name: str) -> Any:
        return _function(name)


special = _Special()
