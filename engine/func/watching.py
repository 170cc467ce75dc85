"""What a transform forbids its function: writes to what it was not given, and, in a map, random numbers and moving shapes.

Source: https://docs.pytorch.org/docs/stable/func.ux_limitations.html
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from engine.autograd.batched import Batch
from engine.autograd.function import Function
from engine.autograd.levels import Layer, at
from engine.autograd.modes import _State
from engine.call import _tensors
from engine.func.trees import flatten
from engine.registry import COMPOSITE, VIEW, Op
from engine.tensor import Tensor

if TYPE_CHECKING:
    from engine.func.lockstep import Lockstep

_DYNAMIC = frozenset(("nonzero", "masked_select", "unique", "unique_consecutive", "argwhere"))


class Watch(Layer):
    """Runs a function of a transform: knows which tensors were made within."""

    transforms = True

    def __init__(self, given: Iterable[Tensor] = ()) -> None:
        super().__init__(_State.forward)
        self._inside: dict[int, weakref.ref] = {}
        for tensor in given:
            self._add(tensor)

    def __enter__(self) -> None:
        _State.forward = self

    def __exit__(self, *error: object) -> None:
        _State.forward = self.below

    def knows(self, tensor: Tensor) -> bool:
        """Whether a tensor was made within."""
        held = self._inside.get(id(tensor))
        return held is not None and held() is tensor

    def _add(self, made: Any) -> None:
        for tensor in made if isinstance(made, (tuple, list)) else [made]:
            if isinstance(tensor, Tensor):
                self._inside[id(tensor)] = weakref.ref(tensor)

    def run(self, op: Op, values: list[Any], inplace: bool, out: Any) -> Any:
        tensors = _tensors(op, values)
        self._check(op, tensors, inplace)
        if out is not None:
            self._check_out(op, [*tensors, *(out if isinstance(out, (tuple, list)) else [out])])
        made = super().run(op, values, inplace, out)
        if (
            op.kind == COMPOSITE and out is None
        ):  # of which the layers below have seen the steps, if there are any
            self.notice(op, tensors, made)
        elif self._is_within(op, tensors):
            self._add(made)
        return made

    def notice(self, op: Op, tensors: list[Tensor], made: Any) -> None:
        if self._is_within(op, tensors):
            self._add(made)
        super().notice(op, tensors, made)

    def apply(self, function: Any, args: tuple[Any, ...]) -> Any:
        made = super().apply(function, args)
        self._add(made)
        return made

    def _check(self, op: Op, tensors: list[Tensor], inplace: bool) -> None:
        if inplace and not self.knows(tensors[0]):
            name = op.name.rstrip("_")
            raise RuntimeError(
                "During a grad (vjp, jvp, grad, etc) transform, the function provided attempted to call in-place operation "
                f"(aten::{name}_.Tensor) that would mutate a captured Tensor. This is not supported; please rewrite the function "
                "being transformed to explicitly accept the mutated Tensor(s) as inputs."
            )

    def _check_out(self, op: Op, tensors: list[Any]) -> None:
        """Raise where an `out=` form is forbidden."""

    def _is_within(self, op: Op, tensors: list[Tensor]) -> bool:
        """Whether what an operation makes is made within: all but views of what was there before."""
        return not (op.kind == VIEW or op.name == "detach") or any(map(self.knows, tensors))


class BatchWatch(Watch):
    """Runs a function of a map for one example: knows which tensors depend on it.

    given: what of the arguments is mapped, with the tensor of all examples and the mapped dimension.
    """

    def __init__(
        self, given: Sequence[tuple[Tensor, Tensor, int]], randomness: str, lockstep: Lockstep
    ) -> None:
        super().__init__([example for example, *_ in given])
        self._given = given
        self.randomness = randomness
        self._lockstep = lockstep

    def whole(self, tensor: Tensor) -> tuple[Tensor, int] | None:
        """The tensor of all examples that an argument was taken from, and the mapped dimension."""
        return next(((t, dim) for example, t, dim in self._given if example is tensor), None)

    def apply(self, function: Any, args: tuple[Any, ...]) -> Any:
        check_rule(function)
        if not any(isinstance(t, Tensor) and self.knows(t) for t in args):
            return Layer.apply(self, function, args)
        if function.generate_vmap_rule:
            return super().apply(function, args)
        with at(self.below):
            made, mapped = self._lockstep.call(self, function, args)
        for t, own in zip(flatten(made)[0], mapped, strict=True):
            if own:
                self._add(t)
        return made

    def _check(self, op: Op, tensors: list[Tensor], inplace: bool) -> None:
        mapped = any(map(self.knows, tensors))
        refuse_in_map(op, self.randomness, mapped, mapped and inplace and not self.knows(tensors[0]))

    def _check_out(self, op: Op, tensors: list[Any]) -> None:
        if any(map(self.knows, tensors)):
            raise RuntimeError(
                f"Batching rule not implemented for aten::{op.name}.out; the fallback path doesn't work on out= or view ops."
            )

    def _is_within(self, op: Op, tensors: list[Tensor]) -> bool:
        return any(map(self.knows, tensors))


def refuse_in_map(op: Op, randomness: str, mapped: bool, widens: bool) -> None:
    """Raise RuntimeError for what a map cannot run. mapped: on what differs by example; widens: in place on what does not."""
    if op.family == "random" and randomness == "error":
        raise RuntimeError(
            "vmap: called random operation while in randomness error mode. Please either use the 'same' or 'different' "
            "randomness flags on vmap or perform the randomness operation out of vmap"
        )
    if mapped and op.name == "item":
        raise RuntimeError(
            "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over calling .item() on a Tensor, "
            "please try to rewrite what you're doing with other operations. If error is occurring somewhere inside PyTorch "
            "internals, please file a bug report."
        )
    if mapped and op.name == "is_nonzero":
        raise RuntimeError(
            "vmap: It looks like you're attempting to use a Tensor in some data-dependent control flow. We don't support "
            "that yet, please file an issue at https://github.com/pytorch/pytorch/issues ."
        )
    if mapped and op.name in _DYNAMIC:
        raise RuntimeError(
            "vmap: We do not support batching operators that can output dynamic shape. Attempted to vmap over "
            f"aten::{op.name}. Please file an issue at https://github.com/pytorch/pytorch/issues if you need this feature."
        )
    if widens:
        raise RuntimeError(
            "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a Tensor `other` in "
            "extra_args that has more elements than `self`. This happened due to `other` being vmapped over but `self` not "
            "being vmapped over in a vmap. Please try to use out-of-place operators instead of inplace arithmetic. If said "
            "operator is being called inside the PyTorch framework, please file a bug report instead."
        )


class MappedBatch(Batch):
    """The rows of a Jacobian, which a map computes."""

    def _check(self, op: Op, operands: list[Tensor], depends: bool, inplace: bool) -> None:
        refuse_in_map(op, "error", depends, depends and inplace and not self.knows(operands[0]))


_MORE = " For more details, please see https://pytorch.org/docs/main/notes/extending.func.html"


def check_rule(function: Any) -> None:
    """Raise RuntimeError for a Function that does not say how it is mapped, or says it twice."""
    own, name = function.vmap is not Function.vmap, function.__name__
    if own and function.generate_vmap_rule:
        raise RuntimeError(
            f"You tried to vmap over {name}, but it has both generate_vmap_rule=True and an overridden vmap staticmethod. Please "
            f"set generate_vmap_rule=False or delete the overridden vmap staticmethod to avoid ambiguity.{_MORE}"
        )
    if not own and not function.generate_vmap_rule:
        raise RuntimeError(
            f"You tried to vmap over {name}, but it does not have vmap support. Please override and implement the vmap "
            f"staticmethod or set generate_vmap_rule=True.{_MORE}"
        )


class Backward(Layer):
    """Runs the backward pass of a transform."""

    transforms = True

    def __init__(self) -> None:
        super().__init__(_State.forward)


class Columns(Layer):
    """Runs what computes a Jacobian by columns, which torch does in a map over them."""

    transforms = True

    def apply(self, function: Any, args: tuple[Any, ...]) -> Any:
        check_rule(function)
        return super().apply(function, args)
