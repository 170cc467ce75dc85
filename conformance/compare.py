"""Compares what two backends showed after the same statement, aspect by aspect.

Steps that are equal are told by tuple equality (`same`), which is nearly always; everything else here runs for
the rest only. Nothing is normalised before comparing: no casts, no broadcasting, no sums.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from conformance import graphs, numeric
from conformance.facts import ArrayFact, Fact, PlainFact, Raised, SequenceFact, Step, TensorFact, dtypes_in
from conformance.numeric import FLOATING, Numeric, Question, plain_bytes, plain_complex
from conformance.opnames import base_name, is_autograd_grad, is_transform
from conformance.showing import Elements, show, show_raised
from conformance.tiers import (
    DOCUMENTED,
    EITHER_ZERO,
    GRAPH,
    INCIDENTAL,
    INNER_GRAPH,
    LAYOUT,
    TIERS,
    UNDECIDED,
    documented_text_differs,
    without_numbers,
)


class Verdicts(Protocol):
    """What `conformance.verdict.Verdicts` answers; here, so that traces are compared where there is no engine, too."""

    def weigh(self, question: Question) -> tuple[str, Numeric]:
        """The aspect in which two results differ, "" for none; and the numbers that say so."""

    def disagree(self, path: str, name: str) -> bool:
        """Whether it depends on rounding what a statement raises, or of which type and shape a name is."""

    def met_undefined(self, path: str) -> bool:
        """Whether a statement came to something that is left undefined."""


class Difference(NamedTuple):
    """One aspect in which a candidate differs from the reference after one statement."""

    aspect: str
    tier: str
    name: str  # "x", "x.grad", "x[0]"; "" for the statement itself
    got: str
    should_be: str
    numeric: Numeric | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What is known of the statement that was run. `before` and `before_got` are the names before it, on the
    reference and on the candidate; `operands` the names that its results are computed from;
    `ignore` says of (name, aspect or "") whether it is out of the comparison; of the names `up_to_phase` the magnitudes
    are compared; `verdicts` are asked for what the quick test does not settle, None where there is nobody to ask."""

    calls: tuple[str, ...] = ()
    text: str = ""
    operands: frozenset[str] = frozenset()
    before: Mapping[str, Fact] = field(default_factory=dict)
    before_got: Mapping[str, Fact] = field(default_factory=dict)
    can_write: frozenset[str] | None = None  # None: anything
    is_exact: Callable[[tuple[str, ...], str], bool] = lambda calls, dtype: False
    ignore: Callable[[str, str], bool] = lambda name, aspect: False
    up_to_phase: frozenset[str] = frozenset()
    path: str = ""
    followed: bool = False
    verdicts: Verdicts | None = None


def same(got: Step, want: Step) -> bool:
    """True where nothing at all differs, which settles most statements."""
    names = got.names is want.names or got.names == want.names
    return names and got.raised == want.raised and got.warnings == want.warnings


def tier_of(aspect: str, context: Context, got: Any = None, want: Any = None) -> str:
    """The tier of a difference; `got` and `want` are the two values of the aspect where they matter."""
    base = aspect.removeprefix("grad.")
    transform = any(map(is_transform, context.calls))
    of_gradient = any(map(is_autograd_grad, context.calls))
    if base in LAYOUT and (transform or of_gradient):
        return INCIDENTAL
    if base in GRAPH and got is not None and want is not None:
        if transform:  # nothing states what it records: operations of its own, not those of its function
            return INCIDENTAL
        if base == "graph":
            documented = graphs.is_documented(got, want)
        else:  # by which operations a gradient is computed is nowhere stated
            documented = not of_gradient and aspect == base and names_call(want, context.calls)
        return DOCUMENTED if documented else INCIDENTAL
    return DOCUMENTED if base in GRAPH else TIERS.get(base, (DOCUMENTED, ""))[0]


def names_call(grad_fn: Any, calls: Iterable[str]) -> bool:
    """True where the node's name is the called operation's own ("ExpBackward0" after exp), not an inner step's."""
    node = str(grad_fn).rpartition("::")[2].lower()
    if node == "copyslices":
        return True
    return any(node.startswith(base_name(call).replace("_", "").lower() + "backward") for call in calls)


# --- Steps ----------------------------------------------------------------------------------------------------------


def compare_steps(got: Step, want: Step, context: Context) -> list[Difference]:
    """Every aspect that differs between a candidate's step and the reference's, names in order; in the tier UNDECIDED
    those about which correct implementations may differ."""
    found = _Found(context)
    aspect = "not raised" if got.raised is None else "raised"
    if (got.raised is None) != (want.raised is None) and not context.ignore("", aspect):
        found.add(aspect, "", show_raised(got.raised), show_raised(want.raised))
        return found.decided(got, want)
    if got.raised is not None and want.raised is not None and got.raised != want.raised:
        found.raised(got.raised, want.raised)
    if got.warnings != want.warnings:
        found.add("warnings", "", list(got.warnings) or "no warning", list(want.warnings) or "no warning")
    if got.raised is not None and want.raised is not None:
        found.after_exception(got.names, want.names)
    else:
        found.names(got.names, want.names)
    return found.decided(got, want)


