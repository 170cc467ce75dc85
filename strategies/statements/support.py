"""What several kinds of statements need: operands of a wanted shape."""

from __future__ import annotations

from engine.dtypes import dtype
from strategies import creation
from strategies.drawing import Drawing
from strategies.scope import recent
from strategies.shapes import Shape


def value_operand(drawing: Drawing, shape: Shape, d: dtype) -> str:
    """A defined tensor of this shape and dtype: a live one, a literal, or a new one written as a statement."""
    choices, scope = drawing.choices, drawing.scope
    live = scope.matching(lambda t: t.dtype is d and tuple(t.shape) == shape)
    if live and choices.chance(50):
        return recent(choices, live)
    text = creation.draw_tensor(drawing, shape, d)
    if len(text) <= 60 and choices.chance(60):
        return text
    return drawing.define(text)
