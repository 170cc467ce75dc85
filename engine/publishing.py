"""The public functions and methods: what a Python call goes through until its arguments are bound."""

from __future__ import annotations

import warnings
from typing import Any

from engine import functions, signatures
from engine.call import run
from engine.registry import COMPOSITE, Op
from engine.signatures import bind
from engine.tensor import Tensor


def publish(name: str, overloads: list[Op]) -> None:
    """Make the functions and methods of a name, as the forms of its overloads say."""
    forms = frozenset().union(*(op.forms for op in overloads))
    if "function" in forms:
        _set(functions, name, _function(name, [op for op in overloads if "function" in op.forms]))
    if "method" in forms:
        _set(Tensor, name, _method(name, [op for op in overloads if "method" in op.forms]))
    if "inplace" in forms:
        written = [op for op in overloads if "inplace" in op.forms]
        suffixed = name if name.endswith("_") else name + "_"
        _set(Tensor, suffixed, _method(suffixed, written, inplace=True))
        if "function" in forms and "inplace-method" not in forms:
            _set(functions, suffixed, _function(suffixed, written, inplace=True))


def _set(where: Any, name: str, value: Any) -> None:
    setattr(where, name, value)


def _function(name: str, overloads: list[Op], inplace: bool = False) -> Any:
    def function(*args: Any, **kwargs: Any) -> Any:
        return dispatch(name, overloads, args, kwargs, inplace, False)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = _documentation(overloads)
    return function


def _method(name: str, overloads: list[Op], inplace: bool = False) -> Any:
    alone = _takes_the_tensor_alone(overloads)

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        if alone is not None and not args and not kwargs:  # nothing to bind
            return run(alone, [self, *alone.signature.defaults[1:]], inplace)
        return dispatch(name, overloads, (self, *args), kwargs, inplace, True)

    method.__name__ = name
    method.__qualname__ = f"Tensor.{name}"
    method.__doc__ = _documentation(overloads)
    return method


def _takes_the_tensor_alone(overloads: list[Op]) -> Op | None:
    """The operation that `x.name()` calls, where no other overload and no warning comes before it."""
    first = overloads[0]
    alone = tuple(first.signature.needed) == (0,) and first.signature.parameters[0].type == "Tensor"
    return first if alone and first.warning is None else None


def _documentation(overloads: list[Op]) -> str:
    first = overloads[0]
    lines = [op.signature.text for op in overloads]
    note = (first.kernel.__doc__ or "").strip() if first.kind == COMPOSITE else ""
    source = f"Source: https://docs.pytorch.org/docs/stable/generated/torch.{first.name}.html"
    return "\n".join(filter(None, [*lines, "", note, source]))


def _wrong_out(op: Op, name: str, out: Any) -> str | None:
    """What to say of an `out=` that is no tensor, or no tuple of as many as an operation has results; None of a good one."""
    count = len(op.signature.outputs)
    several = isinstance(out, (tuple, list))
    if several and count > 1 and len(out) != count:
        raise TypeError(f"expected tuple of {count} elements but got {len(out)}")
    parts = out if several and (count > 1 or op.kind == COMPOSITE) else [out]
    if (several or count < 2) and all(isinstance(t, Tensor) for t in parts):
        return None
    wanted = "tuple of Tensors" if count > 1 else "Tensor"
    return f"{name}(): argument 'out' must be {wanted}, not {type(out).__name__}"


def dispatch(
    name: str,
    overloads: list[Op],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    inplace: bool,
    method: bool,
) -> Any:
    """Run the first overload that takes the arguments. Raises TypeError if none does.

    This, `bind` and `run` are called by position: Python enters a function twice as fast then.
    """
    out = None
    if "out" in kwargs:
        kwargs = dict(kwargs)
        out = kwargs.pop("out")
        overloads = (
            [op for op in overloads if "out" in op.forms]
            if out is not None and not inplace and not method
            else ([] if out is not None else overloads)
        )
        if not overloads:
            raise TypeError(f"{name}() got an unexpected keyword argument 'out'")
    for op in overloads:
        signature = op.signature
        if len(args) > signature.positional and signature.bare != method and len(overloads) > 1:
            continue  # nobody asks how these do not fit
        try:
            values = bind(signature, args, kwargs, method)
        except signatures.Mismatch as error:
            if len(overloads) == 1:
                raise TypeError(str(error)) from None
            continue
        if out is not None:
            wrong = _wrong_out(op, name, out)
            if wrong is not None:
                if len(overloads) == 1:
                    raise TypeError(wrong)
                continue
        if op.warning is not None:
            warnings.warn(op.warning, UserWarning, stacklevel=3)
        return run(op, values, inplace, out)
    got = ", ".join(
        [type(a).__name__ for a in args[method:]] + [f"{k}={type(v).__name__}" for k, v in kwargs.items()]
    )
    expected = "\n".join(f" * ({op.signature.text})" for op in overloads)
    raise TypeError(
        f"{name}() received an invalid combination of arguments - got ({got}), but expected one of:\n{expected}\n"
    )
