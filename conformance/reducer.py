"""The smallest program that still shows a difference.

Works on program text from anywhere: delete statements, then simplify what is left (`conformance.edits`), keeping the
same difference. Deterministic: edits come in a fixed order and the first that holds is taken, until none does. A budget
of tries bounds the work, a time limit guards against slow programs, and whoever interrupts it gets the best so far.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Any

from conformance import edits, opnames, plain_edits
from conformance.expression_edits import is_module, names_in
from conformance.fingerprint import SPELLINGS, complaint, core_aspect, direction
from conformance.tiers import without_numbers

MAX_TRIES = 1500
MAX_SECONDS = 60.0

UNLIKE = ("raised", "not raised")  # one side raised

# (program text) -> the discrepancies it shows, empty where it shows none or is no program.
Find = Callable[[str], list[Any]]


@dataclass(frozen=True)
class Reduced:
    """`discrepancy` is what the reduced `text` shows. `complete` is False where a budget ended the search."""

    text: str
    discrepancy: Any
    tries: int
    seconds: float
    complete: bool


class Budget(Exception):
    """Out of tries or time."""


def same_difference(found: Any, anchor: Any, introduced: str | None = None) -> bool:
    """Whether a discrepancy is the one being reduced: the candidate, tier, aspect and direction are the same, and the
    operation is, too, unless the edit brought the operation in. For an exception of the candidate's, the same message in
    any operation will do.

    An exception for another reason may show as none at all on either side, and an attribute that could not be read as
    what else the same statement shows.
    """
    if found.candidate != anchor.candidate:
        return False
    if (found.tier, core_aspect(found.aspect)) not in _kinds(anchor):
        return False
    if core_aspect(found.aspect) == core_aspect(anchor.aspect) and direction(found) != direction(anchor):
        return False
    said = complaint(anchor)
    if said is not None and complaint(found) == said:
        return True
    if (
        found.aspect in UNLIKE
        and found.aspect != anchor.aspect
        and not any(
            without_numbers(one) == without_numbers(other)
            for one, other in ((found.should_be, anchor.should_be), (found.got, anchor.got))
        )
    ):
        return False
    ops = {SPELLINGS.get(op, op) for op in (anchor.op, introduced) if op is not None}
    return SPELLINGS.get(found.op, found.op) in ops


def _kinds(anchor: Any) -> set[tuple[str, str]]:
    """The tiers and aspects that a simpler program may show the discrepancy in."""
    aspect = core_aspect(anchor.aspect)
    kinds = {(anchor.tier, aspect)}
    if aspect in ("error type", "error text") and anchor.tier == "documented":
        kinds.update(("documented", one) for one in UNLIKE)
    elif aspect == "error text":  # of a dtype, say, which is documented where it does not end in an exception
        kinds.add(("documented", "dtype"))
    elif aspect == "partial effect":  # of a fact that also differs where nothing raises
        kinds.add(("documented", core_aspect(direction(anchor))))
    elif aspect == "aliasing":  # memory that is not the same has a count of its own
        kinds.add(("documented", "version"))
        if opnames.is_backward(anchor.op):  # as that of a gradient which is replaced
            kinds.add(("documented", "grad"))
    elif aspect == "signed zero":
        kinds.add(("documented", "values"))
    elif aspect in ("is_leaf", "graph", "grad_fn"):  # a tensor with no history left
        kinds.add(("documented", "requires_grad"))
    elif anchor.aspect == "grad.values" or (aspect == "raised" and opnames.is_backward(anchor.op)):
        kinds.add(("documented", "grad"))  # of a pass that goes where it should not
    elif aspect == "attribute":
        kinds.update((item.tier, core_aspect(item.aspect)) for item in anchor.also)
    return kinds


class _Reducer:
    def __init__(self, texts: list[str], anchor: Any, find: Find, max_tries: int, seconds: float) -> None:
        self.texts, self.anchor, self.find = texts, anchor, find
        self.max_tries, self.deadline = max_tries, monotonic() + seconds
        self.tries = 0
        self.seen: set[tuple[str, ...]] = {tuple(texts)}

    def accept(self, texts: list[str], introduced: str | None = None) -> bool:
        """Takes `texts` where they are simpler, new, and show the same difference."""
        key = tuple(texts)
        if not texts or key in self.seen:
            return False
        self.seen.add(key)
        try:
            if edits.score(texts) >= edits.score(self.texts):
                return False
        except SyntaxError:
            return False
        found = self.matching(texts, introduced)
        if found is None:
            return False
        self.texts, self.anchor = texts, found
        return True

    def matching(self, texts: list[str], introduced: str | None = None) -> Any | None:
        if self.tries >= self.max_tries or monotonic() > self.deadline:
            raise Budget
        self.tries += 1
        found = self.find("\n".join(texts))
        return next((item for item in found if same_difference(item, self.anchor, introduced)), None)

    def run(self) -> None:
        while True:
            self.unnest()
            before = self.texts
            for plain in plain_edits.WHOLE:
                self.first_of(plain)
            self.first_of(edits.deletions)
            self.first_of(edits.blocks)
            self.first_of(edits.deletions)
            self.first_of(edits.substitutions)
            self.first_of(edits.alike_creations)
            for plain in plain_edits.PARTS:
                self.first_of(plain)
            self.first_of(edits.joined_statements)
            self.first_of(edits.expressions)
            self.first_of(edits.merged_names)
            if self.texts is before:
                break
        self.rename()

    def first_of(self, candidates: Callable[[list[str]], Iterator[Any]]) -> None:
        """Takes the first edit that holds, again and again, until none of this kind does."""
        going = True
        while going:
            going = False
            for item in candidates(self.texts):
                texts, introduced = item if isinstance(item, tuple) else (item, None)
                if self.accept(texts, introduced):
                    going = True
                    break

    def unnest(self) -> None:
        """One operation a statement: the difference then shows where its cause is, under the aspect of the cause.

        A view that copies, say, shows as `aliasing` when it is bound to a name, and as `values` after
        `x.t().add_(1)`. Where the longer program shows a difference of the candidate in this tier, its first is taken;
        for rounding that of a documented fact will do, since that is then what the nested call kept out of sight.
        """
        longer = list(unnested(self.texts))
        if longer == self.texts or tuple(longer) in self.seen:
            return
        self.seen.add(tuple(longer))
        if self.tries >= self.max_tries:
            raise Budget
        self.tries += 1
        for found in self.find("\n".join(longer)):
            if found.candidate == self.anchor.candidate and found.tier == self.anchor.tier:
                self.texts, self.anchor = longer, found
                return

    def rename(self) -> None:
        """Names x, y, z, a, b, ... in order of appearance."""
        names: dict[str, str] = {}
        for text in self.texts:
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    names.setdefault(node.id, "")
        fresh = (letter + suffix for suffix in ("", "2", "3") for letter in "xyzabcdefghijklmnopqrstuvw")
        names = dict(zip(names, fresh))
        texts = [edits.renamed(text, names) for text in self.texts]
        if texts == self.texts:
            return
        found = self.matching(texts)
        if found is not None:
            self.texts, self.anchor = texts, found


def unnested(texts: list[str]) -> Iterator[str]:
    """The statements with every nested call, operator and subscript bound to a name of its own first, in blocks, too, and
    loops as what they repeat."""
    taken = {node.id for text in texts for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    fresh = (name for name in (f"u{number}" for number in range(1000)) if name not in taken)
    for text in texts:
        yield from map(ast.unparse, _unnested(ast.parse(text).body[0], fresh))


def _unnested(statement: ast.stmt, fresh: Iterator[str]) -> Iterator[ast.stmt]:
    if isinstance(statement, ast.For):
        for _ in range(ast.literal_eval(statement.iter.args[0])):  # type: ignore[attr-defined]
            for inner in statement.body:
                yield from _unnested(copy.deepcopy(inner), fresh)
        return
    if isinstance(statement, ast.With):
        statement.body = [part for inner in statement.body for part in _unnested(inner, fresh)]
    before: list[ast.stmt] = []
    if isinstance(statement, (ast.Assign, ast.Expr, ast.AugAssign)):
        statement.value = _bind_inner(statement.value, before, fresh)
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Subscript):
            target = statement.targets[0]
            target.value = _bind(target.value, before, fresh)
    yield from before
    yield statement


def _bind_inner(node: ast.expr, before: list[ast.stmt], fresh: Iterator[str]) -> ast.expr:
    """The expression with its operands bound to names."""

    def bound(part: ast.expr) -> ast.expr:
        return _bind(part, before, fresh)

    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute):
            node.func.value = bound(node.func.value)
        node.args = [bound(item) for item in node.args]
        for keyword in node.keywords:
            keyword.value = bound(keyword.value)
    elif isinstance(node, ast.BinOp):
        node.left, node.right = bound(node.left), bound(node.right)
    elif isinstance(node, ast.Compare):
        node.left, node.comparators = bound(node.left), [bound(part) for part in node.comparators]
    elif isinstance(node, (ast.Subscript, ast.Attribute)):
        node.value = bound(node.value)
    elif isinstance(node, ast.UnaryOp):
        node.operand = bound(node.operand)
    elif isinstance(node, (ast.List, ast.Tuple)):
        node.elts = [bound(part) for part in node.elts]
    return node


def _bind(node: ast.expr, before: list[ast.stmt], fresh: Iterator[str]) -> ast.expr:
    if isinstance(node, (ast.List, ast.Tuple)):
        return _bind_inner(node, before, fresh)
    if isinstance(node, (ast.Call, ast.BinOp, ast.Compare, ast.Subscript)) or (
        isinstance(node, (ast.Attribute, ast.UnaryOp)) and not is_module(node)
    ):
        if not names_in(node) and not isinstance(node, ast.Call):
            return node
        inner = _bind_inner(node, before, fresh)
        name = next(fresh)
        before.append(ast.Assign([ast.Name(name, ast.Store())], inner, lineno=1))
        return ast.Name(name, ast.Load())
    return node


def reduce(
    text: str, anchor: Any, find: Find, *, max_tries: int = MAX_TRIES, seconds: float = MAX_SECONDS
) -> Reduced:
    """The smallest program found that shows the discrepancy `anchor` of the program `text`.

    `find` runs a program and gives its discrepancies. `KeyboardInterrupt` ends the search and gives the best so far.
    """
    start = monotonic()
    texts = [ast.unparse(statement) for statement in ast.parse(text).body]
    search = _Reducer(texts, anchor, find, max_tries, seconds)
    complete = True
    try:
        search.run()
    except (Budget, KeyboardInterrupt):
        complete = False
    return Reduced("\n".join(search.texts), search.anchor, search.tries, monotonic() - start, complete)
