import time

import pytest
import torch

from dit_lite import ConfigError, DiT, flops, preset
from dit_lite.analysis import count_macs, median_seconds


def test_training_costs_three_forwards(tiny):
    """But for the input gradient of the patch embedding and of the first time layer,
    which nobody asks for.
    """
    config = tiny()
    counted = count_macs(config, 2)
    costs = flops(config, 2)
    saved = costs["patch_embedding"].macs + 2 * 256 * config.width
    assert counted.training == 3 * counted.forward - saved
    assert counted.forward == costs["total"].macs


def test_fused_attention_is_recomputed_in_its_backward(tiny):
    """torch counts 2.5 times the forward for it: the half is the scores once more."""
    config = tiny()
    written_out, fused = count_macs(config), count_macs(DiT(config))
    assert fused.forward == written_out.forward
    assert (
        fused.training - written_out.training
        == flops(config)["attention_scores"].macs // 2
    )


def test_a_large_model_is_counted_without_its_memory():
    assert count_macs(preset("XL/2")).forward == flops(preset("XL/2"))["total"].macs


def test_counting_leaves_the_model_and_the_random_state_alone(tiny):
    model = DiT(tiny())
    state = torch.get_rng_state()
    count_macs(model)
    count_macs(tiny())
    assert torch.equal(state, torch.get_rng_state())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_median_ignores_the_first_calls_and_a_slow_one():
    calls = []

    def run():
        calls.append(None)
        time.sleep(0.05 if len(calls) in (1, 4) else 0.001)

    assert 0.001 <= median_seconds(run, warmup=2, repeats=5) < 0.02
    assert len(calls) == 7


@pytest.mark.parametrize("wrong", [dict(warmup=-1), dict(repeats=0), dict(repeats=2.0)])
def test_wrong_numbers_of_calls_are_named(wrong):
    (name, value), = wrong.items()  # fmt: skip
    with pytest.raises(ConfigError, match=f"{name}={value}"):
        median_seconds(lambda: None, **wrong)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_timer_waits_for_the_gpu():
    a = torch.randn(8192, 8192, device="cuda")
    # no GPU is faster than this in fp32
    assert median_seconds(lambda: a @ a) > 2 * 8192**3 / 2e15
