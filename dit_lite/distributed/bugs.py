"""Ten bugs that raise no error and do not show in the falling loss; each is a trainer
that does one thing wrong.

tests/distributed/test_bugs.py detects every one, by comparing with one process or by
counting bytes. Nothing here is used to train.
"""

import torch
import torch.distributed as dist
from torch import Tensor

from ..diffusion.loss import diffusion_loss
from ..model.dit import DiT
from ..training.run_directory import Stateful
from .average import local
from .trainer import ParallelTrainer, gather


class SameNoise(ParallelTrainer):
    """Every rank uses the same noise seed but draws only for its own images: images on
    different ranks get the same noise.
    """

    def backward(self, x: Tensor, y: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        dist.broadcast(eps := eps.contiguous(), 0)
        return super().backward(x, y, t, eps)


class OwnOrder(ParallelTrainer):
    """Every rank shuffles with its own seed: an epoch sees some images twice and others
    never.
    """

    def _make(self, *args, **kwargs) -> None:
        super()._make(*args, **kwargs)
        self.loader.seed += dist.get_rank()


class UnweightedMean(ParallelTrainer):
    """Ranks with fewer images count as much as the others."""

    def _make(self, *args, **kwargs) -> None:
        super()._make(*args, **kwargs)
        self.loader.weight = 1.0


class SilentBackward(ParallelTrainer):
    """`no_sync`, which skips the exchange while parts of a batch add up, stands around
    the backward pass only. DDP decides in the forward pass, so it sends every part.
    """

    def backward(self, x: Tensor, y: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        total = torch.zeros((), device=self.device)
        parts = [v.tensor_split(self.config.accumulate) for v in (x, y, t, eps)]
        for i, part in enumerate(zip(*parts, strict=True)):
            share = len(part[0]) / len(x) * self.loader.weight
            loss = diffusion_loss(self.model, *part).mean() * share
            with self.exchanging(i + 1 == self.config.accumulate):
                loss.backward()
            total += loss.detach()
        return total


class AverageBeforeStep(ParallelTrainer):
    """The average takes the weights before the optimiser has moved them."""

    def clip(self) -> Tensor:
        type(self.ema).update(self.ema)
        self.ema.update = lambda: None
        return super().clip()


class LocalNorm(ParallelTrainer):
    """Gradients are clipped by the norm of each rank's own part."""

    def clip(self) -> Tensor:
        gradients = [local(p.grad) for p in self.model.parameters()]
        norm = torch.nn.utils.get_total_norm(gradients)
        scale = (self.config.clip / (norm + 1e-6)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(scale)
        return norm


class SameDrops(ParallelTrainer):
    """Labels are dropped at the same places in every rank's part of the batch."""

    def drop_labels(self, y: Tensor) -> Tensor:
        rows = self.loader.rows
        self.loader.rows = slice(0, rows.stop - rows.start)
        try:
            return super().drop_labels(y)
        finally:
            self.loader.rows = rows


class OwnStatistics(ParallelTrainer):
    """Images are standardised by the mean and standard deviation of a rank's part, as
    in BatchNorm without synchronisation.
    """

    def backward(self, x: Tensor, y: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        return super().backward((x - x.mean()) / x.std(), y, t, eps)


class ForgottenLoader(ParallelTrainer):
    """A resumed run restarts the epoch."""

    @property
    def state(self) -> dict[str, Stateful]:
        return {k: v for k, v in super().state.items() if k != "loader"}


class StaleShards(ParallelTrainer):
    """The gathered model is assembled while other ranks still hold shards from the
    previous step.
    """

    def clip(self) -> Tensor:
        self.before = {name: t.clone() for name, t in self.ema.averaged.items()}
        return super().clip()

    def averaged(self) -> DiT:
        if not hasattr(self, "before"):
            return super().averaged()
        held = self.ema.averaged if dist.get_rank() == 0 else self.before
        with torch.random.fork_rng(devices=[]):
            model = DiT(self.model_config)
        model.load_state_dict(gather(held, self.mesh))
        return model.eval()


BUGS: dict[str, type[ParallelTrainer]] = {
    "the same noise on every rank": SameNoise,
    "every rank shuffles its own way": OwnOrder,
    "unweighted mean over uneven parts": UnweightedMean,
    "no_sync around backward only": SilentBackward,
    "the average before the optimiser": AverageBeforeStep,
    "clipping by local norms": LocalNorm,
    "labels dropped at the same places": SameDrops,
    "statistics per rank": OwnStatistics,
    "resume forgets the loader": ForgottenLoader,
    "a gathered checkpoint with stale shards": StaleShards,
}
