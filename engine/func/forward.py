"""The transforms that differentiate forwards: `jvp`, `jacfwd`, and `hessian`, which is forwards over backwards."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from engine import functions
from engine.autograd.forward_ad import dual, enter_dual_level, exit_dual_level, unpack_dual
from engine.autograd.levels import Level, at
from engine.autograd.modes import _State, outside_inference
from engine.func.leaves import lifted
from engine.func.reverse import chosen_of, jacrev, positions, require_real, require_tensors
from engine.func.trees import flatten, mapped, unflatten
from engine.func.watching import Columns, Watch
from engine.storage import LentCounter
from engine.tensor import Tensor

Function = Callable[..., Any]
_JVP = "jvp(f, primals, tangents)"


class _Nesting:
    """How many `jvp` run inside each other: the first opens a level as a user would, the others lie on that one."""

    depth = 0


def jvp(func: Function, primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False) -> Any:
    """(output, tangent of the output) of a function at `primals`, a tuple of arguments, along `tangents`, built alike.

    A tangent is zero where an output does not depend on the primals; with `strict` that raises RuntimeError. With `has_aux`
    the auxiliary data comes third.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.func.jvp.html
    """
    return _jvp(func, primals, tangents, None, strict, has_aux)


@outside_inference()
def _jvp(func: Function, primals: Any, tangents: Any, argnums: Any, strict: bool, has_aux: bool) -> Any:
    if not isinstance(primals, tuple):
        raise RuntimeError(
            f"{_JVP}: Expected primals to be a tuple. E.g. it should be valid to call f(*primals)."
        )
    chosen = positions(primals, argnums)
    flat, shape = flatten(tuple(primals[i] for i in chosen))
    given, given_shape = flatten(tangents)
    if shape != given_shape:
        raise RuntimeError(
            f"{_JVP}: Expected primals and tangents to have the same python structure. For example, if primals is a tuple of 3 "
            f"tensors, tangents also must be. Got primals with structure {shape} and tangents with structure {given_shape}"
        )
    for name, leaves in (("primals", flat), ("tangents", given)):
        if not leaves:
            raise RuntimeError(f"{_JVP}: Expected {name} to contain at least one Tensor.")
        for t in leaves:
            if not isinstance(t, Tensor):
                raise RuntimeError(f"{_JVP}: Expected {name} to only contain Tensors, got {type(t)}")
    _enter()
    try:
        duals = unflatten([_dual(t, tangent) for t, tangent in zip(flat, given, strict=True)], shape)
        arguments = list(primals)
        for i, argument in zip(chosen, duals, strict=True):
            arguments[i] = argument
        with Watch(flatten(duals)[0]):
            result = func(*arguments)
        aux = None
        if has_aux:
            if not isinstance(result, tuple) or len(result) != 2:
                raise RuntimeError(
                    f"{_JVP}: output of function f should be a tuple: (output, aux) if has_aux is True"
                )
            result, aux = result
        outputs, out_shape = flatten(result)
        require_tensors(outputs, _JVP)
        unpacked = [_unpacked(out, strict) for out in outputs]
        if has_aux:
            aux = mapped(lambda t: unpack_dual(t).primal if isinstance(t, Tensor) else t, aux)
    finally:
        _exit()
    made = (
        unflatten([primal for primal, _ in unpacked], out_shape),
        unflatten([tangent for _, tangent in unpacked], out_shape),
    )
    return (*made, aux) if has_aux else made


def _enter() -> None:
    if _Nesting.depth == 0:
        enter_dual_level()
    else:
        _State.forward = Level(_State.forward)
    _Nesting.depth += 1


def _exit() -> None:
    _Nesting.depth -= 1
    exit_dual_level()


def _dual(tensor: Tensor, tangent: Tensor) -> Tensor:
    for name, given in (("primal", tensor), ("tangent", tangent)):
        if not (given.is_floating_point() or given.is_complex()):
            raise ValueError(f"Expected {name} to be floating point or complex, but got: {given.dtype!r}")
    return dual(lifted(tensor, LentCounter), tangent)


def _unpacked(output: Tensor, strict: bool) -> tuple[Tensor, Tensor]:
    primal, tangent = unpack_dual(output)
    if tangent is None:
        if strict:
            raise RuntimeError(
                "jvp(f, primals, tangents, strict=True): The output of f is independent of the inputs. This is not allowed with "
                "strict=True."
            )
        tangent = functions.zeros_like(primal)
    return primal, tangent


def jacfwd(
    func: Function, argnums: int | tuple[int, ...] = 0, has_aux: bool = False, *, randomness: str = "error"
) -> Function:
    """The function that computes the Jacobian of `func` with respect to its argument `argnums`, a column at a time.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.func.jacfwd.html
    """

    @functools.wraps(func)
    @outside_inference()
    def made(*args: Any) -> Any:
        require_real(args, "jacfwd", "inputs")
        originals, inner = flatten(args if argnums is None else chosen_of(args, argnums))
        columns: list[list[Tensor]] = []
        shape, aux = inner, None
        numels = [t.numel() for t in originals]
        places: list[tuple[int, int | None]] = [
            (i, j) for i, count in enumerate(numels) for j in range(count)
        ]
        for i, j in places or [(0, None)]:  # of nothing no column, but with the history that one would have
            basis = [functions.zeros(other._sizes, dtype=other.dtype) for other in originals]
            if j is not None:
                basis[i].view(-1)[j] = 1
            with at(Columns(_State.forward)):
                output, tangent, *more = _jvp(func, args, unflatten(basis, inner), argnums, False, has_aux)
            require_real(output, "jacfwd", "outputs")
            column, shape = flatten(tangent)
            columns.append(column)
            aux = more[0] if has_aux and aux is None else aux
        blocks = []
        for k in range(len(columns[0])):
            whole: Any = functions.stack([column[k] for column in columns], 0)[: len(places)]
            whole = whole.movedim(0, -1)
            parts = [
                part.unflatten(-1, t._sizes) if t._sizes else part.squeeze(-1)
                for part, t in zip(whole.split(numels, dim=-1), originals, strict=True)
            ]
            blocks.append(
                parts[0] if isinstance(argnums, int) and len(parts) == 1 else unflatten(parts, inner)
            )
        jacobian = unflatten(blocks, shape)
        return (jacobian, aux) if has_aux else jacobian

    return made


def hessian(func: Function, argnums: int | tuple[int, ...] = 0) -> Function:
    """The function that computes the Hessian of `func` with respect to its argument `argnums`.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.func.hessian.html
    """
    return jacfwd(jacrev(func, argnums), argnums)
