"""Copies of a tensor with one part replaced, and copies of a part.

The copy keeps the layout of the input, with gaps and offset, unless elements of the input overlap.
Sources: https://docs.pytorch.org/docs/stable/generated/torch.select_scatter.html, torch.slice_scatter.html,
torch.diagonal_scatter.html, torch.as_strided_scatter.html, torch.narrow_copy.html
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from engine import functions as F
from engine import layout
from engine.casts import cast
from engine.ops.memory import _as_strided, strides_for, warn_of_lost_imaginary
from engine.ops.parts import _diagonal, _select, _slice
from engine.ops.places import require_real_if_recorded
from engine.registry import GENERAL, LINEAR, op
from engine.results import Geometry, Result
from engine.tensor import Tensor, fresh, over
from engine.writes import INTERNAL_OVERLAP


def _copy_in_place(input: Tensor) -> Tensor:
    """A copy of a tensor with all the memory around it."""
    if layout.has_internal_overlap(input._sizes, input._strides):
        return fresh(input._array(), input.dtype, strides=strides_for(input, None))
    return over(input._storage.copy(), input._offset, input._sizes, input._strides, input.dtype)


def _replaced(input: Tensor, src: Tensor, geometry: Callable[..., Geometry], *where: Any) -> Result:
    whole = _copy_in_place(input)
    if geometry is _slice and not input._sizes:
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    at = geometry(whole, *where)
    if src._sizes != at.sizes:
        raise RuntimeError(
            f"expected src to have a size equal to the slice of self. src size = {list(src._sizes)}, slice size = "
            f"{list(at.sizes)}"
        )
    if layout.has_internal_overlap(at.sizes, at.strides):
        raise RuntimeError(INTERNAL_OVERLAP)
    part = over(whole._storage, at.offset, at.sizes, at.strides, whole.dtype)
    warn_of_lost_imaginary(src, whole.dtype)
    values, lost = cast(src._array(), whole.dtype, src.dtype)
    part._array()[...] = values
    lost = src._undefined_mask() if lost is None else lost
    if not layout.is_injective(at.sizes, at.strides):
        lost = np.ones(at.sizes, np.bool_)
    part._mark_undefined(False if lost is None else lost)
    return Result(whole._array(), None, whole._undefined_mask(), whole)


def _register(
    signature: str, geometry: Callable[..., Geometry], input: Any, src: Any, *, forms: str = "function method",
    check: Callable[..., None] | None = None, before: Callable[[list[Any]], None] | None = None,
) -> None:  # fmt: skip
    """check: called with input and source once the copy is written; before: with all values, before anything else."""

    def kernel(input: Tensor, src: Tensor, *where: Any) -> Result:
        result = _replaced(input, src, geometry, *where)
        if check is not None:
            check(input, src)
        return result

    op(
        signature, kind=GENERAL, family="indexing", exact=True, forms=forms, kernel=kernel,
        derivatives={"input": input, "src": src}, tangent=LINEAR, memory="internal partial others", check=before,
        out_dtype_error="Expected out tensor to have dtype {c_result}, but got {c_out} instead",
    )  # fmt: skip


def _row_major_if_recorded(values: list[Any]) -> None:
    input = values[0]
    if input.requires_grad and not input.is_contiguous():
        raise RuntimeError("as_strided_scatter is currently only supported for contiguous inputs")


_register(
    "select_scatter(Tensor input, Tensor src, int dim, int index)", _select,
    lambda grad, src_sizes, src_dtype, dim, index: grad.select_scatter(F.zeros(src_sizes, dtype=src_dtype), dim, index),
    lambda grad, dim, index: grad.select(dim, index), check=partial(require_real_if_recorded, "select_scatter"),
)  # fmt: skip
_register(
    "slice_scatter(Tensor input, Tensor src, int dim=0, int? start=None, int? end=None, int step=1)", _slice,
    lambda grad, src_sizes, src_dtype, dim, start, end, step: (
        grad.slice_scatter(F.zeros(src_sizes, dtype=src_dtype), dim, start, end, step)
    ),
    lambda grad, dim, start, end, step: F._slice(grad, dim, start, end, step),
    forms="function method out", check=partial(require_real_if_recorded, "slice_scatter"),
)  # fmt: skip
_register(
    "diagonal_scatter(Tensor input, Tensor src, int offset=0, int dim1=0, int dim2=1)", _diagonal,
    lambda grad, src_sizes, src_dtype, offset, dim1, dim2: (
        grad.diagonal_scatter(F.zeros(src_sizes, dtype=src_dtype), offset, dim1, dim2)
    ),
    lambda grad, offset, dim1, dim2: grad.diagonal(offset, dim1, dim2),
)  # fmt: skip


def _within(input_layout: Any, storage_offset: int | None) -> int:
    """Where the part begins in a row-major gradient of the input."""
    return 0 if storage_offset is None else storage_offset - input_layout[2]


_register(
    "as_strided_scatter(Tensor input, Tensor src, int[] size, int[] stride, int? storage_offset=None)", _as_strided,
    lambda grad, src_sizes, src_dtype, size, stride, storage_offset, input_layout: grad.contiguous().as_strided_scatter(
        F.zeros(src_sizes, dtype=src_dtype), size, stride, _within(input_layout, storage_offset)
    ),
    lambda grad, size, stride, storage_offset, input_layout: (
        grad.contiguous().as_strided(size, stride, _within(input_layout, storage_offset))
    ),
    before=_row_major_if_recorded,
)  # fmt: skip


def _narrow_copy(input: Tensor, dim: int, start: int, length: int) -> np.ndarray:
    sizes = input._sizes
    if not sizes:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if dim >= len(sizes):
        raise RuntimeError(
            "Expected dim < static_cast<int64_t>(self_sizes.size()) to be true, but got false."
        )
    n = sizes[layout.wrap_dim(dim, len(sizes))]
    if not -n <= start <= n:
        raise IndexError(f"start out of range (expected to be in range of [-{n}, {n}], but got {start})")
    first = start + n if start < 0 else start
    if length < 0 or first + length > n:
        raise RuntimeError(f"start ({first}) + length ({length}) exceeds dimension size ({n}).")
    return input._array().take(range(first, first + length), dim)


def _end(start: int, length: int, size: int) -> int:
    return (start + size if start < 0 else start) + length


op(
    "narrow_copy(Tensor input, int dim, int start, int length)", kind=GENERAL, kernel=_narrow_copy, family="shape",
    exact=True, moves=True, forms="function method out", memory="internal mixes-first",
    out_dtype_error="Expected self.dtype() == output.dtype() to be true, but got false.",
    derivatives={
        "input": lambda grad, input_sizes, dim, start, length: F.slice_backward(
            grad, input_sizes, dim, start, _end(start, length, input_sizes[dim]), 1
        )
    },
)  # fmt: skip
