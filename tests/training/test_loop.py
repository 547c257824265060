import dataclasses
import json
import os
import signal
import threading

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from dit_lite import ConfigError, DiTConfig, TrainConfig, load, sample, train
from dit_lite.config import CHOICES
from dit_lite.data import digits
from dit_lite.files.pretrained import Origin, origin_of
from dit_lite.files.tensors import read_tensors, write_tensors
from dit_lite.training import CheckpointError, DivergedError, Interrupted, Trainer


def test_the_loss_falls_on_digits(short):
    run = train(
        short(
            steps=60,
            batch_size=64,
            warmup=5,
            lr=1e-2,
            log_every=10,
            model=dict(width=32),
        ),
        progress=False,
    )
    losses = [line["loss"] for line in run.metrics]
    assert len(losses) == 6
    assert losses[-1] < 0.6 * losses[0]


def test_a_run_directory_is_a_model_directory(tmp_path, short):
    run = train(short(out=str(tmp_path / "run")), progress=False)
    assert run.directory == tmp_path / "run"
    assert sorted(file.name for file in run.directory.iterdir()) == [
        "config.json",
        "metrics.jsonl",
        "model.safetensors",
        "state.safetensors",
    ]
    assert [
        json.loads(line)
        for line in (run.directory / "metrics.jsonl").read_text().splitlines()
    ] == run.metrics
    model = load(run.directory)
    assert model.config == run.model.config
    assert origin_of(run.directory) == Origin(
        "digits", run.metrics[-1]["images"], run.config.ema_decay, run.config.steps
    )
    assert model.config.class_names == tuple("0123456789")
    assert torch.equal(sample(model, [3], steps=2), sample(run.model, [3], steps=2))
    weights, ema = (
        load_file(run.directory / "model.safetensors"),
        load_file(run.directory / "state.safetensors"),
    )
    assert all(
        torch.equal(value, ema[f"ema.{name}"]) for name, value in weights.items()
    )
    assert any(
        not torch.equal(value, ema[f"model.{name}"]) for name, value in weights.items()
    )


