import math

import pytest
import torch
from scipy.stats import entropy as scipy_entropy

from dit_lite import record_attention
from dit_lite.analysis import entropy, mean_distance


def random_map(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).softmax(-1)


def test_entropy_equals_scipys():
    weights = random_map(2, 3, 9, 9)
    torch.testing.assert_close(
        entropy(weights),
        torch.from_numpy(scipy_entropy(weights.double().numpy(), axis=-1)),
    )


def test_support_runs_from_one_token_to_all():
    assert entropy(torch.eye(16)).exp().tolist() == [1.0] * 16
    torch.testing.assert_close(
        entropy(torch.full((16, 16), 1 / 16)).exp(),
        torch.full((16,), 16.0, dtype=torch.float64),
    )
    assert entropy(torch.full((4, 4), 0.25))[0].item() == pytest.approx(math.log(4))


def test_distance_equals_a_loop():
    weights, grid = random_map(9, 9), 3
    expected = [
        sum(weights[q, k].item() * math.hypot(q // grid - k // grid,
        q % grid - k % grid) for k in range(9)) for q in range(9)
    ]  # fmt: skip
    torch.testing.assert_close(
        mean_distance(weights),
        torch.tensor(expected, dtype=torch.float64),
        atol=1e-6,
        rtol=1e-6,
    )
    assert mean_distance(torch.eye(9)).abs().max() == 0


def test_recorded_maps_of_a_model_can_be_measured(alive, batch):
    model = alive()
    with record_attention(model) as maps:
        model(*batch(model.config))
    for weights in maps:
        assert (
            mean_distance(weights).shape == entropy(weights).shape == weights.shape[:-1]
        )
        assert (entropy(weights).exp() <= 16 + 1e-9).all()


@pytest.mark.parametrize(
    "weights",
    [
        torch.full((4, 4), 0.5),
        -torch.eye(4),
        torch.ones(4),
        torch.full((4, 4), float("nan")),
    ],
)
def test_what_is_no_attention_map_is_refused(weights):
    with pytest.raises(ValueError, match="rows must be non-negative and sum to 1"):
        entropy(weights)


@pytest.mark.parametrize("shape", [(5, 5), (4, 9)])
def test_distance_needs_a_square_grid_of_tokens(shape):
    with pytest.raises(ValueError, match="square grid"):
        mean_distance(random_map(*shape))
