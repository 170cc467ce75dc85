"""Powers, roots of sums of squares, and the integers' common divisors and multiples."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes, layout
from engine.casts import number_array
from engine.dtypes import COMPLEX, INTEGERS
from engine.ops.pointwise import (
    EVERY,
    F,
    as_scalar,
    conj,
    not_implemented,
    of,
    pointwise,
    promote,
    promote_float,
)
from engine.registry import COMPOSITE, NUMERIC, REAL, op
from engine.results import Result
from engine.signatures import is_tensor
from engine.special_functions import special
from engine.writes import resize_output

# ------------------------------------------------------------------------------------------------------------- powers


def _power(input: np.ndarray, exponent: np.ndarray) -> np.ndarray:
    if input.dtype.kind == "c":
        # As C does, so that zeros and infinities give what they give there.
        return np.exp(_product(exponent, np.log(input)))
    if input.dtype.kind == "f":
        return np.power(input, exponent)
    # A negative power of an integer is its truncated value: 0 but for 1 and -1. NumPy refuses it.
    negative = exponent < 0
    if not negative.any():
        return np.power(input, exponent)
    result = np.power(input, np.where(negative, 0, exponent).astype(input.dtype))
    units = np.where(input == 1, 1, np.where(input == -1, np.where(exponent % 2 == 0, 1, -1), 0))
    return np.where(negative, units, result).astype(input.dtype)


def _product(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The product of complex numbers in C, where an infinity times what is not 0 is an infinity, and not NaN.

    Source: ISO/IEC 9899:2011, annex G.5.1
    """
    product = x * y
    lost = np.isnan(product.real) & np.isnan(product.imag) & (np.isinf(x) | np.isinf(y))
    if not lost.any():
        return product
    (a, b), (c, d) = _directions(x), _directions(y)
    infinite = np.empty_like(product)
    infinite.real, infinite.imag = np.inf * (a * c - b * d), np.inf * (a * d + b * c)
    return np.where(lost, infinite, product)


def _directions(x: np.ndarray) -> list[np.ndarray]:
    """The parts of complex numbers; of an infinity 1 or 0 with their signs, and 0 for NaN."""
    parts = [np.where(np.isinf(x), np.copysign(np.isinf(part), part), part) for part in (x.real, x.imag)]
    return [np.where(np.isnan(part), np.copysign(0, part), part) for part in parts]


_SPECIAL_POWERS: dict[float, Any] = {
    0.5: np.sqrt, 2.0: np.square, 3.0: lambda x: x * x * x, -0.5: lambda x: 1 / np.sqrt(x), -1.0: lambda x: 1 / x,
    -2.0: lambda x: 1 / (x * x),
}  # fmt: skip


def _power_of_number(input: np.ndarray, exponent: Any) -> np.ndarray:
    """A power with one exponent for all, with torch's short cuts, whose results at infinities and zeros differ from C's.

    float16 has none of them.
    """
    kind = input.dtype.kind
    if kind in "iu":
        return _integer_power(input, exponent)
    if exponent == 0:
        return np.ones_like(input)
    if exponent == 1 or kind == "b":
        return input.copy()
    if kind == "c" and exponent not in (2, 3, -1, -2, 0.5, -0.5):
        return _power(input, as_scalar(exponent, input))
    short = _SPECIAL_POWERS.get(exponent)
    return (
        short(input)
        if short is not None and input.dtype != np.float16
        else np.power(input, as_scalar(exponent, input))
    )


def _integer_power(input: np.ndarray, exponent: int) -> np.ndarray:
    if exponent < 0:
        raise RuntimeError("Integers to negative integer powers are not allowed.")
    return np.power(input, as_scalar(exponent, input))


def _power_dtype(values: list[Any]) -> tuple[dtypes.dtype, dtypes.dtype]:
    """Promotion; True to a bool power is only defined where the power is the bool itself or one."""
    input, exponent = values
    d, _ = promote([input, exponent])
    if d is dtypes.bool_ and exponent not in (0, 1):
        raise NotImplementedError("\"pow\" not implemented for 'Bool'")
    return d, d


