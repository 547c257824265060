import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dit_lite.data.shapes import batch, draw_scenes
from dit_lite.evaluation.shapes import (
    judge_captions,
    load_shapes_judge,
    look,
    train_shapes_judge,
)
from dit_lite.files.environment import resource

MINIMUM = 0.99


def real(split: str, n: int = 1000, mix=(1, 1, 1), seed: int = 77):
    drawn = batch(seed, np.arange(n), split, mix)
    return torch.from_numpy(drawn.images).float() / 127.5 - 1, drawn


@pytest.fixture(scope="module")
def judge():
    return load_shapes_judge()


@pytest.mark.parametrize("split", ["test", "unseen"])
def test_the_judge_reads_held_out_renderings(judge, split):
    images, drawn = real(split)
    for row in judge_captions(images, drawn.scenes, judge).rows():
        assert row["accuracy"] >= MINIMUM, row


def test_the_judge_is_the_same_for_every_number_of_objects(judge):
    images, drawn = real("test")
    report = judge_captions(images, drawn.scenes, judge)
    for count in (1, 2, 3):
        few = report.only(report.objects == count)
        assert all(
            few.accuracy(name).value >= MINIMUM
            for name in ("shape", "texture", "place")
        )


def test_centres_are_known_to_a_pixel(judge):
    images, drawn = real("test", 300, (1, 0, 0))
    seen = look(judge, images)
    assert seen.here.sum(1).tolist() == [1] * 300
    scenes = drawn.scenes
    centre = torch.from_numpy(np.stack([scenes.x[:, 0], scenes.y[:, 0]], 1) / 4)
    assert (seen.centre[:, 0] - centre).abs().max() < 1


def test_pictures_a_little_blurred_or_noisy_are_still_read(judge):
    images, drawn = real("test", 400)
    kernel = torch.tensor([0.15, 0.7, 0.15])
    kernel = (kernel[:, None] * kernel).expand(3, 1, 3, 3)
    blurred = F.conv2d(F.pad(images, (1,) * 4, "replicate"), kernel, groups=3)
    generator = torch.Generator().manual_seed(0)
    noisy = (images + 0.08 * torch.randn(images.shape, generator=generator)).clamp(
        -1, 1
    )
    for worn in (blurred, noisy):
        report = judge_captions(worn, drawn.scenes, judge)
        assert report.accuracy("object").value >= 0.98


def test_captions_that_are_true_are_kept_and_those_of_other_pictures_are_not(judge):
    images, drawn = real("test")
    assert judge_captions(images, drawn.tokens, judge).accuracy("caption").value >= 0.98
    other = judge_captions(images, np.roll(drawn.tokens, 1, 0), judge)
    assert other.accuracy("caption").value < 0.02
    # as if drawn at random, but for the freedom to assign
    assert other.accuracy("colour").value < 0.45


def test_no_object_is_seen_where_there_is_none(judge):
    plain = torch.tensor([-0.7, 0.0, 0.8])[:, None, None, None].expand(3, 3, 32, 32)
    broken = torch.full((1, 3, 32, 32), torch.nan)
    seen = look(judge, torch.cat([plain, broken]))
    assert not seen.here.any()


def test_a_picture_is_read_the_same_in_any_batch(judge):
    images, _ = real("test", 300)
    whole, alone = look(judge, images), look(judge, images[299:])
    assert torch.equal(whole.values["shape"][299], alone.values["shape"][0])
    assert torch.allclose(whole.centre[299], alone.centre[0], atol=1e-3)


def test_training_learns_repeats_and_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    first, again = (train_shapes_judge(steps=3, batch_size=8) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(
        torch.equal(a, b)
        for a, b in zip(first.parameters(), again.parameters(), strict=True)
    )
    images, drawn = real("test", 200, (1, 0, 0))
    learned = train_shapes_judge(steps=100, batch_size=8)
    report = judge_captions(images, drawn.scenes, learned)
    assert report.accuracy("colour").value > 0.5


def test_the_judge_was_trained_on_other_pictures_than_it_is_tested_on():
    ours = draw_scenes(0, np.arange(2000), "every")
    theirs = draw_scenes(77, np.arange(2000), "test")
    same = (
        (ours.x == theirs.x)
        & (ours.y == theirs.y)
        & (ours.shade == theirs.shade).all(-1)
    )
    assert not same.any()


def test_the_card_quotes_its_record():
    card = resource("data/checkpoints/shapes-judge.md").read_text()
    record = json.loads(resource("data/results/shapes_judge/cpu.json").read_text())
    rows = record["values"]["rows"]
    assert f"{rows[0]['parameters']:,} parameters" in card
    assert resource("data/checkpoints/shapes-judge.safetensors").stat().st_size < 2e6
    columns = ("shape", "colour", "size", "texture", "place", "background", "object", "caption")  # fmt: skip
    for split, wear in sorted({(row["split"], row["wear"]) for row in rows}):
        found = {
            row["name"]: f"{row['accuracy']:.2%}".replace("%", " %")
            for row in rows
            if (row["split"], row["wear"]) == (split, wear)
        }
        line = " | ".join(found[name] for name in columns)
        assert f"| {split} | {wear} | {line} |" in card
