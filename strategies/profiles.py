"""Profiles: what programs are about, as weights."""

from __future__ import annotations

from dataclasses import dataclass, replace

from strategies import dtypes
from strategies.choices import Table

Weights = tuple[tuple[str, int], ...]

_SPELLING: Weights = Table((("plain", 60), ("inplace", 22), ("out", 5), ("operator", 20)))


@dataclass(frozen=True)
class Profile:
    """Weights of the kinds of statements, of the families of operations and of dtypes, and some chances in percent."""

    name: str
    kinds: Weights
    families: Weights
    dtypes: dtypes.Weights = dtypes.DEFAULT
    gradient: float = 66
    """Programs that are drawn towards a backward."""
    mistakes: float = 9
    """Statements that may raise; about half of them are made to."""
    forbidden: float = 12
    """Statements about hooks, Functions and unusual backward passes that try what is forbidden."""
    wild: float = 10
    """Literals that hold infinities, nan, signed zeros and the ends of the dtype."""
    exact: bool = False
    """Only operations whose results have one right bit pattern."""
    least: int = 4
    """Statements before a program may stop."""
    stop: float = 40
    """Chance to stop after each further statement."""
    most: int = 30
    spelling: Weights = _SPELLING


# What differentiates or maps a function runs dozens of operations, so it is rare here and frequent in the profile "autograd".
_KINDS: Weights = Table((
    ("call", 88), ("operator", 30), ("create", 12), ("view", 24), ("getitem", 12), ("setitem", 14), ("flag", 12),
    ("backward", 20), ("grad", 8), ("clear", 16), ("mode", 8), ("loop", 4), ("hook", 10), ("numpy", 8), ("convert", 6),
    ("random", 6), ("inspect", 4), ("delete", 4), ("function", 4), ("node", 2), ("pass", 2), ("manager", 2),
    ("unhook", 12), ("functional", 1), ("dual", 2), ("level", 0), ("sequence", 0), ("family", 0),
))  # fmt: skip
# About as the sums of their operations' weights (`strategies.catalogue.weights`), less what comes from other kinds of
# statements: then operations of one class are met equally often whatever their family.
_FAMILIES: Weights = Table((
    ("pointwise", 31), ("reduction", 22), ("linalg", 11), ("indexing", 9), ("comparison", 7), ("view", 5), ("shape", 5),
    ("conversion", 5), ("creation", 2), ("random", 3), ("other", 1),
))  # fmt: skip


def _raised(table: Weights, **weights: int) -> Weights:
    """The table with other weights for some rows."""
    return Table((name, weights.get(name, weight)) for name, weight in table)


DEFAULT = Profile("default", _KINDS, _FAMILIES)

PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        DEFAULT,
        replace(
            DEFAULT, name="views",
            kinds=_raised(_KINDS, view=52, getitem=28, setitem=32, call=40, numpy=16, family=44),
            families=_raised(_FAMILIES, view=30, shape=12, indexing=14, pointwise=16),
            spelling=Table((("plain", 40), ("inplace", 35), ("out", 10), ("operator", 15))),
        ),
        replace(
            DEFAULT, name="autograd",
            kinds=_raised(
                _KINDS, flag=28, backward=32, grad=20, clear=12, mode=16, hook=16, create=10, function=24, node=16,
                manager=12, functional=32, dual=12, level=2, sequence=180, **{"pass": 48},
            ),
            gradient=98, forbidden=50,
        ),
        replace(
            DEFAULT, name="promotion", dtypes=dtypes.EVEN, gradient=25,
            kinds=_raised(_KINDS, create=40, call=80, operator=40, convert=20),
            families=_raised(_FAMILIES, pointwise=50, comparison=20, reduction=20, conversion=8),
        ),
        replace(
            DEFAULT, name="indexing",
            kinds=_raised(_KINDS, getitem=40, setitem=40, call=48),
            families=_raised(_FAMILIES, indexing=50, view=16),
        ),
        replace(DEFAULT, name="mistakes", mistakes=45, least=4),
        replace(DEFAULT, name="special", wild=70, dtypes=dtypes.DEFAULT),
        replace(DEFAULT, name="exact", exact=True, gradient=35, wild=4, dtypes=dtypes.EXACT),
    )
}  # fmt: skip
