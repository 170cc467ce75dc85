"""The whitelist of statements, each on one line. What a line means does not depend on where it stands, so the result
of checking and compiling it is kept: other forms of a program have many of its lines, and a reducer parses the same ones
over and over."""

import ast
import re
from collections.abc import Callable
from functools import lru_cache
from types import CodeType
from typing import Any, NamedTuple

from strategies.program.errors import ProgramError
from strategies.program.expressions import (
    OPERATORS,
    Uses,
    check_growth,
    dotted_name,
    expression,
    hook,
    operand,
    place,
    receiver,
    refuse,
    shown,
)
from strategies.program.limits import MAX_ITEMS, MAX_LOOP, MAX_TARGETS
from strategies.program.names import VARIABLES_HINT, is_variable
from strategies.program.vocabulary import ASSIGNABLE, MANAGERS, STRINGS

_BLOCKS_HINT = "with <manager>: and for _ in range(<literal>):"
_STATEMENTS_HINT = f"assignments, del of variables, calls, {_BLOCKS_HINT}"
_ASSIGNABLE_HINT = ", ".join("." + name for name in sorted(ASSIGNABLE))
_TARGETS_HINT = f"variables, tuples of variables, elements, {_ASSIGNABLE_HINT}"
_NOT_IN_CODE = re.compile(r"[^ !%&()*+,\-./0-9:<=>@A-Z\[\]^_a-z|~'\"]")
# Python warns of a keyword that is stuck to a number, and goes on; no program needs one of these after a number.
_STUCK = re.compile(r"(?<![0-9A-Za-z_])[0-9][0-9A-Za-z_.]*?(?:and|else|for|if|in|is|not|or)")
_IN_PLACE = {kind: f"operator.i{name}" for kind, name in OPERATORS.items()}
_NOTHING = compile("", "<program>", "exec")


def _nested_lists(element: str, depth: int) -> str:
    """A pattern of lists of what a pattern matches, so deep inside each other."""
    inside = element if depth == 1 else _nested_lists(element, depth - 1)
    return rf"\[(?:{inside}(?:, |(?=\])))*\]"


# The data of a literal: all that this matches and that is Python passes the checks.
_DIGITS = "[0-9][0-9.]{0,18}(?:e[+-]?[0-9]{1,3})?"
_NUMBER = f"(?:True|False|-?(?:{_DIGITS}j?|inf|nan)(?:[+-]{_DIGITS}j)?)"
_DATA = re.compile(
    rf"torch\.tensor\(({'|'.join(_nested_lists(_NUMBER, depth) for depth in range(1, 5))})(?=[,)])"
)
_SAMPLE = "[[[[-inf+0j]]]]"
"""Data as deep as any that `_DATA` matches."""


class Checked(NamedTuple):
    """What is known of a line: the fields of `Statement` that do not depend on its place, and two of the program."""

    kind: str
    reads: frozenset[str]
    writes: frozenset[str]
    calls: tuple[str, ...]
    code: CodeType
    rounds: int
    target: str
    arrays: bool
    replaces: bool


@lru_cache(maxsize=8192)
def simple(source: str) -> Checked:
    """Check and compile a statement without a body.

    Lines that differ in the data of a literal differ in nothing but their code. A tree with nodes for each number takes longer
    than all the rest, so such a line is checked with `_SAMPLE` in the place of the data, and compiled as it stands.
    """
    data = _DATA.search(source) if len(source) <= MAX_ITEMS else None  # a short line cannot have too many
    if data is not None:
        sample = source[: data.start(1)] + _SAMPLE + source[data.end(1) :]
        if sample != source:
            try:
                return simple(sample)._replace(code=_compiled(source, "exec"))
            except ProgramError:  # which names another column than that of this line
                pass
    return whole(source)


def whole(source: str) -> Checked:
    """Check and compile a statement without a body, every node of it."""
    module = _tree(source)
    node = module.body[0]
    check = _CHECKS.get(type(node))
    if check is None:
        if hasattr(node, "body"):
            refuse(node, "the body of a block stands on lines of its own", _BLOCKS_HINT)
        refuse(node, f"{type(node).__name__.lower()} is no statement of a program", _STATEMENTS_HINT)
    uses = Uses()
    kind, written = check(node, uses)
    return _checked(kind, uses, written, _compiled(module, "exec"))


