"""Memory: flat byte buffers that tensors look at, and the counters of writes to them."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from engine.dtypes import dtype
from engine.precision import undefined

BYTE = np.dtype(np.uint8)


class Storage:
    """A flat buffer of bytes, shared by every tensor (and NumPy array) that views it.

    `undefined` marks the bytes whose values torch leaves undefined (`empty`, a growing `resize_`, duplicate
    indices of a write); it is None while all are defined.

    In wide mode (`engine.precision`) the buffer of floats holds their carriers, and `scale` bytes of it stand for each byte
    that the storage says to have. `real` is the dtype of these floats; a buffer with a scale of 1 holds bytes as they are.
    Where NumPy or a view as another dtype has to see nominal bytes, they are kept in a `mirror`.
    """

    __slots__ = (
        "_address", "_seen", "accurate", "buffer", "mirror", "owner", "real", "reread", "scale", "undefined",
    )  # fmt: skip

    def __init__(self, buffer: np.ndarray, owner: Any = None, of: dtype | None = None) -> None:
        self.buffer = buffer
        self.owner = owner
        """Whatever else keeps the memory alive: a NumPy array that it belongs to. Such memory cannot be resized."""
        self.undefined: np.ndarray | None = None
        self._address = -1  # of the buffer, once it is asked for
        self.mirror: np.ndarray | None = None
        self.accurate = True
        """In wide mode, whether everything written here was computed in more than the nominal precision."""
        self.reread = False
        """Whether a view of another dtype reads these bytes."""
        self.scale = 1
        self.real: dtype | None = None
        if of is not None and of.numpy is not of.nominal:
            self.hold(of)

    def hold(self, d: dtype) -> None:
        """Say what the buffer holds: elements of a dtype as arrays of it are in the present mode."""
        self.real = d.to_real() if d.numpy is not d.nominal else None
        self.scale = d.numpy.itemsize // d.itemsize

    def nbytes(self) -> int:
        """The size in bytes."""
        return self.buffer.nbytes // self.scale

    size = nbytes

    def data_ptr(self) -> int:
        """The address of the first byte; 0 where there is none."""
        if self._address < 0:
            memory = self.buffer if self.mirror is None else self.mirror
            self._address = _address(memory) if memory.nbytes else 0
        return self._address

    def __deepcopy__(self, memo: dict[int, Any]) -> Storage:
        return self.copy()

    def resize_(self, nbytes: int) -> None:
        """Change the size in place. Bytes that are new are undefined."""
        if self.owner is not None:
            raise RuntimeError("Trying to resize storage that is not resizable")
        old = self.buffer
        self.buffer, self._address = np.zeros(nbytes * self.scale, np.uint8), -1
        kept = min(old.nbytes, self.buffer.nbytes)
        self.buffer[:kept] = old[:kept]
        undefined(self.buffer[kept:].view(np.bool_))  # bytes of 0 and 1 are elements of any dtype
        kept //= self.scale
        if self.mirror is not None:
            self.mirror = None
            self.mirrored()
        marks = np.ones(nbytes, np.bool_)
        marks[:kept] = False if self.undefined is None else self.undefined[:kept]
        self.undefined = marks if marks.any() else None

    def copy(self) -> Storage:
        """A storage of the same bytes."""
        if self.mirror is not None:
            self.refresh()
        other = Storage(self.buffer.copy())
        other.scale, other.real, other.accurate = self.scale, self.real, self.accurate
        other.undefined = None if self.undefined is None else self.undefined.copy()
        return other

    # ---------------------------------------------------------------------------------------- nominal bytes in wide mode

    def mirrored(self) -> np.ndarray:
        """The bytes that the storage would have in nominal mode, kept in step with what is written here and there."""
        if self.scale == 1:
            return self.buffer
        if self.mirror is None:
            self._mirror_in(np.zeros(self.nbytes(), np.uint8))
            self.flush()
        assert self.mirror is not None
        return self.mirror

    def _mirror_in(self, memory: np.ndarray) -> None:
        self.mirror, self._seen, self._address = memory, memory.copy(), -1

    def _elements(self) -> tuple[np.ndarray, np.ndarray]:
        """The carriers, and the nominal elements of the mirror; bytes at the end that make no element are left out."""
        assert self.real is not None
        assert self.mirror is not None
        count = self.nbytes() // self.real.itemsize
        mine = np.ndarray((count,), self.real.carrier, self.buffer)
        return mine, np.ndarray((count,), self.real.nominal, self.mirror)

    def flush(self) -> None:
        """Show in the mirror what was written here."""
        mine, shown = self._elements()
        with np.errstate(all="ignore"):
            shown[...] = mine.astype(self.real.nominal)  # type: ignore[union-attr]
        self._seen[...] = self.mirror

    def refresh(self) -> None:
        """Take over what was written to the mirror."""
        assert self.mirror is not None
        if not np.array_equal(self._seen, self.mirror):
            mine, shown = self._elements()
            item = shown.itemsize
            bytes_changed = (self._seen != self.mirror)[: mine.size * item]
            changed = bytes_changed.reshape(-1, item).any(-1)
            mine[changed] = shown[changed]
            self._seen[...] = self.mirror

    def holding(self, d: dtype) -> Storage:
        """This storage, or one of the same nominal bytes where elements of a dtype have other carriers than its own."""
        real = d.to_real() if d.numpy is not d.nominal else None
        if real is self.real:
            return self
        if not self.buffer.nbytes:
            self.hold(d)
            return self
        bytes_ = self.mirrored()
        if real is None:
            return Storage(bytes_, owner=self.owner)
        return carried(bytes_, d, self.owner)


def _address(memory: Any) -> int:
    """Where the bytes of an array begin; NumPy's own way to tell it builds a dictionary."""
    if not memory.flags.writeable:
        return int(memory.__array_interface__["data"][0])
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


def carried(bytes_: np.ndarray, d: dtype, owner: Any) -> Storage:
    """A storage of carriers for nominal bytes that somebody else may read and write."""
    scale = d.numpy.itemsize // d.itemsize
    made = Storage(np.zeros(bytes_.nbytes * scale, np.uint8), owner, d)
    made._mirror_in(bytes_)
    mine, shown = made._elements()
    mine[...] = shown
    return made


def shared_storage(array: np.ndarray, d: dtype) -> Storage:
    """A storage that shares memory with a user's array, from its first element to its last."""
    item = array.itemsize
    count = (
        0
        if array.size == 0
        else 1 + sum((n - 1) * (s // item) for n, s in zip(array.shape, array.strides, strict=True))
    )
    flat = np.lib.stride_tricks.as_strided(array, shape=(count,), strides=(item,))
    memory = flat.view(np.uint8)
    return Storage(memory, owner=array) if d.numpy is d.nominal else carried(memory, d, array)


class VersionCounter:
    """Counts the in-place writes that autograd can see.

    Views and `detach()` share the counter of what they look at; `.data` starts one of its own, which is why writes
    through it go unnoticed. Source: https://docs.pytorch.org/docs/stable/notes/autograd.html#in-place-correctness-checks
    """

    value = 0


class LentCounter(VersionCounter):
    """Of an inference tensor, which has none, while a transform differentiates it forwards: no graph of the user's may keep what
    counts by it."""
