"""What a Diffusion Transformer costs, in closed form: parameters, multiply-adds, and
the bytes that a training forward keeps.

Three rules give every formula of cost_formulas.json. A linear map from d_in to d_out
has d_out (d_in + 1) parameters and costs d_in d_out multiply-adds per row. Attention
adds two products of size N x N x D. And an operation keeps for the backward pass
whatever its gradient uses: nearly always its inputs.
"""

from dataclasses import dataclass
from typing import Self

from ..config import ConfigError, DiTConfig, choose
from ..config.fields import Whole
from .cost_table import cost_formulas, model_values


@dataclass(frozen=True)
class Cost:
    """What one component costs: parameters, multiply-adds of a forward pass, bytes kept
    for the backward pass, and that pass's multiply-adds.
    """

    parameters: int = 0
    macs: int = 0
    activation_bytes: int = 0
    backward_macs: int = 0

    @property
    def flops(self) -> int:
        """Floating-point operations of a forward pass: a multiply-add is two."""
        return 2 * self.macs

    def __add__(self, other: Self) -> Self:
        return Cost(
            self.parameters + other.parameters,
            self.macs + other.macs,
            self.activation_bytes + other.activation_bytes,
            self.backward_macs + other.backward_macs,
        )

    def of_a_batch(self, n: int) -> Self:
        """The cost of n images instead of one: everything but the parameters."""
        return Cost(
            self.parameters,
            n * self.macs,
            n * self.activation_bytes,
            n * self.backward_macs,
        )


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
    normalisations and activations are left out, as there. `backward_macs` are the
    backward pass's as torch counts them: twice as many, minus input gradients that are
    not needed, plus the scores that fused attention recomputes.

    Activation bytes are what autograd keeps from a training forward pass, without
    parameters and inputs. With `kernel` "flash" attention is fused and never stores its
    N x N weights (2205.14135 sec. 3.1), with "naive" it is written out and does. With
    `checkpointing` the input of each block is kept, and the inside of the one block
    that is being recomputed. The bytes are exact in fp32 on the CPU for several images,
    heads and tokens (with only one of them, a copy or two disappears); other devices
    and mixed precision differ by their kernels.

    Raises ConfigError for an invalid configuration, number or kernel.
    """
    if not isinstance(config, DiTConfig):
        raise ConfigError(
            f"config={config!r} must be a DiTConfig; use dit_lite.preset('S/2') "
            "for a named size, model.config for a model"
        )
    batch = Whole(1)("batch", batch)
    bytes_per_value = Whole(1)("bytes_per_value", bytes_per_value)
    table = cost_formulas()
    choose("kernel", kernel, table["choices"]["kernel"])
    layers = [config.attention_of(layer) for layer in range(config.depth)]
    values = {
        name: model_values(
            config, kernel, "block" if checkpointing else "none", bytes_per_value, name
        )
        for name in set(layers)
    }
    found = values[layers[-1]]

    def scores(quantity: str) -> int:
        # in all layers, or in the one being recomputed
        each = [round(values[name][quantity]) for name in layers]
        kept = checkpointing and quantity.endswith("kept")
        return max(each) if kept else sum(each)

    costs = Costs()
    for name in table["components"]:
        if name == "final_layer" and checkpointing:
            costs["checkpoints"] = Cost(activation_bytes=round(found["inputs_kept"]))
        if name == "attention_scores":
            costs[name] = Cost(0, *(scores(f"{name}_block_{q}") for q in SHOWN[1:]))
        elif name != "long_skips" or config.long_skips:
            label = f"{config.condition}_embedding" if name == "condition" else name
            costs[label] = Cost(*(round(found.get(f"{name}_{q}", 0)) for q in SHOWN))
    for name, cost in costs.items():
        costs[name] = cost.of_a_batch(batch)
    # masks and learned shares are the same for every image
    alike = scores("batch_kept") - round(found["last_mask_kept"])
    costs["attention_scores"] += Cost(activation_bytes=alike)
    return Costs(costs | {"total": sum(costs.values(), Cost())})


#: In the order of Cost's fields.
SHOWN = ("parameters", "macs", "kept", "backward")
