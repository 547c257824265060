"""Which learning rates a deep model survives: warm-up, clipping, schedule, and the
place of the normalisation, one change at a time.
"""

import math
from types import MethodType

import torch
from torch import Tensor

from ...config import TrainConfig, preset
from ...data import load_data
from ...lab import Parts, experiment, grid
from ...model.context import Context
from ...model.dit import DiT
from ...model.hooks import hooked
from ...training import Trainer

#: Changes of the run and of the model, and the place of the normalisation. `bare` is
#: what the DiT paper did: adaLN-Zero, a constant rate, neither warm-up nor clipping.
ARMS = {
    "bare": dict(),
    "warm-up": dict(warm=True),
    "clipping": dict(clip=1.0),
    "both": dict(warm=True, clip=1.0),
    "cosine": dict(schedule="cosine"),
    "qk-norm": dict(model=dict(qk_norm=True)),
    "pre-norm": dict(model=dict(conditioning="additive")),
    "post-norm": dict(model=dict(conditioning="additive"), post=True),
    "post-norm, both": dict(
        model=dict(conditioning="additive"), post=True, warm=True, clip=1.0
    ),
}
LOOSE = 1e9  # a norm that no gradient reaches


@experiment(
    "Which learning rate does a model of 24 blocks survive, and what raises that "
    "limit?",
    seconds=dict(cpu=1000.0, gpu=900.0),
    smoke=dict(
        arms=["bare", "post-norm, both"],
        rates=[1e-2],
        seeds=[0],
        model=dict(depth=3, width=16, heads=2, patch_size=4),
        batch_size=8,
        steps=5,
        tail=2,
    ),
    cpu=dict(
        arms=[name for name in ARMS if name != "both"],
        rates=[1e-3, 3e-3, 1e-2, 3e-2, 1e-1],
        seeds=[0, 1, 2],
        model=dict(depth=24, width=32, heads=2, patch_size=4),
        batch_size=16,
        steps=30,
        tail=8,
    ),
    gpu=dict(
        arms=list(ARMS),
        rates=[3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1],
        seeds=[0, 1, 2],
        model=dict(depth=24, width=32, heads=2, patch_size=2),
        batch_size=96,
        steps=400,
        tail=50,
    ),
)
def depth_stability(
    parts: Parts, arms: list[str], rates: list[float], seeds: list[int], **settings
) -> dict:
    """One row per arm, rate and seed: the loss of every step, the mean of the last
    `tail`, the largest gradient norm and attention logit, and the share of steps that
    clipping changed.
    """
    cases = grid(seed=seeds, arm=arms, lr=rates)
    return {"rows": parts.map(one_run, cases, **settings)}


def post_norm(model: DiT) -> DiT:
    """The same blocks with the normalisation after each sum, as in 1706.03762."""

    def forward(block, x: Tensor, context: Context) -> Tensor:
        x = block.norm1(x + block.attention(x, context.rotation, context.mask))
        return block.norm2(x + block.mlp(x))  # (B, N, D)

    for block in model.blocks:
        block.forward = MethodType(forward, block)
    return model


def run_config(
    arm: str, lr: float, seed: int, model: dict, batch_size: int, steps: int
) -> TrainConfig:
    """The run of one arm."""
    chosen = ARMS[arm]
    sizes = load_data("digits").shape | model | chosen.get("model", {})
    return TrainConfig(
        data="digits", model=preset("digits", **sizes), steps=steps, lr=lr, seed=seed,
        batch_size=batch_size, label_dropout=0.1, compile=False, ema_decay=0.9,
        warmup=steps // 4 if chosen.get("warm") else 0,
        schedule=chosen.get("schedule", "constant"), clip=chosen.get("clip", LOOSE),
    )  # fmt: skip


def one_run(
    arm: str, lr: float, seed: int, model: dict, batch_size: int, steps: int, tail: int
) -> dict:
    """Train one arm; a loss that is not finite ends it, and counts as its first."""
    config = run_config(arm, lr, seed, model, batch_size, steps)
    change = {"parallelize": post_norm} if ARMS[arm].get("post") else {}
    trainer = Trainer(config, **change)
    losses, norms = [], []
    while trainer.step < steps:
        loss, norm = (value.item() for value in trainer.train_step())
        if not math.isfinite(loss) or not math.isfinite(norm):
            break
        losses.append(loss)
        norms.append(norm)
    survived = len(losses) == steps
    logit = largest_logit(trainer) if survived else None
    return {
        "arm": arm, "lr": lr, "seed": seed, "survived": survived,
        "start": losses[0], "loss": _mean(losses[-tail:]) if survived else losses[0],
        "losses": [round(value, 4) for value in losses],
        "largest_norm": max(norms), "median_norm": sorted(norms)[len(norms) // 2],
        "clipped": _mean([norm > config.clip for norm in norms]),
        "largest_logit": logit if logit is not None and math.isfinite(logit) else None,
    }  # fmt: skip


def _mean(values: list) -> float:
    return sum(values) / len(values)


@torch.no_grad()
def largest_logit(trainer: Trainer) -> float:
    """The largest |q k| / √d_h of any block on the next batch at t = 0.5."""
    found = []

    def look(module, given) -> None:
        q, k, _, _ = module.project(*given)  # (B, h, N, d_h)
        logits = q @ k.transpose(-2, -1) * module.scale  # (B, h, N, N)
        found.append(logits.abs().max().item())

    handles = [
        block.attention.register_forward_pre_hook(look)
        for block in trainer.model.blocks
    ]
    x, y = trainer.loader.next(trainer.generator)
    t = torch.full((len(x),), 0.5, device=x.device)
    with hooked(handles):
        trainer.model(x, t, y)
    return max(found)
