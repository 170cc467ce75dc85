"""Modules made of modules: in sequence, and as a list.

Sources: https://docs.pytorch.org/docs/stable/generated/torch.nn.Sequential.html and
https://docs.pytorch.org/docs/stable/generated/torch.nn.ModuleList.html
"""

from __future__ import annotations

import itertools
import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any, Self

from engine.nn.modules.module import Module, bracketed


class _Indexed(Module):
    """Submodules in order. Where their names are their indices they are numbered anew when one goes or comes between."""

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def _name_at(self, index: Any) -> str:
        """The name of the module at an index, from the end if negative. Raises IndexError out of range."""
        index = operator.index(index)
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is out of range")
        return list(self._modules)[index]

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self._part(list(self._modules.items())[index])
        return self._modules[self._name_at(index)]

    def _part(self, items: list[tuple[str, Any]]) -> Any:
        raise AssertionError("a container says what a part of it is")

    def __setitem__(self, index: int, module: Any) -> None:
        setattr(self, self._name_at(index), module)

    def __delitem__(self, index: Any) -> None:
        names = list(self._modules)[index] if isinstance(index, slice) else [self._name_at(index)]
        for name in names:
            delattr(self, name)
        self._renumber(list(self._modules.values()))

    def _renumber(self, modules: list[Any]) -> None:
        self._modules = {str(i): module for i, module in enumerate(modules)}

    def append(self, module: Any) -> Self:
        """Put a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Any) -> Self:
        """Put modules at the end."""
        for module in modules:
            self.append(module)
        return self

    def _insert(self, index: int, module: Any) -> None:
        modules = list(self)
        modules.insert(index, module)
        self._renumber(modules)

    def pop(self, key: Any) -> Any:
        """Take out and return the module at an index, or those of a slice."""
        found = self[key]
        del self[key]
        return found


class Sequential(_Indexed):
    """Modules of which each gets what the one before gives; made of modules, or of an OrderedDict with their names."""

    def __init__(self, *args: Any) -> None:
        super().__init__()
        named = args[0].items() if len(args) == 1 and isinstance(args[0], OrderedDict) else enumerate(args)
        for name, module in named:
            self.add_module(str(name), module)

    def _part(self, items: list[tuple[str, Any]]) -> Sequential:
        return type(self)(OrderedDict(items))

    def insert(self, index: int, module: Any) -> Self:
        """Put a module before the one at an index. Raises IndexError out of range, AssertionError for no module."""
        if not isinstance(module, Module):
            raise AssertionError(f"module should be of type: {Module}")
        if not -len(self) <= index <= len(self):
            raise IndexError(f"Index out of range: {index}")
        self._insert(index, module)
        return self

    def __add__(self, other: Any) -> Sequential:
        return Sequential(*self, *_require_sequential(other))

    def __iadd__(self, other: Any) -> Self:
        return self.extend(_require_sequential(other))

    def __mul__(self, times: Any) -> Sequential:
        return Sequential(*list(self) * self._count(times))

    __rmul__ = __mul__

    def __imul__(self, times: Any) -> Self:
        return self.extend(list(self) * (self._count(times) - 1))

    def _count(self, times: Any) -> int:
        if not isinstance(times, int):
            raise TypeError(f"unsupported operand type(s) for *: {type(self)} and {type(times)}")
        if times <= 0:
            raise ValueError(f"Non-positive multiplication factor {times} for {type(self)}")
        return times

    def forward(self, input: Any) -> Any:
        """The input, put through one module after the other."""
        for module in self:
            input = module(input)
        return input


def _require_sequential(other: Any) -> Sequential:
    if not isinstance(other, Sequential):
        raise ValueError(
            f"add operator supports only objects of Sequential class, but {type(other)} is given."
        )
    return other


class ModuleList(_Indexed):
    """A list whose modules are registered. It computes nothing itself."""

    def __init__(self, modules: Iterable[Any] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def _part(self, items: list[tuple[str, Any]]) -> ModuleList:
        return type(self)(module for _, module in items)

    def extend(self, modules: Any) -> Self:
        """Put modules at the end. Raises TypeError for what cannot be iterated."""
        if not isinstance(modules, Iterable):
            given = type(modules).__name__
            raise TypeError(f"ModuleList.extend should be called with an iterable, but got {given}")
        return super().extend(modules)

    def insert(self, index: int, module: Any) -> None:
        """Put a module before the one at an index."""
        self._insert(index, module)

    def __iadd__(self, modules: Any) -> Self:
        return self.extend(modules)

    def __add__(self, other: Any) -> ModuleList:
        return ModuleList(itertools.chain(self, other))

    def __repr__(self) -> str:
        """As any module's; equal neighbours are shown once, with the range of their indices."""
        parts, start = [], 0
        for text, group in itertools.groupby(map(repr, self)):
            count = len(list(group))
            parts.append(
                f"({start}): {text}" if count == 1 else f"({start}-{start + count - 1}): {count} x {text}"
            )
            start += count
        return bracketed(self._get_name(), [], parts)
