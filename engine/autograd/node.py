"""The graph that backward walks: nodes, edges, saved tensors, accumulation into leaves, and views written in place.

Sources: https://docs.pytorch.org/docs/stable/notes/autograd.html and
https://docs.pytorch.org/docs/stable/autograd.html
"""

from __future__ import annotations

import itertools
import re
import warnings
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from engine import layout
from engine.autograd.anomaly import note_forward
from engine.autograd.modes import _State
from engine.history import RemovableHandle, attach, remade

if TYPE_CHECKING:
    from engine.tensor import Tensor

Edge = tuple["Node", int]
"""Where a gradient goes: a node, and which of its outputs the gradient belongs to."""

_sequence = itertools.count()

_CPP_NAMED = frozenset(("AccumulateGrad", "CopyBackwards", "CopySlices", "Error", "NotImplemented"))
"""Nodes that torch wrote by hand, whose names show their C++ namespace."""

BACKWARD_TWICE = (
    "Trying to backward through the graph a second time (or directly access saved tensors after they have already been "
    "freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify "
    "retain_graph=True if you need to backward through the graph a second time or if you need to access saved tensors "
    "after calling backward."
)


class Node:
    """One recorded operation.

    `next_edges[i]` is where the gradient of its i-th differentiable input goes, None where that input does not
    require grad. `_input_metadata[k]` is the (sizes, dtype) of its k-th output, whose gradient is an input of backward.
    `pre_hooks` and `post_hooks` are those of the node itself, `tensor_hooks` and `retain_hooks` those of its outputs.
    """

    pre_hooks: dict[int, Callable] | None = None
    post_hooks: dict[int, Callable] | None = None
    is_function = False
    """Whether a user's Function made it: such a node computes gradients that nobody asked for, too."""

    def __init__(self, next_edges: Sequence[Edge | None] = ()) -> None:
        self.next_edges: list[Edge | None] = list(next_edges)
        self.sequence_nr = next(_sequence)
        self._input_metadata: list[tuple[layout.Shape, Any]] = []
        self.tensor_hooks: dict[int, dict[int, Callable]] = {}
        self.retain_hooks: dict[int, Callable] = {}
        if _State.anomaly:
            note_forward(self)

    @property
    def metadata(self) -> dict[Any, Any]:
        """Whatever the user keeps with the node."""
        made: dict[Any, Any] = self.__dict__.setdefault("_metadata", {})
        return made

    def register_hook(self, fn: Callable[..., Any]) -> RemovableHandle:
        """Call `fn(grad_inputs, grad_outputs)` after the node has run; a tuple that it returns replaces `grad_inputs`.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.graph.Node.register_hook.html
        """
        if self.post_hooks is None:
            self.post_hooks = {}
        return attach(self.post_hooks, fn)

    def register_prehook(self, fn: Callable[..., Any]) -> RemovableHandle:
        """Call `fn(grad_outputs)` before the node runs; a tuple that it returns replaces `grad_outputs`.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.graph.Node.register_prehook.html
        """
        if self.pre_hooks is None:
            self.pre_hooks = {}
        return attach(self.pre_hooks, fn)

    def name(self) -> str:
        """The node's name, as `grad_fn.name()` shows it."""
        kind = type(self).__name__
        return f"torch::autograd::{kind}" if kind in _CPP_NAMED else kind

    def operation_name(self) -> str:
        """The name of the recorded operation, as error texts show it."""
        return re.sub(r"Backward0?(?=\d*$)", "", self.name())

    @property
    def noted_edges(self) -> list[Edge | None]:
        """The edges that torch notes: of most that has no derivative, only those of what requires grad."""
        if type(self).__name__ == "NotImplemented" and not isinstance(self, UnknownDerivative):
            return [edge for edge in self.next_edges if edge is not None]
        return self.next_edges

    @property
    def next_functions(self) -> tuple[tuple[Node | None, int], ...]:
        """The nodes that receive this node's gradients."""
        return tuple(edge if edge is not None else (None, 0) for edge in self.noted_edges)

    def apply(self, grads: list[Tensor | None]) -> Sequence[Tensor | None]:
        """The gradients of the inputs, one per next edge, from those of the outputs."""
        raise AssertionError("a node says how it is applied")

    def release(self) -> None:
        """Free what was saved for backward."""

    def add_output(self, tensor: Tensor) -> None:
        """Make this node the history of a fresh output."""
        tensor._grad_fn = self
        tensor._output_nr = len(self._input_metadata)
        self._input_metadata.append((tensor._sizes, tensor.dtype))


