"""Norms of vectors, and of everything in a tensor.

Sources: https://docs.pytorch.org/docs/stable/generated/torch.norm.html, torch.linalg.vector_norm.html, torch.dist.html
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import functions as F
from engine import layout, promotion
from engine.dtypes import FLOAT, HALVES, dtype, float32, opmath
from engine.ops.memory import warn_of_lost_imaginary
from engine.ops.pointwise import conj, magnitude
from engine.ops.reducing import (
    accumulate,
    folded,
    reduced_axes,
    reduced_count,
    same_dtypes,
    unreduced,
    working,
)
from engine.registry import COMPOSITE, GENERAL, op
from engine.tensor import Tensor

_NAME = "linalg.vector_norm"


def check_wish(name: str, d: dtype, wish: dtype) -> None:
    """Raise RuntimeError for a `dtype=` that cannot hold what a norm of elements of dtype `d` needs."""
    if wish.category < FLOAT:
        raise RuntimeError(f"{name}: dtype should be floating point or complex, but got {wish.legacy}")
    if wish.is_complex != d.is_complex:
        kind = "complex" if d.is_complex else "real"
        raise RuntimeError(f"{name}: dtype should be {kind} for {kind} inputs, but got {wish.legacy}")
    if promotion.promote_types(d, wish) is not wish:
        raise RuntimeError(
            f"{name}: the dtype of the input ({d.legacy}) should be convertible without narrowing to the specified dtype "
            f"({wish.legacy})"
        )


def _check(input: Tensor, ord: Any, dim: Any, wish: dtype | None) -> None:
    d = input.dtype
    if d.category < FLOAT:
        raise RuntimeError(f"{_NAME}: Expected a floating point or complex tensor as input. Got {d.legacy}")
    if wish is not None:
        check_wish(_NAME, d, wish)
    if isinstance(ord, complex):
        raise RuntimeError(f"{_NAME}: Expected a non-complex scalar as the order of norm.")
    if (ord < 0 or ord == math.inf) and input.numel() == 0:
        _refuse_empty(input, ord, dim)


def _refuse_empty(input: Tensor, ord: float, dim: Any) -> None:
    which = f"{float(ord):g}"
    if not dim:
        raise RuntimeError(
            f"{_NAME} cannot compute the {which} norm on an empty tensor because the operation does not have an identity"
        )
    for axis in dim:
        if input._sizes[layout.wrap_dim(axis, len(input._sizes))] == 0:
            raise RuntimeError(
                f"{_NAME} cannot compute the {which} norm on the dimension {axis}because this dimension is empty and the "
                "operation does not have an identity"
            )


def _vector_norm(input: Tensor, ord: Any, dim: Any, keepdim: bool, dtype: dtype | None) -> Any:
    _check(input, ord, dim, dtype)
    axes = reduced_axes(dim, len(input._sizes))
    target = dtype or input.dtype
    # Of one element torch makes a comparison, which warns of complex values; not of a 0-d tensor with a dim.
    if ord == 0 and reduced_count(input._sizes, axes) == 1 and (input._sizes or not dim):
        warn_of_lost_imaginary(input, target.to_real())
    size = magnitude(working(input, target))
    return _norm_of(size, float(ord), axes, keepdim).astype(target.to_real().numpy, copy=False)


def _norm_of(size: np.ndarray, p: float, axes: Any, keepdim: bool) -> np.ndarray:
    """The p-norm from the elements' absolute values."""
    if p == 0:
        return accumulate(np.add, (size != 0).astype(size.dtype), axes, keepdim)
    if math.isinf(p) and size.size:
        return folded(np.maximum if p > 0 else np.minimum, size, axes, keepdim)
    if (
        reduced_count(size.shape, axes) == 1 and size.size
    ):  # nothing to add up: no rounding, and no overflow of a power
        return folded(np.maximum, size, axes, keepdim)
    if p == 1 or math.isinf(p):
        return accumulate(np.add, size, axes, keepdim)
    if p == 2:
        return np.sqrt(accumulate(np.add, size * size, axes, keepdim))
    power = size.dtype.type(p)
    return np.power(accumulate(np.add, np.power(size, power), axes, keepdim), size.dtype.type(1 / p))


