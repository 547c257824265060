import itertools

import pytest
import torch

from dit_lite import sample
from dit_lite.diffusion import OBJECTIVES, PATHS, Denoiser, convert, guide, target


def test_guidance_starts_at_the_unconditional_answer_and_passes_the_conditional_one():
    unconditional, conditional = torch.randn(2, 3, 4).unbind()
    assert torch.equal(guide(unconditional, conditional, 0), unconditional)
    torch.testing.assert_close(guide(unconditional, conditional, 1), conditional)
    torch.testing.assert_close(
        guide(unconditional, conditional, 3),
        conditional + 2 * (conditional - unconditional),
    )


@pytest.mark.parametrize(
    ("path", "objective", "other"),
    [(p, a, b) for p in PATHS for a, b in itertools.combinations(OBJECTIVES, 2)],
)
def test_guidance_is_the_same_in_every_target(path, objective, other):
    x, unconditional, conditional = torch.randn(
        3, 5, 1, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    ).unbind()
    t = torch.linspace(0.1, 0.9, 5, dtype=torch.float64)

    def there(value):
        return convert(value, objective, other, PATHS[path], x, t)

    torch.testing.assert_close(
        there(guide(unconditional, conditional, 2.5)),
        guide(there(unconditional), there(conditional), 2.5),
    )


def x0_of(model, labels, w, t=0.6, **kw):
    x = torch.randn(len(labels), 1, 8, 8, generator=torch.Generator().manual_seed(0))
    return Denoiser(model, labels, w, **kw)(x, t).x0


LABELS = torch.tensor([0, 1, 2])


def test_weight_one_is_the_conditional_model_and_weight_zero_the_unconditional_one(
    alive,
):
    model = alive()
    conditional, unconditional = (
        x0_of(model, LABELS, 1),
        x0_of(model, torch.tensor([3, 3, 3]), 1),
    )
    torch.testing.assert_close(x0_of(model, LABELS, 0), unconditional)
    torch.testing.assert_close(
        x0_of(model, LABELS, 1.0000001), conditional, rtol=1e-3, atol=1e-3
    )
    torch.testing.assert_close(
        x0_of(model, LABELS, 2), 2 * conditional - unconditional, rtol=1e-3, atol=1e-3
    )


def test_guiding_the_null_class_changes_nothing(alive):
    model, null = alive(), torch.tensor([3, 3])
    torch.testing.assert_close(
        x0_of(model, null, 4), x0_of(model, null, 1), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize(
    ("t", "inside"),
    [(0.2, True), (0.5, True), (0.7, True), (0.19, False), (0.71, False)],
)
def test_guidance_acts_inside_its_interval_only(alive, t, inside):
    model = alive()
    found = x0_of(model, LABELS, 3, t, interval=(0.2, 0.7))
    assert torch.equal(found, x0_of(model, LABELS, 3 if inside else 1, t))


def test_a_guided_answer_costs_two_calls(alive):
    x = torch.zeros(3, 1, 8, 8)
    for w, calls in ((1, [1, 2]), (2.0, [2, 4]), (0, [2, 4])):
        denoise = Denoiser(alive(), LABELS, w)
        counted = []
        for _ in range(2):
            denoise(x, 0.5)
            counted.append(denoise.calls)
        assert counted == calls


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("path", PATHS)
def test_a_denoiser_reads_the_model_on_its_own_path_and_target(alive, path, objective):
    model = alive(path=path, objective=objective)
    x, t = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0)), 0.5
    with torch.no_grad():
        x0, eps, variance = Denoiser(model, LABELS)(x, t)
        output = model(x, torch.full((3,), t), LABELS)
    times = torch.full((3,), t, dtype=torch.float64)
    assert variance is None
    torch.testing.assert_close(PATHS[path].mix(x0, eps, times), x, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        target(objective, PATHS[path], x0, eps, times), output, rtol=1e-3, atol=1e-3
    )


def test_the_last_thousandth_of_the_ddpm_path_is_told_as_time_zero(alive):
    model, x = alive(path="ddpm", objective="eps"), torch.randn(3, 1, 8, 8)
    _, eps, _ = Denoiser(model, LABELS)(x, -0.0005)
    torch.testing.assert_close(eps, model(x, torch.zeros(3), LABELS))


def test_the_learned_variance_is_that_of_the_conditional_model(alive):
    model = alive(path="ddpm", objective="eps", learn_variance=True)
    x = torch.randn(3, 1, 8, 8)
    with torch.no_grad():
        expected = model(x, torch.full((3,), 0.5), LABELS)[:, 1:]
        for w in (1.0, 2.0):
            torch.testing.assert_close(
                Denoiser(model, LABELS, w)(x, 0.5).variance,
                expected,
                rtol=1e-4,
                atol=1e-4,
            )


#: A class and words side by side, and a model that has seen neither without the other.
TWO = dict(
    condition="caption", vocab_size=9, caption_length=4,
    caption_parts=("class", "words", "words", "words"),
    words=("", "zero", "one", "red", "blue", "left", "right", "top", "low"),
    conditioning="adaln_zero_cross",
)  # fmt: skip
BOTH = torch.tensor([[1, 3, 5, 0], [2, 4, 6, 8]])


def answers_of(model, x, t):
    """What a model answers to nothing, to the class alone, and to both."""
    nothing, alone = torch.zeros_like(BOTH), BOTH.clone()
    alone[:, 1:] = 0
    times = torch.full((len(x),), t)
    with torch.no_grad():
        return [model(x, times, y) for y in (nothing, alone, BOTH)]


