"""Reading and writing at places given by an index along one dimension, by flat position, or by a mask.

Sources: https://docs.pytorch.org/docs/stable/generated/torch.gather.html, torch.Tensor.scatter_.html,
torch.index_select.html, torch.take.html, torch.masked_select.html and their neighbours.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from engine import dtypes, layout
from engine import functions as F
from engine.casts import cast, checked_number, number_array
from engine.ops.memory import strides_for
from engine.ops.pointwise import not_implemented
from engine.registry import COMPOSITE, GENERAL, op
from engine.results import Result
from engine.tensor import Tensor

_BOTH = "function method inplace-method out"
_APART = "internal partial others"
_OUT_DTYPE = "Expected out tensor to have dtype {result}, but got {out} instead"
_FRESH = "internal first others"
_INDEX_DTYPES = (dtypes.int32, dtypes.int64)


def _checked(index: np.ndarray, size: int, dim: int) -> np.ndarray:
    """Indices that may not be negative. Raises RuntimeError."""
    bad = (index < 0) | (index >= size)
    if bad.any():
        raise RuntimeError(
            f"index {index[bad].flat[0]} is out of bounds for dimension {dim} with size {size}"
        )
    return index


def _twice(shape: layout.Shape, places: Any) -> np.ndarray | None:
    """Elements that more than one index names: torch leaves open which value they get."""
    count = np.zeros(shape, np.int32)
    np.add.at(count, places, 1)
    return count > 1 if (count > 1).any() else None


def _added(values: np.ndarray, d: Any, places: Any, source: np.ndarray) -> np.ndarray:
    """`values` with `source` added at the places, every duplicate counting; 16-bit floats are rounded at each step."""
    if d in dtypes.HALVES:
        flat = np.arange(values.size).reshape(values.shape)[places].reshape(-1)
        out = values.copy()
        for place, term in zip(flat, source.reshape(-1), strict=True):
            out.flat[place] = (np.float32(out.flat[place]) + np.float32(term)).astype(d.numpy)
        return out
    out = values.copy()
    if d is dtypes.bool_:
        np.logical_or.at(out, places, source)
    else:
        np.add.at(out, places, source)
    return out


# ---------------------------------------------------------------------------------------------------- along a dimension


def _vector_index(name: str, index: Tensor, *, names: tuple[Any, ...] = _INDEX_DTYPES) -> np.ndarray:
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
    if index.dtype not in _INDEX_DTYPES:
        raise RuntimeError("index_select(): Expected dtype int32 or int64 for index")
    places = index._array().reshape(-1).astype(np.int64, copy=False)
    if dim == 1 or (input._sizes and not input.numel()):
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
    bad = index[(index < 0) | (index >= size)]
    if bad.size:
        raise RuntimeError(f"INDICES element is out of DATA bounds, id={bad[0]} axis_dim={size}")


def _bounded(index: np.ndarray, size: int) -> np.ndarray:
    if ((index < 0) | (index >= size)).any():
        raise IndexError("index out of range in self")
    return index


op(
    "index_select(Tensor input, int dim, Tensor index)",
    kind=GENERAL, kernel=_index_select, family="indexing", forms="function method out", exact=True, moves=True, memory=_FRESH,
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
    scaled = source._array()
    if alpha != 1:
        product = scaled.astype(dtypes.opmath(source.dtype)) * number_array(alpha, source.dtype)
        scaled = cast(product, source.dtype, source.dtype)[0]
        scaled = scaled.astype(source.dtype.numpy, copy=False)
    values = input._array()
    if not input._sizes:
        _bounded(places, 1)
        return Result(_added(values.reshape(1), input.dtype, (places,), scaled.reshape(-1)).reshape(()))
    if len(input._sizes) > 1 and dim in (0, len(input._sizes) - 1):
        _checked(places, input._sizes[dim], dim)  # torch adds along the outer dimensions by another kernel
    at = _along(input._sizes, dim, _bounded(places, input._sizes[dim]))
    return Result(_added(values, input.dtype, at, scaled))


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
        raise RuntimeError(
            f"{name}(): source and destination tensor must have the same number of dimensions"
            if name != "index_copy_"
            else f"index_copy_(): When source and destination are not scalars, their dimensionality must match. Source "
            f"dimensionality ({given}), destination dimensionality ({rank})"
        )
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
    kind=GENERAL, kernel=_index_add, family="indexing", forms=_BOTH, exact=True, memory=_APART,
    out_dtype_error=_OUT_DTYPE,
    derivatives={
        "input": lambda grad: grad,
        "source": lambda grad, dim, index, source, alpha: _scaled_rows(grad, dim, index, source._sizes, alpha),
    },
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
    at = _along(flat.shape, dim, _copy_bounded(places, flat.shape[dim]))
    flat[at] = source._array().reshape(-1) if not input._sizes else source._array()
    twice = _twice(flat.shape, at)
    return Result(flat.reshape(values.shape), None, None if twice is None else twice.reshape(values.shape))


def _copy_bounded(index: np.ndarray, size: int) -> np.ndarray:
    bad = (index < -size) | (index >= size)
    if bad.any():
        raise IndexError(
            f"index_copy_(): index {index[bad].flat[0]} is out of bounds for dimension 0 with size {size}"
        )
    return np.where(index < 0, index + size, index)


op(
    "index_copy(Tensor input, int dim, Tensor index, Tensor source)",
    kind=GENERAL, kernel=_index_copy, family="indexing", forms=_BOTH, exact=True, memory=_APART,
    out_dtype_error=_OUT_DTYPE,
    derivatives={
        "input": lambda grad, dim, index: grad.index_fill(dim, index, 0),
        "source": lambda grad, dim, index, source: _scaled_rows(grad, dim, index, source._sizes),
    },
)  # fmt: skip


def _index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Result:
    dim = layout.wrap_dim(dim, len(input._sizes))
    if index.dtype is not dtypes.int64:
        raise IndexError("index_fill_(): Expected dtype int64 for index.")
    if len(index._sizes) > 1:
        raise IndexError("Index has to be a vector/scalar")
    if isinstance(value, Tensor):
        if value._sizes:
            raise RuntimeError(
                f"index_fill_ only supports a 0-dimensional value tensor, but got tensor with {len(value._sizes)} dimension(s)."
            )
        value = value.item()
    if isinstance(value, complex) and not input.dtype.is_complex:
        raise RuntimeError("index_fill_(): Converting complex Scalar to non-complex type is not supported")
    values = input._array().copy()
    flat = values.reshape(1) if not input._sizes else values
    places = index._array().reshape(-1)
    size = flat.shape[dim]
    bad = (places < -size) | (places >= size)
    if bad.any():
        raise IndexError(f"index {places[bad].flat[0]} is out of bounds for dimension {dim} with size {size}")
    flat[_along(flat.shape, dim, places)] = checked_number(value, input.dtype)
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
    return Tensor._fresh(np.unique(index._array()))


# ------------------------------------------------------------------------------------------------------ gather, scatter


def _grid(index: np.ndarray, dim: int) -> tuple[np.ndarray, ...]:
    """The places that an index of full rank names: its own coordinates, but the index itself along `dim`."""
    places = list(np.ogrid[tuple(slice(n) for n in index.shape)])
    places[dim] = index
    return tuple(np.broadcast_arrays(*places)) if places else ()


def _index_for(name: str, index: Tensor) -> np.ndarray:
    if index.dtype not in _INDEX_DTYPES and index.numel():  # an index without elements is not looked at
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index")
    return index._array().astype(np.int64, copy=False)


def _at_least_1d(a: np.ndarray) -> np.ndarray:
    return a.reshape(1) if a.ndim == 0 else a


def _check_gather(name: str, input: Tensor, dim: int, index: Tensor) -> None:
    if max(len(input._sizes), 1) != max(len(index._sizes), 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as input tensor")
    mine, theirs = input._sizes or (1,), index._sizes or (1,)
    for i, (n, k) in enumerate(zip(mine, theirs, strict=True)):
        if i != dim and k > n:
            raise RuntimeError(
                f"Size does not match at dimension {i} expected index {list(index._sizes)} to be no larger than self "
                f"{list(input._sizes)} apart from dimension {dim}"
            )


def _gather(input: Tensor, dim: int, index: Tensor, sparse_grad: bool) -> Any:
    dim = layout.wrap_dim(dim, len(input._sizes))
    places = _index_for("gather", index)
    if index.numel() == 0:
        return np.empty(index._sizes, input.dtype.numpy)
    _check_gather("gather", input, dim, index)
    values, at = _at_least_1d(input._array()), _at_least_1d(places)
    found = values[_grid(_checked(at, values.shape[dim], dim), dim)]
    return np.ascontiguousarray(found).reshape(index._sizes)


op(
    "gather(Tensor input, int dim, Tensor index, *, bool sparse_grad=False)",
    kind=GENERAL, kernel=_gather, family="indexing", forms="function method out", exact=True, moves=True, memory=_FRESH,
    out_dtype_error=_OUT_DTYPE,
    derivatives={
        "input": lambda grad, input, dim, index: F.zeros(input._sizes, dtype=grad.dtype).scatter_add(dim, index, grad)
    },
)  # fmt: skip


def _scatter_places(name: str, input: Tensor, dim: int, index: Tensor, src: Tensor | None) -> tuple[int, Any]:
    dim = layout.wrap_dim(dim, len(input._sizes))
    places = _index_for(name, index)
    if src is not None and src.dtype is not input.dtype:
        raise RuntimeError(f"{name}(): Expected self.dtype to be equal to src.dtype")
    if index.numel() == 0:
        return dim, None
    ranks = {max(len(t._sizes), 1) for t in (input, index, *(() if src is None else (src,)))}
    if len(ranks) > 1:
        other = "self" if max(len(input._sizes), 1) != max(len(index._sizes), 1) else "src"
        raise RuntimeError(f"Index tensor must have the same number of dimensions as {other} tensor")
    mine, given = input._sizes or (1,), index._sizes or (1,)
    theirs = (src._sizes or (1,)) if src is not None else given
    if any(i != dim and k > n for i, (n, k) in enumerate(zip(mine, given, strict=True))) or any(
        k > n for n, k in zip(theirs, given, strict=True)
    ):
        beyond = f" and to be no larger size than src {list(theirs)}" if src is not None else ""
        raise RuntimeError(
            f"Expected index {list(given)} to be no larger than self {list(mine)} apart from dimension {dim}{beyond}"
        )
    return dim, _grid(_checked(_at_least_1d(places), mine[dim], dim), dim)


def _source_part(src: Tensor, index: Tensor) -> np.ndarray:
    """The part of the source that the index covers."""
    return _at_least_1d(src._array())[tuple(slice(n) for n in (index._sizes or (1,)))]


def _scatter(input: Tensor, dim: int, index: Tensor, src: Any) -> Result:
    is_tensor = isinstance(src, Tensor)
    dim, places = _scatter_places("scatter", input, dim, index, src if is_tensor else None)
    values = input._array().copy()
    if places is None:
        return Result(values)
    flat = _at_least_1d(values)
    flat[places] = _source_part(src, index) if is_tensor else number_array(src, input.dtype)
    twice = _twice(flat.shape, places) if is_tensor else None
    return Result(flat.reshape(values.shape), None, None if twice is None else twice.reshape(values.shape))


op(
    "scatter(Tensor input, int dim, Tensor index, Tensor src)",
    kind=GENERAL, kernel=_scatter, family="indexing", forms=_BOTH, exact=True, memory=_APART,
    out_dtype_error=_OUT_DTYPE,
    derivatives={
        "input": lambda grad, dim, index: grad.scatter(dim, index, 0),
        "src": lambda grad, dim, index: grad.gather(dim, index),
    },
)  # fmt: skip
op(
    "scatter(Tensor input, int dim, Tensor index, Number value)",
    kind=GENERAL, kernel=_scatter, family="indexing", forms=_BOTH, exact=True, memory=_APART,
    out_dtype_error=_OUT_DTYPE, node="ScatterBackward1",
    derivatives={"input": lambda grad, dim, index: grad.scatter(dim, index, 0)},
)  # fmt: skip


def _scatter_reduced(input: Tensor, dim: int, index: Tensor, src: Any, reduce: str) -> Result:
    is_tensor = isinstance(src, Tensor)
    if is_tensor:
        warnings.warn(
            "The reduce argument of torch.scatter with Tensor src is deprecated and will be removed in a future PyTorch "
            "release. Use torch.scatter_reduce instead for more reduction options.",
            UserWarning,
            stacklevel=6,
        )
    if reduce not in ("add", "multiply"):
        raise RuntimeError("reduce argument must be either add or multiply.")
    dim, places = _scatter_places("scatter", input, dim, index, src if is_tensor else None)
    values = input._array().copy()
    if places is None:
        return Result(values)
    flat = _at_least_1d(values)
    source = (
        _source_part(src, index)
        if is_tensor
        else np.broadcast_to(number_array(src, input.dtype), places[0].shape)
    )
    if reduce == "add":
        flat = _added(flat, input.dtype, places, source)
    elif input.dtype is dtypes.bool_:
        np.logical_and.at(flat, places, source)
    else:
        np.multiply.at(flat, places, source)
    return Result(flat.reshape(values.shape))


for _source in ("Tensor src", "Number value"):
    op(
        f"scatter(Tensor input, int dim, Tensor index, {_source}, *, str reduce)",
        kind=GENERAL, kernel=_scatter_reduced, family="indexing", forms=_BOTH, node="NotImplemented", memory=_APART,
        out_dtype_error=_OUT_DTYPE,
        derivatives=not_implemented("scatter", "input", *(["src"] if "src" in _source else [])),
    )  # fmt: skip


def _scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Result:
    dim, places = _scatter_places("scatter_add", input, dim, index, src)
    values = input._array()
    if places is None:
        return Result(values.copy())
    flat = _added(_at_least_1d(values), input.dtype, places, _source_part(src, index))
    return Result(flat.reshape(values.shape))


op(
    "scatter_add(Tensor input, int dim, Tensor index, Tensor src)",
    kind=GENERAL, kernel=_scatter_add, family="indexing", forms=_BOTH, exact=True, memory=_APART,
    out_dtype_error=_OUT_DTYPE,
    derivatives={"input": lambda grad: grad, "src": lambda grad, dim, index: grad.gather(dim, index)},
)  # fmt: skip


# --------------------------------------------------------------------------------------------------------- flat position


def _take(input: Tensor, index: Tensor) -> Any:
    if index.dtype is not dtypes.int64:
        raise RuntimeError(f"take(): Expected a long tensor for index, but got {index.dtype.legacy}")
    places = index._array()
    count = input.numel()
    if count == 0 and places.size:
        raise IndexError("take(): tried to take from an empty tensor")
    return input._array().reshape(-1)[_flat_places(places, count)]


def _flat_places(places: np.ndarray, count: int) -> np.ndarray:
    bad = (places < -count) | (places >= count)
    if bad.any():
        raise IndexError(
            f"out of range: tried to access index {places[bad].flat[0]} on a tensor of {count} elements."
        )
    return np.where(places < 0, places + count, places)


op(
    "take(Tensor input, Tensor index)",
    kind=GENERAL, kernel=_take, family="indexing", forms="function method out", exact=True, moves=True, memory=_FRESH,
    out_dtype_error="take(): self and out expected to have the same dtype, but got self.dtype = {result} and out.dtype = {out}",
    derivatives={"input": lambda grad, input, index: F.zeros(input._sizes, dtype=grad.dtype).put(index, grad, True)},
)  # fmt: skip


def _put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool) -> Result:
    if index.dtype is not dtypes.int64:
        raise RuntimeError(f"put_(): Expected a long tensor for index, but got {index.dtype.legacy}")
    if input.dtype is not source.dtype:
        raise RuntimeError(
            "put_(): self and source expected to have the same dtype, but got self.dtype = "
            f"{input.dtype.legacy} and source.dtype = {source.dtype.legacy}"
        )
    if index.numel() != source.numel():
        raise IndexError(
            "put_(): Expected source and index to have the same number of elements, but got "
            f"source.numel() = {source.numel()}, index.numel() = {index.numel()}"
        )
    if input.numel() == 0 and index.numel():
        raise IndexError("put_(): Tried to put elements into an empty tensor")
    flat = input._array().reshape(-1).copy()
    places = _flat_places(index._array().reshape(-1), flat.size)
    terms = source._array().reshape(-1)
    if accumulate:
        return Result(
            _added(flat, input.dtype, (places,), terms).reshape(input._sizes), strides_for(input, None)
        )
    flat[places] = terms
    twice = _twice(flat.shape, (places,))
    undefined = None if twice is None else twice.reshape(input._sizes)
    return Result(flat.reshape(input._sizes), strides_for(input, None), undefined)


op(
    "put(Tensor input, Tensor index, Tensor source, bool accumulate=False)",
    kind=GENERAL, kernel=_put, family="indexing", forms="function method inplace-method", exact=True, memory=_APART,
    derivatives={
        "input": lambda grad, index, source_sizes, accumulate: (
            grad if accumulate else grad.put(index, F.zeros(source_sizes, dtype=grad.dtype), False)
        ),
        "source": lambda grad, index, source: grad.take(index).reshape(source._sizes),
    },
)  # fmt: skip


# ----------------------------------------------------------------------------------------------------------------- masks


def _bool_mask(name: str, mask: Tensor) -> np.ndarray:
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError(f"{name}: expected BoolTensor for mask")
    return mask._array()


def _masked_select(input: Tensor, mask: Tensor) -> Any:
    marks = _bool_mask("masked_select", mask)
    shape = layout.broadcast_two(input._sizes, mask._sizes)
    return np.broadcast_to(input._array(), shape)[np.broadcast_to(marks, shape)]


op(
    "masked_select(Tensor input, Tensor mask)",
    kind=GENERAL, kernel=_masked_select, family="indexing", forms="function method out", exact=True, moves=True, memory=_FRESH,
    out_dtype_error="masked_select(): self and result must have the same scalar type",
    derivatives={
        "input": lambda grad, input, mask: F.zeros(
            layout.broadcast_two(input._sizes, mask._sizes), dtype=grad.dtype
        ).masked_scatter(mask, grad)
    },
)  # fmt: skip


def _masked_fill(input: Tensor, mask: Tensor, value: Any) -> Result:
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError(
            f"masked_fill_ only supports boolean masks, but got mask with dtype {mask.dtype!r}"
        )
    if isinstance(value, Tensor):
        if value._sizes:
            raise RuntimeError(
                f"masked_fill_ only supports a 0-dimensional value tensor, but got tensor with {len(value._sizes)} dimension(s)."
            )
        value = value.item()
    shape = layout.broadcast_two(input._sizes, mask._sizes)
    filled = np.where(mask._array(), checked_number(value, input.dtype), input._array()).astype(
        input.dtype.numpy, copy=False
    )
    return Result(np.array(np.broadcast_to(filled, shape)))


for _value, _node in (("Tensor value", "MaskedFillBackward1"), ("Number value", "MaskedFillBackward0")):
    op(
        f"masked_fill(Tensor input, Tensor mask, {_value})",
        kind=GENERAL, kernel=_masked_fill, family="indexing", forms="function method inplace-method", exact=True, node=_node,
        memory="warns",
        derivatives={
            "input": lambda grad, mask: grad.masked_fill(mask, 0),
            **({"value": lambda grad, mask: F.where(mask, grad, 0).sum()} if "Tensor" in _value else {}),
        },
    )  # fmt: skip


def _masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Result:
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError(
            f"masked_scatter_ only supports boolean masks, but got mask with dtype {mask.dtype.legacy}"
        )
    if input.dtype is not source.dtype:
        raise RuntimeError(
            "masked_scatter: expected self and source to have same dtypes but got "
            f"{input.dtype.legacy} and {source.dtype.legacy}"
        )
    shape = layout.broadcast_two(input._sizes, mask._sizes)
    marks = np.broadcast_to(mask._array(), shape)
    values = np.array(np.broadcast_to(input._array(), shape))
    count = int(marks.sum())
    if count > source.numel():
        raise RuntimeError(
            "masked_scatter: expected number of elements of source to be at least the number of ones in mask"
        )
    values[marks] = source._array().reshape(-1)[:count]
    return Result(values)


def _masked_scatter_source_grad(grad: Any, mask: Any, source_sizes: Any) -> Tensor:
    taken = grad.masked_select(mask)
    missing = layout.numel(source_sizes) - taken.numel()
    if missing > 0:
        taken = F.cat([taken, F.zeros((missing,), dtype=grad.dtype)])
    return taken.view(source_sizes)


op(
    "masked_scatter(Tensor input, Tensor mask, Tensor source)",
    kind=GENERAL, kernel=_masked_scatter, family="indexing", forms="function method inplace-method", exact=True,
    memory="internal mixes-others",
    derivatives={
        "input": lambda grad, mask: grad.masked_fill(mask, 0),
        "source": lambda grad, mask, source_sizes: _masked_scatter_source_grad(grad, mask, source_sizes),
    },
)  # fmt: skip


# -------------------------------------------------------------------------------------------------------------- nonzero


def _nonzero(input: Tensor) -> Result:
    if input._sizes:
        places = np.argwhere(input._array() != 0).astype(np.int64)
    else:
        places = np.zeros((int(bool(input._array() != 0)), 0), np.int64)
    # torch writes one column per dimension: the result's columns are contiguous.
    return Result(places, (1, places.shape[0]))


op("_nonzero(Tensor input)", kind=GENERAL, kernel=_nonzero, family="indexing", forms="function out", exact=True)  # fmt: skip


def _nonzero_form(input: Tensor, as_tuple: bool = False) -> Any:
    """Where the elements are not zero: one row each, or with `as_tuple` one index tensor per dimension."""
    if as_tuple:
        return F.unbind(F._nonzero(input if input._sizes else input.reshape(1)), 1)
    return F._nonzero(input)


op(
    "nonzero(Tensor input)",
    kind=COMPOSITE, kernel=_nonzero_form, family="indexing", forms="function method out", exact=True,
    out_dtype_error="nonzero: Expected out tensor to have scalar type {result} but got scalar type{out}",
)  # fmt: skip
op(
    "nonzero(Tensor input, *, bool as_tuple)",
    kind=COMPOSITE, kernel=_nonzero_form, family="indexing", forms="function method", exact=True,
)  # fmt: skip
op("argwhere(Tensor input)", kind=COMPOSITE, kernel=lambda input: F._nonzero(input), family="indexing", exact=True)  # fmt: skip


def _take_along_dim(input: Tensor, indices: Tensor, dim: int | None) -> Tensor:
    """`gather` with broadcasting; over everything if `dim` is None."""
    return F.gather(*_along_dim(input, indices, dim))


def _take_along_dim_into(input: Tensor, indices: Tensor, dim: int | None, out: Tensor) -> Tensor:
    return F.gather(*_along_dim(input, indices, dim), out=out)


def _along_dim(input: Tensor, indices: Tensor, dim: int | None) -> tuple[Tensor, int, Tensor]:
    """What `gather` is to take."""
    if dim is None:
        return input.reshape(-1), 0, indices.reshape(-1)
    if indices.dtype is not dtypes.int64:
        raise RuntimeError(
            f"torch.take_along_dim(): dtype of indices should be Long but got {indices.dtype.legacy}"
        )
    if len(input._sizes) != len(indices._sizes):
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, but got "
            f"{len(input._sizes)} dimensions for input, and {len(indices._sizes)} dimensions for indices"
        )
    dim = layout.wrap_dim(dim, len(input._sizes))
    at = list(indices._sizes)
    at[dim : dim + 1] = input._sizes[dim : dim + 1]
    shape = layout.broadcast_two(input._sizes, tuple(at))
    mine, theirs = list(shape), list(shape)
    mine[dim], theirs[dim] = input._sizes[dim], indices._sizes[dim]
    wrapped: Any = (
        indices.remainder(input._sizes[dim]) if input._sizes[dim] else indices
    )  # out of range wraps around here
    return input.expand(mine), dim, wrapped.expand(theirs)


op(
    "take_along_dim(Tensor input, Tensor indices, int? dim=None)",
    kind=COMPOSITE, kernel=_take_along_dim, family="indexing", forms="function method out", exact=True,
    out_form=_take_along_dim_into,
)  # fmt: skip
