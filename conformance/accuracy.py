"""``python -m conformance.accuracy``: how far special functions of the engine and of torch are from mpmath, on a grid.

The unit is one in the last place of the result, or what the result changes by when each argument changes by one,
whichever is looser. What is more than the quick test lets pass is recorded in `engine.accuracy`.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from engine.multiprecision import evaluated

# Operation -> what SciPy calls it.
FUNCTIONS = {
    "digamma": "digamma", "trigamma": "trigamma", "lgamma": "gammaln", "erf": "erf", "erfc": "erfc", "erfinv": "erfinv",
    "i0": "i0", "igamma": "gammainc", "igammac": "gammaincc",
}  # fmt: skip
DTYPES = ("float32", "float64")
COUNT = 400


def grid(name: str, dtype: str, count: int = COUNT) -> tuple[np.ndarray, ...]:
    """Arguments, the same for the same count: near 0, 1 and digamma's root, over some tens, and small. Of the incomplete
    gamma functions orders up to 20, where torch changes to an expansion that the ledger knows."""
    random = np.random.default_rng(0)
    if name in ("igamma", "igammac"):
        orders = np.concatenate([random.uniform(0.01, 1, count), random.uniform(1, 20, count)])
        return orders.astype(dtype), (orders * random.uniform(0.3, 3, 2 * count)).astype(dtype)
    if name == "erfinv":
        return (random.uniform(-1, 1, 2 * count).astype(dtype),)
    parts = [
        random.normal(0, 1, count),
        random.uniform(-30, 30, count),
        10 ** random.uniform(-6, 3, count),
        1 + random.normal(0, 1e-3, count),
        1.4616321 + random.normal(0, 1e-3, count),  # where digamma is 0
    ]
    return (np.concatenate(parts).astype(dtype),)


def truth(name: str, arguments: tuple[np.ndarray, ...]) -> np.ndarray:
    return evaluated(FUNCTIONS[name], *(x.astype(np.longdouble) for x in arguments))


def measured(library: Any, name: str, arguments: tuple[np.ndarray, ...]) -> float:
    """The largest error of a library's function in units."""
    dtype = arguments[0].dtype
    exact = truth(name, arguments)
    moved = [
        truth(
            name,
            tuple(np.nextafter(x, np.inf).astype(dtype) if i == j else x for j, x in enumerate(arguments)),
        )
        for i in range(len(arguments))
    ]
    tensors = [library.tensor(x.tolist(), dtype=getattr(library, str(dtype))) for x in arguments]
    found = library.polygamma(1, *tensors) if name == "trigamma" else getattr(library, name)(*tensors)
    with np.errstate(all="ignore"):
        unit = np.spacing(np.abs(exact).astype(dtype)).astype(np.longdouble)
        unit = np.fmax(unit, sum(np.abs(there - exact) for there in moved))
        apart = np.abs(np.array(found.tolist(), np.longdouble) - exact) / unit
    normal = np.isfinite(apart) & (np.abs(exact) >= np.finfo(dtype).tiny)
    return float(apart[normal].max())


def main() -> None:
    import torch

    import engine

    warnings.simplefilter("ignore")
    print(f"{'':10}{'':9}{'engine':>9}{'torch':>9}")
    for name in FUNCTIONS:
        for dtype in DTYPES:
            arguments = grid(name, dtype)
            figures = [measured(library, name, arguments) for library in (engine, torch)]
            print(f"{name:10}{dtype:9}{figures[0]:9.2f}{figures[1]:9.2f}", flush=True)


if __name__ == "__main__":
    main()
