"""Reading time counts what a reader of the main path reads."""

import json

from dit_lite.experiments.book.chapter_costs import reading_minutes


def notebook(path, *cells):
    kinds = {"text": "markdown", "code": "code", "folded": "code"}
    path.write_text(
        json.dumps(
            {
                "cells": [
                    {
                        "cell_type": kinds[kind],
                        "metadata": {"tags": ["hide-input"] * (kind == "folded")},
                        "source": source,
                    }
                    for kind, source in cells
                ]
            }
        )
    )
    return reading_minutes(path)


def test_closed_sections_and_folded_code_do_not_count(tmp_path):
    words, code = "word " * 1300, "pass\n" * 100
    main = [("text", words), ("code", code)]
    path = tmp_path / "x.ipynb"
    assert notebook(path, *main) == 15
    assert notebook(path, *main, ("folded", code)) == 15
    deeper = [("text", f"### Deeper: why\n{words}\n#### A part"), ("code", code)]
    assert notebook(path, *main, *deeper) == 15
    after = [("text", f"## What follows\n{words}")]
    assert notebook(path, *main, *deeper, *after) == 25
