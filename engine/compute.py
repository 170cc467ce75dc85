"""From bound arguments to results: elementwise kernels with their casts, and undefined elements spread through all."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from engine import dtypes, layout
from engine.casts import cast, number_array
from engine.precision import _Mode
from engine.registry import POINTWISE, Op
from engine.results import Result
from engine.tensor import Tensor, fresh
from engine.writes import require_castable, require_out_dtype

_NUMBERS = (bool, int, float, complex)


def compute_results(
    op: Op, values: list[Any], tensors: list[Tensor], target: Tensor | None = None
) -> tuple[Result, ...]:
    """The results of a POINTWISE or GENERAL kernel, as fresh values with layout and undefined elements."""
    if op.kind == POINTWISE:
        results: tuple[Result, ...] = (_pointwise(op, values, tensors, target),)
    else:
        got = op.kernel(*values, out=target) if op.sees_out else op.kernel(*values)
        if isinstance(got, tuple):
            results = tuple(r if isinstance(r, Result) else Result(np.asarray(r)) for r in got)
        else:
            results = (got if isinstance(got, Result) else Result(np.asarray(got)),)
    if _Mode.hook is not None:
        results = _Mode.hook(op, values, tensors, results, compute_results)
    for t in tensors:
        if t._storage.undefined is not None:
            return tuple(_spread_undefined(op, values, tensors, r) for r in results)
    return results


def compute_mutation(op: Op, values: list[Any], tensors: list[Tensor]) -> Result | None:
    """What a MUTATION kernel wants to be written, None if it has written itself."""
    written = op.kernel(*values)
    if written is None:
        return None
    result = written if isinstance(written, Result) else Result(np.asarray(written))
    if _Mode.hook is not None:
        (result,) = _Mode.hook(op, values, tensors, (result,), lambda *call: (compute_mutation(*call),))
    return result


def _pointwise(op: Op, values: list[Any], tensors: list[Tensor], target: Tensor | None) -> Result:
    shape = layout.common_shape(tensors)
    if not op.bound_rule and len(tensors) < len(values):
        operands = [values[i] for i in op.tensor_positions if values[i] is not None]
    else:
        operands = values
    assert op.rule is not None  # every pointwise record has one
    compute, result = op.rule(operands)
    # torch computes a real result of complex numbers in complex memory, and copies it into `out`.
    copied = target is not None and compute.category == dtypes.COMPLEX and result is compute.to_real()
    if target is not None:
        if not copied:
            require_out_dtype(op, result, target)
        require_castable(result, target)
        if (
            compute.category == dtypes.COMPLEX
            and dtypes.BOOL == result.category < target.dtype.category < dtypes.COMPLEX
            and op.name != "logical_not"
            and layout.numel(shape)
        ):
            # torch writes a comparison, but no negation, in the common dtype and casts that.
            warnings.warn(
                "Casting complex values to real discards the imaginary part", UserWarning, stacklevel=5
            )
    if compute not in op.accepts:
        raise NotImplementedError(f"\"{op.error_name}\" not implemented for '{compute.legacy}'")
    working = compute.numpy if op.stepwise else compute.opmath
    converted = list(values)
    undefined = None
    for i in op.tensor_positions:
        value = values[i]
        if value is None:
            continue
        if isinstance(value, Tensor):
            array = value._array()
            if value.dtype is not compute or array.dtype is not working:
                array, lost = cast(array, compute, value.dtype)
                array = array.astype(working, copy=False)
                undefined = lost if undefined is None else undefined
        else:
            array = number_array(value, compute)
            if array.dtype is not working:
                array = array.astype(working, copy=False)
        converted[i] = array
    if op.wide_scalar and compute in dtypes.HALVES:
        converted[1] = _unrounded_scalar(values[1], converted[1])
    if compute.numpy is not compute.nominal:
        if op.of_format:
            converted = [v.astype(compute.nominal) if isinstance(v, np.ndarray) else v for v in converted]
        elif op.stepwise and compute in dtypes.HALVES:
            converted = [_rounded_number(value, compute) for value in converted]
    got = op.kernel(*converted)
    strides = None
    if isinstance(got, Result):
        values_, lost, strides = got.values, got.undefined if undefined is None else undefined, got.strides
    else:
        values_, lost = np.asarray(got), undefined
    narrow = False
    if values_.dtype is not result.numpy and values_.dtype != result.numpy:
        narrow = values_.dtype.itemsize < result.numpy.itemsize and not op.of_format
        values_ = values_.astype(result.numpy)
    if values_.shape != shape:
        values_ = np.broadcast_to(values_, shape)
        lost = None if lost is None else np.broadcast_to(lost, shape)
    if copied:
        strides = layout.contiguous_strides(shape)
    elif not strides:
        strides = _fresh_strides(op, values, tensors, compute, shape)
    return Result(values_, strides, lost, None, result, narrow)


def _fresh_strides(
    op: Op, values: list[Any], tensors: list[Tensor], compute: dtypes.dtype, shape: layout.Shape
) -> layout.Shape:
    """The layout of a fresh result. Operands that are cast take part as the dense copies that torch makes of them."""
    rows = layout.contiguous_strides(shape)
    for t in tensors:
        if t._strides != rows or t._sizes != shape:
            break
    else:  # one more operand, a number, orders the dimensions only where there is nothing
        if not op.wrapped_numbers or 0 not in shape:
            return rows
    geometries = [
        (t._sizes, t._strides if t.dtype is compute else layout.dense_strides(t._sizes, t._strides))
        for t in (reversed(tensors) if op.last_leads else tensors)
    ]
    for position in op.wrapped_numbers:
        if isinstance(values[position], _NUMBERS):
            geometries.append(((), ()))  # torch sees a number as one more operand, without dimensions
            break
    return layout.pointwise_strides(geometries, shape)


def _rounded_number(value: Any, d: dtypes.dtype) -> Any:
    """A number as a 16-bit dtype holds it, which kernels cannot do that see wide arrays; infinite ones are their errors."""
    if not isinstance(value, float):
        return value
    rounded = number_array(value, d).item()
    return rounded if math.isfinite(rounded) else value


def _unrounded_scalar(value: Any, converted: np.ndarray) -> np.ndarray:
    """The second operand of a 16-bit float operation in float32 if it is a number or has one element, else as converted."""
    if not isinstance(value, Tensor):
        return number_array(value, dtypes.float32)
    one = layout.numel(value._sizes) == 1
    return cast(value._array(), dtypes.float32, value.dtype)[0] if one else converted


def _spread_undefined(op: Op, values: list[Any], tensors: list[Tensor], result: Result) -> Result:
    """Which elements of a result come from undefined ones.

    Elementwise operations spread them element by element, moves by moving the marks; of everything else the whole
    result is undefined.
    """
    masks = {id(t): t._undefined_mask() for t in tensors}
    if all(m is None for m in masks.values()):
        return result
    shape = result.values.shape
    if op.kind == POINTWISE:
        spread = np.zeros(shape, np.bool_)
        for mask in masks.values():
            if mask is not None:
                spread |= mask
    elif op.moves and isinstance(values[0], list):
        marked = [
            fresh(np.zeros(t._sizes, np.bool_) if m is None else m) for t in tensors for m in (masks[id(t)],)
        ]
        moved = op.kernel(marked, *values[1:])
        spread = np.array(moved.values if isinstance(moved, Result) else moved, np.bool_)
    elif op.moves and masks[id(tensors[0])] is not None and all(masks[id(t)] is None for t in tensors[1:]):
        marks = fresh(masks[id(tensors[0])], dtypes.bool_)  # type: ignore[arg-type]
        moved = op.kernel(*[marks if v is tensors[0] else v for v in values])
        moved = moved[0] if isinstance(moved, tuple) else moved
        spread = np.array(moved.values if isinstance(moved, Result) else moved, np.bool_)
    else:
        spread = np.ones(shape, np.bool_)
    if result.undefined is not None:
        spread |= result.undefined
    return Result(result.values, result.strides, spread, result.whole, result.dtype, result.narrow)
