"""Running sums, products and extrema, differences, and softmax.

Sources: https://docs.pytorch.org/docs/stable/generated/torch.cumsum.html, torch.cumprod.html, torch.cummax.html,
torch.logcumsumexp.html, torch.diff.html, torch.nn.functional.softmax.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from engine import dtypes, layout, rounded
from engine import functions as F
from engine.autograd.modes import _State
from engine.dtypes import FLOAT, FLOATS, HALVES, dtype
from engine.ops.pointwise import conj
from engine.ops.reducing import (
    dtype_from_out,
    lost_in,
    of_kind,
    refuse_complex_gradient,
    same_dtypes,
    summed_dtype,
    working,
)
from engine.precision import terms
from engine.registry import COMPOSITE, GENERAL, MEMORY, POINTWISE, op
from engine.results import Result
from engine.tensor import Tensor
from engine.writes import check_memory, resize_output, warn_of_resize

_FAMILY = "reduction"
_MEMORY = MEMORY[POINTWISE]
_WIDER = {np.dtype(np.float32): np.dtype(np.float64), np.dtype(np.complex64): np.dtype(np.complex128)}


def _accumulator(d: dtype) -> np.dtype:
    """What a running total is kept in: float32 for 16-bit floats, float64 for float32, as torch's CPU scans do."""
    own = dtypes.opmath(d)
    return own if d in HALVES else _WIDER.get(own, own)


# ------------------------------------------------------------------------------------------------------- sums, products


def _scan(name: str, ufunc: np.ufunc) -> Callable[..., Any]:
    identity = 0 if ufunc is np.add else 1

    def kernel(input: Tensor, dim: int, dtype: dtype | None, out: Tensor | None = None) -> Any:
        axis = layout.wrap_dim(dim, len(input._sizes))
        target = summed_dtype(input, dtype)
        array = working(input, target)
        if array.ndim == 0 or array.size == 0:
            return array.astype(target.numpy)
        if out is not None:
            resize_output(out, input._sizes)
        if target is dtypes.bool_:
            raise NotImplementedError(f"\"{name}_out_cpu\" not implemented for 'Bool'")
        if out is not None:
            check_memory(_MEMORY, out, [input], [])
        lost = lost_in(input, target)
        array = array.astype(_accumulator(target), copy=True)
        if (
            array.dtype.kind in "fc"
        ):  # the identity takes part: 0 + -0 is 0, and 1 times a complex infinity has NaNs
            first = array[(slice(None),) * axis + (slice(0, 1),)]
            ufunc(array.dtype.type(identity), first, out=first)
        values = ufunc.accumulate(array, axis, array.dtype).astype(target.numpy)
        return Result(values, None, None if lost is None else np.logical_or.accumulate(lost, axis))

    return kernel


def _reversed(scan: Callable[..., Any], x: Any, dim: int) -> Any:
    return scan(x.flip(dim), dim).flip(dim)


def _trivial(sizes: layout.Shape, dim: int) -> bool:
    return layout.numel(sizes) <= 1 or sizes[layout.wrap_dim(dim, len(sizes))] == 1


def _cumsum_grad(grad: Any, input_dtype: dtype, dim: int) -> Any:
    grad = grad.to(input_dtype)
    return grad if _trivial(grad._sizes, dim) else _reversed(F.cumsum, grad, dim)


def _cumprod_grad(grad: Any, input: Any, result: Any, dim: int) -> Any:
    grad = grad.to(input.dtype)
    sizes = input._sizes
    if _trivial(sizes, dim):
        return grad
    result = of_kind(result, input.dtype).to(input.dtype)
    dim = layout.wrap_dim(dim, len(sizes))
    if not (input == 0).any().item():
        return _reversed(F.cumsum, conj(result) * grad, dim) / conj(input)
    # Near a zero nothing can be divided out. The one pass is not differentiable; infinities come out of the two
    # ways differently, so both are kept apart as torch does.
    return (_cumprod_grad_by_element if _State.grad else _cumprod_grad_in_one_pass)(grad, input, result, dim)


