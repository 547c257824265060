"""Pages can be found: with the search box, in the sidebar, by search engines."""

from __future__ import annotations

import re

import pytest
import yaml
from site_build import ROOT

import dit_lite

TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
PAGES = [c["file"] for part in TOC["parts"] for c in part["chapters"]]


def test_every_page_says_what_it_is_about_and_no_two_say_the_same(site):
    said = []
    for name in (TOC["root"], *PAGES):
        text = (site / f"{name}.html").read_text()
        (description,) = re.findall(r'<meta name="description" content="([^"]+)"', text)
        assert 20 < len(description) < 200
        said.append(description)
    assert len(set(said)) == len(said)


def test_the_sidebar_numbers_the_chapters_as_their_files(site):
    text = (site / "index.html").read_text()
    found = re.findall(r'href="chapters/(\d+)_\w+\.html">\s*(\d+) · ', text)
    files = [re.match(r"chapters/(\d+)_", name) for name in PAGES]
    assert found == [(f[1], str(int(f[1]))) for f in files if f]


@pytest.mark.parametrize(
    "short", ["CFG", "VAE", "EMA", "FID", "KID", "SNR", "NFE", "MFU", "DDP", "FSDP"]
)
def test_an_abbreviation_of_the_field_is_found(site, address, clean_page, short):
    page = clean_page(f"{address}/search.html?q={short}")
    page.locator("ul.search li a", has_text="Glossary").first.wait_for()


def test_every_public_name_has_its_entry(site):
    text = (site / "appendix/api.html").read_text()
    for name in dit_lite.__all__:
        assert f'id="dit_lite.{name}"' in text or f"dit-lite-{name.lower()}" in text
    # a room's table, and a field with what it is
    assert "record_trajectory" in text
    assert "side P of a patch" in text


def test_the_ledger_is_counted_and_filtered_and_links_to_the_cells(address, clean_page):
    claims = yaml.safe_load((ROOT / "book/claims.yml").read_text())
    page = clean_page(f"{address}/appendix/claims.html")
    shown = page.locator(".admonition.claim:visible")
    assert shown.count() == len(claims)
    wrong = [name for name in claims if claims[name]["verdict"] == "wrong"]
    button = page.get_by_role("button", name=f"wrong {len(wrong)}")
    button.click()
    assert shown.count() == len(wrong)
    page.get_by_role("searchbox", name="Words in a claim").fill("patch")
    assert 0 < shown.count() < len(wrong)
    assert page.locator(".dit-filter output").inner_text() == (
        f"{shown.count()} of {len(claims)} claims"
    )
    button.click()
    page.get_by_role("searchbox", name="Words in a claim").fill("GAP-1: missing")
    shown.get_by_role("link", name="chapter 1").click()
    card = page.locator("details#claim-GAP-1")
    card.wait_for()
    assert card.locator("p").first.is_hidden(), "one line, until it is opened"
    card.locator("summary").click()
    card.get_by_role("link", name="In the ledger").click()
    page.wait_for_url("**/claims.html#gap-1")


def test_every_link_between_cards_and_ledger_arrives(site):
    ledger = (site / "appendix/claims.html").read_text()
    cells = re.findall(r'href="\.\./(chapters/\w+)\.html#(claim-[A-Z0-9-]+)"', ledger)
    assert len(cells) > 100
    for page, card in cells:
        assert f'id="{card}"' in (site / f"{page}.html").read_text()
    for path in site.glob("chapters/*.html"):
        for name in re.findall(
            r'appendix/claims\.html#([a-z0-9-]+)"', path.read_text()
        ):
            assert f'id="{name}"' in ledger
