"""Batches in a random order that can be resumed at any image."""

import warnings

import numpy as np
import torch
from torch import Tensor

from ..config import ConfigError
from .dataset import Dataset


class Loader:
    """An endless sequence of batches; its whole state is `seen`, the number of images
    returned so far.

    Epoch e visits the images in a permutation drawn from (seed, e), and a batch may
    straddle two epochs, so every batch is full. The bytes, the labels and the order
    live on `device` when the bytes fit there in a third of its free memory, so that a
    batch is gathered without the host; else they stay (memory-mapped) on the host.
    `resident` overrides that.

    Data that are `fresh` have a picture for any index: they are read in order, from a
    start that depends on the seed, and no picture is repeated.

    Process `rank` of `world` takes its contiguous `rows` of every batch; each process
    draws random numbers for the whole batch, so that they belong to an image, whichever
    process handles it. Where `world` does not divide the batch, some have one row more:
    the mean over the whole batch is the mean over the processes of `weight` times the
    mean over their own rows. Raises ConfigError for fewer images than processes.
    """

    def __init__(
        self,
        data: Dataset,
        batch_size: int,
        seed: int,
        device: torch.device,
        resident: bool | None = None,
        rank: int = 0,
        world: int = 1,
    ):
        if not 0 <= rank < world:
            raise ConfigError(
                f"rank={rank} is not one of 0 to {world - 1} (world={world})"
            )
        if batch_size < world:
            raise ConfigError(
                f"batch_size={batch_size} is less than one image for each of {world} "
                f"processes; choose at least {world}"
            )
        self.rows = slice(rank * batch_size // world, (rank + 1) * batch_size // world)
        self.weight = (self.rows.stop - self.rows.start) * world / batch_size
        self.data, self.batch_size, self.seed, self.device = (
            data,
            batch_size,
            seed,
            device,
        )
        self.seen = 0
        self.fresh = getattr(data, "fresh", False)
        on_demand = not isinstance(data.images, np.ndarray)
        if resident is None:
            resident = not on_demand and (
                device.type != "cuda"
                or data.images.nbytes < torch.cuda.mem_get_info(device)[0] / 3
            )
        self.resident = resident
        with warnings.catch_warnings():  # a read-only memory map is only read from
            warnings.filterwarnings(
                "ignore", message="The given NumPy array is not writable"
            )
            self.images, self.labels = (
                torch.from_numpy(part) if isinstance(part, np.ndarray) else part
                for part in (data.images, data.labels)
            )
        if resident:
            self.images, self.labels = self.images.to(device), self.labels.to(device)
        self._epoch, self._order = -1, None

    def _permutation(self, epoch: int) -> Tensor:
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(
                (self.seed * 1_000_003 + epoch) % 2**63
            )
            order = torch.randperm(len(self.data), generator=generator)
            self._order, self._epoch = (
                self._send(order) if self.resident else order,
                epoch,
            )
        return self._order

    def _indices(self) -> Tensor:
        if self.fresh:
            start = (self.seed % 2**23 << 40) + self.seen
            self.seen += self.batch_size
            return torch.arange(start, start + self.batch_size)
        parts, need = [], self.batch_size
        while need:
            epoch, offset = divmod(self.seen, len(self.data))
            part = self._permutation(epoch)[offset : offset + need]
            self.seen += len(part)
            need -= len(part)
            parts.append(part)
        return torch.cat(parts)

    def _send(self, value: Tensor) -> Tensor:
        """A host tensor on the device; a GPU fetches it from page-locked memory, while
        the host continues.
        """
        return (
            value.pin_memory().to(self.device, non_blocking=True)
            if self.device.type == "cuda"
            else value.to(self.device)
        )

    def next(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The `rows` of this process, on the device: images (b, C, H, W) float32 in
        [-1,1], mirrored at random where the data allow it, and labels (b,), or captions
        (b, M).
        """
        index = self._indices()[self.rows]
        x, y = map(torch.as_tensor, (self.images[index], self.labels[index]))
        if not self.resident:
            x, y = self._send(x), self._send(y)
        x = self.data.in_floats(x)
        if self.data.flip:
            chance = torch.rand(
                self.batch_size, generator=generator, device=self.device
            )
            mirrored = chance[self.rows] < 0.5
            x = torch.where(mirrored[:, None, None, None], x.flip(-1), x)
        return x, y

    def state_dict(self) -> dict:
        return {"seen": self.seen}

    def load_state_dict(self, state: dict) -> None:
        self.seen = state["seen"]
