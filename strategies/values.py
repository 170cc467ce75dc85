"""Values: numbers as program text, from palettes of exact small numbers and, by chance, of special ones."""

from __future__ import annotations

import math

from hypothesis import strategies as st

from engine.dtypes import (
    BOOL,
    COMPLEX,
    INTEGER,
    bfloat16,
    complex64,
    complex128,
    dtype,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
)
from strategies.choices import Choices, blocks
from strategies.shapes import Shape

# Exact in every floating dtype, and their sums and products too, so that equal results mean equal bits.
TAME_FLOATS = (
    "1.0", "2.0", "-1.0", "0.5", "3.0", "-2.0", "1.5", "0.25", "4.0", "-0.5", "-3.0", "0.75", "8.0", "-1.5", "0.125", "6.0",
)  # fmt: skip
ZEROS = ("0.0", "-0.0")
SPECIAL_FLOATS = ("0.0", "-0.0", "inf", "-inf", "nan")
TAME_INTEGERS = ("1", "2", "0", "3", "-1", "5", "4", "-2", "7", "-3", "6", "8")
TAME_UNSIGNED = ("1", "2", "0", "3", "5", "4", "7", "6")
TAME_COMPLEXES = (
    "1+2j", "2-1j", "1j", "0.5+0.5j", "-1+1j", "3+0j", "-2j", "0.25-1j", "1-1j", "-0.5+2j", "2+0j", "0j",
)  # fmt: skip
SPECIAL_COMPLEXES = ("0j", "1-0j", "inf+0j", "inf-1j", "nan+1j", "1e10+1e-10j")
BOOLS = ("True", "False")

# Largest, smallest normal, smallest subnormal and epsilon; for integers both ends.
EXTREMES: dict[dtype, tuple[str, ...]] = {
    float16: ("65504.0", "-65504.0", "6.103515625e-05", "5.960464477539063e-08", "0.0009765625"),
    bfloat16: ("3.3895313892515355e+38", "-3.3895313892515355e+38", "1.1754943508222875e-38", "0.0078125"),
    float32: (
        "3.4028234663852886e+38", "-3.4028234663852886e+38", "1.1754943508222875e-38", "1.401298464324817e-45",
        "1.1920928955078125e-07", "16777217.0",
    ),
    float64: (
        "1.7976931348623157e+308", "-1.7976931348623157e+308", "2.2250738585072014e-308", "5e-324",
        "2.220446049250313e-16",
    ),
    complex64: ("1e+10-1e+10j", "1e-40+0j"),
    complex128: ("1e+60-1e+60j", "1e-310+0j"),
    uint8: ("255", "254", "128"),
    # Not the smallest of all: divided by -1 it ends the process in PyTorch (https://github.com/pytorch/pytorch/issues/138425).
    int8: ("127", "-127"),
    int16: ("32767", "-32767"),
    int32: ("2147483647", "-2147483647"),
    int64: ("9223372036854775807", "-9223372036854775807", "9007199254740993"),
}  # fmt: skip


def draw_palette(choices: Choices, d: dtype, wild: float) -> tuple[str, ...]:
    """The literals that one tensor's elements come from: tame ones, and with `wild` percent special ones too."""
    special = choices.chance(wild)
    if d.category == BOOL:
        return BOOLS
    if d.category == INTEGER:
        tame = TAME_UNSIGNED if d is uint8 else TAME_INTEGERS
        return tame[:4] + EXTREMES[d] if special else tame
    if d.category == COMPLEX:
        return TAME_COMPLEXES[:6] + SPECIAL_COMPLEXES + EXTREMES[d] if special else TAME_COMPLEXES
    if not special:
        return TAME_FLOATS + ("0.0",) if choices.chance(30) else TAME_FLOATS
    return TAME_FLOATS[:6] + SPECIAL_FLOATS + (EXTREMES[d] if choices.chance(40) else ())


def draw_data(choices: Choices, shape: Shape, d: dtype, wild: float = 10) -> str:
    """Nested lists of literals, as `torch.tensor` takes them."""
    palette = draw_palette(choices, d, wild)
    return _nested(choices, shape, palette)


def _nested(choices: Choices, shape: Shape, palette: tuple[str, ...]) -> str:
    if not shape:
        return choices.pick(palette)
    return "[" + ", ".join(_nested(choices, shape[1:], palette) for _ in range(shape[0])) + "]"


# What Python numbers of a call are: an integer passes wherever a number does.
NUMBERS = ("2", "1", "0.5", "-1", "3", "2.0", "-0.5", "0", "1.5", "0.25", "4", "-2.0")
INTEGERS = ("2", "1", "3", "-1", "0", "4", "-2", "5")
SPECIAL_NUMBERS = (
    "inf",
    "-inf",
    "nan",
    "True",
    "-0.0",
    "1e10",
    "1j",
    "False",
    "2147483648",
    "1e-3",
    "300",
    "1+1j",
)


def draw_number(choices: Choices, wild: float = 8, d: dtype | None = None) -> str:
    """A Python number: small and exact, with `wild` percent a special one; for integer dtypes mostly an integer."""
    if choices.chance(wild):
        return choices.pick(SPECIAL_NUMBERS)
    if d is not None and d.category <= INTEGER and choices.chance(70):
        return choices.pick(INTEGERS)
    if d is not None and d.category == COMPLEX and choices.chance(30):
        return choices.pick(TAME_COMPLEXES)
    return choices.pick(NUMBERS)


def value_of(literal: str) -> complex:
    """The number that a drawn literal stands for."""
    return eval(literal, {"__builtins__": {}}, {"inf": math.inf, "nan": math.nan})


def numbers(*, wild: float = 8) -> st.SearchStrategy[str]:
    """Texts of Python numbers, `wild` percent of them special (inf, nan, -0.0, complex, ...). Shrinks to 2."""
    return blocks().map(lambda block: draw_number(Choices(block), wild))


def data(*, shape: Shape = (), dtype: dtype = float32, wild: float = 10) -> st.SearchStrategy[str]:
    """Texts of nested lists of a shape, for `torch.tensor`. Shrinks to the first of the dtype's tame values everywhere."""
    return blocks().map(lambda block: draw_data(Choices(block), shape, dtype, wild))
