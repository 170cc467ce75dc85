"""What fact tests say about a backend: which fact a test shows, what a tensor should be, what should be raised.

Nothing here knows a backend; tensors are read through `tolist`, `dtype` and `shape`.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np

_NUMPY = {"bfloat16": ml_dtypes.bfloat16}
FLOATING = ("float16", "bfloat16", "float32", "float64")


def fact(row: str, clauses: str) -> Callable[[Any], Any]:
    """Marks a test: it shows these clauses (words) of a row of the facts.

    test_facts_coverage.py has the table of all rows and clauses.
    """

    def mark(test: Any) -> Any:
        shown = getattr(test, "shown_facts", ())
        test.shown_facts = (*shown, *((row, clause) for clause in clauses.split()))
        return test

    return mark


def release(torch: Any) -> tuple[int, ...]:
    """The release of PyTorch whose rules are asked for: that of torch itself, for any other library the latest."""
    if getattr(torch, "__name__", "") != "torch":
        return (2, 13)
    return tuple(map(int, str(torch.__version__).split(".")[:2]))


def of_operations(errors: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Errors that name operations (`Exp`), as since 2.13, where torch named nodes before (`ExpBackward0`)."""
    return [(kind, re.sub(r"(?<=\w)Backward\d*\b", "", text)) for kind, text in errors]


def dtype_name(dtype: Any) -> str:
    """ "float32" for torch.float32 of any library."""
    return str(dtype).rpartition(".")[2]


def holds(
    tensor: Any, values: Any, dtype: str = "float32", *, shape: Sequence[int] | None = None, ulp: int = 0
) -> None:
    """Asserts dtype, shape and values of a tensor; values are nested lists or a number.

    Literals are rounded to the dtype. Signed zeros count, any NaN is equal to any; `ulp` allows so many units in the
    last place.
    """
    got = (dtype_name(tensor.dtype), tuple(tensor.shape), tensor.tolist())
    wanted = (dtype, shape_of(values) if shape is None else tuple(shape), values)
    assert got[:2] == wanted[:2], f"got {got}, but should be {wanted}"
    numbers, expected = flat(got[2]), [in_dtype(value, dtype) for value in flat(values)]
    assert len(numbers) == len(expected), f"got {got}, but should be {wanted}"
    far = [i for i, (a, b) in enumerate(zip(numbers, expected)) if not near(a, b, dtype, ulp)]
    assert not far, f"elements {far}: got {got}, but should be {wanted}" + (
        f" within {ulp} ULP" if ulp else ""
    )


def shape_of(values: Any) -> tuple[int, ...]:
    """The shape of nested lists, by their first elements."""
    return (
        (len(values), *(shape_of(values[0]) if values else ())) if isinstance(values, (list, tuple)) else ()
    )


def flat(values: Any) -> list[Any]:
    """The numbers of nested lists, in order."""
    return (
        [number for value in values for number in flat(value)]
        if isinstance(values, (list, tuple))
        else [values]
    )


def in_dtype(value: Any, dtype: str) -> Any:
    """A literal as the dtype holds it."""
    return np.array(value, _NUMPY.get(dtype, dtype)).item() if dtype in FLOATING else value


def near(got: Any, wanted: Any, dtype: str, ulp: int) -> bool:
    """Equality with signed zeros and NaN, or a distance of at most `ulp` units in the last place."""
    if isinstance(got, complex) and isinstance(wanted, complex):
        part = {"complex64": "float32"}.get(dtype, "float64")
        return near(got.real, wanted.real, part, ulp) and near(got.imag, wanted.imag, part, ulp)
    if type(got) is not type(wanted):
        return False
    if not isinstance(got, float):
        return bool(got == wanted)
    if math.isnan(got) or math.isnan(wanted):
        return math.isnan(got) and math.isnan(wanted)
    if got == wanted:
        return math.copysign(1, got) == math.copysign(1, wanted)
    if not ulp or dtype not in FLOATING or math.isinf(got) or math.isinf(wanted):
        return False
    spacing = float(np.spacing(np.abs(np.array(wanted, _NUMPY.get(dtype, dtype)))))
    return abs(got - wanted) <= ulp * spacing


@contextlib.contextmanager
def raising(kind: type[BaseException] | str, text: str) -> Iterator[None]:
    """Asserts that the block raises an exception of this type (its class, or the class's name) with exactly this text."""
    try:
        yield
    except Exception as error:
        name = kind if isinstance(kind, str) else kind.__name__
        got = (type(error).__name__, str(error))
        assert got == (name, text), f"got {got}, but should be {(name, text)}"
        return
    raise AssertionError(f"nothing was raised, but {kind} should be: {text}")


@dataclass
class Shown:
    """What a program came to on the backend under test: `shown.x` is the value of the program's name x.

    `errors` holds type and text of each exception, `warned` the categories of the warnings, both in order.
    """

    names: dict[str, Any]
    errors: list[tuple[str, str]] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.names[name]
        except KeyError:
            raise AttributeError(
                f"the program has no name {name!r} at its end; errors: {self.errors}"
            ) from None
