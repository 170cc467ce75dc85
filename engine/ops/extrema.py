"""Greatest and smallest elements, and sorting. NaN counts as greater than everything.

Sources: https://docs.pytorch.org/docs/stable/generated/torch.max.html, torch.amax.html, torch.argmax.html,
torch.sort.html, torch.topk.html, torch.kthvalue.html and their neighbours.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes, layout
from engine import functions as F
from engine.call import refuse_grad_with_out
from engine.casts import scalar_number
from engine.dtypes import dtype
from engine.ops.memory import strides_for
from engine.ops.reducing import (
    Axes,
    folded,
    in_rows,
    no_identity,
    no_identity_along,
    reduced_axes,
    reduced_sizes,
    refuse_complex_gradient,
    same_dtypes,
    unreduced,
    working,
)  # fmt: skip
from engine.promotion import can_cast
from engine.registry import COMPOSITE, GENERAL, Op, op
from engine.results import Result
from engine.tensor import Tensor
from engine.writes import ask_history

_FAMILY = "reduction"


# ------------------------------------------------------------------------------------------------------- full, and amax


def _extreme(ufunc: np.ufunc, input: Tensor, axes: Axes, keepdim: bool) -> Result:
    """The extreme element. Which of two zeros that differ in sign alone it is, is left open."""
    array = working(input)
    values = folded(ufunc, array, axes, keepdim)
    undefined = None
    if array.dtype.kind == "f" and (values == 0).any():
        rows = in_rows(array, axes)
        undefined = mixed_zeros(rows, values.reshape(rows.shape[:-1])).reshape(values.shape)
    return Result(values.astype(input.dtype.numpy), None, undefined)


def mixed_zeros(rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Where the element chosen from a row is zero and the row has zeros of both signs."""
    zeros, minus = rows == 0, np.signbit(rows)
    return np.asarray((values == 0) & (zeros & minus).any(-1) & (zeros & ~minus).any(-1))


def _refuse_complex(d: dtype, name: str) -> None:
    if d.is_complex:
        raise NotImplementedError(f"\"{name}\" not implemented for '{d.legacy}'")


def _share_equally(grad: Any, mask: Any, dim: Any) -> Any:
    """The gradient of an extreme value: all elements that attain it get the same part."""
    return (grad * mask) / mask.sum(dim, True)


def _amax_grad(grad: Any, input: Any, result: Any, dim: Any, keepdim: bool) -> Any:
    grad, result = unreduced(grad, dim, keepdim, input._sizes), unreduced(result, dim, keepdim, input._sizes)
    return _share_equally(grad, result == input, dim)


def _own_dtype_out(values: list[Any], outs: list[Tensor]) -> None:
    mine, given = values[0].dtype, outs[0].dtype
    if mine is not given:
        raise RuntimeError(
            f"Expected the dtype for input and out to match, but got {mine.legacy} for input's dtype and {given.legacy} for "
            "out's dtype."
        )


def _amax_like(name: str, ufunc: np.ufunc, word: str) -> None:
    def kernel(input: Tensor, dim: Any, keepdim: bool) -> Any:
        no_identity_along(name, input, dim or ())
        axes = reduced_axes(dim, len(input._sizes))
        if not input.numel():
            refuse_complex_gradient(name, input)
            return np.empty(reduced_sizes(input._sizes, axes, keepdim), input.dtype.numpy)
        _refuse_complex(input.dtype, f"{word}_values_cpu")
        return _extreme(ufunc, input, axes, keepdim)

    op(
        f"{name}(Tensor input, int[1]? dim=[], bool keepdim=False)",
        kind=GENERAL, kernel=kernel, family=_FAMILY, forms="function method out", exact=True, before_out=_own_dtype_out,
        derivatives={"input": _amax_grad},
    )  # fmt: skip


_amax_like("amax", np.maximum, "max")
_amax_like("amin", np.minimum, "min")


