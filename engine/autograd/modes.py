"""Grad mode and inference mode: whether operations are recorded.

Source: https://docs.pytorch.org/docs/stable/notes/autograd.html#locally-disabling-gradient-computation
"""

from __future__ import annotations

import functools
from typing import Any


class _State:
    """The modes of the (single) thread."""

    grad = True
    inference = False


def is_grad_enabled() -> bool:
    """Whether operations on tensors that require grad are recorded."""
    return _State.grad


def is_inference_mode_enabled() -> bool:
    """Whether new tensors are inference tensors."""
    return _State.inference


class _Mode:
    """A context manager that is a decorator too; each entry remembers what it replaces."""

    def __init__(self) -> None:
        self._previous: list[tuple[bool, bool]] = []

    def _enter(self) -> None:
        raise AssertionError("a mode says what it sets")

    def __enter__(self) -> None:
        self._previous.append((_State.grad, _State.inference))
        self._enter()

    def __exit__(self, *error: object) -> None:
        _State.grad, _State.inference = self._previous.pop()

    def __call__(self, function: Any) -> Any:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return wrapped


class no_grad(_Mode):
    """Nothing inside is recorded."""

    def __new__(cls, function: Any = None) -> Any:
        self = super().__new__(cls)
        if function is None:
            return self
        self.__init__()  # type: ignore[misc]
        return self(function)

    def __init__(self, function: Any = None) -> None:
        super().__init__()

    def _enter(self) -> None:
        _State.grad = False


class enable_grad(no_grad):
    """Operations inside are recorded, also within `no_grad`."""

    def _enter(self) -> None:
        _State.grad = True


class set_grad_enabled(_Mode):
    """Set grad mode at once; as a context manager, until the block ends."""

    def __init__(self, mode: bool) -> None:
        super().__init__()
        if not isinstance(mode, bool):
            raise TypeError(f"set_grad_enabled(): argument 'enabled' must be bool, not {type(mode).__name__}")
        self._before = (_State.grad, _State.inference)
        self._mode = mode
        _State.grad = mode

    def _enter(self) -> None:
        self._previous[-1] = self._before
        _State.grad = self._mode

    def __call__(self, function: Any) -> Any:
        _State.grad = self._before[0]
        return super().__call__(function)


class inference_mode(_Mode):
    """Nothing is recorded, and new tensors are inference tensors, which autograd never sees."""

    def __new__(cls, mode: Any = True) -> Any:
        self = super().__new__(cls)
        if isinstance(mode, bool):
            return self
        self.__init__()  # type: ignore[misc]
        return self(mode)

    def __init__(self, mode: Any = True) -> None:
        super().__init__()
        self._mode = mode if isinstance(mode, bool) else True

    def _enter(self) -> None:
        _State.inference = self._mode
        _State.grad = not self._mode