def test_the_name_of_a_data_set_is_enough(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIT_LITE_DEVICE", "cpu")
    monkeypatch.setattr(Trainer, "run", lambda trainer, progress: trainer)
    trainer = train("digits")
    assert trainer.config == TrainConfig(data="digits", budget="cpu").on("fp32", False)
    assert not list(tmp_path.iterdir())
    with pytest.raises(
        ValueError, match="'digts' is neither a known data set nor a folder"
    ):
        train("digts")


@pytest.mark.parametrize("config", [{"data": "digits"}, None, 3, DiTConfig()])
def test_what_is_no_configuration_of_a_run_is_refused_with_what_to_write(config):
    with pytest.raises(TypeError, match=r"config is a .*; pass the name of a data set"):
        train(config)


def test_without_a_directory_nothing_is_written(tmp_path, short, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert train(short(), progress=False).directory is None
    assert not list(tmp_path.iterdir())


def test_metrics_have_a_line_every_so_many_steps_and_one_for_the_last(short):
    run = train(short(steps=10), progress=False)
    assert [line["step"] for line in run.metrics] == [4, 8, 10]
    assert [line["images"] for line in run.metrics] == [32, 64, 80]
    assert set(run.metrics[0]) == {
        "step",
        "loss",
        "grad_norm",
        "clipped",
        "lr",
        "images",
        "seconds",
    }
    assert run.metrics[0]["lr"] == pytest.approx(3e-3)  # the last step of the warm-up


def test_a_line_is_the_mean_over_its_steps(short):
    fine, coarse = (
        train(short(steps=8, log_every=n), progress=False).metrics for n in (1, 4)
    )
    for i in (0, 1):
        for name in ("loss", "grad_norm"):
            assert coarse[i][name] == pytest.approx(
                sum(line[name] for line in fine[4 * i : 4 * i + 4]) / 4
            )


def test_the_share_of_clipped_steps_is_logged(short):
    fine = train(short(steps=8, log_every=1, clip=0.9), progress=False).metrics
    coarse = train(short(steps=8, log_every=8, clip=0.9), progress=False).metrics
    over = [line["grad_norm"] > 0.9 for line in fine]
    assert [line["clipped"] for line in fine] == over
    assert coarse[0]["clipped"] == sum(over) / 8
    assert sum(over) > 0


def test_saving_changes_nothing(tmp_path, short):
    often = train(short(out=str(tmp_path / "run"), save_every=1), progress=False)
    never = train(short(save_every=0), progress=False)
    assert [line["loss"] for line in often.metrics] == [
        line["loss"] for line in never.metrics
    ]
    assert all(
        torch.equal(a, b)
        for a, b in zip(often.model.parameters(), never.model.parameters(), strict=True)
    )


def test_the_seed_decides_the_run(short):
    first, again, other = (
        train(short(steps=3, seed=seed), progress=False).model.state_dict()
        for seed in (0, 0, 1)
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["embed.weight"], other["embed.weight"])


def test_training_leaves_the_global_generator_and_the_signals_alone(tmp_path, short):
    torch.manual_seed(7)
    before = (
        torch.get_rng_state(),
        signal.getsignal(signal.SIGINT),
        signal.getsignal(signal.SIGTERM),
    )
    train(short(steps=2, out=str(tmp_path / "run")), progress=False)
    train(short(steps=2, out=str(tmp_path / "run")), resume=True, progress=False)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (
        signal.getsignal(signal.SIGINT),
        signal.getsignal(signal.SIGTERM),
    ) == before[1:]


def test_a_run_can_be_trained_in_a_thread(short):
    runs = []
    thread = threading.Thread(
        target=lambda: runs.append(train(short(steps=2), progress=False))
    )
    thread.start()
    thread.join()
    assert runs[0].metrics[-1]["step"] == 2


def stop_at(trainer: Trainer, step: int, act) -> None:
    """Call `act` at the end of a step of this run."""
    real = trainer.train_step

    def train_step():
        result = real()
        if trainer.step == step:
            act(trainer)
        return result

    trainer.train_step = train_step


def interrupt(_) -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("step", [1, 4, 7, 11])
def test_a_resumed_run_is_the_uninterrupted_one(tmp_path, short, same_run, step):
    train(short(out=str(tmp_path / "whole")), progress=False)
    trainer = Trainer(short(out=str(tmp_path / "halves"), save_every=0))
    stop_at(trainer, step, interrupt)
    with pytest.raises(
        Interrupted,
        match=f"stopped after step {step} of 12: saved at step {step}; continue with "
        "--resume",
    ):
        trainer.run(progress=False)
    train(short(out=str(tmp_path / "halves")), resume=True, progress=False)
    same_run(tmp_path / "halves", tmp_path / "whole")


def test_a_run_with_every_option_resumes_too(tmp_path, short, same_run):
    options = dict(
        model=dict(
            mlp="swiglu", long_skips=True, qk_norm=True, position="rope", width=32
        ),
        optimiser="muon",
    )
    train(short(out=str(tmp_path / "whole"), **options), progress=False)
    trainer = Trainer(short(out=str(tmp_path / "halves"), save_every=0, **options))
    stop_at(trainer, 7, interrupt)
    with pytest.raises(Interrupted):
        trainer.run(progress=False)
    train(short(out=str(tmp_path / "halves"), **options), resume=True, progress=False)
    same_run(tmp_path / "halves", tmp_path / "whole")


def test_a_signal_that_comes_late_in_a_step_stops_the_next_one(tmp_path, short):
    trainer = Trainer(short(out=str(tmp_path / "run")))
    line = trainer.metrics.line
    # at step 4, when the decision to save is taken
    trainer.metrics.line = lambda *about: (line(*about), interrupt(None))[0]
    with pytest.raises(Interrupted, match="saved at step 5"):
        trainer.run(progress=False)
    assert trainer.directory.saved_step() == 5


def test_an_interrupted_run_without_a_directory_says_that_nothing_was_saved(short):
    trainer = Trainer(short())
    stop_at(trainer, 2, interrupt)
    with pytest.raises(
        KeyboardInterrupt, match="stopped after step 2 of 12: nothing was saved"
    ):
        trainer.run(progress=False)


def test_a_signal_in_the_last_step_is_too_late(short):
    trainer = Trainer(short())
    stop_at(trainer, 12, interrupt)
    assert trainer.run(progress=False).metrics[-1]["step"] == 12


def test_the_second_signal_acts_at_once(short):
    trainer = Trainer(short())
    stop_at(trainer, 2, lambda t: (interrupt(t), interrupt(t)))
    with pytest.raises(KeyboardInterrupt) as error:
        trainer.run(progress=False)
    assert not isinstance(error.value, Interrupted)


def test_resuming_a_finished_run_repeats_its_result(tmp_path, short):
    config = short(out=str(tmp_path / "run"))
    first = train(config, progress=False)
    # as if the last save had been cut short
    (tmp_path / "run" / "model.safetensors").unlink()
    again = train(config, resume=True, progress=False)
    assert again.metrics == first.metrics
    assert torch.equal(load(tmp_path / "run").embed.weight, first.model.embed.weight)


# ---- what is refused


@pytest.fixture
def finished(tmp_path, short):
    config = short(out=str(tmp_path / "run"))
    train(config, progress=False)
    return config, tmp_path / "run"


@pytest.mark.parametrize(
    "changes",
    [
        dict(seed=1),
        dict(steps=11),
        dict(lr=1e-2),
        dict(batch_size=9),
        dict(clip=2.0),
        dict(times="uniform"),
        dict(model=dict(depth=1)),
    ],
    ids=str,
)
def test_a_changed_configuration_does_not_resume(finished, short, changes):
    config, place = finished
    name = next(iter(changes))
    with pytest.raises(
        CheckpointError,
        match=rf"{place} holds another run: {name} was .* and is now .*; resume with the same settings",
    ):
        train(short(out=config.out, **changes), resume=True, progress=False)


@pytest.mark.parametrize(
    "changes",
    [
        dict(save_every=3),
        dict(log_every=2),
        dict(budget="cpu"),
        dict(tensorboard=True),
        dict(device="cpu:0"),
    ],
    ids=str,
)
def test_what_does_not_touch_the_numbers_may_change(finished, changes):
    train(dataclasses.replace(finished[0], **changes), resume=True, progress=False)


def test_a_run_of_another_kind_of_device_is_told_apart_by_it(finished):
    config, place = finished
    tensors, about = read_tensors(place / "state.safetensors")
    identity = json.loads(about["identity"]) | {"device": "cuda"}
    about |= {"identity": json.dumps(identity)}
    write_tensors(place / "state.safetensors", tensors, about)
    with pytest.raises(
        CheckpointError, match="holds a run on cuda, but this is cpu; resume it there"
    ):
        train(
            dataclasses.replace(config, precision="fp32"), resume=True, progress=False
        )


def test_changes_of_a_preset_resume_too(tmp_path):
    config = TrainConfig(
        out=str(tmp_path / "run"),
        device="cpu",
        steps=2,
        batch_size=4,
        changes=dict(width=16, depth=1, heads=2, class_names=tuple("abcdefghij")),
    )
    train(config, progress=False)
    run = train(config, resume=True, progress=False)
    assert (run.model.config.width, run.model.config.class_names) == (
        16,
        tuple("abcdefghij"),
    )


def test_a_run_that_was_moved_resumes(finished, short, tmp_path):
    finished[1].rename(tmp_path / "elsewhere")
    assert (
        train(
            short(out=str(tmp_path / "elsewhere")), resume=True, progress=False
        ).metrics[-1]["step"]
        == 12
    )


@pytest.mark.parametrize(
    ("name", "said"),
    {
        "state.safetensors": "a run .*; continue it with --resume .*, or choose another",
        "config.json": "config.json, and no state.safetensors to continue from; choose",
        "metrics.jsonl": "metrics.jsonl, and no state.safetensors",
        "model.safetensors": "model.safetensors, and no state.safetensors",
    }.items(),
)
def test_a_new_run_refuses_an_occupied_directory(tmp_path, short, name, said):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).write_text("")
    with pytest.raises(ConfigError, match=rf"already holds {said}"):
        train(short(out=str(tmp_path / "run")), progress=False)


def test_a_directory_that_is_none_is_refused_before_training(tmp_path, short):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is a file; give a directory"):
        train(short(out=str(tmp_path / "file")), progress=False)
    with pytest.raises(
        ConfigError, match=r"out='.*/file/run' cannot be made \(Not a directory\)"
    ):
        train(short(out=str(tmp_path / "file" / "run")), progress=False)


@pytest.mark.parametrize("out", ["pictures", "pictures/run"])
def test_a_run_among_its_own_pictures_is_refused(tmp_path, short, monkeypatch, out):
    (tmp_path / "pictures/one").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "pictures/one/a.png")
    monkeypatch.chdir(tmp_path)
    config = short(data="pictures", image_size=8, out=str(tmp_path / out))
    with pytest.raises(ConfigError, match="choose a directory outside it"):
        train(config, progress=False)
    assert [p.name for p in (tmp_path / "pictures").iterdir()] == ["one"]


