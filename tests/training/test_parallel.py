"""A run on p processes is the run of one: simulated here, one trainer for each."""

import pytest
import torch
from torch import nn

from dit_lite.training import Trainer

#: Nothing is clipped, so that gradients can be compared.
LOOSE = dict(clip=1e9)


def gradients_of_a_step(trainer: Trainer) -> list[torch.Tensor]:
    """The gradients with which the optimiser would step, which is not done."""
    found = []

    def step():
        found.extend(p.grad.clone() for p in trainer.model.parameters())

    trainer.optimiser.step = step
    trainer.train_step()
    return found


def heard_by(trainer: Trainer, monkeypatch) -> list[torch.Tensor]:
    """What the loss of one step is computed from: x, y, t, eps."""
    heard = []

    def loss(model, x, y, t, eps):
        heard.extend((x, y, t, eps))
        return sum(p.sum() for p in model.parameters()).expand(len(x))

    monkeypatch.setattr("dit_lite.training.loop.diffusion_loss", loss)
    trainer.train_step()
    return heard


@pytest.mark.parametrize("world", [2, 3, 4])
@pytest.mark.parametrize("batch_size", [12, 14])
def test_every_image_has_its_own_noise_time_and_label_at_any_world_size(
    short, monkeypatch, world, batch_size
):
    config = short(batch_size=batch_size, label_dropout=0.5)
    whole = heard_by(Trainer(config), monkeypatch)
    parts = [
        heard_by(Trainer(config, rank=rank, world=world), monkeypatch)
        for rank in range(world)
    ]
    for value, *pieces in zip(whole, *parts, strict=True):
        assert torch.equal(torch.cat(pieces), value)
    assert (whole[1] == 10).any(), "no label was dropped: nothing was tested"


@pytest.mark.parametrize("world", [1, 2, 3, 4])
@pytest.mark.parametrize("batch_size", [8, 10, 11])
def test_the_mean_gradient_of_all_processes_is_that_of_one(short, world, batch_size):
    config = short(batch_size=batch_size, **LOOSE)
    trainers = [Trainer(config)] + [
        Trainer(config, rank=rank, world=world) for rank in range(world)
    ]
    for trainer in trainers:
        for p in trainer.model.parameters():
            # nothing hides behind a zero
            p.data += 0.1 * torch.linspace(-1, 1, p.numel()).view_as(p)
    for _ in range(3):
        whole, *parts = (gradients_of_a_step(trainer) for trainer in trainers)
        largest = max(exact.abs().max() for exact in whole)
        for exact, *pieces in zip(whole, *parts, strict=True):
            torch.testing.assert_close(
                sum(pieces) / world, exact, rtol=1e-4, atol=2e-6 * largest.item()
            )


def test_a_simulated_run_on_three_processes_is_the_run_of_one(short):
    """Gradients are averaged after every backward pass, as DDP does it."""
    config = short(batch_size=10, steps=6, **LOOSE)
    alone = Trainer(config)
    others = [Trainer(config, rank=rank, world=3) for rank in range(3)]
    real = [trainer.optimiser.step for trainer in others]
    for _ in range(6):
        expected, _ = alone.train_step()
        losses = []
        for trainer in others:
            trainer.optimiser.step = lambda: None
            trainer.optimiser.zero_grad = lambda set_to_none=True: None
            losses.append(trainer.train_step()[0])
        torch.testing.assert_close(sum(losses) / 3, expected, rtol=1e-4, atol=0)
        means = [
            sum(p.grad for p in same) / 3
            for same in zip(*(t.model.parameters() for t in others), strict=True)
        ]
        for trainer, step in zip(others, real, strict=True):
            for p, mean in zip(trainer.model.parameters(), means, strict=True):
                p.grad = mean.clone()
            step()
            for p in trainer.model.parameters():
                p.grad = None
    for p, *same in zip(
        alone.model.parameters(), *(t.model.parameters() for t in others), strict=True
    ):
        assert all(torch.equal(same[0], other) for other in same[1:])
        # Adam makes a step of the rate out of any gradient, also one that is rounding
        assert (p - same[0]).abs().mean() < 1e-4


def test_the_model_is_made_parallel_before_the_optimiser_and_the_average(short):
    seen = []

    class Wrapper(nn.Module):
        def __init__(self, module):
            super().__init__()
            self.module = module
            self.extra = nn.Parameter(torch.zeros(3))

    def parallelize(model):
        seen.append(model)
        return Wrapper(model)

    trainer = Trainer(short(), parallelize=parallelize)
    assert [type(model).__name__ for model in seen] == ["DiT"]
    assert isinstance(trainer.model, Wrapper)
    ours = {p for group in trainer.optimiser.param_groups for p in group["params"]}
    assert ours == set(trainer.model.parameters())
    assert trainer.model.extra in ours


class Wrapped(nn.Module):
    """As DistributedDataParallel keeps a model."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, *inputs):
        return self.module(*inputs)


def compiled(model):
    return torch.compile(model, backend="eager")


@pytest.fixture(scope="module")
def group(tmp_path_factory):
    """A process group of this process alone."""
    place = tmp_path_factory.mktemp("group") / "rendezvous"
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{place}", rank=0, world_size=1
    )
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.usefixtures("group")
@pytest.mark.parametrize(
    "parallelize",
    [
        Wrapped,
        compiled,
        lambda model: Wrapped(compiled(model)),
        nn.parallel.DistributedDataParallel,
    ],
    ids=["wrapped", "compiled", "both", "DDP"],
)
@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
def test_a_wrapped_run_is_saved_under_clean_names_and_resumes_either_way(
    tmp_path, short, same_run, parallelize, optimiser
):
    places = [tmp_path / name for name in ("plain", "wrapped", "unwrapped")]
    plain, *wrapped = (short(out=str(p), optimiser=optimiser) for p in places)
    Trainer(plain).run(progress=False)
    for config, then in zip(wrapped, (parallelize, lambda model: model), strict=True):
        trainer = Trainer(config, parallelize=parallelize)
        real = trainer.train_step
        trainer.train_step = lambda run=trainer, step=real: (
            step() if run.step < 7 else 1 / 0
        )
        with pytest.raises(ZeroDivisionError):
            trainer.run(progress=False)
        run = Trainer(config, resume=True, parallelize=then).run(progress=False)
        assert type(run.model).__name__ == "DiT"
    for place in places[1:]:
        same_run(place, places[0])


def test_what_is_no_module_is_refused(short):
    with pytest.raises(TypeError, match="parallelize returned a NoneType; it must"):
        Trainer(short(), parallelize=lambda model: None)


def test_only_the_first_process_writes(tmp_path, short):
    trainers = [
        Trainer(short(out=str(tmp_path / "run"), steps=3), rank=rank, world=2)
        for rank in (1, 0)
    ]
    trainers[0].run(progress=False)
    assert sorted(f.name for f in (tmp_path / "run").iterdir()) == [".lock"]
    trainers[1].run(progress=False)
    assert (tmp_path / "run" / "state.safetensors").exists()
