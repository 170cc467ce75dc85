"""One name for one cause.

A fingerprint is taken from the reduced program, in which only what the difference needs is left: the candidate, the
aspect (an accumulated gradient's aspects count as the result's, since `backward` and `autograd.grad` show the same
derivative), which side raised what, and the set of operations, creation left out. Names, shapes, dtypes, values, the
order of statements and spellings are not part of it. Whether there is more than one backward pass is, and the options that
a derivative still needs: they tell a wrong derivative from a lost accumulation or a batch that is none.

Where the candidate raises and should not, or raises something else, its message says which check did it, whatever the
operation: then the message takes the place of the operations. Where it is the reference that raises, its message does so for
the checks of autograd that all operations share: those of backward passes, views, leaves and inference tensors.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable
from typing import Any

from conformance import opnames
from conformance.tiers import without_numbers
from strategies.program import parse

SPELLINGS = {
    "autograd.backward": "backward",
    "autograd.grad": "backward",
    "grad": "backward",
    "absolute": "abs",
}
# Of what is called in a reduced program: told apart by `fingerprint`, no operations to `cause_op`.
OPTIONS = (
    "inputs",
    "create_graph",
    "is_grads_batched",
    "materialize_grads",
    "strict",
    "argnums",
    "in_dims",
    "out_dims",
)


def calls_of(text: str) -> tuple[str, ...]:
    """The operations of a reduced program, and the options that derivatives are left with. What its hooks do is left out: a
    fault of that would show without them."""
    tree = ast.parse(text)
    options: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in OPTIONS:
            options.append(node.arg)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and "hook" in node.func.attr:
            for body in (argument for argument in node.args if isinstance(argument, ast.Lambda)):
                body.body = ast.Constant(None)
    return (*(call for statement in parse(ast.unparse(tree)).walk() for call in statement.calls), *options)


def core_aspect(aspect: str) -> str:
    """The aspect without "grad.": a wrong derivative shows in `.grad` or in what `autograd.grad` returns."""
    return aspect.removeprefix("grad.")


def raised_types(got: str, should_be: str) -> str:
    """The exception types of both sides, from the texts of a difference ("-" where there is none)."""
    kinds = (text.split(":", 1)[0] if text != "no exception" else "-" for text in (got, should_be))
    return ">".join(kinds)


def direction(discrepancy: Any) -> str:
    """What tells two differences of one aspect apart beside the operations."""
    aspect = core_aspect(discrepancy.aspect)
    if aspect in ("raised", "not raised", "error type"):
        return raised_types(discrepancy.got, discrepancy.should_be)
    if aspect in ("error text", "memory", "crash", "hang"):
        return ""
    if aspect == "partial effect":
        return discrepancy.got.split(":", 1)[0]
    if aspect == "version":
        return "more" if _number(discrepancy.got) > _number(discrepancy.should_be) else "less"
    return ""


def _number(text: str) -> int:
    return int(text) if text.lstrip("-").isdigit() else -1


_WORD = re.compile(r"\w+")
_NODE = re.compile(r"\w*Backward\d*")
# Where the message of a backward pass goes on with what it met.
_CASE = re.compile(r"[:.\[(]| but | - ")
# Checks of autograd that every write, and whatever saves for backward, goes through.
_SHARED = re.compile(
    r"returns multiple views|created in (?:no_grad|inference) mode|created inside a custom Function|"
    r"(?:a view of )?a leaf Variable that requires grad|Inference tensors cannot be saved|Inplace update to inference tensor"
)


def complaint(discrepancy: Any) -> str | None:
    """The candidate's message without sizes and numbers, where it raises what it should not; else None.

    A type of exception that is wrong, or an exception that should not be, is the fault of the check that speaks. A
    check that is missing is the fault of the operation that should have it, unless all share it (`unchecked`).
    """
    aspect, got, want = core_aspect(discrepancy.aspect), discrepancy.got, discrepancy.should_be
    if aspect == "raised":
        return without_numbers(got)
    if aspect == "error type" and without_numbers(got.partition(":")[2]) == without_numbers(
        want.partition(":")[2]
    ):
        return without_numbers(got)
    return unchecked(discrepancy)


def unchecked(discrepancy: Any) -> str | None:
    """What the reference says, at a statement or when an attribute is read, that no candidate's check says; None for what is
    the check of one operation."""
    if core_aspect(discrepancy.aspect) not in ("not raised", "attribute"):
        return None
    shared = _SHARED.search(discrepancy.should_be)
    if shared is not None:
        return shared[0]
    if core_aspect(discrepancy.aspect) == "not raised" and opnames.is_backward(discrepancy.op):
        said = discrepancy.should_be.partition(": ")[2]
        return without_numbers(_NODE.sub("#", _CASE.split(said)[0]))
    return None


def canonical_ops(calls: Iterable[str], *, keep: str = "") -> tuple[str, ...]:
    """The set of operations, spellings normalised, creation left out unless nothing or only `keep` is left."""
    names = [SPELLINGS.get(call, opnames.canonical_op(call)) for call in calls]
    backwards = names.count("backward")
    kept = {name for name in names if name == keep or not opnames.is_creation(name)}
    if backwards > 1:
        kept.add("backward twice")
    return tuple(sorted(kept or set(names)))


def is_unnoticed(discrepancy: Any) -> bool:
    """Whether a tensor that the statement does not name misses a write that those it names count.

    Then the two should share a version counter and do not: what made one of the other is at fault, as where they should share
    memory, and not the write. Tensors without elements show it in no other way.
    """
    if core_aspect(discrepancy.aspect) != "version" or direction(discrepancy) != "less":
        return False
    named = set(_WORD.findall(discrepancy.statement_text))
    late = [
        discrepancy.name,
        *(item.name for item in discrepancy.also if core_aspect(item.aspect) == "version"),
    ]
    return not any(_WORD.match(name)[0] in named for name in late)  # type: ignore[index]


def fingerprint(discrepancy: Any, calls: Iterable[str]) -> str:
    """12 hexadecimal digits for the discrepancy that the reduced program shows; `calls` are that program's."""
    said = complaint(discrepancy)
    if is_unnoticed(discrepancy):
        relating = [call for call in calls if opnames.canonical_op(call) != discrepancy.op]
        cause = ("aliasing", "", *canonical_ops(relating))
    elif said is not None and said == unchecked(discrepancy):
        cause = ("unchecked", "", said)
    elif said is not None:
        cause = (core_aspect(discrepancy.aspect), direction(discrepancy), said)
    else:
        ops = canonical_ops(calls, keep=discrepancy.op)
        cause = (core_aspect(discrepancy.aspect), direction(discrepancy), *ops)
    return hashlib.sha256("\n".join((discrepancy.candidate, *cause)).encode()).hexdigest()[:12]


