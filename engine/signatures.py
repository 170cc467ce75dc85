"""Signatures: the text of an op's parameters, and how a Python call is bound to them.

A signature reads `add(Operand input, Operand other, *, Number alpha=1)`. The types say what torch's argument parser
accepts: `Tensor`; `Operand` (a tensor or a number); `Scalar` (a number that takes part as an operand does); `Number`
(a number, or a 0-d tensor read as one); `int`; `float`; `bool`; `str`; `int[]` (a list of ints; as the only positional
parameter, also the ints themselves); `int[1]` (also one int); `Tensor[]`; `Tensor?[]` (None stands for a whole
dimension); `dtype`; `device`; `layout`; `memory_format`; `Generator`; `object`. A `?` after the type admits None.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine import dtypes, size
from engine.dtypes import COMPLEX, FLOAT, dtype
from engine.storage import Storage
from engine.tensor import Tensor


class Mismatch(TypeError):
    """The arguments do not fit the signature; another overload may take them."""


MISSING = object()
_NUMPY_SPELLINGS = {
    "dim": ("axis",),
    "keepdim": ("keepdims",),
    "input": ("self", "x", "a", "x1"),
    "other": ("x2",),
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its name, the type text without `?`, whether None is taken, and its default or MISSING."""

    name: str
    type: str
    optional: bool
    default: Any
    keyword_only: bool


@dataclass(frozen=True, slots=True)
class Signature:
    """The name, the parameters in order and the names of the outputs (empty for a single unnamed one)."""

    name: str
    parameters: tuple[Parameter, ...]
    outputs: tuple[str, ...]
    text: str
    # Derived from the parameters once, for the hot path:
    defaults: tuple[Any, ...] = ()
    checks: tuple[tuple[frozenset[type], Any, bool], ...] = ()
    """The exact types of each argument that are taken as they are, how others are checked, and whether it may be None."""
    positions: dict[str, int] = field(default_factory=dict)
    needed: tuple[int, ...] = ()
    """The positions of the parameters without a default."""
    complete: int = 0
    """How many positional arguments leave none of these open."""
    positional: int = 0
    """How many parameters are not keyword-only."""
    bare: int = -1
    """Where a list of ints may be spelled as bare ints: as the only positional parameter, in a method after the tensor."""

    @property
    def tensor_names(self) -> tuple[str, ...]:
        """The parameters that may hold tensors."""
        return tuple(p.name for p in self.parameters if p.type in TENSOR_TYPES)

    def index(self, name: str) -> int:
        """The position of a parameter."""
        return next(i for i, p in enumerate(self.parameters) if p.name == name)


TENSOR_TYPES = ("Tensor", "Operand", "Scalar", "Tensor[]")
_DEFAULTS = {"None": None, "True": True, "False": False, "inf": float("inf"), "[]": ()}


def parse(text: str) -> Signature:
    """Read a signature. The text is the project's own, so errors are plain ValueErrors."""
    match = re.fullmatch(r"\s*(\w+)\((.*?)\)\s*(?:->\s*(.*))?", text, re.S)
    if match is None:
        raise ValueError(f"not a signature: {text!r}")
    name, inside, outputs = match.groups()
    parameters, keyword_only = [], False
    for part in filter(None, (p.strip() for p in re.split(r",(?![^\[]*\])", inside))):
        if part == "*":
            keyword_only = True
            continue
        declared, _, default = part.partition("=")
        type_text, parameter = declared.strip().rsplit(" ", 1)
        optional = type_text.endswith("?")
        parameters.append(
            Parameter(
                parameter,
                type_text.rstrip("?"),
                optional,
                _default(default) if default else MISSING,
                keyword_only,
            )
        )
    return Signature(
        name,
        tuple(parameters),
        tuple(re.findall(r"\w+", outputs or "")),
        text.strip(),
        defaults=tuple(p.default for p in parameters),
        checks=tuple((_AS_IS.get(p.type, frozenset()), _CHECKS[p.type], p.optional) for p in parameters),
        positions={p.name: i for i, p in enumerate(parameters)},
        needed=tuple(i for i, p in enumerate(parameters) if p.default is MISSING),
        complete=max((i + 1 for i, p in enumerate(parameters) if p.default is MISSING), default=0),
        positional=sum(not p.keyword_only for p in parameters),
        bare=_bare_position([p.type for p in parameters if not p.keyword_only]),
    )


def _bare_position(types: list[str]) -> int:
    return len(types) - 1 if types in (["int[]"], ["Tensor", "int[]"]) else -1


