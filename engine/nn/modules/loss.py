"""Losses.

Source: https://docs.pytorch.org/docs/stable/nn.html#loss-functions
"""

from __future__ import annotations

from engine.nn import functional
from engine.nn.modules.module import Module
from engine.tensor import Tensor


class MSELoss(Module):
    """Squared differences: each (`reduction="none"`), their mean or their sum."""

    def __init__(
        self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__()
        legacy = size_average is not None or reduce is not None
        self.reduction = functional.legacy_reduction(size_average, reduce) if legacy else reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss."""
        return functional.mse_loss(input, target, reduction=self.reduction)
