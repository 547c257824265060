from dit_lite.benchmarks.implementations import diffusers_model
from dit_lite.benchmarks.step import MODEL, SIDES, resident
from dit_lite.model import DiT


def test_both_sides_have_the_same_shape_and_take_a_step():
    other = diffusers_model(MODEL).network
    attention_and_mlp = sum(
        p.numel()
        for name, p in other.transformer_blocks.named_parameters()
        if ".norm1.emb." not in name
    )
    ours = DiT(MODEL).blocks.parameters()
    assert sum(p.numel() for p in ours) == attention_and_mlp
    for make in SIDES.values():
        make(2)()


def test_resident_memory_is_of_the_right_size():
    assert 100 < resident() < 100_000
