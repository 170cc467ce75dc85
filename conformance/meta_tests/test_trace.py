"""Trace files: round trip, resuming, following, clear errors; and what the trace writer may import."""

import json
import subprocess
import sys
import types
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.backends import Backend, resolve
from conformance.capabilities import Capabilities
from conformance.facts import FactError, Raised, SequenceFact, decode_trace, encode_trace
from conformance.runner import run_program
from conformance.trace import TraceError, read_programs, read_traces, trace, trace_program
from strategies.program import parse

TEXTS = [
    "x = torch.tensor([1.0, 2.0], requires_grad=True)\n(x * 2).sum().backward()\ny = torch.max(x, 0)\n",
    "x = torch.ones(2)\nx.view(3)\na = x.numpy()\nn = x.sum().item()\n",
    "with torch.inference_mode():\n    x = torch.ones(0)\n    z = [x, 1, None]\n",
]


@pytest.fixture
def torch_cpu():
    pytest.importorskip("torch")
    return resolve("torch-cpu")


@pytest.fixture
def programs():
    return [parse(text) for text in TEXTS]


def test_traces_come_back_as_they_were(torch_cpu, programs, tmp_path):
    out = tmp_path / "t.jsonl"
    assert trace(programs, torch_cpu, out) == 3
    traces = list(read_traces(out))
    assert [item.program for item in traces] == TEXTS
    assert [item.steps for item in traces] == [run_program(p, torch_cpu).steps for p in programs]
    assert traces[0].versions["version"] == torch_cpu.version
    assert isinstance(traces[1].steps[1].raised, Raised)
    assert isinstance(traces[2].steps[2].names["z"], SequenceFact)


def test_a_trace_holds_the_prelude_that_its_program_calls(torch_cpu, programs):
    program = parse("x = torch.ones(2, requires_grad=True)\ny = prelude.square(x)\n")
    found = trace_program(program, torch_cpu)
    assert "class Square(" in found.prelude
    assert decode_trace(encode_trace(found)) == found
    assert "prelude" not in encode_trace(trace_program(programs[0], torch_cpu))
    other = replace(found, prelude=found.prelude.replace("* 2", "* 3"))
    with pytest.raises(TraceError, match="the prelude of torch-cpu's trace is not the same"):
        trace_program(program, torch_cpu, other)


def test_equal_facts_are_stored_once(torch_cpu):
    program = parse("x = torch.ones(2)\n" + "".join(f"y{i} = 1\n" for i in range(9)))
    assert len(encode_trace(run_program(program, torch_cpu))["facts"]) == 2


def test_an_unfinished_file_is_gone_on_with(torch_cpu, programs, tmp_path):
    whole, part = tmp_path / "whole.jsonl", tmp_path / "part.jsonl"
    trace(programs, torch_cpu, whole)
    lines = whole.read_bytes().splitlines(keepends=True)
    part.write_bytes(lines[0] + lines[1][:50])
    seen = []
    assert trace(programs, torch_cpu, part, progress=seen.append) == 2
    assert seen == [2, 3]
    assert part.read_bytes() == whole.read_bytes()
    assert trace(programs, torch_cpu, part) == 0


def test_a_file_of_other_programs_is_not_appended_to(torch_cpu, programs, tmp_path):
    out = tmp_path / "t.jsonl"
    trace(programs[:1], torch_cpu, out)
    content = out.read_bytes()
    with pytest.raises(TraceError, match="line 1: the trace of another program"):
        trace(programs[1:], torch_cpu, out)
    with pytest.raises(TraceError, match="line 1: a trace more than there are programs"):
        trace([], torch_cpu, out)
    assert out.read_bytes() == content


