"""Python's operators on tensors, each by the function that it stands for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from engine import dtypes, functions
from engine.tensor import Tensor

_OPERATORS = {
    "add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "floordiv": "floor_divide", "mod": "remainder", "pow": "pow",
    "matmul": "matmul", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor", "lshift": "bitwise_left_shift",
    "rshift": "bitwise_right_shift",
}  # fmt: skip
_COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
_UNARY = {"neg": "neg", "pos": "positive", "abs": "abs"}


def _invert(self: Tensor) -> Tensor:
    if self.dtype.category >= dtypes.FLOAT:
        raise TypeError("~ (operator.invert) is only implemented on integer and Boolean-type tensors")
    return functions.bitwise_not(self)


_OPERANDS = (Tensor, bool, int, float, complex, np.number, np.bool_)


def _fits(other: Any) -> bool:
    return isinstance(other, _OPERANDS)


def _binary(name: str) -> Callable[[Any, Any], Any]:
    def operator(self: Tensor, other: Any) -> Any:
        return getattr(functions, name)(self, other) if _fits(other) else NotImplemented

    return operator


def _reflected(name: str) -> Callable[[Any, Any], Any]:
    def operator(self: Tensor, other: Any) -> Any:
        if not _fits(other):
            return NotImplemented
        if name == "sub":
            return functions.rsub(self, other)
        if name in ("add", "mul", "bitwise_and", "bitwise_or", "bitwise_xor"):
            return getattr(functions, name)(self, other)
        return getattr(functions, name)(other, self)

    return operator


def _divided_from(self: Tensor, other: Any) -> Any:
    """`other / self`. The product with an array is NumPy's, so this is the only reflected operator that takes arrays."""
    try:
        return self.reciprocal() * other
    except TypeError:
        return NotImplemented


def _equal(self: Tensor, other: Any) -> Any:
    """`self == other`, the only comparison that takes an array, as the tensor on its memory."""
    if isinstance(other, np.ndarray):
        try:
            other = functions.from_numpy(other)
        except TypeError:
            return NotImplemented
    return functions.eq(self, other) if _fits(other) else NotImplemented


def _augmented(name: str) -> Callable[[Any, Any], Any]:
    def operator(self: Tensor, other: Any) -> Any:
        return getattr(self, name + "_")(other) if _fits(other) else NotImplemented

    return operator


for _symbol, _name in _OPERATORS.items():
    setattr(Tensor, f"__{_symbol}__", _binary(_name))
    setattr(Tensor, f"__r{_symbol}__", _reflected(_name))
    if _symbol != "matmul":
        setattr(Tensor, f"__i{_symbol}__", _augmented(_name))
for _name in _COMPARISONS:
    setattr(Tensor, f"__{_name}__", _binary(_name))
Tensor.__rtruediv__ = _divided_from
Tensor.__eq__ = _equal  # type: ignore[assignment,method-assign]
Tensor.__invert__ = _invert  # type: ignore[operator]
for _symbol, _name in _UNARY.items():
    setattr(Tensor, f"__{_symbol}__", (lambda name: lambda self: getattr(functions, name)(self))(_name))