def _aminmax(input: Tensor, dim: int | None, keepdim: bool) -> Any:
    axes = reduced_axes(dim, len(input._sizes))
    if not input.numel():
        if dim is None:
            raise RuntimeError(
                "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity."
            )
        axis = layout.wrap_dim(dim, len(input._sizes))
        if input._sizes[axis] == 0:
            raise IndexError(f"aminmax: Expected reduction dim {axis} to have non-zero size.")
    if input.dtype.is_complex and not input._sizes and dim is not None:
        word = {"complex64": "ComplexFloat", "complex128": "ComplexDouble"}[input.dtype.name]
        raise RuntimeError(f"aminmax not implemented for {word}")
    _refuse_complex(input.dtype, "aminmax_cpu")
    if not input.numel():
        empty = np.empty(reduced_sizes(input._sizes, axes, keepdim), input.dtype.numpy)
        return empty, empty.copy()
    return tuple(_extreme(f, input, axes, keepdim) for f in (np.minimum, np.maximum))


def _aminmax_grad(given_grads: Any, input: Any, min: Any, max: Any, dim: int | None, keepdim: bool) -> Any:
    dims = () if dim is None else (dim,)
    shares = [
        _amax_grad(grad, input, value, dims, keepdim)
        for grad, value in zip(given_grads, (min, max), strict=True)
        if grad is not None
    ]
    return shares[0] + shares[1] if len(shares) == 2 else shares[0]


op(
    "aminmax(Tensor input, *, int? dim=None, bool keepdim=False) -> (min, max)",
    kind=GENERAL, kernel=_aminmax, family=_FAMILY, forms="function method out", exact=True,
    before_out=lambda values, outs: same_dtypes(outs, values[0].dtype, values[0].dtype),
    derivatives={"input": _aminmax_grad},
)  # fmt: skip


def evenly_distributed(grad: Any, input: Any, result: Any) -> Any:
    """The gradient of one element picked from all: those equal to it (all NaNs, if it is one) share it."""
    mask = F.isnan(input) if F.isnan(result).item() else input == result
    return F.zeros_like(input).masked_fill(mask, grad / mask.sum())


def evenly_read(input: Any, input_t: Any, result: Any) -> Any:
    """The tangent of one element picked from all: the mean of those of the elements equal to it. NaN equals nothing."""
    mask = input == result
    return F.sum(mask * (input_t / mask.sum()))


def at_indices(grad: Any, sizes: Any, dim: int, indices: Any, keepdim: bool = True) -> Any:
    """The gradient of elements selected along a dimension: each goes to where its element came from."""
    if sizes and not keepdim:
        axis = layout.wrap_dim(dim, len(sizes))
        grad, indices = grad.unsqueeze(axis), indices.unsqueeze(axis)
    return F.zeros(sizes, dtype=grad.dtype).scatter(dim, indices, grad)


def _castable_out(values: list[Any], outs: list[Tensor]) -> None:
    """Raise RuntimeError for an `out=` of a lower category, before it is resized."""
    if not can_cast(values[0].dtype, outs[0].dtype):
        raise RuntimeError(
            "Expected canCast( typeMetaToScalarType(self.dtype()), typeMetaToScalarType(out.dtype())) to be true, but got "
            "false.  (Could this error message be improved?  If so, please report an enhancement request to PyTorch.)"
        )


