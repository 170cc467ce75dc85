"""Variance, median, mode, quantiles and counts.

Sources: https://docs.pytorch.org/docs/stable/generated/torch.var.html, torch.std.html, torch.median.html, torch.mode.html,
torch.quantile.html, torch.bincount.html, torch.unique.html and their neighbours.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from engine import dtypes, layout
from engine import functions as F
from engine.casts import cast
from engine.dtypes import FLOAT
from engine.ops.extrema import (
    evenly_distributed_formula,
    evenly_read,
    mixed_zeros,
    order_of,
    picked,
    repeated,
    rows_along,
    selected_grad,
    taken,
)  # fmt: skip
from engine.ops.pointwise import conj
from engine.ops.reducing import (
    Axes,
    accumulate,
    in_rows,
    no_identity,
    reduced_axes,
    reduced_count,
    reduced_sizes,
    refuse_complex_gradient,
    unreduced,
    working,
)  # fmt: skip
from engine.precision import terms
from engine.registry import COMPOSITE, GENERAL, op
from engine.results import Result
from engine.tensor import Tensor
from engine.writes import require_castable

_FAMILY = "reduction"


# -------------------------------------------------------------------------------------------------------------- variance


def _moments(
    input: Tensor, axes: Axes, correction: float, keepdim: bool, name: str, d: dtypes.dtype
) -> tuple[np.ndarray, np.ndarray]:
    """Variance and mean of the elements as dtype `d`, in double precision, in which torch accumulates them too."""
    count = reduced_count(input._sizes, axes)
    shape = reduced_sizes(input._sizes, axes, keepdim)
    if input.numel() // max(1, layout.numel(shape)) <= correction:
        for _ in range(2 if input.dtype.is_complex else 1):  # torch takes the two parts one after the other
            warnings.warn(
                f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than the reduction factor (input "
                "numel divided by output numel).",
                UserWarning,
                stacklevel=6,
            )
    array = cast(input._array(), d, input.dtype)[0]
    array = array.astype(np.result_type(array, np.complex128 if d.is_complex else np.float64))
    free = max(0.0, count - correction)
    if not d.is_complex:
        return _variance(array, axes, free).reshape(shape), _mean(array, axes, count).reshape(shape)
    single = d.to_real().numpy  # the parts are rounded before they are added
    variance = _variance(array.real, axes, free).astype(single) + _variance(array.imag, axes, free).astype(
        single
    )
    mean = np.empty(variance.shape, array.dtype)
    mean.real, mean.imag = _mean(array.real, axes, count), _mean(array.imag, axes, count)
    return variance.reshape(shape), mean.reshape(shape)


def _mean(array: np.ndarray, axes: Axes, count: int) -> np.ndarray:
    mean = accumulate(np.add, array, axes, True) / count
    if np.isfinite(mean).all() or not array.size:
        return mean
    # Torch updates the mean element by element: no sum overflows, but after an infinity the next step has no value.
    rows = in_rows(array, axes)
    mean = np.where(
        np.isfinite(rows).all(-1).reshape(mean.shape), accumulate(np.add, array / count, axes, True), mean
    )
    return np.where(np.isinf(rows[..., :-1]).any(-1).reshape(mean.shape), np.nan, mean)


def _variance(array: np.ndarray, axes: Axes, free: float) -> np.ndarray:
    """Squared distances from the mean over the degrees of freedom. Rows of equal elements give exactly zero."""
    if not array.size:
        return np.asarray(accumulate(np.add, array, axes, True) / free)
    rows = in_rows(array, axes)
    shifted = rows - rows[..., :1]
    centred = shifted - terms(shifted).mean(-1, keepdims=True)
    total = np.asarray(terms(centred * centred).sum(-1) / free)
    return total.reshape(reduced_sizes(array.shape, axes, True))


def _std_var(name: str, *, root: bool, both: bool) -> Any:
    def kernel(input: Tensor, dim: Any, correction: Any, keepdim: bool, out: Tensor | None = None) -> Any:
        if input.dtype.category < FLOAT:
            raise RuntimeError(
                f"{name if both else 'std and var'} only support floating point and complex dtypes"
            )
        axes = reduced_axes(dim, len(input._sizes))
        d = input.dtype
        if out is not None and not _as_one(input, axes, out):
            d = out.dtype.to_real().to_complex() if d.is_complex else out.dtype
        variance, mean = _moments(
            input, axes, 1.0 if correction is None else float(correction), keepdim, name, d
        )
        if out is not None and input.numel():
            _refuse_into(input, d, out)
        spread = (np.sqrt(variance) if root else variance).astype(d.to_real().numpy)
        return (spread, mean.astype(d.numpy)) if both else spread

    return kernel


def _as_one(input: Tensor, axes: Axes, out: Tensor) -> bool:
    """Whether torch takes its way for a single real result, which computes in the operand's dtype, not in that of `out`."""
    single = layout.numel(reduced_sizes(input._sizes, axes, True)) == 1
    return single and not input.dtype.is_complex and out.dtype not in dtypes.HALVES


