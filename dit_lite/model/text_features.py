"""From any text encoder to the features that a model takes: its embeddings and its
mask as one tensor.
"""

import torch
from torch import Tensor

from .conditions import PADDING


def text_features(embeddings: Tensor, mask: Tensor) -> Tensor:
    """Embeddings (B, M, E) of a text encoder, with padding as rows of zeros: what
    `condition="features"` reads.

    mask (B, M), bool or 0 and 1, is True where there is a token, like the
    `attention_mask` of transformers. Raises TypeError for embeddings that are not
    floats and a mask with other values, ValueError for a mask of another shape, one
    that is False throughout (for a text without tokens use the null, null_like),
    embeddings that are not finite where it is True, and a token of nothing but zeros,
    which would pass for padding.
    """
    if not isinstance(embeddings, Tensor) or not embeddings.is_floating_point():
        raise TypeError("embeddings are not a tensor of floats; pass (B, M, E)")
    if embeddings.ndim != 3:
        raise ValueError(
            f"embeddings have shape {tuple(embeddings.shape)}; pass one row of width E "
            "per token, (B, M, E), and not a pooled vector"
        )
    mask = torch.as_tensor(mask, device=embeddings.device)
    if mask.dtype != torch.bool:
        if mask.is_floating_point() or ((mask != 0) & (mask != 1)).any():
            raise TypeError(
                f"mask has dtype {mask.dtype} and values other than 0 and 1; pass True "
                "where there is a token"
            )
        mask = mask.bool()
    if mask.shape != embeddings.shape[:2]:
        B, M, _ = embeddings.shape
        raise ValueError(
            f"mask has shape {tuple(mask.shape)} for embeddings of {B} texts with {M} "
            f"tokens; pass ({B}, {M})"
        )
    if not mask.any(1).all():
        i = (~mask.any(1)).nonzero()[0].item()
        raise ValueError(
            f"the mask of text {i} is False throughout, so nothing could be looked at; "
            "give it a token, or pass the null, dit_lite.model.null_like, for no text"
        )
    y = embeddings.masked_fill(~mask[..., None], PADDING)
    if not y.isfinite().all():
        raise ValueError(
            "embeddings hold NaN or infinity where the mask is True; look at the "
            "encoder's output"
        )
    if (silent := mask & ~(y != PADDING).any(-1)).any():
        i, j = silent.nonzero()[0].tolist()
        raise ValueError(
            f"token {j} of text {i} has an embedding of zeros, which would pass for "
            "padding; mask it, or add a constant to all embeddings"
        )
    return y
