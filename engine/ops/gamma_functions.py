"""Derivatives of digamma, incomplete and multivariate gamma functions, Bessel functions, element by element.

Source: https://docs.pytorch.org/docs/stable/special.html
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import dtypes
from engine import functions as F
from engine.call import run
from engine.dtypes import BOOL, FLOATS, HALVES, dtype, get_default_dtype
from engine.ops.elementary import _digamma, _trigamma
from engine.ops.pointwise import EVERY, METHOD_ONLY, pointwise
from engine.registry import GENERAL, REAL, Op, op, promote_float
from engine.results import Result, result_of
from engine.special_functions import special
from engine.tensor import Tensor

# ----------------------------------------------------------------------------------------------------- modified Bessel


_I1: Op = pointwise(
    "special_i1(Tensor input)", special.i1, promote_float, forms="", accepts=REAL,
    derivatives={"input": lambda grad, input, result: grad * _i1_slope(input, result)},
)  # fmt: skip


def _i1_slope(input: Any, result: Any) -> Any:
    if input.dtype in HALVES:
        raise NotImplementedError(f"\"i1_backward\" not implemented for '{input.dtype.legacy}'")
    eps = dtypes.finfo(input.dtype).eps
    away = F.where(input.abs() > eps, input, eps)  # a quotient near 0 would be lost; the slope there is 1/2
    return F.where(input.abs() > eps, away.i0() - result / away, 0.5)


pointwise(
    "i0(Tensor input)", lambda x: np.where(np.isinf(x), x.dtype.type(np.nan), special.i0(x)), promote_float, forms=EVERY,
    accepts=REAL, error_name="i0_vml_cpu", derivatives={"input": lambda grad, input: grad * run(_I1, [input])},
)  # fmt: skip

# ----------------------------------------------------------------------------------------------------- incomplete gamma


def _incomplete(name: str, function: Any, at_zero: float, at_infinity: float, sign: int) -> None:
    """Register a regularised incomplete gamma function of (order, argument) by its values at the ends."""

    def kernel(a: np.ndarray, x: np.ndarray) -> Result:
        usual = function(a, x)
        ends = np.where(np.isinf(a), np.where(np.isinf(x), np.nan, at_zero), usual)
        ends = np.where(~np.isinf(a) & np.isinf(x), at_infinity, ends)
        ends = np.where(x == 0, at_zero, ends)
        ends = np.where(a == 0, np.where(x > 0, at_infinity, np.nan), ends)
        made = np.where((a < 0) | (x < 0), np.nan, ends).astype(usual.dtype)
        # An intermediate of torch's is as small as the smallest order or argument, and may vanish: extremal values are
        # not promised, https://docs.pytorch.org/docs/stable/notes/numerical_accuracy.html
        tiny = np.finfo(usual.dtype).tiny
        return Result(made, None, ((a > 0) & (a < tiny)) | ((x > 0) & (x < tiny)))

    def refuse(grad: Any) -> Any:
        raise NotImplementedError(f"the derivative for '{name}: input' is not implemented.")

    def slope(grad: Any, input: Any, other: Any) -> Any:
        return grad * (sign * F.exp((input - 1) * F.log(other) - other - F.lgamma(input)))

    pointwise(
        f"{name}(Tensor input, Tensor other)", kernel, accepts=FLOATS, error_name=f"{name}_cpu", forms=METHOD_ONLY,
        derivatives={"input": refuse, "other": slope},
    )  # fmt: skip


_incomplete("igamma", special.gammainc, 0.0, 1.0, 1)
_incomplete("igammac", special.gammaincc, 1.0, 0.0, -1)

# ------------------------------------------------------------------------------------------------------------ polygamma


def _polygamma(x: np.ndarray, n: int) -> np.ndarray | Result:
    if n < 2:
        return _trigamma(x) if n else _digamma(x)
    return special.polygamma(n, x).astype(x.dtype)


_KERNELS = ("digamma", "trigamma")


def _polygamma_rule(values: list[Any]) -> tuple[dtype, dtype]:
    x, n = values if isinstance(values[1], int) else reversed(values)
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    compute, result = promote_float([x])
    if compute not in REAL:
        name = _KERNELS[n] if n < 2 else "polygamma"
        raise NotImplementedError(f"\"{name}\" not implemented for '{compute.legacy}'")
    return compute, result


for _signature, _forms, _node in (
    ("polygamma(int n, Tensor input)", "function out", "PolygammaBackward0"),
    ("polygamma(Tensor input, int n)", "method", "PolygammaBackward0"),
    ("polygamma(Tensor input, int n)", "inplace-method", "PolygammaBackward1"),
):
    pointwise(
        _signature, _polygamma if "input, int" in _signature else lambda n, x: _polygamma(x, n), _polygamma_rule,
        bound_rule=True, forms=_forms, node=_node,
        derivatives={"input": lambda grad, input, n: grad * input.polygamma(n + 1)},
    )  # fmt: skip

# --------------------------------------------------------------------------------------------------- multivariate gamma


def _mvlgamma(input: Tensor, p: int) -> Result:
    if input.dtype.category == BOOL:
        raise RuntimeError("The input tensor may not be a boolean tensor.")
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    if input.dtype.is_complex:
        raise NotImplementedError(f"\"arange_cpu\" not implemented for '{input.dtype.legacy}'")
    terms = _arguments(input.detach(), p).lgamma()
    total = terms.sum(-1) + p * (p - 1) / 4 * math.log(math.pi)
    return result_of(total, total._strides)


def _arguments(input: Any, p: int) -> Any:
    """x, x - 1/2, ... along a further dimension."""
    d = input.dtype if input.dtype in FLOATS else get_default_dtype()
    return input.unsqueeze(-1) + F.arange(0, -p, -1, dtype=d) / 2


op(
    "mvlgamma(Tensor input, int p)", kind=GENERAL, kernel=_mvlgamma, family="pointwise", forms=METHOD_ONLY,
    memory="internal partial",
    derivatives={"input": lambda grad, input, p: grad * _arguments(input, p).digamma().sum(-1)},
)  # fmt: skip
