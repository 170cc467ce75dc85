"""The literals of a call that are sizes, as far as they can be seen."""

import ast
from collections.abc import Iterable

from strategies.program.limits import MAX_ELEMENTS
from strategies.program.vocabulary import SIZE_KEYWORDS, SIZES


def too_large(name: str, call: ast.Call) -> bool:
    """Whether the literals of a call ask for a tensor of more than `MAX_ELEMENTS` elements."""
    rule = SIZES.get(name, "")
    arguments = call.args
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    if rule == "range":
        bounds = [*arguments, *(keywords[key] for key in ("start", "end", "step") if key in keywords)]
        if _count(bounds) > MAX_ELEMENTS:
            return True
    product = 1
    for argument in _sizes(rule, arguments):
        product *= _product(argument)
    if rule == "square" and len(arguments) == 1:
        product *= product
    for key, value in keywords.items():
        if key in SIZE_KEYWORDS:
            product *= _product(value)
    return product > MAX_ELEMENTS


def _sizes(rule: str, arguments: list[ast.expr]) -> Iterable[ast.expr]:
    if rule in ("all", "square"):
        return arguments
    if rule in ("integers", "sequences"):
        wanted = rule == "sequences"
        return [node for node in arguments if (type(node) in (ast.List, ast.Tuple)) is wanted]
    return {"first": arguments[:1], "third": arguments[2:3]}.get(rule, [])


def _product(node: ast.expr) -> int:
    """The product of the integers in a literal, counting 0 and what is not an integer as 1."""
    if type(node) in (ast.List, ast.Tuple):
        product = 1
        for element in node.elts:  # type: ignore[attr-defined]
            product *= _product(element)
        return product
    value = _number(node)
    return max(1, abs(value)) if isinstance(value, int) else 1


def _number(node: ast.expr) -> int | float | None:
    if type(node) is ast.UnaryOp and type(node.op) is ast.USub:
        value = _number(node.operand)
        return None if value is None else -value
    if type(node) is ast.Constant and isinstance(node.value, int | float):
        return node.value
    return None


def _count(bounds: list[ast.expr]) -> float:
    """How many numbers are between literal bounds: end; start, end; or start, end, step. 0 where it cannot be seen."""
    numbers = [_number(node) for node in bounds[:3]]
    if not numbers or None in numbers:
        return 0
    start, end, step = (0, numbers[0], 1) if len(numbers) == 1 else (*numbers, 1)[:3]
    return abs((end - start) / step) if step else 0  # type: ignore[operator]
