import math
from collections import Counter

import pytest
import torch
import torch.distributed as dist
from random_costs import random_cases
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

from dit_lite import ConfigError, DiT, flops, preset
from dit_lite.analysis import cost_formulas, saved_bytes, training_cost
from dit_lite.config import CHOICES
from dit_lite.training.ema import EMA
from dit_lite.training.optim import make_adamw

CASES = random_cases()
LATENT = dict(learn_variance=True, path="ddpm", objective="eps")
XL = preset("XL/2", **LATENT)


def test_200_random_models_cost_what_flops_says():
    """Parameters and multiply-adds by component, and activation bytes of every
    precision that keeps one size of value, exactly.
    """
    for config, run in CASES:
        found = training_cost(config, **run)
        # a part without a formula must cost nothing
        for name, cost in flops(config).items():
            name = "condition" if name == "label_embedding" else name
            prefix = "" if name == "total" else f"{name}_"
            assert found.get(f"{prefix}parameters", 0) == cost.parameters, (
                name,
                config,
            )
            assert found.get(f"{prefix}macs", 0) == cost.macs, (name, config)
        bytes_per_value = {"fp32": 4, "tf32": 4, "bf16_weights": 2}.get(
            run["precision"]
        )
        if bytes_per_value and run["checkpointing"] != "sqrt":
            options = dict(
                kernel=run["kernel"],
                checkpointing=run["checkpointing"] == "block",
                bytes_per_value=bytes_per_value,
            )
            assert (
                found["activation_bytes"]
                == flops(config, **options)["total"].activation_bytes
            ), (config, run)
            assert (
                found["activations_memory"]
                == flops(config, int(found["micro_batch"]), **options)[
                    "total"
                ].activation_bytes
            )
    assert {run["precision"] for _, run in CASES} == {
        "fp32",
        "tf32",
        "bf16",
        "bf16_weights",
    }
    assert {config.conditioning for config, _ in CASES} == set(CHOICES["conditioning"])


def test_the_parts_of_a_total_add_up_to_it():
    for config, run in CASES:
        found = training_cost(config, **run)
        parts = [
            found[f"{name}_memory"]
            for name in (
                "weights",
                "gradients",
                "moments",
                "master",
                "ema",
                "copies",
                "activations",
            )
        ]
        assert sum(parts) == pytest.approx(found["total_memory"])
        assert (
            found["token_macs"] + found["pair_macs"] + found["other_macs"]
            == found["macs"]
        )
        assert found["other_macs"] >= 0
        assert (
            0 <= found["hidden_seconds"] <= found["communication_seconds"] * (1 + 1e-12)
        )
        assert (
            max(found["compute_seconds"], found["exposed_seconds"])
            <= found["step_seconds"]
        )
        assert found["utilisation"] <= run["share"] / 100 * (1 + 1e-9)


def test_options_are_those_of_the_configuration():
    choices = cost_formulas()["choices"]
    assert set(choices["conditioning"]) == set(CHOICES["conditioning"])
    assert set(choices["position"]) == set(CHOICES["position"])
    assert set(CHOICES["precision"]) <= set(choices["precision"])
    for options in choices.values():
        assert len({frozenset(numbers) for numbers in options.values()}) == 1, (
            "every option sets the same names"
        )


@pytest.mark.parametrize("machine", cost_formulas()["machines"])
def test_every_machine_is_complete(machine):
    for precision in cost_formulas()["choices"]["precision"]:
        assert (
            training_cost(XL, precision=precision, machine=machine, devices=16)[
                "step_seconds"
            ]
            > 0
        )


def test_state_bytes_are_those_of_a_real_optimiser(tiny, batch):
    config = tiny()
    model = DiT(config)
    optimiser, average = make_adamw(model, 1e-4, 0.0, 0.99), EMA(model, 0.99)
    model(*batch(config, 3)).square().mean().backward()
    optimiser.step()
    size = lambda tensors: sum(t.numel() * t.element_size() for t in tensors)  # noqa: E731
    found = training_cost(config, 3)
    assert found["weights_memory"] == size(model.parameters())
    assert found["gradients_memory"] == size(p.grad for p in model.parameters())
    assert found["moments_memory"] == size(
        optimiser.state[p][key]
        for p in model.parameters()
        for key in ("exp_avg", "exp_avg_sq")
    )
    assert found["ema_memory"] == size(average.model.parameters())


