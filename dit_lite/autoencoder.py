"""From pictures to latents and back, with an autoencoder of the diffusers library,
which this package does not contain.
"""

import contextlib
import os
from collections.abc import Iterator

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from .files.writing import CheckpointError

#: What the DiT paper's released models draw latents of, and the scale that brings those
#: to a standard deviation near 1 (2212.09748 sec. 4; 2112.10752 app. G).
PAPER, PAPER_SCALE = "stabilityai/sd-vae-ft-ema", 0.18215
NEEDED = "pip install 'dit-lite[latents]'"


class Autoencoder:
    """An autoencoder of diffusers behind two functions, in eval mode.

    `name` is a directory with config.json and diffusion_pytorch_model.safetensors, or
    a name on the Hugging Face hub, which is downloaded. A model sees latents as
    (z - `shift`) * `scale`. Raises FileNotFoundError without diffusers or without such
    a model, CheckpointError for one that cannot be read. Nothing is unpickled.
    """

    def __init__(self, name: str | os.PathLike, device: str | torch.device = "cpu"):
        self.name, self.device = os.fspath(name), torch.device(device)
        self.network = opened(self.name).to(self.device).eval().requires_grad_(False)
        config = self.network.config
        self.scale = float(config.get("scaling_factor") or 1.0)
        self.shift = float(config.get("shift_factor") or 0.0)
        self.channels = int(config.get("in_channels", 3))
        with torch.no_grad():
            one = torch.zeros(1, self.channels, 64, 64)
            self.latent_channels, side = self.encode(one).shape[1:3]
        #: Pixels along a cell of the latent.
        self.factor = 64 // side

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Latents (B, c, H/f, W/f) in the autoencoder's own units of images (B, C, H,
        W) in [-1,1]. Of an encoder that gives a distribution it is the mean, so that
        the same picture has the same latent.
        """
        found = self.network.encode(images.to(self.device))
        if hasattr(found, "latent_dist"):
            return found.latent_dist.mode()
        return found.latents

    @torch.no_grad()
    def decode(self, latents: Tensor, batch_size: int = 8) -> Tensor:
        """Images (B, C, H, W) in [-1,1] of latents in the autoencoder's own units."""
        parts = (
            self.network.decode(part.to(self.device)).sample.clamp(-1, 1)
            for part in latents.split(batch_size)
        )
        return torch.cat(list(parts))


def opened(name: str) -> nn.Module:
    """The network of diffusers; errors as in `Autoencoder`."""
    try:
        import diffusers
    except ImportError:
        raise FileNotFoundError(
            f"the autoencoder {name!r} needs diffusers: {NEEDED}"
        ) from None
    here = os.path.isdir(name)
    with quiet(diffusers):
        try:
            config = diffusers.AutoencoderKL.load_config(name, local_files_only=here)
            kind = getattr(diffusers, str(config.get("_class_name")), None)
            if kind is None or not hasattr(kind, "decode"):
                raise CheckpointError(
                    f"{name!r} holds a {config.get('_class_name')}, which is no "
                    "autoencoder of this version of diffusers; name one, such as "
                    f"{PAPER}"
                )
            return kind.from_pretrained(
                name, local_files_only=here, use_safetensors=True
            )
        except CheckpointError:
            raise
        except OSError as error:
            raise FileNotFoundError(
                f"no autoencoder {name!r} ({shortened(error)}); give a "
                "directory with config.json and diffusion_pytorch_model.safetensors, "
                f"or a name on the Hugging Face hub such as {PAPER}, which needs the "
                "network once"
            ) from None
        except (ValueError, RuntimeError, TypeError, SafetensorError) as error:
            raise CheckpointError(
                f"the autoencoder {name!r} cannot be read ({shortened(error)}); use "
                "another copy"
            ) from None


def shortened(error: Exception) -> str:
    """What a library says, in one line."""
    return " ".join(str(error).split())[:160] or type(error).__name__


@contextlib.contextmanager
def quiet(diffusers) -> Iterator[None]:
    """Without the library's own remarks and bars."""
    logging = diffusers.utils.logging
    before = logging.get_verbosity()
    logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        logging.set_verbosity(before)
