import pytest
import torch

from dit_lite import DiT
from dit_lite.analysis import hold_at_null, hold_at_zero, modulation_vectors
from dit_lite.training.optim import make_adamw

modulated = pytest.mark.parametrize("conditioning", ["film", "adaln", "adaln_zero"])


@modulated
def test_a_model_that_is_told_nothing_answers_as_if_there_were_no_class(
    alive, batch, conditioning
):
    model = alive(conditioning=conditioning)
    x, t, y = batch(model.config)
    given, none = (
        model(x, t, y),
        model(x, t, torch.full_like(y, model.config.num_classes)),
    )
    with hold_at_null(model, modulation_vectors(model)):
        torch.testing.assert_close(model(x, t, y), none)
    with hold_at_null(model, []):
        assert torch.equal(model(x, t, y), given)
    assert torch.equal(model(x, t, y), given), "afterwards the model is as it was"


def test_each_vector_is_the_one_that_its_name_says(alive, batch):
    model = alive(conditioning="adaln_zero")
    x, t, y = batch(model.config)
    null = torch.full_like(y, model.config.num_classes)
    for i, name in enumerate(modulation_vectors(model)):
        seen = []
        parts = (
            [block.modulation for block in model.blocks]
            if i < 6
            else [model.final.modulation]
        )
        with hold_at_null(model, [name]):
            handles = [
                part.register_forward_hook(
                    lambda *hooked, seen=seen: seen.append(hooked[-1])
                )
                for part in parts
            ]
            model(x, t, y)
        for handle in handles:
            handle.remove()
        for part, got in zip(parts, seen, strict=True):
            given, none = (
                part(model.condition(t, label).vector) for label in (y, null)
            )
            for k, v in enumerate(got):
                torch.testing.assert_close(v, none[k] if k == i % 6 else given[k])


def test_every_vector_changes_the_answer(alive, batch):
    model = alive(conditioning="adaln_zero")
    x, t, y = batch(model.config)
    given = model(x, t, y)
    for name in modulation_vectors(model):
        with hold_at_null(model, [name]):
            assert (model(x, t, y) - given).abs().max() > 1e-4, name


def test_the_hooks_are_gone_after_an_error(alive, batch):
    model = alive()
    given = model(*batch(model.config))
    with pytest.raises(RuntimeError), hold_at_null(model, modulation_vectors(model)):
        raise RuntimeError
    assert torch.equal(model(*batch(model.config)), given)


def test_what_cannot_be_left_untold_is_refused(alive):
    with (
        pytest.raises(ValueError, match="choose one of: shift 1, scale 1, gate 1"),
        hold_at_null(alive(), ["gate 3"]),
    ):
        pass
    with pytest.raises(ValueError, match="in_context"):
        modulation_vectors(alive(conditioning="in_context"))
    with (
        pytest.raises(ValueError, match="without a null class"),
        hold_at_null(alive(null_class=False), []),
    ):
        pass


@modulated
def test_held_vectors_stay_at_zero_and_the_others_learn(tiny, batch, conditioning):
    torch.manual_seed(0)
    model = DiT(tiny(conditioning=conditioning))
    held = [name for name in modulation_vectors(model) if "scale" in name]
    hold_at_zero(model, held)
    optimiser = make_adamw(model, 1e-2, 0.0, 0.99)
    x, t, y = batch(model.config)
    for _ in range(4):
        optimiser.zero_grad()
        (model(x, t, y) - x).square().mean().backward()
        optimiser.step()
    for part, names in [
        (block.modulation, modulation_vectors(model)) for block in model.blocks
    ] + [(model.final.modulation, ("final shift", "final scale"))]:
        for name, vector in zip(
            names, part(model.condition(t, y).vector) if part else (), strict=False
        ):
            assert vector.any() == (name not in held), name
