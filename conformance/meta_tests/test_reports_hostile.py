"""Hostile texts in records stay texts on the page."""

import re

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

import reports
from conformance.meta_tests.hostile_records import HOSTILE, hostile_records
from conformance.meta_tests.report_pages import Outline
from conformance.meta_tests.sample_records import (
    sample_records,
    save,
)
from reports import text


def check_hostile(page, plain):
    """Nothing of the texts became an element, an attribute or a link, and the page can be written and read."""
    page.encode("utf-8")
    assert not re.search(
        r"[\0-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2028\u2029\u2066-\u2069\ufeff]", page
    )
    outline = Outline(page)
    known = plain.tags.keys() | {"mark"}
    assert outline.tags.keys() <= known
    assert (outline.tags["script"], outline.tags["style"], outline.tags["main"]) == (1, 1, 1)
    names = {name for _, name, _ in plain.attributes}
    assert {name for _, name, _ in outline.attributes} <= names
    targets = [value for _, name, value in outline.attributes if name == "href"]
    assert all(value.startswith(("#", "https://")) for value in targets)


@pytest.mark.parametrize("bad", HOSTILE, ids=lambda bad: ascii(bad[:12]))
def test_hostile_texts_stay_texts(tmp_path, campaign, bad):
    page = reports.render(save(tmp_path / "bad", "r.jsonl", hostile_records(bad)))
    check_hostile(page, Outline(reports.render(campaign)))
    assert text.clip(text.visible(bad))[:2000] in Outline(page).text


@settings(max_examples=25, deadline=None)
@given(
    bad=st.text(
        st.sampled_from("<>&\"'`/=-!{}%#\\\0\n\r\t\u202e\ud83d\udc00 aZ;") | st.characters(), max_size=30
    )
)
def test_drawn_texts_stay_texts(tmp_path_factory, bad):
    folder = tmp_path_factory.mktemp("records")
    plain = Outline(reports.render(save(folder / "plain", "r.jsonl", sample_records())))
    check_hostile(reports.render(save(folder / "bad", "r.jsonl", hostile_records(bad))), plain)
