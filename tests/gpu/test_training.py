"""What has to hold on a GPU as on the CPU, and what makes training fast there."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from dit_lite import ConfigError, load, sample, train
from dit_lite.data import Dataset, Loader
from dit_lite.diffusion.paths import PATHS
from dit_lite.evaluation import load_judge
from dit_lite.files.tensors import read_tensors
from dit_lite.training import EMA, DivergedError, Trainer

# Compilers and libraries of many versions meet here; what they warn of is not what
# these tests are about.
pytestmark = pytest.mark.filterwarnings("default")


def four_steps_without_waiting(trainer: Trainer) -> None:
    """Four steps on a GPU; torch raises when one makes the host wait."""
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(4):
            trainer.train_step()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def curve(run) -> torch.Tensor:
    return torch.tensor([line["loss"] for line in run.metrics])


# ---- speed


class ReadsBack(TorchDispatchMode):
    """Raises when a number of a tensor is asked for, which on a GPU waits for it."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function in (
            torch.ops.aten._local_scalar_dense.default,
            torch.ops.aten.nonzero.default,
            torch.ops.aten.equal.default,
        ):
            raise AssertionError(f"a step asks for a number: {function}")
        return function(*args, **(kwargs or {}))


MODELS = {
    "flow": dict(),
    "bound": dict(path="ddpm", objective="eps", learn_variance=True),
    "options": dict(mlp="swiglu", long_skips=True),
    "rope": dict(
        path="cosine",
        objective="v",
        position="rope",
        conditioning="adaln",
        qk_norm=True,
    ),
}


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_nothing_in_a_step_waits(device, short, model):
    # the order of an epoch is drawn anew in every third step
    trainer = Trainer(short(device, model, batch_size=500))
    for _ in range(3):
        trainer.train_step()
    if device.type == "cpu":
        with ReadsBack():
            for _ in range(4):
                trainer.train_step()
        return
    four_steps_without_waiting(trainer)


@pytest.mark.slow
def test_nothing_in_a_compiled_bf16_step_waits(gpu, short):
    trainer = Trainer(short(gpu, precision="bf16", compile=True))
    for _ in range(3):
        trainer.train_step()
    four_steps_without_waiting(trainer)


@pytest.mark.slow
def test_bf16_and_compiled_blocks_keep_the_loss_curve(gpu, short):
    """Means of ten losses within 3 % of those of plain fp32, over a run in which the
    loss falls by more than a third.
    """
    from torch._dynamo.utils import counters

    base = dict(
        model=dict(width=64, depth=4, heads=2),
        steps=150,
        batch_size=96,
        lr=2e-3,
        warmup=20,
        log_every=10,
        save_every=0,
    )
    plain = curve(train(short(gpu, precision="fp32", **base), progress=False))
    torch.compiler.reset()
    counters.clear()
    fast = train(short(gpu, precision="bf16", compile=True, **base), progress=False)
    assert counters["stats"]["unique_graphs"] == 2, (
        "all blocks are one function to the compiler, the final layer another"
    )
    assert plain[-1] < 0.66 * plain[0]
    torch.testing.assert_close(curve(fast), plain, rtol=0.03, atol=0)
    assert all(p.dtype == torch.float32 for p in fast.model.parameters())


def test_a_gpu_chooses_bf16_and_compiles_long_runs(device, short):
    trainer = Trainer(short(device, compile=None))
    assert (trainer.config.precision, trainer.config.compile) == (
        ("bf16" if device.type == "cuda" else "fp32"),
        False,
    )
    # compiling waits for the first step
    trainer = Trainer(short(device, compile=None, steps=2000))
    assert trainer.config.compile == (device.type == "cuda")


@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_a_run_leaves_the_arithmetic_of_others_alone(gpu, short, precision):
    before = torch.get_float32_matmul_precision()
    run = train(short(gpu, precision=precision), progress=False)
    assert torch.get_float32_matmul_precision() == before
    assert curve(run).isfinite().all()


def test_the_table_of_a_path_is_sent_once(device):
    t = torch.rand(5, device=device)
    path = PATHS["ddpm"]
    values = path.alpha_sigma(t)
    table = path.tables[t.device]
    path.alpha_sigma(t)
    assert path.tables[t.device] is table
    for value, expected in zip(values, path.alpha_sigma(t.cpu()), strict=True):
        torch.testing.assert_close(value.cpu(), expected, rtol=1e-12, atol=1e-12)


# ---- the same numbers


@pytest.mark.parametrize("flip", [False, True])
def test_data_on_the_host_give_the_batches_of_data_on_the_device(device, flip):
    generator = np.random.default_rng(0)
    data = Dataset(
        "noise",
        generator.integers(0, 256, (23, 2, 4, 4), dtype=np.uint8),
        np.arange(23) % 5,
        tuple("abcde"),
        flip,
    )
    loaders = [Loader(data, 7, 3, device, resident) for resident in (True, False)]
    generators = [torch.Generator(device).manual_seed(0) for _ in loaders]
    for _ in range(9):
        (x, y), (other_x, other_y) = (
            loader.next(generator)
            for loader, generator in zip(loaders, generators, strict=True)
        )
        assert x.device.type == other_x.device.type == y.device.type == device.type
        assert torch.equal(x, other_x)
        assert torch.equal(y, other_y)


