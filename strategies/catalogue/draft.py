"""One call that is being drawn: its arguments so far, as text and as the engine's values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import engine
from engine import Tensor
from engine.dtypes import BOOL, COMPLEX, FLOAT, INTEGER, bool_, dtype, int64
from engine.signatures import Parameter
from strategies import creation, shapes, values
from strategies.catalogue.entry import Entry
from strategies.drawing import Drawing
from strategies.dtypes import draw_dtype
from strategies.scope import Unavailable, Where, recent
from strategies.shapes import Shape

Argument = Callable[["Draft"], str | None]
"""Draws the text of one argument; None leaves it to its default."""


class Draft:
    """The arguments of a call of one catalogue entry. Tensors that the text stands for are in `values`."""

    def __init__(self, drawing: Drawing, entry: Entry) -> None:
        self.drawing = drawing
        self.entry = entry
        self.choices = drawing.choices
        self.scope = drawing.scope
        self.values: dict[str, Any] = {}
        self.texts: list[tuple[Parameter, str]] = []
        self.parameter: Parameter  # the one that is being drawn
        self.nan = False
        """Whether tensors are to hold NaN now, if they are of floats."""

    # ---------------------------------------------------------------------------------------- what is known of the first

    @property
    def first(self) -> Tensor:
        """The first tensor that was drawn. Raises Unavailable before one is."""
        for value in self.values.values():
            if isinstance(value, Tensor):
                return value
        raise Unavailable

    @property
    def has_tensor(self) -> bool:
        """Whether a tensor was drawn already."""
        return any(isinstance(v, Tensor) for v in self.values.values())

    @property
    def shape(self) -> Shape:
        """The sizes of the first tensor."""
        return tuple(self.first.shape)

    def size(self, dim: int) -> int:
        """The size of a dimension of the first tensor; a 0-d one counts as having one dimension of size 1."""
        shape = self.shape
        return shape[dim] if shape else 1

    def sloppy(self, percent: float = 20) -> bool:
        """Whether to overlook a condition: only while the statement may be a mistake."""
        return self.drawing.mistake and self.choices.chance(percent)

    # ------------------------------------------------------------------------------------------------- drawing tensors

    def tensor(
        self, where: Where | None = None, shape: Shape | None = None, among: frozenset[dtype] | None = None
    ) -> str:
        """A live tensor for which `where` holds and that the operation takes, or else a new one of the given shape.

        among: its dtypes, those that the operation takes if None.
        """
        entry = self.entry
        accepted = among or entry.accepted
        if self.nan:
            accepted = frozenset(d for d in accepted if d.category == FLOAT) or accepted
        if self.sloppy(30):
            names = self.scope.matching(undefined=False)
        else:
            writes = entry.writes and not self.has_tensor and engine.is_grad_enabled()
            names = self.scope.matching(
                lambda t: (
                    t.dtype in accepted
                    and (where is None or where(t))
                    and (not self.nan or _holds_nan(t))
                    and not (writes and t.requires_grad and t.is_leaf)
                ),
                undefined=self._takes_undefined(),
            )
        if self.drawing.gradient and self.choices.chance(50):
            recorded = [n for n in names if self.scope[n].requires_grad]
            names = recorded or names
        if not names or (shape is not None and self.choices.chance(4)):
            if shape is None:
                shape = shapes.draw_shape(self.choices)
            return self.known(self.new(shape, self._dtype_of(accepted)))
        return self.known(recent(self.choices, names))

    def _takes_undefined(self) -> bool:
        if self.entry.overwrites and not self.has_tensor:
            return True
        return self.entry.family in ("pointwise", "view") and self.choices.chance(30)

    def _dtype_of(self, accepted: frozenset[dtype]) -> dtype:
        weights = tuple((d, w) for d, w in self.drawing.profile.dtypes if d in accepted)
        return draw_dtype(self.choices, weights) if weights else min(accepted, key=lambda d: d.name)

    def known(self, name: str) -> str:
        """The name, its tensor noted as the value of the current parameter."""
        self.values[self.parameter.name] = self.scope[name]
        return name

    def new(self, shape: Shape, d: dtype) -> str:
        """A new tensor, written as a statement of its own; in programs towards a backward often a leaf."""
        grad = self.drawing.gradient and d.category >= FLOAT and self.choices.chance(40)
        made = creation.draw_in_layout(
            self.choices, shape, lambda sizes, leaf: self.made(sizes, d, leaf), requires_grad=grad
        )
        return self.drawing.define(made)

    def made(self, shape: Shape, d: dtype, grad: bool) -> str:
        """The text that makes a tensor."""
        draw = creation.draw_with_nan if self.nan and d.category == FLOAT else creation.draw_tensor
        return draw(self.drawing, shape, d, requires_grad=grad)

    def operand(self, shape: Shape, d: dtype | None = None) -> str:
        """A tensor of exactly this shape: a live one, a view of one, or a new one."""
        choices, scope = self.choices, self.scope
        d = d or self.partner_dtype()
        if not self.sloppy():
            names = scope.matching(lambda t: tuple(t.shape) == shape and t.dtype is d)
            if names and choices.chance(75):
                return self.known(recent(choices, names))
            derived = self._derived(shape, d) if choices.chance(50) else None
            if derived is not None:
                return derived
        elif scope.tensors and choices.chance(70):
            return self.known(choices.pick(scope.tensors))
        else:
            shape = shapes.draw_shape(choices)
        if choices.chance(25) and len(shape) <= 2 and all(n <= 3 for n in shape):
            text = creation.draw_literal(self.drawing, shape, d)
            self.values[self.parameter.name] = self.evaluate(text)
            return text
        return self.known(self.new(shape, d))

    def _derived(self, shape: Shape, d: dtype) -> str | None:
        """A view of a live tensor that has the wanted shape."""
        for name in reversed(self.scope.matching(lambda t: t.dtype is d)):
            have = tuple(self.scope[name].shape)
            text = ""
            if len(have) == 2 and have[::-1] == shape:
                text = f"{name}.t()"
            elif shapes.fits_into(have, shape) and have != shape:
                text = f"{name}.expand{shapes.text(shape) if len(shape) != 1 else f'({shape[0]})'}"
            elif len(have) == len(shape) + 1 and have[1:] == shape and have[0]:
                text = f"{name}[{self.choices.below(have[0])}]"
            elif len(have) == len(shape) and shape and all(a >= b for a, b in zip(have, shape)):
                text = f"{name}[{', '.join(':' if a == b else f':{b}' for a, b in zip(have, shape))}]"
            elif have != shape and _count(have) == _count(shape) and _count(shape):
                text = f"{name}.reshape({shapes.text(shape)})"
            if text:
                self.values[self.parameter.name] = self.evaluate(text)
                return text
        return None

    def evaluate(self, text: str) -> Any:
        """The engine's value of a text. Raises Unavailable where it has none."""
        try:
            return eval(text, self.scope.names)
        except Exception:
            raise Unavailable from None

    def partner_dtype(self) -> dtype:
        """The dtype of a further operand: mostly that of the first."""
        if self.has_tensor and not (self.entry.mixes and self.choices.chance(22)):
            return self.first.dtype
        return self._dtype_of(self.entry.accepted)

    def partner(self) -> str:
        """A tensor that broadcasts with the first."""
        shape = self.shape
        if not self.sloppy():
            names = self.scope.matching(
                lambda t: (
                    shapes.broadcasts(tuple(t.shape), shape)
                    and (self.entry.mixes or t.dtype is self.first.dtype)
                ),
                undefined=self._takes_undefined(),
            )
            if len(names) > 1 and self.choices.chance(70):
                return self.known(recent(self.choices, names))
        return self.operand(shapes.draw_partner(self.choices, shape))

    def indices(self, count: Shape, bound: int, *, distinct: bool = False) -> str:
        """An integer tensor of the given shape with values below `bound`, as a literal."""
        if bound == 0 and 0 not in count:
            bound = 1
        places = [0] * 64
        if distinct:
            order = self.choices.shuffled(range(bound))
            places = [order[i % len(order)] if order else 0 for i in range(64)]
        else:
            places = [self.choices.below(bound) for _ in range(min(64, _count(count)))]
        if self.sloppy(40) and places:
            places[0] = self.choices.pick((bound, bound + 5, -1, -bound - 1))
        text = f"torch.tensor({shapes.nested(count, iter(places))}"
        text += ", dtype=torch.int64)" if 0 in count else ")"
        self.values[self.parameter.name] = self.evaluate(text)
        return text

    def mask(self, shape: Shape) -> str:
        """A bool tensor of this shape: a live one, a comparison with a number, or new."""
        names = self.scope.matching(lambda t: t.dtype is bool_ and tuple(t.shape) == shape)
        if names and self.choices.chance(60):
            return self.known(recent(self.choices, names))
        compared = self.scope.matching(
            lambda t: t.dtype.category in (INTEGER, FLOAT) and tuple(t.shape) == shape
        )
        if compared and self.choices.chance(60):
            text = f"{recent(self.choices, compared)} {self.choices.pick(('>', '<', '>=', '!='))} {self.choices.pick((0, 1))}"
            self.values[self.parameter.name] = self.evaluate(text)
            return text
        return self.operand(shape, bool_)

    # ------------------------------------------------------------------------------------------------- drawing the rest

    def number(self, wild: float | None = None) -> str:
        """A number, mostly of a kind that the first operand can hold; sometimes a name bound to one."""
        wild = self.drawing.profile.wild / 2 if wild is None else wild
        if self.scope.numbers and self.choices.chance(12):
            return self.choices.pick(self.scope.numbers)
        d = self.first.dtype if self.has_tensor else None
        return values.draw_number(self.choices, wild, d)

    def dim(self, rank: int | None = None) -> str:
        """A dimension of the first tensor, from either end."""
        rank = max(len(self.shape), 1) if rank is None else rank
        if self.sloppy(30):
            return str(self.choices.pick((rank, -rank - 1, rank + 3)))
        at = self.choices.below(rank)
        self.values["dim"] = at
        return str(at - rank if self.choices.chance(30) else at)

    def dims(self, least: int = 1) -> str:
        """Some different dimensions of the first tensor, as a tuple or list literal."""
        rank = max(len(self.shape), 1)
        if self.sloppy(25):
            return self.choices.pick(("(0, 0)", f"({rank},)", f"[0, {-rank}]"))
        order = self.choices.shuffled(range(rank))[: max(least, self.choices.between(1, min(rank, 3)))]
        picked = [i - rank if self.choices.chance(20) else i for i in order]
        return shapes.text(picked) if self.choices.chance(60) else str(picked)


def _holds_nan(tensor: Tensor) -> bool:
    array = tensor.detach()._array()
    return bool((array != array).any())


def _count(shape: Shape) -> int:
    count = 1
    for n in shape:
        count *= n
    return count


__all__ = ["BOOL", "COMPLEX", "Argument", "Draft", "int64"]
