"""Power by spatial frequency, averaged over directions: why a diffusion model draws
coarse structure before fine detail.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ...config.arguments import checked


class Spectrum(NamedTuple):
    """`frequency` (R,) in cycles per image, 0 to H/2; `power` (R,) in squared units of
    the images; white noise of variance s^2 has power s^2 throughout.
    """

    frequency: Tensor
    power: Tensor


@checked
def radial_spectrum(images: Tensor) -> Spectrum:
    """Mean power of images (n, C, H, H) at each whole frequency, averaged over rings of
    width 1, images and channels, in float64.

    The corners beyond H/2 cycles, which no complete ring covers, are left out. Raises
    ValueError for images that are not square or hold NaN. Source: Torralba and Oliva
    2003; for diffusion, 2206.13397.
    """
    if images.ndim != 4 or images.shape[2] != images.shape[3] or 0 in images.shape:
        raise ValueError(
            f"images have shape {tuple(images.shape)}; expected (n, C, H, H)"
        )
    if not images.isfinite().all():
        raise ValueError(
            "images hold NaN or infinity; leave them out with `finite`, which "
            "counts them"
        )
    size = images.shape[-1]
    # (H, H)
    power = torch.fft.fft2(images.double(), norm="ortho").abs().square().mean((0, 1))
    axis = torch.fft.fftfreq(size, 1 / size, dtype=torch.float64, device=images.device)
    ring = (axis[:, None].square() + axis.square()).sqrt().round().long().flatten()
    count = torch.bincount(ring)[: size // 2 + 1]
    return Spectrum(
        torch.arange(size // 2 + 1),
        torch.bincount(ring, power.flatten())[: size // 2 + 1] / count,
    )


@checked
def visible_frequency(
    spectrum: Spectrum, alpha: float | Tensor, sigma: float | Tensor
) -> Tensor:
    """The frequency in cycles per image up to which x_t = alpha x0 + sigma eps has more
    image power than noise power: alpha^2 power > sigma^2.

    alpha, sigma: floats or (T,). Returns () or (T,) float64, interpolating log power
    linearly between rings; 0 when noise hides all but the mean, H/2 when nothing is
    hidden. For a falling spectrum it falls with t; a white one has no such frequency,
    and it jumps from H/2 to 0.
    """
    alpha, sigma = (
        torch.as_tensor(v, dtype=torch.float64)
        for v in torch.broadcast_tensors(torch.as_tensor(alpha), torch.as_tensor(sigma))
    )
    # (..., R) log SNR
    excess = (
        spectrum.power.clamp(min=1e-300).log()
        + 2 * (alpha.log() - sigma.log())[..., None]
    )
    hidden = torch.cat(
        [excess[..., 1:] <= 0, torch.ones_like(excess[..., :1], dtype=torch.bool)], -1
    )
    # the ring before the first hidden one, frequency 0 set aside
    first = hidden.int().argmax(-1)
    here = excess.gather(-1, first[..., None])[..., 0]
    there = excess.gather(-1, (first + 1).clamp(max=excess.shape[-1] - 1)[..., None])[
        ..., 0
    ]
    part = torch.where(
        (here > 0) & (there <= 0) & here.isfinite() & there.isfinite(),
        here / (here - there),
        torch.zeros_like(here),
    )
    return first + part
