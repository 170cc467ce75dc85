"""Conversions, random fills, and what is read of a tensor as a plain value."""

from __future__ import annotations

from strategies import creation
from strategies.catalogue import by_family
from strategies.drawing import Drawing, Expression
from strategies.dtypes import draw_dtype
from strategies.scope import Unavailable
from strategies.statements.calls import call_of, draw_entry


def draw_convert(drawing: Drawing) -> Expression:
    """Another dtype, or a plain value."""
    choices, scope = drawing.choices, drawing.scope
    if choices.chance(50):
        return call_of(drawing, draw_entry(drawing, "conversion"))  # type: ignore[return-value]
    name = scope.tensor(choices)
    d = draw_dtype(choices, drawing.profile.dtypes)
    way = choices.below(6)
    if way < 3:
        return Expression(f"{name}.to({d!r})")
    if way == 3:
        return Expression(
            f"{name}.{choices.pick(('float', 'double', 'long', 'int', 'half', 'bool', 'bfloat16'))}()"
        )
    if way == 4:
        return Expression(f"{name}.type({d!r})")
    return Expression(f"{name}.to({scope.tensor(choices)})")


def draw_random(drawing: Drawing) -> Expression:
    """Random numbers, after a seed."""
    choices, scope = drawing.choices, drawing.scope
    entries = by_family("random")
    if not entries.items or drawing.profile.exact:
        raise Unavailable
    creation.seed(drawing)
    fills = [entry for entry in entries.items if entry.name.endswith("_")]
    if fills and scope.tensors and choices.chance(45):
        return call_of(drawing, choices.pick(fills))  # type: ignore[return-value]
    return call_of(drawing, choices.weighted(entries))  # type: ignore[return-value]


_ATTRIBUTES = (
    "shape",
    "dtype",
    "requires_grad",
    "is_leaf",
    "T",
    "ndim",
    "mT",
    "real",
    "device",
    "retains_grad",
    "output_nr",
)
_METHODS = (
    "size()", "dim()", "stride()", "numel()", "is_contiguous()", "storage_offset()", "type()", "size(0)", "item()",
    "tolist()", "stride(-1)", "element_size()", "is_floating_point()", "size(-1)", "is_complex()",
)  # fmt: skip


_STATE = ("is_grad_enabled", "is_inference_mode_enabled", "get_default_dtype")


def draw_inspect(drawing: Drawing) -> Expression:
    """An attribute or a plain value, which later statements may use."""
    choices, scope = drawing.choices, drawing.scope
    way = choices.below(8)
    if way == 0:
        return Expression(f"torch.{choices.pick(_STATE)}()")
    if way == 1:
        recorded = scope.matching(lambda t: t.requires_grad)
        if not recorded:
            raise Unavailable
        return Expression(f"{choices.pick(recorded)}.grad_fn")
    name = scope.tensor(choices)
    if way < 5:
        if way == 4 and scope.matching(lambda t: t.numel() == 1):
            return Expression(f"{scope.tensor(choices, lambda t: t.numel() == 1)}.item()")
        return Expression(f"{name}.{choices.pick(_METHODS)}")
    return Expression(f"{name}.{choices.pick(_ATTRIBUTES)}")
