"""All-reduce written out: which rank sends which chunk to which, round by round.

An algorithm is a list of rounds of messages. `all_reduce` runs it with real
point-to-point calls, one process per rank; `simulate` runs it in one process, for any
number of ranks; `traffic` counts its bytes and hops. All three read the same messages,
so what is counted is what is sent.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
import torch.distributed as dist
from torch import Tensor

from ..config import ConfigError


@dataclass(frozen=True)
class Message:
    """`source` sends a chunk to `target`, which adds it to its own chunk or replaces
    it; chunk None is the whole tensor.
    """

    source: int
    target: int
    chunk: int | None
    add: bool


@dataclass(frozen=True)
class Algorithm:
    """Messages in rounds; those of one round travel at the same time."""

    name: str
    ranks: int
    chunks: int
    rounds: list[list[Message]]


def naive(ranks: int) -> Algorithm:
    """Every rank sends everything to rank 0, which sends the sum back, like a central
    parameter server.
    """
    others = range(1, ranks)
    return Algorithm(
        "naive",
        ranks,
        1,
        [
            [Message(i, 0, None, True) for i in others],
            [Message(0, i, None, False) for i in others],
        ],
    )


def tree(ranks: int) -> Algorithm:
    """Sums go up a binary tree and the total comes back down: 2 log2(p) rounds of the
    whole tensor.
    """
    up, step = [], 1
    while step < ranks:
        up.append(
            [Message(i + step, i, None, True) for i in range(0, ranks - step, 2 * step)]
        )
        step *= 2
    down = [
        [Message(m.target, m.source, None, False) for m in messages]
        for messages in reversed(up)
    ]
    return Algorithm("tree", ranks, 1, up + down)


def ring(ranks: int, order: Sequence[int] | None = None) -> Algorithm:
    """Reduce-scatter and all-gather around a ring, p chunks in 2(p-1) rounds
    (Patarasuk and Yuan 2009, sec. 3).

    `order` is the order in which the ranks sit around the ring.
    """
    order = list(range(ranks)) if order is None else list(order)
    if sorted(order) != list(range(ranks)):
        raise ConfigError(
            f"order={order} must hold each of the ranks 0 to {ranks - 1} once"
        )
    return Algorithm(
        "ring", ranks, ranks, _scatter(order, ranks) + _gather(order, ranks)
    )


def hierarchical(ranks: int, per_node: int) -> Algorithm:
    """Rings inside every node, then rings between the nodes, one for each chunk, then
    rings inside the nodes again: 2(n-1) hops over the slow links instead of 2(p-1).

    A node holds `per_node` consecutive ranks. Rank `local` of each node ends the first
    phase with its own chunk, and then exchanges only with the ranks `local` of other
    nodes.
    """
    if per_node < 1 or ranks % per_node:
        raise ConfigError(
            f"per_node={per_node} does not divide ranks={ranks}; give nodes of equal "
            "size"
        )
    nodes = ranks // per_node
    inside = [
        [node * per_node + local for local in range(per_node)] for node in range(nodes)
    ]
    across = [list(peers) for peers in zip(*inside, strict=True)]

    def beside(rings: list[list[int]], phase: Callable, pick: Callable) -> list:
        """The rounds of several rings at once; `pick` gives the chunks of the whole
        tensor that make up a chunk of a ring.
        """
        rounds: list[list[Message]] = []
        for number, order in enumerate(rings):
            for i, messages in enumerate(phase(order, len(order))):
                rounds += [[]] if i == len(rounds) else []
                rounds[i] += [
                    Message(m.source, m.target, chunk, m.add)
                    for m in messages
                    for chunk in pick(number, m.chunk)
                ]
        return rounds

    def whole(number: int, chunk: int) -> range:
        return range(chunk * nodes, (chunk + 1) * nodes)

    # after the reduce-scatter of a ring its place i holds chunk i + 1
    def part(number: int, chunk: int) -> list[int]:
        return [(number + 1) % per_node * nodes + chunk]

    rounds = beside(inside, _scatter, whole)
    rounds += beside(across, _scatter, part) + beside(across, _gather, part)
    rounds += beside(inside, _gather, whole)
    return Algorithm("hierarchical", ranks, ranks, rounds)


def _scatter(order: list[int], p: int) -> list[list[Message]]:
    """p - 1 rounds after which place i of the ring holds the sum of chunk i + 1."""
    return [
        [Message(order[i], order[(i + 1) % p], (i - r) % p, True) for i in range(p)]
        for r in range(p - 1)
    ]


def _gather(order: list[int], p: int) -> list[list[Message]]:
    """p - 1 rounds in which every finished chunk goes once around."""
    return [
        [
            Message(order[i], order[(i + 1) % p], (i + 1 - r) % p, False)
            for i in range(p)
        ]
        for r in range(p - 1)
    ]


@dataclass
class Counter:
    """What one rank has sent: bytes, messages, and the rounds in which it waited."""

    bytes: int = 0
    messages: int = 0
    hops: int = 0


def all_reduce(
    tensor: Tensor, algorithm: Algorithm, counter: Counter | None = None
) -> Counter:
    """Sum a contiguous tensor over the default process group, in place, by
    `torch.distributed` send and receive.

    Raises ConfigError when the group has another size than the algorithm.
    """
    rank, world = dist.get_rank(), dist.get_world_size()
    if world != algorithm.ranks:
        raise ConfigError(
            f"the algorithm is for ranks={algorithm.ranks}, but the group has {world}; "
            f"make it with {algorithm.name}({world})"
        )
    counter = counter or Counter()
    chunks = _chunks(tensor, algorithm)
    for messages in algorithm.rounds:
        mine = [m for m in messages if rank in (m.source, m.target)]
        # received data go to a buffer: a chunk may be sent and received at once
        arriving = [
            (m, torch.empty_like(chunks[m.chunk or 0]))
            for m in mine
            if m.target == rank
        ]
        calls = [
            dist.P2POp(dist.isend, chunks[m.chunk or 0].clone(), m.target)
            for m in mine
            if m.source == rank and chunks[m.chunk or 0].numel()
        ]
        counter.bytes += sum(call.tensor.nbytes for call in calls)
        counter.messages += len(calls)
        counter.hops += bool(mine)
        calls += [
            dist.P2POp(dist.irecv, buffer, m.source)
            for m, buffer in arriving
            if buffer.numel()
        ]
        for request in dist.batch_isend_irecv(calls) if calls else []:
            request.wait()
        for message, buffer in arriving:
            _receive(chunks[message.chunk or 0], buffer, message.add)
    return counter


def simulate(
    tensors: Sequence[Tensor],
    algorithm: Algorithm,
    look: Callable[[int, list[Message]], None] | None = None,
) -> None:
    """Run an algorithm on one tensor per rank, in place, in this process.

    `look(round, messages)` is called after every round.
    """
    chunks = [_chunks(tensor, algorithm) for tensor in tensors]
    for i, messages in enumerate(algorithm.rounds):
        travelling = [(m, chunks[m.source][m.chunk or 0].clone()) for m in messages]
        for m, buffer in travelling:
            _receive(chunks[m.target][m.chunk or 0], buffer, m.add)
        if look:
            look(i, messages)


def _chunks(tensor: Tensor, algorithm: Algorithm) -> list[Tensor]:
    """Views of the tensor's values, as equal in size as possible."""
    if not tensor.is_contiguous():
        raise ConfigError(
            f"a tensor with strides {tensor.stride()} cannot be cut in place; pass "
            "tensor.contiguous()"
        )
    return list(tensor.view(-1).tensor_split(algorithm.chunks))


