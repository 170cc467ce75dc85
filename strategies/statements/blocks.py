"""`with` and `for` blocks: their statements are drawn inside the mode, on the engine in that mode."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from strategies.drawing import Drawing
from strategies.scope import Unavailable
from strategies.statements.hooks import forbids

_MODES = (
    ("torch.no_grad()", 9), ("torch.enable_grad()", 3), ("torch.set_grad_enabled(False)", 2),
    ("torch.set_grad_enabled(True)", 2), ("torch.inference_mode()", 3), ("torch.inference_mode(False)", 1),
)  # fmt: skip
_DEEPEST = 2

_GRAPH = "torch.autograd.graph."
_MANAGERS = (
    (_GRAPH + "saved_tensors_hooks(lambda t: t, lambda t: t)", 2),
    (_GRAPH + "saved_tensors_hooks(lambda t: t.clone(), lambda t: t)", 3),
    (_GRAPH + "saved_tensors_hooks(lambda t: t.detach(), lambda t: t.clone())", 2),
    (_GRAPH + "saved_tensors_hooks(lambda t: (t, 1), lambda t: t[0])", 1),
    (_GRAPH + "save_on_cpu()", 2), (_GRAPH + "allow_mutation_on_saved_tensors()", 6),
    (_GRAPH + "disable_saved_tensors_hooks('bad')", 1),
    ("torch.autograd.detect_anomaly()", 2), ("torch.autograd.detect_anomaly(check_nan=False)", 1),
    ("torch.autograd.set_detect_anomaly(True)", 2), ("torch.autograd.set_detect_anomaly(False)", 1),
    ("torch.autograd.set_detect_anomaly(True, check_nan=False)", 1),
)  # fmt: skip
# Pack and unpack hooks that break a rule; those that change values are left out, as what is saved is no promise.
_WRONG = (
    (_GRAPH + "saved_tensors_hooks(lambda t: 1.0, lambda t: t)", 2),
    (_GRAPH + "saved_tensors_hooks(lambda t: t, lambda t: None)", 2),
    (_GRAPH + "saved_tensors_hooks(lambda t: t, lambda t: [t])", 1),
    (_GRAPH + "saved_tensors_hooks(lambda t: t.add_(1), lambda t: t)", 2),
    (_GRAPH + "saved_tensors_hooks(lambda t, u: t, lambda t: t)", 1),
    (_GRAPH + "allow_mutation_on_saved_tensors()", 2), (_GRAPH + "disable_saved_tensors_hooks('bad')", 2),
)  # fmt: skip


def draw_manager(drawing: Drawing, step: Callable[[Drawing], None]) -> bool:
    """A `with` block of saved tensors hooks or of anomaly detection. Returns whether it was written."""
    choices = drawing.choices
    forbidden = forbids(drawing)
    manager = choices.weighted(_WRONG if forbidden and choices.chance(60) else _MANAGERS)
    count = choices.between(2, 4)
    if drawing.depth >= _DEEPEST:
        raise Unavailable
    name = drawing.scope.tensor(choices, undefined=True)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(drawing.manager(manager))
        except RuntimeError:  # within another that forbids it
            drawing.raised = True
            return forbidden and written(drawing, f"with {manager}:", [f"{name}.detach()"])
        body = body_of(drawing, step, count)
    return written(drawing, f"with {manager}:", body)


def draw_mode(drawing: Drawing, step: Callable[[Drawing], None]) -> bool:
    """A `with` block of one to four statements. Returns whether it was written."""
    manager = drawing.choices.weighted(_MODES)
    count = drawing.choices.between(1, 3) if drawing.choices.chance(85) else 4
    if drawing.depth >= _DEEPEST:
        raise Unavailable
    with drawing.manager(manager):
        body = body_of(drawing, step, count)
    return written(drawing, f"with {manager}:", body)


def draw_loop(drawing: Drawing, step: Callable[[Drawing], None]) -> bool:
    """A `for` block of one or two statements, executed two or three times. Returns whether it was written."""
    rounds = drawing.choices.pick((2, 3, 2))
    count = drawing.choices.between(1, 2)
    if drawing.depth >= _DEEPEST:
        raise Unavailable
    body = body_of(drawing, step, count)
    if not body:
        return False
    if not drawing.raised:
        _again(drawing, body, rounds - 1)
    drawing.scope.note_all()
    return written(drawing, f"for _ in range({rounds}):", body)


def body_of(drawing: Drawing, step: Callable[[Drawing], None], count: int) -> list[str]:
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


def written(drawing: Drawing, head: str, body: list[str]) -> bool:
    if not body:
        return False
    lines = "\n".join(body).split("\n")
    drawing.lines.append("\n".join([head, *("    " + line for line in lines)]))
    return True
