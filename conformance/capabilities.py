"""What a backend lacks, from a TOML file kept by whoever owns the backend, and which statements that skips.

The file, every key optional::

    device = "cpu"            # what the backend's default device is called
    random_stream = true      # the same seed gives the same numbers as torch's CPU generator
    shares_numpy = true       # numpy() and from_numpy() share memory with the tensor
    addressable = false       # untyped_storage().data_ptr() is a real host address that may be read and
    written incidental = false        # compare the incidental tier, too

    [lacks]
    ops = ["svd", "fft.*"]    # names as in `Statement.calls`; * stands for any text
    dtypes = ["float16"]
    aspects = ["version"]

Standard library only.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from conformance.facts import Step, tensor_facts

ASPECTS = frozenset(
    {
        "dtype",
        "shape",
        "strides",
        "offset",
        "contiguity",
        "values",
        "range",
        "reference values",
        "signed zero",
        "requires_grad",
    }
    | {
        "is_leaf",
        "grad_fn",
        "graph",
        "grad",
        "retains_grad",
        "version",
        "aliasing",
        "raised",
        "not raised",
        "error type",
        "error text",
    }
    | {"warnings", "type", "partial effect", "crash", "hang", "memory", "attribute"}
)

DTYPES = frozenset(
    {"bool", "uint8", "int8", "int16", "int32", "int64"}
    | {"float16", "bfloat16", "float32", "float64", "complex64", "complex128"}
)

# Other spellings of a dtype in program text: conversions, typed constructors, torch's and NumPy's aliases.
_DTYPE_ALIASES = {
    "half": "float16",
    "HalfTensor": "float16",
    "BFloat16Tensor": "bfloat16",
    "float": "float32",
    "FloatTensor": "float32",
    "double": "float64",
    "DoubleTensor": "float64",
    "byte": "uint8",
    "ByteTensor": "uint8",
    "char": "int8",
    "CharTensor": "int8",
    "short": "int16",
    "ShortTensor": "int16",
    "int": "int32",
    "IntTensor": "int32",
    "long": "int64",
    "LongTensor": "int64",
    "BoolTensor": "bool",
    "cfloat": "complex64",
    "cdouble": "complex128",
    "bool_": "bool",
}

RANDOM_OPS = frozenset(
    {"rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial", "poisson"}
    | {"rand_like", "randn_like", "randint_like"}
    | {"normal_", "uniform_", "random_", "bernoulli_", "exponential_", "cauchy_", "geometric_", "log_normal_"}
    | {"dropout", "dropout_", "alpha_dropout", "feature_dropout", "dropout2d"}
    | {"nn.functional.dropout", "nn.functional.dropout2d"}
)

# Statements that change state which every later statement sees: without them nothing later can be judged.
_GLOBAL_OPS = frozenset(
    {"set_grad_enabled", "set_default_dtype", "set_default_device", "autograd.set_grad_enabled"}
)

_SHARING_OPS = frozenset(
    {"numpy", "from_numpy", "as_tensor", "asarray", "frombuffer", "np.asarray", "__array__"}
)

_MUTATING_OPS = frozenset({"backward", "autograd.backward", "setitem", "retain_grad", "register_hook"})


class CapabilityError(ValueError):
    """A capability file that cannot be used: the file, the key and what it should be."""


@dataclass(frozen=True, slots=True)
class SkipPlan:
    """Which top-level statements a backend skips (index -> reason), and the names unknown after each of them.

    A block that holds a skipped statement is skipped as a whole.
    """

    reasons: dict[int, str] = field(default_factory=dict)
    unknown: dict[int, tuple[str, ...]] = field(default_factory=dict)


NOTHING_SKIPPED = SkipPlan()


@dataclass(frozen=True)
class Capabilities:
    """What a backend offers and lacks; the default lacks nothing."""

    lacks_ops: frozenset[str] = frozenset()
    lacks_dtypes: frozenset[str] = frozenset()
    lacks_aspects: frozenset[str] = frozenset()
    device: str = "cpu"
    random_stream: bool = True
    shares_numpy: bool = True
    addressable: bool = False
    incidental: bool = True
    lacks_errors: bool = False  # statements that raise on the reference are skipped

    def lacks_aspect(self, aspect: str) -> bool:
        """Whether `aspect` ("grad.values" is covered by "grad") is not to be judged."""
        return aspect in self.lacks_aspects or aspect.partition(".")[0] in self.lacks_aspects

    def lacks(self) -> dict[str, list[str]]:
        """The form in which records store it: {"ops": [...], "dtypes": [...], "aspects": [...]}, sorted."""
        return {
            "ops": sorted(self.lacks_ops),
            "dtypes": sorted(self.lacks_dtypes),
            "aspects": sorted(self.lacks_aspects),
        }

    def skips(self, program: Any, reference: Sequence[Step] = (), *, follow: bool = True) -> SkipPlan:
        """The statements of `program` (a `strategies.program.Program`) that this backend must not run.

        These are statements that use what it lacks and statements that depend on one of them. With the steps
        of the reference, a dtype that a statement has without naming it is seen, too. Without `follow`,
        statements that draw random numbers are skipped where the random stream is not torch's, because
        nothing gives both the same numbers.
        """
        draws_differ = not self.random_stream and not follow
        raised = {step.statement for step in reference if self.lacks_errors and step.raised is not None}
        if self.shares_numpy and not (self.lacks_ops or self.lacks_dtypes or draws_differ or raised):
            return NOTHING_SKIPPED
        reference_dtypes = _dtypes_by_statement(reference) if self.lacks_dtypes else {}
        return _plan(program, lambda s: self._own_reason(s, reference_dtypes, draws_differ, raised))

    def _own_reason(
        self,
        statement: Any,
        dtypes: Mapping[int, Mapping[str, set[str]]],
        draws_differ: bool,
        raised: Container[int],
    ) -> str | None:
        if statement.index in raised:
            return "raises on the reference"
        for call in statement.calls:
            if self.lacks_op(call):
                return f"lacks the op {call}"
            if not self.shares_numpy and call in _SHARING_OPS:
                return f"does not share memory with NumPy ({call})"
            if draws_differ and call in RANDOM_OPS:
                return f"random stream is not torch's ({call})"
        if self.lacks_dtypes:
            used = _dtypes_in_text(statement.text)
            by_name = dtypes.get(statement.index, {})
            for name in statement.reads | statement.writes:
                used |= by_name.get(name, set())
            for dtype in sorted(used & self.lacks_dtypes):
                return f"lacks the dtype {dtype}"
        for inner in statement.body:
            reason = self._own_reason(inner, dtypes, draws_differ, raised)
            if reason is not None:
                return reason
        return None

    def lacks_op(self, name: str) -> bool:
        """Whether an operation is listed as lacking, by its name or by a pattern."""
        return name in self.lacks_ops or any(fnmatchcase(name, pattern) for pattern in self._patterns)

    @functools.cached_property
    def _patterns(self) -> tuple[str, ...]:
        return tuple(op for op in self.lacks_ops if "*" in op)


# --- what depends on a skipped statement ---


def _plan(program: Any, own_reason: Callable[[Any], str | None]) -> SkipPlan:
    reasons: dict[int, str] = {}
    unknown_after: dict[int, tuple[str, ...]] = {}
    unknown: set[str] = set()
    related: dict[str, set[str]] = {}  # names that may share memory or history, as far as the text can tell
    lost_globals = lost_random = False
    for statement in program.statements:
        calls = set(_all_calls(statement))
        reason = own_reason(statement)
        if reason is None and lost_globals:
            reason = "depends on a skipped statement that changes a global setting"
        if reason is None and lost_random and calls & RANDOM_OPS:
            reason = "depends on the random stream after a skipped statement"
        if reason is None:
            needed = statement.writes if statement.kind == "del" else statement.reads
            for name in sorted(needed & unknown):
                reason = f"depends on {name}, which a skipped statement writes"
                break
        names = statement.reads | statement.writes
        _relate(related, names)
        if reason is None:
            lost_random = lost_random and "manual_seed" not in calls
            unknown -= statement.writes
            continue
        lost_globals = lost_globals or bool(calls & _GLOBAL_OPS)
        lost_random = lost_random or bool(calls & (RANDOM_OPS | {"manual_seed"}))
        if statement.kind == "del":
            unknown -= statement.writes
        else:
            unknown |= statement.writes
        if _may_mutate(statement):
            for name in names:
                unknown |= related[name]
        reasons[statement.index] = reason
        unknown_after[statement.index] = tuple(sorted(unknown))
    return SkipPlan(reasons, unknown_after)


def _all_calls(statement: Any) -> Iterator[str]:
    yield from statement.calls
    for inner in statement.body:
        yield from _all_calls(inner)


def _relate(related: dict[str, set[str]], names: frozenset[str]) -> None:
    merged = set(names)
    for name in names:
        merged |= related.get(name, set())
    for name in merged:
        related[name] = merged


def _may_mutate(statement: Any) -> bool:
    """Whether the statement may change objects that exist before it, as far as the text can tell."""
    if statement.body:
        return any(map(_may_mutate, statement.body))
    if statement.kind == "del":
        return False
    if (
        statement.kind != "assign"
        or "out=" in statement.text
        or not _MUTATING_OPS.isdisjoint(statement.calls)
    ):
        return True
    return any(call.endswith("_") for call in statement.calls)


_DTYPE_IN_TEXT = re.compile(r"\.\s*(\w+)")


def _dtypes_in_text(text: str) -> set[str]:
    found = {_DTYPE_ALIASES.get(word, word) for word in _DTYPE_IN_TEXT.findall(text)}
    return found & DTYPES


def _dtypes_by_statement(steps: Sequence[Step]) -> dict[int, dict[str, set[str]]]:
    """For each statement, the dtypes that its names have in the reference after it."""
    result: dict[int, dict[str, set[str]]] = {}
    for step in steps:
        by_name = result.setdefault(step.statement, {})
        for name, fact in tensor_facts(step.names):
            variable = re.match(r"\w+", name)
            if variable and isinstance(fact.dtype, str):
                by_name.setdefault(variable.group(), set()).add(fact.dtype)
    return result


# --- the file ---

_SWITCHES = ("random_stream", "shares_numpy", "addressable", "incidental")
_LACKS = ("ops", "dtypes", "aspects")


def load_capabilities(path: str | Path, default: Capabilities | None = None) -> Capabilities:
    """Reads a capability file; keys that it leaves out are taken from `default`.

    Raises `CapabilityError` with the file, the key and what is wrong.
    """
    default = default or Capabilities(incidental=False)
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise CapabilityError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CapabilityError(f"{path}: not TOML: {error}") from None
    changes: dict[str, Any] = {}
    for key, value in table.items():
        if key == "lacks":
            changes |= _read_lacks(path, value)
        elif key in _SWITCHES:
            _require(isinstance(value, bool), path, key, "true or false", value)
            changes[key] = value
        elif key == "device":
            _require(isinstance(value, str), path, key, "a text", value)
            changes[key] = value
        else:
            allowed = ", ".join(("device", *_SWITCHES, "lacks"))
            raise CapabilityError(f"{path}: unknown key {key!r} (allowed: {allowed})")
    return replace(default, **changes)


def _read_lacks(path: str | Path, table: Any) -> dict[str, frozenset[str]]:
    _require(isinstance(table, dict), path, "lacks", "a table", table)
    changes = {}
    for key, value in table.items():
        if key not in _LACKS:
            raise CapabilityError(f"{path}: unknown key 'lacks.{key}' (allowed: {', '.join(_LACKS)})")
        texts = isinstance(value, list) and all(isinstance(item, str) for item in value)
        _require(texts, path, f"lacks.{key}", "a list of texts", value)
        changes[f"lacks_{key}"] = frozenset(value)
    for key, known in (("dtypes", DTYPES), ("aspects", ASPECTS)):
        for item in sorted(changes.get(f"lacks_{key}", ())):
            if item.partition(".")[0] not in known:
                allowed = ", ".join(sorted(known))
                raise CapabilityError(f"{path}: key 'lacks.{key}': unknown {item!r} (allowed: {allowed})")
    return changes


def _require(condition: bool, path: str | Path, key: str, expected: str, value: Any) -> None:
    if not condition:
        raise CapabilityError(f"{path}: key {key!r}: should be {expected}, but is {value!r}")
