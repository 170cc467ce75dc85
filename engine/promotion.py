"""Type promotion: which dtype an operation on several operands computes in.

Source: https://docs.pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc
"""

from __future__ import annotations

from collections.abc import Iterable

from engine import dtypes
from engine.dtypes import BOOL, COMPLEX, FLOAT, dtype

_INTEGER_RANK = {dtypes.uint8: 0, dtypes.int8: 0, dtypes.int16: 1, dtypes.int32: 2, dtypes.int64: 3}


def promote_types(a: dtype, b: dtype) -> dtype:
    """The smallest dtype that holds both: of the higher category, and of the wider width within one."""
    if a is b:
        return a
    if a.category < b.category:
        a, b = b, a
    if a.category == COMPLEX:
        wide = a is dtypes.complex128 or b in (dtypes.complex128, dtypes.float64)
        return dtypes.complex128 if wide else dtypes.complex64
    if a.category == FLOAT:
        if b.category != FLOAT:
            return a
        if a.itemsize == b.itemsize:  # float16 with bfloat16: neither holds the other
            return dtypes.float32
        return a if a.itemsize > b.itemsize else b
    if b.category == BOOL:
        return a
    if _INTEGER_RANK[a] == _INTEGER_RANK[b]:  # uint8 with int8
        return dtypes.int16
    return a if _INTEGER_RANK[a] > _INTEGER_RANK[b] else b


def _combine(higher: dtype | None, lower: dtype | None) -> dtype | None:
    """A lower-priority operand changes the result only by raising its category."""
    if higher is None or lower is None:
        return higher or lower
    if higher.category == COMPLEX:
        return higher
    if higher.category == FLOAT:
        return higher.to_complex() if lower.category == COMPLEX else higher
    if higher.category == BOOL or lower.category >= FLOAT:
        return promote_types(higher, lower)
    return higher


def _inexact(d: dtype | None) -> bool:
    return d is not None and d.category >= FLOAT


def result_dtype(operands: Iterable[object]) -> dtype:
    """The dtype of an operation on tensors (anything with `dtype` and `dim()`) and Python numbers.

    Tensors with dimensions outrank 0-d tensors, which outrank numbers, within a category.
    """
    dimensioned = zero_dim = number = None
    for x in operands:
        d = getattr(x, "dtype", None)
        if d is None:
            d = dtypes.complex64 if isinstance(x, complex) else dtypes.of_number(x)  # type: ignore[arg-type]
            number = d if number is None else promote_types(number, d)
        elif x._sizes:
            dimensioned = d if dimensioned is None else promote_types(dimensioned, d)
        else:
            zero_dim = d if zero_dim is None else promote_types(zero_dim, d)
    if zero_dim is None and number is None:
        result = dimensioned
    elif (
        number is not None
        and number.category == COMPLEX
        and not _inexact(dimensioned)
        and not _inexact(zero_dim)
    ):
        result = dtypes.default_complex()
    else:
        result = _combine(dimensioned, _combine(zero_dim, number))
    assert result is not None
    return result


def can_cast(source: dtype, target: dtype) -> bool:
    """Whether a result may be written into memory of another dtype: never into a lower category."""
    if target.category == BOOL:
        return source.category == BOOL
    return source.category <= target.category
