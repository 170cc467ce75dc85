"""Statements that hang something onto the graph: hooks of tensors, leaves and nodes, edges, metadata, versions."""

from __future__ import annotations

from engine.autograd.graph import Node
from engine.dtypes import COMPLEX, FLOAT
from strategies.drawing import Drawing, Expression, Line
from strategies.scope import Unavailable, recent
from strategies.statements.gradients import differentiable

HOOKS = (
    "lambda g: g * 2", "lambda g: g + 1", "lambda g: -g", "lambda g: torch.zeros_like(g)", "lambda g: None",
    "lambda g: g.clone()", "lambda g: g.detach() * 0.5", "lambda g: g * g",
)  # fmt: skip
_WRONG_HOOKS = ("lambda g: g.sum()", "lambda g: g.bool()", "lambda g: 1.0", "lambda g, h: g")


def forbids(drawing: Drawing) -> bool:
    """Whether the statement tries what is forbidden, as often as the profile says; then it may raise."""
    drawing.mistake = drawing.mistake or drawing.choices.chance(drawing.profile.forbidden)
    return drawing.mistake


def recorded(drawing: Drawing) -> str:
    """A tensor that requires grad; any where the forbidden is tried, half the time. Raises Unavailable."""
    choices, scope = drawing.choices, drawing.scope
    if drawing.mistake and choices.chance(30):
        return scope.tensor(choices)
    return scope.tensor(choices, lambda t: t.requires_grad, undefined=True)


def draw_hook(drawing: Drawing) -> Expression | Line:
    """Registering a hook of a tensor."""
    choices, scope = drawing.choices, drawing.scope
    forbidden = forbids(drawing)
    name = recorded(drawing)
    if choices.chance(6):
        return _multi(drawing, name, forbidden)
    if choices.chance(25):
        leaves = scope.matching(lambda t: t.requires_grad and t.is_leaf)
        if leaves and not (forbidden and choices.chance(40)):
            name = recent(choices, leaves)
        # A hook of this kind that returns anything makes every backward of its leaf fail.
        bodies = ("lambda t: None", _counting(drawing), "lambda t: t.grad.mul_(2)")
        body = choices.pick(bodies[: 2 + forbidden])
        return _handle(drawing, f"{name}.register_post_accumulate_grad_hook({body})")
    if forbidden and choices.chance(60):
        hook = choices.pick(_WRONG_HOOKS)
    elif choices.chance(15):
        hook = _counting(drawing)
    else:
        hook = choices.pick(HOOKS)
    return _handle(drawing, f"{name}.register_hook({hook})")


def _multi(drawing: Drawing, name: str, forbidden: bool) -> Expression:
    """A hook for the gradients of two tensors, which shows by a version that it ran."""
    mode = drawing.choices.pick(("", "", ", mode='any'", ", mode='bad'" if forbidden else ", mode='all'"))
    tensors = f"({name}, {recorded(drawing)})"
    body = f"lambda g: torch.autograd.graph.increment_version({_counter(drawing)})"
    return _handle(drawing, f"torch.autograd.graph.register_multi_grad_hook({tensors}, {body}{mode})")


def draw_unhook(drawing: Drawing) -> Line:
    """Taking a hook away. Raises Unavailable."""
    if not drawing.scope.handles:
        raise Unavailable
    return Line(f"{recent(drawing.choices, drawing.scope.handles)}.remove()")


def _counting(drawing: Drawing) -> str:
    """A hook that leaves the gradient alone and shows that it ran, by a version; or that takes a hook away."""
    choices, scope = drawing.choices, drawing.scope
    parameter = "t"
    if scope.handles and choices.chance(25):
        return f"lambda {parameter}: {choices.pick(scope.handles)}.remove()"
    return f"lambda {parameter}: torch.autograd.graph.increment_version({_counter(drawing)})"


def _counter(drawing: Drawing) -> str:
    """A tensor that no graph needs."""
    loose = drawing.scope.matching(lambda t: not t.requires_grad and not t.is_inference() and t._base is None)
    return recent(drawing.choices, loose) if loose else drawing.define("torch.zeros(2)")


def _handle(drawing: Drawing, text: str) -> Expression:
    return Expression(text, effect=drawing.choices.chance(10))


# ---------------------------------------------------------------------------------------------------------------- nodes


