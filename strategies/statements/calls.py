"""Calls of catalogue entries, in every spelling: function, method, in-place, `out=`, operator, augmented assignment."""

from __future__ import annotations

from typing import Any

import engine
from engine import Tensor
from engine.registry import COMPOSITE, POINTWISE
from engine.signatures import MISSING
from strategies.catalogue import ENTRIES, Draft, Entry, by_family, draw_arguments
from strategies.choices import Table
from strategies.drawing import Drawing, Expression, Line, small
from strategies.program.vocabulary import KEYWORDS
from strategies.scope import Unavailable

Drawn = Expression | Line

OPERATORS = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "floor_divide": "//", "remainder": "%", "pow": "**", "matmul": "@",
    "bitwise_and": "&", "bitwise_or": "|", "bitwise_xor": "^", "bitwise_left_shift": "<<", "bitwise_right_shift": ">>",
    "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
}  # fmt: skip
UNARY = {"neg": "-", "bitwise_not": "~", "positive": "+"}
_REFLECTED = frozenset(
    ("add", "sub", "mul", "div", "pow", "floor_divide", "remainder", "bitwise_and", "bitwise_or")
)
# How often each is drawn, where it is not 2; those of integers have three overloads each.
_OFTEN = {
    "add": 14, "mul": 14, "sub": 10, "div": 18, "pow": 3, "neg": 4, "matmul": 4, "remainder": 1, "bitwise_and": 1,
    "bitwise_or": 1, "bitwise_xor": 1, "bitwise_left_shift": 1, "bitwise_right_shift": 1,
}  # fmt: skip
_WITH_OPERATOR = Table(
    [
        (entry, _OFTEN.get(entry.name, 2))
        for entry in ENTRIES
        if (entry.name in OPERATORS and len(entry.op.signature.parameters) == 2) or entry.name in UNARY
    ]
)
_COMPARISONS = frozenset(("eq", "ne", "lt", "le", "gt", "ge"))


def draw_call(drawing: Drawing) -> Drawn:
    """A call of an entry of a drawn family."""
    return call_of(drawing, draw_entry(drawing))


def draw_entry(drawing: Drawing, *families: str) -> Entry:
    """An entry, of one of the families or as the profile weighs them. Raises Unavailable where there is none."""
    choices = drawing.choices
    family = choices.pick(families) if families else choices.weighted(drawing.profile.families)
    entries = by_family(family, exact=drawing.profile.exact)
    if not entries.items:
        raise Unavailable
    return choices.weighted(entries)


def call_of(drawing: Drawing, entry: Entry) -> Drawn:
    """A call of an entry: its arguments, then one of its spellings."""
    return spelled(drafted(drawing, entry))


def drafted(drawing: Drawing, entry: Entry) -> Draft:
    """The arguments of a call of an entry."""
    draft = Draft(drawing, entry)
    try:
        draw_arguments(draft)
    except LookupError:
        if not drawing.mistake:
            raise
        raise Unavailable from None  # a careless first operand has not the dimensions that a relation asks for
    return draft


def draw_operator(drawing: Drawing) -> Drawn:
    """`x + y`, `2 - x`, `x < y`, `-x`, `x *= y`: what most programs mostly hold."""
    entry = drawing.choices.weighted(_WITH_OPERATOR)
    if drawing.profile.exact and not entry.op.exact:
        raise Unavailable
    draft = drafted(drawing, entry)
    return _operator(draft) or _plain(draft)


def spelled(draft: Draft) -> Drawn:
    """The drawn arguments in one of the spellings that they allow."""
    forms, choices = draft.entry.forms, draft.choices
    style = choices.weighted(draft.drawing.profile.spelling)
    if style == "operator":
        return _operator(draft) or _plain(draft)
    if style == "inplace" and "inplace" in forms and (draft.drawing.mistake or not _refused(draft)):
        return _inplace(draft)
    if style == "out" and "out" in forms:
        return _out(draft)
    return _plain(draft)


def _plain(draft: Draft) -> Expression:
    entry, forms, choices = draft.entry, draft.entry.forms, draft.choices
    effect = entry.writes or entry.name.endswith("_")
    as_method = "method" in forms and _has_receiver(draft) and (choices.chance(50) or "function" not in forms)
    if as_method:
        return Expression(_method(draft, entry.name), effect)
    if "function" not in forms:
        if "inplace" in forms:
            return _inplace(draft)
        raise Unavailable
    return Expression(f"torch.{entry.name}({arguments(draft)})", effect)


def _refused(draft: Draft) -> bool:
    """Whether the first operand is a leaf that refuses to be written."""
    value = draft.values.get(draft.entry.op.signature.parameters[0].name)
    return isinstance(value, Tensor) and value.requires_grad and value.is_leaf and engine.is_grad_enabled()


def _has_receiver(draft: Draft) -> bool:
    parameters = draft.entry.op.signature.parameters
    if not draft.texts or draft.texts[0][0] is not parameters[0]:
        return False
    return isinstance(draft.values.get(parameters[0].name), Tensor)


def _receiver(draft: Draft) -> str:
    """The text before the dot: operators need parentheses there."""
    text = draft.texts[0][1]
    return f"({text})" if " " in text and "(" not in text else text


def _method(draft: Draft, name: str) -> str:
    return f"{_receiver(draft)}.{name}({arguments(draft, skip=1)})"


def _inplace(draft: Draft) -> Expression:
    name = draft.entry.name
    if not _has_receiver(draft) or (
        not draft.texts[0][1].isidentifier() and not draft.texts[0][1].endswith("]")
    ):
        raise Unavailable
    if "inplace function" in draft.entry.forms and draft.choices.chance(12):
        return Expression(f"torch.{name}_({arguments(draft)})", True)
    return Expression(_method(draft, name + "_"), True)


