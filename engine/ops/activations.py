"""Elementwise functions of neural networks that torch has among its plain functions: hardshrink, prelu.

Sources: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.hardshrink.html and
https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.prelu.html
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes
from engine import functions as F
from engine.call import run
from engine.dtypes import FLOATS
from engine.ops.pointwise import SAME_OUT, as_scalar, no_gradient, pointwise
from engine.registry import COMPOSITE, GENERAL, Op, op
from engine.results import Result
from engine.tensor import Tensor


def _shrinks(x: np.ndarray, lambd: Any) -> np.ndarray:
    bound = as_scalar(lambd, x)
    return (x >= -bound) & (x <= bound)


def _hardshrink(x: np.ndarray, lambd: Any) -> np.ndarray:
    return np.where(_shrinks(x, lambd), x.dtype.type(0), x)


def _hardshrink_backward(grad_output: np.ndarray, x: np.ndarray, lambd: Any) -> Result:
    """The gradient where the input was kept; for NaN torch's vector code gives 0 and its scalar code the gradient."""
    kept = np.where(_shrinks(x, lambd), x.dtype.type(0), grad_output)
    return Result(kept, None, np.isnan(x))


_HARDSHRINK_BACKWARD: Op = pointwise(
    "hardshrink_backward(Tensor grad_output, Tensor input, Number lambd)",
    _hardshrink_backward,
    forms="", node="HardshrinkBackwardBackward0", stepwise=True,
    derivatives={
        "grad_output": lambda grad, input, lambd: run(_HARDSHRINK_BACKWARD, [grad, input, lambd]),
        "input": no_gradient,
    },
)  # fmt: skip
pointwise(
    "hardshrink(Tensor input, Number lambd=0.5)", _hardshrink, accepts=FLOATS, error_name="hardshrink_cpu", exact=True,
    forms="function method out", stepwise=True, out_dtype_error=SAME_OUT,
    derivatives={"input": lambda grad, input, lambd: run(_HARDSHRINK_BACKWARD, [grad, input, lambd])},
)  # fmt: skip


def _prelu(input: Tensor, weight: Tensor) -> Tensor:
    """The input where it is positive, else its product with the weight of its channel (dimension 1)."""
    if input.dtype is not weight.dtype:
        raise RuntimeError(
            f"prelu: Type promoting not supported. Got {input.dtype.legacy} and {weight.dtype.legacy}"
        )
    count, rank = weight.numel(), input.dim()
    if count != 1:
        if not rank:
            raise RuntimeError("Not allow zero-dim input tensor.")
        channels = input._sizes[1] if rank > 1 else 1
        if channels != count:
            raise RuntimeError(
                f"Mismatch of parameter numbers and input channel size. Found parameter numbers = {count} and channel size = "
                f"{channels}."
            )
    if weight.dim() > 1:
        raise RuntimeError(
            f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.dim()}"
        )
    if weight.dim() != rank:
        weight = weight.reshape(tuple(count if i == 1 else 1 for i in range(rank)))
    return F._prelu_kernel(input, weight)


def _prelu_backward(grad_output: Tensor, input: Tensor, weight: Tensor) -> tuple[np.ndarray, np.ndarray]:
    grad, x, w = np.broadcast_arrays(
        *(t._array().astype(dtypes.opmath(t.dtype), copy=False) for t in (grad_output, input, weight))
    )
    d = grad_output.dtype.numpy
    return np.where(x > 0, grad, w * grad).astype(d), np.where(x > 0, 0, x * grad).astype(d)


def _prelu_backward_gradient(
    given_grads: Any, grad_output: Any, input: Any, weight: Any
) -> tuple[Any, Any, Any]:
    of_input, of_weight = given_grads
    positive, zero = input >= 0, F.zeros((), dtype=grad_output.dtype)
    made = [zero.expand(grad_output._sizes)] * 3
    if of_input is not None:
        made[0] = F.where(positive, of_input, weight * of_input)
        made[2] = F.where(positive, zero, of_input * grad_output)
    if of_weight is not None:
        made[0] = made[0] + F.where(positive, zero, of_weight * input)
        made[1] = F.where(positive, zero, of_weight * grad_output)
    return made[0], made[1], made[2]


# No public function: one kernel in torch, with a derivative of its own by all three.
_PRELU_BACKWARD: Op = op(
    "_prelu_kernel_backward(Tensor grad_output, Tensor input, Tensor weight) -> (grad_input, grad_weight)", kind=GENERAL,
    kernel=_prelu_backward, family="pointwise", forms="", node="PreluKernelBackwardBackward0",
    derivatives={("grad_output", "input", "weight"): _prelu_backward_gradient},
)  # fmt: skip

pointwise(
    "_prelu_kernel(Tensor input, Tensor weight)", lambda x, weight: np.where(x > 0, x, weight * x), accepts=FLOATS,
    error_name="prelu_cpu", forms="function", node="PreluKernelBackward0",
    derivatives={
        ("input", "weight"): lambda grad, input, weight: tuple(run(_PRELU_BACKWARD, [grad, input, weight]))
    },
    tangent=lambda input, input_t, weight, weight_t: F.where(
        input >= 0,
        F.zeros_like(input) if input_t is None else input_t,
        (0 if input_t is None else weight * input_t) + (0 if weight_t is None else weight_t * input),
    ),
)  # fmt: skip
op("prelu(Tensor input, Tensor weight)", kind=COMPOSITE, kernel=_prelu, family="pointwise")
