import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dit_lite import DiT, preset
from dit_lite.model import CONDITIONING, POSITIONS, shapes_only


@pytest.mark.parametrize(
    ("conditioning", "position"), itertools.product(CONDITIONING, POSITIONS)
)
def test_every_combination_gives_an_image_of_the_input_size(
    tiny, batch, conditioning, position
):
    model = DiT(
        tiny(conditioning=conditioning, position=position, channels=2, qk_norm=True)
    )
    assert model(*batch(model.config)).shape == (3, 2, 8, 8)


@pytest.mark.parametrize(
    "changes",
    [dict(position=name) for name in POSITIONS]
    + [dict(conditioning=name, position="none") for name in CONDITIONING],
    ids=str,
)
@pytest.mark.parametrize("long_skips", [False, True])
def test_in_bf16_products_the_tokens_between_blocks_stay_fp32(
    alive, batch, changes, long_skips
):
    model, seen = alive(depth=4, long_skips=long_skips, qk_norm=True, **changes), []
    for block in (*model.blocks, model.final):
        block.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].dtype))
    with torch.autocast("cpu", torch.bfloat16):
        model(*batch(model.config))
    assert set(seen) == {torch.float32}


def test_a_learned_variance_doubles_the_channels(alive, batch):
    model = alive(path="ddpm", objective="eps", learn_variance=True, channels=3)
    assert model(*batch(model.config)).shape == (3, 6, 8, 8)


def test_the_null_label_has_its_own_row(alive, batch):
    model = alive()
    x, t, _ = batch(model.config)
    answers = [model(x, t, torch.full((3,), k)) for k in range(4)]
    assert all(
        (a - b).abs().max() > 1e-3 for a, b in itertools.combinations(answers, 2)
    )


def by_hand(model: DiT, x, t, y) -> torch.Tensor:
    """The paper's model, written once more from its equations."""
    state, config = model.state_dict(), model.config
    D, P = config.width, config.patch_size

    def linear(name, value):
        return F.linear(value, state[f"{name}.weight"], state[f"{name}.bias"])

    def norm(value):
        return (value - value.mean(-1, keepdim=True)) / (
            value.var(-1, unbiased=False, keepdim=True) + 1e-6
        ).sqrt()

    angle = 1000 * t[:, None] * 10_000 ** (-torch.arange(128) / 128)
    c = (
        linear(
            "condition.time.2",
            F.silu(
                linear("condition.time.0", torch.cat([angle.cos(), angle.sin()], 1))
            ),
        )
        + state["condition.label.weight"][y]
    )
    kernel = state["embed.weight"].reshape(D, P, P, -1).permute(0, 3, 1, 2)
    h = (
        F.conv2d(x, kernel, state["embed.bias"], stride=P).flatten(2).transpose(1, 2)
        + model.position.table
    )
    for i in range(config.depth):
        shift1, scale1, gate1, shift2, scale2, gate2 = linear(
            f"blocks.{i}.modulation.1", F.silu(c)
        )[:, None].split(D, -1)
        # head by head: its query, its key, its value
        q, k, v = (
            linear(f"blocks.{i}.attention.qkv", norm(h) * (1 + scale1) + shift1)
            .unflatten(-1, (config.heads, 3, -1))
            .unbind(-2)
        )
        weights = (
            torch.einsum("bnhd,bmhd->bhnm", q, k) / config.head_width**0.5
        ).softmax(-1)
        h = h + gate1 * linear(
            f"blocks.{i}.attention.out",
            torch.einsum("bhnm,bmhd->bnhd", weights, v).flatten(2),
        )
        h = h + gate2 * linear(
            f"blocks.{i}.mlp.2",
            F.gelu(
                linear(f"blocks.{i}.mlp.0", norm(h) * (1 + scale2) + shift2),
                approximate="tanh",
            ),
        )
    shift, scale = linear("final.modulation.1", F.silu(c))[:, None].chunk(2, -1)
    patches = (
        linear("final.linear", norm(h) * (1 + scale) + shift)
        .unflatten(-1, (P * P, -1))
        .flatten(2)
    )
    # (B, C P P, N)
    patches = patches.unflatten(-1, (P * P, -1)).permute(0, 3, 2, 1).flatten(1, 2)
    return F.fold(patches, config.image_size, P, stride=P)


def test_the_model_is_the_paper_written_out(alive, batch):
    model = alive(channels=2)
    x, t, y = batch(model.config)
    torch.testing.assert_close(
        model(x, t, y), by_hand(model, x, t, y), rtol=1e-3, atol=1e-3
    )


def test_the_paper_sizes_have_the_paper_parameters():
    with torch.device("meta"):
        count = {
            name: sum(p.numel() for p in DiT(preset(name)).parameters()) / 1e6
            for name in ("S/2", "B/2", "L/2", "XL/2")
        }
    # 2212.09748 table 1 gives 33, 130, 458 and 675 million; with C outputs instead of
    # 2C and the null row the difference is small.
    assert count == pytest.approx(
        {"S/2": 33, "B/2": 130, "L/2": 458, "XL/2": 675}, rel=0.02
    )


