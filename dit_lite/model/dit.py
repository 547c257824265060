"""The Diffusion Transformer: patches in, blocks, patches out (Peebles & Xie
2212.09748).
"""

from torch import Tensor, nn

from ..config import DiTConfig
from ..files.pretrained import Pretrained
from .attention import ATTENTION
from .attention_patterns import Patterns
from .block import Final, Modulation, layer_norm, modulate
from .conditioning import CONDITIONING, block_of
from .context import Context
from .embedding import ConditionEmbedding
from .inputs import check_inputs
from .layout import LAYOUT, upgrade
from .mup import rescale
from .patching import PatchEmbed, unpatchify
from .positions import POSITIONS
from .skips import LongSkips, NoSkips


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

    def forward(self, x: Tensor, context: Context) -> Tensor:
        x = self.norm(x)  # (B, N, D)
        if self.modulation is not None:
            x = modulate(x, *Final(*self.modulation(context.vector)))  # (B, N, D)
        return self.linear(x)  # (B, N, P*P*C_out)


class DiT(Pretrained, nn.Module):
    """A Diffusion Transformer.

    `model(x, t, y)`: x (B, C, H, W) noisy images, t (B,) in [0,1] with 0 = data and 1 =
    noise, y the condition: (B,) int64 labels with num_classes = "no class", or whatever
    `config.condition` names (conditions.py); returns the prediction of
    `config.objective`, (B, C, H, W), or (B, 2C, H, W) with a learned variance. Raises
    ValueError or TypeError for inputs of another shape or type, and on the CPU also for
    values out of range. Source: 2212.09748.
    """

    layout, upgrade = LAYOUT, staticmethod(upgrade)

    def __init__(self, config: DiTConfig):
        super().__init__()
        if not isinstance(config, DiTConfig):
            raise TypeError(
                f"config is a {type(config).__name__}; pass a DiTConfig, for example "
                'dit_lite.preset("S/2")'
            )
        self.config = config
        block, layers = block_of(config), range(config.depth)
        self.embed = PatchEmbed(config.patch_size, config.channels, config.width)
        self.position = POSITIONS[config.position](config)
        self.patterns = Patterns(
            [ATTENTION[config.attention_of(layer)][0] for layer in layers], config
        )
        self.condition = ConditionEmbedding(config)
        self.shared = block.shared(config)
        self.blocks = nn.ModuleList(block(config, layer) for layer in layers)
        self.skips = (LongSkips if config.long_skips else NoSkips)(config)
        self.final = FinalLayer(config)
        self.enter = block.enter
        self.initialise()

    def initialise(self) -> None:
        """Xavier for every matrix, N(0, 0.02) for the embeddings of time and condition,
        zero for modulations and output (released DiT code).
        """
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        # queries first, then keys, then values: so a seed keeps giving the same weights
        self.load_state_dict(upgrade(self.state_dict(), self.config.heads, None))
        self.condition.initialise()
        for module in self.modules():
            if isinstance(module, Modulation):
                module.zero()
        for block in self.blocks:
            block.initialise()
        self.skips.initialise()
        nn.init.zeros_(self.final.linear.weight)
        nn.init.zeros_(self.final.linear.bias)
        if self.config.base_width is not None:
            rescale(self)

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        check_inputs(self.config, x, t, y, self.embed.weight.dtype)
        tokens, context = self.begin(x, t, y)  # (B, prefix + N, D)
        masks = self.patterns(context)  # L times (prefix + N, prefix + N), or None
        kept = []  # tokens for long skips
        for layer, block in enumerate(self.blocks):
            tokens = self.skips(layer, tokens, kept)  # (B, prefix + N, D)
            context = context._replace(mask=masks[layer])
            tokens = block(tokens, context)  # (B, prefix + N, D)
        return self.finish(tokens, context)  # (B, C_out, H, W)

    def begin(self, x: Tensor, t: Tensor, y: Tensor) -> tuple[Tensor, Context]:
        """Tokens before the first block, and the context of the blocks."""
        context = self.condition(t, y)  # vector (B, D), tokens (B, M, D)
        # under autocast too: no rounding between blocks
        tokens = self.embed(x).to(self.embed.weight.dtype)  # (B, N, D)
        tokens = self.position.add(tokens)  # (B, N, D)
        tokens, context = self.enter(tokens, context)  # (B, prefix + N, D)
        return tokens, context._replace(
            shared=self.shared(context.vector),  # n vectors (B, 1, D), or none
            rotation=self.position.rotation(context.prefix),  # two (prefix + N, d_h)
        )

    def finish(self, tokens: Tensor, context: Context) -> Tensor:
        """The prediction from the tokens after the last block."""
        tokens = self.final(tokens[:, context.prefix :], context)  # (B, N, P*P*C_out)
        P, C_out = self.config.patch_size, self.config.out_channels
        grid = self.config.grid
        return unpatchify(tokens, P, C_out, grid)  # (B, C_out, H, W)
