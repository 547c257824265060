"""The trainer on many devices: each of its steps when a model, its gradients and its
average are spread over several.
"""

import contextlib
import dataclasses
import json
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.nn.parallel import DistributedDataParallel

from ..config import ConfigError, TrainConfig
from ..diffusion.loss import image_loss, noised
from ..files.writing import CheckpointError
from ..model.dit import DiT
from ..training.endings import Run
from ..training.loop import Trainer
from ..training.optim import kept_by
from ..training.precision import pick_device, products
from ..training.run_directory import RunDirectory, State, Stateful, split_state
from ..wrappers import parameters
from . import launch, sharded
from .average import Average, local
from .clip import clip
from .mesh import Mesh, make_mesh
from .parallelize import parallelize
from .pipeline import Pipeline
from .strategy import Strategy
from .watch import Watch


def train(
    config: TrainConfig, resume: bool | str = False, progress: bool = True
) -> Run:
    """`dit_lite.train` on the processes that torchrun started; call it on each of them.

    `config.parallel` says how the work is split; the loss curve is the same as with one
    process. Raises what `dit_lite.train` raises, on every rank.
    """
    config = dataclasses.replace(config, device=launch.local_device(config.device))
    with launch.joined(pick_device(config.device)) as store:
        trainer = launch.together(
            lambda: ParallelTrainer(
                config, Strategy.parse(config.parallel or "ddp"), resume
            )
        )
        with watching(store) as watch:
            trainer.watch = watch
            run = trainer.run(progress and dist.get_rank() == 0)
            dist.barrier()  # the first rank writes; no other may read before it has
            return run


def needed(config: TrainConfig) -> bool:
    """Whether this run is one of several processes, or was one when it was saved."""
    saved = config.out and sharded.complete(Path(config.out))
    return launch.world_size() > 1 or bool(config.parallel) or bool(saved)


def watching(store: dist.Store | None) -> contextlib.AbstractContextManager:
    """A watch over the ranks, where there is more than one."""
    if store is None or dist.get_world_size() == 1:
        return contextlib.nullcontext()
    return Watch(store, dist.get_rank(), dist.get_world_size(), launch.waiting_time())