def _max_like(name: str, ufunc: np.ufunc, pick: Any, other: str) -> None:
    def full(input: Tensor, out: Tensor | None = None) -> Any:
        no_identity(name, input, None)
        _refuse_complex(input.dtype, f"{name}_all")
        found = _extreme(ufunc, input, None, False)
        if out is not None and dtypes.BOOL < input.dtype.category <= out.dtype.category:
            scalar_number(found.values.item(), out.dtype)  # torch fills `out` with it, which has to hold it
        return found

    def along(input: Tensor, dim: int, keepdim: bool) -> Any:
        axis = layout.wrap_dim(dim, len(input._sizes))
        if input._sizes:
            no_identity(name, input, dim)
        if input.dtype.is_complex:
            raise RuntimeError(f"{name}(): does not support complex input")
        return picked(input, axis, keepdim, lambda rows: pick(rows, -1))

    op(
        f"{name}(Tensor input)",
        kind=GENERAL, kernel=full, family=_FAMILY, forms="function method out", exact=True, sees_out=True,
        before_out=_castable_out, node=f"{name.capitalize()}Backward1", derivatives={"input": evenly_distributed_formula},
        tangent=evenly_read,
    )  # fmt: skip
    op(
        f"{name}(Tensor input, Tensor other)",
        kind=COMPOSITE, kernel=lambda input, other_: getattr(F, other)(input, other_), family=_FAMILY,
        out_form=lambda input, other_, out: getattr(F, other)(input, other_, out=out),
        forms="function method out", exact=True,
    )  # fmt: skip
    op(
        f"{name}(Tensor input, int dim, bool keepdim=False) -> (values, indices)",
        kind=GENERAL, kernel=along, family=_FAMILY, forms="function method out", exact=True, before_out=selected_out,
        derivatives={"input": selected_grad},
    )  # fmt: skip


def evenly_distributed_formula(grad: Any, input: Any, result: Any) -> Any:
    """`evenly_distributed` under the names that formulas use."""
    return evenly_distributed(grad, input, result)


def selected_grad(grad: Any, input_sizes: Any, dim: int, indices: Any, keepdim: bool) -> Any:
    """The derivative of `values` in an operation that returns values and indices."""
    return at_indices(grad, input_sizes, dim, indices, keepdim)


def selected_out(values: list[Any], outs: list[Tensor]) -> None:
    """`out=` of an operation that returns values and indices has exactly their dtypes."""
    same_dtypes(outs, values[0].dtype, dtypes.int64)


def rows_along(input: Tensor, axis: int) -> np.ndarray:
    """The elements (16-bit floats in float32) with one dimension moved to the end; a 0-d tensor has one row of one."""
    array = working(input)
    if axis >= array.ndim - 1:
        return array if array.ndim else array.reshape(1)
    return np.moveaxis(array, axis, -1)


def taken(rows: np.ndarray, at: np.ndarray) -> np.ndarray:
    """`np.take_along_axis` for the last axis, at a third of its price for small arrays."""
    if not rows.size:
        return np.take_along_axis(rows, at, -1)
    flat = rows.reshape(-1, rows.shape[-1])
    return flat[np.arange(len(flat))[:, None], at.reshape(len(flat), -1)].reshape(at.shape)


def picked(
    input: Tensor, axis: int, keepdim: bool, choose: Any, undefined: Any = None
) -> tuple[Result, Result]:
    """Values and indices of one element per row. `choose` gives its index, `undefined` whether torch leaves it open."""
    rows = rows_along(input, axis)
    shape = reduced_sizes(input._sizes, (axis,) if input._sizes else None, keepdim)
    if not rows.size:
        return Result(np.empty(shape, input.dtype.numpy)), Result(np.empty(shape, np.int64))
    at = np.asarray(choose(rows))
    values = taken(rows, at[..., None]).reshape(shape)
    marks = signs = None
    if undefined is not None:
        marks = np.asarray(undefined(rows, values.reshape(at.shape))).reshape(shape)
        if rows.dtype.kind == "f" and (values == 0).any():
            signs = mixed_zeros(rows, values.reshape(at.shape)).reshape(shape)
    return Result(values.astype(input.dtype.numpy), None, signs), Result(
        at.reshape(shape).astype(np.int64), None, marks
    )


