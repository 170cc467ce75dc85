"""What users may look at and hang onto the graph (`torch.autograd.graph`).

Source: https://docs.pytorch.org/docs/stable/autograd.html#autograd-graph
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from engine import signatures
from engine.autograd.mutation import allow_mutation_on_saved_tensors
from engine.autograd.node import Node
from engine.autograd.roots import GradientEdge, get_gradient_edge
from engine.autograd.saved import disable_saved_tensors_hooks, save_on_cpu, saved_tensors_hooks


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
            t._counter.value += 1


__all__ = [
    "GradientEdge", "Node", "allow_mutation_on_saved_tensors", "disable_saved_tensors_hooks", "get_gradient_edge",
    "increment_version", "save_on_cpu", "saved_tensors_hooks",
]  # fmt: skip
