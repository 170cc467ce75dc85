"""Statements about autograd: flags, backward, autograd.grad, clearing gradients, hooks."""

from __future__ import annotations

from engine import Tensor
from engine.dtypes import COMPLEX, FLOAT, dtype
from strategies import shapes, values
from strategies.drawing import Drawing, Expression, Line
from strategies.scope import Unavailable, recent
from strategies.statements.support import value_operand


def differentiable(t: Tensor) -> bool:
    """Whether a tensor has a history."""
    return t.requires_grad and not t.is_leaf


def is_deep(t: Tensor) -> bool:
    """Whether a tensor's history has two operations in a row."""
    node = t.grad_fn
    if node is None:
        return False
    return any(n is not None and type(n).__name__ != "AccumulateGrad" for n, _ in node.next_functions)


# ---------------------------------------------------------------------------------------------------------------- flags


def draw_flag(drawing: Drawing) -> Expression | Line:
    """requires_grad, detach, .data, retain_grad and their like."""
    choices, scope = drawing.choices, drawing.scope
    way = choices.below(18)
    if way < 5:
        return _requires_grad(drawing, choices.chance(85))
    recorded = scope.matching(lambda t: t.requires_grad)
    name = recent(choices, recorded) if recorded and choices.chance(70) else scope.tensor(choices)
    if way < 8:
        return Expression(f"{name}.detach()")
    if way == 8:
        return Expression(f"{name}.data")
    if way == 9:
        return Expression(f"{name}.clone()")
    if way < 13:
        history = scope.matching(differentiable)
        if not history and not drawing.mistake:
            raise Unavailable
        return Line(f"{recent(choices, history) if history else name}.retain_grad()")
    if way == 13:
        return Expression(f"{name}.detach_()", effect=True)
    if way == 14:
        return Expression(f"{name}.detach().requires_grad_()")
    return _data_write(drawing, name)


def _requires_grad(drawing: Drawing, value: bool) -> Expression | Line:
    choices, scope = drawing.choices, drawing.scope
    if drawing.mistake:
        name = scope.tensor(choices)
    elif value:
        name = scope.tensor(
            choices, lambda t: t.dtype.category >= FLOAT and not t.requires_grad and t.is_leaf
        )
    else:
        name = scope.tensor(choices, lambda t: t.is_leaf and t.requires_grad)
    if choices.chance(30):
        return Line(f"{name}.requires_grad = {value}")
    argument = "" if value and choices.chance(70) else str(value)
    return Expression(f"{name}.requires_grad_({argument})", effect=True)


def _data_write(drawing: Drawing, name: str) -> Expression | Line:
    """A write that autograd does not notice."""
    choices, scope = drawing.choices, drawing.scope
    way = choices.below(4)
    if choices.chance(12) and not scope.holds_arrays and scope[name].is_leaf:
        scope.replaces = True
        other = scope.tensor(choices, lambda t: t.dtype is scope[name].dtype or drawing.mistake)
        if choices.chance(70):
            return Line(f"{name}.data = {other}")
        return Expression(f"{name}.set_({other})", effect=True)
    number = values.draw_number(choices, 2, drawing.scope[name].dtype)
    if way == 0:
        return Expression(f"{name}.data.fill_({number})", effect=True)
    if way == 1:
        return Expression(f"{name}.data.mul_({number})", effect=True)
    if way == 2 and drawing.scope[name].dim():
        return Line(f"{name}.data[...] = {number}")
    return Expression(f"{name}.detach().zero_()", effect=True)


# ------------------------------------------------------------------------------------------------------------- backward


def gradient_text(drawing: Drawing, root: Tensor) -> str:
    """A gradient of the root's shape and, mostly, dtype."""
    shape, d = tuple(root.shape), root.dtype
    choices = drawing.choices
    if drawing.mistake and choices.chance(40):
        shape = choices.pick(((), (2,), (*shape, 1), shape[1:]))
    way = choices.below(8)
    if way < 2:
        return _apart(drawing, value_operand(drawing, shape, d))
    if way == 2 and root.numel():
        return _one_hot(drawing, shape, d)
    if way < 5:
        return f"torch.ones({_sizes(shape)}{_dtype(d)})"
    return _apart(drawing, value_operand(drawing, shape, d))


def _apart(drawing: Drawing, text: str) -> str:
    """A gradient that no leaf's memory can be part of.

    A leaf may take a view of what is handed to backward as its gradient; were that the leaf's own memory, accumulating
    would write to the leaf in an order that nothing prescribes.
    """
    scope = drawing.scope
    given = scope[text] if text in scope.tensors else None
    if given is None or not any(
        scope[n].requires_grad and scope[n]._storage is given._storage for n in scope.tensors
    ):
        return text
    return f"{text}.clone()"


def _one_hot(drawing: Drawing, shape: tuple[int, ...], d: dtype) -> str:
    """All zeros but for a 1: one row of a Jacobian."""
    count = 1
    for n in shape:
        count *= n
    if count > 8:
        return f"torch.ones({_sizes(shape)}{_dtype(d)})"
    at = drawing.choices.below(count)
    items = iter("1.0" if i == at else "0.0" for i in range(count))
    return f"torch.tensor({shapes.nested(shape, items)}{_dtype(d)})"


def _sizes(shape: tuple[int, ...]) -> str:
    return "()" if not shape else ", ".join(map(str, shape))


def _dtype(d: dtype) -> str:
    return "" if str(d) == "torch.float32" else f", dtype={d!r}"


