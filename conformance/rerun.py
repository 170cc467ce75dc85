"""What the statements of a program come to where rounding is not what it was: the engine wide and perturbed.

A rerun goes as the judged run went. Where that followed the reference, so does the rerun: after each statement its memory
takes the reference's bits, and only what the next statement computes is of the mode.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from conformance import opnames
from conformance.accuracy import carried
from conformance.backends import Backend, resolve
from conformance.facts import ArrayFact, PlainFact, SequenceFact, Step, TensorFact, tensor_facts
from conformance.observe import MAX_DEPTH
from conformance.runner import Run
from engine import precision

# Perturbed runs: at first, which tells what the ledger knows; before something is a difference; before one of values is reported.
GLANCE, FEW, MANY = 4, 8, 72
SEEDS = tuple(range(MANY))
SECONDS = 8.0  # for the reruns of one program; less than what a campaign gives a program
SMALL = 4096  # elements: what mpmath computes one by one, where nothing else is wider than float64


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One value after a statement: of a tensor or an array its dtype, shape and elements in row-major order, of a number an
    array without dimensions; of anything else its repr. `wider`: the elements have more digits than the dtype. `undefined`
    marks those that may be anything, such as casts of what an integer cannot hold."""

    kind: str
    shape: tuple[int, ...] = ()
    elements: np.ndarray | None = None
    text: str = ""
    wider: bool = False
    undefined: np.ndarray | None = None

    @property
    def signature(self) -> tuple[Any, ...]:
        """What of it is discrete whatever its elements are."""
        return self.kind, self.shape, self.text


@dataclass(frozen=True, slots=True)
class Moment:
    """A rerun after one statement. `left_range`: something overflowed or underflowed there. `met_undefined`: of a perturbed run,
    something there was left undefined and got a value. `allowances`: of a wide run, what special functions gave there, and what
    each element of that may be off by."""

    raised: str | None
    seen: Mapping[str, Seen]
    left_range: bool
    allowances: tuple[tuple[np.ndarray, np.ndarray], ...] = ()
    met_undefined: bool = False

    def allowed(self, elements: np.ndarray) -> np.ndarray | None:
        """What these elements may be off by, where a special function gave them."""
        for given, allowance in self.allowances:
            if np.array_equal(given, elements, equal_nan=True):
                return allowance
        return None


@dataclass(frozen=True, slots=True)
class _Rerun:
    """One rerun, by the path of each step: of the whole program, or as far as it was asked for."""

    moments: Mapping[str, Moment]
    whole: bool


class Reruns:
    """The reruns of one program, each made when it is first asked for, as far as that statement. Most programs differ at one;
    where a later one is asked for, the rerun is made again, of the whole program. `path`: that of a step."""

    def __init__(self, program: Any, reference: Sequence[Step], *, followed: bool) -> None:
        self.program, self.followed = program, followed
        self._steps = reference
        self._wide: _Rerun | None = None
        self._perturbed: list[_Rerun] = []
        self._spent = 0.0

    @functools.cached_property
    def reference(self) -> dict[str, Step]:
        """The reference's steps by path."""
        return {step.path: step for step in self._steps}

    @functools.cached_property
    def backwards(self) -> set[int]:
        """The statements that compute from what earlier ones saved."""
        return {one.index for one in self.program.walk() if any(map(opnames.is_backward, one.calls))}

    @functools.cached_property
    def _multiprecision(self) -> bool:
        facts = (fact for step in self.reference.values() for _, fact in tensor_facts(step.names))
        shapes = (fact.shape for fact in facts)
        return all(math.prod(shape) <= SMALL for shape in shapes if isinstance(shape, tuple))

    def wide(self, path: str) -> Moment | None:
        if self._wide is None or not _reaches(self._wide, path):
            mode = precision.wide(multiprecision=self._multiprecision, accuracy=carried())
            self._wide = self._run(mode, path if self._wide is None else None)
        return self._wide.moments.get(path)

    def perturbed(self, path: str, count: int) -> list[Moment | None]:
        """Of the first `count` perturbed runs; of fewer where they take too long."""
        runs = self._perturbed
        for position, seed in enumerate(SEEDS[:count]):
            if position < len(runs) and _reaches(runs[position], path):
                continue
            if self._spent > SECONDS:
                del runs[position:]
                break
            again = position < len(runs)
            runs[position : position + 1] = [
                self._run(precision.perturbed(seed, carried()), None if again else path)
            ]
        return [run.moments.get(path) for run in runs[:count]]

    def all(self, path: str, count: int) -> list[Moment | None]:
        return [self.wide(path), *self.perturbed(path, count)]

    def _run(self, mode: precision.nominal, last: str | None) -> _Rerun:
        """A rerun up to the step of path `last`, of the whole program where that is None or not reached."""
        found: dict[str, Moment] = {}
        left, whole, start = False, True, perf_counter()
        with mode, np.errstate(all="ignore"), Run(self.program, _engine(), observer=_Watcher()) as run:
            for step in run:
                here = precision.left_range()
                left = left or here
                cumulative = not self.followed or step.statement in self.backwards
                raised = None if step.raised is None else step.raised.type
                seen: Any = step.names
                allowances = tuple(precision.allowances())
                met = precision.met_undefined()
                found[step.path] = Moment(raised, seen, left if cumulative else here, allowances, met)
                if step.path == last:
                    whole = False
                    break
                wanted = self.reference.get(step.path)
                if self.followed and wanted is not None:
                    _follow(run.namespace, wanted.names)
        self._spent += perf_counter() - start
        return _Rerun(found, whole)


