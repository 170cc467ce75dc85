"""Random tensors of given sizes, and like another tensor.

Sources: https://docs.pytorch.org/docs/stable/torch.html#random-sampling and
https://docs.pytorch.org/docs/stable/notes/randomness.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from engine import dtypes, generator, layout
from engine.dtypes import dtype
from engine.ops.creation import OPTIONS, blank, check_place, check_sizes, finish
from engine.ops.memory import strides_for
from engine.ops.random_fills import GENERATOR, normal, random_range, uniform
from engine.ops.random_outputs import INTO, resized, write_filled
from engine.random import Generator, stream_of
from engine.registry import COMPOSITE, op
from engine.results import Result
from engine.tensor import Tensor, fresh
from engine.writes import bump_version, write

# ----------------------------------------------------------------------------------------------------------- factories


def _fresh(
    sizes: layout.Shape, d: dtype, strides: layout.Shape | None, fill: Callable[[Tensor], Result]
) -> Tensor:
    made = blank(check_sizes(sizes), d, strides)
    write(made, fill(made))
    return made


def factory(
    signature: str, fill: Callable[..., Result], default: Callable[[], dtype], *, exact: bool
) -> None:
    """Register a factory: `fill(target, *own parameters without size, generator)`; `size` is the last own parameter."""

    def kernel(*values: Any) -> Tensor:
        *given, size, source, d, _, device, pin_memory, requires_grad = values
        check_place(device, pin_memory)
        return finish(_fresh(size, d or default(), None, lambda t: fill(t, *given, source)), requires_grad)

    def into(out: Tensor, *values: Any) -> None:
        *given, size, source = values[:-5]
        if resized(out, check_sizes(size)) and signature.startswith("randn"):
            bump_version(out)  # torch's randn is made of two operations, a resize and a fill
        write_filled(out, fill(out, *given, source))

    record = op(
        f"{signature[:-1]}, {GENERATOR}, {OPTIONS})", kind=COMPOSITE, kernel=kernel, family="random", forms="function out",
        exact=exact,
    )  # fmt: skip
    INTO[record] = into


factory(
    "rand(int[] size)", lambda t, source: uniform(t, 0.0, 1.0, source), dtypes.get_default_dtype, exact=True,
)  # fmt: skip
factory(
    "randn(int[] size)", lambda t, source: normal(t, 0.0, 1.0, source), dtypes.get_default_dtype, exact=False,
)  # fmt: skip
factory(
    "randint(int high, int[] size)", lambda t, high, source: random_range(t, 0, high, source), lambda: dtypes.int64,
    exact=True,
)  # fmt: skip
factory("randint(int low, int high, int[] size)", random_range, lambda: dtypes.int64, exact=True)


def _permuted(n: int, source: Generator | None, d: dtype) -> np.ndarray:
    return generator.randperm(stream_of(source), n, d.name)


def _randperm(
    n: int, source: Any, d: Any, _: Any, device: Any, pin_memory: Any, requires_grad: Any
) -> Tensor:
    """A random permutation of 0 .. n - 1."""
    check_place(device, pin_memory)
    d = d or dtypes.int64
    return finish(fresh(_permuted(n, source, d), d), requires_grad)


def _randperm_into(out: Tensor, n: int, source: Any, *options: Any) -> None:
    values = _permuted(n, source, out.dtype)
    resized(out, (n,))
    write_filled(out, Result(values))


INTO[
    op(
        f"randperm(int n, {GENERATOR}, {OPTIONS})", kind=COMPOSITE, kernel=_randperm, family="random", forms="function out",
        exact=True,
    )
] = _randperm_into  # fmt: skip


# ------------------------------------------------------------------------------------------------- like another tensor


def _like(signature: str, fill: Callable[..., Result], *, exact: bool) -> None:
    def kernel(input: Tensor, *values: Any) -> Tensor:
        *given, source, d, _, device, pin_memory, requires_grad, memory_format = values
        check_place(device, pin_memory)
        strides = strides_for(input, memory_format)
        return finish(
            _fresh(input._sizes, d or input.dtype, strides, lambda t: fill(t, *given, source)), requires_grad
        )

    op(
        f"{signature[:-1]}, {GENERATOR}, {OPTIONS}, memory_format? memory_format=None)", kind=COMPOSITE, kernel=kernel,
        family="random", forms="function", exact=exact,
    )  # fmt: skip


def _bound_of(high: Tensor) -> int:
    if high._sizes:
        raise RuntimeError("high must be a scalar tensor and on CPU")
    return int(high.detach().item())


_like("rand_like(Tensor input)", lambda t, source: uniform(t, 0.0, 1.0, source), exact=True)
_like("randn_like(Tensor input)", lambda t, source: normal(t, 0.0, 1.0, source), exact=False)
_like(
    "randint_like(Tensor input, int high)",
    lambda t, high, source: random_range(t, 0, high, source),
    exact=True,
)
_like(
    "randint_like(Tensor input, Tensor high)", lambda t, high, source: random_range(t, 0, _bound_of(high), source), exact=True,
)  # fmt: skip
_like("randint_like(Tensor input, int low, int high)", random_range, exact=True)
