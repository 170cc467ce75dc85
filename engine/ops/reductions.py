"""Sums, products, means, norms and logical reductions, over everything or along dimensions.

Sources: https://docs.pytorch.org/docs/stable/generated/torch.sum.html, torch.prod.html, torch.mean.html,
torch.all.html, torch.logsumexp.html, torch.norm.html and their neighbours.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes, layout, rounded
from engine import functions as F
from engine.autograd.modes import _State, in_transform
from engine.dtypes import FLOAT, FLOATS, HALVES, dtype
from engine.ops.memory import warn_of_lost_imaginary
from engine.ops.pointwise import conj
from engine.ops.reducing import (
    accumulate,
    dtype_from_out,
    dtype_of_out,
    folded,
    lost_in,
    of_kind,
    reduced_axes,
    reduced_count,
    reduced_sizes,
    summed_dtype,
    total_of,
    unreduced,
    working,
)  # fmt: skip
from engine.promotion import can_cast
from engine.registry import COMPOSITE, GENERAL, LINEAR, op
from engine.results import Result
from engine.tensor import Tensor, fresh
from engine.writes import require_castable

_FAMILY = "reduction"


def _expanded(grad: Any, sizes: Any, dim: Any = None, keepdim: bool = False) -> Any:
    return unreduced(grad, dim, keepdim, sizes).expand(sizes)


# ------------------------------------------------------------------------------------------------------------------ sums


def _sum(input: Tensor, dim: Any, keepdim: bool, dtype: dtype | None) -> Any:
    axes = reduced_axes(dim, len(input._sizes))
    target = summed_dtype(input, dtype)
    return total_of(np.add, input, target, axes, keepdim)


op(
    "sum(Tensor input, *, dtype? dtype=None)",
    kind=GENERAL, kernel=lambda input, dtype: _sum(input, None, False, dtype), family=_FAMILY,
    derivatives={"input": lambda grad, input_sizes, input_dtype: _expanded(of_kind(grad, input_dtype), input_sizes)},
)  # fmt: skip
op(
    "sum(Tensor input, int[1]? dim, bool keepdim=False, *, dtype? dtype=None)",
    kind=GENERAL, kernel=_sum, family=_FAMILY, forms="function method out", node="SumBackward1", before_out=dtype_from_out(3),
    derivatives={
        "input": lambda grad, input_sizes, input_dtype, dim, keepdim: _expanded(
            of_kind(grad, input_dtype), input_sizes, dim, keepdim
        )
    },
)  # fmt: skip


def _nansum(input: Tensor, dim: Any, keepdim: bool, dtype: dtype | None) -> Any:
    if input.dtype.is_complex:
        raise RuntimeError("nansum on CPU does not support complex inputs")
    if input.dtype.category < FLOAT:
        return _sum(input, dim, keepdim, dtype)
    axes = reduced_axes(dim, len(input._sizes))
    target = summed_dtype(input, dtype)
    if target.is_complex and input.numel():
        raise NotImplementedError(f"\"nansum_cpu\" not implemented for '{target.legacy}'")
    missing = np.isnan(working(input))
    array = np.where(missing, 0, working(input, target)).astype(dtypes.opmath(target))
    total = accumulate(np.add, array, axes, keepdim).astype(target.numpy)
    lost = lost_in(input, target)
    return Result(
        total, None, None if lost is None else np.asarray((lost & ~missing).any(axes, keepdims=keepdim))
    )


def _require_wish(wish: dtype | None, out: Tensor) -> None:
    if wish is not None and wish is not out.dtype:
        raise RuntimeError(
            f"nansum: provided dtype must match dtype of result. Got {out.dtype.legacy} and {wish.legacy}."
        )


def _nansum_out(values: list[Any], outs: list[Tensor]) -> None:
    if values[0].dtype.category >= FLOAT:
        _require_wish(values[3], outs[0])
    dtype_of_out(values, outs, 3)
    target = outs[0].dtype
    if values[0].dtype.category >= FLOAT > target.category and values[0].numel():
        raise NotImplementedError(f"\"nansum_cpu\" not implemented for '{target.legacy}'")


op(
    "nansum(Tensor input, int[1]? dim=None, bool keepdim=False, *, dtype? dtype=None)",
    kind=GENERAL, kernel=_nansum, family=_FAMILY, forms="function method out", before_out=_nansum_out,
    derivatives={
        "input": lambda grad, input, dim, keepdim: _expanded(grad.to(input.dtype), input._sizes, dim, keepdim)
        * F.logical_not(F.isnan(input))
    },
    tangent=lambda input, input_t, dim, keepdim: F.sum(F.where(F.isnan(input), 0, input_t), dim, keepdim),
)  # fmt: skip


# ----------------------------------------------------------------------------------------------------------------- means


def _require_inexact(input: Tensor, dtype: dtype | None) -> None:
    target = dtype or input.dtype
    if target.category < FLOAT:
        which = "Input" if dtype is None else "Optional"
        raise RuntimeError(
            f"mean(): could not infer output dtype. {which} dtype must be either a floating point or complex dtype. "
            f"Got: {target.legacy}"
        )


def _mean(input: Tensor, dim: Any, keepdim: bool, dtype: dtype | None) -> Any:
    _require_inexact(input, dtype)
    target = dtype or input.dtype
    axes = reduced_axes(dim, len(input._sizes))
    total = accumulate(np.add, working(input, target), axes, keepdim)
    # 16-bit floats: the sum is not rounded before the division.
    return (total / total.dtype.type(reduced_count(input._sizes, axes))).astype(target.numpy, copy=False)


def _mean_out(position: int) -> Any:
    def before_out(values: list[Any], outs: list[Tensor]) -> None:
        """The sum is computed in the dtype of `out`, and then divided in place, which no integer takes."""
        input, out = values[0], outs[0]
        if position == 1 and not can_cast(input.dtype, out.dtype):
            raise RuntimeError(
                f"mean.dtype_out(): input types can't be cast to the desired output type {out.dtype.legacy}"
            )
        _require_inexact(input, values[position])
        dtype_of_out(values, outs, position)
        if out.dtype.category < FLOAT:
            warn_of_lost_imaginary(input, out.dtype)
            require_castable(dtypes.get_default_dtype(), out)

    return before_out


def _mean_grad(grad: Any, sizes: Any, dim: Any = None, keepdim: bool = False) -> Any:
    return _expanded(grad, sizes, dim, keepdim) / reduced_count(sizes, reduced_axes(dim, len(sizes)))


op(
    "mean(Tensor input, *, dtype? dtype=None)",
    kind=GENERAL, kernel=lambda input, dtype: _mean(input, None, False, dtype), family=_FAMILY, forms="function method out",
    derivatives={"input": lambda grad, input_sizes, input_dtype: _mean_grad(of_kind(grad, input_dtype), input_sizes)},
    before_out=_mean_out(1), tangent=LINEAR,
)  # fmt: skip
op(
    "mean(Tensor input, int[1]? dim, bool keepdim=False, *, dtype? dtype=None)",
    kind=GENERAL, kernel=_mean, family=_FAMILY, forms="function method out", node="MeanBackward1",
    derivatives={
        "input": lambda grad, input_sizes, input_dtype, dim, keepdim: _mean_grad(
            of_kind(grad, input_dtype), input_sizes, dim, keepdim
        )
    },
    before_out=_mean_out(3), tangent=LINEAR,
)  # fmt: skip


def _nanmean(input: Tensor, dim: Any, keepdim: bool, dtype: dtype | None) -> Tensor:
    """The mean of the elements that are not NaN."""
    if input.dtype.category < FLOAT:
        raise RuntimeError(
            f"nanmean(): expected input to have floating point or complex dtype but got {input.dtype.legacy}"
        )
    if dtype is not None and dtype.category < FLOAT:
        raise RuntimeError(
            "nanmean(): could not infer output dtype. Optional dtype must be either a floating point or complex dtype. Got: "
            + dtype.legacy
        )
    count = F.logical_not(F.isnan(input.detach())).sum(dim, keepdim)
    return F.div(F.nansum(input, dim, keepdim, dtype=dtype), count)


def _nanmean_into(input: Tensor, dim: Any, keepdim: bool, dtype: dtype | None, out: Tensor) -> Tensor:
    """Two writes: the sum and then the quotient. Without elements any `out` that takes the result will do."""
    _require_wish(dtype, out)
    if input.numel() and out.dtype not in FLOATS:
        raise NotImplementedError(f"\"nansum_cpu\" not implemented for '{out.dtype.legacy}'")
    count = F.logical_not(F.isnan(input.detach())).sum(dim, keepdim)
    if input.numel():
        return F.nansum(input, dim, keepdim, dtype=dtype, out=out).div_(count)
    return F.add(F.nansum(input, dim, keepdim, dtype=dtype), 0, out=out).div_(count)


op(
    "nanmean(Tensor input, int[1]? dim=None, bool keepdim=False, *, dtype? dtype=None)",
    kind=COMPOSITE, kernel=_nanmean, family=_FAMILY, forms="function method out", out_form=_nanmean_into,
)  # fmt: skip


# -------------------------------------------------------------------------------------------------------------- products


def _prod(input: Tensor, dim: Any, keepdim: bool, dtype: dtype | None) -> Any:
    axes = reduced_axes(dim, len(input._sizes))
    target = summed_dtype(input, dtype)
    if target is dtypes.bool_:
        return folded(np.logical_and, working(input, target), axes, keepdim)
    if target in HALVES:
        return _stepwise_product(working(input, target), axes, keepdim, target)
    return total_of(np.multiply, input, target, axes, keepdim)


def _stepwise_product(array: np.ndarray, axes: Any, keepdim: bool, target: dtype) -> np.ndarray:
    """Unlike sums, products of 16-bit floats are rounded after each factor."""
    if axes is None:
        shape, rows = (1,) * (array.ndim if keepdim else 0), array.reshape(-1, 1)
    else:
        shape, rows = reduced_sizes(array.shape, axes, keepdim), np.moveaxis(array, axes[0], 0)
    product = np.ones(rows.shape[1:], array.dtype)
    for row in rows:
        product = (product * row).astype(target.numpy).astype(array.dtype)
    return product.reshape(shape).astype(target.numpy)


def _prod_grad(grad: Any, input: Any, result: Any) -> Any:
    if not input._sizes:
        return grad
    if not in_transform():  # where torch looks at no values
        zeros = int((input == 0).sum().item())
        if zeros == 0:
            return grad * conj(result / input)
        if zeros > 1 and not _State.grad:  # not so where the gradient is to be differentiated: it has slopes
            return F.zeros_like(input)
    return _others_product(grad, input.contiguous().view(-1), 0).view(input._sizes)


def _prod_dim_grad(grad: Any, input: Any, result: Any, dim: int, keepdim: bool) -> Any:
    if not input._sizes:
        return grad
    grad, result = unreduced(grad, dim, keepdim, input._sizes), unreduced(result, dim, keepdim, input._sizes)
    if not in_transform() and not (input == 0).any().item():
        return grad * conj(result / input)
    return _others_product(grad, input, layout.wrap_dim(dim, len(input._sizes)))


def _others_product(grad: Any, input: Any, dim: int) -> Any:
    """`grad` times the product of all other elements along `dim`, without a division (for elements that are zero)."""
    if input.numel() == 0:
        return F.zeros_like(input)
    size = input._sizes[dim]
    if size == 1:
        return grad
    ones = F.ones([1 if i == dim else n for i, n in enumerate(input._sizes)], dtype=grad.dtype)
    before = F.cat([ones, input.narrow(dim, 0, size - 1)], dim).cumprod(dim)
    after = F.cat([ones, input.narrow(dim, 1, size - 1).flip(dim)], dim).cumprod(dim).flip(dim)
    return grad * conj(before * after)


op(
    "prod(Tensor input, *, dtype? dtype=None)",
    kind=GENERAL, kernel=lambda input, dtype: _prod(input, None, False, dtype), family=_FAMILY,
    derivatives={"input": lambda grad, input, result: _prod_grad(of_kind(grad, input.dtype), input.to(grad.dtype), result)},
)  # fmt: skip
op(
    "prod(Tensor input, int dim, bool keepdim=False, *, dtype? dtype=None)",
    kind=GENERAL, kernel=_prod, family=_FAMILY, forms="function method out", node="ProdBackward1", before_out=dtype_from_out(3),
    derivatives={
        "input": lambda grad, input, result, dim, keepdim: _prod_dim_grad(
            of_kind(grad, input.dtype), input.to(grad.dtype), result, dim, keepdim
        )
    },
)  # fmt: skip


# --------------------------------------------------------------------------------------------------------------- logical


def _logical(name: str, ufunc: np.ufunc) -> None:
    def kernel(input: Tensor, dim: Any, keepdim: bool, out: Tensor | None = None) -> Any:
        truth = input._array() != 0
        axes = reduced_axes(dim, len(input._sizes))
        # An empty list reduces nothing here, while None reduces everything.
        result = truth if dim == () else folded(ufunc, truth, axes, keepdim)
        d = dtypes.uint8 if input.dtype is dtypes.uint8 else dtypes.bool_
        return result.astype((d if out is None else out.dtype).numpy, copy=False)

    def before_out(values: list[Any], outs: list[Tensor]) -> None:
        if outs[0].dtype not in (dtypes.bool_, dtypes.uint8):
            raise RuntimeError(f"{name} only supports bool tensor for result, got: {outs[0].dtype.legacy}")

    op(
        f"{name}(Tensor input, int[1]? dim=None, bool keepdim=False)",
        kind=GENERAL, kernel=kernel, family=_FAMILY, forms="function method out", exact=True, before_out=before_out,
        sees_out=True,
    )  # fmt: skip


_logical("all", np.logical_and)
_logical("any", np.logical_or)


def _count_nonzero(input: Tensor, dim: Any) -> Any:
    axes = reduced_axes(dim, len(input._sizes))
    return np.asarray(np.add.reduce(input._array() != 0, axes, np.int64))


for _dim in ("int? dim=None", "int[] dim"):
    op(
        f"count_nonzero(Tensor input, {_dim})",
        kind=GENERAL,
        kernel=_count_nonzero,
        family=_FAMILY,
        exact=True,
    )


# ------------------------------------------------------------------------------------------------------------- logsumexp


def _rounded(array: np.ndarray, d: dtype) -> np.ndarray:
    """Torch stores the steps of this composite kernel in the operand's dtype."""
    return array.astype(d.numpy).astype(array.dtype) if d in HALVES else array


