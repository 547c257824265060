"""The counting, without the network: the judge's output is put together by hand."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dit_lite.data.shapes import (
    ATTRIBUTES,
    CaptionError,
    batch,
    draw_scenes,
    read,
    truth,
)
from dit_lite.evaluation.shapes import (
    COUNTS,
    Seen,
    ShapesJudge,
    compare,
    judge_captions,
)


def seen_of(scenes, order=(0, 1, 2)) -> Seen:
    """What a perfect judge sees, its slots in some order."""
    n, here = len(scenes), np.zeros((len(scenes), 6), bool)
    values = {name: np.zeros((n, 6), int) for name in ATTRIBUTES}
    centre = np.zeros((n, 6, 2))
    for i in range(n):
        slots = [k for k in order if k < scenes.count[i]]
        here[i, : len(slots)] = True
        for name, value in values.items():
            value[i, : len(slots)] = getattr(scenes, name)[i, slots]
        centre[i, : len(slots)] = (
            np.stack([scenes.x[i, slots], scenes.y[i, slots]], -1) / 4
        )
    return Seen(
        torch.from_numpy(here),
        {name: torch.from_numpy(value) for name, value in values.items()},
        torch.from_numpy(centre),
        torch.from_numpy(scenes.background),
    )


def totals(report) -> dict[str, tuple[int, int]]:
    return {
        name: (int(report.right[name].sum()), int(report.asked[name].sum()))
        for name in COUNTS
    }


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_perfect_picture_keeps_every_claim_in_whatever_order_it_is_seen(order):
    scenes = draw_scenes(0, np.arange(200), "every", (1, 1, 1))
    report = compare(seen_of(scenes, order), truth(scenes))
    assert all(right == asked > 0 for right, asked in totals(report).values())
    for i in range(len(scenes)):
        expected = [[k for k in order if k < scenes.count[i]].index(k) for k in range(3) if k < scenes.count[i]]  # fmt: skip
        assert report.slots[i, : scenes.count[i]].tolist() == expected


def two(colours=(0, 4), shapes=(0, 1), columns=(0, 2)) -> Seen:
    """One image with two small solid objects in the middle row."""
    scenes = draw_scenes(0, np.arange(1), mix=(0, 1, 0))
    row = np.array([[1, 1, 1]])

    def three(*pair):
        return np.array([[*pair, 0]])

    return seen_of(
        replace(
            scenes, shape=three(*shapes), colour=three(*colours), size=0 * row,
            texture=0 * row, column=three(*columns), row=row,
            x=three(*(32 + 32 * c for c in columns)), y=64 * row,
            background=np.array([0]),
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        # the same picture as the words, and the same words the other way round
        ("a red circle left of a blue square", dict(object=(2, 2), relation=(1, 1))),
        ("a blue square right of a red circle", dict(object=(2, 2), relation=(1, 1))),
        ("a red circle right of a blue square", dict(object=(2, 2), relation=(0, 1))),
        ("a red circle above a blue square", dict(object=(2, 2), relation=(0, 1))),
        # attributes bound to the wrong object: half of what is said holds
        (
            "a blue circle and a red square",
            dict(shape=(2, 2), colour=(0, 2), object=(0, 2)),
        ),
        # an object too few, or one too many
        ("a red circle", dict(object=(1, 1), number=(0, 1), caption=(0, 1))),
        (
            "a red circle and a blue square and a green heart",
            dict(shape=(2, 3), object=(2, 3), number=(0, 1)),
        ),
        (
            "a large red circle and a striped blue square",
            dict(size=(0, 1), texture=(0, 1), object=(0, 2), shape=(2, 2)),
        ),
        ("a red circle at the left", dict(place=(1, 1), object=(1, 1))),
        ("a red circle at the top left", dict(place=(0, 1), object=(0, 1))),
        (
            "a red circle and a blue square on a light background",
            dict(background=(0, 1), object=(2, 2), caption=(0, 1)),
        ),
        (
            "a red circle and a blue square on a dark background",
            dict(background=(1, 1), caption=(1, 1)),
        ),
    ],
)
def test_claims_are_counted_as_by_hand(caption, expected):
    found = totals(compare(two(), [read(caption)]))
    assert {name: found[name] for name in expected} == expected


def test_equal_shapes_are_told_apart_by_what_is_said_of_them():
    seen = two(shapes=(3, 3))
    assert compare(seen, [read("a blue diamond and a red diamond")]).slots[0].tolist() == [1, 0, -1]  # fmt: skip
    left = [read("a diamond left of a diamond"), read("a diamond right of a diamond")]
    assert [compare(seen, [c]).slots[0, 0].item() for c in left] == [0, 1]


def test_an_empty_picture_keeps_no_claim():
    nothing = replace(two(), here=torch.zeros(1, 6, dtype=torch.bool))
    found = totals(compare(nothing, [read("a red circle left of a blue square")]))
    assert all(right == 0 for right, _ in found.values())
    assert found["shape"] == (0, 2)


@given(st.integers(0, 2**40))
def test_the_assignment_keeps_as_many_claims_as_any(seed):
    scenes = draw_scenes(seed, np.arange(8), "every", (0, 1, 1))
    other = truth(draw_scenes(seed + 1, np.arange(8), "every", (0, 1, 1)))
    looks = ("shape", "colour", "size", "texture")
    claims = [
        replace(
            c, relations=(), objects=tuple({k: o[k] for k in looks} for o in c.objects)
        )
        for c in other
    ]
    report = compare(seen_of(scenes), claims)
    for i, claim in enumerate(claims):
        best = max(
            sum(
                getattr(scenes, name)[i, s] == said[name]
                for s, said in zip(order, claim.objects, strict=False)
                if s < scenes.count[i]
                for name in looks
            )
            for order in permutations(range(3))
        )
        assert sum(report.right[name][i] for name in looks) == best


def test_a_part_of_a_report_is_the_report_of_a_part():
    scenes = draw_scenes(0, np.arange(60), "every", (1, 1, 1))
    claims = truth(draw_scenes(1, np.arange(60), "every", (1, 1, 1)))
    whole = compare(seen_of(scenes), claims)
    chosen = whole.objects == 2
    index = chosen.nonzero()[:, 0].tolist()
    part = compare(seen_of(scenes[index]), [claims[i] for i in index])
    assert totals(whole.only(chosen)) == totals(part)


def test_rows_carry_wilson_intervals_and_leave_out_what_was_not_asked():
    report = compare(two(), [read("a red circle and a blue square")])
    rows = {row["name"]: row for row in report.rows()}
    assert set(rows) == {"shape", "colour", "object", "number", "caption"}
    assert rows["shape"]["accuracy"] == rows["shape"]["high"] == 1
    # Wilson's lower end of 2 of 2 is n / (n + z^2)
    assert rows["shape"]["low"] == pytest.approx(2 / (2 + 1.959964**2), abs=1e-5)
    assert report.accuracy("relation") is None
    assert "shape" in str(report)


def test_what_cannot_be_judged_is_refused():
    judge, images = ShapesJudge().eval(), torch.zeros(2, 3, 32, 32) - 0.5
    with pytest.raises(ValueError, match="3 captions do not fit 2 images"):
        judge_captions(images, ["a red circle"] * 3, judge)
    with pytest.raises(ValueError, match=r"the shapes judge takes \(3, 32, 32\)"):
        judge_captions(images[..., :16, :16], ["a red circle"] * 2, judge)
    with pytest.raises(TypeError, match="is one string; give a list"):
        judge_captions(images, "a red circle", judge)
    with pytest.raises(CaptionError, match="did you mean 'circle'"):
        judge_captions(images, ["a red circel"] * 2, judge)
    with pytest.raises(TypeError, match=r"expected floats in \[-1,1\]"):
        judge_captions(torch.from_numpy(batch(0, np.arange(2)).images), ["a red heart"] * 2, judge)  # fmt: skip