def arguments(draft: Draft, skip: int = 0) -> str:
    """The arguments as they stand between the parentheses, by position and by keyword."""
    choices = draft.choices
    texts = draft.texts[skip:]
    parameters = draft.entry.op.signature.parameters[skip:]
    # Arguments go by keyword from the first one that was left out, and sometimes from earlier on.
    by_keyword = len(texts)
    if texts and choices.chance(14):
        by_keyword = (
            choices.below(len(texts)) if skip or choices.chance(15) else 1 + choices.below(len(texts))
        )
    parts: list[str] = []
    for position, (parameter, text) in enumerate(texts):
        out_of_line = len(parts) == len(parameters) or parameters[len(parts)] is not parameter
        if position >= by_keyword or parameter.keyword_only or out_of_line:
            if parameter.name in KEYWORDS:
                by_keyword = min(by_keyword, position)
                parts.append(f"{parameter.name}={text}")
            elif parameter.default is MISSING:
                raise Unavailable
        else:
            parts.append(text)
    if len(parts) == 1 and _may_be_bare(draft, skip) and parts[0][0] in "([" and choices.chance(55):
        inside = parts[0][1:-1].rstrip(",")
        return inside or parts[0]
    return ", ".join(parts)


def _may_be_bare(draft: Draft, skip: int) -> bool:
    """Whether a list of ints may be spelled as the ints themselves: as the only positional argument."""
    positional = [p for p in draft.entry.op.signature.parameters if not p.keyword_only][skip:]
    return len(positional) == 1 and positional[0].type == "int[]" and draft.texts[-1][0] is positional[0]


def _operator(draft: Draft) -> Drawn | None:
    """`x + y`, `-x`, `x += y`; None where the call has no operator."""
    name, texts = draft.entry.name, draft.texts
    if name in UNARY and len(texts) == 1:
        return Expression(f"{UNARY[name]}{texts[0][1]}") if "(" not in texts[0][1] else None
    symbol = OPERATORS.get(name)
    if symbol is None or len(texts) != 2 or not draft.has_tensor:
        return None
    (_, left), (_, right) = texts
    augmented = name not in _COMPARISONS and name != "matmul" and left.isidentifier()
    augmented = augmented and left in draft.scope.tensors and (draft.drawing.mistake or not _refused(draft))
    if augmented and draft.choices.chance(40):
        return Line(f"{left} {symbol}= {right}", binds=(left,))
    if not right.isidentifier() and is_number(right) and name in _REFLECTED and draft.choices.chance(45):
        left, right = right, left
    if left[0] in "-+" or ("j" in left and not left.isidentifier()):
        left = f"({left})"
    if "j" in right or (right[0] in "-+" and symbol == "**") or " " in right:
        right = f"({right})" if not right.isidentifier() else right
    return Expression(f"{left} {symbol} {right}")


def is_number(text: str) -> bool:
    """Whether a text is a literal number (or True, False, inf, nan)."""
    return text[-1].isdigit() or text[-1] in ".j" or text in ("True", "False", "inf", "-inf", "nan")


def _out(draft: Draft) -> Expression:
    """The `out=` form: into new empty tensors or a live one of the result's dtype."""
    # Composite operations name the step at which torch refuses a gradient or dtype: no mistakes with those.
    composite = draft.entry.op.kind == COMPOSITE
    if (composite or not draft.drawing.mistake) and any(
        isinstance(v, Tensor) and v.requires_grad for v in draft.values.values()
    ):
        raise Unavailable
    text = f"torch.{draft.entry.name}({arguments(draft)}"
    if draft.entry.family == "random" or any(parameter.name == "out" for parameter, _ in draft.texts):
        raise Unavailable  # norm has `out` among its parameters
    try:
        value = eval(text + ")", draft.scope.names)
    except Exception:
        raise Unavailable from None
    if not small(value):
        raise Unavailable
    results = list(value) if isinstance(value, (tuple, list)) else [value]
    if not all(isinstance(r, Tensor) for r in results):
        raise Unavailable
    outs = [_target(draft, r) for r in results]
    target = outs[0] if len(outs) == 1 else f"({', '.join(outs)})"
    separator = "" if text.endswith("(") else ", "
    return Expression(f"{text}{separator}out={target})", effect=target.isidentifier())


def _target(draft: Draft, result: Any) -> str:
    choices = draft.choices
    # Only elementwise operations are sure to read their operands before they write.
    tensors = [] if draft.entry.op.kind == POINTWISE else draft.values.values()
    read = [v._storage for v in tensors if isinstance(v, Tensor)]
    live = draft.scope.matching(
        lambda t: (
            t.dtype is result.dtype
            and not t.requires_grad
            and (t.shape == result.shape or t.numel() == 0)
            and t._storage not in read
        ),
        undefined=True,
    )
    if live and choices.chance(65):
        return choices.pick(live)
    if draft.sloppy(60) and draft.scope.tensors:
        name = choices.pick(draft.scope.tensors)
        target, like = draft.scope[name], result.dtype
        # A target of uint8 changes what these find, in one way for one element and in another for more.
        risky = draft.entry.op.kind == COMPOSITE or draft.entry.name in ("all", "any")
        spoilt = target.dtype is not like or target.requires_grad
        if target._storage not in read and not (risky and spoilt):
            return name
    size = "0" if choices.chance(60) or not result.dim() else ", ".join(map(str, result.shape))
    return f"torch.empty({size}, dtype={result.dtype!r})"
