"""Trace files: what programs showed on one backend, to be compared later or on another machine.

Needs Python, NumPy and the backend; neither Hypothesis nor the engine.

A program file is one of
- JSON Lines, one object a line with the program in ``"text"`` (so records of a campaign can be traced, too; lines of
  another ``"record"`` than ``"program"`` are passed over),
- plain text, in which lines ``# ---`` separate the programs. One program without such a line is a program file.

A trace file is JSON Lines, one program a line (`conformance.facts.encode_trace`), in the order of the program file,
written and flushed program by program. `trace` goes on with a file that was left unfinished.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from conformance.backends import Backend
from conformance.facts import SCHEMA, FactError, Trace, decode_trace, encode_trace
from conformance.runner import Run, follow
from strategies.program import prelude

__all__ = ["TraceError", "read_programs", "read_traces", "trace", "trace_program"]

SEPARATOR = "# ---"


class TraceError(ValueError):
    """A program or trace file that cannot be used: the file, the line and what is wrong."""


def read_programs(path: str | Path) -> list[Any]:
    """The programs of a program file, as `strategies.program.Program`s.

    Raises `TraceError` with the file and the line.
    """
    from strategies.program import ProgramError, parse  # it needs the standard library only

    programs = []
    for line, text in _texts(path):
        try:
            programs.append(parse(text))
        except ProgramError as error:
            raise TraceError(f"{path}: the program from line {line} on: {error}") from None
    if not programs:
        raise TraceError(f"{path}: no program in it")
    return programs


def _texts(path: str | Path) -> Iterator[tuple[int, str]]:
    """The program texts, each with the number of the line at which it begins."""
    try:
        content = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise TraceError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise TraceError(f"{path}: not UTF-8 text: {error.reason} at byte {error.start}") from None
    lines = content.splitlines(keepends=True)
    if content.lstrip().startswith("{"):
        yield from _texts_of_json_lines(path, lines)
        return
    first, part = 1, ""
    for number, line in enumerate(lines, start=1):
        if line.rstrip() != SEPARATOR:
            part += line
            continue
        if part.strip():
            yield first, part
        first, part = number + 1, ""
    if part.strip():
        yield first, part


def _texts_of_json_lines(path: str | Path, lines: list[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise TraceError(
                f"{path}: line {number}: not JSON: {error.msg} at column {error.colno}"
            ) from None
        if isinstance(row, dict) and row.get("record", "program") != "program":
            continue
        if not isinstance(row, dict) or not isinstance(row.get("text"), str):
            raise TraceError(f'{path}: line {number}: an object with the program in "text" is expected')
        yield number, row["text"]


# --- writing ---


def trace(
    programs: Iterable[Any],
    backend: Backend,
    out: str | Path,
    follow: str | Path | None = None,
    progress: Callable[[int], object] | None = None,
) -> int:
    """Writes the traces of `programs` on `backend` to the file `out`; returns how many were written.

    `follow`: the reference's trace file, whose bits are taken after every statement; it must hold every program. If
    `out` exists, its traces must be those of the first programs, and the rest is appended; an unfinished last line is
    dropped. `progress` is called with the number of programs done.

    Raises `TraceError` where a file does not fit, OSError where `out` cannot be written.
    """
    references = _Index(follow) if follow is not None else None
    programs = iter(programs)
    done = _skip_done(programs, backend, out)
    written = 0
    with open(out, "a", encoding="utf-8") as file:
        for program in programs:
            reference = references.find(program.text) if references is not None else None
            _write_line(file, trace_program(program, backend, reference))
            written += 1
            if progress is not None:
                progress(done + written)
    return written


def trace_program(program: Any, backend: Backend, reference: Trace | None = None) -> Trace:
    """The trace of one program; with the reference's trace, the bits are taken from it after every step.

    Raises `TraceError` where the reference's prelude is another one.
    """
    source = prelude.source() if prelude.used_in(program.text) else ""
    if reference is not None:
        require_same_prelude(source, reference)
    steps = [] if reference is None else reference.steps
    by_path = {step.path: step for step in steps}
    plan = backend.capabilities.skips(program, steps, follow=reference is not None)
    observed = []
    with Run(program, backend, plan=plan) as run:
        for step in run:
            observed.append(step)
            if step.path in by_path:
                follow(run, by_path[step.path])
    versions = {"python": platform.python_version(), "platform": platform.platform(), **backend.versions()}
    if reference is not None:
        versions["followed"] = reference.backend  # a comparison must know that operands had these bits
    return Trace(program.text, backend.name, versions, tuple(observed), source)


def require_same_prelude(source: str, other: Trace) -> None:
    """Raise `TraceError` where a program called functions of another source than that."""
    if other.prelude != source:
        raise TraceError(
            f"the prelude of {other.backend}'s trace is not the same: the traces are of different versions of this suite"
        )


_BEGINS = b'{"schema":%d,"record":"trace"' % SCHEMA  # every line of a trace file


def _write_line(file: IO[str], item: Trace) -> None:
    file.write(json.dumps(encode_trace(item), separators=(",", ":")) + "\n")
    file.flush()


def _skip_done(programs: Iterator[Any], backend: Backend, out: str | Path) -> int:
    """Passes over the programs whose traces are in `out` already; returns how many."""
    if not os.path.exists(out):
        return 0
    done = end = 0
    for row in _lines(out, drop_truncated=True):
        found = _decode(out, row)
        program = next(programs, None)
        if program is None:
            raise TraceError(f"{out}: line {row.number}: a trace more than there are programs")
        if program.text != found.program or backend.name != found.backend:
            raise TraceError(
                f"{out}: line {row.number}: the trace of another program or backend than is to be written; "
                "give a new file, or the programs that it was begun with"
            )
        done, end = done + 1, row.end
    if end < os.path.getsize(out):
        with open(out, "rb") as file:
            file.seek(end)
            left = file.read(len(_BEGINS))
        if not _BEGINS.startswith(left[: len(_BEGINS)]):
            raise TraceError(f"{out}: is there and is no trace file, so it is not overwritten")
        os.truncate(out, end)
    return done


# --- reading ---


def read_traces(path: str | Path, *, drop_truncated: bool = False) -> Iterator[Trace]:
    """The traces of a file, in order, one at a time.

    A last line without its end, as a killed writer leaves it, is an error unless `drop_truncated`.
    Raises `TraceError` with the file and the line.
    """
    for line in _lines(path, drop_truncated=drop_truncated):
        yield _decode(path, line)


class _Line:
    """One line of a file, and the offsets at which it starts and ends."""

    __slots__ = ("content", "end", "number", "start")

    def __init__(self, number: int, content: bytes, start: int) -> None:
        self.number = number
        self.content = content
        self.start = start
        self.end = start + len(content)


def _lines(path: str | Path, *, drop_truncated: bool) -> Iterator[_Line]:
    start = 0
    try:
        with open(path, "rb") as file:
            for number, content in enumerate(file, start=1):
                line = _Line(number, content, start)
                start = line.end
                if not content.endswith(b"\n"):
                    if drop_truncated:
                        return
                    raise TraceError(f"{path}: line {number}: truncated; the writer did not finish it")
                if content.strip():
                    yield line
    except OSError as error:
        raise TraceError(f"{path}: cannot be read: {error.strerror}") from None


def _decode(path: str | Path, line: _Line) -> Trace:
    try:
        return decode_trace(json.loads(line.content))
    except FactError as error:
        raise TraceError(f"{path}: line {line.number}: {error}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise TraceError(f"{path}: line {line.number}: not JSON: {error}") from None


class _Index:
    """Finds a program's trace in a file without holding the others in memory."""

    def __init__(self, path: str | Path) -> None:
        self._path = path
        self._lines: dict[str, tuple[int, int, int]] = {}
        for line in _lines(path, drop_truncated=False):
            found = _decode(path, line)
            self._lines.setdefault(found.program, (line.number, line.start, line.end))
        if not self._lines:
            raise TraceError(f"{path}: no trace in it")

    def find(self, text: str) -> Trace:
        if text not in self._lines:
            first = text.strip().partition("\n")[0]
            raise TraceError(f"{self._path}: no trace of the program that begins {first!r}")
        number, start, end = self._lines[text]
        with open(self._path, "rb") as file:
            file.seek(start)
            return _decode(self._path, _Line(number, file.read(end - start), start))
