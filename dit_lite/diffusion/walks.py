"""Many walks from noise to image at once: one for each guidance weight, number of
steps, seed and class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn

from ..model.inputs import read_condition
from .sampling import to_images, walk


class Walks(NamedTuple):
    """Walks over axes {name: values}, which are guidance (G), steps (S), seed (R) and
    class (K), with M states kept of each.

    times, taken (1, S, 1, 1, M): the time of a state, and the number of steps that lead
    to it. states, beliefs (G, S, R, K, M, C, H, W): images in [-1,1], what the sampler
    held and what the model saw in it; the last belief is the finished image.
    """

    axes: dict[str, list]
    times: Tensor
    taken: Tensor
    states: Tensor
    beliefs: Tensor


def walks(
    model: nn.Module, classes: Sequence[int], guidances: Sequence[float],
    steps: Sequence[int], seeds: Sequence[int], states: int = 7,
    sampler: str = "euler",
) -> Walks:  # fmt: skip
    """Walk from the noise of each seed, the same for every class, and keep `states`
    states of each walk.

    Kept are those reached after the shares 0, 1/(M-1), ..., 1 of the steps, so that
    walks of different length can be laid side by side; a walk of fewer than M-1 steps
    repeats some. An image is the one that `sample(model, [class], steps, guidance,
    sampler, seed)` makes, the noise of "ddpm" apart. Raises ValueError for fewer than
    two states or an empty list, and what `sample` raises.
    """
    if isinstance(states, bool) or not isinstance(states, int) or states < 2:
        raise ValueError(
            f"states={states!r} must be a whole number of at least 2, the first "
            "and the last"
        )
    for name, values in {
        "classes": classes,
        "guidances": guidances,
        "steps": steps,
        "seeds": seeds,
    }.items():
        if not len(values):
            raise ValueError(f"{name} are empty; give at least one")
    config, seeds = model.config, list(seeds)
    y = read_condition(config, classes)  # (K,), or (K, M)
    shape = (config.channels, config.image_size, config.image_size)
    # (R, C, H, W)
    noise = torch.stack(
        [
            torch.randn(shape, generator=torch.Generator().manual_seed(seed))
            for seed in seeds
        ]
    )
    labels = torch.cat([y] * len(seeds))  # (R K,), or (R K, M)
    noise = noise.repeat_interleave(len(y), 0)  # (R K, C, H, W)
    taken = [[i * count // (states - 1) for i in range(states)] for count in steps]
    kept, times = [], []
    for guidance in guidances:
        for count, some in zip(steps, taken, strict=True):
            path = walk(model, labels, count, guidance, sampler, noise=noise)
            kept.append(
                to_images(torch.stack([path.states[some], path.beliefs[some]]), config)
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
    return Walks(
        axes,
        rearrange(torch.stack(times[: len(taken)]), apart),
        rearrange(torch.tensor(taken), apart),
        *images,
    )
