"""The other forms of drawn programs: programs of the language, really different, and as meaningful as what they come from."""

from __future__ import annotations

import numpy
import pytest

import engine
from engine.registry import OPS, Op
from strategies.program import Program, parse
from strategies.programs import PROFILES, draw_block
from strategies.variants import _SIBLINGS, FORMS, Form, forms, other_form


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = torch.tensor([[1.0, -2.0], [nan, 4.0]])", "x = torch.tensor([[4.0, nan], [-2.0, 1.0]])"),
        (
            "x = torch.tensor([1-1j, 2+0j], dtype=torch.complex64)",
            "x = torch.tensor([2+0j, 1-1j], dtype=torch.complex128)",
        ),
        ("x = torch.ones(2, dtype=torch.float64)", "x = torch.ones(2, dtype=torch.float32)"),
        ("x = torch.ones(2, dtype=torch.int32)", "x = torch.ones(2, dtype=torch.int32)"),
        ("torch.manual_seed(7)", "torch.manual_seed(8)"),
        ("y = torch.sin(x)", "y = x.sin()"),
        ("y = x.add(x, alpha=2)", "y = torch.add(x, x, alpha=2)"),
        ("y = a1.t().sum()", "y = torch.t(a1).sum()"),
        ("y = torch.sum(torch.abs(x))", "y = torch.sum(x.abs())"),
        ("    x.sum().backward()", "    torch.sum(x).backward()"),
        ("y = x.permute(0, 1)", "y = x.permute(0, 1)"),  # bare ints stand for a list behind a dot only
        ("y = x.add_(1)", "y = x.add_(1)"),
        ("torch.sin(x, out=y)", "torch.sin(x, out=y)"),
        ("y = x.grad.clone()", "y = x.grad.clone()"),
        ("n = np.zeros(3, dtype=np.float32)", "n = np.zeros(3, dtype=np.float64)"),
    ],
)
def test_a_line_has_this_other_form(text: str, expected: str) -> None:
    assert other_form(text).split("\n") == ["torch.set_default_dtype(torch.float64)", expected]


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_a_drawn_program_is_followed_by_its_other_forms(profile: str) -> None:
    texts = draw_block(5, 0, profile, 30)
    assert len(texts) == len(set(texts)) == 30
    left = texts
    while left:
        expected = forms(left[0])
        assert left[: len(expected)] == expected[: len(left)]
        left = left[len(expected) :]
    assert draw_block(5, 0, profile, 29) == texts[:29]


@pytest.mark.parametrize("form", FORMS)
def test_other_forms_raise_seldom_more_often_and_differ_in_more_than_a_line(form: Form) -> None:
    drawn = [text for text in draw_block(6, 0, "default", 400) if not text.startswith(_DEFAULT)][:80]
    drawn = [text for text in drawn if any(other_form(text, form) == one for one in forms(text))]
    other = [other_form(text, form) for text in drawn]
    most = (
        3 if form.real else 1.5
    )  # NumPy has no bfloat16, and there is less linear algebra for 16-bit floats
    assert sum(map(_raising, other)) <= most * sum(map(_raising, drawn)) + 5
    lines = [text.split("\n")[bool(form.default) :] for text in other]
    assert sum(text.split("\n") == changed for text, changed in zip(drawn, lines)) < len(drawn) // 7


