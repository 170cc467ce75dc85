"""``python -m conformance``: the command line."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

EXIT_CODES = """\
exit codes: 0 no difference that is not known, 1 discrepancies, 2 bad use or bad input, 130 stopped by Ctrl-C.
Discrepancies are differences of the documented tier that no ledger entry explains; those of the reference alone, of range
and of the incidental tier are counted and shown apart."""


LARGEST = 10**8  # of what is given as a number: the blocks of that many programs can still be listed


class Parser(argparse.ArgumentParser):
    """One line for a mistake, with exit code 2."""

    def error(self, message: str) -> None:  # type: ignore[override]
        sys.stderr.write(f"{self.prog}: {message} (see {self.prog} --help)\n")
        raise SystemExit(2)


def positive(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= LARGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {LARGEST}")
    return int(text)


def natural(text: str) -> int:
    if not text.isdecimal() or int(text) > 10**12:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to {10**12}")
    return int(text)


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value


def shard(text: str) -> tuple[int, int]:
    index, _, of = text.partition("/")
    if not (index.isdecimal() and of.isdecimal() and 1 <= int(index) <= int(of)):
        raise argparse.ArgumentTypeError(f"{text!r} is not I/N with I from 1 to N")
    return int(index), int(of)


def parser() -> argparse.ArgumentParser:
    root = Parser(
        prog="python -m conformance",
        description="Does a tensor library mean what PyTorch means? Random programs run on both; every difference is "
        "reported once, as the smallest program that shows it.",
        epilog="Start with: python -m conformance run --programs 2000 --html report.html\n\n" + EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = root.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    _run(commands)
    _replay(commands)
    _reduce(commands)
    _trace(commands)
    _compare(commands)
    _report(commands)
    _coverage(commands)
    _bench(commands)
    _accuracy(commands)
    return root


def _command(
    commands: argparse._SubParsersAction, name: str, help: str, more: str
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=help,
        description=help[0].upper() + help[1:] + ".",
        epilog=more + "\n\n" + EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _drawing(command: argparse.ArgumentParser, programs: int) -> None:
    """What decides which programs are drawn."""
    command.add_argument(
        "--programs", type=positive, default=programs, metavar="N", help=f"how many (default: {programs})"
    )
    command.add_argument("--seed", type=natural, default=0, metavar="S", help="which programs (default: 0)")
    command.add_argument(
        "--profile", default="default", metavar="P", help="which mix of programs (default: default)"
    )
    command.add_argument("--draw", default="strategies.programs:draw_block", help=argparse.SUPPRESS)


def _backends(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--candidate",
        action="append",
        metavar="B",
        help="a backend to judge: engine (default), torch-cpu, torch-cuda, or module:object; may be repeated",
    )
    command.add_argument(
        "--reference", default="torch-cpu", metavar="B", help="what is right (default: torch-cpu)"
    )
    command.add_argument(
        "--equivalences",
        action="store_true",
        help="judge the reference by itself: method for function, out=, in place, operands of other strides, no_grad",
    )
    command.add_argument(
        "--capabilities", type=Path, metavar="FILE", help="TOML file that says what the candidates lack"
    )
    command.add_argument(
        "--no-follow",
        dest="follow",
        action="store_false",
        help="do not give the candidate the reference's bits after each statement: rounding then adds up",
    )
    command.add_argument(
        "--incidental",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="show differences that PyTorch's documents do not decide (default: as the capability file says; "
        "yes for engine and torch)",
    )
    _limits(command)


def _limits(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--timeout",
        type=seconds,
        default=20.0,
        metavar="S",
        help="seconds that a program may take (default: 20)",
    )
    command.add_argument(
        "--memory",
        type=natural,
        default=2048,
        metavar="MB",
        help="memory that programs may take beyond the libraries (default: 2048; 0: no limit)",
    )


def _run(commands: argparse._SubParsersAction) -> None:
    command = _command(
        commands,
        "run",
        "draw random programs, run them on the reference and the candidates, and make a report",
        """\
examples:
  python -m conformance run                                    2,000 programs, engine against torch-cpu
  python -m conformance run --programs 20000 --workers 8       the same programs for any number of workers
  python -m conformance run --candidate mylib.compat:torch --html report.html
  python -m conformance run --shard 2/4 --records out          every fourth block of programs; merge with `report`

Programs run in child processes. A crash, a hang or a lack of memory costs one program, is recorded as a difference,
and the run goes on. Ctrl-C stops after the programs in flight; every record written until then is kept, and so it
is when a process is killed.""",
    )
    _drawing(command, 2000)
    _backends(command)
    command.add_argument(
        "--workers",
        type=positive,
        default=None,
        metavar="N",
        help="processes (default: one for each core that may be used)",
    )
    command.add_argument(
        "--records",
        type=Path,
        default=Path("records"),
        metavar="DIR",
        help="where records go (default: records)",
    )
    command.add_argument(
        "--html",
        type=Path,
        metavar="FILE",
        help="where the report goes (default: report.html beside the records)",
    )
    command.add_argument(
        "--shard",
        type=shard,
        default=(1, 1),
        metavar="I/N",
        help="only part I of N of the programs, I from 1 to N",
    )
    command.add_argument("--block-size", type=positive, default=50, help=argparse.SUPPRESS)


def _replay(commands: argparse._SubParsersAction) -> None:
    command = _command(
        commands,
        "replay",
        "run programs from a file and show every difference",
        """\
FILE is text with `# ---` lines between programs, or records of a run (JSON Lines).

examples:
  python -m conformance replay program.py
  python -m conformance replay program.py --candidate torch-cuda""",
    )
    command.add_argument("file", type=Path, metavar="FILE")
    _backends(command)


def _reduce(commands: argparse._SubParsersAction) -> None:
    command = _command(
        commands,
        "reduce",
        "make programs smaller while they keep their difference",
        """\
