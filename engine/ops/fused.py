"""Operations of three operands: addcmul, addcdiv, lerp."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from engine import dtypes
from engine.dtypes import FLOAT
from engine.ops.pointwise import SAME_OUT, F, as_scalar, conj, multiply_add, of, pointwise, promote, scaled
from engine.registry import INEXACT, LINEAR, NUMERIC

# ----------------------------------------------------------------------------------------------------- addcmul, addcdiv


def _addcmul(input: np.ndarray, tensor1: np.ndarray, tensor2: np.ndarray, value: Any) -> np.ndarray:
    return multiply_add(as_scalar(value, input) * tensor1, tensor2, input)


def _addcdiv(input: np.ndarray, tensor1: np.ndarray, tensor2: np.ndarray, value: Any) -> np.ndarray:
    return input + as_scalar(value, input) * tensor1 / tensor2


def _number_over(value: Any, divisor: Any) -> Any:
    """torch's C++ divides a number by a tensor within a copy of the tensor. Raises RuntimeError for integer tensors."""
    return F.full_like(divisor, value).div_(divisor)


def _of_the_divisor(grad: Any, tensor1: Any, tensor2: Any, value: Any) -> Any:
    # First, as torch's C++ evaluates operands from the right, which shows in graphs.
    square = tensor2 * tensor2
    return -grad * conj(tensor1 * value / square)


_ADDCMUL = {
    "input": lambda grad: grad,
    "tensor1": lambda grad, tensor2, value: grad * conj(tensor2 * value),
    "tensor2": lambda grad, tensor1, value: grad * conj(tensor1 * value),
}


def _addcmul_tangent(
    input_t: Any, tensor1: Any, tensor1_t: Any, tensor2: Any, tensor2_t: Any, value: Any
) -> Any:
    # The second first, as torch's C++ computes a sum from its end.
    second = None if tensor2_t is None else scaled(tensor2_t * tensor1, value)
    first = None if tensor1_t is None else scaled(tensor1_t * tensor2, value)
    return functools.reduce(F.add, [t for t in (input_t, first, second) if t is not None])


def _addcdiv_tangent(
    input_t: Any, tensor1: Any, tensor1_t: Any, tensor2: Any, tensor2_t: Any, value: Any
) -> Any:
    second = None if tensor2_t is None else scaled(tensor2_t * (tensor1 / tensor2) / tensor2, value)
    first = None if tensor1_t is None else scaled(tensor1_t / tensor2, value)
    present = [t for t in (input_t, first) if t is not None]
    if second is None:
        return functools.reduce(F.add, present)
    return functools.reduce(F.add, present) - second if present else -second


_ADDCDIV = {
    "input": lambda grad: grad,
    "tensor1": lambda grad, tensor2, value: grad * conj(_number_over(value, tensor2)),
    "tensor2": _of_the_divisor,
}


def _addcdiv_dtype(operands: list[Any]) -> tuple[dtypes.dtype, dtypes.dtype]:
    """Promotion. Raises RuntimeError for a quotient of two integers."""
    if all(of(x).category < FLOAT for x in operands[1:]):
        raise RuntimeError(
            "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will perform a true "
            "division of tensor1 and tensor2. The historic addcdiv behavior can be implemented as (input + value * "
            "torch.trunc(tensor1 / tensor2)).to(input.dtype) for integer inputs and as (input + value * tensor1 / tensor2) "
            "for float inputs. The future addcdiv behavior is just the latter implementation: (input + value * tensor1 / "
            "tensor2) for all dtypes."
        )
    return promote(operands)


for _name, _kernel, _rule, _derivatives, _accepts, _tangent in (
    ("addcmul", _addcmul, promote, _ADDCMUL, NUMERIC, _addcmul_tangent),
    ("addcdiv", _addcdiv, _addcdiv_dtype, _ADDCDIV, INEXACT, _addcdiv_tangent),
):
    pointwise(
        f"{_name}(Tensor input, Tensor tensor1, Tensor tensor2, *, Number value=1)", _kernel, _rule,
        derivatives=_derivatives, accepts=_accepts, tangent=_tangent,
        error_name=f"{_name}_cpu_out",
    )  # fmt: skip
    pointwise(
        f"{_name}(Tensor input, Number value, Tensor tensor1, Tensor tensor2)",
        lambda input, value, tensor1, tensor2, kernel=_kernel: kernel(input, tensor1, tensor2, value),
        _rule, warning=f"This overload of {_name} is deprecated", derivatives=_derivatives, accepts=_accepts, tangent=_tangent,
        error_name=f"{_name}_cpu_out",
    )  # fmt: skip

# --------------------------------------------------------------------------------------------------------------- lerp

_C_WORDS = {
    "bool": "bool", "uint8": "unsigned char", "int8": "signed char", "int16": "short int", "int32": "int",
    "int64": "long int", "float16": "c10::Half", "bfloat16": "c10::BFloat16", "float32": "float", "float64": "double",
    "complex64": "c10::complex<float>", "complex128": "c10::complex<double>",
}  # fmt: skip


def _lerp(input: np.ndarray, end: np.ndarray, weight: Any) -> np.ndarray:
    """From whichever end is nearer, so that weight 1 gives `end` exactly."""
    if not isinstance(weight, np.ndarray):
        weight = as_scalar(weight, input)
    way = end - input
    return np.where(
        np.abs(weight) < 0.5, multiply_add(weight, way, input), multiply_add(weight - 1, way, end)
    )


def _lerp_dtype(operands: list[Any]) -> tuple[dtypes.dtype, dtypes.dtype]:
    """All of one dtype, but a 0-d weight may have any. Raises RuntimeError."""
    d = operands[0].dtype
    for name, x in zip(("end", "weight"), operands[1:], strict=False):
        if x.dtype is not d and (name == "end" or x._sizes):
            raise RuntimeError(
                f"expected dtype {_C_WORDS[d.name]} for `{name}` but got dtype {_C_WORDS[x.dtype.name]}"
            )
    return promote(operands)


def _lerp_out(values: list[Any], outs: list[Any]) -> None:
    """Nothing is cast into `out`; a 0-d weight is taken as a number, whose form casts."""
    input, _, weight = values
    if weight._sizes and outs[0].dtype is not input.dtype:
        raise RuntimeError(SAME_OUT.format(out=outs[0].dtype.legacy, result=input.dtype.legacy))


def _lerp_tangent(input: Any, input_t: Any, end: Any, end_t: Any, weight: Any, weight_t: Any) -> Any:
    ends = [F.zeros_like(t) if t_t is None else t_t for t, t_t in ((input, input_t), (end, end_t))]
    way = F.lerp(*ends, weight)
    return way if weight_t is None else way + weight_t * (end - input)


pointwise(
    "lerp(Tensor input, Tensor end, Tensor weight)", _lerp, _lerp_dtype, accepts=INEXACT, node="LerpBackward1",
    error_name="lerp_kernel_tensor", before_out=_lerp_out,
    derivatives={
        "input": lambda grad, weight: grad * conj(1 - weight),
        "end": lambda grad, weight: grad * conj(weight),
        "weight": lambda grad, input, end: grad * conj(end - input),
    },
    tangent=_lerp_tangent,
)  # fmt: skip
pointwise(
    "lerp(Tensor input, Tensor end, Number weight)", _lerp, _lerp_dtype, accepts=INEXACT, error_name="lerp_kernel_scalar",
    derivatives={
        "input": lambda grad, weight: grad * (1 - conj(weight)),
        "end": lambda grad, weight: grad * conj(weight),
    },
    tangent=LINEAR,
)  # fmt: skip
