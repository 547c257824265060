"""The network. It does not depend on processes, devices or files."""

import torch
from einops import rearrange

from .attention import ATTENTION, Attention, Intermediates, record_attention
from .attention_patterns import PATTERNS
from .attention_weights import WEIGHTINGS
from .block import Block, Final, Gated, Modulation, Scaled, gated, modulate
from .browser import to_browser
from .conditioning import CONDITIONING
from .conditions import CONDITIONS, any_condition, drop, is_null, null_like, rungs
from .context import Context
from .dit import DiT, FinalLayer
from .embedding import ConditionEmbedding, TimeEmbedding, time_features
from .inputs import check_inputs, read_condition, shapes_only
from .mlp import MLPS
from .official import load_official
from .patching import PatchEmbed, conv_to_linear, linear_to_conv, patchify, unpatchify
from .positions import POSITIONS, coordinates, rotate, sincos_table
from .resize import resample, resize
from .text_features import text_features

# With torch before 2.8, the first use of einops imports torch's compiler, which fails
# inside torch.device("meta").
rearrange(torch.zeros(1), "a -> a")

__all__ = [
    "ATTENTION", "CONDITIONING", "CONDITIONS", "MLPS", "PATTERNS", "POSITIONS",
    "WEIGHTINGS", "Attention", "Block", "ConditionEmbedding", "Context", "DiT", "Final",
    "FinalLayer", "Gated", "Intermediates", "Modulation", "PatchEmbed", "Scaled",
    "TimeEmbedding", "any_condition", "check_inputs", "conv_to_linear", "coordinates",
    "drop", "gated", "is_null", "linear_to_conv", "load_official", "modulate",
    "null_like", "patchify", "read_condition", "record_attention", "resample", "resize",
    "rotate", "rungs", "shapes_only", "sincos_table", "text_features", "time_features",
    "to_browser", "unpatchify",
]  # fmt: skip
