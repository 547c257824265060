"""Exercises of chapter 8: what a ring sends, the gradient of uneven parts, dividing
images among ranks, writing a ring, a pipeline's order, error feedback, and a layout.
"""

import torch
from torch import Tensor

from .exercise import exercise, require, returned, same


@exercise("08.1")
def sent(sent) -> None:
    """sent(ranks, parameters): bytes that a device sends for its gradients under DDP
    and under ZeRO-3, fp32.
    """
    for p, psi in ((2, 1000), (8, 4096), (512, 512 * 7)):
        got = returned(sent(p, psi))
        require(
            isinstance(got, (tuple, list)) and len(got) == 2,
            "Return two numbers: bytes under DDP, bytes under ZeRO-3.",
        )
        ring = 4 * psi * (p - 1) / p
        for name, value, times in zip(("DDP", "ZeRO-3"), got, (2, 3), strict=True):
            require(
                abs(float(value) - times * ring) < 1e-6 * ring,
                f"For p = {p} and {psi} parameters you say {float(value):.6g} bytes "
                f"under {name}. Count the passes around the ring: an all-reduce is a "
                "reduce-scatter and an all-gather, each sending (p-1)/p of 4 Psi "
                "bytes. Which of them does ZeRO-3 do twice?",
            )


@exercise("08.2")
def batch_gradient(combine) -> None:
    """combine(gradients, images): the gradient of the mean loss over all images, from
    the gradients of uneven parts.
    """
    generator = torch.Generator().manual_seed(0)
    each = torch.randn(32, 5, generator=generator)  # one per image
    for counts in ([16, 16], [24, 8], [1, 30, 1]):
        parts = each.split(counts)
        given = [part.mean(0) for part in parts]
        before = [g.clone() for g in given]
        same(
            combine(given, counts),
            each.mean(0),
            f"For parts of {counts} images: a mean of means counts every part "
            "equally. How many images does each part stand for?",
        )
        require(
            all(torch.equal(a, b) for a, b in zip(given, before, strict=True)),
            "Your function changed the gradients it was given; leave them as they are.",
        )


@exercise("08.3")
def rows(rows) -> None:
    """rows(batch, rank, world): (start, stop) of a rank's images of a batch."""
    for batch, world in ((8, 2), (33, 4), (7, 7), (256, 24)):
        seen, sizes = [], []
        for rank in range(world):
            got = returned(rows(batch, rank, world))
            require(
                isinstance(got, (tuple, list)) and len(got) == 2,
                "Return two whole numbers, start and stop.",
            )
            start, stop = map(int, got)
            seen += range(start, stop)
            sizes.append(stop - start)
        require(
            sorted(seen) == list(range(batch)),
            f"With {batch} images on {world} ranks some images are repeated or left "
            f"out ({len(seen)} are processed in all, {batch} are needed). Every image "
            "belongs to exactly one rank.",
        )
        require(
            max(sizes) - min(sizes) <= 1,
            f"With {batch} images on {world} ranks one rank has {max(sizes)} and "
            f"another {min(sizes)}; all wait for the largest.",
        )


@exercise("08.4")
def chunk_to_send(chunk) -> None:
    """chunk(rank, round, ranks): which chunk a rank sends to its right neighbour, so
    that p - 1 rounds leave every rank with one complete sum.
    """
    for p in (2, 3, 5, 8):
        holds = [[1 << rank] * p for rank in range(p)]
        for r in range(p - 1):
            sending = [returned(chunk(rank, r, p)) for rank in range(p)]
            require(
                all(isinstance(c, int) and 0 <= c < p for c in sending),
                f"In round {r} of {p} ranks you send the chunks {sending}; a chunk is "
                f"a whole number from 0 to {p - 1}. Python's % is never negative.",
            )
            moving = [holds[rank][sending[rank]] for rank in range(p)]
            for rank in range(p):
                target = (rank + 1) % p
                before = holds[target][sending[rank]]
                require(
                    not before & moving[rank],
                    f"In round {r} of {p} ranks, rank {target} adds a sum that "
                    "already contains some of its own numbers. Send on what you have "
                    "just received.",
                )
                holds[target][sending[rank]] = before | moving[rank]
        whole = (1 << p) - 1
        require(
            all(whole in row for row in holds),
            f"After {p - 1} rounds of {p} ranks not every rank holds a complete sum. "
            "Follow one chunk: it has to go all the way round.",
        )