def _norm_grad(grad: Any, input: Any, p: Any, norm: Any, dim: Any, keepdim: bool) -> Any:
    p = float(p)
    if p == 0:
        return None
    grad, norm = unreduced(grad, dim, keepdim, input._sizes), unreduced(norm, dim, keepdim, input._sizes)
    if p == 1:
        return F.sgn(input) * grad
    if p == 2:
        return grad * (input / norm).masked_fill(norm == 0, 0)
    if math.isinf(p):
        # The elements of greatest (smallest) absolute value share the gradient.
        both_nan = F.logical_and(F.isnan(input), F.isnan(norm))
        attained = F.logical_or(F.abs(input) == norm, both_nan).to(input.dtype)
        count = unreduced(F.count_nonzero(attained, None if dim == () else dim), dim, False, input._sizes)
        return F.sgn(input) * ((grad / count) * attained)
    if p < 1:
        scaled = F.sgn(input) * F.abs(input).pow(p - 1).masked_fill(input == 0, 0)
        return scaled * grad * norm.pow(1 - p)
    scaled = F.sgn(input) * F.abs(input).pow(p - 1) if p < 2 else input * F.abs(input).pow(p - 2)
    return scaled * (grad / norm.pow(p - 1)).masked_fill(norm == 0, 0)


def _norm_tangent(input: Any, input_t: Any, ord: Any, result: Any, dim: Any, keepdim: bool) -> Any:
    norm = unreduced(result, dim, keepdim, input._sizes)
    parts = _norm_grad(conj(input_t), input, ord, norm, dim, True)
    return F.zeros_like(result) if parts is None else F.real(parts).sum(dim, keepdim)


op(
    "linalg_vector_norm(Tensor input, Number ord=2, int[1]? dim=None, bool keepdim=False, *, dtype? dtype=None)",
    kind=GENERAL, kernel=_vector_norm, family="reduction", forms="function out", node="LinalgVectorNormBackward0",
    derivatives={
        "input": lambda grad, input, ord, result, dim, keepdim: _norm_grad(grad, input, ord, result, dim, keepdim)
    },
    before_out=lambda values, outs: same_dtypes(outs, (values[4] or values[0].dtype).to_real()),
    tangent=_norm_tangent,
)  # fmt: skip


def _norm(input: Tensor, p: Any, dim: Any, keepdim: bool, out: Any, dtype: dtype | None) -> Tensor:
    """The vector norm of order `p` over everything or `dim`; 'fro' is order 2, 'nuc' the sum of singular values."""
    dims = [dim] if isinstance(dim, int) else dim
    given = {} if out is None else {"out": out}
    if not isinstance(p, str):
        return F.linalg_vector_norm(input, 2.0 if p is None else p, dims, keepdim, dtype=dtype, **given)
    if p == "fro" and (dims is None or len(dims) <= 2):
        return F.linalg_vector_norm(input, 2, dims, keepdim, dtype=dtype, **given)
    dims = range(len(input._sizes)) if dims is None else dims
    return F.linalg_matrix_norm(input, p, list(dims), keepdim, dtype=dtype, **given)


for _forms, _out in (("function out", "object? out=None, "), ("method", "")):
    op(
        f"norm(Tensor input, object? p='fro', object? dim=None, bool keepdim=False, {_out}dtype? dtype=None)",
        kind=COMPOSITE, family="reduction", forms=_forms,
        out_form=(lambda input, p, dim, keepdim, _, dtype, out: _norm(input, p, dim, keepdim, out, dtype)) if _out else None,
        kernel=_norm if _out else lambda input, p, dim, keepdim, dtype: _norm(input, p, dim, keepdim, None, dtype),
    )  # fmt: skip


