"""Exponentials, logarithms, circular and hyperbolic functions, error and gamma functions, element by element.

A table of rows: name, kernel, derivative. Integers and bool are computed in the default floating dtype.
Source: https://docs.pytorch.org/docs/stable/torch.html#pointwise-ops
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import dtypes, rounded
from engine.autograd.modes import is_grad_enabled
from engine.call import run
from engine.ops.pointwise import (
    EVERY,
    METHOD_ONLY,
    F,
    by_parts,
    conj,
    multiply_add,
    no_complex,
    pointwise,
    promote,
    promote_float,
)
from engine.registry import INEXACT, REAL, Op
from engine.results import Result
from engine.special_functions import special

_PI_180 = math.pi / 180.0


def _table(rows: list[tuple[Any, ...]], **record: Any) -> None:
    """Register rows of (names, kernel, formula, and further fields of the record).

    `inplace_node`: the in-place form has a node of this name; `inplace_formula`: and a derivative of its own.
    """
    for names, kernel, formula, *more in rows:
        name, *aliases = names.split()
        fields = {"forms": EVERY, **record, **(more[0] if more else {})}
        node, inplace_node = fields.pop("node", None), fields.pop("inplace_node", None)
        inplace_formula = fields.pop("inplace_formula", formula)
        every, rule = fields.pop("forms"), fields.pop("rule", promote_float)
        forms = (
            {every: node} if inplace_node is None else {"function method out": node, "inplace": inplace_node}
        )
        for spellings, node_name in forms.items():
            used = inplace_formula if spellings == "inplace" else formula
            pointwise(
                f"{name}(Tensor input)", kernel, rule, derivatives={"input": used}, aliases=tuple(aliases),
                node=node_name, forms=spellings, **fields,
            )  # fmt: skip


# ------------------------------------------------------------------------------------------- exponentials and logarithms


def _exp2(x: np.ndarray) -> np.ndarray:
    return (
        np.exp2(x)
        if x.dtype.kind == "f"
        else np.exp(by_parts(x, lambda part: part * x.real.dtype.type(math.log(2))))
    )


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + rounded.exp(-x))


def _sigmoid_grad(grad: Any, result: Any) -> Any:
    return _fused(_SIGMOID_BACKWARD, grad, result)


def _sigmoid_curvature(grad: Any, grad_output: Any, output: Any) -> Any:
    # First, as torch's C++ evaluates operands from the right, which shows in graphs.
    slope = -2 * conj(output) + 1
    return conj(grad) * grad_output * slope


def _tanh_grad(grad: Any, result: Any) -> Any:
    return _fused(_TANH_BACKWARD, grad, result)


def _fused(record: Any, *values: Any) -> Any:
    return run(record, list(values))


# torch computes these derivatives in one kernel, so that 16-bit floats round once; they are no public functions.
_SIGMOID_BACKWARD: Op = pointwise(
    "sigmoid_backward(Tensor grad_output, Tensor output)",
    lambda grad_output, output: grad_output * np.conjugate((1 - output) * output), forms="",
    derivatives={
        "grad_output": lambda grad, output: _fused(_SIGMOID_BACKWARD, grad, conj(output)),
        "output": _sigmoid_curvature,
    },
)  # fmt: skip
_TANH_BACKWARD: Op = pointwise(
    "tanh_backward(Tensor grad_output, Tensor output)",
    lambda grad_output, output: grad_output * np.conjugate(multiply_add(-output, output, output.dtype.type(1))),
    forms="",
    derivatives={
        "grad_output": lambda grad, output: _fused(_TANH_BACKWARD, grad, conj(output)),
        "output": lambda grad, grad_output, output: conj(grad) * (-2 * conj(output) * grad_output),
    },
)  # fmt: skip

_table([
    ("exp", rounded.exp, lambda grad, result: grad * conj(result)),
    ("exp2", _exp2, lambda grad, result: grad * conj(result) * math.log(2)),
    ("expm1", rounded.expm1, lambda grad, result: grad * (conj(result) + 1)),
    ("log", rounded.log, lambda grad, input: grad / conj(input)),
    ("log1p", rounded.log1p, lambda grad, input: grad / conj(input + 1), {"node": "Log1PBackward0"}),
    ("log2", rounded.log2, lambda grad, input: grad / (conj(input) * 0.6931471805599453)),
    ("log10", rounded.log10, lambda grad, input: grad / (conj(input) * 2.3025850929940456)),
    ("sqrt", np.sqrt, lambda grad, result: grad / (2 * conj(result))),
    ("rsqrt", lambda x: 1 / np.sqrt(x), lambda grad, result: -0.5 * grad * conj(result.pow(3))),
    ("sigmoid", _sigmoid, _sigmoid_grad),
])  # fmt: skip

# ------------------------------------------------------------------------------------------------ circles and hyperbolas


def _sinc(x: np.ndarray) -> np.ndarray:
    turned = x * np.arccos(x.real.dtype.type(-1))  # pi in the precision of x
    return np.where(x == 0, 1, np.sin(turned) / turned).astype(x.dtype)


def _sinc_grad(grad: Any, input: Any) -> Any:
    turned = input * math.pi
    square = input * input * math.pi
    slope = grad * conj((turned * turned.cos() - turned.sin()) / square)
    return F.where(square == 0.0, F.zeros((), dtype=grad.dtype), slope)


def _no_derivative_in_place(name: str) -> Any:
    def refuse(grad: Any) -> Any:
        raise NotImplementedError(f"the derivative for 'inplace version of {name}' is not implemented.")

    return refuse


def _acosh_slope(input: Any) -> Any:
    # Over the complex numbers one root of the product lies on the wrong branch.
    return (input - 1).rsqrt() * (input + 1).rsqrt() if input.dtype.is_complex else (input.pow(2) - 1).rsqrt()


def _scaled_by(factor: float) -> Any:
    return lambda x: x * np.asarray(factor, x.dtype)


_table([
    ("sin", rounded.sin, lambda grad, input: grad * conj(input.cos())),
    ("cos", rounded.cos, lambda grad, input: grad * conj(-input.sin())),
    ("tan", np.tan, lambda grad, result: grad * conj(1 + result.pow(2))),
    ("asin arcsin", np.arcsin, lambda grad, input: grad * conj((-input * input + 1).rsqrt())),
    ("acos arccos", np.arccos, lambda grad, input: grad * -conj((-input * input + 1).rsqrt())),
    ("atan arctan", np.arctan, lambda grad, input: grad / conj(input * input + 1)),
    ("sinh", np.sinh, lambda grad, input: grad * conj(input.cosh())),
    ("cosh", np.cosh, lambda grad, input: grad * conj(input.sinh())),
    ("tanh", rounded.tanh, _tanh_grad),
    ("asinh arcsinh", np.arcsinh, lambda grad, input: grad * conj((input.pow(2) + 1).rsqrt()),
     {"inplace_node": "AsinhBackward1", "inplace_formula": _no_derivative_in_place("asinh")}),
    ("acosh arccosh", np.arccosh, lambda grad, input: grad * conj(_acosh_slope(input)),
     {"inplace_node": "AcoshBackward1", "inplace_formula": _no_derivative_in_place("acosh")}),
    ("atanh arctanh", np.arctanh, lambda grad, input: grad / conj(1 - input.pow(2)),
     {"inplace_node": "AtanhBackward1", "inplace_formula": _no_derivative_in_place("atanh")}),
    ("sinc", _sinc, _sinc_grad),
    ("deg2rad", _scaled_by(_PI_180), lambda grad: grad * _PI_180,
     {"rule": no_complex(promote_float, RuntimeError, "deg2rad is not supported for complex tensors."),
      "node": "Deg2RadBackward0"}),
    ("rad2deg", _scaled_by(180.0 / math.pi), lambda grad: grad * (180.0 / math.pi),
     {"rule": no_complex(promote_float, RuntimeError, "rad2deg is not supported for complex tensors."),
      "node": "Rad2DegBackward0"}),
])  # fmt: skip


def _atan2_grad(grad: Any, input: Any, other: Any) -> Any:
    square = input * input + other * other
    weight = square.reciprocal().masked_fill(square == 0, 0)  # at the origin torch says 0
    return grad * other * weight, grad * -input * weight


def _atan2_tangent(input: Any, other: Any, input_t: Any, other_t: Any) -> Any:
    # In the order of torch's C++, which computes a sum and a quotient from their ends.
    later = other.pow(2)
    square = input.pow(2) + later
    upper = 0 if input_t is None else other * input_t
    lower = 0 if other_t is None else -input * other_t
    return (lower + upper) / square


pointwise(
    "atan2(Tensor input, Tensor other)", np.arctan2, promote_float, accepts=REAL, error_name="atan2_cpu",
    aliases=("arctan2",), derivatives={("input", "other"): _atan2_grad}, tangent=_atan2_tangent,
)  # fmt: skip

# ------------------------------------------------------------------------------------------------------ sums of logarithms


def _logaddexp(input: np.ndarray, other: np.ndarray) -> np.ndarray:
    if input.dtype.kind != "c":
        return np.logaddexp(input, other)
    larger = np.where(input.real >= other.real, input, other)
    smaller = np.where(input.real >= other.real, other, input)
    usual = larger + np.log1p(np.exp(smaller - larger))
    level = ~np.isfinite(larger.real) & (
        larger.real == smaller.real
    )  # both infinite, so that their difference is not
    result = np.where(
        level, np.where(larger.real < 0, smaller, np.log(np.exp(smaller) + np.exp(larger))), usual
    )
    return np.where(np.isnan(input) | np.isnan(other), complex(math.nan, math.nan), result).astype(
        input.dtype
    )


_SUMS: dict[str, Any] = {"forms": "function method out", "rule": promote}
pointwise(
    "logaddexp(Tensor input, Tensor other)", _logaddexp, accepts=INEXACT, error_name="logaddexp_cpu", **_SUMS,
    derivatives={
        "input": lambda grad, input, other: grad / conj(1 + F.exp(other - input)),
        "other": lambda grad, input, other: grad / conj(1 + F.exp(input - other)),
    },
)  # fmt: skip
pointwise(
    "logaddexp2(Tensor input, Tensor other)", np.logaddexp2, accepts=INEXACT & REAL, error_name="logaddexp2_cpu", **_SUMS,
    derivatives={
        "input": lambda grad, input, other: grad / (1 + F.pow(2, other - input)),
        "other": lambda grad, input, other: grad / (1 + F.pow(2, input - other)),
    },
)  # fmt: skip

# --------------------------------------------------------------------------------------------------- error, gamma, logit


def _digamma(x: np.ndarray) -> np.ndarray:
    """The logarithmic derivative of gamma; its pole at 0 has a sign, its other poles are NaN."""
    poles = (x < 0) & (x == np.trunc(x))
    value = np.where(poles, np.nan, special.digamma(x))
    return np.where(x == 0, np.copysign(np.inf, -x), value).astype(x.dtype)


def _trigamma(x: np.ndarray) -> Result:
    """The derivative of digamma. At poles below 0 torch has what rounding leaves of the sine of a multiple of pi, which no
    documentation promises."""
    return Result(special.trigamma(x), None, (x < 0) & (x == np.trunc(x)))


def _lgamma(x: np.ndarray) -> np.ndarray:
    """The logarithm of the gamma function's absolute value, also for infinities and for numbers close to zero."""
    with np.errstate(all="ignore"):
        near_zero = np.abs(x) < np.finfo(x.dtype).eps ** 2  # where gamma is 1 / x, which may overflow
        return np.where(near_zero, -np.log(np.abs(x)), np.where(np.isinf(x), np.inf, special.gammaln(x)))


