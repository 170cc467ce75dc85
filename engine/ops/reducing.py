"""What reductions share: which dimensions go away, accumulation, and how gradients get their dimensions back.

Source: https://docs.pytorch.org/docs/stable/torch.html#reduction-ops
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine import dtypes, layout
from engine.autograd.modes import _State
from engine.casts import cast
from engine.dtypes import C_NAMES, FLOAT, INTEGER, dtype
from engine.ops.memory import warn_of_lost_imaginary
from engine.precision import _Mode, terms
from engine.results import Result
from engine.tensor import Tensor

Axes = tuple[int, ...] | None
"""The axes to reduce, None for all."""


def reduced_axes(dim: int | Sequence[int] | None, ndim: int) -> Axes:
    """The axes that `dim` names; none named means all. Raises IndexError out of range, RuntimeError for a repetition."""
    if dim is None:
        return None
    if isinstance(dim, int):
        dim = (dim,)
    wrapped = tuple(layout.wrap_dim(d, ndim) for d in dim)
    if len(set(wrapped)) < len(wrapped):
        again = next(d for i, d in enumerate(wrapped) if d in wrapped[:i])
        raise RuntimeError(f"dim {again} appears multiple times in the list of dims")
    return wrapped if wrapped and ndim else None


def reduced_count(sizes: layout.Shape, axes: Axes) -> int:
    """How many elements go into one element of the result."""
    return layout.numel(sizes if axes is None else tuple(sizes[a] for a in axes))


def reduced_sizes(sizes: layout.Shape, axes: Axes, keepdim: bool) -> layout.Shape:
    """The sizes of the result."""
    gone = range(len(sizes)) if axes is None else axes
    if keepdim:
        return tuple(1 if i in gone else n for i, n in enumerate(sizes))
    return tuple(n for i, n in enumerate(sizes) if i not in gone)


def working(input: Tensor, target: dtype | None = None) -> np.ndarray:
    """The elements converted to a dtype (their own if None), in the NumPy dtype that it is computed in."""
    array = input._array()
    target = target or input.dtype
    if input.dtype is not target:
        warn_of_lost_imaginary(input, target)
        array = cast(array, target, input.dtype)[0]
    return array.astype(dtypes.opmath(target), copy=False)


def lost_in(input: Tensor, target: dtype) -> np.ndarray | None:
    """The elements whose conversion to a dtype is undefined (floats that no integer of it can hold), None if none is."""
    if target.category != INTEGER or input.dtype.category < FLOAT:
        return None
    return cast(input._array(), target, input.dtype)[1]


def total_of(ufunc: np.ufunc, input: Tensor, target: dtype, axes: Axes, keepdim: bool) -> Result:
    """The sum or product of a tensor's elements in a dtype."""
    values = accumulate(ufunc, working(input, target), axes, keepdim).astype(target.numpy, copy=False)
    lost = lost_in(input, target)
    return Result(values, None, None if lost is None else np.asarray(lost.any(axes, keepdims=keepdim)))


_LONG, _SHORT = 64, 8
_WIDER = {np.dtype(np.float32): np.dtype(np.float64), np.dtype(np.complex64): np.dtype(np.complex128)}


def accumulate(ufunc: np.ufunc, array: np.ndarray, axes: Axes, keepdim: bool) -> np.ndarray:
    """Sum or product, starting from the identity as torch does (so that a sum of negative zeros is positive).

    Up to 8 elements are added in their order, as in torch. Torch adds more in an order that depends on the processor; here
    single precision is then accumulated in double precision, unless a partial sum could overflow, and double
    precision in pairs, which NumPy does along an innermost axis only.
    """
    identity = 0 if ufunc is np.add else 1
    count = reduced_count(array.shape, axes)
    if ufunc is np.add and _Mode.steps is not None:
        shape = reduced_sizes(array.shape, axes, keepdim)
        return np.asarray(terms(in_rows(array, axes)).sum(-1, array.dtype, initial=0)).reshape(shape)
    if count > _SHORT and array.dtype.kind in "fc" and array.size:
        wide = _WIDER.get(array.dtype) if ufunc is np.add else None
        if wide is not None and np.abs(array).max() < np.finfo(array.dtype).max / count:
            return np.asarray(ufunc.reduce(array, axes, wide, keepdims=keepdim, initial=identity)).astype(
                array.dtype
            )
        if count > _LONG and axes is not None and array.ndim - 1 not in axes:
            shape = reduced_sizes(array.shape, axes, keepdim)
            rows = np.ascontiguousarray(in_rows(array, axes))
            return np.asarray(ufunc.reduce(rows, -1, array.dtype, initial=identity)).reshape(shape)
    return np.asarray(ufunc.reduce(array, axes, array.dtype, keepdims=keepdim, initial=identity))


