from itertools import pairwise

import numpy as np
import pytest
import torch

from dit_lite import ConfigError, sample
from dit_lite.diffusion import (
    OBJECTIVES,
    PATHS,
    SAMPLERS,
    SPACINGS,
    ExactDenoiser,
    LinearDenoiser,
    record_trajectory,
    start_time,
    target,
    time_grid,
    to_images,
    trajectory,
)
from dit_lite.diffusion.noise import ImageNoise


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize(
    ("path", "objective"),
    [
        ("linear", "flow"),
        ("linear", "eps"),
        ("cosine", "x0"),
        ("cosine", "v"),
        ("ddpm", "eps"),
        ("ddpm", "flow"),
    ],
)
def test_every_sampler_makes_images_with_every_path(alive, name, path, objective):
    images = sample(
        alive(std=0.05, path=path, objective=objective),
        [0, 1, 3],
        steps=4,
        guidance=2.0,
        sampler=name,
    )
    assert images.shape == (3, 1, 8, 8)
    assert images.dtype == torch.float32
    assert not images.requires_grad
    assert images.isfinite().all()
    assert images.abs().max() <= 1


def test_euler_is_the_plain_loop(alive):
    model = alive(std=0.1)
    y, times = torch.tensor([2, 0]), torch.linspace(1, 0, 9)
    x = ImageNoise(7, 2, (1, 8, 8))()
    with torch.no_grad():
        for t, r in pairwise(times):
            v, null = (
                model(x, t.expand(2), y),
                model(x, t.expand(2), torch.tensor([3, 3])),
            )
            x = x + (r - t) * (null + 2.5 * (v - null))
    found = sample(model, y, steps=8, guidance=2.5, sampler="euler", seed=7)
    torch.testing.assert_close(found, x.clamp(-1, 1), rtol=1e-4, atol=1e-4)


def test_a_learned_variance_samples(alive):
    model = alive(std=0.05, path="ddpm", objective="eps", learn_variance=True)
    for name in ("ddpm", "ddim"):
        assert sample(model, [0, 1], steps=5, sampler=name).shape == (2, 1, 8, 8)


def test_a_start_and_a_spacing_decide_the_times_that_are_visited(alive):
    model = alive(std=0.05, objective="eps")
    for start, spacing in ((0.9, "equal"), (0.999, "log_snr")):
        found = record_trajectory(model, [0], 5, start=start, spacing=spacing)
        wanted = SPACINGS[spacing](PATHS["linear"], start, 5)
        torch.testing.assert_close(found.times.double(), wanted, rtol=0, atol=1e-6)
    how = dict(steps=5, sampler="euler")
    default = sample(model, [0, 1], **how)
    assert torch.equal(sample(model, [0, 1], start=0.999, **how), default)
    assert not torch.equal(sample(model, [0, 1], start=0.9, **how), default)


@pytest.mark.parametrize(
    ("wrong", "way_out"),
    [
        (dict(start=1.0), r"at most 0\.999, where sampling a model of 'eps'"),
        (dict(start=0), "above 0"),
        (dict(start="0.9"), "pass a time such as"),
        (dict(spacing="karras"), "choose one of: equal, log_snr"),
        (dict(spacing="log_snr", start=0.3), "more noise than image"),
    ],
)
def test_a_start_or_a_spacing_that_cannot_be_is_refused(alive, wrong, way_out):
    with pytest.raises((TypeError, ValueError), match=way_out):
        sample(alive(objective="eps"), [0], **wrong)


def test_the_seed_decides_the_images(alive):
    model = alive(std=0.1)
    for name in ("heun", "ddpm"):
        first, again, other = (
            sample(model, [0, 1], steps=3, sampler=name, seed=seed)
            for seed in (5, 5, 6)
        )
        assert torch.equal(first, again)
        assert not torch.equal(first, other)


def test_sampling_leaves_the_global_generator_and_the_mode_alone(alive):
    model = alive().train()
    torch.manual_seed(3)
    before = torch.get_rng_state()
    sample(model, [0], steps=2, sampler="ddpm")
    assert torch.equal(torch.get_rng_state(), before)
    assert model.training
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("sampler", ["euler", "ddpm"])
@pytest.mark.parametrize("batch_size", [1, 2, 3, 500])
def test_an_image_depends_on_its_index_and_the_seed_alone(alive, sampler, batch_size):
    model, labels = alive(std=0.1), [0, 1, 0, 2, 1]
    how = dict(steps=3, seed=4, sampler=sampler)
    images = sample(model, labels, **how)
    torch.testing.assert_close(
        sample(model, labels, batch_size=batch_size, **how), images
    )
    for n in range(1, 5):
        torch.testing.assert_close(sample(model, labels[:n], **how), images[:n])
    assert not torch.equal(images[0], images[2])  # the same class


