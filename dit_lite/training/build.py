"""The model of a run: a preset, a given model, or that of another run."""

import dataclasses

from ..config import ConfigError, DiTConfig, TrainConfig, preset
from ..files.pretrained import load_config


def build_model(
    config: TrainConfig, shape: dict, begun: DiTConfig | None = None
) -> DiTConfig:
    """The model of a run on data of `shape`, fields of a DiTConfig. A run that was
    `begun` from another keeps its model. Raises ConfigError when they disagree,
    FileNotFoundError or CheckpointError when the model of `init_from` cannot be loaded.
    """
    if config.init_from is None:
        model = config.model or preset(
            config.preset,
            **(shape | {"null_class": config.label_dropout > 0} | config.changes),
        )
    elif begun is not None:
        model = begun
    else:
        model = load_config(config.init_from)
    # one autoencoder has many names: a directory here, another there
    model = dataclasses.replace(model, autoencoder=shape.get("autoencoder"))
    _check_model(config, model, shape)
    names = shape.get("class_names", ())
    if not config.init_from:
        names = model.class_names or names
    return dataclasses.replace(model, class_names=names)


def _check_model(config: TrainConfig, model: DiTConfig, shape: dict) -> None:
    begins = config.init_from is not None
    of = f" of init_from={config.init_from!r}" if begins else ""
    if model.null_class != (config.label_dropout > 0):
        what = (
            f"null_class={model.null_class}{of}"
            if begins
            else (f"changes['null_class']={model.null_class}")
        )
        raise ConfigError(
            f"{what} and label_dropout={config.label_dropout} disagree; set "
            "label_dropout alone"
        )
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
