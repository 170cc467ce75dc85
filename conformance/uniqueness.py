"""Results that are unique only up to a sign, a phase or a rotation: their values are not compared where they are made.

Dtype, shape, strides and flags are compared as ever, and so are magnitudes where only a sign or a phase is free. In
lock-step the candidate then takes the reference's choice, so that everything computed from it is compared again,
gradients included.

Sources: https://docs.pytorch.org/docs/stable/generated/torch.linalg.svd.html and torch.linalg.qr.html
"""

from __future__ import annotations

import ast
import functools
from typing import NamedTuple

# Operation -> the positions and the names of the outputs that are a matter of choice.
CHOSEN = {
    "svd": ((0, 2), ("U", "V")),
    "linalg.svd": ((0, 2), ("U", "Vh")),
    "qr": ((0, 1), ("Q", "R")),
    "linalg.qr": ((0, 1), ("Q", "R")),
}
_METHODS = frozenset(name.rpartition(".")[2] for name in CHOSEN)
UP_TO_PHASE = frozenset(("qr", "linalg.qr"))  # what is open beyond that, the engine marks as undefined

VALUE_ASPECTS = frozenset(("values", "reference values", "range", "signed zero"))


class Chosen(NamedTuple):
    """The names ("u", "x[0]") whose values a statement leaves to the implementation's choice; `of_phase` for those that
    hold a factor whose magnitudes are no choice."""

    names: frozenset[str]
    of_phase: bool = False


NOTHING = Chosen(frozenset())


@functools.lru_cache(maxsize=1024)
def chosen_values(text: str, calls: tuple[str, ...]) -> Chosen:
    """What a statement leaves open. A result that is used within the statement itself leaves open every name that it is
    bound to."""
    made = [call for call in calls if call in CHOSEN]
    node = ast.parse(text).body[0] if made else None
    if not isinstance(node, ast.Assign):
        return NOTHING
    target, value = node.targets[0], node.value
    everything = Chosen(frozenset(name.id for name in ast.walk(target) if isinstance(name, ast.Name)))
    if len(made) > 1:
        return everything
    positions, names = CHOSEN[made[0]]
    of_phase = made[0] in UP_TO_PHASE
    if _is_decomposition(value):
        if isinstance(target, ast.Tuple):
            bound = [name.id if isinstance(name, ast.Name) else "" for name in target.elts]
            return Chosen(frozenset(name for i, name in enumerate(bound) if i in positions), of_phase)
        if isinstance(target, ast.Name):
            return Chosen(frozenset(f"{target.id}[{i}]" for i in positions), of_phase)
    elif isinstance(value, ast.Subscript) and _is_decomposition(value.value):
        if isinstance(value.slice, ast.Constant):
            return Chosen(everything.names, of_phase) if value.slice.value in positions else NOTHING
    elif isinstance(value, ast.Attribute) and _is_decomposition(value.value):
        return Chosen(everything.names, of_phase) if value.attr in names else NOTHING
    return everything


def _is_decomposition(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS
