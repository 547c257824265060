"""Fewer bytes per gradient: what is sent, and the effect on the loss, with and without
error feedback.
"""

from ...distributed.compression import PowerSGD, Rounded, TopK
from ...distributed.processes import run
from ...distributed.trainer import ParallelTrainer
from ...lab import Parts, experiment, grid
from ...lab.tuning import best_setting
from ._runs import held_out_loss, run_config, trainer

#: The ways to send a gradient, and how each is made.
WAYS = {
    "fp32": None,
    "bf16": lambda: Rounded(),
    "top 1 %": lambda: TopK(share=0.01),
    "top 1 %, no feedback": lambda: TopK(share=0.01, feedback=False),
    "PowerSGD r=1": lambda: PowerSGD(rank=1),
    "PowerSGD r=1, no feedback": lambda: PowerSGD(rank=1, feedback=False),
}


@experiment(
    "What does sending less of the gradient cost in loss, each way at its own best "
    "rate?",
    seconds=dict(cpu=400.0),
    smoke=dict(ways=["top 1 %"], rates=[1e-3], seeds=[0], steps=3),
    cpu=dict(
        ways=list(WAYS), rates=[3e-3, 1e-2, 3e-2, 1e-1], seeds=[0, 1, 2], steps=80
    ),
)
def compressed_gradients(
    parts: Parts, ways: list[str], rates: list[float], seeds: list[int], steps: int
) -> dict:
    """Train on two processes in every way at every rate, with AdamW.

    `rows` are the runs: `loss` is the held-out loss, None where a run diverged, `share`
    the bytes passed to collectives relative to the gradients' own. `best` is the rate
    with the lowest mean loss for each way, and whether the sweep brackets it.
    """
    cases = grid(way=ways, seed=seeds)
    found = parts.map(one_way, cases, rates=rates, steps=steps)
    rows = [row for part in found for row in part["runs"]]
    return {"rows": rows, "best": [best_setting(rows, way=way) for way in ways]}


def one_way(way: str, seed: int, rates: list[float], steps: int) -> dict:
    """All rates of one way and seed, in one launch."""
    return {"runs": run(2, all_rates, way, seed, rates, steps, timeout=600)[0]}


def all_rates(way: str, seed: int, rates: list[float], steps: int) -> list[dict]:
    """The runs of this rank."""
    rows = []
    for lr in rates:
        one = trainer(ParallelTrainer, run_config(steps, seed=seed, lr=lr))
        hook = WAYS[way]() if WAYS[way] else None
        if hook:
            hook.attach(one.model)
        for _ in range(steps):
            one.train_step()
        share = hook.sent / hook.full if hook else 1.0
        rows.append(
            dict(way=way, seed=seed, lr=lr, loss=held_out_loss(one), share=share)
        )
    return rows