def choose_root(drawing: Drawing) -> str:
    """A tensor to call backward of: mostly one with a deep history. Raises Unavailable."""
    choices, scope = drawing.choices, drawing.scope
    if drawing.mistake and choices.chance(50):
        return scope.tensor(choices)
    history = scope.matching(differentiable)
    deep = [n for n in history if is_deep(scope[n])]
    if deep and choices.chance(85):
        return recent(choices, deep)
    if history:
        return recent(choices, history)
    if drawing.mistake:
        return scope.tensor(choices)
    raise Unavailable


def draw_backward(drawing: Drawing) -> Line:
    """`root.backward(...)`, or of its sum, or `torch.autograd.backward`."""
    choices, scope = drawing.choices, drawing.scope
    name = choose_root(drawing)
    root = scope[name]
    drawing.root_is_deep = is_deep(root)
    scalar = root.numel() == 1 and root.dtype.category < COMPLEX
    parts: list[str] = []
    text = name
    if not scalar:
        if root.dtype.category == FLOAT and choices.chance(35):
            text = f"{name}.{choices.pick(('sum', 'mean', 'sum'))}()"
            scalar = True
        elif not (drawing.mistake and choices.chance(40)):
            gradient = gradient_text(drawing, root)
            parts.append(f"gradient={gradient}" if choices.chance(30) else gradient)
    elif choices.chance(15):
        parts.append(gradient_text(drawing, root))
    options = _options(drawing)
    if choices.chance(18) and text == name:
        given = [f"grad_tensors={parts[0].removeprefix('gradient=')}"] if parts else []
        listed = choices.chance(40)
        root_text = f"[{name}]" if listed else name
        if given and listed:
            given = [f"grad_tensors=[{given[0].partition('=')[2]}]"]
        return Line(
            f"torch.autograd.backward({', '.join([root_text, *given, *options])})", kept=_started(root)
        )
    return Line(f"{text}.backward({', '.join([*parts, *options])})", kept=_started(root))


def _started(root: Tensor) -> bool:
    """Whether a backward that raises may have changed gradients before it did."""
    return root.requires_grad and not root.is_leaf


def _options(drawing: Drawing, percent: float = 30) -> list[str]:
    choices = drawing.choices
    options = []
    if choices.chance(percent):
        options.append("retain_graph=True")
    if choices.chance(10):
        options.append("create_graph=True")
    return options


def draw_grad(drawing: Drawing) -> Expression:
    """`torch.autograd.grad`."""
    choices, scope = drawing.choices, drawing.scope
    name = choose_root(drawing)
    root = scope[name]
    wanted = scope.matching(lambda t: t.requires_grad) or scope.matching()
    inputs = [recent(choices, wanted)]
    if len(wanted) > 1 and choices.chance(35):
        inputs.append(choices.pick(wanted))
    listed = len(inputs) > 1 or choices.chance(50)
    parts = [name if choices.chance(80) else f"[{name}]", f"[{', '.join(inputs)}]" if listed else inputs[0]]
    if root.numel() != 1 or root.dtype.category == COMPLEX:
        if root.dtype.category == FLOAT and choices.chance(40):
            parts[0] = f"{name}.sum()"
        elif not (drawing.mistake and choices.chance(40)):
            parts.append(
                f"grad_outputs={gradient_text(drawing, root)}"
                if parts[0] == name
                else gradient_text(drawing, root)
            )
    if choices.chance(60):
        parts.append("allow_unused=True")
    options = _options(drawing, 50)
    if choices.chance(10):
        options.append("materialize_grads=True")
        parts = [p for p in parts if not p.startswith("allow_unused")]
    subscript = "[0]" if choices.chance(25) else ""
    return Expression(f"torch.autograd.grad({', '.join([*parts, *options])}){subscript}")


# ------------------------------------------------------------------------------------------------------------- clearing


def draw_clear(drawing: Drawing) -> Expression | Line:
    """Reading, clearing and replacing `.grad`."""
    choices, scope = drawing.choices, drawing.scope
    if choices.chance(5):
        name = scope.tensor(choices, lambda t: t.is_leaf and t.requires_grad)
        return Line(
            f"{name}.grad_dtype = {choices.pick(('torch.float64', 'torch.bfloat16', 'torch.float32', 'None'))}"
        )
    holders = scope.matching(lambda t: (t.is_leaf or t.retains_grad) and t.grad is not None, undefined=True)
    if not holders and not drawing.mistake:
        leaves = scope.matching(lambda t: t.is_leaf and t.requires_grad)
        if not leaves:
            raise Unavailable
        name = recent(choices, leaves)
        if choices.chance(50):
            return Line(
                f"{name}.grad = {value_operand(drawing, tuple(scope[name].shape), scope[name].dtype)}"
            )
        return Line(f"{name}.grad = None")
    name = (
        recent(choices, holders)
        if holders and not (drawing.mistake and choices.chance(50))
        else scope.tensor(choices)
    )
    number = values.draw_number(choices, 2, scope[name].dtype)
    ways: tuple[Expression | Line, ...] = (
        Line(f"{name}.grad = None"),
        Expression(f"{name}.grad.zero_()", effect=True),
        Expression(f"{name}.grad.zero_()", effect=True),
        Expression(f"{name}.grad.data.zero_()", effect=True),
        Line(f"{name}.grad = torch.zeros_like({name}.grad)"),
        Expression(f"{name}.grad"),
        Line(f"{name}.grad += {number}"),
        Expression(f"{name}.grad.clone()"),
        Expression(
            f"{name}.grad * {number}" if number[0] != "-" and "j" not in number else f"{name}.grad.neg()"
        ),
        Expression(f"{name}.grad.mul_({number})", effect=True),
    )
    return choices.pick(ways)
