"""Every operation of the catalogue, on every dtype: values, gradients of order one and two, flags, memory, spellings.

Each test is one operation. Its programs call it on contiguous, transposed, strided, expanded, 0-d and empty operands and
on special values, in every spelling that it has, on dtypes that it takes and on those that it refuses.
`--max-examples` says on how many of these layouts each dtype is tried.

`open_differences.toml` lists the operations of which the engine is known to differ somewhere still: their tests have to
fail, so that an entry goes when the difference goes.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from conformance.plugin import options_of
from conformance.suite.op_programs import names, programs_of

OPEN = tomllib.loads(Path(__file__).with_name("open_differences.toml").read_text(encoding="utf-8"))[
    "operations"
]


@pytest.mark.parametrize("name", names())
def test_operation_agrees_with_the_reference(
    name: str, agree: Callable[[Iterable[str]], None], request: pytest.FixtureRequest
) -> None:
    options = options_of(request.config)
    if name in OPEN and options.candidates == ("engine",):
        request.applymarker(pytest.mark.xfail(strict=True, reason=OPEN[name]))
    agree(programs_of(name, options.max_examples))


def test_open_differences_are_of_operations_that_exist() -> None:
    assert not OPEN.keys() - set(names())
