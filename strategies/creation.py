"""Texts that make a tensor of a given shape and dtype: literals, factories, ranges, random numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import engine
from engine.dtypes import BOOL, COMPLEX, FLOAT, INTEGER, dtype, float32, float64, int64
from strategies import shapes, values
from strategies.choices import Choices
from strategies.program.statements import simple
from strategies.shapes import Shape

if TYPE_CHECKING:
    from strategies.drawing import Drawing

_HAS_RANDOM = hasattr(engine, "randn")
_INFERRED = {BOOL: engine.dtypes.bool_, INTEGER: int64, FLOAT: float32, COMPLEX: engine.complex64}


def _options(d: dtype, requires_grad: bool, inferred: dtype | None) -> str:
    text = "" if d is inferred else f", dtype={d!r}"
    return text + ", requires_grad=True" if requires_grad else text


def draw_literal(drawing: Drawing, shape: Shape, d: dtype, *, requires_grad: bool = False) -> str:
    """`torch.tensor` of nested lists, or zeros where lists cannot say the shape."""
    if 0 in shape[:-1]:  # nested lists end at the first empty one
        return f"torch.zeros({shapes.text(shape)}{_options(d, requires_grad, float32)})"
    data = values.draw_data(drawing.choices, shape, d, drawing.profile.wild)
    inferred = None if 0 in shape else _INFERRED[d.category]
    return f"torch.tensor({data}{_options(d, requires_grad, inferred)})"


def draw_with_nan(drawing: Drawing, shape: Shape, d: dtype, *, requires_grad: bool = False) -> str:
    """A tensor that holds NaN unless it is empty: a literal, or NaN alone where a literal would be long."""
    count, choices = math.prod(shape), drawing.choices
    if not 0 < count <= 8:
        return f"torch.full({shapes.text(shape)}, nan{_options(d, requires_grad, float32)})"
    literals = [choices.pick((*values.TAME_FLOATS[:6], "inf", "nan")) for _ in range(count)]
    literals[choices.below(count)] = "nan"
    return f"torch.tensor({shapes.nested(shape, iter(literals))}{_options(d, requires_grad, float32)})"


def draw_in_layout(
    choices: Choices, shape: Shape, make: Callable[[Shape, bool], str], *, requires_grad: bool = False
) -> str:
    """What `make` writes for sizes and a flag, for matrices one time in four not row-major: a transposed one or every
    second column of a wider one."""
    if len(shape) < 2 or 0 in shape or not choices.chance(25):
        return make(shape, requires_grad)
    *rows, height, width = shape
    if choices.chance(30):
        text = f"{make((*rows, height, 2 * width), False)}[..., ::2]"
    else:
        turned = ".t()" if not rows else ".transpose(-2, -1)"
        text = make((*rows, width, height), False) + turned
    return text + ".requires_grad_()" if requires_grad else text


def draw_tensor(drawing: Drawing, shape: Shape, d: dtype, *, requires_grad: bool = False) -> str:
    """An expression for a tensor of this shape and dtype: a literal for at most eight elements, else a factory."""
    choices = drawing.choices
    count = math.prod(shape)
    if count <= 8 and choices.chance(78):
        return draw_literal(drawing, shape, d, requires_grad=requires_grad)
    way = choices.below(8)
    if way < 3 and _HAS_RANDOM and not drawing.profile.exact and d.category >= FLOAT:
        seed(drawing)
        inside = f"{shapes.text(shape)}{_options(d, requires_grad, float32)}"
        return f"torch.{'rand' if way == 2 and d.category == FLOAT else 'randn'}({inside})"
    if way == 3 and _HAS_RANDOM and d.category == INTEGER:
        seed(drawing)
        return (
            f"torch.randint(0, {choices.pick((5, 10, 3))}, {shapes.text(shape)}{_options(d, False, int64)})"
        )
    if way == 4:
        kind = choices.pick(("ones", "zeros"))
        return f"torch.{kind}({shapes.text(shape)}{_options(d, requires_grad, float32)})"
    if way == 5 or d.category in (BOOL, COMPLEX):
        fill = choices.pick(values.draw_palette(choices, d, drawing.profile.wild / 2))
        return f"torch.full({shapes.text(shape)}, {fill}{_options(d, requires_grad, _INFERRED[d.category])})"
    return _ranged(drawing, shape, d, count, requires_grad)


def _ranged(drawing: Drawing, shape: Shape, d: dtype, count: int, requires_grad: bool) -> str:
    """Different values in row-major order: a range in its shape."""
    if d in (float32, float64) and drawing.choices.chance(40):
        low, high = drawing.choices.pick((("-1", "1"), ("0.0", "2.0"), ("-2.0", "3.0"), ("1", "0")))
        base = f"torch.linspace({low}, {high}, {count}{_options(d, False, float32)})"
    else:
        base = f"torch.arange({float(count) if d is float32 else count}{_options(d, False, float32 if d is float32 else int64)})"
    if len(shape) == 1 and not requires_grad:
        return base
    how = "reshape" if drawing.choices.chance(50) else "view"
    base = f"{base}.{how}{shapes.text(shape) if len(shape) > 1 else f'({list(shape)})'}"
    return f"{base}.requires_grad_()" if requires_grad else base


def seed(drawing: Drawing) -> None:
    """Write `torch.manual_seed` before the first random numbers, and by chance again."""
    if not drawing.scope.seeded or drawing.choices.chance(8):
        number = drawing.choices.pick((0, 1, 7, 42, 123, 2147483647, 4294967296))
        text = f"torch.manual_seed({number})"
        exec(simple(text).code, drawing.scope.names)
        drawing.add(text)
        drawing.scope.seeded = True
