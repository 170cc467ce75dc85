"""What the catalogue says of one operation (one overload of it)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import engine
from engine.dtypes import dtype
from engine.registry import POINTWISE, Op


@dataclass(frozen=True, eq=False)
class Entry:
    """How one operation may be called.

    `name` is what follows `torch.` or the tensor's dot. `forms` are the spellings that the program language admits.
    `row` holds the arguments that are drawn in a way of their own, by parameter name; the others follow from the
    signature. `mixes`: operands may have different dtypes.
    """

    name: str
    family: str
    op: Op
    forms: frozenset[str]
    weight: int = 8
    row: Mapping[str, Callable[[Any], str | None]] = field(default_factory=dict)
    mixes: bool = False

    @property
    def label(self) -> str:
        """The name with the signature, unlike any other entry's."""
        return (
            self.op.signature.text if self.op.name == self.name else f"{self.name} = {self.op.signature.text}"
        )

    @property
    def writes(self) -> bool:
        """Whether the operation exists only in place."""
        return self.name.endswith("_")

    @property
    def overwrites(self) -> bool:
        """Whether the operation writes its first operand without reading it."""
        return self.name in _OVERWRITING

    @functools.cached_property
    def accepted(self) -> frozenset[dtype]:
        """The dtypes of operands that the operation takes, promotion considered."""
        return frozenset(d for d in engine.dtypes.ALL if _accepts(self.op, d)) or self.op.accepts


_OVERWRITING = frozenset(
    "fill_ zero_ copy_ uniform_ normal_ random_ bernoulli_ exponential_ geometric_ cauchy_ log_normal_ resize_".split()
)


@functools.cache
def _sample(d: dtype) -> engine.Tensor:
    return engine.zeros((1,), dtype=d)


def _accepts(op: Op, d: dtype) -> bool:
    if op.kind != POINTWISE or op.rule is None:
        return d in op.accepts
    try:
        return op.rule([_sample(d)] * len(op.tensor_positions))[0] in op.accepts
    except (RuntimeError, NotImplementedError, TypeError):
        return False
    except Exception:  # a rule that looks at more than the operands
        return d in op.accepts
