"""Published laws.

n counts tokens in laws for language models, and images in laws for image models.
"""

from dataclasses import dataclass

from .law import Curve

#: Hoffmann et al., 2203.15556, sec. 3.3 and eq. 10, as printed.
HOFFMANN = Curve(E=1.69, A=406.4, alpha=0.34, B=410.7, beta=0.28)
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