def test_nothing_to_resume(tmp_path, short):
    with pytest.raises(
        ConfigError, match="resume needs the directory of a run: set out=DIR"
    ):
        train(short(), resume=True, progress=False)
    with pytest.raises(
        CheckpointError,
        match=r"nothing to resume in .*: state\.safetensors is missing; start the run without --resume",
    ):
        train(short(out=str(tmp_path / "nowhere")), resume=True, progress=False)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("keep", [0, 7, 1000, -1])
def test_a_truncated_state_does_not_resume(finished, keep):
    config, place = finished
    content = (place / "state.safetensors").read_bytes()
    (place / "state.safetensors").write_bytes(content[:keep])
    with pytest.raises(
        CheckpointError,
        match=r"state\.safetensors is truncated or not a safetensors file",
    ):
        train(config, resume=True, progress=False)


def test_a_foreign_state_does_not_resume(finished):
    config, place = finished
    save_file({"clip.weight": torch.zeros(2)}, place / "state.safetensors")
    with pytest.raises(
        CheckpointError,
        match=r"state\.safetensors is not a state of this version .*--init-from",
    ):
        train(config, resume=True, progress=False)


def without(tensors, about):
    del tensors["optimiser.exp_avg.embed.weight"]


def other_generator(tensors, about):
    tensors["generator.state"] = torch.zeros(
        16, dtype=torch.uint8
    )  # the size of a GPU's


