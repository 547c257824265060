"""The named sizes of a model."""

import dataclasses

from .fields import ConfigError, choose
from .model import DiTConfig

#: width, depth and heads of the DiT paper's four sizes (Peebles & Xie 2212.09748, table
#: 1).
SIZES = {
    "S": (384, 12, 6),
    "B": (768, 12, 12),
    "L": (1024, 24, 16),
    "XL": (1152, 28, 16),
}
PATCHES = (2, 4, 8)

#: Every name that `preset` accepts. `digits` is the quickstart model of this book: it
#: trains in minutes on a laptop, and is not a size of the paper.
PRESETS = {
    f"{size}/{p}": dict(width=w, depth=d, heads=h, patch_size=p)
    for size, (w, d, h) in SIZES.items()
    for p in PATCHES
} | {
    "digits": dict(
        image_size=8,
        channels=1,
        num_classes=10,
        patch_size=2,
        width=64,
        depth=4,
        heads=4,
    )
}


def preset(name: str, **changes) -> DiTConfig:
    """The configuration of a named size, with `changes` applied on top.

    Names: S B L XL with patch 2 4 8 ("S/2" ... "XL/8", table 1 of 2212.09748), and
    "digits". Raises ConfigError for any other name. The paper's sizes start from its
    own input, a 32x32x4 latent with 1,000 classes.
    """
    choose("preset", name, PRESETS)
    base = {} if name == "digits" else dict(image_size=32, channels=4, num_classes=1000)
    try:
        return DiTConfig(**(base | PRESETS[name] | changes))
    except TypeError as error:
        fields = ", ".join(f.name for f in dataclasses.fields(DiTConfig))
        raise ConfigError(
            f"{str(error).split(' ', 1)[-1]}; a model has the fields {fields}"
        ) from None