def repeated(rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Whether a row holds its chosen value more than once: torch does not say which of them is found."""
    return same(rows, values[..., None]).sum(-1) > 1


def same(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Equality in which NaN equals NaN, as in an order."""
    return (a == b) | ((a != a) & (b != b)) if a.dtype.kind == "f" else a == b


_max_like("max", np.maximum, np.argmax, "maximum")
_max_like("min", np.minimum, np.argmin, "minimum")


def _arg_like(name: str, pick: Any) -> None:
    def kernel(input: Tensor, dim: int | None, keepdim: bool) -> Any:
        for refused, word in ((input.dtype is dtypes.bool_, "bool"), (input.dtype.is_complex, "complex")):
            if refused:
                raise RuntimeError(f"{name}(): does not support {word} input")
        if input._sizes or dim is not None:
            no_identity(name, input, dim, IndexError)
        axes = reduced_axes(dim, len(input._sizes))
        shape = reduced_sizes(input._sizes, axes, keepdim)
        if not input.numel():
            return np.empty(shape, np.int64)
        return np.asarray(pick(in_rows(working(input), axes), -1)).astype(np.int64).reshape(shape)

    op(
        f"{name}(Tensor input, int? dim=None, bool keepdim=False)",
        kind=GENERAL, kernel=kernel, family=_FAMILY, forms="function method out", exact=True,
        before_out=lambda values, outs: same_dtypes(outs, dtypes.int64),
    )  # fmt: skip


_arg_like("argmax", np.argmax)
_arg_like("argmin", np.argmin)


# --------------------------------------------------------------------------------------------------------------- sorting


def order_of(rows: np.ndarray, descending: bool = False) -> np.ndarray:
    """The indices that sort the last axis, equal elements in their order, NaN as the greatest."""
    if not descending:
        return rows.argsort(-1, kind="stable")
    # Backwards twice: equal elements keep their order.
    return (rows.shape[-1] - 1 - rows[..., ::-1].argsort(-1, kind="stable"))[..., ::-1]


def tied(ordered: np.ndarray) -> np.ndarray:
    """Elements of sorted rows that have an equal neighbour."""
    equal = same(ordered[..., 1:], ordered[..., :-1])
    marks = np.zeros(ordered.shape, np.bool_)
    marks[..., 1:] |= equal
    marks[..., :-1] |= equal
    return marks


def _back(rows: np.ndarray, axis: int, ndim: int) -> np.ndarray:
    if axis >= ndim - 1:
        return rows if ndim else rows.reshape(())
    return np.moveaxis(rows, -1, axis)


def _sort(input: Tensor, dim: int, descending: bool, stable: bool) -> tuple[Result, Result]:
    axis = layout.wrap_dim(dim, len(input._sizes))
    if input.dtype.is_complex:
        raise RuntimeError(" Sort does not support complex dtypes on CPU")
    rows, ndim = rows_along(input, axis), len(input._sizes)
    order = order_of(rows, descending)
    ordered = taken(rows, order)
    marks = None if stable else _back(tied(ordered), axis, ndim)
    strides = strides_for(input, None)
    values = _back(ordered, axis, ndim).astype(input.dtype.numpy)
    return Result(values, strides), Result(_back(order, axis, ndim).astype(np.int64), strides, marks)


_SORT: Op = op(
    "sort(Tensor input, *, bool? stable, int dim=-1, bool descending=False) -> (values, indices)",
    kind=GENERAL, family="comparison", forms="function method out", exact=True, node="SortBackward1",
    kernel=lambda input, stable, dim, descending: _sort(input, dim, descending, bool(stable)), before_out=selected_out,
    derivatives={"input": lambda grad, input_sizes, dim, indices: at_indices(grad, input_sizes, dim, indices)},
)  # fmt: skip
op(
    "sort(Tensor input, int dim=-1, bool descending=False) -> (values, indices)",
    kind=GENERAL, family="comparison", forms="function method out", exact=True,
    kernel=lambda input, dim, descending: _sort(input, dim, descending, False), before_out=selected_out,
    derivatives={"input": lambda grad, input_sizes, dim, indices: at_indices(grad, input_sizes, dim, indices)},
)  # fmt: skip


def _argsort_out(values: list[Any], outs: list[Tensor]) -> None:
    refuse_grad_with_out(_SORT, values[:1])  # which torch sorts with, though nobody asks for the values
    same_dtypes(outs, dtypes.int64)


op(
    "argsort(Tensor input, *, bool stable, int dim=-1, bool descending=False)", refuses_as="sort",
    kind=GENERAL, family="comparison", forms="function method out", exact=True, check=ask_history,
    kernel=lambda input, stable, dim, descending: _sort(input, dim, descending, stable)[1], before_out=_argsort_out,
)  # fmt: skip
op(
    "argsort(Tensor input, int dim=-1, bool descending=False)",
    kind=GENERAL, family="comparison", exact=True, check=ask_history,
    kernel=lambda input, dim, descending: _sort(input, dim, descending, False)[1],
)  # fmt: skip
op(
    "msort(Tensor input)", refuses_as="sort",
    kind=COMPOSITE, family="comparison", forms="function method out", exact=True,
    kernel=lambda input: F.sort(input, 0)[0], before_out=lambda values, outs: same_dtypes(outs, values[0].dtype),
)  # fmt: skip


def _topk(input: Tensor, k: int, dim: int, largest: bool, sorted: bool) -> tuple[Result, Result]:
    axis = layout.wrap_dim(dim, len(input._sizes))
    if not 0 <= k <= (input._sizes[axis] if input._sizes else 1):
        raise RuntimeError("selected index k out of range")
    if input.dtype is dtypes.bool_:
        raise RuntimeError("topk does not support bool dtypes on CPU")
    if input.dtype.is_complex:
        raise RuntimeError(" topk does not support complex dtypes on CPU")
    rows, ndim = rows_along(input, axis), len(input._sizes)
    order = order_of(rows, largest)
    ordered = taken(rows, order)
    marks = tied(ordered)
    count = k if ndim else 1
    chosen, found, open_ = (_back(a[..., :count], axis, ndim) for a in (ordered, order, marks))
    unordered = None if sorted or k < 2 else np.ones(chosen.shape, np.bool_)
    signs = (
        open_ & (chosen == 0) if rows.dtype.kind == "f" and np.signbit(chosen[chosen == 0]).any() else None
    )
    values = Result(chosen.astype(input.dtype.numpy), None, signs if unordered is None else unordered)
    return values, Result(found.astype(np.int64), None, open_ if unordered is None else unordered)


op(
    "topk(Tensor input, int k, int dim=-1, bool largest=True, bool sorted=True) -> (values, indices)",
    kind=GENERAL, kernel=_topk, family="comparison", forms="function method out", exact=True, before_out=selected_out,
    derivatives={"input": lambda grad, input_sizes, dim, indices: at_indices(grad, input_sizes, dim, indices)},
)  # fmt: skip


def _kthvalue_out(values: list[Any], outs: list[Tensor]) -> None:
    for t, d, text in zip(
        outs, (values[0].dtype, dtypes.int64), ("values must be of same type as input", "indices must be of scalar type Long"),
        strict=False,
    ):  # fmt: skip
        if t.dtype is not d:
            raise RuntimeError(f"output {text}")


def _kthvalue(input: Tensor, k: int, dim: int, keepdim: bool) -> tuple[Result, Result]:
    axis = layout.wrap_dim(dim, len(input._sizes))
    if input._sizes:
        no_identity("kthvalue", input, dim)
    if not 1 <= k <= (input._sizes[axis] if input._sizes else 1):
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {axis}")
    if input._sizes and (input.dtype is dtypes.bool_ or input.dtype.is_complex):
        raise NotImplementedError(f"\"kthvalue_cpu\" not implemented for '{input.dtype.legacy}'")
    refuse_complex_gradient("kthvalue", input)
    return picked(input, axis, keepdim, lambda rows: order_of(rows)[..., k - 1], repeated)


op(
    "kthvalue(Tensor input, int k, int dim=-1, bool keepdim=False) -> (values, indices)",
    kind=GENERAL, kernel=_kthvalue, family="comparison", forms="function method out", exact=True, before_out=_kthvalue_out,
    derivatives={"input": selected_grad},
)  # fmt: skip
