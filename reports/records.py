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
from typing import Any, NoReturn

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


class Malformed(ValueError):
    """A line is not a record; `load` adds the file and the line number."""


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


class Fields:
    """Typed access to one JSON object; every method raises `Malformed` naming the field."""

    def __init__(self, raw: Any, what: str) -> None:
        if not isinstance(raw, dict):
            raise Malformed(f"{what} is {_kind(raw)}, but should be an object")
        self.raw, self.what = raw, what

    def wrong(self, key: str, should_be: str) -> NoReturn:
        if key not in self.raw:
            raise Malformed(f'{self.what} has no "{key}"')
        raise Malformed(f'"{key}" of {self.what} is {_kind(self.raw[key])}, but should be {should_be}')

    def get(self, key: str, test: Callable[[Any], bool], should_be: str) -> Any:
        if key not in self.raw or not test(self.raw[key]):
            self.wrong(key, should_be)
        return self.raw[key]

    def text(self, key: str) -> str:
        return self.get(key, _is_text, "a string")

    def optional_text(self, key: str) -> str | None:
        return None if self.raw.get(key) is None else self.text(key)

    def integer(self, key: str) -> int:
        return self.get(key, _is_integer, "an integer")

    def count(self, key: str) -> int:
        return self.get(key, _is_count, "a count (an integer from 0)")

    def flag(self, key: str) -> bool:
        return self.get(key, lambda value: isinstance(value, bool), "true or false")

    def number(self, key: str) -> float:
        return float(self.get(key, _is_number, "a number of at most 64 bits"))

    def optional_number(self, key: str) -> float | None:
        return None if self.raw.get(key) is None else self.number(key)

    def texts(self, key: str) -> tuple[str, ...]:
        return tuple(self.get(key, _all(_is_text), "a list of strings"))

    def counts(self, key: str) -> dict[str, int]:
        return self.get(key, _values(_is_count), "an object of counts")

    def names(self, key: str, *, optional: bool = False) -> dict[str, str]:
        if optional and self.raw.get(key) is None:
            return {}
        return self.get(key, _values(_is_text), "an object of strings")

    def items(self, key: str) -> list[Any]:
        return self.get(key, lambda value: isinstance(value, list), "a list")

    def object(self, key: str, *, optional: bool = False) -> Fields:
        if optional and self.raw.get(key) is None:
            return Fields({}, f'"{key}"')
        return Fields(self.get(key, lambda value: isinstance(value, dict), "an object"), f'"{key}"')


def parse(raw: Any) -> Record:
    """One parsed JSON value -> its record. Raises `Malformed`."""
    fields = Fields(raw, "the line")
    schema = fields.raw.get("schema")
    if not _is_integer(schema):
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
    )


def parse_numeric(fields: Fields) -> Numeric:
    index = [] if fields.raw.get("index") is None else fields.items("index")
    if not _all(_is_integer)(index):
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


def _kind(value: Any) -> str:
    """The JSON name of a value's type, for messages: never the value itself, which may be long or hostile."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    names = {int: "a number", float: "a number", str: "a string", list: "a list", dict: "an object"}
    return names.get(type(value), "a value")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_integer(value: Any) -> bool:
    """64 bits are enough for every field, and a number of thousands of digits cannot be printed."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**64


def _is_count(value: Any) -> bool:
    return _is_integer(value) and value >= 0


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or _is_integer(value)


def _all(test: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(test(item) for item in value)


def _values(test: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(test(item) for item in value.values())


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _texts(fields: Fields) -> dict[str, str]:
    return {key: _plain(value) for key, value in fields.raw.items()}


def _lists(fields: Fields) -> dict[str, tuple[str, ...]]:
    return {key: fields.texts(key) for key in fields.raw}
