"""Building blocks of rows: first operands of a wanted rank, and operands whose sizes follow from it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine import Tensor
from engine.dtypes import FLOAT, HALVES, dtype
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


def regular(
    least: int = 2, most: int = 3, of: Argument | None = None, suits: Where | None = None
) -> Argument:
    """A first operand of square matrices far from singular: what becomes of others is a matter of rounding.

    of: what draws the matrices, if they need not be square. suits: what is asked of them instead of being far from singular.
    """
    matrices = of or square(least, most)
    good = suits or is_regular

    def draw(draft: Draft) -> str:
        name = matrices(draft)
        if good(draft.first):
            return name  # type: ignore[return-value]
        text = draft.choices.pick(
            (
                "torch.tensor([[2.0, 1.0], [0.5, -1.0]]",
                "torch.tensor([[4.0, 0.0, 1.0], [1.0, 2.0, 0.0], [0.5, -1.0, 3.0]]",
                "torch.tensor([[1.5, -0.5], [1.0, 2.0]], dtype=torch.float64",
                "torch.tensor([[1+0j, 2j], [1+1j, 0.5+0j]]",
            )
        )
        grad = draft.drawing.gradient and draft.choices.chance(50)
        return draft.known(draft.drawing.define(f"{text}, requires_grad=True)" if grad else f"{text})"))

    return draw


def is_regular(tensor: Tensor) -> bool:
    """Whether small errors stay small in what is computed of a matrix: the greatest singular value is finite and less than
    a thousand times the least. What is no inexact matrix is let through."""
    if tensor.dtype.category < FLOAT or tensor.dim() < 2 or 0 in tensor.shape or tensor.dtype in HALVES:
        return True
    values = tensor.detach()._array().astype(np.complex128 if tensor.dtype.is_complex else np.float64)
    if not np.isfinite(values).all():
        return False
    of_matrices = np.linalg.svd(values, compute_uv=False)
    greatest, least = of_matrices[..., 0], of_matrices[..., -1]
    return bool(((greatest < 1e3 * least) & (greatest < 1e6) & (greatest > 1e-6)).all())


def or_nan(argument: Argument, percent: float = 35) -> Argument:
    """The argument, at that rate a tensor that holds NaN if it is of floats: NaN has rules of its own in what compares and
    orders, and few programs come upon it by themselves."""

    def draw(draft: Draft) -> str | None:
        draft.nan = draft.choices.chance(percent)
        try:
            return argument(draft)
        finally:
            draft.nan = False

    return draw


def is_mild(tensor: Tensor) -> bool:
    """Whether the elements are small enough for an exponential far from the end of the dtype's range."""
    if tensor.dtype.category < FLOAT or not tensor.numel():
        return True
    return bool((np.abs(tensor.detach()._array().astype(np.complex128)) <= 3).all())


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
