"""Backward passes in their less usual forms: many roots, chosen inputs, edges of the graph, batches, gradients set by hand."""

from __future__ import annotations

import math

from engine import Tensor
from engine.dtypes import FLOAT, dtype
from strategies.drawing import Drawing, Expression, Line
from strategies.scope import Unavailable, recent
from strategies.statements.gradients import choose_root, differentiable, gradient_text, is_deep
from strategies.statements.hooks import forbids

_EDGE = "torch.autograd.graph.get_gradient_edge({})"


def draw_pass(drawing: Drawing) -> Expression | Line:
    """A backward, an `autograd.grad`, or a gradient that is set by hand."""
    way = drawing.choices.below(10)
    forbidden = forbids(drawing)
    if way < 4:
        return _backward(drawing, forbidden)
    if way < 7:
        return _grad(drawing, forbidden)
    if way == 7:
        return _batch(drawing, forbidden)
    return _assigned(drawing, forbidden)


def _roots(drawing: Drawing, forbidden: bool) -> tuple[list[str], list[str]]:
    """One to three roots, perhaps one of them twice, and a gradient for each."""
    choices, scope = drawing.choices, drawing.scope
    names = [choose_root(drawing)]
    names += [choices.pick((names[0], choose_root(drawing))) for _ in range(choices.below(3))]
    drawing.root_is_deep = all(is_deep(scope[n]) for n in names)
    grads = [_gradient(drawing, scope[n], forbidden) for n in names]
    texts = [_as_edge(drawing, n, 15) for n in names]
    if forbidden and choices.chance(25):
        grads = grads[1:] if choices.chance(50) else [*grads, "None"]
    return texts, grads


def _gradient(drawing: Drawing, root: Tensor, forbidden: bool) -> str:
    choices = drawing.choices
    implicit = root.numel() == 1 and root.dtype.category == FLOAT
    if (implicit and choices.chance(70)) or (forbidden and choices.chance(15)):
        return "None"
    if forbidden and choices.chance(25):
        return choices.pick(("torch.ones(2, 5)", "torch.tensor(1j)", "1.0", "torch.tensor(2.0)"))
    text = gradient_text(drawing, root)
    return f"{text}.requires_grad_()" if text.startswith("torch.") and choices.chance(15) else text


def _as_edge(drawing: Drawing, name: str, percent: float) -> str:
    if drawing.choices.chance(percent) and drawing.scope[name].requires_grad:
        return _EDGE.format(name)
    return name


def _listed(drawing: Drawing, parts: list[str]) -> str:
    if len(parts) == 1 and drawing.choices.chance(50) and parts[0] != "None":
        return parts[0]
    return f"[{', '.join(parts)}]"


def _wanted(drawing: Drawing, forbidden: bool) -> list[str]:
    """Inputs: leaves and others, perhaps one of them twice."""
    choices, scope = drawing.choices, drawing.scope
    if forbidden and choices.chance(12):
        return []
    sloped = scope.matching(lambda t: t.requires_grad, undefined=True)
    if not sloped:
        raise Unavailable
    wanted = [recent(choices, sloped)]
    wanted += [choices.pick(sloped) for _ in range(choices.below(3))]
    wanted = [_as_edge(drawing, name, 15) for name in wanted]
    if forbidden and choices.chance(30):
        wanted.append(choices.pick((scope.tensor(choices), "torch.ones(2)", "1.0")))
    return wanted


def _options(drawing: Drawing) -> list[str]:
    choices = drawing.choices
    options = [f"retain_graph={choices.chance(75)}"] if choices.chance(50) else []
    return [*options, "create_graph=True"] if choices.chance(20) else options


def _backward(drawing: Drawing, forbidden: bool) -> Line:
    roots, grads = _roots(drawing, forbidden)
    parts = [_listed(drawing, roots)]
    if any(grad != "None" for grad in grads) or drawing.choices.chance(30):
        parts.append(_listed(drawing, grads))
    parts += _options(drawing)
    if drawing.choices.chance(60):
        wanted = _wanted(drawing, forbidden)
        parts.append(f"inputs={_listed(drawing, wanted) if wanted else '[]'}")
    return Line(f"torch.autograd.backward({', '.join(parts)})", kept=True)


