"""Systems of equations with triangular matrices and with Cholesky factors, and torch's older names of these.

Where a triangular matrix has a zero on its diagonal, solutions are left undefined.
Sources: https://docs.pytorch.org/docs/stable/generated/torch.triangular_solve.html, torch.cholesky.html,
torch.cholesky_solve.html and torch.cholesky_inverse.html
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from engine import functions as F
from engine import layout, promotion
from engine.call import run
from engine.dtypes import FLOAT, HALVES
from engine.ops import lapack
from engine.ops.decompositions import (
    _cholesky_gradient,
    _not_positive,
    _singular_inverse,
    check_matrix,
    columns,
    fail,
    of_failed,
)
from engine.registry import COMPOSITE, GENERAL, Op, op
from engine.results import Result
from engine.tensor import Tensor


def _check_square(A: Tensor, name: str = "") -> None:
    n, m = A._sizes[-2:]
    if n != m:
        raise RuntimeError(f"{name}A must be batches of square matrices, but they are {n} by {m} matrices")


def _check_kernel(A: Tensor, kernel: str) -> None:
    if A.dtype.category < FLOAT or A.dtype in HALVES:
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{A.dtype.legacy}'")


def _pair(B: Tensor, A: Tensor, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Right-hand sides and matrices for one batch. Raises RuntimeError where they do not fit."""
    _check_square(A)
    (n, _), (rows, _) = A._sizes[-2:], B._sizes[-2:]
    if n != rows:
        raise RuntimeError(
            f"Incompatible matrix sizes for {name}: each A matrix is {n} by {n} but each b matrix is {rows} by "
            f"{B._sizes[-1]}"
        )
    if A.dtype is not B.dtype:
        raise RuntimeError(
            f"Expected b and A to have the same dtype, but found b of type {B.dtype.legacy} and A of type {A.dtype.legacy} "
            "instead."
        )
    batch = layout.broadcast_two(B._sizes[:-2], A._sizes[:-2])
    right = np.broadcast_to(B._array(), (*batch, *B._sizes[-2:]))
    return right, np.broadcast_to(A._array(), (*batch, n, n))


def _solved(values: np.ndarray, matrices: np.ndarray, unit: bool = False) -> Result:
    zero = (np.diagonal(matrices, axis1=-2, axis2=-1) == 0).any(-1) & (not unit)
    lost = of_failed(zero, values)
    if not np.isfinite(values).all():
        # BLAS may also multiply an infinity by the zeros beside the triangle: so what is NaN and what infinite is left open.
        lost = ~np.isfinite(values) | (False if lost is None else lost)
    return columns(values, lost)


# ------------------------------------------------------------------------------------------------- triangular systems


def _solve_triangular(A: Tensor, B: Tensor, upper: bool, left: bool, unitriangular: bool) -> Result:
    """The solution of A X = B, or of X A = B if not `left`, for operands that are known to fit."""
    _check_kernel(A, "triangular_solve_cpu")
    batch = layout.broadcast_two(A._sizes[:-2], B._sizes[:-2])
    a, b = (np.broadcast_to(t._array(), (*batch, *t._sizes[-2:])) for t in (A, B))
    values = (
        lapack.solve_triangular(a, b, upper, False, unitriangular)
        if left
        else lapack.solve_triangular(a.swapaxes(-1, -2), b.swapaxes(-1, -2), not upper, False, unitriangular)
    )
    return _solved(values if left else values.swapaxes(-1, -2), a, unitriangular)


def _triangle(x: Any, upper: bool, unitriangular: bool) -> Any:
    """The part of a gradient that belongs to elements that are read."""
    return x.triu(int(unitriangular)) if upper else x.tril(-int(unitriangular))


def _solve_gradient(
    grad: Any, A: Any, result: Any, upper: bool, left: bool, unitriangular: bool
) -> tuple[Any, Any]:
    of_right = solve_triangular(A.mH, grad, upper=not upper, left=left, unitriangular=unitriangular)
    of_left = -of_right.matmul(result.mH) if left else -result.mH.matmul(of_right)
    return _triangle(of_left, upper, unitriangular), of_right


