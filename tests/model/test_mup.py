import dataclasses

import pytest
import torch

from dit_lite import ConfigError, DiT
from dit_lite.config import CHOICES
from dit_lite.model.mup import fan_in_growth
from dit_lite.training.optim import make_adamw, make_muon, set_rate


def fresh(config, seed: int = 0) -> DiT:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return DiT(config)


@pytest.mark.parametrize("conditioning", CHOICES["conditioning"])
def test_at_its_base_width_a_model_is_the_standard_one(tiny, batch, conditioning):
    config = tiny(conditioning=conditioning)
    standard = fresh(config)
    mup = fresh(dataclasses.replace(config, base_width=config.width))
    for name, value in standard.state_dict().items():
        torch.testing.assert_close(mup.state_dict()[name], value, rtol=1e-6, atol=0)
    for model in (standard, mup):
        for p in model.parameters():
            torch.nn.init.normal_(p, 0, 0.3, torch.Generator().manual_seed(p.numel()))
    torch.testing.assert_close(mup(*batch(config)), standard(*batch(config)))


def test_attention_divides_by_the_head_width(tiny):
    base = tiny(width=32, heads=4, base_width=32)
    wide = dataclasses.replace(base, width=128)
    assert base.logit_scale == base.head_width**-0.5
    assert wide.logit_scale == pytest.approx(base.logit_scale / 4)
    heads = dataclasses.replace(base, width=128, heads=16, base_heads=4)
    assert heads.logit_scale == pytest.approx(heads.head_width**-0.5)


@pytest.mark.parametrize("conditioning", CHOICES["conditioning"])
def test_only_maps_whose_input_widens_grow(tiny, conditioning):
    model = DiT(tiny(width=64, base_width=16, conditioning=conditioning, mlp="swiglu"))
    growth = fan_in_growth(model)
    constant = {name for name, value in growth.items() if value == 1}
    assert constant == {"embed.weight", "condition.time.0.weight"}
    assert {v for k, v in growth.items() if k not in constant} <= {
        4.0,
        168 / 43,
        171 / 43,
    }


def test_the_start_has_the_size_that_mup_asks_for(tiny):
    """Variance 1/fan-in where the input widens, the base's where it does not."""
    small = fresh(tiny(width=64, heads=4))
    wide = fresh(tiny(width=512, heads=4, base_width=64))

    def size(model, name):
        return dict(model.named_parameters())[name].std().item()

    for name, ratio in {
        "embed.weight": 1.0,
        "condition.time.0.weight": 1.0,
        "condition.time.2.weight": 8**-0.5,
        "condition.label.weight": 1.0,
        "blocks.0.attention.qkv.weight": 8**-0.5,
        "blocks.1.mlp.2.weight": 8**-0.5,
    }.items():
        assert size(wide, name) / size(small, name) == pytest.approx(ratio, rel=0.1), (
            name
        )


def rates(optimiser, model) -> dict[str, tuple[float, float]]:
    names = {p: name for name, p in model.named_parameters()}
    return {
        names[p]: (group["lr"], group["weight_decay"])
        for group in optimiser.param_groups
        for p in group["params"]
    }


def test_rates_fall_with_the_fan_in_and_what_decays_stays(tiny):
    model = DiT(tiny(width=64, heads=2, base_width=16))
    for make, hidden in ((make_adamw, 4.0), (make_muon, 2.0)):
        optimiser = make(model, 0.1, 0.01, 0.99)
        set_rate(optimiser, 0.2)
        found = rates(optimiser, model)
        lr, decay = found["blocks.0.attention.qkv.weight"]
        assert (lr, lr * decay) == pytest.approx((0.2 / hidden, 0.2 * 0.01))
        assert found["final.linear.weight"][0] == pytest.approx(0.2 / 4)
        assert found["embed.weight"] == (0.2, 0.01)
        assert found["final.linear.bias"] == (0.2, 0.0)
        assert len(found) == len(list(model.parameters()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(base_heads=2), "base_heads=2 has no effect without base_width"),
        (dict(base_width=15), "base_width=15 does not divide into 2 heads"),
        (dict(base_width=0), "base_width=0 is too small"),
    ],
)
def test_a_base_that_cannot_be_is_refused(tiny, change, message):
    with pytest.raises(ConfigError, match=message):
        tiny(**change)
