"""The element types of tensors and the facts about them.

Source: https://docs.pytorch.org/docs/stable/tensor_attributes.html#torch-dtype
"""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np

BOOL, INTEGER, FLOAT, COMPLEX = range(4)
"""The four categories of promotion, lowest first."""


class LacksError(NotImplementedError):
    """Something of torch's that the engine does not have; programs that need it are not drawn."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the engine has no {what}")


LONGDOUBLE = np.finfo(np.longdouble).nmant > np.finfo(np.float64).nmant
"""Whether NumPy has a longdouble that is wider than float64: it has none on Windows and on Apple's ARM processors."""

_CARRIERS: dict[str, np.dtype[Any]] = {
    "float16": np.dtype(np.float64), "bfloat16": np.dtype(np.float64), "float32": np.dtype(np.float64),
    "complex64": np.dtype(np.complex128), "float64": np.dtype(np.longdouble if LONGDOUBLE else np.float64),
    "complex128": np.dtype(np.clongdouble if LONGDOUBLE else np.complex128),
}  # fmt: skip


class dtype:
    """An element type: a name, NumPy dtypes that hold it and a promotion category.

    `nominal` is the format that the name promises. `numpy` is what arrays of it have in the present precision mode
    (`engine.precision`): the nominal format, or in wide mode the `carrier`, which holds more digits.
    """

    __slots__ = (
        "carrier",
        "category",
        "is_complex",
        "is_floating_point",
        "is_signed",
        "itemsize",
        "legacy",
        "name",
        "nominal",
        "numpy",
        "opmath",
    )

    def __init__(self, name: str, numpy: object, category: int, legacy: str) -> None:
        self.name = name
        self.nominal = self.numpy = np.dtype(numpy)  # type: ignore[call-overload]
        self.carrier: np.dtype[Any] = _CARRIERS.get(name, self.nominal)
        self.opmath = np.dtype(np.float32) if name in ("float16", "bfloat16") else self.nominal
        self.category = category
        self.itemsize = self.nominal.itemsize
        self.is_floating_point = category == FLOAT
        self.is_complex = category == COMPLEX
        self.is_signed = name not in ("bool", "uint8")
        self.legacy = legacy
        """The word of error texts and of `Tensor.type()`: 'Float' in 'torch.FloatTensor'."""

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str:
        return self.name

    def to_real(self) -> dtype:
        """The dtype of the real part."""
        return {"complex64": float32, "complex128": float64}.get(self.name, self)

    def to_complex(self) -> dtype:
        """The complex dtype whose parts have this dtype. Raises LacksError for float16: the engine has no complex32."""
        if self.name == "float16":
            raise LacksError("torch.complex32")
        return {"float32": complex64, "float64": complex128, "bfloat16": complex64}.get(self.name, self)


bool_ = dtype("bool", np.bool_, BOOL, "Bool")
uint8 = dtype("uint8", np.uint8, INTEGER, "Byte")
int8 = dtype("int8", np.int8, INTEGER, "Char")
int16 = dtype("int16", np.int16, INTEGER, "Short")
int32 = dtype("int32", np.int32, INTEGER, "Int")
int64 = dtype("int64", np.int64, INTEGER, "Long")
float16 = dtype("float16", np.float16, FLOAT, "Half")
bfloat16 = dtype("bfloat16", ml_dtypes.bfloat16, FLOAT, "BFloat16")
float32 = dtype("float32", np.float32, FLOAT, "Float")
float64 = dtype("float64", np.float64, FLOAT, "Double")
complex64 = dtype("complex64", np.complex64, COMPLEX, "ComplexFloat")
complex128 = dtype("complex128", np.complex128, COMPLEX, "ComplexDouble")

ALL = (bool_, uint8, int8, int16, int32, int64, float16, bfloat16, float32, float64, complex64, complex128)
INTEGERS = frozenset((uint8, int8, int16, int32, int64))
FLOATS = frozenset((float16, bfloat16, float32, float64))
HALVES = frozenset((float16, bfloat16))
COMPLEXES = frozenset((complex64, complex128))

