"""QR and LU factorizations.

LAPACK's Householder reflections and row exchanges decide what is open. Q and R are unique up to the signs (complex: the
phases) of R's diagonal where the first columns are independent.
Sources: https://docs.pytorch.org/docs/stable/generated/torch.qr.html, torch.linalg.qr.html, torch.lu.html and
https://arxiv.org/abs/2009.10071 (the derivative of QR).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import functions as F
from engine.call import run
from engine.dtypes import FLOAT, HALVES
from engine.ops import lapack
from engine.ops.decompositions import INTO, check_inexact, check_matrix, columns
from engine.ops.triangular import solve_triangular
from engine.registry import COMPOSITE, GENERAL, Op, op
from engine.results import Result
from engine.return_types import named_tuple
from engine.tensor import Tensor, fresh

# -------------------------------------------------------------------------------------------------------------------- QR


def _qr(A: Tensor, some: bool) -> tuple[Result, Result]:
    check_matrix(A, "linalg.qr")
    check_inexact(A, "linalg.qr", halves=True)
    if A.dtype in HALVES:
        raise NotImplementedError(f"\"geqrf_cpu\" not implemented for '{A.dtype.legacy}'")
    array = A._array()
    q, r = lapack.qr(array, not some)
    of_q, of_r = _undecided(array, q, r)
    return columns(q, of_q), columns(r, of_r)


def _undecided(
    array: np.ndarray, q: np.ndarray, r: np.ndarray
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Where Q and R are no matter of signs alone: from the first column on that depends on those before it, in the further
    columns of a complete Q, and wherever a matrix is not finite."""
    if not r.size:
        return None, None
    k, pivots = min(array.shape[-2:]), np.abs(np.diagonal(r, 0, -2, -1))
    noise = max(array.shape) * np.finfo(r.dtype).eps * np.abs(r).max((-2, -1))
    open_ = np.logical_or.accumulate(~(pivots > noise[..., None]), -1)
    open_ |= ~np.isfinite(array).all((-2, -1))[..., None]
    if not open_.any() and q.shape[-1] == k:
        return None, None
    open_ = np.concatenate([open_, np.ones((*open_.shape[:-1], q.shape[-1] - k), bool)], -1)
    of_r = np.triu(np.broadcast_to(open_[..., : r.shape[-2], None], r.shape))
    return np.broadcast_to(open_[..., None, :], q.shape).copy(), of_r


def _qr_gradient(given_grads: Any, Q: Any, R: Any, some: bool) -> Any:
    of_q, of_r = given_grads
    m, k, n = Q._sizes[-2], Q._sizes[-1], R._sizes[-1]
    if not some and m > n:
        raise RuntimeError(
            "The QR decomposition is not differentiable when mode='complete' and nrows > ncols."
        )
    if m >= n:
        return _tall_gradient(of_q, of_r, Q, R)
    # The first columns are factored as a square matrix; the others are Q times the rest of R.
    first, rest = R.narrow(-1, 0, k), R.narrow(-1, k, n - k)
    of_rest = None
    if of_r is not None:
        of_rest = of_r.narrow(-1, k, n - k)
        through = Q.matmul(rest).matmul(of_rest.mH)
        of_q = through if of_q is None else of_q + through
        of_r = of_r.narrow(-1, 0, k)
    of_first = _tall_gradient(of_q, of_r, Q, first)
    return F.cat([of_first, F.zeros_like(rest) if of_rest is None else Q.matmul(of_rest)], -1)


def _tall_gradient(of_q: Any, of_r: Any, Q: Any, R: Any) -> Any:
    inner: Any = None if of_r is None else of_r.matmul(R.mH)
    if of_q is not None:
        turned = -Q.mH.matmul(of_q)
        inner = turned if inner is None else inner + turned
    upper = inner.triu()
    total = Q.matmul(upper + upper.triu(1).mH - _imaginary_diagonal(upper))
    total = total if of_q is None else total + of_q
    return solve_triangular(R.mH, total, upper=False, left=False)


def _imaginary_diagonal(x: Any) -> Any:
    """What keeps the diagonal of a Hermitian matrix real."""
    if not x.dtype.is_complex:
        return 0
    diagonal = x.diagonal(0, -2, -1)
    return F.diag_embed((diagonal - F.conj(diagonal)) / 2)


op(
    "qr(Tensor input, bool some=True) -> (Q, R)", kind=GENERAL, kernel=_qr, family="linalg", forms="function method out",
    node="LinalgQrBackward0", warning="torch.qr is deprecated in favor of torch.linalg.qr", **INTO,
    derivatives={"input": lambda given_grads, Q, R, some: _qr_gradient(given_grads, Q, R, some)},
)  # fmt: skip

# -------------------------------------------------------------------------------------------------------------------- LU


