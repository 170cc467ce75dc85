"""What a record file may hold, as frozen dataclasses, and the checks that turn parsed JSON into them.

Every line of a record file is one JSON object with `"schema": 1` and `"record"`, one of `run`, `program`, `finding`,
`ledger`, `end`. Fields that are not named here are ignored, so a writer may add some without a new schema number.
Optional fields are marked as such; they are read where a writer has them and never required:
`run.families` (op name -> family, the whole catalogue), `program.op_dtypes` (op name -> dtypes it was called with).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reports.fields import Fields, Malformed, every, is_integer
from reports.graphs import Graphs, parse_graphs

SCHEMA = 1
TIERS = ("documented", "incidental", "reference", "range", "rounding")
"""Records of earlier versions have `rounding`: differences without a verdict, which count as undecided."""
SIDES = ("candidate", "reference", "both", "open")


class ReportError(Exception):
    """A report cannot be made; the text is one line that says what and where."""


class RecordError(ReportError):
    """A record file cannot be read: `path`, `line` (1-based, 0 for the file as a whole) and `message`."""

    def __init__(self, path: str, line: int, message: str) -> None:
        self.path, self.line, self.message = path, line, message
        super().__init__(f"{path}, line {line}: {message}" if line else f"{path}: {message}")


@dataclass(frozen=True, slots=True)
class Numeric:
    """How far two tensors are apart: counts of elements, largest differences, index of the worst element.

    Of that element, where a verdict was made: each side's distance from the `truth` ("wide" or "nominal") and how far
    `runs` perturbed runs are spread around it, in ULP.
    """

    elements: int
    differ: int
    max_abs: float | None
    max_ulp: float | None
    index: tuple[int, ...]
    candidate_ulp: float | None = None
    reference_ulp: float | None = None
    spread_ulp: float | None = None
    runs: int = 0
    truth: str | None = None


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One difference between a candidate and the reference, at the first statement that shows it."""

    candidate: str
    aspect: str
    tier: str
    op: str
    dtypes: tuple[str, ...]
    statement: int
    line: int
    statement_text: str
    name: str
    got: str
    should_be: str
    numeric: Numeric | None
    fingerprint: str
    reduced: str
    ledger: str | None
    consequences: int
    side: str | None = None  # which is off: one of SIDES
    graphs: Graphs | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """The first line of a file. `source` is the record itself, canonical: two runs are equal when it is."""

    source: str
    id: str = field(compare=False)
    command: str = field(compare=False)
    seed: int = field(compare=False)
    profile: str = field(compare=False)
    follow: bool = field(compare=False)
    reference: str = field(compare=False)
    candidates: tuple[str, ...] = field(compare=False)
    environment: Mapping[str, str] = field(compare=False)
    backends: Mapping[str, Mapping[str, str]] = field(compare=False)
    lacks: Mapping[str, Mapping[str, tuple[str, ...]]] = field(compare=False)
    families: Mapping[str, str] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Program:
    """One program that ran. `facts` is a total over its candidates, or a number for each of them.

    `floats`: how many of a candidate's facts are values of inexact dtypes; `undecided`: how many differences are such that
    correct implementations may differ.
    """

    run: str
    block: int
    index: int
    text: str
    statements: int
    ops: Mapping[str, int]
    dtypes: tuple[str, ...]
    kinds: Mapping[str, int]
    facts: int | Mapping[str, int]
    raised: int
    skipped: Mapping[str, str]
    discrepancies: tuple[Discrepancy, ...]
    op_dtypes: Mapping[str, tuple[str, ...]] | None
    floats: Mapping[str, int] = field(default_factory=dict)
    undecided: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """The reduced form of a discrepancy, with the family of its op and a program for plain PyTorch."""

    run: str
    discrepancy: Discrepancy
    family: str
    reproduction: str


@dataclass(frozen=True, slots=True, order=True)
class LedgerEntry:
    """A difference that is known, and why."""

    id: str
    reason: str
    citation: str
    verdict: str
    program: str
    aspect: str


@dataclass(frozen=True, slots=True)
class Ledger:
    run: str
    entries: tuple[LedgerEntry, ...]


@dataclass(frozen=True, slots=True)
class End:
    run: str
    programs: int
    seconds: float
    timings: Mapping[str, float]


Record = Run | Program | Finding | Ledger | End


def parse(raw: Any) -> Record:
    """One parsed JSON value -> its record. Raises `Malformed`."""
    fields = Fields(raw, "the line")
    schema = fields.raw.get("schema")
    if not is_integer(schema):
        fields.wrong("schema", "an integer")
    if schema != SCHEMA:
        raise Malformed(f"schema {schema} is unknown; this version reads schema {SCHEMA}")
    kind = fields.text("record")
    if kind not in PARSERS:
        raise Malformed(f"record {kind[:40]!a} is unknown (known: {', '.join(PARSERS)})")
    fields.what = f"the {kind} record"
    return PARSERS[kind](fields)


