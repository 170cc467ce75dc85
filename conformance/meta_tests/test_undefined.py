"""Memory without defined values is not compared, whichever backends are."""

import pytest
import torch

from conformance.backends import resolve
from conformance.meta_tests.faulty_torch import candidate
from conformance.session import Session

TORCH = resolve("torch-cpu")


def shown(text, **replaced):
    session = Session(TORCH, [candidate("other", **replaced)])
    return [(item.aspect, item.statement_text) for item in session.show(text)]


@pytest.mark.parametrize(
    "text",
    [
        "x = torch.empty(3)",
        "x = torch.empty(3)\ny = x.view(1, 3)\nz = torch.stack([x, x])",
        "x = torch.empty(3, dtype=torch.int64)\na = x.numpy()\nb = a + 1",
        "with torch.no_grad():\n    x = torch.empty(2, 2)\n    y = [x, x]",
        "x = torch.empty(2)\nx[torch.tensor([False, False])] = torch.zeros(0)",
        "x = torch.empty(2, 2)\nx.abs_()\nx.tril_()\nx.nan_to_num_()\nx.conj_physical_()",
    ],
)
def test_memory_that_nothing_was_written_to_is_not_compared(text):
    assert shown(text, empty=torch.ones) == []


def test_what_is_written_there_is_compared():
    text = "x = torch.empty(3)\ntorch.add(x, 1, out=x)\nx[1] = 2\nx[1] = torch.ones(())"
    assert shown(text, ones=lambda *sizes: torch.zeros(*sizes)) == [("values", "x[1] = torch.ones(())")]


def test_torch_agrees_with_itself():
    text = "x = torch.empty(5)\ny = torch.Tensor(4)\nz = torch.empty_like(y)\nx.resize_(9)\na = z.exp()"
    assert Session(TORCH, [resolve("torch-cpu")]).show(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "a = torch.arange(15.0).reshape(5, 3)\nb = a.numpy()\nc = a.diagonal()\na -= c",
        "x = torch.empty(2, 3).t()\nn = x.numpy()\nm = n[:, 0]\nk = m[::-1]",
    ],
)
def test_nor_is_it_where_arrays_show_it(text):
    assert Session(TORCH, [resolve("engine")]).show(text) == []
