"""Writes to memory that exists: what forbids them, what they leave undefined, and what they change beside the values."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from engine import dtypes, layout, promotion
from engine.autograd.modes import _State
from engine.autograd.node import CopySlices, Node
from engine.casts import cast
from engine.dtypes import dtype
from engine.precision import _Mode, undefined
from engine.registry import Op
from engine.results import Result
from engine.tensor import Tensor, fresh


def check_inplace(target: Tensor, recorded: bool) -> None:
    """Raise RuntimeError where autograd forbids writing to a tensor.

    Source: https://docs.pytorch.org/docs/stable/notes/autograd.html#in-place-operations-with-autograd
    """
    if _State.before_write is not None:
        _State.before_write(target)
    if not recorded:
        return
    view = target._view
    if view is not None:
        view.check_rewritable(target, indirect=False)
        if target.requires_grad and view.base.is_leaf:
            raise RuntimeError(
                "a view of a leaf Variable that requires grad is being used in an in-place operation."
            )
    if target.requires_grad and target.is_leaf:
        raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")


INTERNAL_OVERLAP = (
    "unsupported operation: more than one element of the written-to tensor refers to a single memory location. Please "
    "clone() the tensor before performing the operation."
)
OVERLAP = (
    "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory location. "
    "Please clone() the tensor before performing the operation."
)


def check_memory(
    rules: frozenset[str], target: Tensor, first: Sequence[Tensor], others: Sequence[Tensor]
) -> None:
    """Raise RuntimeError where a write has no single meaning, as far as an operation's `memory` rules look.

    first: the operand that `out=` or an in-place form may stand for; others: the further operands.
    """
    if "warns" in rules and layout.has_internal_overlap(target._sizes, target._strides):
        warnings.warn(
            "Writing in place to an expanded tensor is deprecated. Please clone() the tensor before performing this operation. "
            "This also applies to advanced indexing e.g. tensor[mask] = scalar",
            UserWarning,
            stacklevel=5,
        )
    if "internal" in rules and layout.has_internal_overlap(target._sizes, target._strides):
        raise RuntimeError(INTERNAL_OVERLAP)
    if target._storage not in [t._storage for t in (*first, *others)]:
        return
    if "partial" in rules and any(layout.overlaps_partly(target, t) for t in (*first, *others)):
        raise RuntimeError(OVERLAP)
    if "mask" in rules and layout.overlaps_partly(target, others[0]):
        raise RuntimeError(OVERLAP)
    if "others" in rules and any(layout.overlaps(target, t) for t in others):
        raise RuntimeError(OVERLAP)
    if "first" in rules and any(layout.overlaps(target, t) for t in first):
        raise RuntimeError(OVERLAP)


def depending_on_order(
    rules: frozenset[str], result: Result, target: Tensor, first: Sequence[Tensor], others: Sequence[Tensor]
) -> Result:
    """The result, undefined where a target lies across an operand: what is read then depends on what was written first.

    torch refuses what it can tell cheaply; for the rest it promises nothing. An operand that is the target itself is read
    before each of its elements is written, unless the operation mixes elements, as products of matrices do.
    """
    if target._storage not in [t._storage for t in (*first, *others)]:
        mixed = ("mixes-others" in rules or "warns" in rules) and layout.has_internal_overlap(
            target._sizes, target._strides
        )
    else:
        mixed = bool(_across(rules, target, first, others))
    if mixed or (result.values.size > 1 and not layout.is_injective(target._sizes, target._strides)):
        result.undefined = np.ones(result.values.shape, np.bool_)
    return result


def _across(
    rules: frozenset[str], target: Tensor, first: Sequence[Tensor], others: Sequence[Tensor]
) -> list[Tensor]:
    """The operands that a target lies across."""
    return [
        t
        for word, operands in (("mixes-first", first), ("mixes-others", others))
        for t in operands
        if t._storage is target._storage
        and (word in rules or (t is not target and t._layout != target._layout))
        and np.shares_memory(t._array(), target._array())
    ]


def read_while_written(
    op: Op, values: list[Any], tensors: list[Tensor], target: Tensor, inplace: bool
) -> tuple[list[Any], list[Tensor]]:
    """The values and operands of a call that writes to a target. Operands that it lies across are anything, where the mode has
    that, unless the operation itself compares their memory with the target's; the target itself is read before each of its
    elements is written."""
    if (
        _Mode.random is None
        or op.sees_out
        or not any(t._storage is target._storage for t in tensors[inplace:])
    ):
        return values, tensors
    across = _across(op.memory, target, () if inplace else tensors[:1], tensors[1:])
    made = {id(t): fresh(undefined(np.zeros(t._sizes, t.dtype.numpy)), t.dtype) for t in across}
    if inplace:
        made[id(target)] = target
    return [made.get(id(v), v) for v in values], [made.get(id(t), t) for t in tensors]


LOST_GRADIENT = (
    "(): functions with out=... arguments don't support automatic differentiation, but one of the arguments "
    "requires grad."
)


def refuse_lost_gradient(name: str, tensors: Sequence[Tensor]) -> None:
    """Raise RuntimeError where an `out=` form would lose a gradient."""
    if _State.grad and any(t.requires_grad for t in tensors):
        raise RuntimeError(name + LOST_GRADIENT)


def has_tangent(tensors: Iterable[Tensor]) -> bool:
    """Whether forward mode differentiates one of these tensors."""
    level = None if _State.inference else _State.forward
    known = tuple(tensors)
    while level is not None:
        if any(level.tangent(t) is not None for t in known):
            return True
        level = level.below
    return False


def refuse_dual_out(name: str, out: Tensor) -> None:
    """Raise where a factory would write over a tensor with a tangent, which it cannot make zero."""
    if has_tangent([out]):
        if name in ("empty", "randn"):  # which resize as one step of its own
            raise RuntimeError("cannot resize variables that has a forward grad")
        raise NotImplementedError(f"Trying to use forward AD with aten::{name} that does not support it.")


def ask_history(values: list[Any]) -> None:
    """Look at the first operand's history as an operation does that records. Raises RuntimeError for a view whose base was
    written in a way that leaves it none."""
    if _State.grad and not _State.inference and values[0].requires_grad:
        _ = values[0].grad_fn


def require_shape(target: Tensor, shape: layout.Shape) -> None:
    if shape != target._sizes:
        raise RuntimeError(
            f"output with shape {list(target._sizes)} doesn't match the broadcast shape {list(shape)}"
        )


def require_out_dtype(op: Op, source: dtype, target: Tensor) -> None:
    """Raise RuntimeError where an operation that never casts into `out` is given one of another dtype."""
    if op.out_dtype_error is not None and source is not target.dtype:
        names = {"out": target.dtype.legacy, "result": source.legacy}
        c_names = {"c_out": dtypes.C_NAMES[target.dtype], "c_result": dtypes.C_NAMES[source]}
        raise RuntimeError(op.out_dtype_error.format(**names, **c_names))


def require_castable(source: dtype, target: Tensor) -> None:
    """Raise RuntimeError where a result may not be written to a tensor: its dtype is of a lower category."""
    if not promotion.can_cast(source, target.dtype):
        raise RuntimeError(
            f"result type {source.legacy} can't be cast to the desired output type {target.dtype.legacy}"
        )


def write(target: Tensor, result: Result) -> None:
    """Put values into a tensor's memory, cast to its dtype. Raises RuntimeError for a lower category."""
    source = result.dtype or dtypes.BY_NUMPY[result.values.dtype]
    require_castable(source, target)
    values, lost = cast(result.values, target.dtype, source)
    storage = target._storage
    target._array()[...] = values
    if storage.mirror is not None:
        storage.flush()
    if result.narrow:
        storage.accurate = False
    undefined = result.undefined if lost is None else lost
    if storage.reread and target.dtype.category >= dtypes.FLOAT and (nan := np.isnan(values)).any():
        undefined = nan if undefined is None else undefined | nan  # whose bits are open, as in a view
    if undefined is not None or storage.undefined is not None:
        target._mark_undefined(False if undefined is None else undefined)


