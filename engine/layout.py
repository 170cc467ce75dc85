"""Arithmetic on sizes and strides: contiguity, broadcasting, output layouts and memory overlap.

Strides count elements, as in torch.
Sources: https://docs.pytorch.org/docs/stable/notes/broadcasting.html,
https://docs.pytorch.org/docs/stable/tensor_view.html
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

Shape = tuple[int, ...]


@functools.lru_cache(maxsize=4096)
def contiguous_strides(sizes: Shape) -> Shape:
    """Row-major strides; a dimension of size 0 counts as 1."""
    strides, step = [], 1
    for size in reversed(sizes):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


@functools.lru_cache(maxsize=4096)
def numel(sizes: Shape) -> int:
    """The number of elements."""
    count = 1
    for size in sizes:
        count *= size
    return count


@functools.lru_cache(maxsize=4096)
def is_contiguous(sizes: Shape, strides: Shape) -> bool:
    """Whether the elements lie in row-major order without gaps; dimensions of size 1 do not matter."""
    if 0 in sizes:
        return True
    step = 1
    for size, stride in zip(reversed(sizes), reversed(strides), strict=True):
        if size != 1:
            if stride != step:
                return False
            step *= size
    return True


@functools.lru_cache(maxsize=4096)
def is_channels_last(sizes: Shape, strides: Shape) -> bool:
    """Whether a 4-d tensor is stored with the channel dimension innermost."""
    if len(sizes) != 4 or 0 in sizes:
        return False
    step = 1
    for dim in (1, 3, 2, 0):
        if sizes[dim] != 1:
            if strides[dim] != step:
                return False
            step *= sizes[dim]
    return True


@functools.lru_cache(maxsize=4096)
def suggests_channels_last(sizes: Shape, strides: Shape) -> bool:
    """Whether strides of a 4-d tensor grow from the channels over width and height to the batch, gaps or not.

    Strides of dimensions of size 1 count, too. Source: https://docs.pytorch.org/docs/stable/tensor_attributes.html#torch.memory_format
    """
    if len(sizes) != 4 or 0 in sizes or strides[1] == 0:
        return False
    least = 0
    for dim in (1, 3, 2, 0):
        if strides[dim] < least or (dim == 0 and least == strides[1]):
            return False
        least = strides[dim] * sizes[dim]
    return True


@functools.lru_cache(maxsize=4096)
def is_non_overlapping_and_dense(sizes: Shape, strides: Shape) -> bool:
    """Whether some permutation of the dimensions is contiguous."""
    if len(sizes) == 1:
        return sizes[0] < 2 or strides[0] == 1
    step = 1
    for size, stride in sorted(
        ((n, s) for n, s in zip(sizes, strides, strict=True)), key=lambda p: (p[0] > 1, p[1])
    ):
        if size == 0:
            return True
        if size > 1:
            if stride != step:
                return False
            step *= size
    return True


@functools.lru_cache(maxsize=4096)
def broadcast_two(a: Shape, b: Shape) -> Shape:
    """The common shape of two operands. Raises RuntimeError that names the sizes and the dimension."""
    if a == b:
        return a
    n = max(len(a), len(b))
    out = []
    for i in reversed(range(n)):  # the last dimension that does not fit is the one that is named
        x = a[i - n + len(a)] if i >= n - len(a) else 1
        y = b[i - n + len(b)] if i >= n - len(b) else 1
        if x != y and x != 1 and y != 1:
            raise RuntimeError(
                f"The size of tensor a ({x}) must match the size of tensor b ({y}) at non-singleton dimension {i}"
            )
        out.append(y if x == 1 else x)
    return tuple(reversed(out))


def common_shape(tensors: Sequence[Any]) -> Shape:
    """The common shape of tensors, that of a number where there is none."""
    shape: Shape = tensors[0]._sizes if tensors else ()
    for t in tensors:
        if t._sizes != shape:
            shape = broadcast_two(shape, t._sizes)
    return shape


def expanded_strides(sizes: Shape, strides: Shape, target: Shape) -> Shape:
    """Strides that show a tensor in a broadcast shape: 0 along every stretched dimension."""
    lead = len(target) - len(sizes)
    return (0,) * lead + tuple(
        0 if size == 1 and want != 1 else stride
        for size, stride, want in zip(sizes, strides, target[lead:], strict=True)
    )


def pointwise_strides(operands: Iterable[tuple[Shape, Shape]], shape: Shape) -> Shape:
    """The strides that a fresh result of an elementwise operation gets.

    All operands of one shape and row-major: row-major. All of one shape and one dense layout: that layout. Otherwise
    the dimensions are ordered by the operands' strides, the first operand that can tell deciding: that may give
    dimensions of size 1 other strides than row-major ones.
    """
    return _pointwise_strides(tuple(operands), shape)


@functools.lru_cache(maxsize=4096)
def _pointwise_strides(operands: tuple[tuple[Shape, Shape], ...], shape: Shape) -> Shape:
    if all(sizes == shape for sizes, _ in operands):
        if all(is_contiguous(sizes, strides) for sizes, strides in operands):
            return contiguous_strides(shape)
        if all(is_channels_last(sizes, strides) for sizes, strides in operands):
            return _strides_in_order(shape, (1, 3, 2, 0))
        first = operands[0][1]
        if is_non_overlapping_and_dense(shape, first) and all(strides == first for _, strides in operands):
            return first
    order = _dimension_order([expanded_strides(n, s, shape) for n, s in operands], shape)
    if order == list(reversed(range(len(shape)))):
        return contiguous_strides(shape)
    strides, step = [0] * len(shape), 1
    for dim in order:  # here a size of 0 makes the strides of the slower dimensions 0
        strides[dim] = step
        step *= shape[dim]
    return tuple(strides)


def dense_strides(sizes: Shape, strides: Shape) -> Shape:
    """The strides of a copy that keeps the layout: a tensor's own if it is dense, else its dimensions in their order."""
    if is_non_overlapping_and_dense(sizes, strides):
        return strides
    return pointwise_strides([(sizes, strides)], sizes)


