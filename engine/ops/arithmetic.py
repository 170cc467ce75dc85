"""Sums, products, quotients and their kin, element by element."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes
from engine import functions as F
from engine.registry import NUMERIC, POINTWISE, op, promote, promote_float


def _scaled(other: np.ndarray, alpha: Any) -> np.ndarray:
    return other if alpha == 1 else np.asarray(alpha).astype(other.dtype) * other


def _maybe_multiply(grad: Any, alpha: Any) -> Any:
    return grad if alpha == 1 else grad * alpha


op(
    "add(Operand input, Operand other, *, Number alpha=1)",
    kind=POINTWISE, rule=promote, family="pointwise", forms="function method inplace out", exact=True,
    kernel=lambda input, other, alpha: input + _scaled(other, alpha),
    derivatives={"input": lambda grad: grad, "other": lambda grad, alpha: _maybe_multiply(grad, alpha)},
)  # fmt: skip
op(
    "mul(Operand input, Operand other)",
    kind=POINTWISE, rule=promote, family="pointwise", forms="function method inplace out", exact=True,
    kernel=np.multiply, aliases=("multiply",),
    derivatives={"input": lambda grad, other: grad * F.conj(other), "other": lambda grad, input: grad * F.conj(input)},
)  # fmt: skip
