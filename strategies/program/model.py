"""Programs and statements as values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from types import CodeType


@dataclass(frozen=True)
class Statement:
    """One statement of a program, checked and compiled.

    `index` is its position in a pre-order walk of the program. `text` is its own source, without indentation; a block's
    is `head` and the statements of its body, indented by four spaces. `kind` is "assign", "augassign", "setitem",
    "setattr", "del", "call", "with" or "for".

    `reads` and `writes` are names of variables; only binding or unbinding a name writes it, so `x[0] = 1` and
    `x.add_(1)` read x, and `del x` does both. `calls` are the ops in the order of evaluation: "add" for torch.add and
    x.add, "add_" for x.add_, "linalg.inv" for torch.linalg.inv, "np.ones", "operator.add", "operator.iadd",
    "getitem", "setitem", "attr.grad" for reading and "setattr.grad" for assigning an attribute. A block's `reads` and
    `writes` are those of its body and head together, its `calls` those of its head alone.

    `code` of a simple statement is for `exec`; of a `with` block it is for `eval` and gives the context manager; a
    `for` block, which is stepped `count` times with `target` set to the round, has an empty one.
    """

    index: int
    text: str
    head: str
    line: int
    kind: str
    body: tuple[Statement, ...]
    reads: frozenset[str]
    writes: frozenset[str]
    calls: tuple[str, ...]
    code: CodeType = field(compare=False, repr=False)
    count: int = 0
    target: str = ""

    def walk(self) -> Iterator[Statement]:
        """This statement, then those of its body, in pre-order."""
        yield self
        for statement in self.body:
            yield from statement.walk()

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Program:
    """A text that `parse` accepted, and its top-level statements."""

    text: str
    statements: tuple[Statement, ...]

    def walk(self) -> Iterator[Statement]:
        """All statements in pre-order, so that the n-th has index n."""
        for statement in self.statements:
            yield from statement.walk()

    def __str__(self) -> str:
        return self.text

    def __reduce__(self) -> tuple:
        # Code objects cannot be pickled, and whoever unpickles a program should check it again.
        from strategies.program.parser import parse

        return parse, (self.text,)
