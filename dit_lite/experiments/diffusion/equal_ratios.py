"""The noise target where two paths exchange their signal-to-noise ratios: is it the
path that decides, or how often training meets each ratio?
"""

from __future__ import annotations

import dataclasses

from torch import Tensor, nn

from ...config import TrainConfig
from ...diffusion import PATHS, expand
from ...diffusion.times import at_ratio
from ...evaluation import evaluate_digits
from ...lab import Parts, experiment
from ...model.dit import DiT
from ...training import Trainer
from .objectives import SAMPLINGS, image_error

#: path of the network -> the paths along which it is asked for samples. The linear one
#: starts nearer to pure noise than the DDPM path ever comes.
SAMPLED_ALONG = {"linear": ["linear", "ddpm"], "ddpm": ["ddpm"]}
#: [path of the network, path whose ratios it is trained on]
ARMS = [["linear", "ddpm"], ["ddpm", "linear"], ["linear", "linear"]]


@experiment(
    "Does the noise target work on the linear path when training meets each "
    "signal-to-noise ratio as often as on the DDPM path?",
    recipe="digits",
    seconds=dict(cpu=700.0, gpu=700.0),
    smoke=dict(seeds=[0], steps=4, per_class=1, bins=4, arms=[["ddpm", "linear"]]),
    cpu=dict(seeds=[0, 1, 2], steps=None, per_class=72, bins=10, arms=ARMS),
    gpu=dict(
        seeds=[0, 1, 2, 3, 4],
        steps=None,
        per_class=100,
        bins=10,
        arms=[*ARMS, ["ddpm", "ddpm"]],
    ),
)
def equal_ratios(
    parts: Parts,
    seeds: list[int],
    steps: int | None,
    per_class: int,
    bins: int,
    arms: list[list[str]],
) -> dict:
    """Train the noise target on one path with the ratios that another gets from
    `logit_normal`; all else is as in `objectives`.

    Each row holds the error of the implied image by time on the network's path, and
    under `samples` for every path sampled along a report of every sampler.
    """
    cases = [
        {"path": path, "ratios": ratios, "seed": seed}
        for path, ratios in arms
        for seed in seeds
    ]
    rows = parts.map(one_exchange, cases, steps=steps, per_class=per_class, bins=bins)
    return {"rows": rows, "edges": [i / bins for i in range(bins + 1)]}


class Along(nn.Module):
    """A network of the noise, asked along another path than its own: it is shown the
    state of its own path that has the same ratio.

    At equal a^2/s^2 two states differ by a factor, and the noise in them is the same,
    so that the answer needs no change.
    """

    def __init__(self, model: DiT, path: str):
        super().__init__()
        self.model, self.config = model, dataclasses.replace(model.config, path=path)

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        there, own = PATHS[self.config.path], PATHS[self.model.config.path]
        r = at_ratio(own, there.log_snr(t))
        (a, _), (b, _) = there.alpha_sigma(t), own.alpha_sigma(r)
        return self.model(expand(b / a, x) * x, r.to(t), y)


def one_exchange(
    path: str, ratios: str, seed: int, steps: int | None, per_class: int, bins: int
) -> dict:
    """A network on `path`, trained along `ratios`: with the times of `path` at which
    the ratios are those of logit-normal times on `ratios`.
    """
    trainer = Trainer(
        TrainConfig(
            data="digits",
            steps=steps,
            seed=seed,
            changes={"objective": "eps", "path": path},
        )
    )
    # the same weights; the average stays a plain network on `path`
    trainer.model = Along(trainer.model, ratios)
    model = trainer.run().model.cpu()
    samples = {
        along: {name: evaluate_digits(Along(model, along) if along != path else model,
        per_class, 1.0, count, name, seed, halvings=2).to_dict()
               for name, count in SAMPLINGS.items()}
        for along in SAMPLED_ALONG[path]
    }  # fmt: skip
    return {
        "path": path,
        "ratios": ratios,
        "seed": seed,
        "image_error": image_error(model, bins),
        "samples": samples,
    }
