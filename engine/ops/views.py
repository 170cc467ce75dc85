"""Views: the same memory shown with other sizes and strides.

Source: https://docs.pytorch.org/docs/stable/tensor_view.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine import functions as F
from engine import layout
from engine.autograd.modes import is_inference_mode_enabled
from engine.dtypes import FLOAT, dtype
from engine.registry import COMPOSITE, GENERAL, VIEW, op
from engine.results import Geometry, Result
from engine.size import Size, contiguous_format
from engine.storage import Storage
from engine.tensor import Tensor, over

Shape = layout.Shape


def view(signature: str, kernel: Callable[..., Any], backward: Callable[..., Any], **options: Any) -> None:
    """Register a view of one input with the formula of its gradient."""
    options.setdefault("family", "shape")
    op(signature, kind=VIEW, kernel=kernel, exact=True, derivatives={"input": backward}, **options)


def composite(signature: str, kernel: Callable[..., Any], **options: Any) -> None:
    """Register an operation that is written with other views."""
    options.setdefault("family", "shape")
    op(signature, kind=COMPOSITE, kernel=kernel, exact=True, **options)


def bare(sizes: Shape, d: dtype) -> Tensor:
    """A row-major tensor without memory, of which only the geometry may be asked."""
    return over(Storage(np.zeros(0, np.uint8), None, d), 0, sizes, layout.contiguous_strides(sizes), d)


def scatter(signature: str, geometry: Callable[..., Geometry], read: Callable[..., Any]) -> None:
    """Register the gradient of a view that shows a part: zeros of the input's sizes, with the gradient in that part."""

    def kernel(grad_output: Tensor, input_sizes: Shape, *rest: Any) -> Result:
        out = np.zeros(input_sizes, grad_output.dtype.numpy)
        part = geometry(bare(tuple(input_sizes), grad_output.dtype), *rest)
        if 0 not in part.sizes:
            item = out.itemsize
            memory = out.reshape(-1).view(np.uint8)
            shown = np.ndarray(
                part.sizes, out.dtype, memory, part.offset * item, [s * item for s in part.strides]
            )
            shown[...] = grad_output._array()
        return Result(out)

    op(
        signature, kind=GENERAL, kernel=kernel, family="shape", forms="function", exact=True,
        derivatives={"grad_output": read},
    )  # fmt: skip


view("alias(Tensor input)", lambda input: Geometry(*input._layout), lambda grad: grad, forms="function")


# ----------------------------------------------------------------------------------------------------------- new shapes


def infer_shape(shape: Sequence[int], count: int) -> Shape:
    """The shape with its -1 replaced. Raises RuntimeError where it does not hold `count` elements."""
    known, unknown = 1, None
    for i, n in enumerate(shape):
        if n == -1:
            if unknown is not None:
                raise RuntimeError("only one dimension can be inferred")
            unknown = i
        elif n < 0:
            raise RuntimeError(f"invalid shape dimension {n} at index {i} of shape {list(shape)}")
        else:
            known *= n
    if unknown is None:
        if known != count:
            raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {count}")
        return tuple(shape)
    if known == 0 and count == 0:
        raise RuntimeError(
            f"cannot reshape tensor of 0 elements into shape {list(shape)} because the unspecified dimension size -1 can be "
            "any value and is ambiguous"
        )
    if known == 0 or count % known:
        raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {count}")
    return (*shape[:unknown], count // known, *shape[unknown + 1 :])


def _view(input: Tensor, size: Shape) -> Geometry:
    target = infer_shape(size, layout.numel(input._sizes))
    strides = layout.view_strides(input._sizes, input._strides, target)
    if strides is None:
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            "contiguous subspaces). Use .reshape(...) instead."
        )
    return Geometry(target, strides, input._offset)


