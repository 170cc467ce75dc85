"""Records in, pages out: loading, merging, and the page itself, read as text, as HTML and in a browser."""

import html.parser
import json
import os
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

import reports
from reports import text
from reports.load import parse_lines, read
from reports.merge import merge
from reports.records import Program, RecordError, ReportError

CANDIDATES = ["engine", "thirdlib"]
FAMILIES = {
    "add": "pointwise", "mul_": "pointwise", "exp": "pointwise", "sum": "reduction", "max": "reduction",
    "eq": "comparison", "zeros": "creation", "tensor": "creation", "getitem": "indexing", "setitem": "indexing",
    "expand": "view", "transpose": "view", "cat": "shape", "matmul": "linalg", "backward": "autograd",
    "to": "conversion", "operator.add": "operator", "scatter_": "indexing", "svd": "linalg", "logsumexp": "reduction",
}  # fmt: skip
LONG = """\
torch.manual_seed(7)
a = torch.tensor([[1.0, -2.0], [0.5, 4.0]], requires_grad=True)
b = a.transpose(0, 1)
with torch.no_grad():
    c = b + 1
d = (a * b).exp()
d.mul_(2)
d.sum().backward()
a.grad[0] = 3
"""
ENTRY = {
    "id": "expand-write", "reason": "A write to an expanded tensor is refused by torch and accepted by the candidate.",
    "citation": "https://docs.example.org/notes/broadcasting.html", "verdict": "documented", "aspect": "raised",
    "program": "x = torch.zeros(1).expand(3)\nx.add_(1)",
}  # fmt: skip
UNSEEN = ENTRY | {"id": "old-entry", "citation": "issue 12", "verdict": "bug"}


def sample_run(run="2024-a", **changes):
    """The first record of a file; with the optional catalogue of ops."""
    backends = {
        "torch-cpu": {"version": "2.13.0", "device": "cpu"},
        "engine": {"version": "0.1.0", "device": "cpu"},
        "thirdlib": {"version": "3.2rc1", "device": "accel:0"},
    }
    return {
        "schema": 1, "record": "run", "run": run, "command": f"python -m conformance run --seed 7 --records {run}",
        "seed": 7, "profile": "default", "follow": True, "reference": "torch-cpu", "candidates": CANDIDATES,
        "environment": {"python": "3.11.7", "platform": "Linux x86_64", "numpy": "2.4.0", "hypothesis": "6.170.0",
                        "backends": backends},
        "lacks": {"thirdlib": {"ops": ["svd", "scatter_"], "dtypes": ["complex128"], "aspects": ["grad_fn"]}},
        "families": FAMILIES,
    } | changes  # fmt: skip


def sample_discrepancy(**changes):
    """A wrong value after an in-place multiplication of a view."""
    return {
        "candidate": "engine", "aspect": "values", "tier": "documented", "op": "mul_", "dtypes": ["float32"],
        "statement": 2, "line": 3, "statement_text": "y.mul_(x)", "name": "x",
        "got": "tensor([[1.0, 4.0], [0.25, 16.0]])", "should_be": "tensor([[1.0, -1.0], [-1.0, 16.0]])",
        "numeric": {"elements": 4, "differ": 2, "max_abs": 5.0, "max_ulp": 2147483648.0, "index": [0, 1]},
        "fingerprint": "values:mul_:overlap:9f3a", "ledger": None, "consequences": 2,
        "reduced": "x = torch.tensor([[1.0, -2.0], [0.5, 4.0]])\ny = x.transpose(0, 1)\ny.mul_(x)\n",
    } | changes  # fmt: skip


