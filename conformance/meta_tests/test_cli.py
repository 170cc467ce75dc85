"""The command line: exit codes, one-line errors, help, and each command once."""

import subprocess
import sys
from pathlib import Path

import pytest

from conformance import cli
from conformance.meta_tests.test_campaign import DRAW, FAULTY

ROOT = Path(__file__).parents[2]
COMMANDS = ("run", "replay", "reduce", "trace", "compare", "report", "coverage", "bench", "accuracy")
TEXT = "a = torch.rand(3, 4)\nb = torch.exp(a)\nc = torch.transpose(b, 0, 1)\nd = c + 1\n"


def conformance(*arguments):
    """(exit code, standard output, standard error) of the command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "conformance", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


def here(capsys, *arguments):
    """The same in this process."""
    try:
        status = cli.main([str(argument) for argument in arguments])
    except SystemExit as stop:
        status = stop.code
    shown = capsys.readouterr()
    return status, shown.out, shown.err


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(TEXT)
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_and_the_exit_codes(capsys, command):
    status, out, _ = here(capsys, command, "--help")
    assert status == 0
    assert f"python -m conformance {command}" in out
    assert "example" in out
    assert "exit codes" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "the following arguments are required: COMMAND"),
        (("fly",), "invalid choice: 'fly'"),
        (("run", "--programs", "0"), "'0' is not a number from 1"),
        (("run", "--shard", "3/2"), "'3/2' is not I/N with I from 1 to N"),
        (("run", "--shard", "0/2"), "'0/2' is not I/N with I from 1 to N"),
        (("run", "--timeout", "x"), "'x' is not a number of seconds above 0"),
        (("run", "--draw", "no.such:thing"), "programs cannot be drawn"),
        (("replay", "no-such-file"), "no-such-file: cannot be read: No such file"),
        (("reduce", "no-such-file"), "no-such-file: cannot be read: No such file"),
        (("compare", "one.trace"), "two trace files or more are needed"),
        (("compare", "one.trace", "two.trace"), "one.trace: cannot be read"),
        (("report", "no-such-file"), "no-such-file"),
        (("coverage", "no-such-file"), "no-such-file"),
        (("trace", "no-such-file", "--backend", "torch-cpu", "--out", "x"), "no-such-file: cannot be read"),
    ],
)
def test_bad_use_is_one_line_and_exit_code_2(capsys, arguments, message):
    status, out, err = here(capsys, *arguments)
    assert status == 2
    assert not out
    assert message in err
    assert err.count("\n") == 1


def test_what_is_no_program_is_told_with_its_line(capsys, tmp_path):
    path = tmp_path / "bad.py"
    path.write_text("x = torch.ones(2)\nimport os\n")
    status, _, err = here(capsys, "replay", path)
    assert status == 2
    assert err.startswith(f"python -m conformance replay: {path}: the program from line 1 on: line 2")


def test_an_unknown_backend_and_a_bad_capability_file(capsys, tmp_path, program):
    status, _, err = here(capsys, "replay", program, "--candidate", "nope")
    assert (status, err.count("\n")) == (2, 1)
    assert "unknown backend 'nope' (allowed: engine, torch-cpu" in err
    bad = tmp_path / "bad.toml"
    bad.write_text("[lacks]\nops = 3\n")
    status, _, err = here(capsys, "replay", program, "--candidate", FAULTY + "same", "--capabilities", bad)
    assert (status, err.count("\n")) == (2, 1)
    assert "lacks.ops" in err


def test_no_gpu_is_told_and_is_no_mistake(capsys, program):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    status, _, err = here(capsys, "replay", program, "--candidate", "torch-cuda")
    assert status == 0
    assert "torch-cuda: skipped: no CUDA device" in err


def test_run_records_and_reports(capsys, tmp_path):
    html = tmp_path / "page.html"
    options = ("--draw", DRAW, "--programs", 20, "--workers", 1, "--records", tmp_path / "r", "--html", html)
    status, out, err = conformance("run", "--candidate", FAULTY + "everything", *options)
    assert status == 1, err
    assert "20 programs" in out
    assert "should be" in out
    assert "20/20 programs" in err
    assert html.exists()
    status, out, _ = here(capsys, "coverage", tmp_path / "r", "--missing")
    assert status == 0
    assert "implemented, not drawn: " in out
    status, out, _ = here(capsys, "report", tmp_path / "r", "--html", tmp_path / "again.html")
    assert status == 1
    assert (tmp_path / "again.html").read_bytes() == html.read_bytes()


def test_replay_and_reduce(capsys, program):
    status, out, _ = here(
        capsys, "replay", program, "--candidate", FAULTY + "transpose_copies", "--candidate", "torch-cpu"
    )
    assert status == 1
    assert out.startswith("program 1 of 1: 1 difference\n")
    assert "aliasing of transpose in c, documented" in out
    assert "  > c = torch.transpose(b, 0, 1)" in out
    status, out, _ = here(capsys, "reduce", program, "--candidate", FAULTY + "transpose_copies")
    assert status == 1
    assert out.endswith("x = torch.tensor([[1.0]])\ny = torch.transpose(x, 1, 1)\n\n")


def test_trace_and_compare(capsys, tmp_path, program):
    first, second, page = tmp_path / "a.trace", tmp_path / "b.trace", tmp_path / "page.html"
    assert here(capsys, "trace", program, "--backend", "torch-cpu", "--out", first)[0] == 0
    faulty = ("--backend", FAULTY + "transpose_copies", "--out", second, "--follow", first)
    assert here(capsys, "trace", program, *faulty)[0] == 0
    status, out, _ = here(capsys, "compare", first, second, "--followed", "--html", page)
    assert status == 1
    assert "aliasing of transpose in c, documented" in out
    assert page.exists()
    status, out, _ = here(capsys, "compare", first, first)
    assert status == 0
    assert "1 programs compared, 0 differences" in out


def test_bench(capsys):
    status, out, _ = here(capsys, "bench", "--candidate", "torch-cpu", "--programs", 20, "--draw", DRAW)
    assert status == 0
    assert "programs/s" in out
    for stage in ("draw", "compile", "torch", "observe", "compare", "bare torch"):
        assert stage in out
