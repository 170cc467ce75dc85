"""The random state (`torch.random`): generators, the default one, seeds and states.

Sources: https://docs.pytorch.org/docs/stable/random.html and
https://docs.pytorch.org/docs/stable/generated/torch.Generator.html
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import dtypes
from engine.generator import Mt19937Stream, require_int_seed
from engine.size import CPU, device
from engine.tensor import Tensor, fresh


class Generator:
    """A stream of random numbers. Raises RuntimeError for a device other than the CPU."""

    __slots__ = ("_stream",)

    def __init__(self, device: Any = "cpu") -> None:
        where = _device(device)
        if where.type == "cuda":
            raise RuntimeError("Cannot get CUDA generator without ATen_cuda library.")
        if where.type != "cpu":
            raise RuntimeError(f"{where.type.upper()} device type not an accelerator.")
        self._stream = Mt19937Stream()

    @property
    def device(self) -> device:
        """Always the CPU."""
        return CPU

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream of a seed. Raises RuntimeError for anything but an int, ValueError beyond 64 bits."""
        self._stream.manual_seed(require_int_seed(seed))
        return self

    def seed(self) -> int:
        """Seed from the operating system and return the seed."""
        return self._stream.seed()

    def initial_seed(self) -> int:
        """The seed that the stream started from, as an unsigned 64-bit number."""
        return self._stream.initial_seed()

    def get_state(self) -> Tensor:
        """The state: a uint8 tensor of shape [5056]."""
        return fresh(self._stream.get_state().copy(), dtypes.uint8)

    def set_state(self, new_state: Tensor) -> Generator:
        """Go on from a state. Raises TypeError for what is no uint8 tensor, RuntimeError for what is no state."""
        self._stream.set_state(_state_bytes(new_state))
        return self

    def clone_state(self) -> Generator:
        """Another generator that goes on as this one would."""
        other = Generator()
        other._stream = self._stream.clone()
        return other

    def __repr__(self) -> str:
        return f"<torch._C.Generator object at {hex(id(self))}>"


def _device(where: Any) -> device:
    if isinstance(where, device):
        return where
    if isinstance(where, int) and not isinstance(where, bool):
        raise RuntimeError("Cannot access accelerator device when none is available.")
    if not isinstance(where, str):
        raise TypeError(
            f"Generator(): argument 'device' (position 1) must be torch.device, not {type(where).__name__}"
        )
    return device(where)


def _state_bytes(state: Any) -> np.ndarray:
    if not isinstance(state, Tensor):
        raise TypeError(f"expected a torch.ByteTensor, but got {type(state).__name__}")
    if state.dtype is not dtypes.uint8:
        raise TypeError("RNG state must be a torch.ByteTensor")
    return state._array()


default_generator = Generator()
"""The generator that random functions use when none is given."""


def stream_of(generator: Generator | None) -> Mt19937Stream:
    """The stream of a generator, of the default one for None."""
    return (default_generator if generator is None else generator)._stream


def manual_seed(seed: Any) -> Generator:
    """Seed the default generator with `int(seed)` and return it. Raises ValueError beyond 64 bits."""
    return default_generator.manual_seed(int(seed))


def seed() -> int:
    """Seed the default generator from the operating system and return the seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state of the default generator."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Set the state of the default generator. Raises as `Generator.set_state`."""
    default_generator.set_state(new_state)
