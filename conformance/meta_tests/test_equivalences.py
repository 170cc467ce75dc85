"""The forms in which a backend is compared with itself: what they run, and that each finds a fault planted in it."""

from __future__ import annotations

import pytest

import engine
from conformance.backends import Backend, BackendError, resolve
from conformance.equivalences import FORMS, forms_of
from conformance.ledger import Ledger
from conformance.runner import Run
from conformance.session import Session
from strategies.program import parse
from strategies.programs import draw_block

CALL = "x = torch.tensor([[1.0, -2.0], [3.0, 0.5]])\n{}\n"


def run_as(form: str, text: str) -> str:
    """What a form runs for the last statement of a program."""
    backend, program = resolve("engine"), parse(text)
    with Run(program, backend) as run:
        return list(FORMS[form](program, tuple(run)).walk())[-1].text


@pytest.mark.parametrize(
    ("form", "call", "wanted"),
    [
        ("method", "y = torch.add(x, x, alpha=2)", "y = x.add(x, alpha=2)"),
        ("method", "y = x.add(x).sum(0)", "y = torch.sum(torch.add(x, x), 0)"),
        ("method", "y = 2 - x", "y = torch.sub(2, x)"),
        ("method", "x *= x", "x = x.mul_(x)"),
        ("method", "y = torch.where(x > 0, x, x)", "y = torch.where(x.gt(0), x, x)"),
        ("method", "y = x.permute(1, 0)", "y = x.permute(1, 0)"),
        ("method", "y = torch.permute(x, (1, 0))", "y = x.permute((1, 0))"),
        (
            "method",
            "y = torch.func.jvp(lambda u: torch.exp(u), (x,), (torch.neg(x),))[1]",
            "y = torch.func.jvp(lambda u: torch.exp(u), (x,), (x.neg(),))[1]",
        ),
        (
            "method",
            "y = torch.func.jacrev(lambda u: torch.exp(u))(torch.neg(x))",
            "y = torch.func.jacrev(lambda u: torch.exp(u))(x.neg())",
        ),
        ("out", "y = torch.vmap(lambda u: u * 2)(x)", "y = torch.vmap(lambda u: u * 2)(x)"),
        ("operator", "y = torch.mul(x, x.neg())", "y = x * -x"),
        ("operator", "y = x <= 1", "y = torch.le(x, 1)"),
        ("operator", "y = torch.exp(x)", "y = torch.exp(x)"),
        ("in-place", "y = torch.sum(x, 0)", "y = torch.sum(x, 0)"),
        ("in-place", "y = x > 0", "y = x > 0"),
        ("out", "y = torch.sum(x)", "y = torch.sum(x)"),
        ("out", "y = x.t()", "y = x.t()"),
        ("contiguous", "y = x.exp()", "y = x.exp()"),
        ("strided", "y = x.view(4)", "y = x.view(4)"),
        ("no_grad", "y = x.exp()", "y = x.exp()"),
        ("no_grad", "y = x.requires_grad_()\nz = y * 2", "with torch.no_grad():\n    z = y * 2"),
        ("no-leaf", "y = torch.ones(2, requires_grad=True)", "y = torch.ones(2)"),
    ],
)
def test_a_statement_in_another_form(form: str, call: str, wanted: str) -> None:
    assert run_as(form, CALL.format(call)) == wanted


@pytest.mark.parametrize(
    ("form", "line"),
    [
        ("in-place", "_o = _o.exp_()"),
        ("in-place-strided", "_o = torch.empty_strided((2, 2), (4, 2), dtype=torch.float32).copy_(x)"),
        ("out", "_o = torch.exp(x, out=_o)"),
        ("out-strided", "_o = torch.exp(x, out=_o)"),
        ("out-itself", "_o = torch.exp(_o, out=_o)"),
        ("out-shifted", "    _o = torch.exp(_x, out=_o)"),
        ("strided", "_o = torch.empty_strided((2, 2), (4, 2), dtype=torch.float32).copy_(x).exp()"),
    ],
)
def test_a_result_that_is_written_elsewhere_gets_its_own_layout(form: str, line: str) -> None:
    lines = run_as(form, CALL.format("y = x.exp()")).split("\n")
    assert line in lines
    assert "y = torch.empty_strided((2, 2), (2, 1), dtype=torch.float32).copy_(_o)" in lines


