"""Tensors put together, repeated and rearranged.

Source: https://docs.pytorch.org/docs/stable/torch.html#indexing-slicing-joining-mutating-ops
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine import functions as F
from engine import layout
from engine.casts import cast
from engine.ops.memory import strides_for
from engine.ops.views import Shape, composite, wrap_dims
from engine.promotion import can_cast, result_dtype
from engine.registry import GENERAL, LINEAR, op
from engine.results import Result
from engine.size import contiguous_format
from engine.tensor import Tensor
from engine.writes import resize_output

# -------------------------------------------------------------------------------------------------------- cat and stack


def _is_skipped(t: Tensor) -> bool:
    """cat passes over 1-d tensors without elements, whatever the shape of the others."""
    return t._sizes == (0,)


def _cat(tensors: list[Tensor], dim: int) -> Result:
    if not tensors:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    for i, t in enumerate(tensors):
        if not t._sizes:
            raise RuntimeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated")
    model = next((t for t in tensors if not _is_skipped(t)), tensors[0])
    dim = layout.wrap_dim(dim, len(model._sizes)) if not _is_skipped(model) or len(tensors) == 1 else 0
    for i, t in enumerate(tensors):
        if not _is_skipped(t):
            _check_fits(model._sizes, t._sizes, dim, i)
    joined = [t for t in tensors if not _is_skipped(t)] or [model]
    out = np.concatenate(_converted(tensors, joined), dim)
    last = all(layout.suggests_channels_last(t._sizes, t._strides) for t in tensors)
    strides = layout._strides_in_order(out.shape, (1, 3, 2, 0)) if last else None
    return Result(out, strides)


def _check_fits(expected: Shape, sizes: Shape, dim: int, at: int) -> None:
    if len(expected) != len(sizes):
        raise RuntimeError(
            f"Tensors must have same number of dimensions: got {len(expected)} and {len(sizes)}"
        )
    for d, (n, m) in enumerate(zip(expected, sizes)):
        if d != dim and n != m:
            raise RuntimeError(
                f"Sizes of tensors must match except in dimension {dim}. Expected size {n} but got size {m} for tensor number "
                f"{at} in the list."
            )


def _converted(all_tensors: list[Tensor], joined: list[Tensor]) -> list[np.ndarray]:
    """The values in the common dtype of all tensors, those without elements included."""
    d = result_dtype(all_tensors)
    return [cast(t._array(), d, t.dtype)[0] for t in joined]


def _check_out(values: list[Any], outs: list[Tensor], kernel: Callable[..., Result]) -> None:
    """Raise TypeError for an `out` that cannot hold the result, RuntimeError for one that shares memory with an input, when it
    has been resized."""
    (out,) = outs
    if values[0] and not can_cast(result_dtype(values[0]), out.dtype):
        raise TypeError(
            f"torch.cat(): input types can't be cast to the desired output type {out.dtype.legacy}"
        )
    for t in values[0]:
        if t is out or (t._storage is out._storage and t.numel()):
            resize_output(out, kernel(*values).values.shape)
            raise RuntimeError(
                "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory "
                "location. Please clone() the tensor before performing the operation."
            )


def _cat_grads(grad: Tensor, tensors_sizes: list[Shape], dim: int) -> list[Tensor]:
    """Each tensor's part of the gradient."""
    parts, start = [], 0
    for sizes in tensors_sizes:
        if sizes == (0,):
            parts.append(F.zeros((0,), dtype=grad.dtype))
            continue
        length = sizes[dim]
        parts.append(F.narrow(grad, dim, start, length))
        start += length
    return parts


def _stack(tensors: list[Tensor], dim: int) -> Result:
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    sizes = tensors[0]._sizes
    dim = layout.wrap_dim(dim, len(sizes) + 1)
    for i, t in enumerate(tensors):
        if t._sizes != sizes:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(sizes)} at entry 0 and {list(t._sizes)} at entry {i}"
            )
    return Result(np.stack(_converted(tensors, tensors), dim))


