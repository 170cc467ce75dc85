"""The transforms that differentiate backwards: `grad`, `grad_and_value`, `vjp`, `jacrev`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from engine import functions
from engine.autograd import grad as autograd_grad
from engine.autograd.levels import at
from engine.autograd.modes import enable_grad, is_grad_enabled, outside_inference
from engine.autograd.saved import disable_saved_tensors_hooks, inference_tensors_kept
from engine.func.leaves import Substitution, leaf_of
from engine.func.trees import Shape, flatten, mapped, unflatten
from engine.func.watching import Backward, MappedBatch, Watch
from engine.tensor import Tensor

Function = Callable[..., Any]
_NO_HOOKS = (
    "torch.func.{grad, vjp, jacrev, hessian} don't yet support saved tensor hooks. Please open an issue with your use "
    "case."
)


def grad(func: Function, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Function:
    """The function that computes the gradient of `func`, which returns a 0-d tensor, with respect to its argument `argnums`.

    With a tuple of positions, a tuple of gradients. With `has_aux`, `func` returns (output, auxiliary data) and the made
    function (gradient, auxiliary data).

    Source: https://docs.pytorch.org/docs/stable/generated/torch.func.grad.html
    """

    @functools.wraps(func)
    def made(*args: Any, **kwargs: Any) -> Any:
        gradients, value = grad_and_value(func, argnums, has_aux)(*args, **kwargs)
        return (gradients, value[1]) if has_aux else gradients

    return made


def grad_and_value(func: Function, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Function:
    """As `grad`, but the made function returns (gradient, output), or (gradient, (output, auxiliary data)).

    Source: https://docs.pytorch.org/docs/stable/generated/torch.func.grad_and_value.html
    """

    @functools.wraps(func)
    def made(*args: Any, **kwargs: Any) -> Any:
        recorded = is_grad_enabled()
        with disable_saved_tensors_hooks(_NO_HOOKS), outside_inference(), enable_grad():
            arguments, chosen, leaves, originals = _on_leaves(args, argnums)
            with Watch(leaves), inference_tensors_kept():
                made_of_leaves = func(*arguments, **kwargs)
            output, aux = _with_aux(made_of_leaves, has_aux, "grad_and_value(f)(*args)")
            if not isinstance(output, Tensor):
                raise RuntimeError(
                    f"grad_and_value(f)(*args): Expected f(*args) to return a Tensor, got {type(output)}"
                )
            if output.dim() != 0:
                raise RuntimeError(
                    "grad_and_value(f)(*args): Expected f(*args) to return a scalar Tensor, got tensor with "
                    f"{output.dim()} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
                )
            with at(Backward()):
                found = _gradients([output], leaves, None, True)
            gradients = unflatten(found, flatten(chosen)[1])
            substituted = Substitution(leaves, originals, recorded)
            gradients = mapped(substituted, gradients)
            output = substituted(output)
            if has_aux:
                return gradients, (output, mapped(substituted, aux))
            return gradients, output

    return made


def vjp(func: Function, *primals: Any, has_aux: bool = False) -> Any:
    """(output, function of a cotangent): what the function returns is a gradient of each primal.

    With `has_aux` the auxiliary data comes third.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.func.vjp.html
    """
    return _vjp(func, primals, None, has_aux)


def _vjp(func: Function, args: tuple[Any, ...], argnums: Any, has_aux: bool) -> Any:
    recorded = is_grad_enabled()
    with disable_saved_tensors_hooks(_NO_HOOKS), outside_inference(), enable_grad():
        arguments, chosen, leaves, originals = _on_leaves(args, argnums)
        with Watch(leaves), inference_tensors_kept():
            made = func(*arguments)
        output, aux = _with_aux(made, has_aux, "vjp(f, *primals)")
        outputs, shape = flatten(output)
        require_tensors(outputs, "vjp(f, *primals)")
        substituted = Substitution(leaves, originals, recorded)
        result = mapped(substituted, output)
        for out in outputs:
            if not (out.is_floating_point() or out.is_complex()):
                raise RuntimeError(
                    "vjp(f, ...): All outputs of f must be floating-point or complex Tensors, got Tensor with dtype "
                    f"{out.dtype!r}"
                )
    pulled = _Pullback(outputs, shape, leaves, originals, flatten(chosen)[1], recorded)
    return (result, pulled, mapped(substituted, aux)) if has_aux else (result, pulled)


class _Pullback:
    """What `vjp` returns: gradients of the primals as a function of a cotangent."""

    def __init__(
        self, outputs: list[Tensor], shape: Shape, leaves: list[Tensor], originals: list[Tensor], inner: Shape,
        recorded: bool,
    ) -> None:  # fmt: skip
        self._outputs, self._shape = outputs, shape
        self._leaves, self._originals, self._inner = leaves, originals, inner
        self._recorded = recorded

    def __call__(self, cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        given, given_shape = flatten(cotangents)
        if given_shape != self._shape:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of outputs to the function. "
                f"cotangents: {given_shape}, primal output: {self._shape}"
            )
        create_graph = is_grad_enabled() if create_graph is None else create_graph
        return unflatten(
            self._without(_gradients(self._outputs, self._leaves, given, create_graph)), self._inner
        )

    def rows(self, cotangents: list[list[Tensor]]) -> list[list[Tensor]]:
        """The gradients in a row, for each of several rows of cotangents, by one backward."""
        batch = MappedBatch(len(cotangents))
        given = [batch.together(column) for column in zip(*cotangents, strict=True)]
        with at(batch):
            found = _gradients(self._outputs, self._leaves, given, is_grad_enabled())
        return [self._without(batch.row(found, k)) for k in range(batch.size)]

    def _without(self, gradients: list[Tensor]) -> list[Tensor]:
        substituted = Substitution(self._leaves, self._originals, self._recorded)
        return [substituted(g) for g in gradients]


def jacrev(
    func: Function,
    argnums: int | tuple[int, ...] = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Function:
    """The function that computes the Jacobian of `func` with respect to its argument `argnums`, a row at a time.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.func.jacrev.html
    """
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    @functools.wraps(func)
    @outside_inference()
    def made(*args: Any) -> Any:
        require_real(args, "jacrev", "inputs")
        output, pulled, *aux = _vjp(func, args, argnums, has_aux)
        outputs, shape = flatten(output)
        require_real(output, "jacrev", "outputs")
        originals, inner = flatten(chosen_of(args, argnums))
        sizes = [out.numel() for out in outputs]
        bases = [
            [functions.zeros(out._sizes, dtype=out.dtype) for out in outputs] for _ in range(sum(sizes) or 1)
        ]  # of nothing no row, but with the history that one would have
        places = [(k, j) for k, size in enumerate(sizes) for j in range(size)]
        for basis, (k, j) in zip(bases, places, strict=False):
            basis[k].view(-1)[j] = 1
        step = chunk_size or len(bases)
        if step == 1:  # which torch does not map
            rows = [flatten(pulled(unflatten(basis, shape)))[0] for basis in bases]
        else:
            rows = [
                row
                for first in range(0, len(bases), step)
                for row in pulled.rows(bases[first : first + step])
            ]
        by_input = [
            functions.stack([row[i] for row in rows], 0)[: sum(sizes)].split(sizes)
            for i in range(len(originals))
        ]
        blocks = [
            unflatten(
                [parts[k].view(out._sizes + t._sizes) for parts, t in zip(by_input, originals, strict=True)],
                inner,
            )
            for k, out in enumerate(outputs)
        ]
        jacobian = unflatten([block[0] if isinstance(argnums, int) else block for block in blocks], shape)
        return (jacobian, aux[0]) if has_aux else jacobian

    return made


# ------------------------------------------------------------------------------------------------------------ arguments


def chosen_of(args: tuple[Any, ...], argnums: Any) -> tuple[Any, ...]:
    """The arguments at the given positions. Raises RuntimeError for positions that do not fit."""
    return tuple(args[i] for i in positions(args, argnums))


def positions(args: tuple[Any, ...], argnums: Any) -> tuple[int, ...]:
    """The positions of the arguments that are differentiated, counted from the front; all of them for None."""
    if argnums is None:
        return tuple(range(len(args)))
    if not isinstance(argnums, (int, tuple)):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    found = []
    for i in (argnums,) if isinstance(argnums, int) else argnums:
        if not isinstance(i, int):
            raise RuntimeError(f"argnum must be int, got: {type(i)}")
        if not -len(args) <= i < len(args):
            raise RuntimeError(f"Got argnum={i}, but only {len(args)} positional inputs")
        found.append(i % len(args))
    if not found:
        raise RuntimeError("argnums must be non-empty")
    if len(set(found)) != len(found):
        raise RuntimeError(f"argnums elements must be unique, got {tuple(found)}")
    return tuple(found)


def _on_leaves(args: tuple[Any, ...], argnums: Any) -> tuple[list[Any], Any, list[Tensor], list[Tensor]]:
    """The arguments with leaves in the places that are differentiated; those places alone; the leaves and what they stand
    for, in a row.
    """
    chosen = positions(args, argnums)
    arguments = list(args)
    leaves: list[Tensor] = []
    originals: list[Tensor] = []
    for i in chosen:
        flat, shape = flatten(args[i])
        own = [leaf_of(t) for t in flat]
        arguments[i] = unflatten(own, shape)
        leaves += own
        originals += flat
    wanted = tuple(arguments[i] for i in chosen)
    return arguments, wanted[0] if isinstance(argnums, int) else wanted, leaves, originals


def _with_aux(output: Any, has_aux: bool, api: str) -> tuple[Any, Any]:
    if not has_aux:
        return output, None
    if not isinstance(output, tuple) or len(output) != 2:
        raise RuntimeError(f"{api}: output of function f should be a tuple: (output, aux) if has_aux is True")
    return output


def _gradients(
    outputs: Sequence[Tensor], leaves: list[Tensor], cotangents: Sequence[Any] | None, create_graph: bool
) -> list[Tensor]:
    """The gradients of the leaves, zeros for those that no output depends on."""
    pairs = [
        (out, None if cotangents is None else cotangents[i])
        for i, out in enumerate(outputs)
        if out.requires_grad
    ]
    if not pairs or not leaves:
        return [functions.zeros_like(leaf) for leaf in leaves]
    with outside_inference(), inference_tensors_kept():
        found = autograd_grad(
            [out for out, _ in pairs], leaves, [given for _, given in pairs], retain_graph=True,
            create_graph=create_graph, allow_unused=True,
        )  # fmt: skip
    return [functions.zeros_like(t) if g is None else g for g, t in zip(found, leaves, strict=True)]


# --------------------------------------------------------------------------------------------------------------- checks


def require_tensors(outputs: list[Any], api: str) -> None:
    """Raise RuntimeError where a function did not return tensors, and tensors only."""
    if not outputs or (len(outputs) == 1 and outputs[0] is None):
        raise RuntimeError(
            f"{api}: Expected f to be a function that has non-empty output (got output = {outputs})"
        )
    for out in outputs:
        if not isinstance(out, Tensor):
            raise RuntimeError(
                f"{api}: expected f(*primals) to return only tensors, got unsupported type {type(out)}"
            )


def require_real(tree: Any, name: str, which: str) -> None:
    """Raise RuntimeError for complex tensors, of which a Jacobian would say too little."""
    for index, t in enumerate(flatten(tree)[0]):
        if isinstance(t, Tensor) and t.dtype.is_complex:
            raise RuntimeError(
                f"{name}: Expected all {which} to be real but received complex tensor at flattened input idx: {index}"
            )
