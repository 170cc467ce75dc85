"""Runs a program on a backend, statement by statement, and says what could be seen after each.

    with Run(program, backend) as run:
        for step in run:
            ...            # judge it; `follow(run, reference_step)` may follow before the next step runs

A program is a `strategies.program.Program` or anything with its fields; this module imports only NumPy's part of
`conformance`.

Blocks are stepped here, so that what is inside them is observed. An exception ends its block as in Python: the block
and all blocks around it are left (their ``__exit__`` runs and is observed), and the next top-level statement goes on.

Runs on one namespace share its grad mode and random state. So at most one is open at a time: starting another closes
the one before. Compare a backend with itself, or torch-cpu with torch-cuda, by running the reference to its end first.
"""

from __future__ import annotations

import contextlib
import itertools
import warnings
from collections.abc import Generator, Iterator
from time import perf_counter
from typing import Any

from conformance.backends import Backend
from conformance.capabilities import SkipPlan
from conformance.facts import Raised, Step, Trace
from conformance.follow import follow
from conformance.observe import Observer, raised

__all__ = ["Run", "follow", "run_program"]

_open_runs: dict[int, Run] = {}  # by id of the namespace
_BLOCKS = ("with", "for")
_NOT_SEEN = ("_", "__warningregistry__")  # of a loop; what Python adds where a warning is given


class Run:
    """One program on one backend, in steps.

    `plan` says which statements to skip (default: what the backend's capabilities say without a reference's steps).
    `observer` reads the facts, with `Observer`'s methods `observe` and `forget` (default: one of these).
    `seconds` holds the time spent in the program ("run") and in reading facts ("observe"). `last` is the latest step,
    after `follow` with the values that were followed.
    """

    def __init__(
        self, program: Any, backend: Backend, *, plan: SkipPlan | None = None, observer: Any = None
    ) -> None:
        self.program = program
        self.backend = backend
        self.plan = backend.capabilities.skips(program) if plan is None else plan
        self.last: Step | None = None
        self.seconds = {"run": 0.0, "observe": 0.0}
        self._unknown: tuple[str, ...] = ()
        earlier = _open_runs.get(id(backend.namespace))
        if earlier is not None:
            earlier.close()
        backend.reset()
        _open_runs[id(backend.namespace)] = self
        _forget_shown_warnings()
        self.namespace: dict[str, Any] = backend.free_names()
        self._given = len(self.namespace)  # which come first and stay, as no program can bind or delete them
        spans = "np." in program.text or "numpy" in program.text
        self.observer: Any = Observer(backend, spans=spans) if observer is None else observer
        self._capture = _Capture()
        self._steps: Run._Steps | None = self._top_level()
        self._ended = False

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Step]:
        while (step := self.step()) is not None:
            yield step

    def step(self) -> Step | None:
        """Runs up to the next observation; None when the program has ended.

        Raises RuntimeError where the run was closed before its end.
        """
        if self._steps is None:
            if self._ended:
                return None
            raise RuntimeError(
                "this run is closed: another run started on its namespace, or close() was called"
            )
        step = next(self._steps, None)
        if step is None:
            self._ended = True
            self._leave()
        else:
            self.last = step
        return step

    def close(self) -> None:
        """Leaves open blocks, puts back the backend's state and drops the variables; harmless when repeated."""
        self._leave()
        self.namespace.clear()  # hooks refer to it and it to them

    def _leave(self) -> None:
        if self._steps is None:
            return
        steps, self._steps = self._steps, None
        try:
            steps.close()
        finally:
            if "dual_level" in self.program.text:  # to ask takes longer than all else here
                self.backend.leave_dual_level()
            self.backend.restore()
            self.observer.forget()
            if _open_runs.get(id(self.backend.namespace)) is self:
                del _open_runs[id(self.backend.namespace)]

    def variables(self) -> dict[str, Any]:
        """The live names and their values, as the program sees them."""
        found = dict(itertools.islice(self.namespace.items(), self._given, None))
        for name in _NOT_SEEN:
            found.pop(name, None)
        return found

    # --- stepping; each generator returns the exception that ended it ---

    _Steps = Generator[Step, None, BaseException | None]

    def _top_level(self) -> _Steps:
        reasons = self.plan.reasons
        for statement in self.program.statements:
            reason = reasons.get(statement.index)
            if reason is None:
                if statement.kind in _BLOCKS:
                    yield from self._statement(statement, str(statement.index))
                else:  # as `_statement` does, without the time that another generator takes
                    yield self._simple(statement, str(statement.index))[1]
                if self._unknown:  # a name is known again once it is bound anew
                    self._unknown = tuple(name for name in self._unknown if name not in statement.writes)
            else:
                self._unknown = self.plan.unknown.get(statement.index, ())
                for name in self._unknown:
                    self.namespace.pop(name, None)
                for index, path in _paths(statement, str(statement.index)):
                    with self._capture:
                        step = self._observed(perf_counter(), index, path, skipped=reason)
                    yield step
        return None

    def _statement(self, statement: Any, path: str) -> _Steps:
        if statement.kind == "with":
            return (yield from self._with(statement, path))
        if statement.kind == "for":
            return (yield from self._for(statement, path))
        error, step = self._simple(statement, path)
        yield step
        return error

    def _simple(self, statement: Any, path: str) -> tuple[BaseException | None, Step]:
        return self._executed(statement.index, path, exec, statement.code, self.namespace)

    def _body(self, statement: Any, path: str) -> _Steps:
        for inner in statement.body:
            error = yield from self._statement(inner, f"{path}.{inner.index}")
            if error is not None:
                return error
        return None

    def _for(self, statement: Any, path: str) -> _Steps:
        for iteration in range(statement.count):
            self.namespace[statement.target] = iteration
            error = yield from self._body(statement, f"{path}#{iteration}")
            if error is not None:
                return error
        return None

    def _with(self, statement: Any, path: str) -> _Steps:
        stack = contextlib.ExitStack()  # enters and leaves as the `with` statement does
        error, step = self._executed(statement.index, f"{path}.enter", self._enter, stack, statement.code)
        try:
            yield step
            if error is not None:
                return error
            error = yield from self._body(statement, path)
        except GeneratorExit:
            stack.close()
            raise
        suppressed: list[Any] = []
        own, step = self._executed(
            statement.index, f"{path}.exit", lambda: suppressed.append(stack.__exit__(*_exc_info(error)))
        )
        yield step
        if own is not None:
            return own
        return None if suppressed == [True] else error

    def _enter(self, stack: contextlib.ExitStack, code: Any) -> None:
        stack.enter_context(eval(code, self.namespace))

    def _executed(
        self, index: int, path: str, action: Any, *arguments: Any
    ) -> tuple[BaseException | None, Step]:
        """Runs `action` and looks at what is there; the exception it raised, and the step."""
        error: BaseException | None = None
        with self._capture as categories:
            start = perf_counter()
            try:
                action(*arguments)
            except Exception as caught:
                # Its traceback holds the frames of the library, and with them tensors that the program has dropped.
                error = caught.with_traceback(None)
                error.__context__ = error.__cause__ = None
            end = perf_counter()
            self.seconds["run"] += end - start
            return error, self._observed(end, index, path, error, tuple(categories))

    def _observed(
        self,
        start: float,
        index: int,
        path: str,
        error: BaseException | None = None,
        categories: tuple[str, ...] = (),
        skipped: str | None = None,
    ) -> Step:
        """What is there now. Warnings are captured still: a library may warn when it is read, and the program did not."""
        fact: Raised | None = None
        if error is not None:
            fact = raised(error, getattr(self.backend.namespace, "__name__", ""))
        names = self.observer.observe(self.variables())
        self.seconds["observe"] += perf_counter() - start
        return Step(index, path, fact, categories, names, skipped, self._unknown)


