"""`vmap`: a function of single examples as one of batches, here by a loop over the examples."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

from engine import functions
from engine.func.lockstep import Lockstep
from engine.func.trees import flatten, spread, unflatten
from engine.func.watching import BatchWatch
from engine.random import get_rng_state, set_rng_state
from engine.tensor import Tensor

Function = Callable[..., Any]


def vmap(
    func: Function,
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Function:
    """The function that calls `func` for each index of the mapped dimensions and stacks what it returns.

    in_dims, out_dims: the mapped dimension of each argument and result (None: not mapped), one number for all or a tree
    like them. Raises ValueError for arguments that do not fit, when the made function is called.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.func.vmap.html
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(
            f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}"
        )
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")
    name = getattr(func, "__name__", repr(func))

    @functools.wraps(func)
    def made(*args: Any, **kwargs: Any) -> Any:
        _check_out_dims(out_dims, name)
        size, dims, flat, shape = _mapped(in_dims, args, name)
        if size == 0:
            return _empty(func, flat, dims, shape, out_dims, name, kwargs)
        versions: list[tuple[Tensor, int]] = []
        examples: Examples = []
        state = get_rng_state() if randomness == "same" else None

        def run(index: int) -> Any:
            if state is not None:
                set_rng_state(state)
            chosen = [t if dim is None else t.select(dim, index) for t, dim in zip(flat, dims, strict=True)]
            given = [(c, t, dim) for c, t, dim in zip(chosen, flat, dims, strict=True) if dim is not None]
            examples.extend(given)
            with BatchWatch(given, randomness, lockstep):
                result = func(*unflatten(chosen, shape), **kwargs)
            if index == 0:
                versions.extend((t, t._counter.value) for t, *_ in given if t._counter is not None)
            return result

        lockstep = Lockstep(run, size)
        results = lockstep.results()
        for t, version in versions:  # what writes to all examples at once is one write
            t._counter.value = version
        return _stacked(results, out_dims, name, examples)

    return made


def _empty(
    func: Function, flat: list[Any], dims: list[Any], shape: Any, out_dims: Any, name: str, kwargs: Any
) -> Any:
    """What a map over no example gives: nothing in the shape of what the function returns for zeros."""
    zeros = [
        t if dim is None else functions.zeros(t._sizes[:dim] + t._sizes[dim % t.dim() + 1 :], dtype=t.dtype)
        for t, dim in zip(flat, dims, strict=True)
    ]
    whole = _stacked([func(*unflatten(zeros, shape), **kwargs)] * 2, out_dims, name, [])
    places = spread(out_dims, flatten(whole)[1]) or [0]
    return unflatten(
        [
            t if dim is None else t.narrow(dim, 0, 0).clone()
            for t, dim in zip(flatten(whole)[0], places, strict=True)
        ],
        flatten(whole)[1],
    )


def _check_out_dims(out_dims: Any, name: str) -> None:
    for dim in flatten(out_dims)[0]:
        if dim is not None and not isinstance(dim, int):
            raise ValueError(
                f"vmap({name}, ..., out_dims={out_dims}): `out_dims` must be an int, None or a python collection of ints "
                "representing where in the outputs the vmapped dimension should appear."
            )