def _cumprod_grad_in_one_pass(grad: Any, input: Any, result: Any, dim: int) -> Any:
    """Before the first zero divide; at it, sum what reaches to the second; behind it everything is zero."""
    zeros_so_far = (input == 0).cumsum(dim)
    before, between = zeros_so_far == 0, zeros_so_far == 1
    weighted = (conj(result) * grad).masked_fill(~before, 0)
    divided = (_reversed(F.cumsum, weighted, dim) / conj(input)).masked_fill(~before, 0)
    first = between.max(dim, True)[1]
    at_first = F.zeros_like(between).scatter(dim, first, F.ones_like(first, dtype=dtypes.bool_)) & between
    reach = (
        conj(input).masked_fill(~(between & ~at_first), 1).cumprod(dim) * grad.masked_fill(~between, 0)
    ).sum(dim, True)
    lead = conj(result).gather(dim, (first - 1).clamp(min=0)).masked_fill(first == 0, 1)
    return F.where(at_first, reach * lead, divided)


def _cumprod_grad_by_element(grad: Any, input: Any, result: Any, dim: int) -> Any:
    """The derivative by element k is, at each place from k on, the product of all elements up to there but the k-th."""
    sizes = input._sizes
    size = sizes[dim]
    made = F.zeros(sizes, dtype=grad.dtype)
    before: Any = F.ones([1 if i == dim else n for i, n in enumerate(sizes)], dtype=input.dtype)
    for k in range(size):
        others = before
        if k + 1 < size:
            others = F.cat([before, before * input.narrow(dim, k + 1, size - k - 1).cumprod(dim)], dim)
        made.select(dim, k).copy_((grad.narrow(dim, k, size - k) * conj(others)).sum(dim))
        before = before * input.narrow(dim, k, 1)
    return made


def _cumprod_tangent(input: Any, input_t: Any, result: Any, dim: int) -> Any:
    """Before the first zero by division; from it on, up to a second one, only the zero's own tangent counts."""
    own, input_t = of_kind(input, result.dtype).to(result.dtype), input_t.to(result.dtype)
    divided = (input_t / own).cumsum(dim) * result
    zeros_so_far = (own == 0).cumsum(dim)
    first = (own == 0) & (zeros_so_far == 1)
    others = own.masked_fill(first, 1).cumprod(dim) * input_t.masked_fill(~first, 0).sum(dim, True)
    return F.where(zeros_so_far == 0, divided, others.masked_fill(zeros_so_far > 1, 0))


def _refuse_bool(name: str) -> Callable[[list[Any]], None]:
    def check(values: list[Any]) -> None:
        if values[0].dtype is dtypes.bool_ and values[0]._sizes and values[0].numel():
            raise NotImplementedError(f"\"{name}_out_cpu\" not implemented for 'Bool'")

    return check


def _in_its_dtype(kernel: Callable[..., Any]) -> Callable[..., Any]:
    def run(input: Tensor, dim: int, dtype: dtype | None) -> Any:
        layout.wrap_dim(dim, len(input._sizes))
        if dtype is not None and dtype is not input.dtype:
            raise RuntimeError(
                f"Bad in-place call: input tensor dtype {input.dtype.legacy} and output tensor dtype {dtype.legacy} should match"
            )
        return kernel(input, dim, input.dtype)

    return run


for _name, _kernel, _formula, _tangent in (
    ("cumsum", _scan("cumsum", np.add), _cumsum_grad, None),
    ("cumprod", _scan("cumprod", np.multiply), _cumprod_grad, _cumprod_tangent),
):
    op(
        f"{_name}(Tensor input, int dim, *, dtype? dtype=None)",
        kind=GENERAL, kernel=_kernel, family=_FAMILY, forms="function method out", before_out=dtype_from_out(2), memory="",
        sees_out=True, derivatives={"input": _formula}, tangent=_tangent,
    )  # fmt: skip
    op(
        f"{_name}(Tensor input, int dim, *, dtype? dtype=None)",
        kind=GENERAL, kernel=_in_its_dtype(_kernel), family=_FAMILY, forms="inplace-method", memory="internal partial",
        check=_refuse_bool(_name), derivatives={"input": _formula}, tangent=_tangent,
    )  # fmt: skip


# --------------------------------------------------------------------------------------------------------------- extrema


