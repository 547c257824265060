import dataclasses
import json
import os
import random
import signal
import subprocess
import sys

import pytest
import torch

from dit_lite import ConfigError, load, sample, train
from dit_lite.cli import main
from dit_lite.files.tensors import read_tensors, write_tensors
from dit_lite.training import CheckpointError, DivergedError, Interrupted, Trainer
from dit_lite.training.run_directory import LOCK, METRICS, STATE, RunDirectory


@pytest.fixture
def finished(tmp_path, short):
    config = short(out=str(tmp_path / "run"))
    train(config, progress=False)
    return config, tmp_path / "run"


def stopped_at(config, step: int, **options) -> Trainer:
    """A trainer whose run ended by an error at this step."""
    trainer = Trainer(config, **options)
    real = trainer.train_step
    trainer.train_step = lambda: real() if trainer.step < step else 1 / 0
    with pytest.raises(ZeroDivisionError):
        trainer.run(progress=False)
    return trainer


# ---- one process at a time

HOLDER = """
import signal, sys
from dit_lite.training.run_directory import RunDirectory
directory = RunDirectory(sys.argv[1])
directory.open()
print("open", flush=True)
signal.pause()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that uses a directory."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path / "run"], stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"open\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.process
@pytest.mark.parametrize("resume", [False, "auto"])
def test_a_directory_that_another_process_uses_is_refused(
    tmp_path, short, holder, resume
):
    with pytest.raises(ConfigError, match=r"run' is in use by another process; wait"):
        train(short(out=str(tmp_path / "run")), resume, progress=False)
    assert [f.name for f in (tmp_path / "run").iterdir()] == [LOCK]


@pytest.mark.process
def test_a_run_that_another_process_continues_is_refused(finished, holder):
    with pytest.raises(ConfigError, match="is in use by another process"):
        train(finished[0], resume=True, progress=False)


@pytest.mark.process
def test_a_lock_dies_with_its_process(tmp_path, short, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "run" / LOCK).exists()
    train(short(out=str(tmp_path / "run")), progress=False)
    assert not (tmp_path / "run" / LOCK).exists()


def test_a_lock_is_given_back_however_a_run_ends(tmp_path, short):
    config = short(out=str(tmp_path / "run"))
    stopped_at(config, 6)
    with pytest.raises(CheckpointError, match="seed was 0 and is now 1") as kept:
        Trainer(dataclasses.replace(config, seed=1), resume=True)
    train(config, resume=True, progress=False)
    assert kept.value.__traceback__, "whose frames would keep a lock alive"
    Trainer(config, resume=True)  # nobody keeps it
    train(config, resume=True, progress=False)


def test_a_file_system_without_locks_holds_runs(tmp_path, short, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def flock(*args):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    assert train(short(out=str(tmp_path / "run")), progress=False).metrics


def test_a_forked_process_takes_no_lock_away(tmp_path, short):
    directory = RunDirectory(tmp_path / "run")
    directory.open()
    if (child := os.fork()) == 0:
        directory.close()
        os._exit(0)
    os.waitpid(child, 0)
    with pytest.raises(ConfigError, match="is in use"):
        RunDirectory(tmp_path / "run").open()
    directory.close()
    RunDirectory(tmp_path / "run").open()


# ---- a directory that cannot be used is found before the first step


@pytest.fixture
def no_step(monkeypatch):
    monkeypatch.setattr(Trainer, "train_step", lambda self: 1 / 0)


@pytest.mark.parametrize("out", ["/proc/self", "/proc/self/run", "/dev/null/run"])
def test_a_directory_that_cannot_be_written_is_found_before_the_first_step(
    short, no_step, out
):
    with pytest.raises(ConfigError, match=rf"out='{out}' cannot be (made|written) \("):
        train(short(out=out), progress=False)


@pytest.mark.parametrize("name", [LOCK, METRICS, STATE])
def test_links_in_an_unpacked_archive_lead_to_no_other_file(
    tmp_path, short, no_step, name
):
    (tmp_path / "precious").write_text("mine\n")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).symlink_to(tmp_path / "precious")
    with pytest.raises((ConfigError, CheckpointError)):
        train(short(out=str(tmp_path / "run")), progress=False)
    assert (tmp_path / "precious").read_text() == "mine\n"


def test_links_in_the_directory_of_a_run_lead_to_no_other_file(finished, tmp_path):
    config, place = finished
    (tmp_path / "precious").write_bytes((place / METRICS).read_bytes())
    before = (tmp_path / "precious").read_bytes()
    for name in (METRICS, "model.safetensors", "config.json"):
        (place / name).unlink()
        (place / name).symlink_to(tmp_path / "precious")
    with pytest.raises(CheckpointError, match=r"cannot write .*metrics\.jsonl"):
        train(dataclasses.replace(config, steps=20), resume=True, progress=False)
    assert (tmp_path / "precious").read_bytes() == before


# ---- continue or begin


def test_resume_auto_begins_and_continues_and_repeats(tmp_path, short, same_run):
    config = short(out=str(tmp_path / "run"))
    stopped_at(config, 3, resume="auto")  # before the first save
    stopped_at(config, 8, resume="auto")
    trainer = Trainer(config, resume="auto")
    assert trainer.step == 5
    trainer.run(progress=False)
    train(config, resume="auto", progress=False)
    train(short(out=str(tmp_path / "whole")), progress=False)
    same_run(tmp_path / "run", tmp_path / "whole")


def test_resume_auto_does_not_begin_over_something_else(tmp_path, short):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"holds config\.json, and no state"):
        train(short(out=str(tmp_path / "run")), resume="auto", progress=False)


@pytest.mark.parametrize("resume", ["yes", "", 2, None])
def test_another_word_for_resuming_is_refused(short, tmp_path, resume):
    with pytest.raises(ConfigError, match=r"resume=.* is not known; True, False or"):
        Trainer(short(out=str(tmp_path / "run")), resume=resume)


# ---- what is in the state


def test_every_part_of_the_state_is_named_once(finished):
    config, place = finished
    trainer = Trainer(config, resume=True)
    tensors, about = read_tensors(place / STATE, signed=True)
    assert json.loads(about["values"]).keys() == trainer.state.keys()
    assert {name.split(".")[0] for name in tensors} == {
        "model", "ema", "optimiser", "generator",
    }  # fmt: skip


def test_flipped_bits_do_not_resume_as_another_run(finished):
    config, place = finished
    content = (place / STATE).read_bytes()
    draw = random.Random(0)
    for _ in range(60):
        damaged = bytearray(content)
        bit = draw.randrange(8 * len(content))
        damaged[bit // 8] ^= 1 << bit % 8
        (place / STATE).write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"damaged|truncated or not|schema"):
            RunDirectory(place).read()
    (place / STATE).write_bytes(damaged)
    with pytest.raises(CheckpointError, match=r"state\.safetensors"):
        train(config, resume=True, progress=False)


def changed(place, change) -> None:
    """Change the tensors of a state, and sign it again."""
    tensors, about = read_tensors(place / STATE)
    change(tensors)
    write_tensors(place / STATE, tensors, about)


MOMENT, STEP = "optimiser.exp_avg.embed.weight", "optimiser.step.embed.weight"
HARMS = {
    "another shape": (
        MOMENT,
        lambda m: torch.zeros(1),
        r"is \(1,\) torch.float32, not",
    ),
    "transposed": (MOMENT, lambda m: m.T.contiguous(), "not"),
    "half": (MOMENT, lambda m: m.half(), "torch.float16, not"),
    "integers": (MOMENT, lambda m: m.int(), "torch.int32, not"),
    "empty": (MOMENT, lambda m: m[:0], r"is \(0, 4\)"),
    "infinite": (MOMENT, lambda m: m / 0, "is not finite"),
    "a step that is a vector": (STEP, lambda s: s.repeat(3), r"is \(3,\)"),
    "a step that is whole": (STEP, lambda s: s.long(), "torch.int64"),
    "a step that is nothing": (STEP, lambda s: s * float("nan"), "is not finite"),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_tensor_unlike_its_parameter_never_reaches_the_optimiser(finished, harm):
    config, place = finished
    name, change, said = HARMS[harm]
    changed(place, lambda tensors: tensors.update({name: change(tensors[name])}))
    with pytest.raises(
        CheckpointError, match=f"'{name.removeprefix('optimiser.')}' .*{said}"
    ):
        train(config, resume=True, progress=False)


def test_a_tensor_that_belongs_to_no_parameter_is_refused(finished):
    config, place = finished
    changed(place, lambda t: t.update({"optimiser.exp_avg.more": torch.zeros(2)}))
    with pytest.raises(CheckpointError, match=r"has no place for 'exp_avg\.more'"):
        train(config, resume=True, progress=False)


@pytest.mark.parametrize("part", ["model", "ema"])
def test_weights_that_are_no_finite_floats_do_not_resume(finished, part):
    config, place = finished
    name = f"{part}.embed.weight"
    changed(place, lambda t: t.update({name: t[name] * float("nan")}))
    with pytest.raises(CheckpointError, match=r"'embed.weight' in .* is not finite"):
        train(config, resume=True, progress=False)


def test_a_frozen_parameter_needs_no_state_of_the_optimiser(tmp_path, short):
    config = short(out=str(tmp_path / "run"))

    def frozen(model):
        model.embed.weight.requires_grad_(False)
        return model

    stopped_at(config, 8, parallelize=frozen)
    Trainer(config, resume=True, parallelize=frozen).run(progress=False)
    with pytest.raises(CheckpointError, match=r"'step\.embed\.weight' is missing"):
        Trainer(config, resume=True)


@pytest.mark.parametrize("schema", [None, "1", "3"])
def test_a_state_of_another_schema_is_refused_with_the_way_out(finished, schema):
    """The schema of before had no such note."""
    config, place = finished
    tensors, about = read_tensors(place / STATE)
    about.pop("schema")
    write_tensors(
        place / STATE, tensors, about | ({"schema": schema} if schema else {})
    )
    with pytest.raises(
        CheckpointError,
        match=rf"not a state of this version \(schema {schema or 'unknown'}, .*"
        rf"finish the run with the version that began it.*--init-from {place}",
    ):
        train(config, resume=True, progress=False)


def test_what_a_killed_save_left_is_removed(finished):
    config, place = finished
    (place / ".dit-lite-0123.part").touch()
    train(config, resume=True, progress=False)
    assert not list(place.glob(".*"))


# ---- after a divergence


def test_the_kept_checkpoint_is_from_before_the_trouble_and_resumes_lower(
    tmp_path, short
):
    """A rate that blows the loss up, long before it is infinite."""
    config = short(
        out=str(tmp_path / "run"),
        steps=40,
        save_every=1,
        warmup=0,
        lr=1e-3,
        log_every=1,
    )
    calm = Trainer(config)
    real = calm.train_step

    def train_step():
        if calm.step >= 10:  # as a rate that is far too high does it
            for p in calm.model.parameters():
                p.data *= 1 + 10.0 ** (calm.step - 10)
        return real()

    calm.train_step = train_step
    with pytest.raises(DivergedError) as error:
        calm.run(progress=False)
    kept = RunDirectory(tmp_path / "run").saved_step()
    losses = {line["step"]: line["loss"] for line in calm.metrics.lines}
    assert 10 <= kept <= 13
    assert f"The checkpoint of step {kept} in {tmp_path / 'run'} is kept" in str(
        error.value
    )
    assert "--resume --lr 0.0005 (resume=True, lr=0.0005)" in str(error.value)
    assert max(losses[k] for k in losses if k <= kept) < 4
    run = train(dataclasses.replace(config, lr=5e-4), resume=True, progress=False)
    assert run.metrics[-1]["step"] == 40
    assert run.metrics[-1]["loss"] < 4


def test_weights_that_one_step_made_infinite_are_not_saved(tmp_path, short):
    trainer = Trainer(short(out=str(tmp_path / "run")))
    real = trainer.train_step

    def train_step():
        result = real()  # the loss of this step is still finite
        if trainer.step == 10:
            trainer.model.embed.weight.data[0, 0] = float("inf")
        return result

    trainer.train_step = train_step
    with pytest.raises(
        DivergedError, match=r"weights that are not finite after step 10: .*of step 5"
    ):
        trainer.run(progress=False)
    assert trainer.directory.saved_step() == 5
    assert load(tmp_path / "run").embed.weight.isfinite().all()


def test_a_signal_in_the_midst_of_trouble_keeps_the_older_checkpoint(tmp_path, short):
    trainer = Trainer(short(out=str(tmp_path / "run")))
    real = trainer.train_step

    def train_step():
        loss, norm = real()
        if trainer.step == 7:
            os.kill(os.getpid(), signal.SIGHUP)
        return loss * (1e6 if trainer.step >= 6 else 1), norm

    trainer.train_step = train_step
    with pytest.raises(
        Interrupted, match=r"the checkpoint of step 5 is kept; .*--resume --lr 0\.0015"
    ):
        trainer.run(progress=False)
    assert trainer.directory.saved_step() == 5


def test_a_save_that_was_put_off_is_made_when_the_trouble_is_over(tmp_path, short):
    trainer = Trainer(short(out=str(tmp_path / "run"), save_every=5))
    real = trainer.train_step

    def train_step():
        loss, norm = real()
        return loss * (1e6 if trainer.step in (10, 11) else 1), norm

    saved, save = [], trainer.save
    trainer.train_step = train_step
    trainer.save = lambda: (saved.append(trainer.step), save())
    trainer.config = dataclasses.replace(trainer.config, steps=14)
    trainer.run(progress=False)
    assert saved == [5, 12, 14]


# ---- signals and defaults


def test_a_hang_up_that_was_ignored_stays_ignored(tmp_path, short):
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        trainer = Trainer(short(out=str(tmp_path / "run")))
        real = trainer.train_step
        trainer.train_step = lambda: (os.kill(os.getpid(), signal.SIGHUP), real())[1]
        assert trainer.run(progress=False).metrics[-1]["step"] == 12
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_default_saves_now_and_then(tmp_path, short):
    trainer = Trainer(short(out=str(tmp_path / "run"), steps=40, save_every=None))
    saved, save = [], trainer.save
    trainer.save = lambda: (saved.append(trainer.step), save())
    trainer.run(progress=False)
    assert saved == list(range(4, 41, 4))


# ---- the name of a shipped model


@pytest.fixture
def own_digits(tmp_path, monkeypatch, short):
    """A directory of one's own that is called like a shipped model."""
    monkeypatch.chdir(tmp_path)
    return train(short(out="digits", steps=2), progress=False)


