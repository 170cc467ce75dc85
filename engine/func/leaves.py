"""What a transform differentiates: leaves that stand for the arguments, and results without them.

A transform calls its function on leaves of its own. What it returns must not know of them: its history is that which the
same operations would have had on the arguments themselves, and none where nothing outside the transform requires grad.
"""

from __future__ import annotations

import copy
from typing import Any

from engine.autograd.function import BackwardCFunction, saved_by
from engine.autograd.modes import _State
from engine.autograd.node import AccumulateGrad, CopySlices, Edge, Node, gradient_edge
from engine.autograd.saved import SavedTensor, refuse_inference
from engine.history import ViewInfo
from engine.storage import VersionCounter
from engine.tensor import Tensor


def leaf_of(argument: Any) -> Tensor:
    """A leaf on the memory of an argument, which requires grad; with its tangents. Raises for what has no gradients."""
    if not isinstance(argument, Tensor):
        raise ValueError(f"Thing passed to transform API must be Tensor, got {type(argument)}")
    leaf = lifted(argument.detach())
    if _State.forward is not None:
        _State.forward.carry(argument, leaf)
    return leaf.requires_grad_()


def lifted(tensor: Tensor, counter: type[VersionCounter] = VersionCounter) -> Tensor:
    """A tensor, for an inference tensor one on its memory which is none: within a transform all are alike."""
    if not tensor._inference:
        return tensor
    made: Tensor = tensor._alias()
    made._inference, made._counter = False, counter()
    return made


class Substitution:
    """Puts arguments in the places of the leaves that stood for them, in copies of the graph.

    recorded: whether the results have a history at all.
    """

    def __init__(self, leaves: list[Tensor], arguments: list[Tensor], recorded: bool) -> None:
        self._arguments = {id(leaf): t for leaf, t in zip(leaves, arguments, strict=True)}
        self._leaves = leaves  # kept, so that no other tensor has their ids
        self._recorded = recorded
        self._nodes: dict[int, Node | None] = {}
        self._tensors: dict[int, Tensor] = {}
        self._kept: list[Any] = []

    def __call__(self, result: Any) -> Any:
        """A result as it would be without the leaves."""
        if not isinstance(result, Tensor):
            raise RuntimeError(f"Expected tensors, got unsupported type {type(result)}")
        return self._tensor(result)

    def _tensor(self, tensor: Tensor) -> Tensor:
        if id(tensor) in self._arguments:
            return self._arguments[id(tensor)]
        if id(tensor) in self._tensors:
            return self._tensors[id(tensor)]
        base = tensor._view.base if tensor._view is not None else None
        if tensor.grad_fn is None and (base is None or id(base) not in self._arguments):
            return tensor
        other = tensor._alias()
        if base is not None and id(base) in self._arguments and self._arguments[id(base)]._inference:
            other._inference, other._counter = True, None
        self._tensors[id(tensor)] = other
        self._kept.append(tensor)
        edge = self._edge((tensor.grad_fn, tensor._output_nr)) if tensor.grad_fn is not None else None
        if edge is not None:
            other._grad_fn, other._output_nr = edge
        if tensor._view is not None:
            assert base is not None
            info = ViewInfo(self._tensor(base), tensor._view.made_in, tensor._view.version)
            info.steps = tensor._view.steps
            other._view = info
        level = _State.forward
        while level is not None:
            tangent = level.tangent(tensor)
            if tangent is not None:
                level._keep(other, self._tensor(tangent))
            level = level.below
        return other

    def _edge(self, edge: Edge | None) -> Edge | None:
        if edge is None or not self._recorded:
            return None
        if isinstance(edge[0], AccumulateGrad):
            argument = self._arguments.get(id(edge[0].variable))
            return edge if argument is None else gradient_edge(argument)
        node = self._node(edge[0])
        if node is edge[0]:
            return edge  # the very edge, by which `_copied` knows that nothing has changed
        return None if node is None else (node, edge[1])

    def _requires_grad(self, edge: Edge | None) -> bool:
        """Whether an edge leads to the leaf of an argument that requires grad; of one that does only because its base does,
        the gradient goes nowhere."""
        leaf = edge[0].variable if edge is not None and isinstance(edge[0], AccumulateGrad) else None
        argument = self._arguments.get(id(leaf))
        return self._recorded and argument is not None and argument.requires_grad

    def _node(self, start: Node) -> Node | None:
        """The copy of a node, None where nothing that is left requires grad. Depth first, without recursion."""
        stack = [start]
        while stack:
            node = stack[-1]
            if id(node) in self._nodes:
                stack.pop()
                continue
            waiting = [
                edge[0]
                for edge in node.next_edges
                if edge is not None
                and not isinstance(edge[0], AccumulateGrad)
                and id(edge[0]) not in self._nodes
            ]
            if waiting:
                stack.extend(waiting)
                continue
            stack.pop()
            self._kept.append(node)
            self._nodes[id(node)] = self._copied(node)
        return self._nodes[id(start)]

    def _copied(self, node: Node) -> Node | None:
        edges = [self._edge(edge) for edge in node.next_edges]
        if all(new is old for new, old in zip(edges, node.next_edges, strict=True)):
            for kept in saved_by(node):
                _check(kept)
            return node  # made before the transform, or by what does not depend on its arguments
        if all(edge is None for edge in edges) and not any(map(self._requires_grad, node.next_edges)):
            return None
        other = copy.copy(node)
        other.next_edges = edges
        self._nodes[id(node)] = other
        if isinstance(node, CopySlices) and isinstance(other, CopySlices) and node.operation is not None:
            other.operation = copy.copy(node.operation)
            other.operation.next_edges = [edges[0], *edges[1:]]
            self._resave(other.operation)
        else:
            self._resave(other)
        return other

    def _resave(self, node: Node) -> None:
        if isinstance(node, BackwardCFunction) and node._saved:
            node._saved = [self._resaved(kept) for kept in node._saved]
        saved = getattr(node, "saved", None)
        if saved:
            node.saved = {
                name: [self._resaved(s) for s in kept] if isinstance(kept, list) else self._resaved(kept)
                for name, kept in saved.items()
            }

    def _resaved(self, kept: Any) -> Any:
        if type(kept) is not SavedTensor or kept.is_output:
            return kept
        _check(kept)
        other = copy.copy(kept)
        other.tensor = self._tensor(kept.tensor)
        other.had_history = other.tensor._grad_fn is not None
        return other


def _check(kept: Any) -> None:
    """Raise RuntimeError for an inference tensor, which the history outside of the transform would keep."""
    if type(kept) is SavedTensor:
        refuse_inference(kept.tensor)
