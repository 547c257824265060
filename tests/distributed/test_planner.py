import dataclasses

import pytest

import dit_lite
from dit_lite.analysis.training_cost import training_cost
from dit_lite.config import ConfigError
from dit_lite.distributed.planner import (
    Layout,
    check_layout,
    layout_cost,
    layouts,
    plan,
    split_table,
)

XL = dit_lite.preset("XL/2")


@pytest.mark.parametrize("checkpointing", ["none", "block", "sqrt"])
@pytest.mark.parametrize("split", ["ddp", "zero1", "zero2", "zero3"])
def test_data_parallelism_costs_what_the_cost_calculator_says(split, checkpointing):
    cost = layout_cost(XL, Layout(8, 1, 1, 2, split), 256, checkpointing=checkpointing)
    known = training_cost(
        XL,
        256,
        precision="bf16",
        devices=8,
        accumulation=2,
        split=split,
        checkpointing=checkpointing,
    )
    assert cost["device_memory"] == pytest.approx(known["total_memory"])
    assert cost["layout_seconds"] == pytest.approx(known["step_seconds"])
    assert cost["data_sent"] == pytest.approx(known["sent_bytes"])


def test_the_state_of_xl2_is_sixteen_bytes_a_parameter_and_four_for_the_average():
    table = split_table(XL, 4)
    one = table["one device"]
    state = one["weights"] + one["gradients"] + one["moments"]
    psi = dit_lite.flops(XL)["total"].parameters
    assert state == 16 * psi
    assert one["ema"] == 4 * psi
    assert table["ZeRO-1"]["moments"] == one["moments"] / 4
    assert table["ZeRO-2"]["gradients"] == one["gradients"] / 4
    assert table["ZeRO-3"]["weights"] == one["weights"] / 4
    assert one["weights"] / 4 < table["tensor"]["weights"] < one["weights"] / 3.9


def test_zero_3_sends_three_psi_where_the_others_send_two():
    fp32 = split_table(XL, 4, precision="fp32")
    assert fp32["ZeRO-3"]["sent"] == pytest.approx(1.5 * fp32["data"]["sent"])
    assert fp32["ZeRO-1"]["sent"] == pytest.approx(fp32["data"]["sent"])


def test_stages_idle_as_the_formula_says_and_hold_as_many_micro_batches():
    one = layout_cost(XL, Layout(stages=4, micro_batches=4), 64)
    many = layout_cost(XL, Layout(stages=4, micro_batches=16), 64)
    assert one["bubble_seconds"] / one["busy_seconds"] == pytest.approx(3 / 4)
    assert many["bubble_seconds"] / many["busy_seconds"] == pytest.approx(3 / 16)
    assert many["in_flight"] == 4
    assert many["device_activations"] == pytest.approx(one["device_activations"] / 4)


def test_every_layout_uses_all_devices_and_divides_the_model():
    found = list(layouts(XL, 256, 16))
    assert {layout.devices for layout in found} == {16}
    assert {layout.tensor for layout in found} == {1, 2, 4, 8, 16}
    assert {layout.stages for layout in found} == {1, 2, 4}
    for layout in found:
        check_layout(XL, layout, 256)


def test_slow_links_change_the_winner():
    best = {machine: plan(XL, 256, 16, machine)[0] for machine in ("A100", "4090")}
    assert best["A100"].layout.stages == 1
    assert best["4090"].layout.stages > 1
    for entry in best.values():
        assert entry.seconds[0] < entry.cost["layout_seconds"] < entry.seconds[1]


def test_a_plan_is_sorted_and_fits():
    found = plan(XL, 256, 8, "4090", checkpointing="block")
    seconds = [entry.cost["layout_seconds"] for entry in found]
    assert seconds == sorted(seconds)
    assert all(entry.cost["device_memory"] < 24e9 for entry in found)
    assert plan(XL, 256, 1, "4090", memory=12) == []


def test_an_autoencoder_beside_the_training_costs_memory_and_time():
    with_it = layout_cost(
        XL, Layout(8), 256, frozen_parameters=84_000_000, frozen_macs=5e11
    )
    without = layout_cost(XL, Layout(8), 256)
    assert with_it["device_memory"] - without["device_memory"] == 2 * 84_000_000
    assert with_it["layout_seconds"] > without["layout_seconds"]


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        (Layout(tensor=3), "tensor=3 does not divide heads=16"),
        (Layout(stages=5), "stages=5 does not divide depth=28"),
        (Layout(data=3), r"data \* micro_batches=3 does not divide batch=256"),
    ],
)
def test_what_does_not_divide_is_named(layout, words):
    with pytest.raises(ConfigError, match=words):
        layout_cost(XL, layout, 256)
    assert dataclasses.replace(layout, data=1, tensor=1, stages=1) == Layout()


def test_a_conditioning_without_a_layout_is_told_where_it_belongs():
    config = dataclasses.replace(XL, conditioning="joint")
    with pytest.raises(
        ConfigError,
        match=r"conditioning='joint' has no entry in dit_lite/distributed/"
        r'layout_formulas.json; .* under "choices", "conditioning"',
    ):
        layout_cost(config, Layout(2), 64)
