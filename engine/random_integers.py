"""Random integers: `random_`, `randint`, `randperm`. See `engine.generator` for the conventions.

Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.random_.html
"""

from __future__ import annotations

import warnings

import numpy as np

from engine.mt19937 import Mt19937Stream
from engine.random_support import C_NAME, DIGITS, LARGEST, LEGACY, NUMPY, PART, cast, empty, require

_LONG_MIN = -(2**63)


def random_full(stream: Mt19937Stream, n: int, dtype: str) -> np.ndarray:
    """`random_()` without bounds: [0, max] of an integer dtype, [0, 2**digits] of a floating one, both bools."""
    if n == 0:
        return empty(dtype)
    require(dtype not in PART, dtype, "random_kernel_cpu")
    words = stream.double_words(n) if dtype in ("int64", "float64") else stream.words(n)
    if dtype in DIGITS:
        count = 2 ** DIGITS[dtype] + 1
    else:
        count = 2 if dtype == "bool" else int(np.iinfo(NUMPY[dtype]).max) + 1
    return cast(words % np.uint64(count), dtype)


def random_range(stream: Mt19937Stream, n: int, dtype: str, low: int, high: int | None) -> np.ndarray:
    """`randint(low, high)`, `random_(low, high)`; `random_(high)` has low 0. Real dtypes and bool.

    From a range of 2**28 on a draw is 64 bits, below it 32. `high` None means the largest value of the dtype (of a
    floating dtype, 2**digits) included; with low = -2**63 as well, all of 64 bits. Bounds move inwards to what a
    floating dtype can hold. Raises RuntimeError for bounds outside the dtype or an empty range; warns (UserWarning)
    for bounds that a floating dtype holds with gaps.
    """
    if high is None and low == _LONG_MIN:
        return _random_64_bits(stream, n, dtype)
    if high is None:
        low, last = _open_range(dtype, low)
    else:
        low, last = _closed_range(dtype, low, high)
    _check_random_bounds(dtype, low, last)
    if n == 0:
        return empty(dtype)
    count = last - low + 1
    words = stream.double_words(n) if count >= 2**28 else stream.words(n)
    # Unsigned arithmetic that wraps, then read as signed, as in C: low may be negative.
    return cast((words % np.uint64(count) + np.uint64(low % 2**64)).view(np.int64), dtype)


def _random_64_bits(stream: Mt19937Stream, n: int, dtype: str) -> np.ndarray:
    name = "random_full_64_bits_range_kernel_cpu"
    if n == 0:
        return empty(dtype)
    require(dtype not in PART and dtype not in ("float16", "bool"), dtype, name)
    if dtype not in ("int64", "float64", "float32", "bfloat16"):
        raise RuntimeError(f"{name} handles only int64, double, float and bfloat16")
    return cast(stream.double_words(n).view(np.int64), dtype)


def _open_range(dtype: str, low: int) -> tuple[int, int]:
    if dtype in PART:
        raise RuntimeError("random_from_to_impl handles only integral, floating-point and boolean types")
    if dtype not in DIGITS:
        return low, 1 if dtype == "bool" else int(np.iinfo(NUMPY[dtype]).max)
    low, last = _raised_low(dtype, low), 2 ** DIGITS[dtype]
    if low >= last:
        raise RuntimeError(
            "random_ expects 'from' casted to dtype to be less than or equal to 'to_inc' casted to dtype, "
            f"but got from={low} > to_inc={last}"
        )
    return low, last


def _closed_range(dtype: str, low: int, high: int) -> tuple[int, int]:
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    if dtype in DIGITS:
        low, high = _raised_low(dtype, low), _lowered_high(dtype, high)
        if low >= high:
            raise RuntimeError(
                "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, "
                f"but got from={low} >= to={high}"
            )
    return low, high - 1


def _through(dtype: str, value: int) -> int:
    """An int64 cast to a floating dtype and back; what does not fit comes back as the least int64, as on x86."""
    with np.errstate(over="ignore"):
        back = float(cast(np.array([value], np.int64), dtype)[0])
    return int(back) if -(2.0**63) <= back < 2.0**63 else _LONG_MIN


def _raised_low(dtype: str, low: int) -> int:
    """The next value that the dtype holds, where the cast of low + 1 falls below low."""
    near = _through(dtype, low + 1)
    if near >= low:
        return low
    return near + 2 ** max(abs(low + 1).bit_length() - DIGITS[dtype], 0)


def _lowered_high(dtype: str, high: int) -> int:
    """The previous value that the dtype holds, where the cast of high - 1 reaches high."""
    near = _through(dtype, high - 1)
    if near < high:
        return high
    return near - 2 ** max(abs(high - 1).bit_length() - DIGITS[dtype], 0)


def _check_random_bounds(dtype: str, low: int, last: int) -> None:
    if dtype in PART:
        raise RuntimeError("check_random_bounds handles only integral, floating-point and boolean types")
    if dtype in DIGITS:
        maximum = LARGEST[dtype]
        minimum = -maximum
    else:
        minimum, maximum = (
            (0, 1) if dtype == "bool" else (np.iinfo(NUMPY[dtype]).min, np.iinfo(NUMPY[dtype]).max)
        )
    bounds = (("from", low), ("to - 1", last))
    for name, bound in bounds:
        if not minimum <= bound <= maximum:
            raise RuntimeError(f"{name} is out of bounds for {C_NAME[dtype]}")
    for name, bound in bounds if dtype in DIGITS else ():
        digits = DIGITS[dtype]
        if abs(bound) > 2**digits:
            warnings.warn(f"{name} is out of bounds [-(2^{digits}), 2^{digits}].", UserWarning, stacklevel=3)


def randperm(stream: Mt19937Stream, n: int, dtype: str = "int64") -> np.ndarray:
    """A permutation of 0 .. n - 1: element i is swapped with i + word % (n - i), for i from 0.

    Raises RuntimeError for a negative n and for one that the dtype cannot count to.
    """
    if n < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {n}: [{n}]")
    integer = dtype not in DIGITS
    if integer and dtype not in PART and dtype != "bool" and n - 1 > np.iinfo(NUMPY[dtype]).max:
        raise RuntimeError(f"value cannot be converted to type {dtype}_t without overflow")
    if dtype in DIGITS and dtype != "bfloat16" and n > 2 ** DIGITS[dtype] + 1:
        raise RuntimeError(f"n cannot be greater than {2 ** DIGITS[dtype] + 1} for {LEGACY[dtype]} type.")
    require(dtype not in PART and dtype != "bool", dtype, "randperm")
    order = list(range(n))
    steps = np.arange(n, 1, -1, dtype=np.uint64)
    for i, offset in enumerate((stream.words(max(n - 1, 0)) % steps).tolist()):
        order[i], order[i + offset] = order[i + offset], order[i]
    return cast(np.array(order, np.int64), dtype)
