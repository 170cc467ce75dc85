"""Perturbed mode: nominal precision, and a random error of one unit in the last place wherever a result was rounded.

Whether it was rounded is found out by computing it in wide mode too: an exact result has the same value there. What torch leaves
undefined is some small number, another one in each run, so that whatever depends on it differs between runs.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from engine import dtypes, functions
from engine.allowances import number_of
from engine.dtypes import COMPLEX, FLOAT, dtype
from engine.precision import Accuracy, _Mode, _set, is_beyond, nominal, undefined
from engine.registry import POINTWISE, Op
from engine.results import Result
from engine.storage import Storage
from engine.tensor import Tensor, fresh, over

_SHORT = 30
"""A float64 that has no more significant bits is taken as exact where nothing wider is known to compare with."""


class Perturbed(nominal):
    """See `engine.precision`."""

    def __init__(self, seed: int, accuracy: Accuracy) -> None:
        self._seed, self._accuracy = seed, accuracy

    def _enter(self) -> None:
        self._random = np.random.default_rng(self._seed)
        _set(False, self._perturb, self._convert, random=self._random)

    def _perturb(
        self, op: Op, values: list[Any], tensors: list[Tensor], results: tuple[Result, ...], compute: Any
    ) -> tuple[Result, ...]:
        for r in results:
            if r.undefined is not None and r.values.dtype == np.bool_:
                r.values = np.where(r.undefined, undefined(np.zeros(r.values.shape, np.bool_)), r.values)
        if op.moves or op.family == "random" or not any(_rounds(r) for r in results):
            return results
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they were given when the operation itself ran
            expected = _in_carriers(op, values, tensors, compute)
            rounded = [_rounded(r, e) for r, e in zip(results, expected, strict=True)]
            if op.name in _NEVER_EXACT:
                rounded = [np.isfinite(_parts(r.values)) for r in results]
            _Mode.left_range |= any(_left_range(r, e) for r, e in zip(results, expected, strict=True))
            units = [self._units(op, values, r.values) for r in results]
            if max(units) > 1 or self._terms_round(op, values, tensors, rounded):
                terms = self._with_perturbed_operands(op, values, tensors, compute)
                if all(t.values.shape == r.values.shape for t, r in zip(terms, results, strict=True)):
                    rounded = [
                        _take_over(op, r, t.values, where) if _rounds(r) else where
                        for r, t, where in zip(results, terms, rounded, strict=True)
                    ]
                    if op.name in _ELIMINATING and not _rounds(results[-1]):
                        results[-1].values = terms[-1].values
        for result, where, most in zip(results, rounded, units, strict=True):
            if _rounds(result):
                result.values = self._off_by(most, result.values, where)
        return results

    def _units(self, op: Op, values: list[Any], array: np.ndarray) -> int:
        """What an operation may be off by; half of what was measured, since a verdict allows for twice the spread."""
        number = number_of(self._accuracy, op, values, dtypes.NOMINAL[array.dtype])
        return 1 if number is None else max(1, math.ceil(number / 2))

    def _terms_round(
        self, op: Op, values: list[Any], tensors: list[Tensor], rounded: list[np.ndarray]
    ) -> bool:
        """Whether an operation is made of several steps some of which may round, too."""
        if not _sums_products(op, tensors):
            return op.kind == POINTWISE and _in_steps(op, values)
        if any(where.any() for where in rounded) or _of_powers(op, values):
            return True
        # Where a sum of products is exact in any order, its terms are left alone.
        return (op.kind == POINTWISE and not op.exact) or not _on_a_grid(tensors)

    def _convert(self, converted: np.ndarray, given: np.ndarray, d: dtype) -> np.ndarray:
        return self._off_by(
            1, converted, _parts(converted.astype(d.carrier)) != _parts(given.astype(d.carrier))
        )

    def _off_by(self, units: int, array: np.ndarray, where: np.ndarray) -> np.ndarray:
        """The elements (real and imaginary parts apart), those named by `where` off by up to so many units or not."""
        if not where.any():
            return array
        array = np.array(array, order="C")  # a copy; NumPy gives numbers for arrays without dimensions
        parts = _parts(array)
        steps = self._random.integers(-units, units + 1, parts.shape)
        moved = np.nextafter(parts, np.where(steps < 0, -np.inf, np.inf).astype(parts.dtype))
        if units > 1:
            moved = (parts + steps * np.spacing(np.abs(parts))).astype(parts.dtype)
        there = where & (steps != 0) & (parts != 0) & np.isfinite(parts) & np.isfinite(moved)
        parts[there] = moved[there]
        return array

    def _off_by_norms(self, op: Op, matrices: np.ndarray) -> np.ndarray:
        """Matrices whose elements, but for zeros, are off by a unit of the norm of what they are computed with or not."""
        unit = _unit(op, matrices)
        changed = matrices.copy()
        for part in (changed.real, changed.imag) if changed.dtype.kind == "c" else (changed,):
            part += (self._random.integers(-1, 2, part.shape) * unit * (part != 0)).astype(part.dtype)
        return changed

    def _singular_or_not(self, op: Op, given: np.ndarray, changed: np.ndarray) -> np.ndarray:
        """The changed matrices; where rounding decides whether one is singular (or of less than full rank), it is in half of the
        runs, else in all or none."""
        unit = _unit(op, given)
        if op.name == "linalg_pinv":
            return _of_numerical_rank(changed, unit) if self._seed % 2 else changed
        for where in np.ndindex(given.shape[:-2]):
            if _is_exactly_singular(given[where], op.name in _CHOLESKY):
                changed[where] = given[where]
            elif op.name not in _CHOLESKY and self._seed % 2 and _is_near_singular(given[where], unit[where]):
                changed[where] = 0
        return changed

    def _with_perturbed_operands(
        self, op: Op, values: list[Any], tensors: list[Tensor], compute: Any
    ) -> tuple[Result, ...]:
        """From operands of the highest precision that are off by one, and in steps that round; one of float32 beside float64
        is exact. A tensor that is an operand twice is off in two ways, as what is computed from it is."""
        if op.name == "dist":
            values, tensors = _subtracted(values)
        finest = min((dtypes.finfo(t.dtype).eps for t in tensors if t.dtype.category >= FLOAT), default=0.0)
        made: dict[int, Tensor] = {}

        def off(elements: np.ndarray, real: dtype) -> np.ndarray:
            return self._off_by(self._units(op, values, elements), elements, elements != 0)

        def other(t: Tensor) -> Tensor:
            if t.dtype.category < FLOAT or dtypes.finfo(t.dtype).eps != finest:
                return t
            if len(t._sizes) > 1 and op.name in _BY_MATRIX | _BY_LINE:
                new = fresh(self._off_by_norms(op, t._array()), t.dtype)
            else:
                new = _on_other_memory([t], off)[id(t)]
            made[id(t)] = new
            return new

        changed = _exchanged(values, other)
        if op.name in _ELIMINATING:
            matrices = self._singular_or_not(op, values[0]._array(), changed[0]._array())
            changed[0] = fresh(matrices, values[0].dtype)
        hook, _Mode.hook, _Mode.steps = _Mode.hook, None, self._random
        try:
            return compute(op, changed, [made.get(id(t), t) for t in tensors])
        finally:
            _Mode.hook, _Mode.steps = hook, None


def _parts(array: np.ndarray) -> np.ndarray:
    """Real numbers: of complex ones the two parts, along a last dimension, on the same memory if that is row-major."""
    if array.dtype.kind != "c":
        return array
    return np.ascontiguousarray(array).reshape((*array.shape, 1)).view(array.real.dtype)


def _take_over(op: Op, result: Result, others: np.ndarray, rounded: np.ndarray) -> np.ndarray:
    """Let the results of perturbed operands take the place of those that are rounded; returns which these are.

    What is exact by luck is rounded, too: the sum of other partial sums may not be. What does not change with the terms is
    left alone, and so are elementwise formulas at a pole, and functions of one step.
    """
    if op.kind != POINTWISE or op.name not in _AT_ONCE:
        lucky = _parts(result.values) != _parts(others)
        rounded = rounded | (lucky & np.isfinite(_parts(result.values)) if op.kind == POINTWISE else lucky)
    elements = rounded.any(-1) if rounded.ndim > others.ndim else rounded
    result.values = np.where(elements, others, result.values)
    return rounded


def _rounds(result: Result) -> bool:
    return result.values.dtype.kind not in "biu"


def _rounded(result: Result, expected: Result) -> np.ndarray:
    """Which elements (or parts) are not what they are in more digits."""
    array, wide = result.values, expected.values
    if not _rounds(result) or array.shape != wide.shape:
        return np.zeros(array.shape, np.bool_)
    d = dtypes.NOMINAL[array.dtype]
    mine = _parts(array.astype(d.carrier))
    differs = (mine != _parts(wide.astype(d.carrier))) & np.isfinite(mine)
    if expected.narrow or wide.dtype == array.dtype:
        differs |= np.isfinite(mine) & (_parts(array) != _shortened(_parts(array)))
    return differs


def _left_range(result: Result, expected: Result) -> bool:
    """Whether a result, or a step of the formula that made it, has overflowed or underflowed."""
    array, wide = result.values, expected.values
    if not _rounds(result) or array.shape != wide.shape:
        return False
    if is_beyond(wide, dtypes.NOMINAL[array.dtype]):
        return True
    lost = np.isfinite(wide) & (~np.isfinite(array) | ((array == 0) & (wide != 0)))
    return bool(lost.any())


def _shortened(parts: np.ndarray) -> np.ndarray:
    fraction, exponent = np.frexp(parts)
    return np.ldexp(np.round(np.ldexp(fraction, _SHORT)), exponent - _SHORT)


_AT_ONCE = frozenset(
    """
    add sub subtract rsub mul multiply div divide true_divide sqrt rsqrt reciprocal square pow hypot fmod remainder
    floor_divide exp exp2 expm1 log log2 log10 log1p sin cos tan asin arcsin acos arccos atan arctan atan2 arctan2 sinh cosh
    tanh asinh arcsinh acosh arccosh atanh arctanh sigmoid erf erfc erfinv lgamma deg2rad rad2deg xlogy abs absolute angle
    copysign
    """.split()
)
"""Elementwise operations of real numbers that are one step, or are implemented as accurately as one: only their result
rounds. The others are formulas of several, whose terms round too."""


_NEVER_EXACT = frozenset(("i0",))
"""Series that implementations add up where the value is a short number, too: torch's of float32 is not 1 at 0."""

