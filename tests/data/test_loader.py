import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dit_lite import ConfigError
from dit_lite.data import Dataset, Loader

N = 23
CPU = torch.device("cpu")


def numbered(flip: bool = False) -> Dataset:
    """Images whose first pixel is their number, and so is their label."""
    images = np.zeros((N, 1, 2, 3), dtype=np.uint8)
    images[:, 0, 0, 0] = np.arange(N)
    return Dataset("numbered", images, np.arange(N), tuple(map(str, range(N))), flip)


def numbers(loader: Loader, batches: int) -> list[int]:
    generator = torch.Generator().manual_seed(0)
    return torch.cat([loader.next(generator)[1] for _ in range(batches)]).tolist()


@given(batch_size=st.integers(1, 3 * N), seed=st.integers(0, 2**63 - 1))
def test_every_epoch_is_a_permutation_and_batches_straddle_epochs(batch_size, seed):
    loader = Loader(numbered(), batch_size, seed, CPU)
    batches = -(-3 * N // batch_size)
    seen = numbers(loader, batches)
    assert loader.seen == len(seen) == batches * batch_size
    epochs = [seen[i : i + N] for i in range(0, 3 * N, N)]
    assert all(sorted(epoch) == list(range(N)) for epoch in epochs)


def test_epochs_and_seeds_have_orders_of_their_own():
    orders = [numbers(Loader(numbered(), N, seed, CPU), 2) for seed in (0, 1)]
    halves = [order[i : i + N] for order in orders for i in (0, N)]
    assert len({tuple(half) for half in halves}) == 4


@given(seen=st.integers(0, 5 * N), batch_size=st.integers(1, 2 * N))
def test_the_number_seen_is_the_whole_state(seen, batch_size):
    long = Loader(numbered(), 1, 3, CPU)
    order = numbers(long, seen + 2 * batch_size)
    resumed = Loader(numbered(), batch_size, 3, CPU)
    resumed.seen = seen
    assert numbers(resumed, 2) == order[seen:]


def test_images_are_scaled_to_minus_one_and_one_and_match_their_labels():
    x, y = Loader(numbered(), N, 0, CPU).next(torch.Generator())
    assert (x.dtype, y.dtype) == (torch.float32, torch.int64)
    torch.testing.assert_close((x[:, 0, 0, 0] + 1) * 127.5, y.float())
    assert (x[:, 0, 1] == -1).all()


def test_half_of_the_images_are_mirrored_where_the_data_allow_it():
    loader, generator = (
        Loader(numbered(flip=True), N, 0, CPU),
        torch.Generator().manual_seed(0),
    )
    kept = mirrored = 0
    for _ in range(40):
        x, y = loader.next(generator)
        value = y.float() / 127.5 - 1
        left, right = (
            (x[:, 0, 0, 0] - value).abs() < 1e-6,
            (x[:, 0, 0, 2] - value).abs() < 1e-6,
        )
        assert (left | right).all()
        kept, mirrored = (
            kept + (left & (y > 0)).sum().item(),
            mirrored + (right & (y > 0)).sum().item(),
        )
    assert mirrored / (kept + mirrored) == pytest.approx(0.5, abs=0.05)


def test_the_bytes_stay_memory_mapped(tmp_path):
    np.save(tmp_path / "images.npy", numbered().images)
    images = np.load(tmp_path / "images.npy", mmap_mode="r")
    loader = Loader(
        Dataset("mapped", images, np.arange(N), numbered().class_names), N, 0, CPU
    )
    assert loader.images.data_ptr() == images.ctypes.data
    assert numbers(loader, 1) == numbers(Loader(numbered(), N, 0, CPU), 1)


# ---- several processes


def batches(loader: Loader, count: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [loader.next(generator) for _ in range(count)]


@pytest.mark.parametrize("flip", [False, True])
@given(world=st.integers(1, 5), batch_size=st.integers(5, 2 * N))
def test_the_rows_of_all_processes_are_the_batch_of_one(flip, world, batch_size):
    """Bit for bit, mirrored images too, also where the batch cannot be divided evenly
    and where it straddles epochs.
    """
    data = numbered(flip)
    whole = batches(Loader(data, batch_size, 3, CPU), 4)
    parts = [
        batches(Loader(data, batch_size, 3, CPU, rank=rank, world=world), 4)
        for rank in range(world)
    ]
    for i, (x, y) in enumerate(whole):
        assert torch.equal(torch.cat([part[i][0] for part in parts]), x)
        assert torch.equal(torch.cat([part[i][1] for part in parts]), y)


@given(world=st.integers(1, 5), batch_size=st.integers(5, 40))
def test_the_mean_of_a_batch_is_the_mean_of_the_weighted_means(world, batch_size):
    loaders = [
        Loader(numbered(), batch_size, 0, CPU, rank=rank, world=world)
        for rank in range(world)
    ]
    values = torch.rand(batch_size, dtype=torch.float64)
    means = [loader.weight * values[loader.rows].mean() for loader in loaders]
    torch.testing.assert_close(sum(means) / world, values.mean())
    sizes = [len(values[loader.rows]) for loader in loaders]
    assert max(sizes) - min(sizes) <= 1
    if batch_size % world == 0:
        assert {loader.weight for loader in loaders} == {1.0}


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (dict(rank=2, world=2), "rank=2 is not one of 0 to 1"),
        (dict(rank=-1, world=2), "rank=-1"),
        (dict(rank=0, world=N + 1), f"batch_size={N} is less than one image for each"),
    ],
    ids=str,
)
def test_a_place_that_is_none_is_refused(place, said):
    with pytest.raises(ConfigError, match=said):
        Loader(numbered(), N, 0, CPU, **place)


def test_labels_of_any_whole_numbers_are_those_that_a_model_takes():
    images = np.zeros((3, 1, 2, 2), dtype=np.uint8)
    data = Dataset("narrow", images, np.array([0, 1, 1], dtype=np.int32), ("a", "b"))
    assert data.labels.dtype == np.int64