def bump_version(target: Tensor, operands: Sequence[Tensor] = ()) -> None:
    """Count a write, but none in inference mode where only inference tensors are at work.

    Raises RuntimeError for an inference tensor outside inference mode, which has been written by then.
    """
    if _State.inference and target._inference and all(t._inference for t in operands):
        return
    if target._counter is not None:
        target._counter.value += 1
    elif not _State.inference:
        raise RuntimeError(
            "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to get a "
            "normal tensor before doing inplace update.See https://github.com/pytorch/rfcs/pull/17 for more details."
        )


def rebase_history(target: Tensor, node: Node) -> None:
    """Make a node the history of a tensor that was written in place, and of its base if it is a view."""
    view = target._view
    output_nr = len(node._input_metadata)
    node._input_metadata.append((target._sizes, target.dtype))
    if view is None:
        target._set_history(node, output_nr)
        return
    base = view.base
    slices = CopySlices(base, target, node)
    slices._input_metadata.append((base._sizes, base.dtype))
    base._set_history(slices, 0)
    view.version = -1  # whatever was read since the write, it was not this history
    target.grad_fn  # noqa: B018 - the read regenerates the view's history


def write_result(
    target: Tensor, result: Result, rules: frozenset[str], first: Sequence[Tensor], others: Sequence[Tensor]
) -> None:
    """Write to an `out=` tensor, which takes the result's shape and layout if it had another shape.

    That comes with a warning if it had elements.
    """
    if resize_output(target, result.values.shape) and result.strides is not None:
        target._strides = result.strides
    # It may lie across an operand only now that it has its size.
    write(target, depending_on_order(rules, result, target, first, others))
    bump_version(target, (*first, *others))


def resize_output(target: Tensor, shape: layout.Shape) -> bool:
    """Give an `out=` tensor the result's shape, with a warning if it had elements of another. Returns whether it had."""
    if target._sizes == shape:
        return False
    warn_of_resize(target, shape)
    target._resize(shape)
    return True


def warn_of_resize(target: Tensor, shape: layout.Shape) -> None:
    if layout.numel(target._sizes):
        warnings.warn(
            f"An output with one or more elements was resized since it had shape {list(target._sizes)}, which does not "
            f"match the required output shape {list(shape)}. This behavior is deprecated, and in a future PyTorch "
            "release outputs will not be resized unless they have zero elements. You can explicitly reuse an out "
            "tensor t by resizing it, inplace, to zero elements with t.resize_(0).",
            UserWarning,
            stacklevel=5,
        )
