"""What the choices at sampling time do: guidance, sampler, number of steps. The models
are trained once and only sampled differently.
"""

from ...config import TrainConfig
from ...evaluation import evaluate_digits, network_calls
from ...lab import Parts, experiment, grid
from ...training import train

SAMPLERS = ["heun", "euler", "dpmpp_2m", "ddim", "ddpm"]
GUIDANCES = [0.0, 0.5, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0]
STEPS = [2, 3, 5, 8, 12, 20, 40]


@experiment(
    "How do guidance, sampler and steps change one model's accuracy, precision and "
    "recall?",
    recipe="digits",
    smoke=dict(
        seeds=[0],
        train_steps=2,
        per_class=2,
        guidances=[1.0, 2.0],
        steps=[2],
        guidance_steps=4,
    ),
    cpu=dict(
        seeds=[0, 1, 2],
        train_steps=None,
        per_class=100,
        guidances=GUIDANCES,
        steps=STEPS,
        guidance_steps=20,
    ),
    gpu=dict(
        seeds=[0, 1, 2, 3, 4],
        train_steps=None,
        per_class=100,
        guidances=GUIDANCES,
        steps=STEPS,
        guidance_steps=20,
    ),
)
def sampling(parts: Parts, seeds: list[int], **settings) -> dict:
    """Score one model per seed over the guidance scale (heun), and over samplers x
    steps without guidance.
    """
    return {"rows": parts.rows(one_model, grid(seed=seeds), **settings)}


def one_model(
    seed: int,
    train_steps: int | None,
    per_class: int,
    guidances: list[float],
    steps: list[int],
    guidance_steps: int,
) -> list[dict]:
    """One model with all settings."""
    model = train(TrainConfig(data="digits", steps=train_steps, seed=seed)).model.cpu()
    asked = [("guidance", "heun", guidance_steps, w) for w in guidances]
    asked += [("steps", name, S, 1.0) for name in SAMPLERS for S in steps]
    rows = []
    for sweep, name, S, w in asked:
        report = evaluate_digits(
            model, per_class, guidance=w, steps=S, sampler=name, seed=seed, halvings=2
        )
        rows.append(
            {"sweep": sweep, "calls": network_calls(model, name, S, w)}
            | report.to_dict()
        )
    return rows
