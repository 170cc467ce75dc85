"""A program on the reference in wider dtypes, which says what its formula gives without the rounding of narrow ones.

The rewriting stays within the program language: float16, bfloat16 and float32 become float64, complex64 becomes complex128,
and so does the default dtype. In lock-step the wider run takes the reference's own results, widened, after each statement, else
after those that draw random numbers, of which wider dtypes take others.

Of float64 and complex128 there is nothing wider that the reference could run in, and what it has is what it had.
`conformance.verdict` says what that confirms.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from conformance import numeric
from conformance.backends import Backend
from conformance.facts import ArrayFact, PlainFact, SequenceFact, Step, TensorFact
from conformance.follow import follow
from conformance.opnames import draws_random
from conformance.runner import Run
from strategies.program import ProgramError, parse

PROLOGUE = "torch.set_default_dtype(torch.float64)"
WIDER = {"float16": "float64", "bfloat16": "float64", "float32": "float64", "complex64": "complex128"}
NAMES = WIDER | {
    "half": "float64", "float": "float64", "cfloat": "complex128", "HalfTensor": "DoubleTensor",
    "BFloat16Tensor": "DoubleTensor", "FloatTensor": "DoubleTensor",
}  # fmt: skip
METHODS = {"half": "double", "bfloat16": "double", "float": "double", "cfloat": "cdouble"}


class _Widen(ast.NodeTransformer):
    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        of_module = isinstance(node.value, ast.Name) and node.value.id in ("torch", "np")
        node.attr = (NAMES if of_module else METHODS).get(node.attr, node.attr)
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, str):
            root, dot, last = node.value.rpartition(".")
            return ast.Constant(root + dot + NAMES.get(last, last))
        return node


def widened(text: str) -> str:
    """The program text in wider dtypes, with one statement before it."""
    return f"{PROLOGUE}\n{ast.unparse(_Widen().visit(ast.parse(text)))}"


class Wider:
    """What the reference has in wider dtypes, by path and name; run when it is first asked for."""

    def __init__(self, program: Any, reference: Sequence[Step], backend: Backend, *, followed: bool) -> None:
        self.program, self.backend, self.followed = program, backend, followed
        self.reference = reference
        self._found: dict[str, Step] | None = None

    def __call__(self, path: str, name: str) -> np.ndarray | None:
        if self._found is None:
            self._found = self._run()
        step = self._found.get(path)
        fact = None if step is None else _named(step.names, name)
        if isinstance(fact, (TensorFact, ArrayFact)) and isinstance(fact.values, bytes):
            dtype, shape = str(fact.dtype), fact.shape
            known = dtype in numeric.NUMPY_TYPES or dtype in numeric.COMPONENTS
            return numeric.decode(dtype, fact.values).reshape(shape) if known else None  # type: ignore[arg-type]
        return _plain_number(fact)

    def _run(self) -> dict[str, Step]:
        try:
            program = parse(widened(self.program.text))
        except ProgramError:
            return {}
        found = {}
        random = {
            one.index: one.reads | one.writes
            for one in self.program.walk()
            if any(map(draws_random, one.calls))
        }
        by_path = {step.path: step for step in self.reference}
        with Run(program, self.backend) as run:
            for step in run:
                path = _original(step.path)
                found[path] = step
                wanted = by_path.get(path)
                if wanted is None or not (self.followed or wanted.statement in random):
                    continue
                names = wanted.names if self.followed else random[wanted.statement]
                follow(
                    run,
                    wanted._replace(names={n: _widened(f) for n, f in wanted.names.items() if n in names}),
                )
        return found


def _original(path: str) -> str:
    """The path in the program without the statement before it."""
    parts = []
    for part in path.split("."):
        index, turn = part.partition("#")[::2]
        parts.append(part if not index.isdigit() else f"{int(index) - 1}" + (f"#{turn}" if turn else ""))
    return ".".join(parts)


def _named(names: Mapping[str, Any], name: str) -> Any:
    """The fact behind a name such as "x", "x.grad" or "x[0]"."""
    for root, fact in names.items():
        found = {root: fact}
        while found:
            if name in found:
                return found[name]
            found = {key: item for at, one in found.items() for key, item in _within(at, one)}
    return None


def _within(name: str, fact: Any) -> list[tuple[str, Any]]:
    if isinstance(fact, TensorFact):
        return [] if fact.grad is None else [(f"{name}.grad", fact.grad)]
    if isinstance(fact, SequenceFact):
        return [(f"{name}[{i}]", item) for i, item in enumerate(fact.items)]
    return []


def _plain_number(fact: Any) -> np.ndarray | None:
    if isinstance(fact, PlainFact) and fact.type in ("float", "numpy.float64"):
        return np.array(float.fromhex(fact.text))
    return None


def _widened(fact: Any) -> Any:
    """The fact in wider dtypes, with the same values."""
    if isinstance(fact, SequenceFact):
        return replace(fact, items=tuple(map(_widened, fact.items)))
    if isinstance(fact, TensorFact) and isinstance(fact.grad, TensorFact):
        fact = fact._replace(grad=_widened(fact.grad))
    if isinstance(fact, (TensorFact, ArrayFact)) and isinstance(fact.values, bytes):
        wide = WIDER.get(str(fact.dtype))
        if wide is not None:
            values = numeric.decode(str(fact.dtype), fact.values).astype(wide).tobytes()
            return fact._replace(dtype=wide, values=values)
    return fact
