"""How often elements occur, and each of them once.

Sources: https://docs.pytorch.org/docs/stable/generated/torch.bincount.html, torch.unique.html,
torch.unique_consecutive.html
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes, layout
from engine import functions as F
from engine.ops.pointwise import not_implemented
from engine.ops.reducing import working
from engine.registry import COMPOSITE, GENERAL, camel, op
from engine.results import Result
from engine.tensor import Tensor

_FAMILY = "reduction"


def _bincount(input: Tensor, weights: Tensor | None, minlength: int) -> Any:
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    if input.dtype not in dtypes.INTEGERS:
        raise NotImplementedError(f"\"bincount_cpu\" not implemented for '{input.dtype.legacy}'")
    values = input._array().astype(np.int64)
    if len(input._sizes) == 1 and not values.size:
        return np.zeros(minlength, np.int64)
    if len(input._sizes) != 1 or values.min() < 0:
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if weights is None:
        return np.bincount(values, minlength=minlength).astype(np.int64)
    if weights._sizes != input._sizes:
        raise RuntimeError("weights should be 1-d and have the same length as input")
    added = dtypes.float32 if weights.dtype is dtypes.float32 else dtypes.float64
    total = np.zeros(max(int(values.max()) + 1, minlength), added.numpy)
    np.add.at(total, values, weights._array().astype(total.dtype))
    return Result(total, dtype=added)


op(
    "bincount(Tensor input, Tensor? weights=None, int minlength=0)", kind=GENERAL, kernel=_bincount, family=_FAMILY,
    node="NotImplemented", derivatives=not_implemented("bincount", "input", "weights"),
)  # fmt: skip


# --------------------------------------------------------------------------------------------------------------- unique


def _unique(input: Tensor, consecutive: bool) -> tuple[Result, ...]:
    if input.dtype.is_complex:
        raise NotImplementedError(f"\"unique\" not implemented for '{input.dtype.legacy}'")
    rows = working(input).reshape(-1, 1)
    kept, inverse, counts = _distinct(rows, consecutive)
    return (
        Result(rows[kept, 0].astype(input.dtype.numpy)),
        Result(inverse.reshape(input._sizes)),
        Result(counts),
    )


def _unique_slices(input: Tensor, dim: int, consecutive: bool) -> tuple[Result, ...]:
    if input.dtype.is_complex:
        word = "unique" if consecutive and len(input._sizes) == 1 else "unique_dim"
        raise NotImplementedError(f"\"{word}\" not implemented for '{input.dtype.legacy}'")
    axis = layout.wrap_dim(dim, len(input._sizes), scalar=False)
    if any(n == 0 and i != axis for i, n in enumerate(input._sizes)):
        raise RuntimeError(
            "There are 0 sized dimensions, and they aren't selected, so unique cannot be applied"
        )
    moved = np.moveaxis(working(input), axis, 0)
    rows = moved.reshape(len(moved), -1) if moved.size else moved.reshape(0, 1)
    kept, inverse, counts = _distinct(rows, consecutive)
    slices = moved[kept].astype(input.dtype.numpy)
    strides = list(layout.contiguous_strides(slices.shape))  # the slices lie one behind the other
    strides.insert(axis, strides.pop(0))
    # A slice with NaN equals nothing and comes before nothing: where such slices go is left open.
    lost = not consecutive and rows.dtype.kind == "f" and bool(np.isnan(rows).any())
    values = Result(np.moveaxis(slices, 0, axis), tuple(strides))
    made = (values, Result(inverse), Result(counts))
    for r in made if lost else ():
        r.undefined = np.ones(r.values.shape, np.bool_)
    return made


def _distinct(rows: np.ndarray, consecutive: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which rows to keep (in order), where each row went, and how many went there."""
    order = np.arange(len(rows)) if consecutive else np.lexsort(rows.T[::-1])
    starts = np.ones(len(rows), np.bool_)
    starts[1:] = (rows[order[1:]] != rows[order[:-1]]).any(-1)
    firsts = np.flatnonzero(starts)
    inverse = np.empty(len(rows), np.int64)
    inverse[order] = np.cumsum(starts) - 1
    return order[firsts], inverse, np.diff(np.append(firsts, len(rows))).astype(np.int64)


def _no_slope(name: str) -> Any:
    def refuse(grad: Any) -> Any:
        raise NotImplementedError(f"the derivative for '{name}' is not implemented.")

    return refuse


for _name, _parameters, _kernel in (
    ("_unique2", "", lambda input: _unique(input, False)),
    ("unique_dim", ", int dim", lambda input, dim: _unique_slices(input, dim, False)),
    ("_unique_run", "", lambda input: _unique(input, True)),
    ("_unique_run_dim", ", int dim", lambda input, dim: _unique_slices(input, dim, True)),
):
    _public = "unique_consecutive" if "run" in _name else _name
    op(
        f"{_name}(Tensor input{_parameters}) -> (values, inverse, counts)",
        kind=GENERAL, kernel=_kernel, family="comparison", forms="function", exact=True,
        node=camel(_public) + "Backward0", derivatives={"input": _no_slope(_public)},
    )  # fmt: skip


def _unique_form(full: str, along: str) -> Any:
    def kernel(input: Tensor, return_inverse: bool, return_counts: bool, dim: int | None) -> Any:
        """Each element (or slice along `dim`) once; with the places of the input's among them, how often each occurs."""
        values, inverse, counts = getattr(F, full)(input) if dim is None else getattr(F, along)(input, dim)
        extra = [t for t, wanted in ((inverse, return_inverse), (counts, return_counts)) if wanted]
        return (values, *extra) if extra else values

    return kernel


_unique_of = _unique_form("_unique2", "unique_dim")
op(
    "unique(Tensor input, bool sorted=True, bool return_inverse=False, bool return_counts=False, int? dim=None)",
    kind=COMPOSITE, family="comparison", exact=True,
    kernel=lambda input, sorted, inverse, counts, dim: _unique_of(input, inverse, counts, dim),
)  # fmt: skip
op(
    "unique_consecutive(Tensor input, bool return_inverse=False, bool return_counts=False, int? dim=None)",
    kind=COMPOSITE, kernel=_unique_form("_unique_run", "_unique_run_dim"), family="comparison", exact=True,
)  # fmt: skip
