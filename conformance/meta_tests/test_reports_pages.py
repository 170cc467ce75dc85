"""Pages out: what a page says, and that it is one file that refers to nothing outside."""

import os
import re
import shutil
import subprocess

import pytest

import reports
from conformance.meta_tests.report_pages import Outline
from conformance.meta_tests.sample_records import (
    CANDIDATES,
    ENTRY,
    UNSEEN,
    clean_records,
    sample_program,
    sample_run,
    save,
)
from reports import text
from reports.records import RecordError, ReportError


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


def test_entries_of_the_ledger_that_nothing_showed_are_folded_away(campaign):
    page = reports.render(campaign)
    shown, folded = page.index(ENTRY["id"]), page.index("1 entry that no program showed")
    assert shown < folded < page.index(f"<code>{UNSEEN['id']}</code>")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://github.com/pytorch/pytorch/issues/3348", "pytorch issue 3348"),
        ("https://github.com/pytorch/pytorch/pull/182564", "pytorch pull 182564"),
        ("https://docs.pytorch.org/docs/stable/generated/torch.clamp.html", "torch.clamp"),
        (
            "https://docs.pytorch.org/cppdocs/notes/inference_mode.html",
            "cppdocs/notes/inference_mode",
        ),
        ("https://example.org/a.html", "example.org/a.html"),
    ],
)
def test_the_text_of_a_citation(address, shown):
    assert text.source(address) == shown


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
