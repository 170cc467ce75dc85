"""The one path that every call of an operation takes.

bind the arguments -> check what an in-place or `out=` form asks -> save for backward -> run the kernel -> wrap or write
the result -> record the node. A rule that holds for all operations (leaf checks, version bumps, grad mode, memory
overlap, undefined elements) stands here once.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine import dtypes, functions, layout, promotion, signatures
from engine.autograd.graph import BACKWARD_TWICE, CopySlices, Node, SavedTensor, gradient_edge
from engine.autograd.modes import _State
from engine.dtypes import dtype
from engine.registry import COMPOSITE, GENERAL, MUTATION, POINTWISE, VIEW, Op, compare
from engine.tensor import Tensor, ViewInfo


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


class OpNode(Node):
    """The node of an operation from the registry: runs the record's formulas on what was saved."""

    op: Op

    def __init__(self, values: list[Any], *, inplace: bool) -> None:
        op = self.op
        edges: list[Any] = []
        self.spans: dict[str, tuple[int, int | None]] = {}
        for name, position in op.differentiable:
            value = values[position]
            if isinstance(value, list):
                self.spans[name] = (len(edges), len(value))
                edges.extend(gradient_edge(t) for t in value)
            else:
                self.spans[name] = (len(edges), None)
                edges.append(gradient_edge(value) if isinstance(value, Tensor) else None)
        super().__init__(edges)
        self.context: dict[str, Any] = {}
        self.saved: dict[str, Any] | None = {}
        for want, position, fact in op.facts:
            value = values[position]
            if isinstance(value, list):
                self.context[want] = [getattr(t, fact) for t in value]
            else:
                self.context[want] = getattr(value, fact, None)
        for want, position, guard in op.saved_inputs:
            value = values[position]
            if isinstance(value, Tensor):
                if guard is None or self._wanted(op.formulas[guard][0]):
                    kept = value.clone() if inplace and position == 0 else value
                    self.saved[want] = SavedTensor(kept)
                else:
                    self.context[want] = None
            elif position in op.number_operands and not isinstance(value, list) and value is not None:
                # torch wraps a number in a tensor to save it, so that a freed graph refuses to be used again.
                if guard is None or self._wanted(op.formulas[guard][0]):
                    self.saved[want] = value
                else:
                    self.context[want] = None
            elif isinstance(value, (list, tuple)) and any(isinstance(t, Tensor) for t in value):
                self.saved[want] = [SavedTensor(t) if isinstance(t, Tensor) else t for t in value]
            else:
                self.context[want] = value

    def _wanted(self, names: Sequence[str]) -> bool:
        for name in names:
            start, count = self.spans[name]
            if any(self.next_edges[start + i] is not None for i in range(1 if count is None else count)):
                return True
        return False

    def save_outputs(self, results: Sequence[Tensor]) -> None:
        """Save the outputs that the formulas use, once they exist."""
        assert self.saved is not None
        for want, index in self.op.saved_outputs:
            made = results[index]  # indices have no history, so they are kept as they are
            self.saved[want] = SavedTensor(made, self if made.dtype.category >= dtypes.FLOAT else None)

    def release(self) -> None:
        if self.saved:
            self.saved = None

    def apply(self, grads: list[Tensor | None]) -> Sequence[Tensor | None]:
        if self.saved is None:
            raise RuntimeError(BACKWARD_TWICE)
        out: list[Tensor | None] = [None] * len(self.next_edges)
        if all(g is None for g in grads):
            return out
        known = dict(self.context)
        for want, saved in self.saved.items():
            known[want] = (
                [_unpacked(s, self) for s in saved] if isinstance(saved, list) else _unpacked(saved, self)
            )
        known["grad"] = grads[0]
        for inputs, formula, wants in self.op.formulas:
            if not self._wanted(inputs):
                continue
            if "grads" in wants or grads[0] is None:
                known["grads"] = [
                    functions.zeros(sizes, dtype=d) if g is None else g
                    for g, (sizes, d) in zip(grads, self.metadata, strict=True)
                ]
                known["grad"] = known["grads"][0]
            if "given_grads" in wants:
                known["given_grads"] = grads
            if "needs" in wants:
                known["needs"] = tuple(self._wanted([name]) for name in inputs)
            got = formula(*[known[want] for want in wants])
            for name, gradient in zip(inputs, got if len(inputs) > 1 else (got,), strict=True):
                start, count = self.spans[name]
                if count is None:
                    out[start] = gradient
                elif gradient is not None:
                    out[start : start + count] = gradient
        return out


