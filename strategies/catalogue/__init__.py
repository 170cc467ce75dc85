"""The catalogue: how each operation may be called.

Everything that follows from the engine's record of an operation is derived from it (`derive`, `parameters`); the tables
of the families add what is special: shapes that go together, ranges of arguments, options.
"""

from __future__ import annotations

from strategies.catalogue import conversion, indexing, linalg, pointwise, reductions, views
from strategies.catalogue.derive import derived
from strategies.catalogue.draft import Draft
from strategies.catalogue.entry import Entry
from strategies.catalogue.parameters import draw_argument
from strategies.choices import Table

ROWS = {**pointwise.ROWS, **reductions.ROWS, **views.ROWS, **indexing.ROWS, **linalg.ROWS, **conversion.ROWS}

# How often an entry is drawn within its family, where it is not 8. With 0 it is not drawn as a call: hooks, backward,
# numpy() and their like are statements of their own kinds.
WEIGHTS = {
    "add": 16, "mul": 16, "sub": 14, "div": 14, "pow": 10, "exp": 10, "sum": 20, "mean": 14, "max": 10, "min": 10,
    "mm": 12, "matmul": 12, "view": 14, "reshape": 12, "expand": 12, "t": 10, "copy_": 14, "fill_": 12, "zero_": 10,
    "cat": 12, "clone": 14, "where": 12, "masked_fill": 12, "index_put": 10, "scatter": 10, "gather": 12,
    "as_strided": 8, "to": 14, "item": 8,
    "cuda": 1, "scalar_tensor": 2, "empty_strided": 3, "as_tensor": 4, "asarray": 2, "resize_": 8,
    "absolute": 3, "arccos": 2, "arcsin": 2, "arctan": 2, "arcsinh": 2, "arccosh": 2, "arctanh": 2, "arctan2": 2,
    "subtract": 3, "multiply": 3, "divide": 3, "true_divide": 3, "negative": 3, "fix": 2, "clip": 4, "swapdims": 2,
    "swapaxes": 2, "moveaxis": 2, "not_equal": 2, "less": 2, "less_equal": 2, "greater": 2, "greater_equal": 2,
    "concat": 2, "concatenate": 2, "can_cast": 1, "promote_types": 1, "is_same_size": 2, "resolve_neg": 1,
    "is_conj": 1, "is_inference": 1, "cpu": 2, "alias": 0, "numpy": 0, "detach": 0, "detach_": 0, "backward": 0,
    "requires_grad_": 0, "retain_grad": 0, "register_hook": 0, "set_": 0, "manual_seed": 0, "initial_seed": 0, "seed": 0,
    "from_numpy": 0, "data_ptr": 0, "Generator": 0, "is_nonzero": 3, "equal": 5, "tensor": 4,
}  # fmt: skip

ENTRIES: tuple[Entry, ...] = tuple(derived(ROWS, WEIGHTS))

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


def named(name: str) -> tuple[Entry, ...]:
    """The entries of a name, one an overload."""
    return tuple(entry for entry in ENTRIES if entry.name == name)


__all__ = ["ENTRIES", "ROWS", "Draft", "Entry", "by_family", "draw_argument", "named"]
