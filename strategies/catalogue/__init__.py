"""The catalogue: how each operation may be called.

Everything that follows from the engine's record of an operation is derived from it (`derive`, `parameters`); the tables
of the families add what is special: shapes that go together, ranges of arguments, options.
"""

from __future__ import annotations

from functools import cache

from strategies.catalogue import conversion, indexing, linalg, pointwise, reductions, views
from strategies.catalogue.derive import derived
from strategies.catalogue.draft import Draft
from strategies.catalogue.entry import Entry
from strategies.catalogue.parameters import draw_arguments
from strategies.choices import Table

ROWS = {**pointwise.ROWS, **reductions.ROWS, **views.ROWS, **indexing.ROWS, **linalg.ROWS, **conversion.ROWS}

ENTRIES: tuple[Entry, ...] = tuple(derived(ROWS))

_FAMILIES = sorted({entry.family for entry in ENTRIES})
_BY_FAMILY = {
    family: Table([(entry, entry.weight) for entry in ENTRIES if entry.family == family])
    for family in _FAMILIES
}
_EXACT = {
    family: Table([(entry, entry.weight) for entry in ENTRIES if entry.family == family and entry.op.exact])
    for family in _FAMILIES
}
_NONE: Table[Entry] = Table([])


def by_family(family: str, *, exact: bool = False) -> Table[Entry]:
    """The entries of a family with their weights, all or the exact ones; none of a family that the engine lacks."""
    return (_EXACT if exact else _BY_FAMILY).get(family, _NONE)


@cache
def named(name: str) -> tuple[Entry, ...]:
    """The entries of a name, one an overload."""
    return tuple(entry for entry in ENTRIES if entry.name == name)


__all__ = ["ENTRIES", "ROWS", "Draft", "Entry", "by_family", "draw_arguments", "named"]
