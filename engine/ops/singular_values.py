"""Singular value decompositions.

U and Vh are unique up to a sign (complex: a phase) of each pair of singular vectors where singular values differ, and up to
a rotation where they repeat; the further vectors of full matrices are any basis. What is unique, and so can be compared
between libraries: S, the product U S Vh, and the projections on the vectors of equal singular values.
Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.svd.html
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import functions as F
from engine.autograd.modes import _State
from engine.ops import lapack
from engine.ops.decompositions import INTO, check_inexact, check_kernel, check_matrix, columns, fail
from engine.registry import COMPOSITE, GENERAL, op
from engine.results import Result
from engine.return_types import named_tuple
from engine.tensor import Tensor


def _svd_kernel(A: Tensor, full_matrices: bool, compute_uv: bool) -> tuple[Result, Result, Result]:
    """Infinities are beyond LAPACK, which refuses NaN only: what comes out then is undefined."""
    check_matrix(A, "linalg.svd")
    check_inexact(A, "linalg.svd", halves=True)
    check_kernel(A, "linalg_svd_cpu")
    array = A._array()
    broken = np.isnan(array).any((-2, -1))
    fail(
        broken.astype(np.int32), "linalg.svd",
        lambda _: "The algorithm failed to converge because the input matrix contained non-finite values.",
    )  # fmt: skip
    infinite = np.isinf(array).any((-2, -1))
    u, s, vh = lapack.svd(np.where(infinite[..., None, None], 0, array), full_matrices, compute_uv)
    if not compute_uv:
        u = vh = np.empty(0, array.dtype)

    def undefined(part: np.ndarray) -> np.ndarray | None:
        lost = infinite.reshape(infinite.shape + (1,) * (part.ndim - infinite.ndim))
        return np.broadcast_to(lost, part.shape) if infinite.any() and part.size else None

    u, s, vh = (np.asarray(part) for part in (u, s, vh))
    return columns(u, undefined(u)), Result(s, None, undefined(s)), columns(vh, undefined(vh))


def _svd_gradient(given_grads: Any, U: Any, S: Any, Vh: Any, full_matrices: bool, compute_uv: bool) -> Any:
    if not compute_uv:
        raise RuntimeError(
            "svd_backward: Setting compute_uv to false in torch.svd doesn't compute singular matrices"
        )
    of_u, of_s, of_vh = given_grads
    k = S._sizes[-1]
    if full_matrices:
        U, Vh = U.narrow(-1, 0, k), Vh.narrow(-2, 0, k)
        of_u = None if of_u is None else of_u.narrow(-1, 0, k)
        of_vh = None if of_vh is None else of_vh.narrow(-2, 0, k)
    m, n = U._sizes[-2], Vh._sizes[-1]
    if of_u is None and of_vh is None:  # independent of the choice of singular vectors
        if m >= n:
            return U.matmul(of_s.unsqueeze(-1) * Vh)
        return (U * of_s.unsqueeze(-2)).matmul(Vh)
    inner = _inner_gradient(of_u, of_s, of_vh, U, S, Vh)
    if m > n and of_u is not None:
        outside = of_u / S.unsqueeze(-2)
        return (U.matmul(inner) + outside - U.matmul(U.mH.matmul(outside))).matmul(Vh)
    if m < n and of_vh is not None:
        outside = of_vh / S.unsqueeze(-1)
        return U.matmul(inner.matmul(Vh) + outside - outside.matmul(Vh.mH).matmul(Vh))
    return U.matmul(inner.matmul(Vh)) if m >= n else U.matmul(inner).matmul(Vh)


def _inner_gradient(of_u: Any, of_s: Any, of_vh: Any, U: Any, S: Any, Vh: Any) -> Any:
    """The gradient in the basis of the singular vectors. Raises RuntimeError for a loss that depends on their phases."""
    squares = S * S
    gaps = squares.unsqueeze(-2) - squares.unsqueeze(-1) + F.diag_embed(F.ones_like(S))
    left = None if of_u is None else _skew(U.mH.matmul(of_u))
    right = None if of_vh is None else _skew(Vh.matmul(of_vh.mH))
    if S.dtype is not U.dtype:
        _check_gauge(left, right)
    inner = None
    if left is not None:
        inner = left / gaps * S.unsqueeze(-2)
    if right is not None:
        other = S.unsqueeze(-1) * (right / gaps)
        inner = other if inner is None else inner + other
    if of_s is not None:
        inner = inner + F.diag_embed(of_s)
    if S.dtype is not U.dtype and left is not None and right is not None:
        inner = inner + F.diag_embed(left.diagonal(0, -2, -1) / (2 * S))
    return inner


def _skew(x: Any) -> Any:
    return x - x.mH


def _check_gauge(left: Any, right: Any) -> None:
    """Multiplying a pair of complex singular vectors by a phase must not change the loss."""
    total = (0 if left is None else left._array()) + (0 if right is None else right._array())
    phases = np.diagonal(np.imag(total), axis1=-2, axis2=-1)
    if not np.allclose(phases, 0, rtol=1e-2, atol=1e-2):
        raise RuntimeError(
            "svd_backward: The singular vectors in the complex case are specified up to multiplication by e^{i phi}. The "
            "specified loss function depends on this quantity, so it is ill-defined."
        )


def _svd_tangent(
    A_t: Any, U: Any, S: Any, Vh: Any, full_matrices: bool, compute_uv: bool
) -> tuple[Any, Any, Any]:
    """In the basis of the singular vectors: S has the real diagonal; its imaginary part turns U and V by half each, in
    opposite directions. The further vectors of full matrices have no tangent of their own."""
    k = S._sizes[-1]
    left, right = U.narrow(-1, 0, k), Vh.narrow(-2, 0, k)
    m, n = left._sizes[-2], right._sizes[-1]
    inner = left.mH.matmul(A_t).matmul(right.mH)
    diagonal = inner.diagonal(0, -2, -1)
    of_s = F.real(diagonal)
    moved = inner - F.diag_embed(of_s)
    squares = S * S
    gaps = squares.unsqueeze(-2) - squares.unsqueeze(-1) + F.diag_embed(F.ones_like(S))
    of_u, of_v = _hermitian(moved * S.unsqueeze(-2)) / gaps, _hermitian(S.unsqueeze(-1) * moved) / gaps
    if U.dtype.is_complex:
        turned = F.diag_embed(F.imag(diagonal) / (2 * S)) * 1j
        of_u, of_v = of_u + turned, of_v - turned
    of_left, of_right = left.matmul(of_u), of_v.mH.matmul(right)
    if m > n:
        outside = A_t.matmul(right.mH) / S.unsqueeze(-2)
        of_left = of_left + outside - left.matmul(left.mH.matmul(outside))
    if m < n:
        outside = left.mH.matmul(A_t) / S.unsqueeze(-1)
        of_right = of_right + outside - outside.matmul(right.mH).matmul(right)
    if full_matrices:
        of_left = F.cat([of_left, F.zeros_like(U.narrow(-1, k, U._sizes[-1] - k))], -1)
        of_right = F.cat([of_right, F.zeros_like(Vh.narrow(-2, k, Vh._sizes[-2] - k))], -2)
    return of_left, of_s, of_right


def _hermitian(x: Any) -> Any:
    return x + x.mH


op(
    "_linalg_svd(Tensor A, bool full_matrices=False, bool compute_uv=True) -> (U, S, Vh)", kind=GENERAL, kernel=_svd_kernel,
    family="linalg", forms="function", node="LinalgSvdBackward0", derivatives={
        "A": lambda given_grads, U, S, Vh, full_matrices, compute_uv: _svd_gradient(
            given_grads, U, S, Vh, full_matrices, compute_uv
        )
    },
    tangent=_svd_tangent,
)  # fmt: skip


def _linalg_svd(A: Tensor, full_matrices: bool, driver: str | None) -> Any:
    """Singular vectors and values. U and Vh are unique only up to signs, phases or rotations (see `_linalg_svd`)."""
    if driver is not None:
        raise RuntimeError(
            "torch.linalg.svd: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER backend."
        )
    return named_tuple("linalg_svd", ("U", "S", "Vh"))(F._linalg_svd(A, full_matrices))


def _svd(input: Any, some: bool, compute_uv: bool) -> Any:
    """Singular vectors (U and V, not its transpose) and values; zeros for the vectors without `compute_uv`."""
    if input.dim() < 2:
        raise RuntimeError(
            f"linalg.svd: input should have at least 2 dimensions, but has {input.dim()} dimensions instead"
        )
    made = named_tuple("svd", ("U", "S", "V"))
    if compute_uv:
        U, S, Vh = F._linalg_svd(input, not some)
        return made((U, S, Vh.mH))
    S = F.linalg_svdvals(input)
    *batch, m, n = input._sizes
    U, Vh = (input.new_empty((*batch, k, k)).zero_() for k in (m, n))
    return made((U, S, Vh.mT))


def _svdvals(A: Any) -> Any:
    """The singular values in descending order."""
    return F._linalg_svd(A, False, A.requires_grad or _State.forward is not None)[1]


op(
    "linalg_svd(Tensor A, bool full_matrices=True, *, str? driver=None)", kind=COMPOSITE, kernel=_linalg_svd,
    family="linalg", forms="function",
)  # fmt: skip
op("svd(Tensor input, bool some=True, bool compute_uv=True)", kind=COMPOSITE, kernel=_svd, family="linalg")
op("linalg_svdvals(Tensor A)", kind=COMPOSITE, kernel=_svdvals, family="linalg", forms="function out", **INTO)
