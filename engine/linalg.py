"""Linear algebra under the names of `torch.linalg`.

Source: https://docs.pytorch.org/docs/stable/linalg.html
"""

from __future__ import annotations

from typing import Any

from engine import functions


class LinAlgError(RuntimeError):
    """A matrix that has no inverse, no Cholesky factor or no solution."""


LinAlgError.__module__ = "torch._C"
LinAlgError.__qualname__ = LinAlgError.__name__ = "_LinAlgError"


def __getattr__(name: str) -> Any:
    """The operation that is registered as `linalg_<name>`."""
    try:
        return vars(functions)[f"linalg_{name}"]
    except KeyError:
        raise AttributeError(f"module 'torch.linalg' has no attribute '{name}'") from None