def _view_dtype(input: Tensor, dtype: Any) -> Tensor:
    """The same bytes read as another dtype. Autograd does not see it as a view: it has no base and no history.

    In inference mode it is a tensor of that mode; outside, it is a normal one, even of an inference tensor.
    """
    sizes, strides, offset = _reread(input, dtype)
    if dtype is not input.dtype:
        input._storage.reread = True
        if input.dtype.category >= FLOAT:
            _lose_bits_of_nan(input)
    if input._inference or is_inference_mode_enabled():
        return over(input._storage.holding(dtype), offset, sizes, strides, dtype)
    other = input._alias()
    other._sizes, other._strides, other._offset, other.dtype = sizes, strides, offset, dtype
    other._storage = input._storage.holding(dtype)
    return other


def _lose_bits_of_nan(input: Tensor) -> None:
    """IEEE 754 leaves open which sign and payload the NaN of an operation has, so another dtype may read anything there."""
    nan = np.isnan(input._array())
    if nan.any():
        undefined = input._undefined_mask()
        input._mark_undefined(nan if undefined is None else nan | undefined)


def _reread(input: Tensor, dtype: Any) -> tuple[Shape, Shape, int]:
    sizes, strides, offset = input._layout
    old, new = input.dtype.itemsize, dtype.itemsize
    if old == new:
        return sizes, strides, offset
    what = f"to view {input.dtype.legacy} as {dtype.legacy} (different element sizes)"
    if not sizes:
        raise RuntimeError(f"self.dim() cannot be 0 {what}")
    if strides[-1] != 1:
        raise RuntimeError(f"self.stride(-1) must be 1 {what}, but got {strides[-1]}")
    if old > new:
        ratio = old // new
        return (*sizes[:-1], sizes[-1] * ratio), (*(s * ratio for s in strides[:-1]), 1), offset * ratio
    ratio = new // old
    if sizes[-1] % ratio:
        raise RuntimeError(f"self.size(-1) must be divisible by {ratio} {what}, but got {sizes[-1]}")
    if offset % ratio:
        raise RuntimeError(f"self.storage_offset() must be divisible by {ratio} {what}, but got {offset}")
    for i, s in enumerate(strides[:-1]):
        if s % ratio:
            raise RuntimeError(f"self.stride({i}) must be divisible by {ratio} {what}, but got {s}")
    return (*sizes[:-1], sizes[-1] // ratio), (*(s // ratio for s in strides[:-1]), 1), offset // ratio


def _reshape(input: Tensor, shape: Shape) -> Tensor:
    """A view where the strides can express it, else a copy."""
    if input.is_contiguous():
        return input.view(shape)
    shape = infer_shape(shape, layout.numel(input._sizes))
    strides = layout.view_strides(input._sizes, input._strides, shape)
    if strides is not None:
        return F._reshape_alias(input, shape, strides)
    return F._unsafe_view(input.clone(memory_format=contiguous_format), shape)


def _flatten(input: Tensor, start_dim: int, end_dim: int) -> Tensor:
    """Dimensions from `start_dim` to `end_dim` as one; the tensor itself where they are one already."""
    sizes = input._sizes
    first, last = layout.wrap_dim(start_dim, len(sizes)), layout.wrap_dim(end_dim, len(sizes))
    if first > last:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if not sizes:
        return _reshape(input, (1,))
    if first == last:
        return input
    return _reshape(input, (*sizes[:first], layout.numel(sizes[first : last + 1]), *sizes[last + 1 :]))


def _unflatten(input: Tensor, dim: int, sizes: Shape) -> Tensor:
    """One dimension as several. Raises RuntimeError where their sizes do not multiply up to it."""
    dim = layout.wrap_dim(dim, len(input._sizes))
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    if not input._sizes:
        raise RuntimeError(
            f"unflatten got an unexpected error:\nDimension specified as {dim} but tensor has no dimensions"
        )
    whole = input._sizes[dim]
    try:
        parts = infer_shape(sizes, whole)
    except RuntimeError as error:
        if "is invalid" not in str(error):
            raise RuntimeError(f"unflatten got an unexpected error:\n{error}") from None
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {dim} ({whole}) in the input tensor"
        ) from None
    return input.view((*input._sizes[:dim], *parts, *input._sizes[dim + 1 :]))


def _reshape_grad(grad: Tensor, input_sizes: Shape) -> Tensor:
    return grad.reshape(input_sizes)