def _unpacked(saved: Any, node: Node) -> Any:
    return saved.unpack(node) if isinstance(saved, SavedTensor) else saved


# ---------------------------------------------------------------------------------------------------------- publishing


def publish(name: str, overloads: list[Op]) -> None:
    """Make the functions and methods of a name, as the forms of its overloads say."""
    forms = frozenset().union(*(op.forms for op in overloads))
    if "function" in forms:
        _set(functions, name, _function(name, [op for op in overloads if "function" in op.forms]))
    if "method" in forms:
        _set(Tensor, name, _method(name, [op for op in overloads if "method" in op.forms]))
    if "inplace" in forms:
        written = [op for op in overloads if "inplace" in op.forms]
        suffixed = name if name.endswith("_") else name + "_"
        _set(Tensor, suffixed, _method(suffixed, written, inplace=True))
        if "function" in forms and "inplace-method" not in forms:
            _set(functions, suffixed, _function(suffixed, written, inplace=True))


def _set(where: Any, name: str, value: Any) -> None:
    setattr(where, name, value)


def _function(name: str, overloads: list[Op], inplace: bool = False) -> Any:
    def function(*args: Any, **kwargs: Any) -> Any:
        return dispatch(name, overloads, args, kwargs, inplace=inplace, method=False)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = _documentation(overloads)
    return function


def _method(name: str, overloads: list[Op], inplace: bool = False) -> Any:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        return dispatch(name, overloads, (self, *args), kwargs, inplace=inplace, method=True)

    method.__name__ = name
    method.__qualname__ = f"Tensor.{name}"
    method.__doc__ = _documentation(overloads)
    return method


def _documentation(overloads: list[Op]) -> str:
    first = overloads[0]
    lines = [op.signature.text for op in overloads]
    note = (first.kernel.__doc__ or "").strip() if first.kind == COMPOSITE else ""
    source = f"Source: https://docs.pytorch.org/docs/stable/generated/torch.{first.name}.html"
    return "\n".join(filter(None, [*lines, "", note, source]))


def dispatch(
    name: str,
    overloads: list[Op],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    inplace: bool,
    method: bool,
) -> Any:
    """Run the first overload that takes the arguments. Raises TypeError if none does."""
    out = None
    if "out" in kwargs:
        kwargs = dict(kwargs)
        out = kwargs.pop("out")
        overloads = (
            [op for op in overloads if "out" in op.forms]
            if out is not None and not inplace and not method
            else ([] if out is not None else overloads)
        )
        if not overloads:
            raise TypeError(f"{name}() got an unexpected keyword argument 'out'")
    errors = []
    for op in overloads:
        try:
            values = signatures.bind(op.signature, args, dict(kwargs) if kwargs else kwargs, method=method)
        except signatures.Mismatch as error:
            errors.append(str(error))
            continue
        if op.warning is not None:
            warnings.warn(op.warning, UserWarning, stacklevel=3)
        return run(op, values, inplace=inplace, out=out)
    if len(errors) == 1:
        raise TypeError(errors[0])
    got = ", ".join(
        [type(a).__name__ for a in args[method:]] + [f"{k}={type(v).__name__}" for k, v in kwargs.items()]
    )
    expected = "\n".join(f" * ({op.signature.text})" for op in overloads)
    raise TypeError(
        f"{name}() received an invalid combination of arguments - got ({got}), but expected one of:\n{expected}\n"
    )


# ------------------------------------------------------------------------------------------------------------- running


