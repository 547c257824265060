"""Citations are written from references.bib, and checked against it."""

import json
import re

import pytest
from site_build import ROOT  # puts book/_ext on the path

from citations import CitationError, cited, papers  # isort: skip

BIB = r"""
@article{one2020a, title={T}, author={M{\"u}ller, Ada}, year={2020}, eprint={2001.00001}}
@article{two2021a, title={T}, author={van der Berg, Jan and Xie, S.}, year={2021}, doi={10.1/x}}
@article{three2022b, title={T}, author={Ho, J. and A, B. and C, D.}, year={2022}, url={https://example.org/b}}
@article{three2022a, title={T}, author={Ho, K. and others}, year={2022}, eprint={2201.00001}}
"""


@pytest.fixture
def bib(tmp_path):
    path = tmp_path / "references.bib"
    path.write_text(BIB, encoding="utf-8")
    return path


def test_a_citation_names_authors_and_year(bib):
    assert papers(bib) == {
        "one2020a": ("Müller, 2020", "https://arxiv.org/abs/2001.00001"),
        "two2021a": ("van der Berg & Xie, 2021", "https://doi.org/10.1/x"),
        "three2022b": ("Ho et al., 2022b", "https://example.org/b"),
        "three2022a": ("Ho et al., 2022a", "https://arxiv.org/abs/2201.00001"),
    }


def test_a_key_becomes_a_link_in_brackets_or_in_the_sentence(bib):
    assert cited("DDIM {cite}`one2020a, two2021a`.", bib) == (
        "DDIM ([Müller, 2020](https://arxiv.org/abs/2001.00001), "
        "[van der Berg & Xie, 2021](https://doi.org/10.1/x))."
    )
    assert cited("{cite:t}`three2022b` say", bib) == (
        "[Ho et al., 2022b](https://example.org/b) say"
    )


def test_a_label_follows_the_bibliography_and_nothing_else_changes(bib):
    text = "[Ho, 1999](https://arxiv.org/abs/2201.00001) and [here](../x.md), $a[1](2)$"
    wanted = text.replace("Ho, 1999", "Ho et al., 2022a")
    assert cited(text, bib) == wanted
    assert cited(wanted, bib) == wanted


@pytest.mark.parametrize(
    "text", ["{cite}`four`", "[Who, 2020](https://arxiv.org/abs/9999.99999)"]
)
def test_what_the_bibliography_lacks_is_refused(text, bib):
    with pytest.raises(CitationError, match=r"not in references\.bib; add it"):
        cited(text, bib)


def test_an_entry_without_an_address_is_refused(tmp_path):
    path = tmp_path / "no.bib"
    path.write_text("@misc{a, title={T}, author={B, C}, year={2000}}")
    with pytest.raises(CitationError, match="give it an eprint, a doi or a url"):
        papers(path)


def test_every_paper_of_the_book_is_found_and_told_apart():
    known = papers()
    assert len({label for label, _ in known.values()}) == len(known)
    assert len({where for _, where in known.values()}) == len(known)
    assert all(where.startswith("https://") for _, where in known.values())


def test_no_chapter_holds_a_role_that_only_a_page_reads():
    for path in (ROOT / "book/chapters").glob("*.ipynb"):
        for cell in json.loads(path.read_text())["cells"]:
            if cell["cell_type"] == "markdown":
                prose = "".join(cell["source"])
                assert not re.search(r"\{[a-z:]+\}`|^(`{3,}|:{3,})\{", prose, re.M), (
                    prose
                )


def test_a_label_holds_no_latex():
    assert not any("{" in label or "\\" in label for label, _ in papers().values())
