"""Precision modes: how a correct implementation of the same operations could have rounded.

Torch has no such thing. A program runs from its start to its end in one mode, `with nominal():`, `with wide():` or
`with perturbed(seed):`; tensors do not pass from one mode to another. Everything but values is the same in all of them:
dtypes, promotion, sizes in bytes, strides, `finfo`, errors, `repr`.

*Nominal*, the default: every operation computes in the precision that torch computes in and rounds to its dtype.

*Wide*: operations compute in more digits and tensors keep them between statements. 16- and 32-bit floats are held in float64
arrays, float64 in longdouble ones. What the dtype cannot hold becomes infinite when an operation is done, not within its
formula; small values do not underflow. Literals, numbers and random draws are the nominal ones. NumPy arrays are nominal too:
they see the rounded values of a tensor, and what is written to them goes back to it (`Storage.mirror`), because NumPy is not
what is being tested and rounds alike beside every backend.

*Perturbed*: as nominal, but what had to be rounded may be off by one unit in the last place, at random (Monte Carlo
arithmetic; D. S. Parker, "Monte Carlo Arithmetic", UCLA CSD-970002), and elements that torch leaves undefined are anything. See
`engine.perturbation`.

The modes meet the call path in one place: `compute_results` hands what it computed to `_Mode.hook` if there is one.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import dtypes
from engine.dtypes import FLOAT, HALVES, LONGDOUBLE, dtype
from engine.silence import SILENT

if TYPE_CHECKING:
    from engine.registry import Op
    from engine.results import Result
    from engine.tensor import Tensor


class _Precision:
    """The mode of the (single) thread, in `_Mode`."""

    def __init__(self) -> None:
        self.hook: Callable[..., Any] | None = None
        """hook(op, values, tensors, results, compute) -> results"""
        self.convert: Callable[[np.ndarray, np.ndarray, dtype], np.ndarray] | None = None
        """convert(converted, given, dtype) -> elements as they come out of a conversion to a floating dtype"""
        self.random: np.random.Generator | None = None
        """The random numbers of perturbed mode."""
        self.narrow = False
        """Whether the kernel that runs has computed in less than the carrier."""
        self.multiprecision = False
        """Whether special functions of longdouble operands are computed by mpmath."""
        self.steps: np.random.Generator | None = None
        """The same, while the steps within a kernel round, too."""
        self.left_range = False
        """Whether a result has overflowed or underflowed; see `left_range`."""
        self.met_undefined = False
        """See `met_undefined`."""
        self.allowances: list[tuple[np.ndarray, np.ndarray]] = []
        """See `allowances`."""


_Mode = _Precision()


class nominal:
    """The mode in which nothing is special, as a context manager; the others derive from it."""

    def __enter__(self) -> None:
        self._before = (
            dtypes.BY_NUMPY is not dtypes.NOMINAL,
            _Mode.hook,
            _Mode.convert,
            _Mode.multiprecision,
            _Mode.random,
        )
        self._told = (_Mode.left_range, _Mode.met_undefined, _Mode.allowances)
        _Mode.left_range = _Mode.met_undefined = False
        _Mode.allowances = []
        self._enter()

    def _enter(self) -> None:
        _set(False, None, None)

    def __exit__(self, *error: object) -> None:
        _set(*self._before)
        if _Mode.hook is not None:  # within another mode, which has not been asked yet
            _Mode.left_range, _Mode.met_undefined, _Mode.allowances = self._told


class wide(nominal):
    """Values in more precision than their dtypes have.

    Where NumPy has no longdouble (`LONGDOUBLE`), results of float64 are no more accurate than usual; `accurate_to` tells. With
    `multiprecision`, the special functions of which SciPy has no longdouble are computed by mpmath, slowly. `accuracy` is as
    that of `perturbed`; `allowances` tells what it lets operations be off by.
    """

    def __init__(self, *, multiprecision: bool = False, accuracy: Accuracy | None = None) -> None:
        self._multiprecision = multiprecision
        self._accuracy = accuracy

    def _enter(self) -> None:
        hook: Callable[..., Any] = _widened_results
        if self._accuracy:
            from engine.allowances import noted

            hook = functools.partial(noted, self._accuracy, _widened_results)
        _set(True, hook, _held, self._multiprecision)


Accuracy = Mapping[tuple[str, str], float]
"""What functions may be off by, by (name, dtype): the name of an operation, with the order of a function in brackets."""


def perturbed(seed: int, accuracy: Accuracy | None = None) -> nominal:
    """The mode in which rounded results are off by one unit in the last place at random; the same for the same seed.

    Where `accuracy` has a number for a function, its operands and its result are off by so many units.
    """
    from engine.perturbation import Perturbed

    return Perturbed(seed, accuracy or {})


def _set(carriers: bool, hook: Any, convert: Any, multiprecision: bool = False, random: Any = None) -> None:
    dtypes.carry(carriers)
    _Mode.hook, _Mode.convert, _Mode.narrow, _Mode.multiprecision = hook, convert, False, multiprecision
    _Mode.random = random


# ------------------------------------------------------------------------------------------------- what a comparison reads


def values(tensor: Tensor) -> np.ndarray:
    """The elements as they are held in the present mode: in wide mode float64 or longdouble arrays (or complex ones)."""
    return tensor._array()


def accurate_to(tensor: Tensor) -> np.dtype:
    """The format whose precision the elements of a tensor may be taken to have: in wide mode the carrier's.

    In the nominal format's where an operation that led to them has no wider implementation (LAPACK and SciPy's special
    functions have none for float64).
    """
    return tensor.dtype.numpy if tensor._storage.accurate else tensor.dtype.nominal


def left_range() -> bool:
    """Whether a result, named or not, has overflowed or underflowed since this was asked last or the mode was entered.

    That is told in wide mode of results beyond the nominal format, in perturbed mode also of those that are infinite, NaN or 0
    there and are not in more digits and range.
    """
    left, _Mode.left_range = _Mode.left_range, False
    return left


def met_undefined() -> bool:
    """Whether perturbed mode has given values to undefined elements since this was asked last or the mode was entered."""
    met, _Mode.met_undefined = _Mode.met_undefined, False
    return met


def allowances() -> list[tuple[np.ndarray, np.ndarray]]:
    """In wide mode, results of operations with a number in `accuracy`, and what each element may be off by, since this was
    asked last or the mode was entered."""
    found, _Mode.allowances = _Mode.allowances, []
    return found


def overwrite(tensor: Tensor, data: bytes) -> None:
    """Put other nominal values (row-major, native bytes) into a tensor's memory, exactly, unseen by autograd."""
    if not data:
        return
    storage = tensor._storage
    tensor._array()[...] = np.frombuffer(data, tensor.dtype.nominal).reshape(tensor._sizes)
    if storage.mirror is not None:
        storage.flush()