def run(op: Op, values: list[Any], *, inplace: bool = False, out: Any = None) -> Any:
    """Run a bound call in one of its forms."""
    kind = op.kind
    if kind == COMPOSITE and not inplace:
        if out is not None and op.out_form is not None:
            return op.out_form(*values, out)
        result = op.kernel(*values)
        return result if out is None else _write_out(op, values, out, result)
    tensors = _tensors(op, values)
    if out is not None:
        _refuse_grad_with_out(op, tensors if op.derivatives else [], out)
        return _run_out(op, values, tensors, out)
    recorded = _State.grad and not _State.inference and any(t.requires_grad for t in tensors)
    if recorded and all(t._inference for t in tensors):
        # Inference tensors alone are never recorded, even where one was told to require grad; a number is no such tensor.
        recorded = any(not isinstance(values[i], Tensor) for i in op.number_operands)
    if inplace:
        check_inplace(values[0], recorded and bool(op.derivatives))
        if kind == COMPOSITE:
            return op.kernel(*values)
    elif kind == MUTATION:
        raise AssertionError(f"{op.name} is in-place only")
    node = None
    if recorded and any(_requires_grad(values[position]) for _, position in op.differentiable):
        node = op.node_class(values, inplace=inplace)
    with np.errstate(all="ignore"):
        if kind == VIEW:
            return _run_inplace_view(op, values, node) if inplace else _run_view(op, values, node)
        if inplace:
            return _run_inplace(op, values, tensors, node)
        results = _compute(op, values, tensors)
    made = tuple(_wrap(r) for r in results)
    if node is not None:
        for t in made:
            if t.dtype.category >= dtypes.FLOAT:
                node.add_output(t)
            elif kind == GENERAL and len(made) == 1 and not op.casts:
                raise RuntimeError(f"Autograd not support dtype: {t.dtype.legacy}")
            else:
                node.metadata.append((t._sizes, t.dtype))
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


def _requires_grad(value: Any) -> bool:
    if isinstance(value, list):
        return any(t.requires_grad for t in value)
    return isinstance(value, Tensor) and value.requires_grad


def _package(op: Op, made: tuple[Tensor, ...], suffix: str = "") -> Any:
    names = op.signature.outputs
    if len(names) > 1:
        from engine.return_types import named_tuple

        return named_tuple(op.name + suffix, names)(made)
    return made[0]


_NUMBERS = (bool, int, float, complex)


def _compute(
    op: Op, values: list[Any], tensors: list[Tensor], target: Tensor | None = None
) -> tuple[Result, ...]:
    """The results of a POINTWISE or GENERAL kernel, as fresh values with layout and undefined elements."""
    if op.kind == POINTWISE:
        computed = _pointwise(op, values, tensors, target)
        seen = reversed(tensors) if op.last_leads else tensors
        geometries = [(t._sizes, t._strides) for t in seen]
        if any(isinstance(values[position], _NUMBERS) for position in op.wrapped_numbers):
            geometries.append(((), ()))  # torch sees a number as one more operand, without dimensions
        if computed.strides is None:
            computed.strides = layout.pointwise_strides(geometries, computed.values.shape)
        results: tuple[Result, ...] = (computed,)
    else:
        got = op.kernel(*values)
        outputs = got if isinstance(got, tuple) else (got,)
        results = tuple(r if isinstance(r, Result) else Result(np.asarray(r)) for r in outputs)
    if any(t._storage.undefined is not None for t in tensors):
        results = tuple(_spread_undefined(op, values, tensors, r) for r in results)
    return results


def _pointwise(op: Op, values: list[Any], tensors: list[Tensor], target: Tensor | None) -> Result:
    shape = layout.broadcast_shapes([t._sizes for t in tensors]) if tensors else ()
    operands = [values[i] for i in op.tensor_positions if values[i] is not None]
    assert op.rule is not None  # every pointwise record has one
    compute, result = op.rule(values if op.bound_rule else operands)
    if target is not None:
        _require_out_dtype(op, result, target)
        require_castable(result, target)
        if (
            compute.category == dtypes.COMPLEX
            and dtypes.BOOL == result.category < target.dtype.category < dtypes.COMPLEX
            and op.name != "logical_not"
            and layout.numel(shape)
        ):
            # torch writes a comparison, but no negation, in the common dtype and casts that.
            warnings.warn(
                "Casting complex values to real discards the imaginary part", UserWarning, stacklevel=5
            )
    if compute not in op.accepts:
        raise NotImplementedError(f"\"{op.error_name}\" not implemented for '{compute.legacy}'")
    working = compute.numpy if op.stepwise else dtypes.opmath(compute)
    converted = list(values)
    undefined = None
    for i in op.tensor_positions:
        value = values[i]
        if value is None:
            continue
        if isinstance(value, Tensor):
            array = value._array()
            if value.dtype is not compute or array.dtype != working:
                array, lost = cast(array, compute, value.dtype)
                array = array.astype(working, copy=False)
                undefined = lost if undefined is None else undefined
            converted[i] = array
        else:
            converted[i] = number_array(value, compute).astype(working, copy=False)
    if op.wide_scalar and compute in dtypes.HALVES:
        converted[1] = _unrounded_scalar(values[1], converted[1])
    got = op.kernel(*converted)
    got = got if isinstance(got, Result) else Result(np.asarray(got))
    values_, lost = got.values, got.undefined if undefined is None else undefined
    if values_.dtype != result.numpy:
        values_ = values_.astype(result.numpy)
    if values_.shape != shape:
        values_ = np.broadcast_to(values_, shape)
        lost = None if lost is None else np.broadcast_to(lost, shape)
    return Result(values_, got.strides, lost)


