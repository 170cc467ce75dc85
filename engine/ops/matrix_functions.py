"""Pseudo-inverses and exponentials of matrices.

Sources: https://docs.pytorch.org/docs/stable/generated/torch.pinverse.html and torch.matrix_exp.html
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import functions as F
from engine.call import run
from engine.dtypes import FLOAT, HALVES, dtype, finfo, float16
from engine.ops import lapack
from engine.ops.decompositions import check_inexact, check_square, fail
from engine.precision import stepped, steps_round
from engine.registry import COMPOSITE, GENERAL, Op, op
from engine.results import Result
from engine.tensor import Tensor


def _pinv_kernel(A: Tensor, rcond: float) -> np.ndarray:
    if A.dim() < 2 or A.dtype.category < FLOAT or A.dtype in HALVES:
        raise RuntimeError(
            f"linalg.pinv({A.dtype.legacy}{{{list(A._sizes)}}}): expected a tensor with 2 or more dimensions of float, double, "
            "cfloat or cdouble types"
        )
    array = A._array()
    if not array.size:
        return np.zeros((*A._sizes[:-2], A._sizes[-1], A._sizes[-2]), array.dtype)
    broken = ~np.isfinite(array).all((-2, -1))
    fail(
        broken.astype(np.int32), "linalg.svd",
        lambda _: "The algorithm failed to converge because the input matrix contained non-finite values.",
    )  # fmt: skip
    u, s, vh = lapack.svd(array, False, True)
    least = s.dtype.type(rcond) * s.max(-1, keepdims=True)
    inverse = np.where(s > least, 1 / s, 0).astype(s.dtype)
    mirrored = [x.conj().swapaxes(-1, -2) for x in (vh, u)]
    return np.matmul(mirrored[0] * inverse[..., None, :], mirrored[1])


def _pinv_gradient(grad: Any, A: Any, result: Any) -> Any:
    """The adjoint of the differential for matrices of constant rank (Golub and Pereyra 1973), over the shorter side."""
    P, G = result, grad.mH
    if A._sizes[-2] <= A._sizes[-1]:
        turned = G.matmul(P)
        beside = turned.matmul(P.mH)
        rest = beside - A.matmul(P).matmul(beside)
        return -P.matmul(turned).mH + rest + P.mH.matmul(P).matmul(G - turned.matmul(A))
    turned = P.matmul(G)
    above = P.mH.matmul(turned)
    rest = (G - A.matmul(turned)).matmul(P).matmul(P.mH)
    return -turned.matmul(P).mH + rest + above - above.matmul(P).matmul(A)


_PINV: Op = op(
    "linalg_pinv(Tensor A, float rcond)", kind=GENERAL, kernel=_pinv_kernel, family="linalg", forms="",
    derivatives={"A": lambda grad, A, result: _pinv_gradient(grad, A, result)},
)  # fmt: skip


def _pinverse(input: Tensor, rcond: float) -> Any:
    """The pseudo-inverse of Moore and Penrose; singular values up to `rcond` times the largest count as zero."""
    return run(_PINV, [input, rcond])


op("pinverse(Tensor input, float rcond=1e-15)", kind=COMPOSITE, kernel=_pinverse, family="linalg")


def _exponential(matrices: np.ndarray, d: dtype) -> np.ndarray:
    """The series of a power-of-two part of each matrix (k, n, n), squared as often as that was halved.

    In perturbed mode each product and sum rounds to a dtype, as in an implementation that has no more digits, which ends where
    a term is below them.

    Source: N. J. Higham, Functions of Matrices, section 10.3
    """
    halvings = np.maximum(0, np.frexp(np.abs(matrices).sum(-1).max(-1))[1] + 1)[:, None, None]
    part = matrices * np.ldexp(np.longdouble(1), -halvings)
    term = total = np.broadcast_to(np.eye(matrices.shape[-1], dtype=matrices.dtype), matrices.shape)
    part, least = stepped(part, d), finfo(d).eps / 8 if steps_round() else 0.0
    for k in range(1, _TERMS):
        term = stepped(term, d) @ part / k
        total = stepped(total + term, d)
        if np.abs(term).max() < least:
            break
    for done in range(halvings.max(initial=0)):
        total = np.where(done < halvings, stepped(total, d) @ stepped(total, d), total)
    return total


_TERMS = 20
"""Terms of the series of a matrix of norm 1/2 after which the rest is below longdouble's precision."""


def _matrix_exp(input: Tensor) -> Result:
    check_square(input, "linalg.matrix_exp")
    check_inexact(input, "linalg.matrix_exp", halves=True)
    array = input._array()
    if input._sizes[-1] == 1:
        return Result(np.exp(array.astype(input.dtype.opmath)).astype(array.dtype))
    wide = array.astype(np.clongdouble if input.dtype.is_complex else np.longdouble)
    values = np.full_like(wide, np.nan)
    finite = np.isfinite(wide).all((-2, -1))
    if wide.size and finite.any():
        values[finite] = _exponential(wide[finite], input.dtype)
    made = values.astype(array.dtype)
    if input.dtype is float16:  # which the documentation does not list; torch returns infinities and NaN
        return Result(made, None, np.ones(made.shape, np.bool_))
    # What becomes of numbers beyond the dtype's depends on how the powers are summed up.
    return Result(made, None, None if np.isfinite(made).all() else ~np.isfinite(made))


def _exp_gradient(grad: Any, input: Any) -> Any:
    """A block of the exponential of a block matrix is the derivative in a direction (Higham, Functions of Matrices, 3.2)."""
    n, mirrored = input._sizes[-1], input.mH
    blocks = F.zeros((*input._sizes[:-2], 2 * n, 2 * n), dtype=grad.dtype)
    for row, column, block in ((0, 0, mirrored), (n, n, mirrored), (0, n, grad)):
        blocks.narrow(-2, row, n).narrow(-1, column, n).copy_(block)
    return F.matrix_exp(blocks).narrow(-2, 0, n).narrow(-1, n, n)


op(
    "matrix_exp(Tensor input)", kind=GENERAL, kernel=_matrix_exp, family="linalg", node="LinalgMatrixExpBackward0",
    derivatives={"input": lambda grad, input: _exp_gradient(grad, input)},
)  # fmt: skip
