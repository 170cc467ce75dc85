"""The one path that every call of an operation takes.

bind the arguments (`publishing`) -> check what an in-place or `out=` form asks (`writes`) -> save for backward (`nodes`)
-> run the kernel (`compute`) -> wrap (`results`) or write the result -> record the node. A rule that holds for all
operations (leaf checks, version bumps, grad mode, memory overlap, undefined elements) stands once, here or there.
"""

from __future__ import annotations

import itertools
from typing import Any

from engine import dtypes, layout
from engine.autograd.modes import _State
from engine.autograd.node import Node, UnknownDerivative
from engine.compute import compute_mutation, compute_results
from engine.nodes import OpNode
from engine.registry import COMPOSITE, GENERAL, MUTATION, POINTWISE, VIEW, Op, compare
from engine.results import Result, make_view, result_of, wrap
from engine.silence import SILENT
from engine.tensor import Tensor, needs_grad
from engine.writes import (
    LOST_GRADIENT,
    bump_version,
    check_inplace,
    check_memory,
    depending_on_order,
    read_while_written,
    rebase_history,
    refuse_lost_gradient,
    require_out_dtype,
    require_shape,
    resize_output,
    warn_of_resize,
    write,
    write_result,
)


def run(op: Op, values: list[Any], inplace: bool = False, out: Any = None) -> Any:
    """Run a bound call in one of its forms."""
    kind = op.kind
    if _State.forward is not None:
        return _State.forward.run(op, values, inplace, out)
    if out is not None:
        return _run_into(op, values, out)
    if kind == COMPOSITE and not inplace:
        return op.kernel(*values)
    tensors = _tensors(op, values)
    recorded = (
        _State.grad
        and not _State.inference
        and any(map(needs_grad, tensors))
        and _is_seen(op, values, tensors)
    )
    if inplace:
        check_inplace(values[0], recorded and bool(op.derivatives))
        if kind == COMPOSITE:
            return op.kernel(*values)
    elif kind == MUTATION:
        raise AssertionError(f"{op.name} is in-place only")
    if op.check is not None:
        op.check(values)
    node = None
    if op.rule is compare and not inplace:
        recorded = False
    if recorded and _has_slope(op, values):
        node = op.node_class(values, inplace)
    if kind == VIEW:
        return _run_inplace_view(op, values, node) if inplace else _run_view(op, values, node)
    if inplace:
        return SILENT.copy().run(_run_inplace, op, values, tensors, node)
    results = SILENT.copy().run(compute_results, op, values, tensors)
    if node is None and len(results) == 1:
        return wrap(results[0])
    made = tuple(map(wrap, results))
    if node is not None:
        for t in made:
            if t.dtype.category >= dtypes.FLOAT:
                node.add_output(t)
            elif kind == GENERAL and len(made) == 1 and not op.casts:
                raise RuntimeError(f"Autograd not support dtype: {t.dtype.legacy}")
            else:
                node._input_metadata.append((t._sizes, t.dtype))
        node.save_outputs(made)
    return _package(op, made)


def _tensors(op: Op, values: list[Any]) -> list[Tensor]:
    found: list[Tensor] = []
    for i in op.tensor_positions:
        value = values[i]
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, list):
            found.extend(value)
    return found


def _is_seen(op: Op, values: list[Any], tensors: list[Tensor]) -> bool:
    """Whether autograd sees a call: inference tensors alone are never recorded, even where one was told to require grad.

    A number is no such tensor.
    """
    for t in tensors:
        if not t._inference:
            return True
    if any(not isinstance(values[i], Tensor) for i in op.wrapped_numbers):
        return True
    indices = [t for value in values if isinstance(value, list) for t in value if isinstance(t, Tensor)]
    return any(not t._inference for t in indices)