def run_program(program: Any, backend: Backend, *, plan: SkipPlan | None = None) -> Trace:
    """The trace of the whole program."""
    with Run(program, backend, plan=plan) as run:
        return Trace(program.text, backend.name, backend.versions(), tuple(run))


def _exc_info(error: BaseException | None) -> tuple[Any, Any, Any]:
    return (None, None, None) if error is None else (type(error), error, None)


def _paths(statement: Any, path: str) -> Iterator[tuple[int, str]]:
    """The steps that running the statement to its end would have."""
    if statement.kind == "with":
        yield statement.index, f"{path}.enter"
        yield from _paths_of_body(statement, path)
        yield statement.index, f"{path}.exit"
    elif statement.kind == "for":
        for iteration in range(statement.count):
            yield from _paths_of_body(statement, f"{path}#{iteration}")
    else:
        yield statement.index, path


def _paths_of_body(statement: Any, path: str) -> Iterator[tuple[int, str]]:
    for inner in statement.body:
        yield from _paths(inner, f"{path}.{inner.index}")


# --- warnings ---


class _Capture:
    """Collects the categories of all warnings, whatever the process's filters say, and shows none of them.

    It does what ``catch_warnings(record=True)`` with the filter "always" does, in a tenth of the time, by setting the
    two documented names `warnings.filters` and `warnings.showwarning` for the duration.
    """

    def __init__(self) -> None:
        self._always: list[Any] = [("always", None, Warning, None, 0)]
        self._categories: list[str] = []
        self._saved: tuple[Any, Any] = (None, None)

    def __enter__(self) -> list[str]:
        self._categories = []
        self._saved = warnings.filters, warnings.showwarning
        warnings.filters, warnings.showwarning = self._always, self._record  # type: ignore[assignment]
        return self._categories

    def __exit__(self, *exc: object) -> None:
        warnings.filters, warnings.showwarning = self._saved

    def _record(self, message: Any, category: type[Warning], *rest: Any) -> None:
        self._categories.append(category.__name__)


def _forget_shown_warnings() -> None:
    """Python shows some warnings once a place; it forgets which it has shown where the filters may have changed."""
    with warnings.catch_warnings():
        pass