# What may depend on values, and exceptions that never do.
DATA_DEPENDENT = frozenset(
    ("raised", "not raised", "error type", "error text", "type", "shape", "strides", "contiguity", "values")
)
NEVER_DATA = re.compile(r"(TypeError|NotImplementedError|AttributeError|NameError|LacksError|MemoryError)\b")


class _Found:
    """The differences of one statement, collected."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.differences: list[Difference] = []
        self._facts: tuple[Mapping[str, Fact], Mapping[str, Fact]] = ({}, {})

    def add(
        self, aspect: str, name: str, got: Any, want: Any, number: Numeric | None = None, tier: str = ""
    ) -> None:
        if not self.context.ignore(name, aspect):
            tier = (
                UNDECIDED
                if aspect.endswith("undecided")
                else tier or tier_of(aspect, self.context, got, want)
            )
            self.differences.append(Difference(aspect, tier, name, show(got), show(want), number))

    def decided(self, got: Step, want: Step) -> list[Difference]:
        """The differences; those that the engine's runs disagree about, too, in the tier UNDECIDED."""
        if self.differences and self.context.verdicts is not None:
            self._facts = (got.names, want.names)
            self.differences = [
                item._replace(tier=UNDECIDED) if self.is_undecided(item) else item
                for item in self.differences
            ]
        return self.differences

    def is_undecided(self, item: Difference) -> bool:
        """Whether the engine's runs disagree about something that is no number. Values have been weighed before."""
        if item.numeric is not None or item.aspect.removeprefix("grad.") not in DATA_DEPENDENT:
            return False
        if item.tier == INCIDENTAL:  # nobody is alarmed by it
            return False
        if NEVER_DATA.match(item.got) or NEVER_DATA.match(item.should_be):
            return False
        verdicts, path = self.context.verdicts, self.context.path
        assert verdicts is not None
        if self.exact() and not verdicts.met_undefined(path):
            return False
        return verdicts.disagree(path, item.name)

    def inherits(self) -> bool:
        """Whether what the statement computes from differs already; never where the candidate follows."""
        before, mine = self.context.before, self.context.before_got
        return not self.context.followed and any(
            before.get(name) != mine.get(name) for name in self.context.operands
        )

    def exact(self) -> bool:
        """Whether no operation of the statement rounds, for its floating operands and results."""
        context = self.context
        sources = (*self._facts, context.before, context.before_got)
        facts = [source[name] for source in sources for name in context.operands if name in source]
        floating = {dtype for dtype in dtypes_in(facts) if dtype.startswith(FLOATING)}
        return all(context.is_exact(context.calls, dtype) for dtype in floating or {"float32"})

    def raised(self, got: Any, want: Any) -> None:
        if got.type != want.type:
            self.add("error type", "", got, want, tier=DOCUMENTED)
        else:
            self.error_text("", got, want)

    def error_text(self, name: str, got: Raised, want: Raised) -> None:
        # What a transform recorded is described by errors of what is computed from it, too.
        recorded = any(self.context.ignore(operand, "graph") for operand in self.context.operands)
        documented = not recorded and documented_text_differs(got.text, want.text)
        if documented or without_numbers(got.text) != without_numbers(want.text):
            self.add("error text", name, got, want, tier=DOCUMENTED if documented else INCIDENTAL)

    def read(self, name: str, aspect: str, got: Any, want: Any) -> None:
        """An attribute whose reading raised on one side at least."""
        if type(got) is type(want) and got.type == want.type:
            self.error_text(name, got, want)
        else:
            self.add("attribute", name, f"{aspect}: {show(got)}", f"{aspect}: {show(want)}")

    def after_exception(self, got: Mapping[str, Fact], want: Mapping[str, Fact]) -> None:
        """Both backends raised: what each left behind must be what was there before, on both or on neither."""
        inner = _Found(self.context)
        inner.names(got, want)
        for item in inner.differences:
            root = re.split(r"[.\[]", item.name, maxsplit=1)[0]
            written = self.context.can_write is None or root in self.context.can_write
            tier = INCIDENTAL if written else DOCUMENTED
            # The words of an error in which the name could be read neither before nor after are no effect of the call.
            tier = item.tier if item.tier == UNDECIDED or item.aspect == "error text" else tier
            text = f"{item.aspect}: "
            self.add("partial effect", item.name, text + item.got, text + item.should_be, item.numeric, tier)

    def names(self, got: Mapping[str, Fact], want: Mapping[str, Fact]) -> None:
        self._facts = (got, want)
        for name in sorted(want.keys() | got.keys()):
            if self.context.ignore(name, ""):
                continue
            a, b = got.get(name), want.get(name)
            if a is None or b is None:
                self.add("type", name, "no such name" if a is None else a, "no such name" if b is None else b)
            elif a != b:
                self.fact(name, "", a, b)
        self.partition(got, want)

    def fact(self, name: str, prefix: str, got: Any, want: Any) -> None:
        kind = type(want)
        if type(got) is not kind:
            aspect = "attribute" if Raised in (type(got), kind) else "type"
            self.add(aspect, name, got, want)
        elif kind is TensorFact:
            self.tensor(name, prefix, got, want)
        elif kind is ArrayFact:
            self.array(name, got, want)
        elif kind is SequenceFact:
            self.sequence(name, got, want)
        elif kind is PlainFact:
            self.plain(name, got, want)
        elif got.type != want.type:
            self.add("attribute", name, got, want)

    def tensor(self, name: str, prefix: str, got: TensorFact, want: TensorFact) -> None:
        for aspect, position in TENSOR_FIELDS:
            a, b = got[position], want[position]
            if a != b:
                if type(a) is Raised or type(b) is Raised:
                    self.read(name, aspect, a, b)
                elif aspect == "strides":
                    self.strides(name, prefix, got, want)
                else:
                    self.add(prefix + aspect, name, a, b)
        comparable = (
            got.dtype == want.dtype and got.shape == want.shape and not isinstance(want.shape, Raised)
        )
        if comparable and got.values != want.values:
            undefined = _either(got.undefined, want.undefined)
            self.values(name, prefix, want.dtype, want.shape, got.values, want.values, undefined)
        if got.graph != want.graph:
            self.graph(name, prefix, got, want)
        if got.grad != want.grad:
            if type(got.grad) is TensorFact and type(want.grad) is TensorFact:
                self.tensor(f"{name}.grad", "grad.", got.grad, want.grad)
            elif type(got.grad) is Raised and type(want.grad) is Raised:
                self.read(f"{name}.grad", "grad", got.grad, want.grad)
            else:
                self.add(f"{prefix}grad", f"{name}.grad", got.grad, want.grad)

    def graph(self, name: str, prefix: str, got: TensorFact, want: TensorFact) -> None:
        """What a gradient would reach. Where nodes have other names, so has what is computed from them."""
        if got.graph is None or want.graph is None:
            return  # there is no `grad_fn`, which is an aspect of its own, or a library does not show edges
        tier = tier_of("graph", self.context, got.graph, want.graph)
        inner = got.grad_fn != want.grad_fn or self.context.ignore(name, INNER_GRAPH)
        if tier == DOCUMENTED or not inner:
            self.add(prefix + "graph", name, got.graph, want.graph, tier=tier)

    def strides(self, name: str, prefix: str, got: TensorFact, want: TensorFact) -> None:
        """Strides of dimensions of size 1, and of tensors without elements, address nothing."""
        tier, shape, a, b = "", want.shape, got.strides, want.strides
        if got.shape == shape and isinstance(shape, tuple) and isinstance(a, tuple) and isinstance(b, tuple):
            used = [x == y for x, y, size in zip(a, b, shape) if size > 1]
            if 0 in shape or (len(a) == len(b) and all(used)):
                tier = INCIDENTAL
        self.add(f"{prefix}strides", name, a, b, tier=tier)

    def array(self, name: str, got: ArrayFact, want: ArrayFact) -> None:
        for aspect in ("dtype", "shape", "strides"):
            a, b = getattr(got, aspect), getattr(want, aspect)
            if a != b:
                self.add(aspect, name, a, b)
        if got.dtype == want.dtype and got.shape == want.shape and got.values != want.values:
            undefined = _either(got.undefined, want.undefined)
            self.values(name, "", want.dtype, want.shape, got.values, want.values, undefined)

    def values(
        self, name: str, prefix: str, dtype: Any, shape: Any, got: Any, want: Any, undefined: Any
    ) -> None:
        if type(got) is not bytes or type(want) is not bytes:
            self.add("attribute", name, got, want)
            return
        context = self.context
        floating = str(dtype).startswith(FLOATING)
        exact = context.is_exact(context.calls, dtype) if floating else self.exact()
        exact = exact and not SCALED.search(context.text)
        sizes = name in context.up_to_phase
        parts = numeric.compare_values(
            *((dtype, shape, got, want) if not sizes else numeric.magnitudes(dtype, shape, got, want)),
            exact=exact,
            weigh=lambda beyond, number: self.weigh(
                name, dtype, shape, got, want, beyond, exact, self.inherits(), number, sizes
            ),
            undefined=undefined,
        )
        either = any(base_name(call) in EITHER_ZERO for call in context.calls)
        decided = exact and not either and not str(dtype).startswith("complex")
        for aspect, number in parts:
            tier = INCIDENTAL if aspect == "signed zero" and not decided else ""
            mine, theirs = Elements(dtype, shape, got), Elements(dtype, shape, want)
            self.add(prefix + aspect, name, mine, theirs, number, tier=tier)

    def weigh(self, name: str, *question: Any) -> tuple[str, Numeric]:
        """What the engine's other runs say; where there are none, that values differ."""
        verdicts, asked = self.context.verdicts, Question(self.context.path, name, *question)
        if verdicts is None or self.context.ignore(name, "values"):
            return "values", asked.number
        return verdicts.weigh(asked)

    def sequence(self, name: str, got: SequenceFact, want: SequenceFact) -> None:
        if got.type != want.type or len(got.items) != len(want.items):
            a, b = (f"{fact.type} of {len(fact.items)}" for fact in (got, want))
            self.add("type", name, a, b)
            return
        for position, (mine, theirs) in enumerate(zip(got.items, want.items)):
            if mine != theirs:
                self.fact(f"{name}[{position}]", "", mine, theirs)

    def plain(self, name: str, got: PlainFact, want: PlainFact) -> None:
        if got.type != want.type:
            self.add("type", name, f"{got.type} {show(got)}", f"{want.type} {show(want)}")
        elif got.type in ("float", "numpy.float64", "numpy.float32", "numpy.float16"):
            a, b = float.fromhex(got.text), float.fromhex(want.text)
            dtype, pair = plain_bytes(a, b)
            self.values(name, "", dtype, (), *pair, None)
        elif got.type == "complex":
            dtype, pair = plain_bytes(plain_complex(got.text), plain_complex(want.text))
            self.values(name, "", dtype, (), *pair, None)
        else:
            self.add("values", name, got, want)

    def partition(self, got: Mapping[str, Fact], want: Mapping[str, Fact]) -> None:
        """Which live tensors share storage: classes of names are compared, their numbers mean nothing."""
        if _numbers(got) == _numbers(want):
            return
        mine, theirs = self.classes(got), self.classes(want)
        common = mine.keys() & theirs.keys()
        for name in sorted(common):
            a, b = mine[name] & common, theirs[name] & common
            if a != b:
                self.add("aliasing", name, _sharing(a - {name}), _sharing(b - {name}))

    def classes(self, names: Mapping[str, Fact]) -> dict[str, frozenset[str]]:
        members: dict[Any, set[str]] = {}
        for name, fact in names.items():
            if not self.context.ignore(name, ""):
                for part, storage in storages(name, fact):
                    members.setdefault(part if storage is None else storage, set()).add(part)
        frozen = ((group, frozenset(group)) for group in members.values())
        return {name: group_set for group, group_set in frozen for name in group}


