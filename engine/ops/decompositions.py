"""Inverse, determinant, solutions of linear systems, Cholesky factors.

Source: https://docs.pytorch.org/docs/stable/linalg.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from engine import dtypes, layout
from engine import functions as F
from engine.dtypes import FLOAT, HALVES
from engine.linalg import LinAlgError
from engine.ops import lapack
from engine.registry import COMPOSITE, GENERAL, op
from engine.results import Result
from engine.return_types import named_tuple
from engine.tensor import Tensor
from engine.writes import require_out_dtype

# --------------------------------------------------------------------------------------------------------------- checks


def check_matrix(A: Tensor, name: str) -> None:
    """Raise RuntimeError for fewer than two dimensions."""
    if A.dim() < 2:
        raise RuntimeError(f"{name}: The input tensor A must have at least 2 dimensions.")


def check_square(A: Tensor, name: str) -> None:
    """Raise RuntimeError for what is no batch of square matrices."""
    check_matrix(A, name)
    n, m = A._sizes[-2:]
    if n != m:
        raise RuntimeError(f"{name}: A must be batches of square matrices, but they are {n} by {m} matrices")


def check_inexact(A: Tensor, name: str, *, halves: bool = False) -> None:
    """Raise RuntimeError for integers and bool, and for 16-bit floats unless they may come."""
    if A.dtype.category < FLOAT:
        raise RuntimeError(
            f"{name}: Expected a floating point or complex tensor as input. Got {A.dtype.legacy}"
        )
    if not halves and A.dtype in HALVES:
        raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {A.dtype.legacy}")


def check_kernel(A: Tensor, kernel: str) -> None:
    """Raise NotImplementedError for 16-bit floats."""
    if A.dtype in HALVES and A.numel():
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{A.dtype.legacy}'")


def fail(info: np.ndarray, name: str, text: Callable[[int], str]) -> None:
    """Raise LinAlgError for the first matrix of a batch with an info code."""
    bad = np.flatnonzero(info)
    if bad.size:
        which = f"(Batch element {bad[0]}): " if info.ndim else ""
        raise LinAlgError(f"{name}: {which}{text(int(info.reshape(-1)[bad[0]]))}")


def of_failed(info: np.ndarray, values: np.ndarray) -> np.ndarray | None:
    """The elements of matrices whose factorization failed, which are left undefined."""
    if not info.any():
        return None
    return np.broadcast_to((info != 0)[..., None, None], values.shape).copy()


def _unsolved(matrices: np.ndarray, info: np.ndarray) -> np.ndarray:
    """The matrices whose elimination failed, or met what is not finite: then the order of steps decides what comes out."""
    return (info != 0) | ~np.isfinite(matrices).all((-2, -1))


def columns(values: np.ndarray, undefined: np.ndarray | None = None) -> Result:
    """A result laid out as LAPACK leaves it."""
    return Result(values, lapack.column_major(values.shape), undefined)


INTO: dict[str, Any] = {
    "memory": "columns mixes-first mixes-others",
    "out_dtype_error": "Expected out tensor to have dtype {c_result}, but got {c_out} instead",
}  # fmt: skip
"""What `out=` must be like, and that it takes LAPACK's layout where it is resized."""


# --------------------------------------------------------------------------------------------------------------- inverse


def _singular_inverse(place: int) -> str:
    return f"The diagonal element {place} is zero, the inversion could not be completed because the input matrix is singular."


def _inv_ex(A: Tensor, check_errors: bool) -> tuple[Result, np.ndarray]:
    check_square(A, "linalg.inv")
    check_inexact(A, "linalg.inv")
    array = A._array()
    unit = np.broadcast_to(np.eye(array.shape[-1], dtype=array.dtype), array.shape)
    values, info = lapack.solve(array, unit, True)
    if check_errors:
        fail(info, "linalg.inv_ex", _singular_inverse)
    return columns(values, of_failed(_unsolved(array, info), values)), info


op(
    "linalg_inv_ex(Tensor A, *, bool check_errors=False) -> (inverse, info)", kind=GENERAL, kernel=_inv_ex, family="linalg",
    forms="function",
    derivatives={"A": lambda grad, inverse: -inverse.mH.matmul(grad.matmul(inverse.mH))},
)  # fmt: skip


