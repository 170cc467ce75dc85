"""Random programs by profile: what every candidate does must be what the reference does, as far as it is documented.

`--max-examples N` programs a profile, `--programs-profile NAME` for one profile. The programs are the same in every run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from conformance.plugin import options_of
from strategies.programs import PROFILES, programs


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    metafunc.parametrize("profile", options_of(metafunc.config).profiles or tuple(PROFILES))


def drawn(profile: str) -> list[str]:
    """The texts of as many programs as the Hypothesis profile in force says.

    They are collected first and judged afterwards: a difference must not end the run, and Hypothesis has nothing to
    shrink, because the reducer works on program text.
    """
    texts: list[str] = []

    @settings(phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(programs(profile))
    def collect(program: object) -> None:
        texts.append(str(program))

    collect()
    return texts


def test_random_programs_agree_with_the_reference(
    profile: str, agree: Callable[[Iterable[str]], None]
) -> None:
    agree(drawn(profile))
