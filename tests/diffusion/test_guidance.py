import itertools

import pytest
import torch

from dit_lite.diffusion import OBJECTIVES, PATHS, Denoiser, convert, guide, target


def test_guidance_starts_at_the_unconditional_answer_and_passes_the_conditional_one():
    unconditional, conditional = torch.randn(2, 3, 4).unbind()
    assert torch.equal(guide(unconditional, conditional, 0), unconditional)
    torch.testing.assert_close(guide(unconditional, conditional, 1), conditional)
    torch.testing.assert_close(
        guide(unconditional, conditional, 3),
        conditional + 2 * (conditional - unconditional),
    )


@pytest.mark.parametrize(
    ("path", "objective", "other"),
    [(p, a, b) for p in PATHS for a, b in itertools.combinations(OBJECTIVES, 2)],
)
def test_guidance_is_the_same_in_every_target(path, objective, other):
    x, unconditional, conditional = torch.randn(
        3, 5, 1, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    ).unbind()
    t = torch.linspace(0.1, 0.9, 5, dtype=torch.float64)

    def there(value):
        return convert(value, objective, other, PATHS[path], x, t)

    torch.testing.assert_close(
        there(guide(unconditional, conditional, 2.5)),
        guide(there(unconditional), there(conditional), 2.5),
    )


def x0_of(model, labels, w, t=0.6, **kw):
    x = torch.randn(len(labels), 1, 8, 8, generator=torch.Generator().manual_seed(0))
    return Denoiser(model, labels, w, **kw)(x, t).x0


LABELS = torch.tensor([0, 1, 2])


def test_weight_one_is_the_conditional_model_and_weight_zero_the_unconditional_one(
    alive,
):
    model = alive()
    conditional, unconditional = (
        x0_of(model, LABELS, 1),
        x0_of(model, torch.tensor([3, 3, 3]), 1),
    )
    torch.testing.assert_close(x0_of(model, LABELS, 0), unconditional)
    torch.testing.assert_close(
        x0_of(model, LABELS, 1.0000001), conditional, rtol=1e-3, atol=1e-3
    )
    torch.testing.assert_close(
        x0_of(model, LABELS, 2), 2 * conditional - unconditional, rtol=1e-3, atol=1e-3
    )


def test_guiding_the_null_class_changes_nothing(alive):
    model, null = alive(), torch.tensor([3, 3])
    torch.testing.assert_close(
        x0_of(model, null, 4), x0_of(model, null, 1), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize(
    ("t", "inside"),
    [(0.2, True), (0.5, True), (0.7, True), (0.19, False), (0.71, False)],
)
def test_guidance_acts_inside_its_interval_only(alive, t, inside):
    model = alive()
    found = x0_of(model, LABELS, 3, t, interval=(0.2, 0.7))
    assert torch.equal(found, x0_of(model, LABELS, 3 if inside else 1, t))


def test_a_guided_answer_costs_two_calls(alive):
    x = torch.zeros(3, 1, 8, 8)
    for w, calls in ((1, [1, 2]), (2.0, [2, 4]), (0, [2, 4])):
        denoise = Denoiser(alive(), LABELS, w)
        counted = []
        for _ in range(2):
            denoise(x, 0.5)
            counted.append(denoise.calls)
        assert counted == calls


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("path", PATHS)
def test_a_denoiser_reads_the_model_on_its_own_path_and_target(alive, path, objective):
    model = alive(path=path, objective=objective)
    x, t = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0)), 0.5
    with torch.no_grad():
        x0, eps, variance = Denoiser(model, LABELS)(x, t)
        output = model(x, torch.full((3,), t), LABELS)
    times = torch.full((3,), t, dtype=torch.float64)
    assert variance is None
    torch.testing.assert_close(PATHS[path].mix(x0, eps, times), x, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        target(objective, PATHS[path], x0, eps, times), output, rtol=1e-3, atol=1e-3
    )


def test_the_last_thousandth_of_the_ddpm_path_is_told_as_time_zero(alive):
    model, x = alive(path="ddpm", objective="eps"), torch.randn(3, 1, 8, 8)
    _, eps, _ = Denoiser(model, LABELS)(x, -0.0005)
    torch.testing.assert_close(eps, model(x, torch.zeros(3), LABELS))


def test_the_learned_variance_is_that_of_the_conditional_model(alive):
    model = alive(path="ddpm", objective="eps", learn_variance=True)
    x = torch.randn(3, 1, 8, 8)
    with torch.no_grad():
        expected = model(x, torch.full((3,), 0.5), LABELS)[:, 1:]
        for w in (1.0, 2.0):
            torch.testing.assert_close(
                Denoiser(model, LABELS, w)(x, 0.5).variance,
                expected,
                rtol=1e-4,
                atol=1e-4,
            )
