"""How an image becomes noise: x_t = a(t) x0 + s(t) eps, with t from 0 (data) to 1
(noise).
"""

import math

import torch
from torch import Tensor


def expand(value: Tensor, x: Tensor) -> Tensor:
    """One value per image, (B,), or a scalar, shaped to multiply images x (B, C, H, W),
    in the dtype of x.
    """
    return value.to(x.dtype).reshape(-1, *[1] * (x.ndim - 1))


class Path:
    """The two coefficients of a path and their derivatives; all take and return tensors
    of t, computed in float64.

    `first` and `last` are the times at which a sampler starts and ends.
    """

    first, last = 1.0, 0.0

    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """a(t) and s(t), the shares of image and noise."""
        raise TypeError(f"{type(self).__name__} must define a(t) and s(t)")

    def derivative(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """da/dt and ds/dt."""
        raise TypeError(f"{type(self).__name__} must define da/dt and ds/dt")

    def mix(self, x0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
        """The noisy image x_t = a x0 + s eps: x0 and eps (B, C, H, W), t (B,)."""
        a, s = self.alpha_sigma(t)
        return expand(a, x0) * x0 + expand(s, x0) * eps

    def log_snr(self, t: Tensor) -> Tensor:
        """log(a^2/s^2), the signal-to-noise ratio: +inf for an image, -inf for pure
        noise (2107.00630 eq. 3).
        """
        a, s = self.alpha_sigma(t)
        return 2 * (a.log() - s.log())


class Linear(Path):
    """The straight line of flow matching, a = 1-t, s = t.

    Source: 2210.02747, 2209.03003.
    """

    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        t = t.double()
        return 1 - t, t

    def derivative(self, t: Tensor) -> tuple[Tensor, Tensor]:
        one = torch.ones_like(t, dtype=torch.float64)
        return -one, one


class Cosine(Path):
    """A quarter of a circle, a = cos(pi t/2), s = sin(pi t/2): a^2 + s^2 = 1
    (2102.09672 without its offset).
    """

    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        angle = t.double() * (math.pi / 2)
        a = torch.where(t == 1, torch.zeros_like(angle), angle.cos())
        return a, angle.sin()

    def derivative(self, t: Tensor) -> tuple[Tensor, Tensor]:
        a, s = self.alpha_sigma(t)
        return -s * (math.pi / 2), a * (math.pi / 2)


class DDPM(Path):
    """1,000 steps of variance beta_i from 1e-4 to 0.02 (2006.11239 sec. 4), as used by
    DiT.

    Step i of the released code, which counts from 0, is t = i/1000; log(a^2) is linear
    between the steps. The paper's clean image is one step before its first, so a
    sampler starts at t = 0.999 and ends at t = -0.001.
    """

    first, last = 0.999, -0.001
    steps = 1000

    def __init__(self):
        betas = torch.linspace(1e-4, 0.02, self.steps, dtype=torch.float64)
        betas = torch.cat([betas, betas[-1:]])  # one more, so that t = 1 is defined
        self.tables: dict[torch.device, Tensor] = {}
        # entry i+1 belongs to step i
        self.log_alpha2 = torch.cat(
            [torch.zeros(1, dtype=torch.float64), (1 - betas).log().cumsum(0)]
        )

    def _interpolate(self, t: Tensor) -> tuple[Tensor, Tensor]:
        table = self.tables.get(t.device)
        # copied once: a copy in every training step would make each wait for the GPU
        if table is None:
            table = self.tables[t.device] = self.log_alpha2.to(t.device)
        place = t.double() * self.steps + 1
        nearest = place.round()
        # float32 i/1000 is step i itself
        place = torch.where((place - nearest).abs() < 1e-3, nearest, place)
        low = place.floor().long().clamp(0, self.steps)
        slope = table[low + 1] - table[low]
        return table[low] + (place - low) * slope, slope * self.steps

    def alpha_sigma(self, t: Tensor) -> tuple[Tensor, Tensor]:
        log_alpha2, _ = self._interpolate(t)
        return (log_alpha2 / 2).exp(), (-torch.expm1(log_alpha2)).sqrt()

    def derivative(self, t: Tensor) -> tuple[Tensor, Tensor]:
        log_alpha2, slope = self._interpolate(t)
        a, s = self.alpha_sigma(t)
        return a * slope / 2, -log_alpha2.exp() * slope / (2 * s)


PATHS = {"linear": Linear(), "cosine": Cosine(), "ddpm": DDPM()}