_DEFAULT = "torch.set_default_dtype("


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = torch.tensor([[1, 2], [3, 4]])", "x = torch.tensor([[2, 3], [4, 1]])"),
        ("x = torch.ones(2, dtype=torch.int32)", "x = torch.ones(2, dtype=torch.int64)"),
        ("x = torch.ones(2, dtype=torch.uint8)", "x = torch.ones(2, dtype=torch.uint8)"),
        ("x = torch.ones(2, dtype=torch.float16)", "x = torch.ones(2, dtype=torch.float16)"),
        ("x = torch.tensor([])", "x = torch.tensor([])"),
        ("torch.manual_seed(7)", "torch.manual_seed(9)"),
    ],
)
def test_a_line_has_this_form_with_other_integers(text: str, expected: str) -> None:
    assert other_form(text, FORMS[1]) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = torch.tensor([1.0, 2.0, 3.0])", "x = torch.tensor([3.0, 1.0, 2.0])"),
        ("x = torch.ones(2, dtype=torch.float32)", "x = torch.ones(2, dtype=torch.bfloat16)"),
        ("x = torch.ones(2, dtype=torch.bfloat16)", "x = torch.ones(2, dtype=torch.float32)"),
        ("x = torch.ones(2, dtype=torch.float64)", "x = torch.ones(2, dtype=torch.float16)"),
        ("n = np.zeros(3, dtype=np.float64)", "n = np.zeros(3, dtype=np.float16)"),
        ("n = np.zeros(3, dtype=np.float32)", "n = np.zeros(3, dtype=np.float32)"),  # NumPy has no bfloat16
        ("y = torch.sin(x)", "y = x.sin()"),
    ],
)
def test_a_line_has_this_form_with_short_floats(text: str, expected: str) -> None:
    assert other_form(text, FORMS[2]).split("\n") == ["torch.set_default_dtype(torch.bfloat16)", expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = torch.tensor([1.0, -2.0, nan, inf])", "x = torch.tensor([nan, 2.0, -1.0, -inf])"),
        ("x = torch.tensor([[1, 2], [3, 4]])", "x = torch.tensor([[3, 2], [1, 4]])"),
        ("x = torch.tensor([1-1j, -0.5j])", "x = torch.tensor([1-1j, -0.5j])"),
        ("x = torch.tensor([True, False])", "x = torch.tensor([True, False])"),
        ("y = x * 1.5", "y = x * 1.5"),
        ("y = torch.sin(x)", "y = torch.sin(x)"),
    ],
)
def test_a_line_has_this_form_with_other_signs(text: str, expected: str) -> None:
    assert other_form(text, FORMS[3]) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("y = torch.sin(x)", "y = torch.cos(x)"),
        ("x.log1p_()", "x.log_()"),
        ("y = torch.sum(x.exp())", "y = torch.sum(x.expm1())"),
        ("y = torch.var_mean(x, 0)", "y = torch.std_mean(x, 0)"),
        ("torch.maximum(x, y, out=z)", "torch.minimum(x, y, out=z)"),
        ("n = np.sin(m)", "n = np.sin(m)"),
        ("y = torch.fft.fft(x)", "y = torch.fft.fft(x)"),
        ("y = torch.logspace(0, 1, 3)", "y = torch.logspace(0, 1, 3)"),
        ("x = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])", "x = torch.tensor([4.0, 5.0, 1.0, 2.0, 3.0])"),
    ],
)
def test_a_line_has_this_form_with_other_operations(text: str, expected: str) -> None:
    assert other_form(text, FORMS[4]) == expected


@pytest.mark.parametrize("pair", _SIBLINGS)
def test_operations_that_trade_places_take_the_same_arguments(pair: str) -> None:
    first, second = ([_interface(op) for op in OPS[name]] for name in pair.split())
    assert first == second


def _interface(op: Op) -> tuple[tuple[str, ...], frozenset[str], int]:
    return tuple(map(str, op.signature.parameters)), op.forms, len(op.signature.outputs)


def test_programs_with_complex_numbers_have_no_form_with_short_floats() -> None:
    assert len(forms("x = torch.ones(2)\n")) == 3  # it has no integers and no literal
    for text in (
        "x = torch.tensor([1j])\n",
        "x = torch.ones(2, dtype=torch.complex64)\n",
        "x = torch.complex(y, y)\n",
    ):
        assert not any("bfloat16" in form for form in forms(text))


def _raising(text: str) -> int:
    """How many top-level statements raise on the engine."""
    program: Program = parse(text)
    raising = 0
    default = engine.get_default_dtype()
    names = {"torch": engine, "np": numpy, "nan": float("nan"), "inf": float("inf")}
    try:
        for statement in program.statements:
            try:
                exec(compile(statement.text, "<program>", "exec"), names)
            except Exception:  # mistakes are part of programs
                raising += 1
    finally:
        engine.set_default_dtype(default)
    return raising
