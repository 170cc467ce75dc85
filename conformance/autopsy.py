"""Which backend ended a process, at which statement: the program again, on each backend alone in a fresh process."""

from __future__ import annotations

import threading
from typing import Any

from conformance import records
from conformance.counting import program_row
from conformance.fingerprint import fingerprint
from conformance.judge import Discrepancy, principal_op
from conformance.processes import Alone, Ending, run_alone
from strategies.program import Program, from_statements, parse, standalone
from strategies.program.vocabulary import family_of


class Autopsy:
    """Gives the "program" and the "finding" record of a program that ended a worker."""

    def __init__(self, config: dict[str, Any], timeout: float, cancelled: threading.Event) -> None:
        self.config, self.timeout, self.cancelled = config, timeout, cancelled
        self.known: dict[tuple[str, str, str], Program] = {}

    def __call__(self, ending: Ending, block: int, index: int) -> tuple[dict[str, Any], dict[str, Any]]:
        assert ending.in_flight is not None
        program = parse(ending.in_flight["text"])
        guilty = self._guilty(program.text, ending)
        reduced = self._reduced(program, guilty)
        return _rows(program, guilty, reduced, self.config["reference"], block, index)

    def of_drawing(self, ending: Ending, block: int, index: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """Drawing steps the engine, and that ended the process: there is no program to show yet."""
        found = Ending(ending.aspect, f"{ending.words}, while block {block} was drawn")
        program = parse("")
        return _rows(program, Alone("engine", 0, found), program, self.config["reference"], block, index)

    def _alone(self, text: str, backend: str) -> Alone:
        return run_alone({**self.config, "backend": backend, "text": text}, self.timeout, self.cancelled)

    def _guilty(self, text: str, ending: Ending) -> Alone:
        """The first backend that ends its process alone: the candidates, then the reference."""
        for backend in (*self.config["candidates"], self.config["reference"]):
            found = self._alone(text, backend)
            if found.ending is not None or self.cancelled.is_set():
                return found if found.ending else Alone(backend, 0, ending)
        words = f"{ending.words}, beside the other backends only"
        return Alone(
            self.config["candidates"][0], len(list(parse(text).walk())) - 1, Ending(ending.aspect, words)
        )

    def _reduced(self, program: Program, guilty: Alone) -> Program:
        """The statements that the last one to run may depend on, where these alone end a process the same way.

        Once for each backend, aspect and operation: each trial costs a process.
        """
        assert guilty.ending is not None
        if "beside" in guilty.ending.words or not program.statements:
            return program
        walked = list(program.walk())
        op = principal_op(walked[min(guilty.statement, len(walked) - 1)].calls)
        key = (guilty.backend, guilty.ending.aspect, op)
        if key not in self.known:
            shorter = from_statements(slice_before(program, guilty.statement))
            again = self._alone(shorter.text, guilty.backend).ending
            same = again is not None and again.aspect == guilty.ending.aspect
            self.known[key] = shorter if same else program
        return self.known[key]


def slice_before(program: Program, index: int) -> list[str]:
    """The top-level statements up to the one that holds statement `index`, without those it cannot depend on."""
    reached = [one for one in program.statements if one.index <= index]
    kept, needed = reached[-1:], set(reached[-1].reads | reached[-1].writes)
    for one in reversed(reached[:-1]):
        if one.writes & needed or (one.kind != "assign" and one.reads & needed) or not one.writes:
            kept.append(one)
            needed |= one.reads
    return [one.text for one in reversed(kept)]


def _rows(
    program: Program, guilty: Alone, reduced: Program, reference: str, block: int, index: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    shown = _discrepancy(program, guilty.statement, guilty, reference)
    last = list(reduced.walk())
    small = _discrepancy(
        reduced, len(last) - 1 if reduced is not program else guilty.statement, guilty, reference
    )
    number = fingerprint(small, [small.op])
    row = records.discrepancy_row(shown, fingerprint=number, reduced=reduced.text)
    record = program_row(program, block, index, [row])
    finding = {
        **records.discrepancy_row(small, fingerprint=number, reduced=reduced.text),
        "family": family_of(small.op),
        "reproduction": standalone(reduced, f"{small.aspect} on {small.candidate}: {small.got}"),
    }
    return record, finding


def _discrepancy(program: Program, index: int, guilty: Alone, reference: str) -> Discrepancy:
    assert guilty.ending is not None
    walked = list(program.walk())
    statement = walked[min(index, len(walked) - 1)] if walked else None
    own = guilty.backend == reference
    return Discrepancy(
        candidate=guilty.backend,
        aspect=guilty.ending.aspect,
        tier="documented",
        op=principal_op(statement.calls) if statement else "none",
        dtypes=(),
        statement=statement.index if statement else 0,
        path=str(statement.index) if statement else "",
        line=statement.line if statement else 0,
        statement_text=statement.head if statement else "",
        name="",
        got=guilty.ending.words,
        should_be="the program ends" if own else f"the program ends, as on {reference}",
    )
