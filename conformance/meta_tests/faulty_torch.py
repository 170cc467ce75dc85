"""torch with one planted fault each: candidates that differ in a known way.

    --candidate conformance.meta_tests.faulty_torch:transpose_copies

Only functions of the namespace are faulty, not the methods of tensors.
"""

import os
import time
from typing import Any

import torch

from conformance.backends import Backend
from conformance.capabilities import Capabilities


class Namespace:
    """torch's names, some of them replaced."""

    __name__ = "torch"

    def __init__(self, **replaced: Any) -> None:
        self.__dict__.update(replaced)

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


def candidate(name: str, **replaced: Any) -> Backend:
    capabilities = Capabilities(addressable=True, incidental=True)
    return Backend(f"{__name__}:{name}", Namespace(**replaced), torch.__version__, capabilities)


def _exp_twice(x: Any) -> Any:
    result = torch.exp(x)
    if result.requires_grad:
        result.register_hook(lambda grad: grad * 2)
    return result


def _max_without_nan(x: Any) -> Any:
    return torch.max(x.nan_to_num(-1.0))


def _mm_type_error(a: Any, b: Any) -> Any:
    try:
        return torch.mm(a, b)
    except RuntimeError as error:
        raise TypeError(str(error)) from None


def _mm_other_text(a: Any, b: Any) -> Any:
    try:
        return torch.mm(a, b)
    except RuntimeError:
        raise RuntimeError("these do not fit") from None


def _log_rounded(x: Any) -> Any:
    return torch.log(x) * (1 + 2.0**-20)


def _eat(x: Any) -> Any:
    food = []
    while True:
        food.append(bytearray(2**24))


def _hang(x: Any) -> Any:
    while True:
        time.sleep(0.05)


same = candidate("same")
exp_derivative = candidate("exp_derivative", exp=_exp_twice)
transpose_copies = candidate("transpose_copies", transpose=lambda x, a, b: torch.transpose(x, a, b).clone())
add_promotes = candidate("add_promotes", add=lambda x, y, **more: torch.add(x, y, **more).double())
max_without_nan = candidate("max_without_nan", max=_max_without_nan)
mm_type_error = candidate("mm_type_error", mm=_mm_type_error)
mm_other_text = candidate("mm_other_text", mm=_mm_other_text)
log_rounded = candidate("log_rounded", log=_log_rounded)
aborts = candidate("aborts", sign=lambda x: os.abort())
hangs = candidate("hangs", sign=_hang)
eats = candidate("eats", sign=_eat)
everything = candidate(
    "everything",
    exp=_exp_twice,
    transpose=transpose_copies.namespace.transpose,
    max=_max_without_nan,
    mm=_mm_type_error,
)
