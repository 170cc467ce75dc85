"""Tensors from lists, numbers, NumPy arrays and tensors: tensor, as_tensor, asarray, from_numpy, new_tensor.

Source: https://docs.pytorch.org/docs/stable/generated/torch.tensor.html
"""

from __future__ import annotations

import operator
import warnings
from typing import Any

import numpy as np

from engine import dtypes, layout
from engine import functions as F
from engine.casts import all_held, holds, number_array
from engine.dtypes import dtype
from engine.ops.creation import blank, check_place, finish
from engine.promotion import promote_types
from engine.registry import COMPOSITE, op
from engine.silence import SILENT
from engine.storage import shared_storage
from engine.tensor import Tensor, fresh, over

_SUPPORTED = (
    "float64, float32, float16, complex64, complex128, int64, int32, int16, int8, uint64, uint32, uint16, uint8, "
    "and bool"
)


def check_array(array: np.ndarray) -> dtype:
    """The dtype of an array. Raises TypeError for one that no tensor has, ValueError for a layout that none has."""
    if not array.dtype.isnative:
        raise ValueError(
            "given numpy array has byte order different from the native byte order. Conversion between byte orders is "
            "currently not supported."
        )
    if any(s < 0 for s in array.strides):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative strides are not currently "
            "supported. (You can probably work around this by making a copy of your array  with array.copy().) "
        )
    if any(s % array.itemsize for s in array.strides):
        raise ValueError(
            "given numpy array strides not a multiple of the element byte size. Copy the numpy array to reallocate the memory."
        )
    d = dtypes.NOMINAL.get(array.dtype)
    if d is None or d is dtypes.bfloat16:
        raise TypeError(
            f"can't convert np.ndarray of type numpy.{array.dtype.type.__name__}. The only supported types are: {_SUPPORTED}."
        )
    return d


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A tensor that shares memory with an array. Raises TypeError or ValueError for an array that no tensor can show."""
    if not isinstance(ndarray, np.ndarray):
        kind = type(ndarray)
        name = f"{kind.__module__}.{kind.__name__}" if isinstance(ndarray, np.generic) else kind.__name__
        raise TypeError(f"expected np.ndarray (got {name})")
    d = check_array(ndarray)
    if not ndarray.flags.writeable:
        warnings.warn(
            "The given NumPy array is not writable, and PyTorch does not support non-writable tensors. This means writing "
            "to this tensor will result in undefined behavior. You may want to copy the array to protect its data or make "
            "it writable before converting it to a tensor.",
            UserWarning,
            stacklevel=2,
        )
    strides = tuple(s // ndarray.itemsize for s in ndarray.strides)
    return over(shared_storage(ndarray, d), 0, ndarray.shape, strides, d)


F.from_numpy = from_numpy


# --------------------------------------------------------------------------------------------------- nested sequences


_INTS, _REALS = frozenset((int,)), frozenset((bool, int, float))
_NUMBERS = _REALS | {complex}
_ARRAYS = (np.ndarray, np.generic)


def _is_sequence(x: Any) -> bool:
    """What torch looks into: anything with a length and items in order, but no mapping and no tensor."""
    if isinstance(x, (list, tuple)):
        return True
    return hasattr(x, "__getitem__") and not isinstance(x, (dict, Tensor, np.generic, type))


def _sizes_of(data: Any) -> layout.Shape:
    """The sizes along the first items. Raises ValueError for endless nesting, as that of a string."""
    sizes: list[int] = []
    while type(data) not in _NUMBERS and _is_sequence(data):
        sizes.append(len(data))
        if len(sizes) > 128:
            raise ValueError(f"too many dimensions '{type(data).__name__}'")
        if not sizes[-1]:
            break
        data = data[0]
    return tuple(sizes)


def _infer(data: Any) -> dtype:
    """The dtype that holds everything in nested sequences. Raises TypeError or RuntimeError for what is no number."""
    if type(data) in _REALS:
        return dtypes.of_number(data)
    if isinstance(data, (Tensor, *_ARRAYS)):
        return data.dtype if isinstance(data, Tensor) else check_array(np.asarray(data))
    if isinstance(data, complex) and dtypes.get_default_dtype() is dtypes.bfloat16:
        raise RuntimeError("invalid default scalar type for complex")
    if isinstance(data, (bool, int, float, complex)):
        return dtypes.of_number(data)
    if isinstance(data, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{type(data).__name__}'")
    if not _is_sequence(data):
        raise RuntimeError(f"Could not infer dtype of {type(data).__name__}")
    found: dtype | None = None
    kinds = {type(item): item for item in data}
    for item in kinds.values() if kinds.keys() <= _NUMBERS else data:  # numbers of one type have one dtype
        d = _infer(item)
        found = d if found is None else promote_types(found, d)
    return found or dtypes.get_default_dtype()


def _leaves(data: Any, sizes: layout.Shape, dim: int) -> list[Any]:
    if isinstance(data, np.ndarray):
        warnings.warn(
            "Creating a tensor from a list of numpy.ndarrays is extremely slow. Please consider converting the list to a "
            "single numpy.ndarray with numpy.array() before converting to a tensor.",
            UserWarning,
            stacklevel=2,
        )
    if dim == len(sizes):
        return [data]
    if not _is_sequence(data):
        raise TypeError("not a sequence")
    if len(data) != sizes[dim]:
        raise ValueError(f"expected sequence of length {sizes[dim]} at dim {dim} (got {len(data)})")
    if dim + 1 == len(sizes) and _NUMBERS.issuperset(map(type, data)):
        return list(data)
    return [leaf for item in data for leaf in _leaves(item, sizes, dim + 1)]


def _as_integer(x: Any) -> int:
    if isinstance(x, Tensor) and (x.numel() != 1 or x.dtype.category >= dtypes.FLOAT):
        raise TypeError("only integer tensors of a single element can be converted to an index")
    try:
        value = operator.index(x)
    except TypeError:
        kind = f"numpy.{type(x).__name__}" if isinstance(x, np.generic) else type(x).__name__
        raise TypeError(f"'{kind}' object cannot be interpreted as an integer") from None
    if not -(1 << 63) <= value < 1 << 63:
        raise ValueError("Overflow when unpacking long long")
    return value


def _as_real(x: Any) -> float:
    if isinstance(x, Tensor):
        if x.numel() != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        x = _warned_item(x)
        if isinstance(x, complex):
            if x.imag != 0:
                raise RuntimeError("value cannot be converted to type double without overflow")
            x = x.real
    if not hasattr(x, "__float__") and not hasattr(x, "__index__"):
        raise TypeError(f"must be real number, not {type(x).__name__}")
    try:
        return float(x)
    except OverflowError:
        raise OverflowError("int too large to convert to float") from None


def _as_complex(x: Any) -> complex:
    if isinstance(x, Tensor):
        if x.numel() != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        return complex(_warned_item(x))
    return complex(x) if isinstance(x, (complex, np.complexfloating)) else complex(_as_real(x))


def _warned_item(x: Tensor) -> Any:
    if x.requires_grad:
        warnings.warn(
            "Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior.\nConsider using "
            "tensor.detach() first.",
            UserWarning,
            stacklevel=2,
        )
    return x.detach().item()


def _store(leaves: list[Any], d: dtype) -> np.ndarray:
    """The values of numbers in a dtype. Raises TypeError for another kind of number, RuntimeError beyond an integer's range."""
    if d.category == dtypes.COMPLEX:
        return np.array([_as_complex(x) for x in leaves], np.complex128).astype(d.nominal)
    kinds = set(map(type, leaves))
    if d.category == dtypes.FLOAT:
        if not kinds <= _REALS:
            leaves = [_as_real(x) for x in leaves]
        numbers = np.array(leaves, np.float64)
        return (numbers.astype(np.float32) if d in dtypes.HALVES else numbers).astype(d.nominal)
    if d.category == dtypes.BOOL:
        return np.array([_as_truth(x) for x in leaves], np.bool_)
    if kinds == _INTS and all_held(d, leaves):
        return np.array(leaves, d.numpy)
    out = np.empty(len(leaves), d.numpy)
    for i, x in enumerate(leaves):
        value = float(x) if isinstance(x, float) else _as_integer(x)
        if not holds(d, value):
            raise RuntimeError(f"value cannot be converted to type {d.name} without overflow")
        out[i] = number_array(int(value), d)
    return out


