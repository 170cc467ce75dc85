"""Reading and writing single elements: at an index for each of them along a dimension, or by flat position.

Sources: https://docs.pytorch.org/docs/stable/generated/torch.gather.html, torch.Tensor.scatter_.html, torch.take.html,
torch.Tensor.put_.html and torch.take_along_dim.html
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from engine import dtypes, layout
from engine import functions as F
from engine.casts import checked_number
from engine.ops.memory import strides_for
from engine.ops.places import APART, BOTH, FRESH, INDEX_DTYPES, OUT_DTYPE, added, checked, wrapped, written_at
from engine.ops.pointwise import not_implemented
from engine.registry import COMPOSITE, GENERAL, LINEAR, op
from engine.results import Result
from engine.tensor import Tensor


def _grid(index: np.ndarray, dim: int) -> tuple[np.ndarray, ...]:
    """The places that an index of full rank names: its own coordinates, but the index itself along `dim`."""
    places = list(np.ogrid[tuple(slice(n) for n in index.shape)])
    places[dim] = index
    return tuple(np.broadcast_arrays(*places)) if places else ()


def _index_for(name: str, index: Tensor) -> np.ndarray:
    if index.dtype not in INDEX_DTYPES and index.numel():  # an index without elements is not looked at
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index")
    if not index.numel():
        return np.empty(index._sizes, np.int64)
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
    found = values[_grid(checked(at, values.shape[dim], dim), dim)]
    return np.ascontiguousarray(found).reshape(index._sizes)


op(
    "gather(Tensor input, int dim, Tensor index, *, bool sparse_grad=False)",
    kind=GENERAL, kernel=_gather, family="indexing", forms="function method out", exact=True, moves=True, memory=FRESH,
    out_dtype_error=OUT_DTYPE,
    derivatives={
        "input": lambda grad, input, dim, index: F.zeros(input._sizes, dtype=grad.dtype).scatter_add(dim, index, grad)
    },
)  # fmt: skip


def _check_reduce(reduce: str) -> None:
    if reduce not in ("add", "multiply"):
        raise RuntimeError("reduce argument must be either add or multiply.")


def _scatter_places(
    name: str, input: Tensor, dim: int, index: Tensor, src: Tensor | None, reduce: str = "add"
) -> tuple[int, Any]:
    dim = layout.wrap_dim(dim, len(input._sizes))
    places = _index_for(name, index)
    if src is not None and src.dtype is not input.dtype:
        raise RuntimeError(f"{name}(): Expected self.dtype to be equal to src.dtype")
    if index.numel() == 0:
        _check_reduce(reduce)
        return dim, None
    mine, given = input._sizes or (1,), index._sizes or (1,)
    if len(mine) != len(given):
        raise RuntimeError("Index tensor must have the same number of dimensions as self tensor")
    beyond = ""
    wrong = any(i != dim and k > n for i, (n, k) in enumerate(zip(mine, given, strict=True)))
    if src is not None:
        theirs = src._sizes or (1,)
        for i, k in enumerate(given):
            if not wrong:
                if i >= len(theirs) and src._sizes:
                    layout.wrap_dim(
                        i, len(src._sizes)
                    )  # torch asks for the sizes of dimensions that are not there
                wrong = k > (theirs[i] if i < len(theirs) else 1)
        if len(theirs) != len(given):
            raise RuntimeError("Index tensor must have the same number of dimensions as src tensor")
        beyond = f" and to be no larger size than src {list(theirs)}"
    if wrong:
        raise RuntimeError(
            f"Expected index {list(given)} to be no larger than self {list(mine)} apart from dimension {dim}{beyond}"
        )
    _check_reduce(reduce)
    return dim, _grid(checked(_at_least_1d(places), mine[dim], dim), dim)


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
    flat[places] = _source_part(src, index) if is_tensor else checked_number(src, input.dtype)
    if not is_tensor:  # a number may be written twice
        return Result(flat.reshape(values.shape))
    return written_at(places, flat, values.shape)


op(
    "scatter(Tensor input, int dim, Tensor index, Tensor src)",
    kind=GENERAL, kernel=_scatter, family="indexing", forms=BOTH, exact=True, memory=APART,
    out_dtype_error=OUT_DTYPE,
    derivatives={
        "input": lambda grad, dim, index: grad.scatter(dim, index, 0),
        "src": lambda grad, dim, index: grad.gather(dim, index),
    },
    tangent=LINEAR,
)  # fmt: skip
op(
    "scatter(Tensor input, int dim, Tensor index, Number value)",
    kind=GENERAL, kernel=_scatter, family="indexing", forms=BOTH, exact=True, memory=APART,
    out_dtype_error=OUT_DTYPE, node="ScatterBackward1",
    derivatives={"input": lambda grad, dim, index: grad.scatter(dim, index, 0)},
)  # fmt: skip


def _scatter_reduced(input: Tensor, dim: int, index: Tensor, src: Any, reduce: str) -> Result:
    is_tensor = isinstance(src, Tensor)
    dim, places = _scatter_places("scatter", input, dim, index, src if is_tensor else None, reduce)
    values = input._array()
    if places is None:
        return Result(values.copy())
    flat = _at_least_1d(values)
    source = (
        _source_part(src, index)
        if is_tensor
        else np.broadcast_to(checked_number(src, input.dtype), places[0].shape)
    )
    flat = added(
        flat, input.dtype, places, source, np.add if reduce == "add" else np.multiply, scattered=True
    )
    return Result(flat.reshape(values.shape))


def _warn_of_reduce(values: list[Any]) -> None:
    warnings.warn(
        "The reduce argument of torch.scatter with Tensor src is deprecated and will be removed in a future PyTorch "
        "release. Use torch.scatter_reduce instead for more reduction options.",
        UserWarning,
        stacklevel=5,
    )


for _source, _check in (("Tensor src", _warn_of_reduce), ("Number value", None)):
    op(
        f"scatter(Tensor input, int dim, Tensor index, {_source}, *, str reduce)", check=_check,
        kind=GENERAL, kernel=_scatter_reduced, family="indexing", forms=BOTH, node="NotImplemented", memory=APART,
        out_dtype_error=OUT_DTYPE,
        derivatives=not_implemented("scatter", "input", *(["src"] if "src" in _source else [])),
    )  # fmt: skip


def _scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Result:
    dim, places = _scatter_places("scatter_add", input, dim, index, src)
    values = input._array()
    if places is None:
        return Result(values.copy())
    flat = added(_at_least_1d(values), input.dtype, places, _source_part(src, index), scattered=True)
    return Result(flat.reshape(values.shape))


op(
    "scatter_add(Tensor input, int dim, Tensor index, Tensor src)",
    kind=GENERAL, kernel=_scatter_add, family="indexing", forms=BOTH, exact=True, memory=APART,
    out_dtype_error=OUT_DTYPE,
    derivatives={"input": lambda grad: grad, "src": lambda grad, dim, index: grad.gather(dim, index)}, tangent=LINEAR,
)  # fmt: skip


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

# --------------------------------------------------------------------------------------------------------- flat position

_OUT_OF_RANGE = "out of range: tried to access index {index} on a tensor of {size} elements."


def _take(input: Tensor, index: Tensor) -> Any:
    if index.dtype is not dtypes.int64:
        raise RuntimeError(f"take(): Expected a long tensor for index, but got {index.dtype.legacy}")
    places = index._array()
    count = input.numel()
    if count == 0 and places.size:
        raise IndexError("take(): tried to take from an empty tensor")
    return input._array().reshape(-1)[wrapped(places, count, _OUT_OF_RANGE)]


op(
    "take(Tensor input, Tensor index)",
    kind=GENERAL, kernel=_take, family="indexing", forms="function method out", exact=True, moves=True, memory=FRESH,
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
    places = wrapped(index._array().reshape(-1), flat.size, _OUT_OF_RANGE)
    terms = source._array().reshape(-1)
    if accumulate:
        return Result(
            added(flat, input.dtype, (places,), terms).reshape(input._sizes), strides_for(input, None)
        )
    flat[places] = terms
    return written_at((places,), flat, input._sizes, strides_for(input, None))


op(
    "put(Tensor input, Tensor index, Tensor source, bool accumulate=False)",
    kind=GENERAL, kernel=_put, family="indexing", forms="function method inplace-method", exact=True, memory=APART,
    derivatives={
        "input": lambda grad, index, source_sizes, accumulate: (
            grad if accumulate else grad.put(index, F.zeros(source_sizes, dtype=grad.dtype), False)
        ),
        "source": lambda grad, index, source: grad.take(index).reshape(source._sizes),
    },
)  # fmt: skip
