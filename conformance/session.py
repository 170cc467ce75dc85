"""One reference and its candidates in this process: run a program on all, judge, reduce, explain, make records.

Used by the workers of a campaign, by the commands on single programs and by the pytest suite.
"""

from __future__ import annotations

import contextlib
import gc
import platform
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

import threadpoolctl

from conformance import compare, exactness, opnames, records, reducer
from conformance.backends import Backend, BackendError, resolve
from conformance.counting import program_row
from conformance.facts import Step
from conformance.fingerprint import OPTIONS, Attribution, calls_of, cause_op, fingerprint
from conformance.follow import lockstep
from conformance.judge import OUT_OF_MEMORY, Discrepancy, Verdict, judge
from conformance.ledger import Entry, Ledger
from conformance.rerun import FEW, GLANCE, MANY, Reruns
from conformance.runner import Run
from conformance.tiers import INCIDENTAL
from conformance.undefined import with_undefined
from conformance.verdict import Verdicts
from conformance.wider import Wider
from strategies.program import Program, ProgramError, parse, standalone
from strategies.program.vocabulary import family_of

NONDETERMINISTIC = "nondeterministic: the reference itself shows something else when it runs again"
NO_SUCH_FORM = "no statement has this form"
KEPT_VERDICTS = 16  # programs whose reruns are kept
MEMORY_TRIES = 30  # of the reducer where each trial fills the memory
AHEAD = 25
"""So many programs go together: all are compiled, then all run on the reference, then each on the candidates. The processor
finds the code of one library in its caches then, which saves a tenth of the time."""


