"""Every operation of the catalogue, on every dtype: values, gradients of order one and two, flags, memory, spellings.

Each test is one operation. Its programs call it on contiguous, transposed, strided, expanded, 0-d and empty operands and
on special values, in every spelling that it has, on dtypes that it takes and on those that it refuses.
`--max-examples` says on how many of these layouts each dtype is tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from conformance.plugin import options_of
from conformance.suite.op_programs import names, programs_of


@pytest.mark.parametrize("name", names())
def test_operation_agrees_with_the_reference(
    name: str, agree: Callable[[Iterable[str]], None], request: pytest.FixtureRequest
) -> None:
    agree(programs_of(name, options_of(request.config).max_examples))
