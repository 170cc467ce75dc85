"""The child process of a campaign: draws blocks of programs, runs them, judges, reduces and writes records.

Talks to the parent in JSON lines: a configuration and then blocks on standard input, what happened on standard output.
Whatever a tensor library prints goes to a log file. Before a program runs, its text is in the in-flight file, whose
time of change is also the sign of life that the parent watches. The file's phases: "draw", and "ahead", where the reference
runs on some programs before the candidates do, with the index of the first program that is not recorded; "run" and
"reduce", with the index of the program. Run as ``python -m conformance.worker``.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import resource
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conformance.facts import Step
    from strategies.program import Program

EXPECTED = (
    "BackendError",
    "CapabilityError",
    "LedgerError",
    "RecordError",
)  # mistakes of the user, not of the suite
RESTART = 75  # exit status of a worker that wants a fresh process: one that ran out of memory is not trusted any more


class InFlight:
    """The file that says what runs now; rewritten in place, because it is written once a program."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)

    def write(self, phase: str, block: int, index: int, text: str) -> None:
        row = {"phase": phase, "block": block, "index": index, "text": text}
        data = json.dumps(row).encode()
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, data, 0)


def read_in_flight(path: Path) -> dict[str, Any] | None:
    """What was running, or None where the file is missing or was cut off."""
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return row if isinstance(row, dict) else None


def limit_memory(megabytes: int) -> None:
    """Address space beyond what the process has now; importing torch alone takes some gigabytes of it."""
    if megabytes <= 0 or not sys.platform.startswith("linux"):
        return
    with open("/proc/self/statm", encoding="ascii") as file:
        pages = int(file.read().split()[0])
    limit = pages * resource.getpagesize() + megabytes * 2**20
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(
        resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard)
    )


def end_with_parent() -> None:
    """Asks Linux to end this process when the parent ends, however that ends. Elsewhere end of input does it."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def draw_function(spec: str) -> Any:
    module, _, name = spec.partition(":")
    return getattr(importlib.import_module(module), name)


class Worker:
    """One process's session, record file and in-flight file."""

    def __init__(self, config: dict[str, Any], send: Any) -> None:
        from conformance.ledger import load
        from conformance.records import Writer, fresh_path
        from conformance.session import open_session

        self.config, self.send = config, send
        self.stopping = False
        directory = Path(config["records"])
        self.session = open_session(
            config["reference"],
            config["candidates"],
            capabilities=Path(config["capabilities"]) if config["capabilities"] else None,
            follow=config["follow"],
            incidental=config["incidental"],
            ledger=load(),
        )
        self.draw = draw_function(config["draw"])
        self.in_flight = InFlight(Path(config["in_flight"]))
        header = self.session.header(
            command=config["command"], seed=config["seed"], profile=config["profile"]
        )
        self.writer = Writer(fresh_path(directory, config["stem"]), config["run"], header)
        self.writer.write("ledger", {"entries": self.session.ledger.rows()})
        self.programs = 0
        self.started = monotonic()
        self.header = header

    def block(self, block: int, size: int, skip: int, unreduced: int | None, singly: bool) -> None:
        """Draws a block and runs what is not skipped; `unreduced` is a program whose reduction ended a process. `singly`: the
        reference does not run ahead, because it ended a process when it did."""
        from conformance.session import AHEAD

        counts: Counter[str] = Counter()
        fresh: list[dict[str, Any]] = []
        ticked = monotonic()
        for index, program, reference in self._run_ahead(block, size, skip, 1 if singly else AHEAD, counts):
            reducing = self.config["reduce"] and index != unreduced
            fresh.extend(self._program(block, index, program, reference, counts, reducing=reducing))
            if monotonic() - ticked > 0.5 or self.stopping or "memory" in counts:
                self.send({"tick": index + 1, "counts": counts, "findings": fresh})
                ticked, fresh = monotonic(), []
                if "memory" in counts:
                    self.send({"restart": index + 1})
                    self.close()
                    os._exit(RESTART)
                counts.clear()
            if self.stopping:
                return
        self.send({"done": block, "counts": counts, "findings": fresh})

    def _drawn(self, block: int, size: int, skip: int, most: int) -> Iterator[list[tuple[int, str]]]:
        """The texts behind those that are skipped, so many at a time. Those before them are recorded by then."""
        texts: Iterator[str] | None = None
        for first in range(skip, size, most):
            self.in_flight.write("draw", block, first, "")
            start = perf_counter()
            if texts is None:
                config = self.config
                drawn = self.draw(config["seed"], block, config["profile"], config["block_size"])
                texts = islice(drawn, skip, size)
            some = list(islice(texts, most))
            self.session.spend("draw", perf_counter() - start)
            yield list(enumerate(some, first))

    def _run_ahead(
        self, block: int, size: int, skip: int, most: int, counts: Counter[str]
    ) -> Iterator[tuple[int, Program, tuple[Step, ...] | None]]:
        """The programs and, where several go together, what the reference shows: it runs on all of those first."""
        for texts in self._drawn(block, size, skip, most):
            compiled = [(index, self._compiled(block, index, text, counts)) for index, text in texts]
            programs = [(index, program) for index, program in compiled if program is not None]
            references: list[tuple[Step, ...] | None] = [None] * len(programs)
            for position, (_, program) in enumerate(programs if most > 1 else ()):
                if self.stopping:
                    return
                self.in_flight.write("ahead", block, texts[0][0], program.text)
                references[position] = self.session.refer(program)
            for (index, program), reference in zip(programs, references, strict=True):
                yield index, program, reference

    def _compiled(self, block: int, index: int, text: str, counts: Counter[str]) -> Program | None:
        from strategies.program import ProgramError

        try:
            return self.session.compile(text)
        except ProgramError as error:  # a fault of the strategies, told at the end and no reason to stop
            print(f"block {block}, program {index} is no program: {error}\n{text}", flush=True)
            counts["invalid"] += 1
            return None

    def _program(
        self,
        block: int,
        index: int,
        program: Program,
        reference: tuple[Step, ...] | None,
        counts: Counter[str],
        *,
        reducing: bool,
    ) -> list[dict[str, Any]]:
        session, text = self.session, program.text
        self.in_flight.write("run", block, index, text)
        examined = session.examine(program, reference=reference)
        session.watch = lambda trial: self.in_flight.write("reduce", block, index, trial)
        rows, fresh = [], []
        for discrepancy in examined.discrepancies:
            found, new = session.settle(text, discrepancy, reducing=reducing)
            rows.append(found.row(discrepancy))
            counts["ledger" if found.ledger else found.discrepancy.tier] += 1
            counts[f"{discrepancy.candidate}\n{found.fingerprint}"] += 1
            if new:
                finding = session.finding_row(found)
                self.writer.write("finding", finding)
                fresh.append(finding)
            if discrepancy.aspect == "memory":
                counts["memory"] += 1
        counts["programs"] += 1
        counts["undecided"] += sum(verdict.undecided for verdict in examined.verdicts)
        counts["floats"] += sum(verdict.floats for verdict in examined.verdicts)
        counts["statements"] += len(list(program.walk()))
        self.writer.write("program", session.program_row(examined, block, index, rows))
        self.programs += 1
        return fresh

    def close(self) -> None:
        fields = {
            "programs": self.programs,
            "seconds": monotonic() - self.started,
            "timings": self.session.timings,
        }
        self.writer.write("end", fields)
        self.writer.close()


