"""Views of a part: select, slices, diagonals, windows; and the views that split a tensor into several.

Source: https://docs.pytorch.org/docs/stable/tensor_view.html
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes, layout
from engine import functions as F
from engine.ops.views import Shape, bare, composite, scatter, view
from engine.registry import GENERAL, VIEW, op
from engine.results import Geometry
from engine.tensor import Tensor

# ------------------------------------------------------------------------------------------------------ select and slice


def _select(input: Tensor, dim: int, index: int) -> Geometry:
    sizes, strides = input._sizes, input._strides
    if not sizes:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    dim = layout.wrap_dim(dim, len(sizes))
    n = sizes[dim]
    if not -n <= index < n:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(sizes)} at dimension {dim}"
        )
    offset = input._offset + strides[dim] * (index + n if index < 0 else index)
    return Geometry(sizes[:dim] + sizes[dim + 1 :], strides[:dim] + strides[dim + 1 :], offset)


def _slice(input: Tensor, dim: int, start: int | None, end: int | None, step: int) -> Geometry:
    sizes, strides = input._sizes, input._strides
    if not sizes:
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    dim = layout.wrap_dim(dim, len(sizes))
    if step <= 0:
        raise RuntimeError("slice step must be positive")
    n = sizes[dim]
    first = _clamp(0 if start is None else start, n)
    count = max(0, -((first - _clamp(n if end is None else end, n)) // step))
    return Geometry(
        (*sizes[:dim], count, *sizes[dim + 1 :]), (*strides[:dim], strides[dim] * step, *strides[dim + 1 :]),
        input._offset + first * strides[dim],
    )  # fmt: skip


def _clamp(at: int, n: int) -> int:
    return min(max(at + n if at < 0 else at, 0), n)


def _narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """`length` elements of a dimension from `start` on. Raises IndexError or RuntimeError where there are fewer."""
    if not input._sizes:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    n = input._sizes[layout.wrap_dim(dim, len(input._sizes))]
    if isinstance(start, Tensor):
        if start._sizes or start.dtype.category != dtypes.INTEGER:
            raise RuntimeError("start must be an 0-dim integral Tensor.")
        start = start.item()
    if not -n <= start <= n:
        raise IndexError(f"start out of range (expected to be in range of [-{n}, {n}], but got {start})")
    start = start + n if start < 0 else start
    if start + length > n:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({n}).")
    return F._slice(input, dim, start, start + length, 1)


view(
    "select(Tensor input, int dim, int index)", _select,
    lambda grad, input_sizes, dim, index: F.select_backward(grad, input_sizes, dim, index), family="indexing",
)  # fmt: skip
view(
    "_slice(Tensor input, int dim=0, int? start=None, int? end=None, int step=1)", _slice,
    lambda grad, input_sizes, dim, start, end, step: F.slice_backward(grad, input_sizes, dim, start, end, step),
    family="indexing", forms="function", node="SliceBackward0",
)  # fmt: skip
composite("narrow(Tensor input, int dim, int start, int length)", _narrow, family="indexing")
composite("narrow(Tensor input, int dim, Tensor start, int length)", _narrow, family="indexing")
scatter(
    "select_backward(Tensor grad_output, int[] input_sizes, int dim, int index)", _select,
    lambda grad, dim, index: grad.select(dim, index),
)  # fmt: skip
scatter(
    "slice_backward(Tensor grad_output, int[] input_sizes, int dim, int? start, int? end, int step)", _slice,
    lambda grad, dim, start, end, step: F._slice(grad, dim, start, end, step),
)  # fmt: skip


# --------------------------------------------------------------------------------------------------- diagonals, windows


def _diagonal(input: Tensor, offset: int, dim1: int, dim2: int) -> Geometry:
    sizes, strides = input._sizes, input._strides
    a, b = layout.wrap_dim(dim1, len(sizes)), layout.wrap_dim(dim2, len(sizes))
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    count = max(min(sizes[a] + min(offset, 0), sizes[b] - max(offset, 0)), 0)
    first = input._offset
    if count:
        first += offset * strides[b] if offset >= 0 else -offset * strides[a]
    rest = [d for d in range(len(sizes)) if d not in (a, b)]
    return Geometry(
        (*(sizes[d] for d in rest), count), (*(strides[d] for d in rest), strides[a] + strides[b]), first
    )  # fmt: skip


def _unfold(input: Tensor, dimension: int, size: int, step: int) -> Geometry:
    sizes, strides = input._sizes, input._strides
    dim = layout.wrap_dim(dimension, len(sizes))
    n = sizes[dim] if sizes else 1
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if size > n:
        raise RuntimeError(f"maximum size for tensor at dimension {dim} is {n} but size is {size}")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    if not sizes:
        return Geometry((size,), (1,), input._offset)
    return Geometry(
        (*sizes[:dim], (n - size) // step + 1, *sizes[dim + 1 :], size),
        (*strides[:dim], strides[dim] * step, *strides[dim + 1 :], strides[dim]), input._offset,
    )  # fmt: skip


def _unfold_backward(
    grad_output: Tensor, input_sizes: Shape, dimension: int, size: int, step: int
) -> np.ndarray:
    """Windows overlap, so an element's gradient is the sum of what every window that shows it receives."""
    whole = bare(tuple(input_sizes), grad_output.dtype)
    shown = _unfold(whole, dimension, size, step)
    return F.as_strided_backward(
        grad_output.detach(), whole._layout, (shown.sizes, shown.strides, 0)
    )._array()


