"""What a trained caption model loses without a head."""

import numpy as np
import torch
from torch import Tensor

from ...analysis import head_importance, rank_correlation, without_heads
from ...data.pixels import to_floats
from ...data.shapes import batch
from ...diffusion import diffusion_loss, sample, to_model_units
from ...evaluation.shapes import judge_captions
from ...lab import Parts, experiment, grid
from ...model.dit import DiT
from ._words import MODEL, SEEDS, trained

KINDS = ("self", "cross")
CLAIMS = ("colour", "shape", "place")


@experiment(
    "What does a caption model lose without one head, and without several?",
    seconds=dict(cpu=400.0, gpu=120.0),
    maps=2,
    smoke=dict(model=None, seeds=[0], images=2, drawn=2, steps=1, draws=1),
    cpu=dict(model=MODEL, seeds=SEEDS, images=64, drawn=96, steps=6, draws=3),
    gpu=dict(model=MODEL, seeds=SEEDS, images=2000, drawn=500, steps=25, draws=20),
)
def heads_removed(
    parts: Parts, model: str | None, seeds: list[int], images: int, drawn: int,
    steps: int, draws: int,
) -> dict:  # fmt: skip
    """Three kinds of rows, `what`. "loss": the loss without one head, next to the whole
    network's, and the head's importance. "several": the loss without `count` random
    heads in every layer. "drawn": the share of claims that hold in pictures of one
    object drawn without one cross-attention head, next to the whole network's (layer
    and head -1). Each seed draws pictures, captions and noise; the network is the same.
    """
    rows = parts.rows(
        without_each, grid(seed=seeds, kind=KINDS),
        images=images, draws=draws, model=model,
    )  # fmt: skip
    c = trained(model).config
    one = [dict(layer=-1, head=-1), *grid(layer=range(c.depth), head=range(c.heads))]
    rows += parts.rows(
        drawn_without, [dict(seed=seed) | head for seed in seeds for head in one],
        images=drawn, steps=steps, model=model,
    )  # fmt: skip
    return {"rows": rows}


def without_each(
    seed: int, kind: str, model: str | None, images: int, draws: int
) -> list[dict]:
    """Losses on the same noisy pictures: without each head, then without several."""
    dit = trained(model)
    loss = losses_of(dit, images, seed)
    about = dict(seed=seed, kind=kind)
    importance = head_importance(dit, loss, kind)
    with torch.no_grad():
        whole, rows = loss().mean().item(), []
        L, h = importance.shape
        for i in range(L):
            for j in range(h):
                with without_heads(dit, {i: [j]}, kind):
                    lost = loss().mean().item()
                rows.append(
                    dict(what="loss", layer=i, head=j, loss=lost, whole=whole,
                         importance=importance[i, j].item())
                )  # fmt: skip
        generator = torch.Generator().manual_seed(seed)
        for count in range(1, h + 1):
            for draw in range(draws if count < h else 1):
                chosen = {
                    i: torch.randperm(h, generator=generator)[:count].tolist()
                    for i in range(L)
                }
                with without_heads(dit, chosen, kind):
                    lost = loss().mean().item()
                rows.append(
                    dict(what="several", count=count, draw=draw, loss=lost, whole=whole)
                )
    return [about | row for row in rows]


def losses_of(model: DiT, images: int, seed: int):
    """A function that gives the losses (n,) of a model on held-out pictures of one to
    three objects, always with the same times and noise.
    """
    data = batch(31 + seed, np.arange(images), "test")
    x0 = to_model_units(to_floats(torch.from_numpy(data.images)), model.config)
    generator = torch.Generator().manual_seed(seed)
    t = (torch.randperm(images, generator=generator) + 0.5) / images
    eps = torch.randn(x0.shape, generator=generator)
    y = torch.from_numpy(data.tokens)
    return lambda: diffusion_loss(model, x0, y, t, eps)


def drawn_without(
    seed: int, layer: int, head: int, model: str | None, images: int, steps: int
) -> list[dict]:
    """The claims that hold without one head of cross-attention, or with all."""
    dit = trained(model)
    index = np.arange(images) + seed * images
    ids = torch.from_numpy(batch(17, index, "test", (1, 0, 0)).tokens)
    taken = {layer: [head]} if layer >= 0 else {}
    with without_heads(dit, taken, "cross"):
        pictures = sample(dit, ids, steps, 3.0, "dpmpp_2m", seed).cpu()
    return [
        dict(what="drawn", seed=seed, kind="cross", layer=layer, head=head,
             claim=row["name"], accuracy=row["accuracy"])
        for row in judge_captions(pictures, ids).rows()
        if row["name"] in CLAIMS
    ]  # fmt: skip


def lost_claims(result) -> tuple[Tensor, list[tuple[int, int]]]:
    """What each seed loses of each of CLAIMS without each head, (S, H, A), and the
    heads as (layer, head), from a recorded result.
    """
    rows = result.select(what="drawn")
    seeds = rows.distinct("seed")
    heads = [
        (i, j)
        for i in sorted(set(rows.distinct("layer")) - {-1})
        for j in sorted(set(rows.distinct("head")) - {-1})
    ]

    def holds(seed: int, layer: int, head: int) -> Tensor:
        some = rows.select(seed=seed, layer=layer, head=head)
        return torch.tensor([some.select(claim=c)[0]["accuracy"] for c in CLAIMS])

    lost = [
        torch.stack([holds(s, -1, -1) - holds(s, i, j) for i, j in heads])
        for s in seeds
    ]
    return torch.stack(lost), heads


def agreement(result, kind: str) -> Tensor:
    """How well importance ranks the heads as removing them does: a rank correlation for
    each seed, (S,), from a recorded result.
    """
    found = []
    for seed in result.select(what="loss").distinct("seed"):
        rows = result.select(what="loss", seed=seed, kind=kind)
        lost = rows.column("loss") - rows.column("whole")
        found.append(rank_correlation(rows.column("importance"), lost))
    return torch.tensor(found)
