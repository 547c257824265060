import json
import re
from pathlib import Path

import pytest

from dit_lite.checks import ClaimError, claim, claims, holds
from dit_lite.checks.claims import expected, typeset

CHAPTERS = sorted((Path(__file__).parents[2] / "book" / "chapters").glob("*.ipynb"))


def cited() -> set[str]:
    """Claims that a cell of some chapter tests."""
    sources = [
        "".join(cell["source"])
        for path in CHAPTERS
        for cell in json.loads(path.read_text())["cells"]
        if cell["cell_type"] == "code"
    ]
    return {
        name
        for source in sources
        for name in re.findall(r'\bclaim\(\s*"([A-Z0-9-]+)"', source)
    }


def test_every_claim_is_complete():
    for name, entry in claims().items():
        assert entry["right"].endswith("."), name
        assert ("measure" in entry) == ("expect" in entry), name


def test_every_claim_with_an_expectation_is_tested_by_a_cell_and_no_other_is():
    assert cited() == {name for name, entry in claims().items() if "expect" in entry}


@pytest.mark.parametrize(
    ("expect", "value", "true"),
    [
        ("< 1e-6", 1e-7, True),
        ("< 1e-6", 1e-5, False),
        ("== 6", 6.0, True),
        (">= 1 and <= 2", 2.0, True),
        (">= 1 and <= 2", 2.1, False),
    ],
)
def test_an_expectation_is_a_conjunction_of_comparisons(expect, value, true):
    assert holds(expect, value) is true


def test_nan_satisfies_no_expectation():
    assert not any(
        holds(f"{sign} 0", float("nan")) for sign in ("<", "<=", ">", ">=", "==")
    )


def test_a_measurement_against_the_verdict_fails_and_says_which(tmp_path, monkeypatch):
    monkeypatch.delenv("DIT_LITE_CLAIMS", raising=False)
    with pytest.raises(ClaimError, match=r"GAP-4.*= 4.*expects == 6"):
        claim("GAP-4", 4)


def test_a_measurement_is_recorded_and_shown(tmp_path, monkeypatch):
    record = tmp_path / "claims.jsonl"
    monkeypatch.setenv("DIT_LITE_CLAIMS", str(record))
    card = claim("GAP-4", 6)
    assert json.loads(record.read_text()) == {"claim": "GAP-4", "value": 6.0}
    assert "expected == 6" in repr(card)
    assert "MISSING" in card._repr_html_().upper()


def test_a_claim_without_a_test_is_shown_as_it_is_and_one_with_a_test_is_not(
    tmp_path, monkeypatch
):
    record = tmp_path / "claims.jsonl"
    monkeypatch.setenv("DIT_LITE_CLAIMS", str(record))
    card = claim("GAP-9")
    assert claims()["GAP-9"]["right"] in repr(card)
    assert "Not measured here" in card._repr_html_()
    assert not record.exists()
    with pytest.raises(ValueError, match="GAP-4 has an expectation; pass the value"):
        claim("GAP-4")


def test_a_card_sets_exponents_indices_and_signs():
    assert typeset("R^(P^2 × C), x_t, log_2 K, I_total and class_id") == (
        "R<sup>P<sup>2</sup> × C</sup>, x<sub>t</sub>, log<sub>2</sub> K, "
        "I<sub>total</sub> and class_id"
    )
    assert (
        expected(">= 0.33 and < 0.34")
        == "≥\N{NO-BREAK SPACE}0.33 and &lt;\N{NO-BREAK SPACE}0.34"
    )


def test_an_unknown_claim_and_one_without_a_test_are_refused():
    with pytest.raises(ValueError, match="NOPE-1"):
        claim("NOPE-1", 0)
    with pytest.raises(ValueError, match="GAP-9 has no expectation"):
        claim("GAP-9", 0)
