"""A campaign: many programs, worker processes, records, and what is left when something dies.

Work is cut into blocks of a fixed number of programs, each drawn from (seed, block), so the programs are the same for any
number of workers and shards. A worker's crash, hang or lack of memory costs the program in flight, which is recorded as
a difference of the backend that did it; the worker is started anew and goes on behind that program.
"""

from __future__ import annotations

import math
import secrets
import selectors
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from conformance.autopsy import Autopsy
from conformance.processes import RESTART, START_LIMIT, Child, age, how_it_ended
from conformance.records import Writer, fresh_path, read

DRAW = "strategies.programs:draw_block"


class CampaignError(Exception):
    """A campaign cannot start or go on; the text is one line. `skipped` where that is no mistake (no CUDA device)."""

    def __init__(self, message: str, *, skipped: bool = False) -> None:
        super().__init__(message)
        self.skipped = skipped


@dataclass(frozen=True)
class Settings:
    """What to run.

    `shard` (i, n), from (1, n) to (n, n), takes the blocks whose number is i modulo n. `timeout` is per program, in
    seconds; `memory` in MB, beyond what a worker has when its libraries are imported (0: no limit). `draw` names the
    function that draws: (seed, block, profile, size) -> texts.
    """

    records: Path
    programs: int = 2000
    seed: int = 0
    profile: str = "default"
    reference: str = "torch-cpu"
    candidates: tuple[str, ...] = ("engine",)
    workers: int = 1
    shard: tuple[int, int] = (1, 1)
    follow: bool = True
    incidental: bool | None = None
    capabilities: Path | None = None
    timeout: float = 20.0
    memory: int = 2048
    block_size: int = 50
    draw: str = DRAW
    reduce: bool = True
    command: str = "python -m conformance run"

    def blocks(self) -> list[tuple[int, int]]:
        """(number, size) of this shard's blocks."""
        count = math.ceil(self.programs / self.block_size)
        last = self.programs - (count - 1) * self.block_size
        sizes = [self.block_size] * (count - 1) + [last]
        index, of = self.shard
        return [(block, size) for block, size in enumerate(sizes) if block % of == index % of]


@dataclass
class Tally:
    """What has been counted so far, for the progress line and the summary."""

    programs: int = 0
    statements: int = 0
    tiers: Counter[str] = field(default_factory=Counter)
    fingerprints: Counter[tuple[str, str]] = field(default_factory=Counter)  # by (candidate, fingerprint)
    findings: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    undecided: int = 0  # facts in which correct implementations may differ
    floats: int = 0  # compared facts that are values of inexact dtypes
    invalid: int = 0  # texts that were drawn and are no programs
    lost: int = 0  # programs that could not be drawn, because drawing ended the process

    def add(self, counts: dict[str, int], findings: list[dict[str, Any]]) -> None:
        for key, count in counts.items():
            if "\n" in key:
                candidate, _, fingerprint = key.partition("\n")
                self.fingerprints[candidate, fingerprint] += count
            elif key == "programs":
                self.programs += count
            elif key == "statements":
                self.statements += count
            elif key == "invalid":
                self.invalid += count
            elif key in ("undecided", "floats"):
                setattr(self, key, getattr(self, key) + count)
            elif key != "memory":
                self.tiers[key] += count
        for finding in findings:
            self.findings.setdefault((finding["candidate"], finding["fingerprint"]), finding)

    @property
    def distinct(self) -> Counter[str]:
        """The same by tier ("ledger" for what is known), each fingerprint once however many programs show it."""
        return Counter("ledger" if row["ledger"] else row["tier"] for row in self.findings.values())

    @property
    def differences(self) -> int:
        """Differences of the documented tier that no ledger entry explains."""
        return self.tiers["documented"]


def recount(files: Iterable[Path]) -> Tally:
    """The tally of finished record files, which know more than what workers had reported when they died."""
    tally = Tally()
    for path in files:
        for row in read(path):
            if row["record"] == "finding":
                tally.add({}, [row])
            elif row["record"] == "program":
                counts: Counter[str] = Counter(programs=1, statements=row["statements"])
                for key in ("undecided", "floats"):
                    counts[key] = sum(row.get(key, {}).values())
                for item in row["discrepancies"]:
                    counts["ledger" if item["ledger"] else item["tier"]] += 1
                    counts[f"{item['candidate']}\n{item['fingerprint']}"] += 1
                tally.add(counts, [])
    return tally


def remove_empty(path: Path) -> None:
    if path.exists() and not path.stat().st_size:
        path.unlink()


@dataclass(frozen=True)
class _Piece:
    """A block, or what a process that ended has left of it; the arguments of `conformance.worker.Worker.block`."""

    block: int
    size: int
    skip: int = 0
    unreduced: int | None = None
    singly: bool = False


