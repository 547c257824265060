"""How much memory each way of saving activations keeps, and what it does to the
gradient.
"""

import contextlib

import torch

from ...analysis import saved_bytes, training_cost
from ...config import DiTConfig, preset
from ...diffusion import diffusion_loss
from ...lab import Parts, experiment, grid
from ...model import DiT
from ...seeding import seeded
from ...training.memory import checkpoint_blocks, compressed, offloaded
from ...training.underflow import gradients

#: How blocks are recomputed, and how kept activations are stored.
SWITCHES = {
    "plain": ("none", None),
    "block": ("block", None),
    "sqrt": ("sqrt", None),
    "offload": ("none", "offload"),
    "bf16": ("none", "bf16"),
    "int8": ("none", "int8"),
    "block + int8": ("block", "int8"),
}


@experiment(
    "How many bytes does each way to save memory keep, and what does it do to the "
    "gradient?",
    seconds=dict(cpu=60.0, gpu=60.0),
    smoke=dict(depths=[2, 4], widths=[32], batches=[2], seeds=[0]),
    cpu=dict(depths=[4, 16, 64], widths=[32, 64], batches=[4, 8], seeds=[0, 1, 2]),
    gpu=dict(depths=[4, 16, 64], widths=[32, 64], batches=[4, 8], seeds=[0, 1, 2]),
)
def memory_switches(
    parts: Parts,
    depths: list[int],
    widths: list[int],
    batches: list[int],
    seeds: list[int],
) -> dict:
    """One row per switch, depth, width, batch and seed: bytes kept (see `bytes_kept`),
    the same by the cost table where it has the switch, and the relative error and
    cosine of the gradient against the plain model's.
    """
    cases = grid(seed=seeds, depth=depths, width=widths, batch=batches)
    return {"rows": parts.rows(all_switches, cases)}


def all_switches(depth: int, width: int, batch: int, seed: int) -> list[dict]:
    """Every switch on one model and one batch."""
    config = preset("digits", depth=depth, width=width, heads=4)
    rows, true = [], None
    for name, (recompute, storage) in SWITCHES.items():
        model, triple = model_and_batch(config, batch, seed)
        checkpoint_blocks(model, recompute)
        kept = bytes_kept(model, triple, storage)
        grad = gradient(model, triple, storage)
        true = grad if true is None else true
        rows.append({
            "switch": name, "depth": depth, "width": width, "batch": batch,
            "seed": seed, **kept,
            "predicted": predicted(config, batch, recompute) if not storage else None,
            "error": ((grad - true).norm() / true.norm()).item(),
            "cosine": torch.cosine_similarity(grad, true, dim=0).item(),
        })  # fmt: skip
    return rows


def model_and_batch(config: DiTConfig, batch: int, seed: int) -> tuple[DiT, tuple]:
    """A model with open gates, and the images, labels, times and noise of a batch."""
    with seeded(seed):
        model = DiT(config)
        for p in model.parameters():
            p.data.add_(0.02 * torch.randn(p.shape))
        shape = (batch, config.channels, config.image_size, config.image_size)
        y = torch.randint(config.num_classes, (batch,))
        triple = torch.randn(shape), y, torch.rand(batch), torch.randn(shape)
    return model, triple


def bytes_kept(model: DiT, triple: tuple, storage: str | None) -> dict[str, int]:
    """`kept`: bytes of every block of memory that autograd holds, counted once, as
    stored without packing. `full` and `stored`: the bytes of all saved tensors before
    and after packing or offloading, where requested (a tensor that is saved twice is
    packed twice).
    """
    x0, y, t, _ = triple
    if storage is None:
        kept = saved_bytes(lambda: model(x0, t, y), model)
        return {"kept": kept, "full": kept, "stored": kept}
    with stored_as(model, storage) as packed:
        model(x0, t, y)
    return {"kept": 0, "full": packed.full, "stored": packed.stored}


def stored_as(model: DiT, storage: str | None) -> contextlib.AbstractContextManager:
    if storage is None:
        return contextlib.nullcontext()
    if storage == "offload":
        return offloaded(model, least=1)
    return compressed(model, storage, least=1)


def gradient(model: DiT, triple: tuple, storage: str | None) -> torch.Tensor:
    """The gradient of the mean loss as one vector, in float64."""
    model.zero_grad()
    with stored_as(model, storage):
        loss = diffusion_loss(model, *triple).mean()
    loss.backward()
    return torch.cat([g.flatten().double() for g in gradients(model)])


def predicted(config: DiTConfig, batch: int, checkpointing: str) -> float:
    """Bytes of activations by the cost table."""
    cost = training_cost(config, batch, checkpointing=checkpointing)
    return cost["activations_memory"]
