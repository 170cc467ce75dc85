"""What drawn programs reach: kinds of statements, spellings, entries of the catalogue, backward, mistakes."""

from __future__ import annotations

import functools
import hashlib
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import engine
from engine.ops import creation
from strategies import catalogue
from strategies.drawing import Drawing, Expression, Line
from strategies.profiles import DEFAULT, PROFILES
from strategies.program import Prelude, Program, Statement, parse
from strategies.programs import _clean_state, draw_text
from strategies.scope import Unavailable
from strategies.statements.blocks import draw_loop
from strategies.statements.calls import call_of, draw_entry
from strategies.statements.mistakes import TABLE
from strategies.variants import forms

_PROGRAMS = 600


def stream(label: str) -> Callable[[], bytes]:
    """Blocks of bytes from a hash: what Hypothesis would draw, without it."""
    data = hashlib.shake_256(label.encode()).digest(48 * 400)
    blocks = iter([data[i : i + 48] for i in range(0, len(data), 48)])
    return lambda: next(blocks)


@functools.cache
def drawn() -> tuple[Program, ...]:
    """Programs of the default profile."""
    return tuple(parse(draw_text(stream(f"reach {i}"), DEFAULT)) for i in range(_PROGRAMS))


@functools.cache
def heads() -> str:
    """All statements of the drawn programs, one a line."""
    return "\n".join(s.head for program in drawn() for s in program.walk())


