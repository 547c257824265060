import json
import math
import re
from pathlib import Path

import pytest
import torch

from dit_lite import preset
from dit_lite.checks import CHECKS, SOLUTIONS, CheckFailed, check, solution, verify
from dit_lite.evaluation import look_alike
from dit_lite.model import Modulation

CHAPTERS = sorted((Path(__file__).parents[2] / "book" / "chapters").glob("*.ipynb"))


def cells(tag: str) -> list:
    """Code cells that carry `tag`, with a readable name."""
    found = []
    for path in CHAPTERS:
        for cell in json.loads(path.read_text())["cells"]:
            if tag in cell["metadata"].get("tags", []):
                source = "".join(cell["source"])
                found.append(
                    pytest.param(source, id=source.split('check("')[1].split('"')[0])
                )
    return found


def zeroed(modulation: Modulation) -> Modulation:
    modulation.zero()
    return modulation


def guided_everywhere(model, x, t, y, w):
    null = model(x, t, torch.full_like(y, model.config.num_classes))
    return null + w * (model(x, t, y) - null)


def guided_label(model, x, t, y, w):
    null = torch.full_like(y, model.config.num_classes)
    return model(x, t, null + w * (y - null))


def euler_in_place(velocity, x, steps: int):
    for i in range(steps):
        x -= velocity(x, 1 - i / steps) / steps
    return x


def euler(velocity, x, steps: int):
    for i in range(steps):
        x = x - velocity(x, 1 - i / steps) / steps
    return x


@pytest.mark.parametrize("source", cells("exercise"))
def test_the_unsolved_stub_says_not_yet_and_stops_nothing(source):
    said = []

    def noted(name, answer):
        said.append(check(name, answer))

    exec(source, {"torch": torch, "math": math, "check": noted})
    (verdict,) = said
    assert re.search(r"replace `\.\.\.`", verdict.hint)
    assert "not yet" in verdict._repr_html_()
    assert "not yet" in repr(verdict)


@pytest.mark.parametrize("name", sorted(SOLUTIONS))
def test_the_solution_passes_and_is_shown_closed(name):
    shown = solution(name)
    assert '<details class="dit-solution"><summary>' in shown.data
    plain = re.sub(r"<[^>]*>", "", shown.data)
    assert f"def {SOLUTIONS[name].__name__}(" in plain
    assert "@solves" not in plain


def test_a_wrong_solution_stops_the_build(monkeypatch):
    monkeypatch.setitem(SOLUTIONS, "02.3", lambda old, new: torch.zeros(new))
    with pytest.raises(CheckFailed, match="same square"):
        solution("02.3")


def test_every_check_has_a_stub_a_solution_and_a_cell_that_shows_it():
    shown = [
        re.search(r'solution\(\s*"([\d.]+)"', "".join(cell["source"]))[1]
        for path in CHAPTERS
        for cell in json.loads(path.read_text())["cells"]
        if "solution" in cell["metadata"].get("tags", [])
    ]
    assert (
        sorted(p.id for p in cells("exercise"))
        == sorted(SOLUTIONS)
        == sorted(CHECKS)
        == sorted(shown)
    )