view("view(Tensor input, int[] size)", _view, _reshape_grad, forms="method")
composite("view(Tensor input, dtype dtype)", _view_dtype, forms="method")
view(
    "_reshape_alias(Tensor input, int[] size, int[] stride)",
    lambda input, size, stride: Geometry(tuple(size), tuple(stride), input._offset), _reshape_grad, forms="function",
)  # fmt: skip


def _unsafe_view(input: Tensor, size: Shape) -> Result:
    """The elements in another shape and, as far as it goes, the same order of memory."""
    shape = infer_shape(size, layout.numel(input._sizes))
    strides = layout.view_strides(input._sizes, input._strides, shape)
    dense = strides is not None and layout.is_non_overlapping_and_dense(shape, strides)
    return Result(input._array().reshape(shape), strides if dense else None)


op(
    "_unsafe_view(Tensor input, int[] size)", kind=GENERAL, kernel=_unsafe_view,
    family="shape", forms="function", exact=True, moves=True, node="UnsafeViewBackward0",
    derivatives={"input": _reshape_grad},
)  # fmt: skip
composite(
    "view_as(Tensor input, Tensor other)", lambda input, other: input.view(other._sizes), forms="method"
)
composite("reshape(Tensor input, int[] shape)", _reshape)
composite(
    "reshape_as(Tensor input, Tensor other)",
    lambda input, other: _reshape(input, other._sizes),
    forms="method",
)
composite("flatten(Tensor input, int start_dim=0, int end_dim=-1)", _flatten)
composite("unflatten(Tensor input, int dim, int[] sizes)", _unflatten)
composite("ravel(Tensor input)", lambda input: input.contiguous().view((-1,)))


# ------------------------------------------------------------------------------------------------- dimensions of size 1


def _without(input: Tensor, dims: set[int]) -> Geometry:
    kept = [i for i, n in enumerate(input._sizes) if n != 1 or i not in dims]
    return Geometry(
        tuple(input._sizes[i] for i in kept), tuple(input._strides[i] for i in kept), input._offset
    )


def wrap_dims(dims: Sequence[int], ndim: int) -> list[int]:
    """Dimensions counted from the front. Raises IndexError for one out of range, RuntimeError for one named twice."""
    seen: list[int] = []
    for dim in dims:
        at = layout.wrap_dim(dim, ndim)
        if at in seen:
            raise RuntimeError(f"dim {at} appears multiple times in the list of dims")
        seen.append(at)
    return seen


def squeezed(input: Tensor, dim: Any) -> Geometry:
    """The geometry without dimensions of size 1: all, one or some of them."""
    ndim = len(input._sizes)
    if dim is None:
        return _without(input, set(range(ndim)))
    dims = [layout.wrap_dim(dim, ndim)] if isinstance(dim, int) else wrap_dims(dim, ndim)
    return _without(input, set(dims))


def unsqueezed(input: Tensor, dim: int) -> Geometry:
    """The geometry with one more dimension of size 1."""
    sizes, strides = input._sizes, input._strides
    dim = layout.wrap_dim(dim, len(sizes) + 1)
    step = sizes[dim] * strides[dim] if dim < len(sizes) else 1
    return Geometry((*sizes[:dim], 1, *sizes[dim:]), (*strides[:dim], step, *strides[dim:]), input._offset)


def _unsqueeze_some(grad: Tensor, input_sizes: Shape, dim: Any) -> Tensor:
    """Give the gradient back the dimensions that were taken away."""
    ndim = len(input_sizes)
    dims = [dim] if isinstance(dim, int) else range(ndim) if dim is None else dim
    for at in sorted(d % ndim for d in dims) if ndim else ():
        if input_sizes[at] == 1:
            grad = grad.unsqueeze(at)
    return grad


view(
    "squeeze(Tensor input)", lambda input: squeezed(input, None),
    lambda grad, input_sizes: _unsqueeze_some(grad, input_sizes, None),
)  # fmt: skip
view("squeeze(Tensor input, int dim)", squeezed, _unsqueeze_some, node="SqueezeBackward1")
view("squeeze(Tensor input, int[] dim)", squeezed, _unsqueeze_some, node="SqueezeBackward2")
view("unsqueeze(Tensor input, int dim)", unsqueezed, lambda grad, dim: grad.squeeze(dim))