def _node(drawing: Drawing) -> tuple[str, Node]:
    """The text of a node and the node: that of a tensor, of a leaf's accumulation, or one that was bound to a name."""
    choices, scope = drawing.choices, drawing.scope
    held = [name for name in scope.others if isinstance(scope[name], Node)]
    if held and choices.chance(40):
        name = recent(choices, held)
        return name, scope[name]
    leaves = scope.matching(lambda t: t.requires_grad and t.is_leaf)
    if leaves and choices.chance(30):
        name = recent(choices, leaves)
        edge = f"torch.autograd.graph.get_gradient_edge({name}).node"
        # The node lives no longer than the graph that refers to it, so it is kept under a name.
        bound = drawing.define(edge)
        return bound, scope[bound]
    name = scope.tensor(choices, differentiable, undefined=True)
    return f"{name}.grad_fn", scope[name].grad_fn


def _after(drawing: Drawing, node: Node) -> str:
    """A hook of a node that sees the gradients of its inputs and outputs."""
    choices, count = drawing.choices, len(node.next_functions)
    way = choices.below(8)
    if way < 2 or not count:
        return "lambda gi, go: None"
    if way == 2:
        return "lambda gi, go: gi"
    if way == 3:
        return f"lambda gi, go: torch.autograd.graph.increment_version({_counter(drawing)})"
    wanted = [edge is not None for edge, _ in node.next_functions]
    change = choices.pick(("gi[{0}] * 2", "gi[{0}] + 1", "-gi[{0}]", "None", "gi[{0}].detach()"))
    at = choices.pick([i for i, is_wanted in enumerate(wanted) if is_wanted] or [0])
    parts = [change.format(i) if i == at else f"gi[{i}]" for i in range(count)]
    return f"lambda gi, go: ({', '.join(parts)},)"


_WRONG_AFTER = (
    "lambda gi, go: 1.0", "lambda gi, go: (1, 2, 3, 4, 5, 6, 7)", "lambda gi, go: [gi[0]]", "lambda gi, go: gi[0]",
    "lambda gi: gi", "lambda gi, go: ()",
)  # fmt: skip
_BEFORE = (
    "lambda go: None", "lambda go: go", "lambda go: (go[0] * 2,)", "lambda go: (go[0] + 1,)", "lambda go: (-go[0],)",
    "lambda go: (None,)",
)  # fmt: skip
_WRONG_BEFORE = (
    "lambda go: 1.0", "lambda go: go[0]", "lambda go: (go[0].sum(),)", "lambda go: (go[0].bool(),)", "lambda go: [go[0]]",
    "lambda go: (1.0,)", "lambda go: ()", "lambda gi, go: go",
)  # fmt: skip


def draw_node(drawing: Drawing) -> Expression | Line:
    """Hooks of nodes, edges, what a node says of itself, and versions that are counted by hand."""
    choices, scope = drawing.choices, drawing.scope
    forbidden = forbids(drawing)
    way = choices.below(16)
    if way == 0:
        return _increment(drawing)
    if way < 3:
        return Expression(f"torch.autograd.graph.get_gradient_edge({recorded(drawing)})")
    text, node = _node(drawing)
    if way < 7:
        wrong = forbidden and choices.chance(60)
        hook = choices.pick(_WRONG_AFTER) if wrong else _after(drawing, node)
        return _handle(drawing, f"{text}.register_hook({hook})")
    if way < 11:
        one = len(node._input_metadata) == 1
        if forbidden and choices.chance(60):
            hook = choices.pick(_WRONG_BEFORE)
        else:
            hook = choices.pick(_BEFORE if one else _BEFORE[:2])
        return _handle(drawing, f"{text}.register_prehook({hook})")
    if way == 11:
        value = choices.pick(("1", "2.5", scope.tensor(choices)))
        return Line(f"{text}.metadata[0] = {value}")
    if way == 12:
        return Expression(
            f"{text}.metadata" if 0 not in node.metadata and not forbidden else f"{text}.metadata[0]"
        )
    if way == 13:
        return Expression(f"{text}.next_functions")
    if way == 14 and (forbidden or hasattr(type(node), "needs_input_grad")):
        return Expression(f"{text}.{choices.pick(('saved_tensors', 'needs_input_grad'))}")
    return Expression(text)


def _increment(drawing: Drawing) -> Expression:
    """A write that is told by hand: backward refuses what was saved before."""
    choices, scope = drawing.choices, drawing.scope
    name = scope.tensor(choices, lambda t: t.dtype.category in (FLOAT, COMPLEX), undefined=True)
    given = name if choices.chance(70) else f"[{name}, {scope.tensor(choices)}]"
    return Expression(f"torch.autograd.graph.increment_version({given})", effect=True)
