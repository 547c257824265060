"""The training loop, top to bottom: a batch of images, a noise level for each, one
step, one moving average.
"""

import contextlib
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from ..config import ConfigError, DiTConfig, TrainConfig
from ..config.fields import flag
from ..data import DATASETS, Dataset, Loader, load_data, shape_before_reading
from ..data.dataset import few_pictures
from ..diffusion.loss import diffusion_loss
from ..diffusion.times import draw_times
from ..diffusion.units import to_model_units
from ..files.environment import user_path
from ..files.pretrained import Origin, save_model
from ..model import DiT, drop, shapes_only
from ..seeding import seeded
from .allocator import keep_freed_memory
from .build import build_model, check_sizes
from .checkpoint import Weights, load
from .ema import EMA
from .endings import Run, diverged, where_it_lies
from .fitting import check_memory, out_of_memory
from .identity import check_same, continued, identity
from .memory import checkpoint_blocks
from .metrics import Board, DivergedError, Metrics
from .optim import OPTIMISERS, OptimiserState, set_rate
from .precision import autocast, pick_device, preferred, products
from .run_directory import METRICS, Generator, RunDirectory, State, Stateful
from .schedule import learning_rate
from .signals import Interrupted, Stop


def train(
    config: TrainConfig | str, resume: bool | str = False, progress: bool = True
) -> Run:
    """Train a Diffusion Transformer.

    `config` may be just the name of a data set, which is then trained on by its recipe.
    With `config.out` the directory receives config.json, model.safetensors (the
    averaged weights), metrics.jsonl, and state.safetensors, from which `resume=True`
    continues bit for bit on the same CPU; `resume="auto"` continues a run if there is
    one, else starts it. Without it nothing is written. A finished run can be resumed
    with more `steps`: from there it follows the rates of a run of that length. Raises
    ConfigError, DataError or CheckpointError (all ValueError) for what cannot be run,
    DivergedError when the loss is not finite, and Interrupted (a KeyboardInterrupt)
    after Ctrl-C, with the state saved. Source: 2212.09748 sec. 4 for the recipe's form;
    sizes, rate and schedule are our own (config.RECIPES).
    """
    progress = flag("progress", progress)
    if isinstance(config, str):
        on_cpu = pick_device("auto").type == "cpu"
        config = TrainConfig(data=config, budget="cpu" if on_cpu else "gpu")
    if isinstance(config, TrainConfig) and config.parallel:
        raise ConfigError(
            f"parallel={config.parallel!r} is for processes that torchrun started; on "
            "each of them call dit_lite.distributed.trainer.train, or use the command "
            "line: torchrun --nproc-per-node 2 -m dit_lite train ... --parallel "
            f"{config.parallel}"
        )
    return Trainer(config, resume).run(progress)


def unchanged(model: DiT) -> nn.Module:
    """`parallelize` on one device: the model itself."""
    return model


