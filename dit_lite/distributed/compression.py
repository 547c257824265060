"""Sending less than the gradient: hooks for DDP that round it, keep its largest
entries, or send a product of two thin matrices.

`TopK(share=0.01).attach(model)` replaces DDP's all-reduce of every bucket of gradients.
What a lossy message leaves out is kept and added to the next gradient (error feedback,
1809.07599); `feedback=False` discards it, to show the harm.
"""

from dataclasses import dataclass, field

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from ..config import ConfigError


@dataclass
class Compression:
    """What every hook keeps: the bytes that this rank passed to collectives, the bytes
    of the original gradients, and what was left out of each bucket.
    """

    feedback: bool = True
    sent: int = 0
    full: int = 0
    left_out: dict[int, Tensor] = field(default_factory=dict)

    def attach(self, model: DistributedDataParallel) -> None:
        """Make `model` average its gradients this way."""
        model.register_comm_hook(self, _hook)

    def reduce(self, bucket: dist.GradBucket) -> Tensor:
        """The mean of the bucket over all ranks, as far as it was sent."""
        gradient = bucket.buffer()
        self.full += gradient.nbytes
        wanted = gradient
        if self.feedback and bucket.index() in self.left_out:
            rest = self.left_out[bucket.index()]
            # DDP builds its buckets anew after the first step
            if rest.shape == gradient.shape:
                wanted = gradient + rest
        mean, own = self.exchange(wanted, bucket)
        if self.feedback:
            self.left_out[bucket.index()] = wanted - own
        return mean

    def exchange(
        self, wanted: Tensor, bucket: dist.GradBucket
    ) -> tuple[Tensor, Tensor]:
        """The mean over ranks of what was sent, and this rank's message decoded."""
        raise NotImplementedError

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a tensor over all ranks, its bytes counted."""
        self.sent += value.nbytes
        dist.all_reduce(value)
        return value.div_(dist.get_world_size())


# a function without annotations: DDP reads its name, and refuses annotations in strings
def _hook(state, bucket):
    future = torch.futures.Future()
    future.set_result(state.reduce(bucket))
    return future


@dataclass
class Rounded(Compression):
    """Every value in 16 bits: "fp16" or "bf16". Values are divided before the sum,
    which could overflow in fp16.
    """

    dtype: torch.dtype = torch.bfloat16

    def exchange(self, wanted, bucket):
        message = wanted.to(self.dtype)
        own = message.to(wanted.dtype)
        message.div_(dist.get_world_size())
        self.sent += message.nbytes
        dist.all_reduce(message)
        return message.to(wanted.dtype), own


@dataclass
class TopK(Compression):
    """The largest entries, a `share` of all, with their indices.

    Each rank picks different entries, so messages are gathered and not summed on the
    way: p - 1 of them arrive at every rank.
    """

    share: float = 0.01

    def __post_init__(self):
        if not 0 < self.share <= 1:
            raise ConfigError(
                f"share={self.share} must be in (0, 1], the share of the entries sent"
            )

    def exchange(self, wanted, bucket):
        k = max(1, round(self.share * wanted.numel()))
        places = wanted.abs().topk(k).indices
        values = wanted[places]
        ranks = dist.get_world_size()
        every_place = [torch.empty_like(places) for _ in range(ranks)]
        every_value = [torch.empty_like(values) for _ in range(ranks)]
        dist.all_gather(every_place, places)
        dist.all_gather(every_value, values)
        self.sent += (places.nbytes + values.nbytes) * (ranks - 1)
        mean = torch.zeros_like(wanted)
        for place, value in zip(every_place, every_value, strict=True):
            mean.index_add_(0, place, value)
        own = torch.zeros_like(wanted).index_copy_(0, places, values)
        return mean.div_(ranks), own


@dataclass
class PowerSGD(Compression):
    """A matrix (n, m) as a product of thin ones, r (n + m) numbers instead of n m; both
    factors can be summed by an all-reduce (1905.13727, algorithm 1). Vectors are sent
    whole.

    The right factor of the last step starts the next power iteration.
    """

    rank: int = 1
    seed: int = 0
    right: dict[tuple[int, int], Tensor] = field(default_factory=dict)

    def __post_init__(self):
        if self.rank < 1:
            raise ConfigError(f"rank={self.rank} must be at least 1")

    def exchange(self, wanted, bucket):
        mean, own = torch.empty_like(wanted), torch.empty_like(wanted)
        start = 0
        for i, parameter in enumerate(bucket.parameters()):
            part = slice(start, start + parameter.numel())
            start = part.stop
            if parameter.ndim < 2 or self.rank >= min(
                len(parameter), parameter[0].numel()
            ):
                own[part] = wanted[part]
                mean[part] = self.mean(wanted[part].clone())
                continue
            M = wanted[part].view(len(parameter), -1)  # (n, m)
            Q = self.right.get((bucket.index(), i))
            if Q is None or len(Q) != M.shape[1]:
                Q = self._first(M, bucket.index(), i)
            P = torch.linalg.qr(self.mean(M @ Q)).Q  # (n, r)
            own_Q = M.T @ P  # (m, r)
            own[part] = (P @ own_Q.T).flatten()
            self.right[bucket.index(), i] = Q = self.mean(own_Q)
            mean[part] = (P @ Q.T).flatten()
        return mean, own

    def _first(self, M: Tensor, bucket: int, i: int) -> Tensor:
        """A random right factor, the same on all ranks."""
        generator = torch.Generator().manual_seed(
            self.seed + 1_000_003 * bucket + 1009 * i
        )
        first = torch.randn(M.shape[1], self.rank, generator=generator)
        return torch.linalg.qr(first.to(M)).Q
