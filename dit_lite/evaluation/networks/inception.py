"""Inception-v3 as FID uses it: the 2015 TensorFlow network with its own resizing,
through torch-fidelity.
"""

from pathlib import Path
from urllib.error import URLError

import torch
from torch import Tensor, nn

from ...data.pixels import to_bytes
from ...files.environment import data_root

WEIGHTS = "weights-inception-2015-12-05-6726825d.pth"
URL = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{WEIGHTS}"


class Inception(nn.Module):
    """Features (B, 2048) and logits without bias (B, 1008), as FID and the Inception
    score use them, of images (B, 3, H, W) in [-1,1].

    Images are rounded to bytes and resized to 299x299 as in the original, since any
    other way changes FID (2104.11222). `weights` is a file, by default the one that
    torch-fidelity publishes, downloaded to the data root. Raises ImportError without
    torch-fidelity, FileNotFoundError when there is no such file or no network,
    ValueError when the file holds something else. Source: 1512.00567, 1706.08500.
    """

    def __init__(self, weights: str | Path | None = None):
        super().__init__()
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import (
                FeatureExtractorInceptionV3,
            )
        except ImportError:
            raise ImportError(
                "it needs torch-fidelity: pip install torch-fidelity"
            ) from None
        path = _download() if weights is None else Path(weights)
        _check(path)
        try:
            self.network = FeatureExtractorInceptionV3(
                "inception-v3-compat",
                ["2048"],
                feature_extractor_weights_path=str(path),
            )
        except (RuntimeError, TypeError) as error:
            raise ValueError(
                f"{path} does not hold weights of this Inception-v3 "
                f"({str(error).splitlines()[0]}); download {URL}"
            ) from None

    def features(self, images: Tensor) -> Tensor:
        """The features that FID uses: (B, 3, H, W) in [-1,1] -> (B, 2048)."""
        return self.network(to_bytes(images))[0]

    def head(self, features: Tensor) -> Tensor:
        """(B, 2048) -> logits (B, 1008) without the bias, as the original Inception
        score does.
        """
        return features @ self.network.fc.weight.T


def _download() -> Path:
    path = data_root() / "inception" / WEIGHTS
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(
                URL, str(path), hash_prefix=path.stem.rsplit("-", 1)[1]
            )
        except (URLError, OSError, RuntimeError) as error:
            raise FileNotFoundError(
                f"the weights of inception-v3 could not be downloaded ({error}); "
                f"put {URL} at {path}"
            ) from None
    return path


def _check(path: Path) -> None:
    """Check that a file holds only tensors: torch-fidelity unpickles whatever it is
    given, so anything else is refused first.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there are no weights at {path}; download {URL}")
    try:
        torch.load(path, weights_only=True, mmap=True)
    except Exception as error:  # a damaged archive raises whatever it stumbles over
        raise ValueError(
            f"{path} does not hold weights of Inception-v3 "
            f"({str(error).splitlines()[0]}); download {URL}"
        ) from None
