"""Random values at their places in a tensor's memory, and the methods that fill a tensor with them.

`engine.generator` makes the values in the order in which a destination is filled.
Source: https://docs.pytorch.org/docs/stable/torch.html#in-place-random-sampling
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from engine import dtypes, generator, layout
from engine import functions as F
from engine.random import Generator, stream_of
from engine.registry import MUTATION, op
from engine.results import Result
from engine.tensor import Tensor
from engine.writes import check_memory

Draw = Callable[..., np.ndarray]
"""draw(target, stream, n, dtype name) -> n values in the order in which a destination is filled."""


# ------------------------------------------------------------------------------------------------------ filling memory


def filled(target: Tensor, source: Generator | None, draw: Draw) -> Result:
    """The values that fill a destination, each at its place.

    Memory that is shared by several elements keeps the value of whichever came last: undefined.
    """
    if layout.has_internal_overlap(target._sizes, target._strides):
        draw(stream_of(source), 0, target.dtype.name)  # bad parameters come first
        check_memory(frozenset(("internal",)), target, (), ())
    values = draw(stream_of(source), target.numel(), target.dtype.name)
    if target.is_contiguous():
        return Result(values.reshape(target._sizes))
    lost = None if layout.is_injective(target._sizes, target._strides) else np.ones(target._sizes, np.bool_)
    return Result(generator.arrange(values, target._sizes, target._strides), None, lost)


def _normal_draw(target: Tensor, mean: float, std: float) -> Draw:
    contiguous = target.is_contiguous()
    return lambda stream, n, d: generator.normal(stream, n, d, mean, std, contiguous=contiguous)


def uniform(target: Tensor, low: float, high: float, source: Generator | None) -> Result:
    return filled(target, source, lambda stream, n, d: generator.uniform(stream, n, d, low, high))


def normal(target: Tensor, mean: float, std: float, source: Generator | None) -> Result:
    if target.dtype.category < dtypes.FLOAT:  # refused before the memory is looked at
        generator.normal(stream_of(source), target.numel(), target.dtype.name, mean, std)
    return filled(target, source, _normal_draw(target, mean, std))


def _random_full(target: Tensor, source: Generator | None) -> Result:
    return filled(target, source, generator.random_full)


def random_range(target: Tensor, low: int, high: int | None, source: Generator | None) -> Result:
    return filled(target, source, lambda stream, n, d: generator.random_range(stream, n, d, low, high))


def bernoulli_number(target: Tensor, p: float, source: Generator | None) -> Result:
    return filled(target, source, lambda stream, n, d: generator.bernoulli(stream, n, d, p))


def bernoulli_tensor(target: Tensor, p: Tensor, source: Generator | None) -> Result:
    """Ones with the probabilities `p`, which is read at the places that are filled."""
    if not target.numel():  # nothing is looked at
        return Result(np.empty(target._sizes, target.dtype.numpy))
    if p._sizes != target._sizes:
        _check_expands(p, target)
    if p._storage is target._storage:  # before the probabilities are looked at
        check_memory(frozenset(("internal", "partial")), target, (p.detach().expand(target._sizes),), ())
    wanted = np.broadcast_to(p._array().astype(p.dtype.nominal, copy=False), target._sizes)
    if not target.is_contiguous():
        wanted = wanted.transpose(generator.fill_order(target._sizes, target._strides))
    flat = wanted.reshape(-1)
    result = filled(target, source, lambda stream, n, d: generator.bernoulli_tensor(stream, flat[:n], d))
    unknown = p._undefined_mask()
    if unknown is not None:
        result.undefined = np.broadcast_to(unknown, target._sizes).copy()
    return result


def _check_expands(p: Tensor, target: Tensor) -> None:
    sizes, wanted = list(p._sizes), list(target._sizes)
    lead = len(wanted) - len(sizes)
    if lead < 0:
        raise RuntimeError(
            f"expand(torch.{p.dtype.legacy}Tensor{{{sizes}}}, size={wanted}): the number of sizes provided ({len(wanted)}) "
            f"must be greater or equal to the number of dimensions in the tensor ({len(sizes)})"
        )
    for dim in range(len(sizes) - 1, -1, -1):
        if sizes[dim] not in (1, wanted[lead + dim]):
            raise RuntimeError(
                f"The expanded size of the tensor ({wanted[lead + dim]}) must match the existing size ({sizes[dim]}) at "
                f"non-singleton dimension {lead + dim}.  Target sizes: {wanted}.  Tensor sizes: {sizes}"
            )


# ------------------------------------------------------------------------------------------------------ in-place fills

GENERATOR = "*, Generator? generator=None"
FLAT = {"input": lambda grad: F.zeros_like(grad)}


def _in_place(signature: str, kernel: Callable[..., Result], *, exact: bool = False, **record: Any) -> None:
    record = {"derivatives": FLAT, **record}
    op(
        f"{signature[:-1]}, {GENERATOR})", kind=MUTATION, kernel=kernel, family="random", forms="method inplace",
        exact=exact, **record,
    )  # fmt: skip


def _distribution(draw: Draw) -> Callable[..., Result]:
    def kernel(target: Tensor, *values: Any) -> Result:
        *parameters, source = values
        return filled(target, source, lambda stream, n, d: draw(stream, n, d, *parameters))

    return kernel


_in_place(
    "uniform_(Tensor input, float from=0.0, float to=1.0)", uniform, node="UniformBackward0", exact=True
)
_in_place("normal_(Tensor input, float mean=0.0, float std=1.0)", normal, node="NormalBackward0")
_in_place("random_(Tensor input)", _random_full, node="RandomBackward2", exact=True)
_in_place("random_(Tensor input, int from, int? to)", random_range, node="RandomBackward0", exact=True)
_in_place(
    "random_(Tensor input, int to)", lambda target, to, source: random_range(target, 0, to, source), node="RandomBackward1",
    exact=True,
)  # fmt: skip
_in_place(
    "bernoulli_(Tensor input, Tensor p)", bernoulli_tensor, node="BernoulliBackward1", exact=True,
    derivatives={**FLAT, "p": lambda grad, p_sizes: grad.new_zeros(p_sizes)},
    tangent=lambda input_t: None if input_t is None else F.zeros_like(input_t),
)  # fmt: skip
_in_place("bernoulli_(Tensor input, float p=0.5)", bernoulli_number, node="BernoulliBackward2", exact=True)
_in_place(
    "exponential_(Tensor input, float lambd=1.0)", _distribution(generator.exponential), node="ExponentialBackward0",
)  # fmt: skip
_in_place(
    "geometric_(Tensor input, float p)", _distribution(generator.geometric), node="GeometricBackward0", exact=True,
)  # fmt: skip
_in_place(
    "cauchy_(Tensor input, float median=0.0, float sigma=1.0)", _distribution(generator.cauchy), node="CauchyBackward0",
)  # fmt: skip
_in_place(
    "log_normal_(Tensor input, float mean=1.0, float std=2.0)", _distribution(generator.log_normal), node="LogNormalBackward0",
)  # fmt: skip