def cause_op(discrepancy: Any, calls: Iterable[str]) -> str:
    """The operation that the reduced program is about: of a gradient, the one operation that is differentiated."""
    ops = canonical_ops(calls)
    if is_unnoticed(discrepancy):
        others = [op for op in ops if op != discrepancy.op]
    elif SPELLINGS.get(discrepancy.op, discrepancy.op) == "backward":
        others = [op for op in ops if not op.startswith(("backward", "attr.", "setattr."))]
    else:
        return discrepancy.op
    return others[0] if len(others) == 1 else discrepancy.op


def coarse_key(discrepancy: Any) -> tuple[str, ...]:
    """What two discrepancies must share before one may stand for the other without being reduced."""
    return (
        discrepancy.candidate,
        core_aspect(discrepancy.aspect),
        discrepancy.tier,
        direction(discrepancy),
        complaint(discrepancy) or SPELLINGS.get(discrepancy.op, discrepancy.op),
    )


def pre_key(discrepancy: Any) -> tuple[str, ...]:
    """The coarse key and every operation that the differing name may depend on."""
    if complaint(discrepancy) is not None:
        return coarse_key(discrepancy)
    return (*coarse_key(discrepancy), *canonical_ops(discrepancy.ops, keep=discrepancy.op))


class Attribution:
    """Which fingerprint a discrepancy counts for, so that each pre-key is reduced once.

    Programs that differ in unrelated operations have different pre-keys for one cause. After `limit` reductions of
    one coarse key, a discrepancy counts for the known fingerprint whose reduced program uses most of its
    operations and no others; only where there is none is it reduced.
    """

    def __init__(self, limit: int = 6) -> None:
        self.limit = limit
        self._known: dict[tuple[str, ...], Any] = {}
        self._reduced: dict[tuple[str, ...], int] = {}
        self._shapes: dict[tuple[str, ...], list[tuple[frozenset[str], Any]]] = {}

    def find(self, discrepancy: Any) -> Any | None:
        """The result stored for a discrepancy like this one, or None: reduce it."""
        exact = self._known.get(pre_key(discrepancy))
        if exact is not None:
            return exact
        coarse = coarse_key(discrepancy)
        if self._reduced.get(coarse, 0) < self.limit:
            return None
        ops = set(canonical_ops(discrepancy.ops, keep=discrepancy.op))
        fitting = [(len(shape), result) for shape, result in self._shapes.get(coarse, ()) if shape <= ops]
        return max(fitting, key=lambda item: item[0])[1] if fitting else None

    def store(self, discrepancy: Any, calls: Iterable[str], result: Any) -> None:
        coarse = coarse_key(discrepancy)
        self._known[pre_key(discrepancy)] = result
        self._reduced[coarse] = self._reduced.get(coarse, 0) + 1
        shape = frozenset(canonical_ops(calls)) - {"backward twice"}
        self._shapes.setdefault(coarse, []).append((shape, result))
