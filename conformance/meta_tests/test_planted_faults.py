"""Each of twelve faults planted in the engine is found by the default run, as one fingerprint, in few statements."""

import functools
import resource
from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from conformance.backends import resolve
from conformance.campaign import Settings
from conformance.ledger import load
from conformance.meta_tests.planted_faults import FAULTS, copy_of_engine
from conformance.runner import Run
from conformance.session import Examined, Session
from conformance.worker import limit_memory
from strategies.program import ProgramError, parse
from strategies.programs import draw_block

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


@functools.cache
def drawn():
    """The programs of the default run, each with what torch shows: the reference runs once for all faults."""
    settings, reference, found = Settings(records=Path()), resolve("torch-cpu"), {}
    for block, size in settings.blocks():
        for text in islice(draw_block(settings.seed, block, settings.profile, settings.block_size), size):
            try:
                program = parse(text)
            except ProgramError:  # counted by the run, and no program
                continue
            with Run(program, reference) as run:
                found[text] = program, tuple(run)
    return found


class Planted(Session):
    """The session of a run whose engine has a fault. A statement at which the engine without it differs from torch, too,
    is left out, so that these tests are about the faults alone."""

    healthy = resolve("engine")

    def examine(self, program, candidates=None):
        known = drawn().get(program.text) if candidates is None else None
        if known is None:
            examined = super().examine(program, candidates)
        else:
            verdicts = (self._judge(program, known[1], one) for one in self.candidates)
            examined = Examined(program, known[1], tuple(verdicts))
        return self.without_known(examined) if examined.discrepancies else examined

    def without_known(self, examined):
        known = self._judge(examined.program, examined.reference, self.healthy).discrepancies
        paths = {one.path for one in known}
        kept = (
            replace(one, discrepancies=tuple(item for item in one.discrepancies if item.path not in paths))
            for one in examined.verdicts
        )
        return replace(examined, verdicts=tuple(kept))


def session(fault):
    """The faulty engine goes by the engine's name, so that fingerprints can be compared between faults."""
    faulty = replace(FAULTS[fault](), name="engine")
    return Planted(resolve("torch-cpu"), [faulty], ledger=load())


def shown(fault):
    """The finding of the fault's own program."""
    found = session(fault)
    (discrepancy,) = found.show(SHOWN[fault], "engine")
    return found.settle(SHOWN[fault], discrepancy)[0]


def test_there_are_twelve_faults():
    assert list(FAULTS) == list(SHOWN)
    assert len(SHOWN) == 12


def test_different_faults_have_different_fingerprints():
    fingerprints = {fault: shown(fault).fingerprint for fault in SHOWN}
    assert len(set(fingerprints.values())) == len(SHOWN), fingerprints


@pytest.mark.parametrize("fault", SHOWN)
def test_a_fault_is_planted_and_taken_back(fault):
    engine = copy_of_engine("nothing")
    candidate = replace(
        resolve("engine"),
        namespace=engine,
        storage_key=None,
        undefined_mask=None,
        overwrite_bits=None,
        lay_out=None,
    )
    candidate.__post_init__()
    found = Session(resolve("torch-cpu"), [candidate])
    assert not found.show(SHOWN[fault])
    with FAULTS[fault].planted(engine):
        assert found.show(SHOWN[fault])
    assert not found.show(SHOWN[fault])


@pytest.mark.parametrize("fault", SHOWN)
def test_the_engine_that_draws_has_no_fault(fault):
    FAULTS[fault]()
    assert not Session(resolve("torch-cpu"), [resolve("engine")]).show(SHOWN[fault])


@pytest.fixture
def limited_memory():
    """What a run's processes may take: reducing tries programs that nobody drew."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    limit_memory(Settings(records=Path()).memory)
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize("fault", SHOWN)
def test_the_default_run_finds_the_fault_as_one_fingerprint(fault, limited_memory):
    found, shows = session(fault), Counter()
    for text, (program, _) in drawn().items():
        for discrepancy in found.examine(program).discrepancies:
            shows[found.settle(text, discrepancy)[0].fingerprint] += 1
        if shows.total() >= ENOUGH:
            break
    findings = list(found.findings.values())
    texts = "\n\n".join(f"{one.discrepancy.aspect} of {one.op}:\n{one.text}" for one in findings)
    assert len(findings) == 1, texts
    assert len(list(parse(findings[0].text).walk())) <= STATEMENTS, texts
    assert findings[0].fingerprint == shown(fault).fingerprint, texts
