"""What operations go through while a level of forward-mode differentiation is open, or a transform runs.

A dual tensor is a tensor with a tangent, which an open level keeps beside it. While a level is open every operation goes
through `Level.run`: it runs on the primals as ever, and the results get their tangents. Views get the same view of the
tangent, in-place operations write the tangent in place, so that tangents share memory as their tensors do. All other
operations need no formula of their own: what backward makes of a gradient is linear in it, and its own backward, fed with
the tangents of the operands, is the tangent of the result.

Levels lie on one another: an operation belongs to the topmost one that has a tangent of an operand, and everything that is
computed for it there, primal and tangent alike, may have tangents of the levels below.

Sources: https://docs.pytorch.org/docs/stable/autograd.html#forward-mode-automatic-differentiation and
https://docs.pytorch.org/tutorials/intermediate/forward_ad_usage.html
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

from engine import functions, layout
from engine.autograd.function import saved_by
from engine.autograd.jvp import give_tangents
from engine.autograd.modes import _State, no_grad
from engine.autograd.node import CopySlices, Node
from engine.autograd.saved import PackedTensor, SavedTensor, are_hooked, without_hooks
from engine.autograd.tangents import Pushforward, row
from engine.call import _tensors, refuse_grad_with_out, run
from engine.dtypes import FLOAT
from engine.history import remade
from engine.nodes import OpNode
from engine.registry import COMPOSITE, VIEW, Op
from engine.tensor import Tensor

_NOT_YET = (
    "Trying to use forward AD with {} that does not support it because it has not been implemented yet.\nPlease file an issue "
    "to PyTorch at https://github.com/pytorch/pytorch/issues/new?template=feature-request.yml so that we can prioritize its "
    "implementation{}"
)
WITHOUT = frozenset(("igamma", "igammac", "index_reduce", "unique", "set_"))
"""Operations that torch cannot differentiate forwards though it can backwards (or does not differentiate)."""
WITHOUT_ANY = frozenset(("logit_backward", "nonzero_static"))
"""Operations of which torch does not even know that they have no derivative."""
WITHOUT_IN_PLACE = frozenset(("acosh", "asinh", "atanh"))
_COPIED = frozenset(("inner", "tensordot", "linalg_matrix_power", "linalg.matrix_power", "lu"))
"""Operations whose `out=` form writes no result of its own, but a copy."""
_WRITTEN = frozenset(("softmax", "log_softmax", "normal"))
"""Operations that write their result there, though backward ignores it."""
_MULTIPLIES_ZEROS = frozenset(("mm", "bmm", "mv", "addmm", "addmv", "addbmm", "baddbmm"))
"""Products of matrices for which a tangent that is not there is zeros, also beside infinities."""
_OTHER_NAMES = {"unique": "_unique2"}
_WANTED = (Node(), 0)  # stands for an edge, where a derivative is wanted without one


class at:
    """Runs a block as if a layer were the topmost one; None: as if there were none."""

    def __init__(self, layer: Layer | None) -> None:
        self._level = layer

    def __enter__(self) -> None:
        self._before, _State.forward = _State.forward, self._level

    def __exit__(self, *error: object) -> None:
        _State.forward = self._before


class Layer:
    """What every operation goes through while it is the topmost (`_State.forward`): levels, and what transforms look out for.

    Layers lie on one another; each hands an operation on to the one below.
    """

    transforms = False
    """Whether it is that of a transform (`torch.func`), which asks more of a user's Function."""
    by_rows = False
    """Whether tensors stand for several, to each of which everything is done."""

    def __init__(self, below: Layer | None) -> None:
        self.below = below

    def transformed(self) -> bool:
        """Whether a transform is running, here or below."""
        return self.transforms or (self.below is not None and self.below.transformed())

    def apply(self, function: Any, args: tuple[Any, ...]) -> Any:
        """Call a user's Function in a transform."""
        with at(self.below):
            return function.apply(*args)

    def run(self, op: Op, values: list[Any], inplace: bool, out: Any) -> Any:
        """Run an operation in one of its forms, as `call.run` does. The steps of a composite one come here by themselves."""
        if op.kind == COMPOSITE and out is None:
            return op.kernel(*values)
        with at(self.below):
            return run(op, values, inplace=inplace, out=out)

    def tangent(self, tensor: Tensor) -> Tensor | None:
        """The tangent that this layer knows of a tensor."""
        return None

    def rows(self, tensor: Tensor) -> list[Tensor]:
        """The tensors that one stands for."""
        return [tensor]

    def each(self, function: Callable[..., Any], args: Sequence[Any]) -> Any:
        """Call a function of tensors, once for each row of them."""
        return function(*args)

    def carry(self, source: Tensor, target: Tensor) -> None:
        """Give a tensor what is known here and below of another one that it stands for."""
        if self.below is not None:
            self.below.carry(source, target)

    def detached(self, source: Tensor, made: Tensor) -> None:
        """See which tensor shows the memory of another one."""
        if self.below is not None:
            self.below.detached(source, made)

    def notice(self, op: Op, tensors: list[Tensor], made: Any) -> None:
        """See what an operation made that did not come here."""
        if self.below is not None:
            self.below.notice(op, tensors, made)

    def drop(self, tensor: Tensor) -> None:
        """Take a tensor's tangents away."""
        if self.below is not None:
            self.below.drop(tensor)