class AccumulateGrad(Node):
    """The node of a leaf: adds what arrives to the leaf's `.grad`."""

    def __init__(self, variable: Tensor) -> None:
        super().__init__()
        self.sequence_nr = 1 << 62  # runs before everything else that is ready
        self.variable = variable
        self._input_metadata = [(variable._sizes, getattr(variable, "_grad_dtype", variable.dtype))]
        if variable._hooks is not None:
            self.tensor_hooks[0] = variable._hooks

    def accumulate(self, grad: Tensor, *, owned: bool) -> None:
        """Add `grad` to the leaf's gradient. An `owned` one (nobody else holds it) may become the gradient itself.

        A first gradient gets the leaf's own strides if the leaf is dense, else row-major ones; later ones are added
        in place, unless the sum has to be differentiable.
        """
        variable = self.variable
        if variable.grad_fn is not None:
            raise RuntimeError("leaf variable has been moved into the graph interior")
        if not variable.requires_grad:  # switched off since, or detached in place
            return
        if variable._grad is None:
            if not _State.grad and owned and _follows_layout(grad, variable):
                variable._grad = grad.detach()
            else:
                variable._grad = _clone_in_layout(grad, variable)
        else:
            if _State.grad:
                variable._grad = variable._grad + grad
            else:
                variable._grad.add_(grad)
            if not _follows_layout(variable._grad, variable):
                warnings.warn(
                    "grad and param do not obey the gradient layout contract. This is not an error, but may impair performance.",
                    UserWarning,
                    stacklevel=2,
                )

    def run_leaf_hooks(self) -> None:
        """Call the leaf's own hooks, whether or not there was a gradient to accumulate.

        Each gets what the one before returned, and only at the end is it an error to have returned something.
        """
        value: Any = self.variable
        for hook in list((self.variable._post_accumulate_hooks or {}).values()):
            returned = hook(value)
            value = value if returned is None else returned
        if value is not self.variable:
            raise RuntimeError("Tensor post accumulate grad hooks should return None.")


def _follows_layout(grad: Tensor, variable: Tensor) -> bool:
    if layout.is_non_overlapping_and_dense(variable._sizes, variable._strides):
        if grad._strides == variable._strides and 0 not in grad._strides:
            return True
        # Shapes differ where `.data` or an in-place view has changed one since; then the leading dimensions decide.
        own = itertools.chain(variable._strides, itertools.repeat(None))
        return all(
            a != 0 if n == 1 else a == b for n, a, b in zip(grad._sizes, grad._strides, own, strict=False)
        )
    return layout.is_contiguous(grad._sizes, grad._strides)


def _clone_in_layout(grad: Tensor, variable: Tensor) -> Tensor:
    if layout.is_non_overlapping_and_dense(variable._sizes, variable._strides):
        return grad.new_empty_strided(variable._sizes, variable._strides).copy_(grad)
    return grad.clone().contiguous()


def gradient_edge(tensor: Tensor) -> Edge | None:
    """Where the gradient of a tensor goes, None if it does not require grad."""
    node = tensor.grad_fn
    if node is not None:
        return node, tensor._output_nr
    # A leaf that requires grad only because its base does has nowhere to accumulate.
    if not tensor._requires_grad:
        return None
    return accumulator(tensor), 0


def accumulator(leaf: Tensor) -> AccumulateGrad:
    """The AccumulateGrad node of a leaf, which lives as long as a graph refers to it."""
    node = leaf._accumulator() if leaf._accumulator is not None else None
    if node is None:
        node = AccumulateGrad(leaf)
        leaf._accumulator = weakref.ref(node)
    return node


class CopySlices(Node):
    """The history of a base after an in-place operation on a view of it.

    The gradient of the base is copied; the part that the view shows goes through the operation's own node, and what
    comes out for the view's old value takes its place.
    """

    def __init__(self, base: Tensor, view: Tensor, operation: Node) -> None:
        super().__init__([gradient_edge(base), *operation.noted_edges[1:]])
        self.operation: Node | None = operation
        self.base_layout = (base._sizes, base._strides, base._offset)
        self.view_layout = (view._sizes, view._strides, view._offset)
        self.steps = None if view._view is None else view._view.steps

    def apply(self, grads: list[Tensor | None]) -> Sequence[Tensor | None]:
        if self.operation is None:
            raise RuntimeError(BACKWARD_TWICE)
        (grad,) = grads
        if grad is None:
            return [None] * len(self.next_edges)
        sizes, strides, offset = self.base_layout
        result = grad.new_empty_strided(sizes, strides)
        result.copy_(grad)
        if self.steps is not None:
            part = remade(result, self.steps)
        else:
            view_sizes, view_strides, view_offset = self.view_layout
            part = result.as_strided(view_sizes, view_strides, result._offset + view_offset - offset)
        inner = self.operation.apply([part.clone()])
        if inner[0] is None and self.operation.is_function:
            return [None, *inner[1:]]  # a user's Function said that nothing comes of the base
        if inner[0] is None:
            part.zero_()
        else:
            part.copy_(inner[0])
        return [result, *inner[1:]]

    def release(self) -> None:
        self.operation = None


class UnknownDerivative(Node):
    """The history of a result of which torch knows no derivative, to complain when a gradient comes."""

    def __init__(self, operation: str, tensors: Sequence[Tensor]) -> None:
        super().__init__([gradient_edge(t) for t in tensors])
        self.operation = operation

    def apply(self, grads: list[Tensor | None]) -> Sequence[Tensor | None]:
        raise RuntimeError(f"derivative for {self.operation} is not implemented")


UnknownDerivative.__name__ = "NotImplemented"  # torch's name for it


class AsStridedBackward0(Node):
    """The history that a view gets anew after its base's history was rewritten."""

    def __init__(self, base: Tensor, view: Tensor) -> None:
        super().__init__([gradient_edge(base)])
        self.base_layout = (base._sizes, base._strides, base._offset)
        self.view_layout = (view._sizes, view._strides, view._offset)

    def apply(self, grads: list[Tensor | None]) -> Sequence[Tensor | None]:
        (grad,) = grads
        return [None if grad is None else scatter_strided(grad, self.base_layout, self.view_layout)]


def scatter_strided(grad: Tensor, base: Any, view: Any) -> Tensor:
    """The gradient of `as_strided`: what the view's elements receive, added up where they lie in the input."""
    from engine import functions

    return functions.as_strided_backward(grad, base, view)