@dataclass
class _Slot:
    """A worker's place: the process that holds it now, and what it is at."""

    number: int
    child: Child
    in_flight: Path
    started: float
    ready: bool = False
    piece: _Piece | None = None
    at: int = 0  # programs of the block that are done
    assigned: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """How a campaign ended; `interrupted` by Ctrl-C."""

    tally: Tally
    files: tuple[Path, ...]
    seconds: float
    interrupted: bool = False


class Campaign:
    """One run of `Settings`. `progress` is called with the tally and the number of programs planned; `note` with lines
    about what happened to workers."""

    def __init__(
        self,
        settings: Settings,
        progress: Callable[[Tally, int], None] = lambda tally, total: None,
        note: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.settings, self.progress, self.note = settings, progress, note
        self.run = (
            f"{time.strftime('%Y%m%d-%H%M%S')}-{settings.seed}-{settings.shard[0]}-{secrets.token_hex(3)}"
        )
        self.tally = Tally()
        self.total = sum(size for _, size in settings.blocks())
        self.queue = deque(_Piece(block, size) for block, size in settings.blocks())
        self.slots: list[_Slot] = []
        self.header: dict[str, Any] | None = None
        self.autopsies: list[Future[Any]] = []
        self.writer: Writer | None = None
        self.cancelled = threading.Event()
        self.log = settings.records / f"{self.run}-alone.log"
        self.autopsy = Autopsy({**self._backends(), "log": str(self.log)}, settings.timeout, self.cancelled)
        self.deaths = 0  # of workers that had not come to work
        self.before = set(settings.records.glob("*.jsonl"))

    # --- the loop ---

    def __call__(self) -> Outcome:
        """Runs to the end or to Ctrl-C. Raises `CampaignError`."""
        start = time.monotonic()
        interrupted = False
        self.settings.records.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(1) as self.pool, selectors.DefaultSelector() as self.selector:
            try:
                for number in range(min(self.settings.workers, max(1, len(self.queue)))):
                    self.slots.append(self._start(number))
                while self.slots or self.autopsies:
                    self._turn()
            except KeyboardInterrupt:
                interrupted = True
            finally:
                self.cancelled.set()
                self.pool.shutdown(wait=False, cancel_futures=True)
                self._stop()
        if self.writer is not None:
            self.writer.close()
        remove_empty(self.log)
        files = sorted(set(self.settings.records.glob(f"{self.run}*.jsonl")) - self.before)
        if not interrupted:
            lost, invalid = self.tally.lost, self.tally.invalid
            self.tally = recount(files)
            self.tally.lost, self.tally.invalid = lost, invalid
        return Outcome(self.tally, tuple(files), time.monotonic() - start, interrupted)

    def _turn(self) -> None:
        self.selector.select(0.1) if self.slots else time.sleep(0.05)
        for slot in list(self.slots):
            over = slot.child.ended  # asked first: what was sent before the end is read below
            for message in slot.child.messages():
                self._message(slot, message)
            hung = self._hung(slot)
            if over or hung is not None:
                self._ended(slot, hung)
        self._collect()
        self.progress(self.tally, self.total)

    def _start(self, number: int) -> _Slot:
        settings = self.settings
        stem = f"{self.run}-w{number}"
        in_flight = settings.records / f"{stem}.inflight"
        config = {
            "run": self.run,
            "records": str(settings.records),
            "stem": stem,
            "in_flight": str(in_flight),
            "log": str(settings.records / f"{stem}.log"),
            "draw": settings.draw,
            "block_size": settings.block_size,
            "seed": settings.seed,
            "profile": settings.profile,
            **self._backends(),
        }
        Path(config["log"]).unlink(missing_ok=True)  # an earlier process's, read when that one ended
        child = Child(config)
        assert child.process.stdout is not None
        self.selector.register(child.process.stdout, selectors.EVENT_READ)
        return _Slot(number, child, in_flight, time.monotonic())

    def _backends(self) -> dict[str, Any]:
        settings = self.settings
        return {
            "reference": settings.reference,
            "candidates": list(settings.candidates),
            "capabilities": str(settings.capabilities) if settings.capabilities else None,
            "follow": settings.follow,
            "incidental": settings.incidental,
            "reduce": settings.reduce,
            "memory": settings.memory,
            "command": settings.command,
        }

    # --- what workers say ---

    def _message(self, slot: _Slot, message: dict[str, Any]) -> None:
        if "error" in message:
            if message.get("expected"):
                raise CampaignError(message["error"], skipped=message.get("skipped", False))
            raise CampaignError(
                f"a worker failed: {message['error']} (details in {slot.child.config['log']})"
            )
        if message.get("ready"):
            slot.ready = True
            for line in message["skipped"] if self.header is None else ():
                self.note(line)
            self.header = self.header or message["header"]
            self._assign(slot)
            return
        self.tally.add(message.get("counts", {}), message.get("findings", []))
        if "tick" in message:
            slot.at = message["tick"]
        if "restart" in message:
            slot.at = message["restart"]
        if "done" in message:
            self._assign(slot)

    def _assign(self, slot: _Slot) -> None:
        if not self.queue:
            slot.piece = None
            slot.child.finish()
            return
        piece = self.queue.popleft()
        slot.piece, slot.at, slot.assigned = piece, piece.skip, time.time()
        slot.child.send(asdict(piece))

    def _hung(self, slot: _Slot) -> float | None:
        """The limit that the worker exceeds, if it does. The in-flight file is its sign of life."""
        if not slot.ready:
            return START_LIMIT if time.monotonic() - slot.started > START_LIMIT else None
        quiet = min(age(slot.in_flight), time.time() - slot.assigned)
        return self.settings.timeout if slot.piece is not None and quiet > self.settings.timeout else None

    # --- when one ends ---

    def _ended(self, slot: _Slot, hung: float | None) -> None:
        assert slot.child.process.stdout is not None
        self.selector.unregister(slot.child.process.stdout)
        slot.child.kill()
        self.slots.remove(slot)
        if slot.piece is None and slot.ready:  # it had nothing left to do
            self._tidy(slot)
            return
        if slot.piece is None:
            self.deaths += 1
            if self.deaths > 2:
                words = how_it_ended(slot.child, hung).words
                raise CampaignError(f"workers do not start: {words} (details in {slot.child.config['log']})")
        else:
            self._resume(slot, hung)
        self.slots.append(self._start(slot.number))

    def _resume(self, slot: _Slot, hung: float | None) -> None:
        """Queues the rest of the block, and sees to the program in flight."""
        assert slot.piece is not None
        piece = replace(slot.piece, skip=slot.at, unreduced=None)
        if slot.child.process.returncode == RESTART:  # its program is recorded
            self._queue(piece)
            return
        ending = how_it_ended(slot.child, hung)
        in_flight = ending.in_flight or {}
        index, phase = int(in_flight.get("index", slot.at)), in_flight.get("phase", "draw")
        self.tally.programs += max(0, index - slot.at)  # recorded, but not yet reported
        where = f"block {piece.block}, program {index}"
        if phase == "reduce":
            self.note(f"{where}: {ending.words} while reducing; recorded unreduced")
            self._queue(replace(piece, skip=index, unreduced=index))
            return
        if phase in ("draw", "ahead") and not piece.singly:  # it may have been a later program
            self.note(f"{where} or later: {ending.words}; again, one program after the other")
            self._queue(replace(piece, skip=index, singly=True))
            return
        self.note(f"{where}: {ending.words}")
        if phase == "draw":
            # Nothing was run yet: the engine, which drawing steps, ended the process. The block cannot go on.
            self.tally.lost += piece.size - index
            self.autopsies.append(self.pool.submit(self.autopsy.of_drawing, ending, piece.block, index))
            return
        self._queue(replace(piece, skip=index + 1, singly=False))
        self.autopsies.append(self.pool.submit(self.autopsy, ending, piece.block, index))

    def _queue(self, piece: _Piece) -> None:
        if piece.skip < piece.size:
            self.queue.appendleft(piece)

    def _collect(self) -> None:
        """Records of autopsies that are done; they are the parent's own."""
        for future in [one for one in self.autopsies if one.done()]:
            self.autopsies.remove(future)
            program, finding = future.result()
            if self.writer is None:
                assert self.header is not None
                path = fresh_path(self.settings.records, f"{self.run}-parent")
                self.writer = Writer(path, self.run, self.header)
            self.writer.write("finding", finding)
            self.writer.write("program", program)
            key = f"{finding['candidate']}\n{finding['fingerprint']}"
            counts = {"programs": 1, "statements": program["statements"], "documented": 1, key: 1}
            self.tally.add(counts, [finding])

    def _tidy(self, slot: _Slot) -> None:
        """What a worker leaves that ended as it should: its records only."""
        slot.in_flight.unlink(missing_ok=True)
        remove_empty(Path(slot.child.config["log"]))

    def _stop(self) -> None:
        for slot in self.slots:
            slot.child.finish()
        limit = time.monotonic() + 5
        while any(not slot.child.ended for slot in self.slots) and time.monotonic() < limit:
            time.sleep(0.02)
        for slot in self.slots:
            for message in slot.child.messages():
                self.tally.add(message.get("counts", {}), message.get("findings", []))
            clean = slot.child.ended
            slot.child.kill()
            if clean:
                self._tidy(slot)