def _mapped(in_dims: Any, args: tuple[Any, ...], name: str) -> tuple[int, list[Any], list[Any], Any]:
    """The number of examples, and the arguments in a row with the mapped dimension of each."""
    call = f"vmap({name}, in_dims={in_dims}, ...)(<inputs>)"
    if not isinstance(in_dims, (int, tuple)):
        raise ValueError(
            f"{call}: expected `in_dims` to be int or a (potentially nested) tuple matching the structure of inputs, got: "
            f"{type(in_dims)}."
        )
    if not args:
        raise ValueError(
            f"vmap({name})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are trying to vmap over a function "
            "with no inputs. The latter is unsupported."
        )
    flat, shape = flatten(args)
    dims = spread(in_dims, shape)
    if dims is None:
        raise ValueError(
            f"{call}: in_dims is not compatible with the structure of `inputs`. in_dims has structure "
            f"{flatten(in_dims)[1]} but inputs has structure {shape}."
        )
    for t, dim in zip(flat, dims, strict=True):
        if dim is None:
            continue
        if not isinstance(dim, int):
            raise ValueError(
                f"{call}: Got in_dim={dim} for an input but in_dim must be either an integer dimension or None."
            )
        if not isinstance(t, Tensor):
            raise ValueError(
                f"{call}: Got in_dim={dim} for an input but the input is of type {type(t)}. We cannot vmap over non-Tensor "
                "arguments, please use None as the respective in_dim"
            )
        if not -t.dim() <= dim < t.dim():
            raise ValueError(
                f"{call}: Got in_dim={dim} for some input, but that input is a Tensor of dimensionality {t.dim()} so expected "
                f"in_dim to satisfy -{t.dim()} <= in_dim < {t.dim()}."
            )
    sizes = [t.size(dim) for t, dim in zip(flat, dims, strict=True) if dim is not None]
    if not sizes:
        raise ValueError("vmap: Expected at least one Tensor to vmap over")
    if len(set(sizes)) > 1:
        raise ValueError(
            f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sizes} for the mapped "
            "dimension"
        )
    return sizes[0], dims, flat, shape


Examples = list[tuple[Tensor, Tensor, int]]
"""Examples, what they are of, and the mapped dimension."""


def _stacked(results: list[Any], out_dims: Any, name: str, examples: Examples) -> Any:
    rows = [flatten(result)[0] for result in results]
    shape = flatten(results[0])[1]
    dims = spread(out_dims, shape)
    if shape.kind is None and isinstance(out_dims, tuple) and len(out_dims) == 1:
        dims = list(out_dims)
    if dims is None:
        raise ValueError(
            f"vmap({name}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with the structure of `outputs`. "
            f"out_dims has structure {flatten(out_dims)[1]} but outputs has structure {shape}."
        )
    wholes = [_whole([row[k] for row in rows], dim, name, examples) for k, dim in enumerate(dims)]
    return unflatten(wholes, shape)


def _whole(results: list[Any], dim: int | None, name: str, examples: Examples) -> Any:
    """One result of all examples; one that is the same object for all of several does not depend on the example."""
    first = results[0]
    same = all(result is first for result in results)
    if dim is None:
        if isinstance(first, Tensor) and not same:
            raise ValueError(
                f"vmap({name}, ...): `{name}` can not return a BatchedTensor when out_dim is None"
            )
        return first
    if not isinstance(first, Tensor):
        raise ValueError(
            f"vmap({name}, ...): `{name}` must only return Tensors, got type {type(first)}. Did you mean to set out_dims= to "
            "None for output?"
        )
    given = next(((whole, at % whole.dim()) for example, whole, at in examples if example is first), None)
    if (
        given is not None and -given[0].dim() <= dim < given[0].dim()
    ):  # examples as they are: what was mapped itself
        whole, at = given
        return whole if dim % whole.dim() == at else whole.movedim(at, dim)
    if same and len(results) > 1:
        return first.expand(len(results), *first._sizes).movedim(0, dim)
    shared = _view_of_all(results)
    stacked: Any = functions.stack(results, 0) if shared is None else shared
    return stacked.movedim(0, dim) if dim else stacked


def _view_of_all(results: list[Tensor]) -> Tensor | None:
    """The results as one view, where they are views that lie at equal distances in one tensor."""
    first = results[0]
    base = first._view.base if first._view is not None else None
    if base is None or any(
        t._view is None or t._view.base is not base or t._strides != first._strides for t in results
    ):
        return None
    distances = {b._offset - a._offset for a, b in itertools.pairwise(results)}
    if (
        len(distances) > 1
        or min(distances, default=0) < 0
        or any(t.requires_grad is not base.requires_grad for t in results)
    ):
        return None
    distance = distances.pop() if distances else 0
    return functions.as_strided(
        base, (len(results), *first._sizes), (distance, *first._strides), first._offset
    )
