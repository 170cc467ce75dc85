"""What runs around a module's `forward` and in the backward pass through it.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.register_forward_hook and
https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.register_full_backward_hook
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from engine import functions
from engine.autograd.execution import check_hook_result
from engine.autograd.modes import is_grad_enabled
from engine.autograd.node import Node, gradient_edge
from engine.history import ViewInfo
from engine.results import Geometry, make_view
from engine.tensor import Tensor

Values = tuple[Any, ...]


class ForwardHook(NamedTuple):
    """A hook before or after `forward`, and how it is called."""

    call: Callable[..., Any]
    with_kwargs: bool = False
    always_call: bool = False


class BackwardHookFunctionBackward(Node):
    """Hands gradients on as they are, or as a function changes them."""

    def __init__(
        self, tensors: Sequence[Tensor], change: Callable[[list[Any]], Sequence[Any] | None]
    ) -> None:
        super().__init__([gradient_edge(t) for t in tensors])
        self._change = change

    def apply(self, grads: list[Tensor | None]) -> Sequence[Tensor | None]:
        changed = self._change(grads)
        if changed is None:
            return grads
        for grad, replaced in zip(grads, changed, strict=True):
            if grad is not None and replaced is not None:
                check_hook_result(grad, replaced, "hook")
        return changed


def _through_node(
    values: Values, change: Callable[[list[Any]], Sequence[Any] | None]
) -> tuple[Values, tuple[int, ...]]:
    """The values with every tensor seen through one node, and at which positions there are tensors; none without gradients."""
    where = tuple(i for i, value in enumerate(values) if isinstance(value, Tensor))
    tensors = [values[i] for i in where]
    if not is_grad_enabled() or not any(t.requires_grad for t in tensors):
        return values, ()
    node = BackwardHookFunctionBackward(tensors, change)
    seen = list(values)
    for i, tensor in zip(where, tensors, strict=True):
        if tensor.requires_grad:
            view = make_view(tensor, Geometry(tensor._sizes, tensor._strides, tensor._offset))
            node.add_output(view)
            if view._view is not None:
                view._view.made_in = ViewInfo.FUNCTION
            seen[i] = view
        else:
            node._input_metadata.append((tensor._sizes, tensor.dtype))
    return tuple(seen), where


class BackwardHooks:
    """The full backward hooks of one call of a module.

    Its inputs and its outputs each go through a node. That of the outputs comes first in the backward pass: it runs the
    pre-hooks and keeps the gradients of the outputs, which the other one shows the hooks with those of the inputs.
    """

    def __init__(
        self, module: Any, hooks: list[Callable[..., Any]], pre_hooks: list[Callable[..., Any]]
    ) -> None:
        self._module, self._hooks, self._pre_hooks = module, hooks, pre_hooks
        self._grad_outputs: Values | None = None
        self._inputs: tuple[int, ...] = ()
        self._outputs: tuple[int, ...] = ()
        self._n_inputs = self._n_outputs = 0
        self._sizes: list[Any] = []

    def around_inputs(self, args: Values) -> Values:
        """The arguments, their tensors seen through a node."""
        seen, self._inputs = _through_node(args, self._at_inputs)
        self._n_inputs = len(args)
        self._sizes = [(args[i]._sizes, args[i].dtype) for i in self._inputs]
        return seen

    def around_outputs(self, result: Any) -> Any:
        """The result, its tensors seen through a node. A result of another kind is left alone, with a warning."""
        if not isinstance(result, (Tensor, tuple)):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but received "
                f"{type(result)}",
                UserWarning,
                stacklevel=4,
            )
            return result
        values = result if isinstance(result, tuple) else (result,)
        seen, self._outputs = _through_node(values, self._at_outputs)
        self._n_outputs = len(values)
        return seen if isinstance(result, tuple) else seen[0]

    def _at_outputs(self, grads: list[Any]) -> Sequence[Any] | None:
        shown = _spread(grads, self._outputs, self._n_outputs)
        for hook in self._pre_hooks:
            shown = _taken(hook(self._module, shown), shown, "Backward pre hook", "grad_output")
        self._grad_outputs = shown
        if not self._inputs:
            self._without_inputs(shown)
        return [shown[i] for i in self._outputs]

    def _without_inputs(self, grad_outputs: Values) -> None:
        """No input requires a gradient: the hooks see that of the outputs, and there is nothing to change."""
        self._grad_outputs = None
        warnings.warn(
            "Full backward hook is firing when gradients are computed with respect to module outputs since no inputs require "
            "gradients. See https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html#torch.nn.Module."
            "register_full_backward_hook for more details.",
            UserWarning,
            stacklevel=5,
        )
        for hook in self._hooks:
            got = hook(self._module, (None,) * self._n_inputs, grad_outputs)
            if got is not None and not (isinstance(got, tuple) and all(g is None for g in got)):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always return None or None for all "
                    "gradients."
                )

    def _at_inputs(self, grads: list[Any]) -> Sequence[Any] | None:
        if self._grad_outputs is None:  # the backward pass came here by another way than through the outputs
            return None
        whole = [
            functions.zeros(sizes, dtype=d) if grad is None else grad
            for grad, (sizes, d) in zip(grads, self._sizes, strict=True)
        ]
        shown = _spread(whole, self._inputs, self._n_inputs)
        for hook in self._hooks:
            got = hook(self._module, shown, self._grad_outputs)
            shown = _taken(got, shown, "Backward hook", "grad_input")
        self._grad_outputs = None
        return [shown[i] for i in self._inputs]


def _taken(got: Any, shown: Values, hook: str, what: str) -> Values:
    """The gradients that a hook gives for those shown to it, or these. Raises RuntimeError for another number of them."""
    if got is None:
        return shown
    if len(got) != len(shown):
        raise RuntimeError(
            f"{hook} returned an invalid number of {what}, got {len(got)}, but expected {len(shown)}"
        )
    return tuple(got)


def _spread(grads: Sequence[Any], where: tuple[int, ...], count: int) -> Values:
    """Gradients at the positions of their tensors, None at the others."""
    at = dict(zip(where, grads, strict=True))
    return tuple(at.get(i) for i in range(count))
