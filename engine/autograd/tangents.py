"""What an operation makes of its operands' tangents.

A record may say so itself (`Op.tangent`): by a formula, or by being linear, so that the tangents go where the operands went.
An elementwise operation's derivative is what backward multiplies by, applied to the tangent instead of a gradient. All
others need no formula: what backward makes of a gradient is linear in it, and its own backward, fed with the tangents of
the operands, is the tangent of the result.

Source: https://docs.pytorch.org/docs/stable/notes/autograd.html#complex-autograd-doc
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from engine import functions
from engine.autograd import grad
from engine.autograd.modes import enable_grad
from engine.autograd.saved import without_hooks
from engine.call import run
from engine.dtypes import FLOAT
from engine.nodes import OpNode
from engine.registry import LINEAR, POINTWISE, Op
from engine.tensor import Tensor

Tangents = Sequence[Tensor | None]

_SELF_ADJOINT = frozenset(("sgn",))
"""Elementwise operations on complex numbers that are no functions of one complex variable, but symmetric as real ones."""


def row(op: Op, values: list[Any]) -> list[Any]:
    """The differentiable operands, those in lists too, as a node has its edges."""
    found: list[Any] = []
    for _, position in op.differentiable:
        found += values[position] if isinstance(values[position], list) else [values[position]]
    return found


class Pushforward:
    """The derivative of one call of an operation, as a function of the tangents of its operands."""

    def __init__(self, node: OpNode, values: list[Any], results: list[Tensor], recorded: bool) -> None:
        self._op, self._node = node.op, node
        self._values, self._results = values, results
        self._recorded = recorded
        self._gradients: list[Tensor | None] | None = None
        self._weights: list[Tensor | None] = []

    def __call__(self, tangents: Tangents) -> list[Tensor | None]:
        """The tangents of the results, None for those that do not depend on operands with tangents."""
        if all(t is None for t in tangents) or all(t.dtype.category < FLOAT for t in self._results):
            return [None] * len(self._results)
        op = self._op
        if op.tangent == LINEAR:
            return self._laid_out(run(op, self._replaced(tangents)))
        if op.tangent is not None:
            return self._laid_out(self._formula(tangents))
        if op.kind == POINTWISE and self._results[0].dtype.category >= FLOAT:
            return [self._elementwise(tangents)]
        return self._transposed(tangents)

    def depends(self) -> list[bool]:
        """Which operands the derivatives depend on: that of sign does on none."""
        return [g is not None and g.requires_grad for g in self._of_weights()]

    def _replaced(self, tangents: Tangents) -> list[Any]:
        """The values of the call with tangents for operands."""
        given, rest = list(self._values), iter(tangents)

        def pick(value: Any) -> Any:
            tangent = next(rest)
            return tangent if tangent is not None else functions.zeros_like(value)

        for _, position in self._op.differentiable:
            value = given[position]
            given[position] = [pick(t) for t in value] if isinstance(value, list) else pick(value)
        return given

    def _formula(self, tangents: Tangents) -> Any:
        known = dict(zip((p.name for p in self._op.signature.parameters), self._values, strict=True))
        known |= zip(self._op.signature.outputs or ("result",), self._results, strict=True)
        known |= {f"{name}_t": t for (name, _), t in zip(self._op.differentiable, tangents, strict=True)}
        return self._op.tangent(*[known[want] for want in self._op.tangent_wants])  # type: ignore[misc, operator]

    def _laid_out(self, made: Any) -> list[Tensor | None]:
        """Tangents in the dtypes and shapes of the results, which operands without a tangent may have decided."""
        found: list[Tensor | None] = []
        for t, result in zip(made if isinstance(made, tuple) else (made,), self._results, strict=True):
            if result.dtype.category < FLOAT:
                t = None
            if t is not None:
                t = t if t.dtype is result.dtype else t.to(result.dtype)
                t = t if t._sizes == result._sizes else t.expand(result._sizes).clone()
            found.append(t)
        return found

    def _elementwise(self, tangents: Tangents) -> Tensor | None:
        result, node, edges = self._results[0], self._node, self._node.next_edges
        adjoint = result.dtype.is_complex and self._op.name in _SELF_ADJOINT
        parts: list[Tensor] = []
        for place, tangent in reversed(list(enumerate(tangents))):  # torch's C++ computes a sum from its end
            if tangent is None:
                continue
            if tangent.dtype is not result.dtype and (
                result.dtype.is_complex or not tangent.dtype.is_complex
            ):
                tangent = tangent.to(result.dtype)
            given: Any = tangent
            given = given if given._sizes == result._sizes else given.expand(result._sizes)
            node.next_edges = [edge if k == place else None for k, edge in enumerate(edges)]
            part = node.apply([given if adjoint else _conjugate(given)])[place]
            node.next_edges = edges
            if part is None:
                continue
            part = part if adjoint else _conjugate(part)
            part = functions.real(part) if part.dtype.is_complex and not result.dtype.is_complex else part
            parts.insert(0, part)
        return functools.reduce(functions.add, parts) if parts else None

    def _of_weights(self) -> list[Tensor | None]:
        """What backward makes of gradients that require grad."""
        if self._gradients is None:
            # Where they lie does not matter to what is linear in them; but some formulas take logarithms.
            with enable_grad(), nullcontext() if self._recorded else without_hooks():
                self._weights = [
                    functions.ones_like(t, requires_grad=True) if t.dtype.category >= FLOAT else None
                    for t in self._results
                ]
                self._gradients = list(self._node.apply(list(self._weights)))
        return self._gradients

    def _transposed(self, tangents: Tangents) -> list[Tensor | None]:
        pairs = [
            (g, _fitted(t, g))
            for g, t in zip(self._of_weights(), tangents, strict=True)
            if g is not None and g.requires_grad and t is not None
        ]
        asked = [w for w in self._weights if w is not None]
        if not pairs or not asked:
            return [None] * len(self._weights)
        found = iter(
            grad(
                [g for g, _ in pairs], asked, [v for _, v in pairs], create_graph=self._recorded,
                retain_graph=True, allow_unused=True,
            )
        )  # fmt: skip
        return [None if w is None else next(found) for w in self._weights]


def _conjugate(tensor: Tensor) -> Tensor:
    return functions.conj(tensor) if tensor.dtype.is_complex else tensor


def _fitted(tangent: Tensor, gradient: Tensor) -> Tensor:
    """A tangent as an operand's broadcast and cast form has it, which is what a formula makes gradients for."""
    if tangent.dtype is not gradient.dtype:
        if tangent.dtype.is_complex and not gradient.dtype.is_complex:
            tangent = functions.real(tangent)
        tangent = tangent.to(gradient.dtype)
    return tangent if tangent._sizes == gradient._sizes else tangent.expand(gradient._sizes)
