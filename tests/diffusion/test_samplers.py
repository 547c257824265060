"""The samplers against diffusers, step by step, and against the exact solution on
Gaussian data.
"""

import math

import pytest
import torch
from scipy import stats

from dit_lite.diffusion import PATHS, SAMPLERS, Prediction, expand, time_grid, to_x0_eps

SHAPE = (2, 1, 3, 3)


def network(x: torch.Tensor, t: float, channels: int = 1) -> torch.Tensor:
    """An arbitrary smooth function of the state and the time."""
    first = torch.tanh(1.3 * x.roll(1, -1) + math.sin(3 * t)) - 0.4 * x
    return first if channels == 1 else torch.cat([first, torch.sin(5 * x + t)], dim=1)


def denoiser(path, objective: str, learned: bool = False):
    def denoise(x, t):
        output = network(x, t, 2 if learned else 1)
        pair = to_x0_eps(
            objective, path, output[:, :1], x, torch.tensor([t], dtype=torch.float64)
        )
        return Prediction(*pair, output[:, 1:] if learned else None)

    return denoise


def start(seed: int = 0) -> torch.Tensor:
    return torch.randn(
        SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


def noise_from(generator):
    return lambda: torch.randn(SHAPE, generator=generator, dtype=torch.float64)


def exact_table(scheduler):
    """The scheduler with its table of a^2 in float64, so that two computations are
    compared and not two roundings.
    """
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    scheduler.betas, scheduler.alphas, scheduler.alphas_cumprod = (
        betas,
        1 - betas,
        (1 - betas).cumprod(0),
    )
    scheduler.one = scheduler.final_alpha_cumprod = torch.tensor(
        1.0, dtype=torch.float64
    )
    return scheduler


def theirs(
    scheduler, steps: int, learned: bool = False, **kw
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Their times, ending at the clean image, and their state after each step."""
    scheduler.set_timesteps(steps)
    x, states = start(), []
    for i in scheduler.timesteps:
        output = network(x, i.item() / 1000, 2 if learned else 1)
        x = scheduler.step(output, i, x, **kw).prev_sample
        states.append(x)
    return torch.cat(
        [
            scheduler.timesteps.double() / 1000,
            torch.tensor([-0.001], dtype=torch.float64),
        ]
    ), states


def assert_same_trajectory(steps, states, tolerance=1e-5):
    for (_, ours, _), other in zip(steps, states, strict=True):
        torch.testing.assert_close(ours, other, rtol=tolerance, atol=tolerance)


BETAS = dict(beta_start=1e-4, beta_end=0.02, beta_schedule="linear")


@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
@pytest.mark.parametrize("objective", ["eps", "x0", "v"])
def test_ddim_is_that_of_diffusers(spacing, objective):
    from diffusers import DDIMScheduler

    kind = {"eps": "epsilon", "x0": "sample", "v": "v_prediction"}[objective]
    scheduler = DDIMScheduler(
        **BETAS, clip_sample=False, prediction_type=kind, timestep_spacing=spacing
    )
    times, states = theirs(exact_table(scheduler), 10, eta=0.0)
    # there the scheduler steps 100 back from each time, not to the next one
    if spacing == "linspace":
        for i, state in enumerate(states):
            before = start() if i == 0 else states[i - 1]
            pair = torch.stack([times[i], (times[i] - 0.1).clamp(min=-0.001)])
            assert_same_trajectory(
                SAMPLERS["ddim"](
                    denoiser(PATHS["ddpm"], objective),
                    PATHS["ddpm"],
                    before,
                    pair,
                    None,
                ),
                [state],
            )
        return
    assert_same_trajectory(
        SAMPLERS["ddim"](
            denoiser(PATHS["ddpm"], objective), PATHS["ddpm"], start(), times, None
        ),
        states,
    )


@pytest.mark.parametrize("steps", [10, 200])
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ddpm", "fixed_small"),
        ("ddpm", "learned_range"),
        ("ddpm_upper", "fixed_large"),
        ("ddpm_upper", "learned_range"),
    ],
)
def test_ddpm_is_that_of_diffusers_with_the_same_noise(steps, name, kind):
    from diffusers import DDPMScheduler

    learned = kind == "learned_range"
    scheduler = DDPMScheduler(
        **BETAS, clip_sample=False, variance_type=kind, timestep_spacing="leading"
    )
    times, states = theirs(
        exact_table(scheduler),
        steps,
        learned,
        generator=torch.Generator().manual_seed(5),
    )
    noise = noise_from(torch.Generator().manual_seed(5))
    steps = SAMPLERS[name](
        denoiser(PATHS["ddpm"], "eps", learned), PATHS["ddpm"], start(), times, noise
    )
    assert_same_trajectory(steps, states)


@pytest.mark.parametrize("steps", [1, 2, 3, 10, 14])
@pytest.mark.parametrize("objective", ["eps", "v"])
def test_dpmpp_2m_is_that_of_diffusers(steps, objective):
    from diffusers import DPMSolverMultistepScheduler

    kind = {"eps": "epsilon", "v": "v_prediction"}[objective]
    scheduler = DPMSolverMultistepScheduler(
        **BETAS,
        algorithm_type="dpmsolver++",
        solver_order=2,
        final_sigmas_type="zero",
        prediction_type=kind,
        timestep_spacing="trailing",
    )
    times, states = theirs(scheduler, steps)
    assert_same_trajectory(
        SAMPLERS["dpmpp_2m"](
            denoiser(PATHS["ddpm"], objective), PATHS["ddpm"], start(), times, None
        ),
        states,
        5e-5,
    )


def test_euler_is_the_flow_matching_scheduler_of_diffusers():
    from diffusers import FlowMatchEulerDiscreteScheduler

    times = time_grid(1.0, 0.0, 10)
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(sigmas=times[:-1].tolist())
    x, states = start(), []
    for i, t in zip(scheduler.timesteps, times.tolist(), strict=False):
        x = scheduler.step(network(x, t), i, x).prev_sample.double()
        states.append(x)
    assert_same_trajectory(
        SAMPLERS["euler"](
            denoiser(PATHS["linear"], "flow"), PATHS["linear"], start(), times, None
        ),
        states,
    )


def test_euler_on_the_straight_path_is_ddim():
    times, denoise = time_grid(1.0, 0.0, 13), denoiser(PATHS["linear"], "flow")
    for (t, euler, _), (r, ddim, _) in zip(
        *(
            SAMPLERS[name](denoise, PATHS["linear"], start(), times, None)
            for name in ("euler", "ddim")
        ),
        strict=True,
    ):
        assert t == r
        torch.testing.assert_close(euler, ddim, rtol=1e-13, atol=1e-13)


# Gaussian data: x0 ~ N(MEAN, WIDTH^2), whose best denoiser and whose solution are known
# in closed form.

MEAN, WIDTH = 0.7, 0.5


def gaussian(path):
    def denoise(x, t):
        a, s = path.alpha_sigma(torch.tensor([t], dtype=torch.float64))
        a, s = expand(a, x), expand(s, x)
        x0 = MEAN + a * WIDTH**2 / (a**2 * WIDTH**2 + s**2) * (x - a * MEAN)
        return Prediction(x0, (x - a * x0) / s)

    return denoise


def solution(path, x: torch.Tensor, first: float, last: float) -> torch.Tensor:
    """Where the flow takes x from one time to another: to the same quantile of the
    distribution there.
    """
    (a, b), (s, u) = path.alpha_sigma(torch.tensor([first, last], dtype=torch.float64))
    return b * MEAN + ((b**2 * WIDTH**2 + u**2) / (a**2 * WIDTH**2 + s**2)).sqrt() * (
        x - a * MEAN
    )


def final_error(
    name: str, path, steps: int, first: float | None = None, last: float | None = None
) -> float:
    first, last = (
        path.first if first is None else first,
        path.last if last is None else last,
    )
    *_, (_, x, _) = SAMPLERS[name](
        gaussian(path), path, start(), time_grid(first, last, steps), None
    )
    return (x - solution(path, start(), first, last)).abs().max().item()


ORDERS = {"euler": 1, "ddim": 1, "heun": 2, "dpmpp_2m": 2}
SMOOTH = {"linear": PATHS["linear"], "cosine": PATHS["cosine"]}


@pytest.mark.parametrize("path", SMOOTH.values(), ids=SMOOTH)
@pytest.mark.parametrize("name", ORDERS)
def test_halving_the_step_divides_the_error_by_two_to_the_order(name, path):
    # The log-SNR that dpmpp_2m steps over is infinite at both ends, so that its order
    # shows only between them.
    ends = [(0.9, 0.1)] if name == "dpmpp_2m" else [(0.9, 0.1), (1.0, 0.0)]
    for first, last in ends:
        ratios = [
            final_error(name, path, steps, first, last)
            / final_error(name, path, 2 * steps, first, last)
            for steps in (40, 80, 160)
        ]
        assert ratios == pytest.approx([2 ** ORDERS[name]] * 3, rel=0.1)


@pytest.mark.parametrize("path", SMOOTH.values(), ids=SMOOTH)
@pytest.mark.parametrize("name", ORDERS)
def test_few_steps_come_close_to_the_exact_solution(name, path):
    assert final_error(name, path, 20) < {1: 0.1, 2: 0.02}[ORDERS[name]]


@pytest.mark.parametrize("name", ORDERS)
def test_every_deterministic_sampler_finds_the_exact_solution_on_the_ddpm_path(name):
    # s falls like a root at the end of this path, so that the last straight step of
    # euler and heun leaves 0.004 of the noise.
    errors = [final_error(name, PATHS["ddpm"], steps) for steps in (100, 500)]
    assert errors[1] < min(errors[0], 0.008)


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
@pytest.mark.parametrize("name", ["ddpm", "ddpm_upper"])
def test_ancestral_sampling_draws_from_the_data(name, path):
    generator = torch.Generator().manual_seed(0)
    shape = (4000, 1, 1, 1)

    def noise():
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    x = noise()
    *_, (_, x, _) = SAMPLERS[name](
        gaussian(path), path, x, time_grid(path.first, path.last, 500), noise
    )
    assert x.mean().item() == pytest.approx(MEAN, abs=0.03)
    assert x.std().item() == pytest.approx(WIDTH, rel=0.04)
    assert stats.kstest(x.flatten().numpy(), stats.norm(MEAN, WIDTH).cdf).pvalue > 1e-3


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sampler_yields_every_time_it_reaches_and_ends_at_the_image(name, path):
    times = time_grid(path.first, path.last, 7)
    steps = list(SAMPLERS[name](gaussian(path), path, start(), times, lambda: start(1)))
    assert [t for t, _, _ in steps] == times[1:].tolist()
    assert all(
        x.shape == x0.shape == SHAPE and x.isfinite().all() for _, x, x0 in steps
    )


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_single_step_is_allowed(name, path):
    [(t, x, x0)] = SAMPLERS[name](
        gaussian(path),
        path,
        start(),
        time_grid(path.first, path.last, 1),
        lambda: start(1),
    )
    assert t == path.last
    assert x.isfinite().all()
    if name in ("ddim", "ddpm", "ddpm_upper", "dpmpp_2m"):
        # at the end of the path nothing but the image is left
        torch.testing.assert_close(x, x0)


@pytest.mark.parametrize("name", sorted(set(SAMPLERS) - {"ddpm", "ddpm_upper"}))
def test_deterministic_samplers_ask_for_no_noise(name):
    def noise():
        raise AssertionError("noise was asked for")

    assert list(
        SAMPLERS[name](
            gaussian(PATHS["linear"]),
            PATHS["linear"],
            start(),
            time_grid(1.0, 0.0, 3),
            noise,
        )
    )