VARIANTS = [
    {},
    {"aspect": "error type", "op": "expand", "got": "ValueError", "should_be": "RuntimeError", "numeric": None,
     "dtypes": ["int64", "float16"], "fingerprint": "error type:expand:77aa", "consequences": 0, "name": "",
     "reduced": "x = torch.zeros(2, 3)\nx.expand(4)\n", "line": 2, "statement_text": "x.expand(4)"},
    {"aspect": "version", "op": "setitem", "got": "1", "should_be": "2", "numeric": None, "candidate": "thirdlib",
     "fingerprint": "version:setitem:0b0b", "reduced": "x = torch.zeros(2)\nx[0] = 1\n", "line": 2,
     "statement_text": "x[0] = 1"},
    {"aspect": "crash", "op": "cat", "got": "the process ended by signal 11 (SIGSEGV)", "should_be": "a result",
     "numeric": None, "candidate": "thirdlib", "fingerprint": "crash:cat:5e5e", "line": 1, "name": "",
     "reduced": "torch.cat([torch.zeros(0), torch.zeros(0)])\n", "statement_text": "torch.cat([...])"},
    {"aspect": "raised", "op": "expand", "ledger": "expand-write", "fingerprint": "raised:expand:1c1c",
     "got": "no exception", "should_be": "RuntimeError", "numeric": None, "reduced": ENTRY["program"], "line": 2},
    {"aspect": "rounding", "tier": "rounding", "op": "exp", "fingerprint": "rounding:exp:3d3d",
     "got": "[0x1.5bf0a8p+1]", "should_be": "[0x1.5bf0bcp+1]", "dtypes": ["float32"], "line": 1,
     "numeric": {"elements": 1, "differ": 1, "max_abs": 2.4e-06, "max_ulp": 10.0, "index": []},
     "reduced": "x = torch.tensor([1.0]).exp()\n", "statement_text": "x = torch.tensor([1.0]).exp()"},
    {"aspect": "grad_fn", "tier": "incidental", "op": "matmul", "fingerprint": "grad_fn:matmul:2b2b", "numeric": None,
     "got": "MmBackward0", "should_be": "MvBackward0", "dtypes": ["float64"]},
    {"aspect": "grad.strides", "op": "backward", "got": "(1, 2)", "should_be": "(2, 1)", "numeric": None,
     "fingerprint": "grad.strides:backward:4f4f", "dtypes": ["float64"], "candidate": "thirdlib"},
]  # fmt: skip


def sample_program(block, index, run="2024-a", discrepancies=(), **changes):
    """A program that ran; which ops it calls depends on its place alone."""
    names = list(FAMILIES)[:17]
    ops = {names[(block * 5 + index * 3 + step) % 17]: 1 + (index + step) % 3 for step in range(6)}
    return {
        "schema": 1, "record": "program", "run": run, "block": block, "index": index, "text": LONG,
        "statements": 6 + (block + index) % 7, "ops": ops, "raised": index % 2,
        "facts": {"engine": 212, "thirdlib": 190},
        "dtypes": ["float32", ["int64", "float16", "bool", "complex64"][index % 4]],
        "kinds": {"assign": 4, "call": 3, "with": 1, "setitem": index % 2, "augassign": 0},
        "skipped": {"thirdlib": "dtype complex128"} if index % 10 == 9 else {}, "discrepancies": list(discrepancies),
    } | changes  # fmt: skip


def sample_finding(run="2024-a", **changes):
    found = sample_discrepancy(**changes)
    family = FAMILIES.get(found["op"], "other")
    reproduction = (
        f"import numpy as np\nimport torch\nfrom math import inf, nan\n\n{found['reduced']}print(x)\n"
    )
    return (
        {"schema": 1, "record": "finding", "run": run}
        | found
        | {"family": family, "reproduction": reproduction}
    )


def sample_records(run="2024-a", *, worker=0, programs=30, variants=VARIANTS, end=True):
    """Every kind of record, as one worker process of a campaign writes them."""
    records = [sample_run(run), {"schema": 1, "record": "ledger", "run": run, "entries": [ENTRY, UNSEEN]}]
    for index in range(programs):
        found = [sample_discrepancy(**variants[index % 11])] if index % 11 < len(variants) else []
        if 0 < index % 11 < len(variants) and index < 11:
            records.append(sample_finding(run, **variants[index]))
        records.append(sample_program(worker, index, run, found))
        if index == 0 and variants:  # a finding may also stand after its program
            records.append(sample_finding(run, **variants[0]))
    if end:
        timings = {"draw": 0.1 * worker + 0.7, "compile": 0.1, "engine": 0.3, "torch": 0.1, "compare": 0.3}
        records.append({"schema": 1, "record": "end", "run": run, "programs": programs, "seconds": 1.7 + 0.1 * worker,
                        "timings": timings})  # fmt: skip
    return records


