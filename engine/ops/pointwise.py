"""What the elementwise families share: spellings, dtype rules with torch's refusals, and the pieces of their derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from engine import dtypes
from engine import functions as F
from engine.casts import C_NAMES, number_array
from engine.dtypes import BOOL, COMPLEX, COMPLEXES, FLOAT, dtype
from engine.registry import POINTWISE, Op, Rule, compare, op, promote, promote_float
from engine.signatures import is_tensor

EVERY = "function method inplace out"
"""torch.f, x.f, x.f_, torch.f_ and out=."""
METHOD_ONLY = "function method inplace-method out"
"""As EVERY, where torch has no torch.f_."""
SAME_OUT = "Found dtype {out} but expected {result}"
"""What an operation says that casts nothing into `out`."""


def pointwise(signature: str, kernel: Callable[..., Any], rule: Rule = promote, **record: Any) -> Op:
    """Register an elementwise operation; the spellings are METHOD_ONLY unless `forms` says otherwise."""
    record = {"family": "pointwise", "forms": METHOD_ONLY, **record}
    return op(signature, kind=POINTWISE, kernel=kernel, rule=rule, **record)


def refusing(rule: Rule, refused: Iterable[dtype], error: type[Exception], text: str) -> Rule:
    """The rule, but an operand of a refused dtype raises `error(text)`."""
    refused = frozenset(refused)

    def checked(operands: list[Any]) -> tuple[dtype, dtype]:
        if any(of(x) in refused for x in operands):
            raise error(text)
        return rule(operands)

    return checked


def no_complex(rule: Rule, error: type[Exception], text: str) -> Rule:
    """The rule, but complex operands raise."""
    return refusing(rule, COMPLEXES, error, text)


def to_real(operands: list[Any]) -> tuple[dtype, dtype]:
    """Compute in the operand's dtype; a complex operand has a real result."""
    d, _ = promote(operands)
    return d, d.to_real()


def own(operands: list[Any]) -> tuple[dtype, dtype]:
    """The test of a property of each element: the result is bool."""
    return compare(operands)


def of(x: Any) -> dtype:
    """The dtype of a tensor or Python number."""
    return x.dtype if is_tensor(x) else dtypes.of_number(x)


# --------------------------------------------------------------------------------------------------------- derivatives


def conj(x: Any) -> Any:
    """The conjugate of a tensor or number; what is real comes back as it is."""
    if is_tensor(x):
        return F.conj(x) if x.dtype.category == COMPLEX else x
    return x.conjugate()


def no_gradient(grad: Any) -> Any:
    """The derivative of what is flat wherever it has one."""
    return F.zeros_like(grad)


def not_implemented(name: str, *inputs: str) -> dict[str, Any]:
    """The derivatives of an operation that torch records but refuses to differentiate."""

    def refuse(grad: Any) -> Any:
        raise RuntimeError(f"derivative for aten::{name} is not implemented")

    return dict.fromkeys(inputs, refuse)


def scaled(grad: Any, factor: Any) -> Any:
    """`grad` times a number, itself where the number is 1."""
    return grad if not is_tensor(factor) and factor == 1 else grad * factor


# ------------------------------------------------------------------------------------------------------------- kernels


def as_scalar(value: Any, array: np.ndarray) -> np.ndarray:
    """A Python number in an array's dtype. Raises RuntimeError where the dtype cannot hold it."""
    d = dtypes.BY_NUMPY[array.dtype]
    require_fits(value, d)
    return number_array(value, d)


def require_fits(value: Any, d: dtype) -> None:
    """Raise RuntimeError where a dtype cannot hold a Python number. Negative ones wrap around in uint8."""
    if d.category == dtypes.INTEGER:
        most = dtypes.iinfo(d).max
        fits = isinstance(value, complex) or -most - 1 + (not d.is_signed) <= value <= most or value != value
    elif d.category == FLOAT and not isinstance(value, complex):
        fits = abs(value) <= dtypes.finfo(d).max or not math.isfinite(value)
    else:
        return
    if not fits:
        raise RuntimeError(f"value cannot be converted to type {C_NAMES[d.name]} without overflow")


def magnitude(x: np.ndarray) -> np.ndarray:
    """Absolute values. NumPy's own of complex numbers are not rounded to the nearest."""
    return np.hypot(x.real, x.imag) if x.dtype.kind == "c" else np.abs(x)


def by_parts(x: np.ndarray, kernel: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Complex numbers of which each part is computed from that part: a complex product with a real number is another."""
    made = np.empty_like(x)
    made.real, made.imag = kernel(x.real), kernel(x.imag)
    return made


def multiply_add(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """`a * b + c`, rounded once for real floats, as the fused instruction in torch's kernels does."""
    dtype_ = np.result_type(a, b, c)
    if dtype_ == np.float32:
        return (a.astype(np.float64) * b + c).astype(np.float32)
    if dtype_ != np.float64:
        return a * b + c
    product = a * b
    total = product + c
    # The rounding errors of the product (Dekker's splitting) and of the sum (Knuth) are themselves exact floats.
    product_error = _low_part(a, b, product)
    back = total - product
    sum_error = (product - (total - back)) + (c - back)
    error = product_error + sum_error
    return np.where(np.isfinite(error) & (error != 0), total + error, total)


def _low_part(a: np.ndarray, b: np.ndarray, product: np.ndarray) -> np.ndarray:
    big = 134217729.0  # 2**27 + 1 splits a 53-bit significand in halves
    a_high = a * big - (a * big - a)
    b_high = b * big - (b * big - b)
    a_low, b_low = a - a_high, b - b_high
    return ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def refuse_zero_divisor(dividend: np.ndarray, divisor: np.ndarray) -> None:
    """Integers have no quotient by zero: raise RuntimeError as torch does, where there is anything to divide."""
    if divisor.dtype.kind in "iub" and dividend.size and not divisor.all():
        raise RuntimeError("ZeroDivisionError")


__all__ = [
    "BOOL",
    "COMPLEX",
    "COMPLEXES",
    "EVERY",
    "FLOAT",
    "METHOD_ONLY",
    "SAME_OUT",
    "F",
    "as_scalar",
    "compare",
    "conj",
    "magnitude",
    "multiply_add",
    "no_complex",
    "no_gradient",
    "not_implemented",
    "of",
    "own",
    "pointwise",
    "promote",
    "promote_float",
    "refuse_zero_divisor",
    "refusing",
    "require_fits",
    "scaled",
    "to_real",
]  # fmt: skip
