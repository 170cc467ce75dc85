"""Dtypes: which ones are drawn, how often, and what the drawers ask about them.

A dtype is drawn as one of the engine's `dtype` objects; its `repr` is the text of a program.
"""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from engine.dtypes import (
    ALL,
    BOOL,
    COMPLEX,
    FLOAT,
    INTEGER,
    bfloat16,
    bool_,
    complex64,
    complex128,
    dtype,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
)
from strategies.choices import Choices, Table, blocks

Weights = tuple[tuple[dtype, int], ...]

# Mostly float32, because results say more where operands share a dtype; the rest by how often programs hold them.
DEFAULT: Weights = Table((
    (float32, 30), (float64, 9), (int64, 16), (bool_, 6), (int32, 6), (float16, 4), (bfloat16, 4), (complex64, 4),
    (uint8, 3), (int8, 2), (int16, 2), (complex128, 2),
))  # fmt: skip
DIFFERENTIABLE: Weights = Table((
    (float32, 16), (float64, 5), (complex64, 2), (bfloat16, 1), (float16, 1), (complex128, 1),
))  # fmt: skip
EVEN: Weights = Table((d, 1) for d in ALL)
EXACT: Weights = Table((
    (float32, 6), (float64, 3), (int64, 3), (bool_, 2), (int32, 2), (uint8, 1), (int8, 1), (int16, 1),
))  # fmt: skip


def draw_dtype(choices: Choices, weights: Weights = DEFAULT) -> dtype:
    """One dtype, as often as its weight says."""
    return choices.weighted(weights)


def dtypes(*, among: Sequence[dtype] = ALL) -> st.SearchStrategy[dtype]:
    """One of the dtypes (all twelve unless `among` names some). Shrinks to the first."""
    weights = tuple((d, 1) for d in among)
    return blocks().map(lambda block: draw_dtype(Choices(block), weights))


def is_differentiable(d: dtype) -> bool:
    """Whether tensors of this dtype may require grad."""
    return d.category >= FLOAT


__all__ = ["ALL", "BOOL", "COMPLEX", "FLOAT", "INTEGER", "draw_dtype", "dtypes", "is_differentiable"]