def run(program: Program) -> list[tuple[Statement, Exception | None]]:
    """Execute a program on the engine as the runner does."""
    names: dict[str, Any] = {
        "torch": engine, "np": np, "nan": float("nan"), "inf": float("inf"), "range": range, "prelude": Prelude(engine),
    }  # fmt: skip
    log: list[tuple[Statement, Exception | None]] = []

    def block(statements: tuple[Statement, ...]) -> bool:
        for s in statements:
            try:
                if s.kind == "with":
                    with eval(s.code, names):
                        block(s.body)
                elif s.kind == "for":
                    for _ in range(s.count):
                        if not block(s.body):
                            break
                else:
                    exec(s.code, names)
            except Exception as error:
                log.append((s, error))
                if statements is not program.statements:
                    return False
            else:
                log.append((s, None))
        return True

    with _clean_state(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        block(program.statements)
    return log


@functools.cache
def logs() -> tuple[list[tuple[Statement, Exception | None]], ...]:
    """What the drawn programs do."""
    return tuple(map(run, drawn()))


def test_programs_are_long_enough() -> None:
    """Those of a campaign, which holds each in all its forms."""
    lengths = [[len(list(parse(form).walk())) for form in forms(program.text)] for program in drawn()]
    every = [length for of_forms in lengths for length in of_forms]
    assert sum(every) / len(every) >= 8
    assert min(every) >= 3


def test_about_one_statement_in_ten_raises_at_most() -> None:
    outcomes = [error for log in logs() for _, error in log]
    raised = sum(error is not None for error in outcomes)
    assert 0.02 < raised / len(outcomes) < 0.12


def test_half_of_the_programs_have_a_backward_that_succeeds() -> None:
    def succeeds(log: list[tuple[Statement, Exception | None]]) -> bool:
        return any(error is None and {"backward", "autograd.backward"} & set(s.calls) for s, error in log)

    assert sum(map(succeeds, logs())) > _PROGRAMS / 2


def test_no_name_is_read_before_it_is_bound_but_by_mistake() -> None:
    unbound = sum(isinstance(error, NameError) for log in logs() for _, error in log)
    assert unbound <= _PROGRAMS / 50


def test_undefined_elements_decide_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No shape, error or plain value follows from elements that torch leaves undefined."""
    undefined = creation.undefined

    def garbage(*args: Any) -> Any:
        tensor = undefined(*args)
        tensor._storage.buffer[...] = 1
        return tensor

    programs = [p for p in drawn() if "torch.empty" in str(p)]
    assert len(programs) > 10
    before = [_outcome(p) for p in programs]
    monkeypatch.setattr(creation, "undefined", garbage)
    assert [_outcome(p) for p in programs] == before


def _outcome(program: Program) -> list[tuple[str, str]]:
    return [(s.head, type(error).__name__) for s, error in run(program)]


@pytest.mark.parametrize("kind", ["assign", "augassign", "setitem", "setattr", "del", "call", "with", "for"])
def test_each_kind_of_statement_is_reached(kind: str) -> None:
    assert sum(s.kind == kind for program in drawn() for s in program.walk()) >= 5


SPELLINGS = {
    "function": r"= torch\.\w+\(",
    "method": r"= \w+\.\w+\(",
    "in-place method": r"^\w+\.\w+_\(",
    "in-place function": r"torch\.\w+_\(",
    "out=": r", out=",
    "out= a live tensor": r", out=\w+\)$",
    "operator": r"= \w+ [-+*/@&|^]|= \w+ (//|%|\*\*) ",
    "reflected operator": r"= -?\d[\d.]* [-+*/] \w",
    "comparison": r" (<|>|<=|>=|==|!=) ",
    "unary operator": r"= [-~]\w+$",
    "augmented assignment": r"^\w+ [-+*/]= ",
    "keyword arguments": r"\((\w+, )*\w+=",
    "dim": r"dim=",
    "keepdim": r"keepdim=|, (True|False)\)",
    "dtype=": r"dtype=torch\.float64",
    "tuple unpacking": r"^\w+, \w+ = ",
    "rebinding": r"^(\w+) = torch\.\w+\(\1[,)]|^(\w+) = \2\.",
    "bare sizes": r"\.view\(-?\d+, ",
    "sizes in a tuple": r"\.(view|reshape|expand)\(\(",
}
THINGS = {
    "literal": r"torch\.tensor\(\[",
    "seeded random numbers": r"torch\.manual_seed\(\d+\)",
    "range": r"torch\.(arange|linspace)\(",
    "undefined elements": r"torch\.empty|Tensor\(\d",
    "special values": r"\b(inf|nan)\b",
    "signed zero": r"-0\.0\b",
    "extremes": r"e\+38|65504|2147483647|e-45|9223372036854775807|127\b",
    "complex": r"\dj\b",
    "transposed operand": r"\.t\(\)",
    "expanded operand": r"\.expand\(",
    "as_strided": r"as_strided\(",
    "basic index": r"= \w+\[-?\d+\]",
    "slice with step": r"::2",
    "ellipsis": r"\[\.\.\.",
    "None index": r"None",
    "list index": r"\[\[",
    "mask index": r"dtype=torch\.bool\)\]|\w+\[\w+ > ",
    "write of a number": r"\] = -?\d",
    "write of a tensor": r"\] = \w+$",
    "augmented write": r"\] [-+*]= ",
    "requires_grad at creation": r"requires_grad=True",
    "requires_grad_": r"\.requires_grad_\(",
    "requires_grad attribute": r"\.requires_grad = ",
    "detach": r"\.detach\(\)",
    "detach_": r"\.detach_\(\)",
    ".data": r"\.data\b",
    "clone": r"clone\(",
    "retain_grad": r"\.retain_grad\(\)",
    "gradient": r"\.backward\((gradient=)?\w+",
    "retain_graph": r"retain_graph=True",
    "create_graph": r"create_graph=True",
    "autograd.backward": r"torch\.autograd\.backward\(",
    "autograd.grad": r"torch\.autograd\.grad\(",
    "allow_unused": r"allow_unused=True",
    "grad cleared": r"\.grad = None",
    "grad zeroed": r"\.grad(\.data)?\.zero_\(\)",
    "grad replaced": r"\.grad = torch\.zeros_like",
    "hook": r"\.register_hook\(lambda",
    "hook removed": r"\.remove\(\)",
    "no_grad": r"with torch\.no_grad\(\):",
    "enable_grad": r"with torch\.enable_grad\(\):",
    "set_grad_enabled": r"with torch\.set_grad_enabled\(",
    "inference_mode": r"with torch\.inference_mode\(",
    "loop": r"for _ in range\(\d\):",
    "numpy()": r"\.numpy\(\)",
    "from_numpy": r"torch\.from_numpy\(",
    "array": r"np\.(array|zeros|arange)\(",
    "conversion": r"\.to\(torch\.",
    "plain value": r"\.(item|tolist|dim|numel|stride)\(",
}


@pytest.mark.parametrize("what", [*SPELLINGS, *THINGS])
def test_programs_hold(what: str) -> None:
    assert re.search({**SPELLINGS, **THINGS}[what], heads(), re.MULTILINE)


ERRORS = {
    "no gradient": "grad can be implicitly created only for scalar outputs",
    "no history": "does not require grad and does not have a grad_fn",
    "backward twice": "Trying to backward through the graph a second time",
    "leaf written": "a leaf Variable that requires grad is being used in an in-place operation",
    "view of a leaf written": "a view of a leaf Variable that requires grad",
    "saved tensor changed": "has been modified by an inplace operation",
    "wrong gradient": "Mismatch in shape: grad_output",
    "numpy of grad": r"Can't call numpy\(\) on Tensor that requires grad",
    "out= with grad": "functions with out=... arguments don't support automatic differentiation",
    "flag of a non-leaf": "you can only change requires_grad flags of leaf variables",
    "impossible view": "view size is not compatible",
    "integers with grad": "of floating point",
    "broadcast": "must match the size of tensor b",
    "index": "out of bounds|out of range",
    "cast": "can't be cast to the desired output type",
    "argument types": "must be|received an invalid combination",
}


@pytest.mark.parametrize("what", ERRORS)
def test_mistakes_of_each_kind_are_made(what: str) -> None:
    assert any(re.search(ERRORS[what], text) for text in _errors())


@functools.cache
def _errors() -> tuple[str, ...]:
    extra = [parse(draw_text(stream(f"mistakes {i}"), PROFILES["mistakes"])) for i in range(150)]
    found = [str(error) for log in (*logs(), *map(run, extra)) for _, error in log if error is not None]
    return tuple(found)


@pytest.mark.parametrize("mistake", [m for m, _ in TABLE], ids=lambda m: m.__name__)
def test_each_mistake_can_be_drawn(mistake: Callable[[Drawing], Expression | Line]) -> None:
    for i in range(60):
        with _clean_state():
            drawing = _prepared(f"mistake {i}")
            drawing.mistake = True
            try:
                written = drawing.write(mistake(drawing))
            except Unavailable:
                continue
        if written:
            parse("".join(f"{line}\n" for line in drawing.lines))
            return
    raise AssertionError("never drawn")


def _prepared(label: str) -> Drawing:
    drawing = Drawing(stream(label), DEFAULT)
    drawing.turn()
    for text in (
        "torch.tensor([[1.0, -2.0], [3.0, 0.5]], requires_grad=True)", "torch.ones(2, 3)", "torch.arange(6).view(2, 3)",
        "a * 2", "torch.tensor([True, False])", "torch.tensor(2.0)",
        "torch.tensor([1.0, 0.5, -2.0])",
    ):  # fmt: skip
        drawing.define(text)
    return drawing


def _attempts(entry: catalogue.Entry) -> tuple[int, list[str]]:
    """How many of some draws of an entry succeed, and what the others say."""
    good, errors = 0, []
    for i in range(24):
        with _clean_state():
            drawing = _prepared(f"{entry.label} {i}")
            drawing.scope.seeded = True
            try:
                call = call_of(drawing, entry)
            except Unavailable:
                errors.append("unavailable")
                continue
            if drawing.write(call):
                good += 1
                parse("".join(f"{line}\n" for line in drawing.lines))
            else:
                errors.append(call.text)
    return good, errors


# Their memory is elsewhere, or their result is float64 and so is in place only for one dtype.
_HARD = {"cuda": 0, "float_power_": 0}


@pytest.mark.parametrize("entry", catalogue.ENTRIES, ids=lambda e: e.label[:60])
def test_each_entry_of_the_catalogue_succeeds(entry: catalogue.Entry) -> None:
    good, errors = _attempts(entry)
    assert good >= _HARD.get(entry.name, 4), errors[:4]


def test_names_that_later_rounds_of_a_loop_bind_again_are_filed_by_what_they_hold() -> None:
    drawing = _prepared("loop")

    def step(loop: Drawing) -> None:
        loop.write(Line("a = a.grad", ("a",)))

    drawing.scope["a"].sum().backward()
    assert draw_loop(drawing, step)
    assert drawing.scope.others == ["a"]
    assert drawing.scope.tensors == ["b", "c", "d", "e", "f", "g"]


def test_all_profiles_draw_programs() -> None:
    for profile in PROFILES.values():
        texts = [draw_text(stream(f"{profile.name} {i}"), profile) for i in range(25)]
        assert all(parse(text).statements for text in texts)
        assert len(set(texts)) == 25


def test_the_exact_profile_calls_only_exact_operations() -> None:
    drawing = Drawing(stream("exact"), PROFILES["exact"])
    for _ in range(300):
        drawing.turn()
        try:
            assert draw_entry(drawing).op.exact
        except Unavailable:
            continue


@functools.cache
def differentiating() -> tuple[Program, ...]:
    """Programs of the autograd profile."""
    return tuple(parse(draw_text(stream(f"derivatives {i}"), PROFILES["autograd"])) for i in range(800))


@pytest.mark.parametrize(
    "pattern",
    [
        r"autograd\.functional\.jacobian\(lambda", r"autograd\.functional\.hessian\(lambda",
        r"autograd\.functional\.(vjp|jvp)\(", r"autograd\.functional\.(vhp|hvp)\(", "create_graph=True", "strict=True",
        "strategy='forward-mode'", r"torch\.func\.grad\(lambda", r"torch\.func\.jac(rev|fwd)\(", r"torch\.func\.vjp\(.*\[1\]\(",
        r"torch\.func\.jvp\(", r"vmap\(lambda", r"vmap\(torch\.func\.grad\(", r"argnums=", r"gradcheck\(", "make_dual",
        r"unpack_dual\(\w+\)\.tangent", r"with torch\.autograd\.forward_ad\.dual_level\(\):",
    ],
)  # fmt: skip
def test_derivatives_of_functions_are_drawn(pattern: str) -> None:
    text = "\n".join(s.head for program in differentiating() for s in program.walk())
    assert re.search(pattern, text)


def test_blocks_of_dual_numbers_compute_with_them() -> None:
    """More than half of the blocks make a dual tensor and go on with it."""
    found = computed = 0
    for program in differentiating():
        for statement in program.walk():
            if statement.kind == "with" and "dual_level" in statement.head:
                found += 1
                made = [s for s in statement.walk() if "make_dual" in s.head]
                computed += len(statement.body) > 2 and bool(made)
    assert found > 40
    assert computed > found / 2


@pytest.mark.parametrize(
    "pattern",
    [
        r"\.set_\(\w", r"\.data = \w+\.detach\(\)", r"\.as_strided_\(", r"prelude\.double_\(", r"\.copy_\(\w\)",
        r"with torch\.inference_mode\(\):\n +\w+ = \w+\.(view|narrow|unbind|t)\(", r"with torch\.no_grad\(\):\n +\w+\.mul_\(",
        r"torch\.neg\(\w+, out=\w+\)", r"\(\w+ \* \w+\)\.sum\(\)\.backward\(\)",
    ],
)  # fmt: skip
def test_families_on_the_same_memory_are_viewed_written_and_differentiated(pattern: str) -> None:
    assert re.search(pattern, families_of_views())


@functools.cache
def families_of_views() -> str:
    return "\n".join(draw_text(stream(f"family {i}"), PROFILES["views"]) for i in range(400))
