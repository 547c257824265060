"""The bytes counted on the wire match the planner's formulas."""

import pytest
import torch
import torch.distributed as dist
from processes import run
from runs import B, example, step

from dit_lite import DiTConfig
from dit_lite.distributed.planner import Layout, layout_cost
from dit_lite.distributed.strategy import Strategy
from dit_lite.distributed.wire import Call, Wire


def sent(text, changes, checkpointing="none"):
    """Bytes that this rank sends in a step, by kind, once everybody knows the sizes; and
    bytes of the parameters of its part.
    """
    run_step, part, _ = step(
        text, *example(torch.float32, **changes), checkpointing=checkpointing
    )
    for _ in range(2):  # DDP builds its buckets after the first step
        run_step()
    with Wire() as wire:
        run_step()
    return wire.by_kind(), sum(p.numel() * 4 for p in part.parameters())


def predicted(text, world, changes, checkpointing="none", batch=B):
    strategy = Strategy.parse(text)
    split = {"ddp": "ddp", "fsdp": "zero3"}[strategy.data]
    config = DiTConfig(**(dict(width=32, depth=2, heads=4, num_classes=3) | changes))
    layout = Layout(
        strategy.replicas(world), strategy.tensor, strategy.stages,
        strategy.micro_batches, split,
    )  # fmt: skip
    return layout_cost(
        config, layout, batch, precision="fp32", checkpointing=checkpointing
    )


@pytest.mark.parametrize(
    ("text", "world", "changes"),
    [
        ("ddp", 2, {}),
        ("fsdp", 2, {}),
        ("tp=2", 2, {}),
        ("tp=2", 2, dict(conditioning="adaln_shared")),
        ("tp=2", 2, dict(conditioning="cross_attention")),
        ("fsdp,tp=2", 4, {}),
    ],
    ids=str,
)
def test_data_and_tensor_parallelism_send_what_the_planner_says(text, world, changes):
    cost = predicted(text, world, changes)
    for kinds, _ in run(world, sent, text, changes):
        assert sum(kinds.values()) == pytest.approx(
            cost["data_sent"] + cost["tensor_sent"], rel=1e-9
        )


def test_recomputing_sends_the_sums_of_the_forward_pass_again():
    once, twice = (run(2, sent, "tp=2", {}, how)[0][0] for how in ("none", "block"))
    assert sum(twice.values()) == pytest.approx(
        predicted("tp=2", 2, {}, "block")["tensor_sent"], rel=0.02
    )
    assert sum(twice.values()) > 1.3 * sum(once.values())


def test_fsdp_sends_half_as_much_again_as_ddp():
    ddp, fsdp = (sum(run(2, sent, text, {})[0][0].values()) for text in ("ddp", "fsdp"))
    assert fsdp == pytest.approx(1.5 * ddp)


def test_stages_send_tokens_and_the_condition_over_each_boundary():
    ranks = run(4, sent, "pp=4,micro=8", dict(depth=4))
    cost = predicted("pp=4,micro=8", 4, dict(depth=4))
    kinds = [rank[0] for rank in ranks]
    assert [set(k) for k in kinds] == [{"send"}] * 4
    # the ends have one boundary, and half of the traffic
    assert [k["send"] / cost["stage_sent"] for k in kinds] == [0.5, 1, 1, 0.5]


def test_shards_of_a_stage_are_gathered_once_a_step():
    for kinds, own in run(4, sent, "fsdp,pp=2", {}):
        assert kinds["all_gather"] == pytest.approx(own / 2)
        assert kinds["reduce_scatter"] == pytest.approx(own / 2)


def test_sequence_parallelism_sends_four_token_tensors_per_block_and_way():
    kinds, own = run(2, sent, "sp=2", {})[0]
    tokens = B * 16 * 32 * 4  # B N D values of 4 bytes
    p, L = 2, 2
    assert kinds["all_to_all"] == 2 * L * 4 * tokens / p * (p - 1) / p
    assert kinds["all_gather"] == tokens * (p - 1) / p
    assert kinds["all_reduce"] == 2 * (p - 1) / p * own


#: A model in which 512 ranks find something to divide everywhere.
WIDE = dict(
    image_size=16, channels=8, patch_size=8, width=512, heads=8, depth=2,
    num_classes=511,
)  # fmt: skip


def pretended(text, world):
    """Bytes that rank 0 of a world of processes that do not exist sends."""
    from torch.testing._internal.distributed.fake_pg import FakeStore

    from dit_lite import DiT
    from dit_lite.distributed.mesh import make_mesh
    from dit_lite.distributed.parallelize import parallelize

    dist.init_process_group("fake", rank=0, world_size=world, store=FakeStore())
    strategy = Strategy.parse(text)
    config = DiTConfig(**WIDE)
    model = parallelize(DiT(config), make_mesh(strategy))
    x, t, y = torch.randn(1, 8, 16, 16), torch.rand(1), torch.tensor([3])
    with Wire() as wire:
        model(x, t, y).square().mean().backward()
    dist.destroy_process_group()
    return wire.sent


@pytest.mark.parametrize(
    ("text", "world"),
    [("fsdp", 8), ("fsdp", 64), ("fsdp", 512), ("fsdp,tp=8", 64), ("fsdp,tp=8", 512)],
)
def test_hundreds_of_pretended_ranks_send_what_the_planner_says(text, world):
    replicas = Strategy.parse(text).replicas(world)
    cost = predicted(text, world, WIDE, batch=replicas)
    counted = run(1, pretended, text, world, group=False)[0]
    assert counted == pytest.approx(cost["data_sent"] + cost["tensor_sent"], rel=1e-9)


def test_a_call_counts_as_a_ring():
    assert Call("all_reduce", 4, 1000).sent == 1500
    assert Call("all_gather", 4, 1000).sent == 750
    assert Call("send", 2, 1000).sent == 1000