def _unrounded_scalar(value: Any, converted: np.ndarray) -> np.ndarray:
    """The second operand of a 16-bit float operation in float32 if it is a number or 0-d, else as converted."""
    if isinstance(value, Tensor):
        return converted if value._sizes else cast(value._array(), dtypes.float32, value.dtype)[0]
    return number_array(value, dtypes.float32)


def number_array(value: Any, d: dtype) -> np.ndarray:
    """A Python number as a 0-d array of a dtype. Integers wrap around; raises RuntimeError where torch refuses."""
    if d.category == dtypes.INTEGER and isinstance(value, int):
        bits = 8 * d.itemsize
        value &= (1 << bits) - 1
        if d.is_signed and value >> (bits - 1):
            value -= 1 << bits
    elif d.category < dtypes.COMPLEX and isinstance(value, complex):
        if value.imag != 0:
            raise RuntimeError(f"value cannot be converted to type {_C_NAMES[d.name]} without overflow")
        value = value.real
    if d.category == dtypes.INTEGER and isinstance(value, float):
        return cast(np.asarray(value), d, dtypes.float64)[0]
    if d is dtypes.bfloat16 or d is dtypes.float16:
        return np.asarray(value, np.float32).astype(d.numpy)
    return np.asarray(value, d.numpy)


def checked_number(value: Any, d: dtype) -> np.ndarray:
    """A Python number as a 0-d array of a dtype, for fills. Raises RuntimeError where the dtype cannot hold it.

    Unlike an operand of arithmetic, an integer does not wrap around (but an unsigned dtype takes negative ones).
    """
    if d.category == dtypes.BOOL:
        return np.asarray(bool(value))
    if isinstance(value, complex) and d.category < dtypes.COMPLEX and value.imag == 0:
        value = value.real
    if not _holds(d, value):
        raise RuntimeError(f"value cannot be converted to type {_C_NAMES[d.name]} without overflow")
    if d.category == dtypes.INTEGER:
        return number_array(int(value), d)
    return np.asarray(value, dtypes.opmath(d)).astype(d.numpy)


def _holds(d: dtype, value: Any) -> bool:
    if isinstance(value, complex):
        return (
            d.category == dtypes.COMPLEX
            and _holds(d.to_real(), value.real)
            and _holds(d.to_real(), value.imag)
        )
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        raise OverflowError(
            "can't convert negative int to unsigned" if value < 0 else "int too big to convert"
        )
    low, high = _limits(d)
    if d.category == dtypes.INTEGER:
        if isinstance(value, float):  # the comparison of C++, which rounds the limit to a float
            return low <= value <= float(high)
        return (low if d.is_signed else -high) <= value <= high
    return value != value or abs(value) == float("inf") or abs(value) <= high


@functools.cache
def _limits(d: dtype) -> tuple[Any, Any]:
    limits = dtypes.iinfo(d) if d.category == dtypes.INTEGER else dtypes.finfo(d)
    return limits.min, limits.max


_C_NAMES = {
    "bool": "bool", "uint8": "uint8_t", "int8": "int8_t", "int16": "int16_t", "int32": "int", "int64": "int64_t",
    "float16": "c10::Half", "bfloat16": "c10::BFloat16", "float32": "float", "float64": "double",
    "complex64": "c10::complex<float>", "complex128": "c10::complex<double>",
}  # fmt: skip


