"""The program language: what it accepts and says of it, what it refuses and where, and that texts survive it."""

import ast
import pickle
import re
import warnings
from math import nan

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conformance.meta_tests.program_texts import ACCEPTED, BLOCKS, MANAGED
from conformance.meta_tests.refused_texts import REFUSED
from strategies.program import ProgramError, from_statements, parse, prelude, standalone, statements


@pytest.mark.parametrize("text", ACCEPTED)
def test_a_statement_is_accepted_and_described(text):
    (statement,) = parse(text).statements
    kind, reads, writes, calls = ACCEPTED[text]
    assert statement.kind == kind
    assert statement.reads == set(reads.split())
    assert statement.writes == set(writes.split())
    assert statement.calls == tuple(calls.split())
    assert (statement.text, statement.head, statement.line, statement.index) == (text, text, 1, 0)
    assert (statement.body, statement.count, statement.target) == ((), 0, "")


def test_blocks():
    program = parse(BLOCKS)
    assert [s.index for s in program.walk()] == list(range(10))
    assert [s.kind for s in program.statements] == ["assign", "with", "for", "with"]
    assert [s.line for s in program.walk()] == [3, 4, 5, 8, 9, 10, 11, 12, 13, 14]
    with_block, loop = program.statements[1], program.statements[1].body[1]
    assert with_block.head == "with torch.no_grad():"
    assert with_block.text == (
        "with torch.no_grad():\n    x += 1\n    for i in range(3):\n        y = x * i\n        y[0] = 2"
    )
    assert (with_block.calls, with_block.reads, with_block.writes) == (
        ("no_grad",),
        {"x", "i", "y"},
        {"x", "i", "y"},
    )
    assert (loop.count, loop.target, loop.text) == (3, "i", "for i in range(3):\n    y = x * i\n    y[0] = 2")
    assert (program.statements[2].count, program.statements[2].target) == (0, "_")
    assert program.statements[2].writes == {"y"}


def test_code_runs_and_knows_its_line():
    program = parse("x = 3\n\ny = x * 2\nz = y.sum()\n")
    names = {"nan": nan}
    for statement in program.statements[:2]:
        exec(statement.code, names)
    assert names["y"] == 6
    with pytest.raises(AttributeError) as caught:
        exec(program.statements[2].code, names)
    frame = caught.traceback[-1]
    assert str(frame.path) == "<program>"


def test_code_of_blocks():
    program = parse("with torch.no_grad():\n    x = 1\nfor i in range(2):\n    x = i\n")

    class Torch:
        no_grad = staticmethod(lambda: "the manager")

    assert eval(program.statements[0].code, {"torch": Torch}) == "the manager"
    assert eval(program.statements[1].code, {}) is None


def test_the_same_line_elsewhere_is_the_same_statement_in_another_place():
    first, second = parse("x = y + 1\nx = y + 1\n").statements
    assert (first.text, first.reads, first.calls) == (second.text, second.reads, second.calls)
    assert (first.line, second.line) == (1, 2)
    assert first.code is second.code


def test_a_program_can_be_pickled():
    program = parse(BLOCKS)
    assert pickle.loads(pickle.dumps(program)) == program


def test_from_statements():
    program = parse(BLOCKS)
    again = from_statements([s.text for s in program.statements])
    assert [s.text for s in again.walk()] == [s.text for s in program.walk()]
    assert str(again).startswith("x = torch.ones(2)\nwith torch.no_grad():\n    x += 1\n    for i")
    assert from_statements([]).statements == ()


def test_standalone_goes_on_after_a_statement_that_raises():
    program = parse(
        "x = torch.tensor(2)\ny = x.nothing_like_it()\n".replace("nothing_like_it", "backward") + "x = nan\n"
    )
    script = standalone(program, note="a note\nin two lines\r# coding: utf-7", raising=[1])
    assert script == (
        "# a note\n# in two lines\n# # coding : utf-7\n"
        "import numpy as np\nimport torch\nfrom math import inf, nan\n\n"
        "x = torch.tensor(2)\n"
        "try:\n    y = x.backward()\n"
        'except Exception as _error:\n    print(f"{type(_error).__name__}: {_error}")\n'
        "x = nan\n"
    )
    compile(script, "script", "exec")