def _inv(A: Tensor) -> Tensor:
    """The inverse of each matrix of a batch. Raises LinAlgError for a singular one."""
    inverse, info = F.linalg_inv_ex(A)
    fail(info._array(), "linalg.inv", _singular_inverse)
    return inverse


for _signature, _forms in (
    ("linalg_inv(Tensor A)", "function out"),
    ("inverse(Tensor input)", "function method out"),
):
    op(
        _signature,
        kind=COMPOSITE,
        kernel=_inv,
        family="linalg",
        forms=_forms,
        refuses_as="linalg_inv_ex",
        **INTO,
    )

# ----------------------------------------------------------------------------------------------------------------- solve


def _is_vector(A: Tensor, B: Tensor) -> bool:
    """Whether the right-hand side is a vector, or a batch of vectors."""
    return B.dim() == 1 or (A.dim() - 1 == B.dim() and B._sizes == A._sizes[:-1])


def _check_right(B: Tensor) -> None:
    if B.dim() < 2:
        raise RuntimeError("linalg.solve: The input tensor B must have at least 2 dimensions.")


def _solve_ex(A: Tensor, B: Tensor, left: bool, check_errors: bool) -> tuple[Result, np.ndarray]:
    check_inexact(A, "linalg.solve", halves=True)
    check_square(A, "linalg.solve")
    if A.dtype is not B.dtype:
        raise RuntimeError(
            "linalg.solve: Expected A and B to have the same dtype, but found A of type "
            f"{A.dtype.legacy} and B of type {B.dtype.legacy} instead"
        )
    vector = _is_vector(A, B)
    if not vector:
        _check_right(B)
    right = B._array()[..., None] if vector else B._array()
    n, (rows, width) = A._sizes[-1], right.shape[-2:]
    if n != (rows if left else width) or (vector and not left):
        raise RuntimeError(
            f"linalg.solve: Incompatible shapes of A and B for the equation {'AX' if left else 'XA'} = B "
            f"({n}x{n} and {rows}x{width})"
        )
    batch = layout.broadcast_two(right.shape[:-2], A._sizes[:-2])
    check_kernel(A, "lu_cpu")
    matrices = np.broadcast_to(A._array(), (*batch, n, n))
    values, info = lapack.solve(matrices, np.broadcast_to(right, (*batch, rows, width)), left)
    if check_errors:
        fail(info, "torch.linalg.solve_ex", lambda _: _NO_SOLUTION)
    undefined = of_failed(_unsolved(matrices, info), values)
    if not np.isfinite(values).all():  # what is NaN and what infinite depends on the steps, too
        undefined = ~np.isfinite(values) | (False if undefined is None else undefined)
    if vector:
        values = values[..., 0]
        undefined = None if undefined is None else undefined[..., 0]
    return (columns(values, undefined) if left else Result(values, None, undefined)), info


_NO_SOLUTION = "The solver failed because the input matrix is singular."


def _solve_gradient(
    grad: Any, A: Any, B_sizes: layout.Shape, result: Any, left: bool, needs: tuple[bool, bool]
) -> Any:
    """With G the gradient of the right-hand side, A's is minus G times the solution (conjugated)."""
    vector = len(B_sizes) == 1 or B_sizes == A._sizes[:-1]
    # As a matrix, so that the batch of a vector is not taken for its rows.
    of_right = F.linalg_solve(A.mH, grad.unsqueeze(-1) if vector else grad, left=left)
    of_left = None
    if needs[0]:
        solution = result.unsqueeze(-1) if vector else result
        of_left = -of_right.matmul(solution.mH) if left else -solution.mH.matmul(of_right)
    return of_left, (of_right.squeeze(-1) if vector else of_right) if needs[1] else None


op(
    "linalg_solve_ex(Tensor A, Tensor B, *, bool left=True, bool check_errors=False) -> (result, info)", kind=GENERAL,
    kernel=_solve_ex, family="linalg", forms="function", derivatives={
        ("A", "B"): lambda grad, A, B_sizes, result, left, needs: _solve_gradient(grad, A, B_sizes, result, left, needs)
    },
)  # fmt: skip


