"""What the page shows, computed from a merged summary; the template only lays it out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from reports.graph_svg import draw
from reports.matrices import Matrix, aspect_matrix, dtype_matrix, dtype_order
from reports.merge import family_of
from reports.summaries import CandidateSummary, FindingSummary, LedgerSummary, Merged
from reports.text import clip, plural, quantity, replay_command, segments, term

OPEN = 12  # cards of the first sections that are open when the page is loaded
LABELS = {
    "documented": "documented",
    "crash": "stopped",
    "known": "known",
    "reference": "reference",
    "range": "range",
    "incidental": "incidental",
}


@dataclass(frozen=True, slots=True)
class Card:
    """One finding, laid out. `lines` are those of its reduced program, each with whether it is the marked one."""

    id: str
    label: str
    finding: FindingSummary
    open: bool
    lines: tuple[tuple[str, bool], ...]
    got: tuple[tuple[str, bool], ...]
    should_be: tuple[tuple[str, bool], ...]
    graphs: tuple[tuple[str, str, Markup | None], ...]  # heading, whose, drawing
    numbers: tuple[tuple[str, str], ...]
    environment: tuple[tuple[str, str], ...]
    reproduction: str
    replay: str


@dataclass(frozen=True, slots=True)
class Section:
    """The findings of one category."""

    id: str
    title: str
    text: str
    cards: tuple[Card, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """A count with its share of the largest one, in thousandths."""

    name: str
    count: int
    share: int


@dataclass(frozen=True, slots=True)
class Page:
    merged: Merged
    verdict: str
    state: str  # "differs", "agrees" or "empty"
    lead: str
    apart: str
    sections: tuple[Section, ...]
    matrices: tuple[tuple[CandidateSummary, Matrix, Matrix], ...]
    choices: tuple[tuple[str, str, tuple[str, ...]], ...]
    kinds: tuple[Bar, ...]
    dtypes: tuple[Bar, ...]
    lengths: tuple[Bar, ...]
    ops_by_family: tuple[tuple[str, tuple[tuple[str, int], ...]], ...]
    mean_length: str
    idle: tuple[str, ...]  # candidates that ran no program


SECTIONS = (
    (
        "documented",
        "Documented behaviour",
        "Values, dtypes, shapes, errors, flags, views and versions as documented.",
    ),
    ("crash", "Crashes, hangs and memory", "The process running the program was lost or had to be stopped."),
    ("known", "Known differences", "Explained by an entry of the ledger."),
    (
        "reference",
        "The reference alone",
        "The candidate has what the reference itself has in wider dtypes, within rounding; the reference as it is run has not.",
    ),
    (
        "range",
        "Range",
        "Infinite, NaN or 0 on one side only, where something overflows or underflows on the way.",
    ),
    ("incidental", "Incidental tier", "Details of PyTorch's implementation that no documentation promises."),
)


def page(merged: Merged) -> Page:
    """Everything the template needs, in the order in which it is shown."""
    ids = {(finding.candidate, finding.fingerprint): card_id(finding) for finding in merged.findings}
    cards = [card(finding, place < OPEN) for place, finding in enumerate(merged.findings)]
    verdict, state = verdict_of(merged)
    return Page(
        merged=merged,
        verdict=verdict,
        state=state,
        lead=lead(merged),
        apart=apart(merged.findings),
        sections=tuple(
            Section(name, title, text, tuple(card for card in cards if card.finding.category == name))
            for name, title, text in SECTIONS
        ),
        matrices=tuple(
            (each, aspect_matrix(each, merged, ids), dtype_matrix(each, merged, ids))
            for each in merged.candidates
        ),
        choices=choices(merged.findings),
        kinds=bars(merged.kinds),
        dtypes=bars({name: merged.dtypes.get(name, 0) for name in dtype_order(merged.dtypes)}, ranked=False),
        lengths=lengths(merged.lengths),
        ops_by_family=ops_by_family(merged),
        mean_length=f"{merged.statements / merged.programs:.1f}" if merged.programs else "–",
        idle=tuple(each.name for each in merged.candidates if not each.programs),
    )


def verdict_of(merged: Merged) -> tuple[str, str]:
    """The heading of the page, and its state. Silence counts only where something was compared."""
    counts = {name: sum(each.findings.get(name, 0) for each in merged.candidates) for name in LABELS}
    said = []
    if counts["documented"]:
        said.append(plural(counts["documented"], "difference"))
    if counts["crash"]:
        said.append(plural(counts["crash"], "crash or hang", "crashes or hangs"))
    if said:
        return " and ".join(said), "differs"
    if not merged.programs or not merged.facts:
        return "Nothing was compared", "empty"
    return "No difference", "agrees"


def lead(merged: Merged) -> str:
    compared = (
        plural(merged.programs, "program"),
        plural(merged.statements, "statement"),
        plural(merged.facts, "fact") + " compared",
    )
    return ", ".join(compared)


def apart(findings: Iterable[FindingSummary]) -> str:
    """What is not part of the verdict, as a sentence without its end; empty where there is nothing."""
    names = [finding.category for finding in findings]
    words = (
        ("known", "known"),
        ("reference", "of the reference alone"),
        ("range", "of range"),
        ("incidental", "of the incidental tier"),
    )
    return ", ".join(f"{names.count(name):,} {word}" for name, word in words if name in names)


def card_id(finding: FindingSummary) -> str:
    key = f"{finding.candidate}\0{finding.fingerprint}".encode("utf-8", "surrogatepass")
    return "d-" + hashlib.sha256(key).hexdigest()[:10]


def card(finding: FindingSummary, is_open: bool) -> Card:
    shown = finding.shown
    got, should_be = clip(shown.got), clip(shown.should_be)
    program = clip(shown.reduced).rstrip("\n").split("\n")
    name = card_id(finding)
    return Card(
        id=name,
        label=LABELS[finding.category],
        finding=finding,
        open=is_open and finding.category in ("documented", "crash"),
        lines=tuple((text, number == shown.line) for number, text in enumerate(program, 1)),
        got=segments(got, should_be),
        should_be=segments(should_be, got),
        graphs=drawn(finding),
        numbers=numbers(finding),
        environment=environment(finding),
        reproduction=clip(finding.reproduction or fallback(shown.reduced)),
        replay=replay_command(shown.reduced, finding.candidate, name),
    )


def fallback(program: str) -> str:
    """For a finding whose record was lost: the program with what its free names stand for."""
    return f"import numpy as np\nimport torch\nfrom math import inf, nan\n\n{program}"


def drawn(finding: FindingSummary) -> tuple[tuple[str, str, Markup | None], ...]:
    """The graphs of both sides; None for a drawing where there is no graph. The same graph is drawn once."""
    graphs = finding.shown.graphs
    if graphs is None or not (graphs.got or graphs.should_be):
        return ()
    sides = [("Got", finding.candidate, graphs.got), ("Should be", finding.run.reference, graphs.should_be)]
    if graphs.got == graphs.should_be:
        sides = [("Both", f"{finding.candidate}, {finding.run.reference}", graphs.got)]
    return tuple(
        (heading, whose, draw(nodes, f"Graph of {graphs.name} on {whose}") if nodes else None)
        for heading, whose, nodes in sides
    )


def numbers(finding: FindingSummary) -> tuple[tuple[str, str], ...]:
    numeric = finding.shown.numeric
    if numeric is None:
        return ()
    rows = [
        ("Elements that differ", f"{numeric.differ:,} of {numeric.elements:,}"),
        ("Largest absolute difference", quantity(numeric.max_abs)),
        ("Largest ULP difference", quantity(numeric.max_ulp)),
    ]
    if numeric.truth is not None:
        rows.append(("Distances", distances(finding)))
    if finding.shown.side is not None:
        rows.append(("Side that is off", finding.shown.side))
    if numeric.index:
        rows.append(("At index", f"[{', '.join(map(str, numeric.index))}]"))
    return tuple(rows)


def distances(finding: FindingSummary) -> str:
    """How far the sides are from the truth, such as "candidate 812 ULP from the wide result, reference 1, spread 3"."""
    number = finding.shown.numeric
    assert number is not None
    said = [
        f"candidate {ulps(number.candidate_ulp)} ULP from the {number.truth} result",
        f"reference {ulps(number.reference_ulp)}",
        f"spread {ulps(number.spread_ulp)} in {number.runs} runs",
    ]
    return ", ".join(said)


def ulps(value: float | None) -> str:
    return "infinitely many" if value is None else quantity(value)


def environment(finding: FindingSummary) -> tuple[tuple[str, str], ...]:
    run = finding.run
    rows = [
        ("Reference", backend(run.reference, run.backends)),
        ("Candidate", backend(finding.candidate, run.backends)),
        ("Seed", str(run.seed)),
        ("Profile", run.profile + (", following" if run.follow else ", not following")),
    ]
    return (*rows, *((term(name), value) for name, value in sorted(run.environment.items())))


def backend(name: str, backends: Mapping[str, Mapping[str, str]]) -> str:
    """A backend's name with its version, device and whatever else is recorded of it."""
    facts = dict(backends.get(name, {}))
    version, device = facts.pop("version", ""), facts.pop("device", "")
    said = f"{name} {version}".strip() + (f" on {device}" if device else "")
    return ", ".join([said, *(f"{key} {value}" for key, value in sorted(facts.items()))])