@exercise("08.5")
def one_f_one_b(order) -> None:
    """order(device, devices, micro_batches): a device's tasks as "F0", "B0", ... with
    the bubble of GPipe, holding at most devices - device micro-batches.
    """
    from ..config import ConfigError
    from ..distributed.pipeline_simulator import Task, simulate

    for p, m in ((2, 4), (4, 8), (3, 5), (4, 2)):
        plan = []
        for d in range(p):
            tasks = returned(order(d, p, m))
            wanted = sorted([f"F{i}" for i in range(m)] + [f"B{i}" for i in range(m)])
            require(
                sorted(map(str, tasks)) == wanted,
                f"Device {d} of {p} has {len(tasks)} tasks; it needs each of F0 to "
                f"F{m - 1} and B0 to B{m - 1} once.",
            )
            plan.append([Task(t[0], d, int(t[1:])) for t in tasks])
        try:
            timeline = simulate(plan)
        except ConfigError as error:
            require(False, f"With {p} devices and {m} micro-batches: {error}.")
        require(
            abs(timeline.idle_share - (p - 1) / (m + p - 1)) < 1e-9,
            f"With {p} devices and {m} micro-batches {timeline.idle_share:.1%} of the "
            f"step is idle; {(p - 1) / (m + p - 1):.1%} is possible.",
        )
        for d, held in enumerate(timeline.held):
            require(
                held <= p - d,
                f"Device {d} of {p} holds {held:g} micro-batches; {p - d} are enough. "
                "Begin a backward pass as soon as one is possible.",
            )


@exercise("08.6")
def with_feedback(compress) -> None:
    """compress(gradient, rest, k): the k largest entries of gradient + rest, and the
    new rest.
    """
    generator = torch.Generator().manual_seed(0)
    rest, total, told = torch.zeros(40), torch.zeros(40), torch.zeros(40)
    for step in range(6):
        gradient = torch.randn(40, generator=generator)
        before = rest.clone()
        got = returned(compress(gradient.clone(), rest.clone(), 4))
        require(
            isinstance(got, (tuple, list))
            and len(got) == 2
            and all(isinstance(x, Tensor) and x.shape == (40,) for x in got),
            "Return two tensors shaped like the gradient: the message and the rest.",
        )
        message, rest = got
        require(
            int((message != 0).sum()) == 4,
            f"The message of step {step} has {int((message != 0).sum())} entries "
            "that are not zero; 4 were asked for.",
        )
        gap = (message + rest - gradient - before).abs().max().item()
        require(
            gap < 1e-5,
            f"In step {step} the message and the rest do not add up to the gradient "
            f"plus the old rest; they are off by {gap:.3g}.",
        )
        wanted = (gradient + before).abs()
        require(
            wanted[message != 0].min() >= wanted[message == 0].max() - 1e-6,
            "The message does not hold the entries of gradient + rest that are "
            "largest in absolute value.",
        )
        total += gradient
        told += message
    require((told + rest - total).abs().max() < 1e-4, "Something was lost on the way.")


@exercise("08.7")
def layout(layout) -> None:
    """layout() -> (data, tensor, stages, micro_batches, split): a layout of XL/2 on 16
    devices "4090", batch 256, blocks recomputed, within a tenth of the best.
    """
    from ..config import ConfigError, preset
    from ..distributed.planner import FILL, Layout, layout_cost, plan

    got = returned(layout())
    require(
        isinstance(got, (tuple, list)) and len(got) == 5,
        "Return five values: data, tensor, stages, micro_batches, and a split such "
        "as 'zero1'.",
    )
    chosen = Layout(*got)
    require(
        chosen.devices == 16, f"{chosen} uses {chosen.devices} devices; there are 16."
    )
    config, where = preset("XL/2"), dict(machine="4090", checkpointing="block")
    try:
        cost = layout_cost(config, chosen, 256, **where)
    except ConfigError as error:
        require(False, str(error))
    gigabytes = cost["device_memory"] / 1e9
    require(
        gigabytes <= FILL * 24,
        f"{chosen} needs {gigabytes:.1f} GB per device; a device has 24 GB, of which "
        f"{FILL:.0%} may be filled.",
    )
    best = plan(config, 256, 16, **where)[0].cost["layout_seconds"]
    require(
        cost["layout_seconds"] <= 1.1 * best,
        f"{chosen} takes {cost['layout_seconds']:.2f} s per step; {best:.2f} s is "
        "possible. What is it waiting for: the pipeline, the tensor collectives, or "
        "the gradients?",
    )
