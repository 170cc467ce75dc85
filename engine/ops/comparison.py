"""Comparisons of elements, tests of their kind, and the choice between them.

Source: https://docs.pytorch.org/docs/stable/torch.html#comparison-ops
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from engine import dtypes
from engine.autograd.modes import no_grad
from engine.dtypes import ALL, FLOAT, dtype, get_default_dtype
from engine.ops.pointwise import F, compare, no_complex, no_gradient, pointwise, promote, require_fits
from engine.ops.rounding import larger, smaller
from engine.registry import COMPOSITE, REAL, op
from engine.tensor import Tensor
from engine.writes import ask_history

# -------------------------------------------------------------------------------------------------------- comparisons

_kernel: Any
for _name, _kernel, _alias in (
    ("eq", np.equal, ()), ("ne", np.not_equal, ("not_equal",)), ("lt", np.less, ("less",)),
    ("le", np.less_equal, ("less_equal",)), ("gt", np.greater, ("greater",)), ("ge", np.greater_equal, ("greater_equal",)),
):  # fmt: skip
    # The results are bool and have no history, but the in-place forms have, with gradients of zero.
    for _node, _type, _inputs in (("1", "Tensor", ("input", "other")), ("0", "Operand", ("input",))):
        pointwise(
            f"{_name}(Tensor input, {_type} other)", _kernel, compare, family="comparison", exact=True, aliases=_alias,
            accepts=ALL if _name in ("eq", "ne") else REAL, error_name=f"{_name}_cpu",
            node=f"{_name.capitalize()}Backward{_node}", derivatives=dict.fromkeys(_inputs, no_gradient),
        )  # fmt: skip


def _equal(input: Tensor, other: Tensor) -> bool:
    """Whether both have one shape and the same values; NaN equals nothing. Raises RuntimeError for different dtypes."""
    if input._sizes != other._sizes:
        return False
    return bool((input._array() == other._array()).all())


op("equal(Tensor input, Tensor other)", kind=COMPOSITE, kernel=_equal, family="comparison", exact=True)


def _isclose(input: Any, other: Any, rtol: float, atol: float, equal_nan: bool) -> Tensor:
    """Whether |input - other| <= atol + rtol * |other|. Raises RuntimeError for different dtypes or negative tolerances."""
    if input.dtype is not other.dtype:
        raise RuntimeError(f"{input.dtype.legacy} did not match {other.dtype.legacy}")
    for name, value in (("rtol", rtol), ("atol", atol)):
        if value < 0:
            raise RuntimeError(f"{name} must be greater than or equal to zero, but got {value:g}")
    close = F.eq(input, other)
    if equal_nan and input.dtype.category >= FLOAT:
        close = close.logical_or_(F.isnan(input).logical_and_(F.isnan(other)))
    if rtol == 0 and atol == 0:
        return close
    if input.dtype.category < FLOAT:
        input, other = input.to(get_default_dtype()), other.to(get_default_dtype())
    allowed = atol + (rtol * other).abs()
    actual = (input - other).abs()
    return close.logical_or_(F.isfinite(actual).logical_and_(actual <= allowed))


op(
    "isclose(Tensor input, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False)", kind=COMPOSITE,
    kernel=_isclose, family="comparison",
)  # fmt: skip


def _allclose(input: Tensor, other: Tensor, rtol: float, atol: float, equal_nan: bool) -> bool:
    """Whether all elements are close."""
    with no_grad():
        return bool(_isclose(input, other, rtol, atol, equal_nan)._array().all())


op(
    "allclose(Tensor input, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False)", kind=COMPOSITE,
    kernel=_allclose, family="comparison",
)  # fmt: skip

# -------------------------------------------------------------------------------------------------------------- tests


def _of_floats(test: Any, otherwise: bool) -> Any:
    """A test that integers and bool all answer alike."""
    return lambda x: test(x) if x.dtype.kind in "fc" else np.full(x.shape, otherwise)


def _ask_of_finite(values: list[Any]) -> None:
    if values[0].dtype.category >= FLOAT:  # which torch takes the absolute values of
        ask_history(values)


for _name, _test, _otherwise in (
    ("isnan", np.isnan, False), ("isinf", np.isinf, False), ("isfinite", np.isfinite, True),
    ("isreal", lambda x: x.imag == 0 if x.dtype.kind == "c" else np.full(x.shape, True), True),
):  # fmt: skip
    pointwise(
        f"{_name}(Tensor input)", _of_floats(_test, _otherwise), compare, family="comparison", forms="function method",
        exact=True, check=_ask_of_finite if _name == "isfinite" else None,
    )  # fmt: skip
for _name, _infinity in (("isposinf", math.inf), ("isneginf", -math.inf)):
    pointwise(
        f"{_name}(Tensor input)", _of_floats(lambda x, infinity=_infinity: x == infinity, False),
        no_complex(compare, RuntimeError, f"{_name} does not support complex inputs."), family="comparison",
        forms="function method out", exact=True, out_dtype_error=f"{_name} does not support non-boolean outputs.",
    )  # fmt: skip

# -------------------------------------------------------------------------------------------------- the larger, the smaller


def _extreme_grads(passes: Any) -> dict[str, Any]:
    """The gradient goes to the chosen operand, half to each where they are equal. `passes(a, b)`: b is chosen over a."""

    def share(grad: Any, mine: Any, its: Any) -> Any:
        return F.where(mine == its, grad / 2, grad).masked_fill_(passes(mine, its), 0)

    return {
        "input": lambda grad, input, other: share(grad, input, other),
        "other": lambda grad, input, other: share(grad, other, input),
    }


def _number_grads(chosen: Any) -> dict[str, Any]:
    """The gradient goes to the chosen operand, to the first where they are equal, and never to a NaN."""

    def mask(input: Any, other: Any) -> Any:
        return chosen(input, other).logical_or_(other.isnan())

    return {
        "input": lambda grad, input, other: grad.masked_fill(mask(input, other).logical_not_(), 0),
        "other": lambda grad, input, other: grad.masked_fill(mask(input, other), 0),
    }


def _larger_number(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where((a >= b) | np.isnan(b), a, b) if a.dtype.kind == "f" else np.maximum(a, b)


def _smaller_number(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where((a <= b) | np.isnan(b), a, b) if a.dtype.kind == "f" else np.minimum(a, b)


def _extreme_tangent(wins: Any) -> Any:
    """The other's tangent, and what the first one's has more where it wins. NaN wins nothing."""

    def tangent(input: Any, input_t: Any, other: Any, other_t: Any) -> Any:
        share = wins(input, other)
        if other_t is None:
            return share * input_t
        return other_t + share * (-other_t if input_t is None else input_t - other_t)

    return tangent


def _halved(wins: Any) -> Any:
    return _extreme_tangent(
        lambda input, other: F.where(input == other, 0.5, wins(input, other).to(input.dtype))
    )


for _name, _kernel, _derivatives, _tangent in (
    ("maximum", larger, _extreme_grads(lambda mine, its: mine < its), _halved(lambda input, other: input > other)),
    ("minimum", smaller, _extreme_grads(lambda mine, its: mine > its), _halved(lambda input, other: input < other)),
    ("fmax", _larger_number, _number_grads(lambda input, other: input >= other),
     _extreme_tangent(lambda input, other: (input > other) | F.isnan(other))),
    ("fmin", _smaller_number, _number_grads(lambda input, other: input <= other),
     _extreme_tangent(lambda input, other: (input <= other) | F.isnan(other))),
):  # fmt: skip
    pointwise(
        f"{_name}(Tensor input, Tensor other)", _kernel,
        no_complex(promote, RuntimeError, f"{_name} not implemented for complex tensors."), family="comparison",
        forms="function method out", exact=True, derivatives=_derivatives, tangent=_tangent,
    )  # fmt: skip

# --------------------------------------------------------------------------------------------------------------- choice


def _chosen_dtype(operands: list[Any]) -> tuple[dtype, dtype]:
    """The common dtype of what is chosen from. Raises RuntimeError for a condition that is not bool."""
    condition, *choices = operands
    if condition.dtype is dtypes.uint8:
        warnings.warn(
            "where received a uint8 condition tensor. This behavior is deprecated and will be removed in a future version "
            "of PyTorch. Use a boolean condition instead.", UserWarning, stacklevel=6,
        )  # fmt: skip
    elif condition.dtype is not dtypes.bool_:
        raise RuntimeError(
            f"where expected condition to be a boolean tensor, but got a tensor with dtype {condition.dtype.legacy}"
        )
    d, _ = promote(choices)
    for x in choices:
        if not isinstance(x, Tensor):
            require_fits(x, d)
    return d, d


def _where(condition: np.ndarray, input: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.where(condition != 0, input, other)


_WHERE: dict[str, Any] = {"rule": _chosen_dtype, "exact": True, "family": "comparison"}
_WHERE_GRADIENTS: dict[str, Any] = {
    "input": lambda grad, condition: F.where(condition, grad, 0),
    "other": lambda grad, condition: F.where(condition, 0, grad),
}

op(
    "where(Tensor condition)", kind=COMPOSITE, kernel=lambda condition: F.nonzero(condition, as_tuple=True),
    family="comparison", forms="function", exact=True,
)  # fmt: skip
pointwise(
    "where(Tensor condition, Tensor input, Tensor other)", _where, forms="function out",
    out_dtype_error="Expected out type to be {result} but got {out}", **_WHERE, derivatives=_WHERE_GRADIENTS,
)  # fmt: skip
_MIXED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Scalar self, Tensor other", ("other",)), ("Tensor input, Scalar other", ("input",)), ("Scalar self, Scalar other", ()),
)  # fmt: skip
for _parameters, _differentiable in _MIXED:
    pointwise(
        f"where(Tensor condition, {_parameters})", _where, forms="function", **_WHERE,
        derivatives={name: _WHERE_GRADIENTS[name] for name in _differentiable},
    )  # fmt: skip


# The method takes the chosen-from tensor first; as a function these parameters would stand in another order.
op(
    "where(Tensor self, Tensor condition, Operand other)", kind=COMPOSITE,
    kernel=lambda self, condition, other: F.where(condition, self, other), family="comparison", forms="method", exact=True,
)  # fmt: skip
