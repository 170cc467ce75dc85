"""One candidate against the reference over one program: what differs, what only follows from it, what is equal.

Both have run before: steps are data (`Step`s), so the same code judges a candidate and a stored trace. Where a candidate
followed, its storages took the reference's bits after each step that was observed (`conformance.follow`).

After a candidate's first difference, whatever depends on it is a consequence: names are joined by every
statement that mentions them together and by shared storage, and the whole group of the differing name is out of the
comparison from there on. This errs on the side of silence; the rest of the program is still compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

from conformance import compare, counting, opnames, tiers
from conformance.compare import Context, Difference
from conformance.facts import Step, TensorFact, dtypes_in, tensor_facts
from conformance.links import Links
from conformance.uniqueness import VALUE_ASPECTS, chosen_values

OUT_OF_MEMORY = re.compile(
    r"(can't|cannot|not able to|unable to|failed to) allocate|out of memory|not enough memory", re.I
)
ROOT = re.compile(r"[.\[]")


@dataclass(frozen=True)
class Discrepancy:
    """The first difference of one candidate in one group of connected names, at one statement."""

    candidate: str
    aspect: str
    tier: str
    op: str
    dtypes: tuple[str, ...]
    statement: int
    path: str
    line: int
    statement_text: str
    name: str
    got: str
    should_be: str
    numeric: Any = None
    also: tuple[Difference, ...] = ()  # what else the same statement shows
    consequences: int = 0
    ops: tuple[
        str, ...
    ] = ()  # every operation that the differing name may depend on, for telling causes apart
    past: tuple[str, ...] = ()  # the statements that the differing name may depend on
    graphs: tuple[str, str | None, str | None] | None = (
        None  # of what tensor, the candidate's, the reference's
    )

    @property
    def side(self) -> str | None:
        """Which side is off: "candidate", "reference", "both" or "open"; None where the difference is not numeric."""
        return None if self.numeric is None else self.numeric.side


@dataclass(frozen=True)
class Verdict:
    """What the comparison of one program on one candidate came to."""

    candidate: str
    discrepancies: tuple[Discrepancy, ...] = ()
    facts: int = 0
    floats: int = 0  # of the facts, values of inexact dtypes that are new after a statement
    undecided: int = 0
    skipped: str | None = None


def statements_of(program: Any) -> list[Any]:
    """The statements in pre-order, so that `Statement.index` is the position."""
    flat: list[Any] = []
    waiting = list(reversed(program.statements))
    while waiting:
        statement = waiting.pop()
        flat.append(statement)
        waiting.extend(reversed(statement.body))
    return flat


def order(path: str) -> tuple[tuple[float, int], ...]:
    """A key that sorts paths as they run: enter before the body, exit after it, iterations in turn."""
    key: list[tuple[float, int]] = []
    for part in path.split("."):
        if part == "enter":
            key.append((-1, 0))
        elif part == "exit":
            key.append((float("inf"), 0))
        else:
            index, _, turn = part.partition("#")
            key.append((int(index), int(turn or 0)))
    return tuple(key)


@dataclass
class _Mute:
    """Aspects (None: all) of the names connected to `names` that are out of the comparison, and for whose sake."""

    names: frozenset[str]
    aspects: frozenset[str] | None = None
    cause: int | None = None  # position of the discrepancy


@dataclass
class _State:
    program: Any
    candidate: str
    followed: bool
    is_exact: Callable[[tuple[str, ...], str], bool]
    lacks: Callable[[str], bool]
    verdicts: compare.Verdicts | None = None
    joined: Links = field(default_factory=Links)
    current: tuple[Any, Step | None, Step | None] | None = None  # the step that is being compared
    mutes: list[_Mute] = field(default_factory=list)
    # What lies in memory in another way than the reference has it; with the aspect that says so.
    laid_out: list[tuple[str, _Mute]] = field(default_factory=list)
    found: list[Discrepancy] = field(default_factory=list)
    consequences: list[int] = field(default_factory=list)
    history: list[tuple[Any, Step | None, Step | None]] = field(default_factory=list)
    linked: int = 0
    random_differs: int | None = None  # position of the discrepancy since which the random streams may differ
    undecided: int = 0
    stopped: int | None = None  # position of the discrepancy that changed what every statement means

    @property
    def links(self) -> Links:
        """The names joined up to now. Caught up with when asked for, which most programs never do."""
        for step in self.history[self.linked :]:
            self.joined.step(*step)
        self.linked = len(self.history)
        if self.current is not None:
            self.joined.step(*self.current)
            self.current = None
        return self.joined


# --- Judging --------------------------------------------------------------------------------------------------------


def judge(
    program: Any,
    reference: Sequence[Step],
    candidate: Iterable[Step],
    *,
    name: str,
    followed: bool = False,
    is_exact: Callable[[tuple[str, ...], str], bool] = lambda calls, dtype: False,
    lacks: Callable[[str], bool] = lambda aspect: False,
    verdicts: compare.Verdicts | None = None,
    timings: dict[str, float] | None = None,
) -> Verdict:
    """Compares the candidate's steps with the reference's, in the order they run.

    `followed` says whether the candidate took the reference's bits after each statement. Only then is equality of bits
    demanded where `is_exact(calls, dtype)` holds, since otherwise operands differ already. `lacks` says of an aspect that
    the candidate does not have it. `verdicts` run the program on the engine, so the candidate's steps have to be complete.
    """
    flat = statements_of(program)
    state = _State(program, name, followed, is_exact, lacks, verdicts)
    start = perf_counter()
    steps: Iterator[Step] = iter(candidate)
    got = next(steps, None)
    position = 0
    while position < len(reference) or got is not None:
        want = reference[position] if position < len(reference) else None
        if got is not None and want is not None and got.path == want.path:
            statement = flat[want.statement]
            if got.skipped or got.unknown or not compare.same(got, want):
                _compare(state, statement, got, want)
            state.history.append((statement, got, want))
            position += 1
            got = next(steps, None)
        elif got is None or (want is not None and order(want.path) < order(got.path)):
            assert want is not None
            _alone(state, flat[want.statement], None, want)
            position += 1
        else:
            _alone(state, flat[got.statement], got, None)
            got = next(steps, None)
    facts, floats = counting.count(
        want for _, got, want in state.history if got is not None and want is not None
    )
    verdict = Verdict(name, tuple(_with_consequences(state)), facts, floats, state.undecided)
    if timings is not None:
        timings["compare"] = timings.get("compare", 0.0) + perf_counter() - start
    return verdict


def _with_consequences(state: _State) -> Iterator[Discrepancy]:
    for discrepancy, count in zip(state.found, state.consequences):
        yield replace(discrepancy, consequences=count)


def _alone(state: _State, statement: Any, got: Step | None, want: Step | None) -> None:
    """A step that only one side reached, because an exception ended a block on the other."""
    state.history.append((statement, got, want))
    cause = len(state.found) - 1
    state.mutes.append(_Mute(statement.reads | statement.writes, None, cause if cause >= 0 else None))
    if cause >= 0:
        state.consequences[cause] += 1


def _compare(state: _State, statement: Any, got: Step, want: Step) -> None:
    names = statement.reads | statement.writes
    state.current = (statement, got, want)
    unknown = frozenset(got.unknown)
    if unknown and not any(mute.cause is None and unknown <= mute.names for mute in state.mutes):
        state.mutes.append(_Mute(unknown))
    if got.skipped:
        return
    if state.random_differs is not None and any(map(opnames.draws_random, statement.calls)):
        state.mutes.append(_Mute(names, None, state.random_differs))
    if any(map(opnames.reads_node, statement.calls)) and is_muted(state, statement.reads, "graph"):
        state.mutes.append(_Mute(statement.writes, tiers.OF_NODES))
    if state.laid_out and _writes_memory(statement):
        random = any(map(opnames.draws_random, statement.calls))  # numbers are drawn in the order of memory
        for aspect, mute in state.laid_out:
            if (aspect == "aliasing" or random) and state.links.joined(names, mute.names):
                state.mutes.append(mute)
    context = _context(state, statement, got, want)
    differences = [] if state.stopped is not None else compare.compare_steps(got, want, context)
    _count_consequence(state, names, got, want)
    differences = _without_undecided(state, differences, names)
    for primary, also in choose(differences, statement.writes):
        _record(state, statement, got, want, primary, also)
    chosen = chosen_values(statement.text, tuple(statement.calls))
    if chosen.names and not state.followed:  # each side goes on with its own choice
        state.mutes.append(_Mute(frozenset(ROOT.split(name)[0] for name in chosen.names)))


def _without_undecided(
    state: _State, differences: list[Difference], names: frozenset[str]
) -> list[Difference]:
    """Counts what correct implementations may differ in. What depends on it is out of the comparison, unless it is values
    that the candidate then took from the reference."""
    for item in differences:
        if item.tier == tiers.UNDECIDED:
            state.undecided += 1
            if not state.followed or item.numeric is None:
                roots = frozenset({ROOT.split(item.name)[0]} if item.name else names)
                state.mutes.append(_Mute(roots))
    return [item for item in differences if item.tier != tiers.UNDECIDED]


def _context(state: _State, statement: Any, got: Step, want: Step) -> Context:
    before_got = before_want = None
    for _, earlier_got, earlier_want in reversed(state.history):
        before_got = before_got or earlier_got
        before_want = before_want or earlier_want
        if before_got and before_want:
            break
    chosen = chosen_values(statement.text, tuple(statement.calls))
    ignored = frozenset() if chosen.of_phase else chosen.names
    edge = want.path.endswith((".enter", ".exit"))
    calls = () if edge else statement.calls
    names = statement.reads | statement.writes
    group = state.links.group(names) if any(map(opnames.is_backward, calls)) else names
    writes = statement.writes
    if got.raised is not None and _may_write(statement):
        writes = state.links.group(names)
    return Context(
        calls=calls,
        text=statement.head,
        operands=group,
        before=before_want.names if before_want else {},
        before_got=before_got.names if before_got else {},
        can_write=frozenset(writes),
        is_exact=state.is_exact if state.followed else lambda calls, dtype: False,
        ignore=lambda name, aspect: (
            (name in ignored and aspect in VALUE_ASPECTS)
            or is_muted(state, {ROOT.split(name)[0]} if name else names, aspect)
        ),
        up_to_phase=chosen.names - ignored,
        path=want.path,
        followed=state.followed,
        verdicts=state.verdicts,
    )


def _may_write(statement: Any) -> bool:
    """Whether the statement may change what is behind the names that it reads."""
    if statement.kind in ("augassign", "setitem", "setattr") or "out=" in statement.text:
        return True
    return any(map(opnames.writes_operand, statement.calls))


def _writes_memory(statement: Any) -> bool:
    return _may_write(statement) and not any(map(opnames.is_backward, statement.calls))


def is_muted(state: _State, names: Iterable[str], aspect: str) -> bool:
    base = aspect.removeprefix("grad.")
    if aspect and (state.lacks(aspect) or state.lacks(base)):
        return True
    return any(
        (mute.aspects is None or base in mute.aspects) and state.links.joined(names, mute.names)
        for mute in state.mutes
        if mute.aspects is None or base
    )


def _count_consequence(state: _State, names: frozenset[str], got: Step, want: Step) -> None:
    if state.stopped is not None:
        state.consequences[state.stopped] += not compare.same(got, want)
        return
    for mute in state.mutes:
        if mute.aspects is None and mute.cause is not None and state.links.joined(names, mute.names):
            differs = got.raised != want.raised or any(
                got.names.get(name) != want.names.get(name) for name in names
            )
            state.consequences[mute.cause] += differs
            return


def choose(
    differences: list[Difference], writes: Iterable[str] = ()
) -> list[tuple[Difference, tuple[Difference, ...]]]:
    """The differences that name causes, each with the others beside it.

    One for a statement: the first by `tiers.PRECEDENCE` among the documented, else among those of the reference alone,
    else among those of range. Where all are incidental, one for each aspect, since they are told apart by it (layout
    counts once).
    """
    if not differences:
        return []

    def rank(difference: Difference) -> tuple[int, int, str]:
        base = difference.aspect.removeprefix("grad.")
        return (
            tiers.PRECEDENCE.get(base, len(tiers.PRECEDENCE)),
            ROOT.split(difference.name)[0] not in writes,
            difference.name,
        )

    ordered = sorted(differences, key=rank)
    for tier in (tiers.DOCUMENTED, tiers.REFERENCE, tiers.RANGE):
        for primary in ordered:
            if primary.tier == tier:
                return [(primary, tuple(item for item in ordered if item is not primary))]
    kinds: dict[str, Difference] = {}
    for item in ordered:
        base = item.aspect.removeprefix("grad.")
        kinds.setdefault("layout" if base in tiers.LAYOUT else base, item)
    return [(primary, ()) for primary in kinds.values()]


def _record(
    state: _State, statement: Any, got: Step, want: Step, primary: Difference, also: tuple[Difference, ...]
) -> None:
    position = len(state.found)
    names = statement.reads | statement.writes
    aspect = primary.aspect
    text = primary.got
    if aspect in ("raised", "error type") and (text.startswith("MemoryError") or OUT_OF_MEMORY.search(text)):
        aspect = "memory"
    connected = state.links.group([*names, *filter(None, [ROOT.split(primary.name)[0]])])
    past = [earlier for earlier, _, _ in state.history if (earlier.reads | earlier.writes) & connected]
    ops = sorted({opnames.canonical_op(call) for one in (*past, statement) for call in one.calls})
    state.found.append(
        Discrepancy(
            state.candidate,
            aspect,
            primary.tier,
            principal_op(statement.calls),
            tuple(sorted(dtypes_in(want.names[name] for name in names if name in want.names))),
            statement.index,
            want.path,
            statement.line,
            statement.head,
            primary.name,
            primary.got,
            primary.should_be,
            primary.numeric,
            also,
            ops=tuple(ops),
            past=tuple(dict.fromkeys(one.head for one in past)),
            graphs=pictured(primary, statement, got, want),
        )
    )
    state.consequences.append(0)
    for difference in (primary, *also):
        _mute_after(state, difference, statement, position)
    if primary.tier == tiers.INCIDENTAL or aspect in tiers.TRANSIENT:
        return
    if any(map(opnames.draws_random, statement.calls)):
        state.random_differs = position
    if any(map(opnames.changes_mode, statement.calls)) or (not names and statement.kind == "with"):
        state.stopped = position


def _mute_after(state: _State, difference: Difference, statement: Any, position: int) -> None:
    base = difference.aspect.removeprefix("grad.")
    names = statement.reads | statement.writes
    transform = any(map(opnames.is_transform, statement.calls))
    roots = frozenset({ROOT.split(difference.name)[0]} if difference.name else names)
    if base in tiers.TRANSIENT:
        return
    if difference.tier == tiers.INCIDENTAL and base in tiers.LAYOUT:
        state.mutes.append(_Mute(roots, tiers.LAYOUT, position))
        state.laid_out.append((base, _Mute(roots, None, position)))
    elif difference.tier == tiers.INCIDENTAL and base in tiers.GRAPH:
        # Where a transform recorded something else, other leaves may be behind whatever is computed from its result.
        aspects = tiers.GRAPH if transform else frozenset({"grad_fn"}) & {base}
        state.mutes.append(_Mute(roots, aspects | {tiers.INNER_GRAPH}, position))
    else:
        state.mutes.append(_Mute(roots, None, position))


def pictured(
    primary: Difference, statement: Any, got: Step, want: Step
) -> tuple[str, str | None, str | None] | None:
    """The tensor whose graph shows what a difference is about, with the graph on both sides: the one that differs, or the one
    that a backward began at. None where no graph says more than the difference does."""
    names = [primary.name] if primary.aspect in tiers.ABOUT_GRAPHS else []
    if any(map(opnames.is_backward, statement.calls)):
        names.extend(sorted(statement.reads))
    mine, theirs = (_graphs(step) for step in (got, want))
    for name in names:
        sides = mine.get(name), theirs.get(name)
        if sides != (None, None):
            return name, *sides
    return None


def _graphs(step: Step) -> dict[str, str | None]:
    return {name: fact.graph for name, fact in tensor_facts(step.names) if type(fact) is TensorFact}


def principal_op(calls: Sequence[str]) -> str:
    """The operation a statement is about: the last one called (the outermost) that is not an attribute read."""
    for call in reversed(calls):
        if not call.startswith("attr."):
            return opnames.canonical_op(call)
    return opnames.canonical_op(calls[-1]) if calls else "none"
