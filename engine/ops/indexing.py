"""`x[...]` and `x[...] = v`: basic indexing makes views, advanced indexing copies or writes.

Source: https://docs.pytorch.org/docs/stable/tensor_view.html and the indexing API that torch shares with NumPy,
https://docs.pytorch.org/cppdocs/notes/tensor_indexing.html
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine import dtypes, layout, signatures
from engine import functions as F
from engine.casts import checked_number
from engine.ops.memory import strides_for
from engine.ops.places import added
from engine.registry import GENERAL, MUTATION, op
from engine.results import Result
from engine.tensor import Tensor
from engine.writes import OVERLAP, check_memory

_ALLOWED = "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices"


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
        shape = np.broadcast_shapes(*(a.shape for a in given))
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
    return F.zeros(input_sizes, dtype=grad.dtype).index_put(indices, grad, True)


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
        return Result(result, strides_for(input, None))
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
    return grad.index_put(indices, F.zeros((), dtype=grad.dtype), False)


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

op(
    "index_put(Tensor input, Tensor?[] indices, Tensor values, bool accumulate=False)",
    kind=GENERAL, kernel=_index_put, family="indexing", exact=True, derivatives=_PUT_DERIVATIVES,
)  # fmt: skip
op(
    "index_put_(Tensor input, Tensor?[] indices, Tensor values, bool accumulate=False)",
    kind=MUTATION, kernel=_index_put_in_place, family="indexing", forms="function method inplace", exact=True,
    node="IndexPutBackward0", derivatives=_PUT_DERIVATIVES,
)  # fmt: skip


# --------------------------------------------------------------------------------------------------- Python's brackets


def _as_tuple(index: Any) -> tuple[Any, ...]:
    """The indices one by one. A list that holds slices, lists or tensors still counts as a tuple, with a warning."""
    if isinstance(index, tuple):
        return index
    if isinstance(index, list) and len(index) < 32 and any(_is_composed(i) for i in index):
        warnings.warn(
            "Using a non-tuple sequence for multidimensional indexing is deprecated and will be changed in pytorch 2.9; use "
            "x[tuple(seq)] instead of x[seq]. In pytorch 2.9 this will be interpreted as tensor index, "
            "x[torch.tensor(seq)], which will result either in an error or a different result",
            UserWarning,
            stacklevel=5,
        )
        return tuple(index)
    return (index,)


def _is_composed(item: Any) -> bool:
    return item is None or item is Ellipsis or isinstance(item, (Tensor, list, tuple, slice, np.ndarray))


def _consumed(item: Any) -> int:
    """How many dimensions of the input an index uses up."""
    if item is None or item is Ellipsis or isinstance(item, (bool, np.bool_)):
        return 0
    if isinstance(item, Tensor) and item.dtype in (dtypes.bool_, dtypes.uint8):
        return len(item._sizes)
    return 1


def _apply_basic(
    x: Tensor, items: tuple[Any, ...], *, writing: bool = False
) -> tuple[Tensor, list[Tensor | None]]:
    """Select, slice and unsqueeze as the basic indices say; what remains are the tensor indices by dimension."""
    wanted = sum(_consumed(i) for i in items)
    if wanted > len(x._sizes) and not (len(items) == 1 and isinstance(items[0], slice)):
        raise IndexError(f"too many indices for tensor of dimension {len(x._sizes)}")
    dim = 0
    tensors: list[Tensor | None] = []

    def note(index: Tensor) -> None:
        tensors.extend([None] * (dim + 1 - len(tensors)))
        tensors[dim] = index

    result = x
    for position, item in enumerate(items):
        if isinstance(item, (bool, np.bool_)):
            result = F.unsqueeze(result, dim)
            note(_all_or_nothing(bool(item)))
            dim += 1
        elif isinstance(item, (int, np.integer)):
            result = _select(result, dim, int(item), x, position)
        elif isinstance(item, slice):
            # Among other indices, and in an assignment, a slice of everything is left out; alone it makes a view of its own.
            if (len(items) == 1 and not (writing and x._sizes)) or not _is_full(item, result._sizes[dim]):
                result = _slice(result, dim, item)
            dim += 1
        elif item is Ellipsis:
            dim += len(x._sizes) - wanted
        elif item is None:
            result = F.unsqueeze(result, dim)
            dim += 1
        else:
            index = _tensor_index(item)
            if (
                not index._sizes
                and index.dtype.category == dtypes.INTEGER
                and index.dtype is not dtypes.uint8
            ):
                result = _select(result, dim, int(index.item()), x, position)
                continue
            if not index._sizes and index.dtype in (dtypes.bool_, dtypes.uint8):
                result = F.unsqueeze(result, dim)
                note(_all_or_nothing(bool(index.item())))
            else:
                note(index)
                # A mask takes the place of all the dimensions that it covers.
                if index.dtype in (dtypes.bool_, dtypes.uint8):
                    dim += len(index._sizes) - 1
            dim += 1
    return result, tensors


def _all_or_nothing(chosen: bool) -> Tensor:
    """The index of a new dimension of size 1 that a single bool stands for."""
    return F.zeros(1 if chosen else 0, dtype=dtypes.int64)


def _tensor_index(item: Any) -> Tensor:
    if isinstance(item, Tensor):
        return item
    if isinstance(item, np.ndarray):
        return F.tensor(item)
    if isinstance(item, str):
        raise TypeError("new(): invalid data type 'str'")
    if isinstance(item, (list, tuple, range)):
        if len(item) == 0:
            return F.tensor([], dtype=dtypes.int64)
        return F.tensor(list(item))
    raise IndexError(f"{_ALLOWED} (got {type(item).__name__})")


def _select(x: Tensor, dim: int, index: int, original: Tensor, position: int) -> Tensor:
    """`position` is the place of the index among all indices: torch's error text calls it the dimension."""
    if not original._sizes:
        raise IndexError(
            "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a 0-dim "
            "tensor to a number"
        )
    size = x._sizes[dim]
    if not -size <= index < size:
        raise IndexError(f"index {index} is out of bounds for dimension {position} with size {size}")
    return F.select(x, dim, index)