def _dist(input: Tensor, other: Tensor, p: Any) -> Any:
    difference = F.sub(input.detach(), other.detach())
    if difference.dtype.category < FLOAT:
        raise RuntimeError(
            f"norm(): input dtype should be either floating point or complex. Got {difference.dtype.legacy} instead."
        )
    return _vector_norm(difference, p, None, False, None)


def _negated(grad: Any) -> Any:
    if grad is None:
        raise RuntimeError(
            "Expected a proper Tensor but got None (or an undefined Tensor in C++) for argument #0 'self'"
        )
    return -grad


op(
    "dist(Tensor input, Tensor other, Number p=2)",
    kind=GENERAL, kernel=_dist, family="reduction",
    derivatives={
        "input": lambda grad, input, other, p, result: _norm_grad(grad, input - other, p, result, None, False),
        "other": lambda grad, input, other, p, result: _negated(_norm_grad(grad, input - other, p, result, None, False)),
    },
)  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------- renorm

_GUARD = 1e-7  # torch divides by a norm that much greater


def _slice_norms(input: Any, p: Any, dim: int) -> Any:
    """The norm of each slice along a dimension, of 16-bit floats in float32, ready to broadcast."""
    at = layout.wrap_dim(dim, input.dim())
    rest = tuple(i for i in range(input.dim()) if i != at)
    d = float32 if input.dtype in HALVES else None
    return F.linalg_vector_norm(input, p, rest, True, dtype=d)


def _renorm(input: Tensor, p: Any, dim: int, maxnorm: Any) -> Any:
    for name, value in (("p", p), ("maxnorm", maxnorm)):
        if isinstance(value, complex):
            raise RuntimeError(f"renorm: {name} must be real-valued")
    if p <= 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm:g}")
    if input.dim() < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {input.dim()} dimensions")
    norms = _slice_norms(input.detach(), p, dim)._array()
    kind = norms.dtype.type
    factor = np.where(norms > kind(maxnorm), kind(maxnorm) / (norms + kind(_GUARD)), kind(1))
    array = input._array()
    return (array.astype(opmath(input.dtype)) * factor).astype(array.dtype)


def _renorm_grad(grad: Any, input: Any, p: Any, dim: int, maxnorm: Any) -> Any:
    norms = _slice_norms(input, p, dim)
    rest = tuple(i for i in range(input.dim()) if i != layout.wrap_dim(dim, input.dim()))
    along = (input.conj() * grad).sum(rest, True, dtype=None if input.dtype.is_complex else norms.dtype)
    along = F.real(along) if input.dtype.is_complex else along
    slope = _norm_grad(along, input, p, norms, rest, True)
    inverse = (norms + _GUARD).reciprocal()
    scaled = maxnorm * inverse * (grad - inverse * slope)
    return F.where(norms > maxnorm, scaled.to(grad.dtype), grad)


def _renorm_tangent(input: Any, input_t: Any, p: Any, dim: int, maxnorm: Any) -> Any:
    """A slice that is not longer than it may be is left as it is, also where its norm is not a number."""
    norms = _slice_norms(input, p, dim)
    rest = tuple(i for i in range(input.dim()) if i != layout.wrap_dim(dim, input.dim()))
    slope = _norm_grad(F.ones_like(norms), input, p, norms, rest, True)
    along = slope.conj() * input_t
    along = (F.real(along) if along.dtype.is_complex else along).sum(rest, True, dtype=norms.dtype)
    inverse = (norms + _GUARD).reciprocal()
    scaled = maxnorm * inverse * (input_t - input * (inverse * along))
    return F.where(norms > maxnorm, scaled.to(input_t.dtype), input_t)


op(
    "renorm(Tensor input, Number p, int dim, Number maxnorm)", kind=GENERAL, kernel=_renorm, family="reduction",
    forms="function method inplace-method out", memory="internal mixes-first",
    out_dtype_error="Expected out tensor to have dtype {c_result}, but got {c_out} instead",
    derivatives={
        "input": lambda grad, input, p, dim, maxnorm: _renorm_grad(grad, input, p, dim, maxnorm)
    },
    tangent=_renorm_tangent,
)  # fmt: skip
