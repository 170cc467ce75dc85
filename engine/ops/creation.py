"""Factories."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes, layout
from engine import functions as F
from engine.size import require_cpu
from engine.storage import Storage
from engine.tensor import Tensor


def zeros(*size: Any, dtype: Any = None, requires_grad: bool = False, **_: Any) -> Tensor:
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = tuple(size[0])
    t = Tensor._fresh(np.zeros(size, (dtype or dtypes.get_default_dtype()).numpy))
    return t.requires_grad_() if requires_grad else t


F.zeros = zeros
F.ones = lambda *s, **k: zeros(*s, **k).fill_(1)
F.zeros_like = lambda t, dtype=None: zeros(t._sizes, dtype=dtype or t.dtype)
F.ones_like = lambda t, dtype=None: zeros(t._sizes, dtype=dtype or t.dtype).fill_(1)


def _new_empty_strided(self, sizes, strides):
    return Tensor._fresh(np.zeros(sizes, self.dtype.numpy), self.dtype, tuple(strides))
Tensor.new_empty_strided = _new_empty_strided
