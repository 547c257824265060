from itertools import pairwise

import pytest
import torch

from dit_lite import sample
from dit_lite.diffusion import (
    PATHS,
    SAMPLERS,
    InitImages,
    edit,
    inpaint,
    time_grid,
    to_images,
    trajectory,
)
from dit_lite.diffusion.noise import ImageNoise

LABELS = [2, 0]
PATH_OBJECTIVE = [
    ("linear", "flow"),
    ("linear", "eps"),
    ("cosine", "v"),
    ("ddpm", "eps"),
]
HALF = torch.arange(8) < 4  # a column is known: (8,)


def pictures(count: int = 2, low: float = -0.9) -> torch.Tensor:
    return (
        torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(0))
        * (0.9 - low)
        + low
    )


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize(("path", "objective"), PATH_OBJECTIVE)
def test_at_strength_one_editing_is_sampling(alive, name, path, objective):
    model = alive(std=0.1, path=path, objective=objective)
    how = dict(steps=3, guidance=2.0, sampler=name, seed=4)
    assert torch.equal(
        edit(model, pictures(), LABELS, 1.0, **how), sample(model, LABELS, **how)
    )


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize(("path", "objective"), PATH_OBJECTIVE)
def test_near_strength_zero_the_image_comes_back(alive, name, path, objective):
    model = alive(std=0.1, path=path, objective=objective, data_mean=-0.2, data_std=0.5)
    far, near, nearest = (
        (edit(model, pictures(), LABELS, strength, steps=3, sampler=name) - pictures())
        .abs()
        .max()
        for strength in (0.5, 0.01, 1e-4)
    )
    assert far > 0.1
    assert nearest < 0.01
    assert nearest < near < far