def _strides_in_order(shape: Shape, innermost_first: Sequence[int]) -> Shape:
    strides, step = [0] * len(shape), 1
    for dim in innermost_first:
        strides[dim] = step
        step *= max(shape[dim], 1)
    return tuple(strides)


def _dimension_order(all_strides: Sequence[Shape], shape: Shape) -> list[int]:
    """Dimensions from the fastest to the slowest, by insertion sort because "cannot tell" is not transitive."""

    def compare(a: int, b: int) -> int:
        for strides in all_strides:
            if strides[a] == 0 or strides[b] == 0:
                continue
            if strides[a] != strides[b]:
                return -1 if strides[a] < strides[b] else 1
            if shape[a] > shape[b]:
                return 1
        return 0

    order = list(reversed(range(len(shape))))
    for i in range(1, len(order)):
        at = i
        for j in range(i - 1, -1, -1):
            verdict = compare(order[j], order[at])
            if verdict > 0:
                order[j], order[at] = order[at], order[j]
                at = j
            elif verdict < 0:
                break
    return order


@functools.lru_cache(maxsize=4096)
def extent(sizes: Shape, strides: Shape) -> int:
    """How many elements of storage lie between the first and the last element, both included."""
    if 0 in sizes:
        return 0
    return 1 + sum((n - 1) * s for n, s in zip(sizes, strides, strict=True))


@functools.lru_cache(maxsize=4096)
def view_strides(sizes: Shape, strides: Shape, target: Shape) -> Shape | None:
    """Strides that show the same elements in another shape, or None where no strides can.

    Dimensions are grouped into chunks that are contiguous within themselves; each must be filled by
    consecutive target dimensions.
    """
    if numel(sizes) == 0:
        return strides if sizes == target else contiguous_strides(target)
    out = [0] * len(target)
    at = len(target) - 1
    chunk_base = strides[-1] if strides else 1
    chunk = 1
    view_count = 1
    for dim in range(len(sizes) - 1, -1, -1):
        chunk *= sizes[dim]
        ends = dim == 0 or (sizes[dim - 1] != 1 and strides[dim - 1] != chunk * chunk_base)
        if not ends:
            continue
        while at >= 0 and (view_count < chunk or target[at] == 1):
            out[at] = view_count * chunk_base
            view_count *= target[at]
            at -= 1
        if view_count != chunk:
            return None
        if dim > 0:
            chunk_base = strides[dim - 1]
            chunk = view_count = 1
    if not sizes:  # a 0-d tensor seen with dimensions of size 1
        return tuple(1 for _ in target)
    return tuple(out) if at == -1 else None


def wrap_dim(dim: int, ndim: int, *, scalar: bool = True) -> int:
    """A dimension counted from the front. A 0-d tensor counts as 1-d when `scalar`. Raises IndexError."""
    n = max(ndim, 1) if scalar else ndim
    if not -n <= dim < n:
        if n == 0:
            raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})"
        )
    return dim + n if dim < 0 else dim


def has_internal_overlap(sizes: Shape, strides: Shape) -> bool:
    """Whether two indices surely name one element: a stride of 0 along a dimension of more than one."""
    if 0 not in strides or 0 in sizes:
        return False
    return any(s == 0 and n > 1 for n, s in zip(sizes, strides, strict=True))


def overlaps(a: Any, b: Any) -> bool:
    """Whether two tensors surely share elements: they are one object, or both dense on one storage."""
    return a is b or _common_span(a, b) is not None


def overlaps_partly(a: Any, b: Any) -> bool:
    """Whether two tensors surely share some, but not exactly the same, elements in the same order."""
    same = None if a is b else _common_span(a, b)
    return same is not None and not (same and a._strides == b._strides)


def _common_span(a: Any, b: Any) -> bool | None:
    """Whether two dense tensors cover the same bytes, None where they share none or one has gaps."""
    if a._storage is not b._storage or numel(a._sizes) == 0 or numel(b._sizes) == 0:
        return None
    dense = is_non_overlapping_and_dense(a._sizes, a._strides)
    if not (dense and is_non_overlapping_and_dense(b._sizes, b._strides)):
        return None
    a0, b0 = a._offset * a.dtype.itemsize, b._offset * b.dtype.itemsize
    a1, b1 = a0 + numel(a._sizes) * a.dtype.itemsize, b0 + numel(b._sizes) * b.dtype.itemsize
    return (a0, a1) == (b0, b1) if a0 < b1 and b0 < a1 else None


@functools.lru_cache(maxsize=4096)
def is_injective(sizes: Shape, strides: Shape) -> bool:
    """Whether different indices surely name different places: each stride steps over all smaller dimensions."""
    reach = 0
    for stride, size in sorted(zip(strides, sizes, strict=True)):
        if size > 1:
            if stride <= reach:
                return False
            reach += (size - 1) * stride
    return True
