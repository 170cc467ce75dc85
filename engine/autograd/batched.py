"""Many vector-Jacobian products in one call: a loop that stacks.

Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.grad.html (`is_grads_batched`)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine import functions


def batched_gradients(
    gradients: Callable[[list[Any], bool], list[Any]], grads: list[Any], keep_graph: bool
) -> list[Any]:
    """The results of `gradients(grads, keep_graph)` for each entry of the first dimension of `grads`, stacked.

    An input without a gradient has none in the batch. Raises ValueError where the batches differ in length.
    """
    given = [g for g in grads if g is not None]
    if any(not g.dim() for g in given):
        raise ValueError(
            "vmap(vjp, in_dims=0, ...)(<inputs>): Got in_dim=0 for some input, but that input is a Tensor of dimensionality 0 "
            "so expected in_dim to satisfy 0 <= in_dim < 0."
        )
    sizes = [g.size(0) for g in given]
    if len(set(sizes)) > 1:
        raise ValueError(
            f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sizes} for the mapped "
            "dimension"
        )
    rows = [
        gradients([None if g is None else g[i] for g in grads], keep_graph or i + 1 < sizes[0])
        for i in range(sizes[0])
    ]
    made: dict[tuple[int, ...], Any] = {}  # an input that is asked for twice has one gradient
    found = []
    for column in zip(*rows, strict=True):
        key = tuple(map(id, column))
        if key not in made:
            made[key] = None if any(g is None for g in column) else functions.stack(list(column))
        found.append(made[key])
    return found
