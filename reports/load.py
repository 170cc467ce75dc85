"""Read record files: JSON Lines, appended and flushed by one process each.

A process may be killed while it writes: a last line without its newline that is not whole JSON is lost, alone, and
the file says so (`RecordFile.lost`). Anything else that is not a record raises `RecordError`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from reports.fields import Malformed
from reports.records import Record, RecordError, Run, parse

PathLike = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class RecordFile:
    """The records of one file. `digest` identifies its bytes; `lost` is the number of a truncated last line."""

    name: str
    digest: str
    records: tuple[Record, ...]
    lost: int | None


def load(paths: PathLike | Iterable[PathLike]) -> Iterator[RecordFile]:
    """Read the files at `paths` one after another; a directory stands for the `*.jsonl` files below it.

    Lazy, so that the records of a long campaign are never in memory all at once. Raises `RecordError`.
    """
    return map(read, find(paths))


def find(paths: PathLike | Iterable[PathLike]) -> tuple[Path, ...]:
    """The record files at `paths`, each once, in order of their names. Raises `RecordError` where there is none."""
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    found: dict[Path, Path] = {}
    for path in map(Path, paths):
        for file in _below(path):
            found.setdefault(file.resolve(), file)
    return tuple(sorted(found.values()))


def _below(path: Path) -> list[Path]:
    try:
        if not path.is_dir():
            path.stat()
            return [path]
        files = [file for file in path.rglob("*.jsonl") if file.is_file()]
    except (OSError, ValueError) as error:
        raise RecordError(str(path), 0, _reason(error)) from None
    if not files:
        raise RecordError(str(path), 0, "no record files (*.jsonl) in this directory")
    return files


def read(path: PathLike) -> RecordFile:
    """Read one file. Raises `RecordError` with the file, the line number and what is wrong."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise RecordError(str(path), 0, _reason(error)) from None
    records, lost = parse_lines(data, str(path))
    return RecordFile(path.name, hashlib.sha256(data).hexdigest(), records, lost)


def parse_lines(data: bytes, path: str) -> tuple[tuple[Record, ...], int | None]:
    """The records in `data`, and the number of its truncated last line or None."""
    *lines, rest = data.split(b"\n")
    records: list[Record] = []
    runs: set[str] = set()
    for number, line in enumerate(lines, 1):
        records.append(_checked(line, number, path, runs))
    if not rest:
        return tuple(records), None
    number = len(lines) + 1
    try:
        json.loads(rest)
    except (ValueError, RecursionError):
        return tuple(records), number
    records.append(_checked(rest, number, path, runs))
    return tuple(records), None


def _checked(line: bytes, number: int, path: str, runs: set[str]) -> Record:
    """The record in one line, of a run that the file has introduced."""
    try:
        record = parse(_json(line))
    except Malformed as error:
        raise RecordError(path, number, str(error)) from None
    if isinstance(record, Run):
        runs.add(record.id)
    elif not runs:
        raise RecordError(path, number, "the first record of a file should be a run record")
    elif record.run not in runs:
        raise RecordError(path, number, f"run {record.run[:40]!a} has no run record in this file")
    return record


def _json(line: bytes) -> object:
    if not line.strip():
        raise Malformed("the line is empty")
    try:
        return json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        raise Malformed("the line is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise Malformed(f"the line is not JSON: {error.msg} at column {error.colno}") from None
    except (ValueError, RecursionError):  # an integer of thousands of digits, nesting of thousands of levels
        raise Malformed("the line is not JSON of a sensible size") from None


def _reason(error: Exception) -> str:
    strerror = getattr(error, "strerror", None)
    return f"cannot be read: {strerror}" if strerror else "cannot be read"