def cast(array: np.ndarray, target: dtype, source: dtype) -> tuple[np.ndarray, np.ndarray | None]:
    """Convert elements as torch does: complex to real drops the imaginary part, anything but zero is True.

    Also returns which elements are undefined: a float that no integer of the target can hold.
    """
    if source is target:
        return array, None
    with np.errstate(all="ignore"):
        if source.category == dtypes.COMPLEX and dtypes.BOOL < target.category < dtypes.COMPLEX:
            array = array.real
        if source in dtypes.HALVES:
            array = array.astype(np.float32)
        if target.category == dtypes.BOOL:
            return array != 0, None
        if target.category != dtypes.INTEGER or source.category < dtypes.FLOAT:
            if (
                target in dtypes.HALVES
            ):  # every conversion to them goes through float32, so it may round twice
                array = array.astype(np.float32)
            return array.astype(target.numpy), None
        limits = np.iinfo(target.numpy)
        whole = np.trunc(array.astype(np.float64))
        held = (whole >= limits.min) & (whole < float(limits.max) + 1)
        if held.all():
            return array.astype(target.numpy), None
        return np.where(held, array, 0).astype(target.numpy), ~held


def _spread_undefined(op: Op, values: list[Any], tensors: list[Tensor], result: Result) -> Result:
    """Which elements of a result come from undefined ones.

    Elementwise operations spread them element by element, moves by moving the marks; of everything else the whole
    result is undefined.
    """
    masks = {id(t): t._undefined_mask() for t in tensors}
    if all(m is None for m in masks.values()):
        return result
    shape = result.values.shape
    if op.kind == POINTWISE:
        spread = np.zeros(shape, np.bool_)
        for mask in masks.values():
            if mask is not None:
                spread |= mask
    elif op.moves and isinstance(values[0], list):
        marked = [
            Tensor._fresh(np.zeros(t._sizes, np.bool_) if m is None else m)
            for t in tensors
            for m in (masks[id(t)],)
        ]
        moved = op.kernel(marked, *values[1:])
        spread = np.array(moved.values if isinstance(moved, Result) else moved, np.bool_)
    elif op.moves and masks[id(tensors[0])] is not None and all(masks[id(t)] is None for t in tensors[1:]):
        marks = Tensor._fresh(masks[id(tensors[0])], dtypes.bool_)  # type: ignore[arg-type]
        moved = op.kernel(*[marks if v is tensors[0] else v for v in values])
        moved = moved[0] if isinstance(moved, tuple) else moved
        spread = np.array(moved.values if isinstance(moved, Result) else moved, np.bool_)
    else:
        spread = np.ones(shape, np.bool_)
    if result.undefined is not None:
        spread |= result.undefined
    return Result(result.values, result.strides, spread)


def _wrap(result: Result) -> Tensor:
    """A fresh tensor that owns a result."""
    tensor = Tensor._fresh(result.values, strides=result.strides)
    if result.undefined is not None and result.undefined.any():
        tensor._mark_undefined(result.undefined)
    return tensor


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
            target._view.version = target._counter.value
    return target


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


# -------------------------------------------------------------------------------------------------------------- writes


def check_inplace(target: Tensor, recorded: bool) -> None:
    """Raise RuntimeError where autograd forbids writing to a tensor.

    Source: https://docs.pytorch.org/docs/stable/notes/autograd.html#in-place-operations-with-autograd
    """
    if target._inference:
        if target._counter is None and not _State.inference:
            raise RuntimeError(
                "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to get a "
                "normal tensor before doing inplace update.See https://github.com/pytorch/rfcs/pull/17 for more details."
            )
        return
    if not recorded:
        return
    view = target._view
    if view is not None:
        if target.requires_grad and view.base.is_leaf:
            raise RuntimeError(
                "a view of a leaf Variable that requires grad is being used in an in-place operation."
            )
        view.check_rewritable(target, indirect=False)
    if target.requires_grad and target.is_leaf:
        raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")


INTERNAL_OVERLAP = (
    "unsupported operation: more than one element of the written-to tensor refers to a single memory location. Please "
    "clone() the tensor before performing the operation."
)
OVERLAP = (
    "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory location. "
    "Please clone() the tensor before performing the operation."
)


