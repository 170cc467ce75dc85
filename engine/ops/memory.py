"""Operations that make, copy or overwrite memory as it is: clone, copy_, fill_, zero_, as_strided, contiguous."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from engine import dtypes, layout
from engine import functions as F
from engine.autograd.execution import in_dtype
from engine.casts import cast, checked_number, scalar_number
from engine.dtypes import dtype
from engine.registry import COMPOSITE, GENERAL, LINEAR, MUTATION, VIEW, op
from engine.results import Geometry, Result
from engine.size import memory_format
from engine.tensor import Tensor
from engine.writes import check_memory


def _clone(input: Tensor, memory_format: memory_format | None) -> Result:
    return Result(input._array().copy(), strides_for(input, memory_format))


def strides_for(input: Tensor, wish: memory_format | None) -> layout.Shape:
    """The strides of a copy: the input's own if it is dense and no other format is asked for, else row-major."""
    kind = "preserve_format" if wish is None else wish.name
    if kind == "channels_last":
        if len(input._sizes) != 4:
            raise RuntimeError("required rank 4 tensor to use channels_last format")
        return layout._strides_in_order(input._sizes, (1, 3, 2, 0))
    if kind == "preserve_format":
        return layout.dense_strides(input._sizes, input._strides)
    return layout.contiguous_strides(input._sizes)


op(
    "clone(Tensor input, *, memory_format? memory_format=None)",
    kind=GENERAL, kernel=_clone, family="view", exact=True, moves=True,
    derivatives={"input": lambda grad: grad},
)  # fmt: skip


def _contiguous(input: Tensor, memory_format: memory_format | None) -> Tensor:
    """The tensor itself if it is row-major already, else a row-major copy."""
    if input.is_contiguous(memory_format):
        return input
    if memory_format is not None and memory_format.name == "preserve_format":
        raise RuntimeError("preserve memory format is unsupported by the contiguous operator")
    return F.clone(input, memory_format=memory_format or _CONTIGUOUS)


_CONTIGUOUS = memory_format("contiguous_format")

op(
    "contiguous(Tensor input, *, memory_format memory_format=None)",
    kind=COMPOSITE, kernel=_contiguous, family="view", forms="method", exact=True,
)  # fmt: skip


def warn_of_lost_imaginary(source: Tensor, target: dtype) -> None:
    """Warn where a copy turns complex values into real numbers."""
    if (
        source.dtype.category == dtypes.COMPLEX
        and dtypes.BOOL < target.category < dtypes.COMPLEX
        and source.numel()
    ):
        warnings.warn("Casting complex values to real discards the imaginary part", UserWarning, stacklevel=7)


_WRITTEN = frozenset(("internal",))
_OVERWRITTEN: dict[Any, Any] = {"input": lambda grad: F.zeros_like(grad)}
_OF_FILLER = _OVERWRITTEN | {"value": lambda grad: grad.sum()}


def _of_literal(number: complex | bool) -> dtype:
    """A Python number keeps all its digits until it is in the tensor, whatever the default dtype is."""
    if isinstance(number, float):
        return dtypes.float64
    return dtypes.complex128 if isinstance(number, complex) else dtypes.of_number(number)


def _copy(input: Tensor, other: Any, non_blocking: bool) -> Result:
    src = other if isinstance(other, Tensor) else F.tensor(other, dtype=_of_literal(other))
    if src._storage is not input._storage or src._layout != input._layout or src.dtype is not input.dtype:
        check_memory(_WRITTEN, input, (), ())
    shape = layout.broadcast_two(input._sizes, src._sizes) if src._sizes != input._sizes else input._sizes
    if shape != input._sizes:
        raise RuntimeError(
            f"output with shape {list(input._sizes)} doesn't match the broadcast shape {list(shape)}"
        )
    if input.numel():
        warn_of_lost_imaginary(src, input.dtype)
    values, lost = cast(src._array(), input.dtype, src.dtype)
    mask = src._undefined_mask() if lost is None else lost
    values = values.copy() if src._storage is input._storage else values
    return Result(values, None, None if mask is None else np.broadcast_to(mask, input._sizes))


op(
    "copy_(Tensor input, Operand other, bool non_blocking=False)",
    kind=MUTATION, kernel=_copy, family="view", forms="method inplace", exact=True, node="CopyBackwards",
    memory="partial", casts=True,
    derivatives=_OVERWRITTEN | {
        "other": lambda grad, other_dtype: in_dtype(grad, other_dtype),
    },
)  # fmt: skip


def _fill(input: Tensor, value: Any) -> np.ndarray | Result:
    if isinstance(value, Tensor):
        if value._sizes:
            raise RuntimeError(
                f"fill_ only supports 0-dimension value tensor but got tensor with {len(value._sizes)} dimensions."
            )
        if input.numel():
            warn_of_lost_imaginary(value, input.dtype)
        filler, lost = cast(value._array(), input.dtype, value.dtype)
        return Result(filler, None, None if lost is None else np.broadcast_to(lost, input._sizes))
    return scalar_number(value, input.dtype) if input.numel() == 1 else checked_number(value, input.dtype)


op(
    "fill_(Tensor input, Tensor value)",
    kind=MUTATION, kernel=_fill, family="view", forms="function method inplace", exact=True, node="FillBackward3",
    memory="internal",
    derivatives=_OF_FILLER,
)  # fmt: skip
op(
    "fill_(Tensor input, Number value)",
    kind=MUTATION, kernel=_fill, family="view", forms="function method inplace", exact=True, node="FillBackward2",
    derivatives=_OVERWRITTEN,
)  # fmt: skip