@pytest.mark.parametrize("weights", [(1.5, 3.0), (1.0, 2.0), (2.0, 0.0), (0.5, 1.0)])
def test_each_of_several_conditions_has_its_own_weight(alive, weights):
    """InstructPix2Pix 2211.09800 eq. 3, from three calls of the model."""
    model = alive(objective="x0", **TWO)
    x = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    nothing, alone, both = answers_of(model, x, 0.6)
    w_class, w_words = weights
    by_hand = nothing + w_class * (alone - nothing) + w_words * (both - alone)
    with torch.no_grad():
        found = Denoiser(model, BOTH, weights)(x, 0.6).x0
    torch.testing.assert_close(found, by_hand, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("w", [0.0, 1.0, 2.5])
def test_equal_weights_are_guidance_by_all_conditions_together(alive, w):
    model = alive(objective="x0", **TWO)
    x = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    nothing, _, both = answers_of(model, x, 0.6)
    denoise = Denoiser(model, BOTH, (w, w))
    with torch.no_grad():
        found = denoise(x, 0.6).x0
    torch.testing.assert_close(found, guide(nothing, both, w), rtol=1e-4, atol=1e-4)
    assert denoise.calls == (1 if w == 1 else 2)


@pytest.mark.parametrize(
    ("weights", "calls"),
    [((1.5, 3.0), 3), ((1.0, 3.0), 2), ((3.0, 1.0), 3), ((1.0, 1.0), 1)],
)
def test_only_answers_that_count_are_asked_for(alive, weights, calls):
    denoise = Denoiser(alive(**TWO), BOTH, weights)
    denoise(torch.zeros(2, 1, 8, 8), 0.5)
    assert denoise.calls == calls


def test_weaker_conditions_take_the_place_of_whole_ones(alive):
    """A caption without one of its words stands between no caption and all of it."""
    one = dict(condition="caption", vocab_size=9, caption_length=4)
    model = alive(objective="x0", conditioning="adaln_zero_cross", **one)
    x = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    nothing, alone, both = answers_of(model, x, 0.6)
    weaker = BOTH.clone()
    weaker[:, 1:] = 0
    denoise = Denoiser(model, BOTH, (2.0, 4.0), weaker=[weaker])
    by_hand = nothing + 2 * (alone - nothing) + 4 * (both - alone)
    for _ in range(2):  # from the cache too
        with torch.no_grad():
            found = denoise(x, 0.6).x0
        torch.testing.assert_close(found, by_hand, rtol=1e-4, atol=1e-4)
    denoise.labels = BOTH.flip(0)  # another caption on the way is noticed
    with torch.no_grad():
        assert (denoise(x, 0.6).x0 - found).abs().max() > 1e-2


def test_guidance_of_several_conditions_is_asked_for_by_name(alive):
    model = alive(std=0.05, **TWO)
    named = {"class": ["zero", "one"], "words": ["red left", "blue right low"]}
    how = dict(steps=2, seed=3)
    found = sample(model, named, guidance={"class": 1.5, "words": 3}, **how)
    assert found.shape == (2, 1, 8, 8)
    alike = sample(model, BOTH, guidance={"words": 3, "class": 1.5}, **how)
    assert torch.equal(found, alike)
    both = sample(model, BOTH, guidance=2.0, **how)
    named = sample(model, BOTH, guidance={"class": 2.0, "words": 2.0}, **how)
    assert torch.equal(both, named)
    left_out = sample(model, BOTH, guidance={"words": 3}, **how)
    one = sample(model, BOTH, guidance={"class": 1, "words": 3}, **how)
    assert torch.equal(left_out, one)


@pytest.mark.parametrize(
    ("labels", "guidance", "said"),
    [
        (BOTH, {"style": 2}, ["weight for 'style'", "conditions 'class', 'words'"]),
        (BOTH, {"class": -1}, ["guidance['class']=-1", "[0, 1e+09]"]),
        (BOTH, {}, ["guidance is empty"]),
        (["red", "blue"], 2.0, ["several conditions", "class, words"]),
        ({"class": ["zero"], "style": ["red"]}, 2.0, ["'style'", "class, words"]),
        ({"class": ["zero"], "words": []}, 2.0, ["{'class': 1, 'words': 0}"]),
        ({"class": ["zero one"]}, 2.0, ["2 words, but at most 1"]),
        ({"class": [[1, 2]]}, 2.0, ["labels['class'][0] has 2", "at most 1"]),
        ({"class": ["zeros"]}, 2.0, ["unknown word 'zeros'", "'zero'"]),
        (BOTH[:, :3], 2.0, ["(2, 3)", "(2, 4)"]),
        ([0, 1], 2.0, ["shape (2,)", "one row of word ids"]),
    ],
)
def test_what_several_conditions_cannot_be_is_named(alive, labels, guidance, said):
    with pytest.raises((ValueError, TypeError)) as raised:
        sample(alive(std=0.05, **TWO), labels, steps=2, guidance=guidance)
    for words in said:
        assert words in str(raised.value)


def test_another_number_of_weights_than_conditions_is_refused(alive):
    with pytest.raises(ValueError, match="guidance has 3 weights for 2 conditions"):
        Denoiser(alive(**TWO), BOTH, (1.0, 2.0, 3.0))