def _slice(x: Tensor, dim: int, item: slice) -> Tensor:
    bounds = [None if b is None else _bound(b) for b in (item.start, item.stop, item.step)]
    start, stop, step = bounds
    if step is not None and step <= 0:
        raise ValueError("slice step cannot be zero" if step == 0 else "step must be greater than zero")
    if not x._sizes:
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    return F._slice(x, dim, start, stop, 1 if step is None else step)


def _is_full(item: slice, size: int) -> bool:
    return item.start in (None, 0) and (item.stop is None or item.stop == size) and item.step in (None, 1)


def _bound(value: Any) -> int:
    try:
        return value.__index__()
    except AttributeError:
        raise TypeError("slice indices must be integers or None or have an __index__ method") from None


def getitem(x: Tensor, index: Any) -> Tensor:
    """`x[index]`: a view for ints, slices, `...` and None; a copy where a tensor, list or bool takes part."""
    items = _as_tuple(index)
    first = items[0] if len(items) == 1 else None
    if not x._sizes and isinstance(first, (int, np.integer)) and not isinstance(first, (bool, np.bool_)):
        return _select(x, 0, int(first), x, 0)
    result, tensors = _apply_basic(x, items)
    if tensors:
        return F._index(result, tensors)
    return F.alias(x) if result is x else result


def setitem(x: Tensor, index: Any, value: Any) -> None:
    """`x[index] = value`: writes the elements in place. Raises TypeError for a value that is no tensor and no number."""
    if not isinstance(value, Tensor):
        number = signatures.as_number(value)
        if number is signatures.MISSING:
            raise TypeError(f"can't assign a {_type_name(value)} to a {x.type()}")
    if index is False:
        return
    items = _as_tuple(index)
    if not isinstance(value, Tensor):
        value = Tensor._fresh(checked_number(number, x.dtype), x.dtype)
    if len(items) == 1 and items[0] is True:
        items = (None,)
    result, tensors = _apply_basic(x, items, writing=True)
    if not tensors:
        _copy_to(result, value)
        return
    F.index_put_(result, tensors, _without_leading_ones(value))


def _type_name(value: Any) -> str:
    return "numpy.ndarray" if isinstance(value, np.ndarray) else type(value).__name__


def _without_leading_ones(value: Tensor) -> Tensor:
    lead = 0
    while lead < len(value._sizes) and value._sizes[lead] == 1:
        lead += 1
    return value.view(value._sizes[lead:]) if lead else value


def _copy_to(target: Tensor, value: Tensor) -> None:
    if target._sizes == value._sizes:
        target.copy_(value)
    elif not value._sizes:
        target.fill_(value)
    else:
        target.copy_(_without_leading_ones(value).expand(target._sizes))


F.getitem = getitem
F.setitem = setitem