def choices(findings: tuple[FindingSummary, ...]) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """For each filter its key, its name and the values that occur."""
    aspects = {finding.shown.aspect for finding in findings}
    categories = {finding.category for finding in findings}
    return (
        ("candidate", "Candidate", tuple(sorted({finding.candidate for finding in findings}))),
        ("tier", "Tier", tuple(name for name in LABELS if name in categories)),
        ("family", "Op family", tuple(sorted({finding.family for finding in findings}))),
        ("op", "Op", tuple(sorted({finding.shown.op for finding in findings}))),
        ("aspect", "Aspect", tuple(sorted(aspects | {name.split(".")[0] for name in aspects}))),
        ("dtype", "Dtype", dtype_order({name for each in findings for name in each.shown.dtypes}, known=())),
    )


def bars(counts: Mapping[str, int], *, ranked: bool = True) -> tuple[Bar, ...]:
    largest = max(counts.values(), default=0) or 1
    names = sorted(counts, key=lambda name: (-counts[name], name)) if ranked else counts
    return tuple(Bar(name, counts[name], round(1000 * counts[name] / largest)) for name in names)


def lengths(counts: Mapping[int, int], most: int = 30) -> tuple[Bar, ...]:
    """Programs by length, without gaps; those longer than `most` statements stand together."""
    if not counts:
        return ()
    last = min(max(counts), most)
    grouped = {str(length): counts.get(length, 0) for length in range(min(min(counts), most), last + 1)}
    longer = sum(number for length, number in counts.items() if length > most)
    if longer:
        grouped[f"more than {most}"] = longer
    return bars(grouped, ranked=False)


def ops_by_family(merged: Merged) -> tuple[tuple[str, tuple[tuple[str, int], ...]], ...]:
    families: dict[str, list[tuple[str, int]]] = {}
    for op, calls in merged.ops.items():
        families.setdefault(family_of(op, merged.families), []).append((op, calls))
    return tuple((family, tuple(sorted(families[family]))) for family in sorted(families))


def ledger_rows(merged: Merged) -> tuple[LedgerSummary, ...]:
    """Entries that showed themselves first."""
    return tuple(sorted(merged.ledger, key=lambda row: (not row.hits, row.entry)))