def _reaches(run: _Rerun, path: str) -> bool:
    return run.whole or path in run.moments


@functools.cache
def _engine() -> Backend:
    return resolve("engine")


# --- Reading --------------------------------------------------------------------------------------------------------


class _Watcher:
    """An observer of values alone, with all digits that they have in the present mode."""

    def observe(self, variables: Mapping[str, Any]) -> dict[str, Seen]:
        return {key: seen for name, value in variables.items() for key, seen in _seen(name, value, 0)}

    def forget(self) -> None:
        pass


def _seen(name: str, value: Any, depth: int) -> Iterator[tuple[str, Seen]]:
    import engine

    if isinstance(value, engine.Tensor):
        yield name, _tensor(value)
        grad = _gradient(value)
        if grad is not None and depth < MAX_DEPTH:
            yield from _seen(f"{name}.grad", grad, depth + 1)
    elif isinstance(value, np.ndarray):
        yield name, Seen(str(value.dtype), value.shape, np.array(value))
    elif isinstance(value, (list, tuple, dict)):
        parts = [part for pair in value.items() for part in pair] if isinstance(value, dict) else value
        yield name, Seen(type(value).__name__, (len(parts),))
        if depth < MAX_DEPTH:
            for i, part in enumerate(parts):
                yield from _seen(f"{name}[{i}]", part, depth + 1)
    elif isinstance(value, (float, complex, np.inexact)):
        yield name, Seen("complex" if isinstance(value, complex) else "float", (), np.array(value))
    else:
        yield (
            name,
            Seen(type(value).__name__, text=repr(value) if isinstance(value, (bool, int, str)) else ""),
        )


def _gradient(t: Any) -> Any:
    try:
        return t.grad if t.is_leaf or t.retains_grad else None
    except RuntimeError:  # a view that a write to its base has made useless
        return None


def _tensor(t: Any) -> Seen:
    try:
        elements = np.array(precision.values(t), order="C")
    except Exception:  # its storage has been made too small for it
        return Seen(t.dtype.name, tuple(t.shape), text="unreadable")
    accurate = precision.accurate_to(t)
    undefined = t._undefined_mask()
    return Seen(
        t.dtype.name,
        elements.shape,
        elements,
        wider=accurate.itemsize > t.dtype.nominal.itemsize,
        undefined=undefined,
    )


# --- Following ------------------------------------------------------------------------------------------------------


def _follow(namespace: dict[str, Any], wanted: Mapping[str, Any]) -> None:
    """Gives live tensors, arrays and floating numbers the reference's bits, where dtype and shape agree."""
    for name, fact in wanted.items():
        if name in namespace:
            namespace[name] = _followed(namespace[name], fact)


def _followed(value: Any, fact: Any) -> Any:
    """The value, written to in place or, of a number, replaced."""
    if isinstance(fact, PlainFact):
        if fact.type == type(value).__name__ and fact.type in ("float", "complex"):
            numbers = [float.fromhex(part) for part in fact.text.split()]
            return numbers[0] if fact.type == "float" else complex(*numbers)
    elif isinstance(fact, TensorFact):
        _write_tensor(value, fact)
    elif isinstance(fact, ArrayFact):
        same = isinstance(value, np.ndarray) and (str(value.dtype), value.shape) == (fact.dtype, fact.shape)
        if same and value.flags.writeable and isinstance(fact.values, bytes):
            value[...] = np.frombuffer(fact.values, value.dtype).reshape(value.shape)
    elif isinstance(fact, SequenceFact) and isinstance(value, (list, tuple, dict)):
        parts = [part for pair in value.items() for part in pair] if isinstance(value, dict) else value
        for i, (part, item) in enumerate(zip(parts, fact.items, strict=False)):
            new = _followed(part, item)
            if isinstance(value, list):
                value[i] = new
    return value


def _write_tensor(t: Any, fact: TensorFact) -> None:
    if getattr(getattr(t, "dtype", None), "name", None) != fact.dtype or tuple(t.shape) != fact.shape:
        return
    if isinstance(fact.values, bytes):
        try:
            precision.overwrite(t, fact.values)
        except (TypeError, ValueError):  # memory that is read-only, or too small by now
            return
    if isinstance(fact.grad, TensorFact) and (grad := _gradient(t)) is not None:
        _write_tensor(grad, fact.grad)
