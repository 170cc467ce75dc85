"""No false alarm where nothing is wrong but the rounding."""

import pytest
import torch

from conformance.backends import resolve
from conformance.honest import perturbed_engine, torch_with_two_threads
from conformance.ledger import load
from conformance.runner import Run
from conformance.session import Session
from strategies.program import ProgramError, parse
from strategies.programs import PROFILES, draw_block

TORCH = resolve("torch-cpu")


def examined(text, other, follow):
    (verdict,) = Session(TORCH, [other], follow=follow, ledger=load()).examine(parse(text)).verdicts
    return verdict


@pytest.mark.parametrize("profile", PROFILES)
def test_an_engine_that_rounds_at_random_shows_nothing(profile):
    session = Session(TORCH, [perturbed_engine()], follow=False, ledger=load())
    for text in draw_block(5, 0, profile, 40):
        try:
            found = session.examine(parse(text)).discrepancies
        except ProgramError:
            continue
        assert [
            item for item in found if item.tier == "documented" and not session.ledger.explain(item)
        ] == [], text


def test_it_does_round_at_random():
    other = perturbed_engine()
    program = parse("x = torch.linspace(0, 1, 100)\ny = torch.exp(x)")
    bits = []
    for backend in (resolve("engine"), other, other):
        with Run(program, backend) as run:
            bits.append(tuple(run)[-1].names["y"].values)
    assert bits[0] != bits[1] == bits[2]


UNDEFINED = {
    "a mask of fresh memory": "x = torch.empty_strided((1, 2), (3, 0))\ny = x[x > 0]",
    "a mask of what no integer holds": "x = torch.arange(4.0)\ny = x[(x - 600).to(torch.uint8)]",
    "places": "x = torch.tensor([nan, 1e30, 1.0])\ny = x[x.to(torch.int8).nonzero()]",
    "a divisor that is written": "a = torch.ones(4, 4, dtype=torch.int8).t()\na.fmod_(a[:1, :])",
    "a number": "x = torch.tensor([1e30]).to(torch.int64).sum().item()",
}


@pytest.mark.parametrize("follow", [True, False], ids=["following", "free"])
@pytest.mark.parametrize("name", UNDEFINED)
def test_what_depends_on_undefined_elements_shows_nothing(name, follow):
    for other in (perturbed_engine(), resolve("engine")):
        assert examined(UNDEFINED[name], other, follow).discrepancies == ()


LARGE = {
    "sum": "x = torch.rand(300000)\ny = x.sum()",
    "sum of rows": "x = torch.rand(5, 70000)\ny = x.sum(1)",
    "mean and var": "x = torch.randn(400, 500)\ny = x.mean()\nz = x.var()\nw = x.std(0)",
    "norm": "x = torch.randn(200000)\ny = x.norm()\nz = torch.norm(x, 3)",
    "product": "x = torch.rand(100000) * 0.001 + 1\ny = x.prod()",
    "matmul": "x = torch.randn(300, 400)\ny = x @ x.t()",
    "softmax": "x = torch.randn(3, 70000)\ny = torch.softmax(x, 1)\nz = torch.logsumexp(x, 1)",
    "cumsum": "x = torch.randn(2, 70000)\ny = x.cumsum(1)",
    "half": "x = torch.randn(300, 300).half()\ny = x.sum()\nz = x @ x",
    "backward": "x = torch.randn(300, 300, requires_grad=True)\ny = (x @ x).tanh().sum()\ny.backward()",
    "index_add": "x = torch.zeros(10)\ni = torch.arange(100000) % 10\ny = x.index_add(0, i, torch.rand(100000))",
    "sort": "x = torch.randn(100000)\ny = x.sort()\nz = x.argmax()",
}


@pytest.mark.parametrize("name", LARGE)
def test_two_threads_show_nothing(name):
    assert (
        examined(f"torch.manual_seed(1)\n{LARGE[name]}", torch_with_two_threads(), True).discrepancies == ()
    )
    assert torch.get_num_threads() == 1


def test_they_add_up_in_another_order():
    program, bits = parse(f"torch.manual_seed(1)\n{LARGE['sum']}"), []
    for backend in (TORCH, torch_with_two_threads()):
        with Run(program, backend) as run:
            bits.append(tuple(run)[-1].names["y"].values)
    assert bits[0] != bits[1]
