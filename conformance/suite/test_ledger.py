"""Every entry of the ledger must still show itself: a known difference that is gone leaves a hole in the comparison."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import partial

import pytest

from conformance.judge import Discrepancy
from conformance.judged import Judging
from conformance.ledger import Entry, load, stale, within
from conformance.session import Session
from conformance.suite.conftest import backends_under_test


@pytest.mark.parametrize("entry", load().entries, ids=lambda entry: entry.id)
def test_a_ledger_entry_still_shows_itself(
    entry: Entry, judging: Judging, judging_of: Callable[[str], Judging], request: pytest.FixtureRequest
) -> None:
    backend, slash, _ = entry.candidate.partition("/")
    if slash:  # about a backend and itself
        known = [one for one in backends_under_test(request.config) if fnmatchcase(one, backend)]
        judging = judging_of(known[-1]) if known else judging
    session = judging.session
    versions = session.ledger.versions
    for name, allowed in entry.versions.items():
        if not within(versions.get(name), allowed):
            pytest.skip(f"the entry is about {name} {allowed}, and this is {versions.get(name, 'not here')}")
    names = [one.name for one in session.candidates if fnmatchcase(one.name, entry.candidate)]
    if not names:
        pytest.skip(f"the entry is about {entry.candidate}, which is no candidate of this run")
    reasons = [stale(entry, partial(_shown, session, name), versions) for name in names]
    # An entry for several candidates (shell wildcards) is needed as long as one of them shows it.
    if None not in reasons:
        pytest.fail("\n".join(filter(None, reasons)), pytrace=False)


def _shown(session: Session, candidate: str, text: str, _: str) -> list[Discrepancy]:
    return session.show(text, candidate)


def test_the_ledger_can_be_read() -> None:
    load()
