"""Memory: flat byte buffers that tensors look at, and the counters of writes to them."""

from __future__ import annotations

from typing import Any

import numpy as np


class Storage:
    """A flat buffer of bytes, shared by every tensor (and NumPy array) that views it.

    `undefined` marks the bytes whose values torch leaves undefined (`empty`, a growing `resize_`, duplicate
    indices of a write); it is None while all are defined.
    """

    __slots__ = ("_address", "buffer", "owner", "undefined")

    def __init__(self, buffer: np.ndarray, owner: Any = None) -> None:
        self.buffer = buffer
        self.owner = owner
        """Whatever else keeps the memory alive: a NumPy array that it belongs to. Such memory cannot be resized."""
        self.undefined: np.ndarray | None = None
        self._address = -1  # of the buffer, once it is asked for: NumPy builds a dictionary to tell it

    def nbytes(self) -> int:
        """The size in bytes."""
        return self.buffer.nbytes

    size = nbytes

    def data_ptr(self) -> int:
        """The address of the first byte; 0 where there is none."""
        if self._address < 0:
            self._address = self.buffer.__array_interface__["data"][0] if self.buffer.nbytes else 0
        return self._address

    def __deepcopy__(self, memo: dict[int, Any]) -> Storage:
        other = Storage(self.buffer.copy())
        other.undefined = None if self.undefined is None else self.undefined.copy()
        return other

    def resize_(self, nbytes: int) -> None:
        """Change the size in place. Bytes that are new are undefined."""
        if self.owner is not None:
            raise RuntimeError("Trying to resize storage that is not resizable")
        old = self.buffer
        kept = min(old.nbytes, nbytes)
        self.buffer, self._address = np.zeros(nbytes, np.uint8), -1
        self.buffer[:kept] = old[:kept]
        undefined = np.ones(nbytes, np.bool_)
        undefined[:kept] = False if self.undefined is None else self.undefined[:kept]
        self.undefined = undefined if undefined.any() else None


def storage_of_array(array: np.ndarray) -> Storage:
    """A storage around the memory of a freshly made array, which is made row-major first."""
    if not array.flags.c_contiguous:
        array = np.ascontiguousarray(array)
    return Storage(array.reshape(-1).view(np.uint8))


def shared_storage(array: np.ndarray) -> Storage:
    """A storage that shares memory with a user's array, from its first element to its last."""
    item = array.itemsize
    count = (
        0
        if array.size == 0
        else 1 + sum((n - 1) * (s // item) for n, s in zip(array.shape, array.strides, strict=True))
    )
    flat = np.lib.stride_tricks.as_strided(array, shape=(count,), strides=(item,))
    return Storage(flat.view(np.uint8), owner=array)


class VersionCounter:
    """Counts the in-place writes that autograd can see.

    Views and `detach()` share the counter of what they look at; `.data` starts one of its own, which is why writes
    through it go unnoticed. Source: https://docs.pytorch.org/docs/stable/notes/autograd.html#in-place-correctness-checks
    """

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0
