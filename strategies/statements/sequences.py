"""Sequences of statements about one tensor: what is written, hooked, saved or made in a mode is looked at afterwards.

Statements that are drawn one by one seldom meet: of all tensors with a hook, few are written, and of these few see a
backward. A sequence draws such statements one after the other, in any order and as often the forbidden as the allowed one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import engine
from engine import Tensor
from engine.dtypes import FLOAT
from strategies import creation
from strategies.drawing import Drawing, Expression, Line
from strategies.scope import Unavailable, recent
from strategies.statements.blocks import body_of, written
from strategies.statements.hooks import HOOKS, forbids

_LARGEST = 12
_OPS = (
    "{t} * 2", "{t}.exp()", "{t}.sin()", "{t} * {t}", "{t}.clone()", "{t}.tanh()", "{t} / 3", "{t} + 1", "{t}.sigmoid()",
    "torch.neg({t})",
)  # fmt: skip
_BINARY = ("{t} * {o}", "{o} - {t}", "{t} / {o}", "torch.add({t}, {o})", "torch.maximum({t}, {o})")
_SAVING = (
    "{t}.exp()",
    "{t} * {t}",
    "{t}.sin()",
    "{t}.tanh()",
    "{t} / {t}",
    "{t} ** 3",
    "prelude.square({t})",
    "prelude.exp({t})",
)
_WRITES = (
    "{t}.mul_(2)", "{t}.add_(1)", "{t}.neg_()", "{t}.zero_()", "{t}[...] = 0.5", "{t}[..., :1] = 2", "{t}.copy_({t} + 1)",
    "{t}.exp_()", "{t}.detach_()", "{t}.requires_grad_()",
)  # fmt: skip
_VIEWS = (
    "{t}.view(-1)", "{t}[...]", "{t}[..., :1]", "{t}.unsqueeze(0)", "{t}.expand(2, {sizes})", "{t}.detach()", "{t}.unbind(-1)",
    "{t}.chunk(2, -1)", "{t}.transpose(0, -1)", "{t}.split(1, -1)", "{t}.data", "{t}.view_as({t})", "{t}.flatten()",
    "{t}.as_strided((2,), (0,))", "{t}.as_strided((2,), (1,))", "{t}[..., 0]",
)  # fmt: skip
_ROOTS = ("{t}.sum()", "({t} * {t}).sum()", "{t}.exp().sum()", "{t}.mean()", "({t} * 3).sum()")
_UNUSED = ("materialize_grads=True", "allow_unused=True")
_NODE_HOOKS = (
    "lambda go: (go[0] * 2,)",
    "lambda go: (go[0] + 1,)",
    "lambda go: (-go[0],)",
    "lambda go: None",
)
_LEAF_HOOKS = ("lambda t: t.grad.mul_(2)", "lambda t: t.grad.add_(1)", "lambda t: t.grad.zero_()")
_NO_GRAD, _INFERENCE = "torch.no_grad()", "torch.inference_mode()"
_GRAPH = "torch.autograd.graph."
_MANAGERS = (
    (_GRAPH + "allow_mutation_on_saved_tensors()", 6), (_GRAPH + "save_on_cpu()", 1),
    (_GRAPH + "saved_tensors_hooks(lambda t: t.clone(), lambda t: t)", 2),
    (_GRAPH + "saved_tensors_hooks(lambda t: (t, 1), lambda t: t[0])", 1),
    (_GRAPH + "saved_tensors_hooks(lambda t: 1.0, lambda t: t)", 2),
    (_GRAPH + "saved_tensors_hooks(lambda t: t, lambda t: None)", 2),
    ("torch.autograd.detect_anomaly()", 2), ("torch.autograd.detect_anomaly(check_nan=False)", 1),
)  # fmt: skip
_OUTER = (
    "torch.no_grad()",
    "torch.no_grad()",
    "torch.set_grad_enabled(False)",
    _INFERENCE,
    "torch.enable_grad()",
)
_INNER = (
    "torch.enable_grad()",
    "torch.enable_grad()",
    "torch.set_grad_enabled(True)",
    "torch.inference_mode(False)",
    _NO_GRAD,
)
_FUNCTIONS = (
    ("once", 4), ("double_", 3), ("lazy_pair", 3), ("again", 2), ("signs", 2), ("product", 2), ("pair", 1), ("tail", 1),
    ("same", 1), ("quiet", 2), ("loud", 1), ("frozen", 1),
)  # fmt: skip


def draw_sequence(drawing: Drawing, step: Callable[[Drawing], None]) -> bool:
    """Two to nine statements about one tensor. Returns whether any was written."""
    before = drawing.count
    forbids(drawing)
    way: Callable[[Drawing], None] = drawing.choices.weighted(_WAYS)
    try:
        way(drawing)
    except Unavailable:
        if drawing.count == before:
            raise
    return drawing.count > before


# --------------------------------------------------------------------------------------------------------------- pieces


def _leaf(drawing: Drawing) -> str:
    """A small floating leaf that requires grad: a live one half the time."""
    choices = drawing.choices

    def fits(t: Tensor) -> bool:
        kind = t.requires_grad and t.is_leaf and t.dtype.category == FLOAT and not t.is_inference()
        return kind and 0 < t.numel() <= _LARGEST and t._base is None

    live = drawing.scope.matching(fits)
    if live and choices.chance(50):
        return recent(choices, live)
    shape = choices.pick(((3,), (2, 2), (2, 3), (4,), (), (1, 2)))
    return drawing.define(creation.draw_tensor(drawing, shape, engine.float32, requires_grad=True))


def _history(drawing: Drawing, leaf: str) -> str:
    """What an operation makes of the leaf, at times with another tensor that requires grad."""
    choices, scope = drawing.choices, drawing.scope
    if choices.chance(70):
        return drawing.define(choices.pick(_OPS).format(t=leaf))
    shape = tuple(scope[leaf].shape)
    others = scope.matching(lambda t: t.requires_grad and tuple(t.shape) == shape and t is not scope[leaf])
    if others and choices.chance(60):
        other = recent(choices, others)
    else:
        other = drawing.define(creation.draw_tensor(drawing, shape, scope[leaf].dtype, requires_grad=True))
    return drawing.define(choices.pick(_BINARY).format(t=leaf, o=other))


def _say(drawing: Drawing, template: str, name: str) -> None:
    drawing.write(Line(template.format(t=name)))


def _differentiate(drawing: Drawing, name: str, leaf: str) -> None:
    """A backward through a tensor, or the gradient of the leaf; or of another one, which it may not depend on."""
    choices, scope = drawing.choices, drawing.scope
    root = choices.pick(_ROOTS).format(t=name)
    options = ["retain_graph=True"] if choices.chance(35) else []
    wanted = leaf
    if choices.chance(40):
        wanted = choices.pick(scope.matching(lambda t: t.requires_grad) or [leaf])
        if choices.chance(50):
            wanted = drawing.define("torch.ones(2, requires_grad=True)")
    if choices.chance(70):
        options += [f"inputs={wanted}"] if choices.chance(20) else []
        drawing.write(Line(f"{root}.backward({', '.join(options)})", kept=True))
        drawing.reached = drawing.reached or not drawing.raised
        return
    options += ["create_graph=True"] if choices.chance(40) else []
    options += [choices.pick(_UNUSED)] if choices.chance(40) else []
    given = ", ".join([root, wanted, *options])
    drawing.write(Expression(f"torch.autograd.grad({given})"))


def _block(drawing: Drawing, manager: str, parts: Sequence[Callable[[], object]]) -> None:
    """A `with` block of the given statements. Raises Unavailable where the manager refuses."""
    rest = iter(parts)

    def next_part(drawing: Drawing) -> None:
        try:
            next(rest)()
        except (Unavailable, IndexError):  # also of what a part before it did not make
            return

    try:
        with drawing.manager(manager):
            body = body_of(drawing, next_part, len(parts))
    except RuntimeError:  # within another one
        raise Unavailable from None
    written(drawing, f"with {manager}:", body)


# ------------------------------------------------------------------------------------------------------------ sequences


def _hooked(drawing: Drawing) -> None:
    """Hooks, retained gradients and writes in any order, then a backward through what came of it."""
    choices = drawing.choices
    leaf = _leaf(drawing)
    name = leaf if choices.chance(25) else _history(drawing, leaf)
    for _ in range(choices.between(2, 5)):
        way = choices.below(12)
        if way < 5:
            drawing.define(f"{name}.register_hook({choices.pick(HOOKS)})")
        elif way < 7:
            _say(drawing, "{t}.retain_grad()", name)
        elif way < 9:
            _say(drawing, choices.pick(_WRITES[:5]), name)
        elif way == 9 and drawing.scope.handles:
            _say(drawing, "{t}.remove()", drawing.scope.handles[-1])
        elif name == leaf:
            drawing.define(f"{name}.register_post_accumulate_grad_hook({choices.pick(_LEAF_HOOKS)})")
        else:
            drawing.define(f"{name}.grad_fn.register_prehook({choices.pick(_NODE_HOOKS)})")
    _differentiate(drawing, name, leaf)
    if choices.chance(30):
        _differentiate(drawing, name, leaf)


def _viewed(drawing: Drawing) -> None:
    """A chain of views, some made without recording; one is written, and others are used."""
    choices = drawing.choices
    leaf = _leaf(drawing)
    way = choices.below(4)
    base = (
        leaf
        if way == 0
        else drawing.define(f"{leaf}.detach().clone()")
        if way == 1
        else _history(drawing, leaf)
    )
    names = [base]

    def view() -> None:
        source = choices.pick(names)
        sizes = ", ".join(map(str, drawing.scope[source].shape)) or "1"
        made = drawing.define(choices.pick(_VIEWS).format(t=source, sizes=sizes))
        value = drawing.scope[made]
        names.append(f"{made}[0]" if isinstance(value, tuple) else made)

    def write() -> None:
        _say(drawing, choices.pick(_WRITES), choices.pick(names))

    for part in (*[view] * choices.between(1, 3), *[write] * choices.between(1, 2)):
        try:
            if choices.chance(18):
                _block(drawing, _NO_GRAD if choices.chance(70) else _INFERENCE, [part])
            else:
                part()
        except (Unavailable, AttributeError, KeyError):  # of an array, or of what a block did not make
            continue
    for _ in range(choices.between(1, 2)):
        _differentiate(drawing, choices.pick(names), leaf)


def _overwritten(drawing: Drawing) -> None:
    """What backward has saved is written through one of the tensors that share its memory."""
    choices = drawing.choices
    leaf = _leaf(drawing)
    operand = leaf if choices.chance(30) else _history(drawing, leaf)
    result = drawing.define(choices.pick(_SAVING).format(t=operand))
    written_to = choices.pick((operand, result, result))
    alias = choices.pick(("{t}", "{t}", "{t}.detach()", "{t}.view(-1)", "{t}.data", "{t}[..., :1]"))
    if alias != "{t}":
        written_to = drawing.define(alias.format(t=written_to))
    write = choices.pick(_WRITES[:8])
    if choices.chance(30):
        _block(drawing, _NO_GRAD, [lambda: _say(drawing, write, written_to)])
    else:
        _say(drawing, write, written_to)
    _differentiate(drawing, result, leaf)


def _managed(drawing: Drawing) -> None:
    """What is saved, written and differentiated under a manager; a backward inside or after it."""
    choices = drawing.choices
    manager = choices.weighted(_MANAGERS)
    leaf = _leaf(drawing)
    operand = leaf if choices.chance(40) else _history(drawing, leaf)
    made: list[str] = []
    checked = "anomaly" in manager and choices.chance(70)
    operation = "({t} * 0).sqrt() * 0" if checked else choices.pick(_SAVING)
    parts: list[Callable[[], object]] = [lambda: made.append(drawing.define(operation.format(t=operand)))]
    if choices.chance(60) and not checked:
        write = choices.pick(_WRITES[:4])
        parts.append(lambda: _say(drawing, write, choices.pick((made[0], operand))))
    inside = choices.chance(60)
    if inside:
        parts.append(lambda: _differentiate(drawing, made[0], leaf))
    if choices.chance(20):
        outer = f"{_GRAPH}disable_saved_tensors_hooks('bad')"
        inner = parts
        parts = [lambda: _block(drawing, manager, inner)]
        manager = outer
    _block(drawing, manager, parts)
    if made and not inside:
        _differentiate(drawing, made[0], leaf)


def _again(drawing: Drawing) -> None:
    """A gradient that has a name when the next one comes."""
    choices = drawing.choices
    leaf = _leaf(drawing)
    name = _history(drawing, leaf)
    _say(drawing, choices.pick(_ROOTS) + ".backward(retain_graph=True)", name)
    for _ in range(choices.between(1, 3)):
        way = choices.below(5)
        if way == 0:
            drawing.define(f"{leaf}.grad")
        elif way == 1:
            _say(
                drawing,
                choices.pick(("{t}.grad.zero_()", "{t}.grad.requires_grad_()", "{t}.grad = None")),
                leaf,
            )
        elif way == 2:
            _say(drawing, choices.pick(_ROOTS) + ".backward(create_graph=True)", name)
        else:
            _differentiate(drawing, name, leaf)


def _frozen(drawing: Drawing) -> None:
    """Inference tensors outside of inference mode, where little is allowed of them."""
    choices = drawing.choices
    leaf = _leaf(drawing)
    made: list[str] = []
    _block(drawing, _INFERENCE, [lambda: made.append(drawing.define(choices.pick(_OPS).format(t=leaf)))])
    if not made:
        raise Unavailable
    texts = (
        f"{leaf} * {made[0]}", f"{made[0]}.add_(1)", f"{made[0]}.view(-1)", f"{made[0]}.requires_grad_()",
        f"{leaf}.exp() * {made[0]}", f"{made[0]}.clone()", f"{made[0]} * 2", f"{made[0]}.mul_({leaf})",
    )  # fmt: skip
    for _ in range(choices.between(1, 2)):
        drawing.write(Line(f"{drawing.scope.fresh()} = {choices.pick(texts)}", (drawing.scope.fresh(),)))


def _applied(drawing: Drawing) -> None:
    """A function with a derivative of its own, differentiated once or twice."""
    choices = drawing.choices
    leaf = _leaf(drawing)
    function = choices.weighted(_FUNCTIONS)
    operand = _history(drawing, leaf) if function == "double_" or choices.chance(50) else leaf
    more = f", {leaf}" if function == "product" else ""
    made = drawing.define(f"prelude.{function}({operand}{more})")
    if isinstance(drawing.scope[made], tuple):
        made += choices.pick(("[0]", "[1]"))
    if choices.chance(50):
        _differentiate(drawing, made, leaf)
        return
    first = drawing.define(f"torch.autograd.grad(({made} * {made}).sum(), {leaf}, create_graph=True)[0]")
    _differentiate(drawing, first, leaf)


def _nested(drawing: Drawing) -> None:
    """The same operation within modes and after them."""
    choices = drawing.choices
    leaf = _leaf(drawing)
    operation = choices.pick(_OPS)

    def compute() -> str:
        return drawing.define(operation.format(t=leaf))

    inner = choices.pick(_INNER)
    parts = [compute, lambda: _block(drawing, inner, [compute]), compute]
    _block(drawing, choices.pick(_OUTER), parts[choices.below(2) :])
    compute()


_WAYS = (
    (_hooked, 22), (_viewed, 26), (_overwritten, 14), (_managed, 18), (_again, 8), (_frozen, 8), (_applied, 18), (_nested, 8),
)  # fmt: skip