# Field of TensorFact and aspect; values, storage and grad have rules of their own, device is the backend's own.
ASPECT_FIELDS = (
    ("dtype", "dtype"),
    ("shape", "shape"),
    ("strides", "strides"),
    ("offset", "offset"),
    ("contiguous", "contiguity"),
    ("requires_grad", "requires_grad"),
    ("is_leaf", "is_leaf"),
    ("grad_fn", "grad_fn"),
    ("retains_grad", "retains_grad"),
    ("version", "version"),
)
TENSOR_FIELDS = tuple((aspect, TensorFact._fields.index(name)) for name, aspect in ASPECT_FIELDS)


def storages(name: str, fact: Any) -> Iterable[tuple[str, Any]]:
    """The names of tensors and arrays within a fact, each with the number of its storage class."""
    kind = type(fact)
    if kind is TensorFact:
        if not isinstance(fact.storage, Raised):
            yield name, fact.storage
        if type(fact.grad) is TensorFact:
            yield from storages(f"{name}.grad", fact.grad)
    elif kind is ArrayFact:
        yield name, fact.storage
    elif kind is SequenceFact:
        for position, item in enumerate(fact.items):
            yield from storages(f"{name}[{position}]", item)


def _numbers(names: Mapping[str, Fact]) -> list[tuple[str, Any]]:
    return [part for name in sorted(names) for part in storages(name, names[name])]


def _sharing(others: frozenset[str]) -> str:
    return (
        "shares memory with " + ", ".join(sorted(others)) if others else "shares memory with no other tensor"
    )


def _either(a: bytes | None, b: bytes | None) -> bytes | None:
    if a is None or b is None:
        return a or b
    return bytes(x | y for x, y in zip(a, b))


# alpha= is a product and a sum, which some fuse; rounding_mode= rounds a quotient that is rounded already.
SCALED = re.compile(r"\b(?:alpha|rounding_mode|value)=")
