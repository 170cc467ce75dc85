"""What record files say together: the frozen result of `reports.merge`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reports.records import Discrepancy, LedgerEntry, Run


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """The program in which a finding was seen first, in the order of run, block and index."""

    run: str
    block: int
    index: int
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class FindingSummary:
    """One fingerprint of one candidate. `run` is the run that reduced it; `origin` is None where no program is left."""

    candidate: str
    fingerprint: str
    category: str
    family: str
    programs: int
    consequences: int
    shown: Discrepancy
    reproduction: str | None
    run: Run
    origin: Origin | None


@dataclass(frozen=True, slots=True)
class CandidateSummary:
    """`facts` is None where the records give only a total over several candidates. `undecided` are differences that
    correct implementations may show, most of them among `floats`, the facts that are values of inexact dtypes."""

    name: str
    programs: int
    statements: int
    facts: int | None
    floats: int
    undecided: int
    findings: Mapping[str, int]  # category -> findings
    occurrences: Mapping[str, int]  # category -> programs, summed over findings
    skipped: Mapping[str, int]  # reason -> programs
    lacks: Mapping[str, tuple[str, ...]]  # "ops", "dtypes", "aspects" -> names
    families: Mapping[str, int]  # op family -> calls in programs that this candidate ran
    exercised: Mapping[tuple[str, str], int]  # (op, dtype) -> programs
    differing: Mapping[tuple[str, str], Mapping[str, int]]  # (op, dtype) -> category -> programs
    aspects: Mapping[tuple[str, str], Mapping[str, int]]  # (op family, aspect) -> category -> findings


@dataclass(frozen=True, slots=True)
class LedgerSummary:
    """One ledger entry, with the programs that it explained for each candidate (none: it did not show itself)."""

    entry: LedgerEntry
    hits: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class RunSummary:
    run: Run
    files: int
    ended: int
    programs: int
    seconds: float
    timings: Mapping[str, float]


@dataclass(frozen=True, slots=True, order=True)
class Notice:
    """Something about a file that a reader of the report should know; `line` is 0 for the file as a whole."""

    file: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Merged:
    """All that a report says. `exact_pairs`: every program says which dtypes each op was called with."""

    files: int
    programs: int
    statements: int
    facts: int
    raised: int
    consequences: int
    lengths: Mapping[int, int]  # statements of a program -> programs
    ops: Mapping[str, int]  # op -> calls
    op_programs: Mapping[str, int]  # op -> programs
    dtypes: Mapping[str, int]  # dtype -> programs
    kinds: Mapping[str, int]  # kind of statement -> statements
    families: Mapping[str, str]  # op -> family, where the records say it
    never: tuple[str, ...] | None  # ops of the catalogue that no program called, if a catalogue is recorded
    exact_pairs: bool
    candidates: tuple[CandidateSummary, ...]
    findings: tuple[FindingSummary, ...]
    ledger: tuple[LedgerSummary, ...]
    runs: tuple[RunSummary, ...]
    notices: tuple[Notice, ...]

    @property
    def differs(self) -> bool:
        """Whether anything counts against a candidate: not what is known, of the reference alone, of range or incidental."""
        return any(each.findings.get(kind) for each in self.candidates for kind in ("documented", "crash"))
