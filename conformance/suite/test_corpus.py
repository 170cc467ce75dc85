"""The corpus: programs worth keeping, each about one thing that tensor libraries get wrong.

Every file of `corpus/` is one program in the program language, on all backends. Comment lines at its top say what it is
about; they are no part of the program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from conformance.trace import read_programs

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.py"))


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_corpus_program_agrees_with_the_reference(path: Path, agree: Callable[[Iterable[str]], None]) -> None:
    agree([program.text for program in read_programs(path)])