def check_memory(
    rules: frozenset[str], target: Tensor, first: Sequence[Tensor], others: Sequence[Tensor]
) -> None:
    """Raise RuntimeError where a write has no single meaning, as far as an operation's `memory` rules look.

    first: the operand that `out=` or an in-place form may stand for; others: the further operands.
    """
    if "warns" in rules and layout.has_internal_overlap(target._sizes, target._strides):
        warnings.warn(
            "Writing in place to an expanded tensor is deprecated. Please clone() the tensor before performing this operation. "
            "This also applies to advanced indexing e.g. tensor[mask] = scalar",
            UserWarning,
            stacklevel=5,
        )
    if "internal" in rules and layout.has_internal_overlap(target._sizes, target._strides):
        raise RuntimeError(INTERNAL_OVERLAP)
    if "partial" in rules and any(layout.overlaps_partly(target, t) for t in (*first, *others)):
        raise RuntimeError(OVERLAP)
    if "others" in rules and any(layout.overlaps(target, t) for t in others):
        raise RuntimeError(OVERLAP)
    if "first" in rules and any(layout.overlaps(target, t) for t in first):
        raise RuntimeError(OVERLAP)


def _depending_on_order(
    rules: frozenset[str], result: Result, target: Tensor, first: Sequence[Tensor], others: Sequence[Tensor]
) -> Result:
    """The result, undefined where a target lies across an operand: what is read then depends on what was written first.

    torch refuses what it can tell cheaply; for the rest it promises nothing. An operand that is the target itself is read
    before each of its elements is written, unless the operation mixes elements, as products of matrices do.
    """
    if not any(t._storage is target._storage for t in (*first, *others)):
        mixed = bool(rules & {"mixes-others", "warns"}) and layout.has_internal_overlap(
            target._sizes, target._strides
        )
    else:
        across = [
            t
            for word, operands in (("mixes-first", first), ("mixes-others", others))
            for t in operands
            if t._storage is target._storage
            and (word in rules or (t is not target and t._layout != target._layout))
        ]
        mixed = any(np.shares_memory(t._array(), target._array()) for t in across)
    if mixed or (result.values.size > 1 and not layout.is_injective(target._sizes, target._strides)):
        result.undefined = np.ones(result.values.shape, np.bool_)
    return result


def _run_inplace(op: Op, values: list[Any], tensors: list[Tensor], node: OpNode | None) -> Tensor:
    target = values[0]
    check_memory(op.memory, target, [], tensors[1:])
    if op.kind == MUTATION:
        written = op.kernel(*values)
        if written is not None:
            result = written if isinstance(written, Result) else Result(np.asarray(written))
            write(target, _depending_on_order(op.memory, result, target, (), tensors[1:]))
    else:
        if op.kind == POINTWISE:
            _require_shape(target, layout.broadcast_shapes([t._sizes for t in tensors]))
        (result, *_) = _compute(op, values, tensors, target)
        _require_shape(target, result.values.shape)
        write(target, _depending_on_order(op.memory, result, target, (), tensors[1:]))
    bump_version(target)
    if node is not None and target.dtype.category >= dtypes.FLOAT:
        rebase_history(target, node)
        node.save_outputs([target])
    return target


def _require_shape(target: Tensor, shape: layout.Shape) -> None:
    if shape != target._sizes:
        raise RuntimeError(
            f"output with shape {list(target._sizes)} doesn't match the broadcast shape {list(shape)}"
        )


def _require_out_dtype(op: Op, source: dtype, target: Tensor) -> None:
    """Raise RuntimeError where an operation that never casts into `out` is given one of another dtype."""
    if op.out_dtype_error is not None and source is not target.dtype:
        raise RuntimeError(op.out_dtype_error.format(out=target.dtype.legacy, result=source.legacy))


def require_castable(source: dtype, target: Tensor) -> None:
    """Raise RuntimeError where a result may not be written to a tensor: its dtype is of a lower category."""
    if not promotion.can_cast(source, target.dtype):
        raise RuntimeError(
            f"result type {source.legacy} can't be cast to the desired output type {target.dtype.legacy}"
        )


def write(target: Tensor, result: Result) -> None:
    """Put values into a tensor's memory, cast to its dtype. Raises RuntimeError for a lower category."""
    source = dtypes.BY_NUMPY[result.values.dtype]
    require_castable(source, target)
    values, lost = cast(result.values, target.dtype, source)
    target._array()[...] = values
    undefined = result.undefined if lost is None else lost
    if undefined is not None or target._storage.undefined is not None:
        target._mark_undefined(False if undefined is None else undefined)


def bump_version(target: Tensor) -> None:
    """Count a write; inference tensors do not track it."""
    if target._counter is not None:
        target._counter.value += 1


