"""Reading and writing at indices along one dimension, which name whole slices of a tensor.

Sources: https://docs.pytorch.org/docs/stable/generated/torch.index_select.html, torch.Tensor.index_add_.html,
torch.Tensor.index_copy_.html and torch.Tensor.index_fill_.html
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes, layout
from engine import functions as F
from engine.casts import cast, checked_number, number_array
from engine.ops.memory import strides_for
from engine.ops.places import APART, BOTH, FRESH, INDEX_DTYPES, OUT_DTYPE, added, checked, wrapped, written_at
from engine.registry import GENERAL, LINEAR, op
from engine.results import Result
from engine.tensor import Tensor, fresh


def _vector_index(name: str, index: Tensor, *, names: tuple[Any, ...] = INDEX_DTYPES) -> np.ndarray:
    if len(index._sizes) > 1:
        raise IndexError(f"{name}(): Index is supposed to be a vector, but got dim: {len(index._sizes)}")
    if index.dtype not in names:
        raise RuntimeError(f"{name}(): Expected dtype int32 or int64 for index")
    return index._array().reshape(-1).astype(np.int64, copy=False)


def _along(sizes: layout.Shape, dim: int, index: np.ndarray) -> tuple[Any, ...]:
    return (*(slice(None),) * dim, index)


def _index_select(input: Tensor, dim: int, index: Tensor) -> Any:
    dim = layout.wrap_dim(dim, len(input._sizes))
    if len(index._sizes) > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    if index.dtype not in INDEX_DTYPES:
        raise RuntimeError("index_select(): Expected dtype int32 or int64 for index")
    places = index._array().reshape(-1).astype(np.int64, copy=False)
    if dim == 1 or (len(input._sizes) > 1 and not input.numel()):
        _in_data(places, input._sizes[dim])
    if not input._sizes:
        if len(places) != 1:
            raise RuntimeError(
                f"index_select(): Index to scalar can have only 1 value, got {len(places)} value(s)"
            )
        _bounded(places, 1)
        return input._array().copy()
    return input._array()[_along(input._sizes, dim, _bounded(places, input._sizes[dim]))]


def _in_data(index: np.ndarray, size: int) -> None:
    """The check of the kernel that torch has for the second dimension, whose error is another."""
    if index.size and not size:
        raise RuntimeError("index_select(): self indexing axis dim should be positive")
    bad = index[(index < 0) | (index >= size)]
    if bad.size:
        raise RuntimeError(f"INDICES element is out of DATA bounds, id={bad[0]} axis_dim={size}")


def _bounded(index: np.ndarray, size: int) -> np.ndarray:
    if ((index < 0) | (index >= size)).any():
        raise IndexError("index out of range in self")
    return index


op(
    "index_select(Tensor input, int dim, Tensor index)",
    kind=GENERAL, kernel=_index_select, family="indexing", forms="function method out", exact=True, moves=True, memory=FRESH,
    out_dtype_error="index_select(): self and result must have the same scalar type",
    derivatives={
        "input": lambda grad, input_sizes, dim, index: F.zeros(input_sizes, dtype=grad.dtype).index_add(dim, index, grad)
    },
)  # fmt: skip


def _index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, alpha: Any) -> Result:
    dim = layout.wrap_dim(dim, len(input._sizes))
    places = _vector_index("index_add_", index)
    if input.dtype is not source.dtype:
        raise RuntimeError("index_add_(): self and source must have the same scalar type")
    _check_source("index_add_", input, dim, places, source)
    if (input._sizes == ()) != (source._sizes == ()):
        raise RuntimeError(
            "source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = "
            f"{list(input._sizes)} source.shape = {list(source._sizes)}"
        )
    outer = len(input._sizes) > 1 and dim in (0, len(input._sizes) - 1)
    scatters = outer and alpha == 1 and alpha is not True and index.dtype is dtypes.int64
    scaled = source._array()
    if not scatters:
        product = scaled.astype(dtypes.opmath(source.dtype)) * number_array(alpha, source.dtype)
        scaled = cast(product, source.dtype, source.dtype)[0]
        scaled = scaled.astype(source.dtype.numpy, copy=False)
    values = input._array()
    if not input._sizes:
        _bounded(places, 1)
        return Result(added(values.reshape(1), input.dtype, (places,), scaled.reshape(-1)).reshape(()))
    if len(input._sizes) > 1 and not (values.size and scaled.size):
        return Result(values.copy())
    if scatters:  # as torch does along the outer dimensions
        checked(places, input._sizes[dim], dim)
    at = _along(input._sizes, dim, _bounded(places, input._sizes[dim]))
    return Result(added(values, input.dtype, at, scaled, scattered=scatters))


def _check_source(name: str, input: Tensor, dim: int, index: np.ndarray, source: Tensor) -> None:
    rank, given = len(input._sizes), len(source._sizes)
    if rank > 1 and given == 0:
        raise RuntimeError(
            f"{name}(): Source/destination tensor must have same slice shapes. Destination slice shape: "
            f"{' '.join(map(str, (*input._sizes[:dim], *input._sizes[dim + 1 :])))} at dimension {dim} and source slice shape:  "
            "at dimension 0."
        )
    count = source._sizes[dim] if source._sizes and dim < given else 1
    if rank and given and rank != given:
        if name == "index_copy_":
            raise IndexError(
                f"index_copy_(): When source and destination are not scalars, their dimensionality must match. Source "
                f"dimensionality ({given}), destination dimensionality ({rank})"
            )
        raise RuntimeError(f"{name}(): source and destination tensor must have the same number of dimensions")
    if count != len(index):
        kind = IndexError if name == "index_copy_" else RuntimeError
        raise kind(
            f"{name}(): Number of indices ({len(index)}) should be equal to source.size(dim): ({count}), for dim: {dim}"
        )
    if rank and given:
        mine = (*input._sizes[:dim], *input._sizes[dim + 1 :])
        theirs = (*source._sizes[:dim], *source._sizes[dim + 1 :])
        if mine != theirs:
            raise RuntimeError(
                f"{name}(): Source/destination tensor must have same slice shapes. Destination slice shape: {list(mine)} at "
                f"dimension {dim} and source slice shape: {list(theirs)} at dimension 0."
            )


def _scaled_rows(grad: Any, dim: int, index: Tensor, source_sizes: Any, alpha: Any = 1) -> Tensor:
    if source_sizes:
        rows = grad.index_select(dim, index).expand(source_sizes)
    else:
        rows = grad.index_select(dim, index.reshape(-1)).reshape(())
    return rows if alpha == 1 else rows * alpha


op(
    "index_add(Tensor input, int dim, Tensor index, Tensor source, *, Number alpha=1)",
    kind=GENERAL, kernel=_index_add, family="indexing", forms=BOTH, exact=True, memory=APART,
    out_dtype_error=OUT_DTYPE,
    derivatives={
        "input": lambda grad: grad,
        "source": lambda grad, dim, index, source, alpha: _scaled_rows(grad, dim, index, source._sizes, alpha),
    },
    tangent=LINEAR,
)  # fmt: skip


def _index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Result:
    dim = layout.wrap_dim(dim, len(input._sizes))
    if len(index._sizes) > 1:
        raise IndexError(f"index_copy_(): Index should have dimension 1 or 0 (got {len(index._sizes)})")
    if index.dtype is not dtypes.int64:
        raise RuntimeError(f"index_copy_(): Expected a long tensor for index, but got {index.dtype.legacy}")
    if input.dtype is not source.dtype:
        raise RuntimeError(
            "index_copy_(): self and source expected to have the same dtype, but got (self) "
            f"{input.dtype.legacy} and (source) {source.dtype.legacy}"
        )
    if not source._sizes and index.numel() != 1:
        raise IndexError(
            f"index_copy_(): When source is scalar, index should have one element (got {index.numel()})"
        )
    places = index._array().reshape(-1)
    _check_source("index_copy_", input, dim, places, source)
    values = input._array().copy()
    flat = values.reshape(1) if not input._sizes else values
    if not flat.size:
        _check_no_elements(flat.shape, dim, places)
        return Result(values)
    bad = places[(places < 0) | (places >= flat.shape[dim])]
    if bad.size:
        raise IndexError(
            f"index_copy_(): index {bad[0]} is out of bounds for dimension {dim} with size {flat.shape[dim]}"
        )
    at = _along(flat.shape, dim, places)
    flat[at] = source._array().reshape(-1) if not input._sizes else source._array()
    return written_at(at, flat, values.shape)


op(
    "index_copy(Tensor input, int dim, Tensor index, Tensor source)",
    kind=GENERAL, kernel=_index_copy, family="indexing", forms=BOTH, exact=True, memory=APART,
    out_dtype_error=OUT_DTYPE,
    derivatives={
        "input": lambda grad, dim, index: grad.index_fill(dim, index, 0),
        "source": lambda grad, dim, index, source: _scaled_rows(grad, dim, index, source._sizes),
    },
    tangent=LINEAR,
)  # fmt: skip


def _check_no_elements(sizes: layout.Shape, dim: int, places: np.ndarray) -> None:
    """Of a tensor without elements torch checks only that what it steps along is not what is empty."""
    if len(places) and not sizes[dim]:
        raise RuntimeError(f"setStorage: sizes {[1, *sizes[1:]]} are out of bounds for storage of size 0")


def _index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Result:
    if isinstance(value, Tensor):
        if value._sizes:
            raise RuntimeError(
                f"index_fill_ only supports a 0-dimensional value tensor, but got tensor with {len(value._sizes)} dimension(s)."
            )
        value = value.item()
    if index.dtype is not dtypes.int64:
        raise IndexError("index_fill_(): Expected dtype int64 for index.")
    if isinstance(value, complex) and not input.dtype.is_complex:
        raise RuntimeError("index_fill_(): Converting complex Scalar to non-complex type is not supported")
    dim = layout.wrap_dim(dim, len(input._sizes))
    if len(index._sizes) > 1:
        raise RuntimeError("Index has to be a vector/scalar")
    values = input._array().copy()
    flat = values.reshape(1) if not input._sizes else values
    places = index._array().reshape(-1)
    if not flat.size:
        _check_no_elements(flat.shape, dim, places)
        return Result(values, strides_for(input, None))
    complaint = f"index {{index}} is out of bounds for dimension {dim} with size {{size}}"
    at = _along(flat.shape, dim, wrapped(places, flat.shape[dim], complaint))
    flat[at] = checked_number(value, input.dtype)
    return Result(flat.reshape(values.shape), strides_for(input, None))


op(
    "index_fill(Tensor input, int dim, Tensor index, Tensor value)",
    kind=GENERAL, kernel=_index_fill, family="indexing", forms="function method inplace-method", exact=True, memory="warns",
    node="IndexFillBackward1",
    derivatives={
        "input": lambda grad, dim, index: grad.index_fill(dim, index, 0),
        "value": lambda grad, dim, index: grad.index_select(dim, _unique(index)).sum(),
    },
)  # fmt: skip
op(
    "index_fill(Tensor input, int dim, Tensor index, Number value)",
    kind=GENERAL, kernel=_index_fill, family="indexing", forms="function method inplace-method", exact=True, memory="warns",
    derivatives={"input": lambda grad, dim, index: grad.index_fill(dim, index, 0)},
)  # fmt: skip


def _unique(index: Tensor) -> Tensor:
    return fresh(np.unique(index._array()))
