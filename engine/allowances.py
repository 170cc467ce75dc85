"""What a special function may be off by, where a number says how accurate it is: found while it is computed in wide mode.

The number counts units, each of which is the larger of a unit in the last place of the result and of what a change of one
operand by a unit in its last place makes of the result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from engine import dtypes
from engine.dtypes import FLOAT, dtype
from engine.precision import Accuracy, _Mode
from engine.registry import POINTWISE, Op
from engine.results import Result
from engine.tensor import Tensor, fresh


def number_of(accuracy: Accuracy, op: Op, values: list[Any], d: dtype) -> float | None:
    """What an operation with a result of some dtype may be off by, if that is known."""
    if op.kind != POINTWISE or d.category != FLOAT:
        return None
    order = next((v for p, v in zip(op.signature.parameters, values, strict=True) if p.type == "int"), None)
    return accuracy.get((op.name if order is None else f"{op.name}({order})", d.name))


def noted(
    accuracy: Accuracy,
    finish: Callable[..., tuple[Result, ...]],
    op: Op,
    values: list[Any],
    tensors: list[Tensor],
    results: tuple[Result, ...],
    compute: Any,
) -> tuple[Result, ...]:
    """The results of an operation in wide mode; what they may be off by is put down in `_Mode.allowances`."""
    finished = finish(op, values, tensors, results, compute)
    d, elements = finished[0].dtype, finished[0].values
    number = None if d is None else number_of(accuracy, op, values, d)
    if d is None or number is None:
        return finished
    unit = _spacing(elements, d)
    hook, _Mode.hook = _Mode.hook, None
    try:
        for i in op.tensor_positions:  # a tensor that is an operand twice is moved once at a time
            at = values[i]._array().astype(d.carrier)
            moved = fresh(at + _spacing(at, d), d)
            (changed,) = compute(op, [*values[:i], moved, *values[i + 1 :]], tensors)
            change = np.abs(changed.values - elements)
            unit = np.fmax(unit, np.where(np.isfinite(change), change, 0))
    finally:
        _Mode.hook, _Mode.narrow = hook, False
    _Mode.allowances.append((elements.copy(), number * unit))  # the tensor of them may be written to
    return finished


def _spacing(array: np.ndarray, d: dtype) -> np.ndarray:
    """A unit in the last place of a dtype, at numbers that are held in more digits."""
    largest = np.minimum(np.abs(array), dtypes.finfo(d).max).astype(d.nominal)
    return np.nan_to_num(np.spacing(largest)).astype(array.dtype)
