"""Reverse-mode differentiation (`torch.autograd`).

Source: https://docs.pytorch.org/docs/stable/autograd.html
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from engine import functions, signatures
from engine.autograd import graph
from engine.autograd.anomaly import detect_anomaly, set_detect_anomaly
from engine.autograd.execution import run_backward
from engine.autograd.function import Function
from engine.autograd.modes import (
    in_transform,
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
    set_multithreading_enabled,
)
from engine.autograd.roots import (
    GradientEdge,
    as_tuple,
    given_gradients,
    input_edge,
    root_edges,
    root_gradients,
)
from engine.autograd.variable import Variable


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
    if in_transform():
        raise RuntimeError(
            "backward() called inside a functorch transform. This is not supported, please use functorch.grad or functorch.vjp "
            "instead or call backward() outside of functorch transforms."
        )
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
    wanted = () if inputs is None else _inputs(inputs, "backward")
    roots = as_tuple(tensors)
    grads = root_gradients(roots, given_gradients(grad_tensors, len(roots)))
    edges = root_edges(roots, grads)
    into = [input_edge(t, accumulate=True) for t in wanted]
    if create_graph:
        warnings.warn(
            "Using backward() with create_graph=True will create a reference cycle between the parameter and its gradient "
            "which can cause a memory leak. We recommend using autograd.grad when creating the graph to avoid this. If you "
            "have to use this function, make sure to reset the .grad fields of your parameters to None after use to break "
            "the cycle and avoid the leak.",
            UserWarning,
            stacklevel=3,
        )
    keep = create_graph if retain_graph is None else retain_graph
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
) -> Any:
    """The gradients of `outputs`, weighted by `grad_outputs`, with respect to `inputs`; nothing accumulates.

    A tuple of one for each input; of a dict of inputs, a dict. With `is_grads_batched`, each of `grad_outputs` is a stack of
    gradients, and so is each result. Raises RuntimeError for an input that does not require grad or (without
    `allow_unused`) was not used.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.grad.html
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    allow_unused = materialize_grads if allow_unused is None else allow_unused
    roots, wanted = as_tuple(outputs), _inputs(inputs, "grad")
    if not only_inputs:
        warnings.warn(
            "only_inputs argument is deprecated and is ignored now (defaults to True). To accumulate gradient for other parts "
            "of the graph, please use torch.autograd.backward.",
            FutureWarning,
            stacklevel=2,
        )
    grads = root_gradients(roots, given_gradients(grad_outputs, len(roots)), batched=is_grads_batched)
    keep = create_graph if retain_graph is None else retain_graph

    def gradients(grads: Any) -> list[Any]:
        edges = root_edges(roots, grads)
        targets = [input_edge(t) for t in wanted]
        found = run_backward(
            edges, grads, keep_graph=keep, create_graph=create_graph, inputs=targets, accumulate=False
        )
        unused = next((index for index, g in enumerate(found) if g is None), None)
        if not allow_unused and unused is not None:
            raise RuntimeError(
                f"The differentiated Tensor at index {unused} appears to not have been used in the graph. Set "
                "allow_unused=True if this is the desired behavior."
            )
        return found

    if is_grads_batched:
        from engine.autograd.batched import batched_gradients  # which needs the operations

        found = batched_gradients(gradients, grads)
    else:
        found = gradients(grads)
    if materialize_grads:
        if any(g is None and not signatures.is_tensor(t) for g, t in zip(found, wanted, strict=True)):
            raise RuntimeError("materialize_grads cannot be used when the given input is a GradientEdge")
        found = [
            functions.zeros_like(t, requires_grad=create_graph) if g is None else g
            for g, t in zip(found, wanted, strict=True)
        ]
    return dict(zip(inputs, found, strict=True)) if type(inputs) is dict else tuple(found)


def _inputs(inputs: Any, name: str) -> tuple[Any, ...]:
    """What gradients are wanted of. Raises RuntimeError where that is nothing."""
    if isinstance(inputs, Mapping):
        if type(inputs) is not dict:
            raise TypeError(
                f"`inputs` argument to `{name}()` must be a dict, not {type(inputs).__name__}. Other Mapping types are not "
                "supported."
            )
        wanted = tuple(inputs.values())
    else:
        wanted = as_tuple(inputs)
    if not wanted:
        raise RuntimeError(f"`inputs` argument to `{name}()` cannot be empty.")
    return wanted


__all__ = [
    "Function", "GradientEdge", "Variable", "backward", "detect_anomaly", "enable_grad", "grad", "graph", "inference_mode",
    "is_grad_enabled", "is_inference_mode_enabled", "no_grad", "set_detect_anomaly", "set_grad_enabled",
    "set_multithreading_enabled",
]  # fmt: skip