op(
    "cat(Tensor[] tensors, int dim=0)",
    kind=GENERAL, kernel=_cat, family="shape", forms="function out", exact=True, moves=True,
    before_out=lambda values, outs: _check_out(values, outs, _cat),
    derivatives={"tensors": lambda grad, tensors_sizes, dim: _cat_grads(grad, tensors_sizes, dim)},
    aliases=("concat", "concatenate"),
)  # fmt: skip
op(
    "stack(Tensor[] tensors, int dim=0)",
    kind=GENERAL, kernel=_stack, family="shape", forms="function out", exact=True, moves=True,
    before_out=lambda values, outs: _check_out(values, outs, _stack),
    derivatives={"tensors": lambda grad, dim: list(F.unbind(grad, dim))},
)  # fmt: skip


# --------------------------------------------------------------------------------------------------- stacks by dimension


def _atleast(name: str, raise_to: Callable[[Tensor], Tensor]) -> Callable[..., Any]:
    def function(*tensors: Any) -> Any:
        given = tensors[0] if len(tensors) == 1 else tensors
        if isinstance(given, Tensor):
            return raise_to(given)
        if not isinstance(given, (tuple, list)) or not all(isinstance(t, Tensor) for t in given):
            got = ", ".join(type(t).__name__ for t in tensors)
            raise TypeError(
                f"{name}() received an invalid combination of arguments - got ({got}), but expected one of:\n"
                " * (Tensor input)\n * (tuple of Tensors tensors)\n"
            )
        return tuple(raise_to(t) for t in given)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        "A tensor, or each of several, with at least so many dimensions.\n\n"
        f"Source: https://docs.pytorch.org/docs/stable/generated/torch.{name}.html"
    )
    setattr(F, name, function)
    return raise_to


def _to_1d(t: Tensor) -> Tensor:
    return t if t._sizes else t.reshape((1,))


def _to_2d(t: Tensor) -> Tensor:
    if not t._sizes:
        return t.reshape((1, 1))
    return t.unsqueeze(0) if len(t._sizes) == 1 else t


def _to_3d(t: Tensor) -> Tensor:
    if not t._sizes:
        return t.reshape((1, 1, 1))
    if len(t._sizes) == 1:
        return t.unsqueeze(0).unsqueeze(-1)
    return t.unsqueeze(-1) if len(t._sizes) == 2 else t


def _to_column(t: Tensor) -> Tensor:
    return t if len(t._sizes) > 1 else t.reshape((t.numel(), 1))


def _stacked(
    name: str, prepare: Callable[[Tensor], Tensor], along: Callable[[Tensor], int], *aliases: str
) -> None:
    def kernel(tensors: list[Tensor], out: Tensor | None = None) -> Tensor:
        if not tensors:
            raise RuntimeError(f"{name} expects a non-empty TensorList")
        prepared = [prepare(t) for t in tensors]
        return F.cat(prepared, along(prepared[0]), out=out)

    def function(*args: Any, out: Any = None, **kwargs: Any) -> Tensor:
        if out is None:
            return plain(*args, **kwargs)
        plain(*args, **kwargs)  # refuses wrong arguments
        return kernel(args[0] if args else kwargs["tensors"], out)

    composite(f"{name}(Tensor[] tensors)", kernel, forms="function out", aliases=aliases)
    plain = getattr(F, name)
    function.__doc__ = plain.__doc__
    for spelling in (name, *aliases):
        setattr(F, spelling, function)


_atleast("atleast_1d", _to_1d)
_atleast("atleast_2d", _to_2d)
_atleast("atleast_3d", _to_3d)
_stacked("hstack", _to_1d, lambda first: 0 if first.dim() == 1 else 1)
_stacked("vstack", _to_2d, lambda first: 0, "row_stack")
_stacked("dstack", _to_3d, lambda first: 2)
_stacked("column_stack", _to_column, lambda first: 1)


# ------------------------------------------------------------------------------------------------------------ repetition


def _repeat(input: Tensor, repeats: Shape) -> np.ndarray:
    if len(repeats) < len(input._sizes):
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor"
        )
    wanted = [n * r for n, r in zip((1,) * (len(repeats) - len(input._sizes)) + input._sizes, repeats)]
    negative = next((n for n in wanted if n < 0), None)
    if negative is not None:
        raise RuntimeError(f"Trying to create tensor with negative dimension {negative}: {wanted}")
    if 0 in wanted:
        return np.zeros(wanted, input.dtype.numpy)
    return np.tile(input._array(), repeats)


