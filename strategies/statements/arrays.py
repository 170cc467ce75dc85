"""NumPy arrays that share memory with tensors, and writes from either side."""

from __future__ import annotations

from engine.dtypes import bfloat16
from strategies import indices, values
from strategies.drawing import Drawing, Expression, Line
from strategies.scope import Unavailable

_NUMPY = ("float32", "float64", "int64", "int32", "uint8", "float16", "complex64", "bool_")


def draw_numpy(drawing: Drawing) -> Expression | Line:
    """`x.numpy()`, `torch.from_numpy(n)`, a new array, or a write to an array."""
    choices, scope = drawing.choices, drawing.scope
    if scope.replaces:
        raise Unavailable
    scope.holds_arrays = True
    way = choices.below(16)
    if not scope.arrays:
        if way < 2:
            return Expression(f"torch.from_numpy({_array(drawing)})")
        way = 5 if way < 5 else 0
    if way < 4:
        return _shared(drawing)
    if way < 6:
        return Expression(_array(drawing))
    name = choices.pick(scope.arrays)
    array = scope[name]
    if way < 8:
        return Expression(
            f"torch.{choices.pick(('from_numpy', 'from_numpy', 'tensor', 'as_tensor'))}({name})"
        )
    if way < 12:
        if array.size == 0:
            raise Unavailable
        number = values.draw_number(choices, 0)
        if array.ndim == 0:
            return Line(f"{name}[...] = {number}")
        return Line(f"{name}[{indices.draw_basic(choices, array.shape).replace('None, ', '')}] = {number}")
    if way < 14:
        return Line(f"{name} {choices.pick(('+=', '*=', '-='))} {choices.pick(('1', '2'))}", binds=(name,))
    if way == 14 and scope.tensors:
        return Expression(
            f"{scope.tensor(choices, lambda t: not t.requires_grad)} + torch.from_numpy({name})"
        )
    return Expression(
        f"np.{choices.pick(('add', 'multiply'))}({name}, {choices.pick(('1', '2'))}, out={name})", effect=True
    )


def _shared(drawing: Drawing) -> Expression:
    choices, scope = drawing.choices, drawing.scope
    if drawing.mistake:
        name = scope.tensor(choices)
        return Expression(f"{name}.numpy()")
    name = scope.tensor(choices, lambda t: t.dtype is not bfloat16)
    text = f"{name}.detach().numpy()" if scope[name].requires_grad else f"{name}.numpy()"
    return Expression(text)


def _array(drawing: Drawing) -> str:
    choices = drawing.choices
    kind = choices.pick(_NUMPY)
    way = choices.below(4)
    if way == 0:
        return f"np.arange({choices.pick(('6', '4', '3'))}, dtype=np.{kind if kind != 'bool_' else 'int32'})"
    if way == 1:
        return f"np.zeros({choices.pick(('(2, 3)', '3', '(2, 2)'))}, dtype=np.{kind})"
    data = choices.pick(("[1, 2, 3]", "[[1, 0], [2, 3]]", "[1, 0]", "5", "[[1, 2, 0]]"))
    return f"np.array({data}, dtype=np.{kind})"
