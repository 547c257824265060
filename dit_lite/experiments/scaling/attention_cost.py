"""How the cost of a block grows with the tokens: multiply-adds and kept bytes, fused
and written out, counted on the real module.
"""

from itertools import pairwise

import numpy as np
import torch

from ...analysis import count_macs, flops, saved_bytes
from ...config import DiTConfig, preset
from ...lab import Parts, experiment
from ...model import DiT

COUNTED = ("macs", "score_macs", "fused_bytes", "written_out_bytes")


@experiment(
    "With which power of the number of tokens do multiply-adds and memory grow?",
    seconds=dict(cpu=60.0),
    smoke=dict(width=8, sides=[2, 4], batch=2),
    cpu=dict(width=32, sides=[4, 8, 16, 24, 32], batch=2),
)
def attention_cost(parts: Parts, width: int, sides: list[int], batch: int) -> dict:
    """`rows` are counts by number of tokens, `exponents` their growth between
    neighbouring counts; `crossover` is the N, in units of the width, at which a block's
    scores cost as much as its linear maps.
    """
    grid = [{"side": side} for side in sides]
    rows = parts.map(one_size, grid, lambda p: p["side"] ** 4, width=width, batch=batch)
    return {
        "rows": rows,
        "exponents": [exponents(*pair) for pair in pairwise(rows)],
        "crossover": crossover(width),
    }


def config_of(width: int, side: int) -> DiTConfig:
    """A small model of side x side tokens."""
    return preset("digits", width=width, depth=2, image_size=2 * side, patch_size=2)


def one_size(side: int, width: int, batch: int) -> dict:
    """Counts per image on a real model with side x side tokens: all multiply-adds,
    those of the scores, and the bytes that autograd keeps.
    """
    config = config_of(width, side)
    model = DiT(config).train()
    x = torch.zeros(batch, 1, 2 * side, 2 * side)
    t, y = torch.zeros(batch), torch.zeros(batch, dtype=torch.int64)
    found = {"tokens": config.tokens, "macs": count_macs(config).forward}
    found["score_macs"] = flops(config)["attention_scores"].macs
    for name, fused in {"fused_bytes": True, "written_out_bytes": False}.items():
        for block in model.blocks:
            block.attention.fused = fused
        found[name] = saved_bytes(lambda: model(x, t, y), model) / batch
    return found


def exponents(small: dict, large: dict) -> dict:
    """d log cost / d log N between two numbers of tokens."""
    step = np.log(large["tokens"] / small["tokens"])
    return {"from": small["tokens"], "to": large["tokens"]} | {
        name: float(np.log(large[name] / small[name]) / step) for name in COUNTED
    }


def crossover(width: int) -> float:
    """Tokens at which scores and linear maps of a block cost the same, over D: scores
    grow with N^2, maps with N, so one count of each is enough.
    """
    config = config_of(width, 4)
    costs = flops(config)
    maps = costs["attention_projections"].macs + costs["mlp"].macs
    return config.tokens * maps / costs["attention_scores"].macs / width
