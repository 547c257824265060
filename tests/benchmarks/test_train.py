import json
import sys

import pytest
import torch

from dit_lite import preset
from dit_lite.benchmarks.switches import SWITCHES
from dit_lite.benchmarks.timing import in_turns, matmul_peak, spread, step_flops
from dit_lite.benchmarks.train import SMOKE, Plan, best_batch, compare, when_it_fits
from dit_lite.cli import main

CPU = torch.device("cpu")
# a compiler runs where there is a GPU, and warns of many things
pytestmark = pytest.mark.filterwarnings("default")


@pytest.mark.parametrize(("name", "size"), [("S/2", 32), ("B/2", 32), ("B/4", 64)])
def test_the_flops_of_a_step_are_three_times_those_of_the_products(name, size):
    model = preset(name, image_size=size, channels=3, num_classes=10)
    D, N, patch = model.width, model.tokens, 3 * model.patch_size**2
    block = 12 * N * D**2 + 2 * N**2 * D + 6 * D**2
    assert step_flops(model) == 6 * (
        model.depth * block + 2 * N * patch * D + 2 * D**2 + (256 + D) * D
    )


def test_the_smoke_bench_measures_both_sides(tmp_path, capsys):
    pytest.importorskip("diffusers")
    assert (
        main(["bench", "train", "--smoke", "--out", str(tmp_path / "rows.json")]) == 0
    )
    found = json.loads((tmp_path / "rows.json").read_text())
    assert {"date", "commit", "hardware", "torch", "matmul_peak"} <= found[
        "provenance"
    ].keys()
    places = {(row["at"], row["side"]) for row in found["rows"]}
    assert {
        (at, side)
        for at in ("at batch 8", "each at its best batch")
        for side in ("dit_lite", "diffusers")
    } <= places
    for row in found["rows"]:
        rate = row["images_per_second"]
        assert 0 < rate["low"] <= rate["median"] <= rate["high"]
        assert 0 < row["peak_share"] < 1
        assert row["host_seconds"] > 0
        assert row["side"] != "diffusers" or row["times_diffusers"]["median"] == 1
    assert "x diffusers" in capsys.readouterr().out


def test_without_diffusers_ours_stands_alone(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    model = preset("digits", depth=1)
    rows = compare(model, CPU, SMOKE, 1e12)
    assert {row["side"] for row in rows} == {"dit_lite"}
    assert all("times_diffusers" not in row for row in rows)
    assert (
        "diffusers is not installed, so there is nothing to compare with"
        in capsys.readouterr().out
    )


def test_the_smoke_ablation_has_a_line_for_each_switch(tmp_path, capsys):
    assert (
        main(
            [
                "bench",
                "train",
                "--smoke",
                "--ablate",
                "--out",
                str(tmp_path / "rows.json"),
            ]
        )
        == 0
    )
    rows = [
        row
        for row in json.loads((tmp_path / "rows.json").read_text())["rows"]
        if "switch" in row
    ]
    named = [
        switch.name for switch in SWITCHES if torch.cuda.is_available() or switch.undo
    ]
    assert [row["switch"] for row in rows][: 1 + len(named)] == ["none", *named]
    assert all(name in capsys.readouterr().out for name in named[:1])


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without a GPU")
def test_without_a_gpu_the_bench_refuses_in_one_line(capsys):
    assert main(["bench", "train"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert (
        "needs a GPU, but there is none; with --smoke a tiny model runs here" in error
    )


def test_the_best_batch_is_where_doubling_stops_to_help(monkeypatch):
    # seconds of a step: no gain from 32 to 64
    costs = {8: 8.0, 16: 12.0, 32: 20.0, 64: 40.0}
    plan = Plan({}, batch=8, largest=512)
    monkeypatch.setattr(
        "dit_lite.benchmarks.train.in_turns",
        lambda steps, *_: {"it": [costs[steps["it"]()]] * 2},
    )
    assert best_batch(lambda batch: lambda: batch, CPU, plan) == 32

    def full(batch):
        if batch > 16:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return lambda: batch

    assert best_batch(full, CPU, plan) == 16


def test_only_a_full_memory_is_forgiven():
    def fail(message):
        raise RuntimeError(message)

    assert when_it_fits(lambda: 3, CPU) == 3
    assert when_it_fits(lambda: fail("CUDA error: out of memory"), CPU) is None
    with pytest.raises(RuntimeError, match="shape"):
        when_it_fits(lambda: fail("shape mismatch"), CPU)


def test_kinds_take_turns_and_directions():
    calls = []
    found = in_turns(
        {name: lambda name=name: calls.append(name) for name in "ab"}, CPU, 4, 0.0
    )
    assert "".join(calls) == "aabb" + "abbaabba"
    assert {name: len(times) for name, times in found.items()} == {"a": 4, "b": 4}
    assert spread([1, 2, 3, 4, 5]) == (3, 2, 4)
    assert 1e8 < matmul_peak(CPU, torch.float32, [128], 0.01)[0] < 1e14
