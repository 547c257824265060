"""All effects of guidance on a model's samples: realism, diversity, class accuracy, and
what a classifier can learn from them.
"""

import torch
from torch import Tensor

from ...config import TrainConfig
from ...diffusion import sample
from ...evaluation import (
    class_accuracy,
    extract,
    halves,
    load_extractor,
    make_reference,
    measure,
    network_calls,
    real_images,
    share,
    train_judge,
)
from ...lab import Parts, experiment, grid
from ...training import load, train

EVERYWHERE = [0.0, 1.0]
GUIDED = [[w, EVERYWHERE] for w in (0.0, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 6.0)]
GUIDED += [[3.0, [0.0, 0.4]], [3.0, [0.3, 0.7]], [3.0, [0.6, 1.0]], [6.0, [0.3, 0.7]]]


@experiment(
    "How does guidance change every score of a model's samples, and what can be "
    "learned from them?",
    recipe="digits",
    seconds=dict(cpu=1200.0, gpu=900.0),
    maps=2,
    smoke=dict(
        runs=[1],
        seeds=[0],
        guided=[[1.0, EVERYWHERE], [3.0, [0.3, 0.7]]],
        per_class=20,
        steps=2,
        judge_steps=2,
        train_steps=2,
    ),
    cpu=dict(
        runs=[0, 1, 2],
        seeds=[0, 1],
        guided=GUIDED,
        per_class=72,
        steps=10,
        judge_steps=100,
        train_steps=None,
    ),
    gpu=dict(
        runs=[0, 1, 2, 3, 4],
        seeds=[0, 1, 2],
        guided=GUIDED,
        per_class=72,
        steps=25,
        judge_steps=500,
        train_steps=None,
    ),
)
def guidance_scale(
    parts: Parts,
    runs: list[int],
    seeds: list[int],
    per_class: int,
    judge_steps: int,
    **settings,
) -> dict:
    """Score samples of the shipped digits model (run 0) and of models trained by the
    same recipe with other seeds, over guidance weights and intervals of t.

    72 samples of each class are compared with half of the training digits; a row whose
    run is None uses the other half in place of samples. "cas" trains a judge on the
    row's images and tests it on the held-out digits (1905.10887). "spread" is the mean
    distance between two images of a class in the judge's features, relative to real
    digits.
    """
    judge = dict(judge_steps=judge_steps)
    rows = parts.map(one_half, grid(seed=seeds), images=10 * per_class, **judge)
    settings |= judge | dict(seeds=seeds, per_class=per_class)
    return {"rows": rows + parts.rows(one_run, grid(run=runs), **settings)}


def one_half(seed: int, images: int, judge_steps: int) -> dict:
    """The row of real digits."""
    _, (made, labels) = halves(*real_images("train"), seed=seed)
    return one_row(
        "real against real",
        made[:images],
        labels[:images],
        seed,
        judge_steps,
        run=None,
        guidance=None,
        interval=None,
        calls=None,
    )


def one_run(
    run: int,
    seeds: list[int],
    guided: list,
    per_class: int,
    steps: int,
    judge_steps: int,
    train_steps: int | None,
) -> list[dict]:
    """The rows of one model."""
    model = (
        load("digits")
        if run == 0
        else train(TrainConfig(data="digits", steps=train_steps, seed=run)).model.cpu()
    )
    labels = torch.arange(10).repeat(per_class)
    rows = []
    for seed in seeds:
        for guidance, interval in guided:
            images = sample(model, labels, steps, guidance, "dpmpp_2m", seed, interval)
            calls = network_calls(model, "dpmpp_2m", steps, guidance, interval)
            how = dict(
                run=run,
                guidance=guidance,
                interval=interval,
                calls=calls,
                sampler="dpmpp_2m",
                steps=steps,
            )
            rows.append(
                one_row(f"w = {guidance:g}", images, labels, seed, judge_steps, **how)
            )
    return rows


def one_row(
    name: str, images: Tensor, labels: Tensor, seed: int, judge_steps: int,
    run: int | None, guidance: float | None, interval: list | None,
    calls: int | None, **how,
) -> dict:  # fmt: skip
    """All scores of images (n, 1, 8, 8) that were made for the classes labels (n,)."""
    extractor = load_extractor("digits-judge")
    half, _ = halves(*real_images("train"), seed=seed)
    reference = make_reference("half of the training digits", *half, extractor)
    seen = extract(extractor, images)
    how = (
        dict(
            guidance=guidance,
            guidance_interval=interval,
            network_calls=calls,
            seeds=(seed,),
        )
        | how
    )
    scores = measure(name, reference, seen, labels, repeats=50, **how)
    device = next(extractor.network.parameters()).device
    by_class = class_accuracy(
        extractor.network, images.to(device), labels.to(device), 10
    )[1]
    others, answers = real_images("test")
    learned = (
        train_judge(judge_steps, seed, images, labels)(others).argmax(1) == answers
    )
    return {
        "run": run, "seed": seed, "guidance": guidance, "interval": interval,
        "calls": calls, "scores": scores.to_dict(), "cas": vars(share(learned)),
        "worst_class": by_class.min().item(), "spread": spread(seen.features,
        labels) / spread(reference.features, reference.labels),
    }  # fmt: skip


def spread(features: Tensor, labels: Tensor) -> float:
    """Mean distance between two images of one class, (n, d) and (n,), averaged over
    the classes.
    """
    return (
        torch.stack(
            [torch.pdist(features[labels == k]).mean() for k in labels.unique()]
        )
        .mean()
        .item()
    )
