"""What is recorded of the accuracy of special functions is what is measured."""

import math

import pytest
import torch

import engine
from conformance.accuracy import DTYPES, FUNCTIONS, grid, measured
from conformance.numeric import ULPS
from engine.accuracy import ACCURACY


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(FUNCTIONS.keys() - {"trigamma"}))  # torch's formula, and the engine's
def test_no_function_is_less_accurate_than_recorded(name: str, dtype: str) -> None:
    arguments = grid(name, dtype, 60)
    most = max(measured(library, name, arguments) for library in (engine, torch))
    assert most <= ACCURACY.get(name, {}).get(dtype, ULPS)


def test_what_is_recorded_is_needed() -> None:
    for name, recorded in ACCURACY.items():
        assert all(units > ULPS for units in recorded.values()), name
        assert all(math.isfinite(units) for units in recorded.values()), name