def test_standalone_wraps_the_block_that_a_raising_statement_is_in():
    program = parse("with torch.no_grad():\n    x = 1\n    y = z\nx = 2\n")
    script = standalone(program, raising={2})
    assert "try:\n    with torch.no_grad():\n        x = 1\n        y = z\nexcept" in script
    assert script.endswith("\nx = 2\n")


def test_standalone_holds_the_source_of_the_prelude_where_it_is_used():
    torch = pytest.importorskip("torch")
    script = standalone(
        parse("x = torch.ones(2, requires_grad=True)\nprelude.square(x * 3).sum().backward()\n")
    )
    names: dict = {}
    exec(compile(script, "script", "exec"), names)
    assert names["x"].grad.tolist() == [18.0, 18.0]
    assert "class Square" not in standalone(parse("x = torch.ones(2)\n"))
    assert prelude.make(torch).keys() == prelude.NAMES


def test_blocks_of_managers():
    statements = list(parse(MANAGED).walk())
    assert [s.kind for s in statements] == [
        "with",
        "with",
        "assign",
        "with",
        "assign",
        "with",
        "with",
        "assign",
    ]
    first = statements[0]
    assert first.calls == ("operator.mul", "autograd.graph.saved_tensors_hooks")
    assert first.reads == {"x"}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: ascii(text)[:60])
def test_a_text_is_refused(text):
    with (
        warnings.catch_warnings(record=True, action="always") as warned,
        pytest.raises(ProgramError) as caught,
    ):
        parse(text)
    assert warned == []  # Python's parser has some for strange texts
    message = str(caught.value)
    assert REFUSED[text] is None or REFUSED[text] in message
    assert re.fullmatch(r"line \d+, column \d+: [ -~]+", message)
    assert len(message) < 600


@pytest.mark.parametrize("value", [None, b"x = 1", 3, ["x = 1"]])
def test_what_is_no_text_is_refused(value):
    with pytest.raises(ProgramError, match=r"^line 1, column 1: a program is a str, not"):
        parse(value)


@pytest.mark.parametrize(
    ("text", "line", "column", "allowed"),
    [
        ("x = 1\ny = torch.loda(x)", 2, 5, "the functions in strategies/program/vocabulary.py, such as "),
        ("x = 1\ny = x.tranpose(0, 1)", 2, 5, "transpose"),
        ("y = x.shpae", 1, 5, "shape"),
        ("y = torch.flaot32", 1, 5, "torch.float32"),
        ("y = torch.sum(x, keepdmi=True)", 1, 18, "keepdim"),
        ("with torch.no_grad():\n    x = [y, 'mean']", 2, 13, "strings as options of calls"),
        ("with torch.no_grad():\n    x = $", 2, 9, "one statement a line"),
        ("x = 1\n  é = 2", 2, 3, "printable ASCII"),
        ("for i in range(20):\n    x = 1", 1, 10, "range(0) to range(16)"),
        ("x.shape = 1", 1, 1, ".data, .grad, .grad_dtype, .requires_grad"),
        ("x = 1\ny = = 2", 2, 5, ""),
    ],
)
def test_an_error_says_where_and_what_is_allowed(text, line, column, allowed):
    with pytest.raises(ProgramError) as caught:
        parse(text)
    error = caught.value
    assert (error.line, error.column) == (line, column)
    assert allowed in error.allowed
    assert f"line {line}, column {column}: {error.message}" in str(error)


# --- the data of literals, which are passed over ---

