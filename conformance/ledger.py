"""The ledger of known differences: data in `ledger/*.toml`, each entry with its reason, citation and pinned program.

    [[entry]]
    id = "std-of-one-element"                 # unique in the whole ledger
    reason = "..."                            # one sentence: what differs and why it may
    citation = "https://..."                  # documentation page or issue that the verdict rests on
    verdict = "documented"                    # bug, documented, unspecified or device
    candidate = "engine"                      # a backend's name, shell wildcards allowed
    aspect = "values"
    op = "std"                                # wildcards allowed
    versions = {torch = ">=2.11,<2.14"}       # optional: the reference's or candidate's versions it holds for
    program = '''                             # shows the difference; a test replays it
    x = torch.std(torch.ones(1))
    '''
    [entry.match]                             # optional: regular expressions that must be found in these fields
    got = "nan"                               # of the discrepancy: got, should_be, statement_text, name, tier, dtypes,
                                              # ops (all that the differing name depends on), past (those statements), side

An entry whose program no longer shows the difference fails the suite, so that it gets deleted.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from conformance.fingerprint import core_aspect
from conformance.tiers import TIERS

DIRECTORY = Path(__file__).parent / "ledger"
VERDICTS = ("bug", "documented", "unspecified", "device")
REQUIRED = ("id", "reason", "citation", "verdict", "candidate", "aspect", "op", "program")
MATCHED = ("got", "should_be", "statement_text", "name", "tier", "dtypes", "ops", "past", "side")


class LedgerError(ValueError):
    """A ledger file that cannot be used: the file, the entry and what is wrong."""


@dataclass(frozen=True)
class Entry:
    """One known difference and the predicate that recognises it."""

    id: str
    reason: str
    citation: str
    verdict: str
    candidate: str
    aspect: str
    op: str
    program: str
    versions: Mapping[str, str] = field(default_factory=dict)
    match: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    file: str = ""

    def explains(self, discrepancy: Any, versions: Mapping[str, str]) -> bool:
        """Whether every field of the predicate fits the discrepancy, under these versions of the backends."""
        if not fnmatchcase(discrepancy.candidate, self.candidate) or not fnmatchcase(discrepancy.op, self.op):
            return False
        if self.aspect not in (discrepancy.aspect, core_aspect(discrepancy.aspect)):
            return False
        if not all(within(versions.get(name), allowed) for name, allowed in self.versions.items()):
            return False
        return all(pattern.search(_field(discrepancy, name)) for name, pattern in self.match.items())

    def row(self) -> dict[str, str]:
        """The form in which records store it."""
        return {
            name: getattr(self, name) for name in ("id", "reason", "citation", "verdict", "program", "aspect")
        }


def _field(discrepancy: Any, name: str) -> str:
    value = getattr(discrepancy, name)
    return value if isinstance(value, str) else " ".join(value or ())


class Ledger:
    """All entries, and what they explain."""

    def __init__(self, entries: Iterable[Entry] = (), versions: Mapping[str, str] | None = None) -> None:
        self.entries = tuple(entries)
        self.versions = dict(versions or {})

    def explain(self, discrepancy: Any) -> Entry | None:
        """The first entry that knows this discrepancy, in order of file and position."""
        return next((entry for entry in self.entries if entry.explains(discrepancy, self.versions)), None)

    def rows(self) -> list[dict[str, str]]:
        return [entry.row() for entry in self.entries]


def load(directory: Path = DIRECTORY, versions: Mapping[str, str] | None = None) -> Ledger:
    """Reads every TOML file of a directory. Raises `LedgerError` at the first mistake."""
    entries: list[Entry] = []
    seen: dict[str, str] = {}
    for path in sorted(directory.glob("*.toml")):
        for entry in load_file(path):
            if entry.id in seen:
                raise LedgerError(f"{path}: entry {entry.id!r} stands in {seen[entry.id]} already")
            seen[entry.id] = str(path)
            entries.append(entry)
    return Ledger(entries, versions)


def load_file(path: Path) -> list[Entry]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LedgerError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LedgerError(f"{path}: not TOML: {error}") from None
    unknown = sorted(table.keys() - {"entry"})
    if unknown or not isinstance(table.get("entry", []), list):
        raise LedgerError(
            f"{path}: only [[entry]] tables are allowed, but found {', '.join(unknown) or 'entry'}"
        )
    return [_entry(path, position, row) for position, row in enumerate(table.get("entry", ()), 1)]


def _entry(path: Path, position: int, row: Any) -> Entry:
    where = f"{path}: entry {position}"
    if not isinstance(row, dict):
        raise LedgerError(f"{where}: should be a table")
    if isinstance(row.get("id"), str):
        where = f"{path}: entry {row['id']!r}"
    for name in REQUIRED:
        if not isinstance(row.get(name), str) or not row[name].strip():
            raise LedgerError(f"{where}: {name} should be a text that is not empty, but is {row.get(name)!r}")
    unknown = sorted(row.keys() - {*REQUIRED, "versions", "match"})
    if unknown:
        raise LedgerError(
            f"{where}: unknown key {unknown[0]!r} (allowed: {', '.join((*REQUIRED, 'versions', 'match'))})"
        )
    _one_of(where, "verdict", row["verdict"], VERDICTS)
    _one_of(where, "aspect", core_aspect(row["aspect"]), tuple(TIERS))
    versions = row.get("versions", {})
    _texts(where, "versions", versions)
    for name, allowed in versions.items():
        _specifiers(f"{where}: versions.{name}", allowed)
    match = row.get("match", {})
    _texts(where, "match", match)
    for name in match:
        _one_of(where, "a key of match", name, MATCHED)
    patterns = {name: _pattern(f"{where}: match.{name}", text) for name, text in match.items()}
    texts = {name: row[name].strip() if name == "program" else row[name] for name in REQUIRED}
    return Entry(**texts, versions=versions, match=patterns, file=str(path))


def _one_of(where: str, name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise LedgerError(f"{where}: {name} is {value!r} (allowed: {', '.join(allowed)})")


def _texts(where: str, name: str, table: Any) -> None:
    if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
        raise LedgerError(f"{where}: {name} should be a table of texts, but is {table!r}")


def _pattern(where: str, text: str) -> re.Pattern[str]:
    try:
        return re.compile(text, re.DOTALL)
    except re.error as error:
        raise LedgerError(f"{where}: not a regular expression: {error}") from None


# --- Versions -------------------------------------------------------------------------------------------------------

_SPECIFIER = re.compile(r"(==|!=|<=|>=|<|>)\s*(\d+(?:\.\d+)*)")


def _specifiers(where: str, text: str) -> list[tuple[str, tuple[int, ...]]]:
    found = []
    for part in text.split(","):
        parsed = _SPECIFIER.fullmatch(part.strip())
        if parsed is None:
            raise LedgerError(f"{where} should be like '>=2.11,<2.14', but is {text!r}")
        found.append((parsed[1], tuple(map(int, parsed[2].split(".")))))
    return found


def within(version: str | None, allowed: str) -> bool:
    """Whether a version ("2.13.0+cpu") meets every part of `allowed` (">=2.11,<2.14"); an unknown version does not."""
    if version is None:
        return False
    digits = re.match(r"\d+(?:\.\d+)*", version)
    if digits is None:
        return False
    have = tuple(map(int, digits[0].split(".")))
    return all(_meets(have, sign, bound) for sign, bound in _specifiers("versions", allowed))


def _meets(have: tuple[int, ...], sign: str, bound: tuple[int, ...]) -> bool:
    size = max(len(have), len(bound))
    a, b = have + (0,) * (size - len(have)), bound + (0,) * (size - len(bound))
    return {"==": a == b, "!=": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[sign]


# --- Replay ---------------------------------------------------------------------------------------------------------


def stale(entry: Entry, show: Callable[[str, str], Iterable[Any]], versions: Mapping[str, str]) -> str | None:
    """Why an entry should be deleted, or None where its program still shows the difference.

    `show(text, candidate)` runs a program on one candidate and gives its discrepancies; the caller chooses a
    candidate that `entry.candidate` names.
    """
    found = list(show(entry.program, entry.candidate))
    if any(entry.explains(discrepancy, versions) for discrepancy in found):
        return None
    seen = ", ".join(f"{item.aspect} of {item.op}" for item in found) or "no difference"
    return (
        f"{entry.file}: entry {entry.id!r} no longer shows itself: its program shows {seen}; delete the entry"
    )
