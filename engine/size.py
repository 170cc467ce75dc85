"""`torch.Size`, `torch.device` and the other small values that describe a tensor."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Iterable
from typing import Any, ClassVar


class Size(tuple):
    """The sizes of a tensor: a tuple of ints. Source: https://docs.pytorch.org/docs/stable/size.html"""

    __slots__ = ()

    def __new__(cls, sizes: Iterable[Any] = ()) -> Size:
        return tuple.__new__(cls, map(operator.index, sizes))

    of: ClassVar[Callable[[tuple[int, ...]], Size]]
    """The same for sizes that are ints for certain."""

    def numel(self) -> int:
        """The number of elements of a tensor of these sizes."""
        return math.prod(self)

    def __getitem__(self, item: Any) -> Any:
        got = tuple.__getitem__(self, item)
        return Size(got) if isinstance(item, slice) else got

    def __add__(self, other: Any) -> Size:
        if not isinstance(other, tuple):
            return NotImplemented
        return Size(tuple(self) + tuple(other))

    def __mul__(self, count: Any) -> Size:
        return Size(tuple(self) * count)

    __rmul__ = __mul__

    def __repr__(self) -> str:
        return f"torch.Size([{', '.join(map(str, self))}])"

    __str__ = __repr__


Size.of = functools.partial(tuple.__new__, Size)


class device:
    """Where a tensor lives. The engine has memory on 'cpu' only; other names can be spoken of, not used."""

    __slots__ = ("index", "type")
    type: str
    index: int | None
    _TYPES = ("cpu", "cuda", "meta", "mps", "xpu")

    def __init__(self, type: Any = "cpu", index: int | None = None) -> None:
        if isinstance(type, device):
            type, index = type.type, type.index
        if isinstance(type, int) and not isinstance(type, bool):
            raise RuntimeError("Cannot access accelerator device when none is available.")
        if not isinstance(type, str):
            raise TypeError(f"device(): argument 'type' must be str, not {_type_name(type)}")
        kind, colon, number = type.partition(":")
        if kind not in self._TYPES:
            raise RuntimeError(
                f"Expected one of {', '.join(self._TYPES)} device type at start of device string: {kind}"
            )
        if colon:
            if index is not None:
                raise RuntimeError(
                    f"type (string) must not include an index because index was passed explicitly: {type}"
                )
            if not number.isdigit():
                raise RuntimeError(f"Invalid device string: '{type}'")
            index = int(number)
        self.type, self.index = kind, index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        return (
            f"device(type='{self.type}')"
            if self.index is None
            else f"device(type='{self.type}', index={self.index})"
        )


CPU = device("cpu")


class _Constant:
    """A named constant of torch: a layout or a memory format."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"


class layout(_Constant):
    """How a tensor's elements are stored; the engine has `strided` alone."""


class memory_format(_Constant):
    """A wish for the strides of a result."""


strided = layout("strided")
contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")


def require_cpu(where: device | None) -> None:
    """Raise as torch built without CUDA does when memory is asked for elsewhere."""
    if where is None or where.type == "cpu":
        return
    if where.type == "cuda":
        raise AssertionError("Torch not compiled with CUDA enabled")
    raise NotImplementedError(
        f"Could not run 'aten::empty.memory_format' with arguments from the '{where.type.upper()}' backend."
    )


def _type_name(x: object) -> str:
    return type(x).__name__