def _refuse_into(input: Tensor, computed: dtypes.dtype, out: Tensor) -> None:
    """Raise where torch's kernel for the result has no code for the dtypes."""
    if computed is input.dtype is not out.dtype and computed in dtypes.HALVES:
        raise RuntimeError(f"std_var_all: Unsupported dtype {computed.legacy}")
    if computed.is_complex and not input.dtype.is_complex:
        raise NotImplementedError(f"\"std_cpu\" not implemented for '{computed.legacy}'")


def _var_grad(grad: Any, input: Any, dim: Any, correction: Any, keepdim: bool) -> Any:
    correction = 1.0 if correction is None else float(correction)
    sizes = input._sizes
    if not sizes or dim is None:
        free = input.numel() - correction
        if free <= 0:
            steep = F.full(sizes, float("inf"))
            return grad * steep.masked_fill(input == input.mean(), float("nan"))
        return (2.0 / free) * grad * (input - input.mean())
    free = reduced_count(sizes, reduced_axes(dim, len(sizes))) - correction
    factor = 2.0 / free if free else float("inf")
    return factor * unreduced(grad, dim, keepdim, sizes) * (input - input.mean(dim, True))


def _std_grad(grad: Any, input: Any, result: Any, dim: Any, correction: Any, keepdim: bool) -> Any:
    return _var_grad((grad / (result * 2)).masked_fill(result == 0, 0), input, dim, correction, keepdim)


def _mean_part(grad: Any, input: Any, dim: Any, keepdim: bool) -> Any:
    sizes = input._sizes
    return unreduced(grad, dim, keepdim, sizes).expand(sizes) / reduced_count(
        sizes, reduced_axes(dim, len(sizes))
    )


def _var_mean_grad(given_grads: Any, input: Any, dim: Any, correction: Any, keepdim: bool) -> Any:
    of_var, of_mean = given_grads
    return _added(
        None if of_var is None else _var_grad(of_var, input, dim, correction, keepdim),
        None if of_mean is None else _mean_part(of_mean, input, dim, keepdim),
    )


def _std_mean_grad(
    given_grads: Any, input: Any, spread: Any, dim: Any, correction: Any, keepdim: bool
) -> Any:
    of_std, of_mean = given_grads
    return _added(
        None if of_std is None else _std_grad(of_std, input, spread, dim, correction, keepdim),
        None if of_mean is None else _mean_part(of_mean, input, dim, keepdim),
    )


def _var_tangent(input: Any, input_t: Any, dim: Any, correction: Any, keepdim: bool) -> Any:
    return F.real(_var_grad(conj(input_t), input, dim, correction, True)).sum(dim, keepdim)


def _std_tangent(input: Any, input_t: Any, result: Any, dim: Any, correction: Any, keepdim: bool) -> Any:
    of_var = _var_tangent(input, input_t, dim, correction, keepdim)
    return (of_var / (result * 2)).masked_fill(result == 0, 0)


def _var_mean_tangent(input: Any, input_t: Any, dim: Any, correction: Any, keepdim: bool) -> Any:
    return _var_tangent(input, input_t, dim, correction, keepdim), input_t.mean(dim, keepdim)


def _std_mean_tangent(input: Any, input_t: Any, spread: Any, dim: Any, correction: Any, keepdim: bool) -> Any:
    of_std = _std_tangent(input, input_t, spread, dim, correction, keepdim)
    return of_std, input_t.mean(dim, keepdim)


