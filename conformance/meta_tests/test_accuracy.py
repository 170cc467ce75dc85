"""What is recorded of the accuracy of functions is what is measured, and verdicts allow that to special functions alone."""

import dataclasses

import numpy as np
import pytest

import engine
from conformance import accuracy, measuring
from conformance.accuracy import Measurement, carried, load
from conformance.backends import resolve
from conformance.meta_tests.faulty_torch import candidate
from conformance.meta_tests.test_cli import here
from conformance.numeric import FORMATS, ULPS
from conformance.rerun import Reruns
from conformance.session import Session
from engine import precision
from engine.registry import OPS, POINTWISE
from strategies.program import parse

BACKENDS = ("torch-cpu", "engine")
TORCH = resolve("torch-cpu")
RECORDED = load()
EVERY = 23  # one in so many points of a grid


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", sorted(measuring.functions()))
def test_no_function_is_further_off_than_recorded(name, backend):
    for dtype in measuring.DTYPES:
        found = measuring.measure(name, dtype, resolve(backend), lambda i: i % EVERY == 5)
        assert accuracy.beyond([found]) == [], found


def test_everything_is_recorded_once():
    keys = [(row.op, row.dtype, row.backend) for row in RECORDED]
    assert sorted(keys) == sorted(
        (name, dtype, backend)
        for name in measuring.functions()
        for dtype in measuring.DTYPES
        for backend in BACKENDS
    )


def test_special_functions_alone_have_a_number():
    """And those only where they are further off than any operation may be."""
    ordinary = [row for row in RECORDED if row.op not in accuracy.SPECIAL]
    assert len(ordinary) > 50
    assert all(row.of_result <= ULPS for row in ordinary)
    assert {op for op, _ in carried()} <= accuracy.SPECIAL
    for (op, dtype), number in carried().items():
        rows = [row for row in RECORDED if (row.op, row.dtype) == (op, dtype)]
        assert max(row.of_result for row in rows) > ULPS
        assert number / 2 < max(1, *(row.looser for row in rows)) <= number
        assert all(record.kind == POINTWISE for record in OPS[op.partition("(")[0]])


def test_no_number_hides_a_wrong_formula():
    """Half of the digits are right; the reason of a number that takes more than a few is known."""
    for (op, dtype), number in carried().items():
        assert number * FORMATS[dtype].eps <= FORMATS[dtype].eps ** 0.5
        assert number <= 16 or op in accuracy.FORMULAS


def test_without_a_record_nothing_has_a_number():
    def spread():
        x = engine.tensor([0.3, 1.7], dtype=engine.float64)
        return [engine.polygamma(1, x).tolist() for _ in range(20)]

    for accurate, most in (({}, 1e-13), (carried(), 1e-8)):
        with precision.perturbed(0, accurate):
            found = np.array(spread())
            assert 0 < np.ptp(found) - np.ptp(found.mean(0)) < most


# --- Verdicts -------------------------------------------------------------------------------------------------------


def digamma(factor):
    """Off by a factor beside what torch is off by."""
    import torch

    return lambda x: torch.digamma(x) * factor


def shown(text, other):
    (found,) = Session(TORCH, [other]).examine(parse(text)).verdicts
    return [(item.aspect, item.tier) for item in found.discrepancies]


DIGAMMA = "x = torch.tensor([1.4616, 0.25, -1.75], dtype=torch.{})\ny = torch.digamma(x)"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_fault_beyond_the_number_is_found(dtype):
    eps = FORMATS[dtype].eps
    text = DIGAMMA.format(dtype)
    assert shown(text, candidate("faulty", digamma=digamma(1 + 3 * eps))) == []
    assert shown(text, candidate("faulty", digamma=digamma(1 + 200 * eps))) == [("values", "documented")]


@pytest.mark.parametrize(
    "text",
    [
        DIGAMMA.format("float32"),
        "x = torch.tensor([0.25, 3.0], dtype=torch.float64)\ny = x.polygamma(1)",
        "a = torch.tensor([0.5, 21.0], dtype=torch.float64)\ny = torch.igammac(a, a)",
        "x = torch.tensor([1.5, 2.5], dtype=torch.float64, requires_grad=True)\nx.digamma().sum().backward()",
    ],
)
def test_a_result_within_its_number_needs_no_perturbed_runs(monkeypatch, text):
    counts = []
    perturbed = Reruns.perturbed
    monkeypatch.setattr(
        Reruns, "perturbed", lambda self, path, n: counts.append(n) or perturbed(self, path, n)
    )
    assert shown(text, resolve("engine")) == []
    assert max(counts, default=0) == 0


def test_derivatives_have_the_number_of_the_function_within():
    text = "x = torch.tensor([0.3, 1.7], dtype=torch.float64, requires_grad=True)\ny = x.digamma() * 3\ny.sum().backward()\n"
    assert shown(text, resolve("engine")) == []


# --- The command ----------------------------------------------------------------------------------------------------


def test_the_command_writes_and_goes_on_with_a_record(capsys, tmp_path):
    record = tmp_path / "accuracy.toml"
    status, out, _ = here(capsys, "accuracy", "atan2", "hypot", "--backend", "engine", "--record", record)
    assert (status, out.splitlines()[-1]) == (0, f"recorded in {record}")
    first = load(record)
    assert [(row.op, row.dtype) for row in first] == [
        (op, dtype) for op in ("atan2", "hypot") for dtype in measuring.DTYPES
    ]
    before = record.read_bytes()
    assert here(capsys, "accuracy", "hypot", "--backend", "engine", "--record", record)[0] == 0
    assert record.read_bytes() == before
    assert here(capsys, "accuracy", "hypot", "--backend", "torch-cpu", "--record", record)[0] == 0
    assert [row for row in load(record) if row.backend == "engine"] == first


def test_the_command_says_what_is_further_off(capsys, monkeypatch):
    monkeypatch.setattr(TORCH.namespace, "hypot", lambda x, y: (x * x + y * y).sqrt() * (1 + 1e-5))
    status, out, _ = here(capsys, "accuracy", "hypot", "--backend", "torch-cpu")
    assert status == 1
    assert "further off than the record allows: hypot of float32 on torch-cpu, hypot of float64" in out


def test_numbers_are_of_the_least_accurate_backend():
    row = Measurement("erf", "float32", "a", "1", "line", 9, 0, 5.0, (1.0,), 2.0, 2.5, (1.0,))
    other = dataclasses.replace(row, backend="b", of_result=0.5, looser=0.5)
    assert accuracy.numbers([row, other]) == {("erf", "float32"): 4.0}
    assert accuracy.numbers([other]) == {}
    assert accuracy.numbers([dataclasses.replace(row, op="exp")]) == {}
