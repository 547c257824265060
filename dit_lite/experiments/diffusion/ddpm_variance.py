"""The sampler that draws fresh noise, with the lower and the upper bound of its
variance, compared at many steps with samplers that follow the velocity.
"""

from ...config import TrainConfig
from ...evaluation import evaluate_digits, network_calls
from ...lab import Parts, experiment, grid
from ...training import train

#: Heun with 40 steps has converged (see `sampling`): the limit of all samplers that
#: follow the velocity.
ASKED = [["heun", 40]]
ASKED += [[name, steps] for name in ("ddpm", "ddpm_upper") for steps in (50, 100)]


@experiment(
    "Where does the sampler that draws fresh noise converge, with the lower and with "
    "the upper variance?",
    recipe="digits",
    seconds=dict(cpu=500.0, gpu=300.0),
    smoke=dict(seeds=[0], train_steps=5, per_class=2,
               asked=[["heun", 2], ["ddpm", 3], ["ddpm_upper", 3]]),
    cpu=dict(seeds=[0, 1, 2], train_steps=None, per_class=72, asked=ASKED),
    gpu=dict(seeds=[0, 1, 2, 3, 4], train_steps=None, per_class=100,
             asked=[*ASKED, ["ddpm", 1000], ["ddpm_upper", 1000]]),
)  # fmt: skip
def ddpm_variance(parts: Parts, seeds: list[int], **settings) -> dict:
    """Score one model per seed, without guidance, with each sampler and number of
    steps; the models are trained as in `sampling`.
    """
    return {"rows": parts.rows(one_model_sampled, grid(seed=seeds), **settings)}


def one_model_sampled(
    seed: int, train_steps: int | None, per_class: int, asked: list[list]
) -> list[dict]:
    """One model, sampled in every way that is asked."""
    model = train(TrainConfig(data="digits", steps=train_steps, seed=seed)).model.cpu()
    rows = []
    for name, steps in asked:
        report = evaluate_digits(model, per_class, 1.0, steps, name, seed, halvings=2)
        calls = network_calls(model, name, steps, 1.0)
        rows.append({"calls": calls} | report.to_dict())
    return rows
