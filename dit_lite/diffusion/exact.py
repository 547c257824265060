"""Denoisers in closed form: the best possible one for a finite set of images, and the
best linear one.
"""

import torch
from torch import Tensor, nn

from .guidance import Prediction
from .objectives import convert
from .paths import PATHS, Path


class ExactDenoiser:
    """E[x0 | x_t] when x0 is one of `images` (n, C, H, W), all equally likely: what
    unlimited training would converge to.

    It is called as (x, t), like `Denoiser`, so any sampler accepts it. `weights` are
    softmax(-|x_t - a x0_i|^2 / 2 s^2), which is softmax attention with the noisy image
    as query and the data as keys and values. Source: 2206.00364 app. B.3.
    """

    def __init__(self, images: Tensor, path: Path):
        self.images, self.path = images.double(), path

    def weights(self, x: Tensor, t: float) -> Tensor:
        """The probability that x (B, C, H, W) at time t was made from each of the n
        images: (B, n), rows sum to 1.
        """
        a, s = (
            v.item()
            for v in self.path.alpha_sigma(torch.tensor(t, dtype=torch.float64))
        )
        distance = torch.cdist(
            x.double().flatten(1),
            a * self.images.flatten(1),
            compute_mode="donot_use_mm_for_euclid_dist",
        )
        return (-(distance**2) / (2 * s * s)).softmax(1)

    def __call__(self, x: Tensor, t: float) -> Prediction:
        a, s = (
            v.item()
            for v in self.path.alpha_sigma(torch.tensor(t, dtype=torch.float64))
        )
        x0 = torch.einsum("bn,nchw->bchw", self.weights(x, t), self.images).to(x.dtype)
        return Prediction(x0, (x - a * x0) / s)


class LinearDenoiser(nn.Module):
    """The best denoiser that is linear in x_t (plus a constant): what a network must
    beat to have learned more than means and correlations.

    `images` (n, C, H, W) in the units of a model, `config` that model's configuration,
    whose path and objective it uses, so that it takes the model's place in a loss. E[x0
    | x_t] = m + a S (a^2 S + s^2)^-1 (x_t - a m) for images with mean m and covariance
    S, which is the Wiener filter, and exact if images were Gaussian. With `labels` (n,)
    m is the mean of the given class, and S the covariance about these means.
    """

    def __init__(self, images: Tensor, config, labels: Tensor | None = None):
        super().__init__()
        self.config = config
        flat = images.double().flatten(1)
        group = torch.zeros(len(flat), dtype=torch.long) if labels is None else labels
        mean = torch.stack(
            [flat[group == k].mean(0) for k in range(int(group.max()) + 1)]
        )
        rest = flat - mean[group]
        values, vectors = torch.linalg.eigh(rest.T @ rest / len(rest))
        self.mean, self.values, self.vectors = (
            nn.Parameter(v.float(), requires_grad=False)
            for v in (mean, values.clamp(min=0), vectors)
        )

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        """Its prediction of the configuration's target: x (B, C, H, W), t (B,),
        classes y (B,), which are used only if it was made with labels.
        """
        path = PATHS[self.config.path]
        a, s = (v.float()[:, None] for v in path.alpha_sigma(t.double()))
        mean = self.mean[y] if len(self.mean) > 1 else self.mean
        share = a * self.values / (a**2 * self.values + s**2)
        x0 = (
            mean + (share * ((x.flatten(1) - a * mean) @ self.vectors)) @ self.vectors.T
        )
        return convert(x0.view_as(x), "x0", self.config.objective, path, x, t)
