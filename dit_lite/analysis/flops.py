"""What a Diffusion Transformer costs, in closed form: parameters, multiply-adds, and
the bytes that a training forward keeps.

Three rules give every number below. A linear map from d_in to d_out owns d_out (d_in +
1) parameters and costs d_in d_out multiply-adds a row. Attention adds two products of
size N x N x D. And an operation keeps for the backward pass what its gradient reads:
nearly always its inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ..config import ConfigError, DiTConfig, choose
from ..model.attention import ATTENTION
from ..model.embedding import FREQUENCIES

STATISTIC_BYTES = 4  # means, inverse deviations and log-sums stay in fp32
ID_BYTES = 8  # a label or a word is an int64


@dataclass(frozen=True)
class Cost:
    """What one component costs: parameters, multiply-adds of a forward pass, bytes
    kept for the backward pass.
    """

    parameters: int = 0
    macs: int = 0
    activation_bytes: int = 0

    @property
    def flops(self) -> int:
        """Floating-point operations of a forward pass: a multiply-add is two."""
        return 2 * self.macs

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.parameters + other.parameters,
            self.macs + other.macs,
            self.activation_bytes + other.activation_bytes,
        )

    def times(self, n: int) -> Cost:
        """n copies of it, such as L blocks."""
        return Cost(n * self.parameters, n * self.macs, n * self.activation_bytes)


class Costs(dict):
    """{component: Cost}, with "total"; prints as a table."""

    def __str__(self) -> str:
        head = (
            f"{'component':<22}{'parameters':>15}"
            f"{'multiply-adds':>19}{'activation bytes':>19}"
        )
        return "\n".join(
            [
                head,
                *(
                    f"{name:<22}{c.parameters:>15,}{c.macs:>19,}{c.activation_bytes:>19,}"
                    for name, c in self.items()
                ),
            ]
        )


def flops(
    config: DiTConfig,
    batch: int = 1,
    *,
    bytes_per_value: int = 4,
    kernel: str = "flash",
    checkpointing: bool = False,
) -> Costs:
    """Parameters, multiply-adds and kept activations of a DiT, by component: {name:
    Cost}, and "total".

    Multiply-adds are those of the matrix products in one forward pass of `batch`
    images, the unit of the DiT paper's "Gflops" (2212.09748 table 1 and app. A);
    normalisations and activations are left out, as there. A backward pass costs twice
    as much.

    Activation bytes are what autograd keeps of a training forward, parameters and
    inputs aside. With `kernel` "flash" attention is fused and never stores its N x N
    weights, with "naive" it is written out and does. With `checkpointing` the input of
    each block is kept, and the inside of the one block that is being recomputed. The
    bytes are exact in fp32 on the CPU for several images, heads and tokens (where there
    is only one, a copy or two falls away); other devices and mixed precision differ by
    their kernels.

    Raises ConfigError for a configuration, a number or a kernel that cannot be.
    """
    if not isinstance(config, DiTConfig):
        raise ConfigError(
            f"config={config!r} must be a DiTConfig; use dit_lite.preset('S/2') "
            "for a named size, model.config for a model"
        )
    for name, value in dict(batch=batch, bytes_per_value=bytes_per_value).items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ConfigError(f"{name}={value!r} must be a whole number of at least 1")
    choose("kernel", kernel, KERNELS)
    mechanism = CONDITIONING_COSTS[config.conditioning]
    s = Sizes(config, config.prefix + config.tokens, bytes_per_value, kernel)
    D, N = config.width, s.tokens

    inside = {  # of one block
        "norm": s.norm(N, mechanism.affine).times(2) + s.head_norm(),
        "attention_projections": s.linear(N, D, 3 * D) + s.linear(N, D, D),
        "attention_scores": Cost(),  # not the same in all
        "mlp": MLP_COSTS[config.mlp](s),
        "conditioning": mechanism.block(s),
    }
    scores = [s.attention(config.attention_of(layer)) for layer in range(config.depth)]
    blocks = {name: cost.times(config.depth) for name, cost in inside.items()}
    blocks["attention_scores"] = sum(scores, Cost())
    if checkpointing:
        blocks = {
            name: replace(blocks[name], activation_bytes=cost.activation_bytes)
            for name, cost in inside.items()
        }
        largest = max(cost.activation_bytes for cost in scores)
        blocks["attention_scores"] = replace(
            sum(scores, Cost()), activation_bytes=largest
        )
        # the norm of the recomputed block already keeps its input
        blocks["checkpoints"] = s.keep((config.depth - 1) * N * D)
    blocks["conditioning"] += mechanism.once(s)
    per_image = {
        "patch_embedding": s.linear(
            config.tokens, config.patch_size**2 * config.channels, D
        ),
        "position": POSITION_COSTS[config.position](s),
        # SiLU keeps its input
        "time_embedding": s.linear(1, 2 * FREQUENCIES, D)
        + s.keep(D)
        + s.linear(1, D, D),
        f"{config.condition}_embedding": CONDITION_COSTS[config.condition](s),
        **blocks,
        "final_layer": final_layer(s, mechanism.affine),
    }
    if config.long_skips:
        per_image["long_skips"] = s.linear(N, 2 * D, D).times(config.depth // 2)
    costs = {
        name: Cost(c.parameters, batch * c.macs, batch * c.activation_bytes)
        for name, c in per_image.items()
    }
    # a mask is the same for every image; where a block is recomputed, one is in use
    copies = [s.mask_copy(config.attention_of(layer)) for layer in range(config.depth)]
    kept = max(copies) if checkpointing else sum(copies)
    costs["attention_scores"] += Cost(activation_bytes=kept)
    return Costs(costs | {"total": sum(costs.values(), Cost())})


@dataclass(frozen=True)
class Sizes:
    """The lengths that the formulas need, and the price of each kind of operation;
    all for one image. `tokens` is N inside a block.
    """

    config: DiTConfig
    tokens: int
    bytes_per_value: int
    kernel: str

    def keep(self, values: int, statistics: int = 0) -> Cost:
        """Values of the model's type, and fp32 statistics, kept for the backward
        pass.
        """
        return Cost(
            activation_bytes=values * self.bytes_per_value
            + statistics * STATISTIC_BYTES
        )

    def linear(self, rows: int, d_in: int, d_out: int) -> Cost:
        """A linear map with bias, which keeps its input."""
        return Cost(d_out * (d_in + 1), rows * d_in * d_out) + self.keep(rows * d_in)

    def norm(self, rows: int, affine: bool) -> Cost:
        """A LayerNorm over D, which keeps its input, and a mean and an inverse
        deviation a row.
        """
        return Cost(2 * self.config.width if affine else 0) + self.keep(
            rows * self.config.width, 2 * rows
        )

    def head_norm(self) -> Cost:
        """The RMS norms of queries and keys: two gains, the two normalised tensors,
        and an inverse root mean square a head and row.
        """
        if not self.config.qk_norm:
            return Cost()
        return Cost(2 * self.config.head_width) + self.keep(
            2 * self.tokens * self.config.width, 2 * self.tokens * self.config.heads
        )

    def attention(self, name: str) -> Cost:
        """weights(q k^T) v over all pairs of tokens, 2 D multiply-adds each: a mask
        hides pairs, and saves none of their products.
        """
        macs = Cost(macs=2 * self.tokens**2 * self.config.width)
        return macs + WEIGHTING_COSTS[ATTENTION[name][1]](self) + self.prefix_mask(name)

    def fused(self, name: str) -> bool:
        """Whether the weights of this attention never reach memory."""
        return self.kernel == "flash" and ATTENTION[name][1] == "softmax"

    def prefix_mask(self, name: str) -> Cost:
        """Padding in the prefix is a mask for each image."""
        c = self.config
        if not c.prefix or c.condition == "label":
            return Cost()
        rows = 1 if ATTENTION[name][0] == "full" else self.tokens
        return self.mask(rows * self.tokens, name)

    def mask_copy(self, name: str) -> int:
        """Bytes of the mask of a pattern, once for all images."""
        if ATTENTION[name][0] == "full" or self.prefix_mask(name).activation_bytes:
            return 0
        return self.mask(self.tokens**2, name).activation_bytes

    def mask(self, pairs: int, name: str) -> Cost:
        """The fused kernel keeps a mask as numbers, attention written out as bytes."""
        return self.keep(pairs) if self.fused(name) else Cost(activation_bytes=pairs)

    def modulation(self, n: int) -> Cost:
        """SiLU and a linear map from the condition to n vectors; the condition
        itself is kept once for the whole model.
        """
        return self.linear(1, self.config.width, n * self.config.width)


def flash(s: Sizes) -> Cost:
    """The fused kernel keeps q, k, v and one log-sum a row and head (2205.14135 sec.
    3.1); its result is what `attention.out` keeps.

    Rotated or normalised queries and keys are new tensors, beside the projection's
    output, in which the values still live. Normalised ones lie head by head in memory,
    and so does the kernel's result then: `attention.out` keeps a copy of it, row by
    row.
    """
    c = s.config
    tensors = 6 if c.qk_norm else 5 if c.position == "rope" else 3
    return s.keep(tensors * s.tokens * c.width, s.tokens * c.heads)


def naive(s: Sizes) -> Cost:
    """Attention written out keeps copies of q, k, v head by head, and the weights
    (h, N, N); a norm keeps the projection's output as well.
    """
    c = s.config
    tensors = 6 if c.qk_norm else 3
    return s.keep(tensors * s.tokens * c.width + c.heads * s.tokens**2)


KERNELS: dict[str, Callable[[Sizes], Cost]] = {"flash": flash, "naive": naive}


def sparsemax(s: Sizes) -> Cost:
    """Written out; kept are also what is cut at 0, the order of every row (int64), and
    of each row the place of its threshold and the size of its support.
    """
    pairs, rows = s.config.heads * s.tokens**2, s.config.heads * s.tokens
    return naive(s) + s.keep(pairs) + Cost(activation_bytes=8 * pairs + 16 * rows)


#: One entry a weighting, with the keys of `dit_lite.model.WEIGHTINGS`.
WEIGHTING_COSTS: dict[str, Callable[[Sizes], Cost]] = {
    "softmax": lambda s: KERNELS[s.kernel](s),
    "sparsemax": sparsemax,
}


def gelu(s: Sizes) -> Cost:
    """Two linear maps, and the input of the GELU between them."""
    N, D, hidden = s.tokens, s.config.width, s.config.hidden
    return s.linear(N, D, hidden) + s.keep(N * hidden) + s.linear(N, hidden, D)


def swiglu(s: Sizes) -> Cost:
    """Two linear maps, the first twice as wide; kept are its two halves, and the
    opened gate.
    """
    N, D, hidden = s.tokens, s.config.width, s.config.hidden
    return s.linear(N, D, 2 * hidden) + s.keep(3 * N * hidden) + s.linear(N, hidden, D)


#: One entry a form, with the keys of `dit_lite.model.mlp.MLPS`.
MLP_COSTS: dict[str, Callable[[Sizes], Cost]] = {"gelu": gelu, "swiglu": swiglu}


def free(s: Sizes) -> Cost:
    """Costs nothing."""
    return Cost()


def learned_position(s: Sizes) -> Cost:
    """A table over the grid that the model was trained on."""
    return Cost(
        parameters=(s.config.position_extent or s.config.grid) ** 2 * s.config.width
    )


POSITION_COSTS: dict[str, Callable[[Sizes], Cost]] = {
    "none": free,
    "sincos": free,
    "learned": learned_position,
    "rope": free,
}


def label(s: Sizes) -> Cost:
    """A table with a row for each class, and one for "no class"."""
    c = s.config
    return Cost((c.num_classes + c.null_class) * c.width, activation_bytes=ID_BYTES)


def caption(s: Sizes) -> Cost:
    """Tables of words and of places. Kept are the words, which of them are padding, and
    how many are not.
    """
    c, M = s.config, s.config.caption_length
    return Cost((c.vocab_size + M) * c.width, activation_bytes=ID_BYTES * (M + 1) + M)


def features(s: Sizes) -> Cost:
    """A linear map and the token of "no text". Kept are the features, as for a
    caption which of them are padding and how many are not, and whether all are.
    """
    c, M = s.config, s.config.caption_length
    kept = Cost(c.width, activation_bytes=ID_BYTES + M + 1)
    return kept + s.linear(M, c.feature_width, c.width)


#: One entry a condition, with the keys of `dit_lite.model.CONDITIONS`.
CONDITION_COSTS: dict[str, Callable[[Sizes], Cost]] = {
    "label": label,
    "caption": caption,
    "features": features,
}


def final_layer(s: Sizes, affine: bool) -> Cost:
    """Norm and linear map of the image tokens, with a modulation of two vectors
    unless the norm has its own gain and bias.
    """
    c, D, N = s.config, s.config.width, s.config.tokens
    cost = s.norm(N, affine) + s.linear(N, D, c.patch_size**2 * c.out_channels)
    # tokens that were dropped before the norm are still in memory behind its input
    cost += s.keep((s.tokens - N) * D)
    # 1 + scale, and the tensor that it multiplies
    return cost if affine else cost + s.modulation(2) + s.keep(D + N * D)


@dataclass(frozen=True)
class Mechanism:
    """What a way of conditioning adds to a plain block: a cost in each `block`, a cost
    `once` a model.

    `affine` says whether the normalisations own gain and bias.
    """

    affine: bool = True
    block: Callable[[Sizes], Cost] = free
    once: Callable[[Sizes], Cost] = free


def vector(s: Sizes) -> Cost:
    """The condition, (D,), that the SiLU of every modulation keeps: one tensor."""
    return s.keep(s.config.width)


def cross_attention(s: Sizes) -> Cost:
    """A normalised third branch: N queries, M keys and values, their attention, and
    the projection of the result.
    """
    N, M, D = s.tokens, s.config.context_tokens, s.config.width
    # its input, the condition tokens, is kept once a model
    key_value = replace(s.linear(M, D, 2 * D), activation_bytes=0)
    scores = Cost(macs=2 * N * M * D) + s.keep(N * D + 2 * M * D, N * s.config.heads)
    if s.config.condition != "label":
        scores += s.keep(M)  # its mask
    return s.norm(N, True) + s.linear(N, D, D) + key_value + scores + s.linear(N, D, D)


def film(s: Sizes) -> Cost:
    """Four vectors; kept are 1 + scale and the branch that it multiplies, twice."""
    return s.modulation(4) + s.keep(2 * s.config.width + 2 * s.tokens * s.config.width)


def adaln(s: Sizes) -> Cost:
    """Four vectors; kept are 1 + scale and the normalised tokens that it multiplies,
    twice.
    """
    return s.modulation(4) + s.keep(2 * s.config.width + 2 * s.tokens * s.config.width)


def gated(s: Sizes) -> Cost:
    """Scale, shift and gate of both branches: adaLN, and the output of each branch,
    which its gate multiplies.
    """
    return s.keep(2 * s.config.width + 4 * s.tokens * s.config.width)


def adaln_zero(s: Sizes) -> Cost:
    """Six vectors; the two gates are kept as views of all six."""
    return s.modulation(6) + s.keep(6 * s.config.width) + gated(s)


def adaln_shared(s: Sizes) -> Cost:
    """A block owns only a table of six vectors, and keeps its own two gates."""
    return Cost(parameters=6 * s.config.width) + s.keep(2 * s.config.width) + gated(s)


#: One entry a conditioning, with the keys of `dit_lite.model.CONDITIONING`.
CONDITIONING_COSTS = {
    "additive": Mechanism(),
    "in_context": Mechanism(),
    "cross_attention": Mechanism(
        block=cross_attention,
        once=lambda s: s.keep(s.config.context_tokens * s.config.width),
    ),
    "film": Mechanism(block=film, once=vector),
    "adaln": Mechanism(affine=False, block=adaln, once=vector),
    "adaln_zero": Mechanism(affine=False, block=adaln_zero, once=vector),
    "adaln_shared": Mechanism(
        affine=False, block=adaln_shared, once=lambda s: vector(s) + s.modulation(6)
    ),
}
