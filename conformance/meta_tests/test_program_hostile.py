"""The program language against hostile texts: nothing that the parser accepts reaches outside the vocabulary.

The parser's own walk is not trusted here: every accepted text is walked again with rules of its own, executed on
recording stand-ins for torch and np, and, in another process with an audit hook, on the real NumPy and PyTorch.
"""

import ast
import builtins
import io
import json
import random
import re
import subprocess
import sys
import tokenize
from functools import cache
from itertools import islice
from math import inf, nan
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.meta_tests.program_texts import ACCEPTED, BASES, BLOCKS, HOSTILE, MANAGED, mutated
from strategies.program import ProgramError, parse, vocabulary

ROOT = Path(__file__).parents[2]

_EDITS = st.tuples(st.sampled_from(range(4)), st.sampled_from(range(40)), st.sampled_from(HOSTILE))
hostile_texts = st.builds(
    mutated, st.sampled_from(BASES), st.lists(_EDITS, min_size=1, max_size=3)
) | st.lists(st.sampled_from(HOSTILE), max_size=12).map("".join)

_NODES = {
    *(ast.Module, ast.Assign, ast.AugAssign, ast.Delete, ast.Expr, ast.With, ast.withitem, ast.For),
    *(
        ast.Name,
        ast.Attribute,
        ast.Subscript,
        ast.Slice,
        ast.Call,
        ast.keyword,
        ast.Lambda,
        ast.arguments,
        ast.arg,
    ),
    *(ast.Constant, ast.List, ast.Tuple, ast.BinOp, ast.UnaryOp, ast.Compare, ast.Load, ast.Store, ast.Del),
}
_CALLABLE = vocabulary.FUNCTIONS | vocabulary.MANAGERS.keys()
_MAKERS = {f"torch.{name}" for name in (*vocabulary.MAKES_FUNCTION, vocabulary.MAKES_PAIR)}


