"""`x[...]` and `x[...] = v`: basic indexing makes views, advanced indexing copies or writes.

Source: https://docs.pytorch.org/docs/stable/tensor_view.html and the indexing API that torch shares with NumPy,
https://docs.pytorch.org/cppdocs/notes/tensor_indexing.html
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from engine import dtypes, signatures
from engine import functions as F
from engine.casts import scalar_number
from engine.tensor import Tensor, fresh

_ALLOWED = "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices"


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
    # A single int or slice of a 0-dim tensor has an error of its own.
    alone = len(items) == 1 and isinstance(items[0], (int, np.integer, slice))
    if wanted > len(x._sizes) and not alone:
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
        if type(number) is int and not -(1 << 63) <= number < 1 << 63:
            raise ValueError("Overflow when unpacking long long")
    if index is False:
        return
    items = _as_tuple(index)
    if not isinstance(value, Tensor):
        value = fresh(scalar_number(number, x.dtype), x.dtype)
    if len(items) == 1 and items[0] is True:
        items = (None,)
    result, tensors = _apply_basic(x, items, writing=True)
    if not tensors:
        _copy_to(result, value)
        return
    sizes = _without_leading_ones(value._sizes)
    F._index_put_(result, tensors, value if sizes == value._sizes else value.view(sizes))


def _type_name(value: Any) -> str:
    return "numpy.ndarray" if isinstance(value, np.ndarray) else type(value).__name__


def _without_leading_ones(sizes: tuple[int, ...]) -> tuple[int, ...]:
    lead = 0
    while lead < len(sizes) and sizes[lead] == 1:
        lead += 1
    return sizes[lead:]


def _copy_to(target: Tensor, value: Tensor) -> None:
    if target._sizes == value._sizes:
        target.copy_(value)
    elif not value._sizes:
        target.fill_(value)
    else:
        part = value.view(
            _without_leading_ones(value._sizes)
        )  # a node of the graph also where there is none to leave out
        target.copy_(part if part._sizes == target._sizes else part.expand(target._sizes))


F.getitem = getitem
F.setitem = setitem
