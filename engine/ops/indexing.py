"""Advanced indexing: tensors name the places that are read into a copy, or written. `engine.ops.brackets` has `x[...]`.

Source: the indexing API that torch shares with NumPy, https://docs.pytorch.org/cppdocs/notes/tensor_indexing.html
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine import dtypes, layout
from engine import functions as F
from engine.ops.memory import strides_for
from engine.ops.places import added
from engine.registry import COMPOSITE, GENERAL, MUTATION, op
from engine.results import Result
from engine.tensor import Tensor
from engine.writes import OVERLAP, check_memory

# ------------------------------------------------------------------------------------------------ advanced indexing


def _check_count(input: Tensor, indices: Sequence[Tensor | None]) -> None:
    if len(indices) > len(input._sizes):
        raise IndexError(f"too many indices for tensor of dimension {len(input._sizes)} (got {len(indices)})")


def _places(input: Tensor, indices: Sequence[Tensor | None]) -> tuple[list[np.ndarray | None], layout.Shape]:
    """Masks turned into the integer arrays that list where they are true, and the shape that all indices broadcast to."""
    _check_count(input, indices)
    arrays: list[np.ndarray | None] = []
    for position, index in enumerate(indices):
        if index is None:
            arrays.append(None)
            continue
        if index.dtype in (dtypes.bool_, dtypes.uint8):
            if index.dtype is dtypes.uint8:
                warnings.warn(
                    "indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead.",
                    UserWarning,
                    stacklevel=6,
                )
            at = len(arrays)
            if index._sizes != input._sizes[at : at + len(index._sizes)]:
                raise IndexError(
                    f"The shape of the mask {list(index._sizes)} at index {position} does not match the shape of the indexed "
                    f"tensor {list(input._sizes)} at index {at}"
                )
            arrays.extend(np.nonzero(index._array()))
        elif index.dtype in (dtypes.int64, dtypes.int32):
            arrays.append(index._array().astype(np.int64, copy=False))
        else:
            raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    given = [a for a in arrays if a is not None]
    try:
        shape = given[0].shape if len(given) == 1 else np.broadcast_shapes(*(a.shape for a in given))
    except ValueError:
        shapes = ", ".join(str(list(a.shape)) for a in given)
        raise IndexError(
            f"shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}"
        ) from None
    arrays.extend([None] * (len(input._sizes) - len(arrays)))
    return arrays, shape


def _in_bounds(
    input: Tensor, arrays: list[np.ndarray | None], shape: layout.Shape
) -> list[np.ndarray | None]:
    """The indices counted from the front. Raises IndexError for one that is out of bounds."""
    _check_not_empty(input, arrays, shape)
    checked: list[np.ndarray | None] = []
    for dim, array in enumerate(arrays):
        if array is not None:
            size = input._sizes[dim]
            bad = (array < -size) | (array >= size)
            if bad.any() and 0 not in shape and 0 not in _others(input, arrays):
                raise IndexError(
                    f"index {array[bad].flat[0]} is out of bounds for dimension {dim} with size {size}"
                )
            array = np.where(array < 0, array + size, array)
        checked.append(array)
    return checked


def _check_not_empty(input: Tensor, arrays: list[np.ndarray | None], shape: layout.Shape) -> None:
    """Raise IndexError for an index into a dimension of size 0, which torch looks at before all other bounds."""
    if 0 not in shape and any(a is not None and input._sizes[dim] == 0 for dim, a in enumerate(arrays)):
        raise IndexError("index is out of bounds for dimension with size 0")


def _others(input: Tensor, arrays: Sequence[np.ndarray | None]) -> list[int]:
    return [n for i, n in enumerate(input._sizes) if i >= len(arrays) or arrays[i] is None]


def _grouped(places: list[np.ndarray | None]) -> tuple[list[int], int]:
    """The order of dimensions that brings the indexed ones together, and where they then start.

    Indexed dimensions that are not neighbours move to the front.
    """
    indexed = [i for i, a in enumerate(places) if a is not None]
    if indexed == list(range(indexed[0], indexed[-1] + 1)):
        return list(range(len(places))), indexed[0]
    rest = [i for i, a in enumerate(places) if a is None]
    return indexed + rest, 0


def _index(input: Tensor, indices: Any) -> Result:
    arrays, shape = _places(input, indices)
    places = _in_bounds(input, arrays, shape)
    order, start = _grouped(places)
    array = input._array().transpose(order)
    found = tuple(a for a in places if a is not None)
    sizes = [input._sizes[i] for i in order]
    strides = [input._strides[i] for i in order]
    after = start + len(found)
    target = (*sizes[:start], *shape, *sizes[after:])
    source = (*strides[:start], *(0,) * len(shape), *strides[after:])
    lead, trail = (1,) * start, (1,) * (len(sizes) - after)
    operands = [(target, source)]
    for a in found:
        item = layout.contiguous_strides(a.shape)
        operands.append(((*lead, *a.shape, *trail), (*(0,) * start, *item, *(0,) * len(trail))))
    if 0 in target:  # nothing is read, so no index is out of bounds
        values = np.empty(target, array.dtype)
    else:
        values = np.ascontiguousarray(array[(slice(None),) * start + found]).reshape(target)
    return Result(values, layout.pointwise_strides(operands, target))


def _index_grad(grad: Any, input_sizes: Any, indices: Any) -> Tensor:
    return F._index_put(F.zeros(input_sizes, dtype=grad.dtype), indices, grad, True)


op(
    "_index(Tensor input, object indices)",
    kind=GENERAL, kernel=_index, family="indexing", forms="function", exact=True, moves=True, node="IndexBackward0",
    derivatives={"input": _index_grad},
)  # fmt: skip


def _index_put(
    input: Tensor, indices: Any, values: Tensor, accumulate: bool, in_place: bool = False
) -> Result:
    _check_count(input, indices)
    if not accumulate and values.numel() == 1 and _is_one_mask(indices):
        mask = _covering(indices, input)
        if in_place:
            _check_memory(input, [mask])  # not the value, which is read first
            check_memory(frozenset(("warns",)), input, (), ())  # the fill warns too
        filled = F.masked_fill(input.detach(), mask, values.detach().reshape(()))
        return Result(filled._array(), strides_for(input, None), filled._undefined_mask())
    if in_place:
        _check_memory(input, [values, *(i for i in indices if i is not None)])
    arrays, shape = _places(input, indices)
    if values.dtype is not input.dtype:
        raise RuntimeError(
            "Index put requires the source and destination dtypes match, got "
            f"{input.dtype.legacy} for the destination and {values.dtype.legacy} for the source."
        )
    _check_not_empty(input, arrays, shape)
    order, start = _grouped(arrays)
    count = sum(a is not None for a in arrays)
    sizes = [input._sizes[i] for i in order]
    target = (*sizes[:start], *shape, *sizes[start + count :])
    try:
        source = np.broadcast_to(values._array(), target)
    except ValueError:
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(values._sizes)} cannot be broadcast to indexing result of shape "
            f"{list(target)}"
        ) from None
    found = tuple(a for a in _in_bounds(input, arrays, shape) if a is not None)
    result = input._array().copy()
    if 0 in target:  # nothing is written, so no index is out of bounds
        return Result(result, strides_for(input, None), input._undefined_mask())
    moved = result.transpose(order)
    where: Any = (slice(None),) * start + found
    if accumulate:
        moved[...] = added(moved, input.dtype, where, source)
    else:
        moved[where] = source
    return Result(result, strides_for(input, None), _left_undefined(input, values, order, where, accumulate))


def _left_undefined(
    input: Tensor, values: Tensor, order: list[int], where: tuple[Any, ...], accumulate: bool
) -> np.ndarray | None:
    """Elements that were undefined and are not written, that get undefined ones, or that are written twice."""
    twice = None if accumulate else _written_twice(input._sizes, order, where)
    before, written = input._undefined_mask(), values._undefined_mask()
    if before is None and written is None:
        return twice
    undefined = np.zeros(input._sizes, np.bool_) if before is None else before.copy()
    moved = undefined.transpose(order)
    if not accumulate:
        moved[where] = False if written is None else written
    elif written is not None:
        np.logical_or.at(moved, where, written)
    return undefined if twice is None else undefined | twice


def _check_memory(input: Tensor, others: Sequence[Tensor]) -> None:
    """Refuse a source or an index on the memory that is written; warn of elements that share a place."""
    if layout.has_internal_overlap(input._sizes, input._strides):
        warnings.warn(
            "Use of index_put_ on expanded tensors is deprecated. Please clone() the tensor before performing this operation. "
            "This also applies to advanced indexing e.g. tensor[indices] = tensor",
            UserWarning,
            stacklevel=6,
        )
    for other in others:
        if layout.overlaps(input, other):
            raise RuntimeError(OVERLAP)


def _written_twice(shape: tuple[int, ...], order: list[int], where: tuple[Any, ...]) -> np.ndarray | None:
    """Elements that more than one index names: which of the values they get is left open."""
    count = np.zeros(shape, np.int32)
    np.add.at(count.transpose(order), where, 1)
    return count > 1 if (count > 1).any() else None


def _index_put_input_grad(grad: Any, indices: Any, accumulate: bool) -> Tensor:
    if accumulate:
        return grad
    return F._index_put(grad, indices, F.zeros((), dtype=grad.dtype), False)


def _is_one_mask(indices: Sequence[Tensor | None]) -> bool:
    """Whether a single mask is all there is: then one value is filled in, cast as a fill casts."""
    given = [i for i in indices if i is not None]
    return len(given) == 1 and given[0].dtype in (dtypes.bool_, dtypes.uint8)


def _covering(indices: Sequence[Tensor | None], input: Tensor) -> Tensor:
    """The mask, of as many dimensions as the input has from where it stands. Raises IndexError for a misfit."""
    position, mask = next((p, i) for p, i in enumerate(indices) if i is not None)
    if mask.dtype is dtypes.bool_:  # a fill refuses any other mask
        _places(input, indices)
    trailing = len(input._sizes) - position - len(mask._sizes)
    return mask.reshape((*mask._sizes, *(1,) * trailing))


def _index_put_in_place(input: Tensor, indices: Any, values: Tensor, accumulate: bool) -> Result:
    result = _index_put(input, indices, values, accumulate, in_place=True)
    if layout.has_internal_overlap(input._sizes, input._strides):
        result.undefined = np.ones(result.values.shape, np.bool_)
    return result


_PUT_DERIVATIVES: dict[Any, Callable[..., Any]] = {
    "input": _index_put_input_grad,
    "values": lambda grad, indices: F._index(grad, indices),
}

_PUT = "(Tensor input, Tensor?[] indices, Tensor values, bool accumulate=False)"
op(
    f"_index_put{_PUT}", kind=GENERAL, kernel=_index_put, family="indexing", forms="function", exact=True,
    node="IndexPutBackward0", derivatives=_PUT_DERIVATIVES,
)  # fmt: skip
op(
    f"_index_put_{_PUT}", kind=MUTATION, kernel=_index_put_in_place, family="indexing", forms="function inplace", exact=True,
    node="IndexPutBackward0", derivatives=_PUT_DERIVATIVES,
)  # fmt: skip


def _by_tensors(name: str) -> Callable[..., Any]:
    """What a call may name places by: tensors alone, where Python's brackets take None too."""

    def run(input: Tensor, indices: Any, values: Tensor, accumulate: bool) -> Tensor:
        if any(index is None for index in indices):
            at = next(i for i, index in enumerate(indices) if index is None)
            raise TypeError(f"expected Tensor as element {at} in argument 0, but got NoneType")
        return getattr(F, name)(input, indices, values, accumulate)

    return run


op(f"index_put{_PUT}", kind=COMPOSITE, kernel=_by_tensors("_index_put"), family="indexing", exact=True)
op(
    f"index_put_{_PUT}", kind=COMPOSITE, kernel=_by_tensors("_index_put_"), family="indexing",
    forms="function method inplace", exact=True,
)  # fmt: skip
