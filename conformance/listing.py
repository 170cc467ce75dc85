"""Differences as text on a terminal: got and should-be first, then the program with the statement marked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def difference(row: Mapping[str, Any], text: str) -> str:
    """One difference: `row` has the fields of a discrepancy in a record, `text` is the program it is in."""
    where = f" in {row['name']}" if row["name"] else ""
    known = f" (known: {row['ledger']})" if row.get("ledger") else ""
    lines = [
        f"{row['candidate']}: {row['aspect']} of {row['op']}{where}, {row['tier']}{known}",
        f"    got        {one_line(row['got'])}",
        f"    should be  {one_line(row['should_be'])}",
    ]
    number = row.get("numeric")
    if number:
        far = "".join(
            f", largest {name} difference {number[key]:.6g}"
            for key, name in _MEASURES
            if number[key] is not None
        )
        lines.append(
            f"    {number['differ']} of {number['elements']} elements differ{far}, at {tuple(number['index'])}"
        )
        if number.get("truth"):
            lines.append(f"    {distances(number)}")
        if number.get("side"):
            lines.append(f"    the side that is off: {number['side']}")
    lines.extend(marked(text, row["line"]))
    return "\n".join(lines)


def distances(number: Mapping[str, Any]) -> str:
    """How far both sides are from the truth at the element that is furthest off."""
    keys = ("candidate_ulp", "reference_ulp", "spread_ulp")
    got, want, spread = ("infinitely many" if number[key] is None else f"{number[key]:.4g}" for key in keys)
    truth = f"the {number['truth']} result"
    return f"candidate {got} ULP from {truth}, reference {want}, spread {spread} in {number['runs']} runs"


_MEASURES = (("max_abs", "absolute"), ("max_ulp", "ULP"))


def marked(text: str, line: int) -> list[str]:
    """The program with an arrow at line `line` (from 1)."""
    return [f"  {'>' if number == line else ' '} {part}" for number, part in enumerate(text.splitlines(), 1)]


def one_line(text: str, width: int = 160) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= width else flat[: width - 3] + "..."


def summary(tally: Any, shown: int = 20) -> str:
    """The findings of a campaign, most frequent first within a tier."""
    order = {"documented": 0, "reference": 1, "range": 2, "incidental": 3}
    keys = sorted(
        tally.findings,
        key=lambda key: (
            bool(tally.findings[key]["ledger"]),
            order.get(tally.findings[key]["tier"], 4),
            -tally.fingerprints[key],
            key,
        ),
    )
    parts = []
    for key in keys[:shown]:
        row = tally.findings[key]
        count = tally.fingerprints[key]
        times = "once" if count == 1 else f"{count} times"
        parts.append(f"[{row['fingerprint']}] {times}: {difference(row, row['reduced'])}")
    if len(keys) > shown:
        parts.append(f"and {len(keys) - shown} more, all in the report")
    return "\n\n".join(parts)


def counts(tally: Any) -> str:
    """How many distinct differences there are, and how often they showed themselves."""
    distinct = tally.distinct
    times = {
        tier: f" ({tally.tiers[tier]} times)" if tally.tiers[tier] > distinct[tier] else ""
        for tier in distinct
    }
    words = {
        "documented": "differences of the documented tier",
        "ledger": "known by the ledger",
        "reference": "of the reference alone",
    }
    return ", ".join(
        f"{distinct[tier]} {words.get(tier, tier)}{times.get(tier, '')}"
        for tier in ("documented", "ledger", "reference", "range", "incidental")
    ) + (f", {share(tally.undecided, tally.floats)}" if tally.floats else "")


def share(undecided: int, floats: int) -> str:
    """How many facts depend on rounding, so that correct implementations may differ in them; most are inexact values."""
    return f"{undecided} of {floats} inexact values undecided ({undecided / max(floats, 1):.2%})"


def table(rows: Iterable[tuple[Any, ...]], header: tuple[str, ...]) -> str:
    """Columns aligned: text to the left, numbers to the right."""
    cells = [header, *(tuple(map(str, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells)]
    lines = []
    for row in cells:
        aligned = [
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths))
        ]
        lines.append("  ".join(aligned).rstrip())
    return "\n".join(lines)
