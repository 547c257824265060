import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from dit_lite.data.shapes.counter import Draws, states, words


def splitmix64(state: int, count: int) -> list[int]:
    """The generator step by step, in Python's integers."""
    found = []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        z = state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        found.append(z ^ (z >> 31))
    return found


def test_words_are_the_published_outputs_of_splitmix64():
    assert [hex(w) for w in words(np.zeros(1, np.uint64), 3)[0]] == [
        "0xe220a8397b1dcdaf",
        "0x6e789e6aa1b965f4",
        "0x6c45d188009454f",
    ]


@given(st.integers(0, 2**64 - 1))
def test_words_are_splitmix64_from_any_state(state):
    assert words(np.array([state], np.uint64), 5)[0].tolist() == splitmix64(state, 5)


@given(st.integers(0, 2**63 - 1), st.integers(0, 9), st.integers(0, 2**62))
def test_a_draw_depends_on_its_own_index_alone(seed, stream, index):
    alone = Draws(seed, stream, np.array([index]), 3).table
    among = Draws(seed, stream, np.array([7, index, 0]), 3).table[1:2]
    assert np.array_equal(alone, among)


def test_neighbouring_seeds_streams_and_indices_share_no_state():
    found = [
        states(seed, stream, np.arange(100))
        for seed in range(10)
        for stream in range(10)
    ]
    assert len(np.unique(found)) == 10_000


def test_draws_are_uniform_and_independent():
    draws = Draws(3, 0, np.arange(60_000), 2)
    first, second = draws.below(6), draws.below(5)
    table = np.bincount(5 * first + second, minlength=30)
    assert chisquare(table).pvalue > 1e-3
    lagged = np.bincount(6 * first[1:] + first[:-1], minlength=36)
    assert chisquare(lagged).pvalue > 1e-3


def test_weights_are_shares():
    found = np.bincount(Draws(0, 0, np.arange(50_000), 1).weighted((3, 0, 1)))
    assert found[1] == 0
    assert chisquare(found[[0, 2]], [37_500, 12_500]).pvalue > 1e-3


@pytest.mark.parametrize(
    ("seed", "index", "error", "said"),
    [
        (-1, 0, ValueError, "seed=-1 must be a whole number from 0"),
        (2**63, 0, ValueError, "seed=9223372036854775808"),
        (0.5, 0, TypeError, "seed=0.5 is of type float"),
        (0, -4, ValueError, "index=-4 is negative"),
        (0, 0.5, TypeError, "index is of type float64"),
    ],
)
def test_seeds_and_indices_are_natural_numbers(seed, index, error, said):
    with pytest.raises(error, match=said):
        states(seed, 0, np.array([index]))