def _has_slope(op: Op, values: list[Any]) -> bool:
    """Whether an operand that an operation can be differentiated by requires grad."""
    for _, position in op.differentiable:
        value = values[position]
        if isinstance(value, Tensor):
            if needs_grad(value):
                return True
        elif isinstance(value, list) and any(map(needs_grad, value)):
            return True
    return False


def _package(op: Op, made: tuple[Tensor, ...], suffix: str = "") -> Any:
    names = op.signature.outputs
    if len(names) > 1:
        from engine.return_types import named_tuple

        return named_tuple(op.name + suffix, names)(made)
    return made[0]


# --------------------------------------------------------------------------------------------------------------- views


def _run_view(op: Op, values: list[Any], node: OpNode | None) -> Any:
    source = values[0]
    got = op.kernel(*values)
    if isinstance(got, list):
        made = tuple(make_view(source, g, multi_output=True) for g in got)
    else:
        made = (make_view(source, got),)
    if node is not None:
        for t in made:
            if t.dtype.category < dtypes.FLOAT:
                raise RuntimeError(f"Autograd not support dtype: {t.dtype.legacy}")
            node.add_output(t)
        node.save_outputs(made)
    return made if isinstance(got, list) else made[0]


def _run_inplace_view(op: Op, values: list[Any], node: OpNode | None) -> Tensor:
    """A tensor takes another geometry: a write for the version, but history for this tensor alone, not for its base."""
    target = values[0]
    geometry = op.kernel(*values)
    target._sizes, target._strides, target._offset = geometry.sizes, geometry.strides, geometry.offset
    bump_version(target)
    if node is not None:
        node.add_output(target)
        if target._view is not None:
            target._view.version = target._version
    return target


def _run_inplace(op: Op, values: list[Any], tensors: list[Tensor], node: OpNode | None) -> Tensor:
    target, others = values[0], tensors[1:]
    _check_dim(op, values)
    check_memory(op.memory, target, (), others)
    if op.kind == MUTATION:
        result = compute_mutation(op, values, tensors)
        if result is not None:
            write(target, depending_on_order(op.memory, result, target, (), others))
    else:
        if op.kind == POINTWISE:
            require_shape(target, layout.common_shape(tensors))
        read = read_while_written(op, values, tensors, target, True)
        result = compute_results(op, *read, target)[0]
        require_shape(target, result.values.shape)
        write(target, depending_on_order(op.memory, result, target, (), others))
    bump_version(target, tensors)
    if node is not None and target.dtype.category >= dtypes.FLOAT:
        rebase_history(target, node)
        node.save_outputs([target])
    return target


def _check_dim(op: Op, values: list[Any]) -> None:
    """Raise IndexError for a dimension that the operand does not have, which torch looks at before the memory."""
    if op.dim_position is None:
        return
    dim = values[op.dim_position]
    if dim is not None and isinstance(values[0], Tensor) and "warns" not in op.memory:
        layout.wrap_dim(dim, len(values[0]._sizes))


def _run_into(op: Op, values: list[Any], out: Any) -> Any:
    """The `out=` form."""
    tensors = _tensors(op, values)
    outs = list(out) if isinstance(out, (tuple, list)) else [out]
    node: Node | None = None
    if op.out_grad == "unknown":
        _refuse_leaves(op, outs)
        if _State.grad and any(map(needs_grad, (*tensors, *outs))):
            differentiated = list(filter(needs_grad, [*tensors, *outs]))
            node = UnknownDerivative(f"aten::{op.refuses_as}", differentiated)
    elif op.kind != COMPOSITE or op.before_out is not None:  # such composites are single operations in torch
        sloped = op.kind == COMPOSITE or (
            op.derivatives and any(d.category >= dtypes.FLOAT for d in op.accepts)
        )
        if _is_seen(op, values, [*tensors, *outs]):
            refuse_grad_with_out(op, [*tensors, *outs] if sloped else outs)
    if op.check is not None:
        op.check(values)
    if op.kind == COMPOSITE and op.before_out is not None:
        op.before_out(values, outs)
    written = NotImplemented if op.out_form is None else op.out_form(*values, out)
    if written is not NotImplemented:
        return written
    made = (_run_composite_out if op.kind == COMPOSITE else _run_out)(op, values, tensors, out)
    if node is not None:
        for t in made if isinstance(made, tuple) else (made,):
            rebase_history(t, node)
    return made


