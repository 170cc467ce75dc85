"""What kernels return, and the tensors that are made of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine import functions, layout
from engine.autograd.modes import _State
from engine.dtypes import dtype
from engine.history import Steps, ViewInfo
from engine.tensor import Tensor, fresh, over


@dataclass(slots=True)  # not frozen: one is made for every call, and freezing triples what that costs
class Geometry:
    """What a view shows of its input's storage. Strides and offset count elements of `dtype`."""

    sizes: layout.Shape
    strides: layout.Shape
    offset: int
    dtype: dtype | None = None


@dataclass(slots=True)
class Result:
    """What a kernel computed, where the values alone do not say it all.

    strides: the layout of a fresh result (row-major if None). undefined: elements that torch leaves undefined.
    whole: a fresh tensor that holds the values already, where they lie within more memory. dtype: that of the elements, where
    it is not the only one that is held in such arrays. narrow: computed in no more precision than that.
    """

    values: np.ndarray
    strides: layout.Shape | None = None
    undefined: np.ndarray | None = None
    whole: Tensor | None = None
    dtype: dtype | None = None
    narrow: bool = False


def result_of(tensor: Tensor, strides: layout.Shape | None = None) -> Result:
    """What a tensor holds, as the result of an operation that was computed by others."""
    narrow = not tensor._storage.accurate
    return Result(tensor._array(), strides, tensor._undefined_mask(), None, tensor.dtype, narrow)


def wrap(result: Result) -> Tensor:
    """A fresh tensor that owns a result."""
    tensor = fresh(result.values, result.dtype, result.strides) if result.whole is None else result.whole
    if result.narrow:
        tensor._storage.accurate = False
    if result.undefined is not None and result.undefined.any():
        tensor._mark_undefined(result.undefined)
    return tensor


def make_view(source: Tensor, geometry: Geometry, *, multi_output: bool = False) -> Tensor:
    """A tensor on the same storage with the same version counter, which knows its base."""
    view = over(
        source._storage, geometry.offset, geometry.sizes, geometry.strides, geometry.dtype or source.dtype
    )
    view._counter = None if source._inference else source._counter
    view._inference = source._inference
    if not source._inference:
        base = source._view.base if source._view is not None else source
        before = source._view.made_in if source._view is not None else ViewInfo.DEFAULT
        if _State.inference or before == ViewInfo.INFERENCE:
            made_in = ViewInfo.INFERENCE
        elif not _State.grad:
            made_in = ViewInfo.NO_GRAD
        elif multi_output:
            made_in = ViewInfo.MULTI_OUTPUT
        else:
            made_in = before
        view._view = ViewInfo(base, made_in, source._version)
        parent = source._view.steps if source._view is not None else None
        if parent is not None or view.dtype.is_complex is not source.dtype.is_complex:
            view._view.steps = _steps(source, view, parent)
    return view


def _steps(source: Tensor, view: Tensor, before: Steps | None) -> Steps | None:
    """How a view is made from its base, where `as_strided` alone does not make it (`ViewInfo.steps`)."""
    if view.dtype.is_complex is source.dtype.is_complex:
        step = _strided(view)
    elif len(view._sizes) != len(source._sizes):
        step = functions.view_as_complex if view.dtype.is_complex else functions.view_as_real
    elif before is None:
        return None  # torch takes what `view(dtype)` makes for a view of the same elements
    else:
        wanted = view.dtype
        step = lambda t: t.view(wanted)  # noqa: E731
    if before is None:
        before = () if source._view is None else (_strided(source),)
    return (*before, step)


def _strided(shown: Tensor) -> Callable[[Tensor], Tensor]:
    """The step that shows another tensor's memory as `shown` shows its own."""
    sizes, strides, offset = shown._layout
    return lambda t: functions.as_strided(t, sizes, strides, offset)
