"""The tangents of what a user's Function returns: its `jvp`, called where a level of forward-mode differentiation is open.

Source: https://docs.pytorch.org/docs/stable/notes/extending.html#forward-mode-ad
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine import dtypes, functions, signatures
from engine.autograd.modes import _State

_NO_VIEW = (
    "A custom Function's forward is returning a view (or an input as-is) but the jvp is not returning a view."
)
_NOT_IN_PLACE = (
    "An inplace custom Function is not modifying the forward mode gradients inplace. If the forward is modifying an input "
    "inplace, then the jvp function must modify the corresponding gradient inplace."
)


def give_tangents(
    layer: Any, ctx: Any, args: Sequence[Any], outputs: Sequence[Any], made: Sequence[Any]
) -> None:
    """Call `jvp` of a Function that was given tensors with tangents of a layer, and keep what it returns with the outputs.

    outputs: what `forward` returned; made: what the caller gets instead. Raises RuntimeError for tangents that are too few or
    too many, or do not share memory as their tensors do.
    """
    held = [layer.tangent(a) if signatures.is_tensor(a) else None for a in args]
    if _State.inference or all(t is None for t in held):
        return
    given = [
        functions.zeros_like(a) if t is None and signatures.is_tensor(a) and ctx.materialize_grads else t
        for a, t in zip(args, held, strict=True)
    ]
    before, _State.forward = _State.forward, layer.below
    try:
        found = ctx._forward_cls.jvp(ctx, *given)
    finally:
        _State.forward = before
    tangents = found if isinstance(found, tuple) else (found,)
    for i, t in enumerate(tangents):
        if t is not None and not signatures.is_tensor(t):
            raise RuntimeError(f"expected Variable or None (got {type(t).__name__}) for grad output {i}.")
    if len(tangents) != len(made):
        raise RuntimeError(
            f"Function's jvp returned an invalid number of forward gradients (expected {len(made)} but got {len(tangents)})"
        )
    fixed = {id(t) for t in ctx.non_differentiable}
    for i, (output, result, tangent) in enumerate(zip(outputs, made, tangents, strict=True)):
        sloped = (
            signatures.is_tensor(output) and output.dtype.category >= dtypes.FLOAT and id(output) not in fixed
        )
        if tangent is None:
            continue
        if not sloped:
            raise RuntimeError(
                f"Function's jvp returned a gradient at position {i}, but  the corresponding forward output is not a "
                "differentiable Tensor.You should return None at that position instead."
            )
        _keep(layer, ctx, args, held, output, result, tangent)


def _keep(
    layer: Any, ctx: Any, args: Sequence[Any], held: Sequence[Any], output: Any, result: Any, tangent: Any
) -> None:
    """Keep the tangent of one output, which shares memory with that of an input where the output does so."""
    own = next((t for a, t in zip(args, held, strict=True) if a is output), None)
    if any(output is t for t in ctx.dirty_tensors):
        if tangent is not own:
            raise RuntimeError(_NOT_IN_PLACE)
        return
    if output._sizes != tangent._sizes or result._view is None:
        layer.give(result, tangent)
        layer.inform(result, layer.tangent(result))
        return
    if tangent._view is None or not any(t is not None and t._storage is tangent._storage for t in held):
        raise RuntimeError(_NO_VIEW)
    layer.share(result, tangent)
