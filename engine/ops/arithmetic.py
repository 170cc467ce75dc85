"""Sums, products, quotients and remainders, element by element.

Sources: https://docs.pytorch.org/docs/stable/torch.html#pointwise-ops and, for the quotients,
https://docs.pytorch.org/docs/stable/generated/torch.div.html
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from engine import dtypes
from engine.dtypes import BOOL, COMPLEXES
from engine.ops.pointwise import (
    EVERY,
    SAME_OUT,
    F,
    as_scalar,
    compare,
    conj,
    multiply_add,
    no_gradient,
    not_implemented,
    of,
    pointwise,
    promote,
    promote_float,
    refuse_zero_divisor,
    refusing,
    scaled,
)  # fmt: skip
from engine.registry import BOOL_ONLY, COMPOSITE, REAL, op
from engine.results import Result

# ----------------------------------------------------------------------------------------------------- sums, differences


def _alpha(alpha: Any, array: np.ndarray, negative: bool = False) -> np.ndarray:
    """The factor of `other`, or its negative, in the computing dtype.

    Raises RuntimeError where it is of a higher category than the result, or does not fit: the negative, where that is wanted,
    as torch adds the product with it.
    """
    kind = array.dtype.kind
    if isinstance(alpha, bool) and kind != "b":
        raise RuntimeError("Boolean alpha only supported for Boolean results.")
    if isinstance(alpha, float) and kind in "iub":
        raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
    if isinstance(alpha, complex) and kind != "c":
        raise RuntimeError("For non-complex input tensors, argument alpha must not be a complex number.")
    if negative and not (isinstance(alpha, int) and alpha == -(2**63)):  # in 64 bits that is its own negative
        alpha = -alpha
    return as_scalar(alpha, array)


def _add_scaled(input: np.ndarray, other: np.ndarray, alpha: Any) -> np.ndarray:
    return multiply_add(_alpha(alpha, other), other, input)


def _subtract_scaled(input: np.ndarray, other: np.ndarray, alpha: Any) -> np.ndarray:
    return multiply_add(_alpha(alpha, other, negative=True), other, input)


def _add(input: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The sum. torch multiplies a complex `other` by 1, which turns what stands beside an infinity into NaN."""
    return input + (other * other.dtype.type(1) if other.dtype.kind == "c" else other)


def _subtract(input: np.ndarray, other: np.ndarray) -> np.ndarray:
    return input - (other * other.dtype.type(1) if other.dtype.kind == "c" else other)


_ADD = {"input": lambda grad: grad, "other": lambda grad, alpha: scaled(grad, conj(alpha))}
_SUBTRACT = {"input": lambda grad: grad, "other": lambda grad, alpha: scaled(-grad, conj(alpha))}
_RSUBTRACT = {"input": lambda grad, alpha: scaled(-grad, conj(alpha)), "other": lambda grad: grad}

_MIXED_BOOL = (
    "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, use the `~` or "
    "`logical_not()` operator instead."
)
_TWO_BOOLS = (
    "Subtraction, the `-` operator, with two bool tensors is not supported. "
    "Use the `^` or `logical_xor()` operator instead."
)


def _difference(operands: list[Any]) -> tuple[dtypes.dtype, dtypes.dtype]:
    """Promotion of a difference, which bool tensors have none of."""
    if all(of(x).category == BOOL for x in operands):
        raise RuntimeError(_TWO_BOOLS)
    return _no_bool(operands)


_no_bool = refusing(promote, BOOL_ONLY, RuntimeError, _MIXED_BOOL)

# The sum without a factor is IEEE's, the same everywhere; with one, it depends on whether the kernel fuses the two steps.
pointwise(
    "add(Operand input, Operand other)", _add, exact=True,
    derivatives={"input": lambda grad: grad, "other": lambda grad: grad},
)  # fmt: skip
pointwise(
    "add(Operand input, Operand other, *, Number alpha=1)", _add_scaled, stepwise=True, derivatives=_ADD,
)  # fmt: skip
pointwise(
    "add(Operand input, Number alpha, Operand other)", lambda input, alpha, other: _add_scaled(input, other, alpha),
    stepwise=True, warning="This overload of add is deprecated", derivatives=_ADD,
)  # fmt: skip
pointwise(
    "sub(Operand input, Operand other)", _subtract, _difference, exact=True, aliases=("subtract",),
    derivatives={"input": lambda grad: grad, "other": lambda grad: -grad},
)  # fmt: skip
pointwise(
    "sub(Operand input, Operand other, *, Number alpha=1)", _subtract_scaled, _difference, stepwise=True,
    aliases=("subtract",), derivatives=_SUBTRACT,
)  # fmt: skip
pointwise(
    "sub(Operand input, Number alpha, Operand other)",
    lambda input, alpha, other: _subtract_scaled(input, other, alpha), _difference, stepwise=True,
    warning="This overload of sub is deprecated", derivatives=_SUBTRACT,
)  # fmt: skip
pointwise(
    "rsub(Tensor input, Tensor other, *, Number alpha=1)", lambda input, other, alpha: _subtract_scaled(other, input, alpha),
    _difference, stepwise=True, forms="function", derivatives=_RSUBTRACT, last_leads=True,
)  # fmt: skip
pointwise(
    "rsub(Tensor input, Scalar other, Number alpha=1)", lambda input, other, alpha: _subtract_scaled(other, input, alpha),
    _difference, stepwise=True, forms="function", node="RsubBackward1", derivatives={"input": _RSUBTRACT["input"]},
)  # fmt: skip