def test_noise_of_an_image_is_drawn_again_at_each_call():
    noise = ImageNoise(3, 4, (1, 5, 5))
    first, second = noise(), noise()
    assert not torch.equal(first, second)
    alone = ImageNoise(3, 2, (1, 5, 5), first=1)
    assert torch.equal(alone(), first[1:3])
    assert torch.equal(alone(), second[1:3])


def test_images_of_near_seeds_share_no_noise():
    keys = {
        generator.initial_seed() % 2**32  # all that torch's generator takes of a seed
        for seed in range(20)
        for generator in ImageNoise(seed, 5_000, (1,)).generators
    }
    assert len(keys) == 20 * 5_000


def test_noise_is_standard_normal_and_independent_between_images():
    noise = ImageNoise(0, 4_000, (64,))().double()
    assert abs(noise.mean()) < 4 / noise.numel() ** 0.5
    assert abs(noise.var() - 1) < 4 * (2 / noise.numel()) ** 0.5
    between = (noise[1:] * noise[:-1]).mean(1)  # neighbours of one seed
    assert abs(between.mean()) < 4 / (64 * len(between)) ** 0.5
    assert between.abs().max() < 6 / 64**0.5


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_models_of_any_float_type_draw_the_same_images(alive, name, dtype):
    model = alive(std=0.05)
    how = dict(steps=4, sampler=name, guidance=2.0)
    found = sample(model.to(dtype), [0, 2], **how)
    assert found.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    # alive() makes it again from its seed
    expected = sample(alive(std=0.05), [0, 2], **how).to(found.dtype)
    tolerance = {torch.bfloat16: 0.05, torch.float16: 0.01}.get(dtype, 1e-4)
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    "labels",
    [
        [2, 0],
        (2, 0),
        torch.tensor([2, 0]),
        torch.tensor([2, 0], dtype=torch.int32),
        np.array([2, 0]),
        [np.int64(2), np.uint8(0)],
        *(np.array([2, 0], kind) for kind in ("u1", "u2", "u4", "u8", "i1", "i2")),
        *(
            torch.tensor([2, 0]).to(kind)
            for kind in (torch.uint8, torch.uint16, torch.uint32, torch.uint64)
        ),
    ],
    ids=str,
)
def test_labels_may_come_in_any_integer_form(alive, labels):
    model = alive(std=0.1)
    assert torch.equal(
        sample(model, labels, steps=2), sample(model, torch.tensor([2, 0]), steps=2)
    )


@pytest.mark.parametrize("kind", [np.int64, np.uint8, np.int32])
def test_numbers_may_be_those_of_numpy(alive, kind):
    model = alive(std=0.1)
    theirs = dict(
        steps=kind(2), seed=kind(3), batch_size=kind(1), guidance=np.float32(1.5),
        interval=(np.float64(0), kind(1)),
    )  # fmt: skip
    assert torch.equal(
        sample(model, [2, 0], **theirs),
        sample(model, [2, 0], steps=2, seed=3, batch_size=1, guidance=1.5),
    )
    assert torch.equal(
        sample(model, [1], steps=2, guidance=kind(2)),
        sample(model, [1], steps=2, guidance=2),
    )


def test_images_leave_the_units_of_the_model_and_are_clipped(tiny):
    config = tiny(data_mean=-0.5, data_std=0.25)
    x = torch.tensor([-4.0, -1.0, 0.0, 2.0, 8.0])
    assert to_images(x, config).tolist() == [-1, -0.75, -0.5, 0, 1]


def calls(model, name, steps, **kw) -> int:
    *_, (denoiser, _) = trajectory(model, [0, 1], steps, sampler=name, **kw)
    return denoiser.calls


@torch.no_grad()
def test_network_evaluations_are_counted(alive):
    model = alive(std=0.1)
    for name in SAMPLERS:
        once = 2 * 6 - 1 if name == "heun" else 6
        assert calls(model, name, 6, guidance=1.0) == once
        assert calls(model, name, 6, guidance=2.0) == 2 * once
    # at t = 0.6, 0.5, 0.4, 0.3
    assert calls(model, "euler", 10, guidance=2.0, interval=(0.25, 0.65)) == 10 + 4


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_sampling_starts_where_the_objective_has_an_answer(path, objective):
    first = start_time(path, objective)
    a, _ = PATHS[path].alpha_sigma(torch.tensor(first))
    assert first == pytest.approx(PATHS[path].first, abs=1.1e-3)
    assert a > 0 or objective != "eps"
    assert (first == PATHS[path].first) == (objective != "eps" or path == "ddpm")


