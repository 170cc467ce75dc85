"""Tensors that modules register by themselves: parameters and buffers.

Sources: https://docs.pytorch.org/docs/stable/generated/torch.nn.parameter.Parameter.html and
https://docs.pytorch.org/docs/stable/generated/torch.nn.parameter.Buffer.html
"""

from __future__ import annotations

from typing import Any

from engine import dtypes, functions
from engine.tensor import Tensor


class Parameter(Tensor):
    """A tensor on the memory of `data`, without its history, that a module takes as its parameter when it is assigned.

    Raises RuntimeError where gradients are wanted of a dtype that has none.
    """

    __slots__ = ("__dict__",)

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Parameter:
        source = functions.empty(0) if data is None else data.detach()
        if not isinstance(requires_grad, bool):
            given = type(requires_grad).__name__
            raise TypeError(
                f"_make_subclass(): argument 'require_grad' (position 3) must be bool, not {given}"
            )
        if requires_grad and source.dtype.category < dtypes.FLOAT:
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        self = source._alias(cls)
        self.requires_grad = requires_grad
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.data.clone(), self.requires_grad)
        return memo[id(self)]

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"

    def __format__(self, spec: str) -> str:
        return object.__format__(self, spec)


class Buffer(Tensor):
    """A tensor on the memory of `data` that a module takes as its buffer; `persistent` ones belong to its state."""

    __slots__ = ("persistent",)

    persistent: bool

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Buffer:
        source = functions.empty(0) if data is None else data
        self = source.detach()._alias(cls)
        self.requires_grad = source.requires_grad
        self.persistent = persistent
        return self