class Trainer:
    """Everything that changes during a run, and one step of it.

    `data` replaces the data set that `config.data` names. `parallelize` takes the model
    and returns what is trained, before the optimiser and the average are made from it;
    this process is number `rank` of `world`. Nothing in a step waits for a GPU: its
    results stay there until a line of metrics or a checkpoint is due.
    """

    def __init__(
        self,
        config: TrainConfig,
        resume: bool | str = False,
        data: Dataset | None = None,
        parallelize: Callable[[DiT], nn.Module] = unchanged,
        rank: int = 0,
        world: int = 1,
    ):
        if not isinstance(config, TrainConfig):
            raise TypeError(
                f"config is a {type(config).__name__}; pass the name of a data set, or "
                "TrainConfig(data=...), whose field `model` takes a DiTConfig"
            )
        self.device, self.step, self.seconds = pick_device(config.device), 0, 0.0
        self.directory = None
        if config.out:
            self.directory = self.make_directory(config.out, rank == 0)
        with contextlib.ExitStack() as undo:
            if self.directory:
                undo.callback(self.directory.close)
            saved = self._saved(resume)
            self._prepare(config, saved, data)
            self._make(parallelize, rank, world, begin=saved is None)
            if saved:
                # finish a save that was cut short
                self.directory.restore(saved, self.state)
                self.metrics.read(self.directory.path / METRICS)
                self._write_results()
            undo.pop_all()

    def _saved(self, resume: bool | str) -> State | None:
        """The state to continue from, if any; errors as in RunDirectory."""
        if not isinstance(resume, (bool, str)) or resume not in (True, False, "auto"):
            raise ConfigError(f"resume={resume!r} is not known; True, False or 'auto'")
        if self.directory is None:
            if resume:
                raise ConfigError("resume needs the directory of a run: set out=DIR")
            return None
        if not self.directory.resumes(resume):
            return None
        self.directory.open()
        return self.directory.read()

    def _prepare(
        self, config: TrainConfig, saved: State | None, data: Dataset | None
    ) -> None:
        """Decide what is trained, on what and where, before anything is computed."""
        if saved:
            before = TrainConfig.from_dict(saved.identity["config"])
            config = continued(config, before)
        self.config = config = config.on(*preferred(self.device))
        self.autocast = autocast(config.precision, self.device)
        if self.device.type == "cpu":
            keep_freed_memory()
        self.notes: list[str] = []
        if data is None:
            of_ones_own = config.data not in DATASETS
            if not saved:
                if self.directory and of_ones_own:
                    self.directory.refuse_inside(user_path(config.data, "data"))
                check_sizes(
                    config, shape_before_reading(config.data, config.image_size)
                )
            data = load_data(config.data, "train", config.image_size)
            if of_ones_own:
                self.notes += few_pictures(data, config.data)
        self.data = data
        begun = DiTConfig.from_dict(saved.identity["model"]) if saved else None
        self.model_config = build_model(config, data.shape, begun)
        check_memory(config, self.model_config, self.device)
        if self.directory:
            self.identity = identity(config, self.model_config, self.device, data)
            if saved:
                step, path = saved.values["trainer"]["step"], self.directory.path
                for change in check_same(saved.identity, self.identity, path):
                    self.notes.append(f"from step {step} on, {change}")
            else:
                self.directory.open()
                # another process may have been faster
                self.directory.resumes(False)

    def _make(self, parallelize: Callable, rank: int, world: int, begin: bool) -> None:
        """Make the model, its optimiser and average, and the batches it trains on."""
        config = self.config
        with seeded(config.seed):
            model = DiT(self.model_config).to(self.device)
        if config.init_from and begin:
            model.load_state_dict(load(config.init_from).state_dict())
        if config.compile:
            # the compiler keeps eight versions of a function, those of earlier runs
            # included, and then silently gives up
            torch.compiler.reset()
            # to the compiler all blocks are one function
            for part in (*model.blocks, model.final):
                part.compile(dynamic=False)
        self.model = parallelize(self.recomputing(model))
        if not isinstance(self.model, nn.Module):
            raise TypeError(
                f"parallelize returned a {type(self.model).__name__}; it must return "
                "the module to train, the model that it was given or a wrapper"
            )
        self.ema = self.make_average()
        self.optimiser = OPTIMISERS[config.optimiser](
            self.model, config.lr, config.weight_decay, config.beta2
        )
        self.loader = Loader(
            self.data, config.batch_size, config.seed, self.device,
            rank=rank, world=world,
        )  # fmt: skip
        self.generator = torch.Generator(self.device).manual_seed(config.seed)
        self.metrics = Metrics(config.clip)

    def train_step(self) -> tuple[Tensor, Tensor]:
        """One optimiser step; the loss and the gradient's norm before clipping."""
        config, generator, rows = self.config, self.generator, self.loader.rows
        x, y = self.loader.next(generator)  # (b, C, H, W), (b,)
        x = to_model_units(x, self.model_config)
        # drawn for the whole batch; in one process `rows` are all of it
        t = draw_times(config.times, config.batch_size, generator)[rows]  # (b,)
        shape = (config.batch_size, *x.shape[1:])
        eps = torch.randn(shape, generator=generator, device=self.device)[rows]
        y = self.drop_labels(y)
        loss = self.backward(x, y, t, eps)
        norm = self.clip()
        set_rate(self.optimiser, self.rate())
        with self.autocast:  # Muon's products
            self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.ema.update()
        self.step += 1
        return loss, norm

    def backward(self, x: Tensor, y: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        """Add the gradient of the mean loss over this process's rows, part by part;
        returns the loss.
        """
        total = torch.zeros((), device=self.device)
        parts = [v.tensor_split(self.config.accumulate) for v in (x, y, t, eps)]
        for i, part in enumerate(zip(*parts, strict=True)):
            # the mean over all rows, and over all processes: 1 where there is only one
            share = len(part[0]) / len(x) * self.loader.weight
            last = i + 1 == self.config.accumulate
            with products(self.config.precision), self.exchanging(last):
                with self.autocast, shapes_only():
                    loss = diffusion_loss(self.model, *part).mean() * share
                loss.backward()
            total += loss.detach()
        return total

    def exchanging(self, last: bool) -> contextlib.AbstractContextManager:
        """Around each part of a batch: gradients are exchanged only after the last."""
        return contextlib.nullcontext()

    def clip(self) -> Tensor:
        """Scale the gradient to at most the norm `config.clip`; the norm before."""
        return nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)

    def drop_labels(self, y: Tensor) -> Tensor:
        """Replace some conditions by "no condition", which guidance needs: all those of
        an image together, and, if there are several, each separately, equally often.
        """
        config, several = self.config, bool(self.model_config.caption_parts)
        if not config.label_dropout:
            return y
        for name in (None, *(self.model_config.conditions if several else ())):
            chance = torch.rand(
                config.batch_size, generator=self.generator, device=self.device
            )[self.loader.rows]
            y = drop(self.model_config, y, chance < config.label_dropout, name)
        return y

    def rate(self) -> float:
        """The learning rate of the coming step."""
        config = self.config
        return config.lr * learning_rate(
            config.schedule, self.step, config.steps, config.warmup
        )

    def run(self, progress: bool = True) -> Run:
        """Step until config.steps, logging and saving on the way."""
        config, directory = self.config, self.directory
        path = directory.path if directory else None
        for note in self.notes if progress else ():
            print(f"note: {note}", file=sys.stderr)
        # of several processes one writes
        mirror = config.tensorboard and (directory is None or directory.writes)
        began = time.perf_counter() - self.seconds
        save = False  # postponed while the loss is diverging
        with (
            self._open_directory(),
            Board(mirror, path, self.step) as board,
            Stop() as stop,
            self._bar(progress) as bar,
            out_of_memory(config, self.model_config, self.device),
        ):
            while self.step < config.steps:
                rate = self.rate()
                self.metrics.add(*self.train_step(), rate)
                last, asked = self.step == config.steps, self.stopping(stop.asked)
                log = last or self.step % config.log_every == 0
                save |= last or asked or self._save_is_due()
                if log or (save and directory):
                    self.seconds = time.perf_counter() - began
                    self._look()
                    bar.update(self.step - bar.n)
                if log:
                    line = self.metrics.line(self.step, self.loader.seen, self.seconds)
                    board.add(line)
                    bar.set_postfix(loss=f"{line['loss']:.3f}", refresh=False)
                if save and directory and (last or self._worth_keeping()):
                    self.save()
                    save = False
                if asked and not last:
                    where = where_it_lies(
                        directory, not save, self.metrics.last, config.lr
                    )
                    raise Interrupted(
                        f"stopped after step {self.step} of {config.steps}: {where}"
                    )
        return Run(self.averaged(), config, self.metrics.lines, path)

    # ---- what several processes do differently

    def make_directory(self, path: str, writes: bool) -> RunDirectory:
        return RunDirectory(path, writes)

    def recomputing(self, model: DiT) -> DiT:
        """The model, with the blocks recomputed that `config.checkpointing` names."""
        return checkpoint_blocks(model, self.config.checkpointing)

    def make_average(self) -> EMA:
        return EMA(self.model, self.config.ema_decay)

    def averaged(self) -> DiT:
        """The complete averaged model."""
        return self.ema.model

    def stopping(self, asked: bool) -> bool:
        """Whether to stop after this step, given whether this process was asked to."""
        return asked

    def finite(self) -> bool:
        """Whether every weight is finite."""
        finite = [p.detach().isfinite().all() for p in self.model.parameters()]
        return bool(torch.stack(finite).all())

    def _open_directory(self) -> contextlib.AbstractContextManager:
        """Keep other processes out until the run ends, however it ends."""
        if not self.directory:
            return contextlib.nullcontext()
        self.directory.open()
        return contextlib.closing(self.directory)

    def _bar(self, progress: bool) -> tqdm:
        return tqdm(
            total=self.config.steps,
            initial=self.step,
            desc=f"train {self.config.data}",
            unit="step",
            disable=not progress,
        )

    def _save_is_due(self) -> bool:
        every = self.config.save_every
        return every > 0 and self.step % every == 0

    def _worth_keeping(self) -> bool:
        """Whether a checkpoint made now may replace the one before."""
        return self.metrics.healthy or self.directory.saved_step() is None

    def _look(self) -> None:
        """Wait for the losses that have not been checked; raises DivergedError, with
        the way out, when one is not finite.
        """
        try:
            self.metrics.look(self.step)
        except DivergedError as error:
            raise diverged(str(error), self.config.lr, self.directory) from None

    # ---- what is saved

    @property
    def state(self) -> dict[str, Stateful]:
        """Everything that changes during a run, each named once."""
        return {
            "trainer": self,
            "model": Weights(self.model),
            "ema": self.ema,
            "optimiser": OptimiserState(self.optimiser, self.model),
            "generator": Generator(self.generator),
            "loader": self.loader,
            "metrics": self.metrics,
        }

    def state_dict(self) -> dict:
        return {"step": self.step, "seconds": self.seconds}

    def load_state_dict(self, state: dict) -> None:
        self.step, self.seconds = state["step"], state["seconds"]

    def save(self) -> None:
        """Write everything that continuing needs, then the model and the metrics; each
        file whole or not at all. Raises DivergedError for weights that are not finite,
        and writes nothing.

        The state is written first: after a save that was cut short, resuming the run
        writes the other files again from it.
        """
        if not self.finite():
            what = f"weights that are not finite after step {self.step}"
            raise diverged(what, self.config.lr, self.directory)
        self.directory.save(self.state, self.identity)
        self._write_results()

    def _write_results(self) -> None:
        """Write the files that are made from the state."""
        model = self.averaged()
        if self.directory.writes:
            origin = Origin(
                self.config.data, self.loader.seen, self.config.ema_decay, self.step
            )
            save_model(model, self.directory.path, origin)
            self.metrics.append_to(self.directory.path / METRICS)
