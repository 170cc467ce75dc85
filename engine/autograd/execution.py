"""Running backward: gradients flow from the roots to the leaves, each node once, later operations first."""

from __future__ import annotations

import contextlib
import heapq
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from engine import layout
from engine.autograd.anomaly import check_gradients, warn_of_error
from engine.autograd.modes import _State
from engine.autograd.node import AccumulateGrad, Edge, Node
from engine.dtypes import FLOAT

if TYPE_CHECKING:
    from engine.tensor import Tensor


Buffer = list[Any]
"""The gradients that wait for a node, by output."""


class GraphTask:
    """One backward pass: what it reaches, what of that runs, and the node that runs now."""

    __slots__ = ("__weakref__", "captured", "dependencies", "needed", "node", "roots")

    def __init__(
        self, roots: Sequence[Edge], dependencies: dict[int, int], needed: set[int] | None, captured: Any
    ) -> None:
        self.roots, self.dependencies, self.needed, self.captured = roots, dependencies, needed, captured
        self.node: Node | None = None

    def executes(self, node: Node) -> bool:
        """Whether the node gets a gradient. Raises RuntimeError for a leaf whose gradient was asked for."""
        if id(node) not in self.dependencies and all(root is not node for root, _ in self.roots):
            return False
        if isinstance(node, AccumulateGrad) and (id(node), 0) in self.captured:
            raise RuntimeError(
                "A leaf node was passed to _will_engine_execute_node but we are currently running autograd.grad(). This is "
                "currently not supported."
            )
        return self.needed is None or id(node) in self.needed


def run_backward(
    roots: Sequence[Edge],
    grads: Sequence[Tensor],
    *,
    keep_graph: bool,
    create_graph: bool,
    inputs: Sequence[Edge | None] = (),
    accumulate: bool = True,
) -> list[Tensor | None]:
    """Propagate `grads` from `roots`.

    Without `inputs`, every leaf that is reached accumulates. With them, only what leads to them is computed; they
    accumulate, or with `accumulate=False` their gradients are returned, None for one that was not reached.
    """
    wanted = {id(edge[0]) for edge in inputs if edge is not None} if inputs else None
    # What accumulates is not captured, too: a leaf takes over what nobody else holds.
    captured: dict[tuple[int, int], Any] = (
        {} if accumulate else {(id(edge[0]), edge[1]): None for edge in inputs if edge is not None}
    )
    accumulating = wanted if accumulate and wanted is not None else set()
    dependencies, needed = _survey([node for node, _ in roots], wanted)
    waiting: dict[int, Buffer] = {}
    ready: list[tuple[int, int, Node]] = []

    def deliver(edge: Edge, grad: Tensor) -> None:
        node, nr = edge
        buffer = waiting.get(id(node))
        if buffer is None:
            buffer = waiting[id(node)] = [None] * len(node._input_metadata)
        buffer[nr] = grad if buffer[nr] is None else buffer[nr] + grad

    queued: set[int] = set()
    grads = [
        _validated(grad, node, nr, None, index)
        for index, ((node, nr), grad) in enumerate(zip(roots, grads, strict=True))
    ]
    for node, _ in roots:
        if needed is not None and id(node) not in needed and len(roots) > 1:
            continue
        if dependencies.get(id(node), 0) == 0 and id(node) not in queued:
            queued.add(id(node))
            heapq.heappush(ready, (-node.sequence_nr, id(node), node))

    before = _State.grad, _State.task
    _State.grad, _State.task = create_graph, GraphTask(roots, dependencies, needed, captured)
    try:
        for root, grad in zip(roots, grads, strict=True):
            deliver(root, grad)
        while ready:
            node = heapq.heappop(ready)[2]
            buffer = waiting.pop(id(node), None) or [None] * len(node._input_metadata)
            with _watched(node) if _State.anomaly else _UNWATCHED:
                runs = _leads_on(node, needed, accumulating)
                if captured or node.tensor_hooks or node.retain_hooks:
                    _run_tensor_hooks(node, buffer, captured, capture_first=runs)
                if needed is not None and id(node) not in needed:
                    continue  # a single root that leads to no input: its hooks have run
                if runs:
                    _run_node(node, buffer, needed, accumulating, deliver, keep_graph)
            for edge in node.next_edges:
                if edge is not None:
                    target = edge[0]
                    left = dependencies[id(target)] = dependencies[id(target)] - 1
                    if left == 0 and (needed is None or id(target) in needed):
                        heapq.heappush(ready, (-target.sequence_nr, id(target), target))
    finally:
        _State.grad, _State.task = before
    return [None if edge is None else captured.get((id(edge[0]), edge[1])) for edge in inputs]


