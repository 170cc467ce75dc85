"""Shapes: small ones, broadcastable partners, and shapes that an operation's relations ask for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from hypothesis import strategies as st

from strategies.choices import Choices, Table, blocks

Shape = tuple[int, ...]

LARGEST = 60
"""Elements of a drawn tensor at most: more make a program slower and a report longer, and show nothing new."""

_SIZES = Table(((2, 8), (3, 8), (1, 5), (4, 3), (0, 1), (5, 1)))
_RANKS = Table(((1, 5), (2, 8), (0, 3), (3, 4), (4, 1)))


def draw_size(choices: Choices) -> int:
    """The size of one dimension: 0 to 5, mostly 2 and 3."""
    return choices.weighted(_SIZES)


def draw_shape(choices: Choices, *, min_rank: int = 0, max_rank: int = 4) -> Shape:
    """Sizes of at most LARGEST elements; rarely one of 16 or more, from which randn and sums take another way."""
    if min_rank <= 1 <= max_rank and choices.chance(2.5):
        return (choices.pick((17, 20, 16, 33)),)
    rank = min(max(choices.weighted(_RANKS), min_rank), max_rank)
    shape: list[int] = []
    for _ in range(rank):
        size = draw_size(choices)
        shape.append(size if size * math.prod(shape) <= LARGEST else 1)
    return tuple(shape)


def draw_partner(choices: Choices, shape: Shape) -> Shape:
    """A shape that broadcasts with `shape` (and sometimes stretches it)."""
    way = choices.below(8)
    if way < 3 or not shape:
        return shape
    if way == 3:
        return ()
    if way == 4:
        return shape[choices.below(len(shape)) :]
    if way == 5 and math.prod(shape) <= LARGEST // 2 and len(shape) < 4:
        return (2, *shape)
    ones = choices.below(len(shape))
    return tuple(1 if i == ones or choices.chance(25) else n for i, n in enumerate(shape))


def draw_reshaped(choices: Choices, shape: Shape) -> list[int]:
    """Sizes with as many elements as `shape`; one of them may be -1."""
    count = math.prod(shape)
    if count == 0:
        sizes = choices.shuffled(shape)
        return [*sizes, 1] if choices.chance(30) else sizes
    sizes = []
    rest = count
    for _ in range(choices.below(3)):
        divisors = [n for n in range(1, rest + 1) if rest % n == 0]
        sizes.append(choices.pick(divisors))
        rest //= sizes[-1]
    sizes.append(rest)
    if choices.chance(30):
        sizes[choices.below(len(sizes))] = -1
    if count == 1 and choices.chance(30):
        return []
    return sizes


def broadcasts(one: Shape, other: Shape) -> bool:
    """Whether two shapes have a common one."""
    return all(a == b or a == 1 or b == 1 for a, b in zip(reversed(one), reversed(other)))


def fits_into(one: Shape, target: Shape) -> bool:
    """Whether `one` can be stretched to `target`."""
    return len(one) <= len(target) and all(a in (1, b) for a, b in zip(reversed(one), reversed(target)))


def text(shape: Shape | list[int]) -> str:
    """Sizes as a tuple literal."""
    return f"({shape[0]},)" if len(shape) == 1 else "(" + ", ".join(map(str, shape)) + ")"


def nested(shape: Shape, items: Iterator[object]) -> str:
    """Nested lists of a shape from an iterator of items."""
    if not shape:
        return str(next(items))
    return "[" + ", ".join(nested(shape[1:], items) for _ in range(shape[0])) + "]"


def _made(draw: Callable[[Choices], Shape]) -> st.SearchStrategy[Shape]:
    return blocks().map(lambda block: draw(Choices(block)))


def shapes(*, min_rank: int = 0, max_rank: int = 4) -> st.SearchStrategy[Shape]:
    """Shapes of `min_rank` to `max_rank` dimensions and at most LARGEST elements. Shrinks to twos in one dimension."""
    return _made(lambda choices: draw_shape(choices, min_rank=min_rank, max_rank=max_rank))


def broadcastable_pairs(*, max_rank: int = 4) -> st.SearchStrategy[tuple[Shape, Shape]]:
    """Two shapes that have a common one. Shrinks to two equal shapes."""

    def pair(block: bytes) -> tuple[Shape, Shape]:
        choices = Choices(block)
        shape = draw_shape(choices, max_rank=max_rank)
        return shape, draw_partner(choices, shape)

    return blocks().map(pair)
