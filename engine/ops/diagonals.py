"""Diagonals and triangles of matrices.

Source: https://docs.pytorch.org/docs/stable/torch.html#other-operations
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from engine import dtypes, layout
from engine import functions as F
from engine.dtypes import BOOL, INTEGER, dtype
from engine.ops.creation import OPTIONS, check_place, finish
from engine.precision import terms
from engine.registry import COMPOSITE, GENERAL, MUTATION, op
from engine.results import Result
from engine.tensor import Tensor, fresh

# ----------------------------------------------------------------------------------------------------------------- trace


def _trace(input: Tensor) -> np.ndarray:
    d = input.dtype
    if d.category == BOOL:
        raise NotImplementedError("\"trace\" not implemented for 'Bool'")
    if input.dim() != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.dim()}")
    if d.category == INTEGER:
        return np.asarray(np.trace(input._array(), dtype=np.int64))
    working = dtypes.opmath(d)
    return np.asarray(terms(input._array().astype(working).diagonal()).sum(dtype=working)).astype(d.numpy)


def _trace_gradient(grad: Any, input_sizes: layout.Shape) -> Any:
    n, m = input_sizes
    places = F.arange(0, min(n, m) * m, m + 1) if n and m else F.arange(0)
    return grad.new_zeros(n * m).index_fill(0, places, grad).view(input_sizes)


op(
    "trace(Tensor input)", kind=GENERAL, kernel=_trace, family="linalg",
    derivatives={"input": lambda grad, input_sizes: _trace_gradient(grad, input_sizes)},
)  # fmt: skip

# ------------------------------------------------------------------------------------------------------------- diagonals


def _diag_embed(input: Tensor, offset: int, dim1: int, dim2: int) -> np.ndarray:
    ndim = input.dim() + 1
    first, second = layout.wrap_dim(dim1, ndim), layout.wrap_dim(dim2, ndim)
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    n = input._sizes[-1] + abs(offset)
    sizes = list(input._sizes[:-1])
    for dim in sorted((first, second)):
        sizes.insert(dim, n)
    out = np.zeros(sizes, input.dtype.numpy)
    index = np.arange(input._sizes[-1])
    # The diagonal's elements lie along the last dimension once its two dimensions are moved to the end.
    shown = np.moveaxis(out, (first, second), (-2, -1))
    shown[..., index + max(-offset, 0), index + max(offset, 0)] = input._array()
    return out


_OUT_DTYPE = "Expected out tensor to have dtype {c_result}, but got {c_out} instead"
op(
    "_diag_embed_into(Tensor input, int offset)", kind=GENERAL, family="linalg", forms="function out", exact=True,
    kernel=lambda input, offset: _diag_embed(input, offset, -2, -1), out_dtype_error=_OUT_DTYPE, out_grad="unknown",
    refuses_as="diag_embed",
)  # fmt: skip
op(
    "diag_embed(Tensor input, int offset=0, int dim1=-2, int dim2=-1)", kind=GENERAL, kernel=_diag_embed, family="linalg",
    exact=True, moves=True,
    derivatives={"input": lambda grad, offset, dim1, dim2: grad.diagonal(offset, dim1, dim2)},
)  # fmt: skip
op(
    "diagonal_copy(Tensor input, int offset=0, int dim1=0, int dim2=1)", kind=GENERAL, family="linalg",
    kernel=lambda input, offset, dim1, dim2: input.detach().diagonal(offset, dim1, dim2)._array().copy(),
    forms="function out", exact=True, node="DiagonalBackward0_copy", out_grad="unknown", out_dtype_error=_OUT_DTYPE,
    derivatives={
        "input": lambda grad, input_sizes, offset, dim1, dim2: F.diagonal_backward(grad, input_sizes, offset, dim1, dim2)
    },
)  # fmt: skip


def _diag(input: Tensor, diagonal: int) -> Tensor:
    """A matrix with a vector on a diagonal, or the diagonal of a matrix, copied."""
    if input.dim() == 1:
        return F.diag_embed(input, diagonal)
    if input.dim() == 2:
        return F.diagonal_copy(input, diagonal)
    raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.dim()}D")


def _diag_into(input: Tensor, diagonal: int, out: Tensor) -> Any:
    into: Any = {1: F._diag_embed_into, 2: F.diagonal_copy}.get(input.dim())
    return _diag(input, diagonal) if into is None else into(input, diagonal, out=out)


def _diagflat(input: Tensor, offset: int) -> Tensor:
    """A matrix with all elements on a diagonal."""
    return F.diag_embed(input.contiguous().view(-1), offset)


op(
    "diag(Tensor input, int diagonal=0)", kind=COMPOSITE, kernel=_diag, family="linalg", forms="function method out",
    exact=True, out_form=_diag_into,
)  # fmt: skip
op(
    "linalg_diagonal(Tensor A, *, int offset=0, int dim1=-2, int dim2=-1)", kind=COMPOSITE, family="linalg", forms="function",
    kernel=lambda A, offset, dim1, dim2: A.diagonal(offset, dim1, dim2), exact=True,
)  # fmt: skip
op("diagflat(Tensor input, int offset=0)", kind=COMPOSITE, kernel=_diagflat, family="linalg", exact=True)

# ------------------------------------------------------------------------------------------------------------- triangles


def _triangle(name: str, cut: Callable[..., np.ndarray]) -> None:
    def kernel(input: Tensor, diagonal: int) -> np.ndarray:
        if input.dim() < 2:
            raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")
        return cut(input._array(), diagonal)

    def in_place(input: Tensor, diagonal: int) -> Result:
        values = kernel(input, diagonal)
        # An element that lies in both triangles may or may not be zeroed last.
        if not layout.is_injective(input._sizes, input._strides):
            return Result(values, None, np.ones(input._sizes, np.bool_))
        mask = input._undefined_mask()
        return Result(values, None, None if mask is None else cut(mask, diagonal))

    derivatives = {"input": lambda grad, diagonal: getattr(F, name)(grad, diagonal)}
    op(
        f"{name}(Tensor input, int diagonal=0)", kind=GENERAL, kernel=kernel, family="linalg", forms="function method out",
        exact=True, derivatives=derivatives, out_dtype_error=_OUT_DTYPE,
    )  # fmt: skip
    op(
        f"{name}_(Tensor input, int diagonal=0)", kind=MUTATION, kernel=in_place, family="linalg", forms="method inplace",
        exact=True, derivatives=derivatives, node=f"{name.capitalize()}Backward0",
    )  # fmt: skip


_triangle("triu", np.triu)
_triangle("tril", np.tril)


def _triangle_indices(name: str, make: Callable[..., Any]) -> None:
    def kernel(row: int, col: int, offset: int, d: dtype | None, *options: Any) -> Tensor:
        _, device, pin_memory, requires_grad = options
        check_place(device, pin_memory)
        for word, n in (("row", row), ("col", col)):
            if n < 0:
                raise RuntimeError(f"{word} must be non-negative, got{n}")
        d = d or dtypes.int64
        if d not in (dtypes.int32, dtypes.int64):
            raise NotImplementedError(f"\"{name}\" not implemented for '{d.legacy}'")
        return finish(fresh(np.stack(make(row, offset, col)).astype(d.numpy), d), requires_grad)

    kernel.__doc__ = "The rows and columns of a triangle of a matrix, in row-major order; shape [2, count]."
    op(
        f"{name}(int row, int col, int offset=0, *, {OPTIONS})", kind=COMPOSITE, kernel=kernel, family="creation",
        forms="function", exact=True,
    )  # fmt: skip


_triangle_indices("triu_indices", np.triu_indices)
_triangle_indices("tril_indices", np.tril_indices)
