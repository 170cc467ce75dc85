"""What a careless user can give the commands and pytest: one line that says what and where, and nothing is lost."""

import itertools
import json
import subprocess
import sys

import pytest

from conformance.meta_tests.sample_records import sample_records, save
from conformance.meta_tests.test_campaign import DRAW
from conformance.meta_tests.test_cli import ROOT, here

TEXT = "x = torch.ones(2)\ny = x + 1\n"
CONTENTS = {
    "missing": None,
    "directory": "directory",
    "empty": b"",
    "bytes": b"\xff\xfe\x00\x01\n",
    "nul": b"\0\0\0\n",
    "truncated": b'{"schema":1,"record":"run","run":"a","comm',
    "schema 9": json.dumps({"schema": 9, "record": "program", "run": "a", "text": 3}).encode() + b"\n",
    "prose": b"one line\nand another\n",
    "huge": b"x" * 1_000_000,
}
READERS = {
    "replay": ("replay", "FILE"),
    "reduce": ("reduce", "FILE"),
    "trace": ("trace", "FILE", "--backend", "torch-cpu", "--out", "OUT"),
    "follow": ("trace", "GOOD", "--backend", "torch-cpu", "--follow", "FILE", "--out", "OUT"),
    "compare": ("compare", "FILE", "TRACE"),
    "compare with": ("compare", "TRACE", "FILE"),
    "report": ("report", "FILE", "--html", "OUT"),
    "coverage": ("coverage", "FILE"),
    "capabilities": ("replay", "GOOD", "--capabilities", "FILE"),
    "accuracy": ("accuracy", "hypot", "--backend", "engine", "--record", "FILE"),
}


@pytest.fixture
def files(tmp_path, capsys):
    """A good program, its trace, a record file, and something of the user's that is none of these."""
    found = {"OUT": tmp_path / "out", "GOOD": tmp_path / "good.py", "TRACE": tmp_path / "good.trace"}
    found["GOOD"].write_text(TEXT)
    assert here(capsys, "trace", found["GOOD"], "--backend", "torch-cpu", "--out", found["TRACE"])[0] == 0
    found["RECORDS"] = save(tmp_path, "records.jsonl", sample_records())
    found["NOTES"] = tmp_path / "notes.txt"
    found["NOTES"].write_text("a line without an end")
    found["DIRECTORY"] = tmp_path / "directory"
    found["DIRECTORY"].mkdir()
    found["BELOW"] = found["NOTES"] / "page.html"
    return found


def refused(capsys, arguments):
    """The error of a command that ended with exit code 2 and one line."""
    status, out, err = here(capsys, *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1), (status, out, err)
    assert err.startswith(f"python -m conformance {arguments[0]}: ")
    assert len(err) < 500
    return err


@pytest.mark.parametrize(
    ("reader", "content"),
    # an empty capability file lacks nothing, and a record of measurements may be begun
    [
        pair
        for pair in itertools.product(READERS, CONTENTS)
        if pair not in (("capabilities", "empty"), ("accuracy", "missing"))
    ],
)
def test_a_file_that_is_not_what_it_should_be(capsys, tmp_path, files, reader, content):
    path = files["FILE"] = tmp_path / "given"
    if content == "directory":
        path.mkdir()
    elif CONTENTS[content] is not None:
        path.write_bytes(CONTENTS[content])
    assert str(path) in refused(capsys, [files.get(word, word) for word in READERS[reader]])
    assert not files["OUT"].exists()


WRITERS = {
    "records of run": ("run", "--draw", DRAW, "--programs", "5", "--records", "TARGET"),
    "page of run": ("run", "--draw", DRAW, "--programs", "5", "--records", "OUT", "--html", "TARGET"),
    "page of report": ("report", "RECORDS", "--html", "TARGET"),
    "records of compare": ("compare", "TRACE", "TRACE", "--records", "TARGET"),
    "page of compare": ("compare", "TRACE", "TRACE", "--html", "TARGET"),
    "trace": ("trace", "GOOD", "--backend", "torch-cpu", "--out", "TARGET"),
    "accuracy": ("accuracy", "hypot", "--backend", "engine", "--record", "TARGET"),
}


