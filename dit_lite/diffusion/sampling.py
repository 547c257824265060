"""Making images with a trained model: the one function most readers need, and the
trajectory under it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from ..config import CHOICES, DiTConfig, choose
from ..config.fields import Whole
from ..config.sampling import GUIDANCE, SAMPLER, STEPS
from ..files.environment import page_is_built
from ..model.inputs import read_condition
from .guidance import WEIGHT, Denoiser, guidance_weights, unchanged
from .init_images import InitImages
from .noise import ImageNoise
from .paths import PATHS
from .samplers import SAMPLERS, State
from .times import SPACINGS
from .units import to_images

WHOLE, SEED = Whole(1), Whole(0)


def start_time(path: str, objective: str) -> float:
    """Where a sampler starts: at pure noise, or a thousandth before it when the
    objective has no answer there ("eps" where a = 0).
    """
    first = PATHS[path].first
    a, _ = PATHS[path].alpha_sigma(torch.tensor(first))
    return first - 1e-3 if objective == "eps" and a == 0 else first


def trajectory(
    model: nn.Module,
    labels: Sequence[int] | Tensor | Mapping,
    steps: int = STEPS,
    guidance: float | Mapping = GUIDANCE,
    sampler: str = SAMPLER,
    seed: int = 0,
    interval: tuple[float, float] = (0.0, 1.0),
    noise: Tensor | None = None,
    init_images: InitImages | None = None,
    first: int = 0,
    start: float | None = None,
    spacing: str = "equal",
) -> Iterator[tuple[Denoiser, State]]:
    """Sample from noise to images, one step at a time.

    Yields (denoiser, (t, x, x0)) after every step: x (B, C, H, W) is the state, x0 the
    image predicted from it, both in the model's own units (`to_images` turns
    them into [-1,1]); `denoiser.calls` counts the network evaluations so far. `noise`
    (B, C, H, W) replaces the seeded start; `init_images` are noised with it and started
    from (see editing.py); `first` is the index of the first image among those of the
    seed. Arguments and errors as in `sample`.
    """
    config = denoiser_config(model)
    choose("sampler", sampler, CHOICES["sampler"])
    choose("spacing", spacing, SPACINGS)
    weights, steps = guidance_weights(config, guidance), WHOLE("steps", steps)
    if set(weights) != {1} and not config.null_class:
        raise ValueError(
            f"guidance={guidance} needs a null class, and this model was trained "
            "without one (label_dropout=0); use guidance=1"
        )
    seed, first = SEED("seed", seed), SEED("first", first)
    interval = _interval(interval)
    labels = read_condition(config, labels)
    device, dtype = _place(model)
    shape = (len(labels), config.channels, config.image_size, config.image_size)
    drawn = ImageNoise(seed, len(labels), shape[1:], first)

    def draw() -> Tensor:
        return drawn().to(device, dtype)

    if noise is not None and (
        not isinstance(noise, Tensor) or tuple(noise.shape) != shape
    ):
        got = tuple(noise.shape) if isinstance(noise, Tensor) else type(noise).__name__
        raise ValueError(f"noise has shape {got}; expected {shape}")
    x = draw()
    if noise is not None:
        x = noise.to(device, dtype)
    start, impute = _start(start, config), unchanged
    if init_images is not None:
        start, x, impute = init_images.start(config, x, start)
    last = PATHS[config.path].last
    if (start - last) / steps < 1e-5:
        raise ValueError(
            f"{steps} steps from t={start:g} to {last:g} are too close to tell "
            "apart; take fewer steps, or a larger strength"
        )
    denoise = Denoiser(model, labels.to(device), weights, interval, impute)
    times = SPACINGS[spacing](denoise.path, start, steps)
    for t, state, x0 in SAMPLERS[sampler](denoise, denoise.path, x, times, draw):
        yield denoise, (t, impute(state, t), x0)


class Trajectory(NamedTuple):
    """A recorded trajectory of S steps: times (S+1,) falling; states and x0_pred (S+1,
    B, C, H, W) in the model's units.

    x0_pred is the image predicted from the state at the same index; the last is the
    finished image. `calls` counts network evaluations.
    """

    times: Tensor
    states: Tensor
    x0_pred: Tensor
    calls: int


@torch.no_grad()
def record_trajectory(
    model: nn.Module, labels: Sequence[int] | Tensor, steps: int = STEPS,
    guidance: float = GUIDANCE, sampler: str = SAMPLER, seed: int = 0,
    noise: Tensor | None = None, start: float | None = None, spacing: str = "equal",
) -> Trajectory:  # fmt: skip
    """Sample like `sample`, and keep every state on the way; `noise` (B, C, H, W)
    replaces the seeded start. Arguments and errors as in `sample`.
    """
    config = denoiser_config(model)
    passed = list(
        trajectory(
            model, labels, steps, guidance, sampler, seed, noise=noise, start=start,
            spacing=spacing,
        )
    )  # fmt: skip
    states, x0_pred = ([state[i].cpu() for _, state in passed] for i in (1, 2))
    if noise is None:
        noise = ImageNoise(SEED("seed", seed), len(states[0]), states[0].shape[1:])()
    times = [_start(start, config), *(state[0] for _, state in passed)]
    return Trajectory(
        torch.tensor(times),
        torch.stack([noise.to(states[0]), *states]),
        torch.stack([*x0_pred, states[-1]]),
        passed[-1][0].calls,
    )


@torch.no_grad()
def sample(
    model: nn.Module,
    labels: Sequence[int] | Tensor | Mapping,
    steps: int = STEPS,
    guidance: float | Mapping = GUIDANCE,
    sampler: str = SAMPLER,
    seed: int = 0,
    interval: tuple[float, float] = (0.0, 1.0),
    batch_size: int = 500,
    init_images: InitImages | None = None,
    progress: bool = False,
    first: int = 0,
    start: float | None = None,
    spacing: str = "equal",
) -> Tensor:
    """Make one image for each label.

    labels (B,) class numbers, num_classes for "no class"; for a model of captions
    strings or rows of word ids; for several conditions a dict with a list of each.
    `guidance` w = 1 is none; for several conditions one weight for all, or {name:
    weight}; `interval` the times at which it acts; `sampler` one of euler, heun, ddim,
    ddpm, ddpm_upper, dpmpp_2m. `start` is the time to start from
    (None: pure noise, or the nearest to it that the objective allows); `spacing` says
    whether steps are "equal" in t or in "log_snr", log(a^2/s^2). Returns images (B, C,
    H, W) in [-1,1] on the model's device; a model of latents returns latents, which
    `Autoencoder.decode` turns into images. Image i of a seed is the same however many
    are asked for, whatever the `batch_size`. With `init_images` the images of `edit`
    and `inpaint` are made; `progress` shows a bar; `first` is the index of the first
    image among those of the seed. Raises ValueError or TypeError for labels out of
    range, an unknown sampler or spacing, a start from which it cannot begin, or
    guidance on a model without a null class.
    """
    config = denoiser_config(model)
    labels = read_condition(config, labels)
    batch_size, steps = WHOLE("batch_size", batch_size), WHOLE("steps", steps)
    if init_images is not None and not isinstance(init_images, InitImages):
        raise TypeError(
            f"init_images is a {type(init_images).__name__}; pass InitImages, or use "
            "edit or inpaint, which make them"
        )
    batches = labels.split(batch_size)
    inits = [None] * len(batches)
    if init_images is not None:
        init_images.check_fits(config, len(labels))
        inits = init_images.split(batch_size)
    parts, done = [], first
    with tqdm(
        total=len(labels) * steps, desc="sampling", unit="image step", leave=False,
        delay=1, disable=not progress or page_is_built(),
    ) as bar:  # fmt: skip
        for batch, init in zip(batches, inits, strict=True):
            for _, (_, x, _) in trajectory(
                model, batch, steps, guidance, sampler, seed, interval, None, init,
                done, start, spacing,
            ):  # fmt: skip
                last = x
                bar.update(len(batch))
            done += len(batch)
            images = to_images(last, config)
            parts.append(images if init is None else init.impute(images, init.images))
    return torch.cat(parts)


def _start(start: float | None, config: DiTConfig) -> float:
    """The time to start from: the one that is asked for, or as near to pure noise as
    the objective allows. Raises ValueError beyond either end of the path.
    """
    furthest, last = start_time(config.path, config.objective), PATHS[config.path].last
    if start is None:
        return furthest
    if isinstance(start, bool) or not isinstance(start, (int, float)):
        raise TypeError(f"start is a {type(start).__name__}; pass a time such as 0.99")
    if not max(last, 0) < start <= furthest:
        raise ValueError(
            f"start={start:g} must be above {max(last, 0):g} and at most {furthest:g}, "
            f"where sampling a model of {config.objective!r} can start"
        )
    return float(start)


def denoiser_config(model: nn.Module) -> DiTConfig:
    """The configuration of a model; raises TypeError for anything else."""
    config = getattr(model, "config", None)
    if not isinstance(model, nn.Module) or not isinstance(config, DiTConfig):
        raise TypeError(
            f"model is a {type(model).__name__}; pass a DiT, for example "
            'dit_lite.load("digits"), and for a wrapped one its model.module'
        )
    return config


def _place(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    """The device of a model, and the dtype of its states: that of the weights, but at
    least float32.
    """
    weights = next(model.parameters())
    return weights.device, torch.promote_types(weights.dtype, torch.float32)


def _interval(interval) -> tuple[float, float]:
    try:
        low, high = (WEIGHT("a time of interval", t) for t in interval)
    except (TypeError, ValueError):
        low, high = 1, 0
    if not 0 <= low <= high <= 1:
        raise ValueError(
            f"interval={interval!r} must be two times with 0 <= low <= high <= 1"
        )
    return low, high
