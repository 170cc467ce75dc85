"""Conversions: to another dtype, to Python numbers and lists, to NumPy; and questions about dtypes.

Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.to.html
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes, layout, promotion, size
from engine import functions as F
from engine.autograd.execution import in_dtype
from engine.autograd.modes import is_grad_enabled, no_grad
from engine.casts import cast
from engine.dtypes import dtype
from engine.ops.memory import strides_for, warn_of_lost_imaginary
from engine.registry import COMPOSITE, GENERAL, LINEAR, op
from engine.results import Result
from engine.size import memory_format, require_cpu
from engine.tensor import Tensor


def _to_copy(input: Tensor, dtype: dtype, memory_format: memory_format | None) -> Result:
    if 0 not in input._sizes:
        warn_of_lost_imaginary(input, dtype)
    values, undefined = cast(input._array(), dtype, input.dtype)
    return Result(
        values.copy() if dtype is input.dtype else values, strides_for(input, memory_format), undefined
    )


op(
    "_to_copy(Tensor input, *, dtype dtype, memory_format? memory_format=None)",
    kind=GENERAL, kernel=_to_copy, family="conversion", forms="function",
    node="ToCopyBackward0", exact=True, moves=True, casts=True,
    derivatives={"input": lambda grad, input_dtype: in_dtype(grad, input_dtype)}, tangent=LINEAR,
)  # fmt: skip


def convert(input: Tensor, d: dtype | None, copy: bool = False, wish: memory_format | None = None) -> Tensor:
    """The tensor itself where nothing changes and no copy is asked for, else a converted copy."""
    d = d or input.dtype
    if not copy and d is input.dtype and _in_format(input, wish):
        return input
    if d.category < dtypes.FLOAT:
        with (
            no_grad()
        ):  # nothing is recorded, and of a view whose history cannot be made anew nothing is asked
            return F._to_copy(input, dtype=d, memory_format=wish)
    return F._to_copy(input, dtype=d, memory_format=wish)


def _in_format(input: Tensor, wish: memory_format | None) -> bool:
    if wish is None or wish.name == "preserve_format":
        return True
    last = layout.is_channels_last(input._sizes, input._strides) and not input.is_contiguous()
    return last == (wish.name == "channels_last")


def _to_device(
    input: Tensor,
    device: Any,
    dtype: dtype | None,
    non_blocking: bool,
    copy: bool,
    memory_format: memory_format | None,
) -> Tensor:
    require_cpu(device)
    return convert(input, dtype, copy, memory_format)


def _to_dtype(
    input: Tensor, dtype: dtype, non_blocking: bool, copy: bool, memory_format: memory_format | None
) -> Tensor:
    return convert(input, dtype, copy, memory_format)


def _to_other(
    input: Tensor, other: Tensor, non_blocking: bool, copy: bool, memory_format: memory_format | None
) -> Tensor:
    return convert(input, other.dtype, copy, memory_format)


def _conversion(signature: str, kernel: Any, forms: str = "method") -> None:
    op(signature, kind=COMPOSITE, kernel=kernel, family="conversion", forms=forms, exact=True)


_HOW = "bool non_blocking=False, bool copy=False, *, memory_format? memory_format=None"
_conversion(f"to(Tensor input, device? device=None, dtype? dtype=None, {_HOW})", _to_device)
_conversion(f"to(Tensor input, dtype dtype, {_HOW})", _to_dtype)
_conversion(f"to(Tensor input, Tensor tensor, {_HOW})", _to_other)

_METHODS = {
    "float": dtypes.float32, "double": dtypes.float64, "half": dtypes.float16, "bfloat16": dtypes.bfloat16,
    "int": dtypes.int32, "long": dtypes.int64, "short": dtypes.int16, "char": dtypes.int8, "byte": dtypes.uint8,
    "bool": dtypes.bool_, "cfloat": dtypes.complex64, "cdouble": dtypes.complex128,
}  # fmt: skip


def _converter(d: dtype) -> Any:
    return lambda input, memory_format: convert(input, d, False, memory_format)


for _name, _d in _METHODS.items():
    _conversion(f"{_name}(Tensor input, *, memory_format? memory_format=None)", _converter(_d))
_conversion(
    "cpu(Tensor input, *, memory_format? memory_format=None)",
    lambda input, memory_format: convert(input, None, False, memory_format),
)
_conversion("type_as(Tensor input, Tensor other)", lambda input, other: convert(input, other.dtype))

_BY_LEGACY = {f"torch.{d.legacy}Tensor": d for d in dtypes.ALL}


def _type(input: Tensor, dtype: Any, non_blocking: bool) -> Any:
    """The legacy type as a string, or the tensor converted to a dtype, a legacy type or the name of one."""
    if dtype is None:
        return f"torch.{input.dtype.legacy}Tensor"
    if dtype is Tensor:
        return convert(input, dtypes.get_default_dtype())
    if isinstance(dtype, dtypes.dtype):
        return convert(input, dtype)
    if isinstance(dtype, type):
        if not isinstance(getattr(dtype, "dtype", None), dtypes.dtype):
            raise ValueError(f"invalid type: '{dtype.__name__}'")
        return convert(input, dtype.dtype)
    if not isinstance(dtype, str):
        raise TypeError("dtype must be a type, str, or dtype object")
    if dtype not in _BY_LEGACY:
        raise ValueError(f"invalid type: '{dtype}'")
    return convert(input, _BY_LEGACY[dtype])


_conversion("type(Tensor input, object dtype=None, bool non_blocking=False)", _type)


def _cuda(input: Tensor, device: Any, non_blocking: bool, memory_format: memory_format | None) -> Tensor:
    if device is not None and device.type != "cuda":
        raise RuntimeError("Invalid device, must be cuda device")
    raise AssertionError("Torch not compiled with CUDA enabled")


_conversion(
    "cuda(Tensor input, device? device=None, bool non_blocking=False, *, memory_format? memory_format=None)",
    _cuda,
)


# ------------------------------------------------------------------------------------------------- to Python and NumPy


def _item(input: Tensor) -> Any:
    """The only element, as a Python number. Raises RuntimeError for any other number of elements."""
    count = input.numel()
    if count != 1:
        raise RuntimeError(f"a Tensor with {count} elements cannot be converted to Scalar")
    return _readable(input).reshape(()).item()


_NO_PYTHON = {
    dtypes.bfloat16.nominal: np.float32, np.dtype(np.longdouble): np.float64, np.dtype(np.clongdouble): np.complex128,
}  # fmt: skip


def _readable(input: Tensor) -> np.ndarray:
    array = input._array()
    if array.dtype in _NO_PYTHON:  # of which Python has no numbers
        return array.astype(_NO_PYTHON[array.dtype])
    return array


_conversion("item(Tensor input)", _item)
_conversion("tolist(Tensor input)", lambda input: _readable(input).tolist())


def _numpy(input: Tensor, force: bool) -> np.ndarray:
    """An array on the same memory; with `force`, also of a tensor that requires grad."""
    if input.requires_grad and is_grad_enabled() and not force:
        raise RuntimeError(
            "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
        )
    if input.dtype is dtypes.bfloat16:
        raise TypeError("Got unsupported ScalarType BFloat16")
    storage = input._storage
    if storage.owner is None:
        storage.owner = storage.buffer  # memory that NumPy sees cannot be moved, so it cannot grow
    if 0 in input._sizes:
        return np.empty(input._sizes, input.dtype.nominal)
    item = input.dtype.itemsize
    strides = [
        s * item for s in input._strides
    ]  # also of dimensions of size 1, which NumPy would choose otherwise
    return np.ndarray(input._sizes, input.dtype.nominal, storage.mirrored(), input._offset * item, strides)


_conversion("numpy(Tensor input, *, bool force=False)", _numpy)


def _array(self: Tensor, dtype: Any = None) -> np.ndarray:
    """What NumPy functions see of a tensor. It takes no `copy=`, as torch's takes none, so NumPy may warn."""
    array = self.numpy()
    return array if dtype is None else array.astype(dtype, copy=False)


