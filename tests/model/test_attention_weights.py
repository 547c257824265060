import pytest
import torch

from dit_lite.model import WEIGHTINGS

weightings = pytest.mark.parametrize("name", WEIGHTINGS)


@weightings
def test_rows_sum_to_one_and_what_is_hidden_weighs_nothing(name):
    logits = 30 * torch.randn(2, 3, 7, 9, generator=torch.Generator().manual_seed(0))
    hidden = torch.rand(7, 9, generator=torch.Generator().manual_seed(1)) < 0.5
    hidden[:, 4] = False
    weights = WEIGHTINGS[name](logits.masked_fill(hidden, -torch.inf))
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 7))
    assert weights.min() >= 0
    assert not weights[..., hidden].any()


@weightings
def test_equal_logits_weigh_the_same_and_a_common_shift_changes_nothing(name):
    weigh = WEIGHTINGS[name]
    torch.testing.assert_close(
        weigh(torch.full((2, 8), 3.0)), torch.full((2, 8), 1 / 8)
    )
    logits = torch.randn(5, 8, dtype=torch.float64)
    torch.testing.assert_close(weigh(logits + 100), weigh(logits))


@weightings
def test_gradients_are_those_of_finite_differences(name):
    logits = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(WEIGHTINGS[name], (logits,))
    hidden = torch.arange(6) % 3 == 1
    torch.autograd.gradcheck(
        lambda z: WEIGHTINGS[name](z.masked_fill(hidden, -torch.inf)), (logits,)
    )


def test_sparsemax_of_two_logits_is_a_clipped_line():
    """1602.02068 eq. 7: (1 + t) / 2 for logits (t, 0), between 0 and 1."""
    t = torch.linspace(-3, 3, 61)
    weights = WEIGHTINGS["sparsemax"](torch.stack([t, torch.zeros(61)], -1))
    torch.testing.assert_close(weights[:, 0], ((1 + t) / 2).clamp(0, 1))


def test_sparsemax_is_the_nearest_point_of_the_simplex():
    """Against projection by bisection of the threshold."""
    logits = torch.randn(50, 12, dtype=torch.float64)
    low, high = logits.amin(-1, keepdim=True) - 1, logits.amax(-1, keepdim=True)
    for _ in range(60):
        middle = (low + high) / 2
        above = (logits - middle).clamp(min=0).sum(-1, keepdim=True) > 1
        low, high = middle.where(above, low), high.where(above, middle)
    expected = (logits - low).clamp(min=0)
    found = WEIGHTINGS["sparsemax"](logits)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    assert (found == 0).any(-1).all()


def test_sparsemax_in_bf16_is_that_of_fp32_rounded_once():
    """Ranks above 256 have no number in bf16, and its sums of many logits are wrong."""
    logits = torch.randn(4, 1024, generator=torch.Generator().manual_seed(0)) / 100
    logits = logits.bfloat16()
    found = WEIGHTINGS["sparsemax"](logits)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, WEIGHTINGS["sparsemax"](logits.float()).bfloat16())