def test_following_a_file(torch_cpu, tmp_path):
    import torch

    namespace = types.SimpleNamespace(**vars(torch))
    namespace.__name__ = "torch"
    namespace.exp = lambda x: torch.exp(x) * 1.5
    other = Backend("other", namespace, capabilities=Capabilities(addressable=True))
    programs = [parse("x = torch.exp(torch.zeros(2))\ny = x + 1\n"), parse("y = 1\n")]
    trace(programs[::-1], torch_cpu, tmp_path / "reference.jsonl")
    trace(programs, other, tmp_path / "followed.jsonl", follow=tmp_path / "reference.jsonl")
    trace(programs, other, tmp_path / "alone.jsonl")
    _, wanted = read_traces(tmp_path / "reference.jsonl")
    followed, _ = read_traces(tmp_path / "followed.jsonl")
    alone, _ = read_traces(tmp_path / "alone.jsonl")
    assert followed.versions["followed"] == "torch-cpu"
    assert "followed" not in alone.versions
    assert followed.steps[0] != wanted.steps[0]  # what the backend itself computed
    assert followed.steps[1].names["y"] == wanted.steps[1].names["y"]  # from equal operands
    assert alone.steps[1].names["y"] != wanted.steps[1].names["y"]
    with pytest.raises(TraceError, match="no trace of the program that begins 'z = 1'"):
        trace([parse("z = 1\n")], other, tmp_path / "o.jsonl", follow=tmp_path / "reference.jsonl")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"schema": 2, "record": "tr', "line 1: truncated"),
        ("nonsense\n", "line 1: not JSON"),
        ('\n{"record": "run"}\n', "line 2: not a trace record"),
        ('{"schema": 7, "record": "trace"}\n', "line 1: trace of schema 7; this version reads schema 2"),
        ('{"schema": 2, "record": "trace"}\n', "line 1: trace record without the key 'facts'"),
    ],
)
def test_a_malformed_line_is_named(tmp_path, content, message):
    path = tmp_path / "t.jsonl"
    path.write_text(content)
    with pytest.raises(TraceError) as caught:
        list(read_traces(path))
    assert str(caught.value).startswith(f"{path}: {message}")


def test_a_truncated_last_line_can_be_dropped(torch_cpu, programs, tmp_path):
    out = tmp_path / "t.jsonl"
    trace(programs, torch_cpu, out)
    out.write_bytes(out.read_bytes()[:-5])
    assert len(list(read_traces(out, drop_truncated=True))) == 2


def test_a_missing_file(tmp_path):
    with pytest.raises(TraceError, match="cannot be read"):
        list(read_traces(tmp_path / "absent"))
    with pytest.raises(TraceError, match="cannot be read"):
        read_programs(tmp_path / "absent")


@pytest.mark.parametrize(
    "change",
    [
        {"facts": [["gone", 1]]},
        {"facts": [["tensor", "float32"]]},
        {"facts": [["bytes", "?"]]},
        {"steps": [{"statement": 0, "path": "0", "names": {"x": 9}}]},
        {"steps": [{"statement": 0, "path": "0", "names": 4}]},
        {"program": 1},
        {"prelude": 1},
    ],
)
def test_every_malformed_record_is_one_kind_of_error(change):
    good = {
        "schema": 2,
        "record": "trace",
        "program": "",
        "backend": "b",
        "versions": {},
        "facts": [],
        "steps": [],
    }
    decode_trace(good)
    with pytest.raises(FactError):
        decode_trace(good | change)


# --- program files ---


def test_program_files_of_both_kinds(tmp_path):
    lines, text = tmp_path / "p.jsonl", tmp_path / "p.py"
    rows = [
        {"record": "run", "seed": 1},
        *({"text": t} for t in TEXTS[:2]),
        {"record": "program", "text": TEXTS[2]},
    ]
    lines.write_text("\n".join(map(json.dumps, rows)))
    text.write_text("# ---\n" + "# ---\n".join(TEXTS))
    assert [p.text for p in read_programs(lines)] == [p.text for p in read_programs(text)] == TEXTS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no program in it"),
        ("x = 1\n# ---\ny = open('f')\n", "the program from line 3 on: line 1, column "),
        ('{"text": "x = 1"}\n{"text": 3}\n', 'line 2: an object with the program in "text" is expected'),
        ('{"text": "x = 1"}\n{"te', "line 2: not JSON"),
    ],
)
def test_errors_in_a_program_file_name_the_line(tmp_path, content, message):
    path = tmp_path / "p"
    path.write_text(content)
    with pytest.raises(TraceError) as caught:
        read_programs(path)
    assert str(caught.value).startswith(f"{path}: {message}")


# --- what is imported ---

BLOCKED = """
import sys

blocked = {"hypothesis", "engine", "torch", "scipy", "ml_dtypes", "pytest", "rich", "jinja2"}

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocker())
from conformance.backends import resolve
from conformance.trace import read_programs, read_traces, trace

out = sys.argv[2]
trace(read_programs(sys.argv[1]), resolve("lib_of_a_test:namespace"), out)
(found,) = read_traces(out)
print(found.steps[-1].names["y"].text)
"""

LIBRARY = """
class namespace:
    class Tensor: pass
    def numel(x): return x + 1
"""


def test_tracing_imports_only_numpy_and_the_backend(tmp_path):
    (tmp_path / "lib_of_a_test.py").write_text(LIBRARY)
    (tmp_path / "p.py").write_text("x = 1\ny = torch.numel(x)\n")
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, str(tmp_path / "p.py"), str(tmp_path / "t.jsonl")],
        env={"PYTHONPATH": f"{root}:{tmp_path}", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout == "2\n"
