"""Writes at places given by an index, where what meets at a place is reduced: scatter_reduce, index_reduce.

Sources: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.scatter_reduce_.html and
https://docs.pytorch.org/docs/stable/generated/torch.Tensor.index_reduce_.html
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from engine import dtypes, layout
from engine import functions as F
from engine.autograd.function import Error
from engine.autograd.modes import _State
from engine.dtypes import BOOL, COMPLEX, FLOAT
from engine.ops.gathering import _at_least_1d, _scatter_places, _source_part
from engine.ops.places import APART, BOTH, INDEX_DTYPES, OUT_DTYPE, require_real_if_recorded
from engine.ops.reducing import same_dtypes
from engine.registry import GENERAL, op
from engine.results import Result
from engine.tensor import Tensor

_UFUNCS = {"sum": np.add, "prod": np.multiply, "mean": np.add, "amax": np.maximum, "amin": np.minimum}


def _neutral(reduce: str, d: dtypes.dtype) -> Any:
    if reduce in ("sum", "mean"):
        return 0
    if reduce == "prod":
        return 1
    low, high = (
        (False, True)
        if d.category == BOOL
        else (-np.inf, np.inf)
        if d.category == FLOAT
        else (dtypes.iinfo(d).min, dtypes.iinfo(d).max)
    )
    return low if reduce == "amax" else high


def _met(
    values: np.ndarray, d: dtypes.dtype, places: Any, source: np.ndarray, reduce: str, include_self: bool
) -> np.ndarray:
    """`values` with the source reduced into the places, and with what was there before if `include_self`."""
    out = values.copy()
    if not include_self:
        out[places] = _neutral(reduce, d)
    if d.category == BOOL and reduce in ("sum", "prod"):
        (np.logical_or if reduce == "sum" else np.logical_and).at(out, places, source)
    else:
        _UFUNCS[reduce].at(out, places, source)
    if reduce != "mean":
        return out
    count = np.full(values.shape, int(include_self))
    np.add.at(count, places, 1)
    count = np.maximum(count, 1)
    return out / count.astype(out.dtype) if d.category >= FLOAT else (out // count).astype(out.dtype)


def _scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, include_self: bool
) -> Result:
    layout.wrap_dim(dim, len(input._sizes))
    if reduce not in _UFUNCS:
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    dim, places = _scatter_places("scatter", input, dim, index, src)
    values = input._array()
    if places is None:
        require_real_if_recorded("scatter_reduce", input, src)
        return Result(values.copy())
    d = input.dtype
    if (d.category == BOOL and reduce == "mean") or (d.category == COMPLEX and reduce in ("amax", "amin")):
        raise NotImplementedError(
            f"\"scatter_gather_tensor_cpu_reduce_{reduce}\" not implemented for '{d.legacy}'"
        )
    wide = dtypes.opmath(d)
    met = _met(
        _at_least_1d(values).astype(wide),
        d,
        places,
        _source_part(src, index).astype(wide),
        reduce,
        include_self,
    )
    require_real_if_recorded("scatter_reduce", input, src)
    return Result(met.astype(values.dtype).reshape(values.shape))


def _index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, include_self: bool
) -> Result:
    if reduce not in _UFUNCS or reduce == "sum":
        raise RuntimeError(
            f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}."
        )
    dim = layout.wrap_dim(dim, input.dim())
    _check_vector(input, dim, index, source)
    warnings.warn(_BETA, UserWarning, stacklevel=6)
    places = index._array().reshape(-1).astype(np.int64)
    d, values = input.dtype, _at_least_1d(input._array())
    if d.category in (BOOL, COMPLEX):
        _refuse(input, index, reduce, include_self)
    if ((places < 0) | (places >= values.shape[dim])).any():
        raise IndexError("index out of range in self")
    at = (*(slice(None),) * dim, places)
    met = _met(values, d, at, _at_least_1d(source._array()), reduce, include_self)
    require_real_if_recorded("index_reduce", input, source)
    return Result(met.reshape(input._sizes))


_BETA = "index_reduce() is in beta and the API may change at any time."


def _refuse(input: Tensor, index: Tensor, reduce: str, include_self: bool) -> None:
    """Several dimensions are reduced slice by slice with other operations, so that more dtypes go."""
    kernel = None
    if not include_self:
        kernel = "index_reduce_func_exclude_input_init"
    elif input.dim() < 2:
        kernel = "index_func_"
    elif not index.numel():
        kernel = "div_floor_cpu" if input.dtype.category == BOOL and reduce == "mean" else None
    elif input.dtype.category == BOOL:
        kernel = "div_floor_cpu" if reduce == "mean" else None
    elif reduce in ("amax", "amin"):
        kernel = "maximum_cpu" if reduce == "amax" else "minimum_cpu"
    if kernel:
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{input.dtype.legacy}'")


def _check_vector(input: Tensor, dim: int, index: Tensor, source: Tensor) -> None:
    if index.dtype not in INDEX_DTYPES:
        raise RuntimeError(
            f"index_reduce_(): Expected dtype int32/int64 for index but got: {index.dtype.legacy}"
        )
    if index.dim() > 1:
        raise IndexError(
            f"index_reduce_(): Index is supposed to be a vector, but got dim: {index.dim()} with type: {index.dtype.legacy} "
            f"and size: {list(index._sizes)}"
        )
    if input.dtype is not source.dtype:
        raise RuntimeError(
            f"index_reduce_(): self ({input.dtype.legacy}) and source ({source.dtype.legacy}) must have the same scalar type"
        )
    if dim and dim >= source.dim():
        raise RuntimeError(
            f"index_reduce_(): Indexing dim {dim} is out of bounds of the source tensor with dim {source.dim()}"
        )
    count = source.size(dim) if source._sizes or index.numel() != 1 else 1
    if index.numel() != count:
        raise RuntimeError(
            f"index_reduce_(): Number of indices ({index.numel()}) should be equal to source.size(dim): ({count}), for dim: "
            f"{dim}"
        )
    mine, theirs = ((*t._sizes[:dim], *t._sizes[dim + 1 :]) for t in (input, source))
    if mine != theirs or input.dim() != source.dim():
        raise RuntimeError(
            "source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = "
            f"{list(input._sizes)} source.shape = {list(source._sizes)}"
        )


# ----------------------------------------------------------------------------------------------------------- derivatives


_TWICE = "{0}(): Double backward is unsupported for {1} when >1 zeros in {1} are scattered to the same position in self"


class _Scatter:
    """The moves of a reduction at an index for every element."""

    second_order = _TWICE.format("scatter_reduce", "src")

    reduce = staticmethod(lambda x, *rest: x.scatter_reduce(*rest[:4], include_self=rest[4]))
    read = staticmethod(lambda x, dim, index: x.gather(dim, index))
    add = staticmethod(lambda x, dim, index, src: x.scatter_add(dim, index, src))
    clear = staticmethod(lambda x, dim, index: x.scatter(dim, index, 0))


class _Rows:
    """The moves of a reduction of slices."""

    second_order = _TWICE.format("index_reduce", "source")

    reduce = staticmethod(lambda x, *rest: x.index_reduce(*rest[:4], include_self=rest[4]))
    read = staticmethod(lambda x, dim, index: x.index_select(dim, index))
    add = staticmethod(lambda x, dim, index, src: x.index_add(dim, index, src))
    clear = staticmethod(lambda x, dim, index: x.index_fill(dim, index, 0))


def _gradients(
    by: Any, grad: Any, input: Any, dim: int, index: Any, source: Any, reduce: str, include_self: bool, result: Any
) -> tuple[Any, Any]:  # fmt: skip
    of_input, of_source = _FORMULAS[reduce](by, grad, input, dim, index, source, include_self, result)
    return of_input if include_self else by.clear(of_input, dim, index), of_source


def _of_sum(by: Any, grad: Any, input: Any, dim: int, index: Any, *_: Any) -> tuple[Any, Any]:
    return grad, by.read(grad, dim, index)


def _of_mean(
    by: Any, grad: Any, input: Any, dim: int, index: Any, source: Any, include_self: bool, result: Any
) -> tuple[Any, Any]:  # fmt: skip
    start = F.ones_like(grad) if include_self else F.zeros_like(grad)
    count = by.add(start, dim, index, F.ones_like(source))
    count = count.masked_fill(count == 0, 1)
    return grad / count, by.read(grad, dim, index) / by.read(count, dim, index)


def _of_extremum(
    by: Any, grad: Any, input: Any, dim: int, index: Any, source: Any, include_self: bool, result: Any
) -> tuple[Any, Any]:  # fmt: skip
    """All that attain the extremum share its gradient."""
    here = (input == result).to(grad.dtype)
    there = (source == by.read(result, dim, index)).to(grad.dtype)
    shared = grad / by.add(here, dim, index, there)
    return here * shared, there * by.read(shared, dim, index)


def _of_product(
    by: Any, grad: Any, input: Any, dim: int, index: Any, source: Any, include_self: bool, result: Any
) -> tuple[Any, Any]:  # fmt: skip
    """Where a factor is zero the product of the others is made without it; where several are, once but not twice."""
    filled = input.masked_fill(input == 0, 1)
    of_input = grad * by.reduce(filled, dim, index, source, "prod", include_self) / filled
    zero = source == 0
    zeros = by.read(by.add(F.zeros_like(input), dim, index, zero.to(grad.dtype)), dim, index)
    single = F.logical_and(zero, zeros == 1)
    others = by.reduce(input, dim, index, source.masked_fill(single, 1), "prod", include_self)
    of_source = F.where(
        single,
        by.read(grad * others, dim, index),
        by.read(grad * result, dim, index) / source.masked_fill(zero, 1),
    )
    several = F.logical_and(zeros != 0, zeros != 1)  # which has a meaning for complex counts, too
    if _State.grad and of_source.requires_grad and bool(several.any()):
        refused = of_source.detach()
        Error(by.second_order, [of_source]).add_output(refused)
        return of_input, refused
    return of_input, of_source


_FORMULAS: dict[str, Any] = {
    "sum": _of_sum, "mean": _of_mean, "prod": _of_product, "amax": _of_extremum, "amin": _of_extremum,
}  # fmt: skip

op(
    "scatter_reduce(Tensor input, int dim, Tensor index, Tensor src, str reduce, *, bool include_self=True)",
    kind=GENERAL, kernel=_scatter_reduce, family="indexing", forms=BOTH, memory=APART, out_dtype_error=OUT_DTYPE,
    derivatives={
        ("input", "src"): lambda grad, input, dim, index, src, reduce, include_self, result: _gradients(
            _Scatter, grad, input, dim, index, src, reduce, include_self, result
        )
    },
)  # fmt: skip
op(
    "index_reduce(Tensor input, int dim, Tensor index, Tensor source, str reduce, *, bool include_self=True)",
    kind=GENERAL, kernel=_index_reduce, family="indexing", forms=BOTH, memory=APART, out_dtype_error=OUT_DTYPE,
    before_out=lambda values, outs: same_dtypes(outs, values[0].dtype),
    derivatives={
        ("input", "source"): lambda grad, input, dim, index, source, reduce, include_self, result: _gradients(
            _Rows, grad, input, dim, index, source, reduce, include_self, result
        )
    },
)  # fmt: skip
