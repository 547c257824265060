import copy

import pytest
import torch
import torch.nn.functional as F

from dit_lite import DiT
from dit_lite.model.layout import LAYOUT, by_head, upgrade


def test_by_head_puts_a_head_together():
    rows = torch.arange(3 * 2 * 4)  # queries 0-7, keys 8-15, values 16-23; two heads
    expected = [*range(4), *range(8, 12), *range(16, 20)]
    assert by_head(rows, 3, 2).tolist() == expected + [i + 4 for i in expected]


@pytest.mark.parametrize("conditioning", ["adaln_zero", "cross_attention"])
def test_an_upgraded_model_computes_what_the_old_layout_says(
    alive, batch, conditioning, monkeypatch
):
    """Written once more with queries, keys and values as the thirds of a matrix."""
    model = alive(conditioning=conditioning)
    old = {name: torch.randn_like(p) / 4 for name, p in model.state_dict().items()}
    model.load_state_dict(upgrade(old, model.config.heads, None))
    found = model(*batch(model.config))

    def thirds(self, x, parts):
        return x.unflatten(-1, (parts, -1, self.head_width)).permute(
            2, 0, 3, 1, 4
        )  # (parts, B, h, N, d_h)

    monkeypatch.setattr("dit_lite.model.attention.Heads.split", thirds)
    model.load_state_dict(old)
    torch.testing.assert_close(model(*batch(model.config)), found)


def test_only_fused_projections_of_an_old_file_are_changed(alive):
    state = alive(conditioning="cross_attention").state_dict()
    state["optimiser.step.blocks.0.attention.qkv.weight"] = torch.tensor(3.0)
    changed = {
        name for name, new in upgrade(state, 2, None).items() if new is not state[name]
    }
    assert changed == {
        f"blocks.{i}.{part}.{kind}"
        for i in range(2)
        for part in ("attention.qkv", "cross.key_value")
        for kind in ("weight", "bias")
    }
    assert upgrade(state, 2, LAYOUT) == state
    with pytest.raises(ValueError, match="layout 99 is from a later version"):
        upgrade(state, 2, "99")


def test_a_head_is_a_block_of_rows(alive):
    """What a device needs to compute one head, and nothing of the others."""
    layer = alive().blocks[0].attention
    x, d = torch.randn(2, 5, 16), layer.head_width
    parts = []
    for head in range(2):
        rows = slice(head * 3 * d, (head + 1) * 3 * d)
        q, k, v = F.linear(x, layer.qkv.weight[rows], layer.qkv.bias[rows]).split(d, -1)
        y = (q @ k.mT / d**0.5).softmax(-1) @ v
        parts.append(y @ layer.out.weight[:, head * d : (head + 1) * d].T)
    torch.testing.assert_close(layer(x), sum(parts) + layer.out.bias)


def test_a_seed_gives_the_weights_that_it_gave_in_the_old_layout(tiny):
    """The numbers are drawn as if queries, keys and values were thirds."""
    config = tiny(depth=1, conditioning="additive", position="none")
    torch.manual_seed(5)
    model = DiT(config)
    torch.manual_seed(5)
    plain = copy.deepcopy(model)
    for module in plain.modules():  # what the constructors drew
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    drawn = {}
    for name, module in plain.named_modules():
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.xavier_uniform_(module.weight)
            drawn[f"{name}.weight"] = module.weight.data
    name = "blocks.0.attention.qkv.weight"
    assert torch.equal(model.state_dict()[name], by_head(drawn[name], 3, 2))