def _receive(own: Tensor, arrived: Tensor, add: bool) -> None:
    if add:
        own += arrived
    else:
        own.copy_(arrived)


@dataclass
class Traffic:
    """What an algorithm sends: bytes out of each rank, into each rank, consecutive
    hops, and the part that crosses between nodes.
    """

    sent: list[int]
    received: list[int]
    hops: int
    slow_sent: list[int] = field(default_factory=list)
    slow_hops: int = 0

    @property
    def busiest(self) -> int:
        """Bytes through the busiest link of any rank, out or in."""
        return max(*self.sent, *self.received)


def traffic(
    algorithm: Algorithm, values: int, value_bytes: int = 4, per_node: int | None = None
) -> Traffic:
    """Count the bytes and hops of an all-reduce of `values` numbers.

    A node holds `per_node` consecutive ranks; links between nodes are the slow ones.
    """
    each, more = divmod(values, algorithm.chunks)  # as tensor_split cuts
    size = [(each + (i < more)) * value_bytes for i in range(algorithm.chunks)]
    node = [rank // (per_node or algorithm.ranks) for rank in range(algorithm.ranks)]
    result = Traffic(
        [0] * algorithm.ranks, [0] * algorithm.ranks, len(algorithm.rounds)
    )
    result.slow_sent = [0] * algorithm.ranks
    for messages in algorithm.rounds:
        for m in messages:
            bytes_ = size[m.chunk or 0]
            result.sent[m.source] += bytes_
            result.received[m.target] += bytes_
            if node[m.source] != node[m.target]:
                result.slow_sent[m.source] += bytes_
        result.slow_hops += any(node[m.source] != node[m.target] for m in messages)
    return result


def timeline(algorithm: Algorithm) -> dict:
    """An all-reduce round by round, for at most eight ranks: whose numbers each chunk
    of each rank holds, who sends to whom, and what has been sent.

    "holds" uint8 (rounds + 1, ranks, chunks) has bit i where the sum contains rank i,
    "messages" lists [source, target, chunk or None, adds] by round, and "sent" float32
    (rounds + 1, ranks) counts whole tensors.
    """
    if algorithm.ranks > 8:
        raise ConfigError(
            f"ranks={algorithm.ranks} is more than a timeline shows; at most 8"
        )
    tensors = [
        torch.full((algorithm.chunks,), 1 << rank, dtype=torch.int64)
        for rank in range(algorithm.ranks)
    ]
    holds, messages = [torch.stack(tensors).clone()], []
    sent = [torch.zeros(algorithm.ranks)]

    def look(_: int, now: list[Message]) -> None:
        holds.append(torch.stack(tensors).clone())
        messages.append([[m.source, m.target, m.chunk, m.add] for m in now])
        sent.append(sent[-1].clone())
        for m in now:
            part = 1 if m.chunk is None else 1 / algorithm.chunks
            sent[-1][m.source] += part

    simulate(tensors, algorithm, look)
    return {
        "holds": torch.stack(holds).to(torch.uint8).numpy(),
        "messages": messages,
        "sent": torch.stack(sent).numpy(),
    }