def clean_records(**changes):
    """A campaign in which nothing differs."""
    return sample_records(variants=[], **changes)


def lines(records):
    return "".join(json.dumps(record) + "\n" for record in records)


def save(folder, name, records):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(lines(records) if not isinstance(records, str) else records)
    return path


@pytest.fixture
def campaign(tmp_path):
    """Three files of two runs; the last worker was killed in the middle of a line."""
    folder = tmp_path / "records"
    save(folder, "worker-0.jsonl", sample_records())
    save(folder, "worker-1.jsonl", sample_records(worker=1, programs=44))
    save(folder, "shard/worker-0.jsonl".replace("/", "-"), sample_records("2024-b", end=False))
    with (folder / "shard-worker-0.jsonl").open("a") as file:
        file.write('{"schema": 1, "record": "program", "run": "2024-b", "te')
    return folder


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
        (json.dumps(sample_finding(tier="odd")), "should be one of documented, incidental, rounding"),
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


def test_merged_counts(campaign):
    merged = merge(reports.load(campaign))
    assert merged.programs == 104
    assert merged.statements == sum(length * number for length, number in merged.lengths.items())
    assert merged.facts == 104 * (212 + 190)
    engine, third = merged.candidates
    assert (engine.programs, third.programs) == (104, 104 - third.skipped["dtype complex128"])
    assert engine.facts == 104 * 212
    assert engine.findings == {"documented": 2, "incidental": 1, "known": 1, "rounding": 1}
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


# Rendering