def _default(text: str) -> Any:
    text = text.strip()
    if text in _DEFAULTS:
        return _DEFAULTS[text]
    if text.startswith(("'", '"')):
        return text[1:-1]
    if text.startswith("["):
        return tuple(int(x) for x in text[1:-1].split(","))
    return int(text) if re.fullmatch(r"-?\d+", text) else float(text)


def bind(
    signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any], method: bool = False
) -> list[Any]:
    """The values of all parameters, in order. Raises Mismatch that says which argument does not fit.

    `method`: the first argument is the tensor before the dot, so that ints alone may stand for a list of ints.
    """
    bare, given = signature.bare, len(args)
    if bare == method and given > bare and type(args[bare]) is int:
        return bind(signature, (*args[:bare], args[bare:]), kwargs, method)
    if given > signature.positional:
        return _bind(signature, args, kwargs, method)
    values, checks = list(signature.defaults), signature.checks
    places: Iterable[tuple[int, Any]] = enumerate(args)
    if kwargs:
        named = [signature.positions.get(name, -1) for name in kwargs]
        if min(named) < given:
            return _bind(signature, args, kwargs, method)
        places = itertools.chain(places, zip(named, kwargs.values()))
    for i, value in places:
        as_is, check, optional = checks[i]
        if type(value) not in as_is and (value is not None or not optional):
            value = check(value)
            if value is MISSING:
                return _bind(signature, args, kwargs, method)
        values[i] = value
    if given < signature.complete:
        for i in signature.needed:
            if values[i] is MISSING:
                return _bind(signature, args, kwargs, method)
    return values


def _bind(signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any], method: bool) -> list[Any]:
    """As `bind`, for calls whose arguments do not all fit as they are, under their own names."""
    parameters = signature.parameters
    values: list[Any] = []
    kwargs = dict(kwargs)
    given, bare = len(args), signature.bare if signature.bare == method else -1
    used = 0
    for i, p in enumerate(parameters):
        if i < given and not p.keyword_only:
            value = args[i]
            if i == bare and _is_int(value):
                value = args[i:]
                used = given
            else:
                used += 1
        elif kwargs:
            value = kwargs.pop(p.name, MISSING) if p.name in kwargs else _numpy_spelling(p, kwargs)
        else:
            value = MISSING
        if value is MISSING:
            if p.default is MISSING:
                raise Mismatch(f'{signature.name}() missing 1 required positional arguments: "{p.name}"')
            values.append(p.default)
        elif value is None and p.optional:
            values.append(None)
        else:
            checked = _CHECKS[p.type](value)
            if checked is MISSING:
                where = f" (position {i + (0 if method else 1)})" if i < given else ""
                raise Mismatch(
                    f"{signature.name}(): argument '{p.name}'{where} must be {_WORDS.get(p.type, p.type)}, "
                    f"not {type(value).__name__}"
                )
            values.append(checked)
    if used < given:
        raise Mismatch(_too_many(signature, given, method=method))
    if kwargs:
        raise Mismatch(f"{signature.name}() got an unexpected keyword argument '{next(iter(kwargs))}'")
    return values


def _too_many(signature: Signature, given: int, *, method: bool) -> str:
    most = sum(not p.keyword_only for p in signature.parameters) - method
    least = sum(p.default is MISSING for p in signature.parameters) - method
    given -= method
    if method and most == 0:
        return f"TensorBase.{signature.name}() takes no arguments ({given} given)"
    if least != most:
        return f"{signature.name}() takes from {least} to {most} positional arguments but {given} were given"
    return (
        f"{signature.name}() takes {most} positional argument{'' if most == 1 else 's'} but {given} "
        f"{'was' if given == 1 else 'were'} given"
    )


def _numpy_spelling(p: Parameter, kwargs: dict[str, Any]) -> Any:
    for spelling in _NUMPY_SPELLINGS.get(p.name, ()):
        if spelling in kwargs and not (spelling == "self" and is_tensor(kwargs[spelling])):
            return kwargs.pop(spelling)
    return MISSING


def _is_int(x: Any) -> bool:
    return (isinstance(x, (int, np.integer)) and not isinstance(x, bool)) or _is_index_tensor(x)


def _is_index_tensor(x: Any) -> bool:
    return is_tensor(x) and not x._sizes and x.dtype.category < FLOAT and not x.requires_grad


def is_tensor(x: Any) -> bool:
    """Whether a value is a tensor of the engine."""
    return isinstance(x, Tensor)