def other_parts(tensors, about):
    values = json.loads(about["values"])
    del values["metrics"]
    about["values"] = json.dumps(values)


def other_values(tensors, about):
    values = json.loads(about["values"])
    del values["metrics"]["pending"]
    about["values"] = json.dumps(values)


@pytest.mark.parametrize(
    "change", [without, other_generator, other_parts, other_values]
)
def test_a_state_of_another_version_or_device_does_not_resume(finished, change):
    config, place = finished
    tensors, about = read_tensors(place / "state.safetensors")
    change(tensors, about)
    write_tensors(place / "state.safetensors", tensors, about)
    with pytest.raises(CheckpointError, match="does not fit this run"):
        train(config, resume=True, progress=False)


def test_a_model_that_does_not_fit_the_data_is_refused(short):
    for name, value in dict(image_size=16, channels=3, num_classes=9).items():
        with pytest.raises(
            ConfigError,
            match=f"the model has {name}={value}, the data 'digits' have .*; set "
            f"model.{name}=",
        ):
            train(short(model={name: value}), progress=False)


def test_a_null_class_that_no_dropped_label_trains_is_refused():
    with pytest.raises(
        ConfigError,
        match=r"changes\['null_class'\]=False and label_dropout=0\.2 disagree",
    ):
        train(
            TrainConfig(device="cpu", steps=1, changes=dict(null_class=False)),
            progress=False,
        )


