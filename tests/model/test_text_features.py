"""Any text encoder can speak to a model; the stand-in here is a fixed random vector per
word, mixed with its neighbours as an encoder would.
"""

import pytest
import torch

from dit_lite import sample
from dit_lite.diffusion import diffusion_loss
from dit_lite.model import DiT, drop, null_like, text_features

E, M = 12, 4
CAPTIONS = ["dark", "light", "dark picture", "light picture"]


def stand_in(captions: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings (B, M, E) and the mask (B, M) of an encoder that was never trained."""
    names = sorted({word for one in CAPTIONS for word in one.split()})
    table = torch.randn(len(names), E, generator=torch.Generator().manual_seed(0))
    embeddings, mask = torch.ones(len(captions), M, E), torch.zeros(len(captions), M)
    for i, caption in enumerate(captions):
        rows = torch.stack([table[names.index(word)] for word in caption.split()])
        embeddings[i, : len(rows)] = rows + rows.mean(0)
        mask[i, : len(rows)] = 1
    return embeddings, mask.bool()


def test_features_train_sample_and_guide_end_to_end(tiny):
    """Dark and light pictures are learnt from the features alone."""
    config = tiny(
        condition="features", feature_width=E, caption_length=M, width=32,
        conditioning="adaln_zero_cross",
    )  # fmt: skip
    torch.manual_seed(0)
    model, g = DiT(config), torch.Generator().manual_seed(1)
    y = text_features(*stand_in(CAPTIONS)).repeat(8, 1, 1)
    level = torch.tensor([-0.7, 0.7, -0.7, 0.7]).repeat(8)[:, None, None, None]
    optimiser = torch.optim.AdamW(model.parameters(), 4e-3)
    for _ in range(150):
        x0 = (level + 0.1 * torch.randn(32, 1, 8, 8, generator=g)).clamp(-1, 1)
        given = drop(config, y, torch.rand(32, generator=g) < 0.15)
        t, eps = torch.rand(32, generator=g), torch.randn(x0.shape, generator=g)
        diffusion_loss(model, x0, given, t, eps).mean().backward()
        optimiser.step()
        optimiser.zero_grad()
    model.eval()
    asked = text_features(*stand_in(["dark picture", "light"]))
    for guidance in (1.0, 2.0):
        drawn = sample(model, asked, steps=8, guidance=guidance).mean((1, 2, 3))
        assert drawn[0] < -0.3
        assert drawn[1] > 0.3
    free = sample(model, null_like(config, asked), steps=8, guidance=1.0)
    assert free.isfinite().all()


def test_padding_of_the_encoder_plays_no_part(alive):
    model = alive(
        condition="features", feature_width=E, caption_length=M,
        conditioning="adaln_zero_cross",
    )  # fmt: skip
    embeddings, mask = stand_in(CAPTIONS)
    x, t = torch.randn(4, 1, 8, 8), torch.rand(4)
    answer = model(x, t, text_features(embeddings, mask))
    embeddings[~mask] = torch.nan  # an encoder may leave anything there
    assert torch.equal(model(x, t, text_features(embeddings, mask.long())), answer)


TEXTS = torch.ones(2, 3, 5)
TRUE = torch.ones(2, 3, dtype=torch.bool)
LAST = torch.tensor([[True] * 3, [False] * 3])
ZERO = TEXTS * torch.tensor([1.0, 0.0, 1.0])[:, None]


@pytest.mark.parametrize(
    ("embeddings", "mask", "error", "words"),
    [
        (TEXTS, TRUE[:, :2], ValueError, r"mask has shape \(2, 2\) .*pass \(2, 3\)"),
        (TEXTS, LAST, ValueError, "text 1 is False throughout"),
        (TEXTS, TRUE * 2, TypeError, "other than 0 and 1"),
        (TEXTS[:, 0], TRUE, ValueError, "not a pooled vector"),
        (TEXTS.long(), TRUE, TypeError, "not a tensor of floats"),
        (TEXTS * torch.nan, TRUE, ValueError, "NaN or infinity"),
        (ZERO, TRUE, ValueError, "token 1 of text 0 has an embedding of zeros"),
    ],
)
def test_a_wrong_mask_or_embedding_is_named(embeddings, mask, error, words):
    with pytest.raises(error, match=words):
        text_features(embeddings, mask)
