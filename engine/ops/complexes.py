"""Complex numbers: parts, conjugates, magnitudes and angles.

Source: https://docs.pytorch.org/docs/stable/complex_numbers.html
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine import dtypes, layout
from engine.call import run
from engine.dtypes import COMPLEX, COMPLEXES, FLOAT, dtype, get_default_dtype
from engine.ops.pointwise import SAME_OUT, F, by_parts, magnitude, pointwise, promote, to_real
from engine.registry import BOOL_ONLY, COMPOSITE, GENERAL, MEMORY, MUTATION, NUMERIC, POINTWISE, VIEW, op
from engine.results import Geometry, Result
from engine.tensor import Tensor
from engine.writes import check_memory

# --------------------------------------------------------------------------------------------------------- conjugates


def _conj(input: Tensor) -> Tensor:
    """The conjugate; a real tensor itself. torch's is lazy and a view, this one is computed at once."""
    return _conjugated(input) if input.dtype.category == COMPLEX else input


def _conjugated(input: Tensor) -> Tensor:
    return run(_CONJ, [input])


_CONJ = op(
    "_conj(Tensor input)", kind=GENERAL, kernel=lambda input: np.conjugate(input._array()), family="pointwise", forms="",
    node="ConjBackward0", exact=True, derivatives={"input": lambda grad: F.conj(grad)},
)  # fmt: skip
op("conj(Tensor input)", kind=COMPOSITE, kernel=_conj, family="pointwise", exact=True)
op(
    "resolve_conj(Tensor input)", kind=COMPOSITE, kernel=lambda input: input, family="pointwise", exact=True,
)  # fmt: skip
op(
    "resolve_neg(Tensor input)", kind=COMPOSITE, kernel=lambda input: input, family="pointwise", exact=True,
)  # fmt: skip
op(
    "is_conj(Tensor input)", kind=COMPOSITE, kernel=lambda input: False, family="other", exact=True, aliases=("is_neg",),
)  # fmt: skip


def _conj_physical(input: Tensor) -> Tensor:
    """The conjugate in memory of its own; a real tensor itself."""
    return run(_CONJ_PHYSICAL, [input]) if input.dtype.category == COMPLEX else input


_CONJ_PHYSICAL = pointwise(
    "_conj_physical(Tensor input)", np.conjugate, forms="", node="ConjPhysicalBackward0", exact=True,
    derivatives={"input": lambda grad: F.conj_physical(grad)},
)  # fmt: skip
pointwise(
    "_conj_physical_into(Tensor input)", np.conjugate, forms="function out", exact=True, error_name="conj_physical",
    refuses_as="conj_physical", out_grad="unknown", out_dtype_error=SAME_OUT,
)  # fmt: skip
op(
    "conj_physical(Tensor input)", kind=COMPOSITE, kernel=_conj_physical, family="pointwise", forms="function method out",
    exact=True, out_form=lambda input, out: F._conj_physical_into(input, out=out),
)  # fmt: skip


def _conjugate_in_place(input: Tensor) -> Result | None:
    """Nothing is written to a real tensor, so its memory does not matter."""
    if input.dtype.category < COMPLEX:
        return None
    check_memory(MEMORY[POINTWISE], input, [], [])
    return Result(np.conjugate(input._array()), None, input._undefined_mask())


op(
    "conj_physical_(Tensor input)", kind=MUTATION, kernel=_conjugate_in_place, family="pointwise",
    forms="function method inplace", node="ConjPhysicalBackward1", exact=True, memory="",
    derivatives={"input": lambda grad: F.conj_physical(grad)},
)  # fmt: skip

# -------------------------------------------------------------------------------------------------------------- parts


def _as_real(input: Tensor) -> Geometry:
    if input.dtype.category != COMPLEX:
        raise RuntimeError("view_as_real is only supported for complex tensors")
    return Geometry(
        (*input._sizes, 2), (*(2 * s for s in input._strides), 1), 2 * input._offset, input.dtype.to_real()
    )


