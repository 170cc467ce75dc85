"""Numbers and arrays as elements of a dtype, converted as torch converts them."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from engine import dtypes
from engine.dtypes import dtype
from engine.precision import converted, undefined
from engine.silence import SILENT


def number_array(value: Any, d: dtype) -> np.ndarray:
    """A Python number as a 0-d array of a dtype. Integers wrap around; raises RuntimeError where torch refuses."""
    if d.category == dtypes.INTEGER and isinstance(value, int):
        bits = 8 * d.itemsize
        value &= (1 << bits) - 1
        if d.is_signed and value >> (bits - 1):
            value -= 1 << bits
    elif d.category < dtypes.COMPLEX and isinstance(value, complex):
        if value.imag != 0:
            raise RuntimeError(f"value cannot be converted to type {C_NAMES[d.name]} without overflow")
        value = value.real
    if d.category == dtypes.INTEGER and isinstance(value, float):
        return cast(np.asarray(value), d, dtypes.float64)[0]
    return _nominal(value, d)


def _nominal(value: Any, d: dtype) -> np.ndarray:
    """A number that the format of a dtype holds; rounded to it in every precision mode, as a literal."""
    if d in dtypes.HALVES:
        array = np.asarray(value, np.float32).astype(d.nominal)
    else:
        array = np.array(value, d.nominal)
    return array if d.numpy is d.nominal else array.astype(d.numpy)


def checked_number(value: Any, d: dtype) -> np.ndarray:
    """A Python number as a 0-d array of a dtype, for fills. Raises RuntimeError where the dtype cannot hold it.

    Unlike an operand of arithmetic, an integer does not wrap around (but an unsigned dtype takes negative ones).
    """
    if d.category == dtypes.BOOL:
        return np.asarray(bool(value))
    if isinstance(value, complex) and d.category < dtypes.COMPLEX and value.imag == 0:
        value = value.real
    if not holds(d, value):
        raise RuntimeError(f"value cannot be converted to type {C_NAMES[d.name]} without overflow")
    if d.category == dtypes.INTEGER:
        return number_array(int(value), d)
    return _nominal(value, d)


def scalar_number(value: Any, d: dtype) -> np.ndarray:
    """A Python number as what a tensor without dimensions is filled with: beyond the range of a 16-bit float it is infinite."""
    if d in dtypes.HALVES and not isinstance(value, complex):
        return SILENT.copy().run(_nominal, value, d)
    return checked_number(value, d)


def holds(d: dtype, value: Any) -> bool:
    if isinstance(value, complex):
        return (
            d.category == dtypes.COMPLEX and holds(d.to_real(), value.real) and holds(d.to_real(), value.imag)
        )
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        raise OverflowError(
            "can't convert negative int to unsigned" if value < 0 else "int too big to convert"
        )
    low, high = _limits(d)
    if d.category == dtypes.INTEGER:
        if isinstance(value, float):  # the comparison of C++, which rounds the limit to a float
            return low <= value <= float(high)
        return (low if d.is_signed else -high) <= value <= high
    return abs(value) <= high or value != value or abs(value) == float("inf")


def all_held(d: dtype, values: list[int]) -> bool:
    """Whether ints are numbers of an integer dtype as they are."""
    low, high = _limits(d)
    return bool(low <= min(values) and max(values) <= high)


@functools.cache
def _limits(d: dtype) -> tuple[Any, Any]:
    limits = dtypes.iinfo(d) if d.category == dtypes.INTEGER else dtypes.finfo(d)
    return limits.min, limits.max


C_NAMES = {
    "bool": "bool", "uint8": "uint8_t", "int8": "int8_t", "int16": "int16_t", "int32": "int", "int64": "int64_t",
    "float16": "c10::Half", "bfloat16": "c10::BFloat16", "float32": "float", "float64": "double",
    "complex64": "c10::complex<float>", "complex128": "c10::complex<double>",
}  # fmt: skip


def cast(array: np.ndarray, target: dtype, source: dtype) -> tuple[np.ndarray, np.ndarray | None]:
    """Convert elements as torch does: complex to real drops the imaginary part, anything but zero is True.

    Also returns which elements are undefined: a float that no integer of the target can hold.
    """
    return (array, None) if source is target else SILENT.copy().run(_cast, array, target, source)


def _cast(array: np.ndarray, target: dtype, source: dtype) -> tuple[np.ndarray, np.ndarray | None]:
    if source.category == dtypes.COMPLEX and dtypes.BOOL < target.category < dtypes.COMPLEX:
        array = array.real
    if source in dtypes.HALVES:
        array = array.astype(dtypes.opmath(source), copy=False)
    if target.category == dtypes.BOOL:
        return array != 0, None
    if target.category != dtypes.INTEGER or source.category < dtypes.FLOAT:
        given = array
        if target in dtypes.HALVES:  # every conversion to them goes through float32, so it may round twice
            array = array.astype(dtypes.opmath(target))
        array = array.astype(target.numpy)
        return (converted(array, given, target) if target.category >= dtypes.FLOAT else array), None
    limits = np.iinfo(target.nominal)
    whole = np.trunc(array.astype(np.result_type(array.dtype, np.float64), copy=False))
    held = (whole >= limits.min) & (whole < float(limits.max) + 1)
    if held.all():
        return array.astype(target.numpy), None
    anything = undefined(np.zeros(array.shape, target.numpy))
    return np.where(held, np.where(held, array, 0).astype(target.numpy), anything), ~held
