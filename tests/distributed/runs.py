"""Small models and runs that many tests share: one process, and the same on several."""

from __future__ import annotations

import contextlib

import torch
import torch.distributed as dist
from torch.distributed.tensor import DTensor

from dit_lite import DiT, DiTConfig, TrainConfig
from dit_lite.diffusion.loss import diffusion_loss, image_loss, noised
from dit_lite.distributed.clip import global_norm
from dit_lite.distributed.mesh import make_mesh
from dit_lite.distributed.parallelize import parallelize
from dit_lite.distributed.pipeline import Pipeline
from dit_lite.distributed.strategy import Strategy
from dit_lite.distributed.trainer import ParallelTrainer
from dit_lite.training import optim
from dit_lite.training.loop import Trainer
from dit_lite.wrappers import parameters

B = 8


def example(dtype=torch.float64, **changes):
    """A model in which no weight is zero, and a batch for it."""
    small = dict(width=32, depth=2, heads=4, num_classes=3)
    model = DiT(DiTConfig(**(small | changes))).to(dtype)
    config, generator = model.config, torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=generator).to(dtype)

    for p in model.parameters():
        p.data.copy_(0.2 * draw(*p.shape))
    shape = (B, config.channels, config.image_size, config.image_size)
    x, eps = draw(*shape), draw(*shape)
    t = torch.rand(B, generator=generator).to(dtype)
    y = torch.randint(config.num_classes, (B,), generator=generator)
    return model, x, y, t, eps


def step(text: str, model, x, y, t, eps, checkpointing="none"):
    """Forward and backward of this rank's part of a batch, as a function that can be
    called again; the parallel model, and the mesh.
    """
    strategy, config = Strategy.parse(text), model.config
    strategy.check(config, B, dist.get_world_size())
    mesh = make_mesh(strategy)
    rows = slice(
        mesh.data_rank * B // mesh.data_world,
        (mesh.data_rank + 1) * B // mesh.data_world,
    )
    part = parallelize(model, mesh, checkpointing)
    x, y, t, eps = x[rows], y[rows], t[rows], eps[rows]
    if strategy.stages == 1:

        def run():
            loss = diffusion_loss(part, x, y, t, eps).mean()
            loss.backward()
            return loss.detach()

        return run, part, mesh
    pipeline = Pipeline(part, strategy, mesh.group("stage"), torch.device("cpu"))
    noisy, t_ = noised(config, x, t, eps)

    def loss(output, i):
        return image_loss(config, output, x[i], noisy[i], t_[i], eps[i]).mean()

    return lambda: pipeline.step(noisy, t_, y, loss), part, mesh


def gradients(text: str, changes: dict, checkpointing: str = "none"):
    """Loss, norm and whole gradients of one step on this rank."""
    run, part, mesh = step(text, *example(**changes), checkpointing=checkpointing)
    loss = run()
    norm = global_norm(part.parameters(), mesh.group("stage"))
    found = {
        name: p.grad.full_tensor() if isinstance(p.grad, DTensor) else p.grad
        for name, p in parameters(part)
    }
    return loss, norm, found


def run_config(**changes) -> TrainConfig:
    """Three steps on the digits."""
    small = dict(width=32, depth=2, heads=4)
    return TrainConfig(
        **dict(
            data="digits", steps=3, batch_size=8, changes=small, ema_decay=0.9,
            warmup=1, lr=1e-2, log_every=1,
        )
        | changes
    )  # fmt: skip


def sgd(model, lr, weight_decay, beta2):
    """Plain gradient descent in the place of AdamW."""
    return torch.optim.SGD([{"params": [p]} for p in model.parameters()], lr=0.1)


@contextlib.contextmanager
def arithmetic(kind: str):
    """SGD in fp32, or AdamW in float64."""
    before = optim.OPTIMISERS["adamw"]
    if kind == "sgd":
        optim.OPTIMISERS["adamw"] = sgd
    else:
        torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        optim.OPTIMISERS["adamw"] = before
        torch.set_default_dtype(torch.float32)


def trained(kind: str, text: str | None, changes: dict):
    """The averaged weights after three steps, and (loss, norm) of each."""
    with arithmetic(kind):
        config = run_config(**changes)
        trainer = (
            ParallelTrainer(config, Strategy.parse(text)) if text else Trainer(config)
        )
        steps = [tuple(v.item() for v in trainer.train_step()) for _ in range(3)]
        return trainer.averaged().state_dict(), steps


def both(text: str | None, changes: dict):
    """The same with SGD in fp32 and with AdamW in float64."""
    return {kind: trained(kind, text, changes) for kind in ("sgd", "adamw")}
