import time

import pytest
import torch

from dit_lite import ConfigError, DiT, flops, preset
from dit_lite.analysis import count_macs, thread_seconds


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


def test_seconds_are_those_of_the_thread_and_grow_with_its_work():
    small, large = torch.randn(96, 96), torch.randn(384, 384)
    found = thread_seconds(
        {
            "asleep": lambda: time.sleep(0.02),
            "small": lambda: small @ small,
            "large": lambda: large @ large,
        },
        rounds=3,
        least=0.002,
    )
    assert found["asleep"] < 0.005
    assert 16 < found["large"] / found["small"] < 256  # 64 times the multiply-adds


def test_the_least_disturbed_turn_counts():
    calls = []

    def run():
        calls.append(None)
        for _ in range(3_000_000 if len(calls) in (1, 3) else 1_000):
            pass

    assert thread_seconds({"run": run}, rounds=3, least=0)["run"] < 0.005
    assert len(calls) == 3


def test_timing_leaves_the_number_of_threads_alone():
    before, seen = torch.get_num_threads(), []

    def run():
        seen.append(torch.get_num_threads())
        raise KeyError("in the middle")

    torch.set_num_threads(2)
    try:
        with pytest.raises(KeyError):
            thread_seconds({"run": run})
        assert (seen, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("rounds", [0, 2.0, True])
def test_a_wrong_number_of_rounds_is_named(rounds):
    with pytest.raises(ConfigError, match=f"rounds={rounds}"):
        thread_seconds({"run": list}, rounds=rounds)