@torch.no_grad()
def test_given_noise_replaces_the_seeded_start(alive):
    model = alive(std=0.1)
    noise = ImageNoise(9, 2, (1, 8, 8))()
    *_, (_, (_, given, _)) = trajectory(model, [0, 1], 3, seed=1, noise=noise)
    *_, (_, (_, seeded, _)) = trajectory(model, [0, 1], 3, seed=9)
    assert torch.equal(given, seeded)
    with pytest.raises(
        ValueError, match=r"noise has shape \(1, 1, 8, 8\); expected \(2, 1, 8, 8\)"
    ):
        next(trajectory(model, [0, 1], 3, noise=noise[:1]))


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_recorded_trajectory_is_what_sampling_passes(alive, name):
    model = alive(std=0.1)
    recorded = record_trajectory(model, [0, 2], steps=4, sampler=name, seed=5)
    torch.testing.assert_close(
        recorded.times.double(), time_grid(1.0, 0.0, 4), rtol=0, atol=1e-6
    )
    assert recorded.states.shape == recorded.x0_pred.shape == (5, 2, 1, 8, 8)
    assert torch.equal(recorded.states[0], ImageNoise(5, 2, (1, 8, 8))())
    assert torch.equal(
        to_images(recorded.states[-1], model.config),
        sample(model, [0, 2], steps=4, sampler=name, seed=5),
    )
    assert torch.equal(recorded.x0_pred[-1], recorded.states[-1])


