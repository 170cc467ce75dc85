"""Results that are unique only up to a sign, a phase or a rotation: their values are not compared where they are made.

Dtype, shape, strides and flags are compared as ever. In lock-step the candidate then takes the reference's choice, so
that everything computed from it is compared again, gradients included.

Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.svd.html
"""

from __future__ import annotations

import ast
import functools

# Operation -> the positions and the names of the outputs that are a matter of choice.
CHOSEN = {"svd": ((0, 2), ("U", "V")), "linalg.svd": ((0, 2), ("U", "Vh"))}

VALUE_ASPECTS = frozenset(("values", "rounding", "signed zero"))


@functools.lru_cache(maxsize=1024)
def chosen_values(text: str, calls: tuple[str, ...]) -> frozenset[str]:
    """The names ("u", "x[0]") whose values a statement leaves to the implementation's choice.

    A result that is used within the statement itself leaves every name it is bound to open.
    """
    made = [CHOSEN[call] for call in calls if call in CHOSEN]
    if not made:
        return frozenset()
    positions, names = made[0]
    node = ast.parse(text).body[0]
    if not isinstance(node, ast.Assign):
        return frozenset()
    target, value = node.targets[0], node.value
    if isinstance(value, ast.Call) and len(made) == 1 and _is_decomposition(value):
        if isinstance(target, ast.Tuple):
            bound = [name.id if isinstance(name, ast.Name) else "" for name in target.elts]
            return frozenset(name for position, name in enumerate(bound) if position in positions)
        if isinstance(target, ast.Name):
            return frozenset(f"{target.id}[{position}]" for position in positions)
    elif len(made) == 1 and _picks_unique(value, positions, names):
        return frozenset()
    return frozenset(name.id for name in ast.walk(target) if isinstance(name, ast.Name))


def _is_decomposition(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr == "svd"


def _picks_unique(value: ast.expr, positions: tuple[int, ...], names: tuple[str, ...]) -> bool:
    if (
        isinstance(value, ast.Subscript)
        and isinstance(value.value, ast.Call)
        and _is_decomposition(value.value)
    ):
        return isinstance(value.slice, ast.Constant) and value.slice.value not in positions
    if (
        isinstance(value, ast.Attribute)
        and isinstance(value.value, ast.Call)
        and _is_decomposition(value.value)
    ):
        return value.attr not in names
    return False
