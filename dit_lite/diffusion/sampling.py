"""Making images with a trained model: the one function most readers need, and the
trajectory under it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from ..config import CHOICES, choose
from ..model.inputs import read_condition
from ..resources import page_is_built
from .guidance import Denoiser, unchanged
from .original import Original
from .paths import PATHS
from .samplers import SAMPLERS, State
from .times import time_grid


def start_time(path: str, objective: str) -> float:
    """Where a sampler starts: at pure noise, or a thousandth before it when the
    objective has no answer there ("eps" where a = 0).
    """
    first = PATHS[path].first
    a, _ = PATHS[path].alpha_sigma(torch.tensor(first))
    return first - 1e-3 if objective == "eps" and a == 0 else first


def trajectory(
    model: nn.Module,
    labels: Sequence[int] | Tensor,
    steps: int = 50,
    guidance: float = 1.5,
    sampler: str = "heun",
    seed: int = 0,
    interval: tuple[float, float] = (0.0, 1.0),
    noise: Tensor | None = None,
    original: Original | None = None,
) -> Iterator[tuple[Denoiser, State]]:
    """Walk from noise to images, one step at a time.

    Yields (denoiser, (t, x, x0)) after every step: x (B, C, H, W) is the state, x0 the
    image that the model saw in it, both in the model's own units (`to_images` turns
    them into [-1,1]); `denoiser.calls` counts the network evaluations so far. `noise`
    (B, C, H, W) replaces the seeded start; an `original` is where the walk starts from,
    noised with it (see editing.py). Arguments and errors as in `sample`.
    """
    config = model.config
    choose("sampler", sampler, CHOICES["sampler"])
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ValueError(f"steps={steps!r} must be a whole number of at least 1")
    if (
        isinstance(guidance, bool)
        or not isinstance(guidance, (int, float))
        or not 0 <= guidance < float("inf")
    ):
        raise ValueError(
            f"guidance={guidance!r} must be a number of at least 0 (1: none)"
        )
    if guidance != 1 and not config.null_class:
        raise ValueError(
            f"guidance={guidance} needs a null class, and this model was trained "
            "without one (label_dropout=0); use guidance=1"
        )
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError(f"seed={seed!r} must be a whole number of at least 0")
    low, high = interval
    if not 0 <= low <= high <= 1:
        raise ValueError(
            f"interval={interval} must be two times with 0 <= low <= high <= 1"
        )
    labels = read_condition(config, labels)
    device = next(model.parameters()).device
    shape = (len(labels), config.channels, config.image_size, config.image_size)
    # on the CPU: the same images on every device
    generator = torch.Generator().manual_seed(seed % 2**63)

    def draw() -> Tensor:
        return torch.randn(shape, generator=generator).to(device)

    if noise is not None and tuple(noise.shape) != shape:
        raise ValueError(f"noise has shape {tuple(noise.shape)}; expected {shape}")
    x = draw()
    if noise is not None:
        x = noise.to(device)
    first, show = start_time(config.path, config.objective), unchanged
    if original is not None:
        first, x, show = original.begin(config, x, first)
    last = PATHS[config.path].last
    if (first - last) / steps < 1e-5:
        raise ValueError(
            f"{steps} steps from t={first:g} to {last:g} are too close to tell "
            "apart; take fewer steps, or a larger strength"
        )
    denoise = Denoiser(model, labels.to(device), guidance, interval, show)
    times = time_grid(first, last, steps)
    for t, state, x0 in SAMPLERS[sampler](denoise, denoise.path, x, times, draw):
        yield denoise, (t, show(state, t), x0)


class Walk(NamedTuple):
    """A recorded trajectory of S steps: times (S+1,) falling; states and beliefs (S+1,
    B, C, H, W) in the model's units.

    A belief is the image that the model saw in the state beside it; the last is the
    finished image. `calls` counts network evaluations.
    """

    times: Tensor
    states: Tensor
    beliefs: Tensor
    calls: int


@torch.no_grad()
def walk(
    model: nn.Module, labels: Sequence[int] | Tensor, steps: int = 50,
    guidance: float = 1.5, sampler: str = "heun", seed: int = 0,
    noise: Tensor | None = None,
) -> Walk:  # fmt: skip
    """Sample like `sample`, and keep every state on the way; `noise` (B, C, H, W)
    replaces the seeded start. Arguments and errors as there.
    """
    config = model.config
    passed = list(
        trajectory(model, labels, steps, guidance, sampler, seed, noise=noise)
    )
    states, beliefs = ([state[i].cpu() for _, state in passed] for i in (1, 2))
    start = (
        torch.randn(states[0].shape, generator=torch.Generator().manual_seed(seed))
        if noise is None
        else noise.cpu()
    )
    times = [
        start_time(config.path, config.objective),
        *(state[0] for _, state in passed),
    ]
    return Walk(
        torch.tensor(times),
        torch.stack([start, *states]),
        torch.stack([*beliefs, states[-1]]),
        passed[-1][0].calls,
    )


def to_model_units(images: Tensor, config) -> Tensor:
    """Images in [-1,1] in the units in which a model of `config` sees them."""
    return (images - config.data_mean) / config.data_std


def to_images(x: Tensor, config) -> Tensor:
    """From the model's units to images in [-1,1], clipped."""
    return (x * config.data_std + config.data_mean).clamp(-1, 1)


@torch.no_grad()
def sample(
    model: nn.Module,
    labels: Sequence[int] | Tensor,
    steps: int = 50,
    guidance: float = 1.5,
    sampler: str = "heun",
    seed: int = 0,
    interval: tuple[float, float] = (0.0, 1.0),
    batch_size: int = 500,
    original: Original | None = None,
    progress: bool = False,
) -> Tensor:
    """Make one image for each label.

    labels (B,) class numbers, num_classes for "no class"; `guidance` w = 1 is none;
    `interval` the times in which it acts; `sampler` one of euler, heun, ddim, ddpm,
    dpmpp_2m. Returns images (B, C, H, W) in [-1,1] on the model's device; the same seed
    gives the same images. More than `batch_size` labels are worked off in parts. With
    an `original` the images of `edit` and `inpaint` are made. `progress` shows a bar
    over the parts. Raises ValueError or TypeError for labels out of range, an unknown
    sampler, or guidance on a model without a null class.
    """
    labels = read_condition(model.config, labels)
    if batch_size < 1:
        raise ValueError(
            f"batch_size={batch_size} must be a whole number of at least 1"
        )
    batches = labels.split(batch_size)
    originals = (
        [None] * len(batches)
        if original is None
        else original.fit(model.config, len(labels)).split(batch_size)
    )
    parts = []
    pairs = list(zip(batches, originals, strict=True))
    bar = tqdm(pairs, "sampling", leave=False, disable=not progress or page_is_built())
    for i, (batch, given) in enumerate(bar):
        for _, (_, x, _) in trajectory(
            model,
            batch,
            steps,
            guidance,
            sampler,
            seed + 1_000_003 * i,
            interval,
            original=given,
        ):
            last = x
        images = to_images(last, model.config)
        parts.append(images if given is None else given.keep(images, given.images))
    return torch.cat(parts)
