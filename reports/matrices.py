"""The two matrices of a candidate: op family x aspect, and op x dtype."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reports.merge import CATEGORIES, UNCLASSIFIED, family_of
from reports.summaries import CandidateSummary, Merged
from reports.text import plural

FAMILIES = (
    "pointwise", "comparison", "reduction", "creation", "random", "indexing", "view", "shape", "linalg", "autograd",
    "conversion", "other",
)  # fmt: skip
ASPECTS = (
    "dtype", "shape", "strides", "offset", "contiguity", "values", "reference values", "range", "signed zero",
    "requires_grad", "is_leaf", "grad_fn", "graph", "grad", "retains_grad", "version", "aliasing", "raised",
    "not raised", "error type", "error text", "warnings", "type", "partial effect", "attribute", "crash", "hang", "memory",
)  # fmt: skip
DTYPES = (
    "bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64",
    "complex128",
)  # fmt: skip
WORDS = {
    "documented": "of the documented tier",
    "crash": "crash or hang",
    "known": "known",
    "reference": "of the reference alone",
    "range": "of range",
    "incidental": "incidental",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """`state` is a category, or "agrees", "unreached", "lacks"; `label` says the cell in words."""

    text: str
    state: str
    label: str
    target: str | None = None
    aspect: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    group: str
    total: str
    cells: tuple[Cell, ...]
    differs: bool


@dataclass(frozen=True, slots=True)
class Matrix:
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def aspect_matrix(candidate: CandidateSummary, merged: Merged, ids: Mapping[tuple[str, str], str]) -> Matrix:
    """Findings by op family and aspect; aspects of gradients (`grad.dtype`) stand in the column `grad`."""
    columns = _ordered(ASPECTS, {aspect.split(".")[0] for _, aspect in candidate.aspects})
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for (family, aspect), kinds in candidate.aspects.items():
        cell = counts.setdefault((family, aspect.split(".")[0]), {})
        for kind, number in kinds.items():
            cell[kind] = cell.get(kind, 0) + number
    targets: dict[tuple[str, str], str] = {}
    for finding in merged.findings:
        if finding.candidate == candidate.name:
            key = finding.family, finding.shown.aspect.split(".")[0]
            targets.setdefault(key, ids[finding.candidate, finding.fingerprint])
    # Where no op has a recorded family, a family without calls says nothing: only what is known is shown.
    classified = set(candidate.families) - {UNCLASSIFIED, "operator", "indexing"}
    known = FAMILIES if classified else ()
    families = _ordered(known, {*candidate.families, *(family for family, _ in counts)})
    lacks = set(candidate.lacks.get("aspects", ()))
    rows = [
        _family_row(family, candidate.families.get(family, 0), columns, counts, targets, lacks)
        for family in families
    ]
    return Matrix(columns, tuple(rows))


def _family_row(
    family: str,
    calls: int,
    columns: tuple[str, ...],
    counts: Mapping[tuple[str, str], Mapping[str, int]],
    targets: Mapping[tuple[str, str], str],
    lacks: set[str],
) -> Row:
    cells = []
    for aspect in columns:
        kinds = counts.get((family, aspect), {})
        where = f"{family}, {aspect}"
        if kinds:
            text = str(sum(kinds.values()))
            label = f"{where}: {_words(kinds, 'finding')}"
            cells.append(Cell(text, _worst(kinds), label, targets.get((family, aspect)), aspect))
        elif not calls:
            cells.append(Cell("", "unreached", f"{where}: not reached"))
        elif aspect in lacks:
            cells.append(Cell("", "lacks", f"{where}: not compared"))
        else:
            cells.append(Cell("·", "agrees", f"{where}: no difference"))
    return Row(family, "", f"{calls:,}", tuple(cells), any(cell.target for cell in cells))


def dtype_matrix(candidate: CandidateSummary, merged: Merged, ids: Mapping[tuple[str, str], str]) -> Matrix:
    """Programs by op and dtype, those that differ as "differing/exercised"; ops that differ stand first."""
    dtypes = {dtype for _, dtype in [*candidate.exercised, *candidate.differing]}
    columns = dtype_order(dtypes)
    ops = {op for op, _ in [*candidate.exercised, *candidate.differing]}
    targets: dict[str, str] = {}
    for finding in merged.findings:
        if finding.candidate == candidate.name:
            targets.setdefault(finding.shown.op, ids[finding.candidate, finding.fingerprint])
    rows = [_op_row(op, columns, candidate, family_of(op, merged.families), targets) for op in ops]
    return Matrix(columns, tuple(sorted(rows, key=_op_weight)))


def _op_row(
    op: str, columns: tuple[str, ...], candidate: CandidateSummary, family: str, targets: Mapping[str, str]
) -> Row:
    cells = []
    lacks = set(candidate.lacks.get("dtypes", ()))
    for dtype in columns:
        kinds = candidate.differing.get((op, dtype), {})
        differ = sum(kinds.values())
        programs = max(candidate.exercised.get((op, dtype), 0), differ)
        where = f"{op}, {dtype}"
        if differ:
            label = f"{where}: {_words(kinds, 'program')}, of {programs:,}"
            cells.append(Cell(f"{differ:,}/{programs:,}", _worst(kinds), label, targets.get(op)))
        elif programs:
            cells.append(
                Cell(f"{programs:,}", "agrees", f"{where}: {plural(programs, 'program')}, none differs")
            )
        elif dtype in lacks:
            cells.append(Cell("", "lacks", f"{where}: not supported"))
        else:
            cells.append(Cell("", "unreached", f"{where}: not reached"))
    differs = any(cell.state in CATEGORIES for cell in cells)
    return Row(op, family, "", tuple(cells), differs)


def dtype_order(names: Iterable[str], known: Iterable[str] = DTYPES) -> tuple[str, ...]:
    """The usual dtypes in their usual order (all of `known`, reached or not), then others by name."""
    names = set(names)
    return _ordered([name for name in DTYPES if name in names or name in known], names)


def _op_weight(row: Row) -> tuple[int, str, str]:
    worst = min((CATEGORIES.index(cell.state) for cell in row.cells if cell.state in CATEGORIES), default=99)
    return worst, row.group, row.name


def _ordered(known: Iterable[str], names: Iterable[str]) -> tuple[str, ...]:
    known = tuple(known)
    return known + tuple(sorted(set(names) - set(known)))


def _worst(kinds: Mapping[str, int]) -> str:
    return min(kinds, key=CATEGORIES.index)


def _words(kinds: Mapping[str, int], noun: str) -> str:
    ordered = sorted(kinds, key=CATEGORIES.index)
    return ", ".join(f"{plural(kinds[kind], noun)} {WORDS[kind]}" for kind in ordered)
