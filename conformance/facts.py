"""What was observed, as immutable data, and its JSON form.

A fact is one of `TensorFact`, `ArrayFact`, `PlainFact`, `SequenceFact` and `Raised` (the observed value where
reading raised). Facts compare with ``==`` and are hashable. `TensorFact` and `ArrayFact` are named tuples,
because one of them is made for every live name after every statement, and so is `Step`; the others are dataclasses, so that
facts of different kinds are never equal by accident. This module needs the standard library only.

JSON form: a trace stores each distinct fact once, in a table, and each step refers to it by position. Bytes
are base64.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

SCHEMA = 2  # 1 had no graphs

__all__ = [
    "SCHEMA",
    "ArrayFact",
    "Fact",
    "FactError",
    "PlainFact",
    "Raised",
    "SequenceFact",
    "Step",
    "TensorFact",
    "Trace",
    "decode_trace",
    "dtypes_in",
    "encode_trace",
    "tensor_facts",
]


class FactError(ValueError):
    """JSON that is not a trace of this schema."""


@dataclass(frozen=True, slots=True)
class Raised:
    """An exception as an observed value: its class's name and its text."""

    type: str
    text: str


@dataclass(frozen=True, slots=True)
class PlainFact:
    """A number, string, None, dtype, Size, device and so on.

    ``text`` is the repr with the namespace's name replaced by ``torch``; floats are written by ``float.hex``;
    an object whose repr shows an address is ``<Type>``.
    """

    type: str
    text: str


@dataclass(frozen=True, slots=True)
class SequenceFact:
    """A list, tuple or named tuple; ``type`` is the class name's last part.

    A dict is its keys and values in turn.
    """

    type: str
    items: tuple[Fact, ...]


class TensorFact(NamedTuple):
    """One tensor. Any field is `Raised` where reading it raised.

    ``values``: the elements' native bytes in row-major order. ``version``: change since this object was first
    seen under this name, or ``"untracked"``. ``storage``: number of the class of tensors that share its
    memory, counted in order of first appearance over the sorted names; None for a tensor without elements.
    ``undefined``: None where every element is defined, else one byte 0 or 1 an element. ``grad`` is None,
    too, where reading it would warn. ``graph``: what is reachable from ``grad_fn``, as `conformance.graphs` writes it;
    None without a ``grad_fn``, and where the library does not show edges.
    """

    dtype: str | Raised
    shape: tuple[int, ...] | Raised
    strides: tuple[int, ...] | Raised
    offset: int | Raised
    contiguous: bool | Raised
    values: bytes | Raised | None
    requires_grad: bool | Raised
    is_leaf: bool | Raised
    grad_fn: str | Raised | None
    retains_grad: bool | Raised
    version: int | str | Raised
    storage: int | Raised | None
    device: str | Raised
    grad: TensorFact | Raised | None
    undefined: bytes | None
    graph: str | None = None


class ArrayFact(NamedTuple):
    """One NumPy array; ``strides`` are in bytes, ``storage`` is numbered together with the tensors', ``undefined`` as
    theirs."""

    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    values: bytes | Raised
    storage: int | None
    undefined: bytes | None = None


Fact = TensorFact | ArrayFact | PlainFact | SequenceFact | Raised


class Step(NamedTuple):
    """What was observed after one step of a program.

    ``path`` is unique in a trace: ``"3"`` at the top level, ``"3.enter"``, ``"3.4"``, ``"3.exit"`` in a
    ``with`` block, ``"3#1.4"`` in the loop 3's iteration 1 (the first is 0). ``warnings`` are category names
    in order. ``skipped`` is the reason where the backend lacks the statement, which then did not run;
    ``unknown`` are the names that cannot be judged here because a statement that writes them was skipped
    (they are absent from ``names``).
    """

    statement: int
    path: str
    raised: Raised | None
    warnings: tuple[str, ...]
    names: dict[str, Fact]
    skipped: str | None = None
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trace:
    """All steps of one program on one backend. `prelude`: the source of the functions that it may call, if it calls any."""

    program: str
    backend: str
    versions: dict[str, str] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    prelude: str = ""


def tensor_facts(names: dict[str, Fact]) -> Iterator[tuple[str, TensorFact | ArrayFact]]:
    """Every tensor and array by name ("x", "x.grad", "x[0]"), in the order that numbers the storages."""
    for name in sorted(names):
        yield from _tensors_in(name, names[name])


def _tensors_in(name: str, fact: Any) -> Iterator[tuple[str, TensorFact | ArrayFact]]:
    kind = type(fact)
    if kind is TensorFact:
        yield name, fact
        if type(fact.grad) is TensorFact:
            yield from _tensors_in(f"{name}.grad", fact.grad)
    elif kind is ArrayFact:
        yield name, fact
    elif kind is SequenceFact:
        for position, item in enumerate(fact.items):
            yield from _tensors_in(f"{name}[{position}]", item)


