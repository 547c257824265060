"""The same weights, sampled from several start times, with steps spaced in two ways."""

from ...config import TrainConfig
from ...diffusion import SPACINGS
from ...evaluation import evaluate_digits
from ...lab import Parts, experiment, grid
from ...training import train

STARTS = [0.999, 0.99, 0.97]


@experiment(
    "A network that predicts noise fails on the linear path: does it matter where "
    "sampling starts, and how its steps are spaced?",
    recipe="digits",
    seconds=dict(cpu=300.0, gpu=300.0),
    smoke=dict(seeds=[0], train_steps=4, per_class=2, sampling_steps=3,
               objectives=["eps"], starts=[0.99]),
    cpu=dict(seeds=[0, 1, 2], train_steps=None, per_class=72, sampling_steps=25,
             objectives=["eps"], starts=STARTS),
    gpu=dict(seeds=[0, 1, 2, 3, 4], train_steps=None, per_class=100, sampling_steps=25,
             objectives=["eps", "flow"], starts=STARTS),
)  # fmt: skip
def start_and_spacing(
    parts: Parts, seeds: list[int], objectives: list[str], **settings
) -> dict:
    """Train each target on the linear path with the digits recipe, once per seed; the
    same weights are then sampled by heun, without guidance, from every start with every
    spacing. Even at a start below 1 the initial state is pure noise.
    """
    cases = grid(objective=objectives, seed=seeds)
    return {"rows": parts.rows(one_network, cases, **settings)}


def one_network(
    objective: str,
    seed: int,
    train_steps: int | None,
    per_class: int,
    sampling_steps: int,
    starts: list[float],
) -> list[dict]:
    """One network, sampled in every way."""
    model = train(
        TrainConfig(
            data="digits",
            steps=train_steps,
            seed=seed,
            changes={"objective": objective},
        )
    ).model.cpu()
    rows = []
    for start in starts:
        for spacing in SPACINGS:
            report = evaluate_digits(
                model, per_class, 1.0, sampling_steps, "heun", seed, halvings=2,
                start=start, spacing=spacing,
            )  # fmt: skip
            about = {"objective": objective, "start": start, "spacing": spacing}
            rows.append(about | report.to_dict())
    return rows