def test_editing_starts_from_the_noised_image(alive):
    model = alive(std=0.1, data_mean=0.1, data_std=0.5)
    noise = ImageNoise(7, 2, (1, 8, 8))()
    x, times = 0.6 * (pictures() - 0.1) / 0.5 + 0.4 * noise, torch.linspace(0.4, 0, 5)
    with torch.no_grad():
        for t, r in pairwise(times):
            x = x + (r - t) * model(x, t.expand(2), torch.tensor(LABELS))
    found = edit(
        model, pictures(), LABELS, 0.4, steps=4, guidance=1.0, sampler="euler", seed=7
    )
    torch.testing.assert_close(found, to_images(x, model.config), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize(("path", "objective"), PATH_OBJECTIVE)
def test_inpainting_keeps_what_is_known_and_ignores_what_stood_elsewhere(
    alive, name, path, objective
):
    model = alive(std=0.1, path=path, objective=objective, data_mean=-0.2, data_std=0.3)
    known = HALF.expand(8, 8)
    first, second = pictures(), pictures().where(known, torch.tensor(0.3))
    how = dict(steps=3, guidance=2.0, sampler=name)
    made = inpaint(model, first, known, LABELS, **how)
    assert torch.equal(made[..., known], first[..., known])
    assert torch.equal(made, inpaint(model, second, known, LABELS, **how))
    assert made.isfinite().all()


def test_inpainting_is_the_loop_that_replaces_known_pixels_after_every_step(alive):
    model = alive()
    noise = ImageNoise(7, 2, (1, 8, 8))()
    known, x, times = HALF.expand(8, 8), noise, torch.linspace(1, 0, 6)
    with torch.no_grad():
        for t, r in pairwise(times):
            x = x + (r - t) * model(x, t.expand(2), torch.tensor(LABELS))
            x = x.where(~known, (1 - r) * pictures() + r * noise)
    found = inpaint(
        model, pictures(), known, LABELS, steps=5, guidance=1.0, sampler="euler", seed=7
    )
    torch.testing.assert_close(found, x.clamp(-1, 1), rtol=1e-3, atol=1e-3)
    unaware = sample(model, LABELS, steps=5, guidance=1.0, sampler="euler", seed=7)
    # what is known changes what is not
    assert (found - unaware)[..., ~HALF].abs().max() > 0.01


@torch.no_grad()
@pytest.mark.parametrize("name", SAMPLERS)
def test_on_the_way_known_pixels_hold_the_noised_images(alive, name):
    model = alive(std=0.1)
    noise = ImageNoise(3, 2, (1, 8, 8))()
    init = InitImages(pictures(), 0.8, HALF.expand(8, 8))
    passed = [
        state
        for _, state in trajectory(
            model, LABELS, 4, sampler=name, seed=3, init_images=init
        )
    ]
    assert [t for t, _, _ in passed] == pytest.approx(
        time_grid(0.8, 0.0, 4)[1:].tolist()
    )
    for t, x, _ in passed:
        torch.testing.assert_close(
            x[..., HALF],
            PATHS["linear"].mix(pictures(), noise, torch.tensor([t]))[..., HALF],
        )


def test_limits_of_the_mask(alive):
    model = alive(std=0.1)
    nothing, all_of_it = (
        torch.zeros(8, 8, dtype=torch.bool),
        torch.ones(2, 8, 8, dtype=torch.bool),
    )
    assert torch.equal(
        inpaint(model, pictures(), nothing, LABELS, steps=2),
        sample(model, LABELS, steps=2),
    )
    assert torch.equal(
        inpaint(model, pictures(), all_of_it, LABELS, steps=2), pictures()
    )
    each = torch.stack([nothing, all_of_it[0]])
    assert torch.equal(
        inpaint(model, pictures(), each, LABELS, steps=2)[1], pictures()[1]
    )


def test_many_images_are_worked_off_in_parts(alive):
    model, labels = alive(std=0.1), [0, 1, 2, 1, 0]
    known = torch.rand(5, 8, 8, generator=torch.Generator().manual_seed(1)) > 0.5
    together = inpaint(model, pictures(5), known, labels, steps=2, batch_size=2)
    assert torch.equal(
        together[:2], inpaint(model, pictures(5)[:2], known[:2], labels[:2], steps=2)
    )
    assert torch.equal(
        together.where(known[:, None], torch.tensor(0.0)),
        pictures(5).where(known[:, None], torch.tensor(0.0)),
    )


BOOL = torch.zeros(8, 8, dtype=torch.bool)
WRONG = [
    (dict(strength=0), ValueError, ["strength=0", "above 0"]),
    (dict(strength=1.5), ValueError, ["strength=1.5", "at most 1"]),
    (dict(strength=float("nan")), ValueError, ["strength=nan"]),
    (dict(strength="half"), ValueError, ["strength='half'"]),
    (dict(strength=True), ValueError, ["strength=True"]),
    (dict(images=(pictures() * 127).byte()), TypeError, ["torch.uint8", "127.5 - 1"]),
    (dict(images=pictures().tolist()), TypeError, ["list", "tensor of floats"]),
    (
        dict(images=127.5 * (pictures() + 1)),
        ValueError,
        ["[0,255]", "images / 127.5 - 1"],
    ),
    (dict(images=2 * pictures()), ValueError, ["expected [-1,1]", "clamp"]),
    (dict(images=pictures() / 0), ValueError, ["NaN or infinity in 128 values"]),
    (dict(images=pictures()[0]), ValueError, ["shape (1, 8, 8)", "(B, C, H, W)"]),
    (
        dict(images=pictures()[:, :, :4]),
        ValueError,
        ["known has shape (8, 8)", "(2, 4, 8)"],
    ),
    (
        dict(images=pictures(3)),
        ValueError,
        ["shape (3, 1, 8, 8)", "2 labels", "(2, 1, 8, 8)"],
    ),
    (
        dict(images=pictures().expand(2, 3, 8, 8)),
        ValueError,
        ["shape (2, 3, 8, 8)", "(2, 1, 8, 8)"],
    ),
    (dict(known=BOOL.float()), TypeError, ["torch.float32", "bool", "mask > 0.5"]),
    (dict(known=BOOL.tolist()), TypeError, ["list", "bool tensor"]),
    (dict(known=BOOL[:4]), ValueError, ["shape (4, 8)", "(8, 8)", "(2, 8, 8)"]),
    (dict(known=BOOL.expand(3, 8, 8)), ValueError, ["shape (3, 8, 8)", "(2, 8, 8)"]),
    (dict(labels=[7, 0]), ValueError, ["label 7 is out of range"]),
    (dict(sampler="magic"), ValueError, ["sampler='magic'"]),
    (dict(steps=0), ValueError, ["steps=0"]),
    (dict(strength=1e-6), ValueError, ["2 steps", "too close", "a larger strength"]),
]


@pytest.mark.parametrize(("changes", "kind", "said"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_argument_is_refused_with_the_way_out(alive, changes, kind, said):
    with pytest.raises(kind) as error:
        inpaint(
            alive(),
            **dict(images=pictures(), known=BOOL, labels=LABELS, steps=2) | changes,
        )
    for words in said:
        assert words in str(error.value)
