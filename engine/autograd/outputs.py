"""What becomes of the tensors that a user's Function returns: views of inputs, rewritten histories, detached ones.

Source: https://docs.pytorch.org/docs/stable/notes/extending.html
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from engine import dtypes, signatures
from engine.autograd.modes import no_grad
from engine.autograd.node import Node
from engine.history import ViewInfo


def wrap_outputs(
    node: Node | None, ctx: Any, inputs: Sequence[Any], outputs: Sequence[Any], saved: Sequence[Any]
) -> tuple[Any, ...]:
    """The outputs with the node as their history, or without one where nothing is recorded (None).

    saved: what `setup_context` keeps for backward. Raises RuntimeError for inputs that were written in place and are not
    returned, or may not be written.
    """
    dirty = _marked(ctx.dirty_tensors, "mark_dirty can only accept variables, but argument ")
    for t in ctx.dirty_tensors:
        if t._counter is not None:
            t._counter.value += 1
    fixed = _marked(
        ctx.non_differentiable, "mark_non_differentiable only accepts variable arguments, but got "
    )
    given, kept = {id(t) for t in inputs}, {id(t) for t in saved}
    made: list[Any] = []
    sloped = 0
    for t in outputs:
        if not signatures.is_tensor(t):
            if node is not None:
                node._input_metadata.append(((), None))
            made.append(t)
            continue
        is_input, is_dirty = id(t) in given, id(t) in dirty
        differentiable = node is not None and id(t) not in fixed and t.dtype.category >= dtypes.FLOAT
        if is_dirty and not is_input:
            warnings.warn(
                "ctx.mark_dirty() received a tensor that was not an input. Only input Tensors that have been mutated should be "
                "passed to ctx.mark_dirty().",
                UserWarning,
                stacklevel=3,
            )
        if node is not None and differentiable:
            result = _recorded(node, t, is_input, is_dirty, len(outputs), id(t) in kept)
        else:
            if node is not None:
                node._input_metadata.append((t._sizes, t.dtype))
            result = _unrecorded(t, is_input, is_dirty)
        sloped += differentiable
        if not (is_input and is_dirty) and result._view is not None:
            result._view.made_in = ViewInfo.FUNCTION
        made.append(result)
    if sloped > 1:
        for t in made:
            if signatures.is_tensor(t) and t._view is not None:
                t._view.made_in = ViewInfo.MULTI_OUTPUT
    if dirty - {id(t) for t in outputs}:
        raise RuntimeError(
            "Some elements marked as dirty during the forward method were not returned as output. The inputs that are modified "
            "inplace must all be outputs of the Function."
        )
    return tuple(made)


def _marked(tensors: Sequence[Any], complaint: str) -> set[int]:
    if not all(map(signatures.is_tensor, tensors)):
        raise RuntimeError(complaint)
    return {id(t) for t in tensors}


def _recorded(node: Node, t: Any, is_input: bool, is_dirty: bool, count: int, is_saved: bool) -> Any:
    """An output as output of the node: itself, or, for an input that is not marked as dirty, a view of it."""
    if is_dirty:
        from engine.writes import check_inplace, rebase_history  # which needs tensors, and they need nodes

        _check_writable(t, count)
        check_inplace(t, True)
        t._grad = t._hooks = None
        rebase_history(t, node)
        return t
    if is_input:
        if is_saved:
            raise RuntimeError(
                "An input that has been returned as-is as output is being saved for backward. This is not supported if you "
                "override setup_context. You should return and save a view of the input instead, e.g. with x.view_as(x) or "
                "setup ctx inside the forward function itself."
            )
        with no_grad():
            t = t.view_as(t)
    output_nr = len(node._input_metadata)
    node._input_metadata.append((t._sizes, t.dtype))
    t._set_history(node, output_nr)
    if t._view is not None:
        t._view.version = t._version
    return t


def _check_writable(t: Any, count: int) -> None:
    if t._grad_fn is None and t.requires_grad:
        raise RuntimeError("a leaf Variable that requires grad has been used in an in-place operation.")
    if t._view is not None and count > 1:
        raise RuntimeError(
            "If your Function modifies inplace an input that is a view of another Tensor, your Function cannot return more "
            "than one Tensor. This is not supported by the current autograd engine. You should either make sure the input is "
            "not a view (using .clone() for example) or make your Function only return one Tensor (potentially splitting it "
            "into two Functions: one doing the inplace that returns a single Tensor and a second one that does the other "
            "operations). You can ask on the forum https://discuss.pytorch.org/ if you need help to do this change."
        )


def _unrecorded(t: Any, is_input: bool, is_dirty: bool) -> Any:
    """An output without history: an input becomes a view of itself, or is detached where it requires grad."""
    if not t.requires_grad:
        if not is_input or is_dirty:
            return t
        with no_grad():
            return t.view_as(t)
    if is_input:
        return t.detach()
    return t if t._view is not None else t.detach_()
