import math
from itertools import pairwise

import pytest
import torch
import torch.distributed as dist
from processes import run

from dit_lite.config import ConfigError
from dit_lite.distributed.collectives import (
    all_reduce,
    hierarchical,
    naive,
    ring,
    simulate,
    traffic,
    tree,
)

ALGORITHMS = {"naive": naive, "tree": tree, "ring": ring, "hierarchical": hierarchical}


def slow_edges(order, per_node: int) -> int:
    """Links of a ring in this order that lie between nodes."""
    order = [*order, order[0]]
    return sum(a // per_node != b // per_node for a, b in pairwise(order))


def make(name: str, ranks: int):
    return ALGORITHMS[name](ranks, *([2] if name == "hierarchical" else []))


def reduce_everything(names):
    rank, world = dist.get_rank(), dist.get_world_size()
    found = {}
    for name in names:
        mine = torch.arange(37, dtype=torch.float64) * (rank + 1) ** 2
        reference = mine.clone()
        counter = all_reduce(mine, make(name, world))
        dist.all_reduce(reference)
        found[name] = mine, reference, counter
    return found


@pytest.mark.parametrize("world", [2, 4])
def test_every_algorithm_equals_the_library_s_sum_and_sends_what_is_counted(world):
    for rank, found in enumerate(run(world, reduce_everything, list(ALGORITHMS))):
        for name, (mine, reference, counter) in found.items():
            assert torch.equal(mine, reference), name
            counted = traffic(make(name, world), 37, 8)
            assert counter.bytes == counted.sent[rank], name
            assert counter.hops <= counted.hops


@pytest.mark.parametrize(
    "algorithm",
    [
        naive(5),
        tree(5),
        tree(8),
        ring(6),
        ring(8, [3, 1, 4, 0, 5, 7, 2, 6]),
        hierarchical(12, 4),
        hierarchical(12, 3),
        hierarchical(8, 1),
        hierarchical(8, 8),
        ring(1),
    ],
    ids=str,
)
def test_the_sum_arrives_everywhere(algorithm):
    generator = torch.Generator().manual_seed(0)
    tensors = [
        torch.randint(-99, 99, (5, 21), generator=generator)
        for _ in range(algorithm.ranks)
    ]
    total = torch.stack(tensors).sum(0)
    rounds = []
    simulate(tensors, algorithm, lambda i, messages: rounds.append(len(messages)))
    assert all(torch.equal(tensor, total) for tensor in tensors)
    assert rounds == [len(messages) for messages in algorithm.rounds]


@pytest.mark.parametrize("p", [2, 4, 8, 16, 48])
def test_a_ring_sends_two_parts_in_p_less_than_twice_the_data(p):
    counted = traffic(ring(p), 480, 4)
    assert set(counted.sent) == {2 * (p - 1) * 480 * 4 // p}
    assert counted.hops == 2 * (p - 1)


@pytest.mark.parametrize("p", [2, 8, 16])
def test_a_server_receives_p_minus_one_times_the_data_and_a_tree_log_p_hops(p):
    assert traffic(naive(p), 100, 4).busiest == (p - 1) * 400
    assert traffic(tree(p), 100, 4).hops == 2 * math.log2(p)


def test_nodes_save_slow_hops_and_bytes_per_card_but_not_a_well_ordered_ring():
    n, g, values = 4, 8, 32 * 100
    flat = traffic(ring(n * g), values, 4, per_node=g)
    shuffled_order = torch.randperm(
        n * g, generator=torch.Generator().manual_seed(0)
    ).tolist()
    shuffled = traffic(ring(n * g, shuffled_order), values, 4, per_node=g)
    levels = traffic(hierarchical(n * g, g), values, 4, per_node=g)
    # per node and per card: the ordered ring leaves a node once, over one card
    per_node = [sum(flat.slow_sent[i * g : (i + 1) * g]) for i in range(n)]
    assert set(per_node) == {2 * (n * g - 1) * values * 4 // (n * g)}
    assert max(flat.slow_sent) == per_node[0]
    assert set(levels.slow_sent) == {2 * (n - 1) * values * 4 // n // g}
    assert levels.slow_hops == 2 * (n - 1)
    assert flat.slow_hops == 2 * (n * g - 1)
    assert sum(shuffled.slow_sent) == sum(flat.slow_sent) * slow_edges(
        shuffled_order, g
    ) / slow_edges(range(n * g), g)
    assert sum(shuffled.slow_sent) > 5 * sum(flat.slow_sent)


def test_wrong_numbers_are_refused_with_the_way_out():
    with pytest.raises(ConfigError, match=r"per_node=3 does not divide ranks=8"):
        hierarchical(8, 3)
    with pytest.raises(ConfigError, match=r"order=.* each of the ranks"):
        ring(3, [0, 1, 1])