def _as_truth(x: Any) -> bool:
    return bool(x) if isinstance(x, (bool, np.bool_, float, complex, np.inexact)) else _as_integer_truth(x)


def _as_integer_truth(x: Any) -> bool:
    return bool(x) if isinstance(x, int) else _as_integer(x) != 0


def from_sequence(data: Any, d: dtype | None) -> Tensor:
    """A tensor of the numbers in nested sequences."""
    sizes = _sizes_of(data)
    d = d or _infer(data)
    if 0 in sizes:
        return blank(sizes, d)
    made = fresh(SILENT.copy().run(_store, _leaves(data, sizes, 0), d), d)
    if len(sizes) != 1:
        made._resize(sizes)
    return made


# ------------------------------------------------------------------------------------------------------ tensor and kin


def from_data(data: Any, d: dtype | None, *, copy: bool = True) -> Tensor:
    """The values of anything as a tensor without history; of arrays and tensors in their own layout."""
    if isinstance(data, _ARRAYS) and not (isinstance(data, np.generic) and d is not None):
        array = np.asarray(data)
        check_array(array)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the array is not writable does not matter to a copy
            data = from_numpy(array)
    if isinstance(data, Tensor):
        source = data.detach()
        return source.to(d or source.dtype, copy=copy)
    if isinstance(data, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{type(data).__name__}'")
    return from_sequence(data, d)


def _warn_copy(data: Any) -> None:
    if isinstance(data, Tensor):
        warnings.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).",
            UserWarning,
            stacklevel=4,
        )


