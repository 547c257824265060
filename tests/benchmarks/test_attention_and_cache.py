import pytest
import torch

from dit_lite import DiT
from dit_lite.analysis import count_macs
from dit_lite.analysis.counting import flop_counter
from dit_lite.benchmarks import attention
from dit_lite.model.word_cache import WordCache

CPU = torch.device("cpu")


@pytest.mark.parametrize("words", attention.LENGTHS)
def test_what_the_cache_saves_is_counted_exactly(words):
    """Torch counts the products of a pass with words kept and of one without."""
    config = attention.captioned(words, width=32, depth=2, heads=2)
    model = DiT(config)
    x, t, y = attention.inputs(config, CPU)
    cache, counts = WordCache(model), []
    with torch.no_grad():
        for _ in range(2):
            with flop_counter() as counter, cache.using(y):
                model(x, t, y)
            counts.append(counter.get_total_flops())
    assert counts[0] == 2 * count_macs(config, attention.BATCH).forward
    assert 1 - counts[1] / counts[0] == pytest.approx(
        attention.predicted_saving(config), rel=1e-9
    )


def test_a_block_saves_2m_of_14n_and_2m_parts():
    """At a width where attention itself weighs nothing: 3 % at M = 16, N = 64, and half
    where M = 7N.
    """
    for words, share in ((16, 32 / (14 * 64 + 32)), (448, 1 / 2)):
        config = attention.captioned(words, width=2**15, depth=64, heads=8)
        assert attention.predicted_saving(config) == pytest.approx(share, rel=0.03)


def test_both_sides_of_a_comparison_give_the_same_answer():
    config = attention.captioned(16, width=32, depth=2, heads=2)
    for steps in (
        attention.recorded_before(config, CPU), attention.guided_calls(config, CPU),
    ):  # fmt: skip
        assert attention.ratios(steps, CPU, 2).median > 0


def test_recording_leaves_no_hook_behind():
    config = attention.captioned(16, width=32, depth=2, heads=2)
    steps = attention.recorded_before(config, CPU)
    for step in steps.values():
        step()
    model = DiT(config)
    before = [len(part._forward_hooks) for part in model.modules()]
    for kind in ("self", "cross"):
        with torch.no_grad(), attention.record_attention(model, kind):
            model(*attention.inputs(config, CPU))
    assert [len(part._forward_hooks) for part in model.modules()] == before
