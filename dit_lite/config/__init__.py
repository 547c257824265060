"""What can be configured: the model, the training run, and the named sizes. Nothing
here imports torch.
"""

import dataclasses

from .fields import ConfigError, OneOf, choose
from .model import DiTConfig
from .presets import PATCHES, PRESETS, SIZES, preset
from .recipes import CPU_RECIPES, RECIPE_FIELDS, RECIPES
from .run import COMPILE_FROM, CPU, GPU, SILENT, TrainConfig

#: The names that each field accepts, and the names of samplers and extractors; the
#: package's registries contain exactly these (tests/test_config.py).
CHOICES = {
    field.name: field.metadata["check"].choices
    for config in (DiTConfig, TrainConfig)
    for field in dataclasses.fields(config)
    if isinstance(field.metadata["check"], OneOf)
} | {
    "sampler": ("heun", "euler", "dpmpp_2m", "ddim", "ddpm", "ddpm_upper"),
    "extractor": ("digits-judge", "cifar10-judge", "imagenet64-judge", "inception-v3"),
}

__all__ = [
    "CHOICES", "COMPILE_FROM", "CPU", "CPU_RECIPES", "GPU", "PATCHES", "PRESETS",
    "RECIPES", "RECIPE_FIELDS", "SILENT", "SIZES", "ConfigError", "DiTConfig",
    "TrainConfig", "choose", "preset",
]  # fmt: skip
