from itertools import product

import pytest
import torch

from dit_lite import DiT, DiTConfig
from dit_lite.diffusion import record_trajectory, sample, trajectory_grid

GUIDANCES, STEPS, SEEDS, CLASSES = [1.0, 3.0], [2, 6], [5, 7], [0, 2, 3]


@pytest.fixture(scope="module")
def model() -> DiT:
    torch.manual_seed(0)
    model = DiT(
        DiTConfig(
            image_size=4,
            channels=3,
            patch_size=2,
            width=16,
            depth=1,
            heads=2,
            num_classes=3,
            class_names=("a", "b", "c"),
        )
    )
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.2)  # not the zeros of adaLN-Zero
    return model.eval()


def test_every_image_is_the_one_that_sample_makes(model):
    made = trajectory_grid(
        model, CLASSES, GUIDANCES, STEPS, SEEDS, states=4, sampler="heun"
    )
    assert made.axes == {
        "guidance": GUIDANCES,
        "steps": STEPS,
        "seed": SEEDS,
        "class": ["a", "c", "no class"],
    }
    assert made.states.shape == made.x0_pred.shape == (2, 2, 2, 3, 4, 3, 4, 4)
    for (g, w), (s, steps), (r, seed), (k, label) in product(
        *map(enumerate, (GUIDANCES, STEPS, SEEDS, CLASSES))
    ):
        image = sample(model, [label], steps, w, "heun", seed)[0]
        torch.testing.assert_close(made.x0_pred[g, s, r, k, -1], image)


def test_states_are_kept_at_equal_shares_of_the_steps(model):
    made = trajectory_grid(model, CLASSES, [2.0], STEPS, [5], states=4)
    assert made.taken.squeeze().tolist() == [[0, 0, 1, 2], [0, 2, 4, 6]]
    noise = made.states[0, 0, 0, 0, 0]
    for s, steps in enumerate(STEPS):
        path = record_trajectory(model, [2], steps, 2.0, "euler", seed=5)
        kept = made.taken[0, s, 0, 0]
        torch.testing.assert_close(made.times[0, s, 0, 0], path.times[kept])
        torch.testing.assert_close(
            made.states[0, s, 0, 1], path.states[kept, 0].clamp(-1, 1)
        )
        torch.testing.assert_close(
            made.x0_pred[0, s, 0, 1], path.x0_pred[kept, 0].clamp(-1, 1)
        )
        assert (made.states[0, s, 0, :, 0] == noise).all(), (
            "every class, and every number of steps, starts from the same noise"
        )


@pytest.mark.parametrize(
    ("message", "change"),
    [
        ("states=1 is too small; it must be at least 2", {"states": 1}),
        ("states=True", {"states": True}),
        ("seeds are empty", {"seeds": []}),
        ("guidances are empty", {"guidances": ()}),
        ("label 4 is out of range", {"classes": [4]}),
        ("steps=0 is too small", {"steps": [0]}),
        ("one of guidances=-1", {"guidances": [-1]}),
    ],
)
def test_errors_name_the_argument(model, message, change):
    with pytest.raises(ValueError, match=message):
        trajectory_grid(
            model,
            **{"classes": [0], "guidances": [1.0], "steps": [2], "seeds": [0]} | change,
        )
