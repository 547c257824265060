"""A run's last weights, and their moving average."""

from ...config import TrainConfig
from ...data import digits
from ...evaluation import validation_loss
from ...lab import Parts, experiment, grid
from ...training import Trainer


@experiment(
    "How much better are averaged weights than the last ones?",
    recipe="digits",
    smoke=dict(seeds=[0], steps=2),
    cpu=dict(seeds=[0, 1, 2], steps=None),
    gpu=dict(seeds=[0, 1, 2, 3, 4], steps=None),
)
def averaging(parts: Parts, seeds: list[int], steps: int | None) -> dict:
    """Train at a constant and at a falling learning rate; compare the held-out losses
    of the last and the averaged weights.
    """
    cases = grid(schedule=("constant", "cosine"), seed=seeds)
    return {"rows": parts.map(one_run, cases, steps=steps)}


def one_run(schedule: str, seed: int, steps: int | None) -> dict:
    """One run, and the held-out loss of both of its models."""
    trainer = Trainer(
        TrainConfig(data="digits", steps=steps, schedule=schedule, seed=seed)
    )
    run = trainer.run()
    last, average = (
        validation_loss(model.cpu(), digits("test"))[1].mean().item()
        for model in (trainer.model, run.model)
    )
    return {"schedule": schedule, "seed": seed, "last": last, "average": average}
