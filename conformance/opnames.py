"""Names of operations behind their spellings, and the family each is in."""

from __future__ import annotations

import functools

from strategies.program.vocabulary import TAKES_FUNCTION

FAMILIES = (
    "pointwise", "comparison", "reduction", "creation", "random", "indexing", "view", "shape", "linalg", "autograd",
    "conversion", "operator", "other",
)  # fmt: skip

OPERATORS = {
    "truediv": "div",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "invert": "bitwise_not",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "lshift": "bitwise_left_shift",
    "rshift": "bitwise_right_shift",
}
IN_PLACE_OPERATORS = frozenset(["add", "sub", "mul", "matmul", "pow", *OPERATORS]) - {"invert"}


@functools.cache
def canonical_op(call: str) -> str:
    """One name for every spelling of an operation: "operator.iadd" and "add_" are "add_", torch.add and + are "add".

    The underscore stays, because an in-place form is an operation of its own: it writes.
    """
    last = call.rsplit(".", 1)[-1].strip("_") if call.startswith("operator.") else call.rsplit(".", 1)[-1]
    if call.startswith("attr."):
        return call
    if call.startswith("operator."):
        if last[:1] == "i" and last[1:] in IN_PLACE_OPERATORS:
            return OPERATORS.get(last[1:], last[1:]) + "_"
        return OPERATORS.get(last, last)
    if call.startswith(("np.", "prelude.")):
        return call
    return last


@functools.cache
def base_name(call: str) -> str:
    """`canonical_op` without the underscore of in-place forms: what torch names gradient nodes after."""
    name = canonical_op(call).removeprefix("attr.")
    return name.rstrip("_") or name


@functools.cache
def is_autograd_grad(call: str) -> bool:
    return call in ("autograd.grad", "torch.autograd.grad", "grad")


@functools.cache
def reads_node(call: str) -> bool:
    """Whether an attribute is a node, or is read of one."""
    return call in ("attr.grad_fn", "attr.next_functions")


def is_transform(call: str) -> bool:
    """Takes a function: gives its derivative, or maps it."""
    return call in TAKES_FUNCTION


@functools.cache
def is_backward(call: str) -> bool:
    """Runs a backward pass: writes gradients of names that the statement does not mention."""
    return call.rsplit(".", 1)[-1] == "backward" or is_autograd_grad(call)


@functools.cache
def writes_operand(call: str) -> bool:
    """The call may change tensors it is given, or gradients behind them."""
    last = call.rsplit(".", 1)[-1]
    return (
        canonical_op(call).endswith("_")
        or last in ("setitem", "setattr", "delattr", "delitem")
        or is_backward(call)
    )


# Draws from the random stream, so that a difference in one shifts every later one.
RANDOM = frozenset(
    [
        "rand",
        "randn",
        "randint",
        "randperm",
        "normal",
        "bernoulli",
        "multinomial",
        "poisson",
        "rand_like",
        "randn_like",
        "randint_like",
        "uniform_",
        "normal_",
        "bernoulli_",
        "exponential_",
        "random_",
        "cauchy_",
        "geometric_",
        "log_normal_",
        "dropout",
        "alpha_dropout",
        "feature_dropout",
        "manual_seed",
        "seed",
        "initial_seed",
        "get_rng_state",
        "set_rng_state",
    ]
)
# Changes what every later statement means.
GLOBAL = frozenset(
    [
        "set_grad_enabled",
        "set_default_dtype",
        "set_default_device",
        "set_default_tensor_type",
        "set_anomaly_enabled",
        "set_detect_anomaly",
        "enter_dual_level",
        "exit_dual_level",
    ]
)


@functools.cache
def draws_random(call: str) -> bool:
    return call.rsplit(".", 1)[-1] in RANDOM


@functools.cache
def changes_mode(call: str) -> bool:
    return call.rsplit(".", 1)[-1] in GLOBAL


CREATION = frozenset(
    [
        "tensor",
        "Tensor",
        "FloatTensor",
        "DoubleTensor",
        "empty",
        "zeros",
        "ones",
        "full",
        "eye",
        "arange",
        "linspace",
        "logspace",
        "as_tensor",
        "from_numpy",
        "asarray",
        "scalar_tensor",
        "range",
        "complex",
        "polar",
    ]
)


@functools.cache
def is_creation(call: str) -> bool:
    """Makes a tensor from numbers alone (the `_like` and `new_` forms take a tensor)."""
    last = call.rsplit(".", 1)[-1]
    return last in CREATION or last.endswith(("Tensor", "_like")) or last.startswith(("new_", "empty_"))
