"""Batches in a random order that can be taken up again at any image."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from .dataset import Dataset


class Loader:
    """An endless sequence of batches; its whole state is `seen`, the number of images handed out.

    Epoch e visits the images in a permutation drawn from (seed, e), and a batch may straddle two epochs, so every batch is full. The bytes
    live on `device` when they fit there in a third of its free memory, else they stay (memory-mapped) on the host.
    """

    def __init__(self, data: Dataset, batch_size: int, seed: int, device: torch.device):
        self.data, self.batch_size, self.seed, self.device = data, batch_size, seed, device
        self.seen = 0
        self.resident = device.type != "cuda" or data.images.nbytes < torch.cuda.mem_get_info(device)[0] / 3
        self.images = data.images
        if self.resident:
            with warnings.catch_warnings():  # a read-only memory map is only read from
                warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
                self.images = torch.from_numpy(data.images).to(device)
        self.labels = torch.from_numpy(data.labels).to(device)
        self._epoch, self._order = -1, None

    def _permutation(self, epoch: int) -> Tensor:
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed((self.seed * 1_000_003 + epoch) % 2**63)
            self._order, self._epoch = torch.randperm(len(self.data), generator=generator), epoch
        return self._order

    def _indices(self) -> Tensor:
        parts, need = [], self.batch_size
        while need:
            epoch, offset = divmod(self.seen, len(self.data))
            part = self._permutation(epoch)[offset : offset + need]
            self.seen += len(part)
            need -= len(part)
            parts.append(part)
        return torch.cat(parts)

    def next(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Images (B, C, H, W) float32 in [-1,1], mirrored at random where the data allow it, and labels (B,), on the device."""
        index = self._indices()
        if self.resident:
            index = index.to(self.device, non_blocking=True)
            x, y = self.images[index], self.labels[index]
        else:
            x = torch.from_numpy(self.images[index.numpy()]).pin_memory().to(self.device, non_blocking=True)
            y = self.labels[index.to(self.device, non_blocking=True)]
        x = x.float().div_(127.5).sub_(1)
        if self.data.flip:
            mirrored = torch.rand(len(x), generator=generator, device=self.device) < 0.5
            x = torch.where(mirrored[:, None, None, None], x.flip(-1), x)
        return x, y
