"""Singular vectors are compared through what is unique: not where they are chosen, but in everything made of them."""

from __future__ import annotations

import pytest

from conformance.session import open_session
from conformance.uniqueness import chosen_values
from strategies.program import parse


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("u, s, v = torch.svd(a)", {"u", "v"}),
        ("u, s, v = torch.linalg.svd(a, full_matrices=False)", {"u", "v"}),
        ("x = a.svd()", {"x[0]", "x[2]"}),
        ("s = torch.svd(a)[1]", set()),
        ("s = torch.svd(a).S", set()),
        ("u = torch.svd(a).U", {"u"}),
        ("x = torch.svd(a)[0].sum()", {"x"}),
        ("x = a.sum()", set()),
    ],
)
def test_which_names_are_a_matter_of_choice(text: str, chosen: set[str]) -> None:
    (statement,) = parse(text).statements
    assert chosen_values(statement.text, statement.calls) == chosen


def test_a_flipped_pair_of_singular_vectors_is_no_difference_and_what_follows_is_compared() -> None:
    program = parse(
        "a = torch.tensor([[3.0, 1.0], [1.0, 2.0], [0.0, 1.0]], dtype=torch.float64, requires_grad=True)\n"
        "u, s, v = torch.svd(a)\n"
        "b = u @ torch.diag(s) @ v.t()\n"
        "s.sum().backward(retain_graph=True)\n"
        "c = (u * u).sum() + (v[0] * v[0]).sum()\n"
        "c.backward()\n"
    )
    session = open_session("torch-cpu", ["engine"])
    examined = session.examine(program)
    assert [d for d in examined.discrepancies if d.tier == "documented"] == []
    assert all(step.raised is None for step in examined.reference)