view(
    "diagonal(Tensor input, int offset=0, int dim1=0, int dim2=1)", _diagonal,
    lambda grad, input_sizes, offset, dim1, dim2: F.diagonal_backward(grad, input_sizes, offset, dim1, dim2),
)  # fmt: skip
scatter(
    "diagonal_backward(Tensor grad_output, int[] input_sizes, int offset, int dim1, int dim2)", _diagonal,
    lambda grad, offset, dim1, dim2: grad.diagonal(offset, dim1, dim2),
)  # fmt: skip
view(
    "unfold(Tensor input, int dimension, int size, int step)", _unfold,
    lambda grad, input_sizes, dimension, size, step: F.unfold_backward(grad, input_sizes, dimension, size, step),
    forms="method",
)  # fmt: skip
op(
    "unfold_backward(Tensor grad_output, int[] input_sizes, int dimension, int size, int step)", kind=GENERAL,
    kernel=_unfold_backward, family="shape", forms="function",
    derivatives={"grad_output": lambda grad, dimension, size, step: grad.unfold(dimension, size, step)},
)  # fmt: skip


# ------------------------------------------------------------------------------------------------------- several views


def _pieces(input: Tensor, dim: int, lengths: list[int]) -> list[Geometry]:
    sizes, strides = input._sizes, input._strides
    made, first = [], input._offset
    for length in lengths:
        made.append(Geometry((*sizes[:dim], length, *sizes[dim + 1 :]), strides, first))
        first += length * strides[dim]
    return made


