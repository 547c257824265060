"""Models small enough to build hundreds of, of every kind that a configuration can
be.
"""

import itertools

from hypothesis import strategies as st

from dit_lite import DiTConfig
from dit_lite.config import CHOICES
from dit_lite.model import PATTERNS


@st.composite
def _configs(draw):
    heads, grid, patch = (
        draw(st.integers(1, 4)),
        draw(st.integers(1, 4)),
        draw(st.integers(1, 4)),
    )
    depth = draw(st.integers(1, 3))
    fields = dict(
        image_size=grid * patch, patch_size=patch, channels=draw(st.integers(1, 4)),
        heads=heads, width=4 * heads * draw(st.integers(1, 3)),
        depth=depth, num_classes=draw(st.integers(1, 5)),
        mlp_ratio=draw(st.sampled_from([0.5, 1.3, 2.0, 4.0])),
        mlp=draw(st.sampled_from(CHOICES["mlp"])), long_skips=draw(st.booleans()),
        qk_norm=draw(st.booleans()), null_class=draw(st.booleans()),
        position_extent=draw(st.none() | st.integers(1, 5)),
        conditioning=draw(st.sampled_from(CHOICES["conditioning"])), attention=draw(
            st.sampled_from(list(PATTERNS))
            | st.lists(st.sampled_from(list(PATTERNS)), min_size=depth,
            max_size=depth)
        ),
        position=draw(st.sampled_from(CHOICES["position"])),
    )  # fmt: skip
    condition = draw(st.sampled_from(CHOICES["condition"]))
    fields["condition"] = condition
    if condition != "label":
        fields["caption_length"] = draw(st.integers(1, 4))
    if condition == "caption":
        fields["vocab_size"] = draw(st.integers(2, 5))
    if condition == "features":
        fields["feature_width"] = draw(st.integers(1, 5))
    if draw(st.booleans()):
        fields |= dict(learn_variance=True, path="ddpm", objective="eps")
    return DiTConfig(**fields)


#: Small models of every kind.
configs = _configs()


def combinations():
    """Every conditioning with every position, with and without normalised queries
    and keys.
    """
    shape = dict(
        image_size=8,
        channels=1,
        patch_size=2,
        width=16,
        depth=2,
        heads=2,
        num_classes=3,
    )
    for conditioning, position, qk_norm in itertools.product(
        CHOICES["conditioning"], CHOICES["position"], (False, True)
    ):
        yield DiTConfig(
            **shape, conditioning=conditioning, position=position, qk_norm=qk_norm
        )
