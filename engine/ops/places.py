"""What operations that take indices share: their checks, elements named twice, and their records' usual parts."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes, layout
from engine.autograd.modes import is_grad_enabled
from engine.results import Result
from engine.tensor import Tensor

BOTH = "function method inplace-method out"
APART = "internal partial others"
OUT_DTYPE = "Expected out tensor to have dtype {c_result}, but got {c_out} instead"
FRESH = "internal first others"
INDEX_DTYPES = (dtypes.int32, dtypes.int64)


def checked(index: np.ndarray, size: int, dim: int) -> np.ndarray:
    """Indices that may not be negative. Raises RuntimeError."""
    bad = (index < 0) | (index >= size)
    if bad.any():
        raise RuntimeError(
            f"index {index[bad].flat[0]} is out of bounds for dimension {dim} with size {size}"
        )
    return index


def wrapped(index: np.ndarray, size: int, complaint: str) -> np.ndarray:
    """Indices that may count from the end. Raises IndexError with the complaint about the first that is out of bounds."""
    bad = (index < -size) | (index >= size)
    if bad.any():
        raise IndexError(complaint.format(index=index[bad].flat[0], size=size))
    return np.where(index < 0, index + size, index)


def require_real_if_recorded(name: str, *tensors: Tensor) -> None:
    """Raise RuntimeError where a complex result would be recorded, which torch has no derivative for."""
    if tensors[0].dtype.is_complex and is_grad_enabled() and any(t.requires_grad for t in tensors):
        raise RuntimeError(
            f"{name} does not support automatic differentiation for outputs with complex dtype."
        )


def twice(shape: layout.Shape, places: Any) -> np.ndarray | None:
    """Elements that more than one index names: torch leaves open which value they get."""
    count = np.zeros(shape, np.int32)
    np.add.at(count, places, 1)
    return count > 1 if (count > 1).any() else None


def written_at(
    places: Any, flat: np.ndarray, sizes: layout.Shape, strides: layout.Shape | None = None
) -> Result:
    """The result of writing to places of `flat`, in its own sizes; undefined where an element was written twice."""
    repeated = twice(flat.shape, places)
    return Result(flat.reshape(sizes), strides, None if repeated is None else repeated.reshape(sizes))


def added(
    values: np.ndarray,
    d: Any,
    places: Any,
    source: np.ndarray,
    ufunc: np.ufunc = np.add,
    *,
    scattered: bool = False,
) -> np.ndarray:
    """`values` with `source` added (or multiplied) at the places, every duplicate counting.

    16-bit floats are rounded at each step, but once in the end where torch scatters, which it does in float32 memory.
    """
    if d in dtypes.HALVES and not scattered:
        flat = np.arange(values.size).reshape(values.shape)[places].reshape(-1)
        out, working = values.copy(), d.opmath.type
        for place, term in zip(flat, source.reshape(-1), strict=True):
            out.flat[place] = (working(out.flat[place]) + working(term)).astype(d.numpy)
        return out
    out = values.astype(dtypes.opmath(d))
    if d is dtypes.bool_:
        ufunc = np.logical_or if ufunc is np.add else np.logical_and
    ufunc.at(out, places, source)
    return out.astype(values.dtype, copy=False)
