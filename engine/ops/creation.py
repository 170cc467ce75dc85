"""Factories: new tensors from sizes and numbers.

Source: https://docs.pytorch.org/docs/stable/torch.html#creation-ops
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from engine import dtypes, layout, precision
from engine import functions as F
from engine.autograd.modes import is_grad_enabled
from engine.casts import checked_number, scalar_number
from engine.dtypes import dtype
from engine.ops.memory import strides_for
from engine.registry import COMPOSITE, LINEAR, POINTWISE, op
from engine.results import Result
from engine.size import require_cpu
from engine.storage import Storage
from engine.tensor import Tensor, over
from engine.writes import bump_version, check_inplace, refuse_dual_out, write

OPTIONS = "dtype? dtype=None, layout? layout=None, device? device=None, bool? pin_memory=False, bool? requires_grad=False"
"""The keywords that every factory takes."""


def finish(tensor: Tensor, requires_grad: bool | None) -> Tensor:
    """Set `requires_grad` on a fresh tensor. Raises RuntimeError for a dtype that has no gradients."""
    if requires_grad:
        if tensor.dtype.category < dtypes.FLOAT:
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        tensor._requires_grad = True
    return tensor


def finish_out(out: Tensor, requires_grad: bool | None) -> Tensor:
    """Set `requires_grad` on what a factory wrote: torch says of an `out=` too whether it does, and by default it does not."""
    out._requires_grad = False
    return finish(out, requires_grad)


def check_place(device: Any, pin_memory: bool | None) -> None:
    """Raise for memory that the engine does not have."""
    require_cpu(device)
    if pin_memory:
        raise RuntimeError(
            "pin_memory=True requires a CUDA or other accelerator backend; no pinned memory allocator is available on "
            "this system."
        )


def check_sizes(sizes: layout.Shape) -> layout.Shape:
    """The sizes. Raises RuntimeError for a negative one."""
    for n in sizes:
        if n < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: {list(sizes)}")
    return sizes


def _check_sizes_of(name: str, sizes: layout.Shape) -> layout.Shape:
    if any(n < 0 for n in sizes):
        raise RuntimeError(f"{name}: Dimension size must be non-negative.")
    return sizes


def blank(sizes: layout.Shape, d: dtype, strides: layout.Shape | None = None) -> Tensor:
    """A zero-filled tensor of the given sizes and strides (row-major if None). Raises RuntimeError if there is no memory."""
    strides = layout.contiguous_strides(sizes) if strides is None else strides
    try:
        memory = np.zeros(layout.extent(sizes, strides) * d.numpy.itemsize, np.uint8)
    except (MemoryError, ValueError):  # more than there is, or more than a size can say
        raise RuntimeError(
            f"Storage size calculation overflowed with sizes={list(sizes)} and strides={list(strides)}"
        ) from None
    return over(Storage(memory, None, d), 0, sizes, strides, d)


def undefined(sizes: layout.Shape, d: dtype, strides: layout.Shape | None = None) -> Tensor:
    """A tensor whose elements torch leaves undefined, as is what lies between them."""
    tensor = blank(sizes, d, strides)
    storage = tensor._storage
    if storage.nbytes():
        precision.undefined(np.ndarray((storage.nbytes() // d.itemsize,), d.numpy, storage.buffer))
        storage.undefined = np.ones(storage.nbytes(), np.bool_)
    return tensor


def filled(sizes: layout.Shape, value: Any, d: dtype, strides: layout.Shape | None = None) -> Tensor:
    """A tensor with one value everywhere. Raises RuntimeError where the dtype cannot hold it."""
    number = scalar_number(value, d) if math.prod(sizes) == 1 else checked_number(value, d)
    tensor = blank(sizes, d, strides)
    tensor._array()[...] = number
    return tensor


# ------------------------------------------------------------------------------------------------ from sizes and numbers


def factory(
    signature: str, make: Callable[..., Tensor], *, forms: str = "function out", exact: bool = True
) -> None:
    """Register a factory: `make(*own parameters, dtype)` gives the tensor; the `out=` form writes it where asked."""
    name, _, own = signature.partition("(")
    star = "" if "*" in own else ", *"

    def kernel(*values: Any) -> Tensor:
        *given, d, _, device, pin_memory, requires_grad = values
        check_place(device, pin_memory)
        return finish(make(*given, d), requires_grad)

    kernel.__doc__ = make.__doc__
    op(
        f"{name}({own[:-1]}{star}, {OPTIONS})",
        kind=COMPOSITE,
        kernel=kernel,
        family="creation",
        forms=forms,
        exact=exact,
    )
    if "out" in forms:
        setattr(F, name, _with_out(name))


_RANGES = ("arange", "linspace", "logspace")
"""Factories that fill an `out=` tensor of the right number of elements in its own shape."""


def _with_out(name: str) -> Callable[..., Tensor]:
    plain = getattr(F, name)

    def function(*args: Any, out: Any = None, **kwargs: Any) -> Tensor:
        if out is None:
            return plain(*args, **kwargs)
        _check_out(name, out, kwargs)
        requires_grad = kwargs.pop("requires_grad", False)
        made = plain(*args, **{**kwargs, "dtype": out.dtype})
        same = made.numel() == out.numel() if name in _RANGES else made._sizes == out._sizes
        if not same:
            if name == "arange" and out.numel():
                _warn_arange(out, made)
            out._resize(made._sizes)
        if name != "empty":
            mask = made._undefined_mask()
            lost = None if mask is None else mask.reshape(out._sizes)
            write(out, Result(made._array().reshape(out._sizes), None, lost))
        if name != "empty" or not same:
            bump_version(out)
        return finish_out(out, requires_grad)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = plain.__doc__
    return function


def _check_out(name: str, out: Any, kwargs: dict[str, Any]) -> None:
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    d, device = kwargs.get("dtype"), kwargs.get("device")
    if isinstance(d, dtype) and d is not out.dtype:
        raise RuntimeError(f"dtype {d.legacy} does not match dtype of out parameter ({out.dtype.legacy})")
    if device is not None and not str(device).startswith("cpu"):
        raise RuntimeError(
            f"device type {str(device).partition(':')[0]} does not match device type of out parameter (cpu)"
        )
    if kwargs.get("memory_format") is not None:
        raise RuntimeError("'memory_format' argument is incompatible with 'out' tensor argument")
    if out.requires_grad and name == "empty":
        raise RuntimeError("cannot resize variables that require grad")
    if out.requires_grad and is_grad_enabled():
        raise RuntimeError(
            f"aten::{name}(): functions with out=... arguments don't support automatic differentiation, but one of the "
            "arguments requires grad."
        )
    refuse_dual_out(name, out)
    check_inplace(out, False)


def _warn_arange(out: Tensor, made: Tensor) -> None:
    warnings.warn(
        f"The number of elements in the out tensor of shape {list(out._sizes)} is {out.numel()} which does not match the "
        f"computed number of elements {made.numel()}. Note that this may occur as a result of rounding error. The out "
        f"tensor will be resized to a tensor of shape ({made.numel()},).",
        UserWarning,
        stacklevel=3,
    )


def _default(d: dtype | None) -> dtype:
    return d or dtypes.get_default_dtype()


def _empty(size: layout.Shape, memory_format: Any, d: dtype | None) -> Tensor:
    """A tensor of undefined elements."""
    strides = None
    if memory_format is not None and memory_format.name != "contiguous_format":
        if memory_format.name == "preserve_format":
            raise RuntimeError("unsupported memory format Preserve")
        strides = strides_for(blank(check_sizes(size), dtypes.bool_), memory_format)
    return undefined(check_sizes(size), _default(d), strides)


def _full(size: layout.Shape, fill_value: Any, d: dtype | None) -> Tensor:
    """A tensor with one value everywhere; without dtype, that of the value, complex64 under the short default dtypes."""
    if d is None and isinstance(fill_value, complex) and dtypes.get_default_dtype() in dtypes.HALVES:
        d = dtypes.complex64
    return filled(check_sizes(size), fill_value, d or dtypes.of_number(fill_value))


def _eye(n: int, m: int, d: dtype | None) -> Tensor:
    """Ones on the diagonal, zeros elsewhere."""
    for name, count in (("n", n), ("m", m)):
        if count < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {count}")
    tensor = blank((n, m), _default(d))
    np.fill_diagonal(tensor._array(), 1)
    return tensor


def _empty_strided(size: layout.Shape, stride: layout.Shape, d: dtype | None) -> Tensor:
    """A tensor of undefined elements with given strides."""
    if len(size) != len(stride):
        raise RuntimeError(
            f"dimensionality of sizes ({len(size)}) must match dimensionality of strides ({len(stride)})"
        )
    check_sizes(size)
    if any(s < 0 for s in stride):
        raise RuntimeError(
            f"Storage size calculation overflowed with sizes={list(size)} and strides={list(stride)}"
        )
    return undefined(size, _default(d), stride)


factory("empty(int[] size, *, memory_format? memory_format=None)", _empty)
factory("zeros(int[] size)", lambda size, d: blank(_check_sizes_of("zeros", size), _default(d)))
factory("ones(int[] size)", lambda size, d: filled(check_sizes(size), 1, _default(d)))
factory("full(int[] size, Number fill_value)", _full)
factory("eye(int n)", lambda n, d: _eye(n, n, d))
factory("eye(int n, int m)", _eye)
factory("empty_strided(int[] size, int[] stride)", _empty_strided, forms="function")
factory("scalar_tensor(Number s)", lambda s, d: filled((), s, _default(d)), forms="function")


# ------------------------------------------------------------------------------------------------- like another tensor


def _like(name: str, make: Callable[..., Tensor], own: str = "") -> None:
    def kernel(input: Tensor, *values: Any) -> Tensor:
        *given, d, _, device, pin_memory, requires_grad, memory_format = values
        check_place(device, pin_memory)
        made = make(input._sizes, *given, d or input.dtype, strides_for(input, memory_format))
        return finish(made, requires_grad)

    op(
        f"{name}(Tensor input, {own}*, {OPTIONS}, memory_format? memory_format=None)", kind=COMPOSITE, kernel=kernel,
        family="creation", forms="function", exact=True,
    )  # fmt: skip


_like("empty_like", undefined)
_like("zeros_like", blank)
_like("ones_like", lambda sizes, d, strides: filled(sizes, 1, d, strides))
_like("full_like", filled, "Number fill_value, ")


def _new(signature: str, make: Callable[..., Tensor]) -> None:
    name, _, own = signature.partition("(")

    def kernel(input: Tensor, *values: Any) -> Tensor:
        *given, d, _, device, pin_memory, requires_grad = values
        check_place(device, pin_memory)
        return finish(make(*given, d or input.dtype), requires_grad)

    op(
        f"{name}(Tensor input, {own[:-1]}, *, {OPTIONS})", kind=COMPOSITE, kernel=kernel, family="creation", forms="method",
        exact=True,
    )  # fmt: skip


_new("new_empty(int[] size)", lambda size, d: undefined(check_sizes(size), d))
_new("new_zeros(int[] size)", lambda size, d: blank(check_sizes(size), d))
_new("new_ones(int[] size)", lambda size, d: filled(check_sizes(size), 1, d))
_new("new_full(int[] size, Number fill_value)", _full)
_new("new_empty_strided(int[] size, int[] stride)", _empty_strided)


# --------------------------------------------------------------------------------------------------- complex from parts


_WITH_COMPLEX = (dtypes.float16, dtypes.float32, dtypes.float64)


def _parts_rule(operands: list[Any]) -> tuple[dtype, dtype]:
    first, second = (t.dtype for t in operands)
    if first not in _WITH_COMPLEX or second not in _WITH_COMPLEX:
        raise RuntimeError(
            f"Expected both inputs to be Half, Float or Double tensors but got {first.legacy} and {second.legacy}"
        )
    if first is dtypes.float16:  # of the dtype of the result, which exists before the operands are compared
        warnings.warn(
            "ComplexHalf support is experimental and many operators don't support it yet.",
            UserWarning,
            stacklevel=6,
        )
    if first is not second:
        raise RuntimeError(
            f"Expected object of scalar type {first.legacy} but got scalar type {second.legacy} for second argument"
        )
    return first, first.to_complex()


def _polar_rule(operands: list[Any]) -> tuple[dtype, dtype]:
    try:
        return _parts_rule(operands)
    except dtypes.LacksError:
        raise NotImplementedError("\"polar_cpu\" not implemented for 'Half'") from None


def _complex(real: np.ndarray, imag: np.ndarray) -> np.ndarray:
    out = np.empty(np.broadcast_shapes(real.shape, imag.shape), np.result_type(real.dtype, np.complex64))
    out.real, out.imag = real, imag
    return out


def _polar_grads(grad: Any, result: Any) -> tuple[Any, Any]:
    turned = grad.conj()
    return F.real(turned * F.sgn(result)), F.real(turned * (result * 1j))


def _polar_tangent(abs: Any, abs_t: Any, angle: Any, angle_t: Any) -> Any:
    along = F.zeros_like(abs) if abs_t is None else abs_t
    across = F.zeros_like(abs) if angle_t is None else abs * angle_t
    cos, sin = angle.cos(), angle.sin()
    return F.complex(along * cos - across * sin, along * sin + across * cos)


_OUT_ERROR = "Expected object of scalar type {result} but got scalar type {out} for argument 'out'"

op(
    "complex(Tensor real, Tensor imag)",
    kind=POINTWISE, rule=_parts_rule, kernel=_complex, family="creation", forms="function out", exact=True,
    derivatives={"real": lambda grad, real: F.real(grad), "imag": lambda grad, imag: F.imag(grad)},  # torch saves both
    tangent=LINEAR,
)  # fmt: skip
op(
    "polar(Tensor abs, Tensor angle)",
    kind=POINTWISE, rule=_polar_rule, kernel=lambda abs, angle: _complex(abs * np.cos(angle), abs * np.sin(angle)),
    family="creation", forms="function out", derivatives={("abs", "angle"): _polar_grads}, tangent=_polar_tangent,
)  # fmt: skip
