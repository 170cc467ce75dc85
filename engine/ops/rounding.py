"""Rounding, clamping and the replacement of special values, element by element."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes
from engine.autograd.modes import is_grad_enabled
from engine.call import run
from engine.dtypes import BOOL, COMPLEX, COMPLEXES, FLOAT, FLOATS
from engine.ops.memory import strides_for
from engine.ops.pointwise import (
    EVERY,
    METHOD_ONLY,
    SAME_OUT,
    F,
    no_complex,
    no_gradient,
    not_implemented,
    of,
    pointwise,
    promote,
    refusing,
    require_fits,
)  # fmt: skip
from engine.registry import BOOL_ONLY, GENERAL, MEMORY, MUTATION, NUMERIC, POINTWISE, REAL, Op, op
from engine.results import Result
from engine.signatures import is_tensor
from engine.tensor import Tensor
from engine.writes import check_memory

_REAL_NUMBERS = REAL - BOOL_ONLY

# ------------------------------------------------------------------------------------------------------------ rounding


def _whole(function: Any) -> Any:
    """Integers are whole already."""
    return lambda input: function(input) if input.dtype.kind == "f" else input


for _name, _function, _aliases in (
    ("ceil", np.ceil, ()), ("floor", np.floor, ()), ("trunc", np.trunc, ("fix",)),
):  # fmt: skip
    pointwise(
        f"{_name}(Tensor input)", _whole(_function),
        no_complex(promote, NotImplementedError, f"{_name} is not supported for complex inputs"), accepts=NUMERIC,
        error_name=f"{_name}_vml_cpu", forms=EVERY, exact=True, out_dtype_error=SAME_OUT, aliases=_aliases,
        derivatives={"input": no_gradient},
    )  # fmt: skip
pointwise(
    "round(Tensor input)", _whole(np.rint), accepts=_REAL_NUMBERS, error_name="round_vml_cpu", forms=EVERY, exact=True,
    out_dtype_error=SAME_OUT,
    derivatives={"input": no_gradient},
)  # fmt: skip


def _round_decimals(input: np.ndarray, decimals: int) -> np.ndarray:
    if decimals == 0:
        return np.rint(input)
    power = np.asarray(10.0 ** abs(decimals), input.dtype)
    return np.rint(input * power) / power if decimals > 0 else np.rint(input / power) * power


def _round_dtype(values: list[Any]) -> tuple[dtypes.dtype, dtypes.dtype]:
    d = values[0].dtype
    if d not in FLOATS:
        raise NotImplementedError(
            f"\"round{'_cpu' if values[1] else '_vml_cpu'}\" not implemented for '{d.legacy}'"
        )
    return d, d


pointwise(
    "round(Tensor input, *, int decimals)", _round_decimals, _round_dtype, bound_rule=True, forms=EVERY,
    out_dtype_error=SAME_OUT,
    node="RoundBackward1", derivatives={"input": no_gradient},
)  # fmt: skip
pointwise(
    "frac(Tensor input)", lambda input: input - np.trunc(input), accepts=FLOATS, error_name="frac_cpu", forms=EVERY,
    out_dtype_error=SAME_OUT,
    exact=True, derivatives={"input": lambda grad: grad}, tangent=lambda input_t: input_t,
)  # fmt: skip

# ------------------------------------------------------------------------------------------------------------ clamping


def larger(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The larger of two; NaN if one is; the first if they are equal (which shows in the sign of zeros)."""
    return np.where((a >= b) | np.isnan(a), a, b) if a.dtype.kind == "f" else np.maximum(a, b)


