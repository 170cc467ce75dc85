"""A program that is being drawn: what is written so far, the engine's state, and the next choices.

Drawers of statements return what they mean to write; `Drawing` runs it on the engine, chooses names for its results and
writes it down. There is no second shape inference: what the engine refuses was a mistake.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

from engine import Tensor
from engine.dtypes import LacksError
from strategies.choices import Choices
from strategies.profiles import Profile
from strategies.program.statements import head, simple
from strategies.scope import Scope, Unavailable

LARGEST_RESULT = 200
"""Elements of a result at most: what is larger is drawn again."""

# What torch raises for wrong programs. Anything else is the engine's own fault: such statements stay in the program,
# so that a run shows them.
_EXPECTED = (RuntimeError, TypeError, ValueError, IndexError, AttributeError, NotImplementedError)


class Expression(NamedTuple):
    """Text with a value; `effect`: it is worth writing without a name for its value."""

    text: str
    effect: bool = False


class Line(NamedTuple):
    """Text without a value, and the names that it binds. `kept`: it stays where it raises, as it may have had an effect."""

    text: str
    binds: tuple[str, ...] = ()
    kept: bool = False


class Drawing:
    """The state of a draw. `block()` gives the bytes of the next statement."""

    def __init__(self, block: Callable[[], bytes], profile: Profile) -> None:
        self._block = block
        self.profile = profile
        self.scope = Scope()
        self.lines: list[str] = []
        self.choices = Choices(b"\0")
        self.count = 0
        self.depth = 0
        self.gradient = False
        """Whether the program is drawn towards a backward."""
        self.reached = False
        """Whether a backward has succeeded through two recorded operations."""
        self.root_is_deep = False
        """Whether the root of the backward that is being drawn has a history of two operations or more."""
        self.raised = False
        """Whether the statement written last raised."""
        self.mistake = False
        """Whether the statement that is being drawn may be a mistake."""

    def turn(self) -> Choices:
        """Draw the bytes of the next statement."""
        self.choices = Choices(self._block())
        return self.choices

    # ------------------------------------------------------------------------------------------------------- writing

    def write(self, drawn: Expression | Line) -> bool:
        """Run what was drawn and write it down, unless it raises and may not. Returns whether it was written."""
        self.raised = False
        return self._line(drawn) if isinstance(drawn, Line) else self._expression(drawn)

    def add(self, text: str) -> None:
        """Write a line."""
        self.lines.append(text)
        self.count += 1

    def manager(self, text: str) -> Any:
        """The context manager of a `with` line."""
        return eval(head(f"with {text}:").code, self.scope.names)

    def _kept(self, error: Exception) -> bool:
        if isinstance(error, LacksError):
            return False
        return self.mistake or not isinstance(error, _EXPECTED) or isinstance(error, np.exceptions.AxisError)

    def _line(self, line: Line) -> bool:
        code = simple(line.text).code  # raises ProgramError, which is a drawer's fault and no mistake
        try:
            exec(code, self.scope.names)
        except Exception as error:
            if isinstance(error, LacksError) or not (line.kept or self._kept(error)):
                return False
            self.add(line.text)
            self.raised = True
            return True
        self.add(line.text)
        for name in line.binds:
            self.scope.note(name)
        return True

    def _expression(self, expression: Expression) -> bool:
        name, code = self._assigning(expression.text)
        try:
            exec(code, self.scope.names)
        except Exception as error:
            if not self._kept(error):
                return False
            bare = (expression.effect or self.choices.chance(15)) and is_call(expression.text)
            self.add(expression.text if bare else f"{self.scope.fresh()} = {expression.text}")
            self.raised = True
            return True
        value = self.scope.names.pop(name)
        if not expression.effect and not small(value):
            return False
        self._bind(expression, value)
        return True

    def _assigning(self, text: str) -> tuple[str, CodeType]:
        """A fresh name, and the code that binds it: of the line that is most likely written, which is so parsed already."""
        name = self.scope.fresh()
        return name, simple(f"{name} = {text}").code

    def _bind(self, expression: Expression, value: Any) -> None:
        choices, scope = self.choices, self.scope
        if is_call(expression.text) and (value is None or (expression.effect and choices.chance(85))):
            self.add(expression.text)
            return
        if (
            isinstance(value, (tuple, list))
            and 1 < len(value) <= 4
            and isinstance(value[0], Tensor)
            and choices.chance(75)
        ):
            names = []
            for item in value:
                name = scope.fresh()
                scope.names[name] = item
                scope.note(name)
                names.append(name)
            self.add(f"{', '.join(names)} = {expression.text}")
            return
        name = scope.fresh()
        if scope.tensors and choices.chance(9):
            name = choices.pick(scope.tensors)
        scope.names[name] = value
        scope.note(name)
        self.add(f"{name} = {expression.text}")

    def define(self, text: str) -> str:
        """Write an assignment of an expression to a fresh name, at once, as what the current statement needs.

        Raises Unavailable where the engine refuses it.
        """
        name, code = self._assigning(text)
        try:
            exec(code, self.scope.names)
        except Exception:
            raise Unavailable from None
        self.scope.note(name)
        self.add(f"{name} = {text}")
        return name


def is_call(text: str) -> bool:
    """Whether an expression is a call, and so a statement without a name for its value."""
    return text.endswith(")") and " " not in text.partition("(")[0] and text[0] not in "(-~+"


def small(value: Any) -> bool:
    """Whether a result is small enough to go on with."""
    if isinstance(value, Tensor):
        return value.numel() <= LARGEST_RESULT
    if isinstance(value, (tuple, list)):
        return len(value) <= 16 and all(map(small, value))
    return not isinstance(value, np.ndarray) or value.size <= LARGEST_RESULT
