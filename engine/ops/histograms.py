"""How many elements fall into each of the intervals between edges.

An interval holds its left edge, the last one both. Elements outside, and NaN, are left out.
Sources: https://docs.pytorch.org/docs/stable/generated/torch.histc.html and torch.histogram.html
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import functions as F
from engine.dtypes import BOOL, COMPLEX, FLOATS, HALVES, float32, uint8
from engine.ops.pointwise import not_implemented
from engine.registry import GENERAL, op
from engine.results import Result
from engine.signatures import MISSING, as_number
from engine.tensor import Tensor


def _require_bins(bins: int) -> None:
    if bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")


def _linear(elements: np.ndarray, low: Any, high: Any, bins: int) -> np.ndarray:
    """The interval of each element by its distance from the left end."""
    return np.minimum(
        ((elements - low) / (high - low) * elements.dtype.type(bins)).astype(np.int64), bins - 1
    )


def _histc(input: Tensor, bins: int, min: Any, max: Any) -> np.ndarray:
    _require_bins(bins)
    low, high = (_real(x) for x in (min, max))
    d = input.dtype
    if low == high and input.numel():
        if d.category == COMPLEX:
            raise NotImplementedError(f"\"aminmax_cpu\" not implemented for '{d.legacy}'")
        values = input._array().astype(np.promote_types(d.opmath, np.float64))
        low, high = values.min(), values.max()
    if low == high:
        low, high = low - 1, high + 1
    if d is uint8 and low < 0:
        raise RuntimeError("value cannot be converted to type uint8_t without overflow")
    if not (np.isfinite(low) and np.isfinite(high)):
        raise RuntimeError(f"torch.histc: range of [{low:g}, {high:g}] is not finite")
    if low > high:
        raise RuntimeError("torch.histc: max must be larger than min")
    if d not in FLOATS:
        kernel = "linspace_cpu" if d.category == BOOL else "histogram_cpu"
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{d.legacy}'")
    kind = input._array().dtype
    ends = [np.asarray(x, np.float32 if d in HALVES else kind).astype(kind) for x in (low, high)]
    elements = input._array().reshape(-1)
    elements = elements[(elements >= ends[0]) & (elements <= ends[1])]
    return np.bincount(_linear(elements, ends[0], ends[1], bins), minlength=bins).astype(kind)


def _real(x: Any) -> float:
    if isinstance(x, complex) and x.imag:
        raise RuntimeError("value cannot be converted to type double without overflow")
    return float(x.real)


op(
    "histc(Tensor input, int bins=100, Number min=0, Number max=0)", kind=GENERAL, kernel=_histc, family="reduction",
    forms="function method out", memory="mixes-first", out_grad="ignored",
    out_dtype_error="torch.histogram: input tensor and hist tensor should have the same dtype, but got input {result} and "
    "hist {out}",
)  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- histogram


def _check(input: Tensor, weight: Tensor | None) -> None:
    if weight is None:
        return
    if weight.dtype is not input.dtype:
        raise RuntimeError(
            "torch.histogramdd: if weight tensor is provided, input tensor and weight tensor should have the same dtype, but "
            f"got input({input.dtype.legacy}), and weight({weight.dtype.legacy})"
        )
    if weight._sizes != input._sizes:
        raise RuntimeError(
            "torch.histogramdd: if weight tensor is provided it should have the same shape as the input tensor excluding its "
            f"innermost dimension, but got input with shape {[input.numel(), 1]} and weight with shape {[weight.numel()]}"
        )


def _counted(
    input: Tensor, edges: np.ndarray, evenly: bool, weight: Tensor | None, density: bool
) -> tuple[Result, Result]:
    if input.dtype not in FLOATS:
        raise NotImplementedError(f"\"histogramdd\" not implemented for '{input.dtype.legacy}'")
    elements, bins = input._array().reshape(-1), len(edges) - 1
    inside = (elements >= edges[0]) & (elements <= edges[-1])
    elements = elements[inside]
    if evenly:  # the quotient may be one off, which the edges set right
        near = _linear(elements, edges[0], edges[-1], bins)
        near = near - (elements < edges[near])
        places = near + (elements >= edges[near + 1])
    else:
        places = np.searchsorted(edges, elements, side="right") - 1
    places = np.clip(places, 0, bins - 1)
    terms = np.ones_like(elements) if weight is None else weight._array().reshape(-1)[inside]
    hist = np.zeros(bins, elements.dtype)
    np.add.at(hist, places, terms)
    if density:
        hist = hist / hist.sum(dtype=hist.dtype) / np.diff(edges)
    return Result(hist), Result(edges.copy())


def _histogram_of_edges(
    input: Tensor, bins: Tensor, weight: Tensor | None, density: bool
) -> tuple[Result, Result]:
    if bins.dtype is not input.dtype:
        raise RuntimeError(
            "torch.histogramdd: input tensor and bins tensors should have the same dtype, but got input with dtype "
            f"{input.dtype.legacy} and bins for dimension 0 with dtype {bins.dtype.legacy}"
        )
    if bins.dim() != 1:
        raise RuntimeError(
            f"torch.histogramdd: bins tensor should have one dimension, but got {bins.dim()} dimensions in the bins tensor for "
            "dimension 0"
        )
    if not bins.numel():
        raise RuntimeError(
            "torch.histogramdd: bins tensor should have at least 1 element, but got 0 elements in the bins tensor for "
            "dimension 0"
        )
    _require_bins(bins.numel() - 1)
    _check(input, weight)
    return _counted(input, bins._array(), False, weight, density)


def _histogram(
    input: Tensor, bins: int, range: Any, weight: Tensor | None, density: bool
) -> tuple[Result, Result]:
    if range is not None:
        given: list[Any] = [as_number(x) for x in range] if isinstance(range, (list, tuple)) else [MISSING]
        if any(x is MISSING or isinstance(x, complex) for x in given):
            raise TypeError(
                f"histogram(): argument 'range' must be tuple of floats, not {type(range).__name__}"
            )
        range = [float(x) for x in given]
    _require_bins(bins)
    _check(input, weight)
    low, high = _outermost(input, range)
    edges = F.linspace(low, high, bins + 1, dtype=input.dtype if input.dtype in FLOATS else float32)
    return _counted(input, edges._array(), True, weight, density)


def _outermost(input: Tensor, range: list[float] | None) -> tuple[float, float]:
    if range is not None:
        if len(range) != 2:
            raise RuntimeError(
                f"torch.histogramdd: for a 1-dimensional histogram range should have 2 elements, but got {len(range)}"
            )
        low, high = range
    elif input.numel():
        if input.dtype not in FLOATS or input.dtype in HALVES:
            raise NotImplementedError(f"\"histogramdd\" not implemented for '{input.dtype.legacy}'")
        low, high = float(input._array().min()), float(input._array().max())
    else:
        low, high = 0.0, 1.0
    if not (np.isfinite(low) and np.isfinite(high)):
        raise RuntimeError(f"torch.histogramdd: dimension 0's range [{low:g}, {high:g}] is not finite")
    if low > high:
        raise RuntimeError(
            f"torch.histogramdd: min should not exceed max, but got min {low:g} max {high:g} for dimension 0"
        )
    return (low - 0.5, high + 0.5) if low == high else (low, high)


for _bins, _kernel, _inputs in (
    ("Tensor bins", _histogram_of_edges, ("input", "bins", "weight")),
    ("int bins=100, *, object range=None", _histogram, ("input", "weight")),
):
    _star = "" if "*" in _bins else ", *"
    op(
        f"histogram(Tensor input, {_bins}{_star}, Tensor? weight=None, bool density=False) -> (hist, bin_edges)", kind=GENERAL,
        kernel=_kernel, family="reduction", forms="function method out", memory="mixes-first mixes-others",
        derivatives=not_implemented("histogram", *_inputs), node="NotImplemented",
        out_dtype_error="torch.histogram: input tensor and hist tensor should have the same dtype, but got input {result} "
        "and hist {out}",
    )  # fmt: skip