TARGETS = ("NOTES", "RECORDS", "GOOD", "DIRECTORY", "BELOW")


@pytest.mark.parametrize(
    ("writer", "target"),
    # records go into a directory
    [
        (writer, target)
        for writer, target in itertools.product(WRITERS, TARGETS)
        if not (writer.startswith("records") and target == "DIRECTORY")
    ],
)
def test_nothing_of_the_users_is_overwritten(capsys, files, writer, target):
    before = {name: path.read_bytes() for name, path in files.items() if path.is_file()}
    err = refused(
        capsys, [files[target] if word == "TARGET" else files.get(word, word) for word in WRITERS[writer]]
    )
    assert str(files[target]) in err
    assert {name: path.read_bytes() for name, path in files.items() if path.is_file()} == before
    assert not files["OUT"].exists()


def test_what_was_there_is_gone_on_with_or_replaced(capsys, files):
    """A report takes the place of a report; a trace that was cut off is finished."""
    page = files["OUT"]
    for _ in range(2):
        assert here(capsys, "report", files["RECORDS"], "--html", page)[0] == 1
    whole = files["TRACE"].read_bytes()
    for kept in (0, 5, 40, len(whole) // 2):
        files["TRACE"].write_bytes(whole[:kept])
        assert here(capsys, "trace", files["GOOD"], "--backend", "torch-cpu", "--out", files["TRACE"])[0] == 0
        assert files["TRACE"].read_bytes() == whole


@pytest.mark.parametrize("command", ["run", "coverage", "bench"])
def test_an_unknown_profile(capsys, command):
    err = refused(capsys, [command, "--profile", "nope"])
    assert "unknown profile 'nope' (allowed: default, views" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nope",), "unknown function 'nope' (allowed: acos asin"),
        (("erf", "--backend", "nope"), "unknown backend 'nope' (allowed: engine"),
        (("erf", "--backend", "no.such:thing"), "backend no.such:thing: cannot import"),
        (("erf", "--backend", "types:SimpleNamespace"), "a namespace with torch's names is expected"),
    ],
)
def test_bad_options_of_accuracy(capsys, arguments, message):
    assert message in refused(capsys, ["accuracy", *arguments])


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--programs", "9" * 30),
        ("--programs", "²"),
        ("--seed", "9" * 30),
        ("--memory", "9" * 30),
        ("--shard", "²/3"),
    ],
)
def test_numbers_that_are_none_or_too_large(capsys, option, value):
    assert repr(value) in refused(capsys, ["run", option, value])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--candidate", "nope"), "--candidate: unknown backend 'nope' (allowed: engine"),
        (("--candidate", "no.such:thing"), "--candidate: backend no.such:thing: cannot import"),
        (("--reference", "nope"), "--reference: unknown backend 'nope'"),
        (("--records", "NOTES"), "--records: NOTES: records cannot be written: NOTES is no directory"),
        (("--html", "NOTES"), "--html: NOTES: is there and is no report, so it is not overwritten"),
        (("--html", "DIRECTORY"), "--html: DIRECTORY: the report cannot be written: this is a directory"),
        (("--html", "BELOW"), "--html: BELOW: the report cannot be written: NOTES is no directory"),
        (("--programs-profile", "nope"), "--programs-profile: unknown profile 'nope' (allowed: default"),
    ],
)
def test_bad_options_of_pytest(files, arguments, message):
    def named(text):
        for name in ("NOTES", "DIRECTORY", "BELOW"):
            text = text.replace(name, str(files[name]))
        return text

    command = [
        sys.executable,
        "-m",
        "pytest",
        "-n",
        "0",
        "-p",
        "no:cacheprovider",
        "conformance/suite/test_corpus.py",
    ]
    done = subprocess.run([*command, *map(named, arguments)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert done.stderr.strip().startswith(f"ERROR: {named(message)}")
    assert done.stderr.strip().count("\n") == 0
