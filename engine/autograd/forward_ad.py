"""Forward-mode differentiation by dual numbers (`torch.autograd.forward_ad`). How it is done is said in `levels`.

Sources: https://docs.pytorch.org/docs/stable/autograd.html#forward-mode-automatic-differentiation and
https://docs.pytorch.org/tutorials/intermediate/forward_ad_usage.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engine.autograd.levels import Level, at
from engine.autograd.modes import _Mode, _State
from engine.autograd.node import Node, gradient_edge
from engine.tensor import Tensor


class UnpackedDualTensor(NamedTuple):
    """What `unpack_dual` returns; `tangent` is None where there is none."""

    primal: Tensor
    tangent: Tensor | None


class CppFunction(Node):
    """The history of a dual tensor's primal, an identity. In torch such nodes have no Python class of their own."""

    def name(self) -> str:
        return "torch::autograd::Identity"

    def apply(self, grads: list[Tensor | None]) -> Sequence[Tensor | None]:
        return grads


def enter_dual_level() -> int:
    """Open a level; there can be one at a time. Raises RuntimeError where one is open.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.forward_ad.enter_dual_level.html
    """
    if _current_level() >= 0:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    _State.forward = Level(_State.forward)
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """Close the level: all tangents are gone. Raises RuntimeError where none is open, or another one.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.forward_ad.exit_dual_level.html
    """
    if level is not None and level != _current_level():
        raise RuntimeError(
            "Trying to exit a forward AD level that was not the last one that was created. This is not supported."
        )
    if _current_level() < 0:
        raise RuntimeError("Dual level must be a positive number.")
    _State.forward = _State.forward.below


def _current_level() -> int:
    layer = _State.forward
    while layer is not None and not isinstance(layer, Level):
        layer = layer.below
    return -1 if layer is None else 0


class dual_level(_Mode):
    """Opens a level for a block, or for each call of a function that it decorates.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.forward_ad.dual_level.html
    """

    def __enter__(self) -> int:  # type: ignore[override]
        return enter_dual_level()

    def __exit__(self, *error: object) -> None:
        exit_dual_level()


_NO_LEVEL = "Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first."


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """A view of a tensor that has a tangent: the given one itself if it is laid out as the tensor is, else a copy.

    Raises RuntimeError where no level is open, for a tangent of another shape, for what is dual already; ValueError for
    dtypes without derivatives.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.forward_ad.make_dual.html
    """
    if (_current_level() if level is None else level) < 0:
        raise RuntimeError(_NO_LEVEL)
    for name, given in (("primal", tensor), ("tangent", tangent)):
        if not (given.is_floating_point() or given.is_complex()):
            raise ValueError(f"Expected {name} to be floating point or complex, but got: {given.dtype!r}")
    top = _State.forward
    if level or top is None:
        raise RuntimeError("Invalid level given to _make_dual")
    if not _State.inference and top.tangent(tensor) is not None:
        raise RuntimeError(
            "Making a dual Tensor based on a Tensor that already has a forward gradient at the same level 0 is not supported."
        )
    return dual(tensor, tangent)


def dual(tensor: Tensor, tangent: Tensor) -> Tensor:
    """A view of a tensor with a tangent at the topmost level."""
    top = _State.forward
    assert top is not None
    with at(top.below):
        made = tensor.view_as(tensor)
    if not (_State.inference or (tensor._inference and tangent._inference)):
        top.set_base(made, None)
        top.give(made, tangent)
    return made


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """A view of the tensor without the tangent, and the tangent; the tensor itself where no level is open.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.forward_ad.unpack_dual.html
    """
    if (_current_level() if level is None else level) < 0:
        return UnpackedDualTensor(tensor, None)
    if not isinstance(tensor, Tensor):
        raise TypeError(
            f"_unpack_dual(): argument 'dual' (position 1) must be Tensor, not {type(tensor).__name__}"
        )
    top = _State.forward
    with at(None if top is None else top.below):
        primal = tensor.view_as(tensor)
    if primal._grad_fn is not None:
        node = CppFunction([gradient_edge(tensor)])
        node.add_output(primal)
    if top is None or level or _State.inference:
        return UnpackedDualTensor(primal, None)
    top.set_base(primal, None)
    return UnpackedDualTensor(primal, top.tangent(tensor))


__all__ = [
    "UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level", "make_dual", "unpack_dual",
]  # fmt: skip