def dtypes_in(facts: Iterable[Any]) -> set[str]:
    """The dtypes of all tensors and arrays in these facts."""
    found: set[Any] = set()
    for fact in facts:
        kind = type(fact)
        if kind is TensorFact or kind is ArrayFact:
            found.add(fact[0])
        elif kind is SequenceFact:
            found |= dtypes_in(fact.items)
    return {dtype for dtype in found if type(dtype) is str}  # reading it may have raised


# --- JSON
# ---------------------------------------------------------------------------------------------------------


def encode_trace(trace: Trace) -> dict[str, Any]:
    """The trace as what `json.dumps` takes; each distinct fact is stored once."""
    table: dict[Fact, int] = {}
    steps = []
    for step in trace.steps:
        names = {name: table.setdefault(fact, len(table)) for name, fact in step.names.items()}
        row: dict[str, Any] = {"statement": step.statement, "path": step.path, "names": names}
        if step.raised is not None:
            row["raised"] = [step.raised.type, step.raised.text]
        if step.warnings:
            row["warnings"] = list(step.warnings)
        if step.skipped is not None:
            row["skipped"] = step.skipped
        if step.unknown:
            row["unknown"] = list(step.unknown)
        steps.append(row)
    row = {
        "schema": SCHEMA,
        "record": "trace",
        "program": trace.program,
        "backend": trace.backend,
        "versions": trace.versions,
        "facts": [_encode(fact) for fact in table],
        "steps": steps,
    }
    return row | {"prelude": trace.prelude} if trace.prelude else row


def decode_trace(row: Any) -> Trace:
    """The inverse of `encode_trace`; `FactError` says what is wrong with `row`."""
    if not isinstance(row, dict) or row.get("record") != "trace":
        raise FactError("not a trace record")
    if row.get("schema") != SCHEMA:
        raise FactError(f"trace of schema {row.get('schema')!r}; this version reads schema {SCHEMA}")
    try:
        table = [_decode(item) for item in row["facts"]]
        steps = tuple(_decode_step(step, table) for step in row["steps"])
        program, backend, versions = row["program"], row["backend"], row["versions"]
        prelude = row.get("prelude", "")
    except FactError:
        raise
    except KeyError as error:
        raise FactError(f"trace record without the key {error}") from None
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        raise FactError(f"malformed trace record: {error}") from None
    if not (
        all(isinstance(text, str) for text in (program, backend, prelude)) and isinstance(versions, dict)
    ):
        raise FactError("malformed trace record: program and backend must be text, versions an object")
    return Trace(program, backend, versions, steps, prelude)


def _decode_step(row: dict[str, Any], table: list[Fact]) -> Step:
    raised = row.get("raised")
    return Step(
        row["statement"],
        row["path"],
        None if raised is None else Raised(*raised),
        tuple(row.get("warnings", ())),
        {name: table[position] for name, position in row["names"].items()},
        row.get("skipped"),
        tuple(row.get("unknown", ())),
    )


def _encode(fact: Any) -> Any:
    """Lists whose first item is a tag; scalars, None and text stand for themselves."""
    encoder = _ENCODERS.get(type(fact))
    if encoder is not None:
        return encoder(fact)
    if isinstance(fact, tuple):
        return ["tuple", *map(_encode, fact)]
    return fact


_ENCODERS: dict[type, Callable[[Any], Any]] = {
    bytes: lambda value: ["bytes", base64.b64encode(value).decode("ascii")],
    Raised: lambda fact: ["raised", fact.type, fact.text],
    PlainFact: lambda fact: ["plain", fact.type, fact.text],
    SequenceFact: lambda fact: ["sequence", fact.type, *map(_encode, fact.items)],
    TensorFact: lambda fact: ["tensor", *map(_encode, fact)],
    ArrayFact: lambda fact: ["array", *map(_encode, fact)],
}


def _decode(row: Any) -> Any:
    if not isinstance(row, list):
        return row
    decoder = _DECODERS.get(row[0]) if row else None
    if decoder is None:
        raise FactError(f"unknown kind of fact {row[:1]!r}")
    return decoder(row)


_DECODERS: dict[str, Callable[[list[Any]], Any]] = {
    "bytes": lambda row: base64.b64decode(row[1], validate=True),
    "tuple": lambda row: tuple(map(_decode, row[1:])),
    "raised": lambda row: Raised(row[1], row[2]),
    "plain": lambda row: PlainFact(row[1], row[2]),
    "sequence": lambda row: SequenceFact(row[1], tuple(map(_decode, row[2:]))),
    "tensor": lambda row: TensorFact(*map(_decode, row[1:])),
    "array": lambda row: ArrayFact(*map(_decode, row[1:])),
}
