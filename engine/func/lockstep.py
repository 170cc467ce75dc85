"""The examples of a map that have to wait for each other, because a user's Function is called with all of them at once.

A map is a loop over examples (`engine.func.batching`). A Function that says itself what it is for a batch, by its `vmap`, needs
the arguments of every example when the first one calls it. From then on the others run in threads of their own, one at a time:
each waits at each such call until the first example comes there, too.

Source: https://docs.pytorch.org/docs/stable/notes/extending.func.html#defining-the-vmap-staticmethod
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from engine import functions
from engine.autograd.modes import _State
from engine.autograd.saved import _Disabled
from engine.func.forward import _Nesting
from engine.func.trees import flatten, spread, unflatten
from engine.tensor import Tensor

_MORE = " For more details, please see https://pytorch.org/docs/main/notes/extending.func.html"


class VmapInfo(NamedTuple):
    """What the `vmap` of a Function is told of the map."""

    batch_size: int
    randomness: str


class _Abandoned(BaseException):
    """Ends an example whose map has failed."""


def _modes() -> list[tuple[Any, dict[str, Any]]]:
    """All that blocks set for the code inside them."""
    return [
        (kept, {name: value for name, value in vars(kept).items() if not name.startswith("__")})
        for kept in (_State, _Disabled, _Nesting)
    ]


def _set_modes(modes: list[tuple[Any, dict[str, Any]]]) -> None:
    for kept, values in modes:
        for name, value in values.items():
            setattr(kept, name, value)


class _Worker:
    """One example that runs in a thread, and only while `advance` waits for it."""

    def __init__(self, run: Callable[[], Any], modes: list[tuple[Any, dict[str, Any]]]) -> None:
        self._run, self._modes = run, modes
        self._go, self._rest = threading.Semaphore(0), threading.Semaphore(0)
        self._answer: Any = None
        self._asked: Any = None
        self._error: BaseException | None = None
        self.finished = False
        self.result: Any = None
        self._thread = threading.Thread(target=self._work, daemon=True)

    def _work(self) -> None:
        self._go.acquire()
        try:
            if not isinstance(self._answer, _Abandoned):
                self.result = self._run()
        except BaseException as error:
            self._error = error
        self.finished, self._asked = True, None
        self._rest.release()

    def ask(self, arguments: Any) -> Any:
        """Within the thread: rest with these arguments until there is an answer."""
        self._asked = arguments
        self._rest.release()
        self._go.acquire()
        if isinstance(self._answer, _Abandoned):
            raise self._answer
        return self._answer

    def advance(self, answer: Any = None) -> Any:
        """Let the example go on to its next call, with the answer to the last one; the arguments of that call."""
        if self._thread.ident is None:
            self._thread.start()
        before = _modes()
        _set_modes(self._modes)
        self._answer = answer
        self._go.release()
        self._rest.acquire()
        self._modes = _modes()
        _set_modes(before)
        if self._error is not None and not isinstance(self._error, _Abandoned):
            error, self._error = self._error, None
            raise error
        return self._asked


class Lockstep:
    """The examples of one map: `run(index)` is what the map's function gives for one."""

    def __init__(self, run: Callable[[int], Any], size: int) -> None:
        self.size = size
        self._run = run
        self._modes = _modes()
        self._workers: list[_Worker] = []
        self._answers: list[Any] = []
        self._current: _Worker | None = None

    def results(self) -> list[Any]:
        """What each example comes to, in order."""
        try:
            found = [self._run(0)]
            for index in range(1, self.size):
                found.append(self._finished(index) if self._workers else self._run(index))
            return found
        finally:
            for worker in self._workers:
                if not worker.finished:
                    worker.advance(_Abandoned())

    def _finished(self, index: int) -> Any:
        worker = self._workers[index - 1]
        self._go_on(index)
        if not worker.finished:
            raise RuntimeError("vmap: the examples of a map call different functions")
        return worker.result

    def _go_on(self, index: int) -> Any:
        """Let an example go on to its next call; what it asks there."""
        worker = self._workers[index - 1]
        before, self._current = self._current, worker
        try:
            return worker.advance(self._answers[index] if self._answers else None)
        finally:
            self._current = before

    def call(self, watch: Any, function: Any, args: tuple[Any, ...]) -> tuple[Any, list[bool]]:
        """What a Function returns for the example that is running, and which of its outputs are mapped."""
        if self._current is not None:
            found: tuple[Any, list[bool]] = self._current.ask(args)
            return found
        if not self._workers:
            self._workers = [
                _Worker(lambda i=i: self._run(i), self._modes)  # type: ignore[misc]
                for i in range(1, self.size)
            ]
        rows = [args, *(self._go_on(index) for index in range(1, self.size))]
        self._answers = self._batched(watch, function, rows)
        first: tuple[Any, list[bool]] = self._answers[0]
        return first

    def _batched(self, watch: Any, function: Any, rows: list[Any]) -> list[Any]:
        """The outputs for each example, from the arguments of each."""
        operands, in_dims = [], []
        for position, first in enumerate(rows[0]):
            whole, dim = first, None
            if isinstance(first, Tensor) and watch.knows(first):
                whole, dim = watch.whole(first) or (functions.stack([row[position] for row in rows], 0), 0)
            operands.append(whole)
            in_dims.append(dim)
        made = function.vmap(VmapInfo(self.size, watch.randomness), tuple(in_dims), *operands)
        if not isinstance(made, tuple) or len(made) != 2:
            raise RuntimeError(
                "Expected the vmap staticmethod to have two returns, an output and out_dims with pytree structure compatible "
                f"with the output. Got a {type(made)} instead"
            )
        outputs, shape = flatten(made[0])
        dims = spread(made[1], shape)
        if dims is None:
            raise RuntimeError(
                "The autograd.Function's vmap staticmethod returned an incompatible (output, out_dims) tuple. Expected "
                f"out_dims={made[1]} to be compatible with the structure of `output`. out_dims has structure "
                f"{flatten(made[1])[1]} but output has structure {shape}.{_MORE}"
            )
        return [
            (
                unflatten(
                    [
                        t if dim is None else t.select(dim, index).clone()
                        for t, dim in zip(outputs, dims, strict=True)
                    ],
                    shape,
                ),
                [dim is not None for dim in dims],
            )
            for index in range(self.size)
        ]
