import sys

from dit_lite.experiments.bench_step import (
    matmul_peak,
    ours,
    resident,
    step_flops,
    theirs,
    trainer,
)


def test_both_sides_have_the_same_shape_and_take_a_step(monkeypatch):
    sizes = [sum(p.numel() for p in make()[0].blocks.parameters()) for make in (ours,)]
    other = theirs()[0]
    attention_and_mlp = sum(
        p.numel()
        for name, p in other.transformer_blocks.named_parameters()
        if ".norm1.emb." not in name
    )
    assert sizes[0] == attention_and_mlp
    monkeypatch.setattr(sys.modules[trainer.__module__], "BATCH", 2)
    trainer(ours, plain=False)()
    trainer(theirs, plain=True)()


def test_the_measures_are_of_the_right_size():
    assert 1e9 < matmul_peak(size=256, repeats=3) < 1e14
    assert 1e11 < step_flops() < 2e11  # 3 x 2 x 1.4 GMAC x 16 images
    assert 100 < resident() < 100_000