def _filled(input: Tensor, value: Any) -> Result:
    made = _fill(input, value)
    filler, lost = (made.values, made.undefined) if isinstance(made, Result) else (made, None)
    return Result(np.full(input._sizes, filler, input.dtype.numpy), strides_for(input, None), lost)


op(
    "fill(Tensor input, Tensor value)",
    kind=GENERAL, kernel=_filled, family="view", forms="function", exact=True, node="FillBackward1",
    derivatives=_OF_FILLER, tangent=LINEAR,
)  # fmt: skip
op(
    "fill(Tensor input, Number value)",
    kind=GENERAL, kernel=_filled, family="view", forms="function", exact=True, node="FillBackward0",
    derivatives=_OVERWRITTEN, tangent=lambda input_t: F.fill(input_t, 0),
)  # fmt: skip


def _fill_diagonal(input: Tensor, fill_value: Any, wrap: bool) -> Tensor:
    """Where `wrap` is set, a tall matrix has another diagonal below each row that is left out.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.fill_diagonal_.html
    """
    sizes, step = input._sizes, sum(input._strides)
    if len(sizes) < 2:
        raise RuntimeError("dimensions must larger than 1")
    if len(sizes) > 2 and len(set(sizes)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    height, width = sizes[:2]
    count = min(height, width)
    F.as_strided(input, (count,), (step,), input._offset).fill_(fill_value)
    if wrap and len(sizes) == 2 and height > width + 1:
        below = -(-layout.numel(sizes) // (width + 1)) - count
        F.as_strided(input, (below,), (step,), input._offset + input._strides[0] * (width + 1)).fill_(
            fill_value
        )
    return input


op(
    "fill_diagonal_(Tensor input, Number fill_value, bool wrap=False)", kind=COMPOSITE, kernel=_fill_diagonal,
    family="view", forms="method", exact=True,
)  # fmt: skip
op(
    "zero_(Tensor input)",
    kind=MUTATION, kernel=lambda input: _fill(input, 0), family="view", forms="function method inplace", exact=True,
    derivatives=_OVERWRITTEN,
)  # fmt: skip


def _as_strided(input: Tensor, size: Any, stride: Any, storage_offset: int | None) -> Geometry:
    offset = input._offset if storage_offset is None else storage_offset
    if len(size) != len(stride):
        raise RuntimeError("mismatch in length of strides and shape")
    if any(n < 0 for n in size):
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(size)}: {list(size)}")
    if any(s < 0 for s in stride):
        raise RuntimeError(
            f"as_strided: Negative strides are not supported at the moment, got strides: {list(stride)}"
        )
    if offset < 0:
        raise RuntimeError(f"Tensor: invalid storage offset {offset}")
    needed = (offset + layout.extent(size, stride)) * input.dtype.itemsize if layout.numel(size) else 0
    if needed > input._storage.nbytes():
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, and itemsize "
            f"{input.dtype.itemsize} requiring a storage size of {needed} are out of bounds for storage of size "
            f"{input._storage.nbytes()}"
        )
    return Geometry(tuple(size), tuple(stride), offset)


def _as_strided_grad(
    grad: Tensor, input_layout: Any, size: Any, stride: Any, storage_offset: int | None
) -> Tensor:
    offset = input_layout[2] if storage_offset is None else storage_offset
    return F.as_strided_backward(grad, input_layout, (tuple(size), tuple(stride), offset))


def as_strided_backward(grad: Tensor, base: Any, view: Any) -> Tensor:
    """Add each element of `grad` to the place that the view showed, then read the input's places.

    Where the view names one place twice, contributions add up; where the input does, each of its indices gets an equal
    share. Source: the comment on `as_strided` in the autograd notes of torch's own derivative.
    """
    sizes, strides, offset = base
    view_sizes, view_strides, view_offset = view
    if 0 in sizes or 0 in view_sizes:
        return F.zeros(sizes, dtype=grad.dtype)
    low = min(offset, view_offset)
    length = max(
        offset - low + layout.extent(sizes, strides),
        view_offset - low + layout.extent(view_sizes, view_strides),
    )
    flat = grad.new_zeros((length,))  # of a batch of gradients, one for each
    places = F.arange(length)
    if layout.is_injective(view_sizes, view_strides):
        flat.as_strided(view_sizes, view_strides, view_offset - low).copy_(grad)
    else:
        shown = places.as_strided(view_sizes, view_strides, view_offset - low).reshape(-1)
        flat = flat.index_add(0, shown, grad.reshape(-1))
    if layout.has_internal_overlap(sizes, strides) or not layout.is_injective(sizes, strides):
        mine = places.as_strided(sizes, strides, offset - low).reshape(-1)
        count = F.zeros((length,), dtype=grad.dtype).index_add(0, mine, F.ones_like(mine, dtype=grad.dtype))
        flat = flat / count
    return flat.as_strided(sizes, strides, offset - low)


F.as_strided_backward = as_strided_backward

op(
    "as_strided(Tensor input, int[] size, int[] stride, int? storage_offset=None)",
    kind=VIEW, kernel=_as_strided, family="view", exact=True,
    derivatives={
        "input": lambda grad, input_layout, size, stride, storage_offset: _as_strided_grad(
            grad, input_layout, size, stride, storage_offset
        )
    },
)  # fmt: skip
