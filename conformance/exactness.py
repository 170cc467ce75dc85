"""Which statements leave no room for rounding, so that equal operands must give equal bits."""

from __future__ import annotations

import functools
from collections.abc import Callable

from conformance import opnames

# Beside what the engine's records say: syntax, and what reads a fact or makes a tensor of literals.
ALWAYS = frozenset(
    """
    getitem setitem tensor as_tensor from_numpy numpy item tolist empty zeros ones full eye
    zeros_like ones_like full_like empty_like new_zeros new_ones new_full new_empty new_tensor
    Tensor FloatTensor DoubleTensor IntTensor LongTensor
    requires_grad_ retain_grad detach detach_ size stride dim numel is_contiguous storage_offset type manual_seed
    """.split()
)
# IEEE 754 prescribes the result of + - * / for one format; the 16-bit formats are computed in a wider one by some and
# complex products are sums of products, whose order is open.
ARITHMETIC = frozenset(
    "add sub mul div true_divide subtract multiply divide rsub square reciprocal outer ger kron".split()
)
COMPLEX_TOO = frozenset("add sub subtract rsub".split())

MODULUS = frozenset(("abs", "absolute"))

IsExact = Callable[[tuple[str, ...], str], bool]


def never(calls: tuple[str, ...], dtype: str) -> bool:
    """For runs that do not follow: the operands themselves may differ by rounding."""
    return False


@functools.cache
def is_exact(calls: tuple[str, ...], dtype: str) -> bool:
    """Whether every operation of a statement gives the same bits in every correct implementation, for one dtype."""
    return all(_exact(opnames.base_name(call), call, dtype) for call in calls)


def _exact(name: str, call: str, dtype: str) -> bool:
    if call.startswith(("attr.", "setattr.")) or name in ALWAYS:
        return True
    if opnames.is_backward(call) or call.startswith("np.") or not _recorded(name):
        return False
    if name in MODULUS:  # of a complex number it rounds, and the dtype of the result does not tell
        return not dtype.startswith(("float", "bfloat", "complex"))
    if name in ARITHMETIC:
        return dtype in ("float32", "float64") or (name in COMPLEX_TOO and dtype.startswith("complex"))
    return True


@functools.cache
def _recorded(name: str) -> bool:
    """What the engine's record says; a view moves nothing. An operation without a record is taken as inexact."""
    import engine  # noqa: F401  (importing it fills the registry)
    from engine.registry import OPS, VIEW

    records = OPS.get(name)
    return records is not None and all(record.exact or record.kind == VIEW for record in records)
