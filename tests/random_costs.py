"""200 random models and runs, as the inputs of the formulas; the same for Python and
for the browser.
"""

import random

from dit_lite import DiTConfig
from dit_lite.analysis import cost_formulas
from dit_lite.config import CHOICES

TABLE = cost_formulas()


def random_config(draw: random.Random) -> DiTConfig:
    heads, patch, conditioning = (
        draw.choice([1, 2, 3, 6, 12, 16]),
        draw.choice([1, 2, 4, 8]),
        draw.choice(CHOICES["conditioning"]),
    )
    position = draw.choice(CHOICES["position"])
    variance = draw.random() < 0.5
    return DiTConfig(
        image_size=patch * draw.choice([1, 2, 3, 8, 16, 32]), patch_size=patch,
        channels=draw.choice([1, 3, 4, 7]), heads=heads,
        width=4 * heads * draw.randint(1, 24), depth=draw.randint(1, 40),
        num_classes=draw.choice([1, 10, 1000]),
        mlp_ratio=draw.choice([0.5, 1.3, 4.0]), conditioning=conditioning,
        position=position, qk_norm=draw.random() < 0.3,
        mlp=draw.choice(CHOICES["mlp"]), long_skips=draw.random() < 0.3,
        position_extent=draw.choice([None, 7]),
        null_class=draw.random() < 0.8, learn_variance=variance, **(dict(path="ddpm",
        objective="eps") if variance else {}),
    )  # fmt: skip


def random_run(draw: random.Random) -> dict:
    """Arguments of `training_cost` beside the model."""
    options = ("precision", "kernel", "checkpointing", "optimiser", "split", "unit")
    return {name: draw.choice(list(TABLE["choices"][name])) for name in options} | dict(
        batch=draw.randint(1, 4096), devices=draw.choice([1, 2, 3, 8, 64, 1000]),
        accumulation=draw.choice([1, 2, 5]),
        machine=draw.choice(list(TABLE["machines"])), length=draw.randint(1, 10**7),
        share=draw.uniform(1, 90), overlap=draw.uniform(0, 100),
    )  # fmt: skip


def random_cases(n: int = 200) -> list[tuple[DiTConfig, dict]]:
    draw = random.Random(6)
    return [(random_config(draw), random_run(draw)) for _ in range(n)]
