"""What a tensor knows of its history beside its node: the view that it is, and the hooks on its gradient."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.tensor import Tensor


Steps = tuple[Callable[["Tensor"], "Tensor"], ...]


def remade(base: Tensor, steps: Steps) -> Tensor:
    """The view that the steps make of a tensor which is laid out as the view's base."""
    for step in steps:
        base = step(base)
    return base


class ViewInfo:
    """What a view knows: its base, the mode that it was made in, and the version at which its history was read.

    steps: for a view that shows real numbers as complex ones or the reverse, how it is made from its base again, as the
    functions to call one after the other. None for any other, which `as_strided` makes.
    """

    DEFAULT, MULTI_OUTPUT, NO_GRAD, INFERENCE, FUNCTION = range(5)
    __slots__ = ("base", "made_in", "steps", "version")

    def __init__(self, base: Tensor, made_in: int, version: int) -> None:
        self.base = base
        self.made_in = made_in
        self.version = version
        self.steps: Steps | None = None

    def check_rewritable(self, view: Tensor, *, indirect: bool) -> None:
        """Raise RuntimeError where an in-place write (to the view, or `indirect` to its base) cannot be recorded.

        Source: https://docs.pytorch.org/docs/stable/tensor_view.html and the notes on grad modes.
        """
        if self.made_in == ViewInfo.DEFAULT:
            return
        node, inference = view._grad_fn, self.made_in == ViewInfo.INFERENCE
        written = "its base or another view of its base has been" if indirect else "is being"
        created = f"view {'which ' if node is not None else ''}was created in {'inference' if inference else 'no_grad'} mode"
        if node is None:
            text = f"A {created} and {written} modified inplace"
        elif self.made_in in (ViewInfo.MULTI_OUTPUT, ViewInfo.FUNCTION):
            text = f"Output {view._output_nr} of {node.operation_name()} is a view and {written} modified inplace"
        else:
            text = f"Output {view._output_nr} of {node.operation_name()} is a view of a {created} and {written} modified inplace"
        if node is None or self.made_in not in (ViewInfo.MULTI_OUTPUT, ViewInfo.FUNCTION):
            text += " in normal mode" if inference else " with grad mode enabled"
        if self.made_in == ViewInfo.MULTI_OUTPUT:
            text += (
                ". This view is the output of a function that returns multiple views. Such functions do not allow the output "
                "views to be modified inplace. You should replace the inplace operation by an out-of-place one."
            )
        elif self.made_in == ViewInfo.FUNCTION:
            text += (
                ". This view was created inside a custom Function (or because an input was returned as-is) and the autograd "
                "logic to handle view+inplace would override the custom backward associated with the custom Function, leading "
                "to incorrect gradients. This behavior is forbidden. You can fix this by cloning the output of the custom "
                "Function."
            )
        else:
            block = "inference_mode" if inference else "no_grad"
            text += (
                ". Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving "
                f"both the view and the inplace either both inside the {block} block (if you don't want the inplace to be "
                "tracked) or both outside (if you want the inplace to be tracked)."
            )
        raise RuntimeError(text)


_handles = itertools.count()


class RemovableHandle:
    """What registering a hook returns: `remove()` takes the hook away again."""

    def __init__(self, hooks: dict[int, Any]) -> None:
        self._hooks, self.id = hooks, next(_handles)

    def remove(self) -> None:
        """Take the hook away; a second call does nothing."""
        self._hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


def attach(hooks: dict[int, Any], value: Any, *, prepend: bool = False) -> RemovableHandle:
    """Put a value behind (or before) those that are there, under a number that no other hook ever had."""
    handle = RemovableHandle(hooks)
    others = dict(hooks) if prepend else {}
    if prepend:
        hooks.clear()
    hooks[handle.id] = value
    hooks.update(others)
    return handle
