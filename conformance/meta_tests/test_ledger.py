"""The ledger: what it reads, what it refuses, what it explains, and that its own entries still hold."""

import dataclasses

import pytest

from conformance import ledger
from conformance.meta_tests import faulty_torch
from conformance.meta_tests.test_judge import REFERENCE
from conformance.session import Session

GOOD = """
[[entry]]
id = "transposes-copy"
reason = "This namespace copies where torch shows the same memory."
citation = "https://docs.pytorch.org/docs/stable/tensor_view.html"
verdict = "bug"
candidate = "*:transpose_copies"
aspect = "aliasing"
op = "transpose"
versions = {torch-cpu = ">=2,<3"}
program = '''
x = torch.ones(2, 2)
y = torch.transpose(x, 0, 1)
'''
[entry.match]
got = "no other"
"""
VERSIONS = {"torch-cpu": "2.13.0+cpu"}
TEXT = "a = torch.rand(2, 3)\nb = torch.transpose(a, 0, 1)\nc = b + 1"


def write(path, text=GOOD):
    path.write_text(text, encoding="utf-8")
    return path


def session(tmp_path, text=GOOD, **versions):
    write(tmp_path / "a.toml", text)
    return Session(
        REFERENCE, [faulty_torch.transpose_copies], ledger=ledger.load(tmp_path, {**VERSIONS, **versions})
    )


def test_an_entry_explains_what_it_describes_and_nothing_else(tmp_path):
    found = session(tmp_path)
    (shown,) = found.show(TEXT)
    entry = found.ledger.explain(shown)
    assert entry is not None
    assert entry.id == "transposes-copy"
    for change in (
        {"aspect": "values"},
        {"op": "t"},
        {"candidate": "engine"},
        {"got": "shares memory with x"},
    ):
        assert found.ledger.explain(dataclasses.replace(shown, **change)) is None
    assert found.ledger.explain(dataclasses.replace(shown, aspect="grad.aliasing")) is entry


def test_versions_limit_an_entry(tmp_path):
    assert session(tmp_path).ledger.explain(session(tmp_path).show(TEXT)[0]) is not None
    older = session(tmp_path, **{"torch-cpu": "1.13.1"})
    assert older.ledger.explain(older.show(TEXT)[0]) is None


def test_a_known_difference_is_settled_without_reducing(tmp_path):
    found = session(tmp_path)
    (shown,) = found.show(TEXT)
    finding, new = found.settle(TEXT, shown)
    assert (new, finding.ledger, finding.fingerprint) == (True, "transposes-copy", "ledger-transposes-copy")
    assert finding.text.startswith("x = torch.ones(2, 2)")
    assert finding.discrepancy.line == 2  # of the pinned program
    assert found.settle(TEXT, shown) == (finding, False)
    assert "reduce" not in found.timings


def test_an_entry_that_no_longer_shows_itself_is_stale(tmp_path):
    found = session(tmp_path)
    (entry,) = found.ledger.entries
    assert ledger.stale(entry, lambda text, candidate: found.show(text), VERSIONS) is None
    repaired = Session(REFERENCE, [faulty_torch.same])
    why = ledger.stale(entry, lambda text, candidate: repaired.show(text), VERSIONS)
    assert why is not None
    assert "transposes-copy" in why
    assert "no difference" in why


BAD = {
    'verdict = "bug"': (
        'verdict = "maybe"',
        "verdict is 'maybe' (allowed: bug, documented, unspecified, device)",
    ),
    "reason = ": ("raison = ", "reason should be a text that is not empty, but is None"),
    'aspect = "aliasing"': ('aspect = "alias"', "aspect is 'alias' (allowed: crash, hang"),
    'got = "no other"': ('got = "("', "match.got: not a regular expression"),
    "got = ": ("gut = ", "a key of match is 'gut'"),
    '">=2,<3"': ('"2.x"', "versions.torch-cpu should be like '>=2.11,<2.14', but is '2.x'"),
    'op = "transpose"': ("op = 3", "op should be a text that is not empty, but is 3"),
    "[[entry]]": ("[[entries]]", "only [[entry]] tables are allowed, but found entries"),
    "id = ": ("id = [", "not TOML"),
    "citation = ": ("extra = 1\ncitation = ", "unknown key 'extra'"),
}


@pytest.mark.parametrize("old", BAD)
def test_mistakes_are_told_in_one_line_with_the_file(tmp_path, old):
    new, message = BAD[old]
    path = write(tmp_path / "bad.toml", GOOD.replace(old, new, 1))
    with pytest.raises(ledger.LedgerError) as caught:
        ledger.load_file(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value).split("not TOML")[0]


def test_an_id_stands_once_in_the_whole_ledger(tmp_path):
    write(tmp_path / "a.toml")
    write(tmp_path / "b.toml")
    with pytest.raises(ledger.LedgerError, match=r"stands in .*a\.toml already"):
        ledger.load(tmp_path)
    assert ledger.load(tmp_path / "none").entries == ()


@pytest.mark.parametrize(
    ("version", "allowed", "expected"),
    [
        ("2.13.0+cpu", ">=2.11,<2.14", True),
        ("2.14.0", ">=2.11,<2.14", False),
        ("2.9", ">=2.11", False),
        ("2.13", "==2.13.0", True),
        ("2.13.1", "!=2.13.0", True),
        ("unknown", ">=1", False),
        (None, ">=1", False),
    ],
)
def test_versions(version, allowed, expected):
    assert ledger.within(version, allowed) is expected
