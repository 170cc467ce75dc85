"""One call, whatever its spelling, and what the reference showed before and after it: what forms are made of.

What forms an operation has, and which arguments its overloads take, the engine's records say.
"""

from __future__ import annotations

import ast
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from conformance import opnames
from conformance.compare import storages
from conformance.expression_edits import BINARY_OPERATORS, UNARY_OPERATORS
from conformance.facts import ArrayFact, Fact, PlainFact, SequenceFact, Step, TensorFact
from strategies.program.expressions import dotted_name
from strategies.program.vocabulary import FUNCTIONS
from strategies.statements.calls import OPERATORS, UNARY


class Call(NamedTuple):
    """`torch.add(x, y, alpha=2)`, `x.add(y, alpha=2)`, `x + y`: the name, the texts of the arguments and of the keywords.

    `kinds` of the arguments: "tensor", "number", "bool", "list", "other", or "" for what is not known. `spelling`:
    "function", "method" or "operator".
    """

    name: str
    arguments: tuple[str, ...]
    keywords: dict[str, str]
    kinds: tuple[str, ...]
    spelling: str

    def function(self, *more: str) -> str:
        return f"torch.{self.name}({', '.join([*self.arguments, *self._named(), *more])})"

    def method(self, receiver: str = "", suffix: str = "") -> str:
        inside = ", ".join([*self.arguments[1:], *self._named()])
        return f"{receiver or grouped(self.arguments[0])}.{self.name}{suffix}({inside})"

    def operator(self) -> str | None:
        """`x + y`; None where the call has no operator."""
        texts = [grouped(text) for text in self.arguments]
        if self.keywords or not {"tensor", ""} & set(self.kinds):
            return None
        if len(texts) == 1 and self.name in UNARY:
            return f"{UNARY[self.name]}{texts[0]}"
        return f" {OPERATORS[self.name]} ".join(texts) if len(texts) == 2 and self.name in OPERATORS else None

    def _named(self) -> list[str]:
        return [f"{name}={text}" for name, text in self.keywords.items()]

    def replaced(self, old: str, new: str) -> Call:
        """With another text for every argument that is just this name."""
        swap = {old: new}
        return self._replace(
            arguments=tuple(swap.get(text, text) for text in self.arguments),
            keywords={name: swap.get(text, text) for name, text in self.keywords.items()},
        )

    def has(self, *forms: str) -> bool:
        """Whether an overload that takes these arguments has all these forms.

        The arguments of `where` and others have another order in the method, which is an overload of its own.
        """
        wanted = (
            {*forms, self.spelling} if "function" in forms and self.spelling != "operator" else set(forms)
        )
        return any(op.forms >= wanted and self._fits(op.signature) for op in overloads(self.name))

    def _fits(self, signature: Any) -> bool:
        parameters = signature.parameters
        if len(self.arguments) > signature.positional:
            return False
        given = {p.name for p in parameters[: len(self.arguments)]}
        needed = {parameters[i].name for i in signature.needed}
        if not self.keywords.keys() <= {p.name for p in parameters} - given:
            return False
        if not needed <= given | self.keywords.keys():
            return False
        return all(_takes(p.type, kind) for p, kind in zip(parameters, self.kinds))


_TAKES = {
    "Tensor": ("tensor",), "Operand": ("tensor", "number", "bool"), "Scalar": ("tensor", "number", "bool"),
    "Number": ("tensor", "number", "bool"), "int": ("number",), "float": ("number",), "bool": ("bool",),
    "int[]": ("list",), "int[1]": ("list", "number"), "Tensor[]": ("list",),
}  # fmt: skip


def _takes(type_: str, kind: str) -> bool:
    return not kind or kind in _TAKES.get(type_, (kind,))


def overloads(name: str) -> Sequence[Any]:
    """The engine's records of an operation; those of `linalg.inv` are called `linalg_inv`."""
    import engine  # noqa: F401  (importing it fills the registry)
    from engine.registry import OPS

    return OPS.get(name.replace(".", "_"), ())


def grouped(text: str) -> str:
    """In parentheses where an operator or a dot behind the text would bind to a part of it."""
    whole = (ast.Name, ast.Call, ast.Subscript, ast.Attribute, ast.Constant)
    return text if isinstance(ast.parse(text, mode="eval").body, whole) else f"({text})"


# --- What the reference showed --------------------------------------------------------------------------------------


class Made(NamedTuple):
    """What one call made: the name that it is bound to, the tensor, and the call."""

    name: str
    fact: TensorFact
    call: Call

    def laid_out(self, value: str) -> str:
        """A statement that binds the value in the layout that it has here, so that what follows means the same."""
        shape, strides = self.fact.shape, self.fact.strides
        empty = f"torch.empty_strided({shape}, {strides}, dtype=torch.{self.fact.dtype})"
        return f"{self.name} = {empty}.copy_({value})"

    @property
    def numel(self) -> int:
        return math.prod(self.fact.shape)  # type: ignore[arg-type]

    def is_like(self, other: TensorFact | None) -> bool:
        return other is not None and (other.dtype, other.shape) == (self.fact.dtype, self.fact.shape)