# ----------------------------------------------------------------------------------------------------------- products


def _product_tangent(input: Any, input_t: Any, other: Any, other_t: Any) -> Any:
    if other_t is None:
        return input_t * other
    if input_t is None:
        return other_t * input
    later = input_t * other  # torch's C++ computes a sum from its end
    return other_t * input + later


pointwise(
    "mul(Operand input, Operand other)", np.multiply, exact=True, wide_scalar=True, aliases=("multiply",),
    derivatives={
        "input": lambda grad, other: grad * conj(other),
        "other": lambda grad, input: grad * conj(input),
    },
    tangent=_product_tangent,
)  # fmt: skip

# ---------------------------------------------------------------------------------------------------------- quotients

_ORDERED_NUMBERS = REAL - BOOL_ONLY


def _quotient_tangent(input_t: Any, other: Any, other_t: Any, result: Any) -> Any:
    if other_t is None:
        return input_t / other
    return (-other_t * result if input_t is None else input_t - other_t * result) / other


pointwise(
    "div(Operand input, Operand other)", np.divide, promote_float, exact=True, wide_scalar=True, error_name="div_cpu",
    aliases=("divide", "true_divide"),
    derivatives={
        "input": lambda grad, other: grad / conj(other),
        "other": lambda grad, input, other: -grad * conj((input / other) / other),
    },
    tangent=_quotient_tangent,
)  # fmt: skip


def _trunc_divide(input: np.ndarray, other: np.ndarray) -> np.ndarray:
    if input.dtype.kind not in "iu":
        return np.trunc(input / other)
    # NumPy's `//` rounds down: one more where there is a remainder and the signs differ.
    floor = np.floor_divide(input, other)
    return floor + ((floor < 0) & (floor * other != input)).astype(floor.dtype)


def _divide(input: np.ndarray, other: np.ndarray, rounding_mode: str | None) -> np.ndarray:
    if rounding_mode is None:
        return input / other
    refuse_zero_divisor(input, other)
    return _trunc_divide(input, other) if rounding_mode == "trunc" else np.floor_divide(input, other)


def _quotient_dtype(values: list[Any]) -> tuple[dtypes.dtype, dtypes.dtype]:
    """The dtype of a quotient: floating without rounding, else the common dtype. Raises RuntimeError for another mode."""
    *operands, mode = values
    if mode is None:
        return promote_float(operands)
    if mode not in ("trunc", "floor"):
        raise RuntimeError(
            f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{mode}'"
        )
    d, _ = promote(operands)
    if d not in _ORDERED_NUMBERS:
        raise NotImplementedError(f"\"div_{mode}_cpu\" not implemented for '{d.legacy}'")
    return d, d


def _divide_input_grad(grad: Any, other: Any, rounding_mode: str | None) -> Any:
    return no_gradient(grad) if rounding_mode else grad / conj(other)


def _divide_other_grad(grad: Any, input: Any, other: Any, rounding_mode: str | None) -> Any:
    return no_gradient(grad) if rounding_mode else -grad * conj((input / other) / other)


pointwise(
    "div(Operand input, Operand other, *, str? rounding_mode)", _divide, _quotient_dtype, bound_rule=True, exact=True,
    stepwise=True, wide_scalar=True, node="DivBackward2", aliases=("divide",),
    derivatives={"input": _divide_input_grad, "other": _divide_other_grad},
)  # fmt: skip
pointwise(
    "floor_divide(Operand input, Operand other)", lambda input, other: _divide(input, other, "floor"), accepts=_ORDERED_NUMBERS,
    error_name="div_floor_cpu", exact=True, wide_scalar=True, node="NotImplemented",
    derivatives=not_implemented("floor_divide", "input", "other"),
)  # fmt: skip

# --------------------------------------------------------------------------------------------------------- remainders


def _fmod(input: np.ndarray, other: np.ndarray) -> np.ndarray:
    refuse_zero_divisor(input, other)
    return np.fmod(input, other)


