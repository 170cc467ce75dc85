"""Products made of other operations: matmul, inner, outer, tensordot, kron; and the cross product.

`matmul` takes the steps that torch takes, so that the nodes of a graph, the strides of gradients and what is saved agree.
Sources: https://docs.pytorch.org/docs/stable/generated/torch.matmul.html, torch.tensordot.html, torch.linalg.cross.html
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from engine import dtypes, layout
from engine import functions as F
from engine.dtypes import BOOL
from engine.ops.pointwise import conj, multiply_add
from engine.registry import COMPOSITE, GENERAL, op
from engine.tensor import Tensor
from engine.writes import refuse_lost_gradient, resize_output

# ---------------------------------------------------------------------------------------------------------------- matmul


def _matmul(input: Any, other: Any) -> Any:
    """The product of vectors, matrices or broadcast batches of matrices."""
    a, b = input.dim(), other.dim()
    if a == 0 or b == 0:
        raise RuntimeError(f"both arguments to matmul need to be at least 1D, but they are {a}D and {b}D")
    if a == b == 1:
        return input.dot(other)
    if (a, b) == (2, 1):
        return input.mv(other)
    if (a, b) == (1, 2):
        return input.unsqueeze(0).mm(other).squeeze_(0)
    if a == b == 2:
        return input.mm(other)
    return _folded(input, other) if _folds(input, other) else _batched(input, other)


def _folds(input: Any, other: Any) -> bool:
    """Whether the batches of the larger operand are rows of one matrix: for a small second operand that wants a gradient,
    whose gradient would otherwise be summed over all batches, and where no copy is needed."""
    larger = input.dim() >= other.dim()
    big, small = (input, other) if larger else (other.mT, input)
    if not (big.dim() >= 3 and small.dim() <= 2):
        return False
    if small.requires_grad:
        return True
    if input.dim() == 2:
        return False
    if big.numel() == 0:
        return True
    return all(big.stride(i) == big.stride(i + 1) * big.size(i + 1) for i in range(big.dim() - 2))


def _folded(input: Any, other: Any) -> Any:
    swaps = other.dim() > input.dim()
    big = other.mT if swaps else input
    small = other if not swaps else input.t() if input.dim() == 2 else input
    shape = list(big._sizes[:-1])
    rows = big.reshape(math.prod(shape), big._sizes[-1])
    if small.dim() == 1:
        return F._unsafe_view(rows.mv(small), shape)
    output = F._unsafe_view(rows.mm(small), [*shape, small._sizes[1]])
    return output.mT.contiguous() if swaps else output


def _batched(input: Any, other: Any) -> Any:
    n, m1 = (input._sizes[-2] if input.dim() > 1 else 1), input._sizes[-1]
    vector = other.dim() == 1
    m2, p = (other._sizes[0], 1) if vector else other._sizes[-2:]
    batch1, batch2 = input._sizes[:-2], other._sizes[:-2]
    if input.dim() == other.dim() == 3 and batch1 != batch2:
        if batch1[0] == 1 and input.requires_grad:
            return _matmul(input.squeeze(0), other)
        if batch2[0] == 1 and other.requires_grad:
            return _matmul(input, other.squeeze(0))
    shape = layout.broadcast_two(batch1, batch2)
    count = math.prod(shape)
    left = input.expand(*shape, n, m1).reshape(count, n, m1)
    if vector:
        right = other.expand(*shape, m2).reshape(count, m2).unsqueeze(2)
    else:
        right = other.expand(*shape, m2, p).reshape(count, m2, p)
    ending = [*([n] if input.dim() > 1 else []), *([p] if not vector else [])]
    product = left.bmm(right)
    return F._unsafe_view(product.squeeze(-1) if vector else product, [*shape, *ending])


def _matmul_into(input: Any, other: Any, out: Any) -> Any:
    """A vector times a matrix is written as a matrix of one row, which `out` then loses again."""
    refuse_lost_gradient("matmul", (input, other, out))
    dims = (input.dim(), other.dim())
    if dims == (1, 2):
        return F.mm(input.unsqueeze(0), other, out=out).squeeze_(0)
    into = {(1, 1): F.dot, (2, 1): F.mv, (2, 2): F.mm}.get(dims, F._matmul)
    return into(input, other, out=out)


def _resize_for_batches(values: list[Any], outs: list[Any]) -> None:
    """torch gives `out` the shape of all batches before it multiplies."""
    input, other = values
    if input.dim() and other.dim():
        batches = layout.broadcast_two(input._sizes[:-2], other._sizes[:-2])
        resize_output(
            outs[0], (*batches, *input._sizes[-2:-1], *(other._sizes[-1:] if other.dim() > 1 else ()))
        )


op(
    "_matmul(Tensor input, Tensor other)", refuses_as="matmul",
    kind=COMPOSITE, kernel=_matmul, family="linalg", forms="function out",
    memory="mixes-first mixes-others", before_out=_resize_for_batches,
    out_dtype_error="Expected out tensor to have dtype {c_result}, but got {c_out} instead",
)  # fmt: skip
op(
    "matmul(Tensor input, Tensor other)", kind=COMPOSITE, kernel=_matmul, family="linalg", forms="function method out",
    aliases=("linalg_matmul",), out_form=_matmul_into,
)  # fmt: skip

# ----------------------------------------------------------------------------------------------------------- outer, kron


def _outer(input: Any, vec2: Any) -> Any:
    """Every element of one vector times every element of the other."""
    for t, name in ((input, "self"), (vec2, "vec2")):
        if t.dim() != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {name}, but got {t.dim()}-D")
    return input.reshape(input._sizes[0], 1) * vec2


def _outer_into(input: Any, vec2: Any, out: Any) -> Any:
    if input.dim() != 1 or vec2.dim() != 1:
        return _outer(input, vec2)
    return F.mul(input.reshape(input._sizes[0], 1), vec2, out=out)


def _ger_into(input: Any, vec2: Any, out: Any) -> Any:
    warnings.warn(
        "torch.ger is deprecated and will be removed in a future PyTorch release. Use torch.outer instead.",
        UserWarning,
        stacklevel=4,
    )
    return _outer_into(input, vec2, out)


for _name, _out_form in (("outer", _outer_into), ("ger", _ger_into)):
    op(
        f"{_name}(Tensor input, Tensor vec2)", kind=COMPOSITE, kernel=_outer, family="linalg",
        forms="function method out", exact=True, out_form=_out_form,
    )  # fmt: skip


def _sharing(input: Any, shape: list[int]) -> Any:
    """The operand in another shape and, where it goes, on the same memory: what writes change there goes unnoticed."""
    shown = F._unsafe_view(input, shape)
    strides = layout.view_strides(input._sizes, input._strides, shown._sizes)
    if strides is not None:
        shown._storage, shown._offset, shown._strides = input._storage, input._offset, strides
        shown._inference = input._inference
    return shown


def _kron(input: Any, other: Any) -> Any:
    """The Kronecker product: each element of one tensor times the whole other one."""
    ndim = max(input.dim(), other.dim())
    mine, others = ((1,) * (ndim - t.dim()) + t._sizes for t in (input, other))
    left = _sharing(input, [n for size in mine for n in (size, 1)])
    right = _sharing(other, [n for size in others for n in (1, size)])
    product, shape = left * right, [n * m for n, m in zip(mine, others, strict=True)]
    if layout.view_strides(product._sizes, product._strides, tuple(shape)) is None:
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            "contiguous subspaces). Use .reshape(...) instead."
        )
    return F._unsafe_view(product, shape)


def _kron_into(input: Any, other: Any, out: Any) -> Any:
    """Written through a view that torch makes of `out` below autograd, so that the version of `out` stays."""
    count = out._counter.value if out._counter is not None else None
    F._kron(input, other, out=out)
    if count is not None:
        out._counter.value = count
    return out


op(
    "_kron(Tensor input, Tensor other)", refuses_as="mul",
    kind=COMPOSITE, kernel=_kron, family="linalg", forms="function out",
    exact=True, memory="internal partial first others",
)  # fmt: skip
op(
    "kron(Tensor input, Tensor other)", kind=COMPOSITE, kernel=_kron, family="linalg", forms="function method out",
    exact=True, out_form=_kron_into,
)  # fmt: skip

# ------------------------------------------------------------------------------------------------------ inner, tensordot


def _tensordot(input: Any, other: Any, dims_self: Any, dims_other: Any) -> Any:
    """The sums of products along pairs of dimensions, by way of a product of matrices."""
    if len(dims_self) != len(dims_other):
        raise RuntimeError("both dimension lists should have same length")
    if input.dtype is not other.dtype:
        raise RuntimeError("both inputs should have same dtype")
    first = [layout.wrap_dim(d, input.dim()) for d in dims_self]
    second = [layout.wrap_dim(d, other.dim()) for d in dims_other]
    for dims in (first, second):
        repeated = next((d for d in dims if dims.count(d) > 1), None)
        if repeated is not None:
            raise RuntimeError(f"dim {repeated} appears multiple times in the list of dims")
    a, b, common = input, other, 1
    for i, j, given_i, given_j in zip(first, second, dims_self, dims_other, strict=True):
        n, m = input._sizes[i], other._sizes[j]
        if m == 1:
            a = a.sum(i, True, dtype=a.dtype)
        elif n == 1:
            b = b.sum(j, True, dtype=b.dtype)
        elif n != m:
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {n} in dim {given_i} and second has size {m} in "
                f"dim {given_j}"
            )
        else:
            common *= n
    free_a = [d for d in range(input.dim()) if d not in first]
    free_b = [d for d in range(other.dim()) if d not in second]
    sizes = [a._sizes[d] for d in free_a] + [b._sizes[d] for d in free_b]
    rows, columns = (math.prod(t._sizes[d] for d in free) for t, free in ((a, free_a), (b, free_b)))
    a, b = a.permute(free_a + first), b.permute(second + free_b)
    if rows == columns == 1:
        if a.is_contiguous() and b.is_contiguous():
            return a.flatten().dot(b.flatten()).view(sizes)
        return (a.squeeze() * b.squeeze()).sum(dtype=input.dtype).view(sizes)
    return a.reshape(rows, common).mm(b.reshape(common, columns)).view(sizes)


def _tensordot_dims(input: Any, other: Any, dims: Any) -> Any:
    """`dims` counts the last dimensions of the first and the first of the second operand, or lists both."""
    if isinstance(dims, Tensor):
        dims = dims.tolist() if dims.numel() > 1 else int(dims.item())
    if isinstance(dims, (tuple, list)):
        first, second = dims
        first, second = ([d] if isinstance(d, int) else list(d) for d in (first, second))
        return _tensordot(input, other, first, second)
    if dims < 0:
        raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
    if dims > min(input.dim(), other.dim()):
        raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
    return _tensordot(input, other, list(range(-dims, 0)), list(range(dims)))


_TENSORDOT_OUT = (
    "tensordot: Expected the output tensor to have dtype {result}, but got an output tensor with dtype {out}"
)


def _tensordot_into(input: Any, other: Any, dims: Any, out: Any) -> Any:
    made = _tensordot_dims(input, other, dims)
    if made.dtype is not out.dtype:
        raise RuntimeError(_TENSORDOT_OUT.format(result=made.dtype.legacy, out=out.dtype.legacy))
    if out.requires_grad and out._sizes != made._sizes:
        raise RuntimeError(
            "tensordot(): the 'out' tensor was specified and requires gradients, and its shape does not match the expected "
            "result. Either remove the 'out' argument, ensure it does not require gradients, or make sure its shape matches "
            "the expected output."
        )
    resize_output(out, made._sizes)
    return out.copy_(made)


op(
    "tensordot(Tensor a, Tensor b, object dims=2)", kind=COMPOSITE, kernel=_tensordot_dims, family="linalg",
    forms="function out", out_form=_tensordot_into,
)  # fmt: skip


def _check_last(input: Any, other: Any) -> None:
    if input._sizes[-1] != other._sizes[-1]:
        raise RuntimeError(
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{list(input._sizes)} and {list(other._sizes)}"
        )


def _inner(input: Any, other: Any) -> Any:
    """The sums of products along the last dimensions; a plain product where an operand is 0-d."""
    if input.dim() == 0 or other.dim() == 0:
        return input * other
    _check_last(input, other)
    return _tensordot(input, other, [-1], [-1])


def _inner_into(input: Any, other: Any, out: Any) -> Any:
    if input.dim() == 0 or other.dim() == 0:
        return F.mul(input, other, out=out)
    _check_last(input, other)
    return F.tensordot(input, other, ([-1], [-1]), out=out)


op(
    "inner(Tensor input, Tensor other)", kind=COMPOSITE, kernel=_inner, family="linalg", forms="function method out",
    out_form=_inner_into,
)  # fmt: skip


def _vecdot(x: Any, y: Any, dim: int) -> Any:
    """The inner products of vectors along a dimension, the first operand conjugated."""
    for t in (x, y):
        if t.dtype.category < dtypes.FLOAT:
            raise RuntimeError(
                f"linalg.vecdot: Expected a floating point or complex tensor as input. Got {t.dtype.legacy}"
            )
    if x.dtype is not y.dtype:
        raise RuntimeError(
            f"linalg.vecdot: Expected x and y to have the same dtype, but found {x.dtype.legacy} and {y.dtype.legacy} instead"
        )
    if x.dim() == y.dim() == 1:
        return x.vdot(y)
    return (conj(x) * y).sum(dim)


op(
    "linalg_vecdot(Tensor x, Tensor y, *, int dim=-1)", kind=COMPOSITE, kernel=_vecdot, family="linalg", forms="function out",
    out_dtype_error="linalg.vecdot: Expected out of dtype{result} but found {out}",
)  # fmt: skip

# ----------------------------------------------------------------------------------------------------------------- cross


def _linalg_cross(input: Tensor, other: Tensor, dim: int) -> np.ndarray:
    if input.dim() != other.dim():
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    if not input.dim():
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    along = layout.wrap_dim(dim, input.dim())
    n, m = (t._sizes[along] for t in (input, other))
    if n != 3 or m != 3:
        raise RuntimeError(f"linalg.cross: inputs dimension {dim} must have length 3. Got {n} and {m}")
    sizes = layout.broadcast_two(input._sizes, other._sizes)
    if input.dtype.category == BOOL:
        raise NotImplementedError("\"cross\" not implemented for 'Bool'")
    if input.dtype is not other.dtype:
        raise RuntimeError(f"expected scalar type {input.dtype.legacy} but found {other.dtype.legacy}")
    a, b = (np.moveaxis(np.broadcast_to(t._array(), sizes), along, 0) for t in (input, other))
    parts = [multiply_add(a[i], b[j], -(a[j] * b[i])) for i, j in ((1, 2), (2, 0), (0, 1))]
    return np.moveaxis(np.stack(parts), 0, along)


op(
    "linalg_cross(Tensor input, Tensor other, *, int dim=-1)", kind=GENERAL, kernel=_linalg_cross, family="linalg",
    forms="function out", memory="internal partial first others",
    out_dtype_error="Expected out tensor to have dtype {c_result}, but got {c_out} instead", derivatives={
        "input": lambda grad, other, dim: F.linalg_cross(conj(other), grad, dim=dim),
        "other": lambda grad, input, dim: F.linalg_cross(grad, conj(input), dim=dim),
    },
)  # fmt: skip


def _cross(input: Any, other: Any, dim: int | None) -> Any:
    """The cross products of vectors of three elements along a dimension; without one, the first of size 3, with a warning."""
    if dim is None:
        warnings.warn(
            "Using torch.cross without specifying the dim arg is deprecated.", UserWarning, stacklevel=4
        )
        dim = _default_dim(input, other)
    return F.linalg_cross(input, other, dim=dim)


def _default_dim(input: Any, other: Any) -> int:
    if input.dim() != other.dim():
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    dim = next((i for i, n in enumerate(input._sizes) if n == 3), None)
    if dim is None:
        raise RuntimeError("no dimension of size 3 in input")
    return dim


def _cross_into(input: Any, other: Any, dim: int | None, out: Any) -> Any:
    """The form that writes does not warn where `dim` is missing."""
    if dim is None:
        dim = _default_dim(input, other)
    return F.linalg_cross(input, other, dim=dim, out=out)


op(
    "cross(Tensor input, Tensor other, int? dim=None)", kind=COMPOSITE, kernel=_cross, family="linalg",
    forms="function method out", out_form=_cross_into,
)  # fmt: skip
