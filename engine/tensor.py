"""The tensor: strided elements, and what autograd knows about them.

Sources: https://docs.pytorch.org/docs/stable/tensors.html and https://docs.pytorch.org/docs/stable/notes/autograd.html
"""

from __future__ import annotations

import copy
import operator
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from engine import dtypes, functions, layout
from engine.autograd.modes import _State, enable_grad
from engine.autograd.node import AsStridedBackward0, Node, accumulator
from engine.dtypes import dtype
from engine.history import RemovableHandle, ViewInfo, attach, remade
from engine.random_support import C_NAME
from engine.size import contiguous_format
from engine.storage import BYTE, Storage, VersionCounter
from engine.strided import Strided


def needs_grad(tensor: Tensor) -> bool:
    """Whether gradients are computed for a tensor: it was asked for, or it has a history, or its base does."""
    if tensor._requires_grad or tensor._grad_fn is not None:
        return True
    return tensor._view is not None and needs_grad(tensor._view.base)


class Tensor(Strided):
    """A multi-dimensional array of one dtype."""

    __slots__ = (
        "__weakref__", "_accumulator", "_counter", "_grad", "_grad_dtype", "_grad_fn", "_hooks", "_inference", "_output_nr",
        "_post_accumulate_hooks", "_requires_grad", "_retains", "_view",
    )  # fmt: skip
    _is_engine_tensor = True
    __array_priority__ = 1000

    _inference: bool
    _requires_grad: bool
    _output_nr: int
    _retains: bool
    _hooks: dict[int, Callable[..., Any]] | None
    _post_accumulate_hooks: dict[int, Callable[..., Any]] | None
    _accumulator: Any  # a weak reference to the node, or None
    _grad_fn: Node | None
    _view: ViewInfo | None
    _grad: Any
    _grad_dtype: dtype | None  # there where a user has set it

    def __new__(cls, *args: Any, **kwargs: Any) -> Tensor:
        return functions.legacy_tensor(None, *args, **kwargs)

    # ------------------------------------------------------------------------------------------------- construction

    def _alias(self, kind: type[Tensor] | None = None) -> Any:
        """Another tensor on the same memory and version counter, without history."""
        other = over(self._storage, self._offset, self._sizes, self._strides, self.dtype, kind)
        if not self._inference:
            other._counter = self._counter
        other._inference = self._inference
        return other

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        """A leaf with its gradient on a copy of its whole memory. Raises RuntimeError off leaves."""
        if not self.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment.  "
                "If you were attempting to deepcopy a module, this may be because of a torch.nn.utils.weight_norm usage, "
                "see https://github.com/pytorch/pytorch/pull/103001"
            )
        storage = copy.deepcopy(self._storage, memo)
        other = over(storage, self._offset, self._sizes, self._strides, self.dtype, type(self))
        other._requires_grad, other._grad = self._requires_grad, copy.deepcopy(self._grad, memo)
        return other

    # ----------------------------------------------------------------------------------------------------- autograd

    @property
    def requires_grad(self) -> bool:
        """Whether gradients are computed for it: it was asked for, or it has a history, or its base does."""
        return needs_grad(self)

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise RuntimeError("requires_grad must be a bool")
        if self._grad_fn is not None:
            hint = (
                " If you want to use a computed variable in a subgraph that doesn't require differentiation use "
                "var_no_grad = var.detach()."
                if not value
                else ""
            )
            raise RuntimeError(f"you can only change requires_grad flags of leaf variables.{hint}")
        if value and self.dtype.category < dtypes.FLOAT:
            raise RuntimeError("only Tensors of floating point and complex dtype can require gradients")
        if value and self._inference and not _State.inference:
            raise RuntimeError(
                "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed."
            )
        self._requires_grad = value

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set `requires_grad` and return the tensor. Raises RuntimeError off leaves and for dtypes without gradients."""
        if not isinstance(requires_grad, bool):
            given = type(requires_grad).__name__
            raise TypeError(
                f"requires_grad_(): argument 'requires_grad' (position 1) must be bool, not {given}"
            )
        if self._grad_fn is None or not requires_grad:
            if requires_grad and self.dtype.category < dtypes.FLOAT:
                raise RuntimeError("only Tensors of floating point dtype can require gradients")
            self.requires_grad = requires_grad
        return self

    @property
    def grad_fn(self) -> Node | None:
        """The node of the operation that made it; made anew for a view whose base has been written since."""
        view = self._view
        if view is None or (self._grad_fn is None and not needs_grad(view.base)):
            return self._grad_fn
        if view.version != self._version:
            view.check_rewritable(self, indirect=True)
            if view.steps is not None:
                # Made anew from its base as it is now, the view has that history: none in inference mode.
                with enable_grad():
                    again = remade(view.base, view.steps)
                node, output_nr = again._grad_fn, again._output_nr
            else:
                node, output_nr = AsStridedBackward0(view.base, self), 0
                node._input_metadata.append((self._sizes, self.dtype))
            self._set_history(node, output_nr)
            view.version = self._version
        return self._grad_fn

    @property
    def is_leaf(self) -> bool:
        """Whether it has no history."""
        return (self._grad_fn if self._view is None else self.grad_fn) is None

    @property
    def output_nr(self) -> int:
        """Which output of its node it is."""
        return self._output_nr

    @property
    def grad(self) -> Tensor | None:
        """The accumulated gradient. Reading that of a non-leaf which retains none warns."""
        if self._grad is None:
            self._warn_of_no_grad()
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is None:
            self._grad = None
            return
        if not isinstance(value, Tensor):
            raise TypeError(
                f"assigned grad expected to be a Tensor or None but got grad of type {type(value).__name__}"
            )
        if value is self:
            raise RuntimeError("can't assign Variable as its own grad")
        wanted = getattr(self, "_grad_dtype", self.dtype)
        if wanted is not None and value.dtype is not wanted:
            raise RuntimeError(
                f"attempting to assign a gradient with dtype '{C_NAME[value.dtype.name]}' to a tensor with grad_dtype "
                f"'{wanted.legacy}'. The gradient must match the tensor's grad_dtype (defaults to the tensor's dtype). You "
                "can set the tensor's grad_dtype attribute with a specific dtype, or None to allow any dtype. Set grad_dtype "
                "with caution. Diverging the dtypes of a tensor and its gradient may break downstream systems that assume "
                "they match."
            )
        if value._sizes != self._sizes:
            raise RuntimeError(
                f"attempting to assign a gradient of size '{list(value._sizes)}' to a tensor of size '{list(self._sizes)}'. "
                "Please ensure that the gradient and the tensor are the same size"
            )
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    def _warn_of_no_grad(self) -> None:
        if self._grad is None and not self._retains and self._grad_fn is not None:
            warnings.warn(
                "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute won't be "
                "populated during autograd.backward(). If you indeed want the .grad field to be populated for a non-leaf "
                "Tensor, use .retain_grad() on the non-leaf Tensor. If you access the non-leaf Tensor by mistake, make sure "
                "you access the leaf Tensor instead. See github.com/pytorch/pytorch/pull/30531 for more informations.",
                UserWarning,
                stacklevel=3,
            )

    @property
    def grad_dtype(self) -> dtype | None:
        """The dtype that gradients of a leaf are cast to, its own unless it is set; None: none.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.grad_dtype.html
        """
        if not self.is_leaf:
            raise RuntimeError("grad_dtype can only be accessed on leaf tensors.")
        return getattr(self, "_grad_dtype", self.dtype)

    @grad_dtype.setter
    def grad_dtype(self, value: dtype | None) -> None:
        if value is not None and not isinstance(value, dtype):
            raise RuntimeError(f"grad_dtype must be a torch.dtype or None, but got {type(value).__name__}")
        self._warn_of_no_grad()
        if not self.is_leaf:
            raise RuntimeError("grad_dtype can only be set on leaf tensors.")
        if value is not None and self._grad is not None and self._grad.dtype is not value:
            raise RuntimeError(
                f"Cannot set grad_dtype to '{value.legacy}' because there is already a gradient with dtype "
                f"'{C_NAME[self._grad.dtype.name]}'. Please clear the gradient (.grad = None) before changing grad_dtype, or "
                "ensure the new grad_dtype matches the existing gradient's dtype."
            )
        self._grad_dtype = value
        node = self._accumulator() if self._accumulator is not None else None
        if node is not None:
            node._input_metadata = [(node._input_metadata[0][0], value)]

    @property
    def data(self) -> Tensor:
        """The same memory with no history and a version counter of its own: writes through it go unnoticed."""
        other = over(self._storage, self._offset, self._sizes, self._strides, self.dtype)
        other._inference = self._inference
        other._counter = None if self._inference and _State.inference else VersionCounter()
        return other

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
        if self.requires_grad and value.dtype.category < dtypes.FLOAT:
            raise RuntimeError(
                "data set to a tensor that requires gradients must be floating point or complex dtype"
            )
        if value.dtype is not self.dtype:
            self._accumulator = None  # graphs that exist keep accumulating in the former dtype
        self._storage, self._offset = value._storage, value._offset
        self._sizes, self._strides, self.dtype = value._sizes, value._strides, value.dtype
        self._inference = value._inference  # not so the version counter, which it has or lacks as before

    retains_grad = property(operator.attrgetter("_retains"), doc="Whether a non-leaf keeps its gradient.")

    def retain_grad(self) -> None:
        """Keep the gradient of a non-leaf in `.grad`. Raises RuntimeError where there will be none."""
        if not self.requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if self._grad_fn is None or self._retains:
            return
        node = self.grad_fn
        assert node is not None
        self._retains = True
        self._retain_on(node)

    def _share_accumulator(self, node: Node | None) -> None:
        """Make this a leaf whose gradient goes where that of another leaf goes; of None: nowhere as yet."""
        self._requires_grad = True
        self._accumulator = None if node is None else weakref.ref(node)

    def _set_history(self, node: Node | None, output_nr: int) -> None:
        """Make a node's output the history, taking along the hook that retains the gradient."""
        before = self._grad_fn
        if self._retains and before is not None:
            before.retain_hooks.pop(self._output_nr, None)
        self._grad_fn, self._output_nr = node, output_nr
        if self._retains and node is not None:
            self._retain_on(node)

    def _retain_on(self, node: Node) -> None:
        reference = weakref.ref(self)

        def retain(grad: Tensor) -> None:
            tensor = reference()
            if tensor is not None:
                if tensor._grad is None:
                    tensor._grad = functions.clone(grad, memory_format=contiguous_format)
                else:
                    tensor._grad = tensor._grad + grad

        node.retain_hooks[self._output_nr] = retain

    def register_hook(self, hook: Callable[[Tensor], Any]) -> RemovableHandle:
        """Call `hook(grad)` whenever a gradient for this tensor is computed; what it returns replaces the gradient.

        Raises RuntimeError for a tensor that does not require grad.
        """
        if not self.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        node = self.grad_fn
        if node is not None:
            hooks = node.tensor_hooks.setdefault(self._output_nr, {})
        else:
            if self._hooks is None:
                self._hooks = {}
            hooks = self._hooks
            accumulating = self._accumulator() if self._accumulator is not None else None
            if accumulating is not None:
                accumulating.tensor_hooks[0] = hooks
        return attach(hooks, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> RemovableHandle:
        """Call `hook(tensor)` after a gradient was accumulated into this leaf. Raises RuntimeError off leaves."""
        if not self.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if self.grad_fn is not None:
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        if self._post_accumulate_hooks is None:
            self._post_accumulate_hooks = {}
        accumulator(self)
        return attach(self._post_accumulate_hooks, hook)

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Accumulate the gradients of this tensor, weighted by `gradient`, into the leaves that it was computed from.

        Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.backward.html
        """
        from engine import autograd

        autograd.backward(self, gradient, retain_graph, create_graph, inputs=inputs)

    def detach(self) -> Tensor:
        """The same memory and version counter, without history."""
        made: Tensor = self._alias()
        if _State.forward is not None:
            _State.forward.detached(self, made)
        return made

    def detach_(self) -> Tensor:
        """Drop the history; in inference mode, do nothing. Raises RuntimeError for a view, whose history is its base's too."""
        if _State.inference:
            return self
        if self._view is not None:
            raise RuntimeError(
                "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel (DDP) for "
                "training, and gradient_as_bucket_view is set as True, gradients are views of DDP buckets, and hence "
                "detach_() cannot be called on these gradients. To fix this error, please refer to the Optimizer.zero_grad() "
                "function in torch/optim/optimizer.py as the solution."
            )
        self._requires_grad, self._grad_fn, self._output_nr = False, None, 0
        if _State.forward is not None:
            _State.forward.drop(self)
        return self

    @property
    def _version(self) -> int:
        if self._counter is None:
            raise RuntimeError("Inference tensors do not track version counter.")
        return self._counter.value

    @property
    def _base(self) -> Tensor | None:
        return self._view.base if self._view is not None else None

    def _is_view(self) -> bool:
        return self._view is not None

    def is_inference(self) -> bool:
        """Whether the tensor was made in inference mode."""
        return self._inference


_new = object.__new__


def over(
    storage: Storage, offset: int, sizes: layout.Shape, strides: layout.Shape, d: dtype, kind: Any = None
) -> Any:
    """A tensor over a storage, with a version counter of its own and no history."""
    tensor = _new(kind or Tensor)
    tensor._storage = storage
    tensor._offset = offset
    tensor._sizes = sizes
    tensor._strides = strides
    tensor.dtype = d
    tensor._counter = None if _State.inference else VersionCounter()
    tensor._requires_grad = False
    tensor._grad = None
    tensor._grad_fn = None
    tensor._output_nr = 0
    tensor._view = None
    tensor._retains = False
    tensor._hooks = None
    tensor._post_accumulate_hooks = None
    tensor._accumulator = None
    tensor._inference = _State.inference
    return tensor


def fresh(array: np.ndarray, d: dtype | None = None, strides: layout.Shape | None = None) -> Tensor:
    """A tensor that owns the values of an array, laid out in the given strides (row-major if None)."""
    if d is None:
        d = dtypes.BY_NUMPY[array.dtype]
    held = array.dtype
    if held is not d.numpy and held != d.numpy:  # the same in every precision mode, as random numbers
        array = array.astype(d.numpy)
    sizes = array.shape
    contiguous = layout.contiguous_strides(sizes)
    if strides is None or strides == contiguous:
        flags = array.flags
        if not (flags.c_contiguous and flags.writeable and flags.owndata):
            # An array of a NumPy number, too, whose memory belongs to all who have it.
            array = np.array(array, order="C")
        memory = np.ndarray(array.nbytes, BYTE, array)
        return over(Storage(memory, None, d), 0, sizes, contiguous, d)
    storage = Storage(np.zeros(layout.extent(sizes, strides) * d.numpy.itemsize, np.uint8), None, d)
    tensor = over(storage, 0, sizes, strides, d)
    tensor._array()[...] = array
    return tensor
