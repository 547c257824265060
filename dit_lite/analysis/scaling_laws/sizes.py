"""Which number is "the size" of a model? Exponents of scaling laws depend on it."""

from collections.abc import Callable

from ...config import DiTConfig, choose
from ...config.arguments import checked
from ..cost_table import model_values
from ..flops import flops

#: What counts as Psi. Embeddings are those of patches, positions, time and labels;
#: adaLN's matrices act once per image: a third of the parameters, 0.2 % of the work.
COUNTS: dict[str, Callable[[dict], float]] = {
    "all": lambda v: v["parameters"],
    "without_embeddings": lambda v: v["parameters"] - _embeddings(v),
    "without_adaln": lambda v: v["parameters"] - _embeddings(v) - v["modulation"],
    "macs": lambda v: v["macs"],
}


def _embeddings(values: dict) -> float:
    names = ("patch_embedding", "position", "time_embedding", "condition")
    return sum(values[f"{name}_parameters"] for name in names)


@checked
def model_size(config: DiTConfig, counts: str = "all") -> int:
    """The size of a model: "all" parameters, those "without_embeddings", those
    "without_adaln" either, or "macs", the multiply-adds of a forward pass of one image.

    Kaplan et al. (2001.08361 sec. 1.3) leave embeddings out; Peebles and Xie
    (2212.09748 fig. 8) find that multiply-adds order DiTs, and parameters do not.
    Raises ConfigError for another name.
    """
    choose("counts", counts, COUNTS)
    return round(COUNTS[counts](model_values(config)))


def flops_per_image(config: DiTConfig) -> int:
    """Floating-point operations of training on one image: forward and backward, a
    multiply-add being two.
    """
    total = flops(config)["total"]
    return 2 * (total.macs + total.backward_macs)
