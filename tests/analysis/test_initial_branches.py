import dataclasses
import math

import numpy as np
import pytest
import torch

from dit_lite import DiT, DiTConfig
from dit_lite.analysis.zero_init import READINGS, initial_branches, set_modulation

CONFIG = DiTConfig(image_size=6, width=16, heads=2, depth=2)
N, D = CONFIG.tokens, CONFIG.width
IMAGE = torch.rand(1, 6, 6, generator=torch.Generator().manual_seed(1)) * 2 - 1
LITERAL, ORDINARY, GATED = READINGS


@pytest.fixture(scope="module")
def found():
    return initial_branches(CONFIG, IMAGE)


def fresh(reading: str, seed: int = 0) -> DiT:
    """The same weights as in `initial_branches`, in a model with the reading's own
    kind of block.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        source = DiT(dataclasses.replace(CONFIG, conditioning="adaln_zero"))
    conditioning, scale, shift = READINGS[reading]
    model = DiT(dataclasses.replace(CONFIG, conditioning=conditioning))
    model.load_state_dict(
        {k: v for k, v in source.state_dict().items() if ".modulation." not in k},
        strict=False,
    )
    set_modulation(model, scale, shift)
    return model


def condition(model: DiT):
    return model.condition(torch.tensor([0.3]), torch.tensor([4]))


def test_shapes_and_starts(found):
    assert found.tokens.shape == (N, D)
    assert (
        list(found.branches)
        == list(found.starts)
        == list(found.sensitivities)
        == list(READINGS)
    )
    assert all(
        branch.shape == (N, D) and branch.dtype == np.float32
        for branch in found.branches.values()
    )
    assert found.starts == {
        LITERAL: (0.0, 1.0, 1.0),
        ORDINARY: (1.0, 0.0, 1.0),
        GATED: (1.0, 0.0, 0.0),
    }


def test_read_literally_every_token_gets_the_same_answer_and_nothing_of_it_depends_on_the_image(
    found,
):
    branch = found.branches[LITERAL]
    assert (branch == branch[0]).all()
    assert np.abs(branch).max() > 0.1, (
        "a constant is added: the block is not the identity"
    )
    assert found.sensitivities[LITERAL] == 0.0
    np.testing.assert_array_equal(
        initial_branches(CONFIG, -IMAGE).branches[LITERAL], branch
    )


def test_a_zero_gate_holds_back_an_ordinary_branch(found):
    np.testing.assert_array_equal(found.branches[GATED], found.branches[ORDINARY])
    assert found.sensitivities[GATED] == found.sensitivities[ORDINARY] > 0
    assert np.ptp(found.branches[ORDINARY], axis=0).max() > 0.01


def test_the_arrays_are_those_of_the_blocks(found):
    for reading in READINGS:
        model = fresh(reading)
        block = model.blocks[0]
        x = torch.from_numpy(found.tokens)[None]
        torch.testing.assert_close(model.position.add(model.embed(IMAGE[None])), x)
        gate = READINGS[reading].gate
        with torch.no_grad():
            if reading == GATED:
                assert torch.equal(block(x, condition(model)), x), (
                    "with both branches the block is the identity, exactly"
                )
            # the block without its other branch
            block.attention.out.weight.zero_(), block.attention.out.bias.zero_()
            changed = block(x, condition(model))
            torch.testing.assert_close(
                changed[0].numpy(),
                found.tokens + gate * found.branches[reading],
                atol=1e-5,
                rtol=1e-5,
            )


def test_sensitivity_is_the_mean_stretch_of_a_small_change(found):
    block = fresh(ORDINARY).double().blocks[0]
    x = torch.from_numpy(found.tokens)[None].double()

    def answer(tokens):
        return block.mlp(block.norm2(tokens))

    change = (
        torch.randn(
            400, N, D, generator=torch.Generator().manual_seed(0), dtype=torch.float64
        )
        * 1e-5
    )
    with torch.no_grad():
        stretched = (answer(x + change) - answer(x)).flatten(1).norm(
            dim=1
        ) / change.flatten(1).norm(dim=1)
    assert math.sqrt(stretched.square().mean()) == pytest.approx(
        found.sensitivities[ORDINARY], rel=0.05
    )


def test_the_global_generator_is_left_alone_and_the_seed_decides():
    before = torch.get_rng_state()
    first, again, other = (
        initial_branches(CONFIG, IMAGE, seed=seed) for seed in (0, 0, 1)
    )
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(first.branches[ORDINARY], again.branches[ORDINARY])
    assert not np.array_equal(first.branches[ORDINARY], other.branches[ORDINARY])


def test_errors_name_the_argument():
    with pytest.raises(
        ValueError, match=r"image has shape \(1, 1, 6, 6\); expected \(1, 6, 6\)"
    ):
        initial_branches(CONFIG, IMAGE[None])
