import pytest
import torch

from dit_lite import ConfigError, flops, preset
from dit_lite.training import Trainer
from dit_lite.training.fitting import batch_that_fits

MODEL = preset("S/2", channels=3, num_classes=10)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_batch_is_the_largest_half_that_fits(precision):
    total = flops(MODEL)["total"]
    image = total.activation_bytes / (2 if precision == "bf16" else 1)

    def holds(batch):
        return (20 * total.parameters + batch * image) / 0.9

    assert batch_that_fits(MODEL, 256, precision, 1e15) == 128
    assert batch_that_fits(MODEL, 256, precision, holds(32)) == 32
    assert batch_that_fits(MODEL, 256, precision, holds(32) - 1) == 16
    assert batch_that_fits(MODEL, 256, precision, holds(1) - 1) == 0


def test_one_image_that_does_not_fit_asks_for_a_smaller_model():
    assert batch_that_fits(MODEL, 1, "fp32", 1e15) == 0


@pytest.mark.parametrize(
    ("batch", "way_out"), [(64, "choose batch_size=32 or precision='bf16'"), (1, "choose a smaller preset, or a patch_size twice as large")]
)
def test_a_memory_that_runs_out_says_what_to_lower(short, monkeypatch, batch, way_out):
    trainer = Trainer(short(batch_size=batch))

    def full():
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 EiB")

    monkeypatch.setattr(trainer, "train_step", full)
    with pytest.raises(ConfigError, match=f"batch_size={batch} needs more memory than cpu has free; {way_out}"):
        trainer.run(progress=False)