@pytest.mark.parametrize("name", sorted(set(SAMPLERS) - {"ddpm", "ddpm_upper"}))
def test_with_the_exact_denoiser_every_sampler_arrives_at_an_image_of_the_data(name):
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(5, 1, 3, 3, generator=generator, dtype=torch.float64)
    x = torch.randn(20, 1, 3, 3, generator=generator, dtype=torch.float64)
    path = PATHS["linear"]
    *_, (_, x, _) = SAMPLERS[name](
        ExactDenoiser(images, path), path, x, time_grid(1.0, 0.0, 100), None
    )
    nearest = torch.cdist(x.flatten(1), images.flatten(1)).min(1)
    assert nearest.values.max() < 1e-3
    assert len(nearest.indices.unique()) > 1


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_the_exact_denoiser_is_the_posterior_mean(path):
    generator = torch.Generator().manual_seed(0)
    images, x = torch.randn(
        2, 4, 1, 2, 2, generator=generator, dtype=torch.float64
    ).unbind()
    a, s = (v.item() for v in path.alpha_sigma(torch.tensor(0.4)))
    for i in range(4):
        likelihood = torch.stack(
            [
                torch.distributions.Normal(a * image, s).log_prob(x[i]).sum()
                for image in images
            ]
        ).exp()
        expected = sum(
            weight * image
            for weight, image in zip(likelihood / likelihood.sum(), images, strict=True)
        )
        found = ExactDenoiser(images, path)(x[i : i + 1], 0.4)
        torch.testing.assert_close(found.x0[0], expected, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(a * found.x0 + s * found.eps, x[i : i + 1])


@pytest.mark.parametrize(
    ("path", "objective"),
    [("linear", "flow"), ("linear", "x0"), ("ddpm", "eps"), ("cosine", "v")],
)
def test_the_linear_denoiser_is_least_squares(tiny, path, objective):
    """It agrees with a regression of the target on the noisy images, solved from
    samples.
    """
    generator = torch.Generator().manual_seed(0)
    n, config = 40_000, tiny(path=path, objective=objective)
    mixing = torch.randn(12, 12, generator=generator) / 3
    images = (torch.rand(n, 12, generator=generator) @ mixing).view(n, 3, 2, 2)
    t, eps = torch.full((n,), 0.6), torch.randn(images.shape, generator=generator)
    x = PATHS[path].mix(images, eps, t)
    goal = target(objective, PATHS[path], images, eps, t)
    inputs = torch.cat([x.flatten(1), torch.ones(n, 1)], 1).double()
    fitted = inputs @ torch.linalg.lstsq(inputs, goal.flatten(1).double()).solution
    found = LinearDenoiser(images, config)(x, t)
    assert (found.flatten(1) - fitted).square().mean() < 1e-3 * goal.square().mean()
    assert (found - goal).square().mean() == pytest.approx(
        (fitted - goal.flatten(1)).square().mean().item(), rel=2e-3
    )


WRONG = [
    (dict(labels=[0.5]), TypeError, ["torch.float32", "whole class number"]),
    (dict(labels=[True]), TypeError, ["torch.bool"]),
    (dict(labels=["seven"]), TypeError, ["labels=['seven']", "whole class number"]),
    (dict(labels=None), TypeError, ["labels=None", "whole class number"]),
    (dict(labels=3), ValueError, ["shape ()", "(1,)"]),
    (dict(labels=[[0]]), ValueError, ["shape (1, 1)"]),
    (dict(labels=[]), ValueError, ["labels are empty"]),
    (dict(labels=[0, 4]), ValueError, ["label 4", "0 to 2", "3 for 'no class'"]),
    (dict(labels=[-1]), ValueError, ["label -1", "0 to 2"]),
    (dict(sampler="rk4"), ConfigError, ["sampler='rk4'", "heun", "dpmpp_2m"]),
    (dict(steps=0), ValueError, ["steps=0", "at least 1"]),
    (dict(steps=2.0), ValueError, ["steps=2.0", "whole number"]),
    (dict(steps=True), ValueError, ["steps=True", "whole number"]),
    (dict(guidance=-1), ValueError, ["guidance=-1", "[0, 1e+09]"]),
    (dict(guidance=float("inf")), ValueError, ["guidance=inf"]),
    (dict(guidance=[1, 2]), ValueError, ["guidance=[1, 2]", "a number"]),
    (dict(model=None), TypeError, ["model is a NoneType", 'dit_lite.load("digits")']),
    (dict(model=torch.nn.Linear(1, 1)), TypeError, ["model is a Linear"]),
    (dict(labels=[2**64]), TypeError, ["labels=[18446744073709551616]"]),
    (
        dict(labels=np.array([2**64 - 1], np.uint64)),
        ValueError,
        ["label 9223372036854775807 is out of range"],
    ),
    (dict(sampler="huen"), ConfigError, ["(did you mean 'heun'?)"]),
    (dict(sampler=["heun"]), ConfigError, ["sampler=['heun'] is not known"]),
    (dict(interval=0.5), ValueError, ["interval=0.5", "two times"]),
    (dict(interval=(0, 1, 1)), ValueError, ["interval=(0, 1, 1)", "two times"]),
    (dict(interval=("a", 1)), ValueError, ["interval=('a', 1)", "two times"]),
    (dict(batch_size=1.5), ValueError, ["batch_size=1.5", "whole number"]),
    (dict(batch_size=None), ValueError, ["batch_size=None", "whole number"]),
    (dict(guidance=float("nan")), ValueError, ["guidance=nan"]),
    (dict(guidance="2"), ValueError, ["guidance='2'", "number"]),
    (dict(interval=(0.7, 0.2)), ValueError, ["interval=(0.7, 0.2)", "low <= high"]),
    (dict(interval=(-0.1, 0.2)), ValueError, ["interval=(-0.1, 0.2)"]),
    (dict(seed=1.5), ValueError, ["seed=1.5", "whole number"]),
    (dict(seed=-1), ValueError, ["seed=-1", "at least 0"]),
    (dict(batch_size=0), ValueError, ["batch_size=0", "at least 1"]),
]


@pytest.mark.parametrize(
    ("changes", "kind", "said"), WRONG, ids=[str(changes) for changes, _, _ in WRONG]
)
def test_a_wrong_argument_is_refused_with_the_way_out(alive, changes, kind, said):
    with pytest.raises(kind) as error:
        sample(**dict(model=alive(), labels=[0], steps=2) | changes)
    for words in said:
        assert words in str(error.value)


def test_guidance_needs_a_null_class(alive):
    model = alive(null_class=False)
    with pytest.raises(
        ValueError, match=r"guidance=1\.5 needs a null class.*use guidance=1"
    ):
        sample(model, [0], steps=2)
    with pytest.raises(
        ValueError,
        match=r"label 3 is out of range; this model has the classes 0 to 2 \(it was "
        r"trained without a null class\)",
    ):
        sample(model, [3], steps=2, guidance=1)
    assert sample(model, [2], steps=2, guidance=1).shape == (1, 1, 8, 8)
