"""Candidates in which nothing is wrong but that they round in another way: whatever is reported of them is a false alarm.

    python -m conformance run --candidate conformance.honest:perturbed_engine --no-follow
    python -m conformance run --candidate conformance.honest:torch_with_two_threads

The first is the engine with every rounding off by one at random. It is compared without following, because what follows has
to give equal bits where an operation is exactly rounded. The second adds up large tensors in another order.
"""

from __future__ import annotations

from typing import Any

from conformance.accuracy import carried
from conformance.backends import Backend, resolve
from conformance.rerun import SEEDS
from engine import precision

THREADS = 2


class _Perturbed(Backend):
    _mode: Any = None

    def reset(self) -> None:
        super().reset()
        self._mode = precision.perturbed(
            len(SEEDS), accuracy=carried()
        )  # none of those that the spread is measured with
        self._mode.__enter__()

    def restore(self) -> None:
        self._mode.__exit__()
        super().restore()


class _Threaded(Backend):
    def modes(self) -> list[tuple[str, str, Any]]:
        return [*super().modes(), ("get_num_threads", "set_num_threads", THREADS)]


def perturbed_engine() -> Backend:
    return _like("engine", _Perturbed)


def torch_with_two_threads() -> Backend:
    return _like("torch-cpu", _Threaded)


def _like(name: str, kind: type[Backend]) -> Backend:
    known = resolve(name)
    return kind(
        name, known.namespace, known.version, known.capabilities, lazy=known.lazy,
        settings=known.settings,
    )  # fmt: skip
