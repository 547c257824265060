import pytest
import torch

from dit_lite import ConfigError, DiT, preset
from dit_lite.analysis import count_macs
from dit_lite.analysis.scaling_laws import COUNTS, flops_per_image, model_size
from dit_lite.config import CHOICES


@pytest.mark.parametrize("conditioning", CHOICES["conditioning"])
def test_sizes_are_those_of_the_modules(tiny, conditioning):
    config = tiny(conditioning=conditioning)
    with torch.device("meta"):
        named = dict(DiT(config).named_parameters())

    def count(keep):
        return sum(p.numel() for name, p in named.items() if keep(f".{name}"))

    def embedding(name):
        return any(part in name for part in (".embed.", ".position.", ".condition."))

    def modulation(name):
        return any(part in name for part in ("modulation.", ".shared.", ".own"))

    assert model_size(config) == count(lambda name: True)
    assert model_size(config, "without_embeddings") == count(lambda n: not embedding(n))
    assert model_size(config, "without_adaln") == count(
        lambda name: not embedding(name) and not modulation(name)
    )
    assert model_size(config, "macs") == count_macs(config).forward


def test_a_third_of_the_parameters_does_no_work_on_tokens():
    sizes = {counts: model_size(preset("XL/2"), counts) for counts in COUNTS}
    assert sizes["without_adaln"] / sizes["without_embeddings"] == pytest.approx(
        2 / 3, abs=0.01
    )


def test_training_costs_what_torch_counts(tiny):
    config = tiny()
    assert flops_per_image(config) == 2 * count_macs(DiT(config)).training


def test_another_way_to_count_is_refused():
    with pytest.raises(ConfigError, match=r"counts='most'.*without_adaln"):
        model_size(preset("S/2"), "most")
