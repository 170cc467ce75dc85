"""Operations of `torch.nn.functional` that no function of torch's own namespace names: linear maps and losses.

`engine.nn.functional` gives them their public names.
Sources: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.linear.html and
https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.mse_loss.html
"""

from __future__ import annotations

from typing import Any

from engine import functions as F
from engine import layout, promotion
from engine.dtypes import FLOATS
from engine.ops.reducing import working
from engine.registry import COMPOSITE, GENERAL, op
from engine.results import Result, result_of
from engine.tensor import Tensor, fresh


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None) -> Any:
    """`input @ weight.T + bias` over the last dimension. Raises RuntimeError for 0-d operands and sizes that do not fit."""
    n, m = input.dim(), weight.dim()
    if not n or not m:
        raise RuntimeError(f"both arguments to linear need to be at least 1D, but they are {n}D and {m}D")
    columns: Any = weight.t()
    if bias is None:
        return F.matmul(input, columns)
    if n == 2:
        return F.addmm(bias, input, columns)
    # As measured: rows without gaps and a bias that is a vector (of one dimension, or one that counts) make one addmm.
    if input.is_contiguous() and (bias.dim() == 1 or sum(size != 1 for size in bias._sizes) == 1):
        lead = input._sizes[:-1]
        rows = F.addmm(bias, input.view(layout.numel(lead), input._sizes[-1]), columns)
        return rows.view((*lead, rows._sizes[1]))
    return F.matmul(input, columns).add_(bias)


LINEAR = op(
    "linear(Tensor input, Tensor weight, Tensor? bias=None)", kind=COMPOSITE, kernel=_linear, family="network", forms="",
)  # fmt: skip


def _mse_loss(input: Tensor, target: Tensor, reduction: str) -> Any:
    """Squared differences in the common dtype: each, their mean or their sum."""
    d = promotion.result_dtype([input, target])
    if d not in FLOATS:
        raise NotImplementedError(f"\"mse_cpu\" not implemented for '{d.legacy}'")
    # 16-bit floats are rounded after each step, as measured.
    difference = (working(input, d) - working(target, d)).astype(d.numpy, copy=False)
    squares = difference * difference
    if reduction == "none":
        geometries = [(t._sizes, t._strides) for t in (input, target)]
        return Result(squares, layout.pointwise_strides(geometries, squares.shape), dtype=d)
    return result_of(getattr(F, reduction)(fresh(squares, d)))


def _mse_loss_grad(grad: Any, ours: Any, other: Any, reduction: str) -> Any:
    factor = 2.0 / ours.numel() if reduction == "mean" else 2.0
    return (ours - other) * F.full((), factor, dtype=grad.dtype) * grad


MSE_LOSS = op(
    "mse_loss(Tensor input, Tensor target, str reduction)", kind=GENERAL, kernel=_mse_loss, family="network", forms="",
    derivatives={
        "input": lambda grad, input, target, reduction: _mse_loss_grad(grad, input, target, reduction),
        "target": lambda grad, input, target, reduction: _mse_loss_grad(grad, target, input, reduction),
    },
)  # fmt: skip