def _logsumexp(input: Tensor, dim: Any, keepdim: bool, out: Tensor | None = None) -> Any:
    """The exponentials are added up in the dtype of `out`, so into a real one go the real parts of complex ones."""
    d = input.dtype if input.dtype.category >= FLOAT else dtypes.get_default_dtype()
    into = d if out is None else out.dtype
    if into.category < FLOAT:
        raise RuntimeError(
            f"logsumexp(): Expected floating point type for result tensor, but got: {into.legacy}"
        )
    axes = reduced_axes(dim, len(input._sizes))
    array = working(input, d)
    if axes is None and array.ndim and not keepdim and dim == () and array.size:
        raise RuntimeError(f"output with shape [] doesn't match the broadcast shape {[1] * array.ndim}")
    greatest = np.zeros((1,) * array.ndim, array.real.dtype)
    if array.size:
        greatest = np.maximum.reduce(array.real, axes, keepdims=True)
        greatest = np.where(np.isinf(greatest), 0, greatest).astype(array.real.dtype)
    shifted = rounded.exp(_rounded(array - greatest, d)).astype(d.numpy)
    total = _rounded(accumulate(np.add, working(fresh(shifted, d), into), axes, keepdim), into)
    greatest = greatest.reshape(total.shape) if array.size else greatest.reshape(())
    return (_rounded(rounded.log(total), into) + greatest).astype(into.numpy)


def _logsumexp_grad(grad: Any, input: Any, result: Any, dim: Any, keepdim: bool) -> Any:
    grad, result = unreduced(grad, dim, keepdim, input._sizes), unreduced(result, dim, keepdim, input._sizes)
    return grad * conj(F.exp(input - result))


def _logsumexp_tangent(input: Any, input_t: Any, dim: Any, keepdim: bool) -> Any:
    shares = F.exp(input - F.amax(F.real(input), dim, True) if input.numel() else input)
    return F.sum(input_t * shares, dim, keepdim) / F.sum(shares, dim, keepdim)


op(
    "logsumexp(Tensor input, int[1] dim, bool keepdim=False)",
    kind=GENERAL, kernel=_logsumexp, family=_FAMILY, forms="function method out", sees_out=True,
    derivatives={"input": _logsumexp_grad}, tangent=_logsumexp_tangent,
)  # fmt: skip
