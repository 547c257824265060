"""What makes a training step fast on a GPU, as a list of named optimisations: each
measured alone, and together with those before it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..config import DiTConfig
from ..data import Loader
from ..model import Attention
from ..training import Trainer
from .implementations import trainer
from .timing import Step, in_turns, release, spread


@dataclass(frozen=True)
class Switch:
    """One optimisation: what it does, and a function that replaces it with the plain
    form in a trainer. Precision and compilation are fields of the run.
    """

    name: str
    what: str
    undo: Callable[[Trainer], None] | None = None


def plain_attention(run: Trainer) -> None:
    """Attention that stores its weights."""
    for module in run.model.modules():
        if isinstance(module, Attention):
            module.fused = False


def plain_adamw(run: Trainer) -> None:
    """torch's default AdamW."""
    groups = [
        {"params": group["params"], "weight_decay": group["weight_decay"]}
        for group in run.optimiser.param_groups
    ]
    run.optimiser = torch.optim.AdamW(
        groups, lr=run.config.lr, betas=(0.9, run.config.beta2)
    )


def plain_average(run: Trainer) -> None:
    """A loop over the parameters."""
    pairs = list(zip(run.ema.model.parameters(), run.model.parameters(), strict=True))

    @torch.no_grad()
    def update() -> None:
        for average, current in pairs:
            average.mul_(run.ema.decay).add_(current, alpha=1 - run.ema.decay)

    run.ema.update = update


def data_on_host(run: Trainer) -> None:
    """Images are gathered on the CPU and sent to the device."""
    run.loader = Loader(
        run.loader.data,
        run.config.batch_size,
        run.config.seed,
        run.device,
        resident=False,
    )


def wait(run: Trainer) -> None:
    """Read the loss at every step."""
    step = run.train_step
    run.train_step = lambda: [value.item() for value in step()]


SWITCHES = (
    Switch("tf32", "fp32 products keep 10 bits of their factors"),
    Switch("bf16", "products of 8-bit fractions, weights and sums in fp32"),
    Switch("fused attention", "the N x N weights never reach memory", plain_attention),
    Switch("compiled blocks", "what lies between two products is one kernel"),
    Switch(
        "fused AdamW", "one pass over parameters, gradients and moments", plain_adamw
    ),
    Switch(
        "average in one call",
        "a few kernels for all tensors, not two for each",
        plain_average,
    ),
    Switch("data on the GPU", "bytes are gathered where they are used", data_on_host),
    Switch(
        "nothing waits",
        "the host runs ahead of the GPU; the loss is read every tenth step",
        wait,
    ),
)
ON_GPU_ONLY = ("tf32", "bf16", "compiled blocks")


def whole_network(run: Trainer) -> None:
    """Compile all blocks, and everything before and after them, as one function: slower
    to compile, but fused across blocks.
    """
    run.model.compile(dynamic=False)


def make(
    model: DiTConfig,
    batch: int,
    device: torch.device,
    on: set[str],
    more: Callable[[Trainer], None] | None = None,
) -> Step:
    """A training step with the optimisations named in `on`, and the plain form of the
    others; `more` makes a further change to the trainer.
    """
    precision = "bf16" if "bf16" in on else "tf32" if "tf32" in on else "fp32"
    run = trainer(
        model, batch, device, precision=precision, compile="compiled blocks" in on
    )
    for switch in SWITCHES:
        if switch.undo and switch.name not in on:
            switch.undo(run)
    if more:
        more(run)
    return lambda: run.train_step()


def ablate(
    model: DiTConfig, batch: int, device: torch.device, rounds: int, least: float
) -> list[dict]:
    """Print and return one row per optimisation: images per second with it alone, and
    with it and all before it.
    """
    switches = [
        s for s in SWITCHES if device.type == "cuda" or s.name not in ON_GPU_ONLY
    ]

    def rate(on: set[str], more: Callable[[Trainer], None] | None = None) -> float:
        step = make(model, batch, device, on, more)
        for _ in range(3):
            step()
        found = (
            batch
            / spread(in_turns({"it": step}, device, max(2, rounds), least)["it"]).median
        )
        del step
        release(device)
        return found

    plain = last = rate(set())
    rows = [{"switch": "none", "batch": batch, "together": plain}]
    print(f"  {'none of them':20} {plain:9,.0f} images/s at batch {batch}", flush=True)
    for i, switch in enumerate(switches):
        alone, together = rate({switch.name}), rate({s.name for s in switches[: i + 1]})
        rows.append(
            {
                "switch": switch.name,
                "batch": batch,
                "alone": alone,
                "together": together,
            }
        )
        text = (
            f"  {switch.name:20} alone {alone / plain:5.2f} x   with those above "
            f"{together:9,.0f} images/s, {together / plain:5.2f} x"
        )
        print(
            f"{text} ({together / last:4.2f} x the line above)   {switch.what}",
            flush=True,
        )
        last = together
    if device.type == "cuda":
        whole = rate({s.name for s in switches} - {"compiled blocks"}, whole_network)
        rows.append(
            {
                "switch": "the network compiled as one, instead of block by block",
                "batch": batch,
                "together": whole,
            }
        )
        print(
            "  the network compiled as one, instead of block by block: "
            f"{whole:9,.0f} images/s",
            flush=True,
        )
        rows += attention_kernels(model, batch, device, max(2, rounds), least)
    return rows


def attention_kernels(
    model: DiTConfig, batch: int, device: torch.device, rounds: int, least: float
) -> list[dict]:
    """Print and return the seconds of attention, forward and backward, by each of
    torch's kernels that accepts this shape, and by torch's own choice.
    """
    shape = (batch, model.tokens, 3, model.heads, model.head_width)
    qkv = torch.randn(shape, device=device, dtype=torch.bfloat16, requires_grad=True)

    def step() -> None:
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v)
        torch.autograd.grad(y, qkv, torch.ones_like(y))

    rows = []
    kernels = {"own choice": None} | {
        b.name.lower(): b
        for b in (
            SDPBackend.FLASH_ATTENTION,
            SDPBackend.CUDNN_ATTENTION,
            SDPBackend.EFFICIENT_ATTENTION,
        )
    }
    for name, backend in kernels.items():

        def run(backend=backend) -> None:
            if backend is None:
                return step()
            with sdpa_kernel(backend):
                return step()

        try:
            run()
        except RuntimeError as error:
            print(
                f"  attention by {name}: not available ({str(error).splitlines()[0]})"
            )
            continue
        found = spread(in_turns({name: run}, device, rounds, least)[name])
        rows.append({"attention": name, "batch": batch, "seconds": found.median})
        print(
            f"  attention of a layer by {name:20} {1e3 * found.median:7.3f} ms "
            "forward and backward",
            flush=True,
        )
    return rows