class ParallelTrainer(Trainer):
    """A Trainer in each of several processes that form one run."""

    def __init__(
        self,
        config: TrainConfig,
        strategy: Strategy,
        resume: bool | str = False,
        **more,
    ):
        same = {k: v for k, v in config.to_dict().items() if k != "device"}
        launch.same_everywhere(json.loads(json.dumps(same)) | {"resume": resume})
        self.strategy, self.pipeline, self.watch = strategy, None, None
        world = dist.get_world_size()
        strategy.replicas(world)
        mesh = make_mesh(strategy, pick_device(config.device).type)
        self.mesh = mesh
        super().__init__(
            config,
            resume,
            parallelize=lambda model: parallelize(
                model, mesh, self.config.checkpointing
            ),
            rank=mesh.data_rank,
            world=mesh.data_world,
            **more,
        )
        if strategy.stages > 1:
            self.pipeline = Pipeline(
                self.model, strategy, mesh.group("stage"), self.device
            )

    def _saved(self, resume: bool | str) -> State | None:
        saved = super()._saved
        return launch.together(lambda: saved(resume))

    def _prepare(self, config, saved, data) -> None:
        alone = super()._prepare

        def prepare() -> None:
            alone(config, saved, data)
            self.strategy.check(
                self.model_config, self.config.batch_size, dist.get_world_size()
            )
            if self.strategy.stages > 1 and self.config.accumulate > 1:
                raise ConfigError(
                    f"accumulate={self.config.accumulate} is for unsplit models; with "
                    f"stages write --parallel pp={self.strategy.stages},micro=N"
                )
            if self.config.optimiser == "muon" and (
                self.strategy.data == "fsdp" or self.strategy.tensor > 1
            ):
                raise ConfigError(
                    "optimiser='muon' needs whole matrices, but --parallel "
                    f"{self.strategy} splits them; use adamw, or ddp"
                )

        launch.together(prepare)

    def make_directory(self, path: str, writes: bool) -> RunDirectory:
        return ShardedDirectory(path, dist.get_rank() == 0)

    def recomputing(self, model: DiT) -> DiT:
        return model  # parallelize does this once stages have their blocks

    def make_average(self) -> Average:
        return Average(self.model, self.config.ema_decay)

    # ---- a step

    def backward(self, x: Tensor, y: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        if self.watch:
            self.watch.begin(self.step + 1)
        if self.pipeline is None:
            loss = super().backward(x, y, t, eps)
        else:
            loss = self._through_stages(x, y, t, eps)
        if self.mesh.data_world > 1:
            for name in ("data", "replica"):
                if (group := self.mesh.group(name)) is not None:
                    dist.all_reduce(loss, group=group)
            loss = loss / self.mesh.data_world
        return loss

    def _through_stages(self, x: Tensor, y: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        config = self.model_config
        noisy, t = noised(config, x, t, eps)

        def loss(output: Tensor, rows: Tensor) -> Tensor:
            return image_loss(
                config, output, x[rows], noisy[rows], t[rows], eps[rows]
            ).mean()

        with products(self.config.precision), self.autocast:
            return self.pipeline.step(noisy, t, y, loss)

    def exchanging(self, last: bool) -> contextlib.AbstractContextManager:
        if isinstance(self.model, DistributedDataParallel) and not last:
            return self.model.no_sync()
        if isinstance(self.model, FSDPModule):
            self.model.set_requires_gradient_sync(last)
        return contextlib.nullcontext()

    def clip(self) -> Tensor:
        return clip(self.model.parameters(), self.config.clip, self.mesh.group("stage"))

    def stopping(self, asked: bool) -> bool:
        """Whether any rank was asked to stop; ranks agree when a log line is due."""
        if self.step % self.config.log_every and self.step < self.config.steps:
            return False
        return self._any(asked)

    def finite(self) -> bool:
        good = all(
            bool(local(p.detach()).isfinite().all()) for p in self.model.parameters()
        )
        return not self._any(not good)

    def _any(self, here: bool) -> bool:
        value = torch.tensor(float(here), device=self.device)
        dist.all_reduce(value)
        return value.item() > 0

    # ---- what is saved

    @property
    def state(self) -> dict[str, Stateful]:
        return super().state | {
            "model": Shards(dict(parameters(self.model))),
            "optimiser": OptimiserShards(self.optimiser, dict(parameters(self.model))),
        }

    def averaged(self) -> DiT:
        """The averaged model, whole, on every rank."""
        whole = gather(self.ema.averaged, self.mesh)
        with torch.random.fork_rng(devices=[]):
            model = DiT(self.model_config)
        model.load_state_dict(whole)
        return model.requires_grad_(False).eval().to(self.device)


def gather(tensors: dict[str, Tensor], mesh: Mesh) -> dict[str, Tensor]:
    """Tensors that are spread over devices, gathered in main memory on every rank."""
    whole = {
        name: (t.full_tensor() if hasattr(t, "full_tensor") else t).detach().cpu()
        for name, t in tensors.items()
    }
    if (group := mesh.group("stage")) is None:
        return whole
    parts: list = [None] * dist.get_world_size(group)
    dist.all_gather_object(parts, whole, group=group)
    return {name: value for part in parts for name, value in part.items()}


class Shards:
    """Tensors that are saved and restored in place, each rank its own part."""

    def __init__(self, tensors: dict[str, Tensor]):
        self.tensors = {name: t.detach() for name, t in tensors.items()}

    def state_dict(self) -> dict[str, Tensor]:
        return dict(self.tensors)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Nothing to do: they were loaded in place."""


class OptimiserShards:
    """The state of an optimiser for the parameters of this rank, by their names."""

    def __init__(
        self, optimiser: torch.optim.Optimizer, named: dict[str, nn.Parameter]
    ):
        self.optimiser, self.named = optimiser, named
        self.keys = kept_by(optimiser)

    def state_dict(self) -> dict[str, Tensor]:
        return {
            f"{key}.{name}": value
            for name, p in self.named.items()
            for key, value in self._of(p).items()
        }

    def _of(self, p: nn.Parameter) -> dict[str, Tensor]:
        """The state of a parameter, zeros before the first step."""
        if state := self.optimiser.state.get(p):
            return state
        return {
            key: torch.zeros((), device=p.device, dtype=torch.float32)
            if key == "step"
            else torch.zeros_like(p.detach())
            for key in self.keys[p]
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        for name, p in self.named.items():
            self.optimiser.state[p] = {
                key: state[f"{key}.{name}"] for key in self.keys[p]
            }


class ShardedDirectory(RunDirectory):
    """The directory of a run with several processes: its states are sharded
    checkpoints, everything else is unchanged.
    """

    place: Path | None = None

    def resumes(self, resume: bool | str) -> bool:
        if resume and sharded.complete(self.path):
            return True
        if sharded.complete(self.path):
            raise ConfigError(
                f"out={str(self.path)!r} already holds a run ({sharded.FOLDER}); "
                "continue it with --resume (resume=True), or choose another directory"
            )
        return super().resumes(resume)

    def read(self) -> State:
        self.place, problems = sharded.intact(self.path)
        if self.writes:
            for problem in problems:
                print(f"note: {problem}", file=sys.stderr)
        if self.place is None:
            if problems:
                raise CheckpointError(
                    f"no checkpoint in {self.path} is intact: {problems[0]}; restore a "
                    "copy, or start again in another directory"
                )
            return super().read()
        about = sharded.read_about(self.place)
        return State({}, about["values"], about["identity"])

    def restore(self, saved: State, state: dict[str, Stateful]) -> None:
        if self.place is None:  # the state of one process, which is divided here
            about = {"values": saved.values, "identity": saved.identity}
            sharded.save(
                self.path, saved.values["trainer"]["step"], saved.tensors, about
            )
            self.place = sharded.complete(self.path)[0]
        tensors = split_state(state)[0]
        sharded.load(self.place, tensors)  # in place, each rank its own part
        super().restore(saved._replace(tensors=tensors), state)

    def save(self, state: dict[str, Stateful], identity: dict) -> None:
        tensors, values = split_state(state)
        sharded.save(
            self.path,
            values["trainer"]["step"],
            tensors,
            {"values": values, "identity": identity},
        )

    def saved_step(self) -> int | None:
        if found := sharded.complete(self.path):
            return sharded.read_about(found[0])["step"]
        return super().saved_step()
