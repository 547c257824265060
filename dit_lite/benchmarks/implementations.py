"""The two sides of a comparison of training speed: this package's trainer, and
diffusers' DiT by the plain recipe.
"""

import functools

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import DiTConfig, TrainConfig
from ..data import Dataset
from ..training import EMA, Trainer
from .timing import Step

IMAGES = 8192  # more bytes than fit into a GPU's cache


@functools.lru_cache(maxsize=1)
def random_images(size: int, channels: int, classes: int, n: int = IMAGES) -> Dataset:
    """A data set of random bytes: speed does not depend on the images' content."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (n, channels, size, size), dtype=np.uint8)
    return Dataset(
        "random",
        images,
        generator.integers(0, classes, n),
        tuple(map(str, range(classes))),
        flip=True,
    )


def trainer(model: DiTConfig, batch: int, device: torch.device, **changes) -> Trainer:
    """A Trainer of `model` on random images, with its own choices for a long run on
    `device`, or with `changes` to its TrainConfig.
    """
    config = TrainConfig(
        data="random",
        model=model,
        steps=1_000_000,
        batch_size=batch,
        device=str(device),
        **changes,
    )
    return Trainer(
        config, data=random_images(model.image_size, model.channels, model.num_classes)
    )


def our_step(model: DiTConfig, batch: int, device: torch.device) -> Step:
    """A whole step of the trainer: gather and flip bytes, draw times and noise,
    forward, backward, clip, AdamW, average.
    """
    return trainer(model, batch, device).train_step


def why_alone() -> str:
    """Why diffusers cannot take part, or nothing when it can."""
    try:
        from diffusers import DiTTransformer2DModel  # noqa: F401
    except ImportError:
        return (
            "diffusers is not installed, so there is nothing to compare with: pip "
            "install diffusers"
        )
    except RuntimeError as error:  # its lazy imports
        return (
            "diffusers is installed but does not load "
            f"({' '.join(str(error).split())}), so there is nothing to compare with"
        )
    return ""


def diffusers_model(model: DiTConfig) -> nn.Module:
    """diffusers' DiT of the same shape, called as ours is. Needs diffusers; see
    `why_alone`.
    """
    from diffusers import DiTTransformer2DModel

    network = DiTTransformer2DModel(
        num_attention_heads=model.heads, attention_head_dim=model.head_width,
        in_channels=model.channels, out_channels=model.channels,
        num_layers=model.depth, sample_size=model.image_size,
        patch_size=model.patch_size, num_embeds_ada_norm=model.num_classes, dropout=0.0,
    )  # fmt: skip
    return _CalledAlike(network)


class _CalledAlike(nn.Module):
    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        return self.network(x, timestep=t * 1000, class_labels=y).sample


def plain_step(
    network: nn.Module,
    model: DiTConfig,
    batch: int,
    device: torch.device,
    compiled: bool = False,
) -> Step:
    """A step of a network with `model`'s shape by the plain recipe: bf16 autocast (on a
    GPU), torch's default AdamW, the same average.

    It skips the trainer's extra work: its images are already floats on the device, and
    its gradients are not clipped.
    """
    network = network.to(device).train()
    call = torch.compile(network, dynamic=False) if compiled else network
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-4)
    average = EMA(network, 0.999)
    x0 = torch.randn(
        batch, model.channels, model.image_size, model.image_size, device=device
    )
    y = torch.randint(model.num_classes, (batch,), device=device)
    autocast = torch.autocast(
        device.type, torch.bfloat16, enabled=device.type == "cuda"
    )

    def step() -> torch.Tensor:
        t, eps = torch.rand(batch, device=device), torch.randn_like(x0)
        share = t[:, None, None, None]
        with autocast:
            velocity = call((1 - share) * x0 + share * eps, t, y)
            loss = F.mse_loss(velocity, eps - x0)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        average.update()
        return loss.detach()

    return step
