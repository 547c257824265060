import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dit_lite.data.shapes import WORDS, CaptionError, decode, encode, encode_all

sentences = st.lists(st.sampled_from(WORDS[1:]), min_size=1, max_size=16)


@given(sentences)
def test_encoding_and_decoding_is_the_identity(words):
    ids = encode(" ".join(words))
    assert ids.shape == (16,)
    assert ids.dtype == np.int64
    assert np.array_equal(ids[len(words) :], np.zeros(16 - len(words)))
    assert decode(ids) == " ".join(words)


def test_padding_is_zero_and_no_word_occurs_twice():
    assert WORDS[0] == ""
    assert len(set(WORDS)) == len(WORDS) == 42


def test_case_punctuation_and_the_other_spelling_do_not_matter():
    assert (
        decode(encode("A red circle, in the CENTER.")) == "a red circle in the centre"
    )


@pytest.mark.parametrize(
    ("caption", "word", "near"),
    [
        ("a red cirle", "cirle", "circle"),
        ("a rad square", "rad", "red"),
        ("a smal heart", "smal", "small"),
        ("a xyzzy", "xyzzy", "\\w+"),
        ("a red 5", "5", "\\w+"),
    ],
)
def test_an_unknown_word_is_named_with_the_nearest(caption, word, near):
    with pytest.raises(
        CaptionError, match=f"unknown word '{word}'; did you mean '{near}'?"
    ):
        encode(caption)


def test_captions_of_no_word_or_too_many_are_refused_with_the_way_out():
    with pytest.raises(CaptionError, match="has no words; write some, or use the null"):
        encode(" ,. ")
    with pytest.raises(
        CaptionError, match="has 17 words, but at most 16 fit; leave out"
    ):
        encode("a " * 17)
    with pytest.raises(TypeError, match="of type int; expected a string of words"):
        encode(3)


def test_captions_become_rows():
    ids = encode_all(["a red circle", "a blue square above a green heart"])
    assert ids.shape == (2, 16)
    assert decode(ids[0]) == "a red circle"


@pytest.mark.parametrize("number", [-1, 42])
def test_a_number_that_is_no_word_is_refused(number):
    with pytest.raises(CaptionError, match=re.escape(f"id {number} is not a word")):
        decode([1, number])