class Level(Layer):
    """The tangents of one derivative that is being computed."""

    def __init__(self, below: Layer | None) -> None:
        super().__init__(below)
        self._tangents: dict[int, tuple[weakref.ref, Tensor]] = {}
        self._bases: dict[int, tuple[weakref.ref, Tensor | None]] = {}
        """What a view shares its tangent's memory with, where that is not the base that backward knows."""

    # ------------------------------------------------------------------------------------------------------- tangents

    def tangent(self, tensor: Tensor) -> Tensor | None:
        """The tangent of a tensor. A view of one that was written in place has a view of its tangent."""
        held = self._tangents.get(id(tensor))
        if held is not None and held[0]() is tensor:
            return held[1]
        base = self._base(tensor)
        whole = None if base is None else self.tangent(base)
        if whole is None:
            return None
        assert base is not None
        with at(self.below):
            part = _shown(whole, base, tensor)
        self._keep(tensor, part)
        return part

    def _keep(self, tensor: Tensor, tangent: Tensor) -> None:
        self._tangents[id(tensor)] = (weakref.ref(tensor), tangent)

    def drop(self, tensor: Tensor) -> None:
        self._tangents.pop(id(tensor), None)
        super().drop(tensor)

    def _base(self, tensor: Tensor) -> Tensor | None:
        known = self._bases.get(id(tensor))
        if known is not None and known[0]() is tensor:
            return known[1]
        return tensor._view.base if tensor._view is not None else None

    def set_base(self, tensor: Tensor, base: Tensor | None) -> None:
        """Say what a view is a view of, as far as tangents go; None: of nothing."""
        self._bases[id(tensor)] = (weakref.ref(tensor), base)

    def give(self, tensor: Tensor, tangent: Tensor, *, written: bool = False) -> None:
        """Give a tensor a tangent, which is laid out as the tensor is. `written`: by an in-place operation, so that the base
        of a view gets one, too.

        Raises RuntimeError for another shape, and for a tangent with a tangent.
        """
        self._refuse_nested(tangent)
        if tensor._sizes != tangent._sizes:
            raise RuntimeError(
                "Trying to set a forward gradient that has a different size than that of the original Tensor, this is not "
                f"supported. Tensor is of size {list(tensor._sizes)} while the given forward gradient is of size "
                f"{list(tangent._sizes)}."
            )
        base = self._base(tensor) if written else None
        with at(self.below):
            if base is not None:
                whole = _zeros_as(base)
                self._keep(base, whole)
                part = _shown(whole, base, tensor)
                part.copy_(tangent)
                tangent = part
            elif not _laid_out_alike(tensor, tangent):
                tangent = _zeros_as(tensor).copy_(tangent)
        self._keep(tensor, tangent)

    def _refuse_nested(self, tangent: Tensor) -> None:
        """Raise RuntimeError for a tangent with a tangent, which what is computed from it would have, too."""
        if self.tangent(tangent) is not None:
            raise RuntimeError(
                "Setting a forward grad that itself has a forward gradient at the same level0 is not supported."
            )

    def share(self, tensor: Tensor, tangent: Tensor) -> None:
        """Give a view a tangent that is a view itself."""
        self._keep(tensor, tangent)

    def carry(self, source: Tensor, target: Tensor) -> None:
        tangent = self.tangent(source)
        if tangent is not None:
            self._keep(target, tangent)
        super().carry(source, target)

    # ----------------------------------------------------------------------------------------------------- operations

    def apply(self, function: Any, args: tuple[Any, ...]) -> Any:
        made = super().apply(function, args)
        ctx = function._backward_cls()
        with no_grad(), at(None):
            function.setup_context(ctx, args, made)
        outputs = made if isinstance(made, tuple) else (made,)
        give_tangents(self, ctx, args, outputs, outputs)
        return made

    def run(self, op: Op, values: list[Any], inplace: bool, out: Any) -> Any:
        if op.kind == COMPOSITE and out is None:
            if op.name in ("resize_", "resize_as_") and self.tangent(values[0]) is not None:
                raise RuntimeError("cannot resize variables that has a forward grad")
            made = op.kernel(*values)
            if op.name == "set_" and not _State.inference:  # torch notices afterwards
                operands = values if len(values) == 2 else values[:1]  # of a part, torch takes the storage
                if any(isinstance(t, Tensor) and self.tangent(t) is not None for t in operands):
                    self._refuse(op, inplace)
            return made
        tensors = _tensors(op, values)
        outs = [] if out is None else list(out) if isinstance(out, (tuple, list)) else [out]
        if _State.inference or not any(self.tangent(t) is not None for t in (*tensors, *outs)):
            return super().run(op, values, inplace, out)
        if out is not None:
            refuse_grad_with_out(op, [*tensors, *outs])
        self._refuse(op, inplace)
        with at(self.below):
            if op.kind == VIEW:
                return self._run_view(op, values, inplace)
            before, history = list(values), None
            if inplace and op.derivatives:
                before[0], history = self._copied(values[0]), _operation_of(values[0])
            made = run(op, values, inplace=inplace, out=out)
            if out is not None:
                self._refuse_out(op)
            elif op.derivatives:
                results = list(made) if isinstance(made, tuple) else [made]
                tangents = self._pushed(op, before, results)
                node = _operation_of(results[0])
                if node is not history and (inplace or are_hooked()):
                    self._tell_saved(op, before, node, written=inplace)
                for result, tangent in zip(results, tangents, strict=True):
                    if inplace and self._is_left(op, before, result):
                        tangent = self.tangent(result)
                    if tangent is not None:
                        self._attach(result, tangent, inplace)
            return made

    def _is_left(self, op: Op, values: list[Any], result: Tensor) -> bool:
        """Whether a tangent on the memory of what was written stays as that is now: nothing is added to it."""
        present = self.tangent(result)
        if op.name not in ("add", "sub") or present is None or present._storage is not result._storage:
            return False
        return all(self.tangent(t) is None for t in values[1:] if isinstance(t, Tensor))

    def _refuse(self, op: Op, inplace: bool) -> None:
        """Raise NotImplementedError for what torch does not differentiate forwards."""
        name = _OTHER_NAMES.get(op.name, op.name).replace(".", "_") + "_" * (inplace and op.name[-1] != "_")
        if op.node_name == "NotImplemented" or op.name in WITHOUT_ANY:
            raise NotImplementedError(f"Trying to use forward AD with aten::{name} that does not support it.")
        if op.name in WITHOUT or (inplace and op.name in WITHOUT_IN_PLACE):
            more = " or submit a PR adding the implementation to derivatives.yaml"
            raise NotImplementedError(_NOT_YET.format(name, "." if name.endswith("_") else more))

    def _refuse_out(self, op: Op) -> None:
        """Raise NotImplementedError for results that were written to `out=`, which torch notices afterwards."""
        refuses = op.kind != COMPOSITE or op.out_grad == "refused" or op.name in _WRITTEN
        if refuses and op.name not in _COPIED:
            name = op.refuses_as if op.kind == COMPOSITE else _OTHER_NAMES.get(op.name, op.name)
            raise NotImplementedError(
                f"Trying to use forward AD with {name.replace('.', '_')}_out that does not support it because it is an out= "
                "function"
            )

    def _run_view(self, op: Op, values: list[Any], inplace: bool) -> Any:
        source = values[0]
        made = run(op, values, inplace=inplace)
        tangent = self.tangent(source)
        if tangent is None:  # what was asked for has one, not what is shown
            return made
        self._refuse_nested(tangent)
        shown = run(op, [tangent, *values[1:]], inplace=inplace)
        if inplace:
            return made
        cut = self._bases.get(id(source))
        several = isinstance(made, (tuple, list))
        for view, part in zip(made, shown, strict=True) if several else [(made, shown)]:
            if view.dtype.category >= FLOAT and part.dtype.category >= FLOAT:
                self._keep(view, part)
                if cut is not None and cut[0]() is source:
                    self.set_base(view, source if cut[1] is None else cut[1])
        return made

    def _pushed(self, op: Op, values: list[Any], results: list[Tensor]) -> list[Tensor | None]:
        """The tangents of results: how the vjp of the operation depends on its gradients, applied to the tangents."""
        tensors = _tensors(op, values)
        known = [*tensors, *(t for t in map(self.tangent, tensors) if t is not None)]
        filled = op.name in _MULTIPLIES_ZEROS
        recorded = _State.grad and any(t.requires_grad for t in known)
        if recorded and op.name in ("mul", "div") and not isinstance(values[1], Tensor):
            values = [values[0], functions.scalar_tensor(values[1]), *values[2:]]

        def wanted(tensor: Any) -> bool:
            """Whether the derivative for an operand is used. Where a history is recorded, those without a tangent are, too:
            torch gives them one of zeros, so that what the derivative is made of becomes part of the history."""
            if not isinstance(tensor, Tensor) or tensor.dtype.category < FLOAT:
                return False
            return recorded or filled or self.tangent(tensor) is not None

        with without_hooks():
            node: OpNode = op.node_class(values, inplace=False, edge=lambda t: _WANTED if wanted(t) else None)
        assert node.saved is not None
        node._input_metadata = [(t._sizes, t.dtype) for t in results]
        for want, index in op.saved_outputs:
            node.saved[want] = results[index]
        push, operands = Pushforward(node, values, results, recorded), row(op, values)
        active = [self.tangent(t) if wanted(t) else None for t in operands]
        if filled:
            active = [
                functions.zeros_like(t) if wanted(t) and tangent is None else tangent
                for t, tangent in zip(operands, active, strict=True)
            ]
        if any(t is not None and self.tangent(t) is not None for t in active):
            for t, used in zip(active, push.depends(), strict=True):
                if t is not None and used:
                    self._refuse_nested(t)
        idle = [
            functions.zeros_like(t) if recorded and wanted(t) and tangent is None else None
            for t, tangent in zip(operands, active, strict=True)
        ]
        tangents = push(active)
        traced = any(t is not None for t in idle) and any(t is not None for t in active)
        both = (
            push([a if b is None else b for a, b in zip(active, idle, strict=True)]) if traced else tangents
        )
        traces = push(idle) if traced else [None] * len(results)
        made: list[Tensor | None] = []
        for result, tangent, whole, trace in zip(results, tangents, both, traces, strict=True):
            if tangent is None and op.tangent is None and result.dtype.category >= FLOAT:
                tangent = functions.zeros_like(result)
            if tangent is not None and trace is not None and trace.requires_grad:
                if whole is not None and whole._array().tobytes() == tangent._array().tobytes():
                    tangent = whole
                else:  # zeros add nothing, not even times infinity, nor do they take a sign away
                    zeros = trace if trace.dtype.is_complex else -trace.abs()
                    tangent = functions.add(tangent, functions.where(trace.eq(0), zeros, -0.0))
            if (
                tangent is not None
                and op.tangent is None
                and any(tangent._storage is t._storage for t in known)
            ):
                tangent = functions.clone(tangent)  # an operation makes no views, of tangents either
            made.append(tangent)
        return made

    def _copied(self, tensor: Tensor) -> Tensor:
        """What stands for a tensor once it is written in place; its tangent may lie in the same memory."""
        copy, tangent = functions.clone(tensor), self.tangent(tensor)
        if tangent is not None:
            self._keep(copy, kept := functions.clone(tangent))
            if (nested := self.tangent(tangent)) is not None:
                self._keep(kept, nested)
        return copy

    def _tell_saved(self, op: Op, operands: list[Any], node: Any, *, written: bool) -> None:
        """Give what a node has saved in the place of operands the tangents that these had: what hooks unpack, and the copy of
        the first, if that was written."""
        for want, position, _ in op.saved_inputs if getattr(node, "op", None) is op else ():
            kept, given = node.saved.get(want), operands[position]
            for one, tensor in zip(kept, given, strict=True) if isinstance(kept, list) else [(kept, given)]:
                tangent = self.tangent(tensor) if isinstance(tensor, Tensor) else None
                another = isinstance(one, PackedTensor) or (
                    written and position == 0 and isinstance(one, SavedTensor)
                )
                if another and tangent is not None:
                    self._give_saved(one, tangent)

    def _attach(self, result: Tensor, tangent: Tensor, inplace: bool) -> None:
        present = self.tangent(result) if inplace else None
        if present is not None:
            present.copy_(tangent)
            if tangent is not present and present._storage is result._storage:
                result._mark_undefined(True)  # which of the two was written last is nowhere said
        else:
            self.give(result, tangent, written=inplace)
            present = self.tangent(result)
            assert present is not None
        self.inform(result, present)

    def inform(self, result: Tensor, tangent: Tensor) -> None:
        """Tell what backward reads instead of a result of its tangent."""
        for kept in saved_by(_operation_of(result)):
            if isinstance(kept, SavedTensor) and kept.is_output and kept.output_nr == result._output_nr:
                self._give_saved(kept, tangent)

    def _give_saved(self, kept: SavedTensor, tangent: Tensor) -> None:
        if isinstance(kept, PackedTensor):
            kept.give(self, tangent)
        else:
            self._keep(kept.tensor, tangent)