C_NAMES = {
    bool_: "bool", uint8: "unsigned char", int8: "signed char", int16: "short int", int32: "int", int64: "long int",
    float16: "c10::Half", bfloat16: "c10::BFloat16", float32: "float", float64: "double",
    complex64: "c10::complex<float>", complex128: "c10::complex<double>",
}  # fmt: skip
"""What messages of torch's C++ code call the types."""

NOMINAL = {d.nominal: d for d in ALL}
"""The dtype of a user's array."""
_WIDE = NOMINAL | {d.carrier: d for d in (complex128, float64, complex64, float32)}
BY_NUMPY = NOMINAL
"""The dtype of a kernel's array. In wide mode that of 16-bit floats cannot be told from float32's: see `engine.precision`."""


def carry(wide: bool) -> None:
    """Make the carriers (or the nominal formats again) what arrays are computed and stored in."""
    global BY_NUMPY
    BY_NUMPY = _WIDE if wide else NOMINAL
    for d in ALL:
        d.numpy = d.carrier if wide else d.nominal
        d.opmath = d.carrier if wide else np.dtype(np.float32) if d in HALVES else d.nominal


ALIASES = {
    "bool": bool_, "short": int16, "int": int32, "long": int64,
    "half": float16, "float": float32, "double": float64, "cfloat": complex64, "cdouble": complex128,
}  # fmt: skip


class _Default:
    """The process-wide default floating dtype (`torch.set_default_dtype`)."""

    dtype = float32


def get_default_dtype() -> dtype:
    """The dtype that Python floats and integer true division give."""
    return _Default.dtype


def set_default_dtype(d: dtype) -> None:
    """Set the default floating dtype. Raises TypeError for anything that is not a floating dtype."""
    if not isinstance(d, dtype):
        raise TypeError("invalid dtype object: only floating-point types are supported as the default type")
    if not d.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    _Default.dtype = d


def default_complex() -> dtype:
    """The complex dtype that Python complex numbers give. Raises LacksError under float16: the engine has no complex32."""
    return _Default.dtype.to_complex()


def of_number(value: complex | bool) -> dtype:
    """The dtype of a Python number as `torch.tensor` and promotion see it."""
    if isinstance(value, float):
        return _Default.dtype
    if isinstance(value, int):
        return bool_ if isinstance(value, bool) else int64
    return default_complex()


def opmath(d: dtype) -> np.dtype:
    """The NumPy dtype to compute in: 16-bit floats are computed in float32 and rounded once."""
    return d.opmath


class finfo:
    """Limits of a floating or complex dtype. Source: https://docs.pytorch.org/docs/stable/type_info.html"""

    def __init__(self, type: dtype | None = None) -> None:
        d = (type or _Default.dtype).to_real()
        if not d.is_floating_point:
            raise TypeError(
                f"torch.finfo() requires a floating point input type. Use torch.iinfo to handle '{d!r}'"
            )
        info = ml_dtypes.finfo(d.nominal)
        self.dtype, self.bits = d.name, info.bits
        self.eps, self.max, self.min, self.tiny = (
            float(info.eps),
            float(info.max),
            float(info.min),
            float(info.tiny),
        )
        self.smallest_normal = self.tiny
        self.resolution = 10.0 ** -math.floor(-math.log10(self.eps))


class iinfo:
    """Limits of an integer dtype."""

    def __init__(self, type: dtype) -> None:
        if type not in INTEGERS:
            raise TypeError(
                f"torch.iinfo() requires an integer input type. Use torch.finfo to handle '{type!r}'"
            )
        info = np.iinfo(type.nominal)
        self.dtype, self.bits, self.max, self.min = type.name, info.bits, int(info.max), int(info.min)
