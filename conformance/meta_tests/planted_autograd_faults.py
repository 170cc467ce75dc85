"""Faults in autograd and aliasing, as an author of a library would make them, each planted in a copy of the engine.

python -m conformance run --profile autograd --candidate conformance.meta_tests.planted_autograd_faults:hooks_reversed
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from conformance.meta_tests.planting import Change, Fault, everywhere, registering

FAULTS: dict[str, Fault] = {}
fault = registering(FAULTS)


# --- Aliasing and versions --------------------------------------------------------------------------------------------


@fault
def detached_counts_apart(engine: Any) -> Iterator[Change]:
    """`detach` starts a version counter of its own, as `.data` does."""
    old = engine.Tensor.detach

    def detach(self: Any) -> Any:
        made = old(self)
        if made._counter is not None:
            made._counter = engine.storage.VersionCounter()
        return made

    (op,) = engine.registry.OPS["detach"]
    yield op, "kernel", detach
    yield engine.Tensor, "detach", detach


@fault
def saved_unchecked(engine: Any) -> Iterator[Change]:
    """Backward uses what was saved, whether or not it was overwritten since."""
    saved = engine.autograd.saved.SavedTensor
    old = saved.unpack

    def unpack(self: Any, node: Any) -> Any:
        self.version = self.counter.value
        return old(self, node)

    yield saved, "unpack", unpack


@fault
def overlap_written(engine: Any) -> Iterator[Change]:
    """Expanded memory may be written."""
    old = engine.writes.check_memory

    def check_memory(rules: Any, *more: Any) -> None:
        old(rules - {"internal"}, *more)

    yield from everywhere(engine, "check_memory", old, check_memory)


@fault
def numpy_that_copies(engine: Any) -> Iterator[Change]:
    """`numpy()` gives memory of its own."""
    (op,) = engine.registry.OPS["numpy"]
    old = op.kernel
    yield op, "kernel", lambda *given: old(*given).copy()


@fault
def leaf_written(engine: Any) -> Iterator[Change]:
    """A leaf that requires grad may be written in place."""
    old = engine.writes.check_inplace

    def check_inplace(target: Any, recorded: bool) -> None:
        leaf = target.requires_grad and target.is_leaf and target._view is None
        old(target, recorded and not leaf)

    yield from everywhere(engine, "check_inplace", old, check_inplace)


# --- History rewriting ------------------------------------------------------------------------------------------------


@fault
def stale_base(engine: Any) -> Iterator[Change]:
    """Arithmetic in place on a view leaves the history that its base has."""
    old = engine.writes.rebase_history

    def rebase_history(target: Any, node: Any) -> None:
        view = target._view
        computes = getattr(type(node), "op", None) is not None and node.op.kind == engine.registry.POINTWISE
        if view is None or view.base.grad_fn is None or not computes:
            return old(target, node)
        node._input_metadata.append((target._sizes, target.dtype))
        target._set_history(node, 0)
        view.version = target._counter.value
        return None

    yield from everywhere(engine, "rebase_history", old, rebase_history)


@fault
def rest_of_base_lost(engine: Any) -> Iterator[Change]:
    """After arithmetic in place on a view, the gradient of what the view does not show is lost."""
    slices = engine.autograd.node.CopySlices
    old = slices.apply

    def apply(self: Any, grads: Any) -> Any:
        computes = getattr(self.operation, "op", None)
        made = old(self, grads)
        pointwise = computes is not None and computes.kind == engine.registry.POINTWISE
        if made[0] is None or self.steps is not None or not pointwise:
            return made
        (sizes, strides, offset), (view_sizes, view_strides, view_offset) = self.base_layout, self.view_layout
        only = made[0].new_empty_strided(sizes, strides).zero_()
        for_view = (view_sizes, view_strides, view_offset - offset)
        only.as_strided(*for_view).copy_(made[0].as_strided(*for_view))
        return [only, *made[1:]]

    yield slices, "apply", apply


@fault
def parts_written(engine: Any) -> Iterator[Change]:
    """Views that came in a tuple may be written in place."""
    info = engine.history.ViewInfo
    old = info.check_rewritable

    def check_rewritable(self: Any, view: Any, *, indirect: bool) -> None:
        if self.made_in != info.MULTI_OUTPUT:
            old(self, view, indirect=indirect)

    yield info, "check_rewritable", check_rewritable


@fault
def unrecorded_view_written(engine: Any) -> Iterator[Change]:
    """A view that was made in `no_grad` may be written where writes are recorded."""
    info = engine.history.ViewInfo
    old = info.check_rewritable

    def check_rewritable(self: Any, view: Any, *, indirect: bool) -> None:
        if self.made_in != info.NO_GRAD:
            old(self, view, indirect=indirect)

    yield info, "check_rewritable", check_rewritable


@fault
def leaf_view_written(engine: Any) -> Iterator[Change]:
    """A view of a leaf that requires grad may be written in place."""
    old = engine.writes.check_inplace

    def check_inplace(target: Any, recorded: bool) -> None:
        view = target._view
        of_leaf = view is not None and view.base.requires_grad and view.base.is_leaf
        old(target, recorded and not of_leaf)

    yield from everywhere(engine, "check_inplace", old, check_inplace)


# --- Backward pass ----------------------------------------------------------------------------------------------------


@fault
def grad_in_new_memory(engine: Any) -> Iterator[Change]:
    """A second gradient makes a new `.grad`, where it should be added to the one that is there."""
    node = engine.autograd.node.AccumulateGrad
    old = node.accumulate

    def accumulate(self: Any, grad: Any, *, owned: bool) -> None:
        variable = self.variable
        if variable._grad is not None and variable.requires_grad:
            variable._grad = variable._grad.clone()
        old(self, grad, owned=owned)

    yield node, "accumulate", accumulate


@fault
def unused_allowed(engine: Any) -> Iterator[Change]:
    """`autograd.grad` gives None for an input that was not used, also where that is not allowed."""
    old = engine.autograd.grad

    def grad(*given: Any, **more: Any) -> Any:
        if not more.get("materialize_grads"):
            more["allow_unused"] = True
        return old(*given, **more)

    yield engine.autograd, "grad", grad


@fault
def unmaterialized(engine: Any) -> Iterator[Change]:
    """`materialize_grads=True` gives None for an input that was not used."""
    old = engine.autograd.grad

    def grad(*given: Any, materialize_grads: bool = False, **more: Any) -> Any:
        if materialize_grads and more.get("allow_unused") is None:
            more["allow_unused"] = True
            materialize_grads = False
        return old(*given, materialize_grads=materialize_grads, **more)

    yield engine.autograd, "grad", grad


@fault
def repeated_root_once(engine: Any) -> Iterator[Change]:
    """A root that is given twice counts once."""
    old = engine.autograd.execution.run_backward

    def run_backward(roots: Any, grads: Any, **more: Any) -> Any:
        once: dict[Any, Any] = {}
        for root, grad in zip(roots, grads, strict=True):
            once[root] = grad.clone() if root in once else grad
        return old(list(once), list(once.values()), **more)

    yield from everywhere(engine, "run_backward", old, run_backward)


@fault
def inputs_ignored(engine: Any) -> Iterator[Change]:
    """`backward` accumulates into all leaves, whichever `inputs` it is given."""
    old = engine.autograd.backward

    def backward(*given: Any, inputs: Any = None, **more: Any) -> None:
        old(*given[:5], **more)

    yield from everywhere(engine, "backward", old, backward)


@fault
def first_row_for_all(engine: Any) -> Iterator[Change]:
    """`is_grads_batched` takes the first gradient of a batch for every one."""
    batched = engine.autograd.batched
    old = batched.batched_gradients

    def batched_gradients(gradients: Any, grads: Any) -> Any:
        alike = [g if g is None or not g.dim() else g[:1].expand(g.shape) for g in grads]
        return old(gradients, alike)

    yield batched, "batched_gradients", batched_gradients


# --- Hooks ------------------------------------------------------------------------------------------------------------


@fault
def hooks_reversed(engine: Any) -> Iterator[Change]:
    """The hook of a tensor that was registered last runs first."""
    execution = engine.autograd.execution
    old = execution._run_tensor_hooks

    def run(node: Any, *more: Any, **options: Any) -> None:
        hooks = node.tensor_hooks
        node.tensor_hooks = {nr: dict(reversed(list(own.items()))) for nr, own in hooks.items()}
        try:
            old(node, *more, **options)
        finally:
            node.tensor_hooks = hooks

    yield execution, "_run_tensor_hooks", run


@fault
def removed_hook_runs(engine: Any) -> Iterator[Change]:
    """A hook of a tensor that was removed runs all the same."""
    old = engine.Tensor.register_hook

    def register_hook(self: Any, hook: Any) -> Any:
        handle = old(self, hook)
        handle.remove = lambda: None
        return handle

    yield engine.Tensor, "register_hook", register_hook


@fault
def retained_grad_lost(engine: Any) -> Iterator[Change]:
    """`retain_grad` is forgotten by a tensor that is written in place."""

    def set_history(self: Any, node: Any, output_nr: int) -> None:
        before = self._grad_fn
        if self._retains and before is not None:
            before.retain_hooks.pop(self._output_nr, None)
        self._grad_fn, self._output_nr = node, output_nr

    yield engine.Tensor, "_set_history", set_history


@fault
def leaf_hook_too_early(engine: Any) -> Iterator[Change]:
    """`register_post_accumulate_grad_hook` runs its hook before the gradient is accumulated."""
    node = engine.autograd.node.AccumulateGrad
    old = node.accumulate

    def accumulate(self: Any, grad: Any, *, owned: bool) -> None:
        if self.variable._post_accumulate_hooks:
            old_hooks(self)
        old(self, grad, owned=owned)

    old_hooks = node.run_leaf_hooks
    yield node, "accumulate", accumulate
    yield node, "run_leaf_hooks", lambda self: None


@fault
def prehook_ignored(engine: Any) -> Iterator[Change]:
    """`Node.register_prehook` registers nothing that is run."""
    yield engine.autograd.execution, "_run_pre_hooks", lambda node, buffer: None


# --- Higher order and functional --------------------------------------------------------------------------------------


@fault
def gradient_without_graph(engine: Any) -> Iterator[Change]:
    """`autograd.grad(create_graph=True)` gives gradients without a history."""
    old = engine.autograd.grad

    def grad(*given: Any, **more: Any) -> Any:
        found: Any = old(*given, **more)
        if isinstance(found, dict):
            return {key: None if g is None else g.detach() for key, g in found.items()}
        return tuple(None if g is None else g.detach() for g in found)

    yield engine.autograd, "grad", grad


@fault
def vhp_without_v(engine: Any) -> Iterator[Change]:
    """`vhp` multiplies with ones, whatever `v` is."""
    functional = engine.autograd.functional
    old = functional.vhp

    def vhp(func: Any, inputs: Any, v: Any = None, *given: Any, **more: Any) -> Any:
        if isinstance(v, engine.Tensor):
            v = engine.ones_like(v)
        return old(func, inputs, v, *given, **more)

    yield functional, "vhp", vhp


@fault
def cotangent_ignored(engine: Any) -> Iterator[Change]:
    """`torch.func.vjp` weighs the outputs with ones."""
    reverse = engine.func.reverse
    old = reverse.vjp

    def vjp(func: Any, *primals: Any, **more: Any) -> Any:
        output, pulled, *aux = old(func, *primals, **more)

        def ones(cotangents: Any, **options: Any) -> Any:
            if isinstance(cotangents, engine.Tensor):
                cotangents = engine.ones_like(cotangents)
            return pulled(cotangents, **options)

        return output, ones, *aux

    yield from everywhere(engine, "vjp", old, vjp)


@fault
def tangent_ignored(engine: Any) -> Iterator[Change]:
    """`torch.func.jvp` goes along ones."""
    forward = engine.func.forward
    old = forward.jvp

    def jvp(func: Any, primals: Any, tangents: Any, **more: Any) -> Any:
        if isinstance(tangents, tuple) and all(isinstance(t, engine.Tensor) for t in tangents):
            tangents = tuple(engine.ones_like(t) for t in tangents)
        return old(func, primals, tangents, **more)

    yield from everywhere(engine, "jvp", old, jvp)


# --- autograd.Function ------------------------------------------------------------------------------------------------


@fault
def differentiable_twice(engine: Any) -> Iterator[Change]:
    """`once_differentiable` gives gradients without a history, which no one is told."""

    def once_differentiable(fn: Any) -> Any:
        def wrapper(ctx: Any, *args: Any) -> Any:
            with engine.no_grad():
                return fn(ctx, *args)

        return wrapper

    yield engine.autograd.function, "once_differentiable", once_differentiable


@fault
def dirty_uncounted(engine: Any) -> Iterator[Change]:
    """`mark_dirty` does not count a write."""
    old = engine.autograd.outputs.wrap_outputs

    def wrap_outputs(node: Any, ctx: Any, *more: Any) -> Any:
        made = old(node, ctx, *more)
        for t in ctx.dirty_tensors:
            if t._counter is not None:
                t._counter.value -= 1
        return made

    yield from everywhere(engine, "wrap_outputs", old, wrap_outputs)


@fault
def marked_differentiable(engine: Any) -> Iterator[Change]:
    """`mark_non_differentiable` has no effect."""
    yield engine.autograd.function.FunctionCtx, "mark_non_differentiable", lambda self, *args: None


@fault
def always_materialized(engine: Any) -> Iterator[Change]:
    """`set_materialize_grads` has no effect."""
    yield engine.autograd.function.FunctionCtx, "set_materialize_grads", lambda self, value: None


# --- Grad modes -------------------------------------------------------------------------------------------------------


@fault
def enabled_within_disabled(engine: Any) -> Iterator[Change]:
    """`enable_grad` has no effect within `no_grad`."""
    yield (
        engine.autograd.modes.enable_grad,
        "__enter__",
        lambda self: setattr(self, "_before", (engine.is_grad_enabled(), engine.is_inference_mode_enabled())),
    )


@fault
def inference_saved(engine: Any) -> Iterator[Change]:
    """Inference tensors may be saved for backward."""
    saved = engine.autograd.saved
    old = saved.SavedTensor.__init__

    def init(self: Any, tensor: Any, node: Any = None) -> None:
        old(self, tensor.clone() if tensor._inference else tensor, node)

    yield saved.SavedTensor, "__init__", init


@fault
def nan_unnoticed(engine: Any) -> Iterator[Change]:
    """`detect_anomaly` does not look for NaN."""
    yield from everywhere(
        engine, "check_gradients", engine.autograd.anomaly.check_gradients, lambda node, grads: None
    )


@fault
def decorator_ignored(engine: Any) -> Iterator[Change]:
    """`no_grad` has no effect as a decorator."""
    modes = engine.autograd.modes
    old = modes._Mode.__call__

    def call(self: Any, function: Any) -> Any:
        return function if type(self) is modes.no_grad else old(self, function)

    yield modes.no_grad, "__call__", call


@fault
def grad_mode_stays(engine: Any) -> Iterator[Change]:
    """After a block of `no_grad`, grad mode stays off."""
    modes = engine.autograd.modes
    stays = type("no_grad", (modes.no_grad,), {"__exit__": lambda self, *error: None})
    yield engine, "no_grad", stays
    yield engine.autograd, "no_grad", stays


# --- Graph ------------------------------------------------------------------------------------------------------------


@fault
def edges_swapped(engine: Any) -> Iterator[Change]:
    """Of a node with two edges, `next_functions` tells them in the other order, though each gradient goes where it should."""
    node = engine.autograd.node.Node
    old = vars(node)["next_functions"].fget

    def next_functions(self: Any) -> Any:
        edges = old(self)
        return edges[::-1] if len(edges) == 2 else edges

    yield node, "next_functions", property(next_functions)


# Found as `module:object`.
globals().update(FAULTS)
