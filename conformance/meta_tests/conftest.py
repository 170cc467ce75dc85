"""What several tests of the suite use."""

import resource
from pathlib import Path

import pytest

from conformance.campaign import Settings
from conformance.meta_tests.sample_records import sample_records, save
from conformance.worker import limit_memory


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


@pytest.fixture
def limited_memory():
    """What a run's processes may take: reducing tries programs that nobody drew."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    limit_memory(Settings(records=Path()).memory)
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)