def _remainder(input: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The remainder with the divisor's sign. A zero keeps the dividend's sign, which NumPy's takes from the divisor."""
    refuse_zero_divisor(input, other)
    if input.dtype.kind in "iu":
        return np.remainder(input, other)
    rest = np.fmod(input, other)
    return np.where((rest != 0) & ((other < 0) != (rest < 0)), rest + other, rest)


def _remainder_tangent(input: Any, other: Any, input_t: Any, other_t: Any, mode: str) -> Any:
    if other_t is None:
        return input_t
    taken = other_t * F.div(input, other, rounding_mode=mode)
    return -taken if input_t is None else input_t - taken


for _name, _kernel, _mode in (("fmod", _fmod, "trunc"), ("remainder", _remainder, "floor")):
    pointwise(
        f"{_name}(Tensor input, Tensor other)", _kernel, accepts=_ORDERED_NUMBERS, error_name=f"{_name}_cpu", exact=True,
        node=_name.capitalize() + "Backward1",
        derivatives={
            "input": lambda grad: grad,
            "other": lambda grad, input, other, mode=_mode: -grad * F.div(input, other, rounding_mode=mode),
        },
        tangent=functools.partial(_remainder_tangent, mode=_mode),
    )  # fmt: skip
    pointwise(
        f"{_name}(Tensor input, Operand other)", _kernel, accepts=_ORDERED_NUMBERS, error_name=f"{_name}_cpu", exact=True,
        derivatives={"input": lambda grad: grad}, tangent=lambda input_t: input_t,
    )  # fmt: skip


def _no_remainder_of_number(grad: Any, other: Any) -> Any:
    raise RuntimeError("derivative for aten::remainder is not implemented")


pointwise(
    "remainder(Operand input, Tensor other)", _remainder, accepts=_ORDERED_NUMBERS, error_name="remainder_cpu", exact=True,
    forms="function", node="NotImplemented", derivatives={"other": _no_remainder_of_number},
)  # fmt: skip

# ------------------------------------------------------------------------------------------------- signs and magnitudes

_NEGATED_BOOL = (
    "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use the `~` or "
    "`logical_not()` operator instead."
)
pointwise(
    "neg(Tensor input)", np.negative, refusing(promote, BOOL_ONLY, RuntimeError, _NEGATED_BOOL), forms=EVERY, exact=True,
    out_dtype_error=SAME_OUT,
    aliases=("negative",), derivatives={"input": lambda grad: -grad},
)  # fmt: skip


def _positive(input: Any) -> Any:
    """The tensor itself. Raises RuntimeError for bool."""
    if input.dtype.category == BOOL:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


op("positive(Tensor input)", kind=COMPOSITE, kernel=_positive, family="pointwise", exact=True)


def _sign(input: np.ndarray) -> np.ndarray:
    """-1, 0 or 1; 0 for NaN and for both zeros."""
    if input.dtype.kind == "b":
        return input
    return (input > 0).astype(input.dtype) - (input < 0).astype(input.dtype)


pointwise(
    "sign(Tensor input)", _sign,
    refusing(promote, COMPLEXES, NotImplementedError,
             "Unlike NumPy, torch.sign is not intended to support complex numbers. Please use torch.sgn instead."),
    exact=True, out_dtype_error=SAME_OUT, derivatives={"input": no_gradient},
)  # fmt: skip


def _of_nan(values: np.ndarray, sign_of: np.ndarray) -> Result:
    """The sign of what is not a number is open.

    Source: IEEE 754-2019, section 6.3
    """
    broken = np.isnan(sign_of)
    return Result(values, undefined=np.broadcast_to(broken, values.shape) if broken.any() else None)


def _signbit(input: np.ndarray) -> np.ndarray | Result:
    return _of_nan(np.signbit(input), input) if input.dtype.kind == "f" else input < 0


pointwise(
    "signbit(Tensor input)", _signbit,
    refusing(compare, COMPLEXES, NotImplementedError, "signbit is not implemented for complex tensors."),
    forms="function method out", exact=True, out_dtype_error="signbit does not support non-boolean outputs.",
)  # fmt: skip


def _copysign(input: np.ndarray, other: np.ndarray) -> Result:
    return _of_nan(np.copysign(input, other), other)


def _copysign_grad(grad: Any, input: Any, result: Any) -> Any:
    return grad * (result / input).masked_fill(input == 0, 0)


pointwise(
    "copysign(Tensor input, Tensor other)", _copysign, promote_float, accepts=REAL, error_name="copysign_cpu", exact=True,
    derivatives={"input": _copysign_grad, "other": no_gradient},
)  # fmt: skip
pointwise(
    "copysign(Tensor input, Operand other)", _copysign, promote_float, accepts=REAL, error_name="copysign_cpu", exact=True,
    node="CopysignBackward1", derivatives={"input": _copysign_grad},
)  # fmt: skip
pointwise(
    "reciprocal(Tensor input)", lambda input: 1 / input, promote_float, forms=EVERY, exact=True,
    derivatives={"input": lambda grad, result: -grad * conj(result * result)},
)  # fmt: skip
