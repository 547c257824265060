"""From noise to images. A sampler is a generator: it goes down a list of times and
yields every state it passes.

Each takes (denoise, path, x, times, noise): `denoise(x, t)` gives a Prediction, `times`
fall from noise to image, `noise()` draws fresh noise shaped like x. Each yields (t, x,
x0): the time it has reached, the state there, and the image it predicted before the
step.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor

from .guidance import Denoiser
from .paths import Path

State = tuple[float, Tensor, Tensor]
Steps = Iterator[State]
Noise = Callable[[], Tensor]


def _a_s(path: Path, t: float) -> tuple[float, float]:
    a, s = path.alpha_sigma(torch.tensor(t, dtype=torch.float64))
    return a.item(), s.item()


def _pairs(times: Tensor) -> list[tuple[float, float]]:
    values = times.tolist()
    return list(pairwise(values))


def velocity(path: Path, t: float, x0: Tensor, eps: Tensor) -> Tensor:
    """dx/dt along the path, da/dt x0 + ds/dt eps."""
    da, ds = path.derivative(torch.tensor(t, dtype=torch.float64))
    return da.item() * x0 + ds.item() * eps


def euler(
    denoise: Denoiser, path: Path, x: Tensor, times: Tensor, noise: Noise
) -> Steps:
    """Follow the velocity in straight steps: first order, one call per step."""
    for t, r in _pairs(times):
        x0, eps, _ = denoise(x, t)
        x = x + (r - t) * velocity(path, t, x0, eps)
        yield r, x, x0


def heun(
    denoise: Denoiser, path: Path, x: Tensor, times: Tensor, noise: Noise
) -> Steps:
    """Try an Euler step, then step with the mean of the velocities at its two ends.

    Second order, two calls per step; the last step is plain Euler, since no call is
    needed at a finished image. Source: 2206.00364 alg. 1, in our t.
    """
    for t, r in _pairs(times):
        x0, eps, _ = denoise(x, t)
        slope = velocity(path, t, x0, eps)
        if r != times[-1].item():
            there = denoise(x + (r - t) * slope, r)
            slope = (slope + velocity(path, r, there.x0, there.eps)) / 2
        x = x + (r - t) * slope
        yield r, x, x0


def ddim(
    denoise: Denoiser, path: Path, x: Tensor, times: Tensor, noise: Noise
) -> Steps:
    """Keep image and noise as predicted, change the shares: a(r) x0 + s(r) eps
    (2010.02502 eq. 12 with sigma = 0).
    """
    for t, r in _pairs(times):
        x0, eps, _ = denoise(x, t)
        a, s = _a_s(path, r)
        x = a * x0 + s * eps
        yield r, x, x0


def ddpm(
    denoise: Denoiser,
    path: Path,
    x: Tensor,
    times: Tensor,
    noise: Noise,
    share: float = 0.0,
) -> Steps:
    """Draw from the posterior q(x_r | x_t, x0), which needs fresh noise in every step
    but the last (2006.11239 eq. 6, 7; any pair of times as in 2107.00630 app. A.4).

    `share` says where between its two bounds log sigma^2 lies: 0, the lower, is exact
    when the data are a single image, 1, the upper, when they are pure noise of variance
    1 (2006.11239 sec. 3.2; `ddpm_upper`). A model with a learned variance predicts it
    (2102.09672 eq. 15).
    """
    for t, r in _pairs(times):
        x0, _, learned = denoise(x, t)
        (a, s), (b, u) = _a_s(path, t), _a_s(path, r)
        upper = s * s - (a / b) ** 2 * u * u  # variance of q(x_t | x_r)
        x = (a / b) * (u / s) ** 2 * x + b * upper / s**2 * x0
        if u > 0:
            lower = upper * (u / s) ** 2  # variance of q(x_r | x_t, x0)
            part = share if learned is None else (learned + 1) / 2
            log_variance = math.log(lower) + part * (math.log(upper) - math.log(lower))
            x = x + torch.exp(torch.as_tensor(log_variance / 2)).to(x) * noise()
        yield r, x, x0


def dpmpp_2m(
    denoise: Denoiser, path: Path, x: Tensor, times: Tensor, noise: Noise
) -> Steps:
    """DPM-Solver++ of second order in two-step form: extrapolate the predicted image
    over the log-SNR (2211.01095 alg. 2).

    One call per step. Steps without a previous step of finite log-SNR (the first, and
    from pure noise the second too) and the last are of first order.
    """
    before, past = None, None  # the last prediction, and the last step in half log-SNR
    for t, r in _pairs(times):
        x0, _, _ = denoise(x, t)
        (a, s), (b, u) = _a_s(path, t), _a_s(path, r)
        guess = x0
        if u == 0:
            x = b * x0
        else:
            step = None if a == 0 else math.log(b * s / (a * u))
            if before is not None and step and past:
                guess = x0 + (x0 - before) * (step / (2 * past))
            ratio = 0.0 if step is None else a * u / (b * s)  # exp(-step)
            x = (u / s) * x - b * (ratio - 1) * guess
            before, past = x0, step
        yield r, x, x0


SAMPLERS = {
    "euler": euler,
    "heun": heun,
    "ddim": ddim,
    "ddpm": ddpm,
    "ddpm_upper": partial(ddpm, share=1.0),
    "dpmpp_2m": dpmpp_2m,
}
