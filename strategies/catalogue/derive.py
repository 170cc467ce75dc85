"""The entries that follow from the engine's records of operations: which exist, in which spellings."""

from __future__ import annotations

from collections.abc import Mapping

import engine
from engine.registry import OPS, POINTWISE, Op
from strategies.catalogue.draft import Argument
from strategies.catalogue.entry import Entry
from strategies.catalogue.weights import weight_of
from strategies.program.vocabulary import FUNCTIONS, METHODS, family_of

_DOTTED = ("special", "linalg", "nn_functional", "fft")


def public_name(name: str) -> str:
    """What follows `torch.`: operations of a submodule are registered with `_` for the dot."""
    for module in _DOTTED:
        if name.startswith(module + "_") and "torch." + name not in FUNCTIONS:
            return module.replace("_", ".") + "." + name[len(module) + 1 :]
    return name


def _exists(name: str) -> bool:
    """Whether the engine has the submodule that a dotted name begins with."""
    module: object = engine
    for part in name.split(".")[:-1]:
        module = getattr(module, part, None)
    return module is not None


def spellings(name: str, op: Op) -> frozenset[str]:
    """The forms of an operation that the program language has words for."""
    forms = set()
    suffixed = name if name.endswith("_") else name + "_"
    if "torch." + name in FUNCTIONS and "function" in op.forms:
        forms.add("function")
        if "out" in op.forms:
            forms.add("out")
    if name in METHODS and (
        "method" in op.forms or (name.endswith("_") and op.forms & {"inplace", "inplace-method"})
    ):
        forms.add("method")
    if "inplace" in op.forms and not name.endswith("_"):
        if suffixed in METHODS:
            forms.add("inplace")
        if "torch." + suffixed in FUNCTIONS and "function" in op.forms and "inplace-method" not in op.forms:
            forms.add("inplace function")
    return frozenset(forms)


def derived(rows: Mapping[str, Mapping[str, Argument]]) -> list[Entry]:
    """One entry per name and overload, by name; names that the language lacks are left out."""
    entries = []
    for registered in sorted(OPS):
        name = public_name(registered)
        for number, op in enumerate(OPS[registered]):
            forms = spellings(name, op)
            weight = weight_of(name, overload=number, deprecated=_is_deprecated(op))
            if forms and weight and _exists(name):
                entries.append(_entry(name, number, op, forms, weight, rows))
    return entries


def _entry(
    name: str,
    number: int,
    op: Op,
    forms: frozenset[str],
    weight: int,
    rows: Mapping[str, Mapping[str, Argument]],
) -> Entry:
    keys = (f"{name}/{number}", name, op.name, name.rstrip("_"), name.rpartition(".")[2])
    row = next((rows[key] for key in keys if key in rows), {})
    family = family_of(name if name in METHODS or "torch." + name in FUNCTIONS else name + "_")
    return Entry(name, family, op, forms, weight, row, mixes=op.kind == POINTWISE or name in _MIXING)


# Operations that promote or cast although they are no elementwise ones.
_MIXING = frozenset(
    {
        "copy_",
        "cat",
        "concat",
        "stack",
        "hstack",
        "vstack",
        "result_type",
        "where",
        "fill",
        "fill_",
        "type_as",
        "ldexp",
        "select_scatter",
        "slice_scatter",
        "diagonal_scatter",
        "as_strided_scatter",
    }
)


def _is_deprecated(op: Op) -> bool:
    """Whether the overload has its factor before the operand, as torch's deprecated ones have."""
    names = [p.name for p in op.signature.parameters if not p.keyword_only]
    for factor in ("alpha", "value", "beta"):
        if factor in names and names.index(factor) < len(names) - 1 and op.name in _WITH_FACTOR:
            return True
    return False


_WITH_FACTOR = frozenset(
    ["add", "sub", "subtract", "addcmul", "addcdiv", "addmm", "addbmm", "baddbmm", "addmv", "addr"]
)
