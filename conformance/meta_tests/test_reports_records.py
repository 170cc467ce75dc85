"""Records in: what is read, what is refused, and how files are merged."""

import json
import shutil
from collections import Counter

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

import reports
from conformance.meta_tests.sample_records import (
    ENTRY,
    UNSEEN,
    VARIANTS,
    lines,
    sample_discrepancy,
    sample_finding,
    sample_program,
    sample_run,
    save,
)
from reports.load import parse_lines, read
from reports.merge import merge
from reports.records import Program, RecordError

# Loading


def test_every_kind_of_record_is_read(campaign):
    file = read(campaign / "worker-0.jsonl")
    kinds = Counter(type(record).__name__ for record in file.records)
    assert kinds == {"Run": 1, "Ledger": 1, "Program": 30, "Finding": len(VARIANTS), "End": 1}
    assert file.lost is None


def test_a_truncated_last_line_is_lost_alone(campaign):
    file = read(campaign / "shard-worker-0.jsonl")
    assert file.lost == len(file.records) + 1
    assert sum(isinstance(record, Program) for record in file.records) == 30


def test_every_truncation_of_a_file_is_readable():
    records = [sample_run(), sample_program(0, 0, text="x = 'é'"), sample_program(0, 1)]
    data = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()
    for size in range(0, len(data), 7):
        read_back, lost = parse_lines(data[:size], "f")
        whole = data[:size].count(b"\n")
        tail = data[:size].rpartition(b"\n")[2]
        complete = bool(tail) and data[size : size + 1] == b"\n"
        assert len(read_back) == whole + complete
        assert lost == (whole + 1 if tail and not complete else None)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: the line is not JSON"),
        ("", "line 2: the line is empty"),
        ("[1]", "line 2: the line is a list, but should be an object"),
        ("9" * 5000, "line 2: the line is not JSON of a sensible size"),
        ("[" * 100000, "line 2: the line is not JSON of a sensible size"),
        ('{"record": "end"}', 'the line has no "schema"'),
        ('{"schema": "1", "record": "end"}', '"schema" of the line is a string, but should be an integer'),
        ('{"schema": 2, "record": "end"}', "schema 2 is unknown; this version reads schema 1"),
        ('{"schema": 1, "record": "trace"}', "record 'trace' is unknown"),
        ('{"schema": 1, "record": "end", "run": "r"}', 'the end record has no "programs"'),
        (
            '{"schema": 1, "record": "end", "run": "x", "programs": 1, "seconds": 1}',
            "run 'x' has no run record",
        ),
        (
            json.dumps(sample_program(0, 0, raised=-1)),
            '"raised" of the program record is a number, but should be a c',
        ),
        (
            json.dumps(sample_program(0, 0, statements=True)),
            '"statements" of the program record is true, but',
        ),
        (json.dumps(sample_program(0, 0, facts=10**30)), '"facts" of the program record'),
        (json.dumps(sample_program(0, 0, discrepancies=[{}])), 'a discrepancy has no "tier"'),
        (
            json.dumps(sample_finding(tier="odd")),
            "should be one of documented, incidental, reference, range, rounding",
        ),
        (
            json.dumps(sample_finding(numeric={"elements": 1, "differ": 1, "index": ["a"]})),
            "a list of integers",
        ),
        (json.dumps(sample_finding(numeric={"elements": 1, "differ": 1, "max_abs": 10**400})), '"max_abs"'),
    ],
)
def test_a_malformed_line_is_one_clear_error(tmp_path, line, message):
    path = save(tmp_path, "r.jsonl", lines([sample_run()]) + line + "\n" + lines([sample_program(0, 0)]))
    with pytest.raises(RecordError) as caught:
        reports.render(path)
    assert str(caught.value).startswith(f"{path}, line 2: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (caught.value.path, caught.value.line) == (str(path), 2)


def test_a_file_begins_with_its_run(tmp_path):
    path = save(tmp_path, "r.jsonl", [sample_program(0, 0)])
    with pytest.raises(RecordError, match="line 1: the first record of a file should be a run record"):
        reports.render(path)


def test_bytes_that_are_not_text(tmp_path):
    (tmp_path / "r.jsonl").write_bytes(lines([sample_run()]).encode() + b"\xff\xfe\n{}\n")
    with pytest.raises(RecordError, match="line 2: the line is not UTF-8"):
        reports.render(tmp_path)


def test_paths_that_hold_no_records(tmp_path):
    with pytest.raises(RecordError, match="cannot be read: No such file"):
        reports.render(tmp_path / "absent.jsonl")
    with pytest.raises(RecordError, match="no record files"):
        reports.render(tmp_path)
    with pytest.raises(RecordError, match="cannot be read"):
        reports.render("a\0b")


def test_files_given_twice_count_once(campaign, tmp_path):
    once = merge(reports.load(campaign))
    shutil.copytree(campaign, tmp_path / "copy")
    twice = merge(reports.load([campaign, campaign / "worker-0.jsonl", str(campaign), tmp_path / "copy"]))
    assert twice == once


# Merging


def test_what_is_the_references_alone_does_not_count(tmp_path):
    found = sample_discrepancy(aspect="reference values", tier="reference", side="reference")
    program = sample_program(0, 0, discrepancies=[found])
    merged = merge(reports.load(save(tmp_path, "r.jsonl", lines([sample_run(), program]))))
    assert merged.candidates[0].findings == {"reference": 1}
    assert not merged.differs


def test_merged_counts(campaign):
    merged = merge(reports.load(campaign))
    assert merged.programs == 104
    assert merged.statements == sum(length * number for length, number in merged.lengths.items())
    assert merged.facts == 104 * (212 + 190)
    engine, third = merged.candidates
    assert (engine.programs, third.programs) == (104, 104 - third.skipped["dtype complex128"])
    assert engine.facts == 104 * 212
    assert engine.findings == {"documented": 2, "incidental": 1, "known": 1, "range": 1}
    assert third.findings == {"crash": 1, "documented": 2}
    assert engine.aspects["pointwise", "values"] == {"documented": 1}
    assert ("indexing", "version") not in engine.aspects
    assert third.differing["cat", "float32"] == {"crash": third.occurrences["crash"]}
    assert merged.never == ("logsumexp", "scatter_", "svd")
    hits = {row.entry.id: row.hits for row in merged.ledger}
    assert hits == {"expand-write": {"engine": engine.occurrences["known"]}, "old-entry": {}}
    runs = [(row.run.id, row.files, row.ended, row.programs) for row in merged.runs]
    assert runs == [("2024-a", 2, 2, 74), ("2024-b", 1, 0, 30)]


def test_the_programs_of_a_finding_are_counted_not_its_discrepancies(tmp_path):
    twice = [sample_discrepancy(), sample_discrepancy(name="y", consequences=1)]
    merged = merge(
        reports.load(save(tmp_path, "r.jsonl", [sample_run(), sample_program(0, 0, discrepancies=twice)]))
    )
    (finding,) = merged.findings
    assert (finding.programs, finding.consequences) == (1, 3)
    assert merged.candidates[0].differing["mul_", "float32"] == {"documented": 1}


def test_a_finding_without_its_program_and_a_program_without_its_finding(tmp_path):
    alone = merge(reports.load(save(tmp_path / "a", "r.jsonl", [sample_run(), sample_finding()])))
    assert [(each.programs, each.origin) for each in alone.findings] == [(1, None)]
    assert alone.candidates[0].differing["mul_", "float32"] == {"documented": 1}
    program = sample_program(3, 4, discrepancies=[sample_discrepancy()])
    merged = merge(reports.load(save(tmp_path / "b", "r.jsonl", [sample_run(), program])))
    (finding,) = merged.findings
    assert (finding.family, finding.reproduction, finding.origin.block) == ("pointwise", None, 3)
    page = reports.render(tmp_path / "b")
    assert "the recorded one was lost" in page
    assert "import numpy as np\nimport torch" in page


def test_the_smallest_reduction_is_shown(tmp_path):
    long = sample_finding(reduced="x = 1\ny = 2\nz = 3\n")
    short = sample_finding(run="2024-b", reduced="x = 1\n")
    first = save(tmp_path, "a.jsonl", [sample_run(), long])
    second = save(tmp_path, "b.jsonl", [sample_run("2024-b"), short])
    for order in ([first, second], [second, first]):
        (finding,) = merge(read(path) for path in order).findings
        assert (finding.shown.reduced, finding.run.id) == ("x = 1\n", "2024-b")


def test_the_rounding_of_earlier_records_is_undecided(tmp_path):
    old = sample_discrepancy(aspect="rounding", tier="rounding")
    counts = {"floats": {"engine": 40}, "undecided": {"engine": 2}}
    records = [
        sample_run(),
        sample_program(0, 0, discrepancies=[old]),
        sample_finding(**old),
        sample_program(0, 1, **counts),
    ]
    merged = merge(reports.load(save(tmp_path, "r.jsonl", records)))
    assert merged.findings == ()
    engine = next(each for each in merged.candidates if each.name == "engine")
    assert (engine.undecided, engine.floats, engine.findings) == (3, 40, {})


def test_the_page_says_how_far_both_sides_are_off_and_which(tmp_path):
    number = sample_discrepancy()["numeric"] | {
        "candidate_ulp": 812.0, "reference_ulp": 1.0, "spread_ulp": 3.0, "runs": 72, "truth": "wide",
    }  # fmt: skip
    found = sample_finding(numeric=number, side="candidate")
    path = save(tmp_path, "r.jsonl", [sample_run(), found])
    page = reports.write([path], tmp_path / "r.html").read_text()
    assert "candidate 812 ULP from the wide result, reference 1, spread 3 in 72 runs" in page
    assert "Side that is off" in page


def test_facts_of_several_candidates_together_are_not_given_to_one(tmp_path):
    path = save(
        tmp_path, "r.jsonl", [sample_run(), sample_program(0, 0, facts=300), sample_program(0, 9, facts=20)]
    )
    merged = merge(reports.load(path))
    assert merged.facts == 320
    assert [each.facts for each in merged.candidates] == [None, None]
    assert "A dash: the records count the facts of several candidates together." in reports.render(path)


def test_which_dtypes_an_op_was_called_with(tmp_path):
    program = sample_program(0, 0, ops={"add": 2, "sum": 1}, dtypes=["int64", "bool"])
    loose = merge(reports.load(save(tmp_path / "a", "r.jsonl", [sample_run(), program])))
    assert not loose.exact_pairs
    assert ("sum", "bool") in loose.candidates[0].exercised
    program["op_dtypes"] = {"add": ["int64", "bool"], "sum": ["int64"]}
    exact = merge(reports.load(save(tmp_path / "b", "r.jsonl", [sample_run(), program])))
    assert exact.exact_pairs
    assert exact.candidates[0].exercised == {("add", "bool"): 1, ("add", "int64"): 1, ("sum", "int64"): 1}


@st.composite
def record_files(draw):
    """A handful of record files that share runs, fingerprints and ledger entries, some cut short."""
    files = []
    for number in range(draw(st.integers(1, 4))):
        run = draw(st.sampled_from(["a", "b"]))
        records = [sample_run(run, seed=draw(st.sampled_from([1, 2])))]
        for index in range(draw(st.integers(0, 3))):
            variant = draw(st.sampled_from(VARIANTS))
            reduced = draw(st.sampled_from(["x = 1\n", "x = 1\ny = 2\n", "y = 1\n"]))
            found = sample_discrepancy(**variant) | {
                "reduced": reduced,
                "fingerprint": draw(st.sampled_from("fg")),
            }
            records.append(sample_program(draw(st.integers(0, 1)), index, run, [found]))
            if draw(st.booleans()):
                records.append(sample_finding(run, **found))
        if draw(st.booleans()):
            records.append(
                {
                    "schema": 1,
                    "record": "ledger",
                    "run": run,
                    "entries": [draw(st.sampled_from([ENTRY, UNSEEN]))],
                }
            )
        if draw(st.booleans()):
            seconds = draw(st.sampled_from([0.1, 0.2, 0.7, 1e16]))
            records.append({"schema": 1, "record": "end", "run": run, "programs": 1, "seconds": seconds,
                            "timings": {"draw": seconds}})  # fmt: skip
        files.append((f"w{number}.jsonl", lines(records) + draw(st.sampled_from(["", '{"schema"']))))
    return files


@settings(max_examples=60, deadline=None)
@given(files=record_files(), data=st.data())
def test_merging_does_not_depend_on_the_order(tmp_path_factory, files, data):
    folder = tmp_path_factory.mktemp("records")
    read_files = [read(save(folder, name, content)) for name, content in files]
    shuffled = data.draw(st.permutations(read_files))
    assert merge(shuffled) == merge(read_files)
    assert repr(merge(shuffled)) == repr(merge(read_files))  # the order of what is shown, too
