"""The state of torch's CPU generator: MT19937, its seeds and its state in bytes.

Source: https://docs.pytorch.org/docs/stable/generated/torch.Generator.html
"""

from __future__ import annotations

import secrets

import numpy as np
from numpy.random import MT19937, RandomState

DEFAULT_SEED = 67280421310721
"""The seed of a generator that was never seeded."""

STATE_BYTES = 5056
_WORDS = 624
_STATE = np.dtype(
    [
        ("seed", "<u8"),
        ("left", "<i4"),
        ("seeded", "<i4"),
        ("next", "<u8"),
        ("words", "<u8", _WORDS),
        ("unused1", "<f8"),
        ("normal", "<f8"),
        ("unused2", "<f8"),
        ("has_normal", "<i8"),
        ("unused3", "<u8"),
    ]
)


class Mt19937Stream:
    """The state of one `torch.Generator` on the CPU: MT19937 and a cached second normal value.

    The generator is seeded with the low 32 bits of the seed. `normal` caches the second value of a pair for the
    next scalar normal value; nothing else reads the cache, seeding clears it.
    """

    __slots__ = ("_fresh", "_generator", "_initial_seed", "_seeder", "_unseeded", "cached_normal")

    def __init__(self, seed: int = DEFAULT_SEED) -> None:
        self._generator = MT19937(0)
        self._seeder = RandomState(self._generator)
        self.manual_seed(seed)

    def manual_seed(self, seed: int) -> Mt19937Stream:
        """Start the stream of a seed; see `seed_bits` for what counts as one."""
        self._initial_seed = seed_bits(seed)
        self._unseeded = self._fresh = True
        self.cached_normal: float | None = None
        return self

    @property
    def _bits(self) -> MT19937:
        """The generator. Its 624 words are made of the seed when they are first wanted."""
        if self._unseeded:
            self._seeder.seed(self._initial_seed & 0xFFFFFFFF)
            self._unseeded = False
        return self._generator

    def seed(self) -> int:
        """Seed from the operating system; the seed that was taken."""
        self.manual_seed(secrets.randbits(64))
        return self._initial_seed

    def initial_seed(self) -> int:
        """The seed as an unsigned 64-bit number."""
        return self._initial_seed

    def clone(self) -> Mt19937Stream:
        """An independent stream that goes on as this one would."""
        copy = Mt19937Stream(self._initial_seed)
        copy._bits.state = self._bits.state
        copy._fresh, copy.cached_normal = self._fresh, self.cached_normal
        return copy

    def words(self, n: int) -> np.ndarray:
        """The next n 32-bit words, as uint64."""
        if n:
            self._fresh = False
        return self._bits.random_raw(n)

    def double_words(self, n: int) -> np.ndarray:
        """The next n 64-bit words: two draws each, high word first."""
        pairs = self.words(2 * n).reshape(n, 2)
        return (pairs[:, 0] << np.uint64(32)) | pairs[:, 1]

    def get_state(self) -> np.ndarray:
        """The state in torch's layout: a uint8 array of 5056 bytes."""
        inner = self._bits.state["state"]
        state = np.zeros(1, _STATE)
        state["seed"], state["seeded"], state["words"] = self._initial_seed, 1, inner["key"]
        state["next"] = 0 if self._fresh else inner["pos"]
        state["left"] = _WORDS + 1 - inner["pos"]
        if self.cached_normal is not None:
            state["normal"], state["has_normal"] = self.cached_normal, 1
        return state.view(np.uint8)

    def set_state(self, state: np.ndarray) -> None:
        """Go on from a state that `get_state` gave. Raises RuntimeError for bytes that are no state."""
        if state.size != STATE_BYTES:
            raise RuntimeError(
                f"Expected a CPUGeneratorImplState of size {STATE_BYTES} "
                f"but found the input RNG state size to be {state.size}"
            )
        read = np.ascontiguousarray(state, np.uint8).reshape(-1).view(_STATE)[0]
        if not (read["seeded"] and 0 < read["left"] <= _WORDS and read["next"] <= _WORDS):
            raise RuntimeError("Invalid mt19937 state")
        position = _WORDS if read["left"] == 1 else int(read["next"])
        key = read["words"].astype(np.uint32)
        self._bits.state = {"bit_generator": "MT19937", "state": {"key": key, "pos": position}}
        self._initial_seed = int(read["seed"])
        self._fresh = read["left"] == 1 and read["next"] == 0
        self.cached_normal = float(read["normal"]) if read["has_normal"] else None


def seed_bits(seed: int) -> int:
    """A seed as torch keeps it: negative ones wrap to unsigned 64 bits.

    `torch.manual_seed` first applies `int` to its argument; `Generator.manual_seed` refuses all but ints (see
    `require_int_seed`). Raises ValueError outside [-2**63, 2**64).
    """
    if not -(2**63) <= seed < 2**64:
        raise ValueError("Overflow when unpacking long long")
    return seed % 2**64


def require_int_seed(seed: object) -> int:
    """The argument of `Generator.manual_seed`. Raises RuntimeError for anything but an int (a bool is none)."""
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
    return seed
