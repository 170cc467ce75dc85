"""Writes in place to tensors that were saved for backward, where they are allowed: the old values are kept.

Source: https://docs.pytorch.org/docs/stable/autograd.html#torch.autograd.graph.allow_mutation_on_saved_tensors
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from engine.autograd.modes import _State, no_grad
from engine.autograd.saved import saved_tensors_hooks

if TYPE_CHECKING:
    from engine.tensor import Tensor

# The missing space is torch's own.
_OUTSIDE = (
    "Trying to backward outside of the 'allow_mutation_on_saved_tensors' contextin which the graph was originally "
    "recorded."
)


class _Kept:
    """A saved tensor: itself, or a copy from before its memory was written."""

    __slots__ = ("__weakref__", "copied", "tensor")

    def __init__(self, tensor: Tensor) -> None:
        self.tensor: Tensor | None = tensor
        self.copied = False


class _Context:
    """What was saved within the block and is still needed."""

    def __init__(self) -> None:
        self._kept: weakref.WeakSet[_Kept] = weakref.WeakSet()

    def pack(self, tensor: Tensor) -> _Kept:
        kept = _Kept(tensor)
        self._kept.add(kept)
        return kept

    def unpack(self, kept: _Kept) -> Tensor:
        if _State.before_write is None or kept.tensor is None:
            raise AssertionError(_OUTSIDE)
        return kept.tensor

    def before_write(self, target: Tensor) -> None:
        """Copy what was saved of the memory that is about to be written."""
        for kept in list(self._kept):
            tensor = kept.tensor
            if tensor is not None and not kept.copied and tensor._storage is target._storage:
                with no_grad():
                    kept.tensor = tensor.clone()
                kept.copied = True

    def clear(self) -> None:
        for kept in list(self._kept):
            kept.tensor = None


@contextlib.contextmanager
def allow_mutation_on_saved_tensors() -> Iterator[Any]:
    """A block in which tensors that were saved may be written: backward within the block sees what they were.

    Raises RuntimeError inside another such block.
    """
    context = _Context()
    with saved_tensors_hooks(context.pack, context.unpack):
        if _State.before_write is not None:
            _State.before_write = None  # the block around this one ends with the error, in torch at once
            raise RuntimeError("allow_mutation_on_saved_tensors contexts cannot be nested")
        try:
            _State.before_write = context.before_write
            yield context
        finally:
            context.clear()
            _State.before_write = None