_PARTWISE = frozenset("add sub subtract rsub neg negative where _conj_physical _conj_physical_into".split())
"""What treats real and imaginary parts alike and apart."""


def _sums_products(op: Op, tensors: list[Tensor]) -> bool:
    """Whether the result is made of sums whose order is open: reductions, products, and those of complex numbers."""
    if op.kind == POINTWISE:
        return op.name not in _PARTWISE and any(t.dtype.category == COMPLEX for t in tensors)
    return not op.exact


def _of_powers(op: Op, values: list[Any]) -> bool:
    """Whether terms are powers that round whatever the operands are; the square root of a sum of squares may be exact."""
    named = zip(op.signature.parameters, values, strict=True)
    power = next((v for p, v in named if p.name in ("ord", "p") and isinstance(v, (int, float))), 2)
    return power not in (0, 1, 2) and not math.isinf(power)


_BY_MATRIX = frozenset("_linalg_svd linalg_pinv matrix_exp".split())
_BY_LINE = frozenset(
    """
    _cholesky _cholesky_solve _linalg_det _linalg_slogdet cholesky_inverse linalg_cholesky_ex linalg_inv_ex
    linalg_lu_factor_ex linalg_solve_ex qr
    """.split()
)
"""Backward stable: the error is that of a matrix near the given one. Singular values are exact for one that is off by a unit
of its norm. Elimination with pivoting and reflections treat each column by itself (or each row, of the transposed matrix), so
that a small column beside large ones is as accurate as if it were alone, and so is each matrix of a batch.

Source: N. J. Higham, Accuracy and Stability of Numerical Algorithms, 9.3, 10.1 and 19.3
"""


