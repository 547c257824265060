"""Attention to a single token has nothing to choose: its queries and keys do not
learn.
"""

import torch

from ...config import DiTConfig
from ...diffusion import diffusion_loss
from ...lab import Parts, experiment, grid
from ...model import DiT
from ...seeding import seeded


@experiment(
    "What does cross-attention to a single token do?",
    seconds=dict(cpu=10.0, gpu=10.0),
    smoke=dict(tokens=[1, 2], seeds=[0], width=16, images=4),
    cpu=dict(tokens=[1, 2, 4, 8], seeds=[0, 1, 2, 3, 4], width=64, images=32),
    gpu=dict(tokens=[1, 2, 4, 8], seeds=[0, 1, 2, 3, 4], width=64, images=32),
)
def one_token(
    parts: Parts, tokens: list[int], seeds: list[int], width: int, images: int
) -> dict:
    """Random networks with captions of M words: gradient norms of W_Q, W_K, W_V and W_O
    over all layers, and how much the layer's output differs between patches, relative
    to its size.
    """
    arms = grid(words=tokens, seed=seeds)
    return {"rows": parts.map(one_start, arms, width=width, images=images)}


def one_start(words: int, seed: int, width: int, images: int) -> dict:
    """The gradients of one network in which no weight is zero, with attention written
    out: fused kernels add rounding noise to values that are exactly zero.
    """
    config = DiTConfig(
        image_size=8, patch_size=2, width=width, depth=2, heads=4,
        condition="caption", vocab_size=12, caption_length=words,
        conditioning="adaln_zero_cross",
    )  # fmt: skip
    with seeded(seed):
        model = DiT(config)
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.data.normal_(0, 0.2, generator=generator)
    answers = []
    for block in model.blocks:
        block.cross.fused = False
        block.cross.register_forward_hook(lambda *hooked: answers.append(hooked[-1]))
    x0, eps = torch.randn(2, images, 1, 8, 8, generator=generator)
    y = torch.randint(1, 12, (images, words), generator=generator)
    t = torch.rand(images, generator=generator)
    diffusion_loss(model, x0, y, t, eps).mean().backward()
    grads = {"query": [], "key": [], "value": [], "out": []}
    for block in model.blocks:
        rows = block.cross.key_value.weight.grad.unflatten(0, (4, 2, -1))
        grads["query"].append(block.cross.query.weight.grad)
        grads["key"].append(rows[:, 0])
        grads["value"].append(rows[:, 1])
        grads["out"].append(block.cross.out.weight.grad)
    both = torch.stack(answers).detach()  # (L, B, N, D)
    spread = (both - both.mean(2, keepdim=True)).norm() / both.norm()
    norms = {k: torch.stack(v).norm().item() for k, v in grads.items()}
    return dict(words=words, seed=seed, differs=spread.item()) | norms
