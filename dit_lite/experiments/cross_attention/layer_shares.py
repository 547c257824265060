"""Which layers use the pooled condition and which its tokens, when they can choose?"""

import numpy as np
import torch
from torch import nn

from ...analysis import rank_correlation
from ...config import DiTConfig, TrainConfig
from ...data.dataset import Captioned
from ...diffusion import diffusion_loss, to_model_units
from ...lab import Parts, experiment, grid
from ...lab.arms import train_arm
from ...lab.tuning import best_setting
from ...training import DivergedError

SIDE, LEVELS = 16, (60, 110, 160)
#: Padding, the level of the background, and the bar in each quarter.
WORDS = ("", "dark", "grey", "light", "horizontal", "vertical")
RATES = [4e-3, 8e-3, 1.6e-2, 3.2e-2]
SMALL = dict(patch_size=4, width=48, depth=4, heads=4, data_std=0.5)


def panels(n: int, seed: int) -> Captioned:
    """Pictures (n, 1, 16, 16) of four bars on a background, with noise of six levels of
    255, and captions (n, 5): one word describes every pixel, the level of the
    background, and four words one quarter each.
    """
    draw = np.random.default_rng(seed)
    level, stands = draw.integers(3, size=n), draw.integers(2, size=(n, 2, 2))
    bar = np.zeros((2, SIDE // 2, SIDE // 2))
    bar[0, 3:5, 1:-1], bar[1, 1:-1, 3:5] = 70, 70
    quarters = bar[stands]  # (n, 2, 2, 8, 8)
    images = quarters.transpose(0, 1, 3, 2, 4).reshape(n, 1, SIDE, SIDE)
    images = images + np.array(LEVELS)[level, None, None, None]
    images = images + draw.normal(0, 6, images.shape)
    captions = np.concatenate([1 + level[:, None], 4 + stands.reshape(n, 4)], 1)
    images = images.round().clip(0, 255).astype(np.uint8)
    return Captioned("panels", images, captions, (), words=WORDS)


@experiment(
    "Does training give the same layers to the pooled condition in every seed?",
    seconds=dict(cpu=180.0, gpu=600.0),
    maps=2,
    smoke=dict(shares=["learned"], rates=[2e-3], seeds=[0], steps=2, images=4),
    cpu=dict(shares=["learned"], rates=RATES, seeds=[0, 1, 2], steps=500,
             images=512),
    gpu=dict(shares=["learned", "early", "late", "even"], rates=RATES,
             seeds=[0, 1, 2, 3, 4], steps=6000, images=4096),
)  # fmt: skip
def layer_shares(
    parts: Parts, shares: list[str], rates: list[float], seeds: list[int], steps: int,
    images: int,
) -> dict:  # fmt: skip
    """`tuning`: every choice of shares at every rate, with a seed that is not used
    again; `rows`: each at its best rate, with the held-out loss, the shares s (L,), and
    how much the loss rises when one layer gets the pooled vector (`wrong_pooled`, L) or
    the words (`wrong_words`, L) of another caption.
    """
    shared = dict(steps=steps, images=images)
    tuned = parts.map(
        one_training, grid(share=shares, lr=rates, seed=[max(seeds) + 1]), **shared
    )
    best = {share: best_setting(tuned, share=share)["lr"] for share in shares}
    arms = [one | {"lr": best[one["share"]]} for one in grid(share=shares, seed=seeds)]
    return {"tuning": tuned, "rows": parts.map(one_training, arms, **shared)}


@torch.no_grad()
def one_training(share: str, lr: float, seed: int, steps: int, images: int) -> dict:
    """Train on panels, and feed single layers another caption."""
    data = panels(8192, seed)
    config = TrainConfig(
        data="digits", steps=steps, batch_size=64, lr=lr, warmup=steps // 10, seed=seed,
        label_dropout=0.1, ema_decay=0.99,
        model=DiTConfig(
            **data.shape, **SMALL, conditioning="adaln_zero_cross", global_share=share
        ),
    )  # fmt: skip
    about = dict(share=share, lr=lr, seed=seed)
    try:
        with torch.enable_grad():
            model, _ = train_arm(config, [steps], lambda model: None, data=data)
    except DivergedError:
        return about | dict(loss=None)
    other = panels(images, 10_000 + seed)
    x0 = to_model_units(other.floats(), model.config)
    y = torch.from_numpy(other.labels)
    generator = torch.Generator().manual_seed(seed)
    t = (torch.randperm(images, generator=generator) + 0.5) / images
    eps = torch.randn(x0.shape, generator=generator)

    def loss() -> float:
        return diffusion_loss(model.eval(), x0, y, t, eps).mean().item()

    whole, grown = loss(), {"pooled": [], "tokens": []}
    wrong = model.condition(t, y.roll(1, 0))  # of the previous picture
    for field, found in grown.items():
        value = wrong.pooled if field == "pooled" else wrong.tokens[:, 1:]
        for block in model.blocks:
            with fed(block, **{field: value}):
                found.append(loss() - whole)
    given = [float(block.share()) for block in model.blocks]
    return about | dict(
        loss=whole, shares=given, wrong_pooled=grown["pooled"],
        wrong_words=grown["tokens"],
    )  # fmt: skip


def fed(block: nn.Module, **fields):
    """Inside `with`, let a block read other fields of the context."""
    return block.register_forward_pre_hook(
        lambda _, inputs: (inputs[0], inputs[1]._replace(**fields))
    )


def agreement_of_seeds(values: torch.Tensor) -> float:
    """How similarly S seeds rank L layers: the mean rank correlation over all pairs of
    rows of values (S, L).
    """
    pairs = torch.combinations(torch.arange(len(values)))
    found = [rank_correlation(values[a], values[b]) for a, b in pairs.tolist()]
    return sum(found) / len(found)
