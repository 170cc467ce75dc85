"""Memory at an address: the bytes of tensors and arrays, and which of them overlap. Needs NumPy only."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["addresses", "block", "join", "view_memory"]

_RAW = {size: np.dtype(f"V{size}") for size in (1, 2, 4, 8, 16)}


class _CharArrays(dict[int, Any]):
    """Number of bytes -> the ctypes array type, kept because making it takes longer than looking it up."""

    def __missing__(self, count: int) -> Any:
        if len(self) > 4096:
            self.clear()
        kind = self[count] = ctypes.c_char * count
        return kind


_char_arrays = _CharArrays()
_everything: Any = (ctypes.c_char * sys.maxsize).from_address(0)
"""All that can be addressed: a slice of it, from one address to another, is a copy of the bytes there."""


def block(start: int, extent: int, skip: int, count: int) -> bytes:
    """`count` bytes that follow the first `skip` of the `extent` bytes at `start`. Raises ValueError where they are not there."""
    if skip + count > extent:
        raise ValueError(f"{skip + count} bytes in a storage of {extent}")
    there: bytes = _everything[start + skip : start + skip + count]
    return there


def view_memory(
    start: int, extent: int, shape: tuple[int, ...], strides: tuple[int, ...], offset: int, size: int
) -> np.ndarray[Any, Any]:
    """The same memory as an array of opaque elements of `size` bytes, which can be assigned to."""
    buffer: Any = _char_arrays[extent].from_address(start)
    return np.ndarray(shape, _RAW[size], buffer, offset * size, tuple(stride * size for stride in strides))


def join(spans: Iterator[tuple[Any, int]]) -> dict[Any, Any]:
    """For every start of a span, the start of the first span in the overlapping group that it belongs to."""
    joined: dict[Any, Any] = {}
    first, end = None, 0
    for start, extent in sorted(span for span in spans if isinstance(span[0], int)):
        if first is None or start >= end:
            first, end = start, start + extent
        end = max(end, start + extent)
        joined[start] = first
    return joined


def addresses(
    start: int, shape: tuple[int, ...], strides: tuple[int, ...], size: int
) -> np.ndarray[Any, Any]:
    """The addresses of an array's bytes: a row of `size` for each of its elements, in row-major order."""
    places: Any = np.array(start, np.int64)
    for length, stride in zip(shape, strides, strict=True):
        places = places[..., None] + stride * np.arange(length)
    return places.reshape(-1, 1) + np.arange(size)