@lru_cache(maxsize=1024)
def head(source: str) -> Checked:
    """Check and compile the first line of a block; it ends with a colon."""
    node = _tree(source + " pass").body[0]
    if type(node) in (ast.With, ast.For) and type(node.body[0]) is ast.Pass:  # type: ignore[attr-defined]
        return _with(node) if type(node) is ast.With else _for(node)  # type: ignore[arg-type]
    refuse(node, "no block of a program begins like this", _BLOCKS_HINT)


def _checked(
    kind: str, uses: Uses, written: frozenset[str], code: CodeType, rounds: int = 0, target: str = ""
) -> Checked:
    reads, calls = frozenset(uses.reads), tuple(uses.calls)
    return Checked(kind, reads, written, calls, code, rounds, target, uses.arrays, uses.replaces)


def _tree(source: str) -> ast.Module:
    """The syntax tree of a line that is one statement."""
    found = _NOT_IN_CODE.search(source)
    if found:
        message = f"the character {found.group()!r} is in no statement"
        raise ProgramError(message, 1, found.start() + 1, "one statement a line, comments apart")
    found = _STUCK.search(source)
    if found:
        raise ProgramError("not Python: invalid number", 1, found.start() + 1)
    try:
        module: Any = compile(source, "<program>", "exec", ast.PyCF_ONLY_AST, True)
    except SyntaxError as error:
        column = min(max(1, error.offset or 1), len(source) + 1)
        hint = "one whole statement a line" if "closed" in error.msg or "triple" in error.msg else ""
        raise ProgramError(f"not Python: {error.msg}", 1, column, hint) from None
    except (RecursionError, MemoryError, ValueError, OverflowError):
        raise ProgramError("too many expressions inside each other", 1, 1) from None
    if len(module.body) != 1:
        raise ProgramError("not one statement", 1, 1, "one statement a line")
    return module


def _compiled(source: ast.Module | ast.Expression | str, mode: str) -> CodeType:
    try:
        return compile(source, "<program>", mode, dont_inherit=True)
    except (SyntaxError, RecursionError, MemoryError, ValueError) as error:
        raise ProgramError(f"Python cannot compile this: {error}", 1, 1) from None


# --- simple statements: each checker returns the kind and the variables written ---

_NONE: frozenset[str] = frozenset()


def _target_name(node: ast.expr) -> str:
    if type(node) is not ast.Name:
        refuse(node, "this cannot be assigned to here", _TARGETS_HINT)
    if not is_variable(node.id):
        refuse(node, f"a program cannot bind the name {shown(node.id)}", VARIABLES_HINT)
    return node.id


def _assign(node: ast.Assign, uses: Uses) -> tuple[str, frozenset[str]]:
    if len(node.targets) != 1:
        refuse(node, "more than one target", "one = a statement")
    expression(node.value, uses, 0)
    target = node.targets[0]
    if type(target) is ast.Subscript:
        place(target, uses, 0)
        uses.calls.append("setitem")
        return "setitem", _NONE
    if type(target) is ast.Attribute:
        _assignable(target, uses)
        uses.calls.append("setattr." + target.attr)
        return "setattr", _NONE
    if type(target) is ast.Tuple:
        if not 1 <= len(target.elts) <= MAX_TARGETS:
            refuse(target, "an empty or too long tuple of targets", f"1 to {MAX_TARGETS} variables")
        return "assign", frozenset(map(_target_name, target.elts))
    return "assign", frozenset((_target_name(target),))


def _assignable(node: ast.Attribute, uses: Uses) -> None:
    if dotted_name(node) is not None:
        refuse(node, "nothing of torch and np can be assigned to", _TARGETS_HINT)
    if node.attr not in ASSIGNABLE:
        refuse(node, f"the attribute {shown(node.attr)} cannot be assigned to", _ASSIGNABLE_HINT)
    receiver(node.value, uses, 0)
    uses.replaces = uses.replaces or node.attr == "data"