def _power_grad(grad: Any, input: Any, exponent: Any) -> Any:
    if exponent == 0:
        return F.zeros_like(input)
    return grad * conj(exponent * input.pow(exponent - 1))


def _base_grad(grad: Any, input: Any, exponent: Any) -> Any:
    return F.where(exponent == 0.0, _zero(grad), grad * conj(exponent * input.pow(exponent - 1)))


def _zero(like: Any) -> Any:
    return F.zeros((), dtype=like.dtype)


def _exponent_grad(grad: Any, input: Any, exponent: Any, result: Any) -> Any:
    flat = F.logical_and(input == 0, _vanishes_at_zero(exponent))
    base = input.to(promote([input, exponent])[0])
    return grad * F.where(flat, _zero(grad), conj(result * base.log()))


def _vanishes_at_zero(exponent: Any) -> Any:
    if exponent.dtype.category == COMPLEX:
        return F.logical_and(F.imag(exponent) == 0, F.real(exponent) >= 0)
    return exponent >= 0


def _number_exponent_grad(grad: Any, input: Any, exponent: Any, result: Any) -> Any:
    if exponent.dtype.category == COMPLEX and not isinstance(input, complex):
        input = complex(input)
    with np.errstate(all="ignore"):
        logarithm = np.log(np.asarray(input)).item()
    slope = conj(result * logarithm)
    return grad * (F.where(_vanishes_at_zero(exponent), _zero(slope), slope) if input == 0 else slope)


pointwise(
    "pow(Tensor input, Tensor exponent)", _power, accepts=NUMERIC, node="PowBackward1",
    derivatives={"input": _base_grad, "exponent": _exponent_grad},
)  # fmt: skip
pointwise(
    "pow(Tensor input, Number exponent)", _power_of_number, _power_dtype, bound_rule=True, stepwise=True,
    node="PowBackward0",
    derivatives={"input": _power_grad},
)  # fmt: skip


def _number_to_power(self: Any, exponent: np.ndarray) -> Any:
    """The powers, row-major: this form does not look at the layout of the exponent. The base is rounded to its dtype."""
    d = dtypes.BY_NUMPY[exponent.dtype]
    base = number_array(self, d).astype(dtypes.opmath(d))
    exponent = exponent.astype(dtypes.opmath(d), copy=False)
    powers = np.ones_like(exponent) if self == 1 and self is not True else _power(base, exponent)
    return Result(powers, layout.contiguous_strides(exponent.shape))


def _one_to_power_into(self: Any, exponent: Any, out: Any) -> Any:
    """The powers of 1 (but of no bool) are filled in, whatever the dtype of `out`."""
    if self is True or self != 1:
        return NotImplemented
    resize_output(out, exponent._sizes)
    return out.fill_(1)


pointwise(
    "pow(Number self, Tensor exponent)", _number_to_power, lambda values: promote(values), bound_rule=True, accepts=NUMERIC,
    stepwise=True, forms="function out", out_form=_one_to_power_into, node="PowBackward2",
    derivatives={"exponent": lambda grad, self, exponent, result: _number_exponent_grad(grad, self, exponent, result)},
)  # fmt: skip


def _double_of(*operands: Any) -> dtypes.dtype:
    return dtypes.complex128 if any(of(x).category == COMPLEX for x in operands) else dtypes.float64


def _in_double(x: Any, d: dtypes.dtype) -> Any:
    if is_tensor(x):
        return x.to(d)
    return complex(x) if d is dtypes.complex128 else float(x)


def _float_power(input: Any, exponent: Any) -> Any:
    """The power in double precision."""
    d = _double_of(input, exponent)
    return F.pow(_in_double(input, d), _in_double(exponent, d))


def _float_power_(input: Any, exponent: Any) -> Any:
    """The power in place. Raises RuntimeError for a tensor that is not in double precision."""
    d = _double_of(input, exponent)
    if input.dtype is not d:
        raise RuntimeError(
            f"the base given to float_power_ has dtype {input.dtype.legacy} but the operation's result requires dtype {d.legacy}"
        )
    return input.pow_(_in_double(exponent, d))


