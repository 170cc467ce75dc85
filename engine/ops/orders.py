"""Views with the dimensions in another order: permute, transpose, movedim, T, mT, H, mH.

Source: https://docs.pytorch.org/docs/stable/generated/torch.permute.html
"""

from __future__ import annotations

import warnings
from typing import Any

from engine import functions as F
from engine import layout
from engine.ops.views import Shape, composite, view
from engine.results import Geometry
from engine.tensor import Tensor


def _permute(input: Tensor, dims: Shape) -> Geometry:
    ndim = len(input._sizes)
    if len(dims) != ndim:
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired ordering "
            f"of dimensions i.e. input.dim() = {ndim} is not equal to len(dims) = {len(dims)}"
        )
    order = [layout.wrap_dim(d, ndim) for d in dims]
    if len(set(order)) != ndim:
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return Geometry(
        tuple(input._sizes[d] for d in order), tuple(input._strides[d] for d in order), input._offset
    )


def _unpermute(grad: Tensor, dims: Shape) -> Tensor:
    order = [d % max(len(dims), 1) for d in dims]
    return grad.permute(tuple(sorted(range(len(order)), key=order.__getitem__)))


def transposed(input: Tensor, dim0: int, dim1: int) -> Geometry:
    """The geometry with two dimensions exchanged."""
    ndim = len(input._sizes)
    a, b = layout.wrap_dim(dim0, ndim), layout.wrap_dim(dim1, ndim)
    if a == b:
        return Geometry(*input._layout)
    sizes, strides = list(input._sizes), list(input._strides)
    sizes[a], sizes[b], strides[a], strides[b] = sizes[b], sizes[a], strides[b], strides[a]
    return Geometry(tuple(sizes), tuple(strides), input._offset)


def matrix_transposed(input: Tensor) -> Geometry:
    """The geometry of `t()`. Raises RuntimeError for more than two dimensions."""
    ndim = len(input._sizes)
    if ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {ndim}D")
    return transposed(input, 0, 1 if ndim == 2 else 0)


def _movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Dimensions moved to other places, the rest in their order."""
    source, destination = ((x,) if isinstance(x, int) else x for x in (source, destination))
    ndim = len(input._sizes)
    if len(source) != len(destination):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list(source)} dims) should contain the same number of "
            f"dims as destination ({list(destination)} dims)"
        )
    here, there = [layout.wrap_dim(d, ndim) for d in source], [layout.wrap_dim(d, ndim) for d in destination]
    for name, dims, given in (("source", here, source), ("destination", there, destination)):
        if len(set(dims)) != len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{name}` ({list(given)})")
    if not ndim:
        return F.alias(input)
    moved = dict(zip(there, here))
    rest = iter([d for d in range(ndim) if d not in here])
    return input.permute(tuple(moved[i] if i in moved else next(rest) for i in range(ndim)))


view("permute(Tensor input, int[] dims)", _permute, _unpermute)
view(
    "transpose(Tensor input, int dim0, int dim1)",
    transposed,
    lambda grad, dim0, dim1: grad.transpose(dim0, dim1),
)
composite("swapdims(Tensor input, int dim0, int dim1)", lambda input, dim0, dim1: input.transpose(dim0, dim1))
composite(
    "swapaxes(Tensor input, int axis0, int axis1)", lambda input, axis0, axis1: input.transpose(axis0, axis1)
)
view("t(Tensor input)", matrix_transposed, lambda grad: grad.t(), node="TBackward0")
composite("movedim(Tensor input, int source, int destination)", _movedim, aliases=("moveaxis",))
composite("movedim(Tensor input, int[] source, int[] destination)", _movedim, aliases=("moveaxis",))


def _adjoint(input: Tensor) -> Tensor:
    """The last two dimensions exchanged and the elements conjugated."""
    if not input._sizes:
        _deprecated_on_scalar("adjoint", "Consider using x.conj().")
        return input.conj()
    _need_matrix("adjoint()", input)
    flipped = input.transpose(-2, -1)
    return flipped.conj() if input.dtype.is_complex else flipped


def _need_matrix(name: str, input: Tensor) -> None:
    if input.dim() < 2:
        raise RuntimeError(
            f"tensor.{name} is only supported on matrices or batches of matrices. Got {input.dim()}-D tensor."
        )


def _numpy_transpose(self: Tensor) -> Tensor:
    """All dimensions in reverse order."""
    if self.dim() != 2:
        warnings.warn(
            "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated and it will throw an "
            "error in a future release. Consider `x.mT` to transpose batches of matrices or `x.permute(*torch.arange(x.ndim "
            "- 1, -1, -1))` to reverse the dimensions of a tensor.",
            UserWarning,
            stacklevel=2,
        )
    return self.permute(tuple(reversed(range(self.dim()))))


def _deprecated_on_scalar(name: str, hint: str) -> None:
    warnings.warn(f"Tensor.{name} is deprecated on 0-D tensors. {hint}", UserWarning, stacklevel=3)


def _matrix_transpose(self: Tensor) -> Tensor:
    """The last two dimensions exchanged."""
    if not self._sizes:
        _deprecated_on_scalar("mT", "This function is the identity in these cases.")
        return self
    _need_matrix("mT", self)
    return self.transpose(-2, -1)


def _matrix_adjoint(self: Tensor) -> Tensor:
    """The last two dimensions exchanged and the elements conjugated."""
    if not self._sizes:
        _deprecated_on_scalar("mH", "Consider using x.conj().")
        return self.conj()
    _need_matrix("mH", self)
    return _adjoint(self)


def _hermitian(self: Tensor) -> Tensor:
    """A matrix transposed and conjugated."""
    if not self._sizes:
        _deprecated_on_scalar("H", "Consider using x.conj().")
        return self.conj()
    if self.dim() != 2:
        more = ". For batches of matrices, consider using tensor.mH" if self.dim() > 2 else "."
        raise RuntimeError(
            f"tensor.H is only supported on matrices (2-D tensors). Got {self.dim()}-D tensor{more}"
        )
    return _adjoint(self)


composite("adjoint(Tensor input)", _adjoint)
for _name, _get in (
    ("T", _numpy_transpose),
    ("mT", _matrix_transpose),
    ("mH", _matrix_adjoint),
    ("H", _hermitian),
):
    setattr(Tensor, _name, property(_get))
