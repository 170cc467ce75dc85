"""Which elements have no defined value, where neither backend can say: memory of `empty` and its kin, before it is written.

Only the engine tracks that. So where it takes no part, it runs beside the reference, takes the reference's bits after
every statement, and its masks go into the reference's facts.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from conformance.backends import Backend, resolve
from conformance.facts import ArrayFact, SequenceFact, Step, TensorFact
from conformance.runner import Run, follow


@functools.cache
def _engine() -> Backend:
    return resolve("engine")


def with_undefined(program: Any, reference: Sequence[Step]) -> tuple[Step, ...]:
    """The reference's steps, with the elements marked that the engine knows to be undefined.

    A step that the engine does not come to (it lacks an operation, or differs itself) stays as it is.
    """
    by_path = {step.path: step for step in reference}
    marked: dict[str, Step] = {}
    with Run(program, _engine()) as run:
        for step in run:
            wanted = by_path.get(step.path)
            if wanted is None:
                continue
            names = {name: _marked(fact, step.names.get(name)) for name, fact in wanted.names.items()}
            if names != wanted.names:
                marked[step.path] = wanted._replace(names=names)
            follow(run, wanted)
    return tuple(marked.get(step.path, step) for step in reference)


def _marked(fact: Any, own: Any) -> Any:
    if isinstance(fact, TensorFact) and isinstance(own, TensorFact):
        grad = _marked(fact.grad, own.grad)
        same = (fact.dtype, fact.shape) == (own.dtype, own.shape)
        undefined = own.undefined if same and fact.undefined is None else fact.undefined
        return fact._replace(grad=grad, undefined=undefined)
    if isinstance(fact, ArrayFact) and isinstance(own, ArrayFact):
        same = (fact.dtype, fact.shape) == (own.dtype, own.shape)
        return fact._replace(undefined=own.undefined) if same and fact.undefined is None else fact
    if isinstance(fact, SequenceFact) and isinstance(own, SequenceFact) and len(fact.items) == len(own.items):
        return replace(fact, items=tuple(map(_marked, fact.items, own.items)))
    return fact