def test_the_model_runs_in_double_precision(alive, batch):
    model = alive()
    x, t, y = batch(model.config)
    single = model(x, t, y)
    double = model.double()(x.double(), t.double(), y)
    assert double.dtype == torch.float64
    torch.testing.assert_close(single.double(), double, rtol=1e-3, atol=1e-3)


GOOD = dict(
    x=torch.zeros(2, 1, 8, 8), t=torch.tensor([0.0, 1.0]), y=torch.tensor([0, 3])
)
WRONG = [
    (
        dict(x=torch.zeros(1, 8, 8)),
        ValueError,
        [r"(1, 8, 8)", "(B, 1, 8, 8)", "x[None]"],
    ),
    (dict(x=torch.zeros(2, 3, 8, 8)), ValueError, ["3 channels", "channels=1"]),
    (dict(x=torch.zeros(2, 1, 8, 10)), ValueError, ["8x10", "image_size=8", "resize"]),
    (
        dict(x=torch.zeros(2, 1, 8, 8, dtype=torch.uint8)),
        TypeError,
        ["torch.uint8", "127.5"],
    ),
    (
        dict(x=torch.zeros(2, 1, 8, 8, dtype=torch.float64)),
        TypeError,
        ["torch.float64", "torch.float32"],
    ),
    (dict(x=np.zeros((2, 1, 8, 8))), TypeError, ["x is a ndarray", "torch.Tensor"]),
    (dict(t=0.5), TypeError, ["t is a float", "torch.Tensor"]),
    (dict(t=torch.tensor(0.5)), ValueError, ["t has shape ()", "(2,)"]),
    (dict(t=torch.zeros(3)), ValueError, ["t has shape (3,)", "batch of 2"]),
    (dict(t=torch.tensor([500, 3])), TypeError, ["torch.int64", "i/1000"]),
    (dict(t=torch.tensor([0.5, 500.0])), ValueError, ["t=500", "[0,1]", "i/1000"]),
    (dict(t=torch.tensor([-0.1, 0.5])), ValueError, ["t=-0.1", "[0,1]"]),
    (dict(t=torch.tensor([0.1, float("nan")])), ValueError, ["t=nan", "[0,1]"]),
    (dict(y=[0, 1]), TypeError, ["y is a list", "torch.Tensor"]),
    (dict(y=torch.zeros(2)), TypeError, ["torch.float32", "y.long()"]),
    (dict(y=torch.zeros(2, dtype=torch.int32)), TypeError, ["torch.int32", "y.long()"]),
    (
        dict(y=torch.zeros(2, 4, dtype=torch.int64)),
        ValueError,
        ["y has shape (2, 4)", "one whole class number", "(2,)"],
    ),
    (
        dict(y=torch.tensor([0, 4])),
        ValueError,
        ["label 4", "0 to 2", "3 for 'no class'"],
    ),
    (dict(y=torch.tensor([-1, 0])), ValueError, ["label -1", "0 to 2"]),
]


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    WRONG,
    ids=[f"{next(iter(changes))}-{i}" for i, (changes, _, _) in enumerate(WRONG)],
)
def test_a_wrong_input_is_refused_with_the_way_out(alive, changes, kind, said):
    with pytest.raises(kind) as error:
        alive()(**GOOD | changes)
    for words in said:
        assert words in str(error.value)


def test_values_are_read_only_where_nobody_waits_for_them(tiny):
    """Shapes and types are refused on any device, ranges where they lie at hand."""
    with torch.device("meta"):
        model = DiT(tiny())
        x, t, y = torch.zeros(2, 1, 8, 8), torch.zeros(2), torch.zeros(2).long()
    assert model(x, t + 500, y - 7).shape == x.shape
    with pytest.raises(ValueError, match="y has shape"):
        model(x, t, y[:1])


def test_a_step_of_training_reads_no_value_and_calls_by_hand_do(alive):
    model, far = alive(), {**GOOD, "t": GOOD["t"] + 500}
    with shapes_only():
        assert model(**far).isfinite().all()
        with pytest.raises(ValueError, match="y has shape"):
            model(**{**GOOD, "y": GOOD["y"][:1]})
    for training in (True, False):
        with pytest.raises(ValueError, match="is outside"):
            model.train(training)(**far)


def test_the_right_input_is_taken_and_an_empty_batch_too(alive):
    model = alive()
    assert model(**GOOD).shape == (2, 1, 8, 8)
    assert model(**{name: value[:0] for name, value in GOOD.items()}).shape == (
        0,
        1,
        8,
        8,
    )


def test_without_a_null_class_its_label_is_refused(alive):
    with pytest.raises(
        ValueError,
        match=r"label 3 is out of range; this model has the classes 0 to 2 \(it was "
        "trained without a null class",
    ):
        alive(null_class=False)(**GOOD)