# ------------------------------------------------------------------------------------------------------------ wide results


def computed(make: Callable[[], np.ndarray], d: dtype) -> np.ndarray:
    """What a factory computes from numbers (`arange`), as the present mode has it; an operation is not needed for that."""
    return SILENT.copy().run(_computed, make, d)


def _computed(make: Callable[[], np.ndarray], d: dtype) -> np.ndarray:
    array = make()
    if _Mode.convert is None or d.category < FLOAT:
        return array
    with wide():
        given = make()
    return converted(array, given, d)


def lowered(array: np.ndarray) -> np.ndarray:
    """An array for a library that has no longdouble: in float64, which the result is then known to be accurate to."""
    lower = _LOWER.get(array.dtype)
    if lower is None or not LONGDOUBLE:
        return array
    _Mode.narrow = True
    return array.astype(lower)


_LOWER = {np.dtype(np.longdouble): np.dtype(np.float64), np.dtype(np.clongdouble): np.dtype(np.complex128)}


def _widened_results(
    op: Op, values: list[Any], tensors: list[Tensor], results: tuple[Result, ...], compute: Any
) -> tuple[Result, ...]:
    """The results with their nominal dtypes, infinite where these cannot hold them."""
    inherits = not all(t._storage.accurate for t in tensors)
    for result in results:
        d = result.dtype or nominal_dtype(result.values.dtype, values, tensors)
        array = result.values
        result.dtype = d
        result.narrow = inherits or _Mode.narrow or (d.category >= FLOAT and _is_narrow(array, d))
        if d.category >= FLOAT:
            array = array.astype(d.numpy, copy=False)
            _Mode.left_range |= is_beyond(array, d)
            result.values = overflowed(array, d)
    _Mode.narrow = False
    return results


def _is_narrow(array: np.ndarray, d: dtype) -> bool:
    """Whether a kernel gave less than the carrier: SciPy falls back to float64 in silence."""
    return array.dtype.itemsize < d.carrier.itemsize or d.carrier.itemsize == d.itemsize


def nominal_dtype(found: np.dtype, values: list[Any], tensors: list[Tensor]) -> dtype:
    """The dtype of a kernel's array in wide mode, where several dtypes are computed in one format.

    It is one that the call names, else the highest of the operands' (or of their real or complex counterparts), else the
    default one.
    """
    d = dtypes.BY_NUMPY[found]
    if d.category < FLOAT:
        return d
    held = [x for x in dtypes.ALL if found in (x.carrier, x.nominal)]
    named = [v for v in values if isinstance(v, dtype)]
    for candidates in (named, [t.dtype for t in tensors], [dtypes.get_default_dtype()]):
        there = [x for x in (_counterpart(c, d.category) for c in candidates) if x in held]
        if there:
            return functools.reduce(_higher, there)
    return d


