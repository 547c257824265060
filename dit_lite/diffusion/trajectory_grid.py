"""Many trajectories from noise to image at once: one for each guidance weight, number
of steps, seed and class.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn

from ..config.fields import Whole
from ..model.inputs import read_condition
from .noise import ImageNoise
from .sampling import SEED, WEIGHT, WHOLE, denoiser_config, record_trajectory
from .units import to_images


class TrajectoryGrid(NamedTuple):
    """Trajectories over axes {name: values}, which are guidance (G), steps (S), seed
    (R) and class (K), with M states kept of each.

    times, taken (1, S, 1, 1, M): the time of a state, and the number of steps that lead
    to it. states, x0_pred (G, S, R, K, M, C, H, W): images in [-1,1], the sampler's
    state and the image predicted from it; the last x0_pred is the finished image.
    """

    axes: dict[str, list]
    times: Tensor
    taken: Tensor
    states: Tensor
    x0_pred: Tensor


def trajectory_grid(
    model: nn.Module, classes: Sequence[int], guidances: Sequence[float],
    steps: Sequence[int], seeds: Sequence[int], states: int = 7,
    sampler: str = "euler",
) -> TrajectoryGrid:  # fmt: skip
    """Sample from the noise of each seed, the same for every class, and keep `states`
    states of each trajectory.

    Kept are those reached after the shares 0, 1/(M-1), ..., 1 of the steps, so that
    trajectories of different lengths line up; one of fewer than M-1 steps repeats some.
    Each image is the one that `sample(model, [class], steps, guidance, sampler, seed)`
    makes, except for the noise of "ddpm". Raises ValueError for fewer than two states
    or an empty list, and for what `sample` raises.
    """
    config = denoiser_config(model)
    states = Whole(2, 10_000)("states", states)  # the first and the last
    checks = {"guidances": WEIGHT, "steps": WHOLE, "seeds": SEED}
    given = {"guidances": guidances, "steps": steps, "seeds": seeds}
    guidances, steps, seeds = (
        _each(name, given[name], check) for name, check in checks.items()
    )
    y = read_condition(config, classes, "classes")  # (K,), or (K, M)
    shape = (config.channels, config.image_size, config.image_size)
    # (R, C, H, W)
    noise = torch.stack([ImageNoise(seed, 1, shape)()[0] for seed in seeds])
    labels = torch.cat([y] * len(seeds))  # (R K,), or (R K, M)
    noise = noise.repeat_interleave(len(y), 0)  # (R K, C, H, W)
    taken = [[i * count // (states - 1) for i in range(states)] for count in steps]
    kept, times = [], []
    for guidance in guidances:
        for count, some in zip(steps, taken, strict=True):
            path = record_trajectory(
                model, labels, count, guidance, sampler, noise=noise
            )
            kept.append(
                to_images(torch.stack([path.states[some], path.x0_pred[some]]), config)
            )
            times.append(path.times[some])
    pattern = "(g s) two m (r k) c h w -> two g s r k m c h w"
    images = rearrange(torch.stack(kept), pattern, s=len(taken), r=len(seeds))
    names = (
        [(*config.class_names, "no class")[k] for k in y]
        if config.class_names
        else y.tolist()
    )
    axes = {
        "guidance": list(guidances),
        "steps": list(steps),
        "seed": seeds,
        "class": names,
    }
    apart = "s m -> 1 s 1 1 m"
    return TrajectoryGrid(
        axes,
        rearrange(torch.stack(times[: len(taken)]), apart),
        rearrange(torch.tensor(taken), apart),
        *images,
    )


def _each(name: str, values, check) -> list:
    """Every value of a list, checked; raises ValueError for an empty one, and TypeError
    for anything but a list.
    """
    try:
        values = list(values)
    except TypeError:
        raise TypeError(f"{name}={values!r} must be a list of numbers") from None
    if not values:
        raise ValueError(f"{name} are empty; give at least one")
    return [check(f"one of {name}", value) for value in values]