def _operation_of(tensor: Tensor) -> Any:
    """The node of the operation that made a tensor, or that wrote it last."""
    base = tensor._view.base if tensor._view is not None else None
    node = tensor._grad_fn if base is None else base._grad_fn
    return node.operation if isinstance(node, CopySlices) else tensor._grad_fn


def _shown(whole: Tensor, base: Tensor, view: Tensor) -> Tensor:
    """The part of a base's tangent that belongs to a view."""
    if view._view is not None and view._view.steps is not None and view._view.base is base:
        return remade(whole, view._view.steps)
    return functions.as_strided(whole, view._sizes, view._strides, view._offset)


def _laid_out_alike(tensor: Tensor, tangent: Tensor) -> bool:
    strides = zip(tensor._sizes, tensor._strides, tangent._strides, strict=True)
    return (
        all(n < 2 or a == b for n, a, b in strides)
        and tensor._offset == tangent._offset
        and _elements(tensor) == _elements(tangent)
    )


def _elements(tensor: Tensor) -> int:
    """How many elements the whole memory of a tensor holds."""
    return tensor._storage.nbytes() // tensor.dtype.itemsize


def _zeros_as(tensor: Tensor) -> Tensor:
    """Zeros of a tensor's dtype on as much memory, and laid out there, as the tensor."""
    whole = functions.zeros(
        max(_elements(tensor), layout.extent(tensor._sizes, tensor._strides)), dtype=tensor.dtype
    )
    whole._sizes, whole._strides, whole._offset = tensor._sizes, tensor._strides, tensor._offset
    return whole
