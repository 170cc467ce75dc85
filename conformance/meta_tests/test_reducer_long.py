"""Twenty long programs that fail, each reduced to a few statements (the faults are those of `planted_faults`)."""

import functools
import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest

from conformance.backends import resolve
from conformance.meta_tests.planted_faults import FAULTS
from conformance.session import Session
from strategies.profiles import DEFAULT
from strategies.program import parse
from strategies.programs import draw_text

LONG = 30
STATEMENTS = 5
PROFILE = replace(DEFAULT, name="long", least=LONG, most=LONG + 10)
CASES = [(fault, number) for number in range(2) for fault in FAULTS][:20]


@functools.cache
def drawn(number: int) -> str:
    counter = itertools.count()
    return draw_text(lambda: hashlib.blake2b(f"{number} {next(counter)}".encode()).digest(), PROFILE)


def programs() -> Iterator[str]:
    """Programs of at least 30 statements, the same in each call."""
    return (text for text in map(drawn, range(300)) if len(list(parse(text).walk())) >= LONG)


@pytest.mark.parametrize(("fault", "number"), CASES)
def test_a_long_program_is_reduced_to_a_few_statements(fault: str, number: int) -> None:
    found = Session(resolve("torch-cpu"), [replace(FAULTS[fault](), name="engine")])
    failing = ((text, shown) for text in programs() if (shown := found.show(text)))
    text, shown = next(itertools.islice(failing, number, None))
    finding, new = found.settle(text, shown[0])
    assert new
    assert len(list(parse(finding.text).walk())) <= STATEMENTS, finding.text
