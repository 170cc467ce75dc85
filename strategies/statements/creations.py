"""New tensors, and names that go."""

from __future__ import annotations

import engine
from engine.dtypes import FLOAT, dtype
from strategies import creation, shapes, values
from strategies.catalogue import by_family
from strategies.drawing import Drawing, Expression, Line
from strategies.dtypes import DIFFERENTIABLE, draw_dtype
from strategies.scope import Unavailable
from strategies.statements.calls import call_of


def draw_leaf(drawing: Drawing) -> Expression | Line:
    """A small tensor that requires grad: what a program towards a backward begins with."""
    choices = drawing.choices
    shape = shapes.draw_shape(choices, max_rank=3)
    if 0 in shape and choices.chance(80):
        shape = (2, 3)
    drawn = {d for d, _ in drawing.profile.dtypes}
    d = draw_dtype(choices, tuple((d, w) for d, w in DIFFERENTIABLE if d in drawn) or DIFFERENTIABLE)
    return Expression(_new(drawing, shape, d, choices.chance(85)))


def draw_create(drawing: Drawing) -> Expression | Line:
    """A tensor from a literal or a factory."""
    choices = drawing.choices
    if choices.chance(22):
        entries = by_family("creation")
        return call_of(drawing, choices.weighted(entries))
    if choices.chance(8):
        return Expression(_constructor(drawing))
    d = draw_dtype(choices, drawing.profile.dtypes)
    grad = d.category >= FLOAT and drawing.gradient and choices.chance(35)
    shape = shapes.draw_shape(choices)
    if drawing.mistake and choices.chance(50):
        return Expression(_ragged(drawing))
    return Expression(_new(drawing, shape, d, grad))


def _new(drawing: Drawing, shape: shapes.Shape, d: dtype, grad: bool) -> str:
    return creation.draw_in_layout(
        drawing.choices,
        shape,
        lambda sizes, leaf: creation.draw_tensor(drawing, sizes, d, requires_grad=leaf),
        requires_grad=grad,
    )


_CONSTRUCTORS = (
    "FloatTensor", "DoubleTensor", "LongTensor", "IntTensor", "HalfTensor", "ByteTensor", "BoolTensor", "ShortTensor",
)  # fmt: skip


def _constructor(drawing: Drawing) -> str:
    """`torch.Tensor(...)` and its typed kin, from data or (undefined elements) from sizes."""
    choices = drawing.choices
    name = "Tensor"
    if choices.chance(40):
        name = choices.pick([n for n in _CONSTRUCTORS if hasattr(engine, n)] or ["Tensor"])
    if choices.chance(45):
        return f"torch.{name}({', '.join(str(choices.between(1, 3)) for _ in range(choices.between(1, 2)))})"
    d = {
        "LongTensor": engine.int64,
        "IntTensor": engine.int32,
        "ShortTensor": engine.int16,
        "ByteTensor": engine.uint8,
    }.get(name, engine.float32)
    return f"torch.{name}({values.draw_data(choices, (choices.between(1, 4),), d, 0)})"


def _ragged(drawing: Drawing) -> str:
    """Data that makes no tensor."""
    return drawing.choices.pick(
        (
            "torch.tensor([[1, 2], [3]])", "torch.tensor([1, [2]])", "torch.tensor(None)", "torch.zeros(-1)",
            "torch.tensor([1, 2], requires_grad=True)", "torch.ones(2, 3, dtype=torch.int64, requires_grad=True)",
            "torch.tensor('bad')", "torch.full((2,), 1j, dtype=torch.float32)", "torch.arange(3, 0)", "torch.eye(-1)",
            "torch.tensor(300, dtype=torch.uint8)", "torch.linspace(0, 1, -1)", "torch.zeros(2, dtype='bad')",
            "torch.Tensor(2.5)", "torch.randperm(-1)", "torch.zeros(2.5)", "torch.tensor()",
            "torch.arange(0, 5, 0)", "torch.zeros([2, [3]])",
        )
    )  # fmt: skip


def draw_delete(drawing: Drawing) -> Line:
    """`del x`."""
    scope, choices = drawing.scope, drawing.choices
    if len(scope.tensors) < 4:
        raise Unavailable
    name = choices.pick(scope.tensors)
    scope.forget(name)
    return Line(f"del {name}")
