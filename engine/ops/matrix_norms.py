"""Norms of matrices, powers of matrices, and `torch.linalg.norm`.

Sources: https://docs.pytorch.org/docs/stable/generated/torch.linalg.norm.html, torch.linalg.matrix_norm.html,
torch.linalg.matrix_power.html
"""

from __future__ import annotations

import math
from typing import Any

from engine import functions as F
from engine import layout
from engine.ops.decompositions import check_inexact, check_matrix, check_square
from engine.ops.norms import check_wish
from engine.ops.reducing import reduced_sizes, same_dtypes
from engine.promotion import can_cast
from engine.registry import COMPOSITE, op
from engine.size import contiguous_format
from engine.writes import check_memory

_NAME = "linalg.matrix_norm"


def _dims(A: Any, dim: Any) -> list[int]:
    if len(dim) != 2:
        raise RuntimeError(f"{_NAME}: dim must be a 2-tuple. Got {' '.join(map(str, dim))}")
    first, second = (layout.wrap_dim(d, A.dim()) for d in dim)
    if first == second:
        raise RuntimeError(f"{_NAME}: dims must be different. Got ({dim[0]}, {dim[1]})")
    return [first, second]


def _matrix_norm(A: Any, ord: Any, dim: Any, keepdim: bool, dtype: Any) -> Any:
    """The operator norm of order 1, 2 or infinity, its counterpart of the least gain for a negative order, the Frobenius
    or the nuclear norm."""
    check_matrix(A, _NAME)
    by_values = ord == "nuc" or ord in (2, -2)
    check_inexact(A, _NAME, halves=not by_values)
    if isinstance(ord, str):
        if ord not in ("fro", "nuc"):
            raise RuntimeError(f"{_NAME}: Order {ord} not supported.")
    elif abs(ord) not in (1, 2, math.inf):
        raise RuntimeError(f"{_NAME}: Order {ord:g} not supported.")
    dims = _dims(A, dim)
    if ord == "fro":
        return F.linalg_vector_norm(A, 2, dims, keepdim, dtype=dtype)
    if dtype is not None:
        check_wish(_NAME, A.dtype, dtype)
    if by_values:
        return _of_singular_values(A, ord, dims, keepdim, dtype)
    first, second = dims if abs(ord) == 1 else dims[::-1]
    sums = F.linalg_vector_norm(A, 1.0, [first], keepdim, dtype=dtype)
    if not keepdim and first < second:
        second -= 1
    if ord > 0 and sums._sizes[second] == 0:  # the greatest of no sums is 0; a constant, without history
        return sums.new_zeros(reduced_sizes(sums._sizes, (second,), keepdim))
    return (F.amax if ord > 0 else F.amin)(sums, second, keepdim)


def _of_singular_values(A: Any, ord: Any, dims: list[int], keepdim: bool, dtype: Any) -> Any:
    others = [d for d in range(A.dim()) if d not in dims]
    order = others + dims
    values = F.linalg_svdvals((A if dtype is None else A.to(dtype)).permute(order))
    if ord == "nuc":
        result = values.sum(-1, keepdim)
    elif values._sizes[-1] == 0:
        result = values.new_zeros((*values._sizes[:-1], *([1] if keepdim else [])))
    else:
        result = (F.amax if ord > 0 else F.amin)(values, -1, keepdim)
    if keepdim:
        result = result.unsqueeze(-1).permute([order.index(d) for d in range(A.dim())])
    return result


for _order in ("Number ord", "str ord='fro'"):
    op(
        f"linalg_matrix_norm(Tensor input, {_order}, int[] dim=[-2,-1], bool keepdim=False, *, dtype? dtype=None)",
        kind=COMPOSITE, kernel=_matrix_norm, family="linalg", forms="function out", out_grad="copied",
        out_dtype_error=f"{_NAME} expected out tensor dtype {{result}} but got: {{out}}",
    )  # fmt: skip


def _norm(input: Any, ord: Any, dim: Any, keepdim: bool, dtype: Any) -> Any:
    """A vector norm, or with an order and two dimensions a matrix norm; without an order, the root of the sum of squares."""
    if dim is not None:
        if len(dim) not in (1, 2):
            raise RuntimeError(
                f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dim)}"
            )
    elif ord is not None and not isinstance(ord, str) and input.dim() not in (1, 2):
        raise RuntimeError(
            f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {input.dim()}D."
        )
    two = len(dim) == 2 if dim is not None else input.dim() == 2
    if isinstance(ord, str) or (ord is not None and two):
        if dim is None:
            dim = (0, 1) if not isinstance(ord, str) else (-2, -1)
        return F.linalg_matrix_norm(input, ord, dim, keepdim, dtype=dtype)
    return F.linalg_vector_norm(input, 2 if ord is None else ord, dim, keepdim, dtype=dtype)


for _order in ("Number? ord=None", "str ord"):
    op(
        f"linalg_norm(Tensor input, {_order}, int[1]? dim=None, bool keepdim=False, *, dtype? dtype=None)", kind=COMPOSITE,
        kernel=_norm, family="linalg", forms="function out", out_grad="copied",
        out_dtype_error="linalg.norm expected out tensor dtype {result} but got: {out}",
    )  # fmt: skip


def _matrix_power(input: Any, n: int) -> Any:
    """The product of n equal matrices by repeated squaring; of inverses for a negative n."""
    check_square(input, "linalg.matrix_power")
    if n == 0:
        size = input._sizes[-1]
        return input.clone(memory_format=contiguous_format).copy_(F.eye(size, size, dtype=input.dtype))
    if n == 1:
        return input.clone(memory_format=contiguous_format)
    if n < 0:
        inverse = F.linalg_inv(input)
        return inverse if n == -1 else _positive_power(inverse, -n)
    return _positive_power(input, n)


def _positive_power(matrix: Any, n: int) -> Any:
    if n == 1:
        return matrix
    if n == 3:
        return matrix.matmul(matrix).matmul(matrix)
    square = result = None
    while n > 0:
        square = matrix if square is None else square.matmul(square)
        if n % 2:
            result = square if result is None else result.matmul(square)
        n //= 2
    return result


def _power_out(values: list[Any], outs: list[Any]) -> None:
    """The powers 0 and 1 are copied into `out`; a product or inverse goes there without a cast."""
    (input, n), (out,) = values, outs
    if not can_cast(input.dtype, out.dtype):
        raise RuntimeError(
            f"matrix_power: Expected result to be safely castable from {input.dtype.legacy} dtype, but got result with "
            f"dtype {out.dtype.legacy}"
        )
    if n not in (0, 1):
        same_dtypes(outs, input.dtype)
    else:
        check_memory(frozenset(("internal",)), out, [], [])


for _power, _forms in (("linalg_matrix_power", "function out"), ("matrix_power", "function method out")):
    op(
        f"{_power}(Tensor input, int n)", kind=COMPOSITE, kernel=_matrix_power, family="linalg", forms=_forms,
        memory="mixes-first", before_out=_power_out, refuses_as="matmul",
    )  # fmt: skip
