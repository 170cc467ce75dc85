"""Calls of the prelude: functions with derivatives of their own."""

from __future__ import annotations

from engine.dtypes import FLOAT
from strategies.drawing import Drawing, Expression, Line
from strategies.program.prelude import IN_PLACE
from strategies.scope import recent
from strategies.statements.hooks import forbids
from strategies.statements.support import value_operand

_ALLOWED = (
    ("square", 5), ("exp", 3), ("scale", 3), ("product", 5), ("double_", 5), ("undeclared_double_", 2), ("same", 4),
    ("tail", 4), ("pair", 4), ("lazy_pair", 3), ("signs", 3), ("whole", 2), ("once", 3), ("slopes", 3), ("rounded", 2),
    ("again", 3), ("cube", 2), ("triple", 2), ("quiet", 2), ("loud", 2), ("frozen", 2), ("no_slope", 1),
)  # fmt: skip
_FORBIDDEN = (
    ("dirty_copy", 2), ("no_backward", 2), ("surplus", 2), ("too_few", 1), ("wrong_shape", 2), ("wrong_kind", 2),
    ("failing", 2), ("double_", 3), ("undeclared_double_", 3), ("same", 2), ("tail", 2), ("once", 2), ("exp", 2), ("pair", 2),
)  # fmt: skip
_WRITES = ("add_(1)", "mul_(2)", "zero_()", "detach_()")


def draw_function(drawing: Drawing) -> Expression | Line:
    """A function of the prelude; where the forbidden is tried, one that breaks a rule, or what it gave is written."""
    choices, scope = drawing.choices, drawing.scope
    forbidden = forbids(drawing)
    function = choices.weighted(_FORBIDDEN if forbidden else _ALLOWED)
    if function in IN_PLACE and not forbidden:
        name = scope.tensor(
            choices,
            lambda t: (
                t.dtype.category == FLOAT and not (t.is_leaf and t.requires_grad) and not t.is_inference()
            ),
        )
    else:
        floats = scope.matching(lambda t: t.dtype.category >= FLOAT)
        sloped = [n for n in floats if scope[n].requires_grad]
        if sloped and choices.chance(85):
            name = recent(choices, sloped)
        else:
            name = recent(choices, floats) if floats and not choices.chance(8) else scope.tensor(choices)
    text = f"prelude.{function}({name}{_more(drawing, function, name)})"
    if not forbidden or function in IN_PLACE or choices.chance(40):
        return Expression(text, effect=function in IN_PLACE)
    made = drawing.define(text)
    results = scope[made]
    if isinstance(results, tuple):
        made = f"{made}[{choices.below(len(results))}]"
    way = choices.below(4)
    if way == 0:
        return Expression(f"{made}.{choices.pick(_WRITES)}", effect=True)
    if way == 1:
        drawing.write(Expression(f"{name}.{choices.pick(_WRITES)}", effect=True))
    return Line(
        f"{made}.sum().backward({choices.pick(('', 'retain_graph=True', 'create_graph=True'))})", kept=True
    )


def _more(drawing: Drawing, function: str, name: str) -> str:
    """The arguments behind the tensor."""
    choices, operand = drawing.choices, drawing.scope[name]
    if function == "scale":
        return choices.pick(("", ", 2", ", -1.5", ", 4")) if not drawing.mistake else ", 2, 3"
    if function == "product":
        if choices.chance(20):
            return f", {name}"
        return f", {value_operand(drawing, tuple(operand.shape), operand.dtype)}"
    return ""
