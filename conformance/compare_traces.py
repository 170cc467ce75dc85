"""Judges trace files, by the same code that judges a live candidate."""

from __future__ import annotations

import importlib.util
import time
from argparse import Namespace
from collections import Counter
from pathlib import Path
from typing import Any

from conformance import exactness, listing, records
from conformance.campaign import Tally
from conformance.compare import Verdicts as VerdictsOf
from conformance.counting import program_row
from conformance.facts import Step, Trace
from conformance.fingerprint import fingerprint
from conformance.judge import Discrepancy, judge, statements_of
from conformance.ledger import Ledger, load
from conformance.trace import TraceError, read_traces, require_same_prelude
from conformance.undefined import with_undefined
from strategies.program import Program, ProgramError, parse, standalone
from strategies.program.vocabulary import family_of

HAS_ENGINE = importlib.util.find_spec("engine") is not None


def compare_files(options: Namespace) -> int:
    """Compares every trace of the first file with those of the same program in the others."""
    start = time.monotonic()
    references = {trace.program: trace for trace in read_traces(options.traces[0])}
    if not references:
        raise TraceError(f"{options.traces[0]}: no trace in it")
    comparison = _Comparison(options, next(iter(references.values())))
    for path in options.traces[1:]:
        comparison.file(path, references)
    comparison.end(time.monotonic() - start)
    return comparison.status()


class _Comparison:
    def __init__(self, options: Namespace, reference: Trace) -> None:
        self.options, self.reference = options, reference
        self.ledger: Ledger = load(versions=_versions([reference]))
        self.tally = Tally()
        self.writer: records.Writer | None = None
        self.directory: Path | None = options.records or (options.html.parent if options.html else None)
        self.files: list[Path] = []

    def file(self, path: Path, references: dict[str, Trace]) -> None:
        compared = unknown = 0
        for index, trace in enumerate(read_traces(path)):
            reference = references.get(trace.program)
            if reference is None:
                unknown += 1
                continue
            if not compared:
                self._open(trace, path)
            self._one(index, reference, trace)
            compared += 1
        if not compared:
            raise TraceError(f"{path}: no program in it is in {self.options.traces[0]}, too")
        if unknown:
            print(f"{path}: {unknown} programs are not in {self.options.traces[0]} and were left out")

    def _open(self, trace: Trace, path: Path) -> None:
        """A record file for each trace file."""
        self.ledger.versions.update(_versions([trace]))
        if self.directory is None:
            return
        if self.writer is not None:
            self.writer.close()
        run = f"compare-{time.strftime('%Y%m%d-%H%M%S')}-{path.stem}"
        target = records.fresh_path(self.directory, run)
        self.writer = records.Writer(target, target.stem, self._header(trace))
        self.files.append(target)
        self.writer.write("ledger", {"entries": self.ledger.rows()})

    def _header(self, trace: Trace) -> dict[str, Any]:
        both = (self.reference, trace)
        return {
            "command": self.options.line,
            "seed": 0,
            "profile": "traces",
            "follow": self.options.followed,
            "reference": self.reference.backend,
            "candidates": [_name(trace, self.reference)],
            "environment": {
                **{key: self.reference.versions.get(key, "") for key in ("python", "platform", "numpy")},
                "backends": {
                    _name(one, None if one is self.reference else self.reference): one.versions
                    for one in both
                },
            },
            "lacks": {},
        }

    def _one(self, index: int, reference: Trace, trace: Trace) -> None:
        require_same_prelude(reference.prelude, trace)
        try:
            program = parse(trace.program)
        except ProgramError as error:
            raise TraceError(f"a trace holds what is no program: {error}") from None
        followed = self.options.followed
        steps = reference.steps
        if HAS_ENGINE and "engine" not in (reference.backend, trace.backend):
            steps = with_undefined(program, steps)
        verdict = judge(
            program,
            steps,
            trace.steps,
            name=_name(trace, self.reference),
            followed=followed,
            is_exact=exactness.is_exact if followed else exactness.never,
            verdicts=self._verdicts(program, steps, followed),
        )
        shown = [
            item for item in verdict.discrepancies if self.options.incidental or item.tier != "incidental"
        ]
        rows = [self._row(program, item) for item in shown]
        counts: Counter[str] = Counter(programs=1, statements=len(statements_of(program)))
        counts.update(undecided=verdict.undecided, floats=verdict.floats)
        for row in rows:
            counts["ledger" if row["ledger"] else row["tier"]] += 1
            counts[f"{row['candidate']}\n{row['fingerprint']}"] += 1
        fresh = [row for row in rows if (row["candidate"], row["fingerprint"]) not in self.tally.findings]
        self.tally.add(dict(counts), rows)
        if self.writer is not None:
            for row in fresh:
                note = f"{row['aspect']} of {row['op']} on {row['candidate']}"
                more = {"family": family_of(row["op"]), "reproduction": standalone(program, note)}
                self.writer.write("finding", row | more)
            self.writer.write("program", program_row(program, 0, index, rows, reference.steps, (verdict,)))

    @staticmethod
    def _verdicts(program: Program, steps: tuple[Step, ...], followed: bool) -> VerdictsOf | None:
        """The engine's, where it is installed; the reference cannot be run in wider dtypes here."""
        if not HAS_ENGINE:
            return None
        from conformance.rerun import Reruns
        from conformance.verdict import Verdicts

        return Verdicts(Reruns(program, steps, followed=followed))

    def _row(self, program: Program, item: Discrepancy) -> dict[str, Any]:
        entry = self.ledger.explain(item)
        statement = statements_of(program)[item.statement]
        number = f"ledger-{entry.id}" if entry else fingerprint(item, statement.calls)
        return records.discrepancy_row(
            item, fingerprint=number, reduced=program.text, ledger=entry.id if entry else None
        )

    def end(self, seconds: float) -> None:
        if self.writer is not None:
            self.writer.write("end", {"programs": self.tally.programs, "seconds": seconds, "timings": {}})
            self.writer.close()
        tally = self.tally
        print(listing.summary(tally) or "no difference")
        print()
        if not HAS_ENGINE:
            print("the engine is not installed: values are judged by their distance in ULP alone")
        print(f"{tally.programs} programs compared, {listing.counts(tally)}")
        if self.options.html:
            from reports import write

            print(f"report: {write(list(self.files), self.options.html)}")

    def status(self) -> int:
        return 1 if self.tally.differences else 0


def _name(trace: Trace, reference: Trace | None) -> str:
    """The backend's name; with its version where it is the reference's backend in another version."""
    if reference is not None and trace.backend == reference.backend:
        return f"{trace.backend} {trace.versions.get('version', '')}".strip() + " (compared)"
    return trace.backend


def _versions(traces: list[Trace]) -> dict[str, str]:
    found = {trace.backend: trace.versions.get("version", "") for trace in traces}
    torch = next((version for name, version in found.items() if name.startswith("torch")), None)
    return found | ({"torch": torch} if torch else {})
