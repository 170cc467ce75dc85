"""Deliberate mistakes: every kind of error that PyTorch's documentation shows, and some that only programs make."""

from __future__ import annotations

from collections.abc import Callable

from engine.dtypes import FLOAT
from strategies.catalogue import named
from strategies.drawing import Drawing, Expression, Line
from strategies.scope import Unavailable, recent
from strategies.statements.calls import call_of
from strategies.statements.gradients import differentiable, draw_backward, draw_grad, gradient_text
from strategies.statements.writes import draw_getitem, draw_setitem

Mistake = Callable[[Drawing], Expression | Line]


def _leaf_written(drawing: Drawing) -> Expression | Line:
    """In place on a leaf that requires grad, or on a view of one."""
    choices, scope = drawing.choices, drawing.scope
    name = scope.tensor(choices, lambda t: t.is_leaf and t.requires_grad)
    view = (
        ""
        if not scope[name].dim() or choices.chance(60)
        else choices.pick(("[0]", ".view(-1)", "[:1]", ".t()"))
    )
    way = choices.below(5)
    if way == 0 and not view:
        return Line(f"{name} += 1", binds=(name,))
    if way == 1:
        return Line(f"{name}{view}[...] = 0")
    return Expression(
        f"{name}{view}.{choices.pick(('add_(1)', 'zero_()', 'mul_(2)', 'fill_(0.5)', 'sqrt_()'))}",
        effect=True,
    )


def _saved_changed(drawing: Drawing) -> Expression | Line:
    """In place on a tensor that a product saved; a later backward refuses it."""
    choices, scope = drawing.choices, drawing.scope
    name = scope.tensor(choices, lambda t: differentiable(t) and t.dtype.category >= FLOAT)
    product = drawing.define(
        choices.pick((f"{name} * {name}", f"{name}.exp()", f"{name}.sqrt()", f"{name} * 2.0"))
    )
    victim = choices.pick((name, product))
    drawing.write(Expression(f"{victim}.{choices.pick(('add_(1)', 'mul_(2)', 'zero_()'))}", effect=True))
    return Line(f"{product}.sum().backward()", kept=True)


def _backward_twice(drawing: Drawing) -> Line:
    """A second backward through a graph that the first one freed."""
    name = drawing.scope.tensor(drawing.choices, lambda t: differentiable(t) and t.dtype.category == FLOAT)
    drawing.write(Line(f"{name}.sum().backward()", kept=True))
    return Line(f"{name}.sum().backward()", kept=True)


def _no_gradient(drawing: Drawing) -> Line:
    """Backward of many elements without a gradient."""
    name = drawing.scope.tensor(drawing.choices, lambda t: t.requires_grad and t.numel() != 1)
    return Line(f"{name}.backward()")


def _no_history(drawing: Drawing) -> Line:
    """Backward of a tensor that does not require grad."""
    name = drawing.scope.tensor(drawing.choices, lambda t: not t.requires_grad)
    return Line(f"{name}{drawing.choices.pick(('', '.sum()'))}.backward()")


def _wrong_gradient(drawing: Drawing) -> Line:
    """A gradient of another shape or dtype than the root's."""
    name = drawing.scope.tensor(drawing.choices, lambda t: t.requires_grad)
    text = drawing.choices.pick(
        (gradient_text(drawing, drawing.scope[name]), "torch.ones(2, 5)", "1.0", "torch.tensor(1j)")
    )
    return Line(f"{name}.backward({text})", kept=True)


def _flag(drawing: Drawing) -> Line | Expression:
    """requires_grad where it cannot be."""
    choices, scope = drawing.choices, drawing.scope
    way = choices.below(4)
    if way < 2:
        name = scope.tensor(choices, differentiable)
        return (
            Line(f"{name}.requires_grad = False")
            if way
            else Expression(f"{name}.requires_grad_(False)", effect=True)
        )
    name = scope.tensor(choices, lambda t: t.dtype.category < FLOAT)
    return (
        Line(f"{name}.requires_grad = True")
        if way == 2
        else Expression(f"{name}.requires_grad_()", effect=True)
    )