def _tensor(data: Any, dtype: dtype | None, device: Any, pin_memory: bool, requires_grad: bool) -> Tensor:
    """A copy of numbers, nested sequences, an array or a tensor; the dtype is inferred if None."""
    _warn_copy(data)
    check_place(device, pin_memory)
    made = from_data(data, dtype)
    return finish(made, True) if requires_grad else made


def _new_tensor(
    input: Tensor, data: Any, dtype: dtype | None, device: Any, pin_memory: bool, requires_grad: bool
) -> Tensor:
    """As `torch.tensor`, in this tensor's dtype."""
    _warn_copy(data)
    check_place(device, pin_memory)
    return finish(from_data(data, dtype or input.dtype), requires_grad)


def _as_tensor(data: Any, dtype: dtype | None, device: Any) -> Tensor:
    """The tensor itself or the array's own memory where nothing has to change, else a copy."""
    check_place(device, False)
    if isinstance(data, Tensor):
        return data if dtype in (None, data.dtype) else data.to(dtype)
    if isinstance(data, np.ndarray):
        shared = from_numpy(data)
        return shared if dtype in (None, shared.dtype) else shared.to(dtype)
    return from_data(data, dtype)


op(
    "tensor(object data, *, dtype? dtype=None, device? device=None, bool pin_memory=False, bool requires_grad=False)",
    kind=COMPOSITE, kernel=_tensor, family="creation", forms="function", exact=True,
)  # fmt: skip
op(
    "new_tensor(Tensor input, object data, *, dtype? dtype=None, device? device=None, bool pin_memory=False, "
    "bool requires_grad=False)",
    kind=COMPOSITE, kernel=_new_tensor, family="creation", forms="method", exact=True,
)  # fmt: skip
op(
    "as_tensor(object data, *, dtype? dtype=None, device? device=None)",
    kind=COMPOSITE, kernel=_as_tensor, family="creation", forms="function", exact=True,
)  # fmt: skip


def _asarray(
    obj: Any, dtype: dtype | None, device: Any, copy: bool | None, requires_grad: bool | None
) -> Tensor:
    """Shares memory where it can (`copy=None`), always copies (True) or refuses to (False, ValueError)."""
    check_place(device, False)
    if not isinstance(obj, (Tensor, np.ndarray)):
        if copy is False:
            raise ValueError("can't alias arbitrary sequence into a tensor.")
        return finish(from_data(obj, dtype), requires_grad)
    tensor = obj if isinstance(obj, Tensor) else from_numpy(obj)
    changes = dtype is not None and dtype is not tensor.dtype
    if copy is False and dtype is not None and changes:
        raise ValueError(
            f"can't alias tensor with dtype '{tensor.dtype.legacy}' into dtype '{dtype.legacy}'."
        )
    if copy or changes:
        tensor = tensor.clone() if not changes else tensor.to(dtype)
    if requires_grad is None:
        requires_grad = isinstance(obj, Tensor) and obj.requires_grad
        if requires_grad:
            warnings.warn(
                "torch.asarray: unspecified requires_grad now defaults to obj.requires_grad instead of False.",
                UserWarning,
                stacklevel=4,
            )
    if not requires_grad and tensor.requires_grad:
        return tensor.detach()
    return tensor.requires_grad_() if requires_grad else tensor


op(
    "asarray(object obj, *, dtype? dtype=None, device? device=None, bool? copy=None, bool? requires_grad=None)",
    kind=COMPOSITE, kernel=_asarray, family="creation", forms="function", exact=True,
)  # fmt: skip