def test_the_average_on_a_device_is_the_formula(device, alive):
    model = alive().to(device)
    ema = EMA(model, 0.9)
    expected = [p.detach().double().clone() for p in model.parameters()]
    for s in range(20):
        for p in model.parameters():
            p.data += 0.1 * torch.ones_like(p)
        d = min(0.9, (1 + s) / (10 + s))
        expected = [
            d * average + (1 - d) * p.detach().double()
            for average, p in zip(expected, model.parameters(), strict=True)
        ]
        ema.update()
    for average, exact in zip(ema.model.parameters(), expected, strict=True):
        torch.testing.assert_close(average.double(), exact, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("precision", [None, "fp32"])
def test_a_resumed_run_takes_up_the_very_state(device, short, tmp_path, precision):
    """What is restored is equal bit for bit. What follows is so on the CPU only:
    sums on a GPU have no fixed order, and losses agree to 2 %.
    """
    config = short(device, out=str(tmp_path / "run"), precision=precision)
    trainer = Trainer(config)
    for _ in range(5):
        trainer.train_step()
    trainer.save()
    trainer.directory.close()
    resumed = Trainer(config, resume=True)
    assert (resumed.step, resumed.loader.seen, resumed.ema.updates) == (5, 5 * 64, 5)
    assert torch.equal(resumed.generator.get_state(), trainer.generator.get_state())
    for mine, other in (
        (trainer.model.state_dict(), resumed.model.state_dict()),
        (trainer.ema.model.state_dict(), resumed.ema.model.state_dict()),
        (
            trainer.state["optimiser"].state_dict(),
            resumed.state["optimiser"].state_dict(),
        ),
    ):
        assert mine.keys() == other.keys()
        assert all(
            torch.equal(mine[name], other[name])
            and other[name].device.type == device.type
            for name in mine
        )
    for _ in range(7):
        (loss, norm), (other_loss, other_norm) = (
            trainer.train_step(),
            resumed.train_step(),
        )
        exact = (
            dict(rtol=0, atol=0) if device.type == "cpu" else dict(rtol=0.02, atol=0)
        )
        torch.testing.assert_close(other_loss, loss, **exact)
        torch.testing.assert_close(
            other_norm,
            norm,
            **exact if device.type == "cpu" else dict(rtol=0.1, atol=0),
        )


def test_a_run_diverges_with_its_checkpoint_kept(device, short, tmp_path):
    trainer = Trainer(short(device, out=str(tmp_path / "run")))
    step = trainer.train_step

    def poisoned():
        if trainer.step == 6:
            trainer.model.embed.weight.data.fill_(float("nan"))
        return step()

    trainer.train_step = poisoned
    with pytest.raises(
        DivergedError,
        match=r"loss=nan at step 7: .* The checkpoint of step 5 in .* is kept",
    ):
        trainer.run(progress=False)
    tensors, _ = read_tensors(tmp_path / "run" / "state.safetensors")
    assert trainer.directory.saved_step() == 5
    assert all(
        value.isfinite().all()
        for value in tensors.values()
        if value.is_floating_point()
    )


def test_a_seed_makes_the_same_digits_on_a_gpu(gpu):
    labels = list(range(10)) * 2
    here = sample(load("digits"), labels, steps=20, seed=3)
    there = sample(load("digits", gpu), labels, steps=20, seed=3).cpu()
    torch.testing.assert_close(there, here, rtol=0, atol=0.02)
    judge = load_judge()
    assert torch.equal(judge(there).argmax(1), judge(here).argmax(1))


# ---- memory


def test_a_batch_that_does_not_fit_is_refused_with_a_way_out(short, monkeypatch):
    trainer = Trainer(short("cpu"))

    def full():
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 EiB")

    monkeypatch.setattr(trainer, "train_step", full)
    with pytest.raises(
        ConfigError,
        match=r"batch_size=64 needs more memory than cpu can spare: at least .* GB; choose --batch-size 32",
    ):
        trainer.run(progress=False)


def test_a_gpu_that_is_full_says_so_and_goes_on(gpu, short):
    torch.cuda.empty_cache()
    # of an H200 this is less than 3 GiB
    torch.cuda.set_per_process_memory_fraction(0.02)
    try:
        with pytest.raises(
            ConfigError,
            match=r"batch_size=400000 needs more memory than cuda can spare: at least .* GB; choose --batch-size 200000",
        ):
            train(short(gpu, model=dict(width=64), batch_size=400_000), progress=False)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()
    assert curve(train(short(gpu), progress=False)).isfinite().all()