class Outline(html.parser.HTMLParser):
    """The elements of a page, their attributes, and the text outside of script and style."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.parts, self.stack, self.ids = Counter(), [], [], [], []
        self.feed(page)
        self.close()
        self.text = "".join(self.parts)

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.stack.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        while self.stack and self.stack.pop() != tag:
            pass

    def handle_data(self, data):
        if not {"script", "style"} & set(self.stack):
            self.parts.append(data)


def test_a_page_says_what_the_records_say(campaign):
    page = Outline(reports.render(campaign))
    for expected in (
        "4 differences and 1 crash or hang",
        "104 programs, ",
        "Reduced program", "y.mul_(x)",
        "tensor([[1.0, 4.0], [0.25, 16.0]])", "tensor([[1.0, -1.0], [-1.0, 16.0]])",
        "2 of 4", "2,147,483,648", "[0, 1]",
        "torch-cpu 2.13.0 on cpu", "thirdlib 3.2rc1 on accel:0",
        "python -m conformance replay", "python -m conformance run --seed 7",
        "expand-write", ENTRY["reason"], "not seen",
        "the last line was cut off", "has no end record",
        "logsumexp", "complex128",
    ):  # fmt: skip
        assert expected in page.text, expected


def test_the_marked_line_is_the_statement(campaign):
    page = reports.render(campaign)
    marked = re.findall(r'class="line marked" aria-current="true">(.*)\n', page)
    assert "y.mul_(x)" in marked
    assert "x.expand(4)" in marked


def test_a_page_is_the_same_for_the_same_records(campaign, tmp_path):
    paths = sorted(campaign.iterdir())
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(campaign, elsewhere)
    assert (
        reports.render(paths)
        == reports.render(paths[::-1])
        == reports.render(campaign)
        == reports.render(elsewhere)
    )


def test_a_page_refers_to_nothing_outside_and_its_links_lead_somewhere(campaign):
    page = Outline(reports.render(campaign))
    assert not page.tags.keys() & {"link", "img", "iframe", "object", "embed", "base"}
    assert (page.tags["script"], page.tags["style"]) == (1, 1)
    assert not [
        each for each in page.attributes if each[1] in ("src", "srcset", "style") or each[1].startswith("on")
    ]
    targets = [value for tag, name, value in page.attributes if name == "href"]
    outside = {value for value in targets if not value.startswith("#")}
    assert outside == {ENTRY["citation"]}
    assert {value[1:] for value in targets if value.startswith("#")} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_matrix_cells_say_themselves_in_words(campaign):
    labels = {
        value for tag, name, value in Outline(reports.render(campaign)).attributes if name == "aria-label"
    }
    assert "pointwise, values: 1 finding of the documented tier" in labels
    assert "view, values: no difference" in labels
    assert "random, values: not reached" in labels
    assert "pointwise, grad_fn: not compared" in labels
    assert any(
        re.fullmatch(r"mul_, float32: 10 programs of the documented tier, of \d+", each) for each in labels
    )


def test_no_difference_is_said(tmp_path):
    page = Outline(reports.render(save(tmp_path, "r.jsonl", clean_records())))
    assert "No difference" in page.text
    assert "30 programs" in page.text
    assert page.tags["form"] == 0


def test_nothing_compared_is_not_called_no_difference(tmp_path):
    empty = save(tmp_path / "a", "empty.jsonl", "")
    idle = save(tmp_path / "b", "run.jsonl", [sample_run()])
    skipped = dict.fromkeys(CANDIDATES, "dtype")
    unseen = save(tmp_path / "c", "r.jsonl", [sample_run(), sample_program(0, 0, facts=0, skipped=skipped)])
    for path in (empty, idle, unseen):
        page = Outline(reports.render(path))
        assert "Nothing was compared" in page.text
        assert "No difference" not in page.text.replace("no difference", "")
    assert "engine was compared on no program at all" in page.text


HOSTILE = [
    "</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\"' onmouseover=alert(1) x='", "<!--", "]]>",
    "</pre></code></details></main>", "{{ 7 * 7 }}{% raw %}", "\0\x01\x1b[31m\x7f\x85", "\ud800 \udfff", "&lt;b&gt;",
    "\u202egnp.exe\u2066", "\u2028\u2029\ufeff\u200b", "line\r\nnext", "</style><style>*{display:none}", "𝔘 é 漢",
    "javascript:alert(1)", "PROGRAM\n$(touch /tmp/x)\nPROGRAM_1\n`id`", "../../etc", "x" * 50_000, "%s%n {0}", "",
]  # fmt: skip


def hostile_records(bad):
    """Every text of every kind of record is `bad`, as a value and as a name."""
    numeric = {"elements": 1, "differ": 1, "max_abs": float("nan"), "max_ulp": float("inf"), "index": [-1]}
    found = dict.fromkeys(("aspect", "op", "statement_text", "name", "got", "fingerprint", "reduced"), bad)
    found |= {"should_be": bad + "!", "candidate": bad, "dtypes": [bad, bad], "line": -3, "numeric": numeric}
    run = sample_run(
        bad, command=bad, profile=bad, reference=bad, candidates=[bad, bad + "2"], families={bad: bad}
    )
    run["environment"] = {bad: bad, "backends": {bad: {"version": bad, "device": bad, bad: bad}}}
    run["lacks"] = {bad: {bad: [bad], "aspects": [bad], "dtypes": [bad]}}
    entry = dict.fromkeys(ENTRY, bad)
    known = sample_discrepancy(**found) | {"ledger": bad, "fingerprint": bad + "k"}
    program = sample_program(0, 0, bad, [sample_discrepancy(**found), known], text=bad)
    program |= {
        "ops": {bad: 1},
        "dtypes": [bad],
        "kinds": {bad: 1},
        "skipped": {bad + "2": bad},
        "facts": {bad: 1},
    }
    finding = sample_finding(bad, **found) | {"family": bad, "reproduction": bad}
    end = {"schema": 1, "record": "end", "run": bad, "programs": 9, "seconds": 1e300, "timings": {bad: 1.0}}
    return [run, program, finding, {"schema": 1, "record": "ledger", "run": bad, "entries": [entry]}, end]


def check_hostile(page, plain):
    """Nothing of the texts became an element, an attribute or a link, and the page can be written and read."""
    page.encode("utf-8")
    assert not re.search(
        r"[\0-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2028\u2029\u2066-\u2069\ufeff]", page
    )
    outline = Outline(page)
    known = plain.tags.keys() | {"mark"}
    assert outline.tags.keys() <= known
    assert (outline.tags["script"], outline.tags["style"], outline.tags["main"]) == (1, 1, 1)
    names = {name for _, name, _ in plain.attributes}
    assert {name for _, name, _ in outline.attributes} <= names
    targets = [value for _, name, value in outline.attributes if name == "href"]
    assert all(value.startswith(("#", "https://")) for value in targets)


@pytest.mark.parametrize("bad", HOSTILE, ids=lambda bad: ascii(bad[:12]))
def test_hostile_texts_stay_texts(tmp_path, campaign, bad):
    page = reports.render(save(tmp_path / "bad", "r.jsonl", hostile_records(bad)))
    check_hostile(page, Outline(reports.render(campaign)))
    assert text.clip(text.visible(bad))[:2000] in Outline(page).text


@settings(max_examples=25, deadline=None)
@given(
    bad=st.text(
        st.sampled_from("<>&\"'`/=-!{}%#\\\0\n\r\t\u202e\ud83d\udc00 aZ;") | st.characters(), max_size=30
    )
)
def test_drawn_texts_stay_texts(tmp_path_factory, bad):
    folder = tmp_path_factory.mktemp("records")
    plain = Outline(reports.render(save(folder / "plain", "r.jsonl", sample_records())))
    check_hostile(reports.render(save(folder / "bad", "r.jsonl", hostile_records(bad))), plain)


@pytest.mark.parametrize(
    "program", ["x = 1\n", "PROGRAM\n", "PROGRAM\nPROGRAM_1\n$(echo no) `id` \\ '\"\n", "\r\nPROGRAM"]
)
def test_the_replay_command_writes_the_program_and_nothing_else(tmp_path, program):
    command = text.replay_command(program, "engine; touch stolen", "d-1")
    script = command.replace("python -m conformance", "printf '%s|'")
    done = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "replay|d-1.py|--candidate|engine; touch stolen|"
    assert [path.name for path in tmp_path.iterdir()] == ["d-1.py"]
    assert (tmp_path / "d-1.py").read_text() == text.visible(program).rstrip("\n") + "\n"


def test_writing_replaces_a_report_in_one_step(campaign, tmp_path, monkeypatch):
    out = tmp_path / "new" / "report.html"
    assert reports.write(campaign, out) == out
    good = out.read_bytes()
    assert good.decode() == reports.render(campaign)
    save(campaign, "broken.jsonl", "nonsense\n")
    with pytest.raises(RecordError):
        reports.write(campaign, out)
    (campaign / "broken.jsonl").unlink()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        ReportError, match=r"report\.html: the report cannot be written: No space left on device"
    ):
        reports.write(campaign, out)
    assert out.read_bytes() == good
    assert [path.name for path in out.parent.iterdir()] == ["report.html"]


def test_writing_where_no_file_can_be(campaign, tmp_path):
    for out in (tmp_path, campaign / "worker-0.jsonl" / "r.html", tmp_path / "a\0b"):
        with pytest.raises(ReportError, match="the report cannot be written"):
            reports.write(campaign, out)
    assert not list(tmp_path.glob(".*.tmp"))


# In a browser

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None
)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-dev-shm-usage", "--virtual-time-budget=4000",
)  # fmt: skip


@pytest.fixture
def browse(tmp_path):
    """Open an address in Chromium and return the document as it is after scripts ran."""
    if CHROMIUM is None:
        pytest.skip(
            "no Chromium on this machine (looked for chromium, chromium-browser, google-chrome, chrome)"
        )

    def dump(address, *flags):
        command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", *flags, "--dump-dom", address]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    return dump


def shown_ops(page):
    cards = re.findall(r'<details class="card[^"]*"([^>]*)>', page)
    return sorted(re.search(r'data-op="([^"]*)"', card)[1] for card in cards if "hidden" not in card)


@pytest.mark.browser
@pytest.mark.slow
def test_the_page_filters_with_scripts_on(campaign, tmp_path, browse):
    address = Path(reports.write(campaign, tmp_path / "report.html")).as_uri()
    everything = browse(address)
    assert f"{len(VARIANTS)} of {len(VARIANTS)} shown" in everything
    assert '<form class="filters" aria' in everything
    assert shown_ops(browse(f"{address}#?aspect=grad&candidate=thirdlib")) == ["backward"]
    assert shown_ops(browse(f"{address}#?op=expand&dtype=int64")) == ["expand"]
    assert shown_ops(browse(f"{address}#?tier=known")) == ["expand"]
    assert shown_ops(browse(f"{address}#?text=SIGSEGV")) == ["cat"]
    assert "0 of 8 shown" in browse(f"{address}#?text=nowhere")
    card = re.search(r'id="(d-[0-9a-f]+)">(?:(?!id="d-).)*3d3d', everything, re.S)[1]
    opened = rf'<details class="card[^>]* open=""[^>]*>(?:(?!<details class="card).)*id="{card}"'
    assert not re.search(opened, everything, re.S)
    assert re.search(opened, browse(f"{address}#{card}"), re.S)


@pytest.mark.browser
@pytest.mark.slow
def test_the_page_is_whole_with_scripts_off(campaign, tmp_path, browse):
    # Chromium dumps nothing where scripts are switched off altogether, so here the page's policy refuses them.
    page = reports.render(campaign)
    silent, replaced = re.subn(
        r"script-src '[^']*'", "script-src 'none'", page.replace("&#39;", "'"), count=1
    )
    assert replaced == 1
    (tmp_path / "silent.html").write_text(silent)
    document = browse((tmp_path / "silent.html").as_uri())
    assert '<form class="filters" hidden' in document
    assert '<button type="button" class="copy" hidden' in document
    assert Outline(document).text.split() == Outline(page).text.split()
    assert len(shown_ops(document)) == len(VARIANTS)


@pytest.mark.browser
@pytest.mark.slow
def test_cells_filter_and_buttons_copy(campaign, tmp_path, browse):
    # The page refuses foreign scripts; without its policy one can press its buttons.
    page = re.sub(r"<meta http-equiv[^>]*>", "", reports.render(campaign))
    press = "<script>for (const each of [%s]) document.querySelector(each).click()</script></body>"
    cell = "'.aspects a[data-family=pointwise][data-aspect=values]'"
    (tmp_path / "a.html").write_text(page.replace("</body>", press % cell))
    assert shown_ops(browse((tmp_path / "a.html").as_uri())) == ["mul_"]
    (tmp_path / "b.html").write_text(page.replace("</body>", press % "'.card .copy', '[data-fold=open]'"))
    document = browse((tmp_path / "b.html").as_uri(), "--virtual-time-budget=1000")
    assert len(re.findall('<details class="card[^>]* open=""', document)) == len(VARIANTS)
    assert re.search(">(Copied|Selected)</button>", document)


@pytest.mark.browser
@pytest.mark.slow
def test_hostile_texts_do_nothing_in_a_browser(tmp_path, browse):
    for number, bad in enumerate(HOSTILE[:3] + [HOSTILE[13]]):
        page = reports.write(
            save(tmp_path / str(number), "r.jsonl", hostile_records(bad)), tmp_path / f"{number}.html"
        )
        document = browse(page.as_uri())
        outline = Outline(document)
        assert (outline.tags["script"], outline.tags["img"], outline.tags["style"]) == (1, 0, 1)
        assert "2 of 2 shown" in document
