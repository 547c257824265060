from pathlib import Path

import dit_lite.data.shapes as room
from dit_lite.data.shapes import HELD_OUT, SEEN, WORDS, example
from dit_lite.data.shapes.scene import (
    BACKGROUNDS,
    COLOURS,
    SHAPES,
    SIZES,
    SPLITS,
    TEXTURES,
)

CARD = (Path(room.__file__).parent / "README.md").read_text()


def test_the_card_names_all_values_and_all_held_out_pairs():
    assert f"{', '.join(SHAPES)} |" in CARD
    assert f"{', '.join(COLOURS)}," in CARD
    assert f"{', '.join(BACKGROUNDS)}," in CARD
    assert all(f" {word} (" in CARD or f" {word}," in CARD for word in SIZES + TEXTURES)
    assert ", ".join(f"{COLOURS[c]} {SHAPES[s]}" for s, c in sorted(HELD_OUT)) in CARD
    assert all(f"\n| {split} | " in CARD for split in SPLITS)


def test_the_card_counts_right():
    assert f"At most 16 of {len(WORDS) - 1} words" in CARD  # the first is padding
    assert f"| {len(SEEN)} of {len(SEEN) + len(HELD_OUT)} |" in CARD


def test_the_example_of_the_card_is_as_it_says():
    assert f"'{example(0, 8).caption}'" in CARD
    assert example(0, 8).masks.shape == (2, 32, 32)
