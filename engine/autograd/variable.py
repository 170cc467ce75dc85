"""The name that tensors with gradients once had.

Source: https://docs.pytorch.org/docs/stable/autograd.html#variable-deprecated
"""

from __future__ import annotations

from typing import Any

from engine import functions, signatures


class VariableMeta(type):
    """Every tensor is a Variable."""

    def __instancecheck__(cls, other: Any) -> bool:
        return signatures.is_tensor(other)


class Variable(metaclass=VariableMeta):
    """`Variable(tensor, requires_grad)` is a tensor on the same memory, without history."""

    def __new__(cls, data: Any = None, requires_grad: bool = False) -> Any:
        if data is None:
            return functions.tensor([], requires_grad=requires_grad)
        if not signatures.is_tensor(data):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        return data.detach().requires_grad_(requires_grad)
