"""How accurate special functions are, as measured: the only number that an operation may carry into a verdict.

A function may be off from its value at an argument by so many units, each of which is a ULP of the result or what a change
of an argument by one ULP makes of it, whichever is larger: near a root a change of the argument counts, on a flat stretch
the rounding of the result. `accuracy.toml` has what `python -m conformance accuracy` measured (`conformance.measuring`).
"""

from __future__ import annotations

import functools
import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.numeric import ULPS

RECORD = Path(__file__).with_name("accuracy.toml")
SPECIAL = frozenset(
    """
    lgamma digamma igamma igammac erf erfc erfinv i0 special_i1 sinc logit
    polygamma(0) polygamma(1) polygamma(2) polygamma(3) polygamma(4)
    """.split()
)
"""What may carry a number. 16-bit formats carry none: they are computed in float32, whose units are small there."""


_NEAR = "of orders from 20 on torch's float64 has nine or ten right digits where the argument is near, SciPy's 14 or more"
FORMULAS = {
    "polygamma(1)": "from 6 on torch's float64 has three terms of an asymptotic series, which are nine right digits",
    "igamma": _NEAR,
    "igammac": _NEAR,
}
"""Why a number is large. Source: https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/Math.h"""


class AccuracyError(ValueError):
    """A record of measurements that cannot be used; the text is one line."""


@dataclass(frozen=True)
class Measurement:
    """One function of one backend on one grid: the largest errors of what is finite and not 0, and where."""

    op: str
    dtype: str
    backend: str
    version: str
    grid: str
    points: int
    lost: int  # at how many of them there is no finite number, or 0
    of_result: float  # the largest error in ULP of the result
    of_result_at: tuple[float, ...]
    of_argument: float  # that same error in changes of the argument by one ULP
    looser: float  # the largest error in units of the larger of the two
    looser_at: tuple[float, ...]

    @property
    def needs_number(self) -> bool:
        """Whether it may be further off than the results of any operation."""
        return self.of_result > ULPS

    def line(self) -> str:
        """The form in which the record has it: one line of TOML."""
        return "{" + ", ".join(f"{name} = {_toml(value)}" for name, value in vars(self).items()) + "},"


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def load(path: Path = RECORD) -> list[Measurement]:
    """Reads a record. Raises AccuracyError where it is none."""
    try:
        rows: list[dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))["measured"]
        return [_measurement(**row) for row in rows]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise AccuracyError(f"{path}: not a record of measured accuracy: {error}") from None


def _measurement(**fields: Any) -> Measurement:
    return Measurement(**{name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()})  # type: ignore[arg-type]


def save(measurements: Iterable[Measurement], path: Path) -> None:
    """Writes a record. What it had of the same functions, dtypes and backends is replaced, all else kept."""
    rows = {(m.op, m.dtype, m.backend): m for m in (*(load(path) if path.exists() else ()), *measurements)}
    lines = (rows[key].line() for key in sorted(rows))
    head = "# Written by `python -m conformance accuracy --record`: see conformance/accuracy.py for what it means.\n"
    path.write_text(
        head + "measured = [\n" + "".join(f"    {line}\n" for line in lines) + "]\n", encoding="utf-8"
    )


def numbers(measurements: Iterable[Measurement]) -> dict[tuple[str, str], float]:
    """What (operation, dtype) may be off by, where it is more than any operation may be.

    It is the largest of what was measured of any backend, rounded up to a power of two: between the points of a grid, and in
    the kernels for other processors, the errors are others.
    """
    worst: dict[tuple[str, str], tuple[bool, float]] = {}
    for m in measurements:
        if m.op in SPECIAL:
            needs, units = worst.get((m.op, m.dtype), (False, 1.0))
            worst[m.op, m.dtype] = (needs or m.needs_number, max(units, m.looser))
    return {key: 2.0 ** math.ceil(math.log2(units)) for key, (needs, units) in worst.items() if needs}


def beyond(measurements: Iterable[Measurement]) -> list[str]:
    """Which measurements are further off than the record allows."""
    allowed = carried()
    return [
        f"{m.op} of {m.dtype} on {m.backend}"
        for m in measurements
        if m.needs_number and m.looser > allowed.get((m.op, m.dtype), 0)
    ]


@functools.cache
def carried() -> Mapping[tuple[str, str], float]:
    """The numbers of the project's own record."""
    return numbers(load())
