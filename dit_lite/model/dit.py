"""The Diffusion Transformer: patches in, blocks, patches out (Peebles & Xie
2212.09748).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..config import DiTConfig
from .block import Modulation, layer_norm, modulate
from .conditioning import CONDITIONING
from .embedding import Condition, ConditionEmbedding
from .patching import PatchEmbed, unpatchify
from .positions import POSITIONS
from .skips import LongSkips


class FinalLayer(nn.Module):
    """Normalise, modulate, and map each token to the P*P*C_out values of its patch: (B,
    N, D) -> (B, N, P*P*C_out). Zero at the start.

    Models whose blocks are not modulated have an ordinary LayerNorm here too.
    """

    def __init__(self, config: DiTConfig):
        super().__init__()
        affine = CONDITIONING[config.conditioning].affine
        self.norm = layer_norm(config.width, affine)
        self.modulation = None if affine else Modulation(config.width, 2)
        self.linear = nn.Linear(
            config.width, config.patch_size**2 * config.out_channels
        )

    def forward(self, x: Tensor, condition: Condition) -> Tensor:
        x = self.norm(x)
        if self.modulation is not None:
            x = modulate(x, *self.modulation(condition.vector))
        return self.linear(x)


class DiT(nn.Module):
    """A Diffusion Transformer.

    `model(x, t, y)`: x (B, C, H, W) noisy images, t (B,) in [0,1] with 0 = data and 1 =
    noise, y (B,) int64 labels with num_classes = "no class"; returns the prediction of
    `config.objective`, (B, C, H, W), or (B, 2C, H, W) with a learned variance. Raises
    ValueError or TypeError for inputs of another shape, type or range. Source:
    2212.09748.
    """

    def __init__(self, config: DiTConfig):
        super().__init__()
        self.config = config
        block = CONDITIONING[config.conditioning]
        self.embed = PatchEmbed(config.patch_size, config.channels, config.width)
        self.position = POSITIONS[config.position](config)
        self.condition = ConditionEmbedding(config)
        self.shared = block.shared(config)
        self.blocks = nn.ModuleList(block(config) for _ in range(config.depth))
        self.skips = LongSkips(config) if config.long_skips else None
        self.final = FinalLayer(config)
        self.enter, self.leave = block.enter, block.leave
        self.initialise()

    def initialise(self) -> None:
        """Xavier for every matrix, N(0, 0.02) for the embeddings of time and class,
        zero for modulations and output (released DiT code).
        """
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.condition.label.weight, std=0.02)
        for layer in (self.condition.time[0], self.condition.time[2]):
            nn.init.normal_(layer.weight, std=0.02)
        for module in self.modules():
            if isinstance(module, Modulation):
                module.zero()
        if self.skips is not None:
            self.skips.initialise()
        nn.init.zeros_(self.final.linear.weight)
        nn.init.zeros_(self.final.linear.bias)

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        check_inputs(self.config, x, t, y, self.embed.weight.dtype)
        return self.denoise(x, t, y)

    def denoise(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """What `model(x, t, y)` computes, without looking at the inputs first."""
        condition = self.condition(t, y)
        if self.shared is not None:
            condition = condition._replace(shared=self.shared(condition.vector))
        rotation = self.position.rotation()
        # under autocast too: no rounding between blocks
        tokens = self.embed(x).to(self.embed.weight.dtype)
        tokens = self.position.add(tokens)  # (B, N, D)
        tokens = self.enter(tokens, condition)
        if self.skips is not None:
            tokens = self.skips(tokens, self.blocks, condition, rotation)
        else:
            for block in self.blocks:
                tokens = block(tokens, condition, rotation)
        tokens = self.final(self.leave(tokens), condition)  # (B, N, P*P*C_out)
        return unpatchify(tokens, self.config.patch_size, self.config.out_channels)

    def save_pretrained(self, directory) -> None:
        """Write config.json and model.safetensors into `directory`, each whole or
        not at all.
        """
        from ..training.checkpoint import save_model

        save_model(self, directory)

    @classmethod
    def from_pretrained(cls, name_or_directory) -> DiT:
        """Load what `save_pretrained` wrote: a directory, or the name of a model
        that ships with dit_lite.
        """
        from ..training.checkpoint import load

        return load(name_or_directory)


def check_inputs(
    config: DiTConfig,
    x: Tensor,
    t: Tensor,
    y: Tensor,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Raise ValueError or TypeError, saying what to pass instead, unless (x, t, y)
    fit a model with weights of `dtype`.
    """
    C, S = config.channels, config.image_size
    for name, value in dict(x=x, t=t, y=y).items():
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} is a {type(value).__name__}; pass a torch.Tensor")
    if x.ndim != 4:
        raise ValueError(
            f"x has shape {tuple(x.shape)}; pass a batch of images (B, {C}, {S}, "
            f"{S}), one image as x[None]"
        )
    B = x.shape[0]
    if x.shape[1] != C:
        raise ValueError(
            f"x has {x.shape[1]} channels, this model has channels={C}; pass "
            f"images of shape ({B}, {C}, {S}, {S})"
        )
    if x.shape[2:] != (S, S):
        raise ValueError(
            f"x is {x.shape[2]}x{x.shape[3]}, this model has image_size={S}; for "
            "another size use dit_lite.model.resize(model, size)"
        )
    if not x.is_floating_point():
        raise TypeError(
            f"x has dtype {x.dtype}; pass floats in [-1,1], for example "
            "x.float() / 127.5 - 1 for bytes"
        )
    if x.dtype != dtype and not torch.is_autocast_enabled(x.device.type):
        raise TypeError(
            f"x has dtype {x.dtype}, the weights of this model {dtype}; pass "
            f"x.to({dtype})"
        )
    if not t.is_floating_point():
        raise TypeError(
            f"t has dtype {t.dtype}; pass floats in [0,1] (step i of 1000 is t = "
            "i/1000)"
        )
    if y.dtype != torch.int64:
        raise TypeError(
            f"y has dtype {y.dtype}; labels are class numbers of dtype "
            "torch.int64: y.long()"
        )
    for name, value in dict(t=t, y=y).items():
        if value.shape != (B,):
            raise ValueError(
                f"{name} has shape {tuple(value.shape)} for a batch of {B} "
                f"images; pass one value an image, shape ({B},)"
            )
    if B and not torch.compiler.is_compiling():
        low, high = t.aminmax()
        if not (low >= 0 and high <= 1):
            raise ValueError(
                f"t={(low if not low >= 0 else high).item():g} is outside [0,1]; "
                "0 is data, 1 is noise (step i of 1000 is t = i/1000)"
            )
        low, high = y.aminmax()
        last = config.num_classes if config.null_class else config.num_classes - 1
        if low < 0 or high > last:
            null = (
                f", {config.num_classes} for 'no class'"
                if config.null_class
                else " (this model was trained without a null class)"
            )
            raise ValueError(
                f"label y={(low if low < 0 else high).item()} is out of range; "
                f"use 0 to {config.num_classes - 1}{null}"
            )