_table([
    ("erf", special.erf, lambda grad, input: 2.0 / math.sqrt(math.pi) * F.exp(-(input.pow(2))) * grad,
     {"error_name": "erf_vml_cpu"}),
    ("erfc", special.erfc, lambda grad, input: -2.0 / math.sqrt(math.pi) * F.exp(-(input.pow(2))) * grad,
     {"error_name": "erfc_vml_cpu"}),
    ("erfinv", lambda x: np.where(x == 0, x, special.erfinv(x)),
     lambda grad, input: 0.5 * math.sqrt(math.pi) * F.exp(input.erfinv().pow(2)) * grad,
     {"error_name": "erfinv_vml_cpu", "forms": METHOD_ONLY}),
    ("lgamma", _lgamma, lambda grad, input: grad * F.digamma(input),
     {"error_name": "lgamma_vml_cpu", "forms": METHOD_ONLY}),
    ("digamma", _digamma, lambda grad, input: grad * input.polygamma(1), {"forms": METHOD_ONLY}),
], accepts=REAL)  # fmt: skip


def _logit(x: np.ndarray, eps: float | None) -> np.ndarray:
    wide = x.astype(dtypes.opmath(dtypes.BY_NUMPY[x.dtype]), copy=False)
    if eps is not None:
        low, high = (np.asarray(bound, x.dtype).astype(wide.dtype) for bound in (eps, 1 - eps))
        wide = np.where(wide < low, low, np.where(wide > high, high, wide))
    return np.log(wide / (1 - wide))


