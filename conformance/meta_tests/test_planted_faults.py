"""Each of twelve faults planted in the engine is found by the default run, as one fingerprint, in few statements."""

from dataclasses import replace

import pytest

from conformance.backends import resolve
from conformance.ledger import load
from conformance.meta_tests.planted_faults import FAULTS
from conformance.meta_tests.planted_runs import Planted, drawn
from conformance.meta_tests.planting import backend_of, copy_of_engine
from conformance.session import Session
from strategies.program import parse

STATEMENTS = 5
ENOUGH = 25  # differences that are settled, of the hundreds that some faults show

# fault -> what it comes down to
SHOWN = {
    "wrong_derivative": "x = torch.tensor(1.0, requires_grad=True)\ny = torch.exp(x)\ny.backward()",
    "missing_version_bump": "x = torch.tensor(1.0)\nx.mul_(1)",
    "view_that_copies": "x = torch.tensor(1.0)\ny = torch.transpose(x, 0, 0)",
    "wrong_promotion": "x = torch.tensor(1)\ny = torch.div(x, 1)",
    "leaf_flag": "x = torch.tensor(1.0)",
    "lost_accumulation": "x = torch.tensor(1.0, requires_grad=True)\nx.backward()\nx.backward()",
    "unfreed_graph": "x = torch.tensor(1.0, requires_grad=True)\ny = torch.exp(x)\ny.backward()\ny.backward()",
    "wrong_error_type": "x = torch.tensor(1.0)\ny = torch.transpose(x, 1, 1)",
    "swapped_stride": "x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])\ny = torch.transpose(x, 0, 1)\nz = torch.neg(y)",
    "in_place_without_broadcasting": "x = torch.tensor([1.0])\ny = torch.tensor(1.0)\nx.add_(y)",
    "nan_lost_in_max": "x = torch.tensor([nan, 1.0])\ny = torch.max(x)",
    "data_that_counts_writes": "x = torch.tensor(1.0)\ny = x.data\ny.neg_()",
}


def session(fault):
    """The faulty engine goes by the engine's name, so that fingerprints can be compared between faults."""
    faulty = replace(FAULTS[fault](), name="engine")
    return Planted(resolve("torch-cpu"), [faulty], ledger=load())


def shown(fault):
    """The finding of the fault's own program."""
    return session(fault).shown(SHOWN[fault])


def test_there_are_twelve_faults():
    assert list(FAULTS) == list(SHOWN)
    assert len(SHOWN) == 12


def test_different_faults_have_different_fingerprints():
    fingerprints = {fault: shown(fault).fingerprint for fault in SHOWN}
    assert len(set(fingerprints.values())) == len(SHOWN), fingerprints


@pytest.mark.parametrize("fault", SHOWN)
def test_a_fault_is_planted_and_taken_back(fault):
    engine = copy_of_engine("nothing")
    candidate = backend_of(engine, "engine")
    found = Session(resolve("torch-cpu"), [candidate])
    assert not found.show(SHOWN[fault])
    with FAULTS[fault].planted(engine):
        assert found.show(SHOWN[fault])
    assert not found.show(SHOWN[fault])


@pytest.mark.parametrize("fault", SHOWN)
def test_the_engine_that_draws_has_no_fault(fault):
    FAULTS[fault]()
    assert not Session(resolve("torch-cpu"), [resolve("engine")]).show(SHOWN[fault])


@pytest.mark.parametrize("fault", SHOWN)
def test_the_default_run_finds_the_fault_as_one_fingerprint(fault, limited_memory):
    found = session(fault)
    found.run(drawn("default"), ENOUGH)
    findings = list(found.findings.values())
    assert len(findings) == 1, found.described()
    assert len(list(parse(findings[0].text).walk())) <= STATEMENTS, found.described()
    assert findings[0].fingerprint == shown(fault).fingerprint, found.described()