def refuse_grad_with_out(op: Op, tensors: list[Tensor]) -> None:
    """Raise RuntimeError for operands and results that require grad, where the operation has no history with `out=`."""
    if op.out_grad == "refused":
        refuse_lost_gradient(op.refuses_as, tensors)


def _refuse_leaves(op: Op, outs: list[Tensor]) -> None:
    bases = [t if t._view is None else t._view.base for t in outs if t.requires_grad]
    if _State.grad and any(base.is_leaf for base in bases):
        raise RuntimeError(f"aten::{op.refuses_as}{LOST_GRADIENT}")


def _run_out(op: Op, values: list[Any], tensors: list[Tensor], out: Any) -> Any:
    outs = list(out) if isinstance(out, (tuple, list)) else [out]
    _check_dim(op, values)
    for t in outs:
        check_inplace(t, False)
        check_memory(op.memory, t, tensors[:1], tensors[1:])
        if op.kind == POINTWISE and any(operand is t for operand in tensors):  # which is not resized then
            require_shape(t, layout.common_shape(tensors))
    if op.before_out is not None:
        op.before_out(values, outs)
    read = read_while_written(op, values, tensors, outs[0], False)
    results = SILENT.copy().run(compute_results, op, *read, outs[0])
    if len(results) != len(outs):
        raise TypeError(f"{op.name}(): argument 'out' must be a tuple of {len(results)} Tensors")
    for t, result in zip(outs, results, strict=True):
        if op.kind != POINTWISE:
            require_out_dtype(op, result.dtype or dtypes.BY_NUMPY[result.values.dtype], t)
        if t._sizes != result.values.shape and _is_cast_into(op, values, result, t):
            warn_of_resize(t, result.values.shape)  # torch resizes before it casts and again after it
        write_result(t, result, op.memory, tensors[:1], tensors[1:])
    if any(
        layout.overlaps(a, b) for a, b in itertools.combinations(outs, 2)
    ):  # which is written last is left open
        for t in outs:
            t._mark_undefined(True)
    return _package(op, tuple(outs), "_out") if len(op.signature.outputs) > 1 else outs[0]


def _is_cast_into(op: Op, values: list[Any], result: Result, target: Tensor) -> bool:
    """Whether an elementwise result is made in another dtype than that of `out`, which for comparisons is the operands'."""
    if op.kind != POINTWISE or result.dtype is target.dtype or op.name.startswith("logical_"):
        return False
    if op.rule is not compare:
        return True
    return compare([values[i] for i in op.tensor_positions])[0] is not target.dtype


def _run_composite_out(op: Op, values: list[Any], tensors: list[Tensor], out: Any) -> Any:
    """The result of a composite is written into the given tensors."""
    result = op.kernel(*values)
    pairs = list(zip(out, result, strict=True)) if isinstance(result, tuple) else [(out, result)]
    refuse_grad_with_out(op, [t for pair in pairs for t in pair])
    for target, value in pairs:
        if op.out_grad == "copied":
            require_out_dtype(op, value.dtype, target)
            resize_output(target, value._sizes)
            target.copy_(value)
            continue
        check_memory(op.memory, target, tensors[:1], tensors[1:])
        require_out_dtype(op, value.dtype, target)
        # Products allocate `out` themselves; elementwise steps leave that to the last one, which keeps its layout.
        allocates = op.family == "linalg" and "columns" not in op.memory
        strides = None if allocates or any(value is t for t in tensors) else value._strides
        written = result_of(value, strides)
        write_result(target, written, op.memory, tensors[:1], tensors[1:])
    return out
