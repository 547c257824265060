import pytest
import torch

from dit_lite import ConfigError, flops, preset
from dit_lite.analysis import training_cost
from dit_lite.training import Trainer
from dit_lite.training.fitting import batch_that_fits, free_memory, memory_needed

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
    ("batch", "way_out"),
    [
        (
            64,
            "choose --batch-size 32, or a smaller --preset or a --patch-size "
            "twice as large",
        ),
        (1, "choose a smaller --preset"),
    ],
)
@pytest.mark.parametrize(
    "full",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 EiB"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:128] . DefaultCPUAllocator: can't "
            "allocate memory: you tried to allocate 1 bytes. Error code 12"
        ),
    ],
)
def test_a_memory_that_runs_out_says_what_to_lower(
    short, monkeypatch, full, batch, way_out
):
    trainer = Trainer(short(batch_size=batch))
    monkeypatch.setattr(trainer, "train_step", lambda: (_ for _ in ()).throw(full))
    with pytest.raises(
        ConfigError,
        match=f"batch_size={batch} needs more memory than cpu can spare: at least .* "
        f"GB; {way_out}",
    ):
        trainer.run(progress=False)


def test_another_error_of_torch_is_passed_on(short, monkeypatch):
    trainer = Trainer(short())
    monkeypatch.setattr(
        trainer,
        "train_step",
        lambda: (_ for _ in ()).throw(RuntimeError("shapes differ")),
    )
    with pytest.raises(RuntimeError, match="shapes differ"):
        trainer.run(progress=False)


def test_a_run_that_the_memory_cannot_hold_is_refused_before_it_begins(
    short, tmp_path, monkeypatch
):
    config = short(batch_size=64, out=str(tmp_path / "run"))
    need = memory_needed(config.model, 64, "fp32")
    monkeypatch.setattr("dit_lite.training.fitting.free_memory", lambda: need)
    with pytest.raises(
        ConfigError,
        match=f"at least {need / 1e9:.1f} GB, but {need / 1e9:.1f} GB are free; "
        "choose --batch-size 32",
    ):
        Trainer(config)
    assert not (tmp_path / "run").exists()
    monkeypatch.setattr("dit_lite.training.fitting.free_memory", lambda: need / 0.9)
    Trainer(config)


def test_the_estimate_is_that_of_the_cost_calculator():
    assert (
        memory_needed(MODEL, 256, "fp32") == training_cost(MODEL, 256)["total_memory"]
    )


def test_free_memory_is_part_of_what_is_built_in():
    assert 0 < free_memory() < 1e15
