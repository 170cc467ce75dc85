"""Programs per second in one process, and where the time goes.

Every text that the draw gives counts as a program: also the other forms of a drawn one (`strategies.variants`), which is
compiled, run, observed and compared like any other.
"""

from __future__ import annotations

import contextlib
import importlib
import warnings
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from time import perf_counter, process_time
from typing import Any

from conformance import listing
from conformance.backends import Backend
from conformance.ledger import load
from conformance.session import AHEAD, Session, open_session, settle
from conformance.worker import draw_function
from strategies.program import Program, ProgramError

BLOCK = 100


@dataclass
class Measured:
    """Seconds in all, by stage, of the processor, and what bare torch takes for the same programs."""

    programs: int = 0
    statements: int = 0
    seconds: float = 0.0
    processor: float = 0.0
    bare: float = 0.0
    differences: int = 0
    stages: dict[str, float] = field(default_factory=dict)


def measure(options: Namespace) -> Measured:
    """Draws, runs and compares `options.programs` programs; a block of another seed is a warm-up and does not count."""
    session = open_session(options.reference, [options.candidate], ledger=load())
    _load_late(session.reference)
    settle()
    draw = draw_function(options.draw)
    found = Measured()
    compiled: list[Any] = []
    for block in range(-1, (options.programs + BLOCK - 1) // BLOCK):
        size = min(BLOCK, options.programs - max(block, 0) * BLOCK)
        if block == 0:
            found = Measured()
            session.timings.clear()
            compiled.clear()
        start, processor = perf_counter(), process_time()
        texts = draw(options.seed + (block < 0), max(block, 0), options.profile, BLOCK)
        session.spend("draw", perf_counter() - start)
        _block(session, texts, size, found, compiled)
        found.seconds += perf_counter() - start
        found.processor += process_time() - processor
    found.stages = dict(session.timings)
    found.bare = bare(session.reference, compiled)
    return found


def _load_late(backend: Backend) -> None:
    """Import what torch imports in its first backwards: seconds, once a process, that no program should be charged with."""
    if getattr(backend.namespace, "__name__", "") == "torch":
        for module in ("torch.fx.experimental.symbolic_shapes", "torch._dynamo"):
            with contextlib.suppress(ImportError):
                importlib.import_module(module)


def _block(session: Session, texts: Any, size: int, found: Measured, compiled: list[Any]) -> None:
    before = perf_counter()
    drawn = list(islice(texts, size))
    session.spend("draw", perf_counter() - before)
    for start in range(0, len(drawn), AHEAD):
        programs = list(_compiled(session, drawn[start : start + AHEAD]))
        compiled.extend(programs)
        for examined in session.examine_all(programs):
            found.programs += 1
            found.statements += len(list(examined.program.walk()))
            documented = [one for one in examined.discrepancies if one.tier == "documented"]
            found.differences += sum(session.ledger.explain(one) is None for one in documented)


def _compiled(session: Session, texts: list[str]) -> Iterator[Program]:
    for text in texts:
        with contextlib.suppress(ProgramError):  # `run` tells of it
            yield session.compile(text)


def bare(backend: Backend, programs: list[Any]) -> float:
    """Seconds to run the compiled statements on a backend, observing nothing. Blocks are run as one piece."""
    pieces = [
        [compile(one.text, "<program>", "exec") if one.body else one.code for one in program.statements]
        for program in programs
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = perf_counter()
        for program in pieces:
            names = backend.free_names()
            for code in program:
                try:
                    exec(code, names)
                except Exception:  # programs make mistakes on purpose
                    pass
        seconds = perf_counter() - start
    backend.reset()
    backend.restore()
    return seconds


def text(found: Measured) -> str:
    """What was measured, as a table."""
    count = max(1, found.programs)
    stages = dict(found.stages)
    rows = [(stage, *_row(value, count, found.seconds)) for stage, value in stages.items()]
    rows.append(("everything else", *_row(found.seconds - sum(stages.values()), count, found.seconds)))
    rows.append(("all", *_row(found.seconds, count, found.seconds)))
    rows.append(("bare torch", *_row(found.bare, count, found.seconds)))
    lines = [
        f"{count / max(1e-9, found.seconds):.0f} programs/s, {found.statements / count:.1f} statements a program, "
        f"{found.programs} programs, {found.differences} documented differences that the ledger does not know",
        f"{count / max(1e-9, found.processor):.0f} programs a second of processor time, which waits for no other process",
        "",
        listing.table(rows, ("stage", "microseconds a program", "share")),
    ]
    return "\n".join(lines)


def _row(seconds: float, count: int, total: float) -> tuple[str, str]:
    return f"{1e6 * seconds / count:.0f}", f"{100 * seconds / max(1e-9, total):.1f} %"
