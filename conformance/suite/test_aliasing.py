"""Every view by every state of its base by every write: values, histories, versions and gradients of order two.

Each test is one view (`conformance.suite.aliasing_programs`); `--max-examples 432` tries every combination.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from conformance.plugin import options_of
from conformance.suite.aliasing_programs import names, programs_of


@pytest.mark.parametrize("view", names())
def test_views_that_are_written_agree_with_the_reference(
    view: str, agree: Callable[[Iterable[str]], None], request: pytest.FixtureRequest
) -> None:
    agree(programs_of(view, options_of(request.config).max_examples))
