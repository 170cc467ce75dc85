"""Reading and writing where a mask is true, and where elements are not zero.

Sources: https://docs.pytorch.org/docs/stable/generated/torch.masked_select.html, torch.Tensor.masked_fill_.html,
torch.Tensor.masked_scatter_.html and torch.nonzero.html
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes, layout
from engine import functions as F
from engine.casts import checked_number
from engine.ops.places import FRESH
from engine.registry import COMPOSITE, GENERAL, op
from engine.results import Result
from engine.tensor import Tensor


def _bool_mask(name: str, mask: Tensor) -> np.ndarray:
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError(f"{name}: expected BoolTensor for mask")
    return mask._array()


def _masked_select(input: Tensor, mask: Tensor) -> Any:
    marks = _bool_mask("masked_select", mask)
    shape = layout.broadcast_two(input._sizes, mask._sizes)
    return np.broadcast_to(input._array(), shape)[np.broadcast_to(marks, shape)]


op(
    "masked_select(Tensor input, Tensor mask)",
    kind=GENERAL, kernel=_masked_select, family="indexing", forms="function method out", exact=True, moves=True, memory=FRESH,
    out_dtype_error="masked_select(): self and result must have the same scalar type",
    derivatives={
        "input": lambda grad, input, mask: F.zeros(
            layout.broadcast_two(input._sizes, mask._sizes), dtype=grad.dtype
        ).masked_scatter(mask, grad)
    },
)  # fmt: skip


def _masked_fill(input: Tensor, mask: Tensor, value: Any) -> Result:
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError(
            f"masked_fill_ only supports boolean masks, but got mask with dtype {mask.dtype!r}"
        )
    if isinstance(value, Tensor):
        if value._sizes:
            raise RuntimeError(
                f"masked_fill_ only supports a 0-dimensional value tensor, but got tensor with {len(value._sizes)} dimension(s)."
            )
        value = value.item()
    shape = layout.broadcast_two(input._sizes, mask._sizes)
    filled = np.where(mask._array(), checked_number(value, input.dtype), input._array()).astype(
        input.dtype.numpy, copy=False
    )
    return Result(np.array(np.broadcast_to(filled, shape)))


for _value, _node in (("Tensor value", "MaskedFillBackward1"), ("Number value", "MaskedFillBackward0")):
    op(
        f"masked_fill(Tensor input, Tensor mask, {_value})",
        kind=GENERAL, kernel=_masked_fill, family="indexing", forms="function method inplace-method", exact=True, node=_node,
        memory="warns mask",
        derivatives={
            "input": lambda grad, mask: grad.masked_fill(mask, 0),
            **({"value": lambda grad, mask: F.where(mask, grad, 0).sum()} if "Tensor" in _value else {}),
        },
    )  # fmt: skip


def _masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Result:
    if mask.dtype is not dtypes.bool_:
        raise RuntimeError(
            f"masked_scatter_ only supports boolean masks, but got mask with dtype {mask.dtype.legacy}"
        )
    if input.dtype is not source.dtype:
        raise RuntimeError(
            "masked_scatter: expected self and source to have same dtypes but got "
            f"{input.dtype.legacy} and {source.dtype.legacy}"
        )
    shape = layout.broadcast_two(input._sizes, mask._sizes)
    marks = np.broadcast_to(mask._array(), shape)
    values = np.array(np.broadcast_to(input._array(), shape))
    count = int(marks.sum())
    if count > source.numel():
        raise RuntimeError(
            "masked_scatter: expected number of elements of source to be at least the number of ones in mask"
        )
    values[marks] = source._array().reshape(-1)[:count]
    return Result(values)


def _masked_scatter_source_grad(grad: Any, mask: Any, source_sizes: Any) -> Tensor:
    taken = grad.masked_select(mask)
    missing = layout.numel(source_sizes) - taken.numel()
    if missing > 0:
        taken = F.cat([taken, F.zeros((missing,), dtype=grad.dtype)])
    return taken.view(source_sizes)


op(
    "masked_scatter(Tensor input, Tensor mask, Tensor source)",
    kind=GENERAL, kernel=_masked_scatter, family="indexing", forms="function method inplace-method", exact=True,
    memory="internal mixes-others",
    derivatives={
        "input": lambda grad, mask: grad.masked_fill(mask, 0),
        "source": lambda grad, mask, source_sizes: _masked_scatter_source_grad(grad, mask, source_sizes),
    },
)  # fmt: skip

# -------------------------------------------------------------------------------------------------------------- nonzero


def _nonzero(input: Tensor) -> Result:
    if input._sizes:
        places = np.argwhere(input._array() != 0).astype(np.int64)
    else:
        places = np.zeros((int(bool(input._array() != 0)), 0), np.int64)
    # torch writes one column per dimension: the result's columns are contiguous.
    return Result(places, (1, places.shape[0]))


op("_nonzero(Tensor input)", kind=GENERAL, kernel=_nonzero, family="indexing", forms="function out", exact=True)  # fmt: skip


def _nonzero_form(input: Tensor, as_tuple: bool = False) -> Any:
    """Where the elements are not zero: one row each, or with `as_tuple` one index tensor per dimension."""
    if as_tuple:
        return F.unbind(F._nonzero(input if input._sizes else input.reshape(1)), 1)
    return F._nonzero(input)


op(
    "nonzero(Tensor input)",
    kind=COMPOSITE, kernel=_nonzero_form, family="indexing", forms="function method out", exact=True,
    out_dtype_error="nonzero: Expected out tensor to have scalar type {result} but got scalar type{out}",
)  # fmt: skip
op(
    "nonzero(Tensor input, *, bool as_tuple)",
    kind=COMPOSITE, kernel=_nonzero_form, family="indexing", forms="function method", exact=True,
)  # fmt: skip
op("argwhere(Tensor input)", kind=COMPOSITE, kernel=lambda input: F._nonzero(input), family="indexing", exact=True)  # fmt: skip
