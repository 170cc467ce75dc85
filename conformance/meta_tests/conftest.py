"""What several tests of the suite use."""

import pytest

from conformance.meta_tests.sample_records import sample_records, save


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