def _as_complex(input: Tensor) -> Geometry:
    if input.dtype.category != FLOAT or input.dtype is dtypes.bfloat16:
        raise RuntimeError(
            "view_as_complex is only supported for half, float and double tensors, but got a tensor of scalar type: "
            f"{input.dtype.legacy}"
        )
    if not input._sizes:
        raise RuntimeError("Input tensor must have one or more dimensions")
    if input._sizes[-1] != 2:
        raise RuntimeError("Tensor must have a last dimension of size 2")
    if input._strides[-1] != 1:
        raise RuntimeError("Tensor must have a last dimension with stride 1")
    if any(s % 2 for s in input._strides[:-1]):
        dim = next(i for i in reversed(range(len(input._sizes) - 1)) if input._strides[i] % 2)
        raise RuntimeError(
            f"Tensor must have a stride divisible by 2 for all but last dimension (dimension {dim})"
        )
    if input._offset % 2:
        raise RuntimeError("Tensor must have a storage_offset divisible by 2")
    return Geometry(
        input._sizes[:-1],
        tuple(s // 2 for s in input._strides[:-1]),
        input._offset // 2,
        input.dtype.to_complex(),
    )


op(
    "view_as_real(Tensor input)", kind=VIEW, kernel=_as_real, family="view", forms="function", exact=True,
    derivatives={"input": lambda grad: F.view_as_complex(grad.contiguous())},
)  # fmt: skip
op(
    "view_as_complex(Tensor input)", kind=VIEW, kernel=_as_complex, family="view", forms="function", exact=True,
    derivatives={"input": lambda grad: F.view_as_real(grad.contiguous())},
)  # fmt: skip


def _real(input: Tensor) -> Tensor:
    """A view of the real parts; a real tensor itself."""
    return F.select(F.view_as_real(input), -1, 0) if input.dtype.category == COMPLEX else input


def _imag(input: Tensor) -> Tensor:
    """A view of the imaginary parts. Raises RuntimeError for a real tensor."""
    if input.dtype.category != COMPLEX:
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return F.select(F.view_as_real(input), -1, 1)


def _assign_part(name: str) -> Any:
    def assign(self: Tensor, value: Any) -> None:
        part = getattr(F, name)(self)
        part.copy_(value) if isinstance(value, Tensor) else part.fill_(value)

    return assign


for _name, _kernel in (("real", _real), ("imag", _imag)):
    op(f"{_name}(Tensor input)", kind=COMPOSITE, kernel=_kernel, family="view", forms="function", exact=True)
    setattr(Tensor, _name, property(_kernel, _assign_part(_name), doc=_kernel.__doc__))

# ----------------------------------------------------------------------------------------------- magnitudes and angles

_ABS: dict[str, Any] = {
    "accepts": NUMERIC, "error_name": "abs_cpu", "exact": True, "node": "AbsBackward0", "out_dtype_error": SAME_OUT,
    "derivatives": {"input": lambda grad, input: grad * F.sgn(input)},
}  # fmt: skip
pointwise("abs(Tensor input)", magnitude, to_real, forms="function method out", aliases=("absolute",), **_ABS)


def _abs_(input: Tensor) -> Result:
    if input.dtype.category == COMPLEX:
        raise RuntimeError("In-place abs is not supported for complex tensors.")
    if input.dtype in BOOL_ONLY:
        raise NotImplementedError("\"abs_cpu\" not implemented for 'Bool'")
    return Result(np.abs(input._array()), None, input._undefined_mask())


_ABS["memory"] = "internal partial"
op("abs_(Tensor input)", kind=MUTATION, kernel=_abs_, family="pointwise", forms="function method inplace", **_ABS)  # fmt: skip
op("absolute_(Tensor input)", kind=MUTATION, kernel=_abs_, family="pointwise", forms="method inplace-method", **_ABS)  # fmt: skip


def _sgn(input: np.ndarray) -> np.ndarray:
    kind = input.dtype.kind
    if kind == "b":
        return input
    if kind != "c":
        return (input > 0).astype(input.dtype) - (input < 0).astype(input.dtype)
    size = magnitude(input)
    return np.where(size == 0, 0, by_parts(input, lambda part: part / size)).astype(input.dtype)


def _sgn_grad(grad: Any, input: Any, result: Any) -> Any:
    if input.dtype.category != COMPLEX:
        return F.zeros_like(result)
    magnitude = input.abs()
    return ((grad / magnitude) - (F.real(grad / result) * result / magnitude)).masked_fill(
        magnitude == 0.0, 0.0
    )


pointwise("sgn(Tensor input)", _sgn, out_dtype_error=SAME_OUT, derivatives={"input": _sgn_grad})


def _angle_dtype(operands: list[Any]) -> tuple[dtype, dtype]:
    """The real dtype of the operand; integers give the default one."""
    d, _ = promote(operands)
    if d in COMPLEXES:
        return d, d.to_real()
    return (d, d) if d.category == FLOAT else (get_default_dtype(),) * 2


def _angle(input: np.ndarray) -> np.ndarray | Result:
    if input.dtype.kind == "c":
        return Result(np.arctan2(input.imag, input.real), layout.contiguous_strides(input.shape))
    return np.where(np.isnan(input), input, np.where(input < 0, math.pi, 0.0).astype(input.dtype))


def _angle_grad(grad: Any, input: Any) -> Any:
    if input.dtype.category != COMPLEX:
        return F.zeros_like(input)
    turned = grad * input / input.abs().pow(2) * 1j
    return F.where(input == 0.0, F.zeros((), dtype=input.dtype), turned)


pointwise(
    "angle(Tensor input)", _angle, _angle_dtype, forms="function method out", derivatives={"input": _angle_grad},
)  # fmt: skip
