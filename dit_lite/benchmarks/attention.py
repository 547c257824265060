"""The cost of recording attention, and the saving from the word cache: a pass of a
model that was recorded earlier compared with one that never was, and guided sampling
steps with and without the cache, alternating in one process.
"""

import argparse
from typing import NamedTuple

import torch

from ..analysis import flops
from ..config import DiTConfig
from ..diffusion import Denoiser
from ..model import DiT, any_condition, record_attention
from ..model.word_cache import WordCache
from ..training.precision import pick_device
from .timing import Spread, Step, in_turns, spread

ROUNDS, BATCH = 40, 8
LENGTHS = (16, 64, 448)  # words M; N = 64 patches, so the last is 7N
MOST = 0.02  # largest deviation of the median once recording is off


class Saving(NamedTuple):
    """For M words: the share of multiply-adds that the cache saves, by the cost table,
    and the share of seconds, measured in alternation.
    """

    words: int
    predicted: float
    measured: Spread


def captioned(words: int, **changes) -> DiTConfig:
    """A caption model with `words` words and 64 patches."""
    shape = dict(
        image_size=32, channels=3, patch_size=4, width=256, depth=6, heads=8,
        condition="caption", vocab_size=44, caption_length=words,
        conditioning="adaln_zero_cross",
    )  # fmt: skip
    return DiTConfig(**shape | changes)


def predicted_saving(config: DiTConfig) -> float:
    """The share of a pass spent on keys and values of words: 2 M D^2 per block, out of
    the table's total. Within a block it is 2M of 14N + 2M parts, leaving out attention
    among tokens and to words.
    """
    spared = 2 * config.depth * config.context_tokens * config.width**2
    return spared / flops(config)["total"].macs


def inputs(config: DiTConfig, device: torch.device) -> tuple[torch.Tensor, ...]:
    """A batch of noise, times and captions."""
    size = config.image_size
    x = torch.randn(BATCH, config.channels, size, size, device=device)
    t = torch.full((BATCH,), 0.5, device=device)
    return x, t, any_condition(config, BATCH, device)


def recorded_before(config: DiTConfig, device: torch.device) -> dict[str, Step]:
    """A pass of a model whose maps were recorded once, and of one that was never
    recorded.
    """
    given = inputs(config, device)

    def step(model: DiT) -> Step:
        return torch.no_grad()(lambda: model(*given))

    models = {
        name: DiT(config).eval().to(device) for name in ("recorded before", "never")
    }
    for kind in ("self", "cross"):
        with torch.no_grad(), record_attention(models["recorded before"], kind):
            models["recorded before"](*given)
    return {name: step(model) for name, model in models.items()}


def guided_calls(config: DiTConfig, device: torch.device) -> dict[str, Step]:
    """A guided call of a denoiser with the word cache, and of one without."""
    x, _, y = inputs(config, device)
    model = DiT(config).eval().to(device)
    keeps, forgets = Denoiser(model, y, 2.0), Denoiser(model, y, 2.0)

    @torch.no_grad()
    def with_cache() -> None:
        keeps(x, 0.5)

    @torch.no_grad()
    def without() -> None:
        forgets.cache = WordCache(model)
        forgets(x, 0.5)

    return {"cached": with_cache, "anew": without}


def ratios(steps: dict[str, Step], device: torch.device, rounds: int) -> Spread:
    """Seconds of the first kind over seconds of the second, round by round."""
    for step in steps.values():
        step()
    first, second = in_turns(steps, device, rounds, least=0.02).values()
    return spread([a / b for a, b in zip(first, second, strict=True)])


def saving(config: DiTConfig, device: torch.device, rounds: int) -> Saving:
    """What the cache saves in a model."""
    found = ratios(guided_calls(config, device), device, rounds)
    measured = Spread(1 - found.median, 1 - found.high, 1 - found.low)
    return Saving(config.caption_length, predicted_saving(config), measured)


def run(options: argparse.Namespace) -> None:
    """Print the paired ratio after recording is switched off, and the saving at three
    values of M.
    """
    device = pick_device("auto")
    off = ratios(recorded_before(captioned(16), device), device, ROUNDS)
    verdict = "within" if abs(off.median - 1) <= MOST else "MORE THAN"
    print(
        f"a pass after recording, over one of a model never recorded: {off.median:.3f} "
        f"(quartiles {off.low:.3f} to {off.high:.3f}), {verdict} {MOST:.0%} of 1"
    )
    print(f"the word cache on {device}, guided calls of {BATCH} images, N = 64")
    for words in LENGTHS:
        one = saving(captioned(words), device, ROUNDS)
        print(
            f"M = {words:4}: predicted {one.predicted:6.1%} of the multiply-adds, "
            f"measured {one.measured.median:6.1%} of the time "
            f"({one.measured.low:.1%} to {one.measured.high:.1%})"
        )
