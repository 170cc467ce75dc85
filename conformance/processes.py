"""Child processes of a campaign as the parent sees them: start, talk, watch, and tell how one ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.judge import OUT_OF_MEMORY
from conformance.worker import RESTART, read_in_flight

START_LIMIT = 180.0  # seconds until a process has imported its libraries; a busy machine needs many


def child_environment() -> dict[str, str]:
    """One thread for every library, since each worker has a core of its own; the parent's import path."""
    threads = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    path = os.pathsep.join(part or os.getcwd() for part in sys.path)
    return {**os.environ, **dict.fromkeys(threads, "1"), "PYTHONPATH": path}


class Child:
    """One process that runs `conformance.worker`, and the lines it has sent."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.process = subprocess.Popen(
            [sys.executable, "-m", "conformance.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=child_environment(),
        )
        os.set_blocking(self.process.stdout.fileno(), False)  # type: ignore[union-attr]
        self._rest = b""
        self.send(config)

    def send(self, message: dict[str, Any]) -> None:
        try:
            self.process.stdin.write(json.dumps(message).encode() + b"\n")  # type: ignore[union-attr]
            self.process.stdin.flush()  # type: ignore[union-attr]
        except (BrokenPipeError, ValueError):
            pass  # it has ended; whoever watches it will see that

    def messages(self) -> list[dict[str, Any]]:
        """What has come since the last call."""
        try:
            data = self.process.stdout.read() or b""  # type: ignore[union-attr]
        except (BlockingIOError, ValueError):
            data = b""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines if line]

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def finish(self) -> None:
        """Asks it to end after the program in flight."""
        if not self.ended:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.stdin.close()  # type: ignore[union-attr]
        except OSError:
            pass

    def kill(self) -> None:
        """Ends it at once; `messages` gives nothing from here on."""
        if not self.ended:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                pipe.close()  # type: ignore[union-attr]
            except OSError:
                pass

    def log(self) -> str:
        """The end of what it and its libraries have printed."""
        try:
            return Path(self.config["log"]).read_text(encoding="utf-8", errors="replace")[-2000:]
        except OSError:
            return ""


def age(path: Path) -> float:
    """Seconds since the file was last written."""
    try:
        return max(0.0, time.time() - path.stat().st_mtime)
    except OSError:
        return 0.0


@dataclass(frozen=True)
class Ending:
    """How a process ended: aspect `crash`, `hang` or `memory`, in words, and what was in flight."""

    aspect: str
    words: str
    in_flight: dict[str, Any] | None = None


def how_it_ended(child: Child, hung: float | None) -> Ending:
    """After the child was killed (`hung`: the limit it exceeded) or ended by itself."""
    in_flight = read_in_flight(Path(child.config["in_flight"])) if "in_flight" in child.config else None
    if hung is not None:
        return Ending("hang", f"no end within {hung:g} s", in_flight)
    status = child.process.returncode
    log = child.log()
    if OUT_OF_MEMORY.search(log) or "bad_alloc" in log or "MemoryError" in log:
        return Ending("memory", f"more than {child.config['memory']} MB", in_flight)
    if status == -signal.SIGKILL:
        return Ending("memory", "killed from outside, as the system does when memory runs out", in_flight)
    if status < 0:
        return Ending("crash", f"the process ended: {signal.Signals(-status).name}", in_flight)
    return Ending("crash", f"the process ended: exit status {status}", in_flight)


@dataclass(frozen=True)
class Alone:
    """What one backend did with one program in a process of its own; `ending` is None where it came through."""

    backend: str
    statement: int
    ending: Ending | None


def run_alone(config: dict[str, Any], timeout: float, cancelled: threading.Event) -> Alone:
    """Runs the program config["text"] on config["backend"] in a fresh process, at most `timeout` seconds."""
    child = Child(config)
    statement, limit, hung = 0, time.monotonic() + START_LIMIT, None
    ended = memory = None
    while True:
        over = child.ended
        for message in child.messages():
            statement = message.get("statement", statement)
            if message.get("ready"):
                limit = time.monotonic() + timeout
            if message.get("ended"):
                ended, memory = True, message["memory"]
            if "error" in message:  # the backend cannot be had here, so it cannot have done it
                ended = True
        if over or ended or cancelled.is_set():
            break
        if time.monotonic() > limit:
            hung = timeout
            break
        time.sleep(0.01)
    child.kill()
    if memory is not None:
        return Alone(config["backend"], memory, Ending("memory", f"more than {config['memory']} MB"))
    through = ended or cancelled.is_set()
    return Alone(config["backend"], statement, None if through else how_it_ended(child, hung))


__all__ = ["RESTART", "START_LIMIT", "Alone", "Child", "Ending", "age", "how_it_ended", "run_alone"]
