"""The legacy constructors: `Tensor(...)`, `FloatTensor(...)`, `x.new(...)`.

Source: https://docs.pytorch.org/docs/stable/tensors.html
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from engine import dtypes, layout
from engine import functions as F
from engine.dtypes import C_NAMES, dtype
from engine.ops.creation import check_sizes, undefined
from engine.ops.from_data import from_data, from_sequence
from engine.size import Size
from engine.size import device as device_type
from engine.tensor import Tensor

_OPTIONS = "device=cpu, layout=Strided, requires_grad=false (default), pinned_memory=false (default), memory_format=(nullopt)"


def legacy_tensor(d: dtype | None, *args: Any, **kwargs: Any) -> Tensor:
    """`Tensor(sizes)`: undefined elements. `Tensor(data)`: a copy. `Tensor(tensor)`: another view of it.

    The dtype is `d`, or the default one. Raises TypeError for anything else.
    """
    _check_device(kwargs.pop("device", None))
    made = d or dtypes.get_default_dtype()
    if not args and not kwargs:
        return undefined((0,), made)
    if not args and len(kwargs) == 1 and ("size" in kwargs or "data" in kwargs):
        given = next(iter(kwargs.values()))
        args = (Size(given),) if "size" in kwargs else (given,)
    elif kwargs:
        raise _no_overload(args, kwargs)
    first = args[0]
    if len(args) > 1 or isinstance(first, Size) or (_is_size(first) and not isinstance(first, Tensor)):
        return undefined(check_sizes(_sizes(args)), made)
    if isinstance(first, Tensor):
        if d is not None and first.dtype is not d:
            wanted, got = C_NAMES[d], C_NAMES[first.dtype]
            raise TypeError(
                f"expected TensorOptions(dtype={wanted}, {_OPTIONS}) (got TensorOptions(dtype={got}, {_OPTIONS}))"
            )
        return F.alias(first)
    return _from_sequence(first, made)


def _from_sequence(data: Any, d: dtype) -> Tensor:
    if isinstance(data, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{type(data).__name__}'")
    if isinstance(data, np.generic) or not hasattr(data, "__getitem__") or isinstance(data, (dict, type)):
        kind = f"numpy.{type(data).__name__}" if isinstance(data, np.generic) else type(data).__name__
        raise TypeError(f"new(): data must be a sequence (got {kind})")
    if isinstance(data, np.ndarray):
        return from_data(data, d, copy=False)  # an array of the right dtype shares its memory
    return from_sequence(data, d)


def _is_size(x: Any) -> bool:
    if isinstance(x, (bool, np.bool_)):
        return False
    if isinstance(x, np.ndarray) and x.ndim:
        return False
    try:
        operator.index(x)
    except TypeError:
        return False
    return True


def _sizes(args: tuple[Any, ...]) -> layout.Shape:
    if isinstance(args[0], Size) and len(args) == 1:
        return tuple(args[0])
    if not _is_size(args[0]):
        raise _no_overload(args, {})
    for at, x in enumerate(args):
        if not _is_size(x) and not isinstance(x, bool):
            raise TypeError(
                f"new(): argument 'size' failed to unpack the object at pos {at + 1} with error \"type must be tuple of "
                f'ints,but got {type(x).__name__}"'
            )
    return tuple(operator.index(x) for x in args)


def _check_device(device: Any) -> None:
    if device is not None and device_type(device).type != "cpu":
        raise RuntimeError(
            f"legacy constructor expects device type: cpu but device type: {device_type(device).type} was passed"
        )


def _no_overload(args: tuple[Any, ...], kwargs: dict[str, Any]) -> TypeError:
    got = ", ".join([type(a).__name__ for a in args] + [f"{k}={type(v).__name__}" for k, v in kwargs.items()])
    return TypeError(
        f"new() received an invalid combination of arguments - got ({got}), but expected one of:\n"
        " * (*, torch.device device = None)\n * (Tensor other)\n * (tuple of ints size, *, torch.device device = None)\n"
        " * (object data, *, torch.device device = None)\n"
    )


class _TensorType(type):
    """A legacy name of tensors of one dtype: callable as their constructor, and what `isinstance` asks about."""

    dtype: dtype

    def __call__(cls, *args: Any, **kwargs: Any) -> Tensor:
        return legacy_tensor(cls.dtype, *args, **kwargs)

    def __instancecheck__(cls, x: object) -> bool:
        return isinstance(x, Tensor) and x.dtype is cls.dtype

    def __repr__(cls) -> str:
        return f"<class 'torch.{cls.__name__}'>"


F.legacy_tensor = legacy_tensor
for _d in dtypes.ALL:
    if not _d.is_complex:
        _name = f"{_d.legacy}Tensor"
        setattr(F, _name, _TensorType(_name, (), {"dtype": _d, "__module__": "torch"}))


def _new(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """The legacy constructor, in this tensor's dtype."""
    return legacy_tensor(self.dtype, *args, **kwargs)


Tensor.new = _new
