"""What kernels return, and the tensors that are made of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine import layout
from engine.autograd.modes import _State
from engine.dtypes import dtype
from engine.history import ViewInfo
from engine.tensor import Tensor


@dataclass(frozen=True, slots=True)
class Geometry:
    """What a view shows of its input's storage. Strides and offset count elements of `dtype`."""

    sizes: layout.Shape
    strides: layout.Shape
    offset: int
    dtype: dtype | None = None


@dataclass(slots=True)  # not frozen: one is made for every call, and freezing triples what that costs
class Result:
    """What a kernel computed, where the values alone do not say it all.

    strides: the layout of a fresh result (row-major if None). undefined: elements that torch leaves undefined.
    """

    values: np.ndarray
    strides: layout.Shape | None = None
    undefined: np.ndarray | None = None


def wrap(result: Result) -> Tensor:
    """A fresh tensor that owns a result."""
    tensor = Tensor._fresh(result.values, strides=result.strides)
    if result.undefined is not None and result.undefined.any():
        tensor._mark_undefined(result.undefined)
    return tensor


def make_view(source: Tensor, geometry: Geometry, *, multi_output: bool = False) -> Tensor:
    """A tensor on the same storage with the same version counter, which knows its base."""
    view = Tensor._make(
        source._storage, geometry.offset, geometry.sizes, geometry.strides, geometry.dtype or source.dtype
    )
    view._counter = source._counter
    view._inference = source._inference
    if not source._inference:
        base = source._view.base if source._view is not None else source
        if _State.inference:
            made_in = ViewInfo.INFERENCE
        elif not _State.grad:
            made_in = ViewInfo.NO_GRAD
        elif multi_output:
            made_in = ViewInfo.MULTI_OUTPUT
        else:
            made_in = source._view.made_in if source._view is not None else ViewInfo.DEFAULT
        view._view = ViewInfo(base, made_in, source._counter.value)
    return view
