"""Every operation of the catalogue in all its forms, on each backend for itself: spellings, `out=`, in place, operands of other
strides, with and without gradients (`conformance.equivalences` says what is compared)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conformance.judged import Judging, message
from conformance.plugin import options_of
from conformance.suite.op_programs import calls_of, names


@pytest.mark.parametrize("name", names())
def test_the_forms_of_an_operation_agree(
    name: str, backend_name: str, judging_of: Callable[[str], Judging], request: pytest.FixtureRequest
) -> None:
    programs = calls_of(name, options_of(request.config).max_examples)
    found = judging_of(backend_name).programs(programs, request.node.nodeid)
    if found:
        pytest.fail(message(found), pytrace=False)
