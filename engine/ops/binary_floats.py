"""Floating numbers as binary ones: mantissa and exponent, powers of two, neighbours.

Sources: https://docs.pytorch.org/docs/stable/generated/torch.frexp.html, torch.ldexp.html, torch.nextafter.html
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import dtypes, layout
from engine import functions as F
from engine.dtypes import BOOL, FLOAT, FLOATS
from engine.ops.pointwise import EVERY, METHOD_ONLY, conj, pointwise
from engine.random_support import C_NAME
from engine.registry import GENERAL, op
from engine.results import Result, result_of
from engine.tensor import Tensor


def _frexp(input: Tensor) -> tuple[Result, Result]:
    if input.dtype not in FLOATS:
        raise RuntimeError("torch.frexp() only supports floating-point dtypes")
    array = input._array()
    mantissa, exponent = np.frexp(array.astype(dtypes.opmath(input.dtype), copy=False))
    exponent = np.where(np.isfinite(mantissa), exponent, 0).astype(np.int32)
    strides = layout.pointwise_strides([(input._sizes, input._strides)], input._sizes)
    return Result(np.asarray(mantissa).astype(array.dtype), strides), Result(exponent, strides)


def _frexp_outs(values: list[Any], outs: list[Any]) -> None:
    for out, word, wanted in zip(outs, ("mantissa", "exponent"), (values[0].dtype, dtypes.int32)):
        if out.dtype is not wanted and values[0].dtype in FLOATS:
            raise RuntimeError(
                f"torch.frexp() expects {word} to have dtype {C_NAME[wanted.name]} but got {C_NAME[out.dtype.name]}"
            )


op(
    "frexp(Tensor input) -> (mantissa, exponent)", kind=GENERAL, kernel=_frexp, family="pointwise", exact=True,
    forms="function method out", before_out=_frexp_outs, memory="internal partial",
    derivatives={"input": lambda grads, exponent: grads[0] / exponent.exp2()},
)  # fmt: skip


def _has_exponents(input: Tensor, other: Tensor) -> bool:
    """Whether torch scales by exponents; else it multiplies by powers of two."""
    return input.dtype.category == FLOAT and other.dtype.category < FLOAT


def _ldexp_out(values: list[Any], outs: list[Any]) -> None:
    # The kernel for exponents casts nothing; PyTorch says so by an internal assertion.
    if _has_exponents(*values) and outs[0].dtype is not values[0].dtype:
        raise RuntimeError(f"ldexp: expected out to have dtype {values[0].dtype.legacy}")


def _ldexp(input: Tensor, other: Tensor) -> Result:
    if not _has_exponents(input, other):
        # The power of a number, which float32 gets, is laid out in another way than that of a tensor.
        of_number = input.dtype.category < FLOAT or input.dtype is dtypes.float32
        base = 2.0 if of_number else F.full((), 2.0, dtype=input.dtype)
        scaled = F.mul(input.detach(), F.pow(base, other.detach()))
        return result_of(scaled, scaled._strides)
    if other.dtype.category == BOOL:
        raise NotImplementedError("\"ldexp_cpu_exp\" not implemented for 'Bool'")
    shape = layout.broadcast_two(input._sizes, other._sizes)
    wide = input._array().astype(dtypes.opmath(input.dtype), copy=False)
    values = np.ldexp(wide, other._array().astype(np.int32)).astype(input.dtype.numpy)
    return Result(values, layout.pointwise_strides([t._layout[:2] for t in (input, other)], shape))


def _power_of_two(other: Tensor, like: Tensor) -> Tensor:
    """2**other: of integers, too, a float, as it is in the operation itself."""
    integer = other.dtype.category < FLOAT
    return F.pow(F.full((), 2.0, dtype=like.dtype) if integer else 2, other)


op(
    "ldexp(Tensor input, Tensor other)", kind=GENERAL, kernel=_ldexp, family="pointwise", forms=EVERY,
    memory="internal partial", before_out=_ldexp_out,
    derivatives={
        "input": lambda grad, other: grad * conj(_power_of_two(other, grad)),
        "other": lambda grad, result: grad * conj(result) * math.log(2),
    },
)  # fmt: skip

pointwise(
    "nextafter(Tensor input, Tensor other)", np.nextafter, accepts=FLOATS, error_name="nextafter_cpu", exact=True,
    forms=METHOD_ONLY, stepwise=True, of_format=True,
    derivatives={
        "input": lambda grad, input, other: F.where(input != other, grad, 0),
        "other": lambda grad: F.zeros_like(grad),
    },
    tangent=lambda input, input_t, other: None if input_t is None else F.where(input != other, input_t, 0),
)  # fmt: skip
