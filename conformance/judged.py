"""Programs judged inside a test run: counted, recorded, each difference reduced once.

One `Judging` a process. Under pytest-xdist every worker has its own, writes its own record file, and hands its counts
to the controller.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from conformance.records import Writer, fresh_path

if TYPE_CHECKING:
    from conformance.session import Examined

REDUCE_SECONDS = 6.0  # a difference; a campaign has more patience than a test run
REDUCED_AT_ONCE = 4  # new differences that one test reduces; further ones are shown as they are
SHOWN = 8  # differences that the message of one test shows


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    reference: str = "torch-cpu"
    candidates: tuple[str, ...] = ("engine",)
    max_examples: int = 100
    profiles: tuple[str, ...] = ()  # empty: all
    records: Path | None = None
    html: Path | None = None
    command: str = "pytest"


@dataclass
class Judging:
    """The session of this process, opened at the first program; `run` and `worker` name the record file."""

    options: Options
    run: str
    worker: str = ""
    records: Path | None = None
    counts: Counter[str] = field(default_factory=Counter)
    started: float = field(default_factory=monotonic)
    _writer: Writer | None = None

    @cached_property
    def session(self) -> Any:
        """Raises BackendError, CapabilityError or LedgerError."""
        from conformance.ledger import load
        from conformance.session import open_session

        options = self.options
        return open_session(options.reference, options.candidates, ledger=load(), seconds=REDUCE_SECONDS)

    def programs(self, texts: Iterable[str], test: str) -> list[str]:
        """Judges programs; what they show that is documented and not in the ledger, as texts, each finding once.

        `test` names the test, for the records.
        """
        shown: dict[tuple[str, str], str] = {}
        times: Counter[tuple[str, str]] = Counter()
        block = zlib.crc32(test.encode())
        programs = map(self.session.compile, texts)
        for index, examined in enumerate(self.session.examine_all(programs)):
            for key, message in self._program(examined, block, index, reducing=len(shown) < REDUCED_AT_ONCE):
                shown.setdefault(key, message)
                times[key] += 1
        return [
            f"[{key[1]}] {'once' if times[key] == 1 else f'{times[key]} times'}: {shown[key]}"
            for key in shown
        ]

    def _program(
        self, examined: Examined, block: int, index: int, *, reducing: bool
    ) -> list[tuple[tuple[str, str], str]]:
        from conformance.listing import difference

        session, text = self.session, examined.program.text
        rows, failing = [], []
        self.counts["programs"] += 1
        self.counts["undecided"] += sum(verdict.undecided for verdict in examined.verdicts)
        self.counts["floats"] += sum(verdict.floats for verdict in examined.verdicts)
        for discrepancy in examined.discrepancies:
            counted = discrepancy.tier == "documented"
            found, new = session.settle(text, discrepancy, reducing=reducing and counted)
            self.counts["ledger" if found.ledger else discrepancy.tier] += 1
            rows.append(found.row(discrepancy))
            if new and self.records is not None:
                self._file().write("finding", session.finding_row(found))
            if counted and found.ledger is None:
                key = (discrepancy.candidate, found.fingerprint)
                failing.append((key, difference(found.row(), found.text)))
        if self.records is not None:
            self._file().write("program", session.program_row(examined, block, index, rows))
        return failing

    # --- records ---

    def _file(self) -> Writer:
        """The record file of this process, opened with its header at the first record."""
        if self._writer is None:
            assert self.records is not None
            header = self.session.header(command=self.options.command, seed=0, profile=self._profile())
            path = fresh_path(self.records, "-".join(filter(None, (self.run, self.worker))))
            self._writer = Writer(path, self.run, header)
            self._writer.write("ledger", {"entries": self.session.ledger.rows()})
        return self._writer

    def _profile(self) -> str:
        return ", ".join(self.options.profiles) or "all"

    def close(self) -> None:
        """Writes the last record and closes the file; harmless when repeated."""
        if self._writer is None:
            return
        fields = {
            "programs": self.counts["programs"],
            "seconds": monotonic() - self.started,
            "timings": self.session.timings,
        }
        self._writer.write("end", fields)
        self._writer.close()
        self._writer = None


def message(found: Sequence[str]) -> str:
    """The text of a failing test: every difference says first got and should-be, then shows the program."""
    more = [f"and {len(found) - SHOWN} more differences"] if len(found) > SHOWN else []
    return "\n\n".join([*found[:SHOWN], *more])
