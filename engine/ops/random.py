"""What stands on the families of random operations, and so is imported after them: their `out=` forms, and dropout.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.dropout.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine import functions as F
from engine.ops.random_outputs import INTO, with_out
from engine.registry import COMPOSITE, op
from engine.tensor import Tensor

for _name in dict.fromkeys(record.name for record in INTO):
    setattr(F, _name, with_out(_name))

# --------------------------------------------------------------------------------------------------------------- dropout


def _dropped(input: Tensor, p: float, train: bool, multiply: Callable[[Any, Tensor], Tensor]) -> Tensor:
    if not 0 <= p <= 1:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {float(p):g}")
    if p == 0 or not train or input.numel() == 0:
        return input
    if p == 1:
        return multiply(input, F.zeros((), dtype=input.dtype))
    mask = F.empty_like(input).bernoulli_(1 - p).div_(1 - p)
    return multiply(input, mask)


def _dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """Zeros with probability p, the other elements divided by 1 - p; the input itself when not training."""
    return _dropped(input, p, train, lambda x, mask: x * mask)


def _dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """Dropout in place."""
    return _dropped(input, p, train, lambda x, mask: x.mul_(mask))


op(
    "dropout(Tensor input, float p, bool train)", kind=COMPOSITE, kernel=_dropout, family="random", forms="function",
    exact=True,
)  # fmt: skip
op(
    "dropout_(Tensor input, float p, bool train)", kind=COMPOSITE, kernel=_dropout_, family="random", forms="function",
    exact=True,
)  # fmt: skip
