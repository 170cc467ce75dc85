"""What every random function shares: uniform words, C casts and the words of error texts."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from engine import dtypes
from engine.mt19937 import Mt19937Stream
from engine.silence import SILENT

NUMPY = {d.name: d.nominal for d in dtypes.ALL}
PART = {"complex64": "float32", "complex128": "float64"}
"""The dtype of both parts of a complex dtype."""

DIGITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}
"""The significant bits of a floating dtype: integers up to 2**digits are exact."""

LARGEST = {name: float(ml_dtypes.finfo(NUMPY[name]).max) for name in DIGITS}
"""The largest finite value of a floating dtype."""

LEGACY = {d.name: d.legacy for d in dtypes.ALL}
C_NAME = {
    "bool": "bool", "uint8": "unsigned char", "int8": "signed char", "int16": "short int", "int32": "int",
    "int64": "long int", "float16": "c10::Half", "bfloat16": "c10::BFloat16", "float32": "float",
    "float64": "double", "complex64": "c10::complex<float>", "complex128": "c10::complex<double>",
}  # fmt: skip
"""The name of a dtype in texts that show C++ types."""

_MASK24, _MASK53 = np.uint64(2**24 - 1), np.uint64(2**53 - 1)


def uniform32(stream: Mt19937Stream, n: int) -> np.ndarray:
    """24 random bits an element in [0, 1), float32: one word each."""
    return ((stream.words(n) & _MASK24) * 2.0**-24).astype(np.float32)


def uniform64(stream: Mt19937Stream, n: int) -> np.ndarray:
    """53 random bits an element in [0, 1), float64: two words each."""
    return (stream.double_words(n) & _MASK53) * 2.0**-53


def empty(dtype: str) -> np.ndarray:
    """No elements: torch returns before it looks at the dtype."""
    return np.empty(0, NUMPY[dtype])


def cast(values: np.ndarray, dtype: str) -> np.ndarray:
    """A C cast; to a 16-bit float it goes through float32, so it may round twice."""
    return SILENT.copy().run(_cast, values, dtype)


def _cast(values: np.ndarray, dtype: str) -> np.ndarray:
    if dtype in ("float16", "bfloat16"):
        values = values.astype(np.float32)
    return values.astype(NUMPY[dtype])


def number(value: float) -> str:
    """A number as a C++ stream prints it in an error text: six significant digits."""
    return f"{float(value):g}"


def require(supported: bool, dtype: str, kernel: str) -> None:
    """Raise NotImplementedError as torch's dispatch over dtypes does."""
    if not supported:
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{LEGACY[dtype]}'")
