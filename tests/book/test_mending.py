"""What the extension corrects in the text of a page, and what it leaves alone."""

import json

import dit_book
from docutils import nodes

NB = "\N{NO-BREAK SPACE}"


def test_a_number_stays_beside_its_unit_and_its_letter():
    assert dit_book.whole("<p>39 % at w = 2</p>") == f"<p>39{NB}% at w{NB}={NB}2</p>"
    assert (
        dit_book.whole("<p><code>digits</code>, w = 2</p>")
        == f"<p><code>digits</code>, w{NB}={NB}2</p>"
    )


def test_a_share_has_its_space():
    assert dit_book.whole("<td>12% (9.5%)</td>") == f"<td>12{NB}% (9.5{NB}%)</td>"
    kept = '<i style="width: 12%"></i><pre>12%</pre><a href="a%20b">5%20</a>'
    assert dit_book.whole(kept) == kept


def test_a_hyphen_before_a_number_becomes_a_minus():
    assert (
        dit_book.whole("<td>-0.5 (-1 to 2)</td><p>CIFAR-10, 1e-4, 2026-11-23</p>")
        == "<td>−0.5 (−1 to 2)</td><p>CIFAR-10, 1e-4, 2026-11-23</p>"
    )


def test_code_formulas_and_numbers_of_an_explorer_stay():
    kept = '<pre>w = -1</pre><code>t = 1</code><span class="math">\\(w = -1\\)</span>'
    assert dit_book.whole(kept) == kept
    state = {"text": "5 % at t = 1", "values": [1, -2]}
    found = dit_book.whole(
        f'<script type="application/json">{json.dumps(state)}</script>'
    )
    assert json.loads(found.split(">")[1].split("<")[0]) == {
        "text": f"5{NB}% at t{NB}={NB}1",
        "values": [1, -2],
    }


def test_printed_sentences_may_wrap_and_columns_may_not():
    def mended(text):
        return dit_book.PRINTED.sub(
            dit_book.wrap,
            '<div class="output stream x"><div '
            f'class="highlight"><pre>{text}\n</pre></div></div>',
        )

    assert "dit-sentences" in mended("one line of words")
    assert "dit-sentences" not in mended("a    1\nbcd  2")


def test_a_claim_is_text_but_for_exponents_and_indices():
    assert (
        dit_book.plain("P^2 x_t, class_id and a*b")
        == "P<sup>2</sup> x<sub>t</sub>, class\\_id and a\\*b"
    )


def test_a_style_that_many_outputs_bring_stands_once():
    one, other = "<style>a{}</style>", "<style>b{}</style>"
    assert (
        dit_book.once(f"{one}<p>1</p>{other}{one}<p>2</p>{one}")
        == f"{one}<p>1</p>{other}<p>2</p>"
    )


def test_a_section_that_goes_deeper_is_closed_with_all_that_stands_in_it():
    def section(name, title, *children):
        return nodes.section(
            "", nodes.title("", title), *children, ids=[name], names=[name]
        )

    text = [nodes.paragraph("", word) for word in ("before", "inside", "after")]
    deeper = section("deeper-why", "Deeper: why x < 1", text[1])
    page = nodes.document(None, None)
    page += section("one", "One", text[0], deeper)
    page += section("two", "Two", text[2])
    dit_book.deepen(None, page, "page")
    opening, inside, closing = page[0].children[2:]
    assert opening.astext() == (
        '<details class="dit-deeper"><span id="deeper-why"></span>'
        "<summary>Deeper: why x &lt; 1</summary>"
    )
    assert inside is text[1]
    assert closing.astext() == "</details>"
    assert page[1].astext() == "Two\n\nafter"


def test_a_paper_in_the_source_of_a_claim_has_its_authors_and_a_link():
    link = "[{label}]({address})"
    assert dit_book.with_papers("2212.09748 sec. 3.2, measured", link) == (
        "[Peebles &amp; Xie, 2023](https://arxiv.org/abs/2212.09748) sec. 3.2, measured"
    )
    assert dit_book.with_papers("doi 10.1145/42411.42415", link).endswith(
        "(https://doi.org/10.1145/42411.42415)"
    )


def test_a_paper_that_the_bibliography_lacks_keeps_its_number():
    assert dit_book.with_papers("9912.99999", "{label} {address}") == (
        "9912.99999 https://arxiv.org/abs/9912.99999"
    )
