"""torch's random stream on the CPU, and what its random functions make of it.

`Mt19937Stream` is the generator; the functions take a stream, a number of elements, a dtype name and
parameters, and return a one-dimensional NumPy array in *fill order*. They have torch's checks and error texts.

Fill order is not always logical order. A destination is filled in memory order, smallest stride fastest:
`x.t().uniform_()` gives `x` the values that `x.uniform_()` would. `fill_order` gives the order of the dimensions and
`arrange` the logical array. Exceptions, all measured on torch 2.13:
 - `normal(..., contiguous=False)` is for destinations of 16 elements or more that are not row-major: they take the
   scalar form. Complex destinations are filled as their `view_as_real`; row-major counts, and 16 counts real parts.
 - `bernoulli(p)` and `normal(mean, ...)` with tensors allocate a row-major result, whatever the strides of the
   operand (`rand_like` and `dropout` keep the strides). A tensor `p` is read at the destination's positions.

Which function makes what:
 - `rand` is `uniform_(0, 1)`, `randn` is `normal_(0, 1)`, `randint` is `random_(low, high)`.
 - `normal(mean, std)` with a tensor operand is `normal_(0, 1).mul_(std).add_(mean)`; with a tensor mean and a number
   std it is `normal_(0, std).add_(mean)`.
 - `dropout(x, p)` is `x * bernoulli_(1 - p).div_(1 - p)`: the mask is `bernoulli(stream, n, dtype, 1 - p)`. Nothing is
   drawn when p is 0 or 1, when not training, or for an empty x.

Older torch drew scalar Bernoulli and exponential values from a stream of MKL on Intel processors. Public builds stopped
in 2025 (https://github.com/pytorch/pytorch/pull/146174), and the library of the 2.13 wheel holds no symbol of MKL's
random streams, so these functions should hold on every x86 processor; they were measured on an AMD one with AVX2.
Source: https://docs.pytorch.org/docs/stable/notes/randomness.html
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from engine import box_muller
from engine.box_muller import fused32, fused64, libm
from engine.mt19937 import DEFAULT_SEED, STATE_BYTES, Mt19937Stream, require_int_seed, seed_bits
from engine.random_integers import random_full, random_range, randperm
from engine.random_support import (
    C_NAME,
    DIGITS,
    LARGEST,
    LEGACY,
    NUMPY,
    PART,
    cast,
    empty,
    number,
    require,
    uniform32,
    uniform64,
)

__all__ = [
    "DEFAULT_SEED", "STATE_BYTES", "Mt19937Stream", "arrange", "bernoulli", "bernoulli_tensor", "cauchy", "exponential",
    "fill_order", "geometric", "log_normal", "multinomial", "normal", "random_full", "random_range", "randperm",
    "require_int_seed", "seed_bits", "uniform",
]  # fmt: skip


# --- the order in which a destination is filled -----------------------------------------------------------------------


def fill_order(shape: Sequence[int], strides: Sequence[int]) -> tuple[int, ...]:
    """The dimensions of a destination from slowest to fastest: by stride, the last dimension fastest among equals.

    Equal strides (overlapping `as_strided`) put the larger dimension outside; a stride of 0 leaves the order alone.
    """
    order = list(range(len(shape)))[::-1]  # fastest first while sorting
    for start in range(1, len(order)):
        here = start
        for before in range(start - 1, -1, -1):
            comparison = _compare(order[before], order[here], shape, strides)
            if comparison < 0:
                break
            if comparison > 0:
                order[before], order[here] = order[here], order[before]
                here = before
    return tuple(reversed(order))


def _compare(inner: int, outer: int, shape: Sequence[int], strides: Sequence[int]) -> int:
    """Positive when two dimensions must be swapped, negative when they are in order, 0 when it does not matter."""
    if strides[inner] == 0 or strides[outer] == 0:
        return 0
    if strides[inner] != strides[outer]:
        return 1 if strides[inner] > strides[outer] else -1
    return 1 if shape[inner] > shape[outer] else 0


def arrange(values: np.ndarray, shape: Sequence[int], strides: Sequence[int]) -> np.ndarray:
    """The logical array of a destination that was filled with `values` in fill order."""
    order = fill_order(shape, strides)
    return values.reshape([shape[d] for d in order]).transpose(np.argsort(order).tolist())


# --- uniform, normal --------------------------------------------------------------------------------------------------


def uniform(stream: Mt19937Stream, n: int, dtype: str, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """Values of [low, high): `rand`, `uniform_`. Floating and complex dtypes (both parts uniform).

    A value that rounds to `high` becomes `low`. Raises RuntimeError for bad bounds.
    """
    if dtype in PART:
        parts = uniform(stream, 2 * n, PART[dtype], low, high) if n else empty(PART[dtype])
        return parts.view(NUMPY[dtype])
    require(dtype in DIGITS, dtype, "check_uniform_bounds")
    _check_bounds(dtype, low, high)
    numpy_dtype = NUMPY[dtype]
    if dtype == "float64":
        values = fused64(uniform64(stream, n), high - low, low)
    else:
        low32, high32 = np.float32(low), np.float32(high)
        values = fused32(uniform32(stream, n), high32 - low32, low32).astype(numpy_dtype)
    first, last = cast(np.array([low, high]), dtype)
    return np.where(values == last, first, values)


def _check_bounds(dtype: str, low: float, high: float) -> None:
    limit = LARGEST[dtype]
    for name, bound in (("from", low), ("to", high)):
        if not -limit <= bound <= limit:
            raise RuntimeError(f"{name} is out of bounds for {C_NAME[dtype]}")
    if low > high:
        raise RuntimeError(
            f"uniform_ expects to return a [from, to) range, but found from={number(low)} > to={number(high)}"
        )
    if high - low > limit:
        raise RuntimeError(
            f"uniform_ expects to-from <= std::numeric_limits<{LEGACY[dtype]}>::max(), but found to={number(high)} "
            f"and from={number(low)} which result in to-from to exceed the limit"
        )


def normal(
    stream: Mt19937Stream, n: int, dtype: str, mean: float = 0.0, std: float = 1.0, *, contiguous: bool = True
) -> np.ndarray:
    """Normal values: `randn`, `normal_`. Floating and complex dtypes (each part has std / sqrt 2 and the mean).

    `contiguous` says whether the destination is row-major: then 16 elements or more are made in blocks, else one by
    one with a cached second value. Raises RuntimeError for a negative or NaN std.
    """
    if not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {number(std)}")
    if n == 0:
        return empty(dtype)
    if dtype in PART:
        parts = normal(stream, 2 * n, PART[dtype], mean, std / math.sqrt(2), contiguous=contiguous)
        return parts.view(NUMPY[dtype])
    require(dtype in DIGITS, dtype, "normal_kernel_cpu")
    with np.errstate(over="ignore"):
        if n >= 16 and contiguous:
            return _normal_blocks(stream, n, dtype, mean, std)
        return cast(fused64(_normal_scalars(stream, n), std, mean), dtype)


def _normal_blocks(stream: Mt19937Stream, n: int, dtype: str, mean: float, std: float) -> np.ndarray:
    """Blocks of 16; where n is no multiple of 16 the last 16 elements are made again from 16 fresh draws.

    The 16-bit dtypes draw no word for the elements beyond the last whole block, the others draw one and lose it.
    """
    source = uniform64 if dtype == "float64" else uniform32
    block = box_muller.block64 if dtype == "float64" else box_muller.block32
    whole = n - n % 16
    drawn = source(stream, whole if dtype in ("float16", "bfloat16") else n)[:whole]
    if whole == n:
        return block(drawn, mean, std).astype(NUMPY[dtype])
    made = block(np.concatenate([drawn, source(stream, 16)]), mean, std)
    values = np.concatenate([made[: n - 16], made[-16:]])
    return values.astype(NUMPY[dtype])


def _normal_scalars(stream: Mt19937Stream, n: int) -> np.ndarray:
    """n standard normal float64 values, the cached one first; the second value of a last half pair is cached."""
    cached, stream.cached_normal = stream.cached_normal, None
    values = [] if cached is None else [cached]
    pairs = (n - len(values) + 1) // 2
    if pairs:
        values += box_muller.scalar_pairs(uniform64(stream, 2 * pairs).tolist())
        if len(values) > n:
            stream.cached_normal = values.pop()
    return np.array(values)


# --- distributions with a scalar form ---------------------------------------------------------------------------------


def bernoulli(stream: Mt19937Stream, n: int, dtype: str, p: float = 0.5) -> np.ndarray:
    """Ones with probability p: `bernoulli_(p)`, the mask of dropout. 53 bits an element, whatever p is."""
    if not 0 <= p <= 1:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={number(p)}")
    if n == 0:
        return empty(dtype)
    require(dtype not in PART, dtype, "bernoulli_scalar_cpu_")
    return (uniform64(stream, n) < p).astype(NUMPY[dtype])


def bernoulli_tensor(stream: Mt19937Stream, p: np.ndarray, dtype: str) -> np.ndarray:
    """Ones with the probabilities p (one-dimensional, in fill order): `bernoulli(p)`, `bernoulli_(p)`.

    24 bits an element, 53 for a float64 p. Raises RuntimeError at the first p outside [0, 1]; the elements before it
    have been drawn by then.
    """
    if p.size == 0:
        return empty(dtype)
    require(dtype not in PART, dtype, "bernoulli_tensor_cpu_self_")
    require(p.dtype.name in DIGITS, p.dtype.name, "bernoulli_tensor_cpu_p_")
    wide = p.dtype == np.float64
    wanted = p if wide else p.astype(np.float32)
    bad = np.flatnonzero(~((wanted >= 0) & (wanted <= 1)))
    count = int(bad[0]) if bad.size else p.size
    drawn = uniform64(stream, count) if wide else uniform32(stream, count)
    if bad.size:
        raise RuntimeError(
            "Expected p_in >= 0 && p_in <= 1 to be true, but got false.  "
            "(Could this error message be improved?  If so, please report an enhancement request to PyTorch.)"
        )
    return (drawn < wanted).astype(NUMPY[dtype])


def exponential(stream: Mt19937Stream, n: int, dtype: str, lambd: float = 1.0) -> np.ndarray:
    """`exponential_(lambd)`: -1 / lambd * log(1 - u). Floating dtypes."""
    if not lambd > 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={number(lambd)}")
    if n == 0:
        return empty(dtype)
    if dtype not in DIGITS:
        raise RuntimeError(
            "Exponential distribution is a continuous probability distribution. "
            f"dtype must be a floating point but you specified {LEGACY[dtype]}"
        )
    return cast(-1.0 / lambd * libm(math.log1p, -uniform64(stream, n)), dtype)


def geometric(stream: Mt19937Stream, n: int, dtype: str, p: float) -> np.ndarray:
    """`geometric_(p)`: the number of trials up to the first success, ceil(log u / log(1 - p)). All real dtypes."""
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={number(p)}")
    if n == 0:
        return empty(dtype)
    require(dtype not in PART and dtype != "bool", dtype, "geometric_cpu")
    trials = np.ceil(libm(_log, uniform64(stream, n)) / math.log1p(-p))
    return cast(trials if dtype in DIGITS else trials.astype(np.int64), dtype)


def cauchy(stream: Mt19937Stream, n: int, dtype: str, median: float = 0.0, sigma: float = 1.0) -> np.ndarray:
    """`cauchy_(median, sigma)`: median + sigma * tan(pi * (u - 1/2)). Floating dtypes."""
    if not sigma > 0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={number(sigma)}")
    if dtype not in DIGITS:
        raise RuntimeError(
            "Cauchy distribution is a continuous probability distribution. "
            f"dtype must be a floating point but you specified {C_NAME[dtype]}"
        )
    return cast(fused64(libm(math.tan, math.pi * (uniform64(stream, n) - 0.5)), sigma, median), dtype)


def log_normal(stream: Mt19937Stream, n: int, dtype: str, mean: float = 1.0, std: float = 2.0) -> np.ndarray:
    """`log_normal_(mean, std)`: exp of scalar normal values, which share the cached second value. Floating dtypes."""
    if not std > 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={number(std)}")
    if n == 0:
        return empty(dtype)
    require(dtype in DIGITS, dtype, "log_normal_cpu")
    return cast(libm(_exp, fused64(_normal_scalars(stream, n), std, mean)), dtype)


def _log(x: float) -> float:
    return math.log(x) if x else -math.inf


def _exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


# --- multinomial ------------------------------------------------------------------------------------------------------


def multinomial(
    stream: Mt19937Stream, weights: np.ndarray, count: int, replacement: bool = False
) -> np.ndarray:
    """int64 indices drawn with the given weights; shape (count,) or (rows, count), weights of shape (n,) or (rows, n).

    With replacement: 53 bits a sample, looked up in the cumulative weights. Without, and for one sample: one
    exponential value a category (`topk(weights / exponential)`), the largest quotients in descending order; among
    equal ones (categories of weight 0, quotients that round alike in 16-bit dtypes) torch's choice is unspecified, here
    it is the lowest index. Raises RuntimeError for weights that are no distribution.
    """
    dtype = weights.dtype.name
    if weights.ndim not in (1, 2):
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    if dtype not in DIGITS:
        raise RuntimeError(f"multinomial only supports floating-point dtypes for input, got: {LEGACY[dtype]}")
    if count <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    if not replacement and count > weights.shape[-1]:
        raise RuntimeError("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
    if weights.ndim == 2 and weights.shape[0] == 0:
        return np.empty((0, count), np.int64)
    wide = np.atleast_2d(weights).astype(np.float64 if dtype == "float64" else np.float32)
    if replacement and count > 1:
        drawn = np.stack([_with_replacement(stream, row, count) for row in wide])
    else:
        drawn = _without_replacement(stream, wide, dtype, count)
    return drawn.reshape(*weights.shape[:-1], count)


def _with_replacement(stream: Mt19937Stream, row: np.ndarray, count: int) -> np.ndarray:
    total = np.cumsum(row, dtype=row.dtype)
    for weight in row:
        if not weight >= 0:
            raise RuntimeError("invalid multinomial distribution (encountering probability entry < 0)")
        if not np.isfinite(weight):
            raise RuntimeError(
                "invalid multinomial distribution (encountering probability entry = infinity or NaN)"
            )
    if row.size == 0 or not total[-1] > 0:
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    slots = total / total[-1]
    slots[-1] = 1
    return np.searchsorted(slots.astype(np.float64), uniform64(stream, count)).astype(np.int64)


def _without_replacement(stream: Mt19937Stream, weights: np.ndarray, dtype: str, count: int) -> np.ndarray:
    if weights.size == 0:
        raise RuntimeError(
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity."
        )
    if not (weights.min() >= 0 and weights.max() < math.inf):
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if (weights.sum(axis=1) == 0).any():
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    divisors = exponential(stream, weights.size, dtype).astype(weights.dtype).reshape(weights.shape)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        quotients = (weights / divisors).astype(NUMPY[dtype]).astype(weights.dtype)
    return np.argsort(-quotients, axis=1, kind="stable")[:, :count].astype(np.int64)
