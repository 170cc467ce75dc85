"""Draws from distributions whose parameters are tensors: normal, bernoulli, multinomial.

Source: https://docs.pytorch.org/docs/stable/torch.html#random-sampling
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from engine import dtypes, generator, layout
from engine import functions as F
from engine.autograd.modes import is_grad_enabled
from engine.ops.creation import blank
from engine.ops.pointwise import not_implemented
from engine.ops.random_factories import factory
from engine.ops.random_fills import FLAT, GENERATOR, bernoulli_number, bernoulli_tensor, normal
from engine.ops.random_outputs import INTO, resized, write_filled
from engine.random import stream_of
from engine.registry import GENERAL, op
from engine.results import Result, result_of
from engine.tensor import Tensor
from engine.writes import bump_version, resize_output, write

# ------------------------------------------------------------------------------------ distributions of tensor parameters


def _check_std(std: Tensor) -> None:
    if std.dtype.is_complex:
        raise RuntimeError("normal expects standard deviation to be non-complex")
    if not (std._array() >= 0).all():
        raise RuntimeError("normal expects all elements of std >= 0.0")


def _scaled_into(out: Tensor, mean: Any, std: Tensor, source: Any) -> None:
    """Standard normal values, rounded to the destination's dtype, times `std`, plus `mean`: one write of `out`."""
    steps: Any = out.data
    write(steps, normal(steps, 0.0, 1.0, source))
    steps.mul_(std.detach()).add_(mean.detach() if isinstance(mean, Tensor) else mean)
    bump_version(out)


def _normal_tensors_into(out: Tensor, mean: Tensor, std: Tensor, source: Any) -> None:
    _check_std(std)
    resize_output(out, layout.broadcast_two(mean._sizes, std._sizes))
    _scaled_into(out, mean, std, source)


def _normal_mean_into(out: Tensor, mean: Tensor, std: float, source: Any) -> None:
    _check_number_std(std)  # alone among its overloads, this one draws as many numbers as `out` has elements
    steps: Any = out.data
    write(steps, normal(steps, 0.0, std, source))
    F.add(steps, mean.detach(), out=out)


def _check_number_std(std: float) -> None:
    if not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {float(std):g}")


def _normal_std_into(out: Tensor, mean: float, std: Tensor, source: Any) -> None:
    _check_std(std)
    resize_output(out, std._sizes)
    if out.numel():
        _scaled_into(out, mean, std, source)


def _made(into: Callable[..., None], of: int) -> Callable[..., Result]:
    """The kernel that fills a fresh row-major tensor of the dtype of parameter `of`."""

    def kernel(mean: Any, std: Any, source: Any) -> Result:
        tensors = [t for t in (mean, std) if isinstance(t, Tensor)]
        if is_grad_enabled() and (mean, std)[of].dtype.is_complex and any(t.requires_grad for t in tensors):
            raise RuntimeError(
                "normal does not support automatic differentiation for outputs with complex dtype."
            )
        out = blank(layout.common_shape(tensors), (mean, std)[of].dtype)
        into(out, mean, std, source)
        return result_of(out)

    return kernel


_MEAN_FLAT = {"mean": lambda grad, mean_sizes: grad.new_zeros(mean_sizes)}
_STD_FLAT = {"std": lambda grad, std_sizes: grad.new_zeros(std_sizes)}
for _text, _into, _of, _node, _derivatives in (
    ("Tensor mean, Tensor std", _normal_tensors_into, 0, "NormalBackward3", _MEAN_FLAT | _STD_FLAT),
    ("Tensor mean, float std=1.0", _normal_mean_into, 0, "NormalBackward1", _MEAN_FLAT),
    ("float mean, Tensor std", _normal_std_into, 1, "NormalBackward2", _STD_FLAT),
):
    INTO[
        op(
            f"normal({_text}, {GENERATOR})", kind=GENERAL, kernel=_made(_into, _of), family="random", forms="function out",
            node=_node, derivatives=_derivatives,
        )
    ] = _into  # fmt: skip
factory("normal(float mean, float std, int[] size)", normal, dtypes.get_default_dtype, exact=False)


def _bernoulli(input: Tensor, source: Any) -> Result:
    return bernoulli_tensor(blank(input._sizes, input.dtype), input, source)


def _bernoulli_into(out: Tensor, input: Tensor, source: Any) -> None:
    resized(out, input._sizes)
    write_filled(out, bernoulli_tensor(out, input, source))


def _bernoulli_like(input: Tensor, p: float, source: Any) -> Result:
    return bernoulli_number(blank(input._sizes, input.dtype), p, source)


INTO[
    op(
        f"bernoulli(Tensor input, {GENERATOR})", kind=GENERAL, kernel=_bernoulli, family="random",
        forms="function method out", exact=True, derivatives=FLAT,
    )
] = _bernoulli_into  # fmt: skip
op(
    f"bernoulli(Tensor input, float p, {GENERATOR})", kind=GENERAL, kernel=_bernoulli_like, family="random", exact=True,
    node="NotImplemented", derivatives=not_implemented("bernoulli", "input"),
)  # fmt: skip


def _multinomial(input: Tensor, num_samples: int, replacement: bool, source: Any) -> Result:
    stream, weights = stream_of(source), input._array().astype(input.dtype.nominal, copy=False)
    before = stream.clone()
    drawn = generator.multinomial(stream, weights, num_samples, replacement)
    if replacement and num_samples > 1:
        return Result(drawn)
    return Result(drawn, None, _tied(before, weights, drawn))


def _tied(stream: Any, weights: np.ndarray, drawn: np.ndarray) -> np.ndarray | None:
    """Which samples were a choice among equal quotients, that torch leaves to its sorting."""
    divisors = generator.exponential(stream, weights.size, weights.dtype.name).reshape(weights.shape)
    wide = np.float64 if weights.dtype == np.float64 else np.float32
    with np.errstate(all="ignore"):
        quotients = (weights.astype(wide) / divisors.astype(wide)).astype(weights.dtype).astype(wide)
    ranked = -np.sort(-quotients, axis=-1)
    same = ranked[..., 1:] == ranked[..., :-1]
    edge = np.zeros((*ranked.shape[:-1], 1), np.bool_)
    tied = (
        np.concatenate([edge, same], -1)
        | np.concatenate([same, edge], -1)
        | np.isnan(quotients).any(-1, keepdims=True)
    )
    tied = tied[..., : drawn.shape[-1]]
    return tied if tied.any() else None


def _multinomial_into(out: Tensor, input: Tensor, num_samples: int, replacement: bool, source: Any) -> None:
    if out.dtype is not dtypes.int64:
        raise RuntimeError(f"multinomial expects Long tensor out, got: {out.dtype.legacy}")
    result = _multinomial(input, num_samples, replacement, source)
    resized(out, result.values.shape)
    write_filled(out, result)


INTO[
    op(
        f"multinomial(Tensor input, int num_samples, bool replacement=False, {GENERATOR})", kind=GENERAL,
        kernel=_multinomial, family="random", forms="function method out", exact=True,
    )
] = _multinomial_into  # fmt: skip
