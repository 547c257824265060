"""The network. It knows nothing of processes, devices or files."""

from .attention import ATTENTION, Attention, record_attention
from .block import Block, Modulation, gated, modulate
from .conditioning import CONDITIONING
from .dit import DiT, FinalLayer, check_inputs
from .embedding import Condition, ConditionEmbedding, TimeEmbedding, time_features
from .mlp import MLPS
from .official import load_official
from .patching import PatchEmbed, conv_to_linear, linear_to_conv, patchify, unpatchify
from .portable import portable
from .positions import POSITIONS, coordinates, rotate, sincos_table
from .resize import resample, resize

__all__ = [
    "ATTENTION", "CONDITIONING", "MLPS", "POSITIONS", "Attention", "Block",
    "Condition", "ConditionEmbedding", "DiT", "FinalLayer", "Modulation",
    "PatchEmbed", "TimeEmbedding", "check_inputs", "conv_to_linear", "coordinates",
    "gated", "linear_to_conv", "load_official", "modulate",
    "patchify", "portable", "record_attention", "resample", "resize", "rotate",
    "sincos_table", "time_features", "unpatchify",
]  # fmt: skip