def _split(input: Tensor, split_size: int, dim: int) -> list[Geometry]:
    sizes = input._sizes
    if not sizes:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    if split_size < 0:
        raise RuntimeError(f"split expects split_size be non-negative, but got split_size={split_size}")
    dim = layout.wrap_dim(dim, len(sizes))
    n = sizes[dim]
    if split_size == 0:
        if n:
            raise RuntimeError(
                f"split_size can only be 0 if dimension size is 0, but got dimension size of {n}"
            )
        return _pieces(input, dim, [0])
    count = max(-(-n // split_size), 1)
    return _pieces(input, dim, [split_size] * (count - 1) + [n - split_size * (count - 1)])


def _split_with_sizes(input: Tensor, split_sizes: Shape, dim: int) -> list[Geometry]:
    sizes = input._sizes
    if not sizes:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    at = layout.wrap_dim(dim, len(sizes))
    if any(n < 0 for n in split_sizes):
        raise RuntimeError(
            f"split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes={list(split_sizes)}"
        )
    if sum(split_sizes) != sizes[at]:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {sizes[at]} (input tensor's size at dimension {dim}), "
            f"but got split_sizes={list(split_sizes)}"
        )
    return _pieces(input, at, list(split_sizes))


def _unbind(input: Tensor, dim: int) -> list[Geometry]:
    sizes = input._sizes
    if not sizes:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    dim = layout.wrap_dim(dim, len(sizes))
    return [_select(input, dim, i) for i in range(sizes[dim])]


def _chunk(input: Tensor, chunks: int, dim: int) -> tuple[Tensor, ...]:
    """At most `chunks` pieces of equal size, the last one perhaps smaller."""
    if not input._sizes:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    n = input._sizes[layout.wrap_dim(dim, len(input._sizes))]
    size = -(-n // chunks)
    if size == 0:  # an empty dimension gives as many empty pieces as were asked for
        return input.split_with_sizes((0,) * chunks, dim)
    return input.split(size, dim)


def _tensor_split(input: Tensor, sections: Any, dim: int) -> tuple[Tensor, ...]:
    """Pieces of almost equal size, or pieces that end at given indices."""
    if not input._sizes:
        raise RuntimeError(
            "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims"
        )
    dim = layout.wrap_dim(dim, len(input._sizes))
    if isinstance(sections, Tensor):
        if sections.dtype is not dtypes.int64:
            raise RuntimeError(
                f"tensor_split expected tensor_indices_or_sections to have dtype of long, but got {sections.dtype.legacy}"
            )
        if sections.dim() > 1:
            raise RuntimeError(
                "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional tensor, but "
                f"got a tensor with {sections.dim()} dims"
            )
        sections = sections.tolist()
    if isinstance(sections, int):
        if sections <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {sections}")
        least, more = divmod(input._sizes[dim], sections)
        ends = [i * least + min(i, more) for i in range(1, sections + 1)]
    else:
        ends = [*sections, input._sizes[dim]]
    starts = [0, *ends[:-1]]
    return tuple(F._slice(input, dim, a, b, 1) for a, b in zip(starts, ends))


op(
    "split(Tensor input, int split_size, int dim=0)",
    kind=VIEW, kernel=_split, family="shape", exact=True,
    derivatives={"input": lambda grads, dim: F.cat(grads, dim)},
)  # fmt: skip
op(
    "split_with_sizes(Tensor input, int[] split_sizes, int dim=0)",
    kind=VIEW, kernel=_split_with_sizes, family="shape", exact=True,
    derivatives={"input": lambda grads, dim: F.cat(grads, dim)},
)  # fmt: skip
composite(
    "split(Tensor input, int[] split_size, int dim=0)",
    lambda input, split_size, dim: F.split_with_sizes(input, split_size, dim),
)
op(
    "unbind(Tensor input, int dim=0)",
    kind=VIEW, kernel=_unbind, family="shape", exact=True,
    derivatives={"input": lambda grads, dim: F.stack(grads, dim)},
)  # fmt: skip


def split(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of equal size (the last one perhaps smaller), or of the sizes given.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.split.html
    """
    return tensor.split(split_size_or_sections, dim)


F.split = split  # torch.split names its parameters differently from the method
composite("chunk(Tensor input, int chunks, int dim=0)", _chunk)
composite("tensor_split(Tensor input, Tensor tensor_indices_or_sections, int dim=0)", _tensor_split)
composite("tensor_split(Tensor input, int sections, int dim=0)", _tensor_split)
composite("tensor_split(Tensor input, int[] indices, int dim=0)", _tensor_split)


def _split_along(name: str, least: int, axis: int) -> None:
    def kernel(input: Tensor, sections: Any) -> tuple[Tensor, ...]:
        ndim = input.dim()
        if ndim < least:
            raise RuntimeError(
                f"torch.{name} requires a tensor with at least {least} dimension, but got a tensor "
                f"with {ndim} dimensions!"
            )
        dim = 0 if name == "hsplit" and ndim == 1 else axis
        if isinstance(sections, int) and (sections == 0 or input._sizes[dim] % sections):
            raise RuntimeError(
                f"torch.{name} attempted to split along dimension {dim}, but the size of the dimension {input._sizes[dim]} is "
                f"not divisible by the split_size {sections}!"
            )
        return input.tensor_split(sections, dim)

    composite(f"{name}(Tensor input, int sections)", kernel)
    composite(f"{name}(Tensor input, int[] indices)", kernel)


_split_along("hsplit", 1, 1)
_split_along("vsplit", 2, 0)
_split_along("dsplit", 3, 2)
