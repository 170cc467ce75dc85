"""PyTorch's documented semantics on NumPy: `import engine as torch`.

Every public function comes from a record in `engine.ops`; this module only gathers them under torch's names.
"""

from __future__ import annotations

import math
from typing import Any

from engine import autograd, cuda, dtypes, functions, linalg, precision
from engine.autograd.anomaly import is_anomaly_check_nan_enabled, is_anomaly_enabled, set_anomaly_enabled
from engine.autograd import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from engine.dtypes import (
    ALIASES, bfloat16, complex64, complex128, dtype, finfo, float16, float32, float64, get_default_dtype, iinfo, int8, int16,
    int32, int64, set_default_dtype, uint8,
)  # fmt: skip
from engine.ops import (  # importing a family registers it
    activations, along_dimension, arithmetic, binary_floats, brackets, comparison, complexes, contractions, conversion,
    counting, covariance, creation, decompositions, diagonals, distributions, elementary, extrema, factorizations,
    from_data, fused, gamma_functions, gathering, geometry, histograms, indexing, joining, legacy, linear_algebra,
    logic, masks, matrix_functions, matrix_norms, memory, networks, nonzero_places, norms, orders, parts, powers,
    random_factories, random_fills, ranges, reduced_writes, reductions, rounding, scans, scattered_parts,
    singular_values, statistics, triangular, views,
)  # fmt: skip
from engine.ops import random as _random_ops  # `random` is torch's namespace of that name
from engine.random import (
    Generator, default_generator, get_rng_state, initial_seed, manual_seed, seed, set_rng_state,
)  # fmt: skip
from engine.size import (
    Size,
    channels_last,
    contiguous_format,
    device,
    memory_format,
    preserve_format,
    strided,
)
from engine.tensor import Tensor
from engine import operators  # gives Tensor its operators
from engine.autograd import forward_ad as _forward_ad, functional as _functional  # parts of torch.autograd
from engine.autograd import checking as _checking
from engine import func, nn
from engine.func import vmap

autograd.gradcheck, autograd.gradgradcheck = _checking.gradcheck, _checking.gradgradcheck
e, inf, nan, pi, newaxis = math.e, math.inf, math.nan, math.pi, None
# The functions, and the dtype names that shadow Python's. `torch.tensor` hides the module of that name, which stays importable.
globals().update(
    {name: made for name, made in vars(functions).items() if callable(made) and name[0] != "_"}, **ALIASES
)


def __getattr__(name: str) -> Any:
    raise AttributeError(f"module 'torch' has no attribute '{name}'")


undefined_mask = Tensor._undefined_mask
"""Which elements torch leaves undefined, as a bool array, or None if all are defined. Not part of torch's names."""


def lay_out(tensor: Tensor, strides: tuple[int, ...]) -> bool:
    """Move a tensor to memory of its own, in other strides, unseen by autograd. Returns whether it could be moved: not as a
    view that backward knows, and not where elements are undefined. Not part of torch's names."""
    if tensor._undefined_mask() is not None or (tensor._view is not None and tensor.requires_grad):
        return False
    made = functions.empty_strided(tensor._sizes, strides, dtype=tensor.dtype)
    made._array()[...] = tensor._array()
    made._mark_undefined(False)
    tensor._storage, tensor._strides, tensor._offset, tensor._view = made._storage, strides, 0, None
    return True


def overwrite_bits(tensor: Tensor, data: bytes) -> None:
    """Put other values (row-major, native bytes) into a tensor's memory unseen by autograd. Not part of torch's names."""
    precision.overwrite(tensor, data)