def smaller(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The smaller of two, as `larger`."""
    return np.where((a <= b) | np.isnan(a), a, b) if a.dtype.kind == "f" else np.minimum(a, b)


def _clamp(input: np.ndarray, min: Any, max: Any) -> np.ndarray:
    """At least `min` and at most `max`, which wins where they cross."""
    if min is not None:
        input = larger(input, min)
    return input if max is None else smaller(input, max)


_CLAMP_COMPLEX = "clamp is not supported for complex types"


def _clamp_dtype(name: str, bool_alone: bool = False) -> Any:
    """Promotion of input and bounds. Raises RuntimeError without bounds, NotImplementedError for complex and bool.

    `bool_alone`: a single bound may be bool, because torch takes a maximum or minimum then.
    """

    def rule(values: list[Any]) -> tuple[dtypes.dtype, dtypes.dtype]:
        operands = [v for v in values if v is not None]
        if any(of(x).category == COMPLEX for x in operands):
            if of(operands[0]).category == COMPLEX or len(operands) == 3 or name.startswith("clamp_m"):
                raise NotImplementedError(_CLAMP_COMPLEX)
            if name == "clamp_scalar_cpu" and of(operands[0]).category == FLOAT:
                raise RuntimeError("value cannot be converted to type double without overflow")
        d, _ = promote(operands)
        for x in operands[1:]:
            if not is_tensor(x):
                require_fits(x, d)
        if d.category == BOOL and not (bool_alone and len(operands) == 2):
            raise NotImplementedError(f"\"{name}\" not implemented for 'Bool'")
        return d, d

    return rule


def _check_bounds(values: list[Any]) -> None:
    """Raise for bounds of which some are numbers and some tensors, for none, and for tensors beside complex ones."""
    input, *bounds = (v for v in values if v is not None)
    wide = any(is_tensor(x) and (x._sizes or x.requires_grad) for x in bounds)  # what is no number for torch
    if wide and not all(map(is_tensor, bounds)):
        got = ", ".join(type(x).__name__ for x in bounds)
        raise TypeError(f"clamp() received an invalid combination of arguments - got ({got})")
    if not bounds:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    if input.dtype.category == COMPLEX:
        raise NotImplementedError(_CLAMP_COMPLEX)


def _inside(grad: Any, input: Any, min: Any, max: Any) -> Any:
    """The gradient where the input was kept, the bounds included."""
    if min is None and max is None:
        return grad
    kept = None if min is None else input >= min
    if max is not None:
        kept = input <= max if kept is None else kept.logical_and(input <= max)
    return F.where(kept, grad, F.zeros((), dtype=grad.dtype))


def _bounds_grad(grad: Any, input: Any, min: Any, max: Any) -> Any:
    zero = F.zeros((), dtype=grad.dtype)
    if min is None:
        return None, F.where(input > max, grad, zero)
    if max is None:
        return F.where(input < min, grad, zero), None
    below = F.where((min < max).logical_and(input < min), grad, zero)
    return below, F.where((input > max).logical_or(max < min), grad, zero)


def _tangent_where(condition: Any, one: Any, other: Any, like: Any) -> Any:
    zero = F.zeros((), dtype=like.dtype)
    return F.where(condition, zero if one is None else one, zero if other is None else other)


def _clamp_tangent(input: Any, input_t: Any, min: Any, min_t: Any, max: Any, max_t: Any) -> Any:
    if max is None:
        return _tangent_where(input > min, input_t, min_t, input)
    if min is None:
        return _tangent_where(input < max, input_t, max_t, input)
    below = _tangent_where(input > max, max_t, input_t, input)
    return _tangent_where(min > max, max_t, _tangent_where(input < min, min_t, below, input), input)


pointwise(
    "clamp(Tensor input, Tensor? min=None, Tensor? max=None)", _clamp, _clamp_dtype("clamp_cpu", bool_alone=True),
    bound_rule=True,
    accepts=REAL, error_name="clamp_cpu", check=_check_bounds,
    forms=EVERY, exact=True, aliases=("clip",), derivatives={"input": _inside, ("min", "max"): _bounds_grad},
    tangent=_clamp_tangent,
)  # fmt: skip
pointwise(
    "clamp(Tensor input, Operand? min=None, Operand? max=None)", _clamp, _clamp_dtype("clamp_scalar_cpu"), bound_rule=True,
    accepts=REAL, error_name="clamp_scalar_cpu", out_dtype_error=SAME_OUT, check=_check_bounds,
    forms=EVERY, exact=True, aliases=("clip",), node="ClampBackward1", derivatives={"input": _inside},
)  # fmt: skip


def _one_bound(name: str, bound: str, kernel: Any, other_name: str, keeps: Any, loses: Any) -> None:
    """clamp_min or clamp_max, with a number or with a tensor, which is a maximum or minimum of two."""
    node = "ClampMin" if bound == "min" else "ClampMax"

    def kept(grad: Any, input: Any, bound: Any) -> Any:
        return F.where(keeps(input, bound), grad, F.zeros((), dtype=grad.dtype))

    def lost(grad: Any, input: Any, bound: Any) -> Any:
        return F.where(loses(input, bound), grad, F.zeros((), dtype=grad.dtype))

    def tangent(input: Any, input_t: Any, bound: Any, bound_t: Any) -> Any:
        return _tangent_where(keeps(input, bound), input_t, bound_t, input)

    def named(formula: Any) -> Any:
        if bound == "min":
            return lambda grad, input, min: formula(grad, input, min)
        return lambda grad, input, max: formula(grad, input, max)

    pointwise(
        f"{name}(Tensor input, Tensor {bound})", kernel, accepts=REAL, error_name=f"{other_name}_cpu", forms=EVERY,
        exact=True, node=f"{node}Backward1", derivatives={"input": named(kept), bound: named(lost)},
        tangent=(lambda input, input_t, min, min_t: tangent(input, input_t, min, min_t)) if bound == "min"
        else (lambda input, input_t, max, max_t: tangent(input, input_t, max, max_t)),
    )  # fmt: skip
    pointwise(
        f"{name}(Tensor input, Operand {bound})", kernel, _clamp_dtype(f"{name}_scalar_cpu"), forms=EVERY, exact=True,
        out_dtype_error=SAME_OUT,
        node=f"{node}Backward0", derivatives={"input": named(kept)},
    )  # fmt: skip


_one_bound("clamp_min", "min", larger, "maximum", lambda x, b: x >= b, lambda x, b: x < b)
_one_bound("clamp_max", "max", smaller, "minimum", lambda x, b: x <= b, lambda x, b: x > b)


def _relu_grad(grad: Any, result: Any) -> Any:
    return run(_THRESHOLD_BACKWARD, [grad, result])


# No public function: torch's derivative of relu is one kernel, which depends on the result and has a derivative of its own.
_THRESHOLD_BACKWARD: Op = pointwise(
    "threshold_backward(Tensor grad_output, Tensor output)",
    lambda grad_output, output: np.where(output <= 0, grad_output.dtype.type(0), grad_output), forms="", exact=True,
    derivatives={"grad_output": lambda grad, output: _relu_grad(grad, output), "output": no_gradient},
)  # fmt: skip


pointwise(
    "relu(Tensor input)", lambda input: larger(input, np.zeros((), input.dtype)),
    refusing(
        no_complex(promote, NotImplementedError, _CLAMP_COMPLEX), BOOL_ONLY, RuntimeError,
        "Boolean inputs not supported for relu",
    ),
    forms="function method inplace", exact=True, derivatives={"input": _relu_grad},
)  # fmt: skip

# ------------------------------------------------------------------------------------------------------ special values


def _nan_to_num(
    input: Tensor, nan: float | None, posinf: float | None, neginf: float | None, out: Tensor | None = None
) -> Result:
    """NaN becomes 0, infinities the extremes of the dtype, unless told otherwise; parts of complex numbers alike."""
    array, d = input._array(), input.dtype
    if d.category == COMPLEX and input.requires_grad and is_grad_enabled():
        raise RuntimeError(
            "nan_to_num does not support automatic differentiation for outputs with complex dtype."
        )
    strides = strides_for(input, None)
    if array.dtype.kind in "iub":
        return Result(array.copy(), strides if out is None else None)  # into `out` it is a copy
    real = d.to_real()
    most = dtypes.finfo(real).max
    fill = (
        0.0 if nan is None else nan,
        most if posinf is None else posinf,
        -most if neginf is None else neginf,
    )
    parts = array.reshape(*array.shape, 1).copy().view(real.numpy) if d.category == COMPLEX else array
    wide = parts.astype(dtypes.opmath(real))
    clean = np.select(
        [np.isnan(wide), wide == np.inf, wide == -np.inf], [wide.dtype.type(f) for f in fill], wide
    )
    clean = clean.astype(real.numpy)
    return Result(clean.view(d.numpy).reshape(array.shape) if d.category == COMPLEX else clean, strides)


def _nan_to_num_in_place(
    input: Tensor, nan: float | None, posinf: float | None, neginf: float | None
) -> Result | None:
    """Nothing is written to integers, so their memory does not matter."""
    if input.dtype.category < FLOAT:
        return None
    check_memory(MEMORY[POINTWISE], input, [], [])
    result = _nan_to_num(input, nan, posinf, neginf)
    result.undefined = input._undefined_mask()
    return result


_NAN_TO_NUM: dict[str, Any] = {
    "family": "pointwise", "exact": True, "node": "NanToNumBackward0",
    "derivatives": {"input": lambda grad, input: grad * F.isfinite(input)},
}  # fmt: skip
_FILLS = "float? nan=None, float? posinf=None, float? neginf=None"
op(
    f"nan_to_num(Tensor input, {_FILLS})", kind=GENERAL, kernel=_nan_to_num, forms="function method out", sees_out=True,
    out_dtype_error="nan_to_num: dtype of out: {out} should be same as input: {result}", **_NAN_TO_NUM,
)  # fmt: skip
op(
    f"nan_to_num_(Tensor input, {_FILLS})", kind=MUTATION, kernel=_nan_to_num_in_place, forms="function method inplace",
    memory="", **_NAN_TO_NUM,
)  # fmt: skip


def _heaviside_dtype(operands: list[Any]) -> tuple[dtypes.dtype, dtypes.dtype]:
    """Both of one real dtype. Raises RuntimeError."""
    if any(x.dtype in COMPLEXES for x in operands):
        raise RuntimeError("heaviside is not yet implemented for complex tensors.")
    if operands[0].dtype is not operands[1].dtype:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")
    return promote(operands)


pointwise(
    "heaviside(Tensor input, Tensor values)",
    lambda input, values: np.where(input == 0, values, (input > 0).astype(input.dtype)), _heaviside_dtype,
    out_dtype_error="heaviside is not yet implemented for tensors with different dtypes.",
    forms=METHOD_ONLY, exact=True, node="NotImplemented", derivatives=not_implemented("heaviside", "input", "values"),
)  # fmt: skip