def _array_wrap(self: Tensor, array: np.ndarray) -> Tensor:
    """What becomes of the result of a NumPy function: a tensor; one of bools becomes uint8."""
    return F.from_numpy(array.astype("uint8") if array.dtype == bool else array)


_array.__name__, _array.__qualname__ = (
    "__array__",
    "Tensor.__array__",
)  # NumPy looks for this name in the TypeError
Tensor.__array__ = _array
Tensor.__array_wrap__ = _array_wrap


# ----------------------------------------------------------------------------------------------------------- questions


def is_tensor(obj: Any) -> bool:
    """Whether an object is a tensor."""
    return isinstance(obj, Tensor)


F.is_tensor = is_tensor

_conversion("numel(Tensor input)", Tensor.numel, "function")
_conversion("get_device(Tensor input)", Tensor.get_device, "function")
_conversion("is_floating_point(Tensor input)", Tensor.is_floating_point, "function")
_conversion("is_complex(Tensor input)", Tensor.is_complex, "function")
_conversion("is_signed(Tensor input)", Tensor.is_signed, "function")
_conversion("is_inference(Tensor input)", Tensor.is_inference, "function")
_conversion(
    "is_same_size(Tensor input, Tensor other)",
    lambda input, other: input._sizes == other._sizes,
    "function method",
)


def _is_nonzero(input: Tensor) -> bool:
    count = input.numel()
    if count != 1:
        what = "no values" if count == 0 else "more than one value"
        raise RuntimeError(f"Boolean value of Tensor with {what} is ambiguous")
    return bool(input.item())


_conversion("is_nonzero(Tensor input)", _is_nonzero, "function method")


def _result_type(a: Any, b: Any) -> dtype:
    """The dtype of an operation on both operands."""
    return promotion.result_dtype((a, b))


_conversion("result_type(Tensor tensor, Tensor other)", _result_type, "function")
_conversion("result_type(Number scalar, Tensor tensor)", _result_type, "function")
_conversion("result_type(Tensor tensor, Number other)", _result_type, "function")
_conversion("result_type(Number scalar1, Number scalar2)", _result_type, "function")
_conversion("can_cast(dtype from_, dtype to)", promotion.can_cast, "function")
_conversion("promote_types(dtype type1, dtype type2)", promotion.promote_types, "function")


def get_default_device() -> size.device:
    """Where factories make tensors: the CPU."""
    return size.CPU


def set_default_device(device: Any) -> None:
    """Accepts the CPU (or None). Raises AssertionError or NotImplementedError for a place without memory."""
    require_cpu(None if device is None else size.device(device))


F.get_default_device = get_default_device
F.set_default_device = set_default_device