def rebase_history(target: Tensor, node: Node) -> None:
    """Make a node the history of a tensor that was written in place, and of its base if it is a view."""
    view = target._view
    node.metadata.append((target._sizes, target.dtype))
    if view is None:
        target._set_history(node, 0)
        return
    base = view.base
    slices = CopySlices(base, target, node)
    slices.metadata.append((base._sizes, base.dtype))
    base._set_history(slices, 0)
    target.grad_fn  # noqa: B018 - the read regenerates the view's history


# ----------------------------------------------------------------------------------------------------------- out= form


def _refuse_grad_with_out(op: Op, tensors: list[Tensor], out: Any) -> None:
    outs = out if isinstance(out, (tuple, list)) else [out]
    for t in outs:
        if not isinstance(t, Tensor):
            raise TypeError(f"{op.name}(): argument 'out' must be Tensor, not {type(t).__name__}")
    if op.rule is compare:  # truth values have no gradients that could be lost
        return
    if _State.grad and any(t.requires_grad for t in (*tensors, *outs)):
        raise RuntimeError(
            f"{op.name}(): functions with out=... arguments don't support automatic differentiation, but one of the "
            "arguments requires grad."
        )


def _run_out(op: Op, values: list[Any], tensors: list[Tensor], out: Any) -> Any:
    outs = list(out) if isinstance(out, (tuple, list)) else [out]
    for t in outs:
        check_inplace(t, False)
        check_memory(op.memory, t, tensors[:1], tensors[1:])
    if op.before_out is not None:
        op.before_out(values, outs)
    with np.errstate(all="ignore"):
        results = _compute(op, values, tensors, outs[0])
    if len(results) != len(outs):
        raise TypeError(f"{op.name}(): argument 'out' must be a tuple of {len(results)} Tensors")
    for t, result in zip(outs, results, strict=True):
        _require_out_dtype(op, dtypes.BY_NUMPY[result.values.dtype], t)
        if op.kind == POINTWISE and result.values.dtype != t.dtype.numpy and t._sizes != result.values.shape:
            _warn_of_resize(t, result.values.shape)  # torch resizes before it casts and again after it
        write_result(t, _depending_on_order(op.memory, result, t, tensors[:1], tensors[1:]))
    return _package(op, tuple(outs), "_out") if len(op.signature.outputs) > 1 else outs[0]


def _write_out(op: Op, values: list[Any], out: Any, result: Any) -> Any:
    """The `out=` form of a composite: its result is written into the given tensors."""
    pairs = list(zip(out, result, strict=True)) if isinstance(result, tuple) else [(out, result)]
    _refuse_grad_with_out(op, [r for _, r in pairs], out)
    tensors = _tensors(op, values)
    if op.before_out is not None:
        op.before_out(values, [target for target, _ in pairs])
    for target, value in pairs:
        check_memory(op.memory, target, tensors[:1], tensors[1:])
        _require_out_dtype(op, value.dtype, target)
        # Products allocate `out` themselves; elementwise steps leave that to the last one, which keeps its layout.
        allocates = op.family == "linalg" and "columns" not in op.memory
        strides = None if allocates or any(value is t for t in tensors) else value._strides
        written = Result(value._array(), strides, value._undefined_mask())
        write_result(target, _depending_on_order(op.memory, written, target, tensors[:1], tensors[1:]))
    return out


def write_result(target: Tensor, result: Result) -> None:
    """Write to an `out=` tensor, which takes the result's shape and layout if it had another shape.

    That comes with a warning if it had elements.
    """
    source = dtypes.BY_NUMPY[result.values.dtype]
    require_castable(source, target)
    if resize_output(target, result.values.shape) and result.strides is not None:
        target._strides = result.strides
    write(target, result)
    bump_version(target)


def resize_output(target: Tensor, shape: layout.Shape) -> bool:
    """Give an `out=` tensor the result's shape, with a warning if it had elements of another. Returns whether it had."""
    if target._sizes == shape:
        return False
    _warn_of_resize(target, shape)
    target._resize(shape)
    return True


def _warn_of_resize(target: Tensor, shape: layout.Shape) -> None:
    if layout.numel(target._sizes):
        warnings.warn(
            f"An output with one or more elements was resized since it had shape {list(target._sizes)}, which does not "
            f"match the required output shape {list(shape)}. This behavior is deprecated, and in a future PyTorch "
            "release outputs will not be resized unless they have zero elements. You can explicitly reuse an out "
            "tensor t by resizing it, inplace, to zero elements with t.resize_(0).",
            UserWarning,
            stacklevel=5,
        )