def _grad(drawing: Drawing, forbidden: bool) -> Expression:
    choices = drawing.choices
    roots, grads = _roots(drawing, forbidden)
    wanted = _wanted(drawing, forbidden)
    parts = [_listed(drawing, roots), _listed(drawing, wanted) if wanted else "[]"]
    if any(grad != "None" for grad in grads) or choices.chance(30):
        parts.append(_listed(drawing, grads))
    parts += _options(drawing)
    if choices.chance(60):
        parts.append("allow_unused=True")
    elif choices.chance(30):
        parts.append("materialize_grads=True")
        if forbidden and choices.chance(40):
            parts.append("allow_unused=False")
    if forbidden and choices.chance(10):
        parts.append("only_inputs=False")
    return Expression(f"torch.autograd.grad({', '.join(parts)})")


def _batch(drawing: Drawing, forbidden: bool) -> Expression:
    """Several vector-Jacobian products in one call. The gradient is new, so that no result can be part of it."""
    choices, scope = drawing.choices, drawing.scope
    name = choose_root(drawing)
    shape, d = tuple(scope[name].shape), scope[name].dtype
    rows = choices.pick((2, 3, 1))
    if forbidden and choices.chance(50):
        shape = choices.pick(((), (7,), (*shape, 2), shape[1:]))
    wanted = _wanted(drawing, forbidden)
    parts = [
        name,
        _listed(drawing, wanted) if wanted else "[]",
        _rows((rows, *shape), d),
        "is_grads_batched=True",
    ]
    if choices.chance(60):
        parts.append("allow_unused=True")
    if choices.chance(40):
        parts.append("retain_graph=True")
    return Expression(f"torch.autograd.grad({', '.join(parts)})")


def _rows(shape: tuple[int, ...], d: dtype) -> str:
    """A batch of gradients that differ, since the rows of the result must."""
    sizes = ", ".join(map(str, shape))
    given = "" if str(d) == "torch.float32" else f", dtype={d!r}"
    if d.category != FLOAT:
        return f"torch.ones({sizes}{given})"
    return f"torch.arange({math.prod(shape)}.0{given}).reshape({sizes})"


def _assigned(drawing: Drawing, forbidden: bool) -> Line:
    """A gradient that the next backward adds to: one that requires grad, has other strides, or is the leaf's own memory."""
    choices, scope = drawing.choices, drawing.scope
    holders = scope.matching(lambda t: t.requires_grad and (t.is_leaf or t.retains_grad), undefined=True)
    if not holders:
        raise Unavailable
    name = recent(choices, holders)
    shape, d = tuple(scope[name].shape), scope[name].dtype
    dtype = "" if str(d) == "torch.float32" else f", dtype={d!r}"
    sizes = "()" if not shape else ", ".join(map(str, shape))
    ways = [
        f"torch.ones({sizes}{dtype}, requires_grad=True)",
        f"torch.zeros({sizes}{dtype}).requires_grad_()",
        f"torch.ones_like({name})",
        f"torch.ones({sizes}{dtype})",
        f"{name}.detach().clone()",
    ]
    if len(shape) > 1:
        backwards = ", ".join(map(str, reversed(shape)))
        order = ", ".join(map(str, reversed(range(len(shape)))))
        ways.append(f"torch.ones({backwards}{dtype}).permute({order})")
    live = scope.matching(lambda t: differentiable(t) and tuple(t.shape) == shape and t.dtype is d)
    ways += live[-1:]
    if forbidden:
        ways = ["torch.ones(2, 7)", "1.0", name, f"torch.ones({sizes}, dtype=torch.int64)", f"{name}.shape"]
    return Line(f"{name}.grad = {choices.pick(ways)}")
