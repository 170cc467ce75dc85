"""Statements about derivatives of functions: `autograd.functional`, `torch.func`, `gradcheck`, and blocks of dual numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import engine
from engine import Tensor
from engine.dtypes import COMPLEX, FLOAT, float64
from strategies import creation, values
from strategies.drawing import Drawing, Expression, Line
from strategies.scope import Unavailable, recent
from strategies.statements.blocks import body_of, written
from strategies.statements.support import value_operand

LARGEST = 6
"""Elements of what is differentiated: a Hessian has the square of them."""

# What a function does to a value {t} in turn; {a} is its parameter, {c} a number, {o} a tensor of its shape.
_ANY = (
    "{t} * {t}", "{t}.exp()", "{t}.sin()", "{t} * {c}", "{t} + {a}", "{t} * {a}", "{t}.tanh()", "torch.sigmoid({t})",
    "{t} ** 2", "{t} ** 3", "{t} - {c}", "{c} - {t}", "-{t}", "{t} / {c}", "{t}.cos()", "{t}.abs()", "{t}.relu()",
    "{t} * {o}", "{t} + {o}", "{o} - {t}", "torch.atan({t})", "{t}.clone()", "{t}.detach() * {a}", "torch.square({t})",
    "torch.where({t} > 0, {t}, {t} * {c})", "torch.maximum({t}, {o})", "{t}.clamp(-1.0, 2.0)", "{t}.reciprocal()",
    "torch.log1p({t}.abs())", "{t}.clone().mul_({a})", "{t}.sum() * {a}", "{t}.expm1()", "torch.lerp({t}, {o}, 0.25)",
    "torch.addcmul({t}, {a}, {o})", "{t}.mean() + {t}", "{t}.sqrt()", "{t}.log()", "{t} % 2", "torch.hypot({t}, {o})",
    "prelude.cube({t})", "prelude.triple({t})",
)  # fmt: skip
_SHAPED = (
    "{t}.sum(0)", "{t}[0]", "{t}.cumsum(0)", "{t}.flip(0)", "{t}.prod(0)", "torch.softmax({t}, 0)", "{t}.unsqueeze(0)",
    "{t}.transpose(0, -1)", "torch.cat([{t}, {t}])", "torch.stack([{t}, {t}])", "{t}[..., ::2]", "{t}.mean(-1)",
    "{t}.reshape(-1)", "{t}.amax(0)", "{t}.std(0)", "{t}.norm()", "{t}.logsumexp(0)", "{t}.sort()[0]", "{t}.cumprod(0)",
)  # fmt: skip
_TO_SCALAR = (
    "{t}.sum()", "({t} * {t}).sum()", "{t}.mean()", "{t}.prod()", "{t}.norm()", "{t}.exp().sum()",
    "({t} * {a}).sum()", "{t}.sin().sum()", "({t} ** 3).mean()",
)  # fmt: skip
_MISTAKEN = (
    "{t}.bool()",
    "{t}.long()",
    "1.0",
    "{t}.sum() > 0",
    "None",
    "{t}.sum().item()",
    "({t}, 1.0)",
    "prelude.square({t})",
)


@dataclass
class Function:
    """A lambda and what it is called with."""

    text: str
    names: list[str]

    @property
    def arguments(self) -> str:
        """The arguments as `autograd.functional` takes them."""
        return self.names[0] if len(self.names) == 1 else f"({', '.join(self.names)})"


def _inputs(drawing: Drawing, count: int, *, exact: bool = False) -> list[str]:
    """Names of small floating tensors to differentiate by; new ones where there are none."""
    choices, scope = drawing.choices, drawing.scope

    def fits(t: Tensor) -> bool:
        kind = t.dtype is float64 if exact else t.dtype.category == FLOAT
        return (kind or drawing.mistake) and t.numel() <= LARGEST

    names = scope.matching(fits)
    found = []
    for _ in range(count):
        if names and choices.chance(75):
            found.append(recent(choices, names))
            continue
        shape = choices.pick(((2,), (3,), (2, 2), (), (1, 2), (2, 3), (4,)))
        d = float64 if exact or choices.chance(25) else engine.float32
        text = creation.draw_tensor(drawing, shape, d, requires_grad=choices.chance(50))
        found.append(drawing.define(text))
    return found


def _value(text: str, drawing: Drawing, given: dict[str, Tensor]) -> Tensor:
    """What an expression of the parameters is. Raises Unavailable where it is no small tensor."""
    try:
        made = eval(text, drawing.scope.names | given)
    except Exception:
        raise Unavailable from None
    if not isinstance(made, Tensor) or made.numel() > 3 * LARGEST:
        raise Unavailable
    if (
        made.dtype.category >= FLOAT and not engine.isfinite(made).all()
    ):  # where derivatives depend on the order of steps
        raise Unavailable
    return made


def _body(drawing: Drawing, given: dict[str, Tensor], scalar: bool) -> str:
    """An expression of the parameters: up to three operations in turn, the first on the first one."""
    choices, scope = drawing.choices, drawing.scope
    names = list(given)
    text = names[0]
    for _ in range(choices.between(1, 3)):
        now = _value(text, drawing, given)
        others = scope.matching(lambda t, now=now: t.dtype is now.dtype and t.shape == now.shape)  # type: ignore[misc]
        other = recent(choices, others) if others and choices.chance(60) else names[-1]
        template = choices.pick(_SHAPED if now.dim() and choices.chance(35) else _ANY)
        number = values.draw_number(choices, 2, now.dtype)
        number = "2.0" if number[0] == "-" or "j" in number else number
        inner = text if text.isidentifier() or (text[-1] in ")]" and " " not in text) else f"({text})"
        made = template.format(t=inner, a=choices.pick(names), c=number, o=other)
        if len(made) > 160:
            break
        _value(made, drawing, given)
        text = made
    if scalar:
        inner = text if text.isidentifier() or (text[-1] in ")]" and " " not in text) else f"({text})"
        text = choices.pick(_TO_SCALAR).format(t=inner, a=names[0])
        _value(text, drawing, given)
    return text


def _function(drawing: Drawing, *, scalar: bool = False, count: int = 0, exact: bool = False) -> Function:
    choices = drawing.choices
    names = _inputs(drawing, count or (2 if choices.chance(25) else 1), exact=exact)
    parameters = ("u", "v")[: len(names)]
    given = {p: drawing.scope[n] for p, n in zip(parameters, names, strict=True)}
    if drawing.mistake and choices.chance(30):
        body = choices.pick(_MISTAKEN).format(t="u")
    else:
        with engine.no_grad():
            body = _body(drawing, {p: t.detach() for p, t in given.items()}, scalar)
        if not scalar and choices.chance(20):
            body = f"({body}, u)" if choices.chance(50) else f"({body}, {body})"
    return Function(f"lambda {', '.join(parameters)}: {body}", names)


def _vectors(drawing: Drawing, names: list[str]) -> str:
    """Tensors like the named ones, as a tangent has to be."""
    found = []
    for name in names:
        t = drawing.scope[name]
        shape = tuple(t.shape)
        if drawing.mistake and drawing.choices.chance(30):
            shape = (*shape, 2)
        found.append(value_operand(drawing, shape, t.dtype))
    return found[0] if len(found) == 1 else f"({', '.join(found)})"


def _output_like(drawing: Drawing, function: Function) -> str:
    """A tensor like what the function returns, as a cotangent has to be."""
    with engine.no_grad():
        made = eval(f"({function.text})({', '.join(function.names)})", drawing.scope.names)
    parts = made if isinstance(made, tuple) else (made,)
    if not all(isinstance(t, Tensor) and t.dtype.category >= FLOAT for t in parts):
        raise Unavailable
    found = [value_operand(drawing, tuple(t.shape), t.dtype) for t in parts]
    return found[0] if not isinstance(made, tuple) else f"({', '.join(found)})"


def _options(drawing: Drawing) -> str:
    choices = drawing.choices
    return (", create_graph=True" if choices.chance(25) else "") + (
        ", strict=True" if choices.chance(12) else ""
    )


# ------------------------------------------------------------------------------------------------- autograd.functional


def draw_functional(drawing: Drawing) -> Expression:
    """A derivative of a lambda, by any of the ways that torch has."""
    if engine.is_inference_mode_enabled():  # of which torch.func says nothing
        raise Unavailable
    way: Callable[[Drawing], str] = drawing.choices.weighted(_WAYS)
    try:
        return Expression(way(drawing))
    except (LookupError, TypeError, ValueError):  # evaluating what may be a mistake
        raise Unavailable from None


def _matrix(drawing: Drawing) -> str:
    choices = drawing.choices
    hessian = choices.chance(40)
    function = _function(drawing, scalar=hessian and not (drawing.mistake and choices.chance(40)))
    options = _options(drawing)
    if choices.chance(40):
        key = "outer_jacobian_strategy" if hessian else "strategy"
        # Whether a Hessian requires grad that was made forwards without grad mode is nowhere stated.
        forward = choices.chance(60) and (engine.is_grad_enabled() or not hessian)
        options = f", vectorize=True, {key}='{'forward' if forward else 'reverse'}-mode'"
        options += _options(drawing) if drawing.mistake else ""
    name = "hessian" if hessian else "jacobian"
    return f"torch.autograd.functional.{name}({function.text}, {function.arguments}{options})"


def _product(drawing: Drawing) -> str:
    choices = drawing.choices
    name = choices.pick(("vjp", "jvp", "vhp", "hvp"))
    function = _function(
        drawing, scalar=name in ("vhp", "hvp") and not (drawing.mistake and choices.chance(40))
    )
    if drawing.mistake and choices.chance(25):
        vector = ""
    elif name == "vjp":
        vector = ", " + _output_like(drawing, function)
    else:
        vector = ", " + _vectors(drawing, function.names)
    return (
        f"torch.autograd.functional.{name}({function.text}, {function.arguments}{vector}{_options(drawing)})"
    )


# ------------------------------------------------------------------------------------------------------------ torch.func


def _transform(drawing: Drawing) -> str:
    """grad, jacrev, jacfwd, hessian, one on top of another at times."""
    choices = drawing.choices
    name = choices.pick(("grad", "jacrev", "jacfwd", "hessian", "grad_and_value", "grad"))
    scalar = name in ("grad", "grad_and_value", "hessian")
    function = _function(drawing, scalar=scalar and not (drawing.mistake and choices.chance(40)))
    argnums = ""
    if len(function.names) == 2 and choices.chance(60):
        argnums = f", argnums={choices.pick(('1', '(0, 1)', '-1', '(1,)', '0'))}"
    elif drawing.mistake and choices.chance(30):
        argnums = f", argnums={choices.pick(('1', '()', '(0, 0)', '-2'))}"
    inner = f"torch.func.{name}({function.text}{argnums})"
    if name == "grad" and not argnums and choices.chance(25):
        inner = f"torch.func.{choices.pick(('jacrev', 'jacfwd'))}({inner})"
    return f"{inner}({', '.join(function.names)})"


def _pulled(drawing: Drawing) -> str:
    function = _function(drawing)
    inner = f"torch.func.vjp({function.text}, {', '.join(function.names)})"
    if drawing.choices.chance(20):
        return f"{inner}[0]"
    return f"{inner}[1]({_output_like(drawing, function)})"


def _pushed(drawing: Drawing) -> str:
    function = _function(drawing)
    vectors = [_vectors(drawing, [name]) for name in function.names]
    if drawing.mistake and drawing.choices.chance(25):
        return f"torch.func.jvp({function.text}, {function.arguments}, {vectors[0]})"
    comma = "," if len(vectors) == 1 else ""
    return f"torch.func.jvp({function.text}, ({', '.join(function.names)}{comma}), ({', '.join(vectors)}{comma}))"


def _mapped(drawing: Drawing) -> str:
    """vmap over the first or last dimension of a tensor, of a lambda or of its gradient."""
    choices, scope = drawing.choices, drawing.scope
    name = scope.tensor(
        choices,
        lambda t: 1 <= t.dim() <= 3 and 0 < t.numel() <= 24 and FLOAT <= t.dtype.category < COMPLEX,
    )
    t = scope[name]
    dim = choices.pick((0, 0, 0, -1, 1))
    if not -t.dim() <= dim < t.dim() and not drawing.mistake:
        dim = 0
    gradient = choices.chance(30)
    with engine.no_grad():
        example = t.detach().select(dim if -t.dim() <= dim < t.dim() else 0, 0)
        text = f"lambda u: {_body(drawing, {'u': example}, gradient)}"
    if gradient:
        text = f"torch.func.grad({text})"
    options = "" if dim == 0 and choices.chance(80) else f", in_dims={dim}"
    if choices.chance(12):
        options += f", out_dims={choices.pick(('1', '-1', '0', '3'))}"
    prefix = choices.pick(("torch.func.vmap", "torch.vmap"))
    return f"{prefix}({text}{options})({name}{'.detach()' if t.requires_grad and choices.chance(30) else ''})"


def _checked(drawing: Drawing) -> str:
    """gradcheck, mostly of what passes."""
    choices = drawing.choices
    function = _function(drawing, exact=True)
    name = "gradcheck" if choices.chance(65) else "gradgradcheck"
    options = ", raise_exception=False"
    if name == "gradcheck" and choices.chance(30):
        options += ", check_forward_ad=True"
    if choices.chance(40):
        options += ", fast_mode=True"
    return f"torch.autograd.{name}({function.text}, {function.arguments}{options})"


_WAYS = (
    (_matrix, 22), (_product, 28), (_transform, 24), (_pulled, 12), (_pushed, 12), (_mapped, 14), (_checked, 4),
)  # fmt: skip


# ---------------------------------------------------------------------------------------------------------- dual numbers


def draw_dual(drawing: Drawing, step: Callable[[Drawing], None]) -> bool:
    """A block in which a tensor is dual; its last statement looks at a tangent. Returns whether it was written."""
    if not drawing.mistake and _is_open():
        raise Unavailable
    count = drawing.choices.between(3, 6)
    turns = iter(range(count))

    def next_step(drawing: Drawing) -> None:
        turn = next(turns)
        if 0 < turn < count - 1 and drawing.choices.chance(85):
            step(drawing)
            return
        try:
            drawing.write(_unpack(drawing) if turn else _make_dual(drawing))
        except Unavailable:
            return

    manager = "torch.autograd.forward_ad.dual_level()"
    try:
        with drawing.manager(manager):
            body = body_of(drawing, next_step, count)
    except (RuntimeError, LookupError):  # a level within a level
        raise Unavailable from None
    return written(drawing, f"with {manager}:", body)


def _is_open() -> bool:
    try:
        engine.autograd.forward_ad.make_dual(engine.ones(1), engine.ones(1))
    except RuntimeError:
        return False
    return True


def _make_dual(drawing: Drawing) -> Expression:
    choices, scope = drawing.choices, drawing.scope
    names = scope.matching(lambda t: (t.dtype.category >= FLOAT or drawing.mistake) and t.numel() <= 24)
    if not names:
        text = creation.draw_tensor(drawing, (2,), engine.float32, requires_grad=choices.chance(40))
        names = [drawing.define(text)]
    name = recent(choices, names)
    if choices.chance(40):
        name += choices.pick((".detach()", ".clone()"))
    t = scope[name.partition(".")[0]]
    shape = tuple(t.shape)
    if drawing.mistake and choices.chance(30):
        shape = shape[1:]
    tangent = value_operand(drawing, shape, t.dtype)
    return Expression(f"torch.autograd.forward_ad.make_dual({name}, {tangent})")


def _unpack(drawing: Drawing) -> Expression:
    choices, scope = drawing.choices, drawing.scope
    names = scope.matching(lambda t: t.dtype.category >= FLOAT)
    if not names:
        raise Unavailable
    dual = [n for n in names if engine.autograd.forward_ad.unpack_dual(scope[n]).tangent is not None]
    name = recent(choices, dual if dual and choices.chance(90) else names)
    part = choices.pick((".tangent", ".tangent", "", ".primal"))
    return Expression(f"torch.autograd.forward_ad.unpack_dual({name}){part}")


def draw_level(drawing: Drawing) -> Expression | Line:
    """Forward mode outside of a block: levels that are entered and left by calls, and what needs one without."""
    choices = drawing.choices
    way = choices.below(4)
    if way == 0 and not _is_open():
        return Line("torch.autograd.forward_ad.enter_dual_level()")
    if way == 1:
        return Line("torch.autograd.forward_ad.exit_dual_level()")
    return _make_dual(drawing) if way == 2 else _unpack(drawing)


__all__ = ["draw_dual", "draw_functional", "draw_level"]
