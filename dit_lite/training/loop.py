"""The training loop, top to bottom: a batch of images, a noise level for each, one
step, one moving average.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from tqdm.auto import tqdm

from ..config import ConfigError, DiTConfig, TrainConfig, preset
from ..data import Dataset, Loader, load_data
from ..diffusion.loss import diffusion_loss
from ..diffusion.times import draw_times
from ..model import DiT, drop
from .allocator import keep_freed_memory
from .checkpoint import (
    CONFIG,
    METRICS,
    STATE,
    CheckpointError,
    Origin,
    load_weights,
    read_tensors,
    save_model,
    upgraded,
    write,
    write_tensors,
)
from .ema import EMA
from .fitting import batch_that_fits, fits, free_memory, memory_needed
from .optim import OPTIMISERS, optimiser_tensors, restore_optimiser, set_rate
from .precision import autocast, pick_device, preferred, products
from .schedule import learning_rate


class DivergedError(ValueError):
    """The loss became NaN or infinite."""


class Interrupted(KeyboardInterrupt):
    """The run was stopped by a signal, after its state was saved."""


@dataclass
class Run:
    """A finished run: the averaged model, what it logged (dicts with step, loss,
    grad_norm, lr, images, seconds), and where it lies.
    """

    model: DiT
    config: TrainConfig
    metrics: list[dict] = field(default_factory=list)
    directory: Path | None = None


def train(config: TrainConfig, resume: bool = False, progress: bool = True) -> Run:
    """Train a Diffusion Transformer.

    With `config.out` the directory receives config.json, model.safetensors (the
    averaged weights), metrics.jsonl, and state.safetensors, from which `resume=True`
    continues bit for bit on the same CPU. Without it nothing is written. Raises
    ConfigError, DataError or CheckpointError (all ValueError) for what cannot be run,
    DivergedError when the loss is not finite, and Interrupted (a KeyboardInterrupt)
    after Ctrl-C, with the state saved. Source: 2212.09748 sec. 4 for the recipe's form;
    sizes, rate and schedule are our own (config.RECIPES).
    """
    trainer = Trainer(config, resume)
    return trainer.run(progress)


def build_model(config: TrainConfig, shape: dict) -> DiTConfig:
    """The model of a run on data of `shape` (image_size, channels, num_classes,
    class_names). Raises ConfigError when they disagree.
    """
    model = config.model or preset(
        config.preset,
        **(shape | {"null_class": config.label_dropout > 0} | config.changes),
    )
    if model.null_class != (config.label_dropout > 0):
        raise ConfigError(
            f"changes['null_class']={model.null_class} and "
            f"label_dropout={config.label_dropout} disagree; set label_dropout "
            "alone"
        )
    for name in ("image_size", "channels", "num_classes"):
        if getattr(model, name) != shape[name]:
            raise ConfigError(
                f"the model has {name}={getattr(model, name)}, the data "
                f"{config.data!r} have {shape[name]}; set "
                f"model.{name}={shape[name]}"
            )
    return dataclasses.replace(
        model, class_names=model.class_names or shape["class_names"]
    )


class Trainer:
    """Everything that changes while a run goes on, and one step of it.

    `data` replaces the data set that `config.data` names. Nothing in a step waits for a
    GPU: what it computes stays there until a line of metrics or a checkpoint is due.
    """

    def __init__(
        self, config: TrainConfig, resume: bool = False, data: Dataset | None = None
    ):
        self.device = pick_device(config.device)
        self.config = config = config.on(*preferred(self.device))
        self.step = 0
        self.directory = Path(config.out) if config.out else None
        self.autocast = autocast(config.precision, self.device)
        if self.device.type == "cpu":
            keep_freed_memory()
        self._check_directory(resume)
        data = (
            load_data(config.data, "train", config.image_size) if data is None else data
        )
        self.model_config = build_model(config, data.shape)
        if self.device.type == "cpu" and not fits(
            self.model_config,
            config.batch_size,
            config.precision,
            free := free_memory(),
        ):
            raise self._too_large(free, f", and {free / 1e9:.1f} GB are free")
        self._make_directory()
        # the global generator is left as it was
        with torch.random.fork_rng(devices=[]):
            # that of the CPU; torch.manual_seed would seed GPUs too
            torch.default_generator.manual_seed(config.seed)
            self.model = DiT(self.model_config).to(self.device)
        self.ema = EMA(self.model, config.ema_decay)
        self.optimiser = OPTIMISERS[config.optimiser](
            self.model, config.lr, config.weight_decay, config.beta2
        )
        self.loader = Loader(data, config.batch_size, config.seed, self.device)
        self.generator = torch.Generator(self.device).manual_seed(config.seed)
        self.metrics: list[dict] = []
        # loss, gradient norm and rate of the steps since the last line of metrics
        self.pending: list[tuple[float, float, float]] = []
        self.seconds = 0.0
        if resume:
            self._restore()
        # all blocks are one function to the compiler; the average was copied before,
        # and stays as it is
        if config.compile:
            # of one function it keeps eight versions, those of earlier runs too, and
            # then gives up without a word
            torch.compiler.reset()
            for part in (*self.model.blocks, self.model.final):
                part.compile(dynamic=False)

    def train_step(self) -> tuple[torch.Tensor, torch.Tensor]:
        """One optimiser step; the loss and the gradient's norm before clipping."""
        config, generator = self.config, self.generator
        x, y = self.loader.next(generator)
        x = (x - self.model_config.data_mean) / self.model_config.data_std
        t = draw_times(config.times, len(x), generator)
        eps = torch.randn(x.shape, generator=generator, device=self.device)
        if config.label_dropout:
            dropped = (
                torch.rand(len(y), generator=generator, device=self.device)
                < config.label_dropout
            )
            y = drop(self.model_config, y, dropped)
        with products(config.precision):
            with self.autocast:
                loss = diffusion_loss(self.model, x, y, t, eps).mean()
            loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.clip)
        set_rate(self.optimiser, self.rate())
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.ema.update()
        self.step += 1
        return loss.detach(), norm

    def rate(self) -> float:
        """The learning rate of the coming step."""
        config = self.config
        return config.lr * learning_rate(
            config.schedule, self.step, config.steps, config.warmup
        )

    def run(self, progress: bool = True) -> Run:
        """Step until config.steps, logging and saving on the way."""
        config = self.config
        # like `pending`, but not looked at yet
        fresh: list[tuple[torch.Tensor, torch.Tensor, float]] = []
        began = time.perf_counter() - self.seconds
        with (
            self._tensorboard() as board,
            Stop() as stop,
            self._bar(progress) as bar,
            self._memory(),
        ):
            while self.step < config.steps:
                rate = self.rate()
                fresh.append((*self.train_step(), rate))
                last, asked = self.step == config.steps, stop.asked
                save = self.directory and (
                    last
                    or asked
                    or (config.save_every and self.step % config.save_every == 0)
                )
                log = last or self.step % config.log_every == 0
                if log or save:
                    self.seconds = time.perf_counter() - began
                    self._look(fresh)
                    bar.update(self.step - bar.n)
                if log:
                    bar.set_postfix(loss=f"{self._log(board):.3f}", refresh=False)
                if save:
                    self.save()
                if asked and not last:
                    where = (
                        f"saved at step {self.step}; continue with --resume"
                        if self.directory
                        else "nothing was saved, since the run has no directory (out)"
                    )
                    raise Interrupted(
                        f"stopped after step {self.step} of {config.steps}: {where}"
                    )
        return Run(self.ema.model, config, self.metrics, self.directory)

    def _bar(self, progress: bool) -> tqdm:
        return tqdm(
            total=self.config.steps,
            initial=self.step,
            desc=f"train {self.config.data}",
            unit="step",
            disable=not progress,
        )

    @contextlib.contextmanager
    def _memory(self) -> Iterator[None]:
        """Say what to do when the memory runs out."""
        try:
            yield
        except RuntimeError as error:
            if not isinstance(
                error, torch.OutOfMemoryError
            ) and "DefaultCPUAllocator" not in str(error):
                raise
            on_gpu = self.device.type == "cuda"
            raise self._too_large(
                torch.cuda.get_device_properties(self.device).total_memory
                if on_gpu
                else free_memory()
            ) from None

    def _too_large(self, memory: float, free: str = "") -> ConfigError:
        """What to say of a run that does not fit into so many bytes."""
        config, B = self.config, self.config.batch_size
        need = memory_needed(self.model_config, B, config.precision)
        ways = []
        if (
            self.device.type == "cpu"
            and config.budget != "cpu"
            and config.data != "digits"
        ):
            ways.append("--budget cpu")
        if less := batch_that_fits(self.model_config, B, config.precision, memory):
            ways.append(f"--batch-size {less}")
        if self.device.type == "cuda" and config.precision == "fp32":
            ways.append("--precision bf16")
        ways.append("a smaller --preset or a --patch-size twice as large")
        return ConfigError(
            f"batch_size={B} needs more memory than {self.device} can spare: at "
            f"least {need / 1e9:.1f} GB{free}; choose {', or '.join(ways)}"
        )

    def _look(self, fresh: list) -> None:
        """Wait for the losses that nobody has looked at, all at once; raises
        DivergedError when one is not finite.
        """
        losses, norms, rates = zip(*fresh, strict=True)
        losses, norms = torch.stack(losses).tolist(), torch.stack(norms).tolist()
        for i, (loss, norm) in enumerate(zip(losses, norms, strict=True)):
            if not (abs(loss) < float("inf") and abs(norm) < float("inf")):
                raise DivergedError(
                    self._diverged(self.step - len(losses) + i + 1, loss, norm)
                )
        self.pending += zip(losses, norms, rates, strict=True)
        fresh.clear()

    def _log(self, board) -> float:
        """Write one line of metrics, the means since the last line, and return the
        loss. Saving on the way does not change the lines.
        """
        losses, norms, rates = zip(*self.pending, strict=True)
        line = {
            "step": self.step,
            "loss": sum(losses) / len(losses),
            "grad_norm": sum(norms) / len(norms),
            "lr": rates[-1],
            "images": self.loader.seen,
            "seconds": round(self.seconds, 3),
        }
        self.metrics.append(line)
        self.pending.clear()
        if board:
            for name in ("loss", "grad_norm", "lr"):
                board.add_scalar(name, line[name], self.step)
        return line["loss"]

    def _diverged(self, step: int, loss: float, norm: float) -> str:
        what = (
            f"loss={loss:g}"
            if not abs(loss) < float("inf")
            else f"gradient norm={norm:g}"
        )
        good = ""
        if self.directory and (self.directory / STATE).exists():
            good = (
                " The checkpoint of step "
                f"{read_tensors(self.directory / STATE)[1]['step']} in "
                f"{self.directory} is kept."
            )
        return (
            f"{what} at step {step}: the run diverged and was stopped.{good} Lower "
            f"lr (now {self.config.lr:g}), raise warmup, or lower clip"
        )

    # ---- saving and resuming

    def save(self) -> None:
        """Write everything that continuing needs, then the model and the metrics; each
        file whole or not at all.

        The state goes first: from it the others are written again when a save was cut
        short and the run is resumed.
        """
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()} | {
            f"ema.{k}": v for k, v in self.ema.model.state_dict().items()
        }
        tensors |= {
            f"optimiser.{k}": v
            for k, v in optimiser_tensors(self.optimiser, self.model).items()
        }
        tensors["generator"] = self.generator.get_state()
        about = {
            "config": json.dumps(self.config.to_dict()),
            "layout": self.model.layout,
            "device": self.device.type,
            "step": str(self.step),
            "seen": str(self.loader.seen),
            "updates": str(self.ema.updates),
            "metrics": json.dumps(self.metrics),
            "pending": json.dumps(self.pending),
            "seconds": repr(self.seconds),
        }
        write_tensors(self.directory / STATE, tensors, about)
        self._write_results()

    def _write_results(self) -> None:
        save_model(
            self.ema.model,
            self.directory,
            Origin(
                self.config.data, self.loader.seen, self.config.ema_decay, self.step
            ),
        )
        write(
            self.directory / METRICS,
            "".join(json.dumps(line) + "\n" for line in self.metrics).encode(),
        )

    def _check_directory(self, resume: bool) -> None:
        if resume and self.directory is None:
            raise ConfigError("resume needs the directory of a run: set out=DIR")
        if self.directory is None:
            return
        if self.directory.exists() and not self.directory.is_dir():
            raise ConfigError(
                f"out={str(self.directory)!r} is a file; give a directory"
            )
        there = [
            name
            for name in (STATE, CONFIG, METRICS)
            if (self.directory / name).exists()
        ]
        if not resume and there:
            raise ConfigError(
                f"out={str(self.directory)!r} already holds a run ({there[0]}); "
                "continue it with --resume (resume=True), or choose another "
                "directory"
            )
        if resume and STATE not in there:
            raise CheckpointError(
                f"nothing to resume in {self.directory}: {STATE} is missing; "
                "start the run without --resume"
            )

    def _make_directory(self) -> None:
        """Make the directory of the run before anything is computed, so that a wrong
        one does not cost a training.
        """
        if self.directory is not None:
            try:
                self.directory.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ConfigError(
                    f"out={str(self.directory)!r} cannot be made "
                    f"({error.strerror}); give another directory"
                ) from None

    def _restore(self) -> None:
        path = self.directory / STATE
        tensors, about = read_tensors(path)
        if "config" not in about:
            raise CheckpointError(f"{path} is not the state of a run of this package")
        if (there := about.get("device", self.device.type)) != self.device.type:
            raise CheckpointError(
                f"{self.directory} holds a run on {there}, and this is "
                f"{self.device.type}; resume it there, or choose another "
                "directory"
            )
        before = TrainConfig.from_dict(json.loads(about["config"])).to_dict()
        # tuples as JSON has them
        now = TrainConfig.from_dict(
            json.loads(json.dumps(self.config.to_dict()))
        ).to_dict()
        # what a budget decides is compared itself
        ignore = ("out", "device", "budget", "save_every", "log_every", "tensorboard")
        for name in now:
            if name not in ignore and before[name] != now[name]:
                raise CheckpointError(
                    f"{self.directory} holds another run: {name} was "
                    f"{before[name]!r} and is now {now[name]!r}; "
                    "resume with the same settings, or choose another directory"
                )

        def part(prefix: str) -> dict:
            return {
                k.removeprefix(prefix): v
                for k, v in tensors.items()
                if k.startswith(prefix)
            }

        tensors = upgraded(self.ema.model, tensors, about, path)
        load_weights(self.model, part("model."), path)
        load_weights(self.ema.model, part("ema."), path)
        try:
            restore_optimiser(self.optimiser, self.model, part("optimiser."))
            self.generator.set_state(tensors["generator"])
            self.step, self.loader.seen, self.ema.updates = (
                int(about["step"]),
                int(about["seen"]),
                int(about["updates"]),
            )
            self.metrics, self.pending, self.seconds = (
                json.loads(about["metrics"]),
                json.loads(about["pending"]),
                float(about["seconds"]),
            )
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(
                f"{path} does not fit this run ({error}); was it written by "
                "another version, or on another kind of device?"
            ) from None
        self._write_results()

    def _tensorboard(self) -> contextlib.AbstractContextManager:
        if not self.config.tensorboard:
            return contextlib.nullcontext()
        if self.directory is None:
            raise ConfigError(
                "tensorboard=True needs a directory to write to: set out=DIR"
            )
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ConfigError(
                "tensorboard=True needs the package tensorboard: pip install "
                "tensorboard"
            ) from None
        return SummaryWriter(
            str(self.directory / "tensorboard"), purge_step=self.step + 1
        )


class Stop:
    """While open, the first Ctrl-C or SIGTERM only asks: the step in progress is
    finished, so that nothing is saved half-done.

    The second acts at once.
    """

    def __init__(self):
        self.asked = False
        self._before: dict = {}

    def _ask(self, number, frame) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():
            self._before = {
                number: signal.signal(number, self._ask)
                for number in (signal.SIGINT, signal.SIGTERM)
            }
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
