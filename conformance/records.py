"""Records of a campaign as JSON Lines: one object a line, schema 1, appended and flushed line by line.

One process writes one file, and never one that exists. A process that is killed loses at most the line it was
writing, and a reader drops a last line that is cut off. The forms are those of `reports`, which reads them.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from conformance import graphs

SCHEMA = 1


class RecordError(Exception):
    """A record file that cannot be written or read: which, and why."""


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: tuples and sets as lists, dataclasses as objects, NaN and infinities as null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(plain(item) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    return value


class Writer:
    """Appends records to one file. The header, a "run" record, is written first, so that any cut leaves it whole."""

    def __init__(self, path: Path, run: str, header: Mapping[str, Any]) -> None:
        self.path, self.run = path, run
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._file = path.open("x", encoding="utf-8", newline="\n")
        except FileExistsError:
            raise RecordError(f"{path} exists: records are never overwritten") from None
        except OSError as error:
            raise RecordError(f"{path} cannot be written: {error.strerror}") from None
        self.write("run", header)

    def write(self, kind: str, fields: Mapping[str, Any]) -> None:
        row = {"schema": SCHEMA, "record": kind, "run": self.run, **plain(fields)}
        # ensure_ascii: a lone surrogate in an error text of some backend must not end the run
        self._file.write(json.dumps(row, ensure_ascii=True, allow_nan=False, separators=(",", ":")) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The records of one file in order. A last line that is cut off is dropped; any other bad line is an error."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise RecordError(f"{path}: not UTF-8 text: {error.reason} at byte {error.start}") from None
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            row = json.loads(line)
        except ValueError:
            if number == len(lines):
                return
            raise RecordError(f"{path}, line {number}: not JSON") from None
        if not isinstance(row, dict) or row.get("schema") != SCHEMA:
            raise RecordError(f"{path}, line {number}: not a record of schema {SCHEMA}")
        yield row


def check_directory(directory: Path) -> None:
    """Raises RecordError where no records can be written. To be asked before there are any."""
    at = next(parent for parent in (directory, *directory.absolute().parents) if parent.exists())
    if not at.is_dir():
        raise RecordError(f"{directory}: records cannot be written: {at} is no directory")
    if not os.access(at, os.W_OK):
        raise RecordError(f"{directory}: records cannot be written: no permission to write in {at}")


def files(directory: Path) -> list[Path]:
    """The record files of a directory, in order of name."""
    return sorted(directory.glob("*.jsonl"))


def fresh_path(directory: Path, stem: str) -> Path:
    """A path in `directory` that no file has yet: stem.jsonl, else stem-2.jsonl and so on."""
    names: Iterable[str] = (f"{stem}{suffix}.jsonl" for suffix in ("", *(f"-{n}" for n in range(2, 100_000))))
    return next(path for path in (directory / name for name in names) if not path.exists())


def discrepancy_row(
    discrepancy: Any, *, fingerprint: str = "", reduced: str = "", ledger: str | None = None
) -> dict[str, Any]:
    """The fields D of the contract."""
    pictured = discrepancy.graphs
    row = {
        "candidate": discrepancy.candidate,
        "aspect": discrepancy.aspect,
        "tier": discrepancy.tier,
        "op": discrepancy.op,
        "dtypes": list(discrepancy.dtypes),
        "statement": discrepancy.statement,
        "line": discrepancy.line,
        "statement_text": discrepancy.statement_text,
        "name": discrepancy.name,
        "got": discrepancy.got,
        "should_be": discrepancy.should_be,
        "numeric": plain(discrepancy.numeric),
        "side": discrepancy.side,
        "fingerprint": fingerprint,
        "reduced": reduced,
        "ledger": ledger,
        "consequences": discrepancy.consequences,
    }
    if pictured is not None:
        name, *sides = pictured
        row["graphs"] = dict(zip(("name", "got", "should_be"), (name, *graphs.pair(*sides))))
    return row