def audit(text: str) -> None:
    """Walk an accepted text with rules of its own: Python's reading of all of it, not the parser's of each line."""
    tree = ast.parse(text)
    called, options = set(), set()
    for node in ast.walk(tree):
        assert type(node) in _NODES or isinstance(node, ast.operator | ast.unaryop | ast.cmpop), ast.dump(
            node
        )
        if isinstance(node, ast.Call):
            called.add(node.func)
            options.update([*node.args, *(keyword.value for keyword in node.keywords)])
    loops = {
        node.iter.func
        for node in ast.walk(tree)
        if isinstance(node, ast.For) and isinstance(node.iter, ast.Call)
    }
    roots = {node.value for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            _audit_name(node, node in loops, node in roots)
        elif isinstance(node, ast.Attribute):
            _audit_attribute(node, node in called)
        elif isinstance(node, ast.Constant):
            assert type(node.value) in (int, float, complex, bool, type(None), type(...)) or (
                type(node.value) is str and node in options and re.fullmatch(r"[\w.:,>-]{1,40}", node.value)
            )
        elif isinstance(node, ast.keyword):
            assert node.arg is not None
            assert re.fullmatch(r"[a-zA-Z][a-z0-9_]*", node.arg)
        elif isinstance(node, ast.arg):
            assert _is_variable(node.arg)
    assert all(
        isinstance(function, ast.Attribute) or function in loops or _is_made(function) for function in called
    )
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in _MAKERS:
            _audit_made(node, called, tree)


def _is_made(function):
    """Whether what is called is made by a call: torch.func.grad(f), or the second of the pair torch.func.vjp(f, x)."""
    if isinstance(function, ast.Subscript) and isinstance(function.slice, ast.Constant):
        return function.slice.value == 1 and ast.unparse(function.value).startswith("torch.func.vjp(")
    return isinstance(function, ast.Call) and ast.unparse(function.func) in _MAKERS - {"torch.func.vjp"}


def _audit_made(node, called, tree):
    """A call that makes a function stands where it is called, where its first part is taken, or as another's function."""
    takers = [
        call
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and call.args and call.args[0] in (node, *_parts(tree, node, 1))
    ]
    assert (
        {node, *_parts(tree, node, 1)} & called
        or _parts(tree, node, 0)
        or any(ast.unparse(call.func).removeprefix("torch.") in vocabulary.TAKES_FUNCTION for call in takers)
    )


def _parts(tree, node, position):
    return [
        part
        for part in ast.walk(tree)
        if isinstance(part, ast.Subscript)
        and part.value is node
        and isinstance(part.slice, ast.Constant)
        and part.slice.value == position
    ]


def _is_variable(name):
    return re.fullmatch(r"[a-z][a-z0-9_]*", name) and name not in {
        *dir(builtins),
        "torch",
        "np",
        "prelude",
        "nan",
        "inf",
    }


def _audit_name(node, in_loop, is_root):
    if node.id in ("torch", "np", "prelude"):
        assert is_root
    elif node.id == "range":
        assert in_loop
    elif node.id == "_":
        assert isinstance(node.ctx, ast.Store)
    else:
        assert _is_variable(node.id) or (node.id in ("nan", "inf") and isinstance(node.ctx, ast.Load))


def _audit_attribute(node, is_called):
    source = ast.unparse(node)
    assert "__" not in node.attr
    if re.match(r"(torch|np|prelude)\.[\w.]+$", source):
        full = source in (_CALLABLE if is_called else vocabulary.VALUES)
        assert full or any(name.startswith(source + ".") for name in _CALLABLE)
        assert isinstance(node.ctx, ast.Load)
    elif isinstance(node.ctx, ast.Store):
        assert node.attr in {"grad", "data", "requires_grad"}
    else:
        assert node.attr in (vocabulary.METHODS if is_called else vocabulary.ATTRIBUTES)


class Recorder:
    """Stands in for torch, np and everything that comes of them; notes each name that is asked of it."""

    def __init__(self, log, path=""):
        self.__dict__.update(_log=log, _path=path)

    def __getattr__(self, name):
        path = f"{self._path}.{name}" if self._path else name
        self._log.append(path)
        return Recorder(self._log, path if path.startswith(("torch.", "np.", "prelude.")) else "")

    def __setattr__(self, name, value):
        self._log.append("set " + (f"{self._path}.{name}" if self._path else name))

    def __call__(self, *args, **kwargs):
        for argument in args:
            if callable(argument) and not isinstance(argument, Recorder):
                argument(Recorder(self._log))  # a hook, called at once
        return Recorder(self._log)

    def __iter__(self):
        return iter([Recorder(self._log)] * 2)

    def __getitem__(self, index):
        return Recorder(self._log)

    def __setitem__(self, index, value):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return False

    def _operator(self, *others):
        return Recorder(self._log)


for _name in "add sub mul truediv floordiv mod pow matmul lshift rshift and or xor".split():
    for _prefix in ("", "r", "i"):
        setattr(Recorder, f"__{_prefix}{_name}__", Recorder._operator)
for _name in "neg pos invert lt le gt ge eq ne".split():
    setattr(Recorder, f"__{_name}__", Recorder._operator)


class Builtins(dict):
    """Notes which names fall through to the builtins; none of them is there."""

    def __getitem__(self, name):
        self.setdefault("asked", set()).add(name)
        raise KeyError(name)


def executed(program, names):
    """Execute a program as the runner does, going on after exceptions."""
    for statement in program.statements:
        try:
            _execute(statement, names)
        except Exception:
            continue


def _execute(statement, names):
    if statement.kind == "with":
        with eval(statement.code, names):
            for inner in statement.body:
                _execute(inner, names)
    elif statement.kind == "for":
        for number in range(statement.count):
            names[statement.target] = number
            for inner in statement.body:
                _execute(inner, names)
    else:
        exec(statement.code, names)


def recorders():
    log, guard = [], Builtins()
    names = {module: Recorder(log, module) for module in ("torch", "np", "prelude")} | {
        "nan": nan,
        "inf": inf,
    }
    names |= {name: Recorder(log) for name in "xyabmwzgcihsuv"} | {"__builtins__": guard}
    return log, guard, names


def check_recorded(text: str) -> None:
    """Execute an accepted text on recorders and check each name that it asked for."""
    log, guard, names = recorders()
    executed(parse(text), names)
    dotted = _CALLABLE | vocabulary.VALUES
    for name in log:
        if name.startswith("set "):
            assert name in ("set grad", "set data", "set requires_grad"), text
        elif name.startswith(("torch.", "np.", "prelude.")):
            assert name in dotted or any(full.startswith(name + ".") for full in dotted), text
        else:
            assert name in vocabulary.METHODS | vocabulary.ATTRIBUTES, text
    assert not guard.get("asked", set()) & set(dir(builtins)), text


@pytest.mark.parametrize("text", [*ACCEPTED, BLOCKS, MANAGED])
def test_the_audit_and_the_recorders_pass_what_is_accepted(text):
    audit(text)
    check_recorded(text)


@pytest.mark.parametrize(
    "text",
    [
        "torch.os.system('cpu')",
        "x = y.__class__",
        "x = open",
        "torch.add = x",
        "f = torch.add",
        "x = [y for y in x]",
        "f = torch.func.grad(lambda a: a)",
        "x = torch.add(torch.func.grad(lambda a: a), y)",
        "x = torch.func.jvp(lambda a: a, y, y)[1](y)",
    ],
)
def test_the_audit_notices_what_is_hostile(text):
    with pytest.raises(AssertionError):
        audit(text)


def test_the_recorders_notice_what_is_hostile():
    log, guard, names = recorders()
    exec("torch.os.system('x')\ny = x.__foo\nx.shape = 1\nx.register_hook(lambda g: g.evil)", names)
    assert {"torch.os", "torch.os.system", "__foo", "set shape", "evil"} <= set(log)
    with pytest.raises(NameError):
        exec("x = open", names)
    assert guard.get("asked") == {"open"}


@settings(max_examples=500, deadline=None, database=None, derandomize=True)
@given(hostile_texts)
def test_what_is_accepted_of_hostile_texts_reaches_nothing_outside(text):
    try:
        program = parse(text)
    except ProgramError as error:
        problem = error
    else:
        problem = None
    if problem is not None:
        assert "\n" not in str(problem)
        assert min(problem.line, problem.column) >= 1
        return
    assert str(program) == text
    audit(text)
    check_recorded(text)


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda data: data.decode("latin-1")))
def test_any_text_is_a_program_or_a_program_error(text):
    try:
        assert str(parse(text)) == text
    except ProgramError:
        return
    audit(text)


