"""Where elements are not zero, in a result of a size known beforehand.

Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.nonzero_static.html
"""

from __future__ import annotations

import numpy as np

from engine.registry import GENERAL, op
from engine.tensor import Tensor
from engine.writes import ask_history


def _nonzero_static(input: Tensor, size: int, fill_value: int) -> np.ndarray:
    if size < 0:
        raise RuntimeError("nonzero_static: 'size' must be an non-negative integer")
    places = np.full((size, len(input._sizes)), fill_value, np.int64)
    if input._sizes:
        found = np.argwhere(input._array() != 0)[:size]
        places[: len(found)] = found
    return places


op(
    "nonzero_static(Tensor input, *, int size, int fill_value=-1)", kind=GENERAL, kernel=_nonzero_static,
    family="indexing", forms="function method out", exact=True, memory="internal first", check=ask_history,
    out_dtype_error="nonzero_static: Expected out tensor to have scalar type {result} but got scalar type{out}",
)  # fmt: skip