@pytest.mark.parametrize(
    ("depth", "checkpointing"), [(9, "sqrt"), (7, "sqrt"), (4, "block"), (4, "none")]
)
def test_activation_bytes_of_segments_are_those_that_autograd_keeps(
    tiny, batch, depth, checkpointing
):
    config = tiny(depth=depth)
    model, inputs, whole = DiT(config).train(), batch(config, 3), []
    size = {"sqrt": math.ceil(depth**0.5), "block": 1, "none": depth}[checkpointing]

    class Segment(torch.nn.Module):
        def __init__(self, blocks):
            super().__init__()
            self.blocks = torch.nn.ModuleList(blocks)

        def plain(self, x, *rest):
            for block in self.blocks:
                x = block(x, *rest)
            return x

        def forward(self, *args):
            whole.append((self, args))
            return (
                self.plain(*args)
                if checkpointing == "none"
                else checkpoint(self.plain, *args, use_reentrant=False)
            )

    model.blocks = torch.nn.ModuleList(
        Segment(model.blocks[i : i + size]) for i in range(0, depth, size)
    )

    def run():
        model(*inputs)
        if checkpointing != "none":
            segment, args = whole[0]
            segment.plain(*args)

    assert training_cost(config, 3, checkpointing=checkpointing)[
        "activations_memory"
    ] == saved_bytes(run, model)


@pytest.mark.parametrize("conditioning", CHOICES["conditioning"])
def test_autocast_halves_the_values_but_not_the_normalised_tokens(
    tiny, batch, conditioning
):
    """On the CPU, where attention is not fused in bf16: the bytes of tokens to within
    half a percent, once the copies of the weights, which do not grow with the batch,
    are gone.
    """
    config = tiny(conditioning=conditioning, width=32, image_size=16)
    model = DiT(config).train()

    def kept(size):
        def run():
            with torch.autocast("cpu", torch.bfloat16):
                model(*batch(config, size))

        return saved_bytes(run, model)

    three, six = kept(3), kept(6)
    found, full = (
        training_cost(config, 3, precision=precision, kernel="naive")
        for precision in ("bf16", "fp32")
    )
    assert six - three == pytest.approx(found["activations_memory"], rel=0.005)
    # their inputs ask for no gradient, so nobody needs these weights again
    first = (model.embed.weight, model.condition.time[0].weight)
    matrices = [
        m.weight
        for m in model.modules()
        if isinstance(m, torch.nn.Linear) and not any(m.weight is w for w in first)
    ]
    assert 2 * three - six == pytest.approx(
        2 * sum(w.numel() for w in matrices), rel=0.02
    )
    assert 0.5 < found["activations_memory"] / full["activations_memory"] < 0.8, (
        "it does not halve the memory"
    )


def test_segments_of_the_square_root_win_in_deep_models_only():
    def kept(depth, how):
        return training_cost(preset("S/2", depth=depth), checkpointing=how)[
            "activation_bytes"
        ]

    assert kept(16, "block") < kept(16, "sqrt") < kept(16, "none")
    assert kept(1000, "sqrt") < kept(1000, "block")
    assert kept(64, "sqrt") / kept(16, "sqrt") == pytest.approx(2, rel=0.15), (
        "four times as deep, twice the bytes"
    )
    assert kept(64, "none") / kept(16, "none") == pytest.approx(4, rel=0.05)


def test_sixteen_bytes_a_parameter_and_four_for_the_average_in_every_precision():
    for precision in cost_formulas()["choices"]["precision"]:
        found = training_cost(XL, precision=precision)
        assert found["state_memory"] == 20 * found["parameters"]


def test_zero_divides_the_state_and_stage_three_sends_half_as_much_again():
    """1910.02054, sec. 5 and 7, with p = 8."""
    p, psi = 8, training_cost(XL)["parameters"]
    found = {
        split: training_cost(XL, devices=p, split=split, precision="bf16_weights")
        for split in ("ddp", "zero1", "zero2", "zero3")
    }
    state = {split: values["state_memory"] / psi for split, values in found.items()}
    assert state == pytest.approx(
        {"ddp": 20, "zero1": 4 + 16 / p, "zero2": 2 + 18 / p, "zero3": 20 / p}
    )
    sent = {split: values["sent_bytes"] / (2 * psi) for split, values in found.items()}
    once = (p - 1) / p
    assert sent == pytest.approx(
        {"ddp": 2 * once, "zero1": 2 * once, "zero2": 2 * once, "zero3": 3 * once}
    )


def test_one_device_sends_nothing_and_many_send_no_more_than_twice_the_parameters():
    for split in cost_formulas()["choices"]["split"]:
        assert training_cost(XL, split=split)["communication_seconds"] == 0
    sent = [
        training_cost(XL, devices=p)["sent_bytes"]
        / training_cost(XL)["gradients_memory"]
        for p in (2, 4, 8, 16, 48)
    ]
    assert sent == pytest.approx([1, 1.5, 1.75, 1.875, 1.958], abs=5e-4)


class Sent(TorchDispatchMode):
    """Bytes that a ring would send for the collectives that run inside."""

    def __init__(self, p):
        super().__init__()
        self.p, self.bytes = p, Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        for kind, name in (
            ("gather", "c10d::_allgather_base_"),
            ("reduce", "c10d::_reduce_scatter_base_"),
        ):
            if func._schema.name == name:
                self.bytes[kind] += (
                    (self.p - 1) * max(t.nbytes for t in args[:2]) // self.p
                )
        return func(*args, **(kwargs or {}))


