"""Every way to split a run, one after the other in the same processes: the loss curve
and the bytes per step, for comparison with one process and the formulas.
"""

from ..config import DiTConfig, TrainConfig
from ..training.loop import Trainer
from .planner import Layout, layout_cost
from .strategy import Strategy
from .trainer import ParallelTrainer
from .wire import Wire


def losses_alone(config: TrainConfig) -> list[float]:
    """The loss at every step of a run with one process."""
    one = Trainer(config)
    return [one.train_step()[0].item() for _ in range(config.steps)]


def tour(config: TrainConfig, ways: list[str]) -> dict[str, dict]:
    """What a rank measures for each way, {way: {"losses", "sent"}}; call it on every
    rank of a group, `processes.run(2, tour, config, ways)`.

    "sent" is the bytes by kind of call in the last step.
    """
    found = {}
    for way in ways:
        one = ParallelTrainer(config, Strategy.parse(way))
        losses = [one.train_step()[0].item() for _ in range(config.steps - 1)]
        with Wire() as wire:
            losses.append(one.train_step()[0].item())
        found[way] = {"losses": losses, "sent": wire.by_kind()}
    return found


def predicted_bytes(way: str, model: DiTConfig, batch: int, world: int) -> float:
    """Bytes that a rank sends in an fp32 step, by the planner's formulas; with stages,
    a rank at an end of the pipeline.

    Sequence parallelism, which the planner leaves out, exchanges four token tensors per
    block and direction (2309.14509, sec. 3.2), gathers the tokens once, and averages
    the gradients.
    """
    strategy = Strategy.parse(way)
    p = strategy.sequence
    if p > 1:
        cost = layout_cost(model, Layout(data=world), batch, precision="fp32")
        images = batch // strategy.replicas(world)
        tokens = images * model.tokens * model.width * 4
        exchanged = (2 * model.depth * 4 / p + 1) * tokens * (p - 1) / p
        return exchanged + cost["data_sent"]
    split = {"ddp": "ddp", "fsdp": "zero3"}[strategy.data]
    layout = Layout(
        strategy.replicas(world), strategy.tensor, strategy.stages,
        strategy.micro_batches, split,
    )  # fmt: skip
    cost = layout_cost(model, layout, batch, precision="fp32")
    stages = cost["stage_sent"] / (1 if strategy.stages == 2 else 2)
    return cost["data_sent"] + cost["tensor_sent"] + stages
