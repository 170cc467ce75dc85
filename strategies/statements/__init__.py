"""The kinds of statements, and how the next one is drawn."""

from __future__ import annotations

from collections.abc import Callable

from strategies.drawing import Drawing, Expression, Line
from strategies.scope import Unavailable
from strategies.statements.aliases import draw_family
from strategies.statements.arrays import draw_numpy
from strategies.statements.blocks import draw_loop, draw_manager, draw_mode
from strategies.statements.calls import call_of, draw_call, draw_entry, draw_operator
from strategies.statements.creations import draw_create, draw_delete, draw_leaf
from strategies.statements.functional import draw_dual, draw_functional, draw_level
from strategies.statements.functions import draw_function
from strategies.statements.gradients import draw_backward, draw_clear, draw_flag, draw_grad
from strategies.statements.hooks import draw_hook, draw_node, draw_unhook
from strategies.statements.inspections import draw_convert, draw_inspect, draw_random
from strategies.statements.mistakes import draw_mistake
from strategies.statements.passes import draw_pass
from strategies.statements.sequences import draw_sequence
from strategies.statements.writes import draw_getitem, draw_setitem


def _view(drawing: Drawing) -> Expression | Line:
    return call_of(drawing, draw_entry(drawing, "view", "view", "view", "shape"))


SIMPLE: dict[str, Callable[[Drawing], Expression | Line]] = {
    "call": draw_call, "operator": draw_operator, "create": draw_create, "view": _view, "getitem": draw_getitem,
    "setitem": draw_setitem, "flag": draw_flag, "backward": draw_backward, "grad": draw_grad, "clear": draw_clear,
    "hook": draw_hook, "numpy": draw_numpy, "convert": draw_convert, "random": draw_random, "inspect": draw_inspect,
    "delete": draw_delete, "leaf": draw_leaf, "mistake": draw_mistake, "function": draw_function, "node": draw_node,
    "unhook": draw_unhook, "pass": draw_pass, "functional": draw_functional, "level": draw_level,
}  # fmt: skip
_BLOCKS = {
    "dual": draw_dual,
    "mode": draw_mode,
    "manager": draw_manager,
    "loop": draw_loop,
    "sequence": draw_sequence,
    "family": draw_family,
}
_ATTEMPTS = 4


def step(drawing: Drawing) -> None:
    """Draw one statement from the current bytes, run it on the engine and write it.

    What raises is drawn again, unless this statement was to be a mistake; after some attempts nothing is written.
    """
    choices, profile = drawing.choices, drawing.profile
    mistake = choices.chance(profile.mistakes)
    deliberate = mistake and choices.chance(55)
    for attempt in range(_ATTEMPTS):
        kind = "mistake" if deliberate and attempt < 2 else choices.weighted(profile.kinds)
        drawing.mistake = mistake
        if _attempt(drawing, kind):
            break
    drawing.mistake = False


def _attempt(drawing: Drawing, kind: str) -> bool:
    if not drawing.scope.tensors and kind not in ("create", "random"):
        kind = "leaf" if drawing.gradient else "create"
    try:
        if kind in _BLOCKS:
            return _BLOCKS[kind](drawing, step)
        written = drawing.write(SIMPLE[kind](drawing))
    except (Unavailable, RuntimeError):  # reading an attribute of a live tensor may raise
        return False
    if written and kind == "backward" and not drawing.raised:
        drawing.reached = drawing.reached or drawing.root_is_deep
    return written


__all__ = ["SIMPLE", "step"]
