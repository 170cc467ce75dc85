"""What users may look at and hang onto the graph (`torch.autograd.graph`).

Source: https://docs.pytorch.org/docs/stable/autograd.html#autograd-graph
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from engine import signatures
from engine.autograd.modes import _State
from engine.autograd.mutation import allow_mutation_on_saved_tensors
from engine.autograd.node import Node
from engine.autograd.roots import GradientEdge, get_gradient_edge, node_of
from engine.autograd.saved import disable_saved_tensors_hooks, save_on_cpu, saved_tensors_hooks
from engine.history import RemovableHandle
from engine.writes import bump_version


def increment_version(tensor: Any) -> None:
    """Count a write to one tensor or to several, that nothing else noticed; not to inference tensors.

    Raises RuntimeError for what is no tensor.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.graph.increment_version.html
    """
    tensors: Iterable[Any] = (tensor,) if signatures.is_tensor(tensor) else tensor
    if not isinstance(tensors, Iterable):
        raise RuntimeError("increment_version expect a Iterable[Tensor] as input")
    for t in tensors:
        if not signatures.is_tensor(t):
            raise RuntimeError("increment_version expects each element of the iterable to be a tensor")
        if not t._inference:
            bump_version(t)


class _MultiHandle(RemovableHandle):
    """Takes several hooks away at once."""

    def __init__(self, handles: Sequence[RemovableHandle]) -> None:
        self.handles = tuple(handles)

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()


def register_multi_grad_hook(
    tensors: Sequence[Any], fn: Callable[..., Any], *, mode: str = "all"
) -> RemovableHandle:
    """Call `fn(grads)` in a backward pass once the gradients of all tensors are there that it computes, None for others.

    With mode "any", `fn(grad)` is called with the first gradient that is there. Raises ValueError for another mode, and
    AssertionError (mode "all") for a tensor that does not require grad.

    Source: https://docs.pytorch.org/docs/stable/autograd.html#torch.autograd.graph.register_multi_grad_hook
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of {('all', 'any')} but got {mode}")
    if mode == "all":
        return _MultiHandle(_after_all(tensors, fn))
    called: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()

    @functools.wraps(fn)
    def first(grad: Any) -> None:
        if not called.get(_State.task):
            called[_State.task] = True
            fn(grad)

    return _MultiHandle([t.register_hook(first) for t in tensors if t.requires_grad])


def _after_all(tensors: Sequence[Any], fn: Callable[..., Any]) -> list[RemovableHandle]:
    """Hooks that count the gradients of a backward pass; the last one calls `fn`."""
    nodes = list(map(node_of, tensors))
    arrived: WeakKeyDictionary[Any, tuple[int, dict[int, Any]]] = WeakKeyDictionary()

    def note(index: int, grad: Any) -> None:
        task = _State.task
        if task not in arrived:
            arrived[task] = sum(map(task.executes, nodes)), {}
        expected, grads = arrived[task]
        grads[index] = grad
        if len(grads) == expected:
            del arrived[task]
            fn([grads.get(i) for i in range(len(nodes))])

    return [t.register_hook(functools.partial(note, i)) for i, t in enumerate(tensors)]


__all__ = [
    "GradientEdge", "Node", "allow_mutation_on_saved_tensors", "disable_saved_tensors_hooks", "get_gradient_edge",
    "increment_version", "register_multi_grad_hook", "save_on_cpu", "saved_tensors_hooks",
]  # fmt: skip
