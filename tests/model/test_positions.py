import math

import pytest
import torch

from dit_lite.config import ConfigError
from dit_lite.model import (
    POSITIONS,
    coordinates,
    patchify,
    resize,
    rotate,
    sincos_table,
    unpatchify,
)


def table_by_loops(grid: int, width: int) -> torch.Tensor:
    table = torch.zeros(grid * grid, width, dtype=torch.float64)
    quarter = width // 4
    for row in range(grid):
        for column in range(grid):
            for j in range(quarter):
                frequency = 1 / 10_000 ** (j / quarter)
                values = (
                    math.sin(column * frequency),
                    math.cos(column * frequency),
                    math.sin(row * frequency),
                    math.cos(row * frequency),
                )
                for k, value in enumerate(values):
                    table[row * grid + column, k * quarter + j] = value
    return table


@pytest.mark.parametrize(("grid", "width"), [(1, 4), (3, 8), (4, 96), (16, 384)])
def test_the_sincos_table_equals_a_loop_over_rows_columns_and_frequencies(grid, width):
    torch.testing.assert_close(
        sincos_table(grid, width).double(),
        table_by_loops(grid, width),
        rtol=0,
        atol=1e-7,
    )


def test_a_finer_grid_covers_the_same_square():
    fine, coarse = coordinates(8, extent=4), coordinates(4)
    corners = fine.reshape(4, 2, 4, 2, 2).mean((1, 3)).reshape(16, 2)
    torch.testing.assert_close(corners, coarse)
    assert torch.equal(coordinates(4, extent=4), coarse)


def rotated_products(tiny, **changes) -> torch.Tensor:
    """q.k between one query and one key, placed at every pair of tokens: (N, N)."""
    config = tiny(image_size=10, width=32, position="rope", **changes)
    rotation = tuple(part.double() for part in POSITIONS["rope"](config).rotation())
    generator = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, config.head_width, generator=generator, dtype=torch.float64)
    place = torch.ones(1, 1, config.tokens, 1)
    return (
        rotate(place * q, rotation) @ rotate(place * k, rotation).transpose(-2, -1)
    )[0, 0]


def test_rotary_products_depend_on_the_offset_alone(tiny):
    products, where = rotated_products(tiny), coordinates(5).long()
    by_offset = {}
    for i in range(25):
        for j in range(25):
            by_offset.setdefault(tuple((where[i] - where[j]).tolist()), []).append(
                products[i, j].item()
            )
    assert len(by_offset) == 81
    assert all(max(values) - min(values) < 1e-5 for values in by_offset.values())
    means = torch.tensor([sum(values) / len(values) for values in by_offset.values()])
    # rows and columns, forward and back, are all told apart
    assert means.unique().numel() == 81


def test_a_rotation_keeps_lengths(tiny):
    rotation = POSITIONS["rope"](tiny(width=32)).rotation()
    x = torch.randn(2, 2, 16, 16)
    torch.testing.assert_close(rotate(x, rotation).norm(dim=-1), x.norm(dim=-1))


def change_under_permutation(model, x, t, y) -> float:
    """How far permuting the patches and denoising are from commuting."""
    config = model.config
    order = torch.randperm(config.tokens, generator=torch.Generator().manual_seed(0))

    def permute(images):
        return unpatchify(
            patchify(images, config.patch_size)[:, order],
            config.patch_size,
            config.channels,
        )

    with torch.no_grad():
        return (model(permute(x), t, y) - permute(model(x, t, y))).abs().max().item()


@pytest.mark.parametrize("conditioning", ["adaln_zero", "in_context"])
def test_without_positions_the_model_is_permutation_equivariant(
    alive, batch, conditioning
):
    model = alive(position="none", conditioning=conditioning).double()
    x, t, y = batch(model.config)
    assert change_under_permutation(model, x.double(), t, y) < 1e-12


@pytest.mark.parametrize("position", ["sincos", "learned", "rope"])
def test_with_positions_the_model_is_not_permutation_equivariant(
    alive, batch, position
):
    model = alive(position=position)
    assert change_under_permutation(model, *batch(model.config)) > 1e-2


@pytest.mark.parametrize("position", POSITIONS)
def test_resizing_and_back_changes_nothing(alive, batch, position):
    model = alive(position=position)
    x, t, y = batch(model.config)
    larger = resize(model, 12)
    assert larger(*batch(larger.config)).shape == (3, 1, 12, 12)
    back = resize(larger, 8)
    assert back.config == model.config
    assert torch.equal(back(x, t, y), model(x, t, y))
    assert resize(model, 8) is model


def test_a_resized_model_shares_its_weights(alive):
    model = alive(position="learned")
    larger = resize(model, 16)
    assert {p.data_ptr() for p in larger.parameters()} == {
        p.data_ptr() for p in model.parameters()
    }
    assert larger.training == model.training


@pytest.mark.parametrize("position", POSITIONS)
def test_resizing_leaves_the_global_generator_alone(alive, position):
    model, before = alive(position=position), torch.get_rng_state()
    resize(model, 16)
    assert torch.equal(torch.get_rng_state(), before)


def test_resized_positions_lie_between_the_trained_ones(alive):
    model = alive(position="sincos")
    table, finer = model.position.table, resize(model, 16).position.table
    # sine of the row at the lowest frequency: nearly linear in the row
    slow = slice(8 + 3, 8 + 4)
    means = finer[:, slow].reshape(4, 2, 8).mean((1, 2))
    torch.testing.assert_close(
        means, table[:, slow].reshape(4, 4).mean(1), rtol=0, atol=1e-4
    )


def test_resizing_refuses_a_size_that_the_patch_does_not_divide(alive):
    with pytest.raises(ConfigError, match="patch_size=2 does not divide image_size=9"):
        resize(alive(), 9)
