"""Arguments and results that are tuples, lists and dicts of tensors, as deep as they like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Shape:
    """How a tree is put together: the kind of container (None for a leaf), its keys if it is a dict, and its parts."""

    kind: type | None = None
    keys: tuple[Any, ...] = ()
    parts: tuple[Shape, ...] = ()

    def __str__(self) -> str:
        if self.kind is None:
            return "*"
        inside = ", ".join(map(str, self.parts))
        if self.kind is dict:
            return f"TreeSpec(dict, {list(self.keys)}, [{inside}])"
        return f"TreeSpec({self.kind.__name__}, None, [{inside}])"


LEAF = Shape()


def flatten(tree: Any) -> tuple[list[Any], Shape]:
    """The leaves in order, and how they were put together."""
    if type(tree) not in (tuple, list, dict):
        return [tree], LEAF
    keys = tuple(tree) if type(tree) is dict else ()
    flat = [flatten(part) for part in (tree.values() if keys else tree)]
    leaves = [leaf for part, _ in flat for leaf in part]
    return leaves, Shape(type(tree), keys, tuple(shape for _, shape in flat))


def unflatten(leaves: list[Any], shape: Shape) -> Any:
    """The tree of these leaves, which are taken from the front of the list."""
    return _taken(iter(leaves), shape)


def _taken(leaves: Any, shape: Shape) -> Any:
    if shape.kind is None:
        return next(leaves)
    parts = [_taken(leaves, part) for part in shape.parts]
    if shape.kind is dict:
        return dict(zip(shape.keys, parts, strict=True))
    return tuple(parts) if shape.kind is tuple else parts


def mapped(function: Callable[[Any], Any], tree: Any) -> Any:
    """The tree of what a function gives for each leaf."""
    leaves, shape = flatten(tree)
    return unflatten([function(leaf) for leaf in leaves], shape)


def spread(prefix: Any, shape: Shape) -> list[Any] | None:
    """One value for each leaf of a tree, from a tree of fewer levels whose leaves stand for all below. None if it does not
    fit.
    """
    if type(prefix) not in (tuple, list, dict):
        return [prefix] * _count(shape)
    own = flatten(prefix)[1]
    if own.kind is not shape.kind or own.keys != shape.keys or len(own.parts) != len(shape.parts):
        return None
    found: list[Any] = []
    for part, below in zip(prefix.values() if own.keys else prefix, shape.parts, strict=True):
        values = spread(part, below)
        if values is None:
            return None
        found += values
    return found


def _count(shape: Shape) -> int:
    return 1 if shape.kind is None else sum(map(_count, shape.parts))