_SOLVE: Op = op(
    "linalg_solve_triangular(Tensor A, Tensor B, *, bool upper, bool left=True, bool unitriangular=False)", kind=GENERAL,
    kernel=_solve_triangular, family="linalg", forms="", derivatives={
        ("A", "B"): lambda grad, A, result, upper, left, unitriangular: _solve_gradient(
            grad, A, result, upper, left, unitriangular
        )
    },
)  # fmt: skip


def solve_triangular(A: Any, B: Any, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Any:
    """The operation on matrices of one batch."""
    return run(_SOLVE, [A, B, upper, left, unitriangular])


def _triangular_solve(
    input: Tensor, A: Tensor, upper: bool, transpose: bool, unitriangular: bool
) -> tuple[Result, Result]:
    for t, name in ((input, "b"), (A, "A")):
        if t.dim() < 2:
            raise RuntimeError(
                f"torch.triangular_solve: Expected {name} to have at least 2 dimensions, but it has {t.dim()} dimensions "
                "instead"
            )
    right, matrices = _pair(input, A, "triangular_solve")
    warnings.warn(
        "torch.triangular_solve is deprecated in favor of torch.linalg.solve_triangular",
        UserWarning,
        stacklevel=6,
    )
    _check_kernel(A, "triangular_solve_cpu")
    values = lapack.solve_triangular(matrices, right, upper, transpose, unitriangular)
    return _solved(values, matrices, unitriangular), columns(matrices.copy())


def _triangular_solve_gradient(
    given_grads: Any,
    input: Any,
    A: Any,
    solution: Any,
    upper: bool,
    transpose: bool,
    unitriangular: bool,
) -> tuple[Any, Any]:
    grad, of_clone = given_grads
    of_right, of_left = F.zeros(input._sizes, dtype=A.dtype), None
    if grad is not None:
        # With the public operation, so that it warns as torch's does.
        of_right = F.triangular_solve(grad, _conj(A), upper, not transpose, unitriangular)[0]
        of_left = -_conj(solution).matmul(of_right.mT) if transpose else -of_right.matmul(solution.mH)
        of_left = _triangle(of_left, upper, unitriangular)
    if of_clone is not None:
        of_left = (F.zeros_like(of_clone) if of_left is None else of_left) + of_clone
    return of_right, of_left


def _triangular_solve_tangent(
    input_t: Any, A: Any, A_t: Any, solution: Any, upper: bool, transpose: bool, unitriangular: bool
) -> tuple[Any, Any]:
    change = F.zeros_like(solution) if input_t is None else input_t
    if A_t is not None:
        part = _triangle(A_t, upper, unitriangular)
        change = change - (part.mT if transpose else part).matmul(solution)
    return F.triangular_solve(change, A, upper, transpose, unitriangular)[0], A_t


def _conj(x: Any) -> Any:
    return F.conj(x) if x.dtype.is_complex else x


op(
    "triangular_solve(Tensor input, Tensor A, bool upper=True, bool transpose=False, bool unitriangular=False) -> "
    "(solution, cloned_coefficient)", kind=GENERAL, kernel=_triangular_solve, family="linalg", forms="function method out",
    memory="columns mixes-first mixes-others",
    derivatives={
        ("input", "A"): lambda given_grads, input, A, solution, upper, transpose, unitriangular: _triangular_solve_gradient(
            given_grads, input, A, solution, upper, transpose, unitriangular
        )
    },
    tangent=_triangular_solve_tangent,
)  # fmt: skip

# ----------------------------------------------------------------------------------------------------- Cholesky factors


def _factor(input: Tensor, upper: bool) -> tuple[Result, np.ndarray]:
    check_matrix(input, "cholesky")
    _check_square(input, "cholesky: ")
    if input.numel():
        _check_kernel(input, "cholesky_cpu")
        values, info = lapack.cholesky(input._array(), upper)
        return columns(values), info
    return Result(np.empty(input._sizes, input.dtype.numpy)), np.zeros(input._sizes[:-2], np.int32)


_FACTOR: Op = op(
    "_cholesky(Tensor input, bool upper=False) -> (result, info)", kind=GENERAL, kernel=_factor, family="linalg", forms="",
    node="CholeskyBackward0",
    derivatives={"input": lambda grad, result, upper: _cholesky_gradient(grad, result, upper)},
)  # fmt: skip


_DEPRECATED = "torch.cholesky is deprecated in favor of torch.linalg.cholesky"


def _warn_again(values: list[Any], outs: list[Any]) -> None:
    """The form with `out=` warns, and runs the other one, which warns too."""
    if promotion.can_cast(values[0].dtype, outs[0].dtype):
        warnings.warn(_DEPRECATED, UserWarning, stacklevel=6)


def _cholesky(input: Tensor, upper: bool) -> Any:
    """The triangular factor of a positive definite matrix. Raises LinAlgError for another one."""
    factor, info = run(_FACTOR, [input, upper])
    fail(info._array(), "cholesky", _not_positive)
    return factor


op(
    "cholesky(Tensor input, bool upper=False)", kind=COMPOSITE, kernel=_cholesky, family="linalg",
    forms="function method out", memory="mixes-first", warning=_DEPRECATED,
    before_out=_warn_again,
)  # fmt: skip


def _inverse(input: Tensor, upper: bool) -> Result:
    check_matrix(input, "cholesky_inverse")
    _check_square(input, "cholesky_inverse: ")
    array = input._array()
    if not input.numel():
        return columns(array.copy())
    _check_kernel(input, "cholesky_inverse_out_cpu")
    values, info = lapack.cholesky_inverse(array, upper)
    fail(info, "cholesky_inverse", _singular_inverse)
    return columns(values)


def _product_gradient(of_product: Any, factor: Any, upper: bool) -> Any:
    """From the gradient of L L^H (or U^H U) to that of the factor."""
    both = of_product + of_product.mH
    return factor.matmul(both) if upper else both.matmul(factor)


op(
    "cholesky_inverse(Tensor input, bool upper=False)", kind=GENERAL, kernel=_inverse, family="linalg",
    forms="function method out", memory="columns mixes-first",
    derivatives={
        "input": lambda grad, input, result, upper: _product_gradient(
            -result.mH.matmul(grad).matmul(result.mH), input, upper
        )
    },
)  # fmt: skip


def _cholesky_solve(input: Tensor, input2: Tensor, upper: bool) -> Result:
    for t, name in ((input, "b"), (input2, "u")):
        if t.dim() < 2:
            raise RuntimeError(
                f"{name} should have at least 2 dimensions, but has {t.dim()} dimensions instead"
            )
    right, factors = _pair(input, input2, "cholesky_solve")
    _check_kernel(input, "cholesky_solve_cpu")
    mirrored = factors.conj().swapaxes(-1, -2)
    first, last = (mirrored, factors) if upper else (factors, mirrored)
    between = lapack.solve_triangular(first, right, False, False, False)
    return _solved(lapack.solve_triangular(last, between, True, False, False), factors)


def _cholesky_solve_gradient(grad: Any, input: Any, input2: Any, result: Any, upper: bool) -> tuple[Any, Any]:
    of_right = F.cholesky_solve(grad, input2, upper)  # torch saves the right-hand side, too
    return of_right, _product_gradient(-of_right.matmul(result.mH), input2, upper)


_CHOLESKY_SOLVE: Op = op(
    "_cholesky_solve(Tensor input, Tensor input2, bool upper=False)", kind=GENERAL, kernel=_cholesky_solve,
    family="linalg", forms="", node="CholeskySolveBackward0",
    derivatives={
        ("input", "input2"): _cholesky_solve_gradient,
    },
)  # fmt: skip


def _cholesky_solve_form(input: Tensor, input2: Tensor, upper: bool) -> Any:
    """X with A X = input, where `input2` is the Cholesky factor of A."""
    return run(_CHOLESKY_SOLVE, [input, input2, upper])


op(
    "cholesky_solve(Tensor input, Tensor input2, bool upper=False)", kind=COMPOSITE, kernel=_cholesky_solve_form,
    family="linalg", forms="function method out", memory="mixes-first mixes-others",
)  # fmt: skip
