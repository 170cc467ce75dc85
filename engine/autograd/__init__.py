"""Reverse-mode differentiation (`torch.autograd`).

Source: https://docs.pytorch.org/docs/stable/autograd.html
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from engine import functions, signatures
from engine.autograd.execution import run_backward
from engine.autograd.graph import gradient_edge
from engine.autograd.modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Accumulate the gradients of `tensors`, weighted by `grad_tensors`, into the leaves they were computed from.

    With `inputs`, only those accumulate. Raises RuntimeError for a root without history, for a missing gradient of a
    non-scalar root, for a gradient of another shape than its root, and for a graph that was freed.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.backward.html
    """
    if grad_variables is not None:
        warnings.warn(
            "`grad_variables` is deprecated. Use `grad_tensors` instead.", FutureWarning, stacklevel=2
        )
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to `backward()`. Please only use "
                "`grad_tensors`."
            )
        grad_tensors = grad_variables
    wanted = _sequence(inputs) if inputs is not None else []
    if inputs is not None and not wanted:
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    roots = _sequence(tensors)
    grads = _root_gradients(
        roots, _sequence(grad_tensors) if grad_tensors is not None else [None] * len(roots), create_graph
    )
    keep = create_graph if retain_graph is None else retain_graph
    edges = [_root_edge(t, i) for i, t in enumerate(roots)]
    into = []
    for t in wanted:
        if not t.requires_grad:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
        t.retain_grad()
        into.append(gradient_edge(t))
    if create_graph:
        warnings.warn(
            "Using backward() with create_graph=True will create a reference cycle between the parameter and its gradient "
            "which can cause a memory leak. We recommend using autograd.grad when creating the graph to avoid this. If you "
            "have to use this function, make sure to reset the .grad fields of your parameters to None after use to break "
            "the cycle and avoid the leak.",
            UserWarning,
            stacklevel=3,
        )
    run_backward(edges, grads, keep_graph=keep, create_graph=create_graph, inputs=into)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """The gradients of `outputs`, weighted by `grad_outputs`, with respect to `inputs`; nothing accumulates.

    Raises RuntimeError for an input that does not require grad or (without `allow_unused`) was not used.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.grad.html
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    allow_unused = materialize_grads if allow_unused is None else allow_unused
    roots, wanted = _sequence(outputs), _sequence(inputs)
    if not wanted:
        raise ValueError("grad requires non-empty inputs.")
    grads = _root_gradients(
        roots, _sequence(grad_outputs) if grad_outputs is not None else [None] * len(roots), create_graph
    )
    keep = create_graph if retain_graph is None else retain_graph
    edges = [_root_edge(t, i) for i, t in enumerate(roots)]
    targets = []
    for t in wanted:
        if not t.requires_grad:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
        targets.append(gradient_edge(t))  # None for a leaf that requires grad only through its base
    found = run_backward(
        edges, grads, keep_graph=keep, create_graph=create_graph, inputs=targets, accumulate=False
    )
    unused = next((index for index, g in enumerate(found) if g is None), None)
    if not allow_unused and unused is not None:
        raise RuntimeError(
            f"The differentiated Tensor at index {unused} appears to not have been used in the graph. Set allow_unused=True if "
            "this is the desired behavior."
        )
    if materialize_grads:
        found = [
            functions.zeros_like(t, requires_grad=create_graph) if g is None else g
            for g, t in zip(found, wanted, strict=True)
        ]
    return tuple(found)


def _sequence(tensors: Any) -> list[Any]:
    return [tensors] if signatures.is_tensor(tensors) else list(tensors)


def _root_edge(tensor: Any, index: int) -> Any:
    edge = gradient_edge(tensor)
    if edge is None:
        raise RuntimeError(f"element {index} of tensors does not require grad and does not have a grad_fn")
    return edge


def _root_gradients(roots: Sequence[Any], grads: Sequence[Any], create_graph: bool) -> list[Any]:
    """One gradient per root: the given one, checked, or 1 for a real scalar."""
    if len(grads) != len(roots):
        raise RuntimeError(f"got {len(roots)} tensors and {len(grads)} gradients")
    made = []
    for i, (root, given) in enumerate(zip(roots, grads, strict=True)):
        if given is None:
            if root.requires_grad:
                if root.numel() != 1:
                    raise RuntimeError("grad can be implicitly created only for scalar outputs")
                if root.dtype.is_complex or not root.dtype.is_floating_point:
                    raise RuntimeError(
                        f"grad can be implicitly created only for real scalar outputs but got {root.dtype!r}"
                    )
                made.append(functions.ones_like(root))
            else:
                made.append(None)
            continue
        if not signatures.is_tensor(given):
            raise TypeError(f"gradients can be either Tensors or None, but got {type(given).__name__}")
        if given._sizes != root._sizes:
            raise RuntimeError(
                f"Mismatch in shape: grad_output[{i}] has a shape of {given.shape} and output[{i}] has a shape of {root.shape}."
            )
        if given.dtype.is_complex != root.dtype.is_complex:
            raise RuntimeError(
                "For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch in dtype: "
                f"grad_output[{i}] has a dtype of {given.dtype!r} and output[{i}] has a dtype of {root.dtype!r}."
            )
        made.append(given)
    return made


__all__ = [
    "backward", "enable_grad", "grad", "inference_mode", "is_grad_enabled", "is_inference_mode_enabled", "no_grad",
    "set_grad_enabled",
]  # fmt: skip
