"""What the commands do; `cli` parses their options. Each gives an exit code."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from argparse import Namespace
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conformance import listing
from conformance.accuracy import AccuracyError
from conformance.backends import BackendError
from conformance.campaign import DRAW, Campaign, CampaignError, Outcome, Settings
from conformance.capabilities import CapabilityError
from conformance.facts import FactError
from conformance.ledger import LedgerError
from conformance.progress import progress
from conformance.records import RecordError, check_directory, files, read
from conformance.trace import TraceError, read_programs


class UseError(Exception):
    """What was asked for cannot be done; the text is one line."""


def _report_errors() -> tuple[type[Exception], ...]:
    try:
        from reports import ReportError
    except ModuleNotFoundError:  # traces are written and compared where Jinja2 is not installed
        return ()
    return (ReportError,)


def _pages() -> Any:
    """The package that makes reports. Raises UseError where what it needs is not installed."""
    try:
        import reports
    except ModuleNotFoundError as error:
        raise UseError(
            f"a report needs {error.name}, which is not installed (it is in the extra `suite`)"
        ) from None
    return reports


EXPECTED: tuple[type[BaseException], ...] = (
    AccuracyError,
    BackendError,
    CampaignError,
    CapabilityError,
    FactError,
    LedgerError,
    RecordError,
    TraceError,
    UseError,
    OSError,
    *_report_errors(),
)


# --- run ------------------------------------------------------------------------------------------------------------


def run(options: Namespace) -> int:
    _check_draw(options)
    _check_targets(options)
    settings = Settings(
        records=options.records,
        programs=options.programs,
        seed=options.seed,
        profile=options.profile,
        workers=options.workers or len(os.sched_getaffinity(0)),
        shard=options.shard,
        draw=options.draw,
        block_size=options.block_size,
        **_judging(options),
    )
    outcome, campaign = _campaign(settings)
    tally = outcome.tally
    print(listing.summary(tally) or "no difference")
    print()
    print(totals(outcome))
    if not outcome.files:
        print("nothing was recorded")
        return 130 if outcome.interrupted else 0
    print(f"records: {settings.records / campaign.run}*.jsonl")
    out = options.html or settings.records / "report.html"
    print(f"report:  {_pages().write(list(outcome.files), out)}")
    if outcome.interrupted:
        return 130
    return 1 if tally.differences else 0


def totals(outcome: Outcome) -> str:
    tally = outcome.tally
    mean = tally.statements / max(1, tally.programs)
    rate = tally.programs / max(1e-9, outcome.seconds)
    lines = [
        f"{tally.programs} programs, {mean:.1f} statements each, {outcome.seconds:.1f} s ({rate:.0f} programs/s)",
        listing.counts(tally),
    ]
    if tally.lost:
        lines.append(f"{tally.lost} programs were not drawn, because drawing ended the process")
    if tally.invalid:
        lines.append(
            f"{tally.invalid} drawn texts are no programs and were passed over: a fault of the strategies"
        )
    if outcome.interrupted:
        lines.append("stopped by Ctrl-C: what was recorded until then is kept")
    return "\n".join(lines)


def _judging(options: Namespace) -> dict[str, Any]:
    candidates = options.candidate or ["engine"]
    if options.equivalences:
        from conformance.equivalences import forms_of

        if options.candidate:
            raise UseError(
                "--equivalences judges the reference by itself: --candidate has no place beside it"
            )
        candidates = forms_of(options.reference)
    return {
        "reference": options.reference,
        "candidates": tuple(dict.fromkeys(candidates)),
        "capabilities": options.capabilities,
        "follow": options.follow,
        "incidental": options.incidental,
        "timeout": options.timeout,
        "memory": options.memory,
        "command": options.line,
    }


def _campaign(settings: Settings) -> tuple[Outcome, Campaign]:
    campaign = Campaign(settings)
    with progress(campaign.total) as shown:
        campaign.progress, campaign.note = shown, shown.note
        return campaign(), campaign


def _check_draw(options: Namespace) -> None:
    module = options.draw.partition(":")[0]
    try:
        if importlib.util.find_spec(module) is None:
            raise ImportError(f"no module {module}")
    except ImportError as error:
        raise UseError(f"programs cannot be drawn: {error}") from None
    if options.draw == DRAW and options.profile != Settings.profile:
        from strategies.profiles import PROFILES

        if options.profile not in PROFILES:
            raise UseError(f"unknown profile {options.profile!r} (allowed: {', '.join(PROFILES)})")


def _check_targets(options: Namespace) -> None:
    """What is to be written can be, so far as can be told before the work."""
    if options.records is not None:
        check_directory(options.records)
    pages = _pages()
    if options.html is not None:
        pages.check_target(options.html)


# --- replay, reduce -------------------------------------------------------------------------------------------------


def replay(options: Namespace) -> int:
    outcome, rows = _on_file(options, reduce=False)
    for number, row in enumerate(rows, 1):
        print(f"program {number} of {len(rows)}: {_count(row['discrepancies'])}")
        for candidate, reason in row["skipped"].items():
            print(f"{candidate}: {reason}")
        for item in row["discrepancies"]:
            print(listing.difference(item, row["text"]))
            print()
    return _status(outcome)


def reduce(options: Namespace) -> int:
    outcome, _ = _on_file(options, reduce=True)
    if not outcome.tally.findings:
        raise UseError(f"{options.file}: no program in it shows a difference, so there is nothing to reduce")
    for (_, number), finding in outcome.tally.findings.items():
        print(f"[{number}] {listing.difference(finding, finding['reduced'])}")
        print()
        print(finding["reduced"])
        print()
    return _status(outcome)


def _on_file(options: Namespace, *, reduce: bool) -> tuple[Outcome, list[dict[str, Any]]]:
    """Runs the programs of a file as a campaign of its own, so that a crash or a hang is shown and not suffered."""
    count = len(read_programs(options.file))
    with tempfile.TemporaryDirectory(prefix="conformance-") as directory:
        settings = Settings(
            records=Path(directory),
            programs=count,
            profile=str(options.file.resolve()),
            draw="conformance.program_file:draw_block",
            reduce=reduce,
            **_judging(options),
        )
        outcome = Campaign(settings, note=lambda line: print(line, file=sys.stderr))()
        rows = [row for path in outcome.files for row in read(path) if row["record"] == "program"]
    if outcome.interrupted:
        raise KeyboardInterrupt
    return outcome, sorted(rows, key=lambda row: (row["block"], row["index"]))


def _count(discrepancies: list[Any]) -> str:
    return {0: "no difference", 1: "1 difference"}.get(
        len(discrepancies), f"{len(discrepancies)} differences"
    )


def _status(outcome: Outcome) -> int:
    return 1 if outcome.tally.differences else 0


# --- trace, compare, report -----------------------------------------------------------------------------------------


def trace(options: Namespace) -> int:
    from conformance.backends import resolve
    from conformance.trace import trace as write_traces

    programs = [program for path in options.programs for program in read_programs(path)]
    backend = resolve(options.backend, options.capabilities)
    seen: dict[str, Any] = {
        program.text: program for program in programs
    }  # a program that stands twice is run once
    shown = 0

    def tell(done: int) -> None:
        nonlocal shown
        if done - shown >= 500 or done == len(seen):
            print(f"{done}/{len(seen)} programs", file=sys.stderr)
            shown = done

    written = write_traces(seen.values(), backend, options.out, options.follow, tell)
    print(f"{written} traces of {backend.name} {backend.version} in {options.out}")
    return 0


def compare(options: Namespace) -> int:
    from conformance.compare_traces import compare_files

    if len(options.traces) < 2:
        raise UseError("two trace files or more are needed: the reference's first")
    if options.records is not None or options.html is not None:
        _check_targets(options)
    return compare_files(options)


def report(options: Namespace) -> int:
    pages = _pages()
    pages.check_target(options.html)
    merged = pages.merge(pages.load(list(options.records)))
    if not merged.runs:
        raise UseError(f"no records in {_listed(options.records)}")
    print(pages.write_merged(merged, options.html))
    return 1 if merged.differs else 0


# --- coverage, bench ------------------------------------------------------------------------------------------------


def coverage(options: Namespace) -> int:
    from conformance.coverage import names, table

    used = _used(options)
    rows = names(used)
    print(table(rows))
    if options.missing:
        for title, state in (("not implemented", "implemented"), ("implemented, not drawn", "drawn")):
            missing = [
                row.name
                for row in rows
                if not getattr(row, state) and (state == "implemented" or row.implemented)
            ]
            print(f"\n{title}: {' '.join(missing) or 'none'}")
    return 0


def _used(options: Namespace) -> Counter[str]:
    from conformance.coverage import drawn, used_in

    if not options.records:
        _check_draw(options)
        return drawn(options.draw, options.seed, options.profile, options.programs)
    paths = [path for given in options.records for path in (files(given) if given.is_dir() else [given])]
    used = used_in(paths)
    if not used:
        raise UseError(f"no programs in {_listed(options.records)}")
    return used


def _listed(paths: list[Path]) -> str:
    return ", ".join(map(str, paths))


def bench(options: Namespace) -> int:
    from conformance.bench import measure, text

    _check_draw(options)
    print(text(measure(options)))
    return 0


# --- accuracy -------------------------------------------------------------------------------------------------------


def accuracy(options: Namespace) -> int:
    from conformance import measuring
    from conformance.accuracy import beyond, load, save
    from conformance.backends import resolve

    try:
        known = measuring.functions()
    except ModuleNotFoundError as error:
        raise UseError(
            f"{error.name} is needed, which is not installed (it is in the extra `suite`)"
        ) from None
    for name in options.functions:
        if name not in known:
            raise UseError(f"unknown function {name!r} (allowed: {' '.join(sorted(known))})")
    backends = [resolve(spec) for spec in dict.fromkeys(options.backend or ["torch-cpu", "engine"])]
    if options.record is not None:
        _check_record(options.record, load)
    chosen = list(dict.fromkeys(options.functions or known))
    rows = []
    for number, name in enumerate(chosen, 1):
        found = [measuring.measure(name, dtype, one) for dtype in measuring.DTYPES for one in backends]
        rows += [row for row in found if row is not None]
        if number % 10 == 0:
            print(f"{number}/{len(chosen)} functions", file=sys.stderr)
    if not rows:
        raise UseError("the backends have none of these functions")
    print(measuring.table(rows))
    if options.record is not None:
        save(rows, options.record)
        print(f"recorded in {options.record}")
        return 0
    further = beyond(rows)
    if further:
        print("further off than the record allows: " + ", ".join(further))
    return 1 if further else 0


def _check_record(path: Path, load: Callable[[Path], Any]) -> None:
    if path.exists():
        load(path)
    elif not path.parent.is_dir():
        raise UseError(f"{path}: {path.parent} is no directory")


COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "run": run,
    "replay": replay,
    "reduce": reduce,
    "trace": trace,
    "compare": compare,
    "report": report,
    "coverage": coverage,
    "bench": bench,
    "accuracy": accuracy,
}
