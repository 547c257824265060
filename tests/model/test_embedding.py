import math

import torch

from dit_lite.model import ConditionEmbedding, time_features


def test_time_features_are_cosines_then_sines_of_a_thousand_t():
    t = torch.tensor([0.0, 0.25, 1.0])
    expected = torch.zeros(3, 256, dtype=torch.float64)
    for b, value in enumerate(t.tolist()):
        for j in range(128):
            angle = 1000 * value / 10_000 ** (j / 128)
            expected[b, j], expected[b, 128 + j] = math.cos(angle), math.sin(angle)
    torch.testing.assert_close(time_features(t).double(), expected, rtol=0, atol=1e-4)


def test_the_context_holds_time_and_class_and_their_sum(tiny):
    embedding = ConditionEmbedding(tiny())
    t, y = torch.tensor([0.3, 0.7]), torch.tensor([2, 3])
    vector, tokens, mask, *rest, pooled = embedding(t, y)
    assert mask is None
    assert rest == [(), None, None, 0]  # what the model adds
    torch.testing.assert_close(vector, embedding.time(t) + pooled)
    assert torch.equal(tokens[:, 0], embedding.time(t))
    assert torch.equal(tokens[:, 1], embedding.label.weight[y])
    assert torch.equal(vector, tokens[:, 0] + tokens[:, 1])


def test_only_a_model_with_a_null_class_has_a_row_for_it(tiny):
    assert ConditionEmbedding(tiny(null_class=True)).label.weight.shape == (4, 16)
    assert ConditionEmbedding(tiny(null_class=False)).label.weight.shape == (3, 16)
