"""Measures how accurate functions of a backend are, against mpmath, on fixed grids.

The error of a result is taken in ULP of the result, and in changes of the result that come from changing one argument by one
ULP. Source of the values: https://mpmath.org/doc/current/functions/
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from conformance.accuracy import Measurement
from conformance.backends import Backend

DIGITS = 40
"""Decimal digits to compute in: float64 near a root loses 16 of them."""
DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class Function:
    """A function to measure: how a library is called, what mpmath has, and on which grid."""

    name: str
    grid: str
    truth: Callable[..., Any]
    call: Callable[..., Any]


# --- Grids ----------------------------------------------------------------------------------------------------------


def _line() -> Iterator[float]:
    """Both signs: multiples of 1/20 up to 8, powers, and what is close to whole numbers, to poles and to roots."""
    yield from (i / 20 for i in range(-160, 161))
    yield from (sign * 2.0 ** (i / 4) for i in range(-100, 69) for sign in (1, -1))
    for near in (1.0, 2.0, -1.0, -2.0, 0.5, 1.4616321449683622, -0.5040830082644554, -2.4570247382208006):
        yield from (near + sign * 2.0**-k for k in range(3, 40, 2) for sign in (1, -1))


def _positive() -> Iterator[float]:
    yield from (x for x in _line() if x > 0)


def _above() -> Iterator[float]:
    """As `line`, but below 0 no further than some poles."""
    yield from (x for x in _line() if x > -64)


def _unit() -> Iterator[float]:
    """Between -1 and 1, close to both, and to 0 and 1/2."""
    yield from (i / 100 for i in range(-99, 100))
    for k in range(2, 40):
        yield from (sign * x for x in (1 - 2.0**-k, 2.0**-k, 0.5 - 2.0 ** -(k + 1)) for sign in (1, -1))


def _share() -> Iterator[float]:
    yield from (x for x in _unit() if x > 0)


ORDERS = (
    2.0**-10,
    0.01,
    0.1,
    0.25,
    0.5,
    0.75,
    1,
    1.5,
    2,
    2.5,
    3,
    4.5,
    6,
    8,
    10,
    15,
    19.5,
    21,
    25,
    40,
    80,
    150,
    199,
    201,
    400,
)
RATIOS = (
    2.0**-20, 1e-3, 0.01, 0.1, 0.25, 0.5, 0.65, 0.75, 0.9, 0.97, 0.99, 1, 1.01, 1.03, 1.1, 1.25, 1.35, 1.5, 2, 3, 5, 10, 30,
)  # fmt: skip


def _plane() -> Iterator[tuple[float, float]]:
    """Orders from 0.003 to 400, and for each arguments from a millionth of it to 30 times it, and near 1.

    Of smaller orders torch has fewer digits (the ledger: upper-incomplete-gamma-of-small-orders).
    """
    yield from ((a, a * ratio) for a in ORDERS for ratio in RATIOS)
    yield from ((a, x) for a in ORDERS for x in (0.5, 0.75, 1.0, 1.05, 1.5, 4.0, 30.0))


def _pairs() -> Iterator[tuple[float, float]]:
    """Two numbers of both signs."""
    few = [sign * x for x in (1e-3, 0.1, 0.3, 0.75, 1.0, 1.25, 2.0, 3.5, 7.7, 20.0) for sign in (1, -1)]
    yield from ((a, b) for a in few for b in few)


GRIDS: dict[str, Callable[[], Iterator[Any]]] = {
    "line": _line, "above": _above, "positive": _positive, "unit": _unit, "share": _share, "plane": _plane, "pairs": _pairs,
}  # fmt: skip


@functools.cache
def grid(name: str, dtype: str) -> tuple[np.ndarray, ...]:
    """The different points of a grid that a dtype has: one array for each argument."""
    points = np.array([np.atleast_1d(point) for point in GRIDS[name]()]).astype(dtype)
    return tuple(np.unique(points, axis=0).T)


# --- Functions ------------------------------------------------------------------------------------------------------


def _functions() -> dict[str, Function]:
    """The special functions, and elementary ones to show that these need no number."""
    import mpmath as mp

    def plain(name: str) -> Callable[..., Any]:
        return lambda torch, *x: getattr(torch, name)(*x)

    def slope_of_i0(torch: Any, x: Any) -> Any:
        x = x.detach().requires_grad_()
        torch.i0(x).sum().backward()
        return x.grad

    truths: dict[str, dict[str, Callable[..., Any]]] = {
        "line": {
            "lgamma": lambda x: mp.re(mp.loggamma(x)), "digamma": mp.digamma, "erf": mp.erf, "erfc": mp.erfc,
            "i0": lambda x: mp.besseli(0, x), "special_i1": lambda x: mp.besseli(1, x), "sinc": mp.sincpi,
            "exp": mp.exp, "exp2": lambda x: mp.mpf(2) ** x, "expm1": mp.expm1, "sin": mp.sin, "cos": mp.cos, "tan": mp.tan,
            "atan": mp.atan, "sinh": mp.sinh, "cosh": mp.cosh, "tanh": mp.tanh, "asinh": mp.asinh,
            "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
        },
        "positive": {
            "log": mp.log, "log2": lambda x: mp.log(x, 2), "log10": mp.log10, "log1p": mp.log1p, "rsqrt": lambda x: x**-0.5,
        },
        "unit": {"erfinv": mp.erfinv, "asin": mp.asin, "acos": mp.acos, "atanh": mp.atanh},
        "share": {"logit": lambda x: mp.log(x / (1 - x))},
        "plane": {
            "igamma": lambda a, x: mp.gammainc(a, 0, x, regularized=True),
            "igammac": lambda a, x: mp.gammainc(a, x, mp.inf, regularized=True),
        },
        "pairs": {"atan2": mp.atan2, "hypot": mp.hypot},
    }  # fmt: skip
    found = {
        name: Function(name, grid, truth, slope_of_i0 if name == "special_i1" else plain(name))
        for grid, table in truths.items()
        for name, truth in table.items()
    }
    for n in range(5):
        found[f"polygamma({n})"] = Function(
            f"polygamma({n})",
            "above",
            lambda x, n=n: mp.polygamma(n, x),
            lambda torch, x, n=n: torch.polygamma(n, x),
        )
    return found


@functools.cache
def functions() -> dict[str, Function]:
    """By name. Raises ModuleNotFoundError without mpmath."""
    return _functions()


# --- Measuring ------------------------------------------------------------------------------------------------------


@functools.cache
def _true_at(name: str, dtype: str, point: tuple[float, ...]) -> tuple[Any, Any] | None:
    """The value, and the largest change of it by one ULP of one argument; None where it is no normal number."""
    import mpmath

    function, info = functions()[name], np.finfo(dtype)
    with mpmath.workdps(DIGITS):
        exact = [mpmath.mpf(x) for x in point]
        try:
            value = function.truth(*exact)
            changed = []
            for i, x in enumerate(point):
                for step in (1, -1):
                    other = [*exact]
                    other[i] += step * float(np.spacing(np.abs(info.dtype.type(x))))
                    changed.append(abs(mpmath.re(function.truth(*other)) - value))
        except (ValueError, ZeroDivisionError):  # at a pole, or next to it
            return None
        if not isinstance(value, mpmath.mpf) or not info.tiny <= abs(value) <= info.max:
            return None
        return value, max(changed)


def measure(
    name: str, dtype: str, backend: Backend, chosen: Callable[[int], bool] = lambda i: True
) -> Measurement | None:
    """The largest errors of a function on its grid, or the points of it that are `chosen`; None where a backend lacks it."""
    function = functions()[name]
    columns = grid(function.grid, dtype)
    indices = [i for i in range(len(columns[0])) if chosen(i)]
    points = [tuple(float(column[i]) for column in columns) for i in indices]
    backend.reset()
    try:
        results = _results(function, dtype, backend, points)
    except Exception:  # a library may raise anything for what it lacks
        return None
    finally:
        backend.restore()
    measured = lost = 0
    result: tuple[float, tuple[float, ...], float] = (0.0, (), 0.0)
    looser: tuple[float, tuple[float, ...]] = (0.0, ())
    for i, point in enumerate(points):
        true = _true_at(name, dtype, point)
        if true is None:
            continue
        measured += 1
        value, change = true
        ulp = float(np.spacing(np.abs(np.dtype(dtype).type(float(value)))))
        for got in results:
            if got[i] == 0 or not np.isfinite(got[i]):  # a step of the formula has left the range
                lost += 1
                continue
            error = abs(got[i] - value)
            result = max(result, (float(error / ulp), point, float(error / change) if change else np.inf))
            looser = max(looser, (float(error / max(ulp, change)), point))
    return Measurement(
        name, dtype, backend.name, _version(backend), function.grid, measured, lost,
        *(_short(result[0]), result[1], _short(result[2]), _short(looser[0]), looser[1]),
    )  # fmt: skip


def _version(backend: Backend) -> str:
    """Of the engine, the version of the libraries that have its functions."""
    import scipy

    return (
        f"numpy {np.__version__}, scipy {scipy.__version__}" if backend.name == "engine" else backend.version
    )


def _results(
    function: Function, dtype: str, backend: Backend, points: Sequence[tuple[float, ...]]
) -> list[list[float]]:
    """Of contiguous tensors and of tensors with gaps, since libraries have vector code for the former."""
    torch = backend.namespace
    found = []
    for gap in (1, 2):
        columns = [[x for x in column for _ in range(gap)] for column in zip(*points)]
        tensors = [torch.tensor(column, dtype=getattr(torch, dtype))[::gap] for column in columns]
        found.append(function.call(torch, *tensors).tolist())
    return found


def _short(number: float) -> float:
    """Three digits are enough, and fewer differ between processors."""
    return float(f"{number:.3g}")


def table(measurements: Sequence[Measurement]) -> str:
    """For a terminal; the functions that are furthest off come first."""
    head = (
        "function",
        "dtype",
        "backend",
        "points",
        "lost",
        "ULP of result",
        "at",
        "(of argument)",
        "looser",
        "at",
    )
    rows = [
        (
            m.op, m.dtype, m.backend, str(m.points), str(m.lost), f"{m.of_result:.3g}", _place(m.of_result_at),
            f"{m.of_argument:.3g}", f"{m.looser:.3g}", _place(m.looser_at),
        )
        for m in sorted(measurements, key=lambda m: (-m.of_result, m.op, m.dtype, m.backend))
    ]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(head, *rows)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in (head, *rows))


def _place(point: tuple[float, ...]) -> str:
    return ", ".join(f"{x:.9g}" for x in point)