def _numpy_of_grad(drawing: Drawing) -> Expression:
    name = drawing.scope.tensor(drawing.choices, lambda t: t.requires_grad)
    if drawing.scope.replaces:
        raise Unavailable
    drawing.scope.holds_arrays = True
    return Expression(f"{name}.numpy()")


def _out_with_grad(drawing: Drawing) -> Expression:
    name = drawing.scope.tensor(drawing.choices, lambda t: t.requires_grad)
    call = drawing.choices.pick((f"torch.add({name}, 1", f"torch.exp({name}", f"torch.mul({name}, {name}"))
    return Expression(f"{call}, out=torch.empty(0))")


def _bad_view(drawing: Drawing) -> Expression:
    """A view that the strides cannot express, or of a wrong number of elements."""
    choices, scope = drawing.choices, drawing.scope
    if choices.chance(60):
        name = scope.tensor(choices, lambda t: t.dim() > 1 and t.numel() > 2)
        if scope[name].is_contiguous():
            return Expression(f"{name}.transpose(0, -1).view(-1)")
        return Expression(f"{name}.view(-1)")
    name = scope.tensor(choices)
    return Expression(
        f"{name}.{choices.pick(('view(7)', 'reshape(-1, 5)', 'view(-1, -1)', 'expand(7, 7)', 'view(-2)'))}"
    )


def _no_number(drawing: Drawing) -> Expression:
    """A number of a tensor that has none or many."""
    name = drawing.scope.tensor(drawing.choices, lambda t: t.numel() != 1)
    return Expression(f"{name}.item()")


def _grad_of_non_leaf(drawing: Drawing) -> Expression:
    return Expression(f"{drawing.scope.tensor(drawing.choices, differentiable)}.grad")


def _grad_assigned(drawing: Drawing) -> Line:
    """A gradient of another shape or dtype than the tensor's."""
    name = drawing.scope.tensor(drawing.choices, lambda t: t.is_leaf)
    return Line(
        f"{name}.grad = {drawing.choices.pick(('torch.ones(2, 7)', '1.0', 'torch.tensor([True])', name))}"
    )


def _types(drawing: Drawing) -> Expression:
    """Arguments of types that no operation takes."""
    name = drawing.scope.tensor(drawing.choices)
    return Expression(
        name
        + drawing.choices.pick(
            (
                ".add('bad')", ".sum('bad')", ".view(1.5)", ".reshape(None)", ".sum(dim=1.5)", ".to('bad')", ".mul(None)",
                ".transpose(0)", ".add()", ".clamp()", ".add(1, 2, 3)", ".expand('bad')", ".item(1)", ".t(0)", " + None",
                ".permute(0, 0, 0, 0, 0)", ".unsqueeze(9)", ".squeeze(7)", ".sum(5)", ".backward(1.0)", ".copy_(1)",
                ".fill_([1, 2])", ".size(9)", ".stride(-9)", ".exp(2)", ".narrow(0, 0, 99)", ".select(0, 99)", ".chunk(0)",
                ".split(-1)", ".cumsum()", ".masked_fill(1, 2)", ".mean(dtype=torch.int64)", ".type('bad')", ".long().mean()",
                ".add(1, bad=2)", ".sum(dim=0, out=None, keepdim=1)", ".matmul(3)", ".requires_grad_(1.5)", ".repeat(-1)",
            )
        ).replace("bad=2", "out=2").replace(" + None", ".add(None)")
    )  # fmt: skip


def _mixed_dtypes(drawing: Drawing) -> Expression | Line:
    """An in-place write of a result that the dtype cannot hold."""
    choices, scope = drawing.choices, drawing.scope
    name = scope.tensor(choices, lambda t: t.dtype.category < FLOAT)
    ways: tuple[Expression | Line, ...] = (
        Expression(f"{name}.mul_(1.5)", effect=True), Expression(f"{name}.div_(2)", effect=True),
        Line(f"{name} += 0.5", binds=(name,)), Line(f"{name} /= 2", binds=(name,)),
        Expression(f"{name}.add_(1j)", effect=True), Expression(f"{name}.sqrt_()", effect=True),
        Expression(f"torch.exp({name}, out=torch.empty(0, dtype=torch.int64))"), Expression(f"{name}.mean()"),
        Expression(f"torch.sub({name}, True)"), Expression(f"-{name}.bool()"),
    )  # fmt: skip
    return choices.pick(ways)