def _extremum_grad(grad: Any, input: Any, dim: int, indices: Any) -> Any:
    """The gradient at the places of the extrema; the operand itself, history and all, where there are no elements."""
    return F.zeros(input._sizes, dtype=grad.dtype).scatter_add(dim, indices, grad) if input.numel() else input


def _running(name: str, ufunc: np.ufunc) -> None:
    def kernel(input: Tensor, dim: int) -> Any:
        axis = layout.wrap_dim(dim, len(input._sizes)) if input.numel() else 0
        if not input._sizes or not input.numel():
            refuse_complex_gradient(name, input)
            return input._array().copy(), np.zeros(input._sizes, np.int64)
        if input.dtype.is_complex:
            raise NotImplementedError(f"\"{name}_cpu\" not implemented for '{input.dtype.legacy}'")
        array = working(input)
        extreme = ufunc.accumulate(array, axis)
        places = np.arange(array.shape[axis]).reshape([-1 if i == axis else 1 for i in range(array.ndim)])
        # The latest of equal elements is found, and every NaN counts.
        indices = np.maximum.accumulate(np.where((array == extreme) | (array != array), places, 0), axis)
        return np.take_along_axis(array, indices, axis).astype(input.dtype.numpy), indices

    def before_out(values: list[Any], outs: list[Tensor]) -> None:
        for t, d in zip(outs, (values[0].dtype, dtypes.int64), strict=False):
            if t.dtype is not d:
                raise RuntimeError(f"expected scalar_type {d.legacy} but found {t.dtype.legacy}")

    op(
        f"{name}(Tensor input, int dim) -> (values, indices)",
        kind=GENERAL, kernel=kernel, family=_FAMILY, forms="function method out", exact=True, before_out=before_out,
        derivatives={
            "input": lambda grad, input, dim, indices: _extremum_grad(grad, input, dim, indices)
        },
    )  # fmt: skip


_running("cummax", np.maximum)
_running("cummin", np.minimum)


# ----------------------------------------------------------------------------------------------------------- logcumsumexp


def _logcumsumexp(input: Tensor, dim: int) -> Any:
    axis = layout.wrap_dim(dim, len(input._sizes))
    if input.dtype.category < FLOAT:
        raise NotImplementedError(f"\"logcumsumexp_out_cpu\" not implemented for '{input.dtype.legacy}'")
    array = input._array().astype(_accumulator(input.dtype))
    if array.ndim == 0 or array.size == 0:
        return array.astype(input.dtype.numpy)
    if input.dtype.is_complex:
        rows = np.moveaxis(array, axis, 0)
        total: Any = np.full(rows.shape[1:], -np.inf, array.dtype)
        for i, row in enumerate(rows):
            total = rows[i] = _complex_logaddexp(row, total)
        return array.astype(input.dtype.numpy)
    # Adding 0 loses the sign of a zero, as the logarithm of a sum does.
    return np.logaddexp.accumulate(array + 0.0, axis).astype(input.dtype.numpy)


