"""A model can be handed to other programs: as a traced, an exported and a compiled
graph that computes what the model computes.
"""

import itertools
import warnings

import numpy as np
import pytest
import torch

import dit_lite
from dit_lite import DiT


def graph_of(model: DiT, inputs: tuple, way: str):
    if way == "trace":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.jit.trace(model, inputs)
    batch = torch.export.Dim("batch", min=2, max=64)
    shapes = None if way == "export" else ({0: batch},) * 3
    # by running the model's Python, which is the default from torch 2.7 on
    return torch.export.export(
        model, inputs, dynamic_shapes=shapes, strict=False
    ).module()


@torch.no_grad()
@pytest.mark.parametrize(
    ("way", "changes"),
    [
        ("export", {}),
        *itertools.product(
            ["trace", "export, any batch"],
            [
                {},
                {"conditioning": "in_context"},
                {"conditioning": "cross_attention", "position": "learned"},
                {"position": "rope", "qk_norm": True, "mlp": "swiglu"},
                {"long_skips": True},
                {"path": "ddpm", "objective": "eps", "learn_variance": True},
            ],
        ),
    ],
    ids=str,
)
def test_a_graph_computes_what_the_model_computes(alive, batch, way, changes):
    model = alive(std=0.1, **changes)
    graph = graph_of(model, batch(model.config), way)
    others = batch(model.config, size=3 if way == "export" else 5, seed=9)
    torch.testing.assert_close(graph(*others), model(*others))


@torch.no_grad()
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(
    torch.__version__.startswith("2.6"), reason="torch 2.6 exports no open batch"
)
def test_onnx_computes_what_the_model_computes_for_any_batch(tmp_path):
    import onnxruntime

    model = dit_lite.load("digits")
    x, t, y = torch.randn(3, 1, 8, 8), torch.rand(3), torch.tensor([1, 2, 10])
    batch = ({0: torch.export.Dim("batch", max=1024)},) * 3
    file = tmp_path / "digits.onnx"
    torch.onnx.export(
        model, (x, t, y), file, dynamo=True, dynamic_shapes=batch, verbose=False
    )
    session = onnxruntime.InferenceSession(file)
    for n in (3, 2):
        given = {"x": x[:n].numpy(), "t": t[:n].numpy(), "y": y[:n].numpy()}
        (found,) = session.run(None, given)
        assert np.abs(found - model(x[:n], t[:n], y[:n]).numpy()).max() < 1e-5