def _survey(roots: Sequence[Node], targets: set[int] | None) -> tuple[dict[int, int], set[int] | None]:
    """How many gradients each node waits for, and, given targets, which nodes lead to one."""
    dependencies: dict[int, int] = {}
    order: list[Node] = []
    seen: set[int] = set()
    stack = list(roots)
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        order.append(node)
        for edge in node.next_edges:
            if edge is not None:
                target = edge[0]
                dependencies[id(target)] = dependencies.get(id(target), 0) + 1
                stack.append(target)
    if targets is None:
        return dependencies, None
    needed = set(targets)
    # A node's inputs were made before it, except leaves, which need nothing: one pass from the oldest settles it.
    for node in sorted(order, key=lambda n: (not isinstance(n, AccumulateGrad), n.sequence_nr)):
        if any(edge is not None and id(edge[0]) in needed for edge in node.next_edges):
            needed.add(id(node))
    return dependencies, needed


def _leads_on(node: Node, needed: set[int] | None, accumulating: set[int]) -> bool:
    """Whether a node has to run: an input that is to accumulate runs like any, one that is only asked for does not."""
    if needed is None or id(node) in accumulating:
        return True
    return any(edge is not None and id(edge[0]) in needed for edge in node.next_edges)


def _run_tensor_hooks(
    node: Node, buffer: Buffer, captured: dict[tuple[int, int], Any], *, capture_first: bool
) -> None:
    """Tensor hooks may replace a gradient, then `retain_grad` keeps it.

    What `autograd.grad` asked for is captured before the hooks of a node that runs, after those of one that does not.
    """
    if capture_first:
        _capture(node, buffer, captured)
    for nr, hooks in node.tensor_hooks.items():
        for hook in list(hooks.values()):
            replaced = hook(buffer[nr])
            if replaced is not None:
                check_hook_result(buffer[nr], replaced, hook)
                buffer[nr] = replaced
    for nr, retain in node.retain_hooks.items():
        if buffer[nr] is not None:
            retain(buffer[nr])
    if not capture_first:
        _capture(node, buffer, captured)


def _capture(node: Node, buffer: Buffer, captured: dict[tuple[int, int], Any]) -> None:
    for nr, grad in enumerate(buffer):
        if (id(node), nr) in captured:
            captured[(id(node), nr)] = grad


def check_hook_result(grad: Tensor | None, replaced: Any, hook: Any) -> None:
    """Raise unless what a hook returned can take the place of a gradient."""
    if replaced is grad:
        return
    if grad is None:
        raise RuntimeError("can't replace a None gradient with a non-None value")
    if not hasattr(type(replaced), "_is_engine_tensor"):
        raise TypeError(f"expected Variable, but hook returned '{type(replaced).__name__}'")
    name = getattr(hook, "__name__", "hook")
    if replaced._sizes != grad._sizes:
        raise RuntimeError(f"hook '{name}' has changed the size of value")
    if replaced.dtype is not grad.dtype:
        raise RuntimeError(
            f"hook '{name}' has changed the type of value (was {grad.type()} got {replaced.type()})"
        )


def _check_tuple(values: tuple[Any, ...], replaced: Any, hook: Any) -> None:
    """Raise unless what a hook of a node returned can take the place of its gradients."""
    if not isinstance(replaced, tuple):
        raise TypeError(f"expected tuple, but hook returned '{type(replaced).__name__}'")
    if len(replaced) != len(values):
        raise RuntimeError(
            f"hook '{getattr(hook, '__name__', 'hook')}' has returned an incorrect number of values (got {len(replaced)}, but "
            f"expected {len(values)})"
        )
    for grad, made in zip(values, replaced, strict=True):
        if made is not None:
            check_hook_result(grad, made, hook)


def _run_pre_hooks(node: Node, buffer: Buffer) -> None:
    for hook in list((node.pre_hooks or {}).values()):
        values = tuple(buffer)
        replaced = hook(values)
        if replaced is not None and replaced is not values:
            _check_tuple(values, replaced, hook)
            buffer[:] = replaced


def _run_post_hooks(node: Node, outputs: list[Any], grads: tuple[Any, ...]) -> list[Any]:
    for hook in list((node.post_hooks or {}).values()):
        values = tuple(outputs)
        replaced = hook(values, grads)
        if replaced is not None:
            _check_tuple(values, replaced, hook)
            outputs = list(replaced)
    return outputs


