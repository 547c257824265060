"""How a run ends: finished, diverged or stopped, and how it goes on from there."""

from dataclasses import dataclass, field
from pathlib import Path

from ..config import TrainConfig
from ..model import DiT
from .metrics import DivergedError
from .run_directory import RunDirectory


@dataclass
class Run:
    """A finished run: the averaged model, what it logged (dicts with step, loss,
    grad_norm, lr, images, seconds), and its directory.
    """

    model: DiT
    config: TrainConfig
    metrics: list[dict] = field(default_factory=list)
    directory: Path | None = None


def diverged(what: str, lr: float, directory: RunDirectory | None) -> DivergedError:
    """The error for a run that diverged, with the way out: from its last checkpoint, if
    there is one, at half the rate.
    """
    advice, kept = f"lower lr (now {lr:g}), raise warmup, or lower clip", ""
    if directory and (step := directory.saved_step()) is not None:
        kept = (
            f" The checkpoint of step {step} in {directory.path} is kept: "
            f"continue from there at a lower rate, --resume --lr {lr / 2:g} "
            f"(resume=True, lr={lr / 2:g}). In a new run"
        )
    return DivergedError(
        f"{what}: the run diverged and was stopped."
        + (f"{kept} {advice}" if kept else f" {advice.capitalize()}")
    )


def where_it_lies(
    directory: RunDirectory | None, saved: bool, loss: float, lr: float
) -> str:
    """The message for a run that a signal ended: whether it was `saved`, and how to
    continue. While its loss is diverging it is not saved over the last checkpoint.
    """
    if not directory:
        return "nothing was saved, since the run has no directory (out)"
    step = directory.saved_step()
    if saved:
        return f"saved at step {step}; continue with --resume"
    return (
        f"the loss was {loss:.3g}, so the checkpoint of step {step} is kept; continue "
        f"from there with --resume --lr {lr / 2:g}"
    )