def as_number(x: Any) -> Any:
    """A Python number for a Python or NumPy one, or MISSING."""
    if type(x) in _PYTHON_TYPES:
        return x
    if isinstance(x, (np.number, np.bool_)):  # before the next line: np.float64 is a float too
        return x.item()
    if isinstance(x, (bool, int, float, complex)):
        return x
    return MISSING


def _tensor(x: Any) -> Any:
    return x if isinstance(x, Tensor) else MISSING


def _operand(x: Any) -> Any:
    return x if isinstance(x, Tensor) else as_number(x)


def _number(x: Any) -> Any:
    if is_tensor(x):
        return x.item() if not x._sizes and not x.requires_grad else MISSING
    return as_number(x)


def _int(x: Any) -> Any:
    if type(x) is int:
        return x
    if isinstance(x, bool) or not _is_int(x):
        return MISSING
    return x.item() if is_tensor(x) else int(x)


def _float(x: Any) -> Any:
    if is_tensor(x):
        return (
            float(x.item())
            if not x._sizes and not x.requires_grad and x.dtype.category < COMPLEX
            else MISSING
        )
    x = as_number(x)
    return x if x is MISSING or isinstance(x, complex) is False else MISSING


def _bool(x: Any) -> Any:
    return bool(x) if isinstance(x, (bool, np.bool_)) else MISSING


def _ints(x: Any) -> Any:
    if isinstance(x, (tuple, list)):
        # torch looks at the type of the first element only, so that a bool passes behind it.
        if set(map(type, x)) <= _INT:
            return tuple(x)
        got = tuple(int(e) if i and isinstance(e, bool) else _int(e) for i, e in enumerate(x))
        return MISSING if MISSING in got else got
    return MISSING


def _ints_or_one(x: Any) -> Any:
    one = _int(x)
    return (one,) if one is not MISSING else _ints(x)


def _tensors(x: Any) -> Any:
    return list(x) if isinstance(x, (tuple, list)) and all(map(is_tensor, x)) else MISSING


def _tensors_or_none(x: Any) -> Any:
    fits = isinstance(x, (tuple, list)) and all(e is None or is_tensor(e) for e in x)
    return list(x) if fits else MISSING


def _device(x: Any) -> Any:
    if isinstance(x, size.device):
        return x
    if isinstance(x, str) or (isinstance(x, int) and not isinstance(x, bool)):
        return size.device(x)
    return MISSING


_PYTHON_TYPES = {bool: dtypes.bool_, int: dtypes.int64, float: dtypes.float64, complex: dtypes.complex128}


def _dtype(x: Any) -> Any:
    if isinstance(x, dtype):
        return x
    return _PYTHON_TYPES.get(x, MISSING) if isinstance(x, type) else MISSING


def _instance(kind: type) -> Any:
    return lambda x: x if isinstance(x, kind) else MISSING


_INT = frozenset((int,))
_NUMBERS = frozenset(_PYTHON_TYPES)
_AS_IS: dict[str, frozenset[type]] = {
    "Tensor": frozenset((Tensor,)), "Operand": _NUMBERS | {Tensor}, "Scalar": _NUMBERS, "Number": _NUMBERS, "int": _INT,
    "float": _NUMBERS - {complex}, "bool": frozenset((bool,)), "str": frozenset((str,)), "dtype": frozenset((dtype,)),
}  # fmt: skip
"""By the type of a parameter, those of the arguments that its check returns as they are."""
_CHECKS: dict[str, Any] = {
    "Tensor": _tensor, "Operand": _operand, "Scalar": _number, "Number": _number, "int": _int, "float": _float, "bool": _bool,
    "str": _instance(str), "int[]": _ints, "int[1]": _ints_or_one, "Tensor[]": _tensors,
    "Tensor?[]": _tensors_or_none, "dtype": _dtype, "device": _device,
    "layout": _instance(size.layout), "memory_format": _instance(size.memory_format),
    "Generator": lambda x: x if type(x).__name__ == "Generator" else MISSING, "Storage": _instance(Storage),
    "object": lambda x: x,
}  # fmt: skip
_WORDS = {
    "Operand": "Tensor", "int[]": "tuple of ints", "int[1]": "tuple of ints", "Tensor[]": "tuple of Tensors",
    "Tensor?[]": "tuple of Tensors", "dtype": "torch.dtype", "device": "torch.device",
    "layout": "torch.layout", "memory_format": "torch.memory_format",
}  # fmt: skip