_CHOLESKY = frozenset("_cholesky linalg_cholesky_ex".split())
_ELIMINATING = _CHOLESKY | frozenset(
    "_linalg_slogdet linalg_inv_ex linalg_lu_factor_ex linalg_pinv linalg_solve_ex".split()
)
"""What has no result for a singular matrix, or another one, and what says in its last result that a matrix is."""


def _unit(op: Op, matrices: np.ndarray) -> np.ndarray:
    """The last place of the norm that the errors of an element are measured by."""
    squares = np.where(np.isfinite(matrices), np.abs(matrices).astype(np.longdouble) ** 2, 0)
    rows, columns = (squares.sum(axis, keepdims=True) for axis in (-1, -2))
    norms = np.sqrt(columns.sum(-1, keepdims=True) if op.name in _BY_MATRIX else np.maximum(rows, columns))
    return np.spacing(norms.astype(matrices.real.dtype))


def _is_near_singular(matrix: np.ndarray, unit: np.ndarray) -> bool:
    """Whether a matrix is as near to a singular one as a correct implementation may be off by, twice a unit: its inverse has no
    right digits.

    All matrices A + E with |E| <= unit are regular where a norm of |A^-1| unit is below 1.

    Sources: https://docs.pytorch.org/docs/stable/notes/numerical_accuracy.html#extremal-values-in-linalg; N. J. Higham, Accuracy
    and Stability of Numerical Algorithms, 7.1
    """
    try:
        inverse = np.linalg.inv(matrix.astype(np.result_type(matrix, np.float64)))
    except np.linalg.LinAlgError:
        return matrix.shape[0] == matrix.shape[1]
    with np.errstate(all="ignore"):
        change = 2 * np.abs(inverse) @ (unit * (matrix != 0)).astype(np.float64)
        return bool((change.sum(-1) >= 1).any())


