"""Twelve faults, each planted in a copy of the engine.

python -m conformance run --candidate conformance.meta_tests.planted_faults:wrong_derivative
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from conformance.meta_tests.planting import Change, Fault, everywhere, registering

FAULTS: dict[str, Fault] = {}
fault = registering(FAULTS)


@fault
def wrong_derivative(engine: Any) -> Iterator[Change]:
    """The derivative of `exp` is twice what it should be."""
    (exp,) = engine.registry.OPS["exp"]
    ((inputs, formula, wants),) = exp.formulas
    yield exp, "formulas", [(inputs, lambda *known: formula(*known) * 2, wants)]


@fault
def missing_version_bump(engine: Any) -> Iterator[Change]:
    """What `mul_` and `*=` write is not counted."""
    run_inplace, bump = engine.call._run_inplace, engine.call.bump_version
    uncounted = []

    def run(op: Any, values: list[Any], tensors: list[Any], node: Any) -> Any:
        uncounted.append(op.name == "mul")
        try:
            return run_inplace(op, values, tensors, node)
        finally:
            uncounted.pop()

    def count(target: Any, *operands: Any) -> None:
        if not (uncounted and uncounted[-1]):
            bump(target, *operands)

    yield engine.call, "_run_inplace", run
    yield engine.call, "bump_version", count


@fault
def view_that_copies(engine: Any) -> Iterator[Change]:
    """`transpose` gives memory of its own."""
    run_view = engine.call._run_view

    def copying(op: Any, values: list[Any], node: Any) -> Any:
        view = run_view(op, values, node)
        if op.name != "transpose":
            return view
        view._storage = engine.storage.Storage(view._storage.buffer.copy())
        view._counter = (
            None if view._counter is None else engine.storage.VersionCounter()
        )  # None: inference mode
        view._view = None
        return view

    yield engine.call, "_run_view", copying


@fault
def wrong_promotion(engine: Any) -> Iterator[Change]:
    """What a tensor of integers is divided by integers into is of float64, as in NumPy."""
    for div in engine.registry.OPS["div"]:

        def as_numpy(operands: list[Any], old: Any = div.rule) -> Any:
            compute, result = old(operands)
            tensors = [one for one in operands if isinstance(one, engine.Tensor)]
            whole = operands[0] is tensors[0] and not any(one.is_floating_point() for one in tensors)
            if whole and result is engine.float32 and not any(isinstance(one, float) for one in operands):
                return engine.float64, engine.float64
            return compute, result

        yield div, "rule", as_numpy


@fault
def leaf_flag(engine: Any) -> Iterator[Change]:
    """Only what requires grad counts as a leaf."""
    yield engine.Tensor, "is_leaf", property(lambda self: self.grad_fn is None and self.requires_grad)


@fault
def lost_accumulation(engine: Any) -> Iterator[Change]:
    """A second gradient takes the place of the first."""
    node, modes = engine.autograd.node.AccumulateGrad, engine.autograd.modes._State
    old = node.accumulate

    def overwrite(self: Any, grad: Any, *, owned: bool) -> None:
        first = self.variable._grad
        if first is None:
            return old(self, grad, owned=owned)
        if modes.grad:  # the sum is a new tensor then
            self.variable._grad = engine.zeros_like(first)
            return old(self, grad, owned=owned)
        before = first._array().copy()
        first._array()[...] = 0
        try:
            return old(self, grad, owned=owned)
        except Exception:
            first._array()[...] = before
            raise

    yield node, "accumulate", overwrite


@fault
def unfreed_graph(engine: Any) -> Iterator[Change]:
    """What was saved for backward stays after it."""
    yield engine.nodes.OpNode, "release", lambda self: None


@fault
def wrong_error_type(engine: Any) -> Iterator[Change]:
    """A dimension out of range is a ValueError."""
    old = engine.layout.wrap_dim

    def wrap_dim(*given: Any, **more: Any) -> int:
        try:
            return old(*given, **more)
        except IndexError as error:
            raise ValueError(str(error)) from None

    yield from everywhere(engine, "wrap_dim", old, wrap_dim)


@fault
def swapped_stride(engine: Any) -> Iterator[Change]:
    """The two innermost dimensions of an elementwise result change places where it is not row-major."""
    layout = engine.layout
    old = layout.pointwise_strides

    def swapped(operands: Any, shape: Any) -> Any:
        strides = old(operands, shape)
        if len(shape) < 2 or layout.is_contiguous(shape, strides):
            return strides
        order = sorted(range(len(shape)), key=lambda dim: (strides[dim], -dim))
        order[0], order[1] = order[1], order[0]
        return layout._strides_in_order(shape, order)

    yield from everywhere(engine, "pointwise_strides", old, swapped)


@fault
def in_place_without_broadcasting(engine: Any) -> Iterator[Change]:
    """In-place elementwise operations want operands of the same shape."""
    old = engine.call._run_inplace

    def strict(op: Any, values: list[Any], tensors: list[Any], node: Any) -> Any:
        if op.kind == engine.registry.POINTWISE and any(t.shape != values[0].shape for t in tensors):
            engine.writes.check_memory(op.memory, values[0], [], tensors[1:])
            shape = engine.layout.common_shape(tensors)
            engine.writes.require_shape(values[0], shape)  # what else is wrong comes first
            engine.compute.compute_results(op, values, tensors, values[0])
            raise RuntimeError("operands of an in-place operation must have the same shape")
        return old(op, values, tensors, node)

    yield engine.call, "_run_inplace", strict


@fault
def nan_lost_in_max(engine: Any) -> Iterator[Change]:
    """`max` passes over NaN, of all elements and along a dimension."""
    for record in engine.registry.OPS["max"]:
        if record.kind != engine.registry.GENERAL:
            continue

        def kernel(input: Any, *rest: Any, old: Any = record.kernel) -> Any:
            array = input._array()
            if array.dtype.kind != "f" or not np.isnan(array).any():
                return old(input, *rest)
            return old(
                engine.tensor.fresh(np.where(np.isnan(array), -np.inf, array).astype(array.dtype)), *rest
            )

        yield record, "kernel", kernel


@fault
def data_that_counts_writes(engine: Any) -> Iterator[Change]:
    """`.data` shares the version counter of what it is taken from."""
    old = vars(engine.Tensor)["data"]
    yield engine.Tensor, "data", property(lambda self: self._alias(), old.fset)


# Found as `module:object`.
globals().update(FAULTS)