def test_a_program_file_is_decoded_as_it_is_read():
    # A comment must not make Python read the file of a program differently from its text.
    text = "# a note\n" + BLOCKS
    assert tokenize.detect_encoding(io.BytesIO(text.encode()).readline)[0] == "utf-8"


# Runs programs under an audit hook; prints the events that have no business there.
GUARDED = """
import json, resource, signal, sys, warnings
from math import inf, nan
import numpy as np
job = json.load(sys.stdin)
if job["torch"]:
    import torch
    torch.set_num_threads(1)
    for transform in (torch.func.jacrev, torch.func.jacfwd, torch.func.hessian, torch.vmap, torch.func.grad):
        with warnings.catch_warnings():  # transforms import hundreds of modules at their first use
            warnings.simplefilter("ignore")
            torch.func.vjp(transform(lambda a: (a * a).sum()), torch.ones(2))
    torch.autograd.functional.hessian(lambda a: (a * a).sum(), torch.ones(2), vectorize=True)
    homes = tuple(module.__file__.rsplit("/", 1)[0] + "/" for module in (torch, np))
else:
    class Torch:
        pass
    torch, homes = Torch(), ()
from strategies.program import Prelude, parse
warnings.simplefilter("ignore")
events, active = [], False

def hook(event, args):
    if not active or event in ("exec", "object.__getattr__", "object.__setattr__", "sys._getframe", "builtins.id"):
        return
    if event == "import" and homes and str(args[0]).split(".")[0] in ("torch", "numpy"):
        return  # torch imports parts of itself late
    if event in ("open", "os.listdir", "os.scandir") and homes and str(args[0]).startswith(homes):
        if event != "open" or args[1] in ("r", "rb", None):
            return
    events.append([event, ascii(args)[:200]])

def late(number, frame):
    raise TimeoutError

signal.signal(signal.SIGALRM, late)
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
ran = raised = 0
sys.addaudithook(hook)

def run(statement, names):
    global ran, raised
    ran += 1
    if statement.kind == "with":
        with eval(statement.code, names):
            for inner in statement.body:
                run(inner, names)
    elif statement.kind == "for":
        for number in range(statement.count):
            names[statement.target] = number
            for inner in statement.body:
                run(inner, names)
    else:
        exec(statement.code, names)

def run_program(program):
    global raised
    names = {"torch": torch, "np": np, "nan": nan, "inf": inf, "prelude": Prelude(torch)}
    if job["torch"]:
        for name in "xyzwabgm":
            names[name] = torch.arange(6.0).reshape(2, 3).requires_grad_(name in "xy")
    else:
        names |= {name: np.arange(6.0).reshape(2, 3) for name in "xyzwabgm"}
    for statement in program.statements:
        signal.setitimer(signal.ITIMER_REAL, 1)
        try:
            run(statement, names)
        except (Exception, MemoryError):
            raised += 1
    signal.setitimer(signal.ITIMER_REAL, 0)

for text in job["known"]:
    run_program(parse(text))  # torch imports parts of itself, and sympy, at their first use
if job["control"]:
    active = True
    open("/dev/null").close()
    active = False
for text in job["programs"]:
    program = parse(text)
    active = True
    run_program(program)
    active = False
    if events:
        events.append(["program", text])
        break
print(json.dumps({"events": events, "ran": ran, "raised": raised}))
"""


