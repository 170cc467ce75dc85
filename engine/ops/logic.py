"""Logical and bitwise operations, element by element."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.dtypes import INTEGERS
from engine.ops.pointwise import SAME_OUT, compare, no_gradient, not_implemented, pointwise, promote
from engine.registry import INTEGRAL

# ------------------------------------------------------------------------------------------------------------- logical

_kernel: Any
for _name, _kernel in (("and", np.logical_and), ("or", np.logical_or), ("xor", np.logical_xor)):
    pointwise(
        f"logical_{_name}(Tensor input, Tensor other)", lambda input, other, kernel=_kernel: kernel(input != 0, other != 0),
        compare, family="comparison", exact=True,
    )  # fmt: skip
pointwise("logical_not(Tensor input)", lambda input: input == 0, compare, family="comparison", exact=True)

# ------------------------------------------------------------------------------------------------------------- bitwise


def _bits(name: str, kernel: Any, **record: Any) -> None:
    """Two tensors, a tensor and a number, or (as a function without `out`) a number and a tensor."""
    # Flat, where anything has a slope at all: so an in-place form is checked like any other of what is recorded.
    fields = {"family": "pointwise", "exact": True, "derivatives": {"input": no_gradient}, **record}
    pointwise(f"{name}(Tensor input, Tensor other)", kernel, **fields)
    pointwise(
        f"{name}(Scalar self, Tensor other)", kernel, **{**fields, "forms": "function", "derivatives": {}}
    )
    pointwise(f"{name}(Tensor input, Operand other)", kernel, **fields)


for _name, _kernel in (("and", np.bitwise_and), ("or", np.bitwise_or), ("xor", np.bitwise_xor)):
    _bits(f"bitwise_{_name}", _kernel, accepts=INTEGRAL, error_name=f"bitwise_{_name}_cpu")
pointwise(
    "bitwise_not(Tensor input)", np.invert, promote, accepts=INTEGRAL, error_name="bitwise_not_cpu", exact=True,
    out_dtype_error=SAME_OUT, node="NotImplemented", derivatives=not_implemented("bitwise_not", "input"),
)  # fmt: skip


def _too_far(other: np.ndarray, width: int) -> np.ndarray:
    return (other < 0) | (other >= width)


def _left_shift(input: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Shifted by the width or more, or by a negative count, nothing is left."""
    far = _too_far(other, 8 * input.dtype.itemsize)
    return np.where(far, 0, np.left_shift(input, np.where(far, 0, other).astype(other.dtype))).astype(
        input.dtype
    )


def _right_shift(input: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Shifted by the width or more, or by a negative count, only the sign is left."""
    width = 8 * input.dtype.itemsize
    if input.dtype.kind == "u":
        far = _too_far(other, width)
        return np.where(far, 0, np.right_shift(input, np.where(far, 0, other).astype(other.dtype))).astype(
            input.dtype
        )
    return np.right_shift(input, np.where(_too_far(other, width), width - 1, other).astype(other.dtype))


_bits("bitwise_left_shift", _left_shift, accepts=INTEGERS, error_name="lshift_cpu")
_bits("bitwise_right_shift", _right_shift, accepts=INTEGERS, error_name="rshift_cpu")