def _repeat_grad(grad: Tensor, input_sizes: Shape, repeats: Shape) -> Tensor:
    """The sum over all copies."""
    if 0 in repeats:
        return F.zeros(input_sizes, dtype=grad.dtype)
    if all(r == 1 for r in repeats) and len(repeats) == len(input_sizes):
        return grad
    sizes = (1,) * (len(repeats) - len(input_sizes)) + tuple(input_sizes)
    copies = grad.reshape([x for pair in zip(repeats, sizes) for x in pair])
    many = [2 * i for i, r in enumerate(repeats) if r != 1]
    summed = copies.sum(many, keepdim=True) if many else copies
    return summed.reshape(input_sizes)


def _tile(input: Tensor, dims: Shape) -> Tensor:
    """`repeat`, with 1 for dimensions that are not named."""
    return input.repeat((1,) * (len(input._sizes) - len(dims)) + tuple(dims))


op(
    "repeat(Tensor input, int[] repeats)",
    kind=GENERAL, kernel=_repeat, family="shape", forms="method", exact=True, moves=True,
    derivatives={"input": _repeat_grad}, tangent=LINEAR,
)  # fmt: skip
composite("tile(Tensor input, int[] dims)", _tile)


def _repeated_indices(repeats: Tensor, output_size: int | None) -> np.ndarray:
    if len(repeats._sizes) != 1:
        raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
    if repeats.dtype.name not in ("int32", "int64"):
        raise NotImplementedError(f"\"repeat_interleave_cpu\" not implemented for '{repeats.dtype.legacy}'")
    counts = repeats._array()
    if (counts < 0).any():
        raise RuntimeError("repeats can not be negative")
    if output_size is not None and output_size != counts.sum():
        raise RuntimeError("allocated size does not match required size")
    return np.repeat(np.arange(len(counts), dtype=repeats.dtype.numpy), counts)


def _repeat_each(input: Tensor, repeats: int, dim: int | None, output_size: int | None) -> Tensor:
    """Every element (or slice) `repeats` times in a row."""
    source = input if dim is not None else input.flatten()
    at = layout.wrap_dim(dim or 0, len(source._sizes))
    if repeats < 0:
        raise RuntimeError("Repeats must be non-negative")
    stretched = F.unsqueeze(source, at + 1)
    sizes = (*stretched._sizes[: at + 1], repeats, *stretched._sizes[at + 2 :])
    if output_size is not None and output_size != source._sizes[at] * repeats:
        raise RuntimeError(
            f"repeat_interleave: Invalid output_size, expected {source._sizes[at] * repeats} but got {output_size}"
        )
    return stretched.expand(sizes).clone(memory_format=contiguous_format).flatten(at, at + 1)


def _repeat_by(input: Tensor, repeats: Tensor, dim: int | None, output_size: int | None) -> Tensor:
    """Every element (or slice) as often as `repeats` says."""
    source = input if dim is not None else input.flatten()
    if not source._sizes:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    at = layout.wrap_dim(dim or 0, len(source._sizes))
    n = source._sizes[at]
    if repeats.dim() == 0 or repeats._sizes == (1,):
        repeats = repeats.reshape((1,)).expand((n,))
    elif repeats.dim() != 1:
        raise RuntimeError("repeats must be 0-dim or 1-dim tensor")
    elif repeats._sizes[0] != n:
        raise RuntimeError(
            f"repeats must have the same size as input along dim, but got repeats.size(0) = {repeats._sizes[0]} and "
            f"input.size({dim or 0}) = {n}"
        )
    return F.index_select(source, at, F.repeat_interleave(repeats, output_size=output_size))


op(
    "repeat_interleave(Tensor repeats, *, int? output_size=None)",
    kind=GENERAL, kernel=_repeated_indices, family="shape", exact=True,
)  # fmt: skip
composite(
    "repeat_interleave(Tensor input, Tensor repeats, int? dim=None, *, int? output_size=None)", _repeat_by
)
composite(
    "repeat_interleave(Tensor input, int repeats, int? dim=None, *, int? output_size=None)", _repeat_each
)


