"""Profiles: what programs are about, as weights."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from strategies import dtypes

Weights = tuple[tuple[str, int], ...]


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
    stop: float = 37
    """Chance to stop after each further statement."""
    most: int = 30
    spelling: Weights = field(default=(("plain", 60), ("inplace", 22), ("out", 5), ("operator", 20)))


_KINDS: Weights = (
    ("call", 44), ("operator", 15), ("create", 6), ("view", 12), ("getitem", 6), ("setitem", 7), ("flag", 6),
    ("backward", 10), ("grad", 4), ("clear", 8), ("mode", 4), ("loop", 2), ("hook", 5), ("numpy", 4), ("convert", 3),
    ("random", 3), ("inspect", 2), ("delete", 2), ("function", 2), ("node", 1), ("pass", 1), ("manager", 1),
    ("unhook", 6), ("functional", 1), ("dual", 1), ("level", 0),
)  # fmt: skip
# About as the sums of their operations' weights (`strategies.catalogue.weights`), less what comes from other kinds of
# statements: then operations of one class are met equally often whatever their family.
_FAMILIES: Weights = (
    ("pointwise", 31), ("reduction", 22), ("linalg", 11), ("indexing", 9), ("comparison", 7), ("view", 5), ("shape", 5),
    ("conversion", 5), ("creation", 2), ("random", 3), ("other", 1),
)  # fmt: skip


def _raised(table: Weights, **weights: int) -> Weights:
    """The table with other weights for some rows."""
    return tuple((name, weights.get(name, weight)) for name, weight in table)


DEFAULT = Profile("default", _KINDS, _FAMILIES)

PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        DEFAULT,
        replace(
            DEFAULT, name="views",
            kinds=_raised(_KINDS, view=26, getitem=14, setitem=16, call=20, numpy=8),
            families=_raised(_FAMILIES, view=30, shape=12, indexing=14, pointwise=16),
            spelling=(("plain", 40), ("inplace", 35), ("out", 10), ("operator", 15)),
        ),
        replace(
            DEFAULT, name="autograd",
            kinds=_raised(
                _KINDS, flag=14, backward=16, grad=10, clear=6, mode=8, hook=8, create=5, function=12, node=8, **{"pass": 10},
                manager=6, functional=10, dual=6, level=1,
            ),
            gradient=98, forbidden=50,
        ),
        replace(
            DEFAULT, name="promotion", dtypes=dtypes.EVEN, gradient=25,
            kinds=_raised(_KINDS, create=20, call=40, operator=20, convert=10),
            families=_raised(_FAMILIES, pointwise=50, comparison=20, reduction=20, conversion=8),
        ),
        replace(
            DEFAULT, name="indexing",
            kinds=_raised(_KINDS, getitem=20, setitem=20, call=24),
            families=_raised(_FAMILIES, indexing=50, view=16),
        ),
        replace(DEFAULT, name="mistakes", mistakes=45, least=4),
        replace(DEFAULT, name="special", wild=70, dtypes=dtypes.DEFAULT),
        replace(DEFAULT, name="exact", exact=True, gradient=35, wild=4, dtypes=dtypes.EXACT),
    )
}  # fmt: skip