def folded(ufunc: Any, array: np.ndarray, axes: Axes, keepdim: bool) -> np.ndarray:
    """A reduction that rounds nothing: extrema and truth."""
    return np.asarray(ufunc.reduce(array, axes, keepdims=keepdim))


def in_rows(array: np.ndarray, axes: Axes) -> np.ndarray:
    """The array with the reduced axes brought together as the last one."""
    if axes is None:
        return array.reshape(-1)
    kept = [i for i in range(array.ndim) if i not in axes]
    rows = array.transpose([*kept, *axes])
    return rows.reshape((*rows.shape[: len(kept)], reduced_count(array.shape, axes)))


def unreduced(grad: Any, dim: Any, keepdim: bool, sizes: layout.Shape) -> Any:
    """A gradient (or result) with the reduced dimensions put back as size 1, so that it broadcasts to the input."""
    if keepdim or not sizes:
        return grad
    axes = reduced_axes(dim, len(sizes))
    if axes is None:
        return grad
    for axis in sorted(axes):
        grad = grad.unsqueeze(axis)
    return grad


def no_identity(
    name: str, input: Tensor, dim: int | Sequence[int] | None, error: type[Exception] = RuntimeError
) -> None:
    """Raise where a reduction that has no identity element would reduce nothing."""
    if input.numel():
        return
    axes = reduced_axes(dim, len(input._sizes))
    if axes is None:
        hint = " Specify the reduction dim with the 'dim' argument." if error is RuntimeError else ""
        raise error(f"{name}(): Expected reduction dim to be specified for input.numel() == 0.{hint}")
    for axis in axes:
        if input._sizes[axis] == 0:
            raise IndexError(f"{name}(): Expected reduction dim {axis} to have non-zero size.")


def no_identity_along(name: str, input: Tensor, dims: Sequence[int]) -> None:
    """`no_identity` for a list of dimensions, which is looked at before it is validated and named as it was given."""
    if input.numel():
        return
    if not dims:
        no_identity(name, input, None)
    for d in dims:
        if input._sizes[layout.wrap_dim(d, len(input._sizes))] == 0:
            raise IndexError(f"{name}(): Expected reduction dim {d} to have non-zero size.")


def of_kind(grad: Any, d: dtype) -> Any:
    """A gradient on its way to an operand of dtype `d`. Raises RuntimeError for a complex one of a real operand.

    Elementwise operations keep the real part; reductions with a complex `dtype=` have no such step.
    """
    if grad.dtype.is_complex and not d.is_complex:
        raise RuntimeError(
            "Expected isFloatingType(grad.scalar_type()) || (input_is_complex == grad_is_complex) to be true, but got false.  "
            "(Could this error message be improved?  If so, please report an enhancement request to PyTorch.)"
        )
    return grad


def summed_dtype(input: Tensor, wish: dtype | None) -> dtype:
    """The dtype of sums and products: the one asked for, else int64 for integers and bool."""
    target = wish or (input.dtype if input.dtype.category >= FLOAT else dtypes.int64)
    if target.category < FLOAT <= input.dtype.category and _State.grad and input.requires_grad:
        raise RuntimeError(f"Autograd not support dtype: {target.legacy}")
    return target


def refuse_complex_gradient(name: str, input: Tensor) -> None:
    """Raise RuntimeError where an operation that has no complex derivative would be recorded."""
    if input.dtype.is_complex and _State.grad and input.requires_grad:
        raise RuntimeError(
            f"{name} does not support automatic differentiation for outputs with complex dtype."
        )


# ------------------------------------------------------------------------------------------------- what `out=` asks for


def dtype_of_out(values: list[Any], outs: list[Tensor], position: int) -> None:
    """Without `dtype=`, an `out=` tensor's dtype is the one to compute in. Raises RuntimeError where both are given."""
    if values[position] is None:
        values[position] = outs[0].dtype
    else:
        same_dtypes(outs, values[position])


def same_dtypes(outs: Sequence[Tensor], *wanted: dtype) -> None:
    """Raise RuntimeError for an `out=` tensor of another dtype than the result's."""
    for t, d in zip(outs, wanted, strict=False):
        if t.dtype is not d:
            raise RuntimeError(
                f"Expected out tensor to have dtype {C_NAMES[d]}, but got {C_NAMES[t.dtype]} instead"
            )


def dtype_from_out(position: int) -> Callable[[list[Any], list[Tensor]], None]:
    """For operations with a `dtype` at that position of their parameters."""
    return lambda values, outs: dtype_of_out(values, outs, position)
