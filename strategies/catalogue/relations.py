"""Building blocks of rows: first operands of a wanted rank, and operands whose sizes follow from it."""

from __future__ import annotations

from collections.abc import Callable

from engine.dtypes import dtype
from strategies import shapes
from strategies.catalogue.draft import Argument, Draft
from strategies.scope import Where
from strategies.shapes import Shape

ShapeOf = Callable[[Draft], Shape]


def first(
    where: Where | None = None, shape: Shape | ShapeOf | None = None, among: frozenset[dtype] | None = None
) -> Argument:
    """A first operand for which `where` holds, or else a new one of the shape; `among` restricts its dtype."""

    def draw(draft: Draft) -> str:
        return draft.tensor(where, shape(draft) if callable(shape) else shape, among)

    return draw


def rank(least: int, most: int | None = None) -> Argument:
    """A first operand of so many dimensions."""
    most = least if most is None else most

    def shape(draft: Draft) -> Shape:
        drawn = shapes.draw_shape(draft.choices, min_rank=least, max_rank=most)
        return drawn if len(drawn) >= least else (2, 3, 2, 2)[:least]

    return first(lambda t: least <= t.dim() <= most, shape)


def square(least: int = 2, most: int = 3) -> Argument:
    """A first operand of square matrices."""

    def shape(draft: Draft) -> Shape:
        n = draft.choices.pick((2, 3, 2, 1))
        return (2, n, n) if most > 2 and draft.choices.chance(20) else (n, n)

    return first(lambda t: least <= t.dim() <= most and t.shape[-1] == t.shape[-2], shape)


def operand(shape: ShapeOf) -> Argument:
    """A further operand of the shape that follows from the first."""
    return lambda draft: draft.operand(shape(draft))


def pick(*texts: str) -> Argument:
    """One of the texts."""
    return lambda draft: draft.choices.pick(texts)


def word(*words: str) -> Argument:
    """One of the options, as a string; a word that no operation takes where a mistake is allowed."""
    return lambda draft: repr("bad") if draft.sloppy(30) else repr(draft.choices.pick(words))


def sometimes(percent: float, argument: Argument) -> Argument:
    """The argument at that rate, otherwise its default."""
    return lambda draft: argument(draft) if draft.choices.chance(percent) else None


def omitted(draft: Draft) -> None:
    """Always the default."""
    return None


def small(draft: Draft) -> int:
    """A size of 1 to 3."""
    return draft.choices.pick((2, 3, 1))
