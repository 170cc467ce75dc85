"""Sizes and strides over a storage: the part of a tensor that autograd has nothing to do with.

Sources: https://docs.pytorch.org/docs/stable/tensors.html and https://docs.pytorch.org/docs/stable/tensor_view.html
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from engine import dtypes, functions, layout
from engine.dtypes import dtype
from engine.size import CPU, Size, device, strided
from engine.storage import Storage


class Strided:
    """Elements of one dtype in a storage: memory, geometry, and what Python asks of a container or number."""

    __slots__ = ("_offset", "_sizes", "_storage", "_strides", "dtype")

    _storage: Storage
    _offset: int
    _sizes: layout.Shape
    _strides: layout.Shape
    dtype: dtype

    # -------------------------------------------------------------------------------------------------------- memory

    def _array(self) -> np.ndarray:
        """The elements as a NumPy array on the tensor's own memory."""
        sizes, storage, d = self._sizes, self._storage, self.dtype.numpy
        if 0 in sizes:
            return np.empty(sizes, d)
        if storage.mirror is not None:
            storage.refresh()
        item = d.itemsize
        if layout.is_contiguous(sizes, self._strides):
            return np.ndarray(sizes, d, storage.buffer, self._offset * item)
        return np.ndarray(sizes, d, storage.buffer, self._offset * item, [s * item for s in self._strides])

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
        elif mask is False and self._fills_storage():
            storage.undefined = None
            return
        if 0 not in self._sizes:
            item = self.dtype.itemsize
            strides = [*(s * item for s in self._strides), 1]
            marks = np.ndarray(
                (*self._sizes, item), np.bool_, storage.undefined, self._offset * item, strides
            )
            marks[...] = mask[..., None] if isinstance(mask, np.ndarray) else mask
        if not storage.undefined.any():
            storage.undefined = None

    def _fills_storage(self) -> bool:
        nbytes = layout.numel(self._sizes) * self.dtype.itemsize
        return nbytes == self._storage.nbytes() and layout.is_non_overlapping_and_dense(
            self._sizes, self._strides
        )

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

    @property
    def device(self) -> device:
        """Always the CPU."""
        return CPU

    is_cpu = True
    is_cuda = is_sparse = is_quantized = is_meta = False

    def get_device(self) -> int:
        """-1: the CPU has no number."""
        return -1

    def is_set_to(self, other: Strided) -> bool:
        """Whether both show the same elements of the same memory in the same way."""
        mine = (self._storage, self._offset, self._sizes, self._strides)
        return mine == (other._storage, other._offset, other._sizes, other._strides)

    # ------------------------------------------------------------------------------------------------ Python protocol

    def __len__(self) -> int:
        if not self._sizes:
            raise TypeError("len() of a 0-d tensor")
        return self._sizes[0]

    def __iter__(self) -> Iterator[Any]:
        if not self._sizes:
            raise TypeError("iteration over a 0-d tensor")
        return iter(functions.unbind(self, 0))

    def __bool__(self) -> bool:
        return bool(self.is_nonzero())

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

    def __getitem__(self, index: Any) -> Any:
        return functions.getitem(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        functions.setitem(self, index, value)

    def __delitem__(self, index: Any) -> None:
        raise TypeError("Tensor does not support deleting items")


def _index(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name}(): argument 'dim' must be int, not {type(value).__name__}")
    return value


Strided.layout = property(
    lambda self: strided, doc="Always strided."
)  # not in the class: `layout` is a module there
