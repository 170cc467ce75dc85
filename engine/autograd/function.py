"""Operations that users differentiate themselves (`torch.autograd.Function`).

Source: https://docs.pytorch.org/docs/stable/notes/extending.html and
https://docs.pytorch.org/docs/stable/autograd.html#torch.autograd.Function
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from engine import dtypes, functions, signatures
from engine.autograd.jvp import give_tangents
from engine.autograd.modes import _State, no_grad
from engine.autograd.node import BACKWARD_TWICE, Node, gradient_edge
from engine.autograd.outputs import wrap_outputs
from engine.autograd.saved import RawSavedTensor, SavedTensor, save

if TYPE_CHECKING:
    from engine.tensor import Tensor


class FunctionCtx:
    """What `forward` and `setup_context` say of a call; each method is for them to call once."""

    to_save: tuple[Any, ...] = ()
    dirty_tensors: tuple[Any, ...] = ()
    non_differentiable: tuple[Any, ...] = ()
    saved_for_forward: tuple[Any, ...] | None = None
    materialize_grads = True

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors (or None) for `backward`, which finds them in `saved_tensors`."""
        self.to_save = tensors

    def save_for_forward(self, *tensors: Any) -> None:
        """Keep tensors (or None) for `jvp`, which finds them in `saved_tensors`."""
        for tensor in tensors:
            if tensor is not None and not signatures.is_tensor(tensor):
                raise AssertionError(
                    "save_for_forward expects all arguments to be tensors; you should save non-tensors as attributes on ctx."
                )
        self.saved_for_forward = tensors

    def mark_dirty(self, *args: Any) -> None:
        """Say which inputs were written in place; each must be an output."""
        self.dirty_tensors = args

    def mark_non_differentiable(self, *args: Any) -> None:
        """Say which outputs have no gradient."""
        self.non_differentiable = args

    def set_materialize_grads(self, value: bool) -> None:
        """Say whether `backward` sees zeros for an output that received no gradient, or None."""
        self.materialize_grads = value