def _logit_backward(grad_output: np.ndarray, input: np.ndarray, eps: float | None) -> Result:
    wide = dtypes.opmath(dtypes.BY_NUMPY[input.dtype])
    low, high = (np.asarray(bound, input.dtype).astype(wide) for bound in (eps or 0.0, 1 - (eps or 0.0)))
    grad_output, x = grad_output.astype(wide), input.astype(wide)
    made = np.where(
        (x >= low) & (x <= high), grad_output / (np.abs(x) * (1 - x)), np.nan if eps is None else 0
    )
    # For NaN between bounds torch's vector code gives 0 and its scalar code NaN, so the place in memory decides.
    return Result(made.astype(input.dtype), None, None if eps is None else np.isnan(input))


_LOGIT_BACKWARD = pointwise(
    "logit_backward(Tensor grad_output, Tensor input, float? eps=None)", _logit_backward, stepwise=True, forms="",
)  # fmt: skip


def _logit_grad(grad: Any, input: Any, eps: float | None) -> Any:
    if not is_grad_enabled():
        return _fused(_LOGIT_BACKWARD, grad, input, eps)
    low, outside = (0.0, math.nan) if eps is None else (eps, 0.0)
    inside = F.logical_and(input >= low, input <= 1.0 - low)
    return F.where(inside, grad / (input * (1.0 - input)), F.full((), outside, dtype=input.dtype))


pointwise(
    "logit(Tensor input, float? eps=None)", _logit, promote_float, accepts=REAL, error_name="logit_cpu", forms=EVERY,
    stepwise=True, derivatives={"input": _logit_grad},
)  # fmt: skip