_NUMBERS = "1.0 -2.5 nan -inf True 1+2j -1j 5e-324 3 0. 01 1..2 99999999999999999999".split()
_PIECES = [*"[ [ ] ] , x 'sum' ( ) None - [] 1e9999 inf- torch.pi :".split(), *_NUMBERS, ", ", ", ", " "]
_CHAIN = "x = {}torch.tensor({{}}){}"
_DATA_LINES = [
    *("x = torch.tensor({})", "y = x + torch.tensor({}, dtype=torch.int64)[0]", "f(torch.tensor({}))", "x[{}] = 1"),
    *("h = x.register_hook(lambda g: g * torch.tensor({}))", "x = torch.zeros({})", "x = 'torch.tensor({})'"),
    *(_CHAIN.format("torch.sum(" * deep, ")" * deep) for deep in range(15, 24)),
]  # fmt: skip


@st.composite
def _lists(draw, depth=1):
    inside = st.sampled_from(_NUMBERS) if depth == 5 or draw(st.booleans()) else _lists(depth + 1)
    return f"[{', '.join(draw(st.lists(inside, max_size=3)))}]"


@settings(max_examples=400, deadline=None, database=None, derandomize=True)
@given(st.sampled_from(_DATA_LINES), _lists() | st.lists(st.sampled_from(_PIECES), max_size=9).map("".join))
@example(_DATA_LINES[0], "[" * 22 + "1" + "]" * 22)
@example(_DATA_LINES[0], f"[{'1, ' * 1024}1]")
def test_a_line_is_checked_as_if_each_number_in_it_was(line, data):
    text = line.format(data)
    assert _outcome(statements.simple.__wrapped__, text) == _outcome(statements.whole, text)


def _outcome(check, line):
    try:
        checked = check(line)
    except ProgramError as error:
        return error.args
    code = checked.code
    return checked._replace(code=None), code.co_code, code.co_consts, code.co_names, list(code.co_positions())


# --- text -> Program -> text is the identity ---

SIMPLE = [text for text in ACCEPTED if ".data =" not in text]  # lines that may stand together
HEADS = [
    "with torch.no_grad():",
    "with torch.inference_mode(True):",
    "for _ in range(2):",
    "for i in range(1):",
]


def _indented(lines):
    return ["    " + line if line else line for line in lines]


@st.composite
def _blocks(draw, bodies):
    lines = [draw(st.sampled_from(HEADS))]
    for body in draw(st.lists(bodies, min_size=1, max_size=2)):
        lines += body
    return lines[:1] + _indented(lines[1:])


_LINES = st.recursive(st.sampled_from([[text] for text in SIMPLE]), _blocks, max_leaves=4)
_FILLERS = st.sampled_from([[], [], [], [""], ["# a comment"], ["    # indented"], ["  "]])


@st.composite
def programs(draw):
    """Texts of programs, with comments, empty lines and blocks; shrinks towards one statement."""
    lines = []
    for part in draw(st.lists(_LINES, min_size=1, max_size=5)):
        lines += draw(_FILLERS) + part
    return "\n".join(lines) + draw(st.sampled_from(["\n", "", "\n\n"]))


@settings(max_examples=150, deadline=None, database=None, derandomize=True)
@given(programs())
def test_text_to_program_to_text_is_the_identity(text):
    program = parse(text)
    assert str(program) == text
    assert parse(str(program)) == program
    assert [s.index for s in program.walk()] == list(range(len(list(program.walk()))))
    again = from_statements([s.text for s in program.statements])
    assert [(s.text, s.reads, s.writes, s.calls) for s in again.walk()] == [
        (s.text, s.reads, s.writes, s.calls) for s in program.walk()
    ]


@settings(max_examples=150, deadline=None, database=None, derandomize=True)
@given(programs())
def test_python_reads_a_program_as_the_parser_does(text):
    program = parse(text)
    trees = ast.parse(text).body
    assert len(trees) == len(program.statements)
    for tree, statement in zip(trees, program.statements):
        assert ast.dump(tree) == ast.dump(ast.parse(statement.text).body[0])
        assert statement.line == tree.lineno