class Shown:
    """A statement, and what the reference showed before and after it."""

    def __init__(self, text: str, reads: frozenset[str], before: Mapping[str, Fact], after: Step) -> None:
        self.text, self.reads, self.before, self.after = text, reads, before, after

    def parsed(self) -> ast.stmt:
        """A tree that is the caller's own."""
        return ast.parse(self.text).body[0]

    def tensor(self, name: str) -> TensorFact | None:
        """The tensor that a name was bound to before, where its values and sizes could be read."""
        fact = self.before.get(name)
        readable = type(fact) is TensorFact and type(fact.values) is bytes and type(fact.shape) is tuple
        return fact if readable else None  # type: ignore[return-value]

    @functools.cached_property
    def recordable(self) -> bool:
        """Whether a tensor requires grad: what has an `out=` then refuses it."""
        return any(map(_requires_grad, self.before.values()))

    @functools.cached_property
    def made(self) -> Made | None:
        """What the statement makes by one call outermost: a tensor in memory of its own, dense, and not at random."""
        statement = self.parsed()
        if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
            return None
        name = statement.targets[0].id
        fact = self.after.names.get(name)
        if type(fact) is not TensorFact or type(fact.shape) is not tuple or not self._is_new(name, fact):
            return None
        call = self.call_of(statement.value)
        if call is None or "requires_grad" in call.keywords or opnames.draws_random(call.name):
            return None
        return Made(name, fact, call)

    def _is_new(self, name: str, fact: TensorFact) -> bool:
        if name in self.reads:  # it may be what it was
            return False
        others = [(other, one) for other, one in self.after.names.items() if other != name]
        taken = {storage for other, one in others for _, storage in storages(other, one)}
        return fact.offset == 0 and fact.storage not in (None, *taken) and _dense(fact)

    # --- calls ---

    def call_of(self, node: ast.AST) -> Call | None:
        """The call that an expression is at its outermost."""
        if isinstance(node, ast.Call):
            if not isinstance(node.func, ast.Attribute):  # of what a transform made
                return None
            dotted = dotted_name(node.func)
            if dotted is None:
                return self._call(node.func.attr, [node.func.value, *node.args], node.keywords, "method")
            if dotted in FUNCTIONS and dotted.startswith("torch."):
                return self._call(dotted.removeprefix("torch."), node.args, node.keywords, "function")
        elif isinstance(node, ast.BinOp):
            return self._call(BINARY_OPERATORS.get(type(node.op)), [node.left, node.right])
        elif isinstance(node, ast.Compare):
            return self._call(BINARY_OPERATORS.get(type(node.ops[0])), [node.left, node.comparators[0]])
        elif isinstance(node, ast.UnaryOp):
            return self._call(UNARY_OPERATORS.get(type(node.op)), [node.operand])
        return None

    def _call(
        self,
        name: str | None,
        nodes: list[ast.expr],
        keywords: Sequence[ast.keyword] = (),
        spelling: str = "operator",
    ) -> Call | None:
        kinds = tuple(map(self._kind, nodes))
        literal = spelling == "operator" and not {"tensor", ""} & set(kinds)
        if name is None or literal or not overloads(name):
            return None
        named = {str(one.arg): ast.unparse(one.value) for one in keywords}
        return Call(name, tuple(map(ast.unparse, nodes)), named, kinds, spelling)

    def _kind(self, node: ast.expr) -> str:
        if isinstance(node, ast.UnaryOp):
            return self._kind(node.operand)
        if isinstance(node, ast.BinOp):  # 2 - 1j
            return "number" if {self._kind(node.left), self._kind(node.right)} == {"number"} else ""
        if isinstance(node, (ast.List, ast.Tuple)):
            return "list"
        if isinstance(node, ast.Constant):
            return _KINDS.get(type(node.value).__name__, "other")
        if not isinstance(node, ast.Name):
            return ""
        fact = self.before.get(node.id)
        if isinstance(fact, SequenceFact):
            return "list"
        if isinstance(fact, PlainFact):
            return _KINDS.get(fact.type, "other")
        if type(fact) in (TensorFact, ArrayFact):
            return "tensor" if type(fact) is TensorFact else "other"
        return "number" if node.id in ("inf", "nan") else ""


def _requires_grad(fact: Fact) -> bool:
    if isinstance(fact, SequenceFact):
        return any(map(_requires_grad, fact.items))
    return type(fact) is TensorFact and fact.requires_grad is not False


_KINDS = {"int": "number", "float": "number", "complex": "number", "bool": "bool"}


def _dense(fact: TensorFact) -> bool:
    """Whether each place of the memory is one element."""
    expected = 1
    for stride, size in sorted(zip(fact.strides, fact.shape)):  # type: ignore[arg-type]
        if size != 1 and stride != expected:
            return False
        expected *= size
    return True
