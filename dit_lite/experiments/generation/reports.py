"""The report on each shipped model: every score of its samples, next to real images."""

from functools import lru_cache

from ...evaluation import evaluate_model, training_reference
from ...files.pretrained import origin_of
from ...lab import Parts, experiment, grid
from ...training import load
from ...training.precision import pick_device


@experiment(
    "How good are the shipped models' samples, by every score that needs no internet "
    "connection?",
    seconds=dict(cpu=1500.0, gpu=1200.0),
    smoke=dict(
        models=["digits"],
        guidances=[1.0],
        seeds=[0],
        samples=60,
        steps=1,
        repeats=21,
        scores=["accuracy", "precision", "recall"],
    ),
    cpu=dict(
        models=["digits", "cifar10", "imagenet64"],
        guidances=[1.0, 2.0, 4.0],
        seeds=[0],
        samples=1000,
        steps=12,
        repeats=50,
    ),
    gpu=dict(
        models=["digits", "cifar10", "imagenet64"],
        guidances=[1.0, 1.5, 2.0, 3.0],
        seeds=[0, 1, 2],
        samples=2000,
        steps=25,
        repeats=50,
    ),
)
def reports(
    parts: Parts,
    models: list[str],
    guidances: list[float],
    seeds: list[int],
    **settings,
) -> dict:
    """One report per model, guidance and seed, as `python -m dit_lite evaluate` gives
    it, in the features of the model's own judge.
    """

    def cost(part: dict) -> float:
        return 1 if part["model"] == "digits" else 6

    cases = grid(model=models, guidance=guidances, seed=seeds)
    return {"rows": parts.map(one_report, cases, cost, **settings)}


# extracted once for all reports on a model
training_images = lru_cache(maxsize=1)(training_reference)


def one_report(
    model: str, guidance: float, seed: int, samples: int, steps: int, repeats: int,
    scores: list[str] | None = None,
) -> dict:  # fmt: skip
    """The report as plain numbers; all scores if `scores` is None."""
    network = load(model).to(pick_device("auto"))
    report = evaluate_model(
        network, model, samples, guidance, steps=steps, sampler="dpmpp_2m", seed=seed,
        scores=scores, repeats=repeats, origin=origin_of(model),
        reference=training_images(model),
    )  # fmt: skip
    return {"model": model} | report.to_dict()
