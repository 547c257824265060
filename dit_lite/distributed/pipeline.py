"""Pipeline parallelism: consecutive blocks on different devices, a batch in parts.

The tokens travel from stage to stage, with the other block inputs that gradients flow
through; every stage has the times and labels.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.pipelining import PipelineStage, Schedule1F1B, ScheduleGPipe

from ..model.context import Context
from ..model.dit import DiT
from ..model.positions import Position
from .strategy import Strategy

SCHEDULES = {"1f1b": Schedule1F1B, "gpipe": ScheduleGPipe}


def layers_of(depth: int, stages: int) -> list[range]:
    """Consecutive layers for each stage; the first stages get one more where the depth
    does not divide.
    """
    each, more = divmod(depth, stages)
    bounds = [i * each + min(i, more) for i in range(stages + 1)]
    return [range(a, b) for a, b in pairwise(bounds)]


#: The fields of a Context that the blocks and the last layer of each conditioning read,
#: and through which gradients therefore flow.
READ = {
    "additive": (),
    "in_context": (),
    "cross_attention": ("tokens",),
    "film": ("vector",),
    "adaln": ("vector",),
    "adaln_zero": ("vector",),
    "adaln_shared": ("vector", "shared"),
    "adaln_zero_cross": ("vector", "tokens"),
}


class Stage(nn.Module):
    """A part of a model with the whole model's parameter names: `module` is the model
    without the parts of other stages.

    The first stage takes images (B, C, H, W), the others the previous stage's output:
    tokens and the fields of the Context that their blocks read. The last returns the
    prediction. `t` and `y` belong to the same images.
    """

    def __init__(self, model: DiT, index: int, stages: int):
        super().__init__()
        config = model.config
        self.first, self.last = index == 0, index == stages - 1
        self.module, self.layers = model, layers_of(config.depth, stages)[index]
        self.read = READ[config.conditioning]
        self.prefix = config.prefix
        model.blocks = nn.ModuleDict({str(i): model.blocks[i] for i in self.layers})
        if not self.first:
            if any(True for _ in model.position.parameters()):
                model.position = Position(config)  # added by the first stage
            del model.embed, model.condition, model.shared
        if not self.last:
            del model.final

    def forward(self, *given: Tensor, t: Tensor, y: Tensor):
        model = self.module
        tokens, context = model.begin(*given, t, y) if self.first else self.go_on(given)
        masks = model.patterns(context)
        for layer, block in zip(self.layers, model.blocks.values(), strict=True):
            tokens = block(tokens, context._replace(mask=masks[layer]))
        if self.last:
            return model.finish(tokens, context)
        return self.hand_on(tokens, context)

    def hand_on(self, tokens: Tensor, context: Context) -> tuple[Tensor, ...]:
        """What goes to the next stage."""
        values = [tokens]
        for name in self.read:
            value = getattr(context, name)
            values += value if name == "shared" else [value]
        # a stage must not return the very tensor that it received
        return tuple(value.contiguous().view_as(value) for value in values)

    def go_on(self, given: tuple[Tensor, ...]) -> tuple[Tensor, Context]:
        """The tokens and the context from the previous stage."""
        model, (tokens, *rest) = self.module, given
        context = Context(None, tokens[:, :0])
        for name in self.read:
            value = tuple(rest) if name == "shared" else rest.pop(0)
            context = context._replace(**{name: value})
        return tokens, context._replace(
            prefix=self.prefix, rotation=model.position.rotation(self.prefix)
        )


class Pipeline:
    """A stage with its schedule; `step` does forward, loss and backward."""

    def __init__(
        self,
        stage: nn.Module,
        strategy: Strategy,
        group: dist.ProcessGroup,
        device: torch.device,
    ):
        self.group, self.device = group, device
        self.rank, self.ranks = dist.get_rank(group), dist.get_world_size(group)
        self.loss: Callable[[Tensor, Tensor], Tensor] | None = None
        self.schedule = SCHEDULES[strategy.schedule](
            PipelineStage(stage, self.rank, self.ranks, device, group=group),
            strategy.micro_batches,
            loss_fn=lambda output, rows: self.loss(output, rows),
        )

    def step(
        self, x: Tensor, t: Tensor, y: Tensor, loss: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        """Forward and backward pass of one batch; returns its loss, on every stage.

        `loss(output, rows)` is the mean loss of the images `rows` of the batch, given
        the model's output for them.
        """
        losses: list[Tensor] = []
        self.loss = loss
        given = [x] if self.rank == 0 else []
        last = self.rank == self.ranks - 1
        rows = torch.arange(len(x), device=self.device) if last else None
        self.schedule.step(
            *given, target=rows, losses=losses if last else None, t=t, y=y
        )
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        if last:
            total += torch.stack(losses).mean().detach()
        dist.all_reduce(total, group=self.group)
        return total
