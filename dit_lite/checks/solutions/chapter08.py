"""Solutions of the exercises of chapter 8."""

import torch

from .solution import solves


@solves("08.1")
def sent(ranks, parameters):
    ring = 4 * parameters * (ranks - 1) / ranks  # one pass: scatter, or gather
    # ZeRO-3 gathers the weights forward, again backward, and scatters gradients
    return 2 * ring, 3 * ring


@solves("08.2")
def combine(gradients, images):
    total = sum(images)
    return sum(n / total * g for g, n in zip(gradients, images, strict=True))


@solves("08.3")
def rows(batch, rank, world):
    return rank * batch // world, (rank + 1) * batch // world


@solves("08.4")
def chunk(rank, round, ranks):
    # in round 0 its own, then the one just received from the left
    return (rank - round) % ranks


@solves("08.5")
def order(device, devices, micro_batches):
    ahead = min(devices - device - 1, micro_batches)
    tasks = [f"F{i}" for i in range(ahead)]
    for i in range(micro_batches - ahead):
        tasks += [f"F{ahead + i}", f"B{i}"]
    return tasks + [f"B{i}" for i in range(micro_batches - ahead, micro_batches)]


@solves("08.6")
def compress(gradient, rest, k):
    wanted = gradient + rest
    places = wanted.abs().topk(k).indices
    message = torch.zeros_like(wanted)
    message[places] = wanted[places]
    return message, wanted - message


@solves("08.7")
def layout():
    from dit_lite import preset
    from dit_lite.distributed.planner import plan

    best = plan(preset("XL/2"), 256, 16, machine="4090", checkpointing="block")[0]
    one = best.layout
    return one.data, one.tensor, one.stages, one.micro_batches, one.split