def _mutants():
    """Hostile mutations without end, the same ones in every run."""
    source = random.Random(2)
    while True:
        edits = [
            (source.randrange(4), source.randrange(40), source.choice(HOSTILE))
            for _ in range(source.randrange(1, 4))
        ]
        yield mutated(source.choice(BASES), edits)


def test_what_is_accepted_of_many_mutants_reaches_nothing_outside():
    accepted = 0
    for text in islice(_mutants(), 8000):
        try:
            accepted += len(parse(text).statements) > 0
        except ProgramError:
            continue
        audit(text)
        check_recorded(text)
    assert accepted > 400


@cache
def _accepted_mutants(count: int) -> list[str]:
    """Different hostile mutations that the parser accepts, the same ones in every run."""
    known = {"".join(text.split()) for text in BASES}
    found: dict[str, str] = {}
    for text in _mutants():
        if len(found) == count:
            break
        spelled = "".join(text.split())
        try:
            if spelled not in known and parse(text).statements:
                found.setdefault(spelled, text)
        except ProgramError:
            continue
    return list(found.values())


def guarded(**job) -> dict:
    """What `GUARDED` reports on a job."""
    result = subprocess.run(
        [sys.executable, "-c", GUARDED],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_executing_accepted_mutants_opens_imports_and_starts_nothing(library):
    if library == "torch":
        pytest.importorskip("torch")
    texts = _accepted_mutants(150)
    report = guarded(
        torch=library == "torch", known=[*ACCEPTED, BLOCKS, MANAGED], programs=texts, control=False
    )
    assert report["events"] == []
    assert report["ran"] > len(texts)
    assert report["raised"] < report["ran"]


def test_the_audit_hook_notices_a_file():
    report = guarded(torch=False, known=[], programs=[], control=True)
    assert [event for event, _ in report["events"]] == ["open"]
