"""Measured costs: multiply-adds by torch's own counter, and seconds of the processor.
They check the closed form of flops.py.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from ..config import DiTConfig
from ..config.fields import Whole
from ..model import DiT, any_condition


class Counted(NamedTuple):
    """Multiply-adds of a forward pass, and of a forward and backward pass together."""

    forward: int
    training: int


def count_macs(model: DiT | DiTConfig, batch: int = 1) -> Counted:
    """Multiply-adds of `batch` images through a model, as torch's FlopCounterMode
    counts the matrix products that actually run.

    The backward pass is twice the forward, except in fused attention, whose backward
    recomputes the scores and counts 2.5 times; the first layer needs no input gradient
    and saves that share. A model on the "meta" device is counted without using memory
    or time, with attention written out; so is a configuration's model.
    """
    if isinstance(model, DiTConfig):
        with torch.device("meta"), torch.random.fork_rng(devices=[]):
            model = DiT(model)
    c, weight = model.config, model.embed.weight
    x = torch.zeros(
        batch,
        c.channels,
        c.image_size,
        c.image_size,
        dtype=weight.dtype,
        device=weight.device,
    )
    t = torch.zeros(batch, device=weight.device)
    y = any_condition(c, batch, weight.device)
    with torch.enable_grad():
        with flop_counter() as forward:
            loss = model(x, t, y).sum()
        parameters = [
            parameter for parameter in model.parameters() if parameter.requires_grad
        ]
        with flop_counter() as backward:
            # leaves the model's gradients untouched
            torch.autograd.grad(loss, parameters, allow_unused=True)
    return Counted(
        forward.get_total_flops() // 2,
        (forward.get_total_flops() + backward.get_total_flops()) // 2,
    )


def flop_counter():
    """torch's FlopCounterMode, silent and aware of the CPU's fused attention, which
    torch 2.6's own is not.
    """
    from torch.utils.flop_counter import FlopCounterMode, flop_registry

    aten = torch.ops.aten
    name = "_scaled_dot_product_flash_attention"
    known = {
        getattr(aten, f"{name}_for_cpu{end}"): _as_registered(
            flop_registry[getattr(aten, f"{name}{end}")]
        )
        for end in ("", "_backward")
    }
    return FlopCounterMode(display=False, custom_mapping=known)


def _as_registered(formula: Callable) -> Callable:
    """A formula of the registry for the counter, which would wrap it once more."""

    def same(*args, **kwargs):
        return formula(*args, **kwargs)

    same._get_raw = True
    return same


def thread_seconds(
    runs: dict[Any, Callable[[], Any]], rounds: int = 5, least: float = 0.02
) -> dict[Any, float]:
    """Processor seconds that a call of each of `runs` takes on one thread.

    Time in which other programs have the processor does not count. The runs take turns,
    each called for at least `least` seconds, and the fastest of `rounds` turns counts:
    what disturbs a turn can only slow it down. CPU only. Raises ConfigError for an
    invalid number of rounds.
    """
    rounds = Whole(1)("rounds", rounds)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        turns = [
            {k: _turn(run, least) for k, run in runs.items()} for _ in range(rounds)
        ]
    finally:
        torch.set_num_threads(threads)
    return {name: min(turn[name] for turn in turns) for name in runs}


def _turn(run: Callable[[], Any], least: float) -> float:
    began, calls, spent = time.thread_time(), 0, 0.0
    while not calls or spent < least:
        run()
        calls, spent = calls + 1, time.thread_time() - began
    return spent / calls
