"""Operations that change what a tensor object itself shows: in-place views, resize_, set_.

An in-place view counts as a write for the version, but changes no memory: only the tensor's own history grows, not
that of its base.

Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.resize_.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from engine import layout
from engine.autograd.modes import is_grad_enabled, is_inference_mode_enabled
from engine.autograd.node import UnknownDerivative
from engine.dtypes import C_NAMES
from engine.ops.memory import _as_strided, _as_strided_grad, strides_for
from engine.ops.orders import matrix_transposed, transposed
from engine.ops.views import Shape, _unsqueeze_some, composite, squeezed, unsqueezed
from engine.registry import VIEW, op
from engine.results import Geometry
from engine.size import channels_last, contiguous_format, memory_format
from engine.storage import Storage
from engine.tensor import Tensor
from engine.writes import bump_version, check_inplace, rebase_history


def _inplace(
    signature: str, kernel: Callable[..., Geometry], backward: Callable[..., Any], **options: Any
) -> None:
    options.setdefault("forms", "inplace-method")
    op(
        signature,
        kind=VIEW,
        kernel=kernel,
        family="shape",
        exact=True,
        derivatives={"input": backward},
        **options,
    )


def _t(input: Tensor) -> Geometry:
    if input.dim() > 2:
        raise RuntimeError(f"t_() expects a tensor with <= 2 dimensions, but self is {input.dim()}D")
    return matrix_transposed(input)


# torch numbers the nodes of the in-place forms after those of the others.
_inplace("t_(Tensor input)", _t, lambda grad: grad.t(), node="TBackward1")
for _name in ("transpose_", "swapdims_"):
    _inplace(
        f"{_name}(Tensor input, int dim0, int dim1)", transposed,
        lambda grad, dim0, dim1: grad.transpose(dim0, dim1), node="TransposeBackward1",
    )  # fmt: skip
_inplace(
    "swapaxes_(Tensor input, int axis0, int axis1)", transposed,
    lambda grad, axis0, axis1: grad.transpose(axis0, axis1), node="TransposeBackward1",
)  # fmt: skip
_inplace(
    "squeeze_(Tensor input)", lambda input: squeezed(input, None),
    lambda grad, input_sizes: _unsqueeze_some(grad, input_sizes, None), node="SqueezeBackward3",
)  # fmt: skip
_inplace("squeeze_(Tensor input, int dim)", squeezed, _unsqueeze_some, node="SqueezeBackward4")
_inplace("squeeze_(Tensor input, int[] dim)", squeezed, _unsqueeze_some, node="SqueezeBackward5")
_inplace(
    "unsqueeze_(Tensor input, int dim)",
    unsqueezed,
    lambda grad, dim: grad.squeeze(dim),
    node="UnsqueezeBackward1",
)
_inplace(
    "as_strided_(Tensor input, int[] size, int[] stride, int? storage_offset=None)", _as_strided,
    lambda grad, input_layout, size, stride, storage_offset: _as_strided_grad(
        grad, input_layout, size, stride, storage_offset
    ),
    node="AsStridedBackward1", forms="function inplace",
)  # fmt: skip


# --------------------------------------------------------------------------------------------------- resize_ and set_


def _resize(input: Tensor, size: Shape, memory_format: memory_format | None) -> Tensor:
    """Take other sizes in the same memory, which grows where they need it. What is new in it is undefined.

    Raises RuntimeError for a tensor that requires grad, and for memory that NumPy shares.
    """
    if input.requires_grad and not (input._inference or is_inference_mode_enabled()):
        raise RuntimeError("cannot resize variables that require grad")
    check_inplace(input, False)
    if any(n < 0 for n in size):
        raise RuntimeError("numel: integer multiplication overflow")
    if tuple(size) != input._sizes:
        input._resize(tuple(size))
        bump_version(input)
    if memory_format is not None:
        if memory_format.name == "preserve_format":
            raise RuntimeError("Unsupported memory formatPreserve")
        input._strides = strides_for(input, memory_format)
    return input


def _resize_as(input: Tensor, the_template: Tensor, memory_format: memory_format | None) -> Tensor:
    """Take the sizes of another tensor."""
    _resize(input, the_template._sizes, None)
    if memory_format is not None and memory_format.name == "preserve_format":
        last = layout.is_channels_last(the_template._sizes, the_template._strides)
        memory_format = channels_last if last and not the_template.is_contiguous() else contiguous_format
    if memory_format is not None:
        input._strides = strides_for(input, memory_format)
    return input


composite(
    "resize_(Tensor input, int[] size, *, memory_format? memory_format=None)",
    _resize,
    forms="method",
    family="view",
)
composite(
    "resize_as_(Tensor input, Tensor the_template, *, memory_format? memory_format=None)", _resize_as, family="view",
)  # fmt: skip


def _set(
    input: Tensor, storage: Storage, offset: int, size: Shape, stride: Shape, source: Tensor | None = None
) -> Tensor:
    """Show other memory, that of a source. Whatever is recorded of it has no derivative."""
    if offset < 0:
        raise RuntimeError(f"Tensor: invalid storage offset {offset}")
    if len(size) != len(stride):
        raise RuntimeError(f"unequal size length ({len(size)}) and stride length ({len(stride)})")
    if any(n < 0 for n in size):
        raise RuntimeError("numel: integer multiplication overflow")
    if any(s < 0 for s in stride):
        raise RuntimeError(
            f"Storage size calculation overflowed with sizes={list(size)} and strides={list(stride)}"
        )
    tensors = [input] if source is None else [input, source]
    sloped = any(t.requires_grad for t in tensors) and not all(t._inference for t in tensors)
    recorded = is_grad_enabled() and sloped
    check_inplace(input, recorded)
    node = UnknownDerivative("set_", tensors) if recorded else None
    storage = storage.holding(input.dtype)
    needed = (offset + layout.extent(size, stride)) * input.dtype.itemsize if layout.numel(size) else 0
    if needed > storage.nbytes():
        storage.resize_(needed)
    input._storage, input._offset, input._sizes, input._strides = storage, offset, tuple(size), tuple(stride)
    bump_version(input)
    if not is_inference_mode_enabled():
        input._accumulator = None  # graphs that exist keep accumulating in the former shape
    if node is not None:
        rebase_history(input, node)
    return input


def _set_tensor(input: Tensor, source: Tensor) -> Tensor:
    """Show what another tensor shows. Raises RuntimeError for another dtype."""
    if source.dtype is not input.dtype:
        got, own = C_NAMES[source.dtype], C_NAMES[input.dtype]
        raise RuntimeError(f"Could not set tensor of type {got} to a tensor of type {own}")
    return _set(input, source._storage, source._offset, source._sizes, source._strides, source)


def _set_part(input: Tensor, source: Any, storage_offset: int, size: Shape, stride: Shape) -> Tensor:
    """Show part of the memory of a tensor or a storage; row-major without strides."""
    tensor = source if isinstance(source, Tensor) else None
    if tensor is not None and not tensor.is_contiguous():
        raise RuntimeError("passed in tensor to be used as storage must be contiguous")
    storage, start = (source, 0) if tensor is None else (tensor._storage, tensor._offset)
    size = tuple(size)
    return _set(
        input, storage, start + storage_offset, size, tuple(stride) or layout.contiguous_strides(size)
    )


def _set_storage(input: Tensor, source: Any) -> Tensor:
    """Show all of a storage as one row, or nothing."""
    storage = Storage(np.zeros(0, np.uint8)) if source is None else source
    if not isinstance(storage, Storage):
        raise TypeError(
            f"set_() received an invalid combination of arguments - got ({type(source).__name__}), but expected one of:\n"
            " * ()\n * (Storage source)\n * (Storage source, int storage_offset, tuple of ints size, tuple of ints stride)\n"
            " * (Tensor source)\n * (Tensor source, int storage_offset, tuple of ints size, tuple of ints stride)\n"
        )
    return _set(input, storage, 0, (storage.nbytes() // input.dtype.itemsize,), (1,))


for _signature, _kernel in (
    ("set_(Tensor input, Tensor source)", _set_tensor),
    ("set_(Tensor input, Tensor source, int storage_offset, int[] size, int[] stride=[])", _set_part),
    ("set_(Tensor input, Storage source, int storage_offset, int[] size, int[] stride=[])", _set_part),
    ("set_(Tensor input, object source=None)", _set_storage),
):
    composite(_signature, _kernel, forms="method", family="view")

composite("detach(Tensor input)", Tensor.detach, forms="function", family="autograd")
composite("detach_(Tensor input)", Tensor.detach_, forms="function", family="autograd")