def _complex_logaddexp(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    less = np.where(x.real < y.real, x, y)
    greater = np.where(x.real < y.real, y, x)
    total = np.log1p(np.exp(less - greater)) + greater
    level = less.real == greater.real
    total = np.where(level & np.isposinf(less.real), np.log(np.exp(less) + np.exp(greater)), total)
    total = np.where(level & np.isneginf(less.real), less, total)
    return np.where(np.isnan(x) | np.isnan(y), complex(np.nan, np.nan), total)


def _logcumsumexp_grad(grad: Any, input: Any, result: Any, dim: int) -> Any:
    if not grad._sizes or grad.numel() == 0:
        return grad

    def scaled(weights: Any) -> Any:
        return F.exp(_reversed(F.logcumsumexp, weights - result, dim) + input)

    if grad.dtype.is_complex:
        return conj(scaled(F.log(conj(grad))))
    # Positive and negative parts apart: a logarithm has no sign. What is no part of them weighs as little as can be.
    lowest = dtypes.finfo(grad.dtype).min
    weight = F.log(F.abs(grad))
    return scaled(weight.masked_fill(~(grad > 0), lowest)) - scaled(weight.masked_fill(~(grad < 0), lowest))


def _logcumsumexp_tangent(input: Any, input_t: Any, dim: int, result: Any) -> Any:
    """The sum of the tangents so far, each by its share of the result at that place."""
    if not input._sizes:
        return input_t.clone()
    parts, tangents, wholes = (F.movedim(t, dim, -1) for t in (input, input_t, result))
    shares = F.exp(parts.unsqueeze(-2) - wholes.unsqueeze(-1))
    total = (shares * tangents.unsqueeze(-2)).tril().sum(-1)
    return (total / shares.tril().sum(-1)).movedim(-1, dim)  # by their sum, as the result was rounded


op(
    "logcumsumexp(Tensor input, int dim)",
    kind=GENERAL, kernel=_logcumsumexp, family=_FAMILY, forms="function method out",
    out_dtype_error="expected scalar_type {result} but found {out}",
    derivatives={"input": _logcumsumexp_grad}, tangent=_logcumsumexp_tangent,
)  # fmt: skip


# ------------------------------------------------------------------------------------------------------------------ diff


def _diff(
    input: Tensor, n: int, dim: int, prepend: Tensor | None, append: Tensor | None, out: Tensor | None = None
) -> Tensor:
    """The n-th differences of neighbours along a dimension; for bool, whether they differ. The last ones go to `out`."""
    if not input._sizes:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    axis = layout.wrap_dim(dim, len(input._sizes))
    for extra in (prepend, append):
        if extra is not None:
            _check_diff(input, extra, axis)
    parts = [t for t in (prepend, input, append) if t is not None]
    whole: Any = F.cat(parts, axis) if len(parts) > 1 else input
    if n == 0:
        if out is None:
            return F.zeros_like(input).copy_(input)
        if out._sizes != input._sizes:
            warn_of_resize(out, input._sizes)
            out.resize_(input._sizes)
        if out.dtype is not input.dtype:
            raise RuntimeError(f"expected scalar_type {input.dtype.legacy} but found {out.dtype.legacy}")
        return out.copy_(input)
    size = whole._sizes[axis]
    steps = min(n, size)
    if steps == 0 and out is None:
        return whole
    minus = F.logical_xor if whole.dtype is dtypes.bool_ else F.sub
    for left in range(size - 1, size - steps, -1):
        whole = minus(whole.narrow(axis, 1, left), whole.narrow(axis, 0, left))
    pair = whole.narrow(axis, 1, size - steps), whole.narrow(axis, 0, size - steps)
    return minus(*pair) if out is None else minus(*pair, out=out)


def _check_diff(input: Tensor, extra: Tensor, axis: int) -> None:
    if len(extra._sizes) != len(input._sizes):
        raise RuntimeError("diff expects prepend or append to be the same dimension as input")
    for i, (mine, theirs) in enumerate(zip(input._sizes, extra._sizes, strict=True)):
        if i != axis and mine != theirs:
            raise RuntimeError(
                "diff expects the shape of tensor to prepend or append to match that of input except along the differencing "
                f"dimension; input.size({i}) = {mine}, but got tensor.size({i}) = {theirs}"
            )


op(
    "diff(Tensor input, int n=1, int dim=-1, Tensor? prepend=None, Tensor? append=None)",
    kind=COMPOSITE, kernel=_diff, family=_FAMILY, forms="function method out", out_form=_diff,
)  # fmt: skip


# --------------------------------------------------------------------------------------------------------------- softmax


def _softmax_kernel(
    name: str, compute: Callable[[np.ndarray, int, np.dtype], np.ndarray]
) -> Callable[..., Any]:
    def kernel(input: Tensor, dim: int) -> Any:
        axis = layout.wrap_dim(dim, len(input._sizes))
        if input.numel() == 0:
            refuse_complex_gradient(f"_{name}", input)
            return input._array().copy()
        if input.dtype not in FLOATS:
            place = "lastdim_" if axis == max(len(input._sizes), 1) - 1 else ""
            raise NotImplementedError(
                f"\"{name}_{place}kernel_impl\" not implemented for '{input.dtype.legacy}'"
            )
        array = working(input)
        rows = array.reshape(1) if not array.ndim else array
        found = compute(rows - rows.max(axis, keepdims=True), axis, input.dtype.numpy)
        return found.reshape(input._sizes).astype(input.dtype.numpy)

    return kernel


def _kept_as(array: np.ndarray, own: np.dtype) -> np.ndarray:
    """An intermediate result that torch stores in the operand's dtype: 16-bit floats are rounded."""
    return array.astype(own).astype(array.dtype, copy=False)


# Torch has one kernel for the last dimension and one for the others; they keep different steps in 16 bits.


def _softmax_of(shifted: np.ndarray, axis: int, own: np.dtype) -> np.ndarray:
    powers = rounded.exp(shifted)
    total = _total(powers, axis)
    return powers * (1 / total) if axis == shifted.ndim - 1 else _kept_as(powers, own) / total


def _log_softmax_of(shifted: np.ndarray, axis: int, own: np.dtype) -> np.ndarray:
    total = _total(rounded.exp(shifted), axis)
    if axis == shifted.ndim - 1:
        return shifted - _kept_as(rounded.log(_kept_as(total, own)), own)
    return shifted - rounded.log(total)


def _total(array: np.ndarray, axis: int) -> np.ndarray:
    return np.moveaxis(terms(np.moveaxis(array, axis, -1)), -1, axis).sum(axis, keepdims=True)


def _softmax_grad(grad: Any, result: Any, dim: int) -> Any:
    return F._softmax_backward_data(grad, result, dim)


def _log_softmax_grad(grad: Any, result: Any, dim: int) -> Any:
    return F._log_softmax_backward_data(grad, result, dim)


def _in_rows(kernel: Callable[[np.ndarray, np.ndarray, int], np.ndarray]) -> Callable[..., Any]:
    """A kernel on arrays in the computing dtype, for the gradient of 16-bit floats to be rounded once."""

    def run(slope: Tensor, output: Tensor, dim: int) -> Any:
        axis = layout.wrap_dim(dim, len(output._sizes))
        arrays = (np.atleast_1d(working(slope)), np.atleast_1d(working(output)))
        return kernel(*arrays, axis).reshape(output._sizes).astype(output.dtype.numpy)

    return run


op(
    "_softmax_backward_data(Tensor slope, Tensor output, int dim)",
    kind=GENERAL, family=_FAMILY, forms="function",
    kernel=_in_rows(lambda slope, output, axis: (slope - _total(slope * output, axis)) * output),
    node="SoftmaxBackwardDataBackward0",
    derivatives={
        "slope": lambda grad, output, dim: F._softmax_backward_data(grad, output, dim),
        "output": lambda grad, slope, output, dim: (
            grad * slope - (output * grad).sum(dim, True) * slope - grad * (output * slope).sum(dim, True)
        ),
    },
)  # fmt: skip
op(
    "_log_softmax_backward_data(Tensor slope, Tensor output, int dim)",
    kind=GENERAL, family=_FAMILY, forms="function",
    kernel=_in_rows(lambda slope, output, axis: slope - rounded.exp(output) * _total(slope, axis)),
    node="LogSoftmaxBackwardDataBackward0",
    derivatives={
        "slope": lambda grad, output, dim: grad - (grad * F.exp(output)).sum(dim, True),
        "output": lambda grad, slope, output, dim: -(slope.sum(dim, True) * F.exp(output) * grad),
    },
)  # fmt: skip
for _name, _node, _compute, _gradient in (
    ("softmax", "SoftmaxBackward0", _softmax_of, _softmax_grad),
    ("log_softmax", "LogSoftmaxBackward0", _log_softmax_of, _log_softmax_grad),
):
    op(
        f"_{_name}(Tensor input, int dim)",
        kind=GENERAL, kernel=_softmax_kernel(_name, _compute), family=_FAMILY, forms="function", node=_node,
        derivatives={"input": _gradient},
    )  # fmt: skip
    op(
        f"{_name}(Tensor input, int dim, dtype? dtype=None)",
        kind=COMPOSITE, family=_FAMILY, forms="function method out",
        before_out=lambda values, outs: same_dtypes(outs, values[2] or values[0].dtype), out_grad="unknown",
        kernel=lambda input, dim, dtype, _run=f"_{_name}": getattr(F, _run)(input if dtype is None else input.to(dtype), dim),
    )  # fmt: skip