# ---- divergence


def test_a_run_that_diverges_stops_and_names_the_step(short):
    with pytest.raises(DivergedError) as error:
        # inputs of 1e25: an infinite variance under the first LayerNorm
        train(short(model=dict(data_std=1e-25)), progress=False)
    for words in (
        "loss=nan at step 1",
        "diverged and was stopped",
        "Lower lr (now 0.003)",
        "warmup",
        "clip",
    ):
        assert words in str(error.value)


@pytest.mark.parametrize(("step", "log_every"), [(7, 100), (8, 4), (10, 5)])
def test_divergence_keeps_the_last_checkpoint(
    tmp_path, short, same_run, step, log_every
):
    config = short(out=str(tmp_path / "run"), log_every=log_every)
    trainer = Trainer(config)
    stop_at(trainer, step - 1, lambda t: t.model.embed.weight.data.fill_(float("nan")))
    with pytest.raises(
        DivergedError,
        match=rf"loss=nan at step {step}: .* The checkpoint of step 5 in {tmp_path}/run "
        r"is kept: continue from there at a lower rate, --resume --lr 0\.0015",
    ):
        trainer.run(progress=False)
    assert all(p.isfinite().all() for p in load(tmp_path / "run").parameters())
    train(config, resume=True, progress=False)
    train(short(out=str(tmp_path / "whole"), log_every=log_every), progress=False)
    same_run(tmp_path / "run", tmp_path / "whole")


def test_an_infinite_gradient_is_divergence_too(short):
    trainer = Trainer(short())
    trainer.model.final.linear.weight.register_hook(
        lambda gradient: gradient * float("inf")
    )
    with pytest.raises(DivergedError, match=r"gradient norm=(inf|nan) at step 1"):
        trainer.run(progress=False)


# ---- one step


def test_the_gradient_is_clipped_to_its_norm(short):
    trainer = Trainer(short(clip=1e-3))
    norms = []
    real = trainer.optimiser.step

    def step():
        norms.append(
            torch.stack([p.grad.norm() for p in trainer.model.parameters()])
            .norm()
            .item()
        )
        return real()

    trainer.optimiser.step = step
    _, before = trainer.train_step()
    assert before > 1e-2
    assert norms == pytest.approx([1e-3], rel=1e-3)


def test_dropped_labels_train_the_null_class_alone(short):
    trainer = Trainer(
        short(
            label_dropout=0.999999, batch_size=64, model=dict(conditioning="additive")
        )
    )
    before = trainer.model.condition.label.weight.detach().clone()
    for _ in range(3):
        trainer.train_step()
    moved = (trainer.model.condition.label.weight - before).abs().amax(1) > 0
    assert moved.tolist() == [False] * 10 + [True]


def test_several_conditions_are_dropped_together_and_each_by_itself(short):
    """With share p of the whole and of each: nothing at all is left with p + (1 - p)
    p^2, of two conditions the first alone with (1 - p) (1 - p) p.
    """
    parts = dict(condition="caption", vocab_size=9, caption_length=3)
    parts |= dict(caption_parts=("class", "words", "words"))
    trainer = Trainer(short(batch_size=4000, label_dropout=0.2))
    trainer.model_config = dataclasses.replace(trainer.model_config, **parts)
    left = trainer.drop_labels(torch.tensor([[1, 2, 3]]).expand(4000, -1)) > 0
    assert torch.equal(left[:, 1], left[:, 2])
    kinds = 2 * left[:, 0] + left[:, 1]
    shares = torch.bincount(kinds, minlength=4) / 4000
    assert shares.tolist() == pytest.approx([0.232, 0.128, 0.128, 0.512], abs=0.02)


