import pytest
import torch

from dit_lite.analysis import read_class, read_number


@pytest.fixture
def vectors():
    return torch.randn(400, 6, generator=torch.Generator().manual_seed(0))


def test_what_is_linear_in_the_vectors_is_read(vectors):
    assert read_number(vectors, vectors @ torch.arange(6.0) + 3) == pytest.approx(
        1, abs=1e-9
    )
    assert read_class(vectors, vectors[:, :3].argmax(1)) > 0.9


def test_what_is_not_in_the_vectors_is_not_read(vectors):
    generator = torch.Generator().manual_seed(1)
    assert read_number(vectors, torch.randn(400, generator=generator)) < 0.1
    assert read_class(vectors, torch.randint(4, (400,), generator=generator)) < 0.4


def test_a_sum_of_two_codes_is_read_when_there_is_room_for_both():
    generator = torch.Generator().manual_seed(2)
    numbers, labels = torch.rand(600, generator=generator), torch.arange(600) % 10
    codes, direction = (
        torch.randn(10, 32, generator=generator),
        torch.randn(32, generator=generator),
    )
    together = numbers[:, None] * direction + codes[labels]
    assert read_class(together, labels) == 1
    assert read_number(together, numbers) > 0.999


def test_a_probe_leaves_the_global_generator_alone(vectors):
    before = torch.get_rng_state()
    read_class(vectors, vectors[:, :3].argmax(1))
    assert torch.equal(torch.get_rng_state(), before)


def test_gradients_are_off_outside_and_the_probe_still_learns(vectors):
    with torch.no_grad():
        assert read_class(vectors, (vectors[:, 0] > 0).long()) > 0.95


@pytest.mark.parametrize("shape", [(10,), (10, 2, 2), (3, 2)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"pass \(n, D\) and \(n,\)"):
        read_number(torch.zeros(shape), torch.zeros(shape[0]))
