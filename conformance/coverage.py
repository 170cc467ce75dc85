"""Which operations the language knows, the engine implements, and programs use."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from conformance import listing, opnames
from conformance.records import read
from conformance.worker import draw_function
from strategies.program import ProgramError, parse, vocabulary


class Name(NamedTuple):
    """A documented name: a function of torch or a method of tensors."""

    name: str
    family: str
    implemented: bool
    drawn: int  # how many times programs call it


def names(used: Counter[str]) -> list[Name]:
    """Every name of the language with what `used` (by `canonical_op`) says of it, families in order."""
    engine = importlib.import_module("engine")
    rows = []
    functions = {name.removeprefix("torch.") for name in vocabulary.FUNCTIONS if name.startswith("torch.")}
    for name in sorted(functions | vocabulary.METHODS):
        found = (_has(engine, name) or name not in functions) and (
            _has(engine.Tensor, name) or name not in vocabulary.METHODS
        )
        rows.append(Name(name, vocabulary.family_of(name), found, used[opnames.canonical_op(name)]))
    return sorted(rows, key=lambda row: (list(vocabulary.FAMILIES).index(row.family), row.name))


def _has(owner: Any, dotted: str) -> bool:
    for part in dotted.split("."):
        owner = getattr(owner, part, None)
        if owner is None:
            return False
    return True


def used_in(paths: Iterable[Path]) -> Counter[str]:
    """How often the programs of record files use each operation."""
    used: Counter[str] = Counter()
    for path in paths:
        for row in read(path):
            if row["record"] == "program":
                used.update(row["ops"])
    return used


def drawn(draw: str, seed: int, profile: str, programs: int, block_size: int = 50) -> Counter[str]:
    """The same of programs drawn now."""
    used: Counter[str] = Counter()
    left, block = programs, 0
    while left > 0:
        for text in draw_function(draw)(seed, block, profile, min(block_size, left)):
            try:
                used.update(opnames.canonical_op(call) for one in parse(text).walk() for call in one.calls)
            except ProgramError:  # `run` tells of it
                continue
        left, block = left - block_size, block + 1
    return used


def table(rows: Iterable[Name]) -> str:
    """Counts by family."""
    by_family: dict[str, list[Name]] = {}
    for row in rows:
        by_family.setdefault(row.family, []).append(row)
    lines: list[tuple[Any, ...]] = [
        (family, len(group), sum(row.implemented for row in group), sum(row.drawn > 0 for row in group))
        for family, group in by_family.items()
    ]
    lines.append(("all", *(sum(column) for column in list(zip(*lines))[1:])))
    return listing.table(lines, ("family", "names", "implemented", "drawn"))