def _augmented(node: ast.AugAssign, uses: Uses) -> tuple[str, frozenset[str]]:
    target, written = node.target, _NONE
    stored: tuple[str, ...] = ()
    if type(target) is ast.Name:
        written = frozenset((_target_name(target),))
        uses.reads |= written
    elif type(target) is ast.Subscript:
        place(target, uses, 0)
        uses.calls.append("getitem")
        stored = ("setitem",)
    elif type(target) is ast.Attribute:
        _assignable(target, uses)
        uses.calls.append("attr." + target.attr)
        stored = ("setattr." + target.attr,)
    check_growth(node.op, node.value)
    operand(node.value, uses, 0)
    uses.calls.append(_IN_PLACE[type(node.op)])
    uses.calls.extend(stored)
    return "augassign", written


def _delete(node: ast.Delete, uses: Uses) -> tuple[str, frozenset[str]]:
    for target in node.targets:
        if type(target) is not ast.Name:
            refuse(target, "only variables can be deleted", "del x")
    names = frozenset(map(_target_name, node.targets))
    uses.reads |= names
    return "del", names


def _bare(node: ast.Expr, uses: Uses) -> tuple[str, frozenset[str]]:
    if type(node.value) is not ast.Call:
        refuse(node, "an expression whose value is not used", _STATEMENTS_HINT)
    expression(node.value, uses, 0)
    return "call", _NONE


_CHECKS: dict[type, Callable[[Any, Uses], tuple[str, frozenset[str]]]] = {
    ast.Assign: _assign,
    ast.AugAssign: _augmented,
    ast.Delete: _delete,
    ast.Expr: _bare,
}


# --- first lines of blocks ---


def _with(node: ast.With) -> Checked:
    item = node.items[0]
    manager = item.context_expr
    hint = ", ".join(sorted(MANAGERS))
    if len(node.items) != 1 or item.optional_vars is not None:
        refuse(manager, "with takes one manager and no as", hint)
    if type(manager) is not ast.Call or type(manager.func) is not ast.Attribute:
        refuse(manager, "with takes a manager, called", hint)
    dotted = dotted_name(manager.func)
    if dotted not in MANAGERS:
        refuse(manager, "with takes no other context manager", hint)
    uses = Uses()
    _check_manager(manager, dotted, uses)
    uses.calls.append(dotted.removeprefix("torch."))
    return _checked("with", uses, _NONE, _compiled(ast.Expression(manager), "eval"))


def _check_manager(call: ast.Call, dotted: str, uses: Uses) -> None:
    """Check the arguments of a manager: bools in any number, but every lambda and string that it takes."""
    takes = MANAGERS[dotted]
    needed = sum(kind in ("lambda", "string") for kind in takes)
    if len(call.args) + len(call.keywords) > len(takes) or len(call.args) < needed:
        refuse(call, f"these are not the arguments of {dotted}", ", ".join(takes) or "none")
    for value, kind in zip(call.args, takes):
        if kind == "lambda" and type(value) is ast.Lambda:
            hook(value, uses, 0)
        elif not _is_argument(value, kind):
            refuse(call, f"these are not the arguments of {dotted}", ", ".join(takes))
    for keyword in call.keywords:
        if keyword.arg not in takes[len(call.args) :] or not _is_argument(keyword.value, keyword.arg):
            refuse(call, f"these are not the arguments of {dotted}", ", ".join(takes))


def _is_argument(value: ast.expr, kind: str) -> bool:
    if type(value) is not ast.Constant or kind == "lambda":
        return False
    return value.value in STRINGS if kind == "string" else type(value.value) is bool


def _for(node: ast.For) -> Checked:
    target, rounds = node.target, node.iter
    name = "_" if type(target) is ast.Name and target.id == "_" else _target_name(target)
    counted = (
        type(rounds) is ast.Call
        and type(rounds.func) is ast.Name
        and rounds.func.id == "range"
        and len(rounds.args) == 1
        and not rounds.keywords
    )
    number = rounds.args[0] if counted else None  # type: ignore[attr-defined]
    if type(number) is not ast.Constant or type(number.value) is not int or number.value > MAX_LOOP:
        refuse(rounds, "a loop counts a literal number of rounds", f"range(0) to range({MAX_LOOP})")
    written = _NONE if name == "_" else frozenset((name,))
    return _checked("for", Uses(), written, _NOTHING, number.value, name)
