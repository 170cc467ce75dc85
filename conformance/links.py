"""Which names of a program may depend on each other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from conformance import compare
from conformance.facts import Step


class Links:
    """Union-find of the names that statements or storages have joined so far."""

    def __init__(self) -> None:
        self.parent: dict[str, str] = {}

    def find(self, name: str) -> str:
        parent = self.parent.setdefault(name, name)
        while parent != name:
            self.parent[name] = self.parent.setdefault(parent, parent)
            name, parent = parent, self.parent[parent]
        return name

    def join(self, names: Iterable[str]) -> None:
        first: str | None = None
        for name in names:
            if first is None:
                first = self.find(name)
            else:
                self.parent[self.find(name)] = first

    def group(self, names: Iterable[str]) -> frozenset[str]:
        roots = {self.find(name) for name in names}
        return frozenset(name for name in list(self.parent) if self.find(name) in roots)

    def joined(self, names: Iterable[str], others: Iterable[str]) -> bool:
        roots = {self.find(name) for name in others}
        return any(self.find(name) in roots for name in names)

    def step(self, statement: Any, *steps: Step | None) -> None:
        self.join(sorted(statement.reads | statement.writes))
        for step in steps:
            if step is None:
                continue
            classes: dict[int, list[str]] = {}
            for name, fact in step.names.items():
                for _, storage in compare.storages(name, fact):
                    if storage is not None:
                        classes.setdefault(storage, []).append(name)
            for names in classes.values():
                self.join(names)
