"""LAPACK on batches of matrices, with its info codes: the arrays behind `engine.ops.decompositions`.

Rounding differs between LAPACK libraries, so nothing here is exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import get_blas_funcs, get_lapack_funcs

from engine import layout
from engine.precision import lowered


def column_major(sizes: layout.Shape) -> layout.Shape:
    """The strides that LAPACK leaves: each matrix of a batch column by column."""
    strides = list(layout.contiguous_strides(sizes))
    if len(sizes) >= 2:
        strides[-1], strides[-2] = max(sizes[-2], 1), 1
    return tuple(strides)


def batches(array: np.ndarray) -> np.ndarray:
    """The matrices of a batch in a row."""
    return (
        array.reshape((-1, *array.shape[-2:]))
        if array.size
        else np.empty((0, *array.shape[-2:]), array.dtype)
    )


def lu(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Triangular factors in one matrix, row exchanges, and the place (from 1) of the first zero pivot or 0."""
    matrices = lowered(matrices)
    (getrf,) = get_lapack_funcs(("getrf",), dtype=matrices.dtype)
    *batch, m, n = matrices.shape
    factors, swaps = np.empty_like(matrices), np.zeros((*batch, min(m, n)), np.int64)
    info = np.zeros(matrices.shape[:-2], np.int32)
    for i in np.ndindex(*matrices.shape[:-2]):
        if min(m, n):
            factors[i], swaps[i], info[i] = getrf(matrices[i])
    return factors, swaps, info


def exchange_sign(swaps: np.ndarray) -> np.ndarray:
    """The sign of a permutation given as row exchanges."""
    odd = (swaps != np.arange(swaps.shape[-1])).sum(-1) % 2
    return 1 - 2 * odd


def solve(matrices: np.ndarray, right: np.ndarray, left: bool) -> tuple[np.ndarray, np.ndarray]:
    """X with A X = B (X A = B if not `left`) for batches of one length, and the info of the factorization."""
    factors, swaps, info = lu(matrices)
    right = lowered(right)
    (getrs,) = get_lapack_funcs(("getrs",), dtype=factors.dtype)
    out = np.full_like(right, np.nan)
    for i in np.ndindex(*matrices.shape[:-2]):
        if right[i].size and not info[i]:
            out[i] = (
                getrs(factors[i], swaps[i], right[i])[0]
                if left
                else getrs(factors[i], swaps[i], right[i].T, trans=1)[0].T
            )
    return out, info


def cholesky(matrices: np.ndarray, upper: bool) -> tuple[np.ndarray, np.ndarray]:
    """Triangular factors and the order of the first leading minor that is not positive, or 0."""
    matrices = lowered(matrices)
    (potrf,) = get_lapack_funcs(("potrf",), dtype=matrices.dtype)
    out, info = np.zeros_like(matrices), np.zeros(matrices.shape[:-2], np.int32)
    for i in np.ndindex(*matrices.shape[:-2]):
        if matrices.shape[-1]:
            out[i], info[i] = potrf(matrices[i], lower=not upper, clean=True)
    return out, info


def cholesky_inverse(factors: np.ndarray, upper: bool) -> tuple[np.ndarray, np.ndarray]:
    """The inverses of the matrices whose triangular factors these are, and the place (from 1) of a zero on the diagonal."""
    factors = lowered(factors)
    (potri,) = get_lapack_funcs(("potri",), dtype=factors.dtype)
    out, info = np.zeros_like(factors), np.zeros(factors.shape[:-2], np.int32)
    for i in np.ndindex(*factors.shape[:-2]):
        made, info[i] = potri(factors[i], lower=not upper)
        half = np.triu(made, 1) if upper else np.tril(made, -1)
        out[i] = half + half.conj().T + np.diag(np.diagonal(made))
    return out, info


def solve_triangular(
    matrices: np.ndarray, right: np.ndarray, upper: bool, transpose: bool, unit: bool
) -> np.ndarray:
    """X with A X = B (or the transpose of A) for triangles of matrices of one batch, zeros on the diagonal or not."""
    matrices, right = lowered(matrices), lowered(right)
    (trsm,) = get_blas_funcs(("trsm",), dtype=matrices.dtype)
    out = np.zeros_like(right)
    for i in np.ndindex(*right.shape[:-2]):
        if right[i].size:
            out[i] = trsm(1.0, matrices[i], right[i], lower=not upper, trans_a=transpose, diag=unit)
    return out


def qr(matrices: np.ndarray, complete: bool) -> tuple[np.ndarray, np.ndarray]:
    """Q and R, square Q if `complete`; matrices without elements have a unit matrix for Q."""
    matrices = lowered(matrices)
    *batch, m, n = matrices.shape
    if 0 not in matrices.shape:
        # Libraries differ in the sign that they read off a negative zero, so there is none.
        q, r = np.linalg.qr(matrices + 0, "complete" if complete else "reduced")
        return q, r
    k = m if complete else min(m, n)
    q = np.broadcast_to(np.eye(m, k, dtype=matrices.dtype), (*batch, m, k)).copy()
    return q, np.zeros((*batch, k, n), matrices.dtype)


def svd(matrices: np.ndarray, full: bool, vectors: bool) -> tuple[Any, ...]:
    """U, S, Vh; empty matrices have unit matrices as singular vectors."""
    matrices = lowered(matrices)
    *batch, m, n = matrices.shape
    if 0 not in matrices.shape:
        if vectors:
            return tuple(np.linalg.svd(matrices, full_matrices=full))
        return None, np.linalg.svd(matrices, compute_uv=False), None
    k = min(m, n)
    rows, columns = (m, n) if full else (k, k)
    real = np.zeros(0, matrices.dtype).real.dtype
    u = np.broadcast_to(np.eye(m, rows, dtype=matrices.dtype), (*batch, m, rows)).copy()
    vh = np.broadcast_to(np.eye(columns, n, dtype=matrices.dtype), (*batch, columns, n)).copy()
    return u, np.zeros((*batch, k), real), vh
