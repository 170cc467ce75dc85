"""`torch.cuda` where there is none.

Source: https://docs.pytorch.org/docs/stable/cuda.html
"""

from __future__ import annotations


def is_available() -> bool:
    """Whether memory on a GPU can be had: never."""
    return False


def device_count() -> int:
    """The number of GPUs: none."""
    return 0


def is_initialized() -> bool:
    """Whether CUDA has been used: never."""
    return False


def manual_seed(seed: int) -> None:
    """Seed the generator of the GPU; without one this does nothing."""


manual_seed_all = manual_seed