def _of_numerical_rank(matrices: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Matrices without the singular values that may as well be zero: a change E moves none by more than a norm of E.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.matrix_rank.html
    """
    if not np.isfinite(matrices).all() or not matrices.size:
        return matrices
    u, s, vh = np.linalg.svd(matrices, full_matrices=False)
    least = 2 * unit[..., 0] * math.sqrt(matrices.shape[-1] * matrices.shape[-2])
    return ((u * np.where(s > least, s, 0)[..., None, :]) @ vh).astype(matrices.dtype)


def _is_exactly_singular(matrix: np.ndarray, roots: bool) -> bool:
    """Whether elimination comes to a zero pivot without having rounded before, `roots`: of pivots, too."""
    wide = np.clongdouble if matrix.dtype.kind == "c" else np.longdouble
    rest = matrix.copy()
    with np.errstate(all="ignore"):
        for _ in range(min(matrix.shape)):
            best = 0 if roots else int(np.abs(rest[:, 0]).argmax())
            rest[[0, best]] = rest[[best, 0]]
            pivot = rest[0, 0]
            if pivot == 0:
                return True
            below = rest[1:, 0] / pivot
            exact = below.astype(wide) * pivot == rest[1:, 0]
            if roots:
                root = np.sqrt(pivot)
                exact &= (root.astype(wide) ** 2 == pivot) & (
                    (rest[1:, 0] / root).astype(wide) * root == rest[1:, 0]
                )
            after = rest[1:, 1:] - np.outer(below.astype(wide), rest[0, 1:])
            rest = after.astype(matrix.dtype)
            if not (exact.all() and np.array_equal(rest, after)):
                return False
    return False


def _in_steps(op: Op, values: list[Any]) -> bool:
    alpha = next((v for p, v in zip(op.signature.parameters, values, strict=True) if p.name == "alpha"), 1)
    return alpha != 1 or not (op.exact or op.name in _AT_ONCE)


def _on_a_grid(tensors: list[Tensor]) -> bool:
    """Whether sums of products of all operands are exact in any order.

    They are if all elements of each operand are multiples of a power of two that are small enough to be added up.
    """
    most, digits, count = 1.0, 64, 1
    for t in tensors:
        if t.dtype.category < FLOAT:
            continue
        parts = _parts(t._array()).astype(np.longdouble)
        count = max(count, parts.size)
        parts = parts[parts != 0]
        if not np.isfinite(parts).all():
            return False
        if parts.size:
            most *= float(np.abs(parts).max() / _grain(parts))
        digits = min(digits, 1 - int(np.log2(dtypes.finfo(t.dtype).eps)))
    return most * count <= 2.0**digits


def _grain(parts: np.ndarray) -> Any:
    """The largest power of two that divides all of the numbers."""
    fraction, exponent = np.frexp(parts)
    whole = np.ldexp(fraction, 53).astype(np.int64)  # the nominal formats have no more digits
    return np.ldexp(np.longdouble(1), exponent - 53 + np.log2(whole & -whole).astype(np.int64)).min()


# ----------------------------------------------------------------------------------------------------------- other operands


def _in_carriers(op: Op, values: list[Any], tensors: list[Tensor], compute: Any) -> tuple[Result, ...]:
    """The results of the same operation in wide mode, from the same operands."""
    before = (False, _Mode.hook, _Mode.convert, _Mode.multiprecision, _Mode.random)
    try:
        _set(True, None, None)
        inexact = [t for t in tensors if t.dtype.category >= FLOAT]
        replaced = _on_other_memory(inexact, lambda elements, real: elements.astype(real.carrier))
        results = compute(
            op,
            _exchanged(values, lambda t: replaced.get(id(t), t)),
            [replaced.get(id(t), t) for t in tensors],
        )
        for r in results:
            r.narrow |= _Mode.narrow
        return results
    finally:
        _set(*before)


def _on_other_memory(
    tensors: list[Tensor], change: Callable[[np.ndarray, dtype], np.ndarray]
) -> dict[int, Tensor]:
    """The tensors, by their ids, on changed copies of what their storages hold; what shares memory shares it still."""
    storages: dict[tuple[int, dtype], Storage] = {}
    made = {}
    for t in tensors:
        real = t.dtype.to_real()
        storage = storages.get((id(t._storage), real))
        if storage is None:
            buffer = t._storage.buffer
            elements = np.ndarray((buffer.nbytes // real.itemsize,), real.nominal, buffer)
            storage = Storage(change(elements, real).view(np.uint8), None, real)
            storages[id(t._storage), real] = storage
        made[id(t)] = other = over(storage, t._offset, t._sizes, t._strides, t.dtype)
        other._requires_grad = t.requires_grad  # some kernels refuse by it
    return made


def _subtracted(values: list[Any]) -> tuple[list[Any], list[Tensor]]:
    """The call of `dist` for the difference of its operands and zeros: it is the difference that rounds."""
    hook, _Mode.hook = _Mode.hook, None
    try:
        input, other = (t.detach() for t in values[:2])
        tensors = [functions.sub(input, other), functions.zeros_like(input)]
    finally:
        _Mode.hook = hook
    return [*tensors, *values[2:]], tensors


def _exchanged(values: Any, other: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(values, Tensor):
        return other(values)
    if type(values) in (list, tuple):
        return type(values)(_exchanged(v, other) for v in values)
    return values
