"""Record files: what is written, never over another, and what can be read after a cut."""

import json
from dataclasses import dataclass

import pytest

from conformance import records
from conformance.meta_tests import faulty_torch
from conformance.meta_tests.test_judge import REFERENCE
from conformance.session import Session
from strategies.program import parse


def test_lines_are_whole_at_any_time(tmp_path):
    path = tmp_path / "deep" / "a.jsonl"
    with records.Writer(path, "r", {"seed": 3}) as writer:
        assert json.loads(path.read_text()) == {"schema": 1, "record": "run", "run": "r", "seed": 3}
        writer.write("program", {"text": "x = 1\n", "worst": float("nan"), "index": (1, 2)})
        lines = path.read_text().splitlines()
        assert json.loads(lines[1])["worst"] is None
        assert len(lines) == 2


def test_a_file_is_never_overwritten(tmp_path):
    path = tmp_path / "a.jsonl"
    records.Writer(path, "r", {}).close()
    with pytest.raises(records.RecordError, match="never overwritten"):
        records.Writer(path, "r", {})
    assert records.fresh_path(tmp_path, "a") == tmp_path / "a-2.jsonl"
    assert records.fresh_path(tmp_path, "b") == tmp_path / "b.jsonl"


def test_a_line_that_was_cut_off_is_dropped(tmp_path):
    path = tmp_path / "a.jsonl"
    with records.Writer(path, "r", {}) as writer:
        writer.write("program", {"text": "x = 1"})
    whole = path.read_bytes()
    for length in range(len(whole.splitlines()[0]) + 1, len(whole)):
        path.write_bytes(whole[:length])
        rows = list(records.read(path))
        assert len(rows) == (2 if length >= len(whole) - 1 else 1)


@pytest.mark.parametrize("content", ["no\n{}\n", '{"schema":2}\n', "[]\n"])
def test_what_is_no_record_is_an_error_with_its_line(tmp_path, content):
    path = tmp_path / "a.jsonl"
    path.write_text(content)
    with pytest.raises(records.RecordError, match="line 1"):
        list(records.read(path))
    with pytest.raises(records.RecordError, match="cannot be read"):
        list(records.read(tmp_path / "none"))


def test_plain_values():
    @dataclass(frozen=True)
    class Point:
        x: float
        y: tuple

    assert records.plain({1: Point(float("inf"), (1,)), "s": {"b", "a"}}) == {
        "1": {"x": None, "y": [1]},
        "s": ["a", "b"],
    }
    assert json.loads(json.dumps(records.plain({"text": "\ud800"})))["text"] == "\ud800"


def test_the_records_of_a_session_are_what_reports_reads(tmp_path):
    import reports

    session = Session(REFERENCE, [faulty_torch.transpose_copies, faulty_torch.same])
    text = "x = torch.rand(2, 3)\ny = torch.transpose(x, 0, 1)\ny += 1\nz = torch.mm(x, x)"
    examined = session.examine(parse(text))
    header = session.header(command="test", seed=0, profile="default")
    path = tmp_path / "a.jsonl"
    with records.Writer(path, "r", header) as writer:
        writer.write("ledger", {"entries": session.ledger.rows()})
        rows = []
        for discrepancy in examined.discrepancies:
            finding, new = session.settle(text, discrepancy)
            rows.append(finding.row(discrepancy))
            assert new
            writer.write("finding", session.finding_row(finding))
        writer.write("program", session.program_row(examined, 0, 0, rows))
        writer.write("end", {"programs": 1, "seconds": 0.5, "timings": session.timings})
    loaded = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["record"] for row in loaded] == ["run", "ledger", "finding", "program", "end"]
    program = loaded[3]
    assert program["ops"] == {"rand": 1, "transpose": 1, "add_": 1, "mm": 1}
    assert program["kinds"] == {"assign": 3, "augassign": 1}
    assert program["dtypes"] == ["float32"]
    assert program["raised"] == 1
    assert loaded[0]["families"]["mm"] == "linalg"
    assert "import torch" in loaded[2]["reproduction"]
    page = reports.render([path])
    assert "transpose_copies" in page
