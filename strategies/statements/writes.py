"""Reading and writing through brackets."""

from __future__ import annotations

from strategies import indices, shapes, values
from strategies.drawing import Drawing, Expression, Line
from strategies.scope import recent
from strategies.statements.support import value_operand


def draw_getitem(drawing: Drawing) -> Expression:
    """`x[...]`: mostly a view."""
    choices, scope = drawing.choices, drawing.scope
    name = scope.tensor(choices, undefined=choices.chance(30))
    shape = tuple(scope[name].shape)
    if drawing.mistake and choices.chance(60):
        return Expression(f"{name}[{_wrong(drawing, shape)}]")
    if choices.chance(34) and 0 not in shape:
        masks = scope.matching(lambda t: str(t.dtype) == "torch.bool" and tuple(t.shape) == shape)
        if masks and choices.chance(50):
            return Expression(f"{name}[{recent(choices, masks)}]")
        if shape and choices.chance(20) and scope[name].dtype.category < 3:
            return Expression(f"{name}[{name} > {choices.pick(('0', '1'))}]")
        return Expression(f"{name}[{indices.draw_advanced(choices, shape)}]")
    return Expression(f"{name}[{indices.draw_basic(choices, shape)}]")


def draw_setitem(drawing: Drawing) -> Line:
    """`x[...] = v` or `x[...] += v`."""
    choices, scope = drawing.choices, drawing.scope
    # A leaf that requires grad refuses it; mostly another tensor is taken.
    writable = scope.matching(lambda t: not (t.requires_grad and t.is_leaf), undefined=True)
    name = (
        recent(choices, writable)
        if writable and not drawing.mistake
        else scope.tensor(choices, undefined=True)
    )
    tensor = scope[name]
    shape = tuple(tensor.shape)
    if drawing.mistake and choices.chance(40):
        index = _wrong(drawing, shape)
    elif choices.chance(28) and 0 not in shape:
        compared = shape and tensor.dtype.category < 3 and choices.chance(25)
        defined = name in scope.matching()
        index = (
            f"{name} > 0" if compared and defined else indices.draw_advanced(choices, shape, distinct=True)
        )
    else:
        index = indices.draw_basic(choices, shape)
    place = f"{name}[{index}]"
    if choices.chance(18) and " > " not in place:
        symbol = choices.pick(("+", "*", "-"))
        return Line(f"{place} {symbol}= {values.draw_number(choices, 2, tensor.dtype)}")
    if choices.chance(48):
        return Line(f"{place} = {values.draw_number(choices, drawing.profile.wild, tensor.dtype)}")
    return Line(f"{place} = {_source(drawing, place, shape)}")


def _source(drawing: Drawing, place: str, shape: shapes.Shape) -> str:
    """A tensor whose shape fits the place."""
    choices, scope = drawing.choices, drawing.scope
    if drawing.mistake and choices.chance(50):
        return scope.tensor(choices)
    try:
        target = tuple(eval(place, scope.names).shape)
    except Exception:
        target = shape
    fitting = scope.matching(lambda t: shapes.fits_into(tuple(t.shape), target))
    if fitting and choices.chance(70):
        return recent(choices, fitting)
    wanted = target if choices.chance(60) else target[choices.below(len(target) + 1) :]
    return value_operand(drawing, wanted, scope[place.partition("[")[0]].dtype)


def _wrong(drawing: Drawing, shape: shapes.Shape) -> str:
    """An index out of range, of too many dimensions, of a wrong type or of the wrong mask shape."""
    size = shape[0] if shape else 0
    return drawing.choices.pick(
        (
            str(size), str(-size - 1), ", ".join(["0"] * (len(shape) + 1)), "1.0", f"[{size + 1}]", "::-1", "..., ...",
            "torch.tensor([True, False, True, True, False, True])", "torch.tensor([0.5])", "[0, 1], [0, 1, 2]", "1j",
        )
    )  # fmt: skip
