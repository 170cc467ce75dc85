"""How far a campaign is: a bar on a terminal, plain lines elsewhere. Both on standard error."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

PLAIN_EVERY = 10.0  # seconds


def words(tally: Any) -> str:
    """What was found so far, in a few words."""
    distinct = tally.distinct
    parts = [f"{distinct['documented']} difference{'' if distinct['documented'] == 1 else 's'}"]
    for tier in ("reference", "range", "incidental", "ledger"):
        if distinct[tier]:
            parts.append(f"{distinct[tier]} {'known' if tier == 'ledger' else tier}")
    return ", ".join(parts)


class Plain:
    """A line now and then."""

    def __init__(self, total: int, stream: Any = None) -> None:
        self.total, self.stream = total, stream or sys.stderr
        self.started = self.shown = time.monotonic()
        self.last = -1

    def __enter__(self) -> Plain:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def __call__(self, tally: Any, total: int) -> None:
        now = time.monotonic()
        due = now - self.shown > PLAIN_EVERY or tally.programs >= total
        if due and tally.programs != self.last:
            seconds = now - self.started
            print(
                f"{tally.programs}/{total} programs, {words(tally)}, {seconds:.0f} s",
                file=self.stream,
                flush=True,
            )
            self.shown, self.last = now, tally.programs

    def note(self, line: str) -> None:
        print(line, file=self.stream, flush=True)


class Bar:
    """A progress bar by rich."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self.progress = Progress(
            TextColumn("programs"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[words]}", markup=False),
            console=Console(stderr=True),
        )
        self.task = self.progress.add_task("programs", total=total, words="starting")

    def __enter__(self) -> Bar:
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()

    def __call__(self, tally: Any, total: int) -> None:
        if tally.programs or self.progress.tasks[0].completed:
            rate = tally.programs / max(1e-9, self.progress.tasks[0].elapsed or 1e-9)
            text = f"{words(tally)}, {rate:.0f}/s"
            self.progress.update(self.task, completed=tally.programs, words=text)

    def note(self, line: str) -> None:
        self.progress.console.print(line, markup=False, highlight=False)


def progress(total: int) -> Plain | Bar:
    if sys.stderr.isatty():
        try:
            return Bar(total)
        except ImportError:
            pass
    return Plain(total)
