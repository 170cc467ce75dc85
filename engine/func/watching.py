"""What a transform forbids its function: writes to what it was not given, and, in a map, random numbers and moving shapes.

Source: https://docs.pytorch.org/docs/stable/func.ux_limitations.html
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

from engine.autograd.levels import Layer
from engine.autograd.modes import _State
from engine.call import _tensors
from engine.registry import VIEW, Op
from engine.tensor import Tensor

_DYNAMIC = frozenset(("nonzero", "masked_select", "unique", "unique_consecutive", "argwhere"))


class Watch(Layer):
    """Runs a function of a transform: knows which tensors were made within."""

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
        made = super().run(op, values, inplace, out)
        if self._is_within(op, tensors):
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

    def _is_within(self, op: Op, tensors: list[Tensor]) -> bool:
        """Whether what an operation makes is made within: all but views of what was there before."""
        return not (op.kind == VIEW or op.name == "detach") or any(map(self.knows, tensors))


class BatchWatch(Watch):
    """Runs a function of a map: knows which tensors depend on the example."""

    def __init__(self, given: Iterable[Tensor], randomness: str) -> None:
        super().__init__(given)
        self._randomness = randomness

    def _check(self, op: Op, tensors: list[Tensor], inplace: bool) -> None:
        if op.family == "random" and self._randomness == "error":
            raise RuntimeError(
                "vmap: called random operation while in randomness error mode. Please either use the 'same' or 'different' "
                "randomness flags on vmap or perform the randomness operation out of vmap"
            )
        mapped = any(map(self.knows, tensors))
        if mapped and op.name == "item":
            raise RuntimeError(
                "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over calling .item() on a Tensor, "
                "please try to rewrite what you're doing with other operations. If error is occurring somewhere inside PyTorch "
                "internals, please file a bug report."
            )
        if mapped and op.name in _DYNAMIC:
            raise RuntimeError(
                "vmap: We do not support batching operators that can output dynamic shape. Attempted to vmap over "
                f"aten::{op.name}. Please file an issue at https://github.com/pytorch/pytorch/issues if you need this feature."
            )
        if mapped and inplace and not self.knows(tensors[0]):
            raise RuntimeError(
                "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a Tensor `other` in "
                "extra_args that has more elements than `self`. This happened due to `other` being vmapped over but `self` not "
                "being vmapped over in a vmap. Please try to use out-of-place operators instead of inplace arithmetic. If said "
                "operator is being called inside the PyTorch framework, please file a bug report instead."
            )

    def _is_within(self, op: Op, tensors: list[Tensor]) -> bool:
        return any(map(self.knows, tensors))
