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
    assert chosen_values(statement.text, statement.calls) == (chosen, False)


@pytest.mark.parametrize(
    ("text", "chosen", "of_phase"),
    [
        ("q, r = torch.qr(a)", {"q", "r"}, True),
        ("x = a.qr(False)", {"x[0]", "x[1]"}, True),
        ("r = torch.qr(a)[1]", {"r"}, True),
        ("q = torch.qr(a)[0]", {"q"}, True),
        ("x = torch.qr(a)[0].sum()", {"x"}, False),
    ],
)
def test_magnitudes_of_orthogonal_and_triangular_factors_are_no_choice(
    text: str, chosen: set[str], of_phase: bool
) -> None:
    (statement,) = parse(text).statements
    assert chosen_values(statement.text, statement.calls) == (chosen, of_phase)


class Other:
    """torch with the signs (or, where `turned`, with the vectors) of QR chosen in another way."""

    def __init__(self, turned: bool) -> None:
        self.turned = turned

    def qr(self, a: object, *args: object) -> object:
        import torch

        q, r = torch.qr(a)
        return (r, q) if self.turned else (-q, -r)

    def __getattr__(self, name: str) -> object:
        import torch

        return getattr(torch, name)


FLIPPED, TURNED = Other(False), Other(True)


@pytest.mark.parametrize(("candidate", "differs"), [("FLIPPED", False), ("TURNED", True)])
def test_other_signs_of_qr_are_no_difference_and_other_magnitudes_are(candidate: str, differs: bool) -> None:
    program = parse("a = torch.tensor([[3.0, 1.0], [-1.0, 2.0]])\nq, r = torch.qr(a)\nx = q.sum()\n")
    session = open_session("torch-cpu", [f"{__name__}:{candidate}"])
    found = [d for d in session.examine(program).discrepancies if d.tier == "documented"]
    assert [d.aspect for d in found] == ["values"] * differs


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
