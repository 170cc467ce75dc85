"""Campaigns: the same programs however the work is spread, and what a death costs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conformance.autopsy import slice_before
from conformance.campaign import Campaign, CampaignError, Settings
from conformance.meta_tests.stub_programs import draw_block
from conformance.records import read
from strategies.program import parse

FAULTY = "conformance.meta_tests.faulty_torch:"
DRAW = "conformance.meta_tests.stub_programs:draw_block"
ROOT = Path(__file__).parents[2]


def settings(records, candidate="same", **changes):
    options = {"programs": 30, "block_size": 10, "draw": DRAW, "candidates": (FAULTY + candidate,), **changes}
    return Settings(records=records, **options)


def rows(directory, kind="program"):
    found = [row for path in sorted(directory.glob("*.jsonl")) for row in read(path) if row["record"] == kind]
    return sorted(found, key=lambda row: (row.get("block", 0), row.get("index", 0)))


def texts(seed=0, programs=30, size=10, profile="default"):
    return [text for block in range(programs // size) for text in draw_block(seed, block, profile, size)]


def found(directory):
    return {
        (row["text"], item["aspect"], item["op"]) for row in rows(directory) for item in row["discrepancies"]
    }


def test_blocks_are_shared_out_and_the_last_may_be_short():
    assert settings(Path(), programs=25).blocks() == [(0, 10), (1, 10), (2, 5)]
    shards = [settings(Path(), programs=55, shard=(i, 3)).blocks() for i in (1, 2, 3)]
    assert sorted(block for blocks in shards for block in blocks) == settings(Path(), programs=55).blocks()


def test_workers_and_shards_run_the_same_programs(tmp_path):
    one = Campaign(settings(tmp_path / "one", "everything", workers=2))()
    assert one.tally.programs == 30
    for shard in ((1, 2), (2, 2)):
        Campaign(settings(tmp_path / "parts", "everything", shard=shard))()
    assert [row["text"] for row in rows(tmp_path / "one")] == texts()
    assert [row["text"] for row in rows(tmp_path / "parts")] == texts()
    assert found(tmp_path / "one") == found(tmp_path / "parts") != set()
    items = [item for row in rows(tmp_path / "one") for item in row["discrepancies"]]
    assert one.tally.differences == sum(item["tier"] == "documented" for item in items) > 0
    fingerprints = {row["fingerprint"] for row in rows(tmp_path / "parts", "finding")}
    assert fingerprints == {row["fingerprint"] for row in rows(tmp_path / "one", "finding")}
    headers = rows(tmp_path / "one", "run")
    assert len(headers) == 2
    assert headers[0] == headers[1]
    assert not list((tmp_path / "one").glob("*.inflight"))


@pytest.mark.parametrize(
    ("candidate", "aspect", "limits"),
    [("aborts", "crash", {}), ("hangs", "hang", {"timeout": 5.0}), ("eats", "memory", {"memory": 150})],
)
def test_a_crash_a_hang_and_a_lack_of_memory_cost_one_program(tmp_path, candidate, aspect, limits):
    notes = []
    campaign = Campaign(
        settings(tmp_path, candidate, profile="sign", programs=10, seed=29, **limits), note=notes.append
    )
    outcome = campaign()
    recorded = rows(tmp_path)
    drawn = texts(29, 10, profile="sign")
    assert [row["text"] for row in recorded] == drawn
    guilty = [row for row in recorded if row["discrepancies"]]
    assert [row["text"] for row in guilty] == [text for text in drawn if "sign" in text]
    assert len(guilty) == 1
    for row in guilty:
        (item,) = row["discrepancies"]
        assert (item["aspect"], item["op"], item["candidate"]) == (aspect, "sign", FAULTY + candidate)
        assert item["statement_text"] == "s = torch.sign(a)"
        assert len(item["reduced"].split("\n")) <= 3
    assert len(outcome.tally.findings) == 1
    assert outcome.tally.programs == 10
    assert (aspect == "memory") or len(notes) == 1


def test_a_crash_of_the_reference_while_it_runs_ahead_costs_one_program(tmp_path):
    notes = []
    campaign = Campaign(
        settings(tmp_path, reference=f"{FAULTY}aborts", profile="sign", programs=10, seed=29),
        note=notes.append,
    )
    assert campaign().tally.programs == 10
    recorded = rows(tmp_path)
    assert [row["text"] for row in recorded] == texts(29, 10, profile="sign")
    items = [item for row in recorded if "sign" in row["text"] for item in row["discrepancies"]]
    assert [(item["aspect"], item["candidate"]) for item in items] == [("crash", f"{FAULTY}aborts")]
    (index,) = [row["index"] for row in recorded if row["discrepancies"]]
    assert (
        index > 0
    )  # so that there are programs before it, which had run on the reference and were not recorded
    again, alone = notes
    assert again.startswith("block 0, program 0 or later: ")
    assert alone.startswith(f"block 0, program {index}: ")


def test_a_death_while_drawing_costs_what_is_not_drawn_yet(tmp_path):
    outcome = Campaign(settings(tmp_path, profile="dying", programs=10))()
    assert outcome.tally.lost == 10 - 3
    drawn = [row for row in rows(tmp_path) if row["text"]]
    assert [row["text"] for row in drawn] == texts(programs=10)[:3]


def test_a_slice_keeps_what_a_statement_may_depend_on():
    text = "a = torch.ones(2)\nb = torch.ones(3)\nc = b + 1\na.add_(1)\nd = a * 2\ne = c"
    assert slice_before(parse(text), 4) == ["a = torch.ones(2)", "a.add_(1)", "d = a * 2"]


def test_mistakes_end_a_campaign_with_one_line(tmp_path):
    with pytest.raises(CampaignError, match="has no object 'none'"):
        Campaign(settings(tmp_path, "none"))()
    with pytest.raises(CampaignError, match=r"a worker failed: ModuleNotFoundError.*details in"):
        Campaign(settings(tmp_path, draw="no.such:thing"))()


def test_a_text_that_is_no_program_is_counted_and_passed_over(tmp_path):
    outcome = Campaign(settings(tmp_path, profile="broken", programs=3))()
    assert (outcome.tally.invalid, outcome.tally.programs) == (3, 0)


def start(records, *more):
    command = [sys.executable, "-m", "conformance", "run", "--draw", DRAW, "--records", str(records), *more]
    return subprocess.Popen(
        [
            *command,
            "--candidate",
            FAULTY + "same",
            "--profile",
            "slow",
            "--programs",
            "2000",
            "--workers",
            "1",
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell ignores Ctrl-C for what it runs in the background, and its children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_for_programs(directory, count, limit=60.0):
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if sum(path.read_text().count('"record":"program"') for path in directory.glob("*.jsonl")) >= count:
            return
        time.sleep(0.05)
    raise AssertionError(f"fewer than {count} programs after {limit} s")


def test_sigkill_loses_at_most_the_program_in_flight(tmp_path):
    process = start(tmp_path)
    try:
        wait_for_programs(tmp_path, 5)
    finally:
        process.kill()
        process.communicate()
    recorded = len(rows(tmp_path))
    assert [row["text"] for row in rows(tmp_path)] == texts(programs=100, size=50, profile="slow")[:recorded]
    (in_flight,) = tmp_path.glob("*.inflight")
    end = time.monotonic() + 5  # the worker ends with its parent
    size = -1
    while time.monotonic() < end and size != (
        size := sum(path.stat().st_size for path in tmp_path.glob("*.jsonl"))
    ):
        time.sleep(0.5)
    assert (
        f'"index": {len(rows(tmp_path))}' in in_flight.read_text()
        or '"phase": "draw"' in in_flight.read_text()
    )
    command = [
        sys.executable,
        "-m",
        "conformance",
        "report",
        str(tmp_path),
        "--html",
        str(tmp_path / "r.html"),
    ]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>".upper()[:2])


def test_ctrl_c_stops_and_keeps_the_records(tmp_path):
    process = start(tmp_path)
    try:
        wait_for_programs(tmp_path, 5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130, err
    assert "stopped by Ctrl-C" in out
    assert "Traceback" not in err
    assert len(rows(tmp_path)) >= 5
    assert rows(tmp_path, "end"), "the worker wrote its last record"
    assert (tmp_path / "report.html").exists()
    assert not list(tmp_path.glob("*.inflight"))
    assert os.path.isdir(tmp_path)
