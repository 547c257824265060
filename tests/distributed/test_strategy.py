import pytest
from processes import RankError, run

from dit_lite import DiTConfig
from dit_lite.config import CHOICES, ConfigError
from dit_lite.distributed import launch
from dit_lite.distributed.mesh import make_mesh
from dit_lite.distributed.pipeline import READ
from dit_lite.distributed.strategy import Strategy


@pytest.mark.parametrize(
    ("text", "strategy"),
    [
        ("ddp", Strategy()),
        ("fsdp", Strategy("fsdp")),
        ("fsdp=4", Strategy("fsdp", shards=4)),
        ("tp=2", Strategy(tensor=2)),
        ("sp=4", Strategy(sequence=4)),
        ("pp=2", Strategy(stages=2, micro_batches=2)),
        (
            "fsdp,pp=2,micro=8,schedule=gpipe",
            Strategy("fsdp", stages=2, micro_batches=8, schedule="gpipe"),
        ),
        ("fsdp,tp=2", Strategy("fsdp", tensor=2)),
    ],
)
def test_a_strategy_is_read_and_written(text, strategy):
    assert Strategy.parse(text) == strategy
    assert Strategy.parse(str(strategy)) == strategy


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tp", "'tp' needs a whole number"),
        ("tp=two", "'tp=two' needs a whole number"),
        ("tp=0", "'tp=0' needs a whole number"),
        ("zero", "'zero' is not known"),
        ("ddp,fsdp", "exclude each other"),
        ("tp=2,pp=2", "tp and pp cannot be combined"),
        ("micro=4", "micro and schedule are for pp"),
        ("pp=2,schedule=dual", "schedule='dual' is not known"),
        ("ddp=2", "'ddp=2' needs"),
    ],
)
def test_what_cannot_be_read_is_named(text, words):
    with pytest.raises(ConfigError, match=words):
        Strategy.parse(text)


@pytest.mark.parametrize(
    ("text", "changes", "batch", "world", "words"),
    [
        ("tp=3", dict(heads=4), 8, 3, r"tp=3 does not divide heads=4; .*\[1, 2, 4\]"),
        ("sp=3", dict(width=48, heads=3), 8, 3, "does not divide the number of tokens"),
        (
            "sp=2",
            dict(
                conditioning="in_context",
                condition="caption",
                vocab_size=9,
                caption_length=6,
            ),
            8,
            2,
            "sp=2 does not divide the number of tokens=23",
        ),
        ("pp=8", dict(depth=4), 8, 8, "pp=8 is more than the depth=4"),
        ("pp=2,micro=3", {}, 8, 2, "batch_size=8 does not divide.*multiple of 3"),
        ("ddp", {}, 2, 4, "batch_size=2 is less than one image for each of 4"),
        ("tp=2", {}, 8, 3, "needs a multiple of 2 processes, but there are 3; start 2"),
        ("fsdp=4,tp=2", {}, 8, 12, "multiple of 8 processes.*start 8"),
        ("pp=2", dict(long_skips=True), 8, 2, "does not support long_skips=True"),
    ],
)
def test_what_does_not_divide_is_named_with_the_way_out(
    text, changes, batch, world, words
):
    with pytest.raises(ConfigError, match=words):
        Strategy.parse(text).check(DiTConfig(**changes), batch, world)


def places(text):
    mesh = make_mesh(Strategy.parse(text))
    names = ("stage", "replica", "data", "tensor", "sequence")
    return mesh.data_rank, mesh.data_world, tuple(mesh.place(n) for n in names)


def test_neighbours_share_tensors_and_stages_are_furthest_apart():
    assert run(4, places, "fsdp,tp=2") == [
        (0, 2, (0, 0, 0, 0, 0)),
        (0, 2, (0, 0, 0, 1, 0)),
        (1, 2, (0, 0, 1, 0, 0)),
        (1, 2, (0, 0, 1, 1, 0)),
    ]
    assert [place[:2] for place in run(4, places, "pp=2")] == [
        (0, 2), (1, 2), (0, 2), (1, 2),
    ]  # fmt: skip
    assert [place[0] for place in run(4, places, "fsdp=2")] == [0, 1, 2, 3]


def disagree(values):
    import torch.distributed as dist

    launch.same_everywhere(values[dist.get_rank()])


def fail_on(rank):
    import torch.distributed as dist

    def check():
        if dist.get_rank() == rank:
            raise FileNotFoundError("no such data here")

    try:
        launch.together(check)
    except FileNotFoundError as error:
        return str(error), error.everywhere
    return None


def test_ranks_that_disagree_hear_who_and_about_what():
    same = {"lr": 0.1, "steps": 3}
    assert run(2, disagree, [same, same]) == [None, None]
    with pytest.raises(RankError, match=r"lr=0.2 on rank 1 and 0.1 on rank 0; start"):
        run(2, disagree, [same, same | {"lr": 0.2}])


def test_what_one_rank_cannot_do_ends_all_of_them():
    assert run(2, fail_on, 1) == [("no such data here", True)] * 2
    assert run(2, fail_on, 5) == [None, None]


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    with pytest.raises(ConfigError, match="4 processes on this machine and 2 GPUs"):
        launch.local_device("cuda")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert launch.local_device("cuda") == "cuda:1"
    assert launch.local_device("cpu") == "cpu"
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert launch.local_device("auto") == "cuda:1"
    monkeypatch.setenv("DIT_LITE_DEVICE", "cpu")
    assert launch.local_device("auto") == "auto"


def test_a_pipeline_knows_of_each_conditioning_what_its_stages_pass_on():
    refused = {"joint"}  # Strategy.check says so
    assert set(READ) | refused == set(CHOICES["conditioning"])
