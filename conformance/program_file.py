"""Programs from a file in the place of drawn ones, so that they run in the same isolation."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.trace import read_programs


def draw_block(seed: int, block: int, profile: str, size: int) -> Iterator[str]:
    """The texts of block `block` of the program file `profile`; `seed` plays no part."""
    for program in read_programs(profile)[block * size : (block + 1) * size]:
        yield program.text