class BackwardCFunction(Node, FunctionCtx):
    """The node of one call of a Function, which is also the `ctx` of its methods."""

    _forward_cls: type[Function]
    is_function = True
    _cleared = False
    needs_input_grad: tuple[bool, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        self._are_tensors: list[bool] = []  # of the inputs
        self._forms: list[tuple[Any, Any] | None] = []  # sizes and dtype of each output that is a tensor
        self._saved: list[SavedTensor | None] | None = []

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What `save_for_backward` kept. Raises RuntimeError where it was changed in place, or freed."""
        if self.saved_for_forward is not None:
            return self.saved_for_forward
        if self._cleared:
            raise RuntimeError(
                "saved_tensors can only be accessed once when clear_saved_tensors_on_access=True is set on the "
                "autograd.Function. Either access saved_tensors only once, or set clear_saved_tensors_on_access=False."
            )
        if self._saved is None:
            raise RuntimeError(BACKWARD_TWICE)
        found = tuple(None if kept is None else kept.unpack(self) for kept in self._saved)
        if self._forward_cls.clear_saved_tensors_on_access:
            self._saved, self._cleared = [], True
        return found

    @property
    def _raw_saved_tensors(self) -> tuple[RawSavedTensor, ...]:
        """What takes hooks for a saved tensor."""
        if self._saved is None:
            raise RuntimeError(BACKWARD_TWICE)
        return tuple(RawSavedTensor(self, "_saved", i) for i in range(len(self._saved)))

    def keep(self) -> None:
        """Save what `save_for_backward` was given, once the outputs have their history."""
        kept: list[SavedTensor | None] = []
        for i, t in enumerate(self.to_save):
            if t is not None and not signatures.is_tensor(t):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument {i} is of type {type(t).__name__}"
                )
            kept.append(None if t is None else save(t, self if t.grad_fn is self else None))
        self._saved = kept

    def release(self) -> None:
        self._saved = None

    def apply(self, grads: list[Tensor | None]) -> Sequence[Tensor | None]:
        given = [
            functions.zeros(form[0], dtype=form[1])
            if g is None and form is not None and self.materialize_grads
            else g
            for g, form in zip(grads, self._forms, strict=True)
        ]
        made = self._user_function()(self, *([given] if self._forward_cls.boxed_grads_call else given))
        got = list(made) if isinstance(made, tuple) else [made]
        expected = len(self._are_tensors)
        if all(g is None for g in got[expected:]):
            del got[expected:]
        if len(got) != expected:
            raise RuntimeError(
                f"function {self.name()} returned an incorrect number of gradients (expected {expected}, got {len(got)})"
            )
        return self._gradients(got)

    def _user_function(self) -> Callable[..., Any]:
        kind = self._forward_cls
        if kind.vjp is Function.vjp:
            return kind.backward
        if kind.backward is not Function.backward:
            raise RuntimeError(
                "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should only implement one "
                "of them."
            )
        return kind.vjp

    def _gradients(self, got: list[Any]) -> list[Any]:
        """The gradients of the inputs that are tensors."""
        found = []
        for i, (grad, is_tensor) in enumerate(zip(got, self._are_tensors, strict=True)):
            if not is_tensor:
                if grad is not None:
                    raise RuntimeError(
                        f"function {self.name()} returned a gradient different than None at position {i + 1}, but the "
                        "corresponding forward input was not a Variable"
                    )
                continue
            if grad is not None and not signatures.is_tensor(grad):
                raise RuntimeError(f"expected Variable or None (got {type(grad).__name__})")
            found.append(grad)
        for grad, edge in zip(found, self.next_edges, strict=True):
            if grad is None or edge is None:
                continue
            wanted = edge[0]._input_metadata[edge[1]][1]
            if grad.dtype.is_complex and wanted is not None and not wanted.is_complex:
                raise RuntimeError(
                    "Expected isFloatingType(grad.scalar_type()) || (input_is_complex == grad_is_complex) to be true, but got "
                    "false.  (Could this error message be improved?  If so, please report an enhancement request to PyTorch.)"
                )
        return found


def saved_by(node: Any) -> list[Any]:
    """What a node has saved, in a row."""
    if isinstance(node, BackwardCFunction):
        return node._saved or []
    found: list[Any] = []
    for kept in (getattr(node, "saved", None) or {}).values():
        found += kept if isinstance(kept, list) else [kept]
    return found


class Function:
    """A base class: subclasses have static methods `forward` and `backward` and are called by `apply`.

    Source: https://docs.pytorch.org/docs/stable/autograd.html#torch.autograd.Function
    """

    _backward_cls: type[BackwardCFunction]
    generate_vmap_rule = False
    clear_saved_tensors_on_access = False
    boxed_grads_call = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._backward_cls = type(cls.__name__ + "Backward", (BackwardCFunction,), {"_forward_cls": cls})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            f"{self.__class__} should not be instantiated. Methods on autograd functions are all static, so you should invoke "
            "them on the class itself. Instantiating an autograd function will raise an error in a future version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd function "
            "with static forward method. (Example: https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)"
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """What is computed: of a `ctx` and the inputs, or, where `setup_context` is defined, of the inputs alone."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """What else a `forward` without `ctx` would have said of the call."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradients of the inputs, None for one that has none."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with backward "
            "mode AD."
        )

    vjp = backward

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """The tangents of the outputs, of those of the inputs."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> tuple[Any, Any]:
        """What is computed of a batch: (output, the dimensions of the batch in it), where `generate_vmap_rule` is not set."""
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap staticmethod or set generate_vmap_rule=True."
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Call the function on tensors and other arguments; the tensors among its outputs get its node as history."""
        separate = cls.setup_context is not Function.setup_context
        if separate or kwargs:
            context = () if separate else (None,)
            bound = inspect.signature(cls.forward).bind(*context, *args, **kwargs)
            if separate:
                bound.apply_defaults()
            args = bound.args[len(context) :]
        layer = _State.forward
        if layer is not None and layer.by_rows:
            return layer.apply(cls, args)
        if layer is not None and layer.transformed():
            if not separate:
                raise RuntimeError(
                    "In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, jacrev, ...), it must "
                    "override the setup_context staticmethod. For more details, please see "
                    "https://pytorch.org/docs/main/notes/extending.func.html"
                )
            return layer.apply(cls, args)
        node = cls._backward_cls()
        node._are_tensors = [signatures.is_tensor(a) for a in args]
        inputs = [a for a, is_tensor in zip(args, node._are_tensors, strict=True) if is_tensor]
        node.needs_input_grad = tuple(
            is_tensor and a.requires_grad for a, is_tensor in zip(args, node._are_tensors, strict=True)
        )
        recorded = _State.grad and any(node.needs_input_grad)
        if recorded:
            node.next_edges = [gradient_edge(t) for t in inputs]
        if layer is not None:  # tangents are the business of jvp
            _State.forward = layer.below
        try:
            with no_grad():
                output = cls.forward(*args) if separate else cls.forward(node, *args)
                if separate:
                    cls.setup_context(node, args, output)
        finally:
            _State.forward = layer
        saved = node.to_save if separate else ()
        outputs = output if isinstance(output, tuple) else (output,)
        made = wrap_outputs(node if recorded else None, node, inputs, outputs, saved)
        if recorded:
            node._forms = [(t._sizes, t.dtype) if signatures.is_tensor(t) else None for t in made]
            node.keep()
        if layer is not None:
            give_tangents(layer, node, args, outputs, made)
        node.saved_for_forward = None
        return made if isinstance(output, tuple) else made[0]


Function._backward_cls = type("FunctionBackward", (BackwardCFunction,), {"_forward_cls": Function})


class Error(Node):
    """The node of a gradient that cannot be differentiated."""

    def __init__(self, text: str, inputs: Sequence[Any]) -> None:
        super().__init__([gradient_edge(t) for t in inputs])
        self._text = text

    def apply(self, grads: list[Tensor | None]) -> Sequence[Tensor | None]:
        raise RuntimeError(self._text)


def once_differentiable(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Make a `backward` whose result refuses to be differentiated.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.function.once_differentiable.html
    """

    @functools.wraps(fn)
    def wrapper(ctx: Any, *args: Any) -> Any:
        with no_grad():
            outputs = fn(ctx, *args)
        if not _State.grad or not any(signatures.is_tensor(a) and a.requires_grad for a in args):
            return outputs
        results = outputs if isinstance(outputs, tuple) else (outputs,)
        leaves = [None if t is None else t.detach().requires_grad_() for t in results]
        node = Error(
            "trying to differentiate twice a function that was marked with @once_differentiable",
            [t for t in leaves if t is not None],
        )
        made = tuple(None if t is None else t.detach() for t in leaves)
        for t in made:
            if t is not None and t.dtype.category >= dtypes.FLOAT:
                node.add_output(t)
        return made if isinstance(outputs, tuple) else made[0]

    return wrapper
