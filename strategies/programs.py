"""Whole programs, drawn by stepping the engine.

Only the bytes of the drawn blocks decide: no hashes of strings, no addresses, no time. So a seed and the number of a
block give the same programs in any process.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import warnings
from collections.abc import Callable

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import engine
from strategies.choices import Choices, blocks
from strategies.drawing import Drawing, Line
from strategies.profiles import DEFAULT, PROFILES, Profile
from strategies.program import Program, parse
from strategies.scope import Unavailable
from strategies.statements import SIMPLE, step
from strategies.statements.gradients import differentiable, is_deep
from strategies.variants import forms

TEXTS_AN_EXAMPLE = 25
"""Programs that a campaign draws from one example of Hypothesis at most, other forms not counted.

A campaign reduces texts and shrinks nothing. An example takes Hypothesis as long as a short program takes to draw, a draw
for each statement costs more, and most examples of many draws repeat parts of earlier ones. So an example is a seed, and
the blocks of its programs are hashes of that. The salt tells one block of programs from another: the first example that
Hypothesis tries is the same in each. Only booleans are drawn: for anything else Hypothesis first looks for constants in
all local modules, which takes 0.1 s.
"""

_EXAMPLES = st.lists(st.booleans(), min_size=16, max_size=16)
_SETTINGS = settings(
    database=None, phases=[Phase.generate], deadline=None, derandomize=False, suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False, print_blob=False, backend="hypothesis",
)  # fmt: skip


def draw_text(block: Callable[[], bytes], profile: Profile) -> str:
    """The text of a program whose statements are drawn from the blocks of bytes that `block` gives one by one."""
    drawing = Drawing(block, profile)
    with _clean_state():
        _draw(drawing)
    return "".join(f"{line}\n" for line in drawing.lines)


class _clean_state:
    """Default dtype, modes and warnings as at the start of a program; everything is put back in the end."""

    def __enter__(self) -> None:
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        warnings.simplefilter("ignore")
        self._errors = np.errstate(all="ignore")
        self._errors.__enter__()
        self._inference = engine.inference_mode(False)
        self._inference.__enter__()
        self._grad = engine.enable_grad()
        self._grad.__enter__()
        self._default = engine.get_default_dtype()
        engine.set_anomaly_enabled(False)
        engine.set_default_dtype(engine.float32)
        if hasattr(engine, "manual_seed"):
            engine.manual_seed(0)

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(RuntimeError):  # that the program has left open
            engine.autograd.forward_ad.exit_dual_level()
        engine.set_default_dtype(self._default)
        engine.set_anomaly_enabled(False)
        self._grad.__exit__(*error)
        self._inference.__exit__(*error)
        self._errors.__exit__(None, None, None)
        self._warnings.__exit__(None, None, None)


def _draw(drawing: Drawing) -> None:
    profile = drawing.profile
    choices = drawing.turn()
    drawing.gradient = choices.chance(profile.gradient)
    _first(drawing)
    # `turns` bounds the draw where statement after statement finds nothing to do.
    for _ in range(2 * profile.most):
        choices = drawing.turn()
        going_on = choices.chance(100 - profile.stop)
        if drawing.count >= profile.most or (drawing.count >= profile.least and not going_on):
            break
        step(drawing)
    if drawing.gradient and not drawing.reached:
        _finish(drawing)


def _first(drawing: Drawing) -> None:
    kind = "leaf" if drawing.gradient else "create"
    for _ in range(3):
        try:
            if drawing.write(SIMPLE[kind](drawing)):
                return
        except Unavailable:
            continue
    drawing.define("torch.ones(2, 3)")


_CHAINS = (
    "{0} * {0}",
    "({0} * 2).sin()",
    "{0}.exp() + {0}",
    "torch.tanh({0}) * 3",
    "({0} + 1) ** 2",
    "{0} / 2 - {0} * {0}",
)


def _finish(drawing: Drawing) -> None:
    """Give a program that is drawn towards a backward one that succeeds: of what it has, else of a short chain."""
    choices, scope = drawing.choices, drawing.scope
    drawing.mistake = False
    deep = scope.matching(
        lambda t: differentiable(t) and is_deep(t) and t.is_floating_point() and t.numel() > 0
    )
    for name in deep[:-3:-1]:
        if _backward(drawing, name):
            return
    leaves = scope.matching(lambda t: t.requires_grad and t.is_leaf and not t.is_inference())
    if not leaves:
        try:
            leaves = [drawing.define("torch.tensor([1.0, -2.0, 0.5], requires_grad=True)")]
        except Unavailable:
            return
    try:
        root = drawing.define(choices.pick(_CHAINS).format(choices.pick(leaves)))
    except Unavailable:
        return
    if scope[root].is_floating_point():
        _backward(drawing, root)


def _backward(drawing: Drawing, name: str) -> bool:
    """Write a backward of the tensor. Returns whether it succeeded."""
    root = drawing.scope[name]
    if root.numel() == 1:
        text = f"{name}.backward()"
    elif drawing.choices.chance(50):
        text = f"{name}.sum().backward()"
    else:
        text = f"{name}.backward(torch.ones_like({name}))"
    drawing.write(Line(text, kept=True))
    drawing.reached = not drawing.raised
    return drawing.reached


@st.composite
def program_texts(draw: st.DrawFn, profile: Profile = DEFAULT) -> str:
    """Texts of programs, mostly of 5 to 20 statements. They shrink to fewer statements and plainer choices."""
    source = blocks()
    return draw_text(lambda: draw(source), profile)


def _hashes(seed: bytes) -> Callable[[], bytes]:
    """A function that gives another block at each call."""
    counter = itertools.count()
    return lambda: hashlib.blake2b(seed + next(counter).to_bytes(2)).digest()


def programs(profile: Profile | str = DEFAULT) -> st.SearchStrategy[Program]:
    """Programs of 3 to about 35 statements (8.5 in the mean) that mostly run; shrinks to few and plain statements."""
    if isinstance(profile, str):
        profile = PROFILES[profile]
    return program_texts(profile).map(parse)


def draw_block(seed_: int, block: int, profile: str = "default", size: int = 100) -> list[str]:
    """The `size` programs of block number `block` under a seed: the same in any process, whatever ran before.

    Each drawn program is followed by its other forms (`strategies.variants`), since drawing costs more than running. Raises
    KeyError for an unknown profile.
    """
    chosen = PROFILES[profile]
    salt = hashlib.sha256(f"{seed_} {block} {profile}".encode()).digest()[:8]
    texts: list[str] = []

    def collect(drawn: list[bool]) -> None:
        if texts and not any(drawn):
            return
        for number in range(TEXTS_AN_EXAMPLE):
            if len(texts) >= size:
                break
            texts.extend(forms(draw_text(_hashes(salt + bytes([*drawn, number])), chosen)))

    # The first example of any block is all False, and mostly enough. Where it is not, it is passed over when it comes again.
    for examples in (1, -(-size // TEXTS_AN_EXAMPLE)):
        if len(texts) < size:
            run = settings(_SETTINGS, max_examples=examples)(given(_EXAMPLES)(collect))
            seed(int.from_bytes(salt))(run)()
    return texts[:size]


__all__ = ["DEFAULT", "PROFILES", "Choices", "draw_block", "draw_text", "program_texts", "programs"]
