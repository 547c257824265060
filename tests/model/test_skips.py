import pytest
import torch

from dit_lite import DiT


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_a_new_model_computes_what_it_would_without_skips(tiny, alive, batch, depth):
    plain = alive(depth=depth)
    skipping = DiT(tiny(depth=depth, long_skips=True)).eval()
    missing = skipping.load_state_dict(plain.state_dict(), strict=False).missing_keys
    assert len(missing) == 2 * (depth // 2)
    torch.testing.assert_close(
        skipping(*batch(plain.config)), plain(*batch(plain.config))
    )


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_block_i_hands_its_tokens_to_block_L_1_i(alive, batch, depth):
    """Written once more with hooks: what enters a late block is the map of what left
    the block before it and of what left its partner.
    """
    model = alive(depth=depth, long_skips=True)
    entered, left = {}, {}

    def watch(i, block):
        def hook(_, inputs, output):
            entered[i], left[i] = inputs[0], output

        block.register_forward_hook(hook)

    for i, block in enumerate(model.blocks):
        watch(i, block)
    model(*batch(model.config))
    for late in range(depth - depth // 2, depth):
        early = depth - 1 - late
        torch.testing.assert_close(
            entered[late],
            model.skips.join[early](torch.cat([left[late - 1], left[early]], dim=-1)),
        )


def test_every_skip_learns(alive, batch):
    model = alive(depth=5, long_skips=True)
    model(*batch(model.config)).square().mean().backward()
    assert all(p.grad.abs().sum() > 0 for p in model.skips.parameters())
