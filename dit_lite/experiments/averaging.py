"""The weights that a run ends with, and their moving average."""

from __future__ import annotations

from ..config import TrainConfig
from ..data import digits
from ..training import Trainer, validation_loss
from .runner import experiment


@experiment(
    "How much better are averaged weights than the last ones?",
    recipe="digits",
    smoke=dict(seeds=[0], steps=20),
    cpu=dict(seeds=[0, 1, 2], steps=1200),
    gpu=dict(seeds=[0, 1, 2, 3, 4], steps=1200),
)
def averaging(seeds: list[int], steps: int) -> dict:
    """Train at a constant and at a falling learning rate; compare the held-out loss of the last and of the averaged weights."""
    rows = []
    for schedule in ("constant", "cosine"):
        for seed in seeds:
            trainer = Trainer(TrainConfig(data="digits", steps=steps, schedule=schedule, seed=seed))
            run = trainer.run()
            last, average = (validation_loss(model.cpu(), digits("test"))[1].mean().item() for model in (trainer.model, run.model))
            rows.append({"schedule": schedule, "seed": seed, "last": last, "average": average})
    return {"rows": rows}
