"""Factories of evenly spaced numbers: arange, linspace, logspace.

Source: https://docs.pytorch.org/docs/stable/generated/torch.arange.html
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from engine import dtypes
from engine.casts import cast, checked_number
from engine.dtypes import dtype
from engine.ops.creation import blank, factory, filled
from engine.precision import computed, converted
from engine.results import Result, wrap
from engine.silence import SILENT
from engine.tensor import Tensor, fresh


def _arange(start: Any, end: Any, step: Any, d: dtype | None) -> Tensor:
    """Numbers from `start` up to but without `end`. Raises RuntimeError for a step of 0 or of the wrong sign."""
    bounds = (start, end, step)
    if any(isinstance(x, complex) for x in bounds):
        raise RuntimeError("value cannot be converted to type double without overflow")
    d = d or (dtypes.get_default_dtype() if any(isinstance(x, float) for x in bounds) else dtypes.int64)
    if d.category in (dtypes.BOOL, dtypes.COMPLEX):
        raise NotImplementedError(f"\"arange_cpu\" not implemented for '{d.legacy}'")
    if step == 0 or step != step:
        raise RuntimeError("step must be nonzero")
    if d is dtypes.int64 and int(step) == 0:
        raise ValueError("step must be nonzero")
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"unsupported range: {start:g} -> {end:g}")
    if (end < start) if step > 0 else (end > start):
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    if d is dtypes.int64:  # the one dtype whose count is not computed in float64
        count = (int(end) - int(start) + int(step) - (1 if step > 0 else -1)) // int(step)
    else:
        count = math.ceil((end - start) / step)
    if count >= 1 << 60:
        raise RuntimeError("invalid size, possible overflow?")
    return fresh(computed(lambda: _counted(start, step, count, d), d), d)


def _counted(start: Any, step: Any, count: int, d: dtype) -> np.ndarray:
    """`start + step * i` as torch's kernel computes it: in vectors of 32 bytes, two at a time, each with a base.

    The base is rounded to the dtype and the lanes are added to it; what is left at the end is computed one by one. A
    processor with longer vectors gives other last bits.
    """
    index = np.arange(count)
    if d.category == dtypes.INTEGER:
        return (np.int64(int(start)) + np.int64(int(step)) * index).astype(d.numpy)
    lanes = 32 // d.itemsize
    base = np.where(index < count // (2 * lanes) * (2 * lanes), index // lanes * lanes, index)
    wide = d.opmath if d in dtypes.HALVES else np.promote_types(d.opmath, np.float64)
    first, by = wide.type(start), wide.type(step)
    bases = _rounded(by, base, first, wide)
    bases = converted(bases.astype(d.numpy), bases, d).astype(wide)
    return _rounded(by, index - base, bases, wide).astype(d.numpy)


def _rounded(a: Any, b: Any, c: Any, d: np.dtype) -> np.ndarray:
    """`a * b + c` rounded once, as a fused multiply-add does."""
    wide: Any = np.longdouble if d.itemsize >= 8 else np.float64
    return (wide(a) * np.asarray(b).astype(wide) + np.asarray(c).astype(wide)).astype(d)


factory("arange(Number end)", lambda end, d: _arange(0, end, 1, d), exact=False)
factory("arange(Number start, Number end, Number step=1)", _arange, exact=False)


def _ends(name: str, start: Any, end: Any, steps: int, d: dtype | None) -> tuple[Any, Any, dtype]:
    numbers = []
    for word, x in (("start", start), ("end", end)):
        if isinstance(x, Tensor):
            if x._sizes:
                raise RuntimeError(
                    f"{name} only supports 0-dimensional start and end tensors, but got {word} with {x.dim()} dimension(s)."
                )
            x = x.detach().item()
        numbers.append(x)
    is_complex = any(isinstance(x, complex) for x in numbers)
    if d is None:
        d = dtypes.default_complex() if is_complex else dtypes.get_default_dtype()
    elif is_complex and not d.is_complex:
        inferred = (
            "c10::complex<double>" if dtypes.default_complex() is dtypes.complex128 else "c10::complex<float>"
        )
        raise RuntimeError(
            f"torch.{name}(): inferred dtype {inferred} can't be safely cast to passed dtype {d.legacy}"
        )
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    return *numbers, d


def _evenly(start: np.ndarray, end: np.ndarray, steps: int, working: np.dtype) -> np.ndarray:
    """Steps counted from the start in the first half and from the end in the second, as torch does."""
    if working.kind == "c":
        parts = working.type(0).real.dtype
        real, imag = (
            _evenly(a, b, steps, parts) for a, b in ((start.real, end.real), (start.imag, end.imag))
        )
        return real + working.type(1j) * imag
    start, end = start.astype(working), end.astype(working)
    step = np.asarray((end - start) / working.type(steps - 1)).astype(working)
    quotient = (end.astype(np.longdouble) - start.astype(np.longdouble)) / (steps - 1)
    step = converted(step, quotient, dtypes.BY_NUMPY[working])
    index = np.arange(steps)
    half = steps // 2
    up, down = index[:half], index[::-1][half:]
    if working.itemsize == 2:  # every operation of 16-bit floats rounds
        return np.concatenate([start + step * up.astype(working), end - step * down.astype(working)])
    return np.concatenate([_rounded(step, up, start, working), _rounded(-step, down, end, working)])


def _as(make: Callable[[], np.ndarray], d: dtype) -> Tensor:
    """Values in a dtype; undefined where an integer dtype cannot hold them."""
    if d.category >= dtypes.FLOAT:
        return fresh(computed(lambda: make().astype(d.numpy, copy=False), d), d)
    values = make()
    converted, lost = cast(values, d, dtypes.BY_NUMPY[values.dtype])
    return wrap(Result(converted, None, lost))


def _linspace(start: Any, end: Any, steps: int, d: dtype | None) -> Tensor:
    """`steps` numbers from `start` to `end`, both included, evenly spaced."""
    first, last, d = _ends("linspace", start, end, steps, d)
    if d is dtypes.bool_ and steps > 1:
        raise NotImplementedError("\"linspace_cpu\" not implemented for 'Bool'")
    if steps == 0:
        return blank((0,), d)
    if steps == 1:
        return filled((1,), first, d)

    def make() -> np.ndarray:
        return _evenly(checked_number(first, d), checked_number(last, d), steps, _working(d))

    return SILENT.copy().run(_as, make, d)


def _working(d: dtype) -> np.dtype:
    return np.dtype(np.float64) if d.category == dtypes.INTEGER else d.numpy


def _logspace(start: Any, end: Any, steps: int, base: float, d: dtype | None) -> Tensor:
    """`base` raised to evenly spaced powers."""
    first, last, d = _ends("logspace", start, end, steps, d)
    if d is dtypes.bool_ and steps > 1:
        raise NotImplementedError("\"logspace_cpu\" not implemented for 'Bool'")
    if steps == 0:
        return blank((0,), d)
    with np.errstate(all="ignore"):
        if steps == 1:
            return filled(
                (1,), complex(base) ** first if d.is_complex else float(np.float64(base) ** first), d
            )
        return _as(
            lambda: _powers(checked_number(first, d), checked_number(last, d), steps, base, _working(d)), d
        )


def _powers(first: np.ndarray, last: np.ndarray, steps: int, base: float, working: np.dtype) -> np.ndarray:
    powers = _evenly(first, last, steps, working)
    d = dtypes.BY_NUMPY[working]
    wide = powers.astype(dtypes.opmath(d))
    if d.is_complex and base:  # as C does: the error grows with the exponent
        product = wide.astype(np.clongdouble) * np.log(np.clongdouble(base))
        return np.asarray(np.exp(converted(product.astype(wide.dtype), product, d)))
    return np.asarray(np.power(wide.dtype.type(base), wide))


factory("linspace(Operand start, Operand end, int steps)", _linspace, exact=False)
factory("logspace(Operand start, Operand end, int steps, float base=10.0)", _logspace, exact=False)