def test_operands_that_are_not_contiguous_become_so() -> None:
    text = run_as("contiguous", CALL.format("y = x.t()") + "z = y + 1\n")
    assert "_o = y.clone(memory_format=torch.contiguous_format) + 1" in text.split("\n")


# --- Faults ---------------------------------------------------------------------------------------------------------


class Faulty:
    """The engine's names with another `exp`, whose results are off where a call is of one form."""

    def __init__(self, off: str) -> None:
        self.off = off

    def __getattr__(self, name: str) -> object:
        return getattr(engine, name)

    def exp(self, x, out=None):
        wrong = {
            "nowhere": False,
            "function": True,
            "out": out is not None,
            "strided": not x.is_contiguous(),
            "recorded": x.requires_grad and engine.is_grad_enabled(),
        }[self.off]
        result = engine.exp(x, out=out) if out is not None else engine.exp(x)
        with engine.no_grad():
            result.data.mul_(1.001 if wrong else 1)
        return result


def found_by(off: str, form: str, text: str) -> list[tuple[str, str]]:
    base = Backend("faulty", Faulty(off), "1")
    other = Backend(
        f"faulty/{form}", base.namespace, "1", FORMS[form].capabilities(base.capabilities), form=FORMS[form]
    )
    session = Session(base, [other], ledger=Ledger())
    return [(one.aspect, one.tier) for one in session.examine(parse(text)).discrepancies]


TEXTS = {
    "contiguous": CALL.format("x = x.t()\ny = torch.exp(x)"),
    "recorded": "x = torch.ones(2, requires_grad=True)\ny = torch.exp(x)\n",
}


@pytest.mark.parametrize(
    ("off", "form"),
    [
        ("function", "method"),
        ("function", "in-place"),
        ("function", "in-place-strided"),
        ("out", "out"),
        ("out", "out-strided"),
        ("out", "out-itself"),
        ("strided", "strided"),
        ("strided", "contiguous"),
        ("recorded", "no_grad"),
        ("recorded", "no-leaf"),
    ],
)
def test_a_fault_of_one_form_is_found(off: str, form: str) -> None:
    text = TEXTS.get(form, TEXTS["recorded"] if off == "recorded" else CALL.format("y = torch.exp(x)"))
    assert [tier for _, tier in found_by(off, form, text)] == ["documented"]


@pytest.mark.parametrize("form", FORMS)
def test_without_a_fault_nothing_is_found(form: str) -> None:
    for text in (*TEXTS.values(), CALL.format("y = torch.exp(x)")):
        assert not found_by("nowhere", form, text)


def test_forms_that_write_over_their_operand_are_compared_where_they_are_not_refused() -> None:
    """A sum may be told to write where its operand is: torch does not refuse it, and reads what it has written."""
    session = Session(resolve("torch-cpu"), [resolve("torch-cpu/out-shifted")], ledger=Ledger())
    text = "x = torch.tensor([[-2], [2], [2]])\ny = torch.sum(x, -1, True)\n"
    assert [(one.aspect, one.op) for one in session.show(text)] == [("values", "sum")]
    assert not session.show("x = torch.tensor([1.0, 2.0])\ny = torch.exp(x)\n")


def test_every_form_of_a_backend_is_a_candidate() -> None:
    assert [resolve(name).name for name in forms_of("engine")] == [f"engine/{name}" for name in FORMS]
    with pytest.raises(BackendError, match="unknown form 'inside-out'"):
        resolve("engine/inside-out")


@pytest.mark.parametrize("profile", ["default", "autograd"])
def test_what_is_drawn_has_every_form_or_stays(profile: str) -> None:
    backend = resolve("engine")
    for text in draw_block(4, 0, profile, 40):
        program = parse(text)
        with Run(program, backend) as run:
            steps = tuple(run)
        for form in FORMS.values():
            assert len(form(program, steps).statements) == len(program.statements)
