import numpy as np
import pytest

from dit_lite.data.shapes import CaptionError, batch, read, truth

CIRCLE, SQUARE, TRIANGLE, DIAMOND, CROSS, HEART = range(6)
RED, ORANGE, YELLOW, GREEN, BLUE, PURPLE = range(6)


def test_the_claims_of_a_caption_by_hand():
    claims = read("a small striped red circle left of a big blue square")
    assert claims.objects == (
        dict(size=0, texture=1, colour=RED, shape=CIRCLE),
        dict(size=1, colour=BLUE, shape=SQUARE),
    )
    assert claims.relations == ((0, 0, 1),)
    assert claims.background is None
    assert claims.about.tolist() == [0] * 5 + [-1] * 2 + [1] * 4 + [-1] * 5


def test_places_go_to_the_object_before_them_or_else_to_the_next():
    after = read("an orange heart in the middle and a green cross at the bottom left")
    assert [(o["column"], o["row"]) for o in after.objects] == [(1, 1), (0, 2)]
    front = read("on a light background at the top is a red heart")
    assert front.objects == (dict(shape=HEART, colour=RED, column=1, row=0),)
    assert front.background == 1
    assert front.about.tolist() == [-1] * 4 + [0] * 3 + [-1] + [0] * 3 + [-1] * 5


@pytest.mark.parametrize(
    ("words", "relation"), [("left of", 0), ("right of", 1), ("above", 2), ("under", 3)]
)
def test_relations_go_from_the_last_object_to_the_next(words, relation):
    caption = f"a green cross at the top and a red circle {words} a blue heart"
    assert read(caption).relations == ((1, relation, 2),)


def test_what_a_reader_leaves_out_is_not_claimed():
    assert read("a circle").objects == (dict(shape=CIRCLE),)
    assert read("red circle").objects == (dict(shape=CIRCLE, colour=RED),)


@pytest.mark.parametrize(
    ("caption", "said"),
    [
        ("a red", "at its end: expected a shape"),
        ("left of a red circle", "at word 1, 'left': expected 'left of'"),
        ("a red circle above", "at its end: expected an object"),
        ("a red blue circle", "at word 3, 'blue': expected one colour"),
        ("at the top", "expected an object, such as"),
        ("a red circle at the", "at its end: expected a place"),
        ("a red circle at the top bottom", "at word 7, 'bottom': expected one place"),
        ("a red circle on a red background", "expected 'on a dark background'"),
        ("a circle a heart a cross a square", "expected the end: at most 3 objects"),
        ("of a red circle", "at word 1, 'of'"),
    ],
)
def test_captions_without_sense_are_refused(caption, said):
    with pytest.raises(CaptionError, match=said):
        read(caption)


def test_a_caption_says_nothing_but_the_truth():
    drawn = batch(8, np.arange(300), "every", (1, 1, 1))
    for tokens, all_of in zip(drawn.tokens, truth(drawn.scenes), strict=True):
        said = read(tokens)
        assert len(said.objects) == len(all_of.objects)
        for some, full in zip(said.objects, all_of.objects, strict=True):
            assert some.items() <= full.items()
        assert set(said.relations) <= set(all_of.relations)
        assert said.background in (None, all_of.background)
