"""The `out=` forms of random operations, which fill what they are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine import functions as F
from engine import layout, signatures
from engine.autograd.modes import is_grad_enabled
from engine.dtypes import dtype
from engine.ops.creation import finish_out
from engine.registry import OPS, Op
from engine.results import Result
from engine.tensor import Tensor
from engine.writes import bump_version, check_inplace, has_tangent, refuse_dual_out, write

INTO: dict[Op, Callable[..., None]] = {}
"""The `out=` forms: into(out, *values) resizes and fills. They fill what they are given, so that the dtype and the
strides of `out` decide what is drawn."""


def write_filled(target: Tensor, result: Result) -> None:
    write(target, result)
    bump_version(target)


def resized(out: Tensor, sizes: layout.Shape) -> bool:
    if out._sizes == sizes:
        return False
    out._resize(sizes)
    return True


def with_out(name: str) -> Callable[..., Any]:
    plain = getattr(F, name)

    def function(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        if out is None:
            return plain(*args, **kwargs)
        for record in OPS[name]:
            if record not in INTO:
                continue
            try:
                values = signatures.bind(record.signature, args, kwargs)
            except signatures.Mismatch:
                continue
            return _run_into(record, values, out, kwargs)
        raise TypeError(f"{name}() received an invalid combination of arguments")

    function.__name__ = function.__qualname__ = name
    function.__doc__ = plain.__doc__
    return function


def _run_into(record: Op, values: list[Any], out: Any, kwargs: dict[str, Any]) -> Tensor:
    name = record.name
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    d = kwargs.get("dtype")
    if isinstance(d, dtype) and d is not out.dtype:
        raise RuntimeError(f"dtype {d.legacy} does not match dtype of out parameter ({out.dtype.legacy})")
    operands = [v for v in values if isinstance(v, Tensor)]
    if is_grad_enabled() and any(t.requires_grad for t in (out, *(operands if record.derivatives else ()))):
        prefix = "" if operands else "aten::"
        raise RuntimeError(
            f"{prefix}{name}(): functions with out=... arguments don't support automatic differentiation, but one of the "
            "arguments requires grad."
        )
    if out.requires_grad and name == "randn":  # which resizes as one step of its own
        raise RuntimeError("cannot resize variables that require grad")
    if not operands:
        refuse_dual_out(name, out)
    check_inplace(out, False)
    INTO[record](out, *values)
    if operands and has_tangent((out, *operands)):  # which torch notices afterwards
        raise NotImplementedError(
            f"Trying to use forward AD with {name}_out that does not support it because it is an out= function"
        )
    made = "requires_grad" in record.signature.positions
    return finish_out(out, kwargs.get("requires_grad", False)) if made else out
