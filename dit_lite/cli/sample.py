"""`sample`: images of a trained model, as one picture or as an animation."""

import argparse
import difflib
from collections.abc import Sequence

from ..files.environment import user_path
from .flags import add_sampling
from .grid import FORMATS, MOVES, check_grid, write_grid, write_walk

SUMMARY = "generate images and write them as one picture"


def add_flags(parser: argparse.ArgumentParser) -> None:
    add_sampling(parser)
    parser.add_argument(
        "--label",
        nargs="+",
        metavar="CLASS",
        help="classes to draw, by name or number; if both match, the name wins "
        "(default: all classes)",
    )
    parser.add_argument(
        "--caption",
        nargs="+",
        metavar="WORDS",
        help="captions to draw, each in quotes, for a caption-conditioned model",
    )
    parser.add_argument(
        "--count",
        type=int,
        default=8,
        metavar="n",
        help="images per class or caption (default: 8)",
    )
    parser.add_argument(
        "--autoencoder",
        metavar="NAME_OR_DIR",
        help="autoencoder that decodes the model's latents, if it is no longer where "
        "the model says",
    )
    parser.add_argument(
        "--out",
        default="grid.png",
        metavar="FILE",
        help="picture to write, one row per class or caption; its suffix sets the "
        "format: "
        f"{', '.join(FORMATS)}; {MOVES} shows every step (default: grid.png)",
    )


def run(options: argparse.Namespace) -> None:
    """Generate images with a trained model and write them as one picture, one row per
    class or caption. Processes started by torchrun share the work.
    """
    from ..diffusion import record_trajectory, sample, to_images
    from ..distributed import launch
    from ..distributed.sampling import sample_together
    from ..training import load
    from ..training.precision import pick_device

    if options.count < 1:
        raise ValueError(
            f"--count {options.count} is too small; ask for at least 1 image"
        )
    out = user_path(options.out, "out")
    several, moves = launch.world_size() > 1, out.suffix.lower() == MOVES
    if several and moves:
        raise ValueError(
            f"--out {options.out} needs a single process; run it without torchrun"
        )
    device = pick_device(launch.local_device("auto"))
    model = load(options.checkpoint, device)
    config = model.config
    wanted = conditions(config, options.label, options.caption)
    decoder = decoder_of(config, options.autoencoder, device)
    side, channels = config.image_size, config.channels
    if decoder:
        side, channels = side * decoder.factor, decoder.channels
    check_grid(out, side, channels, len(wanted), options.count)
    labels = [y for y in wanted for _ in range(options.count)]
    how = {n: getattr(options, n) for n in ("steps", "guidance", "sampler", "seed")}
    if moves:
        states = record_trajectory(model, labels, **how).states
        frames = to_images(states, config)  # (S+1, B, C, H, W)
        if decoder:
            pictures = decoder.decode(frames.flatten(0, 1))
            frames = pictures.unflatten(0, frames.shape[:2])
        write_walk(frames, options.count, out)
        return print(f"{options.out}: {len(states)} frames, from noise to images")
    with launch.if_several(device):
        draw = sample_together if several else sample
        images = draw(model, labels, **how, progress=not launch.rank())
    if launch.rank():
        return  # only the first of several processes writes
    if decoder:
        images = decoder.decode(images)
    write_grid(images, options.count, out)
    print(
        f"{options.out}: {len(wanted)} x {options.count} images of {options.checkpoint}"
    )


def decoder_of(config, given: str | None, device):
    """The autoencoder that decodes a model's latents, `given` or the model's own; None
    for a model of pixels.
    """
    from ..autoencoder import Autoencoder
    from ..files.writing import CheckpointError

    if not config.autoencoder:
        if given:
            raise ValueError(
                f"--autoencoder {given} is for a model of latents; this one draws "
                "pixels: leave it out"
            )
        return None
    try:
        decoder = Autoencoder(given or config.autoencoder, device)
    except (FileNotFoundError, CheckpointError) as error:
        raise type(error)(
            f"this model draws latents, which cannot be decoded: {error}; say where "
            "the autoencoder is with --autoencoder NAME_OR_DIR, or use "
            "dit_lite.sample, which returns the latents"
        ) from None
    if decoder.latent_channels != config.channels:
        raise ValueError(
            f"the autoencoder {decoder.name!r} decodes {decoder.latent_channels} "
            f"channels, but the model draws {config.channels}; use the autoencoder of "
            f"its data: {config.autoencoder}"
        )
    return decoder


def conditions(config, labels: list[str] | None, captions: list[str] | None) -> list:
    """What to draw, a class number or a caption for each row of the grid."""
    if config.condition == "label":
        if captions:
            raise ValueError(
                "--caption is for caption-conditioned models; this one has classes, so "
                "use --label"
            )
        names = config.class_names or tuple(map(str, range(config.num_classes)))
        every = range(len(names))
        return [class_number(one, names) for one in labels] if labels else list(every)
    if labels or not captions:
        raise ValueError(
            f"this model has condition={config.condition!r} and no classes; say what "
            "to draw, such as --caption 'a red circle above a blue square'"
        )
    return captions


def class_number(label: str, names: Sequence[str], shown: int = 10) -> int:
    """The number of a class given by name or number."""
    if label in names:
        return names.index(label)
    if label.lstrip("-").isdecimal():
        return int(label)
    near = sorted(
        range(len(names)),
        key=lambda k: (
            -difflib.SequenceMatcher(None, label.lower(), names[k].lower()).ratio()
        ),
    )[:shown]
    some = (
        "the classes are"
        if len(names) <= shown
        else f"of {len(names)} classes, the nearest names are"
    )
    raise ValueError(
        f"label {label!r} is not a class of this model; {some}: "
        f"{', '.join(f'{names[k]} ({k})' for k in near)}"
    )