@dataclass(frozen=True)
class Examined:
    """One program on the reference and on every candidate."""

    program: Program
    reference: tuple[Step, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def discrepancies(self) -> list[Discrepancy]:
        return [item for verdict in self.verdicts for item in verdict.discrepancies]


@dataclass(frozen=True)
class Finding:
    """What a discrepancy comes down to: the reduced program and what it shows."""

    fingerprint: str
    text: str
    discrepancy: Discrepancy
    op: str
    ledger: str | None = None

    def row(self, discrepancy: Discrepancy | None = None) -> dict[str, Any]:
        """The fields of a discrepancy that counts for this finding, or of the finding's own. The operation and the tier
        are the finding's, since the statement that shows a difference first need not be about the one at fault."""
        shown = self.discrepancy if discrepancy is None else discrepancy
        fields = records.discrepancy_row(
            shown, fingerprint=self.fingerprint, reduced=self.text, ledger=self.ledger
        )
        return fields | {"op": self.op, "tier": self.discrepancy.tier}


@dataclass
class Session:
    """`incidental`: whether differences of the incidental tier count; None asks each candidate's capability file.

    `watch` is called with each program text before it runs (a campaign writes it to disk).
    """

    reference: Backend
    candidates: Sequence[Backend]
    follow: bool = True
    incidental: bool | None = None
    ledger: Ledger = field(default_factory=Ledger)
    watch: Callable[[str], None] = lambda text: None
    max_tries: int = reducer.MAX_TRIES
    seconds: float = reducer.MAX_SECONDS
    timings: dict[str, float] = field(default_factory=dict)
    attribution: Attribution = field(default_factory=Attribution)
    findings: dict[tuple[str, str], Finding] = field(default_factory=dict)
    _known_verdicts: dict[str, Verdicts] = field(default_factory=dict)
    _few: bool = False  # whether a few perturbed runs are enough for a difference of values
    skipped: list[str] = field(default_factory=list)  # candidates that are not to be had here, and why

    def spend(self, stage: str, seconds: float) -> None:
        self.timings[stage] = self.timings.get(stage, 0.0) + seconds

    # --- running ---

    def compile(self, text: str) -> Program:
        start = perf_counter()
        try:
            return parse(text)
        finally:
            self.spend("compile", perf_counter() - start)

    def refer(self, program: Program) -> tuple[Step, ...]:
        """What the reference shows."""
        with Run(program, self.reference) as run:
            reference = tuple(run)
        self._spend_run("torch", run)
        return reference

    def examine(
        self,
        program: Program,
        candidates: Iterable[Backend] | None = None,
        reference: tuple[Step, ...] | None = None,
    ) -> Examined:
        """Runs the program on the reference, unless it is said what that shows, then on each candidate in lock-step."""
        if reference is None:
            reference = self.refer(program)
        if any(step.raised is not None and OUT_OF_MEMORY.search(step.raised.text) for step in reference):
            reason = "the reference ran out of memory"
            skipped = tuple(Verdict(backend.name, skipped=reason) for backend in self.candidates)
            return Examined(program, reference, skipped)
        chosen = list(self.candidates if candidates is None else candidates)
        marked = reference
        if self.reference.undefined_mask is None and any(one.undefined_mask is None for one in chosen):
            marked = self._marked(program, reference)
        verdicts = tuple(self._judge(program, marked, one) for one in chosen)
        found = [item for one in verdicts for item in one.discrepancies]
        if any(map(self._is_in_doubt, found)) and not self._is_deterministic(program, reference):
            verdicts = tuple(Verdict(backend.name, skipped=NONDETERMINISTIC) for backend in chosen)
        return Examined(program, marked, verdicts)

    def examine_all(self, programs: Iterable[Program]) -> Iterator[Examined]:
        """Each of them, in turn. The reference runs ahead."""
        rest = iter(programs)
        while some := list(islice(rest, AHEAD)):
            for program, reference in zip(some, list(map(self.refer, some)), strict=True):
                yield self.examine(program, reference=reference)

    def _marked(self, program: Program, reference: tuple[Step, ...]) -> tuple[Step, ...]:
        start = perf_counter()
        try:
            return with_undefined(program, reference)
        finally:
            self.spend("engine", perf_counter() - start)

    def _is_deterministic(self, program: Program, reference: tuple[Step, ...]) -> bool:
        """Whether the reference shows the same once more, undefined elements aside."""
        again = self.refer(program)
        if again == reference:
            return True
        marked = self._marked(program, reference)
        found = judge(program, marked, again, name=self.reference.name, followed=True, is_exact=_always)
        return not found.discrepancies

    def _verdicts(self, program: Program, reference: tuple[Step, ...]) -> Verdicts:
        """Those of this program, with the reruns that were made for it."""
        found = self._known_verdicts.pop(program.text, None)
        if found is None:
            reruns = Reruns(program, reference, followed=self.follow)
            found = Verdicts(reruns, Wider(program, reference, self.reference, followed=self.follow))
        self._known_verdicts[program.text] = found
        while len(self._known_verdicts) > KEPT_VERDICTS:
            del self._known_verdicts[next(iter(self._known_verdicts))]
        return found

    @contextlib.contextmanager
    def few_runs(self) -> Iterator[None]:
        """A block in which a few perturbed runs are enough for a difference of values."""
        before, self._few = self._few, True
        try:
            yield
        finally:
            self._few = before

    def _judge(self, program: Program, reference: tuple[Step, ...], backend: Backend) -> Verdict:
        capabilities = backend.capabilities
        spelled = program if backend.form is None else backend.form(program, reference)
        if backend.form is not None and spelled is program:
            return Verdict(backend.name, skipped=NO_SUCH_FORM)
        plan = capabilities.skips(program, reference, follow=self.follow)
        with Run(spelled, backend, plan=plan) as run:
            steps = tuple(lockstep(run, reference) if self.follow else run)
        self._spend_run("engine" if backend.name == "engine" else "candidates", run)
        differs = len(steps) != len(reference) or not all(map(compare.same, steps, reference))
        verdicts = self._verdicts(program, reference) if differs else None

        def judged(runs: int) -> Verdict:
            return judge(
                program,
                reference,
                steps,
                name=backend.name,
                followed=self.follow,
                is_exact=exactness.is_exact,
                lacks=capabilities.lacks_aspect,
                verdicts=None if verdicts is None else replace(verdicts, runs=runs),
                timings=self.timings,
            )

        verdict = judged(GLANCE)
        if any(map(self._is_in_doubt, verdict.discrepancies)):
            verdict = judged(FEW if self._few else MANY)
        if backend.form is not None:  # whichever form is off, the backend differs from itself
            verdict = replace(verdict, discrepancies=tuple(map(_own, verdict.discrepancies)))
        wanted = capabilities.incidental if self.incidental is None else self.incidental
        if not wanted:
            kept = tuple(item for item in verdict.discrepancies if item.tier != "incidental")
            verdict = replace(verdict, discrepancies=kept)
        if plan.reasons and len(plan.reasons) == len(program.statements):
            verdict = replace(verdict, skipped=next(iter(plan.reasons.values())))
        return verdict

    def _is_in_doubt(self, found: Discrepancy) -> bool:
        """Whether more perturbed runs may explain a difference, and the ledger does not already."""
        asked = found.numeric is not None or found.tier != INCIDENTAL
        return asked and self.ledger.explain(found) is None

    def _spend_run(self, stage: str, run: Run) -> None:
        self.spend(stage, run.seconds["run"])
        self.spend("observe", run.seconds["observe"])

    def show(self, text: str, candidate: str | None = None) -> list[Discrepancy]:
        """The discrepancies of a program text, on one candidate or all; none where it is no program."""
        try:
            program = self.compile(text)
        except ProgramError:
            return []
        self.watch(text)
        chosen = [one for one in self.candidates if candidate in (None, one.name)]
        return self.examine(program, chosen).discrepancies

    # --- what a discrepancy comes down to ---

    def settle(self, text: str, discrepancy: Discrepancy, *, reducing: bool = True) -> tuple[Finding, bool]:
        """The finding that a discrepancy counts for, and whether it is new. A known one is its ledger entry's."""
        entry = self.ledger.explain(discrepancy)
        if entry is not None:
            return self._known(entry, text, discrepancy)
        known = self.attribution.find(discrepancy)
        if known is not None:
            return known, False
        shown, shown_text = discrepancy, text
        if reducing and discrepancy.aspect not in ("crash", "hang"):
            start = perf_counter()
            reduced = self._reduced(text, discrepancy)
            self.spend("reduce", perf_counter() - start)
            shown, shown_text = reduced.discrepancy, reduced.text
        entry = self.ledger.explain(shown)
        calls = calls_of(shown_text)
        number = fingerprint(shown, calls)
        named = [call for call in calls if call not in OPTIONS]
        op = cause_op(shown, named)
        found, new = self._remember(Finding(number, shown_text, shown, op, entry.id if entry else None))
        self.attribution.store(discrepancy, named, found)
        return found, new

    def _reduced(self, text: str, discrepancy: Discrepancy) -> reducer.Reduced:
        """The smallest program that shows it. What the few runs of each try say of values is asked for once more in the end; a
        difference that rounding explains after all is reduced again with all runs."""

        def find(candidate: str) -> list[Discrepancy]:
            return self.show(candidate, discrepancy.candidate)

        tries = self.max_tries if discrepancy.aspect != "memory" else MEMORY_TRIES
        with self.few_runs():
            reduced = reducer.reduce(text, discrepancy, find, max_tries=tries, seconds=self.seconds)
        if reduced.discrepancy.numeric is None:
            return reduced
        for found in find(reduced.text):
            if reducer.same_difference(found, reduced.discrepancy):
                return replace(reduced, discrepancy=found)
        return reducer.reduce(text, discrepancy, find, max_tries=tries, seconds=self.seconds)

    def _known(self, entry: Entry, text: str, discrepancy: Discrepancy) -> tuple[Finding, bool]:
        """The finding of a ledger entry: what its pinned program shows."""
        number = f"ledger-{entry.id}"
        if (discrepancy.candidate, number) in self.findings:
            return self.findings[discrepancy.candidate, number], False
        pinned = self.show(entry.program, discrepancy.candidate)
        shown = next((item for item in pinned if entry.explains(item, self.ledger.versions)), None)
        if shown is None:  # an entry that is out of date; the suite's replay of the ledger says so
            return self._remember(Finding(number, text, discrepancy, discrepancy.op, entry.id))
        return self._remember(Finding(number, entry.program, shown, shown.op, entry.id))

    def _remember(self, found: Finding) -> tuple[Finding, bool]:
        key = (found.discrepancy.candidate, found.fingerprint)
        first = self.findings.setdefault(key, found)
        return first, first is found

    # --- records ---

    def header(self, *, command: str, seed: int, profile: str) -> dict[str, Any]:
        """The fields of a "run" record; the same in every process of a run."""
        import hypothesis
        import numpy

        names = (self.reference, *self.candidates)
        return {
            "command": command,
            "seed": seed,
            "profile": profile,
            "follow": self.follow,
            "reference": self.reference.name,
            "candidates": [one.name for one in self.candidates],
            "environment": {
                "python": platform.python_version(),
                "platform": platform.platform(),
                "numpy": numpy.__version__,
                "hypothesis": hypothesis.__version__,
                "backends": {one.name: one.versions() for one in names},
            },
            "lacks": {one.name: one.capabilities.lacks() for one in self.candidates},
            "families": families(),
        }

    def program_row(
        self, examined: Examined, block: int, index: int, rows: list[dict[str, Any]]
    ) -> dict[str, Any]:
        """The fields of a "program" record."""
        return program_row(examined.program, block, index, rows, examined.reference, examined.verdicts)

    def finding_row(self, found: Finding) -> dict[str, Any]:
        """The fields of a "finding" record."""
        program = parse(found.text)
        raising = self.raising(program)
        shown = found.discrepancy
        note = (
            f"{shown.aspect} of {found.op} on {shown.candidate}\ngot {shown.got}\nshould be {shown.should_be}"
        )
        note += "".join(f"\n{line}" for line in self.respelled(program, shown))
        return {
            **found.row(),
            "family": family_of(found.op),
            "reproduction": standalone(program, note, raising),
        }

    def respelled(self, program: Program, shown: Discrepancy) -> list[str]:
        """What a candidate that is a form of a backend runs for the statement that shows a difference."""
        form = next((one.form for one in self.candidates if one.name == shown.candidate), None)
        if form is None:
            return []
        with Run(program, self.reference) as run:
            walked = list(form(program, tuple(run)).walk())
        return ["which runs that statement as", *walked[shown.statement].text.split("\n")]

    def raising(self, program: Program) -> frozenset[int]:
        """The statements that raise on the reference."""
        with Run(program, self.reference) as run:
            return frozenset(step.statement for step in run if step.raised is not None)


def _own(found: Discrepancy) -> Discrepancy:
    return replace(found, tier="documented") if found.tier == "reference" else found


def _always(calls: tuple[str, ...], dtype: str) -> bool:
    return True


def families() -> dict[str, str]:
    """Operation -> family, for every operation that the language has."""
    from strategies.program import vocabulary

    names = {*vocabulary.METHODS, *(name.removeprefix("torch.") for name in vocabulary.FUNCTIONS)}
    table = {
        opnames.canonical_op(name): family_of(name) for name in sorted(names) if not name.startswith("np.")
    }
    modes = dict.fromkeys(map(opnames.canonical_op, vocabulary.MANAGERS), "autograd")
    assigned = dict.fromkeys(vocabulary.ASSIGNABLE, "autograd")
    return modes | assigned | table | {"getitem": "indexing", "setitem": "indexing", "pos": "pointwise"}


def open_session(
    reference: str, candidates: Sequence[str], *, capabilities: Path | None = None, **options: Any
) -> Session:
    """A session over backends by name. `capabilities` is for the candidates. Raises BackendError, CapabilityError."""
    backends, skipped = [], []
    for name in candidates:
        try:
            backends.append(resolve(name, capabilities))
        except BackendError as error:
            if not error.skipped:
                raise
            skipped.append(f"{name}: {error}")
    if not backends:
        raise BackendError("; ".join(skipped) or "no candidate", skipped=bool(skipped))
    session = Session(resolve(reference), backends, skipped=skipped, **options)
    versions = {one.name: one.version for one in (session.reference, *backends)}
    if "torch" in sys.modules:
        versions.setdefault("torch", str(sys.modules["torch"].__version__))
    session.ledger.versions.update(versions)
    settle()
    return session


def settle() -> None:
    """Set up this process for many short programs.

    NumPy's and SciPy's linear algebra get one thread, as torch has: the order of sums depends on their number, and to wake
    another takes longer than to invert a small matrix. Garbage collections pass over what is loaded by now (else they walk
    all of torch again and again) and come less often, since facts and graphs are mostly freed without them.
    """
    threadpoolctl.threadpool_limits(1, "blas")
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