def _solve(A: Tensor, B: Tensor, left: bool) -> Tensor:
    """X with A X = B, or X A = B if not `left`. Raises LinAlgError for a singular A."""
    result, info = F.linalg_solve_ex(A, B, left=left)
    fail(info._array(), "torch.linalg.solve", lambda _: _NO_SOLUTION)
    return result


op(
    "linalg_solve(Tensor A, Tensor B, *, bool left=True)", refuses_as="_linalg_solve_ex",
    kind=COMPOSITE, kernel=_solve, family="linalg",
    forms="function out", **INTO,
)  # fmt: skip

# ---------------------------------------------------------------------------------------------------------- determinants


def _det(A: Tensor) -> np.ndarray:
    check_square(A, "linalg.det")
    check_inexact(A, "linalg.det", halves=True)
    check_kernel(A, "lu_cpu")
    factors, swaps, _ = lapack.lu(A._array())
    pivots = np.diagonal(factors, axis1=-2, axis2=-1)
    return np.asarray(pivots.prod(-1, dtype=pivots.dtype) * lapack.exchange_sign(swaps)).astype(pivots.dtype)


def _det_gradient(grad: Any, A: Any, result: Any) -> Any:
    """The transposed adjugate: from the inverse, or from singular vectors for a matrix that has none."""
    if A._sizes[-1] == 1 and A.numel():
        return grad.unsqueeze(-1).unsqueeze(-1).expand(A._sizes)
    if result.dim():
        parts = [
            _det_gradient(g, a, r)
            for g, a, r in zip(
                *(t.flatten(0, -k).unbind() for t, k in ((grad, 1), (A, 3), (result, 1))), strict=True
            )
        ]
        return F.stack(parts).view(A._sizes) if parts else F.zeros_like(A)
    n = A._sizes[-1]
    if abs(result.item()) > 100 * dtypes.finfo(A.dtype).eps:
        return F.linalg_solve(A.mH, F.diag_embed((grad * F.conj(result)).expand(n)))
    U, S, Vh = F._linalg_svd(A, True)
    phase = F.conj(F.linalg_det(U) * F.linalg_det(Vh)) * grad
    others = F.stack([F.cat([S[:i], S[i + 1 :]]).prod() for i in range(n)]) if n else S
    return (U * (phase * others)).matmul(Vh)


op(
    "_linalg_det(Tensor A)", kind=GENERAL, kernel=_det, family="linalg", forms="function", node="LinalgDetBackward0",
    derivatives={"A": lambda grad, A, result: _det_gradient(grad, A, result)},
)  # fmt: skip


def _linalg_det(A: Tensor) -> Tensor:
    """The determinant of each matrix of a batch."""
    return F._linalg_det(A)


op(
    "linalg_det(Tensor A)", kind=COMPOSITE, kernel=_linalg_det, family="linalg", forms="function out",
    refuses_as="_linalg_det", **INTO,
)  # fmt: skip
op("det(Tensor input)", kind=COMPOSITE, kernel=_linalg_det, family="linalg")


def _slogdet(A: Tensor) -> tuple[np.ndarray, np.ndarray]:
    check_square(A, "linalg.slogdet")
    check_inexact(A, "linalg.slogdet")
    factors, swaps, _ = lapack.lu(A._array())
    pivots = np.diagonal(factors, axis1=-2, axis2=-1)
    size = np.abs(pivots)
    if A.dtype.is_complex:
        phase = np.divide(pivots, size, out=np.zeros_like(pivots), where=size != 0)
    else:
        phase = np.where(np.isnan(pivots), 0, np.sign(pivots))  # torch's sign of NaN is 0
    sign = (phase.prod(-1) * lapack.exchange_sign(swaps)).astype(pivots.dtype)
    return np.asarray(sign), np.asarray(np.log(size).sum(-1, dtype=size.dtype))


def _slogdet_gradient(given_grads: Any, A: Any, sign: Any) -> Any:
    of_sign, of_log = given_grads
    if A.dtype.is_complex:
        grad = (
            F.complex(F.zeros_like(sign.real), -F.imag(F.conj(of_sign) * sign))
            if of_sign is not None
            else None
        )
        grad = of_log if grad is None else grad if of_log is None else grad + of_log
    else:  # the sign is flat
        grad = of_log
    if grad is None:
        return None
    n = A._sizes[-1]
    wanted = F.diag_embed(grad.to(A.dtype).unsqueeze(-1).expand(*A._sizes[:-2], n))
    return F.linalg_solve(A.mH, wanted)