def _added(a: Any, b: Any) -> Any:
    """The sum of the parts that there are; a missing one is not zero, since the other's NaN stays its own."""
    return b if a is None else a if b is None else a + b


def _castable_out(values: list[Any], outs: list[Tensor]) -> None:
    d = values[0].dtype
    if d.category >= FLOAT:
        require_castable(d.to_real(), outs[0])


def _var_like(name: str, node: str, formula: Any, tangent: Any, *, root: bool, both: bool) -> None:
    outputs = " -> (spread, mean)" if both else ""
    op(
        f"_{name}(Tensor input, int[1]? dim, Number? correction, bool keepdim) {outputs}",
        kind=GENERAL, kernel=_std_var(name, root=root, both=both), family=_FAMILY, forms="function out", node=node,
        sees_out=not both, derivatives={"input": formula}, tangent=tangent,
    )  # fmt: skip
    run = "_" + name

    def composite(input: Tensor, dim: Any, correction: Any, keepdim: bool) -> Any:
        got = getattr(F, run)(input, dim, correction, keepdim)
        return tuple(got) if both else got

    def into(*arguments: Any) -> Any:
        *given, out = arguments
        return getattr(F, run)(*given, out=out)

    forms = "function" if both else "function method out"
    op(
        f"{name}(Tensor input, int[1]? dim, bool unbiased=True, bool keepdim=False)",
        kind=COMPOSITE, family=_FAMILY, forms=forms,
        kernel=lambda input, dim, unbiased, keepdim: composite(input, dim, int(unbiased), keepdim), before_out=_castable_out,
        out_form=lambda input, dim, unbiased, keepdim, out: into(input, dim, int(unbiased), keepdim, out),
    )  # fmt: skip
    op(
        f"{name}(Tensor input, int[1]? dim=None, *, Number? correction=None, bool keepdim=False)",
        kind=COMPOSITE, family=_FAMILY, forms=forms, kernel=composite, before_out=_castable_out, out_form=into,
    )  # fmt: skip
    op(
        f"{name}(Tensor input, bool unbiased=True)",
        kind=COMPOSITE, family=_FAMILY, forms=forms.removesuffix(" out"),
        kernel=lambda input, unbiased: composite(input, None, int(unbiased), False),
    )  # fmt: skip


_var_like("var", "VarBackward0", _var_grad, _var_tangent, root=False, both=False)
_var_like("std", "StdBackward0", _std_grad, _std_tangent, root=True, both=False)
_var_like("var_mean", "VarMeanBackward0", _var_mean_grad, _var_mean_tangent, root=False, both=True)
_var_like("std_mean", "StdMeanBackward0", _std_mean_grad, _std_mean_tangent, root=True, both=True)


# ----------------------------------------------------------------------------------------------------------- median, mode


