"""Images in [-1,1], or latents in their autoencoder's units, and the units in which a
model sees them: the data at mean 0 and standard deviation 1.
"""

from torch import Tensor


def to_model_units(images: Tensor, config) -> Tensor:
    """Images, or latents, in the units in which a model of `config` sees them."""
    return (images - config.data_mean) / config.data_std


def to_images(x: Tensor, config) -> Tensor:
    """From the model's units to images in [-1,1], clipped, or to latents, which have no
    bounds.
    """
    images = x * config.data_std + config.data_mean
    return images if config.autoencoder else images.clamp(-1, 1)
