"""Families of tensors on the same memory: old ones and new views of them, made and written in any mode, then differentiated.

Statements that are drawn one by one mostly look at what is new. A family goes back to old tensors, keeps what backward
needs across writes through other members, and writes what is refused as often as what is not.
"""

from __future__ import annotations

from collections.abc import Callable

import engine
from engine import Tensor
from engine.dtypes import FLOAT
from strategies import creation
from strategies.drawing import Drawing, Expression, Line
from strategies.scope import Unavailable, recent
from strategies.statements.blocks import body_of, written

_LARGEST = 16
_SHAPES = ((2, 4), (2, 2), (4,), (2, 3), (1, 2), ())
_BASES = (
    "{t} * 2",
    "{t}.clone()",
    "{t}.exp()",
    "{t}.view_as({t})",
    "{t}.detach()",
    "{t}.t()",
    "prelude.square({t})",
)
_VIEWS = (
    "{t}.view(-1)", "{t}[...]", "{t}[..., :1]", "{t}[..., 0]", "{t}[0]", "{t}[:1]", "{t}[None]", "{t}.unsqueeze(0)",
    "{t}.squeeze()", "{t}.transpose(0, -1)", "{t}.t()", "{t}.T", "{t}.movedim(0, -1)", "{t}.narrow(0, 0, 1)",
    "{t}.select(-1, 0)", "{t}.diagonal()", "{t}.unfold(-1, 2, 1)", "{t}.flatten()", "{t}.reshape(-1)", "{t}.view_as({u})",
    "{t}.expand_as({u})", "{t}.expand(2, -1)", "{t}.as_strided((2,), (1,))", "{t}.as_strided((2, 2), (1, 1))", "{t}.detach()",
    "{t}.data", "{t}.view({t}.dtype)", "{t}.contiguous()", "{t}.real", "torch.view_as_complex({t}.view(-1, 2))",
    "{t}.unbind()[0]", "{t}.chunk(2, -1)[0]", "{t}.split(1)[0]", "{t}.tensor_split(2)[1]",
)  # fmt: skip
_SAVED = (
    "{t} * {t}",
    "{t}.exp()",
    "{t} * {u}",
    "{t}.sum()",
    "prelude.square({t})",
    "{t}.view(-1) * 3",
    "{t}.sigmoid()",
)
_WRITES = (
    "{t}.mul_(2)", "{t}.mul_({u})", "{t}.add_({leaf})", "{t}.copy_({u})", "{t}.fill_(0.5)", "{t}.zero_()", "{t}.tanh_()",
    "{t}.exp_()", "{t}[...] = {u}", "{t}[..., 0] = 2", "{t}[:1] = {u}", "{t}[..., :1] *= 3", "{t}[{t} > 1] = 0.5",
    "torch.mul({t}, 2, out={t})", "torch.neg({u}, out={t})", "{t}.detach().mul_(2)", "{t}.data.mul_(2)",
    "{t}.detach().requires_grad_().mul_(2)", "{t}.view(-1).mul_(2)", "{t}.unbind()[0].mul_(2)", "prelude.double_({t})",
    "{t}.mul_(2).view(-1).add_({leaf})",
)  # fmt: skip
# What a member shows, or is, afterwards.
_CHANGES = (
    "{t}.t_()", "{t}.transpose_(0, -1)", "{t}.unsqueeze_(0)", "{t}.squeeze_()", "{t}.as_strided_((2,), (1,))",
    "{t}.resize_(2)", "{t}.detach_()", "{t}.requires_grad_()", "{t}.requires_grad_(False)", "{t}.retain_grad()",
    "torch.autograd.graph.increment_version({t})",
)  # fmt: skip
_REPLACEMENTS = (
    "{t}.set_({u})",
    "{t}.set_()",
    "{t}.set_({u}, 0, (1,), (1,))",
    "{t}.data = {u}.detach() * 2",
)
_ENDS = (
    "{t}.sum().backward()", "{t}.sum().backward(retain_graph=True)", "({t} * {u}).sum().backward()",
    "torch.autograd.grad(({t} * {t}).sum(), {leaf}, create_graph=True, allow_unused=True)[0]",
    "torch.autograd.grad({t}.exp().sum(), [{leaf}, {u}], retain_graph=True, allow_unused=True)",
    "{t}.exp().sum().backward(create_graph=True)",
)  # fmt: skip
_MODES = ("torch.no_grad()", "torch.no_grad()", "torch.inference_mode()", "torch.enable_grad()")


