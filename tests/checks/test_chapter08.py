"""Answers to the exercises of chapter 8 that a reader may give: five that are wrong
and three right ones of another style, for each.
"""

import pytest
import torch

from dit_lite.checks import CheckFailed, verify


def share(passes):
    return lambda p, psi: tuple(k * 4 * psi * (p - 1) / p for k in passes)


def held_rest(gradient, rest, k):
    """Keeps the rest of this gradient alone."""
    wanted = gradient + rest
    places = wanted.abs().topk(k).indices
    message = torch.zeros_like(wanted)
    message[places] = wanted[places]
    return message, gradient - message


def without_sign(gradient, rest, k):
    wanted = gradient + rest
    places = wanted.topk(k).indices
    message = torch.zeros_like(wanted).index_copy(0, places, wanted[places])
    return message, wanted - message


def forgetting(gradient, rest, k):
    places = gradient.abs().topk(k).indices
    message = torch.zeros_like(gradient)
    message[places] = gradient[places]
    return message, gradient - message


def everything(gradient, rest, k):
    return gradient + rest, torch.zeros_like(gradient)


def by_threshold(gradient, rest, k):
    wanted = gradient + rest
    least = wanted.abs().sort(descending=True).values[k - 1]
    return wanted * (wanted.abs() >= least), wanted * (wanted.abs() < least)


def by_mask(gradient, rest, k):
    wanted = rest + gradient
    keep = torch.zeros(len(wanted), dtype=torch.bool)
    keep[torch.argsort(-wanted.abs())[:k]] = True
    return torch.where(keep, wanted, 0), torch.where(keep, 0, wanted)


def in_numpy(gradient, rest, k):
    wanted = (gradient + rest).numpy().copy()
    order = abs(wanted).argsort()
    message = wanted.copy()
    message[order[:-k]] = 0
    return torch.tensor(message), torch.tensor(wanted - message)


def gpipe(d, p, m):
    return [f"F{i}" for i in range(m)] + [f"B{i}" for i in range(m)]


def one_by_one(d, p, m):
    return [f"{kind}{i}" for i in range(m) for kind in "FB"]


def too_far_ahead(d, p, m):
    ahead = min(p, m)
    tasks = [f"F{i}" for i in range(ahead)]
    for i in range(m - ahead):
        tasks += [f"B{i}", f"F{ahead + i}"]
    return tasks + [f"B{i}" for i in range(m - ahead, m)]


def other_end(d, p, m):
    return queue(p - 1 - d, p, m)


def queue(d, p, m):
    """1F1B as a queue: go back whenever p - d are held."""
    tasks, held, forward, back = [], 0, 0, 0
    while back < m:
        if forward < m and held < p - d:
            tasks.append(f"F{forward}")
            forward, held = forward + 1, held + 1
        else:
            tasks.append(f"B{back}")
            back, held = back + 1, held - 1
    return tasks


def as_iterator(d, p, m):
    return list(iter(queue(d, p, m)))


def as_tuple(d, p, m):
    return tuple(queue(d, p, m))


def ranged(batch, rank, world):
    size, more = divmod(batch, world)
    start = rank * size + min(rank, more)
    return start, start + size + (rank < more)


def listed(batch, rank, world):
    parts = torch.arange(batch).tensor_split(world)[rank]
    return [int(parts[0]), int(parts[-1]) + 1]


def from_the_end(batch, rank, world):
    return -(-rank * batch // world), -(-(rank + 1) * batch // world)


CASES = {
    "08.1": (
        [share([2, 2]), share([1, 2]), share([2, 4]),
         lambda p, psi: (2 * 4 * psi, 3 * 4 * psi),
         lambda p, psi: (2 * psi * (p - 1) / p, 3 * psi * (p - 1) / p)],
        [share([2, 3]), lambda p, psi: [8 * psi - 8 * psi / p, 12 * psi - 12 * psi / p],
         lambda p, psi: (2 * (p - 1) * (4 * psi / p), torch.tensor(12.0 * psi * (p - 1)
                                                                   / p).double())],
    ),
    "08.2": (
        [lambda g, n: sum(g) / len(g), lambda g, n: sum(g),
         lambda g, n: sum(c * x for c, x in zip(n, g, strict=True)),
         lambda g, n: sum(x / c for c, x in zip(n, g, strict=True)),
         lambda g, n: g[max(range(len(n)), key=n.__getitem__)]],
        [lambda g, n: sum(c * x for c, x in zip(n, g, strict=True)) / sum(n),
         lambda g, n: torch.stack(g).T @ (torch.tensor(n) / sum(n)),
         lambda g, n: torch.einsum("i,id->d", torch.tensor(n) / sum(n),
                                   torch.stack(g))],
    ),
    "08.3": (
        [lambda b, r, w: (r * (b // w), (r + 1) * (b // w)),
         lambda b, r, w: (r * -(-b // w), min(b, (r + 1) * -(-b // w))),
         lambda b, r, w: (0, b), lambda b, r, w: (r, r + 1),
         lambda b, r, w: (r * (b // w), b if r == w - 1 else (r + 1) * (b // w))],
        [ranged, listed, from_the_end],
    ),
    "08.4": (
        [lambda i, r, p: i, lambda i, r, p: r, lambda i, r, p: (i + r) % p,
         lambda i, r, p: i - r, lambda i, r, p: 0],
        [lambda i, r, p: (i - r - 1) % p, lambda i, r, p: (i - r + p) % p,
         lambda i, r, p: (i + (p - 1) * r) % p],
    ),
    "08.5": (
        [gpipe, one_by_one, too_far_ahead, other_end, lambda d, p, m: queue(d, p, m)[1:]],
        [queue, as_iterator, as_tuple],
    ),
    "08.6": (
        [held_rest, without_sign, forgetting, everything,
         lambda g, r, k: (by_mask(g, r, k)[0], r)],
        [by_threshold, by_mask, in_numpy],
    ),
    "08.7": (
        [lambda: (16, 1, 1, 1, "ddp"), lambda: (1, 16, 1, 1, "ddp"),
         lambda: (8, 1, 1, 1, "zero3"), lambda: (16, 1, 1, 1, "zero3"),
         lambda: (2, 8, 1, 4, "zero1")],
        [lambda: (8, 1, 2, 2, "zero3"), lambda: [8, 1, 2, 2, "ddp"],
         lambda: (8, 1, 2, 2, "zero1")],
    ),
}  # fmt: skip
WRONG = [(name, i) for name, (wrong, _) in CASES.items() for i in range(len(wrong))]
RIGHT = [(name, i) for name, (_, right) in CASES.items() for i in range(len(right))]


@pytest.mark.parametrize(("name", "i"), WRONG)
def test_a_plausible_wrong_answer_is_told_where_to_look(name, i):
    with pytest.raises(CheckFailed) as failure:
        verify(name, CASES[name][0][i])
    assert len(str(failure.value)) > 30


@pytest.mark.parametrize(("name", "i"), RIGHT)
def test_a_right_answer_of_another_style_passes(name, i):
    verify(name, CASES[name][1][i])
