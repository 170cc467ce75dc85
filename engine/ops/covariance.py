"""Covariances and correlations of variables, one a row.

Sources: https://docs.pytorch.org/docs/stable/generated/torch.cov.html and torch.corrcoef.html
"""

from __future__ import annotations

import warnings
from typing import Any

from engine import functions as F
from engine.dtypes import BOOL, FLOATS, INTEGERS
from engine.registry import COMPOSITE, op
from engine.tensor import Tensor


def _check_weights(name: str, weights: Any, count: int, kind: str) -> None:
    if weights.dim() > 1:
        raise RuntimeError(
            f"cov(): expected {name} to have one or fewer dimensions but got {name} with {weights.dim()} dimensions"
        )
    if weights.dtype not in (INTEGERS if kind == "integral" else FLOATS):
        raise RuntimeError(
            f"cov(): expected {name} to have {kind} dtype but got {name} with {weights.dtype.legacy} dtype"
        )
    if weights.numel() != count:
        raise RuntimeError(
            f"cov(): expected {name} to have the same numel as there are observations in the input but got "
            f"{weights.numel()} != {count}"
        )
    if count and not bool((weights.min() >= 0).item()):
        raise RuntimeError(f"cov(): {name} cannot be negative")


def _cov(input: Any, correction: int, fweights: Any, aweights: Any) -> Any:
    """The covariance of each pair of rows; the variance of a vector."""
    if input.dim() > 2:
        raise RuntimeError(
            f"cov(): expected input to have two or fewer dimensions but got an input with {input.dim()} dimensions"
        )
    if input.dtype.category == BOOL:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    rows = input if input.dim() == 2 else input.view((1, -1))
    count = rows._sizes[1]
    for name, given, kind in (("fweights", fweights, "integral"), ("aweights", aweights, "floating point")):
        if given is not None:
            _check_weights(name, given, count, kind)
    weights = aweights if fweights is None else fweights if aweights is None else fweights * aweights
    total = F.tensor(count) if weights is None else weights.sum()
    if weights is not None and count and total.item() == 0:
        raise RuntimeError("cov(): weights sum to zero, can't be normalized")
    mean = (rows if weights is None else rows * weights).sum(1) / total
    if weights is None or aweights is None or correction == 0:
        freedom = total - correction
    else:
        freedom = total - correction * (weights * aweights).sum() / total
    if freedom.item() <= 0:
        warnings.warn("cov(): degrees of freedom is <= 0", UserWarning, stacklevel=5)
        freedom = F.zeros_like(freedom)
    centred = rows - mean.unsqueeze(1)
    others = (centred if weights is None else centred * weights).t()
    return centred.mm(F.conj(others) if others.dtype.is_complex else others).true_divide_(freedom).squeeze()


def _corrcoef(input: Any) -> Tensor:
    """Pearson's correlation coefficient of each pair of rows."""
    if input.dim() > 2:
        raise RuntimeError(
            f"corrcoef(): expected input to have two or fewer dimensions but got an input with {input.dim()} dimensions"
        )
    c = F.cov(input)
    if not c.dim():  # one variable: 1, or NaN where it does not vary
        return c / c
    variance = c.diagonal()
    deviation = (F.real(variance) if c.dtype.is_complex else variance).sqrt()
    c = c / deviation.view((-1, 1)) / deviation.view((1, -1))
    if c.dtype.is_complex:
        return F.complex(F.real(c).clip(-1, 1), F.imag(c).clip(-1, 1))
    return c.clip(-1, 1)


op(
    "cov(Tensor input, *, int correction=1, Tensor? fweights=None, Tensor? aweights=None)", kind=COMPOSITE, kernel=_cov,
    family="reduction",
)  # fmt: skip
op("corrcoef(Tensor input)", kind=COMPOSITE, kernel=_corrcoef, family="reduction")