def _broadcast(drawing: Drawing) -> Expression:
    """Operands that do not broadcast, or in place to a larger shape."""
    choices = drawing.choices
    name = drawing.scope.tensor(choices, lambda t: t.dim() > 0)
    shape = tuple(drawing.scope[name].shape)
    if choices.chance(40):
        return Expression(f"{name}.add_(torch.ones(2, {', '.join(map(str, shape))}))", effect=True)
    return Expression(f"{name} {choices.pick(('+', '*', '-', '=='))} torch.ones({shape[-1] + 2})")


def _overlap(drawing: Drawing) -> Expression:
    """A write to memory that one tensor shows twice."""
    name = drawing.scope.tensor(drawing.choices, lambda t: not t.requires_grad and t.dim() < 4)
    shape = tuple(drawing.scope[name].shape)
    sizes = ", ".join(map(str, (2, *shape))) if shape else "3"
    write = drawing.choices.pick(("add_(1)", "mul_(2)", f"copy_({name})"))
    return Expression(f"{name}.expand({sizes}).{write}", effect=True)


def _unbound(drawing: Drawing) -> Expression:
    """A name that nothing was bound to."""
    return Expression(f"{drawing.scope.fresh()}.add(1)")


_LINEAR = (
    "mm",
    "bmm",
    "mv",
    "dot",
    "addmm",
    "matmul",
    "cat",
    "gather",
    "index_select",
    "outer",
    "trace",
    "t",
    "cross",
    "stack",
)


def _linear(drawing: Drawing) -> Expression | Line:
    """Operands of wrong sizes for an operation that relates them."""
    entries = [e for name in _LINEAR for e in named(name)]
    if not entries:
        raise Unavailable
    entry = drawing.choices.pick(entries)
    texts = []
    for p in entry.op.signature.parameters:
        if p.type == "Tensor":
            texts.append(drawing.scope.tensor(drawing.choices))
        elif p.type == "Tensor[]":
            texts.append(
                f"[{drawing.scope.tensor(drawing.choices)}, {drawing.scope.tensor(drawing.choices)}]"
            )
        elif p.type == "int" and not p.keyword_only and len(texts) < 2:
            texts.append(drawing.choices.pick(("0", "1", "5")))
    if "function" not in entry.forms:
        return call_of(drawing, entry)
    return Expression(f"torch.{entry.name}({', '.join(texts)})")


def _detach_view(drawing: Drawing) -> Expression:
    """detach_ of a view, or in place on one of several views."""
    choices = drawing.choices
    name = drawing.scope.tensor(choices, lambda t: t.dim() > 0 and differentiable(t))
    write = choices.pick(
        ("[0].detach_()", ".view(-1).detach_()", ".unbind(0)[0].add_(1)", ".chunk(2)[0].mul_(2)")
    )
    return Expression(f"{name}{write}", effect=True)


TABLE: tuple[tuple[Mistake, int], ...] = (
    (_types, 10), (_leaf_written, 10), (_saved_changed, 8), (_backward_twice, 7), (_no_gradient, 6), (_no_history, 5),
    (_wrong_gradient, 6), (_flag, 5), (_numpy_of_grad, 4), (_out_with_grad, 4), (_bad_view, 6), (_no_number, 4),
    (_grad_of_non_leaf, 4), (_grad_assigned, 4), (_mixed_dtypes, 6), (_broadcast, 6), (_overlap, 4), (_linear, 8),
    (_detach_view, 4), (draw_getitem, 5), (draw_setitem, 5), (draw_backward, 3), (draw_grad, 4), (_unbound, 1),
)  # fmt: skip


def draw_mistake(drawing: Drawing) -> Expression | Line:
    """One of the mistakes of the table; what the engine happens to accept is kept all the same."""
    return drawing.choices.weighted(TABLE)(drawing)


__all__ = ["TABLE", "draw_mistake", "recent"]
