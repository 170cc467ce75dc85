"""Merge record files into one summary: pure, and the same for every order of the files.

A discrepancy falls into one category, the first of these that holds: `known` (a ledger entry explains it), `crash`
(crash, hang or memory), `reference`, `range`, `incidental`, `documented`. What counts is the category `documented` and
`crash`; the others are shown apart. The tier `rounding` of earlier versions counts as undecided. Discrepancies with one
fingerprint on one candidate are one finding; a finding's number of programs is the number of recorded programs that
show it.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from math import fsum
from typing import TypeVar

from reports.load import RecordFile
from reports.records import Discrepancy, End, Finding, Ledger, LedgerEntry, Program, Run
from reports.summaries import (
    CandidateSummary,
    FindingSummary,
    LedgerSummary,
    Merged,
    Notice,
    Origin,
    RunSummary,
)
from reports.text import plural

Key = TypeVar("Key", str, int, tuple[str, str])
Value = TypeVar("Value")

# In order of weight: a finding whose programs were put into several categories is shown in the first of them.
CATEGORIES = ("documented", "crash", "known", "reference", "range", "incidental")
STOPPED = ("crash", "hang", "memory")
UNCLASSIFIED = "unclassified"


def category(discrepancy: Discrepancy) -> str:
    """The category in which a discrepancy is counted."""
    if discrepancy.ledger is not None:
        return "known"
    if discrepancy.aspect in STOPPED:
        return "crash"
    return discrepancy.tier


def merge(files: Iterable[RecordFile]) -> Merged:
    """The summary of `files`; files with the same bytes count once. Reads lazily, one file at a time."""
    tally = Tally()
    for file in files:
        if file.digest not in tally.digests:
            tally.add(file)
    return tally.result()


@dataclass
class Group:
    """The discrepancies of one fingerprint on one candidate, while files are read."""

    programs: int = 0
    consequences: int = 0
    categories: set[str] = field(default_factory=set)
    best: tuple[tuple[object, ...], Discrepancy, str | None, str, Run] | None = None
    origin: Origin | None = None

    def offer(self, discrepancy: Discrepancy, run: Run, family: str, reproduction: str | None) -> None:
        """Keep the smallest form: one that was reduced and has a reproduction before one that was not."""
        self.categories.add(category(discrepancy))
        shape = (reproduction is None, discrepancy.reduced.count("\n"), len(discrepancy.reduced))
        if self.best is not None and shape > self.best[0][:3]:
            return
        rank = (*shape, json.dumps(asdict(discrepancy)), reproduction or "", family, run.source)
        if self.best is None or rank < self.best[0]:
            self.best = rank, discrepancy, reproduction, family, run


class Tally:
    """Sums over files, in whatever order they come. Only `merge` uses it."""

    def __init__(self) -> None:
        self.digests: set[str] = set()
        self.totals: Counter[str] = Counter()
        self.lengths: Counter[int] = Counter()
        self.ops: Counter[str] = Counter()
        self.op_programs: Counter[str] = Counter()
        self.dtypes: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.catalogue: dict[str, set[str]] = defaultdict(set)
        self.found_families: dict[str, set[str]] = defaultdict(set)
        self.inexact = 0
        # One program counts for all candidates that ran it, so these are kept by that tuple and spread at the end.
        self.ran: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        self.ran_ops: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        self.ran_pairs: dict[tuple[str, ...], Counter[tuple[str, str]]] = defaultdict(Counter)
        self.facts: Counter[str] = Counter()
        self.shared_facts: set[str] = set()
        self.floats: Counter[str] = Counter()
        self.undecided: Counter[str] = Counter()
        self.names: set[str] = set()
        self.skipped: dict[str, Counter[str]] = defaultdict(Counter)
        self.lacks: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        self.groups: dict[tuple[str, str], Group] = defaultdict(Group)
        self.differing: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
        self.entries: set[LedgerEntry] = set()
        self.hits: dict[str, Counter[str]] = defaultdict(Counter)
        self.run_files: Counter[Run] = Counter()
        self.run_programs: Counter[Run] = Counter()
        self.ends: dict[Run, list[End]] = defaultdict(list)
        self.notices: set[Notice] = set()

    def add(self, file: RecordFile) -> None:
        self.digests.add(file.digest)
        runs: dict[str, Run] = {}
        programs, ends = 0, []
        for record in file.records:
            if isinstance(record, Run):
                runs[record.id] = record
                self.add_run(record)
            elif isinstance(record, Program):
                programs += 1
                self.add_program(record, runs[record.run])
            elif isinstance(record, Finding):
                self.add_finding(record, runs[record.run])
            elif isinstance(record, Ledger):
                self.entries.update(record.entries)
            else:
                ends.append(record)
                self.ends[runs[record.run]].append(record)
        self.add_notices(file, len(runs), programs, ends)

    def add_notices(self, file: RecordFile, runs: int, programs: int, ends: list[End]) -> None:
        if file.lost is not None:
            text = "the last line was cut off while it was written; that line is not in this report"
            self.notices.add(Notice(file.name, file.lost, text))
        if not file.records:
            self.notices.add(Notice(file.name, 0, "holds no whole record"))
        elif len(ends) < runs:
            self.notices.add(
                Notice(file.name, 0, "has no end record: its process stopped before it was done")
            )
        elif sum(end.programs for end in ends) != programs:
            said = sum(end.programs for end in ends)
            self.notices.add(
                Notice(file.name, 0, f"holds {plural(programs, 'program')}, but its end record says {said}")
            )

    def add_run(self, run: Run) -> None:
        self.run_files[run] += 1
        self.names.update(run.candidates)
        for op, family in run.families.items():
            self.catalogue[op].add(family)
        for candidate, lists in run.lacks.items():
            for kind, names in lists.items():
                self.lacks[candidate][kind].update(names)

    def add_program(self, program: Program, run: Run) -> None:
        self.run_programs[run] += 1
        self.totals["programs"] += 1
        self.totals["statements"] += program.statements
        self.totals["raised"] += program.raised
        self.lengths[program.statements] += 1
        self.ops.update(program.ops)
        self.op_programs.update(program.ops.keys())
        dtypes = set(program.dtypes)
        self.dtypes.update(dtypes)
        self.kinds.update(program.kinds)
        for candidate, reason in program.skipped.items():
            self.names.add(candidate)
            self.skipped[candidate][reason] += 1
        ran = tuple(sorted(set(run.candidates) - program.skipped.keys()))
        self.ran[ran].update(programs=1, statements=program.statements)
        self.ran_ops[ran].update(program.ops)
        self.ran_pairs[ran].update(self.pairs(program, dtypes))
        self.add_facts(program, ran)
        self.add_discrepancies(program, run)

    def pairs(self, program: Program, dtypes: set[str]) -> Iterable[tuple[str, str]]:
        """The (op, dtype) pairs of a program; without `op_dtypes` those that both occur in it."""
        if program.op_dtypes is None:
            self.inexact += 1
            return [(op, dtype) for op in program.ops for dtype in dtypes]
        return {(op, dtype) for op, names in program.op_dtypes.items() for dtype in names}

    def add_facts(self, program: Program, ran: tuple[str, ...]) -> None:
        self.floats.update(program.floats)
        self.undecided.update(program.undecided)
        if isinstance(program.facts, Mapping):
            self.facts.update(program.facts)
            self.totals["facts"] += sum(program.facts.values())
            return
        self.totals["facts"] += program.facts
        if len(ran) == 1:
            self.facts[ran[0]] += program.facts
        elif program.facts:
            self.shared_facts.update(ran)

    def add_discrepancies(self, program: Program, run: Run) -> None:
        groups: set[tuple[str, str]] = set()
        cells: set[tuple[str, str, str, str]] = set()
        hits: set[tuple[str, str]] = set()
        for found in program.discrepancies:
            self.names.add(found.candidate)
            if found.tier == "rounding":
                self.undecided[found.candidate] += 1
                continue
            key = found.candidate, found.fingerprint
            groups.add(key)
            group = self.groups[key]
            group.consequences += found.consequences
            group.offer(found, run, "", None)
            origin = Origin(program.run, program.block, program.index, program.text, found.line)
            group.origin = origin if group.origin is None else min(group.origin, origin)
            cells.update((found.candidate, found.op, dtype, category(found)) for dtype in found.dtypes)
            if found.ledger is not None:
                hits.add((found.ledger, found.candidate))
        for key in groups:
            self.groups[key].programs += 1
        for *cell, kind in cells:
            candidate, op, dtype = cell
            self.differing[candidate, op, dtype][kind] += 1
        for entry, candidate in hits:
            self.hits[entry][candidate] += 1

    def add_finding(self, finding: Finding, run: Run) -> None:
        found = finding.discrepancy
        self.names.add(found.candidate)
        if found.tier == "rounding":
            return
        self.found_families[found.op].add(finding.family)
        self.groups[found.candidate, found.fingerprint].offer(
            found, run, finding.family, finding.reproduction
        )

    def result(self) -> Merged:
        families = {op: min(names) for op, names in (self.found_families | self.catalogue).items()}
        findings = self.findings(families)
        never = sorted(self.catalogue.keys() - self.ops.keys()) if self.catalogue else None
        return Merged(
            files=len(self.digests),
            programs=self.totals["programs"],
            statements=self.totals["statements"],
            facts=self.totals["facts"],
            raised=self.totals["raised"],
            consequences=sum(group.consequences for group in self.groups.values()),
            lengths=_sorted(self.lengths),
            ops=_sorted(self.ops),
            op_programs=_sorted(self.op_programs),
            dtypes=_sorted(self.dtypes),
            kinds=_sorted(self.kinds),
            families=_sorted(families),
            never=None if never is None else tuple(never),
            exact_pairs=self.totals["programs"] > 0 and not self.inexact,
            candidates=tuple(self.candidate(name, findings, families) for name in sorted(self.names)),
            findings=findings,
            ledger=self.ledger(),
            runs=tuple(self.run(run) for run in sorted(self.run_files, key=lambda run: (run.id, run.source))),
            notices=tuple(sorted(self.notices)),
        )

    def findings(self, families: Mapping[str, str]) -> tuple[FindingSummary, ...]:
        summaries = [self.finding(key, group, families) for key, group in self.groups.items()]
        return tuple(sorted(summaries, key=_weight))

    def finding(self, key: tuple[str, str], group: Group, families: Mapping[str, str]) -> FindingSummary:
        assert group.best is not None  # every group is made by an offer
        _, shown, reproduction, family, run = group.best
        return FindingSummary(
            candidate=key[0],
            fingerprint=key[1],
            category=min(group.categories, key=CATEGORIES.index),
            family=family or family_of(shown.op, families),
            programs=max(group.programs, 1),  # a finding whose program was in a lost line was still seen once
            consequences=group.consequences,
            shown=shown,
            reproduction=reproduction,
            run=run,
            origin=group.origin,
        )

    def candidate(
        self, name: str, findings: tuple[FindingSummary, ...], families: Mapping[str, str]
    ) -> CandidateSummary:
        counts: Counter[str] = Counter()
        calls: Counter[str] = Counter()
        exercised: Counter[tuple[str, str]] = Counter()
        for ran in self.ran:
            if name in ran:
                counts.update(self.ran[ran])
                exercised.update(self.ran_pairs[ran])
                for op, number in self.ran_ops[ran].items():
                    calls[family_of(op, families)] += number
        own = [finding for finding in findings if finding.candidate == name]
        aspects: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        occurrences: Counter[str] = Counter()
        for finding in own:
            aspects[finding.family, finding.shown.aspect][finding.category] += 1
            occurrences[finding.category] += finding.programs
        return CandidateSummary(
            name=name,
            programs=counts["programs"],
            statements=counts["statements"],
            facts=None if name in self.shared_facts else self.facts[name],
            floats=self.floats[name],
            undecided=self.undecided[name],
            findings=_sorted(Counter(finding.category for finding in own)),
            occurrences=_sorted(occurrences),
            skipped=_sorted(self.skipped.get(name, {})),
            lacks={kind: tuple(sorted(names)) for kind, names in sorted(self.lacks.get(name, {}).items())},
            families=_sorted(calls),
            exercised=_sorted(exercised),
            differing=self.cells(name, own),
            aspects={key: _sorted(kinds) for key, kinds in sorted(aspects.items())},
        )

    def cells(self, name: str, own: list[FindingSummary]) -> dict[tuple[str, str], dict[str, int]]:
        cells: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for (candidate, op, dtype), kinds in self.differing.items():
            if candidate == name:
                cells[op, dtype].update(kinds)
        for finding in own:
            if finding.origin is None:
                for dtype in set(finding.shown.dtypes):
                    cells[finding.shown.op, dtype][finding.category] += 1
        return {key: _sorted(kinds) for key, kinds in sorted(cells.items())}

    def ledger(self) -> tuple[LedgerSummary, ...]:
        """Every entry; also those that a discrepancy names although no ledger record that is left describes them."""
        known = {entry.id for entry in self.entries}
        unknown = {LedgerEntry(name, "", "", "", "", "") for name in self.hits.keys() - known}
        entries = sorted(self.entries | unknown)
        return tuple(LedgerSummary(entry, _sorted(self.hits.get(entry.id, {}))) for entry in entries)

    def run(self, run: Run) -> RunSummary:
        ends = self.ends.get(run, [])
        names = sorted({name for end in ends for name in end.timings})
        return RunSummary(
            run=run,
            files=self.run_files[run],
            ended=len(ends),
            programs=self.run_programs[run],
            # fsum rounds once, so the sum is the same in every order
            seconds=fsum(end.seconds for end in ends),
            timings={name: fsum(end.timings.get(name, 0.0) for end in ends) for name in names},
        )


def family_of(op: str, families: Mapping[str, str]) -> str:
    """The family of an op: as recorded, else what its name alone shows."""
    if op in families:
        return families[op]
    if op.startswith("operator."):
        return "operator"
    if op.startswith("np."):
        return "other"  # of NumPy, beside the library under test
    return "indexing" if op in ("getitem", "setitem") else UNCLASSIFIED


def _weight(finding: FindingSummary) -> tuple[int, int, str, str, str, str]:
    """Categories in order, within one the most frequent first."""
    shown = finding.shown
    order = CATEGORIES.index(finding.category)
    return order, -finding.programs, finding.candidate, shown.op, shown.aspect, finding.fingerprint


def _sorted(counts: Mapping[Key, Value]) -> dict[Key, Value]:
    return {key: counts[key] for key in sorted(counts)}
