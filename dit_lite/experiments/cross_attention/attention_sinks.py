"""Where does the attention go that no word attracts: with padding masked, with one null
token visible, with all padding visible?
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ...analysis import attention_maps
from ...diffusion import PATHS, diffusion_loss
from ...lab import Parts, experiment, grid
from ...lab.arms import train_arm
from ...model.conditions import PADDING, Embedded
from ...training import Trainer
from . import _words
from ._words import captioned_run, two_objects


def masked(padding: Tensor) -> Tensor:
    """No padding is seen."""
    return torch.zeros_like(padding)


def null_token(padding: Tensor) -> Tensor:
    """One token after the last word is seen, the same for every caption."""
    return padding & (padding.cumsum(1) == 1)


def unmasked(padding: Tensor) -> Tensor:
    """All padding is seen."""
    return padding


#: padding (B, M) bool -> the part of it that may be attended to
PADDINGS = {"masked": masked, "null token": null_token, "unmasked": unmasked}


@experiment(
    "Where does the attention go that no word attracts?",
    seconds=dict(cpu=900.0, gpu=5400.0),
    smoke=dict(run=_words.SMOKE, seeds=[0], images=3, times=[0.5]),
    cpu=dict(run=_words.CPU, seeds=[0, 1, 2], images=200, times=[0.1, 0.5, 0.9]),
    gpu=dict(run=_words.GPU, seeds=[0, 1, 2], images=500, times=[0.1, 0.5, 0.9]),
)
def attention_sinks(
    parts: Parts, run: dict, seeds: list[int], images: int, times: list[float]
) -> dict:
    """Train and test with each padding: one row per layer and time, with the shares of
    attention on words that name a shape or a colour, on the other words, and on
    padding; `even`, the share that padding would get from uniform attention; and the
    network's loss at that time.
    """
    arms, shared = grid(seed=seeds, trained=PADDINGS), dict(images=images, times=times)
    return {"rows": parts.rows(one_training, arms, run=run, **shared)}


def one_training(
    seed: int, trained: str, run: dict, images: int, times: list[float]
) -> list[dict]:
    """The rows of one trained network under every padding."""
    config = captioned_run(run, seed)

    def prepare(trainer: Trainer) -> None:
        show_padding(trainer.model, PADDINGS[trained])

    model, _ = train_arm(config, [config.steps], lambda model: None, prepare)
    model.eval()
    rows = []
    for tested, padding in PADDINGS.items():
        for t in times:
            with show_padding(model, padding):
                rows += [
                    dict(seed=seed, trained=trained, tested=tested, t=t) | row
                    for row in masses(model, padding, images, t)
                ]
    return rows


def show_padding(model: nn.Module, padding: Callable[[Tensor], Tensor]):
    """From now on, or inside `with`, let a model attend to some of the padding; returns
    the handle of a hook.
    """

    def shown(_, inputs: tuple[Tensor], given: Embedded) -> Embedded:
        blank = inputs[0] == PADDING
        return given._replace(mask=given.mask | padding(blank))

    return model.condition.caption.register_forward_hook(shown)


@torch.no_grad()
def masses(
    model: nn.Module, padding: Callable[[Tensor], Tensor], images: int, t: float
) -> list[dict]:
    """Shares of attention by layer, and the loss."""
    asked = two_objects(images, model.config)
    eps = torch.randn(asked.x0.shape, generator=torch.Generator().manual_seed(0))
    times = torch.full((images,), t)
    x = PATHS[model.config.path].mix(asked.x0, eps, times)
    loss = diffusion_loss(model, asked.x0, asked.y, times, eps).mean().item()
    mass = attention_maps(model, x, times, asked.y).mean(-1)  # (L, n, M)
    named = torch.zeros_like(asked.y, dtype=torch.bool)
    named[asked.picture, asked.place] = True
    blank = asked.y == PADDING
    seen = padding(blank)

    def share(of: Tensor) -> list[float]:
        return (mass * of).sum(-1).mean(1).tolist()

    even = (seen.sum(1) / (seen | ~blank).sum(1)).mean().item()
    shares = zip(share(named), share(~named & ~blank), share(blank), strict=True)
    return [
        dict(layer=i, named=a, other=b, padding=c, even=even, loss=loss)
        for i, (a, b, c) in enumerate(shares)
    ]
