"""`torch.nn.functional`: what modules compute, as functions.

Source: https://docs.pytorch.org/docs/stable/nn.functional.html
"""

from __future__ import annotations

import warnings
from typing import Any

from engine import functions, layout
from engine.ops.networks import LINEAR, MSE_LOSS
from engine.publishing import dispatch
from engine.tensor import Tensor


def linear(*args: Any, **kwargs: Any) -> Tensor:
    """linear(input, weight, bias=None): `input @ weight.T + bias`.

    Shapes: input (*, in), weight (out, in) or (in), bias (out) or (); result (*, out) or (*).
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.linear.html
    """
    return dispatch("linear", [LINEAR], args, kwargs, inplace=False, method=False)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """The larger of 0 and each element."""
    return functions.relu_(input) if inplace else functions.relu(input)


def relu_(input: Tensor) -> Tensor:
    """`relu` in place."""
    return functions.relu_(input)


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Squared differences: each (`reduction="none"`), their mean or their sum, weighted if told so.

    Sizes that differ are broadcast with a warning. Raises ValueError for another reduction.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.mse_loss.html
    """
    if target.size() != input.size():
        warnings.warn(
            f"Using a target size ({target.size()}) that is different to the input size ({input.size()}). This will likely "
            "lead to incorrect results due to broadcasting. Please ensure they have the same size.",
            UserWarning,
            stacklevel=2,
        )
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    sizes = layout.broadcast_two(input._sizes, target._sizes)
    input, target = (t if t._sizes == sizes else t.expand(sizes) for t in (input, target))
    if weight is None:
        return dispatch("mse_loss", [MSE_LOSS], (input, target, reduction), {}, inplace=False, method=False)
    if weight.size() != input.size():
        raise ValueError("Weights and input must have the same size.")
    squares: Any = mse_loss(input, target, reduction="none") * weight  # type: ignore[operator]
    if reduction == "none":
        return squares
    return squares.sum() / weight.sum() if reduction == "mean" else squares.sum()


def legacy_reduction(size_average: bool | None, reduce: bool | None) -> str:
    """The `reduction` that two deprecated arguments mean; None counts as True."""
    averages = size_average is None or size_average
    reduction = "none" if reduce is False else "mean" if averages else "sum"
    warnings.warn(
        f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.",
        UserWarning,
        stacklevel=3,
    )
    return reduction
