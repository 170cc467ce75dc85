"""The quick test of whether two results of one statement are the same numbers: bits, ULP distance, NaN, signed zero.

What it does not settle is for `conformance.verdict`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

ULPS = (
    4  # results of inexact operations agree up to here: NumPy and torch differ in the last bits of exp, ...
)


@dataclass(frozen=True, slots=True)
class Format:
    """A binary floating format: the unsigned integer it is read as, eps (spacing above 1) and largest value."""

    bits: type
    sign: int
    eps: float
    smallest: float  # the smallest subnormal: the spacing below which no format goes
    largest: float


FORMATS = {
    "float16": Format(np.uint16, 1 << 15, 2.0**-10, 2.0**-24, 65504.0),
    "bfloat16": Format(np.uint16, 1 << 15, 2.0**-7, 2.0**-133, 3.3895313892515355e38),
    "float32": Format(np.uint32, 1 << 31, 2.0**-23, 2.0**-149, 3.4028234663852886e38),
    "float64": Format(np.uint64, 1 << 63, 2.0**-52, 2.0**-1074, 1.7976931348623157e308),
}
COMPONENTS = {"complex64": "float32", "complex128": "float64"}
FLOATING = ("float", "bfloat", "complex")  # how the names of inexact dtypes begin
NUMPY_TYPES = {
    name: name for name in ("float16", "float32", "float64", "uint8", "int8", "int16", "int32", "int64")
}
NUMPY_TYPES["bool"] = "bool"


@dataclass(frozen=True, slots=True)
class Numeric:
    """How far apart two arrays are; `index` is the element that is furthest off.

    What the engine's other runs say of that element (`conformance.verdict`): each side's distance from the truth and how
    far `runs` perturbed runs are spread around it, in ULP; `truth`, "wide", or "nominal" where nothing has more digits;
    `side`, which is off: "candidate", "reference", "both", or "open" where that is not known.
    """

    elements: int
    differ: int
    max_abs: float | None
    max_ulp: float | None
    index: tuple[int, ...]
    candidate_ulp: float | None = None
    reference_ulp: float | None = None
    spread_ulp: float | None = None
    runs: int = 0
    truth: str | None = None
    side: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """Two results for one name after one statement; `beyond` marks what the quick test does not settle. `inherits`: their
    operands differed already, by what the quick test lets pass. `magnitudes`: it is about these alone."""

    path: str
    name: str
    dtype: str
    shape: tuple[int, ...]
    got: bytes
    want: bytes
    beyond: np.ndarray
    exact: bool
    inherits: bool
    number: Numeric
    magnitudes: bool = False


Weigh = Callable[[np.ndarray, Numeric], tuple[str, Numeric]]
"""(which elements, or parts of complex ones, the quick test does not settle; their summary) -> the aspect, and more of it;
"" where there is no difference."""


def unweighed(beyond: np.ndarray, number: Numeric) -> tuple[str, Numeric]:
    """Where no verdict can be asked for: what the quick test does not settle is a difference."""
    return "values", number


def decode(dtype: str, data: bytes) -> np.ndarray:
    """The flat elements of `data` as a NumPy array: bfloat16 widened to float32, which holds every value of it, and
    formats that are not known here as bytes."""
    if dtype == "bfloat16":
        return (np.frombuffer(data, np.uint16).astype(np.uint32) << 16).view(np.float32)
    if dtype in COMPONENTS:
        return np.frombuffer(data, dtype)
    return np.frombuffer(data, NUMPY_TYPES.get(dtype, np.uint8))


def magnitudes(
    dtype: str, shape: tuple[int, ...], got: bytes, want: bytes
) -> tuple[str, tuple[int, ...], bytes, bytes]:
    """The arguments of a comparison of two arrays without their signs or, of complex numbers, phases."""
    if dtype in COMPONENTS:
        return COMPONENTS[dtype], shape, *(np.abs(decode(dtype, data)).tobytes() for data in (got, want))
    form = FORMATS.get(dtype)
    if form is None:
        return dtype, shape, got, want
    mask = form.bits(form.sign - 1)
    return dtype, shape, *((np.frombuffer(data, form.bits) & mask).tobytes() for data in (got, want))


def _ordered(bits: np.ndarray, form: Format) -> np.ndarray:
    """Bit patterns as unsigned integers in the order of the numbers they stand for, so that neighbours differ by 1."""
    sign = form.bits(form.sign)
    return np.where(bits & sign, ~bits, bits | sign).astype(np.uint64)


def ulp_distance(dtype: str, got: bytes, want: bytes) -> np.ndarray:
    """ULP distance element by element; for complex dtypes component by component, in units of the modulus.

    A complex product or quotient rounds each component against the modulus, not against the component, which
    may be the small difference of two large products.
    """
    if dtype in COMPONENTS:
        form = FORMATS[COMPONENTS[dtype]]
        a, b = decode(dtype, got), decode(dtype, want)
        modulus = np.maximum(np.abs(a), np.abs(b)).astype(np.float64)
        _, exponent = np.frexp(modulus)
        spacing = np.maximum(np.ldexp(form.eps, exponent - 1), form.smallest)
        difference = (a - b).view(FLOAT_OF[dtype]).reshape(-1, 2).astype(np.float64)
        return (np.abs(difference) / spacing[:, None]).reshape(-1)
    form = FORMATS[dtype]
    a, b = (_ordered(np.frombuffer(data, form.bits), form) for data in (got, want))
    return np.where(a > b, a - b, b - a)


FLOAT_OF = {"complex64": np.float32, "complex128": np.float64}


def _integers(
    dtype: str, shape: tuple[int, ...], got: bytes, want: bytes, weigh: Weigh, defined: Any
) -> list[tuple[str, Numeric]]:
    a, b = decode(dtype, got), decode(dtype, want)
    differ = a != b
    if defined is not None:
        differ &= defined
    places = np.flatnonzero(differ)
    if not places.size:
        return []
    apart = [abs(int(a[i]) - int(b[i])) for i in places]  # Python's integers: int64 would wrap around
    furthest = max(apart)
    index = index_of(places[apart.index(furthest)], shape)
    found = weigh(differ, Numeric(a.size, len(apart), float(furthest), None, index))
    return [found] if found[0] else []


def index_of(flat: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(int(flat), shape)) if shape else ()


def compare_values(
    dtype: str,
    shape: tuple[int, ...],
    got: bytes,
    want: bytes,
    *,
    exact: bool,
    weigh: Weigh = unweighed,
    undefined: Any = None,
) -> list[tuple[str, Numeric]]:
    """The aspects ("values", "signed zero", or what `weigh` says) in which two arrays of one dtype and shape differ.

    `exact`: the operation leaves no room for rounding; else results agree up to 4 ULP. `weigh` has the last word on what is
    further apart. `undefined`: one byte an element, 1 where it is not to be compared.
    """
    if len(got) != len(want) or not got:
        return []
    defined = None if undefined is None else np.frombuffer(undefined, np.uint8) == 0
    if dtype not in FORMATS and dtype not in COMPONENTS:
        if dtype not in NUMPY_TYPES:
            return [
                ("values", Numeric(math.prod(shape), 1, None, None, ()))
            ]  # a format that is not known here
        return _integers(dtype, shape, got, want, weigh, defined)
    with np.errstate(all="ignore"):
        return _floats(dtype, shape, got, want, exact, weigh, defined)


def _floats(
    dtype: str, shape: tuple[int, ...], got: bytes, want: bytes, exact: bool, weigh: Weigh, defined: Any
) -> list[tuple[str, Numeric]]:
    part = COMPONENTS.get(dtype, dtype)
    a, b = decode(part, got), decode(part, want)  # complex: two components an element
    width = 2 if dtype in COMPONENTS else 1
    nan_a, nan_b = np.isnan(a), np.isnan(b)
    if width == 2 and not exact:  # C99 leaves open which component of a complex NaN is NaN
        nan_a, nan_b = (np.repeat(nan.reshape(-1, 2).any(axis=1), 2) for nan in (nan_a, nan_b))
    live = ~(nan_a & nan_b)
    if defined is not None:
        live &= np.repeat(defined, width)
    found: list[tuple[str, Numeric]] = []
    unequal = live & (a != b)  # NaN against a number is unequal, too
    if unequal.any():
        ulps = ulp_distance(dtype, got, want).astype(np.float64)
        finite = np.isfinite(a) & np.isfinite(b)
        beyond = unequal if exact else unequal & ((ulps > ULPS) | ~finite)
        if beyond.any():
            apart = np.abs(a.astype(np.float64) - b.astype(np.float64))
            weighed = weigh(beyond, _summary(shape, width, beyond, finite, apart, ulps))
            if weighed[0]:
                found.append(weighed)
    flipped = live & (a == 0) & (b == 0) & (np.signbit(a) != np.signbit(b))
    if flipped.any():
        count = int(flipped.reshape(-1, width).any(axis=1).sum())
        index = index_of(flipped.argmax() // width, shape)
        found.append(("signed zero", Numeric(a.size // width, count, 0.0, 0.0, index)))
    return found


def _summary(shape: Any, width: int, differ: Any, finite: Any, apart: Any, ulps: Any) -> Numeric:
    """The index is that of an element where one side is no finite number, else of the largest ULP distance."""
    measured = differ & finite
    rank = np.where(differ, np.where(finite, ulps, np.inf), -1.0)
    return Numeric(
        differ.size // width,
        int(differ.reshape(-1, width).any(axis=1).sum()),
        float(apart[measured].max()) if measured.any() else None,
        float(ulps[measured].max()) if measured.any() else None,
        index_of(rank.argmax() // width, shape),
    )


# --- Python's numbers ---


def plain_bytes(got: complex, want: complex) -> tuple[str, tuple[bytes, bytes]]:
    """Two Python numbers as bytes of the narrowest of float32 and float64 (or their complex) that holds both: what
    `item()` gives has the precision of the tensor it came from."""
    pair = np.array([got, want])
    narrow = np.complex64 if pair.dtype.kind == "c" else np.float32
    with np.errstate(all="ignore"):
        narrowed = pair.astype(narrow)
    if np.array_equal(narrowed.astype(pair.dtype), pair, equal_nan=True):
        pair = narrowed
    return str(pair.dtype), (pair[:1].tobytes(), pair[1:].tobytes())


def plain_complex(text: str) -> complex:
    """The number behind the text of a complex PlainFact: two hexadecimal floats, or Python's repr."""
    try:
        real, imag = (float.fromhex(part) for part in re.findall(r"[+-]?(?:0x[^\s,()j]+|nan|inf)", text)[:2])
        return complex(real, imag)
    except ValueError:
        return complex(text.replace(" ", ""))