# ------------------------------------------------------------------------------------------------------------ expanding


def _type_name(input: Tensor) -> str:
    """A tensor's type in texts of torch's C++; the dtypes that came later have no legacy name there."""
    later = input.dtype.name in ("bool", "bfloat16", "complex64", "complex128")
    return f"CPU{input.dtype.legacy}Type" if later else f"torch.{input.dtype.legacy}Tensor"


def expanded(input: Tensor, size: Shape, implicit: bool = False) -> Geometry:
    """The geometry stretched to a larger size; -1 keeps a dimension. Raises RuntimeError where it does not fit."""
    ndim, lead = len(size), len(size) - len(input._sizes)
    if lead < 0:
        raise RuntimeError(
            f"expand({_type_name(input)}{{{list(input._sizes)}}}, size={list(size)}): the number of sizes provided ({ndim}) "
            f"must be greater or equal to the number of dimensions in the tensor ({len(input._sizes)})"
        )
    if not input._sizes:
        if any(n < 0 for n in size):
            raise RuntimeError("numel: integer multiplication overflow")
        return Geometry(tuple(size), (0,) * ndim, input._offset)
    sizes, strides = [0] * ndim, [0] * ndim
    for i in reversed(range(ndim)):
        at = i - lead
        n = input._sizes[at] if at >= 0 else 1
        step = input._strides[at] if at >= 0 else sizes[i + 1] * strides[i + 1] if i + 1 < ndim else 1
        want = size[i]
        if want == -1:
            if at < 0:
                raise RuntimeError(
                    f"The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension {i}"
                )
            want = n
        if n != want:
            if n != 1:
                raise RuntimeError(
                    f"The expanded size of the tensor ({want}) must match the existing size ({n}) at non-singleton "
                    f"dimension {i}.  Target sizes: {list(size)}.  Tensor sizes: {list(input._sizes)}"
                )
            step = 0
        sizes[i], strides[i] = want, step
    if any(n < 0 for n in sizes):
        raise RuntimeError("numel: integer multiplication overflow")
    return Geometry(tuple(sizes), tuple(strides), input._offset)


def _broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """Every tensor expanded to the common shape. Raises RuntimeError where there is none."""
    for i, t in enumerate(tensors):
        if not isinstance(t, Tensor):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(t).__name__}")
    if not tensors:
        return ()
    shape = layout.common_shape(tensors)
    return tuple(t if t._sizes == shape else t.expand(shape) for t in tensors)


def broadcast_shapes(*shapes: Any) -> Size:
    """The common shape of shapes (or single sizes). Raises RuntimeError where there is none."""
    given = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    out: list[int] = []
    for index, shape in enumerate(given):
        if any(n < 0 for n in shape):
            raise RuntimeError(
                f"Trying to create tensor with negative dimension ({min(shape)}): ({min(shape)})"
            )
        out = [1] * (len(shape) - len(out)) + out
        for at in range(-1, -1 - len(shape), -1):
            if shape[at] in (1, out[at]):
                continue
            if out[at] != 1:
                raise RuntimeError(
                    f"Attempting to broadcast a dimension of length {shape[at]} at {at}! Mismatching argument at index "
                    f"{index} had {shape}; but expected shape should be broadcastable to {out}"
                )
            out[at] = shape[at]
    return Size(out)


F.broadcast_tensors = _broadcast_tensors
F.broadcast_shapes = broadcast_shapes
view(
    "expand(Tensor input, int[] size, *, bool implicit=False)",
    expanded,
    lambda grad, input_sizes: grad if input_sizes else grad.sum(),
    forms="method",
)  # fmt: skip - the executor sums a gradient to its input's sizes
composite(
    "expand_as(Tensor input, Tensor other)", lambda input, other: input.expand(other._sizes), forms="method"
)
composite("broadcast_to(Tensor input, int[] size)", lambda input, size: input.expand(size))
