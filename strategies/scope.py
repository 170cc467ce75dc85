"""The names of a program that is being drawn, and what the engine bound to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

import engine
from engine import Tensor
from strategies.choices import Choices
from strategies.program import Prelude

Where = Callable[[Tensor], bool]
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
# As in a backend's namespace: only what C code imports through.
_BUILTINS = {"__import__": __import__, "range": range}


_PRELUDE = Prelude(engine)


class Unavailable(Exception):
    """Nothing in scope fits what was to be drawn; the drawer tries something else."""


def is_defined(tensor: Tensor) -> bool:
    """Whether no element is one that torch leaves undefined."""
    return engine.undefined_mask(tensor) is None


def _holds(where: Where, tensor: Tensor) -> bool:
    try:
        return where(tensor)
    except RuntimeError:  # reading an attribute may raise, as grad_fn of some views of inference mode does
        return False


class Scope:
    """A namespace of the engine and its live names by kind, the most recently bound last."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {
            "__builtins__": _BUILTINS, "torch": engine, "np": numpy, "nan": float("nan"), "inf": float("inf"),
            "range": range, "prelude": _PRELUDE,
        }  # fmt: skip
        self.tensors: list[str] = []
        self.arrays: list[str] = []
        self.numbers: list[str] = []
        self.handles: list[str] = []
        self.others: list[str] = []
        self.holds_arrays = False
        """Whether the text mentions NumPy: then it may not replace a tensor's memory (see `strategies.program`)."""
        self.replaces = False
        """Whether the text gives a tensor other memory: then it may not mention NumPy."""
        self.seeded = False
        self._count = 0

    def fresh(self) -> str:
        """The next unused name: a to z, then a1 to z1, ... It is taken only once something is bound to it."""
        turn, letter = divmod(self._count, 26)
        return _LETTERS[letter] + (str(turn) if turn else "")

    def __getitem__(self, name: str) -> Any:
        return self.names[name]

    def note(self, name: str) -> None:
        """File a name that was bound by the kind of what it holds now."""
        if name == self.fresh():
            self._count += 1
        self.forget(name)
        value = self.names[name]
        if isinstance(value, Tensor):
            self.tensors.append(name)
        elif isinstance(value, numpy.ndarray):
            self.arrays.append(name)
        elif isinstance(value, (bool, int, float, complex)):
            self.numbers.append(name)
        elif hasattr(value, "remove"):
            self.handles.append(name)
        else:
            self.others.append(name)

    def forget(self, name: str) -> None:
        """Take a name off the lists."""
        for kind in (self.tensors, self.arrays, self.numbers, self.handles, self.others):
            if name in kind:
                kind.remove(name)

    def note_all(self) -> None:
        """File every name again, in the same order: statements executed once more may have bound it to something else."""
        for name in [*self.tensors, *self.arrays, *self.numbers, *self.handles, *self.others]:
            self.note(name)

    def tensor(self, choices: Choices, where: Where | None = None, *, undefined: bool = False) -> str:
        """A name of a tensor for which `where` holds, recent ones first. Raises Unavailable."""
        names = self.matching(where, undefined=undefined)
        if not names:
            raise Unavailable
        return recent(choices, names)

    def matching(self, where: Where | None = None, *, undefined: bool = False) -> list[str]:
        """All names of tensors for which `where` holds, without those that hold undefined elements."""
        held, names = self.names, self.tensors
        if not undefined:
            names = [name for name in names if is_defined(held[name])]
        return [name for name in names if where is None or _holds(where, held[name])]


def recent(choices: Choices, names: list[str]) -> str:
    """One of the names: mostly one of the last three, sometimes any."""
    byte = choices.byte()
    if byte < 160 or len(names) <= 3:
        window = min(3, len(names))
        return names[-1 - (byte * window >> 8 if byte >= 160 else byte * window // 160)]
    return names[(byte - 160) * len(names) // 96]