def _counterpart(d: dtype, category: int) -> dtype | None:
    """The real or complex dtype of the same precision."""
    if d.category < FLOAT or (category > FLOAT and d in HALVES):
        return None
    return d.to_complex() if category > FLOAT else d.to_real()


def _higher(a: dtype, b: dtype) -> dtype:
    if a is b:
        return a
    return dtypes.float32 if {a, b} == HALVES else max(a, b, key=lambda d: d.itemsize)


def converted(array: np.ndarray, given: np.ndarray, d: dtype) -> np.ndarray:
    """Elements of a dtype as they come out of a rounding of what was given, in the present mode."""
    return array if _Mode.convert is None else _Mode.convert(array, given, d)


def undefined(array: np.ndarray) -> np.ndarray:
    """Elements that torch leaves undefined, zero before, as the present mode has them."""
    if _Mode.random is None or not array.size:
        return array
    _Mode.met_undefined = True
    for part in (array.real, array.imag) if array.dtype.kind == "c" else (array,):
        chosen = [0, 1] if part.dtype.kind == "b" else [0, 1, 7, 255 if part.dtype == np.uint8 else -1]
        part[...] = _Mode.random.choice(chosen + [math.nan] * (part.dtype.kind not in "biu"), part.shape)
    return array


def twice(compute: Callable[[], Any]) -> tuple[Any, Any]:
    """What a computation gives, and what it gives when it is done again: it rounds alike, as on a real machine."""
    if _Mode.random is None:
        return compute(), compute()
    before = _Mode.random.bit_generator.state
    first = compute()
    _Mode.random.bit_generator.state = before
    return first, compute()


def steps_round() -> bool:
    """Whether the steps of a formula round, too, that a kernel computes in more digits than a dtype has."""
    return _Mode.steps is not None


def stepped(array: np.ndarray, d: dtype) -> np.ndarray:
    """A step of a formula that a kernel computes in more digits than a dtype has: where steps round, rounded to it."""
    if _Mode.steps is None:
        return array
    with np.errstate(all="ignore"):
        return converted(array.astype(d.nominal), array, d).astype(array.dtype)


def terms(rows: np.ndarray) -> np.ndarray:
    """What is to be added up along the last axis: where steps round, changed as if each partial sum were off by one or not.

    A sum is that of x_i * (1 + d_2 + ... + d_i), where d_k is the error of an addition (N. J. Higham, Accuracy and Stability
    of Numerical Algorithms, 4.2; in the opposite order).
    """
    if _Mode.steps is None or rows.dtype.kind not in "fc":
        return rows
    errors = _Mode.steps.integers(-1, 2, rows.shape)
    errors[..., :1] = 0  # nothing is added yet
    factors = (1 + errors.cumsum(-1) * np.finfo(rows.dtype).eps).astype(rows.real.dtype)
    changed = rows.copy()
    with np.errstate(all="ignore"):
        for part in (changed.real, changed.imag) if rows.dtype.kind == "c" else (changed,):
            part *= factors
    return changed


def _held(array: np.ndarray, given: np.ndarray, d: dtype) -> np.ndarray:
    return overflowed(array, d)


def overflowed(array: np.ndarray, d: dtype) -> np.ndarray:
    """The elements, infinite where their magnitude rounds to more than the largest one of a dtype."""
    parts = (array.real, array.imag) if array.dtype.kind == "c" else (array,)
    limit = _overflow_threshold(d.to_real())
    beyond = [np.isfinite(part) & (np.abs(part) >= limit) for part in parts]
    if not any(b.any() for b in beyond):
        return array
    array = array.copy()
    for part, b in zip((array.real, array.imag) if len(parts) > 1 else (array,), beyond, strict=True):
        part[b] = np.copysign(np.inf, part[b])
    return array


def is_beyond(array: np.ndarray, d: dtype) -> bool:
    """Whether an element (or part of one) is finite and overflows a dtype, or is not 0 and smaller than its normal numbers."""
    real = d.to_real()
    least, limit = dtypes.finfo(real).tiny, _overflow_threshold(real)
    parts = (array.real, array.imag) if array.dtype.kind == "c" else (array,)
    sizes = [np.abs(part) for part in parts]
    return any(bool((((s < least) & (s > 0)) | ((s >= limit) & (s < np.inf))).any()) for s in sizes)


@functools.cache
def _overflow_threshold(d: dtype) -> Any:
    """The least magnitude that rounds to infinity: half a unit beyond the largest value."""
    info = dtypes.finfo(d)
    eps = np.longdouble(info.eps)
    return np.longdouble(info.max) / (2 - eps) * (2 - eps / 2)