for _first, _second, _forms in (
    ("Tensor", "Operand", "function method out"),
    ("Operand", "Tensor", "function out"),
):
    op(
        f"float_power({_first} input, {_second} exponent)", kind=COMPOSITE, kernel=_float_power, family="pointwise",
        forms=_forms,
        out_dtype_error="the output given to float_power has dtype {out} but the operation's result requires dtype {result}",
    )  # fmt: skip
op(
    "float_power_(Tensor input, Operand exponent)", kind=COMPOSITE, kernel=_float_power_, family="pointwise",
    forms="method inplace",
)  # fmt: skip
op(
    "square(Tensor input)", kind=COMPOSITE, kernel=lambda input: input.pow(2), family="pointwise", forms="function method out",
    exact=True, out_form=lambda input, out: F.pow(input, 2, out=out),
)  # fmt: skip
op(
    "square_(Tensor input)", kind=COMPOSITE, kernel=lambda input: input.pow_(2), family="pointwise",
    forms="function method inplace", exact=True,
)  # fmt: skip

# ------------------------------------------------------------------------------------------- hypotenuses, integer lattices


def _along_hypotenuse(grad: Any, leg: Any, result: Any) -> Any:
    """Zero where both legs are: of the subgradients there, that of least norm, where torch divides zero by zero.

    Source: https://docs.pytorch.org/docs/stable/notes/autograd.html#gradients-for-non-differentiable-functions
    """
    return (grad * leg / result).masked_fill(result == 0, 0)


pointwise(
    "hypot(Tensor input, Tensor other)", np.hypot, accepts=dtypes.FLOATS, error_name="hypot_cpu",
    derivatives={
        "input": lambda grad, input, result: _along_hypotenuse(grad, input, result),
        "other": lambda grad, other, result: _along_hypotenuse(grad, other, result),
    },
)  # fmt: skip
pointwise(
    "gcd(Tensor input, Tensor other)", np.gcd, accepts=INTEGERS, error_name="gcd_cpu", forms=EVERY, exact=True,
    node="NotImplemented", derivatives=not_implemented("gcd", "input", "other"),
)  # fmt: skip


def _lcm(input: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The multiple is made positive before it wraps around: C computes in int where the dtype is narrower."""
    wide = np.result_type(input, np.int32)
    input_, other_ = input.astype(wide), other.astype(wide)
    divisor = np.gcd(input_, other_)
    return np.abs(np.where(divisor == 0, 0, input_ // np.where(divisor == 0, 1, divisor)) * other_).astype(
        input.dtype
    )


pointwise(
    "lcm(Tensor input, Tensor other)", _lcm, accepts=INTEGERS, error_name="lcm_cpu", forms=EVERY, exact=True,
    node="NotImplemented", derivatives=not_implemented("lcm", "input", "other"),
)  # fmt: skip

# ------------------------------------------------------------------------------------------------------------- x log y


def _xlogy(input: np.ndarray, other: np.ndarray) -> np.ndarray:
    """x log y, 0 where x is 0 whatever y is, but NaN where y is."""
    return np.where(np.isnan(other), other, special.xlogy(input, other).astype(input.dtype))


def _xlogy_input_grad(grad: Any, input: Any, other: Any) -> Any:
    if is_tensor(other):
        return F.xlogy(grad, other).masked_fill((input == 0.0) & (other <= 0.0), 0.0)
    gradient = F.xlogy(grad, other)
    return gradient if other > 0 else gradient.masked_fill(input == 0.0, 0.0)


_XLOGY: dict[str, Any] = {"rule": promote_float, "accepts": REAL, "error_name": "xlogy_cpu"}

pointwise(
    "xlogy(Tensor input, Tensor other)", _xlogy, forms=EVERY, **_XLOGY,
    derivatives={"input": _xlogy_input_grad, "other": lambda grad, input, other: grad * input / other},
)  # fmt: skip
pointwise(
    "xlogy(Scalar self, Tensor other)", _xlogy, forms="function out", node="XlogyBackward1", **_XLOGY,
    derivatives={"other": lambda grad, self, other: grad * self / other},
)  # fmt: skip
pointwise(
    "xlogy(Tensor input, Operand other)", _xlogy, forms=EVERY, node="XlogyBackward2", **_XLOGY,
    derivatives={"input": _xlogy_input_grad},
)  # fmt: skip
