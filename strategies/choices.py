"""Many small choices out of one draw.

A Hypothesis draw costs about 20 microseconds and a statement needs a dozen choices, so a statement draws one block of
bytes of fixed size and reads its choices from it. Nothing is drawn from a computed value, and Hypothesis mixes no
literals of local modules into `binary` blocks of this size, so a seed always gives the same programs.
"""

from __future__ import annotations

import functools
import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Self, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")

BLOCK_SIZE = 48


def blocks() -> st.SearchStrategy[bytes]:
    """Blocks of bytes to read choices from; they shrink towards zeros, which pick the first of everything."""
    return st.binary(min_size=BLOCK_SIZE, max_size=BLOCK_SIZE)


class Table(tuple[tuple[T, int], ...]):
    """Items with weights, added up once."""

    items: list[T]
    ends: list[int]
    total: int

    def __new__(cls, weights: Iterable[tuple[T, int]]) -> Self:
        table = super().__new__(cls, weights)
        table.items = [item for item, _ in table]
        table.ends = list(accumulate(weight for _, weight in table))
        table.total = table.ends[-1] if table else 0
        return table


@functools.lru_cache(maxsize=256)
def _table(weights: tuple[tuple[T, int], ...]) -> Table[T]:
    return Table(weights)


class Choices:
    """A block read from front to back; a block that runs out goes on with a hash of itself."""

    __slots__ = ("_at", "_data")

    def __init__(self, block: bytes) -> None:
        self._data = block
        self._at = 0

    def byte(self) -> int:
        """0 to 255."""
        if self._at == len(self._data):
            # All-zero blocks stay zero, so that the simplest program stays simple.
            self._data = hashlib.blake2b(self._data).digest() if any(self._data) else bytes(64)
            self._at = 0
        self._at += 1
        return self._data[self._at - 1]

    def below(self, bound: int) -> int:
        """0 to bound - 1, nearly uniform; bound up to 65536."""
        if bound <= 1:
            return 0
        if bound <= 64:
            return self.byte() * bound >> 8
        return (self.byte() << 8 | self.byte()) * bound >> 16

    def between(self, low: int, high: int) -> int:
        """low to high, both included."""
        return low + self.below(high - low + 1)

    def chance(self, percent: float) -> bool:
        """True in about that many of a hundred; False for a zero byte."""
        return self.byte() >= 256 - round(percent * 2.56)

    def pick(self, items: Sequence[T]) -> T:
        """One of the items; the first for a zero byte."""
        return items[self.below(len(items))]

    def weighted(self, table: tuple[tuple[T, int], ...]) -> T:
        """One of the items, as often as its weight says."""
        if not isinstance(table, Table):
            table = _table(table)
        return table.items[bisect_right(table.ends, self.below(table.total))]

    def subset(self, items: Sequence[T], percent: float) -> list[T]:
        """Each item with that chance."""
        return [item for item in items if self.chance(percent)]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The items in a drawn order."""
        rest, out = list(items), []
        while rest:
            out.append(rest.pop(self.below(len(rest))))
        return out
