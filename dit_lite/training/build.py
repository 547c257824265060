"""The model of a run: a preset, a given model, or that of another run."""

import dataclasses

from ..config import PRESETS, ConfigError, DiTConfig, TrainConfig, preset
from ..files.pretrained import load_config

#: A pooled caption loses the order of its words, so these have tokens of their own.
FOR_CAPTIONS = {"conditioning": "adaln_zero_cross"}


def check_sizes(config: TrainConfig, shape: dict) -> None:
    """Raise ConfigError for a model whose sizes do not fit images of `shape`, the
    fields that are known before the images are read; errors as in `build_model`, which
    checks the rest.
    """
    if not shape:
        return
    if config.init_from is not None:
        model = load_config(config.init_from)
    else:
        fields = PRESETS[config.preset] if config.preset else ()
        sizes = {name: v for name, v in config.changes.items() if name in fields}
        model = config.model or preset(config.preset, **shape | sizes)
    _check_shape(config, model, shape)


def build_model(
    config: TrainConfig, shape: dict, begun: DiTConfig | None = None
) -> DiTConfig:
    """The model of a run on data of `shape`, fields of a DiTConfig. Captions enter by
    cross-attention, unless `config.changes` has another conditioning. A run that was
    `begun` from another keeps its model. Raises ConfigError when they disagree,
    FileNotFoundError or CheckpointError when the model of `init_from` cannot be loaded.
    """
    if config.init_from is None:
        base = shape | {"null_class": config.label_dropout > 0}
        if shape.get("condition") == "caption":
            base |= FOR_CAPTIONS
        model = config.model or preset(config.preset, **base | config.changes)
    elif begun is not None:
        model = begun
    else:
        model = load_config(config.init_from)
    # one autoencoder has many names: a directory here, another there
    model = dataclasses.replace(model, autoencoder=shape.get("autoencoder"))
    _check_null(config, model)
    _check_shape(config, model, shape)
    names = shape.get("class_names", ())
    if not config.init_from:
        names = model.class_names or names
    return dataclasses.replace(model, class_names=names)


def _check_null(config: TrainConfig, model: DiTConfig) -> None:
    if model.null_class != (config.label_dropout > 0):
        what = (
            f"changes['null_class']={model.null_class}"
            if config.init_from is None
            else f"null_class={model.null_class} of init_from={config.init_from!r}"
        )
        raise ConfigError(
            f"{what} and label_dropout={config.label_dropout} disagree; set "
            "label_dropout alone"
        )


def _check_shape(config: TrainConfig, model: DiTConfig, shape: dict) -> None:
    begins = config.init_from is not None
    of = f" of init_from={config.init_from!r}" if begins else ""
    for name, value in shape.items():
        there = getattr(model, name, None)
        if name != "class_names" and there != value:
            way_out = (
                "begin from a model of such images, or leave init_from out"
                if begins
                else f"set model.{name}={value}"
            )
            raise ConfigError(
                f"the model{of} has {name}={there}, the data "
                f"{config.data!r} have {value}; {way_out}"
            )
