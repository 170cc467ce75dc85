"""Which operations PyTorch documents, the language knows, the engine implements, and programs use."""

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


OUTSIDE = "not in the language"


def names(used: Counter[str]) -> list[Name]:
    """Every name with what `used` (by `canonical_op`) says of it: the language's by family, then PyTorch's other ones.

    The engine has every name of the language (conformance/meta_tests/test_program_vocabulary.py).
    """
    functions = {name.removeprefix("torch.") for name in vocabulary.FUNCTIONS if name.startswith("torch.")}
    language = functions | vocabulary.METHODS
    rows = [
        Name(name, vocabulary.family_of(name), True, used[opnames.canonical_op(name)])
        for name in sorted(language)
    ]
    rows.sort(key=lambda row: list(vocabulary.FAMILIES).index(row.family))
    return rows + [Name(name, OUTSIDE, _in_engine(name), 0) for name in sorted(documented() - language)]


def documented() -> set[str]:
    """What the installed PyTorch documents for tensors, in its own namespace and these of its modules; none without it.

    That is each function and method which `torch.overrides` lists for tensor-like classes and which has a docstring.
    Source: https://docs.pytorch.org/docs/stable/torch.overrides.html
    """
    try:
        torch = importlib.import_module("torch")
    except ModuleNotFoundError:
        return set()
    listed = torch.overrides.get_overridable_functions()
    found = set()
    for module in ("", "linalg", "special", "fft", "nn.functional"):
        owner = _attribute(torch, module) if module else torch
        for name in {function.__name__.removeprefix(f"{module}_") for function in listed[owner]}:
            if not name.startswith("_") and getattr(_attribute(owner, name), "__doc__", None):
                found.add(f"{module}.{name}".lstrip("."))
    methods = {getattr(method, "__name__", "_") for method in listed[torch.Tensor]}
    return found | {
        name for name in methods if not name.startswith("_") and getattr(torch.Tensor, name, None).__doc__
    }


def _attribute(owner: Any, dotted: str) -> Any:
    """What stands behind a dotted name, or None."""
    for part in dotted.split("."):
        owner = getattr(owner, part, None)
    return owner


def _in_engine(name: str) -> bool:
    engine = importlib.import_module("engine")
    return _attribute(engine, name) is not None or _attribute(engine.Tensor, name) is not None


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
