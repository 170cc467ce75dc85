"""Facts as one line of text, for differences."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from conformance import numeric
from conformance.facts import ArrayFact, PlainFact, Raised, SequenceFact, TensorFact

SHOWN = 24  # elements that a difference shows; the numeric summary covers the rest


class Elements(NamedTuple):
    dtype: str
    shape: tuple[int, ...]
    data: bytes


def show(value: Any) -> str:
    """One line for a report."""
    kind = type(value)
    if kind is str:
        return value
    if kind is Raised:
        return show_raised(value)
    if kind is Elements:
        return show_elements(*value)
    if kind is TensorFact:
        return f"tensor {value.dtype} {show(value.shape)} {show_elements(value.dtype, value.shape, value.values)}"
    if kind is ArrayFact:
        return (
            f"array {value.dtype} {show(value.shape)} {show_elements(value.dtype, value.shape, value.values)}"
        )
    if kind is PlainFact:
        return show_plain(value)
    if kind is SequenceFact:
        return f"{value.type}({', '.join(map(show, value.items))})"
    return repr(value)


def show_raised(raised: Raised | None) -> str:
    return "no exception" if raised is None else f"{raised.type}: {raised.text}"[:600]


def show_plain(fact: PlainFact) -> str:
    if fact.type == "float" or fact.type.startswith("numpy.float"):
        return repr(float.fromhex(fact.text))
    return fact.text


def show_elements(dtype: Any, shape: Any, data: Any) -> str:
    """The first elements, nested as the shape says; bits are shown exactly (shortest text that reads back)."""
    if type(data) is not bytes:
        return show(data)
    flat = [str(item) for item in numeric.decode(dtype, data)[:SHOWN]]
    if len(flat) < math.prod(shape):
        return f"[{', '.join(flat)}, ... {math.prod(shape)} elements]"
    for size in reversed(shape[1:] if shape else ()):
        flat = [f"[{', '.join(flat[i : i + size])}]" for i in range(0, len(flat), size)] if size else flat
    return flat[0] if not shape and flat else f"[{', '.join(flat)}]"
