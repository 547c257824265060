"""The value of `--parallel`: how many devices split what, in one line of text."""

from dataclasses import dataclass, fields
from typing import Self

from ..config import ConfigError, DiTConfig, choose

SCHEDULES = ("1f1b", "gpipe")
#: How each part of the text is written, and the field that it sets.
NUMBERS = {
    "fsdp": "shards",
    "tp": "tensor",
    "sp": "sequence",
    "pp": "stages",
    "micro": "micro_batches",
}


@dataclass(frozen=True)
class Strategy:
    """A way to use many devices; `Strategy.parse("fsdp,tp=2")`.

    `data` says how the remaining devices are used: "ddp" keeps a whole replica on each,
    "fsdp" shards weights, gradients and optimiser over them, or in groups of `shards`
    ("fsdp=4": hybrid, replicas of such groups). Inside a replica `tensor` devices split
    every layer, or `sequence` devices the tokens, or `stages` devices the depth; with
    stages the batch goes through in `micro_batches` parts, in the order of `schedule`.
    """

    data: str = "ddp"
    shards: int = 1
    tensor: int = 1
    sequence: int = 1
    stages: int = 1
    micro_batches: int = 1
    schedule: str = "1f1b"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The strategy for "ddp", "fsdp", "tp=2", "sp=2", "pp=2", or several joined by
        commas; with pp also "micro=4" and "schedule=gpipe". Raises ConfigError.
        """
        values: dict = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, _, value = part.partition("=")
            if name in ("ddp", "fsdp"):
                if values.get("data", name) != name:
                    raise _wrong(text, "ddp and fsdp exclude each other")
                values["data"] = name
            elif name == "schedule":
                choose("schedule", value, SCHEDULES)
                values["schedule"] = value
                continue
            elif name not in NUMBERS:
                raise _wrong(text, f"{part!r} is not known")
            if value or name != "fsdp":
                if name == "ddp" and not value:
                    continue
                if name not in NUMBERS or not value.isdigit() or int(value) < 1:
                    raise _wrong(text, f"{part!r} needs a whole number, as in tp=2")
                values[NUMBERS[name]] = int(value)
        inner = [
            name for name in ("tp", "sp", "pp") if values.get(NUMBERS[name], 1) > 1
        ]
        if len(inner) > 1:
            raise _wrong(text, f"{' and '.join(inner)} cannot be combined")
        stages = values.get("stages", 1)
        if stages == 1 and {"micro_batches", "schedule"} & set(values):
            raise _wrong(text, "micro and schedule are for pp=2 and more")
        # as many micro-batches as stages, so that every device has something to do
        return cls(**({"micro_batches": stages} | values))

    def __str__(self) -> str:
        names = {field: name for name, field in NUMBERS.items() if name != "fsdp"}
        parts = [self.data if self.shards == 1 else f"{self.data}={self.shards}"]
        for field in fields(self):
            if field.name in names and getattr(self, field.name) > 1:
                parts.append(f"{names[field.name]}={getattr(self, field.name)}")
        if self.stages > 1:
            parts.append(f"schedule={self.schedule}")
        return ",".join(parts)

    @property
    def inside(self) -> int:
        """Devices of one replica before any sharding: tensor, sequence or stages."""
        return self.tensor * self.sequence * self.stages

    def replicas(self, world: int) -> int:
        """How many parts the batch has in a world of `world` devices. Raises
        ConfigError for a world that cannot be divided in this way.
        """
        if world % (self.inside * self.shards):
            need = self.inside * self.shards
            raise ConfigError(
                f"--parallel {self} needs a multiple of {need} processes, but there "
                f"are {world}; start {need * max(1, world // need)} (torchrun "
                "--nproc-per-node)"
            )
        return world // self.inside

    def check(self, model: DiTConfig, batch: int, world: int) -> None:
        """Raise ConfigError, naming what does not divide what, and the way out."""
        replicas = self.replicas(world)
        divided = [
            ("tp", self.tensor, "heads", model.heads),
            ("tp", self.tensor, "the MLP's hidden width", model.hidden),
            ("sp", self.sequence, "heads", model.heads),
            ("sp", self.sequence, "the number of tokens", model.prefix + model.tokens),
        ]
        for name, ways, what, value in divided:
            if value % ways:
                raise ConfigError(
                    f"{name}={ways} does not divide {what}={value}; choose one of "
                    f"{[n for n in range(1, value + 1) if value % n == 0][:12]}"
                )
        if self.stages > model.depth:
            raise ConfigError(
                f"pp={self.stages} is more than the depth={model.depth} of the model; "
                f"choose at most {model.depth}"
            )
        parts = replicas * self.micro_batches
        if self.stages > 1 and batch % parts:
            raise ConfigError(
                f"batch_size={batch} does not divide into {replicas} replicas of "
                f"micro={self.micro_batches} equal micro-batches; choose a multiple of "
                f"{parts}"
            )
        if batch < replicas:
            raise ConfigError(
                f"batch_size={batch} is less than one image for each of {replicas} "
                f"replicas; choose at least {replicas}"
            )
        refused = []
        if self.inside > 1 and model.long_skips:
            refused += ["long_skips=True"]
        if self.inside > 1 and model.conditioning == "joint":
            refused += ["conditioning='joint'"]
        if self.inside > 1 and model.global_share is not None:
            refused += [f"global_share={model.global_share!r}"]
        if self.stages > 1 and model.condition != "label":
            refused += [f"condition={model.condition!r}"]
        if self.tensor > 1 and model.mlp == "swiglu":
            refused += ["mlp='swiglu'"]
        if refused:
            raise ConfigError(
                f"--parallel {self} does not support {refused[0]}; use ddp or fsdp for "
                "this model"
            )


def _wrong(text: str, why: str) -> ConfigError:
    return ConfigError(
        f"parallel={text!r}: {why}; write ddp, fsdp, fsdp=4, tp=2, sp=2 or pp=2, or "
        "ddp or fsdp with one of the last three: fsdp,tp=2"
    )