def _protocol() -> Any:
    """A function that sends a message to the parent; standard output and error then go to the log file."""
    sys.stdout.flush()
    channel = os.dup(1)

    def send(message: dict[str, Any]) -> None:
        os.write(channel, json.dumps(message).encode() + b"\n")

    return send


def _redirect(path: str) -> None:
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)


def alone(config: dict[str, Any], send: Any) -> None:
    """Runs one program on one backend and sends every statement's index before it runs."""
    from conformance.backends import resolve
    from conformance.judge import OUT_OF_MEMORY
    from conformance.runner import Run
    from strategies.program import parse

    program = parse(config["text"])
    backend = resolve(config["backend"], config["capabilities"])
    walked = list(program.walk())
    after = {one.index: one.index + len(list(one.walk())) for one in walked}  # the statement behind a block
    limit_memory(config["memory"])
    send({"ready": True, "statement": 0})
    memory = None
    with Run(program, backend) as run:
        for step in run:
            if step.raised is not None and is_out_of_memory(step.raised, OUT_OF_MEMORY):
                memory = step.statement
            behind = after[step.statement] if step.path.endswith("exit") else step.statement + 1
            send({"statement": min(behind, len(walked) - 1)})
    send({"ended": True, "memory": memory})


def is_out_of_memory(raised: Any, pattern: Any) -> bool:
    return raised.type == "MemoryError" or bool(pattern.search(raised.text))


def main() -> int:
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides; it sends SIGTERM
    config = json.loads(sys.stdin.readline() or "{}")
    if not config:
        return 0
    send = _protocol()
    _redirect(config["log"])
    try:
        if "backend" in config:
            alone(config, send)
            return 0
        worker = Worker(config, send)
        limit_memory(config["memory"])
        _serve(worker, send)
        worker.close()
    except Exception as error:
        expected = type(error).__name__ in EXPECTED
        if not expected:
            traceback.print_exc()
        text = str(error) if expected else f"{type(error).__name__}: {error}"
        send({"error": text, "expected": expected, "skipped": getattr(error, "skipped", False)})
        return 3
    return 0


def _serve(worker: Worker, send: Any) -> None:
    def stop(*_: Any) -> None:
        worker.stopping = True

    signal.signal(signal.SIGTERM, stop)
    send({"ready": True, "header": worker.header, "skipped": worker.session.skipped})
    while not worker.stopping:
        line = sys.stdin.readline()
        if not line:
            return
        worker.block(**json.loads(line))


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # no teardown: a library may crash in it, and every record is flushed
