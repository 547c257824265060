"""The best possible denoiser of a finite set of images: an average of them, weighted by a softmax. It exists in closed form."""

from __future__ import annotations

import torch
from torch import Tensor

from .guidance import Prediction
from .paths import Path


class ExactDenoiser:
    """E[x0 | x_t] when x0 is one of `images` (n, C, H, W), each as likely as the other: what infinite training would arrive at.

    Called as (x, t) like `Denoiser`, it can be given to any sampler. `weights` are softmax(-|x_t - a x0_i|^2 / 2 s^2), which is softmax
    attention with the noisy image as query and the data as keys and values. Source: 2206.00364 app. B.3.
    """

    def __init__(self, images: Tensor, path: Path):
        self.images, self.path = images.double(), path

    def weights(self, x: Tensor, t: float) -> Tensor:
        """How likely each of the n images is to be behind x (B, C, H, W) at time t: (B, n), rows sum to 1."""
        a, s = (v.item() for v in self.path.alpha_sigma(torch.tensor(t, dtype=torch.float64)))
        distance = torch.cdist(x.double().flatten(1), a * self.images.flatten(1), compute_mode="donot_use_mm_for_euclid_dist")
        return (-(distance**2) / (2 * s * s)).softmax(1)

    def __call__(self, x: Tensor, t: float) -> Prediction:
        a, s = (v.item() for v in self.path.alpha_sigma(torch.tensor(t, dtype=torch.float64)))
        x0 = torch.einsum("bn,nchw->bchw", self.weights(x, t), self.images).to(x.dtype)
        return Prediction(x0, (x - a * x0) / s)
