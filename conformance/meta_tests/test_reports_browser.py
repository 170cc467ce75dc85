"""The page in Chromium: filters, buttons, hostile texts, and scripts off."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import reports
from conformance.meta_tests.hostile_records import HOSTILE, hostile_records
from conformance.meta_tests.report_pages import Outline
from conformance.meta_tests.sample_records import VARIANTS, save

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None
)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-dev-shm-usage", "--virtual-time-budget=4000",
)  # fmt: skip


@pytest.fixture
def browse(tmp_path):
    """Open an address in Chromium and return the document as it is after scripts ran."""
    if CHROMIUM is None:
        pytest.skip(
            "no Chromium on this machine (looked for chromium, chromium-browser, google-chrome, chrome)"
        )

    def dump(address, *flags):
        command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", *flags, "--dump-dom", address]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    return dump


def shown_ops(page):
    cards = re.findall(r'<details class="card[^"]*"([^>]*)>', page)
    return sorted(re.search(r'data-op="([^"]*)"', card)[1] for card in cards if "hidden" not in card)


@pytest.mark.browser
@pytest.mark.slow
def test_the_page_filters_with_scripts_on(campaign, tmp_path, browse):
    address = Path(reports.write(campaign, tmp_path / "report.html")).as_uri()
    everything = browse(address)
    assert f"{len(VARIANTS)} of {len(VARIANTS)} shown" in everything
    assert '<form class="filters" aria' in everything
    assert shown_ops(browse(f"{address}#?aspect=grad&candidate=thirdlib")) == ["backward"]
    assert shown_ops(browse(f"{address}#?op=expand&dtype=int64")) == ["expand"]
    assert shown_ops(browse(f"{address}#?tier=known")) == ["expand"]
    assert shown_ops(browse(f"{address}#?text=SIGSEGV")) == ["cat"]
    assert "0 of 8 shown" in browse(f"{address}#?text=nowhere")
    card = re.search(r'id="(d-[0-9a-f]+)">(?:(?!id="d-).)*3d3d', everything, re.S)[1]
    opened = rf'<details class="card[^>]* open=""[^>]*>(?:(?!<details class="card).)*id="{card}"'
    assert not re.search(opened, everything, re.S)
    assert re.search(opened, browse(f"{address}#{card}"), re.S)


@pytest.mark.browser
@pytest.mark.slow
def test_the_page_is_whole_with_scripts_off(campaign, tmp_path, browse):
    # Chromium dumps nothing where scripts are switched off altogether, so here the page's policy refuses them.
    page = reports.render(campaign)
    silent, replaced = re.subn(
        r"script-src '[^']*'", "script-src 'none'", page.replace("&#39;", "'"), count=1
    )
    assert replaced == 1
    (tmp_path / "silent.html").write_text(silent)
    document = browse((tmp_path / "silent.html").as_uri())
    assert '<form class="filters" hidden' in document
    assert '<button type="button" class="copy" hidden' in document
    assert Outline(document).text.split() == Outline(page).text.split()
    assert len(shown_ops(document)) == len(VARIANTS)


@pytest.mark.browser
@pytest.mark.slow
def test_cells_filter_and_buttons_copy(campaign, tmp_path, browse):
    # The page refuses foreign scripts; without its policy one can press its buttons.
    page = re.sub(r"<meta http-equiv[^>]*>", "", reports.render(campaign))
    press = "<script>for (const each of [%s]) document.querySelector(each).click()</script></body>"
    cell = "'.aspects a[data-family=pointwise][data-aspect=values]'"
    (tmp_path / "a.html").write_text(page.replace("</body>", press % cell))
    assert shown_ops(browse((tmp_path / "a.html").as_uri())) == ["mul_"]
    (tmp_path / "b.html").write_text(page.replace("</body>", press % "'.card .copy', '[data-fold=open]'"))
    document = browse((tmp_path / "b.html").as_uri(), "--virtual-time-budget=1000")
    assert len(re.findall('<details class="card[^>]* open=""', document)) == len(VARIANTS)
    assert re.search(">(Copied|Selected)</button>", document)


@pytest.mark.browser
@pytest.mark.slow
def test_hostile_texts_do_nothing_in_a_browser(tmp_path, browse):
    for number, bad in enumerate(HOSTILE[:3] + [HOSTILE[13]]):
        page = reports.write(
            save(tmp_path / str(number), "r.jsonl", hostile_records(bad)), tmp_path / f"{number}.html"
        )
        document = browse(page.as_uri())
        outline = Outline(document)
        assert (outline.tags["script"], outline.tags["img"], outline.tags["style"]) == (1, 0, 1)
        assert "2 of 2 shown" in document
