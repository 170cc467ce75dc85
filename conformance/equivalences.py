"""A backend against itself: every form of a call should give what the call gives.

A form is a candidate of its own, named after its backend: `torch-cpu/out` runs every program on torch-cpu, each call that
has an `out=` with one. It is judged like any candidate, by the rule for values that holds between two libraries; so a
difference is a discrepancy of the backend with itself, and nobody else's word is needed.

Statements are respelled one by one from what the reference showed: only where dtype and shape say that the other form is
about the same thing. A result gets the layout that it has without the form, so that later statements mean the same.

Sources: https://docs.pytorch.org/docs/stable/tensors.html (forms with an underscore), torch.html (`out=`),
notes/autograd.html (`no_grad` and `requires_grad` say what is recorded, not what is computed), tensor_view.html
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from conformance.capabilities import Capabilities
from conformance.expression_edits import BINARY_OPERATORS
from conformance.facts import Fact, Step, TensorFact
from conformance.spelled import Call, Made, Shown, overloads
from strategies.program.model import Program, Statement
from strategies.program.vocabulary import FUNCTIONS, METHODS

Respell = Callable[[Shown], str | None]
"""Another text for a statement, of any number of lines; None where the form has nothing to say of it."""

# --- Spellings ------------------------------------------------------------------------------------------------------


def as_method(call: Call) -> str | None:
    """`x.f(y)` for `torch.f(x, y)` and `x + y`."""
    both = call.kinds[:1] == ("tensor",) and call.name in METHODS and call.has("function", "method")
    return call.method() if both else None


def as_function(call: Call) -> str | None:
    """`torch.f(x, y)` for `x.f(y)` and `x + y`."""
    return call.function() if f"torch.{call.name}" in FUNCTIONS and call.has("function") else None


def as_operator(call: Call) -> str | None:
    """`x + y` for `torch.add(x, y)` and `x.add(y)`."""
    return call.operator()


def from_operator(call: Call) -> str | None:
    """`torch.add(x, y)` for `x + y`."""
    return None if call.operator() is None else as_function(call)


def spelled(*forms: Callable[[Call], str | None]) -> Respell:
    """Every call in the first of the forms that is not its own."""

    def respell(shown: Shown) -> str | None:
        statement = shown.parsed()
        if isinstance(statement, ast.AugAssign):
            tensor = as_method in forms and shown.tensor(ast.unparse(statement.target)) is not None
            return _augmented(statement) if tensor else None
        if not isinstance(statement, (ast.Assign, ast.Expr)):
            return None
        everywhere = _Everywhere(shown, forms)
        statement.value = everywhere.visit(statement.value)
        return ast.unparse(statement) if everywhere.changed else None

    return respell


class _Everywhere(ast.NodeTransformer):
    """Each call of an expression respelled, but in lambdas, of whose arguments nothing is known."""

    def __init__(self, shown: Shown, forms: Sequence[Callable[[Call], str | None]]) -> None:
        self.shown, self.forms, self.changed = shown, forms, False

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.Lambda):
            return node
        call = self.shown.call_of(node)
        for text in (form(call) for form in self.forms) if call is not None else ():
            new = None if text is None else ast.parse(text, mode="eval").body
            if new is not None and ast.dump(new) != ast.dump(node):
                self.changed, node = True, new
                break
        return self.generic_visit(node)


def _augmented(statement: ast.AugAssign) -> str | None:
    """`x = x.add_(y)` for `x += y`."""
    target, name = ast.unparse(statement.target), BINARY_OPERATORS[type(statement.op)]
    return f"{target} = {target}.{name}_({ast.unparse(statement.value)})" if f"{name}_" in METHODS else None


# --- What writes ----------------------------------------------------------------------------------------------------


Copy = Callable[[str, TensorFact], str | None]
"""The text of a copy of the tensor of a name, None where there is none in this layout."""


def _copied(name: str, fact: TensorFact) -> str:
    return f"{name}.clone()"


def _spread(name: str, fact: TensorFact) -> str | None:
    """A copy of a contiguous tensor in every second place of its memory; not a view, whose history is another when written."""
    if not fact.contiguous or not fact.values or not fact.shape:
        return None
    strides = tuple(2 * stride for stride in fact.strides)  # type: ignore[union-attr]
    return f"torch.empty_strided({fact.shape}, {strides}, dtype=torch.{fact.dtype}).copy_({name})"


def _contiguous(name: str, fact: TensorFact) -> str | None:
    return f"{name}.clone(memory_format=torch.contiguous_format)" if fact.contiguous is False else None


def in_place(copy: Copy) -> Respell:
    """`x.f_(y)` on a copy of x, where the result is like x."""

    def respell(shown: Shown) -> str | None:
        made = shown.made
        if made is None or not made.call.arguments:
            return None
        call = made.call
        first = shown.tensor(call.arguments[0])
        if first is None or not made.is_like(first) or f"{call.name}_" not in METHODS:
            return None
        text = copy(call.arguments[0], first) if call.has("inplace") or call.has("inplace-method") else None
        if text is None:
            return None
        return _lines(f"_o = {text}", f"_o = {call.method('_o', '_')}", made.laid_out("_o"), "del _o")

    return respell


def _lines(*lines: str) -> str:
    return "\n".join(lines)


def _has_out(shown: Shown) -> Made | None:
    """What a call made that could be given an `out=`."""
    made = None if shown.recordable else shown.made
    if made is None or f"torch.{made.call.name}" not in FUNCTIONS or "out" in made.call.keywords:
        return None
    return made if made.call.has("function", "out") else None


def out(target: str) -> Respell:
    """`torch.f(x, out=o)` with a new tensor o, which `target` makes of a shape and a dtype."""

    def respell(shown: Shown) -> str | None:
        made = _has_out(shown)
        if made is None:
            return None
        new = target.format(shape=made.fact.shape, dtype=f"torch.{made.fact.dtype}")
        return _lines(f"_o = {new}", f"_o = {made.call.function('out=_o')}", made.laid_out("_o"), "del _o")

    return respell


def out_itself(shown: Shown) -> str | None:
    """`torch.f(x, out=x)` of an elementwise operation."""
    made = _has_out(shown)
    operand = None if made is None else _first_alike(made, shown)
    if made is None or operand is None or any(op.kind != "pointwise" for op in overloads(made.call.name)):
        return None
    text = made.call.replaced(operand, "_o").function("out=_o")
    return _lines(f"_o = {operand}.clone()", f"_o = {text}", made.laid_out("_o"), "del _o")


def out_shifted(shown: Shown) -> str | None:
    """`torch.f(x, out=o)` where o begins one element behind x in the same memory: refused, or else computed as ever."""
    made = _has_out(shown)
    operand = None if made is None else _first_alike(made, shown)
    if made is None or operand is None or made.numel < 2:
        return None
    shape = made.fact.shape
    return _lines(
        f"_b = torch.zeros({made.numel + 1}, dtype=torch.{made.fact.dtype})",
        f"_x, _o = _b[:-1].view({shape}), _b[1:].view({shape})",
        f"_x.copy_({operand})",
        "try:",
        f"    _o = {made.call.replaced(operand, '_x').function('out=_o')}",
        "except __import__('builtins').RuntimeError:",  # a program has no names of exceptions
        f"    _o = {made.call.function()}",
        made.laid_out("_o"),
        "del _b, _x, _o",
    )


def _first_alike(made: Made, shown: Shown) -> str | None:
    return next((text for text in made.call.arguments if made.is_like(shown.tensor(text))), None)


# --- Operands -------------------------------------------------------------------------------------------------------

# What reads the memory or the history of a tensor, and not its values alone.
ABOUT_MEMORY = frozenset(
    "as_strided as_strided_scatter is_conj is_neg is_inference is_set_to resize_ set_ numpy get_device".split()
)


def operands(copy: Copy) -> Respell:
    """The same call of copies in another layout."""

    def respell(shown: Shown) -> str | None:
        made = shown.made
        if made is None or made.call.name in ABOUT_MEMORY or any(map(_writes, overloads(made.call.name))):
            return None
        texts = {}
        for text in {*made.call.arguments, *made.call.keywords.values()}:
            fact = shown.tensor(text)
            new = None if fact is None else copy(text, fact)
            if new is not None:
                texts[text] = new
        call = made.call
        for text, new in texts.items():
            call = call.replaced(text, new)
        value = call.method() if call.spelling == "method" else call.operator() or call.function()
        return _lines(f"_o = {value}", made.laid_out("_o"), "del _o") if texts else None

    return respell


def _writes(op: Any) -> bool:
    return bool(op.kind == "mutation")


# --- Recording ------------------------------------------------------------------------------------------------------


def unrecorded(shown: Shown) -> str | None:
    """The statement under `no_grad`, where it could record something."""
    if not shown.recordable:
        return None
    return _lines("with torch.no_grad():", f"    {shown.text}")


def unrequired(shown: Shown) -> str | None:
    """The statement with tensors that do not require grad."""
    if "requires_grad" not in shown.text:
        return None
    statement = shown.parsed()
    for node in ast.walk(statement):
        if isinstance(node, ast.Call):
            node.keywords = [one for one in node.keywords if one.arg != "requires_grad"]
    return ast.unparse(statement)


# --- The table ------------------------------------------------------------------------------------------------------

_ERRORS = frozenset(
    ("error type", "error text")
)  # which part of a wrong call is told first depends on who reads it
_MEMORY = frozenset(("version", "aliasing", "grad_fn", "warnings"))
_MEMORY |= frozenset(f"grad.{name}" for name in ("strides", "contiguity", "offset"))
# What reads or changes the graph itself, or sees what it saves: another form may record other nodes.
_GRAPH = frozenset(
    "attr.grad_fn attr.next_functions attr.metadata attr._base *gradient_edge *saved_tensors* *save_on_cpu".split()
)
_HISTORY = frozenset(
    (
        "requires_grad",
        "is_leaf",
        "grad_fn",
        "grad",
        "retains_grad",
        "version",
        "warnings",
        "raised",
        "not raised",
        "aliasing",
    )
)
_AUTOGRAD = frozenset(
    "*grad* *backward *hook* func.* vmap autograd.* prelude.* numpy attr.is_leaf attr._base attr.data".split()
)


@dataclass(frozen=True)
class Form:
    """One form: how it respells a statement, and what of a program it leaves open.

    `valid`: statements that raise are no matter of the form, and all that depends on them is left out.
    """

    name: str
    respell: Respell
    lacks_aspects: frozenset[str] = _MEMORY
    lacks_ops: frozenset[str] = _GRAPH
    valid: bool = True

    def capabilities(self, of: Capabilities) -> Capabilities:
        """Those of the backend, less what the form leaves open."""
        return replace(
            of,
            lacks_aspects=of.lacks_aspects | self.lacks_aspects | {"graph"},  # 2 * x is recorded as x * 2
            lacks_ops=of.lacks_ops | self.lacks_ops,
            lacks_errors=self.valid,
            incidental=False,
        )

    def __call__(self, program: Program, reference: Sequence[Step]) -> Program:
        """The program in this form; itself where it has nothing of it.

        Statements of loops, which see other tensors in each round, stay as they are.
        """
        shown = _shown(program, reference)
        found = tuple(self._statement(one, shown) for one in program.statements)
        changed = any(new is not old for new, old in zip(found, program.statements))
        return replace(program, statements=found) if changed else program

    def _statement(self, statement: Statement, shown: Mapping[int, Shown]) -> Statement:
        if statement.kind == "with":
            body = tuple(self._statement(one, shown) for one in statement.body)
            changed = any(new is not old for new, old in zip(body, statement.body))
            return replace(statement, body=body) if changed else statement
        seen = shown.get(statement.index)
        if statement.kind in ("for", "del") or seen is None or (self.valid and seen.after.raised is not None):
            return statement
        text = self.respell(seen)
        if text is None:
            return statement
        return replace(statement, text=text, code=compile(text, "<form>", "exec", dont_inherit=True))


_latest: list[tuple[Sequence[Step], dict[int, Shown]]] = []  # of one program: all its forms follow each other


def _shown(program: Program, reference: Sequence[Step]) -> dict[int, Shown]:
    if not _latest or _latest[0][0] is not reference:
        walked = {one.index: one for one in program.walk()}
        found: dict[int, Shown] = {}
        names: Mapping[str, Fact] = {}
        for step in reference:
            one = walked[step.statement]
            found.setdefault(step.statement, Shown(one.text, one.reads, names, step))
            names = step.names
        _latest[:] = [(reference, found)]
    return _latest[0][1]


FORMS = {
    form.name: form
    for form in (
        Form("method", spelled(as_method, as_function), _ERRORS, valid=False),
        Form("operator", spelled(as_operator, from_operator), _ERRORS, valid=False),
        Form("in-place", in_place(_copied)),
        Form("in-place-strided", in_place(_spread)),
        Form("out", out("torch.empty(0, dtype={dtype})")),
        Form("out-strided", out("torch.zeros({shape} + (2,), dtype={dtype})[..., 0]")),
        Form("out-itself", out_itself),
        Form("out-shifted", out_shifted),
        Form("strided", operands(_spread)),
        Form("contiguous", operands(_contiguous)),
        Form("no_grad", unrecorded, _HISTORY, _AUTOGRAD),
        Form("no-leaf", unrequired, _HISTORY, _AUTOGRAD),
    )
}


def forms_of(backend: str) -> tuple[str, ...]:
    """The candidates that are a backend in its forms."""
    return tuple(f"{backend}/{name}" for name in FORMS)