@pytest.mark.parametrize(
    ("name", "wrong", "hint"),
    [
        (
            "01.1",
            lambda x0, eps, t: (
                t[:, None, None, None] * x0 + (1 - t[:, None, None, None]) * eps
            ),
            "At t = 0 the result must be the image",
        ),
        (
            "01.1",
            lambda x0, eps, t: (1 - t) * x0 + t * eps,
            "image of the batch has its own t",
        ),
        ("01.2", lambda x, v, t: x, "eps drops out"),
        (
            "01.3",
            lambda velocity, x, steps: (
                x + sum(velocity(x, 1 - i / steps) / steps for i in range(steps))
            ),
            "downwards",
        ),
        ("01.3", lambda velocity, x, steps: x - velocity(x, 1.0), "8 times"),
        ("01.4", lambda model, x, t, y, w: w * model(x, t, y), "num_classes"),
        ("01.4", guided_label, "not the labels"),
        ("01.5", lambda x, t, data: data.mean(0).expand_as(x), "softmax"),
        (
            "02.1",
            lambda x, P: (
                x.unfold(2, P, P)
                .unfold(3, P, P)
                .permute(0, 2, 3, 1, 4, 5)
                .flatten(3)
                .flatten(1, 2)
            ),
            "row, column, channel",
        ),
        ("02.2", lambda side, D: 2, "must divide the side"),
        ("02.3", lambda old, new: torch.arange(new) * (old / new), "same square"),
        ("02.3", lambda old, new: torch.linspace(0, old - 1, new), "same square"),
        (
            "02.4",
            lambda targets, basis: (
                (targets - targets @ basis @ basis.T).square().mean()
            ),
            "neither orthogonal",
        ),
        ("02.5", lambda: preset("digits"), "patches of 4"),
        ("02.5", lambda: preset("digits", patch_size=4), "twice the width"),
        ("02.5", lambda: 4, "return a DiTConfig"),
        (
            "03.1",
            lambda x, scale, shift: (
                (x - x.mean(-1, keepdim=True))
                / x.std(-1, keepdim=True)
                * (1 + scale[:, None])
                + shift[:, None]
            ),
            "not by D - 1",
        ),
        ("03.2", lambda vectors, ratio: vectors / 12, "in units of"),
        (
            "03.3",
            lambda block: block.modulation[1].bias.data.fill_(-1),
            "must a branch be fed",
        ),
        (
            "03.3",
            lambda block: block.mlp[2].weight.data.zero_(),
            "Only the modulation may be changed, and mlp.2.weight was",
        ),
        ("03.3", lambda block: None, "replace `...`"),
        ("03.4", lambda: (0.2, 0.6), "at most 0.2 apart"),
        ("03.4", lambda: 0.5, "two times"),
        (
            "03.5",
            lambda width, n: torch.nn.Linear(width, n * width),
            "6 tensors of shape",
        ),
        ("03.5", lambda width, n: torch.zeros(width), "expected an nn.Module"),
        ("03.5", lambda width, n: Modulation(width, n), "set the weights"),
        (
            "03.5",
            lambda width, n: zeroed(Modulation(width, n)),
            "a third of Modulation",
        ),
        (
            "09.1",
            lambda model, x, t, y, w, low, high: model(x, t, y),
            "With an interval that contains every t",
        ),
        (
            "09.1",
            lambda model, x, t, y, w, low, high: guided_everywhere(model, x, t, y, w),
            "the plain conditional model answers",
        ),
        ("09.2", lambda counts, scores: scores[-1], "a straight line in 1/count"),
        ("09.3", lambda features: features, "too near to the features"),
        ("09.3", lambda features: features + 5, "It sees the mean and the covariance"),
        (
            "09.3",
            lambda features: look_alike(features, torch.Generator().manual_seed(0)),
            "too widely scattered",
        ),
        (
            "09.4",
            lambda tracked, wanted: torch.full_like(tracked, 1 / len(tracked)),
            "orthogonal",
        ),
        ("09.5", lambda: ("heun", 12, 2.0, (0.0, 1.0)), "12 are allowed"),
        (
            "09.5",
            lambda: ("dpmpp_2m", 6, 4.0, (0.0, 1.0)),
            "At which t is guidance needed",
        ),
        ("09.5", lambda: 12, "Return four things"),
        ("09.6", lambda velocity, x0, known, noise, steps: x0, "five steps evaluate"),
        (
            "09.6",
            lambda velocity, x0, known, noise, steps: euler(velocity, noise, steps),
            "the known pixels on the path",
        ),
    ],
)
def test_a_typical_mistake_gets_its_hint(name, wrong, hint):
    with pytest.raises(CheckFailed, match=hint):
        verify(name, wrong)


def test_a_sampler_may_work_in_place():
    verify("01.3", euler_in_place)


def test_a_crash_in_the_answer_is_reported_as_such():
    with pytest.raises(CheckFailed, match="ZeroDivisionError"):
        verify("01.1", lambda x0, eps, t: 1 / 0)


def test_what_is_no_function_and_no_exercise_is_refused():
    with pytest.raises(CheckFailed, match="without parentheses"):
        verify("01.1", torch.zeros(1))
    with pytest.raises(ValueError, match="choose one of"):
        check("99.9", lambda: None)
