"""Grad mode and inference mode: whether operations are recorded.

Source: https://docs.pytorch.org/docs/stable/notes/autograd.html#locally-disabling-gradient-computation
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any


class _Modes:
    """The modes of the (single) thread, in `_State`: an instance, whose attributes Python reads faster than those of a class.

    evaluating: with anomaly detection, the node that is running. before_write: what is called with a tensor that is about to
    be written in place (`engine.autograd.mutation`). forward: what operations go through first (`forward_ad.Layer`): a level
    of forward-mode differentiation, or a transform. task: the backward pass that is running (`execution.GraphTask`).
    keeps_inference: whether inference tensors may be saved (`engine.autograd.saved`).
    """

    def __init__(self) -> None:
        self.grad = True
        self.inference = False
        self.anomaly = False
        self.check_nan = True
        self.evaluating: Any = None
        self.before_write: Any = None
        self.forward: Any = None
        self.task: Any = None
        self.keeps_inference = False


_State = _Modes()


def is_grad_enabled() -> bool:
    """Whether operations on tensors that require grad are recorded."""
    return _State.grad


def is_inference_mode_enabled() -> bool:
    """Whether new tensors are inference tensors."""
    return _State.inference


def in_transform() -> bool:
    """Whether a transform (`torch.func`) is running."""
    return _State.forward is not None and bool(_State.forward.transformed())


class _Mode:
    """A context manager that decorates functions too: each call of one is made inside a mode of its own."""

    _before: tuple[bool, bool]

    def _again(self) -> _Mode:
        return type(self)()

    def __enter__(self) -> None:
        raise AssertionError("a mode says what it sets")

    def __exit__(self, *error: object) -> None:
        _State.grad, _State.inference = self._before

    def __call__(self, function: Any) -> Any:
        if inspect.isclass(function):
            warnings.warn(
                "Decorating classes is deprecated and will be disabled in future versions. You should only decorate functions "
                "or methods. To preserve the current behavior of class decoration, you can directly decorate the `__init__` "
                "method and nothing else.",
                FutureWarning,
                stacklevel=2,
            )
        if inspect.isgeneratorfunction(function):
            return _generating(self._again, function)

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                return function(*args, **kwargs)

        return wrapped


def _generating(mode: Callable[[], _Mode], function: Any) -> Any:
    """A generator function whose generators run inside the mode and wait outside of it."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        generator = function(*args, **kwargs)
        go_on: Callable[[], Any] = lambda: next(generator)  # noqa: E731
        while True:
            try:
                with mode():
                    made = go_on()
            except StopIteration as end:
                return end.value
            try:
                sent = yield made
            except GeneratorExit:
                with mode():
                    generator.close()
                raise
            except BaseException as error:
                go_on = functools.partial(generator.throw, error)
            else:
                go_on = functools.partial(generator.send, sent)

    return wrapped


class no_grad(_Mode):
    """Nothing inside is recorded."""

    _grad = False

    def __new__(cls, function: Any = None) -> Any:
        self = super().__new__(cls)
        return self if function is None else self(function)

    def __init__(self, function: Any = None) -> None:
        pass

    def __enter__(self) -> None:
        self._before = (_State.grad, _State.inference)
        _State.grad = self._grad


class enable_grad(no_grad):
    """Operations inside are recorded, also within `no_grad`."""

    _grad = True


class set_grad_enabled(_Mode):
    """Set grad mode at once; as a context manager, until the block ends."""

    def __init__(self, mode: bool) -> None:
        if not isinstance(mode, bool):
            raise TypeError(
                f"set_grad_enabled(): argument 'enabled' (position 1) must be bool, not {type(mode).__name__}"
            )
        self._before = (_State.grad, _State.inference)
        self._mode = _State.grad = mode

    def _again(self) -> _Mode:
        return set_grad_enabled(self._mode)

    def __enter__(self) -> None:
        _State.grad = self._mode

    def __call__(self, function: Any) -> Any:
        _State.grad = self._before[0]
        return super().__call__(function)

    def __repr__(self) -> str:
        return f"torch.autograd.grad_mode.set_grad_enabled(mode={self._mode})"


class inference_mode(_Mode):
    """Nothing is recorded, and new tensors are inference tensors, which autograd never sees."""

    def __new__(cls, mode: Any = True) -> Any:
        self = super().__new__(cls)
        if isinstance(mode, bool):
            return self
        self.__init__()  # type: ignore[misc]
        return self(mode)

    def __init__(self, mode: Any = True) -> None:
        self._mode = mode if isinstance(mode, bool) else True

    def _again(self) -> _Mode:
        return inference_mode(self._mode)

    def __enter__(self) -> None:
        self._before = (_State.grad, _State.inference)
        _State.inference, _State.grad = self._mode, not self._mode


class outside_inference(_Mode):
    """Inference mode is off, grad mode as it is: what a transform does is not part of it."""

    def __enter__(self) -> None:
        self._before = (_State.grad, _State.inference)
        _State.inference = False


class set_multithreading_enabled(_Mode):
    """Say whether backward may use threads of its own, which the engine never does.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.grad_mode.set_multithreading_enabled.html
    """

    def __init__(self, mode: bool) -> None:
        self._mode = mode

    def _again(self) -> _Mode:
        return set_multithreading_enabled(self._mode)

    def __enter__(self) -> None:
        self._before = (_State.grad, _State.inference)