def _run_node(
    node: Node,
    buffer: Buffer,
    needed: set[int] | None,
    accumulating: set[int],
    deliver: Any,
    keep_graph: bool,
) -> None:
    """Run one node between its hooks, and hand its gradients on to where they are wanted."""
    if node.pre_hooks:
        _run_pre_hooks(node, buffer)
    seen = tuple(buffer) if node.post_hooks else ()
    outputs: list[Any] = []
    if isinstance(node, AccumulateGrad):
        grad = buffer.pop()
        if grad is not None and (needed is None or id(node) in accumulating):
            # As in torch, what nobody else holds may be taken over: there are the name `grad` and the argument here, and what
            # the hooks will see.
            owned = sys.getrefcount(grad) == 2 + len(seen)
            node.accumulate(grad, owned=owned)
        if node.variable._post_accumulate_hooks:
            node.run_leaf_hooks()
    else:
        _State.task.node = node
        given = node.apply(buffer)
        for i, (edge, grad) in enumerate(zip(node.next_edges, given, strict=True)):
            wanted = needed is None or node.is_function or (edge is not None and id(edge[0]) in needed)
            if edge is None or grad is None or not wanted:
                outputs.append(None)
            else:
                outputs.append(_validated(grad, edge[0], edge[1], node, i))
    if node.post_hooks:
        outputs = _run_post_hooks(node, outputs, seen)
    if not keep_graph:
        node.release()
    if _State.anomaly and _State.check_nan:
        check_gradients(node, outputs)
    for edge, grad in zip(node.next_edges, outputs, strict=False):
        if edge is not None and grad is not None and (needed is None or id(edge[0]) in needed):
            deliver(edge, grad)


@contextlib.contextmanager
def _watched(node: Node) -> Iterator[None]:
    """With anomaly detection: what is made meanwhile has this node as its parent, and an error is told with where it was made."""
    before, _State.evaluating = _State.evaluating, node
    try:
        yield
    except Exception:
        warn_of_error(node)
        raise
    finally:
        _State.evaluating = before


_UNWATCHED = contextlib.nullcontext()


def _validated(grad: Tensor, node: Node, nr: int, producer: Node | None, index: int) -> Tensor:
    """A gradient in the shape and dtype of what it belongs to: summed over broadcast dimensions, then cast.

    producer: the node that it comes from, None for one that backward was given.
    """
    sizes, dtype = node._input_metadata[nr]
    if grad._sizes != sizes:
        if not _expandable(sizes, grad._sizes):
            name = "GraphRoot" if producer is None else producer.name()
            raise RuntimeError(
                f"Function {name} returned an invalid gradient at index {index} - got {list(grad._sizes)} but "
                f"expected shape compatible with {list(sizes)}"
            )
        grad = sum_to_size(grad, sizes)
    if dtype is not None and grad.dtype is not dtype:
        leaf = node.variable if isinstance(node, AccumulateGrad) else None
        chosen = (
            leaf is not None and leaf.dtype.is_complex
        )  # the dtype of the gradient, which a cast warns of
        if dtype.category < FLOAT:
            raise RuntimeError(
                "isDifferentiableType(grad.scalar_type()) INTERNAL ASSERT FAILED, please report a bug to PyTorch. "
            )
        grad = grad.to(dtype) if chosen else in_dtype(grad, dtype)
    return grad


def in_dtype(grad: Tensor, dtype: Any) -> Any:
    """A gradient of what has a dtype in that dtype; of what is real, the real part."""
    real: Any = grad.real if grad.dtype.is_complex and not dtype.is_complex else grad
    return real.to(dtype)


def _expandable(sizes: layout.Shape, target: layout.Shape) -> bool:
    if len(sizes) > len(target):
        return False
    return all(a in (1, b) for a, b in zip(reversed(sizes), reversed(target), strict=False))


def sum_to_size(grad: Tensor, sizes: layout.Shape) -> Tensor:
    """Sum over the dimensions along which `sizes` would be broadcast to the gradient's shape."""
    if not sizes:
        return grad.sum()
    if grad._sizes == sizes:
        return grad
    lead = len(grad._sizes) - len(sizes)
    dims = [*range(lead), *(i + lead for i, n in enumerate(sizes) if n == 1 and grad._sizes[i + lead] != 1)]
    if dims:
        grad = grad.sum(dims, keepdim=True)
    return grad.view(sizes) if lead > 0 else grad
