"""What a run reports: a line of metrics every few steps, the check that its losses are
finite, and the mirror for TensorBoard.
"""

import json
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from ..config import ConfigError
from ..files.writing import CheckpointError, append

#: A loss this many times that of the first step, or of noise of variance 1, is worse
#: than predicting zero, which is what an untrained model does.
TROUBLE = 2.0


class DivergedError(ValueError):
    """The loss, its gradient or the weights became NaN or infinite."""


class Metrics:
    """The lines of metrics.jsonl, and the losses that no line covers yet.

    A line is a dict with step, loss, grad_norm, clipped, lr, images and seconds. Losses
    and norms, before clipping, are means since the last line; clipped is the share of
    the steps whose norm was larger than `clip`. The file is only ever appended to: the
    state of a run holds the lines since the last save, and how long the file was before
    them.
    """

    def __init__(self, clip: float = float("inf")):
        self.clip = clip
        self.lines: list[dict] = []
        # loss, gradient norm and rate of the steps since the last line
        self.pending: list[tuple[float, float, float]] = []
        # the same, still on the device and not yet checked
        self.fresh: list[tuple[Tensor, Tensor, float]] = []
        self.first: float | None = None  # the loss of the first step
        self.last: float | None = None
        self.written, self.bytes = 0, 0  # lines in the file, and its length

    def add(self, loss: Tensor, norm: Tensor, rate: float) -> None:
        """Remember one step, without waiting for its numbers."""
        self.fresh.append((loss, norm, rate))

    def look(self, step: int) -> None:
        """Wait for all numbers up to `step` at once; raises DivergedError, naming the
        step, when one is not finite.
        """
        losses, norms, rates = zip(*self.fresh, strict=True)
        losses, norms = torch.stack(losses).tolist(), torch.stack(norms).tolist()
        for i, (loss, norm) in enumerate(zip(losses, norms, strict=True)):
            for what, value in (("loss", loss), ("gradient norm", norm)):
                if not abs(value) < float("inf"):
                    at = step - len(losses) + i + 1
                    raise DivergedError(f"{what}={value:g} at step {at}")
        self.first, self.last = losses[0] if self.first is None else self.first, loss
        self.pending += zip(losses, norms, rates, strict=True)
        self.fresh.clear()

    @property
    def healthy(self) -> bool:
        """Whether the last loss is that of a model worth keeping."""
        return self.last <= TROUBLE * max(1.0, self.first)

    def line(self, step: int, images: int, seconds: float) -> dict:
        """Close a line at `step`. Saving in between does not change the lines."""
        losses, norms, rates = zip(*self.pending, strict=True)
        self.pending.clear()
        self.lines.append(
            {
                "step": step,
                "loss": sum(losses) / len(losses),
                "grad_norm": sum(norms) / len(norms),
                "clipped": sum(norm > self.clip for norm in norms) / len(norms),
                "lr": rates[-1],
                "images": images,
                "seconds": round(seconds, 3),
            }
        )
        return self.lines[-1]

    def append_to(self, path: Path) -> None:
        """Append the lines since the last save to those before them."""
        text = "".join(json.dumps(x) + "\n" for x in self.lines[self.written :])
        append(path, text.encode(), at=self.bytes)
        self.written, self.bytes = len(self.lines), self.bytes + len(text)

    def read(self, path: Path) -> None:
        """Put the lines of the file before those of the state; raises CheckpointError
        when they are missing.
        """
        try:
            content = path.read_bytes()[: self.bytes] if self.bytes else b""
            before = [json.loads(x) for x in content.splitlines()]
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"{path} cannot be read ({error}); restore the file of this run"
            ) from None
        if len(content) < self.bytes or len(before) != self.written:
            raise CheckpointError(
                f"{path} is not the file of this run: it should hold {self.written:,} "
                f"lines in {self.bytes:,} bytes; restore the file of this run"
            )
        self.lines = before + self.lines

    def state_dict(self) -> dict:
        return {
            "lines": self.lines[self.written :],
            "written": self.written,
            "bytes": self.bytes,
            "pending": self.pending,
            "first": self.first,
            "last": self.last,
        }

    def load_state_dict(self, state: dict) -> None:
        self.lines, self.written, self.bytes = (
            state["lines"],
            state["written"],
            state["bytes"],
        )
        self.pending = [tuple(step) for step in state["pending"]]
        self.first, self.last = state["first"], state["last"]


class Board:
    """The mirror for TensorBoard in a directory of a run, or nothing when it is not
    wanted. Raises ConfigError when there is no directory, or no such package.
    """

    def __init__(self, wanted: bool, directory: Path | None, step: int):
        self.writer = None
        if not wanted:
            return
        if directory is None:
            raise ConfigError(
                "tensorboard=True needs a directory to write to: set out=DIR"
            )
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ConfigError(
                "tensorboard=True needs the package tensorboard: pip install "
                "tensorboard"
            ) from None
        self.writer = SummaryWriter(str(directory / "tensorboard"), purge_step=step + 1)

    def add(self, line: dict) -> None:
        for name in ("loss", "grad_norm", "lr") if self.writer else ():
            self.writer.add_scalar(name, line[name], line["step"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        if self.writer:
            self.writer.close()
