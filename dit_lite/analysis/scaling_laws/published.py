"""Published laws, and points to refit them with.

n counts tokens in laws for language models, and images in laws for image models.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .law import Curve
from .points import ScalingError

#: Hoffmann et al., 2203.15556, sec. 3.3 and eq. 10, as printed.
HOFFMANN = Curve(E=1.69, A=406.4, alpha=0.34, B=410.7, beta=0.28)
#: The same with the exponents of the paper's source, which were rounded for print
#: (Besiroglu et al., 2404.10102, sec. 3).
HOFFMANN_UNROUNDED = Curve(E=1.69, A=406.4, alpha=0.3392, B=410.7, beta=0.2849)
#: The interval of the allocation exponent that they report (table 2, third approach,
#: 10th to 90th percentile).
HOFFMANN_INTERVAL = (0.454, 0.455)
#: Besiroglu et al., 2404.10102: the third approach on points read from the figures.
BESIROGLU = Curve(E=1.8172, A=482.01, alpha=0.3478, B=2085.43, beta=0.3658)


@dataclass(frozen=True)
class PowerLaw:
    """y = factor C^exponent, C in FLOPs."""

    factor: float
    exponent: float

    def __call__(self, compute: float) -> float:
        return self.factor * compute**self.exponent


#: Liang et al., 2410.08184: text-to-image DiTs, 1e17 to 6e18 FLOPs. The best size, the
#: best number of training tokens, the loss there, and the Fréchet distance of CLIP
#: features.
LIANG = {
    "parameters": PowerLaw(0.0009, 0.5681),
    "tokens": PowerLaw(186.8535, 0.4319),
    "loss": PowerLaw(2.3943, -0.0273),
    "FID": PowerLaw(2.2566e6, -0.234),
}


def read_points(
    path: str | Path,
    parameters: str = "Model Size",
    loss: str = "loss",
    images: str | None = "Training Tokens",
    compute: str | None = "Training FLOP",
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sizes, numbers of tokens (or images) and losses, each (m,), from a CSV file with
    a header, such as the one beside Besiroglu et al.'s paper.

    Where the column `images` is missing, n is compute / (6 Psi). Raises
    FileNotFoundError, and ScalingError for columns that are missing or not numeric.
    """
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise ScalingError(f"{path} holds no points")

    def column(name: str) -> np.ndarray:
        try:
            return np.array([float(row[name]) for row in rows])
        except KeyError:
            raise ScalingError(
                f"{path} has no column {name!r}; it has: {', '.join(rows[0])}"
            ) from None
        except (TypeError, ValueError) as error:
            raise ScalingError(f"{path}, column {name!r}: {error}") from None

    size = column(parameters)
    if images in rows[0]:
        return size, column(images), column(loss)
    return size, column(compute) / (6 * size), column(loss)
