"""How much was compared, which tells what silence is worth, and the record of a program that says so."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from conformance import opnames
from conformance.facts import ArrayFact, Raised, SequenceFact, Step, TensorFact, dtypes_in
from conformance.numeric import FLOATING

if TYPE_CHECKING:
    from conformance.judge import Verdict

# dtype shape strides offset contiguity values requires_grad is_leaf grad_fn graph retains_grad version aliasing
_ASPECTS_OF_TENSOR = 13


def count(steps: Iterable[Step]) -> tuple[int, int]:
    """How many single aspects were compared: exceptions, warnings, and every name's; and how many values of inexact dtypes
    among them the step before did not show."""
    facts = floats = 0
    before: dict[str, Any] = {}
    for step in steps:
        facts += 2
        for name, fact in step.names.items():
            facts += 1 + _aspects(fact)
            old = before.get(name)
            if type(fact) is TensorFact:
                if _is_inexact(fact.dtype):
                    floats += (
                        type(old) is not TensorFact or old.values != fact.values or old.grad != fact.grad
                    )
            elif old != fact:
                floats += sum(map(_is_inexact, dtypes_in([fact])))
        before = step.names
    return facts, floats


@functools.cache
def _is_inexact(dtype: Any) -> bool:
    return str(dtype).startswith(FLOATING)


def _aspects(fact: Any) -> int:
    kind = type(fact)
    if kind is TensorFact:
        return _ASPECTS_OF_TENSOR if fact.grad is None else _ASPECTS_OF_TENSOR + 1 + _aspects(fact.grad)
    if kind is SequenceFact:
        return sum(1 + _aspects(item) for item in fact.items)
    if kind is ArrayFact:
        return len(ArrayFact._fields) - 1
    return 0 if kind is not Raised else -1


def program_row(
    program: Any,
    block: int,
    index: int,
    rows: list[dict[str, Any]],
    reference: Sequence[Step] = (),
    verdicts: Sequence[Verdict] = (),
) -> dict[str, Any]:
    """The fields of a "program" record. `rows` are those of its discrepancies."""
    walked = list(program.walk())
    calls = (call for one in walked for call in one.calls)
    return {
        "block": block,
        "index": index,
        "text": program.text,
        "statements": len(walked),
        "ops": Counter(opnames.canonical_op(call) for call in calls if not call.startswith("attr.")),
        "dtypes": sorted(dtypes_in(fact for step in reference for fact in step.names.values())),
        "kinds": Counter(one.kind for one in walked),
        "facts": {verdict.candidate: verdict.facts for verdict in verdicts},
        "floats": {verdict.candidate: verdict.floats for verdict in verdicts},
        "undecided": {verdict.candidate: verdict.undecided for verdict in verdicts},
        "raised": sum(step.raised is not None for step in reference),
        "skipped": {one.candidate: one.skipped for one in verdicts if one.skipped},
        "discrepancies": rows,
    }
