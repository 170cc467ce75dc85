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
from engine.autograd.modes import _State
from engine.history import remade

if TYPE_CHECKING:
    from engine.tensor import Tensor

Edge = tuple["Node", int]
"""Where a gradient goes: a node, and which of its outputs the gradient belongs to."""

_sequence = itertools.count()

_CPP_NAMED = frozenset(("AccumulateGrad", "CopyBackwards", "CopySlices", "NotImplemented"))
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
    require grad. `metadata[k]` is the (sizes, dtype) of its k-th output.
    """

    def __init__(self, next_edges: Sequence[Edge | None] = ()) -> None:
        self.next_edges: list[Edge | None] = list(next_edges)
        self.sequence_nr = next(_sequence)
        self.metadata: list[tuple[layout.Shape, Any]] = []
        self.tensor_hooks: dict[int, dict[int, Callable]] = {}
        self.retain_hooks: dict[int, Callable] = {}

    def name(self) -> str:
        """The node's name, as `grad_fn.name()` shows it."""
        kind = type(self).__name__
        return f"torch::autograd::{kind}" if kind in _CPP_NAMED else kind

    def operation_name(self) -> str:
        """The name of the recorded operation, as error texts show it."""
        return re.sub(r"Backward0?(?=\d*$)", "", self.name())

    @property
    def next_functions(self) -> tuple[tuple[Node | None, int], ...]:
        """The nodes that receive this node's gradients."""
        return tuple(edge if edge is not None else (None, 0) for edge in self.next_edges)

    def apply(self, grads: list[Tensor | None]) -> Sequence[Tensor | None]:
        """The gradients of the inputs, one per next edge, from those of the outputs."""
        raise AssertionError("a node says how it is applied")

    def release(self) -> None:
        """Free what was saved for backward."""

    def add_output(self, tensor: Tensor) -> None:
        """Make this node the history of a fresh output."""
        tensor._grad_fn = self
        tensor._output_nr = len(self.metadata)
        self.metadata.append((tensor._sizes, tensor.dtype))


class AccumulateGrad(Node):
    """The node of a leaf: adds what arrives to the leaf's `.grad`."""

    def __init__(self, variable: Tensor) -> None:
        super().__init__()
        self.sequence_nr = 1 << 62  # runs before everything else that is ready
        self.variable = variable
        self.metadata = [(variable._sizes, variable.dtype)]
        if variable._hooks is not None:
            self.tensor_hooks[0] = variable._hooks

    def accumulate(self, grad: Tensor, *, owned: bool) -> None:
        """Add `grad` to the leaf's gradient. An `owned` one (nobody else holds it) may become the gradient itself.

        A first gradient gets the leaf's own strides if the leaf is dense, else row-major ones; later ones are added
        in place, unless the sum has to be differentiable.
        """
        variable = self.variable
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
        self._run_post_hooks()

    def _run_post_hooks(self) -> None:
        """Each hook gets what the one before returned, and only at the end is it an error to have returned something."""
        value: Any = self.variable
        for hook in list((self.variable._post_accumulate_hooks or {}).values()):
            returned = hook(value)
            value = value if returned is None else returned
        if value is not self.variable:
            raise RuntimeError("Tensor post accumulate grad hooks should return None.")


def _follows_layout(grad: Tensor, variable: Tensor) -> bool:
    if layout.is_non_overlapping_and_dense(variable._sizes, variable._strides):
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


class SavedTensor:
    """A tensor kept for backward, with the version it had: backward refuses a changed one.

    An output of the node itself is kept without its history and gets it back when it is read, so that a node does not
    hold itself.
    """

    __slots__ = ("counter", "had_history", "is_output", "output_nr", "tensor", "version")

    def __init__(self, tensor: Tensor, node: Node | None = None) -> None:
        if tensor._inference:
            raise RuntimeError(
                "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in "
                "computation tracked by autograd. To work around this, you can make a clone to get a normal tensor and "
                "use it in autograd, or use `torch.no_grad()` instead of `torch.inference_mode()`."
            )
        self.is_output = node is not None
        self.output_nr = tensor._output_nr
        self.counter = tensor._counter
        self.version = tensor._counter.value
        self.tensor = tensor._alias() if self.is_output else tensor
        self.had_history = tensor._grad_fn is not None

    def unpack(self, node: Node) -> Tensor:
        """The tensor. Raises RuntimeError where an in-place operation has changed it since."""
        if self.counter.value != self.version:
            self._complain(node)
        if self.had_history and not self.is_output and self.tensor._grad_fn is None:
            raise RuntimeError(
                "Trying to use a saved tensor that has been detached in-place, i.e. with .detach_().This is not supported, "
                "please use out-of-place `.detach()` instead"
            )
        if self.is_output:
            tensor = self.tensor._alias()
            tensor._grad_fn, tensor._output_nr = node, self.output_nr
            return tensor
        return self.tensor

    def _complain(self, node: Node) -> None:
        t = self.tensor
        source = node if self.is_output else t._grad_fn
        producer = (
            f", which is output {self.output_nr} of {source.operation_name()}," if source is not None else ""
        )
        raise RuntimeError(
            "one of the variables needed for gradient computation has been modified by an inplace operation: "
            f"[{_type_text(t)} {list(t._sizes)}]{producer} is at version {self.counter.value}; expected version "
            f"{self.version} instead. Hint: enable anomaly detection to find the operation that failed to compute its "
            "gradient, with torch.autograd.set_detect_anomaly(True, check_nan=False)."
        )


def _type_text(t: Tensor) -> str:
    """The type as C++ prints it: dtypes younger than the legacy tensor types have names of another form."""
    young = t.dtype.is_complex or t.dtype.name in ("bfloat16", "bool")
    return f"CPU{t.dtype.legacy}Type" if young else t.type()


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
        super().__init__([gradient_edge(base), *operation.next_edges[1:]])
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
        if inner[0] is None:
            part.zero_()
        else:
            part.copy_(inner[0])
        return [result, *inner[1:]]

    def release(self) -> None:
        self.operation = None


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