FILE as for `replay`. Prints the smallest program found for each difference; statements that do not matter are deleted, then
shapes, values, dtypes and spellings made simpler.

example:
  python -m conformance reduce program.py --candidate mylib.compat:torch""",
    )
    command.add_argument("file", type=Path, metavar="FILE")
    _backends(command)


def _trace(commands: argparse._SubParsersAction) -> None:
    command = _command(
        commands,
        "trace",
        "write what programs show on one backend, to be compared later or elsewhere",
        """\
Needs Python, NumPy and the backend; neither Hypothesis nor the engine. A file that was left unfinished is gone on with.

examples:
  python -m conformance trace records/*.jsonl --backend torch-cpu --out cpu.trace
  python -m conformance trace records/*.jsonl --backend torch-cuda --out cuda.trace --follow cpu.trace""",
    )
    command.add_argument("programs", type=Path, nargs="+", metavar="PROGRAMS", help="files as for `replay`")
    command.add_argument("--backend", required=True, metavar="B", help="as --candidate of `run`")
    command.add_argument("--out", type=Path, required=True, metavar="FILE", help="the trace file")
    command.add_argument(
        "--follow", type=Path, metavar="REFERENCE", help="the reference's trace file, whose bits are taken"
    )
    command.add_argument("--capabilities", type=Path, metavar="FILE", help="TOML file that says what B lacks")


def _compare(commands: argparse._SubParsersAction) -> None:
    command = _command(
        commands,
        "compare",
        "judge trace files: the first is the reference",
        """\
examples:
  python -m conformance compare cpu.trace cuda.trace
  python -m conformance compare torch-2.12.trace torch-2.13.trace --html report.html""",
    )
    command.add_argument(
        "traces", type=Path, nargs="+", metavar="TRACES", help="the reference's, then the others"
    )
    command.add_argument(
        "--followed",
        action="store_true",
        help="the others were written with --follow: exact operations must then agree in every bit",
    )
    command.add_argument(
        "--incidental", action=argparse.BooleanOptionalAction, default=True, help="show the incidental tier"
    )
    command.add_argument("--records", type=Path, metavar="DIR", help="write records there")
    command.add_argument("--html", type=Path, metavar="FILE", help="write a report there")


def _report(commands: argparse._SubParsersAction) -> None:
    command = _command(
        commands,
        "report",
        "merge records of any number of runs, shards and machines into one HTML file",
        """\
example:
  python -m conformance report records --html report.html

A last line that was cut off, as a killed process leaves it, is left out.""",
    )
    command.add_argument(
        "records", type=Path, nargs="+", metavar="RECORDS", help="record files, or directories of them"
    )
    command.add_argument(
        "--html", type=Path, default=Path("report.html"), metavar="FILE", help="default: report.html"
    )


def _coverage(commands: argparse._SubParsersAction) -> None:
    command = _command(
        commands,
        "coverage",
        "which operations the language knows, the engine implements and programs use",
        """\
examples:
  python -m conformance coverage                     uses programs drawn for the purpose
  python -m conformance coverage records --missing   uses the records of a run, and lists the names""",
    )
    command.add_argument(
        "records", type=Path, nargs="*", metavar="RECORDS", help="record files, or directories of them"
    )
    _drawing(command, 500)
    command.add_argument(
        "--missing", action="store_true", help="list the names that are not implemented or not drawn"
    )


def _bench(commands: argparse._SubParsersAction) -> None:
    command = _command(
        commands,
        "bench",
        "programs per second on one core, and where the time goes",
        """\
example:
  python -m conformance bench --programs 1000

In one process, without isolation. Each drawn program is followed by five other forms of it: other dtypes, data, signs, seeds,
spellings and operations, compared in full like any other. Bare torch runs the same compiled statements and observes nothing.""",
    )
    _drawing(command, 500)
    command.add_argument("--candidate", default="engine", metavar="B", help="default: engine")
    command.add_argument("--reference", default="torch-cpu", metavar="B", help="default: torch-cpu")


def _accuracy(commands: argparse._SubParsersAction) -> None:
    command = _command(
        commands,
        "accuracy",
        "how far off special functions are, measured against mpmath on fixed grids",
        """\
examples:
  python -m conformance accuracy digamma lgamma --backend torch-cpu
  python -m conformance accuracy --record conformance/accuracy.toml     all of both, in some minutes: the project's record

An error is given in ULP of the result, and in units of the larger of that and what a change of an argument by one ULP makes
of the result. The record is what verdicts allow a special function, and nothing else has a number; elementary functions are
measured to show that they need none. Exit code 1 where a function is further off than the project's record allows.""",
    )
    command.add_argument(
        "functions", nargs="*", metavar="OP", help="which functions, such as 'polygamma(1)' (default: all)"
    )
    command.add_argument(
        "--backend",
        action="append",
        metavar="B",
        help="as --candidate of `run`; may be repeated (default: torch-cpu and engine)",
    )
    command.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="write the measurements there, in place of those of the same functions",
    )


def _said(error: BaseException) -> str:
    """One line: for what the system refused, the file and the reason."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and gives its exit code. Mistakes of the user are one line on standard error."""
    options = parser().parse_args(arguments)
    from conformance import commands

    argv = list(sys.argv[1:] if arguments is None else arguments)
    options.line = " ".join(["python -m conformance", *argv])
    try:
        return commands.COMMANDS[options.command](options)
    except commands.EXPECTED as error:
        print(f"python -m conformance {options.command}: {_said(error)}", file=sys.stderr)
        return 0 if getattr(error, "skipped", False) else 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `| head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