def test_the_model_sees_images_in_its_own_units(short):
    """An untrained model says zero, so that the loss of its first step is E|eps -
    x0|^2 = 1 + E|x0|^2.
    """
    trainer = Trainer(short(batch_size=1442, model=dict(data_mean=-0.4, data_std=0.6)))
    loss, _ = trainer.train_step()
    x = torch.from_numpy(digits().images).float() / 127.5 - 1
    assert loss.item() == pytest.approx(
        1 + ((x + 0.4) / 0.6).square().mean().item(), rel=0.02
    )


@pytest.mark.parametrize("conditioning", CHOICES["conditioning"])
@pytest.mark.parametrize(
    ("path", "objective"),
    [("linear", "flow"), ("cosine", "v"), ("ddpm", "eps"), ("linear", "x0")],
)
def test_every_kind_of_model_trains(short, conditioning, path, objective):
    run = train(
        short(
            steps=3,
            model=dict(conditioning=conditioning, path=path, objective=objective),
        ),
        progress=False,
    )
    assert all(p.isfinite().all() for p in run.model.parameters())


def test_a_learned_variance_trains_and_samples(short):
    run = train(
        short(
            steps=30,
            batch_size=32,
            log_every=10,
            lr=1e-2,
            model=dict(path="ddpm", objective="eps", learn_variance=True),
        ),
        progress=False,
    )
    losses = [line["loss"] for line in run.metrics]
    assert losses[-1] < losses[0]
    # the variance channels have moved
    assert run.model.final.linear.bias[1::2].abs().max() > 0
    assert sample(run.model, [1, 2], steps=4, sampler="ddpm").isfinite().all()


def test_a_model_without_a_null_class_trains(short):
    run = train(short(steps=2, model=dict(null_class=False)), progress=False)
    assert run.model.condition.label.weight.shape[0] == 10


def test_a_folder_of_pictures_trains(tmp_path, short, monkeypatch):
    monkeypatch.setenv("DIT_LITE_DATA", str(tmp_path / "root"))
    for i, name in enumerate(("cat", "dog", "dog")):
        (tmp_path / "photos" / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((9, 9, 3), 80 * i, dtype=np.uint8)).save(
            tmp_path / "photos" / name / f"{i}.png"
        )
    config = short(
        steps=2,
        data=str(tmp_path / "photos"),
        image_size=8,
        model=dict(channels=3, num_classes=2),
    )
    assert train(config, progress=False).model.config.class_names == ("cat", "dog")


# ---- TensorBoard


def scalars(place) -> list[tuple[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(place / "tensorboard"))
    events.Reload()
    assert set(events.Tags()["scalars"]) == {"loss", "grad_norm", "lr"}
    return [(event.step, event.value) for event in events.Scalars("loss")]


def test_tensorboard_shows_the_metrics_also_of_a_resumed_run(tmp_path, short):
    config = short(out=str(tmp_path / "run"), tensorboard=True)
    trainer = Trainer(config)
    stop_at(trainer, 8, interrupt)
    with pytest.raises(Interrupted):
        trainer.run(progress=False)
    assert [step for step, _ in scalars(tmp_path / "run")] == [4, 8]
    run = train(config, resume=True, progress=False)
    assert scalars(tmp_path / "run") == [
        (line["step"], pytest.approx(line["loss"])) for line in run.metrics
    ]


def test_of_several_processes_one_writes_for_tensorboard(tmp_path, short):
    trainer = Trainer(short(out=str(tmp_path / "run"), tensorboard=True))
    trainer.directory.writes = False
    trainer.run(progress=False)
    assert not (tmp_path / "run" / "tensorboard").exists()


def test_tensorboard_needs_a_directory(short):
    with pytest.raises(
        ConfigError, match="tensorboard=True needs a directory to write to: set out=DIR"
    ):
        train(short(tensorboard=True), progress=False)
