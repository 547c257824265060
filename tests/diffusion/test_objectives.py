import itertools

import pytest
import torch

from dit_lite.diffusion import OBJECTIVES, PATHS, convert, target, to_x0_eps, velocity

paths = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
objectives = pytest.mark.parametrize("objective", OBJECTIVES)


def example(dtype, n: int = 40):
    """Images, noise and times at which no conversion is singular."""
    generator = torch.Generator().manual_seed(0)
    x0, eps = (
        torch.randn(2, n, 1, 3, 3, generator=generator, dtype=torch.float64)
        .to(dtype)
        .unbind()
    )
    return x0, eps, torch.linspace(0.1, 0.6, n, dtype=dtype)


@paths
def test_targets_are_their_definitions(path):
    x0, eps, t = example(torch.float64)
    a, s = (value[:, None, None, None] for value in path.alpha_sigma(t))
    h = 1e-6
    moved = (path.mix(x0, eps, t + h) - path.mix(x0, eps, t - h)) / (2 * h)
    assert torch.equal(target("eps", path, x0, eps, t), eps)
    assert torch.equal(target("x0", path, x0, eps, t), x0)
    torch.testing.assert_close(target("v", path, x0, eps, t), a * eps - s * x0)
    # "ddpm" has a kink at every step
    between = (t * 1000 - (t * 1000).round()).abs() > 0.01
    torch.testing.assert_close(
        target("flow", path, x0, eps, t)[between], moved[between], rtol=1e-5, atol=1e-5
    )


@paths
@objectives
def test_the_true_target_gives_back_image_and_noise(path, objective):
    for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 2e-6)):
        x0, eps, t = example(dtype)
        x = path.mix(x0, eps, t)
        found = to_x0_eps(objective, path, target(objective, path, x0, eps, t), x, t)
        # eps = (x - a x0)/s loses a digit where s is a tenth
        scale = 10 if dtype == torch.float32 and objective == "x0" else 1
        torch.testing.assert_close(
            found[0], x0, rtol=tolerance, atol=tolerance * (2 / 0.4)
        )
        torch.testing.assert_close(
            found[1], eps, rtol=tolerance, atol=tolerance * scale
        )


@paths
@pytest.mark.parametrize(("source", "to"), itertools.product(OBJECTIVES, OBJECTIVES))
def test_any_prediction_survives_a_change_of_coordinates_and_back(path, source, to):
    for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 1e-5)):
        x, prediction, t = example(dtype)  # any prediction, not only a true one
        there = convert(prediction, source, to, path, x, t)
        back = convert(there, to, source, path, x, t)
        torch.testing.assert_close(
            back,
            prediction,
            rtol=tolerance,
            atol=tolerance * there.abs().max().clamp(min=1).item(),
        )


@paths
@pytest.mark.parametrize(("source", "to"), itertools.permutations(OBJECTIVES, 2))
def test_conversion_of_the_true_target_is_the_other_true_target(path, source, to):
    x0, eps, t = example(torch.float64)
    x = path.mix(x0, eps, t)
    found = convert(target(source, path, x0, eps, t), source, to, path, x, t)
    torch.testing.assert_close(
        found, target(to, path, x0, eps, t), rtol=1e-10, atol=1e-10
    )


@paths
def test_the_velocity_is_the_flow_target(path):
    x0, eps, t = example(torch.float64)
    for i in range(0, 40, 7):
        found = velocity(path, t[i].item(), x0[i : i + 1], eps[i : i + 1])
        torch.testing.assert_close(
            found, target("flow", path, x0[i : i + 1], eps[i : i + 1], t[i : i + 1])
        )


@objectives
def test_a_scalar_time_serves_a_whole_batch(objective):
    x0, eps, _ = example(torch.float64)
    path, t = PATHS["linear"], torch.tensor([0.4], dtype=torch.float64)
    one = to_x0_eps(objective, path, eps, x0, t)
    many = to_x0_eps(objective, path, eps, x0, t.expand(40))
    assert all(torch.equal(a, b) for a, b in zip(one, many, strict=True))
