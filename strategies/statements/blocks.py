"""`with` and `for` blocks: their statements are drawn inside the mode, on the engine in that mode."""

from __future__ import annotations

from collections.abc import Callable

from strategies.drawing import Drawing
from strategies.scope import Unavailable

_MODES = (
    ("torch.no_grad()", 9), ("torch.enable_grad()", 3), ("torch.set_grad_enabled(False)", 2),
    ("torch.set_grad_enabled(True)", 2), ("torch.inference_mode()", 3), ("torch.inference_mode(False)", 1),
)  # fmt: skip
_DEEPEST = 2


def draw_mode(drawing: Drawing, step: Callable[[Drawing], None]) -> bool:
    """A `with` block of one to four statements. Returns whether it was written."""
    manager = drawing.choices.weighted(_MODES)
    count = drawing.choices.between(1, 3) if drawing.choices.chance(85) else 4
    if drawing.depth >= _DEEPEST:
        raise Unavailable
    with eval(manager, drawing.scope.names):
        body = _body(drawing, step, count)
    return _written(drawing, f"with {manager}:", body)


def draw_loop(drawing: Drawing, step: Callable[[Drawing], None]) -> bool:
    """A `for` block of one or two statements, executed two or three times. Returns whether it was written."""
    rounds = drawing.choices.pick((2, 3, 2))
    count = drawing.choices.between(1, 2)
    if drawing.depth >= _DEEPEST:
        raise Unavailable
    body = _body(drawing, step, count)
    if not body:
        return False
    if not drawing.raised:
        _again(drawing, body, rounds - 1)
    drawing.scope.note_all()
    return _written(drawing, f"for _ in range({rounds}):", body)


def _body(drawing: Drawing, step: Callable[[Drawing], None], count: int) -> list[str]:
    """Draw the statements of a block; one that raises is its last."""
    outside, drawing.lines = drawing.lines, []
    drawing.depth += 1
    try:
        for _ in range(count):
            drawing.raised = False
            drawing.turn()
            step(drawing)
            if drawing.raised:
                break
    finally:
        body, drawing.lines = drawing.lines, outside
        drawing.depth -= 1
    return body


def _again(drawing: Drawing, body: list[str], rounds: int) -> None:
    """Execute the body once more for each further round, until a statement raises."""
    code = compile("\n".join(body), "<drawn>", "exec")
    try:
        for _ in range(rounds):
            exec(code, drawing.scope.names)
    except Exception:
        drawing.raised = True


def _written(drawing: Drawing, head: str, body: list[str]) -> bool:
    if not body:
        return False
    lines = "\n".join(body).split("\n")
    drawing.lines.append("\n".join([head, *("    " + line for line in lines)]))
    return True
