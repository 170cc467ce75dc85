"""The tensor: sizes and strides over a storage, and what autograd knows about it.

Sources: https://docs.pytorch.org/docs/stable/tensors.html and https://docs.pytorch.org/docs/stable/tensor_view.html
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from engine import dtypes, functions, layout
from engine.autograd.graph import AsStridedBackward0, Node, accumulator
from engine.autograd.modes import _State
from engine.dtypes import dtype
from engine.random_support import C_NAME
from engine.size import CPU, Size, device, strided
from engine.storage import Storage, VersionCounter, storage_of_array


class ViewInfo:
    """What a view knows: its base, the mode that it was made in, and the version at which its history was read."""

    DEFAULT, MULTI_OUTPUT, NO_GRAD, INFERENCE = range(4)
    __slots__ = ("base", "made_in", "version")

    def __init__(self, base: Tensor, made_in: int, version: int) -> None:
        self.base = base
        self.made_in = made_in
        self.version = version

    def check_rewritable(self, view: Tensor, *, indirect: bool) -> None:
        """Raise RuntimeError where an in-place write (to the view, or `indirect` to its base) cannot be recorded.

        Source: https://docs.pytorch.org/docs/stable/tensor_view.html and the notes on grad modes.
        """
        if self.made_in == ViewInfo.DEFAULT:
            return
        node, inference = view._grad_fn, self.made_in == ViewInfo.INFERENCE
        written = "its base or another view of its base has been" if indirect else "is being"
        created = f"view {'which ' if node is not None else ''}was created in {'inference' if inference else 'no_grad'} mode"
        if node is None:
            text = f"A {created} and {written} modified inplace"
        elif self.made_in == ViewInfo.MULTI_OUTPUT:
            text = f"Output {view._output_nr} of {node.operation_name()} is a view and {written} modified inplace"
        else:
            text = f"Output {view._output_nr} of {node.operation_name()} is a view of a {created} and {written} modified inplace"
        if node is None or self.made_in != ViewInfo.MULTI_OUTPUT:
            text += " in normal mode" if inference else " with grad mode enabled"
        if self.made_in == ViewInfo.MULTI_OUTPUT:
            text += (
                ". This view is the output of a function that returns multiple views. Such functions do not allow the output "
                "views to be modified inplace. You should replace the inplace operation by an out-of-place one."
            )
        else:
            block = "inference_mode" if inference else "no_grad"
            text += (
                ". Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving "
                f"both the view and the inplace either both inside the {block} block (if you don't want the inplace to be "
                "tracked) or both outside (if you want the inplace to be tracked)."
            )
        raise RuntimeError(text)


class RemovableHandle:
    """What registering a hook returns: `remove()` takes the hook away again."""

    def __init__(self, hooks: dict[int, Callable], key: int) -> None:
        self._hooks, self.id = hooks, key

    def remove(self) -> None:
        """Take the hook away; a second call does nothing."""
        self._hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


class Tensor:
    """A multi-dimensional array of one dtype."""

    __slots__ = (
        "__weakref__", "_accumulator", "_counter", "_grad", "_grad_fn", "_hooks", "_inference", "_offset", "_output_nr",
        "_post_accumulate_hooks", "_requires_grad", "_retains", "_sizes", "_storage", "_strides", "_view", "dtype",
    )  # fmt: skip
    _is_engine_tensor = True
    __array_priority__ = 1000

    _storage: Storage
    _output_nr: int
    _retains: bool
    _hooks: dict[int, Callable[..., Any]] | None
    _post_accumulate_hooks: dict[int, Callable[..., Any]] | None
    _accumulator: Any  # a weak reference to the node, or None
    _offset: int
    _sizes: layout.Shape
    _strides: layout.Shape
    dtype: dtype
    _grad_fn: Node | None
    _view: ViewInfo | None
    _grad: Any

    def __new__(cls, *args: Any, **kwargs: Any) -> Tensor:
        return functions.legacy_tensor(None, *args, **kwargs)

    # ------------------------------------------------------------------------------------------------- construction

    @staticmethod
    def _make(storage: Storage, offset: int, sizes: layout.Shape, strides: layout.Shape, d: dtype) -> Tensor:
        """A tensor over a storage, with a version counter of its own and no history."""
        self = object.__new__(Tensor)
        self._storage = storage
        self._offset = offset
        self._sizes = sizes
        self._strides = strides
        self.dtype = d
        self._counter = None if _State.inference else VersionCounter()
        self._requires_grad = False
        self._grad = None
        self._grad_fn = None
        self._output_nr = 0
        self._view = None
        self._retains = False
        self._hooks = None
        self._post_accumulate_hooks = None
        self._accumulator = None
        self._inference = _State.inference
        return self

    @staticmethod
    def _fresh(array: np.ndarray, d: dtype | None = None, strides: layout.Shape | None = None) -> Tensor:
        """A tensor that owns the values of an array, laid out in the given strides (row-major if None)."""
        d = d or dtypes.BY_NUMPY[array.dtype]
        sizes = array.shape
        contiguous = layout.contiguous_strides(sizes)
        if strides is None or strides == contiguous:
            if not (array.flags.c_contiguous and array.flags.writeable and array.flags.owndata):
                array = array.copy("C")
            return Tensor._make(storage_of_array(array), 0, sizes, contiguous, d)
        storage = Storage(np.zeros(layout.extent(sizes, strides) * d.itemsize, np.uint8))
        self = Tensor._make(storage, 0, sizes, strides, d)
        self._array()[...] = array
        return self

    def _alias(self) -> Tensor:
        """Another tensor on the same memory and version counter, without history."""
        other = Tensor._make(self._storage, self._offset, self._sizes, self._strides, self.dtype)
        if self._counter is not None or _State.inference:
            other._counter = self._counter
        other._inference = self._inference
        return other

    # -------------------------------------------------------------------------------------------------------- memory

    def _array(self) -> np.ndarray:
        """The elements as a NumPy array on the tensor's own memory."""
        if 0 in self._sizes:
            return np.empty(self._sizes, self.dtype.numpy)
        item = self.dtype.itemsize
        if layout.is_contiguous(self._sizes, self._strides):
            return np.ndarray(self._sizes, self.dtype.numpy, self._storage.buffer, self._offset * item)
        return np.ndarray(
            self._sizes,
            self.dtype.numpy,
            self._storage.buffer,
            self._offset * item,
            [s * item for s in self._strides],
        )

    def _undefined_mask(self) -> np.ndarray | None:
        """Which elements are undefined, None if none is."""
        marks = self._storage.undefined
        if marks is None or 0 in self._sizes:
            return None
        item = self.dtype.itemsize
        strides = [*(s * item for s in self._strides), 1]
        mask: Any = np.ndarray((*self._sizes, item), np.bool_, marks, self._offset * item, strides).any(-1)
        return mask if mask.any() else None

    def _mark_undefined(self, mask: Any) -> None:
        """Say which elements are undefined from now on (an array or one bool); the others are defined."""
        storage = self._storage
        if storage.undefined is None:
            if mask is False:
                return
            storage.undefined = np.zeros(storage.nbytes(), np.bool_)
        if 0 not in self._sizes:
            item = self.dtype.itemsize
            strides = [*(s * item for s in self._strides), 1]
            marks = np.ndarray(
                (*self._sizes, item), np.bool_, storage.undefined, self._offset * item, strides
            )
            marks[...] = mask[..., None] if isinstance(mask, np.ndarray) else mask
        if not storage.undefined.any():
            storage.undefined = None

    def _resize(self, sizes: layout.Shape) -> None:
        """Take row-major sizes, with more memory where they need it."""
        self._sizes, self._strides = sizes, layout.contiguous_strides(sizes)
        needed = (self._offset + layout.numel(sizes)) * self.dtype.itemsize
        if needed > self._storage.nbytes() and layout.numel(sizes):
            self._storage.resize_(needed)

    def untyped_storage(self) -> Storage:
        """The memory, with `data_ptr()` and `nbytes()`."""
        return self._storage

    def data_ptr(self) -> int:
        """The address of the first element."""
        return (
            self._storage.data_ptr() + self._offset * self.dtype.itemsize if layout.numel(self._sizes) else 0
        )

    # ----------------------------------------------------------------------------------------------------- geometry

    @property
    def shape(self) -> Size:
        """The sizes, as a `torch.Size`."""
        return Size.of(self._sizes)

    def size(self, dim: int | None = None) -> Any:
        """All sizes, or that of one dimension. Raises IndexError."""
        if dim is None:
            return Size.of(self._sizes)
        return self._sizes[layout.wrap_dim(_index(dim, "size"), len(self._sizes), scalar=False)]

    def stride(self, dim: int | None = None) -> Any:
        """All strides in elements, or that of one dimension. Raises IndexError."""
        if dim is None:
            return self._strides
        return self._strides[layout.wrap_dim(_index(dim, "stride"), len(self._strides), scalar=False)]

    @property
    def _layout(self) -> tuple[layout.Shape, layout.Shape, int]:
        return self._sizes, self._strides, self._offset

    def storage_offset(self) -> int:
        """Where the first element lies in the storage, in elements."""
        return self._offset

    def dim(self) -> int:
        """The number of dimensions."""
        return len(self._sizes)

    ndimension = dim
    ndim = property(dim)

    def numel(self) -> int:
        """The number of elements."""
        return layout.numel(self._sizes)

    nelement = numel

    def element_size(self) -> int:
        """The size of an element in bytes."""
        return self.dtype.itemsize

    itemsize = property(element_size)

    @property
    def nbytes(self) -> int:
        """The size of all elements in bytes."""
        return self.numel() * self.dtype.itemsize

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Whether the elements lie in row-major (or channels-last) order without gaps."""
        if memory_format is not None and memory_format.name == "channels_last":
            return layout.is_channels_last(self._sizes, self._strides)
        return layout.is_contiguous(self._sizes, self._strides)

    def is_floating_point(self) -> bool:
        """Whether the dtype is a floating one."""
        return self.dtype.is_floating_point

    def is_complex(self) -> bool:
        """Whether the dtype is complex."""
        return self.dtype.is_complex

    def is_signed(self) -> bool:
        """Whether the dtype holds negative numbers."""
        return self.dtype.is_signed

    def is_inference(self) -> bool:
        """Whether the tensor was made in inference mode."""
        return self._inference

    @property
    def device(self) -> device:
        """Always the CPU."""
        return CPU

    is_cuda = property(lambda self: False)
    is_cpu = property(lambda self: True)
    is_sparse = property(lambda self: False)
    is_quantized = property(lambda self: False)
    is_meta = property(lambda self: False)

    def get_device(self) -> int:
        """-1: the CPU has no number."""
        return -1

    def is_set_to(self, other: Tensor) -> bool:
        """Whether both show the same elements of the same memory in the same way."""
        mine = (self._storage, self._offset, self._sizes, self._strides)
        return mine == (other._storage, other._offset, other._sizes, other._strides)

    # ----------------------------------------------------------------------------------------------------- autograd

    @property
    def requires_grad(self) -> bool:
        """Whether gradients are computed for it: it was asked for, or it has a history, or its base does."""
        if self._requires_grad or self._grad_fn is not None:
            return True
        return self._view is not None and self._view.base.requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise RuntimeError("requires_grad must be a bool")
        if not self.is_leaf:
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
        if self.is_leaf or not requires_grad:
            if requires_grad and self.dtype.category < dtypes.FLOAT:
                raise RuntimeError("only Tensors of floating point dtype can require gradients")
            self.requires_grad = requires_grad
        return self

    @property
    def grad_fn(self) -> Node | None:
        """The node of the operation that made it; made anew for a view whose base has been written since."""
        view = self._view
        if view is None or (self._grad_fn is None and not view.base.requires_grad):
            return self._grad_fn
        if view.version != self._counter.value:
            view.check_rewritable(self, indirect=True)
            if self.dtype is not view.base.dtype and not view.base.requires_grad:
                # A view as other elements is made anew from its base as it is now, and has that history or none.
                self._grad_fn, view.version = None, self._counter.value
                return None
            node = AsStridedBackward0(view.base, self)
            node.metadata.append((self._sizes, self.dtype))
            self._set_history(node, 0)
            view.version = self._counter.value
        return self._grad_fn

    @property
    def is_leaf(self) -> bool:
        """Whether it has no history."""
        return self.grad_fn is None

    @property
    def output_nr(self) -> int:
        """Which output of its node it is."""
        return self._output_nr

    @property
    def grad(self) -> Tensor | None:
        """The accumulated gradient. Reading that of a non-leaf which retains none warns."""
        if self._grad is None and not self._retains and self.requires_grad and not self.is_leaf:
            warnings.warn(
                "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute won't be "
                "populated during autograd.backward(). If you indeed want the .grad field to be populated for a non-leaf "
                "Tensor, use .retain_grad() on the non-leaf Tensor. If you access the non-leaf Tensor by mistake, make sure "
                "you access the leaf Tensor instead. See github.com/pytorch/pytorch/pull/30531 for more informations.",
                UserWarning,
                stacklevel=2,
            )
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
        if value.dtype is not self.dtype:
            raise RuntimeError(
                f"attempting to assign a gradient with dtype '{C_NAME[value.dtype.name]}' to a tensor with grad_dtype "
                f"'{self.dtype.legacy}'. The gradient must match the tensor's grad_dtype (defaults to the tensor's dtype). You "
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

    @property
    def data(self) -> Tensor:
        """The same memory with no history and a version counter of its own: writes through it go unnoticed."""
        other = Tensor._make(self._storage, self._offset, self._sizes, self._strides, self.dtype)
        if self._inference:
            other._inference, other._counter = True, None
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

    @property
    def retains_grad(self) -> bool:
        """Whether a non-leaf keeps its gradient."""
        return self._retains

    def retain_grad(self) -> None:
        """Keep the gradient of a non-leaf in `.grad`. Raises RuntimeError where there will be none."""
        if not self.requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if self.is_leaf or self._retains:
            return
        node = self.grad_fn
        assert node is not None
        self._retains = True
        self._retain_on(node)

    def _set_history(self, node: Node, output_nr: int) -> None:
        """Make a node's output the history, taking along the hook that retains the gradient."""
        before = self._grad_fn
        if self._retains and before is not None:
            before.retain_hooks.pop(self._output_nr, None)
        self._grad_fn, self._output_nr = node, output_nr
        if self._retains:
            self._retain_on(node)

    def _retain_on(self, node: Node) -> None:
        reference = weakref.ref(self)

        def retain(grad: Tensor) -> None:
            tensor = reference()
            if tensor is not None:
                tensor._grad = grad.clone() if tensor._grad is None else tensor._grad + grad

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
        return _add_hook(hooks, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> RemovableHandle:
        """Call `hook(tensor)` after a gradient was accumulated into this leaf. Raises RuntimeError off leaves."""
        if not self.requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if self.grad_fn is not None:
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        if self._post_accumulate_hooks is None:
            self._post_accumulate_hooks = {}
        accumulator(self)
        return _add_hook(self._post_accumulate_hooks, hook)

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
        return self._alias()

    def detach_(self) -> Tensor:
        """Drop the history; in inference mode, do nothing. Raises RuntimeError for a view, whose history is its base's too."""
        if _State.inference:
            return self
        if self._view is not None:
            raise RuntimeError(
                "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel (DDP) for "
                "training, and gradient_as_bucket_view is set as True, gradients are views of DDP buckets, and hence "
                "detach_() cannot be called on these gradients. To fix this error, please refer to the Optimizer.zero_grad() "
                "function in torch/optim/optimizer.py as a solution."
            )
        self._requires_grad, self._grad_fn, self._output_nr = False, None, 0
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

    # ------------------------------------------------------------------------------------------------ Python protocol

    def __len__(self) -> int:
        if not self._sizes:
            raise TypeError("len() of a 0-d tensor")
        return self._sizes[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self._sizes:
            raise TypeError("iteration over a 0-d tensor")
        return iter(functions.unbind(self, 0))

    def __bool__(self) -> bool:
        if self.numel() != 1:
            what = "no" if self.numel() == 0 else "more than one"
            raise RuntimeError(
                f"Boolean value of Tensor with {what} value{'s' if what == 'no' else ''} is ambiguous"
            )
        return bool(self.item())

    def _scalar(self, c_name: str | None) -> Any:
        """The only element for a Python conversion; `c_name` is the C type that it has to fit, None for complex."""
        if self.numel() != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        value = self.item()
        if c_name is not None and self.requires_grad:
            warnings.warn(
                "Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior.\nConsider using "
                "tensor.detach() first.",
                UserWarning,
                stacklevel=3,
            )
        if c_name is not None and isinstance(value, complex):
            if value.imag != 0:
                raise RuntimeError(f"value cannot be converted to type {c_name} without overflow")
            value = value.real
        return value

    def __int__(self) -> int:
        return int(self._scalar("int64_t"))

    def __float__(self) -> float:
        return float(self._scalar("double"))

    def __complex__(self) -> complex:
        return complex(self._scalar(None))

    def __index__(self) -> int:
        if self.numel() != 1 or self.dtype.category >= dtypes.FLOAT:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __hash__(self) -> int:
        return id(self)

    def __contains__(self, element: Any) -> bool:
        return bool((element == self).any().item())

    def __repr__(self) -> str:
        from engine.printing import tensor_text

        return tensor_text(self)

    def __format__(self, spec: str) -> str:
        if self.dim() == 0:
            return format(self.item(), spec)
        return object.__format__(self, spec)

    def __getitem__(self, index: Any) -> Tensor:
        return functions.getitem(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        functions.setitem(self, index, value)

    def __delitem__(self, index: Any) -> None:
        raise TypeError("Tensor does not support deleting items")


def _index(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name}(): argument 'dim' must be int, not {type(value).__name__}")
    return value


def _add_hook(hooks: dict[int, Callable], hook: Callable) -> RemovableHandle:
    if not callable(hook):
        raise TypeError("hook must be callable")
    key = max(hooks, default=-1) + 1
    hooks[key] = hook
    return RemovableHandle(hooks, key)


_OPERATORS = {
    "add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "floordiv": "floor_divide", "mod": "remainder", "pow": "pow",
    "matmul": "matmul", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor", "lshift": "bitwise_left_shift",
    "rshift": "bitwise_right_shift",
}  # fmt: skip
_COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
_UNARY = {"neg": "neg", "pos": "positive", "abs": "abs"}


def _invert(self: Tensor) -> Tensor:
    if self.dtype.category >= dtypes.FLOAT:
        raise TypeError("~ (operator.invert) is only implemented on integer and Boolean-type tensors")
    return functions.bitwise_not(self)


def _fits(other: Any) -> bool:
    return isinstance(other, (Tensor, bool, int, float, complex, np.number, np.bool_))


def _binary(name: str) -> Callable[[Any, Any], Any]:
    def operator(self: Tensor, other: Any) -> Any:
        return getattr(functions, name)(self, other) if _fits(other) else NotImplemented

    return operator


def _reflected(name: str) -> Callable[[Any, Any], Any]:
    def operator(self: Tensor, other: Any) -> Any:
        if not _fits(other):
            return NotImplemented
        if name == "sub":
            return functions.rsub(self, other)
        if name == "div":
            return self.reciprocal() * other
        if name in ("add", "mul", "bitwise_and", "bitwise_or", "bitwise_xor"):
            return getattr(functions, name)(self, other)
        return getattr(functions, name)(other, self)

    return operator


def _augmented(name: str) -> Callable[[Any, Any], Any]:
    def operator(self: Tensor, other: Any) -> Any:
        return getattr(self, name + "_")(other) if _fits(other) else NotImplemented

    return operator


for _symbol, _name in _OPERATORS.items():
    setattr(Tensor, f"__{_symbol}__", _binary(_name))
    setattr(Tensor, f"__r{_symbol}__", _reflected(_name))
    if _symbol != "matmul":
        setattr(Tensor, f"__i{_symbol}__", _augmented(_name))
Tensor.layout = property(
    lambda self: strided, doc="Always strided."
)  # not in the class: `layout` is a module there
for _name in _COMPARISONS:
    setattr(Tensor, f"__{_name}__", _binary(_name))
Tensor.__invert__ = _invert  # type: ignore[operator]
for _symbol, _name in _UNARY.items():
    setattr(Tensor, f"__{_symbol}__", (lambda name: lambda self: getattr(functions, name)(self))(_name))