def _median_index(rows: np.ndarray, skip_nan: bool) -> np.ndarray:
    """The index of the lower of two middle elements. A NaN is the median, unless it is to be skipped."""
    order, size = order_of(rows), rows.shape[-1]
    missing = np.isnan(rows) if rows.dtype.kind == "f" else None
    if missing is None or not missing.any():
        return np.asarray(order[..., (size - 1) // 2])
    middle = np.full(rows.shape[:-1], (size - 1) // 2)
    if skip_nan:
        middle = np.maximum(size - missing.sum(-1) - 1, 0) // 2
    at = taken(order, np.asarray(middle)[..., None])[..., 0]
    return at if skip_nan else np.where(missing.any(-1), missing.argmax(-1), at)


def _no_median(d: dtypes.dtype) -> Any:
    """The median of nothing is NaN; in integers and bool, whatever the processor makes of it."""
    if d.category < FLOAT:
        return Result(np.zeros((), d.numpy), None, np.ones((), np.bool_))
    return np.asarray(np.nan, d.numpy)


def _median_like(name: str, *, skip_nan: bool) -> None:
    refused = (dtypes.bool_, dtypes.complex64, dtypes.complex128)

    def full(input: Tensor) -> Any:
        d = input.dtype
        if not input.numel():
            refuse_complex_gradient(name, input)
            return _no_median(d)
        if d in refused:
            raise NotImplementedError(f"\"median_cpu\" not implemented for '{d.legacy}'")
        row = in_rows(working(input), None)
        value = np.asarray(row[_median_index(row, skip_nan)])
        return Result(value.astype(d.numpy), None, mixed_zeros(row, value) if d.is_floating_point else None)

    def along(input: Tensor, dim: int, keepdim: bool) -> Any:
        axis = layout.wrap_dim(dim, len(input._sizes))
        if input._sizes:
            no_identity("median", input, dim)
        if input.dtype in refused:
            raise NotImplementedError(f"\"median_out\" not implemented for '{input.dtype.legacy}'")
        found = picked(input, axis, keepdim, lambda rows: _median_index(rows, skip_nan), repeated)
        if layout.has_internal_overlap(
            input._sizes, input._strides
        ):  # torch reads memory that it has not written
            for result in found:
                result.undefined = np.ones(result.values.shape, np.bool_)
        return found

    def before_out(values: list[Any], outs: list[Tensor]) -> None:
        own, given = values[0].dtype, outs[0].dtype
        if given is not own:
            raise RuntimeError(
                "Expected tensor for 'values' to have the same type as tensor for argument #2 'self'; but type "
                f"torch.{given.legacy}Tensor does not equal torch.{own.legacy}Tensor (while checking arguments for median)"
            )
        if outs[-1].dtype is not dtypes.int64:
            raise RuntimeError(
                "Expected tensor for 'indices' to have scalar type Long; but got "
                f"torch.{outs[-1].dtype.legacy}Tensor instead (while checking arguments for median)"
            )

    stem = name.capitalize()
    op(
        f"{name}(Tensor input)",
        kind=GENERAL, kernel=full, family=_FAMILY, exact=True, node=f"{stem}Backward0",
        derivatives={"input": evenly_distributed_formula}, tangent=evenly_read,
    )  # fmt: skip
    op(
        f"{name}(Tensor input, int dim, bool keepdim=False) -> (values, indices)",
        kind=GENERAL, kernel=along, family=_FAMILY, forms="function method out", exact=True, node=f"{stem}Backward1",
        before_out=before_out, derivatives={"input": selected_grad},
    )  # fmt: skip


_median_like("median", skip_nan=False)
_median_like("nanmedian", skip_nan=True)


def _mode_index(rows: np.ndarray) -> np.ndarray:
    """The last index of the most frequent element, of the smallest of those that are equally frequent."""
    order = order_of(rows)
    ordered = taken(rows, order)
    size = rows.shape[-1]
    places = np.broadcast_to(np.arange(size), rows.shape)
    starts = np.ones(rows.shape, np.bool_)
    starts[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    # How many equal elements end at each place; the first maximum belongs to the smallest element.
    run = places - np.maximum.accumulate(np.where(starts, places, 0), -1)
    return taken(order, np.asarray(run.argmax(-1))[..., None])[..., 0]


def _mode_out(values: list[Any], outs: list[Tensor]) -> None:
    for word, t, d in zip(("values", "indices"), outs, (values[0].dtype, dtypes.int64), strict=False):
        if t.dtype is not d:
            raise RuntimeError(
                f"expected scalar type '{d.legacy}' but got '{t.dtype.legacy}' for {word} output"
            )


def _mode(input: Tensor, dim: int, keepdim: bool) -> Any:
    axis = layout.wrap_dim(dim, len(input._sizes))
    if input._sizes:
        no_identity("mode", input, dim)
    if input.dtype.is_complex and input._sizes and input.numel():
        raise NotImplementedError(f"\"mode_cpu\" not implemented for '{input.dtype.legacy}'")
    refuse_complex_gradient("mode", input)
    values, indices = picked(input, axis, keepdim, _mode_index, repeated)
    if input.dtype.is_floating_point and input.numel():
        # Torch sorts with a comparison that NaN breaks: what it then finds is left open.
        broken = np.isnan(rows_along(input, axis)).any(-1).reshape(values.values.shape)
        for r in (values, indices):
            r.undefined = broken if r.undefined is None else r.undefined | broken
    return values, indices


op(
    "mode(Tensor input, int dim=-1, bool keepdim=False) -> (values, indices)",
    kind=GENERAL, kernel=_mode, family=_FAMILY, forms="function method out", exact=True, before_out=_mode_out,
    derivatives={"input": selected_grad},
)  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- quantiles


def _quantile_like(name: str, *, skip_nan: bool) -> None:
    def kernel(input: Tensor, q: Any, dim: int | None, keepdim: bool, interpolation: str) -> Tensor:
        """The value below which a share `q` of the elements lies, between two elements as `interpolation` says."""
        return _quantile(input, q, dim, keepdim, interpolation, skip_nan)

    for q in ("Tensor q", "float q"):
        op(
            f"{name}(Tensor input, {q}, int? dim=None, bool keepdim=False, *, str interpolation='linear')",
            kind=COMPOSITE, kernel=kernel, family=_FAMILY, forms="function method out", out_grad="copied",
            out_dtype_error=f"{name}() out tensor must be same dtype as the input tensor",
        )  # fmt: skip


_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantile(input: Tensor, q: Any, dim: Any, keepdim: bool, interpolation: str, skip_nan: bool) -> Tensor:
    if interpolation not in _INTERPOLATIONS:
        raise RuntimeError(
            f"quantile() interpolation must be one of linear, lower, higher, midpoint or nearest, but got {interpolation}"
        )
    q = _checked_share(input, q)
    rank = len(input._sizes)
    axis = layout.wrap_dim(0 if dim is None else dim, rank)
    if dim is None:
        ordered, kept = F.sort(F.flatten(input))[0], [1] * rank if keepdim else []
    else:
        last = axis == rank - 1 or not rank
        ordered = F.sort(input if last else input.unsqueeze(-1).transpose(axis, -1))[0]
        kept = [1 if i == axis else n for i, n in enumerate(input._sizes) if keepdim or i != axis]
    ordered = ordered.view([*kept, ordered._sizes[-1] if ordered._sizes else 1])
    got = _at_ranks(ordered, q, interpolation, skip_nan)
    return got.unsqueeze_(0).transpose_(0, -1).squeeze_(-1) if q._sizes else got.squeeze_(-1)


def _checked_share(input: Tensor, q: Any) -> Any:
    if input.numel() == 0:
        raise RuntimeError("quantile() input tensor must be non-empty")
    if input.dtype not in (dtypes.float32, dtypes.float64):
        raise RuntimeError("quantile() input tensor must be either float or double dtype")
    if not isinstance(q, Tensor):
        if not 0 <= q <= 1:
            raise RuntimeError(f"quantile() q must be in the range [0, 1] but got {q:g}")
        return F.tensor(q, dtype=input.dtype)
    if len(q._sizes) > 1:
        raise RuntimeError("quantile() q must be a scalar or 1D tensor")
    if q.dtype is not input.dtype:
        raise RuntimeError("quantile() q tensor must be same dtype as the input tensor")
    values = q._array()
    if not ((values >= 0) & (values <= 1)).all():
        raise RuntimeError("quantile() q values must be in the range [0, 1]")
    return q


def _at_ranks(ordered: Tensor, q: Any, interpolation: str, skip_nan: bool) -> Tensor:
    """Elements of sorted rows at the ranks of `q`. A NaN in a row is its quantile, unless NaNs are skipped."""
    missing = F.isnan(ordered)
    last = ordered._sizes[-1] - 1
    if skip_nan:
        ranks = q * (F.logical_not(missing).sum(-1, True) - 1)
        ranks = ranks.masked_fill(ranks < 0, 0)
    else:
        holes = missing.any(-1, True)
        shape = layout.broadcast_two(q._sizes, holes._sizes)
        ranks = F.masked_fill((q * last).expand(shape), holes.expand(shape), last)
    if interpolation in ("lower", "higher", "nearest"):
        ranks = {"lower": F.floor, "higher": F.ceil, "nearest": F.round}[interpolation](ranks)
    below = ranks.to(dtypes.int64)
    got = ordered.gather(-1, below)
    if interpolation in ("linear", "midpoint"):
        weight = F.full_like(ranks, 0.5) if interpolation == "midpoint" else ranks - below
        got.lerp_(ordered.gather(-1, F.ceil(ranks).to(dtypes.int64)), weight)
    return got


_quantile_like("quantile", skip_nan=False)
_quantile_like("nanquantile", skip_nan=True)