def test_a_name_that_is_both_is_refused_with_both_ways_out(own_digits):
    with pytest.raises(ConfigError) as error:
        load("digits")
    said = str(error.value)
    assert (
        "'digits' is both a model that ships with dit_lite and a directory here" in said
    )
    assert "write ./digits for the directory, or /" in said
    mine = load("./digits")
    shipped = load(said.split(" for the directory, or ")[1].split(" for the model")[0])
    assert mine.config.width == 16
    assert shipped.config.width > 16
    assert sample(mine, [0], steps=1).equal(sample(own_digits.model, [0], steps=1))


def test_the_command_that_is_printed_draws_with_the_model_that_was_trained(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    small = "--steps 2 --batch-size 4 --width 16 --depth 1 --heads 2 --device cpu"
    assert main(["train", "digits", "--out", "digits", *small.split()]) == 0
    command = capsys.readouterr().out.split("sample with: python -m dit_lite ")[1]
    assert command.strip() == "sample --checkpoint ./digits"
    assert main([*command.split(), "--steps", "1", "--count", "1"]) == 0
    assert main(["sample", "--checkpoint", "digits", "--steps", "1"]) == 2
    assert "write ./digits for the directory" in capsys.readouterr().err


def test_a_directory_that_is_no_model_hides_no_shipped_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    assert load("digits").config.width > 16


def test_the_place_of_the_shipped_models_is_no_other(monkeypatch):
    from dit_lite.files.environment import resource

    monkeypatch.chdir(resource("data/checkpoints"))
    assert load("digits").config.num_classes == 10
