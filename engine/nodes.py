"""The node of an operation from the registry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from engine import dtypes, functions
from engine.autograd.modes import _State
from engine.autograd.node import BACKWARD_TWICE, Node, gradient_edge
from engine.autograd.saved import RawSavedTensor, SavedTensor, save
from engine.registry import Op
from engine.tensor import Tensor


class OpNode(Node):
    """The node of an operation from the registry: runs the record's formulas on what was saved."""

    op: Op

    def __init__(
        self, values: list[Any], inplace: bool, edge: Callable[[Tensor], Any] = gradient_edge
    ) -> None:
        op = self.op
        edges: list[Any] = []
        self.spans: dict[str, tuple[int, int | None]] = {} if op.spans is None else op.spans
        for name, position in op.differentiable:
            value = values[position]
            if op.spans is None:
                self.spans[name] = (len(edges), len(value) if isinstance(value, list) else None)
            if isinstance(value, list):
                edges.extend(edge(t) for t in value)
            else:
                edges.append(edge(value) if isinstance(value, Tensor) else None)
        Node.__init__(self, edges)
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
                    self.saved[want] = save(kept)
                else:
                    self.context[want] = None
            elif position in op.number_operands and not isinstance(value, list) and value is not None:
                # torch wraps a number in a tensor to save it, so that a freed graph refuses to be used again.
                if guard is None or self._wanted(op.formulas[guard][0]):
                    self.saved[want] = value
                else:
                    self.context[want] = None
            elif isinstance(value, (list, tuple)) and any(isinstance(t, Tensor) for t in value):
                self.saved[want] = [save(t) if isinstance(t, Tensor) else t for t in value]
            else:
                self.context[want] = value

    def __getattr__(self, name: str) -> Any:
        """What was saved of an operand, option or result: `_saved_exponent`; `_raw_saved_self` takes hooks for a tensor.

        Source: https://docs.pytorch.org/docs/stable/notes/autograd.html#saved-tensors
        """
        prefix, _, want = name.partition("saved_")
        want = "input" if want == "self" else want
        tensors = {w for w, *_ in (*self.op.saved_inputs, *self.op.saved_outputs)}
        if prefix == "_" and want in tensors:
            if self.saved is None:
                raise RuntimeError(BACKWARD_TWICE)
            kept = self.saved.get(want, self.context.get(want))
            return (
                tuple(_unpacked(k, self) for k in kept) if isinstance(kept, list) else _unpacked(kept, self)
            )
        if prefix == "_raw_" and want in tensors and want not in self.op.number_operands:
            return RawSavedTensor(self, "saved", want)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def _wanted(self, names: Sequence[str], needed: set[int] | None = None) -> bool:
        """Whether one of these operands has an edge, to a node among the needed if those are given."""
        for name in names:
            start, count = self.spans[name]
            for i in range(start, start + (1 if count is None else count)):
                edge = self.next_edges[i]
                if edge is not None and (needed is None or id(edge[0]) in needed):
                    return True
        return False

    def save_outputs(self, results: Sequence[Tensor]) -> None:
        """Save the outputs that the formulas use, once they exist."""
        assert self.saved is not None
        for want, index in self.op.saved_outputs:
            made = results[index]  # indices have no history, so they are kept as they are
            self.saved[want] = save(made, self if made.dtype.category >= dtypes.FLOAT else None)

    def release(self) -> None:
        if self.saved:
            self.saved = None

    def apply(self, grads: list[Tensor | None]) -> Sequence[Tensor | None]:
        if self.saved is None:
            raise RuntimeError(BACKWARD_TWICE)
        if self.op.node_name == "NotImplemented":  # refuses whatever is asked of it, and looks at nothing
            for _, formula, wants in self.op.formulas:
                formula(*(None for _ in wants))
        out: list[Tensor | None] = [None] * len(self.next_edges)
        known = dict(self.context)
        for want, saved in self.saved.items():
            if isinstance(saved, list):
                known[want] = [_unpacked(s, self) for s in saved]
            else:
                known[want] = saved.unpack(self) if isinstance(saved, SavedTensor) else saved
        if grads[0] is None and all(g is None for g in grads):  # what was saved is looked at all the same
            return out
        known["grad"] = grads[0]
        task = _State.task
        needed = task.needed if task is not None and task.node is self else None
        for inputs, formula, wants in self.op.formulas:
            if not self._wanted(inputs, needed):
                continue
            if "grads" in wants or grads[0] is None:
                known["grads"] = [
                    functions.zeros(sizes, dtype=d) if g is None else g
                    for g, (sizes, d) in zip(grads, self._input_metadata, strict=True)
                ]
                known["grad"] = known["grads"][0]
            if "given_grads" in wants:
                known["given_grads"] = grads
            if "needs" in wants:
                known["needs"] = tuple(self._wanted([name], needed) for name in inputs)
            used, layer = [known[want] for want in wants], _State.forward
            got = formula(*used) if layer is None else layer.each(formula, used)
            for name, gradient in zip(inputs, got if len(inputs) > 1 else (got,), strict=True):
                start, count = self.spans[name]
                if count is None:
                    out[start] = gradient
                elif gradient is not None:
                    out[start : start + count] = gradient
        return out


def _unpacked(saved: Any, node: Node) -> Any:
    return saved.unpack(node) if isinstance(saved, SavedTensor) else saved
