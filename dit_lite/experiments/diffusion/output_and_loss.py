"""What the network outputs, and in which target its error is measured: two knobs."""

import dataclasses

from torch import Tensor, nn

from ...config import TrainConfig
from ...diffusion import PATHS, convert
from ...lab import Parts, experiment
from ...model.dit import DiT
from ...training import Trainer
from .objectives import image_error

#: [output, target in which the loss is taken]: each in its own, and in the velocity
ARMS = [["eps", "eps"], ["eps", "flow"], ["x0", "x0"], ["x0", "flow"], ["flow", "flow"]]
RATES = [2e-3, 6e-3, 18e-3, 54e-3]


@experiment(
    "A network outputs noise, image or velocity, and its error is measured in the "
    "same target or in velocity: which of the two choices matters?",
    recipe="digits",
    seconds=dict(cpu=2400.0, gpu=1500.0),
    smoke=dict(seeds=[0], arms=[["eps", "flow"]], rates=[1e-3], steps=4, batch_size=8,
               width=16, bins=4),
    cpu=dict(seeds=[0, 1, 2], arms=ARMS, rates=RATES, steps=1000, batch_size=64,
             width=64, bins=10),
    gpu=dict(seeds=[0, 1, 2, 3, 4], arms=ARMS, rates=RATES, steps=1000, batch_size=96,
             width=64, bins=10),
)  # fmt: skip
def output_and_loss(
    parts: Parts,
    seeds: list[int],
    arms: list[list[str]],
    rates: list[float],
    **settings,
) -> dict:
    """Train every arm (output, loss) on the linear path at every rate, and measure the
    error of the implied image by noise level.
    """
    cases = [
        {"output": output, "loss": loss, "lr": lr, "seed": seed}
        for output, loss in arms for lr in rates for seed in seeds
    ]  # fmt: skip
    return {"rows": parts.map(one_pair, cases, **settings)}


class ReadAs(nn.Module):
    """A network whose output is one target, converted to another: its configuration
    names the other, in which the loss is taken.
    """

    def __init__(self, model: DiT, output: str):
        super().__init__()
        self.model, self.config, self.output = model, model.config, output

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        answer, path = self.model(x, t, y), PATHS[self.config.path]
        return convert(answer, self.output, self.config.objective, path, x, t)


def one_pair(
    output: str, loss: str, lr: float, seed: int, steps: int, batch_size: int,
    width: int, bins: int,
) -> dict:  # fmt: skip
    """One run of one arm."""
    changes = {"objective": loss, "width": width}
    trainer = Trainer(
        TrainConfig(
            data="digits", steps=steps, batch_size=batch_size, lr=lr, seed=seed,
            changes=changes,
        )
    )  # fmt: skip
    # the same weights; the average stays a plain network
    trainer.model = ReadAs(trainer.model, output)
    model = trainer.run().model.cpu()
    model.config = dataclasses.replace(model.config, objective=output)
    about = {"output": output, "loss": loss, "lr": lr, "seed": seed}
    return about | {"image_error": image_error(model, bins)}