def parse_run(fields: Fields) -> Run:
    environment = fields.object("environment")
    backends = environment.object("backends", optional=True)
    lacks = fields.object("lacks", optional=True)
    return Run(
        source=json.dumps(fields.raw, sort_keys=True),
        id=fields.text("run"),
        command=fields.text("command"),
        seed=fields.integer("seed"),
        profile=fields.text("profile"),
        follow=fields.flag("follow"),
        reference=fields.text("reference"),
        candidates=fields.texts("candidates"),
        environment={key: _plain(value) for key, value in environment.raw.items() if key != "backends"},
        backends={name: _texts(backends.object(name)) for name in backends.raw},
        lacks={name: _lists(lacks.object(name)) for name in lacks.raw},
        families=fields.names("families", optional=True),
    )


def parse_program(fields: Fields) -> Program:
    facts = fields.raw.get("facts")
    op_dtypes = None if fields.raw.get("op_dtypes") is None else _lists(fields.object("op_dtypes"))
    return Program(
        run=fields.text("run"),
        block=fields.integer("block"),
        index=fields.integer("index"),
        text=fields.text("text"),
        statements=fields.count("statements"),
        ops=fields.counts("ops"),
        dtypes=fields.texts("dtypes"),
        kinds=fields.counts("kinds"),
        facts=fields.counts("facts") if isinstance(facts, dict) else fields.count("facts"),
        raised=fields.count("raised"),
        skipped=fields.names("skipped", optional=True),
        discrepancies=tuple(parse_discrepancy(raw) for raw in fields.items("discrepancies")),
        op_dtypes=op_dtypes,
        floats={} if fields.raw.get("floats") is None else fields.counts("floats"),
        undecided={} if fields.raw.get("undecided") is None else fields.counts("undecided"),
    )


def parse_discrepancy(raw: Any, what: str = "a discrepancy") -> Discrepancy:
    fields = Fields(raw, what)
    tier = fields.get("tier", lambda value: value in TIERS, "one of " + ", ".join(TIERS))
    return Discrepancy(
        candidate=fields.text("candidate"),
        aspect=fields.text("aspect"),
        tier=tier,
        op=fields.text("op"),
        dtypes=fields.texts("dtypes"),
        statement=fields.integer("statement"),
        line=fields.integer("line"),
        statement_text=fields.text("statement_text"),
        name=fields.text("name"),
        got=fields.text("got"),
        should_be=fields.text("should_be"),
        numeric=None if fields.raw.get("numeric") is None else parse_numeric(fields.object("numeric")),
        fingerprint=fields.text("fingerprint"),
        reduced=fields.text("reduced"),
        ledger=fields.optional_text("ledger"),
        consequences=0 if fields.raw.get("consequences") is None else fields.count("consequences"),
        side=None
        if fields.raw.get("side") is None
        else fields.get("side", SIDES.__contains__, "one of " + ", ".join(SIDES)),
        graphs=None if fields.raw.get("graphs") is None else parse_graphs(fields.object("graphs")),
    )


def parse_numeric(fields: Fields) -> Numeric:
    index = [] if fields.raw.get("index") is None else fields.items("index")
    if not every(is_integer)(index):
        fields.wrong("index", "a list of integers")
    return Numeric(
        elements=fields.count("elements"),
        differ=fields.count("differ"),
        max_abs=fields.optional_number("max_abs"),
        max_ulp=fields.optional_number("max_ulp"),
        index=tuple(index),
        candidate_ulp=fields.optional_number("candidate_ulp"),
        reference_ulp=fields.optional_number("reference_ulp"),
        spread_ulp=fields.optional_number("spread_ulp"),
        runs=0 if fields.raw.get("runs") is None else fields.count("runs"),
        truth=fields.optional_text("truth"),
    )


def parse_finding(fields: Fields) -> Finding:
    return Finding(
        run=fields.text("run"),
        discrepancy=parse_discrepancy(fields.raw, fields.what),
        family=fields.text("family"),
        reproduction=fields.text("reproduction"),
    )


def parse_ledger(fields: Fields) -> Ledger:
    return Ledger(fields.text("run"), tuple(_entry(raw) for raw in fields.items("entries")))


def _entry(raw: Any) -> LedgerEntry:
    fields = Fields(raw, "a ledger entry")
    return LedgerEntry(
        *(fields.text(key) for key in ("id", "reason", "citation", "verdict", "program", "aspect"))
    )


def parse_end(fields: Fields) -> End:
    timings = fields.object("timings", optional=True)
    return End(
        run=fields.text("run"),
        programs=fields.count("programs"),
        seconds=fields.number("seconds"),
        timings={key: timings.number(key) for key in timings.raw},
    )


PARSERS: dict[str, Callable[[Fields], Record]] = {
    "run": parse_run,
    "program": parse_program,
    "finding": parse_finding,
    "ledger": parse_ledger,
    "end": parse_end,
}


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _texts(fields: Fields) -> dict[str, str]:
    return {key: _plain(value) for key, value in fields.raw.items()}


def _lists(fields: Fields) -> dict[str, tuple[str, ...]]:
    return {key: fields.texts(key) for key in fields.raw}
