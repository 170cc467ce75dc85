"""What `backward` and `grad` are given: roots with their gradients, and inputs; tensors or edges of the graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from engine import functions, signatures
from engine.autograd.modes import enable_grad
from engine.autograd.node import Edge, Node, gradient_edge
from engine.size import Size


class GradientEdge(NamedTuple):
    """Where the gradient of a tensor goes. `ownership_token` keeps a user's Function alive.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.graph.GradientEdge.html
    """

    node: Node
    output_nr: int
    ownership_token: Node | None = None


def get_gradient_edge(tensor: Any) -> GradientEdge:
    """Where the gradient of a tensor goes. Raises RuntimeError for one that does not require grad.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.graph.get_gradient_edge.html
    """
    if not tensor.requires_grad:
        raise RuntimeError(
            "It is not possible to get the gradient edge for a Tensor that does not require gradients"
        )
    node = node_of(tensor)
    token = None
    if node.is_function:
        with enable_grad():
            token = tensor.view_as(tensor).grad_fn
    return GradientEdge(node, tensor._output_nr, token)


def node_of(tensor: Any) -> Node:
    """What the gradient of a tensor goes to. Raises AssertionError for one that does not require grad."""
    if isinstance(tensor, GradientEdge):
        return tensor.node
    node: Node | None = tensor.grad_fn
    if node is None and tensor.requires_grad:
        with enable_grad():  # that of a leaf is found behind a view, which has no history in inference mode
            node = tensor.view_as(tensor).grad_fn.next_functions[0][0]
    if node is None:  # or a view of a leaf that was made without recording
        raise AssertionError("Expected gradient function to be set")
    return node


def as_tuple(tensors: Any) -> tuple[Any, ...]:
    """One tensor or edge, or a sequence of some, as a tuple."""
    return (
        (tensors,) if signatures.is_tensor(tensors) or isinstance(tensors, GradientEdge) else tuple(tensors)
    )


def given_gradients(grads: Any, count: int) -> tuple[Any, ...]:
    """The gradients that were given, None for each root where none was."""
    if grads is None:
        return (None,) * count
    return (grads,) if signatures.is_tensor(grads) else tuple(grads)


def root_gradients(roots: tuple[Any, ...], grads: tuple[Any, ...], *, batched: bool = False) -> list[Any]:
    """One gradient per root: the given one, checked, or 1 for a real scalar. Of a batch, the first one is checked."""
    return [
        _implicit(root) if given is None else _checked(root, given, roots, grads, batched)
        for root, given in zip(roots, grads, strict=False)
    ]


def _form(root: Any) -> tuple[tuple[int, ...], Any]:
    if isinstance(root, GradientEdge):
        sizes, dtype = root.node._input_metadata[root.output_nr]
        return sizes, root.node.variable.dtype if dtype is None else dtype
    if not signatures.is_tensor(root):
        raise AssertionError("Expected output to be a torch.Tensor")
    return root._sizes, root.dtype


def _implicit(root: Any) -> Any:
    sizes, dtype = _form(root)
    is_edge = isinstance(root, GradientEdge)
    if not is_edge and not root.requires_grad:
        return None
    if any(n != 1 for n in sizes):
        raise RuntimeError("grad can be implicitly created only for scalar outputs")
    if not dtype.is_floating_point:
        raise RuntimeError(f"grad can be implicitly created only for real scalar outputs but got {dtype!r}")
    return functions.ones(sizes, dtype=dtype) if is_edge else functions.ones_like(root)


def _checked(root: Any, given: Any, roots: tuple[Any, ...], grads: tuple[Any, ...], batched: bool) -> Any:
    sizes, dtype = _form(root)
    if not signatures.is_tensor(given):
        raise TypeError(f"gradients can be either Tensors or None, but got {type(given).__name__}")
    first = given[0] if batched else given
    if first._sizes != sizes:
        shape = first.shape[1:] if batched else first.shape  # of a batch, one dimension too many is left out
        if batched and isinstance(root, GradientEdge):
            raise RuntimeError("Batched grads are not supported with GradientEdge")
        found = (
            f"grad_output[{grads.index(given)}] has a shape of {shape} and output[{roots.index(root)}] has a shape of "
            f"{Size(sizes)}."
        )
        if not batched:
            raise RuntimeError(f"Mismatch in shape: {found}")
        raise RuntimeError(
            "If `is_grads_batched=True`, we interpret the first dimension of each grad_output as the batch dimension. The "
            "sizes of the remaining dimensions are expected to match the shape of corresponding output, but a mismatch was "
            f"detected: {found} If you only want some tensors in `grad_output` to be considered batched, consider using vmap."
        )
    if given.dtype.is_complex != dtype.is_complex:
        raise RuntimeError(
            "For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch in dtype: "
            f"grad_output[{grads.index(given)}] has a dtype of {given.dtype!r} and output[{roots.index(root)}] has a dtype of "
            f"{dtype!r}."
        )
    return given


def root_edges(roots: Sequence[Any], grads: Sequence[Any]) -> list[Edge]:
    """Where backward starts. Raises RuntimeError for a root without history, and where gradients are missing."""
    if len(grads) != len(roots):
        raise RuntimeError(f"got {len(roots)} tensors and {len(grads)} gradients")
    edges = []
    for i, root in enumerate(roots):
        edge = (root.node, root.output_nr) if isinstance(root, GradientEdge) else gradient_edge(root)
        if edge is None:
            raise RuntimeError(f"element {i} of tensors does not require grad and does not have a grad_fn")
        edges.append(edge)
    return edges


def input_edge(wanted: Any, *, accumulate: bool = False) -> Edge | None:
    """Where the gradient that is wanted arrives; None for a leaf that requires grad only through its base."""
    if isinstance(wanted, GradientEdge):
        return wanted.node, wanted.output_nr
    if not signatures.is_tensor(wanted):
        raise RuntimeError(f"all inputs have to be Tensors or GradientEdges, but got {type(wanted).__name__}")
    if accumulate:
        wanted.retain_grad()
    if not wanted.requires_grad:
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    return gradient_edge(wanted)