def draw_family(drawing: Drawing, step: Callable[[Drawing], None]) -> bool:
    """Four to twelve statements about tensors that share memory. Returns whether any was written."""
    before = drawing.count
    drawing.mistake = True  # what the engine refuses is written all the same
    try:
        _Family(drawing).draw()
    except Unavailable:
        if drawing.count == before:
            raise
    return drawing.count > before


def _fits(t: Tensor) -> bool:
    return t.dtype.category == FLOAT and 0 < t.numel() <= _LARGEST


class _Family:
    """The leaf that gradients are asked for, and the names of the tensors that share memory with the base."""

    def __init__(self, drawing: Drawing) -> None:
        self.drawing, self.choices = drawing, drawing.choices
        scope = drawing.scope
        leaves = scope.matching(lambda t: _fits(t) and t.requires_grad and t.is_leaf)
        if leaves and self.choices.chance(60):
            self.leaf = recent(self.choices, leaves)
        else:
            shape = self.choices.pick(_SHAPES)
            self.leaf = drawing.define(
                creation.draw_tensor(drawing, shape, engine.float32, requires_grad=True)
            )
        old = scope.matching(_fits)
        way = self.choices.below(8)
        if way < 3:
            base = self.choices.pick(old or [self.leaf])
        elif way == 3:
            base = self.leaf
        else:
            made: list[str] = []
            text = self.choices.pick(_BASES).format(t=self.leaf)
            self.somewhere(lambda: made.append(drawing.define(text)), 8)
            base = made[0] if made else self.leaf
        memory = scope[base]._storage
        self.names = [n for n in scope.tensors if scope[n]._storage is memory]

    def draw(self) -> None:
        choices = self.choices
        for _ in range(choices.between(1, 3)):
            self.somewhere(self.view, 25)
        if choices.chance(45):
            self.define(choices.pick(_SAVED))
        for _ in range(choices.between(1, 3)):
            self.somewhere(self.write, 25)
            if choices.chance(15):
                self.somewhere(self.view, 25)
        for _ in range(choices.between(1, 2)):
            self.end(choices.pick(_ENDS))

    def somewhere(self, part: Callable[[], None], percent: int) -> None:
        """A statement, at times within a mode."""
        if not self.choices.chance(percent):
            part()
            return
        manager = self.choices.pick(_MODES)

        def only(drawing: Drawing) -> None:
            try:
                part()
            except Unavailable:
                return

        with self.drawing.manager(manager):
            body = body_of(self.drawing, only, 1)
        written(self.drawing, f"with {manager}:", body)

    def text(self, template: str) -> str:
        t, u = self.choices.pick(self.names), self.choices.pick(self.names)
        return template.format(t=t, u=u, leaf=self.leaf)

    def define(self, template: str) -> str:
        return self.drawing.define(self.text(template))

    def say(self, template: str) -> None:
        self.drawing.write(Line(self.text(template), kept=True))

    def end(self, template: str) -> None:
        if template.startswith("torch"):
            self.drawing.write(Expression(self.text(template)))
            return
        self.say(template)
        self.drawing.reached = self.drawing.reached or not self.drawing.raised

    def view(self) -> None:
        try:
            self.names.append(self.define(self.choices.pick(_VIEWS)))
        except Unavailable:
            return

    def write(self) -> None:
        choices, scope = self.choices, self.drawing.scope
        way = choices.below(10)
        if way < 2:
            self.say(choices.pick(_CHANGES))
        elif way == 2 and not scope.holds_arrays:
            scope.replaces = True
            self.say(choices.pick(_REPLACEMENTS))
        else:
            self.say(choices.pick(_WRITES))
