"""Many vector-Jacobian products at once: backward runs a single time, and each operation in it on every row of the batch.

What runs sees the first row of each tensor; the other rows stand beside it in a layer, as tangents do. So hooks and users'
Functions are called once for the whole batch, as torch's map calls them.

Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.grad.html (`is_grads_batched`)
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

from engine import functions
from engine.autograd.levels import Layer, at
from engine.autograd.modes import _State
from engine.call import _tensors, run
from engine.registry import Op
from engine.tensor import Tensor

_READ = frozenset(("is_nonzero", "item", "numpy", "tolist"))
"""Operations that would have to read one number of a whole batch."""


class Batch(Layer):
    """The rows of tensors that run as one."""

    by_rows = True

    def __init__(self, size: int) -> None:
        super().__init__(_State.forward)
        self.size = size
        self._others: dict[int, tuple[weakref.ref, list[Tensor]]] = {}

    def together(self, made: Sequence[Any]) -> Any:
        """What stands for the same result of every row: that of the first."""
        first = made[0]
        if isinstance(first, (tuple, list)):
            for column in zip(*made, strict=True):
                self.together(column)
        elif isinstance(first, Tensor) and (len(made) == 1 or any(row is not first for row in made)):
            self._others[id(first)] = (weakref.ref(first), list(made[1:]))
        return first

    def knows(self, tensor: Any) -> bool:
        """Whether a tensor stands for rows."""
        held = self._others.get(id(tensor))
        return held is not None and held[0]() is tensor

    def rows(self, tensor: Tensor) -> list[Tensor]:
        return [tensor, *self._others[id(tensor)][1]] if self.knows(tensor) else [tensor]

    def stacked(self, tensor: Tensor) -> Tensor:
        """The whole batch; what does not depend on it is the same memory for every row."""
        if self.knows(tensor):
            return functions.stack(self.rows(tensor))
        return tensor.expand(self.size, *tensor._sizes)

    def each(self, function: Callable[..., Any], args: Sequence[Any]) -> Any:
        with at(self.below):
            if not any(map(self._depends, args)):
                return function(*args)
            return self.together([function(*[self.row(a, k) for a in args]) for k in range(self.size)])

    def _depends(self, value: Any) -> bool:
        return any(map(self.knows, value)) if isinstance(value, (tuple, list)) else self.knows(value)

    def row(self, value: Any, k: int) -> Any:
        """A value, or the values of a list, as one row has it."""
        if self.knows(value):
            return value if k == 0 else self._others[id(value)][1][k - 1]
        return [self.row(v, k) for v in value] if self._depends(value) else value

    def carry(self, source: Tensor, target: Tensor) -> None:
        if self.knows(source):
            self.together([target, *(row._alias() for row in self.rows(source)[1:])])
        super().carry(source, target)

    def detached(self, source: Tensor, made: Tensor) -> None:
        if self.knows(source):
            self.together([made, *(row.detach() for row in self.rows(source)[1:])])

    # ----------------------------------------------------------------------------------------------------- operations

    def apply(self, function: Any, args: tuple[Any, ...]) -> Any:
        return self.each(function.apply, args)

    def run(self, op: Op, values: list[Any], inplace: bool, out: Any) -> Any:
        operands = _tensors(op, values)
        outs = [] if out is None else list(out) if isinstance(out, (tuple, list)) else [out]
        depends = any(map(self.knows, (*operands, *outs)))
        self._check(op, operands, depends, inplace)
        if depends and outs:
            raise RuntimeError(
                f"Batching rule not implemented for aten::{op.name}.out; the fallback path doesn't work on out= or view ops."
            )
        return self.each(lambda *row: run(op, list(row), inplace=inplace, out=out), values)

    def _check(self, op: Op, operands: list[Tensor], depends: bool, inplace: bool) -> None:
        """Raise RuntimeError for what has no meaning for a batch."""
        if op.family == "random":
            raise RuntimeError(
                "vmap: We do not yet support calling random operations inside of vmap. Please perform random operations outside "
                "of vmap as a workaround"
            )
        if depends and op.name in _READ:
            raise RuntimeError(
                f"Batching rule not implemented for aten::{op.name}. We could not generate a fallback."
            )
        if depends and inplace and not self.knows(operands[0]):
            name = f"aten::{op.name.rstrip('_')}_"
            raise RuntimeError(
                f"vmap: {name}(self, *extra_args) is not possible because there exists a Tensor `other` in extra_args that has "
                "more elements than `self`. This happened due to `other` being vmapped over but `self` not being vmapped over at "
                f"level 1. Please try to use out-of-place operators instead of {name}. If said operator is being called inside "
                "the PyTorch framework, please file a bug report instead."
            )


def batched_gradients(gradients: Callable[[list[Any]], list[Any]], grads: list[Any]) -> list[Any]:
    """The results of `gradients` for the entries of the first dimension of `grads`, stacked.

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
    batch = Batch(sizes[0])
    rows = [None if g is None else batch.together([g[k] for k in range(sizes[0])]) for g in grads]
    with at(batch):
        found = gradients(rows)
    made: dict[int, Any] = {}  # an input that is asked for twice has one gradient
    for g in found:
        if id(g) not in made:
            made[id(g)] = None if g is None else batch.stacked(g)
    return [made[id(g)] for g in found]
