"""What training minimises: the squared error of the prediction, and for a learned
variance one term of the variational bound.
"""

import math

import torch
from torch import Tensor, nn

from ..config import DiTConfig
from ..wrappers import bare
from .objectives import target, to_x0_eps
from .paths import PATHS, expand


def diffusion_loss(
    model: nn.Module, x0: Tensor, y: Tensor, t: Tensor, eps: Tensor
) -> Tensor:
    """Squared error of the prediction at x_t, one value per image.

    x0 images in the model's units and eps noise (B, C, H, W), y the labels (B,) or
    captions, t (B,) -> (B,). With a learned variance the term of the variational bound
    that trains it is added, with the mean held fixed (2102.09672 eq. 16: 1/1000 of a
    sum over 1,000 steps is their mean). Source: 2006.11239 eq. 14, 2210.02747 eq. 14.
    """
    config = bare(model).config
    x, t = noised(config, x0, t, eps)
    return image_loss(config, model(x, t, y), x0, x, t, eps)


def noised(
    config: DiTConfig, x0: Tensor, t: Tensor, eps: Tensor
) -> tuple[Tensor, Tensor]:
    """What a model sees in training: x_t (B, C, H, W), and its time t (B,)."""
    path = PATHS[config.path]
    if config.learn_variance:
        # the bound is defined at the 1,000 steps
        t = (t.double() * path.steps + 1e-3).floor().clamp(
            max=path.steps - 1
        ) / path.steps
    return path.mix(x0, eps, t), t


def image_loss(
    config: DiTConfig, output: Tensor, x0: Tensor, x: Tensor, t: Tensor, eps: Tensor
) -> Tensor:
    """The loss of each image, (B,), from the `output` of a model for x_t and t as
    `noised` gives them.
    """
    # fp32 at least
    output = output.to(torch.promote_types(output.dtype, torch.float32))
    path = PATHS[config.path]
    prediction = output[:, : config.channels]
    loss = (
        (prediction - target(config.objective, path, x0, eps, t))
        .square()
        .flatten(1)
        .mean(1)
    )
    if config.learn_variance:
        loss = loss + variance_term(config, output, x0, x, t)
    return loss


def variance_term(config, output: Tensor, x0: Tensor, x: Tensor, t: Tensor) -> Tensor:
    """The mean over steps of the bound, in bits per value: KL(q(x_r|x_t,x0) ||
    p(x_r|x_t)) with r one step before t.

    output (B, 2C, H, W), x0 and x (B, C, H, W), t (B,) -> (B,). Times are rounded to
    the paper's 1,000 steps. The step before the first is the image itself: there q has
    no width, and -log p(x0) takes the place of the divergence (2102.09672 sec. 3,
    2006.11239 eq. 5).
    """
    path = PATHS["ddpm"]
    i = (t.double() * path.steps).round().clamp(0, path.steps - 1)
    first = i == 0

    def step(i: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        (a, s), (b, u) = (
            path.alpha_sigma(i / path.steps),
            path.alpha_sigma((i - 1) / path.steps),
        )
        forward = s**2 - (a / b) ** 2 * u**2  # variance of q(x_t | x_r)
        # ..., variance of q(x_r | x_t, x0), weight of x0 in its mean
        return forward, forward * (u / s) ** 2, b * forward / s**2

    forward, width, weight = step(i)
    low, high = step(i.clamp(min=1))[1].log(), forward.log()
    x0_pred, _ = to_x0_eps(
        "eps", path, output[:, : config.channels].detach(), x, i / path.steps
    )
    log_variance = expand(low, x) + (output[:, config.channels :] + 1) / 2 * expand(
        high - low, x
    )
    error = expand(width, x) + (expand(weight, x) * (x0 - x0_pred)) ** 2
    entropy = expand(torch.where(first, -1 - math.log(2 * math.pi), low), x)
    divergence = (log_variance - entropy - 1 + error / log_variance.exp()) / 2
    return divergence.flatten(1).mean(1) / math.log(2)
