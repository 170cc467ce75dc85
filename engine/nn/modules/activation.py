"""Nonlinearities.

Source: https://docs.pytorch.org/docs/stable/nn.html#non-linear-activations-weighted-sum-nonlinearity
"""

from __future__ import annotations

from engine.nn import functional
from engine.nn.modules.module import Module
from engine.tensor import Tensor


class ReLU(Module):
    """The larger of 0 and each element."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """The nonlinearity."""
        return functional.relu(input, inplace=self.inplace)

    def extra_repr(self) -> str:
        """Whether it writes its input."""
        return "inplace=True" if self.inplace else ""