@pytest.mark.skipif(
    torch.__version__.startswith("2.6"),
    reason="FSDP2 of torch 2.6 needs a GPU's streams",
)
def test_stage_three_holds_and_sends_what_fsdp_does(tiny, batch):
    """FSDP2 on four ranks that are only pretended: the bytes of this rank, and of
    its collectives.
    """
    from torch.distributed.fsdp import fully_shard
    from torch.testing._internal.distributed.fake_pg import FakeStore

    p, config = 4, tiny(width=32, depth=3, heads=2)
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=p)
    try:
        mesh = dist.device_mesh.init_device_mesh("cpu", (p,))
        model = DiT(config)
        for block in model.blocks:
            fully_shard(block, mesh=mesh)
        fully_shard(model, mesh=mesh)
        optimiser = torch.optim.AdamW(model.parameters())
        with Sent(p) as sent:
            model(*batch(config, 3)).square().mean().backward()
        optimiser.step()

        def size(tensors):
            return sum(
                t.to_local().numel() * t.to_local().element_size() for t in tensors
            )

        found = training_cost(config, 3 * p, devices=p, split="zero3")
        assert found["weights_memory"] == pytest.approx(
            size(model.parameters()), rel=0.01
        ), "a shard may be padded"
        assert found["gradients_memory"] == pytest.approx(
            size(q.grad for q in model.parameters()), rel=0.01
        )
        moments = [
            optimiser.state[q][key]
            for q in model.parameters()
            for key in ("exp_avg", "exp_avg_sq")
        ]
        assert found["moments_memory"] == pytest.approx(size(moments), rel=0.01)
        assert found["reduced_bytes"] == pytest.approx(sent.bytes["reduce"], rel=1e-3)
        # gathered once: nothing lies between its two uses
        outside = 1 - config.depth * found["block_parameters"] / found["parameters"]
        assert found["gathered_weights"] * (1 - outside / 2) == pytest.approx(
            sent.bytes["gather"], rel=1e-3
        )
    finally:
        dist.destroy_process_group()


def test_communication_hides_behind_the_backward_pass_as_far_as_it_lasts():
    slow = dict(devices=8, link=1.0, latency=0.0)
    for overlap in (0, 50, 100):
        found = training_cost(XL, precision="bf16", overlap=overlap, **slow)
        hidden = (
            overlap
            / 100
            * min(found["communication_seconds"], found["backward_seconds"])
        )
        assert found["step_seconds"] == pytest.approx(
            found["compute_seconds"] + found["communication_seconds"] - hidden
        )
    parts = training_cost(XL, precision="bf16", overlap=100, accumulation=4, **slow)
    assert parts["hidden_seconds"] == pytest.approx(parts["backward_seconds"] / 4), (
        "only the last part's"
    )
    assert (
        training_cost(XL, precision="bf16", overlap=100, split="zero1", **slow)[
            "exposed_seconds"
        ]
        > 0
    ), "the update is gathered afterwards"


def test_recomputing_costs_a_third_more_at_most():
    found = training_cost(XL, checkpointing="block")
    assert (
        1.32 < found["compute_seconds"] / training_cost(XL)["compute_seconds"] < 4 / 3
    )
    assert found["utilisation"] == pytest.approx(0.3, rel=0.01), (
        "what is computed twice counts once"
    )


def test_steps_and_images_are_two_names_of_a_run():
    by_steps, by_images = (
        training_cost(XL, 256, length=1000),
        training_cost(XL, 256, length=256_000, unit="images"),
    )
    assert by_steps["run_seconds"] == by_images["run_seconds"]
    assert by_steps["cost"] == pytest.approx(
        1000
        * by_steps["step_seconds"]
        / 3600
        * cost_formulas()["machines"]["H200"]["price"]
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (dict(batch=0), ["batch=0", "from 1 to"]), (dict(batch=2.5), ["batch=2.5",
        "whole number"]), (dict(devices=True), ["devices=True"]),
        (dict(precision="fp8"), ["precision='fp8'", "bf16_weights"]),
        (dict(split="zero4"), ["split='zero4'", "zero3"]),
        (dict(machine="abacus"), ["machine='abacus'", "H200"]),
        (dict(share=float("nan")), ["share=nan"]), (dict(speed=3), ["speed", "peak"]),
        (dict(config="XL/2"), ["config='XL/2'", "DiTConfig"]),
        (dict(checkpointing=True), ["checkpointing=True", "block"]),
    ],
)  # fmt: skip
def test_wrong_arguments_are_named(change, words):
    with pytest.raises(ConfigError) as error:
        training_cost(**(dict(config=XL) | change))
    assert all(word in str(error.value) for word in words)