# ------------------------------------------------------------------------------------------------------------- reordering


def _flip(input: Tensor, dims: Sequence[int]) -> Result:
    axes = tuple(wrap_dims(dims, len(input._sizes)))
    values = np.flip(input._array(), axes) if input._sizes else input._array()
    return Result(values, strides_for(input, None))


def _roll(input: Tensor, shifts: Shape, dims: Shape) -> Result:
    if not shifts:
        raise RuntimeError("`shifts` required")
    if len(dims) != len(shifts) and (dims or len(shifts) != 1):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}")
    if not input.numel():
        return Result(input._array(), strides_for(input, None) if dims or input.dim() == 1 else None)
    for d in dims:
        layout.wrap_dim(d, len(input._sizes), scalar=False)
    array = input._array()
    return Result(np.roll(array, shifts, dims) if dims else np.roll(array, shifts[0]))


def _rot90(input: Tensor, k: int, dims: Shape) -> Result:
    ndim = len(input._sizes)
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {ndim}")
    a, b = (layout.wrap_dim(d, ndim) for d in dims)
    if a == b:
        raise RuntimeError(
            f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}"
        )
    array, strides = input._array(), list(strides_for(input, None))
    if k % 4 == 0:
        return Result(array)
    if k % 4 == 2:
        return Result(np.flip(array, (a, b)), tuple(strides))
    strides[a], strides[b] = strides[b], strides[a]
    return Result(np.flip(array, b if k % 4 == 1 else a).swapaxes(a, b), tuple(strides))


def _flip_one(name: str, least: int, dim: int) -> None:
    def kernel(input: Tensor) -> Tensor:
        if input.dim() < least:
            raise RuntimeError(f"Input must be >= {least}-d.")
        return input.flip((dim,))

    composite(f"{name}(Tensor input)", kernel)


op(
    "flip(Tensor input, int[] dims)", kind=GENERAL, kernel=_flip, family="shape", exact=True, moves=True,
    derivatives={"input": lambda grad, dims: grad.flip(dims)},
)  # fmt: skip
op(
    "roll(Tensor input, int[1] shifts, int[1] dims=[])", kind=GENERAL, kernel=_roll, family="shape", exact=True, moves=True,
    derivatives={"input": lambda grad, shifts, dims: grad.roll([-s for s in reversed(shifts)], tuple(reversed(dims)))},
)  # fmt: skip
op(
    "rot90(Tensor input, int k=1, int[] dims=[0, 1])", kind=GENERAL, kernel=_rot90, family="shape", exact=True, moves=True,
    derivatives={"input": lambda grad, k, dims: grad.rot90(-k, dims)},
)  # fmt: skip
_flip_one("fliplr", 2, 1)
_flip_one("flipud", 1, 0)


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Each 1-d tensor varying along its own dimension of a common grid: expanded views.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.meshgrid.html
    """
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    for i, t in enumerate(tensors):
        if not isinstance(t, Tensor):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(t).__name__}")
    if indexing is None:
        warnings.warn(
            "torch.meshgrid: in an upcoming release, it will be required to pass the indexing argument.", UserWarning,
            stacklevel=2,
        )  # fmt: skip
    if not tensors:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    for t in tensors:
        if t.dim() > 1:
            sizes = "  ".join(map(str, t._sizes))
            raise RuntimeError(
                f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got:  {sizes}"
            )
    if any(t.dtype is not tensors[0].dtype for t in tensors):
        raise RuntimeError("meshgrid expects all tensors to have the same dtype")
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    order = list(range(len(tensors)))
    if indexing == "xy" and len(order) > 1:
        order[0], order[1] = 1, 0
    shape = [tensors[i].numel() for i in order]
    grids = []
    for at, i in enumerate(order):
        own = [1] * len(order)
        own[at] = -1
        grids.append(tensors[i].view(own).expand(shape))
    return tuple(grids[i] for i in order)


F.meshgrid = meshgrid