op(
    "_linalg_slogdet(Tensor A) -> (sign, logabsdet)", kind=GENERAL, kernel=_slogdet, family="linalg", forms="function",
    node="LinalgSlogdetBackward0",
    derivatives={"A": lambda given_grads, A, sign: _slogdet_gradient(given_grads, A, sign)},
)  # fmt: skip


def _sign_and_log(name: str) -> Callable[[Tensor], Any]:
    def kernel(A: Tensor) -> Any:
        return named_tuple(name, ("sign", "logabsdet"))(F._linalg_slogdet(A))

    kernel.__doc__ = "The sign (or phase) of the determinant and the logarithm of its absolute value."
    return kernel


op(
    "linalg_slogdet(Tensor A)", kind=COMPOSITE, kernel=_sign_and_log("linalg_slogdet"), family="linalg", forms="function",
)  # fmt: skip
op("slogdet(Tensor input)", kind=COMPOSITE, kernel=_sign_and_log("slogdet"), family="linalg")


def _logdet(input: Any) -> Any:
    """The logarithm of the determinant, NaN for a negative one."""
    sign, logabsdet = F._linalg_slogdet(input)
    return (
        sign.log() + logabsdet if input.dtype.is_complex else F.where(sign == -1.0, float("nan"), logabsdet)
    )


op("logdet(Tensor input)", kind=COMPOSITE, kernel=_logdet, family="linalg")

# -------------------------------------------------------------------------------------------------------------- Cholesky


def _not_positive(order: int) -> str:
    return (
        "The factorization could not be completed because the input is not positive-definite (the leading minor of order "
        f"{order} is not positive-definite)."
    )


def _cholesky_ex(input: Tensor, upper: bool, check_errors: bool) -> tuple[Result, np.ndarray]:
    check_square(input, "linalg.cholesky")
    check_inexact(input, "linalg.cholesky", halves=True)
    check_kernel(input, "cholesky_cpu")
    values, info = lapack.cholesky(input._array(), upper)
    if check_errors:
        fail(info, "linalg.cholesky_ex", _not_positive)
    return columns(values, of_failed(info, values)), info


def _cholesky_gradient(grad: Any, L: Any, upper: bool) -> Any:
    """The gradient as a Hermitian matrix, though one triangle of the input is never read."""
    factor, of_factor = (L.mH, grad.mH) if upper else (L, grad)
    phi = factor.mH.matmul(of_factor).tril()
    middle = (phi + phi.tril(-1).mH) * 0.5
    if L.dtype.is_complex:  # the diagonal of a Cholesky factor is real
        middle = (middle + middle.mH) * 0.5
    return F.linalg_solve(factor, F.linalg_solve(factor.mH, middle), left=False)


op(
    "linalg_cholesky_ex(Tensor input, *, bool upper=False, bool check_errors=False) -> (L, info)", kind=GENERAL,
    kernel=_cholesky_ex, family="linalg", forms="function",
    derivatives={"input": lambda grad, L, upper: _cholesky_gradient(grad, L, upper)},
)  # fmt: skip


def _cholesky(input: Tensor, upper: bool) -> Tensor:
    """The triangular factor of a positive definite matrix. Raises LinAlgError for another one."""
    factor, info = F.linalg_cholesky_ex(input, upper=upper)
    fail(info._array(), "linalg.cholesky", _not_positive)
    return factor


_CHOLESKY = op(
    "linalg_cholesky(Tensor input, *, bool upper=False)", refuses_as="linalg_cholesky_ex",
    kind=COMPOSITE, kernel=_cholesky, family="linalg",
    before_out=lambda values, outs: _check_factor(values[0], outs[0]), forms="function out", **INTO,
)  # fmt: skip


def _check_factor(input: Tensor, out: Tensor) -> None:
    """Raise RuntimeError for an `out` of another dtype than the matrix, at which torch looks before it factorizes."""
    check_square(input, "linalg.cholesky")
    check_inexact(input, "linalg.cholesky", halves=True)
    require_out_dtype(_CHOLESKY, input.dtype, out)