def _lu_kernel(A: Tensor, pivot: bool) -> tuple[Result, np.ndarray, np.ndarray]:
    if A.dim() < 2:
        raise RuntimeError(
            f"torch.lu_factor: Expected tensor with 2 or more dimensions. Got size: {list(A._sizes)} instead"
        )
    if A.numel() and (A.dtype.category < FLOAT or A.dtype in HALVES):
        raise NotImplementedError(f"\"lu_cpu\" not implemented for '{A.dtype.legacy}'")
    if not pivot and A.numel():
        raise RuntimeError("linalg.lu_factor: LU without pivoting is not implemented on the CPU")
    factors, swaps, info = lapack.lu(A._array())
    return columns(factors), (swaps + 1).astype(np.int32), info


def _lu_gradient(given_grads: Any, LU: Any, pivots: Any) -> Any:
    """As for a square matrix, after what the columns (or rows) beyond the square part pass on to its factors."""
    grad = given_grads[0]
    m, n = LU._sizes[-2:]
    k = min(m, n)
    square, of_square = (x.narrow(-1, 0, k).narrow(-2, 0, k) for x in (LU, grad))
    lower = square.tril(-1) + F.diag_embed(F.ones_like(square.diagonal(0, -2, -1)))
    upper = square.triu()
    of_lower = lower.mH.matmul(of_square.tril(-1))
    of_upper = of_square.triu().matmul(upper.mH)
    if m < n:
        beyond, of_beyond = (x.narrow(-1, k, n - k) for x in (LU, grad))
        of_lower = of_lower - of_beyond.matmul(beyond.mH)
    elif m > n:
        beyond, of_beyond = (x.narrow(-2, k, m - k) for x in (LU, grad))
        of_upper = of_upper - beyond.mH.matmul(of_beyond)
    inner = of_lower.tril(-1) + of_upper.triu()
    right = solve_triangular(upper.mH, inner, upper=False, left=False)
    made = solve_triangular(lower.mH, right, upper=True, unitriangular=True)
    if m < n:
        of_rest = solve_triangular(lower.mH, of_beyond, upper=True, unitriangular=True)
        made = F.cat([made, of_rest], -1)
    elif m > n:
        of_rest = solve_triangular(upper.mH, of_beyond, upper=False, left=False)
        made = F.cat([made, of_rest], -2)
    # A product, not a choice of rows, as in torch: 0 times an infinity in another row is NaN.
    rows = np.eye(m, dtype=bool)[_row_order(pivots._array(), m)]
    return fresh(rows).to(made.dtype).matmul(made)


def _row_order(pivots: np.ndarray, m: int) -> np.ndarray:
    """Where each row of the matrix went by the row exchanges."""
    went = np.empty((*pivots.shape[:-1], m), np.int64)
    for i in np.ndindex(*pivots.shape[:-1]):
        rows = np.arange(m)
        for at, other in enumerate(pivots[i] - 1):
            rows[[at, other]] = rows[[other, at]]
        went[i][rows] = np.arange(m)
    return went


_LU: Op = op(
    "linalg_lu_factor_ex(Tensor A, bool pivot=True) -> (LU, pivots, info)", kind=GENERAL, kernel=_lu_kernel,
    family="linalg", forms="", derivatives={"A": lambda given_grads, LU, pivots: _lu_gradient(given_grads, LU, pivots)},
)  # fmt: skip


def _lu(A: Tensor, pivot: bool, get_infos: bool) -> tuple[Any, ...]:
    """Both triangular factors in one matrix, the row exchanges, and with `get_infos` the place of a zero pivot."""
    return tuple(run(_LU, [A, pivot]))[: 2 + get_infos]


def _named_lu(A: Tensor, pivot: bool, get_infos: bool) -> tuple[Any, ...]:
    made = _lu(A, pivot, get_infos)
    return named_tuple("_lu_with_info", ("LU", "pivots", "info"))(made) if get_infos else made


def _lu_into(A: Tensor, pivot: bool, get_infos: bool, out: Any) -> Any:
    made = _lu(A, pivot, get_infos)
    if not isinstance(out, (tuple, list)):
        raise TypeError(f"argument 'out' must be tuple of Tensors, not {type(out).__name__}")
    if len(out) != len(made):
        raise TypeError(f"expected tuple of {len(made)} elements but got {len(out)}")
    for target, result in zip(out, made, strict=True):
        target.resize_as_(result).copy_(result)
    return out


for _forms, _kernel in (("function out", _named_lu), ("method", _lu)):
    op(
        "lu(Tensor A, bool pivot=True, bool get_infos=False)", kind=COMPOSITE, kernel=_kernel, family="linalg", forms=_forms,
        warning="torch.lu is deprecated in favor of torch.linalg.lu_factor / torch.linalg.lu_factor_ex",
        out_form=_lu_into if "out" in _forms else None,
    )  # fmt: skip
