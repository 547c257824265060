"""A model without error: the exact prediction for data drawn from a mixture of
Gaussians. It can take a network's place in every sampler.
"""

import torch
from torch import Tensor, nn

from ..config import DiTConfig
from .paths import PATHS


class GaussianMixture(nn.Module):
    """`model(x, t, y)` = E[x0 | x_t, class y], over all classes where y = K, for
    components N(mean, covariance), each of one class.

    means (J, C, H, H); covariances (J, d, d) with d = CHH, positive definite; classes
    (J,) int64 in 0..K-1; shares (J,) of the data, equal if None. Its samples differ
    from the data only by the error of the sampler's steps, so that the effect of
    guidance can be told apart from a network's errors. Raises ValueError for
    shapes that do not fit, and for a covariance that is not positive definite.
    """

    def __init__(
        self,
        means: Tensor,
        covariances: Tensor,
        classes: Tensor,
        shares: Tensor | None = None,
        path: str = "linear",
    ):
        super().__init__()
        J, C, H = means.shape[:3]
        d = means[0].numel()
        shares = torch.ones(J) if shares is None else shares
        if (
            covariances.shape != (J, d, d)
            or classes.shape != (J,)
            or shares.shape != (J,)
            or means.shape != (J, C, H, H)
        ):
            raise ValueError(
                f"means {tuple(means.shape)}, covariances "
                f"{tuple(covariances.shape)}, classes {tuple(classes.shape)} and "
                f"shares {tuple(shares.shape)} "
                "do not fit; expected (J, C, H, H), (J, d, d) with d = CHH, "
                "(J,) and (J,)"
            )
        values, vectors = torch.linalg.eigh(covariances.double())
        if values.min() <= 0:
            raise ValueError(
                f"a covariance has the eigenvalue {values.min().item():.3g}; "
                "expected all above 0"
            )
        parts = (
            means.double().flatten(1),
            values,
            vectors,
            (shares.double() / shares.sum()).log(),
        )
        self.means, self.values, self.vectors, self.log_shares = (
            nn.Parameter(v, requires_grad=False) for v in parts
        )
        self.register_buffer("classes", classes)
        self.config = DiTConfig(
            image_size=H,
            channels=C,
            patch_size=1,
            num_classes=int(classes.max()) + 1,
            path=path,
            objective="x0",
        )

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """The mean image given x: x (B, C, H, H), t (B,), y (B,) -> (B, C, H, H)."""
        a, s = (v[:, None, None] for v in PATHS[self.config.path].alpha_sigma(t))
        log_weights, z, variance = self._components(x, a, s, y)
        shift = torch.einsum(
            "jdk,bjk->bjd", self.vectors, a * self.values / variance * z
        )
        return (
            torch.einsum("bj,bjd->bd", log_weights.softmax(1), self.means + shift)
            .view_as(x)
            .to(x.dtype)
        )

    def log_density(self, x: Tensor, y: Tensor) -> Tensor:
        """log p(x | y) of images x (B, C, H, H), log p(x) where y = K: (B,), natural
        logarithm.
        """
        one = torch.ones(1, 1, 1, dtype=torch.float64, device=x.device)
        log_joint, _, _ = self._components(x, one, 0 * one, y)
        prior = torch.where(self._of(y), self.log_shares, -torch.inf).logsumexp(1)
        return log_joint.logsumexp(1) - prior

    def _of(self, y: Tensor) -> Tensor:
        """Which components belong to y: (B, J) bool."""
        return (self.classes == y[:, None]) | (y[:, None] == self.config.num_classes)

    def _components(
        self, x: Tensor, a: Tensor, s: Tensor, y: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """log of share times density of x in each component (B, J), x in its axes
        (B, J, d), and the variances there.
        """
        z = torch.einsum(
            "bjd,jdk->bjk",
            x.double().flatten(1)[:, None] - a * self.means,
            self.vectors,
        )
        variance = a**2 * self.values + s**2
        log_normal = -0.5 * (z**2 / variance + (2 * torch.pi * variance).log()).sum(-1)
        return (
            torch.where(self._of(y), log_normal + self.log_shares, -torch.inf),
            z,
            variance,
        )
